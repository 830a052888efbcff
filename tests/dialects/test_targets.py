"""Records of custom calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from cases import Program, executable, expand
from emission import cotangents
from harness import Case, check_batch, check_forward, check_reverse, check_transpose, check_values, sampler

from mycc.dialects import ops, transform
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.mlir import context, ir, unknown
from mycc.dialects.types import element_type, tensor

Value = ir.Value


def custom_call(
    target: str,
    operands: Sequence[Value],
    types: Sequence[ir.Type],
    effects: bool = False,
    **attributes: ir.Attribute,
) -> list[Value]:
    common = {
        "call_target_name": ir.StringAttr.get(target),
        "has_side_effect": ops.boolean(effects),
        "api_version": ir.IntegerAttr.get(ops.I32, 1),
    }
    return list(ops.create("stablehlo.custom_call", list(types), list(operands), common | attributes).results)


def sharded() -> Case:
    def build(x: Value) -> Value:
        hint = {"mhlo.sharding": ir.StringAttr.get("{replicated}"), "backend_config": ir.StringAttr.get("")}
        return ops.sin(custom_call("Sharding", [ops.mul(x, x)], [x.type], **hint)[0])

    return Case("sharded", build, sampler(((3,), float)), lambda x: np.sin(x * x))


def placed() -> Case:
    def build(x: Value) -> Value:
        where = ir.DictAttr.get({"_xla_buffer_placement": ir.StringAttr.get("device")})
        found = custom_call("annotate_device_placement", [x], [x.type], **{"mhlo.frontend_attributes": where})
        return ops.mul(found[0], x)

    return Case("placed", build, sampler(((2, 2), float)), lambda x: x * x)


def top(k: int, largest: bool = True) -> Case:
    def build(x: Value) -> Sequence[Value]:
        shape = (*x.type.shape[:-1], k)
        options = ir.DictAttr.get(
            {"k": ops.i64(k), "largest": ops.boolean(largest)},
        )
        types = [tensor(shape, ops.element_of(x)), tensor(shape, ops.I32)]
        return custom_call(
            "mhlo.topk", [x], types, **{"mhlo.attributes": options, "mhlo.version": ops.i64(1)}
        )

    def oracle(x: Any) -> Any:
        order = np.argsort(-x if largest else x, -1, kind="stable")[..., :k]
        return [np.take_along_axis(x, order, -1), order]

    return Case(f"top{k}{largest}", build, sampler(((2, 5), np.float32)), oracle, rtol=1e-6, atol=1e-6)


def widened(k: int) -> Case:
    return Case(f"least{k}", top(k, False).build, sampler(((2, 5), float)))


PLACEMENTS = [sharded(), placed()]


def test_placements() -> None:
    check_values(PLACEMENTS)
    check_forward(PLACEMENTS)
    check_reverse(PLACEMENTS)
    check_transpose(PLACEMENTS)
    check_batch(PLACEMENTS)


def test_a_cotangent_is_placed_as_well() -> None:
    program, case = Program(), sharded()
    f = program.function(case, [np.ones(3)])
    with program.main():
        x = program.input(np.ones(3))
        program.output(transform.vjp(f, (True,), (True,), [x], [x]))
    with context, unknown:
        program._close(program._main, program._block, program._outputs)
    expand(program.module)
    assert str(program.module).count("@Sharding") == 2


def test_greatest_elements() -> None:
    cases = [top(2), top(5), top(2, False)]
    check_values(cases)
    check_batch(cases)
    check_reverse(map(widened, [2, 5]))
    x, ct = np.array([[3, 1, 2, 5, 4]], np.float32), np.array([[1, 10]], np.float32)
    (got,) = cotangents(top(2), [np.repeat(x, 2, 0)], [np.repeat(ct, 2, 0)])
    np.testing.assert_array_equal(got, [[0, 0, 0, 1, 10]] * 2)


APPROXIMATE = """
func.func private @greater(%a: tensor<f32>, %b: tensor<f32>, %i: tensor<i32>, %j: tensor<i32>) -> tensor<i1> {
  %0 = stablehlo.compare GT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
  return %0 : tensor<i1>
}
func.func private @f(%x: tensor<2x6xf32>) -> tensor<2x3xf32> {
  %i = stablehlo.iota dim = 1 : tensor<2x6xi32>
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %none = stablehlo.constant dense<-1> : tensor<i32>
  %0:2 = stablehlo.custom_call @ApproxTopK(%x, %i, %low, %none) {called_computations = [@greater],
    mhlo.backend_config = {aggregate_to_topk = true, is_fallback = true, recall_target = 0.95 : f32,
    reduction_dim = 1 : i64, reduction_input_size_override = -1 : i64, top_k = 3 : i64}}
    : (tensor<2x6xf32>, tensor<2x6xi32>, tensor<f32>, tensor<i32>) -> (tensor<2x3xf32>, tensor<2x3xi32>)
  return %0#0 : tensor<2x3xf32>
}
func.func private @tangent(%x: tensor<2x6xf32>, %t: tensor<2x6xf32>) -> tensor<2x3xf32> {
  %0:2 = stablehlo.custom_call @mycc.jvp(%x, %t) {called_computations = [@f], mycc.active = array<i1: true>,
    mycc.seeded = array<i1: true>} : (tensor<2x6xf32>, tensor<2x6xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  return %0#1 : tensor<2x3xf32>
}
func.func @main(%x: tensor<2x6xf32>, %ct: tensor<2x3xf32>, %xs: tensor<4x2x6xf32>)
    -> (tensor<2x3xf32>, tensor<2x6xf32>, tensor<4x2x3xf32>) {
  %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@f], mycc.active = array<i1: true>,
    mycc.seeded = array<i1: true>} : (tensor<2x6xf32>, tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x6xf32>)
  %1 = stablehlo.custom_call @mycc.vmap(%xs, %xs) {called_computations = [@tangent],
    mycc.in_axes = array<i64: 0, 0>, mycc.out_axes = array<i64: 0>, mycc.axis_size = 4 : i64}
    : (tensor<4x2x6xf32>, tensor<4x2x6xf32>) -> tensor<4x2x3xf32>
  return %0#0, %0#1, %1 : tensor<2x3xf32>, tensor<2x6xf32>, tensor<4x2x3xf32>
}
"""


def test_approximate_choices() -> None:
    with context:
        module = ir.Module.parse(APPROXIMATE)
    expand(module)
    rng = np.random.default_rng(0)
    x, xs = rng.normal(size=(2, 6)).astype(np.float32), rng.normal(size=(4, 2, 6)).astype(np.float32)
    ct = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    value, pulled, mapped = executable(module)([x, ct, xs])
    order = np.argsort(-x, 1)[:, :3]
    np.testing.assert_array_equal(value, np.take_along_axis(x, order, 1))
    want = np.zeros_like(x)
    np.put_along_axis(want, order, ct, 1)
    np.testing.assert_array_equal(pulled, want)
    # The tangent is the operand, so that it is chosen from itself.
    np.testing.assert_array_equal(mapped, -np.sort(-xs, -1)[..., :3])


def expanded(case: Case, operands: Sequence[Any], reverse: bool) -> str:
    """The module that batches or differentiates a case, which cannot be run here."""
    program = Program()
    f = program.function(case, operands)
    with program.main():
        values = [program.input(x) for x in operands]
        if reverse:
            program.output(transform.vjp(f, (True,), (True,), values, values))
        else:
            rows = [
                ops.broadcast_in_dim(x, (4, *x.type.shape), range(1, len(x.type.shape) + 1)) for x in values
            ]
            program.output(transform.vmap(f, [0], [0], 4, None, rows))
    with context, unknown:
        program._close(program._main, program._block, program._outputs)
    assert program.module.operation.verify()
    expand(program.module)
    assert program.module.operation.verify()
    return str(program.module)


def unknown_call(effects: bool) -> Case:
    return Case("unknown", lambda x: custom_call("mystery", [x], [x.type], effects), sampler(((3,), float)))


def test_unknown_targets() -> None:
    with pytest.raises(UnsupportedOperationError, match=r"'mystery'.*mycc.custom_jvp"):
        expanded(unknown_call(False), [np.ones(3)], True)
    text = expanded(unknown_call(False), [np.ones(3)], False)
    assert "stablehlo.while" in text and "@mystery" in text and "tensor<3xf64>" in text
    with pytest.raises(UnsupportedOperationError, match="side effects"):
        expanded(unknown_call(True), [np.ones(3)], False)


def test_calls_between_whole_arrays_and_shards() -> None:
    case = Case(
        "shards",
        lambda x: custom_call("SPMDFullToShardShape", [x], [tensor((1,), ops.element_of(x))]),
        sampler(((2,), float)),
    )
    for build in (_differentiated, _mapped):
        program = Program()
        f = program.function(case, [np.ones(2)])
        with program.main():
            program.output(build(f, program.input(np.ones(2))))
        with pytest.raises(UnsupportedOperationError, match="before it is partitioned"):
            program.run()


def _differentiated(f: transform.Callee, x: Value) -> list[Value]:
    return transform.jvp(f, (True,), (True,), [x], [x])


def _mapped(f: transform.Callee, x: Value) -> list[Value]:
    return transform.vmap(f, [0], [0], 2, None, [ops.broadcast_in_dim(x, (2, 2), [1])])


def test_random_bits_of_a_gpu() -> None:
    u32 = element_type("uint32")

    def build(x: Value) -> Value:
        bits = ops.convert(x, u32)
        first, second = custom_call("cu_threefry2x32_ffi", [bits] * 4, [bits.type] * 2)
        return ops.mul(x, ops.convert(ops.xor(first, second), ops.element_of(x)))

    case = Case("threefry", build, sampler(((3,), float)))
    assert "cu_threefry2x32_ffi" in expanded(case, [np.ones(3)], True)
    assert "stablehlo.while" in expanded(case, [np.ones(3)], False)
