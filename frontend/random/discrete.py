"""Distributions over integers and over the elements of arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import element_type, shape_of, tensor
from mycc.dtypes import as_dtype, kind_of
from mycc.emit import broadcast, convert, full
from mycc.lax.checks import axis_of
from mycc.lax.sorting import comparator
from mycc.lowering.abstract import AbstractValue
from mycc.random import threefry
from mycc.random.continuous import gumbel_value
from mycc.random.draw import parameter, sample_shape, unit
from mycc.random.keys import Key, key_value
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = ["bernoulli", "categorical", "choice", "geometric", "permutation", "rademacher", "randint"]

Shape = Sequence[int]
Value: TypeAlias = ir.Value
_INT32 = np.dtype(np.int32)
_BOOL = np.dtype(np.bool_)


@operation
def bernoulli(key: Key, p: ArrayLike = 0.5, shape: Shape | None = None) -> Array:
    """Bools that are true with probability ``p``.

    Args:
        key: a single key.
        p: floats that broadcast to the shape.
        shape: of the result; default: that of ``p``.
    """
    value = key_value("bernoulli", key)
    aval = abstractify(p)
    if kind_of(aval.dtype) != "f":
        raise TypeError(f"{user_line()}: bernoulli takes a float probability, got {aval}")
    sizes = sample_shape("bernoulli", shape, p)
    found = ops.compare("LT", unit(value, sizes, aval.dtype), parameter(p, sizes, aval.dtype))
    return wrap(found, AbstractValue(sizes, _BOOL))


@operation
def rademacher(key: Key, shape: Shape = (), dtype: DTypeLike | None = None) -> Array:
    """-1 and 1 with equal probability; int32 by default."""
    value = key_value("rademacher", key)
    target = _INT32 if dtype is None else as_dtype(dtype)
    sizes = sample_shape("rademacher", shape)
    u = unit(value, sizes, np.dtype(np.float32))
    heads = ops.compare("LT", u, ops.full_like(u, 0.5))
    return wrap(
        ops.select(heads, full(sizes, target, 1), full(sizes, target, -1)), AbstractValue(sizes, target)
    )


@operation
def randint(
    key: Key, shape: Shape, minval: ArrayLike, maxval: ArrayLike, dtype: DTypeLike | None = None
) -> Array:
    """Integers of [minval, maxval).

    Args:
        key: a single key.
        shape: of the result.
        minval: inclusive lower bounds, which broadcast to the shape.
        maxval: exclusive upper bounds; where they are not above ``minval``, that is the result.
        dtype: an integer dtype; default int32.

    Example:
        >>> import mycc.random
        >>> mycc.random.randint(mycc.random.key(0), (4,), 0, 10)
        Array([9, 0, 2, 3], dtype=int32)
    """
    value = key_value("randint", key)
    target = _INT32 if dtype is None else as_dtype(dtype)
    if kind_of(target) not in "iu":
        raise TypeError(f"{user_line()}: randint takes an integer dtype, got {target}")
    sizes = sample_shape("randint", shape, minval, maxval)
    if target.itemsize >= 4:
        found = integers(value, sizes, target, minval, maxval)
    else:
        # Drawn with 32 bits, which makes the bias of the remainder negligible.
        info = np.iinfo(target)
        low = _clipped(minval, int(info.min), int(info.max))
        high = _clipped(maxval, int(info.min), int(info.max) + 1)
        found = ops.convert(integers(value, sizes, _INT32, low, high), element_type(target))
    return wrap(found, AbstractValue(sizes, target))


def _clipped(x: ArrayLike, low: int, high: int) -> ArrayLike:
    if type(x) is int:
        return min(max(x, low), high)
    value, aval = lift(x)
    value = convert(value, aval.dtype, _INT32)
    return wrap(
        ops.clamp(full((), _INT32, low), value, full((), _INT32, high)), AbstractValue(aval.shape, _INT32)
    )


def integers(
    key: Value, shape: tuple[int, ...], dtype: np.dtype[Any], minval: ArrayLike, maxval: ArrayLike
) -> Value:
    """Integers of 32 or 64 bits in a range: twice as many bits modulo its span, which reduces the bias."""
    width = dtype.itemsize * 8
    word = np.dtype(f"uint{width}")
    low, _ = _saturated(minval, shape, dtype)
    high, beyond = _saturated(maxval, shape, dtype)
    upper, lower = (threefry.bits(drawn, width, shape) for drawn in threefry.subkeys(key, 2))
    span = ops.convert(ops.sub(high, low), element_type(word))
    span = ops.select(ops.compare("LE", high, low), ops.full_like(span, 1), span)
    if beyond is not None:
        # A bound one above the largest number: a span of 2 ** width wraps to 0, and x % 0 == x.
        wider = ops.and_(beyond, ops.compare("GT", high, low))
        span = ops.select(wider, ops.add(span, ops.full_like(span, 1)), span)
    # (a * b) % n == ((a % n) * (b % n)) % n keeps 2 ** width % n from overflowing.
    factor = ops.rem(ops.full_like(span, 2 ** (width // 2)), span)
    factor = ops.rem(ops.mul(factor, factor), span)
    offset = ops.add(ops.mul(ops.rem(upper, span), factor), ops.rem(lower, span))
    return ops.add(low, ops.convert(ops.rem(offset, span), element_type(dtype)))


def _saturated(x: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[Value, Value | None]:
    """A bound in the draw's shape and dtype, limited to its range, and where it was above that."""
    info = np.iinfo(dtype)
    least, most = int(info.min), int(info.max)
    if type(x) is int:
        beyond = full(shape, _BOOL, True) if x > most else None
        return full(shape, dtype, min(max(x, least), most)), beyond
    value, aval = lift(x)
    source = aval.dtype
    if kind_of(source) not in "iu":
        value, source = convert(value, source, _INT32), _INT32
    known = np.iinfo(source)
    lowest, highest = max(least, int(known.min)), min(most, int(known.max))
    beyond = None
    if highest < int(known.max):
        beyond = broadcast(ops.compare("GT", value, ops.full_like(value, highest)), aval.shape, shape)
    if lowest > int(known.min) or highest < int(known.max):
        value = ops.clamp(full((), source, lowest), value, full((), source, highest))
    return broadcast(convert(value, source, dtype), aval.shape, shape), beyond


@operation
def categorical(
    key: Key, logits: ArrayLike, axis: int = -1, shape: Shape | None = None, replace: bool = True
) -> Array:
    """Indices drawn with probabilities proportional to ``exp(logits)``.

    Args:
        key: a single key.
        logits: unnormalized log probabilities, a float array.
        axis: the dimension whose indices are drawn.
        shape: of the result, which the shape of logits without ``axis`` broadcasts to; default: that shape.
        replace: whether an index may be drawn several times; if not, the draws of one distribution, along the
            leading dimensions of ``shape``, differ.

    Returns:
        An int32 array.

    Raises:
        ValueError: the shapes do not fit, or there are too few indices to draw without replacement.
    """
    value = key_value("categorical", key)
    numbers, aval = lift(logits)
    if kind_of(aval.dtype) != "f":
        raise TypeError(f"{user_line()}: categorical takes float logits, got {aval}")
    d = axis_of("categorical", axis, len(aval.shape))
    batch = (*aval.shape[:d], *aval.shape[d + 1 :])
    sizes = batch if shape is None else tuple(int(n) for n in shape)
    if np.broadcast_shapes(sizes, batch) != sizes:
        raise ValueError(f"{user_line()}: categorical got shape {sizes}, which {batch} does not broadcast to")
    extra = len(sizes) - len(batch)
    if not replace:
        return _distinct(value, numbers, aval, d, sizes[:extra], batch)
    drawn = [*sizes[extra:]]
    drawn.insert(d, aval.shape[d])
    spread = (*sizes[:extra], *drawn)
    noise = gumbel_value(value, spread, aval.dtype)
    # Behind a barrier: fused into the search for the maximum, the hash would not be vectorized.
    (total,) = ops.barrier([ops.add(noise, broadcast(numbers, aval.shape, spread))])
    scores = wrap(total, AbstractValue(spread, aval.dtype))
    from mycc.lax.reductions import argmax

    return argmax(scores, d + extra)


def _distinct(
    key: Value, logits: Value, aval: AbstractValue, d: int, counts: tuple[int, ...], batch: tuple[int, ...]
) -> Array:
    """Indices drawn without replacement: those of the largest logits with Gumbel noise.

    Source: Kool, van Hoof, Welling, "Stochastic Beams and Where to Find Them", 2019, section 2.
    """
    from mycc.lax.sorting import top_k

    k = math.prod(counts)
    if k > aval.shape[d]:
        raise ValueError(
            f"{user_line()}: categorical cannot draw {k} different indices of {aval.shape[d]}; use replace=True"
        )
    total = ops.add(gumbel_value(key, aval.shape, aval.dtype), logits)
    last = [i for i in range(len(aval.shape)) if i != d] + [d]
    scores = wrap(ops.transpose(total, last), AbstractValue((*batch, aval.shape[d]), aval.dtype))
    found, _ = lift(top_k(scores, k)[1])
    found = ops.transpose(found, [len(batch), *range(len(batch))])
    return wrap(ops.reshape(found, (*counts, *batch)), AbstractValue((*counts, *batch), _INT32))


# ---- Orders --------------------------------------------------------------------------------------


def shuffle(key: Value, x: Value, axis: int) -> Value:
    """The slices of ``x`` in random order, by sorting them by random words often enough."""
    shape = shape_of(x)
    size = math.prod(shape)
    # Words collide; these many rounds tell all elements apart with probability 1 - size ** -3.
    rounds = math.ceil(3 * np.log(max(1, size)) / np.log(2**32 - 1))
    for _ in range(rounds):
        key, drawn = threefry.subkeys(key, 2)
        x = ops.sort([threefry.bits(drawn, 32, shape), x], axis, comparator(1))[1]
    return x


def take(x: Value, indices: Value, axis: int) -> Value:
    """Slices of ``x`` at valid indices along a dimension, which the indices' dimensions replace."""
    shape, at = shape_of(x), shape_of(indices)
    count = len(at)
    offset = [d if d < axis else d - 1 + count for d in range(len(shape)) if d != axis]
    numbers = hlo.GatherDimensionNumbers.get(offset, [axis], [], [], [axis], count, context=context)
    return ops.gather(x, indices, numbers, (*shape[:axis], 1, *shape[axis + 1 :]))


@operation
def permutation(key: Key, x: Any, axis: int = 0, independent: bool = False) -> Array:
    """An array in random order.

    Args:
        key: a single key.
        x: an array, or a static integer n that stands for ``arange(n)``.
        axis: the dimension along which slices are ordered anew.
        independent: order each vector along ``axis`` by itself.

    Example:
        >>> import mycc.random
        >>> mycc.random.permutation(mycc.random.key(0), 5)
        Array([0, 1, 4, 3, 2], dtype=int32)
    """
    value = key_value("permutation", key)
    array, aval = counted("permutation", x)
    d = axis_of("permutation", axis, len(aval.shape))
    if independent or len(aval.shape) == 1:
        return wrap(shuffle(value, array, d), aval)
    order = shuffle(value, ops.iota(tensor((aval.shape[d],), element_type(_INT32)), 0), 0)
    return wrap(take(array, order, d), aval)


def counted(name: str, x: Any) -> tuple[Value, AbstractValue]:
    """An array, or 0 to n - 1 for an integer n."""
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        if x < 0:
            raise ValueError(f"{user_line()}: {name} got the negative number {x}")
        aval = AbstractValue((int(x),), _INT32)
        return ops.iota(tensor(aval.shape, element_type(_INT32)), 0), aval
    value, aval = lift(x)
    if not aval.shape:
        raise TypeError(f"{user_line()}: {name} takes an array or a static integer, got {aval}")
    return value, aval


@operation
def choice(
    key: Key, a: Any, shape: Shape = (), replace: bool = True, p: ArrayLike | None = None, axis: int = 0
) -> Array:
    """Elements drawn from an array.

    Args:
        key: a single key.
        a: an array, or a static integer n that stands for ``arange(n)``.
        shape: of the draw, which takes the place of ``axis`` in the result.
        replace: whether an element may be drawn more than once.
        p: the probabilities of the elements along ``axis``; default: all equal.
        axis: the dimension whose slices are drawn.

    Raises:
        ValueError: more elements are drawn without replacement than there are, or ``p`` has another size.
    """
    value = key_value("choice", key)
    array, aval = counted("choice", a)
    d = axis_of("choice", axis, len(aval.shape))
    sizes = sample_shape("choice", shape)
    count, drawn = aval.shape[d], math.prod(sizes)
    result = AbstractValue((*aval.shape[:d], *sizes, *aval.shape[d + 1 :]), aval.dtype, aval.weak_type)
    if drawn == 0:
        return wrap(full(result.shape, aval.dtype, 0), result)
    if count == 0 or (not replace and drawn > count):
        raise ValueError(
            f"{user_line()}: choice draws {drawn} of {count} elements; that needs "
            + ("at least one" if replace else "as many, or replace=True")
        )
    if p is None and not replace:
        # The first slices of a random order.
        ordered, _ = lift(permutation(key, wrap(array, aval), d))
        limits = [drawn if i == d else n for i, n in enumerate(aval.shape)]
        return wrap(ops.reshape(ops.slice_(ordered, [0] * len(limits), limits), result.shape), result)
    if p is None:
        indices = integers(value, sizes, _INT32, 0, count)
    else:
        indices = _weighted(value, p, count, sizes, replace)
    return wrap(take(array, indices, d), result)


def _weighted(key: Value, p: ArrayLike, count: int, shape: tuple[int, ...], replace: bool) -> Value:
    """Indices below ``count`` with probabilities proportional to ``p``."""
    from mycc import numpy as mnp
    from mycc.lax.sorting import top_k

    weights, aval = lift(p)
    if aval.shape != (count,):
        raise ValueError(f"{user_line()}: choice got p of shape {aval.shape} for {count} elements")
    dtype = aval.dtype if kind_of(aval.dtype) == "f" else np.dtype(np.float32)
    weights = convert(weights, aval.dtype, dtype)
    if not replace:
        # The largest perturbed log probabilities: Gumbel's trick, for several draws.
        scores = ops.add(gumbel_value(key, (count,), dtype), ops.log(weights))
        indices, _ = lift(top_k(wrap(scores, AbstractValue((count,), dtype)), math.prod(shape))[1])
        return ops.reshape(indices, shape)
    sums, _ = lift(mnp.cumsum(wrap(weights, AbstractValue((count,), dtype))))
    total = ops.reshape(ops.slice_(sums, (count - 1,), (count,)), ())
    u = unit(key, shape, dtype)
    sought = ops.mul(broadcast(total, (), shape), ops.sub(ops.full_like(u, 1), u))
    found = mnp.searchsorted(
        wrap(sums, AbstractValue((count,), dtype)), wrap(sought, AbstractValue(shape, dtype))
    )
    indices, _ = lift(found)
    return indices


@operation
def geometric(key: Key, p: ArrayLike, shape: Shape | None = None, dtype: DTypeLike | None = None) -> Array:
    """How many trials it takes until one succeeds.

    Args:
        key: a single key.
        p: the probability of success, which broadcasts to the shape.
        shape: of the result; default: that of ``p``.
        dtype: an integer dtype; default int32.
    """
    value = key_value("geometric", key)
    aval = abstractify(p)
    dtype_of_p = aval.dtype if kind_of(aval.dtype) == "f" else np.dtype(np.float32)
    target = _INT32 if dtype is None else as_dtype(dtype)
    sizes = sample_shape("geometric", shape, p)
    u = unit(value, sizes, dtype_of_p)
    one = ops.full_like(u, 1)
    u = ops.select(ops.compare("EQ", u, ops.full_like(u, 0)), one, u)
    failing = ops.log1p(ops.neg(parameter(p, sizes, dtype_of_p)))
    trials = ops.add(ops.floor(ops.div(ops.log(u), failing)), one)
    return wrap(ops.convert(trials, element_type(target)), AbstractValue(sizes, target))
