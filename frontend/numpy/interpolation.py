"""Interpolation, polynomials, convolutions and windows."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from mycc.api import operation
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.indexing.read import read
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.arithmetic import add, multiply, subtract, true_divide
from mycc.numpy.creation import asarray, astype, zeros_like
from mycc.numpy.searching import searchsorted
from mycc.numpy.selection import clip, where
from mycc.numpy.shapes import ravel
from mycc.numpy.support import FLOAT32, inexact_dtype, is_complex
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify, promote

__all__ = [
    "bartlett",
    "blackman",
    "convolve",
    "correlate",
    "hamming",
    "hanning",
    "interp",
    "kaiser",
    "polyadd",
    "polyder",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
]

Value: TypeAlias = ir.Value


@operation
def interp(
    x: ArrayLike,
    xp: ArrayLike,
    fp: ArrayLike,
    left: ArrayLike | None = None,
    right: ArrayLike | None = None,
    period: ArrayLike | None = None,
) -> Array:
    """A piecewise linear function through points.

    Args:
        x: where to evaluate it.
        xp: the points' coordinates, a rising vector (any vector, with a period).
        fp: the points' values.
        left, right: the values outside; default: those of the outermost points.
        period: of the coordinates.

    Returns:
        A float array of x's shape.
    """
    from mycc.numpy.joining import concatenate
    from mycc.numpy.rounding import remainder
    from mycc.numpy.sorting import argsort

    if (
        len(abstractify(xp).shape) != 1
        or abstractify(xp).shape != abstractify(fp).shape
        or not abstractify(xp).size
    ):
        raise ValueError(
            f"{user_line()}: interp takes coordinates and values in vectors of one size, got shapes "
            f"{abstractify(xp).shape} and {abstractify(fp).shape}"
        )
    dtype = inexact_dtype(promote([abstractify(x), abstractify(xp)])[0])
    at, places = astype(asarray(x), dtype), astype(asarray(xp), dtype)
    values = astype(
        asarray(fp), inexact_dtype(promote([abstractify(x), abstractify(xp), abstractify(fp)])[0])
    )
    if period is not None:
        at, places = remainder(at, period), remainder(places, period)
        order = argsort(places)
        places, values = _at(places, order), _at(values, order)
        places = concatenate(
            [subtract(_at(places, slice(-1, None)), period), places, add(_at(places, slice(None, 1)), period)]
        )
        values = concatenate([_at(values, slice(-1, None)), values, _at(values, slice(None, 1))])
    size = places.shape[0]
    if size == 1:
        result = where(at == at, _at(values, 0), at)
    else:
        i = clip(searchsorted(places, at, side="right"), 1, size - 1)
        x0, x1, y0, y1 = _at(places, i - 1), _at(places, i), _at(values, i - 1), _at(values, i)
        width = subtract(x1, x0)
        flat = width == 0
        slope = true_divide(subtract(y1, y0), where(flat, 1, width))
        result = where(flat, y0, add(y0, multiply(subtract(at, x0), slope)))
    if period is None:
        result = where(at < _at(places, 0), _at(values, 0) if left is None else left, result)
        result = where(at > _at(places, -1), _at(values, -1) if right is None else right, result)
    return result


def _at(x: Array, index: Any) -> Array:
    return read(x, index, None, None, True)


# ---- Polynomials: coefficients from the highest power down ---------------------------------------


@operation
def polyval(p: ArrayLike, x: ArrayLike) -> Array:
    """The values of a polynomial, by Horner's rule.

    Args:
        p: the coefficients, from the highest power down.
        x: where to evaluate it.

    Returns:
        An array of x's shape.
    """
    from mycc.numpy.joining import unstack

    coefficients = asarray(p)
    result = zeros_like(x)
    for c in unstack(coefficients):
        result = add(multiply(result, x), c)
    return result


def _aligned(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    from mycc.numpy.padding import pad

    x, y = ravel(a), ravel(b)
    size = max(x.size, y.size)
    return pad(x, (size - x.size, 0)), pad(y, (size - y.size, 0))


@operation
def polyadd(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The sum of two polynomials."""
    return add(*_aligned(a1, a2))


@operation
def polysub(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The difference of two polynomials."""
    return subtract(*_aligned(a1, a2))


@operation
def polymul(a1: ArrayLike, a2: ArrayLike) -> Array:
    """The product of two polynomials."""
    return convolve(ravel(a1), ravel(a2))


@operation
def polyder(p: ArrayLike, m: int = 1) -> Array:
    """The m-th derivative of a polynomial."""
    x = ravel(p)
    for _ in range(m):
        powers = np.arange(x.size - 1, 0, -1)
        x = (
            multiply(_at(x, slice(None, -1)), asarray(powers.astype(np.int32)))
            if x.size > 1
            else multiply(_at(x, slice(0, 1)), 0)
        )
    return x


@operation
def polyint(p: ArrayLike, m: int = 1, k: ArrayLike | None = None) -> Array:
    """The m-th antiderivative of a polynomial, with integration constants k."""
    from mycc.numpy.joining import concatenate
    from mycc.numpy.shapes import broadcast_to

    x = ravel(p)
    x = astype(x, inexact_dtype(x.dtype))
    constants = broadcast_to(ravel(0.0 if k is None else k), (m,))
    for i in range(m):
        powers = asarray(np.arange(x.size, 0, -1).astype(np.int32))
        x = concatenate([true_divide(x, powers), astype(_at(constants, slice(i, i + 1)), x.dtype)])
    return x


# ---- Convolutions --------------------------------------------------------------------------------


@operation
def convolve(a: ArrayLike, v: ArrayLike, mode: str = "full", *, precision: Any = None) -> Array:
    """The convolution of two vectors.

    Args:
        a, v: vectors.
        mode: "full" (all overlaps), "same" (as many as the longer one) or "valid" (complete overlaps).
        precision: as of `matmul`.

    Returns:
        A vector.
    """
    return _convolved("convolve", a, v, mode, precision, False)


@operation
def correlate(a: ArrayLike, v: ArrayLike, mode: str = "valid", *, precision: Any = None) -> Array:
    """The cross-correlation of two vectors, the second one conjugated; arguments as of `convolve`."""
    return _convolved("correlate", a, v, mode, precision, True)


def _convolved(name: str, a: ArrayLike, v: ArrayLike, mode: str, precision: Any, correlation: bool) -> Array:
    from mycc.numpy.contraction import contract, finished, pair

    x_aval, y_aval = abstractify(a), abstractify(v)
    if len(x_aval.shape) != 1 or len(y_aval.shape) != 1 or not x_aval.size or not y_aval.size:
        raise ValueError(
            f"{user_line()}: {name} takes vectors of one element or more, got shapes {x_aval.shape} and "
            f"{y_aval.shape}"
        )
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{user_line()}: {name} got mode={mode!r}; it takes 'full', 'same' or 'valid'")
    x, y, aval = pair(name, a, v)
    if correlation:
        y = ops.conj(y) if is_complex(aval.dtype) else y
    else:
        y = ops.reverse(y, [0])
    # From here on a correlation: the result at k is the sum over j of x[k + j] y[j].
    swapped = y_aval.size > x_aval.size
    if swapped:
        x, y = ops.reverse(y, [0]), ops.reverse(x, [0])
    n, m = x.type.shape[0], y.type.shape[0]
    # Of a window of even size, NumPy leaves out the last overlap, and the first one where it swaps the
    # operands.
    first = (m - 1) // 2 if correlation and swapped else m // 2
    before, after = {"full": (m - 1, m - 1), "same": (first, m - 1 - first), "valid": (0, 0)}[mode]
    padded = ops.pad(x, ops.zero_of(x), [before], [after], [0])
    count = n + before + after - m + 1
    windows = _windows(padded, m, count)
    result = contract(windows, ["j", "k"], y, ["j"], ["k"], precision)
    return finished(result, AbstractValue((), aval.dtype, aval.weak_type))


def _windows(x: Value, m: int, count: int) -> Value:
    """The matrix whose row j is x[j : j + count]: a vector laid side by side, read with rows shorter by
    one."""
    size = m + count - 1
    if m == 1:
        return ops.reshape(x, (1, count))
    spread = ops.broadcast_in_dim(x, (m, size), (1,))
    flat = ops.pad(ops.reshape(spread, (m * size,)), ops.zero_of(x), [0], [m], [0])
    return ops.slice_(ops.reshape(flat, (m, size + 1)), [0, 0], [m, count])


# ---- Windows -------------------------------------------------------------------------------------


def bartlett(M: int) -> Array:
    """The Bartlett window of M samples, float32."""
    return asarray(np.bartlett(M).astype(FLOAT32))


def blackman(M: int) -> Array:
    """The Blackman window of M samples, float32."""
    return asarray(np.blackman(M).astype(FLOAT32))


def hamming(M: int) -> Array:
    """The Hamming window of M samples, float32."""
    return asarray(np.hamming(M).astype(FLOAT32))


def hanning(M: int) -> Array:
    """The Hann window of M samples, float32."""
    return asarray(np.hanning(M).astype(FLOAT32))


def kaiser(M: int, beta: float) -> Array:
    """The Kaiser window of M samples and shape beta, float32."""
    return asarray(np.kaiser(M, float(beta)).astype(FLOAT32))
