"""`cond` and `switch`.

Branches are traced as functions of their operands; what they use from around them becomes an operand of the
call inside the region. Called on concrete arrays outside of a trace, each is one compiled program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.errors import TransformError, TreeError
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type
from mycc.differentiation import in_trace
from mycc.emit import convert, lifted
from mycc.function import Callee, building, name_of, trace_function
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame, Tracer, mlir_type, require_frame
from mycc.types import ArrayLike, abstractify, abstractify_all, promote

__all__ = ["cond", "switch"]

Value: TypeAlias = ir.Value
_INT32 = np.dtype(np.int32)
_NOTHING = object()


def cond(
    pred: ArrayLike,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
    operand: Any = _NOTHING,
) -> Any:
    """Run one of two functions, chosen by a scalar at run time.

    Args:
        pred: a scalar; numbers count as true if they are not zero.
        true_fun: called on the operands if ``pred`` holds.
        false_fun: called on them otherwise; gives results of the same structure, shapes and dtypes.
        operands: pytrees of arrays.
        operand: the only operand, by name.

    Returns:
        The results of the chosen function.

    Raises:
        TransformError: ``pred`` is no scalar, or the results differ in shape or dtype.
        TreeError: the results differ in structure.

    Example:
        >>> import mycc
        >>> mycc.lax.cond(True, lambda x: x + 1.0, lambda x: x, 1.0)
        Array(2., dtype=float32, weak_type=True)
    """
    operands = _all_operands("cond", operands, operand)
    aval = abstractify(pred)
    if aval.shape != ():
        raise TransformError(
            f"{user_line()}: cond needs a scalar predicate, got one of shape {aval.shape}; use mycc.numpy.where for arrays"
        )

    def body(frame: Frame) -> Any:
        with building(frame):
            holds = convert(frame.lift(pred), aval.dtype, np.dtype(bool))
            index = ops.convert(holds, element_type(_INT32))
        return _case(frame, "cond", index, [false_fun, true_fun], operands)

    return in_trace(f"cond_{name_of(true_fun)}", body)


def _all_operands(name: str, operands: tuple[Any, ...], operand: Any) -> tuple[Any, ...]:
    if operand is _NOTHING:
        return operands
    if operands:
        raise TypeError(f"{user_line()}: {name} takes operands by position or one by name, not both")
    return (operand,)


def switch(
    index: ArrayLike, branches: Sequence[Callable[..., Any]], *operands: Any, operand: Any = _NOTHING
) -> Any:
    """Run one of several functions, chosen by an integer scalar at run time.

    Args:
        index: a scalar; clamped to the branches there are.
        branches: functions of the operands, whose results agree in structure, shapes and dtypes.
        operands: pytrees of arrays.
        operand: the only operand, by name.

    Example:
        >>> import mycc
        >>> mycc.lax.switch(1, [lambda x: x, lambda x: -x], 2.0)
        Array(-2., dtype=float32, weak_type=True)
    """
    operands = _all_operands("switch", operands, operand)
    aval = abstractify(index)
    if aval.shape != () or aval.dtype.kind not in "iu":
        raise TransformError(f"{user_line()}: switch needs an integer scalar index, got {aval}")
    if not branches:
        raise ValueError(f"{user_line()}: switch needs at least one branch")

    def body(frame: Frame) -> Any:
        with building(frame):
            chosen = ops.convert(frame.lift(index), element_type(_INT32))
            low, high = (ops.full_like(chosen, n) for n in (0, len(branches) - 1))
            chosen = ops.clamp(low, chosen, high)
        return _case(frame, "switch", chosen, branches, operands)

    return in_trace("switch", body)


def _case(
    frame: Frame, name: str, index: Value, branches: Sequence[Callable[..., Any]], operands: Any
) -> Any:
    leaves, tree = pytrees.flatten(operands)
    avals = abstractify_all(leaves)
    callees = [_trace(frame, f"{name}_{name_of(f)}", f, tree, avals) for f in branches]
    out_avals = _agreed(name, branches, callees)
    callees = [
        _retraced(frame, f"{name}_{name_of(f)}", f, tree, avals, c, out_avals)
        for f, c in zip(branches, callees, strict=True)
    ]
    with building(frame):
        values = [frame.lift(leaf, aval) for leaf, aval in zip(leaves, avals, strict=True)]
        operands_of = [callee.operands(frame, values) for callee in callees]

        def branch(callee: Callee, inputs: list[Value]) -> list[Value]:
            return ops.call(callee.function.symbol, callee.function.results, inputs)

        pairs = list(zip(callees, operands_of, strict=True))
        types = [mlir_type(aval) for aval in out_avals]
        results = ops.case(index, types, [partial(branch, *p) for p in pairs])
    return callees[0].out_tree.unflatten(
        [Tracer(frame, v, a) for v, a in zip(results, out_avals, strict=True)]
    )


def _trace(
    frame: Frame, name: str, fun: Callable[..., Any], tree: Any, avals: Sequence[AbstractValue]
) -> Callee:
    return trace_function(
        frame, lambda tracers: fun(*tree.unflatten(tracers)), name, avals, kind="control flow"
    )


def _agreed(
    name: str, branches: Sequence[Callable[..., Any]], callees: Sequence[Callee]
) -> list[AbstractValue]:
    """The common types of the branches' results; weakly typed ones give way."""
    first = callees[0]
    for fun, callee in zip(branches, callees, strict=True):
        if callee.out_tree != first.out_tree:
            raise TreeError(
                f"{user_line()}: {name}: the branches return different structures: {name_of(branches[0])} returns "
                f"{first.out_tree}, {name_of(fun)} returns {callee.out_tree}"
            )
    agreed = []
    for position, avals in enumerate(zip(*(callee.out_avals for callee in callees), strict=True)):
        strong = {a.dtype for a in avals if not a.weak_type}
        if len({a.shape for a in avals}) > 1 or len(strong) > 1:
            listed = ", ".join(f"{name_of(f)} returns {a}" for f, a in zip(branches, avals, strict=True))
            raise TransformError(
                f"{user_line()}: {name}: result {position} differs between the branches: {listed}"
            )
        dtype, weak = promote(avals)
        agreed.append(AbstractValue(avals[0].shape, next(iter(strong), dtype), weak))
    return agreed


def _retraced(
    frame: Frame,
    name: str,
    fun: Callable[..., Any],
    tree: Any,
    avals: Sequence[AbstractValue],
    callee: Callee,
    wanted: Sequence[AbstractValue],
) -> Callee:
    """The function with its results converted to the wanted dtypes; traced again only if one differs."""
    if [a.dtype for a in callee.out_avals] == [a.dtype for a in wanted]:
        return callee

    def converted(tracers: list[Tracer]) -> Any:
        leaves, out_tree = pytrees.flatten(fun(*tree.unflatten(tracers)))
        return out_tree.unflatten([_astype(leaf, aval) for leaf, aval in zip(leaves, wanted, strict=True)])

    return trace_function(frame, converted, name, avals, kind="control flow")


def _astype(leaf: Any, aval: AbstractValue) -> Tracer:
    frame = require_frame()
    with building(frame):
        return Tracer(frame, lifted(leaf, aval), aval)
