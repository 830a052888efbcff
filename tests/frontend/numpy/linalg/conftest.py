"""What the tests of linear algebra share: derivatives of array functions against central differences and loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import tree

STEP = 1e-3


def _check(f: Callable[..., Any], *args: Any, rtol: float = 1e-7, second: bool = False) -> None:
    """jvp against differences, vjp against jvp, vmap against a loop; of f, and of its gradient if ``second``."""

    def flat(*xs: Any) -> Any:
        leaves = [mnp.ravel(leaf) for leaf in tree.leaves(f(*xs))]
        parts = [p for v in leaves for p in ([v.real, v.imag] if v.dtype.kind == "c" else [v])]
        return mnp.concatenate(parts)

    rng = np.random.default_rng(7)
    dtypes = [np.complex128 if np.iscomplexobj(x) else np.float64 for x in args]
    tangents = [
        rng.normal(size=np.shape(x)) + (1j * rng.normal(size=np.shape(x)) if d is np.complex128 else 0)
        for x, d in zip(args, dtypes, strict=True)
    ]
    value, pushed = mycc.jit(lambda xs, ts: mycc.jvp(flat, xs, ts))(tuple(args), tuple(tangents))
    run = mycc.jit(flat)
    a, b, c, d = (
        np.asarray(run(*(x + k * STEP * t for x, t in zip(args, tangents, strict=True))))
        for k in (-2, -1, 1, 2)
    )
    want = (a - d + 8 * (c - b)) / (12 * STEP)
    scale = max(1.0, float(np.abs(want).max(initial=0)))
    np.testing.assert_allclose(pushed, want, rtol=rtol, atol=rtol * scale)
    ct = rng.normal(size=value.shape)

    def gradient(*xs: Any) -> Any:
        return mycc.vjp(flat, *xs)[1](mnp.asarray(ct))

    pulled = mycc.jit(gradient)(*args)
    left = float(np.sum(ct * np.asarray(pushed)))
    right = sum(float(np.sum(np.real(np.asarray(p) * t))) for p, t in zip(pulled, tangents, strict=True))
    assert left == pytest.approx(right, rel=1e-9, abs=1e-9 * scale)
    batch = [np.stack([x, x + 0.1 * t]) for x, t in zip(args, tangents, strict=True)]
    both = mycc.jit(mycc.vmap(flat))(*batch)
    for i in range(2):
        np.testing.assert_allclose(both[i], run(*(x[i] for x in batch)), rtol=1e-8, atol=1e-9)
    if second:
        _check(gradient, *args, rtol=1e-5)


@pytest.fixture(scope="session")
def check_derivatives() -> Callable[..., None]:
    return _check
