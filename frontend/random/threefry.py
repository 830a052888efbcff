"""Threefry-2x32, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
(2011).

Twenty rounds hash a pair of 32-bit counters under a pair of 32-bit words of key. Draws of n elements hash the
counters 0 to n - 1, each as a 64-bit number, so that any part of a draw can be computed by itself; these are
the
bits of JAX with ``jax_threefry_partitionable``, its default.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from mycc.api import wrap
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, tensor
from mycc.function import Callee, building, trace_function
from mycc.lowering.abstract import AbstractValue
from mycc.trace import Tracer, require_frame

__all__ = ["bits", "fold", "split", "subkeys"]

Value: TypeAlias = ir.Value

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_KEY = AbstractValue((2,), "uint32")
_WORD = element_type("uint32")


def _rotate(x: Value, by: int) -> Value:
    left = ops.shift_left(x, ops.full_like(x, by))
    return ops.or_(left, ops.shift_right_logical(x, ops.full_like(x, 32 - by)))


def _hash(k0: Value, k1: Value, high: Value | None, low: Value) -> tuple[Value, Value]:
    """Two words for each pair of counters, all of one shape; no ``high`` stands for zeros."""
    k2 = ops.xor(ops.xor(k0, k1), ops.full_like(k0, _PARITY))
    keys = (k0, k1, k2)
    x = k0 if high is None else ops.add(high, k0)
    y = ops.add(low, k1)
    for group in range(5):
        for by in _ROTATIONS[group % 2]:
            x = ops.add(x, y)
            y = ops.xor(_rotate(y, by), x)
        x = ops.add(x, keys[(group + 1) % 3])
        y = ops.add(ops.add(y, keys[(group + 2) % 3]), ops.full_like(y, group + 1))
    return x, y


def _words(key: Value, shape: tuple[int, ...]) -> tuple[Value, Value]:
    """The two words of a key, each spread over a shape."""
    words = [ops.reshape(ops.slice_(key, (i,), (i + 1,)), ()) for i in range(2)]
    return ops.broadcast_in_dim(words[0], shape, ()), ops.broadcast_in_dim(words[1], shape, ())


def _count(size: int) -> tuple[Value | None, Value]:
    """The numbers below ``size`` as high and low words."""
    if size <= 2**32:
        return None, ops.iota(tensor((size,), _WORD), 0)
    wide = ops.iota(tensor((size,), element_type("uint64")), 0)
    high = ops.shift_right_logical(wide, ops.full_like(wide, 32))
    return ops.convert(high, _WORD), ops.convert(wide, _WORD)


def _block(key: Value, size: int) -> tuple[Value, Value]:
    """The hashes of the counters below ``size``: one function of the module for each size, however often
    drawn."""
    frame = require_frame()
    found: Callee | None = frame.trace.calls.get((_block, size))
    if found is None:

        def body(arguments: list[Tracer]) -> tuple[Tracer, Tracer]:
            inner = require_frame()
            with building(inner):
                first, second = _hash(*_words(inner.lift(arguments[0]), (size,)), *_count(size))
                aval = AbstractValue((size,), "uint32")
                return wrap(first, aval), wrap(second, aval)

        found = trace_function(frame, body, f"threefry_{size}", (_KEY,), kind="jit")
        frame.trace.calls[_block, size] = found
    first, second = ops.call(found.function.symbol, found.function.results, [key])
    return first, second


def bits(key: Value, width: int, shape: tuple[int, ...]) -> Value:
    """Random unsigned integers of 8, 16, 32 or 64 bits from a ``ui32[2]`` key."""
    size = math.prod(shape)
    target = element_type(f"uint{width}")
    if size == 0:
        return ops.full(tensor(shape, target), 0)
    first, second = _block(key, size)
    if width == 64:
        high = ops.convert(first, target)
        found = ops.or_(ops.shift_left(high, ops.full_like(high, 32)), ops.convert(second, target))
    else:
        found = ops.convert(ops.xor(first, second), target)
    return ops.reshape(found, shape)


def split(key: Value, shape: tuple[int, ...]) -> Value:
    """Keys of a shape, as ``ui32[*shape, 2]``."""
    size = math.prod(shape)
    if size == 0:
        return ops.full(tensor((*shape, 2), _WORD), 0)
    pair = [ops.reshape(word, (size, 1)) for word in _block(key, size)]
    return ops.reshape(ops.concatenate(pair, 1), (*shape, 2))


def subkeys(key: Value, count: int) -> list[Value]:
    """Keys for the parts of one draw."""
    # Behind a barrier, since a fusion would hash them again for every element drawn with them.
    (keys,) = ops.barrier([split(key, (count,))])
    return [ops.reshape(ops.slice_(keys, (i, 0), (i + 1, 2)), (2,)) for i in range(count)]


def fold(key: Value, data: Value) -> Value:
    """A key from a key and a ``ui32`` scalar."""
    words = _hash(*_words(key, ()), None, data)
    return ops.concatenate([ops.reshape(word, (1,)) for word in words], 0)
