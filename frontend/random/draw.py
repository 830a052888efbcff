"""Draws as operations on values: what the distributions are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, tensor
from mycc.dtypes import as_dtype
from mycc.emit import full
from mycc.lax.checks import check_kind, static_shape
from mycc.random import threefry
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = ["erf_normal", "float_dtype", "parameter", "sample_shape", "unit", "uniform_between"]

Value: TypeAlias = ir.Value
Dtype = np.dtype[Any]
Shape = tuple[int, ...]

_FLOAT32 = np.dtype(np.float32)


def float_dtype(name: str, dtype: Any, kinds: str = "f") -> Dtype:
    """The dtype of a draw; float32 if none is given."""
    found = _FLOAT32 if dtype is None else as_dtype(dtype)
    check_kind(f"{name} (its dtype)", found, kinds)
    return found


def sample_shape(name: str, shape: Sequence[int] | None, *parameters: ArrayLike) -> Shape:
    """The shape of a draw: as given, which the parameters must broadcast to, or theirs.

    Raises:
        ValueError: the parameters do not broadcast to the shape, or to one another.
        TypeError: a size is no integer.
    """
    shapes = [abstractify(p).shape for p in parameters]
    sizes = None if shape is None else static_shape(name, shape)
    try:
        common = np.broadcast_shapes(*shapes)
        if sizes is None:
            return common
        fits = np.broadcast_shapes(sizes, common) == sizes
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{user_line()}: {name} got shape {sizes} and parameters of shapes {shapes}, which do not "
            "broadcast to it"
        )
    return sizes or ()


def parameter(x: ArrayLike, shape: Shape, dtype: Dtype) -> Value:
    """A parameter of a distribution in the dtype and shape of the draw."""
    from mycc.emit import operand

    return operand(x, abstractify(x), shape, dtype)


def unit(key: Value, shape: Shape, dtype: Dtype) -> Value:
    """Floats in [0, 1): random mantissas under the exponent of 1, less 1."""
    info = ml_dtypes.finfo(dtype)
    width, mantissa = info.bits, info.nmant
    drawn = width if mantissa >= 8 else 8
    word = np.dtype(f"uint{width}")
    bits = ops.convert(threefry.bits(key, drawn, shape), element_type(word))
    bits = ops.shift_right_logical(bits, ops.full_like(bits, drawn - mantissa))
    one = int(np.array(1, dtype).view(word))
    bits = ops.or_(bits, ops.full_like(bits, one))
    floats = ops.bitcast_convert(bits, tensor(shape, element_type(dtype)))
    return ops.sub(floats, ops.full_like(floats, 1))


def uniform_between(key: Value, shape: Shape, dtype: Dtype, low: Value, high: Value) -> Value:
    """Floats in [low, high), the bounds being values of the draw's shape."""
    floats = unit(key, shape, dtype)
    return ops.max_(low, ops.add(ops.mul(floats, ops.sub(high, low)), low))


def uniform_static(key: Value, shape: Shape, dtype: Dtype, low: Any, high: Any) -> Value:
    """Floats in [low, high) for bounds that are known."""
    bounds = [np.asarray(bound, dtype) for bound in (low, high)]
    lows, span = full(shape, dtype, bounds[0]), full(shape, dtype, bounds[1] - bounds[0])
    floats = unit(key, shape, dtype)
    return ops.max_(lows, ops.add(ops.mul(floats, span), lows))


def erf_normal(key: Value, shape: Shape, dtype: Dtype) -> Value:
    """Standard normal floats: the inverse error function of uniform ones in (-1, 1)."""
    one = np.array(1, dtype)
    low = np.nextafter(-one, np.array(0, dtype))
    u = uniform_static(key, shape, dtype, low, one)
    return ops.mul(full(shape, dtype, np.sqrt(2)), ops.erf_inv(u))
