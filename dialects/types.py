"""Element types: NumPy dtypes and MLIR types of one another, and tensor types built once."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from mycc.dialects.mlir import context, ir, unknown

__all__ = [
    "dtype_of",
    "element_type",
    "float0",
    "is_differentiable",
    "is_tensor",
    "shape_of",
    "tensor",
    "token",
]


def _float_types() -> dict[str, ir.Type]:
    names = {
        "bfloat16": "bf16",
        "float16": "f16",
        "float32": "f32",
        "float64": "f64",
        "float8_e3m4": "f8E3M4",
        "float8_e4m3": "f8E4M3",
        "float8_e4m3b11fnuz": "f8E4M3B11FNUZ",
        "float8_e4m3fn": "f8E4M3FN",
        "float8_e4m3fnuz": "f8E4M3FNUZ",
        "float8_e5m2": "f8E5M2",
        "float8_e5m2fnuz": "f8E5M2FNUZ",
        "float8_e8m0fnu": "f8E8M0FNU",
        "float4_e2m1fn": "f4E2M1FN",
        "complex64": "complex<f32>",
        "complex128": "complex<f64>",
    }
    return {name: ir.Type.parse(text) for name, text in names.items()}


def _integer_types() -> dict[str, ir.Type]:
    types = {"bool": ir.IntegerType.get_signless(1)}
    for width in (8, 16, 32, 64):
        types[f"int{width}"] = ir.IntegerType.get_signless(width)
        types[f"uint{width}"] = ir.IntegerType.get_unsigned(width)
    for width in (2, 4):
        types[f"int{width}"] = ir.IntegerType.get_signless(width)
        types[f"uint{width}"] = ir.IntegerType.get_unsigned(width)
    return types


def _numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name) if hasattr(ml_dtypes, name) else name)


float0 = np.dtype([("float0", np.void, 0)])
"""The dtype of tangents of integer and boolean arrays: it has one value, and no bytes."""

with context:
    _DIFFERENTIABLE = set(_float_types().values())
    _ELEMENTS: dict[np.dtype[Any], ir.Type] = {
        _numpy_dtype(name): type_ for name, type_ in (_float_types() | _integer_types()).items()
    }
    token: ir.Type = ir.Type.parse("!stablehlo.token")

_DTYPES: dict[ir.Type, np.dtype[Any]] = {type_: dtype for dtype, type_ in _ELEMENTS.items()}
# Inside programs, where every value needs bits, it is false.
_ELEMENTS[float0] = _ELEMENTS[np.dtype(np.bool_)]
_TENSORS: dict[tuple[tuple[int, ...], ir.Type], ir.Type] = {}


def element_type(dtype: Any) -> ir.Type:
    """The MLIR element type of a NumPy dtype.

    Raises:
        TypeError: the dtype has no counterpart in StableHLO (strings, objects, dates).
    """
    try:
        return _ELEMENTS[dtype]
    except (KeyError, TypeError):
        pass
    found = _ELEMENTS.get(np.dtype(dtype))
    if found is None:
        raise TypeError(
            f"dtype {np.dtype(dtype)} has no counterpart in StableHLO; use a bool, integer, float or complex dtype"
        )
    return found


def dtype_of(type_: ir.Type) -> np.dtype[Any]:
    """The NumPy dtype of an MLIR element type or of a tensor type's elements."""
    found = _DTYPES.get(type_)
    return _DTYPES[type_.element_type] if found is None else found


def tensor(shape: tuple[int, ...], element: ir.Type) -> ir.Type:
    """The ranked tensor type of a static shape and an element type."""
    key = (shape, element)
    found = _TENSORS.get(key)
    if found is None:
        found = ir.RankedTensorType.get(shape, element, loc=unknown)
        _TENSORS[key] = found
    return found


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The static shape of a tensor value."""
    return tuple(value.type.shape)


def is_tensor(type_: ir.Type) -> bool:
    """Whether the type is a tensor (and not, say, a token or a tuple)."""
    return isinstance(type_, ir.RankedTensorType)


def is_differentiable(type_: ir.Type) -> bool:
    """Whether a tensor type has a tangent space of its own: its elements are floats or complex."""
    return is_tensor(type_) and type_.element_type in _DIFFERENTIABLE
