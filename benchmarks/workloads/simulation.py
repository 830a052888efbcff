"""Physics in compiled loops: bodies under gravity, their gradient, and a chain that comes to rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework


def _leapfrog(f: Framework) -> Callable[..., Any]:
    def acceleration(position: Any) -> Any:
        difference = position[None] - position[:, None]
        square = f.np.sum(difference**2, axis=-1) + 1e-2
        return f.np.sum(difference * square[..., None] ** -1.5, axis=1)

    def run(position: Any, velocity: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            p, v = state
            v = v + 5e-4 * acceleration(p)
            p = p + 1e-3 * v
            v = v + 5e-4 * acceleration(p)
            return (p, v), None

        (p, v), _ = f.lax.scan(step, (position, velocity), None, length=100)
        return p, v

    return run


def _bodies() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal((256, 3)).astype(np.float32) for _ in range(2))  # type: ignore[return-value]


def n_body(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """256 bodies, 100 leapfrog steps."""
    return _leapfrog(f), _bodies()


def n_body_gradient(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The gradient of where they end with respect to where they start."""
    run = _leapfrog(f)
    return f.package.grad(lambda p, v: f.np.sum(run(p, v)[0] ** 2), argnums=(0, 1)), _bodies()


def settle(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A hanging chain of 512 masses with friction, until it moves no more: a while loop of unknown length."""
    rng = np.random.default_rng(0)

    def run(x: Any) -> Any:
        def force(x: Any) -> Any:
            left, right = f.np.pad(x[:-1], ((1, 0), (0, 0))), f.np.pad(x[1:], ((0, 1), (0, 0)))
            return left + right - 2 * x - 0.01 * x - 1e-3

        def moving(state: Any) -> Any:
            n, _, v = state
            return (n < 2000) & ((n == 0) | (f.np.max(f.np.abs(v)) > 1e-4))

        def step(state: Any) -> Any:
            n, x, v = state
            v = 0.9 * (v + 0.1 * force(x))
            return n + 1, x + v, v

        return f.lax.while_loop(moving, step, (0, x, f.np.zeros_like(x)))

    return run, (rng.standard_normal((512, 3)).astype(np.float32),)
