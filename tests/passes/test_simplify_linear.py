"""The work of simplify grows with the operations, also where long chains of them fall to one pattern."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from counting import counted_calls
from test_simplify_programs import INPUTS, STEPS, Program

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir, unknown
from mycc.dialects.types import element_type, tensor
from mycc.passes.pipeline import Pipeline
from mycc.passes.simplify import Simplify
from mycc.passes.symbols import Symbols

F32, I32 = element_type("float32"), element_type("int32")
INDEX = tensor((), I32)


def module_of(types: list[ir.Type], body: Callable[..., list[ir.Value]], **callees: object) -> ir.Module:
    with context, unknown:
        module = ir.Module.create()
        symbols = Symbols(module)
        symbols.define("main", types, body)
        del symbols["main"].attributes["sym_visibility"]
        for name, callee in callees.items():
            symbols.define(name, [tensor((4,), F32)] * 2, callee)
    return module


def row(n: int) -> list[ir.Type]:
    return [tensor((n,), F32)]


def elements(x: ir.Value, n: int) -> list[ir.Value]:
    return [ops.exp(ops.slice_(x, [k], [k + 1])) for k in range(n)]


def pads(n: int) -> ir.Module:
    def body(x: ir.Value) -> list[ir.Value]:
        zero = ops.zero_of(x)
        total, *others = (ops.pad(v, zero, [k], [n - 1 - k], [0]) for k, v in enumerate(elements(x, n)))
        for other in others:
            total = ops.add(total, other)
        return [total]

    return module_of(row(n), body)


def updates(n: int) -> ir.Module:
    def body(x: ir.Value, i: ir.Value) -> list[ir.Value]:
        zeros, at = ops.full_like(x, 0), i
        for value in elements(x, n):
            at = ops.mul(at, i)
            zeros = ops.dynamic_update_slice(zeros, value, [at])
        return [ops.add(x, zeros)]

    return module_of([*row(n), INDEX], body)


def concatenations(n: int) -> ir.Module:
    def body(x: ir.Value) -> list[ir.Value]:
        joined = x
        for value in elements(x, n):
            joined = ops.concatenate([joined, value], 0)
        return [joined]

    return module_of(row(n), body)


def slices(n: int) -> ir.Module:
    def body(x: ir.Value) -> list[ir.Value]:
        joined = ops.concatenate(elements(x, n), 0)
        return [ops.slice_(joined, [k], [k + m]) for k in range(n - 1) for m in (1, 2)]

    return module_of(row(n), body)


def carries(n: int) -> ir.Module:
    def body(x: ir.Value) -> list[ir.Value]:
        def trip(i: ir.Value, *parts: ir.Value) -> list[ir.Value]:
            return [ops.add(i, ops.full(INDEX, 1)), ops.sin(parts[0]), *parts[:-1]]

        return ops.while_(
            [ops.full(INDEX, 0), *[x] * n], lambda i, *_: ops.compare("LT", i, ops.full(INDEX, 5)), trip
        )

    return module_of(row(4), body)


def calls(n: int) -> ir.Module:
    def body(x: ir.Value) -> list[ir.Value]:
        for _ in range(n):
            x = ops.call("f", [x.type] * 2, [x, x])[0]
        return [x]

    return module_of(row(4), body, f=lambda a, b: [ops.exp(a), ops.log(b)])


def functions(n: int) -> ir.Module:
    def calling(k: int) -> Callable[..., list[ir.Value]]:
        return lambda a, b: ops.call(f"f{k}", [a.type] * 2, [a, b])

    callees = {f"f{k}": calling(k + 1) for k in range(n)}
    callees[f"f{n}"] = lambda a, b: [ops.exp(a), ops.log(b)]
    return module_of(row(4), lambda x: ops.call("f0", [x.type] * 2, [x, x])[:1], **callees)


def transposes(n: int) -> ir.Module:
    def body(x: ir.Value, y: ir.Value) -> list[ir.Value]:
        for _ in range(n):
            x = ops.add(ops.transpose(x, [1, 0]), ops.transpose(y, [1, 0]))
            x = ops.transpose(ops.tanh(x), [1, 0])
        return [x]

    return module_of([tensor((4, 4), F32)] * 2, body)


def anything(n: int) -> ir.Module:
    """A random program of about n operations over all families."""
    draw = random.Random(0)
    program = Program(draw, special=False)

    def body(*arguments: ir.Value) -> list[ir.Value]:
        made: list[ir.Value] = []
        program.values += arguments
        while len(made) < n // 3:
            value = getattr(program, draw.choice(STEPS))()
            program.add(value)
            if value is not None:
                made.append(value)
            program.values[:] = [*arguments, *program.values[len(arguments) :][-30:]]
        return made[::7]

    return module_of(list(INPUTS), body)


def work(module: ir.Module) -> int:
    with counted_calls() as counted:
        Pipeline([Simplify(inexact=True)]).run(module)
    return counted()


@pytest.mark.parametrize(
    "build", [pads, updates, concatenations, slices, carries, calls, functions, transposes]
)
def test_chains(build: Callable[[int], ir.Module]) -> None:
    few, many = work(build(150)), work(build(600))
    assert many < 4.8 * few


@pytest.mark.parametrize(
    ("few", "many"), [(2_000, 8_000), pytest.param(10_000, 40_000, marks=pytest.mark.exhaustive)]
)
def test_random_programs(few: int, many: int) -> None:
    less, more = work(anything(few)), work(anything(many))
    assert 3.2 * less < more < 4.8 * less
