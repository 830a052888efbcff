"""Reverse mode with few checkpoints: how often the body runs, counted in the program, and how much memory it takes."""

from __future__ import annotations

from math import log2
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax

X = np.float64(0.3)


def advances(n: int, slots: int) -> int:
    """How many trips the bisection of `mycc.dialects.rules.sweeps` runs again, in plain Python."""
    marks, total = [0], 0
    for after in range(n, 0, -1):
        trip, mark = after - 1, marks[-1]
        while mark < trip:
            room = len(marks) < slots
            goal = mark + (after - mark) // 2 if room else trip
            total += goal - mark
            mark = goal
            if room:
                marks.append(mark)
        if marks[-1] == trip:
            marks.pop()
    return total


def bound(n: int, slots: int) -> float:
    """What the documentation of `while_loop` states."""
    return n * log2(n) / 2 + n**2 / (2 * 3 ** (slots - 1))


@pytest.mark.parametrize("slots", [1, 2, 4, 8, 64])
def test_the_body_runs_as_often_as_is_said(slots: int) -> None:
    calls = 0

    def tick(c: Any) -> Any:
        nonlocal calls
        calls += 1
        return c

    def body(i: Any, c: Any) -> Any:
        same = mycc.pure_callback(tick, mycc.ShapeDtypeStruct((), "float64"), lax.stop_gradient(c))
        return mnp.sin(c + 0.0 * same)

    loop = mycc.jit(mycc.value_and_grad(lambda x, n: lax.fori_loop(0, n, body, x, checkpoints=slots)))
    for n in (0, 1, 2, 7, 37, 100, *((2000,) if slots > 4 else ())):
        calls = 0
        value, slope = loop(X, np.int32(n))
        c, wanted = float(X), 1.0
        for _ in range(n):
            c, wanted = np.sin(c), wanted * np.cos(c)
        np.testing.assert_allclose([value, slope], [c, wanted], rtol=1e-12)
        # Once forward, once for its pullback, and what is run again.
        assert calls == 2 * n + advances(n, slots)


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 8, 64])
def test_what_is_run_again_is_bounded(slots: int) -> None:
    sizes = [*range(1, 300), 500, 512, 999, 1000, 1024, 1500, *((2000, 4096) if slots > 1 else ())]
    ratios = [advances(n, slots) / bound(n, slots) for n in sizes if n > 1]
    # The bound holds, and is no empty promise.
    assert 0.9 < max(ratios) <= 1


def temporaries(n: int | None, slots: int, size: int) -> int:
    def f(x: Any, trips: Any) -> Any:
        return lax.fori_loop(
            0, trips if n is None else n, lambda i, c: mnp.sin(c), x, checkpoints=slots
        ).sum()

    lowered = mycc.jit(mycc.grad(f)).lower(np.ones(size), np.int32(3))
    return int(lowered.compile().memory_analysis()["temp"])


def test_memory_grows_with_the_slots_and_not_with_the_trips() -> None:
    size = 1000
    few, many = temporaries(None, 8, size), temporaries(None, 64, size)
    # The carry, its cotangent, and what is at work beside the slots.
    assert 8 * 8 * size <= few <= (8 + 4) * 8 * size
    assert many - few <= 1.05 * (64 - 8) * 8 * size
    assert temporaries(10, 8, size) == temporaries(5000, 8, size) == few
