"""Rows taken several at a time: `scan` and `fori_loop` with ``unroll``, `map` with ``batch_size``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from mycc.lax.shape import concatenate, expand_dims, reshape
from mycc.lax.slicing import index_in_dim, slice_in_dim
from mycc.lowering import pytrees
from mycc.source import user_line

__all__ = ["blocks_of", "joined", "merged", "rows_at_once", "steps_in_blocks"]

Step = Callable[[Any, Any], tuple[Any, Any]]


def rows_at_once(name: str, option: str, value: Any, steps: int) -> int:
    """How many rows a trip takes, from 1 to all; True stands for all, False for one.

    Raises:
        TypeError: the option is no integer.
        ValueError: it is negative.
    """
    if isinstance(value, bool):
        return max(steps, 1) if value else 1
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{user_line()}: {name} takes an integer {option}, got {value!r}") from None
    if count < 0:
        raise ValueError(f"{user_line()}: {name} got {option}={count}; it cannot be negative")
    return max(min(count, steps), 1)


def blocks_of(xs: Any, size: int, steps: int) -> tuple[Any, Any]:
    """Arrays of ``steps`` rows as blocks of ``size`` rows, (blocks, size, ...), and the rows that are left."""
    whole = steps - steps % size
    leaves, tree = pytrees.flatten(xs)
    head = [reshape(slice_in_dim(x, 0, whole), (whole // size, size, *x.shape[1:])) for x in leaves]
    return tree.unflatten(head), tree.unflatten([slice_in_dim(x, whole, steps) for x in leaves])


def merged(blocks: Any) -> Any:
    """Arrays of shape (blocks, size, ...) as arrays of all rows."""
    leaves, tree = pytrees.flatten(blocks)
    return tree.unflatten([reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:])) for x in leaves])


def joined(parts: Sequence[Any]) -> Any:
    """Trees of arrays one after the other, along the leading dimension."""
    tree = pytrees.structure_of(parts[0])
    columns = zip(*(pytrees.flatten(part)[0] for part in parts), strict=True)
    return tree.unflatten([concatenate(column, 0) for column in columns])


def steps_in_blocks(
    step: Step, carry: Any, xs: Any, steps: int, size: int, reverse: bool, scan: Callable[..., Any]
) -> tuple[Any, Any]:
    """A scan whose trips take ``size`` rows each; the rows that no trip takes, and a single block, need no loop.

    Args:
        step: ``(carry, x) -> (carry, y)``.
        carry: the first carry, in the types that ``step`` keeps.
        xs: a pytree of arrays of ``steps`` rows, of which there is at least one.
        scan: runs over the blocks.
    """
    head, tail = blocks_of(xs, size, steps)

    def several(count: int) -> Step:
        def run(carry: Any, rows: Any) -> tuple[Any, Any]:
            leaves, tree = pytrees.flatten(rows)
            ys = {}
            for j in reversed(range(count)) if reverse else range(count):
                row = tree.unflatten([index_in_dim(x, j, keepdims=False) for x in leaves])
                carry, ys[j] = step(carry, row)
            return carry, joined([_leading(ys[j]) for j in range(count)])

        return run

    def of_blocks(carry: Any) -> tuple[Any, Any]:
        if steps // size == 1:
            return several(size)(carry, merged(head))
        carry, ys = scan(several(size), carry, head, steps // size, reverse)
        return carry, merged(ys)

    parts = [of_blocks, lambda carry: several(steps % size)(carry, tail)][: 2 if steps % size else 1]
    ys = []
    for part in reversed(parts) if reverse else parts:
        carry, y = part(carry)
        ys.append(y)
    return carry, joined(ys[::-1] if reverse else ys)


def _leading(tree: Any) -> Any:
    leaves, structure = pytrees.flatten(tree)
    return structure.unflatten([expand_dims(x, (0,)) for x in leaves])
