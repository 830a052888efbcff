"""`shard_map` and `pmap`: against JAX on as many devices, NumPy, and the same on one device."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.sharding import Mesh, NamedSharding
from mycc.sharding import PartitionSpec as P

Matrix = np.ndarray[Any, Any]
RING = [(i, (i + 1) % 4) for i in range(4)]

COLLECTIVES: dict[str, tuple[int, Callable[[Any, Any], Any]]] = {
    "psum": (2, lambda l, v: l.psum(v, "x")),
    "psum of both axes": (2, lambda l, v: l.psum(v * v, ("x", "y"))),
    "pmean": (2, lambda l, v: l.pmean(v, "x")),
    "pmax": (2, lambda l, v: l.pmax(v, "x")),
    "pmin": (2, lambda l, v: l.pmin(v, "y")),
    "all_gather": (3, lambda l, v: l.all_gather(v, "x")),
    "all_gather along the last": (3, lambda l, v: l.all_gather(v, "x", axis=-1)),
    "all_gather tiled": (2, lambda l, v: l.all_gather(v, "y", axis=1, tiled=True)),
    "psum_scatter": (1, lambda l, v: l.psum_scatter(v, "x")),
    "psum_scatter tiled": (2, lambda l, v: l.psum_scatter(v, "x", scatter_dimension=1, tiled=True)),
    "all_to_all": (2, lambda l, v: l.all_to_all(v, "x", 0, 1)),
    "all_to_all back": (2, lambda l, v: l.all_to_all(v.T, "x", 1, 0)),
    "all_to_all tiled": (2, lambda l, v: l.all_to_all(v, "x", 1, 0, tiled=True)),
    "ppermute": (2, lambda l, v: l.ppermute(v, "x", [(0, 1), (3, 2)])),
    "ring": (2, lambda l, v: l.ppermute(v, "x", RING)),
    "pshuffle": (2, lambda l, v: l.pshuffle(v, "x", [2, 0, 3, 1])),
    "axis_index": (2, lambda l, v: v * l.axis_index("x") + l.axis_index("y")),
}
NO_DERIVATIVE_IN_JAX = ("pmax", "pmin")
WRONG_SHAPE_IN_JAX = ("all_to_all", "all_to_all back")
"""Its transpose of an untiled exchange between different dimensions has the wrong shape."""


def both(mesh: Mesh, name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    rank, function = COLLECTIVES[name]
    out = (("x", "y"),) if rank == 1 else ("x", "y")
    theirs = jax.sharding.Mesh(np.array(jax.devices()[:8]).reshape(4, 2), ("x", "y"))
    jp = jax.sharding.PartitionSpec
    return (
        mycc.shard_map(lambda v: function(lax, v), mesh=mesh, in_specs=P("x", "y"), out_specs=P(*out)),
        jax.shard_map(
            lambda v: function(jax.lax, v),
            mesh=theirs,
            in_specs=jp("x", "y"),
            out_specs=jp(*out),
            check_vma=False,
        ),
    )


@pytest.fixture
def square() -> Matrix:
    return np.random.default_rng(1).normal(size=(16, 16))


@pytest.mark.parametrize("name", COLLECTIVES)
def test_collectives_are_those_of_jax(mesh: Mesh, square: Matrix, name: str) -> None:
    ours, theirs = both(mesh, name)
    want = np.asarray(theirs(square))
    np.testing.assert_allclose(ours(square), want, rtol=1e-12)
    np.testing.assert_allclose(mycc.jit(ours)(square), want, rtol=1e-12)
    stack = np.stack([square, 2 * square])
    np.testing.assert_allclose(mycc.jit(mycc.vmap(ours))(stack), jax.vmap(theirs)(stack), rtol=1e-12)


@pytest.mark.parametrize("name", COLLECTIVES)
def test_derivatives(mesh: Mesh, square: Matrix, name: str) -> None:
    ours, theirs = both(mesh, name)
    rng = np.random.default_rng(2)
    tangent, cotangent = rng.normal(size=square.shape), rng.normal(size=ours(square).shape)
    pushed = mycc.jit(lambda x, t: mycc.jvp(ours, (x,), (t,))[1])(square, tangent)
    (pulled,) = mycc.jit(lambda x, c: mycc.vjp(ours, x)[1](c))(square, cotangent)
    np.testing.assert_allclose(np.sum(pushed * cotangent), np.sum(pulled * tangent), rtol=1e-10)
    step = 1e-6
    differences = (np.asarray(ours(square + step * tangent)) - ours(square - step * tangent)) / (2 * step)
    np.testing.assert_allclose(pushed, differences, rtol=1e-6, atol=1e-6)
    if name not in NO_DERIVATIVE_IN_JAX + WRONG_SHAPE_IN_JAX:
        (want,) = jax.jit(lambda x, c: jax.vjp(theirs, x)[1](c))(square, cotangent)
        np.testing.assert_allclose(pulled, want, rtol=1e-12, atol=1e-12)


def test_a_product_of_split_matrices(mesh: Mesh, x: Matrix) -> None:
    w = np.random.default_rng(1).normal(size=(16, 6))
    f = mycc.shard_map(
        lambda a, b: lax.psum(a @ b, "y"), mesh=mesh, in_specs=(P("x", "y"), P("y")), out_specs=P("x")
    )
    assert f(x, w).sharding == NamedSharding(mesh, P("x"))
    np.testing.assert_allclose(f(x, w), x @ w, rtol=1e-12)

    def through(product: Callable[..., Any]) -> Callable[..., Any]:
        return lambda a, b: mnp.sum(mnp.tanh(product(a, b)) ** 3)

    # The second operand is replicated over x: its cotangents are summed over it.
    for argument in (0, 1):
        got = mycc.jit(mycc.grad(through(f), argument))(x, w)
        np.testing.assert_allclose(got, mycc.grad(through(mnp.matmul), argument)(x, w), rtol=1e-9)
        second = mycc.jit(mycc.jvp, static_argnums=0)(
            mycc.grad(lambda b: through(f)(x, b)), (mnp.asarray(w),), (mnp.asarray(w),)
        )[1]
        want = mycc.jvp(mycc.grad(lambda b: through(mnp.matmul)(x, b)), (mnp.asarray(w),), (mnp.asarray(w),))[
            1
        ]
        np.testing.assert_allclose(second, want, rtol=1e-8, atol=1e-10)
    transposed = mycc.linear_transpose(lambda b: f(x, b), mycc.ShapeDtypeStruct(w.shape, w.dtype))
    ct = np.random.default_rng(3).normal(size=(8, 6))
    np.testing.assert_allclose(transposed(ct)[0], x.T @ ct, rtol=1e-12)


def test_replicated_results_and_captured_values(mesh: Mesh, x: Matrix) -> None:
    scale = mnp.asarray(3.0)
    total = mycc.shard_map(
        lambda v: lax.pmean(lax.psum(scale * v.sum(), "x"), "y"), mesh=mesh, in_specs=P("x"), out_specs=P()
    )
    np.testing.assert_allclose(total(x), 3 * x.sum(), rtol=1e-6)
    np.testing.assert_allclose(mycc.grad(total)(mnp.asarray(x)), np.full_like(x, 3), rtol=1e-6)
    around = mycc.jit(
        lambda s, v: mycc.shard_map(lambda w: w * s, mesh=mesh, in_specs=P("x"), out_specs=P("x"))(v)
    )
    np.testing.assert_allclose(around(2.0, x), 2 * x)
    np.testing.assert_allclose(
        mycc.grad(lambda s: mnp.sum(around(s, x)))(mnp.float64(2.0)), x.sum(), rtol=1e-10
    )


def test_loops_inside(mesh: Mesh, square: Matrix) -> None:
    def turned(v: Any) -> Any:
        return lax.fori_loop(0, 3, lambda i, c: mnp.sin(lax.ppermute(c, "x", RING)), v)

    f = mycc.shard_map(turned, mesh=mesh, in_specs=P("x", "y"), out_specs=P("x", "y"))
    want = np.sin(np.sin(np.sin(np.roll(square, 12, 0))))
    np.testing.assert_allclose(f(square), want, rtol=1e-12)
    got = mycc.jit(mycc.grad(lambda v: mnp.sum(f(v) * square)))(square)
    alone = mycc.grad(lambda v: mnp.sum(mnp.sin(mnp.sin(mnp.sin(mnp.roll(v, 12, 0)))) * square))(square)
    np.testing.assert_allclose(got, alone, rtol=1e-10)


def test_the_ir(mesh: Mesh, x: Matrix) -> None:
    f = mycc.jit(mycc.shard_map(lambda v: lax.psum(v, "x"), mesh=mesh, in_specs=P("x"), out_specs=P()))
    traced = f.trace(x)
    assert "sdy.manual_computation" in traced.as_text() and "@mycc.psum" in traced.as_text()
    lowered = traced.lower().as_text()
    assert "replica_groups = dense<[[0, 2, 4, 6], [1, 3, 5, 7]]>" in lowered and "mycc." not in lowered
    compiled = traced.lower().compile().as_text()
    assert len(re.findall(r"= \S+ all-reduce\(", compiled)) == 1 and "all-gather" not in compiled


def test_data_parallel_training_exchanges_little(mesh: Mesh) -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(8, 8)) / 3 for _ in range(50)]
    data = rng.normal(size=(32, 8))

    def loss(ws: Any, v: Any) -> Any:
        for w in ws:
            v = mnp.tanh(v @ w)
        return mnp.mean(v**2)

    rows = NamedSharding(mesh, P(("x", "y")))
    got = mycc.jit(mycc.grad(loss))(weights, mycc.device_put(data, rows))
    for a, b in zip(got, mycc.jit(mycc.grad(loss))(weights, data), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    text = mycc.jit(mycc.grad(loss)).lower(weights, mycc.device_put(data, rows)).compile().as_text()
    assert len(re.findall(r"all-reduce\(", text)) <= 3


CHECKED: dict[str, tuple[bool, Callable[[Any], Any]]] = {
    "psum": (True, lambda v: lax.psum(v, "x")),
    "gathered": (True, lambda v: lax.all_gather(v, "x", tiled=True)[:2]),
    "constant": (True, lambda v: mnp.zeros_like(v)),
    "carry that stays the same": (
        True,
        lambda v: lax.fori_loop(
            0, 3, lambda i, c: (c[0] + lax.psum(c[1], "x"), c[1] * 2), (mnp.zeros_like(v), v)
        )[0],
    ),
    "branch": (
        True,
        lambda v: lax.cond(lax.psum(v.sum(), "x") > 0, lambda w: w, lambda w: -w, lax.psum(v, "x")),
    ),
    "jitted": (True, lambda v: mycc.jit(lambda w: lax.psum(w, "x"))(v)),
    "value and gradient": (
        True,
        lambda v: mycc.value_and_grad(lambda w: lax.psum((w * w).sum(), "x"))(v)[0] + mnp.zeros_like(v),
    ),
    "nothing": (False, lambda v: v),
    "index": (False, lambda v: mnp.zeros_like(v) + lax.axis_index("x")),
    "ring": (False, lambda v: lax.ppermute(lax.psum(v, "x"), "x", RING)),
    "other axis": (False, lambda v: lax.psum(v, "y")),
    "carry that differs": (
        False,
        lambda v: lax.fori_loop(0, 3, lambda i, c: (c[0] + c[1], c[1] * 2), (mnp.zeros_like(v), v))[0],
    ),
    "trips that differ": (
        False,
        lambda v: lax.while_loop(
            lambda c: c[0] < v.sum(), lambda c: (c[0] + 1, c[1] * 2), (mnp.float64(0), lax.psum(v, "x"))
        )[1],
    ),
    "choice that differs": (
        False,
        lambda v: lax.cond(v.sum() > 0, lambda w: w, lambda w: -w, lax.psum(v, "x")),
    ),
    "gradient": (False, lambda v: mycc.grad(lambda w: lax.psum((w * w).sum(), "x"))(v)),
}


@pytest.mark.parametrize("name", CHECKED)
def test_replicated_results_are_checked(mesh: Mesh, square: Matrix, name: str) -> None:
    same, function = CHECKED[name]
    mapped = mycc.shard_map(function, mesh=mesh, in_specs=P("x"), out_specs=P())
    if same:
        assert mapped(square).shape[1] == 16
        return
    with pytest.raises(
        mycc.ShardingError, match=r"test_shard_map.py:\d+: .* may differ over x, .* check_vma=False"
    ):
        mapped(square)
    mycc.shard_map(function, mesh=mesh, in_specs=P("x"), out_specs=P(), check_vma=False)(square)


# ---- pmap ----------------------------------------------------------------------------------------


@pytest.fixture
def stack() -> Matrix:
    return np.random.default_rng(0).normal(size=(8, 3, 5))


def test_pmap_is_vmap_on_devices(stack: Matrix) -> None:
    def f(v: Any) -> Any:
        return mnp.tanh(v @ v.T)

    spread = mycc.pmap(f)(stack)
    assert len(spread.devices()) == 8 and spread.addressable_shards[0].data.shape == (1, 3, 3)
    np.testing.assert_allclose(spread, mycc.vmap(f)(stack), rtol=1e-12)
    np.testing.assert_allclose(mycc.pmap(f)(spread), mycc.vmap(f)(spread), rtol=1e-12)
    np.testing.assert_allclose(mycc.pmap(mycc.grad(lambda v: mnp.sum(v**3)))(stack), 3 * stack**2, rtol=1e-12)
    got = mycc.grad(lambda v: mnp.sum(mnp.sin(mycc.pmap(f)(v))))(mnp.asarray(stack))
    want = mycc.grad(lambda v: mnp.sum(mnp.sin(mycc.vmap(f)(v))))(mnp.asarray(stack))
    np.testing.assert_allclose(got, want, rtol=1e-10)
    np.testing.assert_allclose(
        mycc.jit(mycc.vmap(mycc.pmap(f)))(np.stack([stack, stack]))[1], spread, rtol=1e-12
    )


def test_pmap_axes_names_and_options(stack: Matrix) -> None:
    f = mycc.pmap(lambda v: v / lax.psum(v, "i"), axis_name="i")
    np.testing.assert_allclose(f(stack), stack / stack.sum(0), rtol=1e-12)
    g = mycc.pmap(lambda v, w: (v + w, w * 2), in_axes=(1, None), out_axes=(1, None))
    moved = stack.transpose(1, 0, 2)
    a, b = g(moved, np.ones(5))
    np.testing.assert_allclose(a, moved + 1)
    np.testing.assert_allclose(b, np.full(5, 2.0))
    np.testing.assert_allclose(
        mycc.pmap(lambda v, n: v * n, static_broadcasted_argnums=1)(stack, 3), 3 * stack
    )
    np.testing.assert_allclose(
        mycc.pmap(lambda v, s: v * s)(stack, s=np.arange(8.0)), stack * np.arange(8.0)[:, None, None]
    )
    few = mycc.pmap(lambda v: v + 1, devices=mycc.devices()[4:6])(stack[:2])
    assert few.devices() == set(mycc.devices()[4:6])
    tree = mycc.pmap(lambda d: {"s": d["a"].sum()})({"a": stack})
    np.testing.assert_allclose(tree["s"], stack.sum((1, 2)), rtol=1e-12)


# ---- Bad input -----------------------------------------------------------------------------------


def bad_cases() -> dict[str, tuple[type[Exception], str, Callable[[Mesh], Any]]]:
    here = r"test_shard_map.py:\d+: "

    def over(function: Callable[..., Any], ins: Any, outs: Any, *args: Any) -> Callable[[Mesh], Any]:
        return lambda mesh: mycc.shard_map(function, mesh=mesh, in_specs=ins, out_specs=outs)(*args)

    same: Callable[[Any], Any] = lambda v: v  # noqa: E731
    ones = np.ones((8, 6))
    return {
        "size": (
            mycc.ShardingError,
            here + r".*dimension 1 of an argument f64\[8,6\] .* 4 devices along x",
            over(same, P(None, "x"), P(), ones),
        ),
        "axis": (
            mycc.ShardingError,
            here + ".*in in_specs names 'z', which is no axis",
            over(same, P("z"), P(), ones),
        ),
        "twice": (
            mycc.ShardingError,
            here + ".*in_specs names 'x' twice",
            over(same, P("x", "x"), P(), ones),
        ),
        "rank": (
            mycc.ShardingError,
            here + r".*in out_specs has 3 entries, for f64\[2,6\]",
            over(same, P("x"), P("x", None, "y"), ones),
        ),
        "tree": (mycc.TreeError, here + ".*in_specs do not match", over(same, (P(), P()), P(), ones)),
        "unbound": (
            NameError,
            here + "psum names the axis 'q'",
            over(lambda v: lax.psum(v, "q"), P(), P(), ones),
        ),
        "outside": (
            NameError,
            here + "psum names the axis 'x', which nothing around it binds",
            lambda mesh: mycc.jit(lambda v: lax.psum(v, "x"))(ones),
        ),
        "nested": (
            mycc.ShardingError,
            here + ".*inside of .*, which is mapped along x, y already",
            lambda mesh: mycc.shard_map(
                mycc.shard_map(same, mesh=mesh, in_specs=P(), out_specs=P()),
                mesh=mesh,
                in_specs=P(),
                out_specs=P(),
            )(ones),
        ),
        "permutation": (
            ValueError,
            here + r"ppermute along 'x', of size 4, got \[\(0, 1\), \(2, 1\)\]",
            over(lambda v: lax.ppermute(v, "x", [(0, 1), (2, 1)]), P(), P(), ones),
        ),
        "gather": (
            ValueError,
            here + "all_gather: there is no dimension 5 of 3",
            over(lambda v: lax.all_gather(v, "x", axis=5), P(), P(), ones),
        ),
        "scatter": (
            ValueError,
            here + r"psum_scatter: dimension 0 of an array of shape \(8, 6\) is cut for 4",
            over(lambda v: lax.psum_scatter(v, "x"), P(), P(), ones),
        ),
        "large": (
            mycc.DeviceError,
            here + "pmap of .* maps a dimension of size 16 over 8 devices",
            lambda mesh: mycc.pmap(same)(np.ones(16)),
        ),
        "sizes": (
            mycc.TransformError,
            here + r"pmap of .* different sizes \[4, 8\]",
            lambda mesh: mycc.pmap(lambda a, b: a)(np.ones(8), np.ones(4)),
        ),
    }


@pytest.mark.parametrize("case", bad_cases())
def test_bad_input(mesh: Mesh, case: str) -> None:
    kind, message, run = bad_cases()[case]
    with pytest.raises(kind) as raised:
        run(mesh)
    assert re.search(message, str(raised.value)), raised.value
