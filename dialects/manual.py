"""`sdy.manual_computation`: what each device computes by itself, on its parts of arrays.

Its region is a call of a function on the parts; named collectives inside are over the axes of its mesh.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        axes: the size of each of the mesh's axes.
        ins, outs: how each operand and each result is split.
    """

    mesh: str
    axes: Mapping[str, int]
    ins: tuple[Spec, ...]
    outs: tuple[Spec, ...]

    def missing(self, spec: Spec) -> list[str]:
        """The axes over which a value is replicated."""
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
            results = ops.call(symbol, list(parts), list(block.arguments))
            ir.Operation.create("sdy.return", [], results)
        return list(operation.results)

    def _shardings(self, specs: Sequence[Spec]) -> ir.Attribute:
        return sdy.TensorShardingPerValueAttr.get(
            [tensor_sharding(self.mesh, spec) for spec in specs], context=context
        )


def match(op: ir.Operation) -> Manual:
    """The parameters of a manual computation.

    Raises:
        ValueError: it is manual over some of its mesh's axes only, or its mesh is not declared in the module.
    """
    found: list[list[Spec]] = []
    symbol = None
    for name in ("in_shardings", "out_shardings"):
        specs: list[Spec] = []
        for each in sdy.TensorShardingPerValueAttr(op.attributes[name]).shardings:
            sharding = sdy.TensorShardingAttr(each)
            symbol = ir.FlatSymbolRefAttr(sharding.mesh_or_ref).value
            dimensions = map(sdy.DimensionShardingAttr, sharding.dimension_shardings)
            specs.append(tuple(tuple(sdy.AxisRefAttr(axis).name for axis in d.axes) for d in dimensions))
        found.append(specs)
    if symbol is None:
        raise ValueError("it has neither operands nor results")
    axes = mesh_axes(op, symbol)
    manual = set(sdy.ManualAxesAttr(op.attributes["manual_axes"]))
    if manual != axes.keys():
        raise ValueError(f"it is manual over {sorted(manual)} of the axes {sorted(axes)}; all of them can be")
    return Manual(symbol, axes, tuple(found[0]), tuple(found[1]))


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
