"""Host callbacks in programs on several devices: where they run, what they get, and what happens when they raise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.sharding import Mesh, NamedSharding
from mycc.sharding import PartitionSpec as P

Matrix = np.ndarray[Any, Any]


@pytest.fixture
def spread(mesh: Mesh, x: Matrix) -> mycc.Array:
    return mycc.device_put(x, NamedSharding(mesh, P("x", "y")))


def test_outside_of_shard_map_one_call_gets_whole_arrays(spread: mycc.Array, x: Matrix) -> None:
    seen: list[Matrix] = []

    def sine(whole: Matrix) -> Matrix:
        seen.append(whole)
        return np.asarray(np.sin(whole))

    @mycc.jit
    def f(a: mycc.Array) -> mycc.Array:
        return 2 * mycc.pure_callback(sine, a, a + 1)

    np.testing.assert_allclose(f(spread), 2 * np.sin(x + 1))
    assert len(seen) == 1
    np.testing.assert_allclose(seen[0], x + 1)


@pytest.mark.parametrize("result", [True, False])
def test_effects(spread: mycc.Array, x: Matrix, result: bool) -> None:
    seen: list[Any] = []

    @mycc.jit
    def f(a: mycc.Array) -> mycc.Array:
        if not result:
            mycc.debug.callback(seen.append, a.sum(0))
            return a + 1

        def note(v: Matrix) -> Matrix:
            seen.append(v)
            return v

        return mycc.io_callback(note, mycc.ShapeDtypeStruct((16,), np.float64), a.sum(0))

    f(spread)
    f(spread)
    assert len(seen) == 2
    np.testing.assert_allclose(seen[1], x.sum(0))


def test_in_loops_branches_and_kept_functions(spread: mycc.Array, x: Matrix) -> None:
    seen: list[tuple[int, float]] = []

    @mycc.jit
    def halve(v: mycc.Array) -> mycc.Array:
        return mycc.pure_callback(lambda w: w / 2, v, v)

    @mycc.jit
    def f(a: mycc.Array) -> mycc.Array:
        def body(i: Any, c: mycc.Array) -> mycc.Array:
            mycc.debug.callback(lambda i, s: seen.append((int(i), float(s))), i, c.sum())
            return lax.cond(i > 0, halve, lambda v: v, halve(c))

        return lax.fori_loop(0, 3, body, a)

    np.testing.assert_allclose(f(spread), x / 32)
    assert [i for i, _ in seen] == [0, 1, 2]
    np.testing.assert_allclose([s for _, s in seen], [x.sum(), x.sum() / 2, x.sum() / 8])


@pytest.mark.parametrize("jit", [True, False])
def test_inside_of_shard_map_each_device_calls_with_its_part(mesh: Mesh, x: Matrix, jit: bool) -> None:
    seen: list[Matrix] = []

    def scaled(part: Matrix) -> Matrix:
        seen.append(part)
        return part * part[0, 0]

    f = mycc.shard_map(
        lambda part: mycc.pure_callback(scaled, part, part),
        mesh=mesh,
        in_specs=P("x", "y"),
        out_specs=P("x", "y"),
    )
    got = (mycc.jit(f) if jit else f)(x)
    parts = [x[2 * i : 2 * i + 2, 8 * j : 8 * j + 8] for i in range(4) for j in range(2)]
    np.testing.assert_allclose(
        got, np.block([[p * p[0, 0] for p in parts[2 * i : 2 * i + 2]] for i in range(4)])
    )
    assert sorted(p[0, 0] for p in seen) == sorted(p[0, 0] for p in parts)


def test_inside_of_pmap_vmap_and_grad(x: Matrix) -> None:
    seen: list[float] = []

    def loss(row: mycc.Array) -> mycc.Array:
        mycc.debug.callback(lambda s: seen.append(float(s)), row.sum())
        return mnp.sum(row**2)

    np.testing.assert_allclose(mycc.pmap(mycc.grad(loss))(x), 2 * x)
    np.testing.assert_allclose(sorted(seen), sorted(x.sum(1)))
    seen.clear()
    mycc.pmap(mycc.vmap(loss))(x.reshape(8, 2, 8))
    np.testing.assert_allclose(sorted(seen), sorted(x.reshape(16, 8).sum(1)))


def test_inside_of_one_shard_map_over_all_axes_by_two(mesh: Mesh, x: Matrix) -> None:
    seen: list[tuple[int, ...]] = []

    def inner(part: mycc.Array) -> mycc.Array:
        mycc.debug.callback(lambda p: seen.append(p.shape), part)
        return part

    f = mycc.shard_map(inner, in_specs=P(None, "y"), out_specs=P(None, "y"), axis_names={"y"})
    f = mycc.shard_map(f, mesh=mesh, in_specs=P("x"), out_specs=P("x"), axis_names={"x"})
    np.testing.assert_allclose(mycc.jit(f)(x), x)
    assert seen == [(2, 8)] * 8


def test_an_error_is_raised_and_no_device_waits_for_ever(mesh: Mesh, spread: mycc.Array, x: Matrix) -> None:
    def fail(v: Matrix) -> Matrix:
        raise ValueError("the third row is bad")

    def program(a: mycc.Array) -> mycc.Array:
        return mycc.pure_callback(fail, a, a) + a.sum()

    mapped = mycc.shard_map(
        lambda part: lax.psum(mycc.pure_callback(fail, part, part), ("x", "y")),
        mesh=mesh,
        in_specs=P("x", "y"),
        out_specs=P(),
    )
    for f in (mycc.jit(program), mycc.jit(mapped), mycc.pmap(program)):
        for _ in range(2):
            with pytest.raises(mycc.CallbackError, match="the third row is bad") as caught:
                f(x if f is not mycc.jit(program) else spread)
            assert isinstance(caught.value.__cause__, ValueError)
    np.testing.assert_allclose(mycc.jit(lambda a: a + 1)(spread), x + 1)


def test_a_wrong_result_is_an_error(spread: mycc.Array) -> None:
    f = mycc.jit(lambda a: mycc.pure_callback(lambda v: v[:1], a, a))
    with pytest.raises(mycc.CallbackError, match=r"returned f64\[1,16\] for result 0"):
        f(spread)


def test_what_is_refused(mesh: Mesh, spread: mycc.Array, x: Matrix) -> None:
    def ordered(a: mycc.Array) -> mycc.Array:
        mycc.debug.print("{}", a, ordered=True)
        return a

    with pytest.raises(
        mycc.PassError, match=r"test_callbacks\.py:\d+: .*\(ordered=True\) by a program for 8 devices"
    ):
        mycc.jit(ordered)(spread)

    def partial(a: mycc.Array) -> mycc.Array:
        mycc.debug.callback(lambda v: None, a)
        return a

    with pytest.raises(mycc.PassError, match="inside of a shard_map over the axes x alone"):
        mycc.jit(mycc.shard_map(partial, mesh=mesh, in_specs=P("x"), out_specs=P("x"), axis_names={"x"}))(x)


def test_the_partitioner_invents_no_moves(spread: mycc.Array, capfd: pytest.CaptureFixture[str]) -> None:
    mycc.jit(lambda a: mycc.pure_callback(np.sin, a, a) + a)(spread)
    assert "rematerialization" not in capfd.readouterr().err
