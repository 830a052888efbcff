"""Simplify against XLA: every function of the lit tests gives the same numbers before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counting import counted_calls

from mycc.dialects.errors import PassError, PipelineError
from mycc.dialects.mlir import context, ir
from mycc.dialects.types import dtype_of
from mycc.lowering.buffers import put, to_numpy
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import default_device
from mycc.lowering.pipelines import run_default
from mycc.passes.base import collect_statistics
from mycc.passes.pattern import Op, Pattern, PatternSet, Rewriter, rewrite
from mycc.passes.pipeline import Pipeline
from mycc.passes.simplify import INEXACT, PATTERNS, Simplify

FOLDER = Path(__file__).parent / "simplify"
# Functions that call each other are not taken one by one.
FILES = sorted(path for path in FOLDER.glob("*.mlir") if path.stem != "functions")


def functions() -> list[tuple[str, str]]:
    found = []
    for path in FILES:
        module = ir.Module.parseFile(str(path), context=context)
        names = [ir.StringAttr(f.attributes["sym_name"]).value for f in module.body.operations]
        found += [(path.name, name) for name in names]
    return found


def module_of(file: str, name: str) -> ir.Module:
    """One function of a file as a module whose entry it is."""
    module = ir.Module.parseFile(str(FOLDER / file), context=context)
    for function in list(module.body.operations):
        if ir.StringAttr(function.attributes["sym_name"]).value != name:
            function.operation.erase()
        else:
            function.attributes["sym_name"] = ir.StringAttr.get("main", context=context)
    return module


def sample(type_: ir.Type, rng: np.random.Generator, whole: bool = False) -> np.ndarray:
    dtype, shape = dtype_of(type_), tuple(type_.shape)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0, 3, shape).astype(dtype)
    if dtype.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    values = rng.normal(size=shape)
    return (np.round(4 * values) if whole else values).astype(dtype)


def run(module: ir.Module, arguments: list[np.ndarray]) -> list[np.ndarray]:
    executable = compile_module(module, devices=[default_device()])
    return [to_numpy(a) for a in executable.execute([put(a, default_device()) for a in arguments])]


CURES: dict[str, tuple[str, Any]] = {
    "reduce_of_unit_dims_from_a_value": ("reduce.mlir", lambda x, i: x[0] + i),
    "scatter_without_indices": ("scatter.mlir", lambda x, i, u: x + np.array([u.sum(), 0, 0])),
}


# What may differ in its last bits.
ROUNDED = {"power_of_halves", "power"}
# The order in which these add up is the backend's, so they get numbers whose sums are exact.
SUMS = {"convolution.mlir", "dot.mlir", "movement.mlir", "reduce.mlir", "windows.mlir"}


@pytest.mark.parametrize(("file", "name"), functions())
def test_values_are_unchanged(file: str, name: str) -> None:
    module = module_of(file, name)
    function = module.body.operations[0]
    inputs = function.type.inputs
    if any(n < 0 for t in inputs for n in t.shape):
        pytest.skip("XLA runs static shapes only")
    if name in CURES:
        pytest.skip("XLA computes something else unsimplified")
    rng = np.random.default_rng(0)
    arguments = [sample(t, rng, file in SUMS) for t in inputs]
    expected = run(module, arguments)
    Pipeline([Simplify(inexact=True)]).run(module)
    for before, after in zip(expected, run(module, arguments), strict=True):
        if name in ROUNDED:
            np.testing.assert_allclose(after.astype(np.float64), before.astype(np.float64), rtol=2e-6)
        else:
            np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("pattern", [p.label for p in PATTERNS])
def test_each_pattern_fires_in_the_lit_tests(pattern: str) -> None:
    texts = [text for path in FOLDER.glob("*.mlir") for text in path.read_text().split("// -----")]
    with collect_statistics() as statistics:
        for text in texts:
            Pipeline([Simplify(inexact=True)]).run(ir.Module.parse(text, context=context))
    assert statistics["simplify"][pattern] > 0


@pytest.mark.parametrize("name", CURES)
def test_what_xla_computes_wrongly(name: str) -> None:
    file, expected = CURES[name]
    module = module_of(file, name)
    rng = np.random.default_rng(0)
    arguments = [sample(t, rng) for t in module.body.operations[0].type.inputs]
    Pipeline([Simplify(inexact=True)]).run(module)
    np.testing.assert_allclose(run(module, arguments)[0], expected(*arguments), rtol=1e-6)


def test_a_disabled_pattern_does_not_fire() -> None:
    with collect_statistics() as statistics:
        Pipeline([Simplify(disable=("involution",), inexact=True)]).run(
            module_of("algebra.mlir", "involution")
        )
    assert not statistics


def test_these_patterns_and_no_others_may_change_a_float() -> None:
    differing = {p.label: p.differs for p in PATTERNS if p.differs}
    order, zero = "the order in which a sum is added up", "the sign of a zero"
    assert tuple(differing) == INEXACT
    assert differing == {
        "sum-with-zero": zero,
        "power-of-halves": "the last bits",
        "reduce-of-transpose": order,
        "convolution-of-one-element": order,
        "reduce-of-unit-dims": zero,
        "reduce-of-reshape": zero,
        "reduce-of-broadcast": order,
        "reduce-of-reduce": order,
        "sum-of-negation": zero,
        "sum-of-pads": zero,
        "windows-apart": order,
    }


def test_an_unknown_pattern_to_disable_is_an_error() -> None:
    with pytest.raises(PipelineError, match=r"no pattern 'involutio' .did you mean 'involution'"):
        Pipeline.parse("simplify{disable=involutio}")


def test_locations_are_those_of_the_replaced_operations() -> None:
    text = """
    func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
      %0 = stablehlo.negate %y : tensor<4xf32> loc("user.py":3:5)
      %1 = stablehlo.add %x, %0 : tensor<4xf32> loc("user.py":4:5)
      return %1 : tensor<4xf32>
    }"""
    module = ir.Module.parse(text, context=context)
    Pipeline([Simplify(inexact=True)]).run(module)
    operation = module.body.operations[0].regions[0].blocks[0].operations[0]
    assert operation.name == "stablehlo.subtract"
    assert str(operation.location) == 'loc("user.py":4:5)'


def test_an_operation_that_carries_a_sharding_is_left_alone() -> None:
    text = """
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = stablehlo.reshape %x {mhlo.sharding = "{replicated}"} : (tensor<4xf32>) -> tensor<4xf32>
      return %0 : tensor<4xf32>
    }"""
    module = ir.Module.parse(text, context=context)
    Pipeline([Simplify(inexact=True)]).run(module)
    assert "mhlo.sharding" in str(module)


@pytest.mark.parametrize("type_", ["i32", "ui8", "i64"])
@pytest.mark.parametrize("name", ["divide", "remainder"])
def test_constants_divided_by_zero_give_what_they_do_at_run_time(name: str, type_: str) -> None:
    # Unsimplified they would end the process in XLA's constant folding.
    lowest, minus_one = (0, 255) if type_ == "ui8" else (-(2**31), -1)
    x, y = [lowest, 7, 100, -lowest // 2], [minus_one, 0, 3, 0]
    tensor = f"tensor<4x{type_}>"
    body = f"%0 = stablehlo.{name} %x, %y : {tensor} return %0 : {tensor} }}"
    module = ir.Module.parse(f"func.func @main(%x: {tensor}, %y: {tensor}) -> {tensor} {{ {body}", context)
    dtype = dtype_of(module.body.operations[0].type.inputs[0])
    expected = run(module, [np.array(x, dtype), np.array(y, dtype)])[0]
    for a, b in ((x, y), (7, 0)):
        constants = (
            f"%x = stablehlo.constant dense<{a}> : {tensor} %y = stablehlo.constant dense<{b}> : {tensor}"
        )
        module = ir.Module.parse(f"func.func @main() -> {tensor} {{ {constants} {body}", context)
        Pipeline([Simplify(inexact=True)]).run(module)
        assert name not in str(module)
        np.testing.assert_array_equal(run(module, [])[0], expected if a == x else np.full(4, expected[1]))


def test_patterns_work_inside_regions_and_called_functions() -> None:
    text = """
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %zero = stablehlo.constant dense<0> : tensor<i32>
      %ten = stablehlo.constant dense<10> : tensor<i32>
      %one = stablehlo.constant dense<1> : tensor<i32>
      %0:2 = stablehlo.while(%i = %zero, %a = %x) : tensor<i32>, tensor<4xf32>
        cond { %c = stablehlo.compare LT, %i, %ten : (tensor<i32>, tensor<i32>) -> tensor<i1>
               stablehlo.return %c : tensor<i1> }
        do { %n = stablehlo.negate %a : tensor<4xf32>
             %m = stablehlo.negate %n : tensor<4xf32>
             %b = func.call @f(%m) : (tensor<4xf32>) -> tensor<4xf32>
             %j = stablehlo.add %i, %one : tensor<i32>
             stablehlo.return %j, %b : tensor<i32>, tensor<4xf32> }
      return %0#1 : tensor<4xf32>
    }
    func.func private @f(%x: tensor<4xf32>) -> tensor<4xf32> {
      %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
      %0 = stablehlo.add %x, %zero : tensor<4xf32>
      return %0 : tensor<4xf32>
    }"""
    module = ir.Module.parse(text, context=context)
    Pipeline([Simplify(inexact=True)]).run(module)
    assert "negate" not in str(module)
    assert "dense<0.0" not in str(module)


def test_what_has_effects_is_kept() -> None:
    text = """
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = stablehlo.custom_call @print(%x) {has_side_effect = true} : (tensor<4xf32>) -> tensor<4xf32>
      %1 = stablehlo.custom_call @pure(%x) : (tensor<4xf32>) -> tensor<4xf32>
      %2 = func.call @prints(%x) : (tensor<4xf32>) -> tensor<4xf32>
      %3 = func.call @computes(%x) : (tensor<4xf32>) -> tensor<4xf32>
      return %x : tensor<4xf32>
    }
    func.func private @prints(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = stablehlo.custom_call @print(%x) {has_side_effect = true} : (tensor<4xf32>) -> tensor<4xf32>
      return %x : tensor<4xf32>
    }
    func.func private @computes(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = stablehlo.exponential %x : tensor<4xf32>
      return %0 : tensor<4xf32>
    }"""
    module = ir.Module.parse(text, context=context)
    Pipeline([Simplify(inexact=True)]).run(module)
    main = str(module.body.operations[0])
    assert "@print(" in main
    assert "@prints" in main
    assert "@pure" not in main
    assert "@computes" not in main


class _There(Pattern):
    """negate to abs."""

    op_names = ("stablehlo.negate",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        from mycc.dialects import ops

        return rewriter.replace(op, lambda: ops.abs_(op.operand(0)))


class _BackAgain(Pattern):
    """abs to negate."""

    op_names = ("stablehlo.abs",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        from mycc.dialects import ops

        return rewriter.replace(op, lambda: ops.neg(op.operand(0)))


def test_patterns_that_chase_each_other_are_stopped() -> None:
    module = module_of("algebra.mlir", "involution")
    with pytest.raises(PassError, match=r"did not end after 100 rewrites.*'there' .*'back-again'"):
        rewrite(module.operation, PatternSet([_There(), _BackAgain()]), max_rewrites=100)


def test_work_is_linear_in_operations() -> None:
    def calls(count: int) -> int:
        lines = [
            f"%{i} = stablehlo.{'add' if i % 2 else 'multiply'} %{i - 1}, %{i // 2} : tensor<4xf32>"
            for i in range(1, count)
        ]
        text = "\n".join(lines)
        module = ir.Module.parse(
            f"func.func @main(%0: tensor<4xf32>) -> tensor<4xf32> {{\n{text.replace('%0', '%arg')}\n"
            f"return %{count - 1} : tensor<4xf32> }}".replace("@main(%0", "@main(%arg"),
            context=context,
        )
        with counted_calls() as counted:
            Pipeline([Simplify(inexact=True)]).run(module)
        return counted()

    calls(100)
    few, many = calls(500), calls(4_000)
    assert 7 * few < many < 9 * few


@pytest.mark.parametrize(("value", "rounded"), [("", True), ("0", True), ("1", False)])
def test_jit_rounds_powers_unless_it_is_to_be_exact(
    monkeypatch: pytest.MonkeyPatch, value: str, rounded: bool
) -> None:
    monkeypatch.setenv("MYCC_EXACT", value)
    module = module_of("algebra.mlir", "power_of_halves")
    run_default(module)
    assert ("stablehlo.power" not in str(module)) == rounded
