"""`from_stablehlo`: functions of modules that other frameworks wrote, as array functions of mycc."""

from __future__ import annotations

import inspect
import keyword
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mycc.constraint import constrained
from mycc.device import devices
from mycc.dialects import transform
from mycc.dialects.errors import ModuleError
from mycc.dialects.mlir import context, ir
from mycc.emit import convert
from mycc.function import Callee, building, call
from mycc.jit import jit
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.foreign import Parameter, Program, take_in
from mycc.lowering.sharded import Split
from mycc.lowering.shardings import NamedSharding
from mycc.lowering.sources import read_source, source_of
from mycc.passes.symbols import Symbols, operations
from mycc.sharding import make_mesh
from mycc.source import user_line
from mycc.trace import Frame, Tracer, current
from mycc.types import abstractify

__all__ = ["ForeignFunction", "from_stablehlo"]


_IS_TEXT = re.compile(r"[{\n]|^\s*(module|func\.func)\b")


def from_stablehlo(
    source: str | os.PathLike[str] | bytes, function: str = "main", *, platform_index: int = 0
) -> ForeignFunction:
    """A function of a StableHLO module, to be called, differentiated, batched and compiled as any other.

    Args:
        source: the path of a file, or what is in one: MLIR text, MLIR bytecode, or a portable artifact (as
            ``jax.export`` and `Exported.serialize` write it). A string that holds a brace is text.
        function: the name of the function in the module.
        platform_index: which platform to choose, in a module that `jax.export` wrote for several: its number
            among them.

    Returns:
        A function of as many arrays as the module's takes, by position, with its shapes and dtypes; where the
        module leaves a size open, it follows from the arrays of each call. It returns an array, or a tuple of
        them if there is not exactly one. ``in_avals`` and ``out_avals`` describe both.

    Raises:
        ModuleError: the module does not parse or verify, has no such function, or holds what cannot run here:
            unknown custom calls, callbacks, communication between devices, ordered effects. The message names
            file, line and operation.

    Where the module says how its arguments and results are spread (``sdy.sharding``), they are spread so over the first
    devices, if there are as many as it is for; with fewer it runs on one. What it says of values inside is left to the
    partitioner.

    Example:
        >>> import mycc
        >>> f = mycc.from_stablehlo('''
        ... func.func @main(%x: tensor<f32>, %y: tensor<f32>) -> tensor<f32> {
        ...   %0 = stablehlo.multiply %x, %y : tensor<f32>
        ...   return %0 : tensor<f32>
        ... }''')
        >>> f
        <text:@main(x: f32[], y: f32[]) -> f32[]>
        >>> mycc.grad(f, argnums=1)(3.0, 4.0)
        Array(3., dtype=float32, weak_type=True)
    """
    if isinstance(source, bytes):
        found = source_of("bytes", source)
    elif isinstance(source, str) and (_IS_TEXT.search(source) or not source):
        found = source_of("text", source)
    elif isinstance(source, (str, os.PathLike)):
        try:
            found = read_source(os.fspath(source))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ModuleError(f"{os.fspath(source)}: error: {reason}") from None
    else:
        raise TypeError(
            f"{user_line()}: from_stablehlo takes a path, text or bytes, got {type(source).__name__}; "
            "of a jax.export.Exported take its mlir_module_serialized"
        )
    return ForeignFunction(take_in(found, function, platform_index=platform_index))


class ForeignFunction:
    """A function of a module from elsewhere; see `from_stablehlo`.

    Args:
        program: the module, taken in.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self.__name__ = program.name.rpartition("@")[2]
        self.__qualname__ = self.__name__
        self.__doc__ = f"The function {program.name}."
        self.__signature__ = _signature(program.parameters)
        self._refined: dict[tuple[tuple[int, ...], ...], Program] = {}
        self._run = jit(self._emit)

    @property
    def in_avals(self) -> tuple[Parameter, ...]:
        """Name, shape and dtype of each argument; a size is None where the module leaves it open."""
        return self._program.parameters

    @property
    def out_avals(self) -> tuple[Parameter, ...]:
        """Shape and dtype of each result."""
        return self._program.results

    def as_text(self) -> str:
        """The module as mycc took it in, as MLIR text; its function is ``main``."""
        return str(self._program.module)

    def __call__(self, *args: Any) -> Any:
        """Call the function.

        Args:
            args: one array (or number) for each argument, of its shape and dtype.

        Raises:
            TypeError: their number, or the shape or dtype of one, is another.
            ModuleError: sizes that the module leaves open do not fit together.
        """
        wanted = self._program.parameters
        if len(args) != len(wanted):
            listed = ", ".join(f"{p.name}: {p}" for p in wanted) or "none"
            raise TypeError(
                f"{user_line()}: {self._program.name} takes {len(wanted)} arguments ({listed}), got {len(args)}"
            )
        if current() is None:
            return self._run(*args)
        return self._emit(*args)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{p.name}: {p}" for p in self._program.parameters)
        results = ", ".join(map(str, self._program.results))
        single = len(self._program.results) == 1
        return f"<{self._program.name}({arguments}) -> {results if single else f'({results})'}>"

    def _emit(self, *args: Any) -> Any:
        frame = current()
        assert frame is not None, "jit traces it"
        avals = [abstractify(x) for x in args]
        for parameter, aval in zip(self._program.parameters, avals, strict=True):
            self._check(parameter, aval)
        with building(frame):
            values = [
                convert(frame.lift(x), aval.dtype, p.dtype)
                for x, aval, p in zip(args, avals, self._program.parameters, strict=True)
            ]
        made = [
            Tracer(frame, value, AbstractValue(a.shape, p.dtype))
            for value, a, p in zip(values, avals, self._program.parameters, strict=True)
        ]
        spread = [self._spread(x, split) for x, split in zip(made, self._program.ins, strict=True)]
        with building(frame):
            values = [frame.lift(x) for x in spread]
        results = call(frame, self._callee(frame, tuple(aval.shape for aval in avals)), values)
        results = [self._spread(x, split) for x, split in zip(results, self._program.outs, strict=True)]
        return results[0] if len(results) == 1 else tuple(results)

    def _spread(self, x: Any, split: Split | None) -> Any:
        """An argument or result as the module says, where there are as many devices as it is for."""
        if split is None or math.prod(size for _, size in split.axes) > len(devices()):
            return x
        mesh = make_mesh([size for _, size in split.axes], [name for name, _ in split.axes])
        return constrained(x, NamedSharding(mesh, split.spec), self._program.name)

    def _check(self, parameter: Parameter, aval: AbstractValue) -> None:
        if not parameter.admits(aval.shape) or (
            parameter.dtype != aval.dtype and not _may_become(aval, parameter)
        ):
            raise TypeError(
                f"{user_line()}: argument {parameter.name} of {self._program.name} is {parameter}, got {aval}; "
                "convert or reshape it"
            )

    def _callee(self, frame: Frame, shapes: tuple[tuple[int, ...], ...]) -> Callee:
        program = self._program
        if not program.static:
            found = self._refined.get(shapes)
            program = self._refined[shapes] = found or program.refined(shapes)
        key = (self, shapes)
        known: Callee | None = frame.trace.calls.get(key)
        if known is None:
            known = frame.trace.calls[key] = _insert(frame, program, self.__name__)
        frame.effects |= known.function.effects
        return known


def _may_become(aval: AbstractValue, parameter: Parameter) -> bool:
    """Whether a number that has no dtype of its own may take the argument's: a float does not become an integer."""
    order = "biufc"
    kinds = ("f" if d.kind == "V" else d.kind for d in (aval.dtype, parameter.dtype))
    given, wanted = (order.find(kind) for kind in kinds)
    return aval.weak_type and given <= wanted


def _signature(parameters: Sequence[Parameter]) -> inspect.Signature:
    names = [p.name if p.name.isidentifier() else f"arg{i}" for i, p in enumerate(parameters)]
    if len(set(names)) < len(names) or any(map(keyword.iskeyword, names)):
        names = [f"arg{i}" for i in range(len(names))]
    kind = inspect.Parameter.POSITIONAL_ONLY
    return inspect.Signature(
        [inspect.Parameter(n, kind, annotation=str(p)) for n, p in zip(names, parameters, strict=True)]
    )


def _insert(frame: Frame, program: Program, name: str) -> Callee:
    """Copy a program's functions into the module under construction, under names that are free there."""
    symbols = Symbols(program.module)
    trace = frame.trace
    renamed = {s: trace.symbol(name if s == "main" else s) for s in symbols.functions}
    effects = False
    with context, ir.InsertionPoint(trace.module.body):
        for symbol, function in symbols.functions.items():
            copy = function.clone()
            copy.attributes["sym_name"] = ir.StringAttr.get(renamed[symbol])
            copy.attributes["sym_visibility"] = ir.StringAttr.get("private")
            for op in operations(copy):
                if op.name in _REFERRING:
                    effects |= _rename(op, renamed)
    arguments, results = symbols.types("main")
    function = transform.Callee(renamed["main"], tuple(arguments), tuple(results), effects)
    avals = tuple(AbstractValue(tuple(n or 0 for n in r.shape), r.dtype) for r in program.results)
    return Callee(function, pytrees.structure_of(avals), avals, ())


_REFERRING = {
    "func.call": ("callee",),
    "stablehlo.custom_call": ("called_computations",),
    "stablehlo.composite": ("decomposition", "composite_attributes"),
}


def _rename(op: ir.Operation, renamed: Mapping[str, str]) -> bool:
    """Let an operation refer to functions by their new names; whether it has side effects."""
    attributes = op.attributes
    for name in _REFERRING[op.name]:
        if name in attributes:
            attributes[name] = _renamed(attributes[name], renamed)
    return "has_side_effect" in attributes and bool(attributes["has_side_effect"].value)


def _renamed(attribute: Any, renamed: Mapping[str, str]) -> ir.Attribute:
    if isinstance(attribute, ir.FlatSymbolRefAttr):
        return ir.FlatSymbolRefAttr.get(renamed.get(attribute.value, attribute.value))
    # In a portable artifact, references inside of a composite's attributes come back as strings.
    if isinstance(attribute, ir.StringAttr) and attribute.value in renamed:
        return ir.FlatSymbolRefAttr.get(renamed[attribute.value])
    if isinstance(attribute, ir.ArrayAttr):
        return ir.ArrayAttr.get([_renamed(a, renamed) for a in attribute])
    if isinstance(attribute, ir.DictAttr):
        return ir.DictAttr.get({a.name: _renamed(a.attr, renamed) for a in attribute})
    return attribute
