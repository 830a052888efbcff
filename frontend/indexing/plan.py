"""What an index means: a `Plan` for the array's dimensions, and the index's run-time parts."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from mycc.array import Array
from mycc.dialects.errors import ConcretizationError
from mycc.source import user_line
from mycc.trace import Tracer

__all__ = ["Dim", "Fixed", "Gathered", "New", "Plan", "Request", "Scalar", "Window", "parse"]

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)


@dataclass(frozen=True)
class New:
    """A new dimension of size 1."""


@dataclass(frozen=True)
class Window:
    """A slice of a dimension.

    Args:
        start: the lowest position; None for one that is a run-time operand.
        size: the number of elements.
        step: the distance of positions, positive.
        backwards: whether the elements come in reverse order.
    """

    start: int | None
    size: int
    step: int = 1
    backwards: bool = False


@dataclass(frozen=True)
class Fixed:
    """A position, known now; the dimension is dropped."""

    position: int


@dataclass(frozen=True)
class Scalar:
    """A position that is a run-time operand; the dimension is dropped.

    Args:
        checked: whether it is known to lie inside.
    """

    checked: bool


@dataclass(frozen=True)
class Gathered:
    """Positions that are an array operand.

    Args:
        checked: whether they are known to lie inside.
    """

    checked: bool


Dim: TypeAlias = "New | Window | Fixed | Scalar | Gathered"


@dataclass(frozen=True)
class Plan:
    """An index, read for an array of some shape.

    Args:
        extended: the array's shape with a dimension of size 1 for each bool scalar in the index.
        dims: what is done with each dimension of that, and where new ones go.
        front: whether the dimensions of index arrays come first because other dimensions part them.
    """

    extended: tuple[int, ...]
    dims: tuple[Dim, ...]
    front: bool
    hashed: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hashed", hash((self.extended, self.dims, self.front)))

    def __hash__(self) -> int:
        # Plans are looked up at every eager call.
        return self.hashed

    @property
    def has_arrays(self) -> bool:
        """Whether there are index arrays."""
        return any(isinstance(dim, Gathered) for dim in self.dims)

    @property
    def has_scalars(self) -> bool:
        """Whether there are positions that are run-time operands."""
        return any(
            isinstance(dim, Scalar) or (isinstance(dim, Window) and dim.start is None) for dim in self.dims
        )


@dataclass
class Request:
    """A plan with its run-time operands, in the order of the dimensions that take them."""

    plan: Plan
    operands: list[Any] = field(default_factory=list)


def parse(x: Any, shape: tuple[int, ...], index: Any, dynamic: bool) -> Request:
    """Read an index.

    Args:
        x: the array, for messages.
        shape: its shape.
        index: what stands in the brackets.
        dynamic: whether positions known now become run-time operands, so that one program serves them all.

    Raises:
        IndexError: a position that is known lies outside, or there are too many.
        TypeError: the index holds something that is no index.
        ConcretizationError: it holds a traced mask or a slice with traced bounds.
    """
    if dynamic:
        kind = type(index)
        if kind is int:
            return _of_positions(shape, (index,))
        if kind is tuple and all(type(e) is int for e in index):
            return _of_positions(shape, index)
    entries = [_entry(e) for e in (index if isinstance(index, tuple) else (index,))]
    entries = _expanded(entries, shape)
    reader = _Reader(shape, dynamic)
    reader.names_nothing = any(_is_empty(e) for e in entries)
    for e in entries:
        reader.read(e)
    return reader.request()


_POSITIONS: dict[tuple[tuple[int, ...], int], Plan] = {}
"""The plans of indices that are positions alone, by shape and number of positions."""


def _of_positions(shape: tuple[int, ...], index: tuple[int, ...]) -> Request:
    """The request of positions that become run-time operands."""
    plan = _POSITIONS.get((shape, len(index)))
    if plan is None:
        reader = _Reader(shape, True)
        for e in _expanded(list(index), shape):
            reader.read(e)
        request = reader.request()
        _POSITIONS[shape, len(index)] = request.plan
        return request
    for axis, (position, size) in enumerate(zip(index, shape, strict=False)):
        if not -size <= position < size:
            raise outside(position, axis, shape)
    return Request(plan, [p % n for p, n in zip(index, shape, strict=False)])


def outside(position: int, axis: int, shape: tuple[int, ...]) -> IndexError:
    """The error for a position that is known and lies outside."""
    return IndexError(
        f"{user_line()}: index {position} is out of bounds for axis {axis} of size {shape[axis]} "
        f"of an array of shape {shape}"
    )


def _entry(e: Any) -> Any:
    """An index entry as None, Ellipsis, a bool, an int, a slice, or an array of ints or bools."""
    if e is None or e is Ellipsis or isinstance(e, (bool, int, slice)):
        return e
    if isinstance(e, np.bool_):
        return bool(e)
    if isinstance(e, np.integer):
        return int(e)
    if isinstance(e, (list, tuple)):
        e = _array_of(e)
    if isinstance(e, np.ndarray) and e.ndim == 0 and e.dtype.kind in "iub":
        return e.item()
    if isinstance(e, Array) and e.dtype == bool and e.ndim == 0 and not isinstance(e, Tracer):
        return bool(e)
    if isinstance(e, (np.ndarray, Array)):
        if e.dtype.kind not in "iub":
            raise TypeError(
                f"{user_line()}: arrays are indexed by integers and bools, got an index array of dtype "
                f"{e.dtype}; "
                "convert it with .astype(int)"
            )
        return e
    if hasattr(e, "__index__"):
        return operator.index(e)
    raise TypeError(
        f"{user_line()}: arrays are indexed by integers, slices, None, ... and arrays, got "
        f"{type(e).__name__}: {e!r}"
    )


def _array_of(e: Any) -> Any:
    from mycc.lowering import pytrees

    if any(isinstance(leaf, Array) for leaf in pytrees.flatten(e)[0]):
        from mycc.numpy.creation import array

        return array(list(e))
    return np.asarray(e) if len(e) else np.zeros(0, INT32)


def _is_empty(e: Any) -> bool:
    """Whether an entry names no position at all."""
    if isinstance(e, np.ndarray):
        return not e.any() if e.dtype == bool else e.size == 0
    return e is False or (isinstance(e, Array) and e.size == 0)


def _consumed(e: Any) -> int:
    """How many of the array's dimensions an entry takes."""
    if e is None or e is Ellipsis or isinstance(e, bool):
        return 0
    return e.ndim if isinstance(e, (np.ndarray, Array)) and e.dtype == bool else 1


def _expanded(entries: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """The entries with full slices for the ellipsis and for what is left out."""
    taken = sum(_consumed(e) for e in entries)
    if taken > len(shape):
        raise IndexError(
            f"{user_line()}: an array of shape {shape} is indexed with {taken} indices; it takes {len(shape)}"
        )
    places = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(places) > 1:
        raise IndexError(
            f"{user_line()}: an index holds two ellipses (...); only one can stand for the dimensions left "
            "out"
        )
    rest = [slice(None)] * (len(shape) - taken)
    if places:
        # The ellipsis stays, as it parts index arrays around it even where it stands for no dimension.
        return [*entries[: places[0]], *rest, *entries[places[0] :]]
    return entries + rest


class _Reader:
    """Goes through the entries of an index and through the array's dimensions with them."""

    def __init__(self, shape: tuple[int, ...], dynamic: bool) -> None:
        self.shape = shape
        self.dynamic = dynamic
        self.dimension = 0
        self.extended: list[int] = []
        self.dims: list[Dim] = []
        self.advanced: list[int] = []
        """Which entries count as index arrays when it is decided where their dimensions go."""
        self.operands: list[Any] = []
        self.number = 0
        self.names_nothing = False
        """Whether some index array is empty: then positions in the others are not checked, as in NumPy."""

    def request(self) -> Request:
        places = self.advanced
        front = bool(places) and places[-1] - places[0] + 1 != len(set(places))
        return Request(Plan(tuple(self.extended), tuple(self.dims), front), self.operands)

    def read(self, e: Any) -> None:
        if e is None:
            self.dims.append(New())
        elif e is Ellipsis:
            pass
        elif isinstance(e, bool):
            self._flag(e)
        elif isinstance(e, slice):
            self._slice(e)
        elif isinstance(e, int):
            self._position(e)
        elif e.dtype == bool:
            self._mask(e)
        elif e.ndim == 0:
            self.advanced.append(self.number)
            self._next()
            self.dims.append(Scalar(checked=False))
            self.operands.append(e)
        else:
            self.advanced.append(self.number)
            self._array(e, self._next())
        self.number += 1

    def _next(self) -> int:
        size = self.shape[self.dimension]
        self.dimension += 1
        self.extended.append(size)
        return size

    def _position(self, position: int) -> None:
        axis, size = self.dimension, self._next()
        if not -size <= position < size:
            raise outside(position, axis, self.shape)
        position %= size
        self.advanced.append(self.number)
        if self.dynamic:
            self.dims.append(Scalar(checked=True))
            self.operands.append(position)
        else:
            self.dims.append(Fixed(position))

    def _slice(self, e: slice) -> None:
        size = self._next()
        try:
            start, stop, step = e.indices(size)
        except ConcretizationError:
            raise ConcretizationError(
                f"{user_line()}: a slice with traced bounds has no static size; use "
                "mycc.lax.dynamic_slice_in_dim(x, start, "
                "size), or x[start + mycc.numpy.arange(size)]"
            ) from None
        except TypeError as error:
            raise TypeError(f"{user_line()}: {error}, got {e}") from None
        count = len(range(start, stop, step))
        backwards = step < 0 and count > 1
        if step < 0:
            start, step = start + (count - 1) * step, -step
        start, step = (0, 1) if count == 0 else (start, step if count > 1 else 1)
        if self.dynamic and step == 1 and 0 < count < size:
            self.dims.append(Window(None, count, 1, backwards))
            self.operands.append(start)
        else:
            self.dims.append(Window(start, count, step, backwards))

    def _array(self, e: Any, size: int) -> None:
        if isinstance(e, np.ndarray):
            e = self._checked(e, size)
        self.dims.append(Gathered(checked=isinstance(e, np.ndarray)))
        self.operands.append(e)

    def _checked(self, e: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
        if self.names_nothing:
            e = np.zeros_like(e)
        elif e.size:
            low, high = int(e.min()), int(e.max())
            if low < -size or high >= size:
                wrong = low if low < -size else high
                raise outside(wrong, self.dimension - 1, self.shape)
            if low < 0:
                e = np.where(e < 0, e + np.asarray(size, np.int64), e)
        return e.astype(INT32 if size <= 2**31 - 1 else INT64)

    def _flag(self, flag: bool) -> None:
        self.advanced.append(self.number)
        self.extended.append(1)
        self.dims.append(Gathered(checked=True))
        self.operands.append(np.zeros(int(flag), INT32))

    def _mask(self, mask: Any) -> None:
        sizes = self.shape[self.dimension : self.dimension + mask.ndim]
        if mask.ndim == 0:
            raise traced_mask()
        if tuple(mask.shape) != sizes:
            raise IndexError(
                f"{user_line()}: a mask of shape {tuple(mask.shape)} indexes dimensions of sizes {sizes} "
                f"of an array of shape {self.shape}"
            )
        for positions in np.nonzero(known(mask)):
            self.advanced.append(self.number)
            self._array(positions, self._next())


def known(mask: Any) -> np.ndarray[Any, Any]:
    """The numbers of a mask.

    Raises:
        ConcretizationError: it is traced.
    """
    try:
        return np.asarray(mask)
    except ConcretizationError:
        raise traced_mask() from None


def traced_mask() -> ConcretizationError:
    """The error for an index by a traced mask, whose count of true elements decides a shape."""
    return ConcretizationError(
        f"{user_line()}: an index by a traced mask has a shape that depends on its values; use "
        "mycc.numpy.where(mask, x, other), or x[mycc.numpy.nonzero(mask, size=n)] with a static count"
    )
