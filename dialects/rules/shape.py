"""Records: operations that make, move, cut and join elements. All are linear, or have no operand at all.

Operations with shapes as operands are in `dynamic`; what has no static shape, and tuples, is outside of mycc.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Record, Site, inactive, linear
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value
Dims: TypeAlias = tuple[int, ...]
Batch = tuple[Sequence[Value], Sequence[bool]]


def ints(op: ir.Operation, name: str) -> tuple[int, ...]:
    """An attribute that is an array of integers."""
    return ops.ints_of(op.attributes[name])


def integer(op: ir.Operation, name: str) -> int:
    """An attribute that is an integer."""
    return int(ir.IntegerAttr(op.attributes[name]).value)


def _operand_shape(site: Site) -> tuple[int, ...]:
    return tuple(site.op.operands[0].type.shape)


def unbatched(site: Batched) -> Batch:
    """An operation whose result is the same for the whole batch."""
    return list(ops.rebuild(site.op, site.operands).results), [False] * len(site.op.results)


# ---- Spread and reorder --------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _spread_dimensions(dimensions: Dims, shape: Dims, out: Dims) -> tuple[Dims, Dims]:
    """Which dimensions of a broadcast's result are summed in its transpose, and the order of the others."""
    kept = [d for d, n in zip(dimensions, shape, strict=True) if n == out[d]]
    # The sum keeps dimensions in the result's order, which need not be the operand's.
    ascending = sorted(kept)
    summed = tuple(d for d in range(len(out)) if d not in kept)
    return summed, tuple(ascending.index(d) for d in kept)


def _broadcast_transpose(site: Site, ct: Value) -> list[Value | None]:
    shape = _operand_shape(site)
    summed, order = _spread_dimensions(ints(site.op, "broadcast_dimensions"), shape, shape_of(ct))
    return [ops.reshape(ops.transpose(ops.sum_(ct, summed), order), shape)]


def _broadcast_batch(site: Batched) -> Batch:
    shape = (site.size, *site.op.results[0].type.shape)
    dimensions = (0, *(d + 1 for d in ints(site.op, "broadcast_dimensions")))
    return [ops.broadcast_in_dim(site.operands[0], shape, dimensions)], [True]


def _reshape_batch(site: Batched) -> Batch:
    return [ops.reshape(site.operands[0], (site.size, *site.op.results[0].type.shape))], [True]


def _transpose_transpose(site: Site, ct: Value) -> list[Value | None]:
    return [ops.transpose(ct, [int(d) for d in np.argsort(ints(site.op, "permutation"))])]


def _transpose_batch(site: Batched) -> Batch:
    return [ops.transpose(site.operands[0], (0, *(d + 1 for d in ints(site.op, "permutation"))))], [True]


def _reverse_transpose(site: Site, ct: Value) -> list[Value | None]:
    return [ops.reverse(ct, ints(site.op, "dimensions"))]


def _reverse_batch(site: Batched) -> Batch:
    return [ops.reverse(site.operands[0], [d + 1 for d in ints(site.op, "dimensions")])], [True]


# ---- Cut and join --------------------------------------------------------------------------------


def _slice_transpose(site: Site, ct: Value) -> list[Value | None]:
    starts, strides = ints(site.op, "start_indices"), ints(site.op, "strides")
    high = [
        n - start - m - max(m - 1, 0) * (stride - 1)
        for n, start, m, stride in zip(_operand_shape(site), starts, shape_of(ct), strides, strict=True)
    ]
    return [ops.pad(ct, ops.zero_of(ct), starts, high, [stride - 1 for stride in strides])]


def _slice_batch(site: Batched) -> Batch:
    op, x = site.op, site.operands[0]
    starts, limits = (0, *ints(op, "start_indices")), (site.size, *ints(op, "limit_indices"))
    return [ops.slice_(x, starts, limits, (1, *ints(op, "strides")))], [True]


def _padding(op: ir.Operation) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    return ints(op, "edge_padding_low"), ints(op, "edge_padding_high"), ints(op, "interior_padding")


def _pad_transpose(site: Site, ct: Value) -> list[Value | None]:
    low, high, interior = _padding(site.op)
    x = value = None
    if site.active[0]:
        x = _unpad(ct, low, high, interior)
    if site.active[1]:
        # A mask, not the sum of all minus the sum of those kept: that loses digits, and inf - inf is NaN.
        mask = _mask(site.op)
        kept = ops.select(mask, ops.full_like(ct, 0), ct)
        value = ops.sum_(kept, range(len(shape_of(ct))))
    return [x, value]


def _unpad(ct: Value, low: Sequence[int], high: Sequence[int], interior: Sequence[int]) -> Value:
    """The operand's elements in a padded tensor, zeros for those that negative padding has cut off."""
    cut_low, cut_high = [max(-n, 0) for n in low], [max(-n, 0) for n in high]
    if any(cut_low) or any(cut_high):
        ct = ops.pad(ct, ops.zero_of(ct), cut_low, cut_high, [0] * len(low))
    shape = shape_of(ct)
    starts = [max(n, 0) for n in low]
    limits = [size - max(n, 0) for size, n in zip(shape, high, strict=True)]
    return ops.slice_(ct, starts, limits, [n + 1 for n in interior])


def _mask(op: ir.Operation) -> Value:
    """Where a pad's result holds elements of its operand."""
    ones = ops.full(tensor(tuple(op.operands[0].type.shape), ops.BOOL), True)
    return ops.pad(ones, ops.zero_of(ones), *_padding(op))


def _pad_batch(site: Batched) -> Batch:
    x, value = site.full(0), site.operands[1]
    low, high, interior = ((0, *numbers) for numbers in _padding(site.op))
    if not site.flags[1]:
        return [ops.pad(x, value, low, high, interior)], [True]
    padded = ops.pad(x, ops.zero_of(x), low, high, interior)
    shape = shape_of(padded)
    mask = ops.broadcast_in_dim(_mask(site.op), shape, range(1, len(shape)))
    return [ops.select(mask, padded, ops.broadcast_in_dim(value, shape, (0,)))], [True]


def _concatenate_transpose(site: Site, ct: Value) -> list[Value | None]:
    dimension, shape = integer(site.op, "dimension"), shape_of(ct)
    pieces: list[Value | None] = []
    start = 0
    for operand, active in zip(site.op.operands, site.active, strict=True):
        stop = start + operand.type.shape[dimension]
        starts, limits = [0] * len(shape), list(shape)
        starts[dimension], limits[dimension] = start, stop
        pieces.append(ops.slice_(ct, starts, limits) if active else None)
        start = stop
    return pieces


def _concatenate_batch(site: Batched) -> Batch:
    values = [site.full(i) for i in range(len(site.operands))]
    return [ops.concatenate(values, integer(site.op, "dimension") + 1)], [True]


# ---- Sizes ---------------------------------------------------------------------------------------


def _dimension_size_batch(site: Batched) -> Batch:
    attributes = {"dimension": ops.i64(integer(site.op, "dimension") + 1)}
    return list(ops.rebuild(site.op, site.operands, None, attributes).results), [False]


def _reshape_transpose(site: Site, ct: Value) -> list[Value | None]:
    return [ops.reshape(ct, _operand_shape(site))]


def _all_operands(op: ir.Operation) -> Sequence[int]:
    return range(len(op.operands))


def _concatenate_oracle(*arrays: Any) -> Any:
    return np.concatenate(arrays)


RECORDS: tuple[Record, ...] = (
    inactive("stablehlo.constant", unbatched, dtypes="fciub", cheap=True),
    inactive("stablehlo.iota", unbatched, dtypes="fciu", cheap=True),
    linear("stablehlo.broadcast_in_dim", _broadcast_transpose, _broadcast_batch, dtypes="fciub", cheap=True),
    linear(
        "stablehlo.reshape", _reshape_transpose, _reshape_batch, oracle=np.reshape, dtypes="fciub", cheap=True
    ),
    linear(
        "stablehlo.transpose",
        _transpose_transpose,
        _transpose_batch,
        oracle=np.transpose,
        dtypes="fciub",
        cheap=True,
    ),
    linear(
        "stablehlo.reverse", _reverse_transpose, _reverse_batch, oracle=np.flip, dtypes="fciub", cheap=True
    ),
    linear("stablehlo.slice", _slice_transpose, _slice_batch, dtypes="fciub"),
    linear("stablehlo.pad", _pad_transpose, _pad_batch, operands=_all_operands, dtypes="fciub"),
    linear(
        "stablehlo.concatenate",
        _concatenate_transpose,
        _concatenate_batch,
        operands=_all_operands,
        oracle=_concatenate_oracle,
        dtypes="fciub",
    ),
    inactive("stablehlo.get_dimension_size", _dimension_size_batch, dtypes="fciub"),
)
