"""Modules from files and memory: text, MLIR bytecode, StableHLO's portable artifacts."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from mycc.dialects.composites import restore
from mycc.dialects.errors import ModuleError, TransformError
from mycc.dialects.mlir import context, hlo, ir
from mycc.passes.diagnostics import format_diagnostic, format_error

__all__ = [
    "Source",
    "check_nesting",
    "check_strings",
    "parse_module",
    "read_source",
    "rename",
    "source_of",
    "split_source",
]

_BYTECODE = b"ML\xefR"
# Bytecode goes on with its version and who wrote it; portable artifacts are written by "StableHLO_v1.2.3".
_ARTIFACT = b"StableHLO_v"

# MLIR's parser recurses on every bracket and runs out of stack somewhere below 20,000 of them; what
# compilers write stays below a hundred.
_MAX_NESTING = 1_000
_TOKENS = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|->|[()\[\]{}<>]')
# Its parser of affine expressions recurses on every sign.
_SIGNS = re.compile(rf"(?:-\s*){{{_MAX_NESTING}}}")
# Bytes beyond ASCII, as MLIR writes them in strings; a backslash before is one that was escaped itself.
_ESCAPES = re.compile(r"(?<!\\)(?:\\[89A-Fa-f][0-9A-Fa-f])+")
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
        ModuleError: it is neither text nor MLIR's bytecode.
    """
    if path == "-":
        name, data = (
            "<stdin>",
            sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode(),
        )
    else:
        with open(path, "rb") as file:
            name, data = path, file.read()
    return source_of(name, data)


def source_of(name: str, data: str | bytes) -> Source:
    """What a file, or a value in memory, holds: text, or bytecode as it is.

    Raises:
        ModuleError: it is neither UTF-8 text nor MLIR's bytecode.
    """
    if isinstance(data, bytes) and data.startswith(_BYTECODE):
        return Source(name, data)
    try:
        text = data.decode() if isinstance(data, bytes) else data
        if isinstance(data, str):
            data = data.encode()  # lone surrogates are no text
    except UnicodeError as error:
        raise ModuleError(
            f"{_position(name, data, error)}: error: neither UTF-8 text nor MLIR bytecode"
        ) from None
    if "\0" in text:
        # MLIR would take it for the end.
        before = text[: text.index("\0")]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ModuleError(f"{name}:{line}:{column}: error: a NUL character; neither text nor MLIR bytecode")
    return Source(name, text)


def _position(name: str, data: str | bytes, error: UnicodeError) -> str:
    if isinstance(data, str) or not isinstance(error, UnicodeDecodeError):
        return f"{name}:1:1"
    line = data.count(b"\n", 0, error.start) + 1
    column = error.start - data.rfind(b"\n", 0, error.start)
    return f"{name}:{line}:{column}"


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
        ModuleError: with the position of the bracket that is one too many.
    """
    text = source.text
    if isinstance(text, bytes):
        return
    signs = _SIGNS.search(text)
    if signs is not None:
        raise ModuleError(f"{_place(source, signs.start())}: error: more than {_MAX_NESTING} signs in a row")
    if sum(map(text.count, "([{<")) <= _MAX_NESTING:
        return
    depths = dict.fromkeys("([{<", 0)
    for match in _TOKENS.finditer(text):
        token = match[0]
        if token in depths:
            depths[token] += 1
            if sum(depths.values()) > _MAX_NESTING:
                where = _place(source, match.start())
                raise ModuleError(f"{where}: error: brackets nested more than {_MAX_NESTING} deep")
        elif token in _CLOSES and depths[_CLOSES[token]]:
            depths[_CLOSES[token]] -= 1


def _place(source: Source, at: int) -> str:
    text = source.text
    assert isinstance(text, str)
    line = source.line + text.count("\n", 0, at) + 1
    return f"{source.name}:{line}:{at - text.rfind(chr(10), 0, at)}"


def check_strings(source: Source) -> None:
    """Refuses strings that are no UTF-8, which the bindings cannot hand out.

    Raises:
        ModuleError: with the position of the escapes.
    """
    text = source.text
    if isinstance(text, bytes):
        return
    for match in _ESCAPES.finditer(text):
        try:
            bytes.fromhex(match[0].replace("\\", "")).decode()
        except UnicodeDecodeError:
            place = _place(source, match.start())
            raise ModuleError(f"{place}: error: a string that is not UTF-8: {match[0][:40]}") from None


def parse_module(source: Source) -> ir.Module:
    """Parses a module and verifies it.

    Raises:
        ModuleError: it is no valid module; the message is ``file:line:col: error: ...``.
    """
    check_nesting(source)
    check_strings(source)
    text = source.text
    try:
        if isinstance(text, bytes) and _ARTIFACT in text[:32]:
            return _deserialize(source.name, text)
        if source.whole and os.path.isfile(source.name):
            # Only this entry gives operations the file's name as their location.
            return ir.Module.parseFile(source.name, context=context)
        if isinstance(text, str):
            text = "\n" * source.line + text
        return ir.Module.parse(text, context=context)
    except ir.MLIRError as error:
        raise ModuleError(rename(format_error(error), source.name)) from None


def _deserialize(name: str, artifact: bytes) -> ir.Module:
    """The module of a portable artifact, whose operations are versioned ones of another dialect."""
    with _diagnostics() as found:
        try:
            module = hlo.deserialize_portable_artifact(context, artifact)
        except (ValueError, RuntimeError) as error:
            reasons = "; ".join(found) or str(error)
            raise ModuleError(
                f"{name}: error: not a portable artifact that this version reads: {reasons}"
            ) from None
    try:
        module.operation.verify()
        # References inside of attributes come back as strings.
        restore(module)
    except ir.MLIRError as error:
        raise ModuleError(rename(format_error(error), name)) from None
    except TransformError as error:
        raise ModuleError(f"{name}: error: {error}") from None
    return module


@contextlib.contextmanager
def _diagnostics() -> Iterator[list[str]]:
    """What MLIR says inside the block, which would go to stderr."""
    texts: list[str] = []

    def handle(diagnostic: Any) -> bool:
        texts.append(format_diagnostic(diagnostic))
        return True

    with context.attach_diagnostic_handler(handle):
        yield texts


def rename(message: str, name: str) -> str:
    """Puts the file's name where MLIR says ``-`` for a text that it got from memory.

    Messages of mycc's own, ``file:line: ...``, say that they are errors, too.
    """
    named = re.sub(r"^-(?=:\d+(:\d+)?: )", name.replace("\\", r"\\"), message, flags=re.MULTILINE)
    return re.sub(rf"^({re.escape(name)}:\d+): (?!\w+: )", r"\1: error: ", named)
