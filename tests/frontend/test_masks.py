"""Choices mask cotangents: reverse mode has no NaN where forward mode has none, whatever lies behind the choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from counting import counted_calls
from hypothesis import given, settings
from hypothesis import strategies as st

import mycc
import mycc.numpy as mnp
from mycc import lax


def _series(x: Any) -> Any:
    """A series that diverges at the larger points until it is infinite."""
    return lax.fori_loop(0, 60, lambda i, c: c * x * x + 1 / x, x)


def _until(x: Any) -> Any:
    """Elements that are done stay, and where they stay the body divides by zero."""

    def body(carry: Any) -> Any:
        y, _ = carry
        going = y > 0.1
        return mnp.where(going, y * y / (y + x), 0.0 * y), going.any()

    return lax.while_loop(lambda carry: carry[1], body, (x, True))[0]


POINTS = np.array([-1.0, 0.0, 0.5, 2.0, 30.0])

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "quotient": lambda x: mnp.where(x > 0, 1 / x, x),
    "quotient of itself": lambda x: mnp.nan_to_num(x / x),
    "quotient in a function": lambda x: mnp.where(x > 0, mnp.sin(2 / x) * x, 3 * x),
    "other side": lambda x: mnp.where(x <= 0, x * 2, mnp.log(x) / x),
    "power": lambda x: mnp.where(x > 0, x**-1.5, 1.0),
    "overflow": lambda x: mnp.where(x < 3, mnp.exp(x * 100) * mnp.exp(-x * 100), x),
    "two choices": lambda x: mnp.where(x > 0, mnp.where(x > 1, 1 / (x - 0.5), 1 / (2 - x)), -x),
    "one factor for two choices": lambda x: (
        lambda y: mnp.where(x > 0, mnp.where(x < 1, y * 2, y * mnp.sin(x)), x)
    )(1 / x),
    "inner function": lambda x: mnp.where(x > 0, mycc.jit(lambda y: mnp.cos(y) / y)(x), x),
    "loop": lambda x: mnp.where((x > 0) & (x < 1), _series(x), x),
    "loop of loops": lambda x: mnp.where(
        (x > 0) & (x < 1), lax.fori_loop(0, 2, lambda i, c: _series(c) / 1e9, x), x
    ),
    "loop until": _until,
    "scalar choice": lambda x: mnp.where(x[0] > 0, lax.fori_loop(0, 3, lambda i, c: c / x, x).sum(), x.sum()),
}


def _agree(f: Callable[[Any], Any], x: np.ndarray) -> None:
    jacobian = np.asarray(mycc.jacfwd(f)(x))
    assert np.isfinite(jacobian).all()
    np.testing.assert_allclose(np.asarray(mycc.jacrev(f)(x)), jacobian, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_reverse_is_forward(name: str) -> None:
    _agree(FUNCTIONS[name], POINTS)
    _agree(mycc.jit(FUNCTIONS[name]), POINTS)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("scalar choice", "loop until")])
def test_examples_that_are_done_stay(name: str) -> None:
    one_by_one = lambda x: mycc.vmap(lambda y: FUNCTIONS[name](y[None])[0])(x)  # noqa: E731
    _agree(one_by_one, POINTS)


@pytest.mark.parametrize("name", ["quotient", "other side", "power", "quotient in a function"])
def test_second_derivatives_away_from_the_pole(name: str) -> None:
    f, x = FUNCTIONS[name], POINTS[2:]
    want = np.asarray(mycc.jacfwd(mycc.jacfwd(f))(x))
    for second in (mycc.jacfwd(mycc.jacrev(f)), mycc.jacrev(mycc.jacfwd(f)), mycc.jacrev(mycc.jacrev(f))):
        np.testing.assert_allclose(np.asarray(second(x)), want, rtol=1e-10, atol=1e-10)


def test_forward_over_reverse_at_the_pole() -> None:
    f = FUNCTIONS["quotient"]
    want = np.asarray(mycc.jacfwd(mycc.jacfwd(f))(POINTS))
    np.testing.assert_allclose(np.asarray(mycc.jacfwd(mycc.jacrev(f))(POINTS)), want, rtol=1e-12)


# What masks are on, in every order and number: each step acts on the values so far.
STEPS: tuple[Callable[..., Any], ...] = (
    lambda np_, a, b: np_.where(a > 0.3, b * 2, a),
    lambda np_, a, b: np_.where(b < 0.6, a, np_.sin(b)),
    lambda np_, a, b: a * b,
    lambda np_, a, b: a / (b + 3),
    lambda np_, a, b: np_.where(a > b, a, 0.0) + b,
    lambda np_, a, b: np_.where(a.sum() > 0, a * b, b),
    lambda np_, a, b: np_.where(a > 0, 0.0, b) - a,
    lambda np_, a, b: np_.clip(a, -0.5, 0.5) + np_.maximum(b, 0.2),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.booleans()), min_size=1, max_size=6))
def test_any_nesting_of_choices_equals_jax(steps: list[tuple[Callable[..., Any], bool]]) -> None:
    def run(np_: Any, x: Any) -> Any:
        a, b = x, x[::-1] * 0.7
        for step, swap in steps:
            a, b = (step(np_, b, a), a) if swap else (step(np_, a, b), a)
        return (a * a + b).sum()

    x = np.random.default_rng(len(steps)).standard_normal(5)
    with jax.enable_x64(True):
        want = jax.grad(lambda x: run(jax.numpy, x))(x)
        hessian = jax.hessian(lambda x: run(jax.numpy, x))(x)
    np.testing.assert_allclose(np.asarray(mycc.grad(lambda x: run(mnp, x))(x)), want, rtol=1e-10, atol=1e-12)
    got = mycc.jacrev(mycc.grad(lambda x: run(mnp, x)))(x)
    np.testing.assert_allclose(np.asarray(got), hessian, rtol=1e-10, atol=1e-12)


def test_work_is_linear_in_choices_that_follow_one_another() -> None:
    def calls(count: int) -> int:
        def run(x: Any) -> Any:
            for i in range(count):
                x = mnp.where(x > 0.1 * i, 1.01 * x + mnp.sin(x), 0.0)
            return x.sum()

        traced = mycc.jit(mycc.grad(run)).trace(np.ones(3))
        with counted_calls() as counted:
            traced.lower()
        return counted()

    calls(5)
    few, many = calls(40), calls(160)
    assert many < 4.5 * few
