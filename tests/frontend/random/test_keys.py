"""Key arrays, and what draws are refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import mycc
from mycc import lax, random, tree

KEYS = random.split(random.key(1), (2, 3))
WORDS = np.asarray(random.key_data(KEYS))


def words(keys: Any) -> Any:
    return np.asarray(random.key_data(keys))


def test_shapes() -> None:
    assert (KEYS.shape, KEYS.ndim, KEYS.size, len(KEYS)) == ((2, 3), 2, 6, 2)
    assert repr(KEYS.dtype) == "key<fry>"
    assert KEYS.reshape(3, 2).shape == KEYS.reshape((3, -1)).shape == (3, 2)
    assert KEYS.ravel().shape == KEYS.flatten().shape == (6,)
    assert KEYS[:, None].squeeze().shape == (2, 3)
    assert random.key(0).shape == ()


def test_indexing() -> None:
    np.testing.assert_array_equal(words(KEYS[1]), WORDS[1])
    np.testing.assert_array_equal(words(KEYS[1, -1]), WORDS[1, -1])
    np.testing.assert_array_equal(words(KEYS[..., 0]), WORDS[:, 0])
    np.testing.assert_array_equal(words(KEYS[:, 1:]), WORDS[:, 1:])
    np.testing.assert_array_equal(words(KEYS[np.array([1, 0, 1])]), WORDS[[1, 0, 1]])
    rows = [words(row) for row in KEYS]
    np.testing.assert_array_equal(rows, WORDS)
    with pytest.raises(IndexError):
        random.key(0)[0]
    with pytest.raises(TypeError, match="single key"):
        list(random.key(0))
    with pytest.raises(TypeError, match="single key"):
        len(random.key(0))


def test_equality() -> None:
    same = KEYS == random.wrap_key_data(WORDS)
    assert same.shape == (2, 3)
    assert np.all(same)
    np.testing.assert_array_equal(KEYS[0] != KEYS[1], [True] * 3)
    assert (random.key(0) == 0) is False
    with pytest.raises(TypeError, match="unhashable"):
        hash(KEYS)


def test_no_arithmetic() -> None:
    with pytest.raises(TypeError):
        KEYS + 1  # type: ignore[operator]


def test_pickles_and_copies() -> None:
    for again in (pickle.loads(pickle.dumps(KEYS)), copy.copy(KEYS), copy.deepcopy(KEYS)):
        np.testing.assert_array_equal(words(again), WORDS)


def test_raw_keys() -> None:
    raw = random.PRNGKey(5)
    assert (raw.shape, raw.dtype) == ((2,), np.uint32)
    np.testing.assert_array_equal(raw, words(random.key(5)))
    pair = random.split(raw)
    assert isinstance(pair, mycc.Array)
    np.testing.assert_array_equal(pair, words(random.split(random.key(5))))
    assert isinstance(random.fold_in(raw, 1), mycc.Array)
    np.testing.assert_array_equal(random.normal(raw, (2,)), random.normal(random.key(5), (2,)))
    np.testing.assert_array_equal(random.normal(np.asarray(raw), (2,)), random.normal(raw, (2,)))


def test_traced_seeds() -> None:
    for seed in (3, np.int64(2**40 + 3), np.uint8(200)):
        found = mycc.jit(lambda s: random.key_data(random.key(s)))(np.asarray(seed))
        np.testing.assert_array_equal(found, words(random.key(seed)))
    found = mycc.jit(lambda s: random.key_data(random.key(s)))(np.asarray(-1, np.int32))
    np.testing.assert_array_equal(found, words(random.key(-1)))
    many = mycc.vmap(lambda s: random.normal(random.key(s)))(np.arange(3))
    np.testing.assert_array_equal(many, [random.normal(random.key(s)) for s in range(3)])


def test_through_transforms() -> None:
    def step(key: Any, _: Any) -> Any:
        key, drawn = random.split(key)
        return key, random.uniform(drawn)

    last, drawn = lax.scan(step, random.key(9), None, length=3)
    assert isinstance(last, random.KeyArray)
    key, expected = random.key(9), []
    for _ in range(3):
        key, sub = random.split(key)
        expected.append(float(random.uniform(sub)))
    np.testing.assert_array_equal(drawn, np.asarray(expected, np.float32))
    np.testing.assert_array_equal(words(last), words(key))
    stacked = mycc.vmap(lambda k: random.split(k, 5))(KEYS[0])
    assert stacked.shape == (3, 5)
    grown = mycc.grad(lambda x: x * random.normal(KEYS[0, 0]))(2.0)
    assert float(grown) == pytest.approx(float(random.normal(KEYS[0, 0])))


def test_in_trees() -> None:
    params = {"a": np.zeros(2), "b": np.zeros(3)}
    keys = dict(zip(params, random.split(random.key(0), 2), strict=True))
    drawn = tree.map(lambda key, p: random.normal(key, p.shape), keys, params)
    assert tree.map(lambda x: x.shape, drawn) == {"a": (2,), "b": (3,)}
    assert len(tree.leaves(KEYS)) == 1
    assert tree.structure(KEYS) == tree.structure(0)


def test_loops_compile_once() -> None:
    from mycc.operations import _entries

    key = random.key(0)
    key, _ = random.split(key)
    before = len(_entries)
    for _ in range(5):
        key, _ = random.split(key)
    assert len(_entries) == before


def test_fold_in_and_clone() -> None:
    key = random.key(4)
    assert not np.array_equal(words(random.fold_in(key, 0)), words(random.fold_in(key, 1)))
    np.testing.assert_array_equal(words(random.fold_in(key, -1)), words(random.fold_in(key, 2**32 - 1)))
    np.testing.assert_array_equal(words(random.clone(key)), words(key))
    assert random.key_impl(key) == "threefry2x32"


def test_what_is_no_key() -> None:
    with pytest.raises(
        TypeError, match=r"test_keys\.py:\d+: normal takes a key .*got an array of type f32\[2\]"
    ):
        random.normal(np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="normal takes a single key, got an array of keys of shape"):
        random.normal(KEYS)
    with pytest.raises(TypeError, match="takes an integer, got a key"):
        random.key(KEYS[0, 0])
    with pytest.raises(TypeError, match="takes one integer"):
        random.key(np.arange(3))
    with pytest.raises(TypeError, match="takes one integer"):
        random.key(1.5)
    with pytest.raises(OverflowError, match="more than 64 bits"):
        random.key(2**64)
    with pytest.raises(ValueError, match="there is 'threefry2x32' only"):
        random.key(0, impl="rbg")
    with pytest.raises(TypeError, match="wrap_key_data takes uint32"):
        random.wrap_key_data(np.zeros(2))


def test_parameters_are_checked() -> None:
    key = random.key(0)
    with pytest.raises(TypeError, match="float arrays, got int32"):
        random.uniform(key, (2,), np.int32)
    with pytest.raises(ValueError, match="which do not broadcast to it"):
        random.uniform(key, (2,), minval=np.zeros(3))
    with pytest.raises(ValueError, match="unsigned integer dtype"):
        random.bits(key, (2,), np.int32)
    with pytest.raises(TypeError, match="integer dtype, got float32"):
        random.randint(key, (2,), 0, 3, np.float32)
    with pytest.raises(TypeError, match="float probability"):
        random.bernoulli(key, 1)
    with pytest.raises(ValueError, match="choice draws 5 of 3"):
        random.choice(key, 3, (5,), replace=False)
    with pytest.raises(ValueError, match="negative size"):
        random.normal(key, (-1,))


def test_moments() -> None:
    key = random.key(11)
    x = np.asarray(random.normal(key, (20000,)), np.float64)
    assert abs(x.mean()) < 0.03
    assert abs(x.std() - 1) < 0.03
    u = np.asarray(random.uniform(key, (20000,), minval=-1, maxval=3), np.float64)
    assert u.min() >= -1
    assert u.max() < 3
    assert abs(u.mean() - 1) < 0.04
    assert 0.28 < np.mean(random.bernoulli(key, 0.3, (20000,))) < 0.32


def test_gradients_of_parameters() -> None:
    key = random.key(2)
    u = float(random.uniform(key))
    low, high = mycc.grad(lambda a, b: random.uniform(key, minval=a, maxval=b), argnums=(0, 1))(-1.0, 2.0)
    np.testing.assert_allclose((low, high), (1 - u, u), rtol=1e-6)
