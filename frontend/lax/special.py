"""Trigonometric, hyperbolic and special functions."""

from __future__ import annotations

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.rules.bessel import bessel_i0e as build_bessel_i0e
from mycc.lax.checks import binary, check_kind, unary
from mycc.types import ArrayLike

__all__ = [
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "bessel_i0e", "bessel_i1e", "cos", "cosh",
    "digamma", "erf", "erf_inv", "erfc", "lgamma", "polygamma", "sin", "sinh", "tan", "tanh", "zeta",
]  # fmt: skip

_INEXACT = "fc"


@operation
def sin(x: ArrayLike) -> Array:
    """Sine of an angle in radians."""
    return unary("sin", ops.sin, x, _INEXACT)


@operation
def cos(x: ArrayLike) -> Array:
    """Cosine of an angle in radians."""
    return unary("cos", ops.cos, x, _INEXACT)


@operation
def tan(x: ArrayLike) -> Array:
    """Tangent of an angle in radians."""
    return unary("tan", ops.tan, x, _INEXACT)


@operation
def asin(x: ArrayLike) -> Array:
    """Inverse sine."""
    return unary("asin", ops.asin, x, _INEXACT)


@operation
def acos(x: ArrayLike) -> Array:
    """Inverse cosine."""
    return unary("acos", ops.acos, x, _INEXACT)


@operation
def atan(x: ArrayLike) -> Array:
    """Inverse tangent."""
    return unary("atan", ops.atan, x, _INEXACT)


@operation
def atan2(x: ArrayLike, y: ArrayLike) -> Array:
    """The angle of the point (y, x): ``atan(x / y)`` in the right quadrant."""
    return binary("atan2", ops.atan2, x, y, _INEXACT)


@operation
def sinh(x: ArrayLike) -> Array:
    """Hyperbolic sine."""
    return unary("sinh", ops.sinh, x, _INEXACT)


@operation
def cosh(x: ArrayLike) -> Array:
    """Hyperbolic cosine."""
    return unary("cosh", ops.cosh, x, _INEXACT)


@operation
def tanh(x: ArrayLike) -> Array:
    """Hyperbolic tangent."""
    return unary("tanh", ops.tanh, x, _INEXACT)


@operation
def asinh(x: ArrayLike) -> Array:
    """Inverse hyperbolic sine."""
    return unary("asinh", ops.asinh, x, _INEXACT)


@operation
def acosh(x: ArrayLike) -> Array:
    """Inverse hyperbolic cosine."""
    return unary("acosh", ops.acosh, x, _INEXACT)


@operation
def atanh(x: ArrayLike) -> Array:
    """Inverse hyperbolic tangent."""
    return unary("atanh", ops.atanh, x, _INEXACT)


@operation
def erf(x: ArrayLike) -> Array:
    """The error function."""
    return unary("erf", ops.erf, x, "f")


@operation
def erfc(x: ArrayLike) -> Array:
    """``1 - erf(x)``, exact where it is small."""
    return unary("erfc", ops.erfc, x, "f")


@operation
def erf_inv(x: ArrayLike) -> Array:
    """The inverse of the error function."""
    return unary("erf_inv", ops.erf_inv, x, "f")


@operation
def lgamma(x: ArrayLike) -> Array:
    """Logarithm of the absolute value of the gamma function."""
    return unary("lgamma", ops.lgamma, x, "f")


@operation
def digamma(x: ArrayLike) -> Array:
    """Derivative of `lgamma`."""
    return unary("digamma", ops.digamma, x, "f")


@operation
def polygamma(m: ArrayLike, x: ArrayLike) -> Array:
    """Derivative of `digamma` of order ``m``, an array of integral floats."""
    return binary("polygamma", ops.polygamma, m, x, "f")


@operation
def zeta(x: ArrayLike, q: ArrayLike) -> Array:
    """Hurwitz's zeta function, the sum over k of ``(k + q) ** -x``."""
    return binary("zeta", ops.zeta, x, q, "f")


@operation
def bessel_i0e(x: ArrayLike) -> Array:
    """Modified Bessel function of order 0, times ``exp(-abs(x))``."""
    value, aval = lift(x)
    check_kind("bessel_i0e", aval.dtype, "f")
    return wrap(build_bessel_i0e(value), aval)


@operation
def bessel_i1e(x: ArrayLike) -> Array:
    """Modified Bessel function of order 1, times ``exp(-abs(x))``."""
    return unary("bessel_i1e", ops.bessel_i1e, x, "f")
