"""Records of slices at run-time indices, of gather and of scatter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from emission import cotangents, names, pulled_back, tangents
from harness import (
    Case,
    check_batch,
    check_forward,
    check_reverse,
    check_transpose,
    check_values,
    pullback_of,
    tangent_of,
    uniform,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from window_cases import BODIES, Layout, gather_case, layouts, scatter_case

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.windows import Windows

Dims = tuple[int, ...]
Value = ir.Value


# ---- Windows at scalar starts --------------------------------------------------------------------


def starts(rng: np.random.Generator, shape: Dims) -> list[Any]:
    return [np.asarray(rng.integers(-2, n + 2), np.int32) for n in shape]


def dynamic_slice(shape: Dims, sizes: Dims) -> Case:
    def sample(rng: np.random.Generator) -> list[Any]:
        return [uniform(rng, shape, float), *starts(rng, shape)]

    def oracle(x: Any, *at: Any) -> Any:
        at = [int(np.clip(a, 0, n - s)) for a, n, s in zip(at, shape, sizes, strict=True)]
        return x[tuple(slice(a, a + s) for a, s in zip(at, sizes, strict=True))]

    return Case(f"slice{shape}{sizes}", lambda x, *at: ops.dynamic_slice(x, at, sizes), sample, oracle)


def dynamic_update(shape: Dims, sizes: Dims) -> Case:
    def sample(rng: np.random.Generator) -> list[Any]:
        return [uniform(rng, shape, float), uniform(rng, sizes, float), *starts(rng, shape)]

    def oracle(x: Any, update: Any, *at: Any) -> Any:
        at = [int(np.clip(a, 0, n - s)) for a, n, s in zip(at, shape, sizes, strict=True)]
        x = x.copy()
        x[tuple(slice(a, a + s) for a, s in zip(at, sizes, strict=True))] = update
        return x

    return Case(f"update{shape}{sizes}", lambda x, u, *at: ops.dynamic_update_slice(x, u, at), sample, oracle)


SLICES = [
    make(shape, sizes)
    for make in (dynamic_slice, dynamic_update)
    for shape, sizes in [((5,), (2,)), ((3, 4), (2, 4)), ((3, 4), (1, 2)), ((2,), (2,))]
]


# ---- Gathers and scatters ------------------------------------------------------------------------

ROWS = Layout(Windows((1,), (0,), (), (), (0,), 1), (4, 3), (3, 1), (1, 3))
"""x[i] for a vector of i."""
SCALARS = Layout(Windows((), (0,), (), (), (0,), 1), (5,), (4,), (1,))
"""x[i], the indices without a dimension of vectors."""
POINTS = Layout(Windows((), (0, 1), (), (), (1, 0), 0), (3, 4), (2, 3), (1, 1))
"""x[j, i], vectors along the first dimension."""
PATCHES = Layout(Windows((0, 2), (), (), (), (0, 1), 1), (4, 3), (2, 2), (2, 2))
ALONG = Layout(Windows((), (1,), (0,), (0,), (1,), 2), (2, 4), (2, 3), (1, 1))
"""take_along_axis."""
CROSSED = Layout(Windows((1,), (), (0, 2), (2, 0), (1,), 1), (2, 4, 3), (3, 1, 2), (1, 2, 1))
LAYOUTS = {
    "rows": ROWS,
    "scalars": SCALARS,
    "points": POINTS,
    "patches": PATCHES,
    "along": ALONG,
    "crossed": CROSSED,
}

GATHERS = [gather_case(name, layout) for name, layout in LAYOUTS.items()]
SCATTERS = [
    scatter_case(name, layout, kind, unique)
    for name, layout in LAYOUTS.items()
    for kind in BODIES
    for unique in (False, True)
    if not (kind in ("add-turned", "sub") and (unique or name != "rows"))
]


def two_scatters() -> Case:
    """A sum and a replacement side by side, at single indices."""

    def build(x: Value, y: Value, indices: Value, u: Value, v: Value) -> Any:
        operation = ir.Operation.create(
            "stablehlo.scatter",
            [x.type, y.type],
            [x, y, indices, u, v],
            {"scatter_dimension_numbers": ROWS.windows.scatter()},
            regions=1,
        )
        scalar = ops.tensor((), ops.element_of(x))
        ops.region(operation, [scalar] * 4, lambda a, b, c, d: [ops.add(c, a), d])
        return list(operation.results)

    def sample(rng: np.random.Generator) -> list[Any]:
        x, y, u, v = (
            uniform(rng, shape, float) for shape in (ROWS.operand, ROWS.operand, ROWS.result, ROWS.result)
        )
        return [x, y, ROWS.draw(rng, False), u, v]

    def oracle(x: Any, y: Any, indices: Any, u: Any, v: Any) -> Any:
        return [ROWS.scatter(x, indices, u, np.add), ROWS.scatter(y, indices, v, lambda a, b: b)]

    return Case("two-scatters", build, sample, oracle)


CASES = [*SLICES, *GATHERS, *SCATTERS, two_scatters()]


def test_values() -> None:
    check_values(CASES)


def test_derivatives() -> None:
    check_forward(CASES)
    check_reverse(CASES)
    check_transpose(CASES[::6])


def test_one_of_two_operands_is_active() -> None:
    cases = [
        replace(case, name=f"{case.name}{active}", active=active)
        for case in [
            dynamic_update((3,), (2,)),
            *(scatter_case("rows", ROWS, kind, True) for kind in BODIES),
            scatter_case("rows", ROWS, "set", False),
        ]
        for active in ((True, False, False), (False, "update" in case.name, "update" not in case.name))
    ]
    check_forward(cases)
    check_reverse(cases)


def test_second_derivatives() -> None:
    check_reverse(map(pullback_of, CASES[::3]))
    check_reverse(map(tangent_of, CASES[1::8]))


def test_batch() -> None:
    check_batch([*SLICES, *GATHERS], most=3)
    check_batch([case for case in SCATTERS if "True" in case.name] + [two_scatters()], most=3)
    check_batch(list(map(pullback_of, CASES[::5])), most=2)


def check_all(cases: list[Case]) -> None:
    check_values(cases)
    check_forward(cases)
    check_reverse(cases)
    check_reverse(map(pullback_of, cases))
    check_batch(cases, most=3)


def of_layouts(found: list[Layout], kinds: list[str], unique: bool) -> list[Case]:
    cases = [gather_case(str(i), layout) for i, layout in enumerate(found)]
    for i, (layout, kind) in enumerate(zip(found, kinds, strict=True)):
        apart = not layout.meets(layout.draw(np.random.default_rng(0), True))
        if apart or kind != "mul":
            cases.append(scatter_case(str(i), layout, kind, apart and (unique or kind == "mul")))
    return cases


COUNT = 4
some_layouts = st.lists(layouts(), min_size=COUNT, max_size=COUNT)
some_kinds = st.lists(st.sampled_from(sorted(BODIES)), min_size=COUNT, max_size=COUNT)


@settings(max_examples=2, deadline=None, phases=[Phase.generate])
@given(some_layouts, some_kinds, st.booleans())
def test_dimension_numbers(found: list[Layout], kinds: list[str], unique: bool) -> None:
    check_all(of_layouts(found, kinds, unique))


@pytest.mark.exhaustive
@settings(max_examples=40, deadline=None, phases=[Phase.generate])
@given(some_layouts, some_kinds, st.booleans())
def test_many_dimension_numbers(found: list[Layout], kinds: list[str], unique: bool) -> None:
    check_all(of_layouts(found, kinds, unique))


# ---- Conventions ---------------------------------------------------------------------------------


def test_gather_out_of_bounds() -> None:
    x, at = np.arange(5.0), np.array([-3, 0, 4, 9], np.int32)
    (got,) = cotangents(gather_case("scalars", SCALARS), [x, at], [np.array([1.0, 2.0, 4.0, 8.0])])
    np.testing.assert_array_equal(got, [3, 0, 0, 0, 12])


@pytest.mark.parametrize("kind", ["add", "set", "max"])
def test_scatter_out_of_bounds(kind: str) -> None:
    x, at = np.zeros(5), np.array([-1, 0, 5, 4], np.int32)
    ct, updates = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.ones(4)
    case = scatter_case("scalars", SCALARS, kind, True)
    _, got = cotangents(case, [x, at, updates], [ct])
    np.testing.assert_array_equal(got, [0, 1, 0, 16])


def test_a_window_that_leaves_is_dropped_whole() -> None:
    layout = Layout(Windows((1,), (), (), (), (0,), 1), (5,), (3, 1), (2,))
    x, at, updates = np.zeros(5), np.array([[-1], [2], [4]], np.int32), np.ones((3, 2))
    for unique in (False, True):
        got_x, got = cotangents(
            scatter_case("", layout, "set", unique), [x, at, updates], [np.arange(1.0, 6.0)]
        )
        np.testing.assert_array_equal(got_x, [1, 2, 0, 0, 5])
        np.testing.assert_array_equal(got, [[0, 0], [3, 4], [0, 0]])


@pytest.mark.parametrize("kind", ["set", "max", "min", "add"])
def test_updates_that_meet_as_in_jax(kind: str) -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    at = np.array([1, 1, 3, 3], np.int32)
    updates = np.array([1.0, 1.0, 5.0, 2.0])
    ct = np.array([1.0, 6.0, 4.0, 8.0, 16.0])
    with jax.enable_x64(True):

        def f(x: Any, u: Any) -> Any:
            return getattr(jnp.asarray(x).at[at], kind)(u)

        _, pull = jax.vjp(f, x, updates)
        wants = pull(jnp.asarray(ct))
        _, pushed = jax.jvp(f, (x, updates), (x + 1, updates * 3))
    case = scatter_case("scalars", SCALARS, kind, False)
    got = cotangents(case, [x, at, updates], [ct])
    np.testing.assert_allclose(got[0], wants[0])
    np.testing.assert_allclose(got[1], wants[1])
    np.testing.assert_allclose(tangents(case, [x, at, updates], [x + 1, updates * 3])[0], pushed)


def test_products_are_linear_in_the_operand() -> None:
    case = scatter_case("scalars", SCALARS, "mul", False)
    only_x = Case(case.name, case.build, case.sample, case.oracle, active=(True, False, False))
    check_reverse([only_x])


@pytest.mark.parametrize(
    ("dtype", "at"),
    [
        (np.uint8, [0, 255, 7]),
        (np.int8, [-5, 127, 7]),
        (np.uint32, [2**32 - 1, 3, 299]),
        (np.int64, [-1, 2**40, 5]),
    ],
)
def test_index_types(dtype: Any, at: list[int]) -> None:
    layout = Layout(Windows((), (0,), (), (), (0,), 1), (300,), (3,), (1,))
    x, indices = np.arange(1.0, 301.0), np.array(at, dtype)
    clipped = np.clip(at, 0, 299)
    (got,) = cotangents(gather_case("types", layout), [x, indices], [np.array([1.0, 2.0, 4.0])])
    want = np.zeros(300)
    np.add.at(want, clipped, [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(got, want)
    if np.iinfo(dtype).max > 300:
        # XLA's own scatter drops what it should not where a small type cannot hold the bound.
        _, got = cotangents(scatter_case("types", layout, "add", False), [x, indices, np.zeros(3)], [x])
        np.testing.assert_array_equal(got, np.where(clipped == at, x[clipped], 0))


def test_other_element_types() -> None:
    bf16 = np.dtype(ml_dtypes.bfloat16)
    check_batch([gather_case("bf16", ROWS, bf16), scatter_case("bool", ROWS, "set", True, bool)])
    check_reverse(
        [gather_case("complex", ROWS, complex), scatter_case("complex", ROWS, "set", False, complex)]
    )
    x, at = np.zeros((4, 3), bf16), np.array([[1], [1], [0]], np.int32)
    (got,) = cotangents(gather_case("rows", ROWS), [x, at], [np.ones((3, 3), bf16)])
    assert got.dtype == bf16
    np.testing.assert_array_equal(got.astype(float), [[1] * 3, [2] * 3, [0] * 3, [0] * 3])


# ---- What is emitted -----------------------------------------------------------------------------


def gather_at(make: Any, unique: bool = False) -> Case:
    """A gather whose indices are made inside."""

    def build(x: Value, at: Value) -> Value:
        return ops.gather(x, make(at), ROWS.windows.gather(), ROWS.sizes)

    return Case("at", build, lambda rng: [uniform(rng, ROWS.operand, float), ROWS.draw(rng, False)])


def clamped(at: Value) -> Value:
    return ops.clamp(
        ops.full(ops.tensor((), ops.element_of(at)), 0), at, ops.full(ops.tensor((), ops.element_of(at)), 3)
    )


def test_indices_seen_to_be_inside_are_not_clamped() -> None:
    assert "clamp" in names(pulled_back(gather_at(lambda at: at)))
    for make in (
        lambda at: ops.constant(np.array([[0], [3], [1]], np.int32)),
        lambda at: ops.iota(at.type, 0),
        lambda at: ops.max_(ops.min_(at, ops.full_like(at, 3)), ops.full_like(at, 0)),
        lambda at: ops.convert(ops.compare("LT", at, ops.full_like(at, 2)), ops.I32),
    ):
        assert "clamp" not in names(pulled_back(gather_at(make)))
    assert names(pulled_back(gather_at(clamped))).count("clamp") == 1


def test_columns_of_indices_are_bounded_one_by_one() -> None:
    def case(make: Any) -> Case:
        def build(x: Value, i: Value, j: Value) -> Value:
            high = [ops.full(ops.tensor((), ops.I32), n) for n in (2, 1)]
            zero = ops.full(ops.tensor((), ops.I32), 0)
            columns = [ops.clamp(zero, a, b) for a, b in zip((i, j), make(high), strict=True)]
            return ops.gather(x, ops.concatenate(columns, 1), PATCHES.windows.gather(), PATCHES.sizes)

        def sample(rng: np.random.Generator) -> list[Any]:
            return [uniform(rng, PATCHES.operand, float), *(uniform(rng, (2, 1), np.int32) for _ in range(2))]

        return Case("columns", build, sample)

    assert names(pulled_back(case(lambda high: high))).count("clamp") == 2
    assert names(pulled_back(case(lambda high: high[::-1]))).count("clamp") == 3


def test_a_slice_is_one_operation_backwards() -> None:
    found = names(pulled_back(dynamic_slice((5,), (2,))))
    assert [name for name in found if name != "constant"] == ["dynamic_update_slice"]
    assert "dynamic_slice" in names(pulled_back(dynamic_update((5,), (2,))))


def test_an_embedding_needs_one_scatter() -> None:
    found = names(pulled_back(gather_case("rows", ROWS)))
    assert [name for name in found if name != "constant"] == ["clamp", "scatter", "add"]


def test_a_sum_needs_one_gather() -> None:
    found = names(pulled_back(scatter_case("rows", ROWS, "add", False)))
    assert [n for n in found if n != "constant"] == [
        "gather",
        "clamp",
        "compare",
        "reshape",
        "broadcast_in_dim",
        "select",
    ]


@pytest.mark.exhaustive
def test_every_batch() -> None:
    check_batch(CASES)
    check_batch(list(map(pullback_of, CASES)))


@pytest.mark.exhaustive
def test_every_second_derivative() -> None:
    check_reverse(map(pullback_of, CASES))
    check_reverse(map(tangent_of, CASES))
    # Differences of max and min fail where two numbers lie closer than the step.
    check_forward(pullback_of(case) for case in CASES if "max" not in case.name and "min" not in case.name)
