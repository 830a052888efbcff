"""`custom_jvp`: a function with a forward derivative rule of its own, which reverse mode transposes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.custom.arguments import Arguments, positions_of, sort_arguments
from mycc.custom.emission import Captured, Entry, emit, forwarded
from mycc.custom.results import checked, described_rule, flattened, pair
from mycc.dialects.composites import CUSTOM_JVP
from mycc.dialects.errors import TransformError, UnsupportedOperationError
from mycc.dialects.mlir import ir
from mycc.dialects.types import float0
from mycc.differentiation import is_inexact
from mycc.function import Callee, name_of, trace_function
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame, Trace, Tracer, current
from mycc.types import abstractify

__all__ = ["custom_jvp", "trace_jvp", "zero_tangent"]


class custom_jvp:
    """A function whose derivative is given by a rule, in forward and in reverse mode.

    Args:
        fun: a function of arrays, or pytrees of them.
        nondiff_argnums: positions of arguments that are not differentiated, such as functions and options. The
            rule gets them first, in their order.
        nondiff_argnames: names of such arguments.

    Raises:
        UnsupportedOperationError: (when called) no rule was given.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> @mycc.custom_jvp
        ... def log1pexp(x):
        ...     return mnp.log(1.0 + mnp.exp(x))
        >>> @log1pexp.defjvp
        ... def log1pexp_jvp(primals, tangents):
        ...     (x,), (t,) = primals, tangents
        ...     return log1pexp(x), (1.0 - 1.0 / (1.0 + mnp.exp(x))) * t
        >>> mycc.grad(log1pexp)(100.0)
        Array(1., dtype=float32, weak_type=True)
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        nondiff_argnums: int | Sequence[int] = (),
        nondiff_argnames: str | Sequence[str] = (),
    ) -> None:
        if not callable(fun):
            raise TypeError(f"{user_line()}: custom_jvp takes a function, got {type(fun).__name__}")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = positions_of(fun, nondiff_argnums, nondiff_argnames)
        self.jvp: Callable[..., Any] | None = None

    def defjvp(self, jvp: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Give the rule; works as a decorator.

        Args:
            jvp: ``(*nondiff, primals, tangents) -> (out, tangent_out)``, linear in the tangents, which are zeros
                where an argument is not differentiated, and of dtype float0 for integers.
            symbolic_zeros: must be False; tangents are always arrays.
        """
        if symbolic_zeros:
            raise UnsupportedOperationError(
                f"{user_line()}: custom_jvp of {name_of(self.fun)}: symbolic_zeros is not there; rules get arrays of zeros"
            )
        self.jvp = jvp
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Give the rule as one function for each argument.

        Args:
            jvps: ``(tangent, out, *primals) -> tangent_out`` for each argument, None where it is zero.

        Raises:
            TypeError: the function has non-differentiable arguments.
        """
        if self.nondiff_argnums:
            raise TypeError(
                f"{user_line()}: defjvps of {name_of(self.fun)} takes no nondiff_argnums; use defjvp"
            )

        def jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
            from mycc.tree import map as tree_map

            out = self(*primals)
            if len(jvps) != len(primals):
                raise TransformError(
                    f"{user_line()}: defjvps of {name_of(self.fun)} got {len(jvps)} rules for {len(primals)} arguments"
                )
            given = [
                rule(t, out, *primals) for rule, t in zip(jvps, tangents, strict=True) if rule is not None
            ]
            if not given:
                return out, tree_map(zero_tangent, out)
            return out, functools.reduce(lambda x, y: tree_map(_sum, x, y), given)

        jvp.__name__ = f"{name_of(self.fun)}_jvps"
        self.defjvp(jvp)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value."""
        name = name_of(self.fun)
        if self.jvp is None:
            raise UnsupportedOperationError(
                f"{user_line()}: the custom_jvp function {name} has no rule yet; give it one with {name}.defjvp"
            )
        frame = current()
        if frame is None:
            return self.fun(*args, **kwargs)
        arguments = sort_arguments(self.fun, self.nondiff_argnums, args, kwargs)
        return emit(frame, self, self.fun, _Rules(name, self.jvp), arguments)


def zero_tangent(x: Any) -> Any:
    """The zero tangent of an array: of dtype float0 for integers."""
    aval = abstractify(x)
    return np.zeros(aval.shape, aval.dtype if is_inexact(aval.dtype) else float0)


def _sum(x: Any, y: Any) -> Any:
    return x if getattr(x, "dtype", None) == float0 else x + y


@dataclass(frozen=True)
class _Rules:
    name: str
    jvp: Callable[..., Any]
    kind: str = CUSTOM_JVP

    def names(self) -> Sequence[str]:
        return ("jvp",)

    def options(self) -> Mapping[str, ir.Attribute]:
        return {}

    def trace(self, frame: Frame, arguments: Arguments, operands: list[Tracer], function: Callee) -> Callee:
        return trace_jvp(frame, self.jvp, self.name, arguments, operands, function)

    def captured(self, traced: Callee) -> list[Captured]:
        return list(traced.captured)

    def define(self, trace: Trace, entry: Entry, traced: Callee) -> None:
        forwarded(trace, entry, traced, entry.names["jvp"])


def trace_jvp(
    frame: Frame,
    rule: Callable[..., Any],
    owner: str,
    arguments: Arguments,
    operands: list[Tracer],
    function: Callee,
) -> Callee:
    """A forward rule as a function from primals and tangents of the inexact ones to results and tangents."""
    avals = arguments.avals
    moving = [aval for aval in avals if is_inexact(aval.dtype)]
    described = described_rule(rule, "jvp", owner)

    def flat(tracers: list[Tracer]) -> list[Any]:
        primals = arguments.tree.unflatten(tracers[: len(avals)])
        tangents = arguments.tree.unflatten(_tangents(avals, tracers[len(avals) :]))
        out, out_tangent = pair(described, rule(*arguments.static, primals, tangents), "(out, tangent_out)")
        tree, out_avals = function.out_tree, function.out_avals
        outs = flattened(described, "a result", out, tree, out_avals)
        out_tangents = flattened(described, "a tangent", out_tangent, tree, out_avals)
        return [
            *checked(described, "the result", outs, out_avals, tangents=False),
            *checked(described, "the tangent", out_tangents, out_avals, tangents=True),
        ]

    behind: list[Tracer | None] = [*operands, *(None for _ in moving)]
    name = f"{owner}_rule"
    return trace_function(frame, flat, name, [*avals, *moving], kind="grad", operands=behind, order=-1)


def _tangents(avals: Sequence[AbstractValue], tangents: Sequence[Array]) -> list[Any]:
    remaining = iter(tangents)
    return [next(remaining) if is_inexact(a.dtype) else np.zeros(a.shape, float0) for a in avals]
