"""Operations with regions and indices in loops of unknown length: first and second order, batched, in loops of loops.

JAX differentiates the same text unrolled; where it has no rule itself, differences of values do.
"""

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

RNG = np.random.default_rng(0)
X, V = RNG.standard_normal((2, 4, 4))
ROWS = np.array([0, 2, 0])


@pytest.fixture(autouse=True)
def _double() -> Any:
    with jax.enable_x64(True):
        yield


def pooled(np_: Any, l: Any, x: Any) -> Any:
    found = l.reduce_window(x, -np.inf, l.max, (2, 2), (1, 1), "VALID")
    return np_.pad(found, ((0, 1), (0, 1)))


def unpooled(np_: Any, l: Any, x: Any) -> Any:
    """The cotangent of a maximum over windows, which is a `select_and_scatter`."""
    api = mycc if np_ is mnp else jax
    windows = lambda v: l.reduce_window(v, -np_.inf, l.max, (2, 2), (1, 1), "VALID")  # noqa: E731
    return api.vjp(windows, x)[1](np_.sin(x[:3, :3]))[0]


# Each takes a NumPy-like and a lax-like module, the trip, and what goes round.
BODIES: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "reduce_window": lambda np_, l, i, x: np_.sin(pooled(np_, l, x)) + x * 0.5,
    "select_and_scatter": lambda np_, l, i, x: np_.sin(unpooled(np_, l, x)) + x * 0.5,
    "sort": lambda np_, l, i, x: (
        l.sort((np_.sin(x * (1 + i)), np_.cos(x) * x), dimension=1, num_keys=1)[1] + x * 0.1
    ),
    "scatter add": lambda np_, l, i, x: x.at[ROWS].add(np_.sin(x[:3]) * 0.5) * 0.7,
    "scatter max": lambda np_, l, i, x: x.at[ROWS].max(np_.sin(x[1:] * 2)) * 0.8 + 0.1 * x**2,
    "scatter at the trip": lambda np_, l, i, x: x.at[i % 4].set(np_.sin(x[(i + 1) % 4]) * x[i % 4]) * 0.9,
    "both in branches": lambda np_, l, i, x: l.cond(
        i % 2 == 0,
        lambda x: np_.sort(np_.sin(pooled(np_, l, x)), 0) * x,
        lambda x: x.at[1].add(np_.cos(x[2])),
        x,
    ),
}
NOT_IN_JAX: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "scatter mul": lambda np_, l, i, x: x.at[ROWS].multiply(np_.cos(x[1:])) + 0.1 * x,
    "window of products": lambda np_, l, i, x: (
        np_.sin(l.reduce_window(x, 1.0, l.mul, (2, 1), (1, 1), "SAME")) + x
    ),
    "dilated window": lambda np_, l, i, x: (
        np_.sin(l.reduce_window(x, np.inf, l.min, (2, 2), (1, 1), ((1, 1), (1, 1)), (1, 1), (2, 2))) + x * 0.3
    ),
}


def dynamic(body: Callable[..., Any], checkpoints: int = 2) -> Callable[..., Any]:
    """The sum of squares after n trips, in a loop whose limit is an argument."""

    def f(x: Any, n: Any) -> Any:
        step = lambda c: (c[0] + 1, body(mnp, lax, c[0], c[1]), c[2])  # noqa: E731
        loop = lax.while_loop(lambda c: c[0] < c[2], step, (0 * n, x, n), checkpoints=checkpoints)
        return (loop[1] ** 2).sum()

    return f


def unrolled(body: Callable[..., Any], n: int) -> Callable[..., Any]:
    def f(x: Any) -> Any:
        for i in range(n):
            x = body(jnp, jax.lax, i, x)
        return (x**2).sum()

    return f


def inner(body: Callable[..., Any]) -> Callable[..., Any]:
    """A loop of one more trip than the outer one has made, whose trips are counted as it runs."""

    def run(np_: Any, l: Any, i: Any, x: Any) -> Any:
        step = lambda j, y: body(np_, l, j, y) * 0.5  # noqa: E731
        y = x
        if np_ is mnp:
            y = l.fori_loop(0 * i, i + 1, step, x, checkpoints=1)
        else:
            for j in range(i + 1):
                y = step(j, y)
        return y + 0.1 * x

    return run


CASES = {**BODIES, **{f"{name}, two loops": inner(BODIES[name]) for name in ("sort", "scatter max")}}


@pytest.mark.parametrize("name", CASES)
def test_as_unrolled(name: str) -> None:
    body = CASES[name]
    f = dynamic(body)
    x, n = jnp.asarray(X), np.int32(3)
    g = jax.grad(unrolled(body, 3))
    product = jax.jvp(g, (x,), (V,))[1]

    def everything(x: Any, n: Any) -> Any:
        gradient = lambda x: mycc.grad(f)(x, n)  # noqa: E731
        reverse = mycc.grad(lambda x: (gradient(x) * V).sum())(x)
        return gradient(x), reverse, mycc.jvp(gradient, (x,), (V,))[1]

    got = mycc.jit(everything)(X, n)
    for a, b in zip(got, (g(x), product, product), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    batched = mycc.vmap(mycc.grad(f))(np.stack([X, X / 2, X]), np.array([3, 2, 0], np.int32))
    wanted = [g(x), jax.grad(unrolled(body, 2))(x / 2), 2 * X]
    np.testing.assert_allclose(batched, np.stack(wanted), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NOT_IN_JAX)
def test_against_differences(name: str) -> None:
    f, n, step = dynamic(NOT_IN_JAX[name]), np.int32(3), 1e-6
    gradient = mycc.jit(mycc.grad(f))

    def along(g: Any) -> Any:
        return (np.asarray(g(X + step * V, n)) - np.asarray(g(X - step * V, n))) / (2 * step)

    np.testing.assert_allclose((np.asarray(gradient(X, n)) * V).sum(), along(mycc.jit(f)), rtol=1e-5)
    product = mycc.jit(lambda x, n: mycc.grad(lambda x: (mycc.grad(f)(x, n) * V).sum())(x))
    np.testing.assert_allclose(product(X, n), along(gradient), rtol=1e-4, atol=1e-5)
