"""`x[i] = v`: handles, snapshots at every call and transform, what may be assigned to where."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.dialects.errors import LeakedTracerError

X = np.array([0.7, -0.4, 1.3])
HERE = r"test_assignment\.py:\d+: "


def close(got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-6)


def array() -> mycc.Array:
    return mnp.array(X)


# ---- Handles -------------------------------------------------------------------------------------


def test_names_share_a_handle_and_copies_do_not() -> None:
    a = array()
    b, c, d, e = a, a.copy(), copy.copy(a), copy.deepcopy(a)
    a[0] = 5.0
    close(b, [5.0, -0.4, 1.3])
    for other in (c, d, e):
        close(other, X)
    b += 1.0
    close(a, [5.0, -0.4, 1.3])


def test_views_of_numpy_keep_what_they_saw() -> None:
    a = array()
    view = np.asarray(a)
    a[0] = 5.0
    close(view, X)
    a = mnp.array(view)
    assert not view.flags.writeable


def test_a_slice_is_an_array_of_its_own() -> None:
    a = array()
    part = a[:2]
    part[0] = 9.0
    close(a, X)
    close(part, [9.0, -0.4])


def test_the_dtype_and_shape_stay() -> None:
    a = mnp.zeros(3, dtype="int32")
    a[0] = 2.9
    assert (a.dtype, a.shape) == (np.int32, (3,))
    close(a, [2, 0, 0])


# ---- Inside traced functions ---------------------------------------------------------------------


def assigning(x: Any) -> Any:
    y = x * 2.0
    z = x
    x[0] = y[1] * x[2]
    y[1:] = x[:2]
    z[1] = 3.0
    return mnp.sum(x * y * z)


def reference(x: np.ndarray) -> float:
    x = x.copy()
    y = x * 2.0
    x[0] = y[1] * x[2]
    y[1:] = x[:2]
    x[1] = 3.0
    return float(np.sum(x * y * x))


@pytest.mark.parametrize(
    "run",
    [
        lambda x: assigning(x.copy()),
        mycc.jit(assigning),
        lambda x: mycc.value_and_grad(assigning)(x)[0],
        lambda x: mycc.jvp(assigning, (x,), (x,))[0],
        lambda x: mycc.vjp(assigning, x)[0],
        lambda x: mycc.vmap(assigning)(mnp.stack([x, x]))[1],
        lambda x: lax.cond(True, assigning, assigning, x),
        lambda x: lax.scan(lambda c, t: (c + assigning(t), None), 0.0, mnp.stack([x]))[0],
        mycc.jit(lambda x: mycc.jit(assigning)(x)),
        lambda x: mycc.grad(lambda x, s: assigning(x) * s, argnums=1)(x, 1.0),
        lambda x: mycc.grad(lambda s, *, x: assigning(x) * s)(1.0, x=x),
    ],
)
def test_arguments_are_snapshots(run: Callable[..., Any]) -> None:
    a = array()
    close(run(a), reference(X))
    close(a, X)
    close(run(a), reference(X))


def test_derivatives_of_assignments() -> None:
    step = np.eye(3) * 1e-6
    numeric = [(reference(X + s) - reference(X - s)) / 2e-6 for s in step]
    for gradient in (mycc.grad(assigning), mycc.jit(mycc.grad(assigning)), mycc.jacfwd(assigning)):
        np.testing.assert_allclose(np.asarray(gradient(X)), numeric, rtol=1e-6, atol=1e-8)


def test_a_nested_call_does_not_see_later_assignments() -> None:
    inner = mycc.jit(lambda x: x * 2.0)

    @mycc.jit
    def f(x: Any) -> Any:
        before = inner(x)
        x[0] = 10.0
        return before, inner(x), x

    before, after, x = f(array())
    close(before, 2 * X)
    close(after, [20.0, -0.8, 2.6])
    close(x, [10.0, -0.4, 1.3])


def test_a_closure_sees_the_current_value() -> None:
    @mycc.jit
    def f(x: Any) -> Any:
        scale = mnp.ones(3)
        product = mycc.jit(lambda y: y * scale)
        first = product(x)
        scale[0] = 5.0
        return first, product(x), mycc.vmap(lambda s: s * scale[0])(x)

    first, second, third = f(X)
    close(first, X)
    close(second, [3.5, -0.4, 1.3])
    close(third, 5 * X)


def test_values_after_assignment_in_eager_gradients() -> None:
    def f(x: Any) -> Any:
        assert float(x[0]) == 0.7
        x[0] = x[1] * 2.0
        assert float(x[0]) == -0.8
        x[0] = 3.0 if x[0] < 0 else 4.0
        return mnp.sum(x * x)

    close(mycc.grad(f)(X), [0.0, -0.8, 2.6])


def test_a_traced_index() -> None:
    @mycc.jit
    def f(x: Any, i: Any) -> Any:
        x[i] = -1.0
        return x

    close(f(array(), 1), [0.7, -1.0, 1.3])
    close(f(array(), -1), [0.7, -0.4, -1.0])
    close(f(array(), 7), X)


def test_an_assignment_in_the_body_of_a_loop() -> None:
    def body(i: Any, x: Any) -> Any:
        x[i] = x[i] * i
        return x

    close(lax.fori_loop(0, 3, body, array()), X * [0, 1, 2])


# ---- What may not be assigned to -----------------------------------------------------------------


def outer_of(transform: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        def inner(y: Any) -> Any:
            x[0] = 1.0
            return y

        return transform(inner)(x)

    return f


@pytest.mark.parametrize(
    "transform",
    [
        mycc.jit,
        mycc.vmap,
        lambda f: mycc.grad(lambda y: mnp.sum(f(y))),
        lambda f: lambda y: lax.cond(True, f, f, y),
        lambda f: lambda y: lax.scan(lambda c, t: (c, f(t)), 0.0, y)[1],
    ],
)
@pytest.mark.parametrize("outer", [mycc.jit, lambda f: mycc.jacfwd(f)])
def test_arrays_of_an_enclosing_trace(outer: Any, transform: Any) -> None:
    message = (
        HERE + r"cannot assign to an array that belongs to f \(begun at .*test_assignment.py:\d+\) while"
    )
    with pytest.raises(LeakedTracerError, match=message):
        outer(outer_of(transform))(X)


@pytest.mark.parametrize("transform", [mycc.jit, mycc.grad, mycc.vmap, lambda f: lambda x: mycc.vjp(f, x)])
def test_concrete_arrays_while_tracing(transform: Any) -> None:
    a = array()

    def f(x: Any) -> Any:
        a[0] = 2.0
        return mnp.sum(x)

    with pytest.raises(
        LeakedTracerError, match=HERE + "cannot assign to an array that is concrete while .*copy it first"
    ):
        transform(f)(X)
    close(a, X)


def test_a_copy_of_a_concrete_array_may_be_assigned_to() -> None:
    a = array()

    @mycc.jit
    def f(x: Any) -> Any:
        mine = a.copy()
        mine[0] = x
        return mine

    close(f(2.0), [2.0, -0.4, 1.3])
    close(a, X)


def test_after_the_trace_has_ended() -> None:
    kept: list[Any] = []
    mycc.jit(lambda x: kept.append(x) or x)(X)
    with pytest.raises(LeakedTracerError, match=HERE):
        kept[0][0] = 1.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: a.__setitem__(5, 1.0), IndexError, "index 5 is out of bounds for axis 0"),
        (lambda a: a.__setitem__((0, 0), 1.0), IndexError, ""),
        (lambda a: a.__setitem__(slice(2), np.ones(3)), ValueError, "does not broadcast"),
        (lambda a: a.__setitem__("x", 1.0), (TypeError, IndexError), ""),
    ],
)
def test_errors(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=HERE + ".*" + message):
        call(array())
    with pytest.raises(error, match=HERE + ".*" + message):
        mycc.jit(call)(array())
