"""Python functions of scalars as bodies of operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mycc.array import Array
from mycc.dialects.mlir import ir
from mycc.emit import operand
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame, Tracer, require_frame
from mycc.types import abstractify

__all__ = ["region_body"]


def region_body(
    name: str,
    function: Callable[[list[Array]], Any],
    arguments: Sequence[AbstractValue],
    results: Sequence[AbstractValue],
    tree: Any,
) -> Callable[..., list[ir.Value]]:
    """The body of a region, traced from a function.

    Args:
        name: of the array function, for messages.
        function: from a list of traced scalars to a pytree of scalars.
        arguments: what is known of the scalars it gets.
        results: what the scalars it returns are converted to.
        tree: the structure that its result must have.

    Raises:
        TypeError: (the body) the function returns something else, or uses a traced value from outside.
    """

    def body(*values: ir.Value) -> list[ir.Value]:
        frame = require_frame()
        # Numbers that an eager trace would take as arguments are constants here: a region takes none.
        frame.trace.eager, eager = False, frame.trace.eager
        try:
            return traced(frame, values)
        finally:
            frame.trace.eager = eager

    def traced(frame: Frame, values: tuple[ir.Value, ...]) -> list[ir.Value]:
        found = function([Tracer(frame, value, aval) for value, aval in zip(values, arguments, strict=True)])
        leaves, structure = pytrees.flatten(found)
        if structure != tree:
            raise TypeError(
                f"{user_line()}: the function given to {name} returned {structure}, expected {tree}"
            )
        returned = []
        for leaf, aval in zip(leaves, results, strict=True):
            known = abstractify(leaf)
            if known.shape or (known.dtype != aval.dtype and not known.weak_type):
                raise TypeError(
                    f"{user_line()}: the function given to {name} returned {known} where {aval} was expected"
                )
            returned.append(operand(leaf, known, (), aval.dtype))
        _check_closed(name, values[0].owner, returned)
        return returned

    return body


def _check_closed(name: str, block: ir.Block, returned: Sequence[ir.Value]) -> None:
    used = [value for op in block.operations for value in op.operands]
    for value in [*used, *returned]:
        owner = value.owner
        if (owner if isinstance(owner, ir.Block) else owner.operation.block) != block:
            raise TypeError(
                f"{user_line()}: the function given to {name} uses a traced array from outside; such a "
                "function may use its arguments and constants only"
            )
