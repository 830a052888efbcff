"""Booleans, comparisons and integers: what is decided, or said twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.bounds import interval
from mycc.dialects.rules.trips import counted
from mycc.passes.pattern import Op, Pattern, Rewriter, has_one_use
from mycc.passes.simplify.match import (
    BROADCAST,
    COMPARISONS,
    CONSTANT,
    RESHAPE,
    direction,
    dtype_of,
    filled,
    is_float,
    is_total,
    splat_operand,
)

__all__ = ["PATTERNS"]

_SELECT = "stablehlo.select"
_COMPARE = "stablehlo.compare"
_CONVERT = "stablehlo.convert"
# What may make integers of which it is known how large they are; "" is an argument, as of a loop's body.
_BOUNDED = frozenset(
    f"stablehlo.{n}" for n in ("clamp", "concatenate", "convert", "iota", "maximum", "minimum", "select")
) | {""}
_OPPOSITE = {"EQ": "NE", "NE": "EQ", "LT": "GE", "GE": "LT", "LE": "GT", "GT": "LE"}


class NotOfCompare(Pattern):
    """not (x == y) is x != y; of integers not (x < y) is x >= y, too."""

    op_names = ("stablehlo.not",)
    producers = (_COMPARE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _COMPARE)
        if inner is None or not has_one_use(inner.result):
            return False
        which = direction(inner)
        x, y = inner.operands
        # NaN is neither less nor not less.
        if is_float(x) and which not in ("EQ", "NE"):
            return False
        if is_total(inner):
            return False
        return rewriter.replace(op, lambda: ops.compare(_OPPOSITE[which], x, y))


class SelectOfSelect(Pattern):
    """select(p, select(p, x, y), z) is select(p, x, z), and so on the other side."""

    op_names = (_SELECT,)
    producers = (_SELECT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        for index in (1, 2):
            inner = op.producer(index, _SELECT)
            if inner is not None and inner.operand(0) == op.operand(0):
                return rewriter.update(op, {index: inner.operand(index)})
        return False


class SelectOfBooleans(Pattern):
    """Of booleans select(p, true, q) is p or q, select(p, q, false) is p and q."""

    op_names = (_SELECT,)
    producers = (CONSTANT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        p, x, y = op.operands
        if op.type.element_type != ops.BOOL or p.type != op.type:
            return False
        if splat_operand(op, 1) is True:
            return rewriter.replace(op, lambda: ops.or_(p, y))
        if splat_operand(op, 2) is False:
            return rewriter.replace(op, lambda: ops.and_(p, x))
        return False


class ConstantOfConstant(Pattern):
    """(x + a) + b is x + (a + b) for integers, and so are the products, maxima, minima and bits of any."""

    op_names = tuple(f"stablehlo.{n}" for n in ("add", "multiply", "maximum", "minimum", "and", "or", "xor"))
    producers = (CONSTANT,)

    def may_match(self, name: str, producers: tuple[str, ...]) -> bool:
        return {CONSTANT, name} <= set(producers)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        # Sums and products of floats are rounded twice.
        if is_float(op.result) and op.name not in ("stablehlo.maximum", "stablehlo.minimum"):
            return False
        for index in (0, 1):
            if splat_operand(op, index) is None:
                continue
            inner = op.producer(1 - index, op.name)
            if inner is None:
                continue
            for side in (0, 1):
                if splat_operand(inner, side) is None:
                    continue
                a, b, x = inner.operand(side), op.operand(index), inner.operand(1 - side)
                build: Any = lambda x=x, a=a, b=b: _same(op, x, _same(op, a, b))  # noqa: E731
                return rewriter.replace(op, build)
        return False


class CompareOfConvertedBoolean(Pattern):
    """A boolean made a number and compared with one is the boolean, its opposite, or known."""

    op_names = (_COMPARE,)
    producers = (_CONVERT,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner, number = op.producer(0, _CONVERT), splat_operand(op, 1)
        if inner is None or number is None or is_total(op):
            return False
        p = inner.operand(0)
        if p.type.element_type != ops.BOOL:
            return False
        answers = [COMPARISONS[direction(op)](value, number) for value in (0, 1)]
        if answers[0] == answers[1]:
            return rewriter.replace(op, lambda: filled(op, bool(answers[0])))
        return rewriter.replace(op, (lambda: ops.not_(p)) if answers[0] else p)


class DecidedCompare(Pattern):
    """A comparison of integers with a constant that they never reach, as of a loop's counter with zero, is known."""

    op_names = (_COMPARE,)

    def may_match(self, name: str, producers: tuple[str, ...]) -> bool:
        return CONSTANT in producers and not set(producers).isdisjoint(_BOUNDED)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        if is_float(op.operand(0)):
            return False
        (low, high), (low1, high1) = (_interval(op, index) for index in (0, 1))
        corners = [(x, y) for x in (low, high) for y in (low1, high1)]
        which = direction(op)
        if which in ("EQ", "NE"):
            if low == high == low1 == high1:
                answers = {which == "EQ"}
            elif high < low1 or high1 < low:
                answers = {which == "NE"}
            else:
                return False
        else:
            answers = {bool(COMPARISONS[which](x, y)) for x, y in corners}
        return len(answers) == 1 and rewriter.replace(op, lambda: filled(op, answers.pop()))


class ClampOfInside(Pattern):
    """Integers that lie between two constants need not be moved there."""

    op_names = ("stablehlo.clamp",)

    def may_match(self, name: str, producers: tuple[str, ...]) -> bool:
        return producers[0] == producers[2] == CONSTANT and producers[1] in (*_BOUNDED, RESHAPE)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        least, most = splat_operand(op, 0), splat_operand(op, 2)
        if least is None or most is None or is_float(op.result):
            return False
        low, high = _interval(op, 1)
        return least <= low and high <= most and rewriter.replace(op, op.operand(1))


def _interval(op: Op, index: int) -> tuple[int, int]:
    """Inclusive bounds of an operand's elements."""
    number = splat_operand(op, index)
    if number is not None:
        return int(number), int(number)
    value, producer = op.operand(index), op.producer(index)
    while producer is not None and producer.name in (BROADCAST, RESHAPE):
        value, producer = producer.operand(0), producer.producer(0)
    if isinstance(value, ir.BlockArgument):
        loop = value.owner.owner
        if loop.name == "stablehlo.while" and value.owner == loop.regions[1].blocks[0]:
            count = counted(loop.operation)
            if count is not None and count.position == value.arg_number:
                ends = count.start, count.start + max(0, count.trips - 1) * count.step
                return min(ends), max(ends)
        return _widest(value)
    return interval(value)


def _widest(value: ir.Value) -> tuple[int, int]:
    type_ = value.type.element_type
    bits = type_.width
    if bits == 1 or type_.is_unsigned:
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


class DivisionByPowerOfTwo(Pattern):
    """x / 4 is x * 0.25: the reciprocal of a power of two is exact. XLA never computes a division twice."""

    op_names = ("stablehlo.divide",)
    producers = (CONSTANT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number = splat_operand(op, 1)
        if not number or not isinstance(op.type.element_type, ir.F32Type | ir.F64Type):
            return False
        # Far from where reciprocals are subnormal.
        if abs(np.frexp(number)[0]) != 0.5 or not 2.0**-64 <= abs(number) <= 2.0**64:
            return False
        x = op.operand(0)
        return rewriter.replace(op, lambda: ops.mul(x, ops.full_like(x, 1 / number)))


class PowerOfIntegers(Pattern):
    """x ** 0 is 1, and of integers x ** n is a product of squares."""

    op_names = ("stablehlo.power",)
    producers = (CONSTANT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number = splat_operand(op, 1)
        if number is None or dtype_of(op.type).kind not in "iuf":
            return False
        x = op.operand(0)
        if number == 0:
            return rewriter.replace(op, lambda: ops.full_like(x, 1))
        if is_float(x) or not 2 <= number <= _MAX_POWER:
            return False
        return rewriter.replace(op, lambda: _power(x, int(number)))


_MAX_POWER = 64


def _power(x: ir.Value, exponent: int) -> ir.Value:
    if exponent == 1:
        return x
    half = _power(x, exponent // 2)
    square = ops.mul(half, half)
    return ops.mul(square, x) if exponent % 2 else square


def _same(op: Op, x: ir.Value, y: ir.Value) -> ir.Value:
    return ir.Operation.create(op.name, [op.type], [x, y]).result


PATTERNS: tuple[Pattern, ...] = (
    NotOfCompare(),
    SelectOfSelect(),
    SelectOfBooleans(),
    ConstantOfConstant(),
    CompareOfConvertedBoolean(),
    DecidedCompare(),
    ClampOfInside(),
    DivisionByPowerOfTwo(),
    PowerOfIntegers(),
)
