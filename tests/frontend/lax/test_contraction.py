"""Contractions against einsum, reductions and sorting against NumPy."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mycc
from mycc import lax

_RNG = np.random.default_rng(1)


def normal(*shape: int, dtype: str = "float32") -> np.ndarray[Any, Any]:
    return _RNG.standard_normal(shape).astype(dtype)


DOTS = [
    ((3, 4), (4, 5), (((1,), (0,)), ((), ())), "ij,jk->ik"),
    ((3, 4), (5, 4), (((1,), (1,)), ((), ())), "ij,kj->ik"),
    ((2, 3, 4), (2, 4, 5), (((2,), (1,)), ((0,), (0,))), "bij,bjk->bik"),
    ((3, 2, 4), (4, 5, 2), (((2,), (0,)), ((1,), (2,))), "ibj,jkb->bik"),
    ((2, 3, 4), (3, 4, 5), (((1, 2), (0, 1)), ((), ())), "aij,ijk->ak"),
    ((3,), (4,), (((), ()), ((), ())), "i,j->ij"),
]


@pytest.mark.parametrize(("left", "right", "numbers", "formula"), DOTS)
def test_dot_general(left: Any, right: Any, numbers: Any, formula: str) -> None:
    x, y = normal(*left), normal(*right)
    np.testing.assert_allclose(lax.dot_general(x, y, numbers), np.einsum(formula, x, y), rtol=1e-5, atol=1e-5)


def test_dots_of_other_types() -> None:
    a, b = _RNG.integers(-9, 9, (3, 4), np.int8), _RNG.integers(-9, 9, (4, 2), np.int8)
    exact = a.astype(np.int32) @ b.astype(np.int32)
    found = lax.dot(a, b, preferred_element_type=np.int32)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, exact)
    halves = normal(3, 4).astype(ml_dtypes.bfloat16)
    found = lax.dot(halves, halves.T, preferred_element_type="float32")
    assert found.dtype == np.float32
    wide = halves.astype(np.float32)
    np.testing.assert_allclose(found, wide @ wide.T, rtol=1e-6)


def test_vectors_and_batches() -> None:
    x, y = normal(4), normal(4)
    np.testing.assert_allclose(lax.dot(x, y), x @ y, rtol=1e-5)
    a, b = normal(2, 3, 3, 4), normal(2, 3, 4, 5)
    np.testing.assert_allclose(lax.batch_matmul(a, b), a @ b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", [None, "highest", lax.Precision.HIGH, ("default", "float32")])
def test_precisions(precision: Any) -> None:
    x = normal(3, 3)
    text = mycc.jit(lambda v: lax.dot(v, v, precision)).lower(x).as_text()
    assert ("HIGH" in text) == (precision is not None)


def test_contraction_errors() -> None:
    x = normal(3, 4)
    with pytest.raises(TypeError, match=r"inner sizes are equal, got shapes \(3, 4\) and \(3, 4\)"):
        lax.dot(x, x)
    with pytest.raises(TypeError, match="must pair up with equal sizes"):
        lax.dot_general(x, x, (((1,), (0,)), ((), ())))
    with pytest.raises(ValueError, match="no precision 'best'"):
        lax.dot(x, x.T, precision="best")
    with pytest.raises(TypeError, match="dimensions \\(2,\\) of an array with 2"):
        lax.dot_general(x, x, (((2,), (0,)), ((), ())))


# ---- Reductions ----------------------------------------------------------------------------------

REDUCTIONS = [
    ("reduce_sum", np.sum, "float32"),
    ("reduce_prod", np.prod, "float32"),
    ("reduce_max", np.max, "float32"),
    ("reduce_min", np.min, "int32"),
    ("reduce_max", np.max, "uint8"),
    ("reduce_and", np.all, "bool"),
    ("reduce_or", np.any, "bool"),
    ("reduce_and", np.bitwise_and.reduce, "int32"),
    ("reduce_or", np.bitwise_or.reduce, "uint8"),
    ("reduce_xor", np.bitwise_xor.reduce, "int32"),
]


@pytest.mark.parametrize(("name", "oracle", "dtype"), REDUCTIONS)
def test_reductions(name: str, oracle: Any, dtype: str) -> None:
    x = normal(3, 4, 5) * 5
    x = (x > 0) if dtype == "bool" else np.abs(x).astype(dtype) if dtype[0] == "u" else x.astype(dtype)
    for axes in ((0,), (2, 0), (-1,), (0, 1, 2)):
        expected = oracle(x, axis=axes)
        found = getattr(lax, name)(x, axes)
        assert found.dtype == x.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(getattr(lax, name)(x, ()), x)


def test_reductions_of_nothing_and_nan() -> None:
    empty = np.zeros((0, 2), np.float32)
    np.testing.assert_array_equal(lax.reduce_max(empty, (0,)), [-np.inf] * 2)
    np.testing.assert_array_equal(lax.reduce_min(empty.astype(np.int8), (0,)), [127] * 2)
    assert np.isnan(lax.reduce_max(np.array([1, np.nan, 2], np.float32), (0,)))


def test_arguments_of_extremes() -> None:
    x = np.array([[1, 3, 3, np.nan], [5, -1, -1, 5]], np.float32)
    np.testing.assert_array_equal(lax.argmax(x, 1), [3, 0])
    np.testing.assert_array_equal(lax.argmin(x, 1), [3, 1])
    assert lax.argmax(x, 1, np.uint8).dtype == np.uint8
    ints = np.array([4, -7, 4, -7], np.int32)
    assert (int(lax.argmax(ints, 0)), int(lax.argmin(ints, -1))) == (0, 1)
    with pytest.raises(ValueError, match="of size 0"):
        lax.argmax(np.zeros((0,), np.float32), 0)


def test_general_reductions() -> None:
    x = normal(3, 4)
    np.testing.assert_allclose(lax.reduce(x, 0.0, lax.add, (0,)), x.sum(0), rtol=1e-5)
    larger = lax.reduce(x, -np.inf, lambda a, b: lax.select(a > b, a, b), (0, 1))
    assert float(larger) == x.max()
    total, product = lax.reduce(
        (x, x), (0.0, 1.0), lambda a, b: (a[0] + 1.0 * b[0], lax.mul(a[1], b[1])), (1,)
    )
    np.testing.assert_allclose(total, x.sum(1), rtol=1e-5)
    np.testing.assert_allclose(product, x.prod(1), rtol=1e-5)
    np.testing.assert_array_equal(lax.reduce(x, 0.0, lax.add, ()), x)


def test_bodies_of_reductions_are_closed() -> None:
    x = normal(3)
    with pytest.raises(TypeError, match="uses a traced array from outside"):
        mycc.jit(lambda v, w: lax.reduce(v, 0.0, lambda a, b: a + b * w, (0,)))(x, 1.0)
    with pytest.raises(TypeError, match="expected"):
        lax.reduce(x, 0.0, lambda a, b: (a, b), (0,))
    with pytest.raises(TypeError, match="was expected"):
        lax.reduce(x, 0.0, lambda a, b: a > b, (0,))


def test_a_cumulative_maximum_position() -> None:
    x = normal(7)

    def best(a: Any, b: Any) -> Any:
        better = lax.ge(a[0], b[0])
        return lax.select(better, a[0], b[0]), lax.select(better, a[1], b[1])

    value, at = lax.reduce((x, np.arange(7, dtype=np.int32)), (-np.inf, 0), best, (0,))
    assert (float(value), int(at)) == (x.max(), x.argmax())


# ---- Running folds -------------------------------------------------------------------------------

RUNNING = [
    ("cumsum", np.cumsum),
    ("cumprod", np.cumprod),
    ("cummax", np.maximum.accumulate),
    ("cummin", np.minimum.accumulate),
    ("cumlogsumexp", np.logaddexp.accumulate),
]


@pytest.mark.parametrize(("name", "oracle"), RUNNING)
def test_running_folds(name: str, oracle: Any) -> None:
    for n in (1, 2, 7):
        x = normal(3, n, 2)
        np.testing.assert_allclose(getattr(lax, name)(x, 1), oracle(x, axis=1), rtol=1e-5, atol=1e-6)
    backwards = np.flip(oracle(np.flip(x, 1), axis=1), 1)
    np.testing.assert_allclose(getattr(lax, name)(x, 1, reverse=True), backwards, rtol=1e-5, atol=1e-6)


def test_running_logsumexp_of_infinities() -> None:
    x = np.array([-np.inf, -np.inf, 0.0, np.inf], np.float32)
    np.testing.assert_array_equal(lax.cumlogsumexp(x), [-np.inf, -np.inf, 0, np.inf])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 8, 13])
def test_associative_scan_of_matrices(n: int) -> None:
    x = normal(n, 2, 2)
    expected, product = [], np.eye(2, dtype=np.float32)
    for m in x:
        product = product @ m
        expected.append(product)
    found = lax.associative_scan(lax.batch_matmul, x)
    np.testing.assert_allclose(found, np.reshape(expected, (n, 2, 2)), rtol=1e-4, atol=1e-5)


def test_associative_scan_of_trees() -> None:
    a, b = normal(2, 9), normal(2, 9)
    # The composition of maps y -> a * y + b.
    slope, offset = lax.associative_scan(
        lambda f, g: (lax.mul(g[0], f[0]), lax.add(lax.mul(g[0], f[1]), g[1])), (a, b), axis=1
    )
    y = np.zeros(2, np.float32)
    for i in range(9):
        y = a[:, i] * y + b[:, i]
        np.testing.assert_allclose(offset[:, i], y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(slope, np.cumprod(a, 1), rtol=1e-4, atol=1e-6)
    with pytest.raises(TypeError, match="must stay"):
        lax.associative_scan(lambda f, g: (f, g), a)
    with pytest.raises(ValueError, match="sizes there must be equal"):
        lax.associative_scan(lax.add, (a, b[:, :3]), axis=1)


# ---- Sorting -------------------------------------------------------------------------------------


def test_sorts() -> None:
    x = np.array([[3, -0.0, np.nan, 0.0], [-np.inf, np.inf, 1, -1]], np.float32)
    np.testing.assert_array_equal(lax.sort(x), np.sort(x))
    np.testing.assert_array_equal(lax.sort(x, dimension=0), np.sort(x, axis=0))
    # Zeros are equal, so that a stable sort keeps their order.
    assert np.signbit(np.asarray(lax.sort(x))[0]).tolist() == [True, False, False, False]
    z = np.array([1 + 2j, 1 + 1j, -1 + 5j], np.complex64)
    np.testing.assert_array_equal(lax.sort(z), np.sort(z))


def test_sorts_of_several() -> None:
    first = np.array([2, 1, 2, 1, 2], np.int32)
    second = np.array([5, 4, 3, 2, 1], np.float32)
    order = np.arange(5, dtype=np.int32)
    found = lax.sort((first, second, order), num_keys=2)
    expected = np.lexsort((second, first))
    np.testing.assert_array_equal(found[2], expected)
    np.testing.assert_array_equal(found[1], second[expected])
    keys, values = lax.sort_key_val(first, order)
    np.testing.assert_array_equal(keys, np.sort(first))
    np.testing.assert_array_equal(values, np.argsort(first, stable=True))
    with pytest.raises(ValueError, match="num_keys=3"):
        lax.sort((first, second), num_keys=3)
    with pytest.raises(TypeError, match="one shape"):
        lax.sort((first, second[:3]))


@pytest.mark.parametrize(("k", "axis"), [(2, -1), (3, 0), (0, 1), (4, 1)])
def test_top_k(k: int, axis: int) -> None:
    x = normal(3, 4, 5)[:, :, 0]
    values, at = lax.top_k(x, k, axis=axis)
    order = np.take(np.argsort(-x, axis=axis, kind="stable"), range(k), axis=axis)
    np.testing.assert_array_equal(at, order)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, axis))
    with pytest.raises(ValueError, match="k=9"):
        lax.top_k(x, 9)
