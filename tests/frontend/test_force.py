"""Eager derivatives: programs compiled once per structure, values computed on request."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.stages import observe

X = np.array([0.7, -0.4, 1.3])


class Compilations:
    """Counts what is compiled while it is active, array functions apart."""

    def __enter__(self) -> Compilations:
        self.found: list[Any] = []
        self.observing = observe(self.found.append)
        self.observing.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.observing.__exit__(*error)

    def __len__(self) -> int:
        return len(self.found)


def test_a_training_loop_compiles_once() -> None:
    w, rate = mnp.zeros(3), 0.1
    reference = np.zeros(3)
    with Compilations() as compiled:
        for step in range(6):
            scale = 1.0 + 0.5 * step
            batch = X * step
            value, gradient = mycc.value_and_grad(lambda w, s=scale, b=batch: mnp.sum((w * s - b) ** 2))(w)
            np.testing.assert_allclose(float(value), np.sum((reference * scale - batch) ** 2), rtol=1e-5)
            rate *= 0.9
            w = w - rate * gradient
            reference = reference - rate * 2 * scale * (reference * scale - batch)
    np.testing.assert_allclose(np.asarray(w), reference, rtol=1e-5)
    assert len(compiled) == 1


@pytest.mark.parametrize(
    "numbers",
    [
        [0.5, 0.25, -1.0],
        [np.float32(0.5), np.float32(0.25)],
        [np.float64(0.5), np.float64(0.25)],
        [np.array(0.5), np.array(0.25)],
        [X * 1, X + 1, X * 2],
        [mnp.array(X), mnp.array(X) * 2],
        [np.int32(3), np.int32(4)],
    ],
)
def test_what_changes_compiles_nothing(numbers: list[Any]) -> None:
    with Compilations() as compiled:
        for c in numbers:
            gradient = mycc.grad(lambda x, c=c: mnp.sum(mnp.sin(x) * c))(X)
            np.testing.assert_allclose(np.asarray(gradient), np.cos(X) * np.asarray(c), rtol=1e-6)
            moved = mycc.vmap(lambda x, s: x * s, in_axes=(0, None))(X, c)
            np.testing.assert_allclose(np.asarray(moved), np.multiply.outer(X, np.asarray(c)), rtol=1e-6)
            index = np.array([0, int(np.sum(c)) % 3])
            np.testing.assert_allclose(np.asarray(mycc.jvp(lambda x, i=index: x[i], (X,), (X,))[1]), X[index])
    assert len(compiled) <= 3


def test_other_structures_compile() -> None:
    f = lambda x: mnp.sum(x * 2.0)  # noqa: E731
    with Compilations() as compiled:
        for x in (X, X[:2], X.astype(np.float32), 1.0, np.ones((1, 3))):
            mycc.grad(f)(x)
    assert len(compiled) == 5


def test_each_branch_that_is_taken_compiles_once() -> None:
    def f(x: Any) -> Any:
        return x * x if x > 0 else -x

    with Compilations() as compiled:
        for x in (1.0, 2.0, -1.0, -2.0, 3.0):
            np.testing.assert_allclose(float(mycc.grad(f)(x)), 2 * x if x > 0 else -1.0)
    # The number as an array, the condition, and one gradient for each branch.
    assert len(compiled) <= 4


def test_a_value_of_many_parameters_is_one_program() -> None:
    parameters = {f"w{i}": mnp.ones(2) * i for i in range(20)}

    def loss(p: Any) -> Any:
        total = sum(mnp.sum(w**2) for w in p.values())
        assert float(total) == sum(2.0 * i**2 for i in range(20))
        return total

    with Compilations() as compiled:
        gradient = mycc.grad(loss)(parameters)
    np.testing.assert_allclose(np.asarray(gradient["w7"]), [14, 14])
    assert len(compiled) == 2


def test_a_value_asked_for_twice_is_computed_once() -> None:
    runs = []

    def f(x: Any) -> Any:
        y = mnp.sin(x)
        with Compilations() as compiled:
            values = [float(y), float(y), y.item()]
        runs.append(len(compiled))
        assert values == pytest.approx([np.sin(0.7)] * 3)
        return y

    mycc.grad(f)(np.float32(0.7))
    assert runs == [1]


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: mycc.grad(f)(2.0),
        lambda f: mycc.jvp(f, (2.0,), (1.0,))[1],
        lambda f: mycc.vjp(f, 2.0)[1](1.0)[0],
        lambda f: mycc.linearize(f, 2.0)[1](1.0),
        lambda f: mycc.jacfwd(f)(2.0),
        lambda f: mycc.jacrev(f)(2.0),
        lambda f: mycc.grad(lambda x: mycc.jvp(f, (x,), (x * 0 + 1.0,))[0])(2.0),
        lambda f: mycc.grad(lambda x: mycc.value_and_grad(f)(x)[0])(2.0),
        lambda f: mycc.grad(lambda x: lax.stop_gradient(f(x)) * 0.0 + f(x))(2.0),
    ],
)
def test_values_under_every_derivative(transform: Any) -> None:
    def f(x: Any) -> Any:
        steps = 0
        while x < 50.0:
            x = x * x
            steps += 1
        assert steps == 3
        return x

    np.testing.assert_allclose(float(transform(f)), 8 * 2.0**7)


def test_values_of_captured_arrays_and_of_outer_arguments() -> None:
    w = mnp.array([1.0, 2.0])

    def f(x: Any) -> Any:
        def inner(y: Any) -> Any:
            assert float(x) == 3.0
            assert float(w[1] * x * y) == 12.0
            return mnp.sum(w * x * y) if w[0] > 0 else y

        return mycc.grad(inner)(2.0)

    np.testing.assert_allclose(float(mycc.grad(f)(3.0)), 3.0)


def test_a_large_numpy_array_that_changes_while_it_is_used() -> None:
    for size in (3, 3000):
        buffer = np.ones(size)

        def f(x: Any, buffer: np.ndarray = buffer) -> Any:
            buffer[0] = 1.0
            first = mnp.sum(x * buffer)
            buffer[0] = 2.0
            return first + mnp.sum(x * buffer)

        for gradient in (mycc.grad(f), mycc.jit(mycc.grad(f))):
            assert float(gradient(np.zeros(size))[0]) == 3.0


def test_programs_are_kept_by_structure_not_by_function() -> None:
    def make(scale: float) -> Any:
        return lambda x: mnp.sum(x * scale)

    gradient = lambda s: mycc.grad(make(s))(X)  # noqa: E731
    with Compilations() as compiled:
        for s in (1.0, 2.0, 3.0):
            np.testing.assert_allclose(np.asarray(gradient(s)), np.full(3, s))
    assert len(compiled) == 1


def test_numpy_scalars_in_array_functions() -> None:
    x = mnp.array(X)
    for scalar in (np.float64(2.0), np.float32(2.0), np.complex128(2.0), np.int64(2), np.bool_(True), 2.0, 2):
        for _ in range(3):
            np.testing.assert_allclose(np.asarray(x + scalar), X + scalar)
            np.testing.assert_allclose(np.asarray(mnp.multiply(scalar, x)), X * scalar)
            np.testing.assert_allclose(np.asarray(mnp.sum(x, initial=scalar)), np.sum(X) + scalar)
    assert (x + np.float64(3.0)).tolist() == (X + 3.0).tolist()
