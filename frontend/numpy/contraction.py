"""Products of matrices and tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import element_type
from mycc.emit import convert
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.grids import diagonal_value
from mycc.numpy.reductions import no_out, summed_dtype
from mycc.numpy.support import BOOL, INT32, as_dtype, axis_of, scalar
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify, promote

__all__ = [
    "contract",
    "cross",
    "dot",
    "inner",
    "kron",
    "matmul",
    "matvec",
    "outer",
    "precision_config",
    "tensordot",
    "trace",
    "vdot",
    "vecdot",
    "vecmat",
]

Value: TypeAlias = ir.Value
Labels: TypeAlias = Sequence[Any]


def precision_config(precision: Any) -> ir.Attribute | None:
    """The attribute of a contraction's precision.

    Args:
        precision: None, "default", "high" or "highest", or a pair of these for the two operands.

    Raises:
        ValueError: it is none of them.
    """
    if precision is None:
        return None
    pair = precision if isinstance(precision, (tuple, list)) else (precision, precision)
    names = [str(getattr(p, "name", p) or "default").upper() for p in pair]
    if any(name not in ("DEFAULT", "HIGH", "HIGHEST") for name in names) or len(names) != 2:
        raise ValueError(
            f"{user_line()}: got precision={precision!r}; it takes 'default', 'high' or 'highest'"
        )
    attributes = [hlo.PrecisionAttr.get(name, context=context) for name in names]
    return ir.ArrayAttr.get(attributes, context=context)


def contract(
    x: Value, xl: Labels, y: Value, yl: Labels, out: Labels, precision: Any = None, element: Any = None
) -> Value:
    """The product of two values whose dimensions have labels, summed over those that both have and ``out``
    lacks.

    Labels that only one of them has must be in ``out``. A dimension of size 1 where the other has more counts
    for nothing.
    """
    x, xl, y, yl = _without_ones(x, list(xl), y, list(yl))
    contracted = [label for label in xl if label in yl and label not in out]
    if not contracted and element is None:
        return _product(x, xl, y, yl, out)
    batch = [label for label in out if label in xl and label in yl]
    free_x = [label for label in xl if label not in yl]
    free_y = [label for label in yl if label not in xl]
    if [*batch, *free_x, *free_y] != list(out) and [*batch, *free_y, *free_x] == list(out):
        x, xl, y, yl, free_x, free_y = y, yl, x, xl, free_y, free_x
    result = ops.dot_general(
        x,
        y,
        contracting=([xl.index(c) for c in contracted], [yl.index(c) for c in contracted]),
        batching=([xl.index(b) for b in batch], [yl.index(b) for b in batch]),
        precision=precision_config(precision),
        element=element,
    )
    made = [*batch, *free_x, *free_y]
    return ops.transpose(result, [made.index(label) for label in out])


def _without_ones(
    x: Value, xl: list[Any], y: Value, yl: list[Any]
) -> tuple[Value, list[Any], Value, list[Any]]:
    xs, ys = tuple(x.type.shape), tuple(y.type.shape)
    sizes = dict(zip(yl, ys, strict=True))
    if all(sizes.get(label, n) == n for label, n in zip(xl, xs, strict=True)):
        return x, xl, y, yl
    drop_x = [d for d, label in enumerate(xl) if label in yl and xs[d] == 1 and ys[yl.index(label)] != 1]
    drop_y = [d for d, label in enumerate(yl) if label in xl and ys[d] == 1 and xs[xl.index(label)] != 1]
    x = ops.reshape(x, [n for d, n in enumerate(xs) if d not in drop_x])
    y = ops.reshape(y, [n for d, n in enumerate(ys) if d not in drop_y])
    return (
        x,
        [v for d, v in enumerate(xl) if d not in drop_x],
        y,
        [v for d, v in enumerate(yl) if d not in drop_y],
    )


def _product(x: Value, xl: list[Any], y: Value, yl: list[Any], out: Labels) -> Value:
    """A product without sums: both spread over the result's dimensions."""
    sizes = dict(zip(xl, x.type.shape, strict=True)) | dict(zip(yl, y.type.shape, strict=True))
    shape = [sizes[label] for label in out]
    return ops.mul(*(_spread(v, labels, shape, out) for v, labels in ((x, xl), (y, yl))))


def _spread(value: Value, labels: list[Any], shape: list[int], out: Labels) -> Value:
    order = sorted(range(len(labels)), key=lambda d: list(out).index(labels[d]))
    value = ops.transpose(value, order)
    return ops.broadcast_in_dim(value, shape, [list(out).index(labels[d]) for d in order])


def pair(
    name: str, x: ArrayLike, y: ArrayLike, preferred: DTypeLike | None = None
) -> tuple[Value, Value, AbstractValue]:
    """Two operands in their common dtype, and what is known of it; bools are taken as integers."""
    left, left_aval = lift(x)
    right, right_aval = lift(y)
    dtype, weak = promote([left_aval, right_aval])
    working = INT32 if dtype == BOOL else dtype
    values = [
        convert(convert(v, a.dtype, dtype), dtype, working)
        for v, a in ((left, left_aval), (right, right_aval))
    ]
    return values[0], values[1], AbstractValue((), dtype, weak)


def finished(result: Value, aval: AbstractValue, preferred: DTypeLike | None = None) -> Array:
    """The result of a contraction as an array of the operands' dtype, or the preferred one."""
    target = as_dtype(preferred, aval.dtype)
    if aval.dtype == BOOL and target == BOOL:
        result = ops.compare("NE", result, ops.full_like(result, 0))
    result = ops.convert(result, element_type(target))
    return wrap(result, AbstractValue(tuple(result.type.shape), target, aval.weak_type and preferred is None))


def _wide(aval: AbstractValue, preferred: DTypeLike | None) -> Any:
    """The element type in which a contraction is to add up, where that is not its operands'."""
    if preferred is None or aval.dtype == BOOL:
        return None
    target = as_dtype(preferred)
    return None if target == aval.dtype else element_type(target)


def _mismatch(name: str, x: AbstractValue, y: AbstractValue, what: str) -> ValueError:
    return ValueError(f"{user_line()}: {name} got shapes {x.shape} and {y.shape}: {what}")


@operation
def matmul(
    a: ArrayLike, b: ArrayLike, *, precision: Any = None, preferred_element_type: DTypeLike | None = None
) -> Array:
    """The matrix product of the last two dimensions; the others broadcast.

    Args:
        a: an array of shape (..., n, k), or a vector of k.
        b: an array of shape (..., k, m), or a vector of k.
        precision: "default", "high" or "highest": how exact the products are, where hardware has a choice.
        preferred_element_type: the dtype to add up in and to return.

    Returns:
        An array of shape (..., n, m); vectors lose their dimension.

    Raises:
        ValueError: the shapes do not fit, or an operand has no dimensions.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.matmul(mnp.ones((2, 3)), mnp.ones((3, 4))).shape
        (2, 4)
    """
    x_aval, y_aval = abstractify(a), abstractify(b)
    xs, ys = x_aval.shape, y_aval.shape
    if not xs or not ys:
        raise _mismatch("matmul", x_aval, y_aval, "both need dimensions; use multiply for numbers")
    if xs[-1] != ys[-2 if len(ys) > 1 else 0]:
        raise _mismatch(
            "matmul",
            x_aval,
            y_aval,
            "the last dimension of the first must equal the last but one of the second",
        )
    x, y, aval = pair("matmul", a, b)
    lead = max(len(xs), len(ys), 2) - 2
    xl = [*range(lead - len(xs) + 2, lead), "n", "k"] if len(xs) > 1 else ["k"]
    yl = [*range(lead - len(ys) + 2, lead), "k", "m"] if len(ys) > 1 else ["k"]
    if lead:
        try:
            np.broadcast_shapes(xs[:-2], ys[:-2])
        except ValueError:
            raise _mismatch(
                "matmul", x_aval, y_aval, "the leading dimensions do not broadcast together"
            ) from None
    out = [*range(lead), *(["n"] if len(xs) > 1 else []), *(["m"] if len(ys) > 1 else [])]
    return finished(
        contract(x, xl, y, yl, out, precision, _wide(aval, preferred_element_type)),
        aval,
        preferred_element_type,
    )


@operation
def dot(
    a: ArrayLike, b: ArrayLike, *, precision: Any = None, preferred_element_type: DTypeLike | None = None
) -> Array:
    """The sum of products over the last dimension of a and the last but one of b.

    Args:
        a: an array; a number multiplies.
        b: an array.
        precision: as of `matmul`.
        preferred_element_type: as of `matmul`.

    Returns:
        An array of a's other dimensions, then b's.

    Raises:
        ValueError: the summed dimensions differ.
    """
    x_aval, y_aval = abstractify(a), abstractify(b)
    xs, ys = x_aval.shape, y_aval.shape
    x, y, aval = pair("dot", a, b)
    xl: list[Any] = [("x", d) for d in range(len(xs))]
    yl: list[Any] = [("y", d) for d in range(len(ys))]
    if xs and ys:
        place = -2 if len(ys) > 1 else -1
        if xs[-1] != ys[place]:
            raise _mismatch(
                "dot",
                x_aval,
                y_aval,
                "the last dimension of the first must equal the last but one of the second",
            )
        xl[-1] = yl[place] = "k"
    out = [label for label in (*xl, *yl) if label != "k"]
    return finished(
        contract(x, xl, y, yl, out, precision, _wide(aval, preferred_element_type)),
        aval,
        preferred_element_type,
    )


@operation
def tensordot(
    a: ArrayLike,
    b: ArrayLike,
    axes: Any = 2,
    *,
    precision: Any = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """The sum of products over pairs of dimensions.

    Args:
        a, b: arrays.
        axes: how many of a's last and b's first dimensions to sum over, or two sequences of dimensions.
        precision: as of `matmul`.
        preferred_element_type: as of `matmul`.

    Returns:
        An array of a's other dimensions, then b's.

    Raises:
        ValueError: the dimensions' sizes or numbers differ.
    """
    x_aval, y_aval = abstractify(a), abstractify(b)
    x_ndim, y_ndim = len(x_aval.shape), len(y_aval.shape)
    if isinstance(axes, (int, np.integer)):
        count = int(axes)
        if not 0 <= count <= min(x_ndim, y_ndim):
            raise _mismatch("tensordot", x_aval, y_aval, f"they have no {count} dimensions to sum over")
        over_x, over_y = list(range(x_ndim - count, x_ndim)), list(range(count))
    else:
        first, second = axes
        over_x = [axis_of("tensordot", d, x_ndim) for d in _sequence(first)]
        over_y = [axis_of("tensordot", d, y_ndim) for d in _sequence(second)]
    if [x_aval.shape[d] for d in over_x] != [y_aval.shape[d] for d in over_y]:
        raise _mismatch(
            "tensordot", x_aval, y_aval, f"dimensions {over_x} and {over_y} differ in size or number"
        )
    x, y, aval = pair("tensordot", a, b)
    xl: list[Any] = [("x", d) for d in range(x_ndim)]
    yl: list[Any] = [("y", d) for d in range(y_ndim)]
    for i, (d, e) in enumerate(zip(over_x, over_y, strict=True)):
        xl[d] = yl[e] = i
    out = [label for label in (*xl, *yl) if not isinstance(label, int)]
    return finished(
        contract(x, xl, y, yl, out, precision, _wide(aval, preferred_element_type)),
        aval,
        preferred_element_type,
    )


def _sequence(axes: Any) -> list[Any]:
    return [axes] if isinstance(axes, (int, np.integer)) else list(axes)


@operation
def inner(
    a: ArrayLike, b: ArrayLike, *, precision: Any = None, preferred_element_type: DTypeLike | None = None
) -> Array:
    """The sum of products over the last dimensions of both; of numbers, their product."""
    x_aval, y_aval = abstractify(a), abstractify(b)
    if not x_aval.shape or not y_aval.shape:
        return dot(a, b, precision=precision, preferred_element_type=preferred_element_type)
    if x_aval.shape[-1] != y_aval.shape[-1]:
        raise _mismatch("inner", x_aval, y_aval, "the last dimensions must be equal")
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
        raise _mismatch("vecdot", x_aval, y_aval, f"the sizes along axis {axis} must be equal")
    x, y, aval = pair("vecdot", left, right)
    lead = max(len(x_aval.shape), len(y_aval.shape)) - 1
    xl = [*range(lead - len(x_aval.shape) + 1, lead), "k"]
    yl = [*range(lead - len(y_aval.shape) + 1, lead), "k"]
    result = contract(x, xl, y, yl, list(range(lead)), precision, _wide(aval, preferred_element_type))
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
        raise _mismatch("cross", x._aval, y._aval, "vectors have two or three components")

    def minor(i: int, j: int) -> Any:
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
