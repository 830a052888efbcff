"""Records of named collectives, which the `vmap` or the mesh resolves whose axis they name.

Any other batching passes over them. Sums are their own transposes, `all_gather` and `psum_scatter` each other's, and
exchanges are undone ("Decomposing reverse-mode automatic differentiation", Frostig et al. 2021, appendix). `pmax` and
`pmin` split evenly over ties, as reductions do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops, transform
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Record, Site, Tangents, inactive, structured
from mycc.dialects.rules.regions import identity
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import element_type, shape_of, tensor

Value: TypeAlias = ir.Value
Batch = tuple[Sequence[Value], Sequence[bool]]
Transpose = Callable[[Site, Value], Value]

DIMENSIONS = ("mycc.dimension", "mycc.split_dimension", "mycc.concat_dimension")
"""Attributes that count dimensions: batching moves them."""
PAIRS = "mycc.pairs"
"""From whom to whom `ppermute` sends, as a row for each pair."""


def axis_of(op: ir.Operation) -> str:
    """The axis that a named collective is over."""
    name = transform.axis_name_of(op)
    assert name is not None, "a named collective without mycc.axis_name does not verify"
    return name


def dimension_of(op: ir.Operation, name: str = "dimension") -> int:
    """One of the dimensions that a named collective works along."""
    return int(op.attributes[f"mycc.{name}"].value)


def pairs_of(op: ir.Operation) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The pairs of a `ppermute`."""
    return np.array(list(op.attributes[PAIRS]), np.int64).reshape(-1, 2)


# ---- Derivatives ---------------------------------------------------------------------------------


def _linear(target: str, transpose: Transpose, resolve: Callable[[Batched], Value], batched: bool) -> Record:
    """The record of a collective that is linear in its operand.

    Args:
        target: its name.
        transpose: ``(site, cotangent) -> cotangent``.
        resolve: what it is under the `vmap` of its axis; the operand has the batch dimension in front.
        batched: whether that has it, too.
    """

    def forward(site: Site, tangents: Tangents) -> Tangents:
        (tangent,) = tangents
        return [None if tangent is None else ops.rebuild(site.op, [tangent]).result]

    def reverse(site: Site, cotangents: Tangents) -> Tangents:
        (cotangent,) = cotangents
        return [None if cotangent is None else transpose(site, cotangent)]

    def batch(site: Batched) -> Batch:
        if site.axis_name == axis_of(site.op):
            return [resolve(site)], [batched]
        return _pass_over(site)

    return structured(target, forward, reverse, batch)


def _pass_over(site: Batched) -> Batch:
    """Batching by another axis."""
    if not site.flags[0]:
        return [ops.rebuild(site.op, site.operands).result], [False]
    moved = {
        name: ops.i64(site.op.attributes[name].value + 1) for name in DIMENSIONS if name in site.op.attributes
    }
    return [ops.rebuild(site.op, site.operands, site.result_types(), moved).result], [True]


def _named(target: str, site: Site, x: Value, type_: ir.Type, **attributes: ir.Attribute) -> Value:
    more = {f"mycc.{name}": attribute for name, attribute in attributes.items()}
    return transform.collective(target, axis_of(site.op), [x], [type_], more)


def _psum_transpose(site: Site, ct: Value) -> Value:
    return _named("psum", site, ct, ct.type)


def _gather_transpose(site: Site, ct: Value) -> Value:
    dimension = ops.i64(dimension_of(site.op))
    return _named("psum_scatter", site, ct, site.op.operands[0].type, dimension=dimension)


def _scatter_transpose(site: Site, ct: Value) -> Value:
    dimension = ops.i64(dimension_of(site.op))
    return _named("all_gather", site, ct, site.op.operands[0].type, dimension=dimension)


def _exchange_transpose(site: Site, ct: Value) -> Value:
    split, concat = (site.op.attributes[name] for name in DIMENSIONS[1:])
    return _named(
        "all_to_all", site, ct, site.op.operands[0].type, split_dimension=concat, concat_dimension=split
    )


def _permute_transpose(site: Site, ct: Value) -> Value:
    back = pairs_of(site.op)[:, ::-1]
    return _named("ppermute", site, ct, ct.type, pairs=ops.i64_array([int(n) for n in back.ravel()]))


def _extreme(kind: str, build: Callable[[Value, Value], Value]) -> Record:
    def shares(site: Site) -> tuple[Value, Value]:
        """Which elements equal the result, and on how many devices they do."""
        chosen = ops.compare("EQ", site.x, site.out)
        ties = ops.convert(chosen, ops.element_of(site.out))
        return chosen, _named("psum", site, ties, ties.type)

    def forward(site: Site, tangents: Tangents) -> Tangents:
        (tangent,) = tangents
        if tangent is None:
            return [None]
        chosen, ties = shares(site)
        kept = ops.select(chosen, tangent, ops.full_like(tangent, 0))
        return [ops.div(_named("psum", site, kept, kept.type), ties)]

    def reverse(site: Site, cotangents: Tangents) -> Tangents:
        (cotangent,) = cotangents
        if cotangent is None:
            return [None]
        chosen, ties = shares(site)
        share = ops.div(_named("psum", site, cotangent, cotangent.type), ties)
        return [ops.select(chosen, share, ops.full_like(share, 0))]

    def batch(site: Batched) -> Batch:
        if site.axis_name != axis_of(site.op):
            return _pass_over(site)
        (x,) = site.operands
        if not site.flags[0]:
            return [x], [False]
        scalar = tensor((), ops.element_of(x))
        initial = ops.full(scalar, identity(kind, scalar.element_type))
        return [ops.reduce(x, initial, [0], build)], [False]

    return structured(f"mycc.p{kind}", forward, reverse, batch)


# ---- Under the vmap of their axis ----------------------------------------------------------------


def _resolve_psum(site: Batched) -> Value:
    (x,) = site.operands
    if site.flags[0]:
        return ops.sum_(x, [0])
    return ops.mul(x, ops.full_like(x, site.size))


def _resolve_gather(site: Batched) -> Value:
    """The examples one after the other."""
    x, d = site.full(0), dimension_of(site.op)
    rank = len(shape_of(x))
    order = [*range(1, d + 1), 0, *range(d + 1, rank)]
    return ops.reshape(ops.transpose(x, order), shape_of(site.op.results[0]))


def _resolve_scatter(site: Batched) -> Value:
    """The sum, cut into a piece for each example."""
    x, d = site.operands[0], dimension_of(site.op)
    total = ops.sum_(x, [0]) if site.flags[0] else ops.mul(x, ops.full_like(x, site.size))
    shape = shape_of(total)
    split = ops.reshape(total, (*shape[:d], site.size, shape[d] // site.size, *shape[d + 1 :]))
    return ops.transpose(split, [d, *range(d), *range(d + 1, len(shape) + 1)])


def _resolve_exchange(site: Batched) -> Value:
    """From (sender, ..., receiver and piece, ...) to (receiver, ..., sender and piece, ...)."""
    x = site.full(0)
    shape = shape_of(x)
    split, concat = (dimension_of(site.op, name) + 1 for name in ("split_dimension", "concat_dimension"))
    cut = ops.reshape(x, (*shape[:split], site.size, shape[split] // site.size, *shape[split + 1 :]))
    # Where each dimension of x, but for the batch dimension, now is.
    places = [d + (d >= split) for d in range(1, len(shape))]
    places.insert(concat - 1, 0)
    return ops.reshape(ops.transpose(cut, [split, *places]), (site.size, *shape_of(site.op.results[0])))


def _resolve_permute(site: Batched) -> Value:
    """Rows taken in another order; one of zeros for those that nobody sends to."""
    x = site.full(0)
    shape = shape_of(x)
    sender = np.full(site.size, site.size, np.int32)
    for source, target in pairs_of(site.op):
        sender[target] = source
    zeros = ops.full(tensor((1, *shape[1:]), ops.element_of(x)), 0)
    rows = ops.concatenate([x, zeros], 0)
    windows = Windows(tuple(range(1, len(shape))), (0,), (), (), (0,), 1)
    return ops.gather(rows, ops.constant(sender), windows.gather(), (1, *shape[1:]))


def _axis_index(site: Batched) -> Batch:
    if site.axis_name != axis_of(site.op):
        return [ops.rebuild(site.op, []).result], [False]
    return [ops.iota(tensor((site.size,), element_type("int32")), 0)], [True]


def _by_mark(target: str) -> Record:
    """The record of what is done to a cotangent, or not, according to a mark; its own transpose."""

    def forward(site: Site, tangents: Tangents) -> Tangents:
        tangent = tangents[0]
        return [None if tangent is None else ops.rebuild(site.op, [tangent, site.y]).result]

    def reverse(site: Site, cotangents: Tangents) -> Tangents:
        (cotangent,) = cotangents
        return [None if cotangent is None else ops.rebuild(site.op, [cotangent, site.y]).result, None]

    def batch(site: Batched) -> Batch:
        types = site.result_types() if site.flags[0] else None
        return [ops.rebuild(site.op, site.operands, types).result], [site.flags[0]]

    return structured(target, forward, reverse, batch)


def _mark_batch(site: Batched) -> Batch:
    return [ops.rebuild(site.op, site.operands).result], [False]


RECORDS: tuple[Record, ...] = (
    _linear("mycc.psum", _psum_transpose, _resolve_psum, False),
    _linear("mycc.all_gather", _gather_transpose, _resolve_gather, False),
    _linear("mycc.psum_scatter", _scatter_transpose, _resolve_scatter, True),
    _linear("mycc.all_to_all", _exchange_transpose, _resolve_exchange, True),
    _linear("mycc.ppermute", _permute_transpose, _resolve_permute, True),
    _extreme("max", ops.max_),
    _extreme("min", ops.min_),
    inactive("mycc.axis_index", _axis_index),
    _by_mark("mycc.share"),
    _by_mark("mycc.total"),
    inactive("mycc.mark", _mark_batch),
)
