"""The record of `fft`: discrete Fourier transforms of the last dimensions, which are linear.

With the pairing Re Σ ct·t, the transposes are:

- FFT and IFFT: themselves, for their matrices are symmetric;
- RFFT takes the first half of an FFT's last dimension: zeros in the other half, an FFT, the real part;
- IRFFT adds up ``w_k/N·Re(X_k e^{ikn})``, where w is 2 for what stands for two frequencies and 1 for the
  first and the middle one: ``w/N·conj(RFFT(ct))``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import hlo, ir
from mycc.dialects.record import Batched, Record, Site, linear
from mycc.dialects.types import dtype_of, shape_of, tensor

Value: TypeAlias = ir.Value

__all__ = ["RECORDS", "fft"]


def fft(x: Value, kind: str, lengths: Sequence[int]) -> Value:
    """A transform of the last dimensions.

    Args:
        x: complex; real for RFFT. For IRFFT the last dimension is half of the result's, plus one.
        kind: FFT, IFFT, RFFT or IRFFT.
        lengths: the sizes of the transformed dimensions: of the real tensor where there is one.
    """
    shape, element = list(shape_of(x)), ops.element_of(x)
    if kind == "RFFT":
        shape[-1], element = lengths[-1] // 2 + 1, ir.ComplexType.get(element)
    if kind == "IRFFT":
        shape[-1], element = lengths[-1], element.element_type
    attributes = {"fft_type": hlo.FftTypeAttr.get(kind), "fft_length": ops.i64_array(lengths)}
    return ops.create("stablehlo.fft", [tensor(tuple(shape), element)], [x], attributes).result


def _transpose(site: Site, cotangent: Value) -> Sequence[Value | None]:
    op = site.op
    kind = hlo.FftTypeAttr(op.attributes["fft_type"]).value
    lengths = ops.ints_of(op.attributes["fft_length"])
    if kind in ("FFT", "IFFT"):
        return [fft(cotangent, kind, lengths)]
    shape = shape_of(cotangent)
    rank = len(shape)
    if kind == "RFFT":
        high = [0] * (rank - 1) + [lengths[-1] - shape[-1]]
        whole = ops.pad(cotangent, ops.zero_of(cotangent), [0] * rank, high, [0] * rank)
        return [ops.real(fft(whole, "FFT", lengths))]
    turned = ops.conj(fft(cotangent, "RFFT", lengths))
    n = lengths[-1]
    weights = np.full(n // 2 + 1, 2.0, dtype_of(turned.type))
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    factors = ops.constant(weights / math.prod(lengths))
    return [ops.mul(turned, ops.broadcast_in_dim(factors, shape_of(turned), [rank - 1]))]


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    # Only the last dimensions are transformed: one more in front changes nothing.
    return [ops.rebuild(site.op, site.operands, site.result_types()).result], [True]


RECORDS: tuple[Record, ...] = (linear("stablehlo.fft", _transpose, _batch),)
