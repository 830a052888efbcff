"""Integers as bits, their divisors, and the bits of floats."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of, element_type, tensor
from mycc.emit import convert, operands
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import as_dtype, inexact_operands, kind_of, require
from mycc.numpy.ufunc import binary_function, unary_function
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike

__all__ = [
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "copysign",
    "frexp",
    "gcd",
    "invert",
    "lcm",
    "ldexp",
    "left_shift",
    "nextafter",
    "right_shift",
    "signbit",
    "spacing",
]

Value: TypeAlias = ir.Value

bitwise_and = binary_function("bitwise_and", ops.and_, "The bits that are set in both.", kinds="biu")
bitwise_or = binary_function("bitwise_or", ops.or_, "The bits that are set in either.", kinds="biu")
bitwise_xor = binary_function("bitwise_xor", ops.xor, "The bits that are set in exactly one.", kinds="biu")
invert = unary_function("invert", ops.not_, "All bits turned over.", kinds="biu")
bitwise_not = bitwise_invert = invert


left_shift = binary_function(
    "left_shift", ops.shift_left, "Bits moved up by y places; x * 2**y.", kinds="biu", counted=True
)
right_shift = binary_function(
    "right_shift",
    ops.shift_right_arithmetic,
    "Bits moved down by y places; x // 2**y.",
    kinds="biu",
    counted=True,
    other={"u": ops.shift_right_logical},
)
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift


@operation
def bitwise_count(x: ArrayLike, /) -> Array:
    """How many bits are set in the magnitude of each integer.

    Args:
        x: an array of integers.

    Returns:
        A uint8 array of x's shape.
    """
    value, aval = lift(x)
    require("bitwise_count", aval, "biu", "it counts bits of integers")
    narrow = np.dtype(np.uint8)
    if aval.dtype != bool:
        value = ops.popcnt(ops.abs_(value) if kind_of(aval.dtype) == "i" else value)
    return wrap(convert(value, aval.dtype, narrow), AbstractValue(aval.shape, narrow))


def _while(initial: list[Value], condition: object, body: object) -> list[Value]:
    types = [v.type for v in initial]
    operation_ = ir.Operation.create("stablehlo.while", types, initial, regions=2)
    ops.region(operation_, types, condition)  # type: ignore[arg-type]
    ops.region(operation_, types, body, index=1)  # type: ignore[arg-type]
    return list(operation_.results)


def _gcd(x: Value, y: Value) -> Value:
    if kind_of(dtype_of(x.type)) == "i":
        x, y = ops.abs_(x), ops.abs_(y)

    def goes_on(a: Value, b: Value) -> Value:
        left = ops.compare("NE", b, ops.full_like(b, 0))
        ndim = len(b.type.shape)
        start = ops.full(tensor((), ops.BOOL), False)
        return ops.reduce(left, start, range(ndim), ops.or_) if ndim else left

    def step(a: Value, b: Value) -> list[Value]:
        done = ops.compare("EQ", b, ops.full_like(b, 0))
        rest = ops.rem(a, ops.select(done, ops.full_like(b, 1), b))
        return [ops.select(done, a, b), ops.select(done, b, rest)]

    return _while([x, y], goes_on, step)[0]


def _lcm(x: Value, y: Value) -> Value:
    divisor = _gcd(x, y)
    zero = ops.compare("EQ", divisor, ops.full_like(divisor, 0))
    product = ops.mul(x, ops.div(y, ops.select(zero, ops.full_like(divisor, 1), divisor)))
    return ops.abs_(product) if kind_of(dtype_of(x.type)) == "i" else product


gcd = binary_function("gcd", _gcd, "The greatest common divisor.", kinds="iu")
lcm = binary_function("lcm", _lcm, "The least common multiple.", kinds="iu")

# ---- Floats as bits ------------------------------------------------------------------------------


def _signbit(x: Value) -> Value:
    width = dtype_of(x.type).itemsize * 8
    pattern = ops.bitcast_convert(x, ops.with_element(x.type, element_type(np.dtype(f"int{width}"))))
    return ops.compare("LT", pattern, ops.full_like(pattern, 0))


signbit = unary_function(
    "signbit",
    _signbit,
    "Whether the sign bit is set (of -0.0 too).",
    kinds="biuf",
    result="bool",
    other={
        "b": lambda x: ops.full(ops.with_element(x.type, ops.BOOL), False),
        "u": lambda x: ops.full(ops.with_element(x.type, ops.BOOL), False),
        "i": lambda x: ops.compare("LT", x, ops.full_like(x, 0)),
    },
)


def _copysign(x: Value, y: Value) -> Value:
    size = ops.abs_(x)
    return ops.select(_signbit(y), ops.neg(size), size)


copysign = binary_function(
    "copysign", _copysign, "The magnitude of x with the sign of y.", kinds="f", inexact=True
)


def _spacing(x: Value) -> Value:
    size = ops.abs_(x)
    return _copysign(ops.sub(ops.nextafter(size, ops.full_like(size, math.inf)), size), x)


spacing = unary_function("spacing", _spacing, "The distance to the next float.", kinds="f", inexact=True)
nextafter = binary_function(
    "nextafter", ops.nextafter, "The float next to x towards y.", kinds="f", inexact=True
)


@operation
def view(x: ArrayLike, dtype: DTypeLike) -> Array:
    """The bits of an array read as another dtype, as NumPy's method of that name.

    Args:
        x: an array.
        dtype: a real dtype; the last dimension grows or shrinks by the ratio of sizes.

    Returns:
        An array of that dtype.

    Raises:
        TypeError: bools or complex numbers are on one side only.
        ValueError: the last dimension cannot be divided.
    """
    value, aval = lift(x)
    target = as_dtype(dtype)
    old, new = aval.dtype.itemsize, target.itemsize
    if aval.dtype == target:
        return wrap(value, AbstractValue(aval.shape, target))
    if not {kind_of(aval.dtype), kind_of(target)} <= set("iuf"):
        raise TypeError(
            f"{user_line()}: view reads bits of integers and floats, got {aval.dtype} and {target}"
        )
    shape = aval.shape
    if old != new and not shape:
        raise ValueError(f"{user_line()}: view of a number without dimensions keeps the size of the dtype")
    if old < new:
        ratio = new // old
        if shape[-1] % ratio:
            raise ValueError(
                f"{user_line()}: view cannot read {shape[-1]} elements of {aval.dtype} as {target}"
            )
        shape = (*shape[:-1], shape[-1] // ratio)
        value = ops.reshape(value, (*shape, ratio))
    spread = (*shape, old // new) if old > new else shape
    value = ops.bitcast_convert(value, tensor(spread, element_type(target)))
    result = (*shape[:-1], shape[-1] * (old // new)) if old > new else shape
    return wrap(ops.reshape(value, result), AbstractValue(result, target))


_MANTISSA = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}


@operation
def frexp(x: ArrayLike, /) -> tuple[Array, Array]:
    """Floats taken apart: ``x = mantissa * 2**exponent`` with the mantissa in [0.5, 1).

    Args:
        x: an array of real numbers.

    Returns:
        The mantissas, floats, and the exponents, int32; zeros, infinities and NaN stay, with exponent 0.
    """
    (value,), aval = inexact_operands("frexp", x)
    require("frexp", aval, "f", "take real operands")
    digits = _MANTISSA[aval.dtype.name]
    width = aval.dtype.itemsize * 8
    exponent_bits = width - 1 - digits
    bias = 2 ** (exponent_bits - 1) - 1
    integer = np.dtype(f"int{width}")
    # Numbers below the normal range are brought into it first.
    small = ops.compare("LT", ops.abs_(value), ops.full_like(value, float(np.ldexp(1.0, 2 - bias))))
    lifted = ops.select(small, ops.mul(value, ops.full_like(value, 2.0**digits)), value)
    pattern = ops.bitcast_convert(lifted, ops.with_element(value.type, element_type(integer)))
    mask = (2**exponent_bits - 1) << digits
    field = ops.shift_right_logical(
        ops.and_(pattern, ops.full_like(pattern, mask)), ops.full_like(pattern, digits)
    )
    exponent = ops.sub(field, ops.full_like(field, bias - 1))
    exponent = ops.select(small, ops.sub(exponent, ops.full_like(field, digits)), exponent)
    kept = ops.and_(pattern, ops.full_like(pattern, ~mask))
    mantissa = ops.bitcast_convert(ops.or_(kept, ops.full_like(pattern, (bias - 1) << digits)), value.type)
    odd = ops.or_(ops.compare("EQ", value, ops.full_like(value, 0)), ops.not_(ops.is_finite(value)))
    int32 = np.dtype(np.int32)
    exponent = convert(ops.select(odd, ops.full_like(exponent, 0), exponent), integer, int32)
    return wrap(ops.select(odd, value, mantissa), aval), wrap(exponent, AbstractValue(aval.shape, int32))


@operation
def ldexp(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """``x1 * 2**x2``, exact wherever the result is a normal float.

    Args:
        x1: an array of real numbers.
        x2: an array of integers; the shapes broadcast together.

    Returns:
        A float array of their common shape and x1's dtype.
    """
    exponent_aval = lift(x2)[1]
    require("ldexp", exponent_aval, "iu", "the exponents are integers")
    (mantissa,), aval = inexact_operands("ldexp", x1)
    require("ldexp", aval, "f", "take real operands")
    (x, n), both = operands("ldexp", wrap(mantissa, aval), x2, to=aval.dtype)
    # In three steps, since 2**n alone may leave the range.
    third = ops.floor(ops.div(n, ops.full_like(n, 3)))
    for part in (third, third, ops.sub(n, ops.add(third, third))):
        x = ops.mul(x, _power_of_two(part, aval.dtype))
    return wrap(x, AbstractValue(both.shape, aval.dtype, aval.weak_type))


def _power_of_two(n: Value, dtype: np.dtype[Any]) -> Value:
    digits = _MANTISSA[dtype.name]
    width = dtype.itemsize * 8
    bias = 2 ** (width - 2 - digits) - 1
    limited = ops.clamp(
        ops.full(tensor((), ops.element_of(n)), -bias + 1),
        n,
        ops.full(tensor((), ops.element_of(n)), bias),
    )
    integer = ops.convert(limited, element_type(np.dtype(f"int{width}")))
    field = ops.shift_left(ops.add(integer, ops.full_like(integer, bias)), ops.full_like(integer, digits))
    return ops.bitcast_convert(field, n.type)
