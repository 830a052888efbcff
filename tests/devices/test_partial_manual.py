"""`shard_map` along some axes of a mesh, and inside of another: against JAX on as many devices."""

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
from mycc.lax import with_sharding_constraint
from mycc.sharding import Mesh, NamedSharding
from mycc.sharding import PartitionSpec as P

Matrix = np.ndarray[Any, Any]
RING = [(i, (i + 1) % 4) for i in range(4)]


def constrained(package: Any, mesh: Any, x: Any, *spec: Any) -> Any:
    if package is mycc:
        return with_sharding_constraint(x, NamedSharding(mesh, P(*spec)))
    return jax.lax.with_sharding_constraint(x, jax.sharding.PartitionSpec(*spec))


def inner(package: Any, function: Callable[[Any], Any], *spec: Any) -> Any:
    """A shard_map along what is left of the mesh around it."""
    p = (P if package is mycc else jax.sharding.PartitionSpec)(*spec)
    map_: Any = mycc.shard_map if package is mycc else jax.shard_map
    options = {} if package is mycc else {"check_vma": False}
    return map_(function, in_specs=p, out_specs=p, **options)


Function = Callable[[Any, Any, Any], Any]
FUNCTIONS: dict[str, Function] = {
    "psum": lambda m, _, v: m.lax.psum(v, "x"),
    "pmean": lambda m, _, v: m.lax.pmean(v, "x"),
    "pmax": lambda m, _, v: m.lax.pmax(v, "x"),
    "all_gather": lambda m, _, v: m.lax.all_gather(v, "x", axis=1, tiled=True),
    "psum_scatter": lambda m, _, v: m.lax.psum_scatter(v, "x", scatter_dimension=1, tiled=True),
    "all_to_all": lambda m, _, v: m.lax.all_to_all(v, "x", 1, 0, tiled=True),
    "ppermute": lambda m, _, v: m.lax.ppermute(v, "x", RING),
    "axis_index": lambda m, _, v: v * m.lax.axis_index("x"),
    "product": lambda m, _, v: m.lax.psum(m.numpy.tanh(v @ v.T), "x") @ v,
    "constraint": lambda m, mesh, v: m.numpy.sin(constrained(m, mesh, m.numpy.sin(v), None, "y")) * v,
    "loop": lambda m, _, v: m.lax.fori_loop(
        0, 3, lambda i, c: m.numpy.sin(m.lax.ppermute(c, "x", RING)) * 2, v
    ),
    "inner": lambda m, _, v: inner(m, lambda w: m.lax.psum(m.numpy.sin(w), "y") * w, None, "y")(v) * v,
    "both indices inside": lambda m, _, v: inner(
        m, lambda w: w * (m.lax.axis_index("x") * 10 + m.lax.axis_index("y")), None, "y"
    )(v),
    "outer axis inside": lambda m, _, v: inner(m, lambda w: m.lax.psum(w, "x") * w, None, "y")(v),
}
NO_DERIVATIVE_IN_JAX = {"pmax"}


class Jax:
    """What the functions need of JAX, under the names that they use."""

    lax, numpy = jax.lax, jax.numpy


def both(mesh: Mesh, name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    function = FUNCTIONS[name]
    theirs = jax.make_mesh((4, 2), ("x", "y"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    jp = jax.sharding.PartitionSpec
    return (
        mycc.shard_map(
            lambda v: function(mycc, mesh, v), mesh=mesh, in_specs=P("x"), out_specs=P("x"), axis_names={"x"}
        ),
        jax.shard_map(
            lambda v: function(Jax, theirs, v),
            mesh=theirs,
            in_specs=jp("x"),
            out_specs=jp("x"),
            axis_names={"x"},
            check_vma=False,
        ),
    )


@pytest.fixture
def square() -> Matrix:
    return np.random.default_rng(1).normal(size=(16, 16))


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_batches_are_those_of_jax(mesh: Mesh, square: Matrix, name: str, spread: bool) -> None:
    ours, theirs = both(mesh, name)
    x = mycc.device_put(square, NamedSharding(mesh, P("x", "y"))) if spread else square
    want = np.asarray(jax.jit(theirs)(square))
    np.testing.assert_allclose(ours(x), want, rtol=1e-12)
    np.testing.assert_allclose(mycc.jit(ours)(x), want, rtol=1e-12)
    stack = np.stack([square, 2 * square])
    np.testing.assert_allclose(mycc.jit(mycc.vmap(ours))(stack), jax.jit(jax.vmap(theirs))(stack), rtol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(mesh: Mesh, square: Matrix, name: str) -> None:
    ours, theirs = both(mesh, name)
    rng = np.random.default_rng(2)
    tangent = rng.normal(size=square.shape)
    cotangent = rng.normal(size=ours(square).shape)
    pushed = mycc.jit(lambda x, t: mycc.jvp(ours, (x,), (t,))[1])(square, tangent)
    (pulled,) = mycc.jit(lambda x, c: mycc.vjp(ours, x)[1](c))(square, cotangent)
    np.testing.assert_allclose(np.sum(pushed * cotangent), np.sum(pulled * tangent), rtol=1e-10)
    step = 1e-6
    differences = (np.asarray(ours(square + step * tangent)) - ours(square - step * tangent)) / (2 * step)
    np.testing.assert_allclose(pushed, differences, rtol=1e-5, atol=1e-5)
    if name not in NO_DERIVATIVE_IN_JAX:
        (want,) = jax.jit(lambda x, c: jax.vjp(theirs, x)[1](c))(square, cotangent)
        np.testing.assert_allclose(pulled, want, rtol=1e-11, atol=1e-11)


def test_second_derivatives_and_transposes(mesh: Mesh, square: Matrix) -> None:
    ours, theirs = both(mesh, "product")
    direction = np.random.default_rng(3).normal(size=square.shape)
    got = mycc.jit(lambda x, t: mycc.jvp(mycc.grad(lambda v: mnp.sum(ours(v) ** 2)), (x,), (t,))[1])(
        square, direction
    )
    want = jax.jit(lambda x, t: jax.jvp(jax.grad(lambda v: jax.numpy.sum(theirs(v) ** 2)), (x,), (t,))[1])(
        square, direction
    )
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-9)
    ours, theirs = both(mesh, "all_gather")
    transposed = mycc.linear_transpose(ours, mycc.ShapeDtypeStruct((16, 16), "float64"))
    ct = np.random.default_rng(3).normal(size=(16, 64))
    want = jax.jit(lambda c: jax.vjp(theirs, square)[1](c))(ct)[0]
    np.testing.assert_allclose(transposed(ct)[0], want, rtol=1e-12)


def test_what_is_captured_and_what_is_replicated(mesh: Mesh, square: Matrix) -> None:
    w = np.random.default_rng(4).normal(size=(16, 8))

    def loss(weights: Any, v: Any) -> Any:
        def part(rows: Any) -> Any:
            return lax.pmean(mnp.mean(mnp.tanh(rows @ weights) ** 2), "x")

        return mycc.shard_map(part, mesh=mesh, in_specs=P("x"), out_specs=P(), axis_names={"x"})(v)

    def alone(weights: Any, v: Any) -> Any:
        return mnp.mean(mnp.tanh(v @ weights) ** 2)

    spread = mycc.device_put(w, NamedSharding(mesh, P(None, "y")))
    got = mycc.jit(mycc.value_and_grad(loss))(spread, square)
    want = mycc.value_and_grad(alone)(mnp.asarray(w), square)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-12)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-10)
    # What the partitioner is left with stays spread: nobody gathers the weights.
    text = mycc.jit(mycc.grad(loss)).lower(spread, square).compile().as_text()
    assert "all-gather" not in text and got[1].sharding.spec == P(None, "y")


def test_the_ir(mesh: Mesh, square: Matrix) -> None:
    ours, _ = both(mesh, "both indices inside")
    f = mycc.jit(mycc.grad(lambda v: mnp.sum(ours(v) ** 2)))
    lowered = f.lower(square).as_text()
    assert 'in_shardings=[<@mesh, [{"x", ?}, {?}]>' in lowered and 'manual_axes={"x"}' in lowered
    # All axes are manual inside, so that a device may ask for its number.
    assert 'in_shardings=[<@mesh, [{?}, {"y", ?}]>' in lowered and 'manual_axes={"y"}' in lowered
    assert "mycc." not in lowered
    ours, _ = both(mesh, "axis_index")
    lowered = mycc.jit(ours).lower(square).as_text()
    assert re.search(
        r'sdy.manual_computation\(\) in_shardings=\[\] .*manual_axes={"y"} \(\) {\s+%\w+ = stablehlo.partition_id',
        lowered,
    )


def test_a_function_is_used_in_two_places(mesh: Mesh, square: Matrix) -> None:
    @mycc.jit
    def number(v: Any) -> Any:
        return v + lax.axis_index("x")

    def part(v: Any) -> Any:
        return number(v) + mycc.shard_map(number, in_specs=P(None, "y"), out_specs=P(None, "y"))(v)

    f = mycc.shard_map(part, mesh=mesh, in_specs=P("x"), out_specs=P("x"), axis_names={"x"})
    np.testing.assert_allclose(f(square), 2 * square + 2 * np.repeat(np.arange(4), 4)[:, None], rtol=1e-12)


def test_checks_see_inside(mesh: Mesh, square: Matrix) -> None:
    def over(function: Callable[[Any], Any]) -> Any:
        return mycc.shard_map(function, mesh=mesh, in_specs=P("x"), out_specs=P(), axis_names={"x"})(square)

    def inside(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return mycc.shard_map(function, in_specs=P(None, "y"), out_specs=P(None, "y"))

    assert over(lambda v: inside(lambda w: lax.psum(w, "x"))(v)).shape == (4, 16)
    assert over(lambda v: inside(lambda w: w * 2)(lax.psum(v, "x"))).shape == (4, 16)
    # What all devices make of a value that is the same on them is differentiated together.
    index = over(lambda v: mycc.grad(lambda w: mnp.sum(w * lax.axis_index("x")))(lax.psum(v, "x")))
    np.testing.assert_array_equal(index, np.full((4, 16), sum(range(mesh.shape["x"]))))
    for wrong in (
        lambda v: inside(lambda w: w * 2)(v),
        lambda v: inside(lambda w: w + lax.axis_index("x"))(lax.psum(v, "x")),
        lambda v: mycc.vmap(lambda w: w * lax.axis_index("x"))(lax.psum(v, "x")),
    ):
        with pytest.raises(mycc.ShardingError, match="may differ over x"):
            over(wrong)


def bad_cases() -> dict[str, tuple[type[Exception], str, Callable[[Mesh, Matrix], Any]]]:
    here = r"test_partial_manual.py:\d+: "

    def over(function: Callable[..., Any], spec: P | None = None, **options: Any) -> Callable[..., Any]:
        def run(mesh: Mesh, x: Matrix) -> Any:
            return mycc.shard_map(
                lambda v: function(mesh, v),
                mesh=mesh,
                in_specs=spec or P("x"),
                out_specs=P("x"),
                **{"axis_names": {"x"}, **options},
            )(x)

        return run

    def inside(**options: Any) -> Callable[..., Any]:
        return over(lambda mesh, v: mycc.shard_map(lambda w: w, in_specs=P(), out_specs=P(), **options)(v))

    error = mycc.ShardingError
    return {
        "no axis": (
            error,
            here + r".*'z', which is no axis of Mesh.*; its axes are x, y",
            over(lambda m, v: v, axis_names="z"),
        ),
        "spec": (
            error,
            here + r".*in in_specs names 'y', along which this shard_map does not map \(it maps along x\)",
            over(lambda m, v: v, P("x", "y")),
        ),
        "unbound": (
            NameError,
            here + "psum names the axis 'y', which nothing",
            over(lambda m, v: lax.psum(v, "y")),
        ),
        "constraint": (
            error,
            here + r".*names 'x', over which .* is mapped: .*; leave it out of the spec",
            over(lambda m, v: with_sharding_constraint(v, NamedSharding(m, P("x")))),
        ),
        "constraint where nothing is left": (
            error,
            here + r".*names 'x', over which .* is mapped: .*; leave it out of the spec",
            over(lambda m, v: with_sharding_constraint(v, NamedSharding(m, P("x"))), axis_names=()),
        ),
        "constraint of another mesh": (
            error,
            here + r".*is of another mesh than the shard_map around, which is over Mesh\('x': 4, 'y': 2\)",
            over(lambda m, v: with_sharding_constraint(v, NamedSharding(mycc.make_mesh((8,), "q"), P("q")))),
        ),
        "the same axis inside": (
            error,
            here
            + r".* inside of .* \(begun at .*\), which is mapped along x already; give each shard_map axes of its own",
            inside(axis_names={"x"}),
        ),
        "no axis is left": (
            error,
            here + r".*which is mapped along x, y already",
            lambda mesh, x: mycc.shard_map(
                lambda v: mycc.shard_map(lambda w: w, in_specs=P(), out_specs=P())(v),
                mesh=mesh,
                in_specs=P("x"),
                out_specs=P("x"),
            )(x),
        ),
        "another mesh inside": (
            error,
            here
            + r".*mapped over Mesh\('q': 8\) inside of .*, which is mapped over Mesh\('x': 4, 'y': 2\) already; name all",
            lambda mesh, x: inside(mesh=mycc.make_mesh((8,), "q"))(mesh, x),
        ),
        "no mesh": (
            TypeError,
            here
            + ".*got no mesh, there is no shard_map around that has one, and mycc.set_mesh was not called",
            lambda mesh, x: mycc.shard_map(lambda v: v, in_specs=P(), out_specs=P())(x),
        ),
        "pmap in pmap": (
            error,
            here
            + r".*inside of .*, which is mapped over Mesh\('_pmap': 8\) already; name all axes in one mesh",
            lambda mesh, x: mycc.pmap(lambda r: mycc.pmap(lambda v: v + 1)(r))(np.ones((8, 2, 3))),
        ),
        "pmap in shard_map": (
            error,
            here + r".*mapped over Mesh\('_pmap': 4\) inside of",
            over(lambda m, v: mycc.pmap(lambda w: w + 1)(v)),
        ),
        "shard_map in pmap": (
            error,
            here + r".*inside of .*, which is mapped over Mesh\('_pmap': 8\)",
            lambda mesh, x: mycc.pmap(
                lambda r: mycc.shard_map(lambda w: w, mesh=mesh, in_specs=P(), out_specs=P())(r)
            )(np.ones((8, 2))),
        ),
    }


@pytest.mark.parametrize("case", bad_cases())
def test_bad_input(mesh: Mesh, square: Matrix, case: str) -> None:
    kind, message, run = bad_cases()[case]
    with pytest.raises(kind) as raised:
        run(mesh, square)
    assert re.search(message, str(raised.value)), raised.value
