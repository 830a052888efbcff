"""The transpose of a linear `stablehlo.while`.

It takes the backward sweeps of reverse mode; what the linear part needs of each trip is that part of the carry
which is not linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Flags,
    Site,
    Tangents,
)
from mycc.dialects.rules.flags import filled, picked, spread_out
from mycc.dialects.rules.loop import Loop, counter_at, end, pulling, start_of
from mycc.dialects.rules.sweeps import bisected, counted_down, put_row
from mycc.dialects.types import element_type, tensor

Value: TypeAlias = ir.Value

_I32, _I64 = tensor((), element_type("int32")), tensor((), element_type("int64"))


def transpose(site: Site, cotangents: Tangents) -> Tangents:
    loop, functions = Loop.of(site.functions, site.op, site.inputs), site.functions
    n = loop.size
    active = loop.activity(functions, site.active)
    inactive = tuple(not flag for flag in active)
    if not all(functions.known(loop.condition, inactive)):
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
    start = start_of(site, loop, wanted, present, cotangents)

    def whole(values: Sequence[Value]) -> list[Value]:
        return filled(spread_out(values, passive), (True,) * n, loop.types)

    def advance(values: Sequence[Value]) -> list[Value]:
        return picked(ops.call(loop.body, loop.types, [*whole(values), *captured]), passive)

    def at_carry(values: Sequence[Value], flowing: Sequence[Value]) -> list[Value]:
        fixed = [*values, *picked(captured, inactive[n:])]

        def pull(seeds: Sequence[Value]) -> Tangents:
            return spread_out(ops.call(symbol, present_types, [*fixed, *seeds]), present)

        return pulling(loop, wanted, present, flowing, pull)

    used = functions.needs(symbol, (True,) * sum(present))
    fixed_parts = tuple(picked(loop.idle(functions, _among(used, passive)), passive))
    if loop.count is None:
        trips = ops.while_(
            [*first, ops.full(_I64, 0)],
            lambda *v: loop.goes_on(whole(v[:-1]), captured),
            lambda *v: [*advance(v[:-1]), ops.add(v[-1], ops.full(_I64, 1))],
        )[-1]
        results = bisected(trips, loop.slots, first, fixed_parts, start, advance=advance, pull=at_carry)
        return end(site, loop, wanted, present, results)

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
        values[place] = counter_at(count, trip, loop.types[count.position])
        return at_carry(values, flowing)

    results = counted_down(count.trips, stacks, start, at_trip)
    return end(site, loop, wanted, present, results)


def _among(flags: Flags, where: Flags) -> Flags:
    """Flags of the parts at some positions as flags of all parts."""
    remaining = iter(flags)
    return tuple(next(remaining) if flag else False for flag in where)
