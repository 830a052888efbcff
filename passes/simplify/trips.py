"""Loops and branches of which the number of trips, or the way, stands in the program; what a trip need not repeat."""

from __future__ import annotations

import math

from mycc.dialects.mlir import ir
from mycc.dialects.rules.trips import counted
from mycc.passes.pattern import Op, Pattern, Rewriter
from mycc.passes.simplify.match import BROADCAST, CONSTANT, RESHAPE, splat_operand
from mycc.passes.symbols import captures, may_have_regions

__all__ = ["PATTERNS"]

_WHILE = "stablehlo.while"


class LoopOfFewTrips(Pattern):
    """A loop that never runs its body gives what it starts from; one that runs it once is the body."""

    op_names = (_WHILE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        count = counted(op.op)
        if count is None or count.trips > 1:
            return False
        test, body = (region.blocks[0] for region in op.op.regions)
        if not all(rewriter.is_pure(each.operation) for each in list(test.operations)[:-1]):
            return False
        if not count.trips:
            return rewriter.replace(op, op.operands)
        return rewriter.replace(op, lambda: _inlined(body, op, op.operands, rewriter))


class BranchOfConstant(Pattern):
    """A branch that a constant chooses takes the place of the choice."""

    op_names = ("stablehlo.case", "stablehlo.if")
    producers = (CONSTANT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number = splat_operand(op, 0)
        if number is None:
            return False
        last = len(op.op.regions) - 1
        if op.name == "stablehlo.if":
            chosen = 0 if number else 1
        else:
            # Out of range it is the last one.
            chosen = int(number) if 0 <= number <= last else last
        block = op.op.regions[chosen].blocks[0]
        return rewriter.replace(op, lambda: _inlined(block, op, [], rewriter))


def _inlined(block: ir.Block, op: Op, values: list[ir.Value], rewriter: Rewriter) -> list[ir.Value]:
    """Moves a block's operations in front of the one that holds it; returns what the block returns."""
    for argument, value in zip(block.arguments, values, strict=True):
        rewriter.replace_value(argument, value)
    *operations, end = (each.operation for each in list(block.operations))
    results = list(end.operands)
    for each in operations:
        each.move_before(op.op)
    rewriter.end(block, [])
    return results


# Not worth keeping in memory by themselves: XLA computes them where they are read.
_FREE = frozenset({CONSTANT, BROADCAST, RESHAPE, "stablehlo.iota", "stablehlo.slice", "stablehlo.pad"})
# These do much work for each element that they store.
_WORK = frozenset(
    f"stablehlo.{name}"
    for name in "cholesky convolution divide dot_general exponential fft gather log logistic power reduce "
    "reduce_window rsqrt scatter sine cosine sort sqrt tan tanh triangular_solve".split()
)
# May not run at all in the loop, or must run in each trip.
_STAY = frozenset(
    f"stablehlo.{name}" for name in "custom_call composite optimization_barrier rng while case if".split()
)


class LoopInvariantCode(Pattern):
    """What a trip computes only of what is known before the loop is computed before it.

    Not where that stores more than it reads and the work is small: a product of broadcasts is cheaper computed
    again than read.
    """

    op_names = (_WHILE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        body = op.op.regions[1].blocks[0]
        movable: dict[ir.Operation, int] = {}
        moved: dict[ir.Operation, None] = {}
        for each in list(body.operations)[:-1]:
            inner = each.operation
            name = inner.name
            if name in _STAY or name.partition(".")[0] not in ("stablehlo", "chlo"):
                continue
            values = list(inner.operands)
            if may_have_regions(name):
                values += captures(inner)
            owners = [value.owner for value in values]
            if any(owner == body for owner in owners):
                continue
            inside = [
                o.operation for o in owners if not isinstance(o, ir.Block) and o.operation.block == body
            ]
            if not all(o in movable for o in inside) or not rewriter.is_pure(inner):
                continue
            # How many elements must be read to compute it again.
            read = sum(
                movable.get(o.operation, _elements(v)) if not isinstance(o, ir.Block) else _elements(v)
                for o, v in zip(owners, values, strict=True)
            )
            if name == CONSTANT:
                read = 0
            movable[inner] = read
            if name not in _FREE and (name in _WORK or _stored(inner) <= max(read, 1)):
                _take(inner, body, moved)
        if not moved or "." in "".join(op.op.attributes):
            return False
        for each in moved:
            each.move_before(op.op)
        return rewriter.again(op)


def _take(op: ir.Operation, body: ir.Block, moved: dict[ir.Operation, None]) -> None:
    """Notes an operation of a body, after those that it needs."""
    if op in moved or op.block != body:
        return
    values = [*op.operands, *(captures(op) if may_have_regions(op.name) else ())]
    for value in values:
        if not isinstance(value.owner, ir.Block):
            _take(value.owner.operation, body, moved)
    moved[op] = None


def _elements(value: ir.Value) -> int:
    type_ = value.type
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        return 0
    return math.prod(type_.shape)


def _stored(op: ir.Operation) -> int:
    return sum(_elements(result) for result in op.results)


PATTERNS: tuple[Pattern, ...] = (LoopOfFewTrips(), BranchOfConstant(), LoopInvariantCode())
