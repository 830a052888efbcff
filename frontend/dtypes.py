"""Dtypes: which one a user's argument names, of which kind it is, and what bounds its numbers."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from mycc.dialects.types import element_type
from mycc.types import DTypeLike

__all__ = ["as_dtype", "highest", "kind_of", "lowest", "part_of", "whole_of"]

_PYTHON: dict[type, np.dtype[Any]] = {
    bool: np.dtype(np.bool_),
    int: np.dtype(np.int32),
    float: np.dtype(np.float32),
    complex: np.dtype(np.complex64),
}
_PARTS: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.float64),
}
_WHOLES: dict[np.dtype[Any], np.dtype[Any]] = {part: whole for whole, part in _PARTS.items()}
_STARTS = {"f": ("float", "bfloat"), "u": ("uint",), "i": ("int",)}
_KINDS: dict[np.dtype[Any], str] = {}


def as_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The dtype that an argument names; Python's int, float and complex are the defaults of 32 bits.

    Raises:
        TypeError: it names none, or one that no array has.

    Example:
        >>> as_dtype(float), as_dtype("bfloat16")
        (dtype('float32'), dtype(bfloat16))
    """
    if isinstance(dtype, np.dtype):
        return dtype
    found = _PYTHON.get(dtype) if isinstance(dtype, type) else None
    if found is None:
        if isinstance(dtype, str) and hasattr(ml_dtypes, dtype):
            dtype = getattr(ml_dtypes, dtype)
        found = np.dtype(getattr(dtype, "dtype", dtype)) if not isinstance(dtype, type) else np.dtype(dtype)
        element_type(found)
    return found


def kind_of(dtype: np.dtype[Any]) -> str:
    """The kind of a dtype: b, i, u, f or c, also of the formats that NumPy files under V."""
    found = _KINDS.get(dtype)
    if found is None:
        name = dtype.name
        found = next((kind for kind, start in _STARTS.items() if name.startswith(start)), dtype.kind)
        _KINDS[dtype] = found
    return found


def lowest(dtype: np.dtype[Any]) -> Any:
    """The least number of a dtype, with which a maximum starts: minus infinity where there is one."""
    kind = kind_of(dtype)
    if kind == "b":
        return False
    return _extreme(dtype, -np.inf, "min") if kind == "f" else int(ml_dtypes.iinfo(dtype).min)


def highest(dtype: np.dtype[Any]) -> Any:
    """The greatest number of a dtype, with which a minimum starts: infinity where there is one."""
    kind = kind_of(dtype)
    if kind == "b":
        return True
    return _extreme(dtype, np.inf, "max") if kind == "f" else int(ml_dtypes.iinfo(dtype).max)


def _extreme(dtype: np.dtype[Any], infinity: float, name: str) -> Any:
    # Some formats of 8 bits have no infinity.
    return infinity if np.isinf(np.asarray(infinity).astype(dtype)) else getattr(ml_dtypes.finfo(dtype), name)


def part_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a complex dtype's real part; another dtype itself."""
    return _PARTS.get(dtype, dtype)


def whole_of(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The complex dtype of parts of a float dtype, if there is one."""
    return _WHOLES.get(dtype)
