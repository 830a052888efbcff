"""Bodies of `reduce`, `scatter` and `sort`: what they compute, recognised from their operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of

__all__ = [
    "COMBINE",
    "KINDS",
    "SCATTERED",
    "clone_body",
    "identity",
    "is_identity",
    "kinds",
    "returned",
    "selections",
    "unsupported",
]

Value: TypeAlias = ir.Value

KINDS = {
    "stablehlo.add": "add",
    "stablehlo.multiply": "mul",
    "stablehlo.maximum": "max",
    "stablehlo.minimum": "min",
    "stablehlo.and": "and",
    "stablehlo.or": "or",
    "stablehlo.xor": "xor",
}
"""The kind of body that an operation makes."""

COMBINE = {
    "add": ops.add,
    "mul": ops.mul,
    "max": ops.max_,
    "min": ops.min_,
    "and": ops.and_,
    "or": ops.or_,
    "xor": ops.xor,
}
"""The operation of each kind, for scalars in a body and for whole tensors outside."""


def _new(old: Value, new: Value) -> Value:
    return new


SCATTERED = {
    "add": ops.add,
    "sub": ops.sub,
    "mul": ops.mul,
    "max": ops.max_,
    "min": ops.min_,
    "set": _new,
}
"""The kinds of body under which a scatter is differentiated, with what they do."""


def returned(op: ir.Operation) -> list[Value]:
    """What an operation's first region returns."""
    operations = op.regions[0].blocks[0].operations
    return list(operations[len(operations) - 1].operands)


def kinds(op: ir.Operation) -> list[str | None]:
    """For each value that a body of (n accumulated, n new) scalars returns, what makes it from its own two.

    ``add mul max min and or xor`` with the two in either order, ``sub`` (accumulated less new), ``set`` (the
    new one), or None for anything else.
    """
    arguments = list(op.regions[0].blocks[0].arguments)
    count = len(arguments) // 2
    return [_kind(value, arguments[i], arguments[count + i]) for i, value in enumerate(returned(op))]


def _kind(value: Value, old: Value, new: Value) -> str | None:
    if value == new:
        return "set"
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    operands = list(owner.operands)
    if owner.name == "stablehlo.subtract" and operands == [old, new]:
        return "sub"
    if operands in ([old, new], [new, old]):
        return KINDS.get(owner.name)
    return None


def selections(op: ir.Operation) -> list[bool]:
    """For each returned value, whether a `select` takes it from its own accumulated and new scalars."""
    arguments = list(op.regions[0].blocks[0].arguments)
    count = len(arguments) // 2
    found = []
    for i, value in enumerate(returned(op)):
        owner = value.owner
        selects = not isinstance(owner, ir.Block) and owner.name == "stablehlo.select"
        found.append(selects and set(list(owner.operands)[1:]) == {arguments[i], arguments[count + i]})
    return found


def clone_body(
    op: ir.Operation, mapping: Mapping[Value, Value], also: Sequence[Value] = ()
) -> tuple[list[Value], list[Value]]:
    """Copy a body's operations, all but the last, to the ambient insertion point.

    Args:
        op: the operation whose first region is copied; constants that it captures are copied too.
        mapping: what stands for each of the body's arguments.
        also: further values of the body that are asked for.

    Returns:
        The copies of what the body returns, and those of ``also``.

    Raises:
        UnsupportedOperationError: the body captures something else, with which XLA could not run it.
    """
    values = dict(mapping)

    def copy_of(value: Value) -> Value:
        if value not in values:
            owner = value.owner
            if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant":
                raise unsupported(
                    op, "differentiate", "its body uses a value of the function around it; only constants may"
                )
            values[value] = ops.rebuild(owner.operation, []).result
        return values[value]

    operations = [inner.operation for inner in op.regions[0].blocks[0].operations]
    for inner in operations[:-1]:
        copy = ops.rebuild(inner, [copy_of(v) for v in inner.operands])
        values.update(zip(inner.results, copy.results, strict=True))
    return [copy_of(v) for v in operations[-1].operands], [copy_of(v) for v in also]


def identity(kind: str, element: ir.Type) -> Any:
    """The number that leaves every other one as it is under a kind of body."""
    dtype = dtype_of(element)
    if kind in ("add", "or", "xor"):
        return 0
    if kind == "mul":
        return 1
    if dtype == np.bool_:
        return kind in ("min", "and")
    if dtype.kind in "iu":
        if kind == "and":
            return np.array(-1).astype(dtype)
        limits = np.iinfo(dtype)
        return limits.min if kind == "max" else limits.max
    return -np.inf if kind == "max" else np.inf


def is_identity(value: Value, kind: str) -> bool:
    """Whether a scalar operand is a constant that a kind of body ignores."""
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant":
        return False
    if isinstance(value.type.element_type, ir.ComplexType):
        # The bindings cannot read a complex constant's attribute; a factor of one too many does no harm.
        return False
    return bool(owner.attributes["value"] == ops.splat(value.type, identity(kind, value.type.element_type)))


def unsupported(op: ir.Operation, what: str, way_out: str) -> UnsupportedOperationError:
    """The error that says where an operation is used in a way that has no rule, and what to do instead."""
    return UnsupportedOperationError(f"{describe(op.location)}: cannot {what} '{op.name}': {way_out}")
