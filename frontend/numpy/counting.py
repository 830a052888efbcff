"""Counts and sets: bins, histograms, distinct elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from mycc.api import operation
from mycc.array import Array
from mycc.indexing.read import read
from mycc.indexing.write import write
from mycc.numpy.creation import asarray, astype, zeros
from mycc.numpy.ranges import linspace
from mycc.numpy.reductions import max as greatest
from mycc.numpy.reductions import min as least
from mycc.numpy.searching import known_numbers, searchsorted
from mycc.numpy.shapes import ravel, reshape
from mycc.numpy.support import FLOAT32, INT32, inexact_dtype, is_integer
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "bincount",
    "digitize",
    "histogram",
    "histogram2d",
    "histogram_bin_edges",
    "histogramdd",
]


def bincount(
    x: ArrayLike, weights: ArrayLike | None = None, minlength: int = 0, *, length: int | None = None
) -> Array:
    """How often each of the numbers 0, 1, 2, ... occurs.

    Args:
        x: a vector of integers; negative ones count as 0.
        weights: what each element adds; default 1.
        minlength: the least size of the result.
        length: the size of the result, needed where x is traced; larger numbers are not counted.

    Returns:
        A vector: int32, or of the weights' dtype.

    Raises:
        ConcretizationError: x is traced and no length is given.
    """
    aval = abstractify(x)
    if len(aval.shape) != 1 or not is_integer(aval.dtype):
        raise TypeError(f"{user_line()}: bincount takes a vector of integers, got {aval}")
    if length is None:
        host = known_numbers("bincount", x, "give length=")
        length = max(minlength, int(host.max()) + 1 if host.size else 0)
    return _bincount(x, weights, length)


@operation
def _bincount(x: ArrayLike, weights: ArrayLike | None, length: int) -> Array:
    from mycc.numpy.arithmetic import maximum

    dtype = INT32 if weights is None else abstractify(weights).dtype
    return write(zeros((length,), dtype), maximum(x, 0), 1 if weights is None else weights, "add", "drop")


@operation
def digitize(x: ArrayLike, bins: ArrayLike, right: bool = False, *, method: str | None = None) -> Array:
    """The bin that each element falls into.

    Args:
        x: an array.
        bins: the borders of the bins, ascending or descending.
        right: whether a bin includes its right border instead of its left.
        method: of no matter here.

    Returns:
        An int32 array of x's shape.
    """
    from mycc.numpy.arithmetic import subtract
    from mycc.numpy.rearranging import flip
    from mycc.numpy.selection import where

    borders = asarray(bins)
    if borders.ndim != 1:
        raise ValueError(f"{user_line()}: digitize takes a vector of borders, got shape {borders.shape}")
    if borders.size == 0:
        return zeros(abstractify(x).shape, INT32)
    rising = searchsorted(borders, x, side="left" if right else "right")
    falling = subtract(borders.size, searchsorted(flip(borders), x, side="right" if right else "left"))
    return where(read(borders, -1, None, None, True) >= read(borders, 0, None, None, True), rising, falling)


# ---- Histograms ----------------------------------------------------------------------------------


@operation
def histogram_bin_edges(
    a: ArrayLike, bins: Any = 10, range: Any = None, weights: ArrayLike | None = None
) -> Array:
    """The borders of the bins of a histogram.

    Args:
        a: an array.
        bins: how many bins, or their borders.
        range: the outer borders; default: the least and the greatest element.
        weights: of no matter here.

    Returns:
        A float vector, longer by one than there are bins.
    """
    if isinstance(bins, str):
        raise NotImplementedError(
            f"{user_line()}: histogram got bins={bins!r}; give the number of bins or their borders"
        )
    if not isinstance(bins, (int, np.integer)):
        return asarray(bins)
    x = ravel(a)
    x = astype(x, inexact_dtype(x.dtype))
    low, high = (least(x), greatest(x)) if range is None and x.size else range or (0.0, 1.0)
    from mycc.numpy.logic import equal
    from mycc.numpy.selection import where

    low, high = astype(low, x.dtype), astype(high, x.dtype)
    same = equal(low, high)
    low, high = where(same, low - 0.5, low), where(same, high + 0.5, high)
    edges: Array = linspace(low, high, int(bins) + 1, dtype=x.dtype)
    return edges


def histogram(
    a: ArrayLike,
    bins: Any = 10,
    range: Any = None,
    weights: ArrayLike | None = None,
    density: bool | None = None,
) -> tuple[Array, Array]:
    """How many elements fall into each bin.

    Args:
        a: an array.
        bins: how many bins, or their borders.
        range: the outer borders; default: the least and the greatest element.
        weights: what each element adds, of a's shape; default 1.
        density: whether to divide by the total and the widths of the bins.

    Returns:
        The counts (float32, or of the weights' dtype), and the borders of the bins.
    """
    return _histogram(
        a, tuple(bins) if isinstance(bins, (list, tuple)) else bins, range, weights, bool(density)
    )


@operation
def _histogram(
    a: ArrayLike, bins: Any, range: Any, weights: ArrayLike | None, density: bool
) -> tuple[Array, Array]:
    edges = histogram_bin_edges(a, asarray(bins) if isinstance(bins, tuple) else bins, range)
    x = ravel(a)
    dtype = FLOAT32 if weights is None else abstractify(weights).dtype
    amounts: Any = 1 if weights is None else ravel(weights)
    counts = write(
        zeros((edges.shape[0] - 1,), dtype), _bins_of(x, edges), amounts, "add", "drop", wrap_negative=False
    )
    if density:
        counts = _density(counts, [edges])
    return counts, edges


def _bins_of(x: Array, edges: Array) -> Array:
    """The bin of each element; the last bin includes its right border, and what lies outside has none."""
    from mycc.numpy.arithmetic import subtract
    from mycc.numpy.logic import equal
    from mycc.numpy.selection import where

    found = subtract(searchsorted(edges, x, side="right"), 1)
    last = edges.shape[0] - 1
    return where(equal(x, read(edges, last, None, None, True)), last - 1, found)


def _density(counts: Array, edges: list[Array]) -> Array:
    from mycc.numpy.arithmetic import true_divide
    from mycc.numpy.cumulative import diff
    from mycc.numpy.reductions import sum as total

    counts = astype(counts, inexact_dtype(counts.dtype))
    result = true_divide(counts, total(counts))
    for d, border in enumerate(edges):
        result = true_divide(result, reshape(diff(border), (-1,) + (1,) * (len(edges) - d - 1)))
    return result


def histogramdd(
    sample: Any,
    bins: Any = 10,
    range: Any = None,
    weights: ArrayLike | None = None,
    density: bool | None = None,
) -> tuple[Array, list[Array]]:
    """How many points fall into each cell of a grid.

    Args:
        sample: points, an array of shape (points, dimensions), or a sequence of their coordinates.
        bins: how many bins along each dimension, or their borders.
        range: pairs of outer borders for each dimension.
        weights: what each point adds; default 1.
        density: whether to divide by the total and the volumes of the cells.

    Returns:
        The counts, and the borders along each dimension.
    """
    from mycc.numpy.joining import stack, unstack

    points = stack([asarray(c) for c in sample], 1) if isinstance(sample, (list, tuple)) else asarray(sample)
    if points.ndim == 1:
        points = reshape(points, (-1, 1))
    columns = unstack(points, axis=1)
    each = list(bins) if isinstance(bins, (list, tuple)) else [bins] * len(columns)
    if len(each) != len(columns):
        raise ValueError(
            f"{user_line()}: histogramdd got bins for {len(each)} dimensions and points of {len(columns)}"
        )
    ranges = list(range) if range is not None else [None] * len(columns)
    edges = [
        histogram_bin_edges(c, b if isinstance(b, int) else asarray(b), r)
        for c, b, r in zip(columns, each, ranges, strict=True)
    ]
    places = tuple(_bins_of(c, e) for c, e in zip(columns, edges, strict=True))
    dtype = FLOAT32 if weights is None else abstractify(weights).dtype
    counts = zeros(tuple(e.shape[0] - 1 for e in edges), dtype)
    counts = write(counts, places, 1 if weights is None else weights, "add", "drop", wrap_negative=False)
    return (_density(counts, edges) if density else counts), edges


def histogram2d(
    x: ArrayLike,
    y: ArrayLike,
    bins: Any = 10,
    range: Any = None,
    weights: ArrayLike | None = None,
    density: bool | None = None,
) -> tuple[Array, Array, Array]:
    """How many points fall into each cell of a grid in the plane; arguments as of `histogramdd`."""
    each = bins if isinstance(bins, (list, tuple)) and len(bins) == 2 else [bins, bins]
    counts, (first, second) = histogramdd([x, y], list(each), range, weights, density)
    return counts, first, second


# ---- Sets ----------------------------------------------------------------------------------------
