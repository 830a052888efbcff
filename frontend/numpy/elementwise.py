"""Elementwise functions."""

from __future__ import annotations

from mycc.api import operation
from mycc.array import Array
from mycc.dialects import ops
from mycc.emit import binary, unary
from mycc.types import ArrayLike

__all__ = ["add", "multiply", "negative", "sin", "subtract"]


@operation
def add(x: ArrayLike, y: ArrayLike, /) -> Array:
    """Elementwise sum."""
    return binary("add", ops.add, x, y)


@operation
def subtract(x: ArrayLike, y: ArrayLike, /) -> Array:
    """Elementwise difference."""
    return binary("subtract", ops.sub, x, y)


@operation
def multiply(x: ArrayLike, y: ArrayLike, /) -> Array:
    """Elementwise product."""
    return binary("multiply", ops.mul, x, y)


@operation
def negative(x: ArrayLike, /) -> Array:
    """Elementwise negation."""
    return unary(ops.neg, x)


@operation
def sin(x: ArrayLike, /) -> Array:
    """Elementwise sine."""
    return unary(ops.sin, x)
