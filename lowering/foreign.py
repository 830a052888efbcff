"""Modules that mycc did not write: taken in, checked, and made ready for its passes.

Nothing is known of such a module but that it parses and verifies. What would crash or hang further on, or has
no meaning on one device, is refused here with its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mycc.dialects import ops
from mycc.dialects.errors import ModuleError
from mycc.dialects.locations import describe
from mycc.dialects.manual import NAME as MANUAL
from mycc.dialects.mlir import context, ir
from mycc.dialects.transform import match
from mycc.dialects.types import dtype_of, element_type, tensor, token
from mycc.lowering import pjrt
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.flatten import flatten
from mycc.lowering.handover import refuse_cycles
from mycc.lowering.legality import complaint as illegality
from mycc.lowering.refine import open_shape, refine
from mycc.lowering.sharded import Split, splits_of
from mycc.lowering.sources import Source, parse_module, rename
from mycc.lowering.trial import try_out
from mycc.passes.diagnostics import location_parts
from mycc.passes.normalize import Normalize
from mycc.passes.pipeline import Pipeline
from mycc.passes.symbols import Symbols, callees, may_have_regions, operations
from mycc.passes.tokens import erase_tokens
from mycc.passes.verify import check_transform

__all__ = ["Parameter", "Program", "make_entry", "take_in"]

_MAX_BYTES = 1 << 47  # What a process can address; XLA ends it where a product of sizes overflows.
_MAX_NESTING = 64  # Compilers write a dozen; derivatives recurse on them in Python.
_REMOTE = frozenset(
    f"stablehlo.{name}"
    for name in "all_gather all_reduce all_to_all collective_broadcast collective_permute cross-replica-sum "
    "infeed outfeed partition_id recv reduce_scatter replica_id send".split()
)
_CALLBACK = re.compile(r"python_(cpu|gpu|tpu)_callback|xla_python_|_callback$")
_KERNELS = ("mycc.", "lapack_", "cublas", "cuda_", "cudnn", "cufft", "cusolver", "cusparse", "cu_")
_BUILT_IN = frozenset({"ApproxTopK", "TopK"})  # XLA expands them itself.
_ASSERTION = "shape_assertion"
_GLOBAL = "jax.global_constant"
_PLATFORM = "_platform_index"
# The second one where JAX works in 64 bits.
_PLATFORM_TYPES = [tensor((), element_type(dtype)) for dtype in ("int32", "int64")]


@dataclass(frozen=True)
class Parameter:
    """An argument or result of a program.

    Args:
        name: as the module has it, or ``arg0``, ``arg1``, ...
        shape: the size of each dimension, None where the module leaves it open.
        dtype: of the elements.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]

    def admits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape fits."""
        return len(shape) == len(self.shape) and all(
            wanted in (None, got) for wanted, got in zip(self.shape, shape, strict=True)
        )

    def __str__(self) -> str:
        known = str(AbstractValue(tuple(n or 0 for n in self.shape), self.dtype)).partition("[")[0]
        return f"{known}[{','.join('?' if n is None else str(n) for n in self.shape)}]"


@dataclass(frozen=True)
class Program:
    """A module from elsewhere whose public function ``main`` is the one that was asked for.

    Args:
        module: StableHLO, normalized; functions that ``main`` does not use are gone.
        name: of the file or text, and of the function.
        parameters: the arguments.
        results: the results.
        static: whether all shapes in the module are known.
        ins, outs: how arguments and results are spread over devices, where the module says.
    """

    module: ir.Module
    name: str
    parameters: tuple[Parameter, ...]
    results: tuple[Parameter, ...]
    static: bool
    ins: tuple[Split | None, ...] = ()
    outs: tuple[Split | None, ...] = ()

    def refined(self, shapes: Sequence[tuple[int, ...]]) -> Program:
        """The program for arguments of these shapes, with all shapes known.

        Raises:
            ModuleError: shapes inside depend on more than the arguments' shapes, or an assertion on them fails.
        """
        module = refine(self.module, shapes, self.name)
        _check(self.name, module)
        _check_operations(self.name, module)
        return replace(self, module=module, static=True, results=_described(module)[1])


def take_in(source: Source | ir.Module, function: str = "main", *, platform_index: int = 0) -> Program:
    """A module, ready for mycc's passes.

    Args:
        source: text, bytecode or a portable artifact; or a module, which is changed.
        function: the name of the function to run.
        platform_index: the number of the platform to run on among those that `jax.export` wrote the module for.

    Raises:
        ModuleError: the module does not parse or verify, has no such function, or holds what mycc cannot run.
    """
    if not isinstance(source, Source):
        return _take_in(source, "<module>", None, function, platform_index)
    try:
        try_out(source)
        return _take_in(parse_module(source), source.name, source.text, function, platform_index)
    except ModuleError as error:
        raise ModuleError(rename(str(error), source.name)) from None


def _take_in(
    module: ir.Module, file: str, text: str | bytes | None, function: str, platform_index: int
) -> Program:
    name = f"{file}:@{function}"
    make_entry(module, function, file)
    if _choose_platform(module, platform_index):
        Pipeline.parse("builtin.module(canonicalize)").run(module)
    Pipeline.parse("builtin.module(symbol-dce)").run(module)
    refuse_cycles(Symbols(module))
    flatten(module)
    try:
        _check(name, module)
    except _TokenError:
        erase_tokens(module)
        _check(name, module)
    names = _names(Symbols(module)["main"], text)
    ins, outs = splits_of(module)
    Pipeline([Normalize()]).run(module)
    static = open_shape(module) is None
    if static and _asserts(module):
        # Shapes are known, what is asserted of them is not computed yet.
        module = refine(module, [tuple(t.shape) for t in Symbols(module).types("main")[0]], name)
    if static:
        _check_operations(name, module)
    parameters, results = _described(module)
    named = tuple(replace(p, name=n) for p, n in zip(parameters, names, strict=True))
    return Program(module, name, named, results, static, tuple(ins), tuple(outs))


def make_entry(module: ir.Module, name: str, file: str) -> None:
    """Gives the function of that name the name that XLA starts from, and makes all others private.

    Raises:
        ModuleError: there is no such function, or it has no body.
    """
    functions = Symbols(module).functions
    if name not in functions:
        found = ", ".join(f"@{f}" for f in functions) or "none"
        raise ModuleError(f"{file}: error: no function @{name}; there are {found}")
    if not functions[name].regions[0].blocks:
        raise ModuleError(f"{file}: error: the function @{name} is declared and not defined")
    with context, module.operation.location:
        private, public = ir.StringAttr.get("private"), ir.StringAttr.get("public")
        for symbol, function in functions.items():
            function.attributes["sym_visibility"] = public if symbol == name else private
        if name == "main":
            return
        if "main" in functions:
            other = next(s for s in _fresh("main.other") if s not in functions)
            ir.SymbolTable.replace_all_symbol_uses("main", other, module.operation)
            ir.SymbolTable.set_symbol_name(functions["main"], other)
        ir.SymbolTable.replace_all_symbol_uses(name, "main", module.operation)
        ir.SymbolTable.set_symbol_name(functions[name], "main")


def _fresh(base: str) -> Iterator[str]:
    yield base
    n = 0
    while True:
        n += 1
        yield f"{base}.{n}"


# ---- What is known of the arguments --------------------------------------------------------------

_NAMED = re.compile(r'^loc\("((?:[^"\\]|\\.)*)"(?:\(|\))')
_VALUE = re.compile(r"%([A-Za-z_][\w$.\-]*)")


def _names(entry: ir.Operation, text: str | bytes | None) -> list[str]:
    """Names of the arguments: their locations', as JAX writes them, or those in the text."""
    lines = text.split("\n") if isinstance(text, str) else []
    found = []
    for i, argument in enumerate(entry.regions[0].blocks[0].arguments):
        location = argument.location
        named = _NAMED.match(str(location))
        parts = location_parts(location)
        written = None
        if named is None and parts is not None and 0 < parts[1] <= len(lines):
            written = _VALUE.match(lines[parts[1] - 1], parts[2] - 1)
        name = named[1] if named is not None else written[1] if written is not None else ""
        found.append(name or f"arg{i}")
    return found if len(set(found)) == len(found) else [f"arg{i}" for i in range(len(found))]


def _described(module: ir.Module) -> tuple[tuple[Parameter, ...], tuple[Parameter, ...]]:
    inputs, results = Symbols(module).types("main")
    return (
        tuple(_parameter(f"arg{i}", type_) for i, type_ in enumerate(inputs)),
        tuple(_parameter(f"result{i}", type_) for i, type_ in enumerate(results)),
    )


def _parameter(name: str, type_: Any) -> Parameter:
    sizes = [None if type_.is_dynamic_dim(i) else int(type_.shape[i]) for i in range(type_.rank)]
    return Parameter(name, tuple(sizes), dtype_of(type_))


def _choose_platform(module: ir.Module, index: int) -> bool:
    """Replace an argument that says which of several platforms runs the module; whether there was one."""
    entry = Symbols(module)["main"]
    if "arg_attrs" not in entry.attributes:
        return False
    block = entry.regions[0].blocks[0]
    attributes = list(entry.attributes["arg_attrs"])
    for i, given in enumerate(attributes):
        if (
            _GLOBAL in given
            and given[_GLOBAL].value == _PLATFORM
            and block.arguments[i].type in _PLATFORM_TYPES
        ):
            break
    else:
        return False
    with context, entry.location:
        with ir.InsertionPoint.at_block_begin(block):
            block.arguments[i].replace_all_uses_with(ops.full(block.arguments[i].type, index))
        block.erase_argument(i)
        entry.attributes["arg_attrs"] = ir.ArrayAttr.get(attributes[:i] + attributes[i + 1 :])
    Symbols(module).retype("main")
    return True


# ---- What is refused -----------------------------------------------------------------------------


def _check(name: str, module: ir.Module) -> None:
    """Refuse what passes must not meet: functions that call themselves, several blocks, sizes that overflow."""
    symbols = Symbols(module)
    _check_nesting(symbols)
    for op in module.body.operations:
        if op.operation.name not in ("func.func", "sdy.mesh"):
            raise ModuleError(
                f"{describe(op.location)}: '{op.operation.name}' in {name} is no part of StableHLO"
            )
    for symbol, function in symbols.functions.items():
        blocks = function.regions[0].blocks
        if not len(blocks):
            raise ModuleError(
                f"{describe(function.location)}: the function @{symbol}, which {name} calls, is declared and not defined"
            )
        if len(blocks) > 1:
            raise ModuleError(
                f"{describe(function.location)}: the function @{symbol} has branches between blocks; StableHLO's "
                "control flow is stablehlo.if, case and while"
            )
        last = blocks[0].operations[len(blocks[0].operations) - 1]
        if last.operation.name != "func.return":
            raise ModuleError(
                f"{describe(last.operation.location)}: the function @{symbol} ends in '{last.operation.name}' and not in "
                "'func.return'"
            )
        for argument in blocks[0].arguments:
            _check_type(function, argument.type)
        for op in operations(function):
            transform = match(op)
            if transform is not None:
                check_transform(symbols, transform)
                continue
            for result in op.results:
                _check_type(op, result.type)
            wrong = illegality(op)
            if wrong is not None:
                raise ModuleError(f"{describe(op.location)}: '{op.name}' has {wrong}")


def _check_nesting(symbols: Symbols) -> None:
    """Refuse functions that call themselves, and regions and calls nested so deep that recursing on them overflows."""
    calls: dict[str, list[tuple[str, int]]] = {}
    regions: dict[str, int] = {}
    for symbol, function in symbols.functions.items():
        calls[symbol], regions[symbol] = [], 0
        waiting = [(function, 0)]
        while waiting:
            op, depth = waiting.pop()
            regions[symbol] = max(regions[symbol], depth)
            _refuse_depth(op, depth)
            calls[symbol] += [(callee, depth + 1) for callee in callees(op)]
            if may_have_regions(op.name):
                waiting += [
                    (inner.operation, depth + 1)
                    for region in op.regions
                    for block in region.blocks
                    for inner in block.operations
                ]
    refuse_cycles(symbols)
    for symbol in symbols.callee_first():
        below = [depth + regions[callee] for callee, depth in calls[symbol] if callee in regions]
        regions[symbol] = max([regions[symbol], *below])
        _refuse_depth(symbols[symbol], regions[symbol])


def _refuse_depth(op: ir.Operation, depth: int) -> None:
    if depth > _MAX_NESTING:
        raise ModuleError(
            f"{describe(op.location)}: regions and calls are nested more than {_MAX_NESTING} deep"
        )


class _TokenError(ModuleError):
    """A value that is a token."""


def _check_type(op: ir.Operation, type_: ir.Type) -> None:
    if type_ == token or "token" in str(type_)[:20]:
        raise _TokenError(f"{describe(op.location)}: '{op.name}' takes or gives a token")
    if not isinstance(type_, ir.RankedTensorType):
        if op.name == "arith.constant":
            return
        raise ModuleError(
            f"{describe(op.location)}: '{op.name}' has a value of type {type_}, not a ranked tensor"
        )
    if type_.encoding is not None:
        raise ModuleError(
            f"{describe(op.location)}: '{op.name}' has a value of type {type_}: bounded sizes and layouts are not supported"
        )
    try:
        itemsize = dtype_of(type_).itemsize
    except KeyError:
        raise ModuleError(
            f"{describe(op.location)}: elements of type {type_.element_type} are not supported"
        ) from None
    if type_.has_static_shape and math.prod(type_.shape) * max(itemsize, 1) > _MAX_BYTES:
        raise ModuleError(
            f"{describe(op.location)}: '{op.name}' has a value of type {type_}, which no memory holds"
        )


def _check_operations(name: str, module: ir.Module) -> None:
    """Refuse what would fail when it is run, or mean something else on one device."""
    for function in Symbols(module).functions.values():
        for op in operations(function):
            kind = op.name
            dialect = kind.partition(".")[0]
            if kind == MANUAL:
                raise ModuleError(
                    f"{describe(op.location)}: '{kind}' in {name} is a program for each of several devices; a module from elsewhere "
                    "can leave its arrays to the partitioner ('sdy.sharding'), a function of mycc's own (shard_map, pmap) is "
                    "called as it is"
                )
            if kind in _REMOTE:
                raise ModuleError(
                    f"{describe(op.location)}: '{kind}' communicates between devices or with the host; export the "
                    "module for one device"
                )
            if dialect not in ("stablehlo", "chlo") and kind not in ("func.call", "func.return"):
                raise ModuleError(f"{describe(op.location)}: '{kind}' in {name} is no part of StableHLO")
            if kind == "stablehlo.custom_call":
                _check_target(op)


def _asserts(module: ir.Module) -> bool:
    symbols = Symbols(module)
    return any(
        op.name == "stablehlo.custom_call" and op.attributes["call_target_name"].value == _ASSERTION
        for symbol in symbols.functions
        for op in symbols.referring(symbol)
    )


def _check_target(op: ir.Operation) -> None:
    target: str = op.attributes["call_target_name"].value
    if target == _ASSERTION:
        raise ModuleError(f"{describe(op.location)}: an assertion on shapes that depends on more than shapes")
    if _CALLBACK.search(target):
        raise ModuleError(
            f"{describe(op.location)}: '{target}' calls a Python function of the process that exported the module; "
            "export it without callbacks"
        )
    known = target.startswith(_KERNELS) or target in _BUILT_IN
    if not known and target not in pjrt.custom_call_targets():
        raise ModuleError(
            f"{describe(op.location)}: the custom call '{target}' is unknown here; export the module without it, or "
            "wrap it in a stablehlo.composite with a decomposition"
        )
