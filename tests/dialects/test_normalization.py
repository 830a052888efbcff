"""Records of batch normalization, checked against the specification's formulas, differences and loops."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from harness import (
    Case,
    check_batch,
    check_forward,
    check_precision,
    check_reverse,
    check_transpose,
    check_values,
    pullback_of,
    tangent_of,
    uniform,
)

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import tensor

EPSILON = 0.125
"""A number that every float type holds."""


def oracle(name: str, feature: int) -> Any:
    def compute(x: Any, *rest: Any) -> Any:
        dims = tuple(d for d in range(x.ndim) if d != feature)
        spread = [1] * x.ndim
        spread[feature] = x.shape[feature]

        def wide(v: Any) -> Any:
            return v.reshape(spread)

        if name == "inference":
            scale, offset, mean, variance = map(wide, rest)
            return (x - mean) / np.sqrt(variance + EPSILON) * scale + offset
        if name == "training":
            scale, offset = map(wide, rest)
            mean, variance = x.mean(dims), x.var(dims)
            out = (x - wide(mean)) / np.sqrt(wide(variance) + EPSILON) * scale + offset
            return out, mean, variance
        scale, mean, variance, ct = wide(rest[0]), wide(rest[1]), wide(rest[2]), rest[3]
        n = x.size // x.shape[feature]
        inverse = 1 / np.sqrt(variance + EPSILON)
        total, product = ct.sum(dims), (ct * (x - mean)).sum(dims)
        inner = n * ct - wide(total) - (x - mean) * wide(product) * inverse**2
        return scale * inverse * inner / n, product * inverse.reshape(-1), total

    return compute


def norm(
    name: str, shape: tuple[int, ...], feature: int, dtype: Any = float, tolerance: float = 1e-8
) -> Case:
    size = (shape[feature],)

    def sample(rng: np.random.Generator) -> list[Any]:
        x, scale, shift = uniform(rng, shape, dtype), uniform(rng, size, dtype), uniform(rng, size, dtype)
        variance = uniform(rng, size, dtype, 0.5, 2.0)
        if name == "training":
            return [x, scale, shift]
        if name == "inference":
            return [x, scale, shift, uniform(rng, size, dtype), variance]
        return [x, scale, shift, variance, uniform(rng, shape, dtype)]

    def build(*values: ir.Value) -> list[ir.Value]:
        whole, part = tensor(shape, ops.element_of(values[0])), values[1].type
        types = {"inference": [whole], "training": [whole, part, part], "grad": [whole, part, part]}[name]
        attributes = {
            "epsilon": ir.FloatAttr.get(ir.F32Type.get(), EPSILON),
            "feature_index": ops.i64(feature),
        }
        return list(ops.create(f"stablehlo.batch_norm_{name}", types, list(values), attributes).results)

    return Case(
        f"{name}-{shape}-{feature}", build, sample, oracle(name, feature), rtol=tolerance, atol=tolerance
    )


NAMES = ("training", "inference", "grad")
CASES = [
    norm(name, shape, feature)
    for name in NAMES
    for shape, feature in (((4, 3), 1), ((3, 2, 2), 0), ((2, 3, 2, 2), 1), ((1, 2), 1), ((5,), 0))
]


def test_values() -> None:
    check_values(CASES)


def test_derivatives() -> None:
    check_forward(CASES)
    check_reverse(CASES)
    check_transpose(CASES)


def test_second_derivatives() -> None:
    cases = CASES[::2]
    check_forward(map(pullback_of, cases))
    check_reverse(map(pullback_of, cases))
    check_reverse(map(tangent_of, cases))


def test_batch() -> None:
    check_batch(CASES, most=12)
    check_batch(list(map(pullback_of, CASES))[::4], most=3)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float32, 1e-4), (np.float16, 2e-2), (ml_dtypes.bfloat16, 0.1)]
)
def test_element_types(dtype: Any, tolerance: float) -> None:
    cases = [norm(name, (4, 3), 1, dtype, tolerance) for name in NAMES]
    check_precision(cases)
    check_batch(cases, most=2)


def test_a_gradient_is_that_of_training() -> None:
    """The cotangents of a training's operands are what `batch_norm_grad` gives."""
    from emission import cotangents

    case = norm("training", (4, 3), 1)
    x, scale, offset = case.sample(np.random.default_rng(3))
    ct = np.random.default_rng(4).normal(size=(4, 3))
    found = cotangents(case, [x, scale, offset], [ct, np.zeros(3), np.zeros(3)])
    expected = oracle("grad", 1)(x, scale, x.mean(0), x.var(0), ct)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
