"""Scatters."""

from __future__ import annotations

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import dtype_of
from mycc.passes.pattern import Op, Pattern, Rewriter, static_shape

__all__ = ["PATTERNS"]


class ScatterWithoutIndices(Pattern):
    """A scatter whose index vectors are empty counts along a new dimension of size 1, by indices of zero.

    XLA takes the whole operand for the window of such a scatter, whatever the shape of its updates.
    """

    op_names = ("stablehlo.scatter",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        windows = Windows.of_scatter(op.op)
        count = len(op.results)
        if windows.index_map or count != len(op.operands) // 2:
            return False
        inputs, indices, updates = op.operands[:count], op.operand(count), op.operands[count + 1 :]
        shape = op.shape
        sizes = list(static_shape(indices))
        sizes[windows.vector : windows.vector + 1] = [1]
        numbers = Windows(
            windows.offset,
            (0, *[d + 1 for d in windows.collapsed]),
            tuple(d + 1 for d in windows.operand_batching),
            windows.indices_batching,
            (0,),
            windows.vector,
        ).scatter()

        def build() -> list[ir.Value]:
            stacked = [ops.reshape(x, (1, *shape)) for x in inputs]
            zeros = ops.broadcast_in_dim(ops.constant(np.zeros((), dtype_of(indices.type))), sizes, [])
            scatter = ops.rebuild(
                op.op,
                [*stacked, zeros, *updates],
                [x.type for x in stacked],
                {"scatter_dimension_numbers": numbers},
            )
            return [ops.reshape(result, shape) for result in scatter.results]

        return rewriter.replace(op, build)


PATTERNS: tuple[Pattern, ...] = (ScatterWithoutIndices(),)
