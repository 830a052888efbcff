"""Functions of named axes: of a `vmap(axis_name=...)`, or of the mesh of a `shard_map` or `pmap`."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops, transform
from mycc.dialects.mlir import ir
from mycc.dialects.rules.named import PAIRS
from mycc.dialects.types import element_type, shape_of, tensor
from mycc.dtypes import kind_of
from mycc.emit import convert
from mycc.lax.checks import check_kind
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import require_frame
from mycc.types import ArrayLike, abstractify

__all__ = [
    "all_gather",
    "all_to_all",
    "axis_index",
    "axis_size",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "pshuffle",
    "psum",
    "psum_scatter",
]

AxisName = Hashable
Value: TypeAlias = ir.Value
_INT32 = np.dtype(np.int32)


def _names(axis_name: Any) -> tuple[str, ...]:
    return tuple(axis_name) if isinstance(axis_name, (tuple, list)) else (axis_name,)


def _size(function: str, name: str) -> int:
    axes = require_frame().axes
    if name not in axes:
        bound = ", ".join(map(repr, axes)) or "none"
        raise NameError(
            f"{user_line()}: {function} names the axis {name!r}, which nothing around it binds (bound: "
            f"{bound}); call it inside mycc.vmap(..., axis_name={name!r}), or mycc.shard_map over a mesh with that axis"
        )
    return axes[name]


@operation
def axis_size(axis_name: Any) -> int:
    """The size of a named axis, or the product of several, as a Python integer.

    Raises:
        NameError: nothing binds the name.
    """
    return math.prod(_size("axis_size", name) for name in _names(axis_name))


@operation
def axis_index(axis_name: Any) -> Array:
    """The position along a named axis, int32; along several, counted with the last one fastest.

    Raises:
        NameError: nothing binds the name.
    """
    scalar = tensor((), element_type(_INT32))
    index: ops.Value | None = None
    for name in _names(axis_name):
        size = _size("axis_index", name)
        here = transform.collective("axis_index", name, [], [scalar])
        index = here if index is None else ops.add(ops.mul(index, ops.full(scalar, size)), here)
    return wrap(ops.full(scalar, 0) if index is None else index, AbstractValue((), _INT32))


@operation
def psum(x: Any, axis_name: Any) -> Any:
    """The sum over a named axis, or over several.

    Args:
        x: a pytree of arrays; of a Python number the result is it times the size of the axis, a number too.
        axis_name: a name that a `vmap` around binds, or a tuple of names.

    Raises:
        NameError: nothing binds the name.

    Example:
        >>> import mycc, mycc.lax, mycc.numpy as mnp
        >>> mycc.vmap(lambda x: x / mycc.lax.psum(x, "i"), axis_name="i")(mnp.array([1.0, 3.0]))
        Array([0.25, 0.75], dtype=float32)
    """
    return _over("psum", x, axis_name)


@operation
def pmean(x: Any, axis_name: Any) -> Any:
    """The mean over a named axis, or over several; as `psum`."""
    count = math.prod(_size("pmean", name) for name in _names(axis_name))
    leaves, tree = pytrees.flatten(_over("pmean", x, axis_name))
    return tree.unflatten([_quotient(leaf, count) for leaf in leaves])


@operation
def pmax(x: Any, axis_name: Any) -> Any:
    """The greatest of the elements over a named axis, or over several; as `psum`. Ties share derivatives."""
    return _over("pmax", x, axis_name)


@operation
def pmin(x: Any, axis_name: Any) -> Any:
    """The least of the elements over a named axis, or over several; as `psum`. Ties share derivatives."""
    return _over("pmin", x, axis_name)


@operation
def all_gather(x: Any, axis_name: Any, *, axis: int = 0, tiled: bool = False) -> Any:
    """The arrays along a named axis, all of them for each.

    Args:
        x: a pytree of arrays.
        axis_name: a bound name, or several, of which the last counts fastest.
        axis: the dimension of the result along which they stand.
        tiled: join them along a dimension that they have, rather than a new one.

    Raises:
        NameError: nothing binds the name.
        ValueError: there is no such dimension.

    Example:
        >>> import mycc, mycc.lax, mycc.numpy as mnp
        >>> mycc.vmap(lambda x: mycc.lax.all_gather(x, "i"), axis_name="i")(mnp.array([1.0, 3.0]))
        Array([[1., 3.],
               [1., 3.]], dtype=float32)
    """

    def gather(value: Value, name: str, tiled: bool) -> Value:
        shape = list(shape_of(value))
        d = _dimension("all_gather", axis, len(shape) + (not tiled))
        if not tiled:
            shape.insert(d, 1)
            value = ops.reshape(value, shape)
        shape[d] *= _size("all_gather", name)
        return _dimensional("all_gather", name, value, shape, dimension=d)

    def along(value: Value) -> Value:
        *others, last = _names(axis_name)
        value = gather(value, last, tiled)
        for name in reversed(others):
            value = gather(value, name, True)
        return value

    return _each(x, along)


@operation
def psum_scatter(x: Any, axis_name: Any, *, scatter_dimension: int = 0, tiled: bool = False) -> Any:
    """The sum over a named axis, of which each gets its part: as `psum`, then a slice for each, and cheaper.

    Args:
        x: a pytree of arrays.
        axis_name: a bound name.
        scatter_dimension: the dimension of x that is cut.
        tiled: keep that dimension, with as much less elements; else its size is that of the axis, and it goes.

    Raises:
        NameError: nothing binds the name.
        ValueError: there is no such dimension, or it does not divide.
    """
    size = _size("psum_scatter", axis_name)

    def scatter(value: Value) -> Value:
        shape = list(shape_of(value))
        d = _dimension("psum_scatter", scatter_dimension, len(shape))
        _check_cut("psum_scatter", shape, d, size, tiled)
        shape[d] //= size
        value = _dimensional("psum_scatter", axis_name, value, shape, dimension=d)
        return value if tiled else ops.reshape(value, [*shape[:d], *shape[d + 1 :]])

    return _each(x, scatter)


@operation
def all_to_all(x: Any, axis_name: Any, split_axis: int, concat_axis: int, *, tiled: bool = False) -> Any:
    """Each cuts its array into a part for everyone, and joins what it gets.

    Args:
        x: a pytree of arrays.
        axis_name: a bound name.
        split_axis: the dimension that is cut.
        concat_axis: the dimension along which what is received is joined.
        tiled: keep the number of dimensions; else the size of ``split_axis`` is that of the axis, it goes, and there
            is a new dimension at ``concat_axis``.

    Raises:
        NameError: nothing binds the name.
        ValueError: there is no such dimension, or it does not divide.
    """
    size = _size("all_to_all", axis_name)

    def exchange(value: Value) -> Value:
        shape = list(shape_of(value))
        split, concat = (_dimension("all_to_all", d, len(shape)) for d in (split_axis, concat_axis))
        _check_cut("all_to_all", shape, split, size, tiled)
        if not tiled:
            # Of (receiver, ...) to (sender, ...), which then goes where it is to be.
            order = [split, *(d for d in range(len(shape)) if d != split)]
            front = ops.transpose(value, order)
            moved = _exchanged(axis_name, front, shape_of(front), 0, 0)
            back = list(range(1, len(shape)))
            back.insert(concat, 0)
            return ops.transpose(moved, back)
        shape[split] //= size
        shape[concat] *= size
        return _exchanged(axis_name, value, shape, split, concat)

    return _each(x, exchange)


@operation
def ppermute(x: Any, axis_name: Any, perm: Any) -> Any:
    """Arrays sent along a named axis.

    Args:
        x: a pytree of arrays.
        axis_name: a bound name.
        perm: pairs of who sends and who receives; nobody does either twice. Who receives nothing gets zeros.

    Raises:
        NameError: nothing binds the name.
        ValueError: somebody sends or receives twice, or does not exist.

    Example:
        >>> import mycc, mycc.lax, mycc.numpy as mnp
        >>> mycc.vmap(lambda x: mycc.lax.ppermute(x, "i", [(0, 1)]), axis_name="i")(mnp.array([1.0, 3.0]))
        Array([0., 1.], dtype=float32)
    """
    size = _size("ppermute", axis_name)
    pairs = [(int(a), int(b)) for a, b in perm]
    for ends in zip(*pairs, strict=True):
        if len(set(ends)) != len(ends) or not all(0 <= end < size for end in ends):
            raise ValueError(
                f"{user_line()}: ppermute along {axis_name!r}, of size {size}, got {pairs}: each of 0 ... {size - 1} can "
                "send once and receive once"
            )
    attribute = ops.i64_array([end for pair in pairs for end in pair])
    return _each(x, lambda v: transform.collective("ppermute", axis_name, [v], [v.type], {PAIRS: attribute}))


@operation
def pshuffle(x: Any, axis_name: Any, perm: Any) -> Any:
    """Arrays in another order along a named axis: place ``i`` gets what place ``perm[i]`` had; as `ppermute`."""
    return ppermute(x, axis_name, [(source, target) for target, source in enumerate(perm)])


def _each(x: Any, function: Callable[[Value], Value]) -> Any:
    """A function of values on each leaf of a pytree."""
    leaves, tree = pytrees.flatten(x)
    made = []
    for leaf in leaves:
        value, aval = lift(leaf)
        new = function(value)
        made.append(wrap(new, AbstractValue(shape_of(new), aval.dtype)))
    return tree.unflatten(made)


def _dimension(function: str, d: int, rank: int) -> int:
    if not -rank <= d < rank:
        raise ValueError(f"{user_line()}: {function}: there is no dimension {d} of {rank}")
    return d % rank


def _check_cut(function: str, shape: Sequence[int], d: int, size: int, tiled: bool) -> None:
    if shape[d] % size if tiled else shape[d] != size:
        way = "pass a multiple of it" if tiled else "pass that size, or tiled=True for a multiple of it"
        raise ValueError(
            f"{user_line()}: {function}: dimension {d} of an array of shape {tuple(shape)} is cut for {size} along the axis; {way}"
        )


def _dimensional(target: str, name: str, value: Value, shape: Sequence[int], **dimensions: int) -> Value:
    attributes = {f"mycc.{key}": ops.i64(d) for key, d in dimensions.items()}
    return transform.collective(
        target, name, [value], [tensor(tuple(shape), ops.element_of(value))], attributes
    )


def _exchanged(name: str, value: Value, shape: Sequence[int], split: int, concat: int) -> Value:
    return _dimensional("all_to_all", name, value, shape, split_dimension=split, concat_dimension=concat)


def _over(function: str, x: Any, axis_name: Any) -> Any:
    names = _names(axis_name)
    size = math.prod(_size(function, name) for name in names)
    leaves, tree = pytrees.flatten(x)
    if function in ("pmax", "pmin"):
        return _each(x, lambda value: _folded(function, value, names))
    return tree.unflatten([_sum(function, leaf, names, size) for leaf in leaves])


def _folded(target: str, value: Value, names: Sequence[str]) -> Value:
    for name in names:
        value = transform.collective(target, name, [value], [value.type])
    return value


def _sum(function: str, x: ArrayLike, names: tuple[str, ...], size: int) -> Any:
    if isinstance(x, (int, float)):
        return x * size
    value, aval = lift(x)
    check_kind(function, aval.dtype, "fciub")
    if kind_of(aval.dtype) == "b":
        value, aval = convert(value, aval.dtype, _INT32), AbstractValue(aval.shape, _INT32)
    return wrap(_folded("psum", value, names), aval)


def _quotient(x: Any, count: int) -> Any:
    if isinstance(x, (int, float)):
        return x / count
    value, aval = lift(x)
    if kind_of(aval.dtype) in "iu":
        target = np.dtype(np.float32 if aval.dtype.itemsize < 8 else np.float64)
        value, aval = convert(value, aval.dtype, target), AbstractValue(aval.shape, target)
    return wrap(
        ops.div(value, ops.full_like(value, count)),
        abstractify(x) if aval.dtype == abstractify(x).dtype else aval,
    )
