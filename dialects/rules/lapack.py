"""Records of LAPACK's custom calls: see `mycc.dialects.lapack` for their form, `decompositions`, `eigen` and
`orthogonal` for the calculus.

Every routine batches by one more leading dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from mycc.dialects import lapack, ops
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.dialects.record import Batched, BatchRule, ExpandRule, Flags, Record, Regions, Site, structured
from mycc.dialects.rules import decompositions, eigen, orthogonal, reflections
from mycc.dialects.rules.functions import expanded
from mycc.dialects.rules.linear_maps import Linear, TangentRule, rules, spread_columns
from mycc.dialects.rules.triangular import batch_solve, cholesky_tangent, solve_tangent
from mycc.dialects.transform import target_of
from mycc.dialects.types import shape_of

Value: TypeAlias = ir.Value

__all__ = ["RECORDS"]


# ---- Batching ------------------------------------------------------------------------------------


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    operands = [site.full(i) for i in range(len(site.operands))]
    copy = ops.rebuild(site.op, operands, site.result_types(), _one_more_dimension(site.op))
    for name in ("sdy.sharding_rule", "mhlo.sharding"):
        if name in copy.attributes:
            del copy.attributes[name]
    return list(copy.results), [True] * len(copy.results)


def _one_more_dimension(op: ir.Operation) -> dict[str, ir.Attribute]:
    """The layouts with a slowest dimension in front, and JAX's count of batch dimensions."""
    changed = {
        name: ir.ArrayAttr.get(
            [
                lapack.layout([*(int(d) + 1 for d in ir.DenseIntElementsAttr(entry)), 0])
                for entry in attribute
            ],
            context=context,
        )
        for name in ("operand_layouts", "result_layouts")
        if (attribute := op.attributes.get(name)) is not None
    }
    marks = op.attributes.get("mhlo.frontend_attributes")
    if marks is not None and "num_batch_dims" in marks:
        entries = {entry.name: entry.attr for entry in marks}
        count = int(ir.StringAttr(entries["num_batch_dims"]).value) + 1
        entries["num_batch_dims"] = ir.StringAttr.get(str(count), context=context)
        changed["mhlo.frontend_attributes"] = ir.DictAttr.get(entries, context=context)
    return changed


def _batch_solve(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    if site.flags[0]:
        return _batch(site)
    return [batch_solve(site, lapack.config_of(site.op)["side"] == "L")], [True]


# ---- Tangents that need no formula of their own ----------------------------------------------------


def _cholesky(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    (da,) = tangents
    if da is None:
        return [None, None]
    lower = lapack.config_of(site.op)["uplo"] == "L"
    # The other triangle is left as it was.
    return [cholesky_tangent(site.out, da, lower) + da.triangle(not lower, strict=True), None]


_TRANSPOSES = {"N": "NO_TRANSPOSE", "T": "TRANSPOSE", "C": "ADJOINT"}


def _solve(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    da, db = tangents
    options = lapack.config_of(site.op)
    tangent = solve_tangent(
        site.x,
        None if da is None else site.out,
        da,
        db,
        left=options["side"] == "L",
        lower=options["uplo"] == "L",
        unit=options["diag"] == "U",
        transpose=_TRANSPOSES[str(options["trans_x"])],
    )
    return [tangent]


def _tridiagonal_solve(site: Site, tangents: list[Linear | None], wanted: Flags) -> Sequence[Linear | None]:
    """``dx = A⁻¹ (db - dA x)`` (Giles 2008, 2.2.3), where row i of dA x is ``dl_i x_(i-1) + d_i x_i + u_i x_(i+1)``.

    The first number of the lower diagonal and the last one of the upper are not part of A.
    """
    if any(wanted[:3]):
        raise UnsupportedOperationError(
            f"{describe(site.op.location)}: cannot differentiate '{target_of(site.op)}': no rule for the factors of a "
            "tridiagonal matrix is known here; only its solutions have one"
        )
    *diagonals, total = tangents
    for shift, tangent in zip((1, 0, -1), diagonals, strict=True):
        if tangent is None:
            continue
        moved = -_times_rows(tangent, _shifted(site.result(3), shift, -2))
        total = moved if total is None else total + moved
    if total is None:
        return [None] * 5
    lower, diagonal, upper = (site.operand(i) for i in range(3))

    def solve(t: Value) -> Value:
        return ops.rebuild(site.op, [lower, diagonal, upper, t]).results[3]

    def pull(ct: Value) -> Value:
        turned = [_shifted(upper, 1, -1), diagonal, _shifted(lower, -1, -1), ct]
        return ops.rebuild(site.op, turned).results[3]

    return [None, None, None, total.map(total.shape, solve, pull), None]


def _times_rows(numbers: Linear, x: Value) -> Linear:
    """The rows of matrices, (..., n, k), each times one of the numbers, (..., n)."""
    shape = shape_of(x)
    return numbers.map(
        shape,
        lambda t: ops.mul(spread_columns(t, shape[-1]), x),
        lambda ct: ops.sum_(ops.mul(ct, x), [len(shape) - 1]),
    )


def _shifted(x: Value, by: int, dim: int) -> Value:
    """Moved along a dimension, with zeros where nothing comes from."""
    rank = len(shape_of(x))
    low = [0] * rank
    low[dim] = by
    return ops.pad(x, ops.zero_of(x), low, [-n for n in low], [0] * rank)


# ---- Forms by reflectors -------------------------------------------------------------------------


def _hessenberg(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    options = lapack.config_of(op)
    packed, factors = reflections.hessenberg(operands[0], int(options["low"]), int(options["high"]))
    return [packed, factors, ops.full(op.results[-1].type, 0)]


def _tridiagonal(op: ir.Operation, operands: Sequence[Value], regions: Regions) -> Sequence[Value]:
    found = reflections.tridiagonal(operands[0], lapack.config_of(op)["uplo"] == "L")
    return [*found, ops.full(op.results[-1].type, 0)]


# ---- Records -------------------------------------------------------------------------------------


def _family(
    real: str,
    tangents: TangentRule,
    batch: BatchRule = _batch,
    complex_: str | None = None,
    augment: Callable[[Site, Sequence[Value]], tuple[Sequence[Value], Sequence[Value]] | None] | None = None,
) -> list[Record]:
    """The records of a routine for its four element types."""
    forward, reverse = rules(tangents)
    return [
        replace(structured(f"lapack_{name}_ffi", forward, reverse, batch), augment=augment)
        for name in _names(real, complex_)
    ]


def _names(real: str, complex_: str | None) -> list[str]:
    return [f"{prefix}{real}" for prefix in "sd"] + [f"{prefix}{complex_ or real}" for prefix in "cz"]


def _by_expansion(real: str, expand: ExpandRule, complex_: str | None = None) -> list[Record]:
    """The records of a routine whose derivatives are those of a program that computes the same."""
    return [
        replace(expanded(f"lapack_{name}_ffi", expand), kind="structured", batch=_batch)
        for name in _names(real, complex_)
    ]


RECORDS: tuple[Record, ...] = (
    *_family("potrf", _cholesky),
    *_family("trsm", _solve, _batch_solve),
    *_family("syevd", eigen.eigh, complex_="heevd", augment=eigen.eigh_augment),
    *_family("gesdd", decompositions.svd, augment=decompositions.svd_augment),
    *_family("gesvd", decompositions.svd, augment=decompositions.svd_augment),
    *_family("getrf", decompositions.lu),
    *_family("geqrf", orthogonal.qr_packed),
    *_family("orgqr", orthogonal.generate_q, complex_="ungqr"),
    *_family("geev", eigen.eig, augment=eigen.eig_augment),
    *_family("gees", eigen.schur, augment=eigen.schur_augment),
    *_by_expansion("gehrd", _hessenberg),
    *_by_expansion("sytrd", _tridiagonal, complex_="hetrd"),
    *_family("geqp3", orthogonal.qr_pivoted),
    *_family("ormqr", orthogonal.times_q, complex_="unmqr"),
    *_family("gtsv", _tridiagonal_solve),
)
