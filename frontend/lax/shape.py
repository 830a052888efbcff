"""Shapes: broadcast, reshape, transpose, concatenate, pad, reverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.types import shape_of
from mycc.emit import operand as operand_of
from mycc.lax.checks import axes_of, axis_of, common_dtype, static_shape
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "broadcast", "broadcast_in_dim", "broadcast_shapes", "broadcast_to_rank", "collapse", "concatenate",
    "expand_dims", "pad", "reshape", "rev", "split", "squeeze", "tile", "transpose",
]  # fmt: skip


def _like(aval: AbstractValue, shape: tuple[int, ...]) -> AbstractValue:
    return AbstractValue(shape, aval.dtype, aval.weak_type)


@operation
def broadcast(operand: ArrayLike, sizes: Sequence[int]) -> Array:
    """The array repeated over new dimensions of the given sizes in front."""
    value, aval = lift(operand)
    front = static_shape("broadcast", sizes)
    shape = (*front, *aval.shape)
    return wrap(ops.broadcast_in_dim(value, shape, range(len(front), len(shape))), _like(aval, shape))


@operation
def broadcast_in_dim(operand: ArrayLike, shape: Sequence[int], broadcast_dimensions: Sequence[int]) -> Array:
    """The array spread over a shape.

    Args:
        operand: an array.
        shape: of the result.
        broadcast_dimensions: for each dimension of the operand the dimension of the result that it becomes,
        in
            rising order; its size is that of the result, or 1.

    Raises:
        ValueError: a dimension does not fit.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> mycc.lax.broadcast_in_dim(mnp.array([1, 2]), (2, 3), (0,))
        Array([[1, 1, 1],
               [2, 2, 2]], dtype=int32)
    """
    value, aval = lift(operand)
    sizes = static_shape("broadcast_in_dim", shape)
    dims = tuple(int(d) for d in broadcast_dimensions)
    if len(dims) != len(aval.shape) or any(a >= b for a, b in pairwise(dims)):
        raise ValueError(
            f"{user_line()}: broadcast_in_dim needs one rising dimension of the result for each of the "
            f"operand's {len(aval.shape)}, got {dims}"
        )
    if any(not 0 <= d < len(sizes) or n not in (1, sizes[d]) for d, n in zip(dims, aval.shape, strict=True)):
        raise ValueError(
            f"{user_line()}: broadcast_in_dim cannot put an array of shape {aval.shape} at dimensions {dims} "
            f"of {sizes}: sizes must be equal or 1"
        )
    kept = [d for d, n in enumerate(aval.shape) if n != 1 or sizes[dims[d]] == 1]
    value = ops.reshape(value, [aval.shape[d] for d in kept])
    return wrap(ops.broadcast_in_dim(value, sizes, [dims[d] for d in kept]), _like(aval, sizes))


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The common shape under NumPy's broadcasting.

    Example:
        >>> broadcast_shapes((3, 1), (4,))
        (3, 4)
    """
    from mycc.emit import broadcast_shapes as common

    return common(
        "broadcast_shapes", [AbstractValue(tuple(shape), "float32") for shape in shapes] or [_SCALAR]
    )


_SCALAR = AbstractValue((), "float32")


def broadcast_to_rank(x: ArrayLike, rank: int) -> Array:
    """The array with dimensions of size 1 added in front."""
    ndim = len(abstractify(x).shape)
    return expand_dims(x, tuple(range(rank - ndim)))


@operation
def reshape(operand: ArrayLike, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None) -> Array:
    """The elements in another shape.

    Args:
        operand: an array.
        new_sizes: the shape of the result, of as many elements; one size may be -1.
        dimensions: the order in which to read the operand's dimensions.

    Raises:
        TypeError: the numbers of elements differ.
    """
    value, aval = lift(operand)
    sizes = [int(n) for n in new_sizes]
    size = math.prod(aval.shape)
    if sizes.count(-1) == 1:
        rest = -math.prod(sizes)
        sizes[sizes.index(-1)] = size // rest if rest else 0
    if math.prod(sizes) != size or any(n < 0 for n in sizes):
        raise TypeError(
            f"{user_line()}: reshape of an array of shape {aval.shape} ({size} elements) to "
            f"{tuple(new_sizes)}: the numbers of elements must be equal"
        )
    if dimensions is not None:
        value = ops.transpose(value, axes_of("reshape", dimensions, len(aval.shape)))
    return wrap(ops.reshape(value, sizes), _like(aval, tuple(sizes)))


@operation
def transpose(operand: ArrayLike, permutation: Sequence[int]) -> Array:
    """The array whose dimension i is the operand's dimension ``permutation[i]``."""
    value, aval = lift(operand)
    order = axes_of("transpose", tuple(permutation), len(aval.shape))
    if len(order) != len(aval.shape):
        raise TypeError(
            f"{user_line()}: transpose got the permutation {order} of {len(aval.shape)} dimensions"
        )
    return wrap(ops.transpose(value, order), _like(aval, tuple(aval.shape[d] for d in order)))


@operation
def squeeze(array: ArrayLike, dimensions: Sequence[int]) -> Array:
    """The array without the given dimensions, which have size 1."""
    value, aval = lift(array)
    dims = axes_of("squeeze", tuple(dimensions), len(aval.shape))
    if any(aval.shape[d] != 1 for d in dims):
        raise ValueError(
            f"{user_line()}: squeeze of dimensions {dims} of shape {aval.shape}: their sizes must be 1"
        )
    shape = tuple(n for d, n in enumerate(aval.shape) if d not in dims)
    return wrap(ops.reshape(value, shape), _like(aval, shape))


@operation
def expand_dims(array: ArrayLike, dimensions: Sequence[int]) -> Array:
    """The array with new dimensions of size 1 at the given places of the result."""
    value, aval = lift(array)
    dims = axes_of("expand_dims", tuple(dimensions), len(aval.shape) + len(dimensions))
    rest = iter(aval.shape)
    shape = tuple(1 if d in dims else next(rest) for d in range(len(aval.shape) + len(dims)))
    return wrap(ops.reshape(value, shape), _like(aval, shape))


@operation
def collapse(operand: ArrayLike, start_dimension: int, stop_dimension: int | None = None) -> Array:
    """The array with dimensions start to stop (exclusive) joined into one."""
    value, aval = lift(operand)
    low, high, _ = slice(start_dimension, stop_dimension).indices(len(aval.shape))
    shape = (*aval.shape[:low], math.prod(aval.shape[low:high]), *aval.shape[high:])
    return wrap(ops.reshape(value, shape), _like(aval, shape))


@operation
def concatenate(operands: Sequence[ArrayLike], dimension: int) -> Array:
    """Arrays of one dtype joined along a dimension, their other sizes being equal.

    Raises:
        TypeError: dtypes or shapes do not match.
    """
    if not operands:
        raise ValueError(f"{user_line()}: concatenate takes at least one array")
    avals = [abstractify(x) for x in operands]
    dtype, weak = common_dtype("concatenate", avals)
    first = avals[0].shape
    axis = axis_of("concatenate", dimension, len(first))
    for aval in avals:
        if len(aval.shape) != len(first) or any(
            d != axis and n != first[d] for d, n in enumerate(aval.shape)
        ):
            shapes = ", ".join(str(aval.shape) for aval in avals)
            raise TypeError(
                f"{user_line()}: concatenate along {axis} of shapes {shapes}: all other sizes must be equal"
            )
    values = [operand_of(x, aval, aval.shape, dtype) for x, aval in zip(operands, avals, strict=True)]
    joined = ops.concatenate(values, axis)
    return wrap(joined, AbstractValue(shape_of(joined), dtype, weak))


@operation
def pad(
    operand: ArrayLike, padding_value: ArrayLike, padding_config: Sequence[tuple[int, int, int]]
) -> Array:
    """The array with a value put before, after and between its elements.

    Args:
        operand: an array.
        padding_value: a scalar of its dtype.
        padding_config: for each dimension (before, after, between); negative numbers before and after cut.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> mycc.lax.pad(mnp.array([1, 2]), 0, [(1, 0, 2)])
        Array([0, 1, 0, 0, 2], dtype=int32)
    """
    aval, filler = abstractify(operand), abstractify(padding_value)
    dtype, weak = common_dtype("pad", (aval, filler))
    config = tuple((int(low), int(high), int(inner)) for low, high, inner in padding_config)
    if len(config) != len(aval.shape) or filler.shape:
        raise TypeError(
            f"{user_line()}: pad takes a scalar and one (low, high, interior) for each dimension; got a "
            f"value of shape {filler.shape} and {len(config)} for shape {aval.shape}"
        )
    low, high, inner = tuple(zip(*config, strict=True)) or ((), (), ())
    sizes = [lo + n + hi + max(n - 1, 0) * i for n, (lo, hi, i) in zip(aval.shape, config, strict=True)]
    if any(i < 0 for i in inner) or any(n < 0 for n in sizes):
        raise ValueError(f"{user_line()}: pad of shape {aval.shape} by {config} has a negative size")
    value = operand_of(operand, aval, aval.shape, dtype)
    if not any(any(c) for c in config):
        return wrap(value, AbstractValue(aval.shape, dtype, weak))
    value = ops.pad(value, operand_of(padding_value, filler, (), dtype), low, high, inner)
    return wrap(value, AbstractValue(tuple(sizes), dtype, weak))


@operation
def rev(operand: ArrayLike, dimensions: Sequence[int]) -> Array:
    """The array with the order of the given dimensions turned around."""
    value, aval = lift(operand)
    dims = axes_of("rev", tuple(dimensions), len(aval.shape))
    return wrap(ops.reverse(value, dims) if dims else value, aval)


@operation
def tile(operand: ArrayLike, reps: Sequence[int]) -> Array:
    """The array repeated ``reps[i]`` times along each dimension i."""
    value, aval = lift(operand)
    if len(reps) != len(aval.shape):
        raise ValueError(
            f"{user_line()}: tile takes one count for each of {len(aval.shape)} dimensions, got {tuple(reps)}"
        )
    spread = [n for pair in zip(reps, aval.shape, strict=True) for n in pair]
    value = ops.broadcast_in_dim(value, spread, range(1, 2 * len(reps), 2))
    shape = tuple(n * r for n, r in zip(aval.shape, reps, strict=True))
    return wrap(ops.reshape(value, shape), _like(aval, shape))


@operation
def split(operand: ArrayLike, sizes: Sequence[int], axis: int = 0) -> list[Array]:
    """The array cut along a dimension into pieces of the given sizes, which sum up to its own."""
    value, aval = lift(operand)
    d = axis_of("split", axis, len(aval.shape))
    if sum(sizes) != aval.shape[d]:
        raise ValueError(
            f"{user_line()}: split of size {aval.shape[d]} into {tuple(sizes)}: the sizes must sum up to it"
        )
    pieces, start = [], 0
    for size in sizes:
        low, high = [0] * len(aval.shape), list(aval.shape)
        low[d], high[d] = start, start + size
        piece = ops.slice_(value, low, high)
        pieces.append(wrap(piece, _like(aval, shape_of(piece))))
        start += size
    return pieces  # type: ignore[return-value]
