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

from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.passes.base import Pass, option
from mycc.passes.kinds import (
    BROADCAST,
    CHEAP,
    ELEMENTWISE,
    EXPENSIVE,
    FUSIBLE,
    KINDS,
    NEEDS_STORED,
    RECOMPUTED,
    REDUCTION,
    RESHAPE,
)
from mycc.passes.pattern import may_hold_program
from mycc.passes.symbols import operations

__all__ = ["STORED", "Fuse", "boundaries"]

STORED = "mycc.stored"
"""The attribute of a barrier that says no more than that a value is better stored than computed again, and why."""


_BARRIER = "stablehlo.optimization_barrier"
# Beyond these counts the decision is the same; capping them keeps the analysis linear.
_MANY_ROOTS = 16
_LARGE_COST = 64
# Storing a small array costs about as much as computing this many of it.
_MANY_COPIES = 16

Roots = frozenset[int]


def boundaries(module: ir.Module) -> list[str]:
    """Where the clusters of a module end by the choice of `fuse`, and why: a line for each, with the user's."""
    return [
        f"{describe(op.location)}: {op.operands[0].type} of '{op.operands[0].owner.name}' is stored: "
        f"{op.attributes[STORED].value}"
        for function in module.body.operations
        for op in operations(function.operation)
        if op.name == _BARRIER and STORED in op.attributes
    ]


@dataclass(frozen=True)
class Fuse(Pass):
    """Marks clusters of operations and stores values that several fusions would otherwise recompute.

    Each operation that ends up in a fusion gets the attribute ``mycc.cluster = N : i64``, equal for those
    that XLA is to compute together. Clusters end at ``stablehlo.optimization_barrier``, whose attribute
    ``mycc.stored`` says why.

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
    broadcasts: bool = option(True, help="store small values that would be computed for each of many copies")
    max_depth: int = option(32, help="store a small value where a chain of operations is this long; 0: never")
    annotate: bool = option(True, help="put mycc.cluster on each operation")

    def run(self, module: ir.Module) -> None:
        cluster = 0
        blocks = [
            b for function in module.body.operations for region in function.regions for b in region.blocks
        ]
        blocks.reverse()
        while blocks:
            graph = _Graph(blocks.pop(), self.min_elements)
            blocks += reversed(graph.inner)
            barriers = graph.choose(self)
            if self.annotate:
                cluster = graph.annotate(barriers, cluster)
            graph.insert(barriers)
            for reason in barriers.values():
                self.count(f"barriers: {reason}")
        self.count("clusters", cluster)


class _Graph:
    """One block as arrays: operation i, the positions of its operands' producers, of its users.

    Reading a block costs more than all decisions about it, so it is read once and without what few
    operations need: types are looked at where a value turns out to matter.
    """

    def __init__(self, block: ir.Block, min_elements: int) -> None:
        self.min_elements = min_elements
        self.ops: list[ir.Operation] = []
        self.kinds: list[int] = []
        self.producers: list[list[int]] = []
        self.users: list[list[int]] = []
        self.inner: list[ir.Block] = []
        self._sizes: dict[Any, bool] = {}
        self._counts: dict[int, str] = {}
        position: dict[int, int] = {}
        for i, each in enumerate(list(block.operations)):
            op = each.operation
            name = op.name
            values = list(op.operands)
            if may_hold_program(name):
                # What the body of a loop or a branch captures is an operand of the loop as well.
                values += self._captured(op)
            found: list[int] = []
            for value in values:
                p = position.get(hash(value))
                if p is not None and p not in found:
                    self.users[p].append(i)
                    found.append(p)
            try:
                position[hash(op.result)] = i
            except ValueError:
                for value in op.results:
                    position[hash(value)] = i
            self.ops.append(op)
            self.kinds.append(KINDS.get(name, 0))
            self.producers.append(found)
            self.users.append([])

    def _captured(self, op: ir.Operation) -> list[ir.Value]:
        """All operands inside an operation; on the way notes its blocks as programs of their own."""
        values: list[ir.Value] = []
        for region in op.regions:
            self.inner += region.blocks

        def visit(inner: ir.Operation) -> Any:
            values.extend(inner.operation.operands)
            return ir.WalkResult.ADVANCE

        op.walk(visit, ir.WalkOrder.PRE_ORDER)
        return values

    def choose(self, options: Fuse) -> dict[int, str]:
        """Returns the positions of the operations whose results are stored, each with the reason."""
        stored: dict[int, str] = {}
        if options.contractions:
            for i in self._feeding_contractions():
                stored[i] = "feeds a contraction or transpose"
        if options.reductions:
            for i in self._broadcast_reductions():
                stored[i] = "reduction that is broadcast"
        costs: list[int] = []
        for i in range(len(self.ops)):
            if self.kinds[i] & BROADCAST and options.broadcasts:
                for p in self.producers[i]:
                    if costs[p] >= options.min_cost and self._repeats(i, p):
                        stored[p] = "computed for each copy"
                        costs[p] = 0
            costs.append(0 if i in stored else self._cost(i, costs))
        # Upwards, so that what a value's consumers do is decided before it is asked who recomputes it.
        candidates: list[tuple[int, int]] = []
        through: list[Roots | None] = [None] * len(self.ops)
        joint = self._joint_reductions() if options.reductions else frozenset()
        for i in range(len(self.ops) - 1, -1, -1):
            roots = self._roots(i, through)
            kind, fusions = self.kinds[i], len(roots) - 1
            if joint and roots <= joint and i not in stored and self._is_slow_in_a_loop(i):
                stored[i] = "slow in a loop over several sums"
            if (
                kind & CHEAP
                and i not in stored
                and costs[i] * fusions >= options.min_cost
                and self._is_large(i)
            ):
                stored[i] = "recomputed"
                candidates.append((i, fusions))
            if kind & FUSIBLE:
                through[i] = frozenset((i,)) if i in stored or (fusions and kind & EXPENSIVE) else roots
            elif kind & REDUCTION:
                through[i] = frozenset((i,))
        # Downwards: where a value above turned out to be stored, recomputing from it may be cheap.
        for i, fusions in reversed(candidates):
            costs[i] = self._cost(i, costs)
            if costs[i] * fusions >= options.min_cost:
                self._counts[i] = f": {costs[i]} operations, in {fusions + 1} fusions"
                costs[i] = 0
            else:
                del stored[i]
        if options.max_depth:
            self._cut_chains(options.max_depth, stored)
        return stored

    def _cut_chains(self, most: int, stored: dict[int, str]) -> None:
        """Ends fusions that would grow so long that compiling them takes more than linear time.

        Small values only, which cost nothing to store: large ones are stored where they are worth it.
        """
        depths: list[int] = []
        for i, kind in enumerate(self.kinds):
            depth = 1 + max((depths[p] for p in self.producers[i]), default=0) if kind & FUSIBLE else 0
            if depth >= most and not self._is_large(i):
                stored.setdefault(i, "end of a long chain")
            depths.append(0 if i in stored else depth)

    def _roots(self, i: int, through: list[Roots | None]) -> Roots:
        """The fusions that compute operation i, by the operation that each ends with.

        Args:
            i: the operation.
            through: for each operation after it the fusions that compute its operands for it; None where
                it reads them from memory. So do users outside the block (a return, a loop's body).
        """
        users = self.users[i]
        if len(users) == 1:
            return through[users[0]] or frozenset((i,))
        found: set[int] = set()
        for u in users:
            found.update(through[u] or (i,))
            if len(found) >= _MANY_ROOTS:
                break
        return frozenset(found or (i,))

    def _cost(self, i: int, costs: list[int]) -> int:
        """How many cheap operations computing i again takes, from what is in memory (and so costs 0)."""
        kind = self.kinds[i]
        if not kind & RECOMPUTED:
            return 0
        total = kind & CHEAP
        for p in self.producers[i]:
            total += costs[p]
        return min(total, _LARGE_COST)

    def _feeding_contractions(self) -> Iterator[int]:
        for u, kind in enumerate(self.kinds):
            if kind & NEEDS_STORED:
                for p in self.producers[u]:
                    if self.kinds[p] & ELEMENTWISE and self._is_large(p):
                        yield p

    def _broadcast_reductions(self) -> Iterator[int]:
        for u, kind in enumerate(self.kinds):
            if kind & BROADCAST:
                above = self.producers[u]
                while above and self.kinds[above[0]] & RESHAPE:
                    above = self.producers[above[0]]
                i = above[0] if above else u
                if self.kinds[i] & REDUCTION and len(self.ops[i].results) == 1 and self._is_large(u):
                    yield i

    def _joint_reductions(self) -> Roots:
        """The reductions of several values in one loop, which XLA does not vectorize."""
        return frozenset(
            i for i, kind in enumerate(self.kinds) if kind & REDUCTION and len(self.ops[i].results) > 1
        )

    def _is_slow_in_a_loop(self, i: int) -> bool:
        """Whether operation i, or what it is made of, is expensive, and no single operand's alone.

        Vectorized it takes a fraction of the time, and what several operands share is stored once.
        """
        if not self.kinds[i] & ELEMENTWISE or not self._is_large(i):
            return False
        if self.kinds[i] & EXPENSIVE:
            return True
        users = self.users[i]
        while len(users) == 1 and self.kinds[users[0]] & RESHAPE:
            users = self.users[users[0]]
        # The parts of one operand that a loop reads side by side are no more than that operand.
        shared = len(users) > 1 and any(self.kinds[u] & ELEMENTWISE for u in users)
        return shared and self._is_heavy(i)

    def _is_heavy(self, i: int) -> bool:
        """Whether an expensive operation is among those that operation i is made of in its fusion."""
        waiting, seen = [i], set[int]()
        while waiting and len(seen) < _LARGE_COST:
            p = waiting.pop()
            if p in seen or not self.kinds[p] & FUSIBLE:
                continue
            if self.kinds[p] & EXPENSIVE:
                return True
            seen.add(p)
            waiting += self.producers[p]
        return False

    def _repeats(self, i: int, p: int) -> bool:
        """Whether broadcast i makes a large array of many copies of what p computes."""
        if not self._is_large(i) or min(size := self.ops[p].result.type.shape, default=1) < 0:
            return False
        return bool(_MANY_COPIES * math.prod(size) <= math.prod(self.ops[i].result.type.shape))

    def _is_large(self, i: int) -> bool:
        """Whether the result of operation i is an array of many elements."""
        type_ = self.ops[i].result.type
        found = self._sizes.get(type_)
        if found is None:
            # A dimension that is known only at run time counts as large.
            sizes = type_.shape if isinstance(type_, ir.RankedTensorType) else None
            found = self._sizes[type_] = sizes is not None and (
                min(sizes, default=1) < 0 or math.prod(sizes) >= self.min_elements
            )
        return found

    def insert(self, stored: dict[int, str]) -> None:
        """Places the barriers."""
        for i, reason in stored.items():
            value = self.ops[i].result
            with self.ops[i].location, ir.InsertionPoint(self.ops[i + 1]):
                why = {STORED: ir.StringAttr.get(reason + self._counts.get(i, ""))}
                barrier = ir.Operation.create(_BARRIER, [value.type], [value], why)
            value.replace_all_uses_except(barrier.result, barrier)

    def annotate(self, stored: dict[int, str], cluster: int) -> int:
        """Numbers the clusters: each operation goes with the user that it is computed for.

        Args:
            stored: what :meth:`choose` returned.
            cluster: the last number given so far.

        Returns:
            The last number given.
        """
        numbers: list[int] = [-1] * len(self.ops)
        i64 = ir.IntegerType.get_signless(64)
        for i in range(len(self.ops) - 1, -1, -1):
            if not self.kinds[i] & (FUSIBLE | REDUCTION):
                continue
            inside = {numbers[u] for u in self.users[i] if self.kinds[u] & (FUSIBLE | REDUCTION)}
            if i in stored or len(inside) != 1 or not self.kinds[i] & FUSIBLE:
                cluster += 1
                numbers[i] = cluster
            else:
                (numbers[i],) = inside
            self.ops[i].attributes["mycc.cluster"] = ir.IntegerAttr.get(i64, numbers[i])
        return cluster
