"""mycc and JAX under the same names, so that a workload is one text for both."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

__all__ = ["NAMES", "Framework", "framework"]

NAMES = ("mycc", "jax")


@dataclass(frozen=True)
class Framework:
    """A package with jit, grad and vmap, and its modules that workloads use."""

    name: str
    package: Any
    np: Any
    nn: Any
    lax: Any
    random: Any


def framework(name: str) -> Framework:
    """The framework called "mycc" or "jax", imported only now: each is timed in a process of its own."""
    modules = [importlib.import_module(f"{name}.{part}") for part in ("numpy", "nn", "lax", "random")]
    return Framework(name, importlib.import_module(name), *modules)
