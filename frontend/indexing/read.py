"""Reading: slices where positions are known, windows at run-time positions, gathers by arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import dtype_of, element_type, tensor
from mycc.emit import broadcast, convert
from mycc.indexing.plan import INT32, INT64, Dim, Fixed, Gathered, New, Plan, Scalar, Window, parse
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import current
from mycc.types import ArrayLike, abstractify

__all__ = ["take"]

Value: TypeAlias = ir.Value
MODES = (None, "promise_in_bounds", "clip", "fill", "drop")


def take(x: ArrayLike, index: Any) -> Array:
    """``x[index]`` in all of NumPy's forms.

    Positions in arrays that are only known at run time and lie outside are moved to the nearest inside.

    Args:
        x: an array.
        index: integers, slices, None, ``...``, arrays of integers, masks, or a tuple of these.

    Returns:
        An array of x's dtype.

    Raises:
        IndexError: a position that is known lies outside, or there are too many.
        ConcretizationError: a traced mask, or a slice with traced bounds.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.arange(6).reshape(2, 3)[:, -1]
        Array([2, 5], dtype=int32)
    """
    return read(x, index, None, None, True)


def read(
    x: ArrayLike, index: Any, mode: str | None, fill_value: Any, wrap_negative: bool, sorted_: bool = False
) -> Array:
    """``x[index]``, with what to do about positions outside."""
    check_mode(mode)
    request = parse(x, abstractify(x).shape, index, dynamic=current() is None)
    return _read(x, request.plan, mode, fill_value, wrap_negative, sorted_, *request.operands)


def check_mode(mode: Any) -> None:
    """Check the name of a mode.

    Raises:
        ValueError: there is none of that name.
    """
    if mode not in MODES:
        raise ValueError(
            f"{user_line()}: indexing got mode={mode!r}; it takes {', '.join(map(repr, MODES[1:]))}"
        )


@operation
def _read(
    x: ArrayLike,
    plan: Plan,
    mode: str | None,
    fill_value: Any,
    wrap_negative: bool,
    sorted_: bool,
    *operands: ArrayLike,
) -> Array:
    value, aval = lift(x)
    value = ops.reshape(value, plan.extended)
    filling = mode in ("fill", "drop")
    parts = Parts(plan, operands, gather_scalars=filling, wrap_negative=wrap_negative)
    window = parts.window(value)
    if not parts.arrays:
        result = ops.reshape(window, parts.shape())
        return wrap(result, AbstractValue(tuple(result.type.shape), aval.dtype, aval.weak_type))
    kept = ops.reshape(window, parts.kept)
    result = _gathered(kept, parts, mode, fill_value, sorted_)
    result = ops.reshape(result, parts.shape())
    return wrap(result, AbstractValue(tuple(result.type.shape), aval.dtype, aval.weak_type))


class Parts:
    """A plan together with the values of its operands.

    ``starts``, ``sizes``, ``steps`` and ``backwards`` describe the window of the array, one entry for each
    of its dimensions; ``kept`` are the sizes of the window's dimensions that stay, and ``arrays`` the index
    arrays of those of them that have one.
    """

    def __init__(
        self, plan: Plan, operands: Sequence[ArrayLike], gather_scalars: bool, wrap_negative: bool
    ) -> None:
        self.plan = plan
        self.starts: list[int | Value] = []
        self.unchecked: list[tuple[Value, int]] = []
        """Run-time starts that may lie outside, and the sizes of their dimensions."""
        self.sizes: list[int] = []
        self.steps: list[int] = []
        self.backwards: list[int] = []
        self.dropped: list[int] = []
        self.arrays: dict[int, tuple[Value, AbstractValue, bool]] = {}
        rest = iter(operands)
        extents = iter(plan.extended)
        gather_scalars = gather_scalars and (plan.has_arrays or plan.has_scalars)
        for dim in plan.dims:
            if not isinstance(dim, New):
                self._add(dim, next(extents), rest, gather_scalars, wrap_negative)
        self.kept = [n for d, n in enumerate(self.sizes) if d not in self.dropped]
        self.gathered_dims = [i for i, d in enumerate(self._kept_dims()) if d in self.arrays]

    def _kept_dims(self) -> list[int]:
        return [d for d in range(len(self.sizes)) if d not in self.dropped]

    def _add(self, dim: Dim, extent: int, operands: Any, gather_scalars: bool, wrap_negative: bool) -> None:
        place = len(self.sizes)
        start: int | Value = 0
        size, step = extent, 1
        if isinstance(dim, Window):
            start = dim.start if dim.start is not None else lift(next(operands))[0]
            size, step = dim.size, dim.step
            if dim.backwards:
                self.backwards.append(place)
        elif isinstance(dim, Fixed):
            start, size = dim.position, 1
            self.dropped.append(place)
        elif isinstance(dim, Scalar):
            value, aval = position(next(operands), extent, wrap_negative and not dim.checked)
            if gather_scalars:
                self.arrays[place] = (value, aval, dim.checked)
            else:
                start, size = value, 1
                self.dropped.append(place)
                if not dim.checked:
                    self.unchecked.append((value, extent))
        elif isinstance(dim, Gathered):
            value, aval = position(next(operands), extent, wrap_negative and not dim.checked)
            self.arrays[place] = (value, aval, dim.checked)
        self.starts.append(start)
        self.sizes.append(size)
        self.steps.append(step)

    def window(self, value: Value) -> Value:
        """The window of an array, all of its dimensions kept."""
        return (
            ops.reverse(self.forward_window(value), self.backwards)
            if self.backwards
            else self.forward_window(value)
        )

    def forward_window(self, value: Value) -> Value:
        """The window of an array, in the order in which it lies there."""
        spans = [0 if n == 0 else (n - 1) * s + 1 for n, s in zip(self.sizes, self.steps, strict=True)]
        steps: list[int] | None = self.steps
        if not all(isinstance(s, int) for s in self.starts):
            value = ops.dynamic_slice(value, self.start_values(), spans)
            starts = [0] * len(spans)
        else:
            starts = [int(s) for s in self.starts]
        limits = [s + n for s, n in zip(starts, spans, strict=True)]
        return ops.slice_(value, starts, limits, steps)

    def start_values(self) -> list[Value]:
        """The window's starts as scalars of one integer type."""
        values = [s for s in self.starts if not isinstance(s, int)]
        wide = any(dtype_of(v.type) == INT64 for v in values)
        element = element_type(INT64 if wide else INT32)
        return [
            ops.full(tensor((), element), s) if isinstance(s, int) else ops.convert(s, element)
            for s in self.starts
        ]

    def batch_shape(self) -> tuple[int, ...]:
        """The common shape of the index arrays."""
        shapes = [aval.shape for _, aval, _ in self.arrays.values()]
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise IndexError(
                f"{user_line()}: index arrays of shapes {', '.join(map(str, shapes))} do not broadcast "
                "together"
            ) from None

    def place(self) -> int:
        """Before which of the dimensions that are no index array's, those of the index arrays go."""
        if self.plan.front:
            return 0
        return self.gathered_dims[0]

    def gathered_shape(self) -> tuple[int, ...]:
        """The shape of the window with the index arrays' dimensions in place, without new dimensions."""
        rest = [n for i, n in enumerate(self.kept) if i not in self.gathered_dims]
        if not self.arrays:
            return tuple(rest)
        place = self.place()
        return (*rest[:place], *self.batch_shape(), *rest[place:])

    def shape(self) -> tuple[int, ...]:
        """The shape of the indexed array."""
        batch = self.batch_shape() if self.arrays else ()
        shape: list[int] = list(batch) if self.arrays and self.plan.front else []
        placed = not self.arrays or self.plan.front
        d = 0
        for dim in self.plan.dims:
            if isinstance(dim, New):
                shape.append(1)
                continue
            if d in self.arrays:
                if not placed:
                    shape += batch
                    placed = True
            elif d not in self.dropped:
                shape.append(self.sizes[d])
            elif not placed and not self._arrays_before(d):
                # A dropped position stands among the index arrays: their dimensions begin at the first of
                # them.
                shape += batch
                placed = True
            d += 1
        return tuple(shape)

    def _arrays_before(self, d: int) -> bool:
        return any(place < d for place in self.arrays)


def position(x: ArrayLike, extent: int, wrap_negative: bool) -> tuple[Value, AbstractValue]:
    """Positions as int32 or int64 values, negative ones counted from the end."""
    value, aval = lift(x)
    wide = aval.dtype in (INT64, np.dtype(np.uint64), np.dtype(np.uint32))
    dtype = INT64 if wide else INT32
    value = convert(value, aval.dtype, dtype)
    if wrap_negative and aval.dtype.kind == "i":
        negative = ops.compare("LT", value, ops.full_like(value, 0))
        value = ops.select(negative, ops.add(value, ops.full_like(value, extent)), value)
    return value, AbstractValue(aval.shape, dtype)


def index_vectors(parts: Parts, clip: bool) -> Value:
    """The index arrays side by side: their common shape, and a last dimension for the entries."""
    shape = parts.batch_shape()
    wide = any(aval.dtype == INT64 for _, aval, _ in parts.arrays.values())
    dtype = INT64 if wide else INT32
    columns = []
    for place, (value, aval, checked) in parts.arrays.items():
        value = convert(value, aval.dtype, dtype)
        if clip and not checked:
            scalar = tensor((), element_type(dtype))
            value = ops.clamp(ops.full(scalar, 0), value, ops.full(scalar, parts.sizes[place] - 1))
        value = broadcast(value, aval.shape, shape)
        columns.append(ops.reshape(value, (*shape, 1)))
    return ops.concatenate(columns, len(shape))


def inside(parts: Parts, vectors: Value) -> Value:
    """Where all entries of the index vectors lie inside the array."""
    ndim = len(vectors.type.shape)
    limits = np.asarray([parts.sizes[place] - 1 for place in parts.arrays], dtype_of(vectors.type))
    upper = ops.broadcast_in_dim(ops.constant(limits), vectors.type.shape, (ndim - 1,))
    ok = ops.and_(ops.compare("GE", vectors, ops.full_like(vectors, 0)), ops.compare("LE", vectors, upper))
    return ops.reduce(ok, ops.full(tensor((), ops.BOOL), True), (ndim - 1,), ops.and_)


def fill_number(dtype: np.dtype[Any]) -> Any:
    """What stands for elements outside: NaN, or the least or greatest integer, as in JAX."""
    from mycc.numpy.support import highest, is_inexact, kind_of, lowest

    if is_inexact(dtype):
        return math.nan
    return lowest(dtype) if kind_of(dtype) == "i" else highest(dtype)


def _gathered(value: Value, parts: Parts, mode: str | None, fill_value: Any, sorted_: bool) -> Value:
    shape = parts.gathered_shape()
    batch = parts.batch_shape()
    dtype = dtype_of(value.type)
    if math.prod(shape) == 0:
        return ops.full(tensor(shape, element_type(dtype)), 0)
    gathered = parts.gathered_dims
    empty = [d for d in gathered if parts.kept[d] == 0]
    if empty:
        raise IndexError(f"{user_line()}: an array of shape {parts.plan.extended} has no elements to index")
    place = parts.place()
    offsets = [d for d in range(len(shape)) if not place <= d < place + len(batch)]
    sizes = [1 if d in gathered else n for d, n in enumerate(parts.kept)]
    vectors = index_vectors(parts, clip=mode == "clip")
    numbers = hlo.GatherDimensionNumbers.get(
        offset_dims=offsets,
        collapsed_slice_dims=gathered,
        operand_batching_dims=[],
        start_indices_batching_dims=[],
        start_index_map=gathered,
        index_vector_dim=len(batch),
        context=context,
    )
    result = ops.gather(value, vectors, numbers, sizes, sorted_, tensor(shape, element_type(dtype)))
    if mode in ("fill", "drop") and not all(checked for _, _, checked in parts.arrays.values()):
        number = fill_number(dtype) if fill_value is None else fill_value
        mask = ops.broadcast_in_dim(inside(parts, vectors), shape, range(place, place + len(batch)))
        result = ops.select(mask, result, ops.full_like(result, number))
    return result
