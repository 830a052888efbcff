"""What a `stablehlo.while` tells about itself before it runs: what it leaves alone, and how often it goes round.

Exporters write counted loops in one form: a scalar integer in the carry grows by a constant, and the condition
compares it with a constant. That is looked for here, in the regions themselves, whoever wrote them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mycc.dialects.mlir import hlo, ir
from mycc.dialects.record import Flags
from mycc.dialects.types import dtype_of

__all__ = ["Count", "counted", "invariants"]

_MIRRORED = {"LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE", "NE": "NE"}


@dataclass(frozen=True, slots=True)
class Count:
    """A loop's counter.

    Args:
        position: which part of the carry it is.
        start: its first value.
        step: what it grows by.
        trips: how often the body runs.
    """

    position: int
    start: int
    step: int
    trips: int


def invariants(op: ir.Operation) -> Flags:
    """Which parts of the carry the body returns as it got them."""
    block = op.regions[1].blocks[0]
    return tuple(a == b for a, b in zip(block.arguments, _returned(block), strict=True))


def counted(op: ir.Operation) -> Count | None:
    """The counter of a loop whose number of trips stands in the program; None for any other loop."""
    test = op.regions[0].blocks[0]
    (going,) = _returned(test)
    compare = going.owner
    if isinstance(compare, ir.Block) or compare.name != "stablehlo.compare":
        return None
    direction = str(hlo.ComparisonDirectionAttr(compare.attributes["comparison_direction"]).value)
    left, right = compare.operands
    found = _count(op, left, direction, right)
    return found or _count(op, right, _MIRRORED.get(direction, ""), left)


def _count(op: ir.Operation, counter: ir.Value, direction: str, limit: ir.Value) -> Count | None:
    position = _position(op.regions[0].blocks[0], counter)
    if position is None or direction not in _MIRRORED:
        return None
    start, step, bound = _number(op.operands[position]), _step(op, position), _limit(op, limit)
    if start is None or not step or bound is None:
        return None
    distance = bound - start
    if direction in ("LE", "GE"):
        distance += 1 if direction == "LE" else -1
    if direction == "NE":
        trips = distance // step if distance % step == 0 else -1
    elif (step > 0) == (direction in ("LT", "LE")):
        trips = max(0, -(-distance // step))
    else:
        trips = 0 if distance * step <= 0 and distance * (1 if direction in ("LT", "LE") else -1) <= 0 else -1
    info = np.iinfo(dtype_of(op.operands[position].type))
    # A counter that passes the end of its type starts anew from the other one.
    if trips < 0 or not info.min <= start + trips * step <= info.max:
        return None
    return Count(position, start, step, trips)


def _step(op: ir.Operation, position: int) -> int | None:
    body = op.regions[1].blocks[0]
    update = _returned(body)[position].owner
    if isinstance(update, ir.Block) or update.name not in ("stablehlo.add", "stablehlo.subtract"):
        return None
    left, right = update.operands
    if update.name == "stablehlo.add" and right == body.arguments[position]:
        left, right = right, left
    amount = _number(right)
    if left != body.arguments[position] or amount is None:
        return None
    return amount if update.name == "stablehlo.add" else -amount


def _limit(op: ir.Operation, limit: ir.Value) -> int | None:
    position = _position(op.regions[0].blocks[0], limit)
    if position is None:
        return _number(limit)
    return _number(op.operands[position]) if invariants(op)[position] else None


def _position(block: ir.Block, value: ir.Value) -> int | None:
    return next((i for i, argument in enumerate(block.arguments) if argument == value), None)


def _returned(block: ir.Block) -> list[ir.Value]:
    return list(block.operations[len(block.operations) - 1].operands)


def _number(value: ir.Value) -> int | None:
    """The number that a scalar integer constant holds."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant":
        return None
    type_ = value.type
    if type_.rank or not isinstance(type_.element_type, ir.IntegerType) or type_.element_type.width == 1:
        return None
    return int(np.array(owner.attributes["value"]).item())
