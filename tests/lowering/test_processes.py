"""Whole processes: beside jax in either order, without it, and leaving quietly with work pending."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "1"
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )


MYCC = """
import numpy as np
from mycc.dialects.mlir import context, ir
from mycc.lowering import buffers, dispatch
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import default_device
from mycc.lowering.pytrees import dispatch_registry

class Handle:
    __slots__ = ("_data",)
    def __init__(self, data): self._data = data

TEXT = '''func.func @main(%a: tensor<NxNxf64>, %b: tensor<NxNxf64>) -> tensor<NxNxf64> {
  %0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0]
      : (tensor<NxNxf64>, tensor<NxNxf64>) -> tensor<NxNxf64>
  return %0 : tensor<NxNxf64> }'''

def compile(args, kwargs):
    n = str(args[0]._data.aval.shape[0])
    with context: module = ir.Module.parse(TEXT.replace("N", n))
    executable = compile_module(module, devices=[default_device()])
    return dispatch.Compiled(executable, dispatch_registry.flatten(0)[1])

matmul = dispatch.make_dispatcher("matmul", compile, None, handle=Handle)

def use_mycc():
    x = np.random.default_rng(0).standard_normal((8, 8))
    for y in (x, Handle(buffers.put(x))):
        out = buffers.to_numpy(matmul(Handle(buffers.put(x)), y)._data)
        assert out.dtype == np.float64
        np.testing.assert_allclose(out, x @ x)
"""

JAX = """
import jax, jax.numpy as jnp

def use_jax():
    x = np.random.default_rng(1).standard_normal((4, 4))
    f = jax.jit(lambda a: jnp.linalg.cholesky(a @ a.T + jnp.eye(4)))
    for _ in range(3):
        out = f(jnp.asarray(x))
    assert out.dtype == (np.float64 if jax.config.jax_enable_x64 else np.float32)
    np.testing.assert_allclose(out, np.linalg.cholesky(x @ x.T + np.eye(4)), rtol=1e-3, atol=1e-3)
    assert float(jax.grad(jnp.sin)(0.0)) == 1.0
    np.testing.assert_array_equal(jnp.arange(3)[::-1], [2, 1, 0])
    assert [d.platform for d in jax.devices()] == ["cpu"] and jax.device_put(1).sharding.memory_kind

def both():
    use_jax()
    use_mycc()
    jax.config.update("jax_enable_x64", True)
    use_jax()
    use_mycc()
    jax.config.update("jax_enable_x64", False)
    use_jax()
    with jax.disable_jit():
        use_mycc()
    numbers = np.asarray(jnp.arange(4.0))
    np.testing.assert_array_equal(buffers.to_numpy(buffers.put(numbers)), numbers)
    from mycc.lowering.dlpack import dlpack_device, from_dlpack, to_dlpack
    ours = from_dlpack(jnp.arange(4.0))
    class Exporter:
        def __dlpack__(self, **k): return to_dlpack(ours, **k)
        def __dlpack_device__(self): return dlpack_device(ours)
    np.testing.assert_array_equal(jnp.from_dlpack(Exporter()), numbers)
    print("done")
"""


@needs_jax
def test_mycc_first() -> None:
    done = run(MYCC + "use_mycc()\n" + JAX + "both()\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@needs_jax
def test_jax_first() -> None:
    done = run("import numpy as np" + JAX + "use_jax()\n" + MYCC + "use_mycc()\nboth()\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@needs_jax
def test_jax_is_never_imported() -> None:
    code = """
use_mycc()
import sys, ml_dtypes
from mycc.lowering.dlpack import dlpack_device, from_dlpack, to_dlpack
x = np.arange(64).astype(ml_dtypes.bfloat16)
impl = buffers.put(x)
class Exporter:
    def __dlpack__(self, **k): return to_dlpack(impl, **k)
    def __dlpack_device__(self): return dlpack_device(impl)
buffers.to_numpy(from_dlpack(Exporter()))
buffers.copy_to_device(impl, default_device(), always=True)
print('jax' in sys.modules)
"""
    done = run(MYCC + code)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


LEAVING = [
    "pass",
    "use_mycc()",
    # Work that is still running when the interpreter goes.
    "x = Handle(buffers.put(np.ones((1500, 1500)))); y = matmul(x, matmul(x, x))",
    "x = Handle(buffers.put(np.ones((1500, 1500)))); matmul(x, matmul(x, x)); del x",
    "x = Handle(buffers.put(np.ones(64))); view = buffers.to_numpy(x._data)",
    "import ml_dtypes; view = buffers.to_numpy(buffers.put(np.ones(64, ml_dtypes.bfloat16)))",
    """
import threading
def work():
    for _ in range(50): use_mycc()
threading.Thread(target=work, daemon=True).start()
use_mycc()
""",
    "import sys; x = Handle(buffers.put(np.ones((1500, 1500)))); y = matmul(x, x); sys.exit(0)",
]


@pytest.mark.parametrize("end", LEAVING)
def test_leaving_is_quiet(end: str) -> None:
    done = run(MYCC + end.replace("", ""))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
