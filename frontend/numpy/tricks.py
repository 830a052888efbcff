"""Index helpers: concatenation by brackets, flat and multiple positions, bits packed into bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.types import element_type
from mycc.emit import convert
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.arithmetic import add, multiply
from mycc.numpy.creation import asarray
from mycc.numpy.grids import diag_indices, tril_indices, triu_indices
from mycc.numpy.joining import concatenate, unstack
from mycc.numpy.ranges import arange, linspace
from mycc.numpy.rounding import floor_divide, remainder
from mycc.numpy.selection import clip, where
from mycc.numpy.shapes import moveaxis, ravel, reshape
from mycc.numpy.support import BOOL, INT32, axis_of, shape_of
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "c_",
    "diag_indices_from",
    "index_exp",
    "mask_indices",
    "packbits",
    "r_",
    "ravel_multi_index",
    "s_",
    "tril_indices_from",
    "triu_indices_from",
    "unpackbits",
    "unravel_index",
]


class _Joiner:
    """``r_[...]`` and ``c_[...]``: slices become ranges, all is joined along an axis.

    Args:
        axis: along which to join.
        ndmin: the least number of dimensions of the parts.
        trans1d: where the dimension of a vector goes among them.
    """

    def __init__(self, axis: int, ndmin: int, trans1d: int) -> None:
        self.axis, self.ndmin, self.trans1d = axis, ndmin, trans1d

    def __getitem__(self, key: Any) -> Array:
        entries = list(key) if isinstance(key, tuple) else [key]
        axis, ndmin, trans1d = self.axis, self.ndmin, self.trans1d
        if entries and isinstance(entries[0], str):
            axis, ndmin, trans1d = self._directive(entries.pop(0))
        parts = [self._part(e, ndmin, trans1d) for e in entries]
        return concatenate(parts, axis)

    def _directive(self, text: str) -> tuple[int, int, int]:
        if text in ("r", "c"):
            return self.axis, 2, -1
        try:
            numbers = [int(n) for n in text.split(",")]
        except ValueError:
            raise ValueError(
                f"{user_line()}: r_ got the directive {text!r}; it takes up to three integers"
            ) from None
        return tuple(numbers + [self.axis, self.ndmin, self.trans1d][len(numbers) :])  # type: ignore[return-value]

    def _part(self, e: Any, ndmin: int, trans1d: int) -> Array:
        part = _range(e) if isinstance(e, slice) else asarray(e)
        had = part.ndim
        if had == 0:
            part, had = reshape(part, (1,)), 0
        if part.ndim < ndmin:
            part = reshape(part, (1,) * (ndmin - part.ndim) + part.shape)
            if trans1d != -1 and had == 1:
                part = moveaxis(part, -1, trans1d)
        return part


def _range(e: slice) -> Array:
    start = 0 if e.start is None else e.start
    if isinstance(e.step, complex):
        samples: Array = linspace(start, e.stop, int(abs(e.step)))
        return samples
    return arange(start, e.stop, 1 if e.step is None else e.step)


r_ = _Joiner(0, 1, -1)
"""Parts joined along the first axis: ``r_[0:3, 7, x]``."""
c_ = _Joiner(-1, 2, 0)
"""Parts joined along the last axis, vectors as columns: ``c_[x, y]``."""
s_ = np.s_
"""An index as brackets make it: ``s_[1:3, ...]``."""
index_exp = np.index_exp
"""As ``s_``, always a tuple."""


def _square(name: str, x: ArrayLike) -> tuple[int, int]:
    shape = abstractify(x).shape
    if len(shape) != 2:
        raise ValueError(f"{user_line()}: {name} takes matrices, got shape {shape}")
    return shape[0], shape[1]


def tril_indices_from(arr: ArrayLike, k: int = 0) -> tuple[Array, Array]:
    """Rows and columns of the lower triangle of a matrix."""
    n, m = _square("tril_indices_from", arr)
    return tril_indices(n, k, m)


def triu_indices_from(arr: ArrayLike, k: int = 0) -> tuple[Array, Array]:
    """Rows and columns of the upper triangle of a matrix."""
    n, m = _square("triu_indices_from", arr)
    return triu_indices(n, k, m)


def diag_indices_from(arr: ArrayLike) -> tuple[Array, ...]:
    """The coordinates of the main diagonal of an array with equal sizes."""
    shape = abstractify(arr).shape
    if len(shape) < 2 or len(set(shape)) > 1:
        raise ValueError(
            f"{user_line()}: diag_indices_from takes arrays of two equal sizes or more, got shape {shape}"
        )
    return diag_indices(shape[0], len(shape))


def mask_indices(n: int, mask_func: Callable[..., Any], k: Any = 0) -> tuple[Array, Array]:
    """Rows and columns where a function like `triu` keeps the elements of an n-by-n matrix."""
    kept = np.asarray(mask_func(asarray(np.ones((n, n), np.int32)), k))
    rows, columns = np.nonzero(kept)
    return asarray(rows.astype(INT32)), asarray(columns.astype(INT32))


# ---- Flat positions ------------------------------------------------------------------------------


@operation
def ravel_multi_index(
    multi_index: Sequence[ArrayLike] | ArrayLike, dims: Sequence[int], mode: str = "raise", order: str = "C"
) -> Array:
    """Positions along each dimension as positions in the array taken as a vector.

    Args:
        multi_index: as many integer arrays as there are dimensions.
        dims: the array's shape.
        mode: for positions outside: "clip" moves them to the nearest inside, "wrap" counts on from the other
            end; "raise" raises for those that are known outside of a trace, and promises there are none
            inside of one.
        order: "C" or "F".

    Returns:
        An integer array.
    """
    sizes = shape_of("ravel_multi_index", dims)
    each: Any = multi_index if isinstance(multi_index, (list, tuple)) else unstack(asarray(multi_index))
    parts = [asarray(p) for p in each]
    if len(parts) != len(sizes) or mode not in ("raise", "clip", "wrap") or order not in ("C", "F"):
        raise ValueError(
            f"{user_line()}: ravel_multi_index got {len(parts)} index arrays for {len(sizes)} dimensions, "
            f"mode={mode!r} and "
            f"order={order!r}; it takes one for each dimension, 'raise', 'clip' or 'wrap', 'C' or 'F'"
        )
    if mode == "clip":
        parts = [clip(p, 0, n - 1) for p, n in zip(parts, sizes, strict=True)]
    elif mode == "wrap":
        parts = [remainder(p, n) for p, n in zip(parts, sizes, strict=True)]
    pairs = list(zip(parts, sizes, strict=True))
    result: Array | None = None
    for part, n in pairs if order == "C" else reversed(pairs):
        result = part if result is None else add(multiply(result, n), part)
    assert result is not None
    return result


@operation
def unravel_index(indices: ArrayLike, shape: Any) -> tuple[Array, ...]:
    """Positions in an array taken as a vector as positions along each of its dimensions.

    Args:
        indices: integers; negative ones count from the end, what lies outside is moved to the nearest end.
        shape: of the array.

    Returns:
        As many integer arrays as there are dimensions.
    """
    sizes = shape_of("unravel_index", shape)
    total = math.prod(sizes)
    flat = asarray(indices)
    flat = clip(where(flat < 0, add(flat, total), flat), 0, max(total - 1, 0))
    results = []
    for n in reversed(sizes):
        results.append(remainder(flat, max(n, 1)))
        flat = floor_divide(flat, max(n, 1))
    return tuple(reversed(results))


# ---- Bits ----------------------------------------------------------------------------------------


@operation
def packbits(a: ArrayLike, axis: int | None = None, bitorder: str = "big") -> Array:
    """Bools packed into uint8, eight by eight.

    Args:
        a: an array of bools or integers; non-zero elements are set bits.
        axis: along which; None takes the array as a vector.
        bitorder: "big" (the first element is the highest bit) or "little".

    Returns:
        A uint8 array, an eighth as long along the axis; missing bits are zero.
    """
    if bitorder not in ("big", "little"):
        raise ValueError(f"{user_line()}: packbits got bitorder={bitorder!r}; it takes 'big' or 'little'")
    value, aval = lift(ravel(a) if axis is None else a)
    place = axis_of("packbits", 0 if axis is None else axis, len(aval.shape))
    bits = ops.convert(convert(value, aval.dtype, BOOL), element_type(np.dtype(np.uint8)))
    size = aval.shape[place]
    groups = -(-size // 8)
    nothing, high = [0] * len(aval.shape), [0] * len(aval.shape)
    high[place] = groups * 8 - size
    bits = ops.pad(bits, ops.zero_of(bits), nothing, high, nothing)
    bits = ops.reshape(bits, (*aval.shape[:place], groups, 8, *aval.shape[place + 1 :]))
    weights = np.asarray([1 << b for b in range(8)], np.uint8)
    factors = ops.constant(weights[::-1].copy() if bitorder == "big" else weights)
    bits = ops.mul(bits, ops.broadcast_in_dim(factors, bits.type.shape, (place + 1,)))
    result = ops.sum_(bits, (place + 1,))
    return wrap(result, AbstractValue(tuple(result.type.shape), np.dtype(np.uint8)))


@operation
def unpackbits(
    a: ArrayLike, axis: int | None = None, count: int | None = None, bitorder: str = "big"
) -> Array:
    """The bits of uint8 numbers.

    Args:
        a: a uint8 array.
        axis: along which; None takes the array as a vector.
        count: how many bits to return; negative: how many to leave out at the end; default: all.
        bitorder: "big" (the highest bit comes first) or "little".

    Returns:
        A uint8 array of zeros and ones, eight times as long along the axis.
    """
    value, aval = lift(ravel(a) if axis is None else a)
    if aval.dtype != np.uint8 or bitorder not in ("big", "little"):
        raise TypeError(
            f"{user_line()}: unpackbits got dtype {aval.dtype} and bitorder={bitorder!r}; it takes uint8, "
            "'big' or 'little'"
        )
    place = axis_of("unpackbits", 0 if axis is None else axis, len(aval.shape))
    shape = (*aval.shape[: place + 1], 8, *aval.shape[place + 1 :])
    spread = ops.broadcast_in_dim(value, shape, [d for d in range(len(shape)) if d != place + 1])
    places = np.arange(8, dtype=np.uint8)
    shifts = ops.constant(places[::-1].copy() if bitorder == "big" else places)
    bits = ops.shift_right_logical(spread, ops.broadcast_in_dim(shifts, shape, (place + 1,)))
    bits = ops.and_(bits, ops.full_like(bits, 1))
    size = aval.shape[place] * 8
    bits = ops.reshape(bits, (*aval.shape[:place], size, *aval.shape[place + 1 :]))
    kept = size if count is None else count if count >= 0 else max(size + count, 0)
    high = [0] * len(aval.shape)
    high[place] = kept - size
    nothing = [0] * len(aval.shape)
    result = ops.pad(bits, ops.zero_of(bits), nothing, high, nothing) if kept != size else bits
    return wrap(result, AbstractValue(tuple(result.type.shape), np.dtype(np.uint8)))
