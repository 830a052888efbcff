"""The gradient of a maximum over small windows, rewritten as elementwise work, against JAX's."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import mycc
from mycc import lax

WINDOWS = {
    "apart": ((2, 2), (2, 2), "VALID"),
    "apart, a rest": ((2, 3), (2, 3), "VALID"),
    "gaps between": ((2, 1), (3, 2), "VALID"),
    "overlapping": ((3, 3), (1, 2), "VALID"),
    "padded": ((3, 2), (2, 2), "SAME"),
    "padded unevenly": ((2, 3), (1, 2), ((1, 0), (0, 2))),
    "one element": ((1, 1), (1, 1), "VALID"),
}


@pytest.mark.parametrize("reduction", ["max", "min"])
@pytest.mark.parametrize("window", WINDOWS)
def test_equals_jax(window: str, reduction: str) -> None:
    size, strides, padding = WINDOWS[window]
    rng = np.random.default_rng(0)
    # Few values, so that many are equal within a window; the first of them has the derivative.
    x = rng.integers(0, 3, (7, 9)).astype(np.float32)
    x[0, 0], x[3, 4] = -np.inf, np.inf
    start = -np.inf if reduction == "max" else np.inf

    def pulled(package, xp_lax):
        def f(x):
            return xp_lax.reduce_window(x, start, getattr(xp_lax, reduction), size, strides, padding)

        def g(x, ct):
            return package.vjp(f, x)[1](ct)[0]

        return f, g

    f, g = pulled(jax, jax.lax)
    ct = rng.standard_normal(f(x).shape).astype(np.float32)
    _, ours = pulled(mycc, lax)
    lowered = mycc.jit(ours).lower(x, ct)
    assert "select_and_scatter" not in lowered.as_text()
    np.testing.assert_allclose(lowered.compile()(x, ct), g(x, ct), rtol=1e-6)


def test_chooses_as_the_operation_does_among_nan() -> None:
    text = """
    func.func @main(%x: tensor<6xf32>, %source: tensor<2xf32>) -> tensor<6xf32> {
      %zero = stablehlo.constant dense<0.0> : tensor<f32>
      %0 = "stablehlo.select_and_scatter"(%x, %source, %zero) <{window_dimensions = array<i64: 3>,
          window_strides = array<i64: 3>}> ({
      ^bb0(%a: tensor<f32>, %b: tensor<f32>):
        %1 = stablehlo.compare GE, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
        stablehlo.return %1 : tensor<i1>
      }, {
      ^bb0(%a: tensor<f32>, %b: tensor<f32>):
        %1 = stablehlo.add %a, %b : tensor<f32>
        stablehlo.return %1 : tensor<f32>
      }) : (tensor<6xf32>, tensor<2xf32>, tensor<f32>) -> tensor<6xf32>
      return %0 : tensor<6xf32>
    }
    """
    x = np.array([np.nan, 1, 2, 3, np.nan, 0], np.float32)
    source = np.array([10, 20], np.float32)
    function = mycc.from_stablehlo(text)
    assert "select_and_scatter" not in mycc.jit(function).lower(x, source).as_text()
    # Specification: the first element is selected until a comparison with a later one fails.
    expected = np.zeros(6, np.float32)
    for w in range(2):
        at = 3 * w
        for i in range(3 * w + 1, 3 * w + 3):
            if not x[at] >= x[i]:
                at = i
        expected[at] += source[w]
    np.testing.assert_array_equal(function(x, source), expected)
