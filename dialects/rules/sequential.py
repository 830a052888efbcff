"""Batching one example after the other, for operations that have no form with a batch dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value

__all__ = ["batch_in_turn", "put", "take"]


def take(x: Value, position: Value) -> Value:
    """``x[position]``, for a position that is a scalar known at run time."""
    shape = shape_of(x)
    nothing = ops.full_like(position, 0)
    row = ops.dynamic_slice(x, [position, *[nothing] * (len(shape) - 1)], (1, *shape[1:]))
    return ops.reshape(row, shape[1:])


def put(x: Value, position: Value, row: Value) -> Value:
    """``x`` with ``x[position]`` replaced."""
    nothing = ops.full_like(position, 0)
    starts = [position, *[nothing] * (len(shape_of(x)) - 1)]
    return ops.dynamic_update_slice(x, ops.reshape(row, (1, *shape_of(row))), starts)


def batch_in_turn(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    """Run an operation for each example of a batch in a loop."""
    i32 = tensor((), ops.I32)
    size = ops.full(i32, site.size)
    # What its regions use from around it, which comes last, is the same for all examples.
    own = len(site.op.operands)

    def step(position: Value, *outs: Value) -> list[Value]:
        operands = [
            take(value, position) if flag else value
            for value, flag in zip(site.operands[:own], site.flags[:own], strict=True)
        ]
        results = ops.rebuild(site.op, operands).results
        following = ops.add(position, ops.full(i32, 1))
        return [following, *(put(out, position, row) for out, row in zip(outs, results, strict=True))]

    start = [ops.full(i32, 0), *(ops.full(type_, 0) for type_ in site.result_types())]
    results = ops.while_(start, lambda position, *_: ops.compare("LT", position, size), step)[1:]
    return results, [True] * len(results)
