"""Windows that slide over an operand."""

from __future__ import annotations

import itertools
import math
from functools import reduce

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.sliding import Sliding
from mycc.dialects.types import element_type, shape_of, tensor
from mycc.passes.pattern import Op, Pattern, Rewriter
from mycc.passes.simplify.match import FOLDS, reduction, splat_operand

__all__ = ["PATTERNS"]

# The gradient of a maximum over windows takes a few operations for each element of one.
_MAX_WINDOW = 16


class SelectAndScatterOfSmallWindows(Pattern):
    """A sum at what small windows select is elementwise work on slices, one for each place in a window.

    XLA finds the places by a reduction of pairs that it does not vectorize, and adds at them one by one.
    """

    op_names = ("stablehlo.select_and_scatter",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        sliding = Sliding.of(op.op)
        x, source, _ = op.operands
        if not 0 < math.prod(sliding.sizes) <= _MAX_WINDOW or splat_operand(op, 2) != 0:
            return False
        if math.prod(op.shape) == 0 or math.prod(shape_of(source)) == 0:
            return False
        select, scatter = (_lone(region) for region in op.op.regions)
        if select is None or select.name != "stablehlo.compare":
            return False
        if scatter is None or scatter.name != "stablehlo.add":
            return False
        return rewriter.replace(op, lambda: _placed(select, sliding, x, source))


class WindowsApart(Pattern):
    """A reduction of windows that lie side by side and do not meet is a reshape and a reduction.

    XLA visits the elements of each window one by one, and vectorizes only the other.
    """

    op_names = ("stablehlo.reduce_window",)
    differs = "the order in which a sum is added up"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        name = reduction(op)
        if name is None:
            return False
        sliding = Sliding.of(op.op)
        if sliding.is_dilated or any(map(any, sliding.padding)) or all(n == 1 for n in sliding.sizes):
            return False
        shape, counts = op.operand_shape(0), op.shape
        if 0 in shape or 0 in counts:
            return False
        if any(n != s and m > 1 for n, s, m in zip(sliding.sizes, sliding.strides, counts, strict=True)):
            return False
        x, initial = op.operands

        def build() -> ir.Value:
            # What is left over at the end belongs to no window.
            used = [m * n for m, n in zip(counts, sliding.sizes, strict=True)]
            value = ops.slice_(x, [0] * len(shape), used)
            split, dims = list[int](), list[int]()
            for m, n in zip(counts, sliding.sizes, strict=True):
                split.append(m)
                if n > 1:
                    dims.append(len(split))
                    split.append(n)
            return ops.reduce(ops.reshape(value, split), initial, dims, FOLDS[name])

        return rewriter.replace(op, build)


def _lone(region: ir.Region) -> ir.Operation | None:
    """The operation of a region's two arguments, in their order, whose result is all that the region returns."""
    block = region.blocks[0]
    if len(block.operations) != 2:
        return None
    inner, end = (op.operation for op in block.operations)
    alone = list(inner.operands) == list(block.arguments) and list(end.operands) == list(inner.results)
    return inner if alone else None


def _placed(select: ir.Operation, sliding: Sliding, x: ir.Value, source: ir.Value) -> ir.Value:
    """The sum, by the comparison that selects."""
    counts = shape_of(source)
    offsets = list(itertools.product(*map(range, sliding.sizes)))
    low, high = [p[0] for p in sliding.padding], [p[1] for p in sliding.padding]
    nowhere = [0] * len(counts)
    is_padded = any((*low, *high))

    def places(array: ir.Value, filler: ir.Value) -> list[ir.Value]:
        """For each place in a window, what stands there in all windows."""
        if is_padded:
            array = ops.pad(array, filler, low, high, nowhere)
        spans = [(m - 1) * s + 1 for m, s in zip(counts, sliding.strides, strict=True)]
        return [
            ops.slice_(array, at, [a + n for a, n in zip(at, spans, strict=True)], sliding.strides)
            for at in offsets
        ]

    index = tensor(counts, element_type("int32"))
    best, *rest = places(x, ops.zero_of(x))
    inside: list[ir.Value] = []
    if sliding.is_padded:
        everywhere = ops.full(tensor(shape_of(x), ops.BOOL), True)
        inside = places(everywhere, ops.full(tensor((), ops.BOOL), False))
    chosen, found = ops.full(index, 0), inside[0] if inside else None
    for number, value in enumerate(rest, 1):
        stays = ops.rebuild(select, [best, value], [tensor(counts, ops.BOOL)]).result
        if found is not None:
            # Padding is never selected.
            stays = ops.or_(ops.and_(stays, found), ops.not_(inside[number]))
            found = ops.or_(found, inside[number])
        if number < len(rest):
            best = ops.select(stays, best, value)
        chosen = ops.select(stays, chosen, ops.full(index, number))
    size = [n + sum(p) for n, p in zip(shape_of(x), sliding.padding, strict=True)]
    gaps = [s - 1 for s in sliding.strides]
    zero, zeros = ops.zero_of(source), ops.full_like(source, 0)
    parts = []
    for number, at in enumerate(offsets):
        hit = ops.select(ops.compare("EQ", chosen, ops.full(index, number)), source, zeros)
        ends = [n - a - (m - 1) * s - 1 for n, a, m, s in zip(size, at, counts, sliding.strides, strict=True)]
        parts.append(ops.pad(hit, zero, at, ends, gaps))
    total = reduce(ops.add, parts)
    return ops.pad(total, zero, [-n for n in low], [-n for n in high], nowhere) if is_padded else total


PATTERNS: tuple[Pattern, ...] = (SelectAndScatterOfSmallWindows(), WindowsApart())
