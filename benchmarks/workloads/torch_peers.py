"""The workloads that are measured beside PyTorch as well, as one would write them in `torch.func`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.func import grad, grad_and_value, vmap
from torch.utils import _pytree as tree

from benchmarks.frameworks import Framework
from benchmarks.workloads import WORKLOADS, gpt

__all__ = ["PEERS", "make"]


def _gpt_loss(params: Any, batch: Any) -> Any:
    def norm(p: Any, x: Any) -> Any:
        return F.layer_norm(x, x.shape[-1:], p["scale"], p["bias"])

    def attention(p: Any, x: Any) -> Any:
        b, t, d = x.shape
        q, k, v = (
            z.reshape(b, t, gpt.HEADS, d // gpt.HEADS).transpose(1, 2)
            for z in (x @ p["qkv"]).chunk(3, dim=-1)
        )
        y = _causal(q, k, v)
        return y.transpose(1, 2).reshape(b, t, d) @ p["out"]

    inputs, targets = batch[:, :-1], batch[:, 1:]
    x = params["embedding"][inputs] + params["positions"]
    for p in params["layers"]:
        x = x + attention(p, norm(p["norm1"], x))
        h = F.gelu(norm(p["norm2"], x) @ p["up"]["w"] + p["up"]["b"], approximate="tanh")
        x = x + h @ p["down"]["w"] + p["down"]["b"]
    logits = norm(params["norm"], x) @ params["embedding"].T
    return F.cross_entropy(logits.reshape(-1, gpt.VOCABULARY), targets.reshape(-1))


def _causal(q: Any, k: Any, v: Any) -> Any:
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    return torch.softmax(torch.where(mask, scores, -1e9), -1) @ v


def _logits(params: Any, x: Any) -> Any:
    for w, b in params[:-1]:
        x = torch.relu(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def _mlp(params: Any, x: Any, y: Any) -> Any:
    grads, value = grad_and_value(lambda p, x, y: F.cross_entropy(_logits(p, x), y))(params, x, y)
    return value, [(w - 0.1 * dw, b - 0.1 * db) for (w, b), (dw, db) in zip(params, grads, strict=True)]


def _per_example(params: Any, x: Any, y: Any) -> Any:
    def loss(params: Any, x: Any, y: Any) -> Any:
        return F.cross_entropy(_logits(params, x[None]), y[None])

    return vmap(grad(loss), (None, 0, 0))(params, x, y)


def _conv_loss(params: Any, x: Any, y: Any) -> Any:
    x = x.permute(0, 3, 1, 2)
    for w, b in params["convs"]:
        x = F.max_pool2d(torch.relu(F.conv2d(x, w.permute(3, 2, 0, 1), b, padding=1)), 2)
    w, b = params["dense"]
    return F.cross_entropy(x.permute(0, 2, 3, 1).reshape(x.shape[0], -1) @ w + b, y)


def _attention_loss(params: Any, x: Any) -> Any:
    b, t, d = x.shape
    q, k, v = (z.reshape(b, t, 4, d // 4).transpose(1, 2) for z in (x @ params["qkv"]).chunk(3, dim=-1))
    y = _causal(q, k, v).transpose(1, 2).reshape(b, t, d) @ params["out"]
    return (y**2).mean()


def _n_body(p: Any, v: Any) -> Any:
    def acceleration(position: Any) -> Any:
        difference = position[None] - position[:, None]
        square = (difference**2).sum(-1) + 1e-2
        return (difference * square[..., None] ** -1.5).sum(1)

    for _ in range(100):
        v = v + 5e-4 * acceleration(p)
        p = p + 1e-3 * v
        v = v + 5e-4 * acceleration(p)
    return p, v


def _shrink(x: Any) -> Any:
    for _ in range(10):
        x = x - 0.1 * x
    return x


PEERS: dict[str, Callable[..., Any]] = {
    "gpt-12": grad_and_value(_gpt_loss),
    "gpt-24": grad_and_value(_gpt_loss),
    "mlp": _mlp,
    "per-example": _per_example,
    "conv": grad_and_value(_conv_loss),
    "attention-512": grad_and_value(_attention_loss),
    "attention-2048": grad_and_value(_attention_loss),
    "n-body": _n_body,
    "n-body-grad": grad(lambda p, v: (_n_body(p, v)[0] ** 2).sum(), argnums=(0, 1)),
    "stream": _shrink,
}


class _Nothing:
    """Stands for a package whose transforms are only built, never called: the arguments are what is wanted."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def make(name: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A peer and its arguments, the same numbers as the others get."""
    nothing = _Nothing()
    _, arguments = WORKLOADS[name](Framework("torch", nothing, nothing, nothing, nothing, nothing))

    def tensor(x: Any) -> Any:
        t = torch.from_numpy(x)
        return t.long() if t.dtype == torch.int32 else t

    return PEERS[name], tree.tree_map(tensor, arguments)


if __name__ == "__main__":
    import json

    for _ in iter(input, ""):
        print(json.dumps(list(PEERS)), flush=True)
