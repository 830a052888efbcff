"""Dtypes by name, constants, and questions about dtypes."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from mycc.array import Array
from mycc.numpy.support import as_dtype, kind_of
from mycc.source import user_line
from mycc.types import result_type

__all__ = [
    "bfloat16",
    "bool",
    "bool_",
    "can_cast",
    "character",
    "complex128",
    "complex64",
    "complexfloating",
    "dtype",
    "e",
    "euler_gamma",
    "finfo",
    "float16",
    "float32",
    "float64",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn",
    "floating",
    "generic",
    "iinfo",
    "inexact",
    "inf",
    "int16",
    "int2",
    "int32",
    "int4",
    "int64",
    "int8",
    "integer",
    "isdtype",
    "issubdtype",
    "nan",
    "newaxis",
    "number",
    "pi",
    "promote_types",
    "result_type",
    "signedinteger",
    "uint16",
    "uint2",
    "uint32",
    "uint4",
    "uint64",
    "uint8",
    "unsignedinteger",
]

e = math.e
pi = math.pi
euler_gamma = 0.577215664901532860606512090082402431
inf = math.inf
nan = math.nan
newaxis = None

generic, number, integer, signedinteger, unsignedinteger, inexact, floating, complexfloating, character = (
    np.generic,
    np.number,
    np.integer,
    np.signedinteger,
    np.unsignedinteger,
    np.inexact,
    np.floating,
    np.complexfloating,
    np.character,
)
dtype = np.dtype


class ScalarType(type):
    """A dtype by its name: usable as a dtype, and called to convert to an array of it."""

    dtype: np.dtype[Any]

    def __call__(cls, x: Any = 0) -> Array:
        from mycc.numpy.creation import array

        return array(x, cls.dtype)

    def __eq__(cls, other: object) -> Any:
        return cls is other or (isinstance(other, (str, type, np.dtype)) and _same(cls.dtype, other))

    def __ne__(cls, other: object) -> Any:
        return not cls == other

    def __hash__(cls) -> int:
        return hash(cls.dtype.type)

    def __repr__(cls) -> str:
        return f"<class 'mycc.numpy.{cls.__name__}'>"


def _same(own: np.dtype[Any], other: Any) -> Any:
    # NumPy's own comparison takes what names no dtype for unequal; its constructor raises.
    return own == other


def _scalar_type(name: str, source: Any) -> Any:
    found = np.dtype(source)
    return ScalarType(
        name, (), {"dtype": found, "__doc__": f"The dtype {found.name}.", "__module__": "mycc.numpy"}
    )


bool_ = _scalar_type("bool_", np.bool_)
bool = bool_
int8, int16, int32, int64 = (_scalar_type(f"int{n}", f"int{n}") for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (_scalar_type(f"uint{n}", f"uint{n}") for n in (8, 16, 32, 64))
float16, float32, float64 = (_scalar_type(f"float{n}", f"float{n}") for n in (16, 32, 64))
complex64, complex128 = (_scalar_type(f"complex{n}", f"complex{n}") for n in (64, 128))
bfloat16 = _scalar_type("bfloat16", ml_dtypes.bfloat16)
int2, int4 = _scalar_type("int2", ml_dtypes.int2), _scalar_type("int4", ml_dtypes.int4)
uint2, uint4 = _scalar_type("uint2", ml_dtypes.uint2), _scalar_type("uint4", ml_dtypes.uint4)
float8_e3m4, float8_e4m3, float8_e4m3fn, float8_e4m3b11fnuz, float8_e4m3fnuz = (
    _scalar_type(n, getattr(ml_dtypes, n))
    for n in ("float8_e3m4", "float8_e4m3", "float8_e4m3fn", "float8_e4m3b11fnuz", "float8_e4m3fnuz")
)
float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu, float4_e2m1fn = (
    _scalar_type(n, getattr(ml_dtypes, n))
    for n in ("float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn")
)


def promote_types(a: Any, b: Any) -> np.dtype[Any]:
    """The dtype that two dtypes promote to.

    Example:
        >>> promote_types("int32", "float16")
        dtype('float16')
    """
    return result_type(as_dtype(a), as_dtype(b))


def finfo(dtype: Any) -> Any:
    """The limits of a float dtype: ``bits``, ``eps``, ``max``, ``min``, ``smallest_normal``, ``tiny`` ..."""
    return ml_dtypes.finfo(as_dtype(dtype))


def iinfo(int_type: Any) -> Any:
    """The limits of an integer dtype: ``bits``, ``min``, ``max``."""
    return ml_dtypes.iinfo(as_dtype(int_type))


def can_cast(from_: Any, to: Any, casting: str = "safe") -> Any:
    """Whether a conversion loses nothing, by NumPy's rules.

    Args:
        from_: a dtype or an array.
        to: a dtype.
        casting: "no", "equiv", "safe", "same_kind" or "unsafe".
    """
    source = from_.dtype if isinstance(from_, (Array, np.ndarray)) else as_dtype(from_)
    return np.can_cast(source, as_dtype(to), casting=casting)  # type: ignore[arg-type]


_ABSTRACT = {
    "b": (np.bool_,),
    "i": (np.signedinteger,),
    "u": (np.unsignedinteger,),
    "f": (np.floating,),
    "c": (np.complexfloating,),
}


def issubdtype(arg1: Any, arg2: Any) -> Any:
    """Whether a dtype is another, or lies below an abstract one such as ``mycc.numpy.floating``."""
    own = as_dtype(arg1) if not (isinstance(arg1, type) and issubclass(arg1, np.generic)) else np.dtype(arg1)
    if isinstance(arg2, type) and issubclass(arg2, np.generic) and arg2 in _ABSTRACTIONS:
        return any_of(issubclass(k, arg2) for k in _ABSTRACT[kind_of(own)])
    return own == as_dtype(arg2)


_ABSTRACTIONS = {
    generic,
    number,
    integer,
    signedinteger,
    unsignedinteger,
    inexact,
    floating,
    complexfloating,
    character,
}


def any_of(answers: Any) -> Any:
    """Whether one answer is true."""
    return next((True for a in answers if a), False)


_GROUPS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether a dtype is of a kind (Array API).

    Args:
        dtype: a dtype.
        kind: a dtype, "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex
            floating", "numeric", or a tuple of these.

    Raises:
        ValueError: there is no such kind.
    """
    if isinstance(kind, tuple):
        return any_of(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in _GROUPS:
            raise ValueError(
                f"{user_line()}: isdtype got the kind {kind!r}; it takes {', '.join(map(repr, _GROUPS))}"
            )
        return kind_of(as_dtype(dtype)) in _GROUPS[kind]
    return as_dtype(dtype) == as_dtype(kind)
