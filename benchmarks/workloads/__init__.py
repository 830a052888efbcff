"""What is measured: each workload is a function and its arguments, in the same words for mycc and JAX.

A workload is a maker: given a :class:`benchmarks.frameworks.Framework` it returns a function, to be compiled, and
NumPy arguments. What is measured beside PyTorch has a maker in :mod:`benchmarks.workloads.torch_peers` as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.frameworks import Framework
from benchmarks.workloads import attention, deep, gpt, images, nets, simulation, solvers, stream

__all__ = ["EAGER", "WORKLOADS", "Maker"]

Maker = Callable[[Framework], tuple[Callable[..., Any], tuple[Any, ...]]]

WORKLOADS: dict[str, Maker] = {
    "gpt-12": gpt.training(12),
    "gpt-24": gpt.training(24),
    "mlp": nets.mlp,
    "per-example": nets.per_example,
    "rnn": nets.rnn,
    "conv": images.conv_net,
    "resnet": images.residual_block,
    "attention-512": attention.training(512),
    "attention-2048": attention.training(2048),
    "deep-16": deep.training(16),
    "deep-64": deep.training(64),
    "deep-256": deep.training(256),
    "n-body": simulation.n_body,
    "n-body-grad": simulation.n_body_gradient,
    "settle": simulation.settle,
    "solves": solvers.gaussian_likelihoods,
    "stream": stream.shrink,
}

# Run as they stand, each operation by itself.
EAGER: dict[str, Maker] = {"eager": stream.eager}
