"""Tangents of matrix decompositions, on `Linear` values: eigh, svd, lu, qr, eig, schur.

Where factors are unique only up to a phase or a basis, tangents follow JAX's choice, which is the one that moves
them least; functions that do not depend on the choice have the right derivative under any. Repeated eigenvalues or
singular values make the factors' derivatives infinite, as in JAX; that of the values alone is finite.

Sources: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation"
(2008), section 3; Walter and Lehmann, "Algorithmic differentiation of linear algebra functions with application in
optimum experimental design" (2010), for QR; Seeger et al., "Auto-differentiating linear algebra" (2017), for SVD.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from mycc.dialects import lapack, ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Flags, Site
from mycc.dialects.rules.elementwise import is_complex
from mycc.dialects.rules.linear_maps import (
    Linear,
    eye,
    herm,
    mask,
    matmul,
    matrix_transpose,
    spread_columns,
    spread_rows,
    to_complex,
    triangle,
    triangular_solve,
)
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value
Augmented = tuple[Sequence[Value], Sequence[Value]]


def _reciprocal_differences(w: Value) -> Value:
    """``1 / (w_j - w_i)`` for all pairs, with zeros on the diagonal."""
    size = shape_of(w)[-1]
    return _off_diagonal(ops.sub(spread_rows(w, size), spread_columns(w, size)))


def _off_diagonal(differences: Value) -> Value:
    """Reciprocals, with zeros on the diagonal."""
    one, zero = ops.full_like(differences, 1), ops.full_like(differences, 0)
    size = shape_of(differences)[-1]
    diagonal = mask(differences.type, np.eye(size, dtype=np.bool_))
    return ops.select(diagonal, zero, ops.div(one, ops.select(diagonal, one, differences)))


def _columns(x: Value, count: int) -> Value:
    shape = shape_of(x)
    return ops.slice_(x, [0] * len(shape), [*shape[:-1], count])


def _rows(x: Value, start: int, limit: int) -> Value:
    shape = shape_of(x)
    return ops.slice_(x, [*([0] * (len(shape) - 2)), start, 0], [*shape[:-2], limit, shape[-1]])


# ---- eigh ----------------------------------------------------------------------------------------


def eigh_augment(site: Site, operands: Sequence[Value]) -> Augmented | None:
    """Ask for the eigenvectors, without which values have no derivative."""
    if lapack.config_of(site.op)["mode"] == "V":
        return None
    return _with_options(site, operands, {"mode": "V"})


def _with_options(site: Site, operands: Sequence[Value], options: dict[str, str | int]) -> Augmented:
    copy = ops.rebuild(site.op, operands, attributes=lapack.with_config(site.op, options))
    results = list(copy.results)
    return results, results


def _saved(site: Site, index: int, augmented: bool) -> Value:
    return site.saved(index) if augmented else site.result(index)


def eigh(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """``dw = diag(Vᴴ dA V)`` and ``dV = V (F ∘ Vᴴ dA V)`` with ``F_ij = 1 / (w_j - w_i)`` (Giles, 3.1)."""
    (da,) = tangents
    if da is None:
        return [None] * 3
    options = lapack.config_of(site.op)
    augmented = options["mode"] == "N"
    v = _saved(site, 0, augmented)
    inner = da.hermitian(options["uplo"] == "L").left(herm(v)).right(v)
    dv = None
    if wanted[0] and not augmented:
        dv = inner.times(_reciprocal_differences(site.result(1))).left(v)
    return [dv, inner.diagonal().real(), None]


# ---- svd -----------------------------------------------------------------------------------------


def svd_augment(site: Site, operands: Sequence[Value]) -> Augmented | None:
    """Ask for the first singular vectors, without which values have no derivative."""
    if lapack.config_of(site.op)["mode"] != "N":
        return None
    u, s, vt, info = lapack.svd(operands[0], "S", lapack.routine_of(site.op))
    whole = [ops.full(site.op.results[i].type, 0) for i in (2, 3)]
    return [operands[0], s, *whole, info], [u, s, vt]


def svd(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """``ds = diag(Uᴴ dA V)``; factors as in Giles, 3.2, with JAX's phases.

    Of whole square factors, the columns beyond min(m, n) are a basis of what the others leave. They turn with
    those, and not among themselves: ``dU₂ = -U₁ dU₁ᴴ U₂``.
    """
    (da,) = tangents
    if da is None:
        return [None] * 5
    augmented = lapack.config_of(site.op)["mode"] == "N"
    m, n = da.shape[-2:]
    k = min(m, n)
    whole_u, whole_vt = (site.saved(0), site.saved(2)) if augmented else (site.result(2), site.result(3))
    u, vt = _columns(whole_u, k), _rows(whole_vt, 0, k)
    ut, v = herm(u), herm(vt)
    inner = da.left(ut).right(v)
    ds = inner.diagonal().real()
    if augmented or not (wanted[2] or wanted[3]):
        return [None, ds, None, None, None]
    s = site.result(1)
    row, column = spread_rows(s, k), spread_columns(s, k)
    f = _off_diagonal(ops.mul(ops.add(row, column), ops.sub(row, column)))
    du = dv = None
    if wanted[2]:
        scaled = inner.times(row)
        phase = (inner - inner.adjoint()).scaled(0.5).times(_diagonal_inverse(s))
        du = ((scaled + scaled.adjoint()).times(f) + phase).left(u)
        if m > k:
            moved = da.right(v)
            du = du + (moved - moved.left(ut).left(u)).over(spread_rows(s, m))
        du = _completed(du, u, whole_u)
    if wanted[3]:
        scaled = inner.times(column)
        dv = (scaled + scaled.adjoint()).times(f).left(v)
        if n > k:
            moved = da.adjoint().right(u)
            dv = dv + (moved - moved.left(vt).left(v)).over(spread_rows(s, n))
        dv = _completed(dv, v, herm(whole_vt)).adjoint()
    return [None, ds, du, dv, None]


def _diagonal_inverse(s: Value) -> Value:
    """``1 / s`` on the diagonal, 0 where s is 0."""
    one, zero = ops.full_like(s, 1), ops.full_like(s, 0)
    null = ops.compare("EQ", s, zero)
    inverse = ops.select(null, zero, ops.div(one, ops.select(null, one, s)))
    size = shape_of(s)[-1]
    spread = spread_rows(inverse, size)
    return ops.select(mask(spread.type, np.eye(size, dtype=np.bool_)), spread, ops.full_like(spread, 0))


def _completed(du: Linear, u: Value, whole: Value) -> Linear:
    k = du.shape[-1]
    columns = shape_of(whole)[-1]
    if columns == k:
        return du
    shape = shape_of(whole)
    rest = ops.slice_(whole, [*([0] * (len(shape) - 1)), k], shape)
    others = -(du.adjoint().right(rest).left(u))
    return du.padded(-1, 0, columns - k) + others.padded(-1, k, 0)


# ---- lu ------------------------------------------------------------------------------------------


def lu(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """With ``X = L⁻¹ P dA U⁻¹``: ``dL = L tril(X, -1)`` and ``dU = triu(X) U``; L and U made square by ones."""
    (da,) = tangents
    if da is None:
        return [None] * 3
    factors, (m, n) = site.out, da.shape[-2:]
    lead = da.shape[:-2]
    lower = _square(triangle(factors, True, strict=True), m, lead, 0)
    upper = _square(triangle(factors, False), n, lead, min(m, n))
    ones = ops.full_like(site.result(1), 1)
    order = lapack.permutation(ops.sub(site.result(1), ones), m)
    inner = da.left(permutation_matrix(order, ops.element_of(factors)))
    inner = inner.solve(lower, left=True, lower=True, unit=True).solve(upper, left=False, lower=False)
    return [
        inner.triangle(True, strict=True).left(lower) + inner.triangle(False).right(upper),
        None,
        None,
    ]


def _square(x: Value, size: int, lead: Sequence[int], start: int) -> Value:
    """A triangle cut or padded to a square, with ones on the diagonal from a place on."""
    rank, shape = len(x.type.shape), shape_of(x)
    x = ops.slice_(x, [0] * rank, [*lead, *(min(n, size) for n in shape[-2:])])
    rows, columns = x.type.shape[-2:]
    x = ops.pad(x, ops.zero_of(x), [0] * rank, [0] * (rank - 2) + [size - rows, size - columns], [0] * rank)
    beyond = np.zeros((size, size), np.bool_)
    missing = np.arange(start, size)
    beyond[missing, missing] = True
    return ops.select(mask(x.type, beyond), ops.full_like(x, 1), x)


def permutation_matrix(order: Value, element: ir.Type) -> Value:
    """The matrices P with ``(P x)[i] = x[order[i]]``."""
    *lead, size = shape_of(order)
    spread = spread_columns(order, size)
    hit = ops.compare("EQ", spread, ops.iota(spread.type, len(lead) + 1))
    type_ = tensor((*lead, size, size), element)
    return ops.select(hit, ops.full(type_, 1), ops.full(type_, 0))


def inverse(a: Value) -> Value:
    """The inverses of square matrices, by LU."""
    size = shape_of(a)[-1]
    factors, pivots, _ = lapack.lu(a)
    order = lapack.permutation(ops.sub(pivots, ops.full_like(pivots, 1)), size)
    x = permutation_matrix(order, ops.element_of(a))
    x = triangular_solve(factors, x, left=True, lower=True, unit=True)
    return triangular_solve(factors, x, left=True, lower=False)


# ---- qr ------------------------------------------------------------------------------------------


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
    dq, dr = thin_qr(q, _columns(r, m), da.part(-1, 0, m))
    shape = shape_of(a)
    rest = ops.slice_(a, [*([0] * (len(shape) - 1)), m], shape)
    dr_rest = dq.adjoint().right(rest) + da.part(-1, m, n).left(herm(q))
    return dq, dr.padded(-1, 0, n - m) + dr_rest.padded(-1, m, 0)


def _reflectors(packed: Value, count: int) -> Value:
    """V: ones on the diagonal, zeros above."""
    below = triangle(_columns(packed, count), True, strict=True)
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
    q = lapack.generate_q(_columns(packed, k), taus)
    r = triangle(_rows(packed, 0, k), False)
    dq, dr = whole_qr(q, r, a, da)
    v = _reflectors(packed, k)
    top = _rows(v, 0, k)
    start = ops.sub(eye(top.type), _rows(q, 0, k))
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
        rest = (-dq.part(-2, k, m) - du.left(_rows(v, k, m))).solve(u, left=False, lower=False)
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
        return _conj(ops.rebuild(site.op, [packed, taus, _conj(ct)], attributes=turned).result)

    moved = dc.map(dc.shape, apply, pull)
    return [moved if total is None else total + moved]


def _conj(x: Value) -> Value:
    return ops.conj(x) if is_complex(x) else x


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
    top = herm(_rows(v, 0, n))
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


# ---- eig -----------------------------------------------------------------------------------------


def eig_augment(site: Site, operands: Sequence[Value]) -> Augmented | None:
    """Ask for the right eigenvectors, without which values have no derivative."""
    if not shape_of(operands[0])[-1]:
        # The kernel fails on empty matrices. Without derivatives XLA drops the call; here its state is a residual.
        return [ops.full(result.type, 0) for result in site.op.results], []
    if lapack.config_of(site.op)["compute_right"] == "V":
        return None
    return _with_options(site, operands, {"compute_right": "V"})


def eig(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """``dw = diag(V⁻¹ dA V)``, and vectors of length 1 whose largest component stays real, as LAPACK has them.

    Giles, 3.1. Left eigenvectors are right ones of ``Aᴴ``, for the conjugate eigenvalues.
    """
    (da,) = tangents
    count = len(site.op.results)
    if da is None or not da.shape[-1]:
        return [None] * count
    real = count == 5
    augmented = lapack.config_of(site.op)["compute_right"] == "N"
    v = _saved(site, count - 2, augmented)
    w = ops.complex_(site.result(0), site.result(1)) if real else site.result(0)
    da = da.to_complex()
    inner = da.right(v).left(inverse(v))
    dw = inner.diagonal()
    dleft = dright = None
    if wanted[count - 2] and not augmented:
        dright = _turned(inner, w, v)
    if wanted[count - 3] and lapack.config_of(site.op)["compute_left"] == "V":
        left = site.result(count - 3)
        dleft = _turned(da.adjoint().right(left).left(inverse(left)), ops.conj(w), left)
    values = [dw.real(), dw.imag()] if real else [dw]
    return [*values, dleft, dright, None]


def _turned(inner: Linear, w: Value, v: Value) -> Linear:
    """``dV = V (F ∘ inner)``, each column corrected along itself to keep its length and phase."""
    rows = shape_of(v)[-2]
    moved = inner.times(_reciprocal_differences(w)).left(v)
    shrink = moved.times(ops.conj(v)).sum_rows().real()
    largest = _largest(v)
    phase = moved.times(to_complex(largest)).sum_rows().imag()
    phase = phase.over(ops.sum_(ops.mul(largest, ops.real(v)), [len(v.type.shape) - 2]))
    correction = shrink.to_complex() + phase.times_i()
    return moved - correction.spread_rows(rows).times(v)


def _largest(v: Value) -> Value:
    """1 at the largest component of each column, the first of equals, 0 elsewhere."""
    size = ops.abs_(v)
    rank = len(size.type.shape)
    rows = shape_of(v)[-2]
    top = ops.reduce(size, ops.full(tensor((), ops.element_of(size)), -1), [rank - 2], ops.max_)
    ties = ops.compare("EQ", size, spread_rows(top, rows))
    index = ops.iota(tensor(shape_of(size), ops.I32), rank - 2)
    beyond = ops.full_like(index, rows)
    first = ops.reduce(
        ops.select(ties, index, beyond), ops.full(tensor((), ops.I32), rows), [rank - 2], ops.min_
    )
    hit = ops.compare("EQ", index, spread_rows(first, rows))
    return ops.select(hit, ops.full_like(size, 1), ops.full_like(size, 0))


# ---- schur ---------------------------------------------------------------------------------------


def schur_augment(site: Site, operands: Sequence[Value]) -> Augmented | None:
    """Ask for the vectors, without which the form has no derivative."""
    if lapack.config_of(site.op)["mode"] == "V":
        return None
    return _with_options(site, operands, {"mode": "V"})


def schur(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """``dZ = Z W`` and ``dT = M + T W - W T``, where ``M = Zᴴ dA Z`` and W is such that dT stays below what T is.

    The part of it that is to be zero, below the diagonal or below the 2 x 2 blocks of a real form, depends on that
    part of W alone, and in the basis of T's eigenvectors Y each element on its own: ``Y⁻¹ W Y`` is
    ``(Y⁻¹ M Y)_ij / (w_j - w_i)`` there. The rest of W follows since it is skew-Hermitian. In a block it is the rotation
    that keeps the two diagonal elements equal, as LAPACK has them. Phases of a complex form, and blocks that every
    rotation leaves alone, are not turned. Repeated eigenvalues make the derivatives infinite.
    """
    (da,) = tangents
    count = len(site.op.results)
    if da is None:
        return [None] * count
    augmented = lapack.config_of(site.op)["mode"] == "N"
    form, z = _saved(site, 0, augmented), _saved(site, 1, augmented)
    real = not is_complex(form)
    zero = ops.full_like(form, 0)
    below = ops.and_(
        mask(form.type, np.tril(np.ones(form.type.shape[-2:], np.bool_), -1)), ops.compare("EQ", form, zero)
    )
    w, y = _eigenvectors_in_place(form)
    back = inverse(y)
    moved = da.left(herm(z)).right(z)
    inner = moved.to_complex().left(back).right(y)
    differences = _reciprocal_differences(w)
    turn = inner.times(ops.select(below, differences, ops.full_like(differences, 0))).left(y).right(back)
    turn = (turn.real() if real else turn).times(ops.select(below, ops.full_like(zero, 1), zero))
    turn = turn - turn.adjoint()
    if real:
        turn = turn + _turns_of_blocks(form, moved + turn.left(form) - turn.right(form))
    dform = moved + turn.left(form) - turn.right(form)
    dform = dform.times(ops.select(below, zero, ops.full_like(zero, 1)))
    dw = inner.diagonal()
    values = [dw.real(), dw.imag()] if real else [dw]
    return [dform, None if augmented else turn.left(z), *values, None, None]


def _eigenvectors_in_place(form: Value) -> tuple[Value, Value]:
    """Eigenvalues and eigenvectors of a triangular form, each where the form has it on its diagonal.

    LAPACK may exchange rows to balance the form; how far down a vector reaches says where it belongs.
    """
    w, _, y, _ = lapack.eig(form, left=False, right=True)
    *lead, size, _ = shape_of(y)
    rank = len(lead)
    rows = ops.iota(tensor(shape_of(y), ops.I32), rank)
    present = ops.compare("NE", y, ops.full_like(y, 0))
    least = ops.full(tensor((), ops.I32), -1)
    reach = ops.reduce(ops.select(present, rows, ops.full_like(rows, -1)), least, [rank], ops.max_)
    places = ops.iota(reach.type, rank)
    _, order = ops.sort([reach, places], rank, lambda a, b, *_: ops.compare("LT", a, b), stable=True)
    ordered = matrix_transpose(permutation_matrix(order, ops.element_of(y)))
    row = ops.reshape(w, (*lead, 1, size))
    return ops.reshape(matmul(row, ordered), shape_of(w)), matmul(y, ordered)


def _turns_of_blocks(form: Value, moved: Linear) -> Linear:
    """The rotations, ``[[0, -t], [t, 0]]`` in each 2 x 2 block, that keep the block's diagonal elements equal."""
    *lead, size, _ = shape_of(form)
    count = size - 1

    def beside(row: int, column: int) -> Value:
        start, limit = [0] * len(lead), list(lead)
        part = ops.slice_(form, [*start, row, column], [*limit, row + count, column + count])
        return ops.sum_(ops.mul(part, eye(part.type)), [len(lead) + 1])

    above, below = beside(0, 1), beside(1, 0)
    total = ops.add(above, below)
    zero = ops.full_like(total, 0)
    still = ops.or_(ops.compare("EQ", below, zero), ops.compare("EQ", total, zero))
    factor = ops.div(ops.full_like(total, -0.5), ops.select(still, ops.full_like(total, 1), total))
    diagonal = moved.diagonal()
    difference = diagonal.part(-1, 0, count) - diagonal.part(-1, 1, size)
    turn = difference.times(ops.select(still, zero, factor)).as_diagonal(count)
    turn = turn.padded(-2, 1, 0).padded(-1, 0, 1)
    return turn - turn.adjoint()
