"""How a value inside of a program is to be spread: what `with_sharding_constraint`, `jit` and `device_put` build."""

from __future__ import annotations

from typing import Any

from mycc.array import Array
from mycc.dialects import shardy
from mycc.dialects.errors import ShardingError
from mycc.function import building
from mycc.lowering.sharded import sharding_attribute
from mycc.lowering.shardings import NamedSharding, shard_shape
from mycc.source import user_line, user_location
from mycc.trace import Frame, Tracer, require_frame
from mycc.types import abstractify

__all__ = ["constrained", "manual_axes"]


def constrained(x: Any, sharding: Any, what: str, even: bool = False) -> Array:
    """A value that the partitioner is to spread like that.

    Args:
        x: the value.
        sharding: a `NamedSharding`.
        what: what asks for it, for messages.
        even: whether its dimensions have to divide.

    Raises:
        ShardingError: they do not, the spec has more entries than the value dimensions, or it names an axis over which
            the function around it is mapped.
        TypeError: it is no `NamedSharding`.
    """
    frame, aval = require_frame(), abstractify(x)
    if not isinstance(sharding, NamedSharding):
        raise TypeError(
            f"{user_line()}: {what} takes a NamedSharding inside of a program, got {sharding!r} for {aval}; a program runs on "
            "one set of devices"
        )
    trace, manual = frame.trace, manual_axes(frame)
    if frame.mesh is not None and sharding.mesh != frame.mesh:
        raise ShardingError(
            f"{user_line()}: {what}: {sharding} is of another mesh than the shard_map around, which is over {frame.mesh}; name "
            "axes of this one"
        )
    used = [name for names in sharding.spec.axes(aval.ndim) for name in names]
    for name in used:
        if name in manual:
            raise ShardingError(
                f"{user_line()}: {what}: {sharding.spec} for {aval} names {name!r}, over which {manual[name]} is mapped: there "
                "arrays are parts along it; leave it out of the spec"
            )
    if manual and all(name in manual for name in sharding.mesh.axis_names):
        with building(frame):
            return Tracer(frame, frame.lift(x, aval), aval)
    try:
        if even:
            shard_shape(sharding, aval.shape)
        attribute = sharding_attribute(trace.module, sharding, aval.ndim, trace.names)
    except ShardingError as error:
        raise ShardingError(f"{user_line()}: {what}: {error}") from None
    trace.meshes[sharding.mesh] = None
    with building(frame), user_location():
        return Tracer(frame, shardy.constraint(frame.lift(x, aval), attribute), aval)


def manual_axes(frame: Frame) -> dict[str, str]:
    """The mesh axes over which functions around are mapped by `shard_map`, each with the function's name."""
    found: dict[str, str] = {}
    around: Frame | None = frame
    while around is not None:
        if around.kind == "manual":
            found |= dict.fromkeys(around.bound, around.name)
        around = around.parent
    return found
