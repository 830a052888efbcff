"""Which eager programs XLA compiles with its fast emitters, and that these compute the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.nn
import mycc.numpy as mnp
from mycc import lax
from mycc.eager import is_tiny
from mycc.lowering.settings import CompileSettings
from mycc.stages import Compiled, observe

X = np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32)


def _chain(count: int) -> Callable[[Any], Any]:
    def chain(x: Any) -> Any:
        for _ in range(count):
            x = mnp.sin(x) * x
        return x

    return chain


CASES = {
    "add": (lambda x: x + 1, True),
    "sum": (lambda x: mnp.sum(x, axis=0), True),
    "softmax": (mycc.nn.softmax, True),
    "exp": (mnp.exp, False),
    "chain of 10": (_chain(10), True),
    "chain of 30": (_chain(30), False),
    "loop": (lambda x: lax.fori_loop(0, 5, lambda i, y: mnp.tanh(y), x), False),
    "three reductions": (lambda x: mycc.nn.softmax(x) * mnp.sum(x, axis=1, keepdims=True), False),
}


@pytest.mark.parametrize("name", CASES)
def test_which_are_tiny(name: str) -> None:
    f, tiny = CASES[name]
    lowered = mycc.jit(f).lower(X)
    assert is_tiny(lowered.module) is tiny
    fast, full = (lowered.compile(CompileSettings(tiny=t))(X) for t in (True, False))
    np.testing.assert_allclose(np.asarray(fast), np.asarray(full), rtol=1e-6, atol=1e-6)


def test_transforms_are_judged_by_what_they_become() -> None:
    compiled: list[Compiled] = []
    with observe(compiled.append):
        mycc.grad(lambda x: mnp.sum(mycc.nn.softmax(x, axis=0) ** 3))(X)
        mycc.grad(lambda x: mnp.sum(x * x))(X)
    assert [c.executable.options.tiny for c in compiled] == [False, True]
