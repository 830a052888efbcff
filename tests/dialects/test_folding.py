"""Derivatives and batches of reductions and scatters whose body is of no known kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from emission import cotangents, names, pulled_back
from harness import (
    Case,
    check_batch,
    check_forward,
    check_reverse,
    check_transpose,
    check_values,
    pullback_of,
    sampler,
    tangent_of,
    uniform,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from window_cases import BODIES, Layout, layouts, scatter_case

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import tensor

Dims = tuple[int, ...]
Value = ir.Value

SCALARS = Layout(Windows((), (0,), (), (), (0,), 1), (4,), (6,), (1,))
PATCHES = Layout(Windows((0, 2), (), (), (), (0, 1), 1), (4, 3), (3, 2), (2, 2))
ALONG = Layout(Windows((), (1,), (0,), (0,), (1,), 2), (2, 3), (2, 5), (1, 1))


def _one(x: Value) -> Value:
    return ops.full_like(x, 1)


def _either(a: Value, b: Value) -> Value:
    """a + b + a·b, which is (1 + a)(1 + b) - 1 and so associative."""
    return ops.add(ops.add(a, b), ops.mul(a, b))


def _log_add(a: Value, b: Value) -> Value:
    high = ops.max_(a, b)
    return ops.add(high, ops.log(ops.add(ops.exp(ops.sub(a, high)), ops.exp(ops.sub(b, high)))))


# ---- Reductions ----------------------------------------------------------------------------------


def reduction(
    name: str, body: Callable[..., Value], start: float, oracle: Any, shape: Dims, dims: Dims
) -> Case:
    def build(x: Value, initial: Value) -> Value:
        return ops.reduce(x, initial, dims, body)

    def sample(rng: np.random.Generator) -> list[Any]:
        return [uniform(rng, shape, float), np.asarray(start + rng.uniform(0, 1))]

    def expected(x: Any, initial: Any) -> Any:
        return oracle(x, initial, dims)

    return Case(f"{name}{shape}{dims}", build, sample, expected)


def squares(shape: Dims, dims: Dims) -> Case:
    def oracle(x: Any, initial: Any, dims: Dims) -> Any:
        return initial + (x * x).sum(dims)

    return reduction("squares", lambda a, b: ops.add(a, ops.mul(b, b)), 0, oracle, shape, dims)


def either(shape: Dims, dims: Dims) -> Case:
    def oracle(x: Any, initial: Any, dims: Dims) -> Any:
        return (1 + initial) * (1 + x).prod(dims) - 1

    return reduction("either", _either, 0, oracle, shape, dims)


def either_of_few(shape: Dims, dims: Dims) -> Case:
    """From the neutral element: XLA forgets the initial value where there is nothing to fold."""

    def build(x: Value) -> Value:
        return ops.reduce(x, ops.zero_of(x), dims, _either)

    return Case(f"few{shape}{dims}", build, sampler((shape, float)), lambda x: (1 + x).prod(dims) - 1)


def log_sum(shape: Dims, dims: Dims) -> Case:
    def oracle(x: Any, initial: Any, dims: Dims) -> Any:
        return np.log(np.exp(initial) + np.exp(x).sum(dims))

    return reduction("log-sum", _log_add, -1, oracle, shape, dims)


def dot() -> Case:
    """Two operands, of which one result takes the products and the other a sum."""

    def build(x: Value, y: Value) -> Sequence[Value]:
        zero = ops.zero_of(x)

        def body(a: Value, b: Value, c: Value, d: Value) -> list[Value]:
            return [ops.add(a, ops.mul(c, d)), ops.add(ops.sin(d), b)]

        return ops.reduce_many([x, y], [zero, zero], [1], body)

    def oracle(x: Any, y: Any) -> Any:
        return [(x * y).sum(1), np.sin(y).sum(1)]

    return Case("dot", build, sampler(((2, 5), float), ((2, 5), float)), oracle)


def matrices() -> Case:
    """Products of 2×2 triangular matrices: associative, but not commutative."""

    def build(x: Value, y: Value, z: Value) -> Sequence[Value]:
        one, zero = ops.full(tensor((), ops.element_of(x)), 1), ops.zero_of(x)

        def body(a: Value, b: Value, c: Value, d: Value, e: Value, f: Value) -> list[Value]:
            return [ops.mul(a, d), ops.add(ops.mul(a, e), ops.mul(b, f)), ops.mul(c, f)]

        return ops.reduce_many([x, y, z], [one, zero, one], [0], body)

    def oracle(x: Any, y: Any, z: Any) -> Any:
        found = np.eye(2)
        for a, b, c in zip(x, y, z, strict=True):
            found = found @ np.array([[a, b], [0, c]])
        return [found[0, 0], found[0, 1], found[1, 1]]

    return Case("matrices", build, sampler(*[((7,), float)] * 3), oracle)


REDUCTIONS = [
    squares((5,), (0,)),
    squares((2, 3, 2), (0, 2)),
    either_of_few((1,), (0,)),
    either_of_few((2, 3), ()),
    either((6,), (0,)),
    either((3, 2, 4), (0, 2)),
    either((0, 2), (0,)),
    log_sum((2, 7), (1,)),
    dot(),
    matrices(),
]


def test_reductions() -> None:
    check_values(REDUCTIONS)
    check_forward(REDUCTIONS)
    check_reverse(REDUCTIONS)
    check_transpose(REDUCTIONS)


def test_second_derivatives_of_reductions() -> None:
    check_forward(
        map(pullback_of, [squares((2, 3, 2), (0, 2)), either((6,), (0,)), log_sum((2, 7), (1,)), matrices()])
    )
    check_reverse(map(pullback_of, REDUCTIONS))
    check_reverse(map(tangent_of, [either((6,), (0,)), dot()]))


def test_batches_of_reductions() -> None:
    check_batch(REDUCTIONS, most=3)
    check_batch(list(map(pullback_of, [squares((2, 3, 2), (0, 2)), either((6,), (0,))])), most=3)


def test_a_sum_of_squares_stays_one_reduction() -> None:
    assert "slice" not in names(pulled_back(squares((8,), (0,))))


# ---- Scatters ------------------------------------------------------------------------------------

BODIES_TOO: dict[str, tuple[Callable[..., Value], Callable[..., Any]]] = {
    "either": (_either, lambda a, b: a + b + a * b),
    "squares": (lambda a, b: ops.add(a, ops.mul(b, b)), lambda a, b: a + b * b),
    "mul": BODIES["mul"],
}


def scatter(name: str, layout: Layout, kind: str, unique: bool) -> Case:
    body, combine = BODIES_TOO[kind]

    def build(x: Value, indices: Value, updates: Value) -> Value:
        return ops.scatter(x, indices, updates, layout.windows.scatter(), body, unique=unique)

    def sample(rng: np.random.Generator) -> list[Any]:
        return [
            uniform(rng, layout.operand, float),
            layout.draw(rng, unique),
            uniform(rng, layout.result, float),
        ]

    def oracle(x: Any, indices: Any, updates: Any) -> Any:
        return layout.scatter(x, indices, updates, combine)

    return Case(f"{kind}-{name}-{unique}", build, sample, oracle)


SCATTERS = [
    scatter(name, layout, kind, unique)
    for name, layout in {"scalars": SCALARS, "patches": PATCHES, "along": ALONG}.items()
    for kind in BODIES_TOO
    for unique in (False, True)
]


def two() -> Case:
    """Two operands that look at each other's updates."""

    def build(x: Value, y: Value, indices: Value, u: Value, v: Value) -> Any:
        operation = ir.Operation.create(
            "stablehlo.scatter",
            [x.type, y.type],
            [x, y, indices, u, v],
            {"scatter_dimension_numbers": SCALARS.windows.scatter()},
            regions=1,
        )
        scalar = tensor((), ops.element_of(x))

        def body(a: Value, b: Value, c: Value, d: Value) -> list[Value]:
            return [ops.add(ops.mul(a, d), c), ops.mul(b, d)]

        ops.region(operation, [scalar] * 4, body)
        return list(operation.results)

    def sample(rng: np.random.Generator) -> list[Any]:
        x, y, u, v = (uniform(rng, s, float) for s in ((4,), (4,), (6,), (6,)))
        return [x, y, SCALARS.draw(rng, False), u, v]

    def oracle(x: Any, y: Any, indices: Any, u: Any, v: Any) -> Any:
        x, y = x.copy(), y.copy()
        for i, a, b in zip(indices, u, v, strict=True):
            if 0 <= i < 4:
                x[i], y[i] = x[i] * b + a, y[i] * b
        return [x, y]

    return Case("affine", build, sample, oracle)


def test_scatters() -> None:
    cases = [*SCATTERS, two()]
    check_values(cases)
    check_forward(cases)
    check_reverse(cases)
    check_transpose(cases)


def test_second_derivatives_of_scatters() -> None:
    check_forward(map(pullback_of, [*SCATTERS[::3], two()]))
    check_reverse(map(pullback_of, [*SCATTERS[::2], two()]))


def test_batches_of_scatters() -> None:
    check_batch(SCATTERS[::2], most=3)
    check_batch(list(map(pullback_of, SCATTERS[:3])), most=2)


def test_factors_that_meet_and_are_zero() -> None:
    case = scatter("scalars", SCALARS, "mul", False)
    x, indices = np.array([2.0, 3.0, 5.0, 0.0]), np.array([0, 0, 1, 2, 2, 3], np.int32)
    updates = np.array([0.0, 7.0, 0.0, 0.0, 0.0, 4.0])
    on_x, on_updates = cotangents(case, [x, indices, updates], [np.ones(4)])
    np.testing.assert_array_equal(on_x, [0, 0, 0, 4])
    np.testing.assert_array_equal(on_updates, [14, 0, 3, 0, 0, 0])


def test_an_empty_scatter() -> None:
    layout = Layout(Windows((), (0,), (), (), (0,), 1), (4,), (0,), (1,))
    case = scatter("empty", layout, "either", False)
    check_values([case])
    check_reverse([case])


@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(layouts(), st.sampled_from(["either", "mul", "squares"]))
def test_any_dimension_numbers(layout: Layout, kind: str) -> None:
    case = scatter("any", layout, kind, False)
    check_values([case])
    check_forward([case])
    check_reverse([case])


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(layouts(), st.sampled_from(sorted(BODIES)), st.booleans())
def test_known_bodies_with_any_dimension_numbers(layout: Layout, kind: str, unique: bool) -> None:
    case = scatter_case("any", layout, kind, unique)
    check_values([case])
    check_reverse([case])
    check_batch([case], most=2)


@pytest.mark.exhaustive
def test_every_batch() -> None:
    check_batch([*SCATTERS, two(), *REDUCTIONS])
    check_batch(list(map(pullback_of, SCATTERS)), most=5)
