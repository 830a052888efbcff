"""One causal attention layer on long sequences, where the scores are what memory goes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework


def training(length: int) -> Callable[[Framework], tuple[Callable[..., Any], tuple[Any, ...]]]:
    """A maker of value_and_grad of 4 heads of width 64 over `length` positions, batch 2."""

    def make(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        rng = np.random.default_rng(0)
        heads, width = 4, 64
        size = heads * width
        params = {
            "qkv": (rng.standard_normal((size, 3 * size)) / 16).astype(np.float32),
            "out": (rng.standard_normal((size, size)) / 16).astype(np.float32),
        }
        x = rng.standard_normal((2, length, size)).astype(np.float32)

        def loss(params: Any, x: Any) -> Any:
            b, t, d = x.shape
            q, k, v = f.np.split(x @ params["qkv"], 3, axis=-1)
            q, k, v = (z.reshape(b, t, heads, width).transpose(0, 2, 1, 3) for z in (q, k, v))
            scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(width).astype(np.float32)
            mask = f.np.tril(f.np.ones((t, t), dtype=bool))
            weights = f.nn.softmax(f.np.where(mask, scores, -1e9), axis=-1)
            y = (weights @ v).transpose(0, 2, 1, 3).reshape(b, t, d) @ params["out"]
            return f.np.mean(y**2)

        return f.package.value_and_grad(loss), (params, x)

    return make
