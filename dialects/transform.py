"""mycc's transform operations: how `grad`, `vmap` and their kin stand in a module before any has run.

Each is a ``stablehlo.custom_call`` that names the function it transforms in ``called_computations``:

    %0:2 = stablehlo.custom_call @mycc.vjp(%x, %ct) {called_computations = [@f], mycc.active = array<i1: true>, ...}

It parses, prints and verifies in any StableHLO tool, keeps ``@f`` alive, and fails loudly in XLA if it is left
unexpanded. With n arguments and m results of the function ``f``:

===============  =============================================  =====================================
target           operands                                       results
===============  =============================================  =====================================
mycc.jvp         n primals, a tangent per active argument       m results, a tangent per seeded one
mycc.vjp         n primals, a cotangent per seeded result       m results, a cotangent per active argument
mycc.linearize   n primals                                      m results, a handle (token)
mycc.pullback    a handle, a cotangent per seeded result        a cotangent per active argument
mycc.pushforward a handle, a tangent per active argument        a tangent per seeded result
mycc.transpose   the inactive arguments, a cotangent per        a cotangent per active (linear) argument
                 seeded result
mycc.vmap        n operands, mapped along ``in_axes``           m results, mapped along ``out_axes``
===============  =============================================  =====================================

A handle stands for residuals; `pullback` and `pushforward` name the function with its linearize parameters,
so that residual types follow from the symbol and never from the producer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mycc.dialects.mlir import context, ir
from mycc.dialects.ops import boolean, i64, i64_array
from mycc.dialects.types import tensor, token

Value: TypeAlias = ir.Value
Flags = tuple[bool, ...]

AUTODIFF = frozenset({"jvp", "vjp", "linearize", "pullback", "pushforward", "transpose"})
HANDLED = frozenset({"linearize", "pullback", "pushforward"})
BATCH = frozenset({"vmap"})
NO_AXIS = -1
"""How ``in_axes`` and ``out_axes`` write None: the value has no batch dimension."""


@dataclass(frozen=True, slots=True)
class Transform:
    """A view of one transform operation.

    Args:
        op: the operation.
        kind: its target without ``mycc.``.
        callee: the symbol of the transformed function.
    """

    op: ir.Operation
    kind: str
    callee: str

    @property
    def active(self) -> Flags:
        """Which arguments of the function are differentiated (for `transpose`, linear)."""
        return tuple(bool(flag) for flag in self.op.attributes["mycc.active"])

    @property
    def seeded(self) -> Flags:
        """Which results of the function have a cotangent, or a tangent that is asked for."""
        return tuple(bool(flag) for flag in self.op.attributes["mycc.seeded"])

    @property
    def reverse(self) -> bool:
        """Whether the residuals are those of the reverse mode."""
        return bool(self.op.attributes["mycc.reverse"])

    @property
    def handle_key(self) -> tuple[str, Flags, Flags, bool]:
        """What a handle's residual types follow from."""
        return (self.callee, self.active, self.seeded, self.reverse)

    @property
    def in_axes(self) -> tuple[int, ...]:
        """The batch axis of each operand, `NO_AXIS` where it has none."""
        return tuple(int(axis) for axis in self.op.attributes["mycc.in_axes"])

    @property
    def out_axes(self) -> tuple[int, ...]:
        """The batch axis of each result."""
        return tuple(int(axis) for axis in self.op.attributes["mycc.out_axes"])

    @property
    def axis_size(self) -> int:
        """The size of the batch dimension."""
        return int(self.op.attributes["mycc.axis_size"])

    @property
    def axis_name(self) -> str | None:
        """The name that collectives inside refer to, if the binder gave one."""
        return axis_name_of(self.op)


def match(op: ir.Operation) -> Transform | None:
    """The view of an operation if it is a transform operation."""
    if op.name != "stablehlo.custom_call":
        return None
    target: str = op.attributes["call_target_name"].value
    if not target.startswith("mycc.") or "called_computations" not in op.attributes:
        return None
    callees = op.attributes["called_computations"]
    return Transform(op, target[5:], callees[0].value) if len(callees) else None


def target_of(op: ir.Operation) -> str:
    """The name under which a record is kept: the operation's, or that of a custom call or composite that has one."""
    name: str = op.name
    if name == "stablehlo.composite":
        composite: str = op.attributes["name"].value
        return composite if composite.startswith("mycc.") else name
    if name != "stablehlo.custom_call":
        return name
    target: str = op.attributes["call_target_name"].value
    return target if target.startswith(("mycc.", "lapack_")) else name


def axis_name_of(op: ir.Operation) -> str | None:
    """The axis name of a `vmap` or of a named collective."""
    attribute = op.attributes.get("mycc.axis_name")
    return None if attribute is None else attribute.value


def _flags(flags: Sequence[bool]) -> ir.Attribute:
    return ir.DenseBoolArrayAttr.get(list(flags), context=context)


def _custom_call(
    target: str,
    operands: Sequence[Value],
    results: Sequence[ir.Type],
    attributes: dict[str, ir.Attribute],
    callee: str | None = None,
    effects: bool = False,
) -> list[Value]:
    common = {
        "call_target_name": ir.StringAttr.get(f"mycc.{target}", context=context),
        "has_side_effect": boolean(effects),
    }
    if callee is not None:
        symbol = ir.FlatSymbolRefAttr.get(callee, context=context)
        common["called_computations"] = ir.ArrayAttr.get([symbol], context=context)
    return list(
        ir.Operation.create(
            "stablehlo.custom_call", list(results), list(operands), common | attributes
        ).results
    )


@dataclass(frozen=True, slots=True)
class Callee:
    """A function to transform: its symbol, types, and whether it has side effects."""

    symbol: str
    arguments: tuple[ir.Type, ...]
    results: tuple[ir.Type, ...]
    effects: bool = False


def _picked(types: Sequence[ir.Type], flags: Sequence[bool]) -> list[ir.Type]:
    return [type_ for type_, flag in zip(types, flags, strict=True) if flag]


def jvp(
    f: Callee, active: Flags, seeded: Flags, primals: Sequence[Value], tangents: Sequence[Value]
) -> list[Value]:
    """Results of ``f``, then a tangent for each seeded one."""
    types = [*f.results, *_picked(f.results, seeded)]
    attributes = {"mycc.active": _flags(active), "mycc.seeded": _flags(seeded)}
    return _custom_call("jvp", [*primals, *tangents], types, attributes, f.symbol, f.effects)


def vjp(
    f: Callee, active: Flags, seeded: Flags, primals: Sequence[Value], cotangents: Sequence[Value]
) -> list[Value]:
    """Results of ``f``, then a cotangent for each active argument."""
    types = [*f.results, *_picked(f.arguments, active)]
    attributes = {"mycc.active": _flags(active), "mycc.seeded": _flags(seeded)}
    return _custom_call("vjp", [*primals, *cotangents], types, attributes, f.symbol, f.effects)


def _handle_attributes(active: Flags, seeded: Flags, reverse: bool) -> dict[str, ir.Attribute]:
    return {"mycc.active": _flags(active), "mycc.seeded": _flags(seeded), "mycc.reverse": boolean(reverse)}


def linearize(
    f: Callee, active: Flags, seeded: Flags, reverse: bool, primals: Sequence[Value]
) -> list[Value]:
    """Results of ``f``, then a handle to the residuals of its linearization."""
    attributes = _handle_attributes(active, seeded, reverse)
    return _custom_call("linearize", primals, [*f.results, token], attributes, f.symbol, f.effects)


def pullback(
    f: Callee, active: Flags, seeded: Flags, handle: Value, cotangents: Sequence[Value]
) -> list[Value]:
    """Cotangents of the active arguments from those of the seeded results."""
    attributes = _handle_attributes(active, seeded, True)
    return _custom_call("pullback", [handle, *cotangents], _picked(f.arguments, active), attributes, f.symbol)


def pushforward(
    f: Callee, active: Flags, seeded: Flags, handle: Value, tangents: Sequence[Value]
) -> list[Value]:
    """Tangents of the seeded results from those of the active arguments."""
    attributes = _handle_attributes(active, seeded, False)
    return _custom_call("pushforward", [handle, *tangents], _picked(f.results, seeded), attributes, f.symbol)


def transpose(
    f: Callee, active: Flags, seeded: Flags, primals: Sequence[Value], cotangents: Sequence[Value]
) -> list[Value]:
    """Cotangents of the linear arguments; ``primals`` are the others."""
    attributes = {"mycc.active": _flags(active), "mycc.seeded": _flags(seeded)}
    return _custom_call(
        "transpose", [*primals, *cotangents], _picked(f.arguments, active), attributes, f.symbol, f.effects
    )


def vmap(
    f: Callee,
    in_axes: Sequence[int],
    out_axes: Sequence[int],
    size: int,
    axis_name: str | None,
    operands: Sequence[Value],
) -> list[Value]:
    """``f`` over operands with a batch dimension; axes are non-negative or `NO_AXIS`."""
    types = [
        type_
        if axis == NO_AXIS or type_ == token
        else tensor((*type_.shape[:axis], size, *type_.shape[axis:]), type_.element_type)
        for type_, axis in zip(f.results, out_axes, strict=True)
    ]
    attributes = {
        "mycc.in_axes": i64_array(in_axes),
        "mycc.out_axes": i64_array(out_axes),
        "mycc.axis_size": i64(size),
    }
    if axis_name is not None:
        attributes["mycc.axis_name"] = ir.StringAttr.get(axis_name, context=context)
    return _custom_call("vmap", operands, types, attributes, f.symbol, f.effects)


def collective(
    target: str,
    axis_name: str,
    operands: Sequence[Value],
    results: Sequence[ir.Type],
    more: Mapping[str, ir.Attribute] | None = None,
) -> Value:
    """A named collective (psum, axis_index, ...) with further attributes; only what binds its axis resolves it."""
    attributes = {"mycc.axis_name": ir.StringAttr.get(axis_name, context=context), **(more or {})}
    return _custom_call(target, operands, results, attributes)[0]


def mark(x: Value) -> Value:
    """A boolean that says nothing, but is the same on all devices where ``x`` is; for `share` and `total`."""
    return _custom_call("mark", [x], [tensor((), ir.IntegerType.get_signless(1, context=context))], {})[0]


def share(cotangent: Value, mark: Value, axis_name: str, size: int) -> Value:
    """A device's share of a result's cotangent, if that result is the same on the devices along an axis."""
    more = {"mycc.axis_size": i64(size)}
    return collective("share", axis_name, [cotangent, mark], [cotangent.type], more)


def total(cotangent: Value, mark: Value, axis_name: str) -> Value:
    """The sum over the devices along an axis of an argument's cotangents, if that argument is the same on them."""
    return collective("total", axis_name, [cotangent, mark], [cotangent.type])


def checkpoint_name(x: Value, name: str) -> Value:
    """``x``, with a name by which policies of `mycc.checkpoint` choose what is saved."""
    attributes = {"mycc.name": ir.StringAttr.get(name, context=context)}
    return _custom_call("checkpoint_name", [x], [x.type], attributes)[0]


def stop_gradient(x: Value) -> Value:
    """``x``, with a zero derivative."""
    return _custom_call("stop_gradient", [x], [x.type], {})[0]


# ---- Verification --------------------------------------------------------------------------------

_ATTRIBUTES = {
    "jvp": ("active", "seeded"),
    "vjp": ("active", "seeded"),
    "linearize": ("active", "seeded", "reverse"),
    "pullback": ("active", "seeded", "reverse"),
    "pushforward": ("active", "seeded", "reverse"),
    "transpose": ("active", "seeded"),
    "vmap": ("in_axes", "out_axes", "axis_size"),
}


def complaint(
    transform: Transform, arguments: Sequence[ir.Type] | None, results: Sequence[ir.Type]
) -> str | None:
    """What is wrong with a transform operation that somebody else may have written, or None.

    Args:
        transform: the operation.
        arguments, results: the types of the function it refers to; None where there is no such function.
    """
    kind, attributes = transform.kind, transform.op.attributes
    if kind not in _ATTRIBUTES:
        return "is no transform of mycc"
    if arguments is None:
        return f"refers to a function @{transform.callee} that is not there"
    missing = [name for name in _ATTRIBUTES[kind] if f"mycc.{name}" not in attributes]
    if missing:
        return f"has no attribute mycc.{missing[0]}"
    try:
        expected = _expected(transform, list(arguments), list(results))
    except (TypeError, ValueError, AttributeError, IndexError):
        return "has attributes that do not fit the function it refers to"
    for what, types, values in (
        ("takes", expected[0], transform.op.operands),
        ("gives", expected[1], transform.op.results),
    ):
        got = [value.type for value in values]
        if got != types:
            return f"{what} ({', '.join(map(str, got))}) where its function asks for ({', '.join(map(str, types))})"
    return None


def _expected(
    transform: Transform, arguments: list[ir.Type], results: list[ir.Type]
) -> tuple[list[ir.Type], list[ir.Type]]:
    """The types of the operands and results that an operation must have; ValueError where flags do not fit."""
    if transform.kind == "vmap":
        size = transform.axis_size
        mapped = [
            [
                t if axis == NO_AXIS else tensor((*t.shape[:axis], size, *t.shape[axis:]), t.element_type)
                for t, axis in zip(types, axes, strict=True)
            ]
            for types, axes in ((arguments, transform.in_axes), (results, transform.out_axes))
        ]
        return mapped[0], mapped[1]
    ins, outs = _picked(arguments, transform.active), _picked(results, transform.seeded)
    fixed = _picked(arguments, [not flag for flag in transform.active])
    return {
        "jvp": ([*arguments, *ins], [*results, *outs]),
        "vjp": ([*arguments, *outs], [*results, *ins]),
        "linearize": (arguments, [*results, token]),
        "pullback": ([token, *outs], ins),
        "pushforward": ([token, *ins], outs),
        "transpose": ([*fixed, *outs], ins),
    }[transform.kind]
