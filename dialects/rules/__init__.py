"""The records of all operations, gathered from one visible list per kind."""

from __future__ import annotations

from mycc.dialects.record import Record
from mycc.dialects.rules import (
    broadcasts,
    callbacks,
    choice,
    collectives,
    composed,
    composites,
    contraction,
    control,
    convolution,
    dynamic,
    elementwise,
    fourier,
    functions,
    indexing,
    lapack,
    loops,
    manual,
    named,
    normalization,
    parts,
    placement,
    pooling,
    ragged,
    randomness,
    reduction,
    rewrites,
    scattering,
    shape,
    solve,
    sorting,
    special,
    targets,
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
        convolution,
        reduction,
        pooling,
        normalization,
        indexing,
        scattering,
        sorting,
        control,
        loops,
        functions,
        callbacks,
        rewrites,
        dynamic,
        ragged,
        collectives,
        placement,
        manual,
        named,
        randomness,
        targets,
        fourier,
        triangular,
        lapack,
        composed,
        composites,
        solve,
    )
    for record in kind.RECORDS
}
