"""`checkpoint`: derivatives that compute intermediate values again instead of keeping them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mycc.api import lift, operation, wrap
from mycc.checkpoint_policies import Policy, nothing_saveable
from mycc.custom.arguments import Arguments, key_of
from mycc.custom.emission import Captured, Entry, emit
from mycc.dialects import transform
from mycc.dialects.composites import CHECKPOINT
from mycc.dialects.mlir import context, ir
from mycc.dialects.ops import boolean
from mycc.function import Callee, name_of
from mycc.lowering import pytrees
from mycc.lowering.abstract import exact
from mycc.source import user_line
from mycc.trace import Frame, Trace, Tracer, current
from mycc.types import abstractify

__all__ = ["checkpoint", "checkpoint_name", "remat"]


def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    prevent_cse: bool = True,
    policy: Policy | None = None,
    static_argnums: int | Sequence[int] = (),
) -> Any:
    """Let derivatives of a function compute its intermediate values again, to save memory.

    In reverse mode the function is run once more in the backward part, from its arguments and what the policy
    saves.

    Args:
        fun: a function of arrays, or pytrees of them. It may use arrays from around it.
        prevent_cse: whether to keep the compiler from merging the second computation with the first one, which
            would undo it. Not needed inside of a loop.
        policy: what is saved instead, from `mycc.checkpoint_policies`; default: nothing.
        static_argnums: positions of arguments that are no arrays.

    Returns:
        A function of the same arguments and results. Without ``fun``, a decorator.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> @mycc.checkpoint
        ... def layer(w, x):
        ...     return mnp.sin(mnp.sin(w @ x))
        >>> mycc.grad(lambda w: layer(w, mnp.ones(2)).sum())(mnp.zeros((2, 2)))
        Array([[1., 1.],
               [1., 1.]], dtype=float32)
    """
    if fun is None:
        return functools.partial(
            checkpoint, prevent_cse=prevent_cse, policy=policy, static_argnums=static_argnums
        )
    if not callable(fun):
        raise TypeError(f"{user_line()}: checkpoint takes a function, got {type(fun).__name__}")
    saved = nothing_saveable if policy is None else policy
    if not isinstance(saved, Policy):
        raise TypeError(
            f"{user_line()}: checkpoint of {name_of(fun)} takes a policy of mycc.checkpoint_policies, got {policy!r}; "
            "a function of yours cannot be one, since values are chosen by a pass over the program"
        )
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    rules = _Checkpoint(name_of(fun), saved, prevent_cse)
    called = fun

    def by_position(*full: Any) -> Any:
        return called(*full[:-1], **full[-1])

    @functools.wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        frame = current()
        if frame is None:
            return called(*args, **kwargs)
        arguments = _sorted(rules.name, args, kwargs, static)
        return emit(frame, (key_of(called), rules), by_position, rules, arguments)

    return checkpointed


remat = checkpoint


def _sorted(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], static: Sequence[int]) -> Arguments:
    count = len(args)
    for position in static:
        if not -count <= position < count:
            raise ValueError(
                f"{user_line()}: checkpoint of {name} has static_argnums {position}, but is called with {count} "
                "positional arguments"
            )
    apart = tuple(sorted({position % count for position in static}))
    dynamic = (*(x for i, x in enumerate(args) if i not in apart), kwargs)
    leaves, tree = pytrees.flatten(dynamic)
    avals = []
    for leaf in leaves:
        try:
            avals.append(abstractify(leaf))
        except TypeError:
            raise TypeError(
                f"{user_line()}: checkpoint of {name} got an argument with a leaf of type {type(leaf).__name__}, which "
                "is no array or number; name its position in static_argnums"
            ) from None
    return Arguments((*args, kwargs), apart, leaves, exact(leaves, avals), tree)


@dataclass(frozen=True)
class _Checkpoint:
    name: str
    policy: Policy
    prevent_cse: bool
    kind: str = CHECKPOINT

    def names(self) -> Sequence[str]:
        return ()

    def options(self) -> Mapping[str, ir.Attribute]:
        entries = [ir.StringAttr.get(entry, context=context) for entry in self.policy.entries]
        return {
            "policy": ir.ArrayAttr.get(entries, context=context),
            "prevent_cse": boolean(self.prevent_cse),
        }

    def trace(self, frame: Frame, arguments: Arguments, operands: list[Tracer], function: Callee) -> None:
        return None

    def captured(self, traced: None) -> list[Captured]:
        return []

    def define(self, trace: Trace, entry: Entry, traced: None) -> None:
        return None


@operation
def checkpoint_name(x: Any, name: str) -> Any:
    """The pytree of arrays ``x``, named for policies of `checkpoint`.

    Args:
        x: arrays.
        name: by which `mycc.checkpoint_policies.save_only_these_names` and its kin refer to them.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> policy = mycc.checkpoint_policies.save_only_these_names("sine")
        >>> f = mycc.checkpoint(lambda x: mnp.cos(checkpoint_name(mnp.sin(x), "sine")), policy=policy)
        >>> mycc.grad(f)(0.0)
        Array(-0., dtype=float32, weak_type=True)
    """
    leaves, tree = pytrees.flatten(x)
    return tree.unflatten([_named(leaf, name) for leaf in leaves])


def _named(x: Any, name: str) -> Any:
    value, aval = lift(x)
    return wrap(transform.checkpoint_name(value, name), aval)
