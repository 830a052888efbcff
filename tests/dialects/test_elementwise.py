"""Pointwise operations: every record against its oracle, its derivatives, batching, and edge cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from harness import (
    Array,
    Build,
    Case,
    Program,
    check_batch,
    check_forward,
    check_precision,
    check_reverse,
    check_transpose,
    check_values,
    differentiable,
    pullback_of,
    sampler,
    tangent_of,
)

from mycc.dialects import ops
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.mlir import chlo, ir
from mycc.dialects.record import Record
from mycc.dialects.rules import broadcasts, choice, elementwise, parts, special
from mycc.dialects.types import element_type, tensor

Value = ir.Value

DTYPES: dict[str, tuple[Any, ...]] = {
    "f": (np.float64, np.float32, np.float16, ml_dtypes.bfloat16),
    "c": (np.complex128, np.complex64),
    "i": (np.int32, np.int8, np.int16, np.int64),
    "u": (np.uint32, np.uint8, np.uint16, np.uint64),
    "b": (np.bool_,),
}
SHAPE = (2, 3)
# Away from the poles at ±i, where central differences lose their digits.
COMPLEX_DOMAIN = {"chlo.atan": (-0.6, 0.6)}

RECORDS = (*elementwise.RECORDS, *choice.RECORDS, *parts.RECORDS, *special.RECORDS)
# Operands that no formula differentiates by.
ACTIVE = {"chlo.polygamma": (False, True), "chlo.zeta": (False, True)}
BOOLEAN_RESULT = {"stablehlo.is_finite", "chlo.is_inf", "chlo.is_pos_inf", "chlo.is_neg_inf"}
PART_RESULT = {"stablehlo.real", "stablehlo.imag", "stablehlo.abs"}
BY_HAND = {"stablehlo.convert", "stablehlo.reduce_precision", "stablehlo.complex", "chlo._asin_acos_kernel"}


# ---- Cases that write themselves -----------------------------------------------------------------


def builder(name: str) -> Build:
    """Build an operation by its name, where its result's type follows from operand 0's by a simple rule."""

    def build(*operands: Value) -> Value:
        type_ = operands[0].type
        if name in BOOLEAN_RESULT:
            type_ = ops.with_element(type_, ops.BOOL)
        if name in PART_RESULT and isinstance(type_.element_type, ir.ComplexType):
            type_ = ops.with_element(type_, type_.element_type.element_type)
        return ir.Operation.create(name, [type_], list(operands)).result

    return build


def wide(oracle: Callable[..., Any]) -> Callable[..., Any]:
    """The oracle in double precision, whatever the operands' floats are."""

    def call(*operands: Array) -> Any:
        if operands[-1].dtype.kind in "iub":
            return oracle(*operands)
        return oracle(*(x.astype(np.complex128 if x.dtype.kind == "c" else np.float64) for x in operands))

    return call


def tolerance(dtype: Any) -> float:
    if np.dtype(dtype).kind in "iub":
        return 0.0
    # XLA's digamma, zeta and acosh lose a few bits more than the others.
    finfo: Any = ml_dtypes.finfo
    return 64 * float(finfo(dtype).eps)


def derived_cases(records: Sequence[Record], kinds: str, all_dtypes: bool = False) -> list[Case]:
    """One case per record and dtype."""
    cases = []
    for record in records:
        if record.oracle is None or not record.domain or record.name in BY_HAND:
            continue
        for kind in kinds:
            if kind not in record.dtypes:
                continue
            for dtype in DTYPES[kind] if all_dtypes else DTYPES[kind][:1]:
                cases.append(derived_case(record, dtype))
    return cases


def derived_case(record: Record, dtype: Any) -> Case:
    complex_ = np.dtype(dtype).kind == "c"
    box = COMPLEX_DOMAIN.get(record.name, (-2.0, 2.0))
    specs = [(SHAPE, dtype, *(box if complex_ else bounds)) for bounds in record.domain]
    assert record.oracle is not None
    return Case(
        f"{record.name}[{np.dtype(dtype).name}]",
        builder(record.name),
        sampler(*specs),
        wide(record.oracle),
        active=ACTIVE.get(record.name),
        rtol=tolerance(dtype) or 1e-8,
        atol=tolerance(dtype),
    )


# ---- Cases by hand -------------------------------------------------------------------------------


def converting(dtype: Any) -> Build:
    return lambda x: ops.convert(x, element_type(dtype))


def barrier(x: Value, n: Value, y: Value) -> list[Value]:
    return ops.barrier([x, n, y])


def with_infinities(rng: np.random.Generator) -> list[Array]:
    return [rng.choice(np.asarray([-np.inf, -1.0, 0.0, 2.0, np.inf, np.nan]), (3, 4))]


def to_float32(x: Value) -> Value:
    return ops.reduce_precision(x, 8, 23)


def constant_and_operand(x: Value) -> Value:
    attribute = ir.DenseElementsAttr.get(np.asarray(2.5), type=ops.element_of(x), shape=SHAPE)
    constant = ir.Operation.create("chlo.constant", [x.type], [], {"value": attribute}).result
    return ops.add(x, constant)


F, C, B = (SHAPE, np.float64, -3.0, 3.0), (SHAPE, np.complex128), (SHAPE, np.bool_)
SCALAR_B = ((), np.bool_)

CONVERSIONS = [
    Case(
        f"convert {np.dtype(a).name}->{np.dtype(b).name}",
        converting(b),
        sampler((SHAPE, a)),
        oracle,
        rtol=1e-6,
    )
    for a, b, oracle in (
        (np.float64, np.complex128, lambda x: x.astype(np.complex128)),
        (np.complex128, np.float64, np.real),
        (np.float64, np.int32, np.trunc),
        (np.int32, np.float64, lambda x: x),
        (np.bool_, np.float64, lambda x: x),
        (np.float64, np.bool_, lambda x: x != 0),
        (np.float64, np.float64, lambda x: x),
    )
]

CASES = [
    *CONVERSIONS,
    Case("complex", ops.complex_, sampler(F, F), lambda x, y: x + 1j * y),
    Case("real of real", builder("stablehlo.real"), sampler(F), lambda x: x),
    Case("imag of real", builder("stablehlo.imag"), sampler(F), lambda x: 0 * x),
    Case("select", ops.select, sampler(B, F, F), np.where),
    Case("select by scalar", ops.select, sampler(SCALAR_B, F, F), np.where),
    Case("select complex", ops.select, sampler(B, C, C), np.where),
    Case("select scalars", ops.select, sampler(SCALAR_B, ((), np.float64), ((), np.float64)), np.where),
    Case(
        "clamp by scalars",
        ops.clamp,
        sampler(((), np.float64, -1.0, -0.5), F, ((), np.float64, 0.5, 1.0)),
        lambda low, x, high: np.clip(x, low, high),
    ),
    Case(
        "clamp by one scalar",
        ops.clamp,
        sampler(((), np.float64, -1.0, -0.5), F, (SHAPE, np.float64, 0.5, 1.0)),
        lambda low, x, high: np.clip(x, low, high),
    ),
    Case("optimization_barrier", barrier, sampler(F, (SHAPE, np.int32), C), lambda x, n, y: (x, n, y)),
    *(
        Case(f"compare {d}", lambda x, y, d=d: ops.compare(d, x, y), sampler(F, F), oracle)
        for d, oracle in (
            ("EQ", np.equal),
            ("NE", np.not_equal),
            ("LT", np.less),
            ("LE", np.less_equal),
            ("GT", np.greater),
            ("GE", np.greater_equal),
        )
    ),
    Case(
        "bitcast_convert to narrower",
        lambda x: ops.bitcast_convert(x, tensor((*SHAPE, 2), element_type(np.int32))),
        sampler(F),
        lambda x: x.view(np.int32).reshape(*SHAPE, 2),
    ),
    Case(
        "bitcast_convert to wider",
        lambda x: ops.bitcast_convert(x, tensor(SHAPE, element_type(np.int32))),
        sampler(((*SHAPE, 2), np.int16, -300, 300)),
        lambda x: x.view(np.int32).reshape(SHAPE),
    ),
    Case(
        "constant_like",
        lambda x: ops.add(
            x,
            ir.Operation.create(
                "chlo.constant_like", [x.type], [x], {"value": ir.FloatAttr.get(x.type.element_type, 2.5)}
            ).result,
        ),
        sampler(F),
        lambda x: x + 2.5,
    ),
    Case("constant of CHLO", constant_and_operand, sampler(F), lambda x: x + 2.5),
    *(
        Case(f"{name} of infinities", builder(name), with_infinities, oracle, active=(False,))
        for name, oracle in (
            ("stablehlo.is_finite", np.isfinite),
            ("chlo.is_inf", np.isinf),
            ("chlo.is_pos_inf", np.isposinf),
            ("chlo.is_neg_inf", np.isneginf),
        )
    ),
    Case("kernel of asin and acos", builder("chlo._asin_acos_kernel"), sampler(C), active=(False,)),
    Case("reduce_precision", to_float32, sampler(F), np.float32, active=(False,)),
    Case(
        "power by a constant",
        lambda x: ops.pow_(x, ops.full_like(x, 3)),
        sampler(F),
        lambda x: x**3,
    ),
    Case(
        "power by a broadcast constant",
        lambda x: ops.pow_(x, ops.broadcast_in_dim(ops.constant(np.float64(0.5)), SHAPE, ())),
        sampler((SHAPE, np.float64, 0.2, 2.0)),
        np.sqrt,
    ),
    Case(
        "power by a complex constant",
        lambda z: ops.pow_(z, ops.constant(np.full(SHAPE, 2 - 0.5j))),
        sampler((SHAPE, np.complex128, 0.2, 2.0)),
        lambda z: z ** (2 - 0.5j),
    ),
    Case(
        "product with a complex constant",
        lambda z: ops.mul(ops.constant(np.full(SHAPE, 2 - 0.5j)), z),
        sampler(C),
        lambda z: z * (2 - 0.5j),
    ),
    Case("mean of x and x", lambda x: ops.max_(x, x), sampler(F), lambda x: x),
]


def broadcasting(name: str, element: ir.Type | None = None, dimensions: Sequence[int] | None = None) -> Build:
    """Build one of CHLO's broadcasting operations; without dimensions the last ones are meant."""

    def build(*operands: Value) -> Value:
        shape = np.broadcast_shapes(*(tuple(x.type.shape) for x in operands)) if dimensions is None else SHAPE
        type_ = tensor(tuple(shape), ops.element_of(operands[-1]) if element is None else element)
        attributes = {} if dimensions is None else {"broadcast_dimensions": ops.i64_array(dimensions)}
        if name == "compare":
            attributes["comparison_direction"] = ir.Attribute.parse("#chlo<comparison_direction LT>")
        return ir.Operation.create(f"chlo.broadcast_{name}", [type_], list(operands), attributes).result

    return build


ROW, COLUMN, COUNTS = ((3,), np.float64, 0.5, 2.0), ((2, 1), np.float64), ((2, 1), np.int32, 0, 7)
BROADCASTING = [
    *(
        Case(f"broadcast_{name}", broadcasting(name), sampler(COLUMN, ROW), oracle)
        for name, oracle in (
            ("add", np.add),
            ("subtract", np.subtract),
            ("multiply", np.multiply),
            ("divide", np.divide),
            ("maximum", np.maximum),
            ("minimum", np.minimum),
            ("remainder", np.fmod),
            ("atan2", np.arctan2),
        )
    ),
    Case(
        "broadcast_next_after",
        broadcasting("next_after"),
        sampler(F, ROW),
        np.nextafter,
        active=(False, False),
    ),
    Case("broadcast_power", broadcasting("power"), sampler(((3,), np.float64, 0.2, 2.0), COLUMN), np.power),
    Case(
        "broadcast_zeta",
        broadcasting("zeta"),
        sampler(((2, 1), np.float64, 2.0, 3.0), ((3,), np.float64, 0.5, 2.0)),
        wide(special._scipy("zeta")),
        active=(False, True),
    ),
    Case(
        "broadcast_polygamma",
        broadcasting("polygamma"),
        sampler(((), np.float64, 1.0, 1.0), ((3,), np.float64, 0.5, 2.0)),
        wide(special._polygamma_oracle),
        active=(False, True),
    ),
    Case("broadcast_compare", broadcasting("compare", ops.BOOL), sampler(COLUMN, ROW), np.less),
    Case(
        "broadcast_complex",
        broadcasting("complex", element_type(np.complex128)),
        sampler(COLUMN, ROW),
        lambda x, y: x + 1j * y,
    ),
    Case("broadcast_select", broadcasting("select"), sampler(((2, 1), np.bool_), ROW, F), np.where),
    Case(
        "broadcast_multiply by dimensions",
        broadcasting("multiply", dimensions=[1]),
        sampler(F, ROW),
        np.multiply,
    ),
    *(
        Case(f"broadcast_{name}", broadcasting(name), sampler(COUNTS, ((3,), np.int32, 0, 7)), oracle)
        for name, oracle in (
            ("and", np.bitwise_and),
            ("or", np.bitwise_or),
            ("xor", np.bitwise_xor),
            ("shift_left", np.left_shift),
            ("shift_right_arithmetic", np.right_shift),
            ("shift_right_logical", np.right_shift),
        )
    ),
]

DOUBLE = derived_cases(RECORDS, "fc") + CASES + BROADCASTING


# ---- Tests ---------------------------------------------------------------------------------------

STABLEHLO = """abs add and atan2 cbrt ceil clamp compare complex convert cosine count_leading_zeros divide
    exponential exponential_minus_one floor imag is_finite log log_plus_one logistic maximum minimum multiply
    negate not or popcnt power real reduce_precision remainder round_nearest_afz round_nearest_even rsqrt
    select shift_left shift_right_arithmetic shift_right_logical sign sine sqrt subtract tan tanh xor
    bitcast_convert optimization_barrier"""
NOT_POINTWISE = {"chlo.ragged_dot", "chlo.scan", "chlo.top_k"}


def chlo_operations() -> set[str]:
    """CHLO's operations, by the bindings."""
    names = {getattr(value, "OPERATION_NAME", None) for value in vars(chlo).values()}
    return {name for name in names if name} - NOT_POINTWISE


def test_every_pointwise_operation_has_a_record() -> None:
    expected = {f"stablehlo.{name}" for name in STABLEHLO.split()} | chlo_operations()
    assert expected - {record.name for record in (*RECORDS, *broadcasts.RECORDS)} == set()


def test_values() -> None:
    check_values(DOUBLE + derived_cases(RECORDS, "iub"))


@pytest.mark.parametrize("kind", ["f", "c"])
def test_values_in_other_precisions(kind: str) -> None:
    check_values(derived_cases(RECORDS, kind, all_dtypes=True))


@pytest.mark.parametrize("kind", ["f", "c"])
def test_pullbacks_in_other_precisions(kind: str) -> None:
    cases = derived_cases(RECORDS, kind, all_dtypes=True)
    check_precision(differentiable(case for case in cases if not case.name.endswith(("float64]", "128]"))))


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["i", "u"])
def test_values_of_all_integers(kind: str) -> None:
    check_values(derived_cases(RECORDS, kind, all_dtypes=True))


def test_forward() -> None:
    check_forward(differentiable(DOUBLE))


def test_reverse() -> None:
    check_reverse(differentiable(DOUBLE))


def test_transposed_tangents() -> None:
    check_transpose(differentiable(DOUBLE))


def test_batch() -> None:
    check_batch(DOUBLE + derived_cases(RECORDS, "iub"))


def test_second_order_forward() -> None:
    check_forward(map(pullback_of, differentiable(DOUBLE)))


def test_second_order_reverse() -> None:
    check_reverse(map(pullback_of, differentiable(DOUBLE)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("derive", [pullback_of, tangent_of])
def test_batch_of_derivatives(derive: Callable[[Case], Case]) -> None:
    check_batch(list(map(derive, differentiable(DOUBLE))), most=3)


def test_reduce_precision_rounds_derivatives_as_it_rounds_values() -> None:
    case = Case("reduce_precision", to_float32, sampler(F))
    x, ct = np.full(SHAPE, 1.0), np.full(SHAPE, np.pi)
    program = Program()
    places = [program.call(derived(case), [x, ct])[0] for derived in (pullback_of, tangent_of)]
    outputs = program.run()
    for place in places:
        np.testing.assert_array_equal(outputs[place], ct.astype(np.float32))


def test_an_operand_without_a_formula_is_an_error() -> None:
    case = Case("zeta", ops.zeta, sampler(((), np.float64, 2.0, 3.0), ((), np.float64, 1.0, 2.0)))
    with pytest.raises(UnsupportedOperationError, match=r"'chlo.zeta' by its operand 0"):
        check_forward([case])
