"""`jit(memory_budget=)`: XLA plans less memory, and numbers stay as they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax

RNG = np.random.default_rng(0)
WEIGHTS = [(RNG.standard_normal((32, 32)) / 6).astype(np.float32) for _ in range(16)]
X = RNG.standard_normal((1024, 32)).astype(np.float32)


def deep(np_: Any, weights: Any, x: Any) -> Any:
    """The loss of a net of 16 layers."""
    for w in weights:
        x = np_.tanh(x @ w) + x
    return np_.sum(x**2)


def recurrent(lax_: Any, np_: Any, w: Any, x: Any) -> Any:
    """The loss of 24 steps of one layer."""

    def step(h: Any, _: Any) -> Any:
        z = np_.tanh(h @ w)
        return np_.sin(z) * h + z, None

    return np_.sum(lax_.scan(step, x, None, length=24)[0] ** 2)


def temporaries(function: Any, *args: Any) -> int:
    """What XLA plans for intermediate values."""
    return int(function.lower(*args).compile().memory_analysis()["temp"])


PROGRAMS: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    "layers": (
        mycc.grad(lambda w, x: deep(mnp, w, x)),
        jax.grad(lambda w, x: deep(jax.numpy, w, x)),
        (WEIGHTS, X),
    ),
    "loop": (
        mycc.grad(lambda w, x: recurrent(lax, mnp, w, x)),
        jax.grad(lambda w, x: recurrent(jax.lax, jax.numpy, w, x)),
        (WEIGHTS[0], X),
    ),
    "batch": (
        mycc.vmap(mycc.grad(lambda w, x: deep(mnp, w, x)), (None, 0)),
        jax.vmap(jax.grad(lambda w, x: deep(jax.numpy, w, x)), (None, 0)),
        (WEIGHTS, X.reshape(4, 256, 32)),
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_half_of_the_memory(name: str) -> None:
    function, theirs, args = PROGRAMS[name]
    plain = mycc.jit(function)
    before = temporaries(plain, *args)
    within = mycc.jit(function, memory_budget=before // 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert temporaries(within, *args) <= before // 2
    flat = mycc.tree.leaves
    for got, same, want in zip(
        flat(within(*args)), flat(plain(*args)), jax.tree.leaves(theirs(*args)), strict=True
    ):
        scale = np.abs(want).max()
        np.testing.assert_allclose(got, same, rtol=1e-6, atol=1e-6 * scale)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * scale)


def test_a_part_of_it_in_words() -> None:
    function, _, args = PROGRAMS["layers"]
    before = temporaries(mycc.jit(function), *args)
    lowered = mycc.jit(function, memory_budget="50%").lower(*args)
    assert "mycc.recomputed" in lowered.as_text() and "added_flops_percent" in lowered.as_text()
    assert temporaries(mycc.jit(function, memory_budget="50%"), *args) < 0.6 * before
    assert "mycc.recomputed" not in mycc.jit(function, memory_budget="1G").lower(*args).as_text()


def test_what_cannot_be_reached_is_said() -> None:
    function, _, args = PROGRAMS["layers"]
    with pytest.warns(
        UserWarning, match=r"needs [\d,]+ bytes .* memory_budget is 1,000: .* raise the budget"
    ):
        got = mycc.jit(function, memory_budget=1000)(*args)
    np.testing.assert_allclose(got[0], mycc.jit(function)(*args)[0], rtol=1e-4, atol=1e-2)


def test_random_numbers_and_callbacks_come_once() -> None:
    seen: list[Any] = []

    def loss(x: Any) -> Any:
        for n in range(6):
            mycc.debug.callback(lambda n=n: seen.append(n), ordered=True)
            x = mnp.tanh(x + mycc.random.normal(mycc.random.key(n), x.shape))
        return mnp.sum(x**2)

    x = np.ones(4096, np.float32)
    want = mycc.jit(mycc.grad(loss))(x)
    mycc.effects_barrier()
    assert seen == [0, 1, 2, 3, 4, 5]
    seen.clear()
    np.testing.assert_allclose(mycc.jit(mycc.grad(loss), memory_budget="60%")(x), want, rtol=1e-6)
    mycc.effects_barrier()
    assert seen == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("budget", "kind"), [(1.5, TypeError), (True, TypeError), ("much", ValueError), (-1, ValueError)]
)
def test_no_budgets(budget: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"test_memory_budget.py:\d+: .*memory_budget"):
        mycc.jit(mnp.sin, memory_budget=budget)
