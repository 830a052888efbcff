"""The `groups` pass: named collectives of manual computations become those of groups of devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mycc.dialects import manual
from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.dialects.rules.grouped import GROUPED
from mycc.dialects.transform import axis_name_of, target_of
from mycc.passes.base import Pass
from mycc.passes.symbols import Symbols, callees, operations

__all__ = ["Groups"]


@dataclass(frozen=True)
class Groups(Pass):
    """Resolves named collectives in `sdy.manual_computation`, and in what is called there, by the axes of its mesh."""

    name = "groups"

    def run(self, module: ir.Module) -> None:
        """Replace each, once all transforms are expanded."""
        symbols = Symbols(module)
        axes_of: dict[str, Mapping[str, int]] = {}
        for symbol in symbols.reachable():
            for op in operations(symbols[symbol]):
                if op.name != manual.NAME:
                    continue
                try:
                    axes = manual.match(op).axes
                except ValueError as error:
                    raise TransformError(f"{describe(op.location)}: '{op.name}': {error}") from None
                self._inside(list(operations(op)), axes)
                waiting = [c for inner in operations(op) for c in callees(inner)]
                while waiting:
                    callee = waiting.pop()
                    known = axes_of.get(callee)
                    if known is not None and list(known.items()) != list(axes.items()):
                        raise TransformError(
                            f"{describe(op.location)}: @{callee} is used on meshes of different axes, "
                            f"{dict(known)} and {dict(axes)}; give each a function of its own"
                        )
                    if known is None:
                        axes_of[callee] = axes
                        waiting += symbols.callees(callee)
        for symbol, axes in axes_of.items():
            self._inside(list(operations(symbols[symbol])), axes)

    def _inside(self, found: list[ir.Operation], axes: Mapping[str, int]) -> None:
        for op in found:
            target = target_of(op)
            name = axis_name_of(op) if target in GROUPED else None
            if name is None or name not in axes:
                continue
            with context, op.location, ir.InsertionPoint(op):
                new = GROUPED[target](op, axes, name)
            op.results[0].replace_all_uses_with(new)
            op.erase()
            self.count(target.removeprefix("mycc."))
