"""Arguments of a function with custom rules: keywords resolved, non-differentiable ones set aside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mycc.function import name_of
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue, exact
from mycc.source import user_line
from mycc.types import abstractify

__all__ = ["Arguments", "key_of", "positions_of", "resolved", "sort_arguments"]


def positions_of(
    fun: Callable[..., Any], nums: int | Sequence[int], names: str | Sequence[str]
) -> tuple[int, ...]:
    """Positions of the non-differentiable parameters.

    Raises:
        ValueError: a name is none of a parameter.
    """
    found = (nums,) if isinstance(nums, int) else tuple(nums)
    named = (names,) if isinstance(names, str) else tuple(names)
    if not named:
        return found
    parameters = list(inspect.signature(fun).parameters)
    for name in named:
        if name not in parameters:
            raise ValueError(
                f"{user_line()}: nondiff_argnames {name!r} names no argument of {name_of(fun)}, which has "
                f"{', '.join(parameters)}"
            )
    return (*found, *(parameters.index(name) for name in named))


def resolved(fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments by position, defaults included, since rules take them by position.

    Raises:
        TypeError: an argument cannot be given by position.
    """
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        if not kwargs:
            return args
        raise TypeError(
            f"{user_line()}: {name_of(fun)} has custom derivative rules and no signature that Python can read; "
            "pass its arguments by position"
        ) from None
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(
            f"{user_line()}: {name_of(fun)} has custom derivative rules, which take arguments by position, but "
            f"{', '.join(bound.kwargs)} can be given by keyword only; make them positional parameters"
        )
    return bound.args


@dataclass(frozen=True)
class Arguments:
    """A call's arguments.

    Args:
        full: all of them, by position.
        nondiff: the positions of those that are not differentiated.
        leaves: of the others, taken together as a tuple.
        avals: what is known of each leaf.
        tree: the structure of that tuple.
    """

    full: tuple[Any, ...]
    nondiff: tuple[int, ...]
    leaves: list[Any]
    avals: tuple[AbstractValue, ...]
    tree: Any

    @property
    def static(self) -> list[Any]:
        """The non-differentiable arguments, in order."""
        return [self.full[i] for i in sorted(self.nondiff)]

    def merged(self, leaves: Sequence[Any]) -> list[Any]:
        """All arguments, with other leaves."""
        differentiable = iter(self.tree.unflatten(leaves))
        return [x if i in self.nondiff else next(differentiable) for i, x in enumerate(self.full)]

    @property
    def key(self) -> Any:
        """What tells calls apart for which a function has to be traced anew."""
        return (self.avals, self.tree, tuple(key_of(self.full[i]) for i in self.nondiff))


def key_of(value: Any) -> Any:
    """What stands for any object in a key: itself, or its identity if it is not hashable."""
    try:
        hash(value)
    except TypeError:
        return _Identity(value)
    return (type(value), value)


class _Identity:
    """An object that is no key, compared by identity."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def sort_arguments(
    fun: Callable[..., Any], nondiff: Sequence[int], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Arguments:
    """Resolve and sort the arguments of a call.

    Raises:
        TypeError: arguments do not fit the signature, or a differentiable one is no array.
        ValueError: a non-differentiable position does not exist.
    """
    full = resolved(fun, args, kwargs)
    count = len(full)
    for position in nondiff:
        if not -count <= position < count:
            raise ValueError(
                f"{user_line()}: nondiff_argnums has {position}, but {name_of(fun)} is called with {count} arguments"
            )
    apart = tuple(sorted({position % count for position in nondiff}))
    differentiable = tuple(x for i, x in enumerate(full) if i not in apart)
    leaves, tree = pytrees.flatten(differentiable)
    avals = []
    for leaf in leaves:
        try:
            avals.append(abstractify(leaf))
        except TypeError:
            raise TypeError(
                f"{user_line()}: {name_of(fun)} has custom derivative rules and got an argument with a leaf of type "
                f"{type(leaf).__name__}, which is no array or number; name its position in nondiff_argnums"
            ) from None
    return Arguments(full, apart, leaves, exact(leaves, avals), tree)
