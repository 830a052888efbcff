"""The records of all operations, gathered from one visible list per kind."""

from __future__ import annotations

from mycc.dialects.record import Record
from mycc.dialects.rules import (
    broadcasts,
    choice,
    composed,
    contraction,
    control,
    elementwise,
    fourier,
    functions,
    indexing,
    lapack,
    parts,
    reduction,
    scattering,
    shape,
    sorting,
    special,
    triangular,
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
        fourier,
        triangular,
        lapack,
        composed,
    )
    for record in kind.RECORDS
}
