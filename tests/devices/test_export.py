"""Shardings of exported modules and of modules from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.lax import with_sharding_constraint
from mycc.sharding import Mesh, NamedSharding
from mycc.sharding import PartitionSpec as P

Matrix = np.ndarray[Any, Any]


def exported(mesh: Mesh, x: Matrix) -> Any:
    def f(v: Any) -> Any:
        return with_sharding_constraint(mnp.sin(v), NamedSharding(mesh, P(None, "y"))) @ v.T

    rows, both = NamedSharding(mesh, P("x")), NamedSharding(mesh, P("x", "y"))
    return mycc.export(mycc.jit(f, in_shardings=rows, out_shardings=both))(x)


@pytest.mark.parametrize("suffix", [".mlir", ".mlirbc", ".bin"])
def test_shardings_survive_export(mesh: Mesh, x: Matrix, tmp_path: Path, suffix: str) -> None:
    made = exported(mesh, x)
    assert "sdy.sharding_constraint" in made.as_text()
    made.save(tmp_path / f"f{suffix}")
    for function in (made.call, mycc.from_stablehlo(tmp_path / f"f{suffix}")):
        got = function(x)
        assert got.sharding == NamedSharding(mesh, P("x", "y"))
        np.testing.assert_allclose(got, np.sin(x) @ x.T, rtol=1e-12)
        gradient = mycc.grad(lambda v, f=function: mnp.sum(f(v)))(mnp.asarray(x))
        want = mycc.grad(lambda v: mnp.sum(mnp.sin(v) @ v.T))(mnp.asarray(x))
        np.testing.assert_allclose(gradient, want, rtol=1e-10)
        stack = np.stack([x, 2 * x])
        assert mycc.jit(mycc.vmap(function))(stack).shape == (2, 8, 8)
        assert '{"x"}' in mycc.jit(function).lower(x).as_text()


def test_without_as_many_devices_it_runs_on_one(x: Matrix) -> None:
    text = """
      sdy.mesh @mesh = <["x"=16]>
      func.func @main(%x: tensor<8x16xf64> {sdy.sharding = #sdy.sharding<@mesh, [{}, {"x"}]>}) -> tensor<8x16xf64> {
        %0 = stablehlo.sine %x : tensor<8x16xf64>
        return %0 : tensor<8x16xf64>
      }"""
    got = mycc.from_stablehlo(text)(x)
    np.testing.assert_allclose(got, np.sin(x), rtol=1e-12)
    assert len(got.devices()) == 1


def test_what_a_mesh_means_is_not_guessed(x: Matrix) -> None:
    cases = {
        '<["x"=2], device_ids=[1, 0]>': '[{"x"}]',
        "<[], device_ids=[0]>": "[]",
        '<["x"=4]>': '[{"x":(1)2}]',
    }
    for mesh, split in cases.items():
        text = f"""
          sdy.mesh @mesh = {mesh}
          func.func @main(%x: tensor<8xf64> {{sdy.sharding = #sdy.sharding<@mesh, {split}>}}) -> tensor<8xf64> {{
            return %x : tensor<8xf64>
          }}"""
        got = mycc.from_stablehlo(text)(x[0, :8])
        np.testing.assert_array_equal(got, x[0, :8])
        assert len(got.devices()) == 1


def test_programs_of_each_device_are_for_other_tools(mesh: Mesh, x: Matrix) -> None:
    mapped = mycc.shard_map(lambda v: lax.psum(v, "x"), mesh=mesh, in_specs=P("x"), out_specs=P())
    made = mycc.export(mycc.jit(mapped))(x)
    assert "stablehlo.all_reduce" in made.as_text()
    assert len(made.serialize()) > 100
    for call in (lambda: made.call(x), lambda: mycc.from_stablehlo(made.serialize())):
        with pytest.raises(mycc.ModuleError, match=r"'sdy.manual_computation' in .* is called as it is"):
            call()
