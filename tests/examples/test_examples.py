"""Each example as a user runs it, and the figures that it claims."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def _run(name: str, *arguments: str, folder: Path, devices: int = 1) -> str:
    """What an example prints; it must end well, within the minute that it is allowed on a quiet machine."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder,
        env={**os.environ, "MYCC_NUM_CPU_DEVICES": str(devices)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _figure(pattern: str, output: str) -> float:
    found = re.search(pattern, output)
    assert found, f"{pattern} is not in:\n{output}"
    return float(found[1])


def test_talk(tmp_path: Path) -> None:
    output = _run("talk.py", folder=tmp_path)
    assert output.count("== ") == 6
    assert output.count("True") == 3
    assert "False" not in output
    assert "stablehlo.log %arg0 : tensor<f32>" in output
    assert "@mycc.vjp" in output
    for name, numbers in re.findall(r"(\S+)\(1\.5\) = (\S+, by the formula \S+)", output):
        computed, formula = (float(x) for x in numbers.split(", by the formula "))
        assert abs(computed - formula) < 1e-5, name
    assert _figure(r"step 1000: loss (\S+)", output) < 0.1 * _figure(r"step    0: loss (\S+)", output)


def test_digits(tmp_path: Path) -> None:
    output = _run("digits.py", folder=tmp_path)
    assert _figure(r"test accuracy (\S+)%", output) >= 97
    picture = (tmp_path / "digits.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000


def test_molecular_dynamics(tmp_path: Path) -> None:
    output = _run("molecular_dynamics.py", folder=tmp_path)
    assert "float64" in output
    assert re.search(r"^ 1000 ", output, re.MULTILINE)
    assert _figure(r"drift of all steps (\S+)", output) < 1e-4
    assert _figure(r"total momentum (\S+)", output) < 1e-10


def test_data_parallel(tmp_path: Path) -> None:
    losses = {}
    for devices in (1, 8):
        output = _run("data_parallel.py", folder=tmp_path, devices=devices)
        losses[devices] = [float(x) for x in re.findall(r"loss (\S+)", output)]
        assert len(losses[devices]) == 4
        assert losses[devices][-1] < 0.5 * losses[devices][0]
        assert _figure(r"test accuracy (\S+)%", output) >= 95
        assert f"on Mesh('data': {devices})" in output
        assert output.count("│ CPU ") == devices
    assert "a batch of images: NamedSharding(Mesh('data': 8), PartitionSpec('data'))" in output
    assert "the first layer: NamedSharding(Mesh('data': 8), PartitionSpec())" in output
    assert 1 <= _figure(r"all-reduces in a step: (\d+)", output) <= 3
    # Each device adds up its own eighth first: sums in another order, over 200 steps.
    assert all(abs(a - b) < 2e-3 for a, b in zip(losses[1], losses[8], strict=True)), losses


def test_tensor_parallel(tmp_path: Path) -> None:
    output = _run("tensor_parallel.py", folder=tmp_path, devices=8)
    assert "up   (64, 256): PartitionSpec(None, 'model'), parts (64, 64)" in output
    assert "down (256, 64): PartitionSpec('model'), parts (64, 64)" in output
    for name in ("by hand", "partitioned"):
        assert _figure(rf"{name}: gradients differ from one device's by (\S+);", output) < 1e-4
        assert _figure(rf"{name}: .* all-reduces in the layer: (\d+)", output) == 1
    assert output.count("gradient of up: PartitionSpec(None, 'model'), of down: PartitionSpec('model')") == 2
    assert "│ CPU 0,4 │ CPU 1,5 │ CPU 2,6 │ CPU 3,7 │" in output


def test_spread_the_work(tmp_path: Path) -> None:
    output = _run("spread_the_work.py", folder=tmp_path, devices=8)
    assert "8 random matrices, the same as by vmap: True" in output
    assert "their products with themselves: (8, 200, 200)" in output
    assert "│ CPU 0 │ CPU 1 │ CPU 2 │ CPU 3 │ CPU 4 │ CPU 5 │ CPU 6 │ CPU 7 │" in output
    shares = re.search(r"shares of a sum over the devices: \[([^]]*)\]", output)
    assert shares, output
    assert [round(float(x) * 36) for x in shares[1].split()] == [*range(1, 9)]
    assert "gradients, one for each device: (8, 200, 300), on 8 devices" in output


def test_write_a_pass(tmp_path: Path) -> None:
    output = _run("write_a_pass.py", folder=tmp_path)
    before, after = output.split("after:\n")
    assert "stablehlo.power" in before
    assert "stablehlo.multiply %arg0, %arg0" in after
    assert "stablehlo.power" not in after


def test_the_pass_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "x.mlir").write_text(
        "func.func @main(%x: tensor<f32>) -> tensor<f32> {\n"
        "  %two = stablehlo.constant dense<2.0> : tensor<f32>\n"
        "  %0 = stablehlo.power %x, %two : tensor<f32>\n"
        "  return %0 : tensor<f32>\n}"
    )
    command = [sys.executable, "-m", "mycc.tools.cli", "opt", "x.mlir"]
    flags = [f"--load-pass-plugin={EXAMPLES / 'write_a_pass.py'}", "--pass-pipeline=squares{limit=9},cse"]
    done = subprocess.run([*command, *flags], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "stablehlo.multiply %arg0, %arg0" in done.stdout
