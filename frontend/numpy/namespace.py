"""What the Array API asks of a namespace, and names that are NumPy's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from mycc.array import Array
from mycc.numpy import dtypes
from mycc.numpy.creation import asarray
from mycc.source import user_line
from mycc.types import default_dtype

__all__ = [
    "__array_api_version__",
    "__array_namespace_info__",
    "array_repr",
    "array_str",
    "cdouble",
    "csingle",
    "double",
    "frombuffer",
    "get_printoptions",
    "iterable",
    "load",
    "ndarray",
    "printoptions",
    "save",
    "savez",
    "set_printoptions",
    "single",
]

__array_api_version__ = "2025.12"

ndarray = Array
single, double, csingle, cdouble = dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128
iterable = np.iterable
get_printoptions, set_printoptions, printoptions = np.get_printoptions, np.set_printoptions, np.printoptions

_KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]


class _NamespaceInfo:
    """What this namespace can do (Array API)."""

    def capabilities(self) -> dict[str, Any]:
        """Which optional features are there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Any:
        """The device that arrays are put on."""
        from mycc.lowering.devices import default_device

        return default_device()

    def devices(self) -> tuple[Any, ...]:
        """The devices there are."""
        from mycc.device import devices

        return tuple(devices())

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype[Any]]:
        """The dtypes that creation functions use."""
        return {
            "real floating": default_dtype("f"),
            "complex floating": default_dtype("c"),
            "integral": default_dtype("i"),
            "indexing": default_dtype("i"),
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, np.dtype[Any]]:
        """The dtypes of a kind, by name.

        Raises:
            ValueError: there is no such kind.
        """
        kinds = tuple(_KINDS) if kind is None else kind if isinstance(kind, tuple) else (kind,)
        unknown = [k for k in kinds if k not in _KINDS]
        if unknown:
            raise ValueError(
                f"{user_line()}: dtypes got the kind {unknown[0]!r}; it takes {', '.join(map(repr, _KINDS))}"
            )
        return {name: np.dtype(name) for k in kinds for name in _KINDS[k]}


def __array_namespace_info__() -> _NamespaceInfo:
    """Devices, dtypes and capabilities (Array API)."""
    return _NamespaceInfo()


# ---- Text and files ------------------------------------------------------------------------------


def array_repr(
    arr: Any,
    max_line_width: int | None = None,
    precision: int | None = None,
    suppress_small: bool | None = None,
) -> str:
    """The text that stands for an array, as NumPy writes it."""
    return np.array_repr(np.asarray(arr), max_line_width, precision, suppress_small)


def array_str(
    a: Any,
    max_line_width: int | None = None,
    precision: int | None = None,
    suppress_small: bool | None = None,
) -> str:
    """The numbers of an array as text, as NumPy writes them."""
    return np.array_str(np.asarray(a), max_line_width, precision, suppress_small)


def save(file: Any, arr: Any, allow_pickle: bool = True) -> None:
    """Write an array to a ``.npy`` file."""
    np.save(file, np.asarray(arr), allow_pickle=allow_pickle)


def savez(file: Any, *args: Any, **kwds: Any) -> None:
    """Write several arrays to a ``.npz`` file."""
    named: dict[str, Any] = {k: np.asarray(v) for k, v in kwds.items()}
    np.savez(file, *(np.asarray(a) for a in args), **named)


def load(file: Any, *args: Any, **kwargs: Any) -> Any:
    """An array from a ``.npy`` file; of a ``.npz`` file, NumPy's reader of it."""
    found = np.load(file, *args, **kwargs)
    return asarray(found) if isinstance(found, np.ndarray) else found


def frombuffer(buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0) -> Array:
    """An array of the numbers in a buffer of bytes."""
    from mycc.numpy.support import as_dtype

    return asarray(np.frombuffer(buffer, as_dtype(dtype), count, offset))
