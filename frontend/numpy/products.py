"""Products of vectors and tensors that are special contractions, and traces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.emit import convert
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.contraction import contract, dot, finished, matmul, mismatch, pair, tensordot, wider
from mycc.numpy.grids import diagonal_value
from mycc.numpy.reductions import no_out, summed_dtype
from mycc.numpy.support import as_dtype, axis_of, scalar
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "cross",
    "inner",
    "kron",
    "matvec",
    "outer",
    "trace",
    "vdot",
    "vecdot",
    "vecmat",
]

Value: TypeAlias = ir.Value
Labels: TypeAlias = Sequence[Any]


@operation
def inner(
    a: ArrayLike, b: ArrayLike, *, precision: Any = None, preferred_element_type: DTypeLike | None = None
) -> Array:
    """The sum of products over the last dimensions of both; of numbers, their product."""
    x_aval, y_aval = abstractify(a), abstractify(b)
    if not x_aval.shape or not y_aval.shape:
        return dot(a, b, precision=precision, preferred_element_type=preferred_element_type)
    if x_aval.shape[-1] != y_aval.shape[-1]:
        raise mismatch("inner", x_aval, y_aval, "the last dimensions must be equal")
    return tensordot(a, b, ((-1,), (-1,)), precision=precision, preferred_element_type=preferred_element_type)


@operation
def outer(a: ArrayLike, b: ArrayLike, out: None = None) -> Array:
    """The products of all elements of one array with all of another, as a matrix."""
    no_out("outer", out)
    x, y, aval = pair("outer", a, b)
    x = ops.reshape(x, (math.prod(x.type.shape),))
    y = ops.reshape(y, (math.prod(y.type.shape),))
    return finished(contract(x, ["x"], y, ["y"], ["x", "y"]), aval)


@operation
def vdot(
    a: ArrayLike, b: ArrayLike, *, precision: Any = None, preferred_element_type: DTypeLike | None = None
) -> Array:
    """The sum of products of all elements; the first array is conjugated."""
    from mycc.numpy.complexes import conj
    from mycc.numpy.shapes import ravel

    return dot(ravel(conj(a)), ravel(b), precision=precision, preferred_element_type=preferred_element_type)


@operation
def vecdot(
    x1: ArrayLike,
    x2: ArrayLike,
    /,
    *,
    axis: int = -1,
    precision: Any = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """The sum of products along an axis; the first array is conjugated, the other dimensions broadcast.

    Args:
        x1, x2: arrays.
        axis: the axis, of both.
        precision: as of `matmul`.
        preferred_element_type: as of `matmul`.

    Returns:
        An array of the common shape without the axis.
    """
    from mycc.numpy.complexes import conj
    from mycc.numpy.shapes import moveaxis

    left, right = (x if axis == -1 else moveaxis(x, axis, -1) for x in (conj(x1), x2))
    x_aval, y_aval = abstractify(left), abstractify(right)
    if not x_aval.shape or not y_aval.shape or x_aval.shape[-1] != y_aval.shape[-1]:
        raise mismatch("vecdot", x_aval, y_aval, f"the sizes along axis {axis} must be equal")
    x, y, aval = pair("vecdot", left, right)
    lead = max(len(x_aval.shape), len(y_aval.shape)) - 1
    xl = [*range(lead - len(x_aval.shape) + 1, lead), "k"]
    yl = [*range(lead - len(y_aval.shape) + 1, lead), "k"]
    result = contract(x, xl, y, yl, list(range(lead)), precision, wider(aval, preferred_element_type))
    return finished(result, aval, preferred_element_type)


@operation
def matvec(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Matrices times vectors: (..., n, k) and (..., k) give (..., n)."""
    from mycc.numpy.shapes import shaped

    sizes = abstractify(x2).shape
    product = matmul(x1, shaped(x2, (*sizes, 1)))
    return shaped(product, product.shape[:-1])


@operation
def vecmat(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Vectors, conjugated, times matrices: (..., k) and (..., k, m) give (..., m)."""
    from mycc.numpy.complexes import conj
    from mycc.numpy.shapes import shaped

    sizes = abstractify(x1).shape
    product = matmul(shaped(conj(x1), (*sizes[:-1], 1, sizes[-1])), x2)
    return shaped(product, (*product.shape[:-2], product.shape[-1]))


@operation
def kron(a: ArrayLike, b: ArrayLike) -> Array:
    """The Kronecker product: a with each element replaced by its product with b."""
    x, y, aval = pair("kron", a, b)
    xs, ys = tuple(x.type.shape), tuple(y.type.shape)
    ndim = max(len(xs), len(ys))
    xs, ys = (1,) * (ndim - len(xs)) + xs, (1,) * (ndim - len(ys)) + ys
    x, y = ops.reshape(x, xs), ops.reshape(y, ys)
    xl, yl = [("x", d) for d in range(ndim)], [("y", d) for d in range(ndim)]
    out = [label for both in zip(xl, yl, strict=True) for label in both]
    result = contract(x, xl, y, yl, out)
    return finished(ops.reshape(result, [n * m for n, m in zip(xs, ys, strict=True)]), aval)


@operation
def cross(
    a: ArrayLike, b: ArrayLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """The cross product of vectors of three (or two) components; other dimensions broadcast.

    Args:
        a, b: arrays.
        axisa, axisb: where their components lie.
        axisc: where the result's do.
        axis: stands for all three.

    Returns:
        The products; of vectors of two components, their third components alone.
    """
    from mycc.indexing import take
    from mycc.numpy.arithmetic import multiply, subtract
    from mycc.numpy.joining import stack
    from mycc.numpy.shapes import moveaxis

    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    sizes = x.shape[-1], y.shape[-1]
    if not all(n in (2, 3) for n in sizes):
        raise mismatch("cross", x._aval, y._aval, "vectors have two or three components")

    def minor(i: int, j: int) -> Array:
        terms = []
        for first, second in ((i, j), (j, i)):
            if first < sizes[0] and second < sizes[1]:
                terms.append(multiply(take(x, (..., first)), take(y, (..., second))))
            else:
                terms.append(multiply(multiply(take(x, (..., 0)), take(y, (..., 0))), 0))
        return subtract(*terms)

    if sizes == (2, 2):
        return minor(0, 1)
    return moveaxis(stack([minor(1, 2), minor(2, 0), minor(0, 1)], -1), -1, axisc)


@operation
def trace(
    a: ArrayLike,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: DTypeLike | None = None,
    out: None = None,
) -> Array:
    """The sum of a diagonal of two dimensions; arguments as of `diagonal`."""
    no_out("trace", out)
    value, aval = lift(a)
    ndim = len(aval.shape)
    if ndim < 2:
        raise ValueError(
            f"{user_line()}: trace takes arrays of two dimensions or more, got shape {aval.shape}"
        )
    target = as_dtype(dtype, summed_dtype(aval.dtype))
    diagonal = diagonal_value(value, offset, axis_of("trace", axis1, ndim), axis_of("trace", axis2, ndim))
    diagonal = convert(diagonal, aval.dtype, target)
    result = ops.reduce(diagonal, scalar(target, 0), (ndim - 2,), ops.add)
    return wrap(result, AbstractValue(tuple(result.type.shape), target, aval.weak_type and dtype is None))
