"""Gather and scatter against loops over windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
from mycc import lax

_RNG = np.random.default_rng(2)
X = _RNG.standard_normal((5, 4)).astype(np.float32)

ROWS = lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
PUT_ROWS = lax.ScatterDimensionNumbers(
    update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,)
)
WINDOWS = lax.GatherDimensionNumbers(offset_dims=(1, 2), collapsed_slice_dims=(), start_index_map=(0, 1))
PUT_WINDOWS = lax.ScatterDimensionNumbers(
    update_window_dims=(1, 2), inserted_window_dims=(), scatter_dims_to_operand_dims=(0, 1)
)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_rows(dtype: str) -> None:
    at = np.array([[0], [4], [2]], dtype)
    for mode in ("clip", "fill", "promise_in_bounds", lax.GatherScatterMode.CLIP, None):
        np.testing.assert_array_equal(lax.gather(X, at, ROWS, (1, 4), mode=mode), X[[0, 4, 2]])


def test_modes_of_gather() -> None:
    at = np.array([[1, 2], [4, 1], [-1, 0], [9, 9]], np.int32)
    corners = [(1, 2), (3, 1), (0, 0), (3, 2)]
    windows = np.stack([X[i : i + 2, j : j + 2] for i, j in corners])
    np.testing.assert_array_equal(lax.gather(X, at, WINDOWS, (2, 2), mode="clip"), windows)
    filled = np.where(np.array([True, False, False, False])[:, None, None], windows, np.nan)
    np.testing.assert_array_equal(lax.gather(X, at, WINDOWS, (2, 2)), filled)
    found = lax.gather(X, at, WINDOWS, (2, 2), mode="fill", fill_value=7)
    np.testing.assert_array_equal(found, np.nan_to_num(filled, nan=7))
    ints = X.astype(np.uint8)
    assert np.all(np.asarray(lax.gather(ints, at, WINDOWS, (2, 2)))[1:] == 255)
    with pytest.raises(ValueError, match="no mode 'wrap'"):
        lax.gather(X, at, WINDOWS, (2, 2), mode="wrap")
    with pytest.raises(TypeError, match="windows of size"):
        lax.gather(X, at, WINDOWS, (2, 5))


def test_batched_gather() -> None:
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(),
        collapsed_slice_dims=(1,),
        start_index_map=(1,),
        operand_batching_dims=(0,),
        start_indices_batching_dims=(0,),
    )
    at = np.array([3, 0, 1, 2, 2], np.int32)
    np.testing.assert_array_equal(lax.gather(X, at[:, None], numbers, (1, 1)), X[np.arange(5), at])


SCATTERS = [
    ("scatter_add", np.add),
    ("scatter_sub", np.subtract),
    ("scatter_mul", np.multiply),
    ("scatter_min", np.minimum),
    ("scatter_max", np.maximum),
]


@pytest.mark.parametrize(("name", "combine"), SCATTERS)
def test_scatters(name: str, combine: Any) -> None:
    at = np.array([[1], [4], [1], [9], [-1]], np.int32)
    updates = _RNG.standard_normal((5, 4)).astype(np.float32)
    expected = X.copy()
    for (i,), row in zip(at, updates, strict=True):
        if 0 <= i < 5:
            expected[i] = combine(expected[i], row)
    found = getattr(lax, name)(X, at, updates, PUT_ROWS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    clipped = X.copy()
    for (i,), row in zip(np.clip(at, 0, 4), updates, strict=True):
        clipped[i] = combine(clipped[i], row)
    found = getattr(lax, name)(X, at, updates, PUT_ROWS, mode="clip")
    np.testing.assert_allclose(found, clipped, rtol=1e-6)


def test_replacing_windows() -> None:
    at = np.array([[0, 0], [3, 2]], np.int32)
    updates = np.zeros((2, 2, 2), np.float32)
    expected = X.copy()
    expected[:2, :2] = expected[3:5, 2:4] = 0
    found = lax.scatter(X, at, updates, PUT_WINDOWS, unique_indices=True, indices_are_sorted=True)
    np.testing.assert_array_equal(found, expected)
    # A window that would leave the array is dropped, or with "clip" moved inside.
    outside = np.array([[4, 3]], np.int32)
    np.testing.assert_array_equal(lax.scatter(X, outside, updates[:1], PUT_WINDOWS), X)
    expected = X.copy()
    expected[3:5, 2:4] = 0
    found = lax.scatter(X, outside, updates[:1], PUT_WINDOWS, mode="clip")
    np.testing.assert_array_equal(found, expected)


def test_applying_a_function() -> None:
    at = np.array([[1], [3]], np.int32)
    found = lax.scatter_apply(X, at, lambda v: 2.0 * v + 1, PUT_ROWS, update_shape=(2, 4))
    expected = X.copy()
    expected[[1, 3]] = 2 * expected[[1, 3]] + 1
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_under_transforms() -> None:
    at = np.array([[1], [3], [1]], np.int32)
    weights = _RNG.standard_normal((3, 4)).astype(np.float32)

    def taken(x: Any) -> Any:
        return lax.reduce_sum(lax.mul(lax.gather(x, at, ROWS, (1, 4)), weights), (0, 1))

    expected = np.zeros_like(X)
    np.add.at(expected, at[:, 0], weights)
    np.testing.assert_allclose(mycc.grad(taken)(X), expected, rtol=1e-6)
    batch = np.stack([X, -X])
    found = mycc.vmap(lambda x: lax.scatter_add(x, at, weights, PUT_ROWS))(batch)
    np.testing.assert_allclose(found, batch + expected, rtol=1e-5, atol=1e-6)
