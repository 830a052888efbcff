"""Linearizations that outlive their trace: residual handles become arrays, and the linear part a program.

Inside a trace a pullback holds a handle, and the passes find its residuals. When it leaves the trace (returned
from `jit`, or made by an eager `vjp`), the linearization is expanded at once: the pullback then is a pytree
whose leaves are the residuals, beside the linear program that takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops, transform
from mycc.dialects.composites import rename
from mycc.dialects.mlir import context, ir
from mycc.dialects.types import dtype_of, token
from mycc.function import building
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.callbacks import functions_of
from mycc.lowering.pipelines import transforms
from mycc.passes.symbols import callees, operations
from mycc.trace import Frame, Tracer, mlir_type

__all__ = [
    "AbstractHandle",
    "Linearization",
    "Program",
    "Residuals",
    "escape",
    "expand_handles",
    "gathered",
    "linear_call",
    "linearization_of",
]

Value: TypeAlias = ir.Value
Flags = tuple[bool, ...]


@dataclass(frozen=True)
class Linearization:
    """Which linearization a handle stands for: a function of the module and how it is differentiated."""

    function: transform.Callee
    active: Flags
    seeded: Flags
    reverse: bool

    @property
    def seeds(self) -> list[ir.Type]:
        """Types of the linear part's arguments."""
        types, flags = (
            (self.function.results, self.seeded) if self.reverse else (self.function.arguments, self.active)
        )
        return [t for t, flag in zip(types, flags, strict=True) if flag]

    def apply(self, handle: Value, seeds: Sequence[Value]) -> list[Value]:
        """The pullback or pushforward operation."""
        build = transform.pullback if self.reverse else transform.pushforward
        return build(self.function, self.active, self.seeded, handle, seeds)


_NO_DTYPE = np.dtype(np.void)


@dataclass(frozen=True)
class AbstractHandle:
    """What is known of a residual handle; it stands where an `AbstractValue` does for arrays."""

    linearization: Linearization
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] = _NO_DTYPE
    weak_type: bool = False
    ndim: int = 0
    size: int = 0

    @property
    def mlir_type(self) -> ir.Type:
        """The type of handles in IR."""
        return token

    def __str__(self) -> str:
        return f"residuals of {self.linearization.function.symbol}"


def linearization_of(aval: object) -> Linearization | None:
    """What a handle stands for; None for what is known of an array."""
    return aval.linearization if isinstance(aval, AbstractHandle) else None


class Program:
    """A linear function in a module of its own: from residuals and seeds to tangents or cotangents."""

    def __init__(self, module: ir.Module, residuals: int, entry: str = "linear") -> None:
        self.module = module
        self.residuals = residuals
        self.entry = entry
        self.callbacks = functions_of(module)

    def imported(self, frame: Frame) -> str:
        """The program's symbol in the module of a trace, its functions copied there once."""
        found: str | None = frame.trace.calls.get(self)
        if found is None:
            frame.trace.callbacks.update(dict.fromkeys(self.callbacks))
            found = frame.trace.calls[self] = _import(self.module, frame, self.entry)
        return found


def _import(module: ir.Module, frame: Frame, entry: str) -> str:
    trace = frame.trace
    functions = [op.operation for op in module.body.operations]
    names = {f.attributes["sym_name"].value: trace.symbol(f.attributes["sym_name"].value) for f in functions}
    with context, ir.InsertionPoint(trace.module.body):
        for function in functions:
            copy = function.clone()
            copy.attributes["sym_name"] = ir.StringAttr.get(names[function.attributes["sym_name"].value])
            copy.attributes["sym_visibility"] = ir.StringAttr.get("private")
            for op in operations(copy):
                if op.name == "func.call":
                    op.attributes["callee"] = ir.FlatSymbolRefAttr.get(names[op.attributes["callee"].value])
                elif op.name == "stablehlo.composite":
                    rename(op, names)
    return names[entry]


class Residuals:
    """The residuals of a linearization as a pytree of arrays, with the program that takes them."""

    def __init__(self, program: Program, arrays: Sequence[Any]) -> None:
        self.program = program
        self.arrays = tuple(arrays)


pytrees.register_node(Residuals, lambda r: (r.arrays, r.program), Residuals)


def linear_call(
    frame: Frame, linearization: Linearization, source: Any, seeds: Sequence[Value]
) -> list[Value]:
    """The linear part of a linearization at its seeds, from a handle or from residual arrays."""
    with building(frame):
        if isinstance(source, Tracer):
            return linearization.apply(frame.lift(source), seeds)
        program: Program = source.program
        types, flags = (
            (linearization.function.arguments, linearization.active)
            if linearization.reverse
            else (linearization.function.results, linearization.seeded)
        )
        results = [t for t, flag in zip(types, flags, strict=True) if flag]
        return ops.call(program.imported(frame), results, [*(frame.lift(a) for a in source.arrays), *seeds])


def expand_handles(
    module: ir.Module, out_avals: Sequence[AbstractValue]
) -> tuple[list[Program | None], list[AbstractValue]]:
    """Expand a traced module whose main function returns handles, each for the residuals it stands for.

    Returns:
        For each result the program of its linear part, None where it is no handle; and what is known of what
        main returns then, with residuals in the place of handles. The module is left alone if there is none.
    """
    found = [(i, linearization_of(aval)) for i, aval in enumerate(out_avals)]
    handles = {i: linearization for i, linearization in found if linearization is not None}
    if not handles:
        return [None] * len(out_avals), list(out_avals)
    for i, linearization in handles.items():
        with context, module.operation.location, ir.InsertionPoint(module.body):
            function = _open_function(f"linear_part_{i}", [token, *linearization.seeds])
            block = function.regions[0].blocks[0]
            with ir.InsertionPoint(block):
                results = linearization.apply(block.arguments[0], list(block.arguments)[1:])
                ops.return_(results)
            _retype(function, [value.type for value in results])
    # An axis that a function names may be bound where the linear part is used, so `resolve` does not run yet.
    transforms(module).run(module)
    main = module.body.operations[0].operation.regions[0].blocks[0]
    types = iter(value.type for value in main.operations[len(main.operations) - 1].operands)
    programs: list[Program | None] = []
    avals: list[AbstractValue] = []
    for i, aval in enumerate(out_avals):
        if i not in handles:
            next(types)
            programs.append(None)
            avals.append(aval)
            continue
        program = _extract(module, f"linear_part_{i}", len(handles[i].seeds))
        programs.append(program)
        for _ in range(program.residuals):
            type_ = next(types)
            avals.append(AbstractValue(tuple(type_.shape), dtype_of(type_)))
    return programs, avals


def gathered(programs: Sequence[Program | None], results: Sequence[Any]) -> list[Any]:
    """The results of an expanded main function, residuals collected for each handle."""
    remaining = iter(results)
    return [
        next(remaining)
        if program is None
        else Residuals(program, [next(remaining) for _ in range(program.residuals)])
        for program in programs
    ]


def escape(leaf: Any) -> Any:
    """A traced handle as residual arrays, which can be passed, returned, stacked and mapped.

    The linearized function is differentiated now, on a copy, and the linear part becomes a `Program`. What the
    outermost function returns stays a handle: `expand_handles` replaces it, together with the whole module.
    """
    if not isinstance(leaf, Tracer) or not isinstance(leaf._aval, AbstractHandle):
        return leaf
    frame, linearize = leaf._frame, leaf._value.owner
    if frame.returning or not frame.alive:
        return leaf
    module = ir.Module.create(loc=frame.location)
    functions = {op.attributes["sym_name"].value: op.operation for op in frame.trace.module.body.operations}
    operands = list(linearize.operands)
    with context, frame.location, ir.InsertionPoint(module.body):
        main = _open_function("main", [operand.type for operand in operands])
        for name in sorted(_closure(functions, linearize.operation)):
            functions[name].clone()
        block = main.regions[0].blocks[0]
        with ir.InsertionPoint(block):
            copy = ops.rebuild(linearize.operation, list(block.arguments))
            ops.return_([copy.results[len(copy.results) - 1]])
        _retype(main, [token])
    (program,), avals = expand_handles(module, [leaf._aval])
    assert program is not None
    _prune(module)
    primal = Program(module, 0, entry="main")
    with building(frame):
        types = [mlir_type(aval) for aval in avals]
        values = ops.call(primal.imported(frame), types, operands)
    return Residuals(program, [Tracer(frame, value, aval) for value, aval in zip(values, avals, strict=True)])


def _closure(functions: dict[str, ir.Operation], op: ir.Operation) -> set[str]:
    """The symbols that an operation refers to, directly or through functions."""
    needed: set[str] = set()
    waiting = callees(op)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [callee for inner in operations(functions[name]) for callee in callees(inner)]
    return needed


def _prune(module: ir.Module) -> None:
    """Erase what main does not need."""
    functions = {op.attributes["sym_name"].value: op.operation for op in module.body.operations}
    needed = {name for op in operations(functions["main"]) for name in callees(op)}
    needed |= {
        name
        for start in list(needed)
        for op in operations(functions[start])
        for name in _closure(functions, op)
    }
    for name, function in functions.items():
        if name != "main" and name not in needed:
            function.erase()


def _open_function(name: str, types: Sequence[ir.Type]) -> ir.Operation:
    attributes = {
        "sym_name": ir.StringAttr.get(name),
        "function_type": ir.TypeAttr.get(ir.FunctionType.get(list(types), [])),
    }
    function = ir.Operation.create("func.func", [], [], attributes, regions=1)
    location = function.location
    function.regions[0].blocks.append(*types, arg_locs=[location] * len(types))
    return function


def _retype(function: ir.Operation, results: Sequence[ir.Type]) -> None:
    arguments = [argument.type for argument in function.regions[0].blocks[0].arguments]
    function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(arguments, list(results)))


def _extract(module: ir.Module, symbol: str, seeds: int) -> Program:
    """Move a function out into a module of its own, with copies of what it calls."""
    functions = {op.attributes["sym_name"].value: op.operation for op in module.body.operations}
    needed = {symbol}.union(*(_closure(functions, op) for op in operations(functions[symbol])))
    with context, module.operation.location:
        extracted = ir.Module.create()
        with ir.InsertionPoint(extracted.body):
            for name in sorted(needed):
                copy = functions[name].clone()
                if name == symbol:
                    copy.attributes["sym_name"] = ir.StringAttr.get("linear")
    count = len(functions[symbol].regions[0].blocks[0].arguments) - seeds
    functions[symbol].erase()
    return Program(extracted, count)
