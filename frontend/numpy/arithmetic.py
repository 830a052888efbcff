"""Arithmetic: sums, products, quotients, powers, roundings, signs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of
from mycc.emit import convert, operands
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import (
    inexact_dtype,
    inexact_operands,
    is_complex,
    is_float,
    is_inexact,
    kind_of,
    require,
)
from mycc.numpy.ufunc import binary_function, unary_function
from mycc.source import user_line
from mycc.trace import current
from mycc.types import ArrayLike

__all__ = [
    "abs",
    "absolute",
    "add",
    "ceil",
    "divide",
    "divmod",
    "fabs",
    "fix",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "maximum",
    "minimum",
    "mod",
    "modf",
    "multiply",
    "negative",
    "positive",
    "pow",
    "power",
    "reciprocal",
    "remainder",
    "rint",
    "round",
    "around",
    "sign",
    "square",
    "subtract",
    "true_divide",
    "trunc",
]

Value: TypeAlias = ir.Value


add = binary_function("add", ops.add, "Elementwise sum.")
subtract = binary_function("subtract", ops.sub, "Elementwise difference.", kinds="iufc")
multiply = binary_function("multiply", ops.mul, "Elementwise product.")
true_divide = binary_function(
    "true_divide", ops.div, "Elementwise quotient; integers become floats.", inexact=True
)
divide = binary_function("divide", ops.div, "Elementwise quotient; integers become floats.", inexact=True)
negative = unary_function("negative", ops.neg, "Elementwise negation.", kinds="iufc")
positive = unary_function("positive", lambda x: x, "The numbers themselves.")
square = unary_function("square", lambda x: ops.mul(x, x), "Elementwise square.", counted=True)
reciprocal = unary_function(
    "reciprocal", lambda x: ops.div(ops.full_like(x, 1), x), "One divided by each element.", inexact=True
)


def _same(x: Value) -> Value:
    return x


_UNTOUCHED = {"b": _same, "u": _same}
absolute = unary_function(
    "absolute", ops.abs_, "Elementwise absolute value.", result="part", other=_UNTOUCHED
)
abs = unary_function("abs", ops.abs_, "Elementwise absolute value.", result="part", other=_UNTOUCHED)
fabs = unary_function("fabs", ops.abs_, "Elementwise absolute value as a float.", kinds="f", inexact=True)


def _positive_sign(x: Value) -> Value:
    return convert(ops.compare("NE", x, ops.full_like(x, 0)), np.dtype(bool), dtype_of(x.type))


sign = unary_function(
    "sign",
    ops.sign,
    "Elementwise sign: -1, 0 or 1; of a complex number, the number divided by its magnitude.",
    kinds="iufc",
    other={"u": _positive_sign},
)

# ---- Extremes ------------------------------------------------------------------------------------


def _is_nan(x: Value) -> Value:
    return ops.compare("NE", x, x)


def lexicographic(direction: str) -> Callable[[Value, Value], Value]:
    """The extreme of complex numbers: by real, then by imaginary part; NaN wins."""

    def pick(x: Value, y: Value) -> Value:
        same = ops.compare("EQ", ops.real(x), ops.real(y))
        by_imag = ops.compare(direction, ops.imag(x), ops.imag(y))
        first = ops.select(same, by_imag, ops.compare(direction, ops.real(x), ops.real(y)))
        return ops.select(ops.or_(_is_nan(x), ops.and_(first, ops.not_(_is_nan(y)))), x, y)

    return pick


_GREATER, _LESS = lexicographic("GT"), lexicographic("LT")
maximum = binary_function(
    "maximum", ops.max_, "Elementwise maximum; NaN if either is NaN.", other={"c": _GREATER}
)
minimum = binary_function(
    "minimum", ops.min_, "Elementwise minimum; NaN if either is NaN.", other={"c": _LESS}
)


def _ignoring_nan(build: Any) -> Any:
    def pick(x: Value, y: Value) -> Value:
        return build(ops.select(_is_nan(x), y, x), ops.select(_is_nan(y), x, y))

    return pick


fmax = binary_function(
    "fmax",
    ops.max_,
    "Elementwise maximum; a NaN yields to a number.",
    other={"f": _ignoring_nan(ops.max_), "c": _ignoring_nan(_GREATER)},
)
fmin = binary_function(
    "fmin",
    ops.min_,
    "Elementwise minimum; a NaN yields to a number.",
    other={"f": _ignoring_nan(ops.min_), "c": _ignoring_nan(_LESS)},
)

# ---- Rounding ------------------------------------------------------------------------------------

_EXACT = {"b": _same, "i": _same, "u": _same}


def _trunc(x: Value) -> Value:
    return ops.select(ops.compare("LT", x, ops.full_like(x, 0)), ops.ceil(x), ops.floor(x))


def _parts(build: Any) -> Any:
    return lambda x: ops.complex_(build(ops.real(x)), build(ops.imag(x)))


floor = unary_function(
    "floor", ops.floor, "The greatest integers that are not greater.", kinds="biuf", other=_EXACT
)
ceil = unary_function("ceil", ops.ceil, "The least integers that are not less.", kinds="biuf", other=_EXACT)
trunc = unary_function("trunc", _trunc, "The numbers without their fractions.", kinds="biuf", other=_EXACT)
fix = unary_function("fix", _trunc, "The numbers rounded towards zero.", kinds="biuf", other=_EXACT)
rint = unary_function(
    "rint",
    ops.round_even,
    "The nearest integers, halves to even.",
    inexact=True,
    other={"c": _parts(ops.round_even)},
)


@operation
def round(a: ArrayLike, decimals: int = 0, out: None = None) -> Array:
    """Numbers rounded to decimals, halves to even.

    Args:
        a: an array of any shape and dtype.
        decimals: how many digits stay after the point; negative ones round tens, hundreds...

    Returns:
        An array of a's shape and dtype.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.round(mnp.array([1.25, 2.5]))
        Array([1., 2.], dtype=float32)
    """
    value, aval = lift(a)
    if not is_inexact(aval.dtype):
        return wrap(value if decimals >= 0 else _round_integers(value, aval, decimals), aval)
    if is_complex(aval.dtype):
        return wrap(_parts(lambda part: _rounded(part, decimals))(value), aval)
    return wrap(_rounded(value, decimals), aval)


around = round


def _rounded(x: Value, decimals: int) -> Value:
    if decimals == 0:
        return ops.round_even(x)
    factor = ops.full_like(x, 10.0 ** math.fabs(decimals))
    if decimals < 0:
        return ops.mul(ops.round_even(ops.div(x, factor)), factor)
    scaled = ops.mul(x, factor)
    result = ops.div(ops.round_even(scaled), factor)
    return ops.select(ops.is_finite(scaled), result, x)


def _round_integers(x: Value, aval: AbstractValue, decimals: int) -> Value:
    if kind_of(aval.dtype) == "b":
        return x
    step = 10**-decimals
    if step > np.iinfo(aval.dtype).max:
        return ops.full_like(x, 0)
    factor = ops.full_like(x, step)
    down = _floor_divide_integers(x, factor)
    rest = ops.sub(x, ops.mul(down, factor))
    half = ops.full_like(x, step // 2)
    odd = ops.compare("NE", ops.rem(down, ops.full_like(x, 2)), ops.full_like(x, 0))
    up = ops.or_(ops.compare("GT", rest, half), ops.and_(ops.compare("EQ", rest, half), odd))
    return ops.mul(ops.add(down, ops.convert(up, ops.element_of(x))), factor)


# ---- Division with remainder ---------------------------------------------------------------------


def _floor_divide_integers(x: Value, y: Value) -> Value:
    quotient = ops.div(x, y)
    if kind_of(dtype_of(x.type)) == "u":
        return quotient
    zero = ops.full_like(x, 0)
    inexact = ops.compare("NE", ops.rem(x, y), zero)
    opposite = ops.compare("NE", ops.compare("LT", x, zero), ops.compare("LT", y, zero))
    return ops.sub(quotient, ops.convert(ops.and_(inexact, opposite), ops.element_of(x)))


def _remainder(x: Value, y: Value) -> Value:
    """The remainder with the sign of the divisor; StableHLO's has that of the dividend."""
    rest = ops.rem(x, y)
    if kind_of(dtype_of(x.type)) == "u":
        return rest
    zero = ops.full_like(x, 0)
    opposite = ops.compare("NE", ops.compare("LT", rest, zero), ops.compare("LT", y, zero))
    wrong = ops.and_(opposite, ops.compare("NE", rest, zero))
    return ops.select(wrong, ops.add(rest, y), rest)


def _floor_divide_floats(x: Value, y: Value) -> Value:
    rest = _remainder(x, y)
    quotient = ops.div(ops.sub(x, rest), y)
    # x - rest is a multiple of y but for rounding, so the quotient is next to an integer.
    rounded = ops.round_even(quotient)
    by_zero = ops.compare("EQ", y, ops.full_like(y, 0))
    return ops.select(by_zero, ops.div(x, y), ops.select(ops.is_finite(quotient), rounded, quotient))


@operation
def floor_divide(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The greatest integers not above the quotients.

    Args:
        x1, x2: arrays or numbers whose shapes broadcast together.

    Returns:
        An array of their common shape and dtype.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.floor_divide(mnp.array([7, -7]), 2)
        Array([ 3, -4], dtype=int32)
    """
    (x, y), aval = operands("floor_divide", x1, x2)
    require("floor_divide", aval, "biuf", "take real operands")
    if is_float(aval.dtype):
        return wrap(_floor_divide_floats(x, y), aval)
    x, y, aval = _no_bools(x, y, aval)
    return wrap(_floor_divide_integers(x, y), aval)


def _no_bools(x: Value, y: Value, aval: AbstractValue) -> tuple[Value, Value, AbstractValue]:
    if aval.dtype != bool:
        return x, y, aval
    wide = np.dtype(np.int32)
    return convert(x, aval.dtype, wide), convert(y, aval.dtype, wide), AbstractValue(aval.shape, wide)


@operation
def remainder(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The remainders of floor division, with the sign of the divisor.

    Args:
        x1, x2: arrays or numbers whose shapes broadcast together.

    Returns:
        An array of their common shape and dtype.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.remainder(mnp.array([7, -7]), 3)
        Array([1, 2], dtype=int32)
    """
    (x, y), aval = operands("remainder", x1, x2)
    require("remainder", aval, "biuf", "take real operands")
    x, y, aval = _no_bools(x, y, aval)
    return wrap(_remainder(x, y), aval)


mod = remainder


@operation
def fmod(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The remainders of division towards zero, with the sign of the dividend.

    Args:
        x1, x2: arrays or numbers whose shapes broadcast together.

    Returns:
        An array of their common shape and dtype.
    """
    (x, y), aval = operands("fmod", x1, x2)
    require("fmod", aval, "biuf", "take real operands")
    x, y, aval = _no_bools(x, y, aval)
    return wrap(ops.rem(x, y), aval)


@operation
def divmod(x1: ArrayLike, x2: ArrayLike, /) -> tuple[Array, Array]:
    """Quotient and remainder of floor division.

    Args:
        x1, x2: arrays or numbers whose shapes broadcast together.

    Returns:
        ``(floor_divide(x1, x2), remainder(x1, x2))``.
    """
    return floor_divide(x1, x2), remainder(x1, x2)


@operation
def modf(x: ArrayLike, /) -> tuple[Array, Array]:
    """Fraction and whole part, both with the sign of the number.

    Args:
        x: an array of real numbers.

    Returns:
        The fractions and the whole parts, as floats.
    """
    (value,), aval = inexact_operands("modf", x)
    require("modf", aval, "f", "take real operands")
    whole = _trunc(value)
    infinite = ops.compare("EQ", ops.abs_(value), ops.full_like(value, math.inf))
    return wrap(ops.select(infinite, ops.full_like(value, 0), ops.sub(value, whole)), aval), wrap(whole, aval)


# ---- Powers --------------------------------------------------------------------------------------


def power(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Elementwise power.

    An exponent that is a Python integer multiplies the base by itself, so that its derivatives hold at zero.

    Args:
        x1: bases.
        x2: exponents; their shape broadcasts with that of the bases.

    Returns:
        An array of their common shape and dtype.

    Raises:
        ValueError: integers to a negative Python integer.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.power(mnp.array([2.0, 3.0]), 2)
        Array([4., 9.], dtype=float32)
    """
    if type(x2) is int and -_LONGEST <= x2 <= _LONGEST and _is_array(x1):
        return _integer_power(x1, x2)
    return _power(x1, x2)


pow = power
_LONGEST = 64


def _is_array(x: ArrayLike) -> bool:
    return isinstance(x, (Array, np.ndarray)) or current() is not None


@operation
def _integer_power(x: ArrayLike, exponent: int) -> Array:
    value, aval = lift(x)
    if aval.dtype == bool:
        return _power(x, exponent)
    if exponent < 0 and not is_inexact(aval.dtype):
        raise ValueError(
            f"{user_line()}: power got integers to the negative power {exponent}; convert the base to float, "
            "or the exponent"
        )
    return wrap(integer_power(value, exponent), aval)


def integer_power(x: Value, exponent: int) -> Value:
    if exponent < 0:
        return ops.div(ops.full_like(x, 1), integer_power(x, -exponent))
    if exponent == 0:
        return ops.full_like(x, 1)
    result: Value | None = None
    factor = x
    while True:
        if exponent & 1:
            result = factor if result is None else ops.mul(result, factor)
        exponent >>= 1
        if not exponent:
            return result
        factor = ops.mul(factor, factor)


@operation
def _power(x1: ArrayLike, x2: ArrayLike) -> Array:
    (x, y), aval = operands("power", x1, x2)
    x, y, aval = _no_bools(x, y, aval)
    return wrap(ops.pow_(x, y), aval)


@operation
def float_power(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Elementwise power in floats, whatever the operands are.

    Args:
        x1: bases.
        x2: exponents.

    Returns:
        An array of their common shape; of integers, float32.
    """
    (x, y), aval = inexact_operands("float_power", x1, x2)
    return wrap(ops.pow_(x, y), AbstractValue(aval.shape, inexact_dtype(aval.dtype), aval.weak_type))
