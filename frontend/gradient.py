"""`grad` and `value_and_grad`.

The function is traced as a private function of the current module, and one transform operation refers to it,
which the `autodiff` pass expands. Called on concrete arrays outside of any trace, the whole is one program that
is compiled once per structure; the function may then ask for the values of its arguments.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import numpy as np

from mycc.array import Array
from mycc.dialects import ops, transform
from mycc.dialects.errors import TransformError
from mycc.dialects.mlir import ir
from mycc.differentiation import (
    Flags,
    TracedForDerivative,
    in_trace,
    is_inexact,
    tangents_of,
    trace_for_derivative,
    wrap_all,
)
from mycc.function import Callee, building, name_of
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.shared import marks, shares, totals
from mycc.source import user_line
from mycc.trace import Frame, Tracer, current
from mycc.types import abstractify

__all__ = ["grad", "value_and_grad"]


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The gradient of a scalar function.

    Args:
        fun: returns a real scalar, or with ``has_aux`` a pair of one and any pytree.
        argnums: positions of the arguments (pytrees of floats) to differentiate with respect to.
        has_aux: whether ``fun`` returns auxiliary data beside the scalar.
        holomorphic: whether ``fun`` is a holomorphic function from complex to complex.
        allow_int: whether integer arguments are let through; their gradient is zeros of dtype float0.

    Returns:
        A function of the same arguments that returns the gradient (a tuple if ``argnums`` is one), with
        ``has_aux`` as a pair with the auxiliary data. Gradients have the shape and dtype of the arguments.

    Raises:
        TransformError: (the returned function) an argument is not inexact, or the result not a real scalar.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.grad(lambda x: x * mnp.sin(x))(0.0)
        Array(0., dtype=float32, weak_type=True)
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, _name="grad")

    @functools.wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    _name: str = "value_and_grad",
) -> Callable[..., Any]:
    """As `grad`, with the value: ``(value, gradient)``, or ``((value, aux), gradient)`` with ``has_aux``.

    Example:
        >>> import mycc
        >>> mycc.value_and_grad(lambda x: x * x)(3.0)
        (Array(9., dtype=float32, weak_type=True), Array(6., dtype=float32, weak_type=True))
    """
    if not callable(fun):
        raise TypeError(f"{user_line()}: {_name} takes a function, got {type(fun).__name__}")
    single = isinstance(argnums, SupportsIndex)
    positions = (int(argnums),) if isinstance(argnums, SupportsIndex) else tuple(argnums)

    @functools.wraps(fun)
    def both(*args: Any, **kwargs: Any) -> Any:
        chosen = _positions(_name, fun, positions, len(args))

        def body(frame: Frame) -> Any:
            return _value_and_grad(frame, _name, fun, args, kwargs, chosen, has_aux, holomorphic, allow_int)

        value, gradients = in_trace(f"{_name}_{name_of(fun)}", body)
        return value, gradients[0] if single else gradients

    return both


def _positions(name: str, fun: Callable[..., Any], positions: tuple[int, ...], count: int) -> tuple[int, ...]:
    for position in positions:
        if not -count <= position < count:
            raise TransformError(
                f"{user_line()}: {name} of {name_of(fun)} is to differentiate argument {position}, but got {count} positional "
                "arguments; pass it by position, or change argnums"
            )
    return tuple(position % count for position in positions)


def _value_and_grad(
    frame: Frame,
    name: str,
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    positions: tuple[int, ...],
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
) -> tuple[Any, tuple[Any, ...]]:
    chosen = tuple(args[i] for i in positions)
    _check_inputs(name, fun, chosen, positions, holomorphic, allow_int)
    others = _Snapshot([(a if i not in positions else None) for i, a in enumerate(args)], kwargs)

    def of_chosen(*values: Any) -> Any:
        full, named = others.fresh()
        for position, value in zip(positions, values, strict=True):
            full[position] = value
        out = fun(*full, **named)
        if not has_aux:
            return (out, None)
        if not isinstance(out, tuple) or len(out) != 2:
            raise TransformError(
                f"{user_line()}: {name} of {name_of(fun)} with has_aux=True needs a pair (value, aux), got {type(out).__name__}"
            )
        return out

    of_chosen.__name__ = name_of(fun)
    traced = trace_for_derivative(frame, of_chosen, chosen, others.arrays)
    out_avals = traced.callee.out_avals
    _check_output(name, fun, traced.callee, holomorphic)
    seeded = (True, *(False for _ in out_avals[1:]))
    with building(frame):
        one = ops.full(traced.callee.function.results[0], 1)
        results = _vjp(frame, traced, seeded, one)
    outs = wrap_all(frame, results[: len(out_avals)], out_avals)
    cotangents = tangents_of(frame, results[len(out_avals) :], traced.in_avals, traced.active)
    value, aux = traced.callee.out_tree.unflatten(outs)
    return (value, aux) if has_aux else value, traced.in_tree.unflatten(cotangents)


def _vjp(frame: Frame, traced: TracedForDerivative, seeded: Flags, one: ir.Value) -> list[ir.Value]:
    """The results, then the cotangents, of a function whose first result is differentiated."""
    function, active, primals = traced.callee.function, traced.active, traced.primals
    if not frame.checked:
        return transform.vjp(function, active, seeded, primals, [one])
    *results, handle = transform.linearize(function, active, seeded, True, primals)
    seeds = shares(frame, [one], marks(frame, results[:1]))
    cotangents = transform.pullback(function, active, seeded, handle, seeds)
    moving = [x for x, flag in zip(primals, active, strict=True) if flag]
    return [*results, *totals(frame, cotangents, marks(frame, moving))]


class _Snapshot:
    """Arguments that are not differentiated: arrays among them are handed on as fresh handles."""

    def __init__(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        self.leaves, self.tree = pytrees.flatten((args, kwargs))

    @property
    def arrays(self) -> list[Any]:
        """Those that are arrays; what is not differentiated may be anything."""
        return [x for x in self.leaves if isinstance(x, (Array, np.ndarray, np.generic))]

    def fresh(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments inside the frame that is current now."""
        frame = current()
        assert frame is not None
        with building(frame):
            leaves = [
                Tracer(frame, frame.lift(x), x._aval) if isinstance(x, Array) else x for x in self.leaves
            ]
        args, kwargs = self.tree.unflatten(leaves)
        return args, kwargs


def _check_inputs(
    name: str,
    fun: Callable[..., Any],
    chosen: tuple[Any, ...],
    positions: tuple[int, ...],
    holomorphic: bool,
    allow_int: bool,
) -> None:
    for position, arg in zip(positions, chosen, strict=True):
        for path, leaf in pytrees.flatten_with_path(arg)[0]:
            where = f"argument {position}{pytrees.keystr(path)}"
            try:
                dtype = abstractify(leaf).dtype
            except TypeError:
                raise TransformError(
                    f"{user_line()}: {name} of {name_of(fun)}: {where} is no array or number, but of type "
                    f"{type(leaf).__name__}; choose other argnums"
                ) from None
            if holomorphic and dtype.kind != "c":
                raise TransformError(
                    f"{user_line()}: {name} of {name_of(fun)} with holomorphic=True needs complex arguments, {where} is {dtype}"
                )
            if dtype.kind == "c" and not holomorphic:
                continue
            if not is_inexact(dtype) and not allow_int:
                raise TransformError(
                    f"{user_line()}: {name} of {name_of(fun)}: {where} has dtype {dtype}, which has no derivative; "
                    "pass a float (3.0 instead of 3, or x.astype(float)), choose other argnums, or set allow_int=True"
                )


def _check_output(name: str, fun: Callable[..., Any], callee: Callee, holomorphic: bool) -> None:
    value, _ = callee.out_tree.unflatten(list(callee.out_avals))
    if not isinstance(value, AbstractValue):
        raise TransformError(
            f"{user_line()}: {name} of {name_of(fun)} needs a scalar result, got a {type(value).__name__}; "
            "return one array, or a pair with has_aux=True"
        )
    if value.shape != ():
        raise TransformError(
            f"{user_line()}: {name} of {name_of(fun)} needs a scalar result, got one of shape {value.shape}; "
            "reduce it (mnp.sum, mnp.mean), or use jacrev or jacfwd"
        )
    if value.dtype.kind == "c" and not holomorphic:
        raise TransformError(
            f"{user_line()}: {name} of {name_of(fun)} has a complex result; take a real function of it, or pass "
            "holomorphic=True if it is holomorphic"
        )
    if holomorphic and value.dtype.kind != "c":
        raise TransformError(
            f"{user_line()}: {name} of {name_of(fun)} with holomorphic=True needs a complex result, got {value.dtype}"
        )
    if not is_inexact(value.dtype):
        raise TransformError(
            f"{user_line()}: {name} of {name_of(fun)} needs a float result, got {value.dtype}"
        )
