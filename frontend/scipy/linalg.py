"""`mycc.scipy.linalg`: linear algebra under SciPy's names; see `mycc.numpy.linalg`.

Options of SciPy's that only concern memory or checks (overwrite_a, check_finite, lapack_driver, ...) are taken and
have no effect.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from mycc.api import lift, operation
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.rules import linear_maps
from mycc.dialects.rules.decompositions import permutation_matrix
from mycc.dialects.rules.elementwise import is_complex
from mycc.dialects.types import shape_of
from mycc.dtypes import part_of
from mycc.indexing import take
from mycc.lax import linalg as lax_linalg
from mycc.lax.linalg import (
    array,
    cholesky_value,
    eigh_values,
    lu_values,
    matrix,
    pair,
    qr_values,
    solve_value,
)
from mycc.numpy import linalg as numpy_linalg
from mycc.numpy.arithmetic import abs, add, divide, multiply, negative, subtract
from mycc.numpy.complexes import conj
from mycc.numpy.contraction import matmul
from mycc.numpy.creation import asarray, cast, zeros
from mycc.numpy.grids import eye
from mycc.numpy.joining import concatenate
from mycc.numpy.reductions import max, sum
from mycc.numpy.rounding import ceil
from mycc.numpy.selection import where
from mycc.numpy.shapes import atleast_2d, expand_dims, ravel, squeeze
from mycc.numpy.transcendental import log2
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify, promote

__all__ = [
    "block_diag", "cho_factor", "cho_solve", "cholesky", "det", "eigh", "expm", "inv", "lu", "lu_factor", "lu_solve",
    "qr", "solve", "solve_triangular", "svd", "toeplitz",
]  # fmt: skip

_TRANS = {
    0: "NO_TRANSPOSE",
    1: "TRANSPOSE",
    2: "ADJOINT",
    "N": "NO_TRANSPOSE",
    "T": "TRANSPOSE",
    "C": "ADJOINT",
}


def _columns(b: ArrayLike) -> tuple[Any, bool]:
    """A right side as columns, and whether it was one vector."""
    vector = len(abstractify(b).shape) == 1
    return (expand_dims(b, -1) if vector else b), vector


# ---- Systems -------------------------------------------------------------------------------------


@operation
def solve(
    a: ArrayLike,
    b: ArrayLike,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str = "gen",
) -> Array:
    """The solution x of ``a @ x = b``.

    Args:
        a: square matrices (..., n, n).
        b: a vector (n,) or matrices (..., n, k).
        lower: for ``assume_a="pos"``, which triangle of a is read.
        assume_a: "gen", "sym", "her", or "pos": positive definite, solved by Cholesky's factors.
    """
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise ValueError(
            f"{user_line()}: solve got assume_a={assume_a!r}; it takes 'gen', 'sym', 'her' or 'pos'"
        )
    if assume_a == "pos":
        return cho_solve(cho_factor(a, lower), b)
    return numpy_linalg.solve(a, b)


@operation
def solve_triangular(
    a: ArrayLike,
    b: ArrayLike,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    debug: Any = None,
    check_finite: bool = True,
) -> Array:
    """The solution x of ``op(a) @ x = b`` for triangular a.

    Args:
        a: matrices (..., n, n), of which one triangle is read.
        b: a vector (n,) or matrices (..., n, k).
        trans: 0 or "N" for a, 1 or "T" for its transpose, 2 or "C" for its adjoint.
        lower: which triangle.
        unit_diagonal: take the diagonal as ones.
    """
    if trans not in _TRANS:
        raise ValueError(
            f"{user_line()}: solve_triangular got trans={trans!r}; it takes 0, 1, 2, 'N', 'T' or 'C'"
        )
    right, vector = _columns(b)
    matrix("solve_triangular", a, square=True)
    x, y = pair("solve_triangular", a, right)
    if shape_of(x)[-1] != shape_of(y)[-2]:
        raise ValueError(
            f"{user_line()}: solve_triangular got shapes {abstractify(a).shape} and {abstractify(b).shape}: the second "
            f"needs {shape_of(x)[-1]} rows"
        )
    found = array(solve_value(x, y, left=True, lower=lower, unit=unit_diagonal, transpose=_TRANS[trans]))
    return squeeze(found, -1) if vector else found


@operation
def cholesky(
    a: ArrayLike, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Array:
    """Cholesky's factor: U with ``a = U^H @ U``, or L with ``a = L @ L^H`` if ``lower``."""
    return array(cholesky_value(lax_linalg.symmetrized(matrix("cholesky", a, square=True)), lower))


def cho_factor(
    a: ArrayLike, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, bool]:
    """Cholesky's factor and ``lower``, for `cho_solve`; the other triangle is zero."""
    return cholesky(a, lower), lower


def cho_solve(
    c_and_lower: tuple[ArrayLike, bool], b: ArrayLike, overwrite_b: bool = False, check_finite: bool = True
) -> Array:
    """The solution of ``a @ x = b`` from what `cho_factor` gave for a."""
    factor, lower = c_and_lower
    return _cho_solve(factor, b, bool(lower))


@operation
def _cho_solve(factor: ArrayLike, b: ArrayLike, lower: bool) -> Array:
    first, second = (0, 2) if lower else (2, 0)
    return solve_triangular(factor, solve_triangular(factor, b, first, lower), second, lower)


@operation
def lu_factor(a: ArrayLike, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, Array]:
    """L and U in one array, and the row exchanges, for `lu_solve`."""
    factors, pivots, _ = lu_values(matrix("lu_factor", a, square=True))
    return array(factors), array(pivots)


def lu_solve(
    lu_and_piv: tuple[ArrayLike, ArrayLike],
    b: ArrayLike,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """The solution of ``op(a) @ x = b`` from what `lu_factor` gave for a; ``trans`` as of `solve_triangular`."""
    factors, pivots = lu_and_piv
    return _lu_solve(factors, pivots, b, trans)


@operation
def _lu_solve(factors: ArrayLike, pivots: ArrayLike, b: ArrayLike, trans: int) -> Array:
    if trans not in (0, 1, 2):
        raise ValueError(f"{user_line()}: lu_solve got trans={trans!r}; it takes 0, 1 or 2")
    value = matrix("lu_solve", factors, square=True)
    right, vector = _columns(b)
    order, _ = lift(lax_linalg.lu_pivots_to_permutation(pivots, shape_of(value)[-1]))
    exchange = array(permutation_matrix(order, ops.element_of(value)))
    if trans == 0:
        x = solve_triangular(array(value), matmul(exchange, right), 0, True, True)
        x = solve_triangular(array(value), x, 0, False)
    else:
        x = solve_triangular(array(value), right, trans, False)
        x = matmul(exchange.mT, solve_triangular(array(value), x, trans, True, True))
    return squeeze(x, -1) if vector else x


@operation
def inv(a: ArrayLike, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """The inverses of square matrices."""
    return numpy_linalg.inv(a)


@operation
def det(a: ArrayLike, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """The determinants of square matrices."""
    return numpy_linalg.det(a)


# ---- Decompositions ------------------------------------------------------------------------------


@operation
def lu(a: ArrayLike, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The decomposition ``a = p @ l @ u``.

    Args:
        a: matrices (..., m, n).
        permute_l: give ``p @ l`` and u only.
    """
    value = matrix("lu", a)
    factors, _, order = lu_values(value)
    m, n = shape_of(value)[-2:]
    k = min(m, n)
    rank = len(shape_of(value))
    left = ops.slice_(factors, [0] * rank, [*shape_of(factors)[:-1], k])
    lower = linear_maps.triangle(left, True, strict=True)
    lower = ops.add(lower, linear_maps.eye(lower.type))
    upper = linear_maps.triangle(ops.slice_(factors, [0] * rank, [*shape_of(factors)[:-2], k, n]), False)
    exchange = linear_maps.matrix_transpose(permutation_matrix(order, ops.element_of(value)))
    if permute_l:
        return matmul(array(exchange), array(lower)), array(upper)
    real = exchange if not is_complex(exchange) else ops.real(exchange)
    return array(real), array(lower), array(upper)


@operation
def qr(
    a: ArrayLike,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """The QR decomposition; mode "full" (square Q), "economic", or "r" (R alone)."""
    if pivoting:
        raise NotImplementedError(f"{user_line()}: qr does not pivot; use svd to find the rank")
    if mode not in ("full", "economic", "r"):
        raise ValueError(f"{user_line()}: qr got mode={mode!r}; it takes 'full', 'economic' or 'r'")
    q, r = qr_values(matrix("qr", a), mode != "economic")
    return (array(r),) if mode == "r" else (array(q), array(r))


@operation
def svd(
    a: ArrayLike,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """The singular value decomposition: U, s, Vh, or s alone."""
    found = numpy_linalg.svd(a, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


@operation
def eigh(
    a: ArrayLike,
    b: Any = None,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    turbo: bool = True,
    eigvals: Any = None,
    type: int = 1,
    check_finite: bool = True,
) -> Any:
    """Eigenvalues, ascending, and eigenvectors of Hermitian matrices given by one triangle.

    Args:
        a: matrices (..., n, n).
        b: not supported: the generalized problem.
        lower: which triangle.
        eigvals_only: the eigenvalues alone.
    """
    if b is not None or eigvals is not None or type != 1:
        raise NotImplementedError(
            f"{user_line()}: eigh solves the standard problem for all eigenvalues; leave b, eigvals and type out"
        )
    v, w = eigh_values(matrix("eigh", a, square=True), lower, not eigvals_only)
    return array(w) if eigvals_only else (array(w), array(v))


# ---- Functions of matrices -----------------------------------------------------------------------

# Coefficients of the Padé approximants of exp, and the 1-norms up to which they are exact to the precision:
# Higham, "The scaling and squaring method for the matrix exponential revisited" (2005), tables 2.1 and 2.3.
_PADE7 = (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0)
_PADE13 = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
    10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_SCHEMES = {"float32": (_PADE7, 3.925724783138660), "float64": (_PADE13, 5.371920351148152)}


@operation
def expm(A: ArrayLike, *, upper_triangular: bool = False, max_squarings: int = 16) -> Array:
    """The matrix exponential.

    Args:
        A: square matrices (..., n, n).
        upper_triangular: has no effect but on speed in SciPy's.
        max_squarings: how often the approximation may be squared; of matrices that would need more, NaN.

    Source: Higham (2005), scaling and squaring.
    """
    value = array(matrix("expm", A, square=True))
    coefficients, bound = _SCHEMES[part_of(value.dtype).name]
    if 0 in value.shape:
        return value
    size = max(sum(abs(value), -2), -1)
    squarings = cast(_ceil_log2(divide(size, bound)), np.dtype(np.int32))
    squarings = where(squarings > 0, squarings, 0)
    scale = cast(2.0 ** cast(negative(squarings), size.dtype), value.dtype)
    a = multiply(value, expand_dims(scale, (-1, -2)))
    one = eye(value.shape[-1], dtype=value.dtype)
    # Even and odd powers apart: q = v - u, p = v + u, and exp is q⁻¹ p.
    squared = matmul(a, a)
    even, odd = multiply(one, coefficients[0]), multiply(one, coefficients[1])
    power = squared
    for i in range(2, len(coefficients), 2):
        even = add(even, multiply(power, coefficients[i]))
        odd = add(odd, multiply(power, coefficients[i + 1]))
        if i + 2 < len(coefficients):
            power = matmul(power, squared)
    odd = matmul(a, odd)
    result = numpy_linalg.solve(subtract(even, odd), add(even, odd))
    for i in range(max_squarings):
        more = expand_dims(squarings > i, (-1, -2))
        result = where(more, matmul(result, result), result)
    return where(expand_dims(squarings > max_squarings, (-1, -2)), float("nan"), result)


def _ceil_log2(x: Array) -> Array:
    """The logarithm rounded up; of what is below 1, 0."""
    return ceil(log2(where(x > 1, x, 1)))


# ---- Special matrices ----------------------------------------------------------------------------


def block_diag(*arrs: ArrayLike) -> Array:
    """A matrix with the given ones on its diagonal and zeros elsewhere; vectors are rows."""
    return _block_diag(tuple(arrs))


def _block_diag(arrs: tuple[Any, ...]) -> Array:
    if not arrs:
        return zeros((1, 0))
    blocks = [atleast_2d(asarray(x)) for x in arrs]
    wrong = next((b.shape for b in blocks if len(b.shape) != 2), None)
    if wrong is not None:
        raise ValueError(f"{user_line()}: block_diag takes matrices, got shape {wrong}")
    dtype, _ = promote([abstractify(b) for b in blocks])
    total = builtins.sum(b.shape[1] for b in blocks)
    rows, before = [], 0
    for b in blocks:
        m, n = b.shape
        parts = [zeros((m, before), dtype), cast(b, dtype), zeros((m, total - before - n), dtype)]
        rows.append(concatenate(parts, 1))
        before += n
    return concatenate(rows, 0)


@operation
def toeplitz(c: ArrayLike, r: ArrayLike | None = None) -> Array:
    """The matrix with constant diagonals.

    Args:
        c: its first column; of more dimensions, they are batches.
        r: its first row, whose first element is not used; by default c's conjugate.
    """
    column = asarray(c)
    row = conj(column) if r is None else asarray(r)
    column, row = (x if len(x.shape) else ravel(x) for x in (column, row))
    m, n = column.shape[-1], row.shape[-1]
    dtype, _ = promote([abstractify(column), abstractify(row)])
    parts = [
        take(cast(column, dtype), (..., slice(None, None, -1))),
        take(cast(row, dtype), (..., slice(1, None))),
    ]
    line = concatenate(parts, -1)
    places = np.arange(m)[::-1, None] + np.arange(n)
    return take(line, (..., places))
