"""Reductions whose body selects: which element each result is, so that derivatives go there.

The body of an argmax returns `select(p, old, new)` for the value and another select for its index. Under
differentiation the position of the chosen element travels along with the value: it is the body's own index
where one can be recognised, else a further operand, an iota, that the value's own predicate selects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Flags, Site
from mycc.dialects.rules import regions
from mycc.dialects.types import element_type, is_differentiable, tensor

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Selection:
    """How a body chooses one of its results.

    Args:
        predicate: the scalar that decides, a value of the body.
        keeps: whether the accumulated scalar is taken where it holds, and not where it does not.
    """

    predicate: Value
    keeps: bool


def positions(shape: Dims, dims: Dims, element: ir.Type) -> Value:
    """For each element of a shape, its position among those that are reduced together along ``dims``."""
    type_ = tensor(shape, element)
    if len(dims) == 1:
        return ops.iota(type_, dims[0])
    sizes = [shape[d] for d in dims]
    line = ops.iota(tensor((math.prod(sizes),), element), 0)
    return ops.broadcast_in_dim(ops.reshape(line, sizes), shape, dims)


def winner(site: Site, index: int) -> Value:
    """For each result, the position of the element that it is; -1 where it is the initial value."""
    if site.transposing:
        # No choice depends on its operands linearly: the look-up of one says so.
        return site.operand(index)
    own = _index_result(site.op, index)
    if own is not None:
        return site.result(own)
    return site.saved(_tracked(site.op, site.active).index(_selection(site.op, index)))


def augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]] | None:
    """The reduction with the positions that its derivative needs as further results, which are saved.

    The operands are followed by what the body captures: constants, of which the new body gets copies.
    """
    op = site.op
    tracked = _tracked(op, site.active)
    if not tracked and len(operands) == len(op.operands):
        return None
    count, extra = len(op.results), len(tracked)
    shape, dims = tuple(operands[0].type.shape), tuple(op.attributes["dimensions"])
    wide = math.prod(shape[d] for d in dims) >= 2**31
    element = element_type("int64" if wide else "int32")
    places = [positions(shape, dims, element)] * extra
    nowhere = [ops.full(tensor((), element), -1)] * extra

    def body(*arguments: Value) -> list[Value]:
        old, new = arguments[: count + extra], arguments[count + extra :]
        inner = op.regions[0].blocks[0].arguments
        mapping = dict(zip(inner, [*old[:count], *new[:count]], strict=True))
        results, predicates = regions.clone_body(op, mapping, [selection.predicate for selection in tracked])
        for i, selection in enumerate(tracked):
            pair = (old[count + i], new[count + i]) if selection.keeps else (new[count + i], old[count + i])
            results.append(ops.select(predicates[i], *pair))
        return results

    initials = operands[count : 2 * count]
    found = ops.reduce_many([*operands[:count], *places], [*initials, *nowhere], dims, body)
    return found[:count], found[count:]


def _selection(op: ir.Operation, index: int) -> _Selection:
    chosen = regions.returned(op)[index].owner
    return _Selection(chosen.operands[0], chosen.operands[1] == op.regions[0].blocks[0].arguments[index])


def _tracked(op: ir.Operation, active: Flags) -> list[_Selection]:
    """The distinct selections of differentiated results whose position the body does not return itself."""
    count = len(op.results)
    found: list[_Selection] = []
    selected = regions.selections(op)
    for i, result in enumerate(op.results):
        needed = selected[i] and is_differentiable(result.type) and (active[i] or active[count + i])
        if needed and _index_result(op, i) is None:
            selection = _selection(op, i)
            if selection not in found:
                found.append(selection)
    return found


def _index_result(op: ir.Operation, index: int) -> int | None:
    """The result that holds the position of the element that result ``index`` is, if the body returns it."""
    dims = tuple(op.attributes["dimensions"])
    initial = op.operands[len(op.results) + index]
    if len(dims) != 1 or not (regions.is_identity(initial, "max") or regions.is_identity(initial, "min")):
        return None
    selected = regions.selections(op)
    value = _selection(op, index)
    for k, operand in enumerate(list(op.operands)[: len(op.results)]):
        if selected[k] and counts(operand, dims[0]) and _follows(op, _selection(op, k), value, k, index):
            return k
    return None


def counts(value: Value, dim: int) -> bool:
    """Whether a value is 0, 1, 2, ... along a dimension."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return False
    if owner.name == "stablehlo.iota":
        return bool(owner.attributes["iota_dimension"].value == dim)
    if owner.name == "stablehlo.broadcast_in_dim":
        spread = tuple(owner.attributes["broadcast_dimensions"])
        return dim in spread and counts(owner.operands[0], spread.index(dim))
    return False


def _follows(op: ir.Operation, position: _Selection, value: _Selection, k: int, index: int) -> bool:
    """Whether a position is chosen with its value, but for ties: there the lower one may be.

    JAX lowers argmax to ``value = select(p, x, y)``, ``index = select(p | (x == y & i < j), i, j)``.
    """
    if position == value:
        return True
    either = position.predicate.owner
    if position.keeps != value.keeps or isinstance(either, ir.Block) or either.name != "stablehlo.or":
        return False
    parts = list(either.operands)
    if value.predicate not in parts:
        return False
    tie = parts[1 - parts.index(value.predicate)].owner
    if isinstance(tie, ir.Block) or tie.name != "stablehlo.and":
        return False
    return any(_equates(op, part, index) for part in tie.operands)


def _equates(op: ir.Operation, value: Value, index: int) -> bool:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.compare":
        return False
    arguments = op.regions[0].blocks[0].arguments
    pair = {arguments[index], arguments[len(op.results) + index]}
    return set(owner.operands) == pair and "EQ" in str(owner.attributes["comparison_direction"])
