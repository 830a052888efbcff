"""Partial evaluation: a function taken apart by what depends on its unknown arguments.

What a custom rule computes from primals is computed once, with the primal results; what it computes from
tangents is a linear function of them, which reverse mode transposes ("Decomposing reverse-mode automatic
differentiation", Frostig et al. 2021, calls this step unzipping).
"""

from __future__ import annotations

from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.dialects.record import Flags, Split
from mycc.dialects.rules import RECORDS
from mycc.passes.symbols import Symbols, inputs, remap_captures

Value: TypeAlias = ir.Value

Memo = dict[tuple[str, Flags], Split]

__all__ = ["Memo", "partial"]


def partial(symbols: Symbols, callee: str, unknown: Flags, memo: Memo) -> Split:
    """Take a function apart.

    Args:
        symbols: the module's functions; two are added.
        callee: the function.
        unknown: which arguments are known only to the second function.
        memo: functions taken apart before.

    Returns:
        ``primal`` takes the known arguments and returns the known results, then residuals; ``linear`` takes the
        unknown arguments, then the residuals, and returns the unknown results, which ``active`` flags.
    """
    key = (callee, unknown)
    if key not in memo:
        memo[key] = _Partition(symbols, callee, unknown, memo).run()
    return memo[key]


class _Partition:
    def __init__(self, symbols: Symbols, callee: str, unknown: Flags, memo: Memo) -> None:
        self.symbols = symbols
        self.memo = memo
        self.callee = callee
        self.location = symbols[callee].location
        block = symbols.block(callee)
        self.body = [op.operation for op in block.operations]
        self.known_arguments = [a for a, flag in zip(block.arguments, unknown, strict=True) if not flag]
        self.unknown_arguments = [a for a, flag in zip(block.arguments, unknown, strict=True) if flag]
        self.known: dict[Value, Value] = {}
        """From a value of the source to its counterpart in the first function."""
        self.second: dict[Value, Value] = {}
        """From a value of the source to its counterpart in the second function."""
        self.unknown = set(self.unknown_arguments)
        self.residuals: list[Value] = []
        """Values of the first function that the second one takes."""

    def run(self) -> Split:
        symbols = self.symbols
        primal, block = symbols.new(
            f"{self.callee}.known", [a.type for a in self.known_arguments], self.location
        )
        linear, self.linear_block = symbols.new(
            f"{self.callee}.linear", [a.type for a in self.unknown_arguments], self.location
        )
        self.first, self.later = ops.End(block), ops.End(self.linear_block)
        self.known.update(zip(self.known_arguments, block.arguments, strict=True))
        self.second.update(zip(self.unknown_arguments, self.linear_block.arguments, strict=True))
        with context:
            for op in self.body[:-1]:
                self._operation(op)
            returned = list(self.body[-1].operands)
            active = tuple(value in self.unknown for value in returned)
        symbols.close(linear, [self.second[v] for v, flag in zip(returned, active, strict=True) if flag])
        results = [self.known[v] for v, flag in zip(returned, active, strict=True) if not flag]
        symbols.close(primal, [*results, *self.residuals])
        return Split(primal, linear, tuple(value.type for value in self.residuals), active)

    def _operation(self, op: ir.Operation) -> None:
        operands = inputs(op)
        if self.unknown.isdisjoint(operands):
            with self.first:
                self._copy(op, self.known)
            return
        if op.name == "func.call" and op.attributes["callee"].value in self.symbols.functions:
            self._call(op, operands)
            return
        self.unknown.update(op.results)
        with self.later:
            for operand in operands:
                self._carry(operand)
            self._copy(op, self.second)

    def _call(self, op: ir.Operation, operands: list[Value]) -> None:
        """A call becomes two."""
        flags = tuple(operand in self.unknown for operand in operands)
        split = partial(self.symbols, op.attributes["callee"].value, flags, self.memo)
        results = list(op.results)
        early = [r for r, flag in zip(results, split.active, strict=True) if not flag]
        late = [r for r, flag in zip(results, split.active, strict=True) if flag]
        with self.first, op.location:
            given = [self.known[v] for v, flag in zip(operands, flags, strict=True) if not flag]
            values = ops.call(split.primal, [*(r.type for r in early), *split.residuals], given)
        self.known.update(zip(early, values, strict=False))
        if not late:
            return
        residuals = [self._residual(value) for value in values[len(early) :]]
        with self.later, op.location:
            seeds = [self.second[v] for v, flag in zip(operands, flags, strict=True) if flag]
            values = ops.call(split.linear, [r.type for r in late], [*seeds, *residuals])
        self.second.update(zip(late, values, strict=True))
        self.unknown.update(late)

    def _copy(self, op: ir.Operation, values: dict[Value, Value]) -> None:
        copy = ops.rebuild(op, [values[operand] for operand in op.operands])
        remap_captures(copy, values)
        values.update(zip(op.results, copy.results, strict=True))

    def _carry(self, value: Value) -> None:
        """Let the second function have a value: made again if that is cheap, else as a residual."""
        if value in self.second:
            return
        owner = value.owner
        record = None if isinstance(owner, ir.Block) else RECORDS.get(owner.name)
        if record is not None and record.cheap:
            for operand in owner.operands:
                self._carry(operand)
            self._copy(owner.operation, self.second)
            return
        self.second[value] = self._residual(self.known[value])

    def _residual(self, value: Value) -> Value:
        """A value of the first function in the second one."""
        self.residuals.append(value)
        return self.linear_block.add_argument(value.type, self.location)
