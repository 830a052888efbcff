"""`pure_callback` and `io_callback`: Python functions that programs call while they run.

What debugging callbacks (`mycc.debug`) share with them is here as well. Names and arguments are JAX's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from mycc.array import Array
from mycc.dialects import callback as dialect
from mycc.dialects.errors import CallbackError
from mycc.function import building, name_of
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.callbacks import HostFunction, checked, effects_barrier, register
from mycc.source import user_line
from mycc.trace import Frame, Tracer, current, mlir_type, outside_of_traces
from mycc.types import abstractify, abstractify_all

__all__ = ["call_from_program", "effects_barrier", "io_callback", "pure_callback"]

VmapMethod = Literal["sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized"]


def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    vmap_method: VmapMethod | None = None,
    **kwargs: Any,
) -> Any:
    """Call a Python function that depends on its arguments alone from a program.

    The program may drop the call, make it once for several equal ones, or repeat it.

    Args:
        callback: from NumPy arrays, in the structure of ``args`` and ``kwargs``, to arrays.
        result_shape_dtypes: a pytree of `ShapeDtypeStruct` (or arrays) like its results.
        args, kwargs: pytrees of arrays.
        vmap_method: what `vmap` does. ``sequential`` calls it once for each example. ``expand_dims`` calls it once
            with whole batches, where arguments without batch dimension get one of size 1; ``broadcast_all`` repeats
            these; ``legacy_vectorized`` leaves them as they are. Its results then have the batch dimension in front.
            By default `vmap` is refused.

    Returns:
        Arrays in the structure of ``result_shape_dtypes``.

    Raises:
        CallbackError: (when the program runs) ``callback`` raised an exception, which is the cause, or returned
            another structure, shape or dtype. Python and NumPy numbers take the promised dtype.
        UnsupportedOperationError: a derivative is asked for; put the call into a `custom_jvp`.

    Outside of `jit` and other transforms the function is called at once, and its exceptions arrive as they are.
    A callback may use array functions of mycc itself on what it gets. It occupies a thread of the runtime while it
    does, so callbacks whose programs call callbacks again must not nest deeper than the machine has cores.

    Example:
        >>> import mycc, numpy as np
        >>> f = mycc.jit(lambda x: mycc.pure_callback(np.unwrap, x, x))
        >>> f(np.array([0.0, 6.0]))
        Array([ 0.        , -0.28318531], dtype=float64)
    """
    if vmap_method is not None and vmap_method not in dialect.VMAP_METHODS:
        raise ValueError(
            f"{user_line()}: vmap_method is one of {', '.join(map(repr, dialect.VMAP_METHODS))}, not {vmap_method!r}"
        )
    return call_from_program("pure", callback, result_shape_dtypes, args, kwargs, vmap_method=vmap_method)


def io_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    ordered: bool = False,
    **kwargs: Any,
) -> Any:
    """Call a Python function with effects from a program, exactly as often as the program comes by.

    Args:
        callback: from NumPy arrays, in the structure of ``args`` and ``kwargs``, to arrays.
        result_shape_dtypes: a pytree of `ShapeDtypeStruct` (or arrays) like its results; None for none.
        args, kwargs: pytrees of arrays.
        ordered: whether it keeps its place among the ordered callbacks of the program. Ordered ones cannot be
            batched by `vmap`; others are called once for each example.

    Returns:
        Arrays in the structure of ``result_shape_dtypes``.

    Raises:
        CallbackError: (when the program runs) as for `pure_callback`.
        UnsupportedOperationError: a derivative is asked for.

    Example:
        >>> import mycc, numpy as np
        >>> seen = []
        >>> f = mycc.jit(lambda x: mycc.io_callback(seen.append, None, x, ordered=True))
        >>> f(1.0)
        >>> seen
        [array(1., dtype=float32)]
    """
    return call_from_program("io", callback, result_shape_dtypes, args, kwargs, ordered=ordered)


def call_from_program(
    kind: dialect.Kind,
    function: Callable[..., Any],
    result_shape_dtypes: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    ordered: bool = False,
    vmap_method: str | None = None,
    identity: Any = None,
    name: str | None = None,
) -> Any:
    """Put a call of a Python function into the program being traced; outside of any, call it.

    Args:
        kind: what the function may do.
        function: from NumPy arrays in the structure of ``args`` and ``kwargs``.
        result_shape_dtypes: a pytree of what it returns; ignored for debugging callbacks, which return nothing.
        args, kwargs: pytrees of arrays; for debugging callbacks other leaves are passed on as they are.
        ordered: whether it keeps its place among the ordered callbacks.
        vmap_method: how a pure one is batched.
        identity: hashable; functions with equal ones are the same. Default: the function itself.
        name: by which messages call it.
    """
    what = "debug.callback" if kind == "debug" else f"{kind}_callback"
    if not callable(function):
        raise TypeError(f"{user_line()}: {what} takes a function, got {type(function).__name__}")
    specs, out_tree = _promised(what, result_shape_dtypes if kind != "debug" else None)
    leaves, in_tree = pytrees.flatten((args, kwargs))
    dynamic = [kind != "debug" or _is_array(leaf) for leaf in leaves]
    static = [None if flag else leaf for leaf, flag in zip(leaves, dynamic, strict=True)]
    name = name or name_of(function)

    def call(arrays: Sequence[np.ndarray[Any, Any]]) -> list[Any]:
        remaining = iter(arrays)
        full = [next(remaining) if flag else leaf for leaf, flag in zip(static, dynamic, strict=True)]
        given, named = in_tree.unflatten(full)
        with outside_of_traces():
            results = function(*given, **named)
            return [] if kind == "debug" else _flat_results(results, out_tree, name)

    operands = [leaf for leaf, flag in zip(leaves, dynamic, strict=True) if flag]
    avals = list(abstractify_all(operands))
    frame = current()
    if frame is None:
        arrays = [np.array(leaf, aval.dtype) for leaf, aval in zip(operands, avals, strict=True)]
        found = checked(call(arrays), specs, name)
        return out_tree.unflatten([Array._from_numpy(x) for x in found]) if kind != "debug" else None
    key = (
        kind,
        _identity(function) if identity is None else identity,
        in_tree,
        tuple(dynamic),
        tuple((type(leaf), leaf) if type(leaf) in _PLAIN else id(leaf) for leaf in static),
        out_tree,
    )
    entry = register(key, lambda: HostFunction(call, name, (function, static)))
    return _build(frame, kind, entry, operands, avals, specs, out_tree, ordered, vmap_method)


_PLAIN = frozenset({str, bytes, type(None)})


def _identity(function: Any) -> Any:
    """What tells a function from others without holding it: a method is made anew whenever it is looked up."""
    bound = getattr(function, "__self__", None)
    if bound is not None and hasattr(function, "__func__"):
        return id(bound), id(function.__func__)
    return id(function)


def _build(
    frame: Frame,
    kind: dialect.Kind,
    entry: HostFunction,
    operands: Sequence[Any],
    avals: Sequence[AbstractValue],
    specs: Sequence[AbstractValue],
    out_tree: Any,
    ordered: bool,
    vmap_method: str | None,
) -> Any:
    frame.trace.callbacks[entry] = None
    frame.effects |= kind != "pure"
    with building(frame):
        values = dialect.callback(
            kind,
            entry.number,
            entry.name,
            [frame.lift(leaf, aval) for leaf, aval in zip(operands, avals, strict=True)],
            [mlir_type(spec) for spec in specs],
            ordered=ordered,
            vmap_method=vmap_method,
        )
    if kind == "debug":
        return None
    return out_tree.unflatten([Tracer(frame, v, a) for v, a in zip(values, specs, strict=True)])


def _promised(what: str, result_shape_dtypes: Any) -> tuple[list[AbstractValue], Any]:
    leaves, tree = pytrees.flatten(result_shape_dtypes)
    specs = []
    for leaf in leaves:
        number = isinstance(leaf, (bool, int, float, complex))
        if isinstance(leaf, type) or not (number or (hasattr(leaf, "shape") and hasattr(leaf, "dtype"))):
            raise TypeError(
                f"{user_line()}: {what} takes result_shape_dtypes as a pytree of mycc.ShapeDtypeStruct or arrays, got a "
                f"{type(leaf).__name__} in it"
            )
        known = abstractify(leaf)
        specs.append(AbstractValue(known.shape, known.dtype))
    return specs, tree


def _flat_results(results: Any, tree: Any, name: str) -> list[Any]:
    leaves, found = pytrees.flatten(results)
    if found != tree:
        raise CallbackError(
            f"'{name}' returned {found}, where result_shape_dtypes promises {tree}; return that structure, or promise what "
            "it returns"
        )
    return leaves


def _is_array(leaf: Any) -> bool:
    try:
        abstractify(leaf)
    except TypeError:
        return False
    return True
