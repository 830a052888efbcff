"""Programs on several devices: shardings in the IR, and what they make of arguments and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mycc.dialects import shardy
from mycc.dialects.mlir import context, ir, sdy
from mycc.dialects.types import element_type
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.shardings import NamedSharding, PartitionSpec

__all__ = ["Split", "annotate", "identity", "sharding_attribute", "splits_of"]


def sharding_attribute(
    module: ir.Module, sharding: NamedSharding, rank: int, taken: set[str] | None = None
) -> ir.Attribute:
    """A sharding as an attribute, its mesh declared in the module.

    Args:
        module: the module.
        sharding: the sharding.
        rank: that of the value.
        taken: further symbols that are in use, to which that of the mesh is added.
    """
    # XLA asks for the rank to fit.
    sharding._to_xla_hlo_sharding(rank)
    symbol = shardy.mesh_symbol(module, list(sharding.mesh.shape.items()), taken)
    return shardy.tensor_sharding(symbol, sharding.spec.axes(rank))


def annotate(
    module: ir.Module, arguments: Sequence[NamedSharding | None], results: Sequence[NamedSharding | None]
) -> None:
    """Write shardings to the arguments and results of a module's ``main``; None leaves them to the partitioner."""
    main = _main(module)
    type_ = main.attributes["function_type"].value
    for name, types, shardings in (
        ("arg_attrs", type_.inputs, arguments),
        ("res_attrs", type_.results, results),
    ):
        if not any(s is not None for s in shardings):
            continue
        with context:
            known = main.attributes[name] if name in main.attributes else [ir.DictAttr.get({})] * len(types)
            made = []
            for old, t, sharding in zip(known, types, shardings, strict=True):
                entries = {item.name: item.attr for item in ir.DictAttr(old)}
                if sharding is not None:
                    entries[shardy.SHARDING] = sharding_attribute(module, sharding, len(t.shape))
                made.append(ir.DictAttr.get(entries))
            main.attributes[name] = ir.ArrayAttr.get(made)


def _main(module: ir.Module) -> ir.Operation:
    return next(
        op.operation
        for op in module.body.operations
        if op.operation.name == "func.func" and op.operation.attributes["sym_name"].value == "main"
    )


@dataclass(frozen=True)
class Split:
    """How an argument or result of a module is spread, over a mesh whose devices it does not say.

    Args:
        axes: the name and size of each of the mesh's axes.
        spec: which of them split which dimension.
    """

    axes: tuple[tuple[str, int], ...]
    spec: PartitionSpec


def splits_of(module: ir.Module) -> tuple[list[Split | None], list[Split | None]]:
    """How a module's ``main`` says that its arguments and results are spread; None where it says nothing.

    Meshes of devices in an order of their own, and axes that are split themselves, are passed over.
    """
    main = _main(module)
    type_ = main.attributes["function_type"].value
    found = []
    for name, types in (("arg_attrs", type_.inputs), ("res_attrs", type_.results)):
        given = list(main.attributes[name]) if name in main.attributes else [{}] * len(types)
        found.append([_split(main, a[shardy.SHARDING]) if shardy.SHARDING in a else None for a in given])
    return found[0], found[1]


def _split(op: ir.Operation, attribute: ir.Attribute) -> Split | None:
    sharding = sdy.TensorShardingAttr(attribute)
    try:
        axes = shardy.mesh_axes(op, ir.FlatSymbolRefAttr(sharding.mesh_or_ref).value)
    except ValueError:
        return None
    if not axes:
        return None
    entries = []
    for dimension in map(sdy.DimensionShardingAttr, sharding.dimension_shardings):
        references = [sdy.AxisRefAttr(axis) for axis in dimension.axes]
        if any(reference.sub_axis_info is not None for reference in references):
            return None
        entries.append(tuple(reference.name for reference in references))
    return Split(tuple(axes.items()), PartitionSpec(*entries))


def identity(aval: AbstractValue, old: NamedSharding, new: NamedSharding) -> ir.Module:
    """A program that returns its argument in another sharding."""
    with context, ir.Location.unknown():
        type_ = ir.RankedTensorType.get(aval.shape, element_type(aval.dtype.name))
        module = ir.Module.parse(
            f"func.func @main(%x: {type_}) -> {type_} {{ return %x : {type_} }}", context=context
        )
    annotate(module, [old], [new])
    return module
