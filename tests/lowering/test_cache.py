"""The compilation cache across processes: what the second one need not compile, and what must be compiled again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mycc.dialects.mlir import context, ir
from mycc.lowering import buffers, cache, compile, devices, pjrt, store
from mycc.lowering.settings import CompileSettings

# Says how many programs XLA compiled when it ends.
COUNTED = """
import atexit
from mycc.lowering import cache, compile
cache.WORTH = 0.0
compiled = []
original = compile._compile
compile._compile = lambda *arguments: compiled.append(1) or original(*arguments)
atexit.register(lambda: print("compiled", len(compiled)))
"""

PROGRAM = """
import numpy as np
import mycc, mycc.numpy as mnp
import mycc.random

@mycc.jit
def step(w, x):
    def loss(w):
        return mnp.sum(mnp.tanh(x @ w["a"]) @ w["b"])
    value, gradient = mycc.value_and_grad(loss)(w)
    return value, mycc.tree.map(lambda p, g: p - 0.1 * g, w, gradient)

w = {"a": mycc.random.normal(mycc.random.key(0), (4, 8)), "b": mnp.ones((8, 2))}
value, w = step(w, np.linspace(0, 1, 12).reshape(3, 4).astype(np.float32))
print(float(value), float(mnp.sum(w["a"])), mnp.linalg.svd(w["a"])[1])
print(mnp.sort(w["b"][0] * 2 + 1), mycc.grad(lambda x: x**3)(2.0))
"""


SMALL = """
import mycc, mycc.numpy as mnp
print(mycc.jit(lambda x: mnp.tanh(x) @ x)(mnp.ones((3, 3)))[0, 0])
"""


def run(code: str, folder: Path, **environment: str) -> tuple[list[str], int, str]:
    """What a process prints, how many programs it compiled, and what it writes to stderr."""
    inherited = {k: v for k, v in os.environ.items() if k != "MYCC_COMPILATION_CACHE"}
    done = subprocess.run(
        [sys.executable, "-c", COUNTED + code],
        capture_output=True,
        text=True,
        env={**inherited, "MYCC_CACHE_DIR": str(folder), **environment},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    return lines, int(last.removeprefix("compiled ")), done.stderr


def test_the_second_process_compiles_nothing(tmp_path: Path) -> None:
    lines, count, errors = run(PROGRAM, tmp_path, PYTHONHASHSEED="1")
    assert count > 5 and errors == ""
    moved = PROGRAM.replace("\n@mycc.jit", "\n# One line more.\n\n@mycc.jit")
    assert run(moved, tmp_path, PYTHONHASHSEED="2") == (lines, 0, "")
    # What is damaged is compiled again, and told once.
    victims = sorted(tmp_path.glob("*.bin"))
    for path in victims:
        path.write_bytes(path.read_bytes()[:-7])
    again, recount, errors = run(PROGRAM, tmp_path)
    assert (again, recount) == (lines, count)
    assert errors.count("is damaged") == 1 and str(tmp_path) in errors
    assert run(PROGRAM, tmp_path)[1] == 0
    assert run(PROGRAM, tmp_path, MYCC_COMPILATION_CACHE="0")[1] == count


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    inherited = {k: v for k, v in os.environ.items() if k != "MYCC_COMPILATION_CACHE"}
    environment = {**inherited, "MYCC_CACHE_DIR": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTED + SMALL],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(4)
    ]
    printed = set()
    for process in processes:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0 and errors == ""
        printed.add(output.partition("compiled")[0])
    assert len(printed) == 1
    assert run(SMALL, tmp_path)[1] == 0


def test_killed_in_the_middle_of_writing(tmp_path: Path) -> None:
    slow = """
import os, sys, builtins
from mycc.lowering import store
class Killed:
    def __init__(self, handle, mode): self.handle = handle
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def write(self, data):
        os.write(self.handle, data[:100])
        os.kill(os.getpid(), 9)
store.open = lambda handle, mode: Killed(handle, mode) if mode == "wb" else builtins.open(handle, mode)
"""
    inherited = {k: v for k, v in os.environ.items() if k != "MYCC_COMPILATION_CACHE"}
    done = subprocess.run(
        [sys.executable, "-c", COUNTED + slow + SMALL],
        env={**inherited, "MYCC_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL
    assert [path.name.startswith(".unfinished-") for path in tmp_path.glob(".unf*")] == [True]
    assert list(tmp_path.glob("*.bin")) == []
    _, count, errors = run(SMALL, tmp_path)
    assert count > 0 and errors == ""


CALLING = """
import mycc
def f(x):
    mycc.debug.print("{}", x)
    return x * 2
print(mycc.jit(f)(3.0))
"""


def test_programs_that_call_python_are_not_kept(tmp_path: Path) -> None:
    lines, count, _ = run(CALLING, tmp_path)
    kept = len(list(tmp_path.glob("*.bin")))
    assert kept == count - 1
    assert run(CALLING, tmp_path) == (lines, 1, "")


def test_checks_for_nans_name_the_line_of_this_process(tmp_path: Path) -> None:
    code = """
import mycc, mycc.numpy as mnp
mycc.debug.nans()
try:
    mycc.jit(lambda x: mnp.log(x))(-1.0)
except mycc.NonFiniteError as error:
    print(error)
"""
    (first, *_), count, _ = run(code, tmp_path)
    (same, *_), recount, _ = run(code, tmp_path)
    (moved, *_), _, _ = run("\n\n" + code, tmp_path)
    assert first == same != moved and recount == 0 < count


SPREAD = """
import numpy as np
import mycc
from mycc.sharding import NamedSharding, PartitionSpec
mesh = mycc.make_mesh((4,), ("a",))
x = mycc.device_put(np.arange(64.0).reshape(8, 8), NamedSharding(mesh, PartitionSpec("a")))
y, z = mycc.jit(lambda x: (x @ x.T, x.sum()))(x)
print(y.sharding, z.sharding, np.asarray(y).sum(), z)
print(mycc.jit(lambda x: x + 1, donate_argnums=0)(x).sharding, x._data.is_deleted())
"""


def test_programs_on_several_devices(tmp_path: Path) -> None:
    lines, count, errors = run(SPREAD, tmp_path, MYCC_NUM_CPU_DEVICES="4")
    assert count >= 2 and errors == "" and lines[1].endswith("True")
    assert run(SPREAD, tmp_path, MYCC_NUM_CPU_DEVICES="4") == (lines, 0, "")


# ---- In this process -----------------------------------------------------------------------------

DONATING = """
func.func @main(%a: tensor<32x32xf32>, %b: tensor<32x32xf32>) -> (tensor<32x32xf32>, tensor<f32>) {
  %0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0]
      : (tensor<32x32xf32>, tensor<32x32xf32>) -> tensor<32x32xf32>
  %1 = stablehlo.tanh %0 : tensor<32x32xf32>
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %2 = stablehlo.reduce(%1 init: %zero) applies stablehlo.add across dimensions = [0, 1]
      : (tensor<32x32xf32>, tensor<f32>) -> tensor<f32>
  return %1, %2 : tensor<32x32xf32>, tensor<f32>
}
"""


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The cache switched on in a folder of its own; grows with every compilation."""
    monkeypatch.setenv("MYCC_COMPILATION_CACHE", "1")
    monkeypatch.setenv("MYCC_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "WORTH", 0.0)
    monkeypatch.setattr(store, "_warned", [])
    monkeypatch.setattr(store, "_unwritable", set())
    compiled: list[int] = []
    original = compile._compile

    def count(*arguments: Any) -> Any:
        compiled.append(1)
        return original(*arguments)

    monkeypatch.setattr(compile, "_compile", count)
    return compiled


def build(text: str = DONATING, **arguments: Any) -> Any:
    with context:
        module = ir.Module.parse(text)
    return compile.compile_module(module, devices=[devices.default_device()], **arguments)


def test_a_loaded_program_is_the_compiled_one(counted: list[int]) -> None:
    made, found = build(donated=[0]), build(donated=[0])
    assert len(counted) == 1
    x, y = np.random.default_rng(0).standard_normal((2, 32, 32)).astype(np.float32)
    results = []
    for executable in (made, found):
        a, b = buffers.put(x), buffers.put(y)
        pointer = a.unsafe_buffer_pointer()
        out = executable.execute([a, b])
        assert a.is_deleted() and not b.is_deleted()
        assert out[0].unsafe_buffer_pointer() == pointer
        results.append([buffers.to_numpy(r) for r in out])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    assert made.cost_analysis() == found.cost_analysis()
    assert made.memory_stats() == found.memory_stats()
    assert made.memory_stats()["alias"] == x.nbytes
    assert found.hlo_text() == made.hlo_text()
    assert found.serialize()


def test_what_makes_another_key(counted: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiles(**arguments: Any) -> bool:
        before = len(counted)
        build(**arguments)
        cache._machine.cache_clear()
        return len(counted) > before

    assert compiles() and not compiles()
    assert compiles(donated=[0])
    assert compiles(text=DONATING.replace("tanh", "sine"))
    assert compiles(options=CompileSettings(tiny=True))
    assert compiles(options=CompileSettings(env_option_overrides=(("xla_cpu_enable_fast_math", True),)))
    assert not compiles(text=DONATING.replace("\n", "\n\n"))
    for module, name, value in (
        (pjrt, "jaxlib_version", "0.0.1"),
        (cache, "VERSION", "0.0.1"),
        (cache, "_processor", lambda: ("x86_64", "flags=sse2")),
        (cache, "_FORMAT", "0"),
        (os, "sched_getaffinity", lambda _: range(1000)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            cache._machine.cache_clear()
            assert compiles(), name
    with monkeypatch.context() as patch:
        patch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
        cache._machine.cache_clear()
        assert compiles()
    assert not compiles()


@pytest.mark.parametrize(("name", "value"), [
    ("MYCC_COMPILATION_CACHE", "off"),
    ("MYCC_CACHE_SIZE", "0"),
    ("XLA_FLAGS", "/etc/flags"),
    ("XLA_FLAGS", "--xla_dump_to=/nowhere"),
])  # fmt: skip
def test_off(
    counted: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    cache._machine.cache_clear()
    build(), build()
    cache._machine.cache_clear()
    assert len(counted) == 2 and list(tmp_path.iterdir()) == []


def test_no_machine_known_no_cache(
    counted: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_processor", lambda: None)
    cache._machine.cache_clear()
    build()
    cache._machine.cache_clear()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_serialized_is_compiled_each_time(counted: list[int], tmp_path: Path) -> None:
    flags = (
        ("xla_cpu_use_onednn", True),
        ("xla_cpu_experimental_onednn_fusion_type", "LIBRARY_FUSION_TYPE_DOT"),
    )
    try:
        made = build(options=CompileSettings(env_option_overrides=flags))
    except Exception as error:
        pytest.skip(f"this jaxlib has no oneDNN: {error}")
    if "onednn" not in made.hlo_text():
        pytest.skip("this jaxlib makes no oneDNN dots")
    build(options=CompileSettings(env_option_overrides=flags))
    assert len(counted) == 2 and list(tmp_path.glob("*.bin")) == []


def test_a_program_that_does_not_load_is_compiled_again(counted: list[int], tmp_path: Path) -> None:
    build()
    (path,) = tmp_path.glob("*.bin")
    store.Store(str(tmp_path), 1 << 30).put(path.stem, b"whole, but no program")
    with pytest.warns(RuntimeWarning, match="cannot be loaded"):
        build()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build()
    assert len(counted) == 2


def test_quick_compilations_are_not_kept(
    counted: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "WORTH", 1e9)
    build()
    assert list(tmp_path.glob("*.bin")) == []


def test_bypassed(counted: list[int], tmp_path: Path) -> None:
    build()
    with cache.bypassed():
        build()
    build()
    assert len(counted) == 2


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache._default_folder() == str(tmp_path / ".cache" / "mycc")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache._default_folder() == str(tmp_path / ".cache" / "mycc")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache._default_folder() == "/elsewhere/mycc"


@pytest.mark.parametrize(("text", "size"), [
    ("", 1 << 30), ("1000", 1000), ("500M", 500 << 20), ("1.5 GiB", 3 << 29), ("2gb", 2 << 30), ("0", 0),
])  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert cache._size(text) == size


def test_a_size_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_warned", [])
    with pytest.warns(RuntimeWarning, match="MYCC_CACHE_SIZE='much'"):
        assert cache._size("much") == 1 << 30


X86 = (
    "processor\t: 0\nvendor_id\t: V\nmodel name\t: M\nflags\t\t: sse2 avx2\n\nprocessor\t: 1\nflags\t: none\n"
)
ARM = "processor\t: 0\nBogoMIPS\t: 50.0\nFeatures\t: fp asimd\nCPU part\t: 0xd0c\n\n"


def test_the_processor_is_described_by_features_and_model() -> None:
    _, *x86 = cache._described(iter(X86.splitlines(keepends=True))) or ()
    assert x86 == ["vendor_id=V", "model name=M", "flags=sse2 avx2"]
    _, *arm = cache._described(iter(ARM.splitlines(keepends=True))) or ()
    assert arm == ["Features=fp asimd", "CPU part=0xd0c"]
    assert cache._described(iter(["processor : 0\n"])) is None
