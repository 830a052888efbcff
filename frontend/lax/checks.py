"""Operands of `mycc.lax`: of one dtype and one shape, but for scalars; nothing is promoted or broadcast
silently."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, wrap
from mycc.dialects.mlir import ir
from mycc.dtypes import kind_of
from mycc.emit import operand
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Tracer
from mycc.types import ArrayLike, abstractify, promote

__all__ = ["axes_of", "axis_of", "binary", "check_kind", "common_dtype", "static_shape", "together", "unary"]

Value: TypeAlias = ir.Value

_KIND_NAMES = {"f": "float", "c": "complex", "i": "int", "u": "unsigned int", "b": "bool"}


def check_kind(name: str, dtype: np.dtype[Any], kinds: str) -> None:
    """Refuse a dtype of another kind.

    Raises:
        TypeError: naming the kinds that the function takes.
    """
    if kind_of(dtype) not in kinds:
        accepted = ", ".join(_KIND_NAMES[k] for k in kinds)
        raise TypeError(
            f"{user_line()}: {name} takes {accepted} arrays, got {dtype}; convert it with .astype(...)"
        )


def common_dtype(name: str, avals: Sequence[AbstractValue]) -> tuple[np.dtype[Any], bool]:
    """The one dtype of operands, to which weakly typed scalars adapt."""
    strong = {aval.dtype for aval in avals if not aval.weak_type}
    dtype, weak = promote(avals)
    if len(strong) > 1 or (strong and dtype not in strong):
        got = ", ".join(aval.dtype.name for aval in avals)
        raise TypeError(
            f"{user_line()}: {name} got operands of dtypes {got}; mycc.lax promotes nothing: convert one of "
            "them with .astype(...), or use the function of mycc.numpy"
        )
    return dtype, weak


def common_shape(name: str, avals: Sequence[AbstractValue]) -> tuple[int, ...]:
    """The one shape of operands, beside which scalars may stand."""
    shapes = {aval.shape for aval in avals if aval.shape}
    if len(shapes) > 1:
        got = ", ".join(str(aval.shape) for aval in avals)
        raise TypeError(
            f"{user_line()}: {name} got operands of shapes {got}; mycc.lax broadcasts scalars only: use "
            "mycc.lax.broadcast_in_dim, or the function of mycc.numpy"
        )
    return shapes.pop() if shapes else ()


def together(name: str, *xs: ArrayLike, kinds: str = "fciub") -> tuple[list[Value], AbstractValue]:
    """Operands as values of one type, and what is known of each."""
    avals = [abstractify(x) for x in xs]
    dtype, weak = common_dtype(name, avals)
    check_kind(name, dtype, kinds)
    shape = common_shape(name, avals)
    values = [operand(x, aval, shape, dtype) for x, aval in zip(xs, avals, strict=True)]
    return values, AbstractValue(shape, dtype, weak)


def unary(name: str, build: Callable[[Value], Value], x: ArrayLike, kinds: str) -> Tracer:
    """A pointwise operation that keeps shape and dtype."""
    value, aval = lift(x)
    check_kind(name, aval.dtype, kinds)
    return wrap(build(value), aval)


def binary(
    name: str, build: Callable[[Value, Value], Value], x: ArrayLike, y: ArrayLike, kinds: str
) -> Tracer:
    """A pointwise operation of two operands."""
    (left, right), aval = together(name, x, y, kinds=kinds)
    return wrap(build(left, right), aval)


def axis_of(name: str, axis: int, ndim: int) -> int:
    """A dimension counted from the front.

    Raises:
        ValueError: there is no such dimension.
    """
    if not -ndim <= axis < ndim:
        raise ValueError(f"{user_line()}: {name} got dimension {axis} of an array with {ndim} dimensions")
    return int(axis) % ndim


def axes_of(name: str, axes: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Distinct dimensions counted from the front.

    Raises:
        ValueError: a dimension does not exist or is named twice.
    """
    found = tuple(axis_of(name, axis, ndim) for axis in ((axes,) if isinstance(axes, int) else axes))
    if len(set(found)) != len(found):
        raise ValueError(f"{user_line()}: {name} got a dimension twice in {tuple(axes)}")  # type: ignore[arg-type]
    return found


def static_shape(name: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    """A shape as a tuple of Python integers.

    Raises:
        TypeError: a size is no integer.
        ConcretizationError: a size is traced, and its number is not known.
        ValueError: a size is negative.
    """
    scalar = isinstance(shape, int) or getattr(shape, "ndim", None) == 0
    sizes: tuple[Any, ...] = (shape,) if scalar else tuple(shape)  # type: ignore[arg-type]
    for size in sizes:
        if not hasattr(size, "__index__"):
            raise TypeError(
                f"{user_line()}: {name} got a shape with the size {size!r}; sizes are static Python integers"
            )
    found = tuple(operator.index(size) for size in sizes)
    if any(size < 0 for size in found):
        raise ValueError(f"{user_line()}: {name} got the shape {found}, which has a negative size")
    return found
