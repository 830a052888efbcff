"""`mycc.numpy`: NumPy's functions on arrays of mycc."""

from __future__ import annotations

from mycc.numpy.elementwise import add, multiply, negative, sin, subtract

__all__ = ["add", "multiply", "negative", "sin", "subtract"]
