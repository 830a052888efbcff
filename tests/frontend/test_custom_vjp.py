"""`custom_vjp`: the backward rule is used at every order; forward mode needs a rule of its own."""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp

X = np.array([0.3, -1.2, 2.0])
WEIGHTS = np.array([1.0, 2.0, 3.0])


def make(api: Any, np_: Any) -> Any:
    """A function whose rule differs from its own derivative, so that a test sees which one was taken."""

    @api.custom_vjp
    def f(x: Any, w: Any) -> Any:
        return np_.sin(w @ x)

    def f_fwd(x: Any, w: Any) -> Any:
        return f(x, w), (x, w, np_.cos(w @ x))

    def f_bwd(residuals: Any, ct: Any) -> Any:
        x, w, c = residuals
        return 2.0 * w.T @ (c * ct), np_.outer(c * ct, x) * np_.cos(ct[0])

    f.defvjp(f_fwd, f_bwd)
    return f


@pytest.fixture(scope="module")
def jax() -> Any:
    found = pytest.importorskip("jax")
    found.config.update("jax_enable_x64", True)

    return found


ROWS = np.stack([X, X * 0.5, X[::-1]])
MATRIX = np.array([[0.3, -0.2, 0.7], [0.1, 0.9, -0.4], [-0.6, 0.2, 0.5]])
TRANSFORMS = {
    "value": lambda api, f: f,
    "grad": lambda api, f: api.grad(lambda x, w: (f(x, w) * WEIGHTS).sum(), argnums=(0, 1)),
    "jacrev": lambda api, f: api.jacrev(f, argnums=(0, 1)),
    "second": lambda api, f: api.jacrev(api.grad(lambda x, w: (f(x, w) ** 2).sum())),
    "vmap_grad": lambda api, f: (
        lambda x, w: api.vmap(api.grad(lambda x, w: f(x, w).sum(), argnums=(0, 1)), in_axes=(0, None))(
            ROWS + 0.0 * x, w
        )
    ),
    "grad_vmap": lambda api, f: (
        lambda x, w: api.grad(lambda x, w: (api.vmap(f, in_axes=(None, 0))(x, w) ** 2).sum(), argnums=(0, 1))(
            x, w * np.array([1.0, 2.0])[:, None, None]
        )
    ),
    "grad_vmap_shared": lambda api, f: (
        lambda x, w: api.grad(lambda x, w: (api.vmap(f, in_axes=(0, None))(x, w) ** 2).sum(), argnums=(0, 1))(
            ROWS + 0.0 * x, w
        )
    ),
    "pullback": lambda api, f: lambda x, w: api.vmap(api.vjp(f, x, w)[1])(ROWS + 0.0 * x),
}


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_like_jax(name: str, jitted: bool, jax: Any) -> None:
    def run(api: Any, np_: Any) -> Any:
        transformed = TRANSFORMS[name](api, make(api, np_))
        return (api.jit(transformed) if jitted else transformed)(X, MATRIX)

    got, wanted = mycc.tree.leaves(run(mycc, mnp)), jax.tree.leaves(run(jax, jax.numpy))
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_pytrees_none_and_auxiliary_data() -> None:
    @mycc.custom_vjp
    def f(tree: Any, n: Any, rest: Any) -> Any:
        return {"y": tree["a"] * n, "n": n}, tree["b"][0]

    def f_fwd(tree: Any, n: Any, rest: Any) -> Any:
        return f(tree, n, rest), {"n": n, "nothing": None}

    def f_bwd(residuals: Any, ct: Any) -> Any:
        out, second = ct
        assert out["n"].dtype == mycc.float0
        return {"a": out["y"] * residuals["n"] * 10.0, "b": [None, second]}, None, None

    f.defvjp(f_fwd, f_bwd)

    def loss(a: Any, b: Any, c: Any) -> Any:
        out, second = f({"a": a, "b": [b, c]}, 3, (a, b))
        return (out["y"] * WEIGHTS).sum() + second, {"aux": out["n"]}

    for grad in (
        mycc.grad(loss, (0, 1, 2), has_aux=True),
        mycc.jit(mycc.grad(loss, (0, 1, 2), has_aux=True)),
    ):
        (a, b, c), aux = grad(X, 2.0, 4.0)
        np.testing.assert_allclose(a, 30.0 * WEIGHTS)
        assert (b, c) == (0.0, 1.0)
        assert aux["aux"] == 3


def test_nondiff_arguments_keywords_and_signature() -> None:
    @functools.partial(mycc.custom_vjp, nondiff_argnums=(0,))
    def clip(limit: float, x: Any, scale: Any = 1.0) -> Any:
        """Docstring."""
        return x * scale

    def fwd(limit: float, x: Any, scale: Any) -> Any:
        return x * scale, scale

    def bwd(limit: float, scale: Any, ct: Any) -> Any:
        return mnp.clip(ct, -limit, limit), None

    clip.defvjp(fwd, bwd)
    np.testing.assert_allclose(mycc.grad(lambda x: 5.0 * clip(0.5, scale=2.0, x=x))(1.0), 0.5)
    np.testing.assert_allclose(mycc.jit(mycc.grad(lambda x: 0.25 * clip(0.5, x)))(1.0), 0.25)
    assert list(inspect.signature(clip).parameters) == ["limit", "x", "scale"]
    assert clip.__doc__ == "Docstring."


def test_residuals_may_hold_a_pullback() -> None:
    @mycc.custom_vjp
    def f(x: Any) -> Any:
        return mnp.sin(x) * x

    def fwd(x: Any) -> Any:
        return mycc.vjp(lambda y: mnp.sin(y) * y, x)

    f.defvjp(fwd, lambda pullback, ct: (2.0 * pullback(ct)[0],))
    slope = np.cos(X) * X + np.sin(X)
    for run in (mycc.vmap(mycc.grad(f)), mycc.jit(mycc.vmap(mycc.grad(f)))):
        np.testing.assert_allclose(run(X), 2.0 * slope, rtol=1e-12)


def test_rules_capture_arrays_and_traced_values() -> None:
    array = mnp.array(WEIGHTS)

    def outer(y: Any) -> Any:
        @mycc.custom_vjp
        def f(x: Any) -> Any:
            return (x * array).sum()

        f.defvjp(lambda x: (f(x) * 1.0, array * y), lambda r, ct: (r * ct * 4.0 * y + array * 0.0,))
        return mycc.grad(f)(X)

    for run in (outer, mycc.jit(outer)):
        np.testing.assert_allclose(run(3.0), 36.0 * WEIGHTS)
    np.testing.assert_allclose(mycc.vmap(outer)(WEIGHTS), 4.0 * np.outer(WEIGHTS**2, WEIGHTS))


def test_values_can_be_looked_at_in_eager_derivatives() -> None:
    @mycc.custom_vjp
    def f(x: Any) -> Any:
        return x if x > 0.0 else 0.5 * x

    def fwd(x: Any) -> Any:
        return f(x), mnp.array(2.0 if x > 0.0 else 7.0)

    f.defvjp(fwd, lambda r, ct: (r * ct,))
    assert mycc.grad(f)(3.0) == 2.0
    assert mycc.grad(lambda x: f(x) + f(-x))(3.0) == 2.0 - 7.0
    with pytest.raises(mycc.ConcretizationError, match=r"test_custom_vjp.py:\d+: bool"):
        mycc.jit(mycc.grad(f))(3.0)


def test_forward_mode_needs_its_own_rule() -> None:
    f = mycc.custom_vjp(lambda x: mnp.sin(x))
    f.defvjp(lambda x: (mnp.sin(x), x), lambda x, ct: (2.0 * ct * mnp.cos(x),))
    forward = "cannot differentiate .* in forward mode .* give it one with .*defjvp, or use reverse mode"
    for run in (
        lambda: mycc.jvp(f, (1.0,), (1.0,)),
        lambda: mycc.linearize(f, 1.0),
        lambda: mycc.jacfwd(f)(1.0),
    ):
        with pytest.raises(mycc.TransformError, match=forward) as caught:
            run()
        assert re.match(r".*test_custom_vjp.py:\d+: ", str(caught.value))
    np.testing.assert_allclose(mycc.jacfwd(mycc.grad(f))(1.0), -2.0 * np.sin(1.0), rtol=1e-6)

    @f.defjvp
    def f_jvp(primals: Any, tangents: Any) -> Any:
        return f(*primals), 5.0 * tangents[0]

    assert mycc.jvp(f, (1.0,), (2.0,))[1] == 10.0
    assert mycc.linearize(f, 1.0)[1](2.0) == 10.0
    np.testing.assert_allclose(mycc.grad(f)(1.0), 2.0 * np.cos(1.0), rtol=1e-6)
    np.testing.assert_allclose(mycc.vmap(lambda x: mycc.jvp(f, (x,), (x,))[1])(X), 5.0 * X)


# ---- Errors --------------------------------------------------------------------------------------


def gradient(fwd: Any, bwd: Any) -> Any:
    f = mycc.custom_vjp(lambda x, y: x * y["a"])
    f.defvjp(fwd, bwd)
    return mycc.grad(lambda x: f(x, {"a": x}).sum())(X)


@pytest.mark.parametrize(
    ("fwd", "bwd", "error", "message"),
    [
        (
            lambda x, y: x,
            lambda r, ct: None,
            mycc.TransformError,
            r"fwd rule .* must return a pair \(out, res",
        ),
        (lambda x, y: ((x, x), x), lambda r, ct: None, mycc.TreeError, "must return a result of structure"),
        (
            lambda x, y: (x[:2], x),
            lambda r, ct: None,
            mycc.TransformError,
            r"the type f64\[3\], got f64\[2\]",
        ),
        (
            lambda x, y: (x, x),
            lambda r, ct: ct,
            mycc.TreeError,
            "one cotangent for each differentiable argument, 2",
        ),
        (lambda x, y: (x, x), lambda r, ct: (ct,), mycc.TreeError, "2 in all, got 1"),
        (
            lambda x, y: (x, x),
            lambda r, ct: (ct, ct),
            mycc.TreeError,
            "the cotangent of argument 1 must have the str",
        ),
        (
            lambda x, y: (x, x),
            lambda r, ct: (ct, {"b": ct}),
            mycc.TreeError,
            r"must have the keys \['a'\], got \['b'\]",
        ),
        (
            lambda x, y: (x, x),
            lambda r, ct: (ct[0], {"a": ct}),
            mycc.TransformError,
            r"bwd rule .*: leaf 0 of the cotangents must have the type f64\[3\], got f64\[\]",
        ),
        (
            lambda x, y: (x, x),
            lambda r, ct: (ct, {"a": "no"}),
            mycc.TransformError,
            r"leaf 1 of the cotangents must have the type f64\[3\], got a str",
        ),
        (lambda x, y: (x, "res"), lambda r, ct: (ct, None), TypeError, "returned a value of type str"),
    ],
)
def test_errors_of_rules(fwd: Any, bwd: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        gradient(fwd, bwd)
    assert re.match(r".*test_custom_vjp.py:\d+: ", str(caught.value))


def test_missing_rules_and_captured_values() -> None:
    f = mycc.custom_vjp(lambda x: x)
    with pytest.raises(
        mycc.UnsupportedOperationError, match=r"has no rules yet; give it some with lambda\.defvjp"
    ):
        f(1.0)
    with pytest.raises(mycc.UnsupportedOperationError, match="symbolic_zeros is not there"):
        f.defvjp(lambda x: (x, x), lambda r, ct: (ct,), symbolic_zeros=True)

    def outer(y: Any) -> Any:
        f = mycc.custom_vjp(lambda x: x * y)
        f.defvjp(lambda x: (x * y, None), lambda r, ct: (ct * y,))
        return f(2.0)

    with pytest.raises(
        mycc.TransformError, match="custom_vjp function, with respect to a value from around it"
    ):
        mycc.grad(outer)(3.0)
    with pytest.raises(TypeError, match="custom_vjp takes a function, got int"):
        mycc.custom_vjp(3)  # type: ignore[arg-type]


def test_assignments_in_rules_are_not_seen_by_the_caller() -> None:
    @mycc.custom_vjp
    def f(x: Any) -> Any:
        x[0] = 0.0
        return x.sum()

    def fwd(x: Any) -> Any:
        x[1] = 5.0
        return f(x), x

    f.defvjp(fwd, lambda x, ct: (x * ct,))

    def loss(x: Any) -> Any:
        return f(x) + 0.0 * x[0]

    np.testing.assert_allclose(mycc.grad(loss)(X), [0.3, 5.0, 2.0])
