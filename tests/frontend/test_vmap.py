"""`vmap`: axes of arguments and results, named axes, nesting, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
import mycc.random
import mycc.tree
from mycc import lax
from mycc.dialects.errors import TransformError, TreeError

X = np.arange(3.0)
M = np.arange(6.0).reshape(2, 3)
T = np.arange(24.0).reshape(2, 3, 4)
HERE = r"test_vmap\.py:\d+: "


def close(got: Any, wanted: Any) -> None:
    assert np.shape(got) == np.shape(wanted)
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-6)


# ---- Axes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_axis", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("out_axis", [0, 1, 2, -1])
def test_every_axis(in_axis: int, out_axis: int) -> None:
    got = mycc.vmap(lambda x: mnp.sin(x) + x[0], in_axes=in_axis, out_axes=out_axis)(T)
    parts = [np.sin(x) + x[0] for x in np.moveaxis(T, in_axis, 0)]
    close(got, np.stack(parts, out_axis))


def test_axes_as_pytrees() -> None:
    def f(d: Any, y: Any, z: Any) -> Any:
        return {"p": d["a"] * y + d["b"][0] * z, "q": (z, mnp.sum(d["a"]))}

    in_axes = ({"a": 0, "b": (1,)}, None, -1)
    out_axes = {"p": -1, "q": (1, 0)}
    got = mycc.vmap(f, in_axes, out_axes)({"a": X, "b": (M,)}, 2.0, M + 1)
    close(got["p"], X * 2 + M * (M + 1))
    close(got["q"][0], M + 1)
    close(got["q"][1], X)


def test_prefixes_and_lists() -> None:
    tree = {"a": X, "b": [X, (X,)]}
    close(mycc.vmap(lambda t, s: t["a"] * s + t["b"][1][0], in_axes=(0, None))(tree, 2.0), 3 * X)
    close(mycc.vmap(lambda a, b: a + b, in_axes=[0, None])(X, 1.0), X + 1)
    got = mycc.vmap(lambda a: [a, {"s": a}], out_axes=[0, 1])(M)
    close(got[0], M)
    close(got[1]["s"], M.T)
    close(mycc.vmap(lambda t: t["a"] + t["b"], in_axes=({"a": 0, "b": None},))({"a": X, "b": 1.0}), X + 1)


def test_none_among_arguments_and_results() -> None:
    got = mycc.vmap(lambda x, n: (x, n, None))(X, None)
    close(got[0], X)
    assert got[1:] == (None, None)


def test_results_that_are_not_mapped() -> None:
    mapped, constant, twice = mycc.vmap(lambda x: (x, 3.0, mnp.ones(2)), out_axes=(0, None, 1))(X)
    close(mapped, X)
    close(constant, 3.0)
    close(twice, np.ones((2, 3)))


def test_keyword_arguments_are_mapped() -> None:
    close(mycc.vmap(lambda a, b: a * b)(X, b=X), X * X)
    close(mycc.vmap(lambda a, b=2.0: a * b)(X), 2 * X)


def test_axis_size() -> None:
    close(mycc.vmap(lambda: 1.5, axis_size=4)(), np.full(4, 1.5))
    close(mycc.vmap(lambda x: x * lax.axis_index("i"), in_axes=None, axis_size=3, axis_name="i")(2.0), 2 * X)


def test_what_is_captured_is_not_mapped() -> None:
    @mycc.jit
    def f(w: Any, x: Any) -> Any:
        return mycc.vmap(lambda row: mnp.tanh(w @ row))(x)

    w = M[:, :2] @ M[:2, :2].T
    text = f.trace(w, M.T).lower().as_text()
    assert "tensor<3x2x2xf64>" not in text, "the weights are spread over the batch"
    close(f(w, M.T), np.tanh(M.T @ w.T))


def test_nested_maps_are_a_matrix_product() -> None:
    product = mycc.vmap(mycc.vmap(mnp.dot, (None, 1)), (0, None))
    close(product(M, T[0]), M @ T[0])
    close(mycc.jit(mycc.vmap(product, (None, 0), 2))(M, T), np.stack([M @ t for t in T], 2))


# ---- Operations that a batch changes -------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: x[i],
        lambda x, i: mnp.asarray(x).at[i].add(5.0),
        lambda x, i: mnp.sort(x)[::-1] * mnp.argmax(x) + mnp.cumsum(x),
        lambda x, i: lax.dynamic_slice(x, (i,), (2,)),
        lambda x, i: mnp.where(x > i, x, -x) @ np.arange(3.0),
        lambda x, i: mnp.concatenate([x, mnp.ones(2) * i, x[:1]]),
        lambda x, i: mnp.einsum("i,j->ji", x, x)[i],
        lambda x, i: lax.switch(i, [lambda y: y, lambda y: y * y, lambda y: -y], x),
        lambda x, i: lax.cond(i > 1, lambda: x, lambda: x * 2.0),
        lambda x, i: lax.fori_loop(0, i, lambda k, c: c * 2.0 + k, x),
        lambda x, i: lax.while_loop(lambda c: mnp.sum(c) < 10.0, lambda c: c + x + 1.0, x),
        lambda x, i: lax.scan(lambda c, t: (c * t + i, c), 1.0, x),
    ],
)
def test_against_a_loop(f: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    xs, indices = rng.normal(size=(4, 3)), np.array([0, 2, 1, 2], np.int32)
    for in_axes in ((0, 0), (0, None), (None, 0)):
        x = xs if in_axes[0] == 0 else xs[1]
        i = indices if in_axes[1] == 0 else indices[1]
        got = mycc.vmap(f, in_axes)(x, i)
        wanted = [f(x[k] if in_axes[0] == 0 else x, i[k] if in_axes[1] == 0 else i) for k in range(4)]
        stacked = mycc.tree.map(lambda *rows: np.stack([np.asarray(row) for row in rows]), *wanted)
        for a, b in zip(mycc.tree.leaves(got), mycc.tree.leaves(stacked), strict=True):
            close(a, b)


def test_random_keys() -> None:
    keys = mycc.random.split(mycc.random.key(0), 3)
    close(mycc.vmap(mycc.random.normal)(keys), [float(mycc.random.normal(keys[i])) for i in range(3)])


def test_a_loop_stops_for_each_example_by_itself() -> None:
    def collatz(n: Any) -> Any:
        def step(carry: Any) -> Any:
            n, steps = carry
            return mnp.where(n % 2 == 0, n // 2, 3 * n + 1), steps + 1

        return lax.while_loop(lambda c: c[0] != 1, step, (n, 0))[1]

    close(mycc.vmap(collatz)(np.array([1, 6, 7, 27])), [0, 8, 16, 111])


# ---- Named axes ----------------------------------------------------------------------------------


def test_collectives() -> None:
    def f(x: Any) -> Any:
        return lax.psum(x, "i"), lax.pmean(x, "i"), lax.axis_index("i"), lax.psum(1, "i")

    total, mean, index, size = mycc.vmap(f, axis_name="i")(X)
    close(total, np.full(3, 3.0))
    close(mean, np.full(3, 1.0))
    close(index, [0, 1, 2])
    close(size, [3, 3, 3])


def test_nested_names() -> None:
    def f(x: Any) -> Any:
        both = lax.psum(x, ("i", "j"))
        return (
            lax.psum(x, "i")
            + 10 * lax.psum(x, "j")
            + 100 * both
            + lax.axis_index("i") * 3
            + lax.axis_index("j")
        )

    got = mycc.vmap(mycc.vmap(f, axis_name="j"), axis_name="i")(M)
    wanted = M.sum(0) + 10 * M.sum(1)[:, None] + 100 * M.sum() + np.arange(2)[:, None] * 3 + np.arange(3)
    close(got, wanted)


def test_the_innermost_of_equal_names_counts() -> None:
    def row(r: Any) -> Any:
        return mycc.vmap(lambda a: lax.psum(a, "i"), axis_name="i")(r) + lax.psum(r, "i")

    close(mycc.vmap(row, axis_name="i")(M), M.sum(1)[:, None] + M.sum(0))


def test_names_under_other_transforms() -> None:
    def f(x: Any) -> Any:
        return mnp.sin(lax.psum(x * x, "i"))

    s = np.sum(X * X)
    # Each example's derivative goes through the sum of all.
    close(mycc.vmap(mycc.grad(f), axis_name="i")(X), 3 * np.cos(s) * 2 * X)
    close(mycc.grad(lambda x: mnp.sum(mycc.vmap(f, axis_name="i")(x)))(X), 3 * np.cos(s) * 2 * X)
    close(
        mycc.vmap(lambda x: mycc.jvp(f, (x,), (1.0,))[1], axis_name="i")(X),
        np.full(3, np.cos(s) * 2 * X.sum()),
    )
    jitted = mycc.jit(f)
    close(
        mycc.jit(lambda: (mycc.vmap(jitted, axis_name="i")(X), mycc.vmap(jitted, axis_name="i")(M)))()[0],
        np.full(3, np.sin(s)),
    )
    close(
        mycc.vmap(lambda x: lax.cond(x > 1.0, lambda: lax.psum(x, "i"), lambda: x), axis_name="i")(X),
        [0, 1, 3],
    )
    close(
        mycc.vmap(lambda x: lax.scan(lambda c, t: (c + lax.psum(x * t, "i"), c), 0.0, X)[0], axis_name="i")(
            X
        ),
        [9, 9, 9],
    )


def test_a_sum_of_what_is_the_same_for_all() -> None:
    close(mycc.jit(lambda y: mycc.vmap(lambda x: lax.psum(y, "i") + x, axis_name="i")(X))(2.0), X + 6)


def test_normalization_over_a_named_axis() -> None:
    def normalize(x: Any) -> Any:
        mean = lax.pmean(x, "batch")
        return (x - mean) / mnp.sqrt(lax.pmean((x - mean) ** 2, "batch") + 1e-5)

    loss = lambda x: mnp.sum(mycc.vmap(normalize, axis_name="batch")(x) ** 3)  # noqa: E731
    gradient = np.asarray(mycc.grad(loss)(M**2))
    step = np.zeros_like(M)
    step[1, 2] = 1e-6
    numeric = (float(loss(M**2 + step)) - float(loss(M**2 - step))) / 2e-6
    np.testing.assert_allclose(gradient[1, 2], numeric, rtol=1e-4, atol=1e-7)


# ---- Errors --------------------------------------------------------------------------------------

IDENTITY = lambda *a: a[0]  # noqa: E731


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: mycc.vmap(IDENTITY)(X, M),
            TransformError,
            r"different sizes along the batch dimension: 3 for argument 0 of type f64\[3\].*2 for argument 1",
        ),
        (
            lambda: mycc.vmap(IDENTITY)(X, {"k": [M]}),
            TransformError,
            r"2 for argument 1\['k'\]\[0\] of type f64\[2,3\] along dimension 0",
        ),
        (lambda: mycc.vmap(lambda a, b: a)(X, b=M), TransformError, r"2 for argument\['b'\]"),
        (lambda: mycc.vmap(IDENTITY, axis_size=4)(X), TransformError, "4 for axis_size"),
        (
            lambda: mycc.vmap(IDENTITY)(1.0),
            TransformError,
            r"in_axes 0 for an array of type f32\[\], which has 0 dimensions",
        ),
        (lambda: mycc.vmap(IDENTITY, in_axes=-2)(X), TransformError, "in_axes -2"),
        (lambda: mycc.vmap(IDENTITY, out_axes=2)(X), TransformError, "out_axes 2"),
        (
            lambda: mycc.vmap(IDENTITY, out_axes=None)(X),
            TransformError,
            "out_axes=None for a result that depends on a mapped argument",
        ),
        (
            lambda: mycc.vmap(IDENTITY, in_axes=None)(X),
            TransformError,
            "maps no argument; give in_axes that is not None for one, or axis_size",
        ),
        (
            lambda: mycc.vmap(IDENTITY, in_axes=(0,))(X, X),
            TreeError,
            r"in_axes \(0,\) for 1 positional arguments, got 2",
        ),
        (
            lambda: mycc.vmap(IDENTITY, in_axes=({"a": 0},))([X]),
            TreeError,
            "is no prefix of the value's structure",
        ),
        (lambda: mycc.vmap(IDENTITY, out_axes=(0, 0))(X), TreeError, "out_axes .* is no prefix"),
        (lambda: mycc.vmap(IDENTITY, in_axes="a"), TypeError, "in_axes must be an int, None, or a tuple"),
        (lambda: mycc.vmap(IDENTITY, in_axes=("a",))(X), TreeError, "must hold integers and None, got 'a'"),
        (lambda: mycc.vmap(3), TypeError, "vmap takes a function, got int"),
        (
            lambda: mycc.vmap(lambda x: lax.psum(x, "j"), axis_name="i")(X),
            NameError,
            r"psum names the axis 'j', .*bound: 'i'.*axis_name='j'",
        ),
        (lambda: lax.axis_index("j"), NameError, "axis_index names the axis 'j', .*bound: none"),
        (lambda: mycc.jit(lambda x: lax.pmean(x, "j"))(X), NameError, "pmean names the axis 'j'"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=HERE + ".*" + message):
        call()


def test_names_do_not_leave_their_map() -> None:
    named = mycc.jit(lambda x: lax.psum(x, "i"))
    close(mycc.vmap(named, axis_name="i")(X), np.full(3, 3.0))
    with pytest.raises(NameError, match=HERE):
        named(1.0)


def test_axes_of_key_arrays_are_those_that_users_see() -> None:
    keys = mycc.random.split(mycc.random.key(0), 3)
    wanted = [float(mycc.random.normal(keys[i])) for i in range(3)]
    close(mycc.vmap(mycc.random.normal, in_axes=-1)(keys), wanted)
    assert mycc.vmap(lambda k: mycc.random.split(k, 2), out_axes=-1)(keys).shape == (2, 3)
    assert mycc.vmap(lambda k: mycc.random.split(k, 2))(keys).shape == (3, 2)
    with pytest.raises(TransformError, match=HERE + "vmap of normal has in_axes 1"):
        mycc.vmap(mycc.random.normal, in_axes=1)(keys)


def test_axes_as_numpy_integers_and_prefixes_of_other_keys() -> None:
    close(mycc.vmap(lambda x, s: x * s, (np.int64(0), None), np.int32(0))(X, 2.0), 2 * X)
    with pytest.raises(TreeError, match=HERE + ".* is no prefix"):
        mycc.vmap(lambda d: d["b"], in_axes=({"a": 0},))({"b": X})
