"""A line on the terminal while XLA compiles for long.

It appears after two seconds, only where stderr is a terminal, counts seconds, and is gone when the compilation ends.
``MYCC_PROGRESS=0`` switches it off. It is written behind the cursor, which goes back to where it was: what others
print meanwhile is printed over it, and nothing of theirs is erased.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from mycc.dialects.leaving import at_leaving
from mycc.lowering.switches import switched_on

__all__ = ["showing"]

AFTER = 2.0
_EVERY = 1.0
_SAVE, _RESTORE, _CLEAR = "\x1b7", "\x1b8", "\x1b[K"
# One line for the process: the compilation that has been shown for longest.
_line = threading.Lock()
_running: set[threading.Event] = set()


# Compilations of daemon threads may never end.
def _end_all() -> None:
    for ended in list(_running):
        ended.set()


at_leaving(_end_all)


@contextlib.contextmanager
def showing(what: Callable[[], str]) -> Iterator[None]:
    """Surrounds a compilation.

    Args:
        what: gives what is being compiled in a few words; called before, and only where a line could be shown.
    """
    stream = _terminal()
    if stream is None:
        yield
        return
    ended = threading.Event()
    # A daemon: an interpreter that goes does not wait for it.
    thread = threading.Thread(target=_show, args=(stream, what(), ended), name="mycc-progress", daemon=True)
    _running.add(ended)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        _running.discard(ended)
        # So that the line is gone before anything else is printed.
        thread.join()


def _terminal() -> Any:
    stream = sys.stderr
    if not switched_on("MYCC_PROGRESS", default=True):
        return None
    try:
        if stream is None or not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
            return None
    except (ValueError, AttributeError):
        return None
    return stream


def _show(stream: Any, what: str, ended: threading.Event) -> None:
    start = time.monotonic()
    if ended.wait(AFTER) or not _line.acquire(blocking=False):
        return
    try:
        width = shutil.get_terminal_size().columns
        while True:
            seconds = f" ({time.monotonic() - start:.0f} s)"
            text = f"mycc: compiling {what}"[: max(width - len(seconds) - 1, 0)] + seconds
            if not _write(stream, f"{_SAVE}{text}{_CLEAR}{_RESTORE}") or ended.wait(_EVERY):
                break
        _write(stream, _CLEAR)
    finally:
        _line.release()


def _write(stream: Any, text: str) -> bool:
    # A terminal that is gone, or a stream that someone has closed, is no reason to fail.
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        return False
    return True
