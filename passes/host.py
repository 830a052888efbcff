"""The `host-lapack` pass: Cholesky factors and triangular systems become LAPACK's calls.

XLA expands both into loops of its own on the host, which take seconds to compile. Elsewhere it has libraries for
them, so the pass runs only where a program is handed over for the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mycc.dialects import lapack, ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import shape_of
from mycc.passes.base import Pass

Value: TypeAlias = ir.Value

__all__ = ["REPLACED", "HostLapack"]

REPLACED = frozenset({"stablehlo.cholesky", "stablehlo.triangular_solve"})
_LETTERS = {"NO_TRANSPOSE": "N", "TRANSPOSE": "T", "ADJOINT": "C"}


@dataclass(frozen=True)
class HostLapack(Pass):
    """Hands Cholesky factors and triangular systems to LAPACK, for programs that run on the host."""

    name = "host-lapack"

    def run(self, module: ir.Module) -> None:
        """Replace each operation that LAPACK has a routine for."""
        found: list[ir.Operation] = []

        def visit(op: ir.Operation) -> ir.WalkResult:
            if op.name in REPLACED and lapack.takes(op.operands[0]) and lapack.takes(op.operands[-1]):
                found.append(op)
            return ir.WalkResult.ADVANCE

        module.operation.walk(visit)
        for op in found:
            build = _cholesky if op.name == "stablehlo.cholesky" else _solve
            with context, op.location, ir.InsertionPoint(op):
                op.results[0].replace_all_uses_with(build(op))
            op.operation.erase()
            self.count("LAPACK calls")


def _flag(op: ir.Operation, name: str) -> bool:
    attribute = op.attributes.get(name)
    return attribute is not None and bool(ir.BoolAttr(attribute).value)


def _cholesky(op: ir.Operation) -> Value:
    factor, info = lapack.cholesky(op.operands[0], _flag(op, "lower"))
    failed = ops.compare("NE", info, ops.full_like(info, 0))
    failed = ops.broadcast_in_dim(failed, shape_of(factor), range(len(shape_of(info))))
    return ops.select(failed, ops.full_like(factor, np.nan), factor)


def _solve(op: ir.Operation) -> Value:
    a, b = op.operands
    return lapack.triangular_solve(
        a,
        b,
        left=_flag(op, "left_side"),
        lower=_flag(op, "lower"),
        unit=_flag(op, "unit_diagonal"),
        transpose=_LETTERS[hlo.TransposeAttr(op.attributes["transpose_a"]).value],
    )
