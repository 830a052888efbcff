"""NumPy views of the host memory that a DLPack capsule describes, for every dtype of ``ml_dtypes``."""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np

__all__ = ["SUB_BYTE_DTYPES", "view_of_capsule"]

SUB_BYTE_DTYPES = frozenset(
    np.dtype(getattr(ml_dtypes, name))
    for name in ("int2", "uint2", "int4", "uint4", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn")
    if hasattr(ml_dtypes, name)
)


class _DLDevice(ctypes.Structure):
    _fields_ = (("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32))


class _DLDataType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _DLTensor(ctypes.Structure):
    """The head of a DLManagedTensor, laid out as in DLPack's header."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", _DLDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", _DLDataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype = ctypes.c_void_p
_get_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)

# DLPack's type codes: 0 int, 1 unsigned, 2 float, 4 bfloat, 5 complex, 6 bool, then the 8-bit floats.
_DTYPES: dict[tuple[int, int], np.dtype[Any]] = {
    **{(0, bits): np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{(1, bits): np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{(2, bits): np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{(5, bits): np.dtype(f"complex{bits}") for bits in (64, 128)},
    (4, 16): np.dtype(ml_dtypes.bfloat16),
    (6, 8): np.dtype(bool),
    (7, 8): np.dtype(ml_dtypes.float8_e3m4),
    (8, 8): np.dtype(ml_dtypes.float8_e4m3),
    (9, 8): np.dtype(ml_dtypes.float8_e4m3b11fnuz),
    (10, 8): np.dtype(ml_dtypes.float8_e4m3fn),
    (11, 8): np.dtype(ml_dtypes.float8_e4m3fnuz),
    (12, 8): np.dtype(ml_dtypes.float8_e5m2),
    (13, 8): np.dtype(ml_dtypes.float8_e5m2fnuz),
    (14, 8): np.dtype(ml_dtypes.float8_e8m0fnu),
}


def view_of_capsule(capsule: Any) -> np.ndarray[Any, Any]:
    """A read-only NumPy view of the host memory in an unversioned DLPack capsule.

    The view keeps the capsule, and so its producer's memory, alive. Unlike ``numpy.from_dlpack`` it knows
    the dtypes of ``ml_dtypes``.

    Raises:
        BufferError: the tensor is not in host memory, or its dtype has no NumPy counterpart.
    """
    tensor = _DLTensor.from_address(_get_pointer(capsule, b"dltensor"))
    if tensor.device.device_type != 1:
        raise BufferError(f"a DLPack tensor on device type {tensor.device.device_type} is not in host memory")
    dtype = _DTYPES.get((tensor.dtype.code, tensor.dtype.bits))
    if dtype is None or tensor.dtype.lanes != 1:
        raise BufferError(
            f"DLPack type code {tensor.dtype.code} of {tensor.dtype.bits} bits is not supported"
        )
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    if 0 in shape:
        return _read_only(np.zeros(shape, dtype))
    strides = None
    extent = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if tensor.strides:
        strides = tuple(tensor.strides[axis] * dtype.itemsize for axis in range(tensor.ndim))
        if any(stride < 0 for stride in strides):
            raise BufferError("DLPack tensors with negative strides are not supported; copy the array first")
        extent = dtype.itemsize + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    memory = (ctypes.c_char * extent).from_address(tensor.data + tensor.byte_offset)
    # The ctypes object is the base of every view of this memory, so the capsule lives as long as they do.
    memory.capsule = capsule  # type: ignore[attr-defined]
    return _read_only(np.ndarray(shape, dtype, memoryview(memory), 0, strides))


def _read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array.flags.writeable = False
    return array
