"""Optimization barriers inside of regions, on which XLA's compilers for the host crash if they are left to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax

X = np.linspace(0.1, 1.0, 4)


def both(a: Any, b: Any) -> Any:
    a, b = lax.optimization_barrier((a, b))
    return a * b + a


def plain(a: Any, b: Any) -> Any:
    return a * b + a


PLACES: dict[str, Any] = {
    "small loop": lambda f, x: lax.while_loop(lambda c: c.sum() < 9, lambda c: f(c, c) * 2, x),
    "condition": lambda f, x: lax.while_loop(lambda c: f(c, c).sum() < 9, lambda c: c * 2, x),
    "branch in a loop": lambda f, x: lax.fori_loop(
        0, 3, lambda i, c: lax.cond(i == 1, lambda c: f(c, c), lambda c: c, c), x
    ),
    "branch": lambda f, x: lax.cond(x.sum() > 0, lambda x: f(x, x), lambda x: x, x),
    "reduction": lambda f, x: lax.reduce(x, np.float64(1), f, (0,)),
    "window": lambda f, x: lax.reduce_window(x, np.float64(1), f, (2,), (1,), "VALID"),
    "one operand": lambda f, x: lax.fori_loop(0, 3, lambda i, c: f(c, lax.optimization_barrier(c)), x),
    "large loop": lambda f, x: lax.fori_loop(0, 3, lambda i, c: f(c, mnp.sin(c)), mnp.tile(x, 1000)),
}


@pytest.mark.parametrize("place", PLACES)
def test_barriers_in_regions(place: str) -> None:
    program = PLACES[place]
    got = mycc.jit(lambda x: program(both, x))(X)
    np.testing.assert_allclose(got, mycc.jit(lambda x: program(plain, x))(X), rtol=1e-12)


def test_barriers_in_a_foreign_sort() -> None:
    f = mycc.from_stablehlo("""
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = "stablehlo.sort"(%x) <{dimension = 0 : i64}> ({
      ^bb0(%a: tensor<f32>, %b: tensor<f32>):
        %c:2 = stablehlo.optimization_barrier %a, %b : tensor<f32>, tensor<f32>
        %1 = stablehlo.compare LT, %c#0, %c#1 : (tensor<f32>, tensor<f32>) -> tensor<i1>
        stablehlo.return %1 : tensor<i1>
      }) : (tensor<4xf32>) -> tensor<4xf32>
      return %0 : tensor<4xf32>
    }""")
    np.testing.assert_array_equal(f(np.array([3, 1, 2, 0], np.float32)), [0, 1, 2, 3])


@pytest.mark.parametrize("loop", ["fori_loop", "scan", "dynamic"])
def test_checkpoint_in_loops(loop: str) -> None:
    """Its backward sweep has a barrier between what it computes again and what was computed before."""

    def step(c: Any) -> Any:
        return mnp.sin(c) * mnp.cos(c * 2)

    def run(step: Any, x: Any, n: Any) -> Any:
        if loop == "scan":
            return lax.scan(lambda c, _: (step(c), None), x, None, length=5)[0].sum()
        return lax.fori_loop(0, 5 if loop == "fori_loop" else n, lambda i, c: step(c), x).sum()

    n = np.int32(5)
    got = mycc.grad(lambda x, n: run(mycc.checkpoint(step), x, n))(X, n)
    np.testing.assert_allclose(got, mycc.grad(lambda x, n: run(step, x, n))(X, n), rtol=1e-12)
