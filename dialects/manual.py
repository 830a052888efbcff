"""`sdy.manual_computation`: what each device computes by itself, on its parts of arrays.

Its region is a call of a function on the parts; named collectives inside are over the axes of its mesh.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir, sdy
from mycc.dialects.shardy import mesh_axes, tensor_sharding
from mycc.dialects.types import tensor

__all__ = ["NAME", "Manual", "Spec", "match", "part_of", "whole_of"]

NAME = "sdy.manual_computation"

Spec = tuple[tuple[str, ...], ...]
"""For each dimension of an array the axes that it is split over."""


@dataclass(frozen=True, slots=True)
class Manual:
    """The parameters of a manual computation.

    Args:
        mesh: the mesh's symbol.
        axes: the size of each axis that it is manual over.
        ins, outs: how each operand and each result is split over these.
        partial: whether the mesh has further axes, over which the partitioner spreads the parts.
    """

    mesh: str
    axes: Mapping[str, int]
    ins: tuple[Spec, ...]
    outs: tuple[Spec, ...]
    partial: bool = False

    def missing(self, spec: Spec) -> list[str]:
        """The manual axes over which a value is replicated."""
        used = {name for names in spec for name in names}
        return [name for name in self.axes if name not in used]

    def stacked(self, rank: int) -> Spec:
        """The spec of values that differ on all devices, each with a new dimension of size 1 in front."""
        return (tuple(self.axes), *[()] * rank)

    def build(self, symbol: str, operands: Sequence[ir.Value], parts: Sequence[ir.Type]) -> list[ir.Value]:
        """The operation, of a function on parts.

        Args:
            symbol: the function.
            operands: whole arrays.
            parts: the types of its results, of parts.
        """
        return self.around(lambda values: ops.call(symbol, list(parts), values), operands, parts)

    def around(
        self,
        body: Callable[[list[ir.Value]], Sequence[ir.Value]],
        operands: Sequence[ir.Value],
        parts: Sequence[ir.Type],
    ) -> list[ir.Value]:
        """The operation, whose region is built of the parts of its operands; as `build`."""
        wholes = [whole_of(type_, spec, self.axes) for type_, spec in zip(parts, self.outs, strict=True)]
        inside = [
            part_of(operand.type, spec, self.axes) for operand, spec in zip(operands, self.ins, strict=True)
        ]
        attributes = {
            "in_shardings": self._shardings(self.ins),
            "out_shardings": self._shardings(self.outs),
            "manual_axes": sdy.ManualAxesAttr.get(
                [ir.StringAttr.get(name, context=context) for name in self.axes], context=context
            ),
        }
        operation = ops.create(NAME, wholes, list(operands), attributes, regions=1)
        block = operation.regions[0].blocks.append(*inside)
        with ir.InsertionPoint(block):
            ir.Operation.create("sdy.return", [], body(list(block.arguments)))
        return list(operation.results)

    def _shardings(self, specs: Sequence[Spec]) -> ir.Attribute:
        # Of a partial computation each dimension may be split further, over the axes that are left to the partitioner.
        return sdy.TensorShardingPerValueAttr.get(
            [tensor_sharding(self.mesh, spec, range(len(spec)) if self.partial else ()) for spec in specs],
            context=context,
        )


def match(op: ir.Operation) -> Manual:
    """The parameters of a manual computation.

    Raises:
        ValueError: it has neither operands nor results, its mesh is not declared in the module, or an array is split by a
            part of an axis.
    """
    found: list[list[Spec]] = []
    symbol = None
    manual = set(sdy.ManualAxesAttr(op.attributes["manual_axes"]))
    for name in ("in_shardings", "out_shardings"):
        specs: list[Spec] = []
        for each in sdy.TensorShardingPerValueAttr(op.attributes[name]).shardings:
            sharding = sdy.TensorShardingAttr(each)
            symbol = ir.FlatSymbolRefAttr(sharding.mesh_or_ref).value
            specs.append(
                tuple(
                    tuple(name for name in _whole_axes(d) if name in manual)
                    for d in map(sdy.DimensionShardingAttr, sharding.dimension_shardings)
                )
            )
        found.append(specs)
    if symbol is None:
        raise ValueError("it has neither operands nor results")
    everything = mesh_axes(op, symbol)
    axes = {name: size for name, size in everything.items() if name in manual}
    return Manual(symbol, axes, tuple(found[0]), tuple(found[1]), len(axes) < len(everything))


def _whole_axes(dimension: ir.Attribute) -> list[str]:
    references = [sdy.AxisRefAttr(axis) for axis in dimension.axes]
    for each in references:
        if each.sub_axis_info is not None:
            raise ValueError(f"it splits an array by a part of the axis '{each.name}'; all of it can be")
    return [each.name for each in references]


def part_of(type_: ir.Type, spec: Spec, axes: Mapping[str, int]) -> ir.Type:
    """The type of a device's part of an array.

    Raises:
        ValueError: a dimension does not divide.
    """
    counts = [math.prod(axes[name] for name in names) for names in spec]
    shape = type_.shape
    if any(n % count for n, count in zip(shape, counts, strict=True)):
        raise ValueError(f"{type_} does not divide among {counts} devices")
    return tensor(tuple(n // count for n, count in zip(shape, counts, strict=True)), type_.element_type)


def whole_of(type_: ir.Type, spec: Spec, axes: Mapping[str, int]) -> ir.Type:
    """The type of the array of which a device has a part of some type."""
    counts = [math.prod(axes[name] for name in names) for names in spec]
    return tensor(tuple(n * count for n, count in zip(type_.shape, counts, strict=True)), type_.element_type)
