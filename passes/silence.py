"""Functions without their debugging effects, for computations that are made once more.

Where a derivative computes primal values anew instead of saving them (a pushforward through a loop), what the
primal function prints must not be printed again.
"""

from __future__ import annotations

from mycc.dialects.callback import Callback, match
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.passes.symbols import Symbols, callees, operations

__all__ = ["lasting_effect", "silent"]


def silent(symbols: Symbols, symbol: str, made: dict[str, str]) -> str:
    """A function's counterpart that computes the same without debugging callbacks; itself if it has none.

    Args:
        symbols: the module's functions; counterparts are added.
        symbol: the function.
        made: counterparts by symbol, to be passed on from call to call.

    Raises:
        UnsupportedOperationError: it calls an `io_callback`, which must not run once more.
    """
    if symbol in made:
        return made[symbol]
    # A rule of a composite may refer to the function that holds it, and is not run.
    made[symbol] = symbol
    try:
        inner, loud = _counterparts(symbols, symbol, made)
    except UnsupportedOperationError:
        del made[symbol]
        raise
    if not loud and all(name == counterpart for name, counterpart in inner.items()):
        return symbol
    name = made[symbol] = symbols.duplicate(symbol, f"{symbol}.silent")
    for op in list(operations(symbols[name])):
        kind = op.name
        if kind in _REFERENCES:
            callee = callees(op)[0]
            reference = ir.FlatSymbolRefAttr.get(inner.get(callee, callee), context=context)
            op.attributes[_REFERENCES[kind]] = reference
        elif kind == "stablehlo.custom_call" and (found := match(op)) is not None and found.kind == "debug":
            op.erase()
    return name


def _counterparts(symbols: Symbols, symbol: str, made: dict[str, str]) -> tuple[dict[str, str], bool]:
    """The counterparts of the functions that one calls, and whether it prints something itself."""
    inner: dict[str, str] = {}
    loud = False
    for op in symbols.referring(symbol):
        callback = match(op) if op.name == "stablehlo.custom_call" else None
        if callback is not None and callback.kind == "io":
            raise UnsupportedOperationError(
                f"{describe(op.location)}: the derivative of a loop runs the loop's body once more, and with it the io_callback "
                f"of '{callback.name}'; take the call out of the loop, or use mycc.jvp, which runs the body once"
            )
        loud |= callback is not None and callback.kind == "debug"
        inner.update((c, silent(symbols, c, made)) for c in callees(op) if c in symbols.functions)
    return inner, loud


_REFERENCES = {"func.call": "callee", "stablehlo.composite": "decomposition"}


def lasting_effect(symbols: Symbols, symbol: str) -> Callback | None:
    """A callback in a function, or in what it calls, that must run exactly as often as the program comes by."""
    waiting, seen = [symbol], {symbol}
    while waiting:
        for op in symbols.referring(waiting.pop()):
            callback = match(op) if op.name == "stablehlo.custom_call" else None
            if callback is not None and callback.kind == "io":
                return callback
            new = [c for c in callees(op) if c in symbols.functions and c not in seen]
            seen.update(new)
            waiting += new
    return None
