"""Records of `reduce_window` and `select_and_scatter`.

A sum of windows is linear, and its transpose a sum of windows too. A maximum or minimum has its derivative
where it was found, at the first of equal elements as in JAX: its transpose is a `select_and_scatter`, whose own
transpose takes the chosen elements. A body that selects (argmax and its kin) is treated alike by positions.
Any other body is differentiated as a fold, in pairs, of the elements that windows hold (see `folding`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    Flags,
    Functions,
    Record,
    Regions,
    Site,
    Tangents,
    accumulate,
    structured,
)
from mycc.dialects.rules import regions
from mycc.dialects.rules.folding import Body, combinations, converted, in_pairs
from mycc.dialects.rules.functions import (
    call_augment,
    call_batch,
    call_depends,
    call_forward,
    call_reverse,
)
from mycc.dialects.rules.sequential import batch_in_turn
from mycc.dialects.rules.sliding import Sliding, chosen, placed
from mycc.dialects.types import is_differentiable, shape_of, tensor

Value: TypeAlias = ir.Value

_DIRECTION = {"max": "GE", "min": "LE"}


def _everywhere(x: Value, shape: Sequence[int]) -> Value:
    return ops.broadcast_in_dim(x, shape, ())


def _total(x: Value) -> Value:
    return ops.sum_(x, range(len(shape_of(x))))


def _kinds(op: ir.Operation) -> list[str | None]:
    """For each result ``add``, ``max``, ``min``, ``select``, or None for what is differentiated as a fold."""
    several = len(op.results) > 1
    found: list[str | None] = []
    for kind, selects in zip(regions.kinds(op), regions.selections(op), strict=True):
        if kind == "add" or (kind in ("max", "min") and not several):
            found.append(kind)
        else:
            found.append("select" if selects else None)
    return found


def _is_fold(op: ir.Operation) -> bool:
    """Whether some result that has a derivative is of no kind that has rules here."""
    pairs = zip(_kinds(op), op.results, strict=True)
    return any(kind is None and is_differentiable(result.type) for kind, result in pairs)


# ---- Which element was chosen --------------------------------------------------------------------


def _winners(site: Site, index: int, kind: str) -> tuple[Value, bool]:
    """The positions of the elements that a result's windows chose, and whether any may be -1."""
    op, count = site.op, len(site.op.results)
    sliding = Sliding.of(op)
    shape = tuple(op.operands[index].type.shape)
    if kind in _DIRECTION:
        neutral = regions.is_identity(op.operands[1], kind)
        x = site.operand(0)
        initial = (
            ops.full(op.operands[1].type, regions.identity(kind, ops.element_of(x))) if neutral else None
        )

        def compared(a: Value, b: Value) -> tuple[Value, list[Value]]:
            stays = ops.compare(_DIRECTION[kind], a, b)
            return stays, [ops.select(stays, a, b)]

        found = sliding.winners([x], [initial or site.operand(1)], compared, neutral)
        return found, not (neutral and sliding.never_empty(shape))
    selection = regions.returned(op)[index].owner
    arguments = op.regions[0].blocks[0].arguments

    def selected(*scalars: Value) -> tuple[Value, list[Value]]:
        mapping = dict(zip(arguments, scalars, strict=True))
        results, (predicate,) = regions.clone_body(op, mapping, [selection.operands[0]])
        keeps = selection.operands[1] == arguments[index]
        return predicate if keeps else ops.not_(predicate), results

    values = [_deciding(site, i, index) for i in range(2 * count)]
    return sliding.winners(values[:count], values[count:], selected, False), True


def _deciding(site: Site, i: int, index: int) -> Value:
    """An operand of a body that selects; one that only follows the choice may be what is linear."""
    own = i % len(site.op.results)
    if site.transposing and site.active[i] and not _decides(site.op, own):
        return ops.full(site.op.operands[i].type, 0)
    return site.operand(i)


def _decides(op: ir.Operation, index: int) -> bool:
    """Whether a body uses its scalars of one operand for more than to select their own result."""
    block = op.regions[0].blocks[0]
    count = len(op.results)
    own = {block.arguments[index], block.arguments[count + index]}
    allowed = regions.returned(op)[index].owner
    return any(
        inner.operation != allowed.operation and not own.isdisjoint(list(inner.operands))
        for inner in block.operations
    )


# ---- reduce_window -------------------------------------------------------------------------------


def _push(site: Site, index: int, kind: str, tangent: Value | None, initial: Value | None) -> Value | None:
    type_ = site.op.results[index].type
    shape = tuple(type_.shape)
    if kind == "add":
        left = None if tangent is None else Sliding.of(site.op).sum_(tangent)
        return accumulate(left, None if initial is None else _everywhere(initial, shape))
    if math.prod(site.op.operands[index].type.shape) == 0 or math.prod(shape) == 0:
        return None if initial is None else _everywhere(initial, shape)
    winners, masked = _winners(site, index, kind)
    found = None if tangent is None else chosen(tangent, winners, masked)
    if initial is None or not masked:
        return found
    elsewhere = ops.compare("LT", winners, ops.full_like(winners, 0))
    return accumulate(found, ops.select(elsewhere, _everywhere(initial, shape), ops.full(type_, 0)))


def _pull(site: Site, index: int, kind: str, cotangent: Value) -> tuple[Value | None, Value | None]:
    op, count = site.op, len(site.op.results)
    on_x, on_initial = site.active[index], site.active[count + index]
    sliding, shape = Sliding.of(op), tuple(op.operands[index].type.shape)
    if kind == "add":
        return (
            sliding.spread(cotangent, shape) if on_x else None,
            _total(cotangent) if on_initial else None,
        )
    if math.prod(shape) == 0 or math.prod(shape_of(cotangent)) == 0:
        return None, _total(cotangent) if on_initial else None
    plain = kind in _DIRECTION and regions.is_identity(op.operands[1], kind)
    # XLA's expansion of a select_and_scatter of scalars aborts the process.
    fits = len(shape) > 0 and not sliding.is_dilated and sliding.never_empty(shape)
    if plain and fits and not on_initial:
        return _select_and_scatter(site, sliding, kind, cotangent), None
    winners, masked = _winners(site, index, kind)
    x = placed(cotangent, winners, shape) if on_x else None
    if not on_initial or not masked:
        return x, None
    elsewhere = ops.compare("LT", winners, ops.full_like(winners, 0))
    return x, _total(ops.select(elsewhere, cotangent, ops.full_like(cotangent, 0)))


def _select_and_scatter(site: Site, sliding: Sliding, kind: str, cotangent: Value) -> Value:
    x = site.operand(0)
    operands = [x, cotangent, ops.zero_of(x)]
    operation = ops.create(
        "stablehlo.select_and_scatter", [x.type], operands, sliding.attributes(dilations=False), regions=2
    )
    scalars = [operands[2].type] * 2
    ops.region(operation, scalars, lambda a, b: ops.compare(_DIRECTION[kind], a, b), 0)
    ops.region(operation, scalars, ops.add, 1)
    return operation.result


def _forward(site: Site, tangents: Tangents) -> Tangents:
    op, count = site.op, len(site.op.results)
    if _is_fold(op):
        return call_forward(site, tangents)
    found: Tangents = []
    for i, kind in enumerate(_kinds(op)):
        tangent, initial = tangents[i], tangents[count + i]
        if kind is None or (tangent is None and initial is None):
            found.append(None)
        else:
            found.append(_push(site, i, kind, tangent, initial))
    return found


def _reverse(site: Site, cotangents: Tangents) -> Tangents:
    op, count = site.op, len(site.op.results)
    if _is_fold(op):
        return call_reverse(site, cotangents)
    found: Tangents = [None] * site.inputs
    for i, kind in enumerate(_kinds(op)):
        cotangent = cotangents[i]
        if kind is not None and cotangent is not None and (site.active[i] or site.active[count + i]):
            found[i], found[count + i] = _pull(site, i, kind, cotangent)
    return found


def _augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]] | None:
    return call_augment(site, operands) if _is_fold(site.op) else None


def _depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    if _is_fold(op):
        return call_depends(functions, op, active)
    count = len(op.results)
    return tuple(active[i] or active[count + i] for i in range(count))


# ---- Any body, as a fold -------------------------------------------------------------------------


def _fold(op: ir.Operation, operands: Sequence[Value], around: Regions) -> Sequence[Value]:
    """A plain reduction of mapped elements; or the elements of each window in pairs, which keeps their order."""
    count = len(op.results)
    sliding = Sliding.of(op)
    body = Body(op, around.outline(op, 0), operands[2 * count :], around)
    values, initials = converted(operands[:count], body.elements), operands[count : 2 * count]
    mapped = combinations(op)
    if mapped != regions.kinds(op) and all(kind in regions.COMBINE for kind in mapped):
        return [
            sliding.reduce([x], [initial], regions.COMBINE[kind])[0]
            for x, initial, kind in zip(body.of_new(mapped, values), initials, mapped, strict=True)
            if kind is not None
        ]
    shape, inner = tuple(op.results[0].type.shape), tuple(op.operands[0].type.shape)
    starts = [_everywhere(x, shape) for x in initials]
    if math.prod(inner) == 0 or math.prod(shape) == 0:
        return starts
    # What stands in padding is never taken where it could change anything, and has no derivative.
    fillers = [
        ops.full(x.type, regions.identity(kind, ops.element_of(x)) if kind in regions.COMBINE and kind else 1)
        for kind, x in zip(regions.kinds(op), initials, strict=True)
    ]
    rows = [sliding.contents(x, filler) for x, filler in zip(values, fillers, strict=True)]
    if not sliding.is_padded or all(kind in regions.COMBINE for kind in regions.kinds(op)):
        return body(starts, [ops.reshape(x, shape) for x in in_pairs(rows, body)])
    held = sliding.contents(ops.full(tensor(inner, ops.BOOL), True), ops.full(tensor((), ops.BOOL), False))
    *rows, inside = in_pairs([*rows, held], partial(_combined, body))
    found, inside = body(starts, [ops.reshape(x, shape) for x in rows]), ops.reshape(inside, shape)
    return [ops.select(inside, x, start) for x, start in zip(found, starts, strict=True)]


def _combined(body: Body, left: Sequence[Value], right: Sequence[Value]) -> list[Value]:
    """The body, where both sides are elements of a window, which the last of their values says; else the one that is."""
    *first, here = left
    *second, there = right
    first = [ops.select(here, x, y) for x, y in zip(first, second, strict=True)]
    second = [ops.select(there, y, x) for x, y in zip(first, second, strict=True)]
    both = ops.and_(here, there)
    found = [ops.select(both, z, x) for z, x in zip(body(first, second), first, strict=True)]
    return [*found, ops.or_(here, there)]


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    op, count = site.op, len(site.op.results)
    initials, flags = list(site.operands[count : 2 * count]), site.flags[count : 2 * count]
    kinds = regions.kinds(op)
    unknown = {kind for kind, flag in zip(_kinds(op), flags, strict=True) if flag} - {*regions.COMBINE}
    if unknown == {"select"} or any(site.flags[2 * count :]):
        return call_batch(site)
    if any(flag and kind not in regions.COMBINE for kind, flag in zip(kinds, flags, strict=True)):
        # A fold in another order is the same for bodies that choose, and not for others.
        return batch_in_turn(site)
    for i, flag in enumerate(flags):
        # An initial value is a scalar: a batched one is combined with the reduction from the identity.
        kind, type_ = kinds[i], op.operands[count + i].type
        if not flag or kind is None:
            continue
        initials[i] = ops.full(type_, regions.identity(kind, type_.element_type))
    types = site.result_types()
    inputs = [site.full(i) for i in range(count)]
    copy = ops.rebuild(op, [*inputs, *initials], types, Sliding.of(op).batched().attributes())
    results: list[Value] = list(copy.results)
    for i, flag in enumerate(flags):
        kind = kinds[i]
        if flag and kind is not None:
            spread = ops.broadcast_in_dim(site.operands[count + i], types[i].shape, [0])
            results[i] = regions.COMBINE[kind](spread, results[i])
    return results, [True] * count


# ---- select_and_scatter --------------------------------------------------------------------------


def _scatters(site: Site) -> None:
    if not _adds(site.op):
        raise regions.unsupported(
            site.op, "differentiate", "its scatter body is not a sum; only sums have derivatives"
        )


def _adds(op: ir.Operation) -> bool:
    block = op.regions[1].blocks[0]
    arguments = list(block.arguments)
    owner = block.operations[len(block.operations) - 1].operands[0].owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.add":
        return False
    return list(owner.operands) in (arguments, arguments[::-1])


def _scatter_forward(site: Site, tangents: Tangents) -> Tangents:
    _, source, initial = tangents[:3]
    if source is None and initial is None:
        return [None]
    _scatters(site)
    total: Value | None = None
    if source is not None:
        total = ops.rebuild(site.op, [site.operand(0), source, ops.zero_of(source)]).result
    if initial is not None:
        total = accumulate(total, _everywhere(initial, site.op.results[0].type.shape))
    return [total]


def _scatter_reverse(site: Site, cotangents: Tangents) -> Tangents:
    found: Tangents = [None] * site.inputs
    cotangent = cotangents[0]
    if cotangent is None:
        return found
    _scatters(site)
    type_ = site.op.operands[1].type
    if site.active[1]:
        if math.prod(type_.shape) == 0 or math.prod(shape_of(cotangent)) == 0:
            found[1] = ops.full(type_, 0)
        else:
            found[1] = chosen(cotangent, *_scatter_winners(site))
    if site.active[2]:
        found[2] = _total(cotangent)
    return found


def _scatter_winners(site: Site) -> tuple[Value, bool]:
    op, x = site.op, site.operand(0)
    arguments = op.regions[0].blocks[0].arguments

    def keep(a: Value, b: Value) -> tuple[Value, list[Value]]:
        (stays,), _ = regions.clone_body(op, {arguments[0]: a, arguments[1]: b})
        return stays, [ops.select(stays, a, b)]

    return Sliding.of(op).winners([x], [ops.zero_of(x)], keep, True), False


def _scatter_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return (active[1] or active[2],)


def _scatter_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    op = site.op
    (type_,) = site.result_types()
    initial = site.operands[2]
    if site.flags[2]:
        if not _adds(op):
            return batch_in_turn(site)
        initial = ops.full(op.operands[2].type, 0)
    attributes = Sliding.of(op).batched().attributes(dilations=False)
    found = ops.rebuild(op, [site.full(0), site.full(1), initial], [type_], attributes).result
    if site.flags[2]:
        found = ops.add(ops.broadcast_in_dim(site.operands[2], type_.shape, [0]), found)
    return [found], [True]


RECORDS: tuple[Record, ...] = (
    replace(
        structured(
            "stablehlo.reduce_window",
            _forward,
            _reverse,
            _batch,
            augment=_augment,
            depends=_depends,
            captures=True,
        ),
        expand=_fold,
    ),
    structured(
        "stablehlo.select_and_scatter",
        _scatter_forward,
        _scatter_reverse,
        _scatter_batch,
        depends=_scatter_depends,
    ),
)
