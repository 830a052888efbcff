"""Composites survive text and portable artifacts with their rules, and are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc.dialects.composites import match_composite, rename, restore
from mycc.dialects.errors import TransformError
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import dtype_of
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import devices
from mycc.lowering.pipelines import run_default
from mycc.lowering.settings import CompileSettings
from mycc.passes.pipeline import Pipeline

POINT = np.array([0.5, -1.0, 2.0])


def custom_jvp(x: Any) -> Any:
    f = mycc.custom_jvp(lambda y: mnp.sin(y))
    f.defjvp(lambda p, t: (f(*p), 3.0 * mnp.cos(p[0]) * t[0]))
    return f(x)


def custom_vjp(x: Any) -> Any:
    f = mycc.custom_vjp(lambda y: mnp.sin(y))
    f.defvjp(lambda y: (f(y), y), lambda y, ct: (3.0 * mnp.cos(y) * ct,))
    return f(x)


def checkpoint(x: Any) -> Any:
    policy = mycc.checkpoint_policies.save_only_these_names("a")
    return mycc.checkpoint(lambda y: 3.0 * mnp.sin(y), policy=policy)(x)


def linear_solve(x: Any) -> Any:
    def solve(matvec: Any, b: Any) -> Any:
        return b / 2.0

    return mycc.lax.custom_linear_solve(lambda y: 2.0 * y, 6.0 * mnp.sin(x), solve, solve)


MODULES = {f.__name__: f for f in (custom_jvp, custom_vjp, checkpoint, linear_solve)}


def through_text(module: ir.Module) -> ir.Module:
    return ir.Module.parse(str(module), context)


def through_artifact(module: ir.Module) -> ir.Module:
    data = hlo.serialize_portable_artifact_str(str(module), hlo.get_current_version())
    found = ir.Module.parse(hlo.deserialize_portable_artifact_str(data), context)
    restore(found)
    return found


_GRADIENT = """
func.func @main(%x: tensor<3xf64>) -> tensor<3xf64> {
  %ct = stablehlo.constant dense<1.0> : tensor<3xf64>
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@f], mycc.active = array<i1: true>, mycc.seeded = array<i1: true>} : (tensor<3xf64>, tensor<3xf64>) -> (tensor<3xf64>, tensor<3xf64>)
  return %0#1 : tensor<3xf64>
}
"""


def gradient(module: ir.Module) -> np.ndarray[Any, Any]:
    """The gradient of a module's main function, by the passes alone."""
    text = str(module).replace("func.func public @main", "func.func private @f")
    end = text.rindex("}")
    derived = ir.Module.parse(text[:end] + _GRADIENT + "}", context)
    run_default(derived)
    return evaluated(derived, POINT)


def evaluated(module: ir.Module, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    result = module.body.operations[0].operation.attributes["function_type"].value.results[0]
    aval = AbstractValue(tuple(result.shape), dtype_of(result))
    executable = compile_module(module, devices=[devices()[0]], options=CompileSettings(), out_avals=(aval,))
    (found,) = executable.run([mnp.asarray(x)._data], lambda: "")
    return np.asarray(mycc.Array(found))


@pytest.mark.parametrize("journey", [through_text, through_artifact])
@pytest.mark.parametrize("name", sorted(MODULES))
def test_rules_survive(name: str, journey: Any) -> None:
    module = journey(mycc.jit(MODULES[name]).trace(POINT).module)
    Pipeline.parse("builtin.module(symbol-dce,canonicalize,cse)").run(module)
    np.testing.assert_allclose(gradient(module), 3.0 * np.cos(POINT), rtol=1e-12)


def test_a_tool_that_does_not_know_mycc_runs_the_decomposition() -> None:
    module = mycc.jit(custom_jvp).trace(POINT).module
    Pipeline.parse("builtin.module(func.func(stablehlo-legalize-composite-to-call),inline,symbol-dce)").run(
        module
    )
    assert [op.operation.name for op in module.body.operations] == ["func.func"]
    np.testing.assert_allclose(evaluated(module, POINT), np.sin(POINT))


def test_an_artifact_that_is_not_restored_is_refused() -> None:
    module = mycc.jit(custom_jvp).trace(POINT).module
    data = hlo.serialize_portable_artifact_str(str(module), hlo.get_current_version())
    read = ir.Module.parse(hlo.deserialize_portable_artifact_str(data), context)
    with pytest.raises(
        TransformError, match="its rule 'jvp' names no function; it must name a function by symbol"
    ):
        Pipeline.parse("builtin.module(autodiff)").run(read)


def test_restoring_refuses_a_rule_that_was_deleted() -> None:
    module = mycc.jit(custom_jvp).trace(POINT).module
    data = hlo.serialize_portable_artifact_str(str(module), hlo.get_current_version())
    read = ir.Module.parse(hlo.deserialize_portable_artifact_str(data), context)
    Pipeline.parse("builtin.module(symbol-dce)").run(read)
    with pytest.raises(TransformError, match="which is not in the module"):
        restore(read)


def test_views_and_renaming() -> None:
    module = ir.Module.parse(
        """
        func.func private @f(%x: tensor<f32>, %n: tensor<i32>, %c: tensor<f32>) -> tensor<f32> {
          return %x : tensor<f32>
        }
        func.func @main(%x: tensor<f32>, %n: tensor<i32>) -> tensor<f32> {
          %0 = stablehlo.composite "mycc.custom_jvp" %x, %n, %x {composite_attributes = {arguments = 2 : i64, jvp = @r}, decomposition = @f} : (tensor<f32>, tensor<i32>, tensor<f32>) -> tensor<f32>
          return %0 : tensor<f32>
        }
        """,
        context,
    )
    op = module.body.operations[1].operation.regions[0].blocks[0].operations[0].operation
    found = match_composite(op)
    assert found is not None
    assert (found.kind, found.decomposition, found.rules) == ("mycc.custom_jvp", "f", {"jvp": "r"})
    assert found.differentiable == (True, False, False)
    rename(op, {"f": "g", "r": "s"})
    renamed = match_composite(op)
    assert renamed is not None
    assert (renamed.decomposition, renamed.rules, renamed.arguments) == ("g", {"jvp": "s"}, 2)
