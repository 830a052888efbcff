"""Functions that normalize over dimensions: softmax and its kin."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops, transform
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, shape_of, tensor
from mycc.dtypes import as_dtype, kind_of
from mycc.emit import convert, operands
from mycc.lax.checks import axis_of, check_kind, static_shape
from mycc.lowering.abstract import AbstractValue
from mycc.nn.parts import Axis, axes, fold, inexact, mask, spread
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = ["log_softmax", "logmeanexp", "logsumexp", "one_hot", "softmax", "standardize"]

Value: TypeAlias = ir.Value
_FLOAT32 = np.dtype(np.float32)


def _shifted(value: Value, aval: AbstractValue, dims: tuple[int, ...], where: Value | None) -> Value:
    """The elements less their maximum, a constant in derivatives; -inf where ``where`` is false."""
    if where is not None:
        value = ops.select(where, value, ops.full_like(value, -math.inf))
    top = transform.stop_gradient(fold(value, aval, dims, -math.inf, ops.max_))
    return ops.sub(value, spread(top, aval.shape, dims))


@operation
def softmax(x: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None) -> Array:
    """``exp(x) / sum(exp(x))``.

    Args:
        x: an array of floats.
        axis: the dimensions to sum over; None for all.
        where: bools that broadcast to ``x``; the result is 0 where they are false.

    Example:
        >>> import mycc.numpy as mnp
        >>> softmax(mnp.array([0.0, 0.0]))
        Array([0.5, 0.5], dtype=float32)
    """
    value, aval = inexact(x)
    check_kind("softmax", aval.dtype, "f")
    dims = axes("softmax", axis, len(aval.shape))
    kept = None if where is None else mask("softmax", where, aval.shape)
    raised = ops.exp(_shifted(value, aval, dims, kept))
    total = fold(raised, aval, dims, 0, ops.add)
    # One division for each sum instead of one for each element.
    factor = ops.div(ops.full_like(total, 1), total)
    found = ops.mul(raised, spread(factor, aval.shape, dims))
    if kept is not None:
        found = ops.select(kept, found, ops.full_like(found, 0))
    return wrap(found, aval)


@operation
def log_softmax(x: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None) -> Array:
    """``log(softmax(x))``.

    Args:
        x: an array of floats.
        axis: the dimensions to sum over; None for all.
        where: bools that broadcast to ``x``; the result is -inf where they are false.
    """
    value, aval = inexact(x)
    check_kind("log_softmax", aval.dtype, "f")
    dims = axes("log_softmax", axis, len(aval.shape))
    kept = None if where is None else mask("log_softmax", where, aval.shape)
    shifted = _shifted(value, aval, dims, kept)
    total = ops.log(fold(ops.exp(shifted), aval, dims, 0, ops.add))
    found = ops.sub(shifted, spread(total, aval.shape, dims))
    if kept is not None:
        found = ops.select(kept, found, ops.full_like(found, -math.inf))
    return wrap(found, aval)


@operation
def logsumexp(
    a: ArrayLike,
    axis: Axis = None,
    b: ArrayLike | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: ArrayLike | None = None,
) -> Any:
    """``log(sum(b * exp(a)))``, which does not overflow.

    Args:
        a: an array.
        axis: the dimensions to sum over; None for all.
        b: factors that broadcast with ``a``.
        keepdims: leave the dimensions with size 1.
        return_sign: return the sign of the sum too, and the logarithm of its magnitude.
        where: bools that broadcast to ``a``: which elements to sum.

    Returns:
        The logarithm; of a negative sum NaN, or with ``return_sign`` a pair.

    Example:
        >>> import mycc.nn, mycc.numpy as mnp
        >>> mycc.nn.logsumexp(mnp.array([1000.0, 1000.0]))
        Array(1000.6932, dtype=float32)
    """
    if b is None:
        value, aval = inexact(a)
        factor = None
    else:
        first, second = inexact(a), inexact(b)
        (value, factor), aval = operands("logsumexp", wrap(*first), wrap(*second))
        zero = ops.full_like(factor, 0)
        value = ops.select(ops.compare("NE", factor, zero), value, ops.full_like(value, -math.inf))
    dims = axes("logsumexp", axis, len(aval.shape))
    kept = None if where is None else mask("logsumexp", where, aval.shape)
    if kept is not None:
        value = ops.select(kept, value, ops.full_like(value, -math.inf))
    top = _finite_top(value, aval, dims)
    raised = ops.exp(ops.sub(value, spread(convert_like(top, aval), aval.shape, dims)))
    total = fold(raised if factor is None else ops.mul(raised, factor), aval, dims, 0, ops.add)
    return _logarithm(total, top, aval, dims, factor is not None, keepdims, return_sign)


def convert_like(value: Value, aval: AbstractValue) -> Value:
    """A real value in the dtype of an array."""
    return ops.convert(value, element_type(aval.dtype))


def _finite_top(value: Value, aval: AbstractValue, dims: tuple[int, ...]) -> Value:
    """The maximum of the (real parts of the) elements as a constant, 0 if it is infinite."""
    if aval.dtype.kind == "c":
        value = ops.real(value)
        aval = AbstractValue(aval.shape, np.float32 if aval.dtype.itemsize == 8 else np.float64)
    top = fold(value, aval, dims, -math.inf, ops.max_)
    return transform.stop_gradient(ops.select(ops.is_finite(top), top, ops.full_like(top, 0)))


def _logarithm(
    total: Value,
    top: Value,
    aval: AbstractValue,
    dims: tuple[int, ...],
    signed: bool,
    keepdims: bool,
    return_sign: bool,
) -> Any:
    is_complex = aval.dtype.kind == "c"
    sign = ops.sign(total) if return_sign else None
    size = ops.abs_(total) if return_sign else total
    # The logarithm of a negative number is NaN already.
    result = ops.log(size)
    result = ops.add(result, top if return_sign else convert_like(top, aval))
    shape = tuple(1 if d in dims else n for d, n in enumerate(aval.shape)) if keepdims else shape_of(total)

    def finished(v: Value, dtype: np.dtype[Any]) -> Array:
        return wrap(ops.reshape(v, shape), AbstractValue(shape, dtype, aval.weak_type))

    if sign is None:
        return finished(result, aval.dtype)
    real = np.dtype(np.float32 if aval.dtype.itemsize == 8 else np.float64) if is_complex else aval.dtype
    return finished(result, real), finished(sign, aval.dtype)


@operation
def logmeanexp(
    x: ArrayLike, axis: Axis = None, where: ArrayLike | None = None, keepdims: bool = False
) -> Array:
    """``log(mean(exp(x)))``; arguments as of `logsumexp`."""
    total: Array = logsumexp(x, axis, None, keepdims, False, where)
    value, aval = lift(total)
    shape = abstractify(x).shape
    dims = axes("logmeanexp", axis, len(shape))
    if where is None:
        count = math.prod(shape[d] for d in dims)
        return wrap(ops.sub(value, ops.full_like(value, math.log(count) if count else -math.inf)), aval)
    ones = ops.convert(mask("logmeanexp", where, shape), element_type(aval.dtype))
    counted = ops.log(fold(ones, AbstractValue(shape, aval.dtype), dims, 0, ops.add))
    return wrap(ops.sub(value, ops.reshape(counted, aval.shape)), aval)


@operation
def standardize(
    x: ArrayLike,
    axis: Axis = -1,
    mean: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    epsilon: ArrayLike = 1e-5,
    where: ArrayLike | None = None,
    *,
    algorithm: str = "fast",
) -> Array:
    """``(x - mean) / sqrt(variance + epsilon)``.

    Args:
        x: an array.
        axis: the dimensions over which mean and variance are taken; None for all.
        mean: taken instead of that of ``x``; broadcasts with it.
        variance: taken instead of that of ``x``; broadcasts with it.
        epsilon: keeps the divisor from 0.
        where: bools that broadcast to ``x``: which elements make mean and variance.
        algorithm: ``"fast"``: the variance is ``mean(x * x) - mean * mean``, in one sweep; ``"stable"``:
            ``mean((x - mean) ** 2)``.

    Raises:
        ValueError: no such algorithm.
    """
    if algorithm not in ("fast", "stable"):
        raise ValueError(
            f'{user_line()}: standardize got algorithm={algorithm!r}; there are "fast" and "stable"'
        )
    value, aval = inexact(x)
    dims = axes("standardize", axis, len(aval.shape))
    kept = None if where is None else mask("standardize", where, aval.shape)
    narrow = AbstractValue(tuple(1 if d in dims else n for d, n in enumerate(aval.shape)), aval.dtype)

    def average(v: Value) -> Array:
        return wrap(ops.reshape(_average(v, aval, dims, kept), narrow.shape), narrow)

    def apply(build: Callable[..., Value], *xs: ArrayLike) -> Array:
        values, joint = operands("standardize", *xs, to=aval.dtype)
        return wrap(build(*values), joint)

    centre = average(value) if mean is None else mean
    centred = apply(ops.sub, wrap(value, aval), centre)
    if variance is None and algorithm == "stable":
        distance, _ = lift(centred)
        variance = average(ops.mul(distance, distance))
    elif variance is None:
        variance = apply(_variance, average(ops.mul(value, value)), centre)
    return apply(ops.mul, centred, apply(lambda v, e: ops.rsqrt(ops.add(v, e)), variance, epsilon))


def _variance(squares: Value, mean: Value) -> Value:
    # Rounding must not make it negative.
    return ops.max_(ops.sub(squares, ops.mul(mean, mean)), ops.full_like(mean, 0))


def _average(value: Value, aval: AbstractValue, dims: tuple[int, ...], kept: Value | None) -> Value:
    if kept is None:
        total = fold(value, aval, dims, 0, ops.add)
        count = math.prod(aval.shape[d] for d in dims)
        return ops.mul(total, ops.full_like(total, 1 / count)) if count else total
    total = fold(ops.select(kept, value, ops.full_like(value, 0)), aval, dims, 0, ops.add)
    ones = ops.convert(kept, element_type(aval.dtype))
    return ops.div(total, fold(ones, aval, dims, 0, ops.add))


@operation
def one_hot(x: ArrayLike, num_classes: int, *, dtype: DTypeLike | None = None, axis: int = -1) -> Array:
    """Vectors that are 1 at the given indices and 0 elsewhere; an index out of range gives zeros.

    Args:
        x: an array of indices.
        num_classes: the length of the vectors.
        dtype: of the result; default float32.
        axis: the dimension of the result along which the vectors lie.

    Example:
        >>> import mycc.numpy as mnp
        >>> one_hot(mnp.array([2, 0]), 3)
        Array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
    """
    value, aval = lift(x)
    check_kind("one_hot", aval.dtype, "iuf")
    target = _FLOAT32 if dtype is None else as_dtype(dtype)
    (count,) = static_shape("one_hot", (num_classes,))
    d = axis_of("one_hot", axis, len(aval.shape) + 1)
    shape = (*aval.shape[:d], count, *aval.shape[d:])
    if kind_of(aval.dtype) == "f" or aval.dtype.itemsize >= 4 or count <= 128:
        classes = ops.iota(tensor(shape, element_type(aval.dtype)), d)
    else:
        value = convert(value, aval.dtype, np.dtype(np.int32))
        classes = ops.iota(tensor(shape, element_type("int32")), d)
    places = ops.broadcast_in_dim(value, shape, [i for i in range(len(shape)) if i != d])
    found = convert(ops.compare("EQ", places, classes), np.dtype(bool), target)
    return wrap(found, AbstractValue(shape, target))
