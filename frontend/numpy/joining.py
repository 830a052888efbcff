"""Arrays joined to one, and taken apart."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.emit import convert, lifted
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.shapes import atleast_1d, atleast_2d, atleast_3d, shaped
from mycc.numpy.support import as_dtype, axis_of
from mycc.source import user_line
from mycc.trace import current
from mycc.types import ArrayLike, DTypeLike, abstractify, promote

__all__ = [
    "append",
    "array_split",
    "block",
    "column_stack",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "row_stack",
    "split",
    "stack",
    "unstack",
    "vsplit",
    "vstack",
]

Value: TypeAlias = ir.Value
Arrays: TypeAlias = Sequence[ArrayLike]


def _listed(name: str, arrays: Any) -> list[Any]:
    """The arrays to join; one array stands for the sequence of its rows."""
    if isinstance(arrays, (Array, np.ndarray)):
        return list(unstack(arrays)) if arrays.ndim else _no_rows(name)
    result = list(arrays)
    if not result:
        raise ValueError(f"{user_line()}: {name} got no arrays")
    # Numbers are not to be rounded before they are in an array.
    avals = [abstractify(x) for x in result]
    dtype, _ = promote(avals)
    if dtype.char not in "dD":
        return result
    return [
        wrap(lifted(x, exact), exact) if aval.weak_type and aval.dtype != dtype else x
        for x, aval in zip(result, avals, strict=True)
        for exact in (AbstractValue(aval.shape, dtype, True),)
    ]


def _no_rows(name: str) -> Any:
    raise ValueError(f"{user_line()}: {name} takes a sequence of arrays, got an array without dimensions")


def _joined(name: str, arrays: list[Any], axis: int | None, dtype: DTypeLike | None) -> Array:
    from mycc.numpy.shapes import ravel

    if axis is None:
        arrays, axis = [ravel(x) for x in arrays], 0
    values = [lift(x) for x in arrays]
    avals = [aval for _, aval in values]
    ndim = len(avals[0].shape)
    if ndim == 0:
        raise ValueError(f"{user_line()}: {name} cannot join arrays without dimensions; use stack")
    place = axis_of(name, axis, ndim)
    frame = [n for d, n in enumerate(avals[0].shape) if d != place]
    for aval in avals:
        if len(aval.shape) != ndim or [n for d, n in enumerate(aval.shape) if d != place] != frame:
            shapes = ", ".join(str(aval.shape) for aval in avals)
            raise ValueError(
                f"{user_line()}: {name} along axis {place} takes arrays alike in all other sizes, got "
                f"{shapes}"
            )
    promoted, weak = promote(avals)
    target = as_dtype(dtype, promoted)
    parts = [convert(value, aval.dtype, target) for value, aval in values]
    kept = [p for p, aval in zip(parts, avals, strict=True) if aval.shape[place]] or parts[:1]
    result = ops.concatenate(kept, place)
    return wrap(result, AbstractValue(tuple(result.type.shape), target, weak and dtype is None))


@operation
def concatenate(arrays: Arrays, axis: int | None = 0, dtype: DTypeLike | None = None) -> Array:
    """Arrays joined along an axis that they have.

    Args:
        arrays: a sequence of arrays alike in all other sizes, or an array, whose rows are joined.
        axis: the axis; None joins them as vectors.
        dtype: of the result; default: what the arrays promote to.

    Returns:
        The joined array.

    Raises:
        ValueError: there are no arrays, or their shapes differ elsewhere.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.concatenate([mnp.zeros(1), mnp.ones(2)])
        Array([0., 1., 1.], dtype=float32)
    """
    return _joined("concatenate", _listed("concatenate", arrays), axis, dtype)


def concat(arrays: Arrays, /, *, axis: int | None = 0) -> Array:
    """Arrays joined along an axis; the Array API's `concatenate`."""
    return concatenate(arrays, axis)


@operation
def stack(arrays: Arrays, axis: int = 0, out: None = None, dtype: DTypeLike | None = None) -> Array:
    """Arrays of one shape joined along a new axis.

    Args:
        arrays: a sequence of arrays.
        axis: where the new axis is in the result.
        dtype: of the result; default: what the arrays promote to.

    Returns:
        An array of one dimension more.

    Raises:
        ValueError: there are no arrays, or their shapes differ.
    """
    if isinstance(arrays, (Array, np.ndarray)):
        from mycc.numpy.shapes import moveaxis

        return moveaxis(arrays, 0, axis)
    parts = _listed("stack", arrays)
    shapes = [abstractify(x).shape for x in parts]
    if len(set(shapes)) > 1:
        raise ValueError(f"{user_line()}: stack takes arrays of one shape, got {', '.join(map(str, shapes))}")
    place = axis_of("stack", axis, len(shapes[0]) + 1)
    size = (*shapes[0][:place], 1, *shapes[0][place:])
    return _joined("stack", [shaped(x, size) for x in parts], place, dtype)


def _widened(arrays: Any, widen: Any) -> list[Any]:
    listed = _listed("stacking", arrays)
    return [widen(x) for x in listed]


@operation
def vstack(tup: Arrays, dtype: DTypeLike | None = None) -> Array:
    """Arrays joined along the first axis; vectors are rows."""
    return _joined("vstack", _widened(tup, atleast_2d), 0, dtype)


row_stack = vstack


@operation
def hstack(tup: Arrays, dtype: DTypeLike | None = None) -> Array:
    """Arrays joined along the second axis; vectors along their only one."""
    parts = _widened(tup, atleast_1d)
    return _joined("hstack", parts, 0 if parts[0].ndim == 1 else 1, dtype)


@operation
def dstack(tup: Arrays, dtype: DTypeLike | None = None) -> Array:
    """Arrays joined along the third axis."""
    return _joined("dstack", _widened(tup, atleast_3d), 2, dtype)


@operation
def column_stack(tup: Arrays) -> Array:
    """Arrays joined along the second axis; vectors are columns."""

    def as_columns(x: ArrayLike) -> Any:
        sizes = abstractify(x).shape
        return shaped(x, (sizes[0] if sizes else 1, 1)) if len(sizes) < 2 else x

    return _joined("column_stack", _widened(tup, as_columns), 1, None)


@operation
def block(arrays: Any) -> Array:
    """An array put together from nested lists of blocks: the innermost lists are joined along the last axis.

    Args:
        arrays: arrays or numbers in lists nested equally deep.

    Returns:
        The array.

    Raises:
        ValueError: the lists are empty, or not nested equally deep.
    """
    depth = _depth(arrays)
    leaves = _leaves(arrays)
    ndim = max(depth, *(len(abstractify(x).shape) for x in leaves))
    return _assembled(arrays, ndim, ndim - depth)


def _depth(blocks: Any) -> int:
    if not isinstance(blocks, list):
        return 0
    depths = {_depth(b) for b in blocks}
    if len(depths) != 1:
        raise ValueError(f"{user_line()}: block takes lists nested equally deep, none of them empty")
    return depths.pop() + 1


def _leaves(blocks: Any) -> list[Any]:
    return [leaf for b in blocks for leaf in _leaves(b)] if isinstance(blocks, list) else [blocks]


def _assembled(blocks: Any, ndim: int, axis: int) -> Array:
    if not isinstance(blocks, list):
        sizes = abstractify(blocks).shape
        return shaped(blocks, (1,) * (ndim - len(sizes)) + sizes)
    return _joined("block", [_assembled(b, ndim, axis + 1) for b in blocks], axis, None)


@operation
def append(arr: ArrayLike, values: ArrayLike, axis: int | None = None) -> Array:
    """An array with another joined to its end.

    Args:
        arr, values: arrays alike in all sizes but along the axis.
        axis: the axis; None joins them as vectors.

    Returns:
        The joined array.
    """
    return _joined("append", [arr, values], axis, None)


# ---- Splitting -----------------------------------------------------------------------------------


def _cut(name: str, ary: ArrayLike, indices_or_sections: Any, axis: int, uneven: bool) -> list[Array]:
    value, aval = lift(ary)
    place = axis_of(name, axis, len(aval.shape))
    size = aval.shape[place]
    try:
        count = operator.index(indices_or_sections)
    except TypeError:
        inner = [operator.index(i) for i in np.asarray(indices_or_sections).tolist()]
        bounds = [0, *(min(i + size if i < 0 else i, size) for i in inner), size]
    else:
        if count <= 0 or (size % count and not uneven):
            raise ValueError(
                f"{user_line()}: {name} cannot cut {size} elements into {count} equal parts; use array_split"
            )
        small, larger = divmod(size, count)
        bounds = [i * small + min(i, larger) for i in range(count + 1)]
    results: list[Array] = []
    for start, end in itertools.pairwise(bounds):
        starts, limits = [0] * len(aval.shape), list(aval.shape)
        starts[place], limits[place] = max(start, 0), max(end, max(start, 0))
        part = ops.slice_(value, starts, limits)
        results.append(wrap(part, AbstractValue(tuple(part.type.shape), aval.dtype, aval.weak_type)))
    return results


@operation
def split(ary: ArrayLike, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """An array cut along an axis.

    Args:
        ary: an array.
        indices_or_sections: the number of equal parts, or the positions to cut at.
        axis: the axis.

    Returns:
        The parts.

    Raises:
        ValueError: the parts would not be equal.
    """
    return _cut("split", ary, indices_or_sections, axis, False)


@operation
def array_split(ary: ArrayLike, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """An array cut along an axis; the first parts are larger by one where they cannot be equal."""
    return _cut("array_split", ary, indices_or_sections, axis, True)


@operation
def hsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """An array cut along the second axis; a vector along its only one."""
    return _cut("hsplit", ary, indices_or_sections, 0 if len(abstractify(ary).shape) == 1 else 1, False)


@operation
def vsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """An array cut along the first axis."""
    return _cut("vsplit", ary, indices_or_sections, 0, False)


@operation
def dsplit(ary: ArrayLike, indices_or_sections: Any) -> list[Array]:
    """An array cut along the third axis."""
    return _cut("dsplit", ary, indices_or_sections, 2, False)


def unstack(x: ArrayLike, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The arrays that lie along an axis.

    Args:
        x: an array of one dimension or more.
        axis: the axis.

    Returns:
        As many arrays as the axis has elements, without it.
    """
    aval = abstractify(x)
    place = axis_of("unstack", axis, len(aval.shape))
    if current() is not None:
        return _unstacked(x, place)
    from mycc.indexing import take
    from mycc.numpy.creation import asarray

    whole = asarray(x)
    # One small program that is run for each position, instead of one program of as many results.
    return tuple(take(whole, (slice(None),) * place + (i,)) for i in range(aval.shape[place]))


@operation
def _unstacked(x: ArrayLike, axis: int) -> tuple[Array, ...]:
    sizes = abstractify(x).shape
    rest = sizes[:axis] + sizes[axis + 1 :]
    return (
        tuple(shaped(part, rest) for part in _cut("unstack", x, max(sizes[axis], 1), axis, False))
        if sizes[axis]
        else ()
    )
