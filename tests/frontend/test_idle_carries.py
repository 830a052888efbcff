"""Parts of a carry that a derivative does not need, or that no trip changes: they cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax

X, W = np.linspace(0.1, 1, 4), np.eye(4) / 2 + 0.1


def unused(n: Any, x: Any, w: Any) -> Any:
    """One part goes into another that nobody asks for, and one is handed on as it came."""
    step = lambda i, c: (mnp.sin(c[0]), mnp.exp(c[1] @ c[2]), c[2])  # noqa: E731
    return lax.fori_loop(0, n, step, (x, w, w))[0].sum()


def constant(n: Any, x: Any, w: Any) -> Any:
    return lax.fori_loop(0, n, lambda i, c: (mnp.sin(c[1] @ c[0]), c[1]), (x, w))[0].sum()


def nested(n: Any, x: Any, w: Any) -> Any:
    inner = lambda i, c: lax.fori_loop(0, 7, lambda j, d: (mnp.sin(d[1] @ d[0]), d[1]), c)  # noqa: E731
    return lax.fori_loop(0, n, inner, (x, w))[0].sum()


def in_a_branch(n: Any, x: Any, w: Any) -> Any:
    return lax.cond(x.sum() > 0, lambda x: unused(n, x, w), lambda x: x.sum(), x)


LOOPS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "unused": unused,
    "constant": constant,
    "nested": nested,
    "in a branch": in_a_branch,
}


def carried(f: Callable[..., Any], *args: Any) -> list[list[str]]:
    """The types that each loop of a lowered program carries."""
    text = mycc.jit(f).lower(*args).as_text()
    lines = [line for line in text.splitlines() if "stablehlo.while" in line]
    return [line.rpartition(" : ")[2].split(", ") for line in lines]


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("order", [1, 2])
def test_counted(name: str, order: int) -> None:
    f = lambda x, w: LOOPS[name](37, x, w)  # noqa: E731
    gradient = mycc.grad(f)
    program = gradient if order == 1 else mycc.grad(lambda x, w: gradient(x, w).sum())
    rows = [
        t for types in carried(program, X, W) for t in types if t.startswith(("tensor<37x", "tensor<64x"))
    ]
    inner = "7x" if name == "nested" else ""
    assert rows and set(rows) == {f"tensor<37x{inner}4xf64>"}


@pytest.mark.parametrize("name", ["unused", "constant"])
def test_counted_as_it_runs(name: str) -> None:
    program = mycc.grad(lambda x, w, n: LOOPS[name](n, x, w))
    slots = [t for types in carried(program, X, W, np.int32(3)) for t in types if t.startswith("tensor<64x")]
    assert slots and set(slots) == {"tensor<64xi64>", "tensor<64x4xf64>"}


def test_what_is_compiled_does_not_compute_unused_parts() -> None:
    for trips in (37, None):
        f = lambda x, w, n, trips=trips: unused(n if trips is None else trips, x, w)  # noqa: E731
        text = mycc.jit(mycc.grad(f)).lower(X, W, np.int32(3)).compile().as_text()
        assert "cosine" in text and "exponential" not in text


@pytest.mark.parametrize("program", ["first", "second", "hessian"])
def test_programs_of_ten_thousand_trips_are_as_large_as_of_ten(program: str) -> None:
    def f(x: Any, rows: Any) -> Any:
        last, ys = lax.scan(lambda c, row: (mnp.sin(c * row) + mnp.tanh(W @ c), c * 2), x, rows)
        return last.sum() + ys.sum()

    transform: Callable[..., Any] = {
        "first": mycc.grad(f),
        "second": mycc.grad(lambda x, rows: mycc.grad(f)(x, rows).sum()),
        "hessian": mycc.hessian(f),
    }[program]

    def size(n: int) -> int:
        return mycc.jit(transform).lower(X, np.ones((n, 4))).as_text().count(" = ")

    assert size(10) == size(10_000)


def test_numbers() -> None:
    for name, f in LOOPS.items():
        counted = mycc.grad(lambda x, w, f=f: f(5, x, w), argnums=(0, 1))(X, W)
        dynamic = mycc.grad(lambda x, w, n, f=f: f(n, x, w), argnums=(0, 1))(X, W, np.int32(5))
        step, v, u = 1e-6, np.cos(np.arange(4.0)), np.sin(np.arange(16.0)).reshape(4, 4)
        run = mycc.jit(lambda x, w, f=f: f(5, x, w))
        slope = (float(run(X + step * v, W + step * u)) - float(run(X - step * v, W - step * u))) / (2 * step)
        for gx, gw in (counted, dynamic):
            got = (np.asarray(gx) * v).sum() + (np.asarray(gw) * u).sum()
            np.testing.assert_allclose(got, slope, rtol=1e-6, err_msg=name)
