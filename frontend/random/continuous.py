"""Distributions over floats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

from mycc.api import operation, wrap
from mycc.array import Array
from mycc.dialects import ops, transform
from mycc.dialects.mlir import ir
from mycc.dialects.types import shape_of
from mycc.dtypes import as_dtype, kind_of
from mycc.emit import broadcast, full
from mycc.lowering.abstract import AbstractValue
from mycc.random import threefry
from mycc.random.draw import (
    erf_normal,
    float_dtype,
    parameter,
    sample_shape,
    uniform_between,
    uniform_static,
    unit,
)
from mycc.random.keys import Key, key_value
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "bits", "cauchy", "exponential", "gumbel", "laplace", "logistic", "normal", "truncated_normal", "uniform",
]  # fmt: skip

Shape = Sequence[int]


def _wrap(value: ir.Value, dtype: Any) -> Array:
    return wrap(value, AbstractValue(shape_of(value), dtype))


@operation
def bits(key: Key, shape: Shape = (), dtype: DTypeLike | None = None) -> Array:
    """Random bits.

    Args:
        key: a single key.
        shape: of the result.
        dtype: an unsigned integer dtype; default uint32.
    """
    value = key_value("bits", key)
    target = np.dtype(np.uint32) if dtype is None else as_dtype(dtype)
    if kind_of(target) != "u":
        raise ValueError(f"{user_line()}: bits takes an unsigned integer dtype, got {target}")
    return _wrap(threefry.bits(value, target.itemsize * 8, sample_shape("bits", shape)), target)


@operation
def uniform(
    key: Key,
    shape: Shape = (),
    dtype: DTypeLike | None = None,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
) -> Array:
    """Floats evenly distributed over [minval, maxval).

    Args:
        key: a single key.
        shape: of the result.
        dtype: a float dtype; default float32.
        minval: inclusive lower bound, which broadcasts to the shape.
        maxval: exclusive upper bound.

    Example:
        >>> import mycc.random
        >>> mycc.random.uniform(mycc.random.key(0), (2,))
        Array([0.947667 , 0.9785799], dtype=float32)
    """
    value = key_value("uniform", key)
    target = float_dtype("uniform", dtype)
    sizes = sample_shape("uniform", shape, minval, maxval)
    if type(minval) is float and type(maxval) is float and (minval, maxval) == (0.0, 1.0):
        return _wrap(unit(value, sizes, target), target)
    bounds = parameter(minval, sizes, target), parameter(maxval, sizes, target)
    return _wrap(uniform_between(value, sizes, target, *bounds), target)


@operation
def normal(key: Key, shape: Shape = (), dtype: DTypeLike | None = None) -> Array:
    """Floats of the standard normal distribution.

    Args:
        key: a single key.
        shape: of the result.
        dtype: a float or complex dtype; default float32. Complex numbers have variance 1 in all.

    Example:
        >>> import mycc.random
        >>> mycc.random.normal(mycc.random.key(0), (2, 2)).shape
        (2, 2)
    """
    value = key_value("normal", key)
    target = float_dtype("normal", dtype, "fc")
    sizes = sample_shape("normal", shape)
    if target.kind != "c":
        return _wrap(erf_normal(value, sizes, target), target)
    part = np.dtype(np.float32 if target.itemsize == 8 else np.float64)
    re, im = (erf_normal(drawn, sizes, part) for drawn in threefry.subkeys(value, 2))
    return _wrap(ops.div(ops.complex_(re, im), full(sizes, target, np.sqrt(2))), target)


@operation
def truncated_normal(
    key: Key, lower: ArrayLike, upper: ArrayLike, shape: Shape | None = None, dtype: DTypeLike | None = None
) -> Array:
    """Floats of the standard normal distribution, given that they lie in (lower, upper).

    Args:
        key: a single key.
        lower: a bound that broadcasts to the shape.
        upper: the other bound.
        shape: of the result; default: that of the bounds.
        dtype: a float dtype; default float32.
    """
    value = key_value("truncated_normal", key)
    target = float_dtype("truncated_normal", dtype)
    sizes = sample_shape("truncated_normal", shape, lower, upper)
    root = math.sqrt(2)
    bounds, inside = [], []
    # Rounding must not lead out of the open interval.
    for bound, end in ((lower, math.inf), (upper, -math.inf)):
        # In the bound's own shape, so that what depends on it alone is computed once.
        shape_of_bound = abstractify(bound).shape
        limit = parameter(bound, shape_of_bound, target)
        towards = transform.stop_gradient(limit)
        next_inside = ops.nextafter(towards, ops.full_like(limit, end))
        bounds.append(broadcast(ops.erf(ops.div(limit, ops.full_like(limit, root))), shape_of_bound, sizes))
        inside.append(broadcast(next_inside, shape_of_bound, sizes))
    drawn = ops.erf_inv(uniform_between(value, sizes, target, *bounds))
    drawn = ops.mul(ops.full_like(drawn, root), drawn)
    return _wrap(ops.min_(ops.max_(drawn, inside[0]), inside[1]), target)


@operation
def exponential(key: Key, shape: Shape = (), dtype: DTypeLike | None = None) -> Array:
    """Floats of the density ``exp(-x)``."""
    value = key_value("exponential", key)
    target = float_dtype("exponential", dtype)
    u = unit(value, sample_shape("exponential", shape), target)
    return _wrap(ops.neg(ops.log1p(ops.neg(u))), target)


def gumbel_value(key: ir.Value, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ir.Value:
    """Floats of the Gumbel distribution."""
    u = uniform_static(key, shape, dtype, ml_dtypes.finfo(dtype).tiny, 1)
    return ops.neg(ops.log(ops.neg(ops.log(u))))


@operation
def gumbel(key: Key, shape: Shape = (), dtype: DTypeLike | None = None) -> Array:
    """Floats of the density ``exp(-x - exp(-x))``."""
    target = float_dtype("gumbel", dtype)
    return _wrap(gumbel_value(key_value("gumbel", key), sample_shape("gumbel", shape), target), target)


@operation
def laplace(key: Key, shape: Shape = (), dtype: DTypeLike | None = None) -> Array:
    """Floats of the density ``exp(-abs(x)) / 2``."""
    value = key_value("laplace", key)
    target = float_dtype("laplace", dtype)
    low = -1.0 + ml_dtypes.finfo(target).epsneg
    u = uniform_static(value, sample_shape("laplace", shape), target, low, 1)
    return _wrap(ops.mul(ops.sign(u), ops.log1p(ops.neg(ops.abs_(u)))), target)


@operation
def logistic(key: Key, shape: Shape = (), dtype: DTypeLike | None = None) -> Array:
    """Floats of the logistic distribution."""
    value = key_value("logistic", key)
    target = float_dtype("logistic", dtype)
    u = uniform_static(value, sample_shape("logistic", shape), target, ml_dtypes.finfo(target).tiny, 1)
    return _wrap(ops.sub(ops.log(u), ops.log1p(ops.neg(u))), target)


@operation
def cauchy(key: Key, shape: Shape = (), dtype: DTypeLike | None = None) -> Array:
    """Floats of the density ``1 / (pi * (1 + x * x))``."""
    value = key_value("cauchy", key)
    target = float_dtype("cauchy", dtype)
    u = uniform_static(value, sample_shape("cauchy", shape), target, ml_dtypes.finfo(target).eps, 1)
    centred = ops.sub(u, ops.full_like(u, 0.5))
    return _wrap(ops.tan(ops.mul(ops.full_like(u, np.pi), centred)), target)
