"""Batched linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework


def gaussian_likelihoods(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """value_and_grad of the log likelihood of 64 Gaussian processes on 32 points, by Cholesky factors and solves."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 32)).astype(np.float32)
    y = np.sin(3 * x)

    def one(scale: Any, x: Any, y: Any) -> Any:
        covariance = f.np.exp(-((x[:, None] - x[None]) ** 2) / scale**2) + 0.1 * f.np.eye(32)
        factor = f.np.linalg.cholesky(covariance)
        solved = f.np.linalg.solve(covariance, y)
        return 0.5 * y @ solved + f.np.sum(f.np.log(f.np.diagonal(factor)))

    def total(scales: Any, x: Any, y: Any) -> Any:
        return f.np.sum(f.package.vmap(one)(scales, x, y))

    return f.package.value_and_grad(total), (np.ones(64, np.float32), x, y)
