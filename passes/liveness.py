"""How much memory a program needs: what is alive at each of its operations, in the order in which they stand.

This is an estimate of what XLA's buffer assignment finds. It fuses cheap elementwise work into its users, so that
such values never exist; views, barriers and loops take over the memory of their operands. Arguments, constants and
what a function returns do not count: they are there whatever happens in between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mycc.dialects.mlir import hlo, ir
from mycc.dialects.rules.trips import counted
from mycc.dialects.types import dtype_of, is_tensor
from mycc.passes.effects import Effects
from mycc.passes.kinds import EXPENSIVE, FUSIBLE, KINDS, RECOMPUTED, REDUCTION, RESHAPE
from mycc.passes.symbols import may_have_regions, operations

__all__ = ["BARRIER", "Life", "Memory", "Program", "Step"]

Value: TypeAlias = int
"""Values are numbers, so that programs can be changed on trial."""

BARRIER = "stablehlo.optimization_barrier"
_CONSTANT = "stablehlo.constant"
# These write into an operand's memory if nobody needs it any more.
_IN_PLACE = frozenset({"stablehlo.dynamic_update_slice", "stablehlo.scatter", "stablehlo.while"})
# Of these no more is moved than what is written, and nothing is computed.
_WRITES = frozenset({"stablehlo.dynamic_update_slice", "stablehlo.scatter"})
_MOVES = frozenset({"func.return", "stablehlo.return", "stablehlo.transpose", "stablehlo.gather"})
_CALLS = {"func.call": "callee", "stablehlo.composite": "decomposition"}


@dataclass(slots=True, eq=False)
class Step:
    """One operation of a block; a barrier that is still to be built has no source.

    Args:
        operands: what it reads; what its regions capture comes last.
        inner: for each captured operand who reads it in the regions, and as which operand.
        elements: the elements of the largest operand or result.
        flops: operations on numbers, as XLA counts them.
        pure: whether it can be left out, or done twice.
        inside: the most bytes that are alive in its regions at once.
        copied: whether it is done a second time.
    """

    source: ir.Operation | None
    name: str
    kind: int
    operands: list[Value]
    results: list[Value]
    inner: list[list[tuple[ir.Operation, int]]] = field(default_factory=list)
    elements: int = 0
    flops: int = 0
    pure: bool = True
    inside: int = 0
    copied: bool = False

    @property
    def is_barrier(self) -> bool:
        """Whether it hands on its operands, in the same memory."""
        return self.name == BARRIER


@dataclass(slots=True)
class Program:
    """A block. Its last step returns.

    Args:
        sizes: the bytes of each value.
        fixed: which values take no memory that could be spared: from outside of the block, or constants.
        is_body: whether the block belongs to a loop, so that its arguments' memory may be written.
    """

    steps: list[Step]
    sizes: list[int]
    fixed: set[Value]
    handles: list[ir.Value]
    is_body: bool
    life: Life | None = None

    @property
    def flops(self) -> int:
        """The operations on numbers that it does."""
        return sum(step.flops for step in self.steps)

    def producers(self) -> list[int]:
        """For each value the position of the step that makes it, or -1."""
        found = [-1] * len(self.sizes)
        for i, step in enumerate(self.steps):
            for value in step.results:
                found[value] = i
        return found


@dataclass(slots=True)
class Life:
    """What is alive in a program: for each step the bytes, and where they are the most.

    Args:
        virtual: the values that exist only inside of fusions.
    """

    live: list[int]
    virtual: set[Value]
    peak: int
    position: int

    def over(self, budget: int) -> int:
        """By how much all steps together are over a budget."""
        return sum(bytes_ - budget for bytes_ in self.live if bytes_ > budget)


class Memory:
    """Reads blocks of one module, and says what they need.

    Args:
        module: where functions are looked up.
    """

    def __init__(self, module: ir.Module) -> None:
        self.is_pure = Effects(module.operation).is_pure
        self._functions = {
            ir.StringAttr(op.attributes["sym_name"]).value: op.operation
            for op in module.body.operations
            if "sym_name" in op.attributes
        }
        self._called: dict[str, tuple[int, int]] = {}
        self._measured: dict[Any, tuple[int, int]] = {}

    def read(self, block: ir.Block, is_body: bool = False) -> Program:
        """The block as a program."""
        numbers: dict[int, Value] = {}
        program = Program([], [], set(), [], is_body)
        handles, sizes, fixed = program.handles, program.sizes, program.fixed

        def number(value: ir.Value) -> Value:
            key = hash(value)
            found = numbers.get(key)
            if found is None:
                found = numbers[key] = len(handles)
                handles.append(value)
                sizes.append(self._measure(value.type)[0])
                fixed.add(found)
            return found

        for argument in block.arguments:
            number(argument)
        for each in block.operations:
            op = each.operation
            name = op.name
            operands = [number(value) for value in op.operands]
            step = Step(op, name, KINDS.get(name, 0), operands, [], pure=self.is_pure(op, name))
            if may_have_regions(name):
                self._capture(op, step, numbers, number)
            for value in op.results:
                made = number(value)
                step.results.append(made)
                if name != _CONSTANT:
                    fixed.discard(made)
            self._weigh(op, step, program)
            program.steps.append(step)
        return program

    def _capture(self, op: ir.Operation, step: Step, numbers: dict[int, Value], number: Any) -> None:
        own: set[int] = {hash(a) for region in op.regions for block in region.blocks for a in block.arguments}
        found: dict[Value, list[tuple[ir.Operation, int]]] = {}
        for inner in operations(op):
            for i, value in enumerate(inner.operands):
                if hash(value) not in own:
                    found.setdefault(number(value), []).append((inner, i))
            own.update(hash(result) for result in inner.results)
            if may_have_regions(inner.name):
                own.update(hash(a) for r in inner.regions for b in r.blocks for a in b.arguments)
        step.operands += found
        step.inner = list(found.values())

    def _measure(self, type_: Any) -> tuple[int, int]:
        """Bytes and elements of a value of a type; nothing, where they are known only at run time."""
        found = self._measured.get(type_)
        if found is None:
            found = 0, 0
            if is_tensor(type_) and type_.has_static_shape:
                count = math.prod(type_.shape)
                try:
                    found = count * dtype_of(type_).itemsize, count
                except (KeyError, TypeError, ValueError):
                    found = count * 4, count
            self._measured[type_] = found
        return found

    def _weigh(self, op: ir.Operation, step: Step, program: Program) -> None:
        handles = program.handles
        results = [self._measure(handles[v].type)[1] for v in step.results]
        step.elements = out = sum(results)
        name = step.name
        if step.kind & FUSIBLE or name in (_CONSTANT, BARRIER):
            step.flops = 0 if name in (_CONSTANT, BARRIER) or step.kind & RECOMPUTED & ~1 else out
            return
        step.elements = max([out, *(self._measure(handles[v].type)[1] for v in step.operands)])
        if name == "stablehlo.dot_general":
            numbers = hlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"])
            shape = handles[step.operands[0]].type.shape
            step.flops = 2 * out * math.prod(shape[d] for d in numbers.lhs_contracting_dimensions)
        elif name == "stablehlo.convolution":
            dims = hlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
            kernel = handles[step.operands[1]].type.shape
            step.flops = 2 * out * math.prod(kernel) // max(1, kernel[dims.kernel_output_feature_dimension])
        elif name in _CALLS:
            step.inside, step.flops = self._call(ir.FlatSymbolRefAttr(op.attributes[_CALLS[name]]).value)
        elif name in ("stablehlo.while", "stablehlo.case", "stablehlo.if"):
            self._weigh_regions(op, step)
        elif name == "stablehlo.custom_call":
            # Routines of linear algebra take about a matrix product.
            shape = handles[step.operands[0]].type.shape if step.operands else []
            step.flops = step.elements * max([1, *shape[-1:]])
        elif name in _WRITES:
            step.elements = max([1, *(self._measure(handles[v].type)[1] for v in step.operands[1:])])
        elif name not in _MOVES:
            step.flops = step.elements

    def _weigh_regions(self, op: ir.Operation, step: Step) -> None:
        trips = 1
        if step.name == "stablehlo.while":
            count = counted(op)
            # How often it runs is not known: nobody wants to do that twice.
            step.pure = step.pure and count is not None
            trips = 1 if count is None else count.trips
        for region in op.regions:
            inner = self.read(region.blocks[0], is_body=step.name == "stablehlo.while")
            step.inside = max(step.inside, self.life(inner).peak)
            step.flops += trips * inner.flops

    def _call(self, symbol: str) -> tuple[int, int]:
        if symbol not in self._called:
            self._called[symbol] = 0, 0
            function = self._functions.get(symbol)
            if function is not None and len(function.regions[0].blocks):
                inner = self.read(function.regions[0].blocks[0])
                self._called[symbol] = self.life(inner).peak, inner.flops
        return self._called[symbol]

    def life(self, program: Program) -> Life:
        """What is alive at each step; the program must not change afterwards."""
        if program.life is None:
            program.life = _life(program)
        return program.life


def _life(program: Program) -> Life:
    steps, sizes, fixed = program.steps, program.sizes, program.fixed
    virtual = _virtual(program)
    ends = [-1] * len(sizes)
    # What memory a value lies in, if it is not its own.
    spared: set[Value] = set(virtual)
    returned = set() if program.is_body else set(steps[-1].operands)
    for i in range(len(steps) - 1, -1, -1):
        step = steps[i]
        results = step.results
        if step.is_barrier or step.kind & RESHAPE:
            for operand, result in zip(step.operands, results, strict=False):
                ends[operand] = max(ends[operand], ends[result], i)
                spared.add(result)
                if result in returned:
                    returned.add(operand)
            continue
        when = i
        if results and results[0] in virtual:
            when = max(ends[results[0]], i)
        for operand in step.operands:
            if ends[operand] < when:
                ends[operand] = when
    freed: list[int] = [0] * (len(steps) + 1)
    live, now = [0] * len(steps), 0
    for i, step in enumerate(steps):
        made = 0
        for value in step.results:
            if value in spared or value in fixed or value in returned:
                continue
            if program.is_body and step.name in _IN_PLACE and step.operands[0] in fixed:
                continue
            made += sizes[value]
            freed[max(ends[value], i)] += sizes[value]
        if step.kind & FUSIBLE or step.name in _IN_PLACE:
            # What dies here leaves its place to what is made.
            live[i] = now + max(made - freed[i], 0) + step.inside
        else:
            live[i] = now + made + step.inside
        now += made - freed[i]
    peak = max(live, default=0)
    return Life(live, virtual, peak, live.index(peak) if live else 0)


def _virtual(program: Program) -> set[Value]:
    """The values that XLA computes inside of the fusions that use them."""
    users: dict[Value, int] = {}
    stored: set[Value] = set()
    fused = FUSIBLE | REDUCTION
    for step in program.steps:
        inside = step.kind & fused
        for value in step.operands:
            users[value] = users.get(value, 0) + 1
            if not inside:
                stored.add(value)
    found = set()
    for step in program.steps:
        kind = step.kind
        if kind & RESHAPE or not kind & FUSIBLE:
            continue
        value = step.results[0]
        count = users.get(value, 0)
        if value not in stored and (count == 1 if kind & EXPENSIVE else count):
            found.add(value)
    return found
