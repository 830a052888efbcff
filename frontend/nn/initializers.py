"""`mycc.nn.initializers`: functions that draw the first values of parameters.

Each returned function takes a key, a shape and optionally a dtype.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from mycc import random
from mycc.api import operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dtypes import as_dtype, kind_of
from mycc.emit import full, operand
from mycc.lax.checks import static_shape
from mycc.lowering.abstract import AbstractValue
from mycc.random.keys import Key
from mycc.source import user_line
from mycc.types import DTypeLike, abstractify

__all__ = [
    "Initializer", "constant", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "kaiming_normal",
    "kaiming_uniform", "lecun_normal", "lecun_uniform", "normal", "ones", "truncated_normal", "uniform",
    "variance_scaling", "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip

Shape = Sequence[int]
Axes = int | Sequence[int]

_FLOAT32 = np.dtype(np.float32)
# The standard deviation of a standard normal variable that is cut off at -2 and 2.
_TRUNCATED_DEVIATION = 0.87962566103423978


class Initializer(Protocol):
    """What draws the first values of a parameter."""

    def __call__(self, key: Key, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        """An array of the shape, drawn with the key."""


@operation
def _filled(shape: Shape, value: Any, dtype: Any) -> Array:
    sizes = static_shape("an initializer", shape)
    return wrap(operand(value, abstractify(value), sizes, dtype), AbstractValue(sizes, dtype))


def _dtype(dtype: DTypeLike | None, default: DTypeLike | None) -> np.dtype[Any]:
    chosen = default if dtype is None else dtype
    return _FLOAT32 if chosen is None else as_dtype(chosen)


def zeros(key: Key, shape: Shape, dtype: DTypeLike | None = None) -> Array:
    """Zeros; the key is not used."""
    return _filled(tuple(shape), 0, _dtype(dtype, None))


def ones(key: Key, shape: Shape, dtype: DTypeLike | None = None) -> Array:
    """Ones; the key is not used."""
    return _filled(tuple(shape), 1, _dtype(dtype, None))


def constant(value: Any, dtype: DTypeLike | None = None) -> Initializer:
    """Makes an initializer that gives one number, or an array that broadcasts to the shape."""
    default = dtype

    def init(key: Key, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        return _filled(tuple(shape), value, _dtype(dtype, default))

    return init


@operation
def _scaled(
    draw: str, key: Key, shape: Shape, dtype: Any, scale: Any, low: float = 0.0, high: float = 1.0
) -> Array:
    """Draws of a distribution times a number."""
    if draw == "truncated_normal":
        found = random.truncated_normal(key, low, high, shape, dtype)
    elif draw == "uniform":
        found = random.uniform(key, shape, dtype, low, high)
    else:
        found = random.normal(key, shape, dtype)
    value = operand(found, abstractify(found), found.shape, found.dtype)
    return wrap(
        ops.mul(value, full(found.shape, found.dtype, scale)), AbstractValue(found.shape, found.dtype)
    )


def uniform(scale: float = 1e-2, dtype: DTypeLike | None = None) -> Initializer:
    """Makes an initializer that draws evenly from [0, scale)."""
    default = dtype

    def init(key: Key, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        return _scaled("uniform", key, tuple(shape), _dtype(dtype, default), scale)

    return init


def normal(stddev: float = 1e-2, dtype: DTypeLike | None = None) -> Initializer:
    """Makes an initializer that draws from a normal distribution around 0."""
    default = dtype

    def init(key: Key, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        return _scaled("normal", key, tuple(shape), _dtype(dtype, default), stddev)

    return init


def truncated_normal(
    stddev: float = 1e-2, dtype: DTypeLike | None = None, lower: float = -2.0, upper: float = 2.0
) -> Initializer:
    """Makes an initializer that draws from a standard normal distribution within bounds, times ``stddev``."""
    default = dtype

    def init(key: Key, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        target = _dtype(dtype, default)
        return _scaled("truncated_normal", key, tuple(shape), target, stddev, float(lower), float(upper))

    return init


def _product(shape: tuple[int, ...], axes: Axes) -> int:
    return shape[axes] if isinstance(axes, int) else math.prod(shape[a] for a in axes)


def _fans(shape: tuple[int, ...], in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[float, float]:
    """How many inputs each output sums up, and the other way round."""
    if len(shape) <= 1 and in_axis == -2:
        raise ValueError(
            f"{user_line()}: variance scaling of a parameter of shape {shape} needs two dimensions; name "
            "in_axis and out_axis"
        )
    inputs, outputs = _product(shape, in_axis), _product(shape, out_axis)
    field = math.prod(shape) / inputs / outputs / _product(shape, batch_axis)
    return inputs * field, outputs * field


def variance_scaling(
    scale: float,
    mode: str,
    distribution: str,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
) -> Initializer:
    """Makes an initializer whose variance is ``scale`` over the number of inputs or outputs.

    Args:
        scale: a factor of the variance.
        mode: divide by ``"fan_in"``, ``"fan_out"``, their mean ``"fan_avg"``, or ``"fan_geo_avg"``.
        distribution: ``"truncated_normal"`` (at two standard deviations), ``"normal"`` or ``"uniform"``.
        in_axis: the dimensions of the parameter that count inputs.
        out_axis: those that count outputs.
        batch_axis: those that count neither.
        dtype: a float dtype; default float32.

    Raises:
        ValueError: no such mode or distribution.
    """
    if mode not in ("fan_in", "fan_out", "fan_avg", "fan_geo_avg"):
        raise ValueError(f"{user_line()}: variance_scaling has no mode {mode!r}")
    if distribution not in ("truncated_normal", "normal", "uniform"):
        raise ValueError(f"{user_line()}: variance_scaling has no distribution {distribution!r}")
    default = dtype

    def init(key: Key, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        sizes, target = tuple(int(n) for n in shape), _dtype(dtype, default)
        if kind_of(target) != "f":
            raise TypeError(f"{user_line()}: variance_scaling draws floats, got dtype {target}")
        if not math.prod(sizes):
            return _filled(sizes, 0, target)
        fan_in, fan_out = _fans(sizes, in_axis, out_axis, batch_axis)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = np.asarray(scale / fans.get(mode, math.sqrt(fan_in * fan_out)), target)
        if distribution == "truncated_normal":
            deviation = np.sqrt(variance) / np.asarray(_TRUNCATED_DEVIATION, target)
            return _scaled("truncated_normal", key, sizes, target, float(deviation), -2.0, 2.0)
        if distribution == "normal":
            return _scaled("normal", key, sizes, target, float(np.sqrt(variance)))
        width = float(np.sqrt(np.asarray(3, target) * variance))
        return _scaled("uniform", key, sizes, target, width, -1.0, 1.0)

    return init


def glorot_uniform(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Variance scaling of Glorot and Bengio (2010): 1 over the mean of inputs and outputs, drawn evenly."""
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis, batch_axis, dtype)


def glorot_normal(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Variance scaling of Glorot and Bengio (2010): 1 over the mean of inputs and outputs, drawn normally."""
    return variance_scaling(1.0, "fan_avg", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def lecun_uniform(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Variance scaling of LeCun et al. (1998): 1 over the inputs, drawn evenly."""
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def lecun_normal(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Variance scaling of LeCun et al. (1998): 1 over the inputs, drawn normally."""
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def he_uniform(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Variance scaling of He et al. (2015): 2 over the inputs, drawn evenly."""
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def he_normal(
    in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DTypeLike | None = None
) -> Initializer:
    """Variance scaling of He et al. (2015): 2 over the inputs, drawn normally."""
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal
