"""Records of linear algebra: XLA's own solvers, Fourier transforms, and LAPACK's calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from harness import (
    Case,
    check_batch,
    check_forward,
    check_precision,
    check_reverse,
    check_transpose,
    check_values,
    pullback_of,
    sampler,
    tangent_of,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mycc.dialects import lapack, ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.decompositions import inverse
from mycc.dialects.rules.fourier import fft
from mycc.dialects.rules.linear_maps import herm, matmul, triangle, triangular_solve

Dims = tuple[int, ...]


def cholesky(a: ir.Value, lower: bool = True) -> ir.Value:
    """XLA leaves the other triangle open, so only the one counts."""
    attributes = {"lower": ops.boolean(lower)}
    return triangle(ops.create("stablehlo.cholesky", [a.type], [a], attributes).result, lower)


def numpy_herm(x: Any) -> Any:
    return np.conj(np.swapaxes(x, -1, -2))


def positive(x: ir.Value) -> ir.Value:
    """A positive definite matrix from any."""
    n = x.type.shape[-1]
    product = matmul(x, herm(x))
    ones = ops.broadcast_in_dim(
        ops.constant(np.eye(n)), x.type.shape, [len(x.type.shape) - 2, len(x.type.shape) - 1]
    )
    return ops.add(product, ops.convert(ones, ops.element_of(x)))


def numpy_positive(x: Any) -> Any:
    return x @ numpy_herm(x) + np.eye(x.shape[-1])


def well_conditioned(*shapes: tuple[Dims, Any]) -> Any:
    """Samples whose square matrices have a diagonal that keeps them, and their triangles, invertible."""
    base = sampler(*shapes)

    def sample(rng: np.random.Generator) -> list[Any]:
        return [x / 2 + 3 * np.eye(*x.shape[-2:], dtype=x.dtype) if x.ndim > 1 else x for x in base(rng)]

    return sample


def spread(*shapes: tuple[Dims, Any]) -> Any:
    """Samples whose square matrices have eigenvalues, and singular values, far from one another."""
    base = sampler(*shapes)

    def sample(rng: np.random.Generator) -> list[Any]:
        return [
            x / 2
            + np.eye(*x.shape[-2:], dtype=x.dtype) * (3 * np.arange(1.0, x.shape[-1] + 1)).astype(x.dtype)
            for x in base(rng)
        ]

    return sample


# ---- Cholesky, triangular systems, FFT -----------------------------------------------------------


def chol_case(shape: Dims, dtype: Any, lower: bool) -> Case:
    def oracle(x: Any) -> Any:
        factor = np.linalg.cholesky(numpy_positive(x)) if x.size else x
        return factor if lower else numpy_herm(factor)

    name = f"cholesky {shape} {np.dtype(dtype)} {lower}"
    return Case(name, lambda x: cholesky(positive(x), lower), sampler((shape, dtype)), oracle)


def solve_case(a: Dims, b: Dims, dtype: Any, left: bool, lower: bool, unit: bool, transpose: str) -> Case:
    def build(x: ir.Value, y: ir.Value) -> ir.Value:
        return triangular_solve(x, y, left=left, lower=lower, unit=unit, transpose=transpose)

    def oracle(x: Any, y: Any) -> Any:
        x = np.tril(x) if lower else np.triu(x)
        if unit:
            x = x - x * np.eye(x.shape[-1]) + np.eye(x.shape[-1])
        x = {"NO_TRANSPOSE": x, "TRANSPOSE": np.swapaxes(x, -1, -2), "ADJOINT": numpy_herm(x)}[transpose]
        if left:
            return np.linalg.solve(x, y)
        return np.swapaxes(np.linalg.solve(np.swapaxes(x, -1, -2), np.swapaxes(y, -1, -2)), -1, -2)

    name = f"solve {a} {b} {np.dtype(dtype)} left={left} lower={lower} unit={unit} {transpose}"
    return Case(name, build, well_conditioned((a, dtype), (b, dtype)), oracle)


def fft_case(shape: Dims, kind: str, lengths: Dims, double: bool = True) -> Case:
    axes = tuple(range(-len(lengths), 0))
    names = {"FFT": "fftn", "IFFT": "ifftn", "RFFT": "rfftn", "IRFFT": "irfftn"}

    def oracle(x: Any) -> Any:
        found = getattr(np.fft, names[kind])(x, s=lengths, axes=axes)
        return found if double else found.astype(np.float32 if kind == "IRFFT" else np.complex64)

    real, wide = (np.float64, np.complex128) if double else (np.float32, np.complex64)
    tolerance = 1e-8 if double else 3e-6
    return Case(
        f"{kind} {shape} {lengths} {double}",
        lambda x: fft(x, kind, lengths),
        sampler((shape, real if kind == "RFFT" else wide)),
        oracle,
        rtol=tolerance,
        atol=tolerance,
    )


CHOLESKY = [
    chol_case(shape, dtype, lower)
    for shape, dtype in (((3, 3), float), ((3, 3), complex), ((2, 2, 2), float), ((1, 1), float))
    for lower in (True, False)
]
SOLVE = [
    solve_case((3, 3), (3, 2) if left else (2, 3), dtype, left, lower, unit, transpose)
    for dtype in (float, complex)
    for left in (True, False)
    for lower in (True, False)
    for unit in (True, False)
    for transpose in ("NO_TRANSPOSE", "TRANSPOSE", *(["ADJOINT"] if dtype is complex else []))
]
SOLVE += [
    solve_case((2, 3, 3), (2, 3, 4), float, True, True, False, "NO_TRANSPOSE"),
    solve_case((2, 3, 3), (2, 4, 3), complex, False, False, False, "ADJOINT"),
]
FFT = [
    fft_case((4,), "FFT", (4,)), fft_case((2, 3), "FFT", (3,)), fft_case((2, 3, 4), "FFT", (3, 4)),
    fft_case((2, 3, 2), "IFFT", (2, 3, 2)), fft_case((5,), "RFFT", (5,)), fft_case((2, 6), "RFFT", (6,)),
    fft_case((2, 3, 4), "RFFT", (3, 4)), fft_case((3,), "IRFFT", (5,)), fft_case((2, 4), "IRFFT", (6,)),
    fft_case((2, 3, 3), "IRFFT", (3, 4)), fft_case((3, 1), "IRFFT", (1,)), fft_case((3, 1), "RFFT", (1,)),
]  # fmt: skip
NARROW = [
    fft_case((3, 4), "FFT", (4,), False), fft_case((3, 4), "RFFT", (3, 4), False),
    fft_case((3, 3), "IRFFT", (3, 4), False),
]  # fmt: skip


def check_derivatives(cases: list[Case], transpose: bool = True) -> None:
    check_forward(cases)
    check_reverse(cases)
    if transpose:
        check_transpose(cases)


@pytest.mark.parametrize("cases", [CHOLESKY, SOLVE, FFT], ids=["cholesky", "solve", "fft"])
def test_native_operations(cases: list[Case]) -> None:
    check_values(cases)
    check_derivatives(cases)
    check_batch(cases)


def check_second_derivatives(cases: list[Case]) -> None:
    check_reverse(map(pullback_of, cases))
    check_reverse(map(tangent_of, cases))
    check_forward(map(pullback_of, cases))
    check_batch([pullback_of(case) for case in cases[::3]], most=3)


@pytest.mark.parametrize("cases", [CHOLESKY[:3], SOLVE[::7], FFT[::3]], ids=["cholesky", "solve", "fft"])
def test_native_second_derivatives(cases: list[Case]) -> None:
    check_second_derivatives(cases)


@pytest.mark.exhaustive
@pytest.mark.parametrize("cases", [CHOLESKY, SOLVE, FFT], ids=["cholesky", "solve", "fft"])
def test_all_native_second_derivatives(cases: list[Case]) -> None:
    check_second_derivatives(cases)


def test_single_precision() -> None:
    check_values(NARROW)
    check_precision(NARROW)
    check_precision(
        [
            Case(
                "cholesky f32",
                lambda x: cholesky(positive(x)),
                sampler(((3, 3), np.float32)),
                rtol=1e-3,
                atol=1e-3,
            ),
            Case(
                "solve c64",
                lambda a, b: triangular_solve(a, b, left=True, lower=True),
                well_conditioned(((3, 3), np.complex64), ((3, 2), np.complex64)),
                rtol=1e-4,
                atol=1e-4,
            ),
        ]
    )


def test_only_one_triangle_is_read() -> None:
    def sample(rng: np.random.Generator) -> list[Any]:
        x = rng.normal(size=(3, 3))
        return [np.tril(x @ x.T + np.eye(3)) + np.triu(rng.normal(size=(3, 3)), 1)]

    lower = Case("lower", cholesky, sample, lambda x: np.linalg.cholesky(np.tril(x) + np.tril(x, -1).T))
    potrf = Case(
        "potrf",
        lambda x: lapack.cholesky(x, True)[0],
        sample,
        lambda x: scipy.linalg.lapack.dpotrf(x, 1, 0)[0],
    )
    check_values([lower, potrf])
    check_derivatives([lower, potrf])


@st.composite
def systems(draw: Any) -> Case:
    lead = tuple(draw(st.lists(st.integers(1, 2), max_size=2)))
    n, k, left, kind = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        draw(st.booleans()),
        draw(st.booleans()),
    )
    transposes = ["NO_TRANSPOSE", "TRANSPOSE", *(["ADJOINT"] if kind else [])]
    return solve_case(
        (*lead, n, n),
        (*lead, n, k) if left else (*lead, k, n),
        complex if kind else float,
        left,
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(transposes)),
    )


@st.composite
def spectra(draw: Any) -> Case:
    kind = draw(st.sampled_from(["FFT", "IFFT", "RFFT", "IRFFT"]))
    sizes = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    lead = tuple(draw(st.lists(st.integers(1, 2), max_size=2)))
    shape = (*lead, *sizes[:-1], sizes[-1] // 2 + 1) if kind == "IRFFT" else (*lead, *sizes)
    return fft_case(shape, kind, sizes)


@settings(max_examples=2, deadline=None, phases=[Phase.generate])
@given(st.lists(st.one_of(systems(), spectra()), min_size=12, max_size=12))
def test_shapes_and_flags(cases: list[Case]) -> None:
    check_values(cases)
    check_derivatives(cases)
    check_batch(cases)


# ---- LAPACK --------------------------------------------------------------------------------------


def phase_free(v: ir.Value) -> ir.Value:
    """Columns multiplied by the conjugate of their first component: free of each one's phase."""
    shape = list(v.type.shape)
    first = ops.slice_(v, [0] * len(shape), [*shape[:-2], 1, shape[-1]])
    first = ops.broadcast_in_dim(first, shape, range(len(shape)))
    return ops.mul(v, ops.conj(first) if isinstance(ops.element_of(v), ir.ComplexType) else first)


def numpy_phase_free(v: Any) -> Any:
    return v * np.conj(v[..., :1, :])


def symmetric(x: ir.Value) -> ir.Value:
    return ops.add(x, herm(x))


def eigh_case(shape: Dims, dtype: Any, lower: bool = True) -> Case:
    def build(x: ir.Value) -> list[ir.Value]:
        v, w, _ = lapack.eigh(symmetric(x), lower)
        return [phase_free(v), w]

    def oracle(x: Any) -> Any:
        w, v = np.linalg.eigh(x + numpy_herm(x))
        return numpy_phase_free(v), w

    return Case(f"eigh {shape} {np.dtype(dtype)} {lower}", build, spread((shape, dtype)), oracle)


def eigvalsh_case(shape: Dims, dtype: Any) -> Case:
    return Case(
        f"eigvalsh {shape} {np.dtype(dtype)}",
        lambda x: lapack.eigh(x, False, vectors=False)[1],
        spread((shape, dtype)),
        lambda x: np.linalg.eigvalsh(x, "U"),
    )


def svd_case(shape: Dims, dtype: Any, mode: str = "S", routine: str = "gesdd") -> Case:
    k = min(shape[-2:])

    def build(x: ir.Value) -> list[ir.Value]:
        u, s, vt, _ = lapack.svd(x, mode, routine)
        # Singular pairs share a phase; of the rest of a whole factor only its span is unique.
        rank = len(shape)
        thin = ops.slice_(u, [0] * rank, [*shape[:-1], k])
        thin_vt = ops.slice_(vt, [0] * rank, [*shape[:-2], k, shape[-1]])
        found = [phase_free(thin), s, phase_free(herm(thin_vt)), matmul(thin, thin_vt)]
        for factor in (u, herm(vt)):
            if factor.type.shape[-1] > k:
                rest = ops.slice_(factor, [*([0] * (rank - 1)), k], factor.type.shape)
                found.append(matmul(rest, herm(rest)))
        return found

    def oracle(x: Any) -> Any:
        u, s, vt = np.linalg.svd(x, full_matrices=False)
        v = numpy_herm(vt)
        found = [numpy_phase_free(u), s, numpy_phase_free(v), u @ vt]
        if mode == "A":
            found += [np.eye(f.shape[-2]) - f @ numpy_herm(f) for f in (u, v) if f.shape[-2] > k]
        return found

    return Case(f"{routine} {shape} {np.dtype(dtype)} {mode}", build, spread((shape, dtype)), oracle)


def svdvals_case(shape: Dims, dtype: Any) -> Case:
    return Case(
        f"svdvals {shape} {np.dtype(dtype)}",
        lambda x: lapack.svd(x, "N")[1],
        spread((shape, dtype)),
        lambda x: np.linalg.svd(x, compute_uv=False),
    )


def lu_case(shape: Dims, dtype: Any) -> Case:
    def sample(rng: np.random.Generator) -> list[Any]:
        # Rows out of order, so that there is something to exchange, and the pivots stay under small steps.
        (x,) = spread((shape, dtype))(rng)
        return [np.ascontiguousarray(np.roll(x, 1, -2))]

    def oracle(x: Any) -> Any:
        flat = x.reshape(-1, *x.shape[-2:])
        return np.stack([_packed_lu(m) for m in flat]).reshape(x.shape)

    return Case(f"lu {shape} {np.dtype(dtype)}", lambda x: lapack.lu(x)[0], sample, oracle)


def _packed_lu(a: Any) -> Any:
    _, lower, upper = scipy.linalg.lu(a)
    packed = np.zeros_like(a)
    packed[:, : lower.shape[1]] += np.tril(lower, -1)
    packed[: upper.shape[0]] += np.triu(upper)
    return packed


def packed_case(shape: Dims, dtype: Any) -> Case:
    def oracle(x: Any) -> Any:
        found = [np.linalg.qr(m, mode="raw") for m in x.reshape(-1, *x.shape[-2:])]
        lead = x.shape[:-2]
        return (
            np.stack([h.T for h, _ in found]).reshape(x.shape),
            np.stack([t for _, t in found]).reshape(*lead, -1),
        )

    name = f"geqrf {shape} {np.dtype(dtype)}"
    return Case(name, lambda x: list(lapack.qr_packed(x)), sampler((shape, dtype)), oracle)


def generated_case(shape: Dims, count: int, dtype: Any) -> Case:
    def oracle(a: Any, taus: Any) -> Any:
        q = np.eye(shape[-2], dtype=a.dtype)
        for i in range(count):
            v = a[:, i] * (np.arange(shape[-2]) > i) + np.eye(shape[-2])[i]
            q = q @ (np.eye(shape[-2]) - taus[i] * np.outer(v, v.conj()))
        return q[:, : shape[-1]]

    name = f"orgqr {shape} {count} {np.dtype(dtype)}"
    operands = sampler((shape, dtype), ((count,), dtype))
    return Case(name, lapack.generate_q, operands, oracle if len(shape) == 2 else None)


def qr_case(shape: Dims, dtype: Any) -> Case:
    """Both calls after one another: Q with as many columns as A."""

    def build(x: ir.Value) -> list[ir.Value]:
        packed, taus = lapack.qr_packed(x)
        return [lapack.generate_q(packed, taus), triangle(packed, False)]

    return Case(f"qr {shape} {np.dtype(dtype)}", build, sampler((shape, dtype)))


def eig_case(shape: Dims, dtype: Any) -> Case:
    """Vectors as LAPACK scales them; the order of eigenvalues is the same in SciPy, which calls LAPACK too."""

    def build(x: ir.Value) -> list[ir.Value]:
        w, vl, vr, _ = lapack.eig(x, True, True)
        return [w, vl, vr]

    def oracle(x: Any) -> Any:
        w, vl, vr = scipy.linalg.eig(x, left=True)
        return w, vl, vr

    name = f"eig {shape} {np.dtype(dtype)}"
    return Case(name, build, spread((shape, dtype)), oracle if len(shape) == 2 else None)


def eigvals_case(shape: Dims, dtype: Any) -> Case:
    name = f"eigvals {shape} {np.dtype(dtype)}"
    return Case(name, lambda x: lapack.eig(x, False, False)[0], spread((shape, dtype)), np.linalg.eigvals)


def inverse_case(shape: Dims, dtype: Any) -> Case:
    return Case(f"inverse {shape}", inverse, well_conditioned((shape, dtype)), np.linalg.inv)


def rotation_case() -> Case:
    """Complex pairs of eigenvalues of a real matrix."""

    def sample(rng: np.random.Generator) -> list[Any]:
        block = np.array([[1.0, -4.0, 0.0], [3.0, 2.0, 1.0], [0.0, 0.5, 9.0]])
        return [block + rng.normal(size=(3, 3)) / 10]

    return Case("eig pairs", lambda x: list(lapack.eig(x, True, True)[:3]), sample)


FAMILIES: dict[str, list[Case]] = {
    "potrf": [
        Case("potrf complex", lambda x: lapack.cholesky(positive(x), False)[0], sampler(((3, 3), complex))),
        Case("potrf stack", lambda x: lapack.cholesky(positive(x), True)[0], sampler(((2, 2, 2), float))),
    ],
    "eigh": [
        eigh_case((3, 3), float), eigh_case((3, 3), complex, False), eigh_case((2, 2, 2), float, False),
        eigh_case((1, 1), float), eigvalsh_case((3, 3), complex), eigvalsh_case((3, 3), float),
    ],
    "svd": [
        svd_case((3, 3), float), svd_case((4, 3), float), svd_case((2, 3), complex), svd_case((2, 3, 2), float),
        svd_case((4, 2), float, "A"), svd_case((2, 4), complex, "A"), svd_case((4, 3), complex),
        svd_case((3, 2), float, "S", "gesvd"), svdvals_case((3, 2), float), svdvals_case((2, 3), complex),
    ],
    "lu": [
        lu_case((3, 3), float), lu_case((3, 3), complex), lu_case((4, 2), float), lu_case((2, 4), float),
        lu_case((2, 3, 3), float), inverse_case((3, 3), float), inverse_case((2, 2, 2), complex),
    ],
    "qr": [
        packed_case((3, 3), float), packed_case((4, 2), float), packed_case((2, 4), float),
        packed_case((3, 3), complex), packed_case((4, 2), complex), packed_case((2, 3), complex),
        packed_case((2, 3, 2), float),
        generated_case((4, 3), 2, float), generated_case((3, 3), 3, complex), generated_case((4, 4), 2, complex),
        qr_case((3, 3), float), qr_case((4, 2), complex),
    ],
    "eig": [
        eig_case((3, 3), float), eig_case((3, 3), complex), rotation_case(), eigvals_case((3, 3), float),
        eigvals_case((3, 3), complex),
    ],
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_lapack(family: str) -> None:
    cases = FAMILIES[family]
    check_values(cases)
    check_derivatives(cases)
    check_batch(cases)


@pytest.mark.parametrize("family", FAMILIES)
def test_lapack_second_derivatives(family: str) -> None:
    check_second_derivatives(FAMILIES[family][:2])


@pytest.mark.exhaustive
@pytest.mark.parametrize("family", FAMILIES)
def test_all_lapack_second_derivatives(family: str) -> None:
    check_second_derivatives(FAMILIES[family])
