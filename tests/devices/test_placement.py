"""Where arrays are: put, read, moved, made of parts."""

from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc.sharding import Mesh, NamedSharding, SingleDeviceSharding
from mycc.sharding import PartitionSpec as P

SPECS = [P(), P("x"), P("y", "x"), P(("y", "x")), P(("x", "y")), P(None, ("x", "y")), P("y"), P(None, "x")]
Matrix = np.ndarray[Any, Any]


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_each_device_holds_what_the_spec_says(mesh: Mesh, x: Matrix, spec: P) -> None:
    placed = mycc.device_put(x, NamedSharding(mesh, spec))
    assert placed.sharding == NamedSharding(mesh, spec) and placed.devices() == set(mycc.devices())
    np.testing.assert_array_equal(placed, x)
    entries = [() if e is None else (e,) if isinstance(e, str) else e for e in (*spec, None, None)][:2]
    shards = placed.addressable_shards
    assert [shard.device for shard in shards] == list(mesh.devices.flat)
    for place, shard in zip(np.ndindex(4, 2), shards, strict=True):
        at = dict(zip("xy", place, strict=True))
        want = x
        for d, names in enumerate(entries):
            for name in names:
                want = np.split(want, mesh.shape[name], axis=d)[at[name]]
        np.testing.assert_array_equal(shard.data, want)
        np.testing.assert_array_equal(x[shard.index], want)
        assert shard.data.devices() == {shard.device} and placed.sharding.shard_shape(x.shape) == want.shape


def test_the_indices_are_those_of_jax(mesh: Mesh) -> None:
    # Without eight devices of its own jax counts on an abstract mesh.
    theirs = jax.sharding.AbstractMesh((4, 2), ("x", "y"))
    for spec in SPECS:
        want = jax.sharding.NamedSharding(theirs, jax.sharding.PartitionSpec(*spec)).shard_shape((8, 16))
        assert NamedSharding(mesh, spec).shard_shape((8, 16)) == want


@pytest.mark.parametrize(("old", "new"), list(itertools.product(SPECS[:5], SPECS[3:])))
def test_moves(mesh: Mesh, x: Matrix, old: P, new: P) -> None:
    moved = mycc.device_put(mycc.device_put(x, NamedSharding(mesh, old)), NamedSharding(mesh, new))
    assert moved.sharding == NamedSharding(mesh, new)
    np.testing.assert_array_equal(moved, x)


def test_moves_between_devices_and_meshes(mesh: Mesh, x: Matrix) -> None:
    rows = NamedSharding(mesh, P("x"))
    one = mycc.device_put(x, mycc.devices()[5])
    assert one.sharding == SingleDeviceSharding(mycc.devices()[5]) and one.device is mycc.devices()[5]
    spread = mycc.device_put(one, rows)
    back = mycc.device_put(spread, SingleDeviceSharding(mycc.devices()[2]))
    assert spread.sharding == rows and back.device is mycc.devices()[2]
    other = mycc.device_put(spread, NamedSharding(Mesh(mycc.devices()[4:], "q"), P("q")))
    assert other.sharding.num_devices == 4
    for array in (spread, back, other):
        np.testing.assert_array_equal(array, x)


def test_pytrees_and_prefixes(mesh: Mesh, x: Matrix) -> None:
    rows, columns = NamedSharding(mesh, P("x")), NamedSharding(mesh, P(None, "y"))
    placed = mycc.device_put({"a": x, "b": [x, x + 1]}, {"a": rows, "b": columns})
    assert placed["a"].sharding == rows and placed["b"][1].sharding == columns
    np.testing.assert_array_equal(placed["b"][1], x + 1)


def test_the_caller_may_write_to_what_was_put(mesh: Mesh, x: Matrix) -> None:
    for spec in SPECS:
        kept = x.copy()
        placed = mycc.device_put(kept, NamedSharding(mesh, spec))
        kept[:] = 0
        np.testing.assert_array_equal(placed, x)


def test_dtypes(mesh: Mesh) -> None:
    for dtype in ("bool", "int8", "uint16", "bfloat16", "float16", "complex64"):
        x = mnp.arange(16).astype(dtype)
        placed = mycc.device_put(x, NamedSharding(mesh, P("x")))
        assert placed.dtype == x.dtype
        np.testing.assert_array_equal(placed, x)


def test_made_of_parts(mesh: Mesh, x: Matrix) -> None:
    for spec in SPECS:
        asked: list[Any] = []

        def part(index: tuple[slice, ...], asked: list[Any] = asked) -> Any:
            asked.append(str(index))
            return x[index]

        made = mycc.make_array_from_callback(x.shape, NamedSharding(mesh, spec), part)
        assert len(asked) == len(set(asked))
        np.testing.assert_array_equal(made, x)
        whole = mycc.make_array_from_process_local_data(NamedSharding(mesh, spec), x)
        assert whole.shape == x.shape and whole.sharding == NamedSharding(mesh, spec)
        np.testing.assert_array_equal(whole, x)


def test_pickles_print_and_compare(mesh: Mesh, x: Matrix) -> None:
    placed = mycc.device_put(x, NamedSharding(mesh, P("x", "y")))
    assert repr(placed) == repr(mnp.asarray(x))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(placed)), x)
    assert pickle.loads(pickle.dumps(P("x", None, ("a", "b")))) == P("x", None, ("a", "b"))
    assert repr(placed.sharding) == "NamedSharding(Mesh('x': 4, 'y': 2), PartitionSpec('x', 'y'))"
    assert mycc.make_mesh((4, 2), ("x", "y")) == mesh and hash(mycc.make_mesh((4, 2), ("x", "y"))) == hash(
        mesh
    )


def test_equivalent_shardings(mesh: Mesh) -> None:
    rows = NamedSharding(mesh, P("x"))
    assert rows.is_equivalent_to(NamedSharding(mesh, P("x", None)), 2)
    assert not rows.is_equivalent_to(NamedSharding(mesh, P("y")), 2)
    assert NamedSharding(mesh, P()).is_fully_replicated and not rows.is_fully_replicated
    assert rows.is_fully_addressable and len(rows.addressable_devices) == rows.num_devices == 8


def test_what_is_gone_is_refused(mesh: Mesh, x: Matrix) -> None:
    placed = mycc.device_put(x, NamedSharding(mesh, P("x")))
    mycc.jit(lambda a: a * 2, donate_argnums=0)(placed)
    compiled = mycc.jit(lambda a: a + 1).lower(mycc.device_put(x, NamedSharding(mesh, P("x")))).compile()
    for use in (
        lambda a: np.asarray(a),
        lambda a: a.addressable_shards,
        lambda a: mycc.device_put(a, NamedSharding(mesh, P("y"))),
        lambda a: mycc.device_put(a, mycc.devices()[2]),
        lambda a: a + 1,
        lambda a: mnp.asarray(x) @ a.T,
        compiled,
    ):
        with pytest.raises((ValueError, mycc.MyccError), match="was deleted"):
            use(placed)
    twice = mycc.device_put(x, NamedSharding(mesh, P("x")))
    with pytest.raises(mycc.MyccError, match=r"test_placement.py:\d+: an argument is donated .* second time"):
        mycc.jit(lambda a, b: a + b, donate_argnums=0)(twice, twice)
    # The same memory under another name of its sharding.
    renamed = mycc.device_put(twice, NamedSharding(mesh, P("x", None)))
    for f in (
        mycc.jit(lambda a, b: a + b, donate_argnums=1),
        mycc.jit(lambda a, b: a + b, donate_argnums=1, in_shardings=NamedSharding(mesh, P("x", None))),
    ):
        with pytest.raises(mycc.MyccError, match="second time"):
            f(twice, renamed)
        with pytest.raises(mycc.MyccError, match="second time"):
            f(twice, twice)
    np.testing.assert_array_equal(mycc.jit(lambda a, b: a + b, donate_argnums=0)(twice + 0, renamed), 2 * x)


def test_copies_are_counted(mesh: Mesh, x: Matrix) -> None:
    spread = mycc.device_put(x, NamedSharding(mesh, P("x")))
    theirs = jax.sharding.Mesh(np.array(jax.devices()[:8]).reshape(4, 2), ("x", "y"))
    want = jax.device_put(x, jax.sharding.NamedSharding(theirs, jax.sharding.PartitionSpec("x")))
    assert [s.replica_id for s in spread.addressable_shards] == [
        s.replica_id for s in want.addressable_shards
    ]
    assert [s.replica_id for s in mnp.ones(3).addressable_shards] == [0]
    keys = mycc.device_put(mycc.random.split(mycc.random.key(0), 8), NamedSharding(mesh, P("x")))
    assert keys.sharding == NamedSharding(mesh, P("x"))


def test_counts() -> None:
    assert mycc.device_count() == mycc.local_device_count() == len(mycc.local_devices()) == 8
    assert mycc.process_index() == 0 and mycc.process_count() == 1


def bad_cases() -> dict[str, tuple[type[Exception], str, Callable[[Mesh], Any]]]:
    def put(*entries: Any, shape: tuple[int, ...] = (8, 6)) -> Callable[[Mesh], Any]:
        return lambda mesh: mycc.device_put(np.ones(shape), NamedSharding(mesh, P(*entries)))

    error = mycc.ShardingError
    return {
        "size": (
            error,
            r"test_placement.py:\d+: dimension 1 of .*\(8, 6\) has size 6, .* 4 devices",
            put(None, "x"),
        ),
        "rank": (error, r"test_placement.py:\d+: .*3 entries, for an array of 2 dim", put("x", None, "y")),
        "axis": (
            error,
            r"test_placement.py:\d+: PartitionSpec\('z'\) names 'z', which is no axis of Mesh",
            put("z"),
        ),
        "twice": (error, r"test_placement.py:\d+: .*splits by 'x' twice", put("x", "x")),
        "entry": (
            error,
            r"test_placement.py:\d+: an entry .* is an axis name, a tuple of axis names, or None; got",
            lambda mesh: P((1,)),
        ),
        "number": (error, r"test_placement.py:\d+: an entry of a PartitionSpec", lambda mesh: P(1)),
        "no mesh": (
            TypeError,
            r"test_placement.py:\d+: PartitionSpec\('x'\) does not say of which mesh",
            lambda mesh: mycc.device_put(np.ones(8), P("x")),
        ),
        "undivided": (
            error,
            r"test_placement.py:\d+: dimension 0 of an array of shape \(6,\)",
            lambda m: mycc.make_array_from_callback((6,), NamedSharding(m, P("x")), lambda i: np.ones(6)[i]),
        ),
        "large": (
            error,
            r"\d+: a mesh of shape \(16,\) takes 16 devices, and there are 8",
            lambda m: mycc.make_mesh((16,), "x"),
        ),
        "names": (
            error,
            r"test_placement.py:\d+: .*takes 1 axis names, got 2",
            lambda m: Mesh(mycc.devices(), ("x", "y")),
        ),
        "same names": (error, "not different", lambda m: Mesh(m.devices, ("x", "x"))),
        "same devices": (error, "different from each other", lambda m: Mesh([mycc.devices()[0]] * 2, "x")),
        "part": (
            error,
            r"returned shape \(3,\)",
            lambda m: mycc.make_array_from_callback((8,), NamedSharding(m, P("x")), lambda i: np.ones(3)),
        ),
        "block": (
            error,
            r"holds the block .* got data of shape \(3,\)",
            lambda m: mycc.make_array_from_process_local_data(NamedSharding(m, P("x")), np.ones(3), (8,)),
        ),
        "spec": (TypeError, "takes a Mesh and a PartitionSpec", lambda m: NamedSharding(m, ("x",))),  # type: ignore[arg-type]
        "device": (mycc.DeviceError, "spread over 8 devices", lambda m: put("x")(m).device),
    }


@pytest.mark.parametrize("case", bad_cases())
def test_bad_input(mesh: Mesh, case: str) -> None:
    kind, message, run = bad_cases()[case]
    with pytest.raises(kind) as raised:
        run(mesh)
    assert re.search(message, str(raised.value)), raised.value


def test_pictures(mesh: Mesh, x: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    mycc.debug.visualize_array_sharding(mycc.device_put(x, NamedSharding(mesh, P("y", "x"))))
    assert capsys.readouterr().out == (
        "┌───────┬───────┬───────┬───────┐\n"
        "│ CPU 0 │ CPU 2 │ CPU 4 │ CPU 6 │\n"
        "├───────┼───────┼───────┼───────┤\n"
        "│ CPU 1 │ CPU 3 │ CPU 5 │ CPU 7 │\n"
        "└───────┴───────┴───────┴───────┘\n"
    )
    mycc.debug.visualize_sharding((8,), NamedSharding(mesh, P("y")))
    assert capsys.readouterr().out.splitlines()[1] == "│ CPU 0,2,4,6 │ CPU 1,3,5,7 │"
    with pytest.raises(
        ValueError, match=r"test_placement.py:\d+: arrays of one or two dimensions can be drawn, not of 3"
    ):
        mycc.debug.visualize_sharding((8, 2, 2), NamedSharding(mesh, P()))


def test_what_is_put_on_a_device_is_computed_there() -> None:
    first, second, *_ = mycc.devices()
    f = mycc.jit(lambda a, b: a + b)
    for x in (mnp.ones(3), f(mnp.ones(3), 1), mycc.device_put(np.ones(3), first), np.ones(3)):
        there = mycc.device_put(x, second)
        assert there.committed and there.device is second
        assert f(there, 1.0).device is second and (there * 2).device is second
    assert mycc.device_put(mnp.ones(3), first).committed
    with pytest.raises(mycc.DeviceError, match="different devices"):
        f(mycc.device_put(mnp.ones(3), first), mycc.device_put(mnp.ones(3), second))


def test_what_nobody_put_anywhere_is_one_signature() -> None:
    traces = 0

    @mycc.jit
    def f(x: Any) -> Any:
        nonlocal traces
        traces += 1
        return x + 1

    x = np.ones(3, np.float32)
    np.testing.assert_array_equal(f(f(x)), f(mnp.asarray(x) + 1))
    assert traces == 1
    f(mycc.device_put(x, mycc.devices()[1]))
    assert traces == 2
