"""The record of an operation that a pass has met, or the error that says what to do without one."""

from __future__ import annotations

from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.record import Record
from mycc.dialects.rules import RECORDS
from mycc.dialects.rules.outside import OUTSIDE
from mycc.dialects.transform import target_of

__all__ = ["record_of"]

_CUSTOM_CALL = "stablehlo.custom_call"


def record_of(op: ir.Operation, what: str) -> Record:
    """The record of an operation, or an error that says what is missing and where to add it.

    Args:
        op: the operation.
        what: what it is asked for, as a verb: ``differentiate`` or ``batch``.
    """
    name = target_of(op)
    record = RECORDS.get(f"@{op.attributes['call_target_name'].value}") if name == _CUSTOM_CALL else None
    record = record or RECORDS.get(name)
    if record is None:
        why = OUTSIDE.get(name, "it has no record; add one to the file of its kind in dialects/rules/")
        raise UnsupportedOperationError(f"{describe(op.location)}: cannot {what} '{name}': {why}")
    return record
