"""Shapes changed, arrays joined, split, repeated, rolled and padded, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
M = np.arange(20, dtype=np.float32).reshape(4, 5) ** 2 % 7
V = np.float32([3, 1, 4, 1, 5])


def test_shapes(compare):
    compare(
        (X,),
        {
            "reshape": lambda np_, x: np_.reshape(x, (4, -1)),
            "reshape columns": lambda np_, x: np_.reshape(x, (3, 8), order="F"),
            "method": lambda np_, x: x.reshape(6, 4),
            "ravel": lambda np_, x: x.ravel(),
            "ravel columns": lambda np_, x: np_.ravel(x, order="F"),
            "flatten": lambda np_, x: x.flatten(),
            "transpose": lambda np_, x: np_.transpose(x),
            "transpose axes": lambda np_, x: np_.transpose(x, (1, -1, 0)),
            "method transpose": lambda np_, x: x.transpose(2, 0, 1),
            "T": lambda np_, x: x.T,
            "mT": lambda np_, x: x.mT,
            "permute_dims": lambda np_, x: np_.permute_dims(x, (2, 0, 1)),
            "matrix_transpose": lambda np_, x: np_.matrix_transpose(x),
            "moveaxis": lambda np_, x: np_.moveaxis(x, 0, -1),
            "moveaxis several": lambda np_, x: np_.moveaxis(x, (0, 1), (-1, 0)),
            "rollaxis": lambda np_, x: np_.rollaxis(x, 2),
            "rollaxis start": lambda np_, x: np_.rollaxis(x, 0, 3),
            "swapaxes": lambda np_, x: x.swapaxes(0, 2),
            "expand_dims": lambda np_, x: np_.expand_dims(x, (0, -1)),
            "squeeze": lambda np_, x: np_.squeeze(x[None, :, :, None]),
            "squeeze axis": lambda np_, x: x[None, :, :, None].squeeze(0),
            "broadcast_to": lambda np_, x: np_.broadcast_to(x[:, :1], (5, 2, 3, 4)),
            "broadcast_arrays": lambda np_, x: list(np_.broadcast_arrays(x, x[:1], x[0, 0])),
            "atleast_1d": lambda np_, x: np_.atleast_1d(x[0, 0, 0]),
            "atleast_2d": lambda np_, x: list(np_.atleast_2d(x[0, 0, 0], x[0, 0])),
            "atleast_3d": lambda np_, x: list(np_.atleast_3d(x[0, 0, 0], x[0, 0], x[0], x)),
        },
    )
    assert mnp.broadcast_shapes((2, 1), (3,)) == (2, 3)
    assert (mnp.shape(X), mnp.ndim(X), mnp.size(X), mnp.size(X, 1)) == ((2, 3, 4), 3, 24, 3)


def test_joining(compare):
    compare(
        (M, V),
        {
            "concatenate": lambda np_, m, v: np_.concatenate([m, m[:2]]),
            "concatenate axis": lambda np_, m, v: np_.concatenate([m, m[:, :2]], axis=-1),
            "concatenate flat": lambda np_, m, v: np_.concatenate([m, v], axis=None),
            "concatenate empty": lambda np_, m, v: np_.concatenate([m[:0], m]),
            "concatenate dtypes": lambda np_, m, v: np_.concatenate([v, v.astype(np.int32)]),
            "concatenate rows": lambda np_, m, v: np_.concatenate(m),
            "concat": lambda np_, m, v: np_.concat([v, v]),
            "stack": lambda np_, m, v: np_.stack([m, m + 1], axis=1),
            "stack last": lambda np_, m, v: np_.stack([v, v], -1),
            "vstack": lambda np_, m, v: np_.vstack([m, v]),
            "hstack": lambda np_, m, v: np_.hstack([v, v]),
            "hstack matrices": lambda np_, m, v: np_.hstack([m, m]),
            "dstack": lambda np_, m, v: np_.dstack([m, m]),
            "column_stack": lambda np_, m, v: np_.column_stack([v, v, m.T]),
            "append": lambda np_, m, v: np_.append(m, v),
            "append axis": lambda np_, m, v: np_.append(m, m, axis=1),
            "block": lambda np_, m, v: np_.block([[m, m], [v, v]]),
            "block vectors": lambda np_, m, v: np_.block([v, np_.float32(1)]),
        },
    )
    assert mnp.concatenate([np.float32([1]), np.int8([2])]).dtype == np.float32


def test_splitting(compare):
    compare(
        (X, V),
        {
            "split": lambda np_, x, v: np_.split(x, 3, axis=1),
            "split at": lambda np_, x, v: np_.split(v, [1, 3, 9]),
            "split negative": lambda np_, x, v: np_.split(v, [-2]),
            "array_split": lambda np_, x, v: np_.array_split(v, 3),
            "hsplit": lambda np_, x, v: np_.hsplit(x, 3),
            "vsplit": lambda np_, x, v: np_.vsplit(x, 2),
            "dsplit": lambda np_, x, v: np_.dsplit(x, 2),
            "unstack": lambda np_, x, v: np_.unstack(x, axis=1),
        },
    )
    assert [float(e) for e in mnp.array(V)] == V.tolist()
    with pytest.raises(ValueError, match="cannot cut 5 elements into 2 equal parts"):
        mnp.split(V, 2)


def test_rearranging(compare):
    cases = {
        "flip": lambda np_, x, m: np_.flip(x),
        "flip axes": lambda np_, x, m: np_.flip(x, (0, 2)),
        "fliplr": lambda np_, x, m: np_.fliplr(m),
        "flipud": lambda np_, x, m: np_.flipud(m),
        "roll": lambda np_, x, m: np_.roll(x, 5),
        "roll axis": lambda np_, x, m: np_.roll(x, -1, axis=1),
        "roll axes": lambda np_, x, m: np_.roll(x, (1, 2), axis=(0, 2)),
        "tile": lambda np_, x, m: np_.tile(m, (2, 1, 3)),
        "tile number": lambda np_, x, m: np_.tile(x, 2),
        "repeat": lambda np_, x, m: np_.repeat(x, 2, axis=1),
        "repeat flat": lambda np_, x, m: np_.repeat(m, 3),
        "repeat each": lambda np_, x, m: np_.repeat(m, np.array([1, 0, 2, 1]), axis=0),
        "resize": lambda np_, x, m: np_.resize(m, (3, 9)),
        "resize smaller": lambda np_, x, m: np_.resize(m, (2, 2)),
        "delete": lambda np_, x, m: np_.delete(m, 1, axis=0),
        "delete several": lambda np_, x, m: np_.delete(m, [1, -1], axis=1),
        "delete slice": lambda np_, x, m: np_.delete(m, slice(0, 3, 2), axis=0),
        "delete flat": lambda np_, x, m: np_.delete(m, 3),
        "insert": lambda np_, x, m: np_.insert(m, 1, 5.0, axis=0),
        "insert several": lambda np_, x, m: np_.insert(m, [1, 3], np.float32([1, 2]), axis=1),
        "insert vector": lambda np_, x, m: np_.insert(m, 1, np.arange(4.0), axis=1),
        "insert block": lambda np_, x, m: np_.insert(m, [1], np.arange(8.0).reshape(4, 2), axis=1),
        "insert flat": lambda np_, x, m: np_.insert(m, [1, 1, -1], 9.0),
    }
    cases |= {f"rot90 {k}": lambda np_, x, m, k=k: np_.rot90(x, k, axes=(1, 2)) for k in range(-1, 5)}
    compare((X, M), cases)
    np.testing.assert_array_equal(mnp.trim_zeros(np.int32([0, 0, 3, 0, 4, 0])), [3, 0, 4])


def test_shifts_and_counts_known_at_run_time():
    rolled = mycc.jit(lambda x, n: mnp.roll(x, n, axis=1))
    for n in (-7, -1, 0, 2, 9):
        np.testing.assert_array_equal(rolled(M, n), np.roll(M, n, axis=1))
    repeated = mycc.jit(lambda x, n: mnp.repeat(x, n, axis=0, total_repeat_length=5))
    np.testing.assert_array_equal(repeated(M, np.int32([1, 0, 3, 1])), np.repeat(M, [1, 0, 3, 1], axis=0))
    with pytest.raises(mycc.ConcretizationError):
        mycc.jit(lambda x, n: mnp.repeat(x, n, axis=0))(M, np.int32([1, 0, 3, 1]))


def test_padding(compare):
    widths = ((2, 3), (1, 9))
    modes = "constant edge reflect symmetric wrap linear_ramp maximum mean median minimum".split()
    cases = {mode: lambda np_, m, mode=mode: np_.pad(m, widths, mode=mode) for mode in modes}
    cases |= {
        "constants": lambda np_, m: np_.pad(m, 2, constant_values=((1, 2), (3, 4))),
        "constant": lambda np_, m: np_.pad(m, (1, 2), constant_values=5),
        "ramps": lambda np_, m: np_.pad(m, widths, mode="linear_ramp", end_values=(3, -4)),
        "lengths": lambda np_, m: np_.pad(m, widths, mode="maximum", stat_length=2),
        "odd reflect": lambda np_, m: np_.pad(m, widths, mode="reflect", reflect_type="odd"),
        "odd symmetric": lambda np_, m: np_.pad(m, widths, mode="symmetric", reflect_type="odd"),
        "nothing": lambda np_, m: np_.pad(m, 0, mode="edge"),
        "integers": lambda np_, m: np_.pad(m.astype(np.int32), 2, mode="mean"),
    }
    compare((M,), cases)
    assert mnp.pad(M, 1, mode="empty").shape == (6, 7)
    with pytest.raises(ValueError, match="mode='round'"):
        mnp.pad(M, 1, mode="round")
    with pytest.raises(ValueError, match="takes no 'end_values'"):
        mnp.pad(M, 1, mode="edge", end_values=2)
    with pytest.raises(ValueError, match="cannot be negative"):
        mnp.pad(M, -1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mnp.reshape(X, (5, -1)), r"reshape cannot bring an array of shape \(2, 3, 4\)"),
        (lambda: mnp.reshape(X, (-1, -1)), "reshape cannot"),
        (lambda: mnp.transpose(X, (0, 1)), "each must be named once"),
        (lambda: mnp.squeeze(X, 0), "its size is not 1"),
        (lambda: mnp.broadcast_to(X, (3, 4)), "cannot spread"),
        (lambda: mnp.broadcast_shapes((2,), (3,)), "do not broadcast"),
        (lambda: mnp.concatenate([M, V]), "alike in all other sizes"),
        (lambda: mnp.concatenate([]), "got no arrays"),
        (lambda: mnp.stack([M, V]), "arrays of one shape"),
        (lambda: mnp.moveaxis(X, (0, 1), 0), "2 axes to move and 1 places"),
        (lambda: mnp.block([[M], M]), "nested equally deep"),
        (lambda: mnp.matrix_transpose(V), "two dimensions or more"),
        (lambda: mnp.expand_dims(X, (0, 0)), "names an axis twice"),
    ],
)
def test_shapes_that_do_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()
