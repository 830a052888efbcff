"""Reverse mode through `stablehlo.while`. There are two ways:

- A loop whose number of trips stands in the program keeps what its pullback needs, one row a trip. What no trip
  changes is kept once, and what follows cheaply from the counter is made again.
- Any other loop keeps its first carry, and counts its trips. The backward sweep finds each carry again by
  bisection: from the last checkpoint before it, it runs forward to the middle of what is between, puts a
  checkpoint there, and so on; when no slot for one is left, it runs to the carry itself. (A. Griewank, "Achieving
  logarithmic growth of temporal and spatial complexity in reverse automatic differentiation", 1992; bisection is
  its simplest schedule, and needs no number of trips before the loop has run.)

With s slots T(n, s) of n trips are run again: T(n, s) = n/2 + T(n/2, s - 1) + T(n/2, s), since the second half is
pulled back with a checkpoint in its middle and the first half when that slot is free again; and T(n, 1) = n**2 / 2.
That is at most n log2(n) / 2 + n**2 / (2 * 3**(s - 1)), of which the second part is nothing where s > log2(n).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Flags,
    Site,
    Split,
    Tangents,
)
from mycc.dialects.rules.flags import picked, spread_out
from mycc.dialects.rules.loop import Loop, Pull, counter_at, end, pulling, start_of
from mycc.dialects.rules.sweeps import bisected, counted_down, put_row
from mycc.dialects.types import element_type, tensor

Value: TypeAlias = ir.Value

_I32, _I64 = tensor((), element_type("int32")), tensor((), element_type("int64"))


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a loop is taken backward.

    Args:
        wanted: the parts of the carry for which cotangents flow from trip to trip.
        split: the body, split for these.
        once: which residuals are the same in all trips.
        again: which of the others follow cheaply from the counters and what no trip changes.
        quiet: the split's primal function without debugging callbacks, for computing these.
    """

    loop: Loop
    wanted: Flags
    split: Split
    once: Flags
    again: Flags
    quiet: str

    @property
    def stacked(self) -> Flags:
        """Which residuals are kept for every trip."""
        return tuple(not (a or b) for a, b in zip(self.once, self.again, strict=True))


def _plan(site: Site) -> _Plan:
    loop, functions = Loop.of(site), site.functions
    if loop.count is None:
        loop = loop.silent(functions)
    n = loop.size
    active = loop.activity(functions, site.active)
    wanted = tuple(a and b for a, b in zip(site.wanted, active[:n], strict=True))
    while True:
        split = functions.split(loop.body, active, wanted)
        grown = tuple(a or b for a, b in zip(wanted, split.active[:n], strict=True))
        if grown == wanted:
            break
        wanted = grown
    once = again = (False,) * len(split.residuals)
    try:
        quiet = functions.silent(split.primal)
    except UnsupportedOperationError:
        # What calls the host for good runs once, so that every trip keeps all of its residuals.
        return _Plan(loop, wanted, split, once, again, split.primal)
    once = functions.known(quiet, loop.fixed, cheaply=False)[n:]
    if loop.count is not None:
        counters = {count.position for count in loop.counters}
        given = tuple(flag or i in counters for i, flag in enumerate(loop.fixed))
        known = functions.known(quiet, given, cheaply=True)[n:]
        again = tuple(k and not o for k, o in zip(known, once, strict=True))
    return _Plan(loop, wanted, split, once, again, quiet)


def augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]] | None:
    if not site.reversing:
        return None
    plan = _plan(site)
    loop, split = plan.loop, plan.split
    n, types = loop.size, loop.types
    captured = operands[n:]
    if loop.count is None:
        loop = Loop.of(site)

        def counting(*values: Value) -> list[Value]:
            carry = ops.call(loop.body, types, [*values[:n], *captured])
            return [*carry, ops.add(values[n], ops.full(_I64, 1))]

        results = ops.while_(
            [*operands[:n], ops.full(_I64, 0)], lambda *v: loop.goes_on(v[:n], captured), counting
        )
        return results[:n], results[n:]
    if not loop.count.trips:
        return None
    run = [*types, *split.residuals]
    kept = picked(ops.call(plan.quiet, run, operands)[n:], plan.once) if any(plan.once) else []

    def keeping(*values: Value) -> list[Value]:
        trip, stacks = values[n], values[n + 1 :]
        results = ops.call(split.primal, run, [*values[:n], *captured])
        rows = picked(results[n:], plan.stacked)
        written = [put_row(stack, row, trip) for stack, row in zip(stacks, rows, strict=True)]
        return [*results[:n], ops.add(trip, ops.full(_I32, 1)), *written]

    stacks = [
        ops.full(tensor((loop.count.trips, *t.shape), t.element_type), 0)
        for t in picked(split.residuals, plan.stacked)
    ]
    results = ops.while_(
        [*operands[:n], ops.full(_I32, 0), *stacks], lambda *v: loop.goes_on(v[:n], captured), keeping
    )
    return results[:n], [*results[n + 1 :], *kept]


def reverse(site: Site, cotangents: Tangents) -> Tangents:
    plan = _plan(site)
    loop, split = plan.loop, plan.split
    n, run = loop.size, [*loop.types, *split.residuals]
    present_types = picked([value.type for value in site.operands], split.active)
    if loop.count is not None and not loop.count.trips:
        return [*cotangents, *(None,) * (site.inputs - n)]

    def pull_with(residuals: Sequence[Value]) -> Pull:
        return lambda flowing: spread_out(
            ops.call(split.linear, present_types, [*flowing, *residuals]), split.active
        )

    start = start_of(site, loop, plan.wanted, split.active, cotangents)
    if loop.count is None:
        carry = [site.operand(i) for i in range(n)]
        captured = [site.operand(i) for i in range(n, site.inputs)]

        def advance(values: Sequence[Value]) -> list[Value]:
            return ops.call(loop.body, loop.types, [*values, *captured])

        def at_carry(values: Sequence[Value], flowing: Sequence[Value]) -> list[Value]:
            residuals = ops.call(split.primal, run, [*values, *captured])[n:]
            return pulling(loop, plan.wanted, split.active, flowing, pull_with(residuals))

        residuals = (*(False,) * n, *(True,) * len(split.residuals))
        idle = loop.idle(site.functions, site.functions.needs(split.primal, residuals))
        results = bisected(site.saved(0), loop.slots, carry, idle, start, advance=advance, pull=at_carry)
        return end(site, loop, plan.wanted, split.active, results)

    count = sum(plan.stacked)
    stacks = [site.saved(i) for i in range(count)]
    kept = [site.saved(count + i) for i in range(sum(plan.once))]
    remade = _remaking(site, plan)

    def at_trip(trip: Value, rows: Sequence[Value], flowing: Sequence[Value]) -> list[Value]:
        sources = {"rows": iter(rows), "kept": iter(kept), "remade": iter(remade(trip))}
        residuals = [
            next(sources["kept" if once else "remade" if again else "rows"])
            for once, again in zip(plan.once, plan.again, strict=True)
        ]
        return pulling(loop, plan.wanted, split.active, flowing, pull_with(residuals))

    results = counted_down(loop.count.trips, stacks, start, at_trip)
    return end(site, loop, plan.wanted, split.active, results)


def _remaking(site: Site, plan: _Plan) -> Callable[[Value], list[Value]]:
    """What makes the residuals again that follow from the counters: from the trip to them."""
    if not any(plan.again):
        return lambda trip: []
    loop, split = plan.loop, plan.split
    counters = {count.position: count for count in loop.counters}
    needed = site.functions.needs(plan.quiet, (*(False,) * loop.size, *plan.again))
    # Zeros stand for what does not matter.
    arguments = [
        site.operand(i) if flag and i not in counters else ops.full(value.type, 0)
        for i, (value, flag) in enumerate(zip(site.operands, needed, strict=True))
    ]

    def remake(trip: Value) -> list[Value]:
        values = [*arguments]
        for position, count in counters.items():
            values[position] = counter_at(count, trip, loop.types[position])
        results = ops.call(plan.quiet, [*loop.types, *split.residuals], values)
        return picked(results[loop.size :], plan.again)

    return remake
