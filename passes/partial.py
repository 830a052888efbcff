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

__all__ = ["partial"]


def partial(symbols: Symbols, callee: str, unknown: Flags) -> Split:
    """Take a function apart.

    Args:
        symbols: the module's functions; two are added.
        callee: the function.
        unknown: which arguments are known only to the second function.

    Returns:
        ``primal`` takes the known arguments and returns the known results, then residuals; ``linear`` takes the
        unknown arguments, then the residuals, and returns the unknown results, which ``active`` flags.
    """
    return _Partition(symbols, callee, unknown).run()


class _Partition:
    def __init__(self, symbols: Symbols, callee: str, unknown: Flags) -> None:
        self.symbols = symbols
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
        self.residuals: list[Value] = []

    def run(self) -> Split:
        symbols = self.symbols
        primal, block = symbols.new(
            f"{self.callee}.known", [a.type for a in self.known_arguments], self.location
        )
        linear, self.linear_block = symbols.new(
            f"{self.callee}.linear", [a.type for a in self.unknown_arguments], self.location
        )
        first, second = ops.End(block), ops.End(self.linear_block)
        self.known.update(zip(self.known_arguments, block.arguments, strict=True))
        unknown = set(self.unknown_arguments)
        self.second.update(zip(self.unknown_arguments, self.linear_block.arguments, strict=True))
        with context:
            for op in self.body[:-1]:
                operands = inputs(op)
                if unknown.isdisjoint(operands):
                    with first:
                        self._copy(op, self.known)
                    continue
                unknown.update(op.results)
                with second:
                    for operand in operands:
                        self._carry(operand)
                    self._copy(op, self.second)
            returned = list(self.body[-1].operands)
            active = tuple(value in unknown for value in returned)
        symbols.close(linear, [self.second[v] for v, flag in zip(returned, active, strict=True) if flag])
        results = [self.known[v] for v, flag in zip(returned, active, strict=True) if not flag]
        symbols.close(primal, [*results, *(self.known[value] for value in self.residuals)])
        return Split(primal, linear, tuple(value.type for value in self.residuals), active)

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
        self.residuals.append(value)
        self.second[value] = self.linear_block.add_argument(value.type, self.location)
