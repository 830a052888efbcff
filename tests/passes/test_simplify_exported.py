"""Simplify on what JAX exports: the same numbers from fewer operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mycc.dialects.mlir import context, ir
from mycc.lowering.buffers import put, to_numpy
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import default_device
from mycc.passes.pipeline import Pipeline
from mycc.passes.simplify import Simplify

RNG = np.random.default_rng(0)
INLINED = Pipeline(["inline{default-pipeline= }", "symbol-dce", "cse"])


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def recurrent(w, u, xs):
    def step(h, x):
        h = jnp.tanh(h @ w + x @ u)
        return h, h

    return (lax.scan(step, jnp.zeros((4, 8)), xs)[1][-1] ** 2).sum()


def convolutional(first, second, w, x):
    numbers = ("NHWC", "HWIO", "NHWC")
    x = jax.nn.relu(lax.conv_general_dilated(x, first, (1, 1), "SAME", dimension_numbers=numbers))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = lax.conv_general_dilated(x, second, (1, 1), "VALID", dimension_numbers=numbers)
    x = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
    return jax.nn.log_softmax(x.reshape(x.shape[0], -1) @ w).mean()


def bodies(x, v):
    def step(carry):
        i, x, v = carry
        apart = x[:, None] - x[None]
        force = -(apart * (((apart**2).sum(-1) + 0.1) ** -1.5)[..., None]).sum(1)
        return i + 1, x + 0.01 * v, v + 0.01 * force

    return lax.while_loop(lambda carry: carry[0] < 10, step, (0, x, v))[1:]


def indexing(x, i):
    return (
        x.at[i].add(1.0).at[2].set(3.0),
        x[jnp.arange(3)] + x[::-1][:3],
        x[i],
        lax.dynamic_slice(x, (i, 0), (2, 2)),
        jnp.take(x, jnp.array([0, 2]), axis=1),
        jnp.roll(x, 1, 0),
        jnp.pad(x, 1)[1:-1],
        x.at[1:3, ::2].multiply(2.0),
    )


def squares(x, i):
    return sum((part**2).sum() for part in indexing(x, i))


def attention(q, k, v):
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / 8**0.5
    scores = jnp.where(jnp.tril(jnp.ones((6, 6), bool)), scores, -1e9)
    return (jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores), v) ** 2).sum()


def solves(a, b):
    return jax.vmap(lambda a, b: jnp.linalg.solve(a @ a.T + jnp.eye(4), b))(a, b)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "a recurrent net": (
        jax.value_and_grad(recurrent, (0, 1)),
        (normal(8, 8), normal(5, 8), normal(7, 4, 5)),
    ),
    "a convolutional net": (
        jax.value_and_grad(convolutional, (0, 1, 2)),
        (normal(3, 3, 3, 8), normal(1, 1, 8, 4), normal(64, 10), normal(2, 16, 16, 3)),
    ),
    "bodies": (bodies, (normal(6, 3), normal(6, 3))),
    "indexing": (indexing, (normal(5, 4), np.int32(-2))),
    "indexing, its gradient": (jax.grad(squares), (normal(5, 4), np.int32(3))),
    "attention": (jax.value_and_grad(attention, (0, 1, 2)), tuple(normal(2, 6, 2, 8) for _ in range(3))),
    "linear systems": (solves, (normal(3, 4, 4), normal(3, 4))),
}
# A fifth less, or half where much is indexed.
LESS = {"indexing": 0.5, "indexing, its gradient": 0.5}


@pytest.mark.parametrize("name", CASES)
def test_same_numbers_of_fewer_operations(name: str) -> None:
    f, arguments = CASES[name]
    jitted = jax.jit(f, keep_unused=True)
    module = ir.Module.parse(jitted.lower(*arguments).as_text(), context=context)
    INLINED.run(module)
    before = str(module).count(" = ")
    Pipeline([Simplify(inexact=True), "cse"]).run(module)
    assert str(module).count(" = ") < LESS.get(name, 0.9) * before
    device = default_device()
    results = compile_module(module, devices=[device]).execute(
        [put(np.asarray(a), device) for a in arguments]
    )
    for ours, expected in zip(results, jax.tree.leaves(jitted(*arguments)), strict=True):
        np.testing.assert_allclose(to_numpy(ours), np.asarray(expected), rtol=2e-5, atol=2e-6)
