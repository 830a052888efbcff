"""The record of `sdy.manual_computation`: its rules are those of the function that each device computes.

A residual that is the part of an operand, or of a result that is split over all axes, is that operand or result, with its
spec. Others leave the computation stacked along a new dimension that is split over all axes: they differ on all devices.
A replicated operand takes part on each device, so its cotangents are summed over the axes it is replicated over. Of a
replicated result each device returns the same copy, and gets an equal share of its cotangent (`psum`, which is its own
transpose, adds the shares up again: "Decomposing reverse-mode automatic differentiation", Frostig et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mycc.dialects import manual, ops, transform
from mycc.dialects.manual import Manual, Spec, part_of
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    BatchFunctions,
    Flags,
    Functions,
    Record,
    Site,
    Tangents,
    structured,
)
from mycc.dialects.rules.flags import filled, picked, spread_out
from mycc.dialects.rules.regions import unsupported
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value
Build = Callable[[Sequence[Value]], Sequence[Value]]


def _manual(op: ir.Operation) -> Manual:
    try:
        return manual.match(op)
    except ValueError as error:
        raise unsupported(op, "differentiate or batch", str(error)) from None


def _callee(functions: Functions | BatchFunctions, op: ir.Operation) -> str:
    """The function that each device computes: the one that is called, or what stands in the region."""
    body = [each.operation for each in op.regions[0].blocks[0].operations]
    if len(body) == 2 and body[0].name == "func.call":
        call = body[0]
        if list(call.operands) == list(op.regions[0].blocks[0].arguments):
            if list(body[1].operands) == list(call.results):
                return str(call.attributes["callee"].value)
    return functions.outline(op, 0)


def _parts(values: Sequence[Value] | Sequence[ir.Type], specs: Sequence[Spec], m: Manual) -> list[ir.Type]:
    types = [value.type if isinstance(value, ir.Value) else value for value in values]
    return [part_of(type_, spec, m.axes) for type_, spec in zip(types, specs, strict=True)]


def _local(
    functions: Functions | BatchFunctions, base: str, arguments: Sequence[ir.Type], build: Build
) -> str:
    return functions.define(base, arguments, lambda *values: build(values))


def _stack(value: Value) -> Value:
    return ops.reshape(value, (1, *shape_of(value)))


def _split(site: Site) -> tuple[str, tuple[ir.Type, ...], Flags, str]:
    seeded = site.wanted if site.reversing else None
    split = site.functions.split(_callee(site.functions, site.op), site.active, seeded)
    return split.linear, split.residuals, split.active, split.primal


@dataclass(frozen=True, slots=True)
class _Residual:
    """How a residual leaves the computation.

    Args:
        operand, result: of which its parts are, if of any.
        spec: how the whole is split.
        part: the type of a device's part, as it leaves.
    """

    operand: int | None
    result: int | None
    spec: Spec
    part: ir.Type

    @property
    def stacked(self) -> bool:
        """Whether it has a dimension in front for the devices."""
        return self.operand is None and self.result is None


def _residuals(site: Site, m: Manual, primal: str, types: Sequence[ir.Type]) -> list[_Residual]:
    block = site.functions.block(primal)
    arguments = list(block.arguments)
    returned = list(block.operations[len(block.operations) - 1].operation.operands)
    results, values = returned[: len(m.outs)], returned[len(m.outs) :]
    whole = [all(m.axes[name] == 1 for name in m.missing(spec)) for spec in m.outs]
    found = []
    for value, type_ in zip(values, types, strict=True):
        operand = next((i for i, argument in enumerate(arguments) if argument == value), None)
        result = next((i for i, r in enumerate(results) if r == value and whole[i]), None)
        if operand is not None:
            found.append(_Residual(operand, None, m.ins[operand], type_))
        elif result is not None:
            found.append(_Residual(None, result, m.outs[result], type_))
        else:
            part = tensor((1, *type_.shape), type_.element_type)
            found.append(_Residual(None, None, m.stacked(len(type_.shape)), part))
    return found


def _augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    m = _manual(site.op)
    _, types, _, primal = _split(site)
    residuals = _residuals(site, m, primal, types)
    ins, outs = _parts(operands, m.ins, m), _parts(list(site.op.results), m.outs, m)

    def build(values: Sequence[Value]) -> Sequence[Value]:
        results = ops.call(primal, [*outs, *types], list(values))
        saved = zip(residuals, results[len(outs) :], strict=True)
        return [*results[: len(outs)], *(_stack(value) for r, value in saved if r.stacked)]

    stacked = [r for r in residuals if r.stacked]
    symbol = _local(site.functions, f"{primal}.parts", ins, build)
    saving = replace(m, outs=(*m.outs, *(r.spec for r in stacked)))
    results = saving.build(symbol, operands, [*outs, *(r.part for r in stacked)])
    rest = iter(results[len(outs) :])
    saved = [
        operands[r.operand]
        if r.operand is not None
        else results[r.result]
        if r.result is not None
        else next(rest)
        for r in residuals
    ]
    return results[: len(outs)], saved


def _linear(
    site: Site,
    seeds: Sequence[Value],
    specs: Sequence[Spec],
    targets: Sequence[Spec],
    types: Sequence[ir.Type],
    reverse: bool,
) -> list[Value]:
    """The linear function of the parts, on tangents or cotangents and the residuals."""
    m = _manual(site.op)
    linear, inside, _, primal = _split(site)
    residuals = _residuals(site, m, primal, inside)
    saved = [site.saved(i) for i in range(len(residuals))]
    seed_types, outs = _parts(seeds, specs, m), _parts(types, targets, m)

    def build(values: Sequence[Value]) -> Sequence[Value]:
        given, kept = list(values[: len(seeds)]), values[len(seeds) :]
        if reverse:
            given = [_share(m, v, spec) for v, spec in zip(given, specs, strict=True)]
        kept = [ops.reshape(v, type_.shape) for v, type_ in zip(kept, inside, strict=True)]
        results = ops.call(linear, outs, [*given, *kept])
        return [_sum(m, v, spec) for v, spec in zip(results, targets, strict=True)] if reverse else results

    symbol = _local(site.functions, f"{linear}.parts", [*seed_types, *(r.part for r in residuals)], build)
    ins = (*specs, *(r.spec for r in residuals))
    return replace(m, ins=ins, outs=tuple(targets)).build(symbol, [*seeds, *saved], outs)


def _share(m: Manual, value: Value, spec: Spec) -> Value:
    """A device's share of the cotangent of a result."""
    count = math.prod(m.axes[name] for name in m.missing(spec))
    return value if count == 1 else ops.div(value, ops.full_like(value, count))


def _sum(m: Manual, value: Value, spec: Spec) -> Value:
    """The cotangent of an operand, which all devices have a part in where it is replicated."""
    for name in m.missing(spec):
        if m.axes[name] > 1:
            value = transform.collective("psum", name, [value], [value.type])
    return value


def _forward(site: Site, tangents: Tangents) -> Tangents:
    m = _manual(site.op)
    present = _split(site)[2]
    seeds = filled(tangents, site.active, [operand.type for operand in site.operands])
    types = picked([result.type for result in site.op.results], present)
    results = _linear(site, seeds, picked(m.ins, site.active), picked(m.outs, present), types, False)
    return spread_out(results, present)


def _reverse(site: Site, cotangents: Tangents) -> Tangents:
    m = _manual(site.op)
    seeds = filled(cotangents, site.wanted, [result.type for result in site.op.results])
    specs = picked(m.outs, site.wanted)
    if site.transposing:
        return _transpose(site, m, seeds, specs)
    present = _split(site)[2]
    types = picked([operand.type for operand in site.operands], present)
    return spread_out(_linear(site, seeds, specs, picked(m.ins, present), types, True), present)


def _transpose(site: Site, m: Manual, seeds: Sequence[Value], specs: Sequence[Spec]) -> Tangents:
    symbol, present = site.functions.transpose(_callee(site.functions, site.op), site.active, site.wanted)
    passive = [not flag for flag in site.active]
    primals = [site.operand(i) for i, flag in enumerate(passive) if flag]
    targets = picked(m.ins, present)
    ins = (*picked(m.ins, passive), *specs)
    outs = _parts(picked([operand.type for operand in site.operands], present), targets, m)

    def build(values: Sequence[Value]) -> Sequence[Value]:
        given = [_share(m, v, spec) for v, spec in zip(values[len(primals) :], specs, strict=True)]
        results = ops.call(symbol, outs, [*values[: len(primals)], *given])
        return [_sum(m, v, spec) for v, spec in zip(results, targets, strict=True)]

    local = _local(site.functions, f"{symbol}.parts", _parts([*primals, *seeds], ins, m), build)
    results = replace(m, ins=ins, outs=tuple(targets)).build(local, [*primals, *seeds], outs)
    return spread_out(results, present)


def _joint(site: Site, operands: Sequence[Value], tangents: Tangents) -> tuple[Sequence[Value], Tangents]:
    m = _manual(site.op)
    symbol, present = site.functions.jvp(_callee(site.functions, site.op), site.active)
    seeds = filled(tangents, site.active, [operand.type for operand in operands])
    outs = (*m.outs, *picked(m.outs, present))
    types = [result.type for result in site.op.results]
    parts = _parts([*types, *picked(types, present)], outs, m)
    joint = replace(m, ins=(*m.ins, *picked(m.ins, site.active)), outs=outs)
    results = joint.build(symbol, [*operands, *seeds], parts)
    return results[: len(types)], spread_out(results[len(types) :], present)


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    m = _manual(site.op)
    symbol, flags = site.functions.batch(_callee(site.functions, site.op), tuple(site.flags))

    def batched(specs: Sequence[Spec], which: Sequence[bool]) -> tuple[Spec, ...]:
        return tuple(((), *spec) if flag else spec for spec, flag in zip(specs, which, strict=True))

    ins, outs = batched(m.ins, site.flags), batched(m.outs, flags)
    types = [
        full if flag else result.type
        for full, flag, result in zip(site.result_types(), flags, site.op.results, strict=True)
    ]
    results = replace(m, ins=ins, outs=outs).build(symbol, site.operands, _parts(types, outs, m))
    return results, flags


def _depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return functions.depends(_callee(functions, op), active)


RECORDS: tuple[Record, ...] = (
    structured(manual.NAME, _forward, _reverse, _batch, augment=_augment, joint=_joint, depends=_depends),
)
