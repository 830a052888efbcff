"""What custom rules return, checked against what they must return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mycc.array import Array
from mycc.dialects.errors import TransformError, TreeError
from mycc.dialects.types import float0
from mycc.differentiation import is_inexact
from mycc.emit import convert
from mycc.function import building, name_of
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Tracer, require_frame
from mycc.tree import difference
from mycc.types import abstractify

__all__ = ["checked", "described_rule", "flattened", "pair"]


def described_rule(rule: Callable[..., Any], what: str, owner: str) -> str:
    """A rule as messages name it: its name, where it is defined, and whose rule it is."""
    code = getattr(rule, "__code__", None) or getattr(getattr(rule, "__wrapped__", None), "__code__", None)
    where = "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"
    return f"{user_line()}: the {what} rule {name_of(rule)}{where} of {owner}"


def pair(described: str, value: Any, parts: str) -> tuple[Any, Any]:
    """A rule's result as a pair.

    Raises:
        TransformError: it is none.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        got = f"{len(value)} values" if isinstance(value, (tuple, list)) else f"a {type(value).__name__}"
        raise TransformError(f"{described} must return a pair {parts}, got {got}")
    return value[0], value[1]


def flattened(described: str, what: str, value: Any, tree: Any, avals: Sequence[AbstractValue]) -> list[Any]:
    """The leaves of a part of a rule's result that must have a structure.

    Raises:
        TreeError: it has another one; the message says where they differ.
    """
    leaves, got = pytrees.flatten(value)
    if got == tree:
        return leaves
    found = difference(tree.unflatten(list(avals)), value)
    where = "" if found is None or not found[0] else f" (they differ at {pytrees.keystr(found[0])})"
    raise TreeError(f"{described} must return {what} of structure {tree}, got {got}{where}")


def checked(
    described: str,
    what: str,
    leaves: Sequence[Any],
    avals: Sequence[AbstractValue],
    *,
    tangents: bool,
) -> list[Any]:
    """Leaves of a rule's result in the types that they must have.

    Args:
        described: the rule.
        what: the leaves are.
        leaves: with None for zero.
        avals: the types.
        tangents: whether they are tangents or cotangents, of which integers have none: those are left out.

    Raises:
        TransformError: a leaf has another shape or dtype.
    """
    frame = require_frame()
    found = []
    for i, (leaf, aval) in enumerate(zip(leaves, avals, strict=True)):
        if tangents and not is_inexact(aval.dtype):
            if leaf is not None and getattr(leaf, "dtype", None) != float0:
                raise TransformError(
                    f"{described}: leaf {i} of {what} belongs to an array of dtype {aval.dtype}, so it must be None or "
                    f"an array of dtype float0 (np.zeros(shape, mycc.float0)), got {_shown(leaf)}"
                )
            continue
        if leaf is None:
            found.append(_zeros(aval))
            continue
        got = _aval(leaf)
        # A Python number adapts to what it meets, and so does its cotangent.
        weak = got is not None and (got.weak_type or (tangents and aval.weak_type and is_inexact(got.dtype)))
        if got is None or got.shape != aval.shape or (got.dtype != aval.dtype and not weak):
            raise TransformError(
                f"{described}: leaf {i} of {what} must have the type {aval}, got {_shown(leaf)}"
            )
        with building(frame):
            found.append(Tracer(frame, convert(frame.lift(leaf), got.dtype, aval.dtype), aval))
    return found


def _zeros(aval: AbstractValue) -> Array:
    from mycc.numpy import zeros

    return zeros(aval.shape, aval.dtype)


def _aval(leaf: Any) -> AbstractValue | None:
    try:
        return abstractify(leaf)
    except TypeError:
        return None


def _shown(leaf: Any) -> str:
    aval = _aval(leaf)
    return f"a {type(leaf).__name__}" if aval is None else str(aval)
