"""Linear algebra that takes several calls, with derivatives as a whole: `mycc.solve`, `mycc.qr`, `mycc.pinv`.

Through the parts the derivative would cost more (solve), or not exist where the whole has one: QR of a triangular
matrix, whose reflectors are degenerate; the pseudoinverse of one with repeated singular values. The `resolve`
pass puts the parts in their place once the transforms are expanded; `EXPANSIONS` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mycc.dialects import lapack, ops
from mycc.dialects.mlir import context, ir
from mycc.dialects.record import Batched, Flags, Record, Site, structured
from mycc.dialects.rules.decompositions import permutation_matrix
from mycc.dialects.rules.linear_maps import (
    Linear,
    herm,
    matmul,
    matrix_transpose,
    rules,
    spread_rows,
    triangle,
    triangular_solve,
)
from mycc.dialects.rules.orthogonal import whole_qr
from mycc.dialects.rules.triangular import batch_solve
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value

__all__ = ["EXPANSIONS", "RECORDS", "pinv", "qr", "solve"]


def _create(
    name: str, types: Sequence[ir.Type], operands: Sequence[Value], extra: dict[str, ir.Attribute]
) -> list[Value]:
    attributes = {
        "call_target_name": ir.StringAttr.get(name, context=context),
        "has_side_effect": ops.boolean(False),
        **extra,
    }
    return list(ops.create("stablehlo.custom_call", list(types), list(operands), attributes).results)


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    operands = [site.full(i) for i in range(len(site.operands))]
    copy = ops.rebuild(site.op, operands, site.result_types())
    return list(copy.results), [True] * len(copy.results)


# ---- solve ---------------------------------------------------------------------------------------


def solve(a: Value, b: Value, transpose: bool = False) -> Value:
    """The solution x of ``a x = b``, or of ``aᵀ x = b``; (..., n, n) and (..., n, k)."""
    return _create("mycc.solve", [b.type], [a, b], {"mycc.transpose": ops.boolean(transpose)})[0]


def _solve(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """``dx = a⁻¹ (db - da x)`` (Giles 2008, 2.2.3): a's factors serve for both, once `cse` has seen them."""
    da, db = tangents
    turned = _turned(site.op)
    if da is not None:
        moved = -(da.transposed() if turned else da).right(site.out)
        db = moved if db is None else db + moved
    if db is None:
        return [None]
    a = site.x
    return [db.map(db.shape, lambda t: solve(a, t, turned), lambda ct: solve(a, ct, not turned))]


def _turned(op: ir.Operation) -> bool:
    return bool(ir.BoolAttr(op.attributes["mycc.transpose"]).value)


def _expand_solve(op: ir.Operation) -> list[Value]:
    a, b = op.operands
    factors, pivots, _ = lapack.lu(a)
    order = lapack.permutation(ops.sub(pivots, ops.full_like(pivots, 1)), shape_of(a)[-1])
    exchange = permutation_matrix(order, ops.element_of(a))
    if _turned(op):
        x = triangular_solve(factors, b, left=True, lower=False, transpose="TRANSPOSE")
        x = triangular_solve(factors, x, left=True, lower=True, unit=True, transpose="TRANSPOSE")
        return [matmul(matrix_transpose(exchange), x)]
    x = triangular_solve(factors, matmul(exchange, b), left=True, lower=True, unit=True)
    return [triangular_solve(factors, x, left=True, lower=False)]


def _batch_solve(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    if site.flags[0]:
        return _batch(site)
    return [batch_solve(site, True)], [True]


# ---- qr ------------------------------------------------------------------------------------------


def qr(a: Value) -> tuple[Value, Value]:
    """Q with min(m, n) orthonormal columns, and R, upper triangular."""
    *lead, m, n = shape_of(a)
    k = min(m, n)
    element = ops.element_of(a)
    types = [tensor((*lead, m, k), element), tensor((*lead, k, n), element)]
    q, r = _create("mycc.qr", types, [a], {})
    return q, r


def _qr(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    (da,) = tangents
    if da is None:
        return [None, None]
    return list(whole_qr(site.result(0), site.result(1), site.x, da))


def _expand_qr(op: ir.Operation) -> list[Value]:
    (a,) = op.operands
    packed, taus = lapack.qr_packed(a)
    shape, k = shape_of(a), op.results[0].type.shape[-1]
    rank = len(shape)
    left = ops.slice_(packed, [0] * rank, [*shape[:-1], k])
    top = ops.slice_(packed, [0] * rank, [*shape[:-2], k, shape[-1]])
    return [lapack.generate_q(left, taus), triangle(top, False)]


# ---- pinv ----------------------------------------------------------------------------------------


def pinv(a: Value, rtol: Value) -> Value:
    """The pseudoinverse; singular values up to ``rtol``, (...), times the largest count as 0."""
    *lead, m, n = shape_of(a)
    return _create("mycc.pinv", [tensor((*lead, n, m), ops.element_of(a))], [a, rtol], {})[0]


def _pinv(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """``dP = -P dA P + P Pᴴ dAᴴ (I - A P) + (I - P A) dAᴴ Pᴴ P`` while the rank stays.

    Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate" (1973), eq. 4.12.
    """
    da = tangents[0]
    if da is None:
        return [None]
    a, p = site.x, site.out
    ph, adjoint = herm(p), da.adjoint()
    total = -da.left(p).right(p)
    ahead = adjoint.left(matmul(p, ph))
    total = total + ahead - ahead.right(a).right(p)
    behind = adjoint.right(matmul(ph, p))
    return [total + behind - behind.left(a).left(p)]


def _expand_pinv(op: ir.Operation) -> list[Value]:
    a, rtol = op.operands
    u, s, vt, _ = lapack.svd(a, "S")
    rank = len(shape_of(s))
    zero, one = ops.full_like(s, 0), ops.full_like(s, 1)
    largest = ops.slice_(s, [0] * rank, [*shape_of(s)[:-1], 1])
    bound = ops.mul(ops.reshape(largest, shape_of(rtol)), rtol)
    kept = ops.compare("GT", s, ops.broadcast_in_dim(bound, shape_of(s), range(rank - 1)))
    # What LAPACK could not decompose is NaN, and stays so.
    kept = ops.or_(kept, ops.compare("NE", s, s))
    inverse = ops.select(kept, ops.div(one, ops.select(kept, s, one)), zero)
    scaled = ops.mul(herm(vt), ops.convert(spread_rows(inverse, shape_of(vt)[-1]), ops.element_of(a)))
    return [matmul(scaled, herm(u))]


EXPANSIONS: dict[str, Callable[[ir.Operation], list[Value]]] = {
    "mycc.solve": _expand_solve,
    "mycc.qr": _expand_qr,
    "mycc.pinv": _expand_pinv,
}
"""For each operation, what builds its parts, at the ambient insertion point."""

RECORDS: tuple[Record, ...] = (
    structured("mycc.solve", *rules(_solve), _batch_solve),
    structured("mycc.qr", *rules(_qr), _batch),
    structured("mycc.pinv", *rules(_pinv), _batch),
)
