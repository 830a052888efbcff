"""Files that processes share: found by name, written whole or not at all, the least recently used dropped.

Nothing here is a reason for a call to fail. A file that cannot be read is as good as none, one that cannot be
written is left out, and the first of either is told once a process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import threading
import time
import warnings
import zlib

__all__ = ["Store", "warn_once"]

_MAGIC = b"mycc-store-1\n"
_DIGEST = 16
_SUFFIX = ".bin"
# A process that was killed while it wrote leaves a file of this name.
_UNFINISHED = ".unfinished-"
_STALE = 3600.0
# Looking at all files is not for every process: some look once in a while, and those that write much.
_SWEPT = ".swept"
_SWEEP_EVERY = 3600.0
_SWEEP_SHARE = 16
# Room is made for more than one file at a time.
_KEPT_SHARE = 0.9

_warned: list[str] = []
_lock = threading.Lock()
_written: dict[str, int] = {}
_unwritable: set[str] = set()


def warn_once(message: str) -> None:
    """Warn of the cache; the first warning of a process is its only one."""
    with _lock:
        if _warned:
            return
        _warned.append(message)
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    except RuntimeWarning:
        # Warnings are errors here, but this must not be one.
        with contextlib.suppress(Exception):
            sys.stderr.write(f"mycc: warning: {message}\n")


class Store:
    """A folder of byte strings by name.

    Args:
        folder: where they lie; made when something is written.
        limit: how many bytes they may take on the disk, all together.
    """

    def __init__(self, folder: str, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def path(self, name: str) -> str:
        """The file of a name."""
        return os.path.join(self.folder, name + _SUFFIX)

    def get(self, name: str) -> bytes | None:
        """What was put under a name; None if nothing was, or it is damaged, or another user's."""
        path = self.path(name)
        try:
            data = _read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            warn_once(f"{path} cannot be read ({error.strerror}); what it holds is compiled again")
            return None
        found = None if data is None else _unpacked(name, data)
        if found is None:
            self.reject(name, "is damaged, or not a file that mycc wrote")
            return None
        # What is used last goes last.
        with contextlib.suppress(OSError):
            os.utime(path)
        return found

    def reject(self, name: str, why: str) -> None:
        """Remove a file that is of no use, and warn."""
        path = self.path(name)
        with contextlib.suppress(OSError):
            os.unlink(path)
        warn_once(f"{path} {why}; what it should hold is compiled again")

    def put(self, name: str, payload: bytes) -> None:
        """Keep bytes under a name, if there is room."""
        if self.folder in _unwritable:
            return
        body = zlib.compress(payload, 1)
        data = b"".join((_MAGIC, _digest(name, body), body))
        if len(data) > self.limit:
            return
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            self._make_room(len(data))
            _write_whole(self.folder, self.path(name), data)
        except OSError as error:
            _unwritable.add(self.folder)
            warn_once(
                f"compiled programs cannot be kept in {self.folder} ({error.strerror}); MYCC_CACHE_DIR names "
                "another folder, MYCC_COMPILATION_CACHE=0 switches the cache off"
            )

    def _make_room(self, more: int) -> None:
        with _lock:
            written = _written[self.folder] = _written.get(self.folder, 0) + more
            if written * _SWEEP_SHARE < self.limit and not self._sweep_is_due():
                return
            _written[self.folder] = 0
        self.sweep(more)

    def _sweep_is_due(self) -> bool:
        try:
            return time.time() - os.stat(os.path.join(self.folder, _SWEPT)).st_mtime > _SWEEP_EVERY
        except OSError:
            return True

    def sweep(self, more: int = 0) -> None:
        """Drop what was not used for longest until the rest, and ``more`` bytes, are within the limit."""
        now = time.time()
        files: list[tuple[float, int, str]] = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    if entry.name.endswith(_SUFFIX):
                        files.append((found.st_mtime, found.st_blocks * 512, entry.path))
                    elif entry.name.startswith(_UNFINISHED) and now - found.st_mtime > _STALE:
                        os.unlink(entry.path)
        total = more + sum(size for _, size, _ in files)
        if total > self.limit:
            for _, size, path in sorted(files):
                if total <= _KEPT_SHARE * self.limit:
                    break
                # Another process may have dropped it, or another user owns it.
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    total -= size
        with contextlib.suppress(OSError):
            os.close(
                os.open(os.path.join(self.folder, _SWEPT), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            )
            os.utime(os.path.join(self.folder, _SWEPT))


def _digest(name: str, body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST, key=name.encode()[:64]).digest()


def _unpacked(name: str, data: bytes) -> bytes | None:
    start = len(_MAGIC) + _DIGEST
    body = data[start:]
    if not data.startswith(_MAGIC) or data[len(_MAGIC) : start] != _digest(name, body):
        return None
    try:
        return zlib.decompress(body)
    except zlib.error:
        return None


def _read(path: str) -> bytes | None:
    """A file's bytes; None if it is no file of this user's, whose code must not be run."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return None
        return file.read()


def _write_whole(folder: str, path: str, data: bytes) -> None:
    """Write a file under another name first: whoever looks finds all of it, or none."""
    unfinished = os.path.join(folder, f"{_UNFINISHED}{os.urandom(8).hex()}")
    handle = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
