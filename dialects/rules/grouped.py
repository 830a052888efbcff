"""Named collectives as StableHLO's own, which carry groups of devices: inside of a manual computation.

Devices are counted as the mesh has them, along its last axis first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.manual import Manual
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.rules.named import dimension_of, pairs_of
from mycc.dialects.types import tensor

__all__ = ["GROUPED", "Place"]

Value: TypeAlias = ir.Value


@dataclass(frozen=True)
class Place:
    """The manual computations around an operation.

    Args:
        mesh: the symbol of the mesh that they share.
        sizes: the name and size of each axis of the mesh.
        manual: the axes that one of them is manual over.
    """

    mesh: str
    sizes: tuple[tuple[str, int], ...]
    manual: frozenset[str]

    @property
    def axes(self) -> Mapping[str, int]:
        """The size of each axis of the mesh."""
        return dict(self.sizes)


Build = Callable[[ir.Operation, Place, str], Value]


def _groups(place: Place, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The devices that differ in their place along one axis only, a row for each group."""
    axes = place.axes
    ids = np.arange(math.prod(axes.values()), dtype=np.int64).reshape(tuple(axes.values()))
    return np.moveaxis(ids, list(axes).index(name), -1).reshape(-1, axes[name])


# Any number will do: the partitioner gives each collective one of its own.
_CHANNEL = hlo.ChannelHandle.get(1, 1, context=context)


def _among(place: Place, name: str) -> dict[str, ir.Attribute]:
    return {
        "replica_groups": ops.dense(_groups(place, name)),
        "channel_handle": _CHANNEL,
        "use_global_device_ids": ir.UnitAttr.get(),
    }


def _reduced(body: Callable[[Value, Value], Value]) -> Build:
    def build(op: ir.Operation, place: Place, name: str) -> Value:
        (x,) = op.operands
        made = ops.create("stablehlo.all_reduce", [x.type], [x], _among(place, name), regions=1)
        ops.region(made, [tensor((), ops.element_of(x))] * 2, body)
        return made.result

    return build


def _all_gather(op: ir.Operation, place: Place, name: str) -> Value:
    attributes = {**_among(place, name), "all_gather_dim": ops.i64(dimension_of(op))}
    return ops.create("stablehlo.all_gather", [op.result.type], list(op.operands), attributes).result


def _psum_scatter(op: ir.Operation, place: Place, name: str) -> Value:
    (x,) = op.operands
    attributes = {**_among(place, name), "scatter_dimension": ops.i64(dimension_of(op))}
    made = ops.create("stablehlo.reduce_scatter", [op.result.type], [x], attributes, regions=1)
    ops.region(made, [tensor((), ops.element_of(x))] * 2, ops.add)
    return made.result


def _all_to_all(op: ir.Operation, place: Place, name: str) -> Value:
    attributes = {
        "split_dimension": ops.i64(dimension_of(op, "split_dimension")),
        "concat_dimension": ops.i64(dimension_of(op, "concat_dimension")),
        "split_count": ops.i64(place.axes[name]),
        "replica_groups": ops.dense(_groups(place, name)),
        "channel_handle": _CHANNEL,
    }
    return ops.create("stablehlo.all_to_all", [op.result.type], list(op.operands), attributes).result


def _ppermute(op: ir.Operation, place: Place, name: str) -> Value:
    pairs = [(group[a], group[b]) for group in _groups(place, name) for a, b in pairs_of(op)]
    attributes = {
        "source_target_pairs": ops.dense(np.array(pairs, np.int64).reshape(-1, 2)),
        "channel_handle": _CHANNEL,
    }
    return ops.create("stablehlo.collective_permute", [op.result.type], list(op.operands), attributes).result


def _axis_index(op: ir.Operation, place: Place, name: str) -> Value:
    axes = place.axes
    names = list(axes)
    below = math.prod(axes[n] for n in names[names.index(name) + 1 :])
    scalar = op.result.type

    def index(_: list[Value]) -> list[Value]:
        unsigned = tensor((), ir.IntegerType.get_unsigned(32))
        number = ops.convert(
            ops.create("stablehlo.partition_id", [unsigned], []).result, ir.IntegerType.get_signless(32)
        )
        return [ops.rem(ops.div(number, ops.full_like(number, below)), ops.full_like(number, axes[name]))]

    # The number of a partition is known only where all axes are manual.
    rest = {n: size for n, size in axes.items() if n not in place.manual}
    return Manual(place.mesh, rest, (), ((),), True).around(index, [], [scalar])[0] if rest else index([])[0]


GROUPED: dict[str, Build] = {
    "mycc.psum": _reduced(ops.add),
    "mycc.pmax": _reduced(ops.max_),
    "mycc.pmin": _reduced(ops.min_),
    "mycc.all_gather": _all_gather,
    "mycc.psum_scatter": _psum_scatter,
    "mycc.all_to_all": _all_to_all,
    "mycc.ppermute": _ppermute,
    "mycc.axis_index": _axis_index,
}
"""For each named collective what builds its counterpart: of the operation, where it stands, and the named axis."""
