"""Indexing and assignment of arrays, in all of NumPy's forms.

An index is first read into a `Plan`, which is static, and the integers and arrays that it takes at run time;
then operations are built from the plan.
"""

from __future__ import annotations

from mycc.indexing.at import At, IndexedAt
from mycc.indexing.read import take
from mycc.indexing.write import update

__all__ = ["At", "IndexedAt", "take", "update"]
