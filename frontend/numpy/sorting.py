"""Sorting, and what follows from order: quantiles, partitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of, element_type, tensor
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import axis_of, is_complex, is_float, smallest_index_dtype
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = ["argpartition", "argsort", "lexsort", "partition", "sort", "sort_complex"]

Value: TypeAlias = ir.Value


def before(x: Value, y: Value, descending: bool = False) -> Value:
    """Whether x comes before y: NaN after all numbers, complex numbers by real, then by imaginary part."""
    direction = "GT" if descending else "LT"
    dtype = dtype_of(x.type)
    if is_complex(dtype):
        first, second = ops.real(x), ops.real(y)
        same = ops.not_(ops.or_(before(first, second, descending), before(second, first, descending)))
        return ops.select(
            same, before(ops.imag(x), ops.imag(y), descending), before(first, second, descending)
        )
    smaller = ops.compare(direction, x, y)
    if not is_float(dtype):
        return smaller
    late, early = (x, y) if descending else (y, x)
    return ops.or_(smaller, ops.and_(ops.compare("NE", late, late), ops.compare("EQ", early, early)))


def sorted_values(
    values: Sequence[Value], axis: int, keys: int = 1, stable: bool = True, descending: bool = False
) -> list[Value]:
    """Values ordered together by the first of them, ties by the next ones, up to ``keys``."""

    def comparator(*pairs: Value) -> Value:
        result = before(pairs[2 * keys - 2], pairs[2 * keys - 1], descending)
        for k in reversed(range(keys - 1)):
            x, y = pairs[2 * k], pairs[2 * k + 1]
            less, more = before(x, y, descending), before(y, x, descending)
            result = ops.or_(less, ops.and_(ops.not_(more), result))
        return result

    return ops.sort(values, axis, comparator, stable)


def _flat(a: ArrayLike, axis: int | None, name: str) -> tuple[Value, AbstractValue, int]:
    value, aval = lift(a)
    if axis is None:
        value, aval, axis = (
            ops.reshape(value, (aval.size,)),
            AbstractValue((aval.size,), aval.dtype, aval.weak_type),
            0,
        )
    return value, aval, axis_of(name, axis, len(aval.shape))


@operation
def sort(
    a: ArrayLike,
    axis: int | None = -1,
    *,
    kind: None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Array:
    """The elements in ascending order; NaN comes last.

    Args:
        a: an array.
        axis: along which; None sorts the array as a vector.
        kind, order: must be None.
        stable: whether equal elements keep their order.
        descending: whether the greatest come first, NaN before them.

    Returns:
        An array of a's shape.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.sort(mnp.array([3, 1, 2]))
        Array([1, 2, 3], dtype=int32)
    """
    _no_kind("sort", kind, order)
    value, aval, place = _flat(a, axis, "sort")
    return wrap(sorted_values([value], place, stable=stable, descending=descending)[0], aval)


def _no_kind(name: str, kind: Any, order: Any) -> None:
    if kind is not None or order is not None:
        raise ValueError(f"{user_line()}: {name} takes no kind= and order=; it is stable unless stable=False")


@operation
def argsort(
    a: ArrayLike,
    axis: int | None = -1,
    *,
    kind: None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Array:
    """The positions that sort an array; arguments as of `sort`.

    Returns:
        An integer array of a's shape.
    """
    _no_kind("argsort", kind, order)
    value, aval, place = _flat(a, axis, "argsort")
    dtype = smallest_index_dtype(aval.shape[place])
    positions = ops.iota(tensor(aval.shape, element_type(dtype)), place)
    result = sorted_values([value, positions], place, stable=stable, descending=descending)[1]
    return wrap(result, AbstractValue(aval.shape, dtype))


@operation
def lexsort(keys: Sequence[ArrayLike] | ArrayLike, axis: int = -1) -> Array:
    """The positions that sort by several keys, of which the last one counts first.

    Args:
        keys: arrays of one shape, or an array whose rows they are.
        axis: along which.

    Returns:
        An integer array of a key's shape.
    """
    from mycc.numpy.joining import unstack

    parts = list(keys) if isinstance(keys, (list, tuple)) else list(unstack(keys))  # type: ignore[arg-type]
    if not parts:
        raise ValueError(f"{user_line()}: lexsort got no keys")
    lifted = [lift(k) for k in reversed(parts)]
    shape = lifted[0][1].shape
    if any(aval.shape != shape for _, aval in lifted):
        raise ValueError(
            f"{user_line()}: lexsort takes keys of one shape, got {[aval.shape for _, aval in lifted]}"
        )
    if not shape:
        dtype = smallest_index_dtype(1)
        return wrap(ops.full(tensor((), element_type(dtype)), 0), AbstractValue((), dtype))
    place = axis_of("lexsort", axis, len(shape))
    dtype = smallest_index_dtype(shape[place])
    positions = ops.iota(tensor(shape, element_type(dtype)), place)
    result = sorted_values([*(value for value, _ in lifted), positions], place, keys=len(lifted))[-1]
    return wrap(result, AbstractValue(shape, dtype))


@operation
def partition(a: ArrayLike, kth: Any, axis: int = -1) -> Array:
    """An array whose kth elements are where sorting puts them; it is sorted as a whole."""
    _check_kth("partition", a, kth, axis)
    return sort(a, axis)


@operation
def argpartition(a: ArrayLike, kth: Any, axis: int = -1) -> Array:
    """Positions that put the kth elements where sorting puts them; those of a full sort."""
    _check_kth("argpartition", a, kth, axis)
    return argsort(a, axis)


def _check_kth(name: str, a: ArrayLike, kth: Any, axis: int) -> None:
    shape = abstractify(a).shape
    size = shape[axis_of(name, axis, len(shape))]
    for k in kth if isinstance(kth, (list, tuple)) else [kth]:
        if not -size <= k < size:
            raise ValueError(f"{user_line()}: {name} got kth={k} for an axis of size {size}")


@operation
def sort_complex(a: ArrayLike) -> Array:
    """The elements in ascending order, as complex numbers."""
    from mycc.numpy.creation import astype

    dtype = abstractify(a).dtype
    return astype(
        sort(a), dtype if is_complex(dtype) else "complex128" if dtype.name == "float64" else "complex64"
    )
