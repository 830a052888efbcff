"""The record of `stablehlo.convolution`.

With lhs[b, i, ·], rhs[i, o, ·] and, along a spatial dimension, strides s, low padding l, dilations d of lhs and
e of rhs, ``out[b, o, p] = Σ lhs[b, i, q] rhs[i, o, k]`` over the places where ``q d + l = p s + k e``. That
relation stays the same when p and q, or p and k, change places, so both transposes are convolutions:

- of lhs: the cotangent dilated by s, over the reversed rhs, with strides d;
- of rhs: lhs over the cotangent dilated by s, with strides e.

Groups of features in one are groups of the batch in the other (StableHLO specification, "convolution").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.record import Batched, Record, Site, bilinear
from mycc.dialects.types import dtype_of, element_type, shape_of, tensor

__all__ = ["RECORDS", "Convolution"]

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Convolution:
    """What a `stablehlo.convolution` does, apart from its operands.

    Args:
        lhs: the dimensions of the left operand that are batch, feature and spatial ones, in that order.
        rhs: those of the right operand: input feature, output feature, spatial.
        out: those of the result: batch, feature, spatial.
        strides, padding, lhs_dilation, rhs_dilation, reversal: per spatial dimension.
        feature_groups, batch_groups: at most one of them is not 1.
        element: the result's element type.
        precision: one entry per operand.
    """

    lhs: Dims
    rhs: Dims
    out: Dims
    strides: Dims
    padding: Pairs
    lhs_dilation: Dims
    rhs_dilation: Dims
    reversal: tuple[bool, ...]
    feature_groups: int
    batch_groups: int
    element: ir.Type
    precision: ir.Attribute | None = None

    @staticmethod
    def of(op: ir.Operation) -> Convolution:
        """Read a `stablehlo.convolution`."""
        attributes = op.attributes
        numbers = hlo.ConvDimensionNumbers(attributes["dimension_numbers"])
        spatial = tuple(numbers.input_spatial_dimensions)
        rank = len(spatial)

        def ints(name: str, otherwise: int) -> Dims:
            return tuple(attributes[name]) if name in attributes else (otherwise,) * rank

        padding: Pairs = ((0, 0),) * rank
        if "padding" in attributes:
            padding = tuple((int(low), int(high)) for low, high in np.asarray(attributes["padding"]))
        reversal = (False,) * rank
        if "window_reversal" in attributes:
            reversal = tuple(bool(flag) for flag in attributes["window_reversal"])
        return Convolution(
            (numbers.input_batch_dimension, numbers.input_feature_dimension, *spatial),
            (
                numbers.kernel_input_feature_dimension,
                numbers.kernel_output_feature_dimension,
                *numbers.kernel_spatial_dimensions,
            ),
            (
                numbers.output_batch_dimension,
                numbers.output_feature_dimension,
                *numbers.output_spatial_dimensions,
            ),
            ints("window_strides", 1),
            padding,
            ints("lhs_dilation", 1),
            ints("rhs_dilation", 1),
            reversal,
            attributes["feature_group_count"].value,
            attributes["batch_group_count"].value,
            op.results[0].type.element_type,
            attributes.get("precision_config"),
        )

    @property
    def spatial(self) -> range:
        """The positions of the spatial dimensions among the strides."""
        return range(len(self.strides))

    def shape(self, x: Sequence[int], y: Sequence[int]) -> Dims:
        """The result's shape."""
        shape = [0] * len(self.out)
        shape[self.out[0]] = x[self.lhs[0]] // self.batch_groups
        shape[self.out[1]] = y[self.rhs[1]]
        for i in self.spatial:
            n = dilated(x[self.lhs[2 + i]], self.lhs_dilation[i]) + sum(self.padding[i])
            k = dilated(y[self.rhs[2 + i]], self.rhs_dilation[i])
            shape[self.out[2 + i]] = 0 if n <= 0 or k > n else (n - k) // self.strides[i] + 1
        return tuple(shape)

    def build(self, x: Value, y: Value) -> Value:
        """The convolution of two operands."""
        attributes: dict[str, ir.Attribute] = {
            "dimension_numbers": hlo.ConvDimensionNumbers.get(
                self.lhs[0], self.lhs[1], list(self.lhs[2:]),
                self.rhs[0], self.rhs[1], list(self.rhs[2:]),
                self.out[0], self.out[1], list(self.out[2:]), context,
            ),
            "window_strides": ops.i64_array(self.strides),
            "padding": ops.dense(np.array(self.padding, np.int64).reshape(-1, 2)),
            "lhs_dilation": ops.i64_array(self.lhs_dilation),
            "rhs_dilation": ops.i64_array(self.rhs_dilation),
            "feature_group_count": ops.i64(self.feature_groups),
            "batch_group_count": ops.i64(self.batch_groups),
        }  # fmt: skip
        if any(self.reversal):
            attributes["window_reversal"] = ir.DenseBoolArrayAttr.get(list(self.reversal), context=context)
        if self.precision is not None:
            attributes["precision_config"] = self.precision
        type_ = tensor(self.shape(shape_of(x), shape_of(y)), self.element)
        return ops.create("stablehlo.convolution", [type_], [x, y], attributes).result


def dilated(size: int, dilation: int) -> int:
    """The size of a dimension with ``dilation - 1`` holes between its elements."""
    return 0 if size == 0 else (size - 1) * dilation + 1


# ---- Dimensions that are products ----------------------------------------------------------------


def _split(x: Value, dim: int, count: int) -> Value:
    """A dimension as two, of which the first has a given size."""
    shape = shape_of(x)
    return ops.reshape(x, [*shape[:dim], count, shape[dim] // count, *shape[dim + 1 :]])


def _merge(x: Value, source: int, target: int) -> Value:
    """A dimension multiplied into another one, in front of it; the dimensions keep their order otherwise."""
    rank = len(shape_of(x))
    order = [d for d in range(rank) if d != source]
    order.insert(order.index(target), source)
    moved = ops.transpose(x, order)
    shape, at = shape_of(moved), order.index(source)
    return ops.reshape(moved, [*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :]])


# ---- Transposes ----------------------------------------------------------------------------------


def _common(x: Value, y: Value) -> tuple[Value, Value]:
    """Two values in one element type, which a convolution asks of its operands."""
    a, b = dtype_of(x.type), dtype_of(y.type)
    if a == b:
        return x, y
    element = element_type(np.promote_types(a, b))
    return ops.convert(x, element), ops.convert(y, element)


def _empty(site: Site) -> bool:
    types = [site.op.operands[0].type, site.op.operands[1].type, site.op.results[0].type]
    return any(math.prod(type_.shape) == 0 for type_ in types)


def _pull_lhs(site: Site, cotangent: Value) -> Value:
    conv = Convolution.of(site.op)
    type_ = site.op.operands[0].type
    if _empty(site):
        return ops.full(type_, 0)
    x, out = tuple(type_.shape), shape_of(cotangent)
    y = site.operand(1)
    turned = [
        conv.rhs[2 + i] for i in conv.spatial if not conv.reversal[i] and shape_of(y)[conv.rhs[2 + i]] > 1
    ]
    padding = []
    for i in conv.spatial:
        k = dilated(shape_of(y)[conv.rhs[2 + i]], conv.rhs_dilation[i])
        n, m = (
            dilated(x[conv.lhs[2 + i]], conv.lhs_dilation[i]),
            dilated(out[conv.out[2 + i]], conv.strides[i]),
        )
        low = k - 1 - conv.padding[i][0]
        padding.append((low, n + k - 1 - m - low))
    if turned:
        y = ops.reverse(y, turned)
    groups = conv.feature_groups * conv.batch_groups
    inputs, outputs = conv.rhs[:2]
    if groups > 1:
        # Groups of outputs become groups of inputs: the dimension that counts them moves over.
        y = _split(y, outputs, groups)
        y = _merge(y, outputs, inputs + (inputs > outputs))
    pull = replace(
        conv,
        lhs=conv.out,
        rhs=(outputs, inputs, *conv.rhs[2:]),
        out=conv.lhs,
        strides=conv.lhs_dilation,
        padding=tuple(padding),
        lhs_dilation=conv.strides,
        reversal=(False,) * len(conv.strides),
        feature_groups=groups,
        batch_groups=1,
    )
    left, right = _common(cotangent, y)
    found = replace(pull, element=ops.element_of(left)).build(left, right)
    if conv.batch_groups > 1:
        batch, feature = conv.lhs[:2]
        found = _split(found, feature, conv.batch_groups)
        found = _merge(found, feature, batch + (batch > feature))
    return ops.convert(found, type_.element_type)


def _pull_rhs(site: Site, cotangent: Value) -> Value:
    conv = Convolution.of(site.op)
    type_ = site.op.operands[1].type
    if _empty(site):
        return ops.full(type_, 0)
    y, out = tuple(type_.shape), shape_of(cotangent)
    x = site.operand(0)
    padding = []
    for i in conv.spatial:
        k = dilated(y[conv.rhs[2 + i]], conv.rhs_dilation[i])
        n = dilated(shape_of(x)[conv.lhs[2 + i]], conv.lhs_dilation[i])
        m = dilated(out[conv.out[2 + i]], conv.strides[i])
        low = conv.padding[i][0]
        padding.append((low, k + m - 1 - n - low))
    pull = replace(
        conv,
        lhs=(conv.lhs[1], conv.lhs[0], *conv.lhs[2:]),
        rhs=conv.out,
        out=conv.rhs,
        strides=conv.rhs_dilation,
        padding=tuple(padding),
        rhs_dilation=conv.strides,
        reversal=(False,) * len(conv.strides),
        feature_groups=conv.batch_groups,
        batch_groups=conv.feature_groups,
    )
    left, right = _common(x, cotangent)
    found = replace(pull, element=ops.element_of(left)).build(left, right)
    turned = [conv.rhs[2 + i] for i in conv.spatial if conv.reversal[i]]
    if turned:
        found = ops.reverse(found, turned)
    return ops.convert(found, type_.element_type)


# ---- Batching ------------------------------------------------------------------------------------


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    conv = Convolution.of(site.op)
    (type_,) = site.result_types()
    if math.prod(type_.shape) == 0:
        return [ops.full(type_, 0)], [True]
    x, y = site.operands
    on_x, on_y = site.flags
    if on_x and on_y:
        return [_batch_both(conv, x, y, site.size)], [True]
    if on_x:
        return [_batch_lhs(conv, x, y, site.size)], [True]
    return [_batch_rhs(conv, x, y, site.size)], [True]


def _batch_both(conv: Convolution, x: Value, y: Value, size: int) -> Value:
    """Each of the batch is a group of its own."""
    if conv.batch_groups > 1:
        grouped = replace(conv, batch_groups=size * conv.batch_groups)
        x = _merge(x, 0, conv.lhs[0] + 1)
    else:
        grouped = replace(conv, feature_groups=size * conv.feature_groups)
        x = _merge(x, 0, conv.lhs[1] + 1)
    found = grouped.build(x, _merge(y, 0, conv.rhs[1] + 1))
    return _front(_split(found, conv.out[1], size), conv.out[1])


def _batch_lhs(conv: Convolution, x: Value, y: Value, size: int) -> Value:
    """More of the convolution's own batch."""
    batch = conv.lhs[0] + 1
    if conv.batch_groups > 1:
        # Within each group, or groups would mix.
        x = _split(x, batch, conv.batch_groups)
        x = _merge(_merge(x, 0, batch + 1), batch - 1, batch)
    else:
        x = _merge(x, 0, batch)
    found = conv.build(x, y)
    return _front(_split(found, conv.out[0], size), conv.out[0])


def _batch_rhs(conv: Convolution, x: Value, y: Value, size: int) -> Value:
    """More output features, within each group."""
    groups, feature = conv.feature_groups * conv.batch_groups, conv.rhs[1] + 1
    if groups > 1:
        y = _split(y, feature, groups)
        y = _merge(_merge(y, 0, feature + 1), feature - 1, feature)
    else:
        y = _merge(y, 0, feature)
    found = conv.build(x, y)
    at = conv.out[1]
    if groups == 1:
        return _front(_split(found, at, size), at)
    found = _split(_split(found, at, groups), at + 1, size)
    found = _front(found, at + 1)
    return _merge(found, at + 1, at + 2)


def _front(x: Value, dim: int) -> Value:
    return ops.transpose(x, [dim, *(d for d in range(len(shape_of(x))) if d != dim)])


RECORDS: tuple[Record, ...] = (bilinear("stablehlo.convolution", (_pull_lhs, _pull_rhs), _batch),)
