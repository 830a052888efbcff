"""`mycc.scipy`: functions of SciPy on arrays of mycc."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mycc.scipy import linalg, special

__all__ = ["linalg", "special"]


def __getattr__(name: str) -> Any:
    # Not every program needs them, and each costs time at the start.
    if name in __all__:
        return importlib.import_module(f"mycc.scipy.{name}")
    raise AttributeError(f"module 'mycc.scipy' has no attribute {name!r}")
