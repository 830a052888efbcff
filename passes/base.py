"""What a pass is: a frozen dataclass whose fields are its options.

``str(p)`` is the textual form that MLIR's pipelines use (``fuse{min-elements=64}``) and ``Pass.parse``
inverts it, so that every pipeline can be printed, edited, and fed back through ``mycc opt``::

    @dataclass(frozen=True)
    class DropNames(Pass):
        '''Drops the names of functions' arguments.'''

        name = "drop-names"
        keep: tuple[str, ...] = option((), help="functions to leave alone")

        def run(self, module: ir.Module) -> None: ...

    assert str(DropNames(keep=("main",))) == "drop-names{keep=main}"
    assert DropNames.parse("drop-names{keep=main}") == DropNames(keep=("main",))
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import difflib
import functools
import inspect
import types
import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from mycc.dialects.errors import PipelineError
from mycc.dialects.mlir import ir

__all__ = ["Option", "Pass", "collect_statistics", "did_you_mean", "option"]

Statistics = dict[str, Counter[str]]

_collector: ContextVar[Statistics | None] = ContextVar("mycc_statistics", default=None)


def option(default: Any, *, help: str) -> Any:
    """Returns a dataclass field for an option of a pass, with its default and one line of help."""
    return dataclasses.field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Option:
    """One option of a pass as users see it: its name in a pipeline, its type, default, and help."""

    name: str
    field: str
    type: Any
    default: Any
    help: str

    def __str__(self) -> str:
        default = (
            "" if self.default is dataclasses.MISSING else f" (default {print_value(self.default) or '-'})"
        )
        return f"{self.name}={describe_type(self.type)}{default}: {self.help}"


@dataclass(frozen=True)
class Pass(abc.ABC):
    """A rewrite of a whole module, with its options as fields.

    Subclasses are frozen dataclasses that set ``name`` and define ``run``. The first line of the class's
    docstring is what ``mycc passes`` prints. Options are of type ``bool``, ``int``, ``float``, ``str``,
    ``Literal[...]``, ``tuple[T, ...]`` of these, or one of these ``| None``.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def run(self, module: ir.Module) -> None:
        """Rewrites the module in place.

        Raises:
            MyccError: the module holds something the pass must not touch or cannot do. It reaches the
                caller of the pipeline unchanged.
        """

    def count(self, what: str, amount: int = 1) -> None:
        """Adds to the counter ``what`` of this pass, where someone collects statistics."""
        collector = _collector.get()
        if collector is not None and amount:
            collector.setdefault(self.name, Counter())[what] += amount

    def __str__(self) -> str:
        items = []
        for opt in self.options():
            value = getattr(self, opt.field)
            if value != opt.default:
                items.append(f"{opt.name}={print_value(value)}")
        return f"{self.name}{{{' '.join(items)}}}" if items else self.name

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """Returns the options, in the order of the fields."""
        return _options(cls)

    @classmethod
    def summary(cls) -> str:
        """Returns the first line of the docstring."""
        # A dataclass without a docstring gets its signature for one, which tells a reader nothing.
        doc = cls.__dict__.get("__doc__") or ""
        return "" if doc.startswith(f"{cls.__name__}(") else inspect.cleandoc(doc).partition("\n")[0]

    @classmethod
    def from_options(cls, texts: Mapping[str, str]) -> Self:
        """Returns the pass with the options given as text.

        Args:
            texts: for each option its value as it stands in a pipeline: ``{"mode": "reverse"}``.

        Raises:
            PipelineError: an option that the pass does not have, or a value of the wrong type.
        """
        known = {opt.name: opt for opt in cls.options()}
        values: dict[str, Any] = {}
        for name, text in texts.items():
            opt = known.get(name.replace("_", "-"))
            if opt is None:
                raise PipelineError(
                    f"pass '{cls.name}' has no option '{name}'{did_you_mean(name, known)}; "
                    f"it has {', '.join(known) or 'none'}"
                )
            try:
                values[opt.field] = parse_value(opt.type, text)
            except ValueError as error:
                raise PipelineError(f"option '{opt.name}' of pass '{cls.name}': {error}") from None
        missing = [
            o.name for o in cls.options() if o.default is dataclasses.MISSING and o.field not in values
        ]
        if missing:
            raise PipelineError(f"pass '{cls.name}' needs option '{missing[0]}'")
        try:
            return cls(**values)
        except ValueError as error:  # a pass's own __post_init__ checks
            raise PipelineError(f"pass '{cls.name}': {error}") from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the pass that prints as ``text``: ``Fuse.parse("fuse{min-elements=64}")``."""
        from mycc.passes.pipeline import Pipeline  # the grammar lives there, and it needs this class

        items = Pipeline.parse(text, passes=(cls,)).items
        if len(items) != 1 or not isinstance(items[0], cls):
            raise PipelineError(f"expected one pass '{cls.name}', got '{text}'")
        return items[0]


@contextlib.contextmanager
def collect_statistics() -> Iterator[Statistics]:
    """Collects what the passes that run inside the block count: ``{pass name: {counter: number}}``."""
    statistics: Statistics = {}
    token = _collector.set(statistics)
    try:
        yield statistics
    finally:
        _collector.reset(token)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns ``" (did you mean 'x'?)"`` for the nearest of the known names, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


@functools.cache
def _options(cls: type[Pass]) -> tuple[Option, ...]:
    hints = typing.get_type_hints(cls)
    result = []
    for field in dataclasses.fields(cls):
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        result.append(
            Option(field.name.replace("_", "-"), field.name, hints[field.name], default,
                   field.metadata.get("help", ""))
        )  # fmt: skip
    return tuple(result)


def print_value(value: Any) -> str:
    """Prints an option's value as pipelines write it; :func:`parse_value` inverts it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ",".join(print_value(v) for v in value)
    if value is None:
        return "none"
    text = str(value)
    # The characters that end a value in a pipeline; quotes protect all of them.
    if isinstance(value, str) and (not text or any(c.isspace() or c in ",{}()='\"" for c in text)):
        quote = '"' if '"' not in text else "'"
        return f"{quote}{text}{quote}"
    return text


def parse_value(type_: Any, text: str) -> Any:
    """Reads an option's value of the given type.

    Raises:
        ValueError: the text is no such value.
    """
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if origin in (typing.Union, types.UnionType):
        if text == "none" and type(None) in args:
            return None
        (inner,) = [a for a in args if a is not type(None)]
        return parse_value(inner, text)
    if origin is tuple:
        return tuple(parse_value(args[0], part) for part in _split_list(text))
    if origin is Literal:
        for value in args:
            if str(value) == _unquote(text):
                return value
        raise ValueError(
            f"'{text}' is none of {', '.join(map(str, args))}{did_you_mean(text, map(str, args))}"
        )
    if type_ is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"'{text}' is neither true nor false")
        return text.lower() in ("true", "1")
    if type_ in (int, float):
        try:
            return type_(text)
        except ValueError:
            raise ValueError(f"'{text}' is not {'an integer' if type_ is int else 'a number'}") from None
    return _unquote(text)


def describe_type(type_: Any) -> str:
    """Returns an option's type in the words of ``mycc passes``."""
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if origin in (typing.Union, types.UnionType):
        return "|".join("none" if a is type(None) else describe_type(a) for a in args)
    if origin is tuple:
        return f"{describe_type(args[0])},..."
    if origin is Literal:
        return "|".join(map(str, args))
    return f"<{getattr(type_, '__name__', type_)}>"


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] in "'\"" and text[-1] == text[0] else text


def _split_list(text: str) -> list[str]:
    parts, quote, start = [], "", 0
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == ",":
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]] if text else []
