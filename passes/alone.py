"""Communication between devices in a program that runs on one: nobody is there to hear it.

================================================  ==========================================
in groups of one device                           it becomes
================================================  ==========================================
all_reduce, all_gather, reduce_scatter,           its operands
all_to_all, collective_broadcast
collective_permute to itself                      its operand
partition_id, replica_id                          0
``sdy.manual_computation`` over whole arrays      what is in it
================================================  ==========================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir

__all__ = ["REWRITES", "is_for_one"]


def is_for_one(module: ir.Module) -> bool:
    """Whether a module was written for one device, as far as it says."""
    attributes = module.operation.attributes
    names = ("mhlo.num_partitions", "mhlo.num_replicas")
    return all(name not in attributes or attributes[name].value == 1 for name in names)


def _numbers(attribute: ir.Attribute) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The elements of a dense attribute; the bindings do not read empty ones."""
    shape = tuple(attribute.type.shape)
    return np.zeros(shape, np.int64) if 0 in shape else np.array(attribute).reshape(shape)


def _among_one(op: ir.Operation) -> Sequence[ir.Value] | None:
    """The operands of a collective whose groups are of one device each, or are all the devices that there are."""
    if [v.type for v in op.operands] != [v.type for v in op.results]:
        return None
    if "replica_groups" in op.attributes:
        groups = _numbers(op.attributes["replica_groups"])
        if groups.size and (groups >= 0).sum(1).max() > 1:
            return None
    return list(op.operands)


def _permuted(op: ir.Operation) -> Sequence[ir.Value] | None:
    pairs = _numbers(op.attributes["source_target_pairs"]).tolist()
    if pairs == [[0, 0]]:
        return list(op.operands)
    # What nobody sends to is zero.
    return None if pairs else [ops.full_like(operand, 0) for operand in op.operands]


def _number(op: ir.Operation) -> Sequence[ir.Value] | None:
    return [ops.full(op.result.type, 0)]


def _computed(op: ir.Operation) -> Sequence[ir.Value] | None:
    block = op.regions[0].blocks[0]
    *body, end = (each.operation for each in block.operations)
    whole = [a.type for a in block.arguments] == [v.type for v in op.operands]
    if not whole or [v.type for v in end.operands] != [v.type for v in op.results]:
        return None
    for argument, operand in zip(block.arguments, op.operands, strict=True):
        argument.replace_all_uses_with(operand)
    for inner in body:
        inner.move_before(op)
    return list(end.operands)


REWRITES: dict[str, Callable[[ir.Operation], Sequence[ir.Value] | None]] = {
    **dict.fromkeys(
        (
            "stablehlo.all_gather",
            "stablehlo.all_reduce",
            "stablehlo.all_to_all",
            "stablehlo.collective_broadcast",
            "stablehlo.cross-replica-sum",
            "stablehlo.reduce_scatter",
        ),
        _among_one,
    ),
    "stablehlo.collective_permute": _permuted,
    "stablehlo.partition_id": _number,
    "stablehlo.replica_id": _number,
    "sdy.manual_computation": _computed,
}
"""What gives the values that an operation has on one device; None where others take part."""
