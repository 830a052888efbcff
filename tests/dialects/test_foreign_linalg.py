"""Modules that JAX wrote, with LAPACK's calls in them: mycc's derivatives and batching against JAX's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from cases import executable, expand

from mycc.dialects import ops, transform
from mycc.dialects.mlir import context, ir, unknown
from mycc.dialects.types import dtype_of, is_differentiable

jax = pytest.importorskip("jax")
jnp = jax.numpy
linalg = jax.lax.linalg

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def wide() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def normal(*shape: int, kind: Any = float) -> Any:
    x = RNG.normal(size=shape) / 2
    if len(shape) > 1:
        x = x + np.eye(*shape[-2:]) * np.arange(1.0, shape[-1] + 1) * 2
    return x + 0.5j * RNG.normal(size=shape) if kind is complex else x


def hermitian(x: Any) -> Any:
    return x + jnp.conj(jnp.swapaxes(x, -1, -2))


def squared(x: Any) -> Any:
    return x @ jnp.conj(jnp.swapaxes(x, -1, -2)) + jnp.eye(x.shape[-1])


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "cholesky": (lambda x: jnp.linalg.cholesky(squared(x)), (normal(3, 3),)),
    "cholesky stack": (lambda x: jnp.linalg.cholesky(squared(x)), (normal(2, 3, 3, kind=complex),)),
    "triangular_solve": (
        lambda a, b: linalg.triangular_solve(a, b, left_side=True, lower=True, transpose_a=True, conjugate_a=True),
        (normal(3, 3, kind=complex), normal(3, 2, kind=complex)),
    ),
    "triangular_solve right": (
        lambda a, b: linalg.triangular_solve(a, b, unit_diagonal=True), (normal(2, 3, 3), normal(2, 4, 3)),
    ),
    "eigh": (lambda x: linalg.eigh(hermitian(x)), (normal(2, 3, 3),)),
    "eigh complex": (lambda x: jnp.linalg.eigh(hermitian(x)), (normal(3, 3, kind=complex),)),
    "svd tall": (lambda x: jnp.linalg.svd(x, full_matrices=False), (normal(4, 3),)),
    "svd wide": (lambda x: jnp.linalg.svd(x, full_matrices=False), (normal(2, 3, kind=complex),)),
    "svdvals": (lambda x: jnp.linalg.svd(x, compute_uv=False), (normal(2, 3, 4),)),
    "qr": (lambda x: jnp.linalg.qr(x), (normal(2, 4, 3) + 0.1,)),
    "qr square": (lambda x: jnp.linalg.qr(x), (normal(3, 3, kind=complex) + 0.1,)),
    "qr wide": (lambda x: jnp.linalg.qr(x), (normal(2, 4) + 0.1,)),
    "qr complete": (lambda x: jnp.linalg.qr(x, "complete"), (normal(4, 2) + 0.1,)),
    "lu": (lambda x: linalg.lu(x)[0], (normal(2, 3, 3),)),
    "lu wide": (lambda x: linalg.lu(x)[0], (normal(2, 3),)),
    "lu tall": (lambda x: linalg.lu(x)[0], (normal(4, 2, kind=complex),)),
    "solve": (jnp.linalg.solve, (normal(3, 3), normal(3, 2))),
    "inv": (jnp.linalg.inv, (normal(2, 3, 3),)),
    "det": (jnp.linalg.det, (normal(4, 4),)),
    "slogdet": (lambda x: jnp.linalg.slogdet(x)[1], (normal(3, 3),)),
    "eigvals": (jnp.linalg.eigvals, (normal(3, 3),)),
    "eigvals of nothing": (jnp.linalg.eigvals, (np.zeros((0, 0)),)),
    "eigvals complex": (jnp.linalg.eigvals, (normal(2, 3, 3, kind=complex),)),
    "eig": (
        lambda x: linalg.eig(x, compute_left_eigenvectors=True, enable_eigvec_derivs=True), (normal(3, 3),),
    ),
    "pinv": (jnp.linalg.pinv, (normal(4, 3),)),
    "tridiagonal_solve": (
        linalg.tridiagonal_solve, (RNG.normal(size=4), 4 + RNG.normal(size=4), RNG.normal(size=4), RNG.normal(size=(4, 2))),
    ),
    "tridiagonal_solve stack": (
        linalg.tridiagonal_solve,
        (normal(2, 3, kind=complex), 4 + RNG.normal(size=(2, 3)) + 0j, RNG.normal(size=(2, 3)) + 1j, normal(2, 3, 2, kind=complex)),
    ),
    "expm of a cholesky factor": (lambda x: jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(squared(x)), True), x), (normal(3, 3),)),
    "fft": (jnp.fft.fft, (RNG.normal(size=(2, 5)) + 0j,)),
    "ifft2": (jnp.fft.ifft2, (RNG.normal(size=(2, 3, 4)) + 0j,)),
    "rfft": (jnp.fft.rfft, (RNG.normal(size=(2, 6)),)),
    "rfftn": (jnp.fft.rfftn, (RNG.normal(size=(2, 3, 5)),)),
    "irfft": (jnp.fft.irfft, (RNG.normal(size=(2, 4)) + 1j * RNG.normal(size=(2, 4)),)),
    "irfft2": (lambda x: jnp.fft.irfft2(x, s=(3, 5)), (RNG.normal(size=(2, 3, 3)) + 1j,)),
}  # fmt: skip
BATCHED_ONLY: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "schur": (linalg.schur, (normal(3, 3),)),
    "schur complex": (linalg.schur, (normal(3, 3, kind=complex),)),
    "hessenberg": (linalg.hessenberg, (normal(4, 4),)),
    "tridiagonal": (lambda x: linalg.tridiagonal(hermitian(x)), (normal(3, 3),)),
    "pivoted qr": (lambda x: linalg.qr(x, pivoting=True, full_matrices=False), (normal(4, 3),)),
    "gesvd": (lambda x: linalg.svd(x, full_matrices=False, algorithm=linalg.SvdAlgorithm.QR), (normal(4, 3),)),
}  # fmt: skip


class Foreign:
    """JAX's module of a function, its ``main`` made a function to transform."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...]) -> None:
        lowered = jax.jit(f).lower(*args)
        self.module = ir.Module.parse(lowered.as_text(), context=context)
        main = next(op for op in self.module.body.operations if op.attributes["sym_name"].value == "main")
        with context:
            main.attributes["sym_name"] = ir.StringAttr.get("f")
            main.attributes["sym_visibility"] = ir.StringAttr.get("private")
            type_ = main.attributes["function_type"].value
        self.f = transform.Callee("f", tuple(type_.inputs), tuple(type_.results))

    def run(self, build: Callable[..., list[ir.Value]], inputs: list[Any]) -> list[Any]:
        """What a ``main`` over the function gives."""
        from cases import type_of

        types = [type_of(np.asarray(x)) for x in inputs]
        with context, unknown, ir.InsertionPoint(self.module.body):
            op = ir.Operation.create("func.func", [], [], {"sym_name": ir.StringAttr.get("main"), "function_type": ir.TypeAttr.get(ir.FunctionType.get(types, []))}, regions=1)  # fmt: skip
            block = op.regions[0].blocks.append(*types, arg_locs=[unknown] * len(types))
            with ir.InsertionPoint(block):
                results = build(*block.arguments)
                ops.return_(results)
            op.attributes["function_type"] = ir.TypeAttr.get(
                ir.FunctionType.get(types, [r.type for r in results])
            )
        assert self.module.operation.verify()
        expand(self.module)
        return executable(self.module)([np.asarray(x) for x in inputs])


def _numbers(rng: np.random.Generator, type_: ir.Type) -> Any:
    dtype, shape = dtype_of(type_), tuple(type_.shape)
    x = rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype.kind == "c" else 0)
    return np.asarray(x).astype(dtype)


QUICK = (
    "cholesky",
    "eigh complex",
    "svd tall",
    "qr",
    "lu wide",
    "solve",
    "eig",
    "irfft2",
    "tridiagonal_solve",
    "eigvals of nothing",
)


def some(names: Any, quick: Any) -> list[Any]:
    """The quick ones, and the others among the long sweeps."""
    return [pytest.param(name, marks=() if name in quick else pytest.mark.exhaustive) for name in names]


@pytest.mark.parametrize("name", some(CASES, QUICK))
def test_derivatives(name: str) -> None:
    f, args = CASES[name]
    foreign, rng, n = Foreign(f, args), np.random.default_rng(11), len(args)
    flags = tuple(map(is_differentiable, foreign.f.results))
    tangents = [_numbers(rng, type_) for type_ in foreign.f.arguments]
    cotangents = [_numbers(rng, type_) for type_, flag in zip(foreign.f.results, flags, strict=True) if flag]
    active = (True,) * n

    def build(*values: ir.Value) -> list[ir.Value]:
        primals, ts, cts = values[:n], values[n : 2 * n], values[2 * n :]
        pushed = transform.jvp(foreign.f, active, flags, primals, ts)
        pulled = transform.vjp(foreign.f, active, flags, primals, cts)
        return [*pushed[len(flags) :], *pulled[len(flags) :]]

    found = foreign.run(build, [*args, *tangents, *cotangents])
    primals = tuple(map(jnp.asarray, args))
    flat = lambda *xs: [y for y in jax.tree.leaves(f(*xs)) if jnp.issubdtype(y.dtype, jnp.inexact)]  # noqa: E731
    _, pushed = jax.jvp(flat, primals, tuple(map(jnp.asarray, tangents)))
    pulled = jax.vjp(flat, *primals)[1]([jnp.asarray(c) for c in cotangents])
    for got, want in zip(found, [*pushed, *pulled], strict=True):
        scale = float(np.abs(want).max(initial=1.0))
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9 * scale)


@pytest.mark.parametrize("name", some([*CASES, *BATCHED_ONLY], [*QUICK[::2], *BATCHED_ONLY]))
def test_batching(name: str) -> None:
    f, args = (CASES | BATCHED_ONLY)[name]
    foreign, rng = Foreign(f, args), np.random.default_rng(12)
    count = len(foreign.f.results)
    stacked = [np.stack([x, x + 0.01 * rng.normal(size=x.shape)], -1) for x in args]
    axes = [x.ndim - 1 for x in stacked]
    found = foreign.run(
        lambda *values: transform.vmap(foreign.f, axes, [0] * count, 2, None, list(values)), stacked
    )
    for i in range(2):
        want = jax.tree.leaves(jax.jit(f)(*(x[..., i] for x in stacked)))
        for got, expected in zip(found, want, strict=True):
            np.testing.assert_allclose(got[i], expected, rtol=1e-9, atol=1e-10)


def turned(seed: int, *shape: int, kind: Any = float) -> Any:
    """Matrices with complex eigenvalues, far apart."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if kind is complex else x


def isolated() -> Any:
    """Eigenvalues that LAPACK's balancing moves to another place."""
    x = np.diag([5.0, 3.0, 1.5, 1.5])
    x[2, 3], x[3, 2], x[0, 2:] = 2.0, -3.0, 0.3
    return x


def cubed(x: Any) -> Any:
    """Its cube by its Schur form, whatever signs and order that has."""
    form, vectors = linalg.schur(x)
    return vectors @ form @ form @ form @ vectors.T


def reflected(x: Any) -> tuple[Any, Any]:
    packed, taus = np.linalg.qr(np.asarray(x), mode="raw")
    return np.swapaxes(packed, -1, -2), taus


# JAX has values of these, and no derivatives.
DIFFERENCES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "schur": (linalg.schur, (turned(1, 4, 4),)),
    "schur of a stack": (linalg.schur, (turned(20, 2, 4, 4),)),
    "schur with real eigenvalues": (linalg.schur, (normal(3, 3),)),
    "schur of one number": (linalg.schur, (turned(3, 1, 1),)),
    "schur of a form": (cubed, (isolated(),)),
    "schur without vectors": (lambda x: linalg.schur(x, compute_schur_vectors=False)[0], (turned(4, 4, 4),)),
    "schur, complex": (lambda x: [jnp.abs(y) for y in linalg.schur(x)], (turned(5, 4, 4, kind=complex),)),
    "sqrtm": (lambda x: jnp.real(jax.scipy.linalg.sqrtm(squared(x))), (normal(3, 3),)),
    "hessenberg": (linalg.hessenberg, (turned(6, 4, 4),)),
    "hessenberg of a stack": (linalg.hessenberg, (turned(7, 2, 5, 5, kind=complex),)),
    "tridiagonal": (lambda x: linalg.tridiagonal(hermitian(x)), (turned(8, 4, 4),)),
    "tridiagonal from above": (lambda x: linalg.tridiagonal(x, lower=False), (turned(9, 4, 4),)),
    "tridiagonal of a stack": (
        lambda x: linalg.tridiagonal(hermitian(x), lower=False), (turned(10, 2, 4, 4, kind=complex),),
    ),
    "pivoted qr": (lambda x: linalg.qr(x, pivoting=True, full_matrices=False), (turned(11, 4, 3),)),
    "pivoted qr, wide": (lambda x: linalg.qr(x, pivoting=True)[:2], (turned(12, 3, 5, kind=complex),)),
    "product with reflectors": (linalg.ormqr, (*reflected(turned(13, 4, 3)), turned(14, 4, 2))),
    "product with reflectors from the right": (
        lambda *xs: linalg.ormqr(*xs, left=False, transpose=True),
        (*reflected(turned(15, 4, 2, kind=complex)), turned(16, 3, 4, kind=complex)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENCES)
def test_derivatives_that_jax_has_not(name: str) -> None:
    f, args = DIFFERENCES[name]
    foreign, rng, n = Foreign(f, args), np.random.default_rng(13), len(args)
    flags = tuple(map(is_differentiable, foreign.f.results))
    tangents = [_numbers(rng, type_) for type_ in foreign.f.arguments]
    cotangents = [_numbers(rng, type_) for type_, flag in zip(foreign.f.results, flags, strict=True) if flag]
    active = (True,) * n

    def build(*values: ir.Value) -> list[ir.Value]:
        primals, ts, cts = values[:n], values[n : 2 * n], values[2 * n :]
        pushed = transform.jvp(foreign.f, active, flags, primals, ts)
        pulled = transform.vjp(foreign.f, active, flags, primals, cts)
        return [*pushed, *pulled[len(flags) :]]

    found = foreign.run(build, [*args, *tangents, *cotangents])
    count, kept = len(flags), sum(flags)
    values, pushed, pulled = found[:count], found[count : count + kept], found[count + kept :]
    compiled = jax.jit(lambda *xs: jax.tree.leaves(f(*xs)))
    for got, want in zip(values, compiled(*args), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10)

    def moved(step: float) -> list[Any]:
        results = compiled(*(x + step * t for x, t in zip(args, tangents, strict=True)))
        return [np.asarray(y) for y, flag in zip(results, flags, strict=True) if flag]

    step = 1e-4
    first, second = (
        [(a - b) / (2 * h) for a, b in zip(moved(h), moved(-h), strict=True)] for h in (step, 2 * step)
    )
    for got, near, far in zip(pushed, first, second, strict=True):
        want = (4 * near - far) / 3
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7 * float(np.abs(want).max(initial=1.0)))
    total = sum(np.sum(ct * t).real for ct, t in zip(cotangents, pushed, strict=True))
    assert sum(np.sum(ct * t).real for ct, t in zip(pulled, tangents, strict=True)) == pytest.approx(
        total, rel=1e-8
    )
