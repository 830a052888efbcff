"""Records of contractions, checked through the passes against NumPy, differences and loops."""

from __future__ import annotations

import itertools
import re
import string
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from emission import names, pulled_back
from harness import (
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
    uniform,
)
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mycc.dialects import ops, transform
from mycc.dialects.mlir import hlo, ir
from mycc.dialects.types import element_type, tensor

Dims = tuple[int, ...]


def einsum(x: Any, y: Any, contracting: tuple[Dims, Dims], batching: tuple[Dims, Dims]) -> Any:
    letters = iter(string.ascii_letters)
    left = [next(letters) for _ in x.shape]
    right = [next(letters) for _ in y.shape]
    for i, j in zip((*contracting[0], *batching[0]), (*contracting[1], *batching[1]), strict=True):
        right[j] = left[i]
    out = [left[i] for i in batching[0]]
    out += [a for i, a in enumerate(left) if i not in contracting[0] + batching[0]]
    out += [a for i, a in enumerate(right) if i not in contracting[1] + batching[1]]
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", x, y)


def dot(
    name: str,
    xs: Dims,
    ys: Dims,
    contracting: tuple[Dims, Dims],
    batching: tuple[Dims, Dims] = ((), ()),
    dtype: Any = float,
) -> Case:
    return Case(
        name,
        lambda x, y: ops.dot_general(x, y, contracting=contracting, batching=batching),
        sampler((xs, dtype), (ys, dtype)),
        lambda x, y: einsum(x, y, contracting, batching),
    )


def old_dot(name: str, xs: Dims, ys: Dims) -> Case:
    def build(x: ir.Value, y: ir.Value) -> ir.Value:
        return hlo.DotOp(tensor((*xs[:-1], *ys[1:]), ops.element_of(x)), x, y).operation.result

    return Case(name, build, sampler((xs, float), (ys, float)), np.dot)


CASES = [
    dot("matmul", (2, 3), (3, 4), ((1,), (0,))),
    dot("matmul-complex", (2, 3), (3, 4), ((1,), (0,)), dtype=complex),
    dot("matmul-nt", (2, 3), (4, 3), ((1,), (1,))),
    dot("matmul-tn", (3, 2), (3, 4), ((0,), (0,))),
    dot("matmul-tt", (3, 2), (4, 3), ((0,), (1,))),
    dot("vectors", (3,), (3,), ((0,), (0,))),
    dot("matvec", (2, 3), (3,), ((1,), (0,))),
    dot("vecmat", (3,), (3, 2), ((0,), (0,))),
    dot("outer", (2,), (3,), ((), ())),
    dot("scalar", (), (3,), ((), ())),
    dot("batched", (2, 3, 4), (2, 4, 2), ((2,), (1,)), ((0,), (0,))),
    dot("batched-nt", (2, 3, 4), (2, 5, 4), ((2,), (2,)), ((0,), (0,))),
    dot("attention-bthd", (2, 3, 2, 4), (2, 5, 2, 4), ((3,), (3,)), ((0, 2), (0, 2))),
    dot("two-batch-crossed", (2, 3, 4), (3, 5, 2), ((), ()), ((1, 0), (0, 2))),
    dot("two-contracted-crossed", (2, 3, 4), (4, 5, 2), ((0, 2), (2, 0))),
    dot("inner-products", (2, 3), (2, 3), ((1,), (1,)), ((0,), (0,))),
    dot("empty", (2, 0), (0, 3), ((1,), (0,))),
    old_dot("dot-matmul", (2, 3), (3, 2)),
    old_dot("dot-vecmat", (3,), (3, 2)),
    old_dot("dot-vectors", (3,), (3,)),
]


def test_values() -> None:
    check_values(CASES)


def test_derivatives() -> None:
    check_forward(CASES)
    check_reverse(CASES)
    check_transpose(CASES)


def test_second_derivatives() -> None:
    check_reverse(map(pullback_of, CASES))
    check_reverse(map(tangent_of, CASES))


def test_batch() -> None:
    check_batch(CASES)
    check_batch(list(map(pullback_of, CASES))[::3], most=3)


BF16 = np.dtype(ml_dtypes.bfloat16)


def mixed(name: str, x: Any, y: Any, out: Any) -> Case:
    def build(a: ir.Value, b: ir.Value) -> ir.Value:
        return ops.dot_general(a, b, contracting=((1,), (0,)), element=element_type(out))

    def oracle(a: Any, b: Any) -> Any:
        return a.astype(np.float64) @ b.astype(np.float64)

    return Case(name, build, sampler(((2, 3), x), ((3, 4), y)), oracle, rtol=2e-2, atol=2e-2)


MIXED = [
    mixed("bf16-to-f32", BF16, BF16, np.float32),
    mixed("bf16", BF16, BF16, BF16),
    mixed("f32-bf16", np.float32, BF16, np.float32),
    mixed("f32-bf16-to-bf16", np.float32, BF16, BF16),
    mixed("i8-to-i32", np.int8, np.int8, np.int32),
    mixed("f16-to-f64", np.float16, np.float16, np.float64),
]


def test_element_types() -> None:
    check_values(MIXED)
    check_batch(MIXED)
    for case in differentiable(MIXED):
        operands = case.sample(np.random.default_rng(1))
        program = Program()
        f = program.function(case, operands)
        with program.main():
            primals = [program.input(x) for x in operands]
            cotangent = uniform(np.random.default_rng(2), (2, 4), np.float32).astype(np.float32)
            seed = ops.convert(program.input(cotangent), f.results[0].element_type)
            program.output(transform.vjp(f, (True, True), (True,), primals, [seed]))
        _, left, right = program.run()
        assert (left.dtype, right.dtype) == (operands[0].dtype, operands[1].dtype)
        x, y = (a.astype(np.float64) for a in operands)
        np.testing.assert_allclose(left.astype(float), cotangent @ y.T, rtol=3e-2, atol=6e-2)
        np.testing.assert_allclose(right.astype(float), x.T @ cotangent, rtol=3e-2, atol=6e-2)


@pytest.mark.parametrize(
    "name", ["matmul", "matmul-nt", "matmul-tn", "matmul-tt", "vectors", "batched", "batched-nt"]
)
def test_derivatives_need_no_transpose(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    assert names(pulled_back(case)) == ["dot_general", "dot_general"]


def test_precision_follows_the_operands() -> None:
    def build(x: ir.Value, y: ir.Value) -> ir.Value:
        precision = ir.Attribute.parse("[#stablehlo<precision DEFAULT>, #stablehlo<precision HIGHEST>]")
        return ops.dot_general(x, y, contracting=((0,), (0,)), precision=precision)

    # Of y's cotangent the operand is x with the default precision, of x's it is y with the highest.
    case = Case("precision", build, sampler(((3, 2), float), ((3, 4), float)))
    dots = [text for text in pulled_back(case) if "dot_general" in text]
    assert len(dots) == 2
    for text in dots:
        operands = re.findall(r"%arg\d", text)
        precision = re.findall(r"DEFAULT|HIGHEST", text)
        assert dict(zip(operands, precision, strict=True)) in (
            {"%arg0": "DEFAULT", "%arg2": "HIGHEST"},
            {"%arg1": "HIGHEST", "%arg2": "DEFAULT"},
        )


def test_algorithm_is_kept() -> None:
    algorithm = (
        "#stablehlo.dot_algorithm<lhs_precision_type = bf16, rhs_precision_type = bf16, "
        "accumulation_type = f32, lhs_component_count = 1, rhs_component_count = 1, "
        "num_primitive_operations = 3, "
        "allow_imprecise_accumulation = false>"
    )

    def build(x: ir.Value, y: ir.Value) -> ir.Value:
        return ops.dot_general(x, y, contracting=((0,), (0,)), algorithm=ir.Attribute.parse(algorithm))

    case = Case("algorithm", build, sampler(((3, 2), np.float32), ((3, 4), np.float32)))
    assert "".join(pulled_back(case)).count(algorithm.removeprefix("#stablehlo.dot_algorithm")) == 2


@st.composite
def contractions(draw: Any) -> Case:
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    contract = draw(st.lists(st.integers(1, 3), max_size=2))
    frees = [draw(st.lists(st.integers(1, 3), max_size=2)) for _ in range(2)]
    shapes, batching, contracting = [], [], []
    for free in frees:
        labels = [("b", i, n) for i, n in enumerate(batch)]
        labels += [("k", i, n) for i, n in enumerate(contract)]
        labels += [("f", i, n) for i, n in enumerate(free)]
        order = draw(st.permutations(labels))
        shapes.append(tuple(n for _, _, n in order))
        batching.append(
            tuple(next(d for d, o in enumerate(order) if o[:2] == ("b", i)) for i in range(len(batch)))
        )
        contracting.append(
            tuple(next(d for d, o in enumerate(order) if o[:2] == ("k", i)) for i in range(len(contract)))
        )
    name = f"{shapes} {batching} {contracting}"
    return dot(name, shapes[0], shapes[1], (contracting[0], contracting[1]), (batching[0], batching[1]))


def check_all(cases: list[Case]) -> None:
    check_values(cases)
    check_forward(cases)
    check_reverse(cases)
    check_reverse(map(pullback_of, cases))
    check_batch(cases)


@settings(max_examples=2, deadline=None, phases=[Phase.generate])
@given(st.lists(contractions(), min_size=8, max_size=8))
def test_dimension_numbers(cases: list[Case]) -> None:
    check_all(cases)


@pytest.mark.exhaustive
def test_every_order_of_dimensions() -> None:
    cases = []
    for left in itertools.permutations("bkm"):
        for right in itertools.permutations("bkn"):
            sizes = {"b": 2, "k": 3, "m": 4, "n": 5}
            xs, ys = tuple(sizes[c] for c in left), tuple(sizes[c] for c in right)
            contracting = ((left.index("k"),), (right.index("k"),))
            cases.append(
                dot(f"{left}{right}", xs, ys, contracting, ((left.index("b"),), (right.index("b"),)))
            )
    check_all(cases)


@pytest.mark.exhaustive
@settings(max_examples=15, deadline=None, phases=[Phase.generate])
@given(st.lists(contractions(), min_size=8, max_size=8))
def test_many_dimension_numbers(cases: list[Case]) -> None:
    check_all(cases)
