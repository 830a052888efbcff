"""Operations on constants.

Only what every backend computes to the same bit is folded: arithmetic that IEEE 754 rounds correctly,
never exp or sin. Results live in the MLIR context for ever, so only splats and small arrays are built.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mycc.dialects import ops
from mycc.passes.pattern import Op, Pattern, Rewriter
from mycc.passes.simplify.match import (
    BROADCAST,
    COMPARISONS,
    CONSTANT,
    RESHAPE,
    TRANSPOSE,
    array_of,
    direction,
    dtype_of,
    filled,
    integer,
    ints,
    is_total,
    same_number,
    splat_of,
    splat_operand,
)

__all__ = ["PATTERNS"]

# Larger constants are left to XLA, which folds them without leaving a copy in the context.
_MAX_ELEMENTS = 4096

_UNARY: Mapping[str, Callable[..., Any]] = {
    "stablehlo.negate": np.negative,
    "stablehlo.abs": np.abs,
    "stablehlo.floor": np.floor,
    "stablehlo.ceil": np.ceil,
    "stablehlo.not": np.invert,
}
_BINARY: Mapping[str, Callable[..., Any]] = {
    "stablehlo.add": np.add,
    "stablehlo.subtract": np.subtract,
    "stablehlo.multiply": np.multiply,
    "stablehlo.divide": np.divide,
    "stablehlo.maximum": lambda x, y: _signed(np.maximum, x, y, 1),
    "stablehlo.minimum": lambda x, y: _signed(np.minimum, x, y, -1),
    "stablehlo.and": np.bitwise_and,
    "stablehlo.or": np.bitwise_or,
    "stablehlo.xor": np.bitwise_xor,
}
_FLOAT_ONLY = frozenset({"stablehlo.divide", "stablehlo.floor", "stablehlo.ceil"})


def _signed(extreme: Callable[..., Any], x: Any, y: Any, sign: int) -> Any:
    """The maximum, or by sign -1 the minimum, where a negative zero is less than a positive one."""
    value = extreme(x, y)
    if x.dtype.kind in "biu":
        return value
    zeros = (x == 0) & (y == 0)
    return np.where(zeros, sign * (sign * x + sign * y), value).astype(x.dtype)


class ArithmeticOnSplats(Pattern):
    """Arithmetic, logic and comparison of constants with all elements equal."""

    op_names = (*_UNARY, *_BINARY, "stablehlo.compare")
    producers = (CONSTANT,)
    producers_define = "all"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        numbers = []
        for index in range(len(op.operands)):
            number = splat_operand(op, index)
            if number is None:
                return False
            numbers.append(number)
        dtype = dtype_of(op.operand(0).type)
        # Integers have a pattern of their own.
        if op.name in _FLOAT_ONLY and dtype.kind in "iub":
            return False
        arrays = [np.asarray(n).astype(dtype) for n in numbers]
        with np.errstate(all="ignore"):
            value = self._compute(op, arrays)
        return value is not None and rewriter.replace(op, lambda: filled(op, value))

    @staticmethod
    def _compute(op: Op, arrays: list[np.ndarray[Any, Any]]) -> Any:
        if op.name == "stablehlo.compare":
            return None if is_total(op) else COMPARISONS[direction(op)](*arrays)
        if arrays[0].dtype == np.bool_ and op.name not in (
            "stablehlo.and", "stablehlo.or", "stablehlo.xor", "stablehlo.not"
        ):  # fmt: skip
            return None
        return (_UNARY.get(op.name) or _BINARY[op.name])(*arrays)


class DivisionOfIntegers(Pattern):
    """Division and remainder of constant integers, as backends compute them where the divisor is 0 or -1.

    XLA ends the process (SIGFPE) when it comes to fold a division by zero itself.
    """

    op_names = ("stablehlo.divide", "stablehlo.remainder")
    producers = (CONSTANT,)
    producers_define = "all"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        dtype = dtype_of(op.type)
        if dtype.kind not in "iu":
            return False
        numbers = splat_operand(op, 0), splat_operand(op, 1)
        splat = None not in numbers
        x, y = (
            np.asarray(number).astype(dtype) if splat else array_of(op.producer(index), _MAX_ELEMENTS)
            for index, number in enumerate(numbers)
        )
        if x is None or y is None:
            return False
        # By -1 the lowest number overflows, and NumPy divides towards minus infinity.
        usual = (y != 0) & (y != -1)
        divisor = np.where(usual, y, 1).astype(dtype)
        rest = np.fmod(x, divisor)
        if op.name == "stablehlo.remainder":
            value = np.where(y == 0, x, rest)
        else:
            with np.errstate(over="ignore"):
                value = np.where(usual, (x - rest) // divisor, np.where(y == 0, np.invert(y), np.negative(x)))
        return rewriter.replace(
            op, lambda: filled(op, value.item()) if splat else ops.constant(value.astype(dtype))
        )


class ConvertOfSplat(Pattern):
    """A conversion of a constant with all elements equal."""

    op_names = ("stablehlo.convert",)
    producers = (CONSTANT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number = splat_operand(op, 0)
        if number is None:
            return False
        source, target = dtype_of(op.operand(0).type), dtype_of(op.type)
        # NaN, infinities and overflow become integers in each backend's own way.
        if target.kind in "iu" and source.kind not in "iub" and not _fits(number, target):
            return False
        value = np.asarray(number).astype(source).astype(target)
        return rewriter.replace(op, lambda: filled(op, value))


class ShapeOfSplat(Pattern):
    """A constant with all elements equal is as well built in its final shape."""

    op_names = (
        BROADCAST,
        CONSTANT,
        RESHAPE,
        TRANSPOSE,
        "stablehlo.slice",
        "stablehlo.reverse",
        "stablehlo.dynamic_slice",
    )
    producers = (CONSTANT,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number = splat_operand(op, 0)
        return number is not None and rewriter.replace(op, lambda: filled(op, number))


class PadOfSplat(Pattern):
    """Padding a constant with its own number gives a larger constant."""

    op_names = ("stablehlo.pad",)
    producers = (CONSTANT,)
    producers_define = "all"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number = splat_operand(op, 0)
        if number is None or not same_number(number, splat_operand(op, 1)):
            return False
        return rewriter.replace(op, lambda: filled(op, number))


class ConcatenateOfSplats(Pattern):
    """Joining constants with one number in all of them gives a larger constant."""

    op_names = ("stablehlo.concatenate",)
    producers = (CONSTANT,)
    producers_define = "all"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        number = splat_operand(op, 0)
        if number is None:
            return False
        if not all(same_number(number, splat_operand(op, i)) for i in range(1, len(op.operands))):
            return False
        return rewriter.replace(op, lambda: filled(op, number))


class ShapeOfConstant(Pattern):
    """A reshaped, transposed, sliced or reversed constant of few elements is built in its final shape."""

    op_names = (RESHAPE, TRANSPOSE, "stablehlo.slice", "stablehlo.reverse")
    producers = (CONSTANT,)
    producers_define = "first"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        source = op.producer(0)
        if source is None or splat_of(source) is not None:
            return False
        array = array_of(source, _MAX_ELEMENTS)
        if array is None or dtype_of(op.type) != array.dtype:
            return False
        if op.name == RESHAPE:
            value = array.reshape(op.shape)
        elif op.name == TRANSPOSE:
            value = array.transpose(ints(op, "permutation"))
        elif op.name == "stablehlo.reverse":
            value = np.flip(array, ints(op, "dimensions"))
        else:
            bounds = (ints(op, f"{name}_indices") for name in ("start", "limit"))
            value = array[tuple(map(slice, *bounds, ints(op, "strides")))]
        return rewriter.replace(op, lambda: ops.constant(np.ascontiguousarray(value).reshape(op.shape)))


class OperationOnConstants(Pattern):
    """Arithmetic, logic, comparison, choice, conversion and joining of constants of few elements."""

    op_names = (
        *_UNARY,
        *_BINARY,
        "stablehlo.compare",
        "stablehlo.select",
        "stablehlo.convert",
        "stablehlo.concatenate",
    )
    producers = (CONSTANT,)
    producers_define = "all"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        if math.prod(op.shape) > _MAX_FOLDED:
            return False
        arrays = []
        for index in range(len(op.operands)):
            array = array_of(op.producer(index), _MAX_FOLDED)
            if array is None:
                return False
            arrays.append(array)
        target = dtype_of(op.type)
        with np.errstate(all="ignore"):
            value = self._compute(op, arrays, target)
        if value is None or value.dtype != target or value.shape != op.shape:
            return False
        return rewriter.replace(op, lambda: ops.constant(value))

    @staticmethod
    def _compute(op: Op, arrays: list[np.ndarray[Any, Any]], target: np.dtype[Any]) -> Any:
        name, x = op.name, arrays[0]
        if name == "stablehlo.select":
            return np.where(*arrays)
        if name == "stablehlo.concatenate":
            return np.concatenate(arrays, integer(op, "dimension"))
        if "c" in (x.dtype.kind, target.kind):
            return None
        if name == "stablehlo.convert":
            # NaN, infinities and overflow become integers in each backend's own way.
            if (
                target.kind in "iu"
                and x.dtype.kind not in "iub"
                and not all(_fits(n, target) for n in x.flat)
            ):
                return None
            return x.astype(target)
        if name in _FLOAT_ONLY and x.dtype.kind in "iub":
            return None
        return ArithmeticOnSplats._compute(op, arrays)


# The results stay in memory for ever, as many of them as there are programs.
_MAX_FOLDED = 1024


def _fits(number: float, dtype: np.dtype[Any]) -> bool:
    info = np.iinfo(dtype)
    return math.isfinite(number) and bool(info.min <= math.trunc(float(number)) <= info.max)


PATTERNS: tuple[Pattern, ...] = (
    ArithmeticOnSplats(),
    DivisionOfIntegers(),
    ConvertOfSplat(),
    ShapeOfSplat(),
    PadOfSplat(),
    ConcatenateOfSplats(),
    ShapeOfConstant(),
    OperationOnConstants(),
)
