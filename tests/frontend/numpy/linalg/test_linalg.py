"""`mycc.numpy.linalg` against NumPy; derivatives against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import mycc
import mycc.numpy as mnp
from mycc.numpy import linalg

RNG = np.random.default_rng(3)


def normal(*shape: int, kind: Any = float) -> Any:
    x = RNG.normal(size=shape)
    return x + 1j * RNG.normal(size=shape) if kind is complex else x


def positive(n: int, kind: Any = float) -> Any:
    x = normal(n, n, kind=kind)
    return x @ x.conj().T + n * np.eye(n)


SQUARE = {
    "real": normal(3, 3),
    "complex": normal(3, 3, kind=complex),
    "stack": normal(2, 3, 3),
    "four": normal(4, 4),
}
ANY = {**SQUARE, "tall": normal(4, 2), "wide": normal(2, 4, kind=complex), "stack of tall": normal(2, 4, 3)}


@pytest.mark.parametrize("name", SQUARE)
def test_values_of_square_matrices(name: str, compare: Any) -> None:
    a = SQUARE[name]
    h = a @ np.conj(np.swapaxes(a, -1, -2))
    b = normal(*a.shape[:-1], 2)
    compare(
        (a, h, b),
        {
            "cholesky": lambda np_, a, h, b: np_.linalg.cholesky(h),
            "cholesky upper": lambda np_, a, h, b: np_.linalg.cholesky(h, upper=True),
            "det": lambda np_, a, h, b: np_.linalg.det(a),
            "slogdet": lambda np_, a, h, b: tuple(np_.linalg.slogdet(a)),
            "inv": lambda np_, a, h, b: np_.linalg.inv(a),
            "solve": lambda np_, a, h, b: np_.linalg.solve(a, b),
            "solve vector": lambda np_, a, h, b: np_.linalg.solve(a, b[(0,) * (b.ndim - 2)][:, 0]),
            "eigvalsh": lambda np_, a, h, b: np_.linalg.eigvalsh(h),
            "eigvalsh U": lambda np_, a, h, b: np_.linalg.eigvalsh(a, "U"),
            "eigh": lambda np_, a, h, b: np_.linalg.eigh(h)[0],
            "cond 1": lambda np_, a, h, b: np_.linalg.cond(a, 1),
            "power": lambda np_, a, h, b: np_.linalg.matrix_power(a, 5),
            "power -2": lambda np_, a, h, b: np_.linalg.matrix_power(a, -2),
            "power 0": lambda np_, a, h, b: np_.linalg.matrix_power(a, 0),
            "hermitian svd": lambda np_, a, h, b: np_.linalg.svd(h - 3 * np_.eye(h.shape[-1]), hermitian=True)[1],
            "rank hermitian": lambda np_, a, h, b: np_.linalg.matrix_rank(h, hermitian=True),
            "pinv hermitian": lambda np_, a, h, b: np_.linalg.pinv(h, hermitian=True),
        },
        1e-9, 1e-9,
    )  # fmt: skip
    w, v = linalg.eig(a)
    np.testing.assert_allclose(a @ np.asarray(v), np.asarray(v) * np.asarray(w)[..., None, :], atol=1e-10)
    np.testing.assert_allclose(linalg.eigvals(a), w, atol=1e-10)
    w, v = (np.asarray(x) for x in linalg.eigh(h))
    np.testing.assert_allclose(h @ v, v * w[..., None, :], atol=1e-9)
    u, s, vh = (np.asarray(x) for x in linalg.svd(a + np.conj(np.swapaxes(a, -1, -2)), hermitian=True))
    np.testing.assert_allclose((u * s[..., None, :]) @ vh, a + np.conj(np.swapaxes(a, -1, -2)), atol=1e-9)


@pytest.mark.parametrize("name", ANY)
def test_values_of_any_matrices(name: str, compare: Any) -> None:
    a = ANY[name]
    compare(
        (a,),
        {
            "svdvals": lambda np_, a: np_.linalg.svdvals(a),
            "svd values": lambda np_, a: np_.linalg.svd(a, compute_uv=False),
            "pinv": lambda np_, a: np_.linalg.pinv(a),
            "pinv rtol": lambda np_, a: np_.linalg.pinv(a, rtol=0.5),
            "rank": lambda np_, a: np_.linalg.matrix_rank(a),
            "rank tol": lambda np_, a: np_.linalg.matrix_rank(a, tol=1.5),
            "cond": lambda np_, a: np_.linalg.cond(a),
            "cond -2": lambda np_, a: np_.linalg.cond(a, -2),
            "qr": lambda np_, a: tuple(np_.linalg.qr(a)),
            "qr complete": lambda np_, a: tuple(np_.linalg.qr(a, mode="complete")),
            "qr r": lambda np_, a: np_.linalg.qr(a, mode="r"),
            "transpose": lambda np_, a: np_.linalg.matrix_transpose(a),
            "diagonal": lambda np_, a: np_.linalg.diagonal(a, offset=-1),
            "trace": lambda np_, a: np_.linalg.trace(a, offset=1),
            **{
                f"matrix_norm {o}": lambda np_, a, o=o: np_.linalg.matrix_norm(a, ord=o)
                for o in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
            },
            "matrix_norm keep": lambda np_, a: np_.linalg.matrix_norm(a, ord="nuc", keepdims=True),
            **{
                f"vector_norm {o}": lambda np_, a, o=o: np_.linalg.vector_norm(a, axis=-1, ord=o)
                for o in (0, 1, 2, 3.5, np.inf, -np.inf)
            },
            "vector_norm": lambda np_, a: np_.linalg.vector_norm(a, keepdims=True),
            "norm": lambda np_, a: np_.linalg.norm(a),
            "norm keep": lambda np_, a: np_.linalg.norm(a, keepdims=True),
            "norm axis": lambda np_, a: np_.linalg.norm(a, 1, axis=0),
            "norm axes": lambda np_, a: np_.linalg.norm(a, np.inf, axis=(-1, 0), keepdims=True),
            "norm nuc": lambda np_, a: np_.linalg.norm(a, "nuc", axis=(0, -1)),
        },
        1e-9, 1e-9,
    )  # fmt: skip
    u, s, vh = (np.asarray(x) for x in linalg.svd(a))
    k = s.shape[-1]
    np.testing.assert_allclose((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a, atol=1e-10)
    assert u.shape[-1] == u.shape[-2] and vh.shape[-1] == vh.shape[-2]


def test_tensors_and_products(compare: Any) -> None:
    a, b = normal(2, 3, 6), normal(6)
    x, y, v = normal(3, 4), normal(4, 5), normal(3)
    compare(
        (a, b, x, y, v, normal(24, 8, 3)),
        {
            "tensorsolve": lambda np_, a, b, x, y, v, t: np_.linalg.tensorsolve(a, np_.reshape(b, (2, 3))),
            "tensorinv": lambda np_, a, b, x, y, v, t: np_.linalg.tensorinv(np_.reshape(t, (24, 8, 3)), ind=1),
            "multi_dot": lambda np_, a, b, x, y, v, t: np_.linalg.multi_dot([v, x, y, y.T, x.T, v]),
            "multi_dot 2": lambda np_, a, b, x, y, v, t: np_.linalg.multi_dot([x, y]),
            "outer": lambda np_, a, b, x, y, v, t: np_.linalg.outer(v, b),
            "cross": lambda np_, a, b, x, y, v, t: np_.linalg.cross(x, x[:, ::-1], axis=0),
            "vecdot": lambda np_, a, b, x, y, v, t: np_.linalg.vecdot(x, x + 1),
            "matmul": lambda np_, a, b, x, y, v, t: np_.linalg.matmul(x, y),
            "tensordot": lambda np_, a, b, x, y, v, t: np_.linalg.tensordot(x, y, axes=1),
        },
        1e-9, 1e-9,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3)])
def test_least_squares(shape: tuple[int, int]) -> None:
    a, b = normal(*shape), normal(shape[0], 2)
    for right in (b, b[:, 0]):
        x, rest, rank, s = linalg.lstsq(a, right)
        want = np.linalg.lstsq(a, right, rcond=None)
        np.testing.assert_allclose(x, want[0], rtol=1e-9, atol=1e-10)
        assert int(rank) == want[2]
        np.testing.assert_allclose(s, want[3], rtol=1e-10)
        np.testing.assert_allclose(
            rest, np.atleast_1d(np.sum((a @ want[0] - right) ** 2, 0)), rtol=1e-8, atol=1e-12
        )


H = positive(3)
C = normal(3, 3, kind=complex)
DERIVATIVES: dict[str, Any] = {
    "cholesky": (linalg.cholesky, positive(3)),
    "cholesky upper": (lambda a: linalg.cholesky(a, upper=True), positive(2, complex)),
    "solve": (linalg.solve, normal(3, 3), normal(3, 2)),
    "solve complex": (linalg.solve, C, normal(3, kind=complex)),
    "inv": (linalg.inv, normal(3, 3)),
    "det 2": (linalg.det, normal(2, 2)),
    "det 3": (linalg.det, C),
    "det 4": (linalg.det, normal(4, 4)),
    "slogdet": (linalg.slogdet, normal(3, 3)),
    "slogdet complex": (linalg.slogdet, C),
    "pinv": (linalg.pinv, normal(4, 2)),
    "pinv wide": (linalg.pinv, normal(2, 3, kind=complex)),
    "pinv repeated": (linalg.pinv, np.eye(3, 2)),
    "qr": (linalg.qr, normal(4, 3)),
    "qr wide": (linalg.qr, normal(2, 3, kind=complex)),
    "qr complete": (lambda a: linalg.qr(a, "complete"), normal(4, 2)),
    "eigvalsh": (linalg.eigvalsh, H),
    "eigh function": (lambda a: (lambda w, v: (v * mnp.sqrt(w)) @ v.mT)(*linalg.eigh(a)), H),
    "svdvals": (linalg.svdvals, normal(3, 4)),
    "svd function": (lambda a: (lambda u, s, v: (u * s**2) @ v)(*linalg.svd(a, full_matrices=False)), normal(3, 4)),
    "eigvals": (linalg.eigvals, np.diag([1.0, 3, 6]) + normal(3, 3) / 9),
    "eig": (linalg.eig, np.diag([1.0, 3, 6]) + normal(3, 3) / 9),
    "lstsq": (lambda a, b: linalg.lstsq(a, b)[:2], normal(4, 2), normal(4)),
    "norms": (
        lambda a: [linalg.norm(a), linalg.norm(a, "nuc"), linalg.norm(a, 2), linalg.norm(a, 3, axis=0), linalg.cond(a)],
        normal(3, 2),
    ),
    "matrix_power": (lambda a: linalg.matrix_power(a, -3), H),
    "multi_dot": (lambda a, b: linalg.multi_dot([a, b, a, b]), normal(2, 3), normal(3, 2)),
}  # fmt: skip


QUICK = ("solve", "det 4", "slogdet", "pinv", "pinv repeated", "qr wide", "svd function", "norms")


@pytest.mark.parametrize("name", QUICK)
def test_derivatives(name: str, check_derivatives: Any) -> None:
    f, *args = DERIVATIVES[name]
    check_derivatives(f, *args)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", DERIVATIVES)
def test_all_derivatives(name: str, check_derivatives: Any) -> None:
    f, *args = DERIVATIVES[name]
    check_derivatives(
        f, *args, second=name in ("cholesky", "solve", "inv", "pinv", "qr", "eigvalsh", "det 4")
    )


def test_derivatives_at_degenerate_points() -> None:
    # All of these have one, though their parts have none.
    assert np.all(np.isfinite(mycc.grad(lambda a: mnp.sum(linalg.qr(a)[1] ** 2))(np.eye(3))))
    np.testing.assert_allclose(mycc.grad(lambda a: mnp.sum(linalg.eigvalsh(a)))(np.eye(3)), np.eye(3))
    np.testing.assert_allclose(mycc.grad(lambda a: linalg.svdvals(a).sum())(np.eye(2)), np.eye(2), atol=1e-12)
    np.testing.assert_allclose(mycc.grad(linalg.norm)(np.zeros((2, 2))), np.zeros((2, 2)))
    singular = np.array([[1.0, 2, 3], [2, 4, 6], [1, 0, 1]])
    cofactors = [[4, 4, -4], [-2, -2, 2], [0, 0, 0]]
    np.testing.assert_allclose(mycc.grad(linalg.det)(singular), cofactors)


def test_failures_are_nan_and_stacks_keep_them_apart() -> None:
    both = np.stack([np.eye(2), -np.eye(2)])
    found = np.asarray(linalg.cholesky(both))
    assert np.all(np.isfinite(found[0])) and np.any(np.isnan(found[1]))
    assert not np.any(np.isfinite(np.asarray(linalg.inv(np.zeros((2, 2))))))
    assert float(linalg.det(np.zeros((4, 4)))) == 0
    sign, log = linalg.slogdet(np.zeros((2, 2)))
    assert (float(sign), float(log)) == (0, -np.inf)


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 3, 3)])
def test_empty_square_matrices(shape: tuple[int, ...], compare: Any) -> None:
    x = np.zeros(shape)
    compare(
        (x,),
        {
            name: (
                lambda np_, x, name=name: (
                    tuple(r) if isinstance(r := getattr(np_.linalg, name)(x), tuple) else r
                )
            )
            for name in (
                "cholesky",
                "inv",
                "det",
                "eigvalsh",
                "eigh",
                "slogdet",
                "pinv",
                "svdvals",
                "qr",
                "svd",
            )
        },
    )


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 4, 2)])
def test_empty_matrices(shape: tuple[int, ...], compare: Any) -> None:
    compare(
        (np.zeros(shape),),
        {
            "pinv": lambda np_, x: np_.linalg.pinv(x),
            "qr": lambda np_, x: tuple(np_.linalg.qr(x)),
            "complete": lambda np_, x: tuple(np_.linalg.qr(x, "complete")),
            "svd": lambda np_, x: tuple(np_.linalg.svd(x)),
            "thin": lambda np_, x: tuple(np_.linalg.svd(x, full_matrices=False)),
        },
    )
    assert (
        np.asarray(mycc.grad(lambda x: linalg.qr(x)[1].sum() + linalg.pinv(x).sum())(np.zeros(shape))).shape
        == shape
    )


def test_rank_of_a_vector() -> None:
    assert (int(linalg.matrix_rank(np.zeros(3))), int(linalg.matrix_rank(np.ones(3)))) == (0, 1)


def test_dtypes() -> None:
    assert linalg.solve(np.eye(2, dtype=np.int32), np.ones(2, np.int32)).dtype == np.float32
    assert linalg.eigvals(np.eye(2, dtype=np.float32)).dtype == np.complex64
    assert linalg.eigh(np.eye(2, dtype=np.complex64))[0].dtype == np.float32
    assert linalg.solve(np.eye(2, dtype=np.float32), np.ones(2, np.complex128)).dtype == np.complex128


def test_errors_name_the_line() -> None:
    cases = [
        (lambda: linalg.inv(np.ones((2, 3))), ValueError, "square"),
        (lambda: linalg.cholesky(np.ones(3)), ValueError, "two dimensions"),
        (lambda: linalg.solve(np.eye(3), np.ones(2)), ValueError, "3 rows"),
        (lambda: linalg.solve(np.ones((2, 3, 3)), np.ones((4, 3, 1))), ValueError, "broadcast"),
        (lambda: linalg.eigh(np.eye(2), "X"), ValueError, "UPLO"),
        (lambda: linalg.qr(np.eye(2), "raw"), ValueError, "mode"),
        (lambda: linalg.svd(mnp.ones((2, 2), mnp.bfloat16)), TypeError, "bfloat16"),
        (lambda: linalg.norm(np.ones((2, 2)), "x"), ValueError, "ord='x'"),
        (lambda: linalg.norm(np.ones((2, 2, 2)), 2), ValueError, "give axis"),
        (lambda: linalg.multi_dot([np.eye(2)]), ValueError, "two arrays"),
        (lambda: linalg.matrix_power(np.eye(2), 1.5), TypeError, "integer"),
        (lambda: linalg.tensorsolve(np.ones((2, 3)), np.ones(2)), ValueError, "square system"),
        (lambda: linalg.tensorinv(np.ones((2, 3)), 1), ValueError, "ind=1"),
        (lambda: linalg.cross(np.ones(2), np.ones(2)), ValueError, "three"),
        (lambda: linalg.lstsq(np.ones((2, 3)), np.ones(3)), ValueError, "lstsq"),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind, match=text) as info:
            call()
        assert "test_linalg.py" in str(info.value)


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(st.lists(st.integers(0, 2), max_size=2), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_shapes(lead: list[int], m: int, n: int, wide: bool) -> None:
    a = normal(*lead, m, n, kind=complex if wide else float)
    u, s, vh = (np.asarray(x) for x in linalg.svd(a, full_matrices=False))
    np.testing.assert_allclose((u * s[..., None, :]) @ vh, a, atol=1e-10)
    q, r = (np.asarray(x) for x in linalg.qr(a))
    np.testing.assert_allclose(q @ r, a, atol=1e-10)
    p = np.asarray(linalg.pinv(a))
    np.testing.assert_allclose(a @ p @ a, a, atol=1e-9)
