"""Loops: what their derivatives leave behind."""

from __future__ import annotations

from mycc.dialects.mlir import ir
from mycc.dialects.rules.trips import counted
from mycc.passes.pattern import Op, Pattern, Rewriter, static_shape
from mycc.passes.simplify.match import splat_operand

__all__ = ["PATTERNS"]

_SLICE = "stablehlo.dynamic_slice"
_UPDATE = "stablehlo.dynamic_update_slice"
_SCALING = {"stablehlo.add": 1, "stablehlo.subtract": -1}


class ClearingOfRowsReadOnce(Pattern):
    """In a counted loop, a row is not cleared after it was read if no other trip reads it and nothing does afterwards.

    Clearing keeps XLA from reading the rows where they are: it copies the whole array in each trip.
    """

    op_names = (_UPDATE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        rows = op.operand(0)
        if not isinstance(rows, ir.BlockArgument) or splat_operand(op, 1) is None:
            return False
        loop = rows.owner.owner.operation
        if loop.name != "stablehlo.while" or rows.owner != loop.regions[1].blocks[0]:
            return False
        position = rows.arg_number
        returned = list(op.result.uses)
        if len(returned) != 1 or returned[0].owner.operation.name != "stablehlo.return":
            return False
        if returned[0].operand_number != position or next(loop.results[position].uses, None) is not None:
            return False
        if next(loop.regions[0].blocks[0].arguments[position].uses, None) is not None:
            return False
        reads = [use.owner.operation for use in rows.uses if use.owner.operation != op.op]
        if not all(read.name == _SLICE and _same_window(read, op) for read in reads):
            return False
        return _visits_rows_once(loop, op) and rewriter.replace(op, rows)


def _same_window(read: ir.Operation, op: Op) -> bool:
    return list(read.operands)[1:] == op.operands[2:] and tuple(read.result.type.shape) == static_shape(
        op.operand(1)
    )


def _visits_rows_once(loop: ir.Operation, op: Op) -> bool:
    """Whether windows of different trips never overlap, and none is moved to be inside of the array."""
    count = counted(loop)
    if count is None:
        return False
    for start, size, window in zip(op.operands[2:], op.shape, static_shape(op.operand(1)), strict=True):
        found = _affine(start, loop, count.position)
        if found is None:
            continue
        scale, offset = found
        ends = [scale * (count.start + i * count.step) + offset for i in (0, max(0, count.trips - 1))]
        if abs(scale * count.step) >= window and min(ends) >= 0 and max(ends) + window <= size:
            return True
    return False


def _affine(value: ir.Value, loop: ir.Operation, position: int) -> tuple[int, int] | None:
    """The factor of a loop's counter and the number added to it that make a value of its body."""
    if value == loop.regions[1].blocks[0].arguments[position]:
        return 1, 0
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    name = owner.name
    if (
        name == "stablehlo.constant"
        and not value.type.rank
        and isinstance(value.type.element_type, ir.IntegerType)
    ):
        return 0, int(ir.DenseElementsAttr(owner.attributes["value"]).get_splat_value().value)
    if name == "stablehlo.convert" and isinstance(owner.operands[0].type.element_type, ir.IntegerType):
        return _affine(owner.operands[0], loop, position)
    if name not in _SCALING:
        return None
    left, right = (_affine(operand, loop, position) for operand in owner.operands)
    if left is None or right is None:
        return None
    sign = _SCALING[name]
    return left[0] + sign * right[0], left[1] + sign * right[1]


PATTERNS: tuple[Pattern, ...] = (ClearingOfRowsReadOnce(),)
