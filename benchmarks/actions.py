"""What is timed by turns: ``python -m benchmarks.actions NAME mycc|jax`` prints seconds for each line it reads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import gpt
from benchmarks.cold import framework
from benchmarks.measure import seconds


def trace(name: str) -> Callable[[], Any]:
    """Trace, transform and lower value_and_grad of the GPT, from the Python call to what XLA gets."""
    package, xp, nn = framework(name)
    arguments = package.device_put(gpt.parameters()), package.device_put(gpt.tokens())
    # A new function each time: both cache traces by function.
    return lambda: package.jit(package.value_and_grad(gpt.loss_of(xp, nn))).lower(*arguments)


def run(name: str) -> Callable[[], Any]:
    """Run the same, compiled."""
    package, xp, nn = framework(name)
    step = package.jit(package.value_and_grad(gpt.loss_of(xp, nn)))
    arguments = package.device_put(gpt.parameters()), package.device_put(gpt.tokens())
    return lambda: package.block_until_ready(step(*arguments))


def dispatch(name: str) -> Callable[[], Any]:
    """Call a tiny compiled function 1,000 times, each time on the result of the one before."""
    package, *_ = framework(name)
    add = package.jit(lambda x, y: x + y)
    one = package.device_put(np.ones((), np.float32))

    def chain() -> None:
        x = one
        for _ in range(1000):
            x = add(x, one)
        package.block_until_ready(x)

    return chain


ACTIONS = {"trace": trace, "run": run, "dispatch": dispatch}


def main(action: str, name: str) -> None:
    """Do it once for each line of standard input."""
    do = ACTIONS[action](name)
    for _ in sys.stdin:
        print(seconds(do), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
