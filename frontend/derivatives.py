"""`jvp`, `vjp`, `linearize`, `linear_transpose`: derivatives as linear functions. See `mycc.gradient`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

from mycc.dialects import transform
from mycc.dialects.errors import TransformError, TreeError
from mycc.dialects.mlir import ir
from mycc.differentiation import (
    Flags,
    TracedForDerivative,
    check_seeds,
    in_trace,
    is_inexact,
    tangents_of,
    trace_for_derivative,
    wrap_all,
)
from mycc.function import Callee, building, name_of, trace_function
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.residuals import AbstractHandle, Linearization, escape, linear_call
from mycc.shared import marks, shares, totals
from mycc.source import user_line
from mycc.trace import Frame, Tracer
from mycc.types import abstractify_all

__all__ = ["jvp", "linear_transpose", "linearize", "vjp"]


def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> Any:
    """The value of a function and its derivative along a direction, in forward mode.

    Args:
        fun: a function of arrays, or pytrees of them.
        primals: its arguments, as a tuple or list.
        tangents: for each primal a tangent of the same structure, shapes and dtypes (float0 for integers).
        has_aux: whether ``fun`` returns a pair of the differentiated result and auxiliary data.

    Returns:
        ``(out, tangent_out)``, with ``has_aux`` ``(out, tangent_out, aux)``.

    Raises:
        TransformError, TreeError: primals and tangents do not match.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.jvp(mnp.sin, (0.0,), (2.0,))
        (Array(0., dtype=float32, weak_type=True), Array(2., dtype=float32, weak_type=True))
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TransformError(
            f"{user_line()}: jvp takes primals and tangents as tuples, even of one: jvp(f, (x,), (t,))"
        )

    def body(frame: Frame) -> Any:
        traced = trace_for_derivative(frame, _split_aux(fun, has_aux, "jvp"), tuple(primals))
        seeds = _seeds(frame, "jvp", tuple(tangents), traced)
        function = traced.callee.function
        out_tree, aux_count = _aux_of(traced.callee)
        seeded = _without_aux(traced.seeded, aux_count)
        with building(frame):
            results = transform.jvp(function, traced.active, seeded, traced.primals, seeds)
        avals = traced.callee.out_avals
        out, aux = traced.callee.out_tree.unflatten(wrap_all(frame, results[: len(avals)], avals))
        tangent_leaves = tangents_of(frame, results[len(avals) :], avals[: len(avals) - aux_count], seeded)
        tangent_out = out_tree.unflatten(tangent_leaves)
        return (out, tangent_out, aux) if has_aux else (out, tangent_out)

    return in_trace(f"jvp_{name_of(fun)}", body)


def _split_aux(fun: Callable[..., Any], has_aux: bool, name: str) -> Callable[..., Any]:
    """A function that returns a pair of result and auxiliary data, None where there is none."""

    @functools.wraps(fun)
    def pair(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        if not has_aux:
            return out, None
        if not isinstance(out, tuple) or len(out) != 2:
            raise TransformError(
                f"{user_line()}: {name} of {name_of(fun)} with has_aux=True needs a pair (out, aux), got {type(out).__name__}"
            )
        return out

    return pair


def _aux_of(callee: Callee) -> tuple[Any, int]:
    """The structure of the differentiated result, and how many leaves the auxiliary data has."""
    out, aux = callee.out_tree.unflatten(list(callee.out_avals))
    return pytrees.flatten(out)[1], len(pytrees.flatten(aux)[0])


def _without_aux(seeded: Flags, aux_count: int) -> Flags:
    count = len(seeded) - aux_count
    return (*seeded[:count], *(False for _ in range(aux_count)))


def _seeds(frame: Frame, name: str, tangents: Any, traced: TracedForDerivative) -> list[ir.Value]:
    leaves, tree = pytrees.flatten(tangents)
    if tree != traced.in_tree:
        raise TreeError(
            f"{user_line()}: {name} got primals and tangents of different structure: {traced.in_tree} and {tree}"
        )
    return check_seeds(frame, name, "tangent", leaves, traced.in_avals, traced.active)


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and its pullback from cotangents of the result to those of the arguments.

    Args:
        fun: a function of arrays, or pytrees of them.
        primals: its arguments.
        has_aux: whether ``fun`` returns a pair of the differentiated result and auxiliary data.

    Returns:
        ``(out, pullback)``, with ``has_aux`` ``(out, pullback, aux)``. The pullback takes a cotangent of the
        structure, shapes and dtypes of ``out`` and returns a tuple with one for each primal. It is a pytree: it
        can be returned from `jit`, batched, and called in a loop.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> out, pullback = mycc.vjp(mnp.sin, 0.0)
        >>> pullback(2.0)
        (Array(2., dtype=float32, weak_type=True),)
    """
    return _linearized(fun, primals, has_aux, reverse=True)


def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and its derivative there as a linear function of tangents.

    Args:
        fun: a function of arrays, or pytrees of them.
        primals: the arguments at which to linearize it.
        has_aux: whether ``fun`` returns a pair of the differentiated result and auxiliary data.

    Returns:
        ``(out, pushforward)``, with ``has_aux`` ``(out, pushforward, aux)``. The pushforward takes one tangent
        for each primal; what does not depend on them is computed once, here.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> out, pushforward = mycc.linearize(mnp.sin, 0.0)
        >>> pushforward(3.0)
        Array(3., dtype=float32, weak_type=True)
    """
    return _linearized(fun, primals, has_aux, reverse=False)


def _linearized(fun: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool, reverse: bool) -> Any:
    name = "vjp" if reverse else "linearize"

    def body(frame: Frame) -> Any:
        traced = trace_for_derivative(frame, _split_aux(fun, has_aux, name), primals)
        function = traced.callee.function
        out_tree, aux_count = _aux_of(traced.callee)
        seeded = _without_aux(traced.seeded, aux_count)
        with building(frame):
            *results, handle = transform.linearize(function, traced.active, seeded, reverse, traced.primals)
        avals = traced.callee.out_avals
        out, aux = traced.callee.out_tree.unflatten(wrap_all(frame, results, avals))
        linearization = Linearization(function, traced.active, seeded, reverse)
        source = Tracer(frame, handle, cast(AbstractValue, AbstractHandle(linearization)))
        out_avals = avals[: len(avals) - aux_count]
        ends = (traced.in_tree, traced.in_avals), (out_tree, out_avals)
        marked: Marks = ((), ())
        if reverse and frame.checked:
            with building(frame):
                seeds = [x for x, flag in zip(results, seeded, strict=True) if flag]
                moving = [x for x, flag in zip(traced.primals, traced.active, strict=True) if flag]
                marked = marks(frame, seeds), marks(frame, moving)
        start, end = ends if not reverse else ends[::-1]
        linear = LinearFunction(source, linearization, name_of(fun), start, end, marked)
        return (out, linear, aux) if has_aux else (out, linear)

    return in_trace(f"{name}_{name_of(fun)}", body)


End = tuple[Any, tuple[AbstractValue, ...]]
Marks = tuple[tuple[Any, ...], tuple[Any, ...]]


class LinearFunction:
    """A pullback or pushforward: a linear function of what it is called with, and a pytree of its residuals."""

    def __init__(
        self,
        source: Any,
        linearization: Linearization,
        name: str,
        start: End,
        end: End,
        marked: Marks = ((), ()),
    ) -> None:
        self.source = source
        self.linearization = linearization
        self.name = name
        self.start = start
        self.end = end
        self.marked = marked

    def __call__(self, *seeds: Any) -> Any:
        """Cotangents of the primals from one of the result, or a tangent of the result from the primals'.

        Raises:
            TreeError, TransformError: the argument does not match in structure, shape or dtype.
        """
        reverse = self.linearization.reverse
        what = f"{'pullback' if reverse else 'pushforward'} of {self.name}"
        given = seeds[0] if reverse and len(seeds) == 1 else seeds
        tree, avals = self.start
        leaves, got = pytrees.flatten(given)
        if got != tree:
            raise TreeError(f"{user_line()}: the {what} takes a pytree of structure {tree}, got {got}")

        def body(frame: Frame) -> Any:
            flags = [is_inexact(aval.dtype) for aval in avals]
            values = check_seeds(frame, what, "cotangent" if reverse else "tangent", leaves, avals, flags)
            seeds_marked, results_marked = self.marked
            if seeds_marked:
                with building(frame):
                    values = shares(frame, values, seeds_marked)
            results = linear_call(frame, self.linearization, self.source, values)
            if results_marked:
                with building(frame):
                    results = totals(frame, results, results_marked)
            end_tree, end_avals = self.end
            end_flags = tuple(is_inexact(aval.dtype) for aval in end_avals)
            return end_tree.unflatten(tangents_of(frame, results, end_avals, end_flags))

        return in_trace(what, body)

    def __repr__(self) -> str:
        return f"<{'pullback' if self.linearization.reverse else 'pushforward'} of {self.name}>"


def _flatten(function: LinearFunction) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    function.source = escape(function.source)
    return (function.source, function.marked), (
        function.linearization,
        function.name,
        function.start,
        function.end,
    )


def _rebuild(aux: tuple[Any, ...], children: Any) -> LinearFunction:
    source, marked = children
    linearization, name, start, end = aux
    return LinearFunction(source, linearization, name, start, end, marked)


pytrees.register_node(LinearFunction, _flatten, _rebuild)


def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a linear function, which maps cotangents of its result to those of its arguments.

    Args:
        fun: linear in all its arguments jointly. It is not run: only shapes and dtypes are needed.
        primals: arrays or `ShapeDtypeStruct` with the shapes and dtypes of its arguments.

    Returns:
        A function from a cotangent of the result to a tuple with one for each argument.

    Raises:
        TransformError: (the returned function) the derivative of an operation depends on an argument's value.

    Example:
        >>> import mycc
        >>> mycc.linear_transpose(lambda x: 3.0 * x, 1.0)(2.0)
        (Array(6., dtype=float32, weak_type=True),)
    """
    leaves, in_tree = pytrees.flatten(primals)
    in_avals = abstractify_all(leaves)
    for i, aval in enumerate(in_avals):
        if not is_inexact(aval.dtype):
            raise TransformError(
                f"{user_line()}: linear_transpose of {name_of(fun)} needs float or complex arguments, leaf {i} has dtype {aval.dtype}"
            )

    def transposed(cotangent: Any) -> Any:
        def body(frame: Frame) -> Any:
            def flat(tracers: list[Tracer]) -> Any:
                return fun(*in_tree.unflatten(tracers))

            callee = trace_function(frame, flat, name_of(fun), in_avals, kind="linear_transpose")
            got, tree = pytrees.flatten(cotangent)
            if tree != callee.out_tree:
                raise TreeError(
                    f"{user_line()}: the transpose of {name_of(fun)} takes a cotangent of structure {callee.out_tree}, got {tree}"
                )
            seeded = tuple(is_inexact(aval.dtype) for aval in callee.out_avals)
            seeds = check_seeds(
                frame, f"transpose of {name_of(fun)}", "cotangent", got, callee.out_avals, seeded
            )
            active = (*(True for _ in in_avals), *(False for _ in callee.captured))
            with building(frame):
                fixed = callee.operands(frame, [])
                values = transform.transpose(callee.function, active, seeded, fixed, seeds)
            return in_tree.unflatten(wrap_all(frame, values, in_avals))

        return in_trace(f"transpose_{name_of(fun)}", body)

    return transposed
