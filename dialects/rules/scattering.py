"""The record of `stablehlo.scatter`, its body matched to add, sub, mul, min, max or set.

XLA drops a window of updates that leaves the operand anywhere, where a gather would move it. The cotangent of
such updates is zero: what a gather brings for them is masked, unless the indices are seen to stay inside.
Where windows meet, `set` asks which update won, by scattering their numbers, as JAX does. Factors that may meet
and bodies of any other kind are differentiated as programs of other operations (see `folding`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Flags, Functions, Record, Site, Tangents, structured
from mycc.dialects.rules import regions
from mycc.dialects.rules.folding import expand_scatter, is_unique
from mycc.dialects.rules.functions import call_augment, call_depends, call_forward, call_reverse
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import element_type, is_differentiable, shape_of, tensor

Value: TypeAlias = ir.Value
Body = Callable[[Value, Value], Value]


def _new(old: Value, new: Value) -> Value:
    return new


def _flag(op: ir.Operation, name: str) -> bool:
    attribute = op.attributes.get(name)
    return attribute is not None and bool(attribute.value)


@dataclass(frozen=True, slots=True)
class _Scatter:
    """One of the scatters that an operation does side by side, under differentiation.

    Args:
        site: the operation's site.
        index: which result.
        kind: its kind of body.
        windows: the dimension numbers.
    """

    site: Site
    index: int
    kind: str | None
    windows: Windows

    @property
    def update(self) -> int:
        """The position of the updates among the operands."""
        return len(self.site.op.results) + 1 + self.index

    @property
    def type_(self) -> ir.Type:
        return self.site.op.operands[self.index].type

    @property
    def update_type(self) -> ir.Type:
        return self.site.op.operands[self.update].type

    @property
    def x(self) -> Value:
        return self.site.operand(self.index)

    @property
    def updates(self) -> Value:
        return self.site.operand(self.update)

    @property
    def source(self) -> Value:
        """The indices in the function that is differentiated."""
        return self.site.op.operands[len(self.site.op.results)]

    @property
    def indices(self) -> Value:
        return self.site.operand(len(self.site.op.results))

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.windows.sizes(self.type_.shape, self.update_type.shape)

    @property
    def unique(self) -> bool:
        """Whether no element is updated twice."""
        return is_unique(self.site.op)

    def put(self, x: Value | None, updates: Value | None, body: Body) -> Value:
        """Scatter other updates into another operand; zeros where there is none."""
        return ops.scatter(
            ops.full(self.type_, 0) if x is None else x,
            self.indices,
            ops.full(self.update_type, 0) if updates is None else updates,
            self.windows.scatter(),
            body,
            _flag(self.site.op, "indices_are_sorted"),
            self.unique,
        )

    def take(self, x: Value) -> Value:
        """For each update, the element at its place; anything for one that is dropped."""
        in_order = _flag(self.site.op, "indices_are_sorted")
        return ops.gather(x, self.indices, self.windows.gather(), self.sizes, in_order)

    def kept(self, values: Value) -> Value:
        """Values of the updates' shape, zero for those that are dropped."""
        limits = self.windows.limits(self.type_.shape, self.sizes)
        if self.windows.inside(self.source, limits):
            return values
        mask = self.windows.mask(self.indices, limits, shape_of(values))
        return ops.select(mask, values, ops.full_like(values, 0))

    def winners(self) -> tuple[Value, Value]:
        """Which elements of the operand stay, and which updates are what the result has at their place."""
        shape = tuple(self.update_type.shape)
        count = math.prod(shape)
        element = element_type("int32" if count < 2**31 else "int64")
        numbers = ops.reshape(ops.iota(tensor((count,), element), 0), shape)
        nobody = ops.full(ops.with_element(self.type_, element), -1)
        in_order = _flag(self.site.op, "indices_are_sorted")
        last = ops.scatter(nobody, self.indices, numbers, self.windows.scatter(), _new, in_order)
        return ops.compare("EQ", last, nobody), ops.compare("EQ", self.take(last), numbers)

    def choice(self) -> tuple[Value, Value, Value]:
        """Which elements and which updates equal the result, and how many of them do at each place."""
        out = self.site.result(self.index)
        stay = ops.compare("EQ", self.x, out)
        taken = ops.compare("EQ", self.updates, self.take(out))
        element = ops.element_of(out)
        return stay, taken, self.put(ops.convert(stay, element), ops.convert(taken, element), ops.add)


def _select(mask: Value, x: Value) -> Value:
    return ops.select(mask, x, ops.full_like(x, 0))


# ---- Forward -------------------------------------------------------------------------------------


def _push(scatter: _Scatter, x: Value | None, updates: Value | None) -> Value:
    kind = scatter.kind
    if kind in ("add", "sub"):
        if updates is None:
            assert x is not None
            return x
        return scatter.put(x, updates, ops.add if kind == "add" else ops.sub)
    if kind == "set":
        if updates is None or scatter.unique:
            return scatter.put(x, updates, _new)
        stay, won = scatter.winners()
        return scatter.put(None if x is None else _select(stay, x), _select(won, updates), ops.add)
    if kind == "mul":
        moved = None if x is None else scatter.put(x, scatter.updates, ops.mul)
        if updates is None:
            assert moved is not None
            return moved
        return scatter.put(moved, ops.mul(updates, scatter.take(scatter.x)), ops.add)
    stay, taken, ties = scatter.choice()
    left = None if x is None else _select(stay, x)
    if updates is None:
        assert left is not None
        return ops.div(left, ties)
    return ops.div(scatter.put(left, _select(taken, updates), ops.add), ties)


def _forward(site: Site, tangents: Tangents) -> Tangents:
    if _general(site.op, site.active):
        return call_forward(site, tangents)
    found: Tangents = []
    for scatter in _scatters(site):
        x, updates = tangents[scatter.index], tangents[scatter.update]
        active = is_differentiable(scatter.type_) and not (x is None and updates is None)
        found.append(_push(scatter, x, updates) if active else None)
    return found


# ---- Reverse -------------------------------------------------------------------------------------


def _pull_operand(scatter: _Scatter, cotangent: Value) -> Value:
    if scatter.kind in ("add", "sub"):
        return cotangent
    if scatter.kind == "set":
        return scatter.put(cotangent, None, _new)
    return scatter.put(cotangent, scatter.updates, ops.mul)


def _pull_updates(scatter: _Scatter, cotangent: Value) -> Value:
    if scatter.kind == "mul":
        return scatter.kept(scatter.take(ops.mul(cotangent, scatter.x)))
    if scatter.kind == "set" and not scatter.unique:
        # An update that is dropped never finds its own number, so that this masks it as well.
        return _select(scatter.winners()[1], scatter.take(cotangent))
    found = scatter.kept(scatter.take(cotangent))
    return ops.neg(found) if scatter.kind == "sub" else found


def _pull(scatter: _Scatter, cotangent: Value) -> tuple[Value | None, Value | None]:
    on_x, on_updates = scatter.site.active[scatter.index], scatter.site.active[scatter.update]
    if scatter.kind not in ("min", "max"):
        return (
            _pull_operand(scatter, cotangent) if on_x else None,
            _pull_updates(scatter, cotangent) if on_updates else None,
        )
    stay, taken, ties = scatter.choice()
    share = ops.div(cotangent, ties)
    return (
        _select(stay, share) if on_x else None,
        scatter.kept(_select(taken, scatter.take(share))) if on_updates else None,
    )


def _reverse(site: Site, cotangents: Tangents) -> Tangents:
    if _general(site.op, site.active):
        return call_reverse(site, cotangents)
    found: Tangents = [None] * site.inputs
    for scatter, cotangent in zip(_scatters(site), cotangents, strict=True):
        if cotangent is not None and (site.active[scatter.index] or site.active[scatter.update]):
            found[scatter.index], found[scatter.update] = _pull(scatter, cotangent)
    return found


# ---- The record ----------------------------------------------------------------------------------


def _scatters(site: Site) -> list[_Scatter]:
    windows = Windows.of_scatter(site.op)
    return [_Scatter(site, i, kind, windows) for i, kind in enumerate(regions.kinds(site.op))]


def _general(op: ir.Operation, active: Flags) -> bool:
    """Whether a scatter is differentiated as its expansion: its body is of no kind, or active factors may meet."""
    updates = len(op.results) + 1
    for i, kind in enumerate(regions.kinds(op)):
        known = kind in regions.SCATTERED and not (
            kind == "mul" and active[updates + i] and not is_unique(op)
        )
        if not known and is_differentiable(op.results[i].type):
            return True
    return False


def _augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]] | None:
    return call_augment(site, operands) if _general(site.op, site.active) else None


def _depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    if _general(op, active):
        return call_depends(functions, op, active)
    updates = len(op.results) + 1
    return tuple(
        kind is not None and (active[i] or active[updates + i]) for i, kind in enumerate(regions.kinds(op))
    )


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    op = site.op
    count = len(op.results)
    windows = Windows.of_scatter(op).batched(True, site.flags[count])
    operands = [site.operands[i] if i == count else site.full(i) for i in range(len(site.operands))]
    copy = ops.rebuild(op, operands, site.result_types(), {"scatter_dimension_numbers": windows.scatter()})
    return list(copy.results), [True] * count


_SCATTER = structured("stablehlo.scatter", _forward, _reverse, _batch, augment=_augment, depends=_depends)

RECORDS: tuple[Record, ...] = (replace(_SCATTER, expand=expand_scatter),)
