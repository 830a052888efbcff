"""Keys of random numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, Union

import numpy as np

from mycc import tree
from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, shape_of
from mycc.dtypes import kind_of
from mycc.emit import convert
from mycc.lax.checks import static_shape
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.shardings import Sharding
from mycc.random import threefry
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = [
    "Key", "KeyArray", "PRNGKey", "clone", "fold_in", "key", "key_data", "key_impl", "key_value", "split",
    "wrap_key_data",
]  # fmt: skip

_WORD = np.dtype(np.uint32)
_IMPLEMENTATION = "threefry2x32"


class KeyType:
    """The dtype of key arrays: it tells them from arrays of numbers."""

    name = "key<fry>"
    itemsize = 8
    kind = "K"

    def __repr__(self) -> str:
        return self.name


_KEY_TYPE = KeyType()


class KeyArray:
    """An array of keys. Made by `key`, `split`, `fold_in` and `wrap_key_data`.

    Indexing, iteration and reshaping see keys; transforms and compiled functions take it as any array. It has
    no
    arithmetic, so that a key is not used as a number by accident: see `key_data`.

    Args:
        data: the words of the keys, uint32 of shape ``(*shape, 2)``.

    Example:
        >>> first, second = split(key(0))
        >>> first.shape
        ()
    """

    __slots__ = ("_base",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: Array) -> None:
        self._base = data

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dimension."""
        return self._base.shape[:-1]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of keys."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> KeyType:
        """The type of keys."""
        return _KEY_TYPE

    @property
    def sharding(self) -> Sharding:
        """How the keys' words are spread over devices, with one dimension more than the keys have."""
        return self._base.sharding

    def __getitem__(self, index: Any) -> KeyArray:
        parts = index if isinstance(index, tuple) else (index,)
        whole = slice(None)
        rest = (whole,) if any(part is Ellipsis for part in parts) else (Ellipsis, whole)
        return KeyArray(self._base[(*parts, *rest)])

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a single key")
        return self.shape[0]

    def __iter__(self) -> Iterator[KeyArray]:
        if not self.shape:
            raise TypeError("iteration over a single key; split it first")
        return iter(_unstack(self))

    def reshape(self, *shape: Any) -> KeyArray:
        """The keys in another shape, given as a tuple or as several integers."""
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return _reshape(self, tuple(sizes))

    def ravel(self) -> KeyArray:
        """The keys as a vector."""
        return _reshape(self, (self.size,))

    def flatten(self) -> KeyArray:
        """The keys as a vector."""
        return _reshape(self, (self.size,))

    def squeeze(self) -> KeyArray:
        """The keys without the dimensions of size 1."""
        return _reshape(self, tuple(n for n in self.shape if n != 1))

    def __eq__(self, other: object) -> Any:
        return _equal(self, other) if isinstance(other, KeyArray) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return ~_equal(self, other) if isinstance(other, KeyArray) else NotImplemented

    def block_until_ready(self) -> KeyArray:
        """Wait until the keys are computed, and return them."""
        self._base.block_until_ready()
        return self

    def __reduce__(self) -> Any:
        return KeyArray, (self._base,)

    def __repr__(self) -> str:
        return f"KeyArray(shape={self.shape}, data={self._base!r})"


pytrees.register_node(KeyArray, lambda keys: ((keys._base,), None), lambda _, children: KeyArray(*children))
tree.treat_as_leaf(KeyArray)

Key: TypeAlias = Union[KeyArray, Array, "np.ndarray[Any, Any]"]
"""What functions take as a key: a key array, or the uint32 words of a raw one."""


def _wrapped(value: ir.Value) -> KeyArray:
    return KeyArray(wrap(value, AbstractValue(shape_of(value), _WORD)))


@operation
def _unstack(keys: Key) -> list[KeyArray]:
    value, aval = lift(keys._base)  # type: ignore[union-attr]
    rest = aval.shape[1:]
    zeros = (0,) * len(rest)
    rows = [ops.slice_(value, (i, *zeros), (i + 1, *rest)) for i in range(aval.shape[0])]
    return [_wrapped(ops.reshape(row, rest)) for row in rows]


@operation
def _reshape(keys: Key, shape: Sequence[int]) -> KeyArray:
    value, aval = lift(keys._base)  # type: ignore[union-attr]
    size, sizes = math.prod(aval.shape[:-1]), [int(n) for n in shape]
    if sizes.count(-1) == 1:
        rest = -math.prod(sizes)
        sizes[sizes.index(-1)] = size // rest if rest else 0
    if math.prod(sizes) != size:
        raise TypeError(f"{user_line()}: reshape of keys of shape {aval.shape[:-1]} to {tuple(shape)}")
    return _wrapped(ops.reshape(value, (*sizes, 2)))


@operation
def _equal(x: Key, y: Key) -> Array:
    from mycc import numpy as mnp

    return mnp.all(mnp.equal(x._base, y._base), axis=-1)  # type: ignore[union-attr]


# ---- Making keys ---------------------------------------------------------------------------------


def key(seed: Any, *, impl: str | None = None) -> KeyArray:
    """A key from an integer.

    Args:
        seed: an integer of up to 64 bits; an array scalar may be traced.
        impl: only ``"threefry2x32"``.

    Raises:
        TypeError: the seed is no integer scalar.
        ValueError: another generator is asked for.

    Example:
        >>> key_data(key(42))
        Array([ 0, 42], dtype=uint32)
    """
    _check_implementation("key", impl)
    return KeyArray(_seeded("key", seed))


def PRNGKey(seed: Any, *, impl: str | None = None) -> Array:
    """A raw key, a uint32 array of shape (2,); see `key` for typed ones."""
    _check_implementation("PRNGKey", impl)
    return _seeded("PRNGKey", seed)


def _check_implementation(name: str, impl: str | None) -> None:
    if impl not in (None, _IMPLEMENTATION):
        raise ValueError(f"{user_line()}: {name} got impl={impl!r}; there is {_IMPLEMENTATION!r} only")


def _seeded(name: str, seed: Any) -> Array:
    if isinstance(seed, KeyArray):
        raise TypeError(
            f"{user_line()}: {name} takes an integer, got a key; use split or fold_in to derive keys"
        )
    if isinstance(seed, (int, np.integer)):
        return Array._from_numpy(_seed_words(seed))
    aval = abstractify(seed)
    if aval.shape or kind_of(aval.dtype) not in "iub":
        raise TypeError(f"{user_line()}: {name} takes one integer, got {aval}; use vmap for several")
    return _seed_of_array(seed)


def _seed_words(seed: int | np.integer[Any]) -> np.ndarray[Any, Any]:
    number = int(seed)
    if not -(2**63) <= number < 2**64:
        raise OverflowError(f"{user_line()}: the seed {number} has more than 64 bits")
    # As in JAX a seed of 32 bits has no high word, not even a negative one.
    wide = isinstance(seed, (np.int64, np.uint64)) or not -(2**31) <= number < 2**32
    return np.array([(number >> 32) & 0xFFFFFFFF if wide else 0, number & 0xFFFFFFFF], np.uint32)


@operation
def _seed_of_array(seed: Any) -> Array:
    value, aval = lift(seed)
    if aval.dtype.itemsize == 8:
        shifted = ops.shift_right_logical(value, ops.full_like(value, 32))
        high = convert(shifted, aval.dtype, _WORD)
    else:
        high = ops.full(ops.with_element(value.type, element_type(_WORD)), 0)
    words = [ops.reshape(word, (1,)) for word in (high, convert(value, aval.dtype, _WORD))]
    return wrap(ops.concatenate(words, 0), AbstractValue((2,), _WORD))


# ---- Deriving keys -------------------------------------------------------------------------------


def key_value(name: str, key: Key) -> ir.Value:
    """The ``ui32[2]`` value of a single key in the current frame.

    Raises:
        TypeError: it is no key.
        ValueError: it is an array of several keys.
    """
    base = key._base if isinstance(key, KeyArray) else key
    value, aval = lift(base)
    if aval.dtype != _WORD or not aval.shape or aval.shape[-1] != 2:
        raise TypeError(
            f"{user_line()}: {name} takes a key (mycc.random.key(0)), got an array of type {aval}"
        )
    if len(aval.shape) > 1:
        raise ValueError(
            f"{user_line()}: {name} takes a single key, got an array of keys of shape {aval.shape[:-1]}; "
            "use vmap, or index it"
        )
    return value


def _like(key: Key, value: ir.Value) -> Any:
    """Typed keys from a typed one, raw ones from a raw one."""
    found = _wrapped(value)
    return found if isinstance(key, KeyArray) else found._base


@operation
def split(key: Key, num: int | tuple[int, ...] = 2) -> Any:
    """New keys from one, which should not be used again.

    Args:
        key: a single key.
        num: how many, or the shape of the result.

    Returns:
        Keys of shape ``(num,)`` or ``num``; raw ones if ``key`` is.

    Example:
        >>> import mycc.random
        >>> next_key, used_now = mycc.random.split(mycc.random.key(0))
    """
    value = key_value("split", key)
    return _like(key, threefry.split(value, static_shape("split", num)))


@operation
def fold_in(key: Key, data: ArrayLike) -> Any:
    """A new key from one and an integer.

    Args:
        key: a single key.
        data: an integer scalar, of which 32 bits count.

    Example:
        >>> import mycc.random
        >>> per_step = [mycc.random.fold_in(mycc.random.key(0), step) for step in range(3)]
    """
    value = key_value("fold_in", key)
    number, aval = lift(data)
    if aval.shape or kind_of(aval.dtype) not in "iu":
        raise TypeError(f"{user_line()}: fold_in takes one integer, got {aval}; use vmap for several")
    return _like(key, threefry.fold(value, convert(number, aval.dtype, _WORD)))


def key_data(keys: Key) -> Array:
    """The words of keys, a uint32 array of shape ``(*keys.shape, 2)``."""
    if isinstance(keys, KeyArray):
        return keys._base
    return keys if isinstance(keys, Array) else Array._from_numpy(keys)


def wrap_key_data(key_bits_array: Any, *, impl: str | None = None) -> KeyArray:
    """Keys from their words.

    Args:
        key_bits_array: uint32 of shape ``(..., 2)``.
        impl: only ``"threefry2x32"``.

    Raises:
        TypeError: the array has another dtype or shape.
    """
    _check_implementation("wrap_key_data", impl)
    aval = abstractify(key_bits_array)
    if aval.dtype != _WORD or not aval.shape or aval.shape[-1] != 2:
        raise TypeError(f"{user_line()}: wrap_key_data takes uint32 of shape (..., 2), got {aval}")
    return KeyArray(
        key_bits_array if isinstance(key_bits_array, Array) else Array._from_numpy(key_bits_array)
    )


def key_impl(keys: Key) -> str:
    """The name of the generator."""
    return _IMPLEMENTATION


def clone(key: Key) -> Any:
    """The same key once more, to say that its use is on purpose."""
    return KeyArray(key._base) if isinstance(key, KeyArray) else key
