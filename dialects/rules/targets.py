"""Records of custom calls, by their targets: ``@Sharding`` is `stablehlo.custom_call @Sharding`.

Targets that say where a value is kept, and leave it as it is, are their own derivatives. What a target that is
not listed here does is not known: it has no derivative, and is batched one example after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    Flags,
    Functions,
    Record,
    Regions,
    Site,
    Tangents,
    inactive,
    structured,
)
from mycc.dialects.rules import regions
from mycc.dialects.rules.functions import expanded
from mycc.dialects.rules.sequential import batch_in_turn
from mycc.dialects.rules.shape import unbatched
from mycc.dialects.rules.sorting import put_along, take_along
from mycc.dialects.rules.winners import counts
from mycc.dialects.types import is_differentiable

Value: TypeAlias = ir.Value

__all__ = ["RECORDS"]


def _target(op: ir.Operation) -> str:
    return str(op.attributes["call_target_name"].value)


# ---- Placements ----------------------------------------------------------------------------------

# What is said about dimensions does not fit a value of one more.
_ABOUT_DIMENSIONS = ("mhlo.sharding", "sdy.sharding", "operand_layouts", "result_layouts", "backend_config")


def _placed(site: Site, values: Tangents) -> Tangents:
    value = values[0]
    return [None if value is None else ops.rebuild(site.op, [value]).result]


def _batch_placed(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    """Where a value is kept is a hint that a batched one loses, unless it is of no dimension's."""
    said = [name for name in _ABOUT_DIMENSIONS if name in site.op.attributes and _says(site.op, name)]
    if said:
        return [site.operands[0]], [True]
    return list(ops.rebuild(site.op, site.operands, site.result_types()).results), [True]


def _says(op: ir.Operation, name: str) -> bool:
    attribute = op.attributes[name]
    return not (isinstance(attribute, ir.StringAttr) and not attribute.value)


def _shard_shape(site: Site, values: Tangents) -> Tangents:
    raise regions.unsupported(
        site.op,
        "differentiate",
        "it changes between the shapes of whole arrays and of shards; differentiate the function of whole arrays "
        "before it is partitioned",
    )


def _batch_shard_shape(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    raise regions.unsupported(
        site.op,
        "batch",
        "it changes between the shapes of whole arrays and of shards; batch the function before it is partitioned",
    )


# ---- Greatest elements ---------------------------------------------------------------------------


def _top(op: ir.Operation, operands: Sequence[Value], rules: Regions) -> Sequence[Value]:
    """CHLO's operation, on elements in the opposite order where the least are asked for."""
    (x,) = operands
    options = ir.DictAttr(op.attributes["mhlo.attributes"])
    largest = "largest" not in options or bool(options["largest"].value)
    types = [result.type for result in op.results]
    turn = ops.neg if is_differentiable(x.type) else ops.not_
    found = ops.create("chlo.top_k", types, [x if largest else turn(x)], {"k": options["k"]}).results
    return [found[0] if largest else turn(found[0]), found[1]]


def _approximate(op: ir.Operation) -> tuple[ir.DictAttr, int]:
    """The options of an approximate choice of the greatest elements, and the dimension along which it chooses."""
    options = ir.DictAttr(op.attributes["mhlo.backend_config"])
    return options, int(ir.IntegerAttr(options["reduction_dim"]).value)


def _chosen(site: Site) -> Value:
    """The positions of what was chosen, which JAX lets an operand that counts tell."""
    if site.transposing:
        # A choice is not linear: the look-up of an operand says so.
        return site.operand(0)
    _, dim = _approximate(site.op)
    for i in range(len(site.op.results)):
        if counts(site.op.operands[i], dim):
            return site.result(i)
    raise regions.unsupported(
        site.op, "differentiate", "no operand counts along its reduction dimension, to tell what was chosen"
    )


def _approximate_forward(site: Site, tangents: Tangents) -> Tangents:
    _, dim = _approximate(site.op)
    count = len(site.op.results)
    return [None if t is None else take_along(t, _chosen(site), dim) for t in tangents[:count]]


def _approximate_reverse(site: Site, cotangents: Tangents) -> Tangents:
    _, dim = _approximate(site.op)
    found: Tangents = [None] * site.inputs
    for i, cotangent in enumerate(cotangents):
        if cotangent is not None and site.active[i]:
            found[i] = put_along(cotangent, _chosen(site), dim, site.op.operands[i].type)
    return found


def _approximate_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    options, dim = _approximate(site.op)
    count = len(site.op.results)
    if any(site.flags[count:]):
        raise regions.unsupported(site.op, "batch", "an initial value is mapped; pass one for all")
    moved = {item.name: item.attr for item in options} | {"reduction_dim": ops.i64(dim + 1)}
    operands = [*(site.full(i) for i in range(count)), *site.operands[count:]]
    copy = ops.rebuild(
        site.op, operands, site.result_types(), {"mhlo.backend_config": ir.DictAttr.get(moved)}
    )
    return list(copy.results), [True] * count


def _approximate_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return active[: len(op.results)]


# ---- Unknown targets -----------------------------------------------------------------------------


def _unknown(site: Site, values: Tangents) -> Tangents:
    raise regions.unsupported(
        site.op,
        "differentiate",
        f"what its target '{_target(site.op)}' computes is not known here; give the function that calls it a derivative "
        "of its own with mycc.custom_jvp or mycc.custom_vjp, or keep it out of the gradient with mycc.lax.stop_gradient",
    )


def _batch_unknown(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    effects = site.op.attributes.get("has_side_effect")
    if effects is not None and effects.value:
        raise regions.unsupported(
            site.op,
            "batch",
            f"its target '{_target(site.op)}' has side effects, whose order is not known; call it outside of vmap",
        )
    return batch_in_turn(site)


def _unknown_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return tuple(any(active) and is_differentiable(result.type) for result in op.results)


_PLACEMENTS = (
    "Sharding",
    "annotate_device_placement",
    "LayoutConstraint",
    "MoveToHost",
    "MoveToDevice",
    "PinToDevice",
    "PinToDeviceSram",
    "xla.sdy.FuncResultSharding",
)
_SHARD_SHAPES = (
    "SPMDFullToShardShape",
    "SPMDShardToFullShape",
    "xla.sdy.GlobalToLocalShape",
    "xla.sdy.LocalToGlobalShape",
)
_RANDOM = ("cu_threefry2x32", "cu_threefry2x32_ffi", "hip_threefry2x32", "hip_threefry2x32_ffi")

RECORDS: tuple[Record, ...] = (
    *(structured(f"@{target}", _placed, _placed, _batch_placed) for target in _PLACEMENTS),
    *(structured(f"@{target}", _shard_shape, _shard_shape, _batch_shard_shape) for target in _SHARD_SHAPES),
    expanded("@mhlo.topk", _top),
    structured(
        "@ApproxTopK",
        _approximate_forward,
        _approximate_reverse,
        _approximate_batch,
        depends=_approximate_depends,
    ),
    *(inactive(f"@{target}", batch_in_turn, dtypes="u") for target in _RANDOM),
    inactive("@shape_assertion", unbatched, dtypes="b"),
    structured("stablehlo.custom_call", _unknown, _unknown, _batch_unknown, depends=_unknown_depends),
)
