"""Transposes around contractions, and contractions that are products.

XLA's CPU backend runs ``transpose(dot(a, b))`` as a dot and a copy, where ``dot(b, a)`` is the dot alone;
reverse mode leaves one such transpose for each weight.
"""

from __future__ import annotations

from typing import Any

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.passes.pattern import Op, Pattern, Rewriter, has_one_use, static_shape
from mycc.passes.simplify.match import (
    BROADCAST,
    TRANSPOSE,
    dot_numbers,
    dot_numbers_attribute,
    dtype_of,
    filled,
    ints,
    is_lossless,
)

__all__ = ["PATTERNS"]

_DOT = "stablehlo.dot_general"
Dims = tuple[int, ...]


class TransposeOfDot(Pattern):
    """transpose(dot(x, y)) is dot(y, x), where the free dimensions of x and y change places."""

    op_names = (TRANSPOSE,)
    producers = (_DOT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        dot = op.producer(0, _DOT)
        if dot is None or not has_one_use(dot.result) or dot.attribute("algorithm") is not None:
            return False
        x, y = dot.operands
        x_batch, y_batch, x_sum, y_sum = dot_numbers(dot)
        batch = len(x_batch)
        x_free = len(static_shape(x)) - batch - len(x_sum)
        rank = len(op.shape)
        permutation = ints(op, "permutation")
        if sorted(permutation[:batch]) != list(range(batch)):
            return False
        swapped = (*range(batch + x_free, rank), *range(batch, batch + x_free))
        kept = tuple(range(batch, rank))
        if permutation[batch:] not in (swapped, kept):
            return False
        order = permutation[:batch]
        batching = [x_batch[i] for i in order], [y_batch[i] for i in order]
        element, precision = op.type.element_type, dot.attribute("precision_config")
        if permutation[batch:] == kept:
            return rewriter.replace(
                op,
                lambda: ops.dot_general(
                    x, y, contracting=(x_sum, y_sum), batching=batching, element=element, precision=precision
                ),
            )
        if precision is not None:
            precision = ir.ArrayAttr.get(list(precision)[::-1], context=op.op.context)
        return rewriter.replace(
            op,
            lambda: ops.dot_general(
                y,
                x,
                contracting=(y_sum, x_sum),
                batching=(batching[1], batching[0]),
                element=element,
                precision=precision,
            ),
        )


class DotOfTranspose(Pattern):
    """dot(transpose(x), y) is dot(x, y) with other numbers, where x's free dimensions keep their order."""

    op_names = (_DOT,)
    producers = (TRANSPOSE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        numbers = dot_numbers(op)
        values: dict[int, ir.Value] = {}
        batching, contracting = list(numbers[:2]), list(numbers[2:])
        for index in (0, 1):
            inner = op.producer(index, TRANSPOSE)
            if inner is None:
                continue
            permutation = ints(inner, "permutation")
            bound = {*batching[index], *contracting[index]}
            free = [p for d, p in enumerate(permutation) if d not in bound]
            if free != sorted(free):
                continue
            values[index] = inner.operand(0)
            batching[index] = tuple(permutation[d] for d in batching[index])
            contracting[index] = tuple(permutation[d] for d in contracting[index])
        if not values:
            return False
        attribute = dot_numbers_attribute(batching[0], batching[1], contracting[0], contracting[1])
        return rewriter.update(op, values, {"dot_dimension_numbers": attribute})


class OuterProduct(Pattern):
    """A dot that sums over no dimension, or over some of size 1, is a product of two broadcasts; of size 0, zeros."""

    op_names = (_DOT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x_batch, y_batch, x_sum, y_sum = dot_numbers(op)
        x_shape = op.operand_shape(0)
        if 0 in x_shape and any(not x_shape[d] for d in x_sum):
            return rewriter.replace(op, lambda: filled(op, 0))
        if any(x_shape[d] != 1 for d in x_sum) or op.attribute("algorithm") is not None:
            return False
        x, y = op.operands
        y_shape = static_shape(y)
        # Narrowing the products is not what the dot does; only widening the factors is exact.
        target = dtype_of(op.type)
        if not all(is_lossless(dtype_of(v.type), target) for v in (x, y)):
            return False
        shape = op.shape
        batch = len(x_batch)

        def spread(value: ir.Value, sizes: Dims, batched: Dims, summed: Dims, start: int) -> Any:
            value = ops.convert(value, op.type.element_type)
            free = [d for d in range(len(sizes)) if d not in batched and d not in summed]
            order = [*batched, *free]
            value = ops.reshape(value, [n for d, n in enumerate(sizes) if d not in summed])
            # The reshape renumbered what it kept.
            kept = [d for d in range(len(sizes)) if d not in summed]
            value = ops.transpose(value, [kept.index(d) for d in order])
            places = [*range(batch), *range(start, start + len(free))]
            return ops.broadcast_in_dim(value, shape, places)

        x_free = len(x_shape) - batch - len(x_sum)
        return rewriter.replace(
            op,
            lambda: ops.mul(
                spread(x, x_shape, x_batch, x_sum, batch), spread(y, y_shape, y_batch, y_sum, batch + x_free)
            ),
        )


class DotOfBroadcast(Pattern):
    """A dot batched over a dimension that a broadcast made of one operand is one dot of larger matrices.

    PyTorch's exporters write the product of stacked rows with one matrix so: the matrix repeated for each stack.
    """

    op_names = (_DOT,)
    producers = (BROADCAST,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        numbers = dot_numbers(op)
        if not numbers[0] or op.attribute("algorithm") is not None:
            return False
        for side in (1, 0):
            inner = op.producer(side, BROADCAST)
            if inner is not None and self._unbatch(op, inner, side, numbers, rewriter):
                return True
        return False

    def _unbatch(
        self, op: Op, inner: Op, side: int, numbers: tuple[Dims, Dims, Dims, Dims], rewriter: Rewriter
    ) -> bool:
        batch, summed = list(numbers[side]), numbers[2 + side]
        other_batch, other_summed = list(numbers[1 - side]), numbers[3 - side]
        dims, shape, other_rank = (
            ints(inner, "broadcast_dimensions"),
            inner.shape,
            len(op.operand_shape(1 - side)),
        )
        # The free dimensions of the left operand come first in the result.
        if side == 0 and len(shape) > len(batch) + len(summed):
            return False
        made: list[int] = []
        lowest = min(
            (d for d in range(other_rank) if d not in other_batch and d not in other_summed),
            default=other_rank,
        )
        # What is batched no more becomes free in the other operand, and must stay where it is in the result.
        while batch and batch[-1] not in dims and other_batch[-1] < lowest:
            made.append(batch.pop())
            lowest = other_batch.pop()
        free = [d for d in range(other_rank) if d not in other_batch and d not in other_summed]
        # With a contracted dimension between them the backend would have to copy the operand.
        if not made or free != list(range(free[0], free[0] + len(free))):
            return False
        kept = [d for d in range(len(shape)) if d not in made]
        x, other = inner.operand(0), op.operand(1 - side)

        def build() -> ir.Value:
            value = ops.broadcast_in_dim(x, [shape[d] for d in kept], [kept.index(d) for d in dims])
            pairs = [
                (value, [kept.index(d) for d in batch], [kept.index(d) for d in summed]),
                (other, other_batch, other_summed),
            ]
            (left, *left_numbers), (right, *right_numbers) = pairs if side == 0 else pairs[::-1]
            batching, contracting = zip(left_numbers, right_numbers, strict=True)
            return ops.dot_general(
                left,
                right,
                contracting=contracting,
                batching=batching,
                element=op.type.element_type,
                precision=op.attribute("precision_config"),
            )

        return rewriter.replace(op, build)


PATTERNS: tuple[Pattern, ...] = (
    TransposeOfDot(),
    DotOfTranspose(),
    OuterProduct(),
    DotOfBroadcast(),
)
