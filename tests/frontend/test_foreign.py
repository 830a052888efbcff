"""`from_stablehlo` on modules that JAX's exporter writes during the test, against JAX's own derivatives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import mycc
import mycc.numpy as mnp

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(np.float32)


def exported(fun: Callable[..., Any], *args: Any) -> Any:
    return export.export(jax.jit(fun))(*args)


def mlp(w1: Any, b1: Any, w2: Any, x: Any) -> Any:
    hidden = jax.nn.gelu(x @ w1 + b1, approximate=False)
    hidden = hidden / jnp.sqrt(jnp.var(hidden, -1, keepdims=True) + 1e-5)
    return jnp.mean(jax.nn.log_softmax(hidden @ w2)[:, 0])


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / 2.0
    causal = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf))
    return jnp.sum(jnp.einsum("bhqk,bkhd->bqhd", weights, v) ** 2)


def rnn(w: Any, x: Any) -> Any:
    def step(h: Any, row: Any) -> Any:
        h = jnp.tanh(w @ h + row)
        return h, h * 2

    last, rows = jax.lax.scan(step, jnp.zeros(3, x.dtype), x)
    return jnp.sum(last) + jnp.sum(rows**2)


def special(x: Any) -> Any:
    return jnp.sum(jax.scipy.special.erf(x) + jnp.arcsinh(x) + jax.lax.top_k(x, 2)[0].sum())


def cnn(x: Any, w: Any) -> Any:
    y = jax.nn.relu(jax.lax.conv_general_dilated(x, w, (1, 1), "SAME"))
    pooled = jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return jnp.sum(pooled**2)


MODELS = {
    "cnn": (cnn, [normal(2, 3, 8, 8), normal(4, 3, 3, 3)]),
    "mlp": (mlp, [normal(4, 8), normal(8), normal(8, 3), normal(5, 4)]),
    "attention": (attention, [normal(2, 6, 2, 4), normal(2, 6, 2, 4), normal(2, 6, 2, 4)]),
    "special": (special, [normal(5)]),
}
SCAN = (rnn, [normal(3, 3), normal(4, 3)])


def close(got: Any, wanted: Any, tolerance: float = 2e-5) -> None:
    for a, b in zip(jax.tree.leaves(jax.tree.map(np.asarray, got)), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("form", ["text", "artifact", "path"])
def test_every_form_of_a_module(form: str, tmp_path: Any) -> None:
    fun, args = MODELS["mlp"]
    module = exported(fun, *args)
    path = tmp_path / "mlp.mlir"
    path.write_text(module.mlir_module())
    source = {"text": module.mlir_module(), "artifact": module.mlir_module_serialized, "path": path}[form]
    f = mycc.from_stablehlo(source)
    close(f(*args), fun(*args))
    assert [(p.shape, p.dtype) for p in f.in_avals] == [(a.shape, a.dtype) for a in args]
    assert [(p.shape, p.dtype.name) for p in f.out_avals] == [((), "float32")]


@pytest.mark.parametrize("name", MODELS)
def test_values_and_derivatives(name: str) -> None:
    fun, args = MODELS[name]
    f = mycc.from_stablehlo(exported(fun, *args).mlir_module_serialized)
    every = tuple(range(len(args)))
    close(f(*args), fun(*args))
    close(mycc.jit(mycc.grad(f, argnums=every))(*args), jax.grad(fun, argnums=every)(*args))
    tangents = [normal(*a.shape) for a in args]
    close(mycc.jvp(f, args, tangents), jax.jvp(fun, args, tangents))
    out, push = mycc.linearize(f, *args)
    close((out, push(*tangents)), jax.jvp(fun, args, tangents))


@pytest.mark.parametrize("name", MODELS)
def test_nested(name: str) -> None:
    fun, args = MODELS[name]
    f = mycc.from_stablehlo(exported(fun, *args).mlir_module_serialized)
    batched = [np.stack([a, a * 0.5]) for a in args]
    close(mycc.vmap(mycc.grad(f))(*batched), jax.vmap(jax.grad(fun))(*batched))

    def product(transform: Any, inner: Any) -> Any:
        return lambda x, v: (transform.grad(inner)(x, *args[1:]) * v).sum()

    # A Hessian-vector product, beside the function itself in one program.
    got = mycc.jit(lambda x, v: (mycc.grad(product(mycc, f))(x, v), f(x, *args[1:])))(args[0], args[0])
    close(got, (jax.grad(product(jax, fun))(args[0], args[0]), fun(*args)), 1e-4)


def test_loop_forward() -> None:
    fun, args = SCAN
    f = mycc.from_stablehlo(exported(fun, *args).mlir_module_serialized)
    tangents = [normal(*a.shape) for a in args]
    close(mycc.jvp(f, args, tangents), jax.jvp(fun, args, tangents))
    batched = [np.stack([a, a * 0.5]) for a in args]
    close(mycc.vmap(f)(*batched), jax.vmap(fun)(*batched))


def test_loop_reverse() -> None:
    fun, args = SCAN
    f = mycc.from_stablehlo(exported(fun, *args).mlir_module_serialized)
    close(mycc.grad(f, argnums=(0, 1))(*args), jax.grad(fun, argnums=(0, 1))(*args))


def test_64_bits_and_several_results() -> None:
    with jax.enable_x64(True):
        args = [RNG.standard_normal(3), np.arange(3)]
        module = exported(lambda x, n: (x * n, n + 1, x > 0), *args).mlir_module_serialized
    f = mycc.from_stablehlo(module)
    results = f(*args)
    assert [r.dtype.name for r in results] == ["float64", "int64", "bool"]
    np.testing.assert_array_equal(results[0], args[0] * args[1])
    (cotangent, none) = mycc.vjp(f, *args)[1](
        (np.ones(3), np.zeros(3, mycc.float0), np.zeros(3, mycc.float0))
    )
    np.testing.assert_array_equal(cotangent, args[1].astype(float))
    assert none.dtype == mycc.float0


def test_complex_constants() -> None:
    """The bindings cannot read them."""

    def fun(x: Any) -> Any:
        return jnp.sum(jnp.abs(x * (1 + 2j) + jnp.array([1j, 2.0, 3 + 1j])) ** 2)

    x = np.array([1, 2j, 3 + 1j], np.complex64)
    f = mycc.from_stablehlo(exported(fun, x).mlir_module())
    close((f(x), mycc.grad(f)(x)), (fun(x), jax.grad(fun)(x)))
    close(mycc.vmap(f)(np.stack([x, x])), np.stack([fun(x)] * 2))


def test_empty_complex_arrays() -> None:
    x = np.zeros((3, 0), np.complex64)
    f = mycc.from_stablehlo(exported(lambda x: x * 2, x).mlir_module())
    assert [r.shape for r in mycc.jvp(f, (x,), (x,))] == [(3, 0), (3, 0)]


def test_shardings_are_dropped() -> None:
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), "x")
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x"))
    fun = jax.jit(lambda x: jax.lax.with_sharding_constraint(x * x, sharding).sum(), in_shardings=sharding)
    module = export.export(fun)(jax.ShapeDtypeStruct((4,), jnp.float32, sharding=sharding))
    assert "sdy" in module.mlir_module()
    close(
        mycc.grad(mycc.from_stablehlo(module.mlir_module_serialized))(np.ones(4, np.float32)), np.full(4, 2.0)
    )


def test_effects_are_kept() -> None:
    """A transform of a function with side effects has them, too, or it would be dropped with its results."""
    f = mycc.from_stablehlo(
        "func.func @main(%x: tensor<f32>) -> tensor<f32> {\n"
        "%0 = stablehlo.custom_call @lapack_x(%x) {has_side_effect = true} : (tensor<f32>) -> tensor<f32>\n"
        "return %x : tensor<f32>\n}"
    )
    text = mycc.jit(lambda x: mycc.jvp(f, (x,), (x,))[1]).trace(1.0).as_text()
    (line,) = [line for line in text.splitlines() if "@mycc.jvp" in line]
    assert "has_side_effect = true" in line


def test_open_sizes_follow_from_the_arguments() -> None:
    def fun(x: Any, y: Any) -> Any:
        return jnp.sin(x).sum(0) * y.shape[0], jnp.reshape(x, (-1,)), x @ y.T

    a, b = export.symbolic_shape("a, b")
    shapes = jax.ShapeDtypeStruct((a, 3), jnp.float32), jax.ShapeDtypeStruct((b, 3), jnp.float32)
    f = mycc.from_stablehlo(export.export(jax.jit(fun))(*shapes).mlir_module_serialized)
    assert [p.shape for p in f.in_avals] == [(None, 3), (None, 3)]
    for n in (2, 5):
        x, y = normal(n, 3), normal(4, 3)
        close(f(x, y), fun(x, y))
        close(mycc.grad(lambda x, y: f(x, y)[0].sum())(x, y), 4 * np.cos(x))
    with pytest.raises(TypeError, match=r"is f32\[\?,3\], got f32\[4,4\]"):
        f(normal(4, 3), normal(4, 4))


def test_assertion_on_open_sizes() -> None:
    (n,) = export.symbolic_shape("n", constraints=["n >= 3"])
    module = export.export(jax.jit(lambda x: x * 2))(jax.ShapeDtypeStruct((n,), jnp.float32))
    f = mycc.from_stablehlo(module.mlir_module_serialized)
    assert f(normal(3)).shape == (3,)
    with pytest.raises(mycc.ModuleError, match="asserts of its arguments' shapes"):
        f(normal(2))


@pytest.mark.parametrize("bits", [32, 64])
def test_one_of_several_platforms(bits: int) -> None:
    def fun(x: Any) -> Any:
        return jax.lax.platform_dependent(x, cpu=jnp.sin, cuda=jnp.cos)

    with jax.enable_x64(bits == 64):
        module = export.export(jax.jit(fun), platforms=["cpu", "cuda"])(normal(3)).mlir_module_serialized
    x = normal(3)
    close(mycc.from_stablehlo(module)(x), np.sin(x))
    close(mycc.from_stablehlo(module, platform_index=1)(x), np.cos(x))


def test_donation_and_kept_arguments() -> None:
    fun = jax.jit(lambda x, unused: x + 1, donate_argnums=0)
    f = mycc.from_stablehlo(export.export(fun)(normal(3), normal(2)).mlir_module_serialized)
    x = mnp.ones(3)
    close(f(x), np.full(3, 2, np.float32))
    close(x, np.ones(3, np.float32))


CALLS = """
module @library attributes {mhlo.num_partitions = 1 : i32} {
  func.func public @main(%x: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
    %0:2 = call @both(%x, %x) : (tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)
    return %0#0, %0#1 : tensor<f32>, tensor<f32>
  }
  func.func public @both(%left: tensor<f32>, %right: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
    %0 = stablehlo.multiply %left, %right : tensor<f32>
    return %0, %left : tensor<f32>, tensor<f32>
  }
  func.func public @nothing() { return }
}
"""


def test_another_function_of_the_module() -> None:
    both = mycc.from_stablehlo(CALLS, "both")
    assert repr(both) == "<text:@both(left: f32[], right: f32[]) -> (f32[], f32[])>"
    assert list(inspect.signature(both).parameters) == ["left", "right"]
    assert [float(r) for r in both(3.0, 4.0)] == [12.0, 3.0]
    assert mycc.from_stablehlo(CALLS, "nothing")() == ()


def test_names_do_not_clash() -> None:
    """Two modules, and functions of the program around them, that have functions of the same names."""
    first, second = mycc.from_stablehlo(CALLS), mycc.from_stablehlo(CALLS.replace("multiply", "add"))

    @mycc.jit
    def both(x: Any) -> Any:
        return first(x)[0] + second(x)[0]

    assert float(mycc.grad(lambda x: both(x) * first(x)[0])(3.0)) == 4 * 27 + 6 * 9


def test_traced_once_in_a_program() -> None:
    f = mycc.from_stablehlo(CALLS)
    text = mycc.jit(lambda x: f(x)[0] + f(x * 2)[1]).trace(1.0).as_text()
    assert text.count("stablehlo.multiply %arg0") == 1 + 1  # The function's, and the caller's x * 2.
    assert text.count("func.func") == 2


def test_eager_calls_compile_once() -> None:
    f = mycc.from_stablehlo(CALLS)
    compiled: list[Any] = []
    from mycc.stages import observe

    with observe(compiled.append):
        for x in (1.0, 2.0, 3.0):
            f(x)
    assert len(compiled) == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((1.0,), r"takes 2 arguments \(left: f32\[\], right: f32\[\]\), got 1"),
        ((1.0, np.ones(2)), r"argument right of text:@both is f32\[\], got f64\[2\]"),
        ((1.0, np.array(1.0)), r"is f32\[\], got f64\[\]"),
        ((1.0, 1j), r"is f32\[\], got c64\[\]"),
    ],
)
def test_arguments_are_checked(args: tuple[Any, ...], message: str) -> None:
    f = mycc.from_stablehlo(CALLS, "both")
    with pytest.raises(TypeError, match=message):
        f(*args)
    with pytest.raises(TypeError, match=message):
        mycc.jit(f)(*args)


def test_own_transforms_survive() -> None:
    """A module as traced, with transform operations in it, is one like any other."""
    text = mycc.jit(mycc.vmap(mycc.grad(mnp.sin))).trace(mnp.arange(3.0)).as_text()
    f = mycc.from_stablehlo(text)
    close(f(mnp.arange(3.0)), np.cos(np.arange(3.0)).astype(np.float32))
    close(mycc.grad(lambda x: f(x).sum())(mnp.arange(3.0)), -np.sin(np.arange(3.0)).astype(np.float32))


def test_operations_without_records_are_legalized() -> None:
    f = mycc.from_stablehlo(
        "func.func @main(%x: tensor<4xf32>) -> tensor<3x4xf32> {\n"
        "%y = stablehlo.constant dense<2.0> : tensor<3x1xf32>\n"
        "%0 = chlo.broadcast_multiply %x, %y : (tensor<4xf32>, tensor<3x1xf32>) -> tensor<3x4xf32>\n"
        "return %0 : tensor<3x4xf32>\n}"
    )
    close(mycc.grad(lambda x: f(x).sum())(mnp.ones(4)), np.full(4, 6, np.float32))


def test_bodies_that_call_functions() -> None:
    """As exporters write a running logsumexp: the derivative of its last element is a softmax."""
    f = mycc.from_stablehlo(
        """
        func.func @main(%x: tensor<5xf32>) -> tensor<5xf32> {
          %start = stablehlo.constant dense<0xFF800000> : tensor<f32>
          %0 = "stablehlo.reduce_window"(%x, %start) <{
              padding = dense<[[4, 0]]> : tensor<1x2xi64>, window_dimensions = array<i64: 5>}> ({
            ^bb0(%a: tensor<f32>, %b: tensor<f32>):
              %1 = func.call @logaddexp(%a, %b) : (tensor<f32>, tensor<f32>) -> tensor<f32>
              stablehlo.return %1 : tensor<f32>
          }) : (tensor<5xf32>, tensor<f32>) -> tensor<5xf32>
          return %0 : tensor<5xf32>
        }
        func.func private @logaddexp(%a: tensor<f32>, %b: tensor<f32>) -> tensor<f32> {
          %high = stablehlo.maximum %a, %b : tensor<f32>
          %low = stablehlo.minimum %a, %b : tensor<f32>
          %gap = stablehlo.subtract %low, %high : tensor<f32>
          %ratio = stablehlo.exponential %gap : tensor<f32>
          %more = stablehlo.log_plus_one %ratio : tensor<f32>
          %sum = stablehlo.add %high, %more : tensor<f32>
          return %sum : tensor<f32>
        }"""
    )
    xs = normal(3, 5)
    close(mycc.vmap(f)(xs), np.logaddexp.accumulate(xs, axis=1))
    close(mycc.vmap(mycc.grad(lambda x: f(x)[4]))(xs), jax.nn.softmax(xs))


def test_select_and_scatter_of_scalars() -> None:
    f = mycc.from_stablehlo("""
        func.func @main(%x: tensor<f64>, %s: tensor<f64>) -> tensor<f64> {
          %c = stablehlo.constant dense<0.5> : tensor<f64>
          %0 = "stablehlo.select_and_scatter"(%x, %s, %c) ({
          ^bb0(%a: tensor<f64>, %b: tensor<f64>):
            %1 = stablehlo.compare GE, %a, %b : (tensor<f64>, tensor<f64>) -> tensor<i1>
            stablehlo.return %1 : tensor<i1>
          }, {
          ^bb0(%a: tensor<f64>, %b: tensor<f64>):
            %1 = stablehlo.add %a, %b : tensor<f64>
            stablehlo.return %1 : tensor<f64>
          }) {padding = dense<> : tensor<0x2xi64>, window_dimensions = array<i64>, window_strides = array<i64>}
            : (tensor<f64>, tensor<f64>, tensor<f64>) -> tensor<f64>
          return %0 : tensor<f64>
        }""")
    assert float(f(2.0, 3.0)) == 3.5
    assert [float(g) for g in mycc.grad(f, argnums=(0, 1))(2.0, 3.0)] == [0, 1]
    np.testing.assert_allclose(mycc.vmap(f)(np.arange(3.0), np.arange(3.0)), np.arange(3) + 0.5)


def program(name: str, type_: str, operands: int = 2) -> Any:
    arguments = ", ".join(f"%{i}: {type_}" for i in range(operands))
    given = ", ".join(f"%{i}" for i in range(operands))
    return mycc.from_stablehlo(
        f"func.func @main({arguments}) -> {type_} {{ %r = stablehlo.{name} {given} : {type_}\nreturn %r : {type_} }}"
    )


def test_complex_numbers_that_xla_does_not_compare() -> None:
    x = np.array([1.5 + 2.5j, 1.5 + 7.5j, 1.5j, np.nan + 1j, 1 + 1j])
    y = np.array([7.5 + 1.5j, 1.5 + 2.5j, 2.5j, 3 + 2j, 2 + np.nan * 1j])
    type_ = "tensor<5xcomplex<f64>>"
    np.testing.assert_array_equal(program("maximum", type_)(x, y), np.maximum(x, y))
    np.testing.assert_array_equal(program("minimum", type_)(x, y), np.minimum(x, y))
    tangents = np.arange(5) * 1j, np.ones(5, complex)
    _, tangent = mycc.jvp(program("maximum", type_), (x, y), tangents)
    np.testing.assert_array_equal(tangent[:4], [1, 1j, 1, 3j])
    rows = np.stack([x, y]), np.stack([y, x])
    np.testing.assert_array_equal(mycc.vmap(program("minimum", type_))(*rows), np.minimum(*rows))


def test_roots_of_complex_numbers() -> None:
    x = np.array([3 + 4j, -8 + 0.1j, 0, 2 - 1j])
    cbrt = program("cbrt", "tensor<4xcomplex<f64>>", 1)
    np.testing.assert_allclose(cbrt(x), np.power(x, 1 / 3), rtol=1e-14)
    x[2] = 1
    _, tangent = mycc.jvp(cbrt, (x,), (np.full(4, 1j),))
    np.testing.assert_allclose(tangent, 1j * np.power(x, -2 / 3) / 3, rtol=1e-14)


def test_sums_of_truth_values() -> None:
    folded = mycc.from_stablehlo("""
        func.func @main() -> tensor<4xi1> {
          %0 = stablehlo.constant dense<[false, false, true, true]> : tensor<4xi1>
          %1 = stablehlo.constant dense<[false, true, false, true]> : tensor<4xi1>
          %2 = stablehlo.add %0, %1 : tensor<4xi1>
          return %2 : tensor<4xi1>
        }""")
    np.testing.assert_array_equal(folded(), [False, True, True, True])
