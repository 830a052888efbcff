"""Work that only moves memory, and small operations one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework


def shrink(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Ten times ``x -= 0.1 * x`` on a 2000 x 2000 array: one pass over memory is enough."""

    def ten(x: Any) -> Any:
        for _ in range(10):
            x -= 0.1 * x
        return x

    return ten, (np.ones((2000, 2000), np.float32),)


def eager(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Fifty steps of gradient descent by hand on a small least-squares problem, without jit."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 8)).astype(np.float32)
    y = (x @ np.arange(8)).astype(np.float32)

    def fit(x: Any, y: Any) -> Any:
        w = f.np.zeros(8)
        for _ in range(50):
            error = x @ w - y
            w = w - 0.1 * (x.T @ error) / 64
        return w

    return fit, (x, y)
