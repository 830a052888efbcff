"""Records of what XLA solves itself: `cholesky` and `triangular_solve`.

Both read one triangle of their matrix, so the derivative depends on that triangle alone. Sources: Murray,
"Differentiation of the Cholesky decomposition" (2016), eq. 8-10; Giles, "Collected matrix derivative results
for forward and reverse mode algorithmic differentiation" (2008), sections 2.2.3 and 2.3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import hlo, ir
from mycc.dialects.record import Batched, Flags, Record, Site, structured
from mycc.dialects.rules.linear_maps import Linear, adjoint, herm, rules, triangle
from mycc.dialects.types import shape_of

Value: TypeAlias = ir.Value

__all__ = ["RECORDS", "batch_solve", "cholesky_tangent", "solve_tangent"]


def _flag(op: ir.Operation, name: str) -> bool:
    attribute = op.attributes.get(name)
    return False if attribute is None else bool(ir.BoolAttr(attribute).value)


# ---- cholesky ------------------------------------------------------------------------------------


def cholesky_tangent(factor: Value, da: Linear, lower: bool) -> Linear:
    """``dL = L Φ(L⁻¹ dA L⁻ᴴ)``: Φ takes the lower triangle with half the diagonal (Murray, eq. 8).

    Args:
        factor: the factor, of which only its triangle is read.
        da: the tangent of the matrix, of which only the same triangle is read.
        lower: whether the factor is L of A = L Lᴴ, or U of A = Uᴴ U.
    """
    if not lower:
        return cholesky_tangent(herm(factor), da.adjoint(), True).adjoint()
    factor = triangle(factor, True)
    inner = da.hermitian(True)
    inner = inner.solve(factor, left=True, lower=True)
    inner = inner.solve(factor, left=False, lower=True, transpose=adjoint("ADJOINT", factor))
    return inner.triangle(True).halved_diagonal().left(factor).triangle(True)


def _cholesky(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    (da,) = tangents
    return [None if da is None else cholesky_tangent(site.out, da, _flag(site.op, "lower"))]


def _batch_cholesky(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    return [ops.rebuild(site.op, site.operands, site.result_types()).result], [True]


# ---- triangular_solve ----------------------------------------------------------------------------


def solve_tangent(
    a: Value,
    x: Value | None,
    da: Linear | None,
    db: Linear | None,
    *,
    left: bool,
    lower: bool,
    unit: bool,
    transpose: str,
) -> Linear | None:
    """``dx = op(a)⁻¹ (db - op(da) x)`` for ``op(a) x = b``, and its like for ``x op(a) = b`` (Giles, 2.2.3).

    Args:
        a: the triangular matrix.
        x: the solution; only needed with da.
    """
    if da is not None:
        assert x is not None
        moved = da.triangle(lower, strict=unit)
        if transpose != "NO_TRANSPOSE":
            moved = moved.adjoint() if transpose == "ADJOINT" else moved.transposed()
        moved = -(moved.right(x) if left else moved.left(x))
        db = moved if db is None else db + moved
    if db is None:
        return None
    return db.solve(a, left=left, lower=lower, unit=unit, transpose=adjoint(transpose, a))


def _solve(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    da, db = tangents
    op = site.op
    return [
        solve_tangent(
            site.x,
            None if da is None else site.out,
            da,
            db,
            left=_flag(op, "left_side"),
            lower=_flag(op, "lower"),
            unit=_flag(op, "unit_diagonal"),
            transpose=hlo.TransposeAttr(op.attributes["transpose_a"]).value,
        )
    ]


def _batch_solve(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    return [batch_solve(site, _flag(site.op, "left_side"))], [True]


def batch_solve(site: Batched, left: bool) -> Value:
    """A solve over a batch; right sides of one matrix are put side by side, and solved at once."""
    a, b = site.operands
    if site.flags[0]:
        return ops.rebuild(site.op, [a, site.full(1)], site.result_types()).result
    shape = shape_of(b)
    rank = len(shape)
    # (batch, ..., n, k) becomes (..., n, batch k), and (batch, ..., k, n) becomes (..., batch k, n).
    place = rank - 2 if left else rank - 3
    order = [*range(1, rank)]
    order.insert(place, 0)
    merged = [shape[d] for d in order]
    merged[place : place + 2] = [merged[place] * merged[place + 1]]
    side_by_side = ops.reshape(ops.transpose(b, order), merged)
    solved = ops.rebuild(site.op, [a, side_by_side], [side_by_side.type]).result
    back = ops.reshape(solved, [shape[d] for d in order])
    return ops.transpose(back, [order.index(d) for d in range(rank)])


RECORDS: tuple[Record, ...] = (
    structured("stablehlo.cholesky", *rules(_cholesky), _batch_cholesky),
    structured("stablehlo.triangular_solve", *rules(_solve), _batch_solve),
)
