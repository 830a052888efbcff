"""Gradients and batches of the functions: against JAX, and against a loop."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mycc
import mycc.numpy as mnp

RNG = np.random.default_rng(3)
X = RNG.uniform(0.3, 0.9, (4, 6)).astype(np.float32)
I = np.int32([0, 3, 3, 1])
J = RNG.integers(0, 6, (4, 2)).astype(np.int32)

CASES = {
    "sinc": lambda np_, x: np_.sinc(x),
    "sinc at zero": lambda np_, x: np_.sinc(x * 0.0),
    "hypot": lambda np_, x: np_.hypot(x, x[::-1]),
    "logaddexp": lambda np_, x: np_.logaddexp(x, x[::-1]),
    "logaddexp of infinities": lambda np_, x: np_.logaddexp(x, -np_.inf),
    "logaddexp of ties": lambda np_, x: np_.logaddexp(x, x),
    "logaddexp2": lambda np_, x: np_.logaddexp2(x, 2 * x),
    "power": lambda np_, x: x**3 + x**-2 + x**0.5 + 2.0**x,
    "power at zero": lambda np_, x: (x * 0.0) ** 2,
    "remainder": lambda np_, x: np_.remainder(x * 5, x[0] + 1),
    "fmod": lambda np_, x: np_.fmod(x * -5, 2.0),
    "maximum": lambda np_, x: np_.maximum(x, x[::-1]),
    "clip": lambda np_, x: np_.clip(x, 0.4, 0.7),
    "abs": lambda np_, x: np_.abs(x - 0.5),
    "where": lambda np_, x: np_.where(x > 0.5, np_.sqrt(x - 0.5 + 0.6 * (x < 0.5)), x * x),
    "i0": lambda np_, x: np_.i0(x),
    "arctan2": lambda np_, x: np_.arctan2(x, x[::-1]),
    "copysign": lambda np_, x: np_.copysign(x, x - 0.5),
    "floor_divide": lambda np_, x: np_.floor_divide(x, 0.1) * x,
    "nan_to_num": lambda np_, x: np_.nan_to_num(x) ** 2,
    "sum": lambda np_, x: np_.sum(x, axis=0) ** 2,
    "prod": lambda np_, x: np_.prod(x, axis=1),
    "prod with zeros": lambda np_, x: np_.prod(np_.where(x > 0.8, 0.0, x), axis=1),
    "max": lambda np_, x: np_.max(x, axis=1),
    "max of ties": lambda np_, x: np_.max(np_.round(x, 1) * 0 + x * 0, axis=1),
    "var": lambda np_, x: np_.var(x, axis=0, ddof=1),
    "std": lambda np_, x: np_.std(x),
    "mean of some": lambda np_, x: np_.mean(x, axis=1, where=x > 0.5),
    "nanmean": lambda np_, x: np_.nanmean(np_.where(x > 0.8, np_.nan, x), axis=1),
    "cumsum": lambda np_, x: np_.cumsum(x, axis=1) ** 2,
    "long cumsum": lambda np_, x: np_.cumsum(np_.tile(x, 9), axis=1) ** 2,
    "cumprod": lambda np_, x: np_.cumprod(x, axis=0),
    "long cumprod": lambda np_, x: np_.cumprod(np_.tile(x + 0.4, 8), axis=1),
    "sort": lambda np_, x: np_.sort(x, axis=1) * np_.arange(6.0),
    "median": lambda np_, x: np_.median(x, axis=1),
    "quantile": lambda np_, x: np_.quantile(x, 0.3, axis=0),
    "matmul": lambda np_, x: x @ x.T,
    "einsum": lambda np_, x: np_.einsum("ij,kj,k->i", x, x, x[:, 0]),
    "einsum diagonal": lambda np_, x: np_.einsum("ii->i", x[:, :4]) ** 2,
    "trace": lambda np_, x: np_.trace(x, 1) ** 2,
    "kron": lambda np_, x: np_.kron(x[0], x[1]),
    "cross": lambda np_, x: np_.cross(x[:, :3], x[:, 3:]),
    "position": lambda np_, x: x[1] * x[-1, 2],
    "slices": lambda np_, x: x[::2, ::-1] ** 2,
    "array": lambda np_, x: x[I] ** 2,
    "arrays": lambda np_, x: x[I, J[:, 0]] ** 2,
    "array and slice": lambda np_, x: x[:, I[:3], None] ** 2,
    "set position": lambda np_, x: x.at[1].set(x[2] ** 2) * x,
    "set slices": lambda np_, x: x.at[::2, 1::2].set(x[:2, :3] ** 2) * x,
    "set array": lambda np_, x: x.at[I[1:3] - 1 + np.int32([0, 1])].set(x[:2] ** 2) * x,
    "add array": lambda np_, x: x.at[I].add(x**2) * x,
    "multiply array": lambda np_, x: x.at[I[:2]].multiply(x[:2] ** 2, unique_indices=True),
    "set mask": lambda np_, x: (x.at[x > 0.5].set(0.0) if np_ is mnp else jnp.where(x > 0.5, 0.0, x)) * x,
    "take": lambda np_, x: np_.take(x, J, axis=1) ** 2,
    "take_along_axis": lambda np_, x: np_.take_along_axis(x, J, 1) ** 2,
    "pad": lambda np_, x: np_.pad(x, 2, mode="reflect") ** 2,
    "pad wrap": lambda np_, x: np_.pad(x, 7, mode="wrap") ** 2,
    "roll": lambda np_, x: np_.roll(x, 2, axis=1) * x,
    "repeat": lambda np_, x: np_.repeat(x, 3, axis=0) ** 2,
    "tile": lambda np_, x: np_.tile(x, (2, 1)) ** 2,
    "diag": lambda np_, x: np_.diag(x[0]) @ x.T,
    "tril": lambda np_, x: np_.tril(x) ** 2,
    "interp": lambda np_, x: np_.interp(x, np.float32([0, 0.5, 1]), x[0, :3]),
    "convolve": lambda np_, x: np_.convolve(x[0], x[1, :3], mode="same"),
    "cov": lambda np_, x: np_.cov(x),
    "concatenate": lambda np_, x: np_.concatenate([x, x[:1] * 2]) ** 2,
    "stack": lambda np_, x: np_.stack([x, x * x], axis=1),
    "gradient": lambda np_, x: np_.gradient(x, axis=1) ** 2,
}


def value_of(np_, case):
    def value(x):
        y = case(np_, x)
        weights = np.cos(np.arange(np.prod(y.shape), dtype=np.float32)).reshape(y.shape)
        return (y * weights).sum()

    return value


def compared(names):
    names = list(names)
    ours = mycc.jit(lambda x: [mycc.grad(value_of(mnp, CASES[n]))(x) for n in names])(X)
    theirs = jax.jit(lambda x: [jax.grad(value_of(jnp, CASES[n]))(x) for n in names])(X)
    for name, a, b in zip(names, ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("part", range(4))
def test_gradients(part):
    compared(list(CASES)[part::4])


def test_second_derivative_of_sinc_at_zero():
    second = mycc.grad(mycc.grad(mnp.sinc))
    np.testing.assert_allclose(second(0.0), -(np.pi**2) / 3, rtol=1e-4)
    np.testing.assert_allclose(second(0.3), jax.grad(jax.grad(jnp.sinc))(0.3), rtol=1e-4)


BATCHED = [
    "sort", "median", "cumsum", "long cumsum", "arrays", "array and slice", "set slices", "add array", "set mask",
    "take_along_axis", "einsum", "pad wrap", "prod", "var", "interp", "trace", "max", "set array", "matmul",
]  # fmt: skip


def test_batches():
    batch = RNG.uniform(0.3, 0.9, (3, 4, 6)).astype(np.float32)
    found = mycc.jit(lambda b: [mycc.vmap(lambda x, n=n: CASES[n](mnp, x))(b) for n in BATCHED])(batch)
    looped = mycc.jit(lambda b: [mnp.stack([CASES[n](mnp, b[k]) for k in range(3)]) for n in BATCHED])(batch)
    for name, a, b in zip(BATCHED, found, looped, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=name)


def test_batched_positions():
    x = mnp.array(X)
    indices = np.int32([2, 0, -1])

    def program(x, indices):
        read = mycc.vmap(lambda i: x[i])(indices)
        both = mycc.vmap(lambda row, i: row[i])(x[:3], indices)
        written = mycc.vmap(lambda row, i: row.at[i].set(9.0))(x[:3], indices)
        order = mycc.vmap(mnp.argsort)(x)
        found = mycc.vmap(lambda row: mnp.searchsorted(mnp.sort(row), 0.5))(x)
        greatest = mycc.vmap(mnp.argmax)(x)
        some = mycc.vmap(lambda row: mnp.nonzero(row > 0.5, size=6)[0])(x)
        return read, both, written, order, found, greatest, some

    read, both, written, order, found, greatest, some = mycc.jit(program)(x, indices)
    np.testing.assert_array_equal(read, X[indices])
    np.testing.assert_array_equal(both, X[np.arange(3), indices])
    expected = X[:3].copy()
    expected[np.arange(3), indices] = 9
    np.testing.assert_array_equal(written, expected)
    np.testing.assert_array_equal(order, np.argsort(X, 1))
    np.testing.assert_array_equal(found, (X < 0.5).sum(1))
    np.testing.assert_array_equal(greatest, X.argmax(1))
    for row, positions in zip(X, np.asarray(some), strict=True):
        expected = np.flatnonzero(row > 0.5)
        np.testing.assert_array_equal(positions, np.r_[expected, [0] * (6 - expected.size)])


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(name):
    def along(np_, grad):
        direction = jnp.asarray(np.sin(np.arange(24.0, dtype=np.float32)).reshape(4, 6))
        if np_ is mnp:
            direction = np.asarray(direction)
        return grad(lambda x: (grad(value_of(np_, CASES[name]))(x) * direction).sum())

    np.testing.assert_allclose(
        mycc.jit(along(mnp, mycc.grad))(X),
        jax.jit(along(jnp, jax.grad))(X),
        rtol=1e-2,
        atol=2e-3,
        err_msg=name,
    )
