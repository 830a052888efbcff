"""Records: CHLO's operations that broadcast their operands as NumPy does.

Each is a pointwise operation behind implicit broadcasts, so its record follows from that operation's:
tangents and primals are spread before its rules see them, and cotangents are summed back after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Flags, Functions, Record, Site, Tangents
from mycc.dialects.rules import choice, elementwise, parts, special
from mycc.dialects.types import shape_of

Value: TypeAlias = ir.Value

_ATTRIBUTE = "broadcast_dimensions"


def _dimensions(op: ir.Operation, index: int) -> list[int]:
    """The result's dimensions that an operand's are; without an attribute, the last ones."""
    rank, out = len(op.operands[index].type.shape), len(op.results[0].type.shape)
    if rank < out and _ATTRIBUTE in op.attributes:
        return list(ir.DenseI64ArrayAttr(op.attributes[_ATTRIBUTE]))
    return list(range(out - rank, out))


def _spread(op: ir.Operation, index: int, value: Value) -> Value:
    return ops.broadcast_in_dim(value, op.results[0].type.shape, _dimensions(op, index))


def _gather(op: ir.Operation, index: int, ct: Value) -> Value:
    """The transpose of spreading an operand."""
    shape, out = tuple(op.operands[index].type.shape), shape_of(ct)
    kept = {d for d, n in zip(_dimensions(op, index), shape, strict=True) if n == out[d]}
    return ops.reshape(ops.sum_(ct, [d for d in range(len(out)) if d not in kept]), shape)


class _SpreadSite:
    """A site whose operands all have the result's shape."""

    __slots__ = (
        "_site",
        "active",
        "functions",
        "inputs",
        "op",
        "operands",
        "reversing",
        "transposing",
        "wanted",
    )

    def __init__(self, site: Site) -> None:
        self._site = site
        self.op: ir.Operation = site.op
        self.operands: list[Value] = site.operands
        self.functions: Functions = site.functions
        self.active: Flags = site.active
        self.wanted: Flags = site.wanted
        self.reversing = site.reversing
        self.inputs = site.inputs
        self.transposing = site.transposing

    def operand(self, index: int) -> Value:
        return _spread(self.op, index, self._site.operand(index))

    def result(self, index: int) -> Value:
        return self._site.result(index)

    def saved(self, index: int) -> Value:
        return self._site.saved(index)

    @property
    def x(self) -> Value:
        return self.operand(0)

    @property
    def y(self) -> Value:
        return self.operand(1)

    @property
    def z(self) -> Value:
        return self.operand(2)

    @property
    def out(self) -> Value:
        return self.result(0)


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    values = []
    (type_,) = site.result_types()
    for i, (value, flag) in enumerate(zip(site.operands, site.flags, strict=True)):
        dimensions = [d + 1 for d in _dimensions(site.op, i)]
        values.append(ops.broadcast_in_dim(value, type_.shape, [0, *dimensions] if flag else dimensions))
    copy = ops.rebuild(site.op, values, [type_])
    if _ATTRIBUTE in copy.attributes:
        del copy.attributes[_ATTRIBUTE]
    return list(copy.results), [True]


def _broadcasting(base: Record) -> Record:
    def forward(site: Site, tangents: Tangents) -> Tangents:
        spread = [None if t is None else _spread(site.op, i, t) for i, t in enumerate(tangents)]
        return base.forward(_SpreadSite(site), spread)

    def reverse(site: Site, cotangents: Tangents) -> Tangents:
        outs = base.reverse(_SpreadSite(site), cotangents)
        return [None if ct is None else _gather(site.op, i, ct) for i, ct in enumerate(outs)]

    name = f"chlo.broadcast_{base.name.partition('.')[2]}"
    return replace(base, name=name, forward=forward, reverse=reverse, batch=_batch)


_NAMES = {
    "add",
    "and",
    "atan2",
    "compare",
    "complex",
    "divide",
    "maximum",
    "minimum",
    "multiply",
    "next_after",
    "or",
    "polygamma",
    "power",
    "remainder",
    "select",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "subtract",
    "xor",
    "zeta",
}

RECORDS: tuple[Record, ...] = tuple(
    _broadcasting(record)
    for kind in (elementwise, choice, parts, special)
    for record in kind.RECORDS
    if record.name.partition(".")[2] in _NAMES
)
