"""Reductions that ignore NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, tensor
from mycc.emit import convert
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.logic import isnan, logical_not
from mycc.numpy.means import mean, variance_of
from mycc.numpy.reductions import max, min, no_out, prod, sum
from mycc.numpy.selection import where
from mycc.numpy.support import FLOAT32, Axis, is_inexact
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]

Value: TypeAlias = ir.Value


def _replaced(a: ArrayLike, number: Any) -> Any:
    """An array with NaN replaced; other dtypes have none."""
    return where(isnan(a), number, a) if is_inexact(abstractify(a).dtype) else a


def _known(a: ArrayLike, where_: ArrayLike | None) -> Any:
    from mycc.numpy.logic import logical_and

    valid = logical_not(isnan(a))
    return valid if where_ is None else logical_and(valid, where_)


@operation
def nansum(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The sum over axes of the elements that are not NaN; arguments as of `sum`."""
    return sum(_replaced(a, 0), axis, dtype, out, keepdims, initial, where)


@operation
def nanprod(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The product over axes of the elements that are not NaN; arguments as of `sum`."""
    return prod(_replaced(a, 1), axis, dtype, out, keepdims, initial, where)


def _nan_extreme(
    fold: Callable[..., Array],
    a: ArrayLike,
    axis: Axis,
    keepdims: bool,
    initial: Any,
    where_: Any,
    neutral: float,
) -> Array:
    if not is_inexact(abstractify(a).dtype):
        return fold(a, axis, None, keepdims, initial, where_)
    from mycc.numpy.reductions import all as every

    result = fold(_replaced(a, neutral), axis, None, keepdims, initial, where_)
    if initial is not None:
        return result
    return where(every(isnan(a), axis, keepdims=keepdims, where=where_), math.nan, result)


@operation
def nanmax(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The maximum over axes of the elements that are not NaN; NaN where all are. Arguments as of `max`."""
    no_out("nanmax", out)
    return _nan_extreme(max, a, axis, keepdims, initial, where, -math.inf)


@operation
def nanmin(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Array:
    """The minimum over axes of the elements that are not NaN; NaN where all are. Arguments as of `max`."""
    no_out("nanmin", out)
    return _nan_extreme(min, a, axis, keepdims, initial, where, math.inf)


@operation
def nanmean(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    keepdims: bool = False,
    where: ArrayLike | None = None,
) -> Array:
    """The mean over axes of the elements that are not NaN; arguments as of `mean`."""
    no_out("nanmean", out)
    if not is_inexact(abstractify(a).dtype):
        return mean(a, axis, dtype, None, keepdims, where=where)
    return mean(a, axis, dtype, None, keepdims, where=_known(a, where))


def _nan_variance(
    name: str, a: Any, axis: Any, dtype: Any, ddof: Any, keepdims: bool, where_: Any, mean: Any, root: bool
) -> Array:
    mask = _known(a, where_) if is_inexact(abstractify(a).dtype) else where_
    result, aval, target = variance_of(name, a, axis, dtype, ddof, keepdims, mask, mean, None)
    result = ops.sqrt(result) if root else result
    if mask is not None:
        count, known = lift(sum(mask, axis, keepdims=keepdims))
        few = ops.compare(
            "LE",
            ops.convert(count, element_type(FLOAT32)),
            ops.full(tensor(known.shape, element_type(FLOAT32)), ddof),
        )
        result = ops.select(few, ops.full_like(result, math.nan), result)
    return wrap(convert(result, aval.dtype, target), AbstractValue(aval.shape, target, aval.weak_type))


@operation
def nanvar(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: ArrayLike | None = None,
    mean: ArrayLike | None = None,
) -> Array:
    """The variance over axes of the elements that are not NaN; arguments as of `var`."""
    no_out("nanvar", out)
    return _nan_variance("nanvar", a, axis, dtype, ddof, keepdims, where, mean, False)


@operation
def nanstd(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    where: ArrayLike | None = None,
    mean: ArrayLike | None = None,
) -> Array:
    """The standard deviation over axes of the elements that are not NaN; arguments as of `std`."""
    no_out("nanstd", out)
    return _nan_variance("nanstd", a, axis, dtype, ddof, keepdims, where, mean, True)
