"""Records of batch normalization, which is differentiated and batched as the arithmetic that it stands for.

The definitions are those of the StableHLO specification ("batch_norm_training", "batch_norm_inference",
"batch_norm_grad"); the variance is the biased one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Record, Regions
from mycc.dialects.rules.functions import expanded
from mycc.dialects.types import shape_of

Value: TypeAlias = ir.Value
Kept = tuple[int, ...]
"""The dimensions that statistics keep: the feature dimension, behind that of a batch."""
Definition = Callable[[Sequence[Value], float, Kept], list[Value]]


def _spread(value: Value, like: Value, kept: Kept) -> Value:
    return ops.broadcast_in_dim(value, shape_of(like), kept)


def _sum(x: Value, kept: Kept) -> Value:
    return ops.sum_(x, [d for d in range(len(shape_of(x))) if d not in kept])


def _count(x: Value, kept: Kept) -> int:
    return math.prod(n for d, n in enumerate(shape_of(x)) if d not in kept)


def _mean(x: Value, kept: Kept) -> Value:
    total = _sum(x, kept)
    return ops.div(total, ops.full_like(total, _count(x, kept)))


def _inverse_deviation(variance: Value, epsilon: float) -> Value:
    return ops.rsqrt(ops.add(variance, ops.full_like(variance, epsilon)))


def _inference(values: Sequence[Value], epsilon: float, kept: Kept) -> list[Value]:
    x, scale, offset, mean, variance = values
    factor = ops.mul(scale, _inverse_deviation(variance, epsilon))
    scaled = ops.mul(ops.sub(x, _spread(mean, x, kept)), _spread(factor, x, kept))
    return [ops.add(scaled, _spread(offset, x, kept))]


def _training(values: Sequence[Value], epsilon: float, kept: Kept) -> list[Value]:
    x, scale, offset = values
    mean = _mean(x, kept)
    centered = ops.sub(x, _spread(mean, x, kept))
    variance = _mean(ops.mul(centered, centered), kept)
    factor = ops.mul(scale, _inverse_deviation(variance, epsilon))
    scaled = ops.mul(centered, _spread(factor, x, kept))
    return [ops.add(scaled, _spread(offset, x, kept)), mean, variance]


def _grad(values: Sequence[Value], epsilon: float, kept: Kept) -> list[Value]:
    x, scale, mean, variance, cotangent = values
    inverse = _inverse_deviation(variance, epsilon)
    normal = ops.mul(ops.sub(x, _spread(mean, x, kept)), _spread(inverse, x, kept))
    offset = _sum(cotangent, kept)
    total = _sum(ops.mul(cotangent, normal), kept)
    count = ops.full_like(offset, _count(x, kept))
    across = ops.mul(normal, _spread(ops.div(total, count), x, kept))
    rest = ops.sub(ops.sub(cotangent, _spread(ops.div(offset, count), x, kept)), across)
    return [ops.mul(_spread(ops.mul(scale, inverse), x, kept), rest), total, offset]


def _epsilon(op: ir.Operation) -> float:
    epsilon: float = op.attributes["epsilon"].value
    return epsilon


def _feature(op: ir.Operation) -> int:
    feature: int = op.attributes["feature_index"].value
    return feature


def _record(name: str, definition: Definition) -> Record:
    def expand(op: ir.Operation, values: Sequence[Value], _: Regions) -> Sequence[Value]:
        return definition(values, _epsilon(op), (_feature(op),))

    def batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
        values = [site.full(i) for i in range(len(site.operands))]
        found = definition(values, _epsilon(site.op), (0, _feature(site.op) + 1))
        return found, [True] * len(found)

    return replace(expanded(f"stablehlo.{name}", expand), batch=batch)


RECORDS: tuple[Record, ...] = (
    _record("batch_norm_inference", _inference),
    _record("batch_norm_training", _training),
    _record("batch_norm_grad", _grad),
)
