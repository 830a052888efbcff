"""Rules that call their function with ever new static arguments are traced as deep as derivatives are taken."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc.lax import while_loop


@partial(mycc.custom_vjp, nondiff_argnums=(0,))
def fixed_point(f: Any, a: Any, x: Any) -> Any:
    """The x that ``f(a, x)`` gives back; its adjoint is the fixed point of another function."""
    return while_loop(
        lambda c: mnp.max(mnp.abs(c[0] - c[1])) > 1e-13, lambda c: (c[1], f(a, c[1])), (x, f(a, x))
    )[1]


def _forward(f: Any, a: Any, x: Any) -> Any:
    found = fixed_point(f, a, x)
    return found, (a, found)


def _backward(f: Any, residuals: Any, cotangent: Any) -> Any:
    a, x = residuals
    adjoint = fixed_point(partial(_adjoint_step, f), (a, x, cotangent), cotangent)
    return mycc.vjp(lambda a: f(a, x), a)[1](adjoint)[0], mnp.zeros_like(x)


def _adjoint_step(f: Any, packed: Any, u: Any) -> Any:
    a, x, cotangent = packed
    return cotangent + mycc.vjp(lambda x: f(a, x), x)[1](u)[0]


fixed_point.defvjp(_forward, _backward)


def root(a: Any) -> Any:
    """The square root by Newton's iteration."""
    return fixed_point(lambda a, x: 0.5 * (x + a / x), a, a)


@partial(mycc.custom_jvp, nondiff_argnums=(0,))
def derivative_of_sine(n: int, x: Any) -> Any:
    """The n-th derivative of sin, whose derivative is the next."""
    return mnp.sin(x + n * np.pi / 2)


derivative_of_sine.defjvp(
    lambda n, primals, tangents: (
        derivative_of_sine(n, *primals),
        derivative_of_sine(n + 1, *primals) * tangents[0],
    )
)

A = np.float64(2.0)
ROOT_DERIVATIVES = [A**0.5, 0.5 * A**-0.5, -0.25 * A**-1.5, 0.375 * A**-2.5]


def nested(f: Any, order: int) -> Any:
    """A derivative of f."""
    for _ in range(order):
        f = mycc.grad(f)
    return f


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("jit", [False, True])
def test_a_reverse_rule(order: int, jit: bool) -> None:
    f = nested(root, order)
    np.testing.assert_allclose((mycc.jit(f) if jit else f)(A), ROOT_DERIVATIVES[order], rtol=1e-9)


def test_batches_and_several_orders_in_one_program() -> None:
    @mycc.jit
    def f(a: Any) -> Any:
        return [mycc.vmap(nested(root, order))(mnp.stack([a, a])) for order in (1, 3, 2, 0)]

    for got, order in zip(f(A), (1, 3, 2, 0), strict=True):
        np.testing.assert_allclose(got, 2 * [ROOT_DERIVATIVES[order]], rtol=1e-9)


@pytest.mark.parametrize("order", range(4))
def test_a_forward_rule(order: int) -> None:
    f = partial(derivative_of_sine, 0)
    want = np.sin(A + order * np.pi / 2)
    np.testing.assert_allclose(nested(f, order)(A), want, rtol=1e-12)
    for _ in range(order):
        f = mycc.jacfwd(f)
    np.testing.assert_allclose(mycc.jit(f)(A), want, rtol=1e-12)


def test_a_module_has_the_rules_of_the_first_order() -> None:
    exported = mycc.export(root)(mycc.ShapeDtypeStruct((), np.float64))
    f = mycc.from_stablehlo(exported.serialize())
    np.testing.assert_allclose(f(A), ROOT_DERIVATIVES[0], rtol=1e-12)
    np.testing.assert_allclose(mycc.grad(f)(A), ROOT_DERIVATIVES[1], rtol=1e-12)
    with pytest.raises(mycc.UnsupportedOperationError, match="cannot differentiate fixed_point_1 once more"):
        mycc.grad(mycc.grad(f))(A)
