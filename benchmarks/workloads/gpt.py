"""A GPT's loss in plain NumPy style: the same text for `mycc.numpy` and `jax.numpy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework

LAYERS, WIDTH, LENGTH, BATCH, HEADS, VOCABULARY = 12, 256, 128, 4, 8, 512


def training(layers: int) -> Callable[[Framework], tuple[Callable[..., Any], tuple[Any, ...]]]:
    """A maker of value_and_grad of the loss of a GPT of `layers` layers."""

    def make(f: Framework) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return f.package.value_and_grad(loss_of(f.np, f.nn)), (parameters(layers), tokens())

    return make


def parameters(layers: int = LAYERS, seed: int = 0) -> dict[str, Any]:
    """Random float32 parameters as NumPy arrays."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return (0.02 * rng.standard_normal(shape)).astype(np.float32)

    def layer() -> dict[str, Any]:
        return {
            "norm1": {"scale": np.ones(WIDTH, np.float32), "bias": np.zeros(WIDTH, np.float32)},
            "qkv": normal(WIDTH, 3 * WIDTH),
            "out": normal(WIDTH, WIDTH),
            "norm2": {"scale": np.ones(WIDTH, np.float32), "bias": np.zeros(WIDTH, np.float32)},
            "up": {"w": normal(WIDTH, 4 * WIDTH), "b": np.zeros(4 * WIDTH, np.float32)},
            "down": {"w": normal(4 * WIDTH, WIDTH), "b": np.zeros(WIDTH, np.float32)},
        }

    return {
        "embedding": normal(VOCABULARY, WIDTH),
        "positions": normal(LENGTH, WIDTH),
        "layers": [layer() for _ in range(layers)],
        "norm": {"scale": np.ones(WIDTH, np.float32), "bias": np.zeros(WIDTH, np.float32)},
    }


def tokens(seed: int = 1) -> np.ndarray[Any, Any]:
    """A batch of token sequences, int32[BATCH, LENGTH + 1]."""
    return np.random.default_rng(seed).integers(0, VOCABULARY, (BATCH, LENGTH + 1)).astype(np.int32)


def loss_of(xp: Any, nn: Any) -> Any:
    """The mean cross entropy of next-token prediction, written with an array namespace and its `nn`."""

    def norm(p: Any, x: Any) -> Any:
        mean = xp.mean(x, axis=-1, keepdims=True)
        var = xp.mean((x - mean) ** 2, axis=-1, keepdims=True)
        return (x - mean) / xp.sqrt(var + 1e-5) * p["scale"] + p["bias"]

    def attention(p: Any, x: Any) -> Any:
        b, t, d = x.shape
        q, k, v = xp.split(x @ p["qkv"], 3, axis=-1)
        q, k, v = (z.reshape(b, t, HEADS, d // HEADS).transpose(0, 2, 1, 3) for z in (q, k, v))
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(d // HEADS).astype(np.float32)
        mask = xp.tril(xp.ones((t, t), dtype=bool))
        weights = nn.softmax(xp.where(mask, scores, -1e9), axis=-1)
        return (weights @ v).transpose(0, 2, 1, 3).reshape(b, t, d) @ p["out"]

    def block(p: Any, x: Any) -> Any:
        x = x + attention(p, norm(p["norm1"], x))
        h = nn.gelu(norm(p["norm2"], x) @ p["up"]["w"] + p["up"]["b"])
        return x + h @ p["down"]["w"] + p["down"]["b"]

    def loss(params: Any, batch: Any) -> Any:
        inputs, targets = batch[:, :-1], batch[:, 1:]
        x = params["embedding"][inputs] + params["positions"]
        for p in params["layers"]:
            x = block(p, x)
        logits = norm(params["norm"], x) @ params["embedding"].T
        log_probabilities = nn.log_softmax(logits, axis=-1)
        picked = xp.take_along_axis(log_probabilities, targets[..., None], axis=-1)
        return -xp.mean(picked)

    return loss
