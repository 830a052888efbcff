"""Derivatives of determinants, of singular matrices above all, against determinants of their minors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp

RNG = np.random.default_rng(0)


def cofactors(a: Any) -> Any:
    n = len(a)
    return np.array(
        [
            [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(n)]
            for i in range(n)
        ]
    )


MATRICES = {
    "regular": RNG.standard_normal((5, 5)),
    "ones": np.ones((4, 4)),
    "last pivot is zero": np.diag([1.0, 2.0, 3.0, 0.0]),
    "first pivot is zero": np.diag([0.0, 1.0, 2.0, 3.0]),
    "rank two": np.diag([1.0, 2.0, 0.0, 0.0]),
    "rank four of five": RNG.standard_normal((5, 4)) @ RNG.standard_normal((4, 5)),
    "zero": np.zeros((4, 4)),
    "complex": RNG.standard_normal((4, 4)) + 1j * RNG.standard_normal((4, 4)),
    "complex and singular": np.diag([1 + 1j, 2, 3j, 0]) + np.triu(np.full((4, 4), 1j), 1),
}


@pytest.mark.parametrize("name", MATRICES)
def test_cofactors(name: str) -> None:
    a = MATRICES[name]
    expected = cofactors(a)
    gradient = mycc.grad(mnp.linalg.det, holomorphic=a.dtype.kind == "c")
    np.testing.assert_allclose(gradient(a), expected, atol=1e-12)
    np.testing.assert_allclose(mnp.linalg.det(a), np.linalg.det(a), atol=1e-12)
    tangent = np.cos(np.arange(a.size)).reshape(a.shape).astype(a.dtype)
    _, got = mycc.jit(lambda x: mycc.jvp(mnp.linalg.det, (x,), (tangent,)))(a)
    np.testing.assert_allclose(got, np.sum(expected * tangent), atol=1e-12)


def test_batches_of_both() -> None:
    stacked = np.stack([MATRICES["rank two"], MATRICES["first pivot is zero"], RNG.standard_normal((4, 4))])
    expected = np.stack([cofactors(a) for a in stacked])
    np.testing.assert_allclose(mycc.vmap(mycc.grad(mnp.linalg.det))(stacked), expected, atol=1e-12)
    got = mycc.grad(lambda x: mnp.linalg.det(x).sum())(stacked)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_second_derivatives_of_regular_ones_beside_singular_ones() -> None:
    stacked = np.stack([np.ones((4, 4)), np.diag([1.0, 2.0, 3.0, 4.0])])
    hessian = np.asarray(mycc.hessian(lambda x: mnp.linalg.det(x).sum())(stacked))
    # By the first two elements of the diagonal: the product of the others.
    assert hessian[1, 0, 0, 1, 1, 1] == pytest.approx(12.0)
    assert np.isfinite(hessian).all()


def test_only_derivatives_ask_for_singular_values() -> None:
    text = mycc.jit(mnp.linalg.det).lower(np.ones((4, 4))).as_text()
    assert "getrf" in text and "svd" not in text
