"""Tangents of matrix decompositions, on `Linear` values: svd and lu, and what those of other files share.

Where factors are unique only up to a phase or a basis, tangents follow JAX's choice, which is the one that moves
them least; functions that do not depend on the choice have the right derivative under any. Repeated eigenvalues or
singular values make the factors' derivatives infinite, as in JAX; that of the values alone is finite.

Sources: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation"
(2008), section 3; Seeger et al., "Auto-differentiating linear algebra" (2017), for SVD.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from mycc.dialects import lapack, ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Flags, Site
from mycc.dialects.rules.linear_maps import (
    Linear,
    herm,
    mask,
    spread_columns,
    spread_rows,
    triangle,
    triangular_solve,
)
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value
Augmented = tuple[Sequence[Value], Sequence[Value]]

__all__ = [
    "Augmented",
    "columns",
    "inverse",
    "lu",
    "permutation_matrix",
    "reciprocal_differences",
    "rows",
    "saved_or_result",
    "svd",
    "svd_augment",
    "with_options",
]


def reciprocal_differences(w: Value) -> Value:
    """``1 / (w_j - w_i)`` for all pairs, with zeros on the diagonal."""
    size = shape_of(w)[-1]
    return _off_diagonal(ops.sub(spread_rows(w, size), spread_columns(w, size)))


def _off_diagonal(differences: Value) -> Value:
    """Reciprocals, with zeros on the diagonal."""
    one, zero = ops.full_like(differences, 1), ops.full_like(differences, 0)
    size = shape_of(differences)[-1]
    diagonal = mask(differences.type, np.eye(size, dtype=np.bool_))
    return ops.select(diagonal, zero, ops.div(one, ops.select(diagonal, one, differences)))


def columns(x: Value, count: int) -> Value:
    shape = shape_of(x)
    return ops.slice_(x, [0] * len(shape), [*shape[:-1], count])


def rows(x: Value, start: int, limit: int) -> Value:
    shape = shape_of(x)
    return ops.slice_(x, [*([0] * (len(shape) - 2)), start, 0], [*shape[:-2], limit, shape[-1]])


def with_options(site: Site, operands: Sequence[Value], options: dict[str, str | int]) -> Augmented:
    copy = ops.rebuild(site.op, operands, attributes=lapack.with_config(site.op, options))
    results = list(copy.results)
    return results, results


def saved_or_result(site: Site, index: int, augmented: bool) -> Value:
    return site.saved(index) if augmented else site.result(index)


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
    u, vt = columns(whole_u, k), rows(whole_vt, 0, k)
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
