"""Records of operations whose shape parameters are operands, where the shape of the result is static all the same.

Shapes that are not static are beyond mycc: `stablehlo-refine-shapes` finds them from the entry function's
arguments, and `stablehlo-canonicalize-dynamism` takes what is constant out of the operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import hlo, ir
from mycc.dialects.record import ExpandRule, Record, Regions
from mycc.dialects.rules import regions as bodies
from mycc.dialects.rules.functions import expanded
from mycc.dialects.rules.shape import integer, ints
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]
Build = Callable[[ir.Operation, Sequence[Value], Dims], Value]


def _static(build: Build) -> ExpandRule:
    """An expansion that needs the shape of the result."""

    def expand(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
        type_ = op.results[0].type
        if not type_.has_static_shape:
            raise bodies.unsupported(
                op,
                "expand",
                f"its shape {type_} is known at run time only; run stablehlo-refine-shapes and "
                "stablehlo-canonicalize-dynamism first, on a module whose @main has static shapes",
            )
        return [build(op, operands, tuple(type_.shape))]

    return expand


def _known(values: Sequence[Value]) -> list[Dims] | None:
    """The numbers that operands hold, if they are constants."""
    found = []
    for value in values:
        owner = value.owner
        if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant":
            return None
        found.append(tuple(int(n) for n in np.asarray(owner.attributes["value"]).reshape(-1)))
    return found


def _component(vector: Value, index: int) -> Value:
    return ops.reshape(ops.slice_(vector, [index], [index + 1]), ())


def _take(x: Value, places: Value, dim: int) -> Value:
    """The parts of ``x`` at a vector of places along a dimension."""
    shape = shape_of(x)
    others = tuple(d for d in range(len(shape)) if d != dim)
    windows = Windows(others, (dim,), (), (), (dim,), 1)
    return ops.gather(x, places, windows.gather(), [1 if d == dim else n for d, n in enumerate(shape)])


def _counted(count: int, like: Value) -> Value:
    """0, 1, 2, ... in a scalar's element type."""
    return ops.iota(tensor((count,), ops.element_of(like)), 0)


def _everywhere(scalar: Value, count: int) -> Value:
    return ops.broadcast_in_dim(scalar, (count,), ())


def _reshape(op: ir.Operation, operands: Sequence[Value], shape: Dims) -> Value:
    return ops.reshape(operands[0], shape)


def _broadcast(op: ir.Operation, operands: Sequence[Value], shape: Dims) -> Value:
    return ops.broadcast_in_dim(operands[0], shape, ints(op, "broadcast_dimensions"))


def _iota(op: ir.Operation, operands: Sequence[Value], shape: Dims) -> Value:
    return ops.iota(op.results[0].type, integer(op, "iota_dimension"))


def _slice(op: ir.Operation, operands: Sequence[Value], shape: Dims) -> Value:
    x, starts, _, strides = operands
    known = _known(op.operands[1:4])
    if known is not None:
        return ops.slice_(x, *known)
    for d, count in enumerate(shape):
        start, stride = _component(starts, d), _component(strides, d)
        steps = ops.mul(_counted(count, start), _everywhere(stride, count))
        x = _take(x, ops.add(_everywhere(start, count), steps), d)
    return x


def _pad(op: ir.Operation, operands: Sequence[Value], shape: Dims) -> Value:
    x, value, low, _, interior = operands
    known = _known(op.operands[2:5])
    if known is not None:
        return ops.pad(x, value, *known)
    return _padded(x, value, low, interior, shape)


def _padded(x: Value, value: Value, low: Value, interior: Value, shape: Dims) -> Value:
    """Padding by amounts known at run time: where each element of the result comes from, if from anywhere."""
    inside: Value | None = None
    sizes = shape_of(x)
    if 0 in sizes:
        return ops.broadcast_in_dim(value, shape, ())
    for d, count in enumerate(shape):
        step = ops.add(_component(interior, d), ops.full(tensor((), ops.element_of(interior)), 1))
        offset = ops.sub(_counted(count, step), _everywhere(_component(low, d), count))
        place = ops.div(offset, _everywhere(step, count))
        zero, last = ops.full_like(place, 0), ops.full_like(place, sizes[d] - 1)
        here = ops.compare("EQ", ops.mul(place, _everywhere(step, count)), offset)
        here = ops.and_(here, ops.compare("GE", offset, zero))
        here = ops.and_(here, ops.compare("LE", place, last))
        x = _take(x, ops.clamp(zero, place, last), d)
        here = ops.broadcast_in_dim(here, shape, [d])
        inside = here if inside is None else ops.and_(inside, here)
    return x if inside is None else ops.select(inside, x, ops.broadcast_in_dim(value, shape, ()))


def _gather(op: ir.Operation, operands: Sequence[Value], shape: Dims) -> Value:
    x, indices, _ = operands
    windows = Windows.of_gather(op)
    sizes = windows.sizes(shape_of(x), shape)
    in_order = op.attributes.get("indices_are_sorted")
    return ops.gather(x, indices, windows.gather(), sizes, in_order is not None and bool(in_order.value))


def _spatial_vector(op: ir.Operation, name: str, count: int) -> tuple[int, ...]:
    return ints(op, name) if name in op.attributes else (1,) * count


def _convolution(op: ir.Operation, operands: Sequence[Value], shape: Dims) -> Value:
    """Padding first, then a convolution without: the padding of a convolution comes after its dilation."""
    x, kernel, padding = operands
    dims = hlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
    spatial = list(dims.input_spatial_dimensions)
    count = len(spatial)
    strides, spread = _spatial_vector(op, "window_strides", count), _spatial_vector(op, "rhs_dilation", count)
    dilation = _spatial_vector(op, "lhs_dilation", count)
    element = ops.element_of(padding)
    rank = len(shape_of(x))
    padded = list(shape_of(x))
    interior = np.zeros(rank, np.int64)
    low = [ops.full(tensor((1,), element), 0)] * rank
    for i, d in enumerate(spatial):
        window = (kernel.type.shape[dims.kernel_spatial_dimensions[i]] - 1) * spread[i] + 1
        padded[d] = max(shape[dims.output_spatial_dimensions[i]] - 1, 0) * strides[i] + window
        interior[d] = dilation[i] - 1
        low[d] = ops.reshape(ops.slice_(padding, [i, 0], [i + 1, 1]), (1,))
    amounts = ops.convert(ops.constant(interior), element)
    x = _padded(x, ops.zero_of(x), ops.concatenate(low, 0), amounts, tuple(padded))
    attributes: dict[str, Any] = {name: op.attributes[name] for name in op.attributes}
    for name in ("lhs_dilation", "padding"):
        attributes.pop(name, None)
    return ops.create("stablehlo.convolution", [op.results[0].type], [x, kernel], attributes).result


RECORDS: tuple[Record, ...] = (
    expanded("stablehlo.dynamic_broadcast_in_dim", _static(_broadcast)),
    expanded("stablehlo.dynamic_conv", _static(_convolution)),
    expanded("stablehlo.dynamic_gather", _static(_gather)),
    expanded("stablehlo.dynamic_iota", _static(_iota)),
    expanded("stablehlo.dynamic_pad", _static(_pad)),
    expanded("stablehlo.dynamic_reshape", _static(_reshape)),
    expanded("stablehlo.real_dynamic_slice", _static(_slice)),
)
