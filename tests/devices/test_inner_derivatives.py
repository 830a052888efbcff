"""Derivatives that are taken inside of `shard_map`: those of the whole program, as in JAX."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

import mycc
from mycc import P

W = np.float32([[2.0, -1.0], [0.5, 3.0]])
V = np.float32(1.5)
X = np.linspace(-1, 1, 16, dtype=np.float32).reshape(8, 2)

Program = Callable[[Any, Any, Any, Any], Any]


def loss(p: Any, w: Any, v: Any, x: Any) -> Any:
    """A device's part of a loss."""
    return (p.numpy.tanh(x @ w) ** 2).sum() * v


def total(p: Any, w: Any, v: Any, x: Any) -> Any:
    """The loss of all devices, with what is the same on all of them counted once."""
    return p.lax.psum(loss(p, w, v, x), "i") + (w**2).sum() + v**3


def _descent(p: Any, w: Any, v: Any, x: Any) -> Any:
    def step(c: Any, _: Any) -> Any:
        w, v = c
        dw, dv = p.grad(partial(total, p), (0, 1))(w, v, x)
        return (w - 0.01 * dw, v - 0.01 * dv), None

    return p.lax.scan(step, (w, v), None, length=3)[0]


def _steps_of_unknown_number(p: Any, w: Any, v: Any, x: Any) -> Any:
    def step(c: Any) -> Any:
        return c[0] + 1, c[1] - 0.01 * p.grad(partial(total, p))(c[1], v, x)

    return p.lax.while_loop(lambda c: c[0] < 3, step, (0, w))[1]


def _jitted(p: Any, w: Any, v: Any, x: Any) -> Any:
    gradient = p.jit(lambda w, v, x: p.grad(partial(loss, p), (0, 1))(w, v, x))
    dw, dv = gradient(w, v, x)
    # Once more, of a weight that is not the same on all devices.
    return dw, dv, p.lax.psum(gradient(w * x[0, 0], v, x)[0], "i")


def _pullback(p: Any, w: Any, v: Any, x: Any) -> Any:
    out, pullback = p.vjp(partial(total, p), w, v, x)
    return pullback(2.0 * out)


def _pullback_of_parts(p: Any, w: Any, v: Any, x: Any) -> Any:
    out, pullback = p.vjp(partial(loss, p), w, v, x)
    return pullback(out)


def _mean(p: Any, w: Any, v: Any, x: Any) -> Any:
    return p.grad(lambda w, x: p.lax.pmean(loss(p, w, v, x), "i"), (0, 1))(w, x)


def _second_order(p: Any, w: Any, v: Any, x: Any) -> Any:
    return p.grad(lambda v: p.grad(partial(total, p), 1)(w, v, x))(v)


def _hessian(p: Any, w: Any, v: Any, x: Any) -> Any:
    return p.hessian(lambda v: total(p, w, v, x))(v), p.jacrev(lambda w: p.lax.psum(x @ w, "i").sum(0))(w)


def _branch(p: Any, w: Any, v: Any, x: Any) -> Any:
    return p.lax.cond(v > 0, lambda w: p.grad(partial(total, p))(w, v, x), lambda w: 1.0 * w, w)


def _auxiliary(p: Any, w: Any, v: Any, x: Any) -> Any:
    return p.value_and_grad(lambda w: (total(p, w, v, x), w.sum()), has_aux=True)(w)


# What each returns: the same on all devices, or a row for each.
PROGRAMS: dict[str, tuple[Program, Any]] = {
    "of what is the same": (lambda p, w, v, x: p.grad(partial(loss, p), (0, 1))(w, v, x), P()),
    "of the sum": (lambda p, w, v, x: p.grad(partial(total, p), (0, 1))(w, v, x), P()),
    "of parts": (lambda p, w, v, x: p.grad(partial(total, p), 2)(w, v, x), P("i")),
    "of both": (lambda p, w, v, x: p.grad(partial(total, p), (1, 2))(w, v, x), (P(), P("i"))),
    "value": (lambda p, w, v, x: p.value_and_grad(partial(total, p))(w, v, x), P()),
    "auxiliary": (_auxiliary, P()),
    "pullback": (_pullback, (P(), P(), P("i"))),
    "pullback of parts": (_pullback_of_parts, (P(), P(), P("i"))),
    "mean": (_mean, (P(), P("i"))),
    "second order": (_second_order, P()),
    "hessian": (_hessian, P()),
    "in a scan": (_descent, P()),
    "in a while": (_steps_of_unknown_number, P()),
    "in a branch": (_branch, P()),
    "jitted inside": (_jitted, P()),
    "checkpoint": (lambda p, w, v, x: p.grad(p.checkpoint(partial(total, p)))(w, v, x), P()),
    "batched": (
        lambda p, w, v, x: p.vmap(p.grad(partial(total, p)), (None, 0, None))(
            w, p.numpy.stack([v, 2 * v]), x
        ),
        P(),
    ),
}


def mesh_of(p: Any) -> Any:
    """A mesh along one axis."""
    return p.make_mesh((8,), ("i",), axis_types=(p.sharding.AxisType.Auto,))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("checked", [True, False])
def test_as_jax(name: str, checked: bool) -> None:
    program, outs = PROGRAMS[name]
    got, want = (
        p.tree.leaves(
            p.jit(
                p.shard_map(
                    partial(program, p),
                    mesh=mesh_of(p),
                    in_specs=(P_(), P_(), P_("i")),
                    out_specs=jax.tree.map(lambda s, P_=P_: P_(*s), outs, is_leaf=lambda s: isinstance(s, P)),
                    check_vma=checked,
                )
            )(W, V, X)
        )
        for p, P_ in ((mycc, mycc.P), (jax, jax.P))
    )
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


def test_the_gradient_is_the_whole_programs() -> None:
    def inside(w: Any, v: Any, x: Any) -> Any:
        return mycc.grad(partial(total, mycc), (0, 1, 2))(w, v, x)

    mapped = mycc.shard_map(
        inside, mesh=mesh_of(mycc), in_specs=(P(), P(), P("i")), out_specs=(P(), P(), P("i"))
    )
    whole = mycc.grad(lambda w, v, x: loss(mycc, w, v, x) + (w**2).sum() + v**3, (0, 1, 2))
    for a, b in zip(mapped(W, V, X), whole(W, V, X), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


def test_a_derivative_around_one_inside() -> None:
    def norm(p: Any, P_: Any, w: Any) -> Any:
        gradient = p.shard_map(
            lambda w, x: p.grad(partial(total, p))(w, V, x),
            mesh=mesh_of(p),
            in_specs=(P_(), P_("i")),
            out_specs=P_(),
        )
        return (gradient(w, X) ** 2).sum()

    got, want = (p.grad(partial(norm, p, P_))(W) for p, P_ in ((mycc, mycc.P), (jax, jax.P)))
    np.testing.assert_allclose(got, want, rtol=1e-4)
    np.testing.assert_allclose(mycc.jvp(partial(norm, mycc, P), (W,), (W,))[1], np.sum(want * W), rtol=1e-4)


def test_two_axes() -> None:
    def program(p: Any, P_: Any) -> Any:
        mesh = p.make_mesh((4, 2), ("a", "b"), axis_types=(p.sharding.AxisType.Auto,) * 2)

        @partial(
            p.shard_map,
            mesh=mesh,
            in_specs=(P_(), P_("b"), P_("a", "b")),
            out_specs=(P_(), P_("b"), P_("a", "b")),
        )
        def f(w: Any, v: Any, x: Any) -> Any:
            return p.grad(lambda w, v, x: p.lax.psum((x * v * w).sum() ** 2, "a").sum(), (0, 1, 2))(w, v, x)

        return f(np.float32(2.0), X[:2, 0], X)

    for a, b in zip(program(mycc, mycc.P), program(jax, jax.P), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)
