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


@pytest.mark.parametrize("name", ["schur", "hessenberg", "tridiagonal", "pivoted qr"])
def test_what_has_no_derivative_says_so(name: str) -> None:
    from mycc import UnsupportedOperationError

    f, args = BATCHED_ONLY[name]
    foreign = Foreign(f, args)
    flags = tuple(map(is_differentiable, foreign.f.results))
    active = (True,) * len(args)

    def build(*values: ir.Value) -> list[ir.Value]:
        return transform.jvp(foreign.f, active, flags, list(values), list(values))

    with pytest.raises(UnsupportedOperationError, match="cannot differentiate 'lapack_d"):
        foreign.run(build, list(args))
