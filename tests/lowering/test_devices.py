"""Devices and plugins; each case in a process of its own, since clients live as long as the process."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any
from unittest import mock

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc.dialects.errors import DeviceError
from mycc.lowering import pjrt
from mycc.lowering.devices import client, default_device, devices, sharding_of
from mycc.lowering.handover import check_handover
from mycc.lowering.pipelines import run_default
from mycc.lowering.settings import DEFAULTS, flags_of
from mycc.passes.symbols import copy_module


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MYCC_", "PJRT_"))}
    inherited["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    # A level that keeps errors of XLA out of what is compared.
    environment = {**inherited, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )


def test_the_cpu_is_there() -> None:
    assert devices("cpu")[0] is default_device() and default_device().platform == "cpu"
    assert client() is client("CPU")
    assert sharding_of(default_device()) is sharding_of(default_device())


def test_an_absent_platform_says_how_to_get_it() -> None:
    for name in ("tpu", "nonsense"):
        with pytest.raises(DeviceError, match=name):
            devices(name)


def test_several_cpu_devices() -> None:
    code = """
import numpy as np
from mycc.lowering import buffers
from mycc.lowering.devices import devices
first, second, third = devices()
x = np.arange(5.0)
impl = buffers.put(x, second)
assert buffers.device_of(impl) is second
moved = buffers.copy_to_device(impl, third)
assert buffers.device_of(moved) is third and not impl.is_deleted()
np.testing.assert_array_equal(buffers.to_numpy(moved), x)
"""
    done = run(code, MYCC_NUM_CPU_DEVICES="3")
    assert done.returncode == 0, done.stderr


def test_several_devices_in_dispatch_and_in_one_program() -> None:
    code = """
import numpy as np
from mycc.dialects.errors import DeviceError
from mycc.dialects.mlir import context, ir
from mycc.lowering import buffers, dispatch
from mycc.lowering.compile import compile_module
from mycc.lowering.settings import CompileSettings
from mycc.lowering.devices import devices
from mycc.lowering.pytrees import dispatch_registry

class Handle:
    __slots__ = ("_data",)
    def __init__(self, data): self._data = data

text = "func.func @main(%a: tensor<f32>, %b: tensor<f32>) -> tensor<f32> {"
text += "%0 = stablehlo.add %a, %b : tensor<f32> return %0 : tensor<f32> }"
def compile(args, kwargs):
    held = [buffers.device_of(x._data) for x in args if type(x) is Handle and x._data._committed]
    with context: module = ir.Module.parse(text)
    executable = compile_module(module, devices=(held or devices())[:1])
    return dispatch.Compiled(executable, dispatch_registry.flatten(0)[1])
f = dispatch.make_dispatcher("f", compile, None, handle=Handle)
one, two = devices()
on = lambda d, **k: Handle(buffers.put(np.float32(2), d, weak_type=False, **k))
for device in (one, two, one):
    for other in (on(device), on(one, committed=False), on(two, committed=False), np.float32(2), 2.0):
        out = f(on(device), other)._data
        assert buffers.device_of(out) is device and buffers.to_numpy(out) == 4
try:
    f(on(one), on(two))
except DeviceError as error:
    assert "cpu:1" in str(error) or "TFRT_CPU_1" in str(error) or "id=1" in str(error), error
else:
    raise AssertionError

sharded = '''
sdy.mesh @mesh = <["x"=2]>
func.func @main(%a: tensor<4x2xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"x"}, {}]>}) -> tensor<4x2xf32> {
  %0 = stablehlo.add %a, %a : tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}'''
with context: module = ir.Module.parse(sharded)
executable = compile_module(module, devices=devices())
(sharding,) = executable.out_shardings
assert "devices=[2,1]" in str(sharding), sharding
with context: module = ir.Module.parse(text)
replicated = compile_module(module, devices=devices(), options=CompileSettings(num_replicas=2))
assert len(replicated.devices) == 2
"""
    done = run(code, MYCC_NUM_CPU_DEVICES="2")
    assert done.returncode == 0, done.stderr


def test_bad_device_count() -> None:
    done = run("from mycc.lowering.devices import devices; devices()", MYCC_NUM_CPU_DEVICES="many")
    assert "DeviceError" in done.stderr and "MYCC_NUM_CPU_DEVICES='many'" in done.stderr


PRINT = """
from mycc.lowering.devices import default_device, platforms
print(default_device().platform, platforms())
"""


@pytest.fixture
def plugin(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "pjrt_c_api_gpu_plugin.so"
    path.write_bytes(b"not a library")
    return f"cuda:{path}"


def test_a_broken_plugin_warns_and_falls_back(plugin: str) -> None:
    done = run(PRINT, PJRT_NAMES_AND_LIBRARY_PATHS=plugin)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "cpu"
    assert done.stderr.count("RuntimeWarning") == 1 and "pjrt_c_api_gpu_plugin.so" in done.stderr


@pytest.mark.parametrize("wanted", ["cuda", "gpu,cpu", "CUDA"])
def test_a_broken_plugin_asked_for_by_name_is_an_error(plugin: str, wanted: str) -> None:
    done = run(PRINT, PJRT_NAMES_AND_LIBRARY_PATHS=plugin, MYCC_PLATFORMS=wanted)
    assert done.returncode != 0 and "DeviceError" in done.stderr and "pjrt_c_api_gpu_plugin.so" in done.stderr


def test_platforms_in_the_order_asked_for(plugin: str) -> None:
    done = run(PRINT, PJRT_NAMES_AND_LIBRARY_PATHS=plugin, MYCC_PLATFORMS="cpu")
    assert done.stdout == "cpu ('cpu',)\n" and done.stderr == ""
    done = run(PRINT, MYCC_PLATFORMS="rocm")
    assert "DeviceError" in done.stderr and "MYCC_PLATFORMS=cpu" in done.stderr


def test_plugins_are_found_without_importing_them(tmp_path: pathlib.Path) -> None:
    for folder, library in [("xla_cuda13", "xla_cuda_plugin.so"), ("other", "pjrt_plugin_other.so")]:
        package = tmp_path / "jax_plugins" / folder
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("import jax\nraise SystemExit('imported')\n")
        (package / library).write_bytes(b"")
    code = "import sys; from mycc.lowering.plugins import find_plugins; p = find_plugins()\n"
    code += "print(sorted(p), p['cuda'].rpartition('/')[2], 'jax' in sys.modules)"
    sys.path.insert(0, str(tmp_path))
    try:
        done = run(code)
    finally:
        sys.path.remove(str(tmp_path))
    assert done.stdout == "['cuda', 'other'] xla_cuda_plugin.so False\n", done.stderr


STAND_IN = """
from unittest import mock
from mycc.lowering import pjrt
from mycc.lowering.devices import client
given = {}
def make(name, options, processes):
    given.update(options, name=name)
    return mock.Mock(devices=lambda: [1])
loader = mock.Mock(
    wraps=pjrt.xla_client, pjrt_plugin_loaded=lambda name: True, pjrt_plugin_initialized=lambda name: True, make_c_api_client=make
)
with mock.patch.object(pjrt, "xla_client", loader):
    client("cuda")
names = ("name", "platform_name", "memory_fraction", "preallocate", "allocator")
print([given.get(name) for name in names])
"""
"""A loader that has the plugin already and notes what its client is made with; jaxlib's own gives the options."""


def test_the_kernels_beside_the_plugin_are_looked_for() -> None:
    # Without the plugin's packages there are none; which modules of jaxlib list them changes with its versions.
    assert pjrt.cuda_kernels() == []


PLUGINS = """
from unittest import mock
from mycc.lowering import pjrt
loaded = []
def load(name, library):
    assert name not in loaded
    loaded.append(name)
def deserialize(*_):
    if "cuda" not in loaded:
        raise pjrt.XlaRuntimeError("NOT_FOUND: Supported GPU plugins not found")
    return "program"
client = mock.Mock(devices=lambda: [1], deserialize_executable=deserialize)
loader = mock.Mock(
    wraps=pjrt.xla_client,
    pjrt_plugin_loaded=loaded.__contains__,
    load_pjrt_plugin_dynamically=load,
    pjrt_plugin_initialized=lambda name: True,
    initialize_pjrt_plugin=lambda name: None,
    make_c_api_client=lambda name, *_: client,
)
with mock.patch.object(pjrt, "xla_client", loader), mock.patch.object(pjrt, "_register_cuda_kernels"):
    pjrt.make_plugin_client("cuda", "there.so")
    print(loaded)
    print([pjrt.deserialize(client, b"", None, None) for _ in range(2)], loaded)
"""


def test_a_plugin_has_a_name_of_its_own_until_jaxlib_needs_the_platforms() -> None:
    done = run(PLUGINS)
    assert done.stdout == "['mycc_cuda']\n['program', 'program'] ['mycc_cuda', 'cuda']\n", done.stderr


def test_barriers_for_the_host_do_not_reach_a_gpu() -> None:
    def program() -> Any:
        def f(x: Any) -> Any:
            return mycc.lax.optimization_barrier(mnp.exp(x) * 2 + 1).T, mnp.exp(-x).T

        return mycc.jit(f).trace(np.ones((300, 300), np.float32)).lower().module

    traced = mycc.jit(lambda x: (mnp.exp(x) * 2).T).trace(np.ones((300, 300), np.float32))
    for platform, count in (("cpu", 1), ("gpu", 0)):
        module = copy_module(traced.module)
        run_default(module, platform=platform)
        assert str(module).count("stablehlo.optimization_barrier") == count
    # A module that was made ready for the host may run elsewhere.
    for platform, count in (("cpu", 2), ("gpu", 1)):
        module = program()
        assert str(module).count("stablehlo.optimization_barrier") == 2
        check_handover(module, platform)
        assert str(module).count("stablehlo.optimization_barrier") == count
        device = mock.Mock(platform=platform)
        assert ("xla_disable_hlo_passes" in dict(flags_of(DEFAULTS, [device]))) == (platform == "cpu")


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, [None, None, "default"]),
        ({"MYCC_MEM_FRACTION": "0.25", "MYCC_PREALLOCATE": "0"}, [0.25, False, "default"]),
        ({"MYCC_PREALLOCATE": "True", "MYCC_ALLOCATOR": "Platform"}, [None, True, "platform"]),
        ({"XLA_CLIENT_MEM_FRACTION": "0.5"}, [0.5, None, "default"]),
        ({"XLA_CLIENT_MEM_FRACTION": "0.5", "MYCC_MEM_FRACTION": "1"}, [1.0, None, "default"]),
    ],
)
def test_memory_settings_reach_the_plugin(
    plugin: str, settings: dict[str, str], options: list[object]
) -> None:
    done = run(STAND_IN, PJRT_NAMES_AND_LIBRARY_PATHS=plugin, **settings)
    assert done.stdout == f"{['cuda', 'cuda', *options]}\n", done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MYCC_MEM_FRACTION", "much"),
        ("MYCC_MEM_FRACTION", "0"),
        ("MYCC_MEM_FRACTION", "75"),
        ("MYCC_PREALLOCATE", "later"),
        ("MYCC_ALLOCATOR", "malloc"),
    ],
)
def test_bad_memory_settings(plugin: str, name: str, value: str) -> None:
    done = run(PRINT, PJRT_NAMES_AND_LIBRARY_PATHS=plugin, MYCC_PLATFORMS="cuda", **{name: value})
    assert "DeviceError" in done.stderr and f"{name}='{value}'" in done.stderr
    # The host has no such settings.
    assert run(PRINT, MYCC_PLATFORMS="cpu", **{name: value}).stdout == "cpu ('cpu',)\n"
