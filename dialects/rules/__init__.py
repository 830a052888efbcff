"""The records of all operations, gathered from one visible list per kind."""

from __future__ import annotations

from mycc.dialects.record import Record
from mycc.dialects.rules import (
    broadcasts,
    choice,
    contraction,
    control,
    convolution,
    elementwise,
    functions,
    indexing,
    normalization,
    parts,
    pooling,
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
        convolution,
        reduction,
        pooling,
        normalization,
        indexing,
        scattering,
        sorting,
        control,
        functions,
    )
    for record in kind.RECORDS
}
