"""Reductions over dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, shape_of, tensor
from mycc.differentiation import in_trace
from mycc.dtypes import as_dtype, highest, kind_of, lowest
from mycc.emit import full
from mycc.emit import operand as operand_of
from mycc.function import building, name_of
from mycc.lax.checks import axes_of, axis_of, check_kind
from mycc.lax.regions import region_body
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "argmax", "argmin", "reduce", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod",
    "reduce_sum", "reduce_xor",
]  # fmt: skip

Value: TypeAlias = ir.Value


def _fold(
    name: str, x: ArrayLike, axes: Sequence[int], kinds: str, initial: Callable[[np.dtype[Any]], Any],
    body: Callable[[Value, Value], Value],
) -> Array:  # fmt: skip
    value, aval = lift(x)
    check_kind(name, aval.dtype, kinds)
    dims = axes_of(name, tuple(axes), len(aval.shape))
    shape = tuple(n for d, n in enumerate(aval.shape) if d not in dims)
    if dims:
        value = ops.reduce(value, full((), aval.dtype, initial(aval.dtype)), dims, body)
    return wrap(value, AbstractValue(shape, aval.dtype, aval.weak_type))


@operation
def reduce_sum(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The sum over the given dimensions."""
    return _fold("reduce_sum", operand, axes, "fciu", lambda _: 0, ops.add)


@operation
def reduce_prod(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The product over the given dimensions."""
    return _fold("reduce_prod", operand, axes, "fciu", lambda _: 1, ops.mul)


@operation
def reduce_max(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The maximum over the given dimensions; NaN if there is one, -inf or the lowest integer of nothing."""
    return _fold("reduce_max", operand, axes, "fiub", lowest, ops.max_)


@operation
def reduce_min(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The minimum over the given dimensions; NaN if there is one, inf or the highest integer of nothing."""
    return _fold("reduce_min", operand, axes, "fiub", highest, ops.min_)


@operation
def reduce_and(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The bitwise (for bools logical) and over the given dimensions."""
    return _fold(
        "reduce_and", operand, axes, "biu", lambda d: True if kind_of(d) == "b" else _ones(d), ops.and_
    )


@operation
def reduce_or(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The bitwise (for bools logical) or over the given dimensions."""
    return _fold("reduce_or", operand, axes, "biu", lambda _: 0, ops.or_)


@operation
def reduce_xor(operand: ArrayLike, axes: Sequence[int]) -> Array:
    """The bitwise (for bools logical) exclusive or over the given dimensions."""
    return _fold("reduce_xor", operand, axes, "biu", lambda _: 0, ops.xor)


def _ones(dtype: np.dtype[Any]) -> Any:
    return highest(dtype) if kind_of(dtype) == "u" else -1


@operation
def argmax(operand: ArrayLike, axis: int, index_dtype: DTypeLike = np.int32) -> Array:
    """The index of the largest element along a dimension: of NaN if there is one, else the first."""
    return _arg("argmax", "GT", operand, axis, index_dtype)


@operation
def argmin(operand: ArrayLike, axis: int, index_dtype: DTypeLike = np.int32) -> Array:
    """The index of the smallest element along a dimension: of NaN if there is one, else the first."""
    return _arg("argmin", "LT", operand, axis, index_dtype)


def _arg(name: str, direction: str, operand: ArrayLike, axis: int, index_dtype: DTypeLike) -> Array:
    value, aval = lift(operand)
    check_kind(name, aval.dtype, "fiub")
    dtype = as_dtype(index_dtype)
    check_kind(f"{name}'s index_dtype", dtype, "iu")
    d = axis_of(name, axis, len(aval.shape))
    if aval.shape[d] == 0:
        raise ValueError(f"{user_line()}: {name} along dimension {d} of size 0 (shape {aval.shape})")
    index = ops.iota(tensor(aval.shape, element_type(dtype)), d)
    start = lowest(aval.dtype) if direction == "GT" else highest(aval.dtype)
    initials = [full((), aval.dtype, start), full((), dtype, 0)]
    is_float = kind_of(aval.dtype) == "f"

    def body(x: Value, i: Value, y: Value, j: Value) -> tuple[Value, Value]:
        better = ops.compare(direction, x, y)
        if is_float:
            better = ops.or_(better, ops.compare("NE", x, x))
        first = ops.and_(ops.compare("EQ", x, y), ops.compare("LT", i, j))
        return ops.select(better, x, y), ops.select(ops.or_(better, first), i, j)

    found = ops.reduce_many([value, index], initials, [d], body)[1]
    return wrap(found, AbstractValue(shape_of(found), dtype))


def reduce(
    operands: Any, init_values: Any, computation: Callable[..., Any], dimensions: Sequence[int]
) -> Any:
    """Fold arrays over dimensions by a function of scalars.

    Args:
        operands: a pytree of arrays of one shape.
        init_values: the same pytree of scalars to start from; neutral in ``computation``.
        computation: two pytrees of scalars to one; associative. It uses no traced value from outside.
        dimensions: to fold over.

    Returns:
        The pytree of results.

    Raises:
        TypeError: the shapes of the operands differ, or ``computation`` returns something else.
        ValueError: the structures differ.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> mycc.lax.reduce(mnp.array([1, 2, 3]), 0, mycc.lax.bitwise_or, (0,))
        Array(3, dtype=int32)
    """

    def inside(frame: Frame) -> Any:
        with building(frame):
            return _reduce(operands, init_values, computation, dimensions)

    return in_trace(f"reduce_{name_of(computation)}", inside)


def _reduce(
    operands: Any, init_values: Any, computation: Callable[..., Any], dimensions: Sequence[int]
) -> Any:
    leaves, tree = pytrees.flatten(operands)
    initial_leaves, initial_tree = pytrees.flatten(init_values)
    if tree != initial_tree:
        raise ValueError(
            f"{user_line()}: reduce got init_values of structure {initial_tree} for operands of {tree}"
        )
    avals = [abstractify(leaf) for leaf in leaves]
    if not avals or any(aval.shape != avals[0].shape for aval in avals):
        raise TypeError(
            f"{user_line()}: reduce takes arrays of one shape, got {[aval.shape for aval in avals]}"
        )
    dims = axes_of("reduce", tuple(dimensions), len(avals[0].shape))
    values = [operand_of(x, aval, aval.shape, aval.dtype) for x, aval in zip(leaves, avals, strict=True)]
    if not dims:
        return tree.unflatten([wrap(value, aval) for value, aval in zip(values, avals, strict=True)])
    initials = [
        operand_of(x, abstractify(x), (), aval.dtype) for x, aval in zip(initial_leaves, avals, strict=True)
    ]
    scalars = [AbstractValue((), aval.dtype, aval.weak_type) for aval in avals]
    count = len(leaves)

    def pair(arrays: list[Array]) -> Any:
        return computation(tree.unflatten(arrays[:count]), tree.unflatten(arrays[count:]))

    body = region_body("reduce", pair, [*scalars, *scalars], scalars, tree)
    results = ops.reduce_many(values, initials, dims, body)
    shape = shape_of(results[0])
    return tree.unflatten(
        [
            wrap(v, AbstractValue(shape, aval.dtype, aval.weak_type))
            for v, aval in zip(results, avals, strict=True)
        ]
    )
