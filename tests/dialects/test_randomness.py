"""Records of random numbers and of tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import Program
from emission import cotangents, tangents
from harness import Case, check_batch, check_values, sampler

from mycc.dialects import ops, transform
from mycc.dialects.errors import TransformError
from mycc.dialects.mlir import hlo, ir
from mycc.dialects.types import element_type, tensor, token

Value = ir.Value
COUNT = 20000


def draw(kind: str, shape: tuple[int, ...] = (COUNT,), dtype: Any = float) -> Case:
    def build(a: Value, b: Value) -> Value:
        sizes = ops.constant(np.array(shape, np.int64))
        attributes = {"rng_distribution": hlo.RngDistributionAttr.get(kind)}
        return ops.create(
            "stablehlo.rng", [tensor(shape, ops.element_of(a))], [a, b, sizes], attributes
        ).result

    return Case(f"rng-{kind}-{dtype}", build, sampler(((), dtype), ((), dtype)))


def test_uniform_numbers_move_with_their_bounds() -> None:
    case = draw("UNIFORM")
    low, high = np.asarray(1.0), np.asarray(3.0)
    (by_low,) = tangents(case, [low, high], [np.asarray(1.0), np.asarray(0.0)])
    (by_high,) = tangents(case, [low, high], [np.asarray(0.0), np.asarray(1.0)])
    assert by_high.min() >= 0 and by_high.max() <= 1 and abs(by_high.mean() - 0.5) < 0.02
    assert by_low.min() >= 0 and by_low.max() <= 1 and abs(by_low.mean() - 0.5) < 0.02
    pulled = cotangents(case, [low, high], [np.ones(COUNT)])
    np.testing.assert_allclose(sum(pulled), COUNT)


def test_the_derivative_is_that_of_the_numbers_that_were_drawn() -> None:
    for kind in ("UNIFORM", "NORMAL"):
        case, program = draw(kind), Program()
        a, b = np.asarray(1.0), np.asarray(3.0)
        f = program.function(case, [a, b])
        with program.main():
            primals = [program.input(a), program.input(b)]
            seeds = [program.input(np.asarray(2.0)), program.input(np.asarray(0.5))]
            program.output(transform.jvp(f, (True, True), (True,), primals, seeds))
        x, t = program.run()
        standard = (x - 1) / 2 if kind == "UNIFORM" else (x - 1) / 3
        want = 2 + (0.5 - 2) * standard if kind == "UNIFORM" else 2 + 0.5 * standard
        np.testing.assert_allclose(t, want, atol=1e-12)


def test_batched_bounds() -> None:
    case, program = draw("NORMAL"), Program()
    means, scales = np.array([0.0, 10.0, -5.0]), np.asarray(2.0)
    f = program.function(case, [means[0], scales])
    with program.main():
        program.output(
            transform.vmap(f, [0, -1], [1], 3, None, [program.input(means), program.input(scales)])
        )
    (got,) = program.run()
    assert got.shape == (COUNT, 3)
    np.testing.assert_allclose(got.mean(0), means, atol=0.1)
    np.testing.assert_allclose(got.std(0), [2, 2, 2], atol=0.1)
    assert abs(np.corrcoef(got.T)[0, 1]) < 0.05


def test_batched_bounds_of_integers() -> None:
    case, program = draw("UNIFORM", (1000,), np.int32), Program()
    lows, high = np.array([0, 5], np.int32), np.asarray(10, np.int32)
    f = program.function(case, [lows[0], high])
    with program.main():
        program.output(transform.vmap(f, [0, -1], [0], 2, None, [program.input(lows), program.input(high)]))
    (got,) = program.run()
    assert got.min(1).tolist() == [0, 5] and got.max(1).tolist() == [9, 9]


def test_numbers_are_not_linear_in_their_bounds() -> None:
    case, program = draw("NORMAL", (2,)), Program()
    f = program.function(case, [np.asarray(0.0)] * 2)
    with program.main():
        program.output(transform.transpose(f, (True, True), (True,), [], [program.input(np.ones(2))]))
    with pytest.raises(TransformError, match="not linear"):
        program.run()


def bits(algorithm: str, state: int) -> Case:
    def build(x: Value) -> list[Value]:
        attributes = {"rng_algorithm": hlo.RngAlgorithmAttr.get(algorithm)}
        types = [x.type, tensor((2, 3), element_type("uint32"))]
        return list(ops.create("stablehlo.rng_bit_generator", types, [x], attributes).results)

    def sample(rng: np.random.Generator) -> list[Any]:
        return [rng.integers(0, 2**63, (state,)).astype(np.uint64)]

    return Case(algorithm, build, sample)


def test_generators_of_bits() -> None:
    cases = [bits("THREE_FRY", 2), bits("PHILOX", 2), bits("DEFAULT", 2)]
    check_values(cases)
    check_batch(cases)


def test_tokens_are_left_alone() -> None:
    def build(x: Value) -> Value:
        first = ops.create("stablehlo.create_token", [token], []).result
        ops.create("stablehlo.after_all", [token], [first])
        return ops.sin(x)

    case = Case("tokens", build, sampler(((3,), float)))
    (got,) = cotangents(case, [np.zeros(3)], [np.ones(3)])
    np.testing.assert_array_equal(got, np.ones(3))
    check_batch([case])
