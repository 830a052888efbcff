"""Activation functions.

Where one has a corner its derivative there follows JAX: that of `relu` at 0 is 0. What is written with
`select`
where `maximum` would do takes one side's derivative at a tie, and has right derivatives of every order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import shape_of
from mycc.emit import operands
from mycc.lax.checks import axis_of
from mycc.nn.parts import inexact
from mycc.source import user_line
from mycc.types import ArrayLike

__all__ = [
    "celu", "elu", "gelu", "glu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "identity",
    "leaky_relu", "log1mexp", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
    "soft_sign", "softplus", "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh",
]  # fmt: skip

Value: TypeAlias = ir.Value

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _of(x: ArrayLike, build: Callable[[Value], Value]) -> Array:
    value, aval = inexact(x)
    return wrap(build(value), aval)


def _with(name: str, x: ArrayLike, parameter: ArrayLike, build: Callable[[Value, Value], Value]) -> Array:
    """A function of an array and a parameter that broadcasts with it."""
    value, aval = inexact(x)
    (left, right), joint = operands(name, wrap(value, aval), parameter)
    return wrap(build(left, right), joint)


def _times(value: Value, number: float) -> Value:
    return ops.mul(value, ops.full_like(value, number))


def _plus(value: Value, number: float) -> Value:
    return ops.add(value, ops.full_like(value, number))


def _is(direction: str, value: Value, number: float) -> Value:
    return ops.compare(direction, value, ops.full_like(value, number))


@operation
def identity(x: ArrayLike) -> Array:
    """``x`` itself."""
    value, aval = lift(x)
    return wrap(value, aval)


@operation
def relu(x: ArrayLike) -> Array:
    """``max(x, 0)``; its derivative at 0 is 0.

    Example:
        >>> import mycc.numpy as mnp
        >>> relu(mnp.array([-1.0, 0.0, 2.0]))
        Array([0., 0., 2.], dtype=float32)
    """
    value, aval = lift(x)
    return wrap(ops.select(_is("LE", value, 0), ops.full_like(value, 0), value), aval)


def _relu6(value: Value) -> Value:
    low, high = ops.full_like(value, 0), ops.full_like(value, 6)
    return ops.select(
        ops.compare("LE", value, low), low, ops.select(ops.compare("GE", value, high), high, value)
    )


@operation
def relu6(x: ArrayLike) -> Array:
    """``min(max(x, 0), 6)``; its derivative at 0 and 6 is 0."""
    return _of(x, _relu6)


@operation
def leaky_relu(x: ArrayLike, negative_slope: ArrayLike = 1e-2) -> Array:
    """``x`` where it is not negative, else ``negative_slope * x``."""
    return _with("leaky_relu", x, negative_slope, lambda v, s: ops.select(_is("GE", v, 0), v, ops.mul(s, v)))


@operation
def sigmoid(x: ArrayLike) -> Array:
    """``1 / (1 + exp(-x))``."""
    return _of(x, ops.logistic)


@operation
def tanh(x: ArrayLike) -> Array:
    """Hyperbolic tangent."""
    return _of(x, ops.tanh)


@operation
def silu(x: ArrayLike) -> Array:
    """``x * sigmoid(x)``, also known as swish."""
    return _of(x, lambda v: ops.mul(v, ops.logistic(v)))


swish = silu


def _softplus(value: Value) -> Value:
    positive, zero = _is("GT", value, 0), ops.full_like(value, 0)
    # -|x|, with a derivative at 0 too.
    falling = ops.select(positive, ops.neg(value), value)
    return ops.add(ops.select(positive, value, zero), ops.log1p(ops.exp(falling)))


@operation
def softplus(x: ArrayLike) -> Array:
    """``log(1 + exp(x))``, which neither overflows nor loses digits."""
    return _of(x, _softplus)


@operation
def log_sigmoid(x: ArrayLike) -> Array:
    """``log(sigmoid(x))``."""
    return _of(x, lambda v: ops.neg(_softplus(ops.neg(v))))


@operation
def soft_sign(x: ArrayLike) -> Array:
    """``x / (abs(x) + 1)``."""
    return _of(x, lambda v: ops.div(v, _plus(ops.abs_(v), 1)))


def _elu(value: Value, alpha: Value) -> Value:
    positive = _is("GT", value, 0)
    # Without the guard the overflow of the exponential would reach the derivative as 0 * inf.
    guarded = ops.select(positive, ops.full_like(value, 0), value)
    return ops.select(positive, value, ops.mul(alpha, ops.expm1(guarded)))


@operation
def elu(x: ArrayLike, alpha: ArrayLike = 1.0) -> Array:
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``."""
    return _with("elu", x, alpha, _elu)


@operation
def selu(x: ArrayLike) -> Array:
    """The scaled `elu` of Klambauer et al., "Self-normalizing neural networks" (2017)."""
    return _of(x, lambda v: _times(_elu(v, ops.full_like(v, _SELU_ALPHA)), _SELU_SCALE))


@operation
def celu(x: ArrayLike, alpha: ArrayLike = 1.0) -> Array:
    """``x`` where it is positive, else ``alpha * (exp(x / alpha) - 1)``."""

    def build(value: Value, slope: Value) -> Value:
        positive = _is("GT", value, 0)
        guarded = ops.select(positive, ops.full_like(value, 0), value)
        return ops.select(positive, value, ops.mul(slope, ops.expm1(ops.div(guarded, slope))))

    return _with("celu", x, alpha, build)


@operation
def gelu(x: ArrayLike, approximate: bool = True) -> Array:
    """``x`` times the normal distribution function of ``x``.

    Args:
        x: an array.
        approximate: use the form with tanh of Hendrycks and Gimpel, "Gaussian error linear units" (2016).
    """

    def by_tanh(v: Value) -> Value:
        cubic = ops.add(v, _times(ops.mul(ops.mul(v, v), v), 0.044715))
        return ops.mul(v, _times(_plus(ops.tanh(_times(cubic, math.sqrt(2 / math.pi))), 1), 0.5))

    def by_erfc(v: Value) -> Value:
        return ops.mul(_times(v, 0.5), ops.erfc(_times(v, -math.sqrt(0.5))))

    return _of(x, by_tanh if approximate else by_erfc)


@operation
def mish(x: ArrayLike) -> Array:
    """``x * tanh(softplus(x))``."""
    return _of(x, lambda v: ops.mul(v, ops.tanh(_softplus(v))))


@operation
def squareplus(x: ArrayLike, b: ArrayLike = 4.0) -> Array:
    """``(x + sqrt(x * x + b)) / 2``."""
    return _with(
        "squareplus", x, b, lambda v, c: _times(ops.add(v, ops.sqrt(ops.add(ops.mul(v, v), c))), 0.5)
    )


@operation
def sparse_plus(x: ArrayLike) -> Array:
    """0 up to -1, ``x`` from 1 on, ``(x + 1) ** 2 / 4`` between."""

    def build(v: Value) -> Value:
        above = _plus(v, 1)
        middle = _times(ops.mul(above, above), 0.25)
        return ops.select(_is("LE", v, -1), ops.full_like(v, 0), ops.select(_is("GE", v, 1), v, middle))

    return _of(x, build)


def _limited(value: Value, low: float, high: float) -> Value:
    """Between two numbers; past them constant, its derivative 0."""
    least, most = ops.full_like(value, low), ops.full_like(value, high)
    return ops.select(
        ops.compare("GT", value, most), most, ops.select(ops.compare("LT", value, least), least, value)
    )


@operation
def sparse_sigmoid(x: ArrayLike) -> Array:
    """0 up to -1, 1 from 1 on, ``(x + 1) / 2`` between: the derivative of `sparse_plus`."""
    return _of(x, lambda v: _times(ops.clamp(ops.full_like(v, 0), _plus(v, 1), ops.full_like(v, 2)), 0.5))


@operation
def hard_tanh(x: ArrayLike) -> Array:
    """``x`` limited to [-1, 1]."""
    value, aval = lift(x)
    return wrap(_limited(value, -1, 1), aval)


@operation
def hard_sigmoid(x: ArrayLike) -> Array:
    """``relu6(x + 3) / 6``."""
    return _of(x, lambda v: _times(_relu6(_plus(v, 3)), 1 / 6))


@operation
def hard_silu(x: ArrayLike) -> Array:
    """``x * hard_sigmoid(x)``, also known as hard swish."""
    return _of(x, lambda v: ops.mul(v, _times(_relu6(_plus(v, 3)), 1 / 6)))


hard_swish = hard_silu


@operation
def log1mexp(x: ArrayLike) -> Array:
    """``log(1 - exp(-x))`` for positive ``x``, without loss of digits."""

    def build(v: Value) -> Value:
        small = _is("LT", v, math.log(2))
        one = ops.full_like(v, 1)
        # Each branch gets arguments at which it is finite, so that its derivative stays so.
        near = ops.log(ops.neg(ops.expm1(ops.neg(ops.select(small, v, one)))))
        far = ops.log1p(ops.neg(ops.exp(ops.neg(ops.select(small, one, v)))))
        return ops.select(small, near, far)

    return _of(x, build)


@operation
def glu(x: ArrayLike, axis: int = -1) -> Array:
    """The first half of a dimension times the `sigmoid` of the second.

    Raises:
        ValueError: the size of the dimension is odd.
    """
    value, aval = inexact(x)
    d = axis_of("glu", axis, len(aval.shape))
    half, odd = divmod(aval.shape[d], 2)
    if odd:
        raise ValueError(f"{user_line()}: glu needs an even size, dimension {d} of shape {aval.shape} is odd")
    low, middle, high = [0] * len(aval.shape), list(aval.shape), list(aval.shape)
    middle[d] = half
    first = ops.slice_(value, low, middle)
    low[d] = half
    found = ops.mul(first, ops.logistic(ops.slice_(value, low, high)))
    return wrap(found, type(aval)(shape_of(found), aval.dtype, aval.weak_type))
