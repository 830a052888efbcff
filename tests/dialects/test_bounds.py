"""Bounds of integers, read from text."""

from __future__ import annotations

import pytest

from mycc.dialects.mlir import context, ir
from mycc.dialects.rules.bounds import components, interval

LINES = {
    "argument": ("%x", (-(2**31), 2**31 - 1)),
    "narrow": ("%u", (0, 255)),
    "constant": ("stablehlo.constant dense<[3, -1]> : tensor<2xi32>", (-1, 3)),
    "splat": ("stablehlo.constant dense<7> : tensor<5x5xi32>", (7, 7)),
    "unsigned": ("stablehlo.constant dense<200> : tensor<2xui8>", (200, 200)),
    "iota": ("stablehlo.iota dim = 1 : tensor<2x4xi32>", (0, 3)),
    "widened": ("stablehlo.convert %u : (tensor<2xui8>) -> tensor<2xi32>", (0, 255)),
    "narrowed": ("stablehlo.convert %x : (tensor<2xi32>) -> tensor<2xi8>", (-128, 127)),
    "from-float": ("stablehlo.convert %f : (tensor<2xf32>) -> tensor<2xi8>", (-128, 127)),
    "from-bool": ("stablehlo.convert %p : (tensor<2xi1>) -> tensor<2xi32>", (0, 1)),
    "clamp": (
        "stablehlo.clamp %two, %x, %five : (tensor<i32>, tensor<2xi32>, tensor<i32>) -> tensor<2xi32>",
        (2, 5),
    ),
    "minimum": ("stablehlo.minimum %x, %c : tensor<2xi32>", (-(2**31), 4)),
    "maximum": ("stablehlo.maximum %x, %c : tensor<2xi32>", (1, 2**31 - 1)),
    "select": ("stablehlo.select %p, %c, %i : tensor<2xi1>, tensor<2xi32>", (0, 4)),
    "reshape": ("stablehlo.reshape %c : (tensor<2xi32>) -> tensor<1x2xi32>", (1, 4)),
    "concatenate": (
        "stablehlo.concatenate %c, %i, dim = 0 : (tensor<2xi32>, tensor<2xi32>) -> tensor<4xi32>",
        (0, 4),
    ),
    "barrier": ("stablehlo.optimization_barrier %c : tensor<2xi32>", (1, 4)),
    "sum": ("stablehlo.add %c, %c : tensor<2xi32>", (-(2**31), 2**31 - 1)),
}


def value_of(line: str) -> tuple[ir.Module, ir.Value]:
    text = f"""
    func.func @f(
      %x: tensor<2xi32>, %u: tensor<2xui8>, %p: tensor<2xi1>, %f: tensor<2xf32>, %m: tensor<3x2xi32>
    ) {{
      %two = stablehlo.constant dense<2> : tensor<i32>
      %five = stablehlo.constant dense<5> : tensor<i32>
      %c = stablehlo.constant dense<[1, 4]> : tensor<2xi32>
      %i = stablehlo.iota dim = 0 : tensor<2xi32>
      %low = stablehlo.broadcast_in_dim %i, dims = [1] : (tensor<2xi32>) -> tensor<3x2xi32>
      %high = stablehlo.broadcast_in_dim %c, dims = [1] : (tensor<2xi32>) -> tensor<3x2xi32>
      {"%y = " + line if "stablehlo" in line else ""}
      return
    }}"""
    with context:
        module = ir.Module.parse(text)
    block = module.body.operations[0].regions[0].blocks[0]
    if "stablehlo" not in line:
        return module, block.arguments["xu".index(line[1])]
    return module, block.operations[len(block.operations) - 2].results[0]


@pytest.mark.parametrize("name", LINES)
def test_interval(name: str) -> None:
    line, expected = LINES[name]
    module, value = value_of(line)
    assert interval(value) == expected, str(module)


def test_deep_chains_end() -> None:
    lines = ["stablehlo.maximum %c, %c : tensor<2xi32>"]
    for n in range(40):
        before = f"%d{n - 1}" if n else "%y"
        lines.append(f"%d{n} = stablehlo.maximum {before}, {before} : tensor<2xi32>")
    module, value = value_of("\n".join(lines))
    assert interval(value) == (-(2**31), 2**31 - 1), str(module)


def test_components() -> None:
    wide = (-(2**31), 2**31 - 1)
    for line, expected in [
        ("stablehlo.constant dense<[[1, 2], [5, 0], [3, 3]]> : tensor<3x2xi32>", [(1, 5), (0, 3)]),
        ("stablehlo.clamp %low, %m, %high : tensor<3x2xi32>", [(0, 1), (0, 4)]),
        (
            (
                "stablehlo.concatenate %m, %high, dim = 1 : "
                "(tensor<3x2xi32>, tensor<3x2xi32>) -> tensor<3x4xi32>"
            ),
            [wide, wide, (1, 1), (4, 4)],
        ),
        ("stablehlo.abs %high : tensor<3x2xi32>", [wide, wide]),
    ]:
        module, value = value_of(line)
        assert components(value, 1, len(expected)) == expected, str(module)
    module, value = value_of(LINES["iota"][0])
    assert components(value, 2, 1) == [(0, 3)], "scalars lack the dimension of vectors"
