"""Records of what orders elements: `sort` with any comparator, `top_k`.

The order is a permutation, and the derivative moves tangents by it: a gather forward, a scatter to unique
places in reverse. A sort under differentiation orders the positions along with its operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Flags, Functions, Record, Site, Tangents, structured
from mycc.dialects.rules import regions
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import element_type, shape_of, tensor

Value: TypeAlias = ir.Value


def _along(rank: int, dim: int) -> Windows:
    """Single elements along one dimension, the other dimensions of operand and indices going together."""
    others = tuple(d for d in range(rank) if d != dim)
    return Windows((), (dim,), others, others, (dim,), rank)


def take_along(x: Value, places: Value, dim: int) -> Value:
    """The elements of ``x`` at places along a dimension."""
    shape = shape_of(x)
    return ops.gather(x, places, _along(len(shape), dim).gather(), [min(1, n) for n in shape])


def put_along(updates: Value, places: Value, dim: int, type_: ir.Type) -> Value:
    """Zeros of a type, with updates at distinct places along a dimension."""
    windows = _along(len(type_.shape), dim)
    return ops.scatter(ops.full(type_, 0), places, updates, windows.scatter(), ops.add, unique=True)


# ---- sort ----------------------------------------------------------------------------------------


def _dimension(op: ir.Operation) -> int:
    attribute = op.attributes.get("dimension")
    found = -1 if attribute is None else int(attribute.value)
    return found % len(op.operands[0].type.shape)


def _ordered(op: ir.Operation, which: Sequence[int], values: Sequence[Value]) -> list[Value]:
    """Some of a sort's operands in its order, and for each element the place that it comes from.

    Args:
        op: the sort.
        which: the operands, at least those that the comparator looks at.
        values: what they are.
    """
    shape, dim = tuple(op.operands[0].type.shape), _dimension(op)
    places = ops.iota(tensor(shape, element_type("int32" if shape[dim] < 2**31 else "int64")), dim)
    arguments = list(op.regions[0].blocks[0].arguments)
    stable = op.attributes.get("is_stable")

    def comparator(*scalars: Value) -> Value:
        mapping = {}
        for n, i in enumerate(which):
            mapping[arguments[2 * i]], mapping[arguments[2 * i + 1]] = scalars[2 * n], scalars[2 * n + 1]
        return regions.clone_body(op, mapping)[0][0]

    return ops.sort([*values, places], dim, comparator, stable is not None and bool(stable.value))


def _augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    count = len(site.op.operands)
    results = _ordered(site.op, range(count), operands[:count])
    return results[:-1], results[-1:]


def _places(site: Site) -> Value:
    if not site.transposing:
        return site.saved(0)
    # A sort is linear in the operands that its comparator does not look at.
    block = site.op.regions[0].blocks[0]
    used = {operand for inner in block.operations for operand in inner.operation.operands}
    pairs = [block.arguments[2 * i : 2 * i + 2] for i in range(len(site.op.operands))]
    keys = [i for i, pair in enumerate(pairs) if any(argument in used for argument in pair)]
    return _ordered(site.op, keys, [site.operand(i) for i in keys])[-1]


def _forward(site: Site, tangents: Tangents) -> Tangents:
    places, dim = _places(site), _dimension(site.op)
    count = len(site.op.operands)
    return [None if tangent is None else take_along(tangent, places, dim) for tangent in tangents[:count]]


def _reverse(site: Site, cotangents: Tangents) -> Tangents:
    places, dim = _places(site), _dimension(site.op)
    found: Tangents = [None] * site.inputs
    for i, (cotangent, operand) in enumerate(zip(cotangents, site.op.operands, strict=True)):
        if cotangent is not None and site.active[i]:
            found[i] = put_along(cotangent, places, dim, operand.type)
    return found


def _depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return active[: len(op.results)]


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    operands = [site.full(i) for i in range(len(site.operands))]
    attributes = {"dimension": ops.i64(_dimension(site.op) + 1)}
    results = list(ops.rebuild(site.op, operands, site.result_types(), attributes).results)
    return results, [True] * len(results)


# ---- top_k ---------------------------------------------------------------------------------------


def _top_places(site: Site) -> Value:
    # Which elements are the greatest is not linear: under transposition the look-up of the operand says so.
    return site.operand(0) if site.transposing else site.result(1)


def _top_forward(site: Site, tangents: Tangents) -> Tangents:
    x = tangents[0]
    return [None if x is None else take_along(x, _top_places(site), len(shape_of(x)) - 1), None]


def _top_reverse(site: Site, cotangents: Tangents) -> Tangents:
    type_ = site.op.operands[0].type
    cotangent = cotangents[0]
    return [
        None if cotangent is None else put_along(cotangent, _top_places(site), len(type_.shape) - 1, type_)
    ]


def _top_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    return list(ops.rebuild(site.op, site.operands, site.result_types()).results), [True, True]


RECORDS: tuple[Record, ...] = (
    structured("stablehlo.sort", _forward, _reverse, _batch, augment=_augment, depends=_depends),
    structured("chlo.top_k", _top_forward, _top_reverse, _top_batch),
)
