"""`vmap`: a function over arrays with a batch dimension."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.dialects import transform
from mycc.dialects.errors import TransformError, TreeError
from mycc.dialects.transform import NO_AXIS
from mycc.differentiation import in_trace
from mycc.function import building, name_of, trace_function
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame, Tracer
from mycc.tree import leaves as leaves_of
from mycc.types import abstractify, abstractify_all

__all__ = ["vmap"]


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Callable[..., Any]:
    """Map a function over a batch dimension of its arguments, as one program on whole batches.

    Args:
        fun: a function of arrays, or pytrees of them, without the batch dimension.
        in_axes: the batch dimension of the arguments: an integer (negative counts from the end) or None (not
            mapped) for all of them, or a tuple with one entry for each positional argument, which may be a
            pytree prefix of it. Keyword arguments are mapped along dimension 0.
        out_axes: where the batch dimension stands in the results, likewise; None for what is not mapped.
        axis_name: a name by which collectives inside (`mycc.lax.psum`) refer to the batch dimension.
        axis_size: the size of the batch dimension, needed only if no argument is mapped.

    Returns:
        A function of the same arguments, each mapped one with an additional dimension.

    Raises:
        TransformError: (the returned function) sizes along the batch dimension differ, or no argument is mapped.
        TreeError: (the returned function) ``in_axes`` or ``out_axes`` do not match.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.vmap(mnp.dot, in_axes=(0, None))(mnp.ones((3, 2)), mnp.ones(2))
        Array([2., 2., 2.], dtype=float32)
    """
    if not callable(fun):
        raise TypeError(f"{user_line()}: vmap takes a function, got {type(fun).__name__}")
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not isinstance(in_axes, (tuple, int, type(None))):
        raise TypeError(
            f"{user_line()}: vmap's in_axes must be an int, None, or a tuple with one entry per argument, got {in_axes!r}"
        )

    @functools.wraps(fun)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise TreeError(
                f"{user_line()}: vmap of {name_of(fun)} has in_axes {in_axes} for {len(in_axes)} positional arguments, got {len(args)}"
            )

        def body(frame: Frame) -> Any:
            return _vmap(frame, fun, args, kwargs, in_axes, out_axes, axis_name, axis_size)

        return in_trace(f"vmap_{name_of(fun)}", body)

    return mapped


def _vmap(
    frame: Frame,
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    in_axes: Any,
    out_axes: Any,
    axis_name: str | None,
    axis_size: int | None,
) -> Any:
    name = name_of(fun)
    leaves, in_tree = pytrees.flatten((args, kwargs))
    spec = (tuple(in_axes) if isinstance(in_axes, tuple) else in_axes, 0)
    outer = list(abstractify_all(leaves))
    axes = flat_axes(name, "in_axes", spec, (args, kwargs), 0)
    size = _size(name, in_tree, outer, axes, axis_size)
    inner = [_without(aval, axis) for aval, axis in zip(outer, axes, strict=True)]

    def flat(tracers: list[Tracer]) -> Any:
        inner_args, inner_kwargs = in_tree.unflatten(tracers)
        return fun(*inner_args, **inner_kwargs)

    names = {} if axis_name is None else {axis_name: size}
    callee = trace_function(frame, flat, name, inner, kind="vmap", axes=names)
    tree = callee.out_tree
    out_spec = flat_axes(name, "out_axes", out_axes, tree.unflatten(list(callee.out_avals)), 1)
    with building(frame):
        operands = callee.operands(
            frame, [frame.lift(x, aval) for x, aval in zip(leaves, outer, strict=True)]
        )
        all_axes = axes + [NO_AXIS] * len(callee.captured)
        results = transform.vmap(callee.function, all_axes, out_spec, size, axis_name, operands)
    avals = [_with(aval, axis, size) for aval, axis in zip(callee.out_avals, out_spec, strict=True)]
    return tree.unflatten([Tracer(frame, value, aval) for value, aval in zip(results, avals, strict=True)])


def flat_axes(name: str, what: str, spec: Any, tree: Any, added: int) -> list[int]:
    """For each leaf of a tree its entry in a pytree prefix of integers and None, counted from the front.

    Args:
        name: the mapped function, for error messages.
        what: ``in_axes`` or ``out_axes``.
        spec: the prefix.
        tree: of arrays, or of what is known of them.
        added: how many dimensions the arrays that the axes refer to have beyond those in ``tree``.

    Raises:
        TreeError: ``spec`` is no prefix of the tree.
        TransformError: an array has no such dimension.
    """
    if spec is None or isinstance(spec, (int, np.integer)):
        axes: list[int] = []
        for leaf in leaves_of(tree):
            # Keys are one leaf to users, and an array with a dimension that they do not see to programs.
            count = 1 if isinstance(leaf, (Array, AbstractValue)) else len(pytrees.flatten(leaf)[0])
            axes += [_canonical(name, what, None if spec is None else int(spec), leaf, added)] * count
        return axes
    found = pytrees.flatten_one_level(spec)
    below = pytrees.flatten_one_level(tree) if not isinstance(tree, Array) else None
    if found is None:
        raise TreeError(f"{user_line()}: vmap of {name}: {what} must hold integers and None, got {spec!r}")
    if isinstance(spec, list) and isinstance(tree, tuple):
        spec = tuple(spec)
    same = below is not None and len(found[0]) == len(below[0]) and type(spec) is type(tree)
    if not same or (isinstance(spec, dict) and spec.keys() != tree.keys()):
        raise TreeError(
            f"{user_line()}: vmap of {name}: {what} {spec!r} is no prefix of the value's structure "
            f"{pytrees.structure_of(tree)}"
        )
    assert below is not None
    pairs = zip(found[0], below[0], strict=True)
    return [axis for s, t in pairs for axis in flat_axes(name, what, s, t, added)]


def _canonical(name: str, what: str, axis: int | None, leaf: Any, added: int) -> int:
    if axis is None:
        return NO_AXIS
    known = leaf if hasattr(leaf, "ndim") else abstractify(leaf)
    ndim: int = known.ndim + added
    if not -ndim <= axis < ndim:
        aval = known if isinstance(known, AbstractValue) else getattr(known, "_aval", None)
        described = f"shape {known.shape}" if aval is None else f"type {aval}"
        raise TransformError(
            f"{user_line()}: vmap of {name} has {what} {axis} for an array of {described}, which has {ndim} "
            "dimensions there"
        )
    return axis % ndim


def _size(
    name: str, tree: Any, avals: Sequence[AbstractValue], axes: Sequence[int], given: int | None
) -> int:
    sizes: dict[int, list[str]] = {}
    paths = [
        pytrees.keystr(path)
        for path, _ in pytrees.flatten_with_path(tree.unflatten(list(range(len(avals)))))[0]
    ]
    for aval, axis, path in zip(avals, axes, paths, strict=True):
        if axis != NO_AXIS:
            sizes.setdefault(aval.shape[axis], []).append(
                f"{_argument(path)} of type {aval} along dimension {axis}"
            )
    if given is not None:
        sizes.setdefault(given, []).append("axis_size")
    if len(sizes) > 1:
        listed = "; ".join(f"{size} for {', '.join(where)}" for size, where in sizes.items())
        raise TransformError(
            f"{user_line()}: vmap of {name} got different sizes along the batch dimension: {listed}"
        )
    if not sizes:
        raise TransformError(
            f"{user_line()}: vmap of {name} maps no argument; give in_axes that is not None for one, or axis_size"
        )
    return next(iter(sizes))


def _argument(path: str) -> str:
    """A path into (args, kwargs) as a user would say it."""
    head, _, rest = path[1:].partition("]")
    if head == "0":
        number, _, below = rest[1:].partition("]")
        return f"argument {number}{below}"
    return f"argument{rest}"


def _without(aval: AbstractValue, axis: int) -> AbstractValue:
    if axis == NO_AXIS:
        return aval
    return AbstractValue(aval.shape[:axis] + aval.shape[axis + 1 :], aval.dtype, aval.weak_type)


def _with(aval: AbstractValue, axis: int, size: int) -> AbstractValue:
    if axis == NO_AXIS:
        return aval
    return AbstractValue((*aval.shape[:axis], size, *aval.shape[axis:]), aval.dtype, aval.weak_type)
