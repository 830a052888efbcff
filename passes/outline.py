"""The `outline` pass: what a function repeats becomes a function that it calls.

A loop in Python over the layers of a network leaves their operations in a row, once a layer. Where such a row is
repeated, with equal operations at equal lines and the same data flow inside, its first repetition becomes a
function, and each repetition a call. What transforms derive from it is then derived once; `inline` undoes it.

Constants are no part of a row: they go into the function, where rules see them. All else from outside becomes
an argument, one for what every repetition takes from the same value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isqrt
from typing import Any, TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.dialects.transform import match
from mycc.passes.base import Pass, option
from mycc.passes.symbols import Symbols, may_have_regions, remap_captures

Value: TypeAlias = ir.Value

__all__ = ["Outline"]

_WINDOW = 8  # Equal neighbours that make two places look alike.
_PERIODS = 4  # How many of the most frequent distances between such places are looked into.
_CALL = 8  # What a call costs, in operations.


@dataclass(frozen=True)
class Outline(Pass):
    """Turns the repeated layers of functions that transforms are to derive into calls of one function."""

    name = "outline"
    min_operations: int = option(64, help="leave alone what would save fewer operations")

    def run(self, module: ir.Module) -> None:
        """Outline repetitions, and those inside of what was outlined, until none is left that pays."""
        symbols = Symbols(module)
        waiting = _derived(symbols)
        while waiting:
            symbol = waiting.pop()
            made = _outline(symbols, symbol, self.min_operations)
            if made is not None:
                waiting += [made, symbol]
                self.count("outlined functions")


def _derived(symbols: Symbols) -> list[str]:
    """The functions that transform operations refer to, and those that they call."""
    found: dict[str, None] = {}
    waiting = [
        t.callee for symbol in symbols.functions for op in symbols.referring(symbol) if (t := match(op))
    ]
    while waiting:
        symbol = waiting.pop()
        if symbol in symbols.functions and symbol not in found:
            found[symbol] = None
            waiting += symbols.callees(symbol)
    return list(found)


@dataclass(frozen=True, slots=True)
class _Row:
    """Equal stretches of a function, one after the other: ``count`` of ``period`` operations from ``start`` on."""

    start: int
    period: int
    count: int

    @property
    def saved(self) -> int:
        return (self.count - 1) * self.period - self.count * _CALL

    @property
    def starts(self) -> range:
        return range(self.start, self.start + self.count * self.period, self.period)


class _Body:
    """A function's operations but for its constants, read once."""

    def __init__(self, block: ir.Block) -> None:
        self.ops: list[ir.Operation] = []
        self.operands: list[list[Value]] = []
        """With what the operation's regions capture, which comes last."""
        self.kinds: list[int] = []
        """Equal for operations that are alike but for where their operands come from."""
        self.makers: list[list[tuple[int, int] | None]] = []
        """For each operand the operation that makes it, and as which result; None for constants and arguments."""
        # By the hash of the value, its address: to compare values is what costs.
        self.constants: dict[int, ir.Operation] = {}
        made: dict[int, tuple[int, int]] = {}
        known: dict[Any, int] = {}
        for each in block.operations:
            op = each.operation
            name, attributes = op.name, _attributes(op)
            if name == "stablehlo.constant" and attributes is not None:
                self.constants[hash(op.result)] = op
                continue
            operands = list(op.operands)
            try:
                made[hash(result := op.result)] = len(self.ops), 0
                kind: tuple[Any, ...] = (name, attributes, result.type)
            except ValueError:  # none, or several
                results = list(op.results)
                made.update((hash(result), (len(self.ops), n)) for n, result in enumerate(results))
                kind = (name, attributes, *[result.type for result in results])
            if may_have_regions(name):
                around, regions = _regions(op)
                operands += around
                kind = (*kind, *regions)
            number = known.get(kind)
            if number is None or attributes is None:
                number = known[kind] = len(self.kinds)
            self.ops.append(op)
            self.operands.append(operands)
            self.makers.append([made.get(hash(value)) for value in operands])
            self.kinds.append(number)

    def rows(self) -> list[_Row]:
        """Where kinds are repeated, what saves most first, with few values live from one stretch to the next."""
        kinds, gaps, last = self.kinds, Counter[int](), dict[tuple[int, ...], int]()
        for i in range(len(kinds) - _WINDOW):
            window = tuple(kinds[i : i + _WINDOW])
            if window in last:
                gaps[i - last[window]] += 1
            last[window] = i
        found, live = [], self._live()
        for gap, _ in gaps.most_common(_PERIODS):
            for start, stop in _equal_runs(kinds, gap):
                total = (stop - start) // gap + 1
                # Short stretches go together, so that calls and what they call come to about as much.
                several = min(isqrt(_CALL * total // gap), total // 2) or 1
                period, count = gap * several, total // several
                begins = range(start, stop + gap - count * period + 1)
                found.append(_Row(min(begins, key=live.__getitem__), period, count))
        return sorted(found, key=lambda row: -row.saved)

    def _live(self) -> list[int]:
        """Before each operation, how many values exist that it or a later one uses."""
        change = [0] * (len(self.ops) + 1)
        last = {place: i for i, makers in enumerate(self.makers) for place in makers if place is not None}
        for (begin, _), end in last.items():
            change[begin + 1] += 1
            change[end + 1] -= 1
        return list(accumulate(change))

    def flow(self, start: int, period: int) -> list[Any]:
        """For each operand in a stretch its place there, or the constant, or the type of what comes from outside."""
        found: list[Any] = []
        for i in range(start, start + period):
            operands = self.operands[i]
            found.append(len(operands))
            for value, place in zip(operands, self.makers[i], strict=True):
                if place is not None and place[0] >= start:
                    found.append((place[0] - start, place[1]))
                elif place is None and (constant := self.constants.get(hash(value))) is not None:
                    found.append(_attributes(constant))
                else:
                    found.append(value.type)
        return found

    def alike(self, row: _Row) -> _Row:
        """The longest part of a row whose stretches have the same data flow and come from the same lines."""
        flows = [self.flow(start, row.period) for start in row.starts]
        lines = [[op.location for op in self.ops[start : start + row.period]] for start in row.starts]
        begin, best = 0, range(1)
        for i in range(1, row.count):
            if flows[i] != flows[i - 1] or lines[i] != lines[i - 1]:
                begin = i
            best = max(best, range(begin, i + 1), key=len)
        return _Row(row.starts[best[0]], row.period, len(best))

    def arguments(self, row: _Row) -> tuple[dict[tuple[Value, ...], int], dict[tuple[int, int], int]]:
        """What stretches take from outside, once each: for each stretch its value; and which one each operand is."""
        columns: dict[tuple[Value, ...], int] = {}
        slots: dict[tuple[int, int], int] = {}
        for i in range(row.period):
            for k, place in enumerate(self.makers[row.start + i]):
                if place is None and hash(self.operands[row.start + i][k]) in self.constants:
                    continue
                if place is not None and place[0] >= row.start:
                    continue
                column = tuple(self.operands[start + i][k] for start in row.starts)
                slots[i, k] = columns.setdefault(column, len(columns))
        return columns, slots

    def results(self, row: _Row) -> list[tuple[int, int]]:
        """What is used outside of its stretch, as operation of the stretch and result."""
        stop = row.starts.stop
        found: set[tuple[int, int]] = set()
        for i, makers in enumerate(self.makers[row.start :], row.start):
            begin = i - (i - row.start) % row.period if i < stop else stop
            for place in makers:
                if place is not None and row.start <= place[0] < min(begin, stop):
                    found.add(((place[0] - row.start) % row.period, place[1]))
        return sorted(found)


def _attributes(op: ir.Operation) -> tuple[Any, ...] | None:
    try:
        return tuple(op.attributes.items())
    except TypeError:  # jaxlib <= 0.12 has no class for dense complex elements
        return None


def _regions(op: ir.Operation) -> tuple[list[Value], list[Any]]:
    """What an operation's regions capture, and what tells them from others, whatever values these are."""
    around: list[Value] = []
    numbers: dict[Value, int] = {}
    found: list[Any] = []

    def define(values: Iterable[Value]) -> None:
        for value in values:
            numbers[value] = len(numbers)
            found.append(value.type)

    def visit(outer: ir.Operation) -> None:
        for region in outer.regions:
            for block in region.blocks:
                define(block.arguments)
                for each in block.operations:
                    inner = each.operation
                    for value in inner.operands:
                        if value not in numbers:
                            # Captured: numbered by order of first use, as `captures` does.
                            numbers[value] = -1 - len(around)
                            around.append(value)
                        found.append(numbers[value])
                    name = inner.name
                    found.extend((name, _attributes(inner)))
                    define(inner.results)
                    if may_have_regions(name):
                        visit(inner)

    visit(op)
    return around, found


def _equal_runs(kinds: Sequence[int], period: int) -> Iterator[tuple[int, int]]:
    """The stretches in which each operation is of the kind of the one that comes ``period`` later."""
    start = None
    for i in range(len(kinds) - period + 1):
        if i < len(kinds) - period and kinds[i] == kinds[i + period]:
            start = i if start is None else start
        elif start is not None:
            yield start, i
            start = None


def _outline(symbols: Symbols, symbol: str, min_operations: int) -> str | None:
    """Outline the repetition in a function that saves most; the symbol of the new function, if there is any."""
    block = symbols.block(symbol)
    if len(block.operations) < min_operations:
        return None
    body = _Body(block)
    for row in body.rows():
        if row.saved < min_operations:
            return None
        row = body.alike(row)
        if row.saved >= min_operations:
            return _replace(symbols, symbol, body, row)
    return None


def _replace(symbols: Symbols, symbol: str, body: _Body, row: _Row) -> str:
    """Make a function of a row's first stretch, and calls of all."""
    columns, slots = body.arguments(row)
    results = body.results(row)
    location = symbols[symbol].location
    name, block = symbols.new(f"{symbol}.repeated", [column[0].type for column in columns], location)
    arguments = list(block.arguments)
    values: dict[Value, Value] = {}
    with context, ops.End(block):
        for i in range(row.period):
            op = body.ops[row.start + i]
            operands = []
            for k, value in enumerate(body.operands[row.start + i]):
                if hash(value) in body.constants and value not in values:
                    values[value] = ops.rebuild(body.constants[hash(value)], []).result
                operands.append(arguments[slots[i, k]] if (i, k) in slots else values[value])
            copy = ops.rebuild(op, operands[: len(op.operands)])
            remap_captures(copy, dict(zip(body.operands[row.start + i], operands, strict=True)))
            values.update(zip(op.results, copy.results, strict=True))
    symbols.close(name, [values[body.ops[row.start + i].results[n]] for i, n in results])

    _, types = symbols.types(name)
    replaced: dict[Value, Value] = {}
    for repetition, start in enumerate(row.starts):
        with context, location, ir.InsertionPoint(body.ops[start]):
            made = ops.call(name, types, [replaced.get(c[repetition], c[repetition]) for c in columns])
        for (i, n), new in zip(results, made, strict=True):
            old = body.ops[start + i].results[n]
            old.replace_all_uses_with(new)
            replaced[old] = new
    for op in reversed(body.ops[row.start : row.starts.stop]):
        op.erase()
    symbols.forget(symbol)
    return name
