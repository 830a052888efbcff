"""The `decompose` pass: replaces composites by calls of their decompositions."""

from __future__ import annotations

from dataclasses import dataclass

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.passes.base import Pass
from mycc.passes.symbols import Symbols

__all__ = ["Decompose"]


@dataclass(frozen=True)
class Decompose(Pass):
    """Replaces composites by calls of their decompositions, once no transform asks for their rules."""

    name = "decompose"

    def run(self, module: ir.Module) -> None:
        """Replace every composite whose decomposition is in the module."""
        symbols = Symbols(module)
        for symbol in symbols.functions:
            for op in symbols.referring(symbol):
                if op.name != "stablehlo.composite":
                    continue
                callee = op.attributes["decomposition"].value
                if callee not in symbols.functions:
                    continue
                with context, op.location, ir.InsertionPoint(op):
                    results = ops.call(callee, [r.type for r in op.results], list(op.operands))
                for old, new in zip(op.results, results, strict=True):
                    old.replace_all_uses_with(new)
                op.erase()
                self.count("composites")
