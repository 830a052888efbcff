"""Pads: what the derivatives of slices leave behind."""

from __future__ import annotations

import functools
from collections import deque

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.passes.pattern import Op, Pattern, Rewriter, has_one_use, static_shape
from mycc.passes.simplify.match import ints, same_number, splat_operand

__all__ = ["PATTERNS", "padding_of"]

_PAD = "stablehlo.pad"
Dims = tuple[int, ...]


def padding_of(op: Op) -> tuple[Dims, Dims, Dims]:
    """What a pad puts before, after and between elements along each dimension."""
    return ints(op, "edge_padding_low"), ints(op, "edge_padding_high"), ints(op, "interior_padding")


class PadWithNothing(Pattern):
    """A pad by zero on all sides is its operand."""

    op_names = (_PAD,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        if any(any(amounts) for amounts in padding_of(op)):
            return False
        return rewriter.replace(op, op.operand(0))


class PadOfPad(Pattern):
    """pad(pad(x)) with one number is one pad."""

    op_names = (_PAD,)
    producers = (_PAD,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _PAD)
        if inner is None:
            return False
        numbers = splat_operand(op, 1), splat_operand(inner, 1)
        same = op.operand(1) == inner.operand(1) or same_number(*numbers)
        (low, high, interior), (low0, high0, interior0) = padding_of(op), padding_of(inner)
        # Cutting (a negative amount) does not commute with padding.
        if not same or any(interior) or min(*low, *high, *low0, *high0, 0) < 0:
            return False
        x, value = inner.operand(0), op.operand(1)
        lows = [a + b for a, b in zip(low, low0, strict=True)]
        highs = [a + b for a, b in zip(high, high0, strict=True)]
        return rewriter.replace(op, lambda: ops.pad(x, value, lows, highs, interior0))


class SumOfPads(Pattern):
    """pad(x) + pad(y) with zeros, where x and y end up side by side, is a pad of their concatenation.

    The gradient of slicing an array apart is such a sum, one full-size pad for each slice. It is read from its end.
    """

    op_names = ("stablehlo.add",)
    producers = (_PAD,)
    differs = "the sign of a zero"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        if _is_added_to_pad(op):
            return False
        groups: list[_Run | ir.Value] = []
        leaves = _leaves(op)
        for leaf in leaves:
            if isinstance(leaf, ir.Value):
                groups.append(leaf)
            elif not (groups and isinstance(groups[-1], _Run) and groups[-1].take(leaf)):
                groups.append(_Run(leaf))
        if len(groups) == len(leaves):
            return False

        def build() -> ir.Value:
            values = [group.build() if isinstance(group, _Run) else group for group in groups]
            return functools.reduce(ops.add, values)

        return rewriter.replace(op, build)


class _Run:
    """Pads by zeros whose operands lie side by side along one dimension."""

    def __init__(self, pad: Op) -> None:
        self.pads = deque([pad])
        self.axis = 0
        low, high, _ = padding_of(pad)
        self.low, self.high = list(low), list(high)

    def take(self, pad: Op) -> bool:
        """Adds a pad whose operand comes next, on either side."""
        low, high, _ = padding_of(pad)
        axes = [
            d for d, ends in enumerate(zip(low, high, strict=True)) if ends != (self.low[d], self.high[d])
        ]
        if len(axes) != 1 or (len(self.pads) > 1 and axes[0] != self.axis):
            return False
        axis = axes[0]
        size = pad.shape[axis]
        if size - self.high[axis] == low[axis]:
            self.pads.append(pad)
            self.high[axis] = high[axis]
        elif size - high[axis] == self.low[axis]:
            self.pads.appendleft(pad)
            self.low[axis] = low[axis]
        else:
            return False
        self.axis = axis
        return True

    def build(self) -> ir.Value:
        first = self.pads[0]
        if len(self.pads) == 1:
            return first.result
        joined = ops.concatenate([pad.operand(0) for pad in self.pads], self.axis)
        return ops.pad(joined, first.operand(1), self.low, self.high, [0] * len(self.low))


def _leaves(op: Op) -> list[Op | ir.Value]:
    """What a chain of additions adds up, the first first: pads by zeros, and anything else as the value that it is."""
    leaves: list[Op | ir.Value] = []
    while True:
        pads = [op.producer(side, _PAD) for side in (0, 1)]
        side = 1 if pads[1] is not None else 0
        leaves.append(_zero_pad(op, side))
        inner = op.producer(1 - side, op.name)
        if inner is None or not has_one_use(inner.result):
            leaves.append(_zero_pad(op, 1 - side))
            return leaves[::-1]
        if all(inner.producer(i, _PAD) is None for i in (0, 1)):
            leaves.append(inner.result)
            return leaves[::-1]
        op = inner


def _zero_pad(op: Op, index: int) -> Op | ir.Value:
    pad = op.producer(index, _PAD)
    if pad is None or splat_operand(pad, 1) != 0:
        return op.operand(index)
    low, high, interior = padding_of(pad)
    return op.operand(index) if any(interior) or min(*low, *high, 0) < 0 else pad


def _is_added_to_pad(op: Op) -> bool:
    """Whether all that reads an operation is an addition to a pad."""
    uses = op.result.uses
    use = next(uses, None)
    if use is None or next(uses, None) is not None:
        return False
    user = use.owner.operation
    if user.name != "stablehlo.add":
        return False
    other = user.operands[1 - use.operand_number].owner
    return not isinstance(other, ir.Block) and bool(other.name == _PAD)


class PadThatCuts(Pattern):
    """A pad by negative amounts only is a slice."""

    op_names = (_PAD,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x = op.operand(0)
        low, high = ints(op, "edge_padding_low"), ints(op, "edge_padding_high")
        if any(ints(op, "interior_padding")) or max(*low, *high, 0) > 0 or not any((*low, *high)):
            return False
        starts = [-n for n in low]
        limits = [n + b for n, b in zip(static_shape(x), high, strict=True)]
        return rewriter.replace(op, lambda: ops.slice_(x, starts, limits))


PATTERNS: tuple[Pattern, ...] = (PadWithNothing(), PadOfPad(), SumOfPads(), PadThatCuts())
