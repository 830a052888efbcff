"""Counts and sets: bins, histograms, distinct elements."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.types import element_type, tensor
from mycc.indexing.read import read
from mycc.indexing.write import write
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.creation import asarray, astype, linspace, zeros
from mycc.numpy.reductions import max as greatest
from mycc.numpy.reductions import min as least
from mycc.numpy.searching import known_numbers, searchsorted
from mycc.numpy.shapes import ravel, reshape
from mycc.numpy.sorting import sorted_values
from mycc.numpy.support import FLOAT32, INT32, inexact_dtype, is_inexact, is_integer
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify, promote

__all__ = [
    "bincount",
    "digitize",
    "histogram",
    "histogram2d",
    "histogram_bin_edges",
    "histogramdd",
    "in1d",
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
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
    return linspace(low, high, int(bins) + 1, dtype=x.dtype)


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


def unique(
    ar: ArrayLike,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    size: int | None = None,
    fill_value: Any = None,
    sorted: bool = True,
) -> Any:
    """The distinct elements, in ascending order.

    Args:
        ar: an array.
        return_index: whether to return where each occurs first.
        return_inverse: whether to return for each element the number of its like.
        return_counts: whether to return how often each occurs.
        axis: along which slices are compared; None compares elements. Not under a trace.
        equal_nan: whether NaNs are alike.
        size: how many to return, needed where the array is traced.
        fill_value: what fills elements beyond those found; default: the least one.
        sorted: of no matter here.

    Returns:
        A vector, or a tuple that begins with it.

    Raises:
        ConcretizationError: the array is traced and no size is given.
    """
    if size is None:
        host = known_numbers("unique", ar)
        results = np.unique(host, return_index, return_inverse, return_counts, axis, equal_nan=equal_nan)
        if not isinstance(results, tuple):
            return asarray(results)
        return tuple(asarray(r if i == 0 else r.astype(INT32)) for i, r in enumerate(results))
    if axis is not None:
        raise NotImplementedError(f"{user_line()}: unique with size= compares elements only; leave axis None")
    results = _unique(ar, size, fill_value, equal_nan)
    chosen = (True, return_index, return_inverse, return_counts)
    picked = tuple(r for r, wanted in zip(results, chosen, strict=True) if wanted)
    return picked if len(picked) > 1 else picked[0]


@operation
def _unique(ar: ArrayLike, size: int, fill_value: Any, equal_nan: bool) -> tuple[Array, Array, Array, Array]:
    from mycc.numpy.cumulative import running
    from mycc.numpy.joining import concatenate
    from mycc.numpy.logic import isnan, logical_and, logical_not, not_equal
    from mycc.numpy.searching import nonzero
    from mycc.numpy.selection import where

    shape = abstractify(ar).shape
    flat = ravel(ar)
    if flat.size == 0:
        raise ValueError(f"{user_line()}: unique of an empty array takes no size=")
    value, aval = lift(flat)
    order = ops.iota(tensor(aval.shape, element_type(INT32)), 0)
    values, permutation = (
        wrap(v, k)
        for v, k in zip(
            sorted_values([value, order], 0), (aval, AbstractValue(aval.shape, INT32)), strict=True
        )
    )
    later, earlier = (
        read(values, slice(1, None), None, None, True),
        read(values, slice(None, -1), None, None, True),
    )
    differs = not_equal(later, earlier)
    if equal_nan and is_inexact(aval.dtype):
        differs = logical_and(differs, logical_not(logical_and(isnan(later), isnan(earlier))))
    first = concatenate([asarray([True]), differs])
    (starts,) = nonzero(first, size=size, fill_value=aval.size)
    found = starts < aval.size
    filler = read(values, 0, None, None, True) if fill_value is None else fill_value
    distinct = astype(where(found, read(values, starts, "clip", None, False), filler), aval.dtype)
    indices = read(permutation, where(found, starts, 0), None, None, False)
    numbers = running(ops.convert(lift(first)[0], element_type(INT32)), 0, ops.add, 0)
    numbers = ops.sub(numbers, ops.full_like(numbers, 1))
    ranks = wrap(numbers, AbstractValue(aval.shape, INT32))
    inverse = write(zeros(aval.shape, INT32), permutation, ranks, "set", None, unique=True)
    ends = concatenate([read(starts, slice(1, None), None, None, True), asarray([aval.size])])
    counts = where(found, ends - starts, 0)
    return distinct, indices, reshape(inverse, shape), counts


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Array
    inverse_indices: Array


def unique_all(x: ArrayLike, /, *, size: int | None = None, fill_value: Any = None) -> UniqueAll:
    """The distinct elements, where each occurs first, the number of each element's like, counts (Array
    API)."""
    return UniqueAll(*unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_counts(x: ArrayLike, /, *, size: int | None = None, fill_value: Any = None) -> UniqueCounts:
    """The distinct elements and how often they occur (Array API)."""
    return UniqueCounts(*unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_inverse(x: ArrayLike, /, *, size: int | None = None, fill_value: Any = None) -> UniqueInverse:
    """The distinct elements and for each element the number of its like (Array API)."""
    return UniqueInverse(*unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_values(x: ArrayLike, /, *, size: int | None = None, fill_value: Any = None) -> Array:
    """The distinct elements (Array API)."""
    result: Array = unique(x, equal_nan=False, size=size, fill_value=fill_value)
    return result


@operation
def isin(
    element: ArrayLike,
    test_elements: ArrayLike,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    method: str = "auto",
    kind: None = None,
) -> Array:
    """Whether each element occurs in another array.

    Args:
        element: an array.
        test_elements: an array.
        assume_unique, method, kind: of no matter here.
        invert: whether to turn the answers over.

    Returns:
        A bool array of the first's shape.
    """
    from mycc.numpy.arithmetic import minimum
    from mycc.numpy.logic import equal, logical_not
    from mycc.numpy.reductions import any as some
    from mycc.numpy.shapes import expand_dims
    from mycc.numpy.sorting import sort

    table = ravel(test_elements)
    dtype, _ = promote([abstractify(element), table._aval])
    x, table = astype(asarray(element), dtype), astype(table, dtype)
    if table.size == 0:
        answer = zeros(x.shape, bool)
    elif table.size <= 32:
        answer = some(equal(expand_dims(x, -1), table), -1)
    else:
        table = sort(table)
        place = minimum(searchsorted(table, x), table.size - 1)
        answer = equal(read(table, place, None, None, False), x)
    return logical_not(answer) if invert else answer


in1d = isin


def _host(name: str, *arrays: ArrayLike) -> list[np.ndarray[Any, Any]]:
    dtype, _ = promote([abstractify(x) for x in arrays])
    way_out = "compute it outside of jit, or use isin and where"
    return [known_numbers(name, x, way_out).astype(dtype) for x in arrays]


def union1d(ar1: ArrayLike, ar2: ArrayLike, *, size: int | None = None, fill_value: Any = None) -> Array:
    """The distinct elements of two arrays together; ``size`` and ``fill_value`` as of `unique`."""
    from mycc.numpy.joining import concatenate

    result: Array = unique(concatenate([ravel(ar1), ravel(ar2)]), size=size, fill_value=fill_value)
    return result


def intersect1d(
    ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """The distinct elements that two arrays have in common; the arrays must not be traced."""
    results = np.intersect1d(*_host("intersect1d", ar1, ar2), assume_unique, return_indices)
    if not return_indices:
        return asarray(results)
    return asarray(results[0]), asarray(results[1].astype(INT32)), asarray(results[2].astype(INT32))


def setdiff1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False) -> Array:
    """The distinct elements of one array that another lacks; the arrays must not be traced."""
    return asarray(np.setdiff1d(*_host("setdiff1d", ar1, ar2), assume_unique))


def setxor1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False) -> Array:
    """The distinct elements that exactly one of two arrays has; the arrays must not be traced."""
    return asarray(np.setxor1d(*_host("setxor1d", ar1, ar2), assume_unique))
