"""The pass ``fuse``: chooses what XLA is to compute once, and says so in the IR.

XLA's CPU backend fuses an elementwise value into each of its consumers, and computes it again in each.
Where the backward pass of a deep network is a chain of cheap operations with several consumers a layer,
the whole chain ends up in every consumer, and time grows with the square of the depth. This pass
places ``stablehlo.optimization_barrier`` on the values where recomputing would cost more than one store
and one load. Barriers hold only if XLA's ``cse_barrier_expander`` pass is off (a compile option).

What counts is the number of *distinct fusions* that would compute a value again, not of its uses: in
``x -= 0.1 * x`` repeated ten times every value has two uses, and all of them are in one fusion.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mycc.dialects.mlir import ir
from mycc.passes.base import Pass, option

__all__ = ["Fuse"]


def _names(text: str) -> frozenset[str]:
    return frozenset(f"{dialect}.{name}" for name in text.split() for dialect in ("stablehlo", "chlo"))


# XLA computes these again in each consumer without asking.
_CHEAP = _names(
    "abs add and bitcast_convert ceil clamp compare complex convert count_leading_zeros floor imag is_finite "
    "maximum minimum multiply negate not or popcnt real reduce_precision round_nearest_afz "
    "round_nearest_even select shift_left shift_right_arithmetic shift_right_logical sign square subtract "
    "xor conj"
)
# XLA never computes these twice: with several consumers they are stored (its InstructionFusion::IsExpensive).
_EXPENSIVE = _names(
    "acos acosh asin asinh atan atan2 atanh bessel_i1e cbrt cosh cosine digamma divide erf erf_inv erfc "
    "exponential exponential_minus_one lgamma log log_plus_one logistic polygamma power remainder rsqrt sine "
    "sinh sqrt tan tanh zeta"
)
# Moves of elements that a loop fusion reads through.
_TRANSPARENT = _names("broadcast_in_dim broadcast concatenate dynamic_slice iota pad reshape reverse slice")
_REDUCTIONS = _names("reduce reduce_window")
# Elementwise work fused into these is done at their stride or per block, several times slower.
_NEEDS_STORED = _names("transpose dot_general dot convolution")
# Their regions are scalar functions, not programs.
_SCALAR_REGIONS = _names("reduce reduce_window scatter select_and_scatter sort map all_reduce reduce_scatter")

# Beyond these counts the decision is the same; capping them keeps the analysis linear.
_MANY_ROOTS = 16
_LARGE_COST = 64

Roots = frozenset[int]
_NO_ROOTS: Roots = frozenset()


@dataclass(frozen=True)
class Fuse(Pass):
    """Marks clusters of operations and stores values that several fusions would otherwise recompute.

    Each operation that ends up in a fusion gets the attribute ``mycc.cluster = N : i64``, equal for those
    that XLA is to compute together. Clusters end at ``stablehlo.optimization_barrier``.

    Works on each function and on the bodies of loops and branches by itself. Runs last: rewrites after
    it would lose the attributes.
    """

    name = "fuse"

    min_elements: int = option(4096, help="values of fewer elements are recomputed whatever it costs")
    min_cost: int = option(3, help="store a value if its operations times (fusions - 1) reach this")
    contractions: bool = option(
        True, help="store elementwise values that feed a dot, convolution or transpose"
    )
    reductions: bool = option(True, help="store the result of a reduction that is broadcast again")
    annotate: bool = option(True, help="put mycc.cluster on each operation")

    def run(self, module: ir.Module) -> None:
        cluster = 0
        for block in _programs(module.operation):
            graph = _Graph(block, self.min_elements)
            barriers = graph.choose(self)
            if self.annotate:
                cluster = graph.annotate(barriers, cluster)
            graph.insert(barriers)
            for reason in barriers.values():
                self.count(f"barriers: {reason}")
        self.count("clusters", cluster)


def _programs(root: ir.Operation) -> Iterator[ir.Block]:
    """Yields the blocks whose operations XLA fuses: functions, loop bodies, branches."""
    for region in root.regions:
        for block in region.blocks:
            if root.name != "builtin.module":
                yield block
            for op in block.operations:
                if len(op.operation.regions) and op.name not in _SCALAR_REGIONS:
                    yield from _programs(op.operation)


class _Graph:
    """One block as arrays: operation i, the positions of its operands' producers, of its users."""

    def __init__(self, block: ir.Block, min_elements: int) -> None:
        self.ops: list[ir.Operation] = [op.operation for op in block.operations]
        self.names: list[str] = [op.name for op in self.ops]
        self.producers: list[list[int]] = []
        self.users: list[list[int]] = [[] for _ in self.ops]
        self.large: list[bool] = []
        position: dict[int, int] = {}
        sizes: dict[Any, bool] = {}
        for i, op in enumerate(self.ops):
            found: list[int] = []
            for value in _operands(op):
                p = position.get(hash(value))
                if p is not None:
                    self.users[p].append(i)
                    found.append(p)
            self.producers.append(found)
            results = op.results
            for k in range(len(results)):
                position[hash(results[k])] = i
            self.large.append(len(results) == 1 and _is_large(results[0].type, min_elements, sizes))
        self.cheap = [name in _CHEAP for name in self.names]
        self.elementwise = [cheap or n in _EXPENSIVE for cheap, n in zip(self.cheap, self.names, strict=True)]
        self.fusible = [e or n in _TRANSPARENT for e, n in zip(self.elementwise, self.names, strict=True)]

    def choose(self, options: Fuse) -> dict[int, str]:
        """Returns the positions of the operations whose results are stored, each with the reason."""
        stored: dict[int, str] = {}
        if options.contractions:
            for i in self._feeds_contraction():
                stored[i] = "feeds a contraction or transpose"
        if options.reductions:
            for i in self._broadcast_reductions():
                stored[i] = "reduction that is broadcast"
        # Upwards, so that what a value's consumers do is decided before it is asked who recomputes it.
        costs = self._costs(stored)
        roots: list[Roots] = [_NO_ROOTS] * len(self.ops)
        candidates: list[int] = []
        for i in range(len(self.ops) - 1, -1, -1):
            roots[i] = self._roots(i, roots, stored)
            if i not in stored and self._recomputed(i, costs[i], roots[i], options):
                stored[i] = "recomputed"
                candidates.append(i)
        # Downwards: where a value above turned out to be stored, recomputing from it may be cheap.
        for i in reversed(candidates):
            del stored[i]
            cost = self._cost(i, costs, stored)
            if self._recomputed(i, cost, self._roots(i, roots, stored), options):
                stored[i] = "recomputed"
                cost = 0
            costs[i] = cost
        return stored

    def _recomputed(self, i: int, cost: int, roots: Roots, options: Fuse) -> bool:
        return self.cheap[i] and self.large[i] and cost * (len(roots) - 1) >= options.min_cost

    def _feeds_contraction(self) -> Iterator[int]:
        for i, users in enumerate(self.users):
            if self.elementwise[i] and self.large[i] and any(self.names[u] in _NEEDS_STORED for u in users):
                yield i

    def _broadcast_reductions(self) -> Iterator[int]:
        for i, users in enumerate(self.users):
            if self.names[i] in _REDUCTIONS and len(self.ops[i].results) == 1 and self._is_spread(users):
                yield i

    def _is_spread(self, users: list[int]) -> bool:
        return any(
            (self.names[u] == "stablehlo.broadcast_in_dim" and self.large[u])
            or (self.names[u] == "stablehlo.reshape" and self._is_spread(self.users[u]))
            for u in users
        )

    def _roots(self, i: int, roots: list[Roots], stored: dict[int, str]) -> Roots:
        """The fusions that compute operation i, by the operation that each ends with."""
        found: set[int] = set()
        users = self.users[i]
        # Whoever is not in this block (a return, a loop's body) reads it from memory.
        for u in users:
            if not self.fusible[u]:
                found.add(u if self.names[u] in _REDUCTIONS else i)
            elif u in stored or (len(roots[u]) > 1 and self.names[u] in _EXPENSIVE):
                found.add(u)
            else:
                found |= roots[u]
            if len(found) >= _MANY_ROOTS:
                break
        return frozenset(found) if found else frozenset((i,))

    def _costs(self, stored: dict[int, str]) -> list[int]:
        costs: list[int] = [0] * len(self.ops)
        for i in range(len(self.ops)):
            costs[i] = 0 if i in stored else self._cost(i, costs, stored)
        return costs

    def _cost(self, i: int, costs: list[int], stored: dict[int, str]) -> int:
        """How many cheap operations computing i again takes, from what is in memory."""
        if not self.cheap[i] and self.names[i] not in _TRANSPARENT:
            return 0
        total = int(self.cheap[i]) + sum(costs[p] for p in set(self.producers[i]) if p not in stored)
        return min(total, _LARGE_COST)

    def insert(self, stored: dict[int, str]) -> None:
        for i in stored:
            value = self.ops[i].results[0]
            with self.ops[i].location, ir.InsertionPoint(self.ops[i + 1]):
                barrier = ir.Operation.create("stablehlo.optimization_barrier", [value.type], [value])
            value.replace_all_uses_except(barrier.result, barrier)

    def annotate(self, stored: dict[int, str], cluster: int) -> int:
        """Numbers the clusters: each operation goes with the user that it is computed for."""
        numbers: list[int] = [-1] * len(self.ops)
        i64 = ir.IntegerType.get_signless(64)
        for i in range(len(self.ops) - 1, -1, -1):
            if not self.fusible[i] and self.names[i] not in _REDUCTIONS:
                continue
            inside = {numbers[u] for u in self.users[i] if self.fusible[u] or self.names[u] in _REDUCTIONS}
            if i in stored or len(inside) != 1 or len(self.users[i]) == 0 or not self.fusible[i]:
                cluster += 1
                numbers[i] = cluster
            else:
                (numbers[i],) = inside
            self.ops[i].attributes["mycc.cluster"] = ir.IntegerAttr.get(i64, numbers[i])
        return cluster


def _operands(op: ir.Operation) -> Iterator[ir.Value]:
    values = op.operands
    for k in range(len(values)):
        yield values[k]
    # Values that a loop's body or a branch captures are operands of the loop as well.
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield from _operands(inner.operation)


def _is_large(type_: Any, min_elements: int, known: dict[Any, bool]) -> bool:
    found = known.get(type_)
    if found is None:
        # A dimension that is known only at run time counts as large.
        sizes = type_.shape if isinstance(type_, ir.RankedTensorType) else None
        found = known[type_] = sizes is not None and (
            min(sizes, default=1) < 0 or math.prod(sizes) >= min_elements
        )
    return found
