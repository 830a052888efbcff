"""`mycc trace`: scripts, functions, stages, and scripts that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from mycc.tools.cli import main

SCRIPT = """
import sys
import numpy as np
import mycc
import mycc.lax as lax

@mycc.jit
def wave(x):
    return lax.sin(lax.neg(lax.neg(x)))

def scaled(p, x):
    return lax.mul(p["w"], x)

slope = mycc.grad(lambda x: lax.sin(x))

print("printed by the script", *sys.argv[1:])

if __name__ == "__main__":
    wave(np.ones(3, np.float32))
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return str(path)


def test_a_script_as_traced(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", script, "--", "one", "two"]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("stablehlo.negate") == 2
    assert "printed by the script one two" in printed.err
    assert "printed by the script" not in printed.out


@pytest.mark.parametrize(
    ("emit", "expected"),
    [("mlir", "stablehlo.sine"), ("stablehlo", "stablehlo.sine"), ("hlo", "HloModule"), ("llvm", "define ")],
)
def test_stages(script: str, emit: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", script, f"--emit={emit}"]) == 0
    assert expected in capsys.readouterr().out


def test_a_function_without_data(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", f"{script}:scaled", "--args", "{w: f32[4]}, f32[4]", "--emit=stablehlo"]) == 0
    printed = capsys.readouterr()
    assert "stablehlo.multiply" in printed.out
    assert "stablehlo.sine" not in printed.out
    assert main(["trace", f"{script}:slope", "--args", "f32"]) == 0
    assert "@mycc.vjp" in capsys.readouterr().out
    assert main(["trace", f"{script}:slope", "--args", "f32", "--emit=stablehlo"]) == 0
    printed = capsys.readouterr()
    assert "@mycc." not in printed.out
    assert "stablehlo.cosine" in printed.out


def test_a_pipeline_and_its_dumps(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "trace",
        f"{script}:wave",
        "--emit=stablehlo",
        "--pass-pipeline=simplify",
        "--mlir-print-ir-after-all",
    ]
    assert main([*arguments, "--args", "f32[3]"]) == 0
    printed = capsys.readouterr()
    assert "negate" not in printed.out
    assert "IR Dump After simplify" in printed.err
    assert main(arguments) == 0
    assert "negate" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("x = 1\n", [], "error: the script compiled nothing"),
        ("x = 1 +\n", [], ":1:8: error: invalid syntax"),
        ("def f():\n    return 1 / 0\nf()\n", [], ":2:12: error: ZeroDivisionError: division by zero"),
        (SCRIPT, [":nosuch"], "error: no function 'nosuch' was compiled (compiled: wave)"),
        (SCRIPT, [":wav", "--args", "f32"], "error: no function 'wav' (did you mean 'wave'?)"),
        (SCRIPT, [":SCRIPT.x", "--args", "f32"], "error: no function 'SCRIPT'"),
        (SCRIPT, ["", "--args", "f32"], "--args needs a function"),
        (SCRIPT, [":wave", "--args", "f3"], "--args:1:1: error: unknown dtype 'f3'"),
        (SCRIPT, [":wave", "--args", "f32, f32"], "error: TypeError"),
    ],
)
def test_errors(
    text: str, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, target = tmp_path / "script.py", tmp_path / "out.mlir"
    path.write_text(text)
    function, *rest = arguments or [""]
    assert main(["trace", f"{path}{function}", *rest, "-o", str(target)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not target.exists()


def test_the_scripts_exit_status_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("raise SystemExit(3)")
    assert main(["trace", str(path)]) == 3
