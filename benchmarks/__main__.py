"""``python -m benchmarks``: mycc beside JAX in one run, as a table or with ``--json``."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import gpt
from benchmarks.cold import framework
from benchmarks.measure import Row, interleaved, processes, wall

FRAMEWORKS = ("mycc", "jax")


def trace_gpt() -> Row:
    """Trace, transform and lower value_and_grad of the GPT, from the Python call to what XLA gets."""

    def action(name: str) -> Callable[[], Any]:
        package, xp, nn = framework(name)
        arguments = package.device_put(gpt.parameters()), package.device_put(gpt.tokens())

        def lower() -> None:
            # A new function each time: both cache traces by function.
            package.jit(package.value_and_grad(gpt.loss_of(xp, nn))).lower(*arguments)

        return lower

    return interleaved("GPT-12 trace + transform + lower", "0.25", {n: action(n) for n in FRAMEWORKS}, 7)


def compile_gpt() -> Row:
    """Compile the same in a cold process."""
    return processes("GPT-12 compile, cold", "0.5", {n: ["-m", "benchmarks.cold", n] for n in FRAMEWORKS}, 3)


def run_gpt() -> Row:
    """Run the same."""

    def action(name: str) -> Callable[[], Any]:
        package, xp, nn = framework(name)
        step = package.jit(package.value_and_grad(gpt.loss_of(xp, nn)))
        arguments = package.device_put(gpt.parameters()), package.device_put(gpt.tokens())
        return lambda: package.block_until_ready(step(*arguments))

    return interleaved("GPT-12 run", "-", {n: action(n) for n in FRAMEWORKS}, 9)


def dispatch() -> Row:
    """Calls of a tiny compiled function, each on the result of the one before."""

    def action(name: str) -> Callable[[], Any]:
        package, *_ = framework(name)
        add = package.jit(lambda x, y: x + y)
        one = package.device_put(np.float32(1.0) * np.ones((), np.float32))

        def chain() -> None:
            x = one
            for _ in range(1000):
                x = add(x, one)
            package.block_until_ready(x)

        return chain

    return interleaved("dispatch of jit(x + y), 1,000 calls", "2.0", {n: action(n) for n in FRAMEWORKS}, 15)


START = """
import {package}, {package}.numpy as np
print({package}.jit(lambda x, y: x + y)(np.ones(3), 1.0))
"""


def start() -> Row:
    """A process that imports and runs one jitted addition."""
    scripts = {n: START.format(package=n).replace("print", "str") for n in FRAMEWORKS}
    return wall("process with one jitted addition", "0.6", scripts, 7)


BENCHMARKS = {
    "trace": trace_gpt,
    "compile": compile_gpt,
    "run": run_gpt,
    "dispatch": dispatch,
    "start": start,
}


def main() -> None:
    """Run the chosen benchmarks and print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which to run; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rows = [BENCHMARKS[name]() for name in options.names or BENCHMARKS]
    if options.json:
        print(json.dumps([dataclasses.asdict(r) | {"ratio": r.ratio} for r in rows], indent=2))
        return
    print("| what | mycc | JAX | ratio (middle half) | aim |")
    print("|---|---|---|---|---|")
    for r in rows:
        print(
            f"| {r.name} | {_time(r.mycc)} | {_time(r.jax)} | {r.ratio:.2f} ({r.low:.2f}-{r.high:.2f}) | {r.aim} |"
        )


def _time(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"


if __name__ == "__main__":
    main()
