"""Where a value comes from: followed backward through whatever hands values on as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mycc.dialects.mlir import ir

Value: TypeAlias = ir.Value
Calls: TypeAlias = tuple[ir.Operation, ...]
"""The calls that lead to the function in which a value stands, the innermost last."""

__all__ = ["Calls", "Origins", "returned"]

# Functions that call others twice, which call others twice, and so on, have more paths than anybody follows.
_FAR = 1000
# These hand on an operand whose type they do not change; a broadcast may permute dimensions of equal sizes.
_PLAIN = frozenset({"stablehlo.convert", "stablehlo.reshape"})
_PLAIN_SCALAR = _PLAIN | {"stablehlo.broadcast_in_dim"}
_CALLEES = {"func.call": "callee", "stablehlo.composite": "decomposition"}


def returned(block: ir.Block) -> list[Value]:
    """What a block's last operation returns."""
    return list(block.operations[len(block.operations) - 1].operands)


class Origins:
    """Values followed through calls, barriers, and loops and branches that leave them alone.

    Args:
        body: the body of a function of the module; without it calls are not followed.
    """

    def __init__(self, body: Callable[[str], ir.Block] | None = None) -> None:
        self._body = body
        self._returned: dict[ir.Block, list[Value]] = {}
        self._left = 0

    def follow(self, value: Value, calls: Calls = ()) -> tuple[Value, Calls]:
        """The value that another one is: an argument from outside, or what an operation computes."""
        self._left = _FAR
        return self._follow(value, calls)

    def returned(self, block: ir.Block) -> list[Value]:
        """What a block returns, read once."""
        if block not in self._returned:
            self._returned[block] = returned(block)
        return self._returned[block]

    def _follow(self, value: Value, calls: Calls) -> tuple[Value, Calls]:
        while self._left:
            self._left -= 1
            before = self._before(value, calls)
            if before is None:
                break
            value, calls = before
        return value, calls

    def _before(self, value: Value, calls: Calls) -> tuple[Value, Calls] | None:
        if isinstance(value.owner, ir.Block):
            if not calls or value.owner != self._called(calls[-1]):
                return None
            return calls[-1].operands[value.arg_number], calls[:-1]
        op, number = value.owner.operation, ir.OpResult(value).result_number
        name = op.name
        if name == "stablehlo.optimization_barrier":
            return op.operands[number], calls
        if name in _PLAIN_SCALAR and op.operands[0].type == value.type:
            return (op.operands[0], calls) if name in _PLAIN or not value.type.rank else None
        if name == "stablehlo.while":
            body = op.regions[1].blocks[0]
            kept = self._follow(self.returned(body)[number], calls) == (body.arguments[number], calls)
            return (op.operands[number], calls) if kept else None
        if name in ("stablehlo.case", "stablehlo.if"):
            first, *others = (self._follow(self.returned(r.blocks[0])[number], calls) for r in op.regions)
            return first if all(other == first for other in others) else None
        called = self._called(op)
        return None if called is None else (self.returned(called)[number], (*calls, op))

    def _called(self, op: ir.Operation) -> ir.Block | None:
        if self._body is None or op.name not in _CALLEES:
            return None
        return self._body(op.attributes[_CALLEES[op.name]].value)
