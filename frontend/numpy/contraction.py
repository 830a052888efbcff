"""Products of matrices and tensors."""

from __future__ import annotations

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
from mycc.numpy.support import BOOL, INT32, as_dtype, axis_of
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify, promote

__all__ = [
    "contract",
    "dot",
    "matmul",
    "precision_config",
    "tensordot",
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


def wider(aval: AbstractValue, preferred: DTypeLike | None) -> Any:
    """The element type in which a contraction is to add up, where that is not its operands'."""
    if preferred is None or aval.dtype == BOOL:
        return None
    target = as_dtype(preferred)
    return None if target == aval.dtype else element_type(target)


def mismatch(name: str, x: AbstractValue, y: AbstractValue, what: str) -> ValueError:
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
        raise mismatch("matmul", x_aval, y_aval, "both need dimensions; use multiply for numbers")
    if xs[-1] != ys[-2 if len(ys) > 1 else 0]:
        raise mismatch(
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
            raise mismatch(
                "matmul", x_aval, y_aval, "the leading dimensions do not broadcast together"
            ) from None
    out = [*range(lead), *(["n"] if len(xs) > 1 else []), *(["m"] if len(ys) > 1 else [])]
    return finished(
        contract(x, xl, y, yl, out, precision, wider(aval, preferred_element_type)),
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
            raise mismatch(
                "dot",
                x_aval,
                y_aval,
                "the last dimension of the first must equal the last but one of the second",
            )
        xl[-1] = yl[place] = "k"
    out = [label for label in (*xl, *yl) if label != "k"]
    return finished(
        contract(x, xl, y, yl, out, precision, wider(aval, preferred_element_type)),
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
            raise mismatch("tensordot", x_aval, y_aval, f"they have no {count} dimensions to sum over")
        over_x, over_y = list(range(x_ndim - count, x_ndim)), list(range(count))
    else:
        first, second = axes
        over_x = [axis_of("tensordot", d, x_ndim) for d in _sequence(first)]
        over_y = [axis_of("tensordot", d, y_ndim) for d in _sequence(second)]
    if [x_aval.shape[d] for d in over_x] != [y_aval.shape[d] for d in over_y]:
        raise mismatch(
            "tensordot", x_aval, y_aval, f"dimensions {over_x} and {over_y} differ in size or number"
        )
    x, y, aval = pair("tensordot", a, b)
    xl: list[Any] = [("x", d) for d in range(x_ndim)]
    yl: list[Any] = [("y", d) for d in range(y_ndim)]
    for i, (d, e) in enumerate(zip(over_x, over_y, strict=True)):
        xl[d] = yl[e] = i
    out = [label for label in (*xl, *yl) if not isinstance(label, int)]
    return finished(
        contract(x, xl, y, yl, out, precision, wider(aval, preferred_element_type)),
        aval,
        preferred_element_type,
    )


def _sequence(axes: Any) -> list[Any]:
    return [axes] if isinstance(axes, (int, np.integer)) else list(axes)
