"""Conversions, reshapes, transposes and broadcasts: composition, identities, and their order."""

from __future__ import annotations

import math
from typing import Any

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.passes.pattern import Op, Pattern, Rewriter, static_shape
from mycc.passes.simplify.match import (
    BROADCAST,
    CONSTANT,
    RESHAPE,
    TRANSPOSE,
    dtype_of,
    ints,
    is_identity,
    is_lossless,
    splat_of,
)

__all__ = ["ELEMENTWISE", "PATTERNS"]

_CONVERT = "stablehlo.convert"
Dims = tuple[int, ...]


class SameType(Pattern):
    """A conversion, reshape or broadcast to the type that the operand has is the operand."""

    op_names = (_CONVERT, RESHAPE, BROADCAST, "stablehlo.bitcast_convert")

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        if op.operand_type(0) != op.type:
            return False
        if op.name == BROADCAST and not is_identity(ints(op, "broadcast_dimensions")):
            return False
        return rewriter.replace(op, op.operand(0))


class ConvertOfConvert(Pattern):
    """convert(convert(x)) is one conversion, where the first one loses nothing."""

    op_names = (_CONVERT,)
    producers = (_CONVERT,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, _CONVERT)
        if inner is None:
            return False
        x = inner.operand(0)
        first, middle, last = dtype_of(x.type), dtype_of(inner.type), dtype_of(op.type)
        # From complex to real the imaginary part is dropped: another matter than width.
        if "c" in (first.kind, middle.kind, last.kind) or not is_lossless(first, middle):
            return False
        # A float that is too large becomes the largest integer, an integer that is too large wraps.
        if (
            first.kind in "iu"
            and middle.kind not in "iu"
            and last.kind in "iu"
            and not is_lossless(first, last)
        ):
            return False
        return rewriter.replace(op, lambda: ops.convert(x, op.type.element_type))


class ReshapeOfReshape(Pattern):
    """reshape(reshape(x)) is one reshape."""

    op_names = (RESHAPE,)
    producers = (RESHAPE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, RESHAPE)
        if inner is None:
            return False
        return rewriter.update(op, {0: inner.operand(0)})


class TransposeOfTranspose(Pattern):
    """transpose(transpose(x)) is one transpose, or x; a transpose that moves nothing is its operand."""

    op_names = (TRANSPOSE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        outer = ints(op, "permutation")
        if is_identity(outer):
            return rewriter.replace(op, op.operand(0))
        inner = op.producer(0, TRANSPOSE)
        if inner is None:
            return False
        first = ints(inner, "permutation")
        permutation = tuple(first[p] for p in outer)
        if is_identity(permutation):
            return rewriter.replace(op, inner.operand(0))
        return rewriter.update(op, {0: inner.operand(0)}, {"permutation": ops.i64_array(permutation)})


class TransposeOfUnitDims(Pattern):
    """A transpose that only moves dimensions of size 1 is a reshape."""

    op_names = (TRANSPOSE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        shape = op.shape
        if 1 not in shape:
            return False
        permutation = ints(op, "permutation")
        moved = [p for p, n in zip(permutation, shape, strict=True) if n != 1]
        if moved != sorted(moved):
            return False
        return rewriter.replace(op, lambda: ops.reshape(op.operand(0), shape))


class BroadcastOfBroadcast(Pattern):
    """broadcast(broadcast(x)) is one broadcast."""

    op_names = (BROADCAST,)
    producers = (BROADCAST,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, BROADCAST)
        if inner is None:
            return False
        outer = ints(op, "broadcast_dimensions")
        dims = [outer[d] for d in ints(inner, "broadcast_dimensions")]
        return rewriter.update(op, {0: inner.operand(0)}, {"broadcast_dimensions": ops.i64_array(dims)})


class BroadcastToUnitDims(Pattern):
    """A broadcast that only adds dimensions of size 1 is a reshape."""

    op_names = (BROADCAST,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        shape = op.shape
        if math.prod(shape) != math.prod(op.operand_shape(0)):
            return False
        dims = ints(op, "broadcast_dimensions")
        if dims != tuple(sorted(dims)) or 0 in shape:
            return False
        return rewriter.replace(op, lambda: ops.reshape(op.operand(0), shape))


class BroadcastOfReshape(Pattern):
    """A broadcast of a reshape that only adds or drops dimensions of size 1 needs no reshape."""

    op_names = (BROADCAST,)
    producers = (RESHAPE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, RESHAPE)
        if inner is None:
            return False
        x = inner.operand(0)
        source, middle, shape = inner.operand_shape(0), inner.shape, op.shape
        where = _match_but_units(source, middle)
        if where is None:
            return False
        dims = ints(op, "broadcast_dimensions")
        # A dimension of size 1 that the reshape dropped goes where the broadcast makes a dimension.
        free = [d for d in range(len(shape)) if d not in dims]
        placed: list[int] = []
        for w in where:
            last = placed[-1] if placed else -1
            place = dims[w] if w is not None else next((d for d in free if d > last), -1)
            if place <= last:
                return False
            placed.append(place)
        return rewriter.update(op, {0: x}, {"broadcast_dimensions": ops.i64_array(placed)})


class ReshapeOfBroadcast(Pattern):
    """A reshape that only adds or drops dimensions of size 1 of a broadcast is another broadcast."""

    op_names = (RESHAPE,)
    producers = (BROADCAST,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, BROADCAST)
        if inner is None:
            return False
        middle, shape = inner.shape, op.shape
        where = _match_but_units(middle, shape)
        if where is None:
            return False
        dims = ints(inner, "broadcast_dimensions")
        placed = [where[d] for d in dims]
        if None in placed:
            return False
        places: list[int] = [p for p in placed if p is not None]
        return rewriter.replace(op, lambda: ops.broadcast_in_dim(inner.operand(0), shape, places))


class TransposeOfBroadcast(Pattern):
    """transpose(broadcast(x)) is another broadcast, where x's dimensions keep their order."""

    op_names = (TRANSPOSE,)
    producers = (BROADCAST,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, BROADCAST)
        if inner is None:
            return False
        permutation, shape = ints(op, "permutation"), op.shape
        dims = [permutation.index(d) for d in ints(inner, "broadcast_dimensions")]
        if dims != sorted(dims):
            return False
        return rewriter.replace(op, lambda: ops.broadcast_in_dim(inner.operand(0), shape, dims))


class ReverseOfReverse(Pattern):
    """reverse(reverse(x)) of the same dimensions is x, and so is reversing dimensions of size 1."""

    op_names = ("stablehlo.reverse",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        dims, shape = ints(op, "dimensions"), op.shape
        if all(shape[d] == 1 for d in dims):
            return rewriter.replace(op, op.operand(0))
        inner = op.producer(0, "stablehlo.reverse")
        if inner is None or set(ints(inner, "dimensions")) != set(dims):
            return False
        return rewriter.replace(op, inner.operand(0))


ELEMENTWISE = tuple(
    f"stablehlo.{name}"
    for name in (
        "abs", "add", "and", "ceil", "convert", "cosine", "divide", "exponential", "floor", "log", "logistic",
        "maximum", "minimum", "multiply", "negate", "not", "or", "power", "remainder", "rsqrt", "sign",
        "sine", "sqrt", "subtract", "tanh", "xor",
    )
)  # fmt: skip


class ElementwiseOfBroadcasts(Pattern):
    """f(broadcast(x), broadcast(y)) is broadcast(f(x, y)), where both are spread alike; constants count."""

    op_names = ELEMENTWISE
    producers = (BROADCAST, CONSTANT)
    producers_define = "all"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        if len(op.operands) > 2:
            return False
        sources: list[Any] = []
        template: Op | None = None
        for index in range(len(op.operands)):
            producer = op.producer(index)
            if producer is None:
                return False
            if producer.name == BROADCAST:
                if template is not None and not _alike(template, producer):
                    return False
                template = producer
                sources.append(producer.operand(0))
                continue
            number = splat_of(producer) if producer.name == CONSTANT else None
            if number is None:
                return False
            sources.append(number)
        if template is None:
            return False
        small, shape, dims = template.operand(0), op.shape, ints(template, "broadcast_dimensions")
        if static_shape(small) == shape:
            return False

        def build() -> Any:
            inner_type = ops.with_element(small.type, op.type.element_type)
            values = [ops.full_like(small, s) if isinstance(s, bool | int | float) else s for s in sources]
            inner = ir.Operation.create(op.name, [inner_type], values, _attributes(op)).result
            return ops.broadcast_in_dim(inner, shape, dims)

        return rewriter.replace(op, build)


def _attributes(op: Op) -> dict[str, ir.Attribute]:
    attributes = op.op.attributes
    return {name: attributes[name] for name in attributes}


def _alike(a: Op, b: Op) -> bool:
    if ints(a, "broadcast_dimensions") != ints(b, "broadcast_dimensions"):
        return False
    return static_shape(a.operand(0)) == static_shape(b.operand(0))


def _match_but_units(source: Dims, target: Dims) -> list[int | None] | None:
    """Says where a reshape that only adds and drops dimensions of size 1 puts each dimension.

    Returns:
        For each dimension of ``source`` the dimension of ``target`` that it becomes, None for a dropped
        one. None if the two shapes differ in more than dimensions of size 1.
    """
    where: list[int | None] = []
    position = 0
    for size in source:
        if size == 1:
            # Taken along where the target has a 1 here too, so that identities stay identities.
            if position < len(target) and target[position] == 1:
                where.append(position)
                position += 1
            else:
                where.append(None)
            continue
        while position < len(target) and target[position] == 1:
            position += 1
        if position == len(target) or target[position] != size:
            return None
        where.append(position)
        position += 1
    return where if all(n == 1 for n in target[position:]) else None


PATTERNS: tuple[Pattern, ...] = (
    SameType(),
    ConvertOfConvert(),
    ReshapeOfReshape(),
    TransposeOfTranspose(),
    TransposeOfUnitDims(),
    BroadcastOfBroadcast(),
    BroadcastToUnitDims(),
    BroadcastOfReshape(),
    ReshapeOfBroadcast(),
    TransposeOfBroadcast(),
    ReverseOfReverse(),
    ElementwiseOfBroadcasts(),
)
