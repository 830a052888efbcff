"""Checkpointing: a linear part that computes its residuals again, but for what a policy saves.

The function is split as any other. The primal part that runs then is the function itself, which also returns
what the policy saves; the linear part begins with the split's primal part, in which saved values stand for the
operations that made them, and of which only what leads to residuals is kept. A barrier before it keeps the
compiler from merging what is computed again with what was computed at first ("Training deep nets with sublinear
memory cost", Chen et al. 2016, is where the trade of time for memory comes from).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.ops import i64
from mycc.dialects.record import Split
from mycc.dialects.transform import target_of
from mycc.passes.symbols import Symbols, inputs, remap_captures

Value: TypeAlias = ir.Value

__all__ = ["Checkpoint"]

_SAVED = "mycc.saved"
_NAMED = "mycc.checkpoint_name"


class Checkpoint:
    """A function about to be split, with what a policy saves marked in it.

    Args:
        symbols: the module's functions; derived ones are added.
        callee: the function.
        policy: what is saved: ``dots``, ``dots_with_no_batch_dims``, ``name:N`` (what is named N), and
            ``names_except:N,M`` (what has any other name); nothing if it is empty.
        barrier: whether to keep the compiler from merging the two computations.
    """

    def __init__(self, symbols: Symbols, callee: str, policy: Sequence[str], barrier: bool) -> None:
        self.symbols = symbols
        self.source = callee
        self.barrier = barrier
        self.location = symbols[callee].location
        self.callee = self._flat(policy) if policy else callee

    def _flat(self, policy: Sequence[str]) -> str:
        """A copy with all calls inlined, in which what is saved is numbered."""
        arguments, _ = self.symbols.types(self.source)
        name, block = self.symbols.new(f"{self.source}.flat", arguments, self.location)
        with context, ops.End(block):
            results = self._inline(self.source, list(block.arguments))
        self.symbols.close(name, results)
        count = 0
        for each in block.operations:
            op = each.operation
            if _saves(policy, op):
                op.attributes[_SAVED] = i64(count)
                count += 1
        return name

    def _inline(self, symbol: str, arguments: Sequence[Value]) -> list[Value]:
        block = self.symbols.block(symbol)
        values = dict(zip(block.arguments, arguments, strict=True))
        body = [op.operation for op in block.operations]
        for op in body[:-1]:
            operands = [values[operand] for operand in op.operands]
            if op.name == "func.call" and op.attributes["callee"].value in self.symbols.functions:
                results = self._inline(op.attributes["callee"].value, operands)
            else:
                copy = ops.rebuild(op, operands)
                remap_captures(copy, values)
                results = list(copy.results)
            values.update(zip(op.results, results, strict=True))
        return [values[operand] for operand in body[-1].operands]

    def finish(self, split: Split) -> Split:
        """The split of ``callee``, so that it computes again what is not saved."""
        recompute, operands, saved = self._recompute(split)
        _, results = self.symbols.types(self.callee)
        primal = self._saving(operands, saved)
        _, types = self.symbols.types(primal)
        kept = types[len(results) :]
        seeds, _ = self.symbols.types(split.linear)
        seeds = seeds[: len(seeds) - len(split.residuals)]
        _, ends = self.symbols.types(split.linear)

        def linear(*values: Value) -> list[Value]:
            behind = ops.barrier(values) if self.barrier else list(values)
            residuals = ops.call(recompute, list(split.residuals), behind[len(seeds) :])
            return ops.call(split.linear, ends, [*behind[: len(seeds)], *residuals])

        name = self.symbols.define(f"{self.source}.again", [*seeds, *kept], linear, self.location)
        return Split(primal, name, tuple(kept), split.active)

    def _recompute(self, split: Split) -> tuple[str, list[int], list[int]]:
        """The function that makes the residuals; which operands, and which saved values, it takes."""
        block = self.symbols.block(split.primal)
        body = [op.operation for op in block.operations]
        returned = list(body[-1].operands)
        returned = returned[len(returned) - len(split.residuals) :]
        stands = _stands(body)
        live = set(returned)
        steps: list[ir.Operation] = []
        for op in reversed(body[:-1]):
            needed = live.intersection(op.results)
            if not all(value in stands for value in needed):
                steps.append(op)
                live.update(inputs(op))
        operands = [i for i, argument in enumerate(block.arguments) if argument in live - stands.keys()]
        numbers = sorted({stands[value] for value in live & stands.keys()})

        def build(*arguments: Value) -> list[Value]:
            values = {block.arguments[i]: value for i, value in zip(operands, arguments, strict=False)}
            saved = dict(zip(numbers, arguments[len(operands) :], strict=True))
            values |= {value: saved[n] for value, n in stands.items() if n in saved}
            for op in reversed(steps):
                copy = ops.rebuild(op, [values[operand] for operand in op.operands])
                remap_captures(copy, values)
                for old, new in zip(op.results, copy.results, strict=True):
                    values.setdefault(old, new)
            return [values[value] for value in returned]

        types = {n: value.type for value, n in stands.items()}
        taken = [*(block.arguments[i].type for i in operands), *(types[n] for n in numbers)]
        name = self.symbols.define(f"{self.source}.recompute", taken, build, self.location)
        return name, operands, numbers

    def _saving(self, operands: Sequence[int], saved: Sequence[int]) -> str:
        """The function itself; it returns operands and saved values after its results."""
        name, block = self.symbols.copy(self.callee, f"{self.source}.saving")
        source = self.symbols.block(self.callee)
        values = dict(zip(source.arguments, block.arguments, strict=True))
        found: dict[int, Value] = {}
        body = [op.operation for op in source.operations]
        for op, copy in zip(body[:-1], list(block.operations), strict=True):
            values.update(zip(op.results, copy.operation.results, strict=True))
            if _SAVED in op.attributes:
                found[int(op.attributes[_SAVED])] = copy.operation.results[0]
                del copy.operation.attributes[_SAVED]
        results = [values[value] for value in body[-1].operands]
        kept = [*(block.arguments[i] for i in operands), *(found[n] for n in saved)]
        self.symbols.close(name, [*results, *kept])
        return name


def _stands(body: Sequence[ir.Operation]) -> dict[Value, int]:
    """For each value that is saved its number; naming a value is no computation, so its operand is saved as well."""
    found: dict[Value, int] = {}
    for op in body:
        if _SAVED not in op.attributes:
            continue
        number = int(op.attributes[_SAVED])
        found[op.results[0]] = number
        if target_of(op) == _NAMED:
            found.setdefault(op.operands[0], number)
    return found


def _saves(policy: Sequence[str], op: ir.Operation) -> bool:
    if op.name == "stablehlo.dot_general":
        return "dots" in policy or ("dots_with_no_batch_dims" in policy and not _has_batch(op))
    if op.name == "stablehlo.custom_call" and target_of(op) == _NAMED:
        return any(_names(entry, op.attributes["mycc.name"].value) for entry in policy)
    return False


def _has_batch(op: ir.Operation) -> bool:
    return bool(hlo.DotDimensionNumbers(op.attributes["dot_dimension_numbers"]).lhs_batching_dimensions)


def _names(entry: str, name: str) -> bool:
    kind, _, given = entry.partition(":")
    if kind == "name":
        return given == name
    return kind == "names_except" and name not in given.split(",")
