"""Pullbacks and pushforwards as values: in loops, branches and maps, stacked, returned, differentiated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
import mycc.tree
from mycc import lax
from mycc.dialects.errors import TransformError, TreeError
from mycc.stages import observe

X = np.array([0.7, -0.4, 1.3])
W = np.array([[0.3, -0.2, 0.7], [0.1, 0.9, -0.4], [-0.6, 0.2, 0.5]])
HERE = r"test_linearize\.py:\d+: "


def f(x: Any) -> Any:
    return mnp.sin(x) * x


def df(x: Any) -> Any:
    return np.cos(x) * x + np.sin(x)


def ddf(x: Any) -> Any:
    return 2 * np.cos(x) - x * np.sin(x)


def close(got: Any, wanted: Any) -> None:
    assert np.shape(got) == np.shape(wanted)
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-6, atol=1e-12)


def both(fun: Callable[..., Any]) -> list[Callable[..., Any]]:
    return [fun, mycc.jit(fun)]


# ---- Where a pullback may go ---------------------------------------------------------------------


def test_returned_from_jit_and_passed_into_it() -> None:
    out, pullback = mycc.jit(lambda x: mycc.vjp(f, x))(X)
    close(out, f(X))
    close(pullback(X)[0], X * df(X))
    apply = mycc.jit(lambda p, ct: p(ct)[0])
    close(apply(pullback, X), X * df(X))
    close(mycc.vmap(pullback)(np.eye(3))[0], np.diag(df(X)))
    _, pushforward = mycc.jit(lambda x: mycc.linearize(f, x))(X)
    close(mycc.jit(lambda p, t: p(t))(pushforward, X), X * df(X))


def test_made_outside_of_any_trace() -> None:
    _, pullback = mycc.vjp(f, X)
    for ct in (X, X * 2):
        close(pullback(ct)[0], ct * df(X))
    assert repr(pullback) == "<pullback of f>"
    assert [leaf.shape for leaf in mycc.tree.leaves(pullback)] == [(3,), (3,)]
    close(mycc.grad(lambda ct: mnp.sum(pullback(ct)[0] ** 2))(X), 2 * X * df(X) ** 2)


def test_one_compilation_for_all_pullbacks_of_a_function() -> None:
    apply = mycc.jit(lambda p, ct: p(ct)[0])
    compiled: list[Any] = []
    with observe(compiled.append):
        for k in range(4):
            _, pullback = mycc.vjp(f, X * k)
            close(apply(pullback, X), X * df(X * k))
    assert len(compiled) == 2


@pytest.mark.parametrize("run", both(lambda x: mycc.vjp(f, x)))
def test_through_a_tree_map(run: Any) -> None:
    _, pullback = run(X)
    doubled = mycc.tree.map(lambda residual: residual * 1.0, pullback)
    close(doubled(X)[0], X * df(X))


def test_in_a_scan() -> None:
    def run(x: Any) -> Any:
        _, pullback = mycc.vjp(f, x)
        return lax.scan(lambda c, t: (c + pullback(t)[0], pullback(t)[0]), 0.0, np.arange(3.0))

    for g in both(run):
        last, each = g(np.float64(0.7))
        close(last, 3 * df(0.7))
        close(each, np.arange(3.0) * df(0.7))
    close(mycc.jvp(lambda x: run(x)[0], (np.float64(0.7),), (1.0,))[1], 3 * ddf(0.7))
    close(mycc.vmap(lambda x: run(x)[0])(X), 3 * df(X))


def test_as_the_carry_of_a_scan() -> None:
    def run(x: Any) -> Any:
        _, pullback = mycc.vjp(f, x)
        last, each = lax.scan(lambda p, t: (p, p(t)[0]), pullback, np.arange(3.0))
        return last(1.0)[0], each

    for g in both(run):
        last, each = g(np.float64(0.7))
        close(last, df(0.7))
        close(each, np.arange(3.0) * df(0.7))


def test_stacked_by_a_scan_and_by_a_map() -> None:
    def scanned(xs: Any) -> Any:
        _, pullbacks = lax.scan(lambda c, x: (c, mycc.vjp(f, x)[1]), 0.0, xs)
        return mycc.vmap(lambda p: p(1.0)[0])(pullbacks), lax.scan(
            lambda c, p: (c, p(2.0)[0]), 0.0, pullbacks
        )[1]

    def mapped(xs: Any) -> Any:
        pullbacks = mycc.vmap(lambda x: mycc.vjp(f, x)[1])(xs)
        one = mycc.tree.map(lambda leaf: leaf[1], pullbacks)
        return mycc.vmap(lambda p: p(1.0)[0])(pullbacks), one(2.0)[0]

    for g in both(scanned):
        close(g(X)[0], df(X))
        close(g(X)[1], 2 * df(X))
    for g in both(mapped):
        close(g(X)[0], df(X))
        close(g(X)[1], 2 * df(X[1]))
    close(mycc.grad(lambda x: mnp.sum(mapped(x)[0]))(X), ddf(X))
    close(mycc.jvp(lambda x: scanned(x)[0], (X,), (X,))[1], X * ddf(X))


def test_in_branches() -> None:
    def run(which: Any, x: Any) -> Any:
        _, pullback = mycc.vjp(f, x)
        applied = lax.cond(which, lambda: pullback(1.0)[0], lambda: 0.0)
        chosen = lax.cond(which, lambda p: p, lambda p: p, pullback)
        captured = lax.switch(mnp.int32(1) * which, [lambda: pullback, lambda: pullback])
        return applied + chosen(2.0)[0] + captured(3.0)[0]

    for g in both(run):
        close(g(True, 0.7), 6 * df(0.7))
        close(g(False, 0.7), 5 * df(0.7))
    close(mycc.grad(functools.partial(run, True))(0.7), 6 * ddf(0.7))
    close(mycc.vmap(run)(np.array([True, False]), X[:2]), [6 * df(X[0]), 5 * df(X[1])])


def test_in_maps() -> None:
    def run(x: Any) -> Any:
        _, pullback = mycc.vjp(lambda x: mnp.tanh(W @ x), x)
        return mycc.vmap(lambda ct, s: pullback(ct)[0] * s, (0, None))(np.eye(3), x[0])

    wanted = (1 - np.tanh(W @ X) ** 2)[:, None] * W * X[0]
    for g in both(run):
        close(g(X), wanted)
    close(mycc.vmap(run)(np.stack([X, X]))[1], wanted)


def test_through_nested_functions() -> None:
    linearized = mycc.jit(lambda x: mycc.vjp(f, x)[1])
    applied = mycc.jit(lambda p, ct: p(ct)[0])

    def run(x: Any) -> Any:
        return applied(linearized(x), 1.0)

    for g in both(run):
        close(g(0.7), df(0.7))
    close(mycc.grad(run)(0.7), ddf(0.7))
    close(mycc.jit(mycc.vmap(mycc.grad(run)))(X), ddf(X))


def test_as_an_auxiliary_result() -> None:
    def run(x: Any) -> Any:
        out, pullback = mycc.vjp(f, x)
        return out, pullback

    gradient, pullback = mycc.grad(run, has_aux=True)(0.7)
    close(gradient, df(0.7))
    close(pullback(1.0)[0], df(0.7))


def test_with_a_named_axis() -> None:
    def run(x: Any) -> Any:
        _, pullback = mycc.vjp(lambda x: f(x) * lax.psum(x, "i"), x)
        return lax.scan(lambda p, t: (p, p(t)[0]), pullback, np.arange(2.0))[1]

    # d/dx_k of sum_j f(x_j) s: each example's cotangent of psum is the sum of all.
    wanted = df(X) * X.sum() + f(X).sum()
    close(mycc.vmap(run, axis_name="i")(X)[:, 1], wanted)


def test_captured_values_are_constants_of_the_inner_derivative() -> None:
    def run(x: Any) -> Any:
        _, pullback = mycc.vjp(lambda y: y * x, x)
        return mycc.grad(lambda s: pullback(s * x)[0])(1.0)

    # pullback(ct) = ct x, so the inner derivative is x², and the outer 2 x.
    close(mycc.grad(run)(0.7), 1.4)


def test_gradient_with_respect_to_a_pullback() -> None:
    _, pullback = mycc.vjp(lambda x: x * X, 2.0)
    gradient = mycc.grad(lambda p: p(X)[0])(pullback)
    assert mycc.tree.structure(gradient) == mycc.tree.structure(pullback)


def test_only_what_the_tangent_needs_is_computed_later() -> None:
    _, pushforward = mycc.linearize(lambda x: mnp.exp(mnp.sin(x)) * W.sum(), 0.7)
    compiled: list[Any] = []
    with observe(compiled.append):
        close(pushforward(1.0), np.exp(np.sin(0.7)) * np.cos(0.7) * W.sum())
    (program,) = compiled
    assert "exponential" not in str(program.traced_module)


# ---- Transposition -------------------------------------------------------------------------------


def test_linear_transpose() -> None:
    def linear(x: Any, y: Any) -> Any:
        halves = mycc.jit(lambda v: v * 0.5)(x)
        return {"a": W @ x + y["s"] * X, "b": mnp.concatenate([halves[:1], x[::-1]]) * 2.0}

    args = (mycc.ShapeDtypeStruct((3,), "float64"), {"s": mycc.ShapeDtypeStruct((), "float64")})
    ct = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([1.0, 0.5, 0.25, 2.0])}
    transposed = mycc.linear_transpose(linear, *args)
    for g in both(transposed):
        x, y = g(ct)
        close(x, W.T @ ct["a"] + 2 * ct["b"][:0:-1] + np.array([1.0, 0, 0]))
        close(y["s"], X @ ct["a"])
    # Transposed twice it is the function again.
    again = mycc.linear_transpose(transposed, ct)
    (back,) = again((X, {"s": np.float64(0.5)}))
    forward = linear(X, {"s": 0.5})
    close(back["a"], forward["a"])
    close(back["b"], forward["b"])


def test_linear_transpose_of_branches_and_zeros() -> None:
    def linear(which: Any, x: Any) -> Any:
        return lax.cond(which, lambda v: v * 2.0, lambda v: v[::-1], x)

    for which, wanted in ((True, 2 * X), (False, X[::-1])):
        close(mycc.linear_transpose(functools.partial(linear, which), X)(X)[0], wanted)
        jitted = mycc.jit(lambda w: mycc.linear_transpose(lambda x: linear(w, x), X)(X)[0])
        close(jitted(which), wanted)
    unused, used = mycc.linear_transpose(lambda x, y: y, X, X)(X)
    close(unused, np.zeros(3))
    close(used, X)


def test_derivative_of_a_transpose() -> None:
    def run(scale: Any) -> Any:
        (out,) = mycc.linear_transpose(lambda x: x * mnp.sin(scale), X)(X)
        return mnp.sum(out)

    close(mycc.grad(run)(0.7), X.sum() * np.cos(0.7))
    close(mycc.vmap(run)(X), X.sum() * np.sin(X))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mycc.linear_transpose(mnp.sin, 1.0)(1.0),
            "cannot transpose 'stablehlo.sine': the function is not linear",
        ),
        (
            lambda: mycc.linear_transpose(lambda a, b: a * b, 1.0, 1.0)(1.0),
            "cannot transpose 'stablehlo.multiply'",
        ),
        (
            lambda: mycc.linear_transpose(lambda a: a, 1),
            "needs float or complex arguments, leaf 0 has dtype int32",
        ),
        (
            lambda: mycc.linear_transpose(lambda a: a, X)(1.0),
            r"the cotangent of leaf 0 must have its type f64\[3\]",
        ),
    ],
)
def test_transpose_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TransformError, match=HERE + ".*" + message):
        call()


def test_transpose_structure_error() -> None:
    with pytest.raises(TreeError, match=HERE + "the transpose of .* takes a cotangent of structure"):
        mycc.linear_transpose(lambda a: a, X)((X,))
