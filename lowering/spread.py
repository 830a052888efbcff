"""Arrays that lie on several devices: put, read, taken apart, spread in another way.

The runtime makes single arrays of the shards of one with `_arrays`, and asks the jax package, if it is installed, what
to call their shapes; these shards get their shapes from here.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from mycc.dialects.errors import ShardingError
from mycc.dialects.leaving import park_if_leaving
from mycc.lowering import buffers, pjrt
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.devices import sharding_of
from mycc.lowering.shardings import Layout, NamedSharding, index_map, pieces, shard_shape

__all__ = [
    "assembled",
    "copies_before",
    "donates_twice",
    "from_shards",
    "is_spread",
    "put_spread",
    "reshard",
    "shards",
]


def is_spread(impl: Any) -> bool:
    """Whether a buffer lies on several devices, or was put where another sharding than a device says."""
    return not isinstance(impl._sharding, pjrt.SingleDeviceSharding)


def put_spread(x: Any, aval: AbstractValue, sharding: Any) -> Any:
    """Puts a NumPy array on the devices of a sharding, to each its part.

    Raises:
        ShardingError: a dimension does not divide.
    """
    data = np.asarray(x, aval.dtype)
    places = list(pieces(sharding, aval.shape))
    # Copies, one for all devices that hold the same: the runtime keeps them.
    copies = {str(index): np.array(data[index], order="C") for _, index in places}
    return from_shards(aval, sharding, [copies[str(i)] for _, i in places], [device for device, _ in places])


def from_shards(aval: AbstractValue, sharding: Any, parts: Sequence[Any], devices: Sequence[Any]) -> Any:
    """A buffer of the parts that this process's devices hold.

    Args:
        aval: of the whole.
        sharding: which parts go where.
        parts: contiguous NumPy arrays that nobody writes to any more, or buffers.
        devices: where each is to be.
    """
    park_if_leaving()
    # With the other semantics the runtime throws for parts that are replicated over some of the devices.
    semantics = pjrt.HostBufferSemantics.ZERO_COPY
    return pjrt.batched_device_put(aval, sharding, list(parts), list(devices), True, False, semantics, True)


def shards(impl: Any) -> list[tuple[Any, tuple[slice, ...], Any]]:
    """For each device of this process: the device, which part of the array it holds, and that part as a buffer.

    Raises:
        ValueError: the buffer was deleted or donated.
    """
    buffers.require_data(impl)
    aval, sharding = buffers.abstract(impl), impl._sharding
    if not is_spread(impl):
        return [(buffers.device_of(impl), (slice(None),) * aval.ndim, impl)]
    part = AbstractValue(shard_shape(sharding, aval.shape), aval.dtype, aval.weak_type)
    return [
        (device, index, data._rewrap_with_aval_and_sharding(part, sharding_of(device)))
        for (device, index), data in zip(pieces(sharding, aval.shape), impl._arrays, strict=True)
    ]


def copies_before(impl: Any) -> list[int]:
    """For each of the `shards` how many devices before it hold the same part."""
    if not is_spread(impl):
        return [0]
    shape, seen = buffers.abstract(impl).shape, dict[str, int]()
    found = {}
    for device, index in index_map(impl._sharding, shape).items():
        found[device] = seen.get(str(index), 0)
        seen[str(index)] = found[device] + 1
    return [found[device] for device, _ in pieces(impl._sharding, shape)]


def assembled(impl: Any) -> np.ndarray[Any, Any]:
    """The whole of a buffer as a NumPy array.

    Raises:
        ShardingError: parts of it are on devices of other processes.
    """
    aval, sharding = buffers.abstract(impl), impl._sharding
    held = shards(impl)
    if sharding.is_fully_replicated:
        return buffers.to_numpy(held[0][2])
    if not sharding.is_fully_addressable:
        mine = len(held)
        raise ShardingError(
            f"an array of shape {aval.shape} lies on {len(sharding._internal_device_list)} devices, of which this process "
            f"has {mine}; read its own parts with .addressable_shards, or gather it first: "
            "jit(lambda x: x, out_shardings=NamedSharding(mesh, PartitionSpec()))"
        )
    whole = np.empty(aval.shape, aval.dtype)
    seen = set()
    for _, index, data in held:
        key = tuple((s.start, s.stop) for s in index)
        if key not in seen:
            seen.add(key)
            whole[index] = buffers.to_numpy(data)
    whole.setflags(write=False)
    return whole


def reshard(impl: Any, sharding: Any) -> Any:
    """The buffer with another sharding; the same buffer if it has it already.

    Between shardings of the same devices XLA moves the data, else it goes through the host.

    Raises:
        ShardingError: a dimension does not divide.
        ValueError: the buffer was deleted or donated.
    """
    buffers.require_data(impl)
    aval, old = buffers.abstract(impl), impl._sharding
    index_map(sharding, aval.shape)
    if old == sharding or (is_spread(impl) and sharding.is_equivalent_to(old, aval.ndim)):
        renamed = impl._rewrap_with_aval_and_sharding(aval, sharding)
        _renamed[id(renamed)] = renamed
        return renamed
    movable = isinstance(old, NamedSharding) and isinstance(sharding, NamedSharding)
    if movable and old._internal_device_list == sharding._internal_device_list:
        return _mover(aval, old, sharding).execute([impl])[0]
    return put_spread(buffers.to_numpy(impl), aval, sharding)


# Buffers that share their memory with others, under another name for the same sharding.
_renamed: WeakValueDictionary[int, Any] = WeakValueDictionary()


def donates_twice(arguments: Sequence[Any], donated: Sequence[int]) -> bool:
    """Whether a spread buffer that is donated is passed a second time: the runtime would crash."""
    if len(arguments) == len(set(map(id, arguments))):
        if not _renamed or not any(id(impl) in _renamed for impl in arguments):
            return False
    memory = [impl._arrays[0].unsafe_buffer_pointer() for impl in arguments]
    times = Counter(memory)
    return any(times[memory[i]] > 1 for i in donated)


@functools.lru_cache(maxsize=1024)
def _mover(aval: AbstractValue, old: Any, new: Any) -> Any:
    """The program that spreads an array in another way."""
    from mycc.lowering.compile import compile_module
    from mycc.lowering.sharded import identity

    module = identity(aval, old, new)
    layout = Layout((new.mesh,), (old,))
    return compile_module(module, devices=list(new._internal_device_list), out_avals=[aval], layout=layout)
