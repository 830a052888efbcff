"""Reductions of windows that slide over arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mycc.api import wrap
from mycc.array import Array
from mycc.dialects.rules.convolution import dilated
from mycc.dialects.rules.sliding import Sliding
from mycc.dialects.types import shape_of
from mycc.differentiation import in_trace
from mycc.emit import operand as operand_of
from mycc.function import building, name_of
from mycc.lax.convolution import Padding, padtype_to_pads
from mycc.lax.regions import region_body
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame
from mycc.types import abstractify

__all__ = ["reduce_window"]


def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Callable[..., Any],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: Padding = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Any:
    """Fold each of the windows that slide over arrays by a function of scalars.

    Args:
        operand: a pytree of arrays of one shape.
        init_value: the same pytree of scalars to start from; neutral in ``computation``.
        computation: two pytrees of scalars to one; associative. It uses no traced value from outside.
        window_dimensions: the size of the windows in each dimension.
        window_strides: the step between windows in each dimension, 1 without.
        padding: ``"VALID"``, ``"SAME"`` or a pair for each dimension; see `padtype_to_pads`.
        base_dilation: the step between elements of the operand once it is spread out.
        window_dilation: the step between elements of a window.

    Returns:
        The pytree of results.

    Raises:
        TypeError: the shapes of the operands differ, or ``computation`` returns something else.
        ValueError: structures, or numbers of dimensions, differ.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> x = mnp.array([[1.0, 5.0, 2.0, 3.0]])
        >>> mycc.lax.reduce_window(x, -mnp.inf, mycc.lax.max, (1, 2), (1, 2))
        Array([[5., 3.]], dtype=float32)
    """

    def inside(frame: Frame) -> Any:
        with building(frame):
            return _reduced(
                operand, init_value, computation, window_dimensions, window_strides, padding, base_dilation,
                window_dilation,
            )  # fmt: skip

    return in_trace(f"reduce_window_{name_of(computation)}", inside)


def _reduced(
    operands: Any, init_values: Any, computation: Callable[..., Any], dimensions: Sequence[int],
    strides: Sequence[int] | None, padding: Padding, base: Sequence[int] | None, window: Sequence[int] | None,
) -> Any:  # fmt: skip
    leaves, tree = pytrees.flatten(operands)
    initial_leaves, initial_tree = pytrees.flatten(init_values)
    if tree != initial_tree:
        raise ValueError(
            f"{user_line()}: reduce_window got init_value of structure {initial_tree} for operands of {tree}"
        )
    avals = [abstractify(leaf) for leaf in leaves]
    if not avals or any(aval.shape != avals[0].shape for aval in avals):
        raise TypeError(
            f"{user_line()}: reduce_window takes arrays of one shape, got {[aval.shape for aval in avals]}"
        )
    initial_avals = [abstractify(leaf) for leaf in initial_leaves]
    if any(aval.shape for aval in initial_avals):
        raise TypeError(
            f"{user_line()}: reduce_window starts from scalars, got init_value of shapes "
            f"{[aval.shape for aval in initial_avals]}"
        )
    sliding = _sliding(avals[0].shape, dimensions, strides, padding, base, window)
    values = [operand_of(x, aval, aval.shape, aval.dtype) for x, aval in zip(leaves, avals, strict=True)]
    initials = [
        operand_of(x, known, (), aval.dtype)
        for x, known, aval in zip(initial_leaves, initial_avals, avals, strict=True)
    ]
    scalars = [AbstractValue((), aval.dtype, aval.weak_type) for aval in avals]
    count = len(leaves)

    def pair(arrays: list[Array]) -> Any:
        return computation(tree.unflatten(arrays[:count]), tree.unflatten(arrays[count:]))

    body = region_body("reduce_window", pair, [*scalars, *scalars], scalars, tree)
    results = sliding.reduce(values, initials, body)
    return tree.unflatten(
        [
            wrap(value, AbstractValue(shape_of(value), aval.dtype, aval.weak_type))
            for value, aval in zip(results, avals, strict=True)
        ]
    )


def _sliding(
    shape: tuple[int, ...], dimensions: Sequence[int], strides: Sequence[int] | None, padding: Padding,
    base: Sequence[int] | None, window: Sequence[int] | None,
) -> Sliding:  # fmt: skip
    rank = len(shape)
    names = ("window_dimensions", "window_strides", "base_dilation", "window_dilation")
    given = [
        (1,) * rank if numbers is None else tuple(int(n) for n in numbers)
        for numbers in (dimensions, strides, base, window)
    ]
    for name, numbers in zip(names, given, strict=True):
        if len(numbers) != rank or any(n < 1 for n in numbers):
            raise ValueError(
                f"{user_line()}: reduce_window got {name}={numbers} for an array of shape {shape}; it takes "
                f"{rank} positive numbers, one per dimension"
            )
    sizes, steps, spread, gaps = given
    pads = padtype_to_pads(
        [dilated(n, d) for n, d in zip(shape, spread, strict=True)],
        [dilated(n, d) for n, d in zip(sizes, gaps, strict=True)],
        steps,
        padding,
    )
    if len(pads) != rank:
        raise ValueError(
            f"{user_line()}: reduce_window got {len(pads)} pairs of padding for an array of shape {shape}"
        )
    return Sliding(sizes, steps, tuple(pads), spread, gaps)
