"""How many operations the passes handle in a second: differentiate, simplify and cluster programs of random form."""

from __future__ import annotations

import random

from benchmarks.measure import seconds

__all__ = ["SIZES", "program", "speeds"]

SIZES = (1_000, 10_000, 50_000)

_UNARY = ("tanh", "sine", "exponential", "negate", "logistic")
_BINARY = ("add", "multiply", "subtract")


def program(operations: int, seed: int = 0) -> str:
    """A function of one array in which each operation takes results of the twenty before it; no two layers alike."""
    draw = random.Random(seed)
    lines = ["func.func public @main(%v0: tensor<64x64xf32>) -> tensor<f32> {"]
    for n in range(1, operations):
        recent = [f"%v{draw.randrange(max(0, n - 20), n)}" for _ in range(2)]
        if draw.random() < 0.4:
            lines.append(f"  %v{n} = stablehlo.{draw.choice(_UNARY)} {recent[0]} : tensor<64x64xf32>")
        else:
            lines.append(
                f"  %v{n} = stablehlo.{draw.choice(_BINARY)} {', '.join(recent)} : tensor<64x64xf32>"
            )
    lines += [
        "  %zero = stablehlo.constant dense<0.0> : tensor<f32>",
        f"  %sum = stablehlo.reduce(%v{operations - 1} init: %zero) applies stablehlo.add across dimensions = [0, 1] :",
        "    (tensor<64x64xf32>, tensor<f32>) -> tensor<f32>",
        "  return %sum : tensor<f32>",
        "}",
    ]
    return "\n".join(lines)


def speeds(rounds: int) -> dict[int, list[float]]:
    """Operations of the input a second, for each size: value and gradient, all passes of the default pipeline."""
    import mycc

    result: dict[int, list[float]] = {}
    for size in SIZES:
        function = mycc.from_stablehlo(program(size))
        x = mycc.ShapeDtypeStruct((64, 64), "float32")
        result[size] = [
            size / seconds(lambda: mycc.jit(mycc.value_and_grad(lambda x: function(x))).lower(x))  # noqa: B023
            for _ in range(rounds)
        ]
    return result
