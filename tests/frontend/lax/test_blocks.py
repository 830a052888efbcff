"""`scan` and `fori_loop` with ``unroll``, `map` with ``batch_size``: as without them, in fewer trips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
from mycc import lax, random

ROWS = np.arange(7, dtype=np.float64) / 3
HERE = r"test_blocks\.py:\d+: "


def by_hand(w: float, reverse: bool) -> tuple[float, np.ndarray[Any, Any]]:
    carry, ys = 0.5, np.zeros(7)
    for i in reversed(range(7)) if reverse else range(7):
        carry, ys[i] = carry * w + ROWS[i], carry * ROWS[i]
    return carry, ys


def scanned(w: Any, reverse: bool, unroll: Any) -> Any:
    # The weight is captured, so that functions of functions meet it as well.
    return lax.scan(lambda c, x: (c * w + x, c * x), np.float64(0.5), ROWS, reverse=reverse, unroll=unroll)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [2, 3, 7, 20, True])
def test_scan(unroll: Any, reverse: bool) -> None:
    carry, ys = by_hand(0.8, reverse)
    for wrap in (lambda f: f, mycc.jit):
        got = wrap(lambda w: scanned(w, reverse, unroll))(np.array(0.8))
        np.testing.assert_allclose(got[0], carry, rtol=1e-12)
        np.testing.assert_allclose(got[1], ys, rtol=1e-12)

    def total(w: Any) -> Any:
        return scanned(w, reverse, unroll)[1].sum()

    points = np.array([0.3, 0.8])
    step = 1e-6
    slopes = [
        (by_hand(w + step, reverse)[1] - by_hand(w - step, reverse)[1]).sum() / (2 * step) for w in points
    ]
    np.testing.assert_allclose(mycc.vmap(mycc.grad(total))(points), slopes, rtol=1e-7)
    np.testing.assert_allclose(mycc.vmap(mycc.jacfwd(total))(points), slopes, rtol=1e-7)


def test_a_trip_takes_several_rows() -> None:
    text = mycc.jit(lambda w: scanned(w, False, 3)).lower(np.array(0.8)).as_text()
    assert text.count("stablehlo.while") == 1 and "tensor<2x3xf64>" in text
    assert "stablehlo.while" not in mycc.jit(lambda w: scanned(w, False, True)).lower(np.array(0.8)).as_text()


def test_scan_of_trees_and_nothing() -> None:
    carry, ys = lax.scan(lambda c, _: ({"n": c["n"] + 1.5}, None), {"n": 0}, None, 5, unroll=2)
    assert (float(carry["n"]), ys) == (7.5, None)
    assert lax.scan(lambda c, _: (c + 1, None), 3, None, 0, unroll=2) == (3, None)


def test_fori_loop() -> None:
    assert int(lax.fori_loop(0, 5, lambda i, c: c + i, 0, unroll=2)) == 10
    assert int(lax.fori_loop(5, 0, lambda i, c: c + i, 4, unroll=2)) == 4
    assert (
        float(mycc.grad(lambda x: lax.fori_loop(1, 6, lambda i, c: c * x * i, 1.0, unroll=True))(2.0))
        == 120 * 80
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 9])
def test_map(size: int) -> None:
    got = lax.map(lambda d: d["x"] ** 2 + d["y"].sum(), {"x": ROWS, "y": np.ones((7, 2))}, batch_size=size)
    np.testing.assert_allclose(got, ROWS**2 + 2, rtol=1e-12)
    slope = mycc.jit(mycc.grad(lambda xs: lax.map(lambda x: x**2, xs, batch_size=size).sum()))(ROWS)
    np.testing.assert_allclose(slope, 2 * ROWS, rtol=1e-12)


def test_map_of_keys() -> None:
    keys = random.split(random.key(3), 5)
    alone = [float(random.normal(key)) for key in keys]
    np.testing.assert_allclose(lax.map(random.normal, keys, batch_size=2), alone, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: scanned(1.0, False, -1), ValueError, "unroll=-1"),
        (lambda: scanned(1.0, False, "all"), TypeError, "an integer unroll, got 'all'"),
        (lambda: lax.map(lambda x: x, ROWS, batch_size=0), ValueError, "batch_size=0"),
        (
            lambda: mycc.jit(lambda n: lax.fori_loop(0, n, lambda i, c: c, 0, unroll=2))(3),
            ValueError,
            "drop unroll",
        ),
    ],
)
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=HERE + ".*" + words):
        call()
