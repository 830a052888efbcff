"""Data on devices: put, read back, copy, delete.

A buffer is a jaxlib ``ArrayImpl``. Everything here keeps away from those of its methods that import the jax
package behind one's back when it is installed (``_fully_replicated_shard``, ``_arrays``, slicing by shard).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mycc.dialects.errors import DeviceError
from mycc.dialects.leaving import park_if_leaving
from mycc.dialects.locations import at_line
from mycc.lowering import pjrt
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.capsules import SUB_BYTE_DTYPES, view_of_capsule
from mycc.lowering.devices import default_device, several_devices, sharding_of

__all__ = [
    "abstract",
    "block_until_ready",
    "commit",
    "copy_to_device",
    "delete",
    "device_of",
    "export_capsule",
    "host_abstract",
    "is_deleted",
    "put",
    "put_as",
    "put_at_once",
    "put_shared",
    "require_data",
    "to_numpy",
]

_COPY_NOW = pjrt.HostBufferSemantics.IMMUTABLE_ONLY_DURING_CALL
_ZERO_COPY = pjrt.HostBufferSemantics.ZERO_COPY
_SCALARS: dict[type, np.dtype[Any]] = {
    bool: np.dtype(np.bool_),
    int: np.dtype(np.int32),
    float: np.dtype(np.float32),
    complex: np.dtype(np.complex64),
}
_SCALAR_AVALS = {kind: AbstractValue((), dtype, True) for kind, dtype in _SCALARS.items()}


def put(
    x: Any,
    device: Any = None,
    *,
    committed: bool = True,
    weak_type: bool | None = None,
    may_alias: bool = False,
) -> Any:
    """Puts a NumPy array or a Python scalar on a device.

    Args:
        x: an array of any shape and a dtype that XLA knows; a Python scalar (bool, int32 or what it needs,
            float32, complex64) or a NumPy scalar, which makes a weakly typed buffer of shape ``()``.
        device: where to; the default device if not given.
        committed: whether computations must run where this buffer is.
        weak_type: overrides the weak type.
        may_alias: let the buffer share the array's memory where the platform can. The caller then promises
            never to write to the array again.

    Returns:
        An ``ArrayImpl``.

    Raises:
        TypeError: the dtype has no counterpart in XLA.
        OverflowError: a Python integer fits no integer dtype.

    Example:
        >>> to_numpy(put(np.float32([1, 2])))
        array([1., 2.], dtype=float32)
    """
    aval = host_abstract(x)
    if aval is None:
        x = np.asarray(x)
        aval = AbstractValue(x.shape, x.dtype)
    if weak_type is not None and weak_type is not aval.weak_type:
        aval = AbstractValue(aval.shape, aval.dtype, weak_type)
    return put_as(x, aval, device, committed, may_alias)


def put_as(
    x: Any, aval: AbstractValue, device: Any = None, committed: bool = True, may_alias: bool = False
) -> Any:
    """As `put`, of data whose abstract value is known: what `host_abstract` says, but for the weak type."""
    park_if_leaving()
    if type(x) is not np.ndarray:
        x = np.asarray(x, aval.dtype)
    elif not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    sharding = sharding_of(default_device() if device is None else device)
    semantics = _ZERO_COPY if may_alias else _COPY_NOW
    try:
        return pjrt.batched_device_put(
            aval, sharding, [x], [sharding._device], committed, not may_alias, semantics, True
        )
    except (TypeError, ValueError, pjrt.XlaRuntimeError) as error:
        if x.dtype.kind not in "biufc" and x.dtype.isbuiltin != 2:
            message = f"an array of dtype {x.dtype} cannot be put on a device; convert it to numbers first"
            raise TypeError(message) from error
        raise


_first: list[tuple[Any, list[Any]]] = []


def put_at_once(x: np.ndarray[Any, Any], aval: AbstractValue) -> Any:
    """As `put_as` on the default device, of an array of a native dtype of which there was a buffer before."""
    if not _first:
        device = default_device()
        _first.append((sharding_of(device), [device]))
    sharding, devices = _first[0]
    return _device_put(aval, sharding, [x], devices, True, True, _COPY_NOW, True)


_device_put = pjrt.batched_device_put

_KEPT = 256
_kept: dict[tuple[AbstractValue, int | float], Any] = {}


def put_shared(x: Any, aval: AbstractValue) -> Any:
    """As `put_as` on the default device, into a buffer that others may read; it must not be deleted or donated.

    Numbers of Python are often the same at each call, and putting one costs as much as running a small program.
    """
    # 0.0 equals -0.0.
    if type(x) not in _SHARED or not x:
        return put_as(x, aval)
    key = (aval, x)
    found = _kept.get(key)
    if found is None:
        found = put_as(x, aval)
        if len(_kept) >= _KEPT:
            _kept.clear()
        _kept[key] = found
    return found


_SHARED = frozenset({bool, int, float})


def host_abstract(x: Any) -> AbstractValue | None:
    """What `put` would make of a NumPy array or scalar or a Python scalar; None for anything else."""
    found = _SCALAR_AVALS.get(type(x))
    if found is not None:
        return found if type(x) is not int or -(2**31) <= x < 2**31 else _wide_integer(x)
    if isinstance(x, np.ndarray):
        dtype = x.dtype
        return AbstractValue(x.shape, dtype if dtype.isnative else dtype.newbyteorder("="))
    if isinstance(x, np.generic):
        return AbstractValue((), x.dtype, True)
    return None


def _wide_integer(x: int) -> AbstractValue:
    # What fits neither stays int64, and is refused when it is put.
    return AbstractValue((), np.dtype(np.uint64 if 2**63 <= x < 2**64 else np.int64), True)


def abstract(impl: Any) -> AbstractValue:
    """Shape, dtype and weak type of a buffer, also of one that the jax package made."""
    aval = impl.aval
    if type(aval) is AbstractValue:
        return aval
    return AbstractValue(tuple(aval.shape), aval.dtype, bool(aval.weak_type))


def require_data(impl: Any) -> None:
    """Refuse a buffer that is gone: the runtime would not, for one that lay on several devices.

    Raises:
        ValueError: it was deleted or donated.
    """
    if impl.is_deleted():
        raise ValueError("the array was deleted or donated to a computation and has no data any more")


def to_numpy(impl: Any) -> np.ndarray[Any, Any]:
    """The data of a buffer, once it is there: on the CPU a read-only view of it, elsewhere a copy.

    The view keeps the memory alive, also when the buffer is deleted or donated meanwhile.

    Raises:
        ValueError: the buffer was deleted or donated.
        XlaRuntimeError: the computation that was to fill it failed.
    """
    park_if_leaving()
    require_data(impl)
    if type(impl._sharding) is not pjrt.SingleDeviceSharding:
        from mycc.lowering.spread import assembled

        return assembled(impl)
    if device_of(impl).platform == "cpu":
        # The exports below would report a failed computation as one more BufferError.
        impl.block_until_ready()
        dtype = impl.aval.dtype
        if dtype.isbuiltin == 1:
            return np.asarray(memoryview(impl))
        if dtype not in SUB_BYTE_DTYPES:
            return view_of_capsule(export_capsule(impl, None))
    data, _ = impl._single_device_array_to_np_array_did_copy()
    return np.asarray(data)


def export_capsule(impl: Any, stream: int | None) -> Any:
    """A DLPack capsule of a buffer, which stays valid when the buffer is deleted.

    Raises:
        XlaRuntimeError: the dtype or the device has no DLPack counterpart.
    """
    # jaxlib aborts the process when a buffer is deleted whose capsule lives. Its clone shares the memory, and
    # nobody but the capsule knows it.
    return pjrt.buffer_to_dlpack(impl.clone(), stream)


def block_until_ready(impls: Any) -> None:
    """Waits for one buffer, or for a sequence of them, to be computed.

    Raises:
        XlaRuntimeError: a computation failed.
    """
    if isinstance(impls, Sequence):
        pjrt.batched_block_until_ready(list(impls))
    else:
        impls.block_until_ready()


def delete(impl: Any) -> None:
    """Frees a buffer's memory now, whoever else holds it."""
    impl.delete()


def is_deleted(impl: Any) -> bool:
    """Whether the buffer's memory was freed or donated."""
    return bool(impl.is_deleted())


def device_of(impl: Any) -> Any:
    """The one device that holds a buffer.

    Raises:
        DeviceError: it is spread over several devices.
    """
    held_by = impl._sharding._internal_device_list
    if len(held_by) != 1:
        shape = tuple(impl.shape)
        raise DeviceError(
            f"{at_line()}an array of shape {shape} with {impl._sharding} is spread over {len(held_by)} devices; its parts are "
            ".addressable_shards, and device_put moves it to one device"
        )
    return held_by[0]


def commit(impl: Any, device: Any) -> Any:
    """The buffer on a device where computations on it must run; the same buffer if that holds already.

    Raises:
        ValueError: it was deleted or donated, and is to be moved.
    """
    held_by = impl._sharding._internal_device_list
    # Where there is one device nothing is to be decided, and what comes from elsewhere is put there.
    if impl._committed or not several_devices or len(held_by) > 1 or held_by[0].client is not device.client:
        return copy_to_device(impl, device)
    require_data(impl)
    sharding = sharding_of(device)
    return pjrt.batched_device_put(abstract(impl), sharding, [impl], [device], True, False, _COPY_NOW, True)


def copy_to_device(impl: Any, device: Any, *, always: bool = False) -> Any:
    """The buffer on another device; the same buffer if it is there already, unless ``always``.

    Raises:
        ValueError: it was deleted or donated, and is to be moved.
    """
    sharding = sharding_of(device)
    held_by = impl._sharding._internal_device_list
    source = held_by[0]
    if len(held_by) == 1 and source is device and not always:
        return impl
    require_data(impl)
    if len(held_by) == 1 and source.client is device.client:
        semantics = pjrt.ArrayCopySemantics.ALWAYS_COPY
        return pjrt.batched_copy([impl], [sharding._internal_device_list], [sharding], [semantics])[0]
    aval = abstract(impl)
    return put(to_numpy(impl), device, weak_type=aval.weak_type)
