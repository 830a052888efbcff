"""`shard_map`: what each device of a mesh computes by itself, on its parts of arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from mycc.array import Array
from mycc.device import device_put
from mycc.dialects.errors import ShardingError, TreeError, UnsupportedOperationError
from mycc.dialects.manual import Manual, Spec
from mycc.dialects.shardy import mesh_symbol
from mycc.function import Callee, building, name_of, trace_function
from mycc.jit import jit
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.shardings import Mesh, NamedSharding, PartitionSpec
from mycc.passes.varying import varying
from mycc.source import user_line
from mycc.trace import Frame, Tracer, current
from mycc.types import abstractify

__all__ = ["over_mesh", "placed", "shard_map"]


def shard_map(
    f: Callable[..., Any] | None = None,
    *,
    mesh: Mesh,
    in_specs: Any,
    out_specs: Any,
    check_vma: bool = True,
) -> Callable[..., Any]:
    """Map a function over the parts of arrays that the devices of a mesh hold.

    Inside, arrays are parts, and the names of the mesh's axes can be used in `mycc.lax.psum` and its kin. An argument is
    split as its spec says, and replicated over the axes that this does not name. Results are put together the same way;
    over axes that an out-spec does not name all devices must return the same.

    Args:
        f: a function of pytrees of arrays, by position.
        mesh: the devices.
        in_specs: a `PartitionSpec` for all arguments, or a tuple with one, or a pytree of them whose structure is a
            prefix of the argument's, for each.
        out_specs: the same for the results.
        check_vma: refuse results that may differ over an axis that their out-spec does not name.

    Returns:
        A function of whole arrays, which can be differentiated, batched, and compiled. Without ``f``, a decorator.

    Raises:
        ShardingError: (the returned function) a spec names no axis of the mesh, a dimension does not divide, or a
            result is not seen to be the same on all devices where its out-spec says so.
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
            shard_map, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=check_vma
        )
    if not callable(f):
        raise TypeError(f"{user_line()}: shard_map takes a function, got {type(f).__name__}")
    if not isinstance(mesh, Mesh):
        raise TypeError(f"{user_line()}: shard_map takes a Mesh, got {mesh!r}")

    def mapped(*args: Any) -> Any:
        name = name_of(f)
        leaves, tree = pytrees.flatten(args)
        wholes = [abstractify(leaf) for leaf in leaves]
        ins = _specs(name, mesh, "in_specs", in_specs, args, wholes)
        for whole, spec in zip(wholes, ins, strict=True):
            part_of(name, mesh, whole, spec)
        frame = current()
        if frame is None:
            return compiled(*tree.unflatten(placed(mesh, leaves, ins)))

        def outs(callee: Callee) -> list[Spec]:
            results = callee.out_tree.unflatten(list(callee.out_avals))
            return _specs(name, mesh, "out_specs", out_specs, results, callee.out_avals)

        return over_mesh(
            frame, name, lambda parts: f(*tree.unflatten(parts)), mesh, leaves, ins, outs, check_vma
        )

    functools.update_wrapper(mapped, f)
    compiled = jit(mapped)
    return mapped


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
    mesh: Mesh,
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
        mesh: the devices.
        leaves: whole arrays.
        ins: how each is split.
        outs: gives how each result is, once they are known.
        check: whether results are to be seen to be the same over the axes that they are replicated over.
    """
    around: Frame | None = frame
    while around is not None:
        if around.kind == "manual":
            raise UnsupportedOperationError(
                f"{user_line()}: {name} is mapped over devices inside of {around.name}, which is so already; name all axes in "
                "one mesh and map once, or use vmap inside"
            )
        around = around.parent
    wholes = [abstractify(leaf) for leaf in leaves]
    parts = [part_of(name, mesh, whole, spec) for whole, spec in zip(wholes, ins, strict=True)]
    callee = trace_function(frame, function, name, parts, kind="manual", axes=dict(mesh.shape))
    trace, out_specs = frame.trace, outs(callee)
    if check:
        _check_same(name, mesh, trace.module, callee, ins, out_specs)
    trace.meshes[mesh] = None
    with building(frame):
        operands = callee.operands(frame, [frame.lift(x, a) for x, a in zip(leaves, wholes, strict=True)])
        everywhere = [((),) * len(v.type.shape) for v in operands[len(leaves) :]]
        symbol = mesh_symbol(trace.module, list(mesh.shape.items()), trace.names)
        operation = Manual(symbol, dict(mesh.shape), (*ins, *everywhere), tuple(out_specs))
        results = operation.build(callee.function.symbol, operands, callee.function.results)
    frame.effects |= callee.function.effects
    made = [
        Tracer(frame, value, AbstractValue(tuple(value.type.shape), part.dtype, part.weak_type))
        for value, part in zip(results, callee.out_avals, strict=True)
    ]
    return callee.out_tree.unflatten(made)


def _check_same(
    name: str, mesh: Mesh, module: Any, callee: Callee, ins: Sequence[Spec], outs: Sequence[Spec]
) -> None:
    """Refuse results that may differ over an axis that they are replicated over."""
    given = [frozenset(axis for axes in spec for axis in axes) for spec in ins]
    found = varying(module, callee.function.symbol, [*given, *[frozenset[str]()] * len(callee.captured)])
    for i, (axes, spec, aval) in enumerate(zip(found, outs, callee.out_avals, strict=True)):
        wrong = [
            a for a in mesh.axis_names if a in axes and mesh.shape[a] > 1 and all(a not in s for s in spec)
        ]
        if wrong:
            raise ShardingError(
                f"{user_line()}: shard_map of {name}: result leaf {i}, parts {aval}, may differ over {', '.join(wrong)}, which "
                f"its out-spec does not name; reduce it (mycc.lax.psum(x, {wrong[0]!r})), name the axis in out_specs, or pass "
                "check_vma=False if all devices are known to return the same"
            )


def _specs(name: str, mesh: Mesh, what: str, specs: Any, values: Any, avals: Any) -> list[Spec]:
    """The axes of each dimension of each leaf."""
    from mycc.tree import broadcast

    try:
        spread = broadcast(specs, values, is_leaf=lambda s: isinstance(s, PartitionSpec))
    except TreeError as error:
        raise TreeError(f"{user_line()}: shard_map of {name}: {what} do not match: {error}") from None
    found = []
    flat = pytrees.flatten(spread, lambda s: isinstance(s, PartitionSpec))[0]
    for spec, aval in zip(flat, avals, strict=True):
        if not isinstance(spec, PartitionSpec):
            raise TypeError(f"{user_line()}: shard_map of {name}: {what} hold PartitionSpecs, got {spec!r}")
        used = [axis for axes in spec.axes(aval.ndim) for axis in axes]
        wrong = [axis for axis in used if axis not in mesh.shape or used.count(axis) > 1]
        if wrong or len(spec) > aval.ndim:
            reason = (
                f"has {len(spec)} entries, for {aval}"
                if not wrong
                else f"names {wrong[0]!r} twice"
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
