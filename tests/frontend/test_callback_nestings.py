"""What a debugging callback is called with, under nestings of transforms and control flow: the same as in JAX."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax

Function = Callable[[Any], Any]


def _ours() -> Any:
    return SimpleNamespace(api=mycc, numpy=mnp, lax=lax)


def _theirs() -> Any:
    import jax

    return SimpleNamespace(api=jax, numpy=jax.numpy, lax=jax.lax)


def jit(p: Any, f: Function) -> Function:
    return p.api.jit(f)  # type: ignore[no-any-return]


def grad(p: Any, f: Function) -> Function:
    return p.api.grad(f)  # type: ignore[no-any-return]


def tangent(p: Any, f: Function) -> Function:
    return lambda x: p.api.jvp(f, (x,), (p.numpy.ones_like(x),))[1]


def linearized(p: Any, f: Function) -> Function:
    return lambda x: p.api.linearize(f, x)[1](p.numpy.ones_like(x))


def mapped(p: Any, f: Function) -> Function:
    return lambda x: p.numpy.sum(p.api.vmap(f)(p.numpy.stack([x, x + 1])))


def branch(p: Any, f: Function) -> Function:
    return lambda x: p.lax.cond(x > 0.5, f, lambda x: -x, x)


def loop(p: Any, f: Function) -> Function:
    return lambda x: p.lax.fori_loop(0, 2, lambda i, c: f(c) * 0.5, x)


def scan(p: Any, f: Function) -> Function:
    return lambda x: p.lax.scan(lambda c, y: (f(c) + y, None), x, p.numpy.arange(2.0))[0]


AROUND = (jit, grad, tangent, linearized, mapped, branch, loop, scan)


def applies(nesting: tuple[Any, ...]) -> bool:
    """Reverse mode through loops is not compared."""
    inside = list(itertools.accumulate(reversed(nesting), lambda seen, t: {*seen, t}, initial=set()))
    return not any(
        t is grad and {loop, scan} & seen for t, seen in zip(reversed(nesting), inside, strict=False)
    )


def observed(p: Any, nesting: tuple[Any, ...]) -> tuple[float, list[float]]:
    seen: list[float] = []

    def f(x: Any) -> Any:
        y = p.numpy.sin(x)
        p.api.debug.callback(lambda y: seen.append(round(float(y), 4)), y)
        return y * x

    for around in reversed(nesting):
        f = around(p, f)
    value = float(p.api.jit(f)(np.float32(0.7)))
    p.api.effects_barrier()
    return value, sorted(seen)


@pytest.mark.parametrize(
    "nesting",
    [
        pytest.param(
            n, id="-".join(t.__name__ for t in n), marks=[pytest.mark.exhaustive] if len(n) > 2 else []
        )
        for count in (1, 2, 3)
        for n in itertools.product(AROUND, repeat=count)
        if applies(n)
    ],
)
def test_a_callback_in_a_nesting(nesting: tuple[Any, ...]) -> None:
    value, seen = observed(_ours(), nesting)
    expected, jax_seen = observed(_theirs(), nesting)
    assert value == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert seen == jax_seen
