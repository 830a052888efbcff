"""Records: operations that pick one of their operands, and those that only tell which.

At ties the conventions are JAX 0.10.2's: `maximum` and `minimum` give each operand half, `clamp` gives none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.masks import Mask
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Partial, Record, Site, inactive, linear, pointwise
from mycc.dialects.rules.elementwise import is_complex, scale
from mycc.dialects.types import shape_of

Value: TypeAlias = ir.Value

_REAL = (-3.0, 3.0)


def _zeros(x: Value) -> Value:
    return ops.full_like(x, 0)


def _extremum(operand: int, direction: str) -> Partial:
    """The tangent where this operand is the chosen one, half of it where both are equal."""

    def partial(t: Value, s: Site) -> Value:
        this, other = (s.x, s.y) if operand == 0 else (s.y, s.x)
        tie = ops.select(ops.compare("EQ", this, other), scale(t, 0.5), _zeros(t))
        if is_complex(t):
            # Complex numbers have no order to compare by, but the result says which was chosen.
            chosen = ops.and_(ops.compare("EQ", this, s.out), ops.compare("NE", this, other))
        else:
            chosen = ops.compare(direction, this, other)
        return ops.select(chosen, t, tie)

    return partial


# ---- Clamp ---------------------------------------------------------------------------------------


def _like(value: Value, like: Value) -> Value:
    """A bound, spread over the operand's shape if it is a scalar."""
    return value if len(value.type.shape) else ops.broadcast_in_dim(value, shape_of(like), ())


def _below(x: Value, y: Value) -> Value:
    return ops.compare("LT", x, y)


def _clamp_chosen(operand: int, s: Site) -> Value:
    """Where a clamp's result is its operand 0, 1 or 2."""
    x = s.y
    if operand == 2:
        # Where the bounds cross, the upper one wins.
        return _below(_like(s.z, x), ops.max_(_like(s.x, x), x))
    low, high = _like(s.x, x), _like(s.z, x)
    if operand == 0:
        return ops.and_(_below(x, low), _below(low, high))
    return ops.and_(_below(low, x), _below(x, high))


def _clamp_partial(operand: int) -> Partial:
    def partial(t: Value, s: Site) -> Value:
        t = _like(t, s.op.results[0])
        return ops.select(_clamp_chosen(operand, s), t, _zeros(t))

    return partial


def _clamp_transpose(operand: int) -> Partial:
    def transpose(t: Value, s: Site) -> Value:
        kept = ops.select(_clamp_chosen(operand, s), t, _zeros(t))
        scalar = not len(s.op.operands[operand].type.shape)
        return ops.sum_(kept, range(len(t.type.shape))) if scalar else kept

    return transpose


def _spread_scalars(site: Batched, positions: Sequence[int]) -> list[Value]:
    """Operands for a batched copy: the named ones stay scalars if they are, and have no batch dimension."""
    values = []
    for i, value in enumerate(site.operands):
        scalar = i in positions and not len(site.op.operands[i].type.shape)
        if not scalar:
            values.append(site.full(i))
        elif site.flags[i]:
            shape = (site.size, *site.op.results[0].type.shape)
            values.append(ops.broadcast_in_dim(value, shape, (0,)))
        else:
            values.append(value)
    return values


def _batch_with_scalars(positions: Sequence[int]) -> Any:
    def batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
        values = _spread_scalars(site, positions)
        return list(ops.rebuild(site.op, values, site.result_types()).results), [True]

    return batch


# ---- Select --------------------------------------------------------------------------------------


def _select_transpose(site: Site, ct: Value) -> list[Value | None]:
    predicate = site.x
    on_true = Mask(predicate, True).on(ct) if site.active[1] else None
    on_false = Mask(predicate, False).on(ct) if site.active[2] else None
    return [None, on_true, on_false]


RECORDS: tuple[Record, ...] = (
    pointwise(
        "stablehlo.maximum",
        _extremum(0, "GT"),
        _extremum(1, "GT"),
        oracle=np.maximum,
        domain=(_REAL, _REAL),
        dtypes="fiub",
    ),
    pointwise(
        "stablehlo.minimum",
        _extremum(0, "LT"),
        _extremum(1, "LT"),
        oracle=np.minimum,
        domain=(_REAL, _REAL),
        dtypes="fiub",
    ),
    pointwise(
        "stablehlo.clamp",
        *(_clamp_partial(i) for i in range(3)),
        transposes=tuple(_clamp_transpose(i) for i in range(3)),
        batch=_batch_with_scalars((0, 2)),
        oracle=lambda low, x, high: np.minimum(np.maximum(x, low), high),
        domain=((-2.0, -1.0), _REAL, (1.0, 2.0)),
        dtypes="fiu",
    ),
    linear(
        "stablehlo.select",
        _select_transpose,
        _batch_with_scalars((0,)),
        operands=lambda op: (1, 2),
        oracle=np.where,
        dtypes="fciub",
    ),
    inactive("stablehlo.compare", dtypes="fciub"),
    inactive("stablehlo.is_finite", oracle=np.isfinite, domain=(_REAL,), dtypes="f"),
    inactive("chlo.is_inf", oracle=np.isinf, domain=(_REAL,), dtypes="f"),
    inactive("chlo.is_pos_inf", oracle=np.isposinf, domain=(_REAL,), dtypes="f"),
    inactive("chlo.is_neg_inf", oracle=np.isneginf, domain=(_REAL,), dtypes="f"),
)
