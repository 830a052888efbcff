"""A `stablehlo.while` as its rules see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Flags, Functions, Site, Tangents
from mycc.dialects.rules.flags import filled, picked, spread_out
from mycc.dialects.rules.trips import Count, counted, counters, invariants
from mycc.dialects.types import tensor

Value: TypeAlias = ir.Value

__all__ = ["Loop", "Pull", "checkpoints", "counter_at", "end", "pulling", "start_of"]

SLOTS = 64
"""How many carries a loop keeps whose trips are counted as it runs; ``mycc.checkpoints`` on it says otherwise."""

_BOOL = tensor((), ops.BOOL)


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop as functions of its carry and of what its regions capture.

    Args:
        condition: from these to whether the body runs again.
        body: from these to the next carry.
        types: of the carry.
        fixed: which of these no trip changes.
        count: the counter, if the trips stand in the program.
        counters: all parts of the carry that grow by constants, if they do.
    """

    op: ir.Operation
    condition: str
    body: str
    types: list[ir.Type]
    fixed: Flags
    count: Count | None
    counters: tuple[Count, ...] = ()

    @staticmethod
    def of(functions: Functions, op: ir.Operation, operands: int) -> Loop:
        """Read a loop that has so many operands and captured values."""
        captured = operands - len(op.operands)
        count = counted(op, functions.block) if checkpoints(op) is None else None
        return Loop(
            op,
            functions.outline(op, 0),
            functions.outline(op, 1),
            [result.type for result in op.results],
            (*invariants(op, functions.block), *(True,) * captured),
            count,
            () if count is None else tuple(counters(op, count.trips, functions.block)),
        )

    @property
    def size(self) -> int:
        """The number of parts of the carry."""
        return len(self.types)

    @property
    def slots(self) -> int:
        return checkpoints(self.op) or SLOTS

    def silent(self, functions: Functions) -> Loop:
        """The loop without debugging callbacks, to be run once more."""
        return replace(self, condition=functions.silent(self.condition), body=functions.silent(self.body))

    def goes_on(self, carry: Sequence[Value], captured: Sequence[Value]) -> Value:
        return ops.call(self.condition, [_BOOL], [*carry, *captured])[0]

    def activity(self, functions: Functions, active: Flags) -> Flags:
        """Which parts of the carry depend on what is active, after any number of trips; then the captured values."""
        while True:
            reached = functions.depends(self.body, active)
            grown = tuple(a or b for a, b in zip(active[: self.size], reached, strict=True))
            if grown == active[: self.size]:
                return active
            active = (*grown, *active[self.size :])

    def idle(self, functions: Functions, needed: Flags) -> Flags:
        """Which parts of the carry no trip changes, or go into none that is needed."""
        while True:
            before = functions.needs(self.body, needed[: self.size])
            grown = tuple(a or b for a, b in zip(needed[: self.size], before, strict=False))
            if grown == needed[: self.size]:
                return tuple(f or not flag for f, flag in zip(self.fixed, grown, strict=False))
            needed = grown


def checkpoints(op: ir.Operation) -> int | None:
    """How many carries the user asks reverse mode to keep."""
    attribute = op.attributes.get("mycc.checkpoints", None)
    return None if attribute is None else max(1, attribute.value)


Pull: TypeAlias = Callable[[Sequence[Value]], Tangents]
"""From cotangents of the wanted parts of a carry to those of what the body takes."""


def pulling(
    loop: Loop, wanted: Flags, present: Flags, cotangents: Sequence[Value], pull: Pull
) -> list[Value]:
    """One trip backward: cotangents of the carry, then sums of those of captured values."""
    flowing, sums = cotangents[: sum(wanted)], cotangents[sum(wanted) :]
    found = pull(flowing)
    more = picked(found[loop.size :], present[loop.size :])
    return [
        *filled(found[: loop.size], wanted, loop.types),
        *(ops.add(total, value) for total, value in zip(sums, more, strict=True) if value is not None),
    ]


def start_of(site: Site, loop: Loop, wanted: Flags, present: Flags, cotangents: Tangents) -> list[Value]:
    captured = [value.type for value in site.operands[loop.size :]]
    nothing: Tangents = [None] * len(captured)
    return [*filled(cotangents, wanted, loop.types), *filled(nothing, present[loop.size :], captured)]


def end(site: Site, loop: Loop, wanted: Flags, present: Flags, results: Sequence[Value]) -> Tangents:
    found = spread_out(results, (*wanted, *present[loop.size :]))
    return [value if flag else None for value, flag in zip(found, site.active, strict=True)]


def counter_at(count: Count, trip: Value, type_: ir.Type) -> Value:
    steps = ops.mul(ops.convert(trip, type_.element_type), ops.full(type_, count.step))
    return ops.add(steps, ops.full(type_, count.start))
