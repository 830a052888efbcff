"""Importing without the garbage collector, which would walk what is imported again and again: it is all to stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Surrounds imports of much code; the collector goes on as before, also when an import fails."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            # All that was made counts as old now: the next collection would look at it as the young, for nothing.
            gc.freeze()
            gc.unfreeze()
        gc.enable()
