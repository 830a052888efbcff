"""The line that a long compilation shows on a terminal, and that nothing of it stays."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

SETUP = """
import sys, threading, time
from mycc.lowering import progress
progress.AFTER, progress._EVERY = 0.2, 0.2
"""
LONG = """
with progress.showing(lambda: "the program of x.py:3"):
    time.sleep(0.9)
"""


def run(code: str, tmp_path: Path, **environment: str) -> tuple[int, str]:
    """The exit status of a process whose stderr is a terminal, and what it wrote there."""
    script = tmp_path / "script.py"
    script.write_text(SETUP + code)
    ours, theirs = pty.openpty()
    read: list[bytes] = []

    def drain() -> None:
        try:
            while data := os.read(ours, 4096):
                read.append(data)
        except OSError:
            pass

    process = subprocess.Popen(
        [sys.executable, str(script)], stderr=theirs, env={**os.environ, "TERM": "xterm", **environment}
    )
    os.close(theirs)
    reader = threading.Thread(target=drain)
    reader.start()
    status = process.wait(timeout=120)
    reader.join()
    os.close(ours)
    return status, b"".join(read).decode()


def screen(text: str) -> str:
    """One line of a terminal after text was written to it."""
    cells: list[str] = []
    at = saved = 0
    while text:
        if text.startswith("\x1b7"):
            saved, text = at, text[2:]
        elif text.startswith("\x1b8"):
            at, text = saved, text[2:]
        elif text.startswith("\x1b[K"):
            del cells[at:]
            text = text[3:]
        else:
            cells[at : at + 1] = [text[0]]
            at, text = at + 1, text[1:]
    return "".join(cells)


def test_it_appears_counts_and_is_gone(tmp_path: Path) -> None:
    status, text = run(LONG, tmp_path)
    assert status == 0
    assert text.count("mycc: compiling the program of x.py:3 (") >= 2 and " s)" in text
    assert screen(text[: text.rindex("\x1b8") + 2]).startswith("mycc: compiling")
    assert screen(text) == ""


def test_what_others_print_stays(tmp_path: Path) -> None:
    status, text = run(
        "sys.stderr.write('loss: ')\nsys.stderr.flush()" + LONG + "sys.stderr.write('0.5')", tmp_path
    )
    assert status == 0 and "compiling" in text
    assert screen(text) == "loss: 0.5"


@pytest.mark.parametrize(("code", "environment"), [
    (LONG.replace("0.9", "0.0"), {}),
    (LONG, {"MYCC_PROGRESS": "0"}),
    (LONG, {"TERM": "dumb"}),
    ("sys.stderr = None" + LONG, {}),
    ("sys.stderr = open('/dev/null', 'w')" + LONG, {}),
])  # fmt: skip
def test_nothing(tmp_path: Path, code: str, environment: dict[str, str]) -> None:
    assert run(code, tmp_path, **environment) == (0, "")


def test_two_at_once_share_the_line(tmp_path: Path) -> None:
    code = """
def work(name):
    with progress.showing(lambda: name):
        time.sleep(0.9)
threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    status, text = run(code, tmp_path)
    assert status == 0 and ("one" in text) != ("two" in text) and screen(text) == ""


def test_errors_and_exits_take_it_along(tmp_path: Path) -> None:
    code = """
try:
    with progress.showing(lambda: "x"):
        time.sleep(0.5)
        raise ValueError
except ValueError:
    assert not any(thread.name == "mycc-progress" for thread in threading.enumerate())
def forever():
    with progress.showing(lambda: "x"):
        time.sleep(1000)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.5)
"""
    status, text = run(code, tmp_path)
    assert status == 0 and "Traceback" not in text and "Fatal" not in text
    assert "compiling" in text and screen(text) == ""


def test_a_compilation_shows_it(tmp_path: Path) -> None:
    code = """
progress.AFTER = 0.0
import mycc, mycc.numpy as mnp
def f(ws, x):
    for w in ws:
        x = mnp.tanh(x @ w) / mnp.sum(x)
    return mnp.sum(x)
jitted = mycc.jit(mycc.grad(f))
jitted([mnp.ones((4, 4))] * 4, mnp.ones((4, 4)))
"""
    status, text = run(code, tmp_path)
    line = (SETUP + code).splitlines().index("jitted([mnp.ones((4, 4))] * 4, mnp.ones((4, 4)))") + 1
    assert status == 0 and f"mycc: compiling the program of script.py:{line} (0 s)" in text
    assert screen(text) == ""
