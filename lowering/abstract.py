"""What is known of an array while a function is traced or compiled: shape, dtype, weak type."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["AbstractValue"]

_SHORT = {
    "bool": "bool",
    "bfloat16": "bf16",
    "float16": "f16",
    "float32": "f32",
    "float64": "f64",
    "complex64": "c64",
    "complex128": "c128",
}


class AbstractValue:
    """Shape, dtype and weak type of an array; immutable and hashable.

    Args:
        shape: the static shape, a tuple of Python integers.
        dtype: the element type, a ``numpy.dtype`` or whatever ``numpy.dtype`` takes.
        weak_type: whether the dtype yields to that of another operand, as that of a Python scalar does.

    Example:
        >>> print(AbstractValue((2, 3), np.dtype("float32")))
        f32[2,3]
    """

    __slots__ = ("_hash", "dtype", "shape", "weak_type")

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    weak_type: bool

    def __init__(self, shape: tuple[int, ...], dtype: Any, weak_type: bool = False) -> None:
        _set_shape(self, shape)
        _set_dtype(self, dtype if isinstance(dtype, np.dtype) else np.dtype(dtype))
        _set_weak_type(self, weak_type)

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

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not AbstractValue:
            return NotImplemented
        return (
            self.shape == other.shape and self.dtype == other.dtype and self.weak_type == other.weak_type
        )

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            _set_hash(self, hash((self.shape, self.dtype, self.weak_type)))
            return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return AbstractValue, (self.shape, self.dtype, self.weak_type)

    def __str__(self) -> str:
        name = self.dtype.name
        short = _SHORT.get(name) or name.replace("uint", "u").replace("int", "s").replace("float8_", "f8")
        return f"{short}[{','.join(map(str, self.shape))}]"

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"AbstractValue({self.shape}, {self.dtype.name}{weak})"


# The slots' own setters: `object.__setattr__` would look each name up again.
_set_shape = AbstractValue.shape.__set__  # type: ignore[attr-defined]
_set_dtype = AbstractValue.dtype.__set__  # type: ignore[attr-defined]
_set_weak_type = AbstractValue.weak_type.__set__  # type: ignore[attr-defined]
_set_hash = AbstractValue._hash.__set__  # type: ignore[attr-defined]
