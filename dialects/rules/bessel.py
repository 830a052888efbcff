"""The exponentially scaled Bessel function I₀, which CHLO lacks and the derivative of its I₁ needs.

Two Chebyshev series, in x/4 - 1 up to 8 and, of √x·I₀ₑ(x), in 16/x - 1 above: the domains of Clenshaw,
"Chebyshev series for mathematical functions" (1962). The coefficients interpolate SciPy's ``i0e``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of, element_type

Value: TypeAlias = ir.Value

__all__ = ["bessel_i0e"]

_UP_TO_8 = (
    0.33839763720473803,
    -0.30468267234319835,
    0.17162090152220866,
    -0.09490109704804756,
    0.0493052842396706,
    -0.02373741480589942,
    0.010546460394594982,
    -0.0043243099950506176,
    0.0016394756169414303,
    -0.0005763755745386508,
    0.00018850288509594159,
    -5.754195010083698e-05,
    1.6448448070681465e-05,
    -4.416738358362173e-06,
    1.1173875389531062e-06,
    -2.670793852751227e-07,
    6.046995008400219e-08,
    -1.3000250029149197e-08,
    2.6598236692709656e-09,
    -5.189795312201744e-10,
    9.675806236777058e-11,
    -1.7268247165649802e-11,
    2.955065940785614e-12,
    -4.855811785382392e-13,
    7.655592029008407e-14,
    -1.140938391257896e-14,
)

_ABOVE_8 = (
    0.40224520550705434,
    0.003369116478255694,
    6.889758346908841e-05,
    2.8913705208239447e-06,
    2.0489185887242103e-07,
    2.266668990530124e-08,
    3.3962320029531785e-09,
    4.940602365184181e-10,
    1.1889231149577118e-11,
    -3.149915250605489e-11,
    -1.3215691472587112e-11,
    -1.7941744135350854e-12,
    7.17974971934253e-13,
    3.85270579984385e-13,
    1.5237364063287973e-14,
    -4.1505600751626905e-14,
    -9.672323931960893e-15,
    3.812447344733349e-15,
    1.7438040615005366e-15,
    -3.4593454201945873e-16,
)


def _chebyshev(x: Value, coefficients: Sequence[float]) -> Value:
    """The series at x in [-1, 1], by Clenshaw's recurrence."""
    doubled = ops.add(x, x)
    last = ops.full_like(x, coefficients[-1])
    before = ops.full_like(x, 0)
    for coefficient in reversed(coefficients[1:-1]):
        step = ops.sub(ops.mul(doubled, last), before)
        last, before = ops.add(step, ops.full_like(x, coefficient)), last
    return ops.add(ops.sub(ops.mul(x, last), before), ops.full_like(x, coefficients[0]))


def bessel_i0e(x: Value) -> Value:
    """exp(-|x|)·I₀(x) of a float tensor; half-precision ones are computed in float32."""
    element = ops.element_of(x)
    half = dtype_of(element).itemsize < 4
    wide = ops.convert(x, element_type("float32") if half else element)
    size = ops.abs_(wide)
    eight, one = ops.full_like(size, 8), ops.full_like(size, 1)
    near = ops.compare("LE", size, eight)
    # Each series is kept inside its domain, so that the one not taken has no infinite derivative.
    small = ops.sub(ops.mul(ops.select(near, size, eight), ops.full_like(size, 0.25)), one)
    outer = ops.select(near, eight, size)
    large = ops.sub(ops.div(ops.full_like(size, 16), outer), one)
    above = ops.mul(_chebyshev(large, _ABOVE_8), ops.rsqrt(outer))
    return ops.convert(ops.select(near, _chebyshev(small, _UP_TO_8), above), element)
