"""Modules compiled and run, against NumPy; options, hand-off checks, serialization, artifacts."""

from __future__ import annotations

import shutil
import threading
from typing import Any

import numpy as np
import pytest

from mycc.dialects.errors import MyccError, PassError
from mycc.dialects.mlir import context, ir
from mycc.lowering import buffers, pjrt
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import default_device
from mycc.lowering.executable import deserialize
from mycc.lowering.handover import check_handover
from mycc.lowering.settings import CompileSettings

WAVE = """
func.func @main(%a: tensor<64x64xf32>, %b: tensor<64x64xf32>) -> (tensor<64x64xf32>, tensor<64x64xf32>) {
  %0 = stablehlo.sine %a : tensor<64x64xf32>
  %1 = stablehlo.optimization_barrier %0 : tensor<64x64xf32>
  %2 = stablehlo.add %1, %b : tensor<64x64xf32>
  %3 = stablehlo.dot_general %2, %b, contracting_dims = [1] x [0]
      : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  return %2, %3 : tensor<64x64xf32>, tensor<64x64xf32>
}
"""


def parse(text: str) -> ir.Module:
    with context:
        return ir.Module.parse(text)


def build(text: str, **arguments: Any) -> Any:
    return compile_module(parse(text), devices=[default_device()], **arguments)


def data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return tuple(np.random.default_rng(0).standard_normal((2, 64, 64)).astype(np.float32))


def check(results: list[Any], x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> None:
    first, second = map(buffers.to_numpy, results)
    np.testing.assert_allclose(first, np.sin(x) + y, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(second, (np.sin(x) + y) @ y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tiny", [False, True])
def test_runs(tiny: bool) -> None:
    x, y = data()
    executable = build(WAVE, options=CompileSettings(tiny=tiny))
    assert executable.in_avals == [AbstractValue((64, 64), "float32")] * 2 == executable.out_avals
    check(executable.execute([buffers.put(x), buffers.put(y)]), x, y)
    assert executable.cost_analysis()["flops"] > 64**3
    assert executable.memory_stats()["argument"] == 2 * x.nbytes


def test_given_result_avals() -> None:
    weak = AbstractValue((), "float32", True)
    text = """
    func.func @main() -> tensor<f32> {
      %0 = stablehlo.constant dense<2.0> : tensor<f32>
      return %0 : tensor<f32>
    }
    """
    (result,) = build(text, out_avals=[weak]).execute([])
    assert buffers.abstract(result) is weak and buffers.to_numpy(result) == 2


def test_barriers_hold() -> None:
    assert "opt-barrier" in build(WAVE).hlo_text()
    more = CompileSettings(env_option_overrides=(("xla_disable_hlo_passes", "algsimp"),))
    assert "opt-barrier" in build(WAVE, options=more).hlo_text()


def test_donation() -> None:
    x, y = data()
    a, b = buffers.put(x), buffers.put(y)
    check(build(WAVE, donated=[0]).execute([a, b]), x, y)
    assert a.is_deleted() and not b.is_deleted()
    marked = WAVE.replace("%a: tensor<64x64xf32>", "%a: tensor<64x64xf32> {tf.aliasing_output = 1 : i32}")
    a = buffers.put(x)
    check(build(marked, donated=[0]).execute([a, b]), x, y)
    assert a.is_deleted()


def test_donation_spares_memory_that_numpy_sees() -> None:
    x, y = data()
    a = buffers.put(x)
    view = buffers.to_numpy(a)
    check(build(WAVE, donated=[0]).execute([a, buffers.put(y)]), x, y)
    np.testing.assert_array_equal(view, x)


def test_serialization() -> None:
    x, y = data()
    weak = AbstractValue((64, 64), "float32", True)
    written = build(WAVE, donated=[0], out_avals=[weak, weak]).serialize()
    read = deserialize(written, devices=[default_device()])
    assert read.out_avals == [weak, weak]
    a = buffers.put(x)
    check(read.execute([a, buffers.put(y)]), x, y)
    assert a.is_deleted()
    for damaged in (b"", written[:-100], written[:30], b"x" + written, written.replace(b"cpu", b"tpu", 1)):
        with pytest.raises(MyccError):
            deserialize(damaged, devices=[default_device()])


def test_artifacts() -> None:
    executable = build(WAVE, options=CompileSettings(keep_module=True))
    assert "define " in executable.llvm_ir()
    if shutil.which("llvm-objdump") or shutil.which("objdump"):
        assert "ret" in executable.assembly()
    else:
        with pytest.raises(MyccError, match="objdump"):
            executable.assembly()
    with pytest.raises(MyccError, match="keep_module"):
        build(WAVE).llvm_ir()


def test_assembly_without_a_disassembler(monkeypatch: pytest.MonkeyPatch) -> None:
    executable = build(WAVE, options=CompileSettings(keep_module=True))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MyccError, match="objdump"):
        executable.assembly()


def test_hand_off_is_checked() -> None:
    with pytest.raises(PassError, match="no function @main"):
        check_handover(parse("func.func @other() { return }"))
    circle = """
    func.func @main() { call @f() : () -> () return }
    func.func private @f() { call @g() : () -> () return }
    func.func private @g() { call @f() : () -> () return }
    """
    with pytest.raises(PassError, match=r"@f -> @g -> @f"):
        check_handover(parse(circle))
    diamond = """
    func.func @main() { call @f() : () -> () call @g() : () -> () return }
    func.func private @f() { call @h() : () -> () return }
    func.func private @g() { call @h() : () -> () return }
    func.func private @h() { return }
    """
    check_handover(parse(diamond))
    unexpanded = """
    func.func @main(%x: tensor<f32>) -> tensor<f32> {
      %0 = stablehlo.custom_call @mycc.vjp(%x) : (tensor<f32>) -> tensor<f32>
      return %0 : tensor<f32>
    }
    """
    with pytest.raises(PassError, match=r"mycc\.vjp"):
        build(unexpanded)


def test_errors_of_xla_are_named() -> None:
    unknown = """
    func.func @main(%x: tensor<f32>) -> tensor<f32> {
      %0 = stablehlo.custom_call @no_such_target(%x) : (tensor<f32>) -> tensor<f32>
      return %0 : tensor<f32>
    }
    """
    with pytest.raises((PassError, pjrt.XlaRuntimeError), match="no_such_target"):
        buffers.to_numpy(build(unknown).execute([buffers.put(np.float32(1))])[0])
    with pytest.raises(PassError, match="xla_no_such_flag"):
        build(WAVE, options=CompileSettings(env_option_overrides=(("xla_no_such_flag", 1),)))
    with pytest.raises(PassError, match="static shape"):
        build("func.func @main(%x: tensor<?xf32>) { return }")


def test_lapack_kernels_are_bound() -> None:
    text = """
    func.func @main(%a: tensor<3x3xf64>) -> (tensor<3x3xf64>, tensor<i32>) {
      %0:2 = stablehlo.custom_call @lapack_dpotrf_ffi(%a) {
        api_version = 4 : i32, backend_config = {uplo = 76 : ui8},
        operand_layouts = [dense<[0, 1]> : tensor<2xindex>],
        result_layouts = [dense<[0, 1]> : tensor<2xindex>, dense<> : tensor<0xindex>]
      } : (tensor<3x3xf64>) -> (tensor<3x3xf64>, tensor<i32>)
      return %0#0, %0#1 : tensor<3x3xf64>, tensor<i32>
    }
    """
    a = np.array([[4.0, 2, 1], [2, 5, 3], [1, 3, 6]])
    factor, info = build(text).execute([buffers.put(a)])
    assert buffers.to_numpy(info) == 0
    np.testing.assert_allclose(np.tril(buffers.to_numpy(factor)), np.linalg.cholesky(a), rtol=1e-12)


def test_threads_compile_and_run_at_once() -> None:
    failures: list[Exception] = []

    def work(seed: int) -> None:
        try:
            text = WAVE.replace("64x64", f"{8 + seed}x{8 + seed}")
            x, y = np.random.default_rng(seed).standard_normal((2, 8 + seed, 8 + seed)).astype(np.float32)
            executable = build(text)
            for _ in range(20):
                check(executable.execute([buffers.put(x), buffers.put(y)]), x, y)
        except (AssertionError, PassError, pjrt.XlaRuntimeError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
