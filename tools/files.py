"""Writing results, as a compiler does it."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["stdout_to_stderr", "write_output"]


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Sends what is printed inside the block to stderr: stdout is for the result."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def write_output(path: str | None, text: str | bytes) -> None:
    """Writes a result, all of it or nothing.

    Args:
        path: the file; None or ``-`` for standard output.
        text: the contents.

    Raises:
        OSError: the file cannot be written; one that was there before is left as it was.
    """
    data = text.encode() if isinstance(text, str) else text
    if path is None or path == "-":
        if isinstance(text, str):
            sys.stdout.write(text)
        else:
            sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe, /dev/null
        with open(path, "wb") as file:
            file.write(data)
        return
    folder = os.path.dirname(os.path.abspath(path))
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _mode(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
