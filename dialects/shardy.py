"""Shardy's attributes: meshes by symbol, and how a value's dimensions are split over their axes."""

from __future__ import annotations

from collections.abc import Sequence

from mycc.dialects.mlir import context, ir, sdy, unknown

__all__ = [
    "CONSTRAINT",
    "SHARDING",
    "constraint",
    "mesh_axes",
    "mesh_symbol",
    "on_first_device",
    "tensor_sharding",
    "with_leading_dimension",
]

SHARDING = "sdy.sharding"
"""The attribute of arguments, results and operations."""
CONSTRAINT = "sdy.sharding_constraint"


def mesh_symbol(module: ir.Module, axes: Sequence[tuple[str, int]], taken: set[str] | None = None) -> str:
    """The symbol of a module's mesh of some axes, which is declared at the top if it was not yet.

    Args:
        module: the module.
        axes: the name and size of each axis; devices are counted along the last one first.
        taken: further symbols that are in use, to which that of the mesh is added.
    """
    with context, unknown:
        wanted = sdy.MeshAttr.get([sdy.MeshAxisAttr.get(name, size) for name, size in axes])
        used = set(taken or ())
        for op in module.body.operations:
            attributes = op.operation.attributes
            if "sym_name" in attributes:
                used.add(attributes["sym_name"].value)
            if op.operation.name == "sdy.mesh" and attributes["mesh"] == wanted:
                return str(attributes["sym_name"].value)
        name = next(n for n in ("mesh", *(f"mesh_{i}" for i in range(len(used) + 1))) if n not in used)
        if taken is not None:
            taken.add(name)
        with ir.InsertionPoint.at_block_begin(module.body):
            ir.Operation.create("sdy.mesh", attributes={"sym_name": ir.StringAttr.get(name), "mesh": wanted})
        return name


def mesh_axes(op: ir.Operation, symbol: str) -> dict[str, int]:
    """The size of each axis of a mesh that the module of an operation declares.

    Raises:
        ValueError: it does not, or the mesh is of devices in an order of its own.
    """
    module = op
    while module.parent is not None:
        module = module.parent.operation
    for each in module.regions[0].blocks[0].operations:
        found = each.operation
        if found.name == "sdy.mesh" and found.attributes["sym_name"].value == symbol:
            mesh = sdy.MeshAttr(found.attributes["mesh"])
            if list(mesh.device_ids):
                raise ValueError(f"its mesh @{symbol} has devices in an order of its own")
            axes = map(sdy.MeshAxisAttr, mesh.axes)
            return {axis.name: axis.size for axis in axes}
    raise ValueError(f"its mesh @{symbol} is not declared in the module")


def tensor_sharding(mesh: str, dimensions: Sequence[Sequence[str]], free: Sequence[int] = ()) -> ir.Attribute:
    """How a value is split: by which axes of a mesh each dimension is.

    Args:
        mesh: the mesh's symbol.
        dimensions: the axes of each dimension, the one of the largest strides first.
        free: dimensions that the partitioner may split further.
    """
    with context:
        return sdy.TensorShardingAttr.get(
            mesh,
            [
                sdy.DimensionShardingAttr.get([sdy.AxisRefAttr.get(name) for name in names], d not in free)
                for d, names in enumerate(dimensions)
            ],
        )


def on_first_device(results: int) -> ir.Attribute:
    """The sharding of an operation that runs on the first device alone, and takes and gives whole arrays.

    Args:
        results: how many it has; one that has none is marked as one with one.
    """
    each = "<mesh<[], device_ids=[0]>, []>"
    return ir.Attribute.parse(f"#sdy.sharding_per_value<[{', '.join([each] * max(results, 1))}]>", context)


def constraint(x: ir.Value, sharding: ir.Attribute) -> ir.Value:
    """``x``, which the partitioner is to split like that."""
    return ir.Operation.create(CONSTRAINT, [x.type], [x], {"sharding": sharding}).result


def with_leading_dimension(sharding: ir.Attribute) -> ir.Attribute:
    """The sharding of a batch: its new first dimension is left to the partitioner."""
    old = sdy.TensorShardingAttr(sharding)
    with context:
        return sdy.TensorShardingAttr.get(
            old.mesh_or_ref,
            [sdy.DimensionShardingAttr.get([], False), *old.dimension_shardings],
            old.replicated_axes,
            old.unreduced_axes,
        )
