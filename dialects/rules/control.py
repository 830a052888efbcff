"""Records of control flow: `case` and `while`.

Regions are outlined into functions of their block's arguments and of what they capture, so that derivatives
and batching of regions are those of functions; captured values count as further operands.

A loop is differentiated forward by carrying the tangents along. Reverse mode through `while` has no rule here
yet and is refused with the user's line.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.errors import TransformError, UnsupportedOperationError
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
    batched_type,
    spread,
    structured,
)
from mycc.dialects.types import tensor

Value: TypeAlias = ir.Value


def _picked(values: Sequence[Value], flags: Sequence[bool]) -> list[Value]:
    return [value for value, flag in zip(values, flags, strict=True) if flag]


def _zeros(values: Tangents, flags: Sequence[bool], types: Sequence[ir.Type]) -> list[Value]:
    """The values at the flagged positions, zeros where there is none."""
    return [
        ops.full(type_, 0) if value is None else value
        for value, flag, type_ in zip(values, flags, types, strict=True)
        if flag
    ]


def _spread_out(values: Sequence[Value], flags: Sequence[bool]) -> Tangents:
    remaining = iter(values)
    return [next(remaining) if flag else None for flag in flags]


def _result_types(op: ir.Operation) -> list[ir.Type]:
    return [result.type for result in op.results]


# ---- case ----------------------------------------------------------------------------------------


def _branches(functions: Functions, op: ir.Operation) -> list[str]:
    return [functions.outline(op, i) for i in range(len(op.regions))]


def _case_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    found = [functions.depends(branch, active[1:]) for branch in _branches(functions, op)]
    return tuple(map(any, zip(*found, strict=True)))


def _case_joint(
    site: Site, operands: Sequence[Value], tangents: Tangents
) -> tuple[Sequence[Value], Tangents]:
    index, *captured = operands
    types = _result_types(site.op)
    derived = [site.functions.jvp(branch, site.active[1:]) for branch in _branches(site.functions, site.op)]
    present = tuple(map(any, zip(*(flags for _, flags in derived), strict=True)))
    tangent_types = _picked(types, present)
    seeds = _zeros(tangents[1:], site.active[1:], [value.type for value in captured])

    def branch(symbol: str, flags: Flags) -> list[Value]:
        results = ops.call(symbol, [*types, *_picked(types, flags)], [*captured, *seeds])
        outs = _spread_out(results[len(types) :], flags)
        return [*results[: len(types)], *_zeros(outs, present, types)]

    results = ops.case(index, [*types, *tangent_types], [partial(branch, *d) for d in derived])
    return results[: len(types)], _spread_out(results[len(types) :], present)


def _case_splits(site: Site) -> list[Split]:
    seeded = site.wanted if site.reversing else None
    return [site.functions.split(b, site.active[1:], seeded) for b in _branches(site.functions, site.op)]


def _case_augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    """Each branch gives its own residuals, and zeros in the place of the others'."""
    index, *captured = operands
    types = _result_types(site.op)
    splits = _case_splits(site)
    residuals = [type_ for split in splits for type_ in split.residuals]

    def branch(position: int) -> list[Value]:
        results: list[Value] = []
        saved: list[Value] = []
        for i, split in enumerate(splits):
            if i != position:
                saved += [ops.full(type_, 0) for type_ in split.residuals]
                continue
            values = ops.call(split.primal, [*types, *split.residuals], captured)
            results, own = values[: len(types)], values[len(types) :]
            saved += own
        return [*results, *saved]

    values = ops.case(index, [*types, *residuals], [partial(branch, i) for i in range(len(splits))])
    return values[: len(types)], [*values[len(types) :], index]


def _case_linear(
    site: Site, seeds: Sequence[Value], ends: Sequence[ir.Type], present: Flags, splits: list[Split]
) -> Tangents:
    """The linear parts of all branches, with zeros at those present ends where one branch has none."""
    count = sum(len(split.residuals) for split in splits)
    saved = [site.saved(i) for i in range(count + 1)]

    def branch(position: int) -> list[Value]:
        split = splits[position]
        offset = sum(len(s.residuals) for s in splits[:position])
        own = saved[offset : offset + len(split.residuals)]
        values = ops.call(split.linear, _picked(ends, split.active), [*seeds, *own])
        return _zeros(_spread_out(values, split.active), present, ends)

    branches = [partial(branch, i) for i in range(len(splits))]
    results = ops.case(saved[count], _picked(ends, present), branches)
    return _spread_out(results, present)


def _case_forward(site: Site, tangents: Tangents) -> Tangents:
    splits = _case_splits(site)
    seeds = _zeros(tangents[1:], site.active[1:], [operand.type for operand in site.operands[1:]])
    present = tuple(map(any, zip(*(split.active for split in splits), strict=True)))
    return _case_linear(site, seeds, _result_types(site.op), present, splits)


def _case_reverse(site: Site, cotangents: Tangents) -> Tangents:
    if site.transposing:
        return _case_transpose(site, cotangents)
    seeds = _zeros(cotangents, site.wanted, _result_types(site.op))
    types = [operand.type for operand in site.operands[1:]]
    return [None, *_case_linear(site, seeds, types, site.active[1:], _case_splits(site))]


def _case_transpose(site: Site, cotangents: Tangents) -> Tangents:
    active = site.active[1:]
    types = [operand.type for operand in site.operands[1:]]
    index = site.operand(0)
    fixed = [site.operand(i + 1) for i, flag in enumerate(active) if not flag]
    seeds = _zeros(cotangents, site.wanted, _result_types(site.op))
    derived = [site.functions.transpose(b, active, site.wanted) for b in _branches(site.functions, site.op)]

    def branch(symbol: str, present: Flags) -> list[Value]:
        values = ops.call(symbol, _picked(types, present), [*fixed, *seeds])
        return _zeros(_spread_out(values, present), active, types)

    results = ops.case(index, _picked(types, active), [partial(branch, *d) for d in derived])
    return [None, *_spread_out(results, active)]


def _case_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    index, *captured = site.operands
    branches = [site.functions.outline(site.op, i) for i in range(len(site.op.regions))]
    inner = tuple(site.flags[1:])
    flags = tuple(map(any, zip(*(site.functions.batch(b, inner)[1] for b in branches), strict=True)))
    if site.flags[0]:
        _refuse_effects(site, "cond or switch whose branch differs between examples", branches)
        flags = (True,) * len(flags)
    symbols = [site.functions.batch(b, inner, flags)[0] for b in branches]
    types = [
        batched_type(t, site.size) if flag else t
        for t, flag in zip(_result_types(site.op), flags, strict=True)
    ]
    if not site.flags[0]:
        return ops.case(index, types, [partial(ops.call, s, types, captured) for s in symbols]), flags
    return _select_branch(site, index, [ops.call(symbol, types, captured) for symbol in symbols]), flags


def _refuse_effects(site: Batched, what: str, functions: Sequence[str]) -> None:
    """Refuse an `io_callback` where the batched form runs for examples that do not ask for it."""
    for symbol in functions:
        name = site.functions.lasting_effect(symbol)
        if name is not None:
            raise TransformError(
                f"{describe(site.op.location)}: vmap of a {what} would run the io_callback of '{name}' in it for every "
                "example; take the call out of it, or loop over the examples with mycc.lax.map"
            )


def _select_branch(site: Batched, index: Value, results: list[list[Value]]) -> list[Value]:
    """Every branch was computed for the whole batch; each example takes its own."""
    chosen = results[-1]
    for position in reversed(range(len(results) - 1)):
        here = ops.compare("EQ", index, ops.full_like(index, position))
        chosen = [_select(here, new, old) for new, old in zip(results[position], chosen, strict=True)]
    return chosen


def _select(predicate: Value, on_true: Value, on_false: Value) -> Value:
    return ops.select(ops.broadcast_in_dim(predicate, on_true.type.shape, [0]), on_true, on_false)


# ---- while ---------------------------------------------------------------------------------------


def _carry_activity(functions: Functions, body: str, active: Flags, count: int) -> Flags:
    """Which parts of the carry depend on what is active, after any number of iterations."""
    carry, captured = active[:count], active[count:]
    while True:
        reached = functions.depends(body, (*carry, *captured))
        grown = tuple(a or b for a, b in zip(carry, reached, strict=True))
        if grown == carry:
            return carry
        carry = grown


def _while_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return _carry_activity(functions, functions.outline(op, 1), active, len(op.operands))


def _while_joint(
    site: Site, operands: Sequence[Value], tangents: Tangents, again: bool = False
) -> tuple[Sequence[Value], Tangents]:
    count = len(site.op.operands)
    condition, body = site.functions.outline(site.op, 0), site.functions.outline(site.op, 1)
    if again:
        condition, body = site.functions.silent(condition), site.functions.silent(body)
    carry = _carry_activity(site.functions, body, site.active, count)
    captured, active_captured = operands[count:], site.active[count:]
    symbol, present = site.functions.jvp(body, (*carry, *active_captured))
    types = [value.type for value in operands[:count]]
    start = _zeros(tangents[:count], carry, types)
    fixed = _zeros(tangents[count:], active_captured, [value.type for value in captured])
    scalar = tensor((), ops.BOOL)

    def step(*values: Value) -> list[Value]:
        primals, moving = values[:count], values[count:]
        results = ops.call(symbol, [*types, *_picked(types, present)], [*primals, *captured, *moving, *fixed])
        outs = _spread_out(results[count:], present)
        return [*results[:count], *_zeros(outs, carry, types)]

    def test(*values: Value) -> Value:
        return ops.call(condition, [scalar], [*values[:count], *captured])[0]

    results = ops.while_([*operands[:count], *start], test, step)
    return results[:count], _spread_out(results[count:], carry)


def _while_forward(site: Site, tangents: Tangents) -> Tangents:
    # A pushforward runs the loop once more, from its start, instead of taking residuals of every iteration.
    return _while_joint(site, [site.operand(i) for i in range(site.inputs)], tangents, again=True)[1]


def _while_reverse(site: Site, cotangents: Tangents) -> Tangents:
    raise UnsupportedOperationError(
        f"{describe(site.op.location)}: reverse-mode differentiation of 'stablehlo.while' is not there yet; use forward mode "
        "(mycc.jvp, jacfwd), or unroll the loop in Python"
    )


def _while_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    count = len(site.op.operands)
    condition, body = site.functions.outline(site.op, 0), site.functions.outline(site.op, 1)
    captured, fixed = site.operands[count:], tuple(site.flags[count:])
    flags = tuple(site.flags[:count])
    while True:
        _, reached = site.functions.batch(body, (*flags, *fixed))
        grown = tuple(a or b for a, b in zip(flags, reached, strict=True))
        _, tested = site.functions.batch(condition, (*grown, *fixed))
        if tested[0]:
            _refuse_effects(
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
        return [_select(running, a, b) for a, b in zip(new, values, strict=True)]

    return ops.while_(carry, test, step), flags


RECORDS: tuple[Record, ...] = (
    structured(
        "stablehlo.case",
        _case_forward,
        _case_reverse,
        _case_batch,
        augment=_case_augment,
        joint=_case_joint,
        depends=_case_depends,
        captures=True,
    ),
    structured(
        "stablehlo.while",
        _while_forward,
        _while_reverse,
        _while_batch,
        joint=_while_joint,
        depends=_while_depends,
        captures=True,
    ),
)
