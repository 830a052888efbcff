"""Buffers: what goes to a device comes back, whatever its dtype, and memory is shared where it can be."""

from __future__ import annotations

import pickle
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from mycc.lowering import buffers
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.devices import default_device, devices
from mycc.lowering.dlpack import dlpack_device, from_dlpack, to_dlpack

NATIVE = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
NATIVE += ["float16", "float32", "float64", "complex64", "complex128"]
EXTENSIONS = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "int4", "uint4", "int2"]
EXTENSIONS += ["float4_e2m1fn"]


def dtype_named(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name, name))


class Exporter:
    def __init__(self, impl: Any) -> None:
        self.impl = impl

    def __dlpack__(self, **arguments: Any) -> Any:
        return to_dlpack(self.impl, **arguments)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack_device(self.impl)


@pytest.mark.parametrize("name", NATIVE + EXTENSIONS)
@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (2, 3)])
def test_round_trip(name: str, shape: tuple[int, ...]) -> None:
    dtype = dtype_named(name)
    x = (np.arange(np.prod(shape, dtype=int)) % 2).reshape(shape).astype(dtype)
    impl = buffers.put(x)
    back = buffers.to_numpy(impl)
    assert back.dtype == dtype and back.shape == shape
    np.testing.assert_array_equal(back.astype(np.complex128), x.astype(np.complex128))
    assert buffers.abstract(impl) is AbstractValue(shape, dtype)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_view_outlives_the_buffer(name: str) -> None:
    impl = buffers.put(np.arange(64).astype(dtype_named(name)))
    view = buffers.to_numpy(impl)
    assert np.shares_memory(view.view(np.uint8), buffers.to_numpy(impl).view(np.uint8))
    assert not view.flags.writeable
    buffers.delete(impl)
    assert buffers.is_deleted(impl)
    np.testing.assert_array_equal(view.astype(float), np.arange(64.0))
    with pytest.raises(ValueError, match="deleted"):
        buffers.to_numpy(impl)


def test_put_copies_unless_told() -> None:
    x = np.zeros(1 << 12, np.float32)
    impl = buffers.put(x)
    x[:] = 1
    assert not buffers.to_numpy(impl).any()


def test_layouts_and_byte_order() -> None:
    x = np.arange(12.0).reshape(3, 4)
    for y in (np.asfortranarray(x), x.T, x[::-1, ::2], x.astype(">f8")):
        np.testing.assert_array_equal(buffers.to_numpy(buffers.put(y)), y)


@pytest.mark.parametrize(
    ("scalar", "dtype"),
    [(True, np.bool_), (3, np.int32), (2.5, np.float32), (1j, np.complex64), (np.float64(2), np.float64)],
)
def test_scalars_are_weak(scalar: Any, dtype: Any) -> None:
    impl = buffers.put(scalar)
    assert buffers.abstract(impl) is AbstractValue((), dtype, True) is buffers.host_abstract(scalar)
    assert buffers.to_numpy(impl) == scalar


def test_what_cannot_be_put() -> None:
    with pytest.raises(TypeError, match="<U1"):
        buffers.put(np.array(["a"]))
    with pytest.raises(TypeError, match="object"):
        buffers.put(np.array([object()]))
    with pytest.raises(OverflowError):
        buffers.put(1 << 70)


def test_integers_take_the_dtype_they_need() -> None:
    assert [buffers.put(n).dtype.name for n in (1, 1 << 40, -(1 << 40), 1 << 63)] == [
        "int32",
        "int64",
        "int64",
        "uint64",
    ]


def test_copies() -> None:
    impl = buffers.put(np.arange(5.0))
    assert buffers.copy_to_device(impl, default_device()) is impl
    copied = buffers.copy_to_device(impl, default_device(), always=True)
    assert not np.shares_memory(buffers.to_numpy(copied), buffers.to_numpy(impl))
    assert buffers.device_of(copied) is devices()[0]
    buffers.block_until_ready([impl, copied])
    buffers.block_until_ready(impl)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float8_e5m2", "bool", "complex64"])
def test_dlpack_both_ways(name: str) -> None:
    x = (np.arange(256) % 2).astype(dtype_named(name)).reshape(16, 16)
    impl = buffers.put(x)
    shared = from_dlpack(Exporter(impl))
    copied = from_dlpack(Exporter(impl), copy=True)
    assert buffers.abstract(shared) is AbstractValue((16, 16), x.dtype)
    ours, theirs, apart = (buffers.to_numpy(made).view(np.uint8) for made in (impl, shared, copied))
    assert np.shares_memory(ours, theirs) and not np.shares_memory(ours, apart)
    np.testing.assert_array_equal(theirs, x.view(np.uint8))
    np.testing.assert_array_equal(apart, x.view(np.uint8))


def test_dlpack_with_numpy() -> None:
    impl = buffers.put(np.arange(6.0).reshape(2, 3))
    view = np.from_dlpack(Exporter(impl))
    assert np.shares_memory(view, buffers.to_numpy(impl))
    del impl
    np.testing.assert_array_equal(view, np.arange(6.0).reshape(2, 3))
    # NumPy gives 16-byte aligned memory, XLA needs 64: whichever it is, the values come over.
    np.testing.assert_array_equal(buffers.to_numpy(from_dlpack(np.arange(6)[::2])), [0, 2, 4])
    with pytest.raises(BufferError, match="copy=False"):
        from_dlpack(np.arange(6)[::2], copy=False)
    with pytest.raises(TypeError, match="DLPack"):
        from_dlpack([1, 2])
    with pytest.raises(BufferError):
        to_dlpack(buffers.put(np.zeros(2, ml_dtypes.int4)))


def test_abstract_values() -> None:
    one, same = AbstractValue((2, 3), "float32"), AbstractValue((np.int64(2), 3), np.float32, False)
    assert one is same is pickle.loads(pickle.dumps(one))
    assert one is not AbstractValue((2, 3), "float32", True)
    assert (one.ndim, one.size, str(one)) == (2, 6, "f32[2,3]")
    with pytest.raises(AttributeError, match="immutable"):
        one.shape = (3,)
