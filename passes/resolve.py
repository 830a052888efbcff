"""The `resolve` pass: removes what only the transforms need, once they are expanded."""

from __future__ import annotations

from dataclasses import dataclass

from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.dialects.rules.composed import EXPANSIONS
from mycc.dialects.transform import axis_name_of, target_of
from mycc.passes.base import Pass
from mycc.passes.symbols import Symbols

__all__ = ["Resolve"]


_MARKERS = frozenset({"mycc.stop_gradient", "mycc.checkpoint_name"})


@dataclass(frozen=True)
class Resolve(Pass):
    """Drops markers, takes composed operations apart, and refuses named collectives that no vmap has bound."""

    name = "resolve"

    def run(self, module: ir.Module) -> None:
        """Replace each marker by its operand, each composed operation by its parts."""
        symbols = Symbols(module)
        # What vmap was expanded from still names its axis, and is dead.
        for symbol in symbols.reachable():
            for op in symbols.referring(symbol):
                target = target_of(op)
                if target in _MARKERS:
                    op.results[0].replace_all_uses_with(op.operands[0])
                    op.erase()
                    self.count(target.removeprefix("mycc."))
                elif target in EXPANSIONS:
                    with context, op.location, ir.InsertionPoint(op):
                        parts = EXPANSIONS[target](op)
                    for old, new in zip(op.results, parts, strict=True):
                        old.replace_all_uses_with(new)
                    op.erase()
                    self.count("composed operations")
                elif (
                    target.startswith("mycc.")
                    and axis_name_of(op) is not None
                    and "called_computations" not in op.attributes
                ):
                    raise TransformError(
                        f"{describe(op.location)}: '{target}' names the axis '{axis_name_of(op)}', which no vmap around "
                        "it binds; give axis_name to the vmap, or call the function under it"
                    )
