"""Loops that run backward over the trips of another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.flags import picked, spread_out
from mycc.dialects.types import element_type, tensor

Value: TypeAlias = ir.Value

__all__ = ["bisected", "counted_down", "put_row", "row_of"]

_I32, _I64 = tensor((), element_type("int32")), tensor((), element_type("int64"))


def _row_starts(stack: Value, index: Value) -> list[Value]:
    return [index, *[ops.full_like(index, 0)] * (len(stack.type.shape) - 1)]


def row_of(stack: Value, index: Value) -> Value:
    """The part of a stack at an index along its leading dimension."""
    shape = stack.type.shape
    return ops.reshape(ops.dynamic_slice(stack, _row_starts(stack, index), [1, *shape[1:]]), shape[1:])


def put_row(stack: Value, row: Value, index: Value) -> Value:
    """A stack with one part along its leading dimension replaced."""
    part = ops.reshape(row, [1, *row.type.shape])
    return ops.dynamic_update_slice(stack, part, _row_starts(stack, index))


def counted_down(
    trips: int,
    stacks: Sequence[Value],
    start: Sequence[Value],
    pull: Callable[[Value, Sequence[Value], Sequence[Value]], list[Value]],
) -> list[Value]:
    """Run backward over a known number of trips.

    Args:
        trips: how many.
        stacks: a row for each trip.
        start: the values that flow backward, as they are after the last trip.
        pull: from a trip's number, its rows and these values to what they are before the trip.
    """

    def step(*values: Value) -> list[Value]:
        trip = ops.sub(values[0], ops.full(_I32, 1))
        return [trip, *pull(trip, [row_of(stack, trip) for stack in stacks], values[1:])]

    return ops.while_(
        [ops.full(_I32, trips), *start], lambda t, *_: ops.compare("GT", t, ops.full(_I32, 0)), step
    )[1:]


def bisected(
    trips: Value,
    slots: int,
    carry: Sequence[Value],
    fixed: Sequence[bool],
    start: Sequence[Value],
    *,
    advance: Callable[[Sequence[Value]], list[Value]],
    pull: Callable[[Sequence[Value], Sequence[Value]], list[Value]],
) -> list[Value]:
    """Run backward over a number of trips known at run time, with checkpoints of the carry.

    Checkpoints are a stack: the number of the trip that each is before, and the carry. For each trip, from the last,
    the topmost checkpoint is advanced to it; on the way each half of the distance leaves one more, while there are
    slots.

    Args:
        trips: how many, int64.
        slots: how many checkpoints are kept at most, at least 1.
        carry: the carry before the first trip.
        fixed: which parts of it no trip changes.
        start: the values that flow backward, as they are after the last trip.
        advance: from the carry before a trip to the one after it.
        pull: from the carry before a trip and the values after it to the values before it.
    """
    moving = [not flag for flag in fixed]
    count = sum(moving)
    one, limit = ops.full(_I64, 1), ops.full(_I64, slots)

    def whole(parts: Sequence[Value]) -> list[Value]:
        found = spread_out(parts, moving)
        return [old if new is None else new for old, new in zip(carry, found, strict=True)]

    def advance_parts(parts: Sequence[Value]) -> list[Value]:
        return picked(advance(whole(parts)), moving)

    def top(used: Value, marks: Value, stacks: Sequence[Value]) -> tuple[Value, list[Value]]:
        last = ops.sub(used, one)
        return row_of(marks, last), [row_of(stack, last) for stack in stacks]

    def back(*values: Value) -> list[Value]:
        after, used, marks, *rest = values
        stacks, flowing = rest[:count], rest[count:]
        trip = ops.sub(after, one)
        mark, parts = top(used, marks, stacks)

        def leap(*state: Value) -> list[Value]:
            mark, used, marks, *rest = state
            stacks, parts = rest[:count], rest[count:]
            room = ops.compare("LT", used, limit)
            half = ops.add(mark, ops.div(ops.sub(after, mark), ops.full(_I64, 2)))
            goal = ops.select(room, half, trip)
            parts = ops.while_(
                [mark, *parts],
                lambda at, *_: ops.compare("LT", at, goal),
                lambda at, *p: [ops.add(at, one), *advance_parts(p)],
            )[1:]
            slot = ops.min_(used, ops.sub(limit, one))

            def kept(stack: Value, row: Value) -> Value:
                return put_row(stack, ops.select(room, row, row_of(stack, slot)), slot)

            return [
                goal,
                ops.add(used, ops.convert(room, element_type("int64"))),
                kept(marks, goal),
                *(kept(stack, part) for stack, part in zip(stacks, parts, strict=True)),
                *parts,
            ]

        found = ops.while_(
            [mark, used, marks, *stacks, *parts], lambda at, *_: ops.compare("LT", at, trip), leap
        )
        _, used, marks, *rest = found
        stacks, parts = rest[:count], rest[count:]
        # A checkpoint is of no more use when the trip that it is before has been pulled back.
        done = ops.compare("EQ", row_of(marks, ops.sub(used, one)), trip)
        used = ops.sub(used, ops.convert(done, element_type("int64")))
        return [trip, used, marks, *stacks, *pull(whole(parts), flowing)]

    zero = ops.full(_I64, 0)
    stacks = [
        put_row(ops.full(tensor((slots, *v.type.shape), v.type.element_type), 0), v, zero)
        for v in picked(carry, moving)
    ]
    marks = ops.full(tensor((slots,), element_type("int64")), 0)
    return ops.while_(
        [trips, one, marks, *stacks, *start], lambda after, *_: ops.compare("GT", after, zero), back
    )[3 + count :]
