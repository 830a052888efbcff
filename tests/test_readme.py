"""README.md's code, run as it stands there: what is printed must be what the README shows.

A ```python block runs in one namespace with those before it; one starting with ``# name.py`` is saved under
that name instead, as is an ```mlir block starting with ``// name.mlir``. A ```text or ```mlir block after a
```python block shows what it prints. In a ```console block ``$ command`` runs where the saved files are, and
the lines after it are what it prints. ``...`` stands for anything.

``python tests/test_readme.py`` writes what is printed now into README.md, except where there is ``...``.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

README = Path(__file__).parent.parent / "README.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Commands that the README names but that a test must not run: they install, test, or take minutes.
NOT_RUN = ("pip ", "pytest", "python -m pytest", "python -m benchmarks", "git ", "python examples/")


@dataclass
class Block:
    """A fenced block: its language, text, and where the text stands in the README."""

    language: str
    text: str
    start: int
    end: int

    @property
    def file_name(self) -> str | None:
        found = re.match(r"(?:#|//) (\w+\.(?:py|mlir))\n", self.text)
        return found and found[1]


@dataclass
class Shown:
    """What the README says is printed, what is printed, and where the README says it."""

    code: str
    expected: str
    got: str
    start: int
    end: int


def blocks(readme: str) -> list[Block]:
    return [Block(m[1], m[2], m.start(2), m.end(2)) for m in FENCE.finditer(readme)]


def run(readme: str, folder: Path) -> Iterator[Shown]:
    """Run all blocks in order, and yield everything that shows an output."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    found = blocks(readme)
    for block, after in zip(found, [*found[1:], Block("end", "", len(readme), len(readme))], strict=True):
        if block.file_name is not None:
            (folder / block.file_name).write_text(block.text.partition("\n")[2])
        elif block.language == "console":
            yield from _console(block, folder)
        elif block.language == "python":
            printed = io.StringIO()
            line = readme.count("\n", 0, block.start)
            code = compile("\n" * line + block.text, "README.md", "exec")
            with contextlib.redirect_stdout(printed), contextlib.chdir(folder):
                exec(code, namespace)
            if after.language in ("text", "mlir") and after.file_name is None:
                yield Shown(block.text, after.text, printed.getvalue(), after.start, after.end)
            else:
                assert printed.getvalue() == "", f"README.md:{line}: prints, and the README does not show it"


def _console(block: Block, folder: Path) -> Iterator[Shown]:
    commands = list(re.finditer(r"^\$ (.*)\n", block.text, re.MULTILINE))
    ends = [c.start() for c in commands[1:]] + [len(block.text)]
    for command, end in zip(commands, ends, strict=True):
        if command[1].startswith(NOT_RUN):
            continue
        done = subprocess.run(
            ["bash", "-c", command[1]],
            cwd=folder,
            env={**os.environ, "PATH": f"{_shims(folder)}{os.pathsep}{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        expected = block.text[command.end() : end]
        yield Shown(command[1], expected, done.stdout, block.start + command.end(), block.start + end)


def _shims(folder: Path) -> Path:
    """A folder with a ``mycc`` that is the one under test, installed or not."""
    shims = folder / "bin"
    shims.mkdir(exist_ok=True)
    (shims / "mycc").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mycc.tools.cli "$@"\n')
    (shims / "mycc").chmod(0o755)
    (shims / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (shims / "python").chmod(0o755)
    return shims


def test_readme(tmp_path: Path) -> None:
    wrong = [
        f"{shown.code.rstrip()}\n--- README.md shows\n{shown.expected}--- printed\n{shown.got}"
        for shown in run(README.read_text(), tmp_path)
        if not _same(shown.expected, shown.got)
    ]
    assert not wrong, "\n\n".join(wrong)


FLOAT = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=e[-+]\d))(?:e[-+]?\d+)?")


def _same(expected: str, got: str) -> bool:
    """Whether texts agree, up to spaces and to the last digits of floats, in which processors differ."""
    checker, flags = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if "..." in expected:
        return checker.check_output(expected, got, flags)
    numbers = [np.array([float(x) for x in FLOAT.findall(text)]) for text in (expected, got)]
    texts = [FLOAT.sub(" # ", text) for text in (expected, got)]
    return checker.check_output(*texts, flags) and np.allclose(*numbers, rtol=1e-5, atol=1e-6)


def _write() -> None:
    os.environ["PYTHONPATH"] = str(README.parent / "src")
    readme = README.read_text()
    with tempfile.TemporaryDirectory() as folder:
        shown = [s for s in run(readme, Path(folder)) if "..." not in s.expected]
    for s in reversed(shown):
        readme = (
            readme[: s.start]
            + "".join(f"{line.rstrip()}\n" for line in s.got.rstrip().splitlines())
            + readme[s.end :]
        )
    README.write_text(readme)


if __name__ == "__main__":
    _write()
