"""Records of collectives, on four processes: replicas of a program on four devices of the host.

Each process holds one part of an array with a first dimension of processes; the oracles take the whole array.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cases import Program, expand, normal, type_of
from harness import Case, sampler

from mycc.dialects import ops, transform
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.mlir import context, hlo, ir, unknown
from mycc.dialects.types import element_type, is_differentiable, tensor
from mycc.lowering import pjrt
from mycc.lowering.compile import compile_module
from mycc.lowering.settings import CompileSettings

Array = np.ndarray[Any, Any]
Dims = tuple[int, ...]
Value = ir.Value

PROCESSES = 4
GROUPS = [[0, 2], [3, 1]]


@functools.cache
def devices() -> Sequence[Any]:
    return pjrt.make_cpu_client(PROCESSES).devices()


class Together(Program):
    """A program without arguments that all processes run: each takes its own part of constants by its number."""

    def part(self, whole: Array) -> Value:
        """This process's part of an array."""
        number = ops.convert(
            ops.create("stablehlo.replica_id", [tensor((), element_type("uint32"))], []).result, ops.I32
        )
        zero = ops.full(tensor((), ops.I32), 0)
        row = ops.dynamic_slice(
            ops.constant(whole), [number, *[zero] * (whole.ndim - 1)], (1, *whole.shape[1:])
        )
        return ops.reshape(row, whole.shape[1:])

    def gathered(self, values: Sequence[Value]) -> list[int]:
        """Return values of all processes."""
        found = []
        for value in values:
            shape = tuple(value.type.shape)
            attributes = {"all_gather_dim": ops.i64(0), "replica_groups": groups([[*range(PROCESSES)]])}
            type_ = tensor((PROCESSES, *shape), ops.element_of(value))
            one = ops.reshape(value, (1, *shape))
            found.append(ops.create("stablehlo.all_gather", [type_], [one], attributes).result)
        return self.output(found)

    def run(self) -> list[Array]:
        with context, unknown:
            self._close(self._main, self._block, self._outputs)
        assert self.module.operation.verify()
        expand(self.module)
        options = CompileSettings(tiny=True, num_replicas=PROCESSES)
        compiled = compile_module(self.module, devices=devices(), options=options)
        return [
            np.asarray(y._arrays[0]._single_device_array_to_np_array_did_copy()[0])
            for y in compiled.execute([])
        ]


def groups(numbers: Sequence[Sequence[int]]) -> ir.Attribute:
    return ops.dense(np.array(numbers, np.int64))


@dataclass(frozen=True)
class Collective:
    """A collective of one operand, and what it does to the array of all parts."""

    name: str
    build: Callable[[Value], Value]
    oracle: Callable[[Array], Array]
    shape: Dims
    dtype: Any = float

    @property
    def case(self) -> Case:
        return Case(self.name, self.build, sampler((self.shape, self.dtype)))

    def sample(self, rng: np.random.Generator) -> Array:
        return np.asarray(
            rng.permutation(np.linspace(-2, 2, PROCESSES * int(np.prod(self.shape))))
            .reshape(PROCESSES, *self.shape)
            .astype(self.dtype)
        )


# ---- The operations ------------------------------------------------------------------------------

FOLDS: dict[str, tuple[Any, Any]] = {
    "add": (ops.add, np.sum),
    "mul": (ops.mul, np.prod),
    "max": (ops.max_, np.max),
    "min": (ops.min_, np.min),
}


def create(name: str, x: Value, shape: Dims, body: Any = None, **attributes: ir.Attribute) -> Value:
    operation = ops.create(
        f"stablehlo.{name}",
        [tensor(shape, ops.element_of(x))],
        [x],
        attributes,
        regions=0 if body is None else 1,
    )
    if body is not None:
        ops.region(operation, [tensor((), ops.element_of(x))] * 2, body)
    return operation.result


def in_groups(rule: Callable[[Array], Array], numbers: Any = GROUPS) -> Callable[[Array], Array]:
    """What processes get, from a rule on the parts of one group, in its order."""

    def oracle(whole: Array) -> Array:
        found: dict[int, Array] = {}
        for group in numbers:
            found.update(zip(group, rule(whole[group]), strict=True))
        return np.stack([found[i] for i in range(PROCESSES)])

    return oracle


def all_reduce(kind: str, dtype: Any = float) -> Collective:
    body, fold = FOLDS[kind]

    def build(x: Value) -> Value:
        return create("all_reduce", x, (2, 3), body, replica_groups=groups(GROUPS))

    def rule(parts: Array) -> Array:
        return np.stack([fold(parts, 0)] * len(parts))

    return Collective(f"all_reduce-{kind}-{np.dtype(dtype)}", build, in_groups(rule), (2, 3), dtype)


def reduce_scatter(kind: str) -> Collective:
    body, fold = FOLDS[kind]

    def build(x: Value) -> Value:
        return create(
            "reduce_scatter", x, (3, 2), body, replica_groups=groups(GROUPS), scatter_dimension=ops.i64(1)
        )

    def rule(parts: Array) -> Array:
        return np.stack(np.split(fold(parts, 0), len(parts), 1))

    return Collective(f"reduce_scatter-{kind}", build, in_groups(rule), (3, 4))


def all_gather() -> Collective:
    def build(x: Value) -> Value:
        return create("all_gather", x, (3, 4), replica_groups=groups(GROUPS), all_gather_dim=ops.i64(1))

    def rule(parts: Array) -> Array:
        return np.stack([np.concatenate(parts, 1)] * len(parts))

    return Collective("all_gather", build, in_groups(rule), (3, 2))


def all_to_all() -> Collective:
    def build(x: Value) -> Value:
        return create(
            "all_to_all",
            x,
            (2, 6),
            replica_groups=groups(GROUPS),
            split_dimension=ops.i64(0),
            concat_dimension=ops.i64(1),
            split_count=ops.i64(2),
        )

    def rule(parts: Array) -> Array:
        pieces = [np.split(part, len(parts), 0) for part in parts]
        return np.stack([np.concatenate([p[i] for p in pieces], 1) for i in range(len(parts))])

    return Collective("all_to_all", build, in_groups(rule), (4, 3))


def permute() -> Collective:
    pairs = [[0, 1], [1, 3], [3, 0]]

    def oracle(whole: Array) -> Array:
        out = np.zeros_like(whole)
        for source, target in pairs:
            out[target] = whole[source]
        return out

    return Collective(
        "permute",
        lambda x: create("collective_permute", x, (3,), source_target_pairs=groups(pairs)),
        oracle,
        (3,),
    )


def broadcast() -> Collective:
    def oracle(whole: Array) -> Array:
        out = np.zeros_like(whole)
        out[[2, 0, 1]] = whole[2]
        return out

    return Collective(
        "broadcast",
        lambda x: create("collective_broadcast", x, (3,), replica_groups=groups([[2, 0, 1]])),
        oracle,
        (3,),
    )


def nested() -> Collective:
    """Collectives between other operations, for second derivatives that are not zero."""

    def build(x: Value) -> Value:
        total = create("all_reduce", ops.sin(x), (3,), ops.add, replica_groups=groups(GROUPS))
        return ops.mul(x, total)

    def rule(parts: Array) -> Array:
        return parts * np.sin(parts).sum(0)

    return Collective("nested", build, in_groups(rule), (3,))


SUMMED = [
    *(all_reduce(kind) for kind in FOLDS),
    *(reduce_scatter(kind) for kind in FOLDS),
    all_gather(),
    all_to_all(),
    permute(),
    nested(),
]


# ---- The checks ----------------------------------------------------------------------------------


def tangents_of(collective: Collective, whole: Array, direction: Array) -> Array:
    """Central differences of the oracle."""
    h = 1e-3
    steps = [collective.oracle(whole + s * h * direction) for s in (-2, -1, 1, 2)]
    return np.asarray((steps[0] - steps[3] + 8 * (steps[2] - steps[1])) / (12 * h))


def test_values_and_derivatives() -> None:
    program, expected = Together(), []
    rng = np.random.default_rng(0)
    for collective in SUMMED:
        whole = collective.sample(rng)
        f = program.function(collective.case, [whole[0]])
        ahead = np.stack([normal(rng, type_of(whole[0])) for _ in range(PROCESSES)])
        back = np.stack([normal(rng, f.results[0]) for _ in range(PROCESSES)])
        with program.main():
            x, t, ct = (program.part(each) for each in (whole, ahead, back))
            pushed = transform.jvp(f, (True,), (True,), [x], [t])
            pulled = transform.vjp(f, (True,), (True,), [x], [ct])
            expected.append((collective, whole, ahead, back, program.gathered([*pushed, pulled[1]])))
    outputs = program.run()
    for collective, whole, ahead, back, (value, tangent, cotangent) in expected:
        want = tangents_of(collective, whole, ahead)
        np.testing.assert_allclose(outputs[value], collective.oracle(whole), err_msg=collective.name)
        np.testing.assert_allclose(outputs[tangent], want, 1e-7, 1e-9, err_msg=collective.name)
        pairing = (outputs[cotangent] * ahead).sum()
        np.testing.assert_allclose(pairing, (back * want).sum(), 1e-8, err_msg=collective.name)


def test_second_derivatives() -> None:
    """Of ⟨ct, f⟩ along one direction after another, against differences of the first derivative's oracle."""
    program, expected = Together(), []
    rng = np.random.default_rng(1)
    for collective in (nested(), all_reduce("mul"), reduce_scatter("mul")):
        whole = collective.sample(rng)
        ahead, again = (
            np.stack([normal(rng, type_of(whole[0])) for _ in range(PROCESSES)]) for _ in range(2)
        )

        def tangent(x: Value, t: Value, collective: Collective = collective) -> list[Value]:
            f = program.function(collective.case, [collective.sample(rng)[0]])
            return transform.jvp(f, (True,), (True,), [x], [t])[1:]

        f = program.function(Case(f"t({collective.name})", tangent, sampler()), [whole[0], ahead[0]])
        with program.main():
            x, t, s = (program.part(each) for each in (whole, ahead, again))
            pushed = transform.jvp(f, (True, False), (True,), [x, t], [s])
            expected.append((collective, whole, ahead, again, program.gathered(pushed[1:])))
    outputs = program.run()
    h = 1e-3
    for collective, whole, ahead, again, (position,) in expected:
        steps = [tangents_of(collective, whole + s * h * again, ahead) for s in (-1, 1)]
        want = (steps[1] - steps[0]) / (2 * h)
        np.testing.assert_allclose(outputs[position], want, 1e-4, 1e-5, err_msg=collective.name)


def test_batch() -> None:
    program, expected = Together(), []
    rng = np.random.default_rng(2)
    for collective in SUMMED:
        examples = np.stack([collective.sample(rng) for _ in range(3)], 2)
        f = program.function(collective.case, [examples[0].take(0, 1)])
        axes = (1, len(f.results[0].shape))
        with program.main():
            values = transform.vmap(f, [1], [axes[1]], 3, None, [program.part(examples)])
            expected.append((collective, examples, axes, program.gathered(values)))
    outputs = program.run()
    for collective, examples, axes, (position,) in expected:
        want = np.stack([collective.oracle(examples.take(i, 2)) for i in range(3)], axes[1] + 1)
        np.testing.assert_allclose(outputs[position], want, err_msg=collective.name)


def test_a_broadcast_is_transposed_by_permutations() -> None:
    """XLA has it on the GPU alone: its cotangents need none, and its value is left out here."""
    program, collective = Together(), broadcast()
    rng = np.random.default_rng(3)
    ahead, back = rng.normal(size=(2, 4, 3))
    f = program.function(collective.case, [ahead[0]])
    with program.main():
        (position,) = program.gathered(transform.transpose(f, (True,), (True,), [], [program.part(back)]))
    np.testing.assert_allclose(
        (program.run()[position] * ahead).sum(), (back * collective.oracle(ahead)).sum()
    )


@pytest.mark.skipif(not hasattr(hlo, "CollectiveReduceOp"), reason="later versions of jaxlib have it")
def test_a_reduction_to_one_process_is_transposed_by_permutations() -> None:
    def build(x: Value) -> Value:
        return create("collective_reduce", x, (3,), ops.add, replica_groups=groups([[2, 0, 1]]))

    program = Together()
    back = np.random.default_rng(3).normal(size=(4, 3))
    f = program.function(Case("to-one", build, sampler()), [back[0]])
    with program.main():
        (position,) = program.gathered(transform.transpose(f, (True,), (True,), [], [program.part(back)]))
    want = back[[2, 2, 2, 2]]
    want[3] = 0
    np.testing.assert_allclose(program.run()[position], want)


def test_a_broadcast_of_a_batch() -> None:
    program, collective = Together(), broadcast()
    f = program.function(collective.case, [np.ones(3)])
    with program.main():
        values = transform.vmap(f, [0], [0], 2, None, [program.input(np.ones((2, 3)))])
        program.output(transform.jvp(f, (True,), (True,), *[[program.input(np.ones(3))]] * 2)[1:] + values)
    with context, unknown:
        program._close(program._main, program._block, program._outputs)
    expand(program.module)
    lines = [line for line in str(program.module).splitlines() if "collective_broadcast" in line]
    assert sorted(line.rpartition("-> ")[2] for line in lines) == ["tensor<2x3xf64>", *["tensor<3xf64>"] * 2]


def test_ties_are_shared() -> None:
    collective = all_reduce("max")
    program = Together()
    f = program.function(collective.case, [np.zeros((2, 3))])
    with program.main():
        x, ct = program.part(np.zeros((4, 2, 3))), program.part(np.ones((4, 2, 3)))
        (position,) = program.gathered(transform.vjp(f, (True,), (True,), [x], [ct])[1:])
    np.testing.assert_array_equal(program.run()[position], np.ones((4, 2, 3)))


def test_two_operands_of_which_one_is_differentiated() -> None:
    def build(x: Value, y: Value) -> list[Value]:
        operation = ops.create(
            "stablehlo.all_reduce", [x.type, y.type], [x, y], {"replica_groups": groups(GROUPS)}, regions=1
        )
        ops.region(operation, [tensor((), ops.element_of(x))] * 2, ops.add)
        return list(operation.results)

    program = Together()
    x, y = np.arange(4.0).reshape(4, 1), np.arange(4.0, 12.0).reshape(4, 2)
    f = program.function(Case("two", build, sampler()), [x[0], y[0]])
    assert all(map(is_differentiable, f.results))
    with program.main():
        parts = [program.part(x), program.part(y)]
        found = transform.vjp(f, (True, False), (True, True), parts, parts)
        batch = ops.broadcast_in_dim(parts[0], (3, 1), [1])
        mapped = transform.vmap(f, [0, -1], [0, -1], 3, None, [batch, parts[1]])
        positions = program.gathered([*found, *mapped])
    outputs = program.run()
    total = np.array([[2.0], [4.0], [2.0], [4.0]])
    np.testing.assert_array_equal(outputs[positions[0]], total)
    np.testing.assert_array_equal(outputs[positions[2]], total)
    np.testing.assert_array_equal(outputs[positions[3]], np.repeat(total[:, None], 3, 1))
    np.testing.assert_array_equal(outputs[positions[4]], outputs[positions[1]])


def test_who_one_is() -> None:
    """Process numbers are the same under vmap, and have no derivative."""

    def build(x: Value) -> list[Value]:
        u32 = tensor((), element_type("uint32"))
        replica = ops.create("stablehlo.replica_id", [u32], []).result
        partition = ops.create("stablehlo.partition_id", [u32], []).result
        return [ops.mul(x, ops.convert(replica, ops.element_of(x))), replica, partition]

    program = Together()
    f = program.function(Case("who", build, sampler()), [np.ones(())])
    with program.main():
        x = program.part(np.arange(1.0, 5.0))
        batch = ops.broadcast_in_dim(x, (2,), [])
        positions = program.gathered(
            [
                transform.vjp(f, (True,), (True, False, False), [x], [x])[3],
                *transform.vmap(f, [0], [0, -1, -1], 2, None, [batch]),
            ]
        )
    outputs = program.run()
    np.testing.assert_array_equal(outputs[positions[0]], [0, 2, 6, 12])
    np.testing.assert_array_equal(outputs[positions[1]], [[0, 0], [2, 2], [6, 6], [12, 12]])
    np.testing.assert_array_equal(outputs[positions[2]], [0, 1, 2, 3])
    np.testing.assert_array_equal(outputs[positions[3]], [0, 0, 0, 0])


def derived(build: Callable[[Value], Value]) -> None:
    program = Together()
    f = program.function(Case("refused", build, sampler()), [np.ones((2, 3))])
    with program.main():
        x = program.part(np.ones((4, 2, 3)))
        program.gathered(transform.vjp(f, (True,), (True,), [x], [x])[1:])
    program.run()


def test_what_has_no_derivative() -> None:
    def other(x: Value) -> Value:
        body = lambda a, b: ops.add(a, ops.mul(a, b))  # noqa: E731
        return create("all_reduce", x, (2, 3), body, replica_groups=groups(GROUPS))

    with pytest.raises(UnsupportedOperationError, match=r"all_reduce'.*all_gather"):
        derived(other)

    def partitions(x: Value) -> Value:
        channel = ir.Attribute.parse("#stablehlo.channel_handle<handle = 1, type = 1>", context)
        return create(
            "all_reduce",
            x,
            (2, 3),
            ops.mul,
            replica_groups=groups(GROUPS),
            channel_handle=channel,
            use_global_device_ids=ir.UnitAttr.get(context),
        )

    with pytest.raises(UnsupportedOperationError, match="a product over partitions"):
        derived(partitions)
