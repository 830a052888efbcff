"""`grad`, `value_and_grad`, `jvp`, `vjp`, Jacobians: formulas, finite differences, arguments, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
import mycc.tree
from mycc import float0
from mycc.dialects.errors import ConcretizationError, TransformError, TreeError

X = np.array([0.7, -0.4, 1.3])
W = np.array([[0.3, -0.2, 0.7], [0.1, 0.9, -0.4]])
HERE = r"test_grad\.py:\d+: "


def numeric(f: Callable[..., Any], *args: Any, argnum: int = 0) -> np.ndarray:
    """The gradient of a scalar function by central differences, in float64."""
    x = np.asarray(args[argnum], np.float64)
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        values = []
        for sign in (1, -1):
            moved = x.copy()
            moved[i] += sign * 1e-6
            values.append(float(f(*args[:argnum], moved, *args[argnum + 1 :])))
        out[i] = (values[0] - values[1]) / 2e-6
    return out


def close(got: Any, wanted: Any, rtol: float = 1e-6) -> None:
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=rtol, atol=1e-9)


# ---- grad ----------------------------------------------------------------------------------------


def test_the_talk() -> None:
    gradient = mycc.grad(lambda x: x * mnp.sin(x))
    close(gradient(0.7), np.sin(0.7) + 0.7 * np.cos(0.7))
    close(mycc.grad(gradient)(0.7), 2 * np.cos(0.7) - 0.7 * np.sin(0.7))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: mnp.sum(mnp.tanh(W @ x) ** 2),
        lambda x: mnp.prod(x) + mnp.max(x) * mnp.min(x),
        lambda x: mnp.linalg.norm(x) if hasattr(mnp, "linalg") else mnp.sqrt(mnp.sum(x * x)),
        lambda x: mnp.log(mnp.sum(mnp.exp(x))),
        lambda x: mnp.sum(x[None, :] * x[:, None] * W.T[:, :1]) + x[0] * x[-1],
        lambda x: mnp.sum(mnp.where(x > 0, x**3, mnp.exp(x))),
        lambda x: mnp.sum(mnp.sort(x) * np.arange(3.0)) + mnp.cumsum(x)[1],
        lambda x: mnp.einsum("i,ji,j->", x, W, mnp.concatenate([x, x])[1:3]),
        lambda x: mnp.var(x) / mnp.mean(x),
    ],
)
def test_against_finite_differences(f: Callable[[Any], Any]) -> None:
    wanted = numeric(f, X)
    close(mycc.grad(f)(X), wanted, 1e-5)
    close(mycc.jit(mycc.grad(f))(X), wanted, 1e-5)
    tangent = np.array([1.0, -2.0, 0.5])
    close(mycc.jvp(f, (X,), (tangent,))[1], wanted @ tangent, 1e-5)
    close(
        mycc.hessian(f)(X), np.stack([numeric(lambda x, i=i: mycc.grad(f)(x)[i], X) for i in range(3)]), 1e-4
    )


def test_argnums() -> None:
    def f(x: Any, y: Any, z: Any) -> Any:
        return x * y**2 * z["a"] ** 3

    args = (2.0, 3.0, {"a": 1.5})
    close(mycc.grad(f)(*args), 9 * 1.5**3)
    close(mycc.grad(f, argnums=1)(*args), 12 * 1.5**3)
    close(mycc.grad(f, argnums=-1)(*args)["a"], 18 * 3 * 1.5**2)
    both = mycc.grad(f, argnums=(2, 0))(*args)
    assert isinstance(both, tuple)
    close(both[0]["a"], 18 * 3 * 1.5**2)
    close(both[1], 9 * 1.5**3)
    close(mycc.grad(f, argnums=np.int64(1))(*args), 12 * 1.5**3)
    (only,) = mycc.grad(f, argnums=[1])(*args)
    close(only, 12 * 1.5**3)
    value, gradients = mycc.value_and_grad(f, argnums=(0, 1))(*args)
    close(value, 18 * 1.5**3)
    close(gradients, [9 * 1.5**3, 12 * 1.5**3])


def test_pytrees_unused_arguments_and_keywords() -> None:
    tree = {"w": X, "b": (2.0, None), "unused": [X, 1.0]}
    gradient = mycc.grad(lambda p, *, scale: mnp.sum(p["w"] ** 2) * p["b"][0] * scale)(tree, scale=3.0)
    assert mycc.tree.structure(gradient) == mycc.tree.structure(tree)
    close(gradient["w"], 12 * X)
    close(gradient["b"][0], 3 * np.sum(X**2))
    close(gradient["unused"][0], np.zeros(3))
    assert gradient["w"].dtype == np.float64
    # A Python number beside float64 is float64, too.
    assert gradient["b"][0].dtype == np.float64
    close(mycc.grad(lambda x: 3.0)(X), np.zeros(3))


def test_has_aux() -> None:
    def f(x: Any) -> Any:
        return mnp.sum(x**2), {"double": x * 2, "count": 3, "none": None}

    (value, aux), gradient = mycc.value_and_grad(f, has_aux=True)(X)
    close(value, np.sum(X**2))
    close(aux["double"], 2 * X)
    assert int(aux["count"]) == 3
    close(gradient, 2 * X)
    gradient, aux = mycc.grad(f, has_aux=True)(X)
    close(gradient, 2 * X)
    assert aux["none"] is None


def test_integer_arguments_have_float0_gradients() -> None:
    f = mycc.grad(lambda x, n: x["v"] * n * x["k"], argnums=(0, 1), allow_int=True)
    for g in (f, mycc.jit(f)):
        tree, number = g({"v": 2.0, "k": 5}, np.array([3, 4])[0])
        close(tree["v"], 15.0)
        for leaf in (tree["k"], number):
            assert isinstance(leaf, np.ndarray)
            assert leaf.dtype == float0
    nested = mycc.jit(lambda n: mycc.jit(lambda n: mycc.vjp(lambda n: n * 2.0, n)[1](1.0))(n))(3)
    assert nested[0].dtype == float0
    _, tangent = mycc.jvp(lambda n: n + 1, (3,), (np.zeros((), float0),))
    assert tangent.dtype == float0


def test_complex_functions() -> None:
    z = 1.0 + 2.0j
    close(mycc.grad(lambda z: z * z * 1j, holomorphic=True)(z), 2j * z)
    # As in JAX: df/dx - i df/dy of a real function.
    close(mycc.grad(lambda z: mnp.real(z * z))(z), 2.0 + 4.0j)
    close(mycc.grad(lambda z: mnp.abs(z) ** 2)(z), 2.0 - 4.0j)
    close(mycc.jacfwd(lambda z: z**3, holomorphic=True)(z), 3 * z**2)
    close(mycc.jacrev(lambda z: z**3, holomorphic=True)(z), 3 * z**2)


def test_dtypes_of_gradients() -> None:
    for dtype in ("bfloat16", "float16", "float32", "float64"):
        x = mnp.array([1.0, 2.0], dtype=dtype)
        gradient = mycc.grad(lambda x: mnp.sum(x * x * 0.5))(x)
        assert str(gradient.dtype) == dtype
        close(gradient.astype("float32"), [1.0, 2.0])


def test_python_numbers_are_exact_in_double_precision() -> None:
    x = np.array([0.7])
    close(mycc.grad(lambda x: mnp.sum(x * 0.3))(x), [0.3], 1e-15)
    close(mnp.array(x) * 0.3, [0.7 * 0.3], 1e-15)
    close(mycc.jit(lambda x: mnp.where(x > 0, x * 0.3, 0.1))(x), [0.7 * 0.3], 1e-15)


# ---- jvp, vjp ------------------------------------------------------------------------------------


def model(p: Any, x: Any) -> Any:
    return {"y": mnp.tanh(p["w"] @ x), "n": mnp.sum(x > 0)}


def test_jvp_and_vjp_of_pytrees() -> None:
    p, tangent = {"w": W}, {"w": W * 0.5}
    none = np.zeros((), float0)
    out, moved = mycc.jvp(model, (p, X), (tangent, np.ones(3)))
    slope = 1 - np.tanh(W @ X) ** 2
    close(out["y"], np.tanh(W @ X))
    close(moved["y"], slope * (0.5 * W @ X + W @ np.ones(3)))
    assert moved["n"].dtype == float0
    out, pullback = mycc.vjp(model, p, X)
    ct = np.array([1.0, -2.0])
    back_p, back_x = pullback({"y": ct, "n": none})
    close(back_p["w"], np.outer(ct * slope, X))
    close(back_x, W.T @ (ct * slope))
    out, pushforward = mycc.linearize(model, p, X)
    close(pushforward(tangent, np.ones(3))["y"], moved["y"])
    assert int(out["n"]) == 2


def test_aux_of_jvp_vjp_linearize() -> None:
    def f(x: Any) -> Any:
        return mnp.sin(x), {"double": 2 * x}

    out, tangent, aux = mycc.jvp(f, (X,), (X,), has_aux=True)
    close(tangent, X * np.cos(X))
    close(aux["double"], 2 * X)
    out, pullback, aux = mycc.vjp(f, X, has_aux=True)
    close(pullback(X)[0], X * np.cos(X))
    close(aux["double"], 2 * X)
    out, pushforward, aux = mycc.linearize(f, X, has_aux=True)
    close(pushforward(X), X * np.cos(X))
    close(out, np.sin(X))


def test_a_list_of_primals() -> None:
    close(mycc.jvp(lambda x: x * 2.0, [X], [X])[1], 2 * X)


# ---- Jacobians -----------------------------------------------------------------------------------


@pytest.mark.parametrize("jacobian", [mycc.jacfwd, mycc.jacrev])
def test_jacobians_of_pytrees(jacobian: Any) -> None:
    def f(p: Any, s: Any) -> Any:
        return {"u": p["a"] * s, "v": (mnp.sum(p["a"]) * p["b"],)}

    p = {"a": X, "b": np.array([[1.0, 2.0]])}
    got = jacobian(f)(p, 3.0)
    close(got["u"]["a"], 3 * np.eye(3))
    assert got["u"]["b"].shape == (3, 1, 2)
    assert got["v"][0]["b"].shape == (1, 2, 1, 2)
    close(got["v"][0]["a"], np.array([[[1.0] * 3, [2.0] * 3]]))
    close(got["v"][0]["b"][0, :, 0], np.sum(X) * np.eye(2))
    first, second = jacobian(f, argnums=(0, 1))(p, 3.0)["u"]
    close(first["a"], 3 * np.eye(3))
    close(second, X)
    got, aux = jacobian(lambda x: (x * x, x), has_aux=True)(X)
    close(got, 2 * np.diag(X))
    close(aux, X)


def test_jacobian_of_a_matrix_function() -> None:
    a = W @ W.T
    wanted = np.einsum("ik,jl->ijkl", np.eye(2), a.T) + np.einsum("jl,ik->ijkl", np.eye(2), a)
    for jacobian in (mycc.jacfwd, mycc.jacrev):
        close(jacobian(lambda m: m @ m)(a), wanted)


def test_hessian_of_pytrees() -> None:
    f = lambda p: mnp.sum(p["a"] ** 3) * p["b"]  # noqa: E731
    got = mycc.hessian(f)({"a": X, "b": 2.0})
    close(got["a"]["a"], np.diag(12 * X))
    close(got["a"]["b"], 3 * X**2)
    close(got["b"]["a"], 3 * X**2)
    close(got["b"]["b"], 0.0)
    pair = mycc.hessian(lambda a, b: mnp.sum(a**2) * b, argnums=(0, 1))(X, 2.0)
    close(pair[0][0], 4 * np.eye(3))
    close(pair[0][1], 2 * X)
    hessian, aux = mycc.hessian(lambda x: (mnp.sum(x**3), x), has_aux=True)(X)
    close(hessian, np.diag(6 * X))
    close(aux, X)


# ---- Eager values --------------------------------------------------------------------------------


def test_python_control_flow_on_values() -> None:
    def f(x: Any) -> Any:
        steps = 0
        while x < 100.0:
            x = x * x
            steps += 1
        return x if steps % 2 == 0 else -x

    # 2 -> 4 -> 16 -> 256: three steps.
    close(mycc.grad(f)(2.0), -8 * 2.0**7)
    close(mycc.jvp(f, (2.0,), (1.0,))[1], -8 * 2.0**7)
    close(mycc.vjp(f, 2.0)[1](1.0)[0], -8 * 2.0**7)
    close(mycc.linearize(f, 2.0)[1](1.0), -8 * 2.0**7)


def test_values_of_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        assert (int(x[2]), float(x[0]), bool(x[1]), complex(x[0])) == (1, 0.7, True, 0.7 + 0j)
        assert x[1].item() == -0.4
        assert x.tolist() == X.tolist()
        assert [1, 2, 3][mnp.argmax(x)] == 3
        assert f"{x[0]:.2f}" == "0.70"
        np.testing.assert_array_equal(np.asarray(x), X)
        np.testing.assert_array_equal(np.sin(x), np.sin(X))
        assert len(list(x)) == 3
        assert 0.7 in x
        print(x[0])
        return mnp.sum(x * float(x[0]))

    close(mycc.grad(f)(X), np.full(3, 0.7))
    assert capsys.readouterr().out == "0.7\n"


def test_values_in_nested_gradients() -> None:
    def f(x: Any) -> Any:
        def g(y: Any) -> Any:
            z = y * x
            return z * z * y if z > 1 else z

        inner = mycc.grad(g)(x)
        return inner * 2.0 if float(inner) > 3.0 else inner

    # For x = 2: z = y x = 4, g = x² y³, g' = 3 x² y² = 3 x⁴ = 48, doubled: 6 x⁴.
    close(mycc.grad(f)(2.0), 24 * 2.0**3)
    # For x = 0.5: g = y x, g' = x.
    close(mycc.grad(f)(0.5), 1.0)


def test_values_of_results_of_other_transforms() -> None:
    def f(x: Any) -> Any:
        assert float(mycc.grad(lambda y: y**3 * x)(x)) == 24.0
        assert mycc.vmap(lambda s: s * x)(mnp.arange(3.0)).tolist() == [0.0, 2.0, 4.0]
        assert float(mycc.jit(lambda s: s * x)(2.0)) == 4.0
        assert float(mycc.lax.cond(x > 0, lambda: x * 2, lambda: x)) == 4.0
        assert float(mycc.vjp(lambda y: y**2, x)[1](1.0)[0]) == 4.0
        assert float(mycc.lax.while_loop(lambda c: c < 10.0, lambda c: c * 2, x)) == 16.0
        return x * x

    close(mycc.grad(f)(2.0), 4.0)


@pytest.mark.parametrize(
    ("transformed", "kind"),
    [
        (lambda f: mycc.grad(mycc.jit(f)), "jit"),
        (lambda f: mycc.jit(mycc.grad(f)), "jit"),
        (lambda f: lambda x: mycc.vmap(mycc.grad(f))(mnp.stack([x, x])), "vmap"),
        (lambda f: mycc.grad(lambda x: mnp.sum(mycc.vmap(f)(mnp.stack([x, x])))), "vmap"),
        (lambda f: mycc.grad(lambda x: mycc.lax.cond(x > 0, f, f, x)), "control flow"),
    ],
)
def test_values_that_are_not_known(transformed: Any, kind: str) -> None:
    with pytest.raises(ConcretizationError, match=rf"{HERE}bool\(\).* under {kind}.*mycc.lax.cond"):
        transformed(lambda x: x if x > 0 else -x)(1.0)


# ---- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mycc.grad(lambda a, b: a * b["w"][0], argnums=1)(1.0, {"w": [3]}),
            r"argument 1\['w'\]\[0\] has dtype int32",
        ),
        (lambda: mycc.grad(lambda a: a * 2)(True), "argument 0 has dtype bool.*allow_int=True"),
        (lambda: mycc.grad(lambda a: a)("text"), "argument 0 is no array or number, but of type str"),
        (
            lambda: mycc.grad(lambda a: a * 2.0)(X),
            r"needs a scalar result, got one of shape \(3,\); reduce it",
        ),
        (lambda: mycc.grad(lambda a: (a, a))(1.0), "needs a scalar result, got a tuple.*has_aux=True"),
        (lambda: mycc.grad(lambda a: mnp.sum(a > 0))(1.0), "needs a float result, got int32"),
        (lambda: mycc.grad(lambda a: a * 1j)(1.0), "complex result.*holomorphic=True"),
        (
            lambda: mycc.grad(lambda a: a, holomorphic=True)(1.0),
            "needs complex arguments, argument 0 is float32",
        ),
        (lambda: mycc.grad(lambda a: mnp.real(a), holomorphic=True)(1j), "needs a complex result"),
        (lambda: mycc.grad(lambda a: a, argnums=2)(1.0), "argument 2, but got 1 positional arguments"),
        (lambda: mycc.grad(lambda a: a)(a=1.0), "argument 0, but got 0 positional arguments"),
        (lambda: mycc.value_and_grad(lambda a: a, has_aux=True)(1.0), r"needs a pair \(value, aux\)"),
        (lambda: mycc.jvp(lambda x: x, X, X), "takes primals and tangents as tuples"),
        (lambda: mycc.jvp(lambda x: x, (X,), (X[:2],)), r"must have its type f64\[3\], got f64\[2\]"),
        (
            lambda: mycc.jvp(lambda x: x, (X,), (X.astype(np.float32),)),
            r"must have its type f64\[3\], got f32\[3\]",
        ),
        (
            lambda: mycc.jvp(lambda n: n, (1,), (1,)),
            r"must have dtype float0: np.zeros\(shape, mycc.float0\)",
        ),
        (
            lambda: mycc.vjp(lambda x: x * 2, X)[1](1.0),
            r"the cotangent of leaf 0 must have its type f64\[3\]",
        ),
        (
            lambda: mycc.vjp(lambda x: (x, 3), 1.0)[1]((1.0, 3)),
            "leaf 1, of dtype int32, must have dtype float0",
        ),
        (lambda: mycc.jacfwd(lambda x: x)(3), "needs float arguments, got dtype int32"),
        (lambda: mycc.jacrev(lambda x: (x, 3))(3.0), "needs float results, got dtype int32"),
        (lambda: mycc.jacfwd(lambda x: x)(1j), "complex derivatives need holomorphic=True"),
    ],
)
def test_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TransformError, match=HERE + ".*" + message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mycc.jvp(lambda x: x, (X,), (X, X)), "jvp got primals and tangents of different structure"),
        (lambda: mycc.vjp(lambda x: x * 2, X)[1]((X,)), "the pullback of .* takes a pytree of structure"),
        (
            lambda: mycc.linearize(lambda x: x, X)[1](X, X),
            "the pushforward of .* takes a pytree of structure",
        ),
    ],
)
def test_structure_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TreeError, match=HERE + message):
        call()


def test_an_operation_without_a_derivative_names_its_line() -> None:
    with pytest.raises(NotImplementedError, match=HERE):
        mycc.grad(lambda s: mycc.lax.zeta(s, 2.0))(3.0)


def test_not_a_function() -> None:
    with pytest.raises(TypeError, match=HERE + "grad takes a function, got int"):
        mycc.grad(3)  # type: ignore[arg-type]
