"""Reductions, running values and statistics against NumPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mycc
import mycc.numpy as mnp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
MASK = RNG.random((3, 4, 5)) < 0.6
AXES = (None, 0, 1, -1, (0, 2), (1, 2, 0), ())


def over_axes(*names: str, axes=AXES, **options):
    return {
        f"{name} over {axis} {keep}": lambda np_, x, *, name=name, axis=axis, keep=keep: getattr(np_, name)(
            x, axis=axis, keepdims=keep, **options
        )
        for name in names
        for axis in axes
        for keep in (False, True)
    }


def test_reductions_over_axes(compare):
    compare((X,), over_axes("sum", "prod", "mean", "var", "std", "max", "min", "amax", "amin", "all", "any"))
    compare((X,), over_axes("ptp", axes=(None, 1, (0, 2))))
    compare((X,), over_axes("argmax", "argmin", axes=(None, 0, -1)))
    compare((X > 0,), over_axes("count_nonzero", "all", "any", "sum", axes=(None, 1, (0, 2))))


def test_integers_and_bools(compare):
    n = RNG.integers(-50, 50, (4, 6)).astype(np.int32)
    compare((n,), over_axes("sum", "prod", "max", "min", "mean", "var", axes=(None, 1)), rtol=1e-4)
    compare((n.astype(np.uint8),), over_axes("sum", "max", "min", "mean", axes=(None, 1)))
    assert mnp.sum(n.astype(np.int8)).dtype == np.int32
    assert mnp.sum(n.astype(np.uint16)).dtype == np.uint32
    assert mnp.sum(n.astype(np.int8), promote_integers=False).dtype == np.int8
    assert mnp.sum(n.astype(np.int64)).dtype == np.int64


def test_masks_and_initial_values(compare):
    compare(
        (X, MASK),
        {
            "sum where": lambda np_, x, m: np_.sum(x, axis=1, where=m),
            "sum initial": lambda np_, x, m: np_.sum(x, initial=10.0),
            "prod where": lambda np_, x, m: np_.prod(x, axis=(0, 2), where=m, initial=2.0),
            "max where": lambda np_, x, m: np_.max(x, axis=1, where=m, initial=-1.0),
            "min where": lambda np_, x, m: np_.min(x, where=m, initial=0.5),
            "mean where": lambda np_, x, m: np_.mean(x, axis=0, where=m),
            "var where": lambda np_, x, m: np_.var(x, axis=(0, 1), where=m, ddof=1, keepdims=True),
            "std where": lambda np_, x, m: np_.std(x, where=m),
            "all where": lambda np_, x, m: np_.all(x > 0, axis=1, where=m),
            "any where": lambda np_, x, m: np_.any(x > 0, axis=1, where=m),
            "mask broadcasts": lambda np_, x, m: np_.sum(x, axis=0, where=m[0]),
            "var around a mean": lambda np_, x, m: np_.var(
                x, axis=0, mean=np_.mean(x, axis=0, keepdims=True)
            ),
            "correction": lambda np_, x, m: np_.std(x, axis=0, correction=1),
        },
        rtol=1e-4,
    )


def test_complex(compare):
    z = (X + 1j * X[::-1]).astype(np.complex64)
    compare((z,), over_axes("sum", "prod", "mean", "var", "std", "max", "min", axes=(None, 1)), rtol=1e-4)


def test_empty_axes(compare):
    empty = np.zeros((0, 3), np.float32)
    compare((empty,), over_axes("sum", "prod", "all", "any", axes=(None, 0, 1)))
    compare(
        (empty,),
        {"max": lambda np_, x: np_.max(x, axis=1), "initial": lambda np_, x: np_.max(x, initial=2.0)},
    )
    with pytest.raises(ValueError, match=r"max over axis 0 of size 0 .* needs initial="):
        mnp.max(empty, axis=0)
    with pytest.raises(ValueError, match="argmax of an empty axis"):
        mnp.argmax(empty, axis=0)
    assert np.isnan(mnp.mean(empty))


def test_nan(compare):
    x = X.copy()
    x[0, 1, 2] = x[1, :, 3] = np.nan
    names = "nansum nanprod nanmax nanmin nanmean nanvar nanstd nanmedian".split()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare((x,), over_axes(*names, axes=(None, 1, (0, 2))), rtol=1e-4)
    some = np.nan_to_num(x[:, 0])
    some[1, 2] = np.nan
    compare((some,), over_axes("nanargmax", "nanargmin", axes=(None, 1)))
    compare((x,), over_axes("max", "min", "sum", "argmax", "argmin", "median", axes=(None, 1)))
    compare((x,), {n: lambda np_, x, n=n: getattr(np_, n)(x, axis=1) for n in ("nancumsum", "nancumprod")})
    assert mnp.nanargmax(np.float32([np.nan, np.nan])) == -1


def test_halves_are_added_in_single_precision():
    x = mnp.ones(5000, mnp.float16)
    assert mnp.sum(x) == 5000
    assert mnp.sum(x).dtype == np.float16
    assert mnp.mean(mnp.full(70000, 2.0, mnp.bfloat16)) == 2


@pytest.mark.parametrize("size", [0, 1, 2, 3, 31, 32, 33, 100, 257])
def test_running_values(compare, size):
    x = RNG.uniform(0.5, 1.5, (2, size)).astype(np.float32)
    compare(
        (x,),
        {
            "cumsum": lambda np_, x: np_.cumsum(x, axis=1),
            "cumprod": lambda np_, x: np_.cumprod(x, axis=1),
            "flat": lambda np_, x: np_.cumsum(x),
            "along the first": lambda np_, x: np_.cumsum(x.T, axis=0),
            "integers": lambda np_, x: np_.cumsum((x * 10).astype(np.int32), axis=-1),
            "bools": lambda np_, x: np_.cumsum(x > 1),
        },
        rtol=1e-4,
    )


def test_running_values_keep_infinities_where_they_are():
    x = np.ones(100, np.float32)
    x[50] = np.inf
    np.testing.assert_array_equal(mnp.cumsum(x), np.cumsum(x))
    x[70] = -np.inf
    np.testing.assert_array_equal(mnp.cumsum(x), np.cumsum(x))


def test_running_values_of_the_array_api(compare):
    compare(
        (X[0],),
        {
            "sum": lambda np_, x: np_.cumulative_sum(x, axis=1, include_initial=True),
            "prod": lambda np_, x: np_.cumulative_prod(x, axis=0, include_initial=True),
            "vector": lambda np_, x: np_.cumulative_sum(x[0]),
        },
    )
    with pytest.raises(ValueError, match="needs an axis"):
        mnp.cumulative_sum(X)


def test_differences(compare):
    x = X[0]
    compare(
        (x, np.sort(X[1, 0])),
        {
            **{f"diff {n}": lambda np_, x, s, n=n: np_.diff(x, n=n) for n in range(4)},
            "diff with ends": lambda np_, x, s: np_.diff(x, axis=0, prepend=0, append=np_.ones_like(x[:1])),
            "ediff1d": lambda np_, x, s: np_.ediff1d(x, to_begin=np_.float32(9), to_end=x[0]),
            "gradient": lambda np_, x, s: np_.gradient(x),
            "gradient axis": lambda np_, x, s: np_.gradient(x, np_.float32(2.0), axis=0),
            "gradient coordinates": lambda np_, x, s: np_.gradient(x, s, axis=1),
            "trapezoid": lambda np_, x, s: np_.trapezoid(x, axis=0),
            "trapezoid x": lambda np_, x, s: np_.trapezoid(x, s),
            "unwrap": lambda np_, x, s: np_.unwrap(x * 5),
            "unwrap period": lambda np_, x, s: np_.unwrap(x * 9, period=4, axis=0),
        },
        rtol=1e-4,
        atol=1e-4,
    )


def test_quantiles(compare):
    methods = ("linear", "lower", "higher", "midpoint", "nearest")
    q = np.float32([0.0, 0.25, 0.6, 1.0])
    compare(
        (X, q),
        {
            **{
                f"{method} {axis}": lambda np_, x, q, m=method, axis=axis: np_.quantile(
                    x, q, axis=axis, method=m
                )
                for method in methods
                for axis in (None, 1, (0, 2))
            },
            "number": lambda np_, x, q: np_.quantile(x, 0.3, axis=-1, keepdims=True),
            "percentile": lambda np_, x, q: np_.percentile(x, q * 100, axis=0),
            "matrix of parts": lambda np_, x, q: np_.quantile(x, q.reshape(2, 2), axis=0),
            "median": lambda np_, x, q: np_.median(x, axis=(0, 1), keepdims=True),
            "integers": lambda np_, x, q: np_.median((x * 10).astype(np.int32), axis=1).astype(np.float32),
            "infinities": lambda np_, x, q: np_.median(np_.stack([x[0, 0, :2] / 0, x[0, 0, :2] / 0])),
        },
        rtol=1e-4,
    )
    x = X.copy()
    x[0, 0] = np.nan
    compare((x, q), {"nanquantile": lambda np_, x, q: np_.nanquantile(x, q, axis=1)}, rtol=1e-4)
    compare((x, q), {"nanpercentile": lambda np_, x, q: np_.nanpercentile(x, 30.0, axis=0)}, rtol=1e-4)


def test_averages_and_covariances(compare):
    x = X[0]
    weights = np.float32([1, 2, 0.5, 3, 1])
    counts = np.int32([1, 2, 1, 3, 1])
    compare(
        (x, weights, counts),
        {
            "average": lambda np_, x, w, n: np_.average(x),
            "weights": lambda np_, x, w, n: np_.average(x, axis=1, weights=w, returned=True),
            "weights alike": lambda np_, x, w, n: np_.average(x, weights=x * x),
            "cov": lambda np_, x, w, n: np_.cov(x),
            "cov pair": lambda np_, x, w, n: np_.cov(x[0], x[1], bias=True),
            "cov columns": lambda np_, x, w, n: np_.cov(x, rowvar=False, ddof=0),
            "cov counts": lambda np_, x, w, n: np_.cov(x, fweights=n),
            "cov weights": lambda np_, x, w, n: np_.cov(x, aweights=w, fweights=n),
            "corrcoef": lambda np_, x, w, n: np_.corrcoef(x),
            "complex": lambda np_, x, w, n: np_.cov(x + 1j * x[::-1]),
        },
        rtol=1e-4,
    )
    with pytest.raises(ValueError, match="average got weights of shape"):
        mnp.average(x, axis=0, weights=weights)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.data())
@settings(max_examples=20, deadline=None)
def test_any_shape_and_axes(shape, data):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    axes = data.draw(st.lists(st.integers(-x.ndim, x.ndim - 1), unique_by=lambda d: d % x.ndim))
    keepdims = data.draw(st.booleans())
    found = mnp.sum(x, axis=tuple(axes), keepdims=keepdims)
    np.testing.assert_array_equal(found, np.sum(x, axis=tuple(axes), keepdims=keepdims))


def test_axes_that_are_not_there():
    with pytest.raises(
        ValueError, match=r"sum got axis 2 for an array of 2 dimensions; axes run from -2 to 1"
    ):
        mnp.sum(mnp.ones((2, 3)), axis=2)
    with pytest.raises(IndexError, match="it has no axes"):
        mnp.cumsum(mnp.array(1.0), axis=0)
    with pytest.raises(ValueError, match="names an axis twice"):
        mnp.mean(mnp.ones((2, 3)), axis=(0, -2))
    with pytest.raises(TypeError, match="integer axis"):
        mnp.argmax(mnp.ones(3), axis=0.5)
    with pytest.raises(NotImplementedError, match="drop out="):
        mnp.sum(mnp.ones(3), out=mnp.ones(()))


def test_a_reduction_is_one_operation():
    text = mycc.jit(lambda x: mnp.sum(x, axis=1, keepdims=True)).lower(X).as_text()
    assert text.count("stablehlo.reduce") == 1
    assert "broadcast" not in text
