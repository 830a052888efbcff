"""`custom_jvp`: the rule is used in both modes and at every order; errors say what is expected of it."""

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


def make(api: Any, np_: Any) -> Any:
    """A function whose rule differs from its own derivative, so that a test sees which one was taken."""

    @api.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return np_.sin(x) * y

    @f.defjvp
    def f_jvp(primals: Any, tangents: Any) -> Any:
        (x, y), (dx, dy) = primals, tangents
        out = f(x, y)
        return out, 3.0 * np_.cos(x) * y * dx + out * dy

    return f


@pytest.fixture(scope="module")
def jax() -> Any:
    found = pytest.importorskip("jax")
    found.config.update("jax_enable_x64", True)

    return found


TRANSFORMS = {
    "value": lambda api, f: f,
    "grad": lambda api, f: api.grad(lambda x, y: f(x, y).sum(), argnums=(0, 1)),
    "jvp": lambda api, f: lambda x, y: api.jvp(f, (x, y), (y, x)),
    "linearize": lambda api, f: lambda x, y: api.linearize(f, x, y)[1](y, x),
    "second": lambda api, f: api.grad(lambda x, y: api.grad(lambda z: (f(z, y) * z).sum())(x).sum(), (0, 1)),
    "hessian": lambda api, f: api.hessian(lambda x, y: (f(x, y) ** 2).sum()),
    "vmap_grad": lambda api, f: api.vmap(api.grad(f, argnums=(0, 1)), in_axes=(0, None)),
    "grad_vmap": lambda api, f: api.grad(
        lambda x, y: api.vmap(f, in_axes=(0, None))(x, y).sum(), argnums=(0, 1)
    ),
}


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_like_jax(name: str, jitted: bool, jax: Any) -> None:
    def run(api: Any, np_: Any) -> Any:
        transformed = TRANSFORMS[name](api, make(api, np_))
        y = np.float64(0.7) if "vmap" in name else X[::-1].copy()
        return (api.jit(transformed) if jitted else transformed)(X, y)

    got, wanted = mycc.tree.leaves(run(mycc, mnp)), jax.tree.leaves(run(jax, jax.numpy))
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_concrete_arguments_run_the_function() -> None:
    np.testing.assert_allclose(make(mycc, mnp)(X, 2.0), np.sin(X) * 2.0)


def test_reverse_mode_transposes_what_is_linear_through_calls_and_conditionals() -> None:
    @mycc.custom_jvp
    def f(x: Any) -> Any:
        return x * 1.0

    @f.defjvp
    def f_jvp(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        inner = mycc.jit(lambda t: mycc.lax.cond(x[0] > 0.0, lambda u: u[::-1] * x, lambda u: u, t))
        return f(x), inner(t)

    np.testing.assert_allclose(mycc.grad(lambda x: (f(x) * WEIGHTS).sum())(X), (WEIGHTS * X)[::-1])
    np.testing.assert_allclose(mycc.grad(lambda x: (f(x) * WEIGHTS).sum())(-X), WEIGHTS)


WEIGHTS = np.array([1.0, 2.0, 3.0])


def test_a_rule_may_use_the_function_on_tangents() -> None:
    @mycc.custom_jvp
    def f(x: Any) -> Any:
        return mnp.cumsum(x)

    f.defjvp(lambda primals, tangents: (f(*primals), f(*tangents)))
    np.testing.assert_allclose(mycc.grad(lambda x: (f(x) * WEIGHTS).sum())(X), [6.0, 5.0, 3.0])
    np.testing.assert_allclose(mycc.linearize(f, X)[1](WEIGHTS), np.cumsum(WEIGHTS))


def test_pytrees_integers_and_auxiliary_results() -> None:
    seen = []

    @mycc.custom_jvp
    def f(tree: Any, n: Any) -> Any:
        return {"y": tree["a"] * n, "n": n + 1}, tree["b"]

    @f.defjvp
    def f_jvp(primals: Any, tangents: Any) -> Any:
        (tree, n), (t, dn) = primals, tangents
        seen.append(dn)
        zero = np.zeros((), mycc.float0)
        return f(tree, n), ({"y": 10.0 * t["a"], "n": zero}, t["b"])

    def loss(a: Any, b: Any) -> Any:
        out, second = f({"a": a, "b": b}, 3)
        return (out["y"] * second).sum() + out["n"]

    got = mycc.jit(mycc.grad(loss, argnums=(0, 1)))(X, WEIGHTS)
    np.testing.assert_allclose(got[0], 10.0 * WEIGHTS)
    np.testing.assert_allclose(got[1], 3 * X)
    assert seen[0].dtype == mycc.float0


def test_nondiff_arguments_come_first_and_keywords_are_resolved() -> None:
    @functools.partial(mycc.custom_jvp, nondiff_argnums=(0, 2))
    def apply(function: Any, x: Any, power: int = 2) -> Any:
        """Docstring."""
        return function(x) ** power

    @apply.defjvp
    def apply_jvp(function: Any, power: int, primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return apply(function, x, power), 100.0 * power * t

    assert mycc.grad(lambda x: apply(mnp.sin, x, power=3))(1.0) == 300.0
    assert mycc.grad(lambda x: apply(x=x, function=mnp.sin))(1.0) == 200.0
    assert list(inspect.signature(apply).parameters) == ["function", "x", "power"]
    assert apply.__name__ == "apply" and apply.__doc__ == "Docstring."
    named = mycc.custom_jvp(lambda x, mode: x, nondiff_argnames="mode")
    named.defjvp(lambda mode, primals, tangents: (named(*primals, mode), tangents[0] * len(mode)))
    assert mycc.grad(lambda x: named(x, "four"))(1.0) == 4.0


def test_defjvps_gives_one_rule_for_each_argument() -> None:
    @mycc.custom_jvp
    def f(x: Any, y: Any, z: Any) -> Any:
        return x * y + z

    f.defjvps(lambda t, out, x, y, z: 2.0 * t * y, None, lambda t, out, x, y, z: t * out)
    got = mycc.grad(f, argnums=(0, 1, 2))(3.0, 5.0, 7.0)
    np.testing.assert_allclose(got, [10.0, 0.0, 22.0])
    f.defjvps(None, None, None)
    np.testing.assert_allclose(mycc.grad(f, argnums=(0, 1, 2))(3.0, 5.0, 7.0), [0.0, 0.0, 0.0])


def test_rules_may_capture_and_see_values_of_eager_derivatives() -> None:
    scale = mnp.array(5.0)
    array = mnp.array(X)

    @mycc.custom_jvp
    def relu(x: Any) -> Any:
        return x if x > 0.0 else 0.1 * x

    @relu.defjvp
    def relu_jvp(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        assert x > -10.0
        return relu(x), scale * t * 2.0

    assert mycc.grad(relu)(2.0) == 10.0
    assert mycc.value_and_grad(lambda x: relu(x * 2.0))(-1.0) == (pytest.approx(-0.2), 20.0)

    @mycc.custom_jvp
    def f(x: Any) -> Any:
        return mnp.sum(array * x)

    f.defjvp(lambda p, t: (f(*p), mnp.sum(array) * scale * t[0] * p[0]))
    for run in (mycc.grad(f), mycc.jit(mycc.grad(f))):
        np.testing.assert_allclose(run(2.0), X.sum() * 10.0, rtol=1e-6)
    np.testing.assert_allclose(mycc.grad(mycc.grad(f))(2.0), X.sum() * 5.0, rtol=1e-6)


def test_traced_values_from_around_are_constants_for_the_rule() -> None:
    def outer(y: Any) -> Any:
        f = mycc.custom_jvp(lambda x: x * y)
        f.defjvp(lambda p, t: (f(*p), t[0] * y * 2.0))
        return mycc.vmap(mycc.grad(f))(X).sum() * y

    np.testing.assert_allclose(mycc.jit(outer)(3.0), 54.0)
    np.testing.assert_allclose(mycc.vmap(outer)(WEIGHTS), 6.0 * WEIGHTS**2)


def test_inside_loops_and_branches() -> None:
    f = make(mycc, mnp)

    def step(c: Any, t: Any) -> Any:
        return mycc.lax.cond(t > 0.0, lambda: f(c, t), lambda: c), None

    def run(x: Any) -> Any:
        return mycc.lax.scan(step, x, np.array([0.5, -1.0]))[0]

    _, tangent = mycc.jvp(run, (1.0,), (1.0,))
    np.testing.assert_allclose(tangent, 1.5 * np.cos(1.0), rtol=1e-6)


# ---- Errors --------------------------------------------------------------------------------------


def rule_of(result: Any) -> Any:
    f = mycc.custom_jvp(lambda x: (x * 1.0, x.sum()))

    def my_rule(primals: Any, tangents: Any) -> Any:
        return result(primals[0], tangents[0])

    f.defjvp(my_rule)
    return mycc.grad(lambda x: f(x)[1])


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda x, t: x, mycc.TransformError, r"must return a pair \(out, tangent_out\), got a Tracer"),
        (lambda x, t: (x, t), mycc.TreeError, "must return a result of structure .*, got "),
        (lambda x, t: ((x, x.sum()), t), mycc.TreeError, "must return a tangent of structure "),
        (
            lambda x, t: ((x, x.sum()), (t, t)),
            mycc.TransformError,
            r"leaf 1 of the tangent must have the type f64\[\], got f64\[3\]",
        ),
        (
            lambda x, t: ((x.astype("float32"), x.sum()), (t, t.sum())),
            mycc.TransformError,
            r"leaf 0 of the result must have the type f64\[3\], got f32\[3\]",
        ),
        (lambda x, t: ((x, t.sum()), (t, t.sum())), mycc.TransformError, "computes the result from tangents"),
        (
            lambda x, t: ((x, x.sum()), (t, (t * t).sum())),
            mycc.TransformError,
            "cannot transpose 'stablehlo.multiply': the function is not linear there",
        ),
    ],
)
def test_errors_of_rules(result: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        rule_of(result)(X)
    assert re.match(r".*test_custom_jvp.py:\d+: ", str(caught.value))


def test_errors_name_the_rule_and_its_line() -> None:
    with pytest.raises(mycc.TransformError, match=r"jvp rule my_rule \(.*test_custom_jvp.py:\d+\) of lambda"):
        rule_of(lambda x, t: x)(X)


def test_integers_have_no_tangents() -> None:
    f = mycc.custom_jvp(lambda x: (x, 1))
    f.defjvp(lambda p, t: (f(*p), (t[0], 0)))
    with pytest.raises(
        mycc.TransformError, match="of dtype int32, so it must be None or an array of dtype float0"
    ):
        mycc.grad(lambda x: f(x)[0])(1.0)


def test_a_missing_rule_is_an_error() -> None:
    f = mycc.custom_jvp(lambda x: x)
    with pytest.raises(
        mycc.UnsupportedOperationError, match=r"has no rule yet; give it one with lambda.defjvp"
    ):
        f(1.0)


def test_what_is_captured_cannot_be_differentiated() -> None:
    def outer(y: Any) -> Any:
        f = mycc.custom_jvp(lambda x: x * y)
        f.defjvp(lambda p, t: (f(*p), t[0] * y))
        return f(2.0)

    with pytest.raises(mycc.TransformError, match="a value from around it that it uses"):
        mycc.grad(outer)(3.0)
    assert mycc.grad(lambda y: outer(mycc.lax.stop_gradient(y)) * y)(3.0) == 6.0


def test_wrong_uses() -> None:
    with pytest.raises(TypeError, match="custom_jvp takes a function, got int"):
        mycc.custom_jvp(3)  # type: ignore[arg-type]
    f = mycc.custom_jvp(lambda x, *, y: x)
    f.defjvp(lambda p, t: (p, t))
    with pytest.raises(TypeError, match="y can be given by keyword only"):
        mycc.grad(lambda x: f(x, y=1.0))(1.0)
    g = mycc.custom_jvp(lambda x, name: x)
    g.defjvp(lambda p, t: (p[0], t[0]))
    with pytest.raises(
        TypeError, match="a leaf of type str, which is no array or number; name its position in nondiff"
    ):
        mycc.grad(lambda x: g(x, "a"))(1.0)
    with pytest.raises(ValueError, match="nondiff_argnames 'z' names no argument"):
        mycc.custom_jvp(lambda x: x, nondiff_argnames="z")
    with pytest.raises(mycc.UnsupportedOperationError, match="symbolic_zeros is not there"):
        g.defjvp(lambda p, t: (p[0], t[0]), symbolic_zeros=True)


def test_a_rule_that_looks_at_values_cannot_call_its_function_elsewhere() -> None:
    @mycc.custom_jvp
    def f(x: Any) -> Any:
        return x if x > 0.0 else 0.1 * x

    f.defjvp(lambda p, t: (f(p[0] * 2.0), t[0]))
    with pytest.raises(
        mycc.TransformError, match="f looks at the values of its arguments, and a rule of it calls it"
    ):
        mycc.grad(f)(1.0)


def test_a_rule_may_look_at_what_primals_determine_and_not_at_tangents() -> None:
    @mycc.custom_jvp
    def f(x: Any) -> Any:
        return mnp.sin(x)

    @f.defjvp
    def f_jvp(primals: Any, tangents: Any) -> Any:
        out = f(*primals)
        return out, (2.0 if out > 0.0 else 3.0) * tangents[0]

    assert (mycc.grad(f)(1.0), mycc.grad(f)(-1.0)) == (2.0, 3.0)
    f.defjvp(lambda p, t: (f(*p), t[0] if t[0] > 0.0 else -t[0]))
    with pytest.raises(mycc.ConcretizationError, match="that depends on a tangent"):
        mycc.grad(f)(1.0)


def test_a_rule_cannot_differentiate_its_own_function() -> None:
    f = mycc.custom_jvp(lambda x: x * 1.0)
    f.defjvp(lambda p, t: (f(*p), mycc.grad(f)(*p) * t[0]))
    assert mycc.jit(f)(2.0) == 2.0
    with pytest.raises(
        mycc.MyccError, match="a custom rule cannot transform the function that it belongs to"
    ):
        mycc.grad(f)(1.0)
