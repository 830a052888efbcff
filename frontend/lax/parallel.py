"""Functions of the named axes that `vmap(axis_name=...)` binds."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops, transform
from mycc.dialects.types import element_type, tensor
from mycc.dtypes import kind_of
from mycc.emit import convert
from mycc.lax.checks import check_kind
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import require_frame
from mycc.types import ArrayLike, abstractify

__all__ = ["axis_index", "axis_size", "pmean", "psum"]

AxisName = Hashable
_INT32 = np.dtype(np.int32)


def _names(axis_name: Any) -> tuple[str, ...]:
    return tuple(axis_name) if isinstance(axis_name, (tuple, list)) else (axis_name,)


def _size(function: str, name: str) -> int:
    axes = require_frame().axes
    if name not in axes:
        bound = ", ".join(map(repr, axes)) or "none"
        raise NameError(
            f"{user_line()}: {function} names the axis {name!r}, which nothing around it binds (bound: "
            f"{bound}); call it inside mycc.vmap(..., axis_name={name!r})"
        )
    return axes[name]


@operation
def axis_size(axis_name: Any) -> int:
    """The size of a named axis, or the product of several, as a Python integer.

    Raises:
        NameError: nothing binds the name.
    """
    return math.prod(_size("axis_size", name) for name in _names(axis_name))


@operation
def axis_index(axis_name: Any) -> Array:
    """The position along a named axis, int32; along several, counted with the last one fastest.

    Raises:
        NameError: nothing binds the name.
    """
    scalar = tensor((), element_type(_INT32))
    index: ops.Value | None = None
    for name in _names(axis_name):
        size = _size("axis_index", name)
        here = transform.collective("axis_index", name, [], [scalar])
        index = here if index is None else ops.add(ops.mul(index, ops.full(scalar, size)), here)
    return wrap(ops.full(scalar, 0) if index is None else index, AbstractValue((), _INT32))


@operation
def psum(x: Any, axis_name: Any) -> Any:
    """The sum over a named axis, or over several.

    Args:
        x: a pytree of arrays; of a Python number the result is it times the size of the axis, a number too.
        axis_name: a name that a `vmap` around binds, or a tuple of names.

    Raises:
        NameError: nothing binds the name.

    Example:
        >>> import mycc, mycc.lax, mycc.numpy as mnp
        >>> mycc.vmap(lambda x: x / mycc.lax.psum(x, "i"), axis_name="i")(mnp.array([1.0, 3.0]))
        Array([0.25, 0.75], dtype=float32)
    """
    return _over("psum", x, axis_name)


@operation
def pmean(x: Any, axis_name: Any) -> Any:
    """The mean over a named axis, or over several; as `psum`."""
    count = math.prod(_size("pmean", name) for name in _names(axis_name))
    leaves, tree = pytrees.flatten(_over("pmean", x, axis_name))
    return tree.unflatten([_quotient(leaf, count) for leaf in leaves])


def _over(function: str, x: Any, axis_name: Any) -> Any:
    names = _names(axis_name)
    size = math.prod(_size(function, name) for name in names)
    leaves, tree = pytrees.flatten(x)
    return tree.unflatten([_sum(function, leaf, names, size) for leaf in leaves])


def _sum(function: str, x: ArrayLike, names: tuple[str, ...], size: int) -> Any:
    if isinstance(x, (int, float)):
        return x * size
    value, aval = lift(x)
    check_kind(function, aval.dtype, "fciub")
    if kind_of(aval.dtype) == "b":
        value, aval = convert(value, aval.dtype, _INT32), AbstractValue(aval.shape, _INT32)
    for name in names:
        value = transform.collective("psum", name, [value], [value.type])
    return wrap(value, aval)


def _quotient(x: Any, count: int) -> Any:
    if isinstance(x, (int, float)):
        return x / count
    value, aval = lift(x)
    if kind_of(aval.dtype) in "iu":
        target = np.dtype(np.float32 if aval.dtype.itemsize < 8 else np.float64)
        value, aval = convert(value, aval.dtype, target), AbstractValue(aval.shape, target)
    return wrap(
        ops.div(value, ops.full_like(value, count)),
        abstractify(x) if aval.dtype == abstractify(x).dtype else aval,
    )
