"""Threading a value through a program: from one operation to the next, in the order in which they stand.

The order of ordered callbacks is a token that each takes and gives; what `check-nans` has found so far is a number
that each check may replace. Both pass through calls, into and out of branches, and around loops in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.errors import PassError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.passes.symbols import Symbols, callees, is_public, remap_captures

Value: TypeAlias = ir.Value

__all__ = ["Thread"]

_WHILE, _CASE = "stablehlo.while", frozenset({"stablehlo.case", "stablehlo.if"})


class Thread:
    """Threads one value through the functions of a module.

    Args:
        symbols: the module's functions.
        touches: whether the value passes by an operation.
        step: called for each such operation, with the insertion point behind it, and with the value before it;
            gives the value after it. It may replace the operation.
    """

    def __init__(
        self,
        symbols: Symbols,
        touches: Callable[[ir.Operation], bool],
        step: Callable[[ir.Operation, Value], Value],
    ) -> None:
        self.symbols = symbols
        self.touches = touches
        self.step = step
        self._needy: set[str] = set()

    def run(self, start: Callable[[], Value], returned: bool) -> list[str]:
        """Thread the value through every function that needs it, and those that return it.

        Args:
            start: builds the value with which public functions begin. Private ones get it as their last argument,
                and return it as their last result.
            returned: whether public functions return it, too.

        Returns:
            The public functions that it was threaded through.
        """
        touched = []
        for symbol in self.symbols.callee_first():
            function = self.symbols[symbol]
            public = is_public(function)
            if not (public and returned) and not self._needs_inside(function):
                continue
            block = self.symbols.block(symbol)
            with context, function.location:
                if public:
                    touched.append(symbol)
                    with ir.InsertionPoint.at_block_begin(block):
                        value = start()
                    end = self._block(block, value)
                    if returned:
                        self._return(function, block, end)
                else:
                    self._needy.add(symbol)
                    value = block.add_argument(self._type(start), function.location)
                    self._return(function, block, self._block(block, value))
            self.symbols.retype(symbol)
            self.symbols.forget(symbol)
        self._check_references(set(touched))
        return touched

    def _check_references(self, public: set[str]) -> None:
        """Refuse what refers to a function with a value more than it knows of."""
        for symbol in self.symbols.functions:
            for op in self.symbols.referring(symbol):
                changed = public if op.name == "func.call" else public | self._needy
                for callee in callees(op):
                    if callee in changed:
                        raise PassError(
                            f"{describe(op.location)}: '{op.name}' refers to @{callee}, which has effects or checks that it cannot "
                            "pass on; call private functions by func.call, and expand transforms and composites first"
                        )

    def _type(self, start: Callable[[], Value]) -> ir.Type:
        with ir.InsertionPoint(self.symbols.module.body):
            value = start()
        type_ = value.type
        value.owner.erase()
        return type_

    def _needs(self, op: ir.Operation) -> bool:
        if op.name == "func.call":
            return callees(op)[0] in self._needy
        if op.name == _WHILE or op.name in _CASE:
            return self._needs_inside(op)
        return self.touches(op)

    def _needs_inside(self, op: ir.Operation) -> bool:
        return any(
            self._needs(each.operation)
            for region in op.regions
            for b in region.blocks
            for each in b.operations
        )

    def _block(self, block: ir.Block, value: Value) -> Value:
        return self._run([each.operation for each in block.operations], value)

    def _run(self, body: Sequence[ir.Operation], value: Value) -> Value:
        """Thread the value past operations that follow each other; the last one only marks the end."""
        for op, following in pairwise(body):
            if not self._needs(op):
                continue
            with op.location:
                if op.name == "func.call":
                    value = self._widen(op, value)
                elif op.name == _WHILE:
                    value = self._while(op, value)
                elif op.name in _CASE:
                    value = self._case(op, value)
                else:
                    with ir.InsertionPoint(following):
                        value = self.step(op, value)
        return value

    def _widen(self, op: ir.Operation, value: Value, operand: bool = True) -> Value:
        """Put an operation with one more operand and result in the place of one; its regions are moved."""
        types = [*(result.type for result in op.results), value.type]
        attributes = {name: op.attributes[name] for name in op.attributes}
        operands = [*op.operands, value] if operand else list(op.operands)
        with ir.InsertionPoint(op):
            new = ops.create(op.name, types, operands, attributes, regions=len(op.regions))
        for old, region in zip(op.regions, new.regions, strict=True):
            for block in list(old.blocks):
                block.append_to(region)
        results = list(new.results)
        for result, replacement in zip(op.results, results[:-1], strict=True):
            result.replace_all_uses_with(replacement)
        op.erase()
        return results[-1]

    def _while(self, op: ir.Operation, value: Value) -> Value:
        condition = op.regions[0].blocks[0]
        if any(self._needs(each.operation) for each in condition.operations):
            op, copied = _rotated(op)
            value = self._run([*copied, op], value)
        end = self._widen(op, value)
        regions = end.owner.regions
        regions[0].blocks[0].add_argument(value.type, op_location := end.owner.location)
        body = regions[1].blocks[0]
        _end_block(body, self._block(body, body.add_argument(value.type, op_location)))
        return end

    def _case(self, op: ir.Operation, value: Value) -> Value:
        end = self._widen(op, value, operand=False)
        for region in end.owner.regions:
            block = region.blocks[0]
            _end_block(block, self._block(block, value))
        return end

    def _return(self, function: ir.Operation, block: ir.Block, value: Value) -> None:
        _end_block(block, value)
        if "res_attrs" in function.attributes:
            given = list(function.attributes["res_attrs"])
            function.attributes["res_attrs"] = ir.ArrayAttr.get([*given, ir.DictAttr.get({})])


def _end_block(block: ir.Block, value: Value) -> None:
    """Let a block return one more value."""
    last = block.operations[len(block.operations) - 1].operation
    with last.location, ir.InsertionPoint(last):
        ops.create(last.name, [], [*last.operands, value])
    last.erase()


def _rotated(op: ir.Operation) -> tuple[ir.Operation, list[ir.Operation]]:
    """A loop that carries whether it goes on, in the place of one that computes it in its condition.

    Returns:
        The loop, and the copies of the condition's operations that now stand before it.
    """
    condition, body = (region.blocks[0] for region in op.regions)
    with ir.InsertionPoint(op):
        copied, first = _copied(condition, list(op.operands))
    last = body.operations[len(body.operations) - 1].operation
    with ir.InsertionPoint(last):
        _, again = _copied(condition, list(last.operands))
    _end_block(body, again)
    types = [*(result.type for result in op.results), first.type]
    with ir.InsertionPoint(op):
        new = ops.create(op.name, types, [*op.operands, first], regions=2)
    body.append_to(new.regions[1])
    body.add_argument(first.type, op.location)
    ops.region(new, types, lambda *carry: carry[-1], 0)
    for old, replacement in zip(op.results, new.results, strict=False):
        old.replace_all_uses_with(replacement)
    op.erase()
    return new, copied


def _copied(block: ir.Block, arguments: Sequence[Value]) -> tuple[list[ir.Operation], Value]:
    """Copies of a block's operations at the insertion point, and the copy of what it returns."""
    values: dict[Value, Value] = dict(zip(block.arguments, arguments, strict=True))
    body = [each.operation for each in block.operations]
    copies = []
    for op in body[:-1]:
        copy = ops.rebuild(op, [values.get(operand, operand) for operand in op.operands])
        remap_captures(copy, values)
        values.update(zip(op.results, copy.results, strict=True))
        copies.append(copy)
    returned = body[-1].operands[0]
    return copies, values.get(returned, returned)
