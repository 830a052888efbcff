"""What the patterns of ``simplify`` ask about operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from ml_dtypes import finfo

from mycc.dialects import ops, types
from mycc.dialects.mlir import hlo, ir
from mycc.passes.pattern import NoMatch, Op

__all__ = [
    "BROADCAST",
    "COMPARISONS",
    "CONSTANT",
    "FOLDS",
    "RESHAPE",
    "TRANSPOSE",
    "array_of",
    "direction",
    "dot_numbers",
    "dot_numbers_attribute",
    "dtype_of",
    "filled",
    "folding",
    "integer",
    "ints",
    "is_float",
    "is_identity",
    "is_lossless",
    "is_total",
    "reduction",
    "same_number",
    "splat_of",
    "splat_operand",
]

CONSTANT = "stablehlo.constant"
BROADCAST = "stablehlo.broadcast_in_dim"
RESHAPE = "stablehlo.reshape"
TRANSPOSE = "stablehlo.transpose"

Number = bool | int | float
Dims = tuple[int, ...]


def dtype_of(type_: ir.Type) -> np.dtype[Any]:
    """The NumPy dtype of a type's elements; quantized and other types of which there is none do not match."""
    try:
        return types.dtype_of(type_)
    except (KeyError, AttributeError):
        raise NoMatch from None


@lru_cache(maxsize=4096)
def _splat(attribute: ir.Attribute) -> Number | None:
    # A resource, or complex elements, which the bindings cannot read.
    if not isinstance(attribute, ir.DenseElementsAttr) or not attribute.is_splat:
        return None
    scalar: Any = attribute.get_splat_value()
    value: Number = scalar.value
    return value


def _value(constant: Op) -> Any:
    try:
        return constant.attribute("value")
    except TypeError:  # jaxlib <= 0.12 has no class for dense complex elements
        return None


def splat_of(op: Op | None) -> Number | None:
    """The number that all elements of a constant are; None for anything else."""
    if op is None or op.name != CONSTANT:
        return None
    if op.note is None:
        op.note = (_splat(_value(op)),)
    number: Number | None = op.note[0]
    return number


def splat_operand(op: Op, index: int) -> Number | None:
    """The number that all elements of a constant operand are; None for anything else."""
    return splat_of(op.producer(index, CONSTANT))


_MAX_CACHED = 4096
_splat_attributes: dict[tuple[ir.Type, str], ir.Attribute] = {}


def filled(op: Op, number: Any) -> ir.Value:
    """Builds a constant of the type of an operation's result, all elements one number."""
    op.shape  # noqa: B018 - a dynamic shape ends the match here
    type_ = op.type
    # repr tells 0.0 from -0.0, and the type tells 1 from True.
    key = (type_, repr(number))
    value = _splat_attributes.get(key)
    if value is None:
        if len(_splat_attributes) >= _MAX_CACHED:
            _splat_attributes.clear()
        value = _splat_attributes[key] = ops.splat(type_, number)
    return ir.Operation.create(CONSTANT, [type_], [], {"value": value}).result


def same_number(a: Number | None, b: Number | None) -> bool:
    """Whether two numbers are known and the same, the sign of a zero included."""
    return a is not None and b is not None and a == b and math.copysign(1, a) == math.copysign(1, b)


def array_of(op: Op | None, limit: int) -> np.ndarray[Any, Any] | None:
    """The elements of a constant of at most ``limit`` elements; None for anything else."""
    if op is None or op.name != CONSTANT or math.prod(op.shape) > limit:
        return None
    attribute = _value(op)
    if not isinstance(attribute, ir.DenseElementsAttr):
        return None
    try:
        return np.array(attribute)
    except TypeError:  # bfloat16 and the float8 types have no buffer format
        return None


def ints(op: Op, name: str) -> Dims:
    """An ``array<i64>`` attribute of an operation; () where it has none."""
    attribute = op.attribute(name)
    return () if attribute is None else ops.ints_of(attribute)


def integer(op: Op, name: str) -> int:
    """An integer attribute of an operation."""
    return int(op.attribute(name).value)


@lru_cache(maxsize=1024)
def _dot_numbers(attribute: ir.Attribute) -> tuple[Dims, Dims, Dims, Dims]:
    numbers = hlo.DotDimensionNumbers(attribute)
    return (
        tuple(numbers.lhs_batching_dimensions),
        tuple(numbers.rhs_batching_dimensions),
        tuple(numbers.lhs_contracting_dimensions),
        tuple(numbers.rhs_contracting_dimensions),
    )


def dot_numbers(op: Op) -> tuple[Dims, Dims, Dims, Dims]:
    """Batching dimensions of both operands, then contracting dimensions of both, of a dot_general."""
    return _dot_numbers(op.attribute("dot_dimension_numbers"))


@lru_cache(maxsize=1024)
def dot_numbers_attribute(x_batch: Dims, y_batch: Dims, x_sum: Dims, y_sum: Dims) -> ir.Attribute:
    """The attribute of these dimension numbers, in the order of :func:`dot_numbers`."""
    return ops.dot_attributes((x_sum, y_sum), (x_batch, y_batch), None, None)["dot_dimension_numbers"]


def direction(op: Op) -> str:
    """The direction of a compare: EQ, NE, LT, LE, GT or GE."""
    return str(hlo.ComparisonDirectionAttr(op.attribute("comparison_direction")).value)


def is_total(op: Op) -> bool:
    """Whether a compare orders all floats, NaN and both zeros too."""
    kind = op.attribute("compare_type")
    return kind is not None and bool(kind == ops.TOTAL_ORDER)


def is_float(value: ir.Value) -> bool:
    """Whether the elements are floats or complex, so that integers' identities may not hold."""
    return not isinstance(value.type.element_type, ir.IntegerType)


def is_identity(dims: Dims) -> bool:
    """Whether dims is 0, 1, 2, ..."""
    return dims == tuple(range(len(dims)))


_REDUCTIONS = frozenset(f"stablehlo.{n}" for n in ("add", "multiply", "maximum", "minimum", "and", "or"))


COMPARISONS: Mapping[str, Callable[..., Any]] = {
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
}
"""What NumPy calls the direction of a compare."""

FOLDS: Mapping[str, Callable[[ir.Value, ir.Value], ir.Value]] = {
    "add": ops.add,
    "multiply": ops.mul,
    "maximum": ops.max_,
    "minimum": ops.min_,
    "and": ops.and_,
    "or": ops.or_,
}
"""What builds the operation of a :func:`folding`."""


def folding(op: Op) -> str | None:
    """The operation that a reduce of one value folds with.

    Returns:
        ``add``, ``multiply``, ``maximum``, ``minimum``, ``and``, ``or``; None for any other reduce.
    """
    if len(op.operands) != 2:
        return None
    block = op.op.regions[0].blocks[0]
    body = list(block.operations)
    if len(body) != 2 or body[0].name not in _REDUCTIONS:
        return None
    x, y = block.arguments
    inner, end = body[0].operation, body[1].operation
    if set(inner.operands) != {x, y} or end.operands[0] != inner.results[0]:
        return None
    return str(inner.name).removeprefix("stablehlo.")


def reduction(op: Op) -> str | None:
    """The operation that a reduce folds with, as of `folding`, if its initial value is the identity of it."""
    name = folding(op)
    if name is None:
        return None
    initial = splat_operand(op, 1)
    return name if initial is not None and initial == _identity(name, op.operand(1)) else None


def _identity(name: str, value: ir.Value) -> Number:
    dtype = dtype_of(value.type)
    if name in ("add", "or"):
        return 0
    if name == "multiply":
        return 1
    if name == "and":
        return True if dtype == np.bool_ else -1
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return int(info.min if name == "maximum" else info.max)
    if dtype == np.bool_:
        return name == "minimum"
    return -math.inf if name == "maximum" else math.inf


def is_lossless(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
    """Whether every value of one dtype is a value of the other."""
    if source == target or source == np.bool_:
        return True
    if target == np.bool_:
        return False
    integers = "iu"
    if source.kind in integers and target.kind in integers:
        a, b = np.iinfo(source), np.iinfo(target)
        return b.min <= a.min and a.max <= b.max
    if target.kind in integers:
        return False
    mantissa, exponent = _float_format(target)
    if source.kind in integers:
        bits = np.iinfo(source).bits - (source.kind == "i")
        return bits <= mantissa + 1 and bits < 2 ** (exponent - 1)
    m, e = _float_format(source)
    return m <= mantissa and e <= exponent and source.itemsize < target.itemsize


def _float_format(dtype: np.dtype[Any]) -> tuple[int, int]:
    info: Any = finfo(dtype)
    return int(info.nmant), int(info.nexp)
