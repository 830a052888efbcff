"""`jacfwd`, `jacrev`, `hessian`: full Jacobians, as a pushforward or pullback mapped over a basis."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import numpy as np

from mycc.derivatives import linearize, vjp
from mycc.dialects.errors import TransformError
from mycc.differentiation import in_trace, is_inexact
from mycc.function import name_of
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame
from mycc.types import abstractify, abstractify_all
from mycc.vmap import vmap

__all__ = ["hessian", "jacfwd", "jacobian", "jacrev"]


def jacfwd(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The Jacobian of a function, column by column in forward mode: for more results than arguments.

    Args:
        fun: a function of arrays, or pytrees of them.
        argnums: positions of the arguments to differentiate with respect to.
        has_aux: whether ``fun`` returns a pair of the differentiated result and auxiliary data.
        holomorphic: whether ``fun`` is holomorphic; needed for complex arguments.

    Returns:
        A function of the same arguments that returns, for each leaf of the result and each of the arguments, an
        array of the shape of the first followed by that of the second; with ``has_aux`` a pair with the
        auxiliary data.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.jacfwd(lambda x: x * x)(mnp.array([1.0, 2.0]))
        Array([[2., 0.],
               [0., 4.]], dtype=float32)
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, reverse=False)


def jacrev(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The Jacobian of a function, row by row in reverse mode: for more arguments than results. See `jacfwd`.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.jacrev(lambda x: mnp.sum(x * x))(mnp.array([1.0, 2.0]))
        Array([2., 4.], dtype=float32)
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, reverse=True)


jacobian = jacrev


def hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The matrix of second derivatives: `jacfwd` of `jacrev`.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.hessian(lambda x: mnp.sum(x * x * x))(mnp.array([1.0, 2.0]))
        Array([[ 6.,  0.],
               [ 0., 12.]], dtype=float32)
    """
    return jacfwd(jacrev(fun, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


def _jacobian(
    fun: Callable[..., Any], argnums: int | Sequence[int], has_aux: bool, holomorphic: bool, reverse: bool
) -> Any:
    name = "jacrev" if reverse else "jacfwd"
    single = isinstance(argnums, SupportsIndex)
    positions = (int(argnums),) if isinstance(argnums, SupportsIndex) else tuple(argnums)

    @functools.wraps(fun)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        chosen = [args[i] for i in positions]
        _check(name, fun, chosen, holomorphic, "argument")

        def of_chosen(*values: Any) -> Any:
            full = list(args)
            for position, value in zip(positions, values, strict=True):
                full[position] = value
            return fun(*full, **kwargs)

        of_chosen.__name__ = name_of(fun)

        def body(frame: Frame) -> Any:
            out, linear, *aux = (vjp if reverse else linearize)(of_chosen, *chosen, has_aux=has_aux)
            _check(name, fun, [out], holomorphic, "result")
            rows = _rows(out, linear, chosen) if reverse else _columns(out, linear, chosen)
            entries = [row[0] if single else tuple(row) for row in rows]
            picked = pytrees.flatten(out)[1].unflatten(entries)
            return (picked, aux[0]) if has_aux else picked

        return in_trace(f"{name}_{name_of(fun)}", body)

    return derivative


def _check(name: str, fun: Callable[..., Any], trees: Sequence[Any], holomorphic: bool, what: str) -> None:
    for leaf in pytrees.flatten(list(trees))[0]:
        dtype = abstractify(leaf).dtype
        if not is_inexact(dtype):
            raise TransformError(
                f"{user_line()}: {name} of {name_of(fun)} needs float {what}s, got dtype {dtype}; convert it with astype"
            )
        if (dtype.kind == "c") is not holomorphic and (holomorphic or what == "argument"):
            raise TransformError(
                f"{user_line()}: {name} of {name_of(fun)} with holomorphic={holomorphic} got a {what} of dtype {dtype}; "
                "complex derivatives need holomorphic=True and complex arguments"
            )


def _basis(avals: Sequence[AbstractValue]) -> list[np.ndarray[Any, Any]]:
    """Rows of the identity on all leaves together, for each leaf in its shape."""
    total = sum(aval.size for aval in avals)
    parts, offset = [], 0
    for aval in avals:
        part = np.eye(total, aval.size, -offset).astype(aval.dtype)
        parts.append(part.reshape(total, *aval.shape))
        offset += aval.size
    return parts


def _leaves(tree: Any) -> tuple[list[AbstractValue], Any]:
    leaves, structure = pytrees.flatten(tree)
    return list(abstractify_all(leaves)), structure


def _rows(out: Any, pullback: Any, chosen: Sequence[Any]) -> list[list[Any]]:
    """For each leaf of the result the Jacobians with respect to each chosen argument."""
    avals, structure = _leaves(out)
    cotangents = structure.unflatten(_basis(avals))
    stacked = vmap(pullback)(cotangents)
    return [
        [_split(argument, offset, aval) for argument in stacked]
        for offset, aval in zip(_offsets(avals), avals, strict=True)
    ]


def _split(tree: Any, offset: int, aval: AbstractValue) -> Any:
    leaves, structure = pytrees.flatten(tree)
    return structure.unflatten(
        [x[offset : offset + aval.size].reshape(aval.shape + x.shape[1:]) for x in leaves]
    )


def _columns(out: Any, pushforward: Any, chosen: Sequence[Any]) -> list[list[Any]]:
    avals, structure = _leaves(tuple(chosen))
    tangents = structure.unflatten(_basis(avals))
    stacked, _ = pytrees.flatten(vmap(pushforward, out_axes=-1)(*tangents))
    rows = []
    for column in stacked:
        parts = [
            column[..., offset : offset + aval.size].reshape(column.shape[:-1] + aval.shape)
            for offset, aval in zip(_offsets(avals), avals, strict=True)
        ]
        rows.append(list(structure.unflatten(parts)))
    return rows


def _offsets(avals: Sequence[AbstractValue]) -> list[int]:
    offsets, total = [], 0
    for aval in avals:
        offsets.append(total)
        total += aval.size
    return offsets
