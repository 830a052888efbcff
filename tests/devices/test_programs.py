"""Programs on several devices: where they run, what comes out and where, what they exchange."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc.lax import with_sharding_constraint
from mycc.sharding import Mesh, NamedSharding, SingleDeviceSharding
from mycc.sharding import PartitionSpec as P

Matrix = np.ndarray[Any, Any]


def put(mesh: Mesh, x: Any, *spec: Any) -> mycc.Array:
    placed: mycc.Array = mycc.device_put(x, NamedSharding(mesh, P(*spec)))
    return placed


def loss(w: Any, x: Any) -> Any:
    return mnp.mean(mnp.tanh(x @ w) ** 2)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "pointwise": lambda x: mnp.sin(x) * 2 + x,
    "sum": lambda x: x.sum(axis=0),
    "total": mnp.sum,
    "product": lambda x: x @ x.T,
    "transposed": lambda x: x.T,
    "sorted": lambda x: mnp.sort(x, axis=1),
    "slice": lambda x: x[2:7, 3],
    "gather": lambda x: x[mnp.array([0, 5, 3])],
    "reshaped": lambda x: x.reshape(-1),
    "softmax": lambda x: mnp.exp(x) / mnp.exp(x).sum(axis=1, keepdims=True),
    "loop": lambda x: mycc.lax.fori_loop(0, 3, lambda i, c: c * 0.5 + x, x),
    "scan": lambda x: mycc.lax.scan(lambda c, r: (c + r, c * r), x[0], x)[1],
    "batched": mycc.vmap(lambda r: r * r.sum()),
    "gradient": mycc.grad(lambda x: mnp.sum(mnp.tanh(x) ** 3)),
    "hessian": lambda x: mycc.hessian(lambda r: mnp.sum(r**3))(x[0]),
    "cholesky": lambda x: mnp.linalg.cholesky(x @ x.T + 8 * mnp.eye(8)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_those_of_one_device(mesh: Mesh, x: Matrix, name: str) -> None:
    function = FUNCTIONS[name]
    want = np.asarray(function(mnp.asarray(x)))
    for spec in [("x", "y"), (None, "x"), (("x", "y"),), ()]:
        placed = put(mesh, x, *spec)
        for run in (function, mycc.jit(function)):
            got = run(placed)
            assert got.devices() == placed.devices()
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_arguments_in_different_places(mesh: Mesh, x: Matrix) -> None:
    add = mycc.jit(lambda *args: sum(args))
    rows, columns = put(mesh, x, "x"), put(mesh, x, None, "y")
    captured = put(mesh, x, "y", "x")
    np.testing.assert_allclose(add(rows, columns, x, mnp.asarray(x), 1.0), 4 * x + 1)
    np.testing.assert_allclose(mycc.jit(lambda a: a + captured)(x), 2 * x)
    np.testing.assert_allclose(mycc.jit(lambda a: a + captured)(rows), 2 * x)
    assert mycc.jit(lambda a: a + captured)(x).devices() == captured.devices()


def test_each_sharding_is_a_signature_of_its_own(mesh: Mesh, x: Matrix) -> None:
    traces = []
    f = mycc.jit(lambda a: traces.append(None) or a + 1)
    for spec in [("x",), ("y",), ("x",), ("x",)]:
        assert f(put(mesh, x, *spec)).sharding.spec == P(*spec)
    assert len(traces) == 2


def test_later_calls_go_where_the_first_went(mesh: Mesh, x: Matrix) -> None:
    third = mycc.devices()[3]
    add = mycc.jit(lambda a, b: a + b)
    given = mycc.jit(lambda a, b: a + b, in_shardings=NamedSharding(mesh, P("y")))
    rows, free, alone = put(mesh, x, "x"), mnp.asarray(x), mycc.device_put(x, third)
    for _ in range(3):
        for a, b, devices in (
            (rows, free, rows.devices()),
            (free, rows, rows.devices()),
            (free, free, {mycc.devices()[0]}),
            (alone, free, {third}),
        ):
            got = add(a, b)
            assert got.devices() == devices
            np.testing.assert_array_equal(got, 2 * x)
        assert given(free, free).sharding.spec == P("y")
        with pytest.raises(mycc.DeviceError, match="different devices"):
            add(rows, alone)
    assert add.cache_size() == 4 and given.cache_size() == 1
    gone = rows + 0
    mycc.jit(lambda a: a * 2, donate_argnums=0)(gone)
    for _ in range(2):
        with pytest.raises(mycc.MyccError, match=r"test_programs.py:\d+: argument leaf 0 was deleted"):
            add(gone, free)


def test_given_shardings(mesh: Mesh, x: Matrix) -> None:
    rows, columns, both = (NamedSharding(mesh, P(*s)) for s in (("x",), (None, "y"), ("x", "y")))
    f = mycc.jit(
        lambda a, b: {"p": a @ b, "s": a.sum()},
        in_shardings=(rows, columns),
        out_shardings={"p": both, "s": None},
    )
    got = f(x, x.T)
    assert got["p"].sharding == both
    np.testing.assert_allclose(got["p"], x @ x.T)
    np.testing.assert_allclose(got["s"], x.sum())
    np.testing.assert_allclose(f(put(mesh, x, "x"), x.T)["p"], x @ x.T)
    again = mycc.jit(lambda a: a, out_shardings=NamedSharding(mesh, P()))(put(mesh, x, "x"))
    assert again.is_fully_replicated
    np.testing.assert_array_equal(again, x)


def test_given_shardings_hold_inside_of_programs(mesh: Mesh, x: Matrix) -> None:
    rows, columns = NamedSharding(mesh, P("x")), NamedSharding(mesh, P(None, "y"))
    inner = mycc.jit(lambda a, b: (a * 2, b.sum()), in_shardings=(rows, None), out_shardings=(columns, None))
    outer = mycc.jit(lambda a: inner(a, a))
    text = outer.lower(x).as_text()
    assert text.count("sharding_constraint %") == 2
    assert '<@mesh, [{"x"}, {}]>' in text and '<@mesh, [{}, {"y"}]>' in text
    assert outer(x)[0].sharding == columns
    np.testing.assert_array_equal(outer(x)[0], 2 * x)
    gradient = mycc.grad(lambda a: mnp.sum(inner(a, a)[0] ** 2))(mnp.asarray(x))
    np.testing.assert_array_equal(gradient, 8 * x)
    np.testing.assert_array_equal(mycc.vmap(inner)(np.stack([x, x]), x[:2])[0], np.stack([2 * x, 2 * x]))
    moved = mycc.jit(lambda a: mycc.device_put({"a": a + 1}, columns))(x)["a"]
    assert moved.sharding == columns
    np.testing.assert_array_equal(moved, x + 1)


def test_shardings_of_one_device(x: Matrix) -> None:
    third = SingleDeviceSharding(mycc.devices()[3])
    for given in ({"out_shardings": third}, {"in_shardings": third}, {"in_shardings": (third,)}):
        got = mycc.jit(lambda a: a + 1, **given)(x)
        assert got.sharding == third
        np.testing.assert_array_equal(got, x + 1)


def test_shardings_stand_in_the_ir(mesh: Mesh, x: Matrix) -> None:
    both = NamedSharding(mesh, P("x", "y"))
    f = mycc.jit(mycc.grad(lambda a: mnp.sum(with_sharding_constraint(mnp.sin(a), both) ** 2)))
    traced = f.trace(put(mesh, x, "y"))
    for text in (traced.as_text(), traced.lower().as_text()):
        assert 'sdy.mesh @mesh = <["x"=4, "y"=2]>' in text
        assert '%arg0: tensor<8x16xf64> {sdy.sharding = #sdy.sharding<@mesh, [{"y"}, {}]>}' in text
        assert "sdy.sharding_constraint" in text
    # The cotangent is spread like its primal.
    assert traced.lower().as_text().count('<@mesh, [{"x"}, {"y"}]>') == 2
    np.testing.assert_allclose(f(put(mesh, x, "y")), np.sin(2 * x), rtol=1e-12)


def test_a_batch_leaves_its_dimension_to_the_partitioner(mesh: Mesh, x: Matrix) -> None:
    rows = NamedSharding(mesh, P("x"))
    f = mycc.jit(mycc.vmap(lambda r: with_sharding_constraint(r * 2, rows)))
    assert 'sharding_constraint %0 <@mesh, [{?}, {"x"}]>' in f.lower(x).as_text()
    np.testing.assert_array_equal(f(x), 2 * x)
    g = mycc.jit(mycc.vmap(mycc.grad(lambda r: mnp.sum(with_sharding_constraint(r, rows) ** 2))))
    np.testing.assert_array_equal(g(x), 2 * x)


def test_constraints_need_not_divide(mesh: Mesh) -> None:
    rows = NamedSharding(mesh, P("x"))
    f = mycc.jit(lambda a: with_sharding_constraint(a + 1, rows) * 2, out_shardings=NamedSharding(mesh, P()))
    np.testing.assert_array_equal(f(np.arange(7.0)), 2 * np.arange(1.0, 8.0))


SIX = np.arange(6.0)
UNEVEN: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "constraint": (lambda s: mycc.jit(lambda a: with_sharding_constraint(a + 1, s))(SIX), SIX + 1),
    "constraint inside": (lambda s: mycc.jit(lambda a: with_sharding_constraint(a, s) * 2)(SIX), SIX * 2),
    "gradient": (
        lambda s: mycc.jit(mycc.grad(lambda a: mnp.sum(with_sharding_constraint(a, s) ** 2)))(SIX),
        SIX * 2,
    ),
    "slice": (lambda s: mycc.jit(lambda a: a[:6])(mycc.device_put(np.arange(8.0), s)), SIX),
    "joined": (
        lambda s: mycc.jit(lambda a: mnp.concatenate([a, a[:3]]))(mycc.device_put(np.arange(8.0), s)),
        np.concatenate([np.arange(8.0), np.arange(3.0)]),
    ),
}
REFUSED: dict[str, Callable[[Any], Any]] = {
    "put": lambda s: mycc.device_put(SIX, s),
    "eager constraint": lambda s: with_sharding_constraint(mnp.arange(6.0), s),
    "argument": lambda s: mycc.jit(lambda a: a + 1, in_shardings=s)(SIX),
    "result": lambda s: mycc.jit(lambda a: a + 1, out_shardings=s)(SIX),
    "result inside": lambda s: mycc.jit(lambda a: mycc.jit(lambda b: b, out_shardings=s)(a) * 2)(SIX),
}


@pytest.mark.parametrize("name", UNEVEN)
def test_what_does_not_divide_is_allowed_inside_of_a_program(mesh: Mesh, name: str) -> None:
    program, want = UNEVEN[name]
    # How the result lies on the devices is XLA's choice, and versions differ.
    got = program(NamedSharding(mesh, P("x")))
    np.testing.assert_array_equal(got, want)
    for shard in got.addressable_shards:
        np.testing.assert_array_equal(shard.data, want[shard.index])


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_divide_is_refused_where_it_is_named_from_outside(mesh: Mesh, name: str) -> None:
    with pytest.raises(
        mycc.ShardingError, match=r"test_programs.py:\d+: .*has size 6, which does not divide"
    ):
        REFUSED[name](NamedSharding(mesh, P("x")))


def test_an_eager_constraint_moves(mesh: Mesh, x: Matrix) -> None:
    rows = NamedSharding(mesh, P("x"))
    assert with_sharding_constraint(mnp.asarray(x), rows).sharding == rows
    gradient = mycc.grad(lambda a: mnp.sum(with_sharding_constraint(a, rows) ** 2))(mnp.asarray(x))
    np.testing.assert_array_equal(gradient, 2 * x)


def test_an_eager_gradient_may_look_at_its_numbers(mesh: Mesh, x: Matrix) -> None:
    rows = NamedSharding(mesh, P("x"))

    def f(a: Any) -> Any:
        b = with_sharding_constraint(a * 2, rows)
        return mnp.sum(b) if float(mnp.sum(b * b)) > 0 else mnp.sum(a)

    np.testing.assert_array_equal(mycc.grad(f)(put(mesh, x, "x", "y")), np.full(x.shape, 2.0))


def test_memory_is_an_eighth(mesh: Mesh) -> None:
    big = np.ones((64, 64), np.float32)
    f = mycc.jit(lambda a: a * 2 + 1)
    alone = f.lower(big).compile().memory_analysis()
    apart = f.lower(put(mesh, big, "x", "y")).compile().memory_analysis()
    assert apart["argument"] * 8 == alone["argument"] == big.nbytes and apart["output"] * 8 == alone["output"]
    assert sum(s.data.nbytes for s in put(mesh, big, "x", "y").addressable_shards) == big.nbytes


def test_a_contraction_of_what_is_split_is_one_all_reduce(mesh: Mesh, x: Matrix) -> None:
    columns, rows = put(mesh, x, None, "x"), put(mesh, x.T, "x")
    compiled = mycc.jit(mnp.matmul).lower(columns, rows).compile()
    assert len(re.findall(r"= \S+ all-reduce\(", compiled.as_text())) == 1
    assert "all-gather" not in compiled.as_text()
    np.testing.assert_allclose(compiled(columns, rows), x @ x.T, rtol=1e-12)


def test_donated(mesh: Mesh, x: Matrix) -> None:
    f = mycc.jit(lambda a: a + 1, donate_argnums=0)
    given = mnp.sin(put(mesh, x, "x", "y"))
    np.testing.assert_allclose(f(given), np.sin(x) + 1)
    assert given.is_deleted()


def test_training_equals_one_device(mesh: Mesh) -> None:
    rng = np.random.default_rng(0)
    data, weights = rng.normal(size=(32, 8)), rng.normal(size=(8, 4))

    @mycc.jit
    def step(w: Any, x: Any) -> Any:
        value, gradient = mycc.value_and_grad(loss)(w, x)
        return w - 0.1 * gradient, value

    alone, spread = mnp.asarray(weights), put(mesh, weights)
    for _ in range(5):
        alone, value = step(alone, data)
        spread, same = step(spread, put(mesh, data, ("x", "y")))
        np.testing.assert_allclose(same, value, rtol=1e-12)
    np.testing.assert_allclose(spread, alone, rtol=1e-12)
    text = step.lower(spread, put(mesh, data, ("x", "y"))).compile().as_text()
    assert len(re.findall(r"= \S+ all-reduce\(|= \(.*\) all-reduce\(", text)) <= 3


def bad_cases() -> dict[str, tuple[type[Exception], str, Callable[[Mesh, Matrix], Any]]]:
    def given(mesh: Mesh) -> Any:
        return mycc.jit(lambda a: a, in_shardings=(NamedSharding(mesh, P("x")),))

    return {
        "committed elsewhere": (
            mycc.ShardingError,
            r"test_programs.py:\d+: .* was given in_shardings .*P?artitionSpec\('x'\)\) for an argument f64\[8,16\]",
            lambda mesh, x: given(mesh)(put(mesh, x, "y")),
        ),
        "size": (
            mycc.ShardingError,
            r"test_programs.py:\d+: .*dimension 0 of an array of shape \(6, 16\)",
            lambda mesh, x: given(mesh)(x[:6]),
        ),
        "another device": (
            mycc.DeviceError,
            r"test_programs.py:\d+: add got arrays on different devices",
            lambda mesh, x: put(mesh, x, "x") + mycc.device_put(x, mycc.devices()[3]),
        ),
        "another mesh": (
            mycc.DeviceError,
            r"different devices \(f64\[8,16\] with .*Mesh\('x': 4.* f64\[8,16\] with .*Mesh\('q': 4",
            lambda mesh, x: put(mesh, x, "x") + put(Mesh(mycc.devices()[:4], "q"), x, "q"),
        ),
        "rank": (
            mycc.ShardingError,
            r"test_programs.py:\d+: .*3 entries, for an array of 2",
            lambda mesh, x: mycc.jit(
                lambda a: with_sharding_constraint(a, NamedSharding(mesh, P("x", None, "y")))
            )(x),
        ),
        "no mesh": (
            TypeError,
            r"test_programs.py:\d+: PartitionSpec\('x'\) does not say of which mesh .*NamedSharding\(mesh, PartitionSpec",
            lambda mesh, x: mycc.jit(lambda a: with_sharding_constraint(a, P("x")))(x),
        ),
        "no mesh of arguments": (
            TypeError,
            r"test_programs.py:\d+: PartitionSpec\('x'\) does not say of which mesh",
            lambda mesh, x: mycc.jit(lambda a: a, in_shardings=P("x"))(x),
        ),
        "one device in a program": (
            TypeError,
            r"test_programs.py:\d+: with_sharding_constraint takes a NamedSharding .* for f64\[8,16\]",
            lambda mesh, x: mycc.jit(
                lambda a: with_sharding_constraint(a, SingleDeviceSharding(mycc.devices()[0]))
            )(x),
        ),
        "one device and a mesh": (
            mycc.DeviceError,
            r"test_programs.py:\d+: the shardings of lambda are of different devices \(SingleDevice.*, NamedSharding",
            lambda mesh, x: mycc.jit(
                lambda a: a,
                in_shardings=SingleDeviceSharding(mycc.devices()[0]),
                out_shardings=NamedSharding(mesh, P("x")),
            )(x),
        ),
        "a platform": (
            TypeError,
            r"test_programs.py:\d+: lambda takes NamedShardings and SingleDeviceShardings",
            lambda mesh, x: mycc.jit(lambda a: a, in_shardings="cpu")(x),
        ),
        "nothing of the kind": (
            TypeError,
            r"test_programs.py:\d+: arrays go to a device, a platform or a sharding, not to int 3",
            lambda mesh, x: mycc.jit(lambda a: a, in_shardings=3)(x),
        ),
        "size of a result": (
            mycc.ShardingError,
            r"test_programs.py:\d+: out_shardings of lambda: result leaf 0, f64\[6\]: dimension 0 .* 4 devices",
            lambda mesh, x: mycc.jit(lambda a: a[:6, 0], out_shardings=NamedSharding(mesh, P("x")))(x),
        ),
        "rank of a result": (
            mycc.ShardingError,
            r"test_programs.py:\d+: out_shardings of lambda: result leaf 0, f64\[8\]: .*2 entries",
            lambda mesh, x: mycc.jit(lambda a: a[:, 0], out_shardings=NamedSharding(mesh, P("x", "y")))(x),
        ),
        "size inside": (
            mycc.ShardingError,
            r"test_programs.py:\d+: in_shardings of lambda: dimension 0 of an array of shape \(6, 16\)",
            lambda mesh, x: mycc.jit(lambda a: given(mesh)(a[:6]))(x),
        ),
        "keywords": (
            mycc.TreeError,
            r"test_programs.py:\d+: .*in_shardings are of positional arguments, .* a; pass them by position",
            lambda mesh, x: given(mesh)(a=x),
        ),
        "device of one": (
            mycc.DeviceError,
            r"test_programs.py:\d+: an array of shape \(8, 16\) with NamedSharding.* is spread over 8 devices",
            lambda mesh, x: np.from_dlpack(put(mesh, x, "x")),
        ),
        "device and shardings": (
            ValueError,
            "a device, or shardings, not both",
            lambda mesh, x: mycc.jit(
                lambda a: a, device=mycc.devices()[0], out_shardings=NamedSharding(mesh, P())
            ),
        ),
        "tree": (
            mycc.TreeError,
            "",
            lambda mesh, x: mycc.jit(lambda a: a, in_shardings=(NamedSharding(mesh, P()),) * 2)(x),
        ),
    }


@pytest.mark.parametrize("case", bad_cases())
def test_bad_input(mesh: Mesh, x: Matrix, case: str) -> None:
    kind, message, run = bad_cases()[case]
    with pytest.raises(kind) as raised:
        run(mesh, x)
    assert re.search(message, str(raised.value)), raised.value
