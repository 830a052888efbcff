"""The record of an operation that a pass has met, or the error that says what to do without one."""

from __future__ import annotations

from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.record import Record, batch_pointwise
from mycc.dialects.rules import RECORDS
from mycc.dialects.rules.outside import OUTSIDE
from mycc.dialects.transform import target_of
from mycc.dialects.types import is_tensor

__all__ = ["ELEMENTWISE", "find_record", "record_of", "require_static"]

_CUSTOM_CALL = "stablehlo.custom_call"

ELEMENTWISE = frozenset(
    name
    for name, record in RECORDS.items()
    if record.batch is batch_pointwise or name in ("stablehlo.select", "stablehlo.clamp")
)
"""Operations that make each element of their result from those that lie where it lies; some take scalars as well."""


def find_record(op: ir.Operation) -> Record | None:
    """The record of an operation, if there is one; custom calls have theirs by target."""
    name = target_of(op)
    if name != _CUSTOM_CALL:
        return RECORDS.get(name)
    return RECORDS.get(f"@{op.attributes['call_target_name'].value}") or RECORDS.get(name)


def record_of(op: ir.Operation, what: str) -> Record:
    """The record of an operation, or an error that says what is missing and where to add it.

    Args:
        op: the operation.
        what: what it is asked for, as a verb: ``differentiate`` or ``batch``.
    """
    record = find_record(op)
    if record is None:
        name = target_of(op)
        why = OUTSIDE.get(name, "it has no record; add one to the file of its kind in dialects/rules/")
        raise UnsupportedOperationError(f"{describe(op.location)}: cannot {what} '{name}': {why}")
    return record


def require_static(function: ir.Operation, what: str) -> None:
    """Refuse a function with an argument whose shape is known at run time only.

    Args:
        function: the ``func.func``.
        what: what it is about to be used for: ``differentiate`` or ``batch``.
    """
    for argument in function.regions[0].blocks[0].arguments:
        if is_tensor(argument.type) and not argument.type.has_static_shape:
            raise UnsupportedOperationError(
                f"{describe(function.location)}: cannot {what} @{function.attributes['sym_name'].value}: its argument of type "
                f"{argument.type} has a shape that is known at run time only; give @main static shapes "
                "(stablehlo-refine-arguments) and run stablehlo-refine-shapes first"
            )
