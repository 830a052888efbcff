"""Timing: processes that take turns, medians, ratios with their spread."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np

__all__ = ["Result", "Worker", "processes", "seconds", "turns"]

# A package that pip has installed has its bytecode; a checkout gets it at the first start, unless this forbids it.
# What is measured is compiling, not reading what another run has compiled.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
    "MYCC_COMPILATION_CACHE": "0"
}


@dataclass(frozen=True)
class Result:
    """What was measured of one thing: for each peer its samples, taken by turns."""

    name: str
    unit: str
    samples: Mapping[str, Sequence[float]]
    aims: Mapping[str, float] = field(default_factory=dict)

    def median(self, peer: str) -> float:
        """The median of a peer's samples."""
        return statistics.median(self.samples[peer])

    def ratio(self, peer: str) -> tuple[float, float, float]:
        """mycc's samples divided by a peer's, in pairs: the median, and its 95 % interval by bootstrap."""
        pairs = np.array(self.samples["mycc"]) / np.array(self.samples[peer])
        chosen = np.random.default_rng(0).integers(0, len(pairs), (2000, len(pairs)))
        low, high = np.percentile(np.median(pairs[chosen], axis=1), [2.5, 97.5])
        return float(np.median(pairs)), float(low), float(high)


def seconds(action: Callable[[], object]) -> float:
    """The wall-clock time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


class Worker:
    """A process of :mod:`benchmarks.worker` or of another module that answers lines with lines of JSON."""

    def __init__(self, module: str, *arguments: str, python: str = sys.executable) -> None:
        self.process = subprocess.Popen(
            [python, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def ask(self, request: str) -> Any:
        """Send a line, and return what the answer says.

        Raises:
            RuntimeError: the process has ended; with what it wrote to its standard error.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            raise RuntimeError(
                f"{' '.join(map(str, self.process.args))}: {self.process.stderr.read()[-2000:]}"
            )  # type: ignore[arg-type]
        return json.loads(line)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()


def turns(workers: Mapping[str, Callable[[], Worker]], request: str, rounds: int) -> dict[str, list[float]]:
    """Ask workers the same by turns; each is a process, and the first turn warms up.

    In one process each would pay for the other's objects at every garbage collection.
    """
    samples: dict[str, list[float]] = {peer: [] for peer in workers}
    with ExitStack() as stack:
        running = {peer: stack.enter_context(make()) for peer, make in workers.items()}
        for number in range(rounds + 1):
            for peer, worker in running.items():
                taken = worker.ask(request)
                if number:
                    samples[peer].append(taken)
    return samples


def processes(scripts: Mapping[str, str], rounds: int) -> dict[str, list[float]]:
    """Seconds of whole processes, from start to end, that run a script each."""

    def run(script: str) -> float:
        command = [sys.executable, "-c", script]
        return seconds(
            lambda: subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        )

    samples: dict[str, list[float]] = {peer: [] for peer in scripts}
    for number in range(rounds + 1):
        for peer, script in scripts.items():
            taken = run(script)
            # The first start writes bytecode, and reads files that are in memory afterwards.
            if number:
                samples[peer].append(taken)
    return samples
