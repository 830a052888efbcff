"""Why functions are compiled again: what differs between the signature of a call and those before.

Signatures are written down where something is compiled, which costs little beside that; calls that find what was
compiled pay nothing. They are kept as text, so that no argument lives longer for it.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mycc import logs
from mycc.array import Array
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.devices import several_devices
from mycc.source import user_line
from mycc.types import abstractify

__all__ = ["Signature", "describe", "explain_recompile", "note", "number"]

# Functions, and signatures of each, of which the last are remembered.
_FUNCTIONS = 512
_SIGNATURES = 64
_LONGEST = 60
_MOST_LINES = 8
_MOST_STARRED = 256

Args = dict[int | str, Any]


@dataclass(frozen=True, slots=True)
class Signature:
    """What one program was compiled for.

    Args:
        line: the user's ``file:line`` that called.
        jitted: the number of what `jit` returned.
        function: the identity of the Python function.
        arguments: by their paths, an abstract value, or the text of a static argument.
        structure: that of the arguments, as text.
        settings: all else that programs depend on.
        captured: by name, the text of what the function captures: its closure and defaults.
    """

    line: str
    jitted: int
    function: int
    arguments: dict[str, AbstractValue | str]
    structure: str
    settings: dict[str, str]
    captured: dict[str, str]


@dataclass(slots=True)
class _History:
    signatures: list[Signature] = field(default_factory=list)
    count: int = 0
    story: str | None = None


_histories: OrderedDict[Hashable, _History] = OrderedDict()
_last: list[str] = []
_lock = threading.Lock()
_numbers = itertools.count()


def number() -> int:
    """A number for a jitted function, which no other one has."""
    return next(_numbers)


def explain_recompile(fun: Callable[..., Any] | None = None) -> str:
    """Tell why a jitted function was compiled again: what differs from its nearest earlier signature.

    Functions count as the same where their text is, so that a function which is made anew at each call, and compiled
    each time, is found as well. With ``MYCC_LOG=recompiles`` in the environment the same is written to stderr at each
    recompilation.

    Args:
        fun: the function, jitted or not; default: the one that was compiled again last.

    Returns:
        A few lines: who called, and each argument, static value or setting that differs.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> @mycc.jit
        ... def double(x):
        ...     return 2 * x
        >>> _ = double(mnp.ones(3)), double(mnp.ones(4))
        >>> print(mycc.explain_recompile(double).splitlines()[1])
          argument x: shape (3,) became (4,)
    """
    if fun is None:
        return _last[0] if _last else "no function was compiled again"
    name = getattr(fun, "__name__", type(fun).__name__)
    with _lock:
        found = _histories.get(_text_of(fun)) or _histories.get(_text_of(getattr(fun, "__wrapped__", None)))
    if found is None:
        return f"{name} was not compiled yet"
    return found.story or f"{name} was compiled once, for the call at {found.signatures[0].line}"


def note(name: str, fun: Callable[..., Any], signature: Signature) -> None:
    """Write down that a function is compiled, and log why if it is not the first time."""
    key = _text_of(fun)
    with _lock:
        history = _histories.setdefault(key, _History())
        _histories.move_to_end(key)
        while len(_histories) > _FUNCTIONS:
            _histories.popitem(last=False)
        before = list(history.signatures)
        history.count += 1
        history.signatures.append(signature)
        del history.signatures[:-_SIGNATURES]
        if not before:
            return
        story = history.story = _story(name, history.count, signature, before)
        _last[:] = [story]
    if logs.asked("recompiles"):
        logs.write(story)


def _text_of(fun: Any) -> Hashable:
    """What functions made from the same text have in common, wrappers of transforms included."""
    codes: list[Any] = []
    while fun is not None and len(codes) < 32:
        if isinstance(fun, functools.partial):
            fun = fun.func
            continue
        code = getattr(fun, "__code__", None)
        codes.append(code or getattr(type(fun).__call__, "__code__", None) or id(fun))
        fun = getattr(fun, "__wrapped__", None)
    return tuple(codes)


# ---- Signatures ----------------------------------------------------------------------------------


def describe(
    jitted: int,
    fun: Callable[..., Any],
    static: Args,
    dynamic: Args,
    settings: dict[str, str],
) -> Signature:
    """The signature of a call that is about to be compiled.

    Args:
        jitted: the `number` of the jitted function.
        fun: the Python function.
        static: static arguments by position and by name.
        dynamic: the others.
        settings: what else the program depends on.
    """
    names = _names(fun)

    def named(key: int | str) -> str:
        if isinstance(key, str):
            return key
        return names[key] if key < len(names) else f"number {key}"

    arguments: dict[str, AbstractValue | str] = {}
    structures = []
    for key, value in dynamic.items():
        leaves, tree = pytrees.flatten_with_path(value)
        structures.append(f"{named(key)}: {tree}")
        for path, leaf in leaves:
            at = named(key) + pytrees.keystr(path)
            arguments[at] = abstractify(leaf)
            if several_devices and isinstance(leaf, Array):
                how = "put there" if leaf._data._committed else "by default"
                settings[f"place of {at}"] = f"{leaf.sharding} ({how})"
    arguments |= {f"{named(key)} (static)": _short(value) for key, value in static.items()}
    structure = ", ".join(structures)
    return Signature(user_line(), jitted, id(fun), arguments, structure, settings, dict(_captured(fun)))


def _names(fun: Callable[..., Any]) -> list[str]:
    """The names of positional parameters, ``args[0]`` and on for those that a star takes."""
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):
        return []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    star = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    return names if star is None else [*names, *(f"{star}[{i}]" for i in range(_MOST_STARRED))]


def _captured(fun: Any) -> Iterator[tuple[str, str]]:
    seen = 0
    while fun is not None and seen < 32:
        seen += 1
        if isinstance(fun, functools.partial):
            yield from ((f"bound argument {i}", _short(x)) for i, x in enumerate(fun.args))
            yield from ((f"bound argument {name}", _short(x)) for name, x in fun.keywords.items())
            fun = fun.func
            continue
        inner = getattr(fun, "__wrapped__", None)
        bound = getattr(fun, "__self__", None)
        if bound is not None:
            yield "the object of the method", _identity(bound)
        code = getattr(fun, "__code__", None)
        # What a wrapper captures is first of all what it wraps.
        if code is not None and inner is None:
            for name, cell in zip(code.co_freevars, fun.__closure__ or (), strict=False):
                try:
                    yield f"captured variable {name}", _short(cell.cell_contents)
                except ValueError:
                    continue
            defaults = getattr(fun, "__defaults__", None) or ()
            names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
            yield from ((f"default of {name}", _short(x)) for name, x in zip(names, defaults, strict=True))
        fun = inner


_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype)


def _short(value: Any) -> str:
    """A value in a few words; never the numbers of an array."""
    if isinstance(value, Array | np.ndarray):
        return f"an array {AbstractValue(tuple(value.shape), value.dtype)}"
    if isinstance(value, tuple | list | frozenset) and len(value) <= 8:
        text = f"{type(value).__name__}({', '.join(map(_short, value))})"
    elif isinstance(value, _PLAIN):
        text = repr(value)
    else:
        return _identity(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... (hash {hash(text) & 0xFFFFFF:x})"


def _identity(value: Any) -> str:
    name = getattr(value, "__qualname__", None)
    what = f"{type(value).__name__} {name}" if isinstance(name, str) else type(value).__qualname__
    return f"{what} at {id(value):#x}"


# ---- Stories -------------------------------------------------------------------------------------


def _story(name: str, count: int, new: Signature, before: list[Signature]) -> str:
    # One of the same jitted function, if it has any: this call could have found that.
    nearest = min(reversed(before), key=lambda old: (old.jitted != new.jitted, _distance(old, new)))
    differences = list(_differences(nearest, new))
    if len(differences) > _MOST_LINES:
        rest = len(differences) - _MOST_LINES
        differences[_MOST_LINES:] = [f"and {rest} more"]
    title = f"{new.line}: {name} is compiled again, for the {_ordinal(count)} time; nearest is the signature of {nearest.line}"
    return "\n  ".join([title, *differences])


def _ordinal(count: int) -> str:
    ending = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"


def _distance(old: Signature, new: Signature) -> int:
    pairs = ((old.arguments, new.arguments), (old.settings, new.settings), (old.captured, new.captured))
    return sum(a.get(k) != b.get(k) for a, b in pairs for k in a.keys() | b.keys()) + (
        old.structure != new.structure
    )


def _differences(old: Signature, new: Signature) -> Iterator[str]:
    for path, value in new.arguments.items():
        if path not in old.arguments:
            yield f"argument {path}: was not there, or not in this place ({value} now)"
        elif old.arguments[path] != value:
            yield f"argument {path}: {_change(old.arguments[path], value)}"
    for path, was in old.arguments.items():
        if path not in new.arguments:
            yield f"argument {path}: is not there any more, or not in this place (it was {was})"
    if old.arguments.keys() == new.arguments.keys() and old.structure != new.structure:
        yield f"the structure of the arguments: {old.structure} became {new.structure}"
    for what in dict.fromkeys([*old.settings, *new.settings]):
        was, now = old.settings.get(what, "not set"), new.settings.get(what, "not set")
        if was != now:
            yield f"{what}: {was} became {now}"
    if old.jitted == new.jitted:
        if _distance(old, new) == 0:
            yield "the signature is the same: what was compiled for it was cleared, dropped for others, or failed"
        return
    changes = [
        f"{what}: {old.captured.get(what, 'not there')} became {new.captured.get(what, 'not there')}"
        for what in dict.fromkeys([*old.captured, *new.captured])
        if old.captured.get(what) != new.captured.get(what)
    ]
    if old.function == new.function and not changes:
        yield "mycc.jit was applied anew to the same function; apply it once, and call what it returned"
        return
    yield "the function is another object, made anew from the same text; make it once, and pass as an argument what changes"
    yield from changes


def _change(old: AbstractValue | str, new: AbstractValue | str) -> str:
    if isinstance(old, str) or isinstance(new, str):
        return f"{old} became {new}"
    told = []
    if old.shape != new.shape:
        told.append(f"shape {old.shape} became {new.shape}")
    if old.dtype != new.dtype:
        told.append(f"dtype {old.dtype.name} became {new.dtype.name}")
    if old.weak_type != new.weak_type:
        kinds = {True: "weakly typed (a Python number, or made of such)", False: "of a fixed dtype"}
        told.append(f"{kinds[old.weak_type]} became {kinds[new.weak_type]}")
    return ", ".join(told)
