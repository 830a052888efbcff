"""The `keep` pass: what is large and called from several places stays a function.

`inline` would copy it to each of its calls, so that all later passes read, simplify and cut into clusters the
same operations many times. XLA inlines the calls itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mycc.dialects.mlir import context, ir
from mycc.passes.base import Pass, option
from mycc.passes.symbols import Symbols, is_public, operations

__all__ = ["Keep"]


@dataclass(frozen=True)
class Keep(Pass):
    """Marks large functions that are called from several places with ``no_inline``, which `inline` respects."""

    name = "keep"
    min_operations: int = option(64, help="let functions of fewer operations be inlined")

    def run(self, module: ir.Module) -> None:
        """Mark each function, its size being that after inlining what is not kept."""
        symbols = Symbols(module)
        if len(symbols.functions) == 1:
            return
        order = symbols.callee_first()
        calls = Counter(callee for symbol in order for callee in symbols.callees(symbol))
        sizes: dict[str, int] = {}
        for symbol in order:
            function = symbols[symbol]
            if is_public(function):
                continue
            size = sum(1 for _ in operations(function)) + sum(
                sizes.get(c, 0) for c in symbols.callees(symbol)
            )
            if calls[symbol] < 2 or size < self.min_operations:
                sizes[symbol] = size
                continue
            function.attributes["no_inline"] = ir.UnitAttr.get(context)
            self.count("kept functions")
