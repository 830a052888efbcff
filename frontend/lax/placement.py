"""`with_sharding_constraint`: how a value inside of a program is to be spread over devices."""

from __future__ import annotations

from typing import Any

from mycc.constraint import constrained
from mycc.device import device_put, places_of
from mycc.lowering import pytrees
from mycc.trace import current

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
    if current() is None:
        return device_put(x, shardings)
    leaves, tree = pytrees.flatten(x)
    places = places_of(shardings, x)
    return tree.unflatten(
        [constrained(leaf, s, "with_sharding_constraint") for leaf, s in zip(leaves, places, strict=True)]
    )
