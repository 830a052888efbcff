"""Reverse mode through `stablehlo.while`. There are two ways:

- A loop whose number of trips stands in the program keeps what its pullback needs, one row a trip. What no trip
  changes is kept once, and what follows from the counter by views and indices is made again; so is what follows by
  arithmetic from a carry that is much smaller, whose rows are kept instead.
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

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Flags,
    Functions,
    Site,
    Split,
    Tangents,
)
from mycc.dialects.rules.flags import picked, spread_out
from mycc.dialects.rules.loop import Loop, Pull, counter_at, end, pulling, start_of
from mycc.dialects.rules.sweeps import bisected, counted_down, put_row
from mycc.dialects.types import dtype_of, element_type, tensor

Value: TypeAlias = ir.Value

_I32, _I64 = tensor((), element_type("int32")), tensor((), element_type("int64"))


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a loop is taken backward.

    Args:
        wanted: the parts of the carry for which cotangents flow from trip to trip.
        split: the body, split for these.
        once: which residuals are the same in all trips.
        again: which of the others are made again, from the counters, what no trip changes, and the carry's rows.
        rows: which parts of the carry have a row kept for every trip.
        quiet: the split's primal function without debugging callbacks, for computing these.
    """

    loop: Loop
    wanted: Flags
    split: Split
    once: Flags
    again: Flags
    rows: Flags
    quiet: str

    @property
    def stacked(self) -> Flags:
        """Which residuals have a row kept for every trip."""
        return tuple(not (a or b) for a, b in zip(self.once, self.again, strict=True))


def _plan(site: Site) -> _Plan:
    loop, functions = Loop.of(site.functions, site.op, site.inputs), site.functions
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
    rows = (False,) * n
    try:
        quiet = functions.silent(split.primal)
    except UnsupportedOperationError:
        # What calls the host for good runs once, so that every trip keeps all of its residuals.
        return _Plan(loop, wanted, split, once, again, rows, split.primal)
    once = functions.known(quiet, loop.fixed)[n:]
    if loop.count is not None:
        counters = {count.position for count in loop.counters}
        given = tuple(flag or i in counters for i, flag in enumerate(loop.fixed))
        known = functions.known(quiet, given, "views")[n:]
        again = tuple(k and not o for k, o in zip(known, once, strict=True))
        smaller = _from_carry(functions, quiet, split, given, again, once)
        if smaller is not None:
            again, rows = smaller
    return _Plan(loop, wanted, split, once, again, rows, quiet)


# Reading a number from memory takes about as long as a few operations on one that is at hand.
_WORTHWHILE = 4


def _from_carry(
    functions: Functions, quiet: str, split: Split, given: Flags, again: Flags, once: Flags
) -> tuple[Flags, Flags] | None:
    """Which residuals to make again from which parts of the carry, if these are much smaller."""
    n = len(functions.types(quiet)[1]) - len(split.residuals)
    everything = (True,) * len(given)
    by_arithmetic = functions.known(quiet, everything, "arithmetic")[n:]
    more = tuple(k and not o for k, o in zip(by_arithmetic, once, strict=True))
    needed = functions.needs(quiet, (*(False,) * n, *more))
    rows = tuple(need and not known for need, known in zip(needed[:n], given, strict=False))
    spared = [t for t, new, old in zip(split.residuals, more, again, strict=True) if new and not old]
    kept = picked(functions.types(quiet)[0][:n], rows)
    if _WORTHWHILE * sum(map(_size, kept)) > sum(map(_size, spared)):
        return None
    return tuple(a or b for a, b in zip(more, again, strict=True)), rows


def _size(type_: ir.Type) -> int:
    return int(math.prod(type_.shape)) * dtype_of(type_).itemsize


def augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]] | None:
    if not site.reversing:
        return None
    plan = _plan(site)
    loop, split = plan.loop, plan.split
    n, types = loop.size, loop.types
    captured = operands[n:]
    if loop.count is None:
        loop = Loop.of(site.functions, site.op, site.inputs)

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
        rows = [*picked(values[:n], plan.rows), *picked(results[n:], plan.stacked)]
        written = [put_row(stack, row, trip) for stack, row in zip(stacks, rows, strict=True)]
        return [*results[:n], ops.add(trip, ops.full(_I32, 1)), *written]

    stacks = [
        ops.full(tensor((loop.count.trips, *t.shape), t.element_type), 0)
        for t in [*picked(types, plan.rows), *picked(split.residuals, plan.stacked)]
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

    count = sum(plan.rows) + sum(plan.stacked)
    stacks = [site.saved(i) for i in range(count)]
    kept = [site.saved(count + i) for i in range(sum(plan.once))]
    remade = _remaking(site, plan)

    def at_trip(trip: Value, rows: Sequence[Value], flowing: Sequence[Value]) -> list[Value]:
        carried, rows = rows[: sum(plan.rows)], rows[sum(plan.rows) :]
        sources = {"rows": iter(rows), "kept": iter(kept), "remade": iter(remade(trip, carried))}
        residuals = [
            next(sources["kept" if once else "remade" if again else "rows"])
            for once, again in zip(plan.once, plan.again, strict=True)
        ]
        return pulling(loop, plan.wanted, split.active, flowing, pull_with(residuals))

    results = counted_down(loop.count.trips, stacks, start, at_trip)
    return end(site, loop, plan.wanted, split.active, results)


def _remaking(site: Site, plan: _Plan) -> Callable[[Value, Sequence[Value]], list[Value]]:
    """What makes the residuals again that are not kept: from the trip and the rows of the carry to them."""
    if not any(plan.again):
        return lambda trip, carried: []
    loop, split = plan.loop, plan.split
    counters = {count.position: count for count in loop.counters}
    rows = [i for i, flag in enumerate(plan.rows) if flag]
    needed = site.functions.needs(plan.quiet, (*(False,) * loop.size, *plan.again))
    # Zeros stand for what does not matter.
    arguments = [
        site.operand(i) if flag and not (i in counters or i in rows) else ops.full(value.type, 0)
        for i, (value, flag) in enumerate(zip(site.operands, needed, strict=True))
    ]

    def remake(trip: Value, carried: Sequence[Value]) -> list[Value]:
        values = [*arguments]
        for i, row in zip(rows, carried, strict=True):
            values[i] = row
        for position, count in counters.items():
            values[position] = counter_at(count, trip, loop.types[position])
        results = ops.call(plan.quiet, [*loop.types, *split.residuals], values)
        return picked(results[loop.size :], plan.again)

    return remake
