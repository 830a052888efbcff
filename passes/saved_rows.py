"""Rows that a loop saves for another one, and that the other can compute again from fewer.

A loop's derivative saves one row a trip of each value that the backward loop needs, in stacks that are written by
``dynamic_update_slice`` at the number of the trip and read by ``dynamic_slice``. A minimum cut through the body says
which rows to save instead, and what to compute again from them where they are read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.trips import Count, counted, counters, invariants
from mycc.passes.liveness import Memory, Program, Value
from mycc.passes.recompute import Effort, allowed, choose, weight
from mycc.passes.symbols import remap_captures

__all__ = ["fewer_rows"]

_WHILE = "stablehlo.while"
_READ = "stablehlo.dynamic_slice"
_WRITE = "stablehlo.dynamic_update_slice"
_RESHAPE = "stablehlo.reshape"


def fewer_rows(block: ir.Block, memory: Memory, effort: Effort, counts: Counter[str]) -> bool:
    """Lets loops in a block, and inside of its operations, save fewer rows.

    Args:
        block: the block.
        memory: of its module.
        effort: what may be computed again.
        counts: to which the stacks that go away are added.

    Returns:
        Whether the block has changed, so that what was read of it does not hold any more.
    """
    changed = False
    for loop in list(_loops(block)):
        for region in loop.regions:
            changed |= fewer_rows(region.blocks[0], memory, effort, counts)
    for loop in list(_loops(block)):
        changed |= _take_out_invariants(loop)
    for loop in list(_loops(block)):
        better: ir.Operation | None = loop
        while better is not None:
            saving = _Saving.of(better, memory)
            better = None if saving is None else saving.improve(effort, counts)
            changed |= better is not None
    return changed


def _loops(block: ir.Block) -> Iterator[ir.Operation]:
    for each in block.operations:
        if each.operation.name == _WHILE:
            yield each.operation


def _take_out_invariants(loop: ir.Operation) -> bool:
    """What another loop made, and this one only hands on, it uses from outside."""
    if _is_marked(loop):
        return False
    dropped = {
        i: loop.operands[i]
        for i, same in enumerate(invariants(loop))
        if same
        and not isinstance(loop.operands[i].owner, ir.Block)
        and loop.operands[i].owner.name == _WHILE
        and next(loop.results[i].uses, None) is None
    }
    if dropped:
        _changed(loop, dropped, [], lambda arguments: [])
        loop.erase()
    return bool(dropped)


def _is_marked(op: ir.Operation) -> bool:
    """Whether it has attributes of other dialects, such as shardings, whose meaning hangs on the carry."""
    return any("." in name and not name.startswith("mycc.") for name in op.attributes)


@dataclass(frozen=True, slots=True)
class _Stack:
    """Rows that a loop saves.

    Args:
        position: in the carry.
        write: the operation that writes a row.
        row: the row's value, without the dimension of size one in front where that is added for writing.
        reads: the operations that read a row; None if the stack is used in another way as well.
    """

    position: int
    write: ir.Operation
    row: Value
    reads: list[ir.Operation] | None


class _Saving:
    """A counted loop that saves rows."""

    def __init__(self, loop: ir.Operation, trips: int, program: Program, memory: Memory) -> None:
        self.loop = loop
        self.body = loop.regions[1].blocks[0]
        self.trips = trips
        self.stacks: list[_Stack] = []
        self.program = program
        self.memory = memory
        self.counters = {c.position: c for c in counters(loop, trips)}

    @classmethod
    def of(cls, loop: ir.Operation, memory: Memory) -> _Saving | None:
        """The loop, if it saves rows and says how often it runs."""
        body = loop.regions[1].blocks[0]
        if not any(each.operation.name == _WRITE for each in body.operations) or _is_marked(loop):
            return None
        count = counted(loop)
        if count is None or count.trips < 1:
            return None
        program = memory.read(body, is_body=True)
        found = cls(loop, count.trips, program, memory)
        numbers = {hash(value): i for i, value in enumerate(program.handles)}
        for position, value in enumerate(body.operations[len(body.operations) - 1].operands):
            stack = found._stack(position, value, numbers)
            if stack is not None:
                found.stacks.append(stack)
        return found if found.stacks else None

    def _stack(self, position: int, value: ir.Value, numbers: Mapping[int, Value]) -> _Stack | None:
        if isinstance(value.owner, ir.Block) or value.owner.name != _WRITE:
            return None
        write, argument = value.owner.operation, self.body.arguments[position]
        uses = [use.owner.operation for use in argument.uses]
        if write.operands[0] != argument or uses != [write] or len(list(value.uses)) != 1:
            return None
        if next(self.loop.regions[0].blocks[0].arguments[position].uses, None) is not None:
            return None
        shape, part, index = value.type.shape, write.operands[1], write.operands[2]
        if shape[0] != self.trips or part.type.shape != [1, *shape[1:]] or not self._is_trip(index):
            return None
        row = part
        if not isinstance(part.owner, ir.Block) and part.owner.name == _RESHAPE:
            inner = part.owner.operands[0]
            if inner.type.shape == shape[1:]:
                row = inner
        return _Stack(position, write, numbers[hash(row)], _reads(self.loop.results[position]))

    def _is_trip(self, index: ir.Value) -> bool:
        if index.owner != self.body:
            return False
        count = self.counters.get(index.arg_number)
        return count is not None and (count.start, count.step) == (0, 1)

    def improve(self, effort: Effort, counts: Counter[str]) -> ir.Operation | None:
        """Saves fewer rows for the place that reads most of those it can spare; returns the new loop, if it does."""
        places: dict[tuple[int, ir.Block], list[_Stack]] = defaultdict(list)
        for stack in self.stacks:
            where = {(hash(read.operands[1]), read.block) for read in stack.reads or ()}
            if len(where) == 1:
                places[where.pop()].append(stack)
        for stacks in sorted(places.values(), key=self._bytes, reverse=True):
            again, kept = self._choose(stacks, effort)
            if sum(self.program.sizes[value] for value in kept) < self._bytes(stacks):
                loop, spared = self._rewrite(stacks, again, sorted(kept))
                counts["stacks of rows that loops save no more"] += spared
                counts["operations done again"] += len(again)
                return loop
        return None

    def _bytes(self, stacks: Sequence[_Stack]) -> int:
        return sum(self.program.sizes[stack.row] for stack in stacks)

    def _choose(self, stacks: Sequence[_Stack], effort: Effort) -> tuple[list[int], set[Value]]:
        program = self.program
        carry = len(self.body.arguments)
        asked = {stack.position for stack in stacks}
        rest = {stack.row for stack in self.stacks if stack.position not in asked}
        same = {i for i, flag in enumerate(invariants(self.loop)) if flag} | self.counters.keys()

        def available(value: Value) -> bool:
            if value < carry:
                return value in same
            return value in program.fixed or value in rest

        def may(i: int) -> bool:
            return allowed(program.steps[i], effort.level)

        needs = list(dict.fromkeys(stack.row for stack in stacks))
        return choose(
            program,
            program.producers(),
            [v for v in needs if not available(v)],
            available,
            may,
            effort.units(sum(program.sizes[v] for v in needs), sum(map(weight, program.steps))),
        )

    def _rewrite(
        self, stacks: Sequence[_Stack], again: Sequence[int], kept: Sequence[Value]
    ) -> tuple[ir.Operation, int]:
        program, body = self.program, self.body
        asked = {stack.row: stack for stack in stacks}
        new = [value for value in kept if value not in asked]
        stays = {asked[value].position for value in kept if value in asked}
        index = stacks[0].write.operands[2]
        with self.loop.location, ir.InsertionPoint(self.loop):
            starts = [ops.full(self._stacked(program.handles[v].type), 0) for v in new]

        def ends(arguments: Sequence[ir.Value]) -> list[ir.Value]:
            return [
                _written(stack, program.handles[v], index) for stack, v in zip(arguments, new, strict=True)
            ]

        dropped = {stack.position: None for stack in stacks if stack.position not in stays}
        reads = [read for stack in stacks for read in stack.reads or ()]
        sources = {stack.row: stack.position for stack in self.stacks if stack.position not in dropped}
        # Constants and what does not change are looked up before arguments are renumbered.
        outside = self._outside()
        counting = {
            value: self.counters[value] for value in range(len(body.arguments)) if value in self.counters
        }
        types = {value: program.handles[value].type for value in counting}
        parts = [stack.write.operands[1] for stack in stacks if stack.position in dropped]
        loop, moved = _changed(self.loop, dropped, starts, ends)
        rows = {value: loop.results[moved[position]] for value, position in sources.items()}
        first = len(loop.results) - len(new)
        rows |= {value: loop.results[first + i] for i, value in enumerate(new)}
        self._read_again(stacks, reads, again, rows, outside, counting, types)
        self.loop.erase()
        _erase_unused(parts, self.memory)
        return loop, len(dropped) - len(new)

    def _stacked(self, row: ir.Type) -> ir.Type:
        return ir.RankedTensorType.get([self.trips, *row.shape], row.element_type)

    def _outside(self) -> dict[Value, ir.Value]:
        """What is the same in all trips, by the value that stands for it in the body."""
        found = {i: self.loop.operands[i] for i, same in enumerate(invariants(self.loop)) if same}
        carry = len(self.body.arguments)
        made = {value for step in self.program.steps for value in step.results}
        for value, handle in enumerate(self.program.handles):
            if value >= carry and value not in made:
                found[value] = handle
        return found

    def _read_again(
        self,
        stacks: Sequence[_Stack],
        reads: Sequence[ir.Operation],
        again: Sequence[int],
        rows: Mapping[Value, ir.Value],
        outside: Mapping[Value, ir.Value],
        counting: Mapping[Value, Count],
        types: Mapping[Value, ir.Type],
    ) -> None:
        """Lets the other loop compute what it read."""
        program = self.program
        here = {hash(read.result) for read in reads}
        first = next(
            each.operation
            for each in reads[0].block.operations
            if len(each.operation.results) and hash(each.operation.results[0]) in here
        )
        trip = first.operands[1]
        values: dict[Value, ir.Value] = dict(outside)
        mark = ir.UnitAttr.get()
        makers = {v: step for step in program.steps for v in step.results}

        def value_of(value: Value) -> ir.Value:
            if value not in values:
                if value in rows:
                    values[value] = _row(rows[value], trip, program.handles[value].type)
                elif value in counting:
                    values[value] = _counted(counting[value], trip, self.trips, types[value])
                else:
                    values[value] = ops.rebuild(makers[value].source, []).result
            return values[value]

        with first.location, ir.InsertionPoint(first):
            for i in again:
                step = program.steps[i]
                assert step.source is not None
                operands = [value_of(value) for value in step.operands]
                own = len(operands) - len(step.inner)
                copy = ops.rebuild(step.source, operands[:own])
                captured = [users[0][0].operands[users[0][1]] for users in step.inner]
                remap_captures(copy, dict(zip(captured, operands[own:], strict=True)))
                copy.attributes["mycc.recomputed"] = mark
                values.update(zip(step.results, copy.results, strict=True))
            for stack in stacks:
                for read in stack.reads or ():
                    read.result.replace_all_uses_with(
                        ops.reshape(value_of(stack.row), read.result.type.shape)
                    )
        for read in reads:
            read.erase()


def _reads(stack: ir.Value) -> list[ir.Operation] | None:
    """The operations that read one row of a stack; None if anything else uses it."""
    found = []
    shape = stack.type.shape
    for use in stack.uses:
        op = use.owner.operation
        if op.name != _READ or use.operand_number or op.result.type.shape != [1, *shape[1:]]:
            return None
        found.append(op)
    return found or None


def _row(stack: ir.Value, trip: ir.Value, type_: ir.Type) -> ir.Value:
    zero = ops.full_like(trip, 0)
    shape = stack.type.shape
    part = ops.dynamic_slice(stack, [trip, *[zero] * (len(shape) - 1)], [1, *shape[1:]])
    return ops.reshape(part, type_.shape)


def _written(stack: ir.Value, row: ir.Value, index: ir.Value) -> ir.Value:
    shape = stack.type.shape
    part = ops.reshape(row, [1, *shape[1:]])
    return ops.dynamic_update_slice(stack, part, [index, *[ops.full_like(index, 0)] * (len(shape) - 1)])


def _counted(count: Count, trip: ir.Value, trips: int, type_: ir.Type) -> ir.Value:
    """What a counter is in a trip; reading a row beyond the last one reads the last one."""
    trip = ops.clamp(ops.full_like(trip, 0), trip, ops.full_like(trip, trips - 1))
    trip = ops.convert(trip, type_.element_type)
    return ops.add(ops.full(type_, count.start), ops.mul(trip, ops.full(type_, count.step)))


def _changed(
    loop: ir.Operation,
    dropped: Mapping[int, ir.Value | None],
    starts: Sequence[ir.Value],
    ends: Callable[[Sequence[ir.Value]], Sequence[ir.Value]],
) -> tuple[ir.Operation, dict[int, int]]:
    """A loop with less in its carry, or more, in place of another.

    Args:
        loop: the other one. It is left without regions, to be erased when nothing uses what it has more.
        dropped: the parts of the carry that go, and what stands for each inside, if anything uses it.
        starts: the first values of further parts.
        ends: from their arguments in the body to what they are after a trip.

    Returns:
        The new loop, and where each part that stays is in its carry.
    """
    stays = [i for i in range(len(loop.operands)) if i not in dropped]
    carry = [*(loop.operands[i] for i in stays), *starts]
    attributes = {name: loop.attributes[name] for name in loop.attributes}
    with loop.location, ir.InsertionPoint(loop):
        types = [value.type for value in carry]
        new = ir.Operation.create(loop.name, types, carry, attributes=attributes, regions=2)
    for old_region, region in zip(loop.regions, new.regions, strict=True):
        block = old_region.blocks[0]
        block.append_to(region)
        for i, value in dropped.items():
            if value is not None:
                block.arguments[i].replace_all_uses_with(value)
    body = new.regions[1].blocks[0]
    returning = body.operations[len(body.operations) - 1].operation
    added = [[block.add_argument(v.type, loop.location) for v in starts] for block in _blocks(new)][1]
    with returning.location, ir.InsertionPoint(returning):
        results = [*(returning.operands[i] for i in stays), *ends(added)]
        ir.Operation.create(returning.name, [], results)
    returning.erase()
    # What wrote a part that goes may still stand there: its erasure is the caller's.
    for block in _blocks(new):
        for i in sorted(dropped, reverse=True):
            for use in list(block.arguments[i].uses):
                use.owner.operation.erase()
            block.erase_argument(i)
    for position, i in enumerate(stays):
        loop.results[i].replace_all_uses_with(new.results[position])
    return new, {i: position for position, i in enumerate(stays)}


def _erase_unused(values: list[ir.Value], memory: Memory) -> None:
    """Erases the operations that made values nobody uses, and what they alone used."""
    pending = list(values)
    # Values of erased operations, which must not be touched again, may still be pending.
    gone: set[int] = set()
    while pending:
        value = pending.pop()
        if hash(value) in gone or isinstance(value.owner, ir.Block):
            continue
        op = value.owner.operation
        if any(next(result.uses, None) for result in op.results) or not memory.is_pure(op, op.name):
            continue
        pending += op.operands
        gone.update(hash(result) for result in op.results)
        op.erase()


def _blocks(loop: ir.Operation) -> list[ir.Block]:
    return [region.blocks[0] for region in loop.regions]
