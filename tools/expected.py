"""``--verify-diagnostics``: errors against the comments that foretell them.

``// expected-error@+1 {{text}}`` foretells an error on the next line whose message contains the text;
also ``-warning``, ``-note`` and ``-remark``; ``@above``, ``@below``, ``@-2``, or nothing for the same
line; ``expected-error-re`` where the text holds regular expressions in double braces.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mycc.dialects.mlir import context
from mycc.lowering.sources import Source

__all__ = ["check_expected", "collect_diagnostics"]

_EXPECTED = re.compile(
    r"expected-(error|warning|note|remark)(-re)? *(?:@([+-]\d+|above|below|unknown))? *\{\{(.*?)\}\}(?!\})"
)
_EXPECTED_RE = re.compile(
    r"expected-(error|warning|note|remark)(-re) *(?:@([+-]\d+|above|below|unknown))? *\{\{(.*)\}\}\s*$"
)
_DIAGNOSTIC = re.compile(r"^(?:<unknown>|(.+?):(\d+)(:\d+)?): (error|warning|note|remark): (.*)$")


@dataclass
class _Found:
    line: int  # 0 where the location is unknown
    kind: str
    message: str
    text: str


@contextlib.contextmanager
def collect_diagnostics() -> Iterator[list[str]]:
    """Collects MLIR's warnings and remarks; errors come as exceptions."""
    from mycc.passes.diagnostics import format_diagnostic

    texts: list[str] = []

    def handle(diagnostic: Any) -> bool:
        texts.append(format_diagnostic(diagnostic))
        return True

    with context.attach_diagnostic_handler(handle):
        yield texts


def check_expected(source: Source, diagnostics: list[str]) -> list[str]:
    """Returns what is wrong: diagnostics that nobody expected, and expected ones that did not come."""
    if isinstance(source.text, bytes):
        return diagnostics
    found = _parse(diagnostics)
    complaints = []
    for number, line in enumerate(source.text.split("\n"), source.line + 1):
        for kind, regex, where, text in _expectations(line):
            wanted = _line(number, where)
            match = next(
                (f for f in found if f.kind == kind and f.line == wanted and _says(f, text, regex)), None
            )
            if match is None:
                complaints.append(
                    f"{source.name}:{number}:1: error: expected {kind} {text!r} was not produced"
                )
            else:
                found.remove(match)
    return complaints + [f"{f.text}\nnote: this {f.kind} was not expected" for f in found if f.kind != "note"]


def _expectations(line: str) -> Iterator[tuple[str, bool, str | None, str]]:
    regex = _EXPECTED_RE.search(line)
    if regex is not None:
        yield regex[1], True, regex[3], regex[4]
        return
    for match in _EXPECTED.finditer(line):
        yield match[1], False, match[3], match[4]


def _line(number: int, where: str | None) -> int:
    if where is None:
        return number
    if where == "unknown":
        return 0
    return number + (int(where) if where[0] in "+-" else {"above": -1, "below": 1}[where])


def _says(found: _Found, text: str, regex: bool) -> bool:
    if not regex:
        return text in found.message
    parts = re.split(r"\{\{(.*?)\}\}", text)
    pattern = "".join(part if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return re.search(pattern, found.message) is not None


def _parse(diagnostics: list[str]) -> list[_Found]:
    found: list[_Found] = []
    for line in "\n".join(diagnostics).split("\n"):
        match = _DIAGNOSTIC.match(line)
        if match is not None:
            found.append(_Found(int(match[2] or 0), match[4], match[5], line))
        elif line.startswith("note: ") or not found:
            found.append(_Found(0, "note" if line.startswith("note: ") else "error", line, line))
        else:
            found[-1].message += f"\n{line}"
            found[-1].text += f"\n{line}"
    return [f for f in found if f.text]
