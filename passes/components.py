"""The pass ``components``: arrays of short vectors become one array for each component.

In ``p[None] - p[:, None]`` of points in space the innermost loop runs over three numbers, and cannot be vectorized.
Where such an array is only a step from small arrays to reductions, each operation on it is done for every component
by itself, on arrays whose innermost dimension is a long one::

    %d = stablehlo.subtract %a, %b : tensor<256x256x3xf32>     // before

    %d0 = stablehlo.subtract %a0, %b0 : tensor<256x256xf32>    // after
    %d1 = stablehlo.subtract %a1, %b1 : tensor<256x256xf32>
    %d2 = stablehlo.subtract %a2, %b2 : tensor<256x256xf32>

Where they are only added up along their rows, one loop does so for all components.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules import regions
from mycc.dialects.types import shape_of, tensor
from mycc.passes.base import Pass, option
from mycc.passes.pattern import has_one_use, may_hold_program
from mycc.passes.records import ELEMENTWISE

__all__ = ["Components"]

Value: TypeAlias = ir.Value
Combine: TypeAlias = Callable[[Value, Value], Value]

_CONSTANT = "stablehlo.constant"
_BROADCAST = "stablehlo.broadcast_in_dim"
_REDUCE = "stablehlo.reduce"
# How many sums a loop should have under way for none to wait for another.
_SUMS = 6
# Sources and results count as small where they have this many times fewer elements.
_SMALL = 8


@dataclass(frozen=True)
class Components(Pass):
    """Splits large arrays whose last dimension is 2 to 4 where they lie between small arrays and reductions."""

    name = "components"

    max_components: int = option(4, help="the longest last dimension that is split")
    min_elements: int = option(16384, help="arrays of fewer elements are left alone")

    def run(self, module: ir.Module) -> None:
        blocks = [b for f in module.body.operations for region in f.regions for b in region.blocks]
        fits: dict[ir.Type, bool] = {}
        while blocks:
            listed = [op.operation for op in blocks.pop().operations]
            steps = []
            for op in listed:
                name = op.name
                if name in ELEMENTWISE or name == _BROADCAST:
                    if self._is_step(op, name, fits):
                        steps.append(op)
                elif may_hold_program(name):
                    blocks += [b for region in op.regions for b in region.blocks]
            for cluster in _clusters(steps, listed) if steps else ():
                self.count("split arrays", len(cluster))
                _Split(cluster).run()

    def _is_step(self, op: ir.Operation, name: str, fits: dict[ir.Type, bool]) -> bool:
        """Whether an operation makes an array that can be made by components; ``fits`` remembers types."""
        type_: ir.RankedTensorType = op.result.type
        if type_ not in fits:
            sizes = _static_shape(op.result) or (1,)
            fits[type_] = 2 <= sizes[-1] <= self.max_components and math.prod(sizes) >= self.min_elements
        if not fits[type_]:
            return False
        shape = tuple(type_.shape)
        if name == _BROADCAST:
            source = _static_shape(op.operands[0])
            if source is None:
                return False
            # What is the same for all components is read as it is; what is not must be taken apart.
            return _is_spread(op) or _SMALL * math.prod(source) <= math.prod(shape)
        return all(_static_shape(operand) == shape for operand in op.operands)


def _static_shape(value: Value) -> tuple[int, ...] | None:
    type_ = value.type
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        return None
    return tuple(type_.shape)


def _is_spread(op: ir.Operation) -> bool:
    """Whether a broadcast repeats its operand along the last dimension of its result."""
    last = len(op.results[0].type.shape) - 1
    dims = list(op.attributes["broadcast_dimensions"])
    return not dims or dims[-1] != last or op.operands[0].type.shape[-1] == 1


def _is_splat(value: Value) -> bool:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != _CONSTANT:
        return False
    if isinstance(value.type.element_type, ir.ComplexType):
        # The bindings cannot read a complex constant's attribute.
        return False
    attribute = owner.attributes["value"]
    return isinstance(attribute, ir.DenseElementsAttr) and bool(attribute.is_splat)


def _clusters(steps: Sequence[ir.Operation], block: Sequence[ir.Operation]) -> Iterator[list[ir.Operation]]:
    """The steps that are connected with each other, where nothing else needs one of their arrays as it is.

    Each list is in program order, and holds the reductions of its arrays as well.
    """
    place = {hash(op.results[0]): i for i, op in enumerate(steps)}
    group = list(range(len(steps)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    whole: set[int] = set()
    for i, op in enumerate(steps):
        if op.name == _BROADCAST:
            continue
        for operand in op.operands:
            j = place.get(hash(operand))
            if j is not None:
                group[root(i)] = root(j)
            elif not _is_splat(operand):
                whole.add(i)
    order = {hash(op.results[0]): n for n, op in enumerate(block) if len(op.results) == 1}
    reductions: dict[int, list[ir.Operation]] = {}
    for i, op in enumerate(steps):
        for use in op.results[0].uses:
            user = use.owner.operation
            key = hash(user.results[0]) if len(user.results) == 1 else None
            if key in place and user.name != _BROADCAST:
                continue
            if key in order and _is_shrinking(user, op.results[0]):
                reductions.setdefault(i, []).append(user)
            else:
                whole.add(i)
    refused = {root(i) for i in whole}
    found: dict[int, list[ir.Operation]] = {}
    for i, op in enumerate(steps):
        if root(i) not in refused:
            found.setdefault(root(i), []).extend([op, *reductions.get(i, [])])
    for cluster in found.values():
        unique = {hash(op.results[0]): op for op in cluster}
        if any(op.name == _REDUCE for op in unique.values()):
            yield sorted(unique.values(), key=lambda op: order[hash(op.results[0])])


def _is_shrinking(op: ir.Operation, array: Value) -> bool:
    """Whether an operation reduces an array to one that is small, or in its last dimension."""
    if op.name != _REDUCE or len(op.operands) != 2 or op.operands[0] != array:
        return False
    (kind,) = regions.kinds(op)
    if kind not in regions.COMBINE or not regions.is_identity(op.operands[1], kind):
        return False
    shape = tuple(array.type.shape)
    within = len(shape) - 1 in list(op.attributes["dimensions"])
    return within or _SMALL * math.prod(op.results[0].type.shape) <= math.prod(shape)


class _Split:
    """The operations of a cluster, done component by component."""

    def __init__(self, cluster: Sequence[ir.Operation]) -> None:
        self.cluster = cluster
        self.parts: dict[int, list[Value]] = {}
        self.taken: dict[int, list[Value]] = {}

    def run(self) -> None:
        for op in self.cluster:
            with op.location, ir.InsertionPoint(op):
                if op.name == _REDUCE:
                    op.results[0].replace_all_uses_with(self._reduced(op))
                elif op.name == _BROADCAST:
                    self.parts[hash(op.results[0])] = self._broadcast(op)
                else:
                    self.parts[hash(op.results[0])] = self._pointwise(op)
        constants = {
            hash(value): value.owner for op in self.cluster for value in op.operands if _is_splat(value)
        }
        for op in reversed(self.cluster):
            op.erase()
        for constant in constants.values():
            if next(constant.results[0].uses, None) is None:
                constant.erase()

    def _pointwise(self, op: ir.Operation) -> list[Value]:
        outer, count = _divided(op.results[0])
        type_ = tensor(outer, op.results[0].type.element_type)
        operands = [self._components(operand, outer, count) for operand in op.operands]
        return [ops.rebuild(op, list(each), [type_]).result for each in zip(*operands, strict=True)]

    def _components(self, operand: Value, outer: tuple[int, ...], count: int) -> list[Value]:
        found = self.parts.get(hash(operand))
        if found is not None:
            return found
        type_ = tensor(outer, operand.type.element_type)
        number = operand.owner.attributes["value"].get_splat_value()
        value = ir.DenseElementsAttr.get_splat(type_, number)
        return [ops.create(_CONSTANT, [type_], [], {"value": value}).result] * count

    def _reduced(self, op: ir.Operation) -> Value:
        array, initial = op.operands
        parts = self.parts[hash(array)]
        last = len(array.type.shape) - 1
        dims = [d for d in op.attributes["dimensions"] if d != last]
        (kind,) = regions.kinds(op)
        assert kind is not None
        combine = regions.COMBINE[kind]
        if dims == [last - 1] and has_one_use(array):
            parts = _reduced_together(parts, initial, dims[0], combine)
        elif dims:
            parts = [ops.reduce(part, initial, dims, combine) for part in parts]
        if last in list(op.attributes["dimensions"]):
            return reduce(combine, parts)
        shape = shape_of(parts[0])
        return ops.concatenate([ops.reshape(part, (*shape, 1)) for part in parts], len(shape))

    def _broadcast(self, op: ir.Operation) -> list[Value]:
        outer, count = _divided(op.results[0])
        source, dims = op.operands[0], list(op.attributes["broadcast_dimensions"])
        if _is_spread(op):
            if dims and dims[-1] == len(outer):
                source, dims = ops.reshape(source, shape_of(source)[:-1]), dims[:-1]
            return [ops.broadcast_in_dim(source, outer, dims)] * count
        key = hash(source)
        if key not in self.taken:
            self.taken[key] = _apart(source)
        return [ops.broadcast_in_dim(part, outer, dims[:-1]) for part in self.taken[key]]


def _reduced_together(parts: Sequence[Value], initial: Value, dim: int, combine: Combine) -> list[Value]:
    """Arrays that nothing else reads, reduced along their rows in one loop, which computes them as it goes.

    By itself each would be stored for its own reduction. Each row is cut into a few lengths side by side: an addition
    takes several times as long as it is until the next could start that does not wait for it.
    """
    size, lengths = parts[0].type.shape[dim], 1
    while lengths * len(parts) < _SUMS and size % (2 * lengths) == 0:
        lengths *= 2
    pieces = [piece for part in parts for piece in _cut(part, dim, lengths)]

    def body(*values: Value) -> list[Value]:
        half = len(values) // 2
        return [combine(a, b) for a, b in zip(values[:half], values[half:], strict=True)]

    found = ops.reduce_many(pieces, [initial] * len(pieces), [dim], body)
    return [reduce(combine, found[i : i + lengths]) for i in range(0, len(found), lengths)]


def _cut(array: Value, dim: int, count: int) -> list[Value]:
    """An array in parts of equal lengths along a dimension."""
    if count == 1:
        return [array]
    shape = shape_of(array)
    length = shape[dim] // count

    def at(place: int) -> list[int]:
        return [place * length if d == dim else 0 for d in range(len(shape))]

    def until(place: int) -> list[int]:
        return [(place + 1) * length if d == dim else n for d, n in enumerate(shape)]

    return [ops.slice_(array, at(i), until(i)) for i in range(count)]


def _apart(array: Value) -> list[Value]:
    """The components of an array."""
    outer, count = _divided(array)
    lead = (0,) * len(outer)
    parts = [ops.slice_(array, (*lead, i), (*outer, i + 1)) for i in range(count)]
    return [ops.reshape(part, outer) for part in parts]


def _divided(array: Value) -> tuple[tuple[int, ...], int]:
    """The shape of one component, and how many there are."""
    *outer, count = array.type.shape
    return tuple(outer), count
