"""`from_stablehlo` on what exporters write for devices and effects that are not there: collectives, meshes, tokens."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import NamedSharding, PartitionSpec

import mycc

X = np.linspace(0, 1, 4, dtype=np.float32)


def test_collectives_among_one_device() -> None:
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), "x")

    def body(a: Any) -> Any:
        gathered = jax.lax.all_gather(a, "x", tiled=True)
        scattered = jax.lax.psum_scatter(a, "x", tiled=True)
        exchanged = jax.lax.all_to_all(a, "x", 0, 0, tiled=True) * jax.lax.ppermute(a, "x", [(0, 0)])
        sums = jax.lax.psum((a * gathered, jnp.sin(a)), "x")
        return sums[0] * sums[1] + scattered + exchanged + jax.lax.pmean(a, "x") + jax.lax.axis_index("x")

    spec = PartitionSpec("x")
    fun = jax.jit(jax.shard_map(body, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))
    module = export.export(fun)(
        jax.ShapeDtypeStruct((4,), jnp.float32, sharding=NamedSharding(mesh, spec))
    ).mlir_module_serialized
    f = mycc.from_stablehlo(module)
    np.testing.assert_allclose(f(X), fun(X), rtol=1e-6)
    got = mycc.grad(lambda x: f(x).sum())(X)
    np.testing.assert_allclose(got, jax.grad(lambda x: fun(x).sum())(X), rtol=1e-6)
    got = mycc.vmap(f)(np.stack([X, X / 2]))
    np.testing.assert_allclose(got, np.stack([fun(X), fun(X / 2)]), rtol=1e-6)


TYPE = "tensor<4xf32>"
REGION = """({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>):
      %s = stablehlo.add %a, %b : tensor<f32>
      stablehlo.return %s : tensor<f32>
    })"""
MANUAL = (
    '"sdy.manual_computation"(%x) <{in_shardings = #sdy.sharding_per_value<[<@mesh, [{"x"}]>]>, '
    'out_shardings = #sdy.sharding_per_value<[<@mesh, [{"x"}]>]>, manual_axes = #sdy<manual_axes{"x"}>}> ({\n'
    f"^bb0(%a: {TYPE}):\n%s = stablehlo.add %a, %a : {TYPE}\nsdy.return %s : {TYPE}\n}})"
)
ONE = {
    "all_reduce": (
        '"stablehlo.all_reduce"(%x) <{replica_groups = dense<> : tensor<0x0xi64>}> ' + REGION,
        X,
    ),
    "collective_broadcast": (
        '"stablehlo.collective_broadcast"(%x) <{replica_groups = dense<0> : tensor<1x1xi64>}>',
        X,
    ),
    "permute to itself": (
        '"stablehlo.collective_permute"(%x) <{source_target_pairs = dense<0> : tensor<1x2xi64>}>',
        X,
    ),
    "permute of nothing": (
        '"stablehlo.collective_permute"(%x) <{source_target_pairs = dense<> : tensor<0x2xi64>}>',
        0 * X,
    ),
    "manual_computation": (
        MANUAL,
        2 * X,
    ),
}


@pytest.mark.parametrize("name", ONE)
def test_on_one_device(name: str) -> None:
    op, wanted = ONE[name]
    f = mycc.from_stablehlo(
        f'module {{\nsdy.mesh @mesh = <["x"=1]>\nfunc.func @main(%x: {TYPE}) -> {TYPE} {{\n'
        f"%0 = {op} : ({TYPE}) -> {TYPE}\nreturn %0 : {TYPE}\n}}\n}}"
    )
    np.testing.assert_array_equal(f(X), wanted)


TOKENS = """
func.func @main(%t: !stablehlo.token {a.b = 1 : i32}, %x: tensor<f32>, %u: !stablehlo.token)
    -> (!stablehlo.token, tensor<f32> {jax.result_info = "result"}) {
  %made = stablehlo.create_token : !stablehlo.token
  %all = stablehlo.after_all %t, %u, %made : !stablehlo.token
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %0:3 = stablehlo.while(%i = %zero, %s = %all, %c = %x) : tensor<i32>, !stablehlo.token, tensor<f32>
  cond {
    %three = stablehlo.constant dense<3> : tensor<i32>
    %1 = stablehlo.compare LT, %i, %three : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %one = stablehlo.constant dense<1> : tensor<i32>
    %1 = stablehlo.add %i, %one : tensor<i32>
    %2:2 = "stablehlo.case"(%i) ({
      %3:2 = func.call @square(%c, %s) : (tensor<f32>, !stablehlo.token) -> (tensor<f32>, !stablehlo.token)
      stablehlo.return %3#0, %3#1 : tensor<f32>, !stablehlo.token
    }, {
      stablehlo.return %c, %all : tensor<f32>, !stablehlo.token
    }) : (tensor<i32>) -> (tensor<f32>, !stablehlo.token)
    %4:2 = stablehlo.optimization_barrier %2#1, %2#0 : !stablehlo.token, tensor<f32>
    stablehlo.return %1, %4#0, %4#1 : tensor<i32>, !stablehlo.token, tensor<f32>
  }
  %5 = stablehlo.sine %0#2 : tensor<f32>
  return %0#1, %5 : !stablehlo.token, tensor<f32>
}
func.func private @square(%x: tensor<f32>, %t: !stablehlo.token) -> (tensor<f32>, !stablehlo.token) {
  %0 = stablehlo.multiply %x, %x : tensor<f32>
  return %0, %t : tensor<f32>, !stablehlo.token
}
"""


def test_tokens_that_order_nothing() -> None:
    f = mycc.from_stablehlo(TOKENS)
    assert repr(f) == "<text:@main(x: f32[]) -> f32[]>"
    assert "token" not in f.as_text()
    x = np.float32(0.7)
    np.testing.assert_allclose(f(x), np.sin(x**2), rtol=1e-6)
    np.testing.assert_allclose(mycc.grad(f)(x), np.cos(x**2) * 2 * x, rtol=1e-6)


def test_only_tokens() -> None:
    f = mycc.from_stablehlo(
        "func.func @main(%t: !stablehlo.token) -> !stablehlo.token { return %t : !stablehlo.token }"
    )
    assert f() == ()


ASSERTION = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %d = stablehlo.get_dimension_size %x, dim = 0 : (tensor<4xf32>) -> tensor<i32>
  %c = stablehlo.constant dense<3> : tensor<i32>
  %ok = stablehlo.compare GE, %d, %c, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  stablehlo.custom_call @shape_assertion(%ok, %d) {error_message = "{0} is at least 3", has_side_effect = true}
      : (tensor<i1>, tensor<i32>) -> ()
  return %x : tensor<4xf32>
}"""


def test_assertions_in_modules_of_fixed_sizes() -> None:
    np.testing.assert_array_equal(mycc.from_stablehlo(ASSERTION)(X), X)
    with pytest.raises(mycc.ModuleError, match=r"text:6: error: the module asserts .*: 4 is at least 3"):
        mycc.from_stablehlo(ASSERTION.replace("dense<3>", "dense<7>"))
    data = ASSERTION.replace("(%ok, %d)", "(%n, %d)").replace(
        "%c =",
        "%e = stablehlo.slice %x [0:1] : (tensor<4xf32>) -> tensor<1xf32>  %r = stablehlo.reshape %e : "
        "(tensor<1xf32>) -> tensor<f32>  %n = stablehlo.convert %r : (tensor<f32>) -> tensor<i1>  %c =",
    )
    with pytest.raises(mycc.ModuleError, match=r"text:6: error: an assertion on shapes that depends on more"):
        mycc.from_stablehlo(data)


def test_an_open_size_and_several_platforms() -> None:
    (b,) = export.symbolic_shape("b")

    def fun(x: Any) -> Any:
        return jax.lax.platform_dependent(x, cpu=jnp.sin, cuda=jnp.cos).sum() * x.shape[0]

    spec = jax.ShapeDtypeStruct((b, 2), jnp.float32)
    module = export.export(jax.jit(fun), platforms=["cpu", "cuda"])(spec).mlir_module_serialized
    f = mycc.from_stablehlo(module)
    assert [p.name for p in f.in_avals] == ["arg0"]
    x = X.reshape(2, 2)
    np.testing.assert_allclose(f(x), fun(x), rtol=1e-6)
    np.testing.assert_allclose(mycc.grad(f)(x), jax.grad(fun)(x), rtol=1e-6)
