"""Residual handles become residuals: the 1:N type conversion behind `linearize`, `pullback`, `pushforward`.

A handle is a token. It may pass through calls, transform operations, loop carries and returns before a
pullback takes it; which linearization it stands for follows from the symbol that every producer and consumer
names. `convert` finds all values that one handle flows through, in the whole module, and replaces each by the
residuals themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.composites import match_composite
from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.dialects.ops import i64_array
from mycc.dialects.record import Split
from mycc.dialects.transform import HANDLED, Flags, match
from mycc.dialects.types import token
from mycc.passes.symbols import Symbols, callees, operations

Value: TypeAlias = ir.Value
Key = tuple[str, Flags, Flags, bool]

__all__ = ["Key", "convert"]


@dataclass
class _Flow:
    """Which token values stand for one handle: a union-find over the module's token values."""

    parents: dict[Value, Value] = field(default_factory=dict)
    keys: dict[Value, Key] = field(default_factory=dict)

    def root(self, value: Value) -> Value:
        while (parent := self.parents.setdefault(value, value)) != value:
            self.parents[value] = self.parents[parent]
            value = parent
        return value

    def join(self, xs: Sequence[Value], ys: Sequence[Value]) -> None:
        for x, y in zip(xs, ys, strict=False):
            if x.type == token and y.type == token:
                a, b = self.root(x), self.root(y)
                self.parents[a] = b
                if a in self.keys:
                    self.keys.setdefault(b, self.keys[a])

    def members(self, key: Key) -> set[Value]:
        return {value for value in list(self.parents) if self.keys.get(self.root(value)) == key}


def _flow(symbols: Symbols) -> _Flow:
    flow = _Flow()
    marks: list[tuple[Value, Key]] = []
    for function in symbols.functions.values():
        for op in operations(function):
            transform = match(op)
            if transform is not None and transform.kind in HANDLED:
                handle = op.results[len(op.results) - 1] if transform.kind == "linearize" else op.operands[0]
                marks.append((handle, transform.handle_key))
                flow.root(handle)
            _join_op(flow, symbols, op)
    for handle, key in marks:
        flow.keys[flow.root(handle)] = key
    return flow


def _join_op(flow: _Flow, symbols: Symbols, op: ir.Operation) -> None:
    operands, results = list(op.operands), list(op.results)
    if not any(value.type == token for value in (*operands, *results)):
        return
    transform = match(op)
    if transform is None or transform.kind not in ("pullback", "pushforward", "transpose"):
        composite = match_composite(op)
        bwd = composite.rules.get("bwd") if composite is not None else None
        if composite is not None and bwd is not None:
            # It takes what its partner returns after the results.
            fwd = symbols.block(composite.rules["fwd"])
            residuals = list(fwd.operations[len(fwd.operations) - 1].operands)[len(results) :]
            flow.join(residuals, list(symbols.block(bwd).arguments))
        for callee in callees(op):
            if callee == bwd:
                continue
            block = symbols.block(callee)
            flow.join(operands, list(block.arguments))
            flow.join(results, list(block.operations[len(block.operations) - 1].operands))
    for region in op.regions:
        for block in region.blocks:
            flow.join(operands, list(block.arguments))
            flow.join(operands, list(block.operations[len(block.operations) - 1].operands))
            flow.join(results, list(block.operations[len(block.operations) - 1].operands))
    if op.name == "stablehlo.optimization_barrier":
        flow.join(operands, results)


def convert(
    symbols: Symbols, key: Key, split: Split, linear: Callable[[Sequence[Value]], list[Value]]
) -> None:
    """Replace every value that one handle flows through by the residuals of a split function.

    Args:
        symbols: the module's functions.
        key: the linearization: function, active arguments, seeded results, and whether it is reverse.
        split: the function's primal and linear parts.
        linear: builds a call of the linear part, from seeds followed by residuals to what the operation gives.
    """
    members = _flow(symbols).members(key)
    _Conversion(symbols, key, split, members, linear).run()


class _Conversion:
    def __init__(
        self,
        symbols: Symbols,
        key: Key,
        split: Split,
        members: set[Value],
        linear: Callable[[Sequence[Value]], list[Value]],
    ) -> None:
        self.symbols = symbols
        self.key = key
        self.split = split
        self.members = members
        self.linear = linear
        self.expanded: dict[Value, list[Value]] = {}
        self.dead: list[ir.Operation] = []
        self.old_arguments: list[tuple[ir.Block, int]] = []

    def run(self) -> None:
        touched = [
            (symbol, list(operations(function)))
            for symbol, function in self.symbols.functions.items()
            if self._touches(function)
        ]
        with context:
            for symbol, body in touched:
                self._block(self.symbols.block(symbol))
                for op in body:
                    self._operation(op)
            for op in reversed(self.dead):
                op.erase()
            for block, count in self.old_arguments:
                for index in reversed(range(count)):
                    block.erase_argument(index)
            for symbol, _ in touched:
                self.symbols.retype(symbol)
                self.symbols.forget(symbol)

    def _touches(self, function: ir.Operation) -> bool:
        if any(argument in self.members for argument in function.regions[0].blocks[0].arguments):
            return True
        return any(v in self.members for op in operations(function) for v in (*op.operands, *op.results))

    def _block(self, block: ir.Block) -> None:
        old = list(block.arguments)
        if not any(argument in self.members for argument in old):
            return
        for argument in old:
            if argument in self.members:
                self.expanded[argument] = [
                    block.add_argument(t, argument.location) for t in self.split.residuals
                ]
            else:
                argument.replace_all_uses_with(block.add_argument(argument.type, argument.location))
        self.old_arguments.append((block, len(old)))

    def _flat(self, values: Sequence[Value]) -> list[Value]:
        return [v for value in values for v in self.expanded.get(value, [value])]

    def _operation(self, op: ir.Operation) -> None:
        for region in op.regions:
            for block in region.blocks:
                self._block(block)
        operands, results = list(op.operands), list(op.results)
        if not any(value in self.members for value in (*operands, *results)):
            return
        transform = match(op)
        with op.location, ir.InsertionPoint(op):
            if transform is not None and transform.kind in HANDLED and transform.handle_key == self.key:
                new = self._resolve(transform.kind, operands, results)
            else:
                new = self._rebuild(op, operands, results)
        for result in results:
            if result in self.members:
                self.expanded[result] = [new.pop(0) for _ in self.split.residuals]
            else:
                result.replace_all_uses_with(new.pop(0))
        self.dead.append(op)

    def _resolve(self, kind: str, operands: list[Value], results: list[Value]) -> list[Value]:
        if kind == "linearize":
            types = [*(r.type for r in results[:-1]), *self.split.residuals]
            return ops.call(self.split.primal, types, self._flat(operands))
        return self.linear([*operands[1:], *self.expanded[operands[0]]])

    def _rebuild(self, op: ir.Operation, operands: list[Value], results: list[Value]) -> list[Value]:
        types = [t for r in results for t in (self.split.residuals if r in self.members else [r.type])]
        attributes = {name: op.attributes[name] for name in op.attributes}
        for name, values, kind in (
            ("mycc.active", operands, bool),
            ("mycc.seeded", results, bool),
            ("mycc.in_axes", operands, int),
            ("mycc.out_axes", results, int),
        ):
            if name in attributes:
                attributes[name] = self._widened(op, name, attributes[name], values, kind)
        new = ir.Operation.create(op.name, types, self._flat(operands), attributes, regions=len(op.regions))
        for old_region, new_region in zip(op.regions, new.regions, strict=True):
            for block in list(old_region.blocks):
                block.append_to(new_region)
        return list(new.results)

    def _widened(
        self, op: ir.Operation, name: str, attribute: ir.Attribute, values: list[Value], kind: type
    ) -> ir.Attribute:
        flags: list[int] = []
        for flag, value in zip([kind(v) for v in attribute], values, strict=False):
            if value not in self.members:
                flags.append(flag)
                continue
            if kind is bool and flag:
                raise TransformError(
                    f"{describe(op.location)}: cannot differentiate with respect to a pullback or linear function; "
                    "differentiate with respect to the arrays it was made from"
                )
            flags.extend([flag] * len(self.split.residuals))
        return ir.DenseBoolArrayAttr.get(flags, context=context) if kind is bool else i64_array(flags)
