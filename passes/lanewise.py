"""Whether an operation with a function of its own does to each element what it does to that element alone.

A loop of elementwise operations is one elementwise operation: a mask on the cotangents of its results
(`mycc.dialects.masks`) is one on those of its operands. Exported special functions are such loops, run over all
elements and chosen from where they converge; elsewhere their derivatives overflow.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from mycc.dialects.mlir import ir
from mycc.dialects.record import Flags, Functions
from mycc.dialects.rules.loop import Loop
from mycc.dialects.types import shape_of
from mycc.passes.bodies import Body
from mycc.passes.records import ELEMENTWISE
from mycc.passes.symbols import callees

__all__ = ["lanes"]

Shape: TypeAlias = tuple[int, ...]


class _Bodies(Functions, Protocol):
    def body(self, callee: str) -> Body:
        """A function's body."""

    def active_values(self, body: Body, active: Flags) -> set[ir.Value]:
        """The values of a function's body that depend differentiably on its active arguments."""


def lanes(functions: _Bodies, op: ir.Operation, operands: int, active: Flags) -> Shape | None:
    """The shape whose every element an operation treats by itself, as far as derivatives see; None if it does not.

    Args:
        functions: what the operation's functions are asked of.
        op: a call or a loop.
        operands: how many it has, captured values included.
        active: which of these depend on what is differentiated.
    """
    if op.name == "func.call":
        return _of_function(functions, callees(op)[0], active)
    if op.name == "stablehlo.while":
        loop = Loop.of(functions, op, operands)
        return _of_function(functions, loop.body, loop.activity(functions, active))
    return None


def _of_function(functions: _Bodies, callee: str, active: Flags) -> Shape | None:
    body = functions.body(callee)
    values = functions.active_values(body, active)
    shapes = {shape_of(value) for value in values}
    if len(shapes) != 1:
        return None
    shape = shapes.pop()
    for step in body.steps:
        if values.isdisjoint(step.results) or step.op.name in ELEMENTWISE:
            continue
        flags = tuple(operand in values for operand in step.operands)
        if lanes(functions, step.op, len(flags), flags) != shape:
            return None
    return shape
