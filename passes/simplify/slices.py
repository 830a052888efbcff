"""Slices, pads, concatenations and updates: what indexing and its derivatives leave behind."""

from __future__ import annotations

import bisect
import itertools
from typing import Any

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.passes.pattern import Op, Pattern, Rewriter, has_one_use, static_shape
from mycc.passes.simplify.match import BROADCAST, integer, ints, splat_operand
from mycc.passes.simplify.pads import padding_of

__all__ = ["PATTERNS", "ends_of"]

_SLICE = "stablehlo.slice"
_PAD = "stablehlo.pad"
_CONCATENATE = "stablehlo.concatenate"
_DYNAMIC_SLICE = "stablehlo.dynamic_slice"
_UPDATE = "stablehlo.dynamic_update_slice"
Dims = tuple[int, ...]


def _bounds(op: Op) -> tuple[Dims, Dims, Dims]:
    return ints(op, "start_indices"), ints(op, "limit_indices"), ints(op, "strides")


class SliceOfEverything(Pattern):
    """A slice of all elements is its operand."""

    op_names = (_SLICE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x = op.operand(0)
        return op.shape == static_shape(x) and rewriter.replace(op, x)


class SliceOfSlice(Pattern):
    """slice(slice(x)) is one slice."""

    op_names = (_SLICE,)
    producers = (_SLICE,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _SLICE)
        if inner is None:
            return False
        x, shape = inner.operand(0), op.shape
        begin, _, step = _bounds(inner)
        start, _, stride = _bounds(op)
        # What is empty starts anywhere inside.
        starts = [b + s * t * (n > 0) for b, s, t, n in zip(begin, start, step, shape, strict=True)]
        strides = [s * t for s, t in zip(stride, step, strict=True)]
        limits = [b + max(0, n - 1) * s + (n > 0) for b, n, s in zip(starts, shape, strides, strict=True)]
        return rewriter.replace(op, lambda: ops.slice_(x, starts, limits, strides))


class SliceOfConcatenate(Pattern):
    """A slice that lies inside one piece of a concatenation is a slice of that piece."""

    op_names = (_SLICE,)
    producers = (_CONCATENATE,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _CONCATENATE)
        if inner is None:
            return False
        axis = integer(inner, "dimension")
        start, limit, stride = _bounds(op)
        ends = ends_of(inner, axis)
        index = bisect.bisect_right(ends, start[axis])
        if not start[axis] < limit[axis] or limit[axis] > ends[index]:
            return False
        piece = inner.operand(index)
        begin = ends[index - 1] if index else 0
        starts, limits = list(start), list(limit)
        starts[axis] -= begin
        limits[axis] -= begin
        return rewriter.replace(op, lambda: ops.slice_(piece, starts, limits, stride))


def ends_of(concatenate: Op, axis: int) -> list[int]:
    """Where each piece of a concatenation ends."""
    ends: list[int] | None = concatenate.note
    if ends is None:
        sizes = (static_shape(piece)[axis] for piece in concatenate.operands)
        ends = concatenate.note = list(itertools.accumulate(sizes))
    return ends


class SliceOfPad(Pattern):
    """A slice of a pad that sees only what was padded is a slice of that."""

    op_names = (_SLICE,)
    producers = (_PAD,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _PAD)
        if inner is None:
            return False
        low, _, interior = padding_of(inner)
        x = inner.operand(0)
        sizes = static_shape(x)
        start, limit, stride = _bounds(op)
        starts, limits = [], []
        for b, e, s, lo, n, gap in zip(start, limit, stride, low, sizes, interior, strict=True):
            if gap or b < lo or e > lo + n:
                # With gaps only the slice that undoes the pad element by element sees no padding.
                if gap == 0 or s != gap + 1 or b != lo or e > lo + n + (n - 1) * gap:
                    return False
                starts.append(0)
                limits.append(-(-(e - b) // s))
                continue
            starts.append(b - lo)
            limits.append(e - lo)
        strides = [1 if gap else s for s, gap in zip(stride, interior, strict=True)]
        return rewriter.replace(op, lambda: ops.slice_(x, starts, limits, strides))


class SliceOfBroadcast(Pattern):
    """A slice of a broadcast is a broadcast of a slice."""

    op_names = (_SLICE,)
    producers = (BROADCAST,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, BROADCAST)
        if inner is None:
            return False
        x, shape = inner.operand(0), op.shape
        sizes, dims, whole = static_shape(x), ints(inner, "broadcast_dimensions"), inner.shape
        start, limit, stride = _bounds(op)
        starts, limits, strides = [], [], []
        for size, d in zip(sizes, dims, strict=True):
            spread = size == 1 and whole[d] != 1
            starts.append(0 if spread else start[d])
            limits.append(1 if spread else limit[d])
            strides.append(1 if spread else stride[d])
        if 0 in shape:
            return False
        return rewriter.replace(
            op, lambda: ops.broadcast_in_dim(ops.slice_(x, starts, limits, strides), shape, dims)
        )


class ConcatenateOfOne(Pattern):
    """A concatenation of one piece, or of one that is not empty, is that piece."""

    op_names = (_CONCATENATE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        axis = integer(op, "dimension")
        pieces = [v for v in op.operands if static_shape(v)[axis]]
        if len(pieces) == 1:
            return rewriter.replace(op, pieces[0])
        if not pieces or len(pieces) == len(op.operands):
            return False
        return rewriter.replace(op, lambda: ops.concatenate(pieces, axis))


class ConcatenateOfConcatenate(Pattern):
    """concatenate(concatenate(x, y), z) along one dimension is concatenate(x, y, z)."""

    op_names = (_CONCATENATE,)
    producers = (_CONCATENATE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        axis = integer(op, "dimension")
        uses = list(itertools.islice(op.result.uses, 2))
        user = uses[0].owner.operation if len(uses) == 1 else None
        if user is not None and user.name == _CONCATENATE and user.attributes["dimension"].value == axis:
            # That one takes in all.
            return False
        pieces: list[ir.Value] = []
        waiting: list[tuple[ir.Value, Op | None]] = list(zip(op.operands, op.producers(), strict=True))[::-1]
        found = False
        while waiting:
            value, inner = waiting.pop()
            if (
                inner is None
                or inner.name != _CONCATENATE
                or integer(inner, "dimension") != axis
                or not has_one_use(value)
            ):
                pieces.append(value)
                continue
            found = True
            waiting += list(zip(inner.operands, inner.producers(), strict=True))[::-1]
        return found and rewriter.replace(op, lambda: ops.concatenate(pieces, axis))


class ConcatenateOfSlices(Pattern):
    """Adjacent slices of one array, joined again, are one slice of it."""

    op_names = (_CONCATENATE,)
    producers = (_SLICE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        axis = integer(op, "dimension")
        # A run of slices as [first slice, limits of the run]; anything else as the value that it is.
        runs: list[Any] = []
        last: Op | None = None
        for index, value in enumerate(op.operands):
            piece = op.producer(index, _SLICE)
            limits = _join(last, piece, axis)
            if limits is not None:
                runs[-1][1] = limits
            else:
                runs.append(value if piece is None else [piece, ints(piece, "limit_indices")])
            last = piece
        if len(runs) == len(op.operands):
            return False

        def build() -> ir.Value:
            return ops.concatenate([_run(run) if isinstance(run, list) else run for run in runs], axis)

        return rewriter.replace(op, build)


def _run(run: list[Any]) -> ir.Value:
    first, limits = run
    starts, end, strides = _bounds(first)
    return first.result if limits == end else ops.slice_(first.operand(0), starts, limits, strides)


def _join(a: Op | None, b: Op | None, axis: int) -> Dims | None:
    """The limits of the slice that is slice a followed by slice b, if there is one."""
    if a is None or b is None or a.operand(0) != b.operand(0):
        return None
    (start, limit, stride), (start1, limit1, stride1) = _bounds(a), _bounds(b)
    if any(s != 1 for s in (*stride, *stride1)) or start1[axis] != limit[axis]:
        return None
    others = [d for d in range(len(start)) if d != axis]
    if any(start[d] != start1[d] or limit[d] != limit1[d] for d in others):
        return None
    return limit1


class DynamicSliceAtConstant(Pattern):
    """A dynamic_slice whose starts are constants, or that takes everything, is a slice."""

    op_names = (_DYNAMIC_SLICE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x, shape = op.operand(0), op.shape
        sizes = static_shape(x)
        starts: list[int] = []
        for d, (whole, size) in enumerate(zip(sizes, shape, strict=True)):
            number = 0 if whole == size else splat_operand(op, d + 1)
            if number is None:
                return False
            starts.append(max(0, min(int(number), whole - size)))
        limits = [b + n for b, n in zip(starts, shape, strict=True)]
        return rewriter.replace(op, lambda: ops.slice_(x, starts, limits))


class DynamicSliceOfUpdate(Pattern):
    """Reading back the window that was just written gives what was written."""

    op_names = (_DYNAMIC_SLICE,)
    producers = (_UPDATE,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _UPDATE)
        if inner is None or inner.operand(1).type != op.type or inner.operands[2:] != op.operands[1:]:
            return False
        return rewriter.replace(op, inner.operand(1))


class UpdateOfEverything(Pattern):
    """An update of the size of the whole array is the new array."""

    op_names = (_UPDATE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        update = op.operand(1)
        return op.shape == static_shape(update) and rewriter.replace(op, update)


class UpdateOfUpdate(Pattern):
    """Of two updates of one window in a row the first is lost."""

    op_names = (_UPDATE,)
    producers = (_UPDATE,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _UPDATE)
        if (
            inner is None
            or inner.operand(1).type != op.operand(1).type
            or inner.operands[2:] != op.operands[2:]
        ):
            return False
        update, starts, x = op.operand(1), op.operands[2:], inner.operand(0)
        return rewriter.replace(op, lambda: ops.dynamic_update_slice(x, update, starts))


class UpdateWithItself(Pattern):
    """Writing back the window that was read from the same array changes nothing."""

    op_names = (_UPDATE,)
    producers = (_DYNAMIC_SLICE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        read = op.producer(1, _DYNAMIC_SLICE)
        if read is None or read.operand(0) != op.operand(0) or read.operands[1:] != op.operands[2:]:
            return False
        return rewriter.replace(op, op.operand(0))


class SumWithUpdateOfZeros(Pattern):
    """x + (zeros with windows written to them) is x with the windows added, one after the other."""

    op_names = ("stablehlo.add",)
    producers = (_UPDATE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        for side in (1, 0):
            update = op.producer(side, _UPDATE)
            if update is None or not self._is_zero_elsewhere(update):
                continue
            x, base, window, starts = op.operand(1 - side), *update.operands[:2], update.operands[2:]

            def build(x=x, base=base, window=window, starts=starts) -> ir.Value:  # type: ignore[no-untyped-def]
                read = ops.dynamic_slice(x, starts, static_shape(window))
                return ops.dynamic_update_slice(ops.add(x, base), ops.add(read, window), starts)

            return rewriter.replace(op, build)
        return False

    def _is_zero_elsewhere(self, update: Op) -> bool:
        # Of long chains not all is read each time: the end of most is zeros.
        for _ in range(_READ):
            if not has_one_use(update.result):
                return False
            inner = update.producer(0, _UPDATE)
            if inner is None:
                return splat_operand(update, 0) == 0
            update = inner
        return True


_READ = 16


PATTERNS: tuple[Pattern, ...] = (
    SliceOfEverything(),
    SliceOfSlice(),
    SliceOfConcatenate(),
    SliceOfPad(),
    SliceOfBroadcast(),
    ConcatenateOfOne(),
    ConcatenateOfConcatenate(),
    ConcatenateOfSlices(),
    DynamicSliceOfUpdate(),
    DynamicSliceAtConstant(),
    UpdateOfEverything(),
    UpdateOfUpdate(),
    UpdateWithItself(),
    SumWithUpdateOfZeros(),
)
