"""Host callbacks below the frontend: the table, the hand-over, and what is refused."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from mycc.dialects.errors import CallbackError, PassError
from mycc.dialects.mlir import context, ir
from mycc.lowering import callbacks
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.callbacks import HostFunction, functions_of, register
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import default_device
from mycc.lowering.host_calls import prepare

F32 = np.dtype(np.float32)


def parse(body: str, entry: HostFunction, more: str = "") -> ir.Module:
    text = f"""
    func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {{
      {body}
    }}
    {more}
    """
    attributes = f'mycc.function = {entry.number} : i64, mycc.name = "{entry.name}"'
    with context:
        return ir.Module.parse(
            text.replace("DEBUG", f"{{has_side_effect = true, {attributes}}}").replace(
                "PURE", f"{{{attributes}}}"
            )
        )


def doubling(seen: list[Any]) -> HostFunction:
    def call(arrays: list[Any]) -> list[Any]:
        seen.append(arrays[0])
        return [2 * arrays[0]]

    return register(object(), lambda: HostFunction(call, "double", None))


def run(module: ir.Module, x: Any) -> Any:
    from mycc.lowering import buffers

    executable = compile_module(module, devices=[default_device()])
    data = buffers.put(np.asarray(x, np.float32), executable.devices[0], committed=False, weak_type=False)
    return [buffers.to_numpy(out) for out in executable.run([data], lambda: "here")]


def test_equal_keys_find_one_entry_and_the_table_holds_none() -> None:
    first = register(("key", 1), lambda: HostFunction(lambda arrays: [], "f"))
    assert register(("key", 1), lambda: HostFunction(lambda arrays: [], "g")) is first
    assert register(("key", 2), lambda: HostFunction(lambda arrays: [], "g")) is not first
    number = first.number
    assert callbacks._table[number] is first
    del first
    gc.collect()
    assert number not in callbacks._table
    assert register(("key", 1), lambda: HostFunction(lambda arrays: [], "h")).number != number


def test_the_module_is_left_as_it_is() -> None:
    entry = doubling([])
    module = parse(
        "%0 = stablehlo.custom_call @mycc.callback.pure(%x) PURE : (tensor<2xf32>) -> tensor<2xf32>\n"
        "return %0 : tensor<2xf32>",
        entry,
    )
    before = str(module)
    assert functions_of(module) == (entry,)
    prepared = prepare(module, "cpu")
    assert prepared is not None
    assert str(module) == before
    text = str(prepared.module)
    assert "mycc." not in text
    assert "xla_ffi_python_cpu_callback" in text
    assert "create_token" not in text
    np.testing.assert_array_equal(run(module, [1, 2])[0], [2, 4])


def test_a_module_without_callbacks_is_not_copied() -> None:
    entry = doubling([])
    assert prepare(parse("return %x : tensor<2xf32>", entry), "cpu") is None


def noting(seen: list[Any]) -> HostFunction:
    def call(arrays: list[Any]) -> list[Any]:
        seen.append(arrays[0].tolist())
        return []

    return register(object(), lambda: HostFunction(call, "note"))


def test_effects_take_a_token_through_calls() -> None:
    seen: list[Any] = []
    entry = noting(seen)
    module = parse(
        """stablehlo.custom_call @mycc.callback.debug(%x) DEBUG : (tensor<2xf32>) -> ()
        %0 = call @f(%x) : (tensor<2xf32>) -> tensor<2xf32>
        %1 = call @f(%0) : (tensor<2xf32>) -> tensor<2xf32>
        stablehlo.custom_call @mycc.callback.debug(%x) DEBUG : (tensor<2xf32>) -> ()
        return %1 : tensor<2xf32>""",
        entry,
        """func.func private @f(%x: tensor<2xf32>) -> tensor<2xf32> {
        %0 = stablehlo.add %x, %x : tensor<2xf32>
        stablehlo.custom_call @mycc.callback.debug(%0) DEBUG : (tensor<2xf32>) -> ()
        return %0 : tensor<2xf32>
        }""",
    )
    prepared = prepare(module, "cpu")
    assert prepared is not None
    assert "@f(%arg0: tensor<2xf32>, %arg1: !stablehlo.token) -> (tensor<2xf32>, !stablehlo.token)" in str(
        prepared.module
    )
    np.testing.assert_array_equal(run(module, [1, 2])[0], [4, 8])
    assert seen == [[1, 2], [2, 4], [4, 8], [1, 2]]


def test_a_public_function_that_is_called_is_refused() -> None:
    entry = noting([])
    module = parse(
        "%0 = call @f(%x) : (tensor<2xf32>) -> tensor<2xf32>\nreturn %0 : tensor<2xf32>",
        entry,
        """func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
        stablehlo.custom_call @mycc.callback.debug(%x) DEBUG : (tensor<2xf32>) -> ()
        return %x : tensor<2xf32>
        }""",
    )
    with pytest.raises(PassError, match="refers to @f, which has effects"):
        prepare(module, "cpu")


def test_a_callback_in_a_composite_is_refused() -> None:
    entry = noting([])
    module = parse(
        """%0 = stablehlo.composite "my.f" %x {decomposition = @f} : (tensor<2xf32>) -> tensor<2xf32>
        return %0 : tensor<2xf32>""",
        entry,
        """func.func private @f(%x: tensor<2xf32>) -> tensor<2xf32> {
        stablehlo.custom_call @mycc.callback.debug(%x) DEBUG : (tensor<2xf32>) -> ()
        return %x : tensor<2xf32>
        }""",
    )
    with pytest.raises(PassError, match=r"'stablehlo\.composite' refers to @f"):
        compile_module(module, devices=[default_device()])


def test_a_callback_in_a_kernel_is_refused() -> None:
    entry = noting([])
    module = parse(
        """%zero = stablehlo.constant dense<0.0> : tensor<f32>
        %0 = stablehlo.reduce(%x init: %zero) across dimensions = [0] : (tensor<2xf32>, tensor<f32>) -> tensor<f32>
          reducer(%a: tensor<f32>, %b: tensor<f32>) {
            stablehlo.custom_call @mycc.callback.debug(%a) DEBUG : (tensor<f32>) -> ()
            %1 = stablehlo.add %a, %b : tensor<f32>
            stablehlo.return %1 : tensor<f32>
          }
        return %x : tensor<2xf32>""",
        entry,
    )
    with pytest.raises(PassError, match=r"'note' is called inside of 'stablehlo\.reduce'"):
        compile_module(module, devices=[default_device()])


def test_a_platform_without_callbacks_is_refused() -> None:
    entry = noting([])
    body = "stablehlo.custom_call @mycc.callback.debug(%x) DEBUG : (tensor<2xf32>) -> ()\nreturn %x : tensor<2xf32>"
    with pytest.raises(PassError, match="program for tpu, which cannot call Python functions"):
        prepare(parse(body, entry), "tpu")


def test_a_function_that_is_gone_is_refused() -> None:
    kept, gone = noting([]), noting([])
    module = parse(
        "stablehlo.custom_call @mycc.callback.debug(%x) DEBUG : (tensor<2xf32>) -> ()\nreturn %x : tensor<2xf32>",
        gone,
    )
    del gone
    gc.collect()
    with pytest.raises(PassError, match=r"'note' .* does not exist in this process any more"):
        compile_module(module, devices=[default_device()])
    assert kept.number in callbacks._table


def test_numbers_are_taken_where_nothing_is_lost() -> None:
    def taken(value: Any, dtype: str) -> Any:
        return callbacks.checked([value], [AbstractValue((), np.dtype(dtype))], "f")[0]

    assert taken(1, "float32").dtype == F32
    assert taken(np.float64(1), "float32").dtype == F32
    assert taken(True, "int32") == 1
    assert taken(1.5, "complex64") == 1.5
    for value, dtype in (
        (1.5, "int32"),
        (1j, "float32"),
        (1, "bool"),
        (np.ones(()), "float32"),
        ("1", "int32"),
    ):
        with pytest.raises(CallbackError, match="returned"):
            taken(value, dtype)
