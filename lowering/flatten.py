"""Long chains of calls, taken in.

Passes, and XLA, recurse on calls. A compiler's module has a dozen functions that call each other; of longer chains the
functions are put in the place of their calls, which is linear where each is called once.
"""

from __future__ import annotations

from collections import Counter

from mycc.dialects.mlir import ir
from mycc.passes.symbols import Symbols, callees, operations

__all__ = ["can_inline", "flatten"]

_MAX_CALLS = 16
_MAX_OPERATIONS = 1_000_000


def can_inline(symbols: Symbols) -> bool:
    """Whether a module is no monster when each call is a copy of its function."""
    sizes: dict[str, int] = {}
    for symbol in symbols.callee_first():
        inside = sum(sizes.get(callee, 0) for callee in symbols.callees(symbol))
        sizes[symbol] = inside + sum(1 for _ in operations(symbols[symbol]))
    return sizes["main"] <= _MAX_OPERATIONS


def flatten(module: ir.Module) -> None:
    """Take in all calls of a module if functions call each other in chains that are long; in place.

    What would be more than a million operations stays as it is. So do functions that are no single block.

    Args:
        module: verified; no functions call each other in a circle.
    """
    symbols = Symbols(module)
    if not _is_long(symbols) or not can_inline(symbols):
        return
    uses = Counter(
        callee for name in symbols.functions for op in symbols.referring(name) for callee in callees(op)
    )
    for name in reversed(symbols.callee_first()):
        if name not in symbols.functions:
            continue
        waiting = [op for op in operations(symbols[name]) if op.name == "func.call"]
        while waiting:
            call = waiting.pop()
            callee = call.attributes["callee"].value
            if not _is_simple(symbols, callee):
                continue
            uses[callee] -= 1
            if uses[callee]:
                callee = symbols.duplicate(callee, callee)
                uses.update(symbol for op in operations(symbols[callee]) for symbol in callees(op))
            waiting += _take_in(symbols, call, callee)


def _is_long(symbols: Symbols) -> bool:
    depth: dict[str, int] = {}
    for name in symbols.callee_first():
        depth[name] = 1 + max((depth.get(callee, 0) for callee in symbols.callees(name)), default=0)
    return max(depth.values(), default=0) > _MAX_CALLS


def _is_simple(symbols: Symbols, name: str) -> bool:
    if name not in symbols.functions:
        return False
    blocks = symbols[name].regions[0].blocks
    return len(blocks) == 1 and len(blocks[0].operations) > 0 and _last(blocks[0]).name == "func.return"


def _last(block: ir.Block) -> ir.Operation:
    return block.operations[len(block.operations) - 1].operation


def _take_in(symbols: Symbols, call: ir.Operation, callee: str) -> list[ir.Operation]:
    """Move a function's operations to its one call; the calls among them."""
    block = symbols.block(callee)
    for argument, operand in zip(block.arguments, call.operands, strict=True):
        argument.replace_all_uses_with(operand)
    *body, end = [op.operation for op in block.operations]
    for op in body:
        op.move_before(call)
    for result, value in zip(call.results, end.operands, strict=True):
        result.replace_all_uses_with(value)
    call.erase()
    symbols.functions.pop(callee).erase()
    return [inner for op in body for inner in (op, *operations(op)) if inner.name == "func.call"]
