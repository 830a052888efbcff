"""`mycc.lax.linalg` against JAX's conventions, `mycc.scipy.linalg` against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg as sl

import mycc
import mycc.lax as lax
import mycc.numpy as mnp
from mycc.dialects.errors import PassError
from mycc.dialects.mlir import context, ir
from mycc.lowering.handover import check_handover
from mycc.scipy import linalg

RNG = np.random.default_rng(4)


def normal(*shape: int, kind: Any = float) -> Any:
    x = RNG.normal(size=shape)
    return x + 1j * RNG.normal(size=shape) if kind is complex else x


def herm(x: Any) -> Any:
    return np.conj(np.swapaxes(np.asarray(x), -1, -2))


def close(got: Any, want: Any) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", [float, complex])
def test_decompositions_of_lax(kind: Any) -> None:
    a, tall = normal(2, 3, 3, kind=kind), normal(2, 4, 3, kind=kind)
    h = a @ herm(a) + np.eye(3)
    factor = np.asarray(lax.linalg.cholesky(h))
    close(factor, np.linalg.cholesky(h))
    close(lax.linalg.triangular_solve(factor, a, left_side=True, lower=True), np.linalg.solve(factor, a))
    found = lax.linalg.triangular_solve(factor, a, lower=True, transpose_a=True, conjugate_a=True)
    close(found @ herm(factor), a)
    close(lax.linalg.triangular_solve(factor, a, lower=True, conjugate_a=True) @ np.conj(factor), a)
    v, w = (np.asarray(x) for x in lax.linalg.eigh(h))
    close(h @ v, v * w[..., None, :])
    u, s, vh = (np.asarray(x) for x in lax.linalg.svd(tall, full_matrices=False))
    close((u * s[..., None, :]) @ vh, tall)
    close(lax.linalg.svd(tall, compute_uv=False), s)
    q, r = lax.linalg.qr(tall)
    assert q.shape == (2, 4, 4) and r.shape == (2, 4, 3)
    close(np.asarray(q) @ np.asarray(r), tall)
    packed, pivots, order = (np.asarray(x) for x in lax.linalg.lu(tall))
    lower = np.tril(packed, -1) + np.eye(4, 3)
    close(lower @ np.triu(packed[:, :3]), np.take_along_axis(tall, order[..., None], -2))
    close(lax.linalg.lu_pivots_to_permutation(pivots, 4), order)
    w, left, right = (np.asarray(x) for x in lax.linalg.eig(a))
    close(a @ right, right * w[..., None, :])
    close(herm(left) @ a, w[..., None] * herm(left))
    t, z = (np.asarray(x) for x in lax.linalg.schur(a))
    close(z @ t @ herm(z), a)
    packed, taus = (np.asarray(x) for x in lax.linalg.hessenberg(a))
    inner = np.asarray(lax.linalg.householder_product(packed[:, 1:, :-1], taus))
    q = np.stack([sl.block_diag(1, m) for m in inner])
    close(q @ np.triu(packed, -1) @ herm(q), a)
    packed, d, e, taus = (np.asarray(x) for x in lax.linalg.tridiagonal(h))
    inner = np.asarray(lax.linalg.householder_product(packed[:, 1:, :-1], taus))
    q = np.stack([sl.block_diag(1, m) for m in inner])
    t = np.stack([np.diag(x) + np.diag(y, 1) + np.diag(y, -1) for x, y in zip(d, e, strict=True)])
    close(q @ t @ herm(q), h)


def test_scipy() -> None:
    a, b, v = normal(3, 3), normal(3, 2), normal(3)
    h = a @ a.T + np.eye(3)
    c = normal(3, 3, kind=complex)
    for right in (b, v):
        close(linalg.solve(a, right), sl.solve(a, right))
        close(linalg.solve(h, right, assume_a="pos"), sl.solve(h, right))
        for lower in (True, False):
            close(linalg.cho_solve(linalg.cho_factor(h, lower), right), sl.solve(h, right))
            for trans in (0, 1, "C"):
                got = linalg.solve_triangular(c, right, trans, lower, unit_diagonal=lower)
                close(got, sl.solve_triangular(c, right, trans=trans, lower=lower, unit_diagonal=lower))
        for trans in (0, 1, 2):
            close(
                linalg.lu_solve(linalg.lu_factor(c), right, trans), sl.lu_solve(sl.lu_factor(c), right, trans)
            )
    for x in (a, normal(4, 2), normal(2, 4, kind=complex)):
        for got, want in zip(linalg.lu(x), sl.lu(x), strict=True):
            close(got, want)
        for got, want in zip(linalg.lu(x, permute_l=True), sl.lu(x, permute_l=True), strict=True):
            close(got, want)
        for mode in ("full", "economic", "r"):
            for got, want in zip(linalg.qr(x, mode=mode), sl.qr(x, mode=mode), strict=True):
                close(got, want)
        close(linalg.svd(x, compute_uv=False), sl.svdvals(x))
    close(linalg.eigh(h)[0], sl.eigvalsh(h))
    close(linalg.eigh(h, eigvals_only=True, lower=False), sl.eigvalsh(h))
    close(linalg.cholesky(h), sl.cholesky(h))
    close(linalg.inv(a), sl.inv(a))
    close(linalg.det(a), sl.det(a))
    close(linalg.block_diag(a, v, 2.0, b), sl.block_diag(a, v, 2.0, b))
    close(linalg.toeplitz(v), sl.toeplitz(v))
    close(linalg.toeplitz(c[0], v), sl.toeplitz(c[0], v))


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0])
def test_matrix_exponential(size: float) -> None:
    for x in (normal(3, 3) * size, normal(2, 2, 2, kind=complex) * size):
        np.testing.assert_allclose(linalg.expm(x), sl.expm(x), rtol=1e-8)
    narrow = normal(3, 3).astype(np.float32)
    np.testing.assert_allclose(linalg.expm(narrow), sl.expm(narrow), rtol=1e-4, atol=1e-5)
    assert np.all(np.isnan(np.asarray(linalg.expm(np.full((2, 2), 1e9)))))


def test_derivative_of_the_matrix_exponential() -> None:
    x, t = normal(3, 3), normal(3, 3)
    value, pushed = mycc.jit(lambda x, t: mycc.jvp(linalg.expm, (x,), (t,)))(x, t)
    want, slope = sl.expm_frechet(x, t)
    close(value, want)
    close(pushed, slope)
    ct = normal(3, 3)
    pulled = mycc.jit(mycc.grad(lambda x: mnp.sum(linalg.expm(x) * ct)))(x)
    assert float(np.sum(np.asarray(pulled) * t)) == pytest.approx(float(np.sum(ct * slope)), rel=1e-10)


@pytest.mark.parametrize("name", ["cho_solve", "lu_solve", "solve_triangular", "pos"])
def test_derivatives(name: str, check_derivatives: Any) -> None:
    a = normal(3, 3) / 3 + 2 * np.eye(3)
    f = {
        "cho_solve": lambda a, b: linalg.cho_solve(linalg.cho_factor(a @ a.mT, True), b),
        "lu_solve": lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b, 1),
        "solve_triangular": lambda a, b: linalg.solve_triangular(a, b, "T", True),
        "pos": lambda a, b: linalg.solve(a @ a.mT, b, assume_a="pos"),
    }[name]
    check_derivatives(f, a, normal(3))


def test_errors_name_the_line() -> None:
    cases = [
        (lambda: lax.linalg.qr(np.eye(2), pivoting=True), NotImplementedError, "pivot"),
        (lambda: lax.linalg.eigh(np.eye(2), subset_by_index=(0, 1)), NotImplementedError, "subset"),
        (
            lambda: lax.linalg.triangular_solve(np.eye(2), np.ones((3, 3))),
            ValueError,
            "columns of the second",
        ),
        (lambda: lax.linalg.householder_product(np.ones((2, 3)), np.ones(2)), ValueError, "m >= n"),
        (
            lambda: lax.linalg.lu_pivots_to_permutation(np.ones(3, np.int32), 2),
            ValueError,
            "permutation_size",
        ),
        (lambda: lax.linalg.schur(np.eye(2), sort_eig_vals=True), NotImplementedError, "sort"),
        (lambda: linalg.solve(np.eye(2), np.ones(2), assume_a="x"), ValueError, "assume_a"),
        (lambda: linalg.solve_triangular(np.eye(2), np.ones(3)), ValueError, "2 rows"),
        (lambda: linalg.eigh(np.eye(2), type=2), NotImplementedError, "standard"),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind, match=text) as info:
            call()
        assert "test_lax_scipy.py" in str(info.value)


@pytest.mark.parametrize("n", [0, 1])
def test_smallest_matrices(n: int) -> None:
    x = np.eye(n)
    for name in ("schur", "hessenberg", "tridiagonal", "lu", "qr", "eig", "eigh", "svd"):
        for found in getattr(lax.linalg, name)(x):
            assert np.asarray(found).shape[0] in (n, max(n - 1, 0))
    assert linalg.expm(x).shape == (n, n)


def test_lapack_off_the_host_says_so() -> None:
    text = mycc.jit(lax.linalg.schur).lower(np.eye(2)).as_text()
    with context:
        module = ir.Module.parse(text)
    for platform in ("cuda", "tpu"):
        with pytest.raises(
            PassError, match=rf"lapack_dgees_ffi .* {platform} has none .* move the arrays to the host"
        ):
            check_handover(module, platform)
    check_handover(module, "cpu")


@pytest.mark.parametrize("name", ["lu", "qr", "svd", "eig", "eigh", "tridiagonal", "cholesky"])
def test_a_gpu_has_its_own_kernels(name: str) -> None:
    module = mycc.jit(getattr(lax.linalg, name)).trace(np.eye(2)).lower().module
    check_handover(module, "cuda")
    text = str(module)
    assert "lapack_" not in text
    assert name == "cholesky" or "@cusolver_" in text or "@cuhybrid_" in text
