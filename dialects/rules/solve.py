"""The record of `linear_solve`: the solution of A x = b by a function, differentiated implicitly.

From A x = b follows A dx = db - dA x, one more solve with the same A; its transpose is a solve with the
transposed A ("Extracting directional derivatives from implicit functions" is Griewank and Walther's chapter 15;
Giles, "Collected matrix derivative results", 2008, gives both rules for the linear solve).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.composites import LINEAR_SOLVE, Composite, build
from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    Flags,
    Functions,
    Record,
    Site,
    Tangents,
    batched_type,
    structured,
)
from mycc.dialects.rules.composites import composite_of
from mycc.dialects.rules.flags import filled, spread_out

Value: TypeAlias = ir.Value

__all__ = ["RECORDS"]


def _types(values: Sequence[Value]) -> list[ir.Type]:
    return [value.type for value in values]


def _solve(composite: Composite, right: Sequence[Value], captured: Sequence[Value]) -> list[Value]:
    """The unknowns for another right-hand side."""
    types = _types(composite.op.results)
    values = build(
        LINEAR_SOLVE,
        composite.decomposition,
        composite.rules,
        composite.arguments,
        types,
        [*right, *captured],
    )
    return values[: composite.arguments]


def _transposed(
    functions: Functions, composite: Composite, cotangents: Sequence[Value], captured: Sequence[Value]
) -> list[Value]:
    """The unknowns of the transposed system; it knows its own matrix and transpose, for further derivatives."""
    op, count = composite.op, composite.arguments
    if "transpose" not in composite.rules:
        raise TransformError(
            f"{describe(op.location)}: cannot differentiate custom_linear_solve in reverse mode: it has no "
            "transpose_solve; pass one, or symmetric=True if the matrix is symmetric"
        )
    types, fixed = _types(list(op.results)[:count]), _types(captured)
    flags = (*(True for _ in types), *(False for _ in fixed))
    symbol, present = functions.transpose(composite.rules["matvec"], flags, (True,) * count)
    made = present[:count]

    def matvec(*values: Value) -> list[Value]:
        results = ops.call(
            symbol,
            [t for t, flag in zip(types, made, strict=True) if flag],
            [*values[count:], *values[:count]],
        )
        return filled(spread_out(results, made), (True,) * count, types)

    def solve(*values: Value) -> list[Value]:
        return ops.call(composite.decomposition, _types(op.results), values)[:count]

    rules = {
        "matvec": functions.define(f"{composite.rules['matvec']}.transposed", [*types, *fixed], matvec),
        "transpose": functions.define(f"{composite.decomposition}.unknowns", [*types, *fixed], solve),
    }
    operands = [*cotangents, *captured]
    return build(LINEAR_SOLVE, composite.rules["transpose"], rules, count, types, operands)


def _tangents(
    site: Site, unknowns: Sequence[Value], captured: Sequence[Value], tangents: Tangents
) -> Tangents:
    composite = composite_of(site.op)
    count = composite.arguments
    right: Tangents = list(tangents[:count])
    active = site.active[count:]
    if any(active):
        flags = (*(False for _ in unknowns), *active)
        symbol, present = site.functions.jvp(composite.rules["matvec"], flags)
        types = _types(unknowns)
        moving = [t for t, flag in zip(types, present, strict=True) if flag]
        seeds = filled(tangents[count:], active, _types(captured))
        values = ops.call(symbol, [*types, *moving], [*unknowns, *captured, *seeds])
        moved = spread_out(values[count:], present)
        right = [_difference(b, a) for b, a in zip(right, moved, strict=True)]
    results: Tangents = [None] * len(site.op.results)
    if any(value is not None for value in right):
        full = filled(right, (True,) * count, _types(unknowns))
        results[:count] = _solve(composite, full, captured)
    return results


def _difference(x: Value | None, y: Value | None) -> Value | None:
    if y is None:
        return x
    return ops.neg(y) if x is None else ops.sub(x, y)


def _joint(site: Site, operands: Sequence[Value], tangents: Tangents) -> tuple[Sequence[Value], Tangents]:
    results = list(ops.rebuild(site.op, operands).results)
    count = composite_of(site.op).arguments
    return results, _tangents(site, results[:count], operands[count:], tangents)


def _forward(site: Site, tangents: Tangents) -> Tangents:
    count = composite_of(site.op).arguments
    unknowns = [site.result(i) for i in range(count)]
    captured = [site.operand(i) for i in range(count, site.inputs)]
    return _tangents(site, unknowns, captured, tangents)


def _reverse(site: Site, cotangents: Tangents) -> Tangents:
    composite = composite_of(site.op)
    count = composite.arguments
    results = list(site.op.results)[:count]
    if all(ct is None for ct in cotangents[:count]):
        return [None] * site.inputs
    captured = [site.operand(i) for i in range(count, site.inputs)]
    seeds = filled(cotangents[:count], (True,) * count, _types(results))
    solved = _transposed(site.functions, composite, seeds, captured)
    active = site.active[count:]
    if not any(active):
        return [*solved, *(None for _ in captured)]
    flags = (*(False for _ in results), *active)
    split = site.functions.split(composite.rules["matvec"], flags, (True,) * count)
    unknowns = [site.result(i) for i in range(count)]
    values = ops.call(split.primal, [*_types(results), *split.residuals], [*unknowns, *captured])
    present = split.active[count:]
    ends = [value.type for value, flag in zip(captured, present, strict=True) if flag]
    pulled = ops.call(split.linear, ends, [*(ops.neg(x) for x in solved), *values[count:]])
    return [*solved, *spread_out(pulled, present)]


def _depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    count = composite_of(op).arguments
    return tuple(i < count for i in range(len(op.results)))


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    composite, functions = composite_of(site.op), site.functions
    count = composite.arguments
    flags = (*(True for _ in range(count)), *site.flags[count:])
    outs = (True,) * len(site.op.results)
    rules = {
        name: functions.later(symbol, flags, (True,) * count) for name, symbol in composite.rules.items()
    }
    decomposition = functions.later(composite.decomposition, flags, outs)
    types = [batched_type(result.type, site.size) for result in site.op.results]
    operands = [*(site.full(i) for i in range(count)), *site.operands[count:]]
    return build(LINEAR_SOLVE, decomposition, rules, count, types, operands), outs


RECORDS: tuple[Record, ...] = (
    structured(LINEAR_SOLVE, _forward, _reverse, _batch, joint=_joint, depends=_depends),
)
