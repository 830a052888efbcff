"""What private functions take and return: arguments that they do not read, results that no caller does.

Not patterns: what a call may leave out depends on all calls of the function.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from mycc.dialects.mlir import context, ir
from mycc.passes.symbols import Symbols, callees, is_public

__all__ = ["LABELS", "narrow"]

LABELS = ("dead-argument", "dead-result", "returned-argument")
"""The names in statistics."""

_POSITIONAL = ("sdy.", "mhlo.sharding")


def narrow(module: ir.Module, disabled: Collection[str] = ()) -> Counter[str]:
    """Drops what private functions take and return in vain, from them and from their calls.

    Args:
        module: the module; what computed a dropped argument or result stays, unused.
        disabled: which of ``LABELS`` to leave out.

    Returns:
        How many arguments and results went, by label.
    """
    counts: Counter[str] = Counter()
    functions = [op.operation for op in module.body.operations if op.operation.name == "func.func"]
    private = {
        f.attributes["sym_name"].value: f
        for f in functions
        if not is_public(f) and len(f.regions[0].blocks) == 1
    }
    if not private:
        return counts
    for name, calls in _calls(module, private).items():
        _narrow(private[name], calls, disabled, counts)
    return counts


def _calls(module: ir.Module, private: dict[str, ir.Operation]) -> dict[str, list[ir.Operation]]:
    """The calls of each private function that is only called."""
    symbols = Symbols(module)
    found: dict[str, list[ir.Operation]] = {name: [] for name in private}
    for symbol in symbols.functions:
        for op in symbols.referring(symbol):
            for callee in callees(op):
                if op.name == "func.call" and not any(n.startswith(_POSITIONAL) for n in op.attributes):
                    found.get(callee, []).append(op)
                else:
                    # The signature is part of a transform's or a composite's.
                    found.pop(callee, None)
    return {name: calls for name, calls in found.items() if calls}


def _narrow(
    function: ir.Operation, calls: list[ir.Operation], disabled: Collection[str], counts: Counter[str]
) -> None:
    block = function.regions[0].blocks[0]
    end = block.operations[len(block.operations) - 1].operation
    arguments, returned = list(block.arguments), list(end.operands)
    if "returned-argument" not in disabled:
        for i, value in enumerate(returned):
            if isinstance(value, ir.BlockArgument) and any(_is_used(call.results[i]) for call in calls):
                for call in calls:
                    call.results[i].replace_all_uses_with(call.operands[value.arg_number])
                counts["returned-argument"] += 1
    results = list(range(len(returned)))
    if "dead-result" not in disabled:
        # What is still called though nobody reads its results has effects; of nothing XLA makes no call.
        results = [i for i in results if any(_is_used(call.results[i]) for call in calls)] or results[:1]
        counts["dead-result"] += len(returned) - len(results)
    with end.location, ir.InsertionPoint(end):
        ir.Operation.create("func.return", [], [returned[i] for i in results])
    end.erase()
    kept = list(range(len(arguments)))
    if "dead-argument" not in disabled:
        kept = [i for i in kept if _is_used(arguments[i])]
        counts["dead-argument"] += len(arguments) - len(kept)
    if len(kept) == len(arguments) and len(results) == len(returned):
        return
    for i in reversed(range(len(arguments))):
        if i not in kept:
            block.erase_argument(i)
    _retype(function, block, kept, results)
    for call in calls:
        _call_less(call, kept, results)


def _retype(function: ir.Operation, block: ir.Block, kept: Sequence[int], results: Sequence[int]) -> None:
    old = function.attributes["function_type"].value
    type_ = ir.FunctionType.get(
        [a.type for a in block.arguments], [old.results[i] for i in results], context=context
    )
    function.attributes["function_type"] = ir.TypeAttr.get(type_, context=context)
    for name, places in (("arg_attrs", kept), ("res_attrs", results)):
        if name in function.attributes:
            parts = list(function.attributes[name])
            function.attributes[name] = ir.ArrayAttr.get([parts[i] for i in places], context=context)


def _call_less(call: ir.Operation, kept: Sequence[int], results: Sequence[int]) -> None:
    attributes = {name: call.attributes[name] for name in call.attributes}
    old = list(call.results)
    with call.location, ir.InsertionPoint(call):
        new = ir.Operation.create(
            "func.call", [old[i].type for i in results], [call.operands[i] for i in kept], attributes
        )
    for place, i in enumerate(results):
        old[i].replace_all_uses_with(new.results[place])
    call.erase()


def _is_used(value: ir.Value) -> bool:
    return next(value.uses, None) is not None
