"""Records of `reduce_window` and `select_and_scatter`, checked against loops of NumPy and differences."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from emission import cotangents, names, pulled_back
from harness import (
    Case,
    check_batch,
    check_forward,
    check_precision,
    check_reverse,
    check_transpose,
    check_values,
    differentiable,
    pullback_of,
    sampler,
    tangent_of,
    uniform,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import mycc
from mycc.dialects import ops
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.mlir import ir
from mycc.dialects.rules.sliding import Sliding
from mycc.dialects.types import shape_of, tensor

Dims = tuple[int, ...]


def sliding(sizes: Dims, **options: Any) -> Sliding:
    rank = len(sizes)
    filled: dict[str, Any] = {
        "sizes": sizes,
        "strides": (1,) * rank,
        "padding": ((0, 0),) * rank,
        "base_dilations": (1,) * rank,
        "window_dilations": (1,) * rank,
    } | options
    return Sliding(**filled)


def windows(s: Sliding, shape: Dims) -> tuple[Dims, dict[Dims, list[Dims]]]:
    """The number of windows, and for each the places of the operand's elements that it holds, in order."""
    counts, places = [], []
    for d, n in enumerate(shape):
        b, w, stride, (low, high) = s.base_dilations[d], s.window_dilations[d], s.strides[d], s.padding[d]
        size = (max(0, (n - 1) * b + 1) if n else 0) + low + high
        counts.append(max(0, (size - (s.sizes[d] - 1) * w - 1) // stride + 1))
        places.append(
            [
                [q // b for k in range(s.sizes[d]) if (q := p * stride + k * w - low) % b == 0 and 0 <= q < (n - 1) * b + 1]
                for p in range(counts[-1])
            ]
        )  # fmt: skip
    held = {
        at: list(itertools.product(*(places[d][p] for d, p in enumerate(at)))) for at in np.ndindex(*counts)
    }
    return tuple(counts), held


def folded(s: Sliding, fold: Callable[[Any, Any], Any], x: Any, initial: Any) -> Any:
    counts, held = windows(s, x.shape)
    out = np.zeros(counts, x.dtype)
    for at, places in held.items():
        total = initial
        for place in places:
            total = fold(total, x[place])
        out[at] = total
    return out


def apart(shape: Dims, dtype: Any) -> Callable[[np.random.Generator], Any]:
    """Numbers of which no two are so close that differences of a maximum would cross them."""
    if np.dtype(dtype).kind in "ci":
        return lambda rng: uniform(rng, shape, dtype)
    return lambda rng: rng.permutation(np.linspace(-2, 2, int(np.prod(shape)))).reshape(shape).astype(dtype)


KINDS: dict[str, tuple[Any, Any, float]] = {
    "add": (ops.add, lambda a, b: a + b, 0.0),
    "max": (ops.max_, max, -np.inf),
    "min": (ops.min_, min, np.inf),
    "mul": (ops.mul, lambda a, b: a * b, 1.0),
}


def window_case(
    kind: str, name: str, shape: Dims, sizes: Dims, dtype: Any = float, initial: Any = None, **options: Any
) -> Case:
    body, fold, neutral = KINDS[kind]
    s, start = sliding(sizes, **options), neutral if initial is None else initial

    def build(x: ir.Value) -> ir.Value:
        (found,) = s.reduce([x], [ops.full(tensor((), ops.element_of(x)), start)], body)
        assert Sliding.of(found.owner) == s
        return found

    return Case(
        f"{kind}-{name}", build, lambda rng: [apart(shape, dtype)(rng)], lambda x: folded(s, fold, x, start)
    )


def seeded_case(kind: str, shape: Dims, sizes: Dims, **options: Any) -> Case:
    """With the initial value as an operand."""
    body, fold, _ = KINDS[kind]
    s = sliding(sizes, **options)

    def build(x: ir.Value, initial: ir.Value) -> ir.Value:
        return s.reduce([x], [initial], body)[0]

    return Case(
        f"{kind}-initial{sizes}{options}",
        build,
        sampler((shape, float), ((), float)),
        lambda x, i: folded(s, fold, x, i),
    )


ALL: dict[str, Any] = {
    "strides": (2, 1),
    "padding": ((2, 1), (-1, 2)),
    "base_dilations": (1, 2),
    "window_dilations": (2, 1),
}
CASES = [
    case
    for kind in KINDS
    for case in (
        window_case(kind, "plain", (4, 5), (2, 3)),
        window_case(kind, "pool", (2, 4, 6, 2), (1, 2, 2, 1), strides=(1, 2, 2, 1)),
        window_case(kind, "blocks", (7, 5), (2, 1), strides=(3, 2), padding=((1, 1), (0, 0))),
        window_case(kind, "same", (2, 5), (1, 3), strides=(1, 2), padding=((0, 0), (1, 1))),
        window_case(kind, "running", (6,), (6,), padding=((5, 0),)),
        window_case(kind, "everything", (5, 4), (2, 3), **ALL),
        window_case(kind, "holes", (3,), (2,), base_dilations=(3,)),
        window_case(kind, "scalar", (), ()),
        window_case(kind, "cut", (6,), (2,), padding=((-1, -2),)),
        window_case(kind, "outside", (3,), (2,), padding=((3, 2),)),
        window_case(kind, "none", (1, 2), (2, 1)),
        window_case(kind, "empty", (0, 2), (1, 1), padding=((2, 1), (0, 0))),
        window_case(kind, "odd-initial", (5,), (3,), initial=0.5, padding=((1, 1),)),
        seeded_case(kind, (5,), (2,), strides=(2,), padding=((1, 1),)),
    )
] + [
    window_case("add", "complex", (5,), (2,), complex, strides=(2,)),
    window_case("mul", "complex", (5,), (3,), complex, padding=((1, 1),)),
]


def logaddexp(a: ir.Value, b: ir.Value) -> ir.Value:
    gap = ops.abs_(ops.sub(a, b))
    return ops.add(ops.max_(a, b), ops.log1p(ops.exp(ops.neg(gap))))


def logaddexp_case(shape: Dims, sizes: Dims, **options: Any) -> Case:
    s = sliding(sizes, **options)

    def build(x: ir.Value) -> ir.Value:
        return s.reduce([x], [ops.full(tensor((), ops.element_of(x)), -1e3)], logaddexp)[0]

    return Case(
        f"logaddexp{sizes}{options}", build, sampler((shape, float)), lambda x: folded(s, np.logaddexp, x, -1e3)
    )  # fmt: skip


def argmax_case(name: str, shape: Dims, sizes: Dims, follows: bool, **options: Any) -> Case:
    """The largest element of each window with its place, or with what stands beside it."""
    s = sliding(sizes, **options)

    def build(x: ir.Value, y: ir.Value) -> Sequence[ir.Value]:
        place = ops.iota(tensor(shape_of(x), ops.I32), 0)
        scalar = tensor((), ops.element_of(x))
        second = y if follows else place

        def body(a: ir.Value, i: ir.Value, b: ir.Value, j: ir.Value) -> list[ir.Value]:
            better = ops.compare("GE", a, b)
            return [ops.select(better, a, b), ops.select(better, i, j)]

        initials = [ops.full(scalar, -np.inf), ops.full(tensor((), ops.element_of(second)), 0)]
        return s.reduce([x, second], initials, body)

    def oracle(x: Any, y: Any) -> Any:
        counts, held = windows(s, x.shape)
        values, seconds = np.full(counts, -np.inf), np.zeros(counts)
        for at, places in held.items():
            for place in places:
                if x[place] > values[at]:
                    values[at], seconds[at] = x[place], y[place] if follows else place[0]
        return values, seconds

    return Case(name, build, sampler((shape, float), (shape, float)), oracle)


OTHERS = [
    logaddexp_case((5,), (3,), padding=((1, 1),)),
    logaddexp_case((4, 4), (2, 2), strides=(1, 2)),
    argmax_case("argmax", (4, 5), (2, 3), False, strides=(1, 2)),
    argmax_case("follower", (4, 5), (2, 3), True, padding=((1, 0), (0, 1))),
]


def scatter_case(
    name: str, shape: Dims, sizes: Dims, direction: str = "GE", dtype: Any = float, **options: Any
) -> Case:
    s = sliding(sizes, **options)
    counts, held = windows(s, shape)
    better = {"GE": np.greater, "GT": np.greater_equal, "LE": np.less, "LT": np.less_equal}[direction]

    def build(x: ir.Value, source: ir.Value, initial: ir.Value) -> ir.Value:
        operation = ops.create(
            "stablehlo.select_and_scatter", [x.type], [x, source, initial], s.attributes(dilations=False), regions=2
        )  # fmt: skip
        scalars = [initial.type] * 2
        ops.region(operation, scalars, lambda a, b: ops.compare(direction, a, b), 0)
        ops.region(operation, scalars, ops.add, 1)
        return operation.result

    def oracle(x: Any, source: Any, initial: Any) -> Any:
        out = np.full(shape, initial)
        for at, places in held.items():
            chosen = places[0]
            for place in places[1:]:
                if better(x[place], x[chosen]):
                    chosen = place
            out[chosen] += source[at]
        return out

    return Case(name, build, sampler((shape, dtype), (counts, dtype), ((), dtype)), oracle)


SCATTERS = [
    scatter_case("scatter-pool", (2, 4, 6, 1), (1, 2, 2, 1), strides=(1, 2, 2, 1)),
    scatter_case("scatter-overlap", (4, 5), (2, 3), strides=(1, 2)),
    scatter_case("scatter-same", (5,), (3,), "LE", strides=(2,), padding=((1, 1),)),
    scatter_case("scatter-strict", (6,), (3,), "GT", strides=(2,)),
    scatter_case("scatter-less", (6,), (2,), "LT", padding=((0, 1),)),
    scatter_case("scatter-cut", (6,), (2,), padding=((-1, 1),)),
    scatter_case("scatter-none", (2, 0), (1, 1)),
]


def finite(cases: Sequence[Case]) -> list[Case]:
    """Cases none of whose windows is empty: differences of infinities are no numbers."""
    found = []
    for case in cases:
        assert case.oracle is not None
        values = case.oracle(*case.sample(np.random.default_rng(0)))
        if np.isfinite(
            np.concatenate([np.ravel(v) for v in values]) if isinstance(values, tuple) else values
        ).all():
            found.append(case)
    return found


def test_values() -> None:
    check_values(CASES)
    check_values(OTHERS)
    check_values(SCATTERS)


def test_derivatives() -> None:
    for cases in (CASES, OTHERS):
        check_forward(finite(cases))
        check_reverse(cases)
        check_transpose(cases)


def test_derivatives_of_select_and_scatter() -> None:
    check_forward(SCATTERS)
    check_reverse(SCATTERS)
    check_transpose(SCATTERS)
    check_reverse(map(pullback_of, SCATTERS))
    check_forward(map(pullback_of, SCATTERS))
    check_batch(SCATTERS)


def test_second_derivatives() -> None:
    cases = [*CASES, *OTHERS]
    check_forward(map(pullback_of, cases))
    check_reverse(map(pullback_of, cases))
    check_reverse(map(tangent_of, cases))


def test_batch() -> None:
    check_batch([case for case in CASES if "initial(" not in case.name])
    check_batch([case for case in CASES if "initial(" in case.name])
    check_batch(OTHERS)
    plain = [case for case in CASES if "initial" not in case.name]
    check_batch(list(map(pullback_of, plain))[::3], most=3)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.float16])
def test_element_types(dtype: Any) -> None:
    loose = {"rtol": 3e-2, "atol": 3e-2}
    cases = [
        replace(window_case(kind, "narrow", (4, 5), (2, 3), dtype, strides=(1, 2)), **loose) for kind in KINDS
    ]
    check_values(cases)
    check_precision(cases)
    check_precision([replace(scatter_case("narrow", (6,), (2,), dtype=dtype), **loose)])


def test_integers_have_no_derivative() -> None:
    cases = [window_case(kind, "ints", (4,), (2,), np.int32, initial=initial) for kind, initial in
             (("add", 0), ("max", -100), ("min", 100), ("mul", 1))]  # fmt: skip
    check_values(cases)
    check_batch(cases)
    assert differentiable(cases) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add-plain", ["add", "constant", "reduce_window"]),
        ("add-pool", ["broadcast_in_dim", "reshape"]),
        ("max-same", ["add", "compare", "constant", "select_and_scatter"]),
        ("min-pool", ["add", "compare", "constant", "select_and_scatter"]),
    ],
)
def test_what_derivatives_are(name: str, expected: list[str]) -> None:
    case = next(case for case in CASES if case.name == name)
    assert sorted(names(pulled_back(case))) == expected


def test_the_first_of_equals_takes_all() -> None:
    for kind in ("max", "min"):
        for options in ({}, {"window_dilations": (2,), "padding": ((1, 1),)}):
            case = window_case(kind, f"ties{options}", (4,), (2,), **options)
            (found,) = cotangents(case, [np.ones(4)], [np.ones(3 if not options else 4)])
            expected = [1, 1, 1, 0] if not options else [1, 2, 1, 0]
            np.testing.assert_array_equal(found, expected)


def test_products_of_zeros() -> None:
    case = window_case("mul", "zeros", (4,), (3,))
    x = np.array([0.0, 2.0, 3.0, 0.0])
    (found,) = cotangents(case, [x], [np.array([1.0, 10.0])])
    np.testing.assert_allclose(found, [6.0, 0.0, 0.0, 60.0])


def test_lowest_numbers_are_chosen_before_nothing() -> None:
    case = window_case("max", "infinite", (3,), (2,), padding=((1, 0),))
    x = np.full(3, -np.inf)
    (pulled,) = cotangents(case, [x], [np.array([1.0, 2.0, 4.0])])
    np.testing.assert_array_equal(pulled, [3.0, 4.0, 0.0])


def test_scatters_that_do_not_add_have_no_derivative() -> None:
    def build(x: ir.Value, source: ir.Value) -> ir.Value:
        attributes = sliding((2,)).attributes(dilations=False)
        operands = [x, source, ops.zero_of(x)]
        operation = ops.create("stablehlo.select_and_scatter", [x.type], operands, attributes, regions=2)
        scalars = [operands[2].type] * 2
        ops.region(operation, scalars, lambda a, b: ops.compare("GE", a, b), 0)
        ops.region(operation, scalars, ops.mul, 1)
        return operation.result

    case = Case("multiplies", build, sampler(((3,), float), ((2,), float)))
    with pytest.raises(UnsupportedOperationError, match="scatter body is not a sum"):
        check_reverse([case])


def test_batched_initial_values_of_any_body() -> None:
    def build(x: ir.Value, initial: ir.Value) -> ir.Value:
        return sliding((2,)).reduce([x], [initial], lambda a, b: ops.add(ops.exp(a), b))[0]

    check_batch([Case("any", build, sampler(((3,), float), ((), float)))])


def test_batched_initial_values_of_scatters_that_do_not_add() -> None:
    def build(x: ir.Value, source: ir.Value, initial: ir.Value) -> ir.Value:
        attributes = sliding((2,)).attributes(dilations=False)
        operation = ops.create(
            "stablehlo.select_and_scatter", [x.type], [x, source, initial], attributes, regions=2
        )
        scalars = [initial.type] * 2
        ops.region(operation, scalars, lambda a, b: ops.compare("GE", a, b), 0)
        ops.region(operation, scalars, ops.mul, 1)
        return operation.result

    check_batch([Case("multiplies", build, sampler(((3,), float), ((2,), float), ((), float)))])


CAPTURING = """func.func @main(%x: tensor<6xf64>, %i: tensor<f64>) -> tensor<5xf64> {
  %c = stablehlo.constant dense<0.9> : tensor<f64>
  %0 = "stablehlo.reduce_window"(%x, %i) <{
      window_dimensions = array<i64: 2>, padding = dense<0> : tensor<1x2xi64>}> ({
  ^bb0(%a: tensor<f64>, %b: tensor<f64>):
    %m = stablehlo.multiply %a, %b : tensor<f64>
    %n = func.call @scaled(%m, %c) : (tensor<f64>, tensor<f64>) -> tensor<f64>
    %s = stablehlo.add %a, %b : tensor<f64>
    %r = stablehlo.add %s, %n : tensor<f64>
    stablehlo.return %r : tensor<f64>
  }) : (tensor<6xf64>, tensor<f64>) -> tensor<5xf64>
  return %0 : tensor<5xf64>
}
func.func private @scaled(%a: tensor<f64>, %b: tensor<f64>) -> tensor<f64> {
  %0 = stablehlo.multiply %a, %b : tensor<f64>
  return %0 : tensor<f64>
}"""


def test_bodies_that_call_functions_and_use_constants_from_around_them() -> None:
    f = mycc.from_stablehlo(CAPTURING)
    x, one = np.linspace(0.5, 1.4, 6), np.float64(1)

    def expected(x: Any, i: Any) -> Any:
        # a + b + c a b is associative: 1 + c times it is (1 + c a)(1 + c b).
        return ((1 + 0.9 * i) * (1 + 0.9 * x[:-1]) * (1 + 0.9 * x[1:]) - 1) / 0.9

    np.testing.assert_allclose(f(x, one), expected(x, one))
    grads = mycc.grad(lambda *args: f(*args).sum(), argnums=(0, 1))(x, one)
    step = 1e-6
    for position, got in enumerate(grads):
        for place in np.ndindex(np.shape(got)):
            ends = []
            for sign in (1, -1):
                args = [np.array(a) for a in (x, one)]
                args[position][place] += sign * step
                ends.append(expected(*args).sum())
            np.testing.assert_allclose(np.asarray(got)[place], (ends[0] - ends[1]) / (2 * step), rtol=1e-6)
    xs, ones = np.stack([x, x * 1.1]), np.array([1, 1.1])
    np.testing.assert_allclose(mycc.vmap(f)(xs, ones), list(map(expected, xs, ones)))
    np.testing.assert_allclose(mycc.vmap(f, in_axes=(0, None))(xs, one)[1], expected(xs[1], one))


def started_case(name: str, body: Any, fold: Callable[[Any, Any], Any], **options: Any) -> Case:
    """Any body, with the initial value as an operand."""
    s = sliding((2, 3), **options)
    return Case(
        name,
        lambda x, initial: s.reduce([x], [initial], body)[0],
        sampler(((4, 5), float), ((), float)),
        lambda x, initial: folded(s, fold, x, initial),
    )


STARTED = [
    started_case("logaddexp", logaddexp, np.logaddexp, strides=(1, 2)),
    started_case(
        "logaddexp-padded", logaddexp, np.logaddexp, padding=((2, 1), (1, 2)), base_dilations=(1, 2)
    ),
    started_case(
        "squares",
        lambda a, b: ops.add(a, ops.mul(b, b)),
        lambda a, b: a + b * b,
        strides=(1, 2),
        padding=((1, 0), (0, 2)),
    ),
]


def test_any_body_from_any_initial_value() -> None:
    check_values(STARTED)
    check_forward(STARTED)
    check_reverse(STARTED)
    check_transpose(STARTED)
    check_batch(STARTED)
    check_batch(map(pullback_of, STARTED), most=3)


def test_sums_of_functions_stay_sums() -> None:
    found = names(pulled_back(STARTED[2]))
    assert found.count("reduce_window") == 1
    assert "gather" not in found


@st.composite
def reductions(draw: Any) -> Case:
    rank = draw(st.integers(1, 2))
    kind = draw(st.sampled_from(sorted(KINDS)))

    def per(strategy: Any) -> tuple[Any, ...]:
        return tuple(draw(strategy) for _ in range(rank))

    shape, sizes = per(st.integers(1, 5)), per(st.integers(1, 3))
    options = {
        "strides": per(st.integers(1, 3)),
        "base_dilations": per(st.integers(1, 2)),
        "window_dilations": per(st.integers(1, 2)),
        "padding": per(st.tuples(st.integers(-1, 3), st.integers(-1, 3))),
    }
    return window_case(kind, f"{shape}{sizes}{options}", shape, sizes, **options)


def check_all(cases: list[Case]) -> None:
    check_values(cases)
    check_forward(finite(cases))
    check_reverse(cases)
    check_reverse(map(pullback_of, cases))
    check_batch(cases)


@settings(max_examples=2, deadline=None, phases=[Phase.generate])
@given(st.lists(reductions(), min_size=8, max_size=8))
def test_any_windows(cases: list[Case]) -> None:
    check_all(cases)


@pytest.mark.exhaustive
@settings(max_examples=20, deadline=None, phases=[Phase.generate])
@given(st.lists(reductions(), min_size=8, max_size=8))
def test_many_windows(cases: list[Case]) -> None:
    check_all(cases)
