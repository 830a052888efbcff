"""Quantiles, and reductions that ignore NaN."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.indexing import take
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.along import take_along_axis
from mycc.numpy.arithmetic import add, multiply, subtract, true_divide
from mycc.numpy.creation import asarray, astype
from mycc.numpy.logic import isnan, logical_not
from mycc.numpy.reductions import kept_shape, no_out, sum
from mycc.numpy.selection import clip, where
from mycc.numpy.shapes import expand_dims, moveaxis, reshape, shaped
from mycc.numpy.sorting import sorted_values
from mycc.numpy.support import INT32, Axis, axes_of, inexact_dtype, is_complex
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
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
    from mycc.numpy.rounding import ceil, floor, rint

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


# ---- Covariances ---------------------------------------------------------------------------------
