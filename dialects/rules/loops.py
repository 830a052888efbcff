"""The record of `stablehlo.while`. Forward, a loop carries the tangents along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    Flags,
    Functions,
    Record,
    Site,
    Tangents,
    spread,
    structured,
)
from mycc.dialects.rules.effects import refuse_effects
from mycc.dialects.rules.flags import filled, picked, select_examples, spread_out
from mycc.dialects.rules.loop import Loop, checkpoints
from mycc.dialects.rules.loop_backward import augment, reverse
from mycc.dialects.rules.loop_transpose import transpose
from mycc.dialects.types import element_type, tensor

Value: TypeAlias = ir.Value

_I32, _I64 = tensor((), element_type("int32")), tensor((), element_type("int64"))


def _depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    body = functions.outline(op, 1)
    count = len(op.operands)
    loop = Loop(op, "", body, [result.type for result in op.results], (), None)
    return loop.activity(functions, active)[:count]


def _joint(
    site: Site, operands: Sequence[Value], tangents: Tangents, again: bool = False
) -> tuple[Sequence[Value], Tangents]:
    loop = Loop.of(site.functions, site.op, site.inputs)
    if again:
        loop = loop.silent(site.functions)
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
        [*operands[:n], *start], lambda *v: loop.goes_on(v[:n], captured), step, checkpoints(site.op)
    )
    return results[:n], spread_out(results[n:], active[:n])


def _forward(site: Site, tangents: Tangents) -> Tangents:
    # A pushforward runs the loop once more, from its start, instead of taking residuals of every trip.
    return _joint(site, [site.operand(i) for i in range(site.inputs)], tangents, again=True)[1]


def _reverse(site: Site, cotangents: Tangents) -> Tangents:
    return transpose(site, cotangents) if site.transposing else reverse(site, cotangents)


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
            refuse_effects(
                site, "loop that ends at different times for different examples", (condition, body)
            )
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
        return [select_examples(running, a, b) for a, b in zip(new, values, strict=True)]

    return ops.while_(carry, test, step, checkpoints(site.op)), flags


RECORDS: tuple[Record, ...] = (
    structured(
        "stablehlo.while",
        _forward,
        _reverse,
        _batch,
        augment=augment,
        joint=_joint,
        depends=_depends,
        captures=True,
    ),
)
