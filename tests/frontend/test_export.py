"""`export`: what it writes is read and run by others, without mycc."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mycc
import mycc.numpy as mnp

W = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
X = np.linspace(0, 1, 4, dtype=np.float32)


def loss(params: dict[str, Any], x: Any) -> Any:
    return mnp.sum(mycc.nn.gelu(params["w"] @ x, approximate=False))


def expected(w: Any, x: Any) -> Any:
    return jax.grad(lambda w: jnp.sum(jax.nn.gelu(w @ x, approximate=False)))(w)


@pytest.fixture(scope="module")
def exported() -> Any:
    return mycc.export(mycc.grad(loss))({"w": W}, mycc.ShapeDtypeStruct((4,), "float32"))


# Nothing of mycc is loaded there: jaxlib's client, then StableHLO's reference interpreter.
LOADER = """
import sys
import numpy as np
from jaxlib import _jax, xla_client
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo
from jaxlib.mlir._mlir_libs import _jax_mlir_ext
class Aval:
    def __init__(self, array):
        self.shape, self.dtype, self.weak_type = array.shape, array.dtype, False
path, form = sys.argv[1:]
registry = ir.DialectRegistry()
_jax_mlir_ext.register_dialects(registry)
context = ir.Context()
context.append_dialect_registry(registry)
stablehlo.register_dialect(context)
with context:
    data = open(path, "rb").read()
    if form == "artifact":
        module = stablehlo.deserialize_portable_artifact(context, data)
    else:
        module = ir.Module.parse(data.decode() if form == "text" else data)
    names = {op.name.partition(".")[0] for f in module.body.operations for op in f.operation.regions[0].blocks[0]}
    w = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    x = np.linspace(0, 1, 4, dtype=np.float32)
    client = xla_client.make_cpu_client()
    device = client.devices()[0]
    loaded = client.compile_and_load(module, _jax.DeviceList((device,)), xla_client.CompileOptions())
    sharding = _jax.SingleDeviceSharding(device)
    sharding._to_xla_hlo_sharding = lambda rank: xla_client.HloSharding.replicate()
    if not hasattr(sharding, "memory_kind"):
        sharding.memory_kind = sharding._memory_kind
    copy = _jax.ArrayCopySemantics.ALWAYS_COPY
    arguments = [
        _jax.batched_device_put(Aval(a), sharding, [a], [device], True, True, copy, True) for a in (w, x)
    ]
    result = np.asarray(loaded.execute_sharded(arguments).disassemble_into_single_device_arrays()[0][0])
    constants = [ir.DenseElementsAttr.get(a) for a in (w, x)]
    interpreted = np.array(stablehlo.eval_module(module, constants)[0])
    assert "mycc" not in sys.modules
np.savez(sys.argv[1] + ".npz", result=result, interpreted=interpreted)
"""


@pytest.mark.parametrize(
    ("suffix", "form"), [(".mlir", "text"), (".mlirbc", "bytecode"), (".bin", "artifact")]
)
def test_jaxlib_alone_loads_it(exported: Any, suffix: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    exported.save(path)
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(path), form], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = np.load(f"{path}.npz")
    np.testing.assert_allclose(found["result"], expected(W, X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["interpreted"], expected(W, X), rtol=1e-5, atol=1e-6)


def test_jax_calls_it(exported: Any) -> None:
    """As a module that JAX's own exporter had written."""
    aval = jax.export.export(jax.jit(lambda w, x: w * x))(W, X)
    import dataclasses

    theirs = dataclasses.replace(aval, mlir_module_serialized=exported.serialize(), fun_name="loss")
    np.testing.assert_allclose(theirs.call(W, X), expected(W, X), rtol=1e-5, atol=1e-6)


def test_plain_stablehlo(exported: Any) -> None:
    text = exported.as_text()
    assert "mycc" not in text and "chlo." not in text and "custom_call" not in text
    # Nor the places of this file.
    assert '.py"' not in exported.module.operation.get_asm(enable_debug_info=True)


def test_call_keeps_the_structure(exported: Any) -> None:
    got = exported.call({"w": W}, X)
    np.testing.assert_allclose(got["w"], expected(W, X), rtol=1e-5, atol=1e-6)
    with pytest.raises(mycc.TreeError, match="was exported for arguments"):
        exported.call(W, X)
    with pytest.raises(TypeError, match=r"is f32\[3,4\], got f32\[4,3\]"):
        exported.call({"w": W.T}, X)
    assert repr(exported) == "<exported loss: (f32[3,4], f32[4]) -> f32[3,4]>"


def test_call_is_differentiated_and_batched() -> None:
    exported = mycc.export(loss)({"w": W}, X)
    got = mycc.jit(mycc.grad(lambda w: exported.call({"w": w}, X)))(W)
    np.testing.assert_allclose(got, expected(W, X), rtol=1e-5, atol=1e-6)
    batched = mycc.vmap(exported.call, in_axes=(None, 0))({"w": W}, np.stack([X, 2 * X]))
    np.testing.assert_allclose(batched, [loss({"w": W}, X), loss({"w": W}, 2 * X)], rtol=1e-5)


def test_captured_arrays_are_embedded() -> None:
    table = mnp.arange(1000.0)
    exported = mycc.export(lambda i: table[i] * 2)(np.int32(0))
    assert len(exported.in_avals) == 1
    f = mycc.from_stablehlo(exported.serialize())
    assert float(f(np.int32(7))) == 14.0


def test_jitted_static_and_keyword_arguments() -> None:
    @functools.partial(mycc.jit, static_argnums=1)
    def power(x: Any, n: int, *, scale: Any) -> Any:
        return x**n * scale, {}

    exported = mycc.export(power)(2.0, 3, scale=0.5)
    out, rest = exported.call(2.0, scale=0.5)
    assert float(out) == 4.0 and rest == {}


def test_round_trip() -> None:
    f = mycc.from_stablehlo(mycc.export(mnp.sin)(X).as_bytecode())
    again = mycc.export(mycc.grad(lambda x: f(x).sum()))(X)
    np.testing.assert_allclose(again.call(X), np.cos(X), rtol=1e-6)


def test_versions() -> None:
    exported = mycc.export(mnp.sin)(X)
    assert b"StableHLO_v1.0.0" in exported.serialize("1.0.0")
    with pytest.raises(mycc.ModuleError, match="cannot be written for StableHLO 77"):
        exported.serialize("77.0.0")


@pytest.mark.parametrize("form", ["artifact", "text"])
def test_derivative_rules_survive(form: str) -> None:
    @mycc.custom_jvp
    def tripled(x: Any) -> Any:
        return mnp.log(1.0 + mnp.exp(x))

    @tripled.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        return tripled(primals[0]), 3.0 * tangents[0]

    @mycc.custom_vjp
    def scaled(x: Any, y: Any) -> Any:
        return x * y

    scaled.defvjp(lambda x, y: (scaled(x, y), (x, y)), lambda r, ct: (ct * r[1] * 3, ct * r[0] * 5))

    def f(x: Any) -> Any:
        return tripled(x) + scaled(x, 2.0 * x) + mycc.checkpoint(mnp.sin)(x)

    exported = mycc.export(f)(mycc.ShapeDtypeStruct((), "float32"))
    again = mycc.from_stablehlo(exported.serialize() if form == "artifact" else exported.as_text())
    # The rules say something else than the functions do, so that it shows whether they are asked.
    x = 0.5
    assert float(mycc.grad(f)(x)) == pytest.approx(3 + (2 * x * 3 + x * 5 * 2) + np.cos(x), rel=1e-6)
    for transform in (
        lambda g: g,
        mycc.grad,
        lambda g: mycc.jit(mycc.grad(g)),
        lambda g: mycc.grad(mycc.grad(g)),
    ):
        np.testing.assert_allclose(transform(again)(x), transform(f)(x), rtol=1e-6)
    xs = mnp.arange(3.0)
    np.testing.assert_allclose(mycc.vmap(mycc.grad(again))(xs), mycc.vmap(mycc.grad(f))(xs), rtol=1e-6)
