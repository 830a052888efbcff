"""Determinants by triangular factors, whose derivative is finite at singular matrices."""

from __future__ import annotations

from typing import Any

from mycc.api import lift, operation
from mycc.array import Array
from mycc.custom.forward import custom_jvp
from mycc.lax import cond, stop_gradient
from mycc.lax.linalg import array
from mycc.numpy.arithmetic import multiply
from mycc.numpy.contraction import matmul
from mycc.numpy.creation import ones_like, zeros_like
from mycc.numpy.grids import eye
from mycc.numpy.linalg.decompositions import svd
from mycc.numpy.linalg.solving import diagonal_and_sign, inv
from mycc.numpy.logic import equal
from mycc.numpy.reductions import any, prod, sum
from mycc.numpy.selection import where
from mycc.numpy.shapes import expand_dims, matrix_transpose

__all__ = ["cofactors", "det_of_factors"]


@operation
def _det(x: Array) -> Array:
    value, _ = lift(x)
    diagonal, sign = diagonal_and_sign(value)
    return multiply(prod(array(diagonal), -1), array(sign))


@custom_jvp
def det_of_factors(x: Any) -> Any:
    """The determinants of matrices (..., n, n)."""
    return _det(x)


@det_of_factors.defjvp
def _(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (x,), (dx,) = primals, tangents
    value = det_of_factors(x)
    return value, sum(multiply(cofactors(x, value), dx), (-2, -1))


def cofactors(x: Array, det: Array) -> Array:
    """The derivatives of determinants by each element: of regular matrices det(A) A^-T.

    Of a singular A = U S V^H they are det(U) det(V^H) conj(U) D V^T, where D holds the products of all singular values
    but one; for second derivatives they are constants.
    """
    singular = expand_dims(equal(det, 0), (-2, -1))
    regular = where(singular, eye(x.shape[-1], dtype=x.dtype), x)
    found = multiply(expand_dims(det, (-2, -1)), matrix_transpose(inv(regular)))
    other = stop_gradient(cond(any(singular), _of_singular, zeros_like, stop_gradient(x)))
    return where(singular, other, found)


def _of_singular(x: Array) -> Array:
    u, s, vh = svd(x)
    size = s.shape[-1]
    others = where(eye(size, dtype=bool), ones_like(s)[..., None, :], s[..., None, :])
    scale = multiply(_det(u), _det(vh))[..., None]
    products = multiply(prod(others, -1), scale)
    return matmul(multiply(u.conj(), products[..., None, :]), vh.conj())
