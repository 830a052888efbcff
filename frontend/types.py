"""Dtypes: what an array-like's is, and what a mixture of them becomes.

The promotion lattice is JAX's (docs/type_promotion in its documentation): Python scalars are *weakly* typed and
take the dtype of the array they meet, so that ``x * 2.0`` keeps a bfloat16 ``x`` bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from mycc import logs
from mycc.array import Array
from mycc.dialects.types import float0
from mycc.lowering.abstract import AbstractValue, exact
from mycc.lowering.dimensions import Dim, Size, size_of
from mycc.source import user_line

__all__ = [
    "ArrayLike",
    "DTypeLike",
    "abstractify",
    "abstractify_all",
    "checked_size",
    "default_dtype",
    "dtype",
    "fixed_size",
    "float0",
    "promote",
    "result_type",
]

ArrayLike: TypeAlias = Array | np.ndarray[Any, Any] | np.generic | bool | int | float | complex
"""What array functions take: arrays of mycc or NumPy, and scalars of Python or NumPy."""
DTypeLike: TypeAlias = Any

_BOOL, _INT32, _INT64, _UINT64 = (np.dtype(t) for t in (np.bool_, np.int32, np.int64, np.uint64))
_FLOAT32, _COMPLEX64 = np.dtype(np.float32), np.dtype(np.complex64)
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

# The lattice's edges, from each dtype (or weak kind: i*, f*, c*) to those just above it.
_ABOVE: dict[str, tuple[str, ...]] = {
    "bool": ("i*",),
    "i*": ("uint2", "int2", "uint4", "int4", "uint8", "int8"),
    "uint2": ("uint8", "int8"),
    "int2": ("int8",),
    "uint4": ("uint8", "int8"),
    "int4": ("int8",),
    "uint8": ("uint16", "int16"),
    "uint16": ("uint32", "int32"),
    "uint32": ("uint64", "int64"),
    "uint64": ("f*",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("f*",),
    "f*": ("c*", "bfloat16", "float16"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64", "complex64"),
    "float64": ("complex128",),
    "c*": ("complex64",),
    "complex64": ("complex128",),
    "complex128": (),
}


def _upper(name: str) -> frozenset[str]:
    return frozenset({name}).union(*(_upper(above) for above in _ABOVE[name]))


_UPPER = {name: _upper(name) for name in _ABOVE}
_WEAK_NAMES = {"i": "i*", "u": "i*", "f": "f*", "c": "c*", "V": "f*"}
_DEFAULTS = {"i*": _INT32, "f*": _FLOAT32, "c*": _COMPLEX64}


def _join(names: Iterable[str]) -> str:
    """The least dtype above all of them."""
    common: frozenset[str] = frozenset.intersection(*(_UPPER[name] for name in names))
    (least,) = [name for name in common if _UPPER[name] == common] or [""]
    return least


def _node(aval: AbstractValue) -> str:
    if not aval.weak_type or aval.dtype == _BOOL:
        return aval.dtype.name
    return _WEAK_NAMES[aval.dtype.kind]


_PROMOTED: dict[tuple[tuple[np.dtype[Any], bool], ...], tuple[np.dtype[Any], bool]] = {}


def promote(avals: Sequence[AbstractValue]) -> tuple[np.dtype[Any], bool]:
    """The dtype of a mixture of operands, and whether it is weak.

    Raises:
        TypeError: two dtypes have no common one (fp8 formats must be converted explicitly).
    """
    key = tuple((aval.dtype, aval.weak_type) for aval in avals)
    found = _PROMOTED.get(key)
    if found is None:
        found = _PROMOTED[key] = _promote(avals)
    if _LOGGED:
        _log_widening(avals, found[0])
    return found


_LOGGED = logs.asked("promotion")
_LOGGED_LINES: set[str] = set()


def _width(dtype: np.dtype[Any]) -> int:
    """The bytes of a number, of each part of a complex one."""
    return dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize


def _log_widening(avals: Sequence[AbstractValue], promoted: np.dtype[Any]) -> None:
    """Name the line, once, where an operand of 64 bits makes others wider than they were."""
    if _width(promoted) < 8:
        return
    inexact = promoted.kind in "fc"
    operands = [aval for aval in avals if not aval.weak_type and aval.dtype != _BOOL]
    wide = [aval for aval in operands if _width(aval.dtype) == 8]
    narrow = [aval for aval in operands if _width(aval.dtype) < 8 and (aval.dtype.kind in "fcV") == inexact]
    line = user_line()
    if not wide or not narrow or line in _LOGGED_LINES:
        return
    _LOGGED_LINES.add(line)
    logs.write(
        f"{line}: {', '.join(map(str, narrow))} becomes {promoted.name} beside {', '.join(map(str, wide))}; "
        "convert with .astype(...) where that is not meant"
    )


def _promote(avals: Sequence[AbstractValue]) -> tuple[np.dtype[Any], bool]:
    dtypes = {aval.dtype for aval in avals}
    weak = all(aval.weak_type for aval in avals)
    if len(dtypes) == 1:
        return next(iter(dtypes)), weak
    names = {d.name if weak else _node(aval) for aval in avals for d in (aval.dtype,)}
    unknown = [name for name in names if name not in _ABOVE]
    if unknown and len(names - {"i*", "f*", "bool"}) == 1:
        return next(d for d in dtypes if d.name == unknown[0]), False
    if unknown:
        raise TypeError(
            f"dtypes {', '.join(sorted(d.name for d in dtypes))} do not promote implicitly; "
            "convert one of the operands with .astype(...)"
        )
    name = _join(names)
    if name in _DEFAULTS:
        # The join is a weak kind, as of a weak float and an integer array: its default dtype, still weak.
        widest = [aval.dtype for aval in avals if _node(aval) == name]
        return (max(widest, key=lambda d: d.itemsize) if widest else _DEFAULTS[name]), True
    return _named(name), weak


def _named(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name) if hasattr(ml_dtypes, name) else name)


def _int_dtype(value: int) -> np.dtype[Any]:
    if -(2**31) <= value < 2**31:
        return _INT32
    if -(2**63) <= value < 2**63:
        return _INT64
    if 0 <= value < 2**64:
        return _UINT64
    raise OverflowError(f"the Python integer {value} fits no integer dtype; pass it as a float")


_SCALARS: dict[type, AbstractValue] = {
    bool: AbstractValue((), _BOOL, False),
    float: AbstractValue((), _FLOAT32, True),
    complex: AbstractValue((), _COMPLEX64, True),
}


def abstractify(x: ArrayLike) -> AbstractValue:
    """Shape, dtype and weak type of an array-like.

    Raises:
        TypeError: ``x`` is no array or number.
    """
    if isinstance(x, Array):
        return x._aval
    found = _SCALARS.get(type(x))
    if found is not None:
        return found
    if isinstance(x, np.ndarray):
        if x.dtype.kind in "OSUMmV" and x.dtype not in _STORABLE:
            raise TypeError(
                f"{user_line()}: a NumPy array of dtype {x.dtype} is no array of numbers; convert it first"
            )
        return AbstractValue(x.shape, x.dtype if x.dtype.isnative else x.dtype.newbyteorder("="))
    if isinstance(x, int):
        return AbstractValue((), _int_dtype(x), True)
    if isinstance(x, np.generic):
        return AbstractValue((), x.dtype, x.dtype != _BOOL)
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return AbstractValue(
            tuple(map(fixed_size, x.shape)), np.dtype(x.dtype), bool(getattr(x, "weak_type", False))
        )
    raise TypeError(
        f"{user_line()}: expected an array or a number, got {type(x).__name__}: {_shortened(x)}; "
        "convert lists with mycc.numpy.array(...)"
    )


def abstractify_all(leaves: Sequence[Any]) -> tuple[AbstractValue, ...]:
    """The arguments of one call: as `abstractify`, but Python's floats have 64 bits, weakly, where an array has.

    Raises:
        TypeError: one is no array and no number.
    """
    return exact(leaves, [abstractify(leaf) for leaf in leaves])


def checked_size(size: Any) -> Size:
    """The size of a dimension: a number, or an expression of symbols.

    Raises:
        TypeError: it is neither.
    """
    found = size_of(size)
    if found is None:
        raise TypeError(
            f"{user_line()}: sizes of shapes are whole numbers, or for mycc.export symbols as 'b' and expressions of them as "
            f"'2*b + 1', got {size!r}"
        )
    return found


def fixed_size(size: Any) -> int:
    """The size of a dimension as a number.

    Raises:
        TypeError: it is none, but a symbol, say.
    """
    found = checked_size(size)
    if isinstance(found, Dim):
        raise TypeError(
            f"{user_line()}: functions are traced for sizes that are whole numbers, got {found}; symbolic dimensions are for "
            "mycc.export(f)(...)"
        )
    return found


_STORABLE = {
    float0,
    *(
        np.dtype(getattr(ml_dtypes, n))
        for n in dir(ml_dtypes)
        if n.startswith(("float", "bfloat", "int", "uint"))
    ),
}


def _shortened(x: object) -> str:
    text = repr(x)
    return text if len(text) <= 60 else f"{text[:57]}..."


def dtype(x: Any) -> np.dtype[Any]:
    """The dtype of an array-like, or the one that a dtype-like names."""
    return (
        x if isinstance(x, np.dtype) else np.dtype(x) if isinstance(x, (str, type)) else abstractify(x).dtype
    )


def default_dtype(kind: str) -> np.dtype[Any]:
    """The dtype that creation functions use for a kind: b, i, u, f or c."""
    return {"b": _BOOL, "i": _INT32, "u": np.dtype(np.uint32), "f": _FLOAT32, "c": _COMPLEX64}[kind]


def result_type(*args: Any) -> np.dtype[Any]:
    """The dtype that arrays, scalars and dtypes promote to together.

    Example:
        >>> import numpy as np
        >>> result_type(np.float32, 1)
        dtype('float32')
    """
    avals = [
        AbstractValue((), np.dtype(a)) if isinstance(a, (str, type, np.dtype)) else abstractify(a)
        for a in args
    ]
    return promote(avals)[0]
