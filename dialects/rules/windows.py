"""Dimension numbers of `gather` and `scatter`, which mirror each other, and where their windows lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.rules import bounds
from mycc.dialects.types import dtype_of, element_type, shape_of

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Windows:
    """How an array of index vectors names windows of an operand.

    A gather takes from each window to its result, a scatter combines its updates with them: the result of the
    one has the shape of the updates of the other.

    Args:
        offset: dimensions of the result that run inside a window.
        collapsed: dimensions of the operand of window size 1 that the result lacks.
        operand_batching: dimensions of the operand that go along with ``indices_batching``.
        indices_batching: those of the indices.
        index_map: the dimension of the operand that each component of an index vector counts along.
        vector: the dimension of the indices that holds the vectors; their rank if they are scalars.
    """

    offset: Dims
    collapsed: Dims
    operand_batching: Dims
    indices_batching: Dims
    index_map: Dims
    vector: int

    @staticmethod
    def of_gather(op: ir.Operation) -> Windows:
        """The dimension numbers of a `stablehlo.gather`."""
        dims = hlo.GatherDimensionNumbers(op.attributes["dimension_numbers"])
        return Windows(
            tuple(dims.offset_dims),
            tuple(dims.collapsed_slice_dims),
            tuple(dims.operand_batching_dims),
            tuple(dims.start_indices_batching_dims),
            tuple(dims.start_index_map),
            dims.index_vector_dim,
        )

    @staticmethod
    def of_scatter(op: ir.Operation) -> Windows:
        """The dimension numbers of a `stablehlo.scatter`."""
        dims = hlo.ScatterDimensionNumbers(op.attributes["scatter_dimension_numbers"])
        return Windows(
            tuple(dims.update_window_dims),
            tuple(dims.inserted_window_dims),
            tuple(dims.input_batching_dims),
            tuple(dims.scatter_indices_batching_dims),
            tuple(dims.scattered_dims_to_operand_dims),
            dims.index_vector_dim,
        )

    @property
    def _lists(self) -> tuple[list[int], ...]:
        fields = (self.offset, self.collapsed, self.operand_batching, self.indices_batching, self.index_map)
        return tuple(map(list, fields))

    def gather(self) -> ir.Attribute:
        """As a gather's attribute."""
        return hlo.GatherDimensionNumbers.get(*self._lists, self.vector, context=context)

    def scatter(self) -> ir.Attribute:
        """As a scatter's attribute."""
        return hlo.ScatterDimensionNumbers.get(*self._lists, self.vector, context=context)

    def batched(self, operand: bool, indices: bool) -> Windows:
        """The same with a batch dimension in front of the operand, the indices or both, and of the result.

        With one on both, the two go along with each other. With one on the operand alone, each window
        spans it. With one on the indices alone, there are as many more windows.
        """
        offset = _shift(self.offset)
        if indices:
            along = _shift(self.indices_batching)
            moved = replace(self, offset=offset, indices_batching=along, vector=self.vector + 1)
        else:
            moved = replace(self, offset=(0, *offset))
        if not operand:
            return moved
        moved = replace(
            moved,
            collapsed=_shift(self.collapsed),
            operand_batching=_shift(self.operand_batching),
            index_map=_shift(self.index_map),
        )
        if not indices:
            return moved
        return replace(
            moved,
            operand_batching=(0, *moved.operand_batching),
            indices_batching=(0, *moved.indices_batching),
        )

    def sizes(self, operand: Sequence[int], updates: Sequence[int]) -> Dims:
        """The window size along each dimension of the operand, from the shapes of operand and updates."""
        inside = iter(self.offset)
        whole = (*self.collapsed, *self.operand_batching)
        return tuple(min(1, n) if d in whole else updates[next(inside)] for d, n in enumerate(operand))

    def around(self, rank: int) -> Dims:
        """The dimensions of a result of some rank that count windows."""
        return tuple(d for d in range(rank) if d not in self.offset)

    def single(self, indices: Sequence[int]) -> bool:
        """Whether no two windows can meet because there is at most one (along batching dimensions, each)."""
        skipped = (*self.indices_batching, self.vector)
        return math.prod(n for d, n in enumerate(indices) if d not in skipped) <= 1

    # -- where windows lie --

    def limits(self, operand: Sequence[int], sizes: Sequence[int]) -> Dims:
        """The greatest index along each component at which a window lies inside the operand."""
        return tuple(operand[d] - sizes[d] for d in self.index_map)

    def inside(self, source: Value, limits: Dims) -> bool:
        """Whether all windows are known to lie inside the operand.

        Args:
            source: the indices as the program computes them, operations that make them included.
            limits: see `limits`.
        """
        found = bounds.components(source, self.vector, len(limits))
        return all(low >= 0 and high <= limit for (low, high), limit in zip(found, limits, strict=True))

    def clamped(self, indices: Value, limits: Dims) -> Value:
        """The indices, moved so that all windows lie inside, which is what a gather does with them."""
        dtype = dtype_of(indices.type)
        most = np.minimum(np.array(limits, np.int64), np.iinfo(dtype).max).astype(dtype)
        if not most.size:
            return indices
        high = ops.constant(most[0] if (most == most[0]).all() else most)
        if len(shape_of(high)):
            high = ops.broadcast_in_dim(high, shape_of(indices), [self.vector])
        return ops.clamp(ops.constant(np.zeros((), dtype)), indices, high)

    def widened(self, indices: Value, limits: Dims) -> Value:
        """The indices in a type that holds the limits: XLA's scatter converts its bounds to it unchecked."""
        if max(limits, default=0) <= np.iinfo(dtype_of(indices.type)).max:
            return indices
        return ops.convert(indices, element_type("int32" if max(limits) < 2**31 else "int64"))

    def mask(self, indices: Value, limits: Dims, result: Sequence[int]) -> Value:
        """For each element of a result, whether its window lies inside the operand."""
        equal = ops.compare("EQ", self.clamped(indices, limits), indices)
        shape = shape_of(indices)
        if self.vector < len(shape):
            rest = [n for d, n in enumerate(shape) if d != self.vector]
            if shape[self.vector] == 1:
                equal = ops.reshape(equal, rest)
            else:
                true = ops.constant(np.array(True))
                equal = ops.reduce(equal, true, [self.vector], ops.and_)
        return ops.broadcast_in_dim(equal, result, self.around(len(result)))


def _shift(dims: Dims) -> Dims:
    return tuple(d + 1 for d in dims)
