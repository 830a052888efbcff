"""Modules that leave sizes open, made static for the arguments of one call."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from mycc.dialects.errors import ModuleError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.lowering import pjrt
from mycc.lowering.flatten import can_inline
from mycc.passes.pipeline import Pipeline
from mycc.passes.symbols import Symbols, copy_module, operations

__all__ = ["open_shape", "refine"]

_ARGUMENTS = "builtin.module(stablehlo-refine-arguments{{types={types}}})"
_SHAPES = "builtin.module(stablehlo-refine-shapes)"
_FINISH = "builtin.module(func.func(stablehlo-canonicalize-dynamism),canonicalize,symbol-dce,normalize)"


def refine(module: ir.Module, shapes: Sequence[tuple[int, ...]], name: str) -> ir.Module:
    """A copy of a module for arguments of the given shapes, in which all shapes are known.

    Functions stay functions where MLIR can refine them. It cannot where they are called with several shapes, and
    does not know XLA's operations of dynamic shapes; XLA itself does both, and inlines all calls.

    Raises:
        ModuleError: shapes inside depend on more than the arguments' shapes, or an assertion on them fails.
    """
    try:
        found = _refined(module, shapes, name)
    except _Unrefined:
        if not can_inline(Symbols(module)):
            raise
        found = _refined(module, shapes, name, by_xla=True)
    return found


class _Unrefined(ModuleError):
    """Shapes that could not be worked out in one way."""


def _refined(
    source: ir.Module, shapes: Sequence[tuple[int, ...]], name: str, by_xla: bool = False
) -> ir.Module:
    module = copy_module(source)
    entry = Symbols(module)["main"]
    inputs = entry.attributes["function_type"].value.inputs
    types = [
        ir.RankedTensorType.get(s, t.element_type, loc=entry.location)
        for s, t in zip(shapes, inputs, strict=True)
    ]
    try:
        Pipeline.parse(_ARGUMENTS.format(types=",".join(map(str, types)))).run(module)
        if by_xla:
            module = _refined_by_xla(module)
        else:
            Pipeline.parse(_SHAPES).run(module)
        Pipeline.parse(_FINISH).run(module)
    except ModuleError:
        raise
    except Exception as error:
        raise _Unrefined(f"{name}: its shapes cannot be worked out for these arguments: {error}") from None
    op = open_shape(module)
    if op is not None:
        raise _Unrefined(
            f"{describe(op.location)}: the shape of '{op.name}' does not follow from the shapes of {name}'s arguments; "
            "export the module with static shapes"
        )
    return module


def _refined_by_xla(module: ir.Module) -> ir.Module:
    buffer = io.BytesIO()
    module.operation.write_bytecode(buffer)
    text: Any = pjrt.refine_shapes(buffer.getvalue())
    refined = ir.Module.parse(text, context=context)
    # What was inlined is left, and public.
    for symbol, function in Symbols(refined).functions.items():
        function.attributes["sym_visibility"] = ir.StringAttr.get(
            "public" if symbol == "main" else "private", context=context
        )
    return refined


def open_shape(module: ir.Module) -> ir.Operation | None:
    """The first operation, or function, with a value whose shape is not known."""
    for function in Symbols(module).functions.values():
        for argument in function.regions[0].blocks[0].arguments:
            if not argument.type.has_static_shape:
                return function
        for op in operations(function):
            for result in op.results:
                if isinstance(result.type, ir.RankedTensorType) and not result.type.has_static_shape:
                    return op
    return None
