"""Reductions that add up nothing, or the same number many times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ml_dtypes import finfo

from mycc.dialects import ops
from mycc.passes.pattern import Op, Pattern, Rewriter, has_one_use, static_shape
from mycc.passes.simplify.match import (
    BROADCAST,
    CONSTANT,
    FOLDS,
    dtype_of,
    filled,
    folding,
    ints,
    is_float,
    reduction,
    same_number,
    splat_operand,
)

__all__ = ["PATTERNS"]

_REDUCE = "stablehlo.reduce"
_NEGATE = "stablehlo.negate"
_REPEATABLE = ("maximum", "minimum", "and", "or")


class ReduceOfUnitDims(Pattern):
    """A reduction over dimensions of size 1 only is a reshape, combined once with what it starts from.

    XLA drops an initial value there that is not the identity.
    """

    op_names = (_REDUCE,)
    differs = "the sign of a zero"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        sizes = op.operand_shape(0)
        if 1 not in sizes and sizes != op.shape:
            return False
        if any(sizes[d] != 1 for d in ints(op, "dimensions")):
            return False
        name = folding(op)
        if name is None:
            return False
        x, initial, shape = op.operand(0), op.operand(1), op.shape
        if reduction(op) is not None:
            return rewriter.replace(op, lambda: ops.reshape(x, shape))
        return rewriter.replace(
            op, lambda: FOLDS[name](ops.broadcast_in_dim(initial, shape, []), ops.reshape(x, shape))
        )


class ReduceOfBroadcast(Pattern):
    """A sum over dimensions that a broadcast made is a multiplication by their size; a maximum is nothing.

    For floats only where the size is a power of two: other multiples may round where the sum does not.
    """

    op_names = (_REDUCE,)
    producers = (BROADCAST,)
    producers_define = "first"
    differs = "the order in which a sum is added up"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, BROADCAST)
        if inner is None:
            return False
        x = inner.operand(0)
        source, middle = static_shape(x), inner.shape
        dims, summed = ints(inner, "broadcast_dimensions"), ints(op, "dimensions")
        made = [d for d in summed if d not in dims or source[dims.index(d)] != middle[d]]
        count = math.prod(middle[d] for d in made)
        if not made or count == 0:
            return False
        name = reduction(op)
        if name == "add":
            dtype = dtype_of(op.type)
            # float16 ends at 65504, the 8-bit floats earlier.
            if dtype.kind == "b" or np.asarray(count).astype(dtype) != count:
                return False
            if dtype.kind not in "iu" and count & (count - 1):
                return False
        elif name not in _REPEATABLE:
            return False
        body, initial = FOLDS[name], op.operand(1)

        def build() -> ops.Value:
            # What is left of the broadcast: made dimensions shrink to the size that x has there.
            kept = [d for d in range(len(middle)) if d not in made or d in dims]
            sizes = [source[dims.index(d)] if d in made else middle[d] for d in kept]
            value = ops.broadcast_in_dim(x, sizes, [kept.index(d) for d in dims])
            rest = [kept.index(d) for d in summed if d in kept]
            value = ops.reduce(value, initial, rest, body) if rest else value
            return ops.mul(value, ops.full_like(value, count)) if name == "add" else value

        return rewriter.replace(op, build)


class ReduceOfSplat(Pattern):
    """A maximum of one number is that number, a sum of it a multiple, a product of ones is one."""

    op_names = (_REDUCE,)
    producers = (CONSTANT,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number = splat_operand(op, 0)
        if number is None:
            return False
        sizes = static_shape(op.operand(0))
        count = math.prod(sizes[d] for d in ints(op, "dimensions"))
        name = reduction(op)
        if name is None or count == 0:
            return False
        if name == "add":
            total = _exact_sum(number, count, dtype_of(op.type))
            initial = splat_operand(op, 1)
            if number == 0 and initial is not None and is_float(op.result):
                # -0.0 from 0.0 on is 0.0.
                total = initial + number
        else:
            total = number if name in _REPEATABLE or number == 1 else None
        return total is not None and rewriter.replace(op, lambda: filled(op, total))


class ReduceOfReshape(Pattern):
    """A reduction of a reshape that only adds dimensions of size 1, all of them reduced, needs no reshape."""

    op_names = (_REDUCE,)
    producers = ("stablehlo.reshape",)
    producers_define = "first"
    differs = "the sign of a zero"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, "stablehlo.reshape")
        if inner is None:
            return False
        x = inner.operand(0)
        source, middle, summed = static_shape(x), inner.shape, ints(op, "dimensions")
        kept = [d for d in range(len(middle)) if not (d in summed and middle[d] == 1)]
        if tuple(middle[d] for d in kept) != source:
            return False
        name = reduction(op)
        if name is None:
            return False
        rest = [kept.index(d) for d in summed if d in kept]
        if not rest:
            return rewriter.replace(op, x)
        return rewriter.replace(op, lambda: ops.reduce(x, op.operand(1), rest, FOLDS[name]))


class ReduceOfReduce(Pattern):
    """A sum of sums is one sum over the dimensions of both, and so is a maximum of maxima.

    Sums and products of floats are added up in another order: as the backend likes, which does the same.
    """

    op_names = (_REDUCE,)
    producers = (_REDUCE,)
    producers_define = "first"
    differs = "the order in which a sum is added up"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _REDUCE)
        if inner is None or len(op.operands) != 2 or not has_one_use(inner.result):
            return False
        name = reduction(inner)
        if name is None or folding(op) != name:
            return False
        x, initial = inner.operand(0), op.operand(1)
        first = ints(inner, "dimensions")
        left = [d for d in range(len(static_shape(x))) if d not in first]
        dims = sorted([*first, *(left[d] for d in ints(op, "dimensions"))])
        return rewriter.replace(op, lambda: ops.reduce(x, initial, dims, FOLDS[name]))


class SumOfNegation(Pattern):
    """A sum of -x is the negated sum of x, of which there are fewer numbers to negate."""

    op_names = (_REDUCE,)
    producers = (_NEGATE,)
    producers_define = "first"
    differs = "the sign of a zero"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _NEGATE)
        if inner is None or len(op.operands) != 2 or reduction(op) != "add":
            return False
        x, initial, dims = inner.operand(0), op.operand(1), ints(op, "dimensions")
        return rewriter.replace(op, lambda: ops.neg(ops.reduce(x, initial, dims, ops.add)))


class ReduceOfPad(Pattern):
    """A sum of what is padded with zeros, and a maximum of what is padded with -inf, need no padding."""

    op_names = (_REDUCE,)
    producers = ("stablehlo.pad",)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, "stablehlo.pad")
        if inner is None or len(op.operands) != 2 or reduction(op) is None:
            return False
        if math.prod(inner.operand_shape(0)) == 0:
            return False
        if not same_number(splat_operand(inner, 1), splat_operand(op, 1)):
            return False
        dims = ints(op, "dimensions")
        amounts = zip(
            ints(inner, "edge_padding_low"),
            ints(inner, "edge_padding_high"),
            ints(inner, "interior_padding"),
            strict=True,
        )
        for d, (low, high, gap) in enumerate(amounts):
            if (low, high, gap) != (0, 0, 0) and (d not in dims or low < 0 or high < 0):
                return False
        return rewriter.update(op, {0: inner.operand(0)})


def _exact_sum(number: float, count: int, dtype: np.dtype[Any]) -> float | None:
    """The sum of ``count`` times a number, if adding them up in any order gives it without rounding."""
    if number == 0:
        return number
    if dtype.kind == "b":
        return None
    total: float = number * count
    if dtype.kind in "iu":
        bits = int(np.iinfo(dtype).bits)
        wrapped: int = int(total) % 2**bits
        return wrapped - 2**bits if dtype.kind == "i" and wrapped >= 2 ** (bits - 1) else wrapped
    if count & (count - 1) and (not float(number).is_integer() or abs(total) > 2 ** int(finfo(dtype).nmant)):
        return None
    with np.errstate(over="ignore"):
        return total if bool(np.asarray(total).astype(dtype) == total) else None


PATTERNS: tuple[Pattern, ...] = (
    ReduceOfUnitDims(),
    ReduceOfSplat(),
    ReduceOfReshape(),
    ReduceOfBroadcast(),
    ReduceOfReduce(),
    SumOfNegation(),
    ReduceOfPad(),
)
