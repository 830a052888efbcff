"""Records of operations that are short programs of others: conditionals, maps, what StableHLO has deprecated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Record, Regions
from mycc.dialects.rules import regions as bodies
from mycc.dialects.rules.functions import expanded
from mycc.dialects.rules.shape import integer, ints
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value


# ---- Regions -------------------------------------------------------------------------------------


def _if(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    predicate, *captured = operands
    types = [result.type for result in op.results]
    i32 = tensor((), ops.I32)
    # A `case` counts its branches from 0, and the first branch of an `if` is the one for true.
    index = ops.select(predicate, ops.full(i32, 0), ops.full(i32, 1))
    symbols = [regions.outline(op, i) for i in range(2)]
    return ops.case(index, types, [partial(ops.call, symbol, types, captured) for symbol in symbols])


def pointwise_call(
    symbol: str, values: Sequence[Value], fixed: Sequence[Value], regions: Regions
) -> list[Value]:
    """A function of scalars called for each element of tensors of one shape.

    Args:
        symbol: the function, of as many scalars as there are values, then of what is the same for all.
        values: the tensors.
        fixed: what is the same for all.
        regions: what functions are asked of.
    """
    shape = shape_of(values[0])
    flat = [ops.reshape(value, (math.prod(shape),)) for value in values]
    flags = (True,) * len(values) + (False,) * len(fixed)
    vectorized = regions.vectorize(symbol, flags, math.prod(shape))
    results = ops.call(vectorized, regions.results(vectorized), [*flat, *fixed])
    return [ops.reshape(result, shape) for result in results]


def _map(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    count = len(op.operands)
    return pointwise_call(regions.outline(op, 0), operands[:count], operands[count:], regions)


# ---- Contractions by labels ----------------------------------------------------------------------


def _labels(op: ir.Operation, config: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, with digits for what an ellipsis stands for."""
    sources, _, target = config.replace(" ", "").partition("->")
    parts = sources.split(",")
    if "->" not in config or len(parts) != len(ranks):
        raise bodies.unsupported(op, "expand", f"its equation '{config}' does not fit its operands")
    extra = 0
    for i, (part, rank) in enumerate(zip(parts, ranks, strict=True)):
        if "..." in part:
            hidden = rank - len(part) + 3
            extra = max(extra, hidden)
            parts[i] = part.replace("...", "0123456789"[:hidden][::-1])
    return parts, target.replace("...", "0123456789"[:extra][::-1])


def _diagonal(x: Value, labels: str) -> tuple[Value, str]:
    """The elements with equal positions along dimensions of one label."""
    for i, label in enumerate(labels):
        j = labels.find(label, i + 1)
        if j < 0:
            continue
        type_ = tensor(shape_of(x), ops.I32)
        same = ops.compare("EQ", ops.iota(type_, i), ops.iota(type_, j))
        kept = ops.sum_(ops.select(same, x, ops.full_like(x, 0)), [j])
        return _diagonal(kept, labels[:j] + labels[j + 1 :])
    return x, labels


def _without(x: Value, labels: str, kept: str) -> tuple[Value, str]:
    """The sum over dimensions whose labels nobody else has."""
    summed = [d for d, label in enumerate(labels) if label not in kept]
    return ops.sum_(x, summed), "".join(label for label in labels if label in kept)


def _einsum(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    x, y = operands
    config = op.attributes["einsum_config"].value
    (left, right), target = _labels(op, config, [len(shape_of(x)), len(shape_of(y))])
    x, left = _without(*_diagonal(x, left), right + target)
    y, right = _without(*_diagonal(y, right), left + target)
    shared = [label for label in left if label in right]
    batching = [label for label in shared if label in target]
    contracting = [label for label in shared if label not in target]
    free = [label for label in left + right if label not in shared]
    product = ops.dot_general(
        x,
        y,
        contracting=([left.index(c) for c in contracting], [right.index(c) for c in contracting]),
        batching=([left.index(c) for c in batching], [right.index(c) for c in batching]),
        element=op.results[0].type.element_type,
        precision=op.attributes.get("precision_config"),
    )
    order = [*batching, *free]
    return [ops.transpose(product, [order.index(label) for label in target])]


def _unary_einsum(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    (x,) = operands
    (labels,), target = _labels(op, op.attributes["einsum_config"].value, [len(shape_of(x))])
    x, labels = _without(*_diagonal(x, labels), target)
    return [ops.transpose(x, [labels.index(label) for label in target])]


# ---- Shapes and places ---------------------------------------------------------------------------


def _broadcast(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    (x,) = operands
    sizes, shape = ints(op, "broadcast_sizes"), shape_of(x)
    return [ops.broadcast_in_dim(x, (*sizes, *shape), range(len(sizes), len(sizes) + len(shape)))]


def _torch_index_select(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    x, indices = operands
    dim, batched = integer(op, "dim"), integer(op, "batch_dims")
    shape, rank = shape_of(x), len(shape_of(indices))
    after = dim + rank - batched
    total = len(shape) - 1 + rank - batched
    batching = tuple(range(batched))
    windows = Windows((*range(batched, dim), *range(after, total)), (dim,), batching, batching, (dim,), rank)
    sizes = [min(n, 1) if d == dim or d in batching else n for d, n in enumerate(shape)]
    return [ops.gather(x, indices, windows.gather(), sizes)]


def _cross_replica_sum(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    (x,) = operands
    attributes = {"replica_groups": op.attributes["replica_groups"]}
    total = ops.create("stablehlo.all_reduce", [x.type], [x], attributes, regions=1)
    ops.region(total, [tensor((), ops.element_of(x))] * 2, ops.add)
    return [total.result]


RECORDS: tuple[Record, ...] = (
    expanded("stablehlo.if", _if),
    expanded("stablehlo.map", _map),
    expanded("stablehlo.einsum", _einsum),
    expanded("stablehlo.unary_einsum", _unary_einsum),
    expanded("stablehlo.broadcast", _broadcast),
    expanded("stablehlo.torch_index_select", _torch_index_select),
    expanded("stablehlo.cross-replica-sum", _cross_replica_sum),
)
