"""Rounding, and division with remainder."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of
from mycc.emit import operands
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.arithmetic import no_bools, same
from mycc.numpy.support import (
    inexact_operands,
    is_complex,
    is_float,
    is_inexact,
    kind_of,
    require,
)
from mycc.numpy.ufunc import unary_function
from mycc.types import ArrayLike

__all__ = [
    "ceil",
    "divmod",
    "fix",
    "floor",
    "floor_divide",
    "fmod",
    "mod",
    "modf",
    "remainder",
    "rint",
    "round",
    "around",
    "trunc",
]

Value: TypeAlias = ir.Value


_EXACT = {"b": same, "i": same, "u": same}


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


def _floor_divide_integers(x: Value, y: Value) -> Value:
    """The floor of the quotients; zero where the divisor is zero, as in NumPy."""
    quotient = ops.div(x, y)
    zero = ops.full_like(x, 0)
    if kind_of(dtype_of(x.type)) != "u":
        below = ops.and_(ops.compare("NE", ops.rem(x, y), zero), _opposite(x, y))
        quotient = ops.sub(quotient, ops.convert(below, ops.element_of(x)))
    return ops.select(ops.compare("EQ", y, zero), zero, quotient)


def _opposite(x: Value, y: Value) -> Value:
    """Whether exactly one of two numbers is negative."""
    zero = ops.full_like(x, 0)
    return ops.compare("NE", ops.compare("LT", x, zero), ops.compare("LT", y, zero))


def _remainder(x: Value, y: Value) -> Value:
    """The remainder with the sign of the divisor; StableHLO's has that of the dividend."""
    rest = ops.rem(x, y)
    zero = ops.full_like(x, 0)
    kind = kind_of(dtype_of(x.type))
    if kind != "f":
        # As in NumPy; StableHLO leaves it open.
        rest = ops.select(ops.compare("EQ", y, zero), zero, rest)
    if kind == "u":
        return rest
    wrong = ops.and_(_opposite(rest, y), ops.compare("NE", rest, zero))
    return ops.select(wrong, ops.add(rest, y), rest)


def _floor_divide_floats(x: Value, y: Value) -> Value:
    # The remainder towards zero is finite for an infinite divisor, where that of the floor is not.
    rest = ops.rem(x, y)
    quotient = ops.div(ops.sub(x, rest), y)
    # x - rest is a multiple of y but for rounding, so the quotient is next to an integer.
    rounded = ops.round_even(quotient)
    below = ops.and_(ops.compare("NE", rest, ops.full_like(x, 0)), _opposite(x, y))
    floor = ops.sub(rounded, ops.convert(below, ops.element_of(x)))
    by_zero = ops.compare("EQ", y, ops.full_like(y, 0))
    return ops.select(by_zero, ops.div(x, y), ops.select(ops.is_finite(quotient), floor, quotient))


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
    x, y, aval = no_bools(x, y, aval)
    return wrap(_floor_divide_integers(x, y), aval)


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
    x, y, aval = no_bools(x, y, aval)
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
    x, y, aval = no_bools(x, y, aval)
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
