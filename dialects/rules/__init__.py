"""The records of all operations, gathered from one visible list per kind."""

from __future__ import annotations

from mycc.dialects.record import Record
from mycc.dialects.rules import (
    broadcasts,
    choice,
    composites,
    contraction,
    control,
    elementwise,
    functions,
    indexing,
    parts,
    reduction,
    scattering,
    shape,
    solve,
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
        functions,
        composites,
        solve,
    )
    for record in kind.RECORDS
}
