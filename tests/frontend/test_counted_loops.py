"""Counted loops that nobody called counted: `while_loop` with a counter, written in Python or elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import mycc
import mycc.numpy as mnp
from mycc import lax

X = np.linspace(0.1, 1.0, 4)


@pytest.fixture(autouse=True)
def _double() -> Any:
    with jax.enable_x64(True):
        yield


def is_counted(f: Callable[..., Any], *args: Any) -> bool:
    """Whether a lowered program has loops, and none that keeps checkpoints."""
    text = mycc.jit(f).lower(*args).as_text()
    assert "stablehlo.while" in text
    return "tensor<64x" not in text


# Each takes a NumPy-like and a lax-like module, so that the same text runs in both frameworks.
FORMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "tuple": lambda np_, l, x: l.while_loop(
        lambda c: c[0] < 10, lambda c: (c[0] + 1, np_.sin(c[1]) * c[0]), (0, x)
    )[1].sum(),
    "dict": lambda np_, l, x: l.while_loop(
        lambda c: c["i"] != 9, lambda c: {"i": c["i"] + 3, "x": np_.sin(c["x"])}, {"i": 0, "x": x}
    )["x"].sum(),
    "down": lambda np_, l, x: l.while_loop(
        lambda c: np_.logical_not(c[0] <= 2), lambda c: (c[0] - 1, np_.sin(c[1])), (7, x)
    )[1].sum(),
    "two limits": lambda np_, l, x: l.while_loop(
        lambda c: np_.logical_and(c[0] < 10, c[2] > 2),
        lambda c: (c[0] + 2, np_.sin(c[1]), c[2] - 1),
        (0, x, 5),
    )[1].sum(),
    "limit and step carried": lambda np_, l, x: l.while_loop(
        lambda c: c[0] + 1 <= c[2], lambda c: (c[0] + c[3], np_.sin(c[1]), c[2], c[3]), (1, x, 9, 2)
    )[1].sum(),
    "types mixed": lambda np_, l, x: l.while_loop(
        lambda c: c[0] < np_.int64(10), lambda c: (c[0] + np_.int8(1), np_.sin(c[1])), (np_.int32(0), x)
    )[1].sum(),
    "cond inside": lambda np_, l, x: l.while_loop(
        lambda c: c[0] < 6,
        lambda c: (c[0] + 1, l.cond(c[0] % 2 == 0, lambda v: np_.sin(v), lambda v: v * v, c[1])),
        (0, x),
    )[1].sum(),
    "nested": lambda np_, l, x: l.while_loop(
        lambda c: c[0] < 3,
        lambda c: (
            c[0] + 1,
            l.while_loop(lambda d: d[0] < 4, lambda d: (d[0] + 1, np_.cos(d[1]) * c[1]), (0, c[1]))[1],
        ),
        (0, x),
    )[1].sum(),
}


@pytest.mark.parametrize("form", FORMS)
def test_while_loops_with_a_counter(form: str) -> None:
    f = lambda x: FORMS[form](mnp, lax, x)  # noqa: E731
    g = lambda x: FORMS[form](jnp, jax.lax, x)  # noqa: E731
    assert is_counted(mycc.grad(f), X)
    # JAX has no reverse mode for these.
    np.testing.assert_allclose(mycc.grad(f)(X), jax.jacfwd(g)(X), rtol=1e-9)
    second = mycc.jacrev(mycc.grad(f))
    assert is_counted(second, X)
    np.testing.assert_allclose(second(X), jax.jacfwd(jax.jacfwd(g))(X), rtol=1e-8, atol=1e-10)
    batched = mycc.vmap(mycc.grad(f))(np.stack([X, X / 2]))
    np.testing.assert_allclose(batched, [jax.jacfwd(g)(X), jax.jacfwd(g)(X / 2)], rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_those_of_other_frameworks(form: str) -> None:
    g = lambda x: FORMS[form](jnp, jax.lax, x)  # noqa: E731
    f = mycc.from_stablehlo(export.export(jax.jit(g))(X).mlir_module_serialized)
    assert is_counted(mycc.grad(f), X)
    np.testing.assert_allclose(mycc.grad(f)(X), jax.jacfwd(g)(X), rtol=1e-9)


def test_constants_outside_of_nested_loops() -> None:
    """MLIR's canonicalization takes them there, so that the inner loop's are captured by the outer one's body."""
    f = mycc.from_stablehlo("""
    func.func @main(%x: tensor<f64>) -> tensor<f64> {
      %zero = stablehlo.constant dense<0> : tensor<i32>
      %one = stablehlo.constant dense<1> : tensor<i32>
      %three = stablehlo.constant dense<3> : tensor<i32>
      %0:2 = stablehlo.while(%i = %zero, %c = %x) : tensor<i32>, tensor<f64>
      cond {
        %1 = stablehlo.compare LT, %i, %three : (tensor<i32>, tensor<i32>) -> tensor<i1>
        stablehlo.return %1 : tensor<i1>
      } do {
        %1:2 = stablehlo.while(%j = %zero, %d = %c) : tensor<i32>, tensor<f64>
        cond {
          %3 = stablehlo.compare LT, %j, %three : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %3 : tensor<i1>
        } do {
          %3 = stablehlo.add %j, %one : tensor<i32>
          %4 = stablehlo.sine %d : tensor<f64>
          %5 = stablehlo.multiply %4, %c : tensor<f64>
          stablehlo.return %3, %5 : tensor<i32>, tensor<f64>
        }
        %2 = stablehlo.add %i, %one : tensor<i32>
        stablehlo.return %2, %1#1 : tensor<i32>, tensor<f64>
      }
      return %0#1 : tensor<f64>
    }""")

    def unrolled(x: Any) -> Any:
        for _ in range(3):
            d = x
            for _ in range(3):
                d = jnp.sin(d) * x
            x = d
        return x

    x = np.float64(1.3)
    assert is_counted(mycc.grad(f), x) and is_counted(mycc.grad(mycc.grad(f)), x)
    np.testing.assert_allclose(mycc.grad(f)(x), jax.grad(unrolled)(x), rtol=1e-9)
    np.testing.assert_allclose(mycc.grad(mycc.grad(f))(x), jax.grad(jax.grad(unrolled))(x), rtol=1e-9)


def test_a_rematerialized_body() -> None:
    def loop(step: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: lax.while_loop(lambda c: c[0] < 5, step, (0, x))[1].sum()

    def step(c: Any) -> Any:
        return c[0] + 1, mnp.sin(c[1]) * mnp.exp(c[1])

    f = loop(mycc.checkpoint(step))
    assert is_counted(mycc.grad(f), X)
    np.testing.assert_allclose(mycc.grad(f)(X), mycc.grad(loop(step))(X), rtol=1e-12)


def test_checkpoints_that_are_asked_for() -> None:
    def f(x: Any) -> Any:
        return lax.while_loop(
            lambda c: c[0] < 10, lambda c: (c[0] + 1, mnp.sin(c[1])), (0, x), checkpoints=3
        )[1].sum()

    text = mycc.jit(mycc.grad(f)).lower(X).as_text()
    assert "tensor<3x4xf64>" in text and "tensor<10x" not in text


def test_second_order_keeps_one_row_a_trip() -> None:
    """The loops that first order leaves behind are counted, too, and their counters are not kept."""

    def f(x: Any, w: Any) -> Any:
        return lax.fori_loop(0, 37, lambda i, c: (mnp.sin(c[1] @ c[0]), c[1]), (x, w))[0].sum()

    w = np.eye(4) / 2 + 0.1
    text = mycc.jit(mycc.grad(lambda x: mycc.grad(f)(x, w).sum())).lower(X).as_text()
    assert "tensor<64x" not in text and "tensor<37xi32>" not in text
    # The matrix goes round unchanged: no row of it is kept.
    assert "tensor<37x4xf64>" in text and "tensor<37x4x4xf64>" not in text
