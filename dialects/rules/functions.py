"""Records of what refers to functions: calls; and of `stop_gradient`.

An operation that is a short program of others needs no rules of its own: it counts as a call of a function
that holds this program (`expanded`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    BatchFunctions,
    ExpandRule,
    Flags,
    Functions,
    Record,
    Site,
    Tangents,
    batch_pointwise,
    batched_type,
    inactive,
    pointwise,
    structured,
)
from mycc.dialects.rules.flags import filled, spread_out

Value: TypeAlias = ir.Value


_REFERENCE = {"func.call": "callee", "stablehlo.composite": "decomposition"}


def _callee(functions: Functions | BatchFunctions, op: ir.Operation) -> str:
    """The function that a call or composite refers to, or the one that any other operation is the same as."""
    if op.name not in _REFERENCE:
        return functions.expansion(op)
    symbol: str = op.attributes[_REFERENCE[op.name]].value
    return symbol


def _call_split(site: Site) -> tuple[str, tuple[ir.Type, ...], Flags, str]:
    seeded = site.wanted if site.reversing else None
    split = site.functions.split(_callee(site.functions, site.op), site.active, seeded)
    return split.linear, split.residuals, split.active, split.primal


def call_augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    _, residuals, _, primal = _call_split(site)
    types = [result.type for result in site.op.results]
    results = ops.call(primal, [*types, *residuals], operands)
    return results[: len(types)], results[len(types) :]


def call_forward(site: Site, tangents: Tangents) -> Tangents:
    linear, residuals, present, _ = _call_split(site)
    types = [result.type for result in site.op.results]
    seeds = filled(tangents, site.active, [operand.type for operand in site.operands])
    saved = [site.saved(i) for i in range(len(residuals))]
    results = ops.call(linear, [t for t, flag in zip(types, present, strict=True) if flag], [*seeds, *saved])
    return spread_out(results, present)


def call_joint(site: Site, operands: Sequence[Value], tangents: Tangents) -> tuple[Sequence[Value], Tangents]:
    symbol, present = site.functions.jvp(_callee(site.functions, site.op), site.active)
    types = [result.type for result in site.op.results]
    seeds = filled(tangents, site.active, [operand.type for operand in operands])
    results = ops.call(
        symbol, [*types, *(t for t, flag in zip(types, present, strict=True) if flag)], [*operands, *seeds]
    )
    return results[: len(types)], spread_out(results[len(types) :], present)


def call_reverse(site: Site, cotangents: Tangents) -> Tangents:
    types = [operand.type for operand in site.operands]
    seeds = filled(cotangents, site.wanted, [result.type for result in site.op.results])
    if site.transposing:
        symbol, present = site.functions.transpose(_callee(site.functions, site.op), site.active, site.wanted)
        primals = [site.operand(i) for i, flag in enumerate(site.active) if not flag]
        results = ops.call(
            symbol, [t for t, flag in zip(types, present, strict=True) if flag], [*primals, *seeds]
        )
        return spread_out(results, present)
    linear, residuals, present, _ = _call_split(site)
    saved = [site.saved(i) for i in range(len(residuals))]
    results = ops.call(linear, [t for t, flag in zip(types, present, strict=True) if flag], [*seeds, *saved])
    return spread_out(results, present)


def call_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    symbol, flags = site.functions.batch(_callee(site.functions, site.op), tuple(site.flags))
    types = [
        batched_type(result.type, site.size) if flag else result.type
        for result, flag in zip(site.op.results, flags, strict=True)
    ]
    return ops.call(symbol, types, site.operands), flags


def call_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return functions.depends(_callee(functions, op), active)


_CALL = structured(
    "func.call",
    call_forward,
    call_reverse,
    call_batch,
    augment=call_augment,
    joint=call_joint,
    depends=call_depends,
)


def expanded(name: str, expand: ExpandRule) -> Record:
    """The record of an operation that is the same as some others: its rules are those of a function of them.

    Args:
        name: the operation.
        expand: ``(op, operands, regions) -> results``, where what the regions capture follows the operands.
    """
    return replace(_CALL, name=name, kind="expanded", expand=expand, captures=True)


RECORDS: tuple[Record, ...] = (
    _CALL,
    # What another framework keeps together is what its decomposition says.
    replace(_CALL, name="stablehlo.composite"),
    pointwise("mycc.checkpoint_name", lambda t, s: t, oracle=lambda x: x, dtypes="fciub"),
    inactive("mycc.stop_gradient", batch_pointwise, dtypes="fciub"),
)
