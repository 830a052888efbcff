"""Decompositions of matrices: Cholesky, eigenvalues, singular values, QR."""

from __future__ import annotations

from typing import Any, NamedTuple

from mycc.api import operation
from mycc.array import Array
from mycc.lax.linalg import (
    array,
    cholesky_value,
    eig_values,
    eigh_values,
    matrix,
    qr_values,
    svd_values,
    symmetrized,
)
from mycc.numpy.along import take_along_axis
from mycc.numpy.arithmetic import abs, multiply, sign
from mycc.numpy.complexes import conj
from mycc.numpy.creation import cast
from mycc.numpy.shapes import expand_dims, matrix_transpose
from mycc.numpy.sorting import argsort, sort
from mycc.source import user_line
from mycc.types import ArrayLike

__all__ = [
    "EigResult",
    "EighResult",
    "QRResult",
    "SVDResult",
    "cholesky",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "qr",
    "svd",
    "svdvals",
]


class EigResult(NamedTuple):
    """What `eig` gives."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: Any
    S: Any
    Vh: Any


@operation
def cholesky(a: ArrayLike, *, upper: bool = False, symmetrize_input: bool = True) -> Array:
    """The Cholesky factor of Hermitian positive definite matrices.

    Args:
        a: matrices (..., n, n).
        upper: U with ``a = U^H @ U`` instead of L with ``a = L @ L^H``.
        symmetrize_input: take the Hermitian part of a first; otherwise only one triangle is read.

    Returns:
        The factor, of a's shape; NaN where a is not positive definite.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.linalg.cholesky(mnp.array([[4.0, 2.0], [2.0, 5.0]]))
        Array([[2., 0.],
               [1., 2.]], dtype=float32)
    """
    value = matrix("cholesky", a, square=True)
    value = symmetrized(value) if symmetrize_input else value
    return array(cholesky_value(value, not upper))


@operation
def eigh(a: ArrayLike, UPLO: str | None = None, symmetrize_input: bool = True) -> EighResult:
    """Eigenvalues and eigenvectors of Hermitian matrices.

    Args:
        a: matrices (..., n, n).
        UPLO: "L" (the default) or "U": read this triangle only.
        symmetrize_input: take the Hermitian part of a, if UPLO is not given.

    Returns:
        The eigenvalues (..., n), real and ascending; the eigenvectors as columns (..., n, n).
    """
    w, v = _eigh("eigh", a, UPLO, symmetrize_input, True)
    return EighResult(w, v)


def _eigh(name: str, a: ArrayLike, uplo: str | None, symmetrize: bool, vectors: bool) -> tuple[Array, Array]:
    if uplo not in (None, "L", "U", "l", "u"):
        raise ValueError(f"{user_line()}: {name} got UPLO={uplo!r}; it takes 'L' or 'U'")
    value = matrix(name, a, square=True)
    if uplo is None and symmetrize:
        value = symmetrized(value)
    v, w = eigh_values(value, uplo not in ("U", "u"), vectors)
    return array(w), array(v)


@operation
def eigvalsh(a: ArrayLike, UPLO: str | None = "L", *, symmetrize_input: bool = True) -> Array:
    """The eigenvalues of `eigh`, whose derivatives are finite even where they are equal."""
    return _eigh("eigvalsh", a, UPLO, symmetrize_input, False)[0]


@operation
def eig(a: ArrayLike) -> EigResult:
    """Eigenvalues and eigenvectors of any square matrices.

    Args:
        a: matrices (..., n, n).

    Returns:
        The eigenvalues (..., n), complex; the eigenvectors as columns of length 1 whose largest component is real.
    """
    w, _, v = eig_values(matrix("eig", a, square=True), False, True)
    return EigResult(array(w), array(v))


@operation
def eigvals(a: ArrayLike) -> Array:
    """The eigenvalues of `eig`."""
    return array(eig_values(matrix("eigvals", a, square=True), False, False)[0])


@operation
def qr(a: ArrayLike, mode: str = "reduced") -> Any:
    """The QR decomposition.

    Args:
        a: matrices (..., m, n).
        mode: "reduced" for min(m, n) columns of Q, "complete" for m, "r" for R alone.

    Returns:
        Q with orthonormal columns, and the upper triangular R; for "r", R.

    Raises:
        ValueError: the mode is none of these.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"{user_line()}: qr got mode={mode!r}; it takes 'reduced', 'complete' or 'r'")
    q, r = qr_values(matrix("qr", a), mode == "complete")
    return array(r) if mode == "r" else QRResult(array(q), array(r))


@operation
def svd(
    a: ArrayLike,
    full_matrices: bool = True,
    compute_uv: bool = True,
    hermitian: bool = False,
    subset_by_index: tuple[int, int] | None = None,
) -> Any:
    """The singular value decomposition ``a = (U * S) @ Vh``.

    Args:
        a: matrices (..., m, n).
        full_matrices: U and Vh square, not just the first min(m, n) columns and rows.
        compute_uv: whether U and Vh are wanted.
        hermitian: a is Hermitian: its eigenvalues are used.
        subset_by_index: not supported.

    Returns:
        U, S, Vh; or S alone: the singular values, descending.
    """
    if subset_by_index is not None:
        raise NotImplementedError(f"{user_line()}: svd computes all singular values; slice the result")
    value = matrix("svd", a, square=hermitian)
    if not hermitian:
        mode = "N" if not compute_uv else "A" if full_matrices else "S"
        u, s, vh = map(array, svd_values(value, mode))
        return SVDResult(u, s, vh) if compute_uv else s
    v, w = eigh_values(symmetrized(value), True, compute_uv)
    sizes = multiply(abs(array(w)), -1)
    if not compute_uv:
        return multiply(sort(sizes, -1), -1)
    order = argsort(sizes, -1)
    w_sorted = take_along_axis(array(w), order, -1)
    vectors = take_along_axis(array(v), expand_dims(order, -2), -1)
    signs = cast(expand_dims(sign(w_sorted), -2), vectors.dtype)
    return SVDResult(multiply(vectors, signs), abs(w_sorted), conj(matrix_transpose(vectors)))


@operation
def svdvals(x: ArrayLike, /) -> Array:
    """The singular values of matrices, descending: (..., min(m, n))."""
    return array(svd_values(matrix("svdvals", x), "N")[1])
