"""What concerns derivatives and the compiler rather than numbers."""

from __future__ import annotations

from typing import Any

from mycc.api import lift, operation, wrap
from mycc.dialects import ops, transform
from mycc.dtypes import kind_of
from mycc.lowering import pytrees
from mycc.types import abstractify

__all__ = ["optimization_barrier", "stop_gradient"]


@operation
def stop_gradient(x: Any) -> Any:
    """The pytree of arrays ``x``, as a constant in derivatives."""
    leaves, tree = pytrees.flatten(x)
    return tree.unflatten([_stopped(leaf) for leaf in leaves])


def _stopped(x: Any) -> Any:
    if kind_of(abstractify(x).dtype) not in "fc":
        return x
    value, aval = lift(x)
    return wrap(transform.stop_gradient(value), aval)


@operation
def optimization_barrier(operand: Any, /) -> Any:
    """The pytree of arrays unchanged; the compiler moves nothing across it."""
    leaves, tree = pytrees.flatten(operand)
    if not leaves:
        return operand
    lifted = [lift(leaf) for leaf in leaves]
    values = ops.barrier([value for value, _ in lifted])
    return tree.unflatten([wrap(value, aval) for value, (_, aval) in zip(values, lifted, strict=True)])
