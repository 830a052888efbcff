"""The op-building vocabulary that the tracer and the rules share.

Each function builds one operation at the ambient insertion point and location (MLIR's own thread-local
``with location, insertion_point:``) and returns its result. Operands are ``ir.Value`` of equal shape unless
said otherwise; nothing here broadcasts or converts implicitly, as in StableHLO itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import copysign
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import dtype_of, element_type, shape_of, tensor

Value: TypeAlias = ir.Value
Type: TypeAlias = ir.Type
Dims = Sequence[int]

create = ir.Operation.create
"""Build any operation: ``create(name, result_types, operands, attributes, regions=n)``."""
_create = create

with context:
    BOOL = ir.IntegerType.get_signless(1)
    I32 = ir.IntegerType.get_signless(32)
    _DIRECTIONS = {d: hlo.ComparisonDirectionAttr.get(d) for d in ("EQ", "NE", "LT", "LE", "GT", "GE")}
    TOTAL_ORDER = hlo.ComparisonTypeAttr.get("TOTALORDER")
    _UNIT = ir.UnitAttr.get()
    _TRUE, _FALSE = ir.BoolAttr.get(True), ir.BoolAttr.get(False)

_I64_ARRAYS: dict[tuple[int, ...], ir.Attribute] = {}


def i64_array(values: Dims) -> ir.Attribute:
    """An ``array<i64: ...>`` attribute."""
    key = tuple(values)
    found = _I64_ARRAYS.get(key)
    if found is None:
        found = _I64_ARRAYS[key] = ir.DenseI64ArrayAttr.get([int(v) for v in key], context=context)
    return found


@lru_cache(maxsize=4096)
def ints_of(attribute: Any) -> tuple[int, ...]:
    """The integers of an ``array<i64: ...>`` attribute."""
    return tuple(attribute)


def i64(value: int) -> ir.Attribute:
    """An ``i64`` attribute."""
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64, context=context), value)


def boolean(value: bool) -> ir.Attribute:
    """A boolean attribute."""
    return _TRUE if value else _FALSE


def element_of(value: Value) -> Type:
    """The element type of a tensor value."""
    return value.type.element_type


def with_element(type_: Type, element: Type) -> Type:
    """The tensor type of the same shape with another element type."""
    return tensor(tuple(type_.shape), element)


# ---- Pointwise -----------------------------------------------------------------------------------


def unary(name: str) -> Callable[[Value], Value]:
    """A builder of a pointwise operation whose result has its operand's type."""

    def build(x: Value) -> Value:
        return _create(name, [x.type], [x]).result

    return build


def binary(name: str) -> Callable[[Value, Value], Value]:
    """A builder of a pointwise operation of two operands and a result of one type."""

    def build(x: Value, y: Value) -> Value:
        return _create(name, [x.type], [x, y]).result

    return build


add = binary("stablehlo.add")
and_ = binary("stablehlo.and")
atan2 = binary("stablehlo.atan2")
cbrt = unary("stablehlo.cbrt")
ceil = unary("stablehlo.ceil")
clz = unary("stablehlo.count_leading_zeros")
cos = unary("stablehlo.cosine")
div = binary("stablehlo.divide")
exp = unary("stablehlo.exponential")
expm1 = unary("stablehlo.exponential_minus_one")
floor = unary("stablehlo.floor")
log = unary("stablehlo.log")
log1p = unary("stablehlo.log_plus_one")
logistic = unary("stablehlo.logistic")
max_ = binary("stablehlo.maximum")
min_ = binary("stablehlo.minimum")
mul = binary("stablehlo.multiply")
neg = unary("stablehlo.negate")
not_ = unary("stablehlo.not")
or_ = binary("stablehlo.or")
popcnt = unary("stablehlo.popcnt")
pow_ = binary("stablehlo.power")
rem = binary("stablehlo.remainder")
round_away = unary("stablehlo.round_nearest_afz")
round_even = unary("stablehlo.round_nearest_even")
rsqrt = unary("stablehlo.rsqrt")
shift_left = binary("stablehlo.shift_left")
shift_right_arithmetic = binary("stablehlo.shift_right_arithmetic")
shift_right_logical = binary("stablehlo.shift_right_logical")
sign = unary("stablehlo.sign")
sin = unary("stablehlo.sine")
sqrt = unary("stablehlo.sqrt")
sub = binary("stablehlo.subtract")
tan = unary("stablehlo.tan")
tanh = unary("stablehlo.tanh")
xor = binary("stablehlo.xor")

acos = unary("chlo.acos")
acosh = unary("chlo.acosh")
asin = unary("chlo.asin")
asinh = unary("chlo.asinh")
atan = unary("chlo.atan")
atanh = unary("chlo.atanh")
bessel_i1e = unary("chlo.bessel_i1e")
conj = unary("chlo.conj")
cosh = unary("chlo.cosh")
digamma = unary("chlo.digamma")
erf = unary("chlo.erf")
erf_inv = unary("chlo.erf_inv")
erfc = unary("chlo.erfc")
lgamma = unary("chlo.lgamma")
nextafter = binary("chlo.next_after")
polygamma = binary("chlo.polygamma")
sinh = unary("chlo.sinh")
square = unary("chlo.square")
zeta = binary("chlo.zeta")


def compare(direction: str, x: Value, y: Value, total_order: bool = False) -> Value:
    """``x <direction> y`` elementwise, where direction is EQ, NE, LT, LE, GT or GE."""
    attributes: dict[str, ir.Attribute] = {"comparison_direction": _DIRECTIONS[direction]}
    if total_order:
        attributes["compare_type"] = TOTAL_ORDER
    return _create("stablehlo.compare", [with_element(x.type, BOOL)], [x, y], attributes).result


def is_finite(x: Value) -> Value:
    """Whether each element of a float tensor is neither infinite nor NaN."""
    return _create("stablehlo.is_finite", [with_element(x.type, BOOL)], [x]).result


def select(predicate: Value, on_true: Value, on_false: Value) -> Value:
    """Elements of ``on_true`` where the predicate (same shape, or scalar) holds, else of ``on_false``."""
    return _create("stablehlo.select", [on_true.type], [predicate, on_true, on_false]).result


def clamp(low: Value, x: Value, high: Value) -> Value:
    """``x`` limited to [low, high]; the bounds have x's shape or are scalars."""
    return _create("stablehlo.clamp", [x.type], [low, x, high]).result


def convert(x: Value, element: Type) -> Value:
    """``x`` with another element type; ``x`` itself when it has it."""
    type_ = with_element(x.type, element)
    return x if type_ == x.type else _create("stablehlo.convert", [type_], [x]).result


def bitcast_convert(x: Value, type_: Type) -> Value:
    """The bits of ``x`` read as another tensor type."""
    return _create("stablehlo.bitcast_convert", [type_], [x]).result


def reduce_precision(x: Value, exponent_bits: int, mantissa_bits: int) -> Value:
    """``x`` rounded to a format with the given numbers of bits, and back."""
    i32 = ir.IntegerType.get_signless(32, context=context)
    bits = {
        "exponent_bits": ir.IntegerAttr.get(i32, exponent_bits),
        "mantissa_bits": ir.IntegerAttr.get(i32, mantissa_bits),
    }
    return _create("stablehlo.reduce_precision", [x.type], [x], bits).result


def _part(x: Value) -> Type:
    element = element_of(x)
    return element.element_type if isinstance(element, ir.ComplexType) else element


def real(x: Value) -> Value:
    """The real part of a complex tensor."""
    return _create("stablehlo.real", [with_element(x.type, _part(x))], [x]).result


def imag(x: Value) -> Value:
    """The imaginary part of a complex tensor."""
    return _create("stablehlo.imag", [with_element(x.type, _part(x))], [x]).result


def complex_(re: Value, im: Value) -> Value:
    """The complex tensor of two float tensors."""
    element = ir.ComplexType.get(element_of(re))
    return _create("stablehlo.complex", [with_element(re.type, element)], [re, im]).result


def abs_(x: Value) -> Value:
    """The absolute value; of a complex tensor, the float tensor of magnitudes."""
    return _create("stablehlo.abs", [with_element(x.type, _part(x))], [x]).result


# ---- Constants -----------------------------------------------------------------------------------


def dense(value: np.ndarray[Any, Any]) -> ir.Attribute:
    """The ``dense<...>`` attribute that holds an array's elements."""
    element = element_type(value.dtype)
    if value.size == 0 and value.dtype.kind != "c":
        return ir.Attribute.parse(f"dense<> : {tensor(value.shape, element)}", context=context)
    # The bindings read a buffer of one element as a splat of the whole shape.
    buffer = value.reshape(-1)[:1] if not any(value.strides) else np.ascontiguousarray(value)
    return ir.DenseElementsAttr.get(buffer, type=element, shape=value.shape, context=context)


_SPLATS: dict[tuple[Type, float], ir.Attribute] = {}
_SPLATS_KEPT = 65536


def splat(type_: Type, number: Any) -> ir.Attribute:
    """The ``dense<number>`` attribute of a tensor type."""
    if isinstance(number, np.generic):
        number = number.item()
    # Literals, zero and one above all, are most of what is asked for. A negative zero equals the positive one.
    if type(number) is not int and (type(number) is not float or (number == 0 and copysign(1, number) < 0)):
        return _splat(type_, number)
    found = _SPLATS.get((type_, number))
    if found is None:
        if len(_SPLATS) >= _SPLATS_KEPT:
            _SPLATS.clear()
        found = _SPLATS[type_, number] = _splat(type_, number)
    return found


def _splat(type_: Type, number: Any) -> ir.Attribute:
    return dense(np.broadcast_to(np.asarray(number).astype(dtype_of(type_)), tuple(type_.shape)))


def constant(value: Any) -> Value:
    """A constant tensor holding a NumPy array's elements, in its dtype."""
    attribute = dense(np.asarray(value))
    return _create("stablehlo.constant", [attribute.type], [], {"value": attribute}).result


class End(ir.InsertionPoint):  # type: ignore[misc]
    """The end of a block that grows at its end only: `full` builds each constant once there.

    Programs are full of the same few numbers, and every pass reads every operation.
    """

    __slots__ = ("constants",)

    def __init__(self, block: ir.Block) -> None:
        super().__init__(block)
        self.constants: dict[ir.Attribute, Value] = {}


def full(type_: Type, number: Any) -> Value:
    """A constant tensor of the given type whose elements are all one number."""
    attribute = splat(type_, number)
    point = ir.InsertionPoint.current
    if type(point) is not End:
        return _create("stablehlo.constant", [type_], [], {"value": attribute}).result
    found = point.constants.get(attribute)
    if found is None:
        found = _create("stablehlo.constant", [type_], [], {"value": attribute}).result
        point.constants[attribute] = found
    return found


def full_like(x: Value, number: Any) -> Value:
    """A constant of ``x``'s type whose elements are all one number."""
    return full(x.type, number)


def iota(type_: Type, dimension: int) -> Value:
    """0, 1, 2, ... along one dimension of a tensor type."""
    return _create("stablehlo.iota", [type_], [], {"iota_dimension": i64(dimension)}).result


# ---- Shape ---------------------------------------------------------------------------------------


def broadcast_in_dim(x: Value, shape: Dims, dimensions: Dims) -> Value:
    """``x`` spread over ``shape``; dimension i of x becomes dimension ``dimensions[i]`` of the result."""
    type_ = tensor(tuple(shape), element_of(x))
    if type_ == x.type and all(i == d for i, d in enumerate(dimensions)):
        return x
    attributes = {"broadcast_dimensions": i64_array(dimensions)}
    return _create("stablehlo.broadcast_in_dim", [type_], [x], attributes).result


def reshape(x: Value, shape: Dims) -> Value:
    """``x`` in row-major order with another shape of as many elements."""
    type_ = tensor(tuple(shape), element_of(x))
    return x if type_ == x.type else _create("stablehlo.reshape", [type_], [x]).result


def transpose(x: Value, permutation: Dims) -> Value:
    """``x`` whose result dimension i is dimension ``permutation[i]`` of x."""
    if all(i == p for i, p in enumerate(permutation)):
        return x
    shape = x.type.shape
    type_ = tensor(tuple(shape[p] for p in permutation), element_of(x))
    return _create("stablehlo.transpose", [type_], [x], {"permutation": i64_array(permutation)}).result


def reverse(x: Value, dimensions: Dims) -> Value:
    """``x`` with the order of the given dimensions turned around."""
    return _create("stablehlo.reverse", [x.type], [x], {"dimensions": i64_array(dimensions)}).result


def slice_(x: Value, starts: Dims, limits: Dims, strides: Dims | None = None) -> Value:
    """``x[starts:limits:strides]``, every dimension given."""
    shape = shape_of(x)
    steps = (1,) * len(shape) if strides is None else tuple(strides)
    sizes = tuple(max(0, -(-(e - b) // s)) for b, e, s in zip(starts, limits, steps, strict=True))
    if sizes == shape and all(s == 1 for s in steps):
        return x
    attributes = {
        "start_indices": i64_array(starts),
        "limit_indices": i64_array(limits),
        "strides": i64_array(steps),
    }
    return _create("stablehlo.slice", [tensor(sizes, element_of(x))], [x], attributes).result


def pad(x: Value, value: Value, low: Dims, high: Dims, interior: Dims) -> Value:
    """``x`` with a scalar put before, after and between its elements; negative amounts cut."""
    shape = tuple(
        lo + n + hi + max(n - 1, 0) * inner
        for n, lo, hi, inner in zip(shape_of(x), low, high, interior, strict=True)
    )
    attributes = {
        "edge_padding_low": i64_array(low),
        "edge_padding_high": i64_array(high),
        "interior_padding": i64_array(interior),
    }
    return _create("stablehlo.pad", [tensor(shape, element_of(x))], [x, value], attributes).result


def concatenate(values: Sequence[Value], dimension: int) -> Value:
    """The values joined along a dimension."""
    if len(values) == 1:
        return values[0]
    shape = list(values[0].type.shape)
    shape[dimension] = sum(v.type.shape[dimension] for v in values)
    type_ = tensor(tuple(shape), element_of(values[0]))
    return _create("stablehlo.concatenate", [type_], list(values), {"dimension": i64(dimension)}).result


def dynamic_slice(x: Value, starts: Sequence[Value], sizes: Dims) -> Value:
    """A window of static sizes at run-time scalar starts, moved inside x where it would leave it."""
    type_ = tensor(tuple(sizes), element_of(x))
    return _create("stablehlo.dynamic_slice", [type_], [x, *starts], {"slice_sizes": i64_array(sizes)}).result


def dynamic_update_slice(x: Value, update: Value, starts: Sequence[Value]) -> Value:
    """``x`` with a window at run-time scalar starts replaced by ``update``."""
    return _create("stablehlo.dynamic_update_slice", [x.type], [x, update, *starts]).result


# ---- Contraction and reduction -------------------------------------------------------------------


def dot_general(
    x: Value,
    y: Value,
    *,
    contracting: tuple[Dims, Dims],
    batching: tuple[Dims, Dims] = ((), ()),
    element: Type | None = None,
    precision: ir.Attribute | None = None,
    algorithm: ir.Attribute | None = None,
) -> Value:
    """The contraction of x and y; result dimensions are batching, then x's free, then y's free ones."""
    xs, ys = x.type.shape, y.type.shape
    shape = [xs[d] for d in batching[0]]
    shape += [n for d, n in enumerate(xs) if d not in batching[0] and d not in contracting[0]]
    shape += [n for d, n in enumerate(ys) if d not in batching[1] and d not in contracting[1]]
    type_ = tensor(tuple(shape), element_of(x) if element is None else element)
    attributes = dot_attributes(contracting, batching, precision, algorithm)
    return _create("stablehlo.dot_general", [type_], [x, y], attributes).result


def dot_attributes(
    contracting: tuple[Dims, Dims],
    batching: tuple[Dims, Dims],
    precision: ir.Attribute | None,
    algorithm: ir.Attribute | None,
) -> dict[str, ir.Attribute]:
    """The attributes of a `stablehlo.dot_general`."""
    attributes = {
        "dot_dimension_numbers": hlo.DotDimensionNumbers.get(
            list(batching[0]), list(batching[1]), list(contracting[0]), list(contracting[1]), context=context
        )
    }
    if precision is not None:
        attributes["precision_config"] = precision
    if algorithm is not None:
        attributes["algorithm"] = algorithm
    return attributes


def region(
    operation: ir.Operation,
    types: Sequence[Type],
    body: Callable[..., Value | Sequence[Value]],
    index: int = 0,
) -> None:
    """Fill a region of an operation: ``body`` gets the block's arguments and gives what it returns."""
    location = operation.location
    block = operation.regions[index].blocks.append(*types, arg_locs=[location] * len(types))
    with End(block):
        results = body(*block.arguments)
        values = [results] if isinstance(results, ir.Value) else list(results)
        _create("stablehlo.return", [], values)


def reduce(x: Value, initial: Value, dimensions: Dims, body: Callable[[Value, Value], Value]) -> Value:
    """``x`` folded over dimensions by a body on scalars that starts from a scalar."""
    return reduce_many([x], [initial], dimensions, body)[0]


def reduce_many(
    values: Sequence[Value],
    initials: Sequence[Value],
    dimensions: Dims,
    body: Callable[..., Value | Sequence[Value]],
) -> list[Value]:
    """Several values of one shape folded together; the body takes n accumulators, then n elements."""
    shape = tuple(n for d, n in enumerate(values[0].type.shape) if d not in dimensions)
    types = [tensor(shape, element_of(i)) for i in initials]
    attributes = {"dimensions": i64_array(dimensions)}
    operation = _create("stablehlo.reduce", types, [*values, *initials], attributes, regions=1)
    region(operation, [i.type for i in initials] * 2, body)
    return list(operation.results)


def zero_of(x: Value) -> Value:
    """The scalar zero of ``x``'s element type."""
    return full(tensor((), element_of(x)), 0)


def sum_(x: Value, dimensions: Dims) -> Value:
    """The sum over dimensions; ``x`` itself when there are none."""
    return reduce(x, zero_of(x), dimensions, add) if dimensions else x


# ---- Indexing ------------------------------------------------------------------------------------


def gather(
    x: Value,
    indices: Value,
    dimension_numbers: ir.Attribute,
    sizes: Dims,
    sorted_: bool = False,
    type_: Type | None = None,
) -> Value:
    """Windows of ``x`` at run-time indices; dimension numbers as in the specification."""
    attributes = {
        "dimension_numbers": dimension_numbers,
        "slice_sizes": i64_array(sizes),
        "indices_are_sorted": boolean(sorted_),
    }
    if type_ is not None:
        return _create("stablehlo.gather", [type_], [x, indices], attributes).result
    return _create("stablehlo.gather", None, [x, indices], attributes, infer_type=True).result


def scatter(
    x: Value,
    indices: Value,
    updates: Value,
    dimension_numbers: ir.Attribute,
    body: Callable[[Value, Value], Value],
    sorted_: bool = False,
    unique: bool = False,
) -> Value:
    """``x`` with windows at run-time indices combined with updates by a body on scalars."""
    attributes = {
        "scatter_dimension_numbers": dimension_numbers,
        "indices_are_sorted": boolean(sorted_),
        "unique_indices": boolean(unique),
    }
    operation = _create("stablehlo.scatter", [x.type], [x, indices, updates], attributes, regions=1)
    scalar = tensor((), element_of(x))
    region(operation, [scalar, scalar], body)
    return operation.result


def sort(
    values: Sequence[Value], dimension: int, comparator: Callable[..., Value], stable: bool = True
) -> list[Value]:
    """Values ordered together along a dimension by a comparator on scalar pairs (a0, b0, a1, b1, ...)."""
    attributes = {"dimension": i64(dimension), "is_stable": boolean(stable)}
    operation = _create("stablehlo.sort", [v.type for v in values], list(values), attributes, regions=1)
    region(operation, [tensor((), element_of(v)) for v in values for _ in range(2)], comparator)
    return list(operation.results)


# ---- Copies --------------------------------------------------------------------------------------


def rebuild(
    operation: ir.Operation,
    operands: Sequence[Value],
    types: Sequence[Type] | None = None,
    attributes: Mapping[str, ir.Attribute] | None = None,
) -> ir.Operation:
    """A copy of an operation, regions and location included, with other operands, result types, attributes."""
    # The view of a composite hides the operation's name behind its own.
    copy: ir.Operation = operation.clone().operation
    slots = copy.operands
    for i, value in enumerate(operands):
        slots[i] = value
    if types is not None:
        for result, type_ in zip(copy.results, types, strict=True):
            result.set_type(type_)
    for key, attribute in (attributes or {}).items():
        copy.attributes[key] = attribute
    return copy


# ---- Calls and control ---------------------------------------------------------------------------


def call(symbol: str, results: Sequence[Type], operands: Sequence[Value]) -> list[Value]:
    """A ``func.call`` of a function of the same module."""
    attributes = {"callee": ir.FlatSymbolRefAttr.get(symbol, context=context)}
    return list(_create("func.call", list(results), list(operands), attributes).results)


def case(
    index: Value, results: Sequence[Type], branches: Sequence[Callable[[], Sequence[Value]]]
) -> list[Value]:
    """The results of the branch that a scalar index picks; out of range, of the last one."""
    operation = _create("stablehlo.case", list(results), [index], regions=len(branches))
    for i, branch in enumerate(branches):
        region(operation, [], branch, i)
    return list(operation.results)


def while_(
    carry: Sequence[Value],
    condition: Callable[..., Value],
    body: Callable[..., Sequence[Value]],
    checkpoints: int | None = None,
) -> list[Value]:
    """The carry after the body was applied to it for as long as the scalar condition on it holds.

    ``checkpoints`` asks reverse mode to keep that many carries rather than to count on the number of trips.
    """
    types = [value.type for value in carry]
    attributes = {} if checkpoints is None else {"mycc.checkpoints": i64(checkpoints)}
    operation = _create("stablehlo.while", types, list(carry), attributes, regions=2)
    region(operation, types, condition, 0)
    region(operation, types, body, 1)
    return list(operation.results)


def return_(values: Sequence[Value]) -> None:
    """End a ``func.func``'s body."""
    _create("func.return", [], list(values))


def barrier(values: Sequence[Value]) -> list[Value]:
    """The values, behind a boundary that XLA's fusion does not cross."""
    return list(_create("stablehlo.optimization_barrier", [v.type for v in values], list(values)).results)
