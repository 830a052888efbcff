"""Batching one example after the other, for operations that have no form with a batch dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched
from mycc.dialects.rules.sweeps import put_row, row_of
from mycc.dialects.types import tensor

Value: TypeAlias = ir.Value

__all__ = ["batch_in_turn"]


def batch_in_turn(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    """Run an operation for each example of a batch in a loop."""
    i32 = tensor((), ops.I32)
    size = ops.full(i32, site.size)
    # What its regions use from around it, which comes last, is the same for all examples.
    own = len(site.op.operands)

    def step(position: Value, *outs: Value) -> list[Value]:
        operands = [
            row_of(value, position) if flag else value
            for value, flag in zip(site.operands[:own], site.flags[:own], strict=True)
        ]
        results = ops.rebuild(site.op, operands).results
        following = ops.add(position, ops.full(i32, 1))
        return [following, *(put_row(out, row, position) for out, row in zip(outs, results, strict=True))]

    start = [ops.full(i32, 0), *(ops.full(type_, 0) for type_ in site.result_types())]
    results = ops.while_(start, lambda position, *_: ops.compare("LT", position, size), step)[1:]
    return results, [True] * len(results)
