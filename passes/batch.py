"""The `batch` pass: expands `vmap` operations, callee first.

Inside a batched function the batch dimension stands at the front; it is moved at the edges only, where
``in_axes`` and ``out_axes`` say. Values that do not depend on a batched operand stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.composites import check_composites
from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.dialects.record import Batched, Flags, spread
from mycc.dialects.transform import BATCH, NO_AXIS, Transform, axis_name_of, match
from mycc.dialects.types import tensor
from mycc.passes.base import Pass
from mycc.passes.records import record_of, require_static
from mycc.passes.silence import lasting_effect
from mycc.passes.symbols import Symbols, callees, inputs, operations, remap_captures

Value: TypeAlias = ir.Value

__all__ = ["Batch", "Batcher", "Vectorizer"]


@dataclass(frozen=True)
class Batch(Pass):
    """Expands vmap operations on function symbols into batched functions and calls, callee first."""

    name = "batch"

    def run(self, module: ir.Module) -> None:
        """Expand every `vmap` whose function is free of transform operations."""
        symbols = Symbols(module)
        order = symbols.callee_first()
        check_composites((op for symbol in order for op in symbols.referring(symbol)), symbols.functions)
        batchers: dict[tuple[int, str | None], Batcher] = {}
        # What is batched on the way is made of functions that are done, and done itself.
        pending = set(symbols.functions)
        for symbol in order:
            found = [transform for op in symbols.referring(symbol) if (transform := match(op))]
            ready = [
                t
                for t in found
                if t.kind in BATCH and t.callee in symbols.functions and t.callee not in pending
            ]
            for transform in ready:
                key = (transform.axis_size, transform.axis_name)
                _expand(transform, batchers.setdefault(key, Batcher(symbols, *key)))
                self.count("vmap operations")
            if ready:
                symbols.forget(symbol)
            if symbols.is_done(symbol, pending, partial(_waits, symbols)):
                pending.remove(symbol)


def _waits(symbols: Symbols, symbol: str) -> bool:
    """Whether a function holds a transform operation."""
    return any(match(op) for op in symbols.referring(symbol))


def _expand(transform: Transform, batcher: Batcher) -> None:
    op = transform.op
    with context, op.location, ir.InsertionPoint(op):
        operands = [move_axis(v, axis, 0) for v, axis in zip(op.operands, transform.in_axes, strict=True)]
        flags = tuple(axis != NO_AXIS for axis in transform.in_axes)
        results = batcher.call(transform.callee, flags, operands)
        for old, new, axis in zip(op.results, results, transform.out_axes, strict=True):
            old.replace_all_uses_with(_place(op, new, axis, batcher.size))
        batcher.fill()
    op.erase()


def _place(op: ir.Operation, result: tuple[Value, bool], axis: int, size: int) -> Value:
    value, batched = result
    if axis == NO_AXIS:
        if batched:
            raise TransformError(
                f"{describe(op.location)}: vmap has out_axes=None for a result that depends on a mapped argument; "
                "give the axis along which its values are to be stacked"
            )
        return value
    return move_axis(value if batched else spread(value, size), 0, axis)


def move_axis(value: Value, source: int, target: int) -> Value:
    """A value with one dimension moved to another position; unchanged for `NO_AXIS`."""
    if source in (NO_AXIS, target):
        return value
    order = [d for d in range(len(value.type.shape)) if d != source]
    order.insert(target, source)
    return ops.transpose(value, order)


class Batcher:
    """Batched functions for one batch size and axis name, each made once."""

    def __init__(self, symbols: Symbols, size: int, axis_name: str | None) -> None:
        self.symbols = symbols
        self.size = size
        self.axis_name = axis_name
        self._made: dict[tuple[str, Flags, Flags | None], tuple[str, Flags]] = {}
        self._named: dict[str, bool] = {}
        self._promised: dict[tuple[str, Flags, Flags], tuple[str, ir.Block]] = {}
        self._waiting: list[tuple[str, Flags, Flags, str]] = []

    def call(self, callee: str, flags: Flags, operands: Sequence[Value]) -> list[tuple[Value, bool]]:
        """Call the batched form of a function; each result with whether it is batched."""
        symbol, present = self.batch(callee, flags)
        _, types = self.symbols.types(symbol)
        return list(zip(ops.call(symbol, types, operands), present, strict=True))

    def batch(self, callee: str, flags: Flags, outputs: Flags | None = None) -> tuple[str, Flags]:
        """The batched form of a function, and which of its results are batched."""
        if outputs is not None:
            made = self.batch(callee, flags)
            if all(present or not forced for present, forced in zip(made[1], outputs, strict=True)):
                return made
        key = (callee, flags, outputs)
        if key not in self._made:
            self._made[key] = self._build(callee, flags, outputs)
        return self._made[key]

    def _build(self, callee: str, flags: Flags, outputs: Flags | None) -> tuple[str, Flags]:
        name, _ = self._open(callee, flags)
        return name, self._fill(callee, flags, outputs, name)

    def _open(self, callee: str, flags: Flags) -> tuple[str, ir.Block]:
        source = self.symbols.block(callee)
        require_static(self.symbols[callee], "batch")
        types = [
            tensor((self.size, *a.type.shape), a.type.element_type) if flag else a.type
            for a, flag in zip(source.arguments, flags, strict=True)
        ]
        return self.symbols.new(f"{callee}.vmap", types, self.symbols[callee].location)

    def _fill(self, callee: str, flags: Flags, outputs: Flags | None, name: str) -> Flags:
        source, block = self.symbols.block(callee), self.symbols.block(name)
        values: dict[Value, Value] = dict(zip(source.arguments, block.arguments, strict=True))
        batched: set[Value] = {a for a, flag in zip(source.arguments, flags, strict=True) if flag}
        body = [op.operation for op in source.operations]
        with context, ops.End(block):
            for op in body[:-1]:
                self._operation(op, values, batched)
            returned = list(body[-1].operands)
            present = tuple(v in batched or bool(outputs and outputs[i]) for i, v in enumerate(returned))
            with body[-1].location:
                results = [
                    spread(values[v], self.size) if flag and v not in batched else values[v]
                    for v, flag in zip(returned, present, strict=True)
                ]
        self.symbols.close(name, results)
        return present

    def _operation(self, op: ir.Operation, values: dict[Value, Value], batched: set[Value]) -> None:
        sources = inputs(op)
        operands = [values[operand] for operand in sources]
        flags = [operand in batched for operand in sources]
        if not any(flags) and not self._binds(op):
            copy = ops.rebuild(op, operands[: len(op.operands)])
            remap_captures(copy, values)
            values.update(zip(op.results, copy.results, strict=True))
            return
        record = record_of(op, "batch")
        if any(flags[len(op.operands) :]) and not record.captures:
            raise TransformError(
                f"{describe(op.location)}: cannot batch '{op.name}': its region uses a value of the function around it "
                "that is mapped; pass the value as an operand"
            )
        kept = sources if record.captures else list(op.operands)
        site = Batched(op, operands[: len(kept)], flags[: len(kept)], self.size, self.axis_name, self)
        with op.location:
            results, present = record.batch(site)
        if len(op.regions):
            for result in results:
                if isinstance(result, ir.OpResult):
                    remap_captures(result.owner.operation, values)
        for old, new, flag in zip(op.results, results, present, strict=True):
            values[old] = new
            if flag:
                batched.add(old)

    def reached(self, callee: str, flags: Flags) -> Flags:
        """Which results of a function can be batched, told without making its batched form."""
        block = self.symbols.block(callee)
        body = [op.operation for op in block.operations]
        if self._refers(callee):
            return (True,) * len(body[-1].operands)
        found = {a for a, flag in zip(block.arguments, flags, strict=True) if flag}
        for op in body[:-1]:
            if not found.isdisjoint(inputs(op)):
                found.update(op.results)
        return tuple(value in found for value in body[-1].operands)

    def later(self, callee: str, flags: Flags, outputs: Flags) -> str:
        """As `batch`, for rules that refer to themselves: the function is filled when all others are made."""
        key = (callee, flags, outputs)
        if key not in self._promised:
            self._promised[key] = name, _ = self._open(callee, flags)
            self._waiting.append((callee, flags, outputs, name))
        return self._promised[key][0]

    def fill(self) -> None:
        """Make what `later` promised."""
        while self._waiting:
            callee, flags, outputs, name = self._waiting.pop()
            present = self._fill(callee, flags, outputs, name)
            assert present == outputs, "`reached` flags all that can be batched"

    def types(self, callee: str) -> tuple[list[ir.Type], list[ir.Type]]:
        """The argument and result types of a function."""
        return self.symbols.types(callee)

    def define(self, base: str, arguments: Sequence[ir.Type], build: Callable[..., Sequence[Value]]) -> str:
        """The symbol of a new function; ``build`` gets its arguments and gives what it returns."""
        return self.symbols.define(base, arguments, build, ir.Location.current)

    def outline(self, op: ir.Operation, region: int) -> str:
        """A function of a region: of its block's arguments, then of what all regions of the operation capture."""
        return self.symbols.outline(op, region)

    def lasting_effect(self, callee: str) -> str | None:
        """The name of an `io_callback` in a function, which must not run for examples that do not ask for it."""
        found = lasting_effect(self.symbols, callee)
        return None if found is None else found.name

    def expansion(self, op: ir.Operation) -> str:
        """A function that does what an operation does by its record's ``expand``: of its operands and captures."""
        return self.symbols.expansion(op, Vectorizer(self.symbols))

    def _binds(self, op: ir.Operation) -> bool:
        """Whether an operation, or a function it calls, refers to this batch's axis by name."""
        if self.axis_name is None:
            return False
        if axis_name_of(op) == self.axis_name or any(self._refers(callee) for callee in callees(op)):
            return True
        return bool(len(op.regions)) and any(self._binds(inner) for inner in operations(op))

    def _refers(self, callee: str) -> bool:
        if callee not in self._named:
            # A rule may refer to itself.
            self._named[callee] = False
            self._named[callee] = any(self._binds(op) for op in operations(self.symbols[callee]))
        return self._named[callee]


class Vectorizer:
    """What expansions ask about regions, as `mycc.dialects.record.Regions` describes it."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols

    def outline(self, op: ir.Operation, region: int) -> str:
        """A function of a region: of its block's arguments, then of what all regions of the operation capture."""
        return self.symbols.outline(op, region)

    def vectorize(self, callee: str, flags: Flags, size: int) -> str:
        """The function over a new dimension in front of the flagged operands and of every result."""
        outputs = (True,) * len(self.results(callee))
        return Batcher(self.symbols, size, None).batch(callee, flags, outputs)[0]

    def results(self, callee: str) -> list[ir.Type]:
        """The result types of a function."""
        return self.symbols.types(callee)[1]
