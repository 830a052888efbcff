"""Records of what takes windows at run-time indices: `dynamic_slice`, `dynamic_update_slice`, `gather`.

All three move windows that would leave the operand to its edge, so that their derivatives must move them too:
the transpose of a gather is a scatter, which drops them instead, at indices that are moved first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Record, Site, linear
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import shape_of

Value: TypeAlias = ir.Value

# ---- Windows of static size at scalar indices ----------------------------------------------------


def _slice_transpose(site: Site, cotangent: Value) -> Sequence[Value | None]:
    starts = [site.operand(i) for i in range(1, len(site.op.operands))]
    zeros = ops.full(site.op.operands[0].type, 0)
    return [ops.dynamic_update_slice(zeros, cotangent, starts), *(None for _ in starts)]


def _update_transpose(site: Site, cotangent: Value) -> Sequence[Value | None]:
    starts = [site.operand(i) for i in range(2, len(site.op.operands))]
    type_ = site.op.operands[1].type
    x = ops.dynamic_update_slice(cotangent, ops.full(type_, 0), starts) if site.active[0] else None
    update = ops.dynamic_slice(cotangent, starts, type_.shape) if site.active[1] else None
    return [x, update, *(None for _ in starts)]


def _first(starts: Sequence[Value]) -> list[Value]:
    """Starts for an operand with a batch dimension in front."""
    return [ops.full(starts[0].type, 0), *starts]


def _moving(shape: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """The dimensions along which a window can lie in more than one place."""
    return [d for d, (n, size) in enumerate(zip(shape, sizes, strict=True)) if n != size]


def _stacked(site: Batched, first: int, dims: Sequence[int]) -> Value:
    """Index vectors, one per element of the batch, of the starts along some dimensions."""
    columns = []
    for d in dims:
        start, flag = site.operands[first + d], site.flags[first + d]
        shape = (site.size, 1)
        columns.append(ops.reshape(start, shape) if flag else ops.broadcast_in_dim(start, shape, ()))
    return ops.concatenate(columns, 1)


def _slice_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    x, starts = site.operands[0], site.operands[1:]
    sizes = tuple(site.op.results[0].type.shape)
    if not any(site.flags[1:]):
        return [ops.dynamic_slice(x, _first(starts), (site.size, *sizes))], [True]
    dims = _moving(site.op.operands[0].type.shape, sizes)
    if not dims:
        return [x], [site.flags[0]]
    rank = len(sizes)
    windows = Windows(tuple(range(rank)), (), (), (), tuple(dims), 0)
    if site.flags[0]:
        sizes = (min(1, site.size), *sizes)
    found = ops.gather(x, _stacked(site, 1, dims), windows.batched(site.flags[0], True).gather(), sizes)
    return [found], [True]


def _update_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    x, update = site.full(0), site.full(1)
    shape, sizes = site.op.operands[0].type.shape, site.op.operands[1].type.shape
    dims = _moving(shape, sizes)
    if not dims:
        return [update], [True]
    if not any(site.flags[2:]):
        return [ops.dynamic_update_slice(x, update, _first(site.operands[2:]))], [True]
    windows = Windows(tuple(range(len(sizes))), (), (), (), tuple(dims), 0).batched(True, True)
    limits = windows.limits(shape_of(x), (1, *sizes))
    indices = windows.clamped(_stacked(site, 2, dims), limits)
    indices = windows.widened(indices, limits)
    return [ops.scatter(x, indices, update, windows.scatter(), lambda _, new: new, True, True)], [True]


# ---- Gather --------------------------------------------------------------------------------------


def _is_sorted(op: ir.Operation) -> bool:
    attribute = op.attributes.get("indices_are_sorted")
    return attribute is not None and bool(attribute.value)


def _gather_transpose(site: Site, cotangent: Value) -> Sequence[Value | None]:
    op = site.op
    x, source = op.operands
    windows = Windows.of_gather(op)
    limits = windows.limits(x.type.shape, tuple(op.attributes["slice_sizes"]))
    indices = site.operand(1)
    in_order = _is_sorted(op)
    if not windows.inside(source, limits):
        indices = windows.clamped(indices, limits)
        # Vectors in lexicographic order need not stay so once each component is clamped.
        in_order = in_order and len(limits) == 1
    indices = windows.widened(indices, limits)
    unique = windows.single(source.type.shape)
    zeros = ops.full(x.type, 0)
    return [ops.scatter(zeros, indices, cotangent, windows.scatter(), ops.add, in_order, unique), None]


def _gather_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    op = site.op
    x, indices = site.operands
    on_x, on_indices = site.flags
    windows = Windows.of_gather(op).batched(on_x, on_indices)
    sizes = tuple(op.attributes["slice_sizes"])
    if on_x:
        sizes = (min(1, site.size) if on_indices else site.size, *sizes)
    in_order = _is_sorted(op) and (on_x or not on_indices)
    return [ops.gather(x, indices, windows.gather(), sizes, in_order)], [True]


RECORDS: tuple[Record, ...] = (
    linear("stablehlo.dynamic_slice", _slice_transpose, _slice_batch),
    linear("stablehlo.dynamic_update_slice", _update_transpose, _update_batch, operands=lambda op: (0, 1)),
    linear("stablehlo.gather", _gather_transpose, _gather_batch),
)
