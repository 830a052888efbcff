"""Calls of Python functions on the host, as operations: ``stablehlo.custom_call @mycc.callback.<kind>``.

    %0 = stablehlo.custom_call @mycc.callback.pure(%x) {mycc.function = 3 : i64, mycc.name = "f", ...}

=====  ====================  ===============================================================================
kind   has_side_effect       meaning
=====  ====================  ===============================================================================
debug  true                  gives no results; derivatives leave it where it is, `vmap` calls it per example
io     true                  gives results, and runs exactly as often as the program comes by
pure   false                 gives results that depend on the operands alone; may be dropped, merged, repeated
=====  ====================  ===============================================================================

``mycc.function`` is a number in the process's table of Python functions (`mycc.lowering.callbacks`). Calls with
``mycc.ordered`` run in the order in which they stand in the program. ``mycc.mapped`` lists, the outermost `vmap`
first, which operands have a batch dimension for it; the host calls the function once for each example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.dialects.transform import target_of

Value: TypeAlias = ir.Value
Kind = Literal["debug", "io", "pure"]
Flags = tuple[bool, ...]

__all__ = ["PREFIX", "VMAP_METHODS", "Callback", "Kind", "callback", "match", "with_level"]

PREFIX = "mycc.callback."
VMAP_METHODS = ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized")


@dataclass(frozen=True, slots=True)
class Callback:
    """A view of one callback operation."""

    op: ir.Operation

    @property
    def kind(self) -> str:
        """``debug``, ``io`` or ``pure``."""
        target: str = self.op.attributes["call_target_name"].value
        return target[len(PREFIX) :]

    @property
    def function(self) -> int:
        """The number of the Python function; 0, which none has, if there is none."""
        found = self.op.attributes.get("mycc.function")
        return 0 if found is None else int(found)

    @property
    def name(self) -> str:
        """The Python function as readers of messages know it."""
        found = self.op.attributes.get("mycc.name")
        return "function" if found is None else found.value

    @property
    def ordered(self) -> bool:
        """Whether it keeps its place among the ordered callbacks of the program."""
        return "mycc.ordered" in self.op.attributes

    @property
    def mapped(self) -> list[Flags]:
        """For each `vmap` around it, the outermost first, which operands have a batch dimension."""
        found = self.op.attributes.get("mycc.mapped")
        return [] if found is None else [tuple(bool(flag) for flag in level) for level in found]

    @property
    def vmap_method(self) -> str | None:
        """How a pure callback is batched."""
        found = self.op.attributes.get("mycc.vmap_method")
        return None if found is None else found.value


def match(op: ir.Operation) -> Callback | None:
    """The view of an operation if it is a callback."""
    return Callback(op) if target_of(op).startswith(PREFIX) else None


def callback(
    kind: Kind,
    function: int,
    name: str,
    operands: Sequence[Value],
    results: Sequence[ir.Type],
    *,
    ordered: bool = False,
    vmap_method: str | None = None,
) -> list[Value]:
    """A call of a Python function on the host.

    Args:
        kind: what it may do, see above.
        function: its number in the table of Python functions.
        name: for readers and messages.
        operands: what it gets.
        results: types of what it returns.
        ordered: whether it keeps its place among the ordered callbacks.
        vmap_method: of a pure callback, one of `VMAP_METHODS` or None.
    """
    attributes: dict[str, ir.Attribute] = {
        "call_target_name": ir.StringAttr.get(PREFIX + kind, context=context),
        "has_side_effect": ops.boolean(kind != "pure"),
        "mycc.function": ops.i64(function),
        "mycc.name": ir.StringAttr.get(name, context=context),
    }
    if ordered:
        attributes["mycc.ordered"] = ir.UnitAttr.get(context=context)
    if vmap_method is not None:
        attributes["mycc.vmap_method"] = ir.StringAttr.get(vmap_method, context=context)
    return list(ops.create("stablehlo.custom_call", list(results), list(operands), attributes).results)


def with_level(op: ir.Operation, flags: Sequence[bool]) -> dict[str, ir.Attribute]:
    """The attribute of a callback that one more `vmap` around it maps."""
    levels = [ir.DenseBoolArrayAttr.get(list(flags), context=context)]
    levels += list(op.attributes.get("mycc.mapped") or ())
    return {"mycc.mapped": ir.ArrayAttr.get(levels, context=context)}
