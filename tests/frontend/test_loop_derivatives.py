"""Reverse mode and transposition through loops, counted or not: against JAX, finite differences and matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.dialects.errors import TransformError
from mycc.dialects.mlir import context
from mycc.passes.base import collect_statistics

RNG = np.random.default_rng(0)
X, W = RNG.standard_normal(4), RNG.standard_normal((4, 4)) / 2


@pytest.fixture(autouse=True)
def _double() -> Any:
    with jax.enable_x64(True):
        yield


def close(got: Any, wanted: Any, rtol: float = 1e-9) -> None:
    pairs = zip(mycc.tree.leaves(got), jax.tree.leaves(wanted), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-9)


# Each takes a NumPy-like and a lax-like module, so that the same text runs in both frameworks.
COUNTED: dict[str, Callable[..., Any]] = {
    "fori": lambda np_, l, x, w: l.fori_loop(0, 5, lambda i, c: np_.sin(w @ c) + i * x, x).sum(),
    "from two to nine": lambda np_, l, x, w: l.fori_loop(2, 9, lambda i, c: np_.tanh(w @ c) * x, x).sum(),
    "scan": lambda np_, l, x, w: sum(
        (part**2).sum() for part in l.scan(lambda c, row: (np_.sin(row * c) + x, c * c * row), x, w)
    ),
    "scan backward": lambda np_, l, x, w: sum(
        (part**2).sum()
        for part in l.scan(lambda c, row: (np_.sin(row * c), np_.exp(x) * c), x, w, reverse=True)
    ),
    "two rows a trip": lambda np_, l, x, w: l.fori_loop(
        0, 3, lambda i, c: np_.sin(c) * w[i] + w[i + 1] * w[i], x
    ).sum(),
    "nested": lambda np_, l, x, w: l.fori_loop(
        0,
        3,
        lambda i, c: (
            l.scan(lambda d, row: (np_.sin(d * row) + np_.cos(w[0]) * c, d.sum()), c / 9, w)[1].sum() * c / 9
            + l.fori_loop(0, 2, lambda j, d: np_.cos(d) * x, c)
        ),
        x,
    ).sum(),
    "cond inside": lambda np_, l, x, w: l.fori_loop(
        0, 5, lambda i, c: l.cond(i % 2 == 0, lambda c: np_.sin(w @ c), lambda c: np_.exp(-c * c) * x, c), x
    ).sum(),
    "integers in the carry": lambda np_, l, x, w: l.fori_loop(
        0, 4, lambda i, c: (c[0] * 2, c[1] * x + c[0]), (1, x)
    )[1].sum(),
    "elements assigned": lambda np_, l, x, w: l.fori_loop(
        0, 4, lambda i, c: c.at[i].set((c[i] * c).sum()), x
    ).sum(),
    "no trip": lambda np_, l, x, w: (l.fori_loop(3, 3, lambda i, c: np_.sin(w @ c), x) * x).sum(),
    "matrix powers": lambda np_, l, x, w: l.fori_loop(0, 6, lambda i, c: c @ w, w).sum(),
    "unused carry": lambda np_, l, x, w: l.fori_loop(0, 3, lambda i, c: (np_.sin(c[0]), c[1] * x), (x, w[0]))[
        0
    ].sum(),
}
ORDERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "grad": lambda m, np_, f: m.grad(f, argnums=(0, 1)),
    "hessian": lambda m, np_, f: m.hessian(f),
    "vmap of grad": lambda m, np_, f: (
        lambda x, w: m.vmap(m.grad(f), in_axes=(0, None))(np_.stack([x, x / 2]), w)
    ),
    "grad of vmap": lambda m, np_, f: m.grad(
        lambda x, w: m.vmap(f, in_axes=(0, None))(np_.stack([x, x / 2]), w).sum()
    ),
    "grad of jvp": lambda m, np_, f: m.grad(lambda x, w: m.jvp(lambda x: f(x, w), (x,), (x / 2,))[1]),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", COUNTED)
def test_counted_loops_as_in_jax(name: str, order: str) -> None:
    f, transform = COUNTED[name], ORDERS[order]
    got = mycc.jit(transform(mycc, mnp, lambda *args: f(mnp, lax, *args)))(X, W)
    wanted = jax.jit(transform(jax, jnp, lambda *args: f(jnp, jax.lax, *args)))(X, W)
    close(got, wanted)


def dynamic(x: Any, w: Any, n: Any, checkpoints: int | None = None) -> Any:
    return lax.fori_loop(0, n, lambda i, c: mnp.sin(w @ c) + i * x, x, checkpoints=checkpoints).sum()


def unrolled(x: Any, w: Any, n: int) -> Any:
    c = x
    for i in range(n):
        c = jnp.sin(w @ c) + i * x
    return c.sum()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 8, 21])
@pytest.mark.parametrize("checkpoints", [None, 1, 2, 3])
def test_trips_known_at_run_time(n: int, checkpoints: int | None) -> None:
    gradient = mycc.jit(mycc.grad(lambda x, w, n: dynamic(x, w, n, checkpoints), argnums=(0, 1)))
    close(gradient(X, W, np.int32(n)), jax.grad(lambda x, w: unrolled(x, w, n), argnums=(0, 1))(X, W))


@pytest.mark.parametrize("order", [o for o in ORDERS if o != "grad"])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_trips_known_at_run_time_nested(order: str, n: int) -> None:
    transform = ORDERS[order]
    got = mycc.jit(lambda x, w, n: transform(mycc, mnp, lambda x, w: dynamic(x, w, n))(x, w))(
        X, W, np.int32(n)
    )
    close(got, transform(jax, jnp, lambda x, w: unrolled(x, w, n))(X, W))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(0, 70), slots=st.integers(1, 8))
def test_every_trip_finds_its_carry(n: int, slots: int) -> None:
    got = GRADIENTS[slots](np.float64(0.3), np.int32(n))
    x, slope, c = 0.3, 0.0, 0.3
    slope = 1.0
    for i in range(n):
        c, slope = np.sin(c) + i * x, np.cos(c) * slope + i
    np.testing.assert_allclose(got, slope, rtol=1e-9, atol=1e-9)


GRADIENTS = {
    slots: mycc.jit(
        mycc.grad(
            lambda x, n, slots=slots: lax.fori_loop(
                0, n, lambda i, c: mnp.sin(c) + i * x, x, checkpoints=slots
            )
        )
    )
    for slots in range(1, 9)
}


def newton(a: Any) -> Any:
    return lax.while_loop(
        lambda c: mnp.abs(c[0] ** 2 - a) > 1e-12 * a, lambda c: ((c[0] + a / c[0]) / 2, c[1] + 1), (a, 0)
    )[0]


def test_while_loop_that_ends_by_its_values() -> None:
    a = np.array([2.0, 7.0, 100.0])
    np.testing.assert_allclose(mycc.vmap(mycc.grad(newton))(a), 0.5 / np.sqrt(a), rtol=1e-9)
    np.testing.assert_allclose(mycc.grad(mycc.grad(newton))(np.float64(7.0)), -0.25 * 7**-1.5, rtol=1e-4)
    np.testing.assert_allclose(
        mycc.grad(lambda a: mycc.vmap(newton)(a).sum())(a), 0.5 / np.sqrt(a), rtol=1e-9
    )


# ---- Transposes ----------------------------------------------------------------------------------

LINEAR: dict[str, Callable[[Any, Any], Any]] = {
    "counted": lambda c, n: lax.fori_loop(0, 5, lambda i, c: W @ c * mnp.sin(i * 1.0) + c, c),
    "carry beside it": lambda c, n: lax.fori_loop(
        0, 5, lambda i, s: (s[0] * 1.1, mnp.cos(s[0]) * s[1] @ W), (1.0, c)
    )[1],
    "scan": lambda c, n: (
        lambda r: mnp.concatenate([r[0][1], r[1]])
    )(lax.scan(lambda s, row: ((s[0] * 1.5, row * s[1] + s[0] * s[1]), s[1] @ row), (2.0, c), W)),
    "dynamic": lambda c, n: lax.fori_loop(0, n, lambda i, s: (s[0] * 1.1, mnp.cos(s[0]) * s[1] @ W), (1.0, c))[1],
    "captured": lambda c, n: lax.fori_loop(0, n, lambda i, s: W @ s + c, mnp.zeros(4, "float64")),
}  # fmt: skip


@pytest.mark.parametrize("n", [0, 1, 6])
@pytest.mark.parametrize("name", LINEAR)
def test_transpose(name: str, n: int) -> None:
    f = LINEAR[name]
    matrix = np.stack([np.asarray(f(e, np.int32(n))) for e in np.eye(4)], 1)
    y = np.random.default_rng(1).standard_normal(matrix.shape[0])
    (got,) = mycc.jit(lambda y, n: mycc.linear_transpose(lambda c: f(c, n), X)(y))(y, np.int32(n))
    np.testing.assert_allclose(got, matrix.T @ y, rtol=1e-9, atol=1e-12)


def test_transpose_refuses_a_condition_on_linear_values() -> None:
    def f(c: Any) -> Any:
        return lax.while_loop(lambda c: c.sum() < 3, lambda c: c * 2, c)

    with pytest.raises(
        TransformError, match=r"test_loop_derivatives\.py:\d+: cannot transpose 'stablehlo.while'"
    ):
        mycc.linear_transpose(f, X)(X)


# ---- What is kept --------------------------------------------------------------------------------


def stacked(f: Callable[..., Any], *args: Any) -> list[str]:
    """Types with a leading dimension of 37, the number of trips, in the lowered gradient's first loop."""
    text = mycc.jit(mycc.grad(f)).lower(*args).as_text()
    loop = next(line for line in text.splitlines() if "stablehlo.while" in line)
    return [t for t in loop.rpartition(" : ")[2].split(", ") if t.startswith("tensor<37x")]


def test_residuals_that_no_trip_changes_are_kept_once() -> None:
    def f(x: Any, w: Any) -> Any:
        return lax.fori_loop(0, 37, lambda i, c: c * mnp.exp(w[0]) @ w, x).sum()

    # Linear in the carry: nothing of it is needed.
    assert stacked(f, X, W) == []


def test_rows_of_what_is_scanned_are_read_again() -> None:
    def f(x: Any, rows: Any) -> Any:
        return lax.scan(lambda c, row: (c * row, None), x, rows)[0].sum()

    assert stacked(f, X, RNG.standard_normal((37, 4))) == []
    # By the rows the product is not linear: it needs the carry, and one number for each of its elements.
    text = mycc.jit(mycc.grad(f, argnums=1)).lower(X, RNG.standard_normal((37, 4))).as_text()
    loop = next(line for line in text.splitlines() if "stablehlo.while" in line)
    assert loop.count("tensor<37x4xf64>") == 1


def test_an_unused_part_of_the_carry_costs_nothing() -> None:
    def f(x: Any) -> Any:
        return lax.fori_loop(0, 37, lambda i, c: (c[0] * 2.0, mnp.sin(c[1])), (x, x))[0].sum()

    assert stacked(f, X) == []
    assert "cosine" not in mycc.jit(mycc.grad(f)).lower(X).as_text()


def test_sums_of_rows_are_updated_in_place() -> None:
    def f(rows: Any) -> Any:
        return lax.scan(lambda c, row: (mnp.sin(c * row), c.sum()), mnp.ones(4, "float64"), rows)[1].sum()

    with context, collect_statistics() as statistics:
        mycc.jit(mycc.grad(f)).lower(RNG.standard_normal((37, 4)))
    assert statistics["simplify"]["sum-with-update-of-zeros"] == 1
    assert statistics["simplify"]["clearing-of-rows-read-once"] == 1


def test_programs_do_not_grow_with_the_number_of_trips() -> None:
    def size(n: int) -> int:
        f = lambda rows: lax.scan(lambda c, row: (mnp.sin(c * row), c), 1.0, rows)[0]  # noqa: E731
        return mycc.jit(mycc.grad(f)).lower(np.ones(n, np.float32)).as_text().count("\n")

    assert size(10) == size(10_000)


@pytest.mark.parametrize("checkpoints", [0, -3])
def test_there_must_be_a_checkpoint(checkpoints: int) -> None:
    with pytest.raises(
        ValueError, match=r"test_loop_derivatives\.py:\d+: fori_loop needs at least one checkpoint"
    ):
        dynamic(X, W, 3, checkpoints)
    with pytest.raises(
        TypeError, match=r"test_loop_derivatives\.py:\d+: fori_loop: checkpoints must be a whole number"
    ):
        dynamic(X, W, 3, 1.5)  # type: ignore[arg-type]


def test_any_module_with_a_scan() -> None:
    """A loop that JAX lowered, differentiated by the passes alone."""
    from mycc.dialects.mlir import ir
    from mycc.lowering.compile import compile_module
    from mycc.lowering.devices import default_device
    from mycc.lowering.pipelines import run_default

    def f(w: Any, rows: Any) -> Any:
        def step(c: Any, row: Any) -> Any:
            c = jnp.tanh(w @ c + row) * jnp.exp(w[0])
            return c, c.sum()

        c, ys = jax.lax.scan(step, jnp.zeros(4), rows)
        return (c * c).sum() + (ys**2).sum()

    rows = RNG.standard_normal((37, 4))
    text = jax.jit(f).lower(W, rows).as_text().replace("func.func public @main", "func.func private @f")
    text = text.replace(' {jax.result_info = "result"}', "")
    a, b = "tensor<4x4xf64>", "tensor<37x4xf64>"
    main = f"""
      func.func public @main(%w: {a}, %rows: {b}) -> ({a}, {b}) {{
        %one = stablehlo.constant dense<1.0> : tensor<f64>
        %0:3 = stablehlo.custom_call @mycc.vjp(%w, %rows, %one) {{called_computations = [@f],
            mycc.active = array<i1: true, true>, mycc.seeded = array<i1: true>}}
            : ({a}, {b}, tensor<f64>) -> (tensor<f64>, {a}, {b})
        return %0#1, %0#2 : {a}, {b}
      }}"""
    end = text.rindex("}")
    with context:
        module = ir.Module.parse(text[:end] + main + text[end:])
        run_default(module)
        # The matrix and its exponential are kept once: what is kept for each trip are rows.
        assert "tensor<37x4x4xf64>" not in str(module)
        executable = compile_module(module, devices=[default_device()])
    got = executable.run([mnp.asarray(v)._data for v in (W, rows)], lambda: "")
    close([np.asarray(v) for v in got], jax.grad(f, argnums=(0, 1))(W, rows))


@pytest.mark.parametrize("n", [4, np.int32(4)], ids=["counted", "dynamic"])
def test_what_is_run_again_does_not_print_again(n: Any, capfd: pytest.CaptureFixture[str]) -> None:
    def f(x: Any, n: Any) -> Any:
        def step(i: Any, c: Any) -> Any:
            mycc.debug.print("trip {}", i)
            return mnp.sin(c * x) * mnp.exp(x)

        return lax.fori_loop(0, n, step, x)

    gradient = mycc.jit(mycc.grad(f), static_argnums=() if isinstance(n, np.generic) else 1)
    got = gradient(np.float64(0.3), n)
    mycc.effects_barrier()
    assert capfd.readouterr().out.split("\n")[:-1] == [f"trip {i}" for i in range(4)]
    step = 1e-6
    slope = (float(f(np.float64(0.3 + step), 4)) - float(f(np.float64(0.3 - step), 4))) / (2 * step)
    np.testing.assert_allclose(got, slope, rtol=1e-6)


def test_a_counted_loop_calls_the_host_once_a_trip() -> None:
    calls = []

    def f(x: Any) -> Any:
        def step(i: Any, c: Any) -> Any:
            mycc.io_callback(lambda i: calls.append(int(i)), None, i)
            return mnp.sin(c * x) * mnp.exp(x)

        return lax.fori_loop(0, 4, step, x)

    mycc.jit(mycc.grad(f))(0.3)
    mycc.effects_barrier()
    assert calls == [0, 1, 2, 3]


def test_a_rule_that_calls_its_own_function_holds_in_loops_as_it_does_unrolled() -> None:
    @mycc.custom_jvp
    def f(y: Any) -> Any:
        return mnp.sin(y)

    @f.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (y,), (dy,) = primals, tangents
        out = f(y)
        return out, (1.5 * mnp.cos(y) + out) * dy

    def unrolled(x: Any) -> Any:
        c = x
        for _ in range(3):
            c = f(c) * x
        return c

    loop = lambda x: lax.fori_loop(0, 3, lambda i, c: f(c) * x, x)  # noqa: E731
    x = np.float64(0.3)
    for order in (mycc.grad, lambda g: mycc.grad(mycc.grad(g)), lambda g: mycc.jacfwd(mycc.grad(g))):
        np.testing.assert_allclose(order(loop)(x), order(unrolled)(x), rtol=1e-12)
