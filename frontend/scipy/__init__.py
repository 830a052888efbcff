"""`mycc.scipy`: functions of SciPy on arrays of mycc."""

from __future__ import annotations

from mycc.scipy import special

__all__ = ["special"]
