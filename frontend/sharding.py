"""`mycc.sharding`: how arrays and programs are spread over devices, under JAX's names."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mycc.array import Array, Shard
from mycc.device import devices
from mycc.dialects.errors import ShardingError
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.shardings import (
    Mesh,
    NamedSharding,
    PartitionSpec,
    Sharding,
    SingleDeviceSharding,
    pieces,
)
from mycc.lowering.spread import from_shards
from mycc.mesh import get_mesh, set_mesh
from mycc.source import user_line

__all__ = [
    "AxisType",
    "Mesh",
    "NamedSharding",
    "PartitionSpec",
    "Shard",
    "Sharding",
    "SingleDeviceSharding",
    "get_mesh",
    "make_array_from_callback",
    "make_array_from_process_local_data",
    "make_mesh",
    "set_mesh",
]


class AxisType(enum.Enum):
    """Who says how arrays are spread over an axis of a mesh: XLA's partitioner, the type of each array, or a `shard_map`."""

    Auto = enum.auto()
    Explicit = enum.auto()
    Manual = enum.auto()


def make_mesh(
    axis_shapes: Sequence[int],
    axis_names: str | Sequence[str],
    axis_types: Sequence[AxisType] | None = None,
    *,
    devices: Sequence[Any] | None = None,
) -> Mesh:
    """A mesh of the first devices there are.

    Args:
        axis_shapes: the number of devices along each axis.
        axis_names: their names.
        axis_types: `AxisType.Auto` for each, which is the default too.
        devices: the devices to take; default: those of the best platform.

    Raises:
        ShardingError: there are not as many devices, or an axis is to be of another type: shardings are no part of
            arrays' types here, and `shard_map` names the axes that are manual.

    Example:
        >>> import mycc
        >>> mycc.make_mesh((1,), ("data",))
        Mesh('data': 1)
    """
    for kind in axis_types or ():
        if kind is not AxisType.Auto:
            raise ShardingError(
                f"{user_line()}: make_mesh got the axis type {kind}; the partitioner spreads arrays over every axis that no "
                "shard_map is mapped along: leave out axis_types, and say where arrays are to be with "
                "with_sharding_constraint"
            )
    shape = tuple(axis_shapes)
    known = _devices() if devices is None else list(devices)
    count = math.prod(shape)
    if count > len(known):
        raise ShardingError(
            f"{user_line()}: a mesh of shape {shape} takes {count} devices, and there are {len(known)}; on the host, "
            f"MYCC_NUM_CPU_DEVICES={count} makes as many"
        )
    chosen = np.empty(count, object)
    chosen[:] = known[:count]
    return Mesh(chosen.reshape(shape), axis_names)


_devices = devices


def make_array_from_callback(
    shape: Sequence[int],
    sharding: Sharding,
    data_callback: Callable[[tuple[slice, ...]], Any],
    dtype: Any = None,
) -> Array:
    """An array whose parts a function gives, each for the devices of this process that hold it.

    Args:
        shape: of the whole array.
        sharding: how it is spread.
        data_callback: gets which part is asked for, a slice for each dimension, and returns it.
        dtype: of the array; default: that of the parts.

    Raises:
        ShardingError: a dimension does not divide, or a part has another shape than asked for.

    Example:
        >>> import mycc, numpy as np
        >>> from mycc.sharding import NamedSharding, PartitionSpec as P
        >>> sharding = NamedSharding(mycc.make_mesh((1,), ("x",)), P("x"))
        >>> mycc.make_array_from_callback((4,), sharding, lambda index: np.arange(4.0)[index])
        Array([0., 1., 2., 3.], dtype=float64)
    """
    whole = tuple(shape)
    expected = sharding.shard_shape(whole)
    parts: dict[str, Any] = {}
    for _, index in pieces(sharding, whole):
        if str(index) not in parts:
            part = np.array(data_callback(index), dtype, order="C")
            if part.shape != expected:
                raise ShardingError(
                    f"{user_line()}: the callback of make_array_from_callback returned shape {part.shape} for {index}; the "
                    f"shards of an array of shape {whole} with {sharding} have shape {expected}"
                )
            parts[str(index)] = part
    dtypes = {part.dtype for part in parts.values()}
    if len(dtypes) > 1:
        raise ShardingError(
            f"{user_line()}: the parts of one array have dtypes {sorted(map(str, dtypes))}; give make_array_from_callback a "
            "dtype"
        )
    aval = AbstractValue(whole, dtypes.pop())
    places = list(pieces(sharding, whole))
    return Array(from_shards(aval, sharding, [parts[str(i)] for _, i in places], [d for d, _ in places]))


def make_array_from_process_local_data(
    sharding: Sharding, local_data: Any, global_shape: Sequence[int] | None = None
) -> Array:
    """An array of which each process has the part for its own devices.

    Args:
        sharding: how the whole is spread.
        local_data: the smallest block that holds what this process's devices hold.
        global_shape: the shape of the whole; default: each dimension is as many times larger as the whole has more
            parts along it than this process.

    Raises:
        ShardingError: the data is not the block of that shape.

    Example:
        >>> import mycc, numpy as np
        >>> from mycc.sharding import NamedSharding, PartitionSpec as P
        >>> sharding = NamedSharding(mycc.make_mesh((1,), ("x",)), P("x"))
        >>> mycc.make_array_from_process_local_data(sharding, np.arange(2.0))
        Array([0., 1.], dtype=float64)
    """
    data = np.asarray(local_data)
    rank = data.ndim
    if global_shape is None:
        # An array of one element a tile shows which tiles are this process's.
        tiles = sharding._to_xla_hlo_sharding(rank)
        counts = (1,) * rank if tiles.is_replicated() else tuple(tiles.tile_assignment_dimensions())[:rank]
        mine = _block(sharding, counts)
        held = [stop - start for start, stop in mine]
        if any(n % h for n, h in zip(data.shape, held, strict=True)):
            raise ShardingError(
                f"{user_line()}: data of shape {data.shape} does not divide among the {tuple(held)} tiles of this process"
            )
        whole = tuple(n // h * c for n, h, c in zip(data.shape, held, counts, strict=True))
    else:
        whole = tuple(global_shape)
    block = _block(sharding, whole)
    if data.shape != tuple(stop - start for start, stop in block):
        raise ShardingError(
            f"{user_line()}: this process holds the block {block} of an array of shape {whole}, and got data of shape "
            f"{data.shape}"
        )

    def part(index: tuple[slice, ...]) -> Any:
        return data[
            tuple(
                slice(None) if s.start is None else slice(s.start - start, s.stop - start)
                for s, (start, _) in zip(index, block, strict=True)
            )
        ]

    return make_array_from_callback(whole, sharding, part, data.dtype)


def _block(sharding: Sharding, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """The smallest block of an array that holds the parts of this process."""
    held = [index for _, index in pieces(sharding, shape)]
    bounds = []
    for d, n in enumerate(shape):
        starts = [index[d].start or 0 for index in held]
        stops = [n if index[d].stop is None else index[d].stop for index in held]
        bounds.append((min(starts), max(stops)))
    return bounds
