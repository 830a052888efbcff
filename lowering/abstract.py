"""What is known of an array while a function is traced or compiled: shape, dtype, weak type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

__all__ = ["NUMBERS", "AbstractValue", "described", "exact", "known"]

_SHORT = {"bfloat16": "bf16", "float16": "f16", "float32": "f32", "float64": "f64"}
_SHORT |= {"bool": "bool", "complex64": "c64", "complex128": "c128"}


@final
class AbstractValue:
    """Shape, dtype and weak type of an array; immutable and hashable.

    Equal ones are one object, so that comparing and hashing them, which every call of a compiled function
    does for every argument, is comparing and hashing an address.

    Args:
        shape: the static shape, a tuple of Python integers.
        dtype: the element type, a ``numpy.dtype`` or whatever ``numpy.dtype`` takes.
        weak_type: whether the dtype yields to that of another operand, as that of a Python scalar does.

    Example:
        >>> print(AbstractValue((2, 3), np.dtype("float32")))
        f32[2,3]
        >>> AbstractValue((2, 3), "float32") is AbstractValue((2, 3), np.float32)
        True
    """

    __slots__ = ("dtype", "shape", "weak_type")

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    weak_type: bool

    def __new__(cls, shape: tuple[int, ...], dtype: Any, weak_type: bool = False) -> AbstractValue:
        try:
            return _interned[shape, dtype, weak_type]
        except (KeyError, TypeError):
            pass
        dtype = np.dtype(dtype)
        key = (tuple(int(extent) for extent in shape), dtype, bool(weak_type))
        if key in _interned:
            return _interned[key]
        self = object.__new__(cls)
        for setter, value in zip(_setters, key, strict=True):
            setter(self, value)
        # One of two threads that get here together wins, for both.
        return _interned.setdefault(key, self)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"AbstractValue is immutable; build a new one to change its {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"AbstractValue is immutable; its {name} cannot be deleted")

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def __reduce__(self) -> tuple[Any, ...]:
        return AbstractValue, (self.shape, self.dtype, self.weak_type)

    def __str__(self) -> str:
        return described(self.shape, self.dtype)

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"AbstractValue({self.shape}, {self.dtype.name}{weak})"


def known(shape: tuple[int, ...], dtype: np.dtype[Any]) -> AbstractValue | None:
    """The abstract value of an array that is not weakly typed, if there was one before: twice as fast as making it."""
    return _interned.get((shape, dtype, False))


def described(shape: Sequence[Any], dtype: np.dtype[Any]) -> str:
    """Shape and dtype as in ``f32[2,3]``."""
    name = dtype.name
    short = _SHORT.get(name) or name.replace("uint", "u").replace("int", "i").replace("float8_", "f8")
    return f"{short}[{','.join(map(str, shape))}]"


_interned: dict[tuple[Any, Any, bool], AbstractValue] = {}

# The slots' own setters, since `__setattr__` refuses.
_setters = tuple(getattr(AbstractValue, name).__set__ for name in ("shape", "dtype", "weak_type"))


NUMBERS = {
    float: AbstractValue((), np.dtype(np.float64), True),
    complex: AbstractValue((), np.dtype(np.complex128), True),
}
"""Python's numbers as Python holds them. By themselves they are passed as half of that."""


def exact(leaves: Sequence[Any], avals: Sequence[AbstractValue]) -> tuple[AbstractValue, ...]:
    """The arguments of one call, in which Python's numbers keep all their bits if an array has as many.

    Rounded to float32 first, 0.1 would bring an error of 1e-9 into computations in float64.

    Args:
        leaves: the arguments.
        avals: what each is by itself.
    """
    if not any(type(leaf) in NUMBERS for leaf in leaves) or not any(
        aval.dtype.char in "dD" for aval in avals
    ):
        return tuple(avals)
    return tuple([NUMBERS.get(type(leaf), aval) for leaf, aval in zip(leaves, avals, strict=True)])
