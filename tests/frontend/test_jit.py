"""`jit`: pytrees, static and donated arguments, closures, nested calls, signatures."""

from __future__ import annotations

import collections
import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
import mycc.tree
from mycc.array import Array
from mycc.dialects.errors import MyccError

X = np.arange(3.0)


def same(got: Any, wanted: Any) -> None:
    """Equal structure, dtypes and numbers."""
    got_leaves, got_tree = mycc.tree.flatten(got)
    leaves, tree = mycc.tree.flatten(wanted)
    assert got_tree == tree
    for a, b in zip(got_leaves, leaves, strict=True):
        assert isinstance(a, Array)
        assert a.dtype == np.asarray(b).dtype
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-6)


# ---- Pytrees -------------------------------------------------------------------------------------


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Layer:
    weight: Any
    name: str = dataclasses.field(default="", metadata={"static": True})


class Bag:
    def __init__(self, items: Any) -> None:
        self.items = items


mycc.tree.register_dataclass(Layer)
mycc.tree.register_node(Bag, lambda bag: (bag.items, None), lambda _, items: Bag(list(items)))


def test_pytrees_in_and_out() -> None:
    @mycc.jit
    def f(tree: Any) -> Any:
        point, (a, none) = tree["point"], tree["pair"]
        return {"sum": point.x + a, "none": none, "list": [Point(point.y, a * 2)], "empty": ()}

    got = f({"point": Point(np.float32(1), X), "pair": (np.int32(3), None)})
    same(got, {"sum": np.float32(4), "none": None, "list": [Point(X, np.int32(6))], "empty": ()})


def test_registered_classes() -> None:
    def double(layer: Layer, bag: Bag) -> tuple[Layer, Bag]:
        return Layer(layer.weight * 2.0, layer.name + "!"), Bag([*bag.items, layer.weight])

    layer, bag = mycc.jit(double)(Layer(X, "first"), Bag([X]))
    assert layer.name == "first!"
    same(layer.weight, X * 2)
    same(bag.items, [X, X])
    gradient = mycc.grad(lambda layer: mnp.sum(layer.weight**3))(Layer(X, "w"))
    assert gradient.name == "w"
    same(gradient.weight, 3 * X**2)
    same(mycc.vmap(lambda layer: layer.weight + len(layer.name))(Layer(X, "ab")), X + 2)


def test_ordered_and_default_dicts() -> None:
    ordered = collections.OrderedDict([("b", X), ("a", X * 2)])
    got = mycc.jit(lambda d: d)(ordered)
    assert type(got) is collections.OrderedDict
    assert list(got) == ["b", "a"]
    grouped = collections.defaultdict(list, {"a": [X]})
    assert mycc.jit(lambda d: d)(grouped).default_factory is list


def test_results_without_arrays_or_with_repeated_ones() -> None:
    assert mycc.jit(lambda x: None)(X) is None
    assert mycc.jit(dict)() == {}
    same(mycc.jit(lambda x: (x, x, {"x": x}))(X), (X, X, {"x": X}))
    same(mycc.jit(lambda x: x)(np.zeros((0, 3))), np.zeros((0, 3)))


def test_arguments_by_keyword_and_default() -> None:
    @mycc.jit
    def f(x: Any, y: Any = 2.0, *rest: Any, scale: Any = 1.0, **more: Any) -> Any:
        return (x * y + sum(rest)) * scale + more.get("shift", 0.0)

    assert float(f(3.0)) == 6.0
    assert float(f(x=3.0, y=4.0)) == 12.0
    assert float(f(3.0, 4.0, 1.0, 2.0, scale=2.0, shift=0.5)) == 30.5


def test_callables_of_every_kind() -> None:
    class Model:
        def __init__(self) -> None:
            self.k = 2.0

        def method(self, x: Any) -> Any:
            return x * self.k

        def __call__(self, x: Any) -> Any:
            return x + self.k

        @functools.partial(mycc.jit, static_argnums=0)
        def decorated(self, x: Any) -> Any:
            return x - self.k

    model = Model()
    same(mycc.jit(model.method)(X), X * 2)
    same(mycc.jit(model)(X), X + 2)
    same(model.decorated(X), X - 2)
    same(mycc.jit(functools.partial(lambda a, b: a * b, 3.0))(X), X * 3)
    same(mycc.jit(mycc.jit(mnp.sin))(X), np.sin(X))


def test_decorator_keeps_the_function() -> None:
    @mycc.jit(static_argnames="n")
    def power(x: Any, n: int) -> Any:
        """Its docstring."""
        return x**n

    assert power.__name__ == "power"
    assert power.__doc__ == "Its docstring."
    assert callable(power.__wrapped__)
    same(power(X, 2), X**2)


# ---- Signatures ----------------------------------------------------------------------------------


class Counted:
    """A function that counts how often it is traced."""

    def __init__(self, fun: Any, **options: Any) -> None:
        self.traces = 0

        @functools.wraps(fun)
        def counting(*args: Any, **kwargs: Any) -> Any:
            self.traces += 1
            return fun(*args, **kwargs)

        self.call = mycc.jit(counting, **options)


def test_one_compilation_for_each_signature() -> None:
    f = Counted(lambda x, y: x + y)
    for x in (X, X + 1, mnp.array(X), np.array(X)):
        f.call(x, 1.0)
    assert f.traces == 1
    f.call(X, 2.0)
    assert f.traces == 1, "a Python number is an argument, not a part of the signature"
    f.call(X, 1)
    f.call(X.astype(np.float32), 1.0)
    f.call(X[:2], 1.0)
    f.call(X, mnp.ones(()))
    f.call(X, {"a": 1.0}["a"])
    assert f.traces == 5
    assert f.call.cache_size() == 5
    f.call.clear_cache()
    f.call(X, 1.0)
    assert f.traces == 6


def test_static_arguments_by_position_and_name() -> None:
    f = Counted(lambda x, n, m="ab": x * n * len(m), static_argnums=(1,), static_argnames="m")
    same(f.call(X, 2), X * 4)
    same(f.call(X, 2, m="abc"), X * 6)
    same(f.call(X, 2, "abc"), X * 6)
    same(f.call(X, n=2), X * 4)
    traced = f.traces
    f.call(X, 2), f.call(X, 2, m="abc"), f.call(X + 1, 2)
    assert f.traces == traced
    same(f.call(X, 2.0), X * 4)
    f.call(X, True)
    assert f.traces == traced + 2, "2, 2.0 and True are different static values"


def test_negative_static_position() -> None:
    f = Counted(lambda x, y, n: x * n + y, static_argnums=-1)
    same(f.call(X, 1.0, 3), X * 3 + 1)
    f.call(X, 2.0, 3)
    f.call(X, 2.0, 4)
    assert f.traces == 2


def test_recursion_on_a_static_argument() -> None:
    @functools.partial(mycc.jit, static_argnums=1)
    def power(x: Any, n: int) -> Any:
        return mnp.ones_like(x) if n == 0 else x * power(x, n - 1)

    same(power(X, 4), X**4)


def test_weak_types() -> None:
    cases = {
        "float32": mycc.jit(lambda x: x * 2)(np.float32(1)),
        "bfloat16": mycc.jit(lambda x: x * 2.0)(mnp.array(1, dtype="bfloat16")),
        "float64": mycc.jit(lambda x, s: x * s)(X, 2.0),
        "int32": mycc.jit(lambda x: x + 1)(1),
        "complex64": mycc.jit(lambda x: x * 1j)(mnp.array(1.0)),
    }
    assert {name: str(x.dtype) for name, x in cases.items()} == {name: name for name in cases}
    assert mycc.jit(lambda x: x)(1.0).weak_type
    assert mycc.jit(lambda: 3)().weak_type
    assert not mycc.jit(lambda x: x + mnp.ones(()))(1.0).weak_type


def test_wide_integers() -> None:
    assert int(mycc.jit(lambda x: x + 1)(2**40)) == 2**40 + 1
    assert int(mycc.jit(lambda x: x)(2**63)) == 2**63
    with pytest.raises(OverflowError):
        mycc.jit(lambda x: x)(2**70)


def test_arrays_of_any_layout() -> None:
    wide = np.arange(6.0).reshape(2, 3)
    same(mycc.jit(lambda x: x + 1)(wide.T), wide.T + 1)
    same(mycc.jit(lambda x: x + 1)(wide[:, ::-2]), wide[:, ::-2] + 1)
    swapped = X.astype(">f8")
    got = mycc.jit(lambda x: x + swapped)(swapped)
    same(got, X * 2)


# ---- Closures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 3000])
def test_captured_arrays_are_read_at_each_call(size: int) -> None:
    weights = mnp.zeros(size)
    f = Counted(lambda x: x + weights)
    assert float(f.call(1.0)[0]) == 1.0
    weights[0] = 5.0
    assert float(f.call(1.0)[0]) == 6.0
    assert f.traces == 1
    nested = mycc.jit(lambda x: f.call(x) * 2.0)
    assert float(nested(1.0)[0]) == 12.0
    weights[0] = 6.0
    assert float(nested(1.0)[0]) == 14.0


def test_a_large_captured_numpy_array_is_an_argument() -> None:
    table = np.arange(3000.0)
    text = mycc.jit(lambda i: mnp.array(table)[i]).trace(3).as_text()
    assert "dense<" not in text or len(text) < 10_000
    assert float(mycc.jit(lambda i: mnp.array(table)[i])(7)) == 7.0


def test_captured_tracers_become_arguments() -> None:
    @mycc.jit
    def f(x: Any) -> Any:
        y = mnp.sin(x)
        inner = mycc.jit(lambda z: mycc.jit(lambda w: w * y)(z) + x)
        return inner(2.0) + inner(3.0)

    np.testing.assert_allclose(float(f(0.7)), 5 * np.sin(0.7) + 1.4, rtol=1e-6)


# ---- Nested calls --------------------------------------------------------------------------------


def test_a_function_called_many_times_is_traced_once() -> None:
    traces = []

    @mycc.jit
    def block(x: Any, w: Any) -> Any:
        traces.append(x.shape)
        return mnp.tanh(x @ w)

    @mycc.jit
    def network(x: Any, weights: Any) -> Any:
        for w in weights:
            x = block(x, w)
        return mnp.sum(x)

    weights = [np.eye(3) * k for k in (0.5, 1.0, 1.5)]
    wanted = X
    for w in weights:
        wanted = np.tanh(wanted @ w)
    text = network.trace(X, weights).as_text()
    assert text.count("call @block(") == 3
    assert text.count("func.func private @block(") == 1
    assert traces == [(3,)]
    np.testing.assert_allclose(float(network(X, weights)), np.sum(wanted))
    gradient = mycc.jit(mycc.grad(network, argnums=1))
    traces.clear()
    text = gradient.trace(X, weights).as_text()
    assert traces == [(3,)]
    assert text.count("func.func private @block(") == 1
    step = 1e-6
    numeric = (
        float(network(X, [weights[0] + step, *weights[1:]]))
        - float(network(X, [weights[0] - step, *weights[1:]]))
    ) / (2 * step)
    np.testing.assert_allclose(np.sum(np.asarray(gradient(X, weights)[0])), numeric, rtol=1e-6)


def test_other_shapes_are_traced_apart() -> None:
    @mycc.jit
    def double(x: Any) -> Any:
        return x * 2.0

    text = mycc.jit(lambda x: (double(x), double(x[:2]), double(x), double(2.0))).trace(X).as_text()
    assert text.count("func.func private @double") == 3
    same(mycc.jit(lambda x: double(x)[0] + double(1.5))(X), np.float64(3.0))


def test_calls_in_several_frames_share_one_function() -> None:
    @mycc.jit
    def square(x: Any) -> Any:
        return x * x

    def f(x: Any) -> Any:
        return square(x) + mycc.grad(square)(x) + mycc.vmap(square)(mnp.stack([x, x]))[0]

    text = mycc.jit(f).trace(3.0).as_text()
    assert text.count("func.func private @square(") == 1, text
    np.testing.assert_allclose(float(mycc.jit(f)(3.0)), 9 + 6 + 9)


# ---- Donation ------------------------------------------------------------------------------------


def test_donated_memory_is_gone() -> None:
    update = mycc.jit(lambda state, x: {"w": state["w"] + x}, donate_argnums=0)
    state = {"w": mnp.ones(1000)}
    kept = mnp.ones(1000)
    new = update(state, kept)
    assert state["w"].is_deleted()
    assert not kept.is_deleted()
    same(new["w"], np.full(1000, 2, np.float32))
    with pytest.raises(MyccError, match=r"test_jit.py:\d+: .*donate"):
        update(state, kept)
    with pytest.raises(ValueError, match="donated"):
        np.asarray(state["w"])


def test_donation_by_name() -> None:
    f = mycc.jit(lambda a, b: a + b, donate_argnames="b")
    a, b, c = mnp.ones(5), mnp.ones(5), mnp.ones(5)
    f(a, b=b), f(a, c)
    assert (a.is_deleted(), b.is_deleted(), c.is_deleted()) == (False, True, True)


def test_a_donated_array_passed_twice() -> None:
    f = mycc.jit(lambda a, b: a + b, donate_argnums=0)
    a = mnp.ones(5)
    with pytest.raises(MyccError, match=r"test_jit.py:\d+: .*second time in the same call"):
        f(a, a)


def test_results_are_handles_of_their_own() -> None:
    a = mnp.array(X)
    b = mycc.jit(lambda x: x)(a)
    b[0] = 9.0
    same(a, X)
    same(b, [9.0, 1.0, 2.0] @ np.eye(3))


# ---- Calls that were seen before -----------------------------------------------------------------


def test_named_arguments_in_any_order() -> None:
    traces = []

    @mycc.jit
    def f(x: Any, *, b: Any, a: Any, tree: Any = None) -> Any:
        traces.append(1)
        return x + 10 * a + 100 * b

    one, two, three = (mnp.array(float(n)) for n in (1, 2, 3))
    for _ in range(3):
        assert float(f(one, b=two, a=three)) == 231
        assert float(f(one, a=two, b=three)) == 321
        assert float(f(a=two, b=three, x=one)) == 321
        assert float(f(one, a=np.float32(2), b=three)) == 321
        assert float(f(one, a=two, b=3.0)) == 321
        assert float(f(one, tree={"k": [one, 2.0]}, a=two, b=three)) == 321
    # Named or not, in another order or not, weakly typed or not.
    assert len(traces) <= 6


def test_static_values_of_equal_number_and_other_type() -> None:
    @functools.partial(mycc.jit, static_argnums=(0, 2), static_argnames="how")
    def f(n: Any, x: Any, m: Any = None, *, how: Any = "sum") -> Any:
        return x * 0 + len(repr((n, m, how)))

    for _ in range(3):
        for n in (1, True, 1.0, "x", ("x", 1)):
            for x in (mnp.array(1.0), 2.0, X, [mnp.array(1.0)][0]):
                for m in (None, 0, False):
                    assert float(mnp.max(f(n, x, m))) == len(repr((n, m, "sum")))
                assert float(mnp.max(f(n, x, how="a"))) == len(repr((n, None, "a")))
                assert float(mnp.max(f(n, how="ab", x=x))) == len(repr((n, None, "ab")))
        with pytest.raises(TypeError, match="not hashable"):
            f([1], mnp.array(1.0))
        with pytest.raises(TypeError, match="not hashable"):
            f(mnp.array(1.0), 1.0)


def test_static_beside_trees() -> None:
    @functools.partial(mycc.jit, static_argnums=1)
    def f(tree: Any, n: int, x: Any) -> Any:
        return mycc.tree.map(lambda leaf: leaf * n + x, tree)

    for _ in range(3):
        for n in (2, 3):
            same(f({"a": mnp.array([1.0]), "b": [X]}, n, 1.0), {"a": np.float32([n + 1]), "b": [X * n + 1]})
            same(f([mnp.array([1.0])], n, mnp.array(1.0)), [np.float32([n + 1])])
    same(f({"a": mnp.array([1.0])}, 2, mnp.array([5.0])), {"a": np.float32([7])})


def test_numbers_of_python_that_are_seen_again() -> None:
    @mycc.jit
    def f(x: Any, y: Any) -> Any:
        return x / y

    one = mnp.array(1.0)
    for _ in range(3):
        assert float(f(one, 0.0)) == np.inf
        assert float(f(one, -0.0)) == -np.inf
        assert float(f(one, 2.0)) == 0.5 == float(f(one, 2))
        assert float(f(one, True)) == 1.0
        assert np.isnan(float(f(one, float("nan"))))
    for n in range(600):
        assert float(f(one, n + 1.0)) == np.float32(1) / np.float32(n + 1)


def test_numbers_that_are_donated() -> None:
    f = mycc.jit(lambda x, y: x + y, donate_argnums=(0, 1))
    g = mycc.jit(lambda x, y: x + y)
    for _ in range(3):
        assert float(f(3.0, 3.0)) == 6 and float(g(3.0, 3.0)) == 6


def test_numpy_arrays_are_read_at_each_call() -> None:
    f = mycc.jit(lambda x, y: x + y)
    x, y = np.zeros(3, np.float32), mnp.zeros(3)
    results = []
    for n in range(5):
        x[:] = n
        results.append(f(x, y))
        x[:] = -1
    np.testing.assert_array_equal(np.asarray(results)[:, 0], np.arange(5))
    strange = [x[::-1], x.astype(">f4"), np.asfortranarray(x), x.view(np.ma.MaskedArray).data, np.float32(-1)]
    for z in strange * 2:
        np.testing.assert_array_equal(np.asarray(f(z, y)), [-1, -1, -1])
    with pytest.raises(TypeError, match="no array of numbers"):
        f(np.array(["a", "b", "c"]), y)
