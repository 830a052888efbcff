"""Elementwise functions against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mycc
import mycc.numpy as mnp

REAL = np.float32([-7.5, -2.5, -1.5, -1.0, -0.3, -0.0, 0.0, 0.2, 0.5, 1.0, 1.5, 2.5, 30.0])
UNIT = np.linspace(-0.95, 0.95, 11, dtype=np.float32)
POSITIVE = np.float32([1e-3, 0.2, 1.0, 1.7, 10.0, 3e4])
SPECIAL = np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.0])
COMPLEX = np.complex64([1 + 2j, -0.5 + 0.25j, 3 - 1j, -2 - 2j, 0.1j, 2])
INTS = np.int32([-9, -4, -1, 0, 1, 2, 3, 7, 12])
OTHERS = np.int32([3, -2, 5, -7, 4, 2, -3, 5, 9])


def named(*names: str) -> dict[str, object]:
    return {name: lambda np_, *xs, name=name: getattr(np_, name)(*xs) for name in names}


def test_functions_of_reals(compare):
    names = (
        "sin cos tan arctan sinh cosh tanh arcsinh exp exp2 expm1 cbrt square absolute abs fabs sign signbit negative "
        "positive floor ceil trunc rint fix isfinite isnan isinf isposinf isneginf isreal iscomplex logical_not real "
        "imag conj conjugate angle sinc deg2rad rad2deg degrees radians i0 nan_to_num modf round"
    )
    compare((REAL,), named(*names.split()), rtol=5e-5)
    compare((POSITIVE,), named("log", "log2", "log10", "log1p", "sqrt", "reciprocal", "i0"), rtol=5e-5)
    compare((UNIT,), named("arcsin", "arccos", "arctanh"), rtol=5e-5)
    compare((POSITIVE + 1,), named("arccosh"), rtol=5e-5)


def test_special_numbers(compare):
    names = "absolute sign signbit floor ceil trunc rint isfinite isnan isinf isposinf isneginf nan_to_num exp sqrt"
    compare((SPECIAL,), named(*names.split(), "modf", "frexp", "isreal", "tanh", "arctan"))
    pairs = np.repeat(SPECIAL, SPECIAL.size), np.tile(SPECIAL, SPECIAL.size)
    names = "maximum minimum fmax fmin add multiply less less_equal equal not_equal greater greater_equal copysign"
    compare(
        pairs, named(*names.split(), "logaddexp", "logaddexp2", "hypot", "heaviside", "nextafter", "arctan2")
    )


def test_functions_of_complex_numbers(compare):
    names = (
        "sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh exp expm1 log log1p sqrt square absolute "
        "negative reciprocal real imag conj angle isfinite isnan isinf isreal iscomplex sign rint log2 log10"
    )
    compare((COMPLEX,), named(*names.split()), rtol=2e-4, atol=2e-5)
    names = "add subtract multiply true_divide equal not_equal maximum minimum less greater"
    compare((COMPLEX, COMPLEX[::-1].copy()), named(*names.split()), rtol=2e-4, atol=2e-5)


def test_pairs_of_reals(compare):
    x, y = np.repeat(REAL, REAL.size), np.tile(REAL[::-1], REAL.size)
    names = (
        "add subtract multiply maximum minimum fmax fmin hypot arctan2 copysign nextafter heaviside logaddexp logaddexp2 "
        "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor isclose"
    )
    compare((x, y), named(*names.split()), rtol=5e-5)
    y = np.where(y == 0, np.float32(0.7), y)
    compare((x, y), named("true_divide", "divide"))
    names = "remainder mod fmod floor_divide divmod"
    compare((x, y), named(*names.split()), atol=2e-5)
    compare((np.abs(x) + 1, y / 4), named("power", "pow", "float_power"), rtol=1e-4)


def test_integers(compare):
    x, y = np.repeat(INTS, OTHERS.size), np.tile(OTHERS, INTS.size)
    names = (
        "add subtract multiply maximum minimum fmax fmin floor_divide remainder fmod divmod gcd lcm bitwise_and "
        "bitwise_or bitwise_xor equal less greater_equal logical_and"
    )
    compare((x, y), named(*names.split()))
    compare((np.abs(x), y), named("true_divide"))
    compare(
        (INTS,),
        named("invert", "bitwise_not", "absolute", "sign", "negative", "square", "bitwise_count", "signbit"),
    )
    shifts = np.abs(OTHERS)
    compare((INTS, shifts), named("left_shift", "right_shift", "power"))
    unsigned = INTS.astype(np.uint8)
    compare(
        (unsigned, shifts.astype(np.uint8)),
        named("add", "right_shift", "floor_divide", "remainder", "maximum", "gcd"),
    )
    compare(
        (np.array([True, False, True]), np.array([True, True, False])),
        named(*"add multiply maximum logical_and bitwise_xor equal less".split()),
    )


def test_integers_that_become_floats(compare):
    compare((INTS[5:],), named("sin", "exp", "sqrt", "log", "tanh", "arctan", "rint", "deg2rad"), rtol=5e-5)


def test_parts_of_floats(compare):
    x = np.float32([0.0, 1.0, -3.7, 1e-37, 6e37, 0.1, np.inf, np.nan])
    compare((x,), named("frexp", "modf"))
    powers = np.int32([3, -2, 1, 100, -100, 0, 4, 5])
    compare((x, powers), named("ldexp"))
    compare((x.astype(np.float64), powers), named("ldexp"))
    compare((x.astype(np.float64),), named("frexp"))
    with np.errstate(all="ignore"):
        half = x.astype(np.float16)
    compare((half,), named("frexp"))


def test_rounding_to_decimals(compare):
    x = np.float32([1.25, -1.375, 2.5, 1234.567, -0.05])
    n = np.int32([-25, -15, -14, 5, 15, 25, 149])
    compare(
        (x, n),
        {
            "two": lambda np_, x, n: np_.round(x, 2),
            "tens": lambda np_, x, n: np_.round(x, -1),
            "integers": lambda np_, x, n: np_.round(n, -1),
            "complex": lambda np_, x, n: np_.round(x + 1j * x, 1),
        },
    )


def test_choices(compare):
    x = REAL
    compare(
        (x,),
        {
            "where": lambda np_, x: np_.where(x > 0, x, -x),
            "where broadcast": lambda np_, x: np_.where(x[:, None] > 0, x, np_.float32(1.0)),
            "select": lambda np_, x: np_.select([x > 1, x < -1], [x, x * x], 7.0),
            "clip": lambda np_, x: np_.clip(x, -1, 2),
            "clip below": lambda np_, x: np_.clip(x, None, np_.float32(0.5)),
            "clip array": lambda np_, x: np_.clip(x, np_.flip(x) - 3, x + 1),
            "piecewise": lambda np_, x: np_.piecewise(
                x, [x < 0, x > 1], [lambda v: -v, lambda v: v * v, 3.0]
            ),
            "nan_to_num": lambda np_, x: np_.nan_to_num(x / 0, nan=1.5, posinf=9.0, neginf=-9.0),
        },
    )


def test_closeness(compare):
    x = np.float32([1.0, 1.0 + 1e-6, np.nan, np.inf, 5.0])
    y = np.float32([1.0, 1.0, np.nan, np.inf, 5.1])
    compare(
        (x, y),
        {
            "isclose": lambda np_, x, y: np_.isclose(x, y),
            "equal_nan": lambda np_, x, y: np_.isclose(x, y, equal_nan=True),
            "rtol": lambda np_, x, y: np_.isclose(x, y, rtol=0.1),
            "allclose": lambda np_, x, y: np_.allclose(x, y, equal_nan=True, rtol=0.1),
            "array_equal": lambda np_, x, y: np_.array_equal(x, y),
            "array_equal itself": lambda np_, x, y: np_.array_equal(x, x, equal_nan=True),
            "array_equal shapes": lambda np_, x, y: np_.array_equal(x, y[:2]),
            "array_equiv": lambda np_, x, y: np_.array_equiv(x[:1], x[:1][:, None]),
        },
    )


def test_powers_of_python_integers():
    x = mnp.array([-2.0, 0.0, 3.0])
    for n in (0, 1, 2, 3, 7, -1, -2):
        np.testing.assert_allclose(x**n, np.asarray(x) ** float(n), rtol=1e-6)
    assert (mnp.array([2, 3]) ** 2).dtype == np.int32
    # No power operation is left behind, whose derivative by the exponent has a logarithm.
    assert "stablehlo.power" not in mycc.jit(lambda x: x**3).lower(x).as_text()
    with pytest.raises(ValueError, match="negative power"):
        mnp.array([2, 3]) ** -1


def test_without_jit_each_function_is_one_program():
    np.testing.assert_allclose(mnp.sinc(mnp.array([0.0, 0.5])), [1.0, 2 / np.pi], rtol=1e-6)
    assert mnp.add(1, 2.0).weak_type
    assert not mnp.add(np.float32([1]), 2.0).weak_type


@given(st.lists(st.integers(1, 3), max_size=3), st.data())
@settings(max_examples=20, deadline=None)
def test_broadcasting(shape, data):
    def narrowed() -> tuple[int, ...]:
        kept = [n if data.draw(st.booleans()) else 1 for n in shape]
        return tuple(kept[data.draw(st.integers(0, len(kept))) :])

    x, y, z = (np.random.default_rng(i).normal(size=narrowed()).astype(np.float32) for i in range(3))
    np.testing.assert_allclose(mnp.where(x > y, mnp.add(x, y), z), np.where(x > y, x + y, z), rtol=1e-6)


def test_shapes_that_do_not_broadcast():
    with pytest.raises(
        ValueError, match=r"test_elementwise.py:\d+: add got operands of shapes \(2,\), \(3,\)"
    ):
        mnp.add(mnp.ones(2), mnp.ones(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mnp.subtract(True, True), "subtract does not take dtype bool"),
        (lambda: mnp.floor(mnp.array([1j])), "floor does not take dtype complex64"),
        (lambda: mnp.bitwise_and(mnp.ones(2), 1), "bitwise_and does not take dtype float32"),
        (lambda: mnp.clip(mnp.array([1j]), 0, 1), "no order"),
        (lambda: mnp.sin("x"), "expected an array or a number, got str"),
        (lambda: mnp.sin([1.0]), r"convert lists with mycc.numpy.array"),
        (lambda: mnp.ldexp(mnp.ones(2), mnp.ones(2)), "exponents are integers"),
    ],
)
def test_operands_of_the_wrong_kind(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_division_by_zero_and_infinity():
    with np.errstate(all="ignore"):
        for x, y in [
            (INTS, np.zeros_like(INTS)),
            (INTS.astype(np.uint8), np.uint8([0] * INTS.size)),
            (
                np.float32([3, -3, 3, -3, 0, np.inf, np.nan]),
                np.float32([-np.inf, np.inf, np.inf, -np.inf, -np.inf, 2, np.inf]),
            ),
        ]:
            np.testing.assert_array_equal(mnp.floor_divide(x, y), np.floor_divide(x, y))
            np.testing.assert_array_equal(mnp.remainder(x, y), np.remainder(x, y))
