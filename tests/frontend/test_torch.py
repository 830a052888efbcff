"""PyTorch models, exported by torch-mlir: mycc's gradient of the module against torch.autograd's of the model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mycc

DATA = Path(__file__).parent.parent / "data"


def check(f: Any, arrays: Any) -> None:
    """The value, the gradient, and the gradient of a batch of two."""
    x, ct = arrays["x"], arrays["ct"]
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(f(x), arrays["y"], **close)
    loss = mycc.grad(lambda x: (f(x) * ct).sum())
    np.testing.assert_allclose(mycc.jit(loss)(x), arrays["dx"], **close)
    np.testing.assert_allclose(mycc.vmap(loss)(np.stack([x, x])), np.stack([arrays["dx"]] * 2), **close)
    _, tangent = mycc.jvp(f, (x,), (np.ones_like(x),))
    np.testing.assert_allclose((np.asarray(tangent) * ct).sum(), arrays["dx"].sum(), **close)


@pytest.mark.parametrize("name", ["attention", "convolution", "perceptron", "vision"])
def test_gradients(name: str) -> None:
    check(mycc.from_stablehlo(DATA / f"torch_{name}.mlir"), np.load(DATA / f"torch_{name}.npz"))


@pytest.mark.parametrize("seed", range(2))
def test_exported_now(seed: int) -> None:
    """The same from the exporter itself, where it is installed."""
    pytest.importorskip("torch_mlir")
    spec = importlib.util.spec_from_file_location("torch_models", DATA / "torch_models.py")
    assert spec is not None and spec.loader is not None
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    text, arrays = models.exported(models.Attention(), (2, 3, 3), seed)
    check(mycc.from_stablehlo(text), arrays)
