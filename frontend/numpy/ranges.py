"""Evenly spaced numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.errors import ConcretizationError
from mycc.dialects.types import element_type, tensor
from mycc.emit import convert, operands
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.creation import ON_HOST, cast, made, on_device
from mycc.numpy.support import BOOL, FLOAT32, as_dtype, index_of, is_inexact
from mycc.source import user_line
from mycc.trace import current
from mycc.types import ArrayLike, DTypeLike, abstractify, promote

__all__ = [
    "arange",
    "geomspace",
    "linspace",
    "logspace",
]


def arange(
    start: Any, stop: Any = None, step: Any = None, dtype: DTypeLike | None = None, *, device: Any = None
) -> Array:
    """Evenly spaced numbers in the half-open interval [start, stop).

    Args:
        start: the first number; the end, from zero, if it is given alone.
        stop: the end.
        step: the distance of two numbers.
        dtype: of the result; default: that of the arguments together.
        device: where to put it.

    Returns:
        An array of one dimension. All arguments must be known while tracing.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.arange(3)
        Array([0, 1, 2], dtype=int32)
    """
    given = [x for x in (start, stop, step) if x is not None]
    avals = [abstractify(x) for x in given]
    target = as_dtype(dtype, promote(avals)[0])
    try:
        numbers = [x.item() if isinstance(x, (Array, np.ndarray, np.generic)) else x for x in given]
    except ConcretizationError:
        raise ConcretizationError(
            f"{user_line()}: arange with traced bounds has no static size; "
            "use start + step * arange(n) with a static n"
        ) from None
    if stop is None:
        first, end = 0, numbers[0]
    else:
        first, end = numbers[0], numbers[1]
    pace = numbers[-1] if step is not None else 1
    if pace == 0:
        raise ValueError(f"{user_line()}: arange got step=0")
    size = max(0, math.ceil((end - first) / pace))
    if current() is None and size <= ON_HOST:
        return on_device(device, made(lambda: _arange_on_host(first, pace, size, target)))
    return on_device(device, _arange(first, pace, size, target))


def _arange_on_host(first: Any, pace: Any, size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    wide: np.ndarray[Any, Any] = (
        np.arange(size)
        if isinstance(first, int) and isinstance(pace, int)
        else np.arange(size, dtype=np.float64)
    )
    return np.asarray(first + wide * pace).astype(dtype)


@operation
def _arange(first: Any, pace: Any, size: int, dtype: Any) -> Array:
    exact = isinstance(first, int) and isinstance(pace, int)
    numeric = (
        dtype
        if exact and dtype != BOOL
        else np.dtype(np.float32 if is_inexact(dtype) and dtype != np.float64 else np.float64)
    )
    if not exact and size <= ON_HOST:
        value, _ = lift(_arange_on_host(first, pace, size, dtype))
        return wrap(value, AbstractValue((size,), dtype))
    value = ops.iota(tensor((size,), element_type(numeric)), 0)
    if pace != 1:
        value = ops.mul(value, ops.full_like(value, pace))
    if first != 0:
        value = ops.add(value, ops.full_like(value, first))
    return wrap(convert(value, numeric, dtype), AbstractValue((size,), dtype))


def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike | None = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """Evenly spaced numbers between two numbers, or between two arrays.

    Args:
        start: the first number.
        stop: the last, or, without ``endpoint``, the one after it.
        num: how many.
        endpoint: whether ``stop`` is among them.
        retstep: whether to return the distance too.
        dtype: of the result; default: float32, or the arguments' float dtype.
        axis: where the new dimension goes.
        device: where to put the result.

    Returns:
        The array, of the arguments' shape and a dimension of size num; with ``retstep`` also the distance.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.linspace(0, 1, 3)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    values, step = _spaced(start, stop, num, endpoint, dtype, axis)
    values = on_device(device, values)
    return (values, step) if retstep else values


@operation
def _spaced(
    start: ArrayLike, stop: ArrayLike, num: int, endpoint: bool, dtype: DTypeLike | None, axis: int
) -> tuple[Array, Array]:
    num = index_of("linspace", "num", num)
    if num < 0:
        raise ValueError(f"{user_line()}: linspace got num={num}; it cannot be negative")
    avals = [abstractify(start), abstractify(stop)]
    promoted = promote(avals)[0]
    target = as_dtype(dtype, promoted if is_inexact(promoted) else FLOAT32)
    numeric = target if is_inexact(target) else promoted if is_inexact(promoted) else FLOAT32
    (first, last), aval = operands("linspace", start, stop, to=numeric)
    shape = aval.shape
    place = axis % (len(shape) + 1)
    whole = (*shape[:place], num, *shape[place:])
    type_ = tensor(whole, element_type(numeric))
    others = [d for d in range(len(whole)) if d != place]
    intervals = num - 1 if endpoint else num
    if intervals > 0:
        part = ops.div(ops.iota(type_, place), ops.full(type_, intervals))
        left = ops.broadcast_in_dim(first, whole, others)
        right = ops.broadcast_in_dim(last, whole, others)
        # Weighted, both ends come out exactly.
        value = ops.add(ops.mul(left, ops.sub(ops.full(type_, 1), part)), ops.mul(right, part))
        if endpoint and num > 1:
            at_end = ops.compare(
                "EQ", ops.iota(tensor(whole, ops.I32), place), ops.full(tensor(whole, ops.I32), num - 1)
            )
            value = ops.select(at_end, right, value)
        step = ops.div(ops.sub(last, first), ops.full_like(first, intervals))
    else:
        value = ops.broadcast_in_dim(first, whole, others)
        step = ops.full_like(first, math.nan)
    if not is_inexact(target):
        value = ops.floor(value)
    result = wrap(convert(value, numeric, target), AbstractValue(whole, target))
    return result, wrap(step, AbstractValue(shape, numeric))


@operation
def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    base: ArrayLike = 10.0,
    dtype: DTypeLike | None = None,
    axis: int = 0,
) -> Array:
    """Numbers evenly spaced on a logarithmic scale: ``base ** linspace(start, stop, num)``."""
    from mycc.numpy.arithmetic import power

    result = power(base, linspace(start, stop, num, endpoint, False, None, axis))
    return result if dtype is None else cast(result, as_dtype(dtype))


@operation
def geomspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    dtype: DTypeLike | None = None,
    axis: int = 0,
) -> Array:
    """Numbers in geometric progression from start to stop, which have one sign.

    Returns:
        An array as `linspace`'s.
    """
    from mycc.numpy.arithmetic import abs, multiply, sign
    from mycc.numpy.transcendental import exp, log

    target = as_dtype(dtype, promote([abstractify(start), abstractify(stop)])[0])
    powers = exp(linspace(log(abs(start)), log(abs(stop)), num, endpoint, False, None, axis))
    result = multiply(sign(cast(start, powers.dtype)), powers)
    return result if result.dtype == target or dtype is None else cast(result, target)
