"""Records of CHLO's larger programs: products over groups of rows, and scans.

The meaning of ragged dot's three modes is in CHLO's definition: the ragged dimension of the left operand is a
free one, a contracted one or a batching one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import chlo, hlo, ir
from mycc.dialects.record import Record, Regions
from mycc.dialects.rules.functions import expanded
from mycc.dialects.rules.shape import integer
from mycc.dialects.rules.sweeps import put_row, row_of
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]


# ---- ragged_dot ----------------------------------------------------------------------------------


def _grouped(x: Value, dim: int, sizes: Value, prefix: Dims) -> Value:
    """``x`` for each group, zero outside of the group's part of a dimension; groups come first.

    Args:
        x: the operand.
        dim: its ragged dimension.
        sizes: the groups' sizes, of shape [groups], or with the sizes of the prefix dimensions before.
        prefix: the dimensions of x along which groups may differ in size.
    """
    *outer, groups = shape_of(sizes)
    square = tensor((*outer, groups, groups), ops.element_of(sizes))
    rank = len(outer)
    counted = ops.broadcast_in_dim(sizes, square.shape, [*range(rank), rank + 1])
    before = ops.compare("LE", ops.iota(square, rank + 1), ops.iota(square, rank))
    ends = ops.sum_(ops.select(before, counted, ops.full(square, 0)), [rank + 1])
    starts = ops.sub(ends, sizes)
    shape = (groups, *shape_of(x))
    where = [d + 1 for d in prefix] if outer else []
    type_ = tensor(shape, ops.element_of(sizes))
    row = ops.iota(type_, dim + 1)
    inside = ops.and_(
        ops.compare("GE", row, ops.broadcast_in_dim(starts, shape, [*where, 0])),
        ops.compare("LT", row, ops.broadcast_in_dim(ends, shape, [*where, 0])),
    )
    repeated = ops.broadcast_in_dim(x, shape, range(1, len(shape)))
    return ops.select(inside, repeated, ops.full_like(repeated, 0))


def _after(dims: Sequence[int]) -> list[int]:
    return [d + 1 for d in dims]


@dataclass(frozen=True, slots=True)
class _Side:
    """One operand of a ragged dot, and the dimensions that it shares with the other."""

    x: Value
    batching: Dims
    contracting: Dims

    def prefix(self, dim: int) -> Dims:
        """The dimensions along which the sizes of groups may differ: those that come before a ragged one."""
        if dim in self.contracting:
            return (*self.batching, *self.contracting[: self.contracting.index(dim)])
        free = [d for d in range(dim) if d not in (*self.batching, *self.contracting)]
        return (*self.batching, *free)


def _precision(op: ir.Operation) -> ir.Attribute | None:
    """CHLO's precision as StableHLO's, which has the same names."""
    if "precision_config" not in op.attributes:
        return None
    names = [str(each).rpartition(" ")[2].rstrip(">") for each in op.attributes["precision_config"]]
    return ir.ArrayAttr.get([hlo.PrecisionAttr.get(name) for name in names])


def _ragged_dot(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    x, y, sizes = operands
    dims = chlo.RaggedDotDimensionNumbers(op.attributes["ragged_dot_dimension_numbers"])
    left = _Side(x, tuple(dims.lhs_batching_dimensions), tuple(dims.lhs_contracting_dimensions))
    right = _Side(y, tuple(dims.rhs_batching_dimensions), tuple(dims.rhs_contracting_dimensions))
    (ragged,) = dims.lhs_ragged_dimensions
    element, precision = op.results[0].type.element_type, _precision(op)
    if ragged in left.batching:
        return [
            ops.dot_general(
                x,
                y,
                contracting=(left.contracting, right.contracting),
                batching=(left.batching, right.batching),
                element=element,
                precision=precision,
            )
        ]
    groups = _grouped(x, ragged, sizes, left.prefix(ragged))
    if ragged not in left.contracting:
        (group,) = dims.rhs_group_dimensions
        contracting = [*_after(left.contracting), 0], [*right.contracting, group]
        batching = _after(left.batching), right.batching
        return [
            ops.dot_general(
                groups, y, contracting=contracting, batching=batching, element=element, precision=precision
            )
        ]
    other = right.contracting[left.contracting.index(ragged)]
    # Both sides are cut to the group, for zeros on one of them do not hide an infinity on the other.
    return [
        ops.dot_general(
            groups,
            _grouped(y, other, sizes, right.prefix(other)),
            contracting=(_after(left.contracting), _after(right.contracting)),
            batching=([0, *_after(left.batching)], [0, *_after(right.batching)]),
            element=element,
            precision=precision,
        )
    ]


# ---- scan ----------------------------------------------------------------------------------------


def _front(x: Value, dim: int) -> Value:
    return ops.transpose(x, [dim, *(d for d in range(len(shape_of(x))) if d != dim)])


def _back(x: Value, dim: int) -> Value:
    order = list(range(1, len(shape_of(x))))
    order.insert(dim, 0)
    return ops.transpose(x, order)


def _scan(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    dim = integer(op, "dimension")
    inputs, carried = op.attributes["operandSegmentSizes"]
    outputs, _ = op.attributes["resultSegmentSizes"]
    xs = [_front(x, dim) for x in operands[:inputs]]
    carry = list(operands[inputs : inputs + carried])
    size = shape_of(xs[0])[0] if xs else integer(op, "scan_dim_size")
    backward = "is_reverse" in op.attributes and bool(op.attributes["is_reverse"].value)
    scalar = tensor((), ops.I32 if size < 2**31 else ir.IntegerType.get_signless(64))
    body = regions.outline(op, 0)
    types = regions.results(body)
    rows = [tensor((size, *type_.shape), type_.element_type) for type_ in types[:outputs]]

    def step(counter: Value, *values: Value) -> list[Value]:
        place = ops.sub(ops.full(scalar, size - 1), counter) if backward else counter
        found = ops.call(body, types, [*(row_of(x, place) for x in xs), *values[:carried]])
        written = [put_row(y, row, place) for y, row in zip(values[carried:], found[:outputs], strict=True)]
        return [ops.add(counter, ops.full(scalar, 1)), *found[outputs:], *written]

    def test(counter: Value, *_: Value) -> Value:
        return ops.compare("LT", counter, ops.full(scalar, size))

    start = [ops.full(scalar, 0), *carry, *(ops.full(type_, 0) for type_ in rows)]
    results = ops.while_(start, test, step)[1:]
    return [*(_back(y, dim) for y in results[carried:]), *results[:carried]]


RECORDS: tuple[Record, ...] = (
    expanded("chlo.ragged_dot", _ragged_dot),
    expanded("chlo.scan", _scan),
)
