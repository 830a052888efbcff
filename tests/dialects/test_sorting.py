"""Records of `sort` and `top_k`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from emission import cotangents, names, pulled_back, pushed_forward, tangents
from harness import (
    Case,
    Program,
    check_batch,
    check_forward,
    check_reverse,
    check_transpose,
    check_values,
    pullback_of,
    sampler,
    tangent_of,
    uniform,
)

from mycc.dialects import ops, transform
from mycc.dialects.errors import TransformError
from mycc.dialects.mlir import chlo, ir
from mycc.dialects.types import tensor

Dims = tuple[int, ...]
Value = ir.Value


def sort(shape: Dims, dim: int, direction: str = "LT", dtype: Any = float) -> Case:
    def build(x: Value) -> Value:
        return ops.sort([x], dim, lambda a, b: ops.compare(direction, a, b, np.dtype(dtype).kind != "i"))[0]

    def oracle(x: Any) -> Any:
        up = np.sort(x.astype(float), dim)
        return up if direction == "LT" else np.flip(up, dim)

    return Case(f"sort{shape}{dim}{direction}", build, sampler((shape, dtype)), oracle)


def sort_by_key(shape: Dims, dim: int, keys: Any = float) -> Case:
    """The first operand orders the second; equal integer keys keep their order."""

    def build(k: Value, x: Value) -> Sequence[Value]:
        return ops.sort([k, x], dim, lambda a, b, c, d: ops.compare("LT", a, b))

    def oracle(k: Any, x: Any) -> Any:
        order = np.argsort(k, dim, kind="stable")
        return [np.take_along_axis(a, order, dim) for a in (k, x)]

    return Case(f"keys{shape}{dim}{keys}", build, sampler((shape, keys), (shape, float)), oracle)


def sort_by_sum(shape: Dims, dim: int) -> Case:
    """A comparator that computes with two operands, beside a third."""

    def build(x: Value, y: Value, z: Value) -> Sequence[Value]:
        return ops.sort(
            [x, y, z], dim, lambda a, b, c, d, e, f: ops.compare("GT", ops.add(a, c), ops.add(b, d))
        )

    def oracle(x: Any, y: Any, z: Any) -> Any:
        order = np.argsort(-(x + y), dim, kind="stable")
        return [np.take_along_axis(a, order, dim) for a in (x, y, z)]

    return Case(f"sum{shape}{dim}", build, sampler(*[(shape, float)] * 3), oracle)


def top_k(shape: Dims, k: int) -> Case:
    def build(x: Value) -> Sequence[Value]:
        result = (*shape[:-1], k)
        types = [tensor(result, ops.element_of(x)), tensor(result, ops.I32)]
        return list(chlo.TopKOp(x, k, results=types).operation.results)

    def oracle(x: Any) -> Any:
        order = np.argsort(-x, -1, kind="stable")[..., :k]
        return [np.take_along_axis(x, order, -1), order]

    return Case(f"top_k{shape}{k}", build, sampler((shape, float)), oracle)


CASES = [
    sort((5,), 0),
    sort((2, 4), 1, "GT"),
    sort((3, 2, 2), 0),
    sort((2, 3, 2), 1),
    sort((0, 3), 1),
    sort((3, 1), 1),
    sort_by_key((6,), 0, np.int32),
    sort_by_key((2, 4), 0),
    sort_by_key((2, 4), 1, np.int8),
    sort_by_sum((2, 4), 1),
    top_k((6,), 3),
    top_k((2, 3, 5), 2),
    top_k((2, 4), 4),
]


def test_values() -> None:
    check_values(CASES)


def test_derivatives() -> None:
    check_forward(CASES)
    check_reverse(CASES)
    check_transpose(CASES)


def test_second_derivatives() -> None:
    check_reverse(map(pullback_of, CASES))
    check_reverse(map(tangent_of, CASES[::2]))


def test_batch() -> None:
    check_batch(CASES)
    check_batch([sort((2, 3), 1, dtype=np.dtype(ml_dtypes.bfloat16)), sort((2, 3), 0, dtype=np.int16)])
    check_batch(list(map(pullback_of, CASES[1::3])), most=3)


def test_ties_as_in_jax() -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    x, ct = np.array([2.0, 1.0, 2.0, 1.0, 2.0]), np.arange(1.0, 6.0)
    with jax.enable_x64(True):
        _, pull = jax.vjp(jnp.sort, x)
        _, pull_top = jax.vjp(lambda x: jax.lax.top_k(x, 3)[0], x)
        want, want_top = pull(jnp.asarray(ct))[0], pull_top(jnp.asarray(ct[:3]))[0]
    np.testing.assert_array_equal(cotangents(sort((5,), 0), [x], [ct])[0], want)
    np.testing.assert_array_equal(cotangents(top_k((5,), 3), [x], [ct[:3]])[0], want_top)
    np.testing.assert_array_equal(tangents(sort((5,), 0), [x], [ct])[0], [2, 4, 1, 3, 5])


def transposed(
    case: Case, operands: Sequence[Any], active: tuple[bool, ...], seeds: Sequence[Any]
) -> list[Any]:
    program = Program()
    f = program.function(case, operands)
    with program.main():
        fixed = [program.input(x) for x, flag in zip(operands, active, strict=True) if not flag]
        values = [program.input(x) for x in seeds]
        program.output(transform.transpose(f, active, (True,) * len(f.results), fixed, values))
    return program.run()


def test_a_sort_is_linear_in_what_it_does_not_compare() -> None:
    def build(k: Value, x: Value) -> Value:
        return ops.sort([k, x], 0, lambda a, b, c, d: ops.compare("LT", a, b))[1]

    case = Case("payload", build, sampler(((4,), float), ((4,), float)))
    keys = np.array([3.0, 1.0, 2.0, 0.0])
    (got,) = transposed(case, [keys, keys], (False, True), [np.array([1.0, 2.0, 3.0, 4.0])])
    np.testing.assert_array_equal(got, [4, 2, 3, 1])


@pytest.mark.parametrize("case", [sort((4,), 0), top_k((4,), 2)])
def test_an_order_is_not_linear(case: Case) -> None:
    operands = case.sample(np.random.default_rng(0))
    with pytest.raises(TransformError, match="not linear"):
        transposed(case, operands, (True,), [np.ones(r.shape) for r in case.oracle(*operands)[:1]])


def test_a_comparator_that_captures_a_constant() -> None:
    def build(x: Value) -> Value:
        sign = ops.full(tensor((), ops.element_of(x)), -1)
        return ops.sort([x], 0, lambda a, b: ops.compare("LT", ops.mul(a, sign), ops.mul(b, sign)))[0]

    case = Case("captured", build, sampler(((4,), float)), lambda x: -np.sort(-x))
    check_values([case])
    check_reverse([case])
    check_batch([case])


def test_emission() -> None:
    found = [name for name in names(pulled_back(sort((5,), 0))) if name != "constant"]
    assert found == ["iota", "sort", "compare", "scatter", "add"]
    found = [name for name in names(pushed_forward(sort((5,), 0))) if name != "constant"]
    assert found == ["iota", "sort", "compare", "gather"]


def test_a_long_sort() -> None:
    x = uniform(np.random.default_rng(0), (3, 1000), np.float32)
    (got,) = cotangents(sort((3, 1000), 1), [x], [np.cumsum(np.ones_like(x), 1)])
    np.testing.assert_array_equal(got, np.argsort(np.argsort(x, 1), 1) + 1)


@pytest.mark.exhaustive
def test_every_batch() -> None:
    check_batch(list(map(pullback_of, CASES)))
    check_forward(map(pullback_of, CASES))
