"""Leaving the interpreter while daemon threads still transform, compile and run.

A thread that comes back from native code to an interpreter that is going away is ended by CPython in the
middle of C++ frames, and that aborts the process. So at exit those that would enter native code are parked,
and those inside are given time to come out.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["at_leaving", "long_call", "park_if_leaving"]

_leaving: list[bool] = []
_callbacks: list[Callable[[], None]] = []
_inside: list[None] = []

# A program that hangs at exit would be worse than one that aborts there.
_PATIENCE = 30.0
_SHORT_CALL = 0.03


def at_leaving(callback: Callable[[], None]) -> None:
    """Has a function called as soon as the interpreter starts to go while daemon threads live."""
    _callbacks.append(callback)


def park_if_leaving() -> None:
    """Called before entering native code: never returns in a daemon thread once the interpreter goes."""
    if _leaving and threading.current_thread() is not threading.main_thread():
        threading.Event().wait()


@contextmanager
def long_call() -> Iterator[None]:
    """Surrounds native code that may take long, or calls Python back; exit waits for it."""
    park_if_leaving()
    _inside.append(None)
    try:
        yield
    finally:
        _inside.pop()


def _settle() -> None:
    if not any(thread.daemon for thread in threading.enumerate()):
        return
    _leaving.append(True)
    for callback in _callbacks:
        callback()
    deadline = time.monotonic() + _PATIENCE
    while _inside and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(_SHORT_CALL)


atexit.register(_settle)
