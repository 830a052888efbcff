"""Records: where values are to be, which is nothing to what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops, shardy
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Record, Site, linear

Value: TypeAlias = ir.Value


def _transpose(site: Site, ct: Value) -> list[Value | None]:
    """A cotangent is spread like its primal: it is as large, and will often meet it."""
    return [shardy.constraint(ct, site.op.attributes["sharding"])]


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    sharding = shardy.with_leading_dimension(site.op.attributes["sharding"])
    x = site.full(0)
    return [ops.rebuild(site.op, [x], [x.type], {"sharding": sharding}).result], [True]


RECORDS: tuple[Record, ...] = (linear(shardy.CONSTRAINT, _transpose, _batch, dtypes="fciub"),)
