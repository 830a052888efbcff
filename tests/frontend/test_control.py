"""`cond`, `switch`, `while_loop`, `fori_loop`, `scan`, `map`: values, types, captures, derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.dialects.errors import TransformError, TreeError

X = np.array([0.7, -0.4, 1.3])
HERE = r"test_control\.py:\d+: "


def close(got: Any, wanted: Any, rtol: float = 1e-6) -> None:
    assert np.shape(got) == np.shape(wanted)
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=rtol)


# ---- cond, switch --------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda f: f, mycc.jit])
def test_cond(wrap: Any) -> None:
    run = wrap(
        lambda p, x: lax.cond(
            p, lambda a, b: {"r": a + b["k"]}, lambda a, b: {"r": a - b["k"]}, x, {"k": 2.0}
        )
    )
    close(run(True, X)["r"], X + 2)
    close(run(False, X)["r"], X - 2)
    close(run(3, X)["r"], X + 2)
    close(run(np.float32(0), X)["r"], X - 2)


@pytest.mark.parametrize("wrap", [lambda f: f, mycc.jit])
def test_switch_clamps_its_index(wrap: Any) -> None:
    run = wrap(lambda i, x: lax.switch(i, [lambda y: y, lambda y: y * y, lambda y: -y], x))
    for i, wanted in ((0, X), (1, X * X), (2, -X), (7, -X), (-3, X), (np.uint8(2), -X)):
        close(run(i, X), wanted)


def test_branches_capture_and_return_what_they_like() -> None:
    def run(p: Any, x: Any) -> Any:
        y = mnp.sin(x)
        return lax.cond(p, lambda: (y, x[0], None), lambda: (x, 0.0, None))

    first, second, none = mycc.jit(run)(True, X)
    close(first, np.sin(X))
    close(second, 0.7)
    assert none is None
    close(mycc.jit(run)(False, X)[1], 0.0)


def test_weak_results_take_the_other_branch_s_dtype() -> None:
    got = mycc.jit(lambda p, x: lax.cond(p, lambda: x, lambda: 0.0))(False, np.float64(1))
    assert got.dtype == np.float64
    got = lax.switch(1, [lambda: 1, lambda: 2.0, lambda: mnp.array(3, dtype="float16")])
    assert got.dtype == np.float16
    assert not got.weak_type


def test_derivatives_of_branches() -> None:
    def f(x: Any, s: Any) -> Any:
        return mnp.sum(lax.cond(x[0] > s, lambda y: y * x, lambda y: mnp.exp(y) * s, x * 2.0))

    for s, wanted_x, wanted_s in ((0.5, 4 * X, 0.0), (1.0, 2 * np.exp(2 * X), np.sum(np.exp(2 * X)))):
        x_bar, s_bar = mycc.jit(mycc.grad(f, argnums=(0, 1)))(X, s)
        close(x_bar, wanted_x)
        close(s_bar, wanted_s)
        _, tangent = mycc.jvp(f, (X, s), (X, 2.0))
        close(tangent, wanted_x @ X + 2 * wanted_s)
        _, pushforward = mycc.linearize(f, X, s)
        close(pushforward(X, 2.0), wanted_x @ X + 2 * wanted_s)
    close(mycc.hessian(f)(X, 0.5), 4 * np.eye(3))
    close(mycc.vmap(mycc.grad(f), (None, 0))(X, np.array([0.5, 1.0])), np.stack([4 * X, 2 * np.exp(2 * X)]))


def test_a_branch_that_does_not_depend_on_the_argument() -> None:
    f = lambda p, x: lax.cond(p, lambda: mnp.sum(x), lambda: 1.0)  # noqa: E731
    close(mycc.grad(f, argnums=1)(True, X), np.ones(3))
    close(mycc.grad(f, argnums=1)(False, X), np.zeros(3))
    close(mycc.jvp(lambda x: f(False, x), (X,), (X,))[1], 0.0)


def test_only_the_chosen_branch_runs() -> None:
    """The other would not end."""
    forever = lambda x: lax.while_loop(lambda c: c >= 0.0, lambda c: c + 1.0, x)  # noqa: E731
    close(mycc.jit(lambda p, x: lax.cond(p, lambda: x, lambda: forever(x)))(True, 1.0), 1.0)


# ---- Loops ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda f: f, mycc.jit])
def test_while_loop(wrap: Any) -> None:
    def run(n: Any) -> Any:
        start = {"i": 0, "pair": (1, 1.0)}
        step = lambda c: {"i": c["i"] + 1, "pair": (c["pair"][0] * 2, c["pair"][1] / 2)}  # noqa: E731
        return lax.while_loop(lambda c: c["i"] < n, step, start)

    for n in (0, 5):
        got = wrap(run)(n)
        assert (int(got["i"]), int(got["pair"][0]), float(got["pair"][1])) == (n, 2**n, 0.5**n)


@pytest.mark.parametrize("wrap", [lambda f: f, mycc.jit])
def test_fori_loop(wrap: Any) -> None:
    close(
        wrap(lambda x: lax.fori_loop(0, 4, lambda i, c: c * x + i, 1.0))(2.0),
        ((1 * 2 + 0) * 2 + 1) * 4 + 4 + 3,
    )
    close(wrap(lambda n: lax.fori_loop(2, n, lambda i, c: c + i, 0))(6), 2 + 3 + 4 + 5)
    close(wrap(lambda n: lax.fori_loop(2, n, lambda i, c: c + i, 0))(1), 0)
    close(wrap(lambda n: lax.fori_loop(-2, n, lambda i, c: c + i, 0))(np.int64(2)), -2)


@pytest.mark.parametrize("wrap", [lambda f: f, mycc.jit])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan(wrap: Any, reverse: bool) -> None:
    def step(c: Any, x: Any) -> Any:
        new = c * x["a"] + x["b"][0]
        return new, {"new": new, "old": c, "none": None}

    xs = {"a": X, "b": np.arange(6.0).reshape(3, 2)}
    carry, ys = wrap(lambda xs: lax.scan(step, 2.0, xs, reverse=reverse))(xs)
    c, news, olds = 2.0, [0.0] * 3, [0.0] * 3
    for i in reversed(range(3)) if reverse else range(3):
        olds[i], c = c, c * X[i] + xs["b"][i, 0]
        news[i] = c
    close(carry, c)
    close(ys["new"], news)
    close(ys["old"], olds)
    assert ys["none"] is None
    assert carry.dtype == ys["old"].dtype == np.float64


def test_scan_without_arrays_and_of_length_zero() -> None:
    carry, ys = lax.scan(lambda c, _: (c * 2.0, c), 1.0, length=4)
    close(carry, 16.0)
    close(ys, [1, 2, 4, 8])
    carry, ys = lax.scan(lambda c, x: (c + x[0], x * 2), 1.0, np.zeros((0, 2), np.float32))
    close(carry, 1.0)
    close(ys, np.zeros((0, 2)))
    carry, ys = lax.scan(lambda c, x: (c, None), (), np.zeros(3))
    assert (carry, ys) == ((), None)


def test_map() -> None:
    close(lax.map(lambda x: x["a"] * 2, {"a": X}), 2 * X)
    close(mycc.jit(lambda x: lax.map(lambda r: mnp.sum(r), x))(np.outer(X, X)), X * X.sum())


def test_loops_in_loops() -> None:
    def outer(c: Any, row: Any) -> Any:
        total, _ = lax.scan(lambda s, x: (s + x * c, None), 0.0, row)
        return c + 1.0, lax.while_loop(lambda v: v < 100.0, lambda v: v * 2.0 + c, total)

    rows = np.arange(6.0).reshape(3, 2) + 1

    def reference(c: float, row: np.ndarray) -> float:
        total = float(row.sum()) * c
        while total < 100.0:
            total = total * 2.0 + c
        return total

    _, got = mycc.jit(lambda rows: lax.scan(outer, 1.0, rows))(rows)
    close(got, [reference(1.0 + i, row) for i, row in enumerate(rows)])


def test_the_body_is_traced_a_bounded_number_of_times() -> None:
    traces = []

    def step(c: Any, x: Any) -> Any:
        traces.append(1)
        return c * x, c

    lax.scan(step, mnp.ones(()), np.ones(1000, np.float32))
    assert len(traces) == 1
    lax.scan(step, 1.0, np.ones(1000, np.float32))
    assert len(traces) <= 3


def test_closures_over_arrays_and_tracers() -> None:
    table = mnp.array(np.arange(1000.0))

    @mycc.jit
    def run(x: Any) -> Any:
        y = x * 2.0
        return lax.fori_loop(0, 3, lambda i, c: c + table[i + 500] + y, 0.0 * x)

    close(run(np.float64(1)), 501 + 500 + 502 + 6)
    table[501] = 0.0
    close(run(np.float64(1)), 500 + 502 + 6)


# ---- Derivatives of loops ------------------------------------------------------------------------


def test_forward_mode_through_loops() -> None:
    def power(x: Any) -> Any:
        return lax.fori_loop(0, 5, lambda i, c: c * x, 1.0)

    close(mycc.jvp(power, (2.0,), (1.0,))[1], 5 * 2.0**4)
    close(mycc.jacfwd(power)(2.0), 5 * 2.0**4)
    close(mycc.jacfwd(mycc.jacfwd(power))(2.0), 20 * 2.0**3)
    close(mycc.linearize(power, 2.0)[1](0.5), 2.5 * 2.0**4)
    newton = lambda a: lax.while_loop(  # noqa: E731
        lambda c: mnp.abs(c * c - a) > 1e-12, lambda c: 0.5 * (c + a / c), mnp.ones_like(a)
    )
    close(mycc.jvp(newton, (np.float64(2.0),), (1.0,))[1], 0.5 / np.sqrt(2.0))
    close(mycc.vmap(mycc.jacfwd(newton))(np.array([2.0, 9.0])), [0.5 / np.sqrt(2.0), 1 / 6])


def test_tangents_of_a_carry_with_integers() -> None:
    def run(x: Any) -> Any:
        return lax.scan(lambda c, t: ((c[0] * x, c[1] + 1), c[1] * x), (x, 0), X)

    (_, count), _ = run(2.0)
    assert int(count) == 3
    ((carry_dot, count_dot), ys_dot) = mycc.jvp(run, (2.0,), (1.0,))[1]
    close(carry_dot, 4 * 2.0**3)
    assert count_dot.dtype == mycc.float0
    close(ys_dot, [0, 1, 2])


def test_loops_that_do_not_depend_on_the_argument() -> None:
    def f(x: Any) -> Any:
        count = lax.while_loop(lambda c: c < 10, lambda c: c + 3, 0)
        return mnp.sum(x) * count

    close(mycc.grad(f)(X), np.full(3, 12.0))


# ---- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: lax.cond(X, lambda: 1, lambda: 2),
            r"cond needs a scalar predicate, got one of shape \(3,\)",
        ),
        (
            lambda: lax.cond(True, lambda: X, lambda: X[:2]),
            r"result 0 differs between the branches: .*f64\[2\]",
        ),
        (
            lambda: lax.cond(True, lambda: X, lambda: mnp.ones(3)),
            r"result 0 differs .*f64\[3\].*f32\[3\]|f32.*f64",
        ),
        (lambda: lax.switch(0.5, [lambda: 1]), r"switch needs an integer scalar index, got f32\[\]"),
        (
            lambda: lax.while_loop(lambda c: c, lambda c: c, 1.0),
            r"the condition must give one boolean scalar, got f32\[\]",
        ),
        (
            lambda: lax.while_loop(lambda c: (c, c), lambda c: c, True),
            r"one boolean scalar, got bool\[\], bool\[\]",
        ),
        (
            lambda: lax.while_loop(lambda c: c["a"] < 3, lambda c: {"a": c["a"] + 0.5}, {"a": mnp.int32(0)}),
            r"carry\['a'\] goes in as i32\[\] and comes out as f32\[\]; convert it",
        ),
        (lambda: lax.fori_loop(0.0, 3, lambda i, c: c, 0), "fori_loop needs integer scalar bounds"),
        (
            lambda: lax.scan(lambda c, x: (c + x, c), mnp.int32(0), X),
            r"the carry of .* changes its type: i32\[\]",
        ),
        (lambda: lax.scan(lambda c, x: (x, c), 0.0, np.outer(X, X)), "changes its type"),
        (
            lambda: lax.scan(lambda c, x: (c, x), 0.0, {"a": X, "b": X[:2]}),
            r"different lengths: 3 for xs\['a'\], 2 for xs\['b'\]",
        ),
        (
            lambda: lax.scan(lambda c, x: (c, x), 0.0, X, length=4),
            "different lengths: 3 for xs, 4 for length",
        ),
        (lambda: lax.scan(lambda c, x: (c, x), 0.0), "scan needs arrays in xs, or a length"),
        (lambda: lax.scan(lambda c, x: (c, x), 0.0, 1.0), "xs is a scalar"),
    ],
)
def test_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TransformError, match=HERE + ".*(" + message + ")"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lax.cond(True, lambda: 1, lambda: (1,)), "the branches return different structures"),
        (
            lambda: lax.while_loop(lambda c: True, lambda c: (c, c), 1.0),
            "the body must return a carry of the structure",
        ),
        (lambda: lax.scan(lambda c, x: c, 0.0, X), r"must return a pair \(carry, y\), got Tracer"),
        (lambda: lax.scan(lambda c, x: ((c, c), x), 0.0, X), "must return a carry of the structure it got"),
    ],
)
def test_structure_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TreeError, match=HERE + ".*" + message):
        call()


def test_no_branches() -> None:
    with pytest.raises(ValueError, match=HERE + "switch needs at least one branch"):
        lax.switch(0, [])


def test_one_operand_by_name() -> None:
    close(lax.cond(False, lambda x: x, lambda x: -x, operand=2.0), -2.0)
    close(lax.cond(True, lambda _: 1.0, lambda _: 2.0, operand=None), 1.0)
    close(lax.switch(1, [lambda x: x, lambda x: -x], operand=2.0), -2.0)
    with pytest.raises(TypeError, match=HERE + "cond takes operands by position or one by name"):
        lax.cond(True, lambda x: x, lambda x: x, 1.0, operand=2.0)
