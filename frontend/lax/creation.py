"""Constants, and conversions between dtypes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.types import element_type, tensor
from mycc.dtypes import as_dtype
from mycc.emit import convert, operand
from mycc.emit import full as constant
from mycc.lax.checks import axis_of, check_kind, static_shape
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "bitcast_convert_type", "broadcasted_iota", "convert_element_type", "full", "full_like", "iota",
    "reduce_precision", "zeros_like_array",
]  # fmt: skip


@operation
def convert_element_type(operand: ArrayLike, new_dtype: DTypeLike) -> Array:
    """The array in another dtype; floats are rounded towards zero to integers, complex numbers lose their
    imaginary part, and what is not 0 becomes True.

    Args:
        operand: an array or number.
        new_dtype: the dtype of the result.
    """
    value, aval = lift(operand)
    target = as_dtype(new_dtype)
    return wrap(convert(value, aval.dtype, target), AbstractValue(aval.shape, target))


@operation
def bitcast_convert_type(operand: ArrayLike, new_dtype: DTypeLike) -> Array:
    """The bits of the array read as another dtype.

    A wider dtype takes up the last dimension, whose size must be the ratio of the widths; a narrower one adds
    such a dimension.
    """
    value, aval = lift(operand)
    target = as_dtype(new_dtype)
    old, new = aval.dtype.itemsize, target.itemsize
    shape = aval.shape
    if new < old:
        shape = (*shape, old // new)
    elif new > old:
        if not shape or shape[-1] * old != new:
            raise ValueError(
                f"{user_line()}: bitcast_convert_type from {aval.dtype} to {target} needs a last dimension "
                f"of size {new // old}, the shape is {shape}; reshape it first"
            )
        shape = shape[:-1]
    if target == aval.dtype:
        return wrap(value, AbstractValue(shape, target))
    return wrap(ops.bitcast_convert(value, tensor(shape, element_type(target))), AbstractValue(shape, target))


@operation
def reduce_precision(operand: ArrayLike, exponent_bits: int, mantissa_bits: int) -> Array:
    """The array rounded to a float format with the given numbers of bits, and back."""
    value, aval = lift(operand)
    check_kind("reduce_precision", aval.dtype, "f")
    return wrap(ops.reduce_precision(value, exponent_bits, mantissa_bits), aval)


@operation
def full(shape: Sequence[int], fill_value: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """An array of one number.

    Args:
        shape: of the result.
        fill_value: a scalar.
        dtype: of the result; default: that of ``fill_value``.

    Example:
        >>> full((2,), 7)
        Array([7, 7], dtype=int32, weak_type=True)
    """
    sizes = static_shape("full", shape)
    aval = abstractify(fill_value)
    if aval.shape:
        raise TypeError(f"{user_line()}: full takes a scalar to fill with, got one of shape {aval.shape}")
    target = aval.dtype if dtype is None else as_dtype(dtype)
    value = operand(fill_value, aval, sizes, target)
    return wrap(value, AbstractValue(sizes, target, aval.weak_type and dtype is None))


@operation
def full_like(
    x: ArrayLike, fill_value: ArrayLike, dtype: DTypeLike | None = None, shape: Sequence[int] | None = None
) -> Array:
    """An array of one number with the shape and dtype of another, or those given."""
    aval = abstractify(x)
    target = aval.dtype if dtype is None else as_dtype(dtype)
    sizes = aval.shape if shape is None else static_shape("full_like", shape)
    value = operand(fill_value, abstractify(fill_value), sizes, target)
    return wrap(value, AbstractValue(sizes, target, aval.weak_type and dtype is None))


def zeros_like_array(x: ArrayLike) -> Array:
    """Zeros of the shape and dtype of an array."""
    return full_like(x, 0)


@operation
def iota(dtype: DTypeLike, size: int) -> Array:
    """0, 1, ... as a vector of ``size`` elements."""
    target = as_dtype(dtype)
    sizes = static_shape("iota", (size,))
    return wrap(_count(sizes, target, 0), AbstractValue(sizes, target))


@operation
def broadcasted_iota(dtype: DTypeLike, shape: Sequence[int], dimension: int) -> Array:
    """0, 1, ... along one dimension of an array, constant along the others."""
    target = as_dtype(dtype)
    sizes = static_shape("broadcasted_iota", shape)
    return wrap(
        _count(sizes, target, axis_of("broadcasted_iota", dimension, len(sizes))),
        AbstractValue(sizes, target),
    )


def _count(shape: tuple[int, ...], dtype: np.dtype[np.generic], dimension: int) -> ops.Value:
    check_kind("iota", dtype, "fciu")
    if shape[dimension] <= 1:
        return constant(shape, dtype, 0)
    return ops.iota(tensor(shape, element_type(dtype)), dimension)
