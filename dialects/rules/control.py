"""The record of `case`.

Regions are outlined into functions of their block's arguments and of what they capture, so that derivatives
and batching of regions are those of functions; captured values count as further operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

from mycc.dialects import ops
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
    structured,
)
from mycc.dialects.rules.effects import refuse_effects
from mycc.dialects.rules.flags import filled, picked, select_examples, spread_out

Value: TypeAlias = ir.Value


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
    tangent_types = picked(types, present)
    seeds = filled(tangents[1:], site.active[1:], [value.type for value in captured])

    def branch(symbol: str, flags: Flags) -> list[Value]:
        results = ops.call(symbol, [*types, *picked(types, flags)], [*captured, *seeds])
        outs = spread_out(results[len(types) :], flags)
        return [*results[: len(types)], *filled(outs, present, types)]

    results = ops.case(index, [*types, *tangent_types], [partial(branch, *d) for d in derived])
    return results[: len(types)], spread_out(results[len(types) :], present)


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
        values = ops.call(split.linear, picked(ends, split.active), [*seeds, *own])
        return filled(spread_out(values, split.active), present, ends)

    branches = [partial(branch, i) for i in range(len(splits))]
    results = ops.case(saved[count], picked(ends, present), branches)
    return spread_out(results, present)


def _case_forward(site: Site, tangents: Tangents) -> Tangents:
    splits = _case_splits(site)
    seeds = filled(tangents[1:], site.active[1:], [operand.type for operand in site.operands[1:]])
    present = tuple(map(any, zip(*(split.active for split in splits), strict=True)))
    return _case_linear(site, seeds, _result_types(site.op), present, splits)


def _case_reverse(site: Site, cotangents: Tangents) -> Tangents:
    if site.transposing:
        return _case_transpose(site, cotangents)
    seeds = filled(cotangents, site.wanted, _result_types(site.op))
    types = [operand.type for operand in site.operands[1:]]
    return [None, *_case_linear(site, seeds, types, site.active[1:], _case_splits(site))]


def _case_transpose(site: Site, cotangents: Tangents) -> Tangents:
    active = site.active[1:]
    types = [operand.type for operand in site.operands[1:]]
    index = site.operand(0)
    fixed = [site.operand(i + 1) for i, flag in enumerate(active) if not flag]
    seeds = filled(cotangents, site.wanted, _result_types(site.op))
    derived = [site.functions.transpose(b, active, site.wanted) for b in _branches(site.functions, site.op)]

    def branch(symbol: str, present: Flags) -> list[Value]:
        values = ops.call(symbol, picked(types, present), [*fixed, *seeds])
        return filled(spread_out(values, present), active, types)

    results = ops.case(index, picked(types, active), [partial(branch, *d) for d in derived])
    return [None, *spread_out(results, active)]


def _case_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    index, *captured = site.operands
    branches = [site.functions.outline(site.op, i) for i in range(len(site.op.regions))]
    inner = tuple(site.flags[1:])
    flags = tuple(map(any, zip(*(site.functions.batch(b, inner)[1] for b in branches), strict=True)))
    if site.flags[0]:
        refuse_effects(site, "cond or switch whose branch differs between examples", branches)
        flags = (True,) * len(flags)
    symbols = [site.functions.batch(b, inner, flags)[0] for b in branches]
    types = [
        batched_type(t, site.size) if flag else t
        for t, flag in zip(_result_types(site.op), flags, strict=True)
    ]
    if not site.flags[0]:
        return ops.case(index, types, [partial(ops.call, s, types, captured) for s in symbols]), flags
    return _select_branch(site, index, [ops.call(symbol, types, captured) for symbol in symbols]), flags


def _select_branch(site: Batched, index: Value, results: list[list[Value]]) -> list[Value]:
    """Every branch was computed for the whole batch; each example takes its own."""
    chosen = results[-1]
    for position in reversed(range(len(results) - 1)):
        here = ops.compare("EQ", index, ops.full_like(index, position))
        chosen = [select_examples(here, new, old) for new, old in zip(results[position], chosen, strict=True)]
    return chosen


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
)
