"""Convolutions: a small network with pooling, and a residual block with batch normalization."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework


def _conv(f: Framework, x: Any, w: Any) -> Any:
    return f.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def conv_net(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """value_and_grad of three convolutions with relu and max pooling on 64 images of 32 x 32 x 3."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)

    sizes = [3, 32, 64, 64]
    params = {
        "convs": [(normal(3, 3, m, n), np.zeros(n, np.float32)) for m, n in pairwise(sizes)],
        "dense": (normal(4 * 4 * 64, 10), np.zeros(10, np.float32)),
    }
    images = rng.standard_normal((64, 32, 32, 3)).astype(np.float32)
    labels = rng.integers(0, 10, 64).astype(np.int32)

    def loss(params: Any, x: Any, y: Any) -> Any:
        for w, b in params["convs"]:
            x = f.nn.relu(_conv(f, x, w) + b)
            x = f.lax.reduce_window(x, -np.inf, f.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        w, b = params["dense"]
        scores = f.nn.log_softmax(x.reshape(x.shape[0], -1) @ w + b)
        return -f.np.mean(f.np.take_along_axis(scores, y[:, None], axis=1))

    return f.package.value_and_grad(loss), (params, images, labels)


def residual_block(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """value_and_grad of a residual block of 64 channels with batch normalization on 32 maps of 16 x 16."""
    rng = np.random.default_rng(0)
    channels = 64

    def layer() -> Any:
        w = (rng.standard_normal((3, 3, channels, channels)) / 24).astype(np.float32)
        return w, np.ones(channels, np.float32), np.zeros(channels, np.float32)

    x = rng.standard_normal((32, 16, 16, channels)).astype(np.float32)

    def norm(x: Any, scale: Any, bias: Any) -> Any:
        mean = f.np.mean(x, axis=(0, 1, 2))
        var = f.np.var(x, axis=(0, 1, 2))
        return (x - mean) / f.np.sqrt(var + 1e-5) * scale + bias

    def loss(params: Any, x: Any) -> Any:
        (w1, s1, b1), (w2, s2, b2) = params
        y = f.nn.relu(norm(_conv(f, x, w1), s1, b1))
        y = f.nn.relu(x + norm(_conv(f, y, w2), s2, b2))
        return f.np.mean(y**2)

    return f.package.value_and_grad(loss), ([layer(), layer()], x)
