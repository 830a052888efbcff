"""`operation`: what makes a Python function an array function of mycc.

Inside a trace it builds operations at the user's line; called on concrete arrays it is traced and compiled once
per signature, and run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, cast

from mycc.dialects.mlir import ir
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_location
from mycc.trace import Tracer, _state
from mycc.types import ArrayLike, abstractify

__all__ = ["lift", "operation", "wrap"]

P = ParamSpec("P")
R = TypeVar("R")


def operation(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate an array function.

    Parameters annotated with ``ArrayLike`` are operands; in an eager call they, and every array in another
    parameter, become arguments of the compiled program. All else is static and must be hashable.
    """
    dynamic = _operand_names(function)

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        frame = _state.frame
        if frame is None:
            return cast(R, _run_eagerly(wrapper, function, dynamic, args, kwargs))
        if frame.inside:
            return function(*args, **kwargs)
        frame.inside = True
        try:
            with user_location(), frame.end:
                if _has_numbers(args) or (kwargs and _has_numbers(kwargs.values())):
                    return cast(R, _run_exactly(function, dynamic, args, kwargs))
                return function(*args, **kwargs)
        finally:
            frame.inside = False

    return wrapper


def _has_numbers(args: Iterable[Any]) -> bool:
    for arg in args:
        kind = type(arg)
        if kind is float or kind is complex or ((kind is list or kind is tuple) and _has_numbers(arg)):
            return True
    return False


def _run_exactly(
    function: Callable[..., Any], dynamic: dict[str, bool], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    from mycc.operations import exact_operands

    args, kwargs = exact_operands(dynamic, args, kwargs)
    return function(*args, **kwargs)


def _operand_names(function: Callable[..., Any]) -> dict[str, bool]:
    """For each parameter whether it is an operand. Annotations are strings, being imported from the future."""
    return {
        name: "ArrayLike" in str(kind) for name, kind in function.__annotations__.items() if name != "return"
    }


def lift(x: ArrayLike) -> tuple[ir.Value, AbstractValue]:
    """The value of an array-like in the current frame, and what is known of it."""
    aval = abstractify(x)
    frame = _state.frame
    assert frame is not None
    return frame.lift(x, aval), aval


def wrap(value: ir.Value, aval: AbstractValue) -> Tracer:
    """The traced array of a value of the current frame."""
    frame = _state.frame
    assert frame is not None
    return Tracer(frame, value, aval)


def _run_eagerly(
    key: Any,
    function: Callable[..., Any],
    dynamic: dict[str, bool],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    from mycc.operations import run

    return run(key, function, dynamic, args, kwargs)
