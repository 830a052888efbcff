"""Quantiles, and reductions that ignore NaN."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, tensor
from mycc.emit import convert
from mycc.indexing import take
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.along import take_along_axis
from mycc.numpy.arithmetic import add, multiply, subtract, true_divide
from mycc.numpy.creation import asarray, astype
from mycc.numpy.logic import isnan, logical_not
from mycc.numpy.reductions import _variance, kept_shape, max, mean, min, no_out, prod, sum
from mycc.numpy.selection import clip, where
from mycc.numpy.shapes import expand_dims, moveaxis, reshape, shaped
from mycc.numpy.sorting import sorted_values
from mycc.numpy.support import FLOAT32, INT32, Axis, axes_of, inexact_dtype, is_complex, is_inexact
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "corrcoef",
    "cov",
    "median",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "percentile",
    "quantile",
]

Value: TypeAlias = ir.Value
_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


@operation
def quantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """The numbers below which given parts of the elements lie.

    Args:
        a: an array of real numbers.
        q: the parts, in [0, 1]; a number or an array.
        axis: one axis, several, or None for all.
        overwrite_input: of no matter here.
        method: between two elements: "linear", "lower", "higher", "midpoint" or "nearest".
        keepdims: whether reduced axes stay with size 1.

    Returns:
        A float array: q's dimensions, then those of a that are left; NaN where there is a NaN.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.quantile(mnp.array([1.0, 2.0, 3.0, 4.0]), 0.5)
        Array(2.5, dtype=float32)
    """
    no_out("quantile", out)
    return _quantiles("quantile", a, q, axis, method, keepdims, False)


@operation
def nanquantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """As `quantile`, of the elements that are not NaN."""
    no_out("nanquantile", out)
    return _quantiles("nanquantile", a, q, axis, method, keepdims, True)


@operation
def percentile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """As `quantile`, with the parts in percent."""
    no_out("percentile", out)
    return _quantiles("percentile", a, true_divide(q, 100), axis, method, keepdims, False)


@operation
def nanpercentile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """As `quantile`, with the parts in percent, of the elements that are not NaN."""
    no_out("nanpercentile", out)
    return _quantiles("nanpercentile", a, true_divide(q, 100), axis, method, keepdims, True)


@operation
def median(
    a: ArrayLike, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Array:
    """The element in the middle; between two, their mean.

    Args:
        a: an array of real numbers.
        axis: one axis, several, or None for all.
        overwrite_input: of no matter here.
        keepdims: whether reduced axes stay with size 1.

    Returns:
        A float array; NaN where there is a NaN.
    """
    no_out("median", out)
    return _quantiles("median", a, 0.5, axis, "midpoint", keepdims, False)


@operation
def nanmedian(
    a: ArrayLike, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Array:
    """As `median`, of the elements that are not NaN."""
    no_out("nanmedian", out)
    return _quantiles("nanmedian", a, 0.5, axis, "midpoint", keepdims, True)


def _quantiles(
    name: str, a: ArrayLike, q: ArrayLike, axis: Axis, method: str, keepdims: bool, nans: bool
) -> Array:
    if method not in _METHODS:
        raise ValueError(
            f"{user_line()}: {name} got method={method!r}; it takes {', '.join(map(repr, _METHODS))}"
        )
    x = asarray(a)
    if is_complex(x.dtype):
        raise ValueError(
            f"{user_line()}: {name} does not take dtype {x.dtype}: complex numbers have no order"
        )
    axes = axes_of(name, axis, x.ndim)
    left = kept_shape(x.shape, axes, keepdims)
    x = astype(x, inexact_dtype(x.dtype))
    lines = (
        reshape(moveaxis(x, axes, range(-len(axes), 0)), (*kept_shape(x.shape, axes, False), -1))
        if axes
        else expand_dims(x, -1)
    )
    ordered, aval = lift(lines)
    size = aval.shape[-1]
    if size == 0:
        raise ValueError(
            f"{user_line()}: {name} of an empty axis of an array of shape {abstractify(a).shape}"
        )
    ordered = sorted_values([ordered], len(aval.shape) - 1)[0]
    in_order = wrap(ordered, aval)
    bad = isnan(in_order)
    parts = astype(asarray(q), x.dtype)
    lead = parts.shape
    parts = reshape(parts, (*lead, *(1,) * (lines.ndim - 1)))
    if nans:
        last = subtract(astype(sum(logical_not(bad), -1), x.dtype), 1)
    else:
        last = asarray(size - 1, x.dtype)
    place = multiply(parts, last)
    low, high, weight = _between(place, method)
    batch = (*lead, *lines.shape[:-1])
    flat = (math.prod(lead), *lines.shape[:-1])

    def at(position: Array) -> Array:
        value, known = lift(position)
        value = (
            ops.broadcast_in_dim(value, batch, range(len(batch) - len(known.shape), len(batch)))
            if known.shape != batch
            else value
        )
        chosen = clip(astype(wrap(value, AbstractValue(batch, x.dtype)), INT32), 0, size - 1)
        chosen = moveaxis(shaped(chosen, flat), 0, -1)
        picked = take_along_axis(in_order, chosen, -1, mode="promise_in_bounds")
        return shaped(moveaxis(picked, -1, 0), batch)

    if weight is None:
        result = at(low)
    else:
        below, above = at(low), at(high)
        result = add(multiply(below, subtract(1, weight)), multiply(above, weight))
        # The same infinity on both sides gives NaN above.
        result = where(subtract(below, above) == 0, below, result)
    if not nans:
        spoiled = take(bad, (..., -1))
        result = where(spoiled, math.nan, result)
    else:
        result = where(last < 0, math.nan, result)
    return reshape(result, (*lead, *left))


def _between(place: Array, method: str) -> tuple[Array, Array, Any]:
    """The positions around a fractional one, and the weight of the upper, or None where only one counts."""
    from mycc.numpy.arithmetic import ceil, floor, rint

    low, high = floor(place), ceil(place)
    if method == "lower":
        return low, low, None
    if method == "higher":
        return high, high, None
    if method == "nearest":
        nearest = rint(place)
        return nearest, nearest, None
    if method == "midpoint":
        return low, high, 0.5
    return low, high, subtract(place, low)


# ---- NaN ignored ---------------------------------------------------------------------------------


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
    fold: Any, a: ArrayLike, axis: Axis, keepdims: bool, initial: Any, where_: Any, neutral: float
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
    result, aval, target = _variance(name, a, axis, dtype, ddof, keepdims, mask, mean, None)
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


# ---- Covariances ---------------------------------------------------------------------------------


@operation
def cov(
    m: ArrayLike,
    y: ArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: ArrayLike | None = None,
) -> Array:
    """The covariances of variables.

    Args:
        m: observations, one row for each variable (one column, if ``rowvar`` is False); a vector is one
            variable.
        y: further variables.
        rowvar: whether rows are variables.
        bias: whether to divide by the number of observations n instead of n - 1.
        ddof: what is subtracted from n instead.
        fweights: how often each observation counts, integers.
        aweights: weights of observations.

    Returns:
        A matrix with a row and a column for each variable, or a number for one.
    """
    from mycc.numpy.complexes import conj
    from mycc.numpy.contraction import matmul
    from mycc.numpy.joining import concatenate
    from mycc.numpy.shapes import atleast_2d, squeeze, transpose

    def rows(x: ArrayLike) -> Any:
        if abstractify(x).ndim > 2:
            raise ValueError(
                f"{user_line()}: cov takes vectors and matrices, got shape {abstractify(x).shape}"
            )
        x2 = atleast_2d(astype(x, inexact_dtype(abstractify(x).dtype)))
        return transpose(x2) if not rowvar and abstractify(x).ndim == 2 else x2

    x = rows(m) if y is None else concatenate([rows(m), rows(y)])
    lessen = (0 if bias else 1) if ddof is None else ddof
    weights: Any = None
    if fweights is not None:
        weights = astype(fweights, FLOAT32)
    if aweights is not None:
        weights = astype(aweights, FLOAT32) if weights is None else multiply(weights, aweights)
    if weights is None:
        centred = subtract(x, mean(x, 1, keepdims=True))
        weighted, norm = centred, x.shape[1] - lessen
    else:
        total = sum(weights)
        centred = subtract(x, true_divide(sum(multiply(x, weights), 1, keepdims=True), total))
        weighted = multiply(centred, weights)
        if aweights is None or not lessen:
            norm = subtract(total, lessen)
        else:
            norm = subtract(total, true_divide(multiply(lessen, sum(multiply(weights, aweights))), total))
    return squeeze(true_divide(matmul(weighted, conj(transpose(centred))), norm))


@operation
def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True) -> Array:
    """The correlation coefficients of variables; arguments as of `cov`."""
    from mycc.numpy.complexes import imag, real
    from mycc.numpy.grids import diag
    from mycc.numpy.transcendental import sqrt

    c = cov(x, y, rowvar)
    if not c.shape:
        return true_divide(c, c)
    spread = sqrt(real(diag(c)))
    scaled = true_divide(true_divide(c, expand_dims(spread, 1)), expand_dims(spread, 0))
    if is_complex(scaled.dtype):
        value, aval = lift(scaled)
        parts = [clip(part, -1, 1) for part in (real(scaled), imag(scaled))]
        return wrap(ops.complex_(*(lift(p)[0] for p in parts)), aval)
    return clip(scaled, -1, 1)
