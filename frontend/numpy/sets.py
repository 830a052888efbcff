"""Distinct elements, and arrays taken as sets."""

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
from mycc.numpy.creation import asarray, astype, zeros
from mycc.numpy.searching import known_numbers, searchsorted
from mycc.numpy.shapes import ravel, reshape
from mycc.numpy.sorting import sorted_values
from mycc.numpy.support import INT32, is_inexact
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify, promote

__all__ = [
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
        on_host: Any = np.unique
        results = on_host(host, return_index, return_inverse, return_counts, axis, equal_nan=equal_nan)
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


def _on_host(operation: Any, ar1: ArrayLike, ar2: ArrayLike, *options: bool) -> Any:
    """An operation of NumPy on the numbers of two arrays, promoted as here."""
    dtype, _ = promote([abstractify(ar1), abstractify(ar2)])
    way_out = "compute it outside of jit, or use isin and where"
    return operation(
        *(known_numbers(operation.__name__, x, way_out).astype(dtype) for x in (ar1, ar2)), *options
    )


def union1d(ar1: ArrayLike, ar2: ArrayLike, *, size: int | None = None, fill_value: Any = None) -> Array:
    """The distinct elements of two arrays together; ``size`` and ``fill_value`` as of `unique`."""
    from mycc.numpy.joining import concatenate

    result: Array = unique(concatenate([ravel(ar1), ravel(ar2)]), size=size, fill_value=fill_value)
    return result


def intersect1d(
    ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """The distinct elements that two arrays have in common; the arrays must not be traced."""
    results = _on_host(np.intersect1d, ar1, ar2, assume_unique, return_indices)
    if not return_indices:
        return asarray(results)
    return asarray(results[0]), asarray(results[1].astype(INT32)), asarray(results[2].astype(INT32))


def setdiff1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False) -> Array:
    """The distinct elements of one array that another lacks; the arrays must not be traced."""
    return asarray(_on_host(np.setdiff1d, ar1, ar2, assume_unique))


def setxor1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False) -> Array:
    """The distinct elements that exactly one of two arrays has; the arrays must not be traced."""
    return asarray(_on_host(np.setxor1d, ar1, ar2, assume_unique))
