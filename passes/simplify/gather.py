"""Gathers and scatters whose windows lie where slices do: one window, or windows in a row."""

from __future__ import annotations

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import shape_of
from mycc.passes.pattern import Op, Pattern, Rewriter, static_shape
from mycc.passes.simplify.match import CONSTANT, RESHAPE, array_of, ints

__all__ = ["PATTERNS"]

_GATHER = "stablehlo.gather"
# The greatest constant of indices that is looked through.
_MAX_INDICES = 4096


class GatherOfOneWindow(Pattern):
    """A gather by one index vector is a dynamic slice, which moves its window to be inside just as well."""

    op_names = (_GATHER,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x, indices = op.operands
        found, shape = Windows.of_gather(op.op), static_shape(indices)
        if found.operand_batching or _windows(found, shape) != 1 or 0 in op.shape:
            return False
        sizes, rank = ints(op, "slice_sizes"), len(static_shape(x))

        def build() -> ir.Value:
            window = ops.dynamic_slice(x, _starts(found, indices, rank), sizes)
            # The dimensions inside of a window keep their order; those around it are of size 1.
            return ops.reshape(window, op.shape)

        return rewriter.replace(op, build)


class GatherOfRow(Pattern):
    """A gather whose indices count up or down by a constant, along one dimension, is a slice."""

    op_names = (_GATHER,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x = op.operand(0)
        found, shape, sizes = Windows.of_gather(op.op), op.operand_shape(1), ints(op, "slice_sizes")
        if found.operand_batching or len(found.index_map) != 1 or found.collapsed != found.index_map:
            return False
        counted = [n for d, n in enumerate(shape) if d != found.vector and n != 1]
        whole, axis = static_shape(x), found.index_map[0]
        if len(counted) != 1 or 0 in op.shape:
            return False
        if any(n != m for d, (n, m) in enumerate(zip(sizes, whole, strict=True)) if d != axis):
            return False
        row = _progression(op.producer(1), counted[0])
        if row is None:
            return False
        start, step = row
        last = start + step * (counted[0] - 1)
        # Other indices are moved to be inside.
        if not (0 <= start < whole[axis] and 0 <= last < whole[axis]):
            return False
        low, high = min(start, last), max(start, last)
        starts = [low if d == axis else 0 for d in range(len(whole))]
        limits = [high + 1 if d == axis else n for d, n in enumerate(whole)]
        strides = [abs(step) if d == axis else 1 for d in range(len(whole))]
        # Where the dimension that counts windows stands in the result.
        rank = len(op.shape)
        place = next(d for d in found.around(rank) if op.shape[d] != 1)
        inside = [d for d in range(len(whole)) if d != axis]
        order = sorted([(place, axis), *zip(found.offset, inside, strict=True)])

        def build() -> ir.Value:
            value = ops.slice_(x, starts, limits, strides)
            if step < 0:
                value = ops.reverse(value, [axis])
            return ops.reshape(ops.transpose(value, [d for _, d in order]), op.shape)

        return rewriter.replace(op, build)


class ScatterOfOneWindow(Pattern):
    """A scatter by one index vector updates one window, or none where that is not inside."""

    op_names = ("stablehlo.scatter",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        if len(op.results) != 1:
            return False
        x, indices, updates = op.operands
        found, shape = Windows.of_scatter(op.op), static_shape(indices)
        if found.operand_batching or not found.index_map or _windows(found, shape) != 1:
            return False
        whole = op.shape
        sizes = found.sizes(whole, static_shape(updates))
        if 0 in sizes or any(n > m for n, m in zip(sizes, whole, strict=True)):
            return False
        scalar = op.op.regions[0].blocks[0].arguments[0].type
        if not _is_pointwise(op.op) or scalar.element_type != op.type.element_type:
            return False
        limits = found.limits(whole, sizes)

        def build() -> ir.Value:
            starts = _starts(found, indices, len(whole))
            window, update = ops.dynamic_slice(x, starts, sizes), ops.reshape(updates, sizes)
            (new,) = _combined(op.op, window, update)
            inside = ops.reshape(found.mask(indices, limits, [1] * len(shape_of(updates))), [1] * len(sizes))
            chosen = ops.select(ops.broadcast_in_dim(inside, sizes, range(len(sizes))), new, window)
            return ops.dynamic_update_slice(x, chosen, starts)

        return rewriter.replace(op, build)


def _windows(found: Windows, indices: tuple[int, ...]) -> int:
    count = 1
    for d, n in enumerate(indices):
        if d != found.vector:
            count *= n
    return count


def _starts(found: Windows, indices: ir.Value, rank: int) -> list[ir.Value]:
    """The start of the only window along each dimension."""
    count = len(found.index_map)
    flat = ops.reshape(indices, [count])
    parts = {d: ops.reshape(ops.slice_(flat, [i], [i + 1]), []) for i, d in enumerate(found.index_map)}
    zero = ops.zero_of(indices)
    return [parts.get(d, zero) for d in range(rank)]


def _progression(op: Op | None, count: int) -> tuple[int, int] | None:
    """The first of indices that differ by a constant, and the difference."""
    while op is not None and op.name == RESHAPE:
        op = op.producer(0)
    if op is None:
        return None
    if op.name == "stablehlo.iota":
        along = int(op.attribute("iota_dimension").value)
        return (0, 1) if op.shape[along] == count else None
    values = array_of(op, _MAX_INDICES) if op.name == CONSTANT else None
    if values is None:
        return None
    numbers = values.reshape(-1).astype(np.int64)
    if numbers.size != count:
        return None
    steps = np.diff(numbers)
    return (int(numbers[0]), int(steps[0])) if steps[0] and (steps == steps[0]).all() else None


def _is_pointwise(op: ir.Operation) -> bool:
    """Whether a body of scalars does the same to whole arrays."""
    operations = [each.operation for each in op.regions[0].blocks[0].operations]
    block = op.regions[0].blocks[0]
    return all(
        inner.name in _POINTWISE and all(value.owner in (block, *operations) for value in inner.operands)
        for inner in operations[:-1]
    )


_POINTWISE = frozenset(
    f"stablehlo.{n}" for n in ("add", "multiply", "maximum", "minimum", "and", "or", "xor", "subtract")
)


def _combined(op: ir.Operation, window: ir.Value, update: ir.Value) -> list[ir.Value]:
    block = op.regions[0].blocks[0]
    old, new = block.arguments
    values: dict[ir.Value, ir.Value] = {old: window, new: update}
    *operations, end = (each.operation for each in block.operations)
    for inner in operations:
        copy = ops.rebuild(inner, [values[v] for v in inner.operands], [window.type])
        values[inner.results[0]] = copy.results[0]
    return [values[v] for v in end.operands]


PATTERNS: tuple[Pattern, ...] = (GatherOfOneWindow(), GatherOfRow(), ScatterOfOneWindow())
