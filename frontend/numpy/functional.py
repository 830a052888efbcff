"""Functions made from functions: mapped over dimensions, applied along axes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.numpy.creation import asarray
from mycc.numpy.shapes import expand_dims, reshape
from mycc.numpy.support import axis_of
from mycc.source import user_line
from mycc.types import ArrayLike

__all__ = ["apply_along_axis", "apply_over_axes", "vectorize"]

_NAMES = r"\(\s*(?:\w+\s*(?:,\s*\w+\s*)*,?)?\)"
_SIGNATURE = re.compile(rf"^\s*{_NAMES}(?:\s*,\s*{_NAMES})*\s*->\s*{_NAMES}(?:\s*,\s*{_NAMES})*\s*$")


def _core_dims(text: str) -> list[tuple[str, ...]]:
    return [tuple(re.findall(r"\w+", group)) for group in re.findall(_NAMES, text)]


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Any = (), signature: str | None = None
) -> Callable[..., Any]:
    """A function of arrays of some dimensions, mapped over all further ones, which broadcast.

    Args:
        pyfunc: the function.
        excluded: positions and names of arguments that are passed on as they are.
        signature: the dimensions that the function itself takes and returns, such as ``"(n,m),(m)->(n)"``;
            default: none.

    Returns:
        A function of arrays with any dimensions before those.

    Raises:
        ValueError: the signature cannot be read; or (the returned function) sizes do not fit it.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.vectorize(mnp.dot, signature="(n),(n)->()")(mnp.ones((3, 2)), mnp.ones(2))
        Array([2., 2., 2.], dtype=float32)
    """
    if signature is not None and not _SIGNATURE.match(signature):
        raise ValueError(
            f"{user_line()}: vectorize got signature={signature!r}; it looks like '(n,m),(m)->(n)'"
        )
    left_out = set(excluded)

    @functools.wraps(pyfunc)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        mapped_names = [k for k in kwargs if k not in left_out]
        places = [i for i in range(len(args)) if i not in left_out]
        arrays = [asarray(args[i]) for i in places] + [asarray(kwargs[k]) for k in mapped_names]

        def call(*values: Any) -> Any:
            positional = list(args)
            named = dict(kwargs)
            for i, value in zip(places, values, strict=False):
                positional[i] = value
            for k, value in zip(mapped_names, values[len(places) :], strict=True):
                named[k] = value
            return pyfunc(*positional, **named)

        return _mapped(call, arrays, signature)

    return mapped


def _mapped(call: Callable[..., Any], arrays: list[Array], signature: str | None) -> Any:
    from mycc.vmap import vmap

    if signature is None:
        inputs: list[tuple[str, ...]] = [()] * len(arrays)
    else:
        inputs = _core_dims(signature.split("->")[0])
    if len(inputs) != len(arrays):
        raise ValueError(f"{user_line()}: vectorize with signature {signature!r} got {len(arrays)} arrays")
    sizes: dict[str, int] = {}
    leads = []
    for x, dims in zip(arrays, inputs, strict=True):
        if x.ndim < len(dims):
            raise ValueError(
                f"{user_line()}: vectorize with signature {signature!r} got an array of shape {x.shape}"
            )
        core = x.shape[x.ndim - len(dims) :]
        for name, n in zip(dims, core, strict=True):
            if sizes.setdefault(name, n) != n:
                raise ValueError(
                    f"{user_line()}: vectorize: dimension {name} of {signature!r} has sizes {sizes[name]} "
                    f"and {n}"
                )
        leads.append(x.shape[: x.ndim - len(dims)])
    whole = np.broadcast_shapes(*leads) if leads else ()
    function = call
    # The innermost map runs over the last of the further dimensions; what lacks one is not mapped over it.
    for d in reversed(range(len(whole))):
        axes = tuple(
            0 if len(lead) >= len(whole) - d and lead[d - len(whole)] != 1 else None for lead in leads
        )
        if all(axis is None for axis in axes):
            function = _unsqueezed(function)
        else:
            function = vmap(function, in_axes=axes)
    squeezed = []
    for x, lead in zip(arrays, leads, strict=True):
        kept = tuple(n for i, n in enumerate(lead) if n != 1)
        squeezed.append(reshape(x, kept + x.shape[len(lead) :]))
    return function(*squeezed)


def _unsqueezed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose results have a further dimension of size 1 in front."""

    def widened(*args: Any) -> Any:
        result = function(*args)
        return (
            tuple(expand_dims(r, 0) for r in result) if isinstance(result, tuple) else expand_dims(result, 0)
        )

    return widened


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: ArrayLike, *args: Any, **kwargs: Any) -> Any:
    """A function of vectors, applied to those that lie along an axis.

    Args:
        func1d: takes a vector, and the further arguments.
        axis: the axis.
        arr: an array.

    Returns:
        An array with the function's results in place of the axis.
    """
    from mycc.vmap import vmap

    x = asarray(arr)
    place = axis_of("apply_along_axis", axis, x.ndim)

    def function(v: Any) -> Any:
        return func1d(v, *args, **kwargs)

    mapped: Callable[..., Any] = function
    for i in range(1, x.ndim - place):
        mapped = vmap(mapped, in_axes=i, out_axes=-1)
    for _ in range(place):
        mapped = vmap(mapped, in_axes=0, out_axes=0)
    return mapped(x)


def apply_over_axes(func: Callable[[Any, int], Any], a: ArrayLike, axes: int | Sequence[int]) -> Array:
    """A reduction ``func(array, axis)`` applied to axes in turn, which stay with size 1."""
    result = asarray(a)
    for axis in [axes] if isinstance(axes, int) else list(axes):
        place = axis_of("apply_over_axes", axis, result.ndim)
        reduced = func(result, place)
        result = reduced if reduced.ndim == result.ndim else expand_dims(reduced, place)
    return result
