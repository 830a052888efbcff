"""`mycc opt --grad`, `--jvp`, `--vmap`: what comes out is plain StableHLO with the transform as its main."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

import mycc
from mycc.tools.cli import main

ENERGY = """
func.func @main(%x: tensor<3xf32>, %k: tensor<3xf32>, %n: tensor<i32>) -> tensor<f32> {
  %0 = call @weighted(%x, %k) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<3xf32>, tensor<f32>) -> tensor<f32>
  return %1 : tensor<f32>
}
func.func @weighted(%x: tensor<3xf32>, %k: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.composite "my.sine" %x {decomposition = @sine} : (tensor<3xf32>) -> tensor<3xf32>
  %1 = stablehlo.multiply %0, %k : tensor<3xf32>
  return %1 : tensor<3xf32>
}
func.func private @sine(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = stablehlo.sine %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
"""
X = np.array([0.1, 0.2, 0.3], np.float32)
K = np.array([2.0, 3.0, 4.0], np.float32)
N = np.int32(1)


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "energy.mlir"
    path.write_text(ENERGY)
    return str(path)


def opt(capsys: pytest.CaptureFixture[str], *arguments: str) -> mycc.foreign.ForeignFunction:
    assert main(["opt", *arguments]) == 0
    text = capsys.readouterr().out
    assert "func.func public @main" in text
    assert "mycc" not in text and "composite" not in text
    return mycc.from_stablehlo(text)


def test_grad(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.testing.assert_allclose(opt(capsys, source, "--grad")(X, K, N), K * np.cos(X), rtol=1e-6)
    for flag in ("--grad=main:0,1", "--grad=0,1"):
        dx, dk = opt(capsys, source, flag)(X, K, N)
        np.testing.assert_allclose(dx, K * np.cos(X), rtol=1e-6)
        np.testing.assert_allclose(dk, np.sin(X), rtol=1e-6)


def test_jvp(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, tangent = opt(capsys, source, "--jvp=main:1")(X, K, N, X)
    np.testing.assert_allclose(out, (K * np.sin(X)).sum(), rtol=1e-6)
    np.testing.assert_allclose(tangent, (X * np.sin(X)).sum(), rtol=1e-6)
    _, tangent = opt(capsys, source, "--jvp=weighted")(X, K, K, X)
    np.testing.assert_allclose(tangent, K * K * np.cos(X) + X * np.sin(X), rtol=1e-6)


def test_vmap(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    f = opt(capsys, source, "--vmap=weighted:0,None", "--axis-size=4")
    x = np.stack([X, 2 * X, 3 * X, 4 * X])
    np.testing.assert_allclose(f(x, K), np.sin(x) * K, rtol=1e-6)
    f = opt(capsys, source, "--vmap=weighted:-1,0", "--axis-size=4")
    np.testing.assert_allclose(f(x.T, x), np.sin(x) * x, rtol=1e-6)


def test_they_nest_in_the_order_given(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    f = opt(capsys, source, "--grad", "--vmap=0,None,None", "--axis-size=2")
    np.testing.assert_allclose(f(np.stack([X, X + 1]), K, N), K * np.cos([X, X + 1]), rtol=1e-5)


def test_passes_run_after(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "opt",
                source,
                "--grad",
                "--pass-pipeline=builtin.module(normalize)",
                "--mlir-print-ir-after=autodiff",
            ]
        )
        == 0
    )
    assert "IR Dump After" in capsys.readouterr().err


def test_stdin_bytecode_and_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = mycc.export(lambda x: (x * x).sum())(X).as_bytecode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    target = tmp_path / "gradient.mlir"
    assert main(["opt", "-", "--grad", "-o", str(target)]) == 0
    np.testing.assert_allclose(mycc.from_stablehlo(target)(X), 2 * X, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grad=nosuch"], "energy.mlir: error: no function @nosuch; there are @main, @weighted, @sine"),
        (["--grad=main:5"], "--grad: there is no argument 5; the function takes 3"),
        (["--grad=main:x"], "expected numbers such as 0,1"),
        (["--grad=main:2"], "int32"),
        (["--grad=weighted"], "scalar"),
        (["--vmap"], "--axis-size"),
        (["--vmap=0,0", "--axis-size=2"], "--vmap: 2 axes for 3 arguments"),
        (["--vmap=main:0,3,None", "--axis-size=2"], "has no place for a batch axis 3"),
        (["--grad=main", "--vmap=weighted:0", "--axis-size=2"], "name several functions (main, weighted)"),
    ],
)
def test_errors(source: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["opt", source, *arguments]) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err and "notebook" not in printed.err
    assert printed.out == ""


def test_a_file_taken_for_a_value(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["opt", "--grad", source]) == 1
    assert "write the file first" in capsys.readouterr().err


def test_run_takes_what_from_stablehlo_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "open.mlir"
    path.write_text(
        "func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {\n"
        '%0 = stablehlo.composite "my.twice" %x {decomposition = @twice} : (tensor<?xf32>) -> tensor<?xf32>\n'
        "return %0 : tensor<?xf32>\n}\n"
        "func.func private @twice(%x: tensor<?xf32>) -> tensor<?xf32> {\n"
        "%0 = stablehlo.add %x, %x : tensor<?xf32>\nreturn %0 : tensor<?xf32>\n}\n"
    )
    assert main(["run", str(path), "--arg", "[1, 2]"]) == 0
    assert capsys.readouterr().out == "float32[2] [2. 4.]\n"
    artifact = tmp_path / "model.bin"
    mycc.export(lambda x: x * 2)(X).save(artifact)
    assert main(["run", str(artifact), "--arg", "[1, 2, 3]"]) == 0
    assert capsys.readouterr().out == "float32[3] [2. 4. 6.]\n"
