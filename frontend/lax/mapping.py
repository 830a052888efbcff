"""`map`: a function applied to one row after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mycc.lax.blocks import blocks_of, joined, merged, rows_at_once
from mycc.lax.loops import leading_size, scan
from mycc.source import user_line
from mycc.vmap import vmap

__all__ = ["map"]


def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """Apply a function to each element along the leading dimension, one after the other.

    Args:
        f: from an element (or a pytree of them) to a result.
        xs: a pytree of arrays with one leading dimension in common.
        batch_size: how many elements to take at once, by `vmap`; default: one.

    Raises:
        ValueError: ``batch_size`` is not positive.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.lax.map(lambda x: x * x, mnp.arange(3))
        Array([0, 1, 4], dtype=int32)
    """
    if batch_size is not None:
        return _mapped_in_batches(f, xs, batch_size)
    _, ys = scan(lambda _, x: ((), f(x)), (), xs)
    return ys


def _mapped_in_batches(f: Callable[[Any], Any], xs: Any, batch_size: int) -> Any:
    steps = leading_size(xs, None)
    size = rows_at_once("map", "batch_size", batch_size, steps)
    if not batch_size:
        raise ValueError(f"{user_line()}: map got batch_size=0; it must be positive")
    batched = vmap(f)
    if size >= steps:
        return batched(xs)
    head, tail = blocks_of(xs, size, steps)
    whole = merged(map(batched, head))
    return joined([whole, batched(tail)]) if steps % size else whole
