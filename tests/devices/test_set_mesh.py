"""`set_mesh`: specs and `shard_map` without a mesh mean the one that is set, in this thread."""

from __future__ import annotations

import threading
from typing import Any

import jax
import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import P, lax
from mycc.sharding import AxisType, NamedSharding, get_mesh

X = np.arange(64.0).reshape(8, 8)


def meshes() -> list[Any]:
    """Two meshes of the same axes, and of different shapes."""
    return [mycc.make_mesh(shape, ("x", "y"), (AxisType.Auto,) * 2) for shape in ((4, 2), (2, 4))]


def test_specs_alone() -> None:
    for mesh in meshes():
        with mycc.set_mesh(mesh) as entered:
            assert entered is mesh is get_mesh()
            x = mycc.device_put(X, P("x", "y"))
            assert x.sharding == NamedSharding(mesh, P("x", "y"))
            assert lax.with_sharding_constraint(x, P("y")).sharding == NamedSharding(mesh, P("y"))
            f = mycc.jit(lambda a: lax.with_sharding_constraint(2 * a, P("x")), in_shardings=P(None, "y"))
            assert f(X).sharding == NamedSharding(mesh, P("x"))
            g = mycc.jit(lambda a: a + 1, out_shardings=P("y", "x"))
            assert g(x).sharding == NamedSharding(mesh, P("y", "x"))
            np.testing.assert_array_equal(g(f(X)), 2 * X + 1)
    assert get_mesh() is None
    with pytest.raises(
        TypeError, match=r"test_set_mesh.py:\d+: .* does not say of which mesh .* mycc.set_mesh"
    ):
        mycc.device_put(X, P("x"))


def test_one_function_under_several_meshes() -> None:
    traced = []

    @mycc.jit
    def f(a: Any) -> Any:
        traced.append(get_mesh())
        part = mycc.shard_map(lambda p: lax.psum(p, "x"), in_specs=P("x"), out_specs=P())
        return lax.with_sharding_constraint(part(a), P(None, "y"))

    for _ in range(3):
        for mesh in meshes():
            with mycc.set_mesh(mesh):
                got = f(mycc.device_put(X, P("x")))
            rows = 8 // mesh.shape["x"]
            np.testing.assert_array_equal(got, X.reshape(-1, rows, 8).sum(0))
            assert got.sharding == NamedSharding(mesh, P(None, "y"))
    assert traced == meshes()
    with pytest.raises(
        TypeError, match=r"test_set_mesh.py:\d+: shard_map of .* mycc.set_mesh was not called"
    ):
        f(X)


def test_as_jax() -> None:
    def program(package: Any, mesh: Any) -> Any:
        with package.set_mesh(mesh):

            @package.shard_map(in_specs=(package.P("x", "y"), package.P("y")), out_specs=package.P("x"))
            def product(a: Any, b: Any) -> Any:
                return package.lax.psum(a @ b, "y")

            def loss(a: Any, b: Any) -> Any:
                return (product(a, b) ** 2).sum()

            return package.jit(package.grad(loss, (0, 1)))(X, X[:, :3])

    theirs = jax.make_mesh((4, 2), ("x", "y"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    for got, want in zip(program(mycc, meshes()[0]), program(jax, theirs), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_it_is_set_until_it_is_set_anew() -> None:
    first, second = meshes()
    mycc.set_mesh(first)
    try:
        assert get_mesh() is first
        with mycc.set_mesh(second):
            assert get_mesh() is second
            with pytest.raises(ZeroDivisionError), mycc.set_mesh(None):
                raise ZeroDivisionError
            assert get_mesh() is second
        assert get_mesh() is first
        seen = []
        thread = threading.Thread(target=lambda: seen.append(get_mesh()))
        thread.start()
        thread.join()
        assert seen == [None]
    finally:
        mycc.set_mesh(None)
    assert mycc.jit(lambda a: a + 1)(X).sharding.num_devices == 1


def test_errors() -> None:
    with pytest.raises(TypeError, match=r"test_set_mesh.py:\d+: set_mesh takes a Mesh"):
        mycc.set_mesh("x")  # type: ignore[arg-type]
    mesh = meshes()[0]
    with pytest.raises(
        mycc.TransformError, match=r"test_set_mesh.py:\d+: set_mesh is called while .* is traced"
    ):
        mycc.jit(lambda a: mycc.set_mesh(mesh))(1.0)
    with pytest.raises(mycc.ShardingError, match=r"make_mesh got the axis type AxisType.Explicit"):
        mycc.make_mesh((4, 2), ("x", "y"), (AxisType.Auto, AxisType.Explicit))
    with (
        mycc.set_mesh(mesh),
        pytest.raises(mycc.ShardingError, match=r"'q', which is no axis of Mesh"),
    ):
        mycc.device_put(X, P("q"))
    assert mnp.asarray(X).shape == (8, 8)
