"""Distributions over floats with parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import shape_of
from mycc.emit import full
from mycc.lowering.abstract import AbstractValue
from mycc.random import threefry
from mycc.random.draw import erf_normal, float_dtype, parameter, sample_shape, unit
from mycc.random.keys import Key, key_value
from mycc.types import ArrayLike, DTypeLike

__all__ = [
    "double_sided_maxwell", "lognormal", "maxwell", "pareto", "rayleigh", "triangular", "wald", "weibull_min",
]  # fmt: skip

Shape = Sequence[int]
Value: TypeAlias = ir.Value


def _wrap(value: Value, dtype: np.dtype[Any]) -> Array:
    return wrap(value, AbstractValue(shape_of(value), dtype))


@operation
def lognormal(
    key: Key, sigma: ArrayLike = 1.0, shape: Shape | None = None, dtype: DTypeLike | None = None
) -> Array:
    """``exp(sigma * z)`` of standard normal floats ``z``.

    Args:
        key: a single key.
        sigma: the deviation of the logarithm, which broadcasts to the shape.
        shape: of the result; default: that of ``sigma``.
        dtype: a float dtype; default float32.
    """
    value = key_value("lognormal", key)
    target = float_dtype("lognormal", dtype)
    sizes = sample_shape("lognormal", shape, sigma)
    scale = parameter(sigma, sizes, target)
    return _wrap(ops.exp(ops.mul(erf_normal(value, sizes, target), scale)), target)


@operation
def rayleigh(key: Key, scale: ArrayLike, shape: Shape | None = None, dtype: DTypeLike | None = None) -> Array:
    """Floats of the density ``x / s ** 2 * exp(-x ** 2 / (2 * s ** 2))`` with the scale ``s``.

    Args:
        key: a single key.
        scale: broadcasts to the shape.
        shape: of the result; default: that of ``scale``.
        dtype: a float dtype; default float32.
    """
    value = key_value("rayleigh", key)
    target = float_dtype("rayleigh", dtype)
    sizes = sample_shape("rayleigh", shape, scale)
    logarithm = ops.log(unit(value, sizes, target))
    root = ops.sqrt(ops.mul(logarithm, ops.full_like(logarithm, -2)))
    return _wrap(ops.mul(parameter(scale, sizes, target), root), target)


@operation
def pareto(key: Key, b: ArrayLike, shape: Shape | None = None, dtype: DTypeLike | None = None) -> Array:
    """Floats of the density ``b / x ** (b + 1)`` above 1.

    Args:
        key: a single key.
        b: broadcasts to the shape.
        shape: of the result; default: that of ``b``.
        dtype: a float dtype; default float32.
    """
    value = key_value("pareto", key)
    target = float_dtype("pareto", dtype)
    sizes = sample_shape("pareto", shape, b)
    waited = ops.neg(ops.log1p(ops.neg(unit(value, sizes, target))))
    return _wrap(ops.exp(ops.div(waited, parameter(b, sizes, target))), target)


@operation
def weibull_min(
    key: Key, scale: ArrayLike, concentration: ArrayLike, shape: Shape = (), dtype: DTypeLike | None = None
) -> Array:
    """Floats of the Weibull distribution.

    Args:
        key: a single key.
        scale: broadcasts to the shape.
        concentration: broadcasts to the shape.
        shape: of the result.
        dtype: a float dtype; default float32.
    """
    value = key_value("weibull_min", key)
    target = float_dtype("weibull_min", dtype)
    sizes = sample_shape("weibull_min", shape, scale, concentration)
    waited = ops.neg(ops.log1p(ops.neg(unit(value, sizes, target))))
    exponent = ops.div(full(sizes, target, 1), parameter(concentration, sizes, target))
    return _wrap(ops.mul(ops.pow_(waited, exponent), parameter(scale, sizes, target)), target)


def _maxwell(key: Value, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Value:
    # A barrier, so that the squares are those of rounded numbers.
    (normal,) = ops.barrier([erf_normal(key, (*shape, 3), dtype)])
    return ops.sqrt(ops.sum_(ops.mul(normal, normal), [len(shape)]))


@operation
def maxwell(key: Key, shape: Shape = (), dtype: DTypeLike | None = None) -> Array:
    """Lengths of standard normal vectors of three elements."""
    value = key_value("maxwell", key)
    target = float_dtype("maxwell", dtype)
    return _wrap(_maxwell(value, sample_shape("maxwell", shape), target), target)


@operation
def double_sided_maxwell(
    key: Key, loc: ArrayLike, scale: ArrayLike, shape: Shape = (), dtype: DTypeLike | None = None
) -> Array:
    """``loc + scale * x`` of floats of the `maxwell` distribution with random sign.

    Args:
        key: a single key.
        loc: the centre.
        scale: broadcasts with ``loc``.
        shape: put in front of that of the parameters.
        dtype: a float dtype; default float32.
    """
    value = key_value("double_sided_maxwell", key)
    target = float_dtype("double_sided_maxwell", dtype)
    common = sample_shape("double_sided_maxwell", None, loc, scale)
    sizes = (*(tuple(int(n) for n in shape) or common), *common)
    first, second = threefry.subkeys(value, 2)
    size = _maxwell(first, sizes, target)
    u = unit(second, sizes, np.dtype(np.float32))
    heads = ops.compare("LT", u, ops.full_like(u, 0.5))
    sign = ops.select(heads, ops.full_like(size, 1), ops.full_like(size, -1))
    scaled = ops.mul(ops.mul(sign, size), parameter(scale, sizes, target))
    return _wrap(ops.add(scaled, parameter(loc, sizes, target)), target)


@operation
def triangular(
    key: Key,
    left: ArrayLike,
    mode: ArrayLike,
    right: ArrayLike,
    shape: Shape | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """Floats whose density rises from ``left`` to ``mode`` and falls to ``right``.

    Args:
        key: a single key.
        left: the least number; all three broadcast to the shape.
        mode: the most frequent one.
        right: the greatest one.
        shape: of the result; default: that of the parameters.
        dtype: a float dtype; default float32.
    """
    value = key_value("triangular", key)
    target = float_dtype("triangular", dtype)
    sizes = sample_shape("triangular", shape, left, mode, right)
    low, peak, high = (parameter(p, sizes, target) for p in (left, mode, right))
    width, rise, fall = ops.sub(high, low), ops.sub(peak, low), ops.sub(high, peak)
    u = unit(value, sizes, target)
    rising = ops.add(low, ops.sqrt(ops.mul(ops.mul(u, width), rise)))
    rest = ops.sub(ops.full_like(u, 1), u)
    falling = ops.sub(high, ops.sqrt(ops.mul(ops.mul(rest, width), fall)))
    return _wrap(ops.select(ops.compare("LT", u, ops.div(rise, width)), rising, falling), target)


@operation
def wald(key: Key, mean: ArrayLike, shape: Shape | None = None, dtype: DTypeLike | None = None) -> Array:
    """Floats of the Wald (inverse Gaussian) distribution with scale 1.

    Args:
        key: a single key.
        mean: broadcasts to the shape.
        shape: of the result; default: that of ``mean``.
        dtype: a float dtype; default float32.
    """
    value = key_value("wald", key)
    target = float_dtype("wald", dtype)
    sizes = sample_shape("wald", shape, mean)
    first, second = threefry.subkeys(value, 2)
    m = parameter(mean, sizes, target)
    v, z = erf_normal(first, sizes, target), unit(second, sizes, target)
    y, square = ops.mul(v, v), ops.mul(m, m)
    two, four = ops.full_like(m, 2), ops.full_like(m, 4)
    root = ops.sqrt(ops.add(ops.mul(ops.mul(four, m), y), ops.mul(square, ops.mul(y, y))))
    x = ops.sub(ops.add(m, ops.div(ops.mul(square, y), two)), ops.mul(ops.div(m, two), root))
    return _wrap(ops.select(ops.compare("LE", z, ops.div(m, ops.add(m, x))), x, ops.div(square, x)), target)
