"""The `normalize` pass: what exporters write beside plain StableHLO, in operations that have rules.

===============================  =====================================================================
exporters write                  it becomes
===============================  =====================================================================
``stablehlo.composite``          the CHLO operation of its name, if that has a record; else a call
``arith.constant``               ``stablehlo.constant``; so does ``tensor.from_elements`` of scalars
``dense_resource<...>``          ``dense<...>``: XLA reads no resources
CHLO without a record            what `chlo-legalize-to-stablehlo` makes of it
shardings (``sdy``, ``mhlo``)    nothing: they say where, not what
shape assertions that hold       nothing
attributes of arguments          nothing: aliasing, donation and layouts are up to the caller
calls of small functions         their operations (`mycc.passes.small_calls`)
collectives among one device     what they are there (`mycc.passes.alone`)
what XLA lacks                   what it has instead (`mycc.passes.lacking`)
===============================  =====================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.dialects import ops
from mycc.dialects.errors import ModuleError
from mycc.dialects.locations import describe
from mycc.dialects.manual import NAME as MANUAL
from mycc.dialects.mlir import PassManager, context, func, ir
from mycc.dialects.rules import RECORDS
from mycc.dialects.types import dtype_of
from mycc.passes import alone, lacking
from mycc.passes.alone import is_for_one
from mycc.passes.base import Pass
from mycc.passes.small_calls import take_in_small
from mycc.passes.symbols import Symbols, operations, remap_captures

__all__ = ["Normalize"]

_SHARDED = frozenset(
    {"sdy.sharding_constraint", "sdy.propagation_barrier", "sdy.sharding_group", "sdy.reshard"}
)
_HINTS = frozenset({"Sharding", "annotate_device_placement"})
# Discardable attributes of operations that say where and how, not what.
_PLACEMENT = ("mhlo.sharding", "mhlo.frontend_attributes", "sdy.sharding")
_KEPT = frozenset({"sym_name", "sym_visibility", "function_type"})


@dataclass(frozen=True)
class Normalize(Pass):
    """Rewrites what exporters of other frameworks write into StableHLO that has rules."""

    name = "normalize"

    def run(self, module: ir.Module) -> None:
        """Rewrite every function, and drop what surrounds them.

        Raises:
            ModuleError: a constant's data is not in the module, or a shape assertion fails.
        """
        symbols = Symbols(module)
        rewriting = _Rewriting(symbols, _Resources(module), is_for_one(module))
        for symbol, function in list(symbols.functions.items()):
            for op in list(operations(function)):
                rewrite = _REWRITES.get(op.name, _legalize if op.name.startswith("chlo.") else None)
                for name in _PLACEMENT:
                    if name in op.attributes:
                        del op.attributes[name]
                if rewrite is not None and rewrite(rewriting, op):
                    self.count("rewritten operations")
            while rewriting.replaced:
                rewriting.replaced.pop().erase()
            for name in [a for a in function.attributes if a not in _KEPT]:
                del function.attributes[name]
            symbols.forget(symbol)
        for op in rewriting.dead:
            if not any(len(list(result.uses)) for result in op.results):
                op.erase()
        self.count("calls of small functions", take_in_small(symbols))
        _drop_surroundings(module)


def _drop_surroundings(module: ir.Module) -> None:
    for name in [a for a in module.operation.attributes if a != "sym_name"]:
        del module.operation.attributes[name]
    # What is manual over a mesh needs it: others say what that is.
    used = any(op.name == MANUAL for f in Symbols(module).functions.values() for op in operations(f))
    for op in list(module.body.operations):
        if op.operation.name == "sdy.mesh" and not used:
            op.operation.erase()


class _Rewriting:
    def __init__(self, symbols: Symbols, resources: _Resources, alone: bool) -> None:
        self.symbols = symbols
        self.alone = alone
        """Whether the module is for one device."""
        self.resources = resources
        self.replaced: list[ir.Operation] = []
        """What is erased once its function is done: the operations in its regions are still to be visited."""
        self.dead: list[ir.Operation] = []
        """Scalar constants, which are of no use once what is made of them is constant, too; users first."""


def _replace(rewriting: _Rewriting, op: ir.Operation, values: Sequence[ir.Value]) -> bool:
    for old, new in zip(op.results, values, strict=True):
        old.replace_all_uses_with(new)
    rewriting.replaced.append(op)
    return True


def _composite(rewriting: _Rewriting, op: ir.Operation) -> bool:
    name, decomposition = op.attributes["name"].value, op.attributes["decomposition"].value
    if name.startswith("mycc."):
        return False
    with context, op.location, ir.InsertionPoint(op):
        known = _as_chlo(op, name)
        if known is not None:
            return _replace(rewriting, op, list(known.results))
        types = [result.type for result in op.results]
        return _replace(rewriting, op, ops.call(decomposition, types, list(op.operands)))


def _as_chlo(op: ir.Operation, name: str) -> ir.Operation | None:
    """The operation that a composite stands for, if it verifies with the composite's operands and results."""
    if not name.startswith("chlo.") or name not in RECORDS:
        return None
    attributes = {a.name: a.attr for a in op.attributes.get("composite_attributes") or ()}
    types = [result.type for result in op.results]
    try:
        made = ir.Operation.create(name, types, list(op.operands), attributes)
    except (ir.MLIRError, ValueError, RuntimeError):
        return None
    try:
        made.verify()
    except ir.MLIRError:
        made.erase()
        return None
    return made


def _constant(rewriting: _Rewriting, op: ir.Operation) -> bool:
    if isinstance(getattr(op.result.type, "element_type", None), ir.ComplexType):
        return False  # The bindings cannot read them; of resources, nobody writes complex ones.
    value = op.attributes["value"]
    if not str(value.type).startswith("tensor<"):
        rewriting.dead.append(op)
        return False
    dense = rewriting.resources.dense(op, value)
    if op.name == "stablehlo.constant":
        if dense == value:
            return False
        op.attributes["value"] = dense
        return True
    with context, op.location, ir.InsertionPoint(op):
        made = ir.Operation.create("stablehlo.constant", [op.result.type], [], {"value": dense})
    return _replace(rewriting, op, list(made.results))


def _from_elements(rewriting: _Rewriting, op: ir.Operation) -> bool:
    """A tensor of scalar constants."""
    scalars = [operand.owner for operand in op.operands]
    if any(isinstance(s, ir.Block) or s.name != "arith.constant" for s in scalars):
        return False
    type_ = op.result.type
    if not type_.has_static_shape or isinstance(type_.element_type, ir.IndexType):
        return False
    numbers = [s.attributes["value"].value for s in scalars]
    array = np.array(numbers).astype(dtype_of(type_)).reshape(tuple(type_.shape))
    with context, op.location, ir.InsertionPoint(op):
        return _replace(rewriting, op, [ops.constant(array)])


def _legalize(rewriting: _Rewriting, op: ir.Operation) -> bool:
    """Expand one CHLO operation that has no record; those that have one keep their derivative rule."""
    if op.name in RECORDS:
        return False
    with context, op.location:
        aside = ir.Module.create()
        with ir.InsertionPoint(aside.body):
            types = [value.type for value in op.operands], [value.type for value in op.results]
            function = func.FuncOp("f", types, visibility="public")
        block = function.add_entry_block()
        with ir.InsertionPoint(block):
            copy = ops.rebuild(op, list(block.arguments))
            ops.return_(list(copy.results))
        try:
            PassManager.parse("builtin.module(func.func(chlo-legalize-to-stablehlo))").run(aside.operation)
        except ir.MLIRError:
            return False
        *body, end = (inner.operation for inner in block.operations)
        if any(inner.name.startswith("chlo.") for inner in body):
            return False
        values = dict(zip(block.arguments, op.operands, strict=True))
        with ir.InsertionPoint(op):
            for inner in body:
                copy = ops.rebuild(inner, [values[operand] for operand in inner.operands])
                remap_captures(copy, values)
                values.update(zip(inner.results, copy.results, strict=True))
        return _replace(rewriting, op, [values[operand] for operand in end.operands])


def _lacking(rewriting: _Rewriting, op: ir.Operation) -> bool:
    if not all(isinstance(result.type, ir.RankedTensorType) for result in op.results):
        return False
    with context, op.location, ir.InsertionPoint(op):
        values = lacking.REWRITES[op.name](op)
    return values is not None and _replace(rewriting, op, values)


def _sharding(rewriting: _Rewriting, op: ir.Operation) -> bool:
    if not len(op.results):
        op.erase()
        return True
    return len(op.operands) == 1 and _replace(rewriting, op, list(op.operands))


def _collective(rewriting: _Rewriting, op: ir.Operation) -> bool:
    if not rewriting.alone:
        return False
    with context, op.location, ir.InsertionPoint(op):
        values = alone.REWRITES[op.name](op)
    return values is not None and _replace(rewriting, op, values)


def _custom_call(rewriting: _Rewriting, op: ir.Operation) -> bool:
    target = op.attributes["call_target_name"].value
    if target in _HINTS and [v.type for v in op.operands] == [v.type for v in op.results]:
        return _replace(rewriting, op, list(op.operands))
    if target == "shape_assertion":
        return _assertion(op)
    return False


def _assertion(op: ir.Operation) -> bool:
    """Drop an assertion on shapes that holds; one on shapes that are not known yet stays."""
    numbers = [_number(operand) for operand in op.operands]
    if not numbers or None in numbers:
        return False
    if not numbers[0]:
        message = op.attributes["error_message"].value if "error_message" in op.attributes else "it fails"
        for i, number in enumerate(numbers[1:]):
            message = message.replace(f"{{{i}}}", str(number))
        raise ModuleError(f"{describe(op.location)}: the module asserts of its arguments' shapes: {message}")
    op.erase()
    return True


def _number(value: ir.Value) -> int | None:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "stablehlo.constant" or value.type.rank:
        return None
    return int(np.asarray(owner.attributes["value"]).item())


_REWRITES: dict[str, Callable[[_Rewriting, ir.Operation], bool]] = {
    "arith.constant": _constant,
    "stablehlo.composite": _composite,
    "stablehlo.constant": _constant,
    "stablehlo.custom_call": _custom_call,
    "tensor.from_elements": _from_elements,
    **dict.fromkeys(_SHARDED, _sharding),
    **dict.fromkeys(alone.REWRITES, _collective),
    **dict.fromkeys(lacking.REWRITES, _lacking),
}


class _Resources:
    """The data of a module's ``dense_resource`` attributes, which the bindings hand out as text only."""

    _ENTRY = re.compile(r'^\s*("(?:[^"\\]|\\.)*"|[\w$.\-]+): "0x([0-9A-Fa-f]*)"', re.MULTILINE)
    _NAME = re.compile(r'^dense_resource<("(?:[^"\\]|\\.)*"|[^>]*)>')

    def __init__(self, module: ir.Module) -> None:
        self._module = module
        self._data: dict[str, str] | None = None

    def dense(self, op: ir.Operation, value: ir.Attribute) -> ir.Attribute:
        """The attribute with its data in it.

        Raises:
            ModuleError: the data is not in the module, or not as much as the type says.
        """
        # All others have classes of their own, and would take long to print.
        if type(value) is not ir.Attribute:
            return value
        found = self._NAME.match(str(value))
        if found is None:
            return value
        if self._data is None:
            text = str(self._module.operation.get_asm(enable_debug_info=False))
            section = text.rpartition("dialect_resources:")[2]
            self._data = dict(self._ENTRY.findall(section))
        if found[1] not in self._data:
            raise ModuleError(
                f"{describe(op.location)}: the constant {found[0]} has no data in the module, which was printed "
                "without it; export the module with its resources"
            )
        return _attribute(op, value.type, bytes.fromhex(self._data[found[1]])[4:])


def _attribute(op: ir.Operation, type_: Any, data: bytes) -> ir.Attribute:
    """A dense attribute of raw bytes; the four before them in the file say how they are aligned."""
    shape, dtype = tuple(type_.shape), dtype_of(type_)
    size = int(np.prod(shape, dtype=object))
    if len(data) == size * dtype.itemsize:
        return ops.dense(np.frombuffer(data, dtype).reshape(shape))
    if dtype == np.bool_ and len(data) == -(-size // 8):
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:size]
        return ops.dense(bits.astype(np.bool_).reshape(shape))
    raise ModuleError(
        f"{describe(op.location)}: the constant of type {type_} has {len(data)} bytes of data, not {size * dtype.itemsize}"
    )
