"""``--args 'f32[8,4], i32[]'``: shapes and dtypes of arguments without data.

::

    specs ::= spec ("," spec)*
    spec  ::= dtype ("[" size ("," size)* "]")? | "(" specs? ")" | "{" name ":" spec, ... "}"

A dtype is written as in MLIR (``f32``, ``i64``, ``ui8``, ``i1``), in HLO (``s32``, ``u8``, ``pred``,
``c64``) or in NumPy (``float32``, ``bool``). Parentheses make a tuple, braces a dictionary.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple, NoReturn

import ml_dtypes
import numpy as np

from mycc.dialects.errors import MyccError

__all__ = ["Spec", "parse_specs"]


class Spec(NamedTuple):
    """The shape and dtype of one array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def _dtypes() -> dict[str, np.dtype[Any]]:
    found: dict[str, np.dtype[Any]] = {}
    for width in (8, 16, 32, 64):
        for name in (f"i{width}", f"s{width}", f"si{width}", f"int{width}"):
            found[name] = np.dtype(f"int{width}")
        for name in (f"u{width}", f"ui{width}", f"uint{width}"):
            found[name] = np.dtype(f"uint{width}")
    for width in (16, 32, 64):
        found[f"f{width}"] = found[f"float{width}"] = np.dtype(f"float{width}")
    for width in (64, 128):
        found[f"c{width}"] = found[f"complex{width}"] = np.dtype(f"complex{width}")
    found["bf16"] = found["bfloat16"] = np.dtype(ml_dtypes.bfloat16)
    found["i1"] = found["pred"] = found["bool"] = np.dtype(np.bool_)
    return found


_DTYPES = _dtypes()
_WORD = re.compile(r"[A-Za-z_]\w*")
_SIZE = re.compile(r"\d+")
_MAX_DEPTH = 32


def parse_specs(text: str) -> list[Any]:
    """Reads the arguments' shapes and dtypes.

    Returns:
        For each argument a `Spec`, or a tuple or dictionary of them, nested as written.

    Raises:
        MyccError: with the position under a caret.

    Example:
        >>> parse_specs("f32[8,4], i32")
        [Spec(shape=(8, 4), dtype=dtype('float32')), Spec(shape=(), dtype=dtype('int32'))]
    """
    parser = _Parser(text)
    found = parser.sequence("")
    parser.skip()
    if parser.pos < len(text):
        parser.fail(f"expected ',' or the end, found '{text[parser.pos]}'")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.depth = 0

    def fail(self, message: str, pos: int | None = None) -> NoReturn:
        at = self.pos if pos is None else pos
        raise MyccError(f"--args:1:{at + 1}: error: {message}\n{self.text}\n{' ' * at}^")

    def skip(self) -> None:
        while self.pos < len(self.text) and self.text[self.pos].isspace():
            self.pos += 1

    def take(self, char: str) -> bool:
        self.skip()
        if self.text.startswith(char, self.pos) and self.pos < len(self.text):
            self.pos += 1
            return True
        return False

    def sequence(self, end: str) -> list[Any]:
        found: list[Any] = []
        self.skip()
        if self.pos == len(self.text) or (end and self.text[self.pos] == end):
            return found
        while True:
            found.append(self.spec())
            if not self.take(","):
                return found
            self.skip()
            if end and self.text.startswith(end, self.pos):  # (f32[2],) is a tuple of one
                return found

    def spec(self) -> Any:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.fail(f"nested more than {_MAX_DEPTH} deep")
        start = self.pos
        if self.take("("):
            items = self.sequence(")")
            if not self.take(")"):
                self.fail("this '(' is never closed", start)
            found: Any = tuple(items)
        elif self.take("{"):
            found = self.dictionary(start)
        else:
            found = self.array()
        self.depth -= 1
        return found

    def dictionary(self, start: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self.take("}"):
            name = self.word("the name of an entry")
            if not self.take(":"):
                self.fail(f"expected ':' after '{name}'")
            found[name] = self.spec()
            if not self.take(","):
                if not self.take("}"):
                    self.fail("this '{' is never closed", start)
                break
        return found

    def word(self, what: str) -> str:
        self.skip()
        match = _WORD.match(self.text, self.pos)
        if match is None:
            found = f"'{self.text[self.pos]}'" if self.pos < len(self.text) else "the end"
            self.fail(f"expected {what}, found {found}")
        self.pos = match.end()
        return match[0]

    def array(self) -> Spec:
        name = self.word("a dtype such as f32")
        start = self.pos - len(name)
        dtype = _DTYPES.get(name)
        if dtype is None:
            close = difflib.get_close_matches(name, _DTYPES, n=1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            self.fail(f"unknown dtype '{name}'{hint}; e.g. f32, bf16, i32, ui8, i1, c64", start)
        return Spec(self.sizes(), dtype)

    def sizes(self) -> tuple[int, ...]:
        start = self.pos
        if not self.take("["):
            return ()
        sizes: list[int] = []
        while not self.take("]"):
            self.skip()
            match = _SIZE.match(self.text, self.pos)
            if match is None:
                closed = self.pos == len(self.text)
                self.fail(
                    "this '[' is never closed" if closed else "expected a size", start if closed else None
                )
            sizes.append(int(match[0]))
            self.pos = match.end()
            rest = self.text[self.pos :].lstrip()
            if not self.take(",") and rest and not rest.startswith("]"):
                self.fail("expected ',' or ']'")
        return tuple(sizes)
