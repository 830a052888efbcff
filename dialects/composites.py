"""mycc's composites: functions with derivative rules of their own, as ``stablehlo.composite``.

    %0 = stablehlo.composite "mycc.custom_jvp" %x
        {composite_attributes = {arguments = 1 : i64, jvp = @f.jvp}, decomposition = @f}

A tool that does not know mycc runs the decomposition. Rules are functions of the module, named in
``composite_attributes``. With n operands, of which the first ``arguments`` may be differentiated and the others
are what the functions captured, and with m results:

====================  =========================================================================================
composite             rules
====================  =========================================================================================
mycc.custom_jvp       jvp: n primals, a tangent per differentiable argument -> m results, a tangent per
                      differentiable result
mycc.custom_vjp       fwd: n primals -> m results, residuals; bwd: residuals, a cotangent per differentiable
                      result -> a cotangent per differentiable argument; jvp (may be left out): as above
mycc.checkpoint       none; ``policy`` says what the reverse sweep does not compute again
mycc.linear_solve     matvec: m unknowns, then the captured operands -> the right-hand side; transpose (may be
                      left out): solves the transposed system, operands as the decomposition's
====================  =========================================================================================

One that is marked as `WITHOUT_RULES` has none: derivatives of its order were not taken where it was traced.

Portable artifacts (VHLO) keep such attributes but for symbols, which come back as strings: `restore` makes them
symbols again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mycc.dialects.errors import TransformError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.dialects.ops import i64
from mycc.dialects.types import is_differentiable

Value: TypeAlias = ir.Value

__all__ = [
    "CHECKPOINT",
    "CUSTOM_JVP",
    "CUSTOM_VJP",
    "LINEAR_SOLVE",
    "WITHOUT_RULES",
    "Composite",
    "build",
    "check_composites",
    "match_composite",
    "rename",
    "restore",
    "symbols_of",
]

CUSTOM_JVP = "mycc.custom_jvp"
CUSTOM_VJP = "mycc.custom_vjp"
CHECKPOINT = "mycc.checkpoint"
LINEAR_SOLVE = "mycc.linear_solve"

_RULES: dict[str, tuple[str, ...]] = {
    CUSTOM_JVP: ("jvp",),
    CUSTOM_VJP: ("fwd", "bwd", "jvp"),
    CHECKPOINT: (),
    LINEAR_SOLVE: ("matvec", "transpose"),
}
WITHOUT_RULES = {"without_rules": i64(1)}
_OPTIONAL = {(CUSTOM_VJP, "jvp"), (LINEAR_SOLVE, "transpose")}


@dataclass(frozen=True, slots=True)
class Composite:
    """A view of one composite that mycc made."""

    op: ir.Operation
    kind: str
    decomposition: str
    rules: dict[str, str]
    """The symbols of its rules."""

    @property
    def arguments(self) -> int:
        """How many operands come before the captured ones."""
        return int(self.op.attributes["composite_attributes"]["arguments"])

    @property
    def differentiable(self) -> tuple[bool, ...]:
        """Which operands may be differentiated: the floats among the arguments."""
        count = self.arguments
        return tuple(i < count and is_differentiable(x.type) for i, x in enumerate(self.op.operands))

    @property
    def has_rules(self) -> bool:
        """Whether its rules were traced."""
        return all(self.option(name) is None for name in WITHOUT_RULES)

    def option(self, name: str) -> ir.Attribute | None:
        """An entry of the attributes that is no rule."""
        return {entry.name: entry.attr for entry in self.op.attributes["composite_attributes"]}.get(name)


def match_composite(op: ir.Operation) -> Composite | None:
    """The view of an operation if it is a composite of mycc's."""
    if op.name != "stablehlo.composite":
        return None
    attributes = op.attributes
    kind: str = attributes["name"].value
    if kind not in _RULES:
        return None
    rules = _rules_of(kind, attributes)
    return Composite(op, kind, attributes["decomposition"].value, rules)


def _rules_of(kind: str, attributes: Any) -> dict[str, str]:
    if "composite_attributes" not in attributes:
        return {}
    given = attributes["composite_attributes"]
    return {
        name: given[name].value
        for name in _RULES.get(kind, ())
        if name in given and isinstance(given[name], ir.FlatSymbolRefAttr)
    }


def symbols_of(op: ir.Operation) -> list[str]:
    """The functions that a composite refers to: its decomposition, then its rules."""
    attributes = op.attributes
    kind: str = attributes["name"].value
    decomposition: str = attributes["decomposition"].value
    return [decomposition, *_rules_of(kind, attributes).values()] if kind in _RULES else [decomposition]


def build(
    kind: str,
    decomposition: str,
    rules: Mapping[str, str],
    arguments: int,
    types: Sequence[ir.Type],
    operands: Sequence[Value],
    options: Mapping[str, ir.Attribute] | None = None,
) -> list[Value]:
    """A composite at the insertion point; see the table at the top of this file.

    Args:
        kind: its name.
        decomposition: the symbol of a function from the operands to the results.
        rules: for each rule its symbol.
        arguments: how many operands come before the captured ones.
        options: further entries of ``composite_attributes``, of kinds that VHLO keeps.
    """
    entries: dict[str, ir.Attribute] = {"arguments": i64(arguments), **(options or {})}
    entries |= {name: _symbol(rule) for name, rule in rules.items()}
    attributes = {
        "name": ir.StringAttr.get(kind, context=context),
        "decomposition": _symbol(decomposition),
        "composite_attributes": ir.DictAttr.get(entries, context=context),
    }
    return list(ir.Operation.create("stablehlo.composite", list(types), list(operands), attributes).results)


def _symbol(name: str) -> ir.Attribute:
    return ir.FlatSymbolRefAttr.get(name, context=context)


def rename(op: ir.Operation, names: Mapping[str, str]) -> None:
    """Let a composite refer to functions by their new names."""
    attributes = op.attributes
    decomposition = attributes["decomposition"].value
    attributes["decomposition"] = _symbol(names.get(decomposition, decomposition))
    rules = _rules_of(attributes["name"].value, attributes)
    _set_rules(op, {name: names.get(symbol, symbol) for name, symbol in rules.items()})


def _set_rules(op: ir.Operation, rules: Mapping[str, str]) -> None:
    if not rules:
        return
    entries = {entry.name: entry.attr for entry in op.attributes["composite_attributes"]}
    entries |= {name: _symbol(symbol) for name, symbol in rules.items()}
    op.attributes["composite_attributes"] = ir.DictAttr.get(entries, context=context)


def restore(module: ir.Module) -> None:
    """Make the rules of composites symbols again, after a portable artifact was read; then check them.

    Call it before any other pass: `symbol-dce` deletes rules that nothing names by symbol.

    Raises:
        TransformError: a rule is missing, or its types do not fit.
    """
    for op in _composites(module):
        kind = op.attributes["name"].value
        if kind not in _RULES or "composite_attributes" not in op.attributes:
            continue
        given = op.attributes["composite_attributes"]
        found = {
            name: given[name].value
            for name in _RULES[kind]
            if name in given and isinstance(given[name], ir.StringAttr)
        }
        _set_rules(op, found)
    functions = {
        op.attributes["sym_name"].value: op.operation
        for op in module.body.operations
        if op.operation.name == "func.func"
    }
    check_composites(_composites(module), functions)


def _composites(module: ir.Module) -> list[ir.Operation]:
    found: list[ir.Operation] = []

    def visit(op: Any) -> ir.WalkResult:
        if op.name == "stablehlo.composite":
            found.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found


# ---- Verification --------------------------------------------------------------------------------


def check_composites(ops: Iterable[ir.Operation], functions: Mapping[str, ir.Operation]) -> None:
    """Check that the rules of mycc's composites exist and have the types that they must have.

    Args:
        ops: operations; those that are no composites of mycc's are passed over.
        functions: the module's functions by symbol.

    Raises:
        TransformError: naming the composite, its line, the rule, and what is expected.
    """
    for op in ops:
        composite = match_composite(op)
        if composite is not None:
            _check(composite, functions)


def _check(composite: Composite, functions: Mapping[str, ir.Operation]) -> None:
    op, kind = composite.op, composite.kind
    where = f"{describe(op.location)}: the composite '{kind}' of @{composite.decomposition}"
    arguments = composite.option("arguments") if "composite_attributes" in op.attributes else None
    if not isinstance(arguments, ir.IntegerAttr) or not 0 <= int(arguments) <= len(op.operands):
        raise TransformError(
            f"{where} needs the integer attribute 'arguments', from 0 to its {len(op.operands)} operands"
        )
    for name in _RULES[kind] if composite.has_rules else ():
        symbol = composite.rules.get(name)
        if symbol is None and (kind, name) in _OPTIONAL and composite.option(name) is None:
            continue
        if symbol is None or symbol not in functions:
            named = "names no function" if symbol is None else f"names @{symbol}, which is not in the module"
            raise TransformError(f"{where}: its rule '{name}' {named}; it must name a function by symbol")
        _check_rule(where, composite, name, functions)


def _check_rule(where: str, composite: Composite, name: str, functions: Mapping[str, ir.Operation]) -> None:
    got = _function_type(functions[composite.rules[name]])
    wanted = _SIGNATURES[composite.kind, name](composite, functions)
    if wanted is not None and got != wanted:
        raise TransformError(
            f"{where}: its rule '{name}' has the type {_shown(*got)}, expected {_shown(*wanted)}"
        )


Types = tuple[list[ir.Type], list[ir.Type]]


def _function_type(function: ir.Operation) -> Types:
    type_ = function.attributes["function_type"].value
    return list(type_.inputs), list(type_.results)


def _shown(inputs: Sequence[ir.Type], results: Sequence[ir.Type]) -> str:
    return str(ir.FunctionType.get(list(inputs), list(results), context=context))


def _types(composite: Composite) -> Types:
    return [x.type for x in composite.op.operands], [x.type for x in composite.op.results]


def _moving(composite: Composite) -> Types:
    """The types of tangents of the arguments, and of the results."""
    operands, results = _types(composite)
    flagged = zip(operands, composite.differentiable, strict=True)
    return [t for t, flag in flagged if flag], [t for t in results if is_differentiable(t)]


def _jvp_type(composite: Composite, functions: Mapping[str, ir.Operation]) -> Types | None:
    operands, results = _types(composite)
    tangents, out_tangents = _moving(composite)
    return [*operands, *tangents], [*results, *out_tangents]


def _fwd_type(composite: Composite, functions: Mapping[str, ir.Operation]) -> Types | None:
    operands, results = _types(composite)
    _, got = _function_type(functions[composite.rules["fwd"]])
    return operands, [*results, *got[len(results) :]]


def _bwd_type(composite: Composite, functions: Mapping[str, ir.Operation]) -> Types | None:
    _, got = _function_type(functions[composite.rules["fwd"]])
    cotangents, seeds = _moving(composite)
    return [*got[len(composite.op.results) :], *seeds], cotangents


def _matvec_type(composite: Composite, functions: Mapping[str, ir.Operation]) -> Types | None:
    operands, results = _types(composite)
    count = composite.arguments
    return [*results[:count], *operands[count:]], operands[:count]


def _transpose_type(composite: Composite, functions: Mapping[str, ir.Operation]) -> Types | None:
    operands, results = _types(composite)
    count = composite.arguments
    return [*results[:count], *operands[count:]], operands[:count]


_SIGNATURES: dict[tuple[str, str], Callable[[Composite, Mapping[str, ir.Operation]], Types | None]] = {
    (CUSTOM_JVP, "jvp"): _jvp_type,
    (CUSTOM_VJP, "jvp"): _jvp_type,
    (CUSTOM_VJP, "fwd"): _fwd_type,
    (CUSTOM_VJP, "bwd"): _bwd_type,
    (LINEAR_SOLVE, "matvec"): _matvec_type,
    (LINEAR_SOLVE, "transpose"): _transpose_type,
}
