"""`mycc.numpy.fft`: discrete Fourier transforms under NumPy's names."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules import fourier
from mycc.dialects.types import dtype_of, shape_of
from mycc.emit import convert
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.complexes import conj
from mycc.numpy.creation import asarray
from mycc.numpy.rearranging import roll
from mycc.numpy.support import as_dtype, axes_of, axis_of, is_complex
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft",
    "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

Value: TypeAlias = ir.Value
_MOST = 3
"""How many dimensions XLA transforms at once."""


def _axes(name: str, ndim: int, s: Any, axes: Any) -> tuple[int, ...]:
    if axes is None:
        count = ndim if s is None else len(s)
        axes = range(ndim - count, ndim)
    found = tuple(axis_of(name, axis, ndim) for axis in axes)
    if s is not None and len(s) != len(found):
        raise ValueError(f"{user_line()}: {name} got {len(s)} sizes for {len(found)} axes; give one for each")
    return found


def _size(name: str, n: Any) -> int:
    try:
        size = operator.index(n)
    except TypeError:
        raise TypeError(f"{user_line()}: {name} takes integer sizes, got {n!r}") from None
    if size < 1:
        raise ValueError(f"{user_line()}: {name} got {size} points; it takes 1 or more")
    return size


def _fitted(x: Value, axis: int, size: int) -> Value:
    """Cut, or padded with zeros, at the end of a dimension."""
    shape = shape_of(x)
    rank = len(shape)
    if size < shape[axis]:
        return ops.slice_(x, [0] * rank, [size if d == axis else n for d, n in enumerate(shape)])
    high = [size - shape[axis] if d == axis else 0 for d in range(rank)]
    return ops.pad(x, ops.zero_of(x), [0] * rank, high, [0] * rank) if any(high) else x


def _scale(name: str, norm: str | None, inverse: bool, points: int) -> float:
    """What the sums are to be multiplied with, given that inverse ones come divided by the number of points."""
    kinds = {None: "backward", "backward": "backward", "ortho": "ortho", "forward": "forward"}
    if norm not in kinds:
        raise ValueError(
            f"{user_line()}: {name} got norm={norm!r}; it takes 'backward', 'ortho' or 'forward'"
        )
    total = {
        "backward": 1 / points if inverse else 1.0,
        "ortho": 1 / math.sqrt(points),
        "forward": 1.0 if inverse else 1 / points,
    }[kinds[norm]]
    return total * points if inverse else total


def _transform(name: str, kind: str, a: ArrayLike, s: Any, axes: Sequence[int], norm: str | None) -> Array:
    """A transform of some axes; the last one is the one that is real on one side."""
    value, aval = lift(a)
    if not axes:
        dtype = np.result_type(aval.dtype if aval.dtype.kind in "fc" else np.float32, np.complex64)
        return wrap(convert(value, aval.dtype, dtype), AbstractValue(aval.shape, dtype, False))
    if kind == "RFFT" and is_complex(aval.dtype):
        raise TypeError(
            f"{user_line()}: {name} takes real numbers, got dtype {aval.dtype}; use fft, or x.real"
        )
    wide = aval.dtype.name in ("float64", "complex128")
    real, whole = (np.float64, np.complex128) if wide else (np.float32, np.complex64)
    value = convert(value, aval.dtype, np.dtype(real if kind == "RFFT" else whole))
    sizes = [aval.shape[axis] for axis in axes] if s is None else list(s)
    if kind == "IRFFT" and s is None:
        sizes[-1] = 2 * (sizes[-1] - 1)
    sizes = [
        aval.shape[axis] if n is None or n == -1 else _size(name, n)
        for n, axis in zip(sizes, axes, strict=True)
    ]
    if min(sizes) < 1:
        raise ValueError(f"{user_line()}: {name} got {min(sizes)} points along an axis; it takes 1 or more")
    for n, axis in zip(sizes, axes, strict=True):
        last = axis == axes[-1] and kind == "IRFFT"
        value = _fitted(value, axis, n // 2 + 1 if last else n)
    value = _applied(value, kind, list(axes), sizes)
    factor = _scale(name, norm, kind in ("IFFT", "IRFFT"), math.prod(sizes))
    if factor != 1:
        value = ops.mul(value, ops.full_like(value, factor))
    return wrap(value, AbstractValue(shape_of(value), dtype_of(value.type), False))


def _applied(value: Value, kind: str, axes: list[int], sizes: list[int]) -> Value:
    if len(set(axes)) < len(axes):
        # An axis that is named twice is transformed twice.
        for axis, size in zip(axes[:-1], sizes[:-1], strict=True) if kind == "IRFFT" else ():
            value = _along(value, "IFFT", [axis], [size])
        value = _along(value, kind, axes[-1:], sizes[-1:])
        whole = {"RFFT": "FFT"}.get(kind, kind)
        for axis, size in zip(axes[:-1], sizes[:-1], strict=True) if kind != "IRFFT" else ():
            value = _along(value, whole, [axis], [size])
        return value
    first, last = (axes[:-_MOST], sizes[:-_MOST]), (axes[-_MOST:], sizes[-_MOST:])
    if kind == "IRFFT" and first[0]:
        value = _applied(value, "IFFT", *first)
    value = _along(value, kind, *last)
    if kind != "IRFFT" and first[0]:
        value = _applied(value, "FFT" if kind == "RFFT" else kind, *first)
    return value


def _along(value: Value, kind: str, axes: list[int], sizes: list[int]) -> Value:
    rank = len(shape_of(value))
    order = [d for d in range(rank) if d not in axes] + axes
    moved = fourier.fft(ops.transpose(value, order), kind, sizes)
    return ops.transpose(moved, [order.index(d) for d in range(rank)])


# ---- One axis ------------------------------------------------------------------------------------


def _one(name: str, kind: str, a: ArrayLike, n: int | None, axis: int, norm: str | None) -> Array:
    _, aval = lift(a)
    place = axis_of(name, axis, len(aval.shape))
    return _transform(name, kind, a, None if n is None else [n], [place], norm)


@operation
def fft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The discrete Fourier transform ``A_k = sum_m a_m exp(-2πi mk/n)`` along an axis.

    Args:
        a: an array; its numbers are taken as complex.
        n: how many points: the axis is cut or padded with zeros to it.
        axis: the axis.
        norm: "backward" (the default: the inverse is divided by n), "ortho" (both by its root), or "forward".

    Returns:
        A complex array with n points along the axis.

    Raises:
        ValueError: n is below 1, or the norm unknown.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.fft.fft(mnp.array([1.0, 2.0, 3.0, 4.0]))
        Array([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j], dtype=complex64)
    """
    return _one("fft", "FFT", a, n, axis, norm)


@operation
def ifft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The inverse of `fft`; arguments as there."""
    return _one("ifft", "IFFT", a, n, axis, norm)


@operation
def rfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The first half, ``n//2 + 1`` points, of the transform of real numbers; the rest are their conjugates."""
    return _one("rfft", "RFFT", a, n, axis, norm)


@operation
def irfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The inverse of `rfft`: n real points, by default ``2 (m - 1)`` from m complex ones."""
    return _one("irfft", "IRFFT", a, n, axis, norm)


_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


@operation
def hfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The transform, real, of a signal with Hermitian symmetry, given by its first half."""
    return _one("hfft", "IRFFT", conj(a), n, axis, _SWAPPED.get(norm, norm))


@operation
def ihfft(a: ArrayLike, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """The inverse of `hfft`: the first half of a signal with Hermitian symmetry."""
    return conj(_one("ihfft", "RFFT", a, n, axis, _SWAPPED.get(norm, norm)))


# ---- Several axes --------------------------------------------------------------------------------


def _many(name: str, kind: str, a: ArrayLike, s: Any, axes: Any, norm: str | None) -> Array:
    _, aval = lift(a)
    return _transform(name, kind, a, s, _axes(name, len(aval.shape), s, axes), norm)


@operation
def fftn(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Array:
    """`fft` along several axes.

    Args:
        a: an array.
        s: how many points along each.
        axes: the axes; by default all, or the last ``len(s)``.
        norm: as of `fft`.
    """
    return _many("fftn", "FFT", a, s, axes, norm)


@operation
def ifftn(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Array:
    """The inverse of `fftn`."""
    return _many("ifftn", "IFFT", a, s, axes, norm)


@operation
def rfftn(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Array:
    """`fftn` of real numbers: of the last axis only the first half."""
    return _many("rfftn", "RFFT", a, s, axes, norm)


@operation
def irfftn(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None
) -> Array:
    """The inverse of `rfftn`."""
    return _many("irfftn", "IRFFT", a, s, axes, norm)


@operation
def fft2(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Array:
    """`fftn` along two axes."""
    return _many("fft2", "FFT", a, s, axes, norm)


@operation
def ifft2(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Array:
    """The inverse of `fft2`."""
    return _many("ifft2", "IFFT", a, s, axes, norm)


@operation
def rfft2(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Array:
    """`rfftn` along two axes."""
    return _many("rfft2", "RFFT", a, s, axes, norm)


@operation
def irfft2(
    a: ArrayLike, s: Sequence[int] | None = None, axes: Sequence[int] = (-2, -1), norm: str | None = None
) -> Array:
    """The inverse of `rfft2`."""
    return _many("irfft2", "IRFFT", a, s, axes, norm)


# ---- Frequencies ---------------------------------------------------------------------------------


def fftfreq(n: int, d: float = 1.0, *, dtype: DTypeLike | None = None, device: Any = None) -> Array:
    """The frequencies of the points that `fft` gives.

    Args:
        n: how many points.
        d: the spacing of samples.
        dtype: float32 by default.
        device: where to put the result.
    """
    return _frequencies(np.fft.fftfreq(_size("fftfreq", n), d), dtype, device)


def rfftfreq(n: int, d: float = 1.0, *, dtype: DTypeLike | None = None, device: Any = None) -> Array:
    """The frequencies of the points that `rfft` gives; arguments as of `fftfreq`."""
    return _frequencies(np.fft.rfftfreq(_size("rfftfreq", n), d), dtype, device)


def _frequencies(values: Any, dtype: DTypeLike | None, device: Any) -> Array:

    return asarray(values.astype(as_dtype(dtype, np.dtype(np.float32))), device=device)


@operation
def fftshift(x: ArrayLike, axes: int | Sequence[int] | None = None) -> Array:
    """The zero frequency moved to the middle of the axes, all by default."""
    _, aval = lift(x)
    places = axes_of("fftshift", axes, len(aval.shape))
    return roll(x, tuple(aval.shape[d] // 2 for d in places), places)


@operation
def ifftshift(x: ArrayLike, axes: int | Sequence[int] | None = None) -> Array:
    """The inverse of `fftshift`."""
    _, aval = lift(x)
    places = axes_of("ifftshift", axes, len(aval.shape))
    return roll(x, tuple(-(aval.shape[d] // 2) for d in places), places)
