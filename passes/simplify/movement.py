"""Transposes and reshapes, moved past what does the same to each element.

They move towards the results: there they meet a contraction, a reduction or their own inverse.
"""

from __future__ import annotations

from typing import Any

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import tensor
from mycc.passes.pattern import Op, Pattern, Rewriter, has_one_use
from mycc.passes.simplify.match import BROADCAST, CONSTANT, RESHAPE, TRANSPOSE, ints, reduction, splat_of
from mycc.passes.simplify.shape import ELEMENTWISE

__all__ = ["PATTERNS"]

_MOVES = ("stablehlo.select", "stablehlo.compare", "stablehlo.clamp", *ELEMENTWISE)
_REDUCE = "stablehlo.reduce"


class ElementwiseOfTransposes(Pattern):
    """f(transpose(x), transpose(y)) is transpose(f(x, y)), where both move alike; constants count."""

    op_names = _MOVES

    def may_match(self, name: str, producers: tuple[str, ...]) -> bool:
        return _may_move(TRANSPOSE, producers)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        found = _moved(op, TRANSPOSE)
        if found is None or len({ints(t, "permutation") for t in found if t is not None}) != 1:
            return False
        permutation = next(ints(t, "permutation") for t in found if t is not None)
        back = [permutation.index(d) for d in range(len(permutation))]
        shape = tuple(op.shape[d] for d in back)
        return rewriter.replace(op, lambda: ops.transpose(_inner(op, found, shape), permutation))


class ElementwiseOfReshapes(Pattern):
    """f(reshape(x), reshape(y)) is reshape(f(x, y)), where x and y have one shape; constants count."""

    op_names = _MOVES

    def may_match(self, name: str, producers: tuple[str, ...]) -> bool:
        return _may_move(RESHAPE, producers)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        found = _moved(op, RESHAPE)
        if found is None or len({t.operand_shape(0) for t in found if t is not None}) != 1:
            return False
        shape = next(t.operand_shape(0) for t in found if t is not None)
        return rewriter.replace(op, lambda: ops.reshape(_inner(op, found, shape), op.shape))


class TransposeOfElementwise(Pattern):
    """transpose(f(transpose(x), y)) is f(x, y'), where the transposes undo each other and y is a broadcast."""

    op_names = (TRANSPOSE,)
    producers = _MOVES

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        middle = op.producer(0)
        if middle is None or middle.name not in _MOVES or not has_one_use(middle.result):
            return False
        permutation, shape = ints(op, "permutation"), op.shape
        values: list[Any] = []
        undone = False
        for index in range(len(middle.operands)):
            producer = middle.producer(index)
            if producer is None or middle.operand_shape(index) != middle.shape:
                return False
            if producer.name == TRANSPOSE:
                inner = ints(producer, "permutation")
                if [inner[d] for d in permutation] != list(range(len(inner))):
                    return False
                undone = True
                values.append(producer.operand(0))
            elif producer.name == BROADCAST:
                dims = [permutation.index(d) for d in ints(producer, "broadcast_dimensions")]
                if dims != sorted(dims):
                    return False
                values.append((producer.operand(0), dims))
            elif (number := splat_of(producer)) is not None:
                values.append((middle.operand_type(index), number))
            else:
                return False
        return undone and rewriter.replace(op, lambda: _applied(middle, values, shape))


class ReduceOfTranspose(Pattern):
    """A reduction of a transpose reduces what was transposed, where the dimensions that are left keep their order."""

    op_names = (_REDUCE,)
    producers = (TRANSPOSE,)
    producers_define = "first"
    differs = "the order in which a sum is added up"

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        inner = op.producer(0, TRANSPOSE)
        if inner is None or len(op.operands) != 2 or reduction(op) is None:
            return False
        permutation, dims = ints(inner, "permutation"), ints(op, "dimensions")
        left = [p for d, p in enumerate(permutation) if d not in dims]
        if left != sorted(left):
            return False
        summed = sorted(permutation[d] for d in dims)
        return rewriter.update(op, {0: inner.operand(0)}, {"dimensions": ops.i64_array(summed)})


def _may_move(name: str, producers: tuple[str, ...]) -> bool:
    if not set(producers) <= {name, CONSTANT}:
        return False
    return producers.count(name) > 1 or producers == (name,)


def _moved(op: Op, name: str) -> list[Op | None] | None:
    """For each operand the transpose or reshape that makes it, None for a constant; None if one is neither.

    Where there is one alone, moving it gains nothing unless what comes next is one as well.
    """
    if len(op.operands) == 1 and not _meets(op, name):
        return None
    found: list[Op | None] = []
    for index in range(len(op.operands)):
        producer = op.producer(index)
        if producer is None or op.operand_shape(index) != op.shape:
            return None
        if producer.name == name:
            # Reshapes move nothing.
            if not (name == RESHAPE and len(op.operands) == 1) and not has_one_use(producer.result):
                return None
            found.append(producer)
        elif producer.name == CONSTANT and splat_of(producer) is not None:
            found.append(None)
        else:
            return None
    return found


def _meets(op: Op, name: str) -> bool:
    """Whether the only user of an operation moves its elements once more."""
    uses = list(op.result.uses)
    return len(uses) == 1 and uses[0].owner.name == name


def _inner(op: Op, found: list[Op | None], shape: tuple[int, ...]) -> ir.Value:
    """The operation on what was moved."""
    values: list[Any] = []
    for index, producer in enumerate(found):
        if producer is not None:
            values.append(producer.operand(0))
        else:
            values.append((op.operand_type(index), splat_of(op.producer(index))))
    return _applied(op, values, shape)


def _applied(op: Op, values: list[Any], shape: tuple[int, ...]) -> ir.Value:
    """An elementwise operation on other operands.

    Args:
        op: the operation.
        values: for each operand a value; or what is broadcast and along which dimensions; or a type and a number.
        shape: of all operands.
    """
    operands = []
    for value in values:
        if isinstance(value, ir.Value):
            operands.append(value)
        elif isinstance(value[0], ir.Value):
            operands.append(ops.broadcast_in_dim(value[0], shape, value[1]))
        else:
            type_ = tensor(shape, value[0].element_type)
            operands.append(ops.full(type_, value[1]))
    type_ = tensor(shape, op.type.element_type)
    attributes = {name: op.op.attributes[name] for name in op.op.attributes}
    return ir.Operation.create(op.name, [type_], operands, attributes).result


PATTERNS: tuple[Pattern, ...] = (
    ElementwiseOfTransposes(),
    ElementwiseOfReshapes(),
    TransposeOfElementwise(),
    ReduceOfTranspose(),
)
