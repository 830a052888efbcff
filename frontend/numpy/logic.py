"""Comparisons, logic, tests of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import tensor
from mycc.emit import operands
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import BOOL, inexact_operands, is_complex, is_float, is_inexact
from mycc.numpy.ufunc import binary_function, unary_function
from mycc.types import ArrayLike, abstractify

__all__ = [
    "allclose",
    "array_equal",
    "array_equiv",
    "equal",
    "greater",
    "greater_equal",
    "isclose",
    "iscomplex",
    "iscomplexobj",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "isrealobj",
    "isscalar",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]

Value: TypeAlias = ir.Value
Builder: TypeAlias = Callable[[Value, Value], Value]


def _comparison(direction: str) -> Builder:
    return lambda x, y: ops.compare(direction, x, y)


def _ordered(direction: str) -> Builder:
    """An order of complex numbers, as NumPy has it: by real, then by imaginary part."""

    def build(x: Value, y: Value) -> Value:
        same = ops.compare("EQ", ops.real(x), ops.real(y))
        by_imag = ops.compare(direction, ops.imag(x), ops.imag(y))
        return ops.select(same, by_imag, ops.compare(direction, ops.real(x), ops.real(y)))

    return build


equal = binary_function("equal", _comparison("EQ"), "Elementwise x == y.", result="bool")
not_equal = binary_function("not_equal", _comparison("NE"), "Elementwise x != y.", result="bool")
less = binary_function(
    "less", _comparison("LT"), "Elementwise x < y.", result="bool", other={"c": _ordered("LT")}
)
less_equal = binary_function(
    "less_equal", _comparison("LE"), "Elementwise x <= y.", result="bool", other={"c": _ordered("LE")}
)
greater = binary_function(
    "greater", _comparison("GT"), "Elementwise x > y.", result="bool", other={"c": _ordered("GT")}
)
greater_equal = binary_function(
    "greater_equal", _comparison("GE"), "Elementwise x >= y.", result="bool", other={"c": _ordered("GE")}
)


def _non_zero(x: Value) -> Value:
    return ops.compare("NE", x, ops.full_like(x, 0))


def _is_zero(x: Value) -> Value:
    return ops.compare("EQ", x, ops.full_like(x, 0))


def _logical(build: Builder) -> Builder:
    return lambda x, y: build(_non_zero(x), _non_zero(y))


logical_and = binary_function(
    "logical_and", _logical(ops.and_), "Whether both are non-zero.", result="bool", other={"b": ops.and_}
)
logical_or = binary_function(
    "logical_or", _logical(ops.or_), "Whether either is non-zero.", result="bool", other={"b": ops.or_}
)
logical_xor = binary_function(
    "logical_xor", _logical(ops.xor), "Whether exactly one is non-zero.", result="bool", other={"b": ops.xor}
)
logical_not = unary_function(
    "logical_not", _is_zero, "Whether each element is zero.", result="bool", other={"b": ops.not_}
)

# ---- Tests of numbers ----------------------------------------------------------------------------


def _always(answer: bool) -> Callable[[Value], Value]:
    return lambda x: ops.full(ops.with_element(x.type, ops.BOOL), answer)


_NEVER = {kind: _always(False) for kind in "biu"}


def _is_nan(x: Value) -> Value:
    return ops.compare("NE", x, x)


def _is_infinite(x: Value) -> Value:
    return ops.compare("EQ", ops.abs_(x), ops.full_like(x, math.inf))


def _is(infinity: float) -> Callable[[Value], Value]:
    return lambda x: ops.compare("EQ", x, ops.full_like(x, infinity))


def _any_part(test: Callable[[Value], Value]) -> Callable[[Value], Value]:
    return lambda x: ops.or_(test(ops.real(x)), test(ops.imag(x)))


isfinite = unary_function(
    "isfinite",
    ops.is_finite,
    "Whether each element is neither infinite nor NaN.",
    result="bool",
    other={kind: _always(True) for kind in "biu"}
    | {"c": lambda x: ops.and_(ops.is_finite(ops.real(x)), ops.is_finite(ops.imag(x)))},
)
isnan = unary_function(
    "isnan", _is_nan, "Whether each element is NaN.", result="bool", other=_NEVER | {"c": _any_part(_is_nan)}
)
isinf = unary_function(
    "isinf",
    _is_infinite,
    "Whether each element is infinite.",
    result="bool",
    other=_NEVER | {"c": _any_part(_is_infinite)},
)
isposinf = unary_function(
    "isposinf",
    _is(math.inf),
    "Whether each element is plus infinity.",
    kinds="biuf",
    result="bool",
    other=_NEVER,
)
isneginf = unary_function(
    "isneginf",
    _is(-math.inf),
    "Whether each element is minus infinity.",
    kinds="biuf",
    result="bool",
    other=_NEVER,
)
iscomplex = unary_function(
    "iscomplex",
    _always(False),
    "Whether each element has an imaginary part other than zero.",
    result="bool",
    other={"c": lambda x: _non_zero(ops.imag(x))},
)
isreal = unary_function(
    "isreal",
    _always(True),
    "Whether each element has no imaginary part.",
    result="bool",
    other={"c": lambda x: _is_zero(ops.imag(x))},
)


def iscomplexobj(x: ArrayLike) -> bool:
    """Whether an array-like has a complex dtype."""
    return is_complex(abstractify(x).dtype)


def isrealobj(x: ArrayLike) -> bool:
    """Whether an array-like has a dtype that is not complex."""
    return not iscomplexobj(x)


def isscalar(x: object) -> bool:
    """Whether an object is a number, or an array without dimensions."""
    return np.isscalar(x) or (isinstance(x, Array) and x.ndim == 0)


@operation
def isclose(
    a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08, equal_nan: bool = False
) -> Array:
    """Whether elements are equal within tolerances: ``|a - b| <= atol + rtol * |b|``.

    Args:
        a, b: arrays whose shapes broadcast together.
        rtol: the tolerance relative to b.
        atol: the absolute tolerance.
        equal_nan: whether NaN equals NaN.

    Returns:
        A bool array of their common shape.
    """
    (x, y), aval = operands("isclose", a, b)
    if not is_inexact(aval.dtype):
        (x, y), aval = inexact_operands("isclose", a, b)
    limit = _tolerance(y, aval, rtol, atol)
    distance = ops.abs_(ops.sub(x, y))
    finite = _finite(x, aval), _finite(y, aval)
    close = ops.and_(ops.compare("LE", distance, limit), ops.and_(*finite))
    close = ops.or_(close, ops.compare("EQ", x, y))
    if equal_nan:
        close = ops.or_(close, ops.and_(ops.compare("NE", x, x), ops.compare("NE", y, y)))
    return wrap(close, AbstractValue(aval.shape, BOOL))


def _finite(x: Value, aval: AbstractValue) -> Value:
    if is_float(aval.dtype):
        return ops.is_finite(x)
    return ops.and_(ops.is_finite(ops.real(x)), ops.is_finite(ops.imag(x)))


def _tolerance(y: Value, aval: AbstractValue, rtol: ArrayLike, atol: ArrayLike) -> Value:
    size = ops.abs_(y)
    shape = aval.shape
    parts = []
    for number in (rtol, atol):
        value, known = lift(number)
        value = ops.convert(value, ops.element_of(size))
        parts.append(ops.broadcast_in_dim(value, shape, range(len(shape) - len(known.shape), len(shape))))
    return ops.add(parts[1], ops.mul(parts[0], size))


def _all(value: Value) -> Value:
    ndim = len(value.type.shape)
    return ops.reduce(value, ops.full(tensor((), ops.BOOL), True), range(ndim), ops.and_) if ndim else value


@operation
def allclose(
    a: ArrayLike, b: ArrayLike, rtol: ArrayLike = 1e-05, atol: ArrayLike = 1e-08, equal_nan: bool = False
) -> Array:
    """Whether all elements are equal within tolerances; see `isclose`.

    Returns:
        A bool scalar.
    """
    close, _ = lift(isclose(a, b, rtol, atol, equal_nan))
    return wrap(_all(close), AbstractValue((), BOOL))


@operation
def array_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool = False) -> Array:
    """Whether two arrays have one shape and equal elements.

    Args:
        a1, a2: arrays of any shapes.
        equal_nan: whether NaN equals NaN.

    Returns:
        A bool scalar.
    """
    if abstractify(a1).shape != abstractify(a2).shape:
        return wrap(ops.constant(np.asarray(False)), AbstractValue((), BOOL))
    return _all_equal(a1, a2, equal_nan)


def _all_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool) -> Array:
    (x, y), aval = operands("array_equal", a1, a2)
    same = ops.compare("EQ", x, y)
    if equal_nan and is_inexact(aval.dtype):
        same = ops.or_(same, ops.and_(ops.compare("NE", x, x), ops.compare("NE", y, y)))
    return wrap(_all(same), AbstractValue((), BOOL))


@operation
def array_equiv(a1: ArrayLike, a2: ArrayLike) -> Array:
    """Whether two arrays broadcast to one shape and are equal there.

    Returns:
        A bool scalar.
    """
    try:
        np.broadcast_shapes(abstractify(a1).shape, abstractify(a2).shape)
    except ValueError:
        return wrap(ops.constant(np.asarray(False)), AbstractValue((), BOOL))
    return _all_equal(a1, a2, False)
