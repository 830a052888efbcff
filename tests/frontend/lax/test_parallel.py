"""Named axes, stopped gradients, barriers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
from mycc import lax

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_sums_over_an_axis() -> None:
    found = mycc.vmap(lambda v: lax.psum({"a": v, "b": (v, 1)}, "i"), axis_name="i", out_axes=None)(X[0])
    assert float(found["a"]) == 3
    assert (float(found["b"][0]), int(found["b"][1])) == (3, 3)


def test_means_and_normalization() -> None:
    found = mycc.vmap(lambda v: v / lax.pmean(v, "i"), axis_name="i")(X[1])
    np.testing.assert_allclose(found, X[1] / X[1].mean())


def test_several_axes() -> None:
    def inner(v: Any) -> Any:
        return lax.psum(v, ("i", "j")), lax.axis_index(("i", "j")), lax.axis_size(("i", "j"))

    total, index, size = mycc.vmap(mycc.vmap(inner, axis_name="j"), axis_name="i")(X)
    np.testing.assert_array_equal(total, np.full((2, 3), X.sum()))
    np.testing.assert_array_equal(index, np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(size, np.full((2, 3), 6))


def test_gradients_of_sums() -> None:
    # Each element's loss holds every element: the derivatives of the other elements' losses arrive, too.
    found = mycc.vmap(mycc.grad(lambda v: lax.psum(v * v, "i")), axis_name="i")(X[0])
    np.testing.assert_array_equal(found, 2 * X[0] * 3)


def test_unbound_names() -> None:
    with pytest.raises(NameError, match=r"test_parallel\.py:\d+: psum names the axis 'k'.*bound: 'i'"):
        mycc.vmap(lambda v: lax.psum(v, "k"), axis_name="i")(X[0])
    for f in (lambda v: lax.axis_index("i") + v, lambda v: lax.axis_size("i") * v):
        with pytest.raises(NameError, match="bound: none"):
            mycc.jit(f)(1.0)


def test_stopped_gradients() -> None:
    assert float(mycc.grad(lambda v: v * lax.stop_gradient(v))(3.0)) == 3
    tree = lax.stop_gradient({"a": X, "n": 3})
    np.testing.assert_array_equal(tree["a"], X)
    assert tree["n"] == 3


def test_barriers() -> None:
    found = lax.optimization_barrier((X, {"a": X[0]}))
    np.testing.assert_array_equal(found[0], X)
    assert lax.optimization_barrier(()) == ()
    assert float(mycc.grad(lambda v: lax.optimization_barrier(v) * 2.0)(1.0)) == 2
