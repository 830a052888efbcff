"""Reading and writing by indices: NumPy's for static ones, JAX's for what is only known at run time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mycc
import mycc.numpy as mnp
from mycc import operations

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
POSITIONS = np.int32([0, 2, -1])
PLACES = np.int32([[0], [1]])
MASK = X[:, :, 0] % 3 == 0

INDICES = {
    "position": 1,
    "negative": -1,
    "positions": (0, -2, 3),
    "slice": slice(1, 3),
    "steps": (slice(None), slice(None, None, 2), slice(4, 0, -2)),
    "backwards": (slice(None, None, -1), slice(3, None, -1)),
    "empty slice": (slice(2, 1), slice(None)),
    "beyond": (slice(-10, 10), slice(2, 100)),
    "ellipsis": (..., 0),
    "ellipsis in the middle": (1, ..., slice(1, 3)),
    "new": (None, 0, None, slice(None), None),
    "empty": (),
    "only an ellipsis": ...,
    "array": POSITIONS,
    "list": [0, 2],
    "arrays": (POSITIONS, POSITIONS),
    "broadcast arrays": (POSITIONS, PLACES),
    "arrays parted by a slice": (POSITIONS, slice(None), POSITIONS),
    "arrays after a slice": (slice(None), POSITIONS, PLACES),
    "arrays parted by an ellipsis": (slice(None), POSITIONS, ..., POSITIONS),
    "array and position": (slice(None), POSITIONS, 2),
    "position and array": (slice(None), 2, POSITIONS),
    "position, slice, array": (0, slice(None), POSITIONS),
    "array and new": (None, POSITIONS, None),
    "array and slices": (slice(0, 2), POSITIONS, slice(None, None, -2)),
    "array of no positions": (slice(None), np.zeros((0,), np.int32)),
    "mask": MASK,
    "mask of all": X % 2 == 0,
    "mask and slice": (MASK, slice(1, 3)),
    "mask of one dimension": (slice(None), np.array([True, False, True, True]), 1),
    "mask and array": (np.array([True, False, True]), POSITIONS[:2]),
    "true": (True, slice(1)),
    "false": False,
    "true and array": (True, POSITIONS),
    "scalars of NumPy": (np.int64(1), np.array(2)),
}


def test_reading(compare):
    compare((X,), {name: lambda np_, x, i=index: x[i] for name, index in INDICES.items()})


def test_writing_and_adding(compare):
    def written(np_, x, index, value):
        if np_ is np:
            x = x.copy()
            x[index] = value
            return x
        y = mnp.copy(x)
        y[index] = value
        return y

    def added(np_, x, index, value):
        if np_ is np:
            x = x.copy()
            np.add.at(x, index, value)
            return x
        return x.at[index].add(value)

    cases = {}
    for name, index in INDICES.items():
        cases[f"set {name}"] = lambda np_, x, i=index: written(np_, x, i, 7.0)
        cases[f"add {name}"] = lambda np_, x, i=index: added(np_, x, i, -x[i] / 2 if np_ is np else x[i] / -2)
    compare((X,), cases)


def test_without_jit(compare):
    x = mnp.array(X)
    for index in INDICES.values():
        np.testing.assert_array_equal(x[index], X[index])
    y, expected = mnp.array(X), X.copy()
    for number, index in enumerate(INDICES.values()):
        y[index] = number
        expected[index] = number
    np.testing.assert_array_equal(y, expected)


@st.composite
def arrays_and_indices(draw):
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    lead = draw(st.sampled_from([(), (3,), (2, 3), (1,)]))
    entries = []
    dims = list(shape)
    elided = False
    while dims:
        kind = draw(
            st.sampled_from(["slice", "slice", "position", "array", "array", "mask", "new", "flag", "rest"])
        )
        size = dims[0]
        if kind == "rest":
            if elided:
                continue
            elided = True
            entries.append(...)
            dims = dims[draw(st.integers(0, len(dims))) :]
        elif kind == "new":
            entries.append(None)
        elif kind == "flag":
            entries.append(draw(st.booleans()))
        elif kind == "slice":
            bounds = st.none() | st.integers(-size - 2, size + 2)
            entries.append(slice(draw(bounds), draw(bounds), draw(st.sampled_from([None, 1, 2, -1, -2]))))
            dims.pop(0)
        elif kind == "mask":
            entries.append(np.array([draw(st.booleans()) for _ in range(size)], bool))
            dims.pop(0)
        elif size:
            positions = st.integers(-size, size - 1)
            if kind == "position":
                entries.append(draw(positions))
            else:
                narrow = tuple(n if draw(st.booleans()) else 1 for n in lead)
                values = [draw(positions) for _ in range(int(np.prod(narrow)))]
                entries.append(
                    np.array(values, draw(st.sampled_from([np.int32, np.int64, np.int8]))).reshape(narrow)
                )
            dims.pop(0)
        else:
            break
    return shape, tuple(entries)


def check_index(shape, index, through):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    try:
        expected = x[index]
    except IndexError:
        with pytest.raises(IndexError):
            through(lambda x: x[index])(mnp.array(x))
        return
    value = np.arange(100, 100 + expected.size, dtype=np.float32).reshape(expected.shape)
    added = x.copy()
    np.add.at(added, index, value)

    found, sums = through(lambda x, v: (x[index], x.at[index].add(v)))(mnp.array(x), mnp.array(value))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(sums, added)
    touched = np.zeros(shape, np.int32)
    np.add.at(touched, index, 1)
    if touched.max(initial=0) <= 1:
        x[index] = value
        written = through(lambda x, v: x.at[index].set(v))(mnp.array(added), mnp.array(value))
        np.testing.assert_array_equal(written, np.where(touched == 1, x, added))


@given(arrays_and_indices())
@settings(max_examples=25, deadline=None)
def test_any_index(case):
    check_index(*case, mycc.jit)


@pytest.mark.exhaustive
@given(arrays_and_indices())
@settings(max_examples=1500, deadline=None)
def test_any_index_at_length(case):
    check_index(*case, mycc.jit)
    check_index(*case, lambda f: f)


# ---- Positions known at run time -----------------------------------------------------------------


MODES = (None, "clip", "fill", "drop", "promise_in_bounds")


def test_positions_outside_are_treated_as_in_jax():
    x = np.arange(10, dtype=np.float32)
    table = np.arange(20, dtype=np.int32).reshape(4, 5)
    inside_and_out = np.int32([0, -1, 9, 10, -11, 100])
    few = np.int32([1, -4, 3])

    def reads(x, t, i, j, k):
        results = []
        for mode in ("clip", "fill", "promise_in_bounds", None):
            results += [x.at[i].get(mode=mode), t.at[j, i].get(mode=mode), t.at[:, i].get(mode=mode)]
            results += [
                x.at[k].get(mode=mode) if mode != "fill" else x.at[k].get(mode="fill", fill_value=-1.0)
            ]
        results.append(x.at[i].get(mode="fill", fill_value=7.0))
        results.append(x.at[i].get(mode="fill", wrap_negative_indices=False))
        return [*results, x[i], t[j, i], t[k], t[k, 2], t[1, k], t[j, k], t[k, i], x[k]]

    def writes(x, t, i, j, k):
        results = []
        for mode in MODES:
            results += [
                x.at[i].add(1.0, mode=mode),
                x.at[few].multiply(3.0, mode=mode),
                t.at[k].set(1, mode=mode),
                t.at[k, ::2].set(2, mode=mode),
                t.at[j, i].max(3, mode=mode),
                t.at[k, i].min(1, mode=mode),
                t.at[:, k].add(100, mode=mode),
            ]
        return results

    for k in (0, 2, -1, -4, 7, -9):
        arguments = (x, table, inside_and_out, inside_and_out[::-1].copy(), np.int32(k))
        ours, theirs = mycc.jit(reads)(*arguments), jax.jit(reads)(*map(jnp.asarray, arguments))
        for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            np.testing.assert_array_equal(a, b, err_msg=f"read {number} with {k}")
        # What a promise that is not kept gives is of no matter.
        if -4 <= k < 4:
            ours, theirs = mycc.jit(writes)(*arguments), jax.jit(writes)(*map(jnp.asarray, arguments))
            kept = [n for n in range(len(ours)) if n < 28 or n % 7 in (1, 2, 3, 6)]
            for number in kept:
                np.testing.assert_array_equal(
                    ours[number], theirs[number], err_msg=f"write {number} with {k}"
                )


def test_combinations(compare):
    x = np.linspace(1, 2, 6, dtype=np.float32)
    i = np.int32([0, 3, 3, 5])
    ours = mycc.jit(
        lambda x, i: [
            x.at[i].divide(2.0),
            x.at[i].power(2.0),
            x.at[i].subtract(np.float32([1, 2, 3, 4])),
            x.at[i].mul(2.0),
            x.at[i].apply(lambda v: v * 2 + 1),
            x.at[1:4].apply(mnp.sqrt),
            x.at[2].divide(4.0),
            x.at[::2].power(3.0),
            x.at[i].get(),
        ]
    )(x, i)
    theirs = [
        jnp.asarray(x).at[i].divide(2.0),
        jnp.asarray(x).at[i].power(2.0),
        jnp.asarray(x).at[i].subtract(np.float32([1, 2, 3, 4])),
        jnp.asarray(x).at[i].mul(2.0),
        jnp.asarray(x).at[i].apply(lambda v: v * 2 + 1),
        jnp.asarray(x).at[1:4].apply(jnp.sqrt),
        jnp.asarray(x).at[2].divide(4.0),
        jnp.asarray(x).at[::2].power(3.0),
        jnp.asarray(x).at[i].get(),
    ]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_traced_masks():
    def masked(x, m, v):
        y = x.at[m].set(0.0)
        z = x.at[m].add(v)
        return y, z, x.at[m[:, 0]].set(v)

    x, m, v = X[0], X[0] % 3 == 0, np.float32(5)
    y, z, rows = mycc.jit(masked)(x, m, v)
    np.testing.assert_array_equal(y, np.where(m, 0, x))
    np.testing.assert_array_equal(z, np.where(m, x + 5, x))
    np.testing.assert_array_equal(rows, np.where(m[:, :1], 5, x))
    line = np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(
        mycc.jit(lambda x, m, v: x.at[m].set(v))(x, m[:, 0], line), np.where(m[:, :1], line, x)
    )
    with pytest.raises(
        mycc.ConcretizationError, match=r"test_indexing.py:\d+: an index by a traced mask .*where"
    ):
        mycc.jit(lambda x, m: x[m])(x, m)
    with pytest.raises(mycc.ConcretizationError, match="traced mask"):
        mycc.jit(lambda x, m: x.at[m].set(np.ones(3)))(x, m)


def test_masks_under_eager_derivatives():
    gradient = mycc.grad(lambda x: mnp.sum(x[x > 3] ** 2))(mnp.array(X[0]))
    np.testing.assert_array_equal(gradient, np.where(X[0] > 3, 2 * X[0], 0))


# ---- What is built -------------------------------------------------------------------------------


def lowered(f, *arguments):
    return mycc.jit(f).lower(*arguments).as_text()


def test_static_positions_are_slices():
    assert "gather" not in lowered(lambda x: x[1, ::2, -1], X)
    assert "dynamic_slice" not in lowered(lambda x: x[1, ::2, -1], X)
    assert "scatter" not in lowered(lambda x: x.at[1, ::2, 1:3].set(0.0), X)
    assert (
        "stablehlo"
        not in lowered(lambda x: x[...], X)
        .replace("stablehlo.token", "")
        .split("func.func")[1]
        .split("return")[0]
    )


def test_a_position_known_at_run_time_is_a_window():
    text = lowered(lambda x, i: x[i], X, np.int32(1))
    assert "dynamic_slice" in text
    assert "gather" not in text
    text = lowered(lambda x, i: x.at[i].set(0.0), X, np.int32(1))
    assert "dynamic_update_slice" in text
    assert "scatter" not in text


def test_one_program_serves_all_positions():
    x = mnp.array(X)
    x[0], x[0:2], x[0, 1]
    x[0] = 1.0
    before = len(operations._entries)
    for i in range(-3, 3):
        x[i]
        x[i] = 2.0
        x[i, 2]
    x[1:3]
    assert len(operations._entries) == before


def test_assignment_converts_to_the_dtype_of_the_array():
    x = mnp.zeros(3, mnp.int32)
    x[0] = 2.7
    x[1:] = np.float64([3, 4])
    assert x.tolist() == [2, 3, 4]
    assert x.dtype == np.int32


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (3, IndexError, r"index 3 is out of bounds for axis 0 of size 3 of an array of shape \(3, 4, 5\)"),
        ((0, -5), IndexError, "index -5 is out of bounds for axis 1"),
        (np.int32([0, 3]), IndexError, "index 3 is out of bounds for axis 0"),
        ((0, 0, 0, 0), IndexError, "with 4 indices; it takes 3"),
        ((..., 0, ...), IndexError, "two ellipses"),
        (np.array([True, False]), IndexError, r"a mask of shape \(2,\)"),
        ((POSITIONS, np.int32([0, 1])), IndexError, "do not broadcast together"),
        (1.5, TypeError, "got float: 1.5"),
        (np.float32([1]), TypeError, "index array of dtype float32"),
        ("a", TypeError, "got str: 'a'"),
        (slice(0, 1.5), TypeError, "slice indices must be integers"),
        (slice(0, 2, 0), ValueError, "zero"),
    ],
)
def test_indices_that_mean_nothing(index, error, message):
    x = mnp.array(X)
    for read in (lambda x: x[index], mycc.jit(lambda x: x[index]), lambda x: x.at[index].set(0.0)):
        with pytest.raises(error, match=message):
            read(x)


def test_slices_with_traced_bounds():
    with pytest.raises(mycc.ConcretizationError, match="dynamic_slice_in_dim"):
        mycc.jit(lambda x, i: x[i : i + 2])(X, np.int32(1))


def test_values_that_do_not_fit():
    with pytest.raises(ValueError, match=r"a value of shape \(3,\) does not broadcast .* of shape \(4, 5\)"):
        mnp.array(X)[0] = np.ones(3)
    with pytest.raises(ValueError, match="mode='nearest'"):
        mnp.array(X).at[0].get(mode="nearest")
