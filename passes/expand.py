"""The `expand` pass: replaces operations that are short programs of others by these programs."""

from __future__ import annotations

from dataclasses import dataclass

from mycc.dialects.mlir import context, ir
from mycc.dialects.rules import RECORDS
from mycc.passes.base import Pass
from mycc.passes.batch import Vectorizer
from mycc.passes.records import find_record
from mycc.passes.symbols import Symbols, inputs, operations

__all__ = ["EXPANDED", "Expand"]

EXPANDED = frozenset(name for name, record in RECORDS.items() if record.kind == "expanded")
"""The operations, and ``@targets`` of custom calls, whose records say that they are others."""

_ELEMENT = "stablehlo.get_tuple_element"
_TUPLE = "stablehlo.tuple"


@dataclass(frozen=True)
class Expand(Pass):
    """Replaces operations by others with the same meaning (if, map, einsum, dynamic and ragged ones), and tuples.

    Derivatives and batching see through these operations without it. It is for what XLA or another tool does
    not accept.
    """

    name = "expand"

    def run(self, module: ir.Module) -> None:
        """Expand every such operation, those inside of others first."""
        symbols = Symbols(module)
        waiting = list(symbols.functions)
        while waiting:
            symbol = waiting.pop()
            before = len(symbols.functions)
            found = [op for op in operations(symbols[symbol]) if _is_expanded(op)]
            # Operations come before those in their regions; these first, for an expansion copies its regions.
            for op in reversed(found):
                self._expand(op, symbols)
            _take_tuples_apart(symbols[symbol])
            waiting += list(symbols.functions)[before:]

    def _expand(self, op: ir.Operation, symbols: Symbols) -> None:
        self.count(op.name.partition(".")[2])
        record = find_record(op)
        assert record is not None and record.expand is not None, op.name
        with context, op.location, ir.InsertionPoint(op):
            results = record.expand(op, inputs(op), Vectorizer(symbols))
        for old, new in zip(op.results, results, strict=True):
            old.replace_all_uses_with(new)
        symbols.dropped(op)
        op.erase()


def _is_expanded(op: ir.Operation) -> bool:
    if op.name == "stablehlo.custom_call":
        return f"@{op.attributes['call_target_name'].value}" in EXPANDED
    return op.name in EXPANDED


def _take_tuples_apart(function: ir.Operation) -> None:
    """Let those who read an element of a tuple read what it was made of."""
    found = list(operations(function))
    for op in found:
        if op.name != _ELEMENT:
            continue
        source = op.operands[0].owner
        if isinstance(source, ir.Block) or source.name != _TUPLE:
            continue
        op.results[0].replace_all_uses_with(source.operands[op.attributes["index"].value])
    for op in reversed(found):
        if op.name in (_ELEMENT, _TUPLE) and not any(True for _ in op.results[0].uses):
            op.erase()
