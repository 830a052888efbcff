"""Shapes, slices, concatenation and padding against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
from mycc import lax

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def same(found: Any, expected: Any) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_broadcasts() -> None:
    same(lax.broadcast(X, (5, 1)), np.broadcast_to(X, (5, 1, 2, 3, 4)))
    same(lax.broadcast_in_dim(X[0, :, 0], (3, 5), (0,)), np.broadcast_to(X[0, :, :1], (3, 5)))
    same(lax.broadcast_in_dim(X[:1, :, 0], (7, 3, 2), (0, 1)), np.broadcast_to(X[:1, :, :1], (7, 3, 2)))
    assert lax.broadcast_shapes((3, 1), (4,), ()) == (3, 4)
    assert lax.broadcast_shapes() == ()
    assert lax.broadcast_to_rank(X, 5).shape == (1, 1, 2, 3, 4)
    with pytest.raises(ValueError, match="sizes must be equal or 1"):
        lax.broadcast_in_dim(X, (2, 3, 5), (0, 1, 2))
    with pytest.raises(ValueError, match="one rising dimension"):
        lax.broadcast_in_dim(X[0], (3, 4), (1, 0))
    with pytest.raises(ValueError, match="do not broadcast together"):
        lax.broadcast_shapes((2,), (3,))


def test_reshapes() -> None:
    same(lax.reshape(X, (6, 4)), X.reshape(6, 4))
    same(lax.reshape(X, (-1, 8)), X.reshape(-1, 8))
    same(lax.reshape(X, (4, 6), (2, 0, 1)), X.transpose(2, 0, 1).reshape(4, 6))
    same(lax.collapse(X, 0, 2), X.reshape(6, 4))
    same(lax.collapse(X, 1), X.reshape(2, 12))
    same(lax.squeeze(X[:, :1], (1,)), X[:, 0])
    same(lax.squeeze(X[:, :1], [-2]), X[:, 0])
    same(lax.expand_dims(X, (0, -1)), X[None, ..., None])
    with pytest.raises(TypeError, match=r"\(24 elements\) to \(5, 5\)"):
        lax.reshape(X, (5, 5))
    with pytest.raises(ValueError, match="their sizes must be 1"):
        lax.squeeze(X, (0,))


def test_orders() -> None:
    same(lax.transpose(X, (2, 0, 1)), X.transpose(2, 0, 1))
    same(lax.rev(X, (0, 2)), X[::-1, :, ::-1])
    same(lax.rev(X, ()), X)
    with pytest.raises(TypeError, match="permutation"):
        lax.transpose(X, (0, 1))
    with pytest.raises(ValueError, match="twice"):
        lax.transpose(X, (0, 0, 1))


def test_joins() -> None:
    same(lax.concatenate([X, X[:, :1], X[:, :0]], 1), np.concatenate([X, X[:, :1]], 1))
    same(lax.tile(X, (1, 2, 3)), np.tile(X, (1, 2, 3)))
    for found, expected in zip(lax.split(X, (1, 2, 1), axis=2), np.split(X, (1, 3), axis=2), strict=True):
        same(found, expected)
    with pytest.raises(TypeError, match="all other sizes must be equal"):
        lax.concatenate([X, X[:, :1]], 0)
    with pytest.raises(TypeError, match="promotes nothing"):
        lax.concatenate([X, X.astype(int)], 0)
    with pytest.raises(ValueError, match="sum up"):
        lax.split(X, (1, 1), axis=2)


def test_padding() -> None:
    padded = lax.pad(X, 7.0, [(1, 0, 0), (0, 0, 1), (-1, 2, 0)])
    expected = np.full((3, 5, 5), 7, np.float32)
    expected[1:, ::2, :3] = X[:, :, 1:]
    same(padded, expected)
    same(lax.pad(X, 7.0, [(0, 0, 0)] * 3), X)
    same(lax.pad(np.float32(3.0), 1.0, ()), np.float32(3.0))
    with pytest.raises(TypeError, match="one \\(low, high, interior\\) for each dimension"):
        lax.pad(X, 7.0, [(0, 0, 0)])
    with pytest.raises(ValueError, match="negative size"):
        lax.pad(X, 7.0, [(-3, 0, 0), (0, 0, 0), (0, 0, 0)])


def test_static_slices() -> None:
    same(lax.slice(X, (0, 1, 0), (2, 3, 4), (1, 1, 3)), X[:, 1:3, ::3])
    same(lax.slice_in_dim(X, 1, -1, axis=2), X[:, :, 1:-1])
    same(lax.slice_in_dim(X, None, None, 2, axis=1), X[:, ::2])
    same(lax.index_in_dim(X, -1, 1), X[:, -1:])
    same(lax.index_in_dim(X, 0, 2, keepdims=False), X[:, :, 0])
    with pytest.raises(TypeError, match="0 <= start <= limit <= size"):
        lax.slice(X, (0, 0, 0), (2, 3, 5))
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 1 of size 3"):
        lax.index_in_dim(X, 3, 1)


@pytest.mark.parametrize("starts", [(0, 1, 2), (-1, -2, -1), (5, 0, 3), (-7, 0, 0)])
def test_run_time_slices(starts: tuple[int, int, int]) -> None:
    sizes = (1, 2, 2)
    at = [min(max(s + n if s < 0 else s, 0), n - m) for s, n, m in zip(starts, X.shape, sizes, strict=True)]
    window = tuple(slice(a, a + m) for a, m in zip(at, sizes, strict=True))
    same(lax.dynamic_slice(X, starts, sizes), X[window])
    same(lax.dynamic_slice(X, np.array(starts, np.int32), sizes), X[window])
    same(mycc.jit(lambda x, s: lax.dynamic_slice(x, s, sizes))(X, starts), X[window])
    update = np.full(sizes, -1, np.float32)
    expected = X.copy()
    expected[window] = -1
    same(lax.dynamic_update_slice(X, update, starts), expected)
    same(lax.dynamic_update_slice(X, update, np.array(starts)), expected)


def test_run_time_slices_of_one_dimension() -> None:
    same(lax.dynamic_slice_in_dim(X, 1, 2, axis=1), X[:, 1:3])
    same(lax.dynamic_index_in_dim(X, np.uint8(2), 1), X[:, 2:3])
    same(lax.dynamic_index_in_dim(X, -1, 1, keepdims=False), X[:, -1])
    expected = X.copy()
    expected[:, 1] = 0
    same(lax.dynamic_update_index_in_dim(X, np.zeros((2, 4), np.float32), 1, 1), expected)
    same(lax.dynamic_update_index_in_dim(X, np.zeros((2, 1, 4), np.float32), 1, 1), expected)
    same(lax.dynamic_update_slice_in_dim(X, np.zeros((2, 1, 4), np.float32), 1, 1), expected)
    same(lax.dynamic_slice(np.float32(1.0), (), ()), np.float32(1.0))


def test_run_time_slices_refuse_what_does_not_fit() -> None:
    with pytest.raises(TypeError, match="does not fit"):
        lax.dynamic_slice(X, (0, 0, 0), (2, 3, 5))
    with pytest.raises(TypeError, match="one scalar start for each of the 3"):
        lax.dynamic_slice(X, (0, 0), (1, 1, 1))
    with pytest.raises(TypeError, match="int, unsigned int arrays, got float32"):
        lax.dynamic_slice(X, (0.0, 0, 0), (1, 1, 1))
    with pytest.raises(TypeError, match="no larger size"):
        lax.dynamic_update_slice(X, np.zeros((3, 1, 1), np.float32), (0, 0, 0))


def test_changing_starts_compile_once() -> None:
    f = mycc.jit(lambda x, i: lax.dynamic_index_in_dim(x, i, 0, keepdims=False))
    for i in range(2):
        same(f(X, i), X[i])


def test_shapes_are_static() -> None:
    with pytest.raises(TypeError, match="as an index or a shape needs the value of a traced array"):
        mycc.jit(lambda n: lax.full((n,), 0.0))(3)
