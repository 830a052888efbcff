"""`shard_map`: what each device of a mesh computes by itself, on its parts of arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mycc.array import Array
from mycc.device import device_put
from mycc.dialects.errors import ShardingError, TreeError
from mycc.dialects.manual import Manual, Spec
from mycc.dialects.mlir import ir
from mycc.dialects.shardy import mesh_symbol
from mycc.function import Callee, building, name_of, trace_function
from mycc.jit import jit
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.shardings import Mesh, NamedSharding, PartitionSpec
from mycc.mesh import get_mesh
from mycc.passes.varying import varying
from mycc.shared import expanded
from mycc.source import user_line
from mycc.trace import Frame, Trace, Tracer, current
from mycc.types import abstractify_all

__all__ = ["Region", "check_nesting", "over_mesh", "placed", "shard_map"]


def shard_map(
    f: Callable[..., Any] | None = None,
    *,
    mesh: Mesh | None = None,
    in_specs: Any,
    out_specs: Any,
    axis_names: Collection[str] = (),
    check_vma: bool = True,
) -> Callable[..., Any]:
    """Map a function over the parts of arrays that the devices of a mesh hold.

    Inside, arrays are parts, and the names of the mesh's axes can be used in `mycc.lax.psum` and its kin. An argument is
    split as its spec says, and replicated over the axes that this does not name. Results are put together the same way;
    over axes that an out-spec does not name all devices must return the same.

    Derivatives that are taken inside are those of the whole program: with respect to an argument that is the same on
    several devices they are summed over these, and a result that is the same on all counts once. With
    ``check_vma=False``, which is to know nothing of that, each device differentiates on its own.

    With ``axis_names`` the function is mapped along some axes only. What a device then sees as its part may itself be
    spread over the other axes, as XLA's partitioner, `mycc.lax.with_sharding_constraint`, or a `shard_map` inside says.

    Args:
        f: a function of pytrees of arrays, by position.
        mesh: the devices; default: those of the `shard_map` around, else of `mycc.set_mesh`.
        in_specs: a `PartitionSpec` for all arguments, or a tuple with one, or a pytree of them whose structure is a
            prefix of the argument's, for each.
        out_specs: the same for the results.
        axis_names: the axes to map along, which specs may name; default: all those of the mesh that no `shard_map`
            around has mapped.
        check_vma: refuse results that may differ over an axis that their out-spec does not name.

    Returns:
        A function of whole arrays, which can be differentiated, batched, and compiled. Without ``f``, a decorator.

    Raises:
        ShardingError: a name is no axis of the mesh; (the returned function) a spec names no axis to map along, a
            dimension does not divide, a result is not seen to be the same on all devices where its out-spec says so,
            or a `shard_map` around is over another mesh, or over one of these axes.
        TreeError: (the returned function) specs do not match what they are for.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> from mycc.sharding import PartitionSpec as P
        >>> mesh = mycc.make_mesh((1,), ("x",))
        >>> f = mycc.shard_map(lambda a: mycc.lax.psum(a.sum(), "x"), mesh=mesh, in_specs=P("x"), out_specs=P())
        >>> f(mnp.arange(4.0))
        Array(6., dtype=float32)
    """
    if f is None:
        return functools.partial(
            shard_map,
            mesh=mesh,
            in_specs=in_specs,
            out_specs=out_specs,
            axis_names=axis_names,
            check_vma=check_vma,
        )
    if not callable(f):
        raise TypeError(f"{user_line()}: shard_map takes a function, got {type(f).__name__}")
    if not isinstance(mesh, Mesh) and mesh is not None:
        raise TypeError(f"{user_line()}: shard_map takes a Mesh, got {mesh!r}")
    wanted = {axis_names} if isinstance(axis_names, str) else set(axis_names)
    if mesh is not None:
        _check_names(mesh, wanted)
    name = name_of(f)

    def mapped(*args: Any) -> Any:
        frame = current()
        region = _region(name, frame, mesh, wanted)
        leaves, tree = pytrees.flatten(args)
        wholes = list(abstractify_all(leaves))
        ins = _specs(name, region, "in_specs", in_specs, args, wholes)
        for whole, spec in zip(wholes, ins, strict=True):
            part_of(name, region.mesh, whole, spec)
        if frame is None:
            return compiled(*tree.unflatten(placed(region.mesh, leaves, ins)))

        def outs(callee: Callee) -> list[Spec]:
            results = callee.out_tree.unflatten(list(callee.out_avals))
            return _specs(name, region, "out_specs", out_specs, results, callee.out_avals)

        return over_mesh(
            frame, name, lambda parts: f(*tree.unflatten(parts)), region, leaves, ins, outs, check_vma
        )

    functools.update_wrapper(mapped, f)
    compiled = jit(mapped)
    return mapped


@dataclass(frozen=True)
class Region:
    """What a function is mapped over.

    Args:
        mesh: the devices.
        axes: the size of each axis that it is mapped along, in the mesh's order.
    """

    mesh: Mesh
    axes: Mapping[str, int]


def _check_names(mesh: Mesh, wanted: set[str]) -> None:
    unknown = sorted(name for name in wanted if name not in mesh.shape)
    if unknown:
        raise ShardingError(
            f"{user_line()}: axis_names of shard_map name {unknown[0]!r}, which is no axis of {mesh}; its axes are "
            f"{', '.join(mesh.axis_names)}"
        )


def _region(name: str, frame: Frame | None, mesh: Mesh | None, wanted: set[str]) -> Region:
    """What to map over, from what was asked for and what is mapped already."""
    around = None if frame is None else frame.mesh
    taken = frozenset[str]() if frame is None else frame.manual
    chosen = mesh or around or get_mesh()
    if chosen is None:
        raise TypeError(
            f"{user_line()}: shard_map of {name} got no mesh, there is no shard_map around that has one, and "
            "mycc.set_mesh was not called"
        )
    if mesh is None:
        _check_names(chosen, wanted)
    check_nesting(name, frame, chosen, wanted & taken)
    axes = {a: n for a, n in chosen.shape.items() if (a in wanted if wanted else a not in taken)}
    if not axes:
        check_nesting(name, frame, chosen, taken)
    return Region(chosen, axes)


def check_nesting(name: str, frame: Frame | None, mesh: Mesh, twice: Collection[str]) -> None:
    """Refuse to map over devices once more.

    Args:
        name: the user's function, for messages.
        frame: where.
        mesh: the devices.
        twice: axes of the mesh that are mapped already.
    """
    if frame is None or frame.mesh is None:
        return
    around = frame
    while around.kind != "manual" and around.parent is not None:
        around = around.parent
    where = f"{user_line()}: {name} is mapped over {mesh} inside of {around.name} (begun at {around.line}), which is "
    if mesh != frame.mesh:
        raise ShardingError(
            f"{where}mapped over {frame.mesh} already; name all axes in one mesh, and map along some of them with the "
            "axis_names of each shard_map, or use vmap inside"
        )
    if twice:
        raise ShardingError(
            f"{where}mapped along {', '.join(sorted(twice))} already; give each shard_map axes of its own with axis_names, or "
            "use vmap inside"
        )


def placed(mesh: Mesh, leaves: Sequence[Any], ins: Sequence[Spec]) -> list[Any]:
    """Concrete arguments where the devices need them, but for those that were put somewhere."""
    return [
        x if type(x) is Array and x.committed else device_put(x, NamedSharding(mesh, PartitionSpec(*spec)))
        for x, spec in zip(leaves, ins, strict=True)
    ]


def over_mesh(
    frame: Frame,
    name: str,
    function: Callable[[list[Any]], Any],
    region: Region,
    leaves: Sequence[Any],
    ins: Sequence[Spec],
    outs: Callable[[Callee], list[Spec]],
    check: bool,
) -> Any:
    """Build a manual computation.

    Args:
        frame: where.
        name: the user's function, for messages.
        function: from the parts of the leaves to a pytree of parts.
        region: the devices, and the axes to map along.
        leaves: whole arrays.
        ins: how each is split.
        outs: gives how each result is, once they are known.
        check: whether results are to be seen to be the same over the axes that they are replicated over.
    """
    wholes = list(abstractify_all(leaves))
    mesh, axes = region.mesh, dict(region.axes)
    parts = [part_of(name, mesh, whole, spec) for whole, spec in zip(wholes, ins, strict=True)]
    callee = trace_function(frame, function, name, parts, kind="manual", axes=axes, mesh=mesh, checked=check)
    trace, out_specs = frame.trace, outs(callee)
    if check:
        _check_same(name, axes, trace, callee, ins, out_specs)
    trace.meshes[mesh] = None
    with building(frame):
        operands = callee.operands(frame, [frame.lift(x, a) for x, a in zip(leaves, wholes, strict=True)])
        everywhere = [((),) * len(v.type.shape) for v in operands[len(leaves) :]]
        symbol = mesh_symbol(trace.module, list(mesh.shape.items()), trace.names)
        partial = len(axes) < len(mesh.shape)
        operation = Manual(symbol, axes, (*ins, *everywhere), tuple(out_specs), partial)
        results = operation.build(callee.function.symbol, operands, callee.function.results)
    frame.effects |= callee.function.effects
    made = [
        Tracer(frame, value, AbstractValue(tuple(value.type.shape), part.dtype, part.weak_type))
        for value, part in zip(results, callee.out_avals, strict=True)
    ]
    return callee.out_tree.unflatten(made)


def _check_same(
    name: str,
    sizes: Mapping[str, int],
    trace: Trace,
    callee: Callee,
    ins: Sequence[Spec],
    outs: Sequence[Spec],
) -> None:
    """Refuse results that may differ over an axis that they are replicated over."""
    symbol = callee.function.symbol
    given = [frozenset(axis for axes in spec for axis in axes) for spec in ins]
    given += [frozenset[str]()] * len(callee.captured)

    def differing(module: ir.Module) -> list[list[str]]:
        return [
            [a for a, n in sizes.items() if a in axes and n > 1 and all(a not in s for s in spec)]
            for axes, spec in zip(varying(module, symbol, given), outs, strict=True)
        ]

    found = differing(trace.module)
    # Of transforms that wait to be expanded, only the worst is known.
    if any(found) and not trace.promised:
        found = differing(expanded(trace.module, symbol))
    for i, (wrong, aval) in enumerate(zip(found, callee.out_avals, strict=True)):
        if wrong:
            raise ShardingError(
                f"{user_line()}: shard_map of {name}: result leaf {i}, parts {aval}, may differ over {', '.join(wrong)}, which "
                f"its out-spec does not name; reduce it (mycc.lax.psum(x, {wrong[0]!r})), name the axis in out_specs, or pass "
                "check_vma=False if all devices are known to return the same"
            )


def _specs(name: str, region: Region, what: str, specs: Any, values: Any, avals: Any) -> list[Spec]:
    """The axes of each dimension of each leaf."""
    from mycc.tree import broadcast

    try:
        spread = broadcast(specs, values, is_leaf=lambda s: isinstance(s, PartitionSpec))
    except TreeError as error:
        raise TreeError(f"{user_line()}: shard_map of {name}: {what} do not match: {error}") from None
    mesh, found = region.mesh, []
    flat = pytrees.flatten(spread, lambda s: isinstance(s, PartitionSpec))[0]
    for spec, aval in zip(flat, avals, strict=True):
        if not isinstance(spec, PartitionSpec):
            raise TypeError(f"{user_line()}: shard_map of {name}: {what} hold PartitionSpecs, got {spec!r}")
        used = [axis for axes in spec.axes(aval.ndim) for axis in axes]
        wrong = [axis for axis in used if axis not in region.axes or used.count(axis) > 1]
        if wrong or len(spec) > aval.ndim:
            reason = (
                f"has {len(spec)} entries, for {aval}"
                if not wrong
                else f"names {wrong[0]!r} twice"
                if wrong[0] in region.axes
                else f"names {wrong[0]!r}, along which this shard_map does not map (it maps along {', '.join(region.axes)})"
                if wrong[0] in mesh.shape
                else f"names {wrong[0]!r}, which is no axis of {mesh}"
            )
            raise ShardingError(f"{user_line()}: shard_map of {name}: {spec} in {what} {reason}")
        found.append(tuple(spec.axes(aval.ndim)))
    return found


def part_of(name: str, mesh: Mesh, whole: AbstractValue, spec: Spec) -> AbstractValue:
    """What is known of a device's part of an argument.

    Raises:
        ShardingError: a dimension does not divide.
    """
    shape = []
    for d, (n, names) in enumerate(zip(whole.shape, spec, strict=True)):
        count = 1
        for axis in names:
            count *= mesh.shape[axis]
        if n % count:
            raise ShardingError(
                f"{user_line()}: shard_map of {name}: dimension {d} of an argument {whole} has size {n}, which does not "
                f"divide among the {count} devices along {', '.join(names)}; pad it, or split another dimension"
            )
        shape.append(n // count)
    return AbstractValue(tuple(shape), whole.dtype, whole.weak_type)
