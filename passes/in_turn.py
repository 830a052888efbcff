"""The `lapack-in-turn` pass: stacked calls of LAPACK run one after another.

In jaxlib 0.10 and 0.11 a call for a stack of matrices shares its work out among XLA's threads and waits for them, on
one of these threads. As many such calls at once as there are threads wait for ever, and with two threads that is any
two of them. Here each call gets an operand that follows from the call before it, by a choice whose outcome XLA does
not see.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.dialects.types import shape_of
from mycc.passes.base import Pass
from mycc.passes.symbols import Symbols, called, inputs

Value: TypeAlias = ir.Value

__all__ = ["LapackInTurn"]


@dataclass(frozen=True)
class LapackInTurn(Pass):
    """Makes LAPACK's calls for stacks of matrices wait for each other, which jaxlib before 0.12 needs on the host."""

    name = "lapack-in-turn"

    def run(self, module: ir.Module) -> None:
        """Chain the calls of every function, and what holds such calls: loops, branches, functions."""
        symbols = Symbols(module)
        holders: set[str] = set()
        for symbol in symbols.callee_first():
            if self._order(symbols.block(symbol), holders):
                holders.add(symbol)

    def _order(self, block: ir.Block, holders: set[str]) -> bool:
        """Chain what is in a block and in the regions under it.

        Args:
            holders: functions with such calls.

        Returns:
            Whether there are any.
        """
        last: ir.Operation | None = None
        number = 0
        # The number of the last call that a value follows from: those before it are behind that one.
        after: dict[Value, int] = {}
        for view in list(block.operations):
            op = view.operation
            regions = [self._order(b, holders) for region in op.regions for b in region.blocks]
            following = max((after.get(value, 0) for value in inputs(op)), default=0)
            if any(regions) or _is_stacked(op) or not holders.isdisjoint(called(op)):
                if last is not None and following < number:
                    _delay(op, last)
                    self.count("calls that wait")
                last, number = op, number + 1
                following = number
            if following:
                after.update((result, following) for result in op.results)
        return last is not None


def _is_stacked(op: ir.Operation) -> bool:
    """Whether an operation calls LAPACK for a stack of matrices: for two or more of them."""
    if op.name != "stablehlo.custom_call":
        return False
    target = ir.StringAttr(op.attributes["call_target_name"]).value
    return target.startswith("lapack_") and any(prod(shape_of(x)[:-2]) > 1 for x in op.operands)


def _has_elements(x: Value) -> bool:
    return isinstance(x.type, ir.RankedTensorType) and 0 not in shape_of(x)


def _is_constant(x: Value) -> bool:
    return not isinstance(x.owner, ir.Block) and x.owner.name == "stablehlo.constant"


def _delay(op: ir.Operation, last: ir.Operation) -> None:
    """Let operands of an operation follow from another: of a call all, for XLA takes the call apart."""
    places = [i for i, x in enumerate(op.operands) if _has_elements(x)]
    results = [x for x in last.results if _has_elements(x)]
    if not places or not results:
        return
    if op.name != "func.call":
        # A loop that starts from a constant keeps it: XLA counts its trips from there.
        places = [min(places, key=lambda i: (_is_constant(op.operands[i]), prod(shape_of(op.operands[i]))))]
    with context, op.location, ir.InsertionPoint(op):
        never = _never(results)
        for i in places:
            x = op.operands[i]
            op.operands[i] = ops.select(never, ops.full_like(x, 0), x)


def _never(results: Sequence[Value]) -> Value:
    """The truth value false, as numbers less than 0 and no less."""
    total = functools.reduce(ops.add, map(_first, results))
    zero = ops.full_like(total, 0)
    return ops.and_(ops.compare("LT", total, zero), ops.compare("GE", total, zero))


def _first(x: Value) -> Value:
    """The first element, its real part, as a 32-bit float."""
    rank = len(shape_of(x))
    x = ops.reshape(ops.slice_(x, (0,) * rank, (1,) * rank), ())
    if isinstance(ops.element_of(x), ir.ComplexType):
        x = ops.real(x)
    return ops.convert(x, ir.F32Type.get(context=context))
