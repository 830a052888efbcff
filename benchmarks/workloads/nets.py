"""Small networks of matrix products: a classifier, its per-example gradients, a recurrent network."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework


def _layers(rng: np.random.Generator, *sizes: int) -> list[tuple[Any, Any]]:
    return [
        ((rng.standard_normal((m, n)) / np.sqrt(m)).astype(np.float32), np.zeros(n, np.float32))
        for m, n in pairwise(sizes)
    ]


def _logits(f: Framework, params: Any, x: Any) -> Any:
    for w, b in params[:-1]:
        x = f.nn.relu(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def mlp(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A training step of a 784-1024-1024-10 classifier, batch 128."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((128, 784)).astype(np.float32)
    y = rng.integers(0, 10, 128).astype(np.int32)

    def loss(params: Any, x: Any, y: Any) -> Any:
        scores = f.nn.log_softmax(_logits(f, params, x))
        return -f.np.mean(f.np.take_along_axis(scores, y[:, None], axis=1))

    def step(params: Any, x: Any, y: Any) -> Any:
        value, grads = f.package.value_and_grad(loss)(params, x, y)
        return value, [(w - 0.1 * dw, b - 0.1 * db) for (w, b), (dw, db) in zip(params, grads, strict=True)]

    return step, (_layers(rng, 784, 1024, 1024, 10), x, y)


def per_example(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The gradient for each of 256 examples, by vmap(grad), of a 64-64-64-10 network."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((256, 64)).astype(np.float32)
    y = rng.integers(0, 10, 256).astype(np.int32)

    def loss(params: Any, x: Any, y: Any) -> Any:
        return -f.nn.log_softmax(_logits(f, params, x))[y]

    return f.package.vmap(f.package.grad(loss), (None, 0, 0)), (_layers(rng, 64, 64, 64, 10), x, y)


def rnn(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The gradient through 100 steps of a gated recurrent unit of width 128, batch 32, by scan."""
    rng = np.random.default_rng(0)
    width, inputs = 128, 32
    shapes = {"wx": (inputs, 3 * width), "wh": (width, 3 * width), "out": (width, 1)}
    params = {k: (0.1 * rng.standard_normal(s)).astype(np.float32) for k, s in shapes.items()}
    xs = rng.standard_normal((100, 32, inputs)).astype(np.float32)

    def loss(params: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            a, b = x @ params["wx"], h @ params["wh"]
            reset = f.nn.sigmoid(a[:, :width] + b[:, :width])
            update = f.nn.sigmoid(a[:, width : 2 * width] + b[:, width : 2 * width])
            new = f.np.tanh(a[:, 2 * width :] + reset * b[:, 2 * width :])
            h = update * h + (1 - update) * new
            return h, h @ params["out"]

        _, ys = f.lax.scan(step, f.np.zeros((32, width)), xs)
        return f.np.mean(ys**2)

    return f.package.value_and_grad(loss), (params, xs)
