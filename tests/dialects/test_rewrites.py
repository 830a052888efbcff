"""Records of operations that are short programs of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from cases import executable
from emission import cotangents
from harness import (
    Case,
    check_batch,
    check_forward,
    check_reverse,
    check_transpose,
    check_values,
    pullback_of,
    sampler,
    uniform,
)

from mycc.dialects import ops
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.mlir import chlo, context, hlo, ir
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import element_type, tensor
from mycc.lowering.pipelines import default_pipeline, run_default
from mycc.passes.pipeline import Pipeline

Dims = tuple[int, ...]
Value = ir.Value


def make(name: str, shape: Dims, operands: Sequence[Value], **attributes: ir.Attribute) -> Value:
    """An operation with one result of the element type of its first operand."""
    return ops.create(name, [tensor(shape, ops.element_of(operands[0]))], list(operands), attributes).result


def text(value: str) -> ir.Attribute:
    return ir.StringAttr.get(value)


# ---- Regions -------------------------------------------------------------------------------------


def conditional(captures: bool) -> Case:
    def build(p: Value, x: Value, y: Value) -> Sequence[Value]:
        operation = ops.create("stablehlo.if", [x.type, x.type], [p], regions=2)
        ops.region(operation, [], lambda: [ops.mul(x, y), ops.sin(x)], 0)
        ops.region(operation, [], lambda: [x if captures else ops.exp(y), y], 1)
        return list(operation.results)

    def oracle(p: Any, x: Any, y: Any) -> Any:
        return [x * y, np.sin(x)] if p else [x if captures else np.exp(y), y]

    return Case(f"if-{captures}", build, sampler(((), bool), ((3,), float), ((3,), float)), oracle)


def mapped(name: str, body: Callable[..., Value], oracle: Any, *shapes: Dims, element: Any = None) -> Case:
    def build(*xs: Value) -> Value:
        shape = tuple(xs[0].type.shape)
        kind = ops.element_of(xs[0]) if element is None else element_type(element)
        attributes = {"dimensions": ops.i64_array(range(len(shape)))}
        operation = ops.create("stablehlo.map", [tensor(shape, kind)], list(xs), attributes, regions=1)
        ops.region(operation, [tensor((), ops.element_of(x)) for x in xs], body)
        return operation.result

    return Case(f"map-{name}{shapes}", build, sampler(*((shape, float) for shape in shapes)), oracle)


def stepped(x: Value) -> Value:
    """A body with a region of its own: tripled if positive, else squared."""
    positive = ops.compare("GT", x, ops.zero_of(x))
    index = ops.convert(positive, ops.I32)
    return ops.case(index, [x.type], [lambda: [ops.mul(x, x)], lambda: [ops.add(x, ops.add(x, x))]])[0]


REGIONS = [
    conditional(True),
    conditional(False),
    mapped("product", lambda a, b: ops.mul(a, ops.sin(b)), lambda a, b: a * np.sin(b), (2, 3), (2, 3)),
    mapped("one", ops.exp, np.exp, ()),
    mapped("flat", lambda a: ops.mul(a, a), np.square, (4,)),
    mapped("empty", ops.sin, np.sin, (0, 2)),
    mapped("constant", lambda a: ops.full_like(a, 3), lambda a: np.full_like(a, 3), (2, 2)),
    mapped("case", stepped, lambda a: np.where(a > 0, 3 * a, a * a), (2, 2, 2)),
    mapped("sign", lambda a: ops.compare("GT", a, ops.zero_of(a)), lambda a: a > 0, (2, 2), element=bool),
]


# ---- Contractions --------------------------------------------------------------------------------


def einsum(config: str, *shapes: Dims, out: Dims, oracle: str | None = None, dtype: Any = float) -> Case:
    def build(*xs: Value) -> Value:
        name = "stablehlo.einsum" if len(xs) == 2 else "stablehlo.unary_einsum"
        return make(name, out, xs, einsum_config=text(config))

    def expected(*xs: Any) -> Any:
        return np.einsum(oracle or config, *xs)

    return Case(f"{config}{np.dtype(dtype)}", build, sampler(*((shape, dtype) for shape in shapes)), expected)


EINSUMS = [
    einsum("ij,jk->ik", (2, 3), (3, 4), out=(2, 4)),
    einsum("ij,jk->ki", (2, 3), (3, 4), out=(4, 2)),
    einsum("bij,bkj->kbi", (2, 2, 3), (2, 4, 3), out=(4, 2, 2), dtype=complex),
    einsum("i,j->ji", (2,), (3,), out=(3, 2)),
    einsum("ij,kl->", (2, 3), (2, 2), out=()),
    einsum("ij,j->i", (2, 3), (3,), out=(2,)),
    einsum("ii,ij->j", (3, 3), (3, 2), out=(2,)),
    einsum("...ij,...jk->...ik", (2, 2, 3), (2, 3, 4), out=(2, 2, 4)),
    einsum(",ij->ji", (), (2, 3), out=(3, 2)),
    einsum("ij->ji", (2, 3), out=(3, 2)),
    einsum("ij->i", (2, 3), out=(2,)),
    einsum("ii->i", (3, 3), out=(3,)),
    einsum("iji->", (2, 3, 2), out=()),
    einsum("...ij->...ji", (2, 3, 4), out=(2, 4, 3)),
]


# ---- Shapes and places ---------------------------------------------------------------------------


def broadcast(sizes: Dims, shape: Dims) -> Case:
    def build(x: Value) -> Value:
        return make("stablehlo.broadcast", (*sizes, *shape), [x], broadcast_sizes=ops.i64_array(sizes))

    return Case(
        f"broadcast{sizes}{shape}",
        build,
        sampler((shape, float)),
        lambda x: np.broadcast_to(x, (*sizes, *shape)),
    )


def index_select(shape: Dims, indices: Dims, dim: int, batch_dims: int) -> Case:
    out = (*shape[:dim], *indices[batch_dims:], *shape[dim + 1 :])

    def build(x: Value, i: Value) -> Value:
        attributes = {"dim": ops.i64(dim), "batch_dims": ops.i64(batch_dims)}
        return make("stablehlo.torch_index_select", out, [x, i], **attributes)

    def sample(rng: np.random.Generator) -> list[Any]:
        return [uniform(rng, shape, float), rng.integers(0, shape[dim], indices).astype(np.int32)]

    def oracle(x: Any, i: Any) -> Any:
        if not batch_dims:
            return np.take(x, i, dim)
        found = [np.take(x[b], i[b], dim - batch_dims) for b in np.ndindex(*shape[:batch_dims])]
        return np.stack(found).reshape(out)

    return Case(f"select{shape}{indices}{dim}{batch_dims}", build, sample, oracle)


PLACES = [
    broadcast((2,), (3,)),
    broadcast((2, 3), ()),
    broadcast((), (2, 2)),
    index_select((3, 4), (2,), 0, 0),
    index_select((3, 4), (2, 2), 1, 0),
    index_select((2, 3, 4), (2, 5), 1, 1),
    index_select((2, 3, 4), (2, 5), 2, 1),
]


# ---- Shapes that are operands ---------------------------------------------------------------------


def ints(*numbers: int) -> Any:
    return np.array(numbers, np.int32)


def dynamic(
    name: str, shape: Dims, out: Dims, others: Sequence[Any], oracle: Any, constant: bool, **attributes: Any
) -> Case:
    """An operation on floats of a shape, and on further operands: given, or constants of the program."""

    def build(x: Value, *given: Value) -> Value:
        values = [ops.constant(other) for other in others] if constant else given
        return make(f"stablehlo.{name}", out, [x, *values], **{k: f() for k, f in attributes.items()})

    def sample(rng: np.random.Generator) -> list[Any]:
        return [uniform(rng, shape, float), *([] if constant else others)]

    fixed = (True, *(np.asarray(other).dtype.kind == "f" for other in others))
    count = 1 if constant else 1 + len(others)
    return Case(
        f"{name}{shape}{out}{constant}",
        build,
        sample,
        lambda x, *_: oracle(x),
        batched=fixed[:count],
    )


def padded(x: Any, value: float, low: Dims, high: Dims, interior: Dims) -> Any:
    spread = [n + max(n - 1, 0) * i for n, i in zip(x.shape, interior, strict=True)]
    full = np.full(spread, value)
    full[tuple(slice(None, None, i + 1) for i in interior)] = x
    cut = full[tuple(slice(max(-a, 0), n - max(-b, 0)) for a, b, n in zip(low, high, spread, strict=True))]
    edges = [(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True)]
    return np.pad(cut, edges, constant_values=value)


def pad(shape: Dims, low: Dims, high: Dims, interior: Dims, constant: bool) -> Case:
    def oracle(x: Any) -> Any:
        return padded(x, 1.5, low, high, interior)

    out = oracle(np.zeros(shape)).shape
    others = [np.asarray(1.5), ints(*low), ints(*high), ints(*interior)]
    return dynamic("dynamic_pad", shape, out, others, oracle, constant)


def real_slice(constant: bool) -> Case:
    others = [ints(1, 0), ints(4, 5), ints(1, 2)]
    return dynamic("real_dynamic_slice", (4, 5), (3, 3), others, lambda x: x[1:4, 0:5:2], constant)


DYNAMIC = [
    case
    for constant in (False, True)
    for case in (
        dynamic("dynamic_reshape", (2, 6), (3, 4), [ints(3, 4)], lambda x: x.reshape(3, 4), constant),
        dynamic(
            "dynamic_broadcast_in_dim",
            (3, 1),
            (3, 2, 4),
            [ints(3, 2, 4)],
            lambda x: np.broadcast_to(x[:, None, :], (3, 2, 4)),
            constant,
            broadcast_dimensions=lambda: ops.i64_array([0, 2]),
        ),
        dynamic(
            "dynamic_gather",
            (4, 3),
            (2, 2),
            [np.array([[0], [3]], np.int32), ints(1, 2)],
            lambda x: x[[0, 3], :2],
            constant,
            dimension_numbers=lambda: Windows((1,), (0,), (), (), (0,), 1).gather(),
        ),
        pad((3, 2), (1, -1), (0, 3), (1, 0), constant),
        pad((4,), (-2,), (-1,), (2,), constant),
        real_slice(constant),
    )
]


def iota() -> Case:
    def build(shape: Value) -> Value:
        type_ = tensor((2, 3), element_type("float64"))
        return ops.create("stablehlo.dynamic_iota", [type_], [shape], {"iota_dimension": ops.i64(1)}).result

    return Case("dynamic_iota", build, lambda rng: [ints(2, 3)], lambda _: np.mgrid[0:2, 0:3][1])


# ---- CHLO's programs -----------------------------------------------------------------------------


def ragged_dot(
    name: str,
    shapes: Sequence[Dims],
    sizes: Any,
    out: Dims,
    oracle: Any,
    *,
    batching: tuple[Any, Any] = ((), ()),
    contracting: tuple[Any, Any],
    ragged: int,
    group: Sequence[int] = (),
) -> Case:
    def build(x: Value, y: Value, groups: Value) -> Value:
        numbers = chlo.RaggedDotDimensionNumbers.get(
            list(batching[0]),
            list(batching[1]),
            list(contracting[0]),
            list(contracting[1]),
            [ragged],
            list(group),
        )
        return make("chlo.ragged_dot", out, [x, y, groups], ragged_dot_dimension_numbers=numbers)

    def sample(rng: np.random.Generator) -> list[Any]:
        return [*(uniform(rng, shape, float) for shape in shapes), np.asarray(sizes, np.int32)]

    return Case(f"ragged-{name}", build, sample, oracle)


def free_groups(x: Any, y: Any, sizes: Any) -> Any:
    out, start = np.zeros((x.shape[0], y.shape[2])), 0
    for g, size in enumerate(sizes):
        out[start : start + size] = x[start : start + size] @ y[g]
        start += size
    return out


def contracted_groups(x: Any, y: Any, sizes: Any) -> Any:
    starts = np.cumsum(sizes) - sizes
    return np.stack([x[:, a : a + n] @ y[a : a + n] for a, n in zip(starts, sizes, strict=True)])


RAGGED = [
    ragged_dot(
        "free",
        [(6, 3), (3, 3, 2)],
        [2, 0, 3],
        (6, 2),
        free_groups,
        contracting=([1], [1]),
        ragged=0,
        group=[0],
    ),
    ragged_dot(
        "free-batched",
        [(2, 5, 3), (3, 2, 3, 2)],
        [[1, 2, 2], [0, 4, 1]],
        (2, 5, 2),
        lambda x, y, s: np.stack([free_groups(x[b], y[:, b], s[b]) for b in range(2)]),
        batching=([0], [1]),
        contracting=([2], [2]),
        ragged=1,
        group=[0],
    ),
    ragged_dot(
        "contracted",
        [(2, 6), (6, 3)],
        [1, 2, 2],
        (3, 2, 3),
        contracted_groups,
        contracting=([1], [0]),
        ragged=1,
    ),
    ragged_dot(
        "contracted-batched",
        [(2, 2, 4), (2, 4, 3)],
        [[1, 2], [4, 0]],
        (2, 2, 2, 3),
        lambda x, y, s: np.stack([contracted_groups(x[b], y[b], s[b]) for b in range(2)], 1),
        batching=([0], [0]),
        contracting=([2], [1]),
        ragged=2,
    ),
    ragged_dot(
        "batches",
        [(3, 2, 4), (3, 4, 2)],
        [1, 2],
        (3, 2, 2),
        lambda x, y, s: x @ y,
        batching=([0], [0]),
        contracting=([2], [1]),
        ragged=0,
    ),
]


def scan(dim: int, backward: bool, carries: bool = True) -> Case:
    """y = c·x summed along the way, and c decays."""

    def build(x: Value, start: Value) -> Sequence[Value]:
        shape = tuple(x.type.shape)
        row = tensor((*shape[:dim], *shape[dim + 1 :]), ops.element_of(x))
        attributes = {
            "dimension": ops.i64(dim),
            "is_reverse": ops.boolean(backward),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 1]),
            "resultSegmentSizes": ir.DenseI32ArrayAttr.get([1, 1]),
        }
        operation = ops.create("chlo.scan", [x.type, row], [x, start], attributes, regions=1)

        def body(row: Value, carry: Value) -> list[Value]:
            new = ops.add(ops.mul(carry, row), ops.sin(carry))
            return [ops.mul(new, new), new]

        ops.region(operation, [row, row], body)
        return list(operation.results)

    def oracle(x: Any, carry: Any) -> Any:
        rows = np.moveaxis(x, dim, 0)
        out = np.zeros_like(rows)
        order = range(len(rows))
        for i in reversed(order) if backward else order:
            carry = carry * rows[i] + np.sin(carry)
            out[i] = carry * carry
        return [np.moveaxis(out, 0, dim), carry]

    shape = (3, 4)
    row = shape[:dim] + shape[dim + 1 :]
    return Case(f"scan{dim}{backward}", build, sampler((shape, float), (row, float)), oracle)


SCANS = [scan(0, False), scan(1, True)]
CASES = [*REGIONS, *EINSUMS, *PLACES, *DYNAMIC, *RAGGED]


def test_values() -> None:
    check_values([*CASES, *SCANS, iota()])


def test_derivatives() -> None:
    smooth = [case for case in CASES if "sign" not in case.name and "constant" not in case.name]
    check_forward([*smooth, *SCANS])
    check_reverse(smooth)
    check_transpose(smooth)


def test_second_derivatives() -> None:
    check_forward(map(pullback_of, [REGIONS[0], REGIONS[2], REGIONS[7], EINSUMS[2], RAGGED[0], RAGGED[2]]))
    check_reverse(map(pullback_of, [*REGIONS[:3], *EINSUMS[::2], *PLACES[::2], *DYNAMIC[::2], *RAGGED[::2]]))


def test_batch() -> None:
    check_batch([*CASES, *SCANS], most=3)
    check_batch(list(map(pullback_of, [REGIONS[0], REGIONS[2], EINSUMS[0], PLACES[4], RAGGED[0]])), most=2)


def test_a_constant_map_has_no_derivative() -> None:
    case = mapped("none", lambda a: ops.full_like(a, 3), None, (2,))
    (got,) = cotangents(case, [np.ones(2)], [np.ones(2)])
    np.testing.assert_array_equal(got, [0, 0])


def test_a_shape_that_is_not_static() -> None:
    def build(x: Value, shape: Value) -> Value:
        type_ = ir.RankedTensorType.get([ir.ShapedType.get_dynamic_size()], ops.element_of(x))
        moved = ops.create("stablehlo.dynamic_reshape", [type_], [x, shape]).result
        return ops.create("stablehlo.dynamic_reshape", [x.type], [moved, shape]).result

    case = Case("dynamic", build, lambda rng: [np.ones(4), ints(4)])
    with pytest.raises(UnsupportedOperationError, match=r"dynamic_reshape.*stablehlo-refine-shapes"):
        cotangents(case, [np.ones(4), ints(4)], [np.ones(4)])


def test_convolution_with_padding_at_run_time() -> None:
    """The values only: the rules are those of the convolution that it becomes."""
    source = """
    func.func @main(%x: tensor<1x5x1xf32>, %k: tensor<2x1x1xf32>, %p: tensor<1x2xi32>) -> tensor<1x6x1xf32> {
      %0 = "stablehlo.dynamic_conv"(%x, %k, %p) {
        dimension_numbers = #stablehlo.conv<[b, 0, f]x[0, i, o]->[b, 0, f]>, feature_group_count = 1 : i64,
        batch_group_count = 1 : i64, window_strides = array<i64: 2>, lhs_dilation = array<i64: 2>
      } : (tensor<1x5x1xf32>, tensor<2x1x1xf32>, tensor<1x2xi32>) -> tensor<1x6x1xf32>
      return %0 : tensor<1x6x1xf32>
    }"""
    with context:
        module = ir.Module.parse(source)
    Pipeline.parse("expand").run(module)
    assert "dynamic_conv" not in str(module) and "stablehlo.convolution" in str(module)
    x, k = np.arange(1, 6, dtype=np.float32), np.array([10, 1], np.float32)
    (got,) = executable(module)([x.reshape(1, 5, 1), k.reshape(2, 1, 1), np.array([[2, 2]], np.int32)])
    spread = padded(x, 0.0, (2,), (2,), (1,))
    want = [spread[2 * i] * 10 + spread[2 * i + 1] for i in range(6)]
    np.testing.assert_allclose(got.reshape(-1), want)


def test_attributes_that_einsum_keeps() -> None:
    def build(x: Value, y: Value) -> Value:
        precision = ir.ArrayAttr.get([hlo.PrecisionAttr.get("HIGHEST")] * 2)
        return make(
            "stablehlo.einsum", (2, 2), [x, y], einsum_config=text("ij,jk->ik"), precision_config=precision
        )

    check_reverse([Case("precise", build, sampler(((2, 3), float), ((3, 2), float)))])


def test_the_default_pipeline_expands_what_needs_it() -> None:
    """XLA refuses `unary_einsum`, wherever it stands; other modules do not pay for that."""
    source = """
    func.func @main(%x: tensor<2x3xf32>) -> tensor<3x2xf32> {
      %0 = "stablehlo.NAME"(%x) <{ATTRIBUTES}> : (tensor<2x3xf32>) -> tensor<3x2xf32>
      return %0 : tensor<3x2xf32>
    }"""
    for name, attributes, expanded in (
        ("unary_einsum", 'einsum_config = "ij->ji"', True),
        ("transpose", "permutation = array<i64: 1, 0>", False),
    ):
        with context:
            module = ir.Module.parse(source.replace("NAME", name).replace("ATTRIBUTES", attributes))
        assert ("expand" in str(default_pipeline(module))) is expanded
        run_default(module)
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        np.testing.assert_array_equal(executable(module)([x])[0], x.T)
