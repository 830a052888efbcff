"""What is timed by turns: ``python -m benchmarks.actions NAME mycc|jax`` prints seconds for each line it reads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from benchmarks import dispatch, gpt
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


ACTIONS = {"trace": trace, "run": run, **dispatch.ACTIONS}


def main(action: str, name: str) -> None:
    """Do it once for each line of standard input."""
    do = ACTIONS[action](name)
    for _ in sys.stdin:
        print(seconds(do), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
