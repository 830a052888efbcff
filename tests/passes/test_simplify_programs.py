"""Simplify on random programs over all families of patterns, by StableHLO's reference interpreter."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir, unknown
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import dtype_of, element_type, shape_of, tensor
from mycc.passes.pipeline import Pipeline
from mycc.passes.simplify import Simplify
from mycc.passes.symbols import Symbols

F32, I32, U8, BOOL = (element_type(name) for name in ("float32", "int32", "uint8", "bool"))
ELEMENTS = (F32, F32, F32, I32, U8, BOOL)
SHAPES = ((), (1,), (4,), (2, 3), (3, 2), (1, 4), (2, 1, 3), (2, 2, 3), (0, 2))
SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, math.inf, -math.inf, math.nan, 3.7)


class Program:
    """A random program, as it is built.

    Args:
        draw: the random numbers.
        special: whether floats are any, and not only whole numbers near zero, whose sums are exact in any order.
    """

    def __init__(self, draw: random.Random, special: bool) -> None:
        self.draw = draw
        self.special = special
        self.values: list[ir.Value] = []

    def pick(self, test: Callable[[ir.Value], bool] = lambda _: True) -> ir.Value | None:
        found = [value for value in self.values if test(value)]
        # Those made last are the likelier, so that operations meet each other.
        back = min(self.draw.randrange(len(found)), self.draw.randrange(len(found))) if found else 0
        return found[-1 - back] if found else None

    def add(self, value: ir.Value | None) -> None:
        if value is not None and math.prod(shape_of(value)) <= 200 and len(shape_of(value)) <= 4:
            self.values.append(value)

    def tame(self, value: ir.Value) -> ir.Value:
        """Whole numbers stay so small that everything is exact."""
        if self.special or value.type.element_type != F32:
            return value
        low, high = (ops.full(tensor((), F32), n) for n in (-4.0, 4.0))
        return ops.clamp(low, value, high)

    def number(self, element: ir.Type) -> float:
        if element == BOOL:
            return self.draw.random() < 0.5
        if element == F32:
            return self.draw.choice(SPECIAL if self.special else (0.0, 0.0, 1.0, -1.0, 2.0))
        return self.draw.choice((0, 0, 1, 2, 3, 255) if element == U8 else (0, 0, 1, -1, 2, 7))

    def like(self, x: ir.Value) -> ir.Value:
        """A value of the type of another: a constant, or something computed."""
        if self.draw.random() < 0.4:
            return ops.full_like(x, self.number(x.type.element_type))
        found = self.pick(lambda v: v.type == x.type)
        return x if found is None else found

    def scalar(self) -> ir.Value:
        """An index."""
        if self.draw.random() < 0.6:
            return ops.full(tensor((), I32), self.draw.choice((0, 0, 1, 2, -1, 9)))
        found = self.pick(lambda v: v.type == tensor((), I32))
        return ops.full(tensor((), I32), 1) if found is None else found

    # ---- One operation each; None where there is nothing to apply it to. ----

    def constant(self) -> ir.Value | None:
        type_ = tensor(self.draw.choice(SHAPES), self.draw.choice(ELEMENTS))
        if self.draw.random() < 0.6:
            return ops.full(type_, self.number(type_.element_type))
        numbers = [self.number(type_.element_type) for _ in range(math.prod(shape_of_type(type_)))]
        return ops.constant(np.array(numbers, dtype_of(type_)).reshape(shape_of_type(type_)))

    def iota(self) -> ir.Value | None:
        shape = self.draw.choice([s for s in SHAPES if s])
        return ops.iota(tensor(shape, self.draw.choice((I32, F32))), self.draw.randrange(len(shape)))

    def unary(self) -> ir.Value | None:
        x = self.pick()
        if x.type.element_type == BOOL:
            return ops.not_(x)
        if x.type.element_type == U8:
            return ops.not_(x)
        return self.draw.choice((ops.neg, ops.neg, ops.abs_))(x)

    def binary(self) -> ir.Value | None:
        x = self.pick()
        y = self.like(x)
        if self.draw.random() < 0.4:
            x, y = y, x
        element = x.type.element_type
        if element == BOOL:
            return self.draw.choice((ops.and_, ops.or_, ops.xor))(x, y)
        choices = [ops.add, ops.add, ops.sub, ops.mul, ops.max_, ops.min_]
        if element in (I32, U8):
            choices += [ops.and_, ops.or_, ops.xor]
        if element == F32 and self.special:
            choices.append(ops.div)
        return self.tame(self.draw.choice(choices)(x, y))

    def power(self) -> ir.Value | None:
        x = self.pick(lambda v: v.type.element_type in (I32, U8))
        return None if x is None else ops.pow_(x, ops.full_like(x, self.draw.choice((0, 1, 2, 3, 5))))

    def quotient(self) -> ir.Value | None:
        x = self.pick(lambda v: v.type.element_type == F32)
        if x is None or not self.special:
            return None
        return ops.div(x, ops.full_like(x, self.draw.choice((1.0, -1.0, 2.0, 4.0, 3.0))))

    def convert(self) -> ir.Value | None:
        # What does not fit, and NaN, become integers in each backend's own way.
        x = self.pick(lambda v: v.type.element_type in (BOOL, U8))
        return None if x is None else self.tame(ops.convert(x, self.draw.choice((F32, I32, U8))))

    def compare(self) -> ir.Value | None:
        x = self.pick()
        return ops.compare(self.draw.choice(("EQ", "NE", "LT", "LE", "GT", "GE")), x, self.like(x))

    def select(self) -> ir.Value | None:
        x = self.pick()
        p = self.pick(lambda v: v.type.element_type == BOOL and shape_of(v) in (shape_of(x), ()))
        return None if p is None else ops.select(p, self.like(x), x)

    def clamp(self) -> ir.Value | None:
        x = self.pick(lambda v: v.type.element_type == I32)
        if x is None:
            return None
        return ops.clamp(ops.full(tensor((), I32), 0), x, ops.full(tensor((), I32), self.draw.choice((1, 3))))

    def transpose(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) > 1)
        if x is None:
            return None
        order = list(range(len(shape_of(x))))
        self.draw.shuffle(order)
        return ops.transpose(x, order)

    def reshape(self) -> ir.Value | None:
        x = self.pick()
        size = math.prod(shape_of(x))
        same = [s for s in SHAPES if math.prod(s) == size] + [(size,), (1, size), (size, 1)]
        shape = list(self.draw.choice([shape_of(x), *same]))
        if self.draw.random() < 0.3:
            shape.insert(self.draw.randrange(len(shape) + 1), 1)
        return ops.reshape(x, shape)

    def broadcast(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) < 3)
        if x is None:
            return None
        shape = list(shape_of(x))
        dims = list(range(len(shape)))
        for d, n in enumerate(shape):
            if n == 1 and self.draw.random() < 0.5:
                shape[d] = 3
        at = self.draw.randrange(len(shape) + 1)
        shape.insert(at, self.draw.choice((1, 2, 2, 3)))
        return ops.broadcast_in_dim(x, shape, [d + (d >= at) for d in dims])

    def slice(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) > 0)
        if x is None:
            return None
        starts, limits, strides = [], [], []
        for n in shape_of(x):
            starts.append(self.draw.choice((0, 0, self.draw.randrange(n + 1))))
            limits.append(self.draw.choice((n, self.draw.randrange(starts[-1], n + 1))))
            strides.append(self.draw.choice((1, 1, 2)))
        return ops.slice_(x, starts, limits, strides)

    def pad(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) > 0)
        if x is None:
            return None
        rank = len(shape_of(x))
        inside = [self.draw.choice((0, 0, 1)) for _ in range(rank)]
        low, high = ([self.draw.choice((0, 0, 1, 2, -1)) for _ in range(rank)] for _ in range(2))
        for d, n in enumerate(shape_of(x)):
            if low[d] + high[d] + n + max(n - 1, 0) * inside[d] < 0 or n == 0:
                low[d] = high[d] = inside[d] = 0
        element = x.type.element_type
        return ops.pad(x, ops.full(tensor((), element), self.number(element)), low, high, inside)

    def sum_of_slices(self) -> ir.Value | None:
        """What the derivative of taking an array apart looks like."""
        x = self.pick(lambda v: shape_of(v) and v.type.element_type == F32 and shape_of(v)[0] > 1)
        if x is None:
            return None
        n, rank = shape_of(x)[0], len(shape_of(x))
        at = self.draw.randrange(1, n)
        zero, none = ops.zero_of(x), [0] * (rank - 1)
        rest = list(shape_of(x)[1:])
        first = ops.slice_(x, [0, *none], [at, *rest], [1] * rank)
        second = ops.slice_(x, [at, *none], [n, *rest], [1] * rank)
        return ops.add(
            ops.pad(first, zero, [0, *none], [n - at, *none], [0] * rank),
            ops.pad(second, zero, [at, *none], [0, *none], [0] * rank),
        )

    def concatenate(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) > 0)
        if x is None:
            return None
        axis = self.draw.randrange(len(shape_of(x)))
        return ops.concatenate([self.like(x) for _ in range(self.draw.choice((2, 2, 3)))], axis)

    def reverse(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) > 0)
        return None if x is None else ops.reverse(x, [self.draw.randrange(len(shape_of(x)))])

    def dynamic_slice(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) > 0)
        if x is None:
            return None
        sizes = [self.draw.choice((n, self.draw.randrange(n + 1))) for n in shape_of(x)]
        return ops.dynamic_slice(x, [self.scalar() for _ in sizes], sizes)

    def update(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) > 0)
        if x is None:
            return None
        x = self.like(x)
        shape = shape_of(x)
        u = self.pick(
            lambda v: (
                v.type.element_type == x.type.element_type
                and len(shape_of(v)) == len(shape)
                and all(n <= m for n, m in zip(shape_of(v), shape, strict=True))
            )
        )
        return None if u is None else ops.dynamic_update_slice(x, u, [self.scalar() for _ in shape])

    def reduce(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) > 0)
        if x is None:
            return None
        rank, element = len(shape_of(x)), x.type.element_type
        dims = sorted(self.draw.sample(range(rank), self.draw.randrange(1, rank + 1)))
        if element == BOOL:
            body, initial = self.draw.choice(((ops.and_, True), (ops.or_, False)))
        elif element == F32:
            folds = [(ops.max_, -math.inf), (ops.min_, math.inf), (ops.max_, 1.0)]
            body, initial = self.draw.choice(
                folds if self.special else [*folds, (ops.add, 0.0), (ops.add, 1.0)]
            )
        else:
            body, initial = self.draw.choice(((ops.add, 0), (ops.add, 1), (ops.mul, 1), (ops.max_, 0)))
        if not self.special and element == F32 and initial == 0:
            x = self.tame(x)
        return self.tame(ops.reduce(x, ops.full(tensor((), element), initial), dims, body))

    def dot(self) -> ir.Value | None:
        element = I32 if self.special else self.draw.choice((F32, I32))
        # Of nothing the interpreter cannot make a sum.
        x = self.pick(lambda v: v.type.element_type == element and shape_of(v) and 0 not in shape_of(v))
        if x is None:
            return None
        d = self.draw.randrange(len(shape_of(x)))
        y = self.pick(lambda v: v.type.element_type == element and shape_of(x)[d] in shape_of(v))
        if y is None:
            return None
        e = shape_of(y).index(shape_of(x)[d])
        pairs = [
            (a, b)
            for a, n in enumerate(shape_of(x))
            for b, m in enumerate(shape_of(y))
            if n == m and a != d and b != e
        ]
        batch = [self.draw.choice(pairs)] if pairs and self.draw.random() < 0.6 else []
        summed = ([d], [e]) if self.draw.random() < 0.8 else ([], [])
        return self.tame(
            ops.dot_general(
                self.tame(x), self.tame(y), contracting=summed,
                batching=([a for a, _ in batch], [b for _, b in batch]),
            )
        )  # fmt: skip

    def gather(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) == 2 and 0 not in shape_of(v))
        if x is None:
            return None
        rows = self.draw.choice(([1], [0], [0, 1], [1, 0], [0, 2, 1], [2]))
        indices = ops.constant(np.array(rows, np.int32)[:, None])
        if len(rows) == 1 and self.draw.random() < 0.7:
            indices = ops.reshape(self.scalar(), (1, 1))
        numbers = Windows((1,), (0,), (), (), (0,), 1).gather()
        return ops.gather(x, indices, numbers, (1, shape_of(x)[1]))

    def scatter(self) -> ir.Value | None:
        x = self.pick(
            lambda v: len(shape_of(v)) == 2 and 0 not in shape_of(v) and v.type.element_type != BOOL
        )
        if x is None:
            return None
        row = tensor((1, shape_of(x)[1]), x.type.element_type)
        update = self.pick(lambda v: v.type == row)
        if update is None:
            update = ops.full(row, 2)
        numbers = Windows((1,), (0,), (), (), (0,), 1).scatter()
        body = self.draw.choice((lambda a, b: b, ops.add, ops.max_))
        # The interpreter's scatter writes to its operand: it gets one that nobody else reads.
        x = ops.reverse(ops.reverse(x, [0]), [0])
        return self.tame(ops.scatter(x, ops.reshape(self.scalar(), (1, 1)), update, numbers, body))

    def window(self) -> ir.Value | None:
        x = self.pick(lambda v: len(shape_of(v)) > 0 and 0 not in shape_of(v) and v.type.element_type == I32)
        if x is None:
            return None
        sizes = [self.draw.choice((1, min(2, n), n)) for n in shape_of(x)]
        strides = sizes if self.draw.random() < 0.8 else [1] * len(sizes)
        shape = [(n - k) // s + 1 for n, k, s in zip(shape_of(x), sizes, strides, strict=True)]
        attributes = {"window_dimensions": ops.i64_array(sizes), "window_strides": ops.i64_array(strides)}
        made = ops.create(
            "stablehlo.reduce_window", [tensor(tuple(shape), I32)], [x, ops.zero_of(x)], attributes, regions=1
        )
        ops.region(made, [tensor((), I32)] * 2, ops.add)
        return made.result

    def loop(self) -> ir.Value | None:
        """A counted loop that carries a value, one that it leaves alone, one that nobody reads, and rows."""
        x = self.pick(lambda v: v.type.element_type == I32 and len(shape_of(v)) > 0)
        if x is None:
            return None
        trips, kind = self.draw.choice((0, 1, 2, 3)), self.draw.randrange(4)
        zero, one, limit = (ops.full(tensor((), I32), n) for n in (0, 1, trips))
        rows = ops.full(tensor((3, *shape_of(x)), I32), 0)
        invariant = self.like(x)

        def body(i: ir.Value, a: ir.Value, b: ir.Value, c: ir.Value, r: ir.Value) -> list[ir.Value]:
            negative = ops.compare("LT", i, ops.full(tensor((), I32), 0))
            at = [ops.select(negative, ops.add(i, limit), i), *[zero] * len(shape_of(x))]
            row = ops.reshape(ops.add(a, b), (1, *shape_of(x)))
            written = ops.dynamic_update_slice(r, row, at)
            read = ops.reshape(ops.dynamic_slice(written, at, (1, *shape_of(x))), shape_of(x))
            return [ops.add(i, one), read if kind else ops.mul(b, b), b, ops.sub(c, a), written]

        results = ops.while_(
            [zero, x, invariant, x if kind < 2 else invariant, rows],
            lambda i, *_: ops.compare("LT", i, limit),
            body,
        )
        for result in results[: self.draw.randrange(1, 6)]:
            self.add(result)
        return results[1]

    def branch(self) -> ir.Value | None:
        x = self.pick()
        y = self.like(x)
        return ops.case(self.scalar(), [x.type], [lambda: [y], lambda: [ops.max_(x, y)]])[0]


def shape_of_type(type_: ir.Type) -> tuple[int, ...]:
    return tuple(type_.shape)


STEPS = (
    "binary binary binary binary unary power quotient convert compare compare select select clamp transpose "
    "transpose reshape reshape broadcast broadcast slice slice pad pad sum_of_slices concatenate concatenate reverse "
    "dynamic_slice dynamic_slice update update reduce reduce reduce dot dot gather scatter window loop branch constant "
    "iota"
).split()
INPUTS = (
    tensor((2, 3), F32), tensor((4,), F32), tensor((2, 3), I32), tensor((), I32), tensor((2, 2, 3), U8),
    tensor((2, 3), BOOL),
)  # fmt: skip


def build(draw: random.Random, special: bool) -> ir.Module:
    with context, unknown:
        module = ir.Module.create()
        symbols = Symbols(module)
        program = Program(draw, special)

        def body(*arguments: ir.Value) -> list[ir.Value]:
            program.values += arguments
            for _ in range(draw.randrange(4, 24)):
                program.add(getattr(program, draw.choice(STEPS))())
            return program.values[len(arguments) :][-4:]

        symbols.define("main", INPUTS, body)
        del symbols["main"].attributes["sym_visibility"]
    return module


def evaluate(module: ir.Module, arguments: list[np.ndarray]) -> list[np.ndarray]:
    results = hlo.eval_module(module, [ops.dense(a) for a in arguments])
    return [np.array(result) for result in results]


def inputs(seed: int, special: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    found = []
    for type_ in INPUTS:
        shape, dtype = shape_of_type(type_), dtype_of(type_)
        if dtype == np.float32 and special:
            found.append(rng.choice(np.array([*SPECIAL, 1e-3, 0.1, -7.25], np.float32), shape))
        elif dtype == np.bool_:
            found.append(rng.integers(0, 2, shape).astype(bool))
        else:
            low, high = (0, 256) if dtype == np.uint8 else (-3, 4)
            found.append(np.asarray(rng.integers(low, high, shape)).astype(dtype))
    return found


def check(draw: random.Random, special: bool, passes: list[object]) -> None:
    module = build(draw, special)
    text = str(module)
    arguments = inputs(draw.randrange(100), special)
    expected = evaluate(module, arguments)
    Pipeline(passes).run(module)
    assert module.operation.verify()
    for before, after in zip(expected, evaluate(module, arguments), strict=True):
        assert before.dtype == after.dtype, text
        if special and before.dtype == np.float32:
            # To the bit, but for those of a NaN.
            signs = np.isnan(before), np.isnan(after), np.signbit(before), np.signbit(after)
            np.testing.assert_array_equal(signs[0], signs[1], text)
            np.testing.assert_array_equal(signs[2] & ~signs[0], signs[3] & ~signs[1], text)
        np.testing.assert_array_equal(after, before, text)


SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(SLOW, max_examples=150)
@given(st.randoms(use_true_random=False))
def test_exact_patterns_keep_all_bits(draw: random.Random) -> None:
    check(draw, True, [Simplify()])


@settings(SLOW, max_examples=150)
@given(st.randoms(use_true_random=False))
def test_all_patterns_keep_whole_numbers(draw: random.Random) -> None:
    check(draw, False, [Simplify(inexact=True)])


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("special", [True, False])
def test_many_programs(seed: int, special: bool) -> None:
    draw = random.Random(seed)
    for _ in range(100):
        check(draw, special, ["cse", Simplify(inexact=not special), "cse"])
