"""`outline`: layers that a Python loop repeats are derived once, with the derivatives of the loop."""

from __future__ import annotations

import numpy as np
import pytest

import mycc
import mycc.nn
import mycc.numpy as mnp
from mycc.dialects.mlir import context
from mycc.passes.base import collect_statistics
from mycc.passes.outline import Outline
from mycc.passes.pipeline import Pipeline


def layer(w, b, x):
    h = mycc.nn.gelu((x - x.mean(-1, keepdims=True)) / mnp.sqrt(x.var(-1, keepdims=True) + 1e-5) @ w + b)
    return x + h / (1.0 + mnp.exp(-h).sum(-1, keepdims=True))


def parameters(count):
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((5, 5)) / 3, rng.standard_normal(5)) for _ in range(count)]


def deep(ps, x):
    for w, b in ps:
        x = layer(w, b, x)
    return x


def loss(ps, x):
    return (deep(ps, x) ** 2).sum()


def outlined(f, *args):
    """How often `outline` finds something to do in what is traced."""
    module = mycc.jit(f).trace(*args).module
    with context, collect_statistics() as statistics:
        Pipeline([Outline()]).run(module)
    return statistics.get("outline", {}).get("outlined functions", 0)


X = np.random.default_rng(1).standard_normal((3, 5))


@pytest.mark.parametrize("count", [4, 7, 16])
def test_gradient_against_differences(count):
    ps = parameters(count)
    assert outlined(mycc.grad(loss), ps, X) >= 1
    gradient = mycc.jit(mycc.grad(loss))(ps, X)
    rng = np.random.default_rng(2)
    direction = [(rng.standard_normal(w.shape), rng.standard_normal(b.shape)) for w, b in ps]
    step = 1e-6

    def moved(sign):
        return mycc.tree.map(lambda p, d: p + sign * step * d, ps, direction)

    slope = (float(loss(moved(1), X)) - float(loss(moved(-1), X))) / (2 * step)
    inner = sum(
        float((g * d).sum()) for g, d in zip(*map(mycc.tree.leaves, (gradient, direction)), strict=True)
    )
    np.testing.assert_allclose(inner, slope, rtol=1e-6)


def test_nested_transforms_agree_with_the_functions_without_repetition():
    ps = parameters(6)

    def loop(x):
        stacked = tuple(mnp.stack([p[i] for p in ps]) for i in range(2))
        return (mycc.lax.fori_loop(0, 6, lambda i, x: layer(stacked[0][i], stacked[1][i], x), x) ** 2).sum()

    for order in (
        lambda f: mycc.jvp(f, (X,), (X,))[1],
        lambda f: mycc.jacfwd(f)(X),
        lambda f: mycc.vmap(lambda row: mycc.jvp(f, (row[None],), (row[None],))[1])(X),
    ):
        np.testing.assert_allclose(order(lambda x: loss(ps, x)), order(loop), rtol=1e-9)
    hessian = mycc.jit(mycc.hessian(lambda x: loss(ps, x[None])))(X[0])
    np.testing.assert_allclose(hessian, np.asarray(hessian).T, rtol=1e-8)


def test_frozen_layers_have_derivatives_of_their_own():
    ps = parameters(8)

    def partly(top, x):
        return loss([*ps[:4], *top], x)

    whole, part = mycc.grad(loss)(ps, X), mycc.grad(partly)(ps[4:], X)
    for a, b in zip(mycc.tree.leaves(whole[4:]), mycc.tree.leaves(part), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_short_steps_go_together():
    def many(x):
        for _ in range(200):
            x = mnp.sin(x) * 1.1 + 0.1
        return x

    assert outlined(mycc.grad(many), 0.5) >= 1
    x, slope = 0.5, 1.0
    for _ in range(200):
        x, slope = np.sin(x) * 1.1 + 0.1, slope * np.cos(x) * 1.1
    np.testing.assert_allclose(mycc.grad(many)(np.float64(0.5)), slope, rtol=1e-10)


def test_what_every_stretch_needs_and_what_only_some_give():
    def f(x, ys):
        kept = []
        mask = mnp.cumsum(x)
        for y in ys:
            x = (
                mnp.tanh(x * y + mask)
                - mnp.exp(-x) * mnp.cos(mask)
                + mnp.sqrt(mnp.abs(y * x) + 1.0) * mnp.sin(x)
            )
            kept.append(mnp.sum(x * mask))
        return x.sum() + kept[2] * kept[5]

    x, ys = np.linspace(0.1, 0.7, 4), [np.full(4, 0.3 + 0.1 * i) for i in range(9)]
    assert outlined(mycc.grad(f), x, ys) >= 1
    gradient = mycc.grad(f)(x, ys)
    for i in range(4):
        step = np.zeros(4)
        step[i] = 1e-6
        slope = (float(f(x + step, ys)) - float(f(x - step, ys))) / 2e-6
        np.testing.assert_allclose(gradient[i], slope, rtol=1e-6)


def test_nothing_is_repeated_without_transforms():
    assert outlined(loss, parameters(6), X) == 0
