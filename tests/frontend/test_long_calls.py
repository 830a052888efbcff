"""Modules whose functions call each other in long chains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc

FIRST = "func.func private @f0(%x: tensor<f32>) -> tensor<f32> { return %x : tensor<f32> }\n"
LINK = """func.func private @f{0}(%x: tensor<f32>) -> tensor<f32> {{
  %0 = func.call @f{1}(%x) : (tensor<f32>) -> tensor<f32>
  {2}
  %1 = stablehlo.sine %0 : tensor<f32>
  %2 = stablehlo.add %1, %x : tensor<f32>
  return %2 : tensor<f32>
}}
"""
MAIN = """func.func @main(%x: tensor<f32>) -> tensor<f32> {{
  %0 = func.call @f{0}(%x) : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}}
"""
# A second call, in a region, of a function that is called already.
AGAIN = """%p = stablehlo.compare LT, %x, %0 : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %q = "stablehlo.if"(%p) ({{
    %a = func.call @f{0}(%x) : (tensor<f32>) -> tensor<f32>
    stablehlo.return %a : tensor<f32>
  }}, {{
    stablehlo.return %x : tensor<f32>
  }}) : (tensor<i1>) -> tensor<f32>"""


def module(length: int, twice: int) -> str:
    links = [LINK.format(i, i - 1, AGAIN.format(i - 1) if i == twice else "") for i in range(1, length)]
    return FIRST + "".join(links) + MAIN.format(length - 1)


def expected(x: Any, length: int) -> tuple[Any, Any]:
    y, dy = x, np.ones_like(x)
    for _ in range(length - 1):
        y, dy = np.sin(y) + x, np.cos(y) * dy + 1
    return y, dy


@pytest.mark.parametrize(("length", "twice"), [(10, 0), (17, 0), (40, 5), (300, 0), (300, 20)])
def test_chains_of_calls(length: int, twice: int) -> None:
    f = mycc.from_stablehlo(module(length, twice))
    x = np.linspace(-1, 1, 5).astype(np.float32)
    y, dy = expected(x, length)
    np.testing.assert_allclose(f(x[1]), y[1], rtol=2e-5)
    np.testing.assert_allclose(mycc.vmap(f)(x), y, rtol=2e-5)
    np.testing.assert_allclose(mycc.vmap(mycc.grad(f))(x), dy, rtol=2e-4)
