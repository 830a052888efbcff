"""What a call costs beside the work: ``python -m benchmarks.calls mycc|jax``.

For each name of :data:`CALLS` that it reads on standard input, it prints the seconds that 1,000 calls take (20 of
those with 150 leaves): of tiny arguments of each kind, with results that nobody waits for.
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

_TIMES = 1000
_LEAVES = 150

Action = Callable[[], Any]
_SMALL = np.ones(4, np.float32)


def _repeat(package: Any, call: Callable[[Any], Any], first: Any, calls: int = _TIMES) -> Action:
    """Call a function many times, each time on the result of the one before."""

    def chain() -> None:
        x = first
        for _ in range(calls):
            x = call(x)
        package.block_until_ready(x)

    return chain


def arrays(f: Framework) -> Action:
    """Two arrays."""
    package = f.package
    add = package.jit(lambda x, y: x + y)
    one = package.device_put(np.ones((), np.float32))
    return _repeat(package, lambda x: add(x, one), one)


def numpy_argument(f: Framework) -> Action:
    """An array and a NumPy array."""
    package = f.package
    add = package.jit(lambda x, y: x + y)
    return _repeat(package, lambda x: add(x, _SMALL), package.device_put(_SMALL))


def number(f: Framework) -> Action:
    """An array and a Python number."""
    package = f.package
    add = package.jit(lambda x, y: x + y)
    return _repeat(package, lambda x: add(x, 2.0), package.device_put(_SMALL))


def leaves(f: Framework) -> Action:
    """A tree of 150 arrays in and out."""
    package = f.package
    tree = {f"layer{i}": {"w": _SMALL, "b": _SMALL, "c": [_SMALL]} for i in range(_LEAVES // 3)}
    step = package.jit(lambda t: package.tree_util.tree_map(lambda x: x + 1, t))
    return _repeat(package, step, package.device_put(tree), _TIMES // 50)


def static(f: Framework) -> Action:
    """An array and a static argument."""
    package = f.package
    add = package.jit(lambda x, n: x + n, static_argnums=1)
    return _repeat(package, lambda x: add(x, 3), package.device_put(_SMALL))


def keyword(f: Framework) -> Action:
    """An array, and one by its name."""
    package = f.package
    add = package.jit(lambda x, y: x + y)
    one = package.device_put(_SMALL)
    return _repeat(package, lambda x: add(x, y=one), one)


def donated(f: Framework) -> Action:
    """An array whose memory is taken over, and another."""
    package = f.package
    add = package.jit(lambda x, y: x + y, donate_argnums=0)
    one = package.device_put(_SMALL)
    # What is donated must not be the first array itself: a second round needs that.
    copy = package.jit(lambda x: x * 1)

    def action() -> None:
        x = copy(one)
        for _ in range(_TIMES):
            x = add(x, one)
        package.block_until_ready(x)

    return action


def spread(f: Framework) -> Action:
    """Two arrays that lie on eight devices, an element on each."""
    # Both make their devices when they are first asked for any.
    if f.name == "jax":
        f.package.config.update("jax_num_cpu_devices", 8)
    else:
        os.environ["MYCC_NUM_CPU_DEVICES"] = "8"
    sharding = f.package.sharding
    mesh = sharding.Mesh(np.array(f.package.devices()[:8]), ("x",))
    rows = sharding.NamedSharding(mesh, sharding.PartitionSpec("x"))
    one = f.package.device_put(np.ones(8, np.float32), rows)
    add = f.package.jit(lambda x, y: x + y)
    return _repeat(f.package, lambda x: add(x, one), one)


CALLS = {
    "chained": arrays,
    "numpy": numpy_argument,
    "number": number,
    "leaves": leaves,
    "static": static,
    "keyword": keyword,
    "donated": donated,
    "on-8-devices": spread,
}


def main(name: str) -> None:
    """Do what each line names."""
    f = framework(name)
    made: dict[str, Action] = {}
    for line in sys.stdin:
        call = line.strip()
        if call not in made:
            made[call] = CALLS[call](f)
        print(json.dumps(seconds(made[call])), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
