"""Covariances and correlations."""

from __future__ import annotations

from typing import Any, TypeAlias

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.numpy.arithmetic import multiply, subtract, true_divide
from mycc.numpy.creation import astype
from mycc.numpy.means import mean
from mycc.numpy.reductions import sum
from mycc.numpy.selection import clip
from mycc.numpy.shapes import expand_dims
from mycc.numpy.support import FLOAT32, inexact_dtype, is_complex
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "corrcoef",
    "cov",
]

Value: TypeAlias = ir.Value


@operation
def cov(
    m: ArrayLike,
    y: ArrayLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike | None = None,
    aweights: ArrayLike | None = None,
) -> Array:
    """The covariances of variables.

    Args:
        m: observations, one row for each variable (one column, if ``rowvar`` is False); a vector is one
            variable.
        y: further variables.
        rowvar: whether rows are variables.
        bias: whether to divide by the number of observations n instead of n - 1.
        ddof: what is subtracted from n instead.
        fweights: how often each observation counts, integers.
        aweights: weights of observations.

    Returns:
        A matrix with a row and a column for each variable, or a number for one.
    """
    from mycc.numpy.complexes import conj
    from mycc.numpy.contraction import matmul
    from mycc.numpy.joining import concatenate
    from mycc.numpy.shapes import atleast_2d, squeeze, transpose

    def rows(x: ArrayLike) -> Any:
        if abstractify(x).ndim > 2:
            raise ValueError(
                f"{user_line()}: cov takes vectors and matrices, got shape {abstractify(x).shape}"
            )
        x2 = atleast_2d(astype(x, inexact_dtype(abstractify(x).dtype)))
        return transpose(x2) if not rowvar and abstractify(x).ndim == 2 else x2

    x = rows(m) if y is None else concatenate([rows(m), rows(y)])
    lessen = (0 if bias else 1) if ddof is None else ddof
    weights: Any = None
    if fweights is not None:
        weights = astype(fweights, FLOAT32)
    if aweights is not None:
        weights = astype(aweights, FLOAT32) if weights is None else multiply(weights, aweights)
    if weights is None:
        centred = subtract(x, mean(x, 1, keepdims=True))
        weighted, norm = centred, x.shape[1] - lessen
    else:
        total = sum(weights)
        centred = subtract(x, true_divide(sum(multiply(x, weights), 1, keepdims=True), total))
        weighted = multiply(centred, weights)
        if aweights is None or not lessen:
            norm = subtract(total, lessen)
        else:
            norm = subtract(total, true_divide(multiply(lessen, sum(multiply(weights, aweights))), total))
    return squeeze(true_divide(matmul(weighted, conj(transpose(centred))), norm))


@operation
def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True) -> Array:
    """The correlation coefficients of variables; arguments as of `cov`."""
    from mycc.numpy.complexes import imag, real
    from mycc.numpy.grids import diag
    from mycc.numpy.transcendental import sqrt

    c = cov(x, y, rowvar)
    if not c.shape:
        return true_divide(c, c)
    spread = sqrt(real(diag(c)))
    scaled = true_divide(true_divide(c, expand_dims(spread, 1)), expand_dims(spread, 0))
    if is_complex(scaled.dtype):
        _, aval = lift(scaled)
        parts = [clip(part, -1, 1) for part in (real(scaled), imag(scaled))]
        return wrap(ops.complex_(*(lift(p)[0] for p in parts)), aval)
    return clip(scaled, -1, 1)
