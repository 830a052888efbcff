"""Sorting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of, element_type, shape_of, tensor
from mycc.dtypes import kind_of
from mycc.lax.checks import axis_of, check_kind
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = ["comparator", "sort", "sort_key_val", "top_k"]

Value: TypeAlias = ir.Value


@operation
def sort(
    operand: ArrayLike | Sequence[ArrayLike], dimension: int = -1, is_stable: bool = True, num_keys: int = 1
) -> Any:
    """The array in rising order along a dimension; NaN comes last, and -0 and 0 are equal.

    Args:
        operand: an array, or several of one shape to be ordered together.
        dimension: to sort along.
        is_stable: whether equal elements keep their order.
        num_keys: how many of several arrays decide the order, the first one first.

    Returns:
        The array, or a tuple of them.

    Raises:
        ValueError: ``num_keys`` is not between 1 and the number of arrays.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> mycc.lax.sort(mnp.array([3, 1, 2]))
        Array([1, 2, 3], dtype=int32)
    """
    several = isinstance(operand, (tuple, list))
    arrays: Sequence[ArrayLike] = operand if several else (operand,)  # type: ignore[assignment]
    if not 1 <= num_keys <= len(arrays):
        raise ValueError(f"{user_line()}: sort got num_keys={num_keys} for {len(arrays)} arrays")
    avals = [abstractify(x) for x in arrays]
    if any(aval.shape != avals[0].shape for aval in avals):
        raise TypeError(
            f"{user_line()}: sort takes arrays of one shape, got {', '.join(str(a.shape) for a in avals)}"
        )
    d = axis_of("sort", dimension, len(avals[0].shape))
    values = ops.sort([lift(x)[0] for x in arrays], d, comparator(num_keys), is_stable)
    results = tuple(wrap(value, aval) for value, aval in zip(values, avals, strict=True))
    return results if several else results[0]


def comparator(num_keys: int) -> Any:
    """A lexicographic "less than" of the first operands of a sort."""

    def less(*scalars: Value) -> Value:
        result: Value | None = None
        for k in reversed(range(num_keys)):
            result = _less_or(scalars[2 * k], scalars[2 * k + 1], result)
        assert result is not None
        return result

    return less


def _less_or(x: Value, y: Value, rest: Value | None) -> Value:
    """``x < y``, or, where they are equal, what the remaining keys say."""
    kind = kind_of(dtype_of(x.type))
    if kind == "c":
        # By the real parts, then by the imaginary ones.
        return _less_or(ops.real(x), ops.real(y), _less_or(ops.imag(x), ops.imag(y), rest))
    total = kind == "f"
    if total:
        x, y = _canonical(x), _canonical(y)
    less = ops.compare("LT", x, y, total_order=total)
    if rest is None:
        return less
    return ops.or_(less, ops.and_(ops.compare("EQ", x, y, total_order=total), rest))


def _canonical(x: Value) -> Value:
    """One zero and one NaN: the total order tells signs and payloads apart."""
    zero = ops.full_like(x, 0)
    x = ops.select(ops.compare("EQ", x, zero), zero, x)
    return ops.select(ops.compare("NE", x, x), ops.full_like(x, np.nan), x)


@operation
def sort_key_val(
    keys: ArrayLike, values: ArrayLike, dimension: int = -1, is_stable: bool = True
) -> tuple[Array, Array]:
    """Keys in rising order along a dimension, and values moved with them."""
    found: tuple[Array, Array] = sort((keys, values), dimension, is_stable)
    return found


def _largest(value: Value, count: int) -> list[Value]:
    shape = (*shape_of(value)[:-1], count)
    types = [tensor(shape, ops.element_of(value)), tensor(shape, element_type("int32"))]
    return list(ir.Operation.create("chlo.top_k", types, [value], {"k": ops.i64(count)}).results)


@operation
def top_k(operand: ArrayLike, k: int, *, axis: int = -1) -> tuple[Array, Array]:
    """The k largest elements along a dimension in falling order, and their int32 indices.

    Raises:
        ValueError: there are fewer than k elements.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> mycc.lax.top_k(mnp.array([3, 1, 2]), 2)
        (Array([3, 2], dtype=int32), Array([0, 2], dtype=int32))
    """
    value, aval = lift(operand)
    check_kind("top_k", aval.dtype, "fiub")
    ndim = len(aval.shape)
    d = axis_of("top_k", axis, ndim)
    if not 0 <= k <= aval.shape[d]:
        raise ValueError(f"{user_line()}: top_k with k={k} of dimension {d} of shape {aval.shape}")
    shape = (*aval.shape[:d], int(k), *aval.shape[d + 1 :])
    order = [*(i for i in range(ndim) if i != d), d]
    back = [order.index(i) for i in range(ndim)]
    largest, at = _largest(ops.transpose(value, order), int(k))
    return (
        wrap(ops.transpose(largest, back), AbstractValue(shape, aval.dtype, aval.weak_type)),
        wrap(ops.transpose(at, back), AbstractValue(shape, np.dtype(np.int32))),
    )
