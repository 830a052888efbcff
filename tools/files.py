"""Reading modules and writing results, as a compiler does it."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

from mycc.dialects.errors import MyccError, PassError
from mycc.dialects.mlir import context, ir

__all__ = ["Source", "check_nesting", "parse_module", "read_source", "split_source", "write_output"]

_BYTECODE = b"ML\xefR"

# MLIR's parser recurses on every bracket and runs out of stack somewhere below 20,000 of them; what
# compilers write stays below a hundred.
_MAX_NESTING = 1_000
_TOKENS = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|->|[()\[\]{}<>]')
_CLOSES = {")": "(", "]": "[", "}": "{", ">": "<"}
_SPLIT = re.compile(r"^// -----[^\n]*$", re.MULTILINE)


class Source:
    """The text (or bytecode) of one module.

    Attributes:
        name: the file's name, for messages.
        text: the contents.
        line: the number of lines before it in the file.
        whole: whether it is the whole file.
    """

    def __init__(self, name: str, text: str | bytes, line: int = 0, whole: bool = True) -> None:
        self.name = name
        self.text = text
        self.line = line
        self.whole = whole


def read_source(path: str) -> Source:
    """Reads a file, or standard input for ``-``.

    Raises:
        OSError: the file cannot be read.
        MyccError: it is neither text nor MLIR's bytecode.
    """
    if path == "-":
        name, data = (
            "<stdin>",
            sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode(),
        )
    else:
        with open(path, "rb") as file:
            name, data = path, file.read()
    if data.startswith(_BYTECODE):
        return Source(name, data)
    try:
        return Source(name, data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise MyccError(f"{name}:{line}:{column}: error: neither UTF-8 text nor MLIR bytecode") from None


def split_source(source: Source) -> list[Source]:
    """Cuts a text at its lines ``// -----`` into modules of their own."""
    if isinstance(source.text, bytes):
        return [source]
    pieces, start = [], 0
    for match in [*_SPLIT.finditer(source.text), None]:
        end = len(source.text) if match is None else match.start()
        line = source.text.count("\n", 0, start)
        pieces.append(Source(source.name, source.text[start:end], line, whole=False))
        start = len(source.text) if match is None else match.end()
    return pieces


def check_nesting(source: Source) -> None:
    """Refuses a text that nests brackets so deep that MLIR's parser would end the process.

    Raises:
        PassError: with the position of the bracket that is one too many.
    """
    text = source.text
    if isinstance(text, bytes) or sum(map(text.count, "([{<")) <= _MAX_NESTING:
        return
    depths = dict.fromkeys("([{<", 0)
    for match in _TOKENS.finditer(text):
        token = match[0]
        if token in depths:
            depths[token] += 1
            if sum(depths.values()) > _MAX_NESTING:
                line = source.line + text.count("\n", 0, match.start()) + 1
                column = match.start() - text.rfind("\n", 0, match.start())
                raise PassError(
                    f"{source.name}:{line}:{column}: error: brackets nested more than {_MAX_NESTING} deep"
                )
        elif token in _CLOSES and depths[_CLOSES[token]]:
            depths[_CLOSES[token]] -= 1


def parse_module(source: Source) -> ir.Module:
    """Parses a module.

    Raises:
        PassError: the text is no valid module; the message is ``file:line:col: error: ...``.
    """
    from mycc.passes.diagnostics import format_error

    check_nesting(source)
    try:
        if source.whole and os.path.isfile(source.name):
            # Only this entry gives operations the file's name as their location.
            return ir.Module.parseFile(source.name, context=context)
        text = source.text if isinstance(source.text, bytes) else "\n" * source.line + source.text
        return ir.Module.parse(text, context=context)
    except ir.MLIRError as error:
        raise PassError(rename(format_error(error), source.name)) from None


def rename(message: str, name: str) -> str:
    """Puts the file's name where MLIR says ``-`` for a text that it got from memory.

    Messages of mycc's own, ``file:line: ...``, say that they are errors, too.
    """
    named = re.sub(r"^-(?=:\d+(:\d+)?: )", name.replace("\\", r"\\"), message, flags=re.MULTILINE)
    return re.sub(rf"^({re.escape(name)}:\d+): (?!\w+: )", r"\1: error: ", named)


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Sends what is printed inside the block to stderr: stdout is for the result."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def write_output(path: str | None, text: str | bytes) -> None:
    """Writes a result, all of it or nothing.

    Args:
        path: the file; None or ``-`` for standard output.
        text: the contents.

    Raises:
        OSError: the file cannot be written; one that was there before is left as it was.
    """
    data = text.encode() if isinstance(text, str) else text
    if path is None or path == "-":
        if isinstance(text, str):
            sys.stdout.write(text)
        else:
            sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe, /dev/null
        with open(path, "wb") as file:
            file.write(data)
        return
    folder = os.path.dirname(os.path.abspath(path))
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _mode(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
