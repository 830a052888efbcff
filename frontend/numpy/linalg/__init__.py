"""`mycc.numpy.linalg`: linear algebra under NumPy's and the Array API's names.

Matrices are the last two dimensions; the others are batches, and broadcast. Where NumPy raises LinAlgError because of
numbers, results are NaN or infinite. See `mycc.lax.linalg` for dtypes and devices.
"""

from __future__ import annotations

from mycc.numpy.contraction import matmul, tensordot
from mycc.numpy.linalg.decompositions import (
    EighResult,
    EigResult,
    QRResult,
    SVDResult,
    cholesky,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    qr,
    svd,
    svdvals,
)
from mycc.numpy.linalg.norms import cond, matrix_norm, norm, vector_norm
from mycc.numpy.linalg.products import (
    cross,
    diagonal,
    matrix_power,
    matrix_transpose,
    multi_dot,
    outer,
    trace,
)
from mycc.numpy.linalg.solving import (
    SlogdetResult,
    det,
    inv,
    lstsq,
    matrix_rank,
    pinv,
    slogdet,
    solve,
    tensorinv,
    tensorsolve,
)
from mycc.numpy.products import vecdot

__all__ = [
    "EigResult", "EighResult", "QRResult", "SVDResult", "SlogdetResult", "cholesky", "cond", "cross", "det",
    "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "svd",
    "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot", "vector_norm",
]  # fmt: skip
