"""The `groups` pass: named collectives of manual computations become those of groups of devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mycc.dialects import composites, manual
from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.dialects.rules.grouped import GROUPED, Place
from mycc.dialects.shardy import mesh_axes
from mycc.dialects.transform import axis_name_of, target_of
from mycc.passes.base import Pass
from mycc.passes.symbols import Symbols, callees, is_public, may_have_regions, operations

__all__ = ["Groups", "retarget"]


@dataclass(frozen=True)
class Groups(Pass):
    """Resolves named collectives in `sdy.manual_computation`, and in what is called there, by the axes of its mesh."""

    name = "groups"

    def run(self, module: ir.Module) -> None:
        """Replace each, once all transforms are expanded."""
        symbols = Symbols(module)
        places = _Places(symbols)
        names = {
            (symbol, place): symbol if n == 0 else symbols.duplicate(symbol, symbol)
            for symbol, found in places.of.items()
            for n, place in enumerate(found)
        }
        for (_, place), name in names.items():
            for op, here in list(_placed(symbols.block(name), place)):
                for callee in callees(op):
                    new = names.get((callee, here), callee)
                    if new != callee:
                        retarget(op, callee, new)
                target = target_of(op)
                axis = axis_name_of(op) if target in GROUPED else None
                if here is None or axis is None or axis not in here.manual:
                    continue
                with context, op.location, ir.InsertionPoint(op):
                    value = GROUPED[target](op, here, axis)
                op.results[0].replace_all_uses_with(value)
                op.erase()
                self.count(target.removeprefix("mycc."))


class _Places:
    """Where each function is used whose meaning depends on that; one that is used in several places gets copies."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.of: dict[str, dict[Place | None, None]] = {}
        self.known: dict[str, bool] = {}
        waiting: list[tuple[str, Place | None]] = [
            (name, None) for name, function in symbols.functions.items() if is_public(function)
        ]
        while waiting:
            symbol, place = waiting.pop()
            if place in self.of.get(symbol, ()) or not self.depends(symbol):
                continue
            self.of.setdefault(symbol, {})[place] = None
            for op, here in _placed(symbols.block(symbol), place):
                waiting += [(callee, here) for callee in callees(op) if callee in symbols.functions]

    def depends(self, symbol: str) -> bool:
        """Whether a function holds a named collective or a manual computation, or calls one that does."""
        if symbol not in self.known:
            # Rules may refer to themselves.
            self.known[symbol] = False
            self.known[symbol] = any(
                op.name == manual.NAME or target_of(op) in GROUPED for op in operations(self.symbols[symbol])
            ) or any(self.depends(callee) for callee in self.symbols.callees(symbol))
        return self.known[symbol]


def _placed(block: ir.Block, place: Place | None) -> Iterator[tuple[ir.Operation, Place | None]]:
    """The operations of a block and of its regions, each with where it stands."""
    for each in block.operations:
        op = each.operation
        yield op, place
        if not may_have_regions(op.name):
            continue
        inside = _inside(op, place) if op.name == manual.NAME else place
        for region in op.regions:
            for inner in region.blocks:
                yield from _placed(inner, inside)


def _inside(op: ir.Operation, around: Place | None) -> Place:
    try:
        found = manual.match(op)
        place = Place(found.mesh, tuple(mesh_axes(op, found.mesh).items()), frozenset(found.axes))
    except ValueError as error:
        raise TransformError(f"{describe(op.location)}: '{op.name}': {error}") from None
    if around is None:
        return place
    if around.sizes != place.sizes:
        raise TransformError(
            f"{describe(op.location)}: '{op.name}' is over the mesh {dict(place.sizes)} inside of one over "
            f"{dict(around.sizes)}; give both the same mesh, with all the axes"
        )
    twice = sorted(around.manual & place.manual)
    if twice:
        raise TransformError(
            f"{describe(op.location)}: '{op.name}' is manual over {twice}, and so is one around it; each axis can be once"
        )
    return Place(place.mesh, place.sizes, place.manual | around.manual)


def retarget(op: ir.Operation, old: str, new: str) -> None:
    """Let an operation refer to another function."""
    if op.name == "stablehlo.composite":
        composites.rename(op, {old: new})
        return
    reference = ir.FlatSymbolRefAttr.get(new, context=context)
    if op.name == "func.call":
        op.attributes["callee"] = reference
        return
    called = [reference if symbol.value == old else symbol for symbol in op.attributes["called_computations"]]
    op.attributes["called_computations"] = ir.ArrayAttr.get(called, context=context)
