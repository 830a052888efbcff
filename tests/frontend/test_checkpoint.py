"""`checkpoint`: equal derivatives, less memory; what a policy saves is not computed again."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc.ad_checkpoint import checkpoint_name

POLICIES = mycc.checkpoint_policies
LAYERS = 4
W = np.random.RandomState(0).randn(64, 64) * 0.1
X = np.random.RandomState(1).randn(64, 64) * 0.1


def block(w: Any, x: Any) -> Any:
    y = checkpoint_name(mnp.tanh(w @ x), "inner")
    return mnp.sin(mycc.jit(lambda z: z @ z)(y))


def network(layer: Callable[[Any, Any], Any], layers: int = LAYERS) -> Callable[[Any, Any], Any]:
    def loss(w: Any, x: Any) -> Any:
        for _ in range(layers):
            x = layer(w, x)
        return (x**2).sum()

    return loss


def measured(layer: Callable[[Any, Any], Any]) -> tuple[int, int, Any]:
    """Bytes of temporaries, how many dots XLA's program has, and the gradient."""
    compiled = mycc.jit(mycc.grad(network(layer))).lower(W, X).compile()
    return compiled.memory_analysis()["temp"], compiled.as_text().count(" dot("), compiled(W, X)


@pytest.fixture(scope="module")
def plain() -> tuple[int, int, Any]:
    return measured(block)


# Each layer has two products, and four more in its derivative.
CASES = {
    "nothing": (None, 2 * LAYERS, 0.7),
    "nothing_saveable": (POLICIES.nothing_saveable, 2 * LAYERS, 0.7),
    "everything": (POLICIES.everything_saveable, 0, 1.01),
    "dots": (POLICIES.dots_saveable, 0, 1.01),
    "dots_with_no_batch_dims": (POLICIES.dots_with_no_batch_dims_saveable, 0, 1.01),
    "only": (POLICIES.save_only_these_names("inner"), LAYERS, 0.85),
    "only_others": (POLICIES.save_only_these_names("outer"), 2 * LAYERS, 0.7),
    "any_but": (POLICIES.save_any_names_but_these("inner"), 2 * LAYERS, 0.7),
    "any_but_others": (POLICIES.save_any_names_but_these("outer", "more"), LAYERS, 0.85),
    "both": (
        POLICIES.save_from_both_policies(POLICIES.dots_saveable, POLICIES.save_only_these_names("inner")),
        0,
        1.2,
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_policies(name: str, plain: tuple[int, int, Any]) -> None:
    policy, again, share = CASES[name]
    layer = mycc.checkpoint(block, policy=policy)
    memory, dots, gradient = measured(layer)
    assert dots == plain[1] + again
    assert memory <= share * plain[0]
    np.testing.assert_allclose(gradient, plain[2], rtol=1e-10)


def test_dots_with_batch_dimensions_are_told_apart() -> None:
    def layer(x: Any) -> Any:
        return mnp.sin(mnp.einsum("bij,bjk->bik", x, x))

    def dots(policy: Any) -> int:
        layers = mycc.checkpoint(layer, policy=policy)
        lowered = mycc.jit(mycc.grad(lambda x: (layers(layers(x)) ** 2).sum())).lower(np.ones((2, 3, 3)))
        return lowered.as_text().count("stablehlo.dot_general")

    assert dots(POLICIES.dots_with_no_batch_dims_saveable) == dots(None)
    assert dots(POLICIES.dots_saveable) == dots(POLICIES.everything_saveable) == dots(None) - 2


def test_without_the_barrier_the_compiler_merges_both_computations(plain: tuple[int, int, Any]) -> None:
    assert measured(mycc.checkpoint(block, prevent_cse=False))[1] == plain[1]


def test_residuals_are_the_arguments() -> None:
    """A pullback that leaves its trace has its residuals as leaves."""
    x = np.ones((50,))

    def chain(x: Any) -> Any:
        for _ in range(10):
            x = mnp.sin(x) * mnp.exp(x)
        return x

    plain = len(mycc.tree.leaves(mycc.vjp(chain, x)[1]))
    assert len(mycc.tree.leaves(mycc.vjp(mycc.checkpoint(chain), x)[1])) == 1 < plain
    _, pullback = mycc.vjp(mycc.checkpoint(chain), x)
    np.testing.assert_allclose(pullback(x)[0], mycc.vjp(chain, x)[1](x)[0], rtol=1e-10)


TRANSFORMS = {
    "second": lambda f: mycc.grad(lambda w: (mycc.grad(f)(w, X) ** 2).sum()),
    "jvp_of_grad": lambda f: lambda w: mycc.jvp(lambda w: mycc.grad(f)(w, X), (w,), (w,))[1],
    "grad_of_jvp": lambda f: mycc.grad(lambda w: mycc.jvp(lambda x: f(w, x), (X,), (X,))[1]),
    "grad_of_linearize": lambda f: mycc.grad(lambda w: mycc.linearize(lambda x: f(w, x), X)[1](X)),
    "vmap": lambda f: lambda w: mycc.vmap(mycc.grad(f), in_axes=(None, 0))(w, np.stack([X, 2.0 * X])),
    "grad_of_vmap": lambda f: mycc.grad(lambda w: mycc.vmap(f, (None, 0))(w, np.stack([X, 2.0 * X])).sum()),
}


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_derivatives_are_equal(name: str) -> None:
    layer = mycc.checkpoint(block, policy=POLICIES.save_only_these_names("inner"))
    transform = TRANSFORMS[name]
    got, wanted = (mycc.jit(transform(network(f, 2)))(W) for f in (layer, block))
    np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-12)


def test_second_derivatives_compute_again_too() -> None:
    def hvp(layer: Any) -> int:
        run = mycc.jit(mycc.grad(lambda w: (mycc.grad(network(layer))(w, X) * X).sum()))
        return run.lower(W).compile().memory_analysis()["temp"]

    assert hvp(mycc.checkpoint(block)) < 0.8 * hvp(block)


def test_captured_values_are_differentiated() -> None:
    scale = mnp.array(2.0)

    def loss(y: Any, x: Any) -> Any:
        return mycc.checkpoint(lambda z: mnp.sin(z * y) * scale)(x)

    wanted = (2.0 * 3.0 * np.cos(1.5), 2.0 * 0.5 * np.cos(1.5))
    for run in (mycc.grad(loss, argnums=(0, 1)), mycc.jit(mycc.grad(loss, argnums=(0, 1)))):
        np.testing.assert_allclose(run(0.5, 3.0), wanted, rtol=1e-6)


def test_control_flow_custom_rules_and_values_inside() -> None:
    @mycc.custom_jvp
    def f(x: Any) -> Any:
        return mnp.sin(x)

    f.defjvp(lambda p, t: (f(*p), 5.0 * mnp.cos(p[0]) * t[0]))

    def body(x: Any) -> Any:
        return mycc.lax.cond(x > 0.0, lambda y: f(y * x), lambda y: y * 2.0, mycc.checkpoint(mnp.exp)(x))

    for layer in (mycc.checkpoint(body), mycc.checkpoint(body, policy=POLICIES.dots_saveable)):
        np.testing.assert_allclose(mycc.grad(layer)(0.5), mycc.grad(body)(0.5), rtol=1e-6)
        np.testing.assert_allclose(mycc.grad(layer)(-0.5), 2.0 * np.exp(-0.5), rtol=1e-6)
    looking = mycc.checkpoint(lambda x: x * x if x > 0.0 else -x)
    assert mycc.grad(looking)(3.0) == 6.0
    assert mycc.grad(looking)(-3.0) == -1.0


def test_arguments_static_ones_keywords_and_signature() -> None:
    @functools.partial(mycc.checkpoint, static_argnums=(1,))
    def power(x: Any, mode: str, *, n: Any = 2.0) -> Any:
        """Docstring."""
        return {"y": x**n if mode == "power" else x}

    assert mycc.grad(lambda x: power(x, "power", n=3.0)["y"])(2.0) == 12.0
    assert mycc.grad(lambda x: power(x, "other")["y"])(2.0) == 1.0
    assert list(inspect.signature(power).parameters) == ["x", "mode", "n"]
    assert power.__doc__ == "Docstring."
    assert power(2.0, "power") == {"y": 4.0}
    assert mycc.remat is mycc.checkpoint


def test_a_callable_that_is_not_hashable() -> None:
    @dataclasses.dataclass
    class Layer:
        w: Any

        def __call__(self, x: Any) -> Any:
            return mnp.sin(self.w * x)

    got = mycc.grad(lambda w: mycc.checkpoint(Layer(w))(2.0) + mycc.checkpoint(Layer(3.0 * w))(2.0))(0.5)
    np.testing.assert_allclose(got, 2.0 * np.cos(1.0) + 6.0 * np.cos(3.0), rtol=1e-6)


def test_names_pass_through_everything() -> None:
    def f(x: Any) -> Any:
        return mnp.sin(checkpoint_name({"a": x}, "name")["a"])

    np.testing.assert_allclose(f(X), np.sin(X))
    np.testing.assert_allclose(mycc.vmap(mycc.vmap(mycc.grad(f)))(X), np.cos(X))
    assert "checkpoint_name" not in mycc.jit(f).lower(X).as_text()


def test_errors() -> None:
    with pytest.raises(TypeError, match=r"test_checkpoint.py:\d+: checkpoint takes a function, got int"):
        mycc.checkpoint(3)
    with pytest.raises(TypeError, match=r"takes a policy of mycc\.checkpoint_policies, got <function"):
        mycc.checkpoint(block, policy=lambda *args, **kwargs: True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a leaf of type str, which is no array or number; name its position"):
        mycc.grad(lambda x: mycc.checkpoint(lambda x, s: x)(x, "s"))(1.0)
    with pytest.raises(ValueError, match="static_argnums 2, but is called with 1 positional"):
        mycc.grad(mycc.checkpoint(lambda x: x, static_argnums=2))(1.0)
    with pytest.raises(ValueError, match="strings without commas, got 'a,b'"):
        POLICIES.save_only_these_names("a,b")
