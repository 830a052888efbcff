"""Records of composites: `custom_jvp`, `custom_vjp` and `checkpoint`.

A forward rule is a function of primals and tangents. In forward mode it is called; in reverse mode it is taken
apart into what primals alone determine and a linear function of tangents, which is transposed. The batched form
of a composite is a composite with batched rules, so that batching and differentiation come in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.composites import (
    CHECKPOINT,
    CUSTOM_JVP,
    CUSTOM_VJP,
    Composite,
    build,
    match_composite,
)
from mycc.dialects.errors import TransformError, UnsupportedOperationError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    BatchFunctions,
    Flags,
    Functions,
    Record,
    Site,
    Split,
    Tangents,
    batched_type,
    structured,
)
from mycc.dialects.rules.flags import filled, picked, spread_out
from mycc.dialects.rules.functions import call_depends, call_reverse
from mycc.dialects.types import is_differentiable

Value: TypeAlias = ir.Value

__all__ = ["RECORDS", "composite_of", "options_of"]


def composite_of(op: ir.Operation) -> Composite:
    """The view of a composite of mycc's."""
    found = match_composite(op)
    assert found is not None, "records of composites are kept under their names"
    return found


def options_of(op: ir.Operation) -> dict[str, ir.Attribute]:
    """The entries of a composite's attributes that are no rules."""
    found = {entry.name: entry.attr for entry in op.attributes["composite_attributes"]}
    return {k: v for k, v in found.items() if not isinstance(v, ir.FlatSymbolRefAttr) and k != "arguments"}


def _types(values: Sequence[Value]) -> list[ir.Type]:
    return [value.type for value in values]


def _moving(types: Sequence[ir.Type]) -> Flags:
    return tuple(is_differentiable(t) for t in types)


def _refuse(site: Site, composite: Composite) -> None:
    """Rules say how to differentiate by arguments, and nothing of values that they close over."""
    if not composite.has_rules:
        raise UnsupportedOperationError(
            f"{describe(site.op.location)}: cannot differentiate {_name(composite)} once more: a rule of it calls it with "
            "ever new static arguments, so that its rules were traced for the derivatives that the program takes and no "
            "further; take all derivatives in one program, or pass those arguments as arrays"
        )
    if any(site.active[composite.arguments :]):
        raise TransformError(
            f"{describe(site.op.location)}: cannot differentiate {_name(composite)}, a {_decorator(composite)} "
            "function, with respect to a value from around it that it uses (or a non-differentiable argument): "
            "its rule covers its differentiable arguments only; pass the value as one of these, or put "
            "mycc.lax.stop_gradient around it"
        )


def _decorator(composite: Composite) -> str:
    return composite.kind.removeprefix("mycc.")


def _name(composite: Composite) -> str:
    return composite.decomposition.removesuffix(".vmap")


def _all_depend(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return _moving(_types(op.results))


# ---- Forward rules -------------------------------------------------------------------------------


def _jvp_joint(site: Site, operands: Sequence[Value], tangents: Tangents) -> tuple[Sequence[Value], Tangents]:
    composite = composite_of(site.op)
    _refuse(site, composite)
    types = _types(site.op.results)
    moving = _moving(types)
    seeds = filled(tangents, composite.differentiable, _types(operands))
    values = ops.call(composite.rules["jvp"], [*types, *picked(types, moving)], [*operands, *seeds])
    return values[: len(types)], spread_out(values[len(types) :], moving)


def _parts(site: Site) -> tuple[Split, Flags]:
    """A forward rule taken apart, and which results have a tangent that depends on the arguments' tangents."""
    composite = composite_of(site.op)
    count = sum(composite.differentiable)
    unknown = (*(False for _ in site.op.operands), *(True for _ in range(count)))
    split = site.functions.partial(composite.rules["jvp"], unknown)
    results = len(site.op.results)
    if any(split.active[:results]):
        raise TransformError(
            f"{describe(site.op.location)}: the jvp rule of {_name(composite)} computes the result from tangents; "
            "it must compute it from primals only"
        )
    moving = iter(split.active[results:])
    return split, tuple(flag and next(moving) for flag in _moving(_types(site.op.results)))


def _jvp_augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    _refuse(site, composite_of(site.op))
    split, present = _parts(site)
    types = _types(site.op.results)
    constant = [
        t for t, moving, flag in zip(types, _moving(types), present, strict=True) if moving and not flag
    ]
    values = ops.call(split.primal, [*types, *constant, *split.residuals], operands)
    return values[: len(types)], values[len(types) + len(constant) :]


def _jvp_forward(site: Site, tangents: Tangents) -> Tangents:
    split, present = _parts(site)
    seeds = filled(tangents, composite_of(site.op).differentiable, _types(site.op.operands))
    saved = [site.saved(i) for i in range(len(split.residuals))]
    types = picked(_types(site.op.results), present)
    return spread_out(ops.call(split.linear, types, [*seeds, *saved]), present)


def _jvp_reverse(site: Site, cotangents: Tangents) -> Tangents:
    if site.transposing:
        return call_reverse(site, cotangents)
    split, present = _parts(site)
    differentiable = composite_of(site.op).differentiable
    saved = [site.saved(i) for i in range(len(split.residuals))]
    given = [ct for ct, flag in zip(cotangents, present, strict=True) if flag]
    seeds = [ct for ct in given if ct is not None]
    if not seeds:
        return [None] * len(differentiable)
    linear = (*(True for flag in differentiable if flag), *(False for _ in saved))
    symbol, flags = site.functions.transpose(split.linear, linear, tuple(ct is not None for ct in given))
    types = picked(_types(site.op.operands), differentiable)
    made = flags[: len(types)]
    values = ops.call(symbol, picked(types, made), [*saved, *seeds])
    return _scattered_deep(values, differentiable, made)


def _scattered_deep(values: Sequence[Value], outer: Flags, inner: Flags) -> Tangents:
    """The values back at those flagged positions whose own flag is set, None elsewhere."""
    own = iter(inner)
    return spread_out(values, tuple(flag and next(own) for flag in outer))


# ---- Reverse rules -------------------------------------------------------------------------------


def _forward_rule(site: Site) -> None:
    composite = composite_of(site.op)
    if "jvp" not in composite.rules:
        raise TransformError(
            f"{describe(site.op.location)}: cannot differentiate {_name(composite)} in forward mode (jvp, linearize, "
            "jacfwd): it is a custom_vjp function without a forward rule; give it one with "
            f"{_name(composite)}.defjvp, or use reverse mode (grad, vjp, jacrev)"
        )


def _vjp_joint(site: Site, operands: Sequence[Value], tangents: Tangents) -> tuple[Sequence[Value], Tangents]:
    _forward_rule(site)
    return _jvp_joint(site, operands, tangents)


def _vjp_augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    composite = composite_of(site.op)
    if not site.reversing:
        _forward_rule(site)
        return _jvp_augment(site, operands)
    _refuse(site, composite)
    fwd = composite.rules["fwd"]
    types = _types(site.op.results)
    residuals = site.functions.types(fwd)[1][len(types) :]
    values = ops.call(fwd, [*types, *residuals], operands)
    return values[: len(types)], values[len(types) :]


def _vjp_reverse(site: Site, cotangents: Tangents) -> Tangents:
    if site.transposing:
        return call_reverse(site, cotangents)
    composite = composite_of(site.op)
    types = _types(site.op.results)
    count = len(site.functions.types(composite.rules["fwd"])[1]) - len(types)
    saved = [site.saved(i) for i in range(count)]
    seeds = filled(cotangents, _moving(types), types)
    ends = picked(_types(site.op.operands), composite.differentiable)
    return spread_out(ops.call(composite.rules["bwd"], ends, [*saved, *seeds]), composite.differentiable)


# ---- Batching ------------------------------------------------------------------------------------


def _batch_rules(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    composite, functions = composite_of(site.op), site.functions
    flags = tuple(site.flags)
    differentiable = composite.differentiable
    types = _types(site.op.results)
    moving = _moving(types)
    tangents = tuple(flag for flag, d in zip(flags, differentiable, strict=True) if d)
    rules = composite.rules
    # A result is batched if it is in any of the functions that compute it, or its tangent is.
    found = [functions.reached(composite.decomposition, flags)]
    if "jvp" in rules:
        reached = functions.reached(rules["jvp"], (*flags, *tangents))
        following = iter(reached[len(types) :])
        found += [reached[: len(types)], tuple(m and next(following) for m in moving)]
    residuals: Flags = ()
    if "fwd" in rules:
        reached = functions.reached(rules["fwd"], flags)
        found.append(reached[: len(types)])
        residuals = reached[len(types) :]
    outs = tuple(map(any, zip(*found, strict=True)))
    out_tangents = tuple(flag for flag, m in zip(outs, moving, strict=True) if m)
    batched = {}
    if "jvp" in rules:
        batched["jvp"] = functions.later(rules["jvp"], (*flags, *tangents), (*outs, *out_tangents))
    if "fwd" in rules:
        batched["fwd"] = functions.later(rules["fwd"], flags, (*outs, *residuals))
        batched["bwd"] = _batch_backward(site, rules["bwd"], (*residuals, *out_tangents), tangents)
    decomposition = functions.later(composite.decomposition, flags, outs)
    return _built(site, decomposition, batched, outs), outs


def _built(
    site: Batched, decomposition: str, rules: dict[str, str], flags: Sequence[bool]
) -> Sequence[Value]:
    types = [
        batched_type(result.type, site.size) if flag else result.type
        for result, flag in zip(site.op.results, flags, strict=True)
    ]
    composite = composite_of(site.op)
    return build(
        composite.kind, decomposition, rules, composite.arguments, types, site.operands, options_of(site.op)
    )


def _batch_backward(site: Batched, bwd: str, flags: Flags, wanted: Flags) -> str:
    """The batched backward rule; what has no batch dimension gets the sum of its cotangents."""
    functions: BatchFunctions = site.functions
    reached = functions.reached(bwd, flags)
    outs = tuple(map(any, zip(reached, wanted, strict=True)))
    symbol = functions.later(bwd, flags, outs)
    if outs == wanted:
        return symbol
    arguments, results = functions.types(bwd)
    inner = [batched_type(t, site.size) if flag else t for t, flag in zip(results, outs, strict=True)]

    def summed(*values: Value) -> list[Value]:
        cotangents = ops.call(symbol, inner, values)
        return [
            ops.sum_(value, [0]) if flag and not kept else value
            for value, flag, kept in zip(cotangents, outs, wanted, strict=True)
        ]

    types = [batched_type(t, site.size) if flag else t for t, flag in zip(arguments, flags, strict=True)]
    return functions.define(f"{bwd}.vmap.sum", types, summed)


# ---- Checkpoints ---------------------------------------------------------------------------------


def _policy(op: ir.Operation) -> list[str]:
    return [entry.value for entry in options_of(op)["policy"]] if "policy" in options_of(op) else []


def _checkpoint_split(site: Site) -> Split:
    seeded = site.wanted if site.reversing else None
    policy = _policy(site.op)
    callee = composite_of(site.op).decomposition
    if "everything" in policy:
        return site.functions.split(callee, site.active, seeded)
    prevent = options_of(site.op).get("prevent_cse")
    barrier = prevent is None or bool(prevent.value)
    return site.functions.checkpoint(callee, site.active, seeded, policy, barrier)


def _checkpoint_augment(site: Site, operands: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    split = _checkpoint_split(site)
    types = _types(site.op.results)
    values = ops.call(split.primal, [*types, *split.residuals], operands)
    return values[: len(types)], values[len(types) :]


def _checkpoint_linear(site: Site, split: Split, seeds: Sequence[Value], ends: Sequence[ir.Type]) -> Tangents:
    """The linear part, a checkpoint in its turn, so that its own derivative computes again as well."""
    saved = [site.saved(i) for i in range(len(split.residuals))]
    operands = [*seeds, *saved]
    types = picked(ends, split.active)
    values = build(CHECKPOINT, split.linear, {}, len(operands), types, operands, options_of(site.op))
    return spread_out(values, split.active)


def _checkpoint_forward(site: Site, tangents: Tangents) -> Tangents:
    seeds = filled(tangents, site.active, _types(site.op.operands))
    return _checkpoint_linear(site, _checkpoint_split(site), seeds, _types(site.op.results))


def _checkpoint_reverse(site: Site, cotangents: Tangents) -> Tangents:
    if site.transposing:
        return call_reverse(site, cotangents)
    seeds = filled(cotangents, site.wanted, _types(site.op.results))
    return _checkpoint_linear(site, _checkpoint_split(site), seeds, _types(site.op.operands))


def _checkpoint_joint(
    site: Site, operands: Sequence[Value], tangents: Tangents
) -> tuple[Sequence[Value], Tangents]:
    symbol, present = site.functions.jvp(composite_of(site.op).decomposition, site.active)
    types = _types(site.op.results)
    inputs = [*operands, *filled(tangents, site.active, _types(operands))]
    outs = [*types, *picked(types, present)]
    values = build(CHECKPOINT, symbol, {}, len(inputs), outs, inputs, options_of(site.op))
    return values[: len(types)], spread_out(values[len(types) :], present)


def _checkpoint_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    symbol, flags = site.functions.batch(composite_of(site.op).decomposition, tuple(site.flags))
    return _built(site, symbol, {}, flags), flags


RECORDS: tuple[Record, ...] = (
    structured(
        CUSTOM_JVP,
        _jvp_forward,
        _jvp_reverse,
        _batch_rules,
        augment=_jvp_augment,
        joint=_jvp_joint,
        depends=_all_depend,
    ),
    structured(
        CUSTOM_VJP,
        _jvp_forward,
        _vjp_reverse,
        _batch_rules,
        augment=_vjp_augment,
        joint=_vjp_joint,
        depends=_all_depend,
    ),
    structured(
        CHECKPOINT,
        _checkpoint_forward,
        _checkpoint_reverse,
        _checkpoint_batch,
        augment=_checkpoint_augment,
        joint=_checkpoint_joint,
        depends=call_depends,
    ),
)
