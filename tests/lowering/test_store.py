"""The store's files: damaged, unreadable, unfinished, too many; with several writers, and no room."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycc.lowering import store as module
from mycc.lowering.store import Store

PAYLOAD = os.urandom(5000) * 3
ROOM = 1 << 30


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has neither warned nor written."""
    monkeypatch.setattr(module, "_warned", [])
    monkeypatch.setattr(module, "_written", {})
    monkeypatch.setattr(module, "_unwritable", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != module._SWEPT)


def test_what_was_put_is_found(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "a" / "b"), ROOM)
    assert store.get("key") is None
    store.put("key", PAYLOAD)
    store.put("other", b"")
    assert store.get("key") == PAYLOAD and store.get("other") == b""
    assert os.stat(store.path("key")).st_mode & 0o777 == 0o600
    assert os.stat(tmp_path / "a" / "b").st_mode & 0o777 == 0o700
    store.put("key", b"new")
    assert store.get("key") == b"new"


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("damage", [
    lambda data: b"",
    lambda data: data[:10],
    lambda data: data[: len(data) // 2],
    lambda data: data[:-1],
    lambda data: data + b"x",
    lambda data: _flip(data, 3),
    lambda data: _flip(data, 20),
    lambda data: _flip(data, len(data) - 5),
    lambda data: b"\x7fELF" + os.urandom(400),
])  # fmt: skip
def test_a_damaged_file_is_dropped_with_one_warning(tmp_path: Path, damage: object) -> None:
    store = Store(str(tmp_path), ROOM)
    for name in ("one", "two"):
        store.put(name, PAYLOAD)
        path = Path(store.path(name))
        path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.warns(RuntimeWarning, match=r"one\.bin is damaged"):
        assert store.get("one") is None
    assert store.get("two") is None
    assert files(tmp_path) == []
    store.put("one", PAYLOAD)
    assert store.get("one") == PAYLOAD


def test_a_file_under_another_name_is_foreign(tmp_path: Path) -> None:
    store = Store(str(tmp_path), ROOM)
    store.put("one", PAYLOAD)
    os.rename(store.path("one"), store.path("two"))
    with pytest.warns(RuntimeWarning, match="two"):
        assert store.get("two") is None


def test_no_file_at_all_and_links_are_refused(tmp_path: Path) -> None:
    store = Store(str(tmp_path), ROOM)
    store.put("one", PAYLOAD)
    os.symlink(store.path("one"), store.path("link"))
    with pytest.warns(RuntimeWarning, match=r"link\.bin cannot be read"):
        assert store.get("link") is None
    os.mkdir(store.path("folder"))
    os.mkfifo(store.path("pipe"))
    assert store.get("folder") is None and store.get("pipe") is None
    store.put("folder", PAYLOAD)
    assert store.get("folder") is None


def test_files_of_other_users_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path), ROOM)
    store.put("one", PAYLOAD)
    monkeypatch.setattr(os, "geteuid", lambda: 12345678)
    with pytest.warns(RuntimeWarning):
        assert store.get("one") is None


def test_an_unreadable_file_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path), ROOM)
    store.put("one", PAYLOAD)
    # Permissions do not stop root.
    monkeypatch.setattr(module, "_read", _raising(PermissionError(13, "Permission denied")))
    with pytest.warns(RuntimeWarning, match=r"one\.bin cannot be read \(Permission denied\)"):
        assert store.get("one") is None
    assert store.get("one") is None


def _raising(error: BaseException) -> object:
    def call(*_: object, **__: object) -> None:
        raise error

    return call


def test_warnings_that_are_errors_stay_inside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(str(tmp_path), ROOM)
    Path(store.path("one")).write_bytes(b"junk")
    assert store.get("one") is None
    assert "one.bin is damaged" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(str(tmp_path / "file" / "cache"), ROOM)
    assert store.get("one") is None
    with pytest.warns(RuntimeWarning, match="MYCC_CACHE_DIR"):
        store.put("one", PAYLOAD)
    store.put("two", PAYLOAD)
    assert store.get("two") is None


def test_a_full_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path), ROOM)
    store.put("before", PAYLOAD)

    class Full:
        def __init__(self, handle: int, mode: str) -> None:
            self.handle = handle

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            os.close(self.handle)

        def write(self, data: bytes) -> None:
            os.write(self.handle, data[:100])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "open", Full, raising=False)
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        store.put("one", PAYLOAD)
    monkeypatch.undo()
    assert files(tmp_path) == ["before.bin"]


LIMITED = """
import resource, signal, sys, os
from mycc.lowering.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
store = Store(sys.argv[1], 1 << 30)
store.put("big", os.urandom(10000))
store.put("bigger", os.urandom(20000))
print(store.get("big"))
"""


def test_a_limit_on_files_by_the_system(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\n" and files(tmp_path) == []
    assert done.stderr.count("RuntimeWarning") == 1 and "File too large" in done.stderr


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    store = Store(str(tmp_path), 10 * 8192)
    for i in range(9):
        store.put(f"k{i}", os.urandom(8000))
        os.utime(store.path(f"k{i}"), (1000 + i, 1000 + i))
    assert len(files(tmp_path)) == 9
    assert store.get("k0") is not None
    store.put("new", os.urandom(8000))
    store.put("newer", os.urandom(8000))
    kept = files(tmp_path)
    assert "k0.bin" in kept and "newer.bin" in kept and "k1.bin" not in kept
    assert sum((tmp_path / name).stat().st_blocks * 512 for name in kept) <= store.limit


def test_what_is_too_large_for_all_the_room_is_not_written(tmp_path: Path) -> None:
    Store(str(tmp_path), 1000).put("one", PAYLOAD)
    assert files(tmp_path) == []


def test_old_unfinished_files_are_swept(tmp_path: Path) -> None:
    for name, age in (("old", 7200), ("young", 60)):
        path = tmp_path / f"{module._UNFINISHED}{name}"
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    (tmp_path / "of the user.txt").write_text("not ours")
    Store(str(tmp_path), ROOM).put("one", PAYLOAD)
    assert files(tmp_path) == [f"{module._UNFINISHED}young", "of the user.txt", "one.bin"]


# The file alone: the package around it takes long to import.
WRITER = """
import hashlib, random, runpy, sys
Store = runpy.run_path(sys.argv.pop(1))["Store"]
store = Store(sys.argv[1], int(sys.argv[3]))
random.seed(int(sys.argv[2]))
print("ready", flush=True)
for _ in range(int(sys.argv[4])):
    name = f"k{random.randrange(8)}"
    data = store.get(name)
    assert data is None or data[:16] == hashlib.md5(data[16:]).digest()
    body = random.randbytes(random.randrange(200_000))
    store.put(name, hashlib.md5(body).digest() + body)
"""


def writers(folder: Path, limit: int, rounds: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-c", WRITER, module.__file__, str(folder)]
    return [
        subprocess.Popen(
            [*command, str(seed), str(limit), str(rounds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(4)
    ]


@pytest.mark.parametrize("limit", [ROOM, 500_000])
def test_writers_at_once(tmp_path: Path, limit: int) -> None:
    for process in writers(tmp_path, limit, 40):
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0 and errors == ""
    found = files(tmp_path)
    assert found and not any(name.startswith(module._UNFINISHED) for name in found)
    store = Store(str(tmp_path), limit)
    assert all(store.get(name.removesuffix(".bin")) is not None for name in found)


def test_killed_while_writing(tmp_path: Path) -> None:
    for delay in (0.1, 0.2):
        processes = writers(tmp_path, ROOM, 10**6)
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(delay)
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    store = Store(str(tmp_path), ROOM)
    whole = [name for name in files(tmp_path) if not name.startswith(module._UNFINISHED)]
    assert whole and all(store.get(name.removesuffix(".bin")) is not None for name in whole)
