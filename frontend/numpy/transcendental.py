"""Exponentials, logarithms, trigonometric and hyperbolic functions, roots."""

from __future__ import annotations

import math
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.bessel import bessel_i0e
from mycc.numpy.ufunc import binary_function, unary_function

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "exp",
    "exp2",
    "expm1",
    "hypot",
    "i0",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logaddexp2",
    "rad2deg",
    "radians",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
]

Value: TypeAlias = ir.Value


exp = unary_function("exp", ops.exp, "e to the power of each element.", inexact=True)
expm1 = unary_function("expm1", ops.expm1, "exp(x) - 1, exact near zero.", inexact=True)
log = unary_function("log", ops.log, "The natural logarithm.", inexact=True)
log1p = unary_function("log1p", ops.log1p, "log(1 + x), exact near zero.", inexact=True)
sqrt = unary_function("sqrt", ops.sqrt, "The square root.", inexact=True)
cbrt = unary_function("cbrt", ops.cbrt, "The cube root.", kinds="f", inexact=True)
sin = unary_function("sin", ops.sin, "The sine of angles in radians.", inexact=True)
cos = unary_function("cos", ops.cos, "The cosine of angles in radians.", inexact=True)
tan = unary_function("tan", ops.tan, "The tangent of angles in radians.", inexact=True)
sinh = unary_function("sinh", ops.sinh, "The hyperbolic sine.", inexact=True)
cosh = unary_function("cosh", ops.cosh, "The hyperbolic cosine.", inexact=True)
tanh = unary_function("tanh", ops.tanh, "The hyperbolic tangent.", inexact=True)


def _exp2(x: Value) -> Value:
    return ops.exp(ops.mul(x, ops.full_like(x, math.log(2))))


def _log2(x: Value) -> Value:
    return ops.div(ops.log(x), ops.full_like(x, math.log(2)))


def _log10(x: Value) -> Value:
    return ops.div(ops.log(x), ops.full_like(x, math.log(10)))


exp2 = unary_function("exp2", _exp2, "Two to the power of each element.", inexact=True)
log2 = unary_function("log2", _log2, "The logarithm to base 2.", inexact=True)
log10 = unary_function("log10", _log10, "The logarithm to base 10.", inexact=True)

arcsin = unary_function("arcsin", ops.asin, "The angle in [-pi/2, pi/2] whose sine is x.", inexact=True)
arccos = unary_function("arccos", ops.acos, "The angle in [0, pi] whose cosine is x.", inexact=True)
arctan = unary_function("arctan", ops.atan, "The angle in [-pi/2, pi/2] whose tangent is x.", inexact=True)
arcsinh = unary_function("arcsinh", ops.asinh, "The number whose hyperbolic sine is x.", inexact=True)
arccosh = unary_function("arccosh", ops.acosh, "The number >= 0 whose hyperbolic cosine is x.", inexact=True)
arctanh = unary_function("arctanh", ops.atanh, "The number whose hyperbolic tangent is x.", inexact=True)
arctan2 = binary_function(
    "arctan2",
    ops.atan2,
    "The angle of the point (y, x), in [-pi, pi]; the operands come as y, x.",
    inexact=True,
)
asin, acos, atan, atan2 = arcsin, arccos, arctan, arctan2
asinh, acosh, atanh = arcsinh, arccosh, arctanh

_RADIANS = math.pi / 180


def _to_radians(x: Value) -> Value:
    return ops.mul(x, ops.full_like(x, _RADIANS))


def _to_degrees(x: Value) -> Value:
    return ops.mul(x, ops.full_like(x, 1 / _RADIANS))


deg2rad = unary_function("deg2rad", _to_radians, "Angles in degrees as radians.", kinds="f", inexact=True)
radians = unary_function("radians", _to_radians, "Angles in degrees as radians.", kinds="f", inexact=True)
rad2deg = unary_function("rad2deg", _to_degrees, "Angles in radians as degrees.", kinds="f", inexact=True)
degrees = unary_function("degrees", _to_degrees, "Angles in radians as degrees.", kinds="f", inexact=True)


def _hypot(x: Value, y: Value) -> Value:
    # Divided by the larger side, squares neither overflow nor vanish.
    x, y = ops.abs_(x), ops.abs_(y)
    zero, one = ops.full_like(x, 0), ops.full_like(x, 1)
    large, small = ops.max_(x, y), ops.min_(x, y)
    degenerate = ops.compare("EQ", large, zero)
    ratio = ops.div(small, ops.select(degenerate, one, large))
    length = ops.mul(large, ops.sqrt(ops.add(one, ops.mul(ratio, ratio))))
    infinity = ops.full_like(x, math.inf)
    infinite = ops.or_(ops.compare("EQ", x, infinity), ops.compare("EQ", y, infinity))
    return ops.select(infinite, infinity, ops.select(degenerate, large, length))


hypot = binary_function(
    "hypot", _hypot, "The length of the hypotenuse over sides x and y.", kinds="f", inexact=True
)


def _complex_log_of_sum(x: Value, y: Value, scale: float) -> Value:
    larger = ops.compare("GE", ops.real(x), ops.real(y))
    large, small = ops.select(larger, x, y), ops.select(larger, y, x)
    factor = ops.full_like(x, scale)
    return ops.add(large, ops.div(ops.log1p(ops.exp(ops.mul(ops.sub(small, large), factor))), factor))


def _log_of_sum(x: Value, y: Value, scale: float) -> Value:
    difference = ops.sub(x, y)
    # Both the same infinity: the difference is NaN, and so would its derivative be.
    alike = ops.compare("NE", difference, difference)
    distance = ops.neg(ops.abs_(ops.select(alike, ops.full_like(x, 0), difference)))
    if scale == 1:
        excess = ops.log1p(ops.exp(distance))
    else:
        excess = ops.div(
            ops.log1p(ops.exp(ops.mul(distance, ops.full_like(x, scale)))), ops.full_like(x, scale)
        )
    return ops.select(alike, ops.add(x, y), ops.add(ops.max_(x, y), excess))


logaddexp = binary_function(
    "logaddexp",
    lambda x, y: _log_of_sum(x, y, 1),
    "log(exp(x) + exp(y)) without overflow.",
    inexact=True,
    other={"c": lambda x, y: _complex_log_of_sum(x, y, 1)},
)
logaddexp2 = binary_function(
    "logaddexp2",
    lambda x, y: _log_of_sum(x, y, math.log(2)),
    "log2(2**x + 2**y) without overflow.",
    inexact=True,
    other={"c": lambda x, y: _complex_log_of_sum(x, y, math.log(2))},
)


def _sinc(x: Value) -> Value:
    angle = ops.mul(x, ops.full_like(x, math.pi))
    magnitude = ops.abs_(angle)
    near = ops.compare("LT", magnitude, ops.full_like(magnitude, 0.02))
    far = ops.select(near, ops.full_like(angle, 1), angle)
    # Near zero the series, whose derivatives of any practical order hold there too.
    square = ops.mul(
        ops.select(near, angle, ops.full_like(angle, 0)), ops.select(near, angle, ops.full_like(angle, 0))
    )
    series = ops.full_like(angle, 0)
    for term in (1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1.0):
        series = ops.add(ops.mul(series, square), ops.full_like(angle, term))
    return ops.select(near, series, ops.div(ops.sin(far), far))


sinc = unary_function("sinc", _sinc, "sin(pi x) / (pi x), which is 1 at zero.", inexact=True)
i0 = unary_function(
    "i0",
    lambda x: ops.mul(ops.exp(ops.abs_(x)), bessel_i0e(x)),
    "The modified Bessel function of the first kind of order 0.",
    kinds="f",
    inexact=True,
)
