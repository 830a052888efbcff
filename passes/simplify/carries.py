"""What loops carry from trip to trip: parts that no trip changes, that nobody reads, and that are equal.

An exporter carries whatever a loop reads, and the derivative of a loop what its own loop needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mycc.dialects.mlir import ir
from mycc.passes.pattern import Op, Pattern, Rewriter
from mycc.passes.symbols import inputs

__all__ = ["PATTERNS"]

_WHILE = "stablehlo.while"


class InvariantCarry(Pattern):
    """What the body of a loop returns as it got it is read where it is, and not carried."""

    op_names = (_WHILE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        test, body = _blocks(op)
        arguments = list(body.arguments)
        kept = [i for i, value in enumerate(_returned(body)) if value != arguments[i]]
        if len(kept) == len(arguments):
            return False

        def build() -> list[ir.Value]:
            for i in set(range(len(arguments))).difference(kept):
                rewriter.replace_value(test.arguments[i], op.operands[i])
                rewriter.replace_value(body.arguments[i], op.operands[i])
            new = _narrowed(op, kept, rewriter)
            return [new.get(i, op.operands[i]) for i in range(len(arguments))]

        return rewriter.replace(op, build)


class UnusedCarry(Pattern):
    """What a loop carries only to compute what nobody reads after it goes, with what computes it."""

    op_names = (_WHILE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        test, body = _blocks(op)
        live = [i for i, value in enumerate(op.results) if _is_used(value) or _is_used(test.arguments[i])]
        if len(live) == len(op.operands):
            return False
        kept, needed = _needed(body, live, rewriter)
        if len(kept) == len(op.operands):
            return False

        def build() -> list[ir.Value]:
            dead = [each.operation for each in list(body.operations)[:-1] if each.operation not in needed]
            new = _narrowed(op, kept, rewriter, dead)
            # Nobody reads the others.
            return [new.get(i, op.operands[i]) for i in range(len(op.operands))]

        return rewriter.replace(op, build)


class EqualCarries(Pattern):
    """Of parts of a carry that start equal and go on equal, such as several counters, one is kept."""

    op_names = (_WHILE,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        starts = [_start(op, i) for i in range(len(op.operands))]
        if len(set(starts)) == len(starts):
            return False
        test, body = _blocks(op)
        groups = _congruent(body, [starts.index(start) for start in starts])
        kept = sorted(set(groups))
        if len(kept) == len(groups):
            return False

        def build() -> list[ir.Value]:
            for i, first in enumerate(groups):
                if i != first:
                    rewriter.replace_value(test.arguments[i], test.arguments[first])
                    rewriter.replace_value(body.arguments[i], body.arguments[first])
            new = _narrowed(op, kept, rewriter)
            return [new[first] for first in groups]

        return rewriter.replace(op, build)


def _blocks(op: Op) -> tuple[ir.Block, ir.Block]:
    test, body = (region.blocks[0] for region in op.op.regions)
    return test, body


def _returned(block: ir.Block) -> list[ir.Value]:
    return list(block.operations[len(block.operations) - 1].operands)


def _is_used(value: ir.Value) -> bool:
    return next(value.uses, None) is not None


def _narrowed(
    op: Op, kept: Sequence[int], rewriter: Rewriter, dead: Sequence[ir.Operation] = ()
) -> dict[int, ir.Value]:
    """Builds the loop that carries only some parts, and takes the regions of the one that carries all.

    Args:
        op: the loop.
        kept: the parts; the regions use the others only in what is dead.
        dead: operations of the body, erased.

    Returns:
        For each part that is kept the result.
    """
    blocks = _blocks(op)
    ends = _returned(blocks[1])
    rewriter.end(blocks[1], [ends[i] for i in kept])
    rewriter.erase_operations(dead)
    attributes = {name: op.op.attributes[name] for name in op.op.attributes}
    operands = [op.operands[i] for i in kept]
    new = ir.Operation.create(_WHILE, [v.type for v in operands], operands, attributes, regions=2)
    for block, region in zip(blocks, new.regions, strict=True):
        block.append_to(region)
        for i in reversed(range(len(op.operands))):
            if i not in kept:
                block.erase_argument(i)
        rewriter.moved(block)
    return dict(zip(kept, new.results, strict=True))


def _needed(body: ir.Block, live: list[int], rewriter: Rewriter) -> tuple[list[int], set[ir.Operation]]:
    """The parts of the carry on which some parts, or an effect, depend, and the operations that compute them."""
    places = {hash(argument): i for i, argument in enumerate(body.arguments)}
    ends = _returned(body)
    found, needed = set(live), set[ir.Operation]()
    values = [ends[i] for i in live]
    operations = [each.operation for each in list(body.operations)[:-1]]
    for op in operations:
        if not rewriter.is_pure(op):
            needed.add(op)
            values += inputs(op)
    while values:
        value = values.pop()
        owner = value.owner
        if isinstance(owner, ir.Block):
            i = places.get(hash(value))
            if i is not None and i not in found:
                found.add(i)
                values.append(ends[i])
            continue
        op = owner.operation
        if op.block == body and op not in needed:
            needed.add(op)
            values += inputs(op)
    return sorted(found), needed


def _start(op: Op, index: int) -> Any:
    """What tells initial values from others that may differ."""
    producer = op.producer(index)
    if producer is None or producer.name != "stablehlo.constant":
        return hash(op.operands[index])
    try:
        return producer.attribute("value"), op.operands[index].type
    except TypeError:  # jaxlib <= 0.12 has no class for dense complex elements
        return hash(op.operands[index])


def _congruent(body: ir.Block, groups: list[int]) -> list[int]:
    """For each part of the carry the first that is equal to it in every trip.

    Args:
        body: the loop's body.
        groups: for each part the first that starts equal. They are divided until equal parts make equal parts.
    """
    operations = [each.operation for each in list(body.operations)[:-1]]
    kinds = [_kind(op) for op in operations]
    ends = _returned(body)
    for _ in range(_ROUNDS):
        numbers: dict[int, Any] = {hash(a): ("part", groups[i]) for i, a in enumerate(body.arguments)}
        known: dict[Any, int] = {}
        for op, kind in zip(operations, kinds, strict=True):
            operands = tuple(numbers.get(hash(v), hash(v)) for v in op.operands)
            key = (hash(op.results[0]) if len(op.results) else 0) if kind is None else (kind, operands)
            number = known.setdefault(key, len(known))
            for i, result in enumerate(op.results):
                numbers[hash(result)] = ("result", number, i)
        keys = [(group, numbers.get(hash(v), hash(v))) for group, v in zip(groups, ends, strict=True)]
        divided = [keys.index(key) for key in keys]
        if divided == groups:
            return groups
        groups = divided
    return list(range(len(groups)))


# Parts that first differ after so many trips are rare, and to find each takes a look at the whole body.
_ROUNDS = 8


def _kind(op: ir.Operation) -> Any:
    """What tells an operation from others that compute something else of equal operands; None for any."""
    if len(op.regions) or op.name.partition(".")[0] not in ("stablehlo", "chlo") or op.name.endswith(".rng"):
        return None
    if op.name == "stablehlo.custom_call":
        return None
    try:
        return op.name, tuple(op.attributes.items()), tuple(result.type for result in op.results)
    except TypeError:  # jaxlib <= 0.12 has no class for dense complex elements
        return None


PATTERNS: tuple[Pattern, ...] = (InvariantCarry(), UnusedCarry(), EqualCarries())
