"""Norms of vectors and matrices, condition numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mycc.api import operation
from mycc.array import Array
from mycc.lax.linalg import array, matrix, svd_values
from mycc.numpy.arithmetic import abs, divide, multiply, power, square
from mycc.numpy.complexes import imag, real
from mycc.numpy.creation import cast
from mycc.numpy.linalg.solving import inv
from mycc.numpy.reductions import max, min, sum
from mycc.numpy.selection import where
from mycc.numpy.shapes import expand_dims, moveaxis, ravel, shaped
from mycc.numpy.support import axis_of, inexact_dtype
from mycc.numpy.transcendental import sqrt
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]

Order = int | float | str | None


def _floats(x: ArrayLike) -> Array:
    return cast(x, inexact_dtype(abstractify(x).dtype))


def _squares(x: Array) -> Array:
    """Squared magnitudes, without a root that would have no derivative at 0."""
    if x.dtype.kind != "c":
        return square(x)

    return square(real(x)) + square(imag(x))


def _root(total: Array) -> Array:
    """The square root, with the derivative 0 at 0."""
    null = total == 0
    return where(null, 0, sqrt(where(null, 1, total)))


def _unknown(name: str, order: Any, what: str) -> ValueError:
    return ValueError(f"{user_line()}: {name} got ord={order!r}, which is no norm of {what}")


def _vector(name: str, x: Array, axis: Any, order: Order, keepdims: bool) -> Array:
    if order is None or order == 2:
        return _root(sum(_squares(x), axis, keepdims=keepdims))
    if isinstance(order, str):
        raise _unknown(name, order, "a vector")
    size = abs(x)
    if order == math.inf:
        return max(size, axis, keepdims=keepdims)
    if order == -math.inf:
        return min(size, axis, keepdims=keepdims)
    if order == 0:
        return cast(sum(cast(x != 0, size.dtype), axis, keepdims=keepdims), size.dtype)
    if order == 1:
        return sum(size, axis, keepdims=keepdims)
    return power(sum(power(size, order), axis, keepdims=keepdims), 1 / order)


def _matrix(name: str, x: Array, axes: tuple[int, int], order: Order, keepdims: bool) -> Array:
    rows, columns = axes
    if order is None or order == "fro":
        return _root(sum(_squares(x), axes, keepdims=keepdims))
    if order in (1, -1, math.inf, -math.inf):
        inner, outer = (rows, columns) if order in (1, -1) else (columns, rows)
        sums = sum(abs(x), inner, keepdims=True)
        found = (max if order > 0 else min)(sums, outer, keepdims=True)
        return found if keepdims else _dropped(found, axes)
    if order not in (2, -2, "nuc"):
        raise _unknown(name, order, "a matrix")
    s = array(svd_values(matrix(name, moveaxis(x, axes, (-2, -1))), "N")[1])
    found = sum(s, -1) if order == "nuc" else (max if order == 2 else min)(s, -1)
    return expand_dims(found, sorted(axes)) if keepdims else found


def _dropped(x: Array, axes: Sequence[int]) -> Array:
    return shaped(x, tuple(n for d, n in enumerate(x.shape) if d not in axes))


@operation
def norm(
    x: ArrayLike,
    ord: int | float | str | None = None,
    axis: int | tuple[int, int] | None = None,
    keepdims: bool = False,
) -> Array:
    """The norm of vectors or matrices.

    Args:
        x: an array.
        ord: for vectors any number, or inf; for matrices "fro", "nuc", 1, 2, inf and their negatives. By default 2
            for vectors, "fro" for matrices.
        axis: one axis for vectors, two for matrices; by default x is one vector or matrix, or without ord, the
            vector of all its elements.
        keepdims: keep the axes, with size 1.

    Returns:
        A real array. At zero the derivative is 0.

    Raises:
        ValueError: there is no such norm.

    Example:
        >>> import mycc.numpy as mnp
        >>> float(mnp.linalg.norm(mnp.array([3.0, 4.0])))
        5.0
    """
    value = _floats(x)
    ndim = len(value.shape)
    if axis is None and ord is None:
        found = _vector("norm", ravel(value), 0, None, False)
        return shaped(found, (1,) * ndim) if keepdims else found
    if axis is None:
        if ndim not in (1, 2):
            raise ValueError(
                f"{user_line()}: norm with ord takes a vector or a matrix, got shape {value.shape}; give axis"
            )
        axis = (0,) if ndim == 1 else (0, 1)  # type: ignore[assignment]
    axes = tuple(axis_of("norm", a, ndim) for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(axes) == 1:
        return _vector("norm", value, axes[0], ord, keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError(f"{user_line()}: norm got axis={axis}; it takes one axis or two different ones")
    return _matrix("norm", value, (axes[0], axes[1]), ord, keepdims)


@operation
def vector_norm(
    x: ArrayLike,
    /,
    *,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
    ord: int | float | str = 2,
) -> Array:
    """The norm of the vectors that lie along axes.

    Args:
        x: an array.
        axis: the axes; by default all.
        keepdims: keep the axes, with size 1.
        ord: any number, or inf.
    """
    return _vector("vector_norm", _floats(x), axis, ord, keepdims)


@operation
def matrix_norm(x: ArrayLike, /, *, keepdims: bool = False, ord: int | float | str | None = "fro") -> Array:
    """The norm of matrices (..., m, n); orders as of `norm`."""
    value = _floats(x)
    ndim = len(value.shape)
    if ndim < 2:
        raise ValueError(f"{user_line()}: matrix_norm takes matrices, got shape {value.shape}")
    return _matrix("matrix_norm", value, (ndim - 2, ndim - 1), ord, keepdims)


@operation
def cond(x: ArrayLike, p: int | float | str | None = None) -> Array:
    """Condition numbers: how much the solution of a system can magnify errors.

    Args:
        x: matrices (..., m, n); square ones for other norms than 2 and -2.
        p: the norm; by default 2, the quotient of the largest and the smallest singular value.

    Returns:
        Real numbers, infinite for singular matrices.
    """

    if p is None or p in (2, -2):
        s = array(svd_values(matrix("cond", x), "N")[1])
        largest, smallest = max(s, -1), min(s, -1)
        return divide(smallest, largest) if p == -2 else divide(largest, smallest)
    value = array(matrix("cond", x, square=True))
    axes = (len(value.shape) - 2, len(value.shape) - 1)
    return multiply(_matrix("cond", value, axes, p, False), _matrix("cond", inv(value), axes, p, False))
