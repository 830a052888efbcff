"""Python's floats keep all their bits beside 64-bit arrays, wherever they are passed; by themselves they are float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax

A = np.array([1.0, 3.0])


@mycc.custom_jvp
def _product(x: Any, y: Any) -> Any:
    return x * y


_product.defjvp(lambda primals, tangents: (_product(*primals), tangents[0] * primals[1]))


@mycc.custom_vjp
def _scaled(x: Any, y: Any) -> Any:
    return x * y


_scaled.defvjp(lambda x, y: (x * y, y), lambda y, cotangent: (cotangent * y, None))


def _assigned(x: Any, number: float) -> Any:
    y = mnp.array(x)
    y[:] = number
    return x * y


def _both(x: Any, y: Any) -> Any:
    return x * y


# Each computes A * 0.1, from A and a number that it passes.
PASSED: dict[str, Callable[[Any], Any]] = {
    "operator": lambda a: a * 0.1,
    "jit": lambda a: mycc.jit(_both)(a, 0.1),
    "jit by name": lambda a: mycc.jit(_both)(a, y=0.1),
    "jit of a tree": lambda a: mycc.jit(lambda t: t["x"] * t["y"])({"x": a, "y": 0.1}),
    "vmap": lambda a: mycc.vmap(_both, in_axes=(0, None))(a, 0.1),
    "scan": lambda a: lax.scan(lambda c, x: (c, c * x), 0.1, a)[1],
    "unrolled scan": lambda a: lax.scan(lambda c, x: (c, c * x), 0.1, a, unroll=2)[1],
    "fori_loop": lambda a: a * lax.fori_loop(0, 1, lambda i, c: (c[0] * c[1], c[1]), (0.1, a[0]))[0],
    "while_loop": lambda a: (
        a * lax.while_loop(lambda c: c[2] < 1, lambda c: (c[0] * c[1], c[1], c[2] + 1), (0.1, a[0], 0))[0]
    ),
    "cond": lambda a: lax.cond(True, _both, lambda x, y: x + y, a, 0.1),
    "switch": lambda a: lax.switch(1, [lambda x, y: x, _both], a, 0.1),
    "jvp": lambda a: mycc.jvp(_both, (a, 0.1), (a, 0.0))[1],
    "vjp": lambda a: mycc.vjp(_both, a, 0.1)[0],
    "linearize": lambda a: mycc.linearize(_both, a, 0.1)[0],
    "grad": lambda a: a * mycc.grad(lambda x, y: mnp.sum(x * y))(a, 0.1),
    "by the number": lambda a: (
        mycc.grad(lambda x, y: mnp.sum(x * y * y), argnums=1)(a, 0.1) / mnp.sum(2 * a) * a
    ),
    "checkpoint": lambda a: mycc.checkpoint(_both)(a, 0.1),
    "custom_jvp": lambda a: _product(a, 0.1),
    "custom_vjp": lambda a: _scaled(a, 0.1),
    "its gradient": lambda a: a * mycc.grad(lambda x: mnp.sum(_scaled(x, 0.1)))(a),
    "stack": lambda a: a * mnp.stack([a[0], 0.1])[1],
    "where": lambda a: a * mnp.where(a > 9, a, 0.1),
    "at": lambda a: a * a.at[:].set(0.1),
    "joined": lambda a: a * mnp.append(a, 0.1)[-1],
    "nested lists": lambda a: a * mnp.array([[a[0], 0.1], [a[1], 2]])[0, 1],
    "pad": lambda a: a * mnp.pad(a, 1, constant_values=0.1)[0],
    "insert": lambda a: a * mnp.insert(a, 1, 0.1)[1],
    "piecewise": lambda a: a * mnp.piecewise(a, [a > 9], [a, 0.1]),
    "diff": lambda a: a * (a[0] - mnp.diff(a, prepend=0.1)[0]),
    "quantile": lambda a: a * ((mnp.quantile(a, 0.1) - a[0]) / 2),
    "dynamic update": lambda a: a * lax.dynamic_update_index_in_dim(a, 0.1, 0, 0)[0],
    "setitem": lambda a: _assigned(a, 0.1),
    "pure_callback": lambda a: mycc.pure_callback(np.multiply, a, a, 0.1),
}


@pytest.mark.parametrize("name", PASSED)
@pytest.mark.parametrize("jit", [False, True])
def test_all_bits_are_kept(name: str, jit: bool) -> None:
    f = PASSED[name]
    got = (mycc.jit(f) if jit else f)(mnp.asarray(A))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, A * 0.1, rtol=1e-15)


@pytest.mark.parametrize("name", PASSED)
def test_beside_float32_they_are_float32(name: str) -> None:
    got = PASSED[name](mnp.asarray(A, np.float32))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, A * 0.1, rtol=1e-6)


def test_complex_numbers() -> None:
    got = mycc.jit(_both)(A, 0.1j)
    assert got.dtype == np.complex128
    np.testing.assert_allclose(got, A * 0.1j, rtol=1e-15)


def test_one_function_with_both(capsys: pytest.CaptureFixture[str]) -> None:
    f = mycc.jit(_both)
    for _ in range(3):
        assert float(f(np.float32([2]), 0.1)[0]) == float(np.float32(0.1) * 2)
        assert float(f(np.float64([2]), 0.1)[0]) == 0.2
        assert f(2.0, 0.1).dtype == np.float32


def test_the_numbers_stay_weak() -> None:
    f = mycc.jit(lambda x, y: y * np.float32([1, 2]))
    assert f(A, 0.1).dtype == np.float32


def test_a_compiled_stage_takes_what_it_was_traced_for() -> None:
    compiled = mycc.jit(_both).trace(A, 0.1).lower().compile()
    np.testing.assert_allclose(compiled(A, 0.1), A * 0.1, rtol=1e-15)
