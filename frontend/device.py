"""Where arrays are: `devices`, `device_put`, `device_get`, `block_until_ready`, and where programs run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.constraint import constrained
from mycc.dialects.errors import DeviceError, ShardingError, TreeError
from mycc.lowering import buffers, pytrees
from mycc.lowering import devices as _devices
from mycc.lowering.shardings import (
    Layout,
    Mesh,
    NamedSharding,
    PartitionSpec,
    Sharding,
    SingleDeviceSharding,
    shard_shape,
)
from mycc.lowering.spread import is_spread, put_spread, reshard
from mycc.mesh import get_mesh
from mycc.source import user_line
from mycc.trace import Tracer
from mycc.types import abstractify

__all__ = [
    "Placement",
    "block_until_ready",
    "default_backend",
    "device_count",
    "device_get",
    "device_put",
    "devices",
    "local_device_count",
    "local_devices",
    "placement",
    "process_count",
    "process_index",
]


def devices(platform: str | None = None) -> list[Any]:
    """The devices of a platform (``cpu``, ``cuda``, ``tpu``), by default of the best one there is.

    Raises:
        DeviceError: there is no such platform, or its plugin does not start.

    Example:
        >>> import mycc
        >>> mycc.devices("cpu")[0].platform
        'cpu'
    """
    return _devices.devices(platform)


def default_backend() -> str:
    """The platform on which programs run by default: the first of ``MYCC_PLATFORMS``, or the best one there is."""
    return _devices.platform_of(_devices.default_device())


def local_devices(platform: str | None = None) -> list[Any]:
    """The devices of this process, among those of a platform; see `devices`."""
    return [d for d in devices(platform) if d.process_index == d.client.process_index()]


def device_count(platform: str | None = None) -> int:
    """The number of devices of a platform, those of all processes; see `devices`."""
    return len(devices(platform))


def local_device_count(platform: str | None = None) -> int:
    """The number of devices of this process, among those of a platform; see `devices`."""
    return len(local_devices(platform))


def process_index(platform: str | None = None) -> int:
    """The number of this process among those that compute together, from 0."""
    return int(_devices.client(platform).process_index())


def process_count(platform: str | None = None) -> int:
    """The number of processes that compute together."""
    return len({d.process_index for d in devices(platform)})


def device_put(x: Any, device: Any = None) -> Any:
    """Put arrays on a device, or spread them over several.

    Args:
        x: a pytree of arrays and numbers.
        device: an element of `devices`, a platform's name, or a sharding; or a pytree of these whose structure is
            a prefix of x's. The default device if not given.

    Returns:
        The same pytree of `Array`. With a device given, computations on them run there. Inside of a program a sharding is
        asked of the partitioner, and a device means nothing: a program has its own.

    Raises:
        DeviceError: there is no such platform.
        ShardingError: a dimension does not divide among the devices that it is split over.
        TypeError: a leaf is no array or number.

    Example:
        >>> import mycc, numpy as np
        >>> mycc.device_put(np.ones(2, np.float32), mycc.devices("cpu")[0])
        Array([1., 1.], dtype=float32)
    """
    leaves, tree = pytrees.flatten(x)
    if _is_place(device):
        place = _target(_known(device))
        return tree.unflatten([_put(leaf, place) for leaf in leaves])
    places = places_of(device, x)
    return tree.unflatten([_put(leaf, _target(place)) for leaf, place in zip(leaves, places, strict=True)])


def places_of(places: Any, x: Any) -> list[Any]:
    """For each leaf of a pytree where it goes, from a pytree of places whose structure is a prefix of it.

    Raises:
        TreeError: it is no prefix.
        TypeError: a place is none.
    """
    tops, treedef = pytrees.flatten(places, _is_place)
    tops = [_known(top) for top in tops]
    try:
        below = treedef.flatten_up_to(x)
    except ValueError as error:
        raise TreeError(
            f"{user_line()}: the places {places!r} are no prefix of what goes there: {error}"
        ) from None
    return [top for top, part in zip(tops, below, strict=True) for _ in pytrees.flatten(part)[0]]


def _is_place(x: Any) -> bool:
    return x is None or isinstance(x, (str, Sharding, PartitionSpec)) or hasattr(x, "platform")


def _known(place: Any) -> Any:
    if isinstance(place, PartitionSpec):
        mesh = get_mesh()
        if mesh is None:
            raise TypeError(
                f"{user_line()}: {place!r} does not say of which mesh its axes are; write NamedSharding(mesh, {place!r}), or "
                "call mycc.set_mesh(mesh) before"
            )
        return NamedSharding(mesh, place)
    if not _is_place(place):
        raise TypeError(
            f"{user_line()}: arrays go to a device, a platform or a sharding, not to {type(place).__name__} {place!r}"
        )
    return place


def _target(place: Any) -> Any:
    """A device, or a sharding over several."""
    if isinstance(place, SingleDeviceSharding):
        (device,) = place.device_set
        return device
    return devices(place)[0] if isinstance(place, str) else place


def _put(x: Any, place: Any) -> Array:
    if isinstance(x, Tracer):
        return constrained(x, place, "device_put", even=True) if isinstance(place, NamedSharding) else x
    if isinstance(place, Sharding):
        aval = abstractify(x)
        try:
            if isinstance(x, Array):
                return Array(reshard(x._data, place))
            return Array(put_spread(np.asarray(x, aval.dtype), aval, place))
        except ShardingError as error:
            raise ShardingError(f"{user_line()}: {error}") from None
    if isinstance(x, Array):
        if place is None:
            return x
        return Array(buffers.commit(x._data, place))
    aval = abstractify(x)
    data = np.asarray(x, aval.dtype)
    return Array(buffers.put(data, place, committed=place is not None, weak_type=aval.weak_type))


def device_get(x: Any) -> Any:
    """The same pytree with NumPy arrays in the place of `Array`: on the CPU read-only views of the same memory.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.device_get({"a": mnp.arange(3)})
        {'a': array([0, 1, 2], dtype=int32)}
    """
    leaves, tree = pytrees.flatten(x)
    return tree.unflatten([np.asarray(leaf) if isinstance(leaf, Array) else leaf for leaf in leaves])


def block_until_ready(x: Any) -> Any:
    """Wait until every array of a pytree is computed, and return the pytree.

    Raises:
        XlaRuntimeError: a computation failed.
    """
    leaves, _ = pytrees.flatten(x)
    buffers.block_until_ready(
        [leaf._data for leaf in leaves if isinstance(leaf, Array) and not isinstance(leaf, Tracer)]
    )
    return x


@dataclass(frozen=True)
class Placement:
    """Where a program runs.

    Args:
        devices: one device, or those of a mesh.
        committed: whether its results must stay there because an argument was put there.
        layout: how it takes its arguments, if they are spread.
    """

    devices: tuple[Any, ...]
    committed: bool
    layout: Layout | None = None


def placement(
    leaves: Sequence[Any],
    name: str,
    given: Sequence[Any] | None = None,
    meshes: Sequence[Mesh] = (),
) -> Placement:
    """Where a program with these arguments runs: where the committed ones are, else on the default device.

    Args:
        leaves: the arguments.
        name: the program's, for errors.
        given: for each argument the sharding that it is to have, or None for the one that it has.
        meshes: those of further shardings in the program.

    Raises:
        DeviceError: arrays were put on different devices, or spread over different ones.
        ShardingError: a committed argument has another sharding than it is given.
    """
    wanted: Sequence[Any] = [None] * len(leaves) if given is None else given
    where: dict[Any, str] = {}
    spread = bool(meshes)
    for mesh in meshes:
        where.setdefault(mesh.device_list, repr(mesh))
    for x, sharding in zip(leaves, wanted, strict=True):
        if sharding is not None:
            _check_given(x, sharding, name)
            where.setdefault(sharding._internal_device_list, repr(sharding))
            spread = True
        elif _devices.several_devices and type(x) is Array and x.committed:
            spread = spread or is_spread(x._data)
            held = x._data._sharding._internal_device_list
            where.setdefault(
                held, f"{x._aval} with {x.sharding}" if is_spread(x._data) else f"{x._aval} on {x.device}"
            )
    if len(where) > 1:
        raise DeviceError(
            f"{user_line()}: {name} got arrays on different devices ({', '.join(where.values())}); move them together with "
            "device_put"
        )
    if not where:
        return Placement((_devices.default_device(),), False)
    (held,) = where
    if not spread:
        return Placement(tuple(held), True)
    found = [sharding or _named(x, held) for x, sharding in zip(leaves, wanted, strict=True)]
    known = tuple(dict.fromkeys([*meshes, *(s.mesh for s in found if s is not None)]))
    everywhere = NamedSharding(known[0], PartitionSpec())
    return Placement(tuple(held), True, Layout(known, tuple(s or everywhere for s in found)))


def _check_given(x: Any, sharding: NamedSharding, name: str) -> None:
    aval = abstractify(x)
    try:
        shard_shape(sharding, aval.shape)
    except ShardingError as error:
        raise ShardingError(f"{user_line()}: {name}: {error}") from None
    if type(x) is Array and x.committed and not sharding.is_equivalent_to(x._data._sharding, aval.ndim):
        raise ShardingError(
            f"{user_line()}: {name} was given in_shardings with {sharding} for an argument {aval} that is on the devices as "
            f"{x.sharding}; move it with device_put, or leave its sharding to be inferred (None)"
        )


def _named(x: Any, where: Any) -> NamedSharding | None:
    """How a spread array is taken by a program; None for one that goes to all devices."""
    if type(x) is not Array or not is_spread(x._data):
        return None
    sharding = x._data._sharding
    if isinstance(sharding, NamedSharding):
        return sharding
    return NamedSharding(Mesh(list(where), "devices"), PartitionSpec())
