"""What ``python -m benchmarks`` can measure: each name stands for a function that yields results."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from benchmarks.calls import CALLS
from benchmarks.frameworks import NAMES
from benchmarks.measure import Result, Worker, processes, turns
from benchmarks.passes import speeds
from benchmarks.workloads import EAGER, WORKLOADS

__all__ = ["SUITE", "Options"]

START = "import {0}, {0}.numpy as np; {0}.jit(lambda x, y: x + y)(np.ones(3), 1.0)"

# Ratios to reach, by workload, measure and peer.
AIMS = {
    ("gpt-12", "trace"): {"jax": 0.125},
    ("gpt-12", "compile"): {"jax": 0.12},
    ("gpt-12", "run"): {"jax": 0.45, "torch-compiled": 0.9},
    ("gpt-24", "compile"): {"jax": 0.06},
    ("gpt-24", "run"): {"jax": 0.17},
    ("conv", "run"): {"jax": 0.3, "torch-compiled": 1.0},
    ("per-example", "run"): {"jax": 0.27, "torch-compiled": 1.0},
    ("n-body", "run"): {"jax": 0.1},
    ("n-body-grad", "run"): {"jax": 0.12},
    ("mlp", "run"): {"jax": 0.95},
}


@dataclass(frozen=True)
class Options:
    """How much is measured, and beside whom.

    Args:
        rounds: how many fresh processes each workload is compiled in.
        turns: how often each of them runs it.
        torch: the Python that has PyTorch, or None to leave it out.
    """

    rounds: int = 3
    turns: int = 7
    torch: str | None = None


def workload(name: str, options: Options) -> Iterator[Result]:
    """Trace, compile, run and peak memory of a workload."""
    workers = {peer: partial(Worker, "benchmarks.worker", peer, name) for peer in NAMES}
    if options.torch and _has_torch(options.torch, name):
        for peer in ("torch", "torch-compiled"):
            workers[peer] = partial(Worker, "benchmarks.worker", peer, name, python=options.torch)
    samples: dict[str, dict[str, list[float]]] = {
        measure: {peer: [] for peer in workers} for measure in ("trace", "compile", "run", "memory")
    }
    for number in range(options.rounds):
        with ExitStack() as stack:
            running = {peer: stack.enter_context(make()) for peer, make in workers.items()}
            # What a peer still imports would slow down the others.
            for worker in running.values():
                worker.ask("ready")
            for measure in ("trace", "compile"):
                for peer, worker in running.items():
                    samples[measure][peer].append(worker.ask(measure))
            for _ in range(options.turns):
                for peer, worker in running.items():
                    samples["run"][peer].append(worker.ask("run"))
            for peer, worker in running.items():
                samples["memory"][peer].append(worker.ask("memory"))
            if not number:
                _same({peer: running[peer].ask("sums") for peer in NAMES}, name)
    for measure, unit in (("trace", "s"), ("compile", "s"), ("run", "s"), ("memory", "B")):
        kept = {peer: values for peer, values in samples[measure].items() if None not in values}
        if "mycc" in kept:
            yield Result(f"{name} {measure}", unit, kept, AIMS.get((name, measure), {}))


def _has_torch(python: str, name: str) -> bool:
    with Worker("benchmarks.workloads.torch_peers", python=python) as worker:
        return name in worker.ask("names")


def _same(sums: Mapping[str, list[float]], name: str) -> None:
    for a, b in zip(*(sums[peer] for peer in NAMES), strict=True):
        if abs(a - b) > 1e-3 * max(abs(a), abs(b), 1.0):
            raise RuntimeError(f"{name}: the frameworks do not compute the same: {sums}")


def call(name: str, options: Options) -> Iterator[Result]:
    """What 1,000 calls cost beside their work."""
    workers = {peer: partial(Worker, "benchmarks.calls", peer) for peer in NAMES}
    aim = {"jax": 1.5 if "devices" in name else 1.15}
    yield Result(f"1,000 calls, {name}", "s", turns(workers, name, 5 * options.turns), aim)


def start(options: Options) -> Iterator[Result]:
    """A process that imports and runs one jitted addition."""
    scripts = {peer: START.format(peer) for peer in NAMES}
    yield Result("process with one jitted addition", "s", processes(scripts, options.turns), {"jax": 0.6})


def passes(options: Options) -> Iterator[Result]:
    """The passes' own speed on programs of growing size."""
    for count, samples in speeds(options.rounds).items():
        yield Result(f"passes, {count:,} operations", "op/s", {"mycc": [statistics.median(samples)]})


SUITE: dict[str, Callable[[Options], Iterator[Result]]] = {
    **{name: partial(workload, name) for name in (*WORKLOADS, *EAGER)},
    **{f"call-{name}": partial(call, name) for name in CALLS},
    "start": start,
    "passes": passes,
}
