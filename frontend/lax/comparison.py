"""Comparison, and choice by it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dtypes import kind_of
from mycc.emit import broadcast, operand
from mycc.lax.checks import check_kind, common_dtype, together
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "clamp", "eq", "ge", "gt", "le", "lt", "ne", "select", "select_n",
]  # fmt: skip

Value: TypeAlias = ir.Value

_BOOL = np.dtype(np.bool_)


def compared(name: str, direction: str, x: ArrayLike, y: ArrayLike, kinds: str = "fiub") -> Array:
    """A comparison of two operands."""
    (left, right), aval = together(name, x, y, kinds=kinds)
    return wrap(ops.compare(direction, left, right), AbstractValue(aval.shape, _BOOL))


@operation
def eq(x: ArrayLike, y: ArrayLike) -> Array:
    """Whether ``x == y``."""
    return compared("eq", "EQ", x, y, "fciub")


@operation
def ne(x: ArrayLike, y: ArrayLike) -> Array:
    """Whether ``x != y``."""
    return compared("ne", "NE", x, y, "fciub")


@operation
def lt(x: ArrayLike, y: ArrayLike) -> Array:
    """Whether ``x < y``."""
    return compared("lt", "LT", x, y)


@operation
def le(x: ArrayLike, y: ArrayLike) -> Array:
    """Whether ``x <= y``."""
    return compared("le", "LE", x, y)


@operation
def gt(x: ArrayLike, y: ArrayLike) -> Array:
    """Whether ``x > y``."""
    return compared("gt", "GT", x, y)


@operation
def ge(x: ArrayLike, y: ArrayLike) -> Array:
    """Whether ``x >= y``."""
    return compared("ge", "GE", x, y)


@operation
def select(pred: ArrayLike, on_true: ArrayLike, on_false: ArrayLike) -> Array:
    """Elements of ``on_true`` where ``pred`` holds, else of ``on_false``.

    Args:
        pred: bools of the cases' shape, or one bool.
        on_true: an array.
        on_false: an array of the same dtype and shape (either may be a scalar).
    """
    (yes, no), aval = together("select", on_true, on_false)
    value, predicate = lift(pred)
    check_kind("select", predicate.dtype, "b")
    if predicate.shape and not aval.shape:
        yes, no = (broadcast(case, (), predicate.shape) for case in (yes, no))
        aval = AbstractValue(predicate.shape, aval.dtype, aval.weak_type)
    if predicate.shape not in ((), aval.shape):
        raise TypeError(
            f"{user_line()}: select got a predicate of shape {predicate.shape} for cases of shape "
            f"{aval.shape}; it has their shape or none"
        )
    return wrap(ops.select(value, yes, no), aval)


@operation
def select_n(which: ArrayLike, *cases: ArrayLike) -> Array:
    """Elements of ``cases[which]``.

    Args:
        which: bools for one or two cases, or int32 in ``range(len(cases))``; of the cases' shape, or a
        scalar.
        cases: arrays of one dtype and shape.
    """
    if not cases:
        raise ValueError(f"{user_line()}: select_n takes at least one case")
    index, aval = lift(which)
    values, case = together("select_n", *cases)
    if aval.shape not in ((), case.shape):
        raise TypeError(
            f"{user_line()}: select_n got `which` of shape {aval.shape} for cases of shape {case.shape}"
        )
    if len(cases) == 1:
        return wrap(values[0], case)
    if kind_of(aval.dtype) == "b":
        if len(cases) > 2:
            raise TypeError(f"{user_line()}: select_n got bools for {len(cases)} cases; pass int32 indices")
        return wrap(ops.select(index, values[1], values[0]), case)
    check_kind("select_n", aval.dtype, "iu")
    return wrap(_choose(index, values), case)


def _choose(index: Value, values: list[Value]) -> Value:
    """Bisection over the cases: an index out of range gives the first or the last."""

    def choose(low: int, high: int) -> Value:
        if high - low == 1:
            return values[low]
        middle = (low + high) // 2
        is_below = ops.compare("LT", index, ops.full_like(index, middle))
        return ops.select(is_below, choose(low, middle), choose(middle, high))

    return choose(0, len(values))


@operation
def clamp(min: ArrayLike, x: ArrayLike, max: ArrayLike) -> Array:
    """``x`` limited to [min, max]; the bounds are scalars or of x's shape."""
    low, center, high = abstractify(min), abstractify(x), abstractify(max)
    for bound in (low, high):
        if bound.shape not in ((), center.shape):
            raise TypeError(
                f"{user_line()}: clamp got bounds of shape {bound.shape} for an array of shape {center.shape}"
            )
    dtype, weak = common_dtype("clamp", (low, center, high))
    check_kind("clamp", dtype, "fiub")
    values = [operand(x, aval, aval.shape, dtype) for x, aval in ((min, low), (x, center), (max, high))]
    return wrap(ops.clamp(*values), AbstractValue(center.shape, dtype, weak))
