"""What to keep and what to compute again, where a program's memory peaks: by minimum cuts.

What was made before a peak and is used behind it is alive at the peak. The uses behind it are taken in windows,
each with a part of the values. For each window a cut through the operations that lead to its values says which
values to keep and which operations to do again right before: keeping costs bytes, doing again costs time, counted
as a few bytes. Windows are cut from the last to the first. What one keeps is free for those before it, and what one
does again no other may but the one right before it, which then does it for both, so that nothing is done more than
twice; this also makes a chain of n operations end up with
values kept at regular distances ("Training deep nets with sublinear memory cost", Chen et al. 2016). Cuts of joint
forward and backward programs are from "Min-cut rematerialization" in PyTorch's functorch (Horace He, 2022).
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mycc.passes.kinds import EXPENSIVE, FUSIBLE, RECOMPUTED, REDUCTION, TRANSPARENT
from mycc.passes.liveness import BARRIER, Life, Program, Step, Value
from mycc.passes.min_cut import INFINITE, MinCut

__all__ = ["EFFORTS", "Effort", "Window", "allowed", "apply", "choose", "plan", "weight"]

# Costs are integers: so many are a byte.
_UNIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Effort:
    """What may be done again, and for how much memory.

    Args:
        name: as it is reported.
        level: 0 for work on elements and moves of them, 1 for reductions as well, 2 for anything without effects.
        price: what an operation on one element costs, in bytes; or, for anything, what all of the work costs, as a
            part of all bytes that are asked for: a part of the work then costs more than a value that spares it.
    """

    name: str
    level: int
    price: float

    def units(self, bytes_: int, work: int) -> int:
        """The price of an operation on one element, as integers that graphs hold.

        Args:
            bytes_: of all values that are asked for.
            work: of all operations that may lead to them.
        """
        price = self.price * bytes_ / max(1, work) if self.level >= 2 else self.price
        return max(1, int(_UNIT * price))


EFFORTS = (
    Effort("elementwise", 0, 1 / 64),
    Effort("reductions", 1, 1 / 64),
    Effort("contractions", 2, 1 / 4),
)

# Values of less than this part of the budget are kept without asking.
_SMALL = 1 << 12
# Chains of so few cheap operations from what is there anyway are done again in each window.
_FREE = 8
# Contractions do so many operations while others do one.
_CONTRACTION = 8
# Steps in which a narrow place is looked for.
_LOOK = 64
# Operations that a cut looks at, for each value that its window needs.
_REACH = 256
_MAX_TRIGGERS = 8


@dataclass(slots=True)
class Window:
    """A part of the uses behind the peak.

    Args:
        start: the position of its first step.
        peak: the position of the peak that it is behind.
        needs: the values from before the peak that are first used in it.
        again: the positions of the steps to do again.
        gain: the bytes of what is not kept for it.
        weight: the work of doing the steps again.
    """

    start: int
    peak: int
    needs: list[Value]
    again: list[int] = field(default_factory=list)
    gain: int = 0
    weight: int = 0


def weight(step: Step) -> int:
    """The time that an operation takes, in operations on one element."""
    if step.kind & EXPENSIVE:
        return 8 * step.elements
    if step.kind & FUSIBLE or step.is_barrier:
        return 0 if step.is_barrier else step.elements
    return max(step.elements, step.flops // _CONTRACTION)


def allowed(step: Step, level: int) -> bool:
    """Whether an operation may be done again."""
    if not step.pure or step.copied or step.source is None or step.name.endswith(".return"):
        return False
    if step.is_barrier:
        return len(step.results) == 1
    if step.kind & FUSIBLE or step.name == "stablehlo.transpose":
        return True
    return level >= 2 or (level == 1 and bool(step.kind & REDUCTION))


def plan(program: Program, life: Life, budget: int, effort: Effort, share: int) -> tuple[list[Window], int]:
    """The windows behind each peak that is over the budget, with what to do again in each.

    Args:
        program, life: the program, and what is alive in it.
        budget: the bytes that may be alive.
        effort: what may be done again.
        share: which part of the budget, one of so many, a window's values may take.

    Returns:
        The windows, and how many bytes are kept for those behind the peak that keeps most.
    """
    return _Planner(program, life, budget, effort).plan(max(1, budget // share))


def _peaks(live: Sequence[int], budget: int) -> list[int]:
    """Where the most is alive in each stretch of steps that is over the budget."""
    found: list[int] = []
    inside = False
    for i, bytes_ in enumerate(live):
        if bytes_ <= budget:
            inside = False
        elif not inside:
            found.append(i)
            inside = True
        elif bytes_ > live[found[-1]]:
            found[-1] = i
    return found


class _Planner:
    def __init__(self, program: Program, life: Life, budget: int, effort: Effort) -> None:
        self.program = program
        self.peaks = _peaks(life.live, budget)
        self.effort = effort
        self.small = budget // _SMALL
        self.producers = program.producers()
        self.free = self._free()
        self.saved: set[Value] = set()
        self.owners: dict[int, Window] = {}

    def _free(self) -> set[int]:
        """The steps that can be done again for next to nothing, from what is there anyway."""
        program, costs, found = self.program, dict[Value, int](), set[int]()
        for i, step in enumerate(program.steps[: self.peaks[-1] + 1]):
            if not step.kind & RECOMPUTED or not allowed(step, 0):
                continue
            total = 1
            for value in step.operands:
                total += 0 if value in program.fixed else costs.get(value, _FREE)
            if total <= _FREE:
                costs[step.results[0]] = total
                found.add(i)
        return found

    def plan(self, share: int) -> tuple[list[Window], int]:
        sizes = self.program.sizes
        self.saved |= set(self.program.steps[-1].operands)
        windows: list[Window] = []
        ends = [*self.peaks[1:], len(self.program.steps) - 2]
        for peak, end in zip(self.peaks, ends, strict=True):
            windows += self._behind(peak, end, share)
        kept: dict[int, int] = dict.fromkeys(self.peaks, 0)
        asked = sum(sizes[value] for window in windows for value in window.needs)
        behind = self.program.steps[: self.peaks[-1] + 1]
        self.price = self.effort.units(asked, sum(weight(step) for step in behind))
        after: Window | None = None
        for window in reversed(windows):
            after = after if after is not None and after.peak == window.peak else None
            kept[window.peak] += sum(sizes[value] for value in self._cut(window, after))
            after = window
        return windows, max(kept.values())

    def _behind(self, peak: int, end: int, share: int) -> list[Window]:
        """The windows behind one peak, up to the next one."""
        steps, producers = self.program.steps, self.producers
        uses: dict[Value, list[int]] = {}
        for i in range(peak + 1, end + 1):
            for value in steps[i].operands:
                if producers[value] <= peak and not self._available(value):
                    uses.setdefault(value, []).append(i)
        starts = self._starts(uses, peak, share)
        windows = [Window(start, peak, []) for start in starts]
        for value, times in uses.items():
            last = -2
            for i in times:
                index = bisect_right(starts, i) - 1
                # What the window before needs as well is kept from there.
                if index > last + 1:
                    windows[index].needs.append(value)
                last = index
        return windows

    def _starts(self, uses: Mapping[Value, Sequence[int]], peak: int, share: int) -> list[int]:
        """Where windows begin: of the places that fill them about right, where least leads from one to the next."""
        sizes, producers = self.program.sizes, self.producers
        widths = self._widths(peak)
        starts: list[int] = []
        filled, narrowest, before = share, -1, peak
        pending: list[tuple[int, int]] = []
        for value, times in uses.items():
            first = times[0]
            # Between what is made for this use and for the one before, which was made later.
            low, high = sorted((producers[value], before))
            width = min(widths[low : min(high, low + _LOOK) + 1])
            before = producers[value]
            if not starts:
                starts.append(first)
                filled = 0
            elif first > starts[-1] and 2 * filled >= share:
                if narrowest < 0 or width <= narrowest:
                    narrowest, pending = width, [(first, filled)]
                if filled >= 2 * share:
                    start, until = pending[-1]
                    starts.append(start)
                    filled, narrowest = filled - until, -1
            filled += sizes[value]
        if narrowest >= 0 and filled >= share:
            starts.append(pending[-1][0])
        return starts

    def _widths(self, peak: int) -> list[int]:
        """For each step up to the peak the bytes that lead from it and those before it to those after it."""
        steps, sizes, fixed = self.program.steps, self.program.sizes, self.program.fixed
        ends: dict[Value, int] = {}
        widths, now = [0] * (peak + 1), 0
        for i in range(peak, -1, -1):
            # Counted backward, a value begins with its last use and ends where it is made.
            widths[i] = now
            step = steps[i]
            for value in step.results:
                now -= ends.pop(value, 0)
            for value in step.operands:
                if value not in ends and value not in fixed:
                    ends[value] = sizes[value]
                    now += sizes[value]
        return widths

    def _available(self, value: Value) -> bool:
        program = self.program
        return value in program.fixed or value in self.saved or program.sizes[value] <= self.small

    def _cut(self, window: Window, after: Window | None) -> set[Value]:
        """Decides what to do again in a window, and returns what is kept for it alone.

        Args:
            window: the window.
            after: the one behind it. What that does first of all it may find done by this one.
        """
        program = self.program
        needs = [value for value in window.needs if not self._available(value)]
        level = self.effort.level

        def may(i: int) -> bool:
            owner = self.owners.get(i)
            return (owner is None or owner is after) and allowed(program.steps[i], level)

        window.again, kept = choose(program, self.producers, needs, self._available, may, self.price)
        window.gain = sum(program.sizes[v] for v in needs) - sum(program.sizes[v] for v in kept)
        window.weight = sum(weight(program.steps[i]) for i in window.again)
        self.saved |= kept
        for i in window.again:
            if i not in self.free:
                self.owners.setdefault(i, window)
        return kept


def choose(
    program: Program,
    producers: Sequence[int],
    needs: Sequence[Value],
    available: Callable[[Value], bool],
    may: Callable[[int], bool],
    price: int,
) -> tuple[list[int], set[Value]]:
    """The cheapest way to have values: which steps to do again, and which values to keep for it.

    Args:
        program: where the values are made.
        producers: for each value the position of the step that makes it, or -1.
        needs: the values.
        available: whether a value is there anyway.
        may: whether a step may be done again.
        price: of an operation on one element, as `Effort.units` gives it.
    """
    graph = MinCut()
    needed: dict[Value, int] = {}
    done: dict[int, int] = {}
    # The latest operations first, so that what lies beyond reach is what is far away.
    pending: list[tuple[int, Value]] = []

    def ask(value: Value) -> int:
        if value not in needed:
            needed[value] = graph.node()
            heapq.heappush(pending, (-producers[value], value))
        return needed[value]

    for value in needs:
        graph.edge(graph.SOURCE, ask(value), INFINITE)
    reach = _REACH * (1 + len(needs))
    while pending:
        _, value = heapq.heappop(pending)
        node, i, bytes_ = needed[value], producers[value], program.sizes[value] * _UNIT
        if i < 0 or len(done) >= reach or not may(i):
            graph.edge(node, graph.SINK, bytes_)
            continue
        if i not in done:
            done[i] = graph.node()
            graph.edge(done[i], graph.SINK, price * weight(program.steps[i]))
            for operand in program.steps[i].operands:
                if not available(operand):
                    graph.edge(done[i], ask(operand), INFINITE)
        graph.edge(node, done[i], bytes_)
    _, near = graph.cut()
    again = {i for i, node in done.items() if near[node]}
    kept = {v for v, node in needed.items() if near[node] and producers[v] not in again}
    return sorted(again), kept


def apply(program: Program, life: Life, windows: Sequence[Window], left_out: Container[int] = ()) -> Program:
    """The program in which each window begins by doing its steps again, behind a barrier.

    Args:
        program, life: what the windows were planned for.
        windows: all of them.
        left_out: the indices of those that do nothing again after all.
    """
    kept = [Window(w.start, w.peak, w.needs) if i in left_out else w for i, w in enumerate(windows)]
    return _Rewriter(program, life).run(kept)


class _Rewriter:
    def __init__(self, program: Program, life: Life) -> None:
        self.old = program
        self.life = life
        self.new = Program([], list(program.sizes), set(program.fixed), program.handles, program.is_body)
        self.producers = program.producers()
        self.now: dict[Value, Value] = {}
        """What stands for a value from here on, if it is not the value itself."""
        self.making: dict[Value, int] = {}
        self.made: dict[Value, Value] = {}
        self.needs: set[Value] = set()
        self.inputs: dict[Value, Value] = {}

    def run(self, windows: Sequence[Window]) -> Program:
        old, new = self.old, self.new
        ends = [*(window.start for window in windows[1:]), len(old.steps)]
        start = windows[0].start if windows else len(old.steps)
        new.steps += old.steps[:start]
        for window, end in zip(windows, ends, strict=True):
            self._enter(window, end)
            for step in old.steps[window.start : end]:
                self._make(step.operands)
                operands = [self.now.get(value, value) for value in step.operands]
                new.steps.append(step if operands == step.operands else _with(step, operands))
        _drop_dead(new)
        return new

    def _value(self, like: Value) -> Value:
        self.new.sizes.append(self.new.sizes[like])
        return len(self.new.sizes) - 1

    def _enter(self, window: Window, end: int) -> None:
        """Puts the barrier before a window."""
        old, now = self.old, self.now
        for value in window.needs:
            now.pop(value, None)
        results = {value: i for i in window.again for value in old.steps[i].results}
        # What the window before has done again already.
        self.made = {value: self.made[value] for value in results if value in self.made}
        self.making, self.needs = results, set(window.needs)
        now.update((v, self.made[v]) for v in window.needs if v in self.made)
        steps = [old.steps[i] for i in window.again if old.steps[i].results[0] not in self.made]
        if not steps:
            return
        taken = dict.fromkeys(v for step in steps for v in step.operands if v not in results)
        taken = dict.fromkeys(v for v in taken if not self._is_constant(v))
        triggers = self._triggers(window, end)
        values = [*taken, *triggers]
        made = [self._value(value) for value in values]
        self.new.steps.append(
            Step(None, BARRIER, 0, [now.get(value, value) for value in values], made, copied=True)
        )
        self.inputs = dict(zip(values, made, strict=True))
        now.update(zip(triggers, made[len(taken) :], strict=True))

    def _is_constant(self, value: Value) -> bool:
        i = self.producers[value]
        return i >= 0 and self.old.steps[i].name == "stablehlo.constant"

    def _triggers(self, window: Window, end: int) -> list[Value]:
        """Values that are there only when a window begins: what is computed again must wait for them.

        They are stored there. If they stayed inside of a fusion that goes on in the window, so would all that it
        reads in the windows before.
        """
        steps, sizes = self.old.steps, self.old.sizes
        start, peak = window.start, window.peak
        found: dict[Value, int] = {}
        for step in steps[start:end]:
            for value in step.operands:
                i = self.producers[value]
                if peak < i < start and value not in self.old.fixed and not self._is_spread(value, i):
                    found[value] = i
        order = sorted(found, key=lambda v: found[v], reverse=True)
        large = max((sizes[v] for v in order), default=0)
        order = [v for v in order if 16 * sizes[v] >= large][:_MAX_TRIGGERS]
        return order or steps[start - 1].results[:1]

    def _is_spread(self, value: Value, producer: int) -> bool:
        """Whether a value is made of few numbers, inside of the fusions that use it."""
        return value in self.life.virtual and bool(self.old.steps[producer].kind & TRANSPARENT)

    def _make(self, values: Iterable[Value]) -> None:
        """Does again what makes these values, if the window does, and has not yet."""
        pending = [v for v in values if v in self.needs and v in self.making and v not in self.made]
        while pending:
            value = pending[-1]
            if value in self.made:
                pending.pop()
                continue
            step = self.old.steps[self.making[value]]
            missing = [v for v in step.operands if v in self.making and v not in self.made]
            if missing:
                pending += missing
                continue
            pending.pop()
            operands = [self.made.get(v, self.inputs.get(v, v)) for v in step.operands]
            results = [self._value(v) for v in step.results]
            copy = _with(step, operands)
            copy.results, copy.copied = results, True
            self.new.steps.append(copy)
            for old, new in zip(step.results, results, strict=True):
                self.made[old] = new
                if old in self.needs:
                    self.now[old] = new


def _with(step: Step, operands: list[Value]) -> Step:
    return Step(
        step.source,
        step.name,
        step.kind,
        operands,
        step.results,
        step.inner,
        step.elements,
        step.flops,
        step.pure,
        step.inside,
        step.copied,
    )


def _drop_dead(program: Program) -> None:
    used = set(program.steps[-1].operands)
    kept = [program.steps[-1]]
    for step in reversed(program.steps[:-1]):
        if step.pure and step.results and used.isdisjoint(step.results):
            continue
        used.update(step.operands)
        kept.append(step)
    program.steps = kept[::-1]
