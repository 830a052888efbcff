"""The record of `stablehlo.reduce`, whatever its body.

A body is matched to a kind for each of its results (see `regions`): sums are linear; products multiply each
tangent by the product of all others, which a tree of halves gives without a division; `max` and `min` split
evenly over ties, as in JAX. A body that selects between what it accumulated and the new element (argmax and
its kin) is differentiated by letting the position travel along with the value (see `winners`). Any other body
is differentiated as a program of other operations (see `folding`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Flags, Functions, Record, Site, Tangents, accumulate, structured
from mycc.dialects.rules import regions, winners
from mycc.dialects.rules.folding import expand_reduce
from mycc.dialects.rules.functions import call_augment, call_batch, call_depends, call_forward, call_reverse
from mycc.dialects.types import is_differentiable, shape_of, tensor

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Fold:
    """One of the reductions that a `reduce` does side by side.

    Args:
        op: the operation.
        index: which result.
        kind: its kind, ``select`` for a body that selects, or None.
    """

    op: ir.Operation
    index: int
    kind: str | None

    @property
    def dims(self) -> Dims:
        return ops.ints_of(self.op.attributes["dimensions"])

    @property
    def shape(self) -> Dims:
        return tuple(self.op.operands[0].type.shape)

    @property
    def kept(self) -> Dims:
        return tuple(d for d in range(len(self.shape)) if d not in self.dims)

    @property
    def type_(self) -> ir.Type:
        return self.op.operands[self.index].type

    @property
    def out_type(self) -> ir.Type:
        return self.op.results[self.index].type

    @property
    def initial(self) -> int:
        """The position of the initial value among the operands."""
        return len(self.op.results) + self.index

    @property
    def empty(self) -> bool:
        """Whether nothing is reduced, so that the result is the initial value."""
        return math.prod(self.shape[d] for d in self.dims) == 0

    def spread(self, x: Value) -> Value:
        """A value of the result's shape, repeated along the reduced dimensions."""
        return ops.broadcast_in_dim(x, self.shape, self.kept)

    def sum_(self, x: Value) -> Value:
        """The sum over the reduced dimensions."""
        return ops.sum_(x, self.dims)


def _folds(op: ir.Operation) -> list[_Fold]:
    selected = regions.selections(op)
    found = []
    for i, kind in enumerate(regions.kinds(op)):
        # What `set` and `sub` yield depends on an order of folding that a reduce does not promise.
        known = kind if kind in regions.COMBINE else None
        found.append(_Fold(op, i, known or ("select" if selected[i] else None)))
    return found


def _everywhere(x: Value, shape: Sequence[int]) -> Value:
    return ops.broadcast_in_dim(x, shape, ())


def _total(x: Value) -> Value:
    return ops.sum_(x, range(len(shape_of(x))))


# ---- Products ------------------------------------------------------------------------------------


def exclusive_products(x: Value, dims: Dims, initial: Value | None) -> Value:
    """For each element, the product of the others along ``dims`` and the initial value.

    Halves are multiplied until one element is left; on the way back each half gets the product of what is
    outside of both times the other half. That is linear work, and exact where elements are zero.
    """
    levels: list[tuple[int, int, Value, Value]] = []
    sizes = list(shape_of(x))
    total = x
    for dim in dims:
        while sizes[dim] > 1:
            if levels:
                total = ops.mul(levels[-1][2], levels[-1][3])
            size = sizes[dim]
            half = (size + 1) // 2
            low = _part(total, dim, 0, half)
            high = _part(total, dim, half, size)
            if size % 2:
                padding = [int(d == dim) for d in range(len(sizes))]
                nothing = [0] * len(sizes)
                high = ops.pad(high, ops.full(tensor((), ops.element_of(x)), 1), nothing, padding, nothing)
            levels.append((dim, size, low, high))
            sizes[dim] = half
    outside = None if initial is None else _everywhere(initial, sizes)
    for dim, size, low, high in reversed(levels):
        left = high if outside is None else ops.mul(outside, high)
        right = low if outside is None else ops.mul(outside, low)
        outside = ops.concatenate([left, _part(right, dim, 0, size // 2)], dim)
    return ops.full_like(x, 1) if outside is None else outside


def _part(x: Value, dim: int, start: int, stop: int) -> Value:
    shape = shape_of(x)
    starts = [start if d == dim else 0 for d in range(len(shape))]
    stops = [stop if d == dim else n for d, n in enumerate(shape)]
    return ops.slice_(x, starts, stops)


def _others(site: Site, fold: _Fold) -> Value:
    plain = regions.is_identity(fold.op.operands[fold.initial], "mul")
    initial = None if plain else site.operand(fold.initial)
    return exclusive_products(site.operand(fold.index), fold.dims, initial)


def _product(site: Site, fold: _Fold) -> Value:
    x = site.operand(fold.index)
    return ops.reduce(x, ops.full(tensor((), ops.element_of(x)), 1), fold.dims, ops.mul)


# ---- Choices -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Choice:
    """Where a reduction found its results.

    Args:
        elements: which elements equal the result.
        initial: for which results the initial value does, or None where it never counts.
        ties: how many values equal each result, or None for one.
    """

    elements: Value
    initial: Value | None
    ties: Value | None

    def share(self, x: Value) -> Value:
        """A value of the results' shape divided among ties."""
        return x if self.ties is None else ops.div(x, self.ties)


def _choice(site: Site, fold: _Fold) -> _Choice:
    if fold.kind == "select":
        winner = winners.winner(site, fold.index)
        places = winners.positions(fold.shape, fold.dims, ops.element_of(winner))
        elements = ops.compare("EQ", places, fold.spread(winner))
        needed = site.active[fold.initial]
        return _Choice(
            elements, ops.compare("EQ", winner, ops.full_like(winner, -1)) if needed else None, None
        )
    assert fold.kind is not None
    out = site.result(fold.index)
    element = ops.element_of(out)
    elements = ops.compare("EQ", site.operand(fold.index), fold.spread(out))
    ties = fold.sum_(ops.convert(elements, element))
    if regions.is_identity(fold.op.operands[fold.initial], fold.kind):
        return _Choice(elements, None, ties)
    initial = ops.compare("EQ", _everywhere(site.operand(fold.initial), shape_of(out)), out)
    return _Choice(elements, initial, ops.add(ties, ops.convert(initial, element)))


# ---- The record ----------------------------------------------------------------------------------


def _push(site: Site, fold: _Fold, tangent: Value | None, initial: Value | None) -> Value | None:
    shape = tuple(fold.out_type.shape)
    if fold.empty:
        return None if initial is None else _everywhere(initial, shape)
    if fold.kind == "add":
        # Not in one reduction: XLA drops an initial value where the reduced dimensions have size 1.
        left = None if tangent is None else fold.sum_(tangent)
        return accumulate(left, None if initial is None else _everywhere(initial, shape))
    if fold.kind == "mul":
        left = None if tangent is None else fold.sum_(ops.mul(tangent, _others(site, fold)))
        right = None if initial is None else ops.mul(_everywhere(initial, shape), _product(site, fold))
        return accumulate(left, right)
    choice = _choice(site, fold)
    total: Value | None = None
    if tangent is not None:
        total = fold.sum_(ops.select(choice.elements, tangent, ops.full_like(tangent, 0)))
    if initial is not None and choice.initial is not None:
        moved = ops.select(choice.initial, _everywhere(initial, shape), ops.full(fold.out_type, 0))
        total = accumulate(total, moved)
    return None if total is None else choice.share(total)


def _pull(site: Site, fold: _Fold, cotangent: Value) -> tuple[Value | None, Value | None]:
    on_x, on_initial = site.active[fold.index], site.active[fold.initial]
    if fold.empty:
        return None, _total(cotangent) if on_initial else None
    if fold.kind == "add":
        return fold.spread(cotangent) if on_x else None, _total(cotangent) if on_initial else None
    if fold.kind == "mul":
        return (
            ops.mul(fold.spread(cotangent), _others(site, fold)) if on_x else None,
            _total(ops.mul(cotangent, _product(site, fold))) if on_initial else None,
        )
    choice = _choice(site, fold)
    share = choice.share(cotangent)
    x = ops.select(choice.elements, fold.spread(share), ops.full(fold.type_, 0)) if on_x else None
    if not on_initial or choice.initial is None:
        return x, None
    return x, _total(ops.select(choice.initial, share, ops.full_like(share, 0)))


def _general(op: ir.Operation, flags: Flags) -> bool:
    """Whether a reduction is differentiated as its expansion: its body is of no kind, or uses what is active."""
    unknown = any(fold.kind is None and is_differentiable(fold.out_type) for fold in _folds(op))
    return unknown or any(flags[2 * len(op.results) :])


def _augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]] | None:
    rule = call_augment if _general(site.op, site.active) else winners.augment
    return rule(site, operands)


def _forward(site: Site, tangents: Tangents) -> Tangents:
    if _general(site.op, site.active):
        return call_forward(site, tangents)
    found: Tangents = []
    for fold in _folds(site.op):
        tangent, initial = tangents[fold.index], tangents[fold.initial]
        if (tangent is None and initial is None) or not is_differentiable(fold.out_type):
            found.append(None)
        else:
            found.append(_push(site, fold, tangent, initial))
    return found


def _reverse(site: Site, cotangents: Tangents) -> Tangents:
    if _general(site.op, site.active):
        return call_reverse(site, cotangents)
    found: Tangents = [None] * site.inputs
    for fold, cotangent in zip(_folds(site.op), cotangents, strict=True):
        if cotangent is not None and (site.active[fold.index] or site.active[fold.initial]):
            found[fold.index], found[fold.initial] = _pull(site, fold, cotangent)
    return found


def _depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    if _general(op, active):
        return call_depends(functions, op, active)
    return tuple(
        fold.kind is not None and (active[fold.index] or active[fold.initial]) for fold in _folds(op)
    )


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    op = site.op
    count = len(op.results)
    folds = _folds(op)
    on_inputs, on_initials = any(site.flags[:count]), site.flags[count : 2 * count]
    # An initial value is a scalar: a batched one is combined with the reduction from the identity.
    kinds = [fold.kind for fold, flag in zip(folds, on_initials, strict=True) if flag]
    if any(kind not in regions.COMBINE for kind in kinds) or any(site.flags[2 * count :]):
        return call_batch(site)
    inputs, initials = site.operands[:count], list(site.operands[count : 2 * count])
    for i, flag in enumerate(on_initials):
        kind = folds[i].kind
        if flag and kind is not None:
            type_ = op.operands[count + i].type
            initials[i] = ops.full(type_, regions.identity(kind, type_.element_type))
    if on_inputs:
        inputs = [site.full(i) for i in range(count)]
        dims = [d + 1 for d in folds[0].dims]
        copy = ops.rebuild(op, [*inputs, *initials], site.result_types(), {"dimensions": ops.i64_array(dims)})
    else:
        copy = ops.rebuild(op, [*inputs, *initials])
    results: list[Value] = list(copy.results)
    for i, flag in enumerate(on_initials):
        kind = folds[i].kind
        if not flag or kind is None:
            continue
        shape = (site.size, *folds[i].out_type.shape)
        value = results[i] if on_inputs else ops.broadcast_in_dim(results[i], shape, range(1, len(shape)))
        start = ops.broadcast_in_dim(site.operands[count + i], shape, [0])
        results[i] = regions.COMBINE[kind](start, value)
    return results, [on_inputs or flag for flag in on_initials]


_REDUCE = structured(
    "stablehlo.reduce", _forward, _reverse, _batch, augment=_augment, depends=_depends, captures=True
)

RECORDS: tuple[Record, ...] = (replace(_REDUCE, expand=expand_reduce),)
