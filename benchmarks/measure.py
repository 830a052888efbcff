"""Timing: two processes that take turns, medians, ratios with their spread."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

FRAMEWORKS = ("mycc", "jax")

# A package that pip has installed has its bytecode; a checkout gets it at the first start, unless this forbids it.
# What is timed is compiling, not finding what was compiled before; JAX's cache is off unless it is asked for.
_ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
_ENVIRONMENT["MYCC_COMPILATION_CACHE"] = "0"


@dataclass(frozen=True)
class Row:
    """One line of the table: seconds of mycc and of JAX, and their ratio, median and middle half."""

    name: str
    mycc: float
    jax: float
    low: float
    high: float
    aim: str

    @property
    def ratio(self) -> float:
        """mycc's time divided by JAX's."""
        return self.mycc / self.jax


def seconds(action: Callable[[], object]) -> float:
    """The wall-clock time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def row(name: str, aim: str, samples: Mapping[str, list[float]]) -> Row:
    """A line from paired samples of both."""
    pairs = [a / b for a, b in zip(samples["mycc"], samples["jax"], strict=True)]
    quarters = statistics.quantiles(pairs, n=4) if len(pairs) > 1 else [pairs[0]] * 3
    return Row(
        name,
        statistics.median(samples["mycc"]),
        statistics.median(samples["jax"]),
        quarters[0],
        quarters[2],
        aim,
    )


def turns(name: str, aim: str, action: str, rounds: int) -> Row:
    """Time an action of `benchmarks.actions`: each framework in a process of its own, the two taking turns.

    In one process each would pay for the other's objects at every garbage collection.
    """
    samples: dict[str, list[float]] = {key: [] for key in FRAMEWORKS}
    with ExitStack() as stack:
        workers = {
            key: stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.actions", action, key],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=_ENVIRONMENT,
                )
            )
            for key in FRAMEWORKS
        }
        for number in range(rounds + 1):
            for key, worker in workers.items():
                assert worker.stdin is not None and worker.stdout is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
                taken = float(worker.stdout.readline())
                # The first turn warms up.
                if number:
                    samples[key].append(taken)
    return row(name, aim, samples)


def processes(name: str, aim: str, modules: Mapping[str, list[str]], rounds: int) -> Row:
    """Compare what fresh processes report: each prints a number of seconds as its last word."""
    samples: dict[str, list[float]] = {key: [] for key in modules}
    for _ in range(rounds):
        for key, arguments in modules.items():
            done = subprocess.run(
                [sys.executable, *arguments], capture_output=True, text=True, check=True, env=_ENVIRONMENT
            )
            samples[key].append(float(done.stdout.split()[-1]))
    return row(name, aim, samples)


def wall(name: str, aim: str, scripts: Mapping[str, str], rounds: int) -> Row:
    """Compare whole processes from start to end."""

    def run(script: str) -> float:
        command = [sys.executable, "-c", script]
        return seconds(lambda: subprocess.run(command, check=True, env=_ENVIRONMENT))

    samples: dict[str, list[float]] = {key: [] for key in scripts}
    for number in range(rounds + 1):
        for key, script in scripts.items():
            taken = run(script)
            # The first start writes bytecode, and reads files that are in memory afterwards.
            if number:
                samples[key].append(taken)
    return row(name, aim, samples)
