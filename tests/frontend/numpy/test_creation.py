"""Arrays made from numbers, shapes and other arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp


def test_arrays_of_data(assert_like):
    for data in (
        3,
        2.5,
        1j,
        True,
        [1, 2],
        [[1.0], [2.0]],
        [],
        [[], []],
        (1, 2.0),
        range(3),
        np.float64([1, 2]),
    ):
        ours = mnp.array(data)
        assert_like(repr(data), ours, np.asarray(data, ours.dtype), 0, 0)
    x = mnp.ones(2)
    np.testing.assert_array_equal(mnp.array([x, [3, 4]]), [[1, 1], [3, 4]])
    np.testing.assert_array_equal(mnp.array([np.float32(1), 2]), [1, 2])
    assert mnp.array([[1, 2], [3, 4]], ndmin=3).shape == (1, 2, 2)
    assert mnp.array([1.7, 2.2], dtype=int).tolist() == [1, 2]
    assert mnp.array([1 + 2j]).astype(mnp.float32).tolist() == [1.0]
    assert mnp.asarray(x) is x
    assert mnp.array(x) is not x
    assert mnp.asarray(x, copy=True) is not x
    assert mnp.astype(x, mnp.float32) is x
    np.testing.assert_array_equal(mnp.fromiter((i * i for i in range(3)), int), [0, 1, 4])
    np.testing.assert_array_equal(mnp.frombuffer(np.arange(3, dtype=np.int32).tobytes(), np.int32), [0, 1, 2])
    np.testing.assert_array_equal(mnp.from_dlpack(np.arange(3, dtype=np.float32)), [0, 1, 2])


def test_arrays_of_data_under_jit():
    def program(x):
        table = mnp.array([[1.0, 2.0], [x, 4.0]])
        table[0, 0] = x
        zeros = mnp.zeros(2)
        zeros[1] = x
        return table, zeros, mnp.array(x), mnp.asarray(3) + x, mnp.copy(np.float32([1])) * x

    table, zeros, same, sum_, copy = mycc.jit(program)(5.0)
    assert table.tolist() == [[5, 2], [5, 4]]
    assert zeros.tolist() == [0, 5]
    assert (same, sum_, copy[0]) == (5, 8, 5)


@pytest.mark.parametrize("make", [mnp.array, mnp.asarray])
@pytest.mark.parametrize(
    "wanted", ["bool", "int8", "int64", "uint32", "float16", "float32", "float64", "complex64"]
)
@pytest.mark.parametrize("given", ["bool", "int32", "int64", "float16", "float32", "float64"])
def test_every_dtype_of_every_dtype(make: Any, wanted: str, given: str) -> None:
    data = np.arange(3).astype(given)
    for x in (data, mnp.asarray(data), [data, data], [mnp.asarray(data)]):
        found = make(x, wanted)
        assert found.dtype == wanted
        np.testing.assert_array_equal(found, np.asarray(data).astype(wanted) + np.zeros(found.shape, wanted))


def test_copies_are_independent():
    x = mnp.zeros(2)
    y = x.copy()
    y[0] = 1.0
    assert x.tolist() == [0, 0]
    host = np.zeros(2, np.float32)
    z = mnp.asarray(host)
    host[0] = 1
    assert z.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ("text", TypeError, "array got a str"),
        (["a"], TypeError, "a sequence that holds a str"),
        ([[1], [2, 3]], ValueError, "different lengths"),
        (object(), TypeError, "array got a object"),
        (np.array(["a"]), TypeError, "no array of numbers"),
    ],
)
def test_data_that_are_no_numbers(data, error, message):
    with pytest.raises(error, match=message):
        mnp.array(data)


def test_filled(assert_like):
    x = np.ones((2, 3), np.float16)
    cases = {
        "zeros": lambda np_: np_.zeros((2, 3)),
        "ones": lambda np_: np_.ones(4, np.int32),
        "full": lambda np_: np_.full((2, 2), 7),
        "full array": lambda np_: np_.full((2, 3), np.float32([1, 2, 3])),
        "full complex": lambda np_: np_.full(2, 1 + 2j),
        "zeros_like": lambda np_: np_.zeros_like(x),
        "ones_like": lambda np_: np_.ones_like(x, dtype=np.int8),
        "full_like": lambda np_: np_.full_like(x, 2, shape=(4,)),
        "eye": lambda np_: np_.eye(3, 5, 1),
        "identity": lambda np_: np_.identity(3),
        "tri": lambda np_: np_.tri(3, 4, 1),
        "tri below": lambda np_: np_.tri(3, k=-1, dtype=np.int32),
        "arange": lambda np_: np_.arange(5),
        "arange start": lambda np_: np_.arange(2, 11, 3),
        "arange down": lambda np_: np_.arange(5, 0, -2),
        "arange float": lambda np_: np_.arange(0.0, 1.0, 0.1),
        "arange none": lambda np_: np_.arange(3, 1),
        "linspace": lambda np_: np_.linspace(0, 1, 7),
        "linspace open": lambda np_: np_.linspace(0, 1, 4, endpoint=False),
        "linspace step": lambda np_: np_.linspace(0, 1, 5, retstep=True),
        "linspace one": lambda np_: np_.linspace(2, 9, 1),
        "linspace none": lambda np_: np_.linspace(2, 9, 0),
        "linspace arrays": lambda np_: np_.linspace(np.float32([0, 1]), np.float32([5, 9]), 3, axis=1),
        "linspace integers": lambda np_: np_.linspace(0, -9, 4, dtype=np.int32),
        "logspace": lambda np_: np_.logspace(0, 2, 5),
        "geomspace": lambda np_: np_.geomspace(1.0, 1000.0, 4),
        "geomspace negative": lambda np_: np_.geomspace(-1.0, -8.0, 4),
        "indices": lambda np_: np_.indices((2, 3)),
        "indices sparse": lambda np_: np_.indices((2, 3), sparse=True),
        "fromfunction": lambda np_: np_.fromfunction(lambda i, j: i * 10 + j, (2, 3)),
        "mgrid": lambda np_: np_.mgrid[0:2, 0:3],
        "mgrid counts": lambda np_: np_.mgrid[-1:1:5j],
        "ogrid": lambda np_: np_.ogrid[0:2, 0:3],
        "bartlett": lambda np_: np_.bartlett(5),
        "blackman": lambda np_: np_.blackman(5),
        "hamming": lambda np_: np_.hamming(5),
    }
    for name, case in cases.items():
        assert_like(name, case(mnp), case(np), 1e-5, 1e-6)


def test_filled_under_jit():
    def program(x):
        return [
            mnp.zeros((2, 3)) + x,
            mnp.full((2,), x),
            mnp.arange(4) * x,
            mnp.arange(200_000)[-1] + x,
            mnp.ones_like(x),
        ]

    zeros, full, ramp, last, one = mycc.jit(program)(np.int32(2))
    assert zeros.tolist() == [[2, 2, 2], [2, 2, 2]]
    assert (full.tolist(), ramp.tolist(), int(last), int(one)) == ([2, 2], [0, 2, 4, 6], 200_001, 1)
    large = mnp.arange(100_000, dtype=mnp.float32)
    assert (large[-1], large.shape) == (99_999, (100_000,))
    assert mnp.zeros((300, 300)).sum() == 0


def test_matrices(compare):
    m = np.arange(20, dtype=np.float32).reshape(4, 5)
    v = np.float32([1, 2, 3])
    compare(
        (m, v),
        {
            "diag": lambda np_, m, v: np_.diag(m, 1),
            "diag below": lambda np_, m, v: np_.diag(m, -2),
            "diag beyond": lambda np_, m, v: np_.diag(m, 9),
            "diag vector": lambda np_, m, v: np_.diag(v, -2),
            "diagflat": lambda np_, m, v: np_.diagflat(m[:2, :2], 1),
            "diagonal": lambda np_, m, v: np_.diagonal(m.reshape(2, 2, 5), 1, 0, 2),
            "tril": lambda np_, m, v: np_.tril(m, 1),
            "triu": lambda np_, m, v: np_.triu(np_.stack([m, m]), -1),
            "meshgrid": lambda np_, m, v: list(np_.meshgrid(v, m[0])),
            "meshgrid ij": lambda np_, m, v: list(np_.meshgrid(v, m[0], v, indexing="ij")),
            "meshgrid sparse": lambda np_, m, v: list(np_.meshgrid(v, m[0], sparse=True)),
            "vander": lambda np_, m, v: np_.vander(v, 4, increasing=True),
        },
    )


def test_files_and_text(tmp_path):
    x = mnp.arange(3)
    mnp.save(tmp_path / "x.npy", x)
    assert mnp.load(tmp_path / "x.npy").tolist() == [0, 1, 2]
    mnp.savez(tmp_path / "x.npz", x=x)
    assert mnp.load(tmp_path / "x.npz")["x"].tolist() == [0, 1, 2]
    assert mnp.array_str(x) == "[0 1 2]"
    assert "int32" in mnp.array_repr(x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mnp.zeros((2, -1)), ValueError, "sizes cannot be negative"),
        (lambda: mnp.zeros(2.5), TypeError, "zeros takes a shape of integers"),
        (lambda: mnp.full((2,), mnp.ones(3)), ValueError, "does not broadcast"),
        (lambda: mnp.arange(0, 1, 0), ValueError, "step=0"),
        (lambda: mnp.linspace(0, 1, -1), ValueError, "num=-1"),
        (lambda: mnp.array([1], order="F"), ValueError, "order='F'"),
        (lambda: mnp.diag(mnp.ones((1, 1, 1))), ValueError, "one or two dimensions"),
        (lambda: mnp.meshgrid(mnp.ones(2), indexing="yx"), ValueError, "indexing='yx'"),
        (lambda: mycc.jit(lambda n: mnp.zeros(n))(3), mycc.ConcretizationError, "an index or a shape"),
        (lambda: mycc.jit(lambda n: mnp.arange(n))(3), mycc.ConcretizationError, "arange"),
    ],
)
def test_arguments_that_mean_nothing(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("number", [mnp.array, np.array, np.int64], ids=["mycc", "numpy", "scalar"])
def test_arrays_as_sizes_and_axes(number: Any) -> None:
    x, n = mnp.arange(6.0), number(3)
    assert x.reshape(n, -1).shape == x.reshape((2, n))[:, :, None].squeeze(number(2)).T.shape == (3, 2)
    assert mnp.tile(x, n).shape == (18,) and mnp.broadcast_to(1.0, (n,)).shape == (3,)
    assert mnp.linspace(0, 1, n).shape == mnp.zeros(n).shape == mnp.pad(mnp.ones(1), number(1)).shape == (3,)
    assert [part.shape for part in mnp.split(x, n)] == [(2,)] * 3
    assert mnp.ones((2, 3)).sum(number(0)).shape == mycc.nn.one_hot(1, n).shape == (3,)
    assert mycc.random.normal(mycc.random.key(0), (n,)).shape == (3,)
    assert mycc.random.normal(mycc.random.PRNGKey(0), (n,)).shape == (3,)
    assert mnp.zeros(np.array([2, 3])).shape == mnp.zeros(mnp.array([2, 3])).shape == (2, 3)
    assert x.reshape(np.array([2, 3])).shape == x.reshape(mnp.array([2, 3])).shape == (2, 3)
    # Under an eager derivative there are numbers, too.
    assert (
        float(mycc.grad(lambda a: a.reshape(mnp.array(3), -1).sum(mnp.argmax(mnp.ones(2)))[0])(x)[2]) == 1.0
    )


@pytest.mark.parametrize(
    "use",
    [
        lambda n: mnp.zeros(n),
        lambda n: mnp.ones((n, 2)),
        lambda n: mnp.arange(6.0).reshape(n, -1),
        lambda n: mnp.sum(mnp.ones((2, 2)), n),
        lambda n: mnp.linspace(0, 1, n),
        lambda n: mnp.pad(mnp.ones(2), n),
        lambda n: mnp.expand_dims(mnp.ones(2), n),
        lambda n: mycc.nn.one_hot(1, n),
        lambda n: mycc.random.normal(mycc.random.key(0), (n,)),
        lambda n: mnp.ones(6).reshape(mnp.array((2, 3)).prod()),
    ],
)
def test_traced_sizes_and_axes_name_the_way_out(use: Any) -> None:
    with pytest.raises(mycc.ConcretizationError, match=r"test_creation\.py:\d+: .*static_argnums"):
        mycc.jit(use)(1)


def test_diagonals_beyond_the_matrix() -> None:
    for k in (-(2**40), -3, 4, 2**40):
        np.testing.assert_array_equal(mnp.eye(3, 4, k), np.zeros((3, 4)))
        np.testing.assert_array_equal(mnp.tri(3, 4, k), np.tri(3, 4, max(min(k, 9), -9)))


def test_what_the_array_api_asks_for() -> None:
    assert isinstance(mnp.meshgrid(mnp.ones(2), mnp.ones(3)), tuple)
    assert isinstance(mnp.__array_namespace_info__().devices(), tuple)
    x = mnp.arange(6)
    np.testing.assert_array_equal(x.reshape(2, 3, order="F"), np.arange(6).reshape(2, 3, order="F"))
    assert x.devices() == {x.device}
