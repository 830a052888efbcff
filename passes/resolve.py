"""The `resolve` pass: removes what only the transforms need, once they are expanded."""

from __future__ import annotations

from dataclasses import dataclass

from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.transform import axis_name_of, target_of
from mycc.passes.base import Pass
from mycc.passes.symbols import Symbols

__all__ = ["Resolve"]


_MARKERS = frozenset({"mycc.stop_gradient", "mycc.checkpoint_name"})


@dataclass(frozen=True)
class Resolve(Pass):
    """Drops stop_gradient and checkpoint_name markers, and refuses named collectives that no vmap has bound."""

    name = "resolve"

    def run(self, module: ir.Module) -> None:
        """Replace each marker by its operand."""
        symbols = Symbols(module)
        # What vmap was expanded from still names its axis, and is dead.
        for symbol in symbols.reachable():
            for op in symbols.referring(symbol):
                target = target_of(op)
                if target in _MARKERS:
                    op.results[0].replace_all_uses_with(op.operands[0])
                    op.erase()
                    self.count(target.removeprefix("mycc."))
                elif (
                    target.startswith("mycc.")
                    and axis_name_of(op) is not None
                    and "called_computations" not in op.attributes
                ):
                    raise TransformError(
                        f"{describe(op.location)}: '{target}' names the axis '{axis_name_of(op)}', which no vmap around "
                        "it binds; give axis_name to the vmap, or call the function under it"
                    )
