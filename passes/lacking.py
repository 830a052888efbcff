"""What StableHLO has and XLA lacks, or gets wrong, in operations that it has.

===================================  ===============================================================
in a module                          it becomes
===================================  ===============================================================
maximum, minimum of complex numbers  a choice by real, then by imaginary part; NaN wins
cbrt of complex numbers              a power of one third
add of truth values                  or: XLA takes it for that too, but folds constants as by xor
select_and_scatter of scalars        one of single elements: XLA aborts the process on its expansion
===================================  ===============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.sliding import Sliding

Value: TypeAlias = ir.Value

__all__ = ["REWRITES"]


def _is_complex(op: ir.Operation) -> bool:
    return isinstance(ops.element_of(op.results[0]), ir.ComplexType)


def _is_nan(x: Value) -> Value:
    return ops.compare("NE", x, x)


def _extreme(direction: str) -> Callable[[ir.Operation], Sequence[Value] | None]:
    def rewrite(op: ir.Operation) -> Sequence[Value] | None:
        if not _is_complex(op):
            return None
        x, y = op.operands
        same = ops.compare("EQ", ops.real(x), ops.real(y))
        by_imag = ops.compare(direction, ops.imag(x), ops.imag(y))
        first = ops.select(same, by_imag, ops.compare(direction, ops.real(x), ops.real(y)))
        return [ops.select(ops.or_(_is_nan(x), ops.and_(first, ops.not_(_is_nan(y)))), x, y)]

    return rewrite


def _cbrt(op: ir.Operation) -> Sequence[Value] | None:
    (x,) = op.operands
    return [ops.pow_(x, ops.full_like(x, 1 / 3))] if _is_complex(op) else None


def _add(op: ir.Operation) -> Sequence[Value] | None:
    return [ops.or_(*op.operands)] if ops.element_of(op.results[0]) == ops.BOOL else None


def _select_and_scatter(op: ir.Operation) -> Sequence[Value] | None:
    x, source, initial = op.operands
    if not isinstance(x.type, ir.RankedTensorType) or len(x.type.shape):
        return None
    operands = [ops.reshape(x, (1,)), ops.reshape(source, (1,)), initial]
    attributes = Sliding.of(op).batched().attributes(dilations=False)
    copy = ops.rebuild(op, operands, [operands[0].type], attributes)
    return [ops.reshape(copy.result, ())]


REWRITES: dict[str, Callable[[ir.Operation], Sequence[Value] | None]] = {
    "stablehlo.maximum": _extreme("GT"),
    "stablehlo.minimum": _extreme("LT"),
    "stablehlo.cbrt": _cbrt,
    "stablehlo.add": _add,
    "stablehlo.select_and_scatter": _select_and_scatter,
}
"""What gives the values of an operation; None where XLA has it as it stands."""
