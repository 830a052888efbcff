"""What the derivative transforms share: tracing a function to be differentiated, tangents and their checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects.errors import TransformError
from mycc.dialects.mlir import ir
from mycc.eager import run_transform
from mycc.emit import convert
from mycc.function import Callee, building, name_of, trace_function
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame, Tracer, current
from mycc.types import abstractify, abstractify_all, float0

__all__ = [
    "Flags",
    "TracedForDerivative",
    "check_seeds",
    "float0_zeros",
    "in_trace",
    "is_inexact",
    "tangents_of",
    "trace_for_derivative",
    "wrap_all",
]

Flags: TypeAlias = tuple[bool, ...]


def in_trace(name: str, body: Callable[[Frame], Any]) -> Any:
    """Run a transform in the current trace, or as a program of its own where there is none."""
    frame = current()
    if frame is not None:
        return body(frame)

    def inside() -> Any:
        root = current()
        assert root is not None
        return body(root)

    return run_transform(name, inside)


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of a dtype have tangents: floats and complex."""
    return dtype.kind in "fc" or dtype.name.startswith(("bfloat", "float"))


def float0_zeros(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The tangent of an integer or boolean array: zeros of JAX's dtype float0, of which there is one value."""
    return np.zeros(shape, float0)


@dataclass(frozen=True)
class TracedForDerivative:
    """A function traced for differentiation."""

    callee: Callee
    primals: list[ir.Value]
    """Values of all operands of the function: the leaves of its arguments, then captured ones."""
    active: Flags
    in_avals: tuple[AbstractValue, ...]
    in_tree: Any

    @property
    def seeded(self) -> Flags:
        """Which results have tangents."""
        return tuple(is_inexact(aval.dtype) for aval in self.callee.out_avals)


def trace_for_derivative(
    frame: Frame, fun: Callable[..., Any], args: tuple[Any, ...], beside: Sequence[Any] = ()
) -> TracedForDerivative:
    """Trace a function of which every argument is differentiated.

    Args:
        frame: where it is called.
        fun: the function.
        args: its arguments.
        beside: arrays that the user passes in the same call, and that are not differentiated.
    """
    leaves, in_tree = pytrees.flatten(args)
    avals = abstractify_all([*leaves, *beside])[: len(leaves)]
    with building(frame):
        values = [frame.lift(leaf, aval) for leaf, aval in zip(leaves, avals, strict=True)]
    operands = [Tracer(frame, value, aval) for value, aval in zip(values, avals, strict=True)]

    def flat(tracers: list[Tracer]) -> Any:
        return fun(*in_tree.unflatten(tracers))

    callee = trace_function(frame, flat, name_of(fun), avals, kind="grad", operands=operands, order=1)
    with building(frame):
        primals = callee.operands(frame, values)
    active = tuple(is_inexact(aval.dtype) for aval in avals)
    return TracedForDerivative(callee, primals, (*active, *(False for _ in callee.captured)), avals, in_tree)


def wrap_all(frame: Frame, values: Sequence[ir.Value], avals: Sequence[AbstractValue]) -> list[Tracer]:
    """Traced arrays of values."""
    return [Tracer(frame, value, aval) for value, aval in zip(values, avals, strict=True)]


def tangents_of(
    frame: Frame, values: Sequence[ir.Value], avals: Sequence[AbstractValue], flags: Flags
) -> list[Any]:
    """Tangents or cotangents where a flag says that there is one, float0 zeros elsewhere."""
    remaining = iter(values)
    return [
        Tracer(frame, next(remaining), aval) if flag else float0_zeros(aval.shape)
        for aval, flag in zip(avals, flags, strict=False)
    ]


def check_seeds(
    frame: Frame,
    name: str,
    what: str,
    leaves: Sequence[Any],
    avals: Sequence[AbstractValue],
    flags: Sequence[bool],
) -> list[ir.Value]:
    """The values of tangents or cotangents, checked against what they belong to; float0 ones are left out."""
    values = []
    with building(frame):
        for i, (leaf, aval, flag) in enumerate(zip(leaves, avals, flags, strict=False)):
            if not flag:
                if getattr(leaf, "dtype", None) != float0:
                    raise TransformError(
                        f"{user_line()}: {name}: the {what} of leaf {i}, of dtype {aval.dtype}, must have dtype float0: "
                        "np.zeros(shape, mycc.float0)"
                    )
                continue
            got = abstractify(leaf)
            if got.shape != aval.shape or (got.dtype != aval.dtype and not got.weak_type):
                raise TransformError(
                    f"{user_line()}: {name}: the {what} of leaf {i} must have its type {aval}, got {got}"
                )
            values.append(convert(frame.lift(leaf), got.dtype, aval.dtype))
    return values
