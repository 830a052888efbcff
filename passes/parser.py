"""The grammar of textual pipelines.

::

    pipeline ::= item ("," item)*
    item     ::= name ("{" option* "}")? | op-name "(" pipeline? ")"
    option   ::= name ("=" value)?          values: bare, "quoted", 'quoted' or {in braces}
"""

from __future__ import annotations

import re
from typing import NoReturn

from mycc.dialects.errors import PipelineError
from mycc.passes.base import Pass, did_you_mean
from mycc.passes.pipeline import Item, NativePass, Nested, check_native
from mycc.passes.registry import NATIVE_PASSES, PASSES

__all__ = ["parse_pipeline"]

_MODULE = "builtin.module"
_NAME = re.compile(r"[A-Za-z_][\w.\-]*")
# Deeper nesting means nothing, and the native parser that sees it recurses.
_MAX_DEPTH = 32


def parse_pipeline(text: str, passes: tuple[type[Pass], ...] = ()) -> list[Item]:
    """Returns the items of a pipeline, the outer ``builtin.module(...)`` unwrapped.

    Raises:
        PipelineError: with the position under a caret.
    """
    parser = _Parser(text, {p.name: p for p in (*PASSES, *passes)})
    items = parser.pipeline(_MODULE, depth=0)
    parser.skip()
    if parser.pos < len(text):
        parser.fail(f"expected ',' or the end of the pipeline, found '{text[parser.pos]}'")
    return items


class _Parser:
    def __init__(self, text: str, known: dict[str, type[Pass]]) -> None:
        self.text = text
        self.pos = 0
        self.known = known

    def fail(self, message: str, pos: int | None = None) -> NoReturn:
        at = self.pos if pos is None else pos
        start = self.text.rfind("\n", 0, at) + 1
        row, line = self.text.count("\n", 0, at) + 1, self.text[start:].partition("\n")[0]
        caret = " " * (at - start) + "^"
        raise PipelineError(f"pipeline:{row}:{at - start + 1}: error: {message}\n{line}\n{caret}")

    def skip(self) -> None:
        while self.pos < len(self.text) and self.text[self.pos].isspace():
            self.pos += 1

    def peek(self, char: str) -> bool:
        self.skip()
        return self.text.startswith(char, self.pos)

    def pipeline(self, anchor: str, depth: int) -> list[Item]:
        items: list[Item] = []
        self.skip()
        if self.pos == len(self.text) or self.peek(")"):
            return items
        while True:
            items += self.item(anchor, depth)
            if not self.peek(","):
                return items
            self.pos += 1

    def item(self, anchor: str, depth: int) -> list[Item]:
        self.skip()
        start = self.pos
        match = _NAME.match(self.text, start)
        if match is None:
            found = f"'{self.text[start]}'" if start < len(self.text) else "the end"
            self.fail(f"expected the name of a pass, found {found}")
        name = match[0]
        self.pos = match.end()
        if self.peek("("):
            return self.nested(name, start, anchor, depth)
        options_at = self.pos
        options = self.braces() if self.peek("{") else ""
        if name in self.known:
            return [self.python_pass(name, options, start, options_at, anchor)]
        native = NativePass(f"{name}{{{options}}}" if options.strip() else name)
        self.check_native(native, anchor, start, options_at)
        return [native]

    def nested(self, name: str, start: int, anchor: str, depth: int) -> list[Item]:
        if depth >= _MAX_DEPTH:
            self.fail(f"pipelines nested more than {_MAX_DEPTH} deep", start)
        if name in self.known or name in NATIVE_PASSES:
            self.fail(f"'{name}' is a pass: its options go in braces, '{name}{{...}}'", self.pos)
        self.pos += 1
        outermost = depth == 0 and name == _MODULE and not self.text[:start].strip()
        inner = self.pipeline(name, depth + 1)
        if not self.peek(")"):
            self.fail(f"expected ',' or ')' to end '{name}('")
        self.pos += 1
        if outermost:
            self.skip()
            if self.pos < len(self.text):
                self.fail(f"expected the end after '{_MODULE}(...)', found '{self.text[self.pos]}'")
            return inner
        if not inner:
            return []
        return [Nested(name, tuple(item for item in inner if not isinstance(item, Pass)))]

    def python_pass(self, name: str, options: str, start: int, options_at: int, anchor: str) -> Pass:
        if anchor != _MODULE:
            self.fail(f"pass '{name}' runs on {_MODULE}: move it out of '{anchor}(...)'", start)
        try:
            return self.known[name].from_options(self.split_options(options, options_at + 1))
        except PipelineError as error:
            if "\n" in str(error):
                raise
            where = re.search(r"option '([\w-]+)'", str(error))
            at = self.text.find(where[1], options_at) if where else -1
            self.fail(str(error), at if at >= 0 else start)

    def check_native(self, native: NativePass, anchor: str, start: int, options_at: int) -> None:
        message = check_native(anchor, native.text)
        if message is None:
            return
        if check_native(anchor, native.name) is None:
            # MLIR's message names the option, then repeats the pass and its options.
            first = message.strip().partition("\n")[0].removeprefix("<Pass-Options-Parser>: ")
            self.fail(f"pass '{native.name}': {first}", options_at)
        if anchor != "func.func" and check_native("func.func", native.name) is None:
            self.fail(f"pass '{native.name}' runs on functions: write 'func.func({native.name})'", start)
        if anchor != _MODULE and check_native(_MODULE, native.name) is None:
            self.fail(f"pass '{native.name}' runs on {_MODULE}: move it out of '{anchor}(...)'", start)
        hint = did_you_mean(native.name, [*self.known, *NATIVE_PASSES])
        self.fail(f"unknown pass '{native.name}'{hint}; `mycc passes` lists them", start)

    def braces(self) -> str:
        """Reads ``{...}`` and returns what stands inside."""
        start = self.pos
        depth, quote = 0, ""
        for i in range(start, len(self.text)):
            char = self.text[i]
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            elif char == "{":
                depth += 1
            elif char == "}":
                depth -= 1
                if depth == 0:
                    self.pos = i + 1
                    return self.text[start + 1 : i]
        self.fail("this '{' is never closed", start)

    def split_options(self, text: str, offset: int) -> dict[str, str]:
        """Splits ``a=1 b={x y} c`` into names and values; a bare name is a flag."""
        options: dict[str, str] = {}
        pos = 0
        while True:
            while pos < len(text) and text[pos].isspace():
                pos += 1
            if pos == len(text):
                return options
            match = re.compile(r"[\w\-]+").match(text, pos)
            if match is None:
                self.fail(f"expected the name of an option, found '{text[pos]}'", offset + pos)
            if match[0] in options:
                self.fail(f"option '{match[0]}' is given twice", offset + pos)
            pos = match.end()
            value = "true"
            if pos < len(text) and text[pos] == "=":
                end = _value_end(text, pos + 1)
                value = text[pos + 1 : end]
                pos = end
                if value.startswith("{") and value.endswith("}"):
                    value = value[1:-1]
            options[match[0]] = value


def _value_end(text: str, pos: int) -> int:
    depth, quote = 0, ""
    while pos < len(text):
        char = text[pos]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif char.isspace() and depth == 0:
            break
        pos += 1
    return pos
