"""Named collectives as StableHLO's own, which carry groups of devices: inside of a manual computation.

Devices are counted as the mesh has them, along its last axis first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import hlo, ir
from mycc.dialects.types import tensor

__all__ = ["GROUPED"]

Value: TypeAlias = ir.Value
Axes = Mapping[str, int]


def _groups(axes: Axes, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The devices that differ in their place along one axis only, a row for each group."""
    ids = np.arange(math.prod(axes.values()), dtype=np.int64).reshape(tuple(axes.values()))
    return np.moveaxis(ids, list(axes).index(name), -1).reshape(-1, axes[name])


def _among(axes: Axes, name: str) -> dict[str, ir.Attribute]:
    return {
        "replica_groups": ops.dense(_groups(axes, name)),
        # Any number will do: the partitioner gives each collective one of its own.
        "channel_handle": hlo.ChannelHandle.get(1, 1),
        "use_global_device_ids": ir.UnitAttr.get(),
    }


def _psum(op: ir.Operation, axes: Axes, name: str) -> Value:
    (x,) = op.operands
    made = ops.create("stablehlo.all_reduce", [x.type], [x], _among(axes, name), regions=1)
    ops.region(made, [tensor((), ops.element_of(x))] * 2, ops.add)
    return made.result


def _axis_index(op: ir.Operation, axes: Axes, name: str) -> Value:
    names = list(axes)
    below = math.prod(axes[n] for n in names[names.index(name) + 1 :])
    number = ops.convert(
        ops.create("stablehlo.partition_id", [tensor((), ir.IntegerType.get_unsigned(32))], []).result,
        ir.IntegerType.get_signless(32),
    )
    return ops.rem(ops.div(number, ops.full_like(number, below)), ops.full_like(number, axes[name]))


GROUPED: dict[str, Callable[[ir.Operation, Axes, str], Value]] = {
    "mycc.psum": _psum,
    "mycc.axis_index": _axis_index,
}
"""For each named collective what builds its counterpart: of the operation, the mesh's axes, and the named one."""
