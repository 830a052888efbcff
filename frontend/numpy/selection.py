"""Choosing between arrays: where, select, clip, piecewise; interpolation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, overload

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.emit import broadcast, broadcast_shapes, convert, operand, operands
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import BOOL, inexact_dtype, is_complex, is_inexact, part_of
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify, promote

__all__ = ["clip", "heaviside", "nan_to_num", "piecewise", "select", "where"]

Value: TypeAlias = ir.Value


@overload
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> Array: ...
@overload
def where(
    condition: ArrayLike, /, *, size: int | None = None, fill_value: Any = None
) -> tuple[Array, ...]: ...


def where(
    condition: ArrayLike,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    /,
    *,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """Elements of x where a condition holds, else of y; with the condition alone, where it holds.

    Args:
        condition: an array; non-zero elements hold.
        x, y: arrays; all three shapes broadcast together.
        size: without x and y, the number of positions to return, which must be known while tracing.
        fill_value: what fills positions beyond those found; default 0.

    Returns:
        An array of the common shape and of x and y's dtype; or, without x and y, as `nonzero`.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.where(mnp.array([True, False]), 1.0, 2.0)
        Array([1., 2.], dtype=float32, weak_type=True)
    """
    if x is None and y is None:
        from mycc.numpy.searching import nonzero

        return nonzero(condition, size=size, fill_value=fill_value)
    if x is None or y is None:
        raise ValueError(f"{user_line()}: where takes both x and y, or neither")
    return _where(condition, x, y)


@operation
def _where(condition: ArrayLike, x: ArrayLike, y: ArrayLike) -> Array:
    mask, mask_aval = lift(condition)
    avals = [abstractify(x), abstractify(y)]
    dtype, weak = promote(avals)
    shape = broadcast_shapes("where", [mask_aval, *avals])
    mask = convert(mask, mask_aval.dtype, BOOL)
    if mask_aval.shape:
        mask = broadcast(mask, mask_aval.shape, shape)
    left, right = operand(x, avals[0], shape, dtype), operand(y, avals[1], shape, dtype)
    return wrap(ops.select(mask, left, right), AbstractValue(shape, dtype, weak))


@operation
def select(condlist: Sequence[ArrayLike], choicelist: Sequence[ArrayLike], default: ArrayLike = 0) -> Array:
    """The elements of the first choice whose condition holds.

    Args:
        condlist: bool arrays.
        choicelist: as many arrays.
        default: where no condition holds.

    Returns:
        An array of the common shape and dtype of choices and default.

    Raises:
        ValueError: the lists are empty or of different lengths.
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"{user_line()}: select got {len(condlist)} conditions and {len(choicelist)} choices; it takes "
            "as many of each"
        )
    avals = [abstractify(x) for x in (*choicelist, default)]
    dtype, weak = promote(avals)
    shape = broadcast_shapes("select", [*(abstractify(c) for c in condlist), *avals])
    result = operand(default, avals[-1], shape, dtype)
    for condition, choice, aval in reversed(list(zip(condlist, choicelist, avals[:-1], strict=True))):
        mask, mask_aval = lift(condition)
        mask = broadcast(convert(mask, mask_aval.dtype, BOOL), mask_aval.shape, shape)
        result = ops.select(mask, operand(choice, aval, shape, dtype), result)
    return wrap(result, AbstractValue(shape, dtype, weak))


def piecewise(
    x: ArrayLike, condlist: Sequence[ArrayLike] | ArrayLike, funclist: Sequence[Any], *args: Any, **kw: Any
) -> Array:
    """A function defined in pieces.

    Args:
        x: where to evaluate it.
        condlist: bool arrays of x's shape.
        funclist: for each condition a function of x or a number, and perhaps one more for the rest.
        *args, **kw: passed on to the functions.

    Returns:
        An array of x's shape and dtype; zero where no condition holds and nothing is given for the rest.

    Raises:
        ValueError: the number of functions fits neither.
    """
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) else [condlist]
    if conditions and isinstance(conditions[0], (bool, np.bool_)):
        conditions = [conditions]
    functions = list(funclist)
    if len(functions) == len(conditions):
        functions.append(0)
    if len(functions) != len(conditions) + 1:
        raise ValueError(
            f"{user_line()}: piecewise got {len(conditions)} conditions and {len(functions)} functions; it "
            "takes as many, "
            "or one more for the rest"
        )
    from mycc.numpy.creation import asarray

    at = asarray(x)
    pieces = [f(at, *args, **kw) if callable(f) else f for f in functions]
    *chosen, rest = [asarray(p, at.dtype) for p in pieces]
    # NumPy lets the last condition that holds win.
    return select([asarray(c) for c in reversed(conditions)], chosen[::-1], rest)


@operation
def clip(arr: ArrayLike, /, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Array:
    """Elements limited to an interval.

    Args:
        arr: an array of real numbers.
        min, max: the limits; None for none. Shapes broadcast with arr's.

    Returns:
        An array of the common shape and dtype.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.clip(mnp.array([-1, 5]), 0, 3)
        Array([0, 3], dtype=int32)
    """
    avals = [abstractify(x) for x in (arr, min, max) if x is not None]
    dtype, weak = promote(avals)
    if is_complex(dtype):
        raise TypeError(f"{user_line()}: clip does not take dtype {dtype}: complex numbers have no order")
    shape = broadcast_shapes("clip", avals)
    value = operand(arr, avals[0], shape, dtype)
    if min is not None:
        value = ops.max_(operand(min, abstractify(min), shape, dtype), value)
    if max is not None:
        value = ops.min_(operand(max, abstractify(max), shape, dtype), value)
    return wrap(value, AbstractValue(shape, dtype, weak))


@operation
def heaviside(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """The step function: 0 below zero, x2 at zero, 1 above.

    Args:
        x1: where to evaluate it.
        x2: the value at zero.

    Returns:
        A float array of the common shape.
    """
    avals = [abstractify(x1), abstractify(x2)]
    dtype, weak = promote(avals)
    target = inexact_dtype(dtype)
    if is_complex(target):
        raise TypeError(
            f"{user_line()}: heaviside does not take dtype {dtype}: complex numbers have no order"
        )
    (x, y), aval = operands("heaviside", x1, x2, to=target)
    zero = ops.full_like(x, 0)
    step = ops.select(
        ops.compare("LT", x, zero), zero, ops.select(ops.compare("GT", x, zero), ops.full_like(x, 1), x)
    )
    result = ops.select(ops.compare("EQ", x, zero), y, step)
    return wrap(result, AbstractValue(aval.shape, target, weak and target == dtype))


@operation
def nan_to_num(
    x: ArrayLike,
    copy: bool = True,
    nan: ArrayLike = 0.0,
    posinf: ArrayLike | None = None,
    neginf: ArrayLike | None = None,
) -> Array:
    """NaN and infinities replaced by numbers.

    Args:
        x: an array.
        copy: of no matter here.
        nan: what replaces NaN.
        posinf, neginf: what replaces the infinities; default: the greatest and least finite numbers.

    Returns:
        An array of x's shape and dtype.
    """
    value, aval = lift(x)
    if not is_inexact(aval.dtype):
        return wrap(value, aval)
    if is_complex(aval.dtype):
        part = AbstractValue(aval.shape, part_of(aval.dtype))
        parts = [_finite(v, part, nan, posinf, neginf) for v in (ops.real(value), ops.imag(value))]
        return wrap(ops.complex_(*parts), aval)
    return wrap(_finite(value, aval, nan, posinf, neginf), aval)


def _finite(value: Value, aval: AbstractValue, nan: Any, posinf: Any, neginf: Any) -> Value:
    import ml_dtypes

    limits = ml_dtypes.finfo(aval.dtype)
    replacements = [
        (ops.compare("NE", value, value), nan),
        (ops.compare("EQ", value, ops.full_like(value, math.inf)), limits.max if posinf is None else posinf),
        (ops.compare("EQ", value, ops.full_like(value, -math.inf)), limits.min if neginf is None else neginf),
    ]
    result = value
    for test, number in replacements:
        known = abstractify(number) if not isinstance(number, np.generic) else AbstractValue((), aval.dtype)
        filler = (
            ops.full_like(value, number)
            if isinstance(number, np.generic)
            else operand(number, known, aval.shape, aval.dtype)
        )
        result = ops.select(test, filler, result)
    return result
