"""Other shapes of the same elements."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.errors import ConcretizationError
from mycc.emit import broadcast
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import Axis, Shape, axes_of, axis_of, index_of, shape_of
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "expand_dims",
    "matrix_transpose",
    "moveaxis",
    "ndim",
    "permute_dims",
    "ravel",
    "reshape",
    "rollaxis",
    "shape",
    "size",
    "squeeze",
    "swapaxes",
    "transpose",
]


@operation
def reshape(a: ArrayLike, shape: Shape, order: str = "C", *, copy: bool | None = None) -> Array:
    """The elements in another shape.

    Args:
        a: an array.
        shape: as many elements; one size may be -1 and follows from the others.
        order: "C" (row-major) or "F" (column-major) order of reading and writing.
        copy: must not be False.

    Returns:
        An array of that shape.

    Raises:
        ValueError: the sizes do not fit.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.reshape(mnp.arange(6), (2, -1)).shape
        (2, 3)
    """
    if copy is False:
        raise ValueError(f"{user_line()}: reshape cannot promise not to copy; drop copy=False")
    value, aval = lift(a)
    sizes = _completed(aval, shape)
    if order == "F":
        backwards = tuple(reversed(range(len(aval.shape))))
        value = ops.reshape(ops.transpose(value, backwards), sizes[::-1])
        value = ops.transpose(value, tuple(reversed(range(len(sizes)))))
    elif order in ("C", "A"):
        value = ops.reshape(value, sizes)
    else:
        raise ValueError(f"{user_line()}: reshape got order={order!r}; it takes 'C' or 'F'")
    return wrap(value, AbstractValue(sizes, aval.dtype, aval.weak_type))


def _completed(aval: AbstractValue, shape: Any) -> tuple[int, ...]:
    try:
        given = [operator.index(shape)]
    except ConcretizationError:
        raise
    except TypeError:
        given = []
        for n in shape:
            try:
                given.append(operator.index(n))
            except ConcretizationError:
                raise
            except TypeError:
                raise TypeError(f"{user_line()}: reshape takes a shape of integers, got {shape!r}") from None
    if given.count(-1) == 1:
        rest = math.prod(n for n in given if n != -1)
        if rest > 0 and aval.size % rest == 0:
            given[given.index(-1)] = aval.size // rest
    if any(n < 0 for n in given) or math.prod(given) != aval.size:
        raise ValueError(
            f"{user_line()}: reshape cannot bring an array of shape {aval.shape} ({aval.size} elements) to "
            f"{tuple(given)}"
        )
    return tuple(given)


@operation
def ravel(a: ArrayLike, order: str = "C") -> Array:
    """The elements as a vector."""
    return reshape(a, (-1,) if abstractify(a).size else (0,), order)


def shaped(x: ArrayLike, sizes: tuple[int, ...]) -> Array:
    """An array in a shape that is known to fit."""
    value, aval = lift(x)
    return wrap(ops.reshape(value, sizes), AbstractValue(sizes, aval.dtype, aval.weak_type))


@operation
def expand_dims(a: ArrayLike, axis: int | Sequence[int]) -> Array:
    """An array with new dimensions of size 1.

    Args:
        a: an array.
        axis: where they are in the result.

    Returns:
        An array of more dimensions.
    """
    aval = abstractify(a)
    axes = axis if isinstance(axis, (tuple, list)) else (index_of("expand_dims", "axis", axis),)
    ndim = len(aval.shape) + len(axes)
    new = axes_of("expand_dims", axes, ndim)
    sizes = iter(aval.shape)
    return shaped(a, tuple(1 if d in new else next(sizes) for d in range(ndim)))


@operation
def squeeze(a: ArrayLike, axis: Axis = None) -> Array:
    """An array without dimensions of size 1.

    Args:
        a: an array.
        axis: those to drop; None for all of size 1.

    Returns:
        An array of fewer dimensions.

    Raises:
        ValueError: a named dimension has another size.
    """
    aval = abstractify(a)
    if axis is None:
        dropped: tuple[int, ...] = tuple(d for d, n in enumerate(aval.shape) if n == 1)
    else:
        dropped = axes_of("squeeze", axis, len(aval.shape))
    wrong = [d for d in dropped if aval.shape[d] != 1]
    if wrong:
        raise ValueError(
            f"{user_line()}: squeeze cannot drop axis {wrong[0]} of an array of shape {aval.shape}: its "
            "size is not 1"
        )
    return shaped(a, tuple(n for d, n in enumerate(aval.shape) if d not in dropped))


def _permuted(a: ArrayLike, permutation: Sequence[int]) -> Array:
    value, aval = lift(a)
    sizes = tuple(aval.shape[p] for p in permutation)
    return wrap(ops.transpose(value, permutation), AbstractValue(sizes, aval.dtype, aval.weak_type))


@operation
def transpose(a: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """An array with its dimensions in another order.

    Args:
        a: an array.
        axes: which dimension of a each dimension of the result is; default: reversed.

    Returns:
        An array of as many dimensions.

    Raises:
        ValueError: ``axes`` is no permutation.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.transpose(mnp.zeros((2, 3, 4)), (1, 0, 2)).shape
        (3, 2, 4)
    """
    ndim = len(abstractify(a).shape)
    if axes is None:
        return _permuted(a, tuple(reversed(range(ndim))))
    order = tuple(axis_of("transpose", d, ndim) for d in axes)
    if sorted(order) != list(range(ndim)):
        raise ValueError(
            f"{user_line()}: transpose got axes {tuple(axes)} for an array of {ndim} dimensions; each must "
            "be named once"
        )
    return _permuted(a, order)


def permute_dims(a: ArrayLike, /, axes: Sequence[int]) -> Array:
    """An array with its dimensions in another order; the Array API's `transpose`."""
    return transpose(a, axes)


@operation
def matrix_transpose(x: ArrayLike, /) -> Array:
    """An array with its last two dimensions exchanged."""
    aval = abstractify(x)
    ndim = len(aval.shape)
    if ndim < 2:
        raise ValueError(
            f"{user_line()}: matrix_transpose takes arrays of two dimensions or more, got shape {aval.shape}"
        )
    return _permuted(x, (*range(ndim - 2), ndim - 1, ndim - 2))


@operation
def swapaxes(a: ArrayLike, axis1: int, axis2: int) -> Array:
    """An array with two dimensions exchanged."""
    ndim = len(abstractify(a).shape)
    first, second = axis_of("swapaxes", axis1, ndim), axis_of("swapaxes", axis2, ndim)
    order = list(range(ndim))
    order[first], order[second] = second, first
    return _permuted(a, order)


@operation
def moveaxis(a: ArrayLike, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """An array with some dimensions moved, the others in their order.

    Args:
        a: an array.
        source: the dimensions to move.
        destination: where each of them goes.

    Returns:
        An array of as many dimensions.
    """
    ndim = len(abstractify(a).shape)
    sources = [source] if isinstance(source, (int, np.integer)) else list(source)
    targets = [destination] if isinstance(destination, (int, np.integer)) else list(destination)
    if len(sources) != len(targets):
        raise ValueError(
            f"{user_line()}: moveaxis got {len(sources)} axes to move and {len(targets)} places for them"
        )
    sources = [axis_of("moveaxis", d, ndim) for d in sources]
    targets = [axis_of("moveaxis", d, ndim) for d in targets]
    if len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise ValueError(
            f"{user_line()}: moveaxis got source={source}, destination={destination}, which name an axis "
            "twice"
        )
    order = [d for d in range(ndim) if d not in sources]
    for target, moved in sorted(zip(targets, sources, strict=True)):
        order.insert(target, moved)
    return _permuted(a, order)


@operation
def rollaxis(a: ArrayLike, axis: int, start: int = 0) -> Array:
    """An array with one dimension moved before another."""
    ndim = len(abstractify(a).shape)
    place = axis_of("rollaxis", axis, ndim)
    before = axis_of("rollaxis", start, ndim + 1)
    return moveaxis(a, place, before - 1 if place < before else before)


@operation
def broadcast_to(array: ArrayLike, shape: Shape) -> Array:
    """An array spread over a larger shape.

    Args:
        array: an array whose sizes, from the last dimension on, equal those of the shape or are 1.
        shape: of the result.

    Returns:
        An array of that shape.

    Raises:
        ValueError: the shapes do not fit.
    """
    value, aval = lift(array)
    sizes = shape_of("broadcast_to", shape)
    try:
        fits = np.broadcast_shapes(aval.shape, sizes) == sizes
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{user_line()}: broadcast_to cannot spread an array of shape {aval.shape} over {sizes}"
        )
    return wrap(broadcast(value, aval.shape, sizes), AbstractValue(sizes, aval.dtype, aval.weak_type))


@operation
def broadcast_arrays(*args: ArrayLike) -> tuple[Array, ...]:
    """Arrays spread over their common shape."""
    sizes = broadcast_shapes(*(abstractify(x).shape for x in args))
    return tuple(broadcast_to(x, sizes) for x in args)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that shapes broadcast to.

    Raises:
        ValueError: there is none.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"{user_line()}: shapes {', '.join(map(str, shapes))} do not broadcast together"
        ) from None


def _at_least(arys: tuple[ArrayLike, ...], widen: Any) -> Any:
    results = [shaped(x, widen(abstractify(x).shape)) for x in arys]
    return results[0] if len(results) == 1 else results


@operation
def atleast_1d(*arys: ArrayLike) -> Any:
    """Arrays of one dimension or more; scalars get one."""
    return _at_least(arys, lambda s: s or (1,))


@operation
def atleast_2d(*arys: ArrayLike) -> Any:
    """Arrays of two dimensions or more; new ones come first."""
    return _at_least(arys, lambda s: (1,) * (2 - len(s)) + s)


@operation
def atleast_3d(*arys: ArrayLike) -> Any:
    """Arrays of three dimensions or more; vectors lie along the second."""
    return _at_least(
        arys, lambda s: (1, *s, 1)[:3] if len(s) == 1 else (*s, 1) if len(s) == 2 else s or (1, 1, 1)
    )


def shape(a: ArrayLike) -> tuple[int, ...]:
    """The shape of an array-like."""
    return abstractify(a).shape


def ndim(a: ArrayLike) -> int:
    """The number of dimensions of an array-like."""
    return len(abstractify(a).shape)


def size(a: ArrayLike, axis: Axis = None) -> int:
    """The number of elements of an array-like, in all or along axes."""
    aval = abstractify(a)
    return math.prod(aval.shape[d] for d in axes_of("size", axis, len(aval.shape)))
