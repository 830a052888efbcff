"""Functions under differentiation: their bodies, read once, and each operation as its rule sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from mycc.dialects.mlir import ir
from mycc.dialects.record import Flags, Functions
from mycc.passes.symbols import inputs

__all__ = ["Body", "Builder", "Site", "Step"]

Value: TypeAlias = ir.Value


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a function, read once: reading costs more than what is done with it."""

    op: ir.Operation
    operands: list[Value]
    """With what the operation's regions capture, which comes last."""
    results: list[Value]


@dataclass(frozen=True, slots=True)
class Body:
    """A function's body, read once."""

    arguments: list[Value]
    steps: list[Step]
    returned: list[Value]

    @staticmethod
    def of(block: ir.Block) -> Body:
        """Read a block."""
        steps = [Step(op := o.operation, inputs(op), list(op.results)) for o in block.operations]
        return Body(list(block.arguments), steps[:-1], steps[-1].operands)


class Builder(Protocol):
    """What a site asks of the construction that it belongs to."""

    reversing: bool
    transposing: bool

    @property
    def functions(self) -> Functions:
        """What whole functions are asked of."""

    def primal(self, value: Value, op: ir.Operation) -> Value:
        """The primal value of a value of the source, inside the linear function."""

    def carry(self, value: Value) -> Value:
        """A value of the primal function inside the linear one."""


class Site:
    """One operation under differentiation, as `mycc.dialects.record.Site` describes it to rules."""

    __slots__ = (
        "_builder",
        "_results",
        "_saved",
        "active",
        "functions",
        "op",
        "operands",
        "reversing",
        "transposing",
        "wanted",
    )

    def __init__(self, builder: Builder, step: Step, active: Flags, wanted: Flags) -> None:
        self._builder = builder
        self.operands = step.operands
        self._results = step.results
        self._saved: Sequence[Value] = ()
        self.op = step.op
        self.active = active
        self.wanted = wanted
        self.functions = builder.functions
        self.reversing = builder.reversing
        self.transposing = builder.transposing

    def operand(self, index: int) -> Value:
        return self._builder.primal(self.operands[index], self.op)

    def result(self, index: int) -> Value:
        return self._builder.primal(self._results[index], self.op)

    def saved(self, index: int) -> Value:
        return self._builder.carry(self._saved[index])

    @property
    def inputs(self) -> int:
        return len(self.operands)

    @property
    def results(self) -> list[Value]:
        """The results, as values of the source."""
        return self._results

    def save(self, values: Sequence[Value]) -> None:
        """Keep what ``augment`` saved, as values of the primal function."""
        self._saved = values

    @property
    def x(self) -> Value:
        return self.operand(0)

    @property
    def y(self) -> Value:
        return self.operand(1)

    @property
    def z(self) -> Value:
        return self.operand(2)

    @property
    def out(self) -> Value:
        return self.result(0)
