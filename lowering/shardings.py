"""How an array is spread over devices: meshes, partition specs, shardings.

Shards are found from the sharding that XLA is told: a grid of tiles, each on one device or, replicated, on several.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from mycc.dialects.errors import ShardingError
from mycc.dialects.locations import at_line
from mycc.lowering import pjrt

__all__ = [
    "Layout",
    "Mesh",
    "NamedSharding",
    "PartitionSpec",
    "Sharding",
    "SingleDeviceSharding",
    "TiledSharding",
    "device_list",
    "index_map",
    "named",
    "pieces",
    "shard_shape",
]

Index = tuple[slice, ...]


class Mesh:
    """Devices in a grid whose axes have names.

    Args:
        devices: an array of devices, or nested sequences of them, with a dimension for each name.
        axis_names: a name for each dimension, or the one name.

    Raises:
        ShardingError: the number of names is wrong, or a name or device comes twice.

    Example:
        >>> import mycc, numpy as np
        >>> mesh = mycc.sharding.Mesh(np.array(mycc.devices()[:1]), "batch")
        >>> mesh
        Mesh('batch': 1)
        >>> mesh.shape["batch"]
        1
    """

    __slots__ = ("_key", "axis_names", "device_list", "devices", "shape")

    def __init__(self, devices: Any, axis_names: str | Sequence[str]) -> None:
        grid = np.asarray(devices, dtype=object)
        names = (axis_names,) if isinstance(axis_names, str) else tuple(axis_names)
        if grid.ndim != len(names):
            raise ShardingError(
                f"{at_line()}a mesh of shape {grid.shape} takes {grid.ndim} axis names, got {len(names)}: {names}; reshape the array "
                "of devices, or name each of its dimensions"
            )
        if len(set(names)) != len(names):
            raise ShardingError(
                f"{at_line()}the axis names {names} of a mesh are not different from each other"
            )
        flat = tuple(grid.flat)
        if len(set(flat)) != len(flat) or not flat:
            raise ShardingError(
                f"{at_line()}a mesh takes devices that are different from each other, and at least one"
            )
        grid.setflags(write=False)
        self.devices = grid
        self.axis_names = names
        self.shape: Mapping[str, int] = MappingProxyType(dict(zip(names, grid.shape, strict=True)))
        self.device_list = device_list(flat)
        self._key = (flat, grid.shape, names)

    @property
    def size(self) -> int:
        """The number of devices."""
        return self.devices.size

    @property
    def axis_sizes(self) -> tuple[int, ...]:
        """The number of devices along each axis."""
        return self.devices.shape

    @property
    def key(self) -> Any:
        """What tells meshes apart."""
        return self._key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mesh) and (self is other or self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Mesh({', '.join(f'{name!r}: {size}' for name, size in self.shape.items())})"


@functools.cache
def device_list(devices: tuple[Any, ...]) -> Any:
    """The runtime's list of some devices, the same one for the same devices."""
    return pjrt.DeviceList(devices)


class PartitionSpec(tuple[Any, ...]):
    """For each dimension of an array the mesh axis over which it is split, several, or None.

    Dimensions past the last entry are not split.

    Example:
        >>> from mycc.sharding import PartitionSpec as P
        >>> P("x", None, ("y", "z"))
        PartitionSpec('x', None, ('y', 'z'))
    """

    __slots__ = ()

    def __new__(cls, *entries: Any) -> PartitionSpec:
        for entry in entries:
            names = tuple(entry) if isinstance(entry, (tuple, list)) else (entry,)
            if not all(name is None or isinstance(name, str) for name in names):
                raise ShardingError(
                    f"{at_line()}an entry of a PartitionSpec is an axis name, a tuple of axis names, or None; got {entry!r}"
                )
        return super().__new__(cls, [_entry(entry) for entry in entries])

    def __repr__(self) -> str:
        return f"PartitionSpec({', '.join(map(repr, self))})"

    def __reduce__(self) -> Any:
        return PartitionSpec, tuple(self)

    def axes(self, rank: int) -> list[tuple[str, ...]]:
        """The mesh axes of each dimension of an array of some rank."""
        entries = [() if e is None else (e,) if isinstance(e, str) else e for e in self]
        return entries + [()] * (rank - len(entries))


def _entry(entry: Any) -> Any:
    if entry is None or isinstance(entry, str):
        return entry
    names = tuple(entry)
    return None if not names else names[0] if len(names) == 1 else names


class Sharding(pjrt.Sharding):  # type: ignore[misc]
    """What all shardings tell."""

    # Properties: the jax package, once imported, puts some without setters on the class of the runtime.

    def __init__(self, devices: Any) -> None:
        super().__init__()
        self._device_list = devices

    @property
    def _internal_device_list(self) -> Any:
        return self._device_list

    @property
    def memory_kind(self) -> str | None:
        """The kind of memory on the devices."""
        kind: str | None = self._device_list.default_memory_kind
        return kind

    def _to_xla_hlo_sharding(self, rank: int) -> Any:
        raise NotImplementedError

    @property
    def device_set(self) -> set[Any]:
        """The devices."""
        return set(self._internal_device_list)

    @property
    def addressable_devices(self) -> set[Any]:
        """The devices of this process."""
        return {d for d in self._internal_device_list if d.process_index == d.client.process_index()}

    @property
    def num_devices(self) -> int:
        """The number of devices."""
        return len(self._internal_device_list)

    @property
    def is_fully_addressable(self) -> bool:
        """Whether this process has all the devices."""
        return bool(self._internal_device_list.is_fully_addressable)

    def shard_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of each device's part of an array.

        Raises:
            ShardingError: a dimension does not divide.
        """
        try:
            return shard_shape(self, tuple(shape))
        except ShardingError as error:
            raise ShardingError(f"{at_line()}{error}") from None

    def devices_indices_map(self, shape: Sequence[int]) -> dict[Any, Index]:
        """For each device the part of an array that it holds.

        Raises:
            ShardingError: a dimension does not divide.
        """
        self.shard_shape(shape)
        return dict(index_map(self, tuple(shape)))

    def addressable_devices_indices_map(self, shape: Sequence[int]) -> dict[Any, Index]:
        """As `devices_indices_map`, for the devices of this process."""
        mine = self.addressable_devices
        return {d: index for d, index in self.devices_indices_map(shape).items() if d in mine}

    def is_equivalent_to(self, other: Any, ndim: int) -> bool:
        """Whether another sharding puts the same parts of an array of some rank on the same devices."""
        same = self._internal_device_list == other._internal_device_list
        return bool(same and self._to_xla_hlo_sharding(ndim) == other._to_xla_hlo_sharding(ndim))


class SingleDeviceSharding(Sharding):
    """All of an array on one device.

    Args:
        device: the device.
    """

    is_fully_replicated = True

    def __init__(self, device: Any) -> None:
        super().__init__(device_list((device,)))

    def _to_xla_hlo_sharding(self, rank: int) -> Any:
        return pjrt.HloSharding.replicate()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SingleDeviceSharding) and self.device_set == other.device_set

    def __hash__(self) -> int:
        return hash(self._internal_device_list[0])

    def __repr__(self) -> str:
        return f"SingleDeviceSharding({self._internal_device_list[0]!r})"


class TiledSharding(Sharding):
    """What XLA chose for a result where no mesh explains it.

    Args:
        devices: the devices, in the order in which the program counts them.
        hlo: XLA's own sharding.
    """

    def __init__(self, devices: Any, hlo: Any) -> None:
        super().__init__(devices)
        self._hlo = hlo

    def _to_xla_hlo_sharding(self, rank: int) -> Any:
        return self._hlo

    @property
    def is_fully_replicated(self) -> bool:
        """Whether each device holds the whole array."""
        return bool(self._hlo.is_replicated())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TiledSharding) and self.is_equivalent_to(other, 0)

    def __hash__(self) -> int:
        return hash((self._internal_device_list, self._hlo))

    def __repr__(self) -> str:
        return f"TiledSharding({self._hlo!r})"


class NamedSharding(Sharding):
    """An array's dimensions spread over the axes of a mesh; replicated over the axes that its spec does not name.

    Args:
        mesh: the devices.
        spec: see `PartitionSpec`.

    Raises:
        ShardingError: the spec names what is no axis of the mesh, or one axis twice.

    Example:
        >>> import mycc
        >>> from mycc.sharding import NamedSharding, PartitionSpec as P
        >>> mesh = mycc.make_mesh((1,), ("x",))
        >>> NamedSharding(mesh, P("x")).shard_shape((4, 2))
        (4, 2)
    """

    def __init__(self, mesh: Mesh, spec: PartitionSpec) -> None:
        for given, kind in ((mesh, Mesh), (spec, PartitionSpec)):
            if not isinstance(given, kind):
                raise TypeError(
                    f"{at_line()}NamedSharding takes a Mesh and a PartitionSpec, got {mesh!r} and {spec!r}"
                )
        used = [name for names in spec.axes(len(spec)) for name in names]
        for name in used:
            if name not in mesh.shape:
                raise ShardingError(f"{at_line()}{spec} names {name!r}, which is no axis of {mesh}")
            if used.count(name) > 1:
                raise ShardingError(
                    f"{at_line()}{spec} splits by {name!r} twice; an axis can split one dimension"
                )
        self.mesh = mesh
        self.spec = spec
        super().__init__(mesh.device_list)
        self._key = (mesh.key, tuple(spec))
        # Every call of a compiled function asks for it.
        self._hash = hash(self._key)

    # -- what the runtime asks for --

    def _to_xla_hlo_sharding(self, rank: int) -> Any:
        return _hlo_sharding(self, rank)

    @property
    def is_fully_replicated(self) -> bool:
        """Whether each device holds the whole array."""
        return all(self.mesh.shape[name] == 1 for names in self.spec.axes(len(self.spec)) for name in names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedSharding) and (self is other or self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"NamedSharding({self.mesh!r}, {self.spec!r})"


@functools.lru_cache(maxsize=4096)
def _hlo_sharding(sharding: NamedSharding, rank: int) -> Any:
    mesh, axes = sharding.mesh, sharding.spec.axes(rank)
    if len(axes) > rank:
        raise ShardingError(f"{sharding.spec} has {len(axes)} entries, for an array of {rank} dimensions")
    if sharding.is_fully_replicated:
        return pjrt.HloSharding.replicate()
    tiles = [math.prod(mesh.shape[name] for name in names) for names in axes]
    used = [name for names in axes for name in names]
    rest = [name for name in mesh.axis_names if name not in used]
    copies = math.prod(mesh.shape[name] for name in rest)
    order = [mesh.axis_names.index(name) for name in (*used, *rest)]
    more = ([copies], [pjrt.REPLICATED]) if copies > 1 else ([], [])
    return pjrt.HloSharding.iota_tile([*tiles, *more[0]], list(mesh.axis_sizes), order, more[1])


def _tiles(sharding: Any, rank: int) -> np.ndarray[Any, Any]:
    """For each tile of an array the positions of the devices that hold it, along the last dimension."""
    hlo = sharding._to_xla_hlo_sharding(rank)
    if hlo.is_replicated():
        return np.arange(len(sharding._internal_device_list)).reshape([1] * rank + [-1])
    dims = list(hlo.tile_assignment_dimensions())
    return np.reshape(hlo.tile_assignment_devices(), [*dims[:rank], -1])


@functools.lru_cache(maxsize=4096)
def index_map(sharding: Any, shape: tuple[int, ...]) -> Mapping[Any, Index]:
    """For each device of a sharding the part of an array of some shape that it holds.

    Raises:
        ShardingError: a dimension does not divide, or the sharding is of arrays of another rank.
    """
    extents = shard_shape(sharding, shape)
    tiles = _tiles(sharding, len(shape))
    found: dict[int, Index] = {}
    for place in np.ndindex(*tiles.shape[:-1]):
        index = tuple(
            slice(None) if count == 1 else slice(i * extent, (i + 1) * extent)
            for i, count, extent in zip(place, tiles.shape[:-1], extents, strict=True)
        )
        found.update((int(position), index) for position in tiles[place])
    return MappingProxyType({device: found[i] for i, device in enumerate(sharding._internal_device_list)})


@functools.lru_cache(maxsize=4096)
def shard_shape(sharding: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of each device's part of an array.

    Raises:
        ShardingError: a dimension does not divide, or the sharding is of arrays of another rank.
    """
    counts = _tiles(sharding, len(shape)).shape[:-1]
    for d, (n, count) in enumerate(zip(shape, counts, strict=True)):
        if n % count:
            raise ShardingError(
                f"dimension {d} of an array of shape {shape} has size {n}, which does not divide among the {count} devices "
                f"that {sharding} splits it over; pad it, or split another dimension"
            )
    return tuple(n // count for n, count in zip(shape, counts, strict=True))


@dataclass(frozen=True)
class Layout:
    """How a program on several devices takes its arguments.

    Args:
        meshes: the meshes that its shardings are of, all of the same devices in the same order.
        arguments: the sharding of each argument.
    """

    meshes: tuple[Mesh, ...]
    arguments: tuple[NamedSharding, ...]

    def result(self, hlo: Any, rank: int) -> Sharding:
        """The sharding of a result, from what XLA made of it."""
        for mesh in self.meshes:
            found = named(mesh, hlo, rank)
            if found is not None:
                return found
        return TiledSharding(self.meshes[0].device_list, hlo)


def named(mesh: Mesh, hlo: Any, rank: int) -> NamedSharding | None:
    """The spec by which a mesh's axes explain what XLA chose; None if they do not.

    Each dimension is split by the axes along which its tiles change, those of larger strides first.
    """
    if hlo.is_replicated():
        return NamedSharding(mesh, PartitionSpec())
    if not hlo.is_tiled():
        return None
    dims = list(hlo.tile_assignment_dimensions())
    if math.prod(dims) != mesh.size or len(dims) < rank:
        return None
    tile_of = np.empty((mesh.size, len(dims)), int)
    tile_of[np.asarray(hlo.tile_assignment_devices())] = list(np.ndindex(*dims))
    grid = tile_of.reshape(*mesh.axis_sizes, len(dims))
    entries = []
    for d in range(rank):
        strides = {}
        for axis, name in enumerate(mesh.axis_names):
            if mesh.axis_sizes[axis] > 1:
                step = np.take(grid[..., d], 1, axis).flat[0] - np.take(grid[..., d], 0, axis).flat[0]
                if step:
                    strides[name] = int(step)
        entries.append(tuple(sorted(strides, key=lambda name: -strides[name])))
    while entries and not entries[-1]:
        entries.pop()
    try:
        found = NamedSharding(mesh, PartitionSpec(*entries))
    except ShardingError:
        return None
    theirs = np.sort(np.reshape(hlo.tile_assignment_devices(), [*dims[:rank], -1]), axis=-1)
    return found if np.array_equal(np.sort(_tiles(found, rank), axis=-1), theirs) else None


def pieces(sharding: Any, shape: tuple[int, ...]) -> Iterator[tuple[Any, Index]]:
    """The devices of this process, each with the part of an array that it holds."""
    for device, index in index_map(sharding, shape).items():
        if device.process_index == device.client.process_index():
            yield device, index
