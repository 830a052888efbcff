"""The record of convolutions, checked through the passes against loops of NumPy, differences and batches."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from emission import names, pulled_back
from harness import (
    Case,
    check_batch,
    check_forward,
    check_precision,
    check_reverse,
    check_transpose,
    check_values,
    pullback_of,
    sampler,
    tangent_of,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mycc.dialects.mlir import ir
from mycc.dialects.rules.convolution import Convolution
from mycc.dialects.types import element_type

Dims = tuple[int, ...]


def dilate(x: Any, steps: Dims) -> Any:
    out = np.zeros([0 if n == 0 else (n - 1) * s + 1 for n, s in zip(x.shape, steps, strict=True)], x.dtype)
    out[tuple(slice(None, None, s) for s in steps)] = x
    return out


def padded(x: Any, padding: Any) -> Any:
    x = np.pad(x, [(max(a, 0), max(b, 0)) for a, b in padding])
    return x[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, padding, strict=True))]


def convolved(conv: Convolution, x: Any, y: Any) -> Any:
    """The specification, element by element: batch and features in front, holes filled with zeros."""
    wide = np.complex128 if x.dtype.kind == "c" else np.float64
    x, y = x.transpose(conv.lhs).astype(wide), y.transpose(conv.rhs).astype(wide)
    turned = [2 + i for i, flag in enumerate(conv.reversal) if flag]
    y = dilate(np.flip(y, turned) if turned else y, (1, 1, *conv.rhs_dilation))
    x = padded(dilate(x, (1, 1, *conv.lhs_dilation)), [(0, 0), (0, 0), *conv.padding])
    batch, features = x.shape[0] // conv.batch_groups, y.shape[1]
    counts = [
        max(0, (n - k) // s + 1) for n, k, s in zip(x.shape[2:], y.shape[2:], conv.strides, strict=True)
    ]
    out = np.zeros((batch, features, *counts), wide)
    inputs = y.shape[0]
    for b, o, *at in np.ndindex(*out.shape):
        rows, columns = b, 0
        if conv.batch_groups > 1:
            rows = b + o // (features // conv.batch_groups) * batch
        if conv.feature_groups > 1:
            columns = o // (features // conv.feature_groups) * inputs
        window = tuple(slice(p * s, p * s + k) for p, s, k in zip(at, conv.strides, y.shape[2:], strict=True))
        out[(b, o, *at)] = np.sum(x[(rows, slice(columns, columns + inputs), *window)] * y[:, o])
    return out.transpose(np.argsort(conv.out))


def conv_case(
    name: str,
    x: Dims,
    y: Dims,
    dtype: Any = float,
    element: Any = None,
    tolerance: float = 1e-8,
    **options: Any,
) -> Case:
    rank = len(x) - 2
    filled: dict[str, Any] = {
        "lhs": tuple(range(rank + 2)),
        "rhs": (1, 0, *range(2, rank + 2)),
        "out": tuple(range(rank + 2)),
        "strides": (1,) * rank,
        "padding": ((0, 0),) * rank,
        "lhs_dilation": (1,) * rank,
        "rhs_dilation": (1,) * rank,
        "reversal": (False,) * rank,
        "feature_groups": 1,
        "batch_groups": 1,
        "element": element_type(dtype if element is None else element),
    } | options
    conv = Convolution(**filled)

    def build(a: ir.Value, b: ir.Value) -> ir.Value:
        # Where the result's element type is not asked for, it is that of the operands, at any precision.
        own = conv if element is not None else replace(conv, element=a.type.element_type)
        value = own.build(a, b)
        assert Convolution.of(value.owner) == own
        return value

    return Case(
        name, build, sampler((x, dtype), (y, dtype)), lambda a, b: convolved(conv, a, b), rtol=tolerance, atol=tolerance
    )  # fmt: skip


NHWC = {"lhs": (0, 3, 1, 2), "rhs": (2, 3, 0, 1), "out": (0, 3, 1, 2)}
ALL = {
    "strides": (2, 1),
    "padding": ((2, 1), (-1, 2)),
    "lhs_dilation": (1, 2),
    "rhs_dilation": (2, 1),
    "reversal": (True, False),
}

CASES = [
    conv_case("plain", (2, 3, 4, 5), (2, 3, 2, 3)),
    conv_case("point", (2, 3), (2, 3)),
    conv_case("vector", (2, 2, 6), (3, 2, 3), strides=(2,), padding=((1, 1),)),
    conv_case("nhwc", (2, 4, 5, 3), (2, 3, 3, 2), **NHWC, strides=(2, 2), padding=((1, 0), (1, 1))),
    conv_case("crossed", (4, 2, 3, 5), (2, 2, 3, 2), lhs=(1, 2, 3, 0), rhs=(2, 0, 3, 1), out=(3, 0, 2, 1)),
    conv_case("everything", (2, 2, 5, 4), (3, 2, 2, 2), **ALL),
    conv_case("rest-unused", (1, 1, 7), (1, 1, 2), strides=(3,)),
    conv_case("cut", (1, 2, 6), (2, 2, 2), padding=((-1, -2),), lhs_dilation=(2,)),
    conv_case("features", (2, 4, 5), (6, 2, 2), feature_groups=2, padding=((1, 0),)),
    conv_case("depthwise", (1, 4, 4, 3), (2, 2, 1, 6), **NHWC, feature_groups=3),
    conv_case("features-crossed", (5, 4, 2), (2, 6, 2), lhs=(2, 1, 0), rhs=(0, 1, 2), out=(1, 0, 2), feature_groups=2),
    conv_case("batches", (4, 3, 5), (4, 3, 2), batch_groups=2, strides=(2,)),
    conv_case("batches-crossed", (3, 5, 4), (2, 3, 6), lhs=(2, 0, 1), rhs=(1, 2, 0), out=(2, 1, 0), batch_groups=2),
    conv_case("batches-and-all", (4, 2, 5, 4), (2, 2, 2, 2), **ALL, batch_groups=2),
    conv_case("features-and-all", (2, 4, 5, 4), (2, 2, 2, 2), **ALL, feature_groups=2),
    conv_case("complex", (2, 2, 5), (2, 2, 2), complex, padding=((1, 0),), strides=(2,)),
    conv_case("complex-groups", (2, 2, 4), (4, 1, 2), complex, feature_groups=2, reversal=(True,)),
    conv_case("no-batch", (0, 2, 4), (2, 2, 2)),
    conv_case("no-features", (2, 0, 4), (2, 0, 2)),
    conv_case("no-windows", (2, 1, 1), (2, 1, 3)),
]  # fmt: skip


def test_values() -> None:
    check_values(CASES)


def test_derivatives() -> None:
    check_forward(CASES)
    check_reverse(CASES)
    check_transpose(CASES)


def test_second_derivatives() -> None:
    check_reverse(map(pullback_of, CASES))
    check_reverse(map(tangent_of, CASES[::3]))


def test_batch() -> None:
    check_batch(CASES)
    check_batch(list(map(pullback_of, CASES))[::4], most=3)


NARROW = [
    conv_case("f32", (2, 2, 5), (3, 2, 2), np.float32, tolerance=1e-5),
    conv_case("bf16", (2, 2, 5), (3, 2, 2), ml_dtypes.bfloat16, tolerance=4e-2),
    conv_case("f16", (2, 2, 5), (3, 2, 2), np.float16, tolerance=4e-3),
    conv_case("c64", (2, 2, 5), (3, 2, 2), np.complex64, tolerance=1e-5),
]


def test_element_types() -> None:
    check_values(NARROW)
    check_precision(NARROW)
    check_batch(NARROW[1:3])


MIXED = [
    conv_case("bf16-to-f32", (2, 2, 5), (3, 2, 2), ml_dtypes.bfloat16, np.float32, 1e-2),
    conv_case("f16-to-f32", (2, 4, 5), (4, 2, 2), np.float16, np.float32, 4e-3, feature_groups=2),
    conv_case("f32-to-f64", (4, 2, 5), (4, 2, 2), np.float32, np.float64, 1e-5, batch_groups=2),
    conv_case("i8-to-i32", (2, 2, 5), (3, 2, 2), np.int8, np.int32),
]


def test_other_result_types() -> None:
    check_values(MIXED)
    check_batch(MIXED)
    check_batch(list(map(pullback_of, MIXED[:3])), most=2)


@pytest.mark.parametrize("name", ["plain", "nhwc"])
def test_derivatives_are_convolutions(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    assert sorted(names(pulled_back(case))) == ["convolution", "convolution", "reverse"]


@st.composite
def convolutions(draw: Any) -> Case:
    rank = draw(st.integers(0, 2))
    small = st.integers(1, 3)

    def per(strategy: Any) -> tuple[Any, ...]:
        return tuple(draw(strategy) for _ in range(rank))

    groups = draw(st.integers(1, 3))
    which = draw(st.sampled_from(["feature", "batch"]))
    fg, bg = (groups, 1) if which == "feature" else (1, groups)
    sizes = per(st.integers(2, 5))
    kernel = per(small)
    lhs, rhs, out = (tuple(draw(st.permutations(range(rank + 2)))) for _ in range(3))
    inputs, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 2)) * groups
    x, y = [0] * (rank + 2), [0] * (rank + 2)
    for dim, n in zip(lhs, (draw(st.integers(1, 2)) * bg, inputs * fg, *sizes), strict=True):
        x[dim] = n
    for dim, n in zip(rhs, (inputs, outputs, *kernel), strict=True):
        y[dim] = n
    options: dict[str, Any] = {
        "lhs": lhs,
        "rhs": rhs,
        "out": out,
        "strides": per(small),
        "lhs_dilation": per(st.integers(1, 2)),
        "rhs_dilation": per(st.integers(1, 2)),
        "reversal": per(st.booleans()),
        "feature_groups": fg,
        "batch_groups": bg,
    }
    padding = []
    for i in range(rank):
        n = (sizes[i] - 1) * options["lhs_dilation"][i] + 1
        k = (kernel[i] - 1) * options["rhs_dilation"][i] + 1
        low = draw(st.integers(-1, 3))
        padding.append((low, max(draw(st.integers(-1, 3)), k - n - low)))
    options["padding"] = tuple(padding)
    return conv_case(f"{x} {y} {options}", tuple(x), tuple(y), **options)


def check_all(cases: list[Case]) -> None:
    check_values(cases)
    check_forward(cases)
    check_reverse(cases)
    check_reverse(map(pullback_of, cases))
    check_batch(cases)


@settings(max_examples=2, deadline=None, phases=[Phase.generate])
@given(st.lists(convolutions(), min_size=6, max_size=6))
def test_any_convolution(cases: list[Case]) -> None:
    check_all(cases)


@pytest.mark.exhaustive
@settings(max_examples=20, deadline=None, phases=[Phase.generate])
@given(st.lists(convolutions(), min_size=8, max_size=8))
def test_many_convolutions(cases: list[Case]) -> None:
    check_all(cases)


@pytest.mark.exhaustive
def test_every_order_of_dimensions() -> None:
    orders = list(itertools.permutations(range(3)))
    cases = []
    for lhs, rhs in itertools.product(orders, orders):
        x, y = [0] * 3, [0] * 3
        for dim, n in zip(lhs, (2, 4, 5), strict=True):
            x[dim] = n
        for dim, n in zip(rhs, (2, 6, 3), strict=True):
            y[dim] = n
        out = orders[len(cases) % 6]
        cases.append(
            conv_case(f"{lhs}{rhs}", tuple(x), tuple(y), lhs=lhs, rhs=rhs, out=out, feature_groups=2)
        )
    check_all(cases)
