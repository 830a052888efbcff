"""Calls of functions of a few operations, taken in.

Exporters make a function of every library call: JAX's ``where`` is one around a ``select``. A derivative is that of
its function, so what one operation should know of the next, as that a choice masks a cotangent (`mycc.dialects.masks`),
ends at the call. A function of a few operations is no program that reads better, or compiles faster, for being called.
"""

from __future__ import annotations

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.passes.symbols import Symbols, callees, is_public, operations

__all__ = ["take_in_small"]

_MAX_OPERATIONS = 5


def take_in_small(symbols: Symbols) -> int:
    """Put the operations of small private functions in the place of the calls; how many calls there were.

    Args:
        symbols: of the module, which is changed.
    """
    small = {name: symbols.block(name) for name in symbols.functions if _is_small(symbols, name)}
    calls = [
        op
        for name, function in symbols.functions.items()
        if name not in small
        for op in operations(function)
        if op.name == "func.call" and callees(op)[0] in small
    ]
    for call in calls:
        _take_in(call, small[callees(call)[0]])
    for name in symbols.functions:
        symbols.forget(name)
    for name in small.keys() - set(symbols.reachable()):
        symbols.functions.pop(name).erase()
    return len(calls)


def _is_small(symbols: Symbols, name: str) -> bool:
    function = symbols[name]
    blocks = function.regions[0].blocks
    if is_public(function) or len(blocks) != 1 or len(blocks[0].operations) > _MAX_OPERATIONS + 1:
        return False
    *body, end = (op.operation for op in blocks[0].operations)
    return end.name == "func.return" and not any(len(op.regions) or callees(op) for op in body)


def _take_in(call: ir.Operation, block: ir.Block) -> None:
    values = dict(zip(block.arguments, call.operands, strict=True))
    *body, end = (op.operation for op in block.operations)
    with context, ir.InsertionPoint(call):
        for op in body:
            with op.location:
                copy = ops.rebuild(op, [values[operand] for operand in op.operands])
            values.update(zip(op.results, copy.results, strict=True))
    for result, operand in zip(call.results, end.operands, strict=True):
        result.replace_all_uses_with(values[operand])
    call.erase()
