"""Writes the modules beside this file: small PyTorch models as torch-mlir exports them, with torch's gradients.

    python tests/data/torch_models.py

It takes torch and torch-mlir (2.13.0 and 20261001 wrote what is there), which no test of mycc installs. For each
model it writes ``NAME.mlir`` and ``NAME.npz``: the input ``x``, the output ``y``, a cotangent ``ct``, and the
gradient ``dx`` of ``(y * ct).sum()`` by ``torch.autograd``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch_mlir import fx

HERE = Path(__file__).parent


class Attention(nn.Module):
    """A layer norm, self-attention with two heads, and a GELU network around them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From (batch, length, 3) to (batch, 2)."""
        h = nn.functional.gelu(self.norm(self.first(x)))
        h = h + self.attention(h, h, h, need_weights=False)[0]
        return torch.tanh(self.last(h)).mean(1)


class Convolution(nn.Module):
    """A convolution, pooling and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3, padding=1)
        self.last = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From (batch, 1, 4, 4) to (batch, 3)."""
        h = nn.functional.max_pool2d(torch.relu(self.convolution(x)), 2)
        return self.last(h.flatten(1))


class Perceptron(nn.Module):
    """Three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 8), nn.LeakyReLU(), nn.Linear(8, 3), nn.LogSoftmax(-1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From (batch, 4) to (batch, 3)."""
        y: torch.Tensor = self.layers(x)
        return y


class Vision(nn.Module):
    """A convolution with strides and a pooling, a layer norm, and attention between the places."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.last = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From (batch, 2, 8, 8) to (batch, 3)."""
        h = nn.functional.avg_pool2d(torch.relu(self.convolution(x)), 2)
        h = self.norm(h.flatten(2).transpose(1, 2))
        h = h + self.attention(h, h, h, need_weights=False)[0]
        return self.last(h.mean(1))


def exported(model: nn.Module, shape: tuple[int, ...], seed: int) -> tuple[str, dict[str, Any]]:
    """The module of a model, and its values and gradient at a random input."""
    torch.manual_seed(seed)
    model = model.eval()
    x = torch.randn(shape, requires_grad=True)
    y = model(x)
    ct = torch.randn(y.shape)
    (dx,) = torch.autograd.grad((y * ct).sum(), x)
    text = str(fx.export_and_import(model, torch.randn(shape), output_type="stablehlo"))
    arrays = {"x": x, "y": y, "ct": ct, "dx": dx}
    return text, {name: value.detach().numpy() for name, value in arrays.items()}


MODELS: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "attention": (Attention, (2, 3, 3)),
    "convolution": (Convolution, (2, 1, 4, 4)),
    "perceptron": (Perceptron, (5, 4)),
    "vision": (Vision, (2, 2, 8, 8)),
}


def main() -> None:
    """Write all."""
    for seed, (name, (model, shape)) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        text, arrays = exported(model(), shape, seed)
        (HERE / f"torch_{name}.mlir").write_text(text)
        np.savez(HERE / f"torch_{name}.npz", **arrays)


if __name__ == "__main__":
    main()
