"""``x.at[index]``: indexed updates that return new arrays, in JAX's spelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mycc.array import Array
from mycc.indexing.plan import parse
from mycc.indexing.read import check_mode, read
from mycc.indexing.write import apply, write
from mycc.trace import current

__all__ = ["At", "IndexedAt"]


class At:
    """``x.at``: takes an index in brackets.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.zeros(3).at[1].set(5.0)
        Array([0., 5., 0.], dtype=float32)
    """

    __slots__ = ("array",)

    def __init__(self, array: Array) -> None:
        self.array = array

    def __getitem__(self, index: Any) -> IndexedAt:
        return IndexedAt(self.array, index)

    def __repr__(self) -> str:
        return f"At({self.array!r})"


class IndexedAt:
    """``x.at[index]``: each method returns a new array, or the indexed elements.

    All methods take

    - ``mode``: what happens to positions outside that are only known at run time: ``"drop"`` (alias
      ``"fill"``; the default of updates) ignores them, ``"clip"`` moves them to the nearest inside,
      ``"promise_in_bounds"`` says that there are none (the default of `get`, which moves them inside like
      ``"clip"``).
    - ``indices_are_sorted`` and ``unique_indices``: promises that let scatters run faster.
    - ``wrap_negative_indices``: whether negative positions count from the end.

    Positions known while tracing must lie inside: else IndexError.
    """

    __slots__ = ("array", "index")

    def __init__(self, array: Array, index: Any) -> None:
        self.array = array
        self.index = index

    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | None = None,
        fill_value: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Array:
        """``x[index]``; mode ``"fill"`` gives ``fill_value`` (default NaN, or an extreme integer) outside."""
        return read(self.array, self.index, mode, fill_value, wrap_negative_indices, indices_are_sorted)

    def set(self, values: Any, **options: Any) -> Array:
        """``x[index] = values``."""
        return self._combined("set", values, **options)

    def add(self, values: Any, **options: Any) -> Array:
        """``x[index] += values``; an element that is named twice is added to twice."""
        return self._combined("add", values, **options)

    def subtract(self, values: Any, **options: Any) -> Array:
        """``x[index] -= values``; an element that is named twice is subtracted from twice."""
        return self._combined("subtract", values, **options)

    def multiply(self, values: Any, **options: Any) -> Array:
        """``x[index] *= values``."""
        return self._combined("multiply", values, **options)

    mul = multiply

    def divide(self, values: Any, **options: Any) -> Array:
        """``x[index] /= values``."""
        return self._combined("divide", values, **options)

    def power(self, values: Any, **options: Any) -> Array:
        """``x[index] **= values``."""
        return self._combined("power", values, **options)

    def min(self, values: Any, **options: Any) -> Array:
        """``x[index] = minimum(x[index], values)``."""
        return self._combined("min", values, **options)

    def max(self, values: Any, **options: Any) -> Array:
        """``x[index] = maximum(x[index], values)``."""
        return self._combined("max", values, **options)

    def apply(
        self,
        ufunc: Callable[[Array], Any],
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | None = None,
        wrap_negative_indices: bool = True,
    ) -> Array:
        """``x[index] = ufunc(x[index])`` with an elementwise function of one array."""
        check_mode(mode)
        request = parse(self.array, self.array.shape, self.index, dynamic=current() is None)
        return apply(
            self.array,
            request.operands,
            request.plan,
            ufunc,
            mode,
            wrap_negative_indices,
            indices_are_sorted,
            unique_indices,
        )

    def _combined(
        self,
        kind: str,
        values: Any,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | None = None,
        wrap_negative_indices: bool = True,
    ) -> Array:
        return write(
            self.array,
            self.index,
            values,
            kind,
            mode,
            wrap_negative_indices,
            indices_are_sorted,
            unique_indices,
        )

    def __repr__(self) -> str:
        return f"IndexedAt({self.array!r}, {self.index!r})"
