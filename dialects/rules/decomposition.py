"""Records of operations that are differentiated as what they stand for: a function of simpler operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Flags, Functions, Site, Split, Tangents

__all__ = ["Decomposition"]

Value: TypeAlias = ir.Value


class Decomposition:
    """The rules of an operation whose meaning is written in operations that have records.

    The operation is differentiated like a call of a function that holds these.

    Args:
        build: from an operation and values of its operands' types to those of its results, at the ambient
            insertion point.
    """

    def __init__(self, build: Callable[[ir.Operation, Sequence[Value]], Sequence[Value]]) -> None:
        self._build = build

    def _symbol(self, functions: Functions, op: ir.Operation) -> str:
        return functions.define(op, lambda values: self._build(op, values))

    def augment(self, site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
        """A call of the function that also returns what its linear part needs."""
        split = self._split(site)
        types = [result.type for result in site.op.results]
        operands = operands[: len(site.op.operands)]
        results = ops.call(split.primal, [*types, *split.residuals], operands)
        return results[: len(types)], results[len(types) :]

    def forward(self, site: Site, tangents: Tangents) -> Tangents:
        """Tangents of the results."""
        split = self._split(site)
        starts = [operand.type for operand in site.op.operands]
        ends = [result.type for result in site.op.results]
        saved = [site.saved(i) for i in range(len(split.residuals))]
        active = self._active(site)
        seeds = [*_present(tangents[: len(active)], active, starts), *saved]
        return _called(split.linear, seeds, split.active, ends, len(ends))

    def reverse(self, site: Site, cotangents: Tangents) -> Tangents:
        """Cotangents of the operands."""
        active = self._active(site)
        starts = [result.type for result in site.op.results]
        ends = [operand.type for operand in site.op.operands]
        if site.transposing:
            symbol, present = site.functions.transpose(
                self._symbol(site.functions, site.op), active, site.wanted
            )
            primals = [site.operand(i) for i, flag in enumerate(active) if not flag]
            seeds = _present(cotangents, site.wanted, starts)
            return _called(symbol, [*primals, *seeds], present, ends, site.inputs)
        split = self._split(site)
        saved = [site.saved(i) for i in range(len(split.residuals))]
        seeds = [*_present(cotangents, site.wanted, starts), *saved]
        return _called(split.linear, seeds, split.active, ends, site.inputs)

    def depends(self, functions: Functions, op: ir.Operation, active: Flags) -> Flags:
        """Which results depend on the active operands."""
        return functions.depends(self._symbol(functions, op), active[: len(op.operands)])

    def _active(self, site: Site) -> Flags:
        return site.active[: len(site.op.operands)]

    def _split(self, site: Site) -> Split:
        seeded = site.wanted if site.reversing else None
        return site.functions.split(self._symbol(site.functions, site.op), self._active(site), seeded)


def _present(values: Tangents, flags: Flags, types: Sequence[ir.Type]) -> list[Value]:
    """The values at the flagged positions, zeros where there is none."""
    return [
        ops.full(type_, 0) if value is None else value
        for value, flag, type_ in zip(values, flags, types, strict=True)
        if flag
    ]


def _called(
    symbol: str, operands: Sequence[Value], present: Flags, types: Sequence[ir.Type], count: int
) -> Tangents:
    """The results of a call at the positions that have one, None at the others, ``count`` in all."""
    results = iter(ops.call(symbol, [t for t, f in zip(types, present, strict=True) if f], operands))
    found: Tangents = [next(results) if flag else None for flag in present]
    return found + [None] * (count - len(found))
