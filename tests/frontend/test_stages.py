"""The stages of a function: traced, lowered, compiled; abstract evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc.stages import observe

X = np.arange(6.0).reshape(2, 3)
STRUCT = mycc.ShapeDtypeStruct


@mycc.jit
def layer(x: Any, w: Any) -> Any:
    return {"out": mnp.tanh(x @ w), "none": None}


def test_the_text_of_each_stage() -> None:
    gradient = mycc.jit(mycc.grad(lambda w, x: mnp.sum(layer(x, w)["out"])))
    traced = gradient.trace(np.ones((3, 4)), X)
    lowered = traced.lower()
    compiled = lowered.compile()
    assert "@mycc.vjp" in traced.as_text()
    assert "call @layer" in traced.as_text()
    assert "loc(" in traced.as_text(debug_info=True)
    assert __file__.rpartition("/")[2] in traced.as_text(debug_info=True)
    assert "mycc." not in lowered.as_text()
    assert "stablehlo.tanh" in lowered.as_text("stablehlo")
    assert "HloModule" in compiled.as_text()
    with pytest.raises(ValueError, match="hlo"):
        lowered.as_text("hlo")  # type: ignore[arg-type]
    wanted = X.T @ (1 - np.tanh(X @ np.ones((3, 4))) ** 2)
    np.testing.assert_allclose(np.asarray(compiled(np.ones((3, 4)), X)), wanted)


def test_lowering_leaves_the_traced_module_alone() -> None:
    traced = mycc.jit(mycc.grad(mnp.sin)).trace(1.0)
    text = traced.as_text()
    traced.lower(), traced.lower()
    assert traced.as_text() == text


def test_a_pipeline_of_ones_own() -> None:
    lowered = mycc.jit(mycc.grad(mnp.sin)).trace(1.0).lower("builtin.module(autodiff)")
    assert "call @sin.fwd" in lowered.as_text()


def test_abstract_arguments() -> None:
    traced = layer.trace(STRUCT((2, 3), "float32"), STRUCT((3, 5), np.float32))
    wanted = {"out": STRUCT((2, 5), "float32"), "none": None}
    assert traced.out_info == wanted
    assert traced.lower().out_info == wanted
    compiled = layer.lower(STRUCT((2, 3), "float32"), STRUCT((3, 5), np.float32)).compile()
    assert compiled.out_info == wanted
    got = compiled(X.astype(np.float32), np.ones((3, 5), np.float32))
    np.testing.assert_allclose(np.asarray(got["out"]), np.tanh(X @ np.ones((3, 5))), rtol=1e-6)
    assert compiled.cost_analysis()["flops"] > 0
    assert compiled.memory_analysis()["argument"] == 4 * (6 + 15)


def test_compiled_refuses_other_arguments() -> None:
    compiled = layer.lower(X, np.ones((3, 2))).compile()
    with pytest.raises(
        TypeError, match=r"test_stages.py:\d+: layer was compiled for f64\[3,2\], got f32\[3,2\]"
    ):
        compiled(X, np.ones((3, 2), np.float32))
    with pytest.raises(mycc.TreeError, match=r"test_stages.py:\d+: layer was compiled for arguments"):
        compiled((X, np.ones((3, 2))))


def test_static_and_hidden_arguments_in_stages() -> None:
    weights = mnp.ones(3)
    f = mycc.jit(lambda x, n: x * n + weights, static_argnums=1)
    compiled = f.trace(np.float32(2), 3).lower().compile()
    np.testing.assert_allclose(np.asarray(compiled(np.float32(2))), np.full(3, 7))
    weights[0] = 10.0
    np.testing.assert_allclose(np.asarray(compiled(np.float32(2))), [16, 7, 7])


def test_stages_of_a_pullback() -> None:
    compiled = mycc.jit(lambda x: mycc.vjp(mnp.sin, x)).lower(0.5).compile()
    out, pullback = compiled(0.5)
    np.testing.assert_allclose(
        [float(out), float(pullback(2.0)[0])], [np.sin(0.5), 2 * np.cos(0.5)], rtol=1e-6
    )


def test_eval_shape() -> None:
    got = mycc.eval_shape(lambda x, n: {"a": x @ x.T, "b": [n, None]}, X, 3)
    assert got == {"a": STRUCT((2, 2), "float64"), "b": [STRUCT((), "int32", weak_type=True), None]}
    assert layer.eval_shape(X, STRUCT((3, 1), "float64"))["out"] == STRUCT((2, 1), "float64")
    assert repr(STRUCT((2,), "int8")) == "ShapeDtypeStruct(shape=(2,), dtype=int8)"
    assert len({STRUCT((2,), "int8"), STRUCT((2,), np.int8)}) == 1
    gradient = mycc.eval_shape(mycc.grad(lambda x: mnp.sum(x**2)), STRUCT((4,), "bfloat16"))
    assert gradient == STRUCT((4,), "bfloat16")


def test_nothing_runs_while_shapes_are_evaluated() -> None:
    compiled: list[Any] = []
    with observe(compiled.append):
        mycc.eval_shape(lambda x: mycc.vmap(mycc.grad(mnp.sin))(x) @ x, STRUCT((3,), "float32"))
    assert compiled == []


def test_observers_see_what_is_compiled() -> None:
    compiled: list[Any] = []
    with observe(compiled.append):
        mycc.jit(lambda x: x * 3.0 + 0.125)(X)
        mycc.grad(lambda x: x * 3.0 + 0.125)(2.0)
    assert len(compiled) == 2
    assert "func.func public @main" in str(compiled[0].traced_module)


def test_errors_name_the_line() -> None:
    with pytest.raises(TypeError, match=r"test_stages.py:\d+: .*lambda.* returned a value of type str"):
        mycc.eval_shape(lambda x: "text", X)
    with pytest.raises(TypeError, match=r"test_stages.py:\d+: expected an array or a number, got str"):
        mycc.eval_shape(lambda x: x, "text")
