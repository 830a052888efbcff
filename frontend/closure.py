"""`closure_convert`: what a function captures becomes arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.errors import TransformError, TreeError
from mycc.differentiation import is_inexact
from mycc.emit import lifted
from mycc.function import Callee, building, name_of, trace_function
from mycc.lowering import pytrees
from mycc.source import user_line
from mycc.trace import Frame, Tracer, current
from mycc.types import abstractify, abstractify_all

__all__ = ["closure_convert"]


def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Callable[..., Any], list[Any]]:
    """A function with what it captures as further arguments, so that custom rules can differentiate by it.

    Args:
        fun: a function of arrays, or pytrees of them, that may use traced arrays from around it.
        example_args: arrays (or `ShapeDtypeStruct`) of the structure, shapes and dtypes it will be called with.

    Returns:
        ``(converted, captured)``: ``converted(*args, *captured)`` is ``fun(*args)``. Captured are the traced float
        and complex arrays that ``fun`` uses, and, under an eager derivative, the concrete ones; outside of a
        trace there are none.

    Raises:
        TreeError, TransformError: (the converted function) it is called with other types than the example's.

    Example:
        >>> import mycc
        >>> def f(y):
        ...     g, captured = mycc.closure_convert(lambda x: x * y, 1.0)
        ...     return g(2.0, *captured), len(captured)
        >>> mycc.vjp(f, 3.0)[0][0]
        Array(6., dtype=float32, weak_type=True)
    """
    frame = current()
    if frame is None:
        return fun, []
    leaves, tree = pytrees.flatten(example_args)
    avals = abstractify_all(leaves)

    def flat(tracers: list[Tracer]) -> Any:
        return fun(*tree.unflatten(tracers))

    callee = trace_function(frame, flat, name_of(fun), avals, kind="closure_convert")
    hoisted = [x for x in callee.captured if is_inexact(x._aval.dtype)]
    positions = {id(x): i for i, x in enumerate(hoisted)}
    name = name_of(fun)

    def converted(*args: Any) -> Any:
        count = len(args) - len(hoisted)
        given, got = pytrees.flatten(args[:count])
        if count < 0 or got != tree:
            raise TreeError(
                f"{user_line()}: the closure-converted {name} takes arguments of structure {tree}, then "
                f"{len(hoisted)} captured arrays, got {pytrees.structure_of(args)}"
            )
        around = current()
        if around is None:
            raise TransformError(
                f"{user_line()}: the closure-converted {name} is called outside of the trace that it belongs to"
            )
        captured = [args[count + positions[id(x)]] if id(x) in positions else x for x in callee.captured]
        return _called(
            around, name, callee, [*given, *captured], [*avals, *(x._aval for x in callee.captured)]
        )

    converted.__name__ = name
    return converted, [_fresh(frame, x) for x in hoisted]


def _fresh(frame: Frame, x: Tracer | Array) -> Tracer:
    with building(frame):
        return Tracer(frame, frame.lift(x), x._aval)


def _called(frame: Frame, name: str, callee: Callee, leaves: list[Any], avals: list[Any]) -> Any:
    values = []
    with building(frame):
        for i, (leaf, aval) in enumerate(zip(leaves, avals, strict=True)):
            got = abstractify(leaf)
            if got.shape != aval.shape or (got.dtype != aval.dtype and not got.weak_type):
                raise TransformError(
                    f"{user_line()}: leaf {i} of the arguments of the closure-converted {name} must have the type "
                    f"{aval}, as in the example, got {got}"
                )
            values.append(lifted(leaf, aval))
        results = ops.call(callee.function.symbol, callee.function.results, values)
    return callee.out_tree.unflatten(
        [Tracer(frame, v, a) for v, a in zip(results, callee.out_avals, strict=True)]
    )
