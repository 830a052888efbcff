"""Values by flags: the parts of a list that are there, and zeros for those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Tangents

__all__ = ["filled", "picked", "select_examples", "spread_out"]

T = TypeVar("T")


def picked(values: Sequence[T], flags: Sequence[bool]) -> list[T]:
    """The values at the flagged positions."""
    return [value for value, flag in zip(values, flags, strict=True) if flag]


def filled(values: Tangents, flags: Sequence[bool], types: Sequence[ir.Type]) -> list[ir.Value]:
    """The values at the flagged positions, zeros where there is none."""
    return [
        ops.full(type_, 0) if value is None else value
        for value, flag, type_ in zip(values, flags, types, strict=True)
        if flag
    ]


def spread_out(values: Sequence[ir.Value], flags: Sequence[bool]) -> Tangents:
    """The values back at the flagged positions, None elsewhere."""
    remaining = iter(values)
    return [next(remaining) if flag else None for flag in flags]


def select_examples(predicate: ir.Value, on_true: ir.Value, on_false: ir.Value) -> ir.Value:
    """For each example of a batch one of two values, by a predicate of the batch dimension alone."""
    return ops.select(ops.broadcast_in_dim(predicate, on_true.type.shape, [0]), on_true, on_false)
