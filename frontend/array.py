"""`Array`: a handle on an array in device memory.

A handle can be assigned to (``x[i] = v`` gives it new data); every transform and every compiled call takes
the data that a handle has at entry. Operators and methods are the functions of `mycc.numpy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from mycc.lowering import buffers, dlpack
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.shardings import Sharding, SingleDeviceSharding
from mycc.lowering.spread import copies_before, shards
from mycc.source import user_line

__all__ = ["Array", "Shard"]

R = TypeVar("R")


@dataclass(frozen=True)
class Shard:
    """The part of an array that a device holds.

    Args:
        device: the device.
        index: which part of the whole it is, a slice for each dimension.
        data: the part, on that device.
        replica_id: how many devices before it hold the same part.
    """

    device: Any
    index: tuple[slice, ...]
    data: Array
    replica_id: int = 0


def _method(name: str) -> Callable[..., Array]:
    def method(self: Array, *args: Any, **kwargs: Any) -> Any:
        return getattr(_numpy, name)(self, *args, **kwargs)

    method.__name__ = name
    method.__qualname__ = f"Array.{name}"
    method.__doc__ = f"As `mycc.numpy.{name}` of this array."
    return method


class Array:
    """An array on a device, or, inside a trace, what stands for one (see `mycc.trace.Tracer`).

    Made by the functions of `mycc.numpy` and by `mycc.device_put`, not by calling the class.

    Example:
        >>> import mycc.numpy as mnp
        >>> x = mnp.arange(4.0)
        >>> x[1] = 10.0
        >>> x
        Array([ 0., 10.,  2.,  3.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_data")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: Any) -> None:
        self._data = data

    @staticmethod
    def _from_numpy(x: Any, aval: AbstractValue | None = None) -> Array:
        """An uncommitted array of a NumPy array or scalar, with the dtype and weak type of ``aval`` if given."""
        if aval is None:
            return Array(buffers.put(x, committed=False))
        return Array(buffers.put(np.asarray(x, aval.dtype), committed=False, weak_type=aval.weak_type))

    # -- what is known without its numbers --

    @property
    def _aval(self) -> AbstractValue:
        return buffers.abstract(self._data)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dimension."""
        return self._aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._aval.dtype

    @property
    def weak_type(self) -> bool:
        """Whether the dtype yields to that of another operand, as a Python scalar's does."""
        return self._aval.weak_type

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._aval.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._aval.size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    @property
    def device(self) -> Any:
        """The device that holds the data."""
        return buffers.device_of(self._concrete("device")._data)

    @property
    def sharding(self) -> Sharding:
        """How the data is spread over devices."""
        held = self._concrete("sharding")._data._sharding
        return held if isinstance(held, Sharding) else SingleDeviceSharding(held._internal_device_list[0])

    def devices(self) -> set[Any]:
        """The devices that hold the data."""
        return self.sharding.device_set

    @property
    def is_fully_replicated(self) -> bool:
        """Whether each of its devices holds the whole array."""
        return bool(self.sharding.is_fully_replicated)

    @property
    def is_fully_addressable(self) -> bool:
        """Whether all its devices are this process's."""
        return self.sharding.is_fully_addressable

    @property
    def addressable_shards(self) -> list[Shard]:
        """The parts that devices of this process hold."""
        impl = self._concrete("addressable_shards")._data
        return [
            Shard(device, index, Array(data), copies)
            for (device, index, data), copies in zip(shards(impl), copies_before(impl), strict=True)
        ]

    @property
    def committed(self) -> bool:
        """Whether computations must run on the device that holds the data."""
        return bool(self._concrete("committed")._data._committed)

    # -- its numbers --

    def _concrete(self, what: str) -> Array:
        """This array with known numbers; for a traced one an error that says what asked for them."""
        return self

    def _numpy(self) -> np.ndarray[Any, Any]:
        return buffers.to_numpy(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        data = self._concrete("conversion to a NumPy array")._numpy()
        if dtype is not None and data.dtype != dtype:
            if copy is False:
                raise ValueError(
                    f"a conversion from {data.dtype} to {np.dtype(dtype)} copies; drop copy=False"
                )
            return data.astype(dtype)
        return data.copy() if copy else data

    def item(self, *index: int) -> Any:
        """The number as a Python scalar; of a larger array, the one at an index.

        Raises:
            ValueError: the array has several elements and no index is given.
        """
        return self._concrete("item()")._numpy().item(*index)

    def tolist(self) -> Any:
        """The numbers as nested Python lists."""
        return self._concrete("tolist()")._numpy().tolist()

    def __bool__(self) -> bool:
        return bool(self._concrete("bool(), as in `if` and `while`,")._numpy())

    def __int__(self) -> int:
        return int(self._scalar("int()"))

    def __index__(self) -> int:
        value = self._scalar("use as an index or a shape")
        if self.dtype.kind not in "iu":
            raise TypeError(
                f"{user_line()}: only integer scalars can be an index, got an array of dtype {self.dtype}"
            )
        return int(value)

    def __float__(self) -> float:
        return float(self._scalar("float()"))

    def __complex__(self) -> complex:
        return complex(self._scalar("complex()"))

    def _scalar(self, what: str) -> np.ndarray[Any, Any]:
        data = self._concrete(what)._numpy()
        if data.size != 1:
            raise TypeError(
                f"{user_line()}: only arrays of one element convert to a scalar, this one has shape "
                f"{data.shape}"
            )
        return data.reshape(())

    def __format__(self, spec: str) -> str:
        if self.ndim == 0:
            return format(self._concrete("format()")._numpy()[()], spec)
        return format(str(self), spec)

    def __repr__(self) -> str:
        data = self._numpy()
        text = np.array2string(data, separator=", ", prefix="Array(")
        shape = "" if data.size else f", shape={data.shape}"
        weak = ", weak_type=True" if self.weak_type else ""
        return f"Array({text}{shape}, dtype={data.dtype}{weak})"

    def __str__(self) -> str:
        return str(self._concrete("printing")._numpy())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(
                f"{user_line()}: len() of an array without dimensions; x.size is its number of elements"
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        if not self.shape:
            raise TypeError(
                f"{user_line()}: iteration over an array without dimensions; x.item() is its number"
            )
        return iter(_numpy.unstack(self))

    def __contains__(self, value: Any) -> bool:
        return bool(_numpy.any(_numpy.equal(self, value)))

    # -- data --

    def block_until_ready(self) -> Array:
        """Wait until the data is computed, and return this array."""
        buffers.block_until_ready(self._concrete("block_until_ready()")._data)
        return self

    def delete(self) -> None:
        """Free the memory now."""
        buffers.delete(self._concrete("delete()")._data)

    def is_deleted(self) -> bool:
        """Whether the memory was freed or donated."""
        return buffers.is_deleted(self._concrete("is_deleted()")._data)

    def to_device(self, device: Any, /, *, stream: None = None) -> Array:
        """A copy on another device; this array if it is there already."""
        return Array(buffers.copy_to_device(self._concrete("to_device()")._data, device))

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        impl = self._concrete("DLPack export")._data
        return dlpack.to_dlpack(impl, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.dlpack_device(self._concrete("DLPack export")._data)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return _numpy

    def __reduce__(self) -> Any:
        concrete = self._concrete("pickling")
        return Array._from_numpy, (np.array(concrete._numpy()), self._aval)

    def __copy__(self) -> Array:
        return self._same()

    def _same(self) -> Array:
        """Another handle on the same data."""
        return Array(self._data)

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        return _numpy.copy(self)

    # -- indexing --

    def __getitem__(self, index: Any) -> Array:
        return _indexing.take(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._assign(_indexing.update(self, index, value))

    def _assign(self, new: Array) -> None:
        from mycc.trace import current, leaked_assignment

        if current() is not None:
            raise leaked_assignment(self)
        self._data = new._data

    @property
    def at(self) -> Any:
        """``x.at[index].set(v)``, ``.add(v)``, ``.multiply(v)``, ``.min(v)``, ``.max(v)``, ``.get()``: a new array."""
        return _indexing.At(self)

    # -- operators --

    def __add__(self, other: Any) -> Array:
        return _binary(_numpy.add, self, other)

    def __radd__(self, other: Any) -> Array:
        return _binary(_numpy.add, other, self)

    def __sub__(self, other: Any) -> Array:
        return _binary(_numpy.subtract, self, other)

    def __rsub__(self, other: Any) -> Array:
        return _binary(_numpy.subtract, other, self)

    def __mul__(self, other: Any) -> Array:
        return _binary(_numpy.multiply, self, other)

    def __rmul__(self, other: Any) -> Array:
        return _binary(_numpy.multiply, other, self)

    def __truediv__(self, other: Any) -> Array:
        return _binary(_numpy.true_divide, self, other)

    def __rtruediv__(self, other: Any) -> Array:
        return _binary(_numpy.true_divide, other, self)

    def __floordiv__(self, other: Any) -> Array:
        return _binary(_numpy.floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Array:
        return _binary(_numpy.floor_divide, other, self)

    def __mod__(self, other: Any) -> Array:
        return _binary(_numpy.remainder, self, other)

    def __rmod__(self, other: Any) -> Array:
        return _binary(_numpy.remainder, other, self)

    def __divmod__(self, other: Any) -> tuple[Array, Array]:
        return _binary(_numpy.divmod, self, other)

    def __rdivmod__(self, other: Any) -> tuple[Array, Array]:
        return _binary(_numpy.divmod, other, self)

    def __pow__(self, other: Any) -> Array:
        return _binary(_numpy.power, self, other)

    def __rpow__(self, other: Any) -> Array:
        return _binary(_numpy.power, other, self)

    def __matmul__(self, other: Any) -> Array:
        return _binary(_numpy.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Array:
        return _binary(_numpy.matmul, other, self)

    def __and__(self, other: Any) -> Array:
        return _binary(_numpy.bitwise_and, self, other)

    def __rand__(self, other: Any) -> Array:
        return _binary(_numpy.bitwise_and, other, self)

    def __or__(self, other: Any) -> Array:
        return _binary(_numpy.bitwise_or, self, other)

    def __ror__(self, other: Any) -> Array:
        return _binary(_numpy.bitwise_or, other, self)

    def __xor__(self, other: Any) -> Array:
        return _binary(_numpy.bitwise_xor, self, other)

    def __rxor__(self, other: Any) -> Array:
        return _binary(_numpy.bitwise_xor, other, self)

    def __lshift__(self, other: Any) -> Array:
        return _binary(_numpy.left_shift, self, other)

    def __rlshift__(self, other: Any) -> Array:
        return _binary(_numpy.left_shift, other, self)

    def __rshift__(self, other: Any) -> Array:
        return _binary(_numpy.right_shift, self, other)

    def __rrshift__(self, other: Any) -> Array:
        return _binary(_numpy.right_shift, other, self)

    def __eq__(self, other: Any) -> Any:
        return _binary(_numpy.equal, self, other)

    def __ne__(self, other: Any) -> Any:
        return _binary(_numpy.not_equal, self, other)

    def __lt__(self, other: Any) -> Array:
        return _binary(_numpy.less, self, other)

    def __le__(self, other: Any) -> Array:
        return _binary(_numpy.less_equal, self, other)

    def __gt__(self, other: Any) -> Array:
        return _binary(_numpy.greater, self, other)

    def __ge__(self, other: Any) -> Array:
        return _binary(_numpy.greater_equal, self, other)

    def __neg__(self) -> Array:
        return _numpy.negative(self)

    def __pos__(self) -> Array:
        return _numpy.positive(self)

    def __abs__(self) -> Array:
        return _numpy.abs(self)

    def __invert__(self) -> Array:
        return _numpy.invert(self)

    def __round__(self, ndigits: int = 0) -> Array:
        return _numpy.round(self, ndigits)

    # -- NumPy's methods and properties --

    @property
    def T(self) -> Array:
        """The array with its dimensions in reverse order."""
        return _numpy.transpose(self)

    @property
    def mT(self) -> Array:
        """The array with its last two dimensions exchanged."""
        return _numpy.matrix_transpose(self)

    @property
    def real(self) -> Array:
        """The real part."""
        return _numpy.real(self)

    @property
    def imag(self) -> Array:
        """The imaginary part."""
        return _numpy.imag(self)

    @property
    def flat(self) -> Iterator[Array]:
        """An iterator over the elements."""
        return iter(self.ravel())

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Array:
        """As `mycc.numpy.reshape`; the shape as a tuple or as several integers."""
        return _numpy.reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)

    def transpose(self, *axes: Any) -> Array:
        """As `mycc.numpy.transpose`; the axes as a tuple or as several integers."""
        if not axes or axes == (None,):
            return _numpy.transpose(self)
        return _numpy.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)

    def view(self, dtype: Any) -> Array:
        """The bits of the elements read as another dtype; the last dimension shrinks or grows with their size."""
        return _numpy.bits.view(self, dtype)

    def flatten(self, order: str = "C") -> Array:
        """As `mycc.numpy.ravel`."""
        return _numpy.ravel(self, order)

    def astype(self, dtype: Any, copy: bool = False) -> Array:
        """The array converted to another dtype."""
        return _numpy.astype(self, dtype)

    def nonzero(self, *, size: int | None = None, fill_value: Any = None) -> tuple[Array, ...]:
        """As `mycc.numpy.nonzero` of this array."""
        return _numpy.nonzero(self, size=size, fill_value=fill_value)

    all = _method("all")
    any = _method("any")
    argmax = _method("argmax")
    argmin = _method("argmin")
    argpartition = _method("argpartition")
    argsort = _method("argsort")
    choose = _method("choose")
    clip = _method("clip")
    compress = _method("compress")
    conj = _method("conj")
    conjugate = _method("conjugate")
    copy = _method("copy")
    cumprod = _method("cumprod")
    cumsum = _method("cumsum")
    diagonal = _method("diagonal")
    dot = _method("dot")
    max = _method("max")
    mean = _method("mean")
    min = _method("min")
    partition = _method("partition")
    prod = _method("prod")
    ptp = _method("ptp")
    ravel = _method("ravel")
    repeat = _method("repeat")
    round = _method("round")
    searchsorted = _method("searchsorted")
    sort = _method("sort")
    squeeze = _method("squeeze")
    std = _method("std")
    sum = _method("sum")
    swapaxes = _method("swapaxes")
    take = _method("take")
    trace = _method("trace")
    var = _method("var")


def _binary(function: Callable[[Any, Any], R], x: Any, y: Any) -> R:
    """An operator: NotImplemented for what is no operand, so that the other side is asked."""
    other = y if isinstance(x, Array) else x
    if isinstance(other, _OPERANDS):
        return function(x, y)
    return cast(R, NotImplemented)


_OPERANDS = (Array, np.ndarray, np.generic, bool, int, float, complex)


# Operators and methods are functions of these modules, which need `Array`: they come last.
from mycc import indexing as _indexing  # noqa: E402
from mycc import numpy as _numpy  # noqa: E402
