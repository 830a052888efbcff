"""mycc: a compiler toolchain for array programs in Python."""

from __future__ import annotations

from mycc.array import Array
from mycc.jit import jit

__all__ = ["Array", "jit"]
