"""Records: what processes do together, by replica groups and not by named axes.

A cotangent is one value per process, and the transpose of a map between the values of all processes is again a
collective: sums are their own transposes, `all_gather` and `reduce_scatter` each other's ("Decomposing
reverse-mode automatic differentiation", Frostig et al. 2021, appendix). The rules never ask who is who, so they
hold for replicas and partitions alike. `max` and `min` split evenly over ties, as in a reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    Flags,
    Functions,
    Record,
    Site,
    Tangents,
    accumulate,
    inactive,
    structured,
)
from mycc.dialects.rules import regions
from mycc.dialects.rules.reduction import exclusive_products
from mycc.dialects.rules.shape import integer, unbatched
from mycc.dialects.types import is_differentiable, shape_of, tensor

Value: TypeAlias = ir.Value
Batch = tuple[Sequence[Value], Sequence[bool]]

_GROUPS = ("replica_groups", "channel_handle", "use_global_device_ids")
_DIMENSIONS = ("all_gather_dim", "scatter_dimension", "split_dimension", "concat_dimension")


def _shared(op: ir.Operation) -> dict[str, ir.Attribute]:
    """The attributes that say who takes part, for another collective of the same processes."""
    return {name: op.attributes[name] for name in _GROUPS if name in op.attributes}


def _sum(op: ir.Operation, x: Value) -> Value:
    """The sum over the group."""
    reduction = ops.create("stablehlo.all_reduce", [x.type], [x], _shared(op), regions=1)
    ops.region(reduction, [tensor((), ops.element_of(x))] * 2, ops.add)
    return reduction.result


def _gather(op: ir.Operation, x: Value, dim: int, type_: ir.Type) -> Value:
    attributes = {**_shared(op), "all_gather_dim": ops.i64(dim)}
    return ops.create("stablehlo.all_gather", [type_], [x], attributes).result


def _sum_scatter(op: ir.Operation, x: Value, dim: int, type_: ir.Type) -> Value:
    attributes = {**_shared(op), "scatter_dimension": ops.i64(dim)}
    reduction = ops.create("stablehlo.reduce_scatter", [type_], [x], attributes, regions=1)
    ops.region(reduction, [tensor((), ops.element_of(x))] * 2, ops.add)
    return reduction.result


def _each(op: ir.Operation, values: Tangents, rule: Callable[[int, Value], Value]) -> Tangents:
    """A rule for each operand and its result apart; further operands have no derivative."""
    found: Tangents = [None if value is None else rule(i, value) for i, value in enumerate(values)]
    return found


def _own_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return active[: len(op.results)]


def _shifted(site: Batched) -> dict[str, ir.Attribute]:
    attributes = site.op.attributes
    return {name: ops.i64(integer(site.op, name) + 1) for name in _DIMENSIONS if name in attributes}


def _batch(site: Batched) -> Batch:
    """The batch dimension is in the same place for every process, and for operands that share dimensions."""
    attributes = _shifted(site)
    flags = [bool(attributes) or flag for flag in site.flags]
    operands = [site.full(i) if flag else site.operands[i] for i, flag in enumerate(flags)]
    types = [
        batched if flag else result.type
        for batched, flag, result in zip(site.result_types(), flags, site.op.results, strict=False)
    ]
    copy = ops.rebuild(site.op, operands, types, attributes)
    return list(copy.results), flags[: len(types)]


# ---- Movements -----------------------------------------------------------------------------------


def _again(site: Site, tangents: Tangents) -> Tangents:
    """The operation itself on those operands that have a tangent."""
    kept = [i for i, tangent in enumerate(tangents[: len(site.op.results)]) if tangent is not None]
    found: Tangents = [None] * len(site.op.results)
    if not kept:
        return found
    attributes = {name: site.op.attributes[name] for name in site.op.attributes}
    types = [site.op.results[i].type for i in kept]
    copy = ops.create(site.op.name, types, [tangents[i] for i in kept], attributes)
    for i, result in zip(kept, copy.results, strict=True):
        found[i] = result
    return found


def _gather_reverse(site: Site, cotangents: Tangents) -> Tangents:
    dim = integer(site.op, "all_gather_dim")
    return _each(site.op, cotangents, lambda i, ct: _sum_scatter(site.op, ct, dim, site.operands[i].type))


def _exchange_reverse(site: Site, cotangents: Tangents) -> Tangents:
    op = site.op
    names = {"split_dimension": "concat_dimension", "concat_dimension": "split_dimension"}
    attributes = {name: op.attributes[names.get(name, name)] for name in op.attributes}
    return _each(
        op,
        cotangents,
        lambda i, ct: ops.create("stablehlo.all_to_all", [site.operands[i].type], [ct], attributes).result,
    )


def _pairs(attribute: ir.Attribute, op: ir.Operation) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(attribute)
    except (TypeError, ValueError, RuntimeError):
        raise regions.unsupported(
            op, "differentiate", "its groups are not a list of numbers; write them out as replica groups"
        ) from None


def _permute(op: ir.Operation, x: Value, pairs: np.ndarray[Any, Any]) -> Value:
    attributes = {"source_target_pairs": ops.dense(pairs.astype(np.int64))}
    if "channel_handle" in op.attributes:
        attributes["channel_handle"] = op.attributes["channel_handle"]
    return ops.create("stablehlo.collective_permute", [x.type], [x], attributes).result


def _permute_reverse(site: Site, cotangents: Tangents) -> Tangents:
    pairs = _pairs(site.op.attributes["source_target_pairs"], site.op)
    return _each(site.op, cotangents, lambda i, ct: _permute(site.op, ct, pairs[:, ::-1]))


def _along_groups(
    site: Site,
    cotangents: Tangents,
    pairs_of: Callable[[np.ndarray[Any, Any], int], np.ndarray[Any, Any]],
) -> Tangents:
    """The sum of one permutation for each place in a group."""
    op = site.op
    if "has_dynamic_root" in op.attributes and op.attributes["has_dynamic_root"].value:
        raise regions.unsupported(op, "differentiate", "its source is known at run time only")
    groups = _pairs(op.attributes["replica_groups"], op)

    def rule(index: int, ct: Value) -> Value:
        total: Value | None = None
        for place in range(groups.shape[1]):
            pairs = pairs_of(groups, place)
            total = accumulate(total, _permute(op, ct, pairs[(pairs >= 0).all(1)]))
        return ops.full_like(ct, 0) if total is None else total

    return _each(op, cotangents, rule)


def _broadcast_reverse(site: Site, cotangents: Tangents) -> Tangents:
    """The sources get the sum of their groups' cotangents."""
    return _along_groups(
        site, cotangents, lambda groups, place: np.stack([groups[:, place], groups[:, 0]], 1)
    )


def _root_sum_forward(site: Site, tangents: Tangents) -> Tangents:
    if regions.kinds(site.op)[0] != "add":
        raise regions.unsupported(
            site.op, "differentiate", "its body is not a sum; reduce by stablehlo.all_reduce instead"
        )
    found: Tangents = []
    for tangent in tangents[: len(site.op.results)]:
        if tangent is None:
            found.append(None)
            continue
        reduction = ops.create(site.op.name, [tangent.type], [tangent], _shared(site.op), regions=1)
        ops.region(reduction, [tensor((), ops.element_of(tangent))] * 2, ops.add)
        found.append(reduction.result)
    return found


def _root_sum_reverse(site: Site, cotangents: Tangents) -> Tangents:
    """Everybody in a group gets what its first process holds."""
    if regions.kinds(site.op)[0] != "add":
        return _root_sum_forward(site, cotangents)
    return _along_groups(
        site, cotangents, lambda groups, place: np.stack([groups[:, 0], groups[:, place]], 1)
    )


# ---- Reductions ----------------------------------------------------------------------------------


class _Reduction:
    """One operand of an `all_reduce` or a `reduce_scatter`, and the linear maps that go with it."""

    def __init__(self, site: Site, index: int) -> None:
        self.site = site
        self.op = site.op
        self.index = index
        self.kind = regions.kinds(site.op)[0]
        if self.kind not in ("add", "mul", "max", "min"):
            raise regions.unsupported(
                site.op,
                "differentiate",
                "its body is none of add, multiply, max or min; gather the values with all_gather and reduce those",
            )
        scatters = site.op.name == "stablehlo.reduce_scatter"
        self.dim = integer(site.op, "scatter_dimension") if scatters else None
        self.type_ = site.op.operands[index].type
        self.out_type = site.op.results[index].type

    def sum_(self, x: Value) -> Value:
        """The same reduction as a sum."""
        return _sum(self.op, x) if self.dim is None else _sum_scatter(self.op, x, self.dim, self.out_type)

    def sum_transposed(self, ct: Value) -> Value:
        """The transpose of `sum_`."""
        return _sum(self.op, ct) if self.dim is None else _gather(self.op, ct, self.dim, self.type_)

    def whole(self, out: Value) -> Value:
        """The reduction's result at the place of each element of the operand."""
        return out if self.dim is None else _gather(self.op, out, self.dim, self.type_)

    def others(self) -> Value:
        """For each element of the operand, the product of the other processes' elements."""
        op = self.op
        if "channel_handle" in op.attributes:
            raise regions.unsupported(
                op,
                "differentiate",
                "a product over partitions; gather the factors with all_gather and multiply those",
            )
        x = self.site.operand(self.index)
        size = _pairs(op.attributes["replica_groups"], op).shape[1]
        shape = list(shape_of(x))
        if self.dim is None:
            stacked = ops.broadcast_in_dim(x, (size, *shape), range(1, len(shape) + 1))
            received = self._exchange(stacked, 0, size)
            found = self._exchange(exclusive_products(received, (0,), None), 0, size)
            return ops.reshape(ops.slice_(found, [0] * len(found.type.shape), (1, *shape)), shape)
        dim = self.dim
        split = [*shape[:dim], size, shape[dim] // size, *shape[dim + 1 :]]
        received = ops.reshape(self._exchange(x, dim, size), split)
        return self._exchange(ops.reshape(exclusive_products(received, (dim,), None), shape), dim, size)

    def _exchange(self, x: Value, dim: int, size: int) -> Value:
        attributes = {
            "replica_groups": self.op.attributes["replica_groups"],
            "split_dimension": ops.i64(dim),
            "concat_dimension": ops.i64(dim),
            "split_count": ops.i64(size),
        }
        return ops.create("stablehlo.all_to_all", [x.type], [x], attributes).result

    def choice(self) -> tuple[Value, Value]:
        """Which elements equal the result, and how many processes' do."""
        out = self.site.result(self.index)
        chosen = ops.compare("EQ", self.site.operand(self.index), self.whole(out))
        return chosen, self.sum_(ops.convert(chosen, ops.element_of(out)))

    def push(self, tangent: Value) -> Value:
        if self.kind == "add":
            return self.sum_(tangent)
        if self.kind == "mul":
            return self.sum_(ops.mul(tangent, self.others()))
        chosen, ties = self.choice()
        return ops.div(self.sum_(ops.select(chosen, tangent, ops.full_like(tangent, 0))), ties)

    def pull(self, cotangent: Value) -> Value:
        if self.kind == "add":
            return self.sum_transposed(cotangent)
        if self.kind == "mul":
            return ops.mul(self.sum_transposed(cotangent), self.others())
        chosen, ties = self.choice()
        share = self.sum_transposed(ops.div(cotangent, ties))
        return ops.select(chosen, share, ops.full_like(share, 0))


def _reduce_forward(site: Site, tangents: Tangents) -> Tangents:
    return _each(site.op, tangents, lambda i, t: _Reduction(site, i).push(t))


def _reduce_reverse(site: Site, cotangents: Tangents) -> Tangents:
    return _each(site.op, cotangents, lambda i, ct: _Reduction(site, i).pull(ct))


def _reduce_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return tuple(
        flag and is_differentiable(result.type) for flag, result in zip(active, op.results, strict=True)
    )


RECORDS: tuple[Record, ...] = (
    structured("stablehlo.all_reduce", _reduce_forward, _reduce_reverse, _batch, depends=_reduce_depends),
    structured("stablehlo.reduce_scatter", _reduce_forward, _reduce_reverse, _batch, depends=_reduce_depends),
    structured("stablehlo.all_gather", _again, _gather_reverse, _batch, depends=_own_depends),
    structured("stablehlo.all_to_all", _again, _exchange_reverse, _batch, depends=_own_depends),
    structured("stablehlo.collective_permute", _again, _permute_reverse, _batch, depends=_own_depends),
    structured("stablehlo.collective_broadcast", _again, _broadcast_reverse, _batch, depends=_own_depends),
    structured(
        "stablehlo.collective_reduce", _root_sum_forward, _root_sum_reverse, _batch, depends=_own_depends
    ),
    inactive("stablehlo.partition_id", unbatched, dtypes="u"),
    inactive("stablehlo.replica_id", unbatched, dtypes="u"),
)
