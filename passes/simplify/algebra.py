"""Identities of arithmetic and logic.

All are exact in floating point, the bits of a NaN aside, but for those that say in what they differ: XLA's own
simplifier neglects the sign of a zero (``-0.0 + 0.0``) too, and the last bits of powers by small constants.
"""

from __future__ import annotations

import math

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.passes.pattern import Op, Pattern, Rewriter
from mycc.passes.simplify.match import CONSTANT, direction, filled, is_float, splat_of, splat_operand

__all__ = ["PATTERNS"]

_NEGATE = "stablehlo.negate"
_NOT = "stablehlo.not"

_RIGHT_IDENTITY: dict[str, tuple[float, ...]] = {
    "stablehlo.add": (0,),
    "stablehlo.subtract": (0,),
    "stablehlo.multiply": (1,),
    "stablehlo.divide": (1,),
    "stablehlo.power": (1,),
    "stablehlo.and": (-1,),
    "stablehlo.or": (0,),
    "stablehlo.xor": (0,),
    "stablehlo.maximum": (-math.inf,),
    "stablehlo.minimum": (math.inf,),
    "stablehlo.shift_left": (0,),
    "stablehlo.shift_right_arithmetic": (0,),
    "stablehlo.shift_right_logical": (0,),
}
_SUMS = ("stablehlo.add", "stablehlo.subtract")
_COMMUTATIVE = frozenset(
    f"stablehlo.{n}" for n in ("add", "multiply", "and", "or", "xor", "maximum", "minimum")
)


def _is_identity(name: str, number: float | None) -> bool:
    if number is None:
        return False
    # `True` is the all-ones of one bit, and multiplying booleans is `and`.
    if name == "stablehlo.and" and number is True:
        return True
    return number in _RIGHT_IDENTITY[name]


class IdentityElement(Pattern):
    """x - 0, x * 1, x / 1, x and true, max(x, -inf), ... are x, and so is x + 0 for integers."""

    op_names = tuple(_RIGHT_IDENTITY)
    producers = (CONSTANT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        if _is_identity(op.name, splat_operand(op, 1)):
            kept = 0
        elif op.name in _COMMUTATIVE and _is_identity(op.name, splat_operand(op, 0)):
            kept = 1
        else:
            return False
        if op.name in _SUMS and _may_lose_sign(op):
            return False
        return rewriter.replace(op, op.operand(kept))


class SumWithZero(Pattern):
    """x + 0.0 is x, unless x is -0.0."""

    op_names = _SUMS
    producers = (CONSTANT,)
    differs = "the sign of a zero"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        for index in (1, 0) if op.name == "stablehlo.add" else (1,):
            if splat_operand(op, index) == 0:
                return rewriter.replace(op, op.operand(1 - index))
        return False


def _may_lose_sign(op: Op) -> bool:
    """Whether a zero that is added to floats, or subtracted, may change the sign of a zero."""
    if not is_float(op.result):
        return False
    lost = 1 if op.name == "stablehlo.add" else -1
    numbers = (splat_operand(op, 0), splat_operand(op, 1))
    return any(number == 0 and math.copysign(1, number) == lost for number in numbers if number is not None)


class AbsorbingElement(Pattern):
    """x * 0 and x and false are 0; x or true is true. Not for floats: inf * 0 is not 0."""

    op_names = ("stablehlo.multiply", "stablehlo.and", "stablehlo.or")
    producers = (CONSTANT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        for index in (0, 1):
            number = splat_operand(op, index)
            if number is None or is_float(op.result):
                continue
            absorbs = (number is True or number == -1) if op.name == "stablehlo.or" else number == 0
            if absorbs:
                return rewriter.replace(op, op.operand(index))
        return False


class Involution(Pattern):
    """-(-x) and not not x are x."""

    op_names = (_NEGATE, _NOT)
    producers = (
        _NEGATE,
        _NOT,
    )

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, op.name)
        return inner is not None and rewriter.replace(op, inner.operand(0))


class SumWithNegation(Pattern):
    """x + (-y) is x - y, (-x) + y is y - x, x - (-y) is x + y."""

    op_names = ("stablehlo.add", "stablehlo.subtract")
    producers = (_NEGATE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x, y = op.operands
        negated = op.producer(1, _NEGATE)
        if negated is not None:
            build = ops.sub if op.name == "stablehlo.add" else ops.add
            other = negated.operand(0)
            return rewriter.replace(op, lambda: build(x, other))
        negated = op.producer(0, _NEGATE) if op.name == "stablehlo.add" else None
        if negated is None:
            return False
        other = negated.operand(0)
        return rewriter.replace(op, lambda: ops.sub(y, other))


class ProductOfNegations(Pattern):
    """(-x) * (-y) is x * y, (-x) / (-y) is x / y."""

    op_names = ("stablehlo.multiply", "stablehlo.divide")
    producers = (_NEGATE,)
    producers_define = "all"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x, y = op.producer(0, _NEGATE), op.producer(1, _NEGATE)
        if x is None or y is None or (op.name == "stablehlo.divide" and not is_float(op.result)):
            return False
        build = ops.mul if op.name == "stablehlo.multiply" else ops.div
        return rewriter.replace(op, lambda: build(x.operand(0), y.operand(0)))


class ProductOfNegationAndConstant(Pattern):
    """(-x) * c is x * (-c)."""

    op_names = ("stablehlo.multiply",)
    producers = (_NEGATE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        for index in (0, 1):
            negated = op.producer(index, _NEGATE)
            number = splat_operand(op, 1 - index) if negated is not None else None
            if negated is None or number is None or not is_float(op.result):
                continue
            x = negated.operand(0)
            return rewriter.replace(op, lambda x=x, c=-number: ops.mul(x, ops.full_like(x, c)))  # type: ignore[misc]
        return False


class ProductWithMinusOne(Pattern):
    """x * (-1) and x / (-1) are -x."""

    op_names = ("stablehlo.multiply", "stablehlo.divide")
    producers = (CONSTANT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x, y = op.operands
        if splat_operand(op, 1) == -1:
            return rewriter.replace(op, lambda: ops.neg(x))
        if op.name == "stablehlo.multiply" and splat_operand(op, 0) == -1:
            return rewriter.replace(op, lambda: ops.neg(y))
        return False


class SameOperands(Pattern):
    """max(x, x), min(x, x), x and x, x or x are x; of integers x - x and x xor x are 0."""

    op_names = tuple(f"stablehlo.{n}" for n in ("maximum", "minimum", "and", "or", "subtract", "xor"))

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x, y = op.operands
        if x != y:
            return False
        if op.name not in ("stablehlo.subtract", "stablehlo.xor"):
            return rewriter.replace(op, x)
        # inf - inf is not 0.
        return not is_float(x) and rewriter.replace(op, lambda: filled(op, 0))


class CompareOfSame(Pattern):
    """x < x and x > x are false; of integers x == x, x <= x, x >= x are true and x != x is false."""

    op_names = ("stablehlo.compare",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x, y = op.operands
        if x != y:
            return False
        which = direction(op)
        # NaN is neither equal to itself nor ordered, so only strict orders are known for floats.
        if is_float(x) and which not in ("LT", "GT"):
            return False
        return rewriter.replace(op, lambda: filled(op, which in ("EQ", "LE", "GE")))


class SelectOfConstant(Pattern):
    """select(true, x, y) is x, select(p, x, x) is x, select(p, true, false) is p."""

    op_names = ("stablehlo.select",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        predicate, x, y = op.operands
        known = splat_operand(op, 0)
        if known is not None:
            return rewriter.replace(op, x if known else y)
        if x == y:
            return rewriter.replace(op, x)
        a, b = splat_operand(op, 1), splat_operand(op, 2)
        if a is None or b is None:
            return False
        if a is True and b is False and predicate.type == op.type:
            return rewriter.replace(op, predicate)
        if a is False and b is True and predicate.type == op.type:
            return rewriter.replace(op, lambda: ops.not_(predicate))
        # 0.0 == -0.0, but one is not the other.
        same = a == b and math.copysign(1, a) == math.copysign(1, b)
        return same and rewriter.replace(op, x)


class SelectOfNot(Pattern):
    """select(not p, x, y) is select(p, y, x)."""

    op_names = ("stablehlo.select",)
    producers = (_NOT,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        negated = op.producer(0, _NOT)
        if negated is None:
            return False
        _, x, y = op.operands
        return rewriter.replace(op, lambda: ops.select(negated.operand(0), y, x))


class PowerOfHalves(Pattern):
    """x ** 1.5 is x * sqrt(x), x ** -1.5 is the same of 1 / x, and so on, and x ** -2 is (1 / x) squared.

    The result may differ in its last bits: each factor is rounded. XLA does the same for the exponents 0.5, -0.5,
    2 and 3; its general power is a call for each element. Its rsqrt is no better factor: on some processors it is
    an estimate, and slower than a division and a root.
    """

    op_names = ("stablehlo.power",)
    producers = (CONSTANT,)
    differs = "the last bits"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        exponent = splat_operand(op, 1)
        if exponent is None or not _is_real(op) or 2 * exponent != round(2 * exponent):
            return False
        if not 1 < abs(exponent) <= _MAX_POWER:
            return False
        x = op.operand(0)
        whole, half = divmod(abs(exponent), 1)

        def build() -> ir.Value:
            base = x if exponent > 0 else ops.div(ops.full_like(x, 1), x)
            product = _powers(base, int(whole))
            if half:
                product = ops.mul(product, ops.sqrt(base))
            if not half or exponent > 0:
                return product
            # The reciprocal of a negative zero has no root, and the power of it is positive.
            zero = ops.compare("EQ", x, ops.full_like(x, 0))
            return ops.select(zero, ops.full_like(x, math.inf), product)

        return rewriter.replace(op, build)


# Beyond it errors add up to more than a few units in the last place.
_MAX_POWER = 3


def _powers(x: ir.Value, exponent: int) -> ir.Value:
    square = ops.mul(x, x) if exponent > 1 else x
    return ops.mul(square, x) if exponent > 2 else square


def _is_real(op: Op) -> bool:
    return isinstance(op.type.element_type, ir.F32Type | ir.F64Type)


class AbsOfNegation(Pattern):
    """abs(-x) and abs(abs(x)) are abs(x)."""

    op_names = ("stablehlo.abs",)
    producers = (
        "stablehlo.abs",
        _NEGATE,
    )

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0)
        if inner is None:
            return False
        if inner.name == "stablehlo.abs":
            return rewriter.replace(op, inner.result)
        return inner.name == _NEGATE and rewriter.replace(op, lambda: ops.abs_(inner.operand(0)))


class PartOfComplex(Pattern):
    """real(complex(x, y)) is x, imag(complex(x, y)) is y."""

    op_names = ("stablehlo.real", "stablehlo.imag")
    producers = ("stablehlo.complex",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, "stablehlo.complex")
        if inner is None:
            return False
        return rewriter.replace(op, inner.operand(0 if op.name == "stablehlo.real" else 1))


class ComplexOfParts(Pattern):
    """complex(real(z), imag(z)) is z."""

    op_names = ("stablehlo.complex",)
    producers = ("stablehlo.real", "stablehlo.imag")
    producers_define = "all"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        x, y = op.producer(0, "stablehlo.real"), op.producer(1, "stablehlo.imag")
        if x is None or y is None or x.operand(0) != y.operand(0):
            return False
        return rewriter.replace(op, x.operand(0))


class ComparisonWithBoolean(Pattern):
    """p != false and p == true are p; p == false and p != true are not p."""

    op_names = ("stablehlo.compare",)
    producers = (CONSTANT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number = splat_of(op.producer(1))
        if number is not True and number is not False:
            return False
        which = direction(op)
        if which not in ("EQ", "NE"):
            return False
        x = op.operand(0)
        if (which == "EQ") == number:
            return rewriter.replace(op, x)
        return rewriter.replace(op, lambda: ops.not_(x))


PATTERNS: tuple[Pattern, ...] = (
    IdentityElement(),
    SumWithZero(),
    AbsorbingElement(),
    Involution(),
    SumWithNegation(),
    ProductOfNegations(),
    ProductOfNegationAndConstant(),
    ProductWithMinusOne(),
    SameOperands(),
    CompareOfSame(),
    ComparisonWithBoolean(),
    SelectOfConstant(),
    SelectOfNot(),
    PowerOfHalves(),
    AbsOfNegation(),
    PartOfComplex(),
    ComplexOfParts(),
)
