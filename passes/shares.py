"""The `shares` pass: derivatives that are taken inside of manual computations, as derivatives of the whole program.

Inside of `shard_map` the transpose of an operation on parts maps each device's cotangents on their own. That is the
transpose of the whole program if what is the same on n devices counts once: of a result that is the same, each device
takes an n-th of the cotangent, and the cotangents of an argument that is the same are summed. Which are the same is known
when all transforms are expanded. (That is what JAX's types of manual axes lead to, too.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mycc.dialects import ops, transform
from mycc.dialects.mlir import context, ir
from mycc.dialects.transform import axis_name_of, target_of
from mycc.passes.base import Pass
from mycc.passes.groups import retarget
from mycc.passes.symbols import Symbols, callees
from mycc.passes.varying import same_along

__all__ = ["Shares", "settle"]

_MARK = "mycc.mark"
_MARKED = frozenset({"mycc.share", "mycc.total"})


@dataclass(frozen=True)
class Shares(Pass):
    """Takes the shares and totals of cotangents in manual computations where values are the same on all devices."""

    name = "shares"

    def run(self, module: ir.Module) -> None:
        """Replace each, once all transforms are expanded."""
        symbols = Symbols(module)
        for what, count in settle(symbols, symbols.reachable()).items():
            self.count(what, count)
        for symbol in symbols.reachable():
            for op in [op for op in symbols.referring(symbol) if target_of(op) == _MARK]:
                with context, op.location, ir.InsertionPoint(op):
                    nothing = ops.constant(np.array(False))
                op.results[0].replace_all_uses_with(nothing)
                op.erase()


def settle(symbols: Symbols, roots: Sequence[str]) -> Counter[str]:
    """Replace the shares and totals in the manual computations of functions, and of all that these refer to.

    No transform may wait there. A transform of a manual computation has to come after that: of residuals, which it takes
    out and in, it is not known whether they are the same.

    Returns:
        how many of each kind were taken.
    """
    taken = Counter[str]()
    # What transforms refer to has been read by then.
    if f"@{_MARK}" not in symbols.names:
        return taken
    reachable = symbols.reachable(roots)
    _copy_for_each_call(symbols, reachable)
    reachable = symbols.reachable(roots)
    for op, same in same_along(symbols, reachable).items():
        taken[f"{target_of(op)}s".removeprefix("mycc.")] += same
        _replace(op, same)
    for symbol in reachable:
        symbols.forget(symbol)
    return taken


def _replace(op: ir.Operation, same: bool) -> None:
    value, axis = op.operands[0], axis_name_of(op)
    if same and axis is not None:
        with context, op.location, ir.InsertionPoint(op):
            if target_of(op) == "mycc.total":
                value = transform.collective("psum", axis, [value], [value.type])
            else:
                size = int(op.attributes["mycc.axis_size"].value)
                value = ops.mul(value, ops.full_like(value, 1 / size))
    op.results[0].replace_all_uses_with(value)
    op.erase()


def _copy_for_each_call(symbols: Symbols, reachable: Sequence[str]) -> None:
    """Give each call of a function that holds shares or totals its own copy, since their meaning depends on it."""
    among = set(reachable)
    order = [symbol for symbol in symbols.callee_first() if symbol in among]
    holds: dict[str, bool] = {}
    for symbol in order:
        holds[symbol] = any(
            target_of(op) in _MARKED or any(holds.get(callee, False) for callee in callees(op))
            for op in symbols.referring(symbol)
        )
    called: set[str] = set()
    waiting = [symbol for symbol in reversed(order) if holds[symbol]]
    while waiting:
        symbol = waiting.pop(0)
        for op in symbols.referring(symbol):
            for callee in callees(op):
                if not holds.get(callee, False):
                    continue
                if callee in called:
                    copy = symbols.duplicate(callee, callee)
                    holds[copy] = True
                    retarget(op, callee, copy)
                    waiting.append(copy)
                called.add(callee)
