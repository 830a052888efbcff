"""The record of `stablehlo.while`, in all modes.

Forward, a loop carries the tangents along. Backward there are two ways:

- A loop whose number of trips stands in the program keeps what its pullback needs, one row a trip. What no trip
  changes is kept once, and what follows cheaply from the counter is made again.
- Any other loop keeps its first carry, and counts its trips. The backward sweep finds each carry again by
  bisection: from the last checkpoint before it, it runs forward to the middle of what is between, puts a
  checkpoint there, and so on. Of n trips that takes O(n log n) steps and log2(n) slots for checkpoints; with s slots,
  fewer than that, all trips past the last checkpoint are run for each trip, O(n log n + n**2 / 2**s) steps. (A. Griewank,
  "Achieving logarithmic growth of temporal and spatial complexity in reverse automatic differentiation", 1992;
  bisection is its simplest schedule, and needs no number of trips before the loop has run.)

A linear loop is transposed by the same backward sweeps; what its linear part needs of each trip is that part of
the carry which is not linear.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    Flags,
    Functions,
    Record,
    Site,
    Split,
    Tangents,
    spread,
    structured,
)
from mycc.dialects.rules.flags import filled, picked, spread_out
from mycc.dialects.rules.sweeps import bisected, counted_down, put_row
from mycc.dialects.rules.trips import Count, counted, invariants
from mycc.dialects.types import element_type, tensor

Value: TypeAlias = ir.Value

SLOTS = 64
"""How many carries a loop keeps whose trips are counted as it runs; ``mycc.checkpoints`` on it says otherwise."""

_BOOL = tensor((), ops.BOOL)
_I32, _I64 = tensor((), element_type("int32")), tensor((), element_type("int64"))


@dataclass(frozen=True, slots=True)
class _Loop:
    """A loop as functions of its carry and of what its regions capture.

    Args:
        condition: from these to whether the body runs again.
        body: from these to the next carry.
        types: of the carry.
        fixed: which of these no trip changes.
        count: the counter, if the trips stand in the program.
    """

    op: ir.Operation
    condition: str
    body: str
    types: list[ir.Type]
    fixed: Flags
    count: Count | None

    @staticmethod
    def of(site: Site | Batched) -> _Loop:
        op = site.op
        functions, captured = site.functions, len(site.operands) - len(op.operands)
        return _Loop(
            op,
            functions.outline(op, 0),
            functions.outline(op, 1),
            [result.type for result in op.results],
            (*invariants(op), *(True,) * captured),
            counted(op) if _checkpoints(op) is None else None,
        )

    @property
    def size(self) -> int:
        """The number of parts of the carry."""
        return len(self.types)

    @property
    def slots(self) -> int:
        return _checkpoints(self.op) or SLOTS

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


def _checkpoints(op: ir.Operation) -> int | None:
    """How many carries the user asks reverse mode to keep."""
    attribute = op.attributes.get("mycc.checkpoints", None)
    return None if attribute is None else max(1, attribute.value)


def _depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    body = functions.outline(op, 1)
    count = len(op.operands)
    loop = _Loop(op, "", body, [result.type for result in op.results], (), None)
    return loop.activity(functions, active)[:count]


# ---- Forward -------------------------------------------------------------------------------------


def _joint(site: Site, operands: Sequence[Value], tangents: Tangents) -> tuple[Sequence[Value], Tangents]:
    loop = _Loop.of(site)
    n = loop.size
    active = loop.activity(site.functions, site.active)
    captured, types = operands[n:], loop.types
    symbol, present = site.functions.jvp(loop.body, active)
    start = filled(tangents[:n], active[:n], types)
    constant = filled(tangents[n:], active[n:], [value.type for value in captured])

    def step(*values: Value) -> list[Value]:
        primals, moving = values[:n], values[n:]
        results = ops.call(
            symbol, [*types, *picked(types, present)], [*primals, *captured, *moving, *constant]
        )
        return [*results[:n], *filled(spread_out(results[n:], present), active[:n], types)]

    results = ops.while_(
        [*operands[:n], *start], lambda *v: loop.goes_on(v[:n], captured), step, _checkpoints(site.op)
    )
    return results[:n], spread_out(results[n:], active[:n])


def _forward(site: Site, tangents: Tangents) -> Tangents:
    # A pushforward runs the loop once more, from its start, instead of taking residuals of every trip.
    return _joint(site, [site.operand(i) for i in range(site.inputs)], tangents)[1]


# ---- Backward ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a loop is taken backward.

    Args:
        wanted: the parts of the carry for which cotangents flow from trip to trip.
        split: the body, split for these.
        once: which residuals are the same in all trips.
        again: which of the others follow cheaply from the counter and what no trip changes.
    """

    loop: _Loop
    wanted: Flags
    split: Split
    once: Flags
    again: Flags

    @property
    def stacked(self) -> Flags:
        """Which residuals are kept for every trip."""
        return tuple(not (a or b) for a, b in zip(self.once, self.again, strict=True))


def _plan(site: Site) -> _Plan:
    loop, functions = _Loop.of(site), site.functions
    n = loop.size
    active = loop.activity(functions, site.active)
    wanted = tuple(a and b for a, b in zip(site.wanted, active[:n], strict=True))
    while True:
        split = functions.split(loop.body, active, wanted)
        grown = tuple(a or b for a, b in zip(wanted, split.active[:n], strict=True))
        if grown == wanted:
            break
        wanted = grown
    once = functions.known(split.primal, loop.fixed, cheaply=False)[n:]
    again = (False,) * len(once)
    if loop.count is not None:
        given = tuple(flag or i == loop.count.position for i, flag in enumerate(loop.fixed))
        known = functions.known(split.primal, given, cheaply=True)[n:]
        again = tuple(k and not o for k, o in zip(known, once, strict=True))
    return _Plan(loop, wanted, split, once, again)


def _augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]] | None:
    if not site.reversing:
        return None
    plan = _plan(site)
    loop, split = plan.loop, plan.split
    n, types = loop.size, loop.types
    captured = operands[n:]
    if loop.count is None:

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
    kept = picked(ops.call(split.primal, run, operands)[n:], plan.once) if any(plan.once) else []

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


Pull: TypeAlias = Callable[[Sequence[Value]], Tangents]
"""From cotangents of the wanted parts of a carry to those of what the body takes."""


def _pulling(
    loop: _Loop, wanted: Flags, present: Flags, cotangents: Sequence[Value], pull: Pull
) -> list[Value]:
    """One trip backward: cotangents of the carry, then sums of those of captured values."""
    flowing, sums = cotangents[: sum(wanted)], cotangents[sum(wanted) :]
    found = pull(flowing)
    more = picked(found[loop.size :], present[loop.size :])
    return [
        *filled(found[: loop.size], wanted, loop.types),
        *(ops.add(total, value) for total, value in zip(sums, more, strict=True) if value is not None),
    ]


def _start(site: Site, loop: _Loop, wanted: Flags, present: Flags, cotangents: Tangents) -> list[Value]:
    captured = [value.type for value in site.operands[loop.size :]]
    nothing: Tangents = [None] * len(captured)
    return [*filled(cotangents, wanted, loop.types), *filled(nothing, present[loop.size :], captured)]


def _end(site: Site, loop: _Loop, wanted: Flags, present: Flags, results: Sequence[Value]) -> Tangents:
    found = spread_out(results, (*wanted, *present[loop.size :]))
    return [value if flag else None for value, flag in zip(found, site.active, strict=True)]


def _reverse(site: Site, cotangents: Tangents) -> Tangents:
    if site.transposing:
        return _transpose(site, cotangents)
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

    start = _start(site, loop, plan.wanted, split.active, cotangents)
    if loop.count is None:
        carry = [site.operand(i) for i in range(n)]
        captured = [site.operand(i) for i in range(n, site.inputs)]

        def advance(values: Sequence[Value]) -> list[Value]:
            return ops.call(loop.body, loop.types, [*values, *captured])

        def at_carry(values: Sequence[Value], flowing: Sequence[Value]) -> list[Value]:
            residuals = ops.call(split.primal, run, [*values, *captured])[n:]
            return _pulling(loop, plan.wanted, split.active, flowing, pull_with(residuals))

        residuals = (*(False,) * n, *(True,) * len(split.residuals))
        idle = loop.idle(site.functions, site.functions.needs(split.primal, residuals))
        results = bisected(site.saved(0), loop.slots, carry, idle, start, advance=advance, pull=at_carry)
        return _end(site, loop, plan.wanted, split.active, results)

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
        return _pulling(loop, plan.wanted, split.active, flowing, pull_with(residuals))

    results = counted_down(loop.count.trips, stacks, start, at_trip)
    return _end(site, loop, plan.wanted, split.active, results)


def _remaking(site: Site, plan: _Plan) -> Callable[[Value], list[Value]]:
    """What makes the residuals again that follow from the counter: from the trip to them."""
    if not any(plan.again):
        return lambda trip: []
    loop, split, count = plan.loop, plan.split, plan.loop.count
    assert count is not None
    needed = site.functions.needs(split.primal, (*(False,) * loop.size, *plan.again))
    # Zeros stand for what does not matter.
    arguments = [
        site.operand(i) if flag and i != count.position else ops.full(value.type, 0)
        for i, (value, flag) in enumerate(zip(site.operands, needed, strict=True))
    ]

    def remake(trip: Value) -> list[Value]:
        values = [*arguments]
        values[count.position] = _counter(count, trip, loop.types[count.position])
        results = ops.call(split.primal, [*loop.types, *split.residuals], values)
        return picked(results[loop.size :], plan.again)

    return remake


def _counter(count: Count, trip: Value, type_: ir.Type) -> Value:
    steps = ops.mul(ops.convert(trip, type_.element_type), ops.full(type_, count.step))
    return ops.add(steps, ops.full(type_, count.start))


# ---- Transposition -------------------------------------------------------------------------------


def _transpose(site: Site, cotangents: Tangents) -> Tangents:
    loop, functions = _Loop.of(site), site.functions
    n = loop.size
    active = loop.activity(functions, site.active)
    inactive = tuple(not flag for flag in active)
    if not all(functions.known(loop.condition, inactive, cheaply=False)):
        raise TransformError(
            f"{describe(site.op.location)}: cannot transpose 'stablehlo.while': its condition depends on the values it is "
            "linear in, so that it is not linear"
        )
    wanted = tuple(a and b for a, b in zip(site.wanted, active[:n], strict=True))
    while True:
        symbol, present = functions.transpose(loop.body, active, wanted)
        grown = tuple(a or b for a, b in zip(wanted, present[:n], strict=True))
        if grown == wanted:
            break
        wanted = grown
    present_types = picked([value.type for value in site.operands], present)
    outside = [None if flag else site.operand(n + i) for i, flag in enumerate(active[n:])]
    captured = filled(outside, (True,) * len(outside), [value.type for value in site.operands[n:]])
    passive = inactive[:n]
    first = [site.operand(i) for i in range(n) if passive[i]]
    start = _start(site, loop, wanted, present, cotangents)

    def whole(values: Sequence[Value]) -> list[Value]:
        return filled(spread_out(values, passive), (True,) * n, loop.types)

    def advance(values: Sequence[Value]) -> list[Value]:
        return picked(ops.call(loop.body, loop.types, [*whole(values), *captured]), passive)

    def at_carry(values: Sequence[Value], flowing: Sequence[Value]) -> list[Value]:
        fixed = [*values, *picked(captured, inactive[n:])]

        def pull(seeds: Sequence[Value]) -> Tangents:
            return spread_out(ops.call(symbol, present_types, [*fixed, *seeds]), present)

        return _pulling(loop, wanted, present, flowing, pull)

    used = functions.needs(symbol, (True,) * sum(present))
    fixed_parts = tuple(picked(loop.idle(functions, _among(used, passive)), passive))
    if loop.count is None:
        trips = ops.while_(
            [*first, ops.full(_I64, 0)],
            lambda *v: loop.goes_on(whole(v[:-1]), captured),
            lambda *v: [*advance(v[:-1]), ops.add(v[-1], ops.full(_I64, 1))],
        )[-1]
        results = bisected(trips, loop.slots, first, fixed_parts, start, advance=advance, pull=at_carry)
        return _end(site, loop, wanted, present, results)

    count = loop.count
    if not count.trips:
        return [*cotangents, *(None,) * (site.inputs - n)]
    place = sum(passive[: count.position])
    rows = tuple(not flag and i != place for i, flag in enumerate(fixed_parts))

    def recording(*values: Value) -> list[Value]:
        carry, trip, stacks = values[: len(first)], values[len(first)], values[len(first) + 1 :]
        written = [put_row(s, row, trip) for s, row in zip(stacks, picked(carry, rows), strict=True)]
        return [*advance(carry), ops.add(trip, ops.full(_I32, 1)), *written]

    stacks = [
        ops.full(tensor((count.trips, *v.type.shape), v.type.element_type), 0) for v in picked(first, rows)
    ]
    if stacks:
        stacks = ops.while_(
            [*first, ops.full(_I32, 0), *stacks],
            lambda *v: loop.goes_on(whole(v[: len(first)]), captured),
            recording,
        )[len(first) + 1 :]

    def at_trip(trip: Value, found: Sequence[Value], flowing: Sequence[Value]) -> list[Value]:
        values = [v if row is None else row for v, row in zip(first, spread_out(found, rows), strict=True)]
        values[place] = _counter(count, trip, loop.types[count.position])
        return at_carry(values, flowing)

    results = counted_down(count.trips, stacks, start, at_trip)
    return _end(site, loop, wanted, present, results)


def _among(flags: Flags, where: Flags) -> Flags:
    """Flags of the parts at some positions as flags of all parts."""
    remaining = iter(flags)
    return tuple(next(remaining) if flag else False for flag in where)


# ---- Batching ------------------------------------------------------------------------------------


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    count = len(site.op.operands)
    condition, body = site.functions.outline(site.op, 0), site.functions.outline(site.op, 1)
    captured, fixed = site.operands[count:], tuple(site.flags[count:])
    flags = tuple(site.flags[:count])
    while True:
        _, reached = site.functions.batch(body, (*flags, *fixed))
        grown = tuple(a or b for a, b in zip(flags, reached, strict=True))
        _, tested = site.functions.batch(condition, (*grown, *fixed))
        if tested[0]:
            grown = (True,) * count
        if grown == flags:
            break
        flags = grown
    carry = [
        spread(value, site.size) if flag and not was else value
        for value, flag, was in zip(site.operands[:count], flags, site.flags[:count], strict=True)
    ]
    types = [value.type for value in carry]
    step_symbol, _ = site.functions.batch(body, (*flags, *fixed), flags)
    test_symbol, tested = site.functions.batch(condition, (*flags, *fixed))
    going = tensor((site.size,), ops.BOOL) if tested[0] else tensor((), ops.BOOL)

    def goes_on(values: Sequence[Value]) -> Value:
        return ops.call(test_symbol, [going], [*values, *captured])[0]

    def test(*values: Value) -> Value:
        flags = goes_on(values)
        return ops.reduce(flags, ops.full(tensor((), ops.BOOL), False), [0], ops.or_) if tested[0] else flags

    def step(*values: Value) -> list[Value]:
        new = ops.call(step_symbol, types, [*values, *captured])
        if not tested[0]:
            return new
        # Examples whose condition has failed keep what they have.
        running = goes_on(values)
        return [_select(running, a, b) for a, b in zip(new, values, strict=True)]

    return ops.while_(carry, test, step, _checkpoints(site.op)), flags


def _select(predicate: Value, on_true: Value, on_false: Value) -> Value:
    return ops.select(ops.broadcast_in_dim(predicate, on_true.type.shape, [0]), on_true, on_false)


RECORDS: tuple[Record, ...] = (
    structured(
        "stablehlo.while",
        _forward,
        _reverse,
        _batch,
        augment=_augment,
        joint=_joint,
        depends=_depends,
        captures=True,
    ),
)
