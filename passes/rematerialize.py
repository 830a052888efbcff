"""The pass `rematerialize`: values that would be kept for long are computed again, so that memory suffices.

Where more is alive at once than the budget allows, minimum cuts decide what to keep (`mycc.passes.recompute`). What
is computed again stands right before its use, behind a barrier that also takes a value which is there only by then:
so no compiler can merge it with the first computation, or do it early. A loop's stacked rows become fewer in the same
way (`mycc.passes.saved_rows`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.passes.base import Pass, option
from mycc.passes.liveness import Life, Memory, Program, Step
from mycc.passes.recompute import EFFORTS, Effort, Window, apply, plan
from mycc.passes.symbols import remap_captures

__all__ = ["Rematerialize", "bytes_of"]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)

# How often the highest peak is taken down; a program may have many.
_ROUNDS = 64
# Which part of the budget the values of one window may take, one of so many: the smaller, the more is kept between.
_SHARES = (4, 16)
_MORE_SHARES = (64, 2)


def bytes_of(text: str) -> int:
    """A number of bytes, as people write it.

    Raises:
        ValueError: it is none.

    Example:
        >>> bytes_of("512M"), bytes_of("1.5 KiB"), bytes_of("100")
        (536870912, 1536, 100)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"'{text}' is no number of bytes: write 512M, 1.5G, or 100000")
    return int(float(found[1]) * _UNITS[found[2].upper()])


@dataclass(frozen=True)
class Rematerialize(Pass):
    """Computes values again instead of keeping them, so that memory stays within a budget.

    Without a budget nothing happens. If it cannot be reached, what is alive is made as little as is known how. What
    is computed again carries the attribute ``mycc.recomputed``, and functions get ``mycc.memory``: the most bytes
    alive at once as estimated, before and after, the budget, and the work added, in percent.

    Arguments, constants and results do not count: they are there anyway. Functions that are called are left alone,
    so `inline` them before.
    """

    name = "rematerialize"

    budget: str = option("", help="the bytes that intermediate values may take: 512M, 1.5G")
    factor: float = option(0.0, help="the same, as a part of what they take without this pass: 0.5")

    def __post_init__(self) -> None:
        if self.budget:
            bytes_of(self.budget)
        if not 0 <= self.factor <= 1:
            raise ValueError(f"factor {self.factor} is not between 0 and 1")

    def run(self, module: ir.Module) -> None:
        if not self.budget and not self.factor:
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
        limits = [bytes_of(self.budget)] if self.budget else []
        limits += [int(self.factor * before)] if self.factor else []
        budget = min(limits)
        if before <= budget:
            return
        best = program
        for candidate in _lowered(memory, program, budget):
            if memory.life(candidate).peak < memory.life(best).peak:
                best = candidate
        after = memory.life(best).peak
        again = sum(step.copied and not step.is_barrier for step in best.steps)
        added = 100.0 * (best.flops - flops) / max(1, flops)
        if again:
            _write(block, program, best)
        self.count("bytes alive at the peak, before", before)
        self.count("bytes alive at the peak, after", after)
        self.count("bytes over the budget", max(0, after - budget))
        self.count("operations done again", again)
        self.count("barriers", sum(step.copied and step.is_barrier for step in best.steps))
        self.count("operations on numbers done again", max(0, best.flops - flops))
        self.count("the same in 1/1000 of all", round(10 * added))
        i64 = ir.IntegerType.get_signless(64)
        function.attributes["mycc.memory"] = ir.DictAttr.get(
            {
                "before": ir.IntegerAttr.get(i64, before),
                "after": ir.IntegerAttr.get(i64, after),
                "budget": ir.IntegerAttr.get(i64, budget),
                "added_flops_percent": ir.FloatAttr.get_f64(round(added, 3)),
            }
        )


def _lowered(memory: Memory, program: Program, budget: int) -> Iterator[Program]:
    """Programs that need less, those that do little again first; the last one is within the budget, if any is."""
    for effort in EFFORTS:
        shares = _SHARES if effort is not EFFORTS[-1] else (*_SHARES, *_MORE_SHARES)
        for share in shares:
            found = _with_effort(memory, program, budget, effort, share)
            yield found
            if memory.life(found).peak <= budget:
                return


def _with_effort(memory: Memory, program: Program, budget: int, effort: Effort, share: int) -> Program:
    """The program after all of its peaks have been taken down as far as one effort goes."""
    life = memory.life(program)
    for _ in range(_ROUNDS):
        if life.peak <= budget:
            break
        windows = plan(program, life, budget, effort, share)
        if not any(window.again for window in windows):
            break
        changed = _fewest(memory, program, life, windows, budget)
        after = memory.life(changed)
        if after.peak >= life.peak:
            break
        program, life = changed, after
    return program


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


def _write(block: ir.Block, old: Program, new: Program) -> None:
    """Changes a block to what its program has become."""
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
