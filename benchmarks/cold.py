"""One cold compilation: ``python -m benchmarks.cold mycc|jax [compile|run]`` prints seconds.

What compiling costs is the first call, tracing left out, less a steady one: the first run of a program builds
kernels that the compilation left for later.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

from benchmarks import gpt
from benchmarks.measure import seconds


def framework(name: str) -> tuple[Any, Any, Any]:
    """The package, its NumPy and its nn module."""
    if name == "mycc":
        import mycc
        import mycc.nn
        import mycc.numpy

        return mycc, mycc.numpy, mycc.nn
    import jax
    import jax.nn
    import jax.numpy

    return jax, jax.numpy, jax.nn


def main(name: str, layers: int = gpt.LAYERS) -> float:
    """Seconds to compile value_and_grad of the GPT in this process."""
    package, xp, nn = framework(name)
    step = package.jit(package.value_and_grad(gpt.loss_of(xp, nn)))
    arguments = package.device_put(gpt.parameters(layers)), package.device_put(gpt.tokens())
    lowered = step.lower(*arguments)
    made: list[Any] = []
    compiling = seconds(lambda: made.append(lowered.compile()))
    run = made[0]
    first = seconds(lambda: package.block_until_ready(run(*arguments)))
    steady = statistics.median(seconds(lambda: package.block_until_ready(run(*arguments))) for _ in range(5))
    return compiling + first - steady


if __name__ == "__main__":
    print(main(sys.argv[1], *(int(n) for n in sys.argv[2:])))
