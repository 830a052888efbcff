"""`with_sharding_constraint`: how a value inside of a program is to be spread over devices."""

from __future__ import annotations

from typing import Any

from mycc.array import Array
from mycc.device import device_put, places_of
from mycc.dialects import shardy
from mycc.dialects.errors import ShardingError
from mycc.function import building
from mycc.lowering import pytrees
from mycc.lowering.sharded import sharding_attribute
from mycc.lowering.shardings import NamedSharding
from mycc.source import user_line, user_location
from mycc.trace import Frame, Tracer, current
from mycc.types import abstractify

__all__ = ["with_sharding_constraint"]


def with_sharding_constraint(x: Any, shardings: Any) -> Any:
    """The same arrays, spread as asked for; in a program the partitioner has to see to it.

    Dimensions that do not divide are allowed inside of a program. A cotangent is spread like its primal; `vmap` leaves
    the dimension that it adds to the partitioner.

    Args:
        x: a pytree of arrays.
        shardings: a `NamedSharding` for all, or a pytree of them whose structure is a prefix of x's.

    Raises:
        ShardingError: the spec has more entries than an array dimensions, or names an axis that a `shard_map` around maps
            along.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> from mycc.sharding import NamedSharding, PartitionSpec as P
        >>> rows = NamedSharding(mycc.make_mesh((1,), ("x",)), P("x"))
        >>> mycc.jit(lambda x: mycc.lax.with_sharding_constraint(2 * x, rows))(mnp.ones(2))
        Array([2., 2.], dtype=float32)
    """
    frame = current()
    if frame is None:
        return device_put(x, shardings)
    leaves, tree = pytrees.flatten(x)
    places = places_of(shardings, x)
    return tree.unflatten([_constrained(frame, leaf, s) for leaf, s in zip(leaves, places, strict=True)])


def _constrained(frame: Frame, x: Any, sharding: Any) -> Array:
    if not isinstance(sharding, NamedSharding):
        raise TypeError(
            f"{user_line()}: with_sharding_constraint takes a NamedSharding inside of a program, got {sharding!r}"
        )
    aval = abstractify(x)
    trace = frame.trace
    if frame.mesh is not None:
        _check_inside(frame, sharding)
        if frame.manual.issuperset(sharding.mesh.axis_names):
            return Tracer(frame, frame.lift(x, aval), aval)
    trace.meshes[sharding.mesh] = None
    try:
        attribute = sharding_attribute(trace.module, sharding, aval.ndim, trace.names)
    except ShardingError as error:
        raise ShardingError(f"{user_line()}: {error}") from None
    with building(frame), user_location():
        return Tracer(frame, shardy.constraint(frame.lift(x, aval), attribute), aval)


def _check_inside(frame: Frame, sharding: NamedSharding) -> None:
    """Refuse what cannot be asked for where a device sees only its own part along some axes."""
    if sharding.mesh != frame.mesh:
        raise ShardingError(
            f"{user_line()}: {sharding} is of another mesh than the shard_map around, which is over {frame.mesh}; name axes of "
            "this one"
        )
    used = [name for names in sharding.spec.axes(len(sharding.spec)) for name in names]
    wrong = [name for name in used if name in frame.manual]
    if wrong:
        rest = ", ".join(name for name in sharding.mesh.axis_names if name not in frame.manual)
        raise ShardingError(
            f"{user_line()}: {sharding.spec} splits by {wrong[0]!r}, along which the shard_map around shows each device its own "
            f"part already; {f'split by {rest}' if rest else 'map along fewer axes (axis_names)'}, or leave it out"
        )
