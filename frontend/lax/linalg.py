"""`mycc.lax.linalg`: decompositions of matrices and triangular systems, under JAX's names.

Matrices are the last two dimensions; the others are batches. float32, float64, complex64 and complex128 are what
LAPACK has; integers are taken as float32. A decomposition that fails is NaN. Decompositions run on the host; Cholesky
factors and triangular systems on any device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import lapack, ops
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.mlir import ir
from mycc.dialects.rules import composed, linear_maps
from mycc.dialects.rules.elementwise import is_complex
from mycc.dialects.types import dtype_of, element_type, shape_of, tensor
from mycc.dtypes import kind_of, part_of
from mycc.emit import broadcast, convert
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, default_dtype, promote

__all__ = [
    "cholesky",
    "eig",
    "eigh",
    "hessenberg",
    "householder_product",
    "lu",
    "lu_pivots_to_permutation",
    "qr",
    "schur",
    "svd",
    "triangular_solve",
    "tridiagonal",
]

Value: TypeAlias = ir.Value
_DTYPES = ("float32", "float64", "complex64", "complex128")


# ---- What the functions share --------------------------------------------------------------------


def matrix(name: str, x: ArrayLike, square: bool = False) -> Value:
    """The value of a stack of matrices, in a dtype that LAPACK has.

    Raises:
        ValueError: it has fewer than two dimensions, or is not square where it must be.
        TypeError: its dtype is none of LAPACK's.
    """
    value, aval = lift(x)
    shape = aval.shape
    if len(shape) < 2:
        raise ValueError(
            f"{user_line()}: {name} takes matrices, arrays of two dimensions or more, got shape {shape}"
        )
    if square and shape[-1] != shape[-2]:
        raise ValueError(f"{user_line()}: {name} takes square matrices, got shape {shape}")
    dtype = default_dtype("f") if kind_of(aval.dtype) in "iub" else aval.dtype
    if dtype.name not in _DTYPES:
        raise TypeError(
            f"{user_line()}: {name} does not take dtype {dtype}; LAPACK has float32, float64, complex64 and "
            "complex128: convert with x.astype(...)"
        )
    return convert(value, aval.dtype, dtype)


def array(value: Value) -> Array:
    """A value as an array."""
    return wrap(value, AbstractValue(shape_of(value), dtype_of(value.type), False))


def empty(value: Value) -> bool:
    """Whether there is nothing that LAPACK could be asked about."""
    return 0 in shape_of(value)


def zeros(shape: tuple[int, ...], dtype: Any, identity: bool = False) -> Value:
    """Zeros; or identity matrices."""
    type_ = tensor(shape, element_type(np.dtype(dtype)))
    return linear_maps.eye(type_) if identity else ops.full(type_, 0)


def symmetrized(x: Value) -> Value:
    """The Hermitian part of each matrix."""
    return ops.mul(ops.add(x, linear_maps.herm(x)), ops.full_like(x, 0.5))


def _checked(found: Value, info: Value) -> Value:
    """NaN where LAPACK says that it failed."""
    lead = range(len(shape_of(info)))
    failed = ops.compare("NE", info, ops.full_like(info, 0))
    failed = ops.broadcast_in_dim(failed, shape_of(found), lead)
    return ops.select(failed, ops.full_like(found, np.nan), found)


def eigh_values(x: Value, lower: bool, vectors: bool) -> tuple[Value, Value]:
    """Eigenvectors and ascending eigenvalues of Hermitian matrices."""
    *lead, n, _ = shape_of(x)
    dtype = dtype_of(x.type)
    if empty(x):
        return zeros((*lead, n, n), dtype), zeros((*lead, n), part_of(dtype))
    v, w, info = lapack.eigh(x, lower, vectors)
    return _checked(v, info), _checked(w, info)


def svd_values(x: Value, mode: str) -> tuple[Value, Value, Value]:
    """U, descending singular values, Vᴴ; see `mycc.dialects.lapack.svd` for the modes."""
    *lead, m, n = shape_of(x)
    k, dtype = min(m, n), dtype_of(x.type)
    if empty(x):
        left, right = (m, n) if mode == "A" else (k, k)
        return (
            zeros((*lead, m, left), dtype, True),
            zeros((*lead, k), part_of(dtype)),
            zeros((*lead, right, n), dtype, True),
        )
    u, s, vt, info = lapack.svd(x, mode)
    return _checked(u, info), _checked(s, info), _checked(vt, info)


def lu_values(x: Value) -> tuple[Value, Value, Value]:
    """L and U in one, the row exchanges counted from 0, and the order of rows that they lead to."""
    *lead, m, n = shape_of(x)
    if empty(x):
        pivots = zeros((*lead, min(m, n)), np.int32)
        return x, pivots, lapack.permutation(pivots, m)
    factors, pivots, _ = lapack.lu(x)
    pivots = ops.sub(pivots, ops.full_like(pivots, 1))
    return factors, pivots, lapack.permutation(pivots, m)


def qr_values(x: Value, full: bool) -> tuple[Value, Value]:
    """Q and R: with m columns of Q if ``full``, else with min(m, n)."""
    *lead, m, n = shape_of(x)
    rank, k = len(lead) + 2, min(m, n)
    if empty(x):
        width = m if full else k
        return zeros((*lead, m, width), dtype_of(x.type), True), zeros((*lead, width, n), dtype_of(x.type))
    if not full or m <= n:
        return composed.qr(x)
    packed, taus = lapack.qr_packed(x)
    wide = ops.pad(packed, ops.zero_of(packed), [0] * rank, [0] * (rank - 1) + [m - n], [0] * rank)
    return lapack.generate_q(wide, taus), linear_maps.triangle(packed, False)


def eig_values(x: Value, left: bool, right: bool) -> tuple[Value, Value, Value]:
    """Eigenvalues, left and right eigenvectors, complex."""
    if empty(x):
        wide = np.result_type(dtype_of(x.type), np.complex64)
        return zeros(shape_of(x)[:-1], wide), zeros(shape_of(x), wide), zeros(shape_of(x), wide)
    w, vl, vr, info = lapack.eig(x, left, right)
    return _checked(w, info), _checked(vl, info), _checked(vr, info)


def cholesky_value(x: Value, lower: bool) -> Value:
    """The factor, zeros in the other triangle."""
    if empty(x):
        return x
    attributes = {"lower": ops.boolean(lower)}
    return linear_maps.triangle(ops.create("stablehlo.cholesky", [x.type], [x], attributes).result, lower)


def solve_value(
    a: Value, b: Value, *, left: bool, lower: bool, unit: bool = False, transpose: str = "NO_TRANSPOSE"
) -> Value:
    """The solution of triangular systems."""
    if empty(a) or empty(b):
        return b
    transpose = linear_maps.adjoint(transpose, a)
    return linear_maps.triangular_solve(a, b, left=left, lower=lower, unit=unit, transpose=transpose)


def pair(name: str, a: ArrayLike, b: ArrayLike) -> tuple[Value, Value]:
    """Two stacks of matrices in one dtype, with one batch shape.

    Raises:
        ValueError: their batch dimensions do not broadcast together.
    """
    x, y = matrix(name, a), matrix(name, b)
    dtype, _ = promote([AbstractValue((), dtype_of(v.type), False) for v in (x, y)])
    xs, ys = shape_of(x), shape_of(y)
    try:
        lead = np.broadcast_shapes(xs[:-2], ys[:-2])
    except ValueError:
        raise ValueError(
            f"{user_line()}: {name} got shapes {xs} and {ys}: the leading dimensions do not broadcast together"
        ) from None
    x, y = (convert(v, dtype_of(v.type), dtype) for v in (x, y))
    return broadcast(x, xs, (*lead, *xs[-2:])), broadcast(y, ys, (*lead, *ys[-2:]))


# ---- Functions -----------------------------------------------------------------------------------


@operation
def cholesky(x: ArrayLike, /, *, symmetrize_input: bool = True) -> Array:
    """The lower triangular L with ``x = L @ L^H``.

    Args:
        x: Hermitian positive definite matrices (..., n, n).
        symmetrize_input: take the Hermitian part of x first; otherwise only the lower triangle is read.

    Returns:
        L, of x's shape, with zeros above the diagonal; NaN where x is not positive definite.

    Example:
        >>> import mycc.lax as lax, mycc.numpy as mnp
        >>> lax.linalg.cholesky(mnp.array([[4.0, 2.0], [2.0, 5.0]]))
        Array([[2., 0.],
               [1., 2.]], dtype=float32)
    """
    value = matrix("cholesky", x, square=True)
    return array(cholesky_value(symmetrized(value) if symmetrize_input else value, True))


@operation
def triangular_solve(
    a: ArrayLike,
    b: ArrayLike,
    *,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Array:
    """The solution x of ``op(a) @ x = b`` (``left_side``) or of ``x @ op(a) = b``.

    Args:
        a: triangular matrices (..., n, n); the other triangle is not read.
        b: right sides (..., n, k), or (..., k, n).
        left_side: on which side of x the matrix stands.
        lower: which triangle of a is read.
        transpose_a, conjugate_a: what op does.
        unit_diagonal: take a's diagonal as ones.

    Returns:
        An array of b's shape.
    """
    x, y = pair("triangular_solve", a, b)
    n, side = shape_of(x)[-1], shape_of(y)[-2 if left_side else -1]
    if shape_of(x)[-2] != n or side != n:
        raise ValueError(
            f"{user_line()}: triangular_solve got shapes {shape_of(x)} and {shape_of(y)}: the first must be square, "
            f"and fit the {'rows' if left_side else 'columns'} of the second"
        )
    if conjugate_a and not transpose_a:
        x = ops.conj(x) if is_complex(x) else x
    transpose = ("ADJOINT" if conjugate_a else "TRANSPOSE") if transpose_a else "NO_TRANSPOSE"
    found = solve_value(x, y, left=left_side, lower=lower, unit=unit_diagonal, transpose=transpose)
    return array(found)


@operation
def eigh(
    x: ArrayLike,
    /,
    *,
    lower: bool = True,
    symmetrize_input: bool = True,
    sort_eigenvalues: bool = True,
    subset_by_index: tuple[int, int] | None = None,
) -> tuple[Array, Array]:
    """Eigenvectors and eigenvalues of Hermitian matrices.

    Args:
        x: matrices (..., n, n).
        lower: which triangle is read.
        symmetrize_input: take the Hermitian part of x first.
        sort_eigenvalues: has no effect: they are always in ascending order.
        subset_by_index: not supported; slice the result.

    Returns:
        The eigenvectors, as columns of (..., n, n), then the eigenvalues, real, (..., n). The eigenvectors'
        derivatives are infinite where eigenvalues are equal.
    """
    _no_subset("eigh", subset_by_index)
    value = matrix("eigh", x, square=True)
    v, w = eigh_values(symmetrized(value) if symmetrize_input else value, lower, True)
    return array(v), array(w)


def _no_subset(name: str, subset: Any) -> None:
    if subset is not None:
        raise UnsupportedOperationError(
            f"{user_line()}: {name} does not compute a part of the values; leave subset_by_index out and slice the result"
        )


@operation
def svd(
    x: ArrayLike,
    /,
    *,
    full_matrices: bool = True,
    compute_uv: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    algorithm: Any = None,
) -> Any:
    """The singular value decomposition ``x = u @ diag(s) @ vh``.

    Args:
        x: matrices (..., m, n).
        full_matrices: u and vh square, not just the first min(m, n) columns and rows.
        compute_uv: whether u and vh are wanted.
        subset_by_index: not supported; slice the result.
        algorithm: has no effect: LAPACK's divide and conquer is used.

    Returns:
        u, s, vh; or s alone, in descending order.
    """
    _no_subset("svd", subset_by_index)
    value = matrix("svd", x)
    if not compute_uv:
        return array(svd_values(value, "N")[1])
    return tuple(map(array, svd_values(value, "A" if full_matrices else "S")))


@operation
def lu(x: ArrayLike) -> tuple[Array, Array, Array]:
    """The LU decomposition with row exchanges.

    Args:
        x: matrices (..., m, n).

    Returns:
        L (below its unit diagonal) and U in one array of x's shape; the exchanges, (..., min(m, n)) in int32: of row
        i and row ``pivots[i]``; the order of x's rows that they lead to, (..., m).
    """
    return tuple(map(array, lu_values(matrix("lu", x))))  # type: ignore[return-value]


@operation
def lu_pivots_to_permutation(pivots: ArrayLike, permutation_size: int) -> Array:
    """The order of rows that a sequence of exchanges leads to.

    Args:
        pivots: integers (..., k), from `lu`.
        permutation_size: the number of rows.

    Returns:
        int32 of shape (..., permutation_size).
    """
    value, aval = lift(pivots)
    if kind_of(aval.dtype) not in "iu" or not aval.shape or aval.shape[-1] > permutation_size:
        raise ValueError(
            f"{user_line()}: lu_pivots_to_permutation takes integers (..., k) with k up to permutation_size "
            f"{permutation_size}, got dtype {aval.dtype} and shape {aval.shape}"
        )
    return array(lapack.permutation(convert(value, aval.dtype, np.dtype(np.int32)), permutation_size))


@operation
def qr(
    x: ArrayLike, /, *, pivoting: bool = False, full_matrices: bool = True, use_magma: bool | None = None
) -> tuple[Array, Array]:
    """The QR decomposition.

    Args:
        x: matrices (..., m, n).
        pivoting: not supported.
        full_matrices: Q square, not just its first min(m, n) columns.
        use_magma: has no effect.

    Returns:
        Q with orthonormal columns, and the upper triangular R.
    """
    if pivoting:
        raise UnsupportedOperationError(
            f"{user_line()}: qr does not pivot; order the columns first, or use svd to find the rank"
        )
    q, r = qr_values(matrix("qr", x), full_matrices)
    return array(q), array(r)


@operation
def householder_product(a: ArrayLike, taus: ArrayLike) -> Array:
    """The first columns of a product of Householder reflectors, ``H_1 ... H_k`` with ``H = I - tau v v^H``.

    Args:
        a: (..., m, n) with m >= n: below its diagonal, the vectors v; above it is not read.
        taus: (..., k) with k <= n.

    Returns:
        The product's first n columns, (..., m, n).
    """
    value = matrix("householder_product", a)
    factors, aval = lift(taus)
    *lead, m, n = shape_of(value)
    if m < n or aval.shape[:-1] != tuple(lead) or not aval.shape or aval.shape[-1] > n:
        raise ValueError(
            f"{user_line()}: householder_product got shapes {shape_of(value)} and {aval.shape}; it takes (..., m, n) "
            "with m >= n, and (..., k) with k <= n"
        )
    if empty(value) or not aval.shape[-1]:
        return array(zeros(shape_of(value), dtype_of(value.type), True))
    return array(lapack.generate_q(value, convert(factors, aval.dtype, dtype_of(value.type))))


@operation
def eig(
    x: ArrayLike,
    *,
    compute_left_eigenvectors: bool = True,
    compute_right_eigenvectors: bool = True,
    implementation: Any = None,
    enable_eigvec_derivs: bool = True,
) -> list[Array]:
    """Eigenvalues and eigenvectors of any square matrices.

    Args:
        x: matrices (..., n, n).
        compute_left_eigenvectors, compute_right_eigenvectors: which vectors are wanted.
        implementation, enable_eigvec_derivs: have no effect: LAPACK's geev is used, and derivatives are there.

    Returns:
        The eigenvalues, (..., n), complex; then the left and the right eigenvectors, if wanted, as columns of length
        1 whose largest component is real.
    """
    value = matrix("eig", x, square=True)
    w, vl, vr = eig_values(value, compute_left_eigenvectors, compute_right_eigenvectors)
    found = [w]
    if compute_left_eigenvectors:
        found.append(vl)
    if compute_right_eigenvectors:
        found.append(vr)
    return [array(v) for v in found]


@operation
def schur(
    x: ArrayLike,
    *,
    compute_schur_vectors: bool = True,
    sort_eig_vals: bool = False,
    select_callable: Callable[..., Any] | None = None,
) -> tuple[Array, Array]:
    """The Schur decomposition ``x = z @ t @ z^H``.

    Derivatives are infinite where eigenvalues are equal; those of complex forms leave the phases of z as they are.

    Args:
        x: matrices (..., n, n).
        compute_schur_vectors: whether z is wanted.
        sort_eig_vals, select_callable: not supported.

    Returns:
        t, upper triangular (with 2-by-2 blocks where a real matrix has complex eigenvalues), and the unitary z.
    """
    if sort_eig_vals or select_callable is not None:
        raise UnsupportedOperationError(f"{user_line()}: schur does not sort eigenvalues")
    value = matrix("schur", x, square=True)
    if empty(value):
        return array(value), array(value)
    t, z, info = lapack.schur(value, compute_schur_vectors)
    return array(_checked(t, info)), array(_checked(z, info))


@operation
def hessenberg(a: ArrayLike) -> tuple[Array, Array]:
    """The reduction ``a = q @ h @ q^H`` to a matrix that is zero below its first subdiagonal.

    Args:
        a: matrices (..., n, n).

    Returns:
        h on and above the first subdiagonal and the reflectors of q below; their factors, (..., n - 1).
    """
    value = matrix("hessenberg", a, square=True)
    if empty(value):
        *lead, n, _ = shape_of(value)
        return array(value), array(zeros((*lead, max(n - 1, 0)), dtype_of(value.type)))
    packed, taus, info = lapack.hessenberg(value)
    return array(_checked(packed, info)), array(_checked(taus, info))


@operation
def tridiagonal(a: ArrayLike, *, lower: bool = True) -> tuple[Array, Array, Array, Array]:
    """The reduction of Hermitian matrices to real tridiagonal ones, ``a = q @ t @ q^H``.

    Args:
        a: matrices (..., n, n).
        lower: which triangle is read, and holds the reflectors of q.

    Returns:
        The packed matrix, the diagonal (..., n), the off-diagonal (..., n - 1), the reflectors' factors.
    """
    value = matrix("tridiagonal", a, square=True)
    if empty(value):
        *lead, n, _ = shape_of(value)
        real, rest = part_of(dtype_of(value.type)), (*lead, max(n - 1, 0))
        return (
            array(value),
            array(zeros((*lead, n), real)),
            array(zeros(rest, real)),
            array(zeros(rest, dtype_of(value.type))),
        )
    packed, d, e, taus, info = lapack.tridiagonal(value, lower)
    return tuple(array(_checked(v, info)) for v in (packed, d, e, taus))  # type: ignore[return-value]
