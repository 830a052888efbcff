"""Convolutions that are products of matrices."""

from __future__ import annotations

import math

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.convolution import Convolution
from mycc.passes.pattern import Op, Pattern, Rewriter

__all__ = ["PATTERNS"]


class ConvolutionOfOneElement(Pattern):
    """A convolution with a kernel of size 1, or of the size of what it slides over, is a dot."""

    op_names = ("stablehlo.convolution",)
    differs = "the order in which a sum is added up"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x_shape, y_shape = op.operand_shape(0), op.operand_shape(1)
        if 0 in x_shape or 0 in y_shape or 0 in op.shape:
            return False
        found = Convolution.of(op.op)
        if found.feature_groups != 1 or found.batch_groups != 1 or any(map(any, found.padding)):
            return False
        if any(n != 1 for n in (*found.lhs_dilation, *found.rhs_dilation)) or any(found.reversal):
            return False
        spatial = [x_shape[d] for d in found.lhs[2:]]
        kernel = [y_shape[d] for d in found.rhs[2:]]
        is_whole = spatial == kernel
        if not is_whole and math.prod(kernel) != 1:
            return False
        x, y = op.operands

        def build() -> ir.Value:
            strides = [1] * len(x_shape)
            for d, stride in zip(found.lhs[2:], found.strides, strict=True):
                strides[d] = 1 if is_whole else stride
            left = ops.slice_(x, [0] * len(x_shape), x_shape, strides)
            right = y
            if not is_whole:
                # What is left of the kernel are its features.
                order = sorted(found.rhs[:2])
                right = ops.reshape(y, [y_shape[d] for d in order])
                summed = ([found.lhs[1]], [order.index(found.rhs[0])])
            else:
                summed = ([found.lhs[1], *found.lhs[2:]], [found.rhs[0], *found.rhs[2:]])
            value = ops.dot_general(
                left, right, contracting=summed, element=found.element, precision=found.precision
            )
            if is_whole:
                dims = [found.out[0], found.out[1]]
            else:
                rest = [d for d in range(len(x_shape)) if d != found.lhs[1]]
                dims = [found.out[found.lhs.index(d)] for d in rest] + [found.out[1]]
            # The dot's dimensions in the order in which the result has them; others are of size 1.
            value = ops.transpose(value, sorted(range(len(dims)), key=dims.__getitem__))
            return ops.reshape(value, op.shape)

        return rewriter.replace(op, build)


PATTERNS: tuple[Pattern, ...] = (ConvolutionOfOneElement(),)
