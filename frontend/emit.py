"""What array functions are built from: operands promoted and broadcast to one type, results wrapped.

These work on values of the current frame, inside `mycc.api.operation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, wrap
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of, element_type, tensor
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Tracer, require_frame
from mycc.types import ArrayLike, abstractify, promote

__all__ = ["binary", "broadcast", "broadcast_shapes", "convert", "full", "lifted", "operands", "unary"]

Value: TypeAlias = ir.Value


def broadcast_shapes(name: str, avals: Sequence[AbstractValue]) -> tuple[int, ...]:
    """The common shape of operands under NumPy's broadcasting.

    Raises:
        ValueError: they have none; the message names the function, the shapes and the user's line.
    """
    shape = _common_shape(tuple([aval.shape for aval in avals]))
    if shape is None:
        shapes = ", ".join(str(aval.shape) for aval in avals)
        raise ValueError(
            f"{user_line()}: {name} got operands of shapes {shapes}, which do not broadcast together: from the last "
            "dimension on, sizes must be equal or 1; reshape one of them, or add dimensions with x[:, None]"
        )
    return shape


@lru_cache(maxsize=4096)
def _common_shape(shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...] | None:
    rank = max(map(len, shapes))
    sizes = [{*column} - {1} for column in zip(*((1,) * (rank - len(s)) + s for s in shapes), strict=True)]
    if any(len(different) > 1 for different in sizes):
        return None
    return tuple(next(iter(different), 1) for different in sizes)


def convert(value: Value, source: np.dtype[Any], target: np.dtype[Any]) -> Value:
    """A value with another dtype; complex to real drops the imaginary part, to bool tests for non-zero."""
    if source == target:
        return value
    wide = require_frame().wide.get(value)
    if wide is not None:
        value, source = wide, dtype_of(wide.type)
        if source == target:
            return value
    if source.kind == "c" and target.kind != "c":
        if target.kind == "b":
            return ops.compare("NE", value, ops.full_like(value, 0))
        value = ops.real(value)
    elif target.kind == "b":
        return ops.compare("NE", value, ops.full_like(value, 0))
    return ops.convert(value, element_type(target))


def lifted(x: ArrayLike, aval: AbstractValue) -> Value:
    """The value of an array-like in the current frame, in the dtype of ``aval``."""
    if type(x) is float and aval.dtype.kind in "fc":
        return require_frame().lift(x, aval)
    return convert(require_frame().lift(x), abstractify(x).dtype, aval.dtype)


def broadcast(value: Value, source: tuple[int, ...], target: tuple[int, ...]) -> Value:
    """A value spread over a larger shape as NumPy does: aligned at the last dimension."""
    if source == target:
        return value
    offset = len(target) - len(source)
    return ops.broadcast_in_dim(value, target, range(offset, len(target)))


def full(shape: tuple[int, ...], dtype: np.dtype[Any], number: Any) -> Value:
    """A constant of one number."""
    return ops.full(tensor(shape, element_type(dtype)), number)


def operand(x: ArrayLike, aval: AbstractValue, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Value:
    """One operand as a value of the given shape and dtype; a scalar literal becomes one constant."""
    if type(x) in (int, float, bool, complex) and not (require_frame().trace.eager and type(x) is float):
        return full(shape, dtype, x)
    value, _ = lift(x)
    return broadcast(convert(value, aval.dtype, dtype), aval.shape, shape)


def operands(name: str, *xs: ArrayLike, to: np.dtype[Any] | None = None) -> tuple[list[Value], AbstractValue]:
    """Operands promoted to one dtype (or converted to ``to``) and broadcast to one shape.

    Returns:
        Their values, and what is known of each of them then.
    """
    avals = [abstractify(x) for x in xs]
    dtype, weak = promote(avals) if to is None else (to, False)
    shape = broadcast_shapes(name, avals)
    return [operand(x, aval, shape, dtype) for x, aval in zip(xs, avals, strict=True)], AbstractValue(
        shape, dtype, weak
    )


def unary(build: Callable[[Value], Value], x: ArrayLike) -> Tracer:
    """A pointwise operation that keeps shape and dtype."""
    value, aval = lift(x)
    return wrap(build(value), aval)


def binary(name: str, build: Callable[[Value, Value], Value], x: ArrayLike, y: ArrayLike) -> Tracer:
    """A pointwise operation of two operands, promoted and broadcast."""
    (left, right), aval = operands(name, x, y)
    return wrap(build(left, right), aval)
