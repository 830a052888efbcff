"""Arrays made from numbers, shapes and other arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.types import element_type, tensor
from mycc.emit import broadcast, convert
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import BOOL, Shape, as_dtype, is_complex, kind_of, shape_of
from mycc.source import user_line
from mycc.trace import Tracer, current
from mycc.types import ArrayLike, DTypeLike, abstractify, default_dtype, promote

__all__ = [
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
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

_FLOAT32 = default_dtype("f")
ON_HOST = 1 << 16
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
    *,
    device: Any = None,
) -> Array:
    """An array of numbers, of nested lists of numbers and arrays, or of another array.

    Args:
        object: an array-like, an object with ``__array__`` or ``__dlpack__``, or a nested sequence of these.
        dtype: of the result; default: that of the data (float32, int32 or complex64 for Python numbers).
        copy: whether the result may share memory with ``object``.
        order: must be None or "C", "K", "A": there is one memory order.
        ndmin: the least number of dimensions of the result, added at the front.
        device: where to put it.

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
    return on_device(device, result)


def asarray(
    a: Any,
    dtype: DTypeLike | None = None,
    order: str | None = None,
    *,
    copy: bool | None = None,
    device: Any = None,
) -> Array:
    """An array of ``a``: the array itself where it is one of the right dtype; see `array`.

    Raises:
        ValueError: ``copy=False``, and ``a`` is no such array.
    """
    result = array(a, dtype, bool(copy), order, device=device)
    if copy is False and result is not a:
        raise ValueError(
            f"{user_line()}: asarray of a {type(a).__name__} copies it to the device or to another dtype; "
            "drop copy=False"
        )
    return result


def _converted(x: Any, dtype: np.dtype[Any] | None) -> Array:
    if isinstance(x, Array):
        return x if dtype is None or (dtype == x.dtype and not x.weak_type) else cast(x, dtype)
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
    host = x if dtype is None or dtype == x.dtype else _host_cast(x, dtype)
    abstractify(host)
    return made(lambda: host)


def _host_cast(x: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    if is_complex(x.dtype) and not is_complex(dtype) and dtype != BOOL:
        x = x.real
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def _of_sequence(x: Sequence[Any], dtype: np.dtype[Any] | None) -> Array:
    leaves = [leaf for leaf in pytrees.flatten(x)[0] if leaf is not None]
    if any(isinstance(leaf, Array) for leaf in leaves):
        from mycc.numpy.joining import stack

        if dtype is None:
            dtype, _ = promote([abstractify(leaf) for leaf in leaves])
        return stack([_converted(part, dtype) for part in x])
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
def cast(x: ArrayLike, dtype: Any) -> Array:
    value, aval = lift(x)
    target = aval.dtype if dtype is None else dtype
    return wrap(
        convert(value, aval.dtype, target),
        AbstractValue(aval.shape, target, dtype is None and aval.weak_type),
    )


def _copied(x: Array) -> Array:
    if isinstance(x, Tracer) or current() is not None:
        return cast(x, None)
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
    result = x if same else cast(x, target)
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
        >>> mnp.full((2,), 7, mnp.int8)
        Array([7, 7], dtype=int8)
    """
    return on_device(
        device,
        _filled("full", shape_of("full", shape), fill_value, None if dtype is None else as_dtype(dtype)),
    )


def zeros(shape: Shape, dtype: DTypeLike | None = None, *, device: Any = None) -> Array:
    """An array of zeros, float32 unless said otherwise."""
    return on_device(device, _filled("zeros", shape_of("zeros", shape), 0, as_dtype(dtype, _FLOAT32)))


def ones(shape: Shape, dtype: DTypeLike | None = None, *, device: Any = None) -> Array:
    """An array of ones, float32 unless said otherwise."""
    return on_device(device, _filled("ones", shape_of("ones", shape), 1, as_dtype(dtype, _FLOAT32)))


def empty(shape: Shape, dtype: DTypeLike | None = None, *, device: Any = None) -> Array:
    """An array whose numbers are of no matter: zeros."""
    return on_device(device, _filled("empty", shape_of("empty", shape), 0, as_dtype(dtype, _FLOAT32)))


def full_like(
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike | None = None,
    shape: Shape | None = None,
    *,
    device: Any = None,
) -> Array:
    """An array like another in shape and dtype, filled with a value."""
    return on_device(device, _like("full_like", a, fill_value, dtype, shape))


def zeros_like(
    a: ArrayLike, dtype: DTypeLike | None = None, shape: Shape | None = None, *, device: Any = None
) -> Array:
    """Zeros in the shape and dtype of another array."""
    return on_device(device, _like("zeros_like", a, 0, dtype, shape))


def ones_like(
    a: ArrayLike, dtype: DTypeLike | None = None, shape: Shape | None = None, *, device: Any = None
) -> Array:
    """Ones in the shape and dtype of another array."""
    return on_device(device, _like("ones_like", a, 1, dtype, shape))


def empty_like(
    a: ArrayLike, dtype: DTypeLike | None = None, shape: Shape | None = None, *, device: Any = None
) -> Array:
    """An array in the shape and dtype of another, whose numbers are of no matter: zeros."""
    return on_device(device, _like("empty_like", a, 0, dtype, shape))


def _like(
    name: str, a: ArrayLike, fill_value: ArrayLike, dtype: DTypeLike | None, shape: Shape | None
) -> Array:
    aval = abstractify(a)
    sizes = aval.shape if shape is None else shape_of(name, shape)
    weak = aval.weak_type and dtype is None
    return _filled(name, sizes, fill_value, as_dtype(dtype, aval.dtype), weak)


def on_device(device: Any, x: Array) -> Array:
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
    if current() is None and math.prod(shape) <= ON_HOST:
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
