"""Elements moved, repeated, put in and taken out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import tensor
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import Axis, Shape, axes_of, axis_of, shape_of
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "delete",
    "flip",
    "fliplr",
    "flipud",
    "insert",
    "repeat",
    "resize",
    "roll",
    "rot90",
    "tile",
    "trim_zeros",
]

Value: TypeAlias = ir.Value


@operation
def flip(m: ArrayLike, axis: Axis = None) -> Array:
    """An array with the order of elements along axes turned around; None for all axes."""
    value, aval = lift(m)
    axes = axes_of("flip", axis, len(aval.shape))
    return wrap(ops.reverse(value, axes) if axes else value, aval)


def fliplr(m: ArrayLike) -> Array:
    """An array with its columns in reverse order."""
    return flip(m, 1)


def flipud(m: ArrayLike) -> Array:
    """An array with its rows in reverse order."""
    return flip(m, 0)


@operation
def rot90(m: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """An array turned by right angles in the plane of two axes.

    Args:
        m: an array of two dimensions or more.
        k: how often, from the first axis towards the second.
        axes: the plane.

    Returns:
        The turned array.
    """
    from mycc.numpy.shapes import swapaxes

    ndim = len(abstractify(m).shape)
    first, second = (axis_of("rot90", d, ndim) for d in axes)
    if first == second:
        raise ValueError(f"{user_line()}: rot90 got axes={axes}; they must differ")
    turns = k % 4
    if turns == 0:
        return flip(m, ())
    if turns == 2:
        return flip(m, (first, second))
    if turns == 1:
        return flip(swapaxes(m, first, second), first)
    return swapaxes(flip(m, first), first, second)


@operation
def roll(a: ArrayLike, shift: ArrayLike | Sequence[int], axis: Axis = None) -> Array:
    """An array whose elements are moved along axes; those that leave come in at the other end.

    Args:
        a: an array.
        shift: by how many positions; one for each axis, or one for all. May be traced.
        axis: along which; None moves them in the array taken as a vector.

    Returns:
        An array of a's shape.
    """
    value, aval = lift(a)
    if axis is None:
        flat = ops.reshape(value, (aval.size,))
        return wrap(ops.reshape(_rolled(flat, shift, 0), aval.shape), aval)
    axes = [axis] if isinstance(axis, (int, np.integer)) else list(axis)
    places = [axis_of("roll", d, len(aval.shape)) for d in axes]
    shifts = _shifts(shift, len(places))
    for place, by in zip(places, shifts, strict=True):
        value = _rolled(value, by, place)
    return wrap(value, aval)


def _shifts(shift: Any, count: int) -> list[Any]:
    if isinstance(shift, (list, tuple)):
        shifts = list(shift)
    elif abstractify(shift).shape:
        from mycc.numpy.joining import unstack

        shifts = list(unstack(shift))
    else:
        shifts = [shift]
    if len(shifts) == 1:
        shifts *= count
    if len(shifts) != count:
        raise ValueError(f"{user_line()}: roll got {len(shifts)} shifts for {count} axes")
    return shifts


def _rolled(value: Value, shift: Any, axis: int) -> Value:
    shape = tuple(value.type.shape)
    size = shape[axis]
    if size == 0:
        return value
    if isinstance(shift, (int, np.integer)):
        cut = -int(shift) % size
        if cut == 0:
            return value
        starts, limits = [0] * len(shape), list(shape)
        starts[axis] = limits[axis] = cut
        front, back = ops.slice_(value, [0] * len(shape), limits), ops.slice_(value, starts, shape)
        return ops.concatenate([back, front], axis)
    by, aval = lift(shift)
    if aval.dtype.kind not in "iu" or aval.size != 1:
        raise TypeError(f"{user_line()}: roll shifts by integers, got a value of type {aval}")
    by = ops.reshape(by, ())
    extent = ops.full_like(by, size)
    # StableHLO's remainder has the sign of the dividend.
    start = ops.sub(extent, ops.rem(ops.add(ops.rem(by, extent), extent), extent))
    zero = ops.full_like(by, 0)
    doubled = ops.concatenate([value, value], axis)
    return ops.dynamic_slice(doubled, [start if d == axis else zero for d in range(len(shape))], shape)


# ---- Repetitions ---------------------------------------------------------------------------------


@operation
def tile(A: ArrayLike, reps: Shape) -> Array:
    """An array laid side by side with itself.

    Args:
        A: an array.
        reps: how often along each of the last dimensions.

    Returns:
        The larger array.
    """
    value, aval = lift(A)
    times = shape_of("tile", reps)
    ndim = max(len(times), len(aval.shape))
    times = (1,) * (ndim - len(times)) + times
    sizes = (1,) * (ndim - len(aval.shape)) + aval.shape
    spread = tuple(n for both in zip(times, sizes, strict=True) for n in both)
    kept = [d for d, n in enumerate(sizes) if n != 1]
    value = ops.broadcast_in_dim(
        ops.reshape(value, [sizes[d] for d in kept]), spread, [2 * d + 1 for d in kept]
    )
    result = tuple(t * n for t, n in zip(times, sizes, strict=True))
    return wrap(ops.reshape(value, result), AbstractValue(result, aval.dtype, aval.weak_type))


def repeat(
    a: ArrayLike, repeats: Any, axis: int | None = None, *, total_repeat_length: int | None = None
) -> Array:
    """An array whose elements are each repeated.

    Args:
        a: an array.
        repeats: how often: one number, or one for each element along the axis.
        axis: along which; None takes the array as a vector.
        total_repeat_length: the size of the result along the axis, needed where ``repeats`` is traced; what
            is too much is cut off, what is missing is filled with the last element.

    Returns:
        The longer array.

    Raises:
        ConcretizationError: ``repeats`` is traced and no length is given.
    """
    if isinstance(repeats, (int, np.integer)) and total_repeat_length is None:
        return _repeated(a, int(repeats), axis)
    from mycc.indexing import take
    from mycc.numpy.creation import asarray
    from mycc.numpy.shapes import ravel

    whole = asarray(a) if axis is not None else ravel(a)
    place = axis_of("repeat", 0 if axis is None else axis, whole.ndim)
    size = whole.shape[place]
    if total_repeat_length is None:
        counts = np.broadcast_to(np.asarray(repeats), (size,))
        positions: Any = np.repeat(np.arange(size, dtype=np.int32), counts)
    else:
        positions = _positions(asarray(repeats), size, total_repeat_length)
    return take(whole, (slice(None),) * place + (positions,))


@operation
def _repeated(a: ArrayLike, repeats: int, axis: int | None) -> Array:
    value, aval = lift(a)
    shape = aval.shape if axis is not None else (aval.size,)
    place = axis_of("repeat", 0 if axis is None else axis, len(shape))
    if repeats < 0:
        raise ValueError(f"{user_line()}: repeat got repeats={repeats}; it cannot be negative")
    value = ops.reshape(value, shape)
    spread = (*shape[: place + 1], repeats, *shape[place + 1 :])
    value = ops.broadcast_in_dim(value, spread, [d for d in range(len(spread)) if d != place + 1])
    result = (*shape[:place], shape[place] * repeats, *shape[place + 1 :])
    return wrap(ops.reshape(value, result), AbstractValue(result, aval.dtype, aval.weak_type))


@operation
def _positions(repeats: ArrayLike, size: int, length: int) -> Array:
    """For each repeated element the position it comes from."""
    from mycc.numpy.cumulative import cumsum
    from mycc.numpy.ranges import arange
    from mycc.numpy.searching import searchsorted
    from mycc.numpy.selection import clip
    from mycc.numpy.shapes import broadcast_to, ravel

    ends = cumsum(broadcast_to(ravel(repeats), (size,)))
    return clip(searchsorted(ends, arange(length), side="right"), 0, max(size - 1, 0))


@operation
def resize(a: ArrayLike, new_shape: Shape) -> Array:
    """An array of another size, filled with repeated copies of the elements."""
    value, aval = lift(a)
    sizes = shape_of("resize", new_shape)
    count = math.prod(sizes)
    if aval.size == 0:
        return wrap(ops.full(tensor(sizes, ops.element_of(value)), 0), AbstractValue(sizes, aval.dtype))
    copies = -(-count // aval.size)
    flat = ops.reshape(value, (aval.size,))
    spread = ops.reshape(ops.broadcast_in_dim(flat, (copies, aval.size), (1,)), (copies * aval.size,))
    result = ops.reshape(ops.slice_(spread, [0], [count]), sizes)
    return wrap(result, AbstractValue(sizes, aval.dtype, aval.weak_type))


# ---- Elements put in and taken out ---------------------------------------------------------------


def delete(
    arr: ArrayLike, obj: Any, axis: int | None = None, *, assume_unique_indices: bool = False
) -> Array:
    """An array without some of its elements along an axis.

    Args:
        arr: an array.
        obj: the positions to leave out: an integer, a slice, integers, or a mask; must be known while
            tracing.
        axis: along which; None takes the array as a vector.

    Returns:
        The shorter array.
    """
    from mycc.indexing import take
    from mycc.numpy.creation import asarray
    from mycc.numpy.shapes import ravel

    whole = asarray(arr) if axis is not None else ravel(arr)
    place = axis_of("delete", 0 if axis is None else axis, whole.ndim)
    size = whole.shape[place]
    chosen = obj if isinstance(obj, (slice, int, np.integer)) else np.asarray(obj)
    if isinstance(chosen, (int, np.integer)) or (
        isinstance(chosen, np.ndarray) and chosen.dtype.kind in "iu"
    ):
        _check_positions("delete", chosen, size)
    kept = np.delete(np.arange(size, dtype=np.int32), chosen)
    return take(whole, (slice(None),) * place + (kept,))


def _check_positions(name: str, positions: Any, size: int) -> None:
    array = np.asarray(positions)
    if array.size and not (-size <= array.min() and array.max() < size):
        raise IndexError(f"{user_line()}: {name} got positions {positions} for an axis of size {size}")


def insert(arr: ArrayLike, obj: Any, values: ArrayLike, axis: int | None = None) -> Array:
    """An array with values put before some positions along an axis.

    Args:
        arr: an array.
        obj: the positions: an integer, a slice, or integers; must be known while tracing.
        values: what to put there; broadcast, and converted to arr's dtype.
        axis: along which; None takes the array as a vector.

    Returns:
        The longer array.
    """
    from mycc.indexing import update
    from mycc.numpy.creation import asarray, zeros
    from mycc.numpy.shapes import moveaxis, ravel, reshape

    whole = asarray(arr) if axis is not None else ravel(arr)
    place = axis_of("insert", 0 if axis is None else axis, whole.ndim)
    size = whole.shape[place]
    new = asarray(values, whole.dtype)
    if isinstance(obj, slice):
        positions = np.arange(*obj.indices(size))
    else:
        positions = np.asarray(obj)
        if positions.dtype == bool:
            positions = np.flatnonzero(positions)
    if np.any(positions < -size) or np.any(positions > size):
        raise IndexError(f"{user_line()}: insert got positions {positions} for an axis of size {size}")
    positions = np.where(positions < 0, positions + size, positions)
    if positions.size == 1:
        if positions.ndim == 0 and new.ndim:
            # NumPy puts a block's first axis along the axis that grows.
            new = moveaxis(reshape(new, (1,) * (whole.ndim - new.ndim) + new.shape), 0, place)
        count = new.shape[place] if new.ndim == whole.ndim else 1
        if new.ndim and positions.ndim:
            count = new.shape[place] if new.ndim > place and new.ndim == whole.ndim else 1
        flat = np.repeat(positions.reshape(1), max(count, 1))
    else:
        flat = positions.reshape(-1)
    order = np.argsort(flat, kind="stable")
    targets = np.empty(flat.size, np.int64)
    targets[order] = flat[order] + np.arange(flat.size)
    total = size + flat.size
    old = np.setdiff1d(np.arange(total), targets)
    ahead = (slice(None),) * place
    shape = (*whole.shape[:place], total, *whole.shape[place + 1 :])
    result = update(zeros(shape, whole.dtype), (*ahead, old), whole)
    return update(result, (*ahead, targets), new)


def trim_zeros(filt: ArrayLike, trim: str = "fb") -> Array:
    """A vector without the zeros at its ends; its numbers must be known.

    Args:
        filt: a vector.
        trim: which ends: "f" (front), "b" (back) or both.

    Returns:
        The shorter vector.
    """
    from mycc.indexing import take
    from mycc.numpy.creation import asarray

    whole = asarray(filt)
    found = np.flatnonzero(np.asarray(whole))
    first, last = (int(found[0]), int(found[-1]) + 1) if found.size else (whole.size, whole.size)
    start = first if "f" in trim.lower() else 0
    stop = last if "b" in trim.lower() else whole.size
    return take(whole, slice(start, max(start, stop)))
