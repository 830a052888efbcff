"""Elementwise functions against NumPy and SciPy."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import scipy.special

import mycc
from mycc import lax

_RNG = np.random.default_rng(0)
_FLOATS = ("float32", "float64")
_COMPLEX = ("complex64", "complex128")
_INTS = ("int8", "int32", "int64", "uint8", "uint32")
_TOLERANCE = {"float32": 2e-6, "complex64": 4e-6, "float64": 1e-13, "complex128": 1e-13}


def sample(dtype: str, low: float, high: float, shape: tuple[int, ...] = (3, 5)) -> np.ndarray[Any, Any]:
    kind = np.dtype(dtype).kind
    if kind == "b":
        return _RNG.integers(0, 2, shape).astype(bool)
    if kind == "c":
        return (_RNG.uniform(low, high, shape) + 1j * _RNG.uniform(-1, 1, shape)).astype(dtype)
    if kind == "u":
        low = max(low, 0)
    return _RNG.uniform(low, high, shape).astype(dtype)


def check(found: Any, expected: Any, dtype: str) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    if expected.dtype.kind in "fc" and found.dtype.kind in "fc":
        tolerance = _TOLERANCE[np.dtype(dtype).name]
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(found, expected)


# name, oracle, lowest, highest, dtypes
UNARY = [
    ("neg", np.negative, -3, 3, _FLOATS + _COMPLEX + ("int32", "uint32")),
    ("sign", np.sign, -3, 3, (*_FLOATS, "int32", "uint8", "int8")),
    ("abs", np.abs, -3, 3, _FLOATS + _COMPLEX + ("int32", "uint8")),
    ("square", np.square, -3, 3, _FLOATS + _COMPLEX + _INTS),
    ("reciprocal", lambda x: 1 / x, 0.5, 3, _FLOATS + _COMPLEX),
    ("exp", np.exp, -3, 3, _FLOATS + _COMPLEX),
    ("exp2", np.exp2, -3, 3, _FLOATS),
    ("expm1", np.expm1, -1, 1, _FLOATS),
    ("log", np.log, 0.1, 3, _FLOATS + _COMPLEX),
    ("log1p", np.log1p, -0.5, 1, _FLOATS),
    ("logistic", scipy.special.expit, -5, 5, _FLOATS),
    ("sqrt", np.sqrt, 0, 3, _FLOATS + _COMPLEX),
    ("rsqrt", lambda x: 1 / np.sqrt(x), 0.1, 3, _FLOATS),
    ("cbrt", np.cbrt, -3, 3, _FLOATS),
    ("floor", np.floor, -3, 3, _FLOATS),
    ("ceil", np.ceil, -3, 3, _FLOATS),
    ("is_finite", np.isfinite, -3, 3, _FLOATS),
    ("bitwise_not", np.invert, -9, 9, (*_INTS, "bool")),
    ("population_count", lambda x: np.bitwise_count(x.view(f"u{x.itemsize}")), -9, 9, _INTS),
    ("sin", np.sin, -3, 3, _FLOATS + _COMPLEX),
    ("cos", np.cos, -3, 3, _FLOATS + _COMPLEX),
    ("tan", np.tan, -1, 1, _FLOATS),
    ("asin", np.arcsin, -0.9, 0.9, _FLOATS),
    ("acos", np.arccos, -0.9, 0.9, _FLOATS),
    ("atan", np.arctan, -3, 3, _FLOATS),
    ("sinh", np.sinh, -3, 3, _FLOATS),
    ("cosh", np.cosh, -3, 3, _FLOATS),
    ("tanh", np.tanh, -3, 3, _FLOATS + _COMPLEX),
    ("asinh", np.arcsinh, -3, 3, _FLOATS),
    ("acosh", np.arccosh, 1.1, 3, _FLOATS),
    ("atanh", np.arctanh, -0.9, 0.9, _FLOATS),
    ("erf", scipy.special.erf, -3, 3, _FLOATS),
    ("erfc", scipy.special.erfc, -3, 3, _FLOATS),
    ("erf_inv", scipy.special.erfinv, -0.9, 0.9, _FLOATS),
    ("lgamma", scipy.special.gammaln, 0.2, 5, _FLOATS),
    ("digamma", scipy.special.digamma, 0.5, 5, _FLOATS),
    ("bessel_i0e", scipy.special.i0e, -12, 12, _FLOATS),
    ("bessel_i1e", scipy.special.i1e, -12, 12, _FLOATS),
    ("real", np.real, -3, 3, _COMPLEX),
    ("imag", np.imag, -3, 3, _COMPLEX),
    ("conj", np.conj, -3, 3, _COMPLEX),
]
BINARY = [
    ("add", np.add, (-3, 3), (-3, 3), _FLOATS + _COMPLEX + _INTS),
    ("sub", np.subtract, (-3, 3), (-3, 3), _FLOATS + _COMPLEX + _INTS),
    ("mul", np.multiply, (-3, 3), (-3, 3), (*_FLOATS, *_COMPLEX, *_INTS, "bool")),
    ("div", np.divide, (-3, 3), (1, 3), _FLOATS + _COMPLEX),
    ("div", lambda x, y: np.trunc(x / y).astype(x.dtype), (-30, 30), (1, 7), ("int32", "uint32")),
    ("rem", np.fmod, (-30, 30), (1, 7), (*_FLOATS, "int32", "uint32")),
    ("max", np.maximum, (-3, 3), (-3, 3), (*_FLOATS, "int32", "bool")),
    ("min", np.minimum, (-3, 3), (-3, 3), (*_FLOATS, "int32", "bool")),
    ("pow", np.power, (0.1, 3), (-2, 2), _FLOATS),
    ("atan2", np.arctan2, (-3, 3), (-3, 3), _FLOATS),
    ("nextafter", np.nextafter, (-3, 3), (-3, 3), _FLOATS),
    ("polygamma", scipy.special.polygamma, (1, 1), (0.5, 5), _FLOATS),
    ("zeta", scipy.special.zeta, (1.5, 5), (0.5, 5), _FLOATS),
    ("bitwise_and", np.bitwise_and, (-9, 9), (-9, 9), (*_INTS, "bool")),
    ("bitwise_or", np.bitwise_or, (-9, 9), (-9, 9), (*_INTS, "bool")),
    ("bitwise_xor", np.bitwise_xor, (-9, 9), (-9, 9), (*_INTS, "bool")),
    ("shift_left", np.left_shift, (0, 30), (0, 7), ("int32", "uint32")),
    ("shift_right_arithmetic", np.right_shift, (-90, 90), (0, 7), ("int32",)),
    ("shift_right_logical", np.right_shift, (0, 90), (0, 7), ("uint32",)),
    ("eq", np.equal, (0, 3), (0, 3), ("int32", "float32", "complex64", "bool")),
    ("ne", np.not_equal, (0, 3), (0, 3), ("int32", "float32", "complex64", "bool")),
    ("lt", np.less, (0, 3), (0, 3), ("int32", "float32")),
    ("le", np.less_equal, (0, 3), (0, 3), ("int32", "float32")),
    ("gt", np.greater, (0, 3), (0, 3), ("int32", "float32")),
    ("ge", np.greater_equal, (0, 3), (0, 3), ("int32", "float32")),
]


def cases(table: list[Any], first_only: bool) -> list[Any]:
    return [
        pytest.param(*row[:-1], dtype, id=f"{row[0]}-{dtype}")
        for row in table
        for dtype in (row[-1][:1] if first_only else row[-1][1:])
    ]


@pytest.mark.parametrize(("name", "oracle", "low", "high", "dtype"), cases(UNARY, True))
def test_unary(name: str, oracle: Any, low: float, high: float, dtype: str) -> None:
    x = sample(dtype, low, high)
    found = getattr(lax, name)(x)
    check(found, oracle(x), dtype)
    assert found.dtype == oracle(x).dtype or name == "population_count"


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "oracle", "low", "high", "dtype"), cases(UNARY, False))
def test_unary_dtypes(name: str, oracle: Any, low: float, high: float, dtype: str) -> None:
    test_unary(name, oracle, low, high, dtype)


@pytest.mark.parametrize(("name", "oracle", "left", "right", "dtype"), cases(BINARY, True))
def test_binary(name: str, oracle: Any, left: Any, right: Any, dtype: str) -> None:
    x, y = sample(dtype, *left), sample(dtype, *right)
    found = getattr(lax, name)(x, y)
    check(found, oracle(x, y), dtype)
    assert found.dtype == oracle(x, y).dtype


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "oracle", "left", "right", "dtype"), cases(BINARY, False))
def test_binary_dtypes(name: str, oracle: Any, left: Any, right: Any, dtype: str) -> None:
    test_binary(name, oracle, left, right, dtype)


def test_scalars_adapt_to_arrays() -> None:
    half = np.ones(3, ml_dtypes.bfloat16)
    assert lax.add(half, 1.5).dtype == half.dtype
    assert lax.add(1.5, half).shape == (3,)
    assert lax.mul(2.0, 3.0).weak_type
    assert not lax.mul(np.full((), 2.0, np.float32), 3.0).weak_type
    np.testing.assert_array_equal(lax.add(np.arange(3, dtype=np.int32), 2), [2, 3, 4])


def test_nothing_else_is_promoted_or_broadcast() -> None:
    x = np.ones(3, np.float32)
    with pytest.raises(
        TypeError, match=r"test_elementwise\.py:\d+: add got operands of dtypes float32, float64"
    ):
        lax.add(x, np.ones(3))
    with pytest.raises(TypeError, match=r"add got operands of dtypes int32, float32"):
        lax.add(np.ones(3, np.int32), 1.5)
    with pytest.raises(TypeError, match=r"shapes \(3,\), \(1, 3\)"):
        lax.add(x, np.ones((1, 3), np.float32))
    with pytest.raises(TypeError, match=r"sin takes float, complex arrays, got int32; convert"):
        lax.sin(np.arange(3, dtype=np.int32))


def test_rounding_methods() -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.4, 0.6], np.float32)
    np.testing.assert_array_equal(lax.round(x), [-3, -2, -1, 1, 2, 3, 0, 1])
    even = lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)
    np.testing.assert_array_equal(even, np.rint(x))


@pytest.mark.parametrize("power", [-3, -1, 0, 1, 2, 3, 7, 10])
def test_integer_powers_are_products(power: int) -> None:
    x = sample("float64", 0.5, 2)
    check(lax.integer_pow(x, power), x**power, "float64")
    check(lax.pow(x, power), x**power, "float64")
    assert "power" not in mycc.jit(lambda v: lax.pow(v, power)).lower(x).as_text()


def test_powers_by_integer_arrays() -> None:
    x, n = sample("float32", 0.5, 2), np.arange(15, dtype=np.int32).reshape(3, 5) - 7
    check(lax.pow(x, n), x ** n.astype(np.float32), "float32")
    check(lax.pow(np.full((), 2.0, np.float32), n), 2.0**n, "float32")
    with pytest.raises(TypeError, match="the power -1"):
        lax.integer_pow(n, -1)


def test_counting_zeros() -> None:
    x = np.array([0, 1, 255, 2**31], np.uint32)
    np.testing.assert_array_equal(lax.clz(x), [32, 31, 24, 0])


def test_complex_parts() -> None:
    re, im = sample("float32", -1, 1), sample("float32", -1, 1)
    np.testing.assert_array_equal(lax.complex(re, im), re + 1j * im)
    assert lax.conj(re).dtype == np.complex64
    with pytest.raises(TypeError, match="real takes complex"):
        lax.real(re)


def test_select_and_clamp() -> None:
    x, y = sample("float32", -1, 1), sample("float32", -1, 1)
    np.testing.assert_array_equal(lax.select(x > y, x, y), np.maximum(x, y))
    np.testing.assert_array_equal(lax.select(True, x, y), x)
    np.testing.assert_array_equal(lax.clamp(-0.5, x, 0.5), np.clip(x, -0.5, 0.5))
    np.testing.assert_array_equal(lax.clamp(np.float32(-0.5), x, y), np.minimum(np.maximum(x, -0.5), y))
    with pytest.raises(TypeError, match=r"predicate of shape \(2,\)"):
        lax.select(np.array([True, False]), x, y)
    with pytest.raises(TypeError, match="bounds of shape"):
        lax.clamp(np.zeros(2, np.float32), x, 1.0)


def test_select_n() -> None:
    which = np.array([[0, 1, 2, 3, 1]], np.int32)
    values = [np.full((1, 5), n, np.float32) for n in range(4)]
    np.testing.assert_array_equal(lax.select_n(which, *values), which)
    np.testing.assert_array_equal(lax.select_n(which > 0, *values[:2]), which > 0)
    np.testing.assert_array_equal(lax.select_n(2, *values), values[2])
    with pytest.raises(TypeError, match="bools for 3 cases"):
        lax.select_n(which > 0, *values[:3])


def test_conversions() -> None:
    x = np.array([-1.7, 0.0, 1.7], np.float32)
    np.testing.assert_array_equal(lax.convert_element_type(x, np.int32), [-1, 0, 1])
    np.testing.assert_array_equal(lax.convert_element_type(x, bool), [True, False, True])
    assert lax.convert_element_type(x, "bfloat16").dtype == ml_dtypes.bfloat16
    assert lax.convert_element_type(np.arange(2), float).dtype == np.float32
    bits = lax.bitcast_convert_type(x, np.uint32)
    np.testing.assert_array_equal(bits, x.view(np.uint32))
    halves = lax.bitcast_convert_type(x, np.uint16)
    np.testing.assert_array_equal(halves, x.view(np.uint16).reshape(3, 2))
    np.testing.assert_array_equal(lax.bitcast_convert_type(halves, np.float32), x)
    with pytest.raises(ValueError, match="needs a last dimension of size 2"):
        lax.bitcast_convert_type(x, np.float64)


def test_constants() -> None:
    np.testing.assert_array_equal(lax.full((2, 3), 1.5), np.full((2, 3), 1.5, np.float32))
    assert lax.full((2,), 1, np.uint8).dtype == np.uint8
    x = np.ones((2, 3), np.int32)
    np.testing.assert_array_equal(lax.full_like(x, 7), np.full_like(x, 7))
    assert lax.full_like(x, 7, np.float32, (4,)).shape == (4,)
    np.testing.assert_array_equal(lax.iota(np.int32, 5), np.arange(5))
    np.testing.assert_array_equal(lax.broadcasted_iota("float32", (2, 3), 1), [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(lax.iota(np.int32, 0), [])
    with pytest.raises(ValueError, match="negative size"):
        lax.full((-1,), 0)


def test_reduced_precision() -> None:
    x = sample("float32", -1, 1)
    np.testing.assert_array_equal(
        lax.reduce_precision(x, 8, 7), x.astype(ml_dtypes.bfloat16).astype(np.float32)
    )


def test_exp2_is_exact_at_integers_within_rounding() -> None:
    n = np.arange(-10, 11, dtype=np.float64)
    np.testing.assert_allclose(lax.exp2(n), 2.0**n, rtol=1e-14)
    assert math.isclose(float(lax.exp2(3.0)), 8.0, rel_tol=1e-6)
