"""`custom_linear_solve`, `custom_root`, `closure_convert`: against JAX, closed formulas and finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
import mycc.lax
import mycc.numpy as mnp

A = np.random.RandomState(0).randn(3, 3) + 4.0 * np.eye(3)
B = np.array([0.5, -1.0, 2.0])


@pytest.fixture(scope="module")
def jax() -> Any:
    found = pytest.importorskip("jax")
    found.config.update("jax_enable_x64", True)

    return found


def richardson(matvec: Any, b: Any) -> Any:
    x = b * 0.2
    for _ in range(60):
        x = x + 0.2 * (b - matvec(x))
    return x


def linear(lax: Any, np_: Any, transposed: Any = richardson) -> Any:
    def f(a: Any, b: Any) -> Any:
        return lax.custom_linear_solve(lambda x: a @ x + np_.sin(a[0, 0]) * x, b, richardson, transposed)

    return f


SCALES = np.array([1.0, 1.2])
LINEAR = {
    "value": lambda api, f: f,
    "grad": lambda api, f: api.grad(lambda a, b: (f(a, b) ** 2).sum(), argnums=(0, 1)),
    "jvp": lambda api, f: lambda a, b: api.jvp(f, (a, b), (a * 0.3, b)),
    "linearize": lambda api, f: lambda a, b: api.linearize(f, a, b)[1](a * 0.3, b),
    "forward_over_reverse": lambda api, f: api.jacfwd(api.jacrev(f)),
    "reverse_over_reverse": lambda api, f: api.jacrev(api.jacrev(f)),
    "transpose": lambda api, f: lambda a, b: api.linear_transpose(lambda b: f(a, b), b)(b),
    "matrices": lambda api, f: (
        lambda a, b: api.vmap(api.grad(lambda a, b: f(a, b).sum(), argnums=(0, 1)), in_axes=(0, None))(
            a * SCALES[:, None, None], b
        )
    ),
    "right_sides": lambda api, f: api.grad(
        lambda a, b: (api.vmap(f, in_axes=(None, 0))(a, b * SCALES[:, None]) ** 2).sum(), argnums=(0, 1)
    ),
}


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize("name", sorted(LINEAR))
def test_linear_solve_like_jax(name: str, jitted: bool, jax: Any) -> None:
    run = LINEAR[name](mycc, linear(mycc.lax, mnp))
    got = mycc.tree.leaves((mycc.jit(run) if jitted else run)(A, B))
    wanted = jax.tree.leaves(jax.jit(LINEAR[name](jax, linear(jax.lax, jax.numpy)))(A, B))
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_linear_solve_against_closed_formulas() -> None:
    f = linear(mycc.lax, mnp)
    matrix = A + np.sin(A[0, 0]) * np.eye(3)
    np.testing.assert_allclose(f(A, B), np.linalg.solve(matrix, B))
    np.testing.assert_allclose(mycc.jacrev(f, argnums=1)(A, B), np.linalg.inv(matrix), atol=1e-12)


def test_linear_solve_with_aux_pytrees_and_symmetry() -> None:
    def f(s: Any, b: Any) -> Any:
        def solve(matvec: Any, b: Any) -> Any:
            return {"u": b["u"] / (2.0 * s), "v": b["v"] / s}, {"calls": 1}

        x, aux = mycc.lax.custom_linear_solve(
            lambda x: {"u": 2.0 * s * x["u"], "v": s * x["v"]}, b, solve, symmetric=True, has_aux=True
        )
        return x["u"] * 3.0 + x["v"].sum(), aux

    b = {"u": 6.0, "v": B}
    value, aux = f(2.0, b)
    np.testing.assert_allclose(value, 4.5 + B.sum() / 2.0)
    assert aux["calls"] == 1
    (ds, db), aux = mycc.jit(mycc.grad(f, argnums=(0, 1), has_aux=True))(2.0, b)
    np.testing.assert_allclose(ds, -2.25 - B.sum() / 4.0)
    np.testing.assert_allclose(db["u"], 0.75)
    np.testing.assert_allclose(db["v"], [0.5, 0.5, 0.5])
    assert aux["calls"] == 1
    _, tangent, _ = mycc.jvp(lambda s: f(s, b), (2.0,), (1.0,), has_aux=True)
    np.testing.assert_allclose(tangent, ds)


def test_linear_solve_errors() -> None:
    f = linear(mycc.lax, mnp, transposed=None)
    with pytest.raises(
        mycc.TransformError, match=r"test_solves.py:\d+: cannot differentiate custom_linear_solve in rev"
    ):
        mycc.grad(lambda b: f(A, b).sum())(B)
    np.testing.assert_allclose(mycc.jvp(lambda b: f(A, b), (B,), (B,))[1], f(A, B))
    with pytest.raises(mycc.TreeError, match="solve of custom_linear_solve must return a value of structure"):
        mycc.lax.custom_linear_solve(lambda x: x, B, lambda f, b: (b, b))
    with pytest.raises(
        mycc.TransformError, match=r"matvec of custom_linear_solve: leaf 0 of its value must have"
    ):
        mycc.lax.custom_linear_solve(lambda x: x[:2], B, lambda f, b: b)
    with pytest.raises(mycc.TransformError, match=r"must return a pair \(x, aux\) with has_aux=True"):
        mycc.lax.custom_linear_solve(lambda x: x, B, lambda f, b: b, has_aux=True)
    with pytest.raises(mycc.TransformError, match="needs a float or complex right-hand side, got i64"):
        mycc.lax.custom_linear_solve(lambda x: x, np.array([1, 2]), lambda f, b: b)


# ---- Roots ---------------------------------------------------------------------------------------


def cubic(lax: Any, np_: Any) -> Any:
    def root(a: Any, c: Any) -> Any:
        def solve(f: Any, x: Any) -> Any:
            return lax.fori_loop(0, 40, lambda _, x: x - f(x) / (3.0 * x**2 + a), x)

        return lax.custom_root(
            lambda x: x**3 + a * x - c, c * 1.0, solve, lambda g, y: y / g(np_.ones_like(y))
        )

    return root


ROOTS = {
    "value": lambda api, f: f,
    "grad": lambda api, f: api.grad(f, argnums=(0, 1)),
    "jvp": lambda api, f: lambda a, c: api.jvp(f, (a, c), (a, c)),
    "hessian": lambda api, f: api.hessian(f, argnums=(0, 1)),
    "second": lambda api, f: api.grad(lambda a, c: api.grad(f)(a, c), argnums=(0, 1)),
    "vmap": lambda api, f: lambda a, c: api.vmap(api.grad(f, argnums=(0, 1)), (0, None))(a * SCALES, c),
    "grad_vmap": lambda api, f: api.grad(lambda a, c: api.vmap(f, (None, 0))(a, c * SCALES).sum(), (0, 1)),
}


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize("name", sorted(ROOTS))
def test_root_like_jax(name: str, jitted: bool, jax: Any) -> None:
    run = ROOTS[name](mycc, cubic(mycc.lax, mnp))
    got = mycc.tree.leaves((mycc.jit(run) if jitted else run)(np.float64(1.3), np.float64(2.1)))
    wanted = jax.tree.leaves(ROOTS[name](jax, cubic(jax.lax, jax.numpy))(np.float64(1.3), np.float64(2.1)))
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_root_against_differences_with_aux_and_a_linear_solve_for_tangents() -> None:
    def root(a: Any) -> Any:
        def f(x: Any) -> Any:
            return x**3 + A @ x - a * B

        def solve(f: Any, x: Any) -> Any:
            for _ in range(40):
                x = x - 0.15 * f(x)
            return x, 40

        def tangent_solve(g: Any, y: Any) -> Any:
            def transposed(gt: Any, y: Any) -> Any:
                return richardson(gt, y)

            return mycc.lax.custom_linear_solve(g, y, richardson, transposed)

        return mycc.lax.custom_root(f, mnp.zeros(3, "float64"), solve, tangent_solve, has_aux=True)

    def value(a: Any) -> Any:
        x, steps = root(a)
        return (x * B).sum() + 0.0 * steps

    h = 1e-5
    difference = (float(value(1.5 + h)) - float(value(1.5 - h))) / (2 * h)
    for run in (mycc.grad(value), mycc.jit(mycc.grad(value)), mycc.jacfwd(value)):
        np.testing.assert_allclose(run(np.float64(1.5)), difference, rtol=1e-6)
    assert root(1.5)[1] == 40


def test_root_errors() -> None:
    with pytest.raises(
        mycc.TreeError, match="solve of custom_root of lambda must return a root of structure"
    ):
        mycc.jit(lambda x: mycc.lax.custom_root(lambda y: y - x, x, lambda f, y: (y, y), lambda g, y: y))(1.0)
    with pytest.raises(mycc.TransformError, match=r"must return a pair \(x, aux\) with has_aux=True"):
        mycc.jit(
            lambda x: mycc.lax.custom_root(lambda y: y - x, x, lambda f, y: y, lambda g, y: y, has_aux=True)
        )(1.0)


# ---- Closures ------------------------------------------------------------------------------------


def test_closure_convert_makes_captured_values_arguments() -> None:
    def outer(y: Any) -> Any:
        converted, captured = mycc.closure_convert(lambda x: {"out": mnp.sin(x * y) * 3}, y)
        assert len(captured) == 1
        return mycc.grad(lambda c: converted(2.0, c)["out"])(captured[0]) + converted(1.0, *captured)["out"]

    wanted = 3.0 * (2.0 * np.cos(1.0) + np.sin(0.5))
    for run in (mycc.jit(outer), lambda y: mycc.vmap(outer)(mnp.array([y]))[0]):
        np.testing.assert_allclose(run(0.5), wanted, rtol=1e-6)
    converted, captured = mycc.closure_convert(lambda x: x * 2.0, 1.0)
    assert (captured, converted(3.0)) == ([], 6.0)


def test_closure_convert_for_a_custom_rule() -> None:
    scaled = mycc.custom_vjp(lambda f, x, captured: f(x, *captured), nondiff_argnums=(0,))
    scaled.defvjp(
        lambda f, x, captured: (f(x, *captured), (x, captured)),
        lambda f, r, ct: (ct * 10.0, [c * ct * 100.0 for c in r[1]]),
    )

    def loss(y: Any) -> Any:
        f, captured = mycc.closure_convert(lambda x: x * y, 1.0)
        return scaled(f, 2.0, captured)

    assert mycc.jit(mycc.grad(loss))(3.0) == 300.0


def test_closure_convert_errors() -> None:
    kept = []

    def outer(y: Any) -> Any:
        converted, captured = mycc.closure_convert(lambda x: x * y, y)
        kept.append(converted)
        with pytest.raises(
            mycc.TransformError, match=r"must have the type f32\[\]\*?, as in the example, got f32\[2\]"
        ):
            converted(mnp.ones(2), *captured)
        with pytest.raises(mycc.TreeError, match="then 1 captured arrays"):
            converted(y)
        return converted(y, *captured)

    mycc.jit(outer)(2.0)
    with pytest.raises(mycc.TransformError, match="called outside of the trace"):
        kept[0](1.0, 2.0)
