"""Records: arithmetic and elementary functions, real and complex.

Derivatives at singular points follow one convention: a zero tangent stays zero. ``sqrt`` at 0 has an infinite
derivative, and ``where(x > 0, sqrt(x), 0)`` sends it a zero cotangent there; 0·inf would make that a NaN.
Everything else is as in JAX 0.10.2; where a formula differs from JAX's, it is for accuracy, and says so.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import Partial, Record, Site, Tangents, inactive, pointwise
from mycc.dialects.types import dtype_of

Value: TypeAlias = ir.Value

_REAL = (-3.0, 3.0)
_POSITIVE = (0.2, 3.0)
_INTEGERS = (0.0, 7.0)


# ---- Vocabulary of the rules ---------------------------------------------------------------------


def scale(value: Value, number: float) -> Value:
    """The value times a number."""
    return ops.mul(value, ops.full_like(value, number))


def is_complex(value: Value) -> bool:
    """Whether a tensor's elements are complex."""
    return isinstance(ops.element_of(value), ir.ComplexType)


def limits(value: Value) -> Any:
    """The machine limits of a float or complex tensor's elements, as `numpy.finfo` gives them."""
    return _finfo(dtype_of(value.type))


@functools.cache
def _finfo(dtype: Any) -> Any:
    finfo: Any = ml_dtypes.finfo
    return finfo(dtype)


def divide_guarded(tangent: Value, denominator: Value) -> Value:
    """``tangent / denominator``, except that 0 / 0 is 0 (and a nonzero number over 0 infinite).

    The map stays linear in the tangent: the denominator, not the tangent, is compared with zero, for a choice
    by the tangent would lose the second derivative wherever a cotangent happens to vanish. Two divisions
    by tiny numbers overflow for every tangent but zero, and their own derivatives stay finite.
    """
    tiny, huge = limits(denominator).tiny, limits(denominator).max
    one = ops.full_like(denominator, 1)
    pole = ops.compare("EQ", denominator, ops.full_like(denominator, 0))
    safe = ops.select(pole, ops.full_like(denominator, tiny), denominator)
    return ops.mul(ops.div(tangent, safe), ops.select(pole, ops.full_like(denominator, huge), one))


def constant_splat(value: Value) -> Any | None:
    """The one number that a constant's elements are, seen through broadcasts; None if it is not known."""
    if is_complex(value):
        return None  # The bindings cannot read them.
    while isinstance(value.owner, ir.OpView | ir.Operation):
        name = value.owner.name
        if name == "stablehlo.broadcast_in_dim":
            value = value.owner.operands[0]
            continue
        if name != "stablehlo.constant":
            return None
        attribute = value.owner.attributes["value"]
        known = isinstance(attribute, ir.DenseElementsAttr) and attribute.is_splat
        return _number(attribute) if known else None
    return None


def _number(attribute: ir.DenseElementsAttr) -> Any | None:
    splat = attribute.get_splat_value()
    return splat.value if isinstance(splat, ir.FloatAttr | ir.IntegerAttr) else None


# ---- Arithmetic ----------------------------------------------------------------------------------


def _identity(t: Value, s: Site) -> Value:
    return t


def _negated(t: Value, s: Site) -> Value:
    return ops.neg(t)


def _subtract_forward(site: Site, tangents: Tangents) -> Tangents:
    x, y = tangents
    if x is None or y is None:
        return [x if y is None else ops.neg(y)]
    return [ops.sub(x, y)]


def _times(other: int) -> Partial:
    """The product with the other operand, and with the greatest number where that is the constant infinity.

    ``where(abs(x) == 1, x * inf, f(x))``, as the decomposed erf_inv has it, sends the product a zero cotangent,
    and 0·inf would make it a NaN. The greatest number and not a choice by the tangent, which is not linear.
    """

    def partial(t: Value, s: Site) -> Value:
        number = constant_splat(s.op.operands[other])
        if number is not None and math.isinf(number):
            return ops.mul(t, ops.full_like(t, math.copysign(float(limits(t).max), number)))
        return ops.mul(t, s.operand(other))

    return partial


def _divide_by(t: Value, s: Site) -> Value:
    # (t / y)·(x / y), not JAX's t·x·y⁻²: y² overflows where the derivative does not (float16, y = 300).
    return ops.neg(ops.mul(ops.div(t, s.y), s.out))


def _remainder_by(t: Value, s: Site) -> Value:
    # x - out is a multiple of y, so rounding the quotient gives the exact factor; truncating x / y may be
    # off by one where the quotient rounds up to an integer.
    return ops.neg(ops.mul(t, ops.round_even(ops.div(ops.sub(s.x, s.out), s.y))))


def _power_base(t: Value, s: Site) -> Value:
    # y·xʸ⁻¹ with 1 in place of y = 0: 0·x⁰ is 0 where 0·x⁻¹ is NaN at x = 0.
    x, y = s.x, s.y
    one = ops.full_like(y, 1)
    scaled = ops.mul(t, y)
    exponent = constant_splat(s.op.operands[1])
    if exponent is not None and exponent != 0:
        lowered = ops.sub(y, one)
    else:
        lowered = ops.sub(ops.select(ops.compare("EQ", y, ops.full_like(y, 0)), one, y), one)
    if is_complex(x) or (exponent is not None and exponent >= 1):
        return ops.mul(scaled, ops.pow_(x, lowered))
    # The pole at x = 0 of a power between 0 and 1, as in `divide_guarded`.
    zero = ops.full_like(x, 0)
    pole = ops.and_(ops.compare("EQ", x, zero), ops.compare("LT", lowered, zero))
    huge = ops.full_like(x, limits(x).max)
    factor = ops.pow_(ops.select(pole, one, x), lowered)
    return ops.mul(ops.mul(scaled, ops.select(pole, huge, factor)), ops.select(pole, huge, one))


def _power_exponent(t: Value, s: Site) -> Value:
    x = s.x
    base = ops.select(ops.compare("EQ", x, ops.full_like(x, 0)), ops.full_like(x, 1), x)
    return ops.mul(t, ops.mul(ops.log(base), s.out))


def _over_square_sum(t: Value, s: Site) -> Value:
    """The tangent over x² + y², and over 1 at the origin, where the numerator is 0."""
    x, y = s.x, s.y
    zero = ops.full_like(x, 0)
    origin = ops.and_(ops.compare("EQ", x, zero), ops.compare("EQ", y, zero))
    total = ops.add(ops.mul(x, x), ops.mul(y, y))
    return ops.div(t, ops.select(origin, ops.full_like(x, 1), total))


# ---- Elementary functions ------------------------------------------------------------------------


def _times_out(t: Value, s: Site) -> Value:
    return ops.mul(t, s.out)


def _one_plus(x: Value) -> Value:
    return ops.add(x, ops.full_like(x, 1))


def _tanh(t: Value, s: Site) -> Value:
    return ops.mul(ops.add(t, ops.mul(t, s.out)), ops.sub(ops.full_like(s.out, 1), s.out))


def _logistic(t: Value, s: Site) -> Value:
    return ops.mul(t, ops.mul(s.out, ops.sub(ops.full_like(s.out, 1), s.out)))


def _rsqrt(t: Value, s: Site) -> Value:
    # x / out is x^(3/2) without a square that would overflow; at x = 0 it is 0 / inf, a pole to guard.
    return divide_guarded(scale(t, -0.5), ops.div(s.x, s.out))


def _cbrt(t: Value, s: Site) -> Value:
    return divide_guarded(scale(t, 1 / 3), ops.mul(s.out, s.out))


# ---- Oracles of operations that NumPy has under no name --------------------------------------------


def _logistic_oracle(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _round_away(x: Any) -> Any:
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


def _reciprocal_root(x: Any) -> Any:
    return 1 / np.sqrt(x)


def _count_leading_zeros(x: Any) -> Any:
    bits = x.dtype.itemsize * 8
    unsigned = x.astype(f"u{x.dtype.itemsize}")
    return np.vectorize(lambda v: bits - int(v).bit_length(), otypes=[x.dtype])(unsigned)


def _bit_width(x: Any) -> int:
    return int(x.dtype.itemsize * 8)


def _shift_left(x: Any, n: Any) -> Any:
    return np.where((n >= 0) & (n < _bit_width(x)), np.left_shift(x, n), 0).astype(x.dtype)


def _shift_right(x: Any, n: Any) -> Any:
    return np.right_shift(x, np.clip(n, 0, _bit_width(x) - 1)).astype(x.dtype)


def _shift_right_logical(x: Any, n: Any) -> Any:
    unsigned = x.astype(f"u{x.dtype.itemsize}")
    return np.where(n < _bit_width(x), np.right_shift(unsigned, n.astype(unsigned.dtype)), 0).astype(x.dtype)


def _divide(x: Any, y: Any) -> Any:
    return x / y if x.dtype.kind in "fc" or x.dtype.kind == "V" else np.trunc(x / y).astype(x.dtype)


_ADD = pointwise("stablehlo.add", _identity, _identity, oracle=np.add, domain=(_REAL, _REAL), dtypes="fciu")
_SUBTRACT = pointwise(
    "stablehlo.subtract", _identity, _negated, oracle=np.subtract, domain=(_REAL, _REAL), dtypes="fciu"
)

RECORDS: tuple[Record, ...] = (
    _ADD,
    replace(_SUBTRACT, forward=_subtract_forward),
    pointwise("stablehlo.negate", _negated, oracle=np.negative, domain=(_REAL,), dtypes="fci"),
    pointwise(
        "stablehlo.multiply",
        _times(1),
        _times(0),
        oracle=np.multiply,
        domain=(_REAL, _REAL),
        dtypes="fciu",
    ),
    pointwise(
        "stablehlo.divide",
        lambda t, s: ops.div(t, s.y),
        _divide_by,
        oracle=_divide,
        domain=(_REAL, (1.0, 3.0)),
        dtypes="fci",
    ),
    pointwise(
        "stablehlo.remainder",
        _identity,
        _remainder_by,
        oracle=np.fmod,
        domain=((-9.0, 9.0), (1.0, 3.0)),
        dtypes="fi",
    ),
    pointwise(
        "stablehlo.power",
        _power_base,
        _power_exponent,
        oracle=np.power,
        domain=(_POSITIVE, _REAL),
        dtypes="fc",
    ),
    pointwise(
        "stablehlo.atan2",
        lambda t, s: ops.mul(s.y, _over_square_sum(t, s)),
        lambda t, s: ops.neg(ops.mul(s.x, _over_square_sum(t, s))),
        oracle=np.arctan2,
        domain=(_REAL, _REAL),
    ),
    pointwise("stablehlo.exponential", _times_out, oracle=np.exp, domain=(_REAL,), dtypes="fc"),
    pointwise(
        "stablehlo.exponential_minus_one",
        lambda t, s: ops.mul(t, _one_plus(s.out)),
        oracle=np.expm1,
        domain=(_REAL,),
        dtypes="fc",
    ),
    pointwise(
        "stablehlo.log",
        lambda t, s: divide_guarded(t, s.x),
        oracle=np.log,
        domain=(_POSITIVE,),
        dtypes="fc",
    ),
    pointwise(
        "stablehlo.log_plus_one",
        lambda t, s: divide_guarded(t, _one_plus(s.x)),
        oracle=np.log1p,
        domain=((-0.7, 3.0),),
        dtypes="fc",
    ),
    pointwise("stablehlo.logistic", _logistic, oracle=_logistic_oracle, domain=(_REAL,), dtypes="fc"),
    pointwise("stablehlo.tanh", _tanh, oracle=np.tanh, domain=(_REAL,), dtypes="fc"),
    pointwise(
        "stablehlo.sine", lambda t, s: ops.mul(t, ops.cos(s.x)), oracle=np.sin, domain=(_REAL,), dtypes="fc"
    ),
    pointwise(
        "stablehlo.cosine",
        lambda t, s: ops.neg(ops.mul(t, ops.sin(s.x))),
        oracle=np.cos,
        domain=(_REAL,),
        dtypes="fc",
    ),
    pointwise(
        "stablehlo.tan",
        lambda t, s: ops.mul(t, _one_plus(ops.mul(s.out, s.out))),
        oracle=np.tan,
        domain=((-1.2, 1.2),),
        dtypes="fc",
    ),
    pointwise(
        "stablehlo.sqrt",
        lambda t, s: divide_guarded(scale(t, 0.5), s.out),
        oracle=np.sqrt,
        domain=(_POSITIVE,),
        dtypes="fc",
    ),
    pointwise("stablehlo.rsqrt", _rsqrt, oracle=_reciprocal_root, domain=(_POSITIVE,), dtypes="fc"),
    pointwise("stablehlo.cbrt", _cbrt, oracle=np.cbrt, domain=(_POSITIVE,)),
    inactive("stablehlo.floor", oracle=np.floor, domain=(_REAL,), dtypes="f"),
    inactive("stablehlo.ceil", oracle=np.ceil, domain=(_REAL,), dtypes="f"),
    inactive("stablehlo.round_nearest_even", oracle=np.rint, domain=(_REAL,), dtypes="f"),
    inactive("stablehlo.round_nearest_afz", oracle=_round_away, domain=(_REAL,), dtypes="f"),
    inactive("stablehlo.and", oracle=np.bitwise_and, domain=(_INTEGERS, _INTEGERS), dtypes="iub"),
    inactive("stablehlo.or", oracle=np.bitwise_or, domain=(_INTEGERS, _INTEGERS), dtypes="iub"),
    inactive("stablehlo.xor", oracle=np.bitwise_xor, domain=(_INTEGERS, _INTEGERS), dtypes="iub"),
    inactive("stablehlo.not", oracle=np.invert, domain=(_INTEGERS,), dtypes="iub"),
    inactive("stablehlo.popcnt", oracle=np.bitwise_count, domain=(_INTEGERS,), dtypes="iu"),
    inactive("stablehlo.count_leading_zeros", oracle=_count_leading_zeros, domain=(_INTEGERS,), dtypes="iu"),
    inactive("stablehlo.shift_left", oracle=_shift_left, domain=(_INTEGERS, _INTEGERS), dtypes="iu"),
    inactive(
        "stablehlo.shift_right_arithmetic", oracle=_shift_right, domain=(_INTEGERS, _INTEGERS), dtypes="i"
    ),
    inactive(
        "stablehlo.shift_right_logical",
        oracle=_shift_right_logical,
        domain=(_INTEGERS, _INTEGERS),
        dtypes="iu",
    ),
)
