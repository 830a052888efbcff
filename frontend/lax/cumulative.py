"""Running folds along a dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops, transform
from mycc.dialects.mlir import ir
from mycc.dialects.rules.sliding import prefixes
from mycc.dialects.types import shape_of
from mycc.differentiation import in_trace
from mycc.dtypes import highest, lowest
from mycc.function import building, name_of
from mycc.lax.checks import axis_of, check_kind
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame, for_all_sizes
from mycc.types import ArrayLike, abstractify

__all__ = ["associative_scan", "cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"]

Value: TypeAlias = ir.Value
Values: TypeAlias = list[Value]


def _strided(values: Values, axis: int, start: int, limit: int, step: int = 1) -> Values:
    found = []
    for value in values:
        shape = shape_of(value)
        starts, limits, steps = [0] * len(shape), list(shape), [1] * len(shape)
        starts[axis], limits[axis], steps[axis] = start, limit, step
        found.append(ops.slice_(value, starts, limits, steps))
    return found


def _interleaved(evens: Value, odds: Value, axis: int) -> Value:
    """The elements of two arrays in turn; the first may have one more."""
    count = shape_of(odds)[axis]
    pairs = []
    for half in (_strided([evens], axis, 0, count)[0], odds):
        shape = list(shape_of(half))
        shape.insert(axis + 1, 1)
        pairs.append(ops.reshape(half, shape))
    joined = ops.concatenate(pairs, axis + 1)
    shape = list(shape_of(odds))
    shape[axis] = 2 * count
    joined = ops.reshape(joined, shape)
    rest = _strided([evens], axis, count, shape_of(evens)[axis])[0]
    return joined if shape_of(rest)[axis] == 0 else ops.concatenate([joined, rest], axis)


def running(values: Values, axis: int, fold: Callable[[Values, Values], Values]) -> Values:
    """The folds of all prefixes: pairs are folded, their prefixes found, and the places between filled in.

    Blelloch, "Prefix sums and their applications" (1990): logarithmically many steps, and linear work.
    """
    size = shape_of(values[0])[axis]
    if size < 2:
        return values
    even = size - size % 2
    pairs = running(fold(_strided(values, axis, 0, even, 2), _strided(values, axis, 1, even, 2)), axis, fold)
    first = _strided(values, axis, 0, 1)
    if size == 2:
        evens = first
    else:
        between = fold(_strided(pairs, axis, 0, (size - 1) // 2), _strided(values, axis, 2, size, 2))
        evens = [ops.concatenate([a, b], axis) for a, b in zip(first, between, strict=True)]
    return [_interleaved(a, b, axis) for a, b in zip(evens, pairs, strict=True)]


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The folds of all prefixes of arrays by an associative function.

    Args:
        fn: takes two pytrees like ``elems``, of any size along ``axis``, and combines them elementwise along
        it.
        elems: a pytree of arrays of one size along ``axis``.
        reverse: fold suffixes, from the end.
        axis: the dimension to fold along.

    Returns:
        A pytree like ``elems``.

    Raises:
        ValueError: the sizes along ``axis`` differ.
        TypeError: ``fn`` changes the structure, a shape or a dtype.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> mycc.lax.associative_scan(mycc.lax.mul, mnp.array([1, 2, 3, 4]))
        Array([ 1,  2,  6, 24], dtype=int32)
    """

    def inside(frame: Frame) -> Any:
        with building(frame):
            return _scanned(fn, elems, reverse, axis)

    return in_trace(f"associative_scan_{name_of(fn)}", inside)


def _scanned(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool, axis: int) -> Any:
    leaves, tree = pytrees.flatten(elems)
    avals = [abstractify(leaf) for leaf in leaves]
    if not leaves:
        return elems
    d = axis_of("associative_scan", axis, len(avals[0].shape))
    if any(len(aval.shape) <= d or aval.shape[d] != avals[0].shape[d] for aval in avals):
        raise ValueError(
            f"{user_line()}: associative_scan along dimension {d} of arrays of shapes "
            f"{', '.join(str(aval.shape) for aval in avals)}: their sizes there must be equal"
        )

    def wrapped(values: Values) -> Any:
        return tree.unflatten([_wrap(v, aval) for v, aval in zip(values, avals, strict=True)])

    def fold(first: Values, second: Values) -> Values:
        found, structure = pytrees.flatten(fn(wrapped(first), wrapped(second)))
        results = [lift(leaf) for leaf in found]
        fits = structure == tree and all(
            aval.shape == shape_of(value) and aval.dtype == known.dtype
            for (_, aval), value, known in zip(results, first, avals, strict=True)
        )
        if not fits:
            raise TypeError(
                f"{user_line()}: the function given to associative_scan turned {wrapped(first)} into "
                f"{structure.unflatten([aval for _, aval in results])}; structure, shapes and dtypes must "
                "stay"
            )
        return [value for value, _ in results]

    values = [lift(leaf)[0] for leaf in leaves]
    values = _turned(values, d, reverse)
    return wrapped(_turned(running(values, d, fold), d, reverse))


def _turned(values: Values, axis: int, reverse: bool) -> Values:
    return [ops.reverse(value, [axis]) for value in values] if reverse else values


def _wrap(value: Value, aval: AbstractValue) -> Array:
    return wrap(value, AbstractValue(shape_of(value), aval.dtype, aval.weak_type))


def _cumulative(
    name: str,
    x: ArrayLike,
    axis: int,
    reverse: bool,
    kinds: str,
    fold: Callable[[Value, Value], Value],
    initial: Callable[[Any], Any] | None = None,
) -> Array:
    value, aval = lift(x)
    check_kind(name, aval.dtype, kinds)
    d = axis_of(name, axis, len(aval.shape))
    if initial is not None and for_all_sizes():
        return wrap(prefixes(value, d, fold, initial(aval.dtype), reverse), aval)
    found = running(_turned([value], d, reverse), d, lambda a, b: [fold(a[0], b[0])])
    return wrap(_turned(found, d, reverse)[0], aval)


@operation
def cumsum(operand: ArrayLike, axis: int = 0, reverse: bool = False) -> Array:
    """Running sums along a dimension; with ``reverse`` from its end."""
    return _cumulative("cumsum", operand, axis, reverse, "fciu", ops.add, lambda _: 0)


@operation
def cumprod(operand: ArrayLike, axis: int = 0, reverse: bool = False) -> Array:
    """Running products along a dimension; with ``reverse`` from its end."""
    return _cumulative("cumprod", operand, axis, reverse, "fciu", ops.mul, lambda _: 1)


@operation
def cummax(operand: ArrayLike, axis: int = 0, reverse: bool = False) -> Array:
    """Running maxima along a dimension; with ``reverse`` from its end."""
    return _cumulative("cummax", operand, axis, reverse, "fiub", ops.max_, lowest)


@operation
def cummin(operand: ArrayLike, axis: int = 0, reverse: bool = False) -> Array:
    """Running minima along a dimension; with ``reverse`` from its end."""
    return _cumulative("cummin", operand, axis, reverse, "fiub", ops.min_, highest)


@operation
def cumlogsumexp(operand: ArrayLike, axis: int = 0, reverse: bool = False) -> Array:
    """``log(cumsum(exp(x)))`` along a dimension, which does not overflow."""
    return _cumulative("cumlogsumexp", operand, axis, reverse, "f", _logaddexp)


def _logaddexp(x: Value, y: Value) -> Value:
    top = transform.stop_gradient(ops.max_(x, y))
    top = ops.select(ops.is_finite(top), top, ops.full_like(top, 0))
    total = ops.add(ops.exp(ops.sub(x, top)), ops.exp(ops.sub(y, top)))
    return ops.add(top, ops.log(total))
