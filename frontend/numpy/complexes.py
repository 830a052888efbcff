"""Parts of complex numbers."""

from __future__ import annotations

import math

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import inexact_operands, is_complex, part_of
from mycc.types import ArrayLike

__all__ = ["angle", "conj", "conjugate", "imag", "real"]


@operation
def real(val: ArrayLike, /) -> Array:
    """The real parts; a real array itself.

    Returns:
        An array of val's shape.
    """
    value, aval = lift(val)
    if not is_complex(aval.dtype):
        return wrap(value, aval)
    return wrap(ops.real(value), AbstractValue(aval.shape, part_of(aval.dtype), aval.weak_type))


@operation
def imag(val: ArrayLike, /) -> Array:
    """The imaginary parts; zeros of a real array.

    Returns:
        An array of val's shape.
    """
    value, aval = lift(val)
    if not is_complex(aval.dtype):
        return wrap(ops.full_like(value, 0), aval)
    return wrap(ops.imag(value), AbstractValue(aval.shape, part_of(aval.dtype), aval.weak_type))


@operation
def conj(x: ArrayLike, /) -> Array:
    """The complex conjugates; a real array itself.

    Returns:
        An array of x's shape and dtype.
    """
    value, aval = lift(x)
    return wrap(ops.conj(value) if is_complex(aval.dtype) else value, aval)


conjugate = conj


@operation
def angle(z: ArrayLike, deg: bool = False) -> Array:
    """The angles of complex numbers, in (-pi, pi].

    Args:
        z: an array of any dtype.
        deg: whether the result is in degrees.

    Returns:
        A float array of z's shape.
    """
    (value,), aval = inexact_operands("angle", z)
    if is_complex(aval.dtype):
        result = ops.atan2(ops.imag(value), ops.real(value))
    else:
        result = ops.atan2(ops.full_like(value, 0), value)
    if deg:
        result = ops.mul(result, ops.full_like(result, 180 / math.pi))
    return wrap(result, AbstractValue(aval.shape, part_of(aval.dtype), aval.weak_type))
