"""DLPack: a buffer's memory handed to another library, and another library's memory as a buffer.

On the CPU an import goes through a NumPy view and never through jaxlib's own import, which imports the jax
package behind one's back when it is installed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mycc.lowering import pjrt
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.buffers import copy_to_device, device_of, export_capsule, put, to_numpy
from mycc.lowering.capsules import view_of_capsule
from mycc.lowering.devices import client, default_device, sharding_of

__all__ = ["dlpack_device", "from_dlpack", "to_dlpack"]

# DLDeviceType: 1 host, 2 CUDA, 3 pinned host memory of CUDA, 10 ROCm.
_PLATFORMS = {1: "cpu", 2: "cuda", 3: "cuda", 10: "rocm"}
_TYPES = {"cpu": 1, "cuda": 2, "gpu": 2, "rocm": 10}


def dlpack_device(impl: Any) -> tuple[int, int]:
    """What ``__dlpack_device__`` returns for a buffer: (device type, device number).

    Raises:
        BufferError: DLPack has no name for the device.
    """
    device = device_of(impl)
    kind = _TYPES.get(device.platform)
    if kind is None:
        raise BufferError(
            f"DLPack cannot name the platform {device.platform!r}; copy the array to the CPU first"
        )
    return kind, int(device.local_hardware_id or 0)


def to_dlpack(
    impl: Any,
    *,
    stream: int | None = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule of a buffer, with the arguments of the protocol's ``__dlpack__``.

    Args:
        impl: the buffer.
        stream: the consumer's stream, which is made to wait for the data (CUDA; None on the CPU).
        max_version: the newest version that the consumer understands. The capsule is always unversioned,
            which every consumer must understand.
        dl_device: where the consumer wants the data.
        copy: True for a copy, False for none at any price, None for one only where it is needed.

    Returns:
        A capsule that keeps the memory alive. The memory must not be written to: mycc's arrays share it.

    Raises:
        BufferError: the dtype or the device has no DLPack counterpart, or ``copy=False`` needs a copy.
    """
    del max_version
    if impl.is_deleted():
        raise BufferError("the array was deleted or donated to a computation and has no data any more")
    here = dlpack_device(impl)
    if dl_device is not None and tuple(map(int, dl_device)) != here:
        if copy is False:
            raise BufferError(
                f"the array is on DLPack device {here}, not {dl_device}, and copy=False forbids to move it"
            )
        impl = copy_to_device(impl, _device(*dl_device))
    elif copy:
        impl = copy_to_device(impl, device_of(impl), always=True)
    try:
        return export_capsule(impl, None if stream is None or here[0] == 1 else int(stream))
    except pjrt.XlaRuntimeError as error:
        raise BufferError(f"the array cannot be exported through DLPack: {error}") from error


def from_dlpack(source: Any, *, device: Any = None, copy: bool | None = None) -> Any:
    """A buffer of another library's array, without a copy where memory and alignment allow.

    Args:
        source: an object with ``__dlpack__`` and ``__dlpack_device__``.
        device: where the buffer is to be; default: where the data are.
        copy: True for a copy, False for none at any price, None for one only where it is needed (another
            device, strides that are not those of a contiguous array, memory not aligned for XLA).

    Returns:
        An ``ArrayImpl``. Without a copy it shares the memory, which must not be written to any more.

    Raises:
        TypeError: the object does not speak DLPack.
        BufferError: its device or dtype is not supported, or ``copy=False`` needs a copy.
    """
    if not hasattr(source, "__dlpack__") or not hasattr(source, "__dlpack_device__"):
        raise TypeError(f"{type(source).__qualname__} does not speak DLPack; pass an object with __dlpack__")
    kind, number = (int(part) for part in source.__dlpack_device__())
    if kind == 1:
        return _from_host(source, device, copy)
    there = _device(kind, number)
    if device is not None and device is not there and copy is False:
        raise BufferError(f"the data are on {there}, not on {device}, and copy=False forbids to move them")
    stream = there.get_stream_for_external_ready_events()
    # Plugins know no copy on the way.
    raw = pjrt.dlpack_to_buffer(source.__dlpack__(stream=stream), there, stream, None if copy else copy)
    # jaxlib describes it by whatever sharding and aval jax has, or by none if jax is not installed.
    aval = AbstractValue(tuple(raw.shape), raw.dtype)
    made = raw._rewrap_with_aval_and_sharding(aval, sharding_of(there))
    return made if device is None and not copy else copy_to_device(made, device or there, always=bool(copy))


def _from_host(source: Any, device: Any, copy: bool | None) -> Any:
    try:
        view = np.from_dlpack(source)
    except (BufferError, RuntimeError, TypeError):
        # Most often a dtype that NumPy itself does not have, such as bfloat16.
        view = view_of_capsule(source.__dlpack__())
    target = device
    if target is None:
        best = default_device()
        target = best if best.platform == "cpu" else client("cpu").local_devices()[0]
    made = put(view, target, may_alias=copy is not True)
    if copy is False and (target.platform != "cpu" or not np.shares_memory(to_numpy(made), view)):
        raise BufferError(
            "the data cannot be used without a copy (another device, strides, or memory that is not aligned "
            "to 64 bytes), and copy=False forbids one"
        )
    return made


def _device(kind: int, number: int) -> Any:
    platform = _PLATFORMS.get(int(kind))
    if platform is None:
        raise BufferError(f"DLPack device type {kind} is not supported")
    return client(platform).device_from_local_hardware_id(int(number))
