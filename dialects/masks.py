"""Masked cotangents: what a choice sends to the operand that it did not take is zero, whatever lies behind.

The transpose of ``select(p, x, 0)`` is ``select(p, ct, 0)``. Where p is false the computation of x may well have a pole,
``where(x > 0, 1 / x, 0)`` at 0, and 0·inf is a NaN that forward mode does not have: there the choice comes last. So it
comes last in reverse, too: a pointwise rule acts on ``ct`` itself and its results are masked instead, which is the same
linear map. Nothing compares a cotangent with zero, so that second derivatives see a linear map as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir

__all__ = ["Mask", "accumulate_masked", "common_masks", "through_mask", "under"]

Value: TypeAlias = ir.Value
Cotangents: TypeAlias = list[Value | None]

# Choices that follow one another each put a mask on a cotangent. Moving all of them past every operation would take
# work that grows with the square of their number.
_MOST_MASKS = 4


@dataclass(frozen=True, slots=True)
class Mask:
    """Where cotangents are zero.

    Args:
        predicate: of the cotangents' shape, or a scalar.
        kept: the predicate where they are not.
    """

    predicate: Value
    kept: bool

    @staticmethod
    def of(cotangent: Value) -> tuple[Mask, Value] | None:
        """The mask on a cotangent and what is under it, if a choice between a value and zero made it."""
        owner = cotangent.owner
        if isinstance(owner, ir.Block) or owner.name != "stablehlo.select":
            return None
        predicate, on_true, on_false = owner.operands
        if _is_zero(on_false):
            return Mask(predicate, True), on_true
        return (Mask(predicate, False), on_false) if _is_zero(on_true) else None

    def on(self, cotangent: Value) -> Value:
        """The cotangent under the mask."""
        zero = ops.full_like(cotangent, 0)
        choices = (cotangent, zero) if self.kept else (zero, cotangent)
        return ops.select(self.predicate, *choices)


def through_mask(
    cotangent: Value, rule: Callable[[Value], Cotangents], most: int = _MOST_MASKS
) -> Cotangents:
    """What a pointwise rule makes of a cotangent, the masks on it moved to the results.

    Args:
        cotangent: of the operation's result.
        rule: from the cotangent to those of the operands, each a diagonal linear map.
        most: how many masks are moved.
    """
    found = Mask.of(cotangent) if most else None
    if found is None:
        return rule(cotangent)
    mask, inner = found
    values = through_mask(inner, rule, most - 1)
    if any(value is not None and value.type.shape != inner.type.shape for value in values):
        return rule(cotangent)  # A scalar operand, the sum over all elements.
    return [cotangent if value is inner else None if value is None else mask.on(value) for value in values]


def accumulate_masked(x: Value | None, y: Value | None) -> Value | None:
    """The sum of two cotangents, where None is zero; what masks both is a mask on the sum."""
    if x is None or y is None:
        return y if x is None else x
    shared = common_masks((x, y))
    if not shared:
        return ops.add(x, y)
    return under(shared, ops.add(_without(shared, x), _without(shared, y)))


def common_masks(cotangents: Sequence[Value | None]) -> list[Mask]:
    """The masks that are on every cotangent there is, from the inside."""
    first, *others = (_masks_on(value) for value in cotangents if value is not None)
    return [mask for mask in reversed(first) if all(mask in masks for masks in others)]


def under(masks: Sequence[Mask], cotangent: Value) -> Value:
    """A cotangent under masks, given from the inside."""
    for mask in masks:
        cotangent = mask.on(cotangent)
    return cotangent


def _masks_on(cotangent: Value) -> list[Mask]:
    masks: list[Mask] = []
    while len(masks) < _MOST_MASKS and (found := Mask.of(cotangent)) is not None:
        mask, cotangent = found
        masks.append(mask)
    return masks


def _without(masks: Sequence[Mask], cotangent: Value, most: int = _MOST_MASKS) -> Value:
    found = Mask.of(cotangent) if most else None
    if found is None:
        return cotangent
    inner = _without(masks, found[1], most - 1)
    if found[0] in masks:
        return inner
    return cotangent if inner is found[1] else found[0].on(inner)


def _is_zero(value: Value) -> bool:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant":
        return False
    if isinstance(ops.element_of(value), ir.ComplexType):
        return False  # The bindings cannot read them.
    zero: bool = owner.attributes["value"] == ops.splat(value.type, 0)
    return zero
