"""Order, positions, counts, sets, interpolation, and elements along axes, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp

RNG = np.random.default_rng(2)
M = RNG.normal(size=(4, 6)).astype(np.float32)
N = RNG.integers(0, 6, 20).astype(np.int32)
SPECIAL = np.float32([3, np.nan, -np.inf, 0.0, -0.0, np.inf, -1, np.nan, 3])


def test_sorting(compare):
    compare(
        (M, N, SPECIAL),
        {
            "sort": lambda np_, m, n, s: np_.sort(m),
            "sort axis": lambda np_, m, n, s: np_.sort(m, axis=0),
            "sort flat": lambda np_, m, n, s: np_.sort(m, axis=None),
            "sort special": lambda np_, m, n, s: np_.sort(s),
            "sort complex": lambda np_, m, n, s: np_.sort(m + 1j * m[::-1], axis=0),
            "sort bools": lambda np_, m, n, s: np_.sort(m > 0, axis=0),
            "argsort": lambda np_, m, n, s: np_.argsort(m, axis=1, stable=True),
            "argsort ties": lambda np_, m, n, s: np_.argsort(n, stable=True),
            "argsort special": lambda np_, m, n, s: np_.argsort(s, stable=True),
            "lexsort": lambda np_, m, n, s: np_.lexsort((n, n % 2)),
            "sort_complex": lambda np_, m, n, s: np_.sort_complex(n).astype(np.complex64),
        },
    )
    np.testing.assert_array_equal(mnp.partition(M, 2)[:, 2], np.partition(M, 2)[:, 2])
    np.testing.assert_array_equal(mnp.sort(N, descending=True), np.sort(N)[::-1])
    ties = mnp.argsort(np.int32([1, 2, 1, 2]), descending=True)
    assert ties.tolist() == [1, 3, 0, 2]
    assert mnp.take_along_axis(M, mnp.argpartition(M, 2), 1).tolist() == np.sort(M).tolist()


def test_searching_sorted_vectors(compare):
    short, long = (
        np.sort(RNG.integers(0, 30, 20)).astype(np.int32),
        np.sort(RNG.normal(size=200)).astype(np.float32),
    )
    compare(
        (short, long, RNG.integers(-2, 33, (3, 9)).astype(np.int32), M),
        {
            f"{side} {name}": lambda np_, s, l, n, m, side=side, name=name: np_.searchsorted(
                *((s, n) if name == "short" else (l, m)), side=side
            )
            for side in ("left", "right")
            for name in ("short", "long")
        }
        | {
            "sorter": lambda np_, s, l, n, m: np_.searchsorted(s[::-1], n, sorter=np.arange(20)[::-1]),
            "digitize": lambda np_, s, l, n, m: np_.digitize(m, l[::40]),
            "digitize right": lambda np_, s, l, n, m: np_.digitize(
                n, s[::4][np.array([0, 1, 3])], right=True
            ),
            "digitize falling": lambda np_, s, l, n, m: np_.digitize(m, l[::40][::-1]),
        },
    )
    ends = np.float32([np.nan, np.inf, -np.inf])
    table = np.sort(np.float32([1, 2, np.nan, np.nan, np.inf]))
    np.testing.assert_array_equal(mnp.searchsorted(table, ends), np.searchsorted(table, ends))


def test_positions_of_elements(assert_like):
    cases = {
        "nonzero": lambda np_, m: np_.nonzero(m > 0),
        "flatnonzero": lambda np_, m: np_.flatnonzero(m > 0),
        "argwhere": lambda np_, m: np_.argwhere(m > 0),
        "where": lambda np_, m: np_.where(m > 0),
        "compress": lambda np_, m: np_.compress([True, False, True], m, axis=0),
        "extract": lambda np_, m: np_.extract(m > 0, m),
        "boolean": lambda np_, m: m[m > 0],
    }
    for name, case in cases.items():
        assert_like(name, case(mnp, mnp.array(M)), case(np, M), 0, 0)


def test_positions_of_elements_under_jit():
    found = mycc.jit(lambda m: mnp.nonzero(m > 0, size=20, fill_value=-1))(M)
    expected = np.nonzero(M > 0)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, np.r_[b, [-1] * (20 - b.size)])
    some = mycc.jit(lambda m: mnp.where(m > 0, size=3))(M)
    np.testing.assert_array_equal(mnp.stack(some), np.stack(np.nonzero(M > 0))[:, :3])
    chosen = mycc.jit(lambda m: mnp.compress(m[:, 0] > -9, m, axis=0, size=5, fill_value=7.0))(M)
    np.testing.assert_array_equal(chosen, np.r_[M, np.full((1, 6), 7.0, np.float32)])
    for call in (mnp.nonzero, mnp.argwhere, mnp.unique, lambda m: mnp.compress(m[0] > 0, m)):
        with pytest.raises(mycc.ConcretizationError, match="depends on its values; give size="):
            mycc.jit(call)(M)


def test_taking_and_putting(compare):
    order = np.argsort(M, axis=1).astype(np.int32)
    compare(
        (M, order, np.int32([[0], [-1], [2], [1]])),
        {
            "take": lambda np_, m, i, j: np_.take(m, i[:2, :3]),
            "take axis": lambda np_, m, i, j: np_.take(m, i[0, :2], axis=1),
            "take wrap": lambda np_, m, i, j: np_.take(m, i * 9 - 20, mode="wrap"),
            "take clip": lambda np_, m, i, j: np_.take(m, i * 9 - 20, mode="clip"),
            "take_along_axis": lambda np_, m, i, j: np_.take_along_axis(m, i, 1),
            "take_along_axis one": lambda np_, m, i, j: np_.take_along_axis(m, j, 1),
            "take_along_axis wide": lambda np_, m, i, j: np_.take_along_axis(m[:1], i, -1),
            "take_along_axis flat": lambda np_, m, i, j: np_.take_along_axis(m, i[0], None),
            "choose": lambda np_, m, i, j: np_.choose(i % 4, m),
            "choose wrap": lambda np_, m, i, j: np_.choose(i, [m, -m], mode="wrap"),
        },
    )
    y = M.copy()
    np.put_along_axis(y, order, 9.0 * order, 1)
    np.testing.assert_array_equal(mnp.put_along_axis(M, order, 9.0 * order, 1), y)
    y = M.copy()
    np.put(y, [1, -1, 5], [7.0, 8.0])
    np.testing.assert_array_equal(mnp.put(M, np.int32([1, -1, 5]), np.float32([7, 8])), y)
    y = M.copy()
    np.place(y, y > 0, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(mnp.place(M, M > 0, np.float32([1, 2, 3])), y)
    y = M.copy()
    np.fill_diagonal(y, 5.0)
    np.testing.assert_array_equal(mnp.fill_diagonal(M, 5.0), y)
    assert np.isnan(mnp.take(M, np.int32([99]))).all()
    assert mnp.take_along_axis(N, np.int32([99]), 0).tolist() == [-(2**31)]
    with pytest.raises(ValueError, match="must broadcast together"):
        mnp.take_along_axis(M, np.zeros((3, 1), np.int32), 1)
    with pytest.raises(ValueError, match="leave inplace False"):
        mnp.put(M, np.int32([0]), 1.0, inplace=True)


def test_counting(assert_like):
    v = M[0]
    cases = {
        "bincount": lambda np_, n, v: np_.bincount(n),
        "bincount weights": lambda np_, n, v: np_.bincount(n[:6], weights=v, minlength=9),
        "histogram": lambda np_, n, v: np_.histogram(v.astype(np.float32)),
        "histogram range": lambda np_, n, v: np_.histogram(v, bins=4, range=(-1, 1)),
        "histogram borders": lambda np_, n, v: np_.histogram(n, bins=[0, 1, 3, 5]),
        "histogram density": lambda np_, n, v: np_.histogram(v, density=True),
        "histogram weights": lambda np_, n, v: np_.histogram(v, weights=v * v),
        "histogram2d": lambda np_, n, v: np_.histogram2d(v, v[::-1], bins=3),
        "histogramdd": lambda np_, n, v: np_.histogramdd(np_.stack([v, v * v], 1), bins=(2, 3), density=True),
        "edges": lambda np_, n, v: np_.histogram_bin_edges(v, 5),
    }
    for name, case in cases.items():
        theirs = case(np, N, v)
        ours = case(mnp, mnp.array(N), mnp.array(v))
        if name.startswith("histogram"):
            theirs = [np.asarray(theirs[0], np.float32), *theirs[1:]]
        assert_like(name, ours, theirs, 1e-4, 1e-5)
    counted = mycc.jit(lambda n: mnp.bincount(n, length=4))(np.int32([0, 3, 3, 9, -2]))
    assert counted.tolist() == [2, 0, 0, 2]
    with pytest.raises(mycc.ConcretizationError, match="give length="):
        mycc.jit(mnp.bincount)(N)


def test_sets(assert_like):
    cases = {
        "unique": lambda np_, n: np_.unique(n),
        "all": lambda np_, n: np_.unique(n, True, True, True),
        "rows": lambda np_, n: np_.unique(n.reshape(10, 2), axis=0),
        "unique_all": lambda np_, n: tuple(np_.unique_all(n)),
        "unique_counts": lambda np_, n: tuple(np_.unique_counts(n)),
        "unique_inverse": lambda np_, n: tuple(np_.unique_inverse(n)),
        "unique_values": lambda np_, n: np_.sort(np_.unique_values(n)),
        "isin": lambda np_, n: np_.isin(n, n[:2]),
        "isin many": lambda np_, n: np_.isin(np_.arange(90), n * 7 + np_.arange(20)),
        "isin more": lambda np_, n: np_.isin(n, np_.arange(80) * 3, invert=True),
        "isin nothing": lambda np_, n: np_.isin(n, n[:0]),
        "union1d": lambda np_, n: np_.union1d(n, n + 2),
        "intersect1d": lambda np_, n: np_.intersect1d(n, n + 2),
        "intersect1d indices": lambda np_, n: np_.intersect1d(n, n + 2, return_indices=True),
        "setdiff1d": lambda np_, n: np_.setdiff1d(n, n + 2),
        "setxor1d": lambda np_, n: np_.setxor1d(n, n + 2),
    }
    for name, case in cases.items():
        assert_like(name, case(mnp, mnp.array(N)), case(np, N), 0, 0)


def test_distinct_elements_under_jit():
    found = mycc.jit(lambda n: mnp.unique(n, True, True, True, size=8))(N)
    values, first, inverse, counts = np.unique(N, True, True, True)
    more = 8 - values.size
    np.testing.assert_array_equal(found[0], np.r_[values, [values[0]] * more])
    np.testing.assert_array_equal(found[1][: values.size], first)
    np.testing.assert_array_equal(found[2], inverse)
    np.testing.assert_array_equal(found[3], np.r_[counts, [0] * more])
    few = mycc.jit(lambda n: mnp.unique(n, size=2, fill_value=-1))(N)
    np.testing.assert_array_equal(few, values[:2])
    nans = mycc.jit(lambda n: mnp.unique(n, size=4, fill_value=-1))(np.float32([np.nan, 1, np.nan, 1]))
    np.testing.assert_array_equal(nans, [1, np.nan, -1, -1])


def test_interpolation(compare):
    xp, fp = np.float32([-1, 0, 0.5]), np.float32([3, 4, 1])
    compare(
        (M, xp, fp),
        {
            "interp": lambda np_, m, xp, fp: np_.interp(m, xp, fp).astype(np.float32),
            "ends": lambda np_, m, xp, fp: np_.interp(m, xp, fp, left=0, right=9).astype(np.float32),
            "period": lambda np_, m, xp, fp: np_.interp(m, xp[::-1], fp, period=2).astype(np.float32),
            "one point": lambda np_, m, xp, fp: np_.interp(m, xp[:1], fp[:1]).astype(np.float32),
        },
        rtol=1e-4,
    )


def test_polynomials_and_windows(compare):
    p, q = np.float32([1, -2, 3, 0.5]), np.float32([2, 1])
    compare(
        (p, q, M),
        {
            "polyval": lambda np_, p, q, m: np_.polyval(p, m),
            "polyadd": lambda np_, p, q, m: np_.polyadd(p, q),
            "polysub": lambda np_, p, q, m: np_.polysub(q, p),
            "polymul": lambda np_, p, q, m: np_.polymul(p, q),
            "polyder": lambda np_, p, q, m: np_.polyder(p, 2),
            "polyint": lambda np_, p, q, m: np_.polyint(p, 2, np.float32([1, 2])),
            "vander": lambda np_, p, q, m: np_.vander(p, 3),
            "hanning": lambda np_, p, q, m: np_.hanning(7),
            "kaiser": lambda np_, p, q, m: np_.kaiser(6, 2.5),
        },
        rtol=1e-4,
    )


def test_convolutions(compare):
    for n, m in ((1, 1), (4, 2), (4, 3), (7, 1), (3, 6), (4, 7)):
        x, y = RNG.normal(size=n).astype(np.float32), RNG.normal(size=m).astype(np.float32)
        compare(
            (x, y),
            {
                f"{name} {mode} {n} {m}": lambda np_, x, y, name=name, mode=mode: getattr(np_, name)(
                    x, y, mode=mode
                )
                for name in ("convolve", "correlate")
                for mode in ("full", "same", "valid")
            },
            rtol=1e-4,
        )
    z = np.complex64([1 + 1j, 2, 3j])
    compare((z,), {"complex": lambda np_, z: np_.correlate(z, z[:2] * 1j, mode="full")})


def test_functions_of_functions():
    np.testing.assert_array_equal(mnp.apply_along_axis(mnp.sort, 0, mnp.array(M)), np.sort(M, 0))
    pairs = np.stack([M, -M])
    np.testing.assert_array_equal(mnp.apply_along_axis(lambda v: v[:2] * 2, 1, pairs), pairs[:, :2] * 2)
    np.testing.assert_allclose(
        mnp.apply_over_axes(mnp.sum, pairs, (0, 2)), np.apply_over_axes(np.sum, pairs, (0, 2)), rtol=1e-5
    )
    dots = mnp.vectorize(mnp.dot, signature="(n),(n)->()")
    np.testing.assert_allclose(dots(pairs, M[:1]), np.vecdot(pairs, M[:1]), rtol=1e-5)
    np.testing.assert_allclose(mnp.vectorize(lambda a, b: a + b)(M, M[0]), M + M[0])
    scaled = mnp.vectorize(lambda a, s: a * len(s), excluded=(1,))
    np.testing.assert_allclose(scaled(M, "abc"), M * 3)
    both = mnp.vectorize(lambda a: (a.sum(), a * 2), signature="(n)->(),(n)")
    total, double = both(M[:, None])
    assert total.shape == (4, 1)
    np.testing.assert_allclose(double, M[:, None] * 2)
    with pytest.raises(ValueError, match="looks like"):
        mnp.vectorize(mnp.dot, signature="(n)(n)->")


def test_index_helpers(compare, assert_like):
    bits = M > 0
    compare(
        (bits, np.uint8([[3, 200], [9, 1]]), N),
        {
            f"{name} {axis} {order}": lambda np_, b, u, n, name=name, axis=axis, order=order: getattr(
                np_, name
            )(b if name == "packbits" else u, axis=axis, bitorder=order)
            for name in ("packbits", "unpackbits")
            for axis in (None, 0, 1)
            for order in ("big", "little")
        }
        | {
            "count": lambda np_, b, u, n: np_.unpackbits(u, count=9),
            "unravel": lambda np_, b, u, n: np_.unravel_index(n, (2, 3)),
            "ravel": lambda np_, b, u, n: np_.ravel_multi_index((n % 3, n % 2), (3, 2)),
            "ravel clip": lambda np_, b, u, n: np_.ravel_multi_index((n, n % 2), (3, 2), mode="clip"),
            "ravel columns": lambda np_, b, u, n: np_.ravel_multi_index(
                (n % 3, n % 2), (3, 2), mode="wrap", order="F"
            ),
        },
    )
    for name, ours, theirs in (
        ("r_", mnp.r_[0:3, 7, mnp.arange(2)], np.r_[0:3, 7, np.arange(2)]),
        ("r_ count", mnp.r_[-1:1:5j], np.r_[-1:1:5j]),
        ("r_ directive", mnp.r_["0,2", [1, 2], [3, 4]], np.r_["0,2", [1, 2], [3, 4]]),
        ("c_", mnp.c_[mnp.arange(3), mnp.arange(3)], np.c_[np.arange(3), np.arange(3)]),
        ("ix_", mnp.ix_(N[:2], N[:3]), np.ix_(N[:2], N[:3])),
        ("tril", mnp.tril_indices(3, 1, 4), np.tril_indices(3, 1, 4)),
        ("triu", mnp.triu_indices_from(M, 2), np.triu_indices_from(M, 2)),
        ("diag", mnp.diag_indices(3), np.diag_indices(3)),
        ("mask", mnp.mask_indices(3, mnp.triu), np.mask_indices(3, np.triu)),
    ):
        assert_like(name, ours, theirs, 1e-6, 0)
