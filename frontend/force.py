"""Computing a traced value on request: eager `grad`, `jvp` and `vjp` keep their concrete inputs.

The prefix of the function that leads to the value is compiled and run, inner transforms expanded, and tracing
goes on, so that Python control flow on values works under eager derivatives.
"""

from __future__ import annotations

from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.callback import match
from mycc.dialects.errors import ConcretizationError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.eager import execute
from mycc.passes.silence import lasting_effect
from mycc.passes.symbols import Symbols
from mycc.source import user_line
from mycc.trace import Frame, Tracer, concretization_error, leaked

__all__ = ["force"]


def force(x: Tracer, what: str) -> Array:
    """The concrete array that a traced value stands for.

    Raises:
        ConcretizationError: the value is traced under `jit` or `vmap`, where its numbers are not known.
        LeakedTracerError: its trace has ended.
    """
    frame = x._frame
    if not frame.alive:
        raise leaked(x)
    if not _is_concrete(frame):
        raise concretization_error(x, what)
    sources = _sources(frame)
    if isinstance(x._value.owner, ir.Block):
        known: Array = sources[ir.BlockArgument(x._value).arg_number]._concrete(what)
        return known
    arguments = [source._concrete(what) for source in sources]
    result: Array = execute(frame.name, _prefix(x, what), [x._aval], arguments)[0]
    return result


def _is_concrete(frame: Frame | None) -> bool:
    while frame is not None:
        if frame.parent is None:
            return frame.trace.eager
        if frame.kind != "grad":
            return False
        frame = frame.parent
    return False


def _sources(frame: Frame) -> list[Tracer | Array]:
    """What stands behind each argument of a frame's function."""
    if frame.parent is None:
        return list(frame.trace.hidden)
    return [*frame.operands, *frame.captured]


def _prefix(x: Tracer, what: str) -> ir.Module:
    """A module whose main function is the function being traced, up to one of its values."""
    frame = x._frame
    with context, frame.location:
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            for op in frame.trace.module.body.operations:
                symbol = op.attributes["sym_name"].value
                if symbol == frame.symbol:
                    main = op.operation.clone()
                elif symbol not in frame.trace.open:
                    op.operation.clone()
        block = main.regions[0].blocks[0]
        value = _counterpart(x, frame, block)
        with ir.InsertionPoint(block):
            ops.return_([value])
        type_ = ir.FunctionType.get([argument.type for argument in block.arguments], [value.type])
        main.attributes["function_type"] = ir.TypeAttr.get(type_)
        main.attributes["sym_name"] = ir.StringAttr.get("main")
        main.attributes["sym_visibility"] = ir.StringAttr.get("public")
        if frame.trace.callbacks:
            _leave_out_effects(what, module)
    return module


def _counterpart(x: Tracer, frame: Frame, block: ir.Block) -> ir.Value:
    """The value of a copied body at the place where the traced value stands in the original."""
    value = x._value
    for original, copy in zip(frame.block.arguments, block.arguments, strict=True):
        if original == value:
            return copy
    owner = value.owner
    for op, copied in zip(frame.block.operations, block.operations, strict=True):
        if op.operation == owner.operation:
            return copied.operation.results[ir.OpResult(value).result_number]
    raise concretization_error(x, "a value inside a region")


def _leave_out_effects(what: str, module: ir.Module) -> None:
    """Take the effects out of a prefix: they come with the whole program, which computes the prefix again."""
    symbols = Symbols(module)
    found = lasting_effect(symbols, "main")
    if found is not None:
        raise ConcretizationError(
            f"{user_line()}: {what} needs a number that comes after the io_callback of '{found.name}' "
            f"({describe(found.op.location)}); to compute it now would run the callback twice: use mycc.lax.cond or "
            "while_loop, or call the callback before the function is differentiated"
        )
    for symbol in symbols.functions:
        for op in list(symbols.referring(symbol)):
            callback = match(op)
            if callback is not None and callback.kind == "debug":
                op.erase()
