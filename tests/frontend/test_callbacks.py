"""Callbacks: how often, in which order and with what they are called under every transform, and what can go wrong."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax

F32 = mycc.ShapeDtypeStruct((), "float32")
Seen = list[Any]


def eager(f: Callable[..., Any]) -> Callable[..., Any]:
    return f


def recorder() -> tuple[Seen, Callable[..., None]]:
    seen: Seen = []

    def record(*values: Any) -> None:
        seen.append(tuple(v.tolist() for v in values) if len(values) > 1 else values[0].tolist())

    return seen, record


# ---- How often, and with what --------------------------------------------------------------------


@pytest.mark.parametrize("mode", [eager, mycc.jit])
@pytest.mark.parametrize("ordered", [False, True])
def test_derivatives_call_it_once_with_primal_values(mode: Any, ordered: bool) -> None:
    seen, record = recorder()

    def f(x: Any) -> Any:
        y = x * x
        mycc.debug.callback(record, x, y, ordered=ordered)
        return mnp.sin(y)

    def check(run: Callable[[], Any], times: int = 1) -> None:
        seen.clear()
        run()
        assert seen == [(3.0, 9.0)] * times

    check(lambda: mode(f)(3.0))
    check(lambda: mode(mycc.grad(f))(3.0))
    check(lambda: mode(mycc.value_and_grad(f))(3.0))
    check(lambda: mode(lambda x: mycc.jvp(f, (x,), (1.0,)))(3.0))
    check(lambda: mode(lambda x: mycc.vjp(f, x)[1](1.0))(3.0))
    check(lambda: mode(lambda x: mycc.linearize(f, x)[1](1.0))(3.0))
    check(lambda: mode(mycc.grad(mycc.grad(f)))(3.0))
    check(lambda: mode(mycc.hessian(f))(3.0))


def test_a_pullback_and_a_pushforward_are_silent() -> None:
    seen, record = recorder()

    def f(x: Any) -> Any:
        mycc.debug.callback(record, x)
        return lax.fori_loop(0, 3, lambda i, c: (mycc.debug.callback(record, i), mnp.sin(c))[1], x)

    _, pushforward = mycc.linearize(f, 1.0)
    assert sorted(seen) == [0, 1, 1.0, 2]
    seen.clear()
    got = pushforward(1.0)
    assert seen == []
    x, expected = 1.0, 1.0
    for _ in range(3):
        expected, x = expected * np.cos(x), np.sin(x)
    np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-6)


@pytest.mark.parametrize("mode", [eager, mycc.jit])
def test_vmap_calls_it_for_each_example(mode: Any) -> None:
    seen, record = recorder()

    def f(x: Any, y: Any) -> Any:
        mycc.debug.callback(record, x, y, ordered=True)
        return x + y

    x, y = np.arange(3.0), np.arange(2.0) + 10
    mode(mycc.vmap(f, (0, None)))(x, 5.0)
    assert seen == [(0.0, 5.0), (1.0, 5.0), (2.0, 5.0)]
    seen.clear()
    mode(mycc.vmap(mycc.vmap(f, (0, None)), (None, 0)))(x, y)
    assert seen == [(a, b) for b in y for a in x]
    seen.clear()
    mode(mycc.vmap(mycc.grad(f), (0, None)))(x, 5.0)
    assert seen == [(0.0, 5.0), (1.0, 5.0), (2.0, 5.0)]
    seen.clear()
    mode(mycc.grad(lambda x: mycc.vmap(f, (0, None))(x, 5.0).sum()))(x)
    assert seen == [(0.0, 5.0), (1.0, 5.0), (2.0, 5.0)]


def test_vmap_over_what_is_not_mapped_calls_it_once() -> None:
    seen, record = recorder()
    mycc.vmap(lambda x: (mycc.debug.callback(record, 7), x)[1])(np.arange(3.0))
    assert seen == [7]


def test_a_mapped_loop_and_a_mapped_branch_as_in_jax() -> None:
    import jax

    def program(lax: Any, debug: Any, record: Any) -> Any:
        def branch(x: Any) -> Any:
            debug.callback(lambda x: record(np.asarray(x)), x)
            return x * 2

        def f(x: Any) -> Any:
            y = lax.cond(x > 1.0, branch, lambda x: x, x)
            return lax.while_loop(lambda c: c < 3.0, lambda c: branch(c) + 1.0, y)

        return f

    seen, record = recorder()
    expected, jax_record = recorder()
    x = np.arange(3, dtype=np.float32)
    ours = mycc.jit(mycc.vmap(program(lax, mycc.debug, record)))(x)
    theirs = jax.jit(jax.vmap(program(jax.lax, jax.debug, jax_record)))(x)
    jax.effects_barrier()
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert sorted(seen) == sorted(expected)


def test_equal_calls_with_effects_are_not_merged_and_results_need_no_use() -> None:
    seen, record = recorder()

    @mycc.jit
    def f(x: Any) -> Any:
        mycc.debug.callback(record, x)
        mycc.debug.callback(record, x)
        mycc.io_callback(lambda x: (record(x), x)[1], F32, x)
        inner(x)
        return mnp.float32(1)

    @mycc.jit
    def inner(x: Any) -> Any:
        mycc.debug.callback(record, x)
        return x * 2

    f(1.0)
    assert seen == [1.0] * 4


def test_jit_does_not_trace_again() -> None:
    traced = []
    seen, record = recorder()

    @mycc.jit
    def f(x: Any) -> Any:
        traced.append(x)
        mycc.debug.callback(record, x)
        return x

    for n in range(5):
        f(float(n))
    assert len(traced) == 1
    assert seen == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_eager_transforms_compile_once() -> None:
    from mycc.stages import observe

    compiled: list[Any] = []

    class Model:
        def __init__(self) -> None:
            self.seen: list[float] = []

        def note(self, x: Any) -> None:
            self.seen.append(float(x))

        def loss(self, x: Any) -> Any:
            mycc.debug.callback(self.note, x)
            mycc.debug.print("loss at {}", x)
            return x * x

    model = Model()
    with observe(compiled.append):
        for n in range(4):
            mycc.grad(model.loss)(float(n))
    assert model.seen == [0.0, 1.0, 2.0, 3.0]
    assert len(compiled) == 1


def test_values_asked_for_while_tracing_do_not_repeat_effects() -> None:
    seen, record = recorder()

    def f(x: Any) -> Any:
        mycc.debug.callback(record, x)
        while x < 10:
            x = x * 2
            mycc.debug.callback(record, x)
        return x

    assert float(mycc.grad(f)(3.0)) == 4.0
    assert seen == [3.0, 6.0, 12.0]


def test_a_number_behind_an_io_callback_is_refused() -> None:
    def f(x: Any) -> Any:
        y = mycc.io_callback(lambda x: x, F32, x)
        return x if y > 0 else -x

    with pytest.raises(
        mycc.ConcretizationError, match=r"test_callbacks\.py:\d+: bool.*io_callback of 'lambda'"
    ):
        mycc.grad(f)(1.0)


# ---- Order ---------------------------------------------------------------------------------------


def test_ordered_callbacks_in_loops_branches_and_calls() -> None:
    seen, record = recorder()

    def note(x: Any) -> None:
        mycc.debug.callback(record, x, ordered=True)

    @mycc.jit
    def inner(x: Any) -> Any:
        note(x * 100)
        return x + 1

    def body(i: Any, x: Any) -> Any:
        note(i)
        x = lax.cond(x > 1, lambda x: (note(x + 1000), x)[1], lambda x: x, x)
        return inner(x)

    def f(x: Any) -> Any:
        note(-1)
        x = lax.fori_loop(0, 3, body, x)
        return lax.scan(lambda c, y: (inner(c + y), c), x, mnp.arange(2))[0]

    expected = [-1, 0, 0, 1, 100, 2, 1002, 200, 300, 500]
    assert int(mycc.jit(f)(0)) == 6
    assert seen == expected
    seen.clear()
    # Without inlining the order goes through calls.
    mycc.jit(f).trace(0).lower("builtin.module(symbol-dce)").compile()(0)
    assert seen == expected
    seen.clear()
    mycc.jit(lambda x: mycc.jvp(lambda y: f(0) * y, (x,), (x,)))(1.0)
    assert seen == expected


def test_ordered_callbacks_in_a_condition() -> None:
    seen, record = recorder()

    def test(x: Any) -> Any:
        mycc.debug.callback(record, x * 10, ordered=True)
        return x < 3

    def body(x: Any) -> Any:
        mycc.debug.callback(record, x, ordered=True)
        return x + 1

    assert int(mycc.jit(lambda x: lax.while_loop(test, body, x))(1)) == 3
    assert seen == [10, 1, 20, 2, 30]


def test_many_ordered_callbacks_of_several_kinds_and_calls() -> None:
    seen, record = recorder()

    @mycc.jit
    def f(x: Any) -> Any:
        def body(i: Any, x: Any) -> Any:
            y = mycc.io_callback(lambda i, x: (record(i), x * 2)[1], x, i, x, ordered=True)
            mycc.debug.callback(record, -i, ordered=True)
            return mnp.tanh(y @ x)

        return lax.fori_loop(0, 50, body, x)

    x = np.ones((20, 20), np.float32)
    for _ in range(3):
        f(x)
    assert seen == [n for i in range(50) for n in (i, -i)] * 3


# ---- Values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype",
    [bool, "i1", "u4", "i8", "f2", "f4", "f8", "c8", "c16", ml_dtypes.bfloat16, ml_dtypes.float8_e5m2],
)
def test_every_dtype_goes_through(dtype: Any) -> None:
    x = np.arange(6).reshape(2, 3).astype(dtype)
    out = mycc.jit(lambda x: mycc.pure_callback(lambda x: x.copy(), x, x))(x)
    assert out.dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(out), x)


def test_layouts_structures_and_empty_arrays() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)

    def swap(d: Any, *, scale: Any) -> Any:
        return (d["b"], [d["a"] * scale])

    @mycc.jit
    def f(x: Any) -> Any:
        a, b = mnp.transpose(x), x[:0]
        return mycc.pure_callback(swap, (b, [a]), {"a": a, "b": b}, scale=2)

    b, (a,) = f(x)
    np.testing.assert_array_equal(np.asarray(a), 2 * x.T)
    assert b.shape == (0, 3, 4)


def test_what_a_callback_gets_can_be_kept() -> None:
    kept: list[Any] = []
    f = mycc.jit(lambda x: (mycc.debug.callback(kept.append, x * 2), x)[1])
    for n in range(10):
        f(np.full(1000, n, np.float32))
    assert [k[999] for k in kept] == [2.0 * n for n in range(10)]
    kept[0][0] = 1  # and written to


def test_python_numbers_take_the_promised_dtype() -> None:
    import math

    assert float(mycc.jit(lambda x: mycc.pure_callback(math.sin, F32, x))(1.0)) == pytest.approx(
        math.sin(1.0)
    )
    out = mycc.jit(lambda x: mycc.pure_callback(lambda x: np.float64(x) / 3, F32, x))(1.0)
    assert out.dtype == np.float32


@pytest.mark.parametrize("mode", [eager, mycc.jit])
def test_outside_of_transforms_it_is_called_as_well(mode: Any) -> None:
    seen, record = recorder()

    def f(x: Any) -> Any:
        mycc.debug.callback(record, x)
        return mycc.pure_callback(lambda x: x + 1, F32, x), mycc.io_callback(lambda x: x * 2, x, x)

    a, b = mode(f)(3.0)
    assert (float(a), float(b), seen) == (4.0, 6.0, [3.0])
    assert isinstance(a, mycc.Array)
    assert a.dtype == np.float32


SHAPES = {
    "sequential": [((), ())] * 3,
    "sequential_unrolled": [((), ())] * 3,
    "expand_dims": [((3,), (1,))],
    "broadcast_all": [((3,), (3,))],
    "legacy_vectorized": [((3,), ())],
}


@pytest.mark.parametrize("method", list(SHAPES))
def test_vmap_methods_as_in_jax(method: str) -> None:
    import jax

    def f(package: Any, shapes: Seen) -> Any:
        def add(x: Any, y: Any) -> Any:
            shapes.append((x.shape, y.shape))
            return np.asarray(x) * 2 + np.asarray(y)

        spec = package.ShapeDtypeStruct((), np.dtype(np.float32))
        return lambda x, y: package.pure_callback(add, spec, x, y, vmap_method=method)

    x = np.arange(3, dtype=np.float32)
    ours: Seen = []
    theirs: Seen = []
    got = mycc.vmap(f(mycc, ours), (0, None))(x, np.float32(1))
    expected = jax.vmap(f(jax, theirs), (0, None))(x, np.float32(1))
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))
    assert ours == SHAPES[method] == theirs
    if method == "legacy_vectorized":
        return  # nested, its operands have different ranks
    y = np.arange(2, dtype=np.float32)
    nested = mycc.jit(mycc.vmap(mycc.vmap(f(mycc, ours), (0, None)), (None, 0)))(x, y)
    np.testing.assert_array_equal(np.asarray(nested), x * 2 + y[:, None])


def test_io_callbacks_under_vmap_and_over_nothing() -> None:
    f = mycc.vmap(lambda x: mycc.io_callback(lambda x: x * 2, F32, x))
    np.testing.assert_array_equal(np.asarray(f(np.arange(3, dtype=np.float32))), [0.0, 2.0, 4.0])
    assert f(np.zeros(0, np.float32)).shape == (0,)


# ---- Errors --------------------------------------------------------------------------------------


class Boom(Exception):
    pass


def explode(x: Any) -> Any:
    raise Boom(f"at {x}")


@pytest.mark.parametrize("size", [2, 300])
def test_exceptions_reach_the_caller(size: int) -> None:
    f = mycc.jit(lambda x: mycc.pure_callback(explode, F32, (x @ x).sum()))
    x = np.ones((size, size), np.float32)
    for _ in range(3):
        with pytest.raises(
            mycc.CallbackError,
            match=rf"(?s)test_callbacks\.py:\d+: explode, called .*raised Boom: at {float(size) ** 3}.*in explode",
        ) as caught:
            f(x)
        assert isinstance(caught.value.__cause__, Boom)
        assert "lowering" not in str(caught.value)
    assert float(mycc.jit(lambda x: x + 1)(1.0)) == 2.0


def test_exceptions_under_eager_transforms_and_vmap() -> None:
    with pytest.raises(mycc.CallbackError, match="Boom: at"):
        mycc.grad(lambda x: (mycc.debug.callback(explode, x), x)[1])(1.0)
    with pytest.raises(mycc.CallbackError, match=r"Boom: at 0\.0"):
        mycc.vmap(lambda x: (mycc.debug.callback(explode, x), x)[1])(np.arange(3.0))
    with pytest.raises(Boom):
        mycc.debug.callback(explode, 1.0)


def test_keyboard_interrupt_stays_one() -> None:
    def interrupt(x: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mycc.jit(lambda x: mycc.debug.callback(interrupt, x))(1.0)


@pytest.mark.parametrize("mode", [eager, mycc.jit])
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda x: np.ones(2, np.float32),
            r"float32\[2\] for result 0, where result_shape_dtypes promises float32\[\]|f32",
        ),
        (lambda x: np.ones((), np.float64), "float64|f64"),
        (lambda x: (x, x), "returned .* promises"),
        (lambda x: None, "returned .* promises"),
        (lambda x: 1j, "complex|c128"),
        (lambda x: "text", "returned"),
    ],
)
def test_wrong_results(mode: Any, function: Any, message: str) -> None:
    with pytest.raises(mycc.CallbackError, match=message) as caught:
        mode(lambda x: mycc.pure_callback(function, F32, x))(1.0)
    assert "lambda" in str(caught.value)


@pytest.mark.parametrize("kind", ["pure", "io"])
@pytest.mark.parametrize(
    "transform",
    [
        mycc.grad,
        lambda f: lambda x: mycc.jvp(f, (x,), (x,)),
        lambda f: lambda x: mycc.linearize(f, x)[1](x),
        lambda f: mycc.jit(mycc.grad(f)),
    ],
)
def test_no_derivative(kind: str, transform: Any) -> None:
    def f(x: Any) -> Any:
        call = mycc.pure_callback if kind == "pure" else mycc.io_callback
        return call(lambda x: x, F32, x) * x

    with pytest.raises(
        mycc.UnsupportedOperationError,
        match=rf"test_callbacks\.py:\d+: {kind}_callback of 'lambda'.*custom_jvp",
    ):
        transform(f)(1.0)


def test_what_is_not_differentiated_needs_no_derivative() -> None:
    def f(x: Any, n: Any) -> Any:
        scale = mycc.pure_callback(lambda n: np.float32(n), F32, n)
        top = mycc.pure_callback(lambda x: np.int32(x), mycc.ShapeDtypeStruct((), "int32"), x)
        return x * scale + mycc.pure_callback(lambda x: x, F32, lax.stop_gradient(x)) + top

    assert float(mycc.grad(f)(2.0, 3)) == 3.0


def test_vmap_is_refused_where_it_cannot_be() -> None:
    x = np.arange(3.0)
    with pytest.raises(mycc.UnsupportedOperationError, match=r"test_callbacks\.py:\d+: .*vmap_method"):
        mycc.vmap(lambda x: mycc.pure_callback(np.sin, x, x))(x)
    with pytest.raises(mycc.TransformError, match=r"test_callbacks\.py:\d+: an ordered io_callback"):
        mycc.vmap(lambda x: mycc.io_callback(np.sin, x, x, ordered=True))(x)

    def io(x: Any) -> Any:
        return mycc.io_callback(np.sin, x, x)

    with pytest.raises(mycc.TransformError, match="io_callback of 'sin'"):
        mycc.vmap(lambda x: lax.cond(x > 0, io, lambda x: x, x))(x)
    with pytest.raises(mycc.TransformError, match="io_callback of 'sin'"):
        mycc.vmap(lambda x: lax.while_loop(lambda x: x > 0, mycc.jit(io), x))(x)
    with pytest.raises(ValueError, match="vmap_method is one of"):
        mycc.pure_callback(np.sin, x, x, vmap_method="parallel")  # type: ignore[arg-type]


def test_an_io_callback_in_a_loop_is_not_repeated_by_its_pushforward() -> None:
    def body(i: Any, x: Any) -> Any:
        return x * mycc.io_callback(lambda i: np.float32(i), F32, i)

    with pytest.raises(mycc.UnsupportedOperationError, match="runs the loop's body once more"):
        mycc.linearize(lambda x: lax.fori_loop(0, 3, body, x), 1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: mycc.pure_callback(3, F32, 1.0),  # type: ignore[arg-type]
        lambda: mycc.pure_callback(np.sin, (), "text"),
        lambda: mycc.pure_callback(np.sin, "f32", 1.0),
        lambda: mycc.io_callback(np.sin, np.float32, 1.0),
        lambda: mycc.debug.callback(None, 1.0),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments(call: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        call()
    with pytest.raises(TypeError):
        mycc.jit(lambda: call())()


# ---- Programs in programs, threads, the end of things ---------------------------------------------


def test_callbacks_may_use_mycc() -> None:
    inner = mycc.jit(lambda x: mnp.tanh(x @ x))

    def work(x: Any) -> Any:
        return np.asarray(inner(mnp.asarray(x) + 1) + mycc.grad(lambda x: (x**3).sum())(x))

    @mycc.jit
    def outer(x: Any) -> Any:
        return mycc.pure_callback(lambda x: np.asarray(middle(x)), x, inner(x))

    @mycc.jit
    def middle(x: Any) -> Any:
        return mycc.pure_callback(work, x, x)

    x = np.random.default_rng(0).normal(size=(200, 200)) / 10
    y = np.tanh(x @ x)
    expected = np.tanh((y + 1) @ (y + 1)) + 3 * y**2
    # The argument is still being computed, so that the program does not run in this thread.
    np.testing.assert_allclose(np.asarray(outer(inner(inner(x)) * 0 + x)), expected, atol=1e-9)
    mycc.effects_barrier()


def test_a_callback_does_not_join_the_trace_around_it() -> None:
    def f(x: Any) -> Any:
        y = mycc.pure_callback(
            lambda x: np.asarray(mnp.sin(x) + mycc.jit(mnp.cos)(x)), F32, lax.stop_gradient(x)
        )
        return x * 2 if y > 0 else x

    assert float(mycc.grad(f)(1.0)) == 2.0


def test_threads() -> None:
    lock = threading.Lock()
    seen: dict[int, list[int]] = {n: [] for n in range(4)}

    def note(n: Any, i: Any) -> None:
        with lock:
            seen[int(n)].append(int(i))

    @mycc.jit
    def f(n: Any) -> Any:
        return lax.fori_loop(0, 20, lambda i, c: (mycc.debug.callback(note, n, i, ordered=True), c + 1)[1], 0)

    threads = [threading.Thread(target=lambda n=n: [f(n) for _ in range(3)]) for n in range(4)]
    for thread in threads:
        thread.start()
    mycc.effects_barrier()
    for thread in threads:
        thread.join()
    assert seen == {n: list(range(20)) * 3 for n in range(4)}


def test_a_barrier_inside_of_a_callback_returns() -> None:
    mycc.jit(lambda x: mycc.debug.callback(lambda x: mycc.effects_barrier(), x))(1.0)


class Function:
    def __init__(self) -> None:
        self.program: Any = None

    def __call__(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize("stage", ["run", "lower", "trace", "fail", "cycle", "static"])
def test_functions_go_with_their_programs(stage: str) -> None:
    def make() -> tuple[Any, weakref.ref[Function]]:
        function = Function()
        alive = weakref.ref(function)
        program: Any = mycc.jit(lambda x: mycc.pure_callback(function, F32, x))
        if stage == "static":
            program = mycc.jit(lambda x: mycc.debug.callback(lambda x, f: None, x, function))
        if stage == "cycle":
            function.program = program
        if stage == "fail":
            with pytest.raises(ZeroDivisionError):
                mycc.jit(lambda x: (mycc.debug.callback(function, x), 1 / 0))(1.0)
            return None, alive
        if stage in ("trace", "lower"):
            return getattr(program, stage)(1.0), alive
        program(1.0)
        return program, alive

    held, alive = make()
    gc.collect()
    assert stage == "fail" or alive() is not None
    del held
    gc.collect()
    assert alive() is None


def test_eager_programs_of_functions_made_anew_do_not_pile_up() -> None:
    alive: list[weakref.ref[Any]] = []

    def step(n: int) -> None:
        function = Function()
        alive.append(weakref.ref(function))
        mycc.grad(lambda x: (mycc.debug.callback(function, x), x * x)[1])(float(n))

    for n in range(80):
        step(n)
    gc.collect()
    assert sum(ref() is not None for ref in alive) <= 64


def test_programs_that_call_python_are_not_stored() -> None:
    plain = mycc.jit(lambda x: x).lower(1.0).compile().executable
    calling = mycc.jit(lambda x: mycc.debug.callback(explode, x)).lower(1.0).compile().executable
    assert plain.is_persistable
    assert not calling.is_persistable
    with pytest.raises(mycc.MyccError, match="calls the Python function 'explode'"):
        calling.serialize()


def test_the_interpreter_ends_cleanly() -> None:
    script = """
import threading, time
import numpy as np
import mycc, mycc.numpy as mnp
f = mycc.jit(lambda x: (mycc.debug.print("{}", x.sum(), ordered=True), mnp.tanh(x @ x))[1])
x = np.ones((50, 50), np.float32)
f(f(x))
def forever():
    y = x
    while True:
        y = f(y)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.3)
print("end")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "end" in done.stdout
    assert done.stderr == ""
