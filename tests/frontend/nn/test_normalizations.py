"""Softmax and its kin against SciPy; their derivatives; initializers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import mycc
from mycc import lax, nn, random

_RNG = np.random.default_rng(3)
X = _RNG.standard_normal((3, 4, 5))
WHERE = _RNG.random((3, 4, 5)) < 0.7
AXES: list[Any] = [-1, 0, (0, 2), None]
INF = math.inf


@pytest.mark.parametrize("axis", AXES)
def test_values(axis: Any) -> None:
    np.testing.assert_allclose(nn.softmax(X, axis), sp.softmax(X, axis), rtol=1e-13)
    np.testing.assert_allclose(nn.log_softmax(X, axis), sp.log_softmax(X, axis), rtol=1e-12)
    np.testing.assert_allclose(nn.logsumexp(X, axis), sp.logsumexp(X, axis), rtol=1e-13)
    kept = nn.logsumexp(X, axis, keepdims=True)
    np.testing.assert_allclose(kept, sp.logsumexp(X, axis, keepdims=True), rtol=1e-13)
    expected = np.log(np.mean(np.exp(X), axis))
    np.testing.assert_allclose(nn.logmeanexp(X, axis), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("axis", AXES)
def test_masks(axis: Any) -> None:
    hidden = np.where(WHERE, X, -INF)
    np.testing.assert_allclose(nn.softmax(X, axis, WHERE), sp.softmax(hidden, axis), rtol=1e-12)
    np.testing.assert_allclose(nn.log_softmax(X, axis, WHERE), sp.log_softmax(hidden, axis), rtol=1e-12)
    np.testing.assert_allclose(nn.logsumexp(X, axis, where=WHERE), sp.logsumexp(hidden, axis), rtol=1e-12)
    expected = np.log(np.mean(np.exp(X), axis, where=WHERE))
    np.testing.assert_allclose(nn.logmeanexp(X, axis, where=WHERE), expected, rtol=1e-11, atol=1e-13)


def test_large_numbers() -> None:
    x = np.array([1000.0, 1001.0], np.float32)
    np.testing.assert_allclose(nn.softmax(x), sp.softmax(x.astype(np.float64)), rtol=1e-6)
    np.testing.assert_allclose(nn.logsumexp(x), 1001 + math.log1p(math.exp(-1)), rtol=1e-6)


def test_infinities() -> None:
    assert float(nn.logsumexp(np.array([-INF, -INF]))) == -INF
    assert float(nn.logsumexp(np.array([INF, 0.0]))) == INF
    assert math.isnan(float(nn.logsumexp(np.array([math.nan, 0.0]))))
    np.testing.assert_array_equal(nn.softmax(np.array([0.0, -INF])), [1, 0])
    np.testing.assert_array_equal(nn.log_softmax(np.array([0.0, -INF])), [0, -INF])
    assert np.all(np.isnan(nn.softmax(np.array([INF, 0.0]))))
    found = mycc.grad(nn.logsumexp)(np.array([0.0, -INF]))
    np.testing.assert_array_equal(found, [1, 0])
    found = mycc.grad(lambda v: nn.softmax(v)[0])(np.array([0.0, 1.0, -INF]))
    assert np.all(np.isfinite(found))


def test_factors_and_signs() -> None:
    b = _RNG.standard_normal((4, 5))
    value, sign = nn.logsumexp(X, 1, b, return_sign=True)
    expected, expected_sign = sp.logsumexp(X, 1, b, return_sign=True)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    np.testing.assert_array_equal(sign, expected_sign)
    plain = np.asarray(nn.logsumexp(X, 1, b))
    np.testing.assert_array_equal(np.isnan(plain), expected_sign < 0)
    # A factor of 0 hides an infinity.
    assert float(nn.logsumexp(np.array([INF, 1.0]), b=np.array([0.0, 1.0]))) == pytest.approx(1)


def test_complex_logsumexp() -> None:
    z = X[0] + 1j * X[1]
    np.testing.assert_allclose(nn.logsumexp(z, 1), np.log(np.exp(z).sum(1)), rtol=1e-12)


def test_gradients() -> None:
    x, ct = X[0], X[1]
    y = sp.softmax(x, -1)
    found = mycc.grad(lambda v: lax.reduce_sum(nn.softmax(v) * ct, (0, 1)))(x)
    np.testing.assert_allclose(found, y * (ct - (y * ct).sum(-1, keepdims=True)), rtol=1e-10)
    found = mycc.grad(lambda v: lax.reduce_sum(nn.log_softmax(v) * ct, (0, 1)))(x)
    np.testing.assert_allclose(found, ct - y * ct.sum(-1, keepdims=True), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(mycc.grad(nn.logsumexp)(x), sp.softmax(x), rtol=1e-12)
    hessian = mycc.hessian(nn.logsumexp)(x[0])
    p = sp.softmax(x[0])
    np.testing.assert_allclose(hessian, np.diag(p) - np.outer(p, p), rtol=1e-10, atol=1e-15)


def test_masked_gradients_are_zero_where_hidden() -> None:
    where = np.array([True, False, True])
    found = mycc.grad(lambda v: nn.softmax(v, where=where)[0])(np.array([1.0, math.inf, 2.0]))
    assert float(found[1]) == 0
    assert np.all(np.isfinite(found))


@pytest.mark.parametrize("algorithm", ["fast", "stable"])
def test_standardize(algorithm: str) -> None:
    for axis in AXES:
        mean, variance = X.mean(axis, keepdims=True), X.var(axis, keepdims=True)
        found = nn.standardize(X, axis, algorithm=algorithm)
        np.testing.assert_allclose(found, (X - mean) / np.sqrt(variance + 1e-5), rtol=1e-10, atol=1e-13)
    mean = X.mean(0, keepdims=True, where=WHERE)
    variance = X.var(0, keepdims=True, where=WHERE)
    found = nn.standardize(X, 0, where=WHERE, algorithm=algorithm)
    np.testing.assert_allclose(found, (X - mean) / np.sqrt(variance + 1e-5), rtol=1e-9, atol=1e-12)


def test_standardize_by_given_moments() -> None:
    found = nn.standardize(X, mean=1.0, variance=np.full((4, 1), 4.0), epsilon=0.0)
    np.testing.assert_allclose(found, (X - 1) / 2, rtol=1e-13)
    with pytest.raises(ValueError, match="algorithm='best'"):
        nn.standardize(X, algorithm="best")


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64"])
def test_one_hot(dtype: str) -> None:
    x = np.array([[0, 2], [1, 7]], dtype)
    expected = np.zeros((2, 2, 3), np.float32)
    expected[0, 0, 0] = expected[0, 1, 2] = expected[1, 0, 1] = 1
    np.testing.assert_array_equal(nn.one_hot(x, 3), expected)
    np.testing.assert_array_equal(nn.one_hot(x, 3, axis=0), np.moveaxis(expected, -1, 0))
    assert nn.one_hot(x, 3, dtype=bool).dtype == bool
    assert nn.one_hot(x, 300).shape == (2, 2, 300)
    np.testing.assert_array_equal(nn.one_hot(np.array([-1]), 2), [[0, 0]])


def test_axis_errors() -> None:
    with pytest.raises(ValueError, match=r"test_normalizations\.py:\d+: softmax got dimension 3"):
        nn.softmax(X, 3)
    with pytest.raises(TypeError, match="its where"):
        nn.softmax(X, where=X)


# ---- Initializers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("glorot_uniform", math.sqrt(2 / (200 + 300))),
        ("glorot_normal", math.sqrt(2 / (200 + 300))),
        ("lecun_uniform", math.sqrt(1 / 200)),
        ("lecun_normal", math.sqrt(1 / 200)),
        ("he_uniform", math.sqrt(2 / 200)),
        ("he_normal", math.sqrt(2 / 200)),
    ],
)
def test_variance_scaling(name: str, deviation: float) -> None:
    init = getattr(nn.initializers, name)()
    found = np.asarray(init(random.key(0), (200, 300)), np.float64)
    assert found.std() == pytest.approx(deviation, rel=0.02)
    assert abs(found.mean()) < 0.02 * deviation


def test_fans_of_convolutions() -> None:
    init = nn.initializers.variance_scaling(1.0, "fan_out", "normal")
    found = np.asarray(init(random.key(0), (5, 5, 20, 40)))
    assert found.std() == pytest.approx(math.sqrt(1 / (25 * 40)), rel=0.03)
    with pytest.raises(ValueError, match="needs two dimensions"):
        init(random.key(0), (5,))
    with pytest.raises(ValueError, match="no mode 'fan'"):
        nn.initializers.variance_scaling(1.0, "fan", "normal")


def test_plain_initializers() -> None:
    key, init = random.key(0), nn.initializers
    np.testing.assert_array_equal(init.zeros(key, (2, 3)), np.zeros((2, 3)))
    assert init.ones(key, (2,), np.float64).dtype == np.float64
    np.testing.assert_array_equal(init.constant(3)(key, (2,)), [3, 3])
    np.testing.assert_array_equal(init.constant(np.arange(2))(key, (3, 2)), [[0, 1]] * 3)
    np.testing.assert_allclose(
        init.normal(0.5)(key, (9,)), 0.5 * np.asarray(random.normal(key, (9,))), rtol=1e-6
    )
    uniform = np.asarray(init.uniform(0.5)(key, (99,)))
    assert uniform.min() >= 0
    assert uniform.max() < 0.5
    cut = np.asarray(init.truncated_normal(1.0, lower=-1, upper=1)(key, (99,)))
    assert np.abs(cut).max() < 1


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", ["glorot_uniform", "he_normal", "lecun_normal", "xavier_normal", "kaiming_uniform"]
)
def test_initializers_live(name: str) -> None:
    jax = pytest.importorskip("jax")
    found = getattr(nn.initializers, name)()(random.key(1), (7, 9))
    expected = getattr(jax.nn.initializers, name)()(jax.random.key(1), (7, 9))
    np.testing.assert_array_equal(found, expected)
