"""What a call of a compiled function costs beside its work: tiny arguments of each kind, results that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cold import framework

CALLS = 1000
LEAVES = 150

Action = Callable[[], Any]
_SMALL = np.ones(4, np.float32)


def _repeat(package: Any, call: Callable[[Any], Any], first: Any, calls: int = CALLS) -> Action:
    """Call a function many times, each time on the result of the one before."""

    def chain() -> None:
        x = first
        for _ in range(calls):
            x = call(x)
        package.block_until_ready(x)

    return chain


def arrays(name: str) -> Action:
    """Two arrays."""
    package, *_ = framework(name)
    add = package.jit(lambda x, y: x + y)
    one = package.device_put(np.ones((), np.float32))
    return _repeat(package, lambda x: add(x, one), one)


def numpy_argument(name: str) -> Action:
    """An array and a NumPy array."""
    package, *_ = framework(name)
    add = package.jit(lambda x, y: x + y)
    return _repeat(package, lambda x: add(x, _SMALL), package.device_put(_SMALL))


def number(name: str) -> Action:
    """An array and a Python number."""
    package, *_ = framework(name)
    add = package.jit(lambda x, y: x + y)
    return _repeat(package, lambda x: add(x, 2.0), package.device_put(_SMALL))


def leaves(name: str) -> Action:
    """A tree of 150 arrays in and out."""
    package, *_ = framework(name)
    tree = {f"layer{i}": {"w": _SMALL, "b": _SMALL, "c": [_SMALL]} for i in range(LEAVES // 3)}
    step = package.jit(lambda t: package.tree_util.tree_map(lambda x: x + 1, t))
    return _repeat(package, step, package.device_put(tree), CALLS // 50)


def static(name: str) -> Action:
    """An array and a static argument."""
    package, *_ = framework(name)
    add = package.jit(lambda x, n: x + n, static_argnums=1)
    return _repeat(package, lambda x: add(x, 3), package.device_put(_SMALL))


def keyword(name: str) -> Action:
    """An array, and one by its name."""
    package, *_ = framework(name)
    add = package.jit(lambda x, y: x + y)
    one = package.device_put(_SMALL)
    return _repeat(package, lambda x: add(x, y=one), one)


def donated(name: str) -> Action:
    """An array whose memory is taken over, and another."""
    package, *_ = framework(name)
    add = package.jit(lambda x, y: x + y, donate_argnums=0)
    one = package.device_put(_SMALL)
    # What is donated must not be the first array itself: a second round needs that.
    copy = package.jit(lambda x: x * 1)

    def action() -> None:
        x = copy(one)
        for _ in range(CALLS):
            x = add(x, one)
        package.block_until_ready(x)

    return action


ACTIONS = {
    "dispatch": arrays,
    "dispatch-numpy": numpy_argument,
    "dispatch-number": number,
    "dispatch-leaves": leaves,
    "dispatch-static": static,
    "dispatch-keyword": keyword,
    "dispatch-donated": donated,
}
