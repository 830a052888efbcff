"""`mycc opt`: what it reads and writes, how it fails."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mycc.tools.cli import main

GOOD = """func.func @main(%x: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.negate %x : tensor<f32>
  %1 = stablehlo.negate %0 : tensor<f32>
  return %1 : tensor<f32>
}
"""


def put_on_stdin(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_file_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "x.mlir"
    source.write_text(GOOD)
    assert main(["opt", str(source), "--pass-pipeline=builtin.module(simplify)"]) == 0
    printed = capsys.readouterr()
    assert "negate" not in printed.out
    assert "return %arg0" in printed.out
    assert printed.err == ""


def test_stdin_to_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_stdin(GOOD, monkeypatch)
    target = tmp_path / "y.mlir"
    assert main(["opt", "-", "-o", str(target)]) == 0
    assert target.read_text().count("negate") == 2
    assert [p.name for p in tmp_path.iterdir()] == ["y.mlir"]
    assert target.stat().st_mode & 0o111 == 0


def test_bytecode_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mycc.dialects.mlir import context, ir

    source = tmp_path / "x.mlirbc"
    with source.open("wb") as file:
        ir.Module.parse(GOOD, context=context).operation.write_bytecode(file)
    assert main(["opt", str(source)]) == 0
    assert capsys.readouterr().out.count("negate") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("func.func @main(", ":1:16: error: expected non-function type"),
        (GOOD.replace("negate %0", "negat %0"), ":3:8: error: custom op 'stablehlo.negat' is unknown"),
        (GOOD.replace("return %1", "return %7"), ":4:10: error: use of undeclared SSA value name"),
        ('func.func @main() attributes {a = "' + "[" * 20_000 + '"} { return }', ""),
        ("[" * 20_000, ":1:1001: error: brackets nested more than 1000 deep"),
        ("module {\n" * 20_000, ":1001:8: error: brackets nested more than 1000 deep"),
    ],
)
def test_bad_text(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "x.mlir", tmp_path / "y.mlir"
    source.write_text(text)
    status = main(["opt", str(source), "-o", str(target)])
    error = capsys.readouterr().err
    assert status == (1 if message else 0)
    assert (f"{source}{message}" in error) if message else error == ""
    assert "Traceback" not in error
    assert target.exists() == (not message)


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "y.mlir"
    target.write_text("old")
    source = tmp_path / "x.mlir"
    source.write_text("nonsense")
    assert main(["opt", str(source), "-o", str(target)]) == 1
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "the following arguments are required: COMMAND"),
        (["op"], 2, "invalid choice: 'op'"),
        (["opt", "--pass-pipelin=cse"], 2, "unrecognized arguments: --pass-pipelin=cse"),
        (["opt", "nosuch.mlir"], 1, "nosuch.mlir: error: No such file or directory"),
        (["opt", "--pass-pipeline=simplfy", "x"], 1, "pipeline:1:1: error: unknown pass 'simplfy'"),
        (["passes", "simplfy"], 1, "mycc: error: no pass 'simplfy' (did you mean 'simplify'?)"),
    ],
)
def test_bad_usage(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == status
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["opt", "nosuch.mlir", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "opt", "trace", "run", "passes", "devices"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*([command] if command else []), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: mycc {command}".rstrip())


@pytest.mark.parametrize("pipeline", ["--vmap", "--pass-pipeline=builtin.module(cse)", "--mlir-timing"])
def test_what_mlir_crashes_on(pipeline: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one process: were it to crash, the test run would."""
    text = (
        "func.func @main(%x: tensor<4x16xf32>) -> tensor<16x4xf32> {\n"
        '%0 = "stablehlo.all_to_all"(%x) {split_dimension = 1 : i64, concat_dimension = 0 : i64, split_count = 4 : i64, '
        "replica_groups = dense<0> : tensor<0x2xi64>} : (tensor<4x16xf32>) -> tensor<16x4xf32>\n"
        "return %0 : tensor<16x4xf32>\n}"
    )
    (tmp_path / "text.mlir").write_text(text)
    (tmp_path / "damaged.mlirbc").write_bytes(b"ML\xefR" + bytes(range(40)))
    for name in ("text.mlir", "damaged.mlirbc"):
        assert main(["opt", str(tmp_path / name), pipeline]) == 1
        printed = capsys.readouterr()
        assert f"{name}:" in printed.err and "error: " in printed.err and not printed.out


def test_split_input_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "x.mlir"
    source.write_text(f"{GOOD}// -----\n{GOOD}")
    arguments = ["opt", str(source), "--split-input-file", "--pass-pipeline=simplify"]
    assert main(arguments) == 0
    assert len(capsys.readouterr().out.split("// -----\n")) == 2
    source.write_text(f"{GOOD}// -----\nnonsense\n")
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{source}:7:1: error: " in printed.err


def test_verify_diagnostics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "x.mlir"
    arguments = ["opt", str(source), "--split-input-file", "--verify-diagnostics"]
    wrong = GOOD.replace(
        "  %1 = stablehlo.negate", "  // expected-error@+1 {{is unknown}}\n  %1 = stablehlo.negat"
    )
    source.write_text(f"{GOOD}// -----\n{wrong}")
    assert main(arguments) == 0
    source.write_text(wrong.replace("is unknown", "is known"))
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert f"{source}:3:1: error: expected error 'is known' was not produced" in error
    assert f"{source}:4:8: error: custom op 'stablehlo.negat' is unknown" in error
    source.write_text(
        GOOD.replace("return", "// expected-error-re@below {{un{{.*}}ed}}\n  return").replace("%1 :", "%7 :")
    )
    source.write_text(
        GOOD.replace("  return %1", "  // expected-error-re@below {{un{{.*}}ed SSA}}\n  return %7")
    )
    assert main(arguments) == 0


def test_a_pass_that_fails_names_the_users_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin, source = tmp_path / "mine.py", tmp_path / "x.mlir"
    plugin.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from mycc.passes.base import Pass\n"
        "from mycc.dialects.errors import PassError\n"
        "from mycc.passes.diagnostics import format_location\n"
        "@dataclass(frozen=True)\n"
        "class Mine(Pass):\n"
        "    '''Refuses.'''\n"
        "    name = 'mine'\n"
        "    def run(self, module):\n"
        "        op = module.body.operations[0].regions[0].blocks[0].operations[1]\n"
        "        raise PassError(f'{format_location(op.location)}: error: no')\n"
    )
    source.write_text(GOOD)
    assert main(["opt", str(source), f"--load-pass-plugin={plugin}", "--pass-pipeline=cse,mine"]) == 1
    assert capsys.readouterr().err == f"{source}:3:8: error: no\n"
    assert main(["passes", f"--load-pass-plugin={plugin}", "mine"]) == 0
    assert "Refuses." in capsys.readouterr().out


def test_ir_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "x.mlir"
    source.write_text(GOOD)
    pipeline = "--pass-pipeline=simplify,cse"
    assert (
        main(["opt", str(source), pipeline, "--mlir-print-ir-after=cse,simplify", "--mlir-print-debuginfo"])
        == 0
    )
    printed = capsys.readouterr()
    assert printed.err.count("IR Dump After") == 2
    assert f'loc("{source}":1:1)' in printed.out


def test_broken_pipe_is_silent(tmp_path: Path) -> None:
    source = tmp_path / "x.mlir"
    source.write_text("\n".join(GOOD.replace("@main", f"@f{i}") for i in range(2000)))
    command = f"{sys.executable} -m mycc.tools.cli opt {source} | head -1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=dict(os.environ), check=False
    )
    assert done.stdout == "module {\n"
    assert done.stderr == ""


def test_passes_lists_every_pass_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    from mycc.passes.registry import NATIVE_PASSES, PASSES

    assert main(["passes"]) == 0
    listed = capsys.readouterr().out
    for pass_ in PASSES:
        assert pass_.summary(), pass_.name
        assert f"\n{pass_.name} " in f"\n{listed}"
        for option in pass_.options():
            assert option.help
            assert f" {option.name} " in listed
    for name in NATIVE_PASSES:
        assert f"\n{name} " in listed
