"""What a `stablehlo.while` tells about itself before it runs: what it leaves alone, and how often it goes round.

A counted loop has a scalar integer in its carry that grows by a constant, and a condition that compares it with a
constant. That is looked for here, in the regions and in what they call, whoever wrote them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import hlo, ir
from mycc.dialects.record import Flags
from mycc.dialects.rules.origins import Calls, Origins

Value: TypeAlias = ir.Value
Body: TypeAlias = Callable[[str], ir.Block]

__all__ = ["Count", "counted", "counters", "invariants"]

_MIRRORED = {"LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE", "NE": "NE"}
_OPPOSITE = {"LT": "GE", "LE": "GT", "GT": "LE", "GE": "LT", "EQ": "NE", "NE": "EQ"}
# What is read at most to find a counter: nobody counts in longer formulas.
_READ = 100


@dataclass(frozen=True, slots=True)
class Count:
    """A loop's counter.

    Args:
        position: which part of the carry it is.
        start: its first value.
        step: what it grows by.
        trips: how often the body runs.
    """

    position: int
    start: int
    step: int
    trips: int


def invariants(op: ir.Operation, body: Body | None = None) -> Flags:
    """Which parts of the carry the body returns as it got them.

    Args:
        op: the loop.
        body: of a function of the module; without it calls are not looked into.
    """
    origins, block = Origins(body), op.regions[1].blocks[0]
    ends = origins.returned(block)
    return tuple(origins.follow(b) == (a, ()) for a, b in zip(block.arguments, ends, strict=True))


def counted(op: ir.Operation, body: Body | None = None) -> Count | None:
    """The counter of a loop whose number of trips stands in the program; None for any other loop.

    Args:
        op: the loop.
        body: of a function of the module; without it calls are not looked into.
    """
    reader = _Reader(op, Origins(body))
    (going,) = reader.origins.returned(reader.test)
    return reader.count(going, (), negated=False)


def counters(op: ir.Operation, trips: int, body: Body | None = None) -> list[Count]:
    """All parts of the carry that grow by constants, of a loop with a known number of trips."""
    reader = _Reader(op, Origins(body))
    found = []
    for position in range(len(op.operands)):
        reader.left = _READ
        found.append(reader.counter(position, trips))
    return [count for count in found if count is not None]


@dataclass(frozen=True, slots=True)
class _Term:
    """A part of the carry and a number added to it; or, with no position, the number alone."""

    position: int | None
    number: int


class _Reader:
    """The scalar integers of one loop."""

    def __init__(self, op: ir.Operation, origins: Origins) -> None:
        self.op = op
        self.origins = origins
        self.test, self.body = (region.blocks[0] for region in op.regions)
        self.left = _READ
        self.converted: list[_Term] = []
        """What was widened: it must not have passed the end of its type before."""

    def count(self, value: Value, calls: Calls, negated: bool) -> Count | None:
        value, calls = self.origins.follow(value, calls)
        self.left -= 1
        if isinstance(value.owner, ir.Block) or self.left < 0:
            return None
        op = value.owner.operation
        if op.name == "stablehlo.not":
            return self.count(op.operands[0], calls, not negated)
        if op.name == "stablehlo.and" and not negated:
            # Each holds for its first trips, so that both hold for the fewer.
            counts = [self.count(operand, calls, negated) for operand in op.operands]
            return min((c for c in counts if c is not None), key=lambda c: c.trips) if all(counts) else None
        if op.name != "stablehlo.compare":
            return None
        direction = str(hlo.ComparisonDirectionAttr(op.attributes["comparison_direction"]).value)
        if negated:
            direction = _OPPOSITE.get(direction, "")
        if direction in ("EQ", "NE"):
            for flag, other in itertools.permutations(op.operands):
                truth = self.truth(other, calls)
                if truth is not None:
                    return self.count(flag, calls, truth == (direction == "NE"))
        left, right = (self.term(operand, calls) for operand in op.operands)
        if left is None or right is None:
            return None
        return self.compared(left, direction, right) or self.compared(
            right, _MIRRORED.get(direction, ""), left
        )

    def compared(self, counter: _Term, direction: str, limit: _Term) -> Count | None:
        position = counter.position
        if position is None or limit.position is not None or direction not in _MIRRORED:
            return None
        found = self.counter(position, 0)
        if found is None:
            return None
        step = found.step
        distance = limit.number - (found.start + counter.number)
        if direction in ("LE", "GE"):
            distance += 1 if direction == "LE" else -1
        if direction == "NE":
            trips = distance // step if distance % step == 0 else -1
        elif (step > 0) == (direction in ("LT", "LE")):
            trips = max(0, -(-distance // step))
        else:
            # It moves away from its limit: either it is beyond from the first, or for ever before it.
            trips = 0 if distance * step >= 0 else -1
        return self.counter(position, trips, counter.number) if trips >= 0 else None

    def counter(self, position: int, trips: int, offset: int = 0) -> Count | None:
        """A part of the carry that grows by a constant, if neither it nor what is read of it passes its type's end."""
        first = self.term(self.op.operands[position], ())
        update = self.term(self.origins.returned(self.body)[position], ())
        if first is None or update is None or update.position != position or not update.number:
            return None
        start, step = first.number, update.number
        low, high = _range(self.op.operands[position])
        offsets = [0, offset, *(t.number for t in self.converted if t.position == position)]
        ends = [value + offset for value in (start, start + trips * step) for offset in offsets]
        return Count(position, start, step, trips) if low <= min(ends) and max(ends) <= high else None

    def truth(self, value: Value, calls: Calls) -> bool | None:
        """The boolean that a value is known to be, by which exporters compare conditions."""
        value, _ = self.origins.follow(value, calls)
        if isinstance(value.owner, ir.Block) or value.owner.name != "stablehlo.constant":
            return None
        type_ = value.type
        if type_.rank or type_.element_type != ops.BOOL:
            return None
        return bool(np.array(value.owner.attributes["value"]).item())

    def term(self, value: Value, calls: Calls) -> _Term | None:
        """What a value of the regions, or from around the loop, is made of."""
        self.left -= 1
        if self.left < 0 or not _is_integer(value):
            return None
        value, calls = self.origins.follow(value, calls)
        if isinstance(value.owner, ir.Block):
            return self.part(value, calls)
        op = value.owner.operation
        if op.name == "stablehlo.constant":
            return _Term(None, int(np.array(op.attributes["value"]).item()))
        if op.name == "stablehlo.convert":
            return self.widened(op.operands[0], calls, value)
        if op.name not in ("stablehlo.add", "stablehlo.subtract"):
            return None
        left, right = (self.term(operand, calls) for operand in op.operands)
        if left is None or right is None:
            return None
        if op.name == "stablehlo.subtract":
            found = _Term(left.position, left.number - right.number) if right.position is None else None
        elif None in (left.position, right.position):
            position = right.position if left.position is None else left.position
            found = _Term(position, left.number + right.number)
        else:
            found = None
        return found if found is None or found.position is not None or _holds(value, found.number) else None

    def part(self, argument: Value, calls: Calls) -> _Term | None:
        """What an argument of the loop's regions is: a number if no trip changes it."""
        if calls or argument.owner not in (self.test, self.body):
            return None
        position = argument.arg_number
        body = self.origins.returned(self.body)
        if self.origins.follow(body[position]) != (self.body.arguments[position], ()):
            return _Term(position, 0)
        first = self.term(self.op.operands[position], ())
        return first if first is not None and first.position is None else None

    def widened(self, value: Value, calls: Calls, result: Value) -> _Term | None:
        term = self.term(value, calls)
        if term is None or (term.position is None and not _holds(result, term.number)):
            return None
        if term.position is not None:
            (low, high), (least, most) = _range(value), _range(result)
            if low < least or high > most:
                return None
            self.converted.append(term)
        return term


def _is_integer(value: Value) -> bool:
    type_ = value.type
    if not isinstance(type_, ir.RankedTensorType) or type_.rank:
        return False
    return isinstance(type_.element_type, ir.IntegerType) and type_.element_type.width > 1


def _range(value: Value) -> tuple[int, int]:
    """The least and the greatest integer of a value's type."""
    type_ = value.type.element_type
    bits = type_.width
    return (0, 2**bits - 1) if type_.is_unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _holds(value: Value, number: int) -> bool:
    low, high = _range(value)
    return bool(low <= number <= high)
