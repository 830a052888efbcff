"""The JAX talk of SciPy 2020 in mycc: arrays, jit, grad, vmap, tracing, and a network with all of them.

python examples/talk.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import mycc
import mycc.numpy as mnp
from mycc import lax, random, tree


def heading(text: str) -> None:
    print(f"\n== {text} ==")


def milliseconds(function: Callable[[], Any], repeats: int = 5) -> float:
    """Best time of a call, after one that compiles."""
    mycc.block_until_ready(function())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        mycc.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def arrays() -> None:
    heading("Arrays: NumPy's names, on whatever device there is")
    x = random.normal(random.key(0), (2000, 2000))
    product = x @ x.T
    print(f"x @ x.T is {product.shape} {product.dtype} on {mycc.devices()[0].platform}")
    same = mnp.allclose(mnp.diag(product), (x**2).sum(axis=1), rtol=1e-4)
    print(f"its diagonal holds the squared lengths of x's rows: {same}")
    print(f"mean {x.mean():.4f}, standard deviation {x.std():.4f}, x[:2, :3] =\n{x[:2, :3]}")


def shrink(x: mycc.Array) -> mycc.Array:
    """Ten passes over memory in NumPy; one in a compiled program."""
    for _ in range(10):
        x -= 0.1 * x
    return x


def compiling() -> None:
    heading("jit: ten steps of x -= 0.1 * x")
    x = mnp.ones((2000, 2000))
    fast = mycc.jit(shrink)
    same = mnp.allclose(shrink(x), 0.9**10) and mnp.allclose(fast(x), 0.9**10)
    print(f"eager and jitted give 0.9**10: {same}")
    eager, jitted = milliseconds(lambda: shrink(x)), milliseconds(lambda: fast(x))
    print(f"eager {eager:.1f} ms, jitted {jitted:.1f} ms: {eager / jitted:.1f} times as fast")
    print(f"the caller's x is as it was: {x[0, 0]}")


def derivatives() -> None:
    heading("grad: d/dx x sin(x) = sin(x) + x cos(x)")

    def f(x: mycc.Array) -> mycc.Array:
        return x * mnp.sin(x)

    x = 1.5
    print(f"grad(f)({x}) = {mycc.grad(f)(x):.6f}, by the formula {mnp.sin(x) + x * mnp.cos(x):.6f}")
    second = mycc.grad(mycc.grad(f))(x)
    print(f"grad(grad(f))({x}) = {second:.6f}, by the formula {2 * mnp.cos(x) - x * mnp.sin(x):.6f}")
    points = mnp.linspace(-3, 3, 7)
    print(f"vmap(grad(f)) at {points}:\n{mycc.vmap(mycc.grad(f))(points)}")


def batching() -> None:
    heading("vmap: a function of one row, on every row")

    def distance(a: mycc.Array, b: mycc.Array) -> mycc.Array:
        return mnp.sqrt(((a - b) ** 2).sum())

    rows = random.normal(random.key(1), (1000, 16))
    center = rows.mean(axis=0)
    distances = mycc.vmap(distance, in_axes=(0, None))(rows, center)
    print(f"distances of {len(rows)} rows from their mean: {distances[:4]} ...")
    pairwise = mycc.vmap(mycc.vmap(distance, (None, 0)), (0, None))(rows[:3], rows[:4])
    print(f"nested, all pairs:\n{pairwise}")


def log2(x: mycc.Array) -> mycc.Array:
    ln_x = lax.log(x)
    ln_2 = lax.log(2.0)
    return ln_x / ln_2


def tracing() -> None:
    heading("Tracing: log2 becomes StableHLO")
    print(mycc.jit(log2).trace(8.0).as_text())
    traced = mycc.jit(mycc.grad(log2)).trace(8.0)
    print(f"its gradient, as traced: an operation on a function\n{traced.as_text()}")
    print(f"and after the passes\n{traced.lower().as_text()}")
    print(f"log2(8) = {log2(8.0)}, its derivative {mycc.grad(log2)(8.0):.6f} = 1 / (8 ln 2)")


Params = list[tuple[mycc.Array, mycc.Array]]


def predict(params: Params, inputs: mycc.Array) -> mycc.Array:
    """A fully connected network."""
    for weights, bias in params:
        outputs = mnp.dot(inputs, weights) + bias
        inputs = mnp.tanh(outputs)
    return outputs


def loss(params: Params, batch: tuple[mycc.Array, mycc.Array]) -> mycc.Array:
    """Mean squared error."""
    inputs, targets = batch
    return mnp.mean((predict(params, inputs) - targets) ** 2)


def network() -> None:
    heading("Everything together: a fully connected tanh network")
    sizes = (8, 32, 32, 1)
    keys = random.split(random.key(2), len(sizes))
    params = [
        (random.normal(key, (n, m)) / mnp.sqrt(n), mnp.zeros(m))
        for key, n, m in zip(keys, sizes[:-1], sizes[1:], strict=False)
    ]
    inputs = random.normal(keys[-1], (128, 8))
    batch = inputs, mnp.sin(inputs.sum(axis=1, keepdims=True))

    gradients = mycc.grad(loss)(params, batch)
    print(f"loss {loss(params, batch):.4f}; gradients of shapes {[g.shape for g, _ in gradients]}")
    per_example = mycc.vmap(mycc.grad(loss), in_axes=(None, 0))(params, batch)
    print(f"one gradient an example, vmap(grad(loss)): {[g.shape for g, _ in per_example]}")
    mean = tree.map(lambda g: g.mean(axis=0), per_example)
    same = tree.map(lambda a, b: mnp.allclose(a, b, atol=1e-5), mean, gradients)
    print(f"their mean is the gradient of the whole batch: {all(tree.leaves(same))}")

    @mycc.jit
    def step(params: Params) -> tuple[Params, mycc.Array]:
        value, gradients = mycc.value_and_grad(loss)(params, batch)
        return tree.map(lambda p, g: p - 0.1 * g, params, gradients), value

    start = time.perf_counter()
    for number in range(1001):
        params, value = step(params)
        if number % 250 == 0:
            print(f"  step {number:4}: loss {value:.4f}")
    print(f"1,001 jitted steps in {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    for section in (arrays, compiling, derivatives, batching, tracing, network):
        section()
