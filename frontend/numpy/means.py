"""Means, variances and weighted averages over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, tensor
from mycc.emit import broadcast, convert, operand
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.reductions import folded, is_half, masked, no_out, sum
from mycc.numpy.support import (
    FLOAT32,
    Axis,
    as_dtype,
    axes_of,
    inexact_dtype,
    is_complex,
    part_of,
    scalar,
)
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "average",
    "mean",
    "std",
    "var",
]

Value: TypeAlias = ir.Value
Fold: TypeAlias = Callable[[Value, Value], Value]


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
    ones = ops.full(tensor(aval.shape, element_type(working)), 1)
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
    working = FLOAT32 if is_half(target) else target
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
    result, aval, target = variance_of("var", a, axis, dtype, ddof, keepdims, where, mean, correction)
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
    result, aval, target = variance_of("std", a, axis, dtype, ddof, keepdims, where, mean, correction)
    return wrap(convert(ops.sqrt(result), aval.dtype, target), AbstractValue(aval.shape, target))


def variance_of(
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
        return result, wrap(ops.full(tensor(result.shape, element_type(result.dtype)), count), result._aval)
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
