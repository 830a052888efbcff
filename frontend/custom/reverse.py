"""`custom_vjp`: a function with a reverse derivative rule of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.custom.arguments import Arguments, positions_of, sort_arguments
from mycc.custom.emission import Captured, Entry, define, emit, forwarded
from mycc.custom.forward import trace_jvp
from mycc.custom.results import checked, described_rule, flattened, pair
from mycc.dialects import ops
from mycc.dialects.composites import CUSTOM_VJP
from mycc.dialects.errors import TreeError, UnsupportedOperationError
from mycc.dialects.mlir import ir
from mycc.dialects.types import float0
from mycc.differentiation import is_inexact
from mycc.function import Callee, name_of, trace_function
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame, Trace, Tracer, current

__all__ = ["custom_vjp"]

Rule = Callable[..., Any]


class custom_vjp:
    """A function whose cotangents are given by a pair of rules.

    Args:
        fun: a function of arrays, or pytrees of them.
        nondiff_argnums: positions of arguments that are not differentiated, such as functions and options. The
            backward rule gets them first, in their order.
        nondiff_argnames: names of such arguments.

    Forward mode needs a rule of its own, `defjvp`; without one it is an error.

    Raises:
        UnsupportedOperationError: (when called) no rules were given.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> @mycc.custom_vjp
        ... def clipped(x):
        ...     return x
        >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (mnp.clip(ct, -1.0, 1.0),))
        >>> mycc.grad(lambda x: 5.0 * clipped(x))(2.0)
        Array(1., dtype=float32, weak_type=True)
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        nondiff_argnums: int | Sequence[int] = (),
        nondiff_argnames: str | Sequence[str] = (),
    ) -> None:
        if not callable(fun):
            raise TypeError(f"{user_line()}: custom_vjp takes a function, got {type(fun).__name__}")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = positions_of(fun, nondiff_argnums, nondiff_argnames)
        self.fwd: Rule | None = None
        self.bwd: Rule | None = None
        self.jvp: Rule | None = None

    def defvjp(
        self, fwd: Rule, bwd: Rule, symbolic_zeros: bool = False, optimize_remat: bool = False
    ) -> None:
        """Give the rules.

        Args:
            fwd: takes the function's arguments, returns a pair of its result and residuals, a pytree of arrays.
            bwd: ``(*nondiff, residuals, cotangent) -> cotangents``, a tuple with one for each differentiable
                argument, of its structure; None, in the place of a leaf or of a whole argument, is zero.
            symbolic_zeros: must be False; rules get arrays.
            optimize_remat: has no effect: under `checkpoint` what ``fwd`` computes and nobody asks for is dropped anyway.
        """
        if symbolic_zeros:
            raise UnsupportedOperationError(
                f"{user_line()}: custom_vjp of {name_of(self.fun)}: symbolic_zeros is not there; rules get arrays of zeros"
            )
        self.fwd, self.bwd = fwd, bwd

    def defjvp(self, jvp: Rule) -> Rule:
        """Give a rule for forward mode too; see `custom_jvp.defjvp`. Works as a decorator."""
        self.jvp = jvp
        return jvp

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value."""
        name = name_of(self.fun)
        if self.fwd is None or self.bwd is None:
            raise UnsupportedOperationError(
                f"{user_line()}: the custom_vjp function {name} has no rules yet; give it some with {name}.defvjp"
            )
        frame = current()
        if frame is None:
            return self.fun(*args, **kwargs)
        arguments = sort_arguments(self.fun, self.nondiff_argnums, args, kwargs)
        return emit(frame, self, self.fun, _Rules(name, self.fwd, self.bwd, self.jvp), arguments)


@dataclass(frozen=True)
class _Traced:
    fwd: Callee
    bwd: Callee
    jvp: Callee | None

    @property
    def captured(self) -> list[Captured]:
        found = [*self.fwd.captured, *self.bwd.captured]
        return found if self.jvp is None else [*found, *self.jvp.captured]


@dataclass(frozen=True)
class _Rules:
    name: str
    fwd: Rule
    bwd: Rule
    jvp: Rule | None
    kind: str = CUSTOM_VJP

    def names(self) -> Sequence[str]:
        return ("fwd", "bwd") if self.jvp is None else ("fwd", "bwd", "jvp")

    def options(self) -> Mapping[str, ir.Attribute]:
        return {}

    def trace(self, frame: Frame, arguments: Arguments, operands: list[Tracer], function: Callee) -> _Traced:
        fwd = self._trace_fwd(frame, arguments, operands, function)
        bwd = self._trace_bwd(frame, arguments, function, fwd)
        if self.jvp is None:
            return _Traced(fwd, bwd, None)
        jvp = trace_jvp(frame, self.jvp, self.name, arguments, operands, function)
        return _Traced(fwd, bwd, jvp)

    def _trace_fwd(
        self, frame: Frame, arguments: Arguments, operands: list[Tracer], function: Callee
    ) -> Callee:
        described = described_rule(self.fwd, "fwd", self.name)

        def flat(tracers: list[Tracer]) -> Any:
            out, residuals = pair(described, self.fwd(*arguments.merged(tracers)), "(out, residuals)")
            outs = flattened(described, "a result", out, function.out_tree, function.out_avals)
            return checked(described, "the result", outs, function.out_avals, tangents=False), residuals

        name = f"{self.name}_forward"
        return trace_function(frame, flat, name, arguments.avals, kind="grad", operands=operands, order=-1)

    def _trace_bwd(self, frame: Frame, arguments: Arguments, function: Callee, fwd: Callee) -> Callee:
        described = described_rule(self.bwd, "bwd", self.name)
        _, residual_tree = _pair_of_trees(fwd)
        residuals = fwd.out_avals[len(function.out_avals) :]
        seeds = [aval for aval in function.out_avals if is_inexact(aval.dtype)]
        count = len(residuals)

        def flat(tracers: list[Tracer]) -> list[Any]:
            saved = residual_tree.unflatten(tracers[:count])
            remaining = iter(tracers[count:])
            cotangent = function.out_tree.unflatten(
                [
                    next(remaining) if is_inexact(a.dtype) else np.zeros(a.shape, float0)
                    for a in function.out_avals
                ]
            )
            got = self.bwd(*arguments.static, saved, cotangent)
            leaves = _cotangents(described, got, arguments)
            return checked(described, "the cotangents", leaves, arguments.avals, tangents=True)

        behind = [None] * (count + len(seeds))
        avals = [*residuals, *seeds]
        name = f"{self.name}_backward"
        return trace_function(frame, flat, name, avals, kind="grad", operands=behind, order=-1)

    def captured(self, traced: _Traced) -> list[Captured]:
        return traced.captured

    def define(self, trace: Trace, entry: Entry, traced: _Traced) -> None:
        """Forward and backward rule as the composite names them; what the backward rule captures is a residual."""
        fwd, bwd = traced.fwd.function, traced.bwd.function
        operands = entry.operand_types
        explicit = len(operands) - len(entry.captured)
        position = {id(x): explicit + i for i, x in enumerate(entry.captured)}
        residuals = len(fwd.results) - len(entry.function.out_avals)
        location = trace.module.operation.location

        def forward(values: list[Any]) -> list[Any]:
            inputs = [*values[:explicit], *(values[position[id(x)]] for x in traced.fwd.captured)]
            results = ops.call(fwd.symbol, fwd.results, inputs)
            return [*results, *(values[position[id(x)]] for x in traced.bwd.captured)]

        own = len(bwd.arguments) - len(traced.bwd.captured)
        kept = bwd.arguments[own:]

        def backward(values: list[Any]) -> list[Any]:
            saved, captured = values[:residuals], values[residuals : residuals + len(kept)]
            return ops.call(bwd.symbol, bwd.results, [*saved, *values[residuals + len(kept) :], *captured])

        types = [*bwd.arguments[:residuals], *kept, *bwd.arguments[residuals:own]]
        define(trace, entry.names["fwd"], operands, forward, location)
        define(trace, entry.names["bwd"], types, backward, location)
        if traced.jvp is not None:
            forwarded(trace, entry, traced.jvp, entry.names["jvp"])


def _pair_of_trees(fwd: Callee) -> tuple[Any, Any]:
    out, residuals = fwd.out_tree.unflatten(list(fwd.out_avals))
    return pytrees.structure_of(out), pytrees.structure_of(residuals)


def _cotangents(described: str, got: Any, arguments: Arguments) -> list[Any]:
    """What a backward rule returned as one entry for each leaf, None where it is zero."""
    expected = arguments.tree.unflatten(list(arguments.avals))
    if not isinstance(got, (tuple, list)) or len(got) != len(expected):
        shown = f"{len(got)}" if isinstance(got, (tuple, list)) else f"a {type(got).__name__}"
        raise TreeError(
            f"{described} must return a tuple with one cotangent for each differentiable argument, {len(expected)} in "
            f"all, got {shown}"
        )
    found: list[Any] = []
    for i, (aval, value) in enumerate(zip(expected, got, strict=True)):
        found += _matched(described, f"argument {i}", aval, value)
    return found


def _matched(described: str, where: str, expected: Any, given: Any) -> list[Any]:
    if given is None:
        return [None] * len(pytrees.flatten(expected)[0])
    if isinstance(expected, AbstractValue):
        return [given]
    below = pytrees.flatten_one_level(expected)
    found = pytrees.flatten_one_level(given)
    if below is None or found is None or type(given) is not type(expected) or len(found[0]) != len(below[0]):
        raise TreeError(
            f"{described}: the cotangent of {where} must have the structure {pytrees.structure_of(expected)}, got "
            f"{pytrees.structure_of(given)}"
        )
    if isinstance(expected, dict) and expected.keys() != given.keys():
        raise TreeError(
            f"{described}: the cotangent of {where} must have the keys {sorted(expected, key=repr)}, got "
            f"{sorted(given, key=repr)}"
        )
    return [
        leaf for e, g in zip(below[0], found[0], strict=True) for leaf in _matched(described, where, e, g)
    ]
