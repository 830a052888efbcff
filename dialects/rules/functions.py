"""Records of what refers to functions and axes: calls, named collectives, and `stop_gradient`.

An operation that is a short program of others needs no rules of its own: it counts as a call of a function
that holds this program (`expanded`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from mycc.dialects import ops, transform
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    ExpandRule,
    Flags,
    Functions,
    Record,
    Site,
    Split,
    Tangents,
    batch_pointwise,
    batched_type,
    inactive,
    structured,
)
from mycc.dialects.types import element_type, tensor

Value: TypeAlias = ir.Value


def _callee(op: ir.Operation) -> str:
    symbol: str = op.attributes["callee"].value
    return symbol


def _present(values: Tangents, flags: Flags, types: Sequence[ir.Type]) -> list[Value]:
    """The values at the flagged positions, zeros where there is none."""
    return [
        ops.full(type_, 0) if value is None else value
        for value, flag, type_ in zip(values, flags, types, strict=True)
        if flag
    ]


def _picked(types: Sequence[ir.Type], flags: Flags) -> list[ir.Type]:
    return [type_ for type_, flag in zip(types, flags, strict=True) if flag]


def _scatter(values: Sequence[Value], flags: Flags) -> Tangents:
    """The values back at the flagged positions, None elsewhere."""
    remaining = iter(values)
    return [next(remaining) if flag else None for flag in flags]


@dataclass(frozen=True, slots=True)
class _Calls:
    """The rules of operations that do what a function of the module does.

    Args:
        callee: the function's symbol, from what whole functions are asked of and the operation.
    """

    callee: Callable[[Any, ir.Operation], str]

    def split(self, site: Site) -> Split:
        seeded = site.wanted if site.reversing else None
        return site.functions.split(self.callee(site.functions, site.op), site.active, seeded)

    def augment(self, site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
        split = self.split(site)
        types = [result.type for result in site.op.results]
        results = ops.call(split.primal, [*types, *split.residuals], operands)
        return results[: len(types)], results[len(types) :]

    def forward(self, site: Site, tangents: Tangents) -> Tangents:
        split = self.split(site)
        types = [result.type for result in site.op.results]
        seeds = _present(tangents, site.active, [operand.type for operand in site.operands])
        return _linear(site, split, seeds, types)

    def joint(
        self, site: Site, operands: Sequence[Value], tangents: Tangents
    ) -> tuple[Sequence[Value], Tangents]:
        symbol, present = site.functions.jvp(self.callee(site.functions, site.op), site.active)
        types = [result.type for result in site.op.results]
        seeds = _present(tangents, site.active, [operand.type for operand in operands])
        results = ops.call(symbol, [*types, *_picked(types, present)], [*operands, *seeds])
        return results[: len(types)], _scatter(results[len(types) :], present)

    def reverse(self, site: Site, cotangents: Tangents) -> Tangents:
        types = [operand.type for operand in site.operands]
        seeds = _present(cotangents, site.wanted, [result.type for result in site.op.results])
        if not site.transposing:
            return _linear(site, self.split(site), seeds, types)
        callee = self.callee(site.functions, site.op)
        symbol, present = site.functions.transpose(callee, site.active, site.wanted)
        primals = [site.operand(i) for i, flag in enumerate(site.active) if not flag]
        return _scatter(ops.call(symbol, _picked(types, present), [*primals, *seeds]), present)

    def batch(self, site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
        symbol, flags = site.functions.batch(self.callee(site.functions, site.op), tuple(site.flags))
        types = [
            batched_type(result.type, site.size) if flag else result.type
            for result, flag in zip(site.op.results, flags, strict=True)
        ]
        return ops.call(symbol, types, site.operands), flags

    def depends(self, functions: Functions, op: ir.Operation, active: Flags) -> Flags:
        return functions.depends(self.callee(functions, op), active)

    def record(self, name: str) -> Record:
        return structured(
            name,
            self.forward,
            self.reverse,
            self.batch,
            augment=self.augment,
            joint=self.joint,
            depends=self.depends,
        )


def _linear(site: Site, split: Split, seeds: Sequence[Value], ends: Sequence[ir.Type]) -> Tangents:
    """The linear part of a split function: values at those of its ends that it has."""
    saved = [site.saved(i) for i in range(len(split.residuals))]
    return _scatter(ops.call(split.linear, _picked(ends, split.active), [*seeds, *saved]), split.active)


EXPANSION = _Calls(lambda functions, op: functions.expansion(op))
"""The rules of an operation as those of its expansion, for records that use them for some of its forms."""


def expanded(name: str, expand: ExpandRule) -> Record:
    """The record of an operation that is the same as some others: its rules are those of a function of them.

    Args:
        name: the operation.
        expand: ``(op, operands, regions) -> results``, where what the regions capture follows the operands.
    """
    return replace(EXPANSION.record(name), kind="expanded", expand=expand, captures=True)


# ---- Named collectives ---------------------------------------------------------------------------
# Resolved by the `vmap` whose axis they name; any other batching passes over them (Appendix of "Decomposing
# reverse-mode automatic differentiation", Frostig et al. 2021, gives psum as its own transpose).


def _psum_like(site: Site, values: Tangents) -> Tangents:
    value = values[0]
    if value is None:
        return [None]
    return [transform.collective("psum", _axis(site.op), [value], [value.type])]


def _axis(op: ir.Operation) -> str:
    name = transform.axis_name_of(op)
    assert name is not None, "a named collective without mycc.axis_name does not verify"
    return name


def _batch_collective(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    if site.axis_name == _axis(site.op):
        target = transform.target_of(site.op)
        return [_RESOLVE[target](site)], [target == "mycc.axis_index"]
    return batch_pointwise(site)


def _resolve_psum(site: Batched) -> Value:
    (x,) = site.operands
    if site.flags[0]:
        return ops.sum_(x, [0])
    return ops.mul(x, ops.full_like(x, site.size))


def _resolve_axis_index(site: Batched) -> Value:
    return ops.iota(tensor((site.size,), element_type("int32")), 0)


_RESOLVE = {
    "mycc.psum": _resolve_psum,
    "mycc.axis_index": _resolve_axis_index,
}


RECORDS: tuple[Record, ...] = (
    _Calls(lambda functions, op: _callee(op)).record("func.call"),
    structured("mycc.psum", _psum_like, _psum_like, _batch_collective),
    inactive("mycc.axis_index", _batch_collective),
    inactive("mycc.stop_gradient", batch_pointwise, dtypes="fciub"),
)
