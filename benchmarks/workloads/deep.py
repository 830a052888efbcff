"""Residual networks of many layers, written as a Python loop: how cost grows with depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework


def training(layers: int) -> Callable[[Framework], tuple[Callable[..., Any], tuple[Any, ...]]]:
    """A maker of value_and_grad of `layers` normalized residual layers of width 128, batch 64."""

    def make(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        rng = np.random.default_rng(0)
        params = [
            ((rng.standard_normal((128, 128)) / 12).astype(np.float32), np.zeros(128, np.float32))
            for _ in range(layers)
        ]
        x = rng.standard_normal((64, 128)).astype(np.float32)

        def loss(params: Any, x: Any) -> Any:
            for w, b in params:
                mean = f.np.mean(x, axis=-1, keepdims=True)
                var = f.np.mean((x - mean) ** 2, axis=-1, keepdims=True)
                x = x + f.np.tanh((x - mean) / f.np.sqrt(var + 1e-5) @ w + b)
            return f.np.mean(x**2)

        return f.package.value_and_grad(loss), (params, x)

    return make
