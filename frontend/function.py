"""Tracing one Python function into a ``func.func`` of the current module, and calling it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.dialects import ops, transform
from mycc.dialects.mlir import ir
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.shardings import Mesh
from mycc.source import user_line, user_location
from mycc.trace import Frame, Tracer
from mycc.types import abstractify, float0

__all__ = ["Callee", "building", "call", "flatten_results", "name_of", "result_aval", "trace_function"]

FlatFunction = Callable[[list[Tracer]], Any]


@dataclass(frozen=True)
class Callee:
    """A traced function.

    Args:
        function: its symbol and types, captured values included.
        out_tree: the structure of its results.
        out_avals: what is known of each result.
        captured: values of the frames around it that it takes after its explicit arguments.
    """

    function: transform.Callee
    out_tree: Any
    out_avals: tuple[AbstractValue, ...]
    captured: tuple[Tracer | Array, ...]
    forced: bool = False
    """Whether the function looked at values of its arguments, so that it is right for these only."""

    def operands(self, frame: Frame, explicit: Sequence[ir.Value]) -> list[ir.Value]:
        """The explicit operands followed by the captured ones, as values of the calling frame."""
        return [*explicit, *(frame.lift(x) for x in self.captured)]


def name_of(fun: Callable[..., Any]) -> str:
    """The name by which a callable appears in IR and in messages."""
    found = getattr(fun, "__name__", None) or getattr(getattr(fun, "func", None), "__name__", None)
    name = str(found) if found is not None else type(fun).__name__
    return "lambda" if name == "<lambda>" else name


@contextmanager
def building(frame: Frame) -> Iterator[None]:
    """Build operations at the end of a frame, at the user's line unless an array function set one."""
    if frame.inside:
        yield
        return
    frame.inside = True
    try:
        with user_location(), frame.end:
            yield
    finally:
        frame.inside = False


def trace_function(
    parent: Frame,
    fun: FlatFunction,
    name: str,
    avals: Sequence[AbstractValue],
    *,
    kind: str,
    axes: dict[str, int] | None = None,
    mesh: Mesh | None = None,
    operands: Sequence[Tracer | None] = (),
    order: int = 0,
    checked: bool = False,
) -> Callee:
    """Trace ``fun`` from a list of fresh tracers to a pytree of results, as a private function.

    ``operands`` are what stands behind the arguments, where their values may be asked for; the others are `Frame`'s.

    Raises:
        TypeError: a result is no array.
    """
    frame = Frame(parent.trace, name, avals, parent, kind, axes, mesh, order, checked)
    frame.operands = list(operands)
    explicit = list(frame.arguments)
    try:
        with frame:
            leaves, out_tree = pytrees.flatten(fun(explicit))
            out_avals = tuple(result_aval(leaf, name) for leaf in leaves)
            with building(frame):
                values = [frame.lift(leaf, aval) for leaf, aval in zip(leaves, out_avals, strict=True)]
            frame.close(values)
    except BaseException:
        frame.discard()
        raise
    parent.effects |= frame.effects
    parent.forced |= frame.forced
    function = transform.Callee(
        frame.symbol,
        tuple(argument.type for argument in frame.block.arguments),
        tuple(value.type for value in values),
        frame.effects,
    )
    return Callee(function, out_tree, out_avals, tuple(frame.captured), frame.forced)


def result_aval(leaf: Any, name: str) -> AbstractValue:
    """What is known of a leaf of what a traced function returned.

    Raises:
        TypeError: it is no array.
    """
    try:
        return abstractify(leaf)
    except TypeError:
        raise TypeError(
            f"{user_line()}: {name} returned a value of type {type(leaf).__name__}, which is no array or number; "
            "a traced function returns arrays, numbers, and pytrees of these"
        ) from None


class _Float0:
    """A float0 array in a structure: unflattening makes the array again."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


pytrees.register_node(_Float0, lambda x: ((), x.shape), lambda shape, _: np.zeros(shape, float0))


def flatten_results(tree: Any) -> tuple[list[Any], Any]:
    """The leaves of what a program returns, and its structure; arrays of dtype float0 belong to the structure."""
    leaves, structure = pytrees.flatten(tree)
    if not any(getattr(leaf, "dtype", None) == float0 for leaf in leaves):
        return leaves, structure
    marked = [_Float0(x.shape) if getattr(x, "dtype", None) == float0 else x for x in leaves]
    return pytrees.flatten(structure.unflatten(marked))


def call(frame: Frame, callee: Callee, explicit: Sequence[ir.Value]) -> list[Tracer]:
    """A ``func.call`` of a traced function; its results as traced arrays."""
    frame.effects |= callee.function.effects
    with building(frame):
        values = ops.call(callee.function.symbol, callee.function.results, callee.operands(frame, explicit))
    return [Tracer(frame, value, aval) for value, aval in zip(values, callee.out_avals, strict=True)]
