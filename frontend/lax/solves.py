"""`custom_linear_solve` and `custom_root`: solutions that are differentiated implicitly, not through the solver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mycc.closure import closure_convert
from mycc.custom.arguments import Arguments
from mycc.custom.emission import Captured, Entry, emit, forwarded
from mycc.custom.forward import custom_jvp, zero_tangent
from mycc.custom.results import checked, flattened
from mycc.derivatives import jvp, linear_transpose
from mycc.dialects.composites import LINEAR_SOLVE
from mycc.dialects.errors import TransformError
from mycc.dialects.mlir import ir
from mycc.differentiation import in_trace, is_inexact
from mycc.function import Callee, name_of, trace_function
from mycc.lowering import pytrees
from mycc.source import user_line
from mycc.trace import Frame, Trace, Tracer, current
from mycc.tree import map as tree_map
from mycc.types import abstractify

__all__ = ["custom_linear_solve", "custom_root"]

Function = Callable[..., Any]


def custom_linear_solve(
    matvec: Function,
    b: Any,
    solve: Function,
    transpose_solve: Function | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """Solve a linear system by any function, with derivatives that follow from the system itself.

    Args:
        matvec: the system, a linear function of a pytree of arrays like ``b``. Derivatives by what it captures
            are taken.
        b: the right-hand side, float or complex.
        solve: ``(matvec, b) -> x`` such that ``matvec(x)`` is ``b``; it is not differentiated.
        transpose_solve: ``(vecmat, b) -> x`` for the transposed system, needed in reverse mode.
        symmetric: whether the system is its own transpose, so that ``solve`` solves that one too.
        has_aux: whether the solvers return ``(x, aux)``.

    Returns:
        The solution, of the structure of ``b``, or ``(x, aux)``.

    Raises:
        TransformError, TreeError: a function returns something that does not look like ``b``.

    Example:
        >>> import mycc
        >>> def half(a, b):
        ...     return mycc.lax.custom_linear_solve(lambda x: a * x, b, lambda f, b: b / a, symmetric=True)
        >>> mycc.grad(half)(2.0, 3.0)
        Array(-0.75, dtype=float32, weak_type=True)
    """
    leaves, tree = pytrees.flatten((b,))
    avals = tuple(abstractify(leaf) for leaf in leaves)
    if not all(is_inexact(aval.dtype) for aval in avals):
        raise TransformError(
            f"{user_line()}: custom_linear_solve needs a float or complex right-hand side, got "
            f"{', '.join(map(str, avals))}"
        )
    if symmetric and transpose_solve is None:
        transpose_solve = solve
    rules = _Linear(matvec, transpose_solve, has_aux)

    def unknowns(b: Any) -> Any:
        return rules.checked("solve", solve(matvec, b), b)

    def body(frame: Frame) -> Any:
        arguments = Arguments((b,), (), leaves, avals, tree)
        return emit(frame, rules, unknowns, rules, arguments)

    return in_trace(f"solve_{name_of(matvec)}", body)


@dataclass(frozen=True, eq=False)
class _Linear:
    matvec: Function
    transpose_solve: Function | None
    has_aux: bool
    kind: str = LINEAR_SOLVE
    name: str = "linear_solve"

    def names(self) -> Sequence[str]:
        return ("matvec",) if self.transpose_solve is None else ("matvec", "transpose")

    def options(self) -> Mapping[str, ir.Attribute]:
        return {}

    def checked(self, what: str, result: Any, b: Any, alone: bool = False) -> Any:
        """What a function returned, its unknowns in the types of the right-hand side."""
        described = f"{user_line()}: {what} of custom_linear_solve"
        aux = None
        if self.has_aux and what != "matvec":
            if not isinstance(result, (tuple, list)) or len(result) != 2:
                raise TransformError(f"{described} must return a pair (x, aux) with has_aux=True")
            result, aux = result
        leaves, tree = pytrees.flatten(b)
        avals = [abstractify(leaf) for leaf in leaves]
        found = flattened(described, "a value", result, tree, avals)
        value = tree.unflatten(checked(described, "its value", found, avals, tangents=False))
        return (value, aux) if self.has_aux and not alone else value

    def trace(
        self, frame: Frame, arguments: Arguments, operands: list[Tracer], function: Callee
    ) -> dict[str, Callee]:
        def matvec(tracers: list[Tracer]) -> Any:
            (x,) = arguments.tree.unflatten(tracers)
            return self.checked("matvec", self.matvec(x), x, alone=True)

        def transpose(tracers: list[Tracer]) -> Any:
            (b,) = arguments.tree.unflatten(tracers)
            transposed = linear_transpose(self.matvec, b)
            assert self.transpose_solve is not None
            result = self.transpose_solve(lambda x: transposed(x)[0], b)
            return self.checked("transpose_solve", result, b, alone=True)

        traced = {"matvec": matvec, "transpose": transpose}
        return {
            name: trace_function(frame, traced[name], name, arguments.avals, kind="custom_linear_solve")
            for name in self.names()
        }

    def captured(self, traced: dict[str, Callee]) -> list[Captured]:
        return [x for callee in traced.values() for x in callee.captured]

    def define(self, trace: Trace, entry: Entry, traced: dict[str, Callee]) -> None:
        for name, callee in traced.items():
            forwarded(trace, entry, callee, entry.names[name])


def custom_root(
    f: Function, initial_guess: Any, solve: Function, tangent_solve: Function, has_aux: bool = False
) -> Any:
    """Find a root of a function by any solver, with derivatives that follow from the implicit function theorem.

    Args:
        f: a function whose root is sought, from a pytree of arrays to one of the same structure. Derivatives by
            what it captures are taken.
        initial_guess: where to start; the solution does not depend on it.
        solve: ``(f, initial_guess) -> x`` such that ``f(x)`` is zero; it is not differentiated.
        tangent_solve: ``(g, y) -> x`` such that ``g(x)`` is ``y`` for the linear function ``g``, the derivative of
            ``f`` at the root; for scalars ``lambda g, y: y / g(1.0)``. Reverse mode transposes it.
        has_aux: whether ``solve`` returns ``(x, aux)``.

    Returns:
        The root, or ``(x, aux)``.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> def root(a):
        ...     return mycc.lax.custom_root(
        ...         lambda x: x * x - a, 1.0, lambda f, x: mnp.sqrt(a), lambda g, y: y / g(1.0))
        >>> mycc.grad(root)(4.0)
        Array(0.25, dtype=float32, weak_type=True)
    """
    if current() is None:
        return solve(f, initial_guess)
    from mycc.lax import stop_gradient

    guess = stop_gradient(initial_guess)
    zero, f_values = closure_convert(f, guess)
    run, run_values = closure_convert(lambda x: solve(f, x), guess)

    def tangents(x: Any, right: Any, *values: Any) -> Any:
        def linear(y: Any) -> Any:
            return jvp(lambda z: zero(z, *values), (x,), (y,))[1]

        return tangent_solve(linear, right)

    tangent, tangent_values = closure_convert(tangents, guess, guess, *f_values)

    def root(guess: Any, f_values: Any, run_values: Any, tangent_values: Any) -> Any:
        out = run(guess, *run_values)
        if has_aux and (not isinstance(out, (tuple, list)) or len(out) != 2):
            raise TransformError(
                f"{user_line()}: solve of custom_root of {name_of(f)} must return a pair (x, aux) with has_aux=True"
            )
        described = f"{user_line()}: solve of custom_root of {name_of(f)}"
        leaves, tree = pytrees.flatten(guess)
        avals = [abstractify(leaf) for leaf in leaves]
        found = flattened(described, "a root", out[0] if has_aux else out, tree, avals)
        x = tree.unflatten(checked(described, "the root", found, avals, tangents=False))
        return (x, out[1]) if has_aux else x

    root.__name__ = f"root_{name_of(f)}"
    custom = custom_jvp(root)

    @custom.defjvp
    def root_jvp(primals: tuple[Any, ...], moved: tuple[Any, ...]) -> tuple[Any, Any]:
        _, f_values, _, tangent_values = primals
        out = custom(*primals)
        x = out[0] if has_aux else out
        _, right = jvp(lambda *values: zero(x, *values), tuple(f_values), tuple(moved[1]))
        solved = tree_map(lambda t: -t, tangent(x, right, *f_values, *tangent_values))
        return out, (solved, tree_map(zero_tangent, out[1])) if has_aux else solved

    stopped = [stop_gradient(run_values), stop_gradient(tangent_values)]
    return custom(guess, list(f_values), *map(list, stopped))
