"""Tokens that order nothing, taken out of a module.

Exporters thread them through functions, calls, loops and branches for the order of side effects, and leave them in
where no side effect is.
"""

from __future__ import annotations

from collections.abc import Sequence

from mycc.dialects.errors import ModuleError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.dialects.record import Flags
from mycc.dialects.rules.flags import picked
from mycc.dialects.transform import match
from mycc.dialects.types import token
from mycc.passes.symbols import Symbols, may_have_regions

__all__ = ["erase_tokens"]

_MAKERS = frozenset({"stablehlo.after_all", "stablehlo.create_token"})
_CARRIERS = frozenset(
    {
        "func.call",
        "func.return",
        "stablehlo.case",
        "stablehlo.if",
        "stablehlo.optimization_barrier",
        "stablehlo.return",
        "stablehlo.while",
    }
)


def erase_tokens(module: ir.Module) -> None:
    """Take tokens out of every function of a module whose functions have one block each.

    Raises:
        ModuleError: an operation with a side effect takes or gives a token.
    """
    symbols = Symbols(module)
    bodies = {symbol: symbols.block(symbol) for symbol in symbols.functions}
    for body in bodies.values():
        _refuse_uses(body)
    with context:
        for symbol, body in bodies.items():
            _erase(body)
            _erase_attributes(symbols, symbol, "arg_attrs", _others(body.arguments))
            _erase_attributes(symbols, symbol, "res_attrs", _others(symbols.types(symbol)[1]))
            _erase_arguments(body)
            symbols.retype(symbol)


def _others(values: Sequence[ir.Value] | Sequence[ir.Type]) -> Flags:
    """Which values, or types, are no tokens."""
    return tuple((v.type if isinstance(v, ir.Value) else v) != token for v in values)


def _refuse_uses(block: ir.Block) -> None:
    for each in block.operations:
        op = each.operation
        if op.name not in _MAKERS | _CARRIERS and not all(_others([*op.operands, *op.results])):
            # Handles of linearized functions are of the same type; nobody exports them.
            what = "holds the residuals of a transform" if match(op) else "orders side effects by a token"
            raise ModuleError(f"{describe(op.location)}: '{op.name}' {what}, which cannot be taken over")
        if may_have_regions(op.name):
            for region in op.regions:
                for inner in region.blocks:
                    _refuse_uses(inner)


def _erase(block: ir.Block) -> None:
    """Erase all tokens in a block: from the end, so that no use of one is left when what makes it goes."""
    for op in [each.operation for each in reversed(list(block.operations))]:
        if op.name in _MAKERS:
            op.erase()
            continue
        if may_have_regions(op.name):
            for region in op.regions:
                for inner in region.blocks:
                    _erase(inner)
                    _erase_arguments(inner)
        if op.name in _CARRIERS and not all(_others([*op.operands, *op.results])):
            _rebuild(op)


def _erase_arguments(block: ir.Block) -> None:
    for i, flag in reversed(list(enumerate(_others(block.arguments)))):
        if not flag:
            block.erase_argument(i)


def _rebuild(op: ir.Operation) -> None:
    given, results = list(op.operands), list(op.results)
    flags = _others(results)
    with op.location, ir.InsertionPoint(op):
        made = ir.Operation.create(
            op.name,
            [value.type for value in picked(results, flags)],
            picked(given, _others(given)),
            dict(op.attributes.items()),
            regions=len(op.regions),
        )
    for old, new in zip(op.regions, made.regions, strict=True):
        for block in list(old.blocks):
            block.append_to(new)
    for old_value, new_value in zip(picked(results, flags), made.results, strict=True):
        old_value.replace_all_uses_with(new_value)
    op.erase()


def _erase_attributes(symbols: Symbols, symbol: str, name: str, flags: Flags) -> None:
    attributes = symbols[symbol].attributes
    if name in attributes:
        attributes[name] = ir.ArrayAttr.get(picked(list(attributes[name]), flags))
