"""What the functions of `mycc.numpy` share: kinds of dtypes, axes, operands promoted to floats."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.errors import ConcretizationError
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, tensor
from mycc.dtypes import as_dtype as named_dtype
from mycc.dtypes import highest, kind_of, lowest, part_of
from mycc.emit import broadcast_shapes, operand
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify, promote

__all__ = [
    "Axis",
    "Shape",
    "as_dtype",
    "axes_of",
    "axis_of",
    "index_of",
    "inexact_dtype",
    "inexact_operands",
    "is_complex",
    "is_float",
    "is_inexact",
    "is_integer",
    "kind_of",
    "lowest",
    "highest",
    "part_of",
    "require",
    "scalar",
    "shape_of",
    "smallest_index_dtype",
]

Value: TypeAlias = ir.Value
Axis: TypeAlias = "int | Sequence[int] | None"
Shape: TypeAlias = "int | Sequence[int]"

BOOL, INT32, INT64, FLOAT32 = (np.dtype(t) for t in (np.bool_, np.int32, np.int64, np.float32))


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether elements are real floats."""
    return kind_of(dtype) == "f"


def is_complex(dtype: np.dtype[Any]) -> bool:
    """Whether elements are complex."""
    return dtype.kind == "c"


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """Whether elements are floats or complex."""
    return kind_of(dtype) in "fc"


def is_integer(dtype: np.dtype[Any]) -> bool:
    """Whether elements are integers (and not bools)."""
    return kind_of(dtype) in "iu"


def inexact_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which a function like sine takes elements of a dtype: integers become float32."""
    return dtype if is_inexact(dtype) else FLOAT32


def as_dtype(dtype: DTypeLike, default: np.dtype[Any] | None = None) -> np.dtype[Any]:
    """The dtype that a user's argument names, or a default for None; see `mycc.dtypes.as_dtype`."""
    return default if dtype is None and default is not None else named_dtype(dtype)


def smallest_index_dtype(size: int) -> np.dtype[Any]:
    """The dtype of positions in a dimension: int32 wherever it suffices."""
    return INT32 if size <= 2**31 - 1 else INT64


def scalar(dtype: np.dtype[Any], number: Any) -> Value:
    """A constant of shape ()."""
    return ops.full(tensor((), element_type(dtype)), number)


def shape_of(name: str, shape: Any) -> tuple[int, ...]:
    """A shape given as an integer or a sequence of them.

    Raises:
        ValueError: a size is negative.
        TypeError: a size is no integer.
    """
    try:
        sizes: tuple[int, ...] = (operator.index(shape),)
    except ConcretizationError:
        raise
    except TypeError:
        try:
            sizes = tuple(operator.index(n) for n in shape)
        except ConcretizationError:
            raise
        except TypeError:
            raise TypeError(f"{user_line()}: {name} takes a shape of integers, got {shape!r}") from None
    if any(n < 0 for n in sizes):
        raise ValueError(f"{user_line()}: {name} got the shape {sizes}; sizes cannot be negative")
    return sizes


def index_of(name: str, option: str, value: Any) -> int:
    """An option that is an integer.

    Raises:
        ConcretizationError: it is traced, and its number is not known.
        TypeError: it is no integer.
    """
    try:
        return operator.index(value)
    except ConcretizationError:
        raise
    except TypeError:
        raise TypeError(f"{user_line()}: {name} takes an integer {option}, got {value!r}") from None


def axis_of(name: str, axis: Any, ndim: int) -> int:
    """One axis, counted from the front.

    Raises:
        AxisError: (a ValueError and an IndexError) there is no such axis.
        TypeError: it is no integer.
    """
    index = index_of(name, "axis", axis)
    if not -ndim <= index < ndim:
        raise np.exceptions.AxisError(
            f"{user_line()}: {name} got axis {index} for an array of {ndim} dimensions; "
            + (f"axes run from {-ndim} to {ndim - 1}" if ndim else "it has no axes")
        )
    return index % ndim


def axes_of(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front, ascending; None stands for all.

    Raises:
        AxisError: there is no such axis.
        ValueError: one is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int:
        return (axis_of(name, axis, ndim),)
    try:
        entries = [operator.index(axis)]
    except ConcretizationError:
        raise
    except TypeError:
        entries = list(axis)
    axes = tuple(sorted(axis_of(name, a, ndim) for a in entries))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{user_line()}: {name} got axis={axis}, which names an axis twice")
    return axes


def inexact_operands(name: str, *xs: ArrayLike) -> tuple[list[Value], AbstractValue]:
    """Operands promoted together to floats or complex, and broadcast to one shape."""
    avals = [abstractify(x) for x in xs]
    dtype, weak = promote(avals)
    dtype = inexact_dtype(dtype)
    shape = broadcast_shapes(name, avals)
    values = [operand(x, aval, shape, dtype) for x, aval in zip(xs, avals, strict=True)]
    return values, AbstractValue(shape, dtype, weak)


def require(name: str, aval: AbstractValue, kinds: str, hint: str) -> None:
    """Check the kind of a dtype.

    Raises:
        TypeError: it is none of ``kinds``.
    """
    if kind_of(aval.dtype) not in kinds:
        raise TypeError(f"{user_line()}: {name} does not take dtype {aval.dtype}; {hint}")
