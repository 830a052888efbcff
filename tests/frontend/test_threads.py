"""Threads that trace, transform, compile and run at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mycc
import mycc.numpy as mnp
from mycc import lax
from mycc.dialects.errors import ConcretizationError

X = np.arange(5.0)


def together(work: Callable[[int], None], count: int = 8) -> None:
    """Run ``work(k)`` in threads that start at once; their errors are raised here."""
    barrier, errors = threading.Barrier(count), []

    def run(k: int) -> None:
        try:
            barrier.wait()
            work(k)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_programs_of_their_own() -> None:
    def work(k: int) -> None:
        for i in range(4):
            c = float(10 * k + i)
            f = mycc.jit(lambda x, c=c: mycc.vmap(mycc.grad(lambda y: mnp.sin(y) * c))(x))
            np.testing.assert_allclose(np.asarray(f(X)), np.cos(X) * c)
            gradient = mycc.grad(lambda x, c=c: mnp.sum(x * x) * c if x[0] >= 0 else x[0])(X)
            np.testing.assert_allclose(np.asarray(gradient), 2 * c * X)
            last, _ = lax.scan(lambda s, t, c=c: (s + t * c, s), 0.0, X)
            np.testing.assert_allclose(float(last), c * X.sum())

    together(work)


def test_one_function_is_compiled_once() -> None:
    traces = []

    @mycc.jit
    def f(x: Any) -> Any:
        traces.append(threading.get_ident())
        return mycc.grad(lambda y: mnp.sum(mnp.tanh(y) ** 2))(x)

    wanted = 2 * np.tanh(X) * (1 - np.tanh(X) ** 2)
    together(lambda k: np.testing.assert_allclose(np.asarray(f(X)), wanted))
    assert len(traces) == 1


def test_nested_functions_of_several_threads() -> None:
    block = mycc.jit(lambda x, w: mnp.tanh(x * w))

    def work(k: int) -> None:
        @mycc.jit
        def network(x: Any) -> Any:
            for i in range(3):
                x = block(x, float(k + i))
            return x

        wanted = X
        for i in range(3):
            wanted = np.tanh(wanted * (k + i))
        np.testing.assert_allclose(np.asarray(network(X)), wanted, rtol=1e-6)

    together(work)


def test_a_trace_belongs_to_its_thread() -> None:
    """Another thread may run array functions, and compile, while one traces."""
    outcomes: list[Any] = []

    def f(x: Any) -> Any:
        def elsewhere() -> None:
            outcomes.append(float(mnp.sum(mnp.array(X) * 2.0)))
            outcomes.append(float(mycc.jit(lambda y: y + 1.0)(1.0)))
            outcomes.append(float(mycc.grad(lambda y: y * y)(3.0)))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return x * 2.0

    np.testing.assert_allclose(np.asarray(mycc.jit(f)(X)), 2 * X)
    assert outcomes == [20.0, 2.0, 6.0]


def test_errors_stay_in_their_thread() -> None:
    def work(k: int) -> None:
        for _ in range(3):
            if k % 2:
                with pytest.raises(ConcretizationError, match=r"test_threads\.py"):
                    mycc.jit(lambda x: mycc.vmap(lambda y: y if y > 0 else 0)(x))(X)
            else:
                np.testing.assert_allclose(
                    np.asarray(mycc.jit(lambda x: mycc.vmap(mnp.sin)(x))(X)), np.sin(X)
                )

    together(work)
