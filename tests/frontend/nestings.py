"""Programs written once and run with mycc and with JAX, and transforms that nest around them in any order.

Every function here maps an array of shape (3,) to one of shape (3,), and every wrapper maps such a function
to another, so that any sequence of wrappers is a program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Library:
    """mycc or JAX: the module of transforms, and its ``numpy`` and ``lax``."""

    api: Any
    np: Any
    lax: Any


def mycc_library() -> Library:
    """mycc."""
    import mycc
    import mycc.lax
    import mycc.numpy

    return Library(mycc, mycc.numpy, mycc.lax)


def jax_library() -> Library:
    """JAX with 64-bit types, as mycc has them."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy

    return Library(jax, jax.numpy, jax.lax)


WEIGHTS = np.array([0.5, -1.25, 2.0])
MATRIX = np.array([[0.3, -0.2, 0.7], [0.1, 0.9, -0.4], [-0.6, 0.2, 0.5]])
POINT = np.array([0.7, -0.4, 1.3])


# ---- Functions -----------------------------------------------------------------------------------


def sines(l: Library, x: Array) -> Array:
    return l.np.sin(x) * x


def layer(l: Library, x: Array) -> Array:
    return l.np.tanh(MATRIX @ x + x[::-1])


def normalized(l: Library, x: Array) -> Array:
    return x / (1.0 + l.np.sum(x * x)) + l.np.max(x)


def indexed(l: Library, x: Array) -> Array:
    x = l.np.asarray(x)
    y = x.at[1].set(l.np.cos(x[0]))
    return y.at[np.array([0, 2, 0])].add(x * 0.3)[np.array([2, 0, 1])]


def called(l: Library, x: Array) -> Array:
    block = l.api.jit(lambda x, s: l.np.tanh(x * s))
    return block(x, 0.5) + block(block(x, 2.0), x[0])


def chosen(l: Library, x: Array) -> Array:
    return l.lax.cond(l.np.sum(x) > 0.5, lambda y: y * x, lambda y: l.np.sin(y) + x[0], x + 0.1)


def switched(l: Library, x: Array) -> Array:
    index = l.np.sum(x > 0.0)
    return l.lax.switch(index, [lambda y: y, lambda y: y * y, lambda y: l.np.exp(-y * y)], x)


def scanned(l: Library, x: Array) -> Array:
    def step(carry: Array, t: Array) -> tuple[Array, Array]:
        new = l.np.tanh(carry * t + x)
        return new, l.np.sum(new)

    last, sums = l.lax.scan(step, x * 0.5, WEIGHTS)
    return last + sums


def looped(l: Library, x: Array) -> Array:
    return l.lax.fori_loop(0, 3, lambda i, y: l.np.sin(y) + x * i * 0.1, x)


def linear(l: Library, x: Array) -> Array:
    return MATRIX.T @ x + 2.0 * x[::-1]


def constant(l: Library, x: Array) -> Array:
    return l.np.asarray(WEIGHTS) * 0.5


def reduced(l: Library, x: Array) -> Array:
    return x * l.np.prod(x) + l.np.var(x) - l.np.log(l.np.sum(l.np.exp(x))) + l.np.min(x * x[::-1])


def ordered(l: Library, x: Array) -> Array:
    return l.np.sort(x) * l.np.cumsum(x)[::-1] + x[l.np.argmax(x)] * l.np.concatenate([x[1:], x[:1]])


def complexed(l: Library, x: Array) -> Array:
    z = l.np.exp(1j * x) * (x + 2j)
    return l.np.real(z * z) + l.np.imag(z) * l.np.abs(z[0])


def contracted(l: Library, x: Array) -> Array:
    table = l.np.einsum("i,jk,k->ij", x, MATRIX, x) @ MATRIX
    return l.np.tensordot(table, l.np.outer(x, WEIGHTS), 2) * l.np.where(x > 0.0, x, 0.1 * x)


def stopped(l: Library, x: Array) -> Array:
    return l.lax.stop_gradient(l.np.sin(x)) * x + x * l.np.round(x)


def forward_rule(l: Library, x: Array) -> Array:
    @l.api.custom_jvp
    def f(y: Array, s: Array) -> Array:
        return l.np.sin(y) * s

    @f.defjvp
    def f_jvp(primals: Any, tangents: Any) -> Any:
        (y, s), (dy, ds) = primals, tangents
        out = f(y, s)
        return out, 1.5 * l.np.cos(y) * dy + l.api.jit(lambda t: out * t)(ds)

    return f(x, x[0]) + f(f(x * 0.5, 2.0), x)


def reverse_rule(l: Library, x: Array) -> Array:
    @l.api.custom_vjp
    def f(y: Array, z: dict[str, Array]) -> Array:
        return l.np.sin(y) * z["s"]

    def f_fwd(y: Array, z: dict[str, Array]) -> Any:
        return l.np.sin(y) * z["s"], (l.np.cos(y), y, z["s"])

    def f_bwd(residuals: Any, ct: Array) -> Any:
        c, y, s = residuals
        return ct * c * s * 1.5, {"s": l.np.sum(ct * l.np.sin(y)) + 0.0 * s, "unused": None}

    f.defvjp(f_fwd, f_bwd)
    return f(x, {"s": x[0], "unused": x}) + f(f(x * 0.5, {"s": 2.0, "unused": 1.0}), {"s": x[1], "unused": x})


def checkpointed(l: Library, x: Array) -> Array:
    @l.api.checkpoint
    def block(y: Array, s: Array) -> Array:
        return l.np.tanh(MATRIX @ l.np.sin(y) + x * s)

    saving = l.api.checkpoint(
        lambda y: l.api.jit(lambda z: l.np.sin(MATRIX @ z))(y), policy=l.api.checkpoint_policies.dots_saveable
    )
    return saving(block(block(x, 0.5), x[0]))


def solved(l: Library, x: Array) -> Array:
    matrix = l.np.asarray(MATRIX) * 0.1 + l.np.diag(2.0 + l.np.sin(x))

    def solve(matvec: Callable[[Array], Array], b: Array) -> Array:
        y = b * 0.4
        for _ in range(30):
            y = y + 0.4 * (b - matvec(y))
        return y

    return l.lax.custom_linear_solve(lambda y: matrix @ y, x * 2.0, solve, solve)


def rooted(l: Library, x: Array) -> Array:
    def newton(f: Callable[[Array], Array], y: Array) -> Array:
        return l.lax.fori_loop(0, 30, lambda _, y: y - f(y) / (3.0 * y * y + 1.0), y)

    def tangent_solve(g: Callable[[Array], Array], y: Array) -> Array:
        return y / g(l.np.ones_like(y))

    return l.lax.custom_root(lambda y: y**3 + y - x, x * 0.5, newton, tangent_solve)


FUNCTIONS: dict[str, Callable[[Library, Array], Array]] = {
    f.__name__: f
    for f in (
        sines, layer, normalized, indexed, called, chosen, switched, scanned, looped, linear, constant,
        reduced, ordered, complexed, contracted, stopped,
        forward_rule, reverse_rule, checkpointed, solved, rooted,
    )
}  # fmt: skip


# ---- Wrappers ------------------------------------------------------------------------------------


def jit(l: Library, f: Function) -> Function:
    return l.api.jit(f)


def grad(l: Library, f: Function) -> Function:
    return l.api.grad(lambda x: l.np.sum(f(x) * WEIGHTS))


def value_and_grad(l: Library, f: Function) -> Function:
    both = l.api.value_and_grad(lambda x, s: (l.np.mean(f(x) * s), x * s), has_aux=True)

    def run(x: Array) -> Array:
        (value, aux), gradient = both(x, 1.5)
        return value * gradient + aux

    return run


def jvp(l: Library, f: Function) -> Function:
    return lambda x: l.api.jvp(f, (x,), (l.np.cos(x),))[1]


def vjp(l: Library, f: Function) -> Function:
    def run(x: Array) -> Array:
        out, pullback = l.api.vjp(f, x)
        return pullback(out * 0.5)[0] + pullback(x)[0]

    return run


def linearize(l: Library, f: Function) -> Function:
    def run(x: Array) -> Array:
        out, pushforward = l.api.linearize(f, x)
        return pushforward(out) - pushforward(x * 0.3)

    return run


def jacfwd(l: Library, f: Function) -> Function:
    return lambda x: l.api.jacfwd(f)(x) @ x


def jacrev(l: Library, f: Function) -> Function:
    return lambda x: x @ l.api.jacrev(f)(x)


def vmap(l: Library, f: Function) -> Function:
    return lambda x: l.np.sum(l.api.vmap(f)(l.np.stack([x, x * 0.5])), axis=0)


def vmap_last(l: Library, f: Function) -> Function:
    return lambda x: l.np.sum(l.api.vmap(f, in_axes=-1, out_axes=1)(l.np.stack([x, x[::-1]], axis=1)), axis=1)


def vmap_captured(l: Library, f: Function) -> Function:
    return lambda x: l.np.sum(l.api.vmap(lambda s, y: f(x) * s + y, in_axes=(0, None))(x, x * 0.1), axis=0)


def vmap_named(l: Library, f: Function) -> Function:
    def one(y: Array) -> Array:
        return f(y) * 0.1 + l.lax.psum(f(y) * y, "i") + l.lax.pmean(y, "i") * l.lax.axis_index("i")

    return lambda x: l.np.sum(l.api.vmap(one, axis_name="i")(l.np.stack([x, x * 0.5])), axis=0)


def cond(l: Library, f: Function) -> Function:
    return lambda x: l.lax.cond(x[0] < 0.6, f, lambda y: f(y * 0.5) + x, x)


def scan(l: Library, f: Function) -> Function:
    def run(x: Array) -> Array:
        last, ys = l.lax.scan(lambda c, t: (f(c) * 0.3 + t * x, l.np.sum(c)), x, WEIGHTS)
        return last + ys

    return run


def captured(l: Library, f: Function) -> Function:
    """The inner derivative holds the outer argument fixed."""
    return lambda x: l.api.grad(lambda y: l.np.sum(f(x * y) * x))(x * 0.5)


def pullback_mapped(l: Library, f: Function) -> Function:
    def run(x: Array) -> Array:
        _, pullback = l.api.vjp(f, x)
        (rows,) = l.api.vmap(pullback)(MATRIX)
        return rows.T @ x

    return run


def pullback_scanned(l: Library, f: Function) -> Function:
    def run(x: Array) -> Array:
        _, pullback = l.api.vjp(f, x)
        return l.lax.scan(lambda c, t: (pullback(c * t)[0], None), x, WEIGHTS)[0]

    return run


def pullback_in_cond(l: Library, f: Function) -> Function:
    def run(x: Array) -> Array:
        out, pullback = l.api.vjp(f, x)
        return l.lax.cond(out[0] > 0.1, lambda c: pullback(c)[0], lambda c: pullback(c * 2.0)[0] + c, out)

    return run


def pullbacks_stacked(l: Library, f: Function) -> Function:
    def run(x: Array) -> Array:
        xs = l.np.stack([x, x * 0.5])
        pullbacks = l.api.vmap(lambda y: l.api.vjp(f, y)[1])(xs)
        return l.np.sum(l.api.vmap(lambda p, c: p(c)[0])(pullbacks, xs), axis=0)

    return run


def pullbacks_from_scan(l: Library, f: Function) -> Function:
    def run(x: Array) -> Array:
        xs = l.np.stack([x, x * 0.5])
        pullbacks = l.lax.scan(lambda c, y: (c, l.api.vjp(f, y)[1]), 0.0, xs)[1]
        return l.np.sum(l.api.vmap(lambda p, c: p(c * x)[0])(pullbacks, xs), axis=0)

    return run


def pullback_returned(l: Library, f: Function) -> Function:
    linearized = l.api.jit(lambda x: l.api.vjp(f, x))
    apply = l.api.jit(lambda pullback, c: pullback(c)[0])

    def run(x: Array) -> Array:
        out, pullback = linearized(x)
        return apply(pullback, out) + pullback(x)[0]

    return run


WRAPPERS: dict[str, Callable[[Library, Function], Function]] = {
    w.__name__: w
    for w in (
        jit, grad, value_and_grad, jvp, vjp, linearize, jacfwd, jacrev, vmap, vmap_last, vmap_captured,
        vmap_named, cond, scan, captured, pullback_mapped, pullback_scanned, pullback_in_cond,
        pullbacks_stacked, pullbacks_from_scan, pullback_returned,
    )
}  # fmt: skip
REVERSE = {
    "grad", "value_and_grad", "vjp", "jacrev", "captured", "pullback_mapped", "pullback_scanned",
    "pullback_in_cond", "pullbacks_stacked", "pullbacks_from_scan", "pullback_returned",
}  # fmt: skip
FORWARD = {"jvp", "linearize", "jacfwd"}


def program(l: Library, function: str, wrappers: Sequence[str]) -> Function:
    """A function with wrappers around it, the first innermost."""

    def run(x: Array) -> Array:
        return FUNCTIONS[function](l, l.np.asarray(x))

    f: Function = run
    for name in wrappers:
        f = WRAPPERS[name](l, f)
    return f


LOOPING = {"scan", "pullback_scanned", "pullbacks_from_scan"}


def is_supported(function: str, wrappers: Sequence[str]) -> bool:
    """Whether JAX can tell what is right.

    It has no forward derivative of a reverse rule. And of a forward rule that calls its own function it forgets the
    rule in the second derivative of a loop: the loop's differs from that of the same loop unrolled, which is mycc's.
    """
    first = next((name for name in wrappers if name in REVERSE | FORWARD), None)
    if function == "reverse_rule" and first in FORWARD:
        return False
    derivatives = sum(name in REVERSE | FORWARD for name in wrappers)
    return not (function == "forward_rule" and derivatives > 1 and not LOOPING.isdisjoint(wrappers))
