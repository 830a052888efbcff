"""Over which mesh axes values may differ: what tells whether devices return the same.

Each operation's results vary with its operands, but for named collectives: those that gather or reduce make a value the
same along their axis, those that exchange make it differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from mycc.dialects import manual, transform
from mycc.dialects.mlir import ir
from mycc.dialects.transform import axis_name_of
from mycc.passes.symbols import Symbols, callees, captures, operations

__all__ = ["same_along", "varying"]

Axes: TypeAlias = frozenset[str]

_SAME = frozenset({"mycc.psum", "mycc.pmax", "mycc.pmin", "mycc.all_gather"})
_DIFFERENT = frozenset({"mycc.axis_index", "mycc.ppermute", "mycc.all_to_all", "mycc.psum_scatter"})
_MARKED = frozenset({"mycc.share", "mycc.total"})
_TURNED = _DIFFERENT | {"mycc.all_gather"}
"""Those of which a derivative may make values differ."""
_BRANCHES = frozenset({"stablehlo.case", "stablehlo.if"})
_CALLS = frozenset({"func.call", "stablehlo.composite"})


def same_along(symbols: Symbols, functions: Iterable[str]) -> dict[ir.Operation, bool]:
    """For each share and total in manual computations whether its mark is the same along the axis that it names.

    Each function that holds one must be called once; see `mycc.passes.shares`.

    Args:
        symbols: the module's functions.
        functions: where manual computations are looked for.
    """
    found: dict[ir.Operation, bool] = {}
    for op in (op for symbol in functions for op in operations(symbols[symbol]) if op.name == manual.NAME):
        axes, analysis = manual.match(op).axes, _Analysis(symbols)
        analysis.manual(op, [frozenset[str]()] * len(op.operands), {})
        found.update((each, same) for each, same in analysis.same.items() if axis_name_of(each) in axes)
    return found


def varying(module: ir.Module, symbol: str, arguments: Sequence[Axes]) -> list[Axes]:
    """The axes over which each result of a function may differ.

    Args:
        module: the module.
        symbol: the function.
        arguments: the axes over which each argument differs.
    """
    return _Analysis(Symbols(module)).function(symbol, tuple(arguments))


class _Analysis:
    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.known: dict[tuple[str, tuple[Axes, ...]], list[Axes]] = {}
        self.exchanged: dict[str, Axes] = {}
        self.same: dict[ir.Operation, bool] = {}

    def function(self, symbol: str, arguments: tuple[Axes, ...]) -> list[Axes]:
        key = (symbol, arguments)
        if key not in self.known:
            # Rules may refer to themselves.
            everything = frozenset[str]().union(*arguments)
            self.known[key] = [everything] * len(self.symbols.types(symbol)[1])
            self.known[key] = self.block(self.symbols.block(symbol), arguments, {})
        return self.known[key]

    def block(self, block: ir.Block, arguments: Sequence[Axes], around: dict[ir.Value, Axes]) -> list[Axes]:
        """What a block's terminator returns."""
        found = dict(around)
        found.update(zip(block.arguments, arguments, strict=True))
        for each in block.operations:
            op = each.operation
            operands = [found[value] for value in op.operands]
            if not len(op.results):
                return operands
            found.update(zip(op.results, self.results(op, operands, found), strict=True))
        return []

    def results(self, op: ir.Operation, operands: list[Axes], found: dict[ir.Value, Axes]) -> list[Axes]:
        target = transform.target_of(op)
        axis = axis_name_of(op)
        if axis is not None and target in _MARKED:
            same = axis not in operands[1]
            # A loop is looked at several times, with arguments that differ ever more.
            self.same[op] = self.same.get(op, True) and same
            return [operands[0] - {axis} if same and target == "mycc.total" else operands[0]]
        if axis is not None and target in _SAME:
            return [operands[0] - {axis}]
        if axis is not None and target in _DIFFERENT:
            return [frozenset[str]().union({axis}, *operands)]
        if op.name == manual.NAME:
            return self.manual(op, operands, found)
        if op.name in _CALLS:
            return self.function(callees(op)[0], tuple(operands))
        if op.name == "stablehlo.while":
            return self.loop(op, operands, found)
        if op.name in _BRANCHES:
            branches = [self.block(region.blocks[0], [], found) for region in op.regions]
            return [operands[0].union(*(branch[i] for branch in branches)) for i in range(len(op.results))]
        turned = [self.turned(callee) for callee in callees(op)]
        everything = frozenset[str]().union(*operands, *(found[v] for v in captures(op)), *turned)
        kept = self.primals(op, operands)
        return [*kept, *[everything] * (len(op.results) - len(kept))]

    def primals(self, op: ir.Operation, operands: list[Axes]) -> list[Axes]:
        """Of a derivative the function's own results, which come first."""
        found = transform.match(op)
        if found is None or found.kind not in ("jvp", "vjp", "linearize"):
            return []
        count = len(self.symbols.types(found.callee)[0])
        return self.function(found.callee, tuple(operands[:count]))

    def turned(self, symbol: str) -> Axes:
        """The axes along which a derivative or a batch of a function may make values differ."""
        if symbol not in self.exchanged:
            self.exchanged[symbol] = frozenset[str]()
            inner = operations(self.symbols[symbol])
            names = [axis_name_of(op) for op in inner if transform.target_of(op) in _TURNED]
            called = [self.turned(callee) for callee in self.symbols.callees(symbol)]
            self.exchanged[symbol] = frozenset(n for n in names if n is not None).union(*called)
        return self.exchanged[symbol]

    def manual(self, op: ir.Operation, operands: list[Axes], found: dict[ir.Value, Axes]) -> list[Axes]:
        """Inside parts differ along the axes that they are split over; the whole is put together of them."""
        m = manual.match(op)
        inside = [
            axes.union(*(frozenset(names) for names in spec))
            for axes, spec in zip(operands, m.ins, strict=True)
        ]
        return [axes.difference(m.axes) for axes in self.block(op.regions[0].blocks[0], inside, found)]

    def loop(self, op: ir.Operation, operands: list[Axes], found: dict[ir.Value, Axes]) -> list[Axes]:
        """A carry differs where what it starts from does, or what the body returns, or when the loop ends."""
        carry = operands
        while True:
            (ends,) = self.block(op.regions[0].blocks[0], carry, found)
            body = self.block(op.regions[1].blocks[0], carry, found)
            new = [old | returned | ends for old, returned in zip(carry, body, strict=True)]
            if new == carry:
                return carry
            carry = new
