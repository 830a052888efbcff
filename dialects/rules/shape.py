"""Records: shape."""

from __future__ import annotations

from mycc.dialects.record import Record

RECORDS: tuple[Record, ...] = ()
