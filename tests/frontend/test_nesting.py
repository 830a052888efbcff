"""Transforms nested in any order and depth, against JAX."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from nestings import FUNCTIONS, POINT, WRAPPERS, is_supported, jax_library, mycc_library, program

import mycc
from mycc.lowering.pipelines import transforms

MYCC = mycc_library()


def expected(function: str, wrappers: tuple[str, ...]) -> np.ndarray:
    import jax

    return np.asarray(jax.jit(program(jax_library(), function, wrappers))(POINT))


def check(function: str, wrappers: tuple[str, ...], eager: bool, jitted: bool) -> None:
    run = program(MYCC, function, wrappers)
    wanted = expected(function, wrappers)
    for got in [run(POINT)] * eager + [mycc.jit(run)(POINT)] * jitted:
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-9, atol=1e-9)


# Each function and each wrapper occurs, reverse over forward over batch and the other way round.
CHOSEN = [
    ("sines", ("grad", "jvp", "vmap_named")),
    ("layer", ("vmap_last", "jacrev", "jit", "jacfwd")),
    ("normalized", ("value_and_grad", "cond", "vjp", "scan")),
    ("indexed", ("vmap", "grad", "linearize")),
    ("called", ("captured", "vmap_captured", "jacrev")),
    ("chosen", ("pullback_in_cond", "vmap", "grad")),
    ("switched", ("grad", "grad", "vmap")),
    ("scanned", ("jacfwd", "vmap_last", "jvp")),
    ("looped", ("linearize", "vmap", "jit")),
    ("linear", ("pullback_mapped", "pullbacks_stacked")),
    ("constant", ("pullback_returned", "grad")),
    ("layer", ("pullbacks_from_scan", "jvp", "vmap")),
    ("sines", ("grad", "grad", "grad", "pullback_scanned")),
    ("reduced", ("grad", "vmap_last")),
    ("ordered", ("vmap", "jacrev", "jvp")),
    ("complexed", ("vjp", "vmap_captured")),
    ("contracted", ("jacfwd", "grad")),
    ("stopped", ("grad", "linearize")),
    ("forward_rule", ("jvp", "vmap_captured", "grad")),
    ("forward_rule", ("pullback_mapped", "linearize")),
    ("reverse_rule", ("vmap_named", "grad", "jvp")),
    ("reverse_rule", ("pullbacks_stacked", "cond", "jacrev")),
    ("checkpointed", ("vmap", "grad", "jacrev")),
    ("checkpointed", ("pullback_scanned", "jvp")),
    ("solved", ("grad", "vmap_last", "linearize")),
    ("rooted", ("jacfwd", "vmap", "grad")),
]


@pytest.mark.parametrize(("function", "wrappers"), CHOSEN)
def test_chosen(function: str, wrappers: tuple[str, ...]) -> None:
    check(function, wrappers, eager=True, jitted=True)


@settings(max_examples=14, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(sorted(FUNCTIONS)),
    st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=2, max_size=3).map(tuple),
    st.booleans(),
)
def test_generated(function: str, wrappers: tuple[str, ...], eager: bool) -> None:
    assume(is_supported(function, wrappers))
    check(function, wrappers, eager=eager, jitted=not eager)


RULES = ["forward_rule", "reverse_rule", "checkpointed", "solved", "rooted"]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(RULES),
    st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=2, max_size=3).map(tuple),
    st.booleans(),
)
def test_generated_around_custom_rules(function: str, wrappers: tuple[str, ...], eager: bool) -> None:
    assume(is_supported(function, wrappers))
    check(function, wrappers, eager=eager, jitted=not eager)


@pytest.mark.exhaustive
@pytest.mark.parametrize("function", sorted(FUNCTIONS))
@pytest.mark.parametrize("inner", sorted(WRAPPERS))
def test_every_pair(function: str, inner: str) -> None:
    for outer in sorted(WRAPPERS):
        if is_supported(function, (inner, outer)):
            check(function, (inner, outer), eager=False, jitted=True)


@pytest.mark.exhaustive
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(sorted(FUNCTIONS)),
    st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=3, max_size=5).map(tuple),
)
def test_generated_deep(function: str, wrappers: tuple[str, ...]) -> None:
    assume(is_supported(function, wrappers))
    check(function, wrappers, eager=True, jitted=True)


def test_the_chosen_programs_use_everything() -> None:
    used = {name for function, wrappers in CHOSEN for name in (function, *wrappers)}
    assert used == {*FUNCTIONS, *WRAPPERS}
    assert all(itertools.starmap(is_supported, CHOSEN))


def test_a_deep_nest_of_gradients() -> None:
    f = mycc.numpy.sin
    for _ in range(6):
        f = mycc.grad(f)
    np.testing.assert_allclose(np.asarray(mycc.jit(f)(np.float64(0.3))), -np.sin(0.3), rtol=1e-12)


def test_nested_choices_do_not_multiply() -> None:
    """Each region is differentiated once, however deep it lies."""

    def f(x: mycc.Array) -> mycc.Array:
        def nest(depth: int, y: mycc.Array) -> mycc.Array:
            if depth == 0:
                return y * x
            return mycc.lax.cond(y > depth, lambda z: nest(depth - 1, z + 1.0), lambda z: z * z, y)

        return nest(6, x)

    module = mycc.jit(mycc.grad(f)).trace(8.0).module
    transforms(module).run(module)
    assert len(module.body.operations) < 120
    np.testing.assert_allclose(np.asarray(mycc.grad(f)(8.0)), 2 * 8.0 + 6)


def test_as_many_rounds_as_kinds_alternate() -> None:
    def rounds(f: Any) -> list[str]:
        return [type(p).__name__ for p in transforms(mycc.jit(f).trace(POINT).module)]

    total = lambda x: mycc.numpy.sum(mycc.numpy.sin(x))  # noqa: E731
    assert rounds(total) == []
    assert rounds(mycc.grad(lambda x: mycc.numpy.sum(mycc.grad(total)(x)))) == ["Outline", "Autodiff"]
    assert rounds(mycc.vmap(mycc.vmap(mycc.numpy.sin, in_axes=None, axis_size=2))) == [
        "Outline",
        "Autodiff",
        "Batch",
    ]
    assert rounds(mycc.vmap(mycc.grad(mycc.numpy.sin))) == ["Outline", "Autodiff", "Batch"]
    mixed = mycc.grad(lambda x: mycc.numpy.sum(mycc.vmap(mycc.grad(mycc.numpy.sin))(x)))
    assert rounds(mixed) == ["Outline", "Autodiff", "Batch", "Autodiff"]
