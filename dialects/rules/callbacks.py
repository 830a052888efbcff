"""Records of callbacks: calls of Python functions on the host.

What a debugging callback is given are primal values, also under derivatives, and it has no tangent. The other two
have no derivative: nobody knows that of a Python function. `vmap` leaves the loop over examples to the host,
unless a pure callback takes whole batches (`vmap_method`, whose meaning is JAX's).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.callback import PREFIX, VMAP_METHODS, Callback, with_level
from mycc.dialects.errors import TransformError, UnsupportedOperationError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Record, Site, Tangents, inactive, structured
from mycc.dialects.types import shape_of

Value: TypeAlias = ir.Value


def _refuse(site: Site, tangents: Tangents) -> Tangents:
    callback = Callback(site.op)
    raise UnsupportedOperationError(
        f"{describe(site.op.location)}: {callback.kind}_callback of '{callback.name}' has no derivative, and one is asked "
        "for; give the function that calls it a derivative with mycc.custom_jvp or custom_vjp, or take its arguments out "
        "of the derivative with mycc.lax.stop_gradient"
    )


def _batch_each(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    """The host calls the function once for each example."""
    attributes = with_level(site.op, site.flags)
    copy = ops.rebuild(site.op, site.operands, site.result_types(), attributes)
    return list(copy.results), [True] * len(copy.results)


def _batch_io(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    callback = Callback(site.op)
    if callback.ordered:
        raise TransformError(
            f"{describe(site.op.location)}: an ordered io_callback ('{callback.name}') cannot be batched: under vmap there is "
            "no order of examples; drop ordered=True, or loop with mycc.lax.map"
        )
    return _batch_each(site)


def _batch_pure(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    callback = Callback(site.op)
    method = callback.vmap_method
    if method is None:
        raise UnsupportedOperationError(
            f"{describe(site.op.location)}: pure_callback of '{callback.name}' is batched by vmap, but does not say how; "
            f"give it vmap_method, one of {', '.join(map(repr, VMAP_METHODS))}"
        )
    if method.startswith("sequential"):
        return _batch_each(site)
    operands = [
        value if flag or method == "legacy_vectorized" else site.full(i) if method == "broadcast_all" else _leading(value)
        for i, (value, flag) in enumerate(zip(site.operands, site.flags, strict=True))
    ]  # fmt: skip
    copy = ops.rebuild(site.op, operands, site.result_types())
    return list(copy.results), [True] * len(copy.results)


def _leading(value: Value) -> Value:
    return ops.reshape(value, (1, *shape_of(value)))


RECORDS: tuple[Record, ...] = (
    inactive(f"{PREFIX}debug", _batch_each, dtypes="fciub"),
    structured(f"{PREFIX}io", _refuse, _refuse, _batch_io),
    structured(f"{PREFIX}pure", _refuse, _refuse, _batch_pure),
)
