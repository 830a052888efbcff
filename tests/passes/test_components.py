"""Arrays of short vectors, split into their components: the numbers stay what NumPy says."""

from __future__ import annotations

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp


def _lowered(function, *arguments):
    lowered = mycc.jit(function).lower(*arguments)
    return lowered.as_text(), lowered.compile()(*arguments)


@pytest.mark.parametrize("components", [2, 3, 4])
@pytest.mark.parametrize("reduction", ["sum", "max", "min", "prod"])
@pytest.mark.parametrize("axis", [0, 1, 2, (0, 2), (0, 1, 2)])
def test_reductions_of_pairs(components: int, reduction: str, axis: object) -> None:
    p = np.random.default_rng(0).standard_normal((130, components))

    def f(xp, p):
        return getattr(xp, reduction)(xp.tanh(p[None] - 0.5 * p[:, None]) * 1e-3 + 1.0, axis=axis)

    text, got = _lowered(lambda p: f(mnp, p), p)
    assert f"130x130x{components}xf" not in text
    np.testing.assert_allclose(got, f(np, p), rtol=1e-10)


def test_selection_by_components() -> None:
    p = np.random.default_rng(0).standard_normal((130, 3)).astype(np.float32)

    def f(xp, p):
        difference = p[None] - p[:, None]
        distance = xp.sqrt(xp.sum(difference**2, axis=-1, keepdims=True))
        return xp.sum(xp.where(difference > distance / 2, difference, 0), axis=0)

    text, got = _lowered(lambda p: f(mnp, p), p)
    assert "130x130x3xf" not in text
    np.testing.assert_allclose(got, f(np, p), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["complex64", "bfloat16", "int32", "float16"])
def test_other_dtypes(dtype: str) -> None:
    p = mnp.array(np.random.default_rng(0).integers(-9, 9, (130, 3))).astype(dtype)

    def f(p):
        return mnp.sum((p[None] - p[:, None]) * mnp.array(2, dtype), axis=2)

    _, got = _lowered(f, p)
    q = np.asarray(p.astype("complex64" if dtype == "complex64" else "float32"))
    expected = ((q[None] - q[:, None]) * 2).sum(axis=2)
    np.testing.assert_array_equal(np.asarray(got.astype(expected.dtype)), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", [1.5, 2.5, 3.0, -1.5, -2.0, -2.5, -3.0])
def test_powers(exponent: float, dtype: type) -> None:
    x = np.concatenate([np.geomspace(1e-8, 1e8, 1001), [0.0, -0.0, np.inf, np.nan]]).astype(dtype)
    text, got = _lowered(lambda x: x**exponent, x)
    assert "stablehlo.power" not in text
    with np.errstate(all="ignore"):
        exact = (x.astype(np.longdouble) ** np.longdouble(exponent)).astype(dtype)
    np.testing.assert_allclose(got, exact, rtol=5 * np.finfo(dtype).eps)


def test_powers_of_negative_numbers() -> None:
    x = np.array([-2.0, -0.5], np.float32)
    for exponent in (1.5, -1.5, -2.0, -3.0):
        _, got = _lowered(lambda x, e=exponent: x**e, x)
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(got, x ** np.float32(exponent), rtol=1e-6)
