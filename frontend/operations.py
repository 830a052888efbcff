"""Array functions called on concrete arrays: traced and compiled once per signature, then run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.device import Placement, placement
from mycc.eager import is_tiny
from mycc.function import building, name_of
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.compile import CompileSettings, Executable, compile_module
from mycc.lowering.pipelines import run_default
from mycc.source import user_line
from mycc.trace import Frame, Trace, Tracer, leaked, tracing
from mycc.types import abstractify

__all__ = ["run"]

_ARRAYS = (Array, np.ndarray, np.generic)
_SCALARS = (bool, int, float, complex)
_WIDE = {
    float: AbstractValue((), np.dtype(np.float64), True),
    complex: AbstractValue((), np.dtype(np.complex128), True),
}
"""What Python numbers are passed as: they are rounded to the dtype of the arrays that they meet, and not before."""
_CAPACITY = 8192


@dataclass(frozen=True)
class _Entry:
    executable: Executable
    out_tree: Any


_entries: dict[Any, _Entry] = {}
_lock = threading.Lock()


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
    data = [x._data for x in arrays]
    return entry.out_tree.unflatten([Array(result) for result in entry.executable.run(data, user_line)])


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
        else Array._from_numpy(leaf, _WIDE.get(type(leaf)) or abstractify(leaf))
    )


def _describe(leaf: Any) -> Any:
    return type(leaf) if type(leaf) in _WIDE else abstractify(leaf)


def _static(leaf: Any) -> Any:
    if type(leaf) is slice:
        return (slice, leaf.start, leaf.stop, leaf.step)
    return (type(leaf), leaf)


def _compile(
    function: Callable[..., Any], leaves: Sequence[Any], tree: Any, dynamic: Sequence[bool], place: Placement
) -> _Entry:
    name = name_of(function)
    operands = [leaf for leaf, flag in zip(leaves, dynamic, strict=True) if flag]
    frame = Frame(Trace(name), name, [_WIDE.get(type(leaf)) or abstractify(leaf) for leaf in operands])
    with tracing(frame):
        with building(frame):
            traced = iter([_argument(x, leaf) for x, leaf in zip(frame.arguments, operands, strict=True)])
            args, kwargs = tree.unflatten(
                [next(traced) if flag else leaf for leaf, flag in zip(leaves, dynamic, strict=True)]
            )
            out_leaves, out_tree = pytrees.flatten(function(*args, **kwargs))
            out_avals = [abstractify(leaf) for leaf in out_leaves]
            values = [frame.lift(leaf, aval) for leaf, aval in zip(out_leaves, out_avals, strict=True)]
        frame.close(values)
    module = frame.trace.module
    run_default(module)
    settings = CompileSettings(tiny=is_tiny(module))
    executable = compile_module(
        module, devices=[place.device], options=settings, out_avals=out_avals, committed=place.committed
    )
    return _Entry(executable, out_tree)


def _argument(x: Tracer, leaf: Any) -> Tracer:
    if type(leaf) not in _WIDE:
        return x
    aval = abstractify(leaf)
    return Tracer(x._frame, x._frame.rounded(x._value, aval.dtype), aval)
