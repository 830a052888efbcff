"""Records: random numbers, and the tokens that order effects.

`rng` has a hidden state; its numbers are a shift and a scale of standard ones, and its derivative is that of
this map at fixed standard numbers (the pathwise one). `rng_bit_generator` is a function of its state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import hlo, ir
from mycc.dialects.record import (
    Batched,
    Flags,
    Functions,
    Record,
    Site,
    Tangents,
    accumulate,
    inactive,
    structured,
)
from mycc.dialects.rules import regions
from mycc.dialects.rules.sequential import batch_in_turn
from mycc.dialects.rules.shape import unbatched
from mycc.dialects.types import is_differentiable, shape_of, tensor

Value: TypeAlias = ir.Value


def _is_uniform(op: ir.Operation) -> bool:
    return bool(hlo.RngDistributionAttr(op.attributes["rng_distribution"]).value == "UNIFORM")


def _standard(op: ir.Operation, shape: Sequence[int]) -> Value:
    """Numbers of the operation's distribution between 0 and 1, or of mean 0 and deviation 1."""
    scalar = op.operands[0].type
    type_ = tensor(tuple(shape), scalar.element_type)
    sizes = ops.constant(np.array(shape, np.int64))
    operands = [ops.full(scalar, 0), ops.full(scalar, 1), sizes]
    attributes = {"rng_distribution": op.attributes["rng_distribution"]}
    return ops.create("stablehlo.rng", [type_], operands, attributes).result


def _placed(op: ir.Operation, standard: Value, first: Value, second: Value) -> Value:
    """Standard numbers moved to where the operands, in the numbers' shape, say."""
    scale = ops.sub(second, first) if _is_uniform(op) else second
    return ops.add(first, ops.mul(scale, standard))


def _spread(value: Value, type_: ir.Type) -> Value:
    return ops.broadcast_in_dim(value, type_.shape, ())


def _augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    type_ = site.op.results[0].type
    standard = _standard(site.op, type_.shape)
    first, second = (_spread(value, type_) for value in operands[:2])
    return [_placed(site.op, standard, first, second)], [standard]


def _weights(site: Site) -> tuple[Value | None, Value]:
    """The derivatives by both operands; None is one."""
    if site.transposing:
        # The numbers are not linear in the operands' values: the look-up of one says so.
        return None, site.operand(0)
    standard = site.saved(0)
    if _is_uniform(site.op):
        return ops.sub(ops.full_like(standard, 1), standard), standard
    return None, standard


def _forward(site: Site, tangents: Tangents) -> Tangents:
    total: Value | None = None
    type_ = site.op.results[0].type
    for weight, tangent in zip(_weights(site), tangents[:2], strict=True):
        if tangent is not None:
            moved = _spread(tangent, type_)
            total = accumulate(total, moved if weight is None else ops.mul(moved, weight))
    return [total]


def _reverse(site: Site, cotangents: Tangents) -> Tangents:
    cotangent = cotangents[0]
    found: Tangents = [None] * site.inputs
    if cotangent is None:
        return found
    dims = range(len(shape_of(cotangent)))
    for i, weight in enumerate(_weights(site)):
        if site.active[i]:
            found[i] = ops.sum_(cotangent if weight is None else ops.mul(cotangent, weight), dims)
    return found


def _depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return (any(active) and is_differentiable(op.results[0].type),)


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    op = site.op
    (type_,) = site.result_types()
    if site.flags[2]:
        raise regions.unsupported(op, "batch", "its shape is mapped; pass the shape as a constant")
    if not is_differentiable(type_):
        return batch_in_turn(site)
    first, second = (
        ops.broadcast_in_dim(value, type_.shape, [0] if flag else [])
        for value, flag in zip(site.operands[:2], site.flags[:2], strict=True)
    )
    return [_placed(op, _standard(op, type_.shape), first, second)], [True]


RECORDS: tuple[Record, ...] = (
    structured("stablehlo.rng", _forward, _reverse, _batch, augment=_augment, depends=_depends),
    inactive("stablehlo.rng_bit_generator", batch_in_turn, dtypes="u"),
    # Tokens have no elements: nothing is ever differentiated or batched in them.
    inactive("stablehlo.after_all", unbatched, dtypes=""),
    inactive("stablehlo.create_token", unbatched, dtypes=""),
)
