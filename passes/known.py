"""What follows from some arguments of a function alone, so that it can be computed outside of a loop, or again."""

from __future__ import annotations

from mycc.dialects.mlir import ir
from mycc.dialects.record import Effort, Flags, Functions
from mycc.dialects.rules import RECORDS, regions
from mycc.passes.bodies import Body
from mycc.passes.effects import Effects
from mycc.passes.records import ELEMENTWISE
from mycc.passes.symbols import Symbols, callees

__all__ = ["known_results"]


def known_results(functions: Functions, symbols: Symbols, body: Body, given: Flags, by: Effort) -> Flags:
    """Which returned values of a body follow from the given arguments alone, by operations of that effort at most."""
    values = {argument for argument, flag in zip(body.arguments, given, strict=True) if flag}
    is_pure = Effects(symbols.module.operation).is_pure
    for step in body.steps:
        if step.op.name == "func.call":
            flags = tuple(operand in values for operand in step.operands)
            reached = functions.known(callees(step.op)[0], flags, by)
            values.update(r for r, flag in zip(step.results, reached, strict=True) if flag)
        elif values.issuperset(step.operands) and is_pure(step.op, step.op.name):
            if by == "any" or _is_free(step.op) or (by == "arithmetic" and _is_arithmetic(step.op)):
                values.update(step.results)
    return tuple(value in values for value in body.returned)


# A part of an array that is there anyway.
_SLICES = frozenset({"stablehlo.slice", "stablehlo.dynamic_slice"})


def _is_free(op: ir.Operation) -> bool:
    """Whether to make a result again costs no more than to keep it: views, slices, and arithmetic of indices."""
    record = RECORDS.get(op.name)
    if record is None or len(op.regions):
        return False
    indices = all(isinstance(r.type.element_type, ir.IntegerType) for r in op.results)
    return record.cheap or op.name in _SLICES or (indices and record.kind in ("pointwise", "inactive"))


_MOVES = frozenset({"stablehlo.concatenate", "stablehlo.pad"})


def _is_arithmetic(op: ir.Operation) -> bool:
    """Whether an operation is work on elements where they lie, or a reduction of them."""
    if op.name == "stablehlo.reduce":
        return len(op.results) == 1 and regions.kinds(op)[0] in regions.COMBINE
    return op.name in _MOVES or op.name in ELEMENTWISE
