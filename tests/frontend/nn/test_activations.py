"""Activations: values and derivatives in float64 against formulas, corners and infinities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import mycc
from mycc import nn

Points = np.ndarray[Any, Any]
X: Points = np.concatenate([np.linspace(-7.3, 7.1, 19), [0.0, 100.0, -100.0]])


def softplus(x: Points) -> Points:
    return np.logaddexp(x, 0)


ORACLES: dict[str, Callable[[Points], Points]] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.01 * x),
    "sigmoid": sp.expit,
    "tanh": np.tanh,
    "silu": lambda x: x * sp.expit(x),
    "swish": lambda x: x * sp.expit(x),
    "softplus": softplus,
    "log_sigmoid": sp.log_expit,
    "soft_sign": lambda x: x / (1 + np.abs(x)),
    "elu": sp.elu if hasattr(sp, "elu") else lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "celu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)),
    "sparse_sigmoid": lambda x: 0.5 * np.clip(x + 1, 0, 2),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "identity": lambda x: x,
}


@pytest.mark.parametrize("name", ORACLES)
def test_values(name: str) -> None:
    np.testing.assert_allclose(getattr(nn, name)(X), ORACLES[name](X), rtol=1e-13, atol=1e-14)
    assert getattr(nn, name)(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("name", ORACLES)
def test_derivatives(name: str) -> None:
    x = X[:19]  # no corner of any function
    step = 1e-6
    slopes = (ORACLES[name](x + step) - ORACLES[name](x - step)) / (2 * step)
    found = mycc.vmap(mycc.grad(getattr(nn, name)))(x)
    np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", [name for name in ORACLES if name != "leaky_relu"])
def test_derivatives_are_finite_far_out(name: str) -> None:
    found = mycc.vmap(mycc.grad(getattr(nn, name)))(np.array([-1e4, -200.0, 0.0, 200.0, 1e4]))
    assert np.all(np.isfinite(found))


def test_derivatives_at_corners() -> None:
    def slope(f: Any, x: float) -> float:
        return float(mycc.grad(f)(x))

    assert slope(nn.relu, 0.0) == 0
    assert (slope(nn.relu6, 0.0), slope(nn.relu6, 6.0)) == (0, 0)
    assert slope(nn.leaky_relu, 0.0) == 1
    assert slope(nn.elu, 0.0) == slope(nn.celu, 0.0) == 1
    assert slope(nn.softplus, 0.0) == 0.5
    assert slope(mycc.grad(nn.softplus), 0.0) == 0.25
    assert slope(mycc.grad(nn.log_sigmoid), 0.0) == -0.25


def test_exact_gelu() -> None:
    np.testing.assert_allclose(nn.gelu(X, approximate=False), X * sp.ndtr(X), rtol=1e-12, atol=1e-14)


def test_log1mexp() -> None:
    x = np.array([1e-8, 0.1, 0.69, 0.7, 5.0, 50.0])
    np.testing.assert_allclose(nn.log1mexp(x), np.log1p(-np.exp(-x)), rtol=1e-7)
    np.testing.assert_allclose(mycc.vmap(mycc.grad(nn.log1mexp))(x), 1 / np.expm1(x), rtol=1e-9)


def test_infinities_and_nan() -> None:
    edge = np.array([np.inf, -np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(nn.relu(edge), [np.inf, 0, np.nan])
    np.testing.assert_array_equal(nn.relu6(edge), [6, 0, np.nan])
    np.testing.assert_array_equal(nn.softplus(edge), [np.inf, 0, np.nan])
    np.testing.assert_array_equal(nn.elu(edge), [np.inf, -1, np.nan])
    np.testing.assert_array_equal(nn.log_sigmoid(edge), [0, -np.inf, np.nan])
    np.testing.assert_array_equal(nn.hard_tanh(edge), [1, -1, np.nan])


def test_integers() -> None:
    n = np.array([-1, 0, 3], np.int32)
    assert nn.relu(n).dtype == np.int32
    np.testing.assert_array_equal(nn.relu(n), [0, 0, 3])
    for name in ("sigmoid", "silu", "gelu", "elu", "softplus", "relu6"):
        found = getattr(nn, name)(n)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, ORACLES[name](n.astype(np.float64)), rtol=1e-6)


def test_parameters() -> None:
    x = X.astype(np.float32)
    np.testing.assert_allclose(nn.elu(x, 2.0), np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0))), rtol=1e-6)
    np.testing.assert_allclose(
        nn.celu(x, 2.0), np.where(x > 0, x, 2 * np.expm1(np.minimum(x, 0) / 2)), rtol=1e-6
    )
    np.testing.assert_allclose(nn.leaky_relu(x, 0.3), np.where(x >= 0, x, np.float32(0.3) * x), rtol=1e-6)
    slopes = np.array([[0.1], [0.5]], np.float32)
    assert nn.leaky_relu(x, slopes).shape == (2, x.size)


def test_glu() -> None:
    x = np.random.default_rng(0).standard_normal((4, 6))
    np.testing.assert_allclose(nn.glu(x), x[:, :3] * sp.expit(x[:, 3:]), rtol=1e-12)
    np.testing.assert_allclose(nn.glu(x, 0), x[:2] * sp.expit(x[2:]), rtol=1e-12)
    with pytest.raises(ValueError, match="glu needs an even size"):
        nn.glu(x[:3], 0)


def test_few_operations() -> None:
    text = mycc.jit(nn.relu).trace(np.ones(3, np.float32)).as_text()
    assert "maximum" not in text
    assert text.count("stablehlo.") <= 4
