"""Arrays made from numbers, shapes and other arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.errors import ConcretizationError
from mycc.dialects.types import element_type, tensor
from mycc.emit import broadcast, convert, operands
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import Shape, as_dtype, is_complex, is_inexact, kind_of, shape_of
from mycc.source import user_line
from mycc.trace import Tracer, current
from mycc.types import ArrayLike, DTypeLike, abstractify, default_dtype, promote

__all__ = [
    "arange",
    "array",
    "asarray",
    "astype",
    "copy",
    "empty",
    "empty_like",
    "from_dlpack",
    "fromfunction",
    "fromiter",
    "full",
    "full_like",
    "geomspace",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

_FLOAT32 = default_dtype("f")
_ON_HOST = 1 << 16
"""Up to so many elements a new array is filled on the host: that costs less than compiling a program."""


def made(build: Callable[[], np.ndarray[Any, Any]], weak_type: bool = False) -> Array:
    """The array of numbers known now: on the device at once, or, inside a trace, a constant of it."""
    if current() is None:
        host = build()
        return Array._from_numpy(host, AbstractValue(host.shape, host.dtype, weak_type))
    return _constant(_Host(build), weak_type)


class _Host:
    """A delayed NumPy array that passes through `operation` unlooked at."""

    def __init__(self, build: Callable[[], np.ndarray[Any, Any]]) -> None:
        self.build = build


@operation
def _constant(host: _Host, weak_type: bool) -> Array:
    x = host.build()
    value, _ = lift(x)
    return wrap(value, AbstractValue(x.shape, x.dtype, weak_type))


# ---- From what there is --------------------------------------------------------------------------


def array(
    object: Any,
    dtype: DTypeLike | None = None,
    copy: bool | None = True,
    order: str | None = None,
    ndmin: int = 0,
) -> Array:
    """An array of numbers, of nested lists of numbers and arrays, or of another array.

    Args:
        object: an array-like, an object with ``__array__`` or ``__dlpack__``, or a nested sequence of these.
        dtype: of the result; default: that of the data (float32, int32 or complex64 for Python numbers).
        copy: whether the result may share memory with ``object``.
        order: must be None or "C", "K", "A": there is one memory order.
        ndmin: the least number of dimensions of the result, added at the front.

    Returns:
        The array.

    Raises:
        TypeError: ``object`` holds something that is no number.
        ValueError: its nested sequences have different lengths.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.array([[1, 2], [3, 4]])
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    if order not in (None, "C", "K", "A"):
        raise ValueError(f"{user_line()}: array got order={order!r}; arrays are in row-major order (C)")
    target = None if dtype is None else as_dtype(dtype)
    result = _converted(object, target)
    if result is object and copy:
        result = _copied(result)
    if result.ndim < ndmin:
        from mycc.numpy.shapes import reshape

        result = reshape(result, (1,) * (ndmin - result.ndim) + result.shape)
    return result


def asarray(
    a: Any, dtype: DTypeLike | None = None, order: str | None = None, *, copy: bool | None = None
) -> Array:
    """An array of ``a``: the array itself where it is one of the right dtype; see `array`."""
    return array(a, dtype, bool(copy), order)


def _converted(x: Any, dtype: np.dtype[Any] | None) -> Array:
    if isinstance(x, Array):
        return x if dtype in (None, x.dtype) and not (dtype and x.weak_type) else _cast(x, dtype)
    if isinstance(x, (bool, int, float, complex)):
        aval = abstractify(x)
        host = np.asarray(x, aval.dtype if dtype is None else dtype)
        return made(lambda: host, weak_type=dtype is None and aval.weak_type)
    if isinstance(x, (np.ndarray, np.generic)):
        return _of_numpy(np.asarray(x), dtype)
    if isinstance(x, (list, tuple)):
        return _of_sequence(x, dtype)
    if hasattr(x, "__array__") or isinstance(x, (memoryview, bytearray, range)):
        return _of_numpy(np.asarray(x), dtype)
    if hasattr(x, "__dlpack__"):
        return _of_numpy(np.from_dlpack(x), dtype)
    raise TypeError(
        f"{user_line()}: array got a {type(x).__name__}, which is no array, number or sequence of these"
    )


def _of_numpy(x: np.ndarray[Any, Any], dtype: np.dtype[Any] | None) -> Array:
    host = x if dtype in (None, x.dtype) else _host_cast(x, dtype)
    abstractify(host)
    return made(lambda: host)


def _host_cast(x: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    if is_complex(x.dtype) and not is_complex(dtype) and dtype != bool:
        x = x.real
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def _of_sequence(x: Sequence[Any], dtype: np.dtype[Any] | None) -> Array:
    leaves = [leaf for leaf in pytrees.flatten(x)[0] if leaf is not None]
    if any(isinstance(leaf, Array) for leaf in leaves):
        from mycc.numpy.joining import stack

        parts = [_converted(part, dtype) for part in x]
        return stack(parts)
    if not leaves:
        empty = np.asarray(x, _FLOAT32 if dtype is None else dtype)
        return made(lambda: empty)
    for leaf in leaves:
        if isinstance(leaf, str) or not isinstance(leaf, (bool, int, float, complex, np.ndarray, np.generic)):
            if not hasattr(leaf, "__array__"):
                raise TypeError(
                    f"{user_line()}: array got a sequence that holds a {type(leaf).__name__}, which is no "
                    "number"
                )
    if dtype is None:
        dtype = _numbers_dtype(leaves)
    try:
        with np.errstate(all="ignore"):
            host = np.asarray(x).astype(dtype) if kind_of(dtype) in "iub" else np.asarray(x, dtype)
    except ValueError as error:
        raise ValueError(f"{user_line()}: array got sequences of different lengths: {error}") from None
    return made(lambda: host)


def _numbers_dtype(leaves: Sequence[Any]) -> np.dtype[Any]:
    kinds = {type(leaf) for leaf in leaves}
    if kinds <= {bool, int, float, complex}:
        if kinds == {bool}:
            return np.dtype(bool)
        if complex in kinds:
            return default_dtype("c")
        if float in kinds:
            return _FLOAT32
    return promote(
        [
            abstractify(leaf if isinstance(leaf, (int, float, complex)) else np.asarray(leaf))
            for leaf in leaves
        ]
    )[0]


@operation
def _cast(x: ArrayLike, dtype: Any) -> Array:
    value, aval = lift(x)
    target = aval.dtype if dtype is None else dtype
    return wrap(
        convert(value, aval.dtype, target),
        AbstractValue(aval.shape, target, dtype is None and aval.weak_type),
    )


def _copied(x: Array) -> Array:
    if isinstance(x, Tracer) or current() is not None:
        return _cast(x, None)
    return Array._from_numpy(np.array(x._numpy()), x._aval)


def copy(a: ArrayLike, order: str | None = None) -> Array:
    """A copy: a new handle with data of its own.

    Example:
        >>> import mycc.numpy as mnp
        >>> x = mnp.zeros(2)
        >>> y = mnp.copy(x)
        >>> y[0] = 1.0
        >>> x
        Array([0., 0.], dtype=float32)
    """
    return array(a, copy=True, order=order)


def astype(x: ArrayLike, dtype: DTypeLike, /, *, copy: bool = False, device: Any = None) -> Array:
    """An array converted to another dtype; complex numbers lose their imaginary part.

    Args:
        x: an array of any shape.
        dtype: the dtype of the result.
        copy: whether to copy where the dtype is right already.
        device: where to put the result.

    Returns:
        An array of x's shape.
    """
    target = as_dtype(dtype, _FLOAT32)
    same = isinstance(x, Array) and x.dtype == target and not x.weak_type
    result = x if same else _cast(x, target)
    assert isinstance(result, Array)
    if same and copy:
        result = _copied(result)
    return result if device is None else result.to_device(device)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """The array of another library that supports DLPack, without a copy where memory allows.

    Args:
        x: an object with ``__dlpack__``.
        device: where to put the result; default: where the data is.
        copy: True forces a copy.

    Returns:
        An array.
    """
    from mycc.lowering import dlpack

    result = Array(dlpack.from_dlpack(x))
    if copy:
        result = _copied(result)
    return result if device is None else result.to_device(device)


# ---- Filled --------------------------------------------------------------------------------------


def full(shape: Shape, fill_value: ArrayLike, dtype: DTypeLike | None = None, *, device: Any = None) -> Array:
    """An array filled with a value.

    Args:
        shape: of the result.
        fill_value: a number, or an array that broadcasts to the shape.
        dtype: of the result; default: the value's.
        device: where to put it.

    Returns:
        The array.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.full((2,), 7)
        Array([7, 7], dtype=int32)
    """
    return _on(
        device,
        _filled("full", shape_of("full", shape), fill_value, None if dtype is None else as_dtype(dtype)),
    )


def zeros(shape: Shape, dtype: DTypeLike | None = None, *, device: Any = None) -> Array:
    """An array of zeros, float32 unless said otherwise."""
    return _on(device, _filled("zeros", shape_of("zeros", shape), 0, as_dtype(dtype, _FLOAT32)))


def ones(shape: Shape, dtype: DTypeLike | None = None, *, device: Any = None) -> Array:
    """An array of ones, float32 unless said otherwise."""
    return _on(device, _filled("ones", shape_of("ones", shape), 1, as_dtype(dtype, _FLOAT32)))


def empty(shape: Shape, dtype: DTypeLike | None = None, *, device: Any = None) -> Array:
    """An array whose numbers are of no matter: zeros."""
    return _on(device, _filled("empty", shape_of("empty", shape), 0, as_dtype(dtype, _FLOAT32)))


def full_like(
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    shape: Shape | None = None,
    *,
    device: Any = None,
) -> Array:
    """An array like another in shape and dtype, filled with a value."""
    return _on(device, _like("full_like", a, fill_value, dtype, shape))


def zeros_like(
    a: ArrayLike, dtype: DTypeLike | None = None, shape: Shape | None = None, *, device: Any = None
) -> Array:
    """Zeros in the shape and dtype of another array."""
    return _on(device, _like("zeros_like", a, 0, dtype, shape))


def ones_like(
    a: ArrayLike, dtype: DTypeLike | None = None, shape: Shape | None = None, *, device: Any = None
) -> Array:
    """Ones in the shape and dtype of another array."""
    return _on(device, _like("ones_like", a, 1, dtype, shape))


def empty_like(
    a: ArrayLike, dtype: DTypeLike | None = None, shape: Shape | None = None, *, device: Any = None
) -> Array:
    """An array in the shape and dtype of another, whose numbers are of no matter: zeros."""
    return _on(device, _like("empty_like", a, 0, dtype, shape))


def _like(
    name: str, a: ArrayLike, fill_value: ArrayLike, dtype: DTypeLike | None, shape: Shape | None
) -> Array:
    aval = abstractify(a)
    sizes = aval.shape if shape is None else shape_of(name, shape)
    weak = aval.weak_type and dtype is None
    return _filled(name, sizes, fill_value, as_dtype(dtype, aval.dtype), weak)


def _on(device: Any, x: Array) -> Array:
    return x if device is None else x.to_device(device)


def _filled(
    name: str, shape: tuple[int, ...], value: ArrayLike, dtype: Any, weak_type: bool = False
) -> Array:
    number = isinstance(value, (bool, int, float, complex, np.generic))
    if number and dtype is None:
        aval = abstractify(value)
        dtype, weak_type = aval.dtype, aval.weak_type
    if not number:
        return _spread(name, shape, value, dtype, weak_type)
    if current() is None and math.prod(shape) <= _ON_HOST:
        return made(lambda: np.full(shape, value, dtype), weak_type)
    return _splat(shape, value, dtype, weak_type)


@operation
def _splat(shape: tuple[int, ...], value: Any, dtype: Any, weak_type: bool) -> Array:
    return wrap(ops.full(tensor(shape, element_type(dtype)), value), AbstractValue(shape, dtype, weak_type))


@operation
def _spread(name: str, shape: tuple[int, ...], value: ArrayLike, dtype: Any, weak_type: bool) -> Array:
    lifted, aval = lift(value)
    target = aval.dtype if dtype is None else dtype
    try:
        fits = np.broadcast_shapes(shape, aval.shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{user_line()}: {name} got a fill value of shape {aval.shape}, which does not broadcast to "
            f"{shape}"
        )
    weak = aval.weak_type if dtype is None else weak_type
    return wrap(
        broadcast(convert(lifted, aval.dtype, target), aval.shape, shape), AbstractValue(shape, target, weak)
    )


# ---- Ranges --------------------------------------------------------------------------------------


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
            f"{user_line()}: arange with traced bounds has no static size; use start + step * arange(n) with a static n"
        ) from None
    if stop is None:
        first, end = 0, numbers[0]
    else:
        first, end = numbers[0], numbers[1]
    pace = numbers[-1] if step is not None else 1
    if pace == 0:
        raise ValueError(f"{user_line()}: arange got step=0")
    size = max(0, math.ceil((end - first) / pace))
    if current() is None and size <= _ON_HOST:
        return _on(device, made(lambda: _arange_on_host(first, pace, size, target)))
    return _on(device, _arange(first, pace, size, target))


def _arange_on_host(first: Any, pace: Any, size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    wide = (
        np.arange(size)
        if isinstance(first, int) and isinstance(pace, int)
        else np.arange(size, dtype=np.float64)
    )
    return (first + wide * pace).astype(dtype)


@operation
def _arange(first: Any, pace: Any, size: int, dtype: Any) -> Array:
    exact = isinstance(first, int) and isinstance(pace, int)
    numeric = (
        dtype
        if exact and dtype != bool
        else np.dtype(np.float32 if is_inexact(dtype) and dtype != np.float64 else np.float64)
    )
    if not exact and size <= _ON_HOST:
        value, _ = lift(_arange_on_host(first, pace, size, dtype))
        return wrap(value, AbstractValue((size,), dtype))
    value = ops.iota(tensor((size,), element_type(numeric)), 0)
    if pace != 1:
        value = ops.mul(value, ops.full_like(value, pace))
    if first != 0:
        value = ops.add(value, ops.full_like(value, first))
    return wrap(convert(value, numeric, dtype), AbstractValue((size,), dtype))


@operation
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike | None = None,
    axis: int = 0,
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

    Returns:
        The array, of the arguments' shape and a dimension of size num; with ``retstep`` also the distance.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.linspace(0, 1, 3)
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    if num < 0:
        raise ValueError(f"{user_line()}: linspace got num={num}; it cannot be negative")
    avals = [abstractify(start), abstractify(stop)]
    promoted = promote(avals)[0]
    target = as_dtype(dtype, promoted if is_inexact(promoted) else _FLOAT32)
    numeric = target if is_inexact(target) else promoted if is_inexact(promoted) else _FLOAT32
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
    return (result, wrap(step, AbstractValue(shape, numeric))) if retstep else result


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
    return result if dtype is None else _cast(result, as_dtype(dtype))


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
    result = multiply(sign(_cast(start, powers.dtype)), powers)
    return result if result.dtype == target or dtype is None else _cast(result, target)


def fromfunction(
    function: Callable[..., Any], shape: Shape, *, dtype: DTypeLike = float, **kwargs: Any
) -> Any:
    """A function applied to the coordinates of an array, one array of them for each dimension.

    Args:
        function: takes as many arrays as there are dimensions.
        shape: of the coordinate arrays.
        dtype: of the coordinate arrays.

    Returns:
        What the function returns.
    """
    from mycc.numpy.grids import indices

    return function(*indices(shape_of("fromfunction", shape), dtype), **kwargs)


def fromiter(iterable: Any, dtype: DTypeLike, count: int = -1) -> Array:
    """An array of one dimension of the numbers that an iterator gives."""
    return array(np.fromiter(iterable, as_dtype(dtype), count))
