"""The record of `reduce`: kinds of bodies, initial values, ties, zeros, selecting bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from emission import cotangents, names, pulled_back, tangents
from harness import (
    Case,
    check_batch,
    check_forward,
    check_reverse,
    check_transpose,
    check_values,
    differentiable,
    pullback_of,
    sampler,
    tangent_of,
    uniform,
)

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, tensor

Dims = tuple[int, ...]
Value = ir.Value
BF16 = np.dtype(ml_dtypes.bfloat16)

BODIES: dict[str, Callable[[Any, Any], Any]] = {
    "add": ops.add,
    "mul": ops.mul,
    "max": ops.max_,
    "min": ops.min_,
    "and": ops.and_,
    "or": ops.or_,
    "xor": ops.xor,
}
NUMPY = {
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
IDENTITY = {"add": 0, "mul": 1, "max": -np.inf, "min": np.inf, "and": True, "or": False, "xor": False}


def scalar(x: Value, number: Any) -> Value:
    return ops.full(tensor((), ops.element_of(x)), number)


def fold(
    kind: str, shape: Dims, dims: Dims, dtype: Any = float, initial: Any = None, turned: bool = False
) -> Case:
    """A reduction from a constant, by default the identity."""
    start = IDENTITY[kind] if initial is None else initial
    body = BODIES[kind]

    def build(x: Value) -> Value:
        return ops.reduce(x, scalar(x, start), dims, lambda a, b: body(b, a) if turned else body(a, b))

    def oracle(x: Any) -> Any:
        return NUMPY[kind].reduce(x, dims, initial=start)

    name = f"{kind}{shape}{dims}{np.dtype(dtype)}{initial}{turned}"
    return Case(name, build, sampler((shape, dtype)), oracle)


def fold_from(kind: str, shape: Dims, dims: Dims, dtype: Any = float) -> Case:
    """A reduction from an operand."""
    body = BODIES[kind]

    def build(x: Value, start: Value) -> Value:
        return ops.reduce(x, start, dims, body)

    def oracle(x: Any, start: Any) -> Any:
        return NUMPY[kind].reduce(x, dims, initial=start)

    return Case(f"{kind}-from{shape}{dims}", build, sampler((shape, dtype), ((), dtype)), oracle)


# XLA drops an initial value that is not the identity where nothing or one element is folded.
SHAPES: list[tuple[Dims, Dims]] = [
    ((5,), (0,)),
    ((2, 3), (0,)),
    ((2, 3, 2), (0, 2)),
    ((3, 2), (0, 1)),
    ((2, 3), ()),
]

CASES = [
    *(fold(kind, shape, dims) for kind in ("add", "mul", "max", "min") for shape, dims in SHAPES),
    *(fold_from(kind, shape, dims) for kind in ("add", "mul", "max", "min") for shape, dims in SHAPES[:-1]),
    *(fold(kind, (3, 2), (0,), initial=0.5) for kind in ("mul", "max", "min")),
    *(fold(kind, (4, 2), (0,), turned=True) for kind in ("add", "mul", "max")),
    fold("add", (2, 3), (1,), complex),
    fold("mul", (7, 2), (0,), complex),
    fold("mul", (8,), (0,)),
    fold("mul", (1, 3), (0,)),
    *(fold(kind, (0, 3), (0,), initial=0.5) for kind in ("add", "mul", "max")),
    *(fold_from(kind, (0, 3), (0,)) for kind in ("add", "mul", "max")),
]

DISCRETE = [
    *(
        fold(kind, (2, 3), (0,), np.int32, initial=-5)
        for kind in ("add", "mul", "max", "min", "and", "or", "xor")
    ),
    *(fold(kind, (2, 3), (1,), bool) for kind in ("and", "or", "xor")),
    *(fold_from(kind, (2, 3), (1,), np.int16) for kind in ("add", "mul", "max", "min", "and", "or", "xor")),
    *(fold_from(kind, (2, 3), (1,), np.uint8) for kind in ("max", "min", "and")),
    *(fold_from(kind, (2, 3), (1,), bool) for kind in ("and", "or", "max", "min")),
]


# ---- Several operands ----------------------------------------------------------------------------


def argmax_body(x: Value, i: Value, y: Value, j: Value) -> list[Value]:
    """The body that JAX lowers argmax to: NaN wins, the first of equal ones wins."""
    better = ops.or_(ops.compare("GT", x, y), ops.compare("NE", x, x))
    first = ops.or_(better, ops.and_(ops.compare("EQ", x, y), ops.compare("LT", i, j)))
    return [ops.select(better, x, y), ops.select(first, i, j)]


def argmax(shape: Dims, dim: int) -> Case:
    def build(x: Value) -> Sequence[Value]:
        i32 = element_type("int32")
        # As after batching: the positions lack a dimension.
        positions = ops.broadcast_in_dim(ops.iota(tensor(shape[dim:], i32), 0), shape, range(dim, len(shape)))
        starts = [scalar(x, -np.inf), ops.full(tensor((), i32), 0)]
        return ops.reduce_many([x, positions], starts, [dim], argmax_body)

    return Case(f"argmax{shape}{dim}", build, sampler((shape, float)), lambda x: [x.max(dim), x.argmax(dim)])


def largest_magnitude(shape: Dims, dims: Dims, key_first: bool) -> Case:
    """The element of greatest magnitude, with a payload, from operands: the initial value may win."""

    def body(x: Value, p: Value, y: Value, q: Value) -> list[Value]:
        keeps = ops.compare("GE", ops.abs_(x), ops.abs_(y))
        if key_first:
            return [ops.select(keeps, x, y), ops.select(keeps, p, q)]
        other = ops.compare("LT", ops.abs_(x), ops.abs_(y))
        return [ops.select(other, y, x), ops.select(keeps, p, q)]

    def build(x: Value, p: Value, x0: Value, p0: Value) -> Sequence[Value]:
        return ops.reduce_many([x, p], [x0, p0], dims, body)

    def oracle(x: Any, p: Any, x0: Any, p0: Any) -> Any:
        rows = [d for d in range(x.ndim) if d not in dims]
        order = [*rows, *dims]
        kept = [x.shape[d] for d in rows]
        flat, load = (np.transpose(a, order).reshape(*kept, -1) for a in (x, p))
        flat = np.concatenate([np.broadcast_to(x0, [*kept, 1]), flat], -1)
        load = np.concatenate([np.broadcast_to(p0, [*kept, 1]), load], -1)
        best = np.abs(flat).argmax(-1)[..., None]
        return [np.take_along_axis(a, best, -1)[..., 0] for a in (flat, load)]

    spec = sampler((shape, float), (shape, float), ((), float), ((), float, 1.0, 2.0))
    # No batched initial values: there is no identity to start from.
    return Case(f"magnitude{shape}{dims}{key_first}", build, spec, oracle, batched=(True, True, False, False))


def moments(shape: Dims, dims: Dims) -> Case:
    """A sum and a maximum side by side."""

    def build(x: Value, y: Value, y0: Value) -> Sequence[Value]:
        return ops.reduce_many(
            [x, y], [scalar(x, 0), y0], dims, lambda a, b, c, d: [ops.add(a, c), ops.max_(d, b)]
        )

    def oracle(x: Any, y: Any, y0: Any) -> Any:
        return [x.sum(dims), y.max(dims, initial=y0)]

    return Case(f"moments{shape}{dims}", build, sampler((shape, float), (shape, float), ((), float)), oracle)


VARIADIC = [
    argmax((5,), 0),
    argmax((2, 3, 2), 1),
    largest_magnitude((4,), (0,), True),
    largest_magnitude((2, 3), (1,), False),
    largest_magnitude((2, 3, 2), (0, 2), True),
    moments((2, 3), (1,)),
    moments((3, 2), (0, 1)),
]


def test_values() -> None:
    check_values([*CASES, *VARIADIC, *DISCRETE])


def test_derivatives() -> None:
    cases = differentiable([*CASES, *VARIADIC])
    check_forward(cases)
    check_reverse(cases)
    check_transpose(cases)


def test_one_of_two_operands_is_active() -> None:
    cases = [
        replace(case, name=f"{case.name}{active}", active=active)
        for case in (fold_from(kind, (2, 3), (1,)) for kind in ("add", "mul", "max"))
        for active in ((True, False), (False, True))
    ]
    check_forward(cases)
    check_reverse(cases)


def test_second_derivatives() -> None:
    cases = [case for case in differentiable([*CASES, *VARIADIC]) if "(0, 3)" not in case.name]
    check_reverse(map(pullback_of, cases))
    check_reverse(map(tangent_of, cases[::3]))
    check_forward(map(pullback_of, [case for case in cases if "mul" in case.name]))


def test_batch() -> None:
    check_batch([*CASES[::2], *VARIADIC, *DISCRETE])
    check_batch(list(map(pullback_of, [*CASES[::6], *VARIADIC[::2]])), most=3)


# ---- Conventions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2])
def test_product_with_zeros(count: int) -> None:
    x = np.array([[2.0, 3.0, 5.0, 7.0, 11.0]])
    x[0, :count] = 0
    expected = [[np.prod(np.delete(x, i)) for i in range(5)]]
    case = fold("mul", (1, 5), (1,))
    np.testing.assert_array_equal(cotangents(case, [x], [np.ones(1)])[0], expected)
    np.testing.assert_array_equal(tangents(case, [x], [x + 1])[0], [np.sum(np.array(expected) * (x + 1))])
    # The second derivative is exact as well: products of all but two.
    pull = pullback_of(case)
    direction = np.array([[1.0, -1.0, 2.0, 0.5, 1.0]])
    hessian = np.array([[0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(5)] for i in range(5)])
    got = tangents(pull, [x, np.ones(1)], [direction, np.zeros(1)])[0]
    np.testing.assert_allclose(got, (hessian @ direction[0])[None])


@pytest.mark.parametrize("kind", ["max", "min"])
def test_ties_split_evenly(kind: str) -> None:
    x = np.array([[1.0, 3.0, 3.0, 1.0], [2.0, 2.0, 2.0, 2.0], [-np.inf] * 4, [np.inf] * 4])
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    reduce = {"max": jnp.max, "min": jnp.min}[kind]
    with jax.enable_x64(True):
        want = jax.grad(lambda a: (reduce(a, 1) * jnp.arange(1.0, 5.0)).sum())(x)
    got = cotangents(fold(kind, (4, 4), (1,)), [x], [np.arange(1.0, 5.0)])
    np.testing.assert_array_equal(got[0], want)


def test_initial_value_takes_its_share_of_a_tie() -> None:
    x, start = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [-1.0, -1.0, -1.0]]), np.zeros(())
    left, right = cotangents(fold_from("max", (3, 3), (1,)), [x, start], [np.array([6.0, 6.0, 6.0])])
    np.testing.assert_array_equal(left, [[2, 0, 2], [6, 0, 0], [0, 0, 0]])
    assert right == 8
    constant = cotangents(fold("max", (3, 3), (1,), initial=0.0), [x], [np.array([6.0, 6.0, 6.0])])
    np.testing.assert_array_equal(constant[0], left)


def test_infinite_cotangents_stay_where_they_belong() -> None:
    got = cotangents(fold("max", (3,), (0,)), [np.array([1.0, 2.0, 0.0])], [np.array(np.inf)])
    np.testing.assert_array_equal(got[0], [0, np.inf, 0])


def test_argmax_ties_go_to_the_first() -> None:
    got = cotangents(argmax((5,), 0), [np.array([1.0, 3.0, 2.0, 3.0, 3.0])], [np.array(2.0)])
    np.testing.assert_array_equal(got[0], [0, 2, 0, 0, 0])


def test_low_precision() -> None:
    rng = np.random.default_rng(0)
    for kind in ("add", "mul", "max"):
        x = uniform(rng, (3, 4), BF16, 0.5, 2.0)
        ct = uniform(rng, (3,), BF16)
        (got,) = cotangents(fold(kind, (3, 4), (1,), BF16), [x], [ct])
        (want,) = cotangents(fold(kind, (3, 4), (1,)), [x.astype(float)], [ct.astype(float)])
        assert got.dtype == BF16
        np.testing.assert_allclose(got.astype(float), want, rtol=3e-2)


def test_argmax_needs_no_second_reduction() -> None:
    assert names(pulled_back(argmax((2, 3), 1))).count("reduce") == 1
    assert names(pulled_back(argmax((2, 3), 1))).count("select") == 3


def test_a_body_that_captures_a_constant() -> None:
    def build(x: Value, y: Value) -> Sequence[Value]:
        limit = scalar(x, 0.5)

        def body(a: Value, b: Value, c: Value, d: Value) -> list[Value]:
            keeps = ops.compare("GE", ops.mul(a, limit), ops.mul(c, limit))
            return [ops.select(keeps, a, c), ops.select(keeps, b, d)]

        return ops.reduce_many([x, y], [scalar(x, -np.inf), scalar(y, 0)], [1], body)

    case = Case("captured", build, sampler(((2, 3), float), ((2, 3), float)))
    check_reverse([case])
    check_batch([case])


def test_emission() -> None:
    assert names(pulled_back(fold("add", (3, 4), (1,)))) == ["broadcast_in_dim"]
    assert "while" not in names(pulled_back(fold("mul", (8,), (0,))))
    assert names(pulled_back(fold("mul", (2,), (0,)))).count("multiply") == 1


@pytest.mark.exhaustive
def test_every_batch() -> None:
    check_batch([*CASES, *VARIADIC])
    check_batch(list(map(pullback_of, differentiable([*CASES, *VARIADIC]))))


@pytest.mark.exhaustive
@pytest.mark.parametrize("size", [*range(2, 20), 1000])
def test_product_of_any_length(size: int) -> None:
    case = fold("mul", (size,), (0,))
    check_reverse([case, pullback_of(case)])
    check_forward([case, pullback_of(case)])
