"""Positions of extremes, of non-zero elements, and in sorted arrays; elements by position."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.errors import ConcretizationError
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, tensor
from mycc.emit import convert
from mycc.indexing.read import read
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.creation import array, asarray
from mycc.numpy.reductions import folded, kept_shape, no_out
from mycc.numpy.sorting import before
from mycc.numpy.support import (
    BOOL,
    INT32,
    axis_of,
    highest,
    is_float,
    lowest,
    require,
    scalar,
    smallest_index_dtype,
)
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "argmax",
    "argmin",
    "argwhere",
    "compress",
    "extract",
    "flatnonzero",
    "nanargmax",
    "nanargmin",
    "nonzero",
    "searchsorted",
    "take",
]

Value: TypeAlias = ir.Value


def _arg_extreme(
    name: str, a: ArrayLike, axis: int | None, keepdims: bool, greatest: bool, nans: bool = False
) -> Array:
    value, aval = lift(a)
    require(name, aval, "biuf", "complex numbers have no order")
    shape = aval.shape
    if axis is None:
        value, aval = ops.reshape(value, (aval.size,)), AbstractValue((aval.size,), aval.dtype)
    place = axis_of(name, 0 if axis is None else axis, len(aval.shape))
    size = aval.shape[place]
    if size == 0:
        raise ValueError(f"{user_line()}: {name} of an empty axis of an array of shape {shape}")
    ignored = None
    neutral = (lowest if greatest else highest)(aval.dtype)
    if nans and is_float(aval.dtype):
        ignored = ops.compare("NE", value, value)
        value = ops.select(ignored, ops.full_like(value, neutral), value)
    dtype = smallest_index_dtype(size)
    rest = [d for d in range(len(aval.shape)) if d != place]
    extreme = ops.reduce(value, scalar(aval.dtype, neutral), (place,), ops.max_ if greatest else ops.min_)
    hit = ops.compare("EQ", value, ops.broadcast_in_dim(extreme, aval.shape, rest))
    if is_float(aval.dtype) and not nans:
        hit = ops.or_(hit, ops.compare("NE", value, value))
    if ignored is not None:
        hit = ops.and_(hit, ops.not_(ignored))
    positions = ops.iota(tensor(aval.shape, element_type(dtype)), place)
    found = ops.select(hit, positions, ops.full_like(positions, size))
    result = folded(found, aval, (place,), scalar(dtype, size), ops.min_, False)
    if ignored is not None:
        result = ops.select(
            ops.compare("EQ", result, ops.full_like(result, size)), ops.full_like(result, -1), result
        )
    if keepdims:
        result = ops.reshape(result, (1,) * len(shape) if axis is None else kept_shape(shape, (place,), True))
    return wrap(result, AbstractValue(tuple(result.type.shape), dtype))


@operation
def argmax(a: ArrayLike, axis: int | None = None, out: None = None, keepdims: bool = False) -> Array:
    """The position of the first maximum; of the first NaN if there is one.

    Args:
        a: an array of real numbers.
        axis: along which; None takes the array as a vector.
        keepdims: whether the axis stays with size 1.

    Returns:
        An integer array.

    Raises:
        ValueError: the axis is empty.
    """
    no_out("argmax", out)
    return _arg_extreme("argmax", a, axis, keepdims, True)


@operation
def argmin(a: ArrayLike, axis: int | None = None, out: None = None, keepdims: bool = False) -> Array:
    """The position of the first minimum; arguments as of `argmax`."""
    no_out("argmin", out)
    return _arg_extreme("argmin", a, axis, keepdims, False)


@operation
def nanargmax(a: ArrayLike, axis: int | None = None, out: None = None, keepdims: bool = False) -> Array:
    """The position of the first maximum, NaN ignored; -1 where all are NaN."""
    no_out("nanargmax", out)
    return _arg_extreme("nanargmax", a, axis, keepdims, True, nans=True)


@operation
def nanargmin(a: ArrayLike, axis: int | None = None, out: None = None, keepdims: bool = False) -> Array:
    """The position of the first minimum, NaN ignored; -1 where all are NaN."""
    no_out("nanargmin", out)
    return _arg_extreme("nanargmin", a, axis, keepdims, False, nans=True)


# ---- Non-zero elements ---------------------------------------------------------------------------


def nonzero(a: ArrayLike, *, size: int | None = None, fill_value: Any = None) -> tuple[Array, ...]:
    """The positions of non-zero elements, one array for each dimension.

    Args:
        a: an array of one dimension or more.
        size: how many positions to return, needed where the array is traced.
        fill_value: what fills positions beyond those found: a number, or one for each dimension; default 0.

    Returns:
        As many int32 vectors as there are dimensions.

    Raises:
        ConcretizationError: the array is traced and no size is given.
    """
    aval = abstractify(a)
    if not aval.shape:
        raise ValueError(
            f"{user_line()}: nonzero takes arrays of one dimension or more; use mycc.numpy.atleast_1d"
        )
    if size is None:
        return tuple(asarray(p.astype(INT32)) for p in np.nonzero(known_numbers("nonzero", a)))
    return _nonzero(a, size, fill_value)


def known_numbers(name: str, a: ArrayLike, way_out: str = "give size=") -> np.ndarray[Any, Any]:
    """An array's numbers on the host.

    Raises:
        ConcretizationError: it is traced; the message names a way out.
    """
    try:
        return np.asarray(a)
    except ConcretizationError:
        raise ConcretizationError(
            f"{user_line()}: {name} of a traced array has a shape that depends on its values; {way_out}"
        ) from None


@operation
def _nonzero(a: ArrayLike, size: int, fill_value: Any) -> tuple[Array, ...]:
    from mycc.indexing import update
    from mycc.numpy.cumulative import running

    value, aval = lift(a)
    flat = ops.reshape(convert(value, aval.dtype, BOOL), (aval.size,))
    fills = list(fill_value) if isinstance(fill_value, (tuple, list)) else [fill_value or 0] * len(aval.shape)
    if aval.size == 0 or size == 0:
        return tuple(asarray(np.full(size, f, INT32)) for f in fills)
    ones = ops.convert(flat, element_type(INT32))
    counts = running(ones, 0, ops.add, 0)
    # The k-th non-zero element goes to place k; all else to a place that does not exist.
    places = ops.select(flat, ops.sub(counts, ops.full_like(counts, 1)), ops.full_like(counts, size))
    order = ops.iota(tensor((aval.size,), element_type(INT32)), 0)
    empty = wrap(ops.full(tensor((size,), element_type(INT32)), 0), AbstractValue((size,), INT32))
    target = wrap(places, AbstractValue((aval.size,), INT32))
    found, _ = lift(update(empty, target, wrap(order, AbstractValue((aval.size,), INT32))))
    total = ops.reduce(ones, scalar(INT32, 0), (0,), ops.add)
    place = ops.iota(tensor((size,), element_type(INT32)), 0)
    valid = ops.compare("LT", place, ops.broadcast_in_dim(total, (size,), ()))
    results = []
    stride = aval.size
    for n, fill in zip(aval.shape, fills, strict=True):
        stride //= n
        part = ops.rem(ops.div(found, ops.full_like(found, stride)), ops.full_like(found, n))
        filler, _ = lift(fill)
        filler = ops.broadcast_in_dim(ops.convert(filler, element_type(INT32)), (size,), ())
        results.append(wrap(ops.select(valid, part, filler), AbstractValue((size,), INT32)))
    return tuple(results)


def flatnonzero(a: ArrayLike, *, size: int | None = None, fill_value: Any = None) -> Array:
    """The positions of non-zero elements in the array taken as a vector; arguments as of `nonzero`."""
    from mycc.numpy.shapes import ravel

    return nonzero(ravel(a), size=size, fill_value=fill_value)[0]


def argwhere(a: ArrayLike, *, size: int | None = None, fill_value: Any = None) -> Array:
    """The positions of non-zero elements, one row for each; arguments as of `nonzero`."""
    from mycc.numpy.joining import stack
    from mycc.numpy.shapes import atleast_1d

    aval = abstractify(a)
    if not aval.shape:
        found = nonzero(atleast_1d(a), size=size, fill_value=fill_value)[0]
        return asarray(np.zeros((found.shape[0], 0), INT32))
    return stack(nonzero(a, size=size, fill_value=fill_value), 1)


def compress(
    condition: ArrayLike,
    a: ArrayLike,
    axis: int | None = None,
    *,
    size: int | None = None,
    fill_value: Any = 0,
) -> Array:
    """The elements along an axis where a condition holds.

    Args:
        condition: a bool vector, at most as long as the axis.
        a: an array.
        axis: along which; None takes the array as a vector.
        size: how many elements to return, needed where the condition is traced.
        fill_value: what fills elements beyond those found.

    Returns:
        The shorter array.
    """
    from mycc.numpy.shapes import ravel

    if isinstance(condition, (list, tuple)):
        condition = array(condition)
    if len(abstractify(condition).shape) != 1:
        raise ValueError(
            f"{user_line()}: compress takes a vector as its condition, got shape "
            f"{abstractify(condition).shape}"
        )
    whole = asarray(a) if axis is not None else ravel(a)
    place = axis_of("compress", 0 if axis is None else axis, whole.ndim)
    ahead = (slice(None),) * place
    if size is None:
        return read(whole, (*ahead, np.flatnonzero(known_numbers("compress", condition))), None, None, True)
    outside = whole.shape[place]
    found = nonzero(condition, size=size, fill_value=outside)[0]
    return read(whole, (*ahead, found), "fill", fill_value, False)


def extract(condition: ArrayLike, arr: ArrayLike, *, size: int | None = None, fill_value: Any = 0) -> Array:
    """The elements where a condition of the array's shape holds, as a vector; arguments as of `compress`."""
    from mycc.numpy.shapes import ravel

    return compress(ravel(condition), ravel(arr), size=size, fill_value=fill_value)


# ---- Elements by position ------------------------------------------------------------------------


def take(
    a: ArrayLike,
    indices: ArrayLike,
    axis: int | None = None,
    out: None = None,
    mode: str | None = None,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    fill_value: Any = None,
) -> Array:
    """The elements at positions along an axis.

    Args:
        a: an array.
        indices: positions, of any shape; negative ones count from the end.
        axis: along which; None takes the array as a vector.
        mode: for positions outside: "fill" (default) gives NaN or extreme integers, "clip" the nearest
            element, "wrap" counts on from the other end.
        fill_value: what "fill" gives.

    Returns:
        An array with the indices' shape in place of the axis.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.take(mnp.array([10, 20, 30]), mnp.array([2, 0]))
        Array([30, 10], dtype=int32)
    """
    no_out("take", out)
    from mycc.numpy.rounding import remainder
    from mycc.numpy.shapes import ravel

    if isinstance(indices, (list, tuple)):
        indices = array(indices)
    whole = asarray(a) if axis is not None else ravel(a)
    place = axis_of("take", 0 if axis is None else axis, whole.ndim)
    if mode not in (None, "fill", "clip", "wrap", "promise_in_bounds"):
        raise ValueError(f"{user_line()}: take got mode={mode!r}; it takes 'fill', 'clip' or 'wrap'")
    positions = asarray(indices)
    if mode == "wrap":
        positions, mode = remainder(positions, whole.shape[place]), "promise_in_bounds"
    if mode is None and not is_inside(positions):
        mode = "fill"
    return read(
        whole, (slice(None),) * place + (positions,), mode, fill_value, mode != "clip", indices_are_sorted
    )


def is_inside(positions: Array) -> bool:
    """Whether nothing is to be done about positions outside, because there are no positions."""
    return positions.size == 0


@operation
def searchsorted(
    a: ArrayLike, v: ArrayLike, side: str = "left", sorter: ArrayLike | None = None, *, method: str = "scan"
) -> Array:
    """Where elements would go to keep a vector sorted.

    Args:
        a: a sorted vector.
        v: elements, of any shape.
        side: "left" puts them before equal ones, "right" after.
        sorter: the positions that sort ``a``, if it is not sorted.
        method: of no matter: small vectors are compared as a whole, others halved until the place is found.

    Returns:
        An int32 array of v's shape.

    Raises:
        ValueError: ``a`` is no vector, or ``side`` is neither.
    """
    if side not in ("left", "right"):
        raise ValueError(f"{user_line()}: searchsorted got side={side!r}; it takes 'left' or 'right'")
    if len(abstractify(a).shape) != 1:
        raise ValueError(f"{user_line()}: searchsorted takes a vector, got shape {abstractify(a).shape}")
    vector = a if sorter is None else read(a, sorter, None, None, True)
    return _searched(vector, v, side)


_COMPARED = 64
"""Up to so many sorted elements all are compared: cheaper than six rounds of gathers."""


def _searched(a: ArrayLike, v: ArrayLike, side: str) -> Array:
    from mycc.dialects import transform
    from mycc.types import promote

    table, table_aval = lift(a)
    sought, aval = lift(v)
    dtype, _ = promote([table_aval, aval])
    table, sought = convert(table, table_aval.dtype, dtype), convert(sought, aval.dtype, dtype)
    if is_float(dtype):
        table, sought = transform.stop_gradient(table), transform.stop_gradient(sought)
    (size,) = table_aval.shape
    index = smallest_index_dtype(size)

    def goes_right(element: Value, key: Value) -> Value:
        return before(element, key) if side == "left" else ops.not_(before(key, element))

    if size <= _COMPARED:
        ndim = len(aval.shape)
        shape = (*aval.shape, size)
        wide = ops.broadcast_in_dim(sought, shape, range(ndim))
        rows = ops.broadcast_in_dim(table, shape, (ndim,))
        counts = ops.convert(goes_right(rows, wide), element_type(index))
        return wrap(ops.reduce(counts, scalar(index, 0), (ndim,), ops.add), AbstractValue(aval.shape, index))
    type_ = tensor(aval.shape, element_type(index))
    low, high = ops.full(type_, 0), ops.full(type_, size)
    for _ in range(math.ceil(math.log2(size + 1))):
        middle = ops.add(low, ops.div(ops.sub(high, low), ops.full_like(low, 2)))
        at = read(
            wrap(table, AbstractValue((size,), dtype)),
            wrap(middle, AbstractValue(aval.shape, index)),
            None,
            None,
            False,
        )
        right = ops.and_(goes_right(lift(at)[0], sought), ops.compare("LT", low, high))
        low = ops.select(right, ops.add(middle, ops.full_like(middle, 1)), low)
        high = ops.select(right, high, middle)
    return wrap(low, AbstractValue(aval.shape, index))
