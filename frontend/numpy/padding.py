"""Arrays made larger at their ends."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.errors import ConcretizationError
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of
from mycc.emit import broadcast, convert, lifted
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import is_integer
from mycc.source import user_line
from mycc.types import ArrayLike

__all__ = ["pad"]

Value: TypeAlias = ir.Value

_REPEATED = ("edge", "reflect", "symmetric", "wrap")
_STATISTICS = ("maximum", "mean", "median", "minimum")
_OPTIONS = {
    "constant": {"constant_values"},
    "empty": set(),
    "edge": set(),
    "wrap": set(),
    "reflect": {"reflect_type"},
    "symmetric": {"reflect_type"},
    "linear_ramp": {"end_values"},
    **{name: {"stat_length"} for name in _STATISTICS},
}


@operation
def pad(array: ArrayLike, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Array:
    """An array with elements put before and after along each dimension.

    Args:
        array: an array.
        pad_width: how many: a number, a pair (before, after), or a pair for each dimension; or a dict from
            dimensions to these.
        mode: what is put there:
            "constant" (``constant_values``, default 0), "empty" (zeros), "edge" (the last element),
            "reflect" and "symmetric" (the array mirrored, without and with its last element), "wrap" (its
            other end), "linear_ramp" (a ramp to ``end_values``, default 0),
            "maximum", "mean", "median", "minimum" (of the ``stat_length`` last elements, default all).
        **kwargs: the option of the mode.

    Returns:
        The larger array.

    Raises:
        ValueError: an unknown mode, an option of another mode, or negative widths.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.pad(mnp.array([1, 2, 3]), (1, 2), mode="edge")
        Array([1, 1, 2, 3, 3, 3], dtype=int32)
    """
    if mode not in _OPTIONS:
        raise ValueError(f"{user_line()}: pad got mode={mode!r}; it takes {', '.join(map(repr, _OPTIONS))}")
    unknown = set(kwargs) - _OPTIONS[mode]
    if unknown:
        raise ValueError(f"{user_line()}: pad in mode {mode!r} takes no {unknown.pop()!r}")
    value, aval = lift(array)
    widths = _pairs("pad_width", pad_width, len(aval.shape))
    if any(n < 0 for pair in widths for n in pair):
        raise ValueError(f"{user_line()}: pad got pad_width={pad_width}; widths cannot be negative")
    if mode in ("constant", "empty"):
        value = _constant(value, aval, widths, kwargs.get("constant_values", 0))
    for axis, (low, high) in enumerate(widths):
        if (low or high) and mode not in ("constant", "empty"):
            value = _padded(value, aval, axis, low, high, mode, kwargs)
    return wrap(value, AbstractValue(tuple(value.type.shape), aval.dtype, aval.weak_type))


def _pairs(name: str, given: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(given, dict):
        pairs = [(0, 0)] * ndim
        for axis, width in given.items():
            pairs[axis] = (width, width) if isinstance(width, int) else tuple(width)
        return pairs
    try:
        widths = np.broadcast_to(np.asarray(given), (ndim, 2))
        return [(operator.index(a), operator.index(b)) for a, b in widths.tolist()]
    except ConcretizationError:
        raise
    except (TypeError, ValueError):
        raise ValueError(
            f"{user_line()}: pad got {name}={given!r}; it takes an integer, a pair, or a pair for each of "
            f"{ndim} dimensions"
        ) from None


def _constant(value: Value, aval: AbstractValue, widths: Sequence[tuple[int, int]], constants: Any) -> Value:
    numbers = _numbers(constants, len(widths))
    first = numbers[0][0] if numbers else 0
    if all(x is first for pair in numbers for x in pair):
        return ops.pad(
            value, _scalar(first, aval), [a for a, _ in widths], [b for _, b in widths], [0] * len(widths)
        )
    for axis, ((low, high), pair) in enumerate(zip(widths, numbers, strict=True)):
        for before, after, number in ((low, 0, pair[0]), (0, high, pair[1])):
            lows, highs = [0] * len(widths), [0] * len(widths)
            lows[axis], highs[axis] = before, after
            value = ops.pad(value, _scalar(number, aval), lows, highs, [0] * len(widths))
    return value


def _scalar(number: Any, aval: AbstractValue) -> Value:
    return ops.reshape(lifted(number, aval), ())


def _numbers(given: Any, ndim: int) -> list[tuple[Any, Any]]:
    """A pair of numbers for each dimension, from one number, one pair, or pairs."""
    if isinstance(given, (list, tuple)):
        if given and isinstance(given[0], (list, tuple)):
            pairs = [tuple(p) if len(p) == 2 else (p[0], p[0]) for p in given]
            return pairs * ndim if len(pairs) == 1 else pairs
        if len(given) == 1:
            return [(given[0], given[0])] * ndim
        return [(given[0], given[1])] * ndim
    if isinstance(given, np.ndarray) and given.ndim:
        return [tuple(p) for p in np.broadcast_to(given, (ndim, 2)).tolist()]
    return [(given, given)] * ndim


def _padded(
    value: Value, aval: AbstractValue, axis: int, low: int, high: int, mode: str, options: dict[str, Any]
) -> Value:
    size = value.type.shape[axis]
    if size == 0:
        raise ValueError(
            f"{user_line()}: pad cannot extend the empty axis {axis} in mode {mode!r}; use mode='constant'"
        )
    if mode == "linear_ramp":
        ends = _numbers(options.get("end_values", 0), len(aval.shape))[axis]
        return _ramps(value, aval, axis, low, high, ends)
    if mode in _STATISTICS:
        lengths = options.get("stat_length")
        counts = (size, size) if lengths is None else _pairs("stat_length", lengths, len(aval.shape))[axis]
        return _statistics(value, aval, axis, low, high, mode, counts)
    if options.get("reflect_type", "even") == "odd":
        return _odd(value, axis, low, high, mode)
    if options.get("reflect_type", "even") != "even":
        raise ValueError(
            f"{user_line()}: pad got reflect_type={options['reflect_type']!r}; it takes 'even' or 'odd'"
        )
    # NumPy says which element goes where; runs of neighbours are slices.
    return _picked(value, axis, np.pad(np.arange(size), (low, high), mode=mode))  # type: ignore[call-overload]


def _picked(value: Value, axis: int, positions: np.ndarray[Any, Any]) -> Value:
    """Elements of an axis by static positions, as slices of ascending, descending or equal ones."""
    parts = []
    start = 0
    while start < len(positions):
        stop = start + 1
        step = int(positions[stop] - positions[start]) if stop < len(positions) else 1
        if step not in (-1, 0, 1):
            step = 1
        while stop < len(positions) and positions[stop] - positions[stop - 1] == step:
            stop += 1
        parts.append(_run(value, axis, int(positions[start]), stop - start, step))
        start = stop
    return ops.concatenate(parts, axis)


def _run(value: Value, axis: int, first: int, count: int, step: int) -> Value:
    shape = list(value.type.shape)
    lowest = first - (count - 1) if step < 0 else first
    length = 1 if step == 0 else count
    starts, limits = [0] * len(shape), list(shape)
    starts[axis], limits[axis] = lowest, lowest + length
    part = ops.slice_(value, starts, limits)
    if step < 0 and count > 1:
        return ops.reverse(part, [axis])
    if step == 0:
        shape[axis] = count
        return broadcast(part, tuple(part.type.shape), tuple(shape))
    return part


def _odd(value: Value, axis: int, low: int, high: int, mode: str) -> Value:
    """Mirrored at the ends in the point, not in the line: beyond the end b, twice b minus the mirrored
    element.

    Two mirrorings, at both ends a and b, shift an element by twice b - a.
    """
    size = value.type.shape[axis]
    period = max(size - 1, 1) if mode == "reflect" else size
    places = np.arange(-low, size + high)
    shifts, rest = places // (2 * period), places % (2 * period)
    mirrored = rest > (period if mode == "reflect" else period - 1)
    inner = np.where(mirrored, (2 * period if mode == "reflect" else 2 * period - 1) - rest, rest)
    picked = _picked(value, axis, np.minimum(inner, size - 1))
    shape = tuple(picked.type.shape)
    edges = [broadcast(_run(value, axis, d, 1, 1), _edge_shape(shape, axis), shape) for d in (0, size - 1)]
    factors = [np.where(mirrored, -1, 1), -2 * shifts, 2 * (shifts + mirrored)]
    terms = [ops.mul(v, _along(f, v, axis)) for v, f in zip((picked, *edges), factors, strict=True)]
    return ops.add(terms[0], ops.add(terms[1], terms[2]))


def _edge_shape(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(1 if d == axis else n for d, n in enumerate(shape))


def _along(factors: np.ndarray[Any, Any], like: Value, axis: int) -> Value:
    """Numbers along an axis, spread over the shape and in the dtype of a value."""
    vector = ops.constant(factors.astype(dtype_of(like.type)))
    return ops.broadcast_in_dim(vector, like.type.shape, (axis,))


def _ramps(value: Value, aval: AbstractValue, axis: int, low: int, high: int, ends: tuple[Any, Any]) -> Value:
    from mycc.numpy.ranges import linspace
    from mycc.numpy.shapes import broadcast_to

    size = value.type.shape[axis]
    parts = [value]
    for count, end, place in ((low, ends[0], 0), (high, ends[1], size - 1)):
        if not count:
            continue
        edge = _run(value, axis, place, 1, 1)
        shape = tuple(n for d, n in enumerate(edge.type.shape) if d != axis)
        inner = wrap(ops.reshape(edge, shape), AbstractValue(shape, aval.dtype))
        outer = broadcast_to(wrap(_scalar(end, aval), AbstractValue((), aval.dtype)), shape)
        ramp = linspace(outer, inner, count, endpoint=False, dtype=aval.dtype, axis=axis)
        part, _ = lift(ramp)
        parts = [part, *parts] if place == 0 and len(parts) == 1 else [*parts, ops.reverse(part, [axis])]
    return ops.concatenate(parts, axis)


def _statistics(
    value: Value, aval: AbstractValue, axis: int, low: int, high: int, mode: str, counts: tuple[int, int]
) -> Value:
    from mycc.numpy.means import mean
    from mycc.numpy.quantiles import median
    from mycc.numpy.reductions import max as maximum
    from mycc.numpy.reductions import min as minimum

    compute: Any = {"maximum": maximum, "minimum": minimum, "mean": mean, "median": median}[mode]
    size = value.type.shape[axis]
    parts = [value]
    for width, count, at_front in ((low, counts[0], True), (high, counts[1], False)):
        if not width:
            continue
        count = min(count, size)
        chunk = _run(value, axis, 0 if at_front else size - count, count, 1)
        known = AbstractValue(tuple(chunk.type.shape), aval.dtype)
        number, found = lift(compute(wrap(chunk, known), axis=axis, keepdims=True))
        if is_integer(aval.dtype) and not is_integer(found.dtype):
            number = ops.round_even(number)
        number = convert(number, found.dtype, aval.dtype)
        shape = list(value.type.shape)
        shape[axis] = width
        part = broadcast(number, tuple(number.type.shape), tuple(shape))
        parts = [part, *parts] if at_front else [*parts, part]
    return ops.concatenate(parts, axis)
