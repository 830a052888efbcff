"""Named collectives under the `vmap` that binds their axis, against JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax

COLLECTIVES: dict[str, Callable[[Any, Any], Any]] = {
    "psum": lambda l, v: l.psum(v, "i"),
    "pmean": lambda l, v: l.pmean(v, "i"),
    "pmax": lambda l, v: l.pmax(v, "i"),
    "pmin": lambda l, v: l.pmin(v, "i"),
    "all_gather": lambda l, v: l.all_gather(v, "i"),
    "all_gather 1": lambda l, v: l.all_gather(v, "i", axis=1),
    "all_gather -1": lambda l, v: l.all_gather(v, "i", axis=-1),
    "all_gather tiled": lambda l, v: l.all_gather(v, "i", axis=1, tiled=True),
    "psum_scatter": lambda l, v: l.psum_scatter(v, "i"),
    "psum_scatter tiled": lambda l, v: l.psum_scatter(v, "i", scatter_dimension=1, tiled=True),
    "all_to_all 0 0": lambda l, v: l.all_to_all(v, "i", 0, 0),
    "all_to_all 0 1": lambda l, v: l.all_to_all(v, "i", 0, 1),
    "all_to_all 1 0": lambda l, v: l.all_to_all(v.T, "i", 1, 0),
    "all_to_all tiled": lambda l, v: l.all_to_all(v, "i", 1, 0, tiled=True),
    "all_to_all tiled 1 1": lambda l, v: l.all_to_all(v, "i", 1, 1, tiled=True),
    "ppermute": lambda l, v: l.ppermute(v, "i", [(i, (i + 1) % 4) for i in range(4)]),
    "pshuffle": lambda l, v: l.pshuffle(v, "i", [2, 0, 3, 1]),
    "axis_index": lambda l, v: v * l.axis_index("i"),
}
X = np.random.default_rng(0).normal(size=(4, 4, 8))


def both(name: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    function = COLLECTIVES[name]
    return lambda v: function(lax, v), lambda v: function(jax.lax, v)


@pytest.mark.parametrize("name", COLLECTIVES)
def test_values(name: str) -> None:
    ours, theirs = both(name)
    with jax.enable_x64(True):
        for axis in (0, 2):
            x = np.moveaxis(X, 0, axis)
            want = jax.vmap(theirs, in_axes=axis, axis_name="i")(x)
            np.testing.assert_allclose(mycc.vmap(ours, in_axes=axis, axis_name="i")(x), want, rtol=1e-12)
        # Another vmap passes over them.
        stack = np.stack([X, 2 * X])
        got = mycc.jit(mycc.vmap(mycc.vmap(ours), in_axes=1, axis_name="i"))(stack)
        want = jax.vmap(jax.vmap(theirs), in_axes=1, axis_name="i")(stack)
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in COLLECTIVES if name not in ("pmax", "pmin")])
def test_derivatives(name: str) -> None:
    ours, theirs = both(name)
    with jax.enable_x64(True):
        want, pull = jax.vjp(jax.vmap(theirs, axis_name="i"), X)
        cotangent = np.random.default_rng(1).normal(size=want.shape)
        (got,) = mycc.vjp(mycc.vmap(ours, axis_name="i"), mnp.asarray(X))[1](mnp.asarray(cotangent))
        np.testing.assert_allclose(got, pull(cotangent)[0], rtol=1e-12)
        # JAX's transpose of an untiled all_to_all between different dimensions has the wrong shape.
        if name not in ("all_to_all 0 1", "all_to_all 1 0"):
            inside = mycc.vmap(mycc.grad(lambda v: mnp.sum(mnp.sin(ours(v)))), axis_name="i")(X)
            other = jax.vmap(jax.grad(lambda v: jnp.sum(jnp.sin(theirs(v)))), axis_name="i")(X)
            np.testing.assert_allclose(inside, other, rtol=1e-12)


@pytest.mark.parametrize("name", ["pmax", "pmin"])
def test_ties_share_derivatives(name: str) -> None:
    mapped = mycc.vmap(both(name)[0], axis_name="i")
    x = mnp.array([[1.0, 2.0], [1.0, 5.0], [0.0, 5.0], [1.0, 2.0]])
    (got,) = mycc.vjp(mapped, x)[1](mnp.ones((4, 2)))
    shares = {"pmax": [[4 / 3, 0], [4 / 3, 2], [0, 2], [4 / 3, 0]], "pmin": [[0, 2], [0, 0], [4, 0], [0, 2]]}
    np.testing.assert_allclose(got, shares[name], rtol=1e-6)


def test_nobody_sends_to_some() -> None:
    got = mycc.vmap(lambda v: lax.ppermute(v, "i", [(0, 2), (3, 1)]), axis_name="i")(X)
    np.testing.assert_array_equal(got, np.stack([0 * X[0], X[3], X[0], 0 * X[0]]))


def test_unmapped_values() -> None:
    for name, function in COLLECTIVES.items():
        same = np.broadcast_to(X[0], X.shape)
        got = mycc.vmap(lambda _, f=function: f(lax, mnp.asarray(X[0])), axis_name="i")(np.arange(4.0))
        want = mycc.vmap(lambda v, f=function: f(lax, v), axis_name="i")(same)
        np.testing.assert_allclose(got, want, rtol=1e-12, err_msg=name)
