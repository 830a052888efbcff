"""`mycc run` and `mycc devices`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mycc.tools.cli import main

TEXT = """
func.func @main(%x: tensor<3xf32>, %y: tensor<f32>) -> (tensor<3xf32>, tensor<i32>) {
  %0 = stablehlo.broadcast_in_dim %y, dims = [] : (tensor<f32>) -> tensor<3xf32>
  %1 = stablehlo.add %x, %0 : tensor<3xf32>
  %2 = stablehlo.constant dense<7> : tensor<i32>
  return %1, %2 : tensor<3xf32>, tensor<i32>
}
func.func @twice(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.add %x, %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
func.func @circle(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = func.call @circle(%x) : (tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "x.mlir"
    path.write_text(TEXT.partition("func.func @circle")[0])
    return str(path)


def test_values_and_files(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.arange(3, dtype=np.float32))
    target = tmp_path / "out.npz"
    arguments = ["run", source, "--arg", str(tmp_path / "x.npy"), "--arg", "0.5"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "float32[3] [0.5 1.5 2.5]\nint32[] 7\n"
    assert main([*arguments, "-o", str(target)]) == 0
    np.testing.assert_array_equal(np.load(target)["result0"], [0.5, 1.5, 2.5])


def test_another_entry(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", source, "--entry=twice", "--arg", "[1, 2, 3]"]) == 0
    assert capsys.readouterr().out == "float32[3] [2. 4. 6.]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arg", "1"], "@main takes 2 arguments (f32[3], f32[]), got 1 --arg"),
        (["--arg", "[1, 2]", "--arg", "1"], "--arg 1: error: the shape is (2,), the function takes f32[3]"),
        (["--arg", "[1, 2, 3", "--arg", "1"], "neither a .npy file nor a number"),
        (["--entry=nosuch"], "no function @nosuch; there are @main, @twice"),
        (["--platform=abacus"], "abacus"),
    ],
)
def test_errors(source: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", source, *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_recursion_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.mlir"
    path.write_text(TEXT)
    assert main(["run", str(path), "--entry=circle", "--pass-pipeline=", "--arg", "[1, 2, 3]"]) == 1
    assert "circle" in capsys.readouterr().err


def test_devices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--platform=cpu"]) == 0
    assert capsys.readouterr().out.startswith("cpu:0 ")
