"""Products of matrices, and the forms that the Array API gives to functions of `mycc.numpy`."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from mycc.api import operation
from mycc.array import Array
from mycc.numpy import grids, products, shapes
from mycc.numpy.contraction import matmul
from mycc.numpy.grids import eye
from mycc.numpy.linalg.solving import inv
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = ["cross", "diagonal", "matrix_power", "matrix_transpose", "multi_dot", "outer", "trace"]

matrix_transpose = shapes.matrix_transpose


@operation
def cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Array:
    """The cross product of vectors of three components, which lie along an axis; the others broadcast."""
    sizes = [abstractify(x).shape[axis] if abstractify(x).shape else 0 for x in (x1, x2)]
    if sizes != [3, 3]:
        raise ValueError(
            f"{user_line()}: cross takes vectors of three components, got {sizes[0]} and {sizes[1]}"
        )
    return products.cross(x1, x2, axis=axis)


@operation
def outer(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The products of all elements of one vector with all of another, as a matrix."""
    shapes_ = abstractify(x1).shape, abstractify(x2).shape
    if any(len(s) != 1 for s in shapes_):
        raise ValueError(f"{user_line()}: outer takes two vectors, got shapes {shapes_[0]} and {shapes_[1]}")
    return products.outer(x1, x2)


@operation
def diagonal(x: ArrayLike, /, *, offset: int = 0) -> Array:
    """The diagonals of matrices (..., m, n)."""
    return grids.diagonal(x, offset, -2, -1)


@operation
def trace(x: ArrayLike, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Array:
    """The sums of the diagonals of matrices (..., m, n)."""
    return products.trace(x, offset, -2, -1, dtype)


@operation
def matrix_power(a: ArrayLike, n: int) -> Array:
    """Square matrices multiplied with themselves.

    Args:
        a: matrices (..., n, n).
        n: the exponent, an integer; of a negative one, powers of the inverse.
    """
    try:
        exponent = operator.index(n)
    except TypeError:
        raise TypeError(f"{user_line()}: matrix_power takes an integer exponent, got {n!r}") from None
    shape, dtype = abstractify(a).shape, abstractify(a).dtype
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"{user_line()}: matrix_power takes square matrices, got shape {shape}")
    if exponent == 0:
        return shapes.broadcast_to(eye(shape[-1], dtype=dtype), shape)
    base: Any = inv(a) if exponent < 0 else a
    exponent = abs(exponent)
    result: Any = None
    while True:
        if exponent & 1:
            result = base if result is None else matmul(result, base)
        exponent >>= 1
        if not exponent:
            return matmul(result, eye(shape[-1], dtype=dtype)) if result is a else result
        base = matmul(base, base)


def multi_dot(arrays: Sequence[ArrayLike], *, precision: Any = None) -> Array:
    """The product of several matrices, in the order that takes the fewest multiplications.

    Args:
        arrays: two or more matrices; the first and the last may be vectors.
        precision: as of `mycc.numpy.matmul`.

    Source: Cormen et al., "Introduction to Algorithms", section 15.2.
    """
    return _multi_dot(tuple(arrays), precision)


def _multi_dot(arrays: tuple[Any, ...], precision: Any) -> Array:
    if len(arrays) < 2:
        raise ValueError(f"{user_line()}: multi_dot takes two arrays or more, got {len(arrays)}")
    shapes_ = [abstractify(x).shape for x in arrays]
    ends = shapes_[0], shapes_[-1]
    if any(len(s) != 2 for s in shapes_[1:-1]) or any(len(s) not in (1, 2) for s in ends):
        raise ValueError(
            f"{user_line()}: multi_dot takes matrices, and vectors at the ends, got shapes {shapes_}"
        )
    # A vector at the front is a row, one at the end a column, for the count; matmul takes them as they are.
    sizes = [1 if len(ends[0]) == 1 else ends[0][0]]
    sizes += [s[0] for s in shapes_[1:]]
    sizes.append(1 if len(ends[1]) == 1 else ends[1][1])
    count = len(arrays)
    cost = [[0.0] * count for _ in range(count)]
    cut = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i][k] + cost[k + 1][j] + math.prod((sizes[i], sizes[k + 1], sizes[j + 1])), k)
                for k in range(i, j)
            ]
            cost[i][j], cut[i][j] = min(options)

    def product(i: int, j: int) -> Any:
        if i == j:
            return arrays[i]
        k = cut[i][j]
        return matmul(product(i, k), product(k + 1, j), precision=precision)

    return product(0, count - 1)  # type: ignore[no-any-return]
