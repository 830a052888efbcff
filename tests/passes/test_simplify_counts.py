"""Derivatives of what users spell out in plain array code, beside derivatives written by hand: how many operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import nn
from mycc.passes.symbols import operations

ROWS, COLUMNS = 32, 64
X = np.random.default_rng(0).standard_normal((ROWS, COLUMNS)).astype(np.float32)
CT = np.random.default_rng(1).standard_normal((ROWS, COLUMNS)).astype(np.float32)
G = np.linspace(0.5, 1.5, COLUMNS, dtype=np.float32)
LABELS = np.arange(ROWS, dtype=np.int32)
# What XLA does for nothing.
FREE = {"constant", "return", "broadcast_in_dim", "reshape", "optimization_barrier"}


def pulled(f: Callable[..., Any], *args: Any) -> Any:
    *inputs, ct = args
    y, pullback = mycc.vjp(f, *inputs)
    return y, pullback(ct)


def layer_norm(x, g, b):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / mnp.sqrt(variance + 1e-5) * g + b


def layer_norm_by_hand(x, g, b, ct):
    mean = x.mean(-1, keepdims=True)
    centered = x - mean
    scale = mycc.lax.rsqrt((centered * centered).mean(-1, keepdims=True) + 1e-5)
    normal, inner = centered * scale, ct * g
    along = (inner * normal).mean(-1, keepdims=True)
    dx = scale * (inner - inner.mean(-1, keepdims=True) - normal * along)
    return normal * g + b, (dx, (ct * normal).sum(0), ct.sum(0))


def softmax_by_hand(x, ct):
    exp = mnp.exp(x - x.max(-1, keepdims=True))
    y = exp / exp.sum(-1, keepdims=True)
    return y, ((ct - (ct * y).sum(-1, keepdims=True)) * y,)


def gelu(x):
    return 0.5 * x * (1 + mnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_by_hand(x, ct):
    k, square = math.sqrt(2 / math.pi), x * x
    t = mnp.tanh(k * x * (1 + 0.044715 * square))
    half = 0.5 * (1 + t)
    return x * half, (ct * (half + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * square)),)


def cross_entropy(x, labels):
    shifted = x - x.max(-1, keepdims=True)
    log = shifted - mnp.log(mnp.exp(shifted).sum(-1, keepdims=True))
    return -(log * nn.one_hot(labels, COLUMNS)).sum(-1).mean()


def cross_entropy_by_hand(x, labels):
    shifted = x - x.max(-1, keepdims=True)
    exp = mnp.exp(shifted)
    total = exp.sum(-1, keepdims=True)
    hot = (mnp.arange(COLUMNS)[None] == labels[:, None]).astype(x.dtype)
    return -((shifted - mnp.log(total)) * hot).sum(-1).mean(), (exp / total - hot) * (1 / ROWS)


# By hand are 24, 9, 19 and 16 operations. A maximum that is not held constant has a derivative, which cancels out
# only in exact arithmetic: most of what is more in a cross entropy.
CASES = {
    "layer norm": (lambda *a: pulled(layer_norm, *a), layer_norm_by_hand, (X, G, G, CT), 36),
    "softmax": (lambda *a: pulled(nn.softmax, *a), softmax_by_hand, (X, CT), 14),
    "gelu": (lambda *a: pulled(gelu, *a), gelu_by_hand, (X, CT), 25),
    "cross entropy": (
        lambda *a: mycc.value_and_grad(cross_entropy)(*a),
        cross_entropy_by_hand,
        (X, LABELS),
        31,
    ),
}


def count(f: Callable[..., Any], args: tuple[Any, ...]) -> int:
    module = mycc.jit(f).lower(*args).module
    names = [op.name.partition(".")[2] for f in module.body.operations for op in operations(f.operation)]
    # The body of a reduction is no work of its own.
    return sum(name not in FREE for name in names) - names.count("reduce")


@pytest.mark.parametrize("name", CASES)
def test_derivative_beside_one_by_hand(name: str) -> None:
    plain, by_hand, args, most = CASES[name]
    for ours, expected in zip(
        mycc.tree.leaves(mycc.jit(plain)(*args)), mycc.tree.leaves(mycc.jit(by_hand)(*args)), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=2e-4, atol=2e-5)
    assert count(by_hand, args) <= count(plain, args) <= most
