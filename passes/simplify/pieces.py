"""Pieces of arrays that are known apart: padding, copies, counters, windows at constants."""

from __future__ import annotations

import bisect

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import tensor
from mycc.passes.pattern import Op, Pattern, Rewriter, has_one_use, static_shape
from mycc.passes.simplify.match import BROADCAST, TRANSPOSE, integer, ints, splat_operand
from mycc.passes.simplify.slices import ends_of

__all__ = ["PATTERNS"]

_SLICE = "stablehlo.slice"
_PAD = "stablehlo.pad"
_REVERSE = "stablehlo.reverse"
_CONCATENATE = "stablehlo.concatenate"
_DYNAMIC_SLICE = "stablehlo.dynamic_slice"
_UPDATE = "stablehlo.dynamic_update_slice"
Dims = tuple[int, ...]


def _bounds(op: Op) -> tuple[Dims, Dims, Dims]:
    return ints(op, "start_indices"), ints(op, "limit_indices"), ints(op, "strides")


class SliceOfTranspose(Pattern):
    """A slice of a transpose is a transpose of a slice, which moves less."""

    op_names = (_SLICE,)
    producers = (TRANSPOSE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, TRANSPOSE)
        if inner is None:
            return False
        x, permutation = inner.operand(0), ints(inner, "permutation")
        back = [permutation.index(d) for d in range(len(permutation))]
        starts, limits, strides = ([values[d] for d in back] for values in _bounds(op))
        return rewriter.replace(
            op, lambda: ops.transpose(ops.slice_(x, starts, limits, strides), permutation)
        )


class SliceOfPadding(Pattern):
    """A slice that sees nothing but padding is a broadcast of what it was padded with."""

    op_names = (_SLICE,)
    producers = (_PAD,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _PAD)
        if inner is None or 0 in op.shape:
            return False
        start, limit, _ = _bounds(op)
        low, high = ints(inner, "edge_padding_low"), ints(inner, "edge_padding_high")
        sizes = inner.shape
        if not any(
            e <= a or b >= n - c for b, e, a, c, n in zip(start, limit, low, high, sizes, strict=True)
        ):
            return False
        value, shape = inner.operand(1), op.shape
        return rewriter.replace(op, lambda: ops.broadcast_in_dim(value, shape, []))


class SliceOfPartlyPadded(Pattern):
    """A slice that cuts off padding is a pad of a slice, by less."""

    op_names = (_SLICE,)
    producers = (_PAD,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _PAD)
        if inner is None or not has_one_use(inner.result):
            return False
        start, limit, strides = _bounds(op)
        low, high = ints(inner, "edge_padding_low"), ints(inner, "edge_padding_high")
        if any(n != 1 for n in strides) or any(ints(inner, "interior_padding")) or min(*low, *high, 0) < 0:
            return False
        x, value, sizes = inner.operand(0), inner.operand(1), inner.operand_shape(0)
        starts = [max(0, b - a) for b, a in zip(start, low, strict=True)]
        limits = [min(n, e - a) for n, e, a in zip(sizes, limit, low, strict=True)]
        if any(b >= e for b, e in zip(starts, limits, strict=True)):
            return False
        lows = [max(0, a - b) for b, a in zip(start, low, strict=True)]
        highs = [max(0, e - a - n) for n, e, a in zip(sizes, limit, low, strict=True)]
        if (lows, highs) == (list(low), list(high)):
            return False
        return rewriter.replace(
            op, lambda: ops.pad(ops.slice_(x, starts, limits), value, lows, highs, [0] * len(lows))
        )


class SliceOfReverse(Pattern):
    """A slice of a reversed array reverses a slice from its other end, which moves less."""

    op_names = (_SLICE,)
    producers = (_REVERSE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _REVERSE)
        if inner is None or 0 in op.shape:
            return False
        x, dims, shape = inner.operand(0), ints(inner, "dimensions"), op.shape
        start, _, strides = (list(values) for values in _bounds(op))
        limits = [b + (m - 1) * s + 1 for b, m, s in zip(start, shape, strides, strict=True)]
        for d in dims:
            size = inner.shape[d]
            start[d], limits[d] = size - limits[d], size - start[d]
        return rewriter.replace(op, lambda: ops.reverse(ops.slice_(x, start, limits, strides), dims))


class SliceOfPieces(Pattern):
    """A slice of a concatenation that sees some pieces only is a slice of their concatenation."""

    op_names = (_SLICE,)
    producers = (_CONCATENATE,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _CONCATENATE)
        if inner is None or 0 in op.shape:
            return False
        axis = integer(inner, "dimension")
        start, limit, strides = _bounds(op)
        ends = ends_of(inner, axis)
        low = bisect.bisect_right(ends, start[axis])
        pieces = inner.operands[low : bisect.bisect_left(ends, limit[axis]) + 1]
        if len(pieces) == len(inner.operands):
            return False
        first = ends[low - 1] if low else 0
        starts, limits = list(start), list(limit)
        starts[axis] -= first
        limits[axis] -= first
        return rewriter.replace(
            op, lambda: ops.slice_(ops.concatenate(pieces, axis), starts, limits, strides)
        )


class SliceOfUpdate(Pattern):
    """A slice sees of a window that was written at a constant place all, or nothing."""

    op_names = (_SLICE,)
    producers = (_UPDATE,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _UPDATE)
        if inner is None:
            return False
        x, update = inner.operands[:2]
        sizes = static_shape(update)
        places = _places(inner, 2, inner.shape, sizes)
        if places is None:
            return False
        start, limit, strides = _bounds(op)
        window = list(zip(start, limit, places, sizes, strict=True))
        if any(e <= p or b >= p + n for b, e, p, n in window):
            return rewriter.replace(op, lambda: ops.slice_(x, start, limit, strides))
        if not all(p <= b and e <= p + n for b, e, p, n in window):
            return False
        starts = [b - p for b, _, p, _ in window]
        limits = [e - p for _, e, p, _ in window]
        return rewriter.replace(op, lambda: ops.slice_(update, starts, limits, strides))


class SliceOfIota(Pattern):
    """A slice of numbers that count up, from their first on, counts up as well."""

    op_names = (_SLICE,)
    producers = ("stablehlo.iota",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, "stablehlo.iota")
        if inner is None:
            return False
        along = integer(inner, "iota_dimension")
        start, _, strides = _bounds(op)
        if start[along] or strides[along] != 1:
            return False
        return rewriter.replace(op, lambda: ops.iota(op.type, along))


class ConcatenateOfCopies(Pattern):
    """A concatenation of one array several times, of size 1 along the dimension, is a broadcast."""

    op_names = (_CONCATENATE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        first, *others = op.operands
        axis = integer(op, "dimension")
        if not others or any(value != first for value in others) or static_shape(first)[axis] != 1:
            return False
        shape = op.shape
        return rewriter.replace(op, lambda: ops.broadcast_in_dim(first, shape, range(len(shape))))


class ConcatenateWithSplat(Pattern):
    """A concatenation with a constant whose elements are equal, before or after, is a pad."""

    op_names = (_CONCATENATE,)
    producers = ("stablehlo.constant",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        if len(op.operands) < 2:
            return False
        axis, rank = integer(op, "dimension"), len(op.shape)
        pieces = list(op.operands)
        for index in (0, len(pieces) - 1):
            number = splat_operand(op, index)
            if number is None:
                continue
            size = static_shape(pieces.pop(index))[axis]
            amounts = [size if d == axis else 0 for d in range(rank)]
            low, high = (amounts, [0] * rank) if index == 0 else ([0] * rank, amounts)

            def build(number=number, low=low, high=high) -> ir.Value:  # type: ignore[no-untyped-def]
                value = ops.full(tensor((), op.type.element_type), number)
                return ops.pad(ops.concatenate(pieces, axis), value, low, high, [0] * rank)

            return rewriter.replace(op, build)
        return False


class DynamicSliceOfDynamicSlice(Pattern):
    """Two dynamic slices, each of which takes all where the other does not, are one."""

    op_names = (_DYNAMIC_SLICE,)
    producers = (_DYNAMIC_SLICE,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _DYNAMIC_SLICE)
        if inner is None:
            return False
        x, whole, middle, sizes = inner.operand(0), inner.operand_shape(0), inner.shape, op.shape
        starts = []
        for d, (n, m, size) in enumerate(zip(whole, middle, sizes, strict=True), 1):
            if size != m and m != n:
                return False
            starts.append(inner.operand(d) if size == m else op.operand(d))
        if len({value.type for value in starts}) > 1:
            return False
        return rewriter.replace(op, lambda: ops.dynamic_slice(x, starts, sizes))


class DynamicSliceOfBroadcast(Pattern):
    """A dynamic slice along dimensions that a broadcast made is a smaller broadcast."""

    op_names = (_DYNAMIC_SLICE,)
    producers = (BROADCAST,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, BROADCAST)
        if inner is None:
            return False
        x, dims, sizes = inner.operand(0), ints(inner, "broadcast_dimensions"), inner.operand_shape(0)
        cut = [d for d, (n, m) in enumerate(zip(inner.shape, op.shape, strict=True)) if n != m]
        if not cut or any(d in dims and sizes[dims.index(d)] != 1 for d in cut):
            return False
        shape = op.shape
        return rewriter.replace(op, lambda: ops.broadcast_in_dim(x, shape, dims))


class UpdateOfSplat(Pattern):
    """A window written at a constant place into an array of one number is a pad of the window."""

    op_names = (_UPDATE,)
    producers = ("stablehlo.constant",)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number, update = splat_operand(op, 0), op.operand(1)
        if number is None:
            return False
        sizes = static_shape(update)
        places = _places(op, 2, op.shape, sizes)
        if places is None:
            return False
        high = [n - p - m for n, p, m in zip(op.shape, places, sizes, strict=True)]

        def build() -> ir.Value:
            value = ops.full(tensor((), op.type.element_type), number)
            return ops.pad(update, value, places, high, [0] * len(places))

        return rewriter.replace(op, build)


def _places(op: Op, first: int, whole: Dims, sizes: Dims) -> list[int] | None:
    """Where a window at constants lies, moved to be inside; None where that is not known."""
    found = []
    for d, (n, m) in enumerate(zip(whole, sizes, strict=True)):
        number = 0 if n == m else splat_operand(op, first + d)
        if number is None:
            return None
        found.append(max(0, min(int(number), n - m)))
    return found


PATTERNS: tuple[Pattern, ...] = (
    SliceOfTranspose(),
    SliceOfPadding(),
    SliceOfPartlyPadded(),
    SliceOfReverse(),
    SliceOfPieces(),
    SliceOfUpdate(),
    SliceOfIota(),
    ConcatenateOfCopies(),
    ConcatenateWithSplat(),
    DynamicSliceOfDynamicSlice(),
    DynamicSliceOfBroadcast(),
    UpdateOfSplat(),
)
