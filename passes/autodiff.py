"""The `autodiff` pass: expands jvp, vjp, linearize, pullback, pushforward and transpose, callee first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias, TypeVar

from mycc.dialects import ops
from mycc.dialects.composites import check_composites
from mycc.dialects.mlir import context, ir
from mycc.dialects.record import Flags, Split
from mycc.dialects.rules.flags import picked
from mycc.dialects.transform import AUTODIFF, HANDLED, Transform, match
from mycc.dialects.types import token
from mycc.passes.base import Pass, option
from mycc.passes.derivatives import Derivatives
from mycc.passes.handles import Key, convert
from mycc.passes.shares import settle
from mycc.passes.symbols import Symbols

Value: TypeAlias = ir.Value
T = TypeVar("T")
Mode = Literal["all", "forward", "reverse", "transpose"]

__all__ = ["Autodiff"]


@dataclass(frozen=True)
class Autodiff(Pass):
    """Expands derivative operations on function symbols into functions and calls, callee first.

    An operation is expanded once its function holds no transform operation; what waits for another pass
    (a `vmap` inside) is left for the next run.
    """

    name = "autodiff"
    mode: Mode = option("all", help="which derivatives to expand")

    def run(self, module: ir.Module) -> None:
        """Expand every derivative operation whose function is free of transform operations."""
        symbols = Symbols(module)
        order = symbols.callee_first()
        check_composites((op for symbol in order for op in symbols.referring(symbol)), symbols.functions)
        derivatives = Derivatives(symbols)
        # What is derived on the way is made of functions that are done, and done itself.
        pending = set(symbols.functions)
        for symbol in order:
            _expand_function(symbols, derivatives, symbol, pending, self)
            if symbols.is_done(symbol, pending, partial(_waits, symbols)):
                pending.remove(symbol)


def _waits(symbols: Symbols, symbol: str) -> bool:
    """Whether a function holds a transform operation, or a handle from elsewhere."""
    arguments, results = symbols.types(symbol)
    return token in arguments or token in results or any(match(op) for op in symbols.referring(symbol))


def _kind(transform: Transform) -> Mode:
    if transform.kind == "transpose":
        return "transpose"
    reverse = transform.reverse if transform.kind in HANDLED else transform.kind == "vjp"
    return "reverse" if reverse else "forward"


def _expand_function(
    symbols: Symbols, derivatives: Derivatives, symbol: str, pending: set[str], options: Autodiff
) -> None:
    while True:
        found = [t for op in symbols.referring(symbol) if (t := match(op)) and t.kind in AUTODIFF]
        waiting = [t for t in found if t.callee in symbols.functions and t.callee not in pending]
        waiting = [t for t in waiting if options.mode in ("all", _kind(t))]
        settle(symbols, [t.callee for t in waiting])
        handled = next((t for t in waiting if t.kind in HANDLED), None)
        if handled is None:
            break
        # Conversion rebuilds operations all over the module, so what was matched before is stale after it.
        key = handled.handle_key
        options.count("linearized functions")
        split = derivatives.split(key[0], key[1], key[2] if key[3] else None)
        convert(symbols, key, split, partial(_linear, symbols, key, split))
    for transform in waiting:
        options.count(f"{transform.kind} operations")
        with context, transform.op.location, ir.InsertionPoint(transform.op):
            results = _EXPANSIONS[transform.kind](transform, derivatives)
        for old, new in zip(transform.op.results, results, strict=True):
            old.replace_all_uses_with(new)
        transform.op.erase()
    if waiting:
        symbols.forget(symbol)


def _filled(types: Sequence[ir.Type], present: Flags, values: Sequence[Value]) -> list[Value]:
    """Values at the present positions, zeros elsewhere."""
    remaining = iter(values)
    return [
        next(remaining) if flag else ops.full(type_, 0) for type_, flag in zip(types, present, strict=True)
    ]


def _linear(symbols: Symbols, key: Key, split: Split, operands: Sequence[Value]) -> list[Value]:
    """Call a split function's linear part: a cotangent per active argument, or a tangent per seeded result.

    The linear part leaves out what is zero, and a pushforward computes all results, asked for or not.
    """
    callee, active, seeded, reverse = key
    arguments, results = symbols.types(callee)
    ends, asked = (arguments, active) if reverse else (results, seeded)
    values = ops.call(split.linear, picked(ends, split.active), operands) if any(split.active) else []
    return picked(_filled(ends, split.active, values), asked)


def _jvp(transform: Transform, derivatives: Derivatives) -> list[Value]:
    symbol, present = derivatives.jvp(transform.callee, transform.active)
    _, types = derivatives.symbols.types(transform.callee)
    values = ops.call(symbol, [*types, *picked(types, present)], list(transform.op.operands))
    count = len(types)
    return [*values[:count], *picked(_filled(types, present, values[count:]), transform.seeded)]


def _vjp(transform: Transform, derivatives: Derivatives) -> list[Value]:
    active, seeded = transform.active, transform.seeded
    split = derivatives.split(transform.callee, active, seeded)
    operands = list(transform.op.operands)
    _, types = derivatives.symbols.types(transform.callee)
    primals, seeds = operands[: len(active)], operands[len(active) :]
    values = ops.call(split.primal, [*types, *split.residuals], primals)
    outs, residuals = values[: len(types)], values[len(types) :]
    key = (transform.callee, active, seeded, True)
    return [*outs, *_linear(derivatives.symbols, key, split, [*seeds, *residuals])]


def _transpose(transform: Transform, derivatives: Derivatives) -> list[Value]:
    symbol, present = derivatives.transpose(transform.callee, transform.active, transform.seeded)
    types = [result.type for result in transform.op.results]
    flags = tuple(picked(present, transform.active))
    values = ops.call(symbol, picked(types, flags), list(transform.op.operands))
    return _filled(types, flags, values)


_EXPANSIONS = {"jvp": _jvp, "vjp": _vjp, "transpose": _transpose}
