"""Arithmetic: sums, products, quotients, powers, roundings, signs."""

from __future__ import annotations

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
    is_inexact,
)
from mycc.numpy.ufunc import binary_function, unary_function
from mycc.source import user_line
from mycc.trace import current
from mycc.types import ArrayLike

__all__ = [
    "abs",
    "absolute",
    "add",
    "divide",
    "fabs",
    "float_power",
    "fmax",
    "fmin",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "positive",
    "pow",
    "power",
    "reciprocal",
    "sign",
    "square",
    "subtract",
    "true_divide",
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


def same(x: Value) -> Value:
    return x


_UNTOUCHED = {"b": same, "u": same}
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


# ---- Division with remainder ---------------------------------------------------------------------


def no_bools(x: Value, y: Value, aval: AbstractValue) -> tuple[Value, Value, AbstractValue]:
    if aval.dtype != bool:
        return x, y, aval
    wide = np.dtype(np.int32)
    return convert(x, aval.dtype, wide), convert(y, aval.dtype, wide), AbstractValue(aval.shape, wide)


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
    x, y, aval = no_bools(x, y, aval)
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
