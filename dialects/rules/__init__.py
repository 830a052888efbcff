"""The records of all operations, gathered from one visible list per kind."""

from __future__ import annotations

from mycc.dialects.record import Record
from mycc.dialects.rules import (
    broadcasts,
    callbacks,
    choice,
    contraction,
    control,
    elementwise,
    functions,
    indexing,
    loops,
    parts,
    reduction,
    scattering,
    shape,
    sorting,
    special,
)

__all__ = ["RECORDS"]

RECORDS: dict[str, Record] = {
    record.name: record
    for kind in (
        elementwise,
        choice,
        parts,
        special,
        broadcasts,
        shape,
        contraction,
        reduction,
        indexing,
        scattering,
        sorting,
        control,
        loops,
        functions,
        callbacks,
    )
    for record in kind.RECORDS
}
