"""Sums, products, extremes, means and variances over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type
from mycc.emit import broadcast, convert, operand
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.arithmetic import lexicographic
from mycc.numpy.support import (
    BOOL,
    FLOAT32,
    INT32,
    Axis,
    as_dtype,
    axes_of,
    highest,
    is_complex,
    kind_of,
    lowest,
    require,
    scalar,
)
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "count_nonzero",
    "max",
    "min",
    "prod",
    "ptp",
    "sum",
]

Value: TypeAlias = ir.Value
Fold: TypeAlias = Callable[[Value, Value], Value]

_UINT32 = np.dtype(np.uint32)


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """The shape that a reduction leaves."""
    if keepdims:
        return tuple(1 if d in axes else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in axes)


def no_out(name: str, out: None) -> None:
    """Check that a caller asks for a new array.

    Raises:
        NotImplementedError: it names one to write to.
    """
    if out is not None:
        raise NotImplementedError(f"{user_line()}: {name} returns a new array; drop out= and bind the result")


def folded(
    value: Value,
    aval: AbstractValue,
    axes: tuple[int, ...],
    start: Value,
    fold: Fold,
    keepdims: bool,
) -> Value:
    """A value folded over axes, with dimensions of size 1 in their place if asked for."""
    result = ops.reduce(value, start, axes, fold) if axes else value
    return ops.reshape(result, kept_shape(aval.shape, axes, True)) if keepdims and axes else result


def masked(
    name: str, value: Value, aval: AbstractValue, where: ArrayLike | None, neutral: Any
) -> tuple[Value, AbstractValue]:
    """A value with a neutral number where a mask does not hold; the mask may broaden the shape."""
    if where is None:
        return value, aval
    mask, known = lift(where)
    shape = np.broadcast_shapes(aval.shape, known.shape)
    mask = broadcast(convert(mask, known.dtype, BOOL), known.shape, shape)
    value = broadcast(value, aval.shape, shape)
    return ops.select(mask, value, ops.full_like(value, neutral)), AbstractValue(
        shape, aval.dtype, aval.weak_type
    )


def summed_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which elements are summed: narrow integers and bools are widened to 32 bits."""
    kind = kind_of(dtype)
    if kind == "b" or (kind == "i" and dtype.itemsize < 4):
        return INT32
    return _UINT32 if kind == "u" and dtype.itemsize < 4 else dtype


def is_half(dtype: np.dtype[Any]) -> bool:
    return kind_of(dtype) == "f" and dtype.itemsize < 4


def _accumulated(
    name: str,
    a: ArrayLike,
    axis: Axis,
    dtype: DTypeLike | None,
    keepdims: bool,
    initial: ArrayLike | None,
    where: ArrayLike | None,
    promote_integers: bool,
    neutral: int,
    fold: Fold,
) -> Array:
    value, aval = lift(a)
    target = as_dtype(dtype, summed_dtype(aval.dtype) if promote_integers else aval.dtype)
    # Halves are added up in float32: their own ten bits of mantissa are used up after a thousand ones.
    working = FLOAT32 if is_half(target) else target
    value = convert(value, aval.dtype, working)
    value, aval = masked(name, value, AbstractValue(aval.shape, working), where, neutral)
    axes = axes_of(name, axis, len(aval.shape))
    result = folded(value, aval, axes, scalar(working, neutral), fold, keepdims)
    if initial is not None:
        known = abstractify(initial)
        result = fold(operand(initial, known, tuple(result.type.shape), working), result)
    result = convert(result, working, target)
    return wrap(result, AbstractValue(tuple(result.type.shape), target))


@operation
def sum(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
    promote_integers: bool = True,
) -> Array:
    """The sum over axes.

    Args:
        a: an array.
        axis: one axis, several, or None for all.
        dtype: of the result; default: a's, with bools and integers of 8 and 16 bits widened to 32.
        keepdims: whether reduced axes stay with size 1.
        initial: what the sum starts from.
        where: a mask of the elements to take; it broadcasts with a.
        promote_integers: False keeps narrow integers narrow.

    Returns:
        The sums.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.sum(mnp.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
        Array([4., 6.], dtype=float32)
    """
    no_out("sum", out)
    return _accumulated("sum", a, axis, dtype, keepdims, initial, where, promote_integers, 0, ops.add)


@operation
def prod(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
    promote_integers: bool = True,
) -> Array:
    """The product over axes; arguments as of `sum`."""
    no_out("prod", out)
    return _accumulated("prod", a, axis, dtype, keepdims, initial, where, promote_integers, 1, ops.mul)


def _extreme(
    name: str,
    a: ArrayLike,
    axis: Axis,
    keepdims: bool,
    initial: ArrayLike | None,
    where: ArrayLike | None,
    greatest: bool,
) -> Array:
    value, aval = lift(a)
    fold: Fold = ops.max_ if greatest else ops.min_
    if is_complex(aval.dtype):
        start: Any = complex(-np.inf, -np.inf) if greatest else complex(np.inf, np.inf)
        fold = lexicographic("GT" if greatest else "LT")
    else:
        start = (lowest if greatest else highest)(aval.dtype)
    axes = axes_of(name, axis, len(aval.shape))
    if initial is None:
        if where is not None:
            raise ValueError(
                f"{user_line()}: {name} with where= needs initial=, what it is where no element is taken"
            )
        empty = [d for d in axes if aval.shape[d] == 0]
        if empty:
            raise ValueError(
                f"{user_line()}: {name} over axis {empty[0]} of size 0 of an array of shape {aval.shape} "
                "needs initial="
            )
    value, aval = masked(name, value, aval, where, start)
    result = folded(
        value, aval, axes_of(name, axis, len(aval.shape)), scalar(aval.dtype, start), fold, keepdims
    )
    if initial is not None:
        result = fold(operand(initial, abstractify(initial), tuple(result.type.shape), aval.dtype), result)
    return wrap(result, AbstractValue(tuple(result.type.shape), aval.dtype))


@operation
def max(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The maximum over axes; NaN if there is one.

    Args:
        a: an array of real numbers.
        axis: one axis, several, or None for all.
        keepdims: whether reduced axes stay with size 1.
        initial: the least result; needed for empty axes and with ``where``.
        where: a mask of the elements to take.

    Returns:
        The maxima, in a's dtype.

    Raises:
        ValueError: there are no elements, and no initial value.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.max(mnp.array([[1, 5], [3, 4]]), axis=1)
        Array([5, 4], dtype=int32)
    """
    no_out("max", out)
    return _extreme("max", a, axis, keepdims, initial, where, True)


@operation
def min(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The minimum over axes; NaN if there is one. Arguments as of `max`."""
    no_out("min", out)
    return _extreme("min", a, axis, keepdims, initial, where, False)


amax, amin = max, min


@operation
def ptp(a: ArrayLike, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
    """The range over axes: maximum minus minimum."""
    no_out("ptp", out)
    require("ptp", abstractify(a), "iuf", "it takes real numbers")
    upper, aval = lift(_extreme("ptp", a, axis, keepdims, None, None, True))
    lower, _ = lift(_extreme("ptp", a, axis, keepdims, None, None, False))
    return wrap(ops.sub(upper, lower), aval)


def _logical(
    name: str, a: ArrayLike, axis: Axis, keepdims: bool, where: ArrayLike | None, neutral: bool, fold: Fold
) -> Array:
    value, aval = lift(a)
    value, aval = masked(
        name, convert(value, aval.dtype, BOOL), AbstractValue(aval.shape, BOOL), where, neutral
    )
    axes = axes_of(name, axis, len(aval.shape))
    result = folded(value, aval, axes, scalar(BOOL, neutral), fold, keepdims)
    return wrap(result, AbstractValue(tuple(result.type.shape), BOOL))


@operation
def all(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: ArrayLike | None = None,
) -> Array:
    """Whether all elements over axes are non-zero.

    Args:
        a: an array.
        axis: one axis, several, or None for all.
        keepdims: whether reduced axes stay with size 1.
        where: a mask of the elements to take.

    Returns:
        A bool array.
    """
    no_out("all", out)
    return _logical("all", a, axis, keepdims, where, True, ops.and_)


@operation
def any(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: ArrayLike | None = None,
) -> Array:
    """Whether any element over axes is non-zero. Arguments as of `all`."""
    no_out("any", out)
    return _logical("any", a, axis, keepdims, where, False, ops.or_)


@operation
def count_nonzero(a: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Array:
    """How many elements over axes are non-zero, as int32."""
    value, aval = lift(a)
    ones = ops.convert(convert(value, aval.dtype, BOOL), element_type(INT32))
    axes = axes_of("count_nonzero", axis, len(aval.shape))
    result = folded(ones, aval, axes, scalar(INT32, 0), ops.add, keepdims)
    return wrap(result, AbstractValue(tuple(result.type.shape), INT32))


# ---- Means ---------------------------------------------------------------------------------------
