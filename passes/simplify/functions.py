"""What private functions take and return in vain: arguments that they do not read, results that no caller does.

Each pattern starts from one call, the first, once all are known: what it may leave out depends on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from mycc.dialects.mlir import context, ir
from mycc.passes.pattern import Op, Pattern, Rewriter

__all__ = ["PATTERNS"]

_CALL = "func.call"


class DeadResult(Pattern):
    """Results that no call reads are not returned, where one of them is computed."""

    op_names = (_CALL,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        found = rewriter.calls(op)
        if found is None:
            return False
        function, calls = found
        count = len(op.results)
        # What is called though nobody reads its results has effects; of nothing XLA makes no call.
        kept = [i for i in range(count) if any(_is_used(call.results[i]) for call in calls)] or [0]
        returned = list(_end(function).operands)
        # To return an argument costs less than to write all calls anew.
        if all(i in kept or isinstance(value, ir.BlockArgument) for i, value in enumerate(returned)):
            return False
        rewriter.end(function.regions[0].blocks[0], [returned[i] for i in kept])
        _retype(function, "res_attrs", kept)
        for call in calls:
            _replace(call, rewriter, list(range(len(call.op.operands))), kept)
        return True


class DeadArgument(Pattern):
    """An argument that a function does not read is not passed."""

    op_names = (_CALL,)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        found = rewriter.calls(op)
        if found is None:
            return False
        function, calls = found
        block = function.regions[0].blocks[0]
        kept = [i for i, argument in enumerate(block.arguments) if _is_used(argument)]
        count = len(block.arguments)
        if len(kept) == count:
            return False
        for i in reversed(range(count)):
            if i not in kept:
                block.erase_argument(i)
        _retype(function, "arg_attrs", kept)
        for call in calls:
            _replace(call, rewriter, kept, list(range(len(call.results))))
        return True


def _end(function: ir.Operation) -> ir.Operation:
    operations = function.regions[0].blocks[0].operations
    return operations[len(operations) - 1].operation


def _retype(function: ir.Operation, name: str, kept: Sequence[int]) -> None:
    """Sets a function's type from its body, and drops attributes of what went."""
    type_ = ir.FunctionType.get(
        [argument.type for argument in function.regions[0].blocks[0].arguments],
        [value.type for value in _end(function).operands],
        context=context,
    )
    function.attributes["function_type"] = ir.TypeAttr.get(type_, context=context)
    if name in function.attributes:
        parts = list(function.attributes[name])
        function.attributes[name] = ir.ArrayAttr.get([parts[i] for i in kept], context=context)


def _replace(call: Op, rewriter: Rewriter, operands: Sequence[int], results: Sequence[int]) -> None:
    """Replaces a call by one of some operands that returns some results."""
    attributes = {name: call.op.attributes[name] for name in call.op.attributes}
    call.producers()
    with call.op.location, ir.InsertionPoint(call.op):
        new = ir.Operation.create(
            _CALL,
            [call.results[i].type for i in results],
            [call.operand(i) for i in operands],
            attributes,
        )
    for place, i in enumerate(results):
        rewriter.replace_value(call.results[i], new.results[place])
    rewriter.erase(call)


def _is_used(value: ir.Value) -> bool:
    return next(value.uses, None) is not None


PATTERNS: tuple[Pattern, ...] = (DeadResult(), DeadArgument())
