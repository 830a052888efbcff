"""Elementwise arithmetic, comparison, logic and rounding."""

from __future__ import annotations

import enum
import math

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dtypes import kind_of, part_of, whole_of
from mycc.emit import broadcast, convert
from mycc.lax.checks import binary, check_kind, together, unary
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "RoundingMethod", "abs", "add", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "cbrt",
    "ceil", "clz", "complex", "conj", "div", "exp", "exp2", "expm1", "floor", "imag", "integer_pow",
    "is_finite", "log", "log1p", "logistic", "max", "min", "mul", "neg", "nextafter", "population_count",
    "pow", "real", "reciprocal", "rem", "round", "rsqrt", "shift_left", "shift_right_arithmetic",
    "shift_right_logical", "sign", "sqrt", "square", "sub",
]  # fmt: skip

_BOOL = np.dtype(np.bool_)
_NUMBERS = "fciu"
_INTEGERS = "iu"
_BITS = "iub"
_INEXACT = "fc"


class RoundingMethod(enum.IntEnum):
    """Where halfway cases of `round` go."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


# ---- Arithmetic ----------------------------------------------------------------------------------


@operation
def add(x: ArrayLike, y: ArrayLike) -> Array:
    """Sum of two arrays of one dtype and shape (or scalars); logical or of bools.

    Example:
        >>> add(1.0, 2.0)
        Array(3., dtype=float32, weak_type=True)
    """
    return binary("add", ops.add, x, y, "fciub")


@operation
def sub(x: ArrayLike, y: ArrayLike) -> Array:
    """Difference ``x - y``."""
    return binary("sub", ops.sub, x, y, _NUMBERS)


@operation
def mul(x: ArrayLike, y: ArrayLike) -> Array:
    """Product; logical and of bools."""
    return binary("mul", ops.mul, x, y, "fciub")


@operation
def div(x: ArrayLike, y: ArrayLike) -> Array:
    """Quotient ``x / y``; of integers it is rounded towards zero."""
    return binary("div", ops.div, x, y, _NUMBERS)


@operation
def rem(x: ArrayLike, y: ArrayLike) -> Array:
    """Remainder of ``x / y`` with the sign of ``x``, as C's ``%`` and ``fmod``."""
    return binary("rem", ops.rem, x, y, "fiu")


@operation
def max(x: ArrayLike, y: ArrayLike) -> Array:
    """The larger of two; NaN if one of them is."""
    return binary("max", ops.max_, x, y, "fciub")


@operation
def min(x: ArrayLike, y: ArrayLike) -> Array:
    """The smaller of two; NaN if one of them is."""
    return binary("min", ops.min_, x, y, "fciub")


@operation
def neg(x: ArrayLike) -> Array:
    """Negation; unsigned integers wrap around."""
    return unary("neg", ops.neg, x, _NUMBERS)


@operation
def sign(x: ArrayLike) -> Array:
    """-1, 0 or 1 by the sign of ``x``; of complex numbers ``x / abs(x)``."""
    value, aval = lift(x)
    check_kind("sign", aval.dtype, _NUMBERS)
    if kind_of(aval.dtype) == "u":
        value = ops.convert(ops.compare("NE", value, ops.full_like(value, 0)), ops.element_of(value))
    else:
        value = ops.sign(value)
    return wrap(value, aval)


@operation
def abs(x: ArrayLike) -> Array:
    """Magnitude; of complex numbers an array of floats."""
    value, aval = lift(x)
    check_kind("abs", aval.dtype, _NUMBERS)
    return wrap(value if kind_of(aval.dtype) == "u" else ops.abs_(value), _part(aval))


@operation
def square(x: ArrayLike) -> Array:
    """``x * x``."""
    return unary("square", lambda value: ops.mul(value, value), x, _NUMBERS)


@operation
def reciprocal(x: ArrayLike) -> Array:
    """``1 / x`` of floats and complex numbers."""
    return unary("reciprocal", lambda value: ops.div(ops.full_like(value, 1), value), x, _INEXACT)


def power_by_squaring(value: ir.Value, exponent: int) -> ir.Value:
    """A static integer power as multiplications."""
    if exponent < 0:
        return ops.div(ops.full_like(value, 1), power_by_squaring(value, -exponent))
    result: ir.Value | None = None
    while exponent:
        if exponent & 1:
            result = value if result is None else ops.mul(result, value)
        exponent >>= 1
        if exponent:
            value = ops.mul(value, value)
    return ops.full_like(value, 1) if result is None else result


@operation
def integer_pow(x: ArrayLike, y: int) -> Array:
    """``x`` to a static integer power, as multiplications.

    Raises:
        TypeError: ``x`` holds integers and ``y`` is negative.
    """
    value, aval = lift(x)
    check_kind("integer_pow", aval.dtype, _NUMBERS)
    if y < 0 and kind_of(aval.dtype) not in _INEXACT:
        raise TypeError(
            f"{user_line()}: integer_pow got {aval.dtype} and the power {y}; convert x to a float first"
        )
    return wrap(power_by_squaring(value, int(y)), aval)


@operation
def pow(x: ArrayLike, y: ArrayLike) -> Array:
    """``x ** y``; y may hold integers beside a float or complex ``x``."""
    base, power = abstractify(x), abstractify(y)
    if kind_of(power.dtype) not in _INTEGERS or kind_of(base.dtype) in _INTEGERS:
        return binary("pow", ops.pow_, x, y, _NUMBERS)
    check_kind("pow", base.dtype, _NUMBERS)
    if type(y) is int:
        return wrap(power_by_squaring(lift(x)[0], y), base)
    shape = base.shape or power.shape
    if power.shape not in ((), shape):
        together("pow", x, x, convert_like(y, base))
    left = broadcast(lift(x)[0], base.shape, shape)
    right = broadcast(convert(lift(y)[0], power.dtype, base.dtype), power.shape, shape)
    return wrap(ops.pow_(left, right), AbstractValue(shape, base.dtype, base.weak_type))


def convert_like(x: ArrayLike, aval: AbstractValue) -> Array:
    """``x`` in another dtype."""
    value, source = lift(x)
    return wrap(
        convert(value, source.dtype, aval.dtype), AbstractValue(source.shape, aval.dtype, aval.weak_type)
    )


# ---- Exponentials, logarithms and roots ----------------------------------------------------------


@operation
def exp(x: ArrayLike) -> Array:
    """``e ** x``."""
    return unary("exp", ops.exp, x, _INEXACT)


@operation
def exp2(x: ArrayLike) -> Array:
    """``2 ** x``."""
    return unary("exp2", lambda v: ops.exp(ops.mul(v, ops.full_like(v, math.log(2.0)))), x, _INEXACT)


@operation
def expm1(x: ArrayLike) -> Array:
    """``e ** x - 1``, exact near 0."""
    return unary("expm1", ops.expm1, x, _INEXACT)


@operation
def log(x: ArrayLike) -> Array:
    """Natural logarithm."""
    return unary("log", ops.log, x, _INEXACT)


@operation
def log1p(x: ArrayLike) -> Array:
    """``log(1 + x)``, exact near 0."""
    return unary("log1p", ops.log1p, x, _INEXACT)


@operation
def logistic(x: ArrayLike) -> Array:
    """``1 / (1 + exp(-x))``."""
    return unary("logistic", ops.logistic, x, _INEXACT)


@operation
def sqrt(x: ArrayLike) -> Array:
    """Square root."""
    return unary("sqrt", ops.sqrt, x, _INEXACT)


@operation
def rsqrt(x: ArrayLike) -> Array:
    """``1 / sqrt(x)``."""
    return unary("rsqrt", ops.rsqrt, x, _INEXACT)


@operation
def cbrt(x: ArrayLike) -> Array:
    """Real cube root."""
    return unary("cbrt", ops.cbrt, x, "f")


# ---- Rounding and floats -------------------------------------------------------------------------


@operation
def floor(x: ArrayLike) -> Array:
    """The largest integral float not above ``x``."""
    return unary("floor", ops.floor, x, "f")


@operation
def ceil(x: ArrayLike) -> Array:
    """The smallest integral float not below ``x``."""
    return unary("ceil", ops.ceil, x, "f")


@operation
def round(x: ArrayLike, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Array:
    """The nearest integral float; halfway cases by ``rounding_method``."""
    build = ops.round_away if rounding_method == RoundingMethod.AWAY_FROM_ZERO else ops.round_even
    return unary("round", build, x, "f")


@operation
def is_finite(x: ArrayLike) -> Array:
    """Whether each element is neither infinite nor NaN."""
    value, aval = lift(x)
    check_kind("is_finite", aval.dtype, "f")
    return wrap(ops.is_finite(value), AbstractValue(aval.shape, _BOOL))


@operation
def nextafter(x1: ArrayLike, x2: ArrayLike) -> Array:
    """The float next to ``x1`` on the way to ``x2``."""
    return binary("nextafter", ops.nextafter, x1, x2, "f")


# ---- Bits ----------------------------------------------------------------------------------------


@operation
def bitwise_not(x: ArrayLike) -> Array:
    """Complement of the bits; logical not of bools."""
    return unary("bitwise_not", ops.not_, x, _BITS)


@operation
def bitwise_and(x: ArrayLike, y: ArrayLike) -> Array:
    """And of the bits."""
    return binary("bitwise_and", ops.and_, x, y, _BITS)


@operation
def bitwise_or(x: ArrayLike, y: ArrayLike) -> Array:
    """Or of the bits."""
    return binary("bitwise_or", ops.or_, x, y, _BITS)


@operation
def bitwise_xor(x: ArrayLike, y: ArrayLike) -> Array:
    """Exclusive or of the bits."""
    return binary("bitwise_xor", ops.xor, x, y, _BITS)


@operation
def shift_left(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits of ``x`` shifted left by ``y``; 0 if that is all of them or more."""
    return binary("shift_left", ops.shift_left, x, y, _INTEGERS)


@operation
def shift_right_arithmetic(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits of ``x`` shifted right by ``y``, the sign moving in."""
    return binary("shift_right_arithmetic", ops.shift_right_arithmetic, x, y, _INTEGERS)


@operation
def shift_right_logical(x: ArrayLike, y: ArrayLike) -> Array:
    """Bits of ``x`` shifted right by ``y``, zeros moving in."""
    return binary("shift_right_logical", ops.shift_right_logical, x, y, _INTEGERS)


@operation
def population_count(x: ArrayLike) -> Array:
    """The number of set bits of each element."""
    return unary("population_count", ops.popcnt, x, _INTEGERS)


@operation
def clz(x: ArrayLike) -> Array:
    """The number of leading zero bits of each element."""
    return unary("clz", ops.clz, x, _INTEGERS)


# ---- Complex numbers -----------------------------------------------------------------------------


def _part(aval: AbstractValue) -> AbstractValue:
    return AbstractValue(aval.shape, part_of(aval.dtype), aval.weak_type)


@operation
def complex(x: ArrayLike, y: ArrayLike) -> Array:
    """The complex array of a real and an imaginary part, float32 or float64."""
    (re, im), aval = together("complex", x, y, kinds="f")
    whole = whole_of(aval.dtype)
    if whole is None:
        raise TypeError(f"{user_line()}: complex takes float32 or float64 parts, got {aval.dtype}")
    return wrap(ops.complex_(re, im), AbstractValue(aval.shape, whole, aval.weak_type))


@operation
def real(x: ArrayLike) -> Array:
    """The real part of a complex array."""
    value, aval = lift(x)
    check_kind("real", aval.dtype, "c")
    return wrap(ops.real(value), _part(aval))


@operation
def imag(x: ArrayLike) -> Array:
    """The imaginary part of a complex array."""
    value, aval = lift(x)
    check_kind("imag", aval.dtype, "c")
    return wrap(ops.imag(value), _part(aval))


@operation
def conj(x: ArrayLike) -> Array:
    """The complex conjugate; a float array becomes complex."""
    value, aval = lift(x)
    check_kind("conj", aval.dtype, _INEXACT)
    whole = whole_of(aval.dtype)
    if whole is not None:
        return wrap(
            ops.complex_(value, ops.full_like(value, 0)), AbstractValue(aval.shape, whole, aval.weak_type)
        )
    return wrap(ops.conj(value), aval)
