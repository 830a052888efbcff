"""Operations that move elements: values, derivatives, transposes and batching, from the harness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import (
    Build,
    Case,
    Program,
    check_batch,
    check_forward,
    check_reverse,
    check_transpose,
    check_values,
    differentiable,
    pullback_of,
    sampler,
    tangent_of,
)

from mycc.dialects import ops, transform
from mycc.dialects.mlir import ir
from mycc.dialects.rules import shape
from mycc.dialects.types import element_type, tensor

Value = ir.Value


def strided(*slices: slice) -> Callable[[Any], Any]:
    return lambda x: x[slices]


def pad(low: list[int], high: list[int], interior: list[int]) -> Build:
    return lambda x, value: ops.pad(x, value, low, high, interior)


def pad_oracle(low: list[int], high: list[int], interior: list[int]) -> Callable[..., Any]:
    """Padding by its definition: spread the elements, then add or cut at the edges."""

    def oracle(x: Any, value: Any) -> Any:
        for axis, (lo, hi, inner) in enumerate(zip(low, high, interior, strict=True)):
            n = x.shape[axis]
            length = lo + n + max(n - 1, 0) * inner + hi
            moved = np.moveaxis(x, axis, 0)
            out = np.full((length, *moved.shape[1:]), value)
            for i in range(n):
                if 0 <= lo + i * (inner + 1) < length:
                    out[lo + i * (inner + 1)] = moved[i]
            x = np.moveaxis(out, 0, axis)
        return x

    return oracle


PADS: list[tuple[tuple[int, ...], list[int], list[int], list[int]]] = [
    ((2, 3), [1, 0], [0, 2], [0, 0]),
    ((2, 3), [0, 1], [1, 0], [2, 1]),
    ((3, 4), [-1, 1], [1, -2], [0, 0]),
    ((3, 4), [-1, -2], [-1, 2], [1, 2]),
    ((4,), [-3], [-3], [1]),
    ((1, 2), [2, 0], [-1, 0], [3, 0]),
    ((0, 2), [1, 1], [1, 1], [2, 2]),
    ((), [], [], []),
]

SLICES: list[tuple[tuple[int, ...], list[int], list[int], list[int]]] = [
    ((4, 5), [1, 0], [3, 5], [1, 1]),
    ((4, 5), [0, 1], [4, 5], [3, 2]),
    ((7,), [2], [6], [3]),
    ((4, 5), [2, 2], [2, 4], [1, 1]),
    ((), [], [], []),
]

SPREADS: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = [
    ((), (2, 3), ()),
    ((3,), (2, 3), (1,)),
    ((3,), (3, 2), (0,)),
    ((1, 3), (2, 3), (0, 1)),
    ((1, 1), (2, 1), (0, 1)),
    ((3, 2), (2, 4, 3), (2, 0)),
    ((1, 2), (2, 4, 3), (2, 0)),
    ((2, 3), (2, 3), (0, 1)),
    ((3, 3), (3, 3), (1, 0)),
]

JOINS: list[tuple[list[tuple[int, ...]], int]] = [
    ([(2, 3), (1, 3)], 0),
    ([(2, 1), (2, 3), (2, 0)], 1),
]


def cases(dtype: Any) -> list[Case]:
    """Every operation of the file, in one dtype."""
    numbers = np.dtype(dtype).name
    found = [
        *(
            Case(
                f"pad {low} {high} {interior}",
                pad(low, high, interior),
                sampler((size, dtype), ((), dtype)),
                oracle,
            )
            for size, low, high, interior in PADS
            for oracle in [pad_oracle(low, high, interior)]
        ),
        *(
            Case(
                f"slice {starts}:{limits}:{strides}",
                lambda x, a=starts, b=limits, c=strides: ops.slice_(x, a, b, c),
                sampler((size, dtype)),
                strided(*map(slice, starts, limits, strides)),
            )
            for size, starts, limits, strides in SLICES
        ),
        *(
            Case(
                f"broadcast {size} -> {out} by {dims}",
                lambda x, out=out, dims=dims: ops.broadcast_in_dim(x, out, dims),
                sampler((size, dtype)),
                lambda x, out=out, dims=dims: spread_oracle(x, out, dims),
            )
            for size, out, dims in SPREADS
        ),
        *(
            Case(
                f"concatenate {sizes} along {axis}",
                lambda *x, axis=axis: ops.concatenate(x, axis),
                sampler(*((size, dtype) for size in sizes)),
                lambda *x, axis=axis: np.concatenate(x, axis),
            )
            for sizes, axis in JOINS
        ),
        Case(
            "reshape",
            lambda x: ops.reshape(x, (3, 1, 4)),
            sampler(((2, 6), dtype)),
            lambda x: x.reshape(3, 1, 4),
        ),
        Case(
            "reshape to a scalar",
            lambda x: ops.reshape(x, ()),
            sampler(((1, 1), dtype)),
            lambda x: x.reshape(()),
        ),
        Case(
            "transpose",
            lambda x: ops.transpose(x, (2, 0, 1)),
            sampler(((2, 3, 4), dtype)),
            lambda x: x.transpose(2, 0, 1),
        ),
        Case("reverse", lambda x: ops.reverse(x, (1,)), sampler(((2, 3), dtype)), lambda x: x[:, ::-1]),
        Case("reverse of nothing", lambda x: ops.reverse(x, ()), sampler(((2, 3), dtype)), lambda x: x),
        Case(
            "a constant and an iota beside",
            lambda x: ops.mul(ops.add(x, ops.full_like(x, 2)), ops.iota(x.type, 1)),
            sampler(((2, 3), dtype)),
            lambda x: (x + 2) * np.arange(3).astype(x.dtype),
        ),
    ]
    return [Case(f"{case.name} [{numbers}]", case.build, case.sample, case.oracle) for case in found]


def spread_oracle(x: Any, out: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    order = np.argsort(dims)
    moved = np.transpose(x, order)
    size = [1] * len(out)
    for d, n in zip(sorted(dims), moved.shape, strict=True):
        size[d] = n
    return np.broadcast_to(moved.reshape(size), out)


def dimension_size(x: Value) -> Value:
    type_ = tensor((), element_type(np.int32))
    return ir.Operation.create("stablehlo.get_dimension_size", [type_], [x], {"dimension": ops.i64(1)}).result


DOUBLE = cases(np.float64)
ACTIVE = differentiable(DOUBLE + cases(np.complex128))
DISCRETE = [
    *(case for dtype in (np.int32, np.uint8) for case in cases(dtype)),
    Case("get_dimension_size", dimension_size, sampler(((2, 3), np.float64)), lambda x: np.int32(3)),
]


def test_every_shape_operation_has_a_case() -> None:
    program = Program()
    for case in DOUBLE + DISCRETE:
        program.function(case, case.sample(np.random.default_rng(0)))
    text = str(program.module)
    assert [record.name for record in shape.RECORDS if record.name not in text] == []


def test_values() -> None:
    check_values(DOUBLE + cases(np.complex128) + DISCRETE)


def test_forward() -> None:
    check_forward(differentiable(DOUBLE))


def test_reverse() -> None:
    check_reverse(ACTIVE)


def test_transposed_tangents() -> None:
    check_transpose(ACTIVE)


def test_batch() -> None:
    check_batch(DOUBLE + DISCRETE[-1:])


def test_second_order() -> None:
    check_reverse(map(pullback_of, differentiable(DOUBLE)))


def test_pad_by_an_infinite_value_has_an_exact_cotangent() -> None:
    """The cotangent of the padding value sums what is padding, and nothing is subtracted from anything."""
    case = Case("pad", pad([1], [1], [0]), sampler(((2,), np.float64), ((), np.float64)))
    program = Program()
    operands = [np.ones(2), np.asarray(-np.inf), np.asarray([1.0, np.inf, 1e30, 2.0])]
    x, value = program.call(pullback_of(case), operands)
    outputs = program.run()
    np.testing.assert_array_equal(outputs[x], [np.inf, 1e30])
    np.testing.assert_array_equal(outputs[value], 3.0)


def test_transposition_of_a_linear_program() -> None:
    """The transposes serve linear functions too, where no primal value of an active operand exists."""
    linear = [case for case in DOUBLE if not case.name.startswith("a constant")]
    program, expected = Program(), []
    for case in linear:
        rng = np.random.default_rng(1)
        operands = case.sample(rng)
        f = program.function(case, operands)
        flags = (True,) * len(operands)
        cotangent = np.asarray(rng.normal(size=tuple(f.results[0].shape)))
        with program.main():
            back = program.output(transform.transpose(f, flags, (True,), [], [program.input(cotangent)]))
        expected.append((case, operands, cotangent, program.call(case, operands)[0], back))
    outputs = program.run()
    for case, operands, cotangent, result, back in expected:
        right = sum(np.sum(x * outputs[p]) for x, p in zip(operands, back, strict=True))
        np.testing.assert_allclose(
            np.sum(cotangent * outputs[result]), right, rtol=1e-12, atol=1e-12, err_msg=case.name
        )


@pytest.mark.exhaustive
@pytest.mark.parametrize("derive", [pullback_of, tangent_of])
def test_batch_of_derivatives(derive: Callable[[Case], Case]) -> None:
    check_batch(list(map(derive, ACTIVE)), most=4)


@pytest.mark.exhaustive
def test_batch_of_discrete_types() -> None:
    check_batch(DISCRETE)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [np.float16, np.complex64, np.bool_, np.int64])
def test_values_in_other_types(dtype: Any) -> None:
    check_values([case for case in cases(dtype) if not case.name.startswith("a constant")])
