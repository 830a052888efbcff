"""Systems of equations, inverses, determinants, ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mycc.api import lift, operation
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules import composed, linear_maps
from mycc.dialects.types import dtype_of, element_type, shape_of, tensor
from mycc.dtypes import part_of
from mycc.emit import broadcast, convert
from mycc.indexing import take
from mycc.lax.linalg import (
    array,
    eigh_values,
    empty,
    lu_values,
    matrix,
    pair,
    svd_values,
    symmetrized,
    zeros,
)
from mycc.numpy.arithmetic import abs, multiply, square, subtract
from mycc.numpy.arithmetic import sign as sign_of
from mycc.numpy.contraction import matmul
from mycc.numpy.creation import cast
from mycc.numpy.grids import diagonal_value
from mycc.numpy.logic import not_equal
from mycc.numpy.reductions import any, prod, sum
from mycc.numpy.shapes import expand_dims, shaped, squeeze, transpose
from mycc.numpy.transcendental import log
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "SlogdetResult",
    "det",
    "inv",
    "lstsq",
    "matrix_rank",
    "pinv",
    "slogdet",
    "solve",
    "tensorinv",
    "tensorsolve",
]

Value: TypeAlias = ir.Value


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Any
    logabsdet: Any


# ---- Systems -------------------------------------------------------------------------------------


def solve_values(a: Value, b: Value) -> Value:
    """The solution of square systems, with right sides as columns."""
    return b if empty(a) or empty(b) else composed.solve(a, b)


@operation
def solve(a: ArrayLike, b: ArrayLike) -> Array:
    """The solution x of ``a @ x = b``.

    Args:
        a: square matrices (..., n, n).
        b: right sides: a vector (n,), or matrices (..., n, k).

    Returns:
        x, of b's shape, its leading dimensions broadcast with a's.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.linalg.solve(mnp.array([[2.0, 0.0], [0.0, 4.0]]), mnp.array([1.0, 2.0]))
        Array([0.5, 0.5], dtype=float32)
    """
    matrix("solve", a, square=True)
    vector = len(abstractify(b).shape) == 1
    x, y = pair("solve", a, expand_dims(b, -1) if vector else b)
    if shape_of(x)[-1] != shape_of(y)[-2]:
        raise ValueError(
            f"{user_line()}: solve got shapes {abstractify(a).shape} and {abstractify(b).shape}: the second needs "
            f"{shape_of(x)[-1]} rows"
        )
    found = array(solve_values(x, y))
    return squeeze(found, -1) if vector else found


@operation
def inv(a: ArrayLike) -> Array:
    """The inverses of square matrices (..., n, n); infinite or NaN where there is none."""
    value = matrix("inv", a, square=True)
    return array(solve_values(value, linear_maps.eye(value.type)))


@operation
def tensorsolve(a: ArrayLike, b: ArrayLike, axes: Sequence[int] | None = None) -> Array:
    """The solution x of ``tensordot(a, x, x.ndim) = b``.

    Args:
        a: an array whose dimensions are b's, then x's, with as many elements in both.
        b: the right side.
        axes: a's dimensions to be moved to its end first.
    """
    ndim = len(abstractify(a).shape)
    if axes is not None:
        moved = [axis % ndim for axis in axes]
        a = transpose(a, [d for d in range(ndim) if d not in moved] + moved)
    shape = abstractify(a).shape[len(abstractify(b).shape) :]
    size = math.prod(shape)
    if math.prod(abstractify(b).shape) != size or math.prod(abstractify(a).shape) != size * size:
        raise ValueError(
            f"{user_line()}: tensorsolve got shapes {abstractify(a).shape} and {abstractify(b).shape}, which are no "
            "square system"
        )
    return shaped(solve(shaped(a, (size, size)), shaped(b, (size,))), shape)


@operation
def tensorinv(a: ArrayLike, ind: int = 2) -> Array:
    """The inverse of an array as a linear map from its last dimensions to its first ``ind``."""
    shape = abstractify(a).shape
    rows, columns = shape[:ind], shape[ind:]
    if ind <= 0 or math.prod(rows) != math.prod(columns):
        raise ValueError(
            f"{user_line()}: tensorinv got shape {shape} and ind={ind}; the first {ind} dimensions must have as many "
            "elements as the rest"
        )
    return shaped(inv(shaped(a, (math.prod(rows), math.prod(columns)))), (*columns, *rows))


# ---- Pseudoinverses ------------------------------------------------------------------------------


def _tolerance(name: str, value: Value, tolerance: ArrayLike | None) -> Value:
    """The bound of singular values, relative to the largest: (...)."""
    *lead, m, n = shape_of(value)
    real = part_of(dtype_of(value.type))
    if tolerance is None:
        return ops.full(tensor(tuple(lead), element_type(real)), max(m, n) * float(np.finfo(real).eps))
    found, aval = lift(tolerance)
    return broadcast(convert(found, aval.dtype, real), aval.shape, tuple(lead))


@operation
def pinv(
    a: ArrayLike,
    rtol: ArrayLike | None = None,
    hermitian: bool = False,
    *,
    rcond: ArrayLike | None = None,
) -> Array:
    """The pseudoinverse (Moore-Penrose).

    Args:
        a: matrices (..., m, n).
        rtol: singular values up to this times the largest count as 0; by default max(m, n) times the precision.
        hermitian: a is Hermitian; its Hermitian part is taken.
        rcond: an older name of rtol.

    Returns:
        The pseudoinverses, (..., n, m). Derivatives are those at a fixed rank.
    """
    value = matrix("pinv", a, square=hermitian)
    value = symmetrized(value) if hermitian else value
    bound = _tolerance("pinv", value, rtol if rcond is None else rcond)
    if empty(value):
        *lead, m, n = shape_of(value)
        return array(zeros((*lead, n, m), dtype_of(value.type)))
    return array(composed.pinv(value, bound))


@operation
def lstsq(
    a: ArrayLike, b: ArrayLike, rcond: float | None = None, *, numpy_resid: bool = False
) -> tuple[Array, Array, Array, Array]:
    """The x that makes ``|a @ x - b|`` smallest; of several, the shortest.

    Args:
        a: a matrix (m, n).
        b: a vector (m,) or a matrix (m, k).
        rcond: singular values up to this times the largest count as 0; by default max(m, n) times the precision.
        numpy_resid: has no effect: residuals are always there, as in JAX by default.

    Returns:
        x; the sums of squares of what is left, per column; the rank, int32; the singular values.
    """
    value = matrix("lstsq", a)
    vector = len(abstractify(b).shape) == 1
    right = matrix("lstsq", expand_dims(b, -1) if vector else b)
    if len(shape_of(value)) != 2 or len(shape_of(right)) != 2 or shape_of(value)[0] != shape_of(right)[0]:
        raise ValueError(
            f"{user_line()}: lstsq got shapes {abstractify(a).shape} and {abstractify(b).shape}; it takes (m, n) and "
            "(m,) or (m, k)"
        )

    x = matmul(pinv(array(value), rcond), array(right))
    rest = sum(square(abs(subtract(matmul(array(value), x), array(right)))), 0)
    s = array(svd_values(value, "N")[1])
    return (squeeze(x, -1) if vector else x), rest, matrix_rank(array(value), rcond), s


@operation
def matrix_rank(
    M: ArrayLike, rtol: ArrayLike | None = None, *, tol: ArrayLike | None = None, hermitian: bool = False
) -> Array:
    """How many singular values are not 0.

    Args:
        M: matrices (..., m, n); of a vector, 1 unless it is zero.
        rtol: singular values up to this times the largest count as 0; by default max(m, n) times the precision.
        tol: the bound itself, instead.
        hermitian: M is Hermitian: its eigenvalues are used.

    Returns:
        int32 of shape (...).
    """

    if len(abstractify(M).shape) < 2:
        return cast(any(not_equal(M, 0)), np.dtype(np.int32))
    value = matrix("matrix_rank", M, square=hermitian)
    if hermitian:
        s = ops.abs_(eigh_values(symmetrized(value), True, False)[1])
    else:
        s = svd_values(value, "N")[1]
    if empty(s):
        return array(zeros(shape_of(s)[:-1], np.int32))
    order = len(shape_of(s)) - 1
    largest = ops.reduce(s, ops.zero_of(s), [order], ops.max_)
    if tol is None:
        bound = ops.mul(largest, _tolerance("matrix_rank", value, rtol))
    else:
        bound = _tolerance("matrix_rank", value, tol)
    spread = ops.broadcast_in_dim(bound, shape_of(s), range(order))
    return array(ops.sum_(ops.convert(ops.compare("GT", s, spread), ops.I32), [order]))


# ---- Determinants --------------------------------------------------------------------------------


def diagonal_and_sign(value: Value) -> tuple[Value, Value]:
    """U's diagonal, and -1 to the number of row exchanges, in the matrices' dtype."""
    factors, pivots, _ = lu_values(value)
    rank = len(shape_of(pivots)) - 1
    moved = ops.compare("NE", pivots, ops.iota(pivots.type, rank))
    one = ops.full(tensor(shape_of(pivots), ops.element_of(value)), 1)
    signs = ops.select(moved, ops.neg(one), one)
    type_ = tensor((), ops.element_of(value))

    diagonal = diagonal_value(factors, 0, rank, rank + 1)
    return diagonal, ops.reduce(signs, ops.full(type_, 1), [rank], ops.mul)


@operation
def det(a: ArrayLike) -> Array:
    """The determinants of square matrices (..., n, n).

    The derivative is the matrix of cofactors, of singular matrices as well; the second derivative of a singular one
    with n > 3 is taken for zero.
    """

    value = matrix("det", a, square=True)
    n = shape_of(value)[-1]
    if not n:
        return array(ops.full(tensor(shape_of(value)[:-2], ops.element_of(value)), 1))
    x = array(value)

    # Polynomials have derivatives at singular matrices, too.
    def at(i: int, j: int) -> Array:
        return take(x, (..., i, j))

    def minor(rows: tuple[int, int], columns: tuple[int, int]) -> Array:
        (i, j), (k, m) = rows, columns
        return subtract(multiply(at(i, k), at(j, m)), multiply(at(i, m), at(j, k)))

    if n == 1:
        return at(0, 0)
    if n == 2:
        return minor((0, 1), (0, 1))
    if n == 3:
        first, second, third = (
            multiply(at(0, k), minor((1, 2), c)) for k, c in ((0, (1, 2)), (1, (0, 2)), (2, (0, 1)))
        )
        return first - second + third
    from mycc.numpy.linalg.determinants import det_of_factors

    found: Array = det_of_factors(x)
    return found


@operation
def slogdet(a: ArrayLike, *, method: str | None = None) -> SlogdetResult:
    """The sign of determinants and the logarithm of their magnitude, which does not overflow.

    Args:
        a: matrices (..., n, n).
        method: has no effect: LU is used.

    Returns:
        sign (a complex number of magnitude 1 for complex matrices, 0 for singular ones); logabsdet, real.
    """

    value = matrix("slogdet", a, square=True)
    diagonal, sign = diagonal_and_sign(value)
    d = array(diagonal)
    return SlogdetResult(multiply(prod(sign_of(d), -1), array(sign)), sum(log(abs(d)), -1))
