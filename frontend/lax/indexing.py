"""Gather and scatter: windows of an array at run-time index vectors."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import shape_of
from mycc.differentiation import in_trace
from mycc.dtypes import kind_of
from mycc.emit import convert, full
from mycc.emit import operand as operand_of
from mycc.function import building, name_of
from mycc.lax.checks import check_kind, common_dtype
from mycc.lax.regions import region_body
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame
from mycc.types import ArrayLike, abstractify

__all__ = [
    "GatherDimensionNumbers", "GatherScatterMode", "ScatterDimensionNumbers", "gather", "scatter",
    "scatter_add", "scatter_apply", "scatter_max", "scatter_min", "scatter_mul", "scatter_sub",
]  # fmt: skip

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]


class GatherScatterMode(enum.Enum):
    """What becomes of windows that leave the array.

    ``CLIP`` moves them inside; ``FILL_OR_DROP`` gathers a fill value and drops updates;
    ``PROMISE_IN_BOUNDS`` says that there are none, and checks nothing.
    """

    CLIP = "clip"
    FILL_OR_DROP = "fill"
    PROMISE_IN_BOUNDS = "promise_in_bounds"

    @staticmethod
    def from_any(mode: Any) -> GatherScatterMode:
        """The mode that a string or None names.

        Raises:
            ValueError: no such mode.
        """
        if isinstance(mode, GatherScatterMode):
            return mode
        if mode is None or mode in ("fill", "drop"):
            return GatherScatterMode.FILL_OR_DROP
        if mode in ("clip", "promise_in_bounds"):
            return GatherScatterMode(mode)
        raise ValueError(
            f'{user_line()}: no mode {mode!r}; there are "clip", "fill", "drop", "promise_in_bounds"'
        )


@dataclass(frozen=True)
class GatherDimensionNumbers:
    """Which dimensions of a `gather` correspond.

    Args:
        offset_dims: dimensions of the result that run inside a window.
        collapsed_slice_dims: dimensions of the operand, of window size 1, that the result lacks.
        start_index_map: the dimension of the operand that each component of an index vector counts along.
        operand_batching_dims: dimensions of the operand that go along with ``start_indices_batching_dims``.
        start_indices_batching_dims: dimensions of the indices.
    """

    offset_dims: Dims
    collapsed_slice_dims: Dims
    start_index_map: Dims
    operand_batching_dims: Dims = ()
    start_indices_batching_dims: Dims = ()


@dataclass(frozen=True)
class ScatterDimensionNumbers:
    """Which dimensions of a scatter correspond.

    Args:
        update_window_dims: dimensions of the updates that run inside a window.
        inserted_window_dims: dimensions of the operand, of window size 1, that the updates lack.
        scatter_dims_to_operand_dims: the dimension of the operand that each component of an index vector
        counts
            along.
        operand_batching_dims: dimensions of the operand that go along with ``scatter_indices_batching_dims``.
        scatter_indices_batching_dims: dimensions of the indices.
    """

    update_window_dims: Sequence[int]
    inserted_window_dims: Sequence[int]
    scatter_dims_to_operand_dims: Sequence[int]
    operand_batching_dims: Sequence[int] = ()
    scatter_indices_batching_dims: Sequence[int] = ()


def _indices(name: str, indices: ArrayLike) -> tuple[Value, tuple[int, ...], bool]:
    value, aval = lift(indices)
    check_kind(name, aval.dtype, "iu")
    if not aval.shape:
        raise TypeError(f"{user_line()}: {name} takes index vectors along the last dimension of its indices")
    # Narrow index types cannot hold the sizes that they are compared with.
    target = np.dtype(np.int64 if aval.dtype.itemsize == 8 or aval.dtype.name == "uint32" else np.int32)
    return convert(value, aval.dtype, target), aval.shape, kind_of(aval.dtype) == "u"


def _limits(value: Value, limits: Sequence[int]) -> tuple[Value, Value]:
    """The smallest and the largest valid index vector, spread over the shape of the indices."""
    dtype = np.int64 if ops.element_of(value).width == 64 else np.int32
    shape = shape_of(value)
    high = ops.constant(np.asarray(limits, dtype))
    return ops.full_like(value, 0), ops.broadcast_in_dim(high, shape, [len(shape) - 1])


@operation
def gather(
    operand: ArrayLike,
    start_indices: ArrayLike,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: str | GatherScatterMode | None = None,
    fill_value: Any = None,
) -> Array:
    """Windows of an array at run-time index vectors.

    Args:
        operand: an array.
        start_indices: integers, the index vectors along the last dimension.
        dimension_numbers: how dimensions correspond.
        slice_sizes: the shape of a window in the operand.
        unique_indices: a promise that no window is taken twice.
        indices_are_sorted: a promise that the vectors rise.
        mode: see `GatherScatterMode`; default ``"fill"``.
        fill_value: for windows that leave the array; default NaN, or the lowest (unsigned: highest) integer.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> rows = mycc.lax.GatherDimensionNumbers(
        ...     offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,)
        ... )
        >>> table = mnp.array([[0.0, 1.0], [2.0, 3.0]])
        >>> mycc.lax.gather(table, mnp.array([[1], [5]]), rows, (1, 2))
        Array([[ 2.,  3.],
               [nan, nan]], dtype=float32)
    """
    value, aval = lift(operand)
    indices, shape, _ = _indices("gather", start_indices)
    chosen = GatherScatterMode.from_any(mode)
    numbers = dimension_numbers
    sizes = tuple(int(n) for n in slice_sizes)
    _check_window("gather", sizes, aval.shape)
    attribute = hlo.GatherDimensionNumbers.get(
        list(numbers.offset_dims),
        list(numbers.collapsed_slice_dims),
        list(numbers.operand_batching_dims),
        list(numbers.start_indices_batching_dims),
        list(numbers.start_index_map),
        len(shape) - 1,
        context=context,
    )
    found = ops.gather(value, indices, attribute, sizes, indices_are_sorted)
    result = AbstractValue(shape_of(found), aval.dtype, aval.weak_type)
    if chosen is not GatherScatterMode.FILL_OR_DROP:
        return wrap(found, result)
    low, high = _limits(indices, [aval.shape[d] - sizes[d] for d in numbers.start_index_map])
    inside = ops.and_(ops.compare("GE", indices, low), ops.compare("LE", indices, high))
    every = ops.reduce(inside, full((), np.dtype(bool), True), [len(shape) - 1], ops.and_)
    batch = [d for d in range(len(result.shape)) if d not in numbers.offset_dims]
    every = ops.broadcast_in_dim(every, result.shape, batch)
    filler = full(result.shape, aval.dtype, _fill(aval.dtype) if fill_value is None else fill_value)
    return wrap(ops.select(every, found, filler), result)


def _fill(dtype: np.dtype[Any]) -> Any:
    kind = kind_of(dtype)
    if kind in "fc":
        return np.nan
    if kind == "b":
        return True
    return np.iinfo(dtype).max if kind == "u" else np.iinfo(dtype).min


def _check_window(name: str, sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if len(sizes) != len(shape) or any(not 0 <= size <= n for size, n in zip(sizes, shape, strict=True)):
        raise TypeError(f"{user_line()}: {name} with windows of size {sizes} of an array of shape {shape}")


def _scatter(
    name: str,
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    updates: ArrayLike,
    numbers: ScatterDimensionNumbers,
    body: Callable[[Value, Value], Value],
    indices_are_sorted: bool,
    unique_indices: bool,
    mode: str | GatherScatterMode | None,
) -> Array:
    whole, part = abstractify(operand), abstractify(updates)
    dtype, weak = common_dtype(name, (whole, part))
    indices, shape, _ = _indices(name, scatter_indices)
    value, update = (
        operand_of(operand, whole, whole.shape, dtype),
        operand_of(updates, part, part.shape, dtype),
    )
    if GatherScatterMode.from_any(mode) is GatherScatterMode.CLIP:
        absent = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
        window = iter(numbers.update_window_dims)
        sizes = [1 if d in absent else part.shape[next(window)] for d in range(len(whole.shape))]
        low, high = _limits(
            indices, [whole.shape[d] - sizes[d] for d in numbers.scatter_dims_to_operand_dims]
        )
        indices = ops.clamp(low, indices, high)
    attribute = hlo.ScatterDimensionNumbers.get(
        list(numbers.update_window_dims),
        list(numbers.inserted_window_dims),
        list(numbers.operand_batching_dims),
        list(numbers.scatter_indices_batching_dims),
        list(numbers.scatter_dims_to_operand_dims),
        len(shape) - 1,
        context=context,
    )
    found = ops.scatter(value, indices, update, attribute, body, indices_are_sorted, unique_indices)
    return wrap(found, AbstractValue(whole.shape, dtype, weak))


@operation
def scatter(
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    updates: ArrayLike,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: str | GatherScatterMode | None = None,
) -> Array:
    """The array with windows at run-time index vectors replaced.

    Args:
        operand: an array.
        scatter_indices: integers, the index vectors along the last dimension.
        updates: the windows' new elements, of the operand's dtype.
        dimension_numbers: how dimensions correspond.
        indices_are_sorted: a promise that the vectors rise.
        unique_indices: a promise that windows do not overlap; otherwise any of those that do may win.
        mode: see `GatherScatterMode`; default ``"drop"``.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> rows = mycc.lax.ScatterDimensionNumbers(
        ...     update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,)
        ... )
        >>> mycc.lax.scatter(mnp.zeros((2, 2)), mnp.array([[1]]), mnp.ones((1, 2)), rows)
        Array([[0., 0.],
               [1., 1.]], dtype=float32)
    """
    flags = (indices_are_sorted, unique_indices, mode)
    return _scatter(
        "scatter", operand, scatter_indices, updates, dimension_numbers, lambda old, new: new, *flags
    )


def _combining(name: str, build: Callable[[Value, Value], Value], what: str) -> Callable[..., Array]:
    def combine(
        operand: ArrayLike,
        scatter_indices: ArrayLike,
        updates: ArrayLike,
        dimension_numbers: ScatterDimensionNumbers,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | GatherScatterMode | None = None,
    ) -> Array:
        flags = (indices_are_sorted, unique_indices, mode)
        return _scatter(name, operand, scatter_indices, updates, dimension_numbers, build, *flags)

    combine.__name__ = combine.__qualname__ = name
    combine.__doc__ = f"The array with {what} windows at run-time index vectors; arguments as of `scatter`."
    return operation(combine)


scatter_add = _combining("scatter_add", ops.add, "updates added to")
scatter_sub = _combining("scatter_sub", ops.sub, "updates subtracted from")
scatter_mul = _combining("scatter_mul", ops.mul, "updates multiplied into")
scatter_min = _combining("scatter_min", ops.min_, "the minimum of updates and old elements in")
scatter_max = _combining("scatter_max", ops.max_, "the maximum of updates and old elements in")


def scatter_apply(
    operand: ArrayLike,
    scatter_indices: ArrayLike,
    func: Callable[[Array], Array],
    dimension_numbers: ScatterDimensionNumbers,
    *,
    update_shape: Sequence[int] = (),
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: str | GatherScatterMode | None = None,
) -> Array:
    """The array with a function of one scalar applied to windows at run-time index vectors.

    Args:
        operand: an array.
        scatter_indices: integers, the index vectors along the last dimension.
        func: from a scalar to a scalar of the same dtype; it uses no traced value from outside.
        dimension_numbers: how dimensions correspond.
        update_shape: the shape that updates would have.
        indices_are_sorted: a promise that the vectors rise.
        unique_indices: a promise that windows do not overlap.
        mode: see `GatherScatterMode`; default ``"drop"``.
    """

    def inside(frame: Frame) -> Any:
        aval = abstractify(operand)
        scalar = AbstractValue((), aval.dtype, aval.weak_type)
        trace = region_body(
            "scatter_apply", lambda x: func(x[0]), [scalar, scalar], [scalar], pytrees.leaf_structure
        )
        shape = tuple(int(n) for n in update_shape)
        flags = (indices_are_sorted, unique_indices, mode)
        with building(frame):
            updates = wrap(full(shape, aval.dtype, 0), AbstractValue(shape, aval.dtype, aval.weak_type))
            return _scatter(
                "scatter_apply", operand, scatter_indices, updates, dimension_numbers,
                lambda old, new: trace(old, new)[0], *flags,
            )  # fmt: skip

    found: Array = in_trace(f"scatter_{name_of(func)}", inside)
    return found
