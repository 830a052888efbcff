"""``mycc run-distributed``: one script in several processes of this machine, which compute together."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading
import time
from typing import IO

from mycc.dialects.errors import MyccError

__all__ = ["add_arguments", "run"]

_GRACE = 10.0
"""Seconds that the others get to end by themselves when one has failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("-n", "--processes", type=int, required=True, help="how many processes")
    parser.add_argument("--port", type=int, help="of the first process's service; default: a free one")
    parser.add_argument("script", help="a Python file that calls mycc.distributed.initialize()")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the script's own arguments")


def run(args: argparse.Namespace) -> int:
    """Runs the command: the exit status of the first process that failed, or 0."""
    if args.processes < 1:
        raise MyccError(f"-n takes a number of processes, got {args.processes}")
    if not os.path.isfile(args.script):
        raise FileNotFoundError(2, "No such file", args.script)
    address = f"localhost:{args.port or _free_port()}"
    started, readers = [], []
    lock = threading.Lock()
    for index in range(args.processes):
        environment = {
            **os.environ,
            "MYCC_COORDINATOR": address,
            "MYCC_NUM_PROCESSES": str(args.processes),
            "MYCC_PROCESS_ID": str(index),
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(
            [sys.executable, args.script, *args.arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        started.append(process)
        for source, target in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
            assert source is not None
            reader = threading.Thread(target=_copy, args=(index, source, target, lock), daemon=True)
            reader.start()
            readers.append(reader)
    try:
        status = _wait(started)
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
        for reader in readers:
            reader.join(5)
    return status


def _copy(index: int, source: IO[str], target: IO[str], lock: threading.Lock) -> None:
    """A process's lines, each with its number."""
    for line in source:
        with lock:
            target.write(f"[{index}] {line}")
            target.flush()


def _wait(processes: list[subprocess.Popen[str]]) -> int:
    """Wait for all; once one fails the others have a while to end, too."""
    failed, deadline = 0, float("inf")
    while any(process.poll() is None for process in processes):
        if time.monotonic() > deadline:
            break
        for process in processes:
            if process.poll() and not failed:
                failed = process.returncode
                deadline = time.monotonic() + _GRACE
        time.sleep(0.05)
    codes = [process.poll() for process in processes]
    status = failed or next((code for code in codes if code), 0)
    return 128 - status if status < 0 else status


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port
