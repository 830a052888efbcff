"""Slices at static and at run-time positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import shape_of
from mycc.dtypes import kind_of
from mycc.emit import operand as operand_of
from mycc.lax.checks import axis_of, check_kind, common_dtype, static_shape
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "dynamic_index_in_dim", "dynamic_slice", "dynamic_slice_in_dim", "dynamic_update_index_in_dim",
    "dynamic_update_slice", "dynamic_update_slice_in_dim", "index_in_dim", "slice", "slice_in_dim",
]  # fmt: skip

Starts = Sequence[ArrayLike]


@operation
def slice(
    operand: ArrayLike,
    start_indices: Sequence[int],
    limit_indices: Sequence[int],
    strides: Sequence[int] | None = None,
) -> Array:
    """``operand[start:limit:stride]`` in every dimension, with static bounds inside the array.

    Args:
        operand: an array.
        start_indices: first index in each dimension.
        limit_indices: the index after the last, for each dimension.
        strides: steps, positive; default 1.

    Raises:
        TypeError: a bound lies outside of the array.
    """
    value, aval = lift(operand)
    steps = (1,) * len(aval.shape) if strides is None else tuple(int(s) for s in strides)
    starts, limits = tuple(int(s) for s in start_indices), tuple(int(s) for s in limit_indices)
    fits = len(starts) == len(limits) == len(steps) == len(aval.shape) and all(
        0 <= low <= high <= n and step > 0
        for low, high, n, step in zip(starts, limits, aval.shape, steps, strict=True)
    )
    if not fits:
        raise TypeError(
            f"{user_line()}: slice of shape {aval.shape} from {starts} to {limits} with strides {steps}: "
            "each dimension needs 0 <= start <= limit <= size and a positive stride"
        )
    value = ops.slice_(value, starts, limits, steps)
    return wrap(value, AbstractValue(shape_of(value), aval.dtype, aval.weak_type))


@operation
def slice_in_dim(
    operand: ArrayLike, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0
) -> Array:
    """``operand[start:limit:stride]`` along one dimension; negative indices count from the end."""
    shape = abstractify(operand).shape
    d = axis_of("slice_in_dim", axis, len(shape))
    low = 0 if start_index is None else int(start_index)
    high = shape[d] if limit_index is None else int(limit_index)
    starts, limits, strides = [0] * len(shape), list(shape), [1] * len(shape)
    starts[d] = low + shape[d] if low < 0 else low
    limits[d] = high + shape[d] if high < 0 else high
    strides[d] = int(stride)
    return slice(operand, tuple(starts), tuple(limits), tuple(strides))


@operation
def index_in_dim(operand: ArrayLike, index: int, axis: int = 0, keepdims: bool = True) -> Array:
    """The elements at a static index of one dimension, which keeps size 1 or goes.

    Raises:
        IndexError: the index lies outside of the array.
    """
    shape = abstractify(operand).shape
    d = axis_of("index_in_dim", axis, len(shape))
    if not -shape[d] <= index < shape[d]:
        raise IndexError(
            f"{user_line()}: index {index} is out of bounds for dimension {d} of size {shape[d]}"
        )
    at = int(index) % shape[d]
    found = slice_in_dim(operand, at, at + 1, 1, d)
    return found if keepdims else _without(found, d)


def _without(x: Array, d: int) -> Array:
    value, aval = lift(x)
    shape = (*aval.shape[:d], *aval.shape[d + 1 :])
    return wrap(ops.reshape(value, shape), AbstractValue(shape, aval.dtype, aval.weak_type))


def _start_values(name: str, starts: Starts, shape: tuple[int, ...]) -> list[ir.Value]:
    """Scalar starts of one dtype; negative ones count from the end."""
    if isinstance(starts, (Array, np.ndarray)):
        values, avals = _elements(starts)
    else:
        avals = [abstractify(start) for start in starts]
        values = list(starts)
    if len(values) != len(shape) or any(aval.shape for aval in avals):
        raise TypeError(
            f"{user_line()}: {name} takes one scalar start for each of the {len(shape)} dimensions"
        )
    for aval in avals:
        check_kind(name, aval.dtype, "iu")
    wide = any(aval.dtype.itemsize == 8 or aval.dtype.name == "uint32" for aval in avals)
    dtype = np.dtype(np.int64 if wide else np.int32)
    return [_start(start, aval, size, dtype) for start, aval, size in zip(values, avals, shape, strict=True)]


def _start(start: ArrayLike, aval: AbstractValue, size: int, dtype: np.dtype[np.generic]) -> ir.Value:
    if isinstance(start, (int, np.integer)):
        return operand_of(int(start) + size if start < 0 else int(start), aval, (), dtype)
    value = operand_of(start, aval, (), dtype)
    if kind_of(aval.dtype) == "u":
        return value
    from_end = ops.add(value, ops.full_like(value, size))
    return ops.select(ops.compare("LT", value, ops.full_like(value, 0)), from_end, value)


def _elements(
    starts: Array | np.ndarray[tuple[int, ...], np.dtype[np.generic]],
) -> tuple[list[ArrayLike], list[AbstractValue]]:
    value, aval = lift(starts)
    if len(aval.shape) != 1:
        raise TypeError(f"{user_line()}: start indices form a vector, got shape {aval.shape}")
    scalar = AbstractValue((), aval.dtype)
    pieces = [ops.reshape(ops.slice_(value, (i,), (i + 1,)), ()) for i in range(aval.shape[0])]
    return [wrap(piece, scalar) for piece in pieces], [scalar] * len(pieces)


@operation
def dynamic_slice(operand: ArrayLike, start_indices: Starts | ArrayLike, slice_sizes: Sequence[int]) -> Array:
    """A window of static sizes at run-time starts.

    Args:
        operand: an array.
        start_indices: one integer scalar for each dimension, or a vector of them; negative ones count from
        the
            end. A window that would leave the array is moved inside.
        slice_sizes: the shape of the window.

    Raises:
        TypeError: the window is larger than the array, or the starts are no integers.

    Example:
        >>> import mycc.numpy as mnp
        >>> dynamic_slice(mnp.arange(5), (3,), (2,))
        Array([3, 4], dtype=int32)
    """
    value, aval = lift(operand)
    sizes = static_shape("dynamic_slice", slice_sizes)
    if len(sizes) != len(aval.shape) or any(size > n for size, n in zip(sizes, aval.shape, strict=True)):
        raise TypeError(
            f"{user_line()}: dynamic_slice of size {sizes} from an array of shape {aval.shape} does not fit"
        )
    if not sizes:
        return wrap(value, aval)
    starts = _start_values("dynamic_slice", start_indices, aval.shape)  # type: ignore[arg-type]
    return wrap(ops.dynamic_slice(value, starts, sizes), AbstractValue(sizes, aval.dtype, aval.weak_type))


@operation
def dynamic_slice_in_dim(operand: ArrayLike, start_index: ArrayLike, slice_size: int, axis: int = 0) -> Array:
    """`dynamic_slice` along one dimension."""
    shape = abstractify(operand).shape
    d = axis_of("dynamic_slice_in_dim", axis, len(shape))
    sizes = (*shape[:d], int(slice_size), *shape[d + 1 :])
    return dynamic_slice(operand, _along(start_index, d, len(shape)), sizes)


def _along(start: ArrayLike, axis: int, ndim: int) -> list[ArrayLike]:
    return [start if d == axis else 0 for d in range(ndim)]


@operation
def dynamic_index_in_dim(operand: ArrayLike, index: ArrayLike, axis: int = 0, keepdims: bool = True) -> Array:
    """The elements at a run-time index of one dimension, which keeps size 1 or goes."""
    found = dynamic_slice_in_dim(operand, index, 1, axis)
    return found if keepdims else _without(found, axis_of("dynamic_index_in_dim", axis, found.ndim))


@operation
def dynamic_update_slice(operand: ArrayLike, update: ArrayLike, start_indices: Starts | ArrayLike) -> Array:
    """The array with a window at run-time starts replaced.

    Args:
        operand: an array.
        update: the window's new elements, of the same dtype and rank.
        start_indices: as for `dynamic_slice`.
    """
    whole, part = abstractify(operand), abstractify(update)
    dtype, weak = common_dtype("dynamic_update_slice", (whole, part))
    fits = len(whole.shape) == len(part.shape) and all(
        n <= m for n, m in zip(part.shape, whole.shape, strict=True)
    )
    if not fits:
        raise TypeError(
            f"{user_line()}: dynamic_update_slice of shape {whole.shape} by an update of shape {part.shape}: "
            "the update has the same rank and no larger size"
        )
    value, window = (
        operand_of(operand, whole, whole.shape, dtype),
        operand_of(update, part, part.shape, dtype),
    )
    aval = AbstractValue(whole.shape, dtype, weak)
    if not whole.shape:
        return wrap(window, aval)
    starts = _start_values("dynamic_update_slice", start_indices, whole.shape)  # type: ignore[arg-type]
    return wrap(ops.dynamic_update_slice(value, window, starts), aval)


@operation
def dynamic_update_slice_in_dim(
    operand: ArrayLike, update: ArrayLike, start_index: ArrayLike, axis: int
) -> Array:
    """`dynamic_update_slice` along one dimension."""
    ndim = len(abstractify(operand).shape)
    d = axis_of("dynamic_update_slice_in_dim", axis, ndim)
    return dynamic_update_slice(operand, update, _along(start_index, d, ndim))


@operation
def dynamic_update_index_in_dim(operand: ArrayLike, update: ArrayLike, index: ArrayLike, axis: int) -> Array:
    """The array with the elements at a run-time index of one dimension replaced."""
    ndim = len(abstractify(operand).shape)
    d = axis_of("dynamic_update_index_in_dim", axis, ndim)
    value, aval = lift(update)
    if len(aval.shape) != ndim:
        shape = (*aval.shape[:d], 1, *aval.shape[d:])
        update = wrap(ops.reshape(value, shape), AbstractValue(shape, aval.dtype, aval.weak_type))
    return dynamic_update_slice(operand, update, _along(index, d, ndim))
