"""Tangents of QR decompositions in LAPACK's forms, on `Linear` values: packed, with pivots, and products with Q.

Source: Walter and Lehmann, "Algorithmic differentiation of linear algebra functions with application in optimum
experimental design" (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from mycc.dialects import lapack, ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Flags, Site
from mycc.dialects.rules.decompositions import (
    columns,
    permutation_matrix,
    rows,
)
from mycc.dialects.rules.elementwise import is_complex
from mycc.dialects.rules.linear_maps import (
    Linear,
    conj,
    eye,
    herm,
    mask,
    matmul,
    matrix_transpose,
    spread_rows,
    triangle,
    triangular_solve,
)
from mycc.dialects.types import shape_of

Value: TypeAlias = ir.Value

__all__ = ["generate_q", "qr_packed", "qr_pivoted", "times_q", "whole_qr"]


def thin_qr(q: Value, r: Value, da: Linear) -> tuple[Linear, Linear]:
    """dQ and dR of A = QR with as many columns as rows of R (Walter and Lehmann, 2010; R's diagonal stays real)."""
    moved = da.solve(r, left=False, lower=False)
    inner = moved.left(herm(q))
    below = inner.triangle(True, strict=True)
    turn = below - below.adjoint()
    if is_complex(q):
        turn = turn + inner.diagonal().imag().times_i().as_diagonal(shape_of(r)[-1])
    return (turn - inner).left(q) + moved, (inner - turn).right(r)


def whole_qr(q: Value, r: Value, a: Value, da: Linear) -> tuple[Linear, Linear]:
    """dQ and dR for any shape of A: a wide one's further columns are ``R₂ = Qᴴ A₂``."""
    m, n = da.shape[-2:]
    if m >= n:
        return thin_qr(q, r, da)
    dq, dr = thin_qr(q, columns(r, m), da.part(-1, 0, m))
    shape = shape_of(a)
    rest = ops.slice_(a, [*([0] * (len(shape) - 1)), m], shape)
    dr_rest = dq.adjoint().right(rest) + da.part(-1, m, n).left(herm(q))
    return dq, dr.padded(-1, 0, n - m) + dr_rest.padded(-1, m, 0)


def _reflectors(packed: Value, count: int) -> Value:
    """V: ones on the diagonal, zeros above."""
    below = triangle(columns(packed, count), True, strict=True)
    return ops.select(
        mask(below.type, np.eye(*below.type.shape[-2:], dtype=np.bool_)), ops.full_like(below, 1), below
    )


def qr_packed(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """R in one triangle, the reflectors in the other, and their factors."""
    (da,) = tangents
    if da is None:
        return [None, None]
    return _packed(site.result(0), site.result(1), site.x, da)


def qr_pivoted(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """Those of QR, of the columns in the order that LAPACK has chosen."""
    da, _ = tangents
    if da is None:
        return [None] * 3
    chosen = site.result(1)
    order = permutation_matrix(ops.sub(chosen, ops.full_like(chosen, 1)), da.type.element_type)
    ordered = matrix_transpose(order)
    dpacked, dtaus = _packed(site.result(0), site.result(2), matmul(site.x, ordered), da.right(ordered))
    return [dpacked, None, dtaus]


def _packed(packed: Value, taus: Value, a: Value, da: Linear) -> Sequence[Linear]:
    """R's tangent from `whole_qr`; those of V and tau from Q's.

    ``E - Q = V U`` with E the identity's first columns, ``U = T V₁ᴴ`` and tau on U's diagonal, is an LU
    decomposition (Ballard et al., "Reconstructing Householder vectors from tall-skinny QR", 2014). A column
    that had nothing to reflect (tau is 0) has no derivative: LAPACK's choice of signs jumps there.
    """
    m, n = da.shape[-2:]
    k = min(m, n)
    q = lapack.generate_q(columns(packed, k), taus)
    r = triangle(rows(packed, 0, k), False)
    dq, dr = whole_qr(q, r, a, da)
    v = _reflectors(packed, k)
    top = rows(v, 0, k)
    start = ops.sub(eye(top.type), rows(q, 0, k))
    u = triangle(triangular_solve(top, start, left=True, lower=True, unit=True), False)
    if m == k:
        # The last reflector of a square matrix has no entries below: its tau may be 0, and nothing is divided by it.
        last = np.zeros((k, k), np.bool_)
        last[-1:, -1:] = True
        u = ops.select(mask(u.type, last), ops.full_like(u, 1), u)
    moved = (-dq.part(-2, 0, k)).solve(top, left=True, lower=True, unit=True)
    turn = moved.solve(u, left=False, lower=False).triangle(True, strict=True)
    du = moved - turn.right(u)
    dv = turn.left(top)
    if m > k:
        rest = (-dq.part(-2, k, m) - du.left(rows(v, k, m))).solve(u, left=False, lower=False)
        dv = dv.padded(-2, 0, m - k) + rest.padded(-2, k, 0)
    below = dv.triangle(True, strict=True).padded(-1, 0, n - k)
    return [dr.triangle(False).padded(-2, 0, m - k) + below, du.diagonal()]


def generate_q(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """As many columns of Q as the packed matrix has."""
    return [_q_tangent(site, tangents[0], tangents[1], shape_of(site.x)[-1])]


def times_q(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """The product of a matrix with the whole Q or its adjoint: linear in it, and Q moves as in `generate_q`."""
    options = lapack.config_of(site.op)
    left, plain = bool(options["left"]), not options["transpose"]
    da, dtau, dc = tangents
    packed, taus, c = (site.operand(i) for i in range(3))
    total = _q_tangent(site, da, dtau, shape_of(packed)[-2])
    if total is not None:
        total = total if plain else total.adjoint()
        total = total.right(c) if left else total.left(c)
    if dc is None:
        return [total]
    turned = lapack.with_config(site.op, {"transpose": plain})

    def apply(t: Value) -> Value:
        return ops.rebuild(site.op, [packed, taus, t]).result

    def pull(ct: Value) -> Value:
        # The transpose of a product with Q is one with the conjugate of Q's adjoint.
        return conj(ops.rebuild(site.op, [packed, taus, conj(ct)], attributes=turned).result)

    moved = dc.map(dc.shape, apply, pull)
    return [moved if total is None else total + moved]


def _q_tangent(site: Site, da: Linear | None, dtau: Linear | None, n: int) -> Linear | None:
    """Of Q's first n columns: ``Q = E - V T V₁ᴴ``, ``T = D M⁻¹``, ``M = I + S D``, S the triangle above ``Vᴴ V``.

    D has the factors tau on its diagonal. The compact form of a product of reflectors (Joffrain et al.,
    "Accumulating Householder transformations, revisited", 2006), arranged so that nothing is divided by tau.
    """
    if da is None and dtau is None:
        return None
    packed, taus = site.x, site.y
    k = shape_of(taus)[-1]
    v = _reflectors(packed, k)
    vh = herm(v)
    top = herm(rows(v, 0, n))
    overlap = triangle(matmul(vh, v), False, strict=True)
    scale = spread_rows(taus, k)
    unit = ops.add(eye(overlap.type), ops.mul(overlap, scale))
    t = triangular_solve(unit, triangle(triangle(scale, True), False), left=False, lower=False, unit=True)
    outer: Linear | None = None
    dmiddle: Linear | None = None
    dunit: Linear | None = None
    if da is not None:
        dv = da.part(-1, 0, k).triangle(True, strict=True)
        outer = dv.right(matmul(t, top)) + dv.part(-2, 0, n).adjoint().left(matmul(v, t))
        dunit = (dv.adjoint().right(v) + dv.left(vh)).triangle(False, strict=True).times(scale)
    if dtau is not None:
        dmiddle = dtau.as_diagonal(k).solve(unit, left=False, lower=False, unit=True)
        dscale = dtau.as_diagonal(k).left(overlap)
        dunit = dscale if dunit is None else dunit + dscale
    assert dunit is not None
    inner = -(dunit.left(t).solve(unit, left=False, lower=False, unit=True))
    inner = inner if dmiddle is None else inner + dmiddle
    total = inner.left(v).right(top)
    return -(total if outer is None else total + outer)
