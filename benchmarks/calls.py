"""What a call costs beside the work: ``python -m benchmarks.calls mycc|jax``.

For each name of :data:`CALLS` that it reads on standard input, it prints the seconds that 1,000 calls take.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Framework, framework
from benchmarks.measure import seconds

__all__ = ["CALLS"]


def chained(f: Framework) -> Callable[[], Any]:
    """A tiny function of arrays, each time of the result of the call before."""
    return _chain(f, f.package.device_put(np.ones((), np.float32)))


def spread(f: Framework) -> Callable[[], Any]:
    """The same of arrays that lie on eight devices, an element on each."""
    # Both make their devices when they are first asked for any.
    if f.package.__name__ == "jax":
        f.package.config.update("jax_num_cpu_devices", 8)
    else:
        os.environ["MYCC_NUM_CPU_DEVICES"] = "8"
    sharding = f.package.sharding
    mesh = sharding.Mesh(np.array(f.package.devices()[:8]), ("x",))
    rows = sharding.NamedSharding(mesh, sharding.PartitionSpec("x"))
    return _chain(f, f.package.device_put(np.ones(8, np.float32), rows))


def _chain(f: Framework, one: Any) -> Callable[[], Any]:
    add = f.package.jit(lambda x, y: x + y)

    def chain() -> None:
        x = one
        for _ in range(1000):
            x = add(x, one)
        f.package.block_until_ready(x)

    return chain


CALLS = {"chained": chained, "chained-on-8-devices": spread}


def main(name: str) -> None:
    """Do what each line names."""
    f = framework(name)
    made: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        call = line.strip()
        if call not in made:
            made[call] = CALLS[call](f)
        print(json.dumps(seconds(made[call])), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
