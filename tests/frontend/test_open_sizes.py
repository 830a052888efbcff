"""`from_stablehlo` on modules that JAX exports with symbolic sizes, against JAX's own derivatives at fixed ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import mycc

RNG = np.random.default_rng(0)
(B,) = export.symbolic_shape("b")


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(np.float32)


def mlp(x: Any, w1: Any, b1: Any, w2: Any) -> Any:
    hidden = jax.nn.gelu(x @ w1 + b1)
    hidden = hidden / jnp.sqrt(jnp.var(hidden, -1, keepdims=True) + 1e-5)
    return jnp.mean(jax.nn.log_softmax(hidden @ w2)[:, 0])


def attention(x: Any) -> Any:
    scores = x @ x.T / jnp.sqrt(x.shape[0] * 1.0)
    causal = jnp.tril(jnp.ones(scores.shape, bool))
    return jnp.sum(jax.nn.softmax(jnp.where(causal, scores, -jnp.inf)) @ x)


def cnn(x: Any, w: Any) -> Any:
    y = jax.lax.conv_general_dilated(x, w, (1, 1), "SAME")
    pooled = jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return jnp.sum(pooled**2)


def loops(x: Any) -> Any:
    carry, rows = jax.lax.scan(lambda c, row: (jnp.sin(c + row), c * row), jnp.zeros(3), x)
    total = jax.lax.fori_loop(0, x.shape[0], lambda i, c: jnp.sin(c) + x[i], carry)
    return jnp.sum(total) + jnp.sum(rows**2)


def shapes(x: Any) -> Any:
    joined = jnp.concatenate([x, x * 2, jnp.ones((x.shape[0], 1))], 1)
    return (
        jnp.sum(jnp.reshape(x, (-1,)) * jnp.arange(x.size))
        + jnp.sum(jnp.pad(joined, ((1, 2), (0, 0))) ** 3)
        + jnp.sum(x[1:] * x[:-1])
        + jnp.sum(x[::2])
        + jnp.sum(x[-1])
    )


def ordered(x: Any) -> Any:
    return jnp.sum(jnp.sort(x, 0)[0]) + jnp.sum(jnp.cumsum(x, 0) ** 2) + jnp.sum(jax.lax.top_k(x, 2)[0])


def noisy(x: Any) -> Any:
    return jnp.sum(x**2 * jax.random.normal(jax.random.key(0), x.shape))


MODELS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], list[Any]]] = {
    "mlp": (mlp, (B, 4), [normal(4, 8), normal(8), normal(8, 3)]),
    "attention": (attention, (B, 4), []),
    "cnn": (cnn, (B, 2, 6, 6), [normal(3, 2, 3, 3)]),
    "images of any size": (cnn, (2, 2, B, B), [normal(3, 2, 3, 3)]),
    "loops": (loops, (B, 3), []),
    "shapes": (shapes, (B, 3), []),
    "ordered": (ordered, (B, 3), []),
    "noisy": (noisy, (B, 3), []),
}


@pytest.mark.parametrize("name", MODELS)
def test_derivatives_and_batches(name: str) -> None:
    fun, sizes, rest = MODELS[name]
    specs = [jax.ShapeDtypeStruct(s, jnp.float32) for s in (sizes, *(r.shape for r in rest))]
    f = mycc.from_stablehlo(export.export(jax.jit(fun))(*specs).mlir_module_serialized)

    def arguments(n: int) -> list[Any]:
        return [jnp.asarray(a) for a in (normal(*(n if s is B else s for s in sizes)), *rest)]

    args = arguments(3)
    value, gradient = mycc.value_and_grad(f)(*map(np.asarray, args))
    np.testing.assert_allclose(value, fun(*args), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gradient, jax.grad(fun)(*args), rtol=1e-3, atol=1e-4)
    stacked = [np.stack([a, a / 2]) for a in arguments(5)]
    got = mycc.jit(mycc.vmap(mycc.grad(f)))(*stacked)
    np.testing.assert_allclose(got, jax.vmap(jax.grad(fun))(*stacked), rtol=1e-3, atol=1e-4)


def test_loops_over_an_open_size_are_counted() -> None:
    module = export.export(jax.jit(loops))(jax.ShapeDtypeStruct((B, 3), jnp.float32))
    f = mycc.from_stablehlo(module.mlir_module_serialized)
    text = mycc.jit(mycc.grad(f)).lower(normal(7, 3)).as_text()
    assert "tensor<7x3xf32>" in text and "tensor<64x" not in text


def test_results_of_xla_operations_with_open_sizes() -> None:
    def fun(x: Any) -> Any:
        key, bits = jax.lax.rng_bit_generator(jnp.zeros(4, jnp.uint32), (x.shape[0], 2))
        return jax.lax.approx_max_k(x, 2), key.shape[0] * 1.0, bits.shape[0] * x

    module = export.export(jax.jit(fun))(jax.ShapeDtypeStruct((B, 3), jnp.float32))
    x = normal(5, 3)
    got = mycc.from_stablehlo(module.mlir_module_serialized)(x)
    for a, b in zip(got, jax.tree.leaves(fun(x)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_assertions_hold_on_either_way() -> None:
    (n,) = export.symbolic_shape("n", constraints=["n >= 3"])
    module = export.export(jax.jit(lambda x: jnp.cumsum(x)))(jax.ShapeDtypeStruct((n,), jnp.float32))
    f = mycc.from_stablehlo(module.mlir_module_serialized)
    np.testing.assert_allclose(f(np.ones(4, np.float32)), [1, 2, 3, 4])
    with pytest.raises(mycc.ModuleError, match="asserts of its arguments' shapes"):
        f(np.ones(2, np.float32))


def test_what_depends_on_more_than_shapes() -> None:
    f = mycc.from_stablehlo(
        "func.func @main(%x: tensor<?xf32>, %n: tensor<1xi32>) -> tensor<?xf32> {\n"
        "  %0 = stablehlo.dynamic_reshape %x, %n : (tensor<?xf32>, tensor<1xi32>) -> tensor<?xf32>\n"
        "  return %0 : tensor<?xf32>\n}"
    )
    with pytest.raises(
        mycc.ModuleError, match=r"text:2:\d+: the shape of 'stablehlo.dynamic_reshape' does not|worked out"
    ):
        f(np.ones(3, np.float32), np.array([3], np.int32))


def test_unknown_calls_in_modules_with_open_sizes() -> None:
    f = mycc.from_stablehlo(
        "func.func @main(%x: tensor<?xf32>) -> tensor<f32> {\n"
        "  %0 = stablehlo.custom_call @mystery(%x) : (tensor<?xf32>) -> tensor<f32>\n"
        "  return %0 : tensor<f32>\n}"
    )
    with pytest.raises(mycc.ModuleError, match=r"the custom call 'mystery' is unknown here"):
        f(np.ones(3, np.float32))


def test_functions_that_call_others_many_times_are_not_inlined() -> None:
    """Inlined it would be of 4**20 operations."""
    type_ = "tensor<?xf32>"
    calls = "\n".join(f"  %{n + 1} = call @next(%{n}) : ({type_}) -> {type_}" for n in range(4))
    functions = [
        f"func.func private @f{i}(%0: {type_}) -> {type_} {{\n"
        + calls.replace("next", f"f{i + 1}")
        + f"\n  return %4 : {type_}\n}}"
        for i in range(20)
    ]
    f = mycc.from_stablehlo(
        f"func.func @main(%x: {type_}, %n: tensor<1xi32>) -> {type_} {{\n"
        f"  %0 = stablehlo.dynamic_reshape %x, %n : ({type_}, tensor<1xi32>) -> {type_}\n"
        f"  %1 = call @f0(%0) : ({type_}) -> {type_}\n"
        f"  return %1 : {type_}\n}}\n"
        + "\n".join(functions)
        + f"\nfunc.func private @f20(%x: {type_}) -> {type_} {{ return %x : {type_} }}"
    )
    with pytest.raises(mycc.ModuleError):
        f(np.ones(3, np.float32), np.array([3], np.int32))
