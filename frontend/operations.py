"""Array functions called on concrete arrays: traced and compiled once per signature, then run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.device import Placement, placement
from mycc.eager import is_tiny
from mycc.function import building, name_of
from mycc.lowering import pytrees
from mycc.lowering.abstract import NUMBERS
from mycc.lowering.checks import mode
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import several_devices
from mycc.lowering.executable import Executable
from mycc.lowering.pipelines import run_default
from mycc.lowering.pjrt import XlaRuntimeError
from mycc.lowering.settings import CompileSettings
from mycc.lowering.sharded import annotate
from mycc.source import user_line
from mycc.trace import Frame, Trace, Tracer, leaked, require_frame, tracing
from mycc.types import abstractify

__all__ = ["exact_operands", "run"]

_ARRAYS = (Array, np.ndarray, np.generic)
_SCALARS = (bool, int, float, complex)
_CAPACITY = 8192


@dataclass(frozen=True)
class _Entry:
    executable: Executable
    out_tree: Any
    single: bool

    def finished(self, results: Sequence[Any]) -> Any:
        """What the function returns, of the buffers that the program does."""
        return Array(results[0]) if self.single else self.out_tree.unflatten([Array(r) for r in results])


_entries: dict[Any, _Entry] = {}
_quick: dict[Any, _Entry] = {}
"""Entries once more, by what `_glance` makes of a call."""
_lock = threading.Lock()
_LEAF = pytrees.flatten(0)[1]


class _Plain(dict[type, bool]):
    """For each type whether values of it are options that are told apart by equality."""

    def __missing__(self, kind: type) -> bool:
        frozen = is_dataclass(kind) and kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
        # NumPy's double precision scalars are Python numbers, too.
        plain = self[kind] = frozen or (
            issubclass(kind, (bool, int, float, complex, str, type(None), type, np.dtype))
            and not issubclass(kind, np.generic)
        )
        return plain


_plain = _Plain()


def run(
    key: Any,
    function: Callable[..., Any],
    operands: dict[str, bool],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Run an array function on concrete arguments.

    Args:
        key: identifies the function.
        function: builds its operations inside a trace.
        operands: for each parameter, in order, whether a Python scalar passed there is an operand.
    """
    checked = mode()
    if checked is not None:
        # What is found names the line for which the program was traced first, so each line has its own.
        key = (key, checked, user_line())
    glance = None if several_devices else _glance(key, operands, args, kwargs)
    if glance is not None:
        known = _quick.get(glance[0])
        if known is not None:
            try:
                return known.finished(known.executable.execute(glance[1]))
            except XlaRuntimeError:
                # Once more, for the error that says which argument is to blame.
                return known.finished(known.executable.run(glance[1], user_line))
    try:
        entry, data = _looked_up(key, function, operands, args, kwargs)
    except (TypeError, ValueError):
        numbers = _options_as_numbers(operands, args, kwargs)
        if numbers is None:
            raise
        glance = None
        entry, data = _looked_up(key, function, operands, *numbers)
    if glance is not None:
        with _lock:
            if len(_quick) >= _CAPACITY:
                _quick.pop(next(iter(_quick)))
            _quick[glance[0]] = entry
    return entry.finished(entry.executable.run(data, user_line))


def _glance(
    key: Any, operands: dict[str, bool], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, list[Any]] | None:
    """The signature and the buffers of a call of arrays, numbers and plain options, which most calls are.

    Nothing is flattened. The type of an option is part of the signature, since 1 and True are equal.
    """
    signature: list[Any] = [key]
    data: list[Any] = []
    flags = iter(operands.values())
    flag = False
    for x in args:
        flag = next(flags, flag)
        kind = type(x)
        if kind is Array:
            impl = x._data
            data.append(impl)
            signature.append(impl.aval)
        elif flag and kind in _SCALARS:
            data.append(_number(x))
            signature.append(_describe(x))
        elif kind is np.ndarray or issubclass(kind, np.generic):
            data.append(_array(x)._data)
            signature.append(abstractify(x))
        elif _plain[kind]:
            signature += (kind, x)
        elif kind is tuple and all(type(n) is int for n in x):
            signature.append(x)
        else:
            return None
    for name, x in kwargs.items():
        kind = type(x)
        if _plain[kind] and not (operands.get(name) and kind in _SCALARS):
            signature += (name, kind, x)
        elif kind is tuple and all(type(n) is int for n in x):
            signature += (name, x)
        else:
            return None
    return tuple(signature), data


_numbers: dict[tuple[type, Any], Any] = {}


def _number(x: Any) -> Any:
    """The buffer of a Python number; that of one met before is used again."""
    found = _numbers.get((type(x), x))
    # Zero and minus zero are equal, and are not the same.
    if found is None or x == 0:
        found = _array(x)._data
        if len(_numbers) < _CAPACITY:
            _numbers[type(x), x] = found
    return found


def _looked_up(
    key: Any,
    function: Callable[..., Any],
    operands: dict[str, bool],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[_Entry, list[Any]]:
    """The program for a call, compiled if it is the first of its signature, and the buffers that it takes."""
    names = list(operands)
    leaves, tree = pytrees.flatten((args, kwargs))
    flags = _scalar_flags(names, operands, args, kwargs)
    dynamic = [
        isinstance(leaf, _ARRAYS) or (flag and type(leaf) in _SCALARS)
        for leaf, flag in zip(leaves, flags, strict=True)
    ]
    arrays = [_array(leaf) for leaf, flag in zip(leaves, dynamic, strict=True) if flag]
    place = placement(arrays, name_of(function))
    described = tuple(
        _describe(leaf) if flag else _static(leaf) for leaf, flag in zip(leaves, dynamic, strict=True)
    )
    signature = (key, tree, described, place)
    try:
        entry = _entries.get(signature)
    except TypeError:
        raise TypeError(
            f"{user_line()}: {name_of(function)} got an argument that is neither an array nor hashable: "
            f"{next(x for x in leaves if type(x).__hash__ is None and not isinstance(x, _ARRAYS))!r}"
        ) from None
    if entry is None:
        entry = _compile(function, leaves, tree, dynamic, place)
        with _lock:
            if len(_entries) >= _CAPACITY:
                _entries.pop(next(iter(_entries)))
            _entries[signature] = entry
    return entry, [x._data for x in arrays]


def _options_as_numbers(
    operands: dict[str, bool], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments with the numbers of arrays that stand in options, as in ``x.reshape(n)``; None if none do."""
    names = list(operands)
    found = []

    def option(arg: Any) -> Any:
        if type(arg) in (tuple, list):
            return type(arg)(option(part) for part in arg)
        # A vector without sign is a random key, and no shape.
        if isinstance(arg, _ARRAYS) and (arg.ndim == 0 or arg.dtype.kind == "i"):
            found.append(arg)
            return arg.tolist()
        return arg

    plain = tuple(
        arg if operands[names[min(i, len(names) - 1)]] else option(arg) for i, arg in enumerate(args)
    )
    named = {name: arg if operands.get(name) else option(arg) for name, arg in kwargs.items()}
    return (plain, named) if found else None


def _scalar_flags(
    names: list[str], operands: dict[str, bool], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[bool]:
    """For each leaf whether a scalar there is an operand; positions past the last name are a starred parameter's."""
    flags: list[bool] = []
    for i, arg in enumerate(args):
        name = names[i] if i < len(names) else names[-1]
        flags += [operands[name]] * _count(arg)
    for name in sorted(kwargs):
        flags += [operands.get(name, False)] * _count(kwargs[name])
    return flags


def _count(arg: Any) -> int:
    if isinstance(arg, (Array, np.ndarray, int, float, str)):
        return 1
    return len(pytrees.flatten(arg)[0])


def _array(leaf: Any) -> Array:
    if isinstance(leaf, Tracer):
        raise leaked(leaf)
    return (
        leaf
        if isinstance(leaf, Array)
        else Array._from_numpy(leaf, NUMBERS.get(type(leaf)) or abstractify(leaf))
    )


def _describe(leaf: Any) -> Any:
    return type(leaf) if type(leaf) in NUMBERS else abstractify(leaf)


def _static(leaf: Any) -> Any:
    if type(leaf) is slice:
        return (slice, leaf.start, leaf.stop, leaf.step)
    return (type(leaf), leaf)


def _compile(
    function: Callable[..., Any], leaves: Sequence[Any], tree: Any, dynamic: Sequence[bool], place: Placement
) -> _Entry:
    name = name_of(function)
    operands = [leaf for leaf, flag in zip(leaves, dynamic, strict=True) if flag]
    avals = [NUMBERS.get(type(leaf)) or abstractify(leaf) for leaf in operands]
    frame = Frame(Trace(name), name, avals)
    is_exact = any(_has_64_bits(leaf) for leaf in operands)
    with tracing(frame):
        with building(frame):
            arguments = zip(frame.arguments, operands, strict=True)
            traced = iter([x if is_exact else _rounded(x, leaf) for x, leaf in arguments])
            args, kwargs = tree.unflatten(
                [next(traced) if flag else leaf for leaf, flag in zip(leaves, dynamic, strict=True)]
            )
            out_leaves, out_tree = pytrees.flatten(function(*args, **kwargs))
            out_avals = [abstractify(leaf) for leaf in out_leaves]
            values = [frame.lift(leaf, aval) for leaf, aval in zip(out_leaves, out_avals, strict=True)]
        frame.close(values)
    module = frame.trace.module
    if place.layout is not None:
        annotate(module, place.layout.arguments, [None] * len(values))
    run_default(module)
    settings = CompileSettings(tiny=is_tiny(module))
    executable = compile_module(
        module,
        devices=place.devices,
        options=settings,
        out_avals=out_avals,
        committed=place.committed,
        layout=place.layout,
    )
    return _Entry(executable, out_tree, out_tree == _LEAF)


def _rounded(x: Tracer, leaf: Any) -> Tracer:
    if type(leaf) not in NUMBERS:
        return x
    aval = abstractify(leaf)
    return Tracer(x._frame, x._frame.rounded(x._value, aval.dtype), aval)


def exact_operands(
    operands: dict[str, bool], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call in a trace, in which Python's numbers keep all their bits if an array has as many.

    Args:
        operands: for each parameter, in order, whether a Python scalar passed there is an operand.
        args: the arguments.
        kwargs: those by name.
    """
    leaves, tree = pytrees.flatten((args, kwargs))
    if not any(map(_has_64_bits, leaves)):
        return args, kwargs
    frame = require_frame()
    flags = _scalar_flags(list(operands), operands, args, kwargs)
    exact = [
        Tracer(frame, frame.lift(leaf, NUMBERS[type(leaf)]), NUMBERS[type(leaf)])
        if flag and type(leaf) in NUMBERS
        else leaf
        for leaf, flag in zip(leaves, flags, strict=True)
    ]
    args, kwargs = tree.unflatten(exact)
    return args, kwargs


def _has_64_bits(leaf: Any) -> bool:
    return isinstance(leaf, (*_ARRAYS, Tracer)) and leaf.dtype.char in "dD"
