"""Tangents of eigenvalues, eigenvectors and Schur forms, on `Linear` values; see `decompositions` for conventions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from mycc.dialects import lapack, ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Flags, Site
from mycc.dialects.rules.decompositions import (
    Augmented,
    inverse,
    permutation_matrix,
    reciprocal_differences,
    saved_or_result,
    with_options,
)
from mycc.dialects.rules.elementwise import is_complex
from mycc.dialects.rules.linear_maps import (
    Linear,
    eye,
    herm,
    mask,
    matmul,
    matrix_transpose,
    spread_rows,
    to_complex,
)
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value

__all__ = ["eig", "eig_augment", "eigh", "eigh_augment", "schur", "schur_augment"]


# ---- eigh ----------------------------------------------------------------------------------------


def eigh_augment(site: Site, operands: Sequence[Value]) -> Augmented | None:
    """Ask for the eigenvectors, without which values have no derivative."""
    if lapack.config_of(site.op)["mode"] == "V":
        return None
    return with_options(site, operands, {"mode": "V"})


def eigh(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """``dw = diag(Vᴴ dA V)`` and ``dV = V (F ∘ Vᴴ dA V)`` with ``F_ij = 1 / (w_j - w_i)`` (Giles, 3.1)."""
    (da,) = tangents
    if da is None:
        return [None] * 3
    options = lapack.config_of(site.op)
    augmented = options["mode"] == "N"
    v = saved_or_result(site, 0, augmented)
    inner = da.hermitian(options["uplo"] == "L").left(herm(v)).right(v)
    dv = None
    if wanted[0] and not augmented:
        dv = inner.times(reciprocal_differences(site.result(1))).left(v)
    return [dv, inner.diagonal().real(), None]


# ---- eig -----------------------------------------------------------------------------------------


def eig_augment(site: Site, operands: Sequence[Value]) -> Augmented | None:
    """Ask for the right eigenvectors, without which values have no derivative."""
    if not shape_of(operands[0])[-1]:
        # The kernel fails on empty matrices. Without derivatives XLA drops the call; here its state is a residual.
        return [ops.full(result.type, 0) for result in site.op.results], []
    if lapack.config_of(site.op)["compute_right"] == "V":
        return None
    return with_options(site, operands, {"compute_right": "V"})


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
    v = saved_or_result(site, count - 2, augmented)
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
    moved = inner.times(reciprocal_differences(w)).left(v)
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
    return with_options(site, operands, {"mode": "V"})


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
    form, z = saved_or_result(site, 0, augmented), saved_or_result(site, 1, augmented)
    real = not is_complex(form)
    zero = ops.full_like(form, 0)
    below = ops.and_(
        mask(form.type, np.tril(np.ones(form.type.shape[-2:], np.bool_), -1)), ops.compare("EQ", form, zero)
    )
    w, y = _eigenvectors_in_place(form)
    back = inverse(y)
    moved = da.left(herm(z)).right(z)
    inner = moved.to_complex().left(back).right(y)
    differences = reciprocal_differences(w)
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
