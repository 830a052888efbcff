"""Autodiff and batch on modules from text, as a foreign one comes: numbers, names, locations, what is made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mycc.dialects.errors import MyccError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.lowering.buffers import put, to_numpy
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import default_device
from mycc.lowering.pipelines import check_expanded, default_pipeline, transforms
from mycc.passes.base import collect_statistics
from mycc.passes.pipeline import Pipeline
from mycc.passes.symbols import operations


def parse(text: str) -> ir.Module:
    return ir.Module.parse(text, context=context)


def run(text: str, arguments: Sequence[Any]) -> list[np.ndarray]:
    """The results of a module's main function, after the default passes."""
    module = parse(text)
    default_pipeline(module).run(module)
    check_expanded(module)
    executable = compile_module(module, devices=[default_device()])
    return [to_numpy(a) for a in executable.execute([put(a, default_device()) for a in arguments])]


def functions(module: ir.Module) -> list[str]:
    return [ir.StringAttr(f.attributes["sym_name"]).value for f in module.body.operations]


def transform(kind: str, operands: str, signature: str, **attributes: str) -> str:
    """A transform operation of ``@f``."""
    listed = ", ".join(["called_computations = [@f]", *(f"mycc.{k} = {v}" for k, v in attributes.items())])
    return f"stablehlo.custom_call @mycc.{kind}({operands}) {{{listed}}} : {signature}"


POWER = """
func.func private @f(%n: tensor<i32>, %x: tensor<f64>) -> tensor<f64> {
  %one = stablehlo.constant dense<1.0> : tensor<f64>
  %step = stablehlo.constant dense<1> : tensor<i32>
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:2 = stablehlo.while(%i = %n, %p = %one) : tensor<i32>, tensor<f64>
   cond {
    %1 = stablehlo.compare GT, %i, %zero : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.subtract %i, %step : tensor<i32>
    %2 = stablehlo.multiply %p, %x : tensor<f64>
    %3 = "stablehlo.case"(%i) ({
      stablehlo.return %2 : tensor<f64>
    }, {
      %4 = stablehlo.add %2, %x : tensor<f64>
      stablehlo.return %4 : tensor<f64>
    }, {
      stablehlo.return %2 : tensor<f64>
    }) : (tensor<i32>) -> tensor<f64>
    stablehlo.return %1, %3 : tensor<i32>, tensor<f64>
  }
  return %0#1 : tensor<f64>
}
"""


def power(n: int, x: float) -> float:
    # The last step, at i = 1, adds x.
    return x**n + x


def test_a_choice_in_a_loop_forward_and_batched() -> None:
    flags = {"active": "array<i1: false, true>", "seeded": "array<i1: true>"}
    signature = "(tensor<i32>, tensor<f64>, tensor<f64>) -> (tensor<f64>, tensor<f64>)"
    jvp = transform("jvp", "%n, %x, %t", signature, **flags)
    text = (
        POWER
        + f"""
func.func @main(%n: tensor<i32>, %x: tensor<f64>, %t: tensor<f64>) -> (tensor<f64>, tensor<f64>) {{
  %0:2 = {jvp}
  return %0#0, %0#1 : tensor<f64>, tensor<f64>
}}"""
    )
    value, tangent = run(text, [np.int32(5), np.float64(1.5), np.float64(2.0)])
    np.testing.assert_allclose([value, tangent], [power(5, 1.5), 2 * (5 * 1.5**4 + 1)])
    axes = {"axis_size": "3 : i64", "in_axes": "array<i64: 0, 0>", "out_axes": "array<i64: 0>"}
    vmap = transform("vmap", "%n, %x", "(tensor<3xi32>, tensor<3xf64>) -> tensor<3xf64>", **axes)
    text = (
        POWER
        + f"""
func.func @main(%n: tensor<3xi32>, %x: tensor<3xf64>) -> tensor<3xf64> {{
  %0 = {vmap}
  return %0 : tensor<3xf64>
}}"""
    )
    counts, xs = np.array([1, 2, 5], np.int32), np.array([0.5, 1.5, 2.0])
    (batched,) = run(text, [counts, xs])
    np.testing.assert_allclose(batched, [power(n, x) for n, x in zip(counts, xs, strict=True)])


SINE = """
func.func private @f(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.sine %x : tensor<f32>
  return %0 : tensor<f32>
}
"""
ONE = {"active": "array<i1: true>", "seeded": "array<i1: true>"}
PAIR = "(tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>)"


def test_names_that_are_taken() -> None:
    text = (
        SINE
        + f"""
func.func private @f.fwd(%x: tensor<f32>) -> tensor<f32> {{
  return %x : tensor<f32>
}}
func.func @main(%x: tensor<f32>) -> (tensor<f32>, tensor<f32>) {{
  %0:2 = {transform("vjp", "%x, %x", PAIR, **ONE)}
  %1 = call @f.fwd(%x) : (tensor<f32>) -> tensor<f32>
  return %0#1, %1 : tensor<f32>, tensor<f32>
}}"""
    )
    gradient, same = run(text, [np.float32(0.5)])
    np.testing.assert_allclose([gradient, same], [0.5 * np.cos(0.5), 0.5], rtol=1e-6)


def test_equal_transforms_share_their_functions() -> None:
    vjp = transform("vjp", "%x, %x", PAIR, **ONE)
    calls = "\n".join(f"  %{k}:2 = {vjp}" for k in range(4))
    module = parse(
        SINE
        + f"""
func.func @main(%x: tensor<f32>) -> tensor<f32> {{
{calls}
  return %0#1 : tensor<f32>
}}"""
    )
    with collect_statistics() as statistics:
        Pipeline.parse("builtin.module(autodiff)").run(module)
    assert sorted(functions(module)) == ["f", "f.fwd", "f.pullback", "main"]
    assert "4" in str(statistics)


def test_expansion_is_deterministic() -> None:
    text = (
        POWER
        + f"""
func.func @main(%n: tensor<i32>, %x: tensor<f64>) -> (tensor<f64>, tensor<f64>) {{
  %0:2 = {
            transform(
                "jvp",
                "%n, %x, %x",
                "(tensor<i32>, tensor<f64>, tensor<f64>) -> (tensor<f64>, tensor<f64>)",
                active="array<i1: false, true>",
                seeded="array<i1: true>",
            )
        }
  return %0#0, %0#1 : tensor<f64>, tensor<f64>
}}"""
    )
    modules = [parse(text) for _ in range(2)]
    for module in modules:
        default_pipeline(module).run(module)
    assert str(modules[0]) == str(modules[1])


def test_every_operation_keeps_a_location() -> None:
    vjp = transform("vjp", "%x, %x", PAIR, **ONE)
    module = parse(
        SINE.replace("stablehlo.sine %x : tensor<f32>", 'stablehlo.sine %x : tensor<f32> loc("user.py":12:3)')
        + f"""
func.func @main(%x: tensor<f32>) -> tensor<f32> {{
  %0:2 = {vjp} loc("user.py":20:1)
  return %0#1 : tensor<f32>
}}"""
    )
    transforms(module).run(module)
    lines = {
        op.name: describe(op.location)
        for function in module.body.operations
        if ir.StringAttr(function.attributes["sym_name"]).value != "f"
        for op in operations(function.operation)
        if op.name.startswith("stablehlo.") or op.name == "func.call"
    }
    assert lines == {
        "func.call": "user.py:20",
        "stablehlo.sine": "user.py:12",
        "stablehlo.cosine": "user.py:12",
        "stablehlo.multiply": "user.py:12",
    }


def test_a_chain_of_many_functions() -> None:
    count = 60
    chain = [SINE.replace("@f", f"@f{count}")]
    for k in range(count):
        name = "f" if k == 0 else f"f{k}"
        chain.append(
            f"""
func.func private @{name}(%x: tensor<f32>) -> tensor<f32> {{
  %0 = stablehlo.add %x, %x : tensor<f32>
  %1 = call @f{k + 1}(%0) : (tensor<f32>) -> tensor<f32>
  %2 = stablehlo.add %1, %x : tensor<f32>
  return %2 : tensor<f32>
}}"""
        )
    main = f"""
func.func @main(%x: tensor<f32>) -> tensor<f32> {{
  %0:2 = {transform("vjp", "%x, %x", PAIR, **ONE)}
  return %0#1 : tensor<f32>
}}"""
    module = parse("\n".join([*chain, main]))
    transforms(module).run(module)
    assert len(functions(module)) == 3 * (count + 1) + 1


def test_a_recursive_function_is_refused() -> None:
    module = parse(
        f"""
func.func private @f(%x: tensor<f32>) -> tensor<f32> {{
  %0 = call @f(%x) : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}}
func.func @main(%x: tensor<f32>) -> tensor<f32> {{
  %0:2 = {transform("vjp", "%x, %x", PAIR, **ONE)}
  return %0#1 : tensor<f32>
}}"""
    )
    transforms(module).run(module)
    with pytest.raises(MyccError, match=r"'mycc\.vjp' is left in the module"):
        check_expanded(module)


def test_a_transform_of_a_function_that_is_not_there() -> None:
    module = parse(
        f"""
func.func @main(%x: tensor<f32>) -> tensor<f32> {{
  %0:2 = {transform("vjp", "%x, %x", PAIR, **ONE)}
  return %0#1 : tensor<f32>
}}"""
    )
    transforms(module).run(module)
    with pytest.raises(MyccError, match=r"'mycc\.vjp' is left in the module"):
        check_expanded(module)
