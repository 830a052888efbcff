"""Reductions and scatters of any body, as programs of other operations, for their derivatives.

The specification leaves open in which order a reduction combines elements, so that a tree of halves is one of
its meanings. A body that combines what it accumulated with a function of the new element alone (a sum of
squares, a dot product) is first made into that function and a plain reduction, for it is not associative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Regions
from mycc.dialects.rules import regions as bodies
from mycc.dialects.rules.rewrites import pointwise_call
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import element_type, shape_of, tensor

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]
Combine = Callable[[Sequence[Value], Sequence[Value]], list[Value]]

__all__ = ["Body", "combinations", "converted", "expand_reduce", "expand_scatter", "in_pairs", "is_unique"]


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a reduction or scatter, as a function of (accumulated, new, captured) values.

    Args:
        op: the operation.
        symbol: the function.
        captured: the values that it uses from around it.
        regions: what functions are asked of.
    """

    op: ir.Operation
    symbol: str
    captured: Sequence[Value]
    regions: Regions

    def __call__(self, old: Sequence[Value], new: Sequence[Value]) -> list[Value]:
        """The body for each element of tensors of one shape; scalars beside tensors are the same for all."""
        return pointwise_call(self.symbol, [*old, *new], self.captured, self.regions)

    @property
    def elements(self) -> list[ir.Type]:
        """The element types that it computes in."""
        arguments = self.op.regions[0].blocks[0].arguments
        return [argument.type.element_type for argument in list(arguments)[: len(arguments) // 2]]

    def of_new(self, kinds: Sequence[str | None], new: Sequence[Value]) -> list[Value]:
        """What is combined with what was accumulated: the body, from values that change nothing."""
        old = [
            ops.full_like(x, 0 if kind in (None, "set", "sub") else bodies.identity(kind, ops.element_of(x)))
            for kind, x in zip(kinds, new, strict=True)
        ]
        found = self(old, new)
        return [x if kind in ("set", "sub") else y for kind, x, y in zip(kinds, new, found, strict=True)]


def combinations(op: ir.Operation) -> list[str | None]:
    """How each result combines what was accumulated with a function of the new elements; None if it does not."""
    known = bodies.kinds(op)
    arguments = list(op.regions[0].blocks[0].arguments)
    count = len(arguments) // 2
    after: set[Value] = set(arguments[:count])
    for inner in op.regions[0].blocks[0].operations:
        if not after.isdisjoint(inner.operands) or len(inner.operation.regions):
            after.update(inner.results)
    found: list[str | None] = []
    for i, value in enumerate(bodies.returned(op)):
        owner = value.owner
        kind = known[i]
        if kind is None and not isinstance(owner, ir.Block):
            operands = list(owner.operands)
            others = [operand for operand in operands if operand != arguments[i]]
            if len(operands) == 2 and len(others) == 1 and others[0] not in after:
                kind = bodies.KINDS.get(owner.name)
        found.append(kind)
    return found


def converted(values: Sequence[Value], elements: Sequence[ir.Type]) -> list[Value]:
    """Values in the element types that a body computes in."""
    return [ops.convert(value, element) for value, element in zip(values, elements, strict=True)]


# ---- reduce --------------------------------------------------------------------------------------


def expand_reduce(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    """A reduction as a plain one of mapped elements, or as a tree of halves."""
    count = len(op.results)
    body = Body(op, regions.outline(op, 0), operands[2 * count :], regions)
    values = converted(operands[:count], body.elements)
    initials = operands[count : 2 * count]
    dims = ops.ints_of(op.attributes["dimensions"])
    shape = shape_of(values[0])
    kept = [n for d, n in enumerate(shape) if d not in dims]
    length = math.prod(shape[d] for d in dims)
    starts = [ops.broadcast_in_dim(initial, kept, ()) for initial in initials]
    if length == 0:
        return starts
    kinds = combinations(op)
    if all(kind in bodies.COMBINE for kind in kinds):
        mapped = body.of_new(kinds, values)
        return [
            ops.reduce(x, initial, dims, bodies.COMBINE[kind])
            for x, initial, kind in zip(mapped, initials, kinds, strict=True)
            if kind is not None
        ]
    order = [*dims, *(d for d in range(len(shape)) if d not in dims)]
    rows = [ops.reshape(ops.transpose(x, order), (length, *kept)) for x in values]
    return body(starts, [ops.reshape(x, kept) for x in in_pairs(rows, body)])


def in_pairs(rows: Sequence[Value], combine: Combine) -> list[Value]:
    """The rows of tensors combined until one of each is left, in an order that keeps neighbours together.

    Args:
        rows: tensors of the same number of rows, along their first dimensions.
        combine: from the rows that come first and as many that follow them to what stands for both.
    """
    values, length = list(rows), shape_of(rows[0])[0]
    while length > 1:
        half = length // 2
        joined = combine(*([_every_second(x, start, half) for x in values] for start in range(2)))
        if length % 2:
            joined = [
                ops.concatenate([y, _rows(x, 2 * half, length)], 0)
                for x, y in zip(values, joined, strict=True)
            ]
        values, length = joined, half + length % 2
    return values


def _rows(x: Value, start: int, stop: int) -> Value:
    shape = shape_of(x)
    return ops.slice_(x, [start, *[0] * (len(shape) - 1)], [stop, *shape[1:]])


def _every_second(x: Value, start: int, count: int) -> Value:
    shape = shape_of(x)
    rest = [0] * (len(shape) - 1)
    return ops.slice_(x, [start, *rest], [start + 2 * count - 1, *shape[1:]], [2, *(1 for _ in rest)])


# ---- scatter -------------------------------------------------------------------------------------


def is_unique(op: ir.Operation) -> bool:
    """Whether no element is updated twice."""
    attribute = op.attributes.get("unique_indices")
    if attribute is not None and attribute.value:
        return True
    return Windows.of_scatter(op).single(op.operands[len(op.results)].type.shape)


def expand_scatter(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    """A scatter as a plain one of mapped updates, or as updates combined by place before they are put there."""
    count = len(op.results)
    inputs, indices, updates = operands[:count], operands[count], operands[count + 1 : 2 * count + 1]
    body = Body(op, regions.outline(op, 0), operands[2 * count + 1 :], regions)
    kinds = combinations(op)
    plain = all(kind in bodies.SCATTERED for kind in kinds) and (is_unique(op) or "mul" not in kinds)
    if plain:
        mapped = body.of_new(kinds, updates)
        return [
            _scattered(op, x, indices, update, kind)
            for x, update, kind in zip(inputs, mapped, kinds, strict=True)
        ]
    return _by_place(op, body, inputs, indices, updates)


def _scattered(op: ir.Operation, x: Value, indices: Value, updates: Value, kind: str | None) -> Value:
    assert kind is not None
    in_order = op.attributes.get("indices_are_sorted")
    return ops.scatter(
        x,
        indices,
        updates,
        op.attributes["scatter_dimension_numbers"],
        bodies.SCATTERED[kind],
        in_order is not None and bool(in_order.value),
        is_unique(op),
    )


def _by_place(
    op: ir.Operation, body: Body, inputs: Sequence[Value], indices: Value, updates: Sequence[Value]
) -> list[Value]:
    """Updates sorted by their place, those of each place combined in order, and the result put there once."""
    shape, size = shape_of(inputs[0]), math.prod(shape_of(inputs[0]))
    length = math.prod(shape_of(updates[0]))
    if 0 in (size, length):
        return list(inputs)
    places = ops.reshape(_places(op, inputs[0], indices, shape_of(updates[0])), (length,))
    flat = [ops.reshape(update, (length,)) for update in updates]
    places, *flat = ops.sort([places, *flat], 0, lambda a, b, *_: ops.compare("LT", a, b))
    distance = 1
    while distance < length:
        same = ops.compare("EQ", places, _later(places, distance, -1))
        earlier = [ops.select(same, _later(x, distance, 0), x) for x in flat]
        flat = [ops.select(same, y, x) for x, y in zip(flat, body(earlier, flat), strict=True)]
        distance *= 2
    following = ops.concatenate(
        [_rows(places, 1, length), ops.full(tensor((1,), ops.element_of(places)), -1)], 0
    )
    last = ops.compare("NE", places, following)
    # Everything but the last update of a place goes where nothing is.
    target = ops.select(last, places, ops.full_like(places, size))
    windows = Windows((), (0,), (), (), (0,), 1)
    lines = [ops.reshape(x, (size,)) for x in inputs]
    before = [ops.gather(x, places, windows.gather(), (1,)) for x in lines]
    results = [
        ops.scatter(x, target, new, windows.scatter(), lambda old, new: new, False, True)
        for x, new in zip(lines, body(before, flat), strict=True)
    ]
    return [ops.reshape(x, shape) for x in results]


def _later(x: Value, distance: int, number: int) -> Value:
    """``x`` moved towards greater positions, with a number in what becomes free."""
    length = shape_of(x)[0]
    free = ops.full(tensor((min(distance, length),), ops.element_of(x)), number)
    return ops.concatenate([free, _rows(x, 0, length - min(distance, length))], 0)


def _places(op: ir.Operation, x: Value, indices: Value, updates: Dims) -> Value:
    """For each update, the position in row-major order of the element that it is for; past the end if none."""
    windows = Windows.of_scatter(op)
    shape = shape_of(x)
    size = math.prod(shape)
    element = element_type(np.int32 if size < 2**31 - 1 else np.int64)
    numbers = ops.reshape(ops.iota(tensor((size,), element), 0), shape)
    sizes = windows.sizes(shape, updates)
    found = ops.gather(numbers, indices, windows.gather(), sizes)
    limits = windows.limits(shape, sizes)
    if windows.inside(op.operands[len(op.results)], limits):
        return found
    return ops.select(windows.mask(indices, limits, updates), found, ops.full_like(found, size))
