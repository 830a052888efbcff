"""Products that contract dimensions."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, TypeAlias

from mycc.api import operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import element_type, shape_of
from mycc.dtypes import as_dtype
from mycc.emit import operand as operand_of
from mycc.lax.checks import common_dtype
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "DotDimensionNumbers",
    "Precision",
    "PrecisionLike",
    "batch_matmul",
    "dot",
    "dot_general",
    "precision_config",
]


class Precision(enum.Enum):
    """How exactly products of float32 numbers are formed where hardware offers a choice."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


PrecisionLike: TypeAlias = str | Precision | tuple[str | Precision, str | Precision] | None
DotDimensionNumbers: TypeAlias = tuple[
    tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]
]

_NAMES = {
    "default": Precision.DEFAULT,
    "fastest": Precision.DEFAULT,
    "bfloat16": Precision.DEFAULT,
    "high": Precision.HIGH,
    "bfloat16_3x": Precision.HIGH,
    "tensorfloat32": Precision.HIGH,
    "highest": Precision.HIGHEST,
    "float32": Precision.HIGHEST,
}


def precision_config(precision: PrecisionLike) -> ir.Attribute | None:
    """The attribute of a precision for both operands.

    Raises:
        ValueError: no such precision.
    """
    if precision is None:
        return None
    both = precision if isinstance(precision, (tuple, list)) else (precision, precision)
    chosen = [p if isinstance(p, Precision) else _NAMES.get(str(p)) for p in both]
    if len(chosen) != 2 or any(p is None for p in chosen):
        raise ValueError(f"{user_line()}: no precision {precision!r}; there are {', '.join(_NAMES)}")
    attributes = [hlo.PrecisionAttr.get(p.name, context=context) for p in chosen if p is not None]
    return ir.ArrayAttr.get(attributes, context=context)


def _dims(name: str, dims: Sequence[int], ndim: int) -> tuple[int, ...]:
    found = tuple(int(d) for d in dims)
    if any(not 0 <= d < ndim for d in found) or len(set(found)) != len(found):
        raise TypeError(
            f"{user_line()}: {name} got the dimensions {found} of an array with {ndim} dimensions"
        )
    return found


@operation
def dot_general(
    lhs: ArrayLike,
    rhs: ArrayLike,
    dimension_numbers: Any,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """The contraction of two arrays.

    Args:
        lhs: an array.
        rhs: an array of the same dtype.
        dimension_numbers: ``((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch))``: dimensions summed
            over together, and dimensions that go along together.
        precision: see `Precision`.
        preferred_element_type: the dtype to sum up in, which the result has.

    Returns:
        An array whose dimensions are the batch dimensions, then the rest of lhs's, then of rhs's.

    Raises:
        TypeError: dtypes differ, or dimensions that belong together have different sizes.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> x, y = mnp.ones((8, 2, 3)), mnp.ones((8, 3, 4))
        >>> mycc.lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))).shape
        (8, 2, 4)
    """
    x, y = abstractify(lhs), abstractify(rhs)
    dtype, weak = common_dtype("dot_general", (x, y))
    (xc, yc), (xb, yb) = dimension_numbers
    xc, xb = _dims("dot_general", xc, len(x.shape)), _dims("dot_general", xb, len(x.shape))
    yc, yb = _dims("dot_general", yc, len(y.shape)), _dims("dot_general", yb, len(y.shape))
    pairs = [*zip(xc, yc, strict=False), *zip(xb, yb, strict=False)]
    if len(xc) != len(yc) or len(xb) != len(yb) or any(x.shape[i] != y.shape[j] for i, j in pairs):
        raise TypeError(
            f"{user_line()}: dot_general of shapes {x.shape} and {y.shape}: dimensions {xc} with {yc} "
            f"(contracted) and {xb} with {yb} (batch) must pair up with equal sizes"
        )
    target = dtype if preferred_element_type is None else as_dtype(preferred_element_type)
    value = ops.dot_general(
        operand_of(lhs, x, x.shape, dtype),
        operand_of(rhs, y, y.shape, dtype),
        contracting=(xc, yc),
        batching=(xb, yb),
        element=element_type(target),
        precision=precision_config(precision),
    )
    return wrap(value, AbstractValue(shape_of(value), target, weak and preferred_element_type is None))


@operation
def dot(
    lhs: ArrayLike,
    rhs: ArrayLike,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
    *,
    dimension_numbers: Any = None,
) -> Array:
    """The product of two vectors or matrices; with ``dimension_numbers`` that of `dot_general`.

    Raises:
        TypeError: an operand has another rank, or sizes differ.
    """
    if dimension_numbers is None:
        x, y = abstractify(lhs).shape, abstractify(rhs).shape
        if not (1 <= len(x) <= 2 and 1 <= len(y) <= 2 and x[-1] == y[0]):
            raise TypeError(
                f"{user_line()}: dot takes vectors and matrices whose inner sizes are equal, got shapes {x} "
                f"and {y}; use dot_general or mycc.numpy.matmul"
            )
        dimension_numbers = (((len(x) - 1,), (0,)), ((), ()))
    return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)


@operation
def batch_matmul(lhs: ArrayLike, rhs: ArrayLike, precision: PrecisionLike = None) -> Array:
    """Products of matrices over equal leading dimensions."""
    ndim = len(abstractify(lhs).shape)
    if ndim < 2 or ndim != len(abstractify(rhs).shape):
        raise TypeError(f"{user_line()}: batch_matmul takes arrays of one rank, at least 2")
    batch = tuple(range(ndim - 2))
    return dot_general(lhs, rhs, (((ndim - 1,), (ndim - 2,)), (batch, batch)), precision)
