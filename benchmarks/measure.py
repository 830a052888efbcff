"""Timing: interleaved runs, medians, ratios with their spread."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


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


def interleaved(name: str, aim: str, actions: Mapping[str, Callable[[], object]], rounds: int) -> Row:
    """Time two actions by turns; each action runs once unmeasured first."""
    for action in actions.values():
        action()
    samples: dict[str, list[float]] = {key: [] for key in actions}
    for _ in range(rounds):
        for key, action in actions.items():
            samples[key].append(seconds(action))
    return row(name, aim, samples)


def processes(name: str, aim: str, modules: Mapping[str, list[str]], rounds: int) -> Row:
    """Compare what fresh processes report: each prints a number of seconds as its last word."""
    samples: dict[str, list[float]] = {key: [] for key in modules}
    for _ in range(rounds):
        for key, arguments in modules.items():
            done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
            samples[key].append(float(done.stdout.split()[-1]))
    return row(name, aim, samples)


def wall(name: str, aim: str, scripts: Mapping[str, str], rounds: int) -> Row:
    """Compare whole processes from start to end."""
    samples: dict[str, list[float]] = {key: [] for key in scripts}
    for _ in range(rounds):
        for key, script in scripts.items():
            samples[key].append(
                seconds(lambda s=script: subprocess.run([sys.executable, "-c", s], check=True))
            )  # type: ignore[misc]
    return row(name, aim, samples)
