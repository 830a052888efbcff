"""One framework and one workload in a process of its own: ``python -m benchmarks.worker PEER WORKLOAD``.

It answers each word that it reads on standard input with a line of JSON:

``ready``: nothing is timed; null, once everything is imported and traced.
``trace``: seconds from the Python call to the module that XLA gets, all passes included, of a function that is new.
``compile``: what compiling costs in a process that has compiled nothing: compile + first run - steady run, since the
first run of a program builds kernels that the compilation left for later.
``run``: seconds of one call, from arrays on the device to a finished result; best of what fits into 50 ms.
``memory``: bytes by which the resident set grows at its peak during a call (Linux with glibc, else null).
``sums``: nothing is timed; the result, summed, to compare the peers' numbers.
"""

from __future__ import annotations

import ctypes
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.frameworks import framework
from benchmarks.measure import seconds
from benchmarks.workloads import EAGER, WORKLOADS

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Compiled:
    """A workload that mycc or JAX compiles."""

    def __init__(self, peer: str, workload: str) -> None:
        f = framework(peer)
        self.package = f.package
        self.make = lambda: WORKLOADS[workload](f)
        function, arguments = self.make()
        self.arguments = f.package.device_put(arguments)
        f.package.block_until_ready(self.arguments)
        self.lowered = f.package.jit(function).lower(*self.arguments)
        self.program: Any = None

    def call(self) -> Any:
        return self.package.block_until_ready(self.program(*self.arguments))

    def trace(self) -> float:
        # A new function each time: both cache traces by function.
        function, _ = self.make()
        return seconds(lambda: self.package.jit(function).lower(*self.arguments))

    def compile(self) -> float:
        def do() -> None:
            self.program = self.lowered.compile()

        return seconds(do) + seconds(self.call) - statistics.median(seconds(self.call) for _ in range(5))


class Eager:
    """A workload that runs operation by operation, so that the first call compiles all of them."""

    def __init__(self, peer: str, workload: str) -> None:
        f = framework(peer)
        self.package = f.package
        self.function, arguments = EAGER[workload](f)
        self.arguments = f.package.device_put(arguments)

    def call(self) -> Any:
        return self.package.block_until_ready(self.function(*self.arguments))

    def compile(self) -> float:
        return seconds(self.call) - statistics.median(seconds(self.call) for _ in range(5))


class Torch:
    """A workload in PyTorch, eager ("torch") or by torch.compile ("torch-compiled")."""

    def __init__(self, peer: str, workload: str) -> None:
        import torch

        from benchmarks.workloads.torch_peers import make

        self.function, self.arguments = make(workload)
        if peer == "torch-compiled":
            self.function = torch.compile(self.function)

    def call(self) -> Any:
        return self.function(*self.arguments)

    def compile(self) -> float:
        return seconds(self.call) - statistics.median(seconds(self.call) for _ in range(5))


def peak(call: Callable[[], Any]) -> float | None:
    """Bytes by which the resident set grows at its peak during a call, from what is in use alone."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None or not _RESET.exists():
        return None
    trim(0)
    _RESET.write_text("5")
    before = _status("VmRSS")
    result = call()
    grown = _status("VmHWM") - before
    del result
    return grown


def _status(key: str) -> float:
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(key))
    return 1024.0 * int(line.split()[1])


def best(call: Callable[[], Any]) -> float:
    """The fastest call of those that fit into 50 ms, one at least."""
    times = [seconds(call)]
    while sum(times) < 0.05:
        times.append(seconds(call))
    return min(times)


def total(result: Any) -> list[float]:
    """Sums of the absolute values of the leaves of a result."""
    if isinstance(result, dict):
        return [x for key in sorted(result) for x in total(result[key])]
    if isinstance(result, (list, tuple)):
        return [x for part in result for x in total(part)]
    return [float(np.abs(np.asarray(result, np.float64)).sum())]


def main(peer: str, workload: str) -> None:
    """Answer until the input ends."""
    kind: Any = Torch if peer.startswith("torch") else Eager if workload in EAGER else Compiled
    subject = kind(peer, workload)
    for line in sys.stdin:
        match line.strip():
            case "ready":
                answer = None
            case "trace":
                answer = subject.trace() if kind is Compiled else None
            case "compile":
                answer = subject.compile()
            case "run":
                answer = best(subject.call)
            case "memory":
                answer = peak(subject.call)
            case "sums":
                answer = total(subject.call())
            case other:
                raise ValueError(f"unknown request '{other}'")
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
