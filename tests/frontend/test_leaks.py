"""Memory: traces and programs that nobody holds are given back."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax

block = mycc.jit(lambda x, w: mnp.tanh(x @ w))
W = np.random.default_rng(0).normal(size=(64, 64))


def network(x: Any, w: Any) -> Any:
    for _ in range(3):
        x = block(x, w)
    return mnp.sum(x)


def resident() -> float:
    """Resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def growth(run: Callable[[], None], count: int) -> tuple[float, int]:
    """Megabytes and Python objects that ``count`` runs add, after some that warm up."""
    for _ in range(max(10, count // 20)):
        run()
    gc.collect()
    memory, objects = resident(), len(gc.get_objects())
    for _ in range(count):
        run()
    gc.collect()
    return resident() - memory, len(gc.get_objects()) - objects


def trace() -> None:
    # An array of 51 kB per trace: as a constant it would live in the MLIR context for ever.
    big = np.random.default_rng(0).normal(size=(100, 64))

    def loss(w: Any) -> Any:
        total, _ = lax.scan(lambda c, x: (c + x, None), 0.0, np.arange(3.0))
        return network(mnp.asarray(big), w) + total

    mycc.jit(mycc.value_and_grad(loss)).trace(W)


def lower() -> None:
    mycc.jit(mycc.vmap(mycc.grad(lambda w: network(W, w)))).lower(W[None])


def differentiate() -> None:
    mycc.value_and_grad(lambda w: network(W, w))(W)


def fail() -> None:
    with pytest.raises(ValueError, match="boom"):
        mycc.jit(mycc.grad(lambda w: boom(network(W, w))))(W)


def boom(x: Any) -> Any:
    raise ValueError("boom")


def compile_and_drop() -> None:
    mycc.jit(lambda x: mnp.sin(x) * 2.0)(1.0)


@pytest.mark.parametrize(
    ("run", "count"), [(trace, 1000), (lower, 60), (differentiate, 100), (fail, 200), (compile_and_drop, 60)]
)
def test_no_growth(run: Callable[[], None], count: int) -> None:
    megabytes, objects = growth(run, count)
    assert megabytes < 16, f"{count} runs added {megabytes:.1f} MB"
    assert objects < 200, f"{count} runs added {objects} Python objects"


def test_a_dropped_function_gives_back_what_it_captured() -> None:
    def make() -> tuple[Any, Any]:
        captured = mnp.ones(100_000)
        return mycc.jit(lambda x: x + captured), weakref.ref(captured)

    f, dropped = make()
    f(1.0)
    assert dropped() is not None
    del f
    gc.collect()
    assert dropped() is None


def test_residuals_live_as_long_as_their_pullback() -> None:
    x = mnp.ones(1000)
    _, pullback = mycc.vjp(lambda x: mnp.sin(x), x)
    (residual,) = (weakref.ref(leaf) for leaf in mycc.tree.leaves(pullback))
    assert residual() is not None
    del pullback
    gc.collect()
    assert residual() is None


def test_eager_programs_hold_no_arguments() -> None:
    x = mnp.ones(1000)
    mycc.grad(lambda x: mnp.sum(x * x))(x)
    dropped = weakref.ref(x)
    del x
    gc.collect()
    assert dropped() is None
