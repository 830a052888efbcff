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
    inexact_dtype,
    is_complex,
    kind_of,
    lowest,
    part_of,
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
    "average",
    "count_nonzero",
    "max",
    "mean",
    "min",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
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


def _is_half(dtype: np.dtype[Any]) -> bool:
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
    working = FLOAT32 if _is_half(target) else target
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


def _count(
    name: str,
    aval: AbstractValue,
    axes: tuple[int, ...],
    where: ArrayLike | None,
    working: Any,
    keepdims: bool,
) -> Any:
    """The number of elements in each sum: a Python integer, or a value where a mask decides."""
    if where is None:
        count = 1
        for d in axes:
            count *= aval.shape[d]
        return count
    ones = ops.full(ops.tensor(aval.shape, element_type(working)), 1)
    taken, known = masked(name, ones, AbstractValue(aval.shape, working), where, 0)
    return folded(taken, known, axes, scalar(working, 0), ops.add, keepdims)


def _divided(total: Value, count: Any, less: Any = 0) -> Value:
    if isinstance(count, int):
        divisor = count - less
        if isinstance(divisor, int) and divisor > 0 and not divisor & (divisor - 1):
            return ops.mul(total, ops.full_like(total, 1 / divisor))
        return ops.div(total, ops.full_like(total, float("nan") if divisor == 0 and count == 0 else divisor))
    if less:
        count = ops.sub(count, ops.full_like(count, less))
    return ops.div(total, ops.convert(count, ops.element_of(total)))


def _working(dtype: DTypeLike | None, aval: AbstractValue) -> tuple[Any, Any]:
    """The dtypes of result and computation of a mean."""
    target = as_dtype(dtype, inexact_dtype(aval.dtype))
    working = FLOAT32 if _is_half(target) else target
    return target, inexact_dtype(working)


@operation
def mean(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: ArrayLike | None = None,
) -> Array:
    """The mean over axes.

    Args:
        a: an array.
        axis: one axis, several, or None for all.
        dtype: of the result; default: a's, or float32 for integers.
        keepdims: whether reduced axes stay with size 1.
        where: a mask of the elements to take.

    Returns:
        The means; NaN where there are no elements.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.mean(mnp.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
        Array([1.5, 3.5], dtype=float32)
    """
    no_out("mean", out)
    value, aval = lift(a)
    target, working = _working(dtype, aval)
    value = convert(value, aval.dtype, working)
    value, aval = masked("mean", value, AbstractValue(aval.shape, working), where, 0)
    axes = axes_of("mean", axis, len(aval.shape))
    total = folded(value, aval, axes, scalar(working, 0), ops.add, keepdims)
    result = _divided(total, _count("mean", aval, axes, where, part_of(working), keepdims))
    result = convert(result, working, target)
    return wrap(result, AbstractValue(tuple(result.type.shape), target))


@operation
def var(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: ArrayLike | None = None,
    mean: ArrayLike | None = None,
    correction: float | None = None,
) -> Array:
    """The variance over axes: the mean squared distance from the mean.

    Args:
        a: an array.
        axis: one axis, several, or None for all.
        dtype: of the result; default: a's real dtype, or float32 for integers.
        ddof: what is subtracted from the number of elements in the divisor.
        keepdims: whether reduced axes stay with size 1.
        where: a mask of the elements to take.
        mean: the means, as ``mean(a, axis, keepdims=True)`` gives them, where they are known already.
        correction: the Array API's name of ``ddof``.

    Returns:
        The variances.
    """
    no_out("var", out)
    result, aval, target = _variance("var", a, axis, dtype, ddof, keepdims, where, mean, correction)
    return wrap(convert(result, aval.dtype, target), AbstractValue(aval.shape, target))


@operation
def std(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: ArrayLike | None = None,
    mean: ArrayLike | None = None,
    correction: float | None = None,
) -> Array:
    """The standard deviation over axes: the square root of `var`, with its arguments."""
    no_out("std", out)
    result, aval, target = _variance("std", a, axis, dtype, ddof, keepdims, where, mean, correction)
    return wrap(convert(ops.sqrt(result), aval.dtype, target), AbstractValue(aval.shape, target))


def _variance(
    name: str,
    a: ArrayLike,
    axis: Axis,
    dtype: DTypeLike | None,
    ddof: float,
    keepdims: bool,
    where: ArrayLike | None,
    mean: ArrayLike | None,
    correction: float | None,
) -> tuple[Value, AbstractValue, Any]:
    if correction is not None:
        if ddof:
            raise ValueError(
                f"{user_line()}: {name} got both ddof and correction, which are the same; give one"
            )
        ddof = correction
    value, aval = lift(a)
    target, working = _working(dtype, aval)
    if is_complex(aval.dtype) and not is_complex(working):
        working = aval.dtype
    value = convert(value, aval.dtype, working)
    full_aval = AbstractValue(aval.shape, working)
    if where is not None:
        known = lift(where)[1]
        shape = np.broadcast_shapes(aval.shape, known.shape)
        value, full_aval = broadcast(value, aval.shape, shape), AbstractValue(shape, working)
    axes = axes_of(name, axis, len(full_aval.shape))
    if mean is None:
        taken, _ = masked(name, value, full_aval, where, 0)
        total = ops.reduce(taken, scalar(working, 0), axes, ops.add) if axes else taken
        centre = _divided(total, _count(name, full_aval, axes, where, part_of(working), False))
        centre = ops.broadcast_in_dim(
            centre, full_aval.shape, [d for d in range(len(full_aval.shape)) if d not in axes]
        )
    else:
        centre = operand(mean, abstractify(mean), full_aval.shape, working)
    part = part_of(working)
    distance = ops.sub(value, centre)
    if is_complex(working):
        re, im = ops.real(distance), ops.imag(distance)
        square = ops.add(ops.mul(re, re), ops.mul(im, im))
    else:
        square = ops.mul(distance, distance)
    square, square_aval = masked(name, square, AbstractValue(full_aval.shape, part), where, 0)
    total = folded(square, square_aval, axes, scalar(part, 0), ops.add, keepdims)
    result = _divided(total, _count(name, full_aval, axes, where, part, keepdims), ddof)
    return result, AbstractValue(tuple(result.type.shape), part), part_of(target)


@operation
def average(
    a: ArrayLike,
    axis: Axis = None,
    weights: ArrayLike | None = None,
    returned: bool = False,
    keepdims: bool = False,
) -> Any:
    """The weighted mean over axes.

    Args:
        a: an array.
        axis: one axis, several, or None for all.
        weights: of a's shape, or, with one axis, a vector along it.
        returned: whether to return the sums of the weights too.
        keepdims: whether reduced axes stay with size 1.

    Returns:
        The averages; with ``returned`` also the sums of weights.

    Raises:
        ValueError: the shape of the weights fits neither.
    """
    from mycc.numpy.arithmetic import multiply, true_divide
    from mycc.numpy.shapes import broadcast_to, reshape

    aval = abstractify(a)
    axes = axes_of("average", axis, len(aval.shape))
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        if not returned:
            return result
        count = _count("average", aval, axes, None, None, keepdims)
        return result, wrap(
            ops.full(ops.tensor(result.shape, element_type(result.dtype)), count), result._aval
        )
    known = abstractify(weights)
    w: Any = weights
    if known.shape != aval.shape:
        if len(axes) != len(known.shape) or known.shape != tuple(aval.shape[d] for d in axes):
            raise ValueError(
                f"{user_line()}: average got weights of shape {known.shape} for an array of shape "
                f"{aval.shape} and "
                f"axis={axis}; they must have its shape, or that of the axes"
            )
        w = reshape(w, tuple(n if d in axes else 1 for d, n in enumerate(aval.shape)))
        w = broadcast_to(w, aval.shape)
    total = sum(w, axis, keepdims=keepdims)
    result = true_divide(sum(multiply(a, w), axis, keepdims=keepdims), total)
    return (result, broadcast_to(total, result.shape)) if returned else result
