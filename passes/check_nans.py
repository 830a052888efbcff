"""The `check-nans` pass: lets a program tell which of its operations made the first NaN.

A number is threaded through the program: 0 until an operation gives a NaN though none of its operands has one,
from then on the position of that operation in the module's list ``mycc.checks``. Functions that can be called from
outside return it as their last result. Branches and loops are followed into, so the operation may stand in the
derivative of a loop's body, and still has the line of the Python program that it derives from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.locations import describe_function
from mycc.dialects.mlir import context, ir
from mycc.dialects.transform import target_of
from mycc.dialects.types import dtype_of, tensor
from mycc.passes.base import Pass, option
from mycc.passes.symbols import Symbols
from mycc.passes.thread import Thread

Value: TypeAlias = ir.Value

__all__ = ["CHECKS", "CheckNans"]

CHECKS = "mycc.checks"
"""The module attribute that lists the checked operations, each as ``'name' at file:line``."""


@dataclass(frozen=True)
class CheckNans(Pass):
    """Makes public functions return which operation made the first NaN, as a position in mycc.checks, or 0."""

    name = "check-nans"
    infs: bool = option(False, help="look for infinities as well")

    def run(self, module: ir.Module) -> None:
        """Thread the number through every function that computes floats. Transform operations must be expanded."""
        checks: list[str] = []
        scalar = tensor((), ops.I32)
        dirty = _Dirty(self.infs)

        def check(op: ir.Operation, first: Value) -> Value:
            checks.append(f"'{target_of(op)}' at {describe_function(op.location)}")
            found = dirty.any_of(list(op.results))
            if found is None:
                return first
            before = dirty.any_of(list(op.operands))
            made = found if before is None else ops.and_(found, ops.not_(before))
            none = ops.compare("EQ", first, ops.full(scalar, 0))
            return ops.select(ops.and_(none, made), ops.full(scalar, len(checks)), first)

        Thread(Symbols(module), self._is_checked, check).run(lambda: ops.full(scalar, 0), returned=True)
        self.count("checked operations", len(checks))
        listed = [ir.StringAttr.get(text, context=context) for text in checks]
        module.operation.attributes[CHECKS] = ir.ArrayAttr.get(listed, context=context)

    def _is_checked(self, op: ir.Operation) -> bool:
        if op.name == "func.return" or op.name == "stablehlo.return":
            return False
        if op.name == "stablehlo.constant":
            return not self.infs and _holds_nan(op)
        return any(_is_float(result) for result in op.results)


def _is_float(value: Value) -> bool:
    type_ = value.type
    if not isinstance(type_, ir.RankedTensorType):
        return False
    element = type_.element_type
    return isinstance(element, (ir.FloatType, ir.ComplexType))


def _holds_nan(op: ir.Operation) -> bool:
    if not _is_float(op.result) or isinstance(op.result.type.element_type, ir.ComplexType):
        return False
    dtype = dtype_of(op.result.type)
    try:
        attribute = ir.DenseElementsAttr(op.attributes["value"])
        elements = attribute.get_splat_value() if attribute.is_splat else np.asarray(attribute)
        number = elements.value if isinstance(elements, ir.FloatAttr) else elements
        return bool(np.isnan(np.asarray(number).astype(dtype)).any())
    except (TypeError, ValueError):  # an element type without a buffer: bfloat16 and smaller
        return "nan" in str(attribute).lower()


class _Dirty:
    """Whether values have a NaN (or an infinity), computed where it is asked for."""

    def __init__(self, infs: bool) -> None:
        self.infs = infs

    def any_of(self, values: list[Value]) -> Value | None:
        """Whether one of the float tensors among the values has one; None if there is no such tensor."""
        total: Value | None = None
        for value in dict.fromkeys(values):
            if not _is_float(value):
                continue
            found = self._any(value)
            total = found if total is None else ops.or_(total, found)
        return total

    def _any(self, value: Value) -> Value:
        if isinstance(value.type.element_type, ir.ComplexType):
            return ops.or_(self._any(ops.real(value)), self._any(ops.imag(value)))
        bad = ops.not_(ops.is_finite(value)) if self.infs else ops.compare("NE", value, value)
        rank = len(value.type.shape)
        return ops.reduce(bad, ops.full(tensor((), ops.BOOL), False), range(rank), ops.or_) if rank else bad
