"""Writing: windows updated in place where XLA can, scatters by arrays, choices by masks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import dtype_of, element_type, tensor
from mycc.emit import broadcast, convert
from mycc.indexing.plan import Plan, parse
from mycc.indexing.read import Parts, check_mode, index_vectors
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import current
from mycc.types import ArrayLike, abstractify

__all__ = ["update"]

Value: TypeAlias = ir.Value
Combine: TypeAlias = Callable[[Value, Value], Value]

COMBINERS: dict[str, Combine] = {
    "set": lambda old, new: new,
    "add": ops.add,
    "subtract": ops.sub,
    "multiply": ops.mul,
    "divide": ops.div,
    "power": ops.pow_,
    "min": ops.min_,
    "max": ops.max_,
}


def update(x: ArrayLike, index: Any, value: Any) -> Array:
    """The array that ``x[index] = value`` leaves.

    Positions in arrays that are only known at run time and lie outside write nothing.

    Args:
        x: an array.
        index: as of `take`; also a traced mask, where the value broadcasts to the masked elements.
        value: broadcasts to ``x[index]``, and is converted to x's dtype.

    Returns:
        An array of x's shape and dtype.

    Raises:
        IndexError: a position that is known lies outside, or there are too many.
        ValueError: the value's shape does not broadcast.
    """
    return write(x, index, value, "set", None)


def write(
    x: ArrayLike,
    index: Any,
    value: Any,
    kind: str,
    mode: str | None,
    wrap_negative: bool = True,
    sorted_: bool = False,
    unique: bool = False,
) -> Array:
    """The array with the indexed elements combined with a value.

    Args:
        kind: a key of `COMBINERS`.
        mode: what to do about positions outside.
    """
    check_mode(mode)
    if isinstance(value, (list, tuple)):
        from mycc.numpy.creation import array

        value = array(value)
    mask = _mask_alone(index)
    shape = abstractify(x).shape
    if mask is not None and _fits_masked(mask, shape, abstractify(value).shape):
        return _write_masked(x, mask, value, kind)
    request = parse(x, shape, index, dynamic=current() is None)
    return _write(x, value, request.plan, kind, mode, wrap_negative, sorted_, unique, *request.operands)


def _mask_alone(index: Any) -> Any:
    """The mask of an index that is one over the first dimensions, and nothing else."""
    entries = [e for e in (index if isinstance(index, tuple) else (index,)) if e is not Ellipsis]
    if isinstance(index, tuple) and index and index[0] is Ellipsis:
        return None
    if len(entries) != 1 or not isinstance(entries[0], (Array, np.ndarray)):
        return None
    return entries[0] if entries[0].dtype == bool and entries[0].ndim else None


def _fits_masked(mask: Any, shape: tuple[int, ...], value: tuple[int, ...]) -> bool:
    """Whether a value has nothing of its own for each masked element."""
    if tuple(mask.shape) != shape[: mask.ndim]:
        return False
    rest = len(shape) - mask.ndim
    return len(value) <= rest or (math.prod(value[: len(value) - rest]) == 1)


@operation
def _write_masked(x: ArrayLike, mask: ArrayLike, value: ArrayLike, kind: str) -> Array:
    old, aval = lift(x)
    chosen, mask_aval = lift(mask)
    rest = aval.shape[len(mask_aval.shape) :]
    new = _spread(value, rest, aval.dtype)
    new = ops.broadcast_in_dim(new, aval.shape, range(len(mask_aval.shape), len(aval.shape)))
    where = ops.broadcast_in_dim(chosen, aval.shape, range(len(mask_aval.shape)))
    return wrap(ops.select(where, COMBINERS[kind](old, new), old), aval)


def _spread(value: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Value:
    """A value converted and broadcast to a shape; superfluous leading dimensions of size 1 are dropped."""
    lifted, aval = lift(value)
    sizes = aval.shape
    while len(sizes) > len(shape) and sizes[0] == 1:
        sizes = sizes[1:]
    try:
        fits = np.broadcast_shapes(sizes, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{user_line()}: a value of shape {aval.shape} does not broadcast to the indexed elements, of "
            f"shape {shape}"
        )
    lifted = ops.reshape(convert(lifted, aval.dtype, dtype), sizes)
    return broadcast(lifted, sizes, shape)


@operation
def _write(
    x: ArrayLike,
    value: ArrayLike,
    plan: Plan,
    kind: str,
    mode: str | None,
    wrap_negative: bool,
    sorted_: bool,
    unique: bool,
    *operands: ArrayLike,
) -> Array:
    old, aval = lift(x)
    whole = ops.reshape(old, plan.extended)
    parts = Parts(plan, operands, gather_scalars=False, wrap_negative=wrap_negative)
    new = _spread(value, parts.shape(), aval.dtype)
    if not parts.arrays:
        new = ops.reshape(new, parts.sizes)
        new = ops.reverse(new, parts.backwards) if parts.backwards else new
        result = _write_window(whole, parts, new, kind, mode)
    else:
        new = ops.reshape(new, parts.gathered_shape())
        window = parts.window(whole)
        scattered = _scattered(ops.reshape(window, parts.kept), parts, new, kind, mode, sorted_, unique)
        scattered = ops.reshape(scattered, parts.sizes)
        scattered = ops.reverse(scattered, parts.backwards) if parts.backwards else scattered
        result = _write_window(whole, parts, scattered, "set", mode)
    return wrap(ops.reshape(result, aval.shape), aval)


def _write_window(whole: Value, parts: Parts, new: Value, kind: str, mode: str | None) -> Value:
    """An array with its window, in the order in which it lies there, combined with new elements."""
    if math.prod(parts.sizes) == 0:
        return whole
    shape = tuple(whole.type.shape)
    guarded = bool(parts.unchecked) and mode in (None, "fill", "drop")
    old = None
    if kind != "set" or guarded:
        old = parts.forward_window(whole)
        new = COMBINERS[kind](old, new)
    if guarded:
        assert old is not None
        new = ops.select(_all_inside(parts), new, old)
    if tuple(parts.sizes) == shape:
        return new
    starts = parts.start_values()
    if all(step == 1 for step in parts.steps):
        return ops.dynamic_update_slice(whole, new, starts)
    spans = [(n - 1) * s + 1 for n, s in zip(parts.sizes, parts.steps, strict=True)]
    gaps = [s - 1 for s in parts.steps]
    nothing = [0] * len(spans)
    span = ops.dynamic_slice(whole, starts, spans) if tuple(spans) != shape else whole
    spread = ops.pad(new, ops.zero_of(new), nothing, nothing, gaps)
    holds = ops.full(tensor(tuple(parts.sizes), ops.BOOL), True)
    mask = ops.pad(holds, ops.full(tensor((), ops.BOOL), False), nothing, nothing, gaps)
    merged = ops.select(mask, spread, span)
    return merged if tuple(spans) == shape else ops.dynamic_update_slice(whole, merged, starts)


def _all_inside(parts: Parts) -> Value:
    """Whether all run-time positions lie inside."""
    ok: Value | None = None
    for value, extent in parts.unchecked:
        this = ops.and_(
            ops.compare("GE", value, ops.full_like(value, 0)),
            ops.compare("LT", value, ops.full_like(value, extent)),
        )
        ok = this if ok is None else ops.and_(ok, this)
    return ok


def _scattered(
    value: Value, parts: Parts, new: Value, kind: str, mode: str | None, sorted_: bool, unique: bool
) -> Value:
    batch = parts.batch_shape()
    if math.prod(new.type.shape) == 0:
        return value
    if any(parts.kept[d] == 0 for d in parts.gathered_dims):
        raise IndexError(f"{user_line()}: an array of shape {parts.plan.extended} has no elements to index")
    if kind in ("divide", "power"):
        # Divisors and exponents of one element multiply up, whatever the order of updates.
        factors = _scatter(ops.full_like(value, 1), parts, new, ops.mul, mode, batch, sorted_, unique)
        return COMBINERS[kind](value, factors)
    if kind == "subtract":
        return _scatter(value, parts, ops.neg(new), ops.add, mode, batch, sorted_, unique)
    return _scatter(value, parts, new, COMBINERS[kind], mode, batch, sorted_, unique)


def _scatter(
    value: Value,
    parts: Parts,
    new: Value,
    combine: Combine,
    mode: str | None,
    batch: tuple[int, ...],
    sorted_: bool,
    unique: bool,
) -> Value:
    place = parts.place()
    gathered = parts.gathered_dims
    numbers = hlo.ScatterDimensionNumbers.get(
        update_window_dims=[d for d in range(len(new.type.shape)) if not place <= d < place + len(batch)],
        inserted_window_dims=gathered,
        input_batching_dims=[],
        scatter_indices_batching_dims=[],
        scattered_dims_to_operand_dims=gathered,
        index_vector_dim=len(batch),
        context=context,
    )
    vectors = index_vectors(parts, clip=mode == "clip")
    return ops.scatter(value, vectors, new, numbers, combine, sorted_, unique)


@operation
def apply(
    x: ArrayLike,
    operands: Sequence[ArrayLike],
    plan: Plan,
    function: Callable[[Array], Any],
    mode: str | None,
    wrap_negative: bool,
    sorted_: bool,
    unique: bool,
) -> Array:
    """The array with a function applied to the indexed elements, as often as they are named."""
    old, aval = lift(x)
    whole = ops.reshape(old, plan.extended)
    parts = Parts(plan, operands, gather_scalars=False, wrap_negative=wrap_negative)

    def applied(value: Value) -> Value:
        result, known = lift(function(wrap(value, AbstractValue(tuple(value.type.shape), aval.dtype))))
        return broadcast(convert(result, known.dtype, aval.dtype), known.shape, tuple(value.type.shape))

    if not parts.arrays:
        result = _write_window(whole, parts, applied(parts.forward_window(whole)), "set", mode)
        return wrap(ops.reshape(result, aval.shape), aval)
    window = ops.reshape(parts.window(whole), parts.kept)
    dummy = ops.full(tensor(parts.gathered_shape(), element_type(dtype_of(old.type))), 0)
    scattered = _scatter(
        window, parts, dummy, lambda was, _: applied(was), mode, parts.batch_shape(), sorted_, unique
    )
    scattered = ops.reshape(scattered, parts.sizes)
    scattered = ops.reverse(scattered, parts.backwards) if parts.backwards else scattered
    return wrap(ops.reshape(_write_window(whole, parts, scattered, "set", mode), aval.shape), aval)
