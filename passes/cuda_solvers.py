"""The `cuda-solvers` pass: LAPACK's calls become those of the libraries that a GPU has.

jaxlib's plugin for CUDA brings kernels for stacks of matrices that take and give what LAPACK's do, most of them under
cuSOLVER's names. General eigenvalues are the exception: that kernel moves the matrices to the host and back. What there
is no kernel for keeps its call, which the hand-over refuses by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mycc.dialects import lapack, ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.rules.linear_maps import herm
from mycc.dialects.types import dtype_of, shape_of, tensor
from mycc.passes.base import Pass

Value: TypeAlias = ir.Value

__all__ = ["HYBRID", "CudaSolvers"]

HYBRID = "cuhybrid_"
"""How the names of kernels begin that use the host's LAPACK."""

# Jacobi's method is the faster one for small matrices, and has a kernel that takes many of them at once (up to 32).
_JACOBI_MOST = 1024
_JACOBI_AT_ONCE = 32


@dataclass(frozen=True)
class CudaSolvers(Pass):
    """Replaces LAPACK's calls by cuSOLVER's, for programs that run on a GPU."""

    name = "cuda-solvers"

    def run(self, module: ir.Module) -> None:
        """Replace each call that has a counterpart."""
        found: list[ir.Operation] = []

        def visit(op: ir.Operation) -> ir.WalkResult:
            if op.name == "stablehlo.custom_call" and lapack.routine_of(op) in _BUILDERS:
                found.append(op)
            return ir.WalkResult.ADVANCE

        module.operation.walk(visit)
        for op in found:
            with context, op.location, ir.InsertionPoint(op):
                built = _BUILDERS[lapack.routine_of(op)](op)
            for old, new in zip(op.results, built, strict=True):
                old.replace_all_uses_with(new)
            op.operation.erase()
            self.count("calls of GPU libraries")


def _types(op: ir.Operation) -> list[ir.Type]:
    return [result.type for result in op.results]


def _lower(op: ir.Operation) -> bool:
    return lapack.config_of(op)["uplo"] == "L"


def _same(name: str) -> Callable[[ir.Operation], Sequence[Value]]:
    """What takes and gives the same without options."""
    return lambda op: lapack.kernel(f"cusolver_{name}_ffi", list(op.operands), _types(op), {}, {0: 0})


def _eigh(op: ir.Operation) -> Sequence[Value]:
    # The algorithm is the library's choice. It finds the vectors, wanted or not.
    options: dict[str, lapack.Option] = {"lower": _lower(op), "algorithm": np.uint8(0)}
    return lapack.kernel("cusolver_syevd_ffi", list(op.operands), _types(op), options, {0: 0})


def _tridiagonal(op: ir.Operation) -> Sequence[Value]:
    return lapack.kernel("cusolver_sytrd_ffi", list(op.operands), _types(op), {"lower": _lower(op)}, {0: 0})


def _eig(op: ir.Operation) -> Sequence[Value]:
    kind = "comp" if dtype_of(op.operands[0].type).kind == "c" else "real"
    options = lapack.config_of(op)
    named = {side: options[f"compute_{side}"] == "V" for side in ("left", "right")}
    return lapack.kernel(f"{HYBRID}eig_{kind}", list(op.operands), _types(op), {**named, "magma": "auto"}, {})


def _svd(op: ir.Operation) -> Sequence[Value]:
    mode = str(lapack.config_of(op)["mode"])
    m, n = shape_of(op.operands[0])[-2:]
    return _svd_by_jacobi(op, mode) if max(m, n) <= _JACOBI_MOST else _svd_by_qr(op, mode)


def _svd_by_jacobi(op: ir.Operation, mode: str) -> Sequence[Value]:
    a, s, u, vt, info = _types(op)
    *lead, m, n = shape_of(op.operands[0])
    k = min(m, n)
    whole = mode == "A" or k <= _JACOBI_AT_ONCE
    u_whole, v_whole = ((m, m), (n, n)) if whole else ((m, k), (n, k))
    element = ops.element_of(op.operands[0])
    types = [a, s, tensor((*lead, *u_whole), element), tensor((*lead, *v_whole), element), info]
    options = {"full_matrices": whole, "compute_uv": mode != "N"}
    copy, values, left, right, failed = lapack.kernel(
        "cusolver_gesvdj_ffi", list(op.operands), types, options, {0: 0}
    )
    if mode == "N":
        return [copy, values, ops.full(u, 0), ops.full(vt, 0), failed]
    adjoint = herm(right)
    return [
        copy,
        values,
        _first(left, shape_of(op.results[2])),
        _first(adjoint, shape_of(op.results[3])),
        failed,
    ]


def _first(x: Value, shape: Sequence[int]) -> Value:
    return x if tuple(shape) == tuple(shape_of(x)) else ops.slice_(x, [0] * len(shape), shape)


def _svd_by_qr(op: ir.Operation, mode: str) -> Sequence[Value]:
    # The routine wants no fewer rows than columns. A wide matrix by rows is a tall one by columns, and its factors
    # change places.
    a, s, u, vt, info = _types(op)
    wide = shape_of(op.operands[0])[-2] < shape_of(op.operands[0])[-1]
    options = {"full_matrices": mode != "S", "compute_uv": mode != "N", "transposed": wide}
    copy, values, one, other, failed = lapack.kernel(
        "cusolver_gesvd_ffi",
        list(op.operands),
        [a, s, vt, u, info] if wide else [a, s, u, vt, info],
        options,
        {0: 0},
        by_columns=not wide,
    )
    return [copy, values, *((other, one) if wide else (one, other)), failed]


def _cholesky(op: ir.Operation) -> Sequence[Value]:
    factor = hlo.cholesky(op.operands[0], lower=_lower(op))
    corner = ops.reshape(_first(factor, (*shape_of(factor)[:-2], 1, 1)), shape_of(factor)[:-2])
    failed = ops.compare("NE", corner, corner)
    return [factor, ops.convert(failed, ops.element_of(op.results[1]))]


_TRANSPOSES = {"N": "NO_TRANSPOSE", "T": "TRANSPOSE", "C": "ADJOINT"}


def _solve(op: ir.Operation) -> Sequence[Value]:
    options = lapack.config_of(op)
    return [
        hlo.triangular_solve(
            *op.operands,
            left_side=options["side"] == "L",
            lower=options["uplo"] == "L",
            unit_diagonal=options["diag"] == "U",
            transpose_a=hlo.TransposeAttr.get(_TRANSPOSES[str(options["trans_x"])]),
        )
    ]


_BUILDERS: dict[str, Callable[[ir.Operation], Sequence[Value]]] = {
    "geev": _eig,
    "geqrf": _same("geqrf"),
    "gesdd": _svd,
    "gesvd": _svd,
    "getrf": _same("getrf"),
    "orgqr": _same("orgqr"),
    "potrf": _cholesky,
    "syevd": _eigh,
    "sytrd": _tridiagonal,
    "trsm": _solve,
}
