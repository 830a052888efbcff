"""The verifier of transform operations, for modules that somebody else may have written or edited."""

from __future__ import annotations

from mycc.dialects.errors import ModuleError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.transform import AUTODIFF, BATCH, Transform, complaint, match
from mycc.passes.symbols import Symbols

__all__ = ["check_transform", "check_transforms"]


def check_transforms(module: ir.Module) -> None:
    """Refuse transform operations that do not fit the functions they refer to.

    Raises:
        ModuleError: the message names the operation and what is wrong with it.
    """
    symbols = Symbols(module)
    for symbol in symbols.functions:
        for op in symbols.referring(symbol):
            transform = match(op)
            if transform is not None and transform.kind in AUTODIFF | BATCH:
                check_transform(symbols, transform)


def check_transform(symbols: Symbols, transform: Transform) -> None:
    """Refuse one transform operation, as `check_transforms` does all."""
    known = transform.callee in symbols.functions
    arguments, results = symbols.types(transform.callee) if known else (None, [])
    wrong = complaint(transform, arguments, results)
    if wrong is not None:
        raise ModuleError(f"{describe(transform.op.location)}: 'mycc.{transform.kind}' {wrong}")
