"""What the functions of `mycc.nn` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mycc.api import lift
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dtypes import kind_of
from mycc.emit import broadcast, convert, full
from mycc.lax.checks import axes_of, check_kind
from mycc.lowering.abstract import AbstractValue
from mycc.types import ArrayLike, default_dtype

__all__ = ["Axis", "axes", "fold", "inexact", "mask", "spread"]

Value: TypeAlias = ir.Value
Axis = int | Sequence[int] | None


def inexact(x: ArrayLike) -> tuple[Value, AbstractValue]:
    """An array as floats or complex numbers: integers become float32."""
    value, aval = lift(x)
    if kind_of(aval.dtype) in "fc":
        return value, aval
    target = default_dtype("f")
    return convert(value, aval.dtype, target), AbstractValue(aval.shape, target, aval.weak_type)


def axes(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """The dimensions that an ``axis`` argument names; None names all."""
    return tuple(range(ndim)) if axis is None else axes_of(name, axis, ndim)


def mask(name: str, where: ArrayLike, shape: tuple[int, ...]) -> Value:
    """A ``where`` argument as bools of the array's shape."""
    value, aval = lift(where)
    check_kind(f"{name} (its where)", aval.dtype, "b")
    return broadcast(value, aval.shape, shape)


def fold(
    value: Value,
    aval: AbstractValue,
    dims: tuple[int, ...],
    start: float,
    body: Callable[[Value, Value], Value],
) -> Value:
    """A reduction that drops the dimensions."""
    return ops.reduce(value, full((), aval.dtype, start), dims, body) if dims else value


def spread(value: Value, shape: tuple[int, ...], dims: tuple[int, ...]) -> Value:
    """What a reduction over ``dims`` of an array of a shape gave, at every element of it."""
    return ops.broadcast_in_dim(value, shape, [d for d in range(len(shape)) if d not in dims])
