"""The pass `rematerialize`: values that would be kept for long are computed again, so that memory suffices.

Where more is alive at once than the budget allows, minimum cuts decide what to keep (`mycc.passes.recompute`). What
is computed again stands right before its use, behind a barrier that also takes a value which is there only by then:
so no compiler can merge it with the first computation, or do it early. A loop's stacked rows become fewer in the same
way (`mycc.passes.saved_rows`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.passes.base import Pass, option
from mycc.passes.liveness import Life, Memory, Program, Step
from mycc.passes.recompute import EFFORTS, Effort, Window, apply, plan
from mycc.passes.saved_rows import fewer_rows
from mycc.passes.symbols import remap_captures

__all__ = ["Reached", "Rematerialize", "bytes_of", "reached"]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(?:([KMGT]?)(?:i?B)?|(%))", re.IGNORECASE)
_REPORT = "mycc.memory"

# How often the peaks are taken down, and to which part of what is over the budget at least.
_ROUNDS = 8
_PROGRESS = 0.95
# Which part of the budget the values of one window may take, one of so many, at first and if that does not do: the
# smaller they are, the more is kept between them.
_SHARE = 4
_SMALLER = (16, 64)
_LARGER = (2, 1)
# A budget of less than one part of the peak of so many is planned for as if it were that.
_MOST = 32
# The least that is left to what a loop's body keeps, one part of the budget of so many.
_FOR_BODIES = 4


def bytes_of(text: str, whole: int = 0) -> int:
    """A number of bytes, as people write it.

    Args:
        text: ``512M``, ``1.5 GiB``, ``100000``, or a part of the whole, ``50%``.
        whole: what ``100%`` are.

    Raises:
        ValueError: it is none of these.

    Example:
        >>> bytes_of("512M"), bytes_of("1.5 KiB"), bytes_of("25%", 1000)
        (536870912, 1536, 250)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"'{text}' is no amount of memory: write 512M, 1.5G, 100000 (bytes), or 50%")
    if found[3]:
        return int(float(found[1]) * whole / 100)
    return int(float(found[1]) * _UNITS[(found[2] or "").upper()])


@dataclass(frozen=True)
class Reached:
    """What the pass says about a function: bytes alive at once as estimated, and the work added, in percent."""

    before: int
    after: int
    budget: int
    added_flops_percent: float


def reached(function: ir.Operation) -> Reached | None:
    """What `Rematerialize` has written on a function; None if it had nothing to do."""
    if _REPORT not in function.attributes:
        return None
    report = ir.DictAttr(function.attributes[_REPORT])
    before, after, budget = (
        int(ir.IntegerAttr(report[name]).value) for name in ("before", "after", "budget")
    )
    return Reached(before, after, budget, float(ir.FloatAttr(report["added_flops_percent"]).value))


@dataclass(frozen=True)
class Rematerialize(Pass):
    """Computes values again instead of keeping them, so that memory stays within a budget.

    Without a budget nothing happens. If it cannot be reached, what is alive is made as little as is known how. What
    is computed again carries the attribute ``mycc.recomputed``, and functions get ``mycc.memory``: the most bytes
    alive at once as estimated, before and after, the budget, and the work added, in percent.

    Arguments, constants and results do not count: they are there anyway. Functions that are called are taken one by
    one, each with the whole budget, so `inline` them before.
    """

    name = "rematerialize"

    budget: str = option(
        "", help="what intermediate values may take: 512M, 1.5G, or 50% of what they take now"
    )

    def __post_init__(self) -> None:
        if self.budget:
            bytes_of(self.budget)

    def run(self, module: ir.Module) -> None:
        if not self.budget:
            return
        with context:
            memory = Memory(module)
            for function in module.body.operations:
                if function.operation.name == "func.func" and len(function.regions[0].blocks) == 1:
                    self._lower(memory, function.operation)

    def _lower(self, memory: Memory, function: ir.Operation) -> None:
        block = function.regions[0].blocks[0]
        program = memory.read(block)
        before, flops = memory.life(program).peak, program.flops
        budget = bytes_of(self.budget, before)
        if before <= budget:
            return
        counts: Counter[str] = Counter()
        program = _within(memory, block, budget, counts, is_body=False)
        after = memory.life(program).peak
        added = 100.0 * (program.flops - flops) / max(1, flops)
        self.count("bytes alive at the peak, before", before)
        self.count("bytes alive at the peak, after", after)
        self.count("bytes over the budget", max(0, after - budget))
        for what, number in counts.items():
            self.count(what, number)
        self.count("floating-point operations added", program.flops - flops)
        self.count("the same in thousandths of all", round(10 * added))
        i64 = ir.IntegerType.get_signless(64)
        report = {
            name: ir.IntegerAttr.get(i64, number)
            for name, number in (("before", before), ("after", after), ("budget", budget))
        }
        report["added_flops_percent"] = ir.FloatAttr.get_f64(round(added, 3))
        function.attributes[_REPORT] = ir.DictAttr.get(report)


def _within(memory: Memory, block: ir.Block, budget: int, counts: Counter[str], is_body: bool) -> Program:
    """Changes a block so that it keeps alive no more than the budget, or as little as may be."""
    program = memory.read(block, is_body)
    program = _within_bodies(memory, block, program, budget, counts)
    best = program
    for effort in EFFORTS:
        if memory.life(best).peak <= budget:
            break
        if fewer_rows(block, memory, effort, counts):
            program = best = memory.read(block, is_body)
        for candidate in _lowered(memory, program, budget, effort):
            peak = memory.life(candidate).peak
            # What saves hardly more is not worth its work, unless it is enough.
            if peak <= budget or peak < _PROGRESS * memory.life(best).peak:
                best = candidate
            if peak <= budget:
                break
    if best is not program:
        _write(best, program)
        counts["operations done again"] += sum(s.copied and not s.is_barrier for s in best.steps)
        counts["barriers"] += sum(s.copied and s.is_barrier for s in best.steps)
    return best


def _within_bodies(
    memory: Memory, block: ir.Block, program: Program, budget: int, counts: Counter[str]
) -> Program:
    """The program, after the loops and branches in it that take most of the memory at a peak take less."""
    seen: set[int] = set()
    while True:
        life = memory.life(program)
        step = program.steps[life.position]
        if life.peak <= budget or 2 * step.inside < life.peak or life.position in seen:
            return program
        seen.add(life.position)
        if step.source is None or not len(step.source.regions):
            return program
        room = max(budget - (life.peak - step.inside), budget // _FOR_BODIES)
        for region in step.source.regions:
            for inner in region.blocks:
                _within(memory, inner, room, counts, is_body=step.name == "stablehlo.while")
        program = memory.read(block, program.is_body)


def _lowered(memory: Memory, program: Program, budget: int, effort: Effort) -> Iterator[Program]:
    """The program itself, and such that need less."""
    yield program
    changed, kept = _with_effort(memory, program, budget, effort, _SHARE)
    yield changed
    if kept <= budget:
        # What is done again takes too much at once.
        others: tuple[int, ...] = _SMALLER
    else:
        # What is kept in between is too much; only larger windows keep less.
        others = _LARGER if effort is EFFORTS[-1] else ()
    for share in others:
        yield _with_effort(memory, program, budget, effort, share)[0]


def _with_effort(
    memory: Memory, program: Program, budget: int, effort: Effort, share: int
) -> tuple[Program, int]:
    """The program after all of its peaks have been taken down as far as one effort goes.

    Returns:
        The program, and how many bytes have to be kept for what is behind a peak.
    """
    life = memory.life(program)
    over = life.over(budget)
    most = 0
    for _ in range(_ROUNDS):
        if not over:
            break
        windows, kept = plan(program, life, max(budget, life.peak // _MOST), effort, share)
        most = max(most, kept)
        if not any(window.again for window in windows):
            break
        changed = _fewest(memory, program, life, windows, budget)
        after = memory.life(changed)
        if after.peak > life.peak or after.over(budget) > _PROGRESS * over:
            break
        program, life, over = changed, after, after.over(budget)
        if kept > budget and effort is not EFFORTS[-1]:
            break
    return program, most


def _fewest(memory: Memory, program: Program, life: Life, windows: list[Window], budget: int) -> Program:
    """The program with as few of the windows as the budget allows, those that gain least for their work left out."""
    working = [i for i, window in enumerate(windows) if window.again]
    working.sort(key=lambda i: windows[i].gain / (1 + windows[i].weight))
    best = apply(program, life, windows)
    if memory.life(best).peak > budget:
        return best
    low, high = 0, len(working)
    while high - low > 1:
        middle = (low + high) // 2
        changed = apply(program, life, windows, set(working[:middle]))
        if memory.life(changed).peak <= budget:
            low, best = middle, changed
        else:
            high = middle
    return best


def _write(new: Program, old: Program) -> None:
    """Changes the block of the old program to what the new one says."""
    values = dict(enumerate(old.handles))
    mark = ir.UnitAttr.get()
    kept = {id(step.source) for step in new.steps if not step.copied}
    following: list[ir.Operation] = []
    for step in reversed(new.steps):
        following.append(step.source if not step.copied and step.source is not None else following[-1])
    for step, before in zip(new.steps, reversed(following), strict=True):
        source = step.source
        operands = [values[value] for value in step.operands]
        if source is None:
            with before.location, ir.InsertionPoint(before):
                made = ops.barrier(operands)
            made[0].owner.attributes["mycc.recomputed"] = mark
            values.update(zip(step.results, made, strict=True))
            continue
        own = len(operands) - len(step.inner)
        if step.copied:
            with ir.InsertionPoint(before):
                copy = ops.rebuild(source, operands[:own])
            captured = [users[0][0].operands[users[0][1]] for users in step.inner]
            remap_captures(copy, dict(zip(captured, operands[own:], strict=True)))
            copy.attributes["mycc.recomputed"] = mark
            values.update(zip(step.results, copy.results, strict=True))
            continue
        _set_operands(step, source, operands, own)
    for original in reversed(old.steps):
        if id(original.source) not in kept:
            assert original.source is not None
            original.source.erase()


def _set_operands(step: Step, source: ir.Operation, operands: list[ir.Value], own: int) -> None:
    for i, value in enumerate(operands[:own]):
        if source.operands[i] != value:
            source.operands[i] = value
    for users, value in zip(step.inner, operands[own:], strict=True):
        for user, i in users:
            if user.operands[i] != value:
                user.operands[i] = value
