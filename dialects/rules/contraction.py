"""Records of contractions: `dot_general` and the older `dot`.

With batch dimensions B, x's free dimensions M, y's free dimensions N and contracted dimensions K, a
contraction is (B M K) (B N K) -> B M N. The derivative for x contracts N: (B M N) (B N K) -> B M K, or with
the operands swapped -> B K M. Whichever of the two is x's own order needs no transpose.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.record import Batched, Record, Site, bilinear
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Contraction:
    """What a `dot_general` does, apart from its operands.

    Args:
        batching: per operand, the batch dimensions.
        contracting: per operand, the contracted dimensions.
        element: the result's element type.
        precision: one entry per operand.
        algorithm: the ``#stablehlo.dot_algorithm``, which names the operands' precisions too.
    """

    batching: tuple[Dims, Dims]
    contracting: tuple[Dims, Dims]
    element: ir.Type
    precision: ir.Attribute | None = None
    algorithm: ir.Attribute | None = None

    @staticmethod
    def of(op: ir.Operation) -> Contraction:
        """Read a `stablehlo.dot_general` or `stablehlo.dot`."""
        attributes = op.attributes
        element = op.results[0].type.element_type
        precision = attributes.get("precision_config")
        if op.name == "stablehlo.dot":
            last = len(op.operands[0].type.shape) - 1
            return Contraction(((), ()), ((last,), (0,)), element, precision)
        return _read(attributes["dot_dimension_numbers"], element, precision, attributes.get("algorithm"))

    def swapped(self) -> Contraction:
        """The same with the operands exchanged; the result's free dimensions change places."""
        return replace(
            self,
            batching=self.batching[::-1],
            contracting=self.contracting[::-1],
            precision=_swap_precision(self.precision),
            algorithm=_swap_algorithm(self.algorithm),
        )

    def build(self, x: Value, y: Value) -> Value:
        """The contraction of two operands."""
        type_ = tensor(self.shape(shape_of(x), shape_of(y)), self.element)
        return ops.create("stablehlo.dot_general", [type_], [x, y], self.attributes()).result

    def shape(self, x: Dims, y: Dims) -> Dims:
        """The result's shape."""
        batch = [x[d] for d in self.batching[0]]
        return (*batch, *(x[d] for d in self.free(0, len(x))), *(y[d] for d in self.free(1, len(y))))

    def attributes(self) -> dict[str, ir.Attribute]:
        """The operation's attributes."""
        return ops.dot_attributes(self.contracting, self.batching, self.precision, self.algorithm)

    def free(self, side: int, rank: int) -> Dims:
        """The free dimensions of one operand of a given rank."""
        taken = (*self.batching[side], *self.contracting[side])
        return tuple(d for d in range(rank) if d not in taken)


@functools.lru_cache(maxsize=4096)
def _read(
    numbers: ir.Attribute, element: ir.Type, precision: ir.Attribute | None, algorithm: ir.Attribute | None
) -> Contraction:
    dims = hlo.DotDimensionNumbers(numbers)
    batching = (tuple(dims.lhs_batching_dimensions), tuple(dims.rhs_batching_dimensions))
    contracting = (tuple(dims.lhs_contracting_dimensions), tuple(dims.rhs_contracting_dimensions))
    return Contraction(batching, contracting, element, precision, algorithm)


def _swap_precision(precision: ir.Attribute | None) -> ir.Attribute | None:
    if precision is None:
        return None
    entries = list(precision)
    return precision if entries == entries[::-1] else ir.ArrayAttr.get(entries[::-1], context=context)


def _swap_algorithm(algorithm: ir.Attribute | None) -> ir.Attribute | None:
    if algorithm is None:
        return None
    a = hlo.DotAlgorithm(algorithm)
    return hlo.DotAlgorithm.get(
        a.rhs_precision_type,
        a.lhs_precision_type,
        a.accumulation_type,
        a.rhs_component_count,
        a.lhs_component_count,
        a.num_primitive_operations,
        a.allow_imprecise_accumulation,
        context,
    )


def _inverse(permutation: Sequence[int]) -> list[int]:
    return sorted(range(len(permutation)), key=permutation.__getitem__)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the cotangent of one operand is contracted; the same for all contractions of the same types."""

    swap: bool
    """Whether the other operand comes before the cotangent."""
    type: ir.Type
    attributes: dict[str, ir.Attribute]
    permutation: tuple[int, ...] | None


def _plan_first(dot: Contraction, x: Dims, y: Dims, cotangent: Dims, y_dims: Dims, element: ir.Type) -> _Plan:
    """The plan for the cotangent of the first operand, from the shapes of both and of the result's cotangent.

    ``y_dims`` are the dimensions of the result's cotangent that are free ones of the second operand.
    """
    rank = len(x)
    # Batch dimensions may be listed in any order: in the first operand's own, they need no transpose.
    order = _inverse(dot.batching[0])
    batching = (tuple(order), tuple(dot.batching[1][i] for i in order))
    pull = replace(dot, batching=batching, contracting=(y_dims, dot.free(1, len(y))))
    batched = [dot.batching[0][i] for i in order]
    free = list(dot.free(0, rank))
    # The contracted dimensions come out in the order in which y has them.
    contracted = [dot.contracting[0][i] for i in _inverse(dot.contracting[1])]
    straight = _inverse([*batched, *free, *contracted])
    turned = _inverse([*batched, *contracted, *free])
    swap = turned == list(range(rank)) != straight
    if swap:
        pull = pull.swapped()
    shapes = (y, cotangent) if swap else (cotangent, y)
    permutation = None if swap or straight == list(range(rank)) else tuple(straight)
    return _Plan(swap, tensor(pull.shape(*shapes), element), pull.attributes(), permutation)


@functools.lru_cache(maxsize=4096)
def _plan(dot: Contraction, side: int, x: Dims, y: Dims, cotangent: Dims, element: ir.Type) -> _Plan:
    n_batch = len(dot.batching[0])
    n_x = len(dot.free(0, len(x)))
    if side == 0:
        return _plan_first(dot, x, y, cotangent, tuple(range(n_batch + n_x, len(cotangent))), element)
    return _plan_first(dot.swapped(), y, x, cotangent, tuple(range(n_batch, n_batch + n_x)), element)


def _pull(side: int, site: Site, cotangent: Value) -> Value:
    dot = Contraction.of(site.op)
    other = site.operand(1 - side)
    x, y = (operand.type for operand in site.operands)
    plan = _plan(dot, side, tuple(x.shape), tuple(y.shape), shape_of(cotangent), ops.element_of(cotangent))
    operands = [other, cotangent] if plan.swap else [cotangent, other]
    found = ops.create("stablehlo.dot_general", [plan.type], operands, plan.attributes).result
    if plan.permutation is not None:
        found = ops.transpose(found, plan.permutation)
    return ops.convert(found, (y if side else x).element_type)


def _shift(dims: Dims, batched: bool) -> Dims:
    return tuple(d + 1 for d in dims) if batched else dims


def _batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    dot = Contraction.of(site.op)
    x, y = site.operands
    on_x, on_y = site.flags
    batching = (_shift(dot.batching[0], on_x), _shift(dot.batching[1], on_y))
    contracting = (_shift(dot.contracting[0], on_x), _shift(dot.contracting[1], on_y))
    if on_x and on_y:
        batching = ((0, *batching[0]), (0, *batching[1]))
        return [replace(dot, batching=batching, contracting=contracting).build(x, y)], [True]
    dot = replace(dot, batching=batching, contracting=contracting)
    n_batch = len(batching[0])
    x_free = len(dot.free(0, len(shape_of(x))))
    y_free = len(dot.free(1, len(shape_of(y))))
    if on_x:
        return [_to_front(dot.build(x, y), n_batch)], [True]
    # The new dimension is the first free one of y: swapping the operands puts it right behind the batch
    # dimensions, and leaves the others in order if there are only those of x.
    if y_free == 1 and x_free:
        return [_to_front(dot.swapped().build(y, x), n_batch)], [True]
    return [_to_front(dot.build(x, y), n_batch + x_free)], [True]


def _to_front(x: Value, dim: int) -> Value:
    rank = len(shape_of(x))
    return ops.transpose(x, [dim, *(d for d in range(rank) if d != dim)])


def _record(name: str) -> Record:
    return bilinear(
        name,
        (lambda site, value: _pull(0, site, value), lambda site, value: _pull(1, site, value)),
        _batch,
    )


RECORDS: tuple[Record, ...] = (_record("stablehlo.dot_general"), _record("stablehlo.dot"))
