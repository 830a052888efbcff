"""Special functions against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import mycc
from mycc.scipy import special

LINE = np.linspace(-4.9, 4.8, 23)
UNIT = np.linspace(0.01, 0.99, 13)
POSITIVE = np.linspace(0.1, 6, 13)

ONE: dict[str, Any] = {
    "expit": LINE, "logit": UNIT, "erf": LINE, "erfc": LINE, "erfinv": 2 * UNIT - 1, "gammaln": LINE,
    "gamma": LINE, "digamma": POSITIVE, "psi": POSITIVE, "entr": np.array([-1.0, 0.0, 0.5, 2.0]),
    "ndtr": LINE, "ndtri": UNIT, "i0": LINE, "i0e": LINE, "i1": LINE, "i1e": LINE,
}  # fmt: skip
EDGES = np.array([-1.0, 0.0, 0.5, 2.0])
TWO: dict[str, Any] = {
    "polygamma": (np.array([[1.0], [2.0]]), POSITIVE), "zeta": (POSITIVE + 1.2, POSITIVE),
    "betaln": (POSITIVE, POSITIVE[::-1]), "beta": (POSITIVE, POSITIVE[::-1]),
    "xlogy": (np.array([0.0, 0.0, 2.0, -1.0]), np.array([0.0, np.inf, 3.0, 0.5])),
    "xlog1py": (np.array([0.0, 0.0, 2.0, -1.0]), np.array([-1.0, np.inf, 3.0, 0.5])),
    "rel_entr": (EDGES[:, None], EDGES), "kl_div": (np.abs(EDGES[:, None]), np.abs(EDGES)),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_one_operand(name: str) -> None:
    np.testing.assert_allclose(
        getattr(special, name)(ONE[name]), getattr(sp, name)(ONE[name]), rtol=1e-11, atol=1e-13
    )
    assert getattr(special, name)(2).dtype == np.float32


@pytest.mark.parametrize("name", TWO)
def test_two_operands(name: str) -> None:
    with np.errstate(all="ignore"):
        expected = getattr(sp, name)(*TWO[name])
    np.testing.assert_allclose(getattr(special, name)(*TWO[name]), expected, rtol=1e-10, atol=1e-12)


def test_poles_of_gamma() -> None:
    x = np.array([0.0, -0.0, -1.0, -2.0, -1.5, -0.5])
    np.testing.assert_allclose(special.gamma(x), sp.gamma(x), rtol=1e-12)


def test_derivatives_at_zero_weight_are_finite() -> None:
    assert float(mycc.grad(lambda x: special.xlogy(x, 3.0))(2.0)) == pytest.approx(np.log(3.0))
    assert float(mycc.grad(special.xlogy, argnums=1)(0.0, 0.0)) == 0
    assert np.isfinite(float(mycc.grad(special.xlogy)(0.0, 0.0)))
    assert float(mycc.grad(special.rel_entr, argnums=1)(2.0, 4.0)) == -0.5
    assert float(mycc.grad(special.rel_entr, argnums=1)(0.0, 0.0)) == 0


def test_normalizations_are_those_of_nn() -> None:
    np.testing.assert_allclose(special.logsumexp(LINE), sp.logsumexp(LINE), rtol=1e-13)
    np.testing.assert_allclose(special.softmax(LINE), sp.softmax(LINE), rtol=1e-13)


def test_derivatives_of_digamma_below_zero() -> None:
    slope = mycc.vmap(mycc.grad(special.digamma))
    x = np.array([-8.8046875, -8.379, -7.5193, -2.5, -1.001, -0.999999, -0.5, -1e-3, 1e-3, 0.4])
    np.testing.assert_allclose(slope(x), sp.polygamma(1, x), rtol=1e-9)
    step = 1e-4 * np.minimum(1, np.abs(x - np.rint(x)))
    across = sp.polygamma(1, x + step) - sp.polygamma(1, x - step)
    curvature = mycc.vmap(mycc.grad(mycc.grad(special.digamma)))
    np.testing.assert_allclose(curvature(x), across / (2 * step), rtol=1e-6)
    narrow = x.astype(np.float32)
    np.testing.assert_allclose(slope(narrow), sp.polygamma(1, narrow.astype(np.float64)), rtol=2e-5)
