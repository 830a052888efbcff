"""Elements taken, put and computed along axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import element_type, tensor
from mycc.emit import broadcast, convert
from mycc.indexing.read import fill_number, position
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.creation import asarray
from mycc.numpy.support import axis_of, is_integer
from mycc.source import user_line
from mycc.types import ArrayLike, abstractify

__all__ = ["choose", "place", "put", "put_along_axis", "take_along_axis"]

Value: TypeAlias = ir.Value
_MODES = (None, "fill", "drop", "clip", "promise_in_bounds")


class _Aligned:
    """An array and positions along one of its axes, broadcast together in all others."""

    def __init__(
        self,
        name: str,
        arr: ArrayLike,
        indices: ArrayLike,
        axis: int | None,
        mode: str | None,
        wrap_negative: bool,
    ) -> None:
        if mode not in _MODES:
            raise ValueError(
                f"{user_line()}: {name} got mode={mode!r}; it takes {', '.join(map(repr, _MODES[1:]))}"
            )
        value, aval = lift(arr)
        if axis is None:
            value, aval = (
                ops.reshape(value, (aval.size,)),
                AbstractValue((aval.size,), aval.dtype, aval.weak_type),
            )
        known = abstractify(indices)
        if not is_integer(known.dtype):
            raise TypeError(f"{user_line()}: {name} takes integer positions, got dtype {known.dtype}")
        ndim = len(aval.shape)
        if len(known.shape) != ndim:
            raise ValueError(
                f"{user_line()}: {name} takes positions of as many dimensions as the array, got shapes "
                f"{known.shape} and {aval.shape}"
            )
        self.axis = axis_of(name, 0 if axis is None else axis, ndim)
        rest = [1 if d == self.axis else n for d, n in enumerate(aval.shape)]
        try:
            common = np.broadcast_shapes(
                tuple(rest), (*known.shape[: self.axis], 1, *known.shape[self.axis + 1 :])
            )
        except ValueError:
            raise ValueError(
                f"{user_line()}: {name} got positions of shape {known.shape} for an array of shape "
                f"{aval.shape}; but for "
                f"axis {self.axis} they must broadcast together"
            ) from None
        self.size = aval.shape[self.axis]
        self.shape = (*common[: self.axis], known.shape[self.axis], *common[self.axis + 1 :])
        whole = (*common[: self.axis], self.size, *common[self.axis + 1 :])
        self.value, self.aval = (
            broadcast(value, aval.shape, whole),
            AbstractValue(whole, aval.dtype, aval.weak_type),
        )
        places, _ = position(indices, self.size, wrap_negative)
        self.places = broadcast(places, known.shape, self.shape)
        if mode == "clip":
            scalar = tensor((), ops.element_of(self.places))
            self.places = ops.clamp(ops.full(scalar, 0), self.places, ops.full(scalar, max(self.size - 1, 0)))
        self.others = [d for d in range(ndim) if d != self.axis]

    def vectors(self) -> Value:
        """The positions as index vectors of one entry."""
        return ops.reshape(self.places, (*self.shape, 1))

    def inside(self) -> Value:
        """Where the positions lie inside."""
        low = ops.compare("GE", self.places, ops.full_like(self.places, 0))
        return ops.and_(low, ops.compare("LT", self.places, ops.full_like(self.places, self.size)))


@operation
def take_along_axis(
    arr: ArrayLike,
    indices: ArrayLike,
    axis: int | None = -1,
    mode: str | None = None,
    fill_value: Any = None,
    *,
    wrap_negative_indices: bool = True,
) -> Array:
    """For each line along an axis, its elements at positions of its own, such as those that `argsort` gives.

    Args:
        arr: an array.
        indices: positions, of as many dimensions; all but the axis broadcast together.
        axis: along which; None takes the array as a vector.
        mode: for positions outside: "fill" (default) gives NaN or extreme integers, "clip" the nearest
            element.
        fill_value: what "fill" gives.
        wrap_negative_indices: whether negative positions count from the end.

    Returns:
        An array of the positions' shape.

    Example:
        >>> import mycc.numpy as mnp
        >>> x = mnp.array([[3, 1, 2]])
        >>> mnp.take_along_axis(x, mnp.argsort(x), axis=1)
        Array([[1, 2, 3]], dtype=int32)
    """
    both = _Aligned("take_along_axis", arr, indices, axis, mode, wrap_negative_indices)
    result_aval = AbstractValue(both.shape, both.aval.dtype, both.aval.weak_type)
    element = element_type(both.aval.dtype)
    if result_aval.size == 0:
        return wrap(ops.full(tensor(both.shape, element), 0), result_aval)
    numbers = hlo.GatherDimensionNumbers.get(
        offset_dims=[],
        collapsed_slice_dims=[both.axis],
        operand_batching_dims=both.others,
        start_indices_batching_dims=both.others,
        start_index_map=[both.axis],
        index_vector_dim=len(both.shape),
        context=context,
    )
    result = ops.gather(
        both.value, both.vectors(), numbers, [1] * len(both.shape), False, tensor(both.shape, element)
    )
    if mode in (None, "fill", "drop"):
        number = fill_number(both.aval.dtype) if fill_value is None else fill_value
        result = ops.select(both.inside(), result, ops.full_like(result, number))
    return wrap(result, result_aval)


@operation
def put_along_axis(
    arr: ArrayLike,
    indices: ArrayLike,
    values: ArrayLike,
    axis: int | None,
    inplace: bool = False,
    *,
    mode: str | None = None,
) -> Array:
    """An array with values put into each line along an axis at positions of its own; as a new array.

    Args:
        arr: an array.
        indices: positions, of as many dimensions; all but the axis broadcast together.
        values: broadcast to the positions, and converted to arr's dtype.
        axis: along which; None takes the array as a vector.
        inplace: must be False.
        mode: for positions outside: "drop" (default) ignores them, "clip" moves them to the nearest inside.

    Returns:
        An array of arr's shape.
    """
    _new_only("put_along_axis", inplace)
    shape = abstractify(arr).shape
    both = _Aligned("put_along_axis", arr, indices, axis, mode, True)
    new, aval = lift(values)
    new = broadcast(convert(new, aval.dtype, both.aval.dtype), aval.shape, both.shape)
    if new.type.shape and 0 in new.type.shape:
        return wrap(
            ops.reshape(both.value, shape), AbstractValue(shape, both.aval.dtype, both.aval.weak_type)
        )
    numbers = hlo.ScatterDimensionNumbers.get(
        update_window_dims=[],
        inserted_window_dims=[both.axis],
        input_batching_dims=both.others,
        scatter_indices_batching_dims=both.others,
        scattered_dims_to_operand_dims=[both.axis],
        index_vector_dim=len(both.shape),
        context=context,
    )
    result = ops.scatter(both.value, both.vectors(), new, numbers, lambda old, update: update)
    return wrap(ops.reshape(result, shape), AbstractValue(shape, both.aval.dtype, both.aval.weak_type))


def _new_only(name: str, inplace: bool) -> None:
    if inplace:
        raise ValueError(
            f"{user_line()}: {name} returns a new array; leave inplace False and bind the result"
        )


@operation
def put(
    a: ArrayLike, ind: ArrayLike, v: ArrayLike, mode: str | None = None, *, inplace: bool = False
) -> Array:
    """An array with values put at positions in the array taken as a vector; as a new array.

    Args:
        a: an array.
        ind: positions.
        v: values, repeated as needed.
        mode: for positions outside: None ignores them, "clip" moves them inside, "wrap" counts on from the
            other end.
        inplace: must be False.

    Returns:
        An array of a's shape.
    """
    from mycc.indexing.write import write
    from mycc.numpy.rearranging import resize
    from mycc.numpy.rounding import remainder
    from mycc.numpy.shapes import ravel, reshape

    _new_only("put", inplace)
    if mode not in (None, "clip", "wrap"):
        raise ValueError(f"{user_line()}: put got mode={mode!r}; it takes 'clip' or 'wrap'")
    flat, places = ravel(a), ravel(ind)
    if not places.size or not abstractify(v).size:
        return asarray(a)
    if mode == "wrap":
        places = remainder(places, flat.size)
    result = write(flat, places, resize(v, places.shape), "set", "clip" if mode == "clip" else None)
    return reshape(result, abstractify(a).shape)


@operation
def place(arr: ArrayLike, mask: ArrayLike, vals: ArrayLike, *, inplace: bool = False) -> Array:
    """An array with the masked elements replaced by values in turn; as a new array.

    Args:
        arr: an array.
        mask: a bool array of its shape.
        vals: a vector of values, repeated as needed.
        inplace: must be False.

    Returns:
        An array of arr's shape.
    """
    from mycc.indexing import take
    from mycc.numpy.arithmetic import subtract
    from mycc.numpy.creation import astype
    from mycc.numpy.cumulative import cumsum
    from mycc.numpy.rounding import remainder
    from mycc.numpy.selection import where
    from mycc.numpy.shapes import ravel, reshape

    _new_only("place", inplace)
    shape, dtype = abstractify(arr).shape, abstractify(arr).dtype
    values, chosen = ravel(vals), ravel(astype(mask, bool))
    if not values.size:
        raise ValueError(f"{user_line()}: place got no values")
    turn = remainder(subtract(cumsum(chosen), 1), values.size)
    return reshape(where(chosen, astype(take(values, turn), dtype), ravel(arr)), shape)


@operation
def choose(
    a: ArrayLike, choices: Sequence[ArrayLike] | ArrayLike, out: None = None, mode: str = "clip"
) -> Array:
    """For each element the number of an array, the element of that array.

    Args:
        a: integers from 0 to the number of choices.
        choices: arrays that broadcast together with a.
        mode: for numbers outside: "clip" takes the nearest choice, "wrap" counts on from the other end.

    Returns:
        An array of the common shape.
    """
    from mycc.numpy.joining import stack
    from mycc.numpy.rounding import remainder
    from mycc.numpy.shapes import broadcast_arrays, expand_dims, shaped

    if mode not in ("clip", "wrap"):
        raise ValueError(f"{user_line()}: choose got mode={mode!r}; it takes 'clip' or 'wrap'")
    whole = stack(list(broadcast_arrays(*choices)))  # type: ignore[misc]
    numbers = asarray(a)
    if mode == "wrap":
        numbers = remainder(numbers, whole.shape[0])
    shape = np.broadcast_shapes(numbers.shape, whole.shape[1:])
    ndim = len(shape)
    whole = shaped(whole, (whole.shape[0],) + (1,) * (ndim - whole.ndim + 1) + whole.shape[1:])
    numbers = shaped(numbers, (1,) * (ndim - numbers.ndim) + numbers.shape)
    result = take_along_axis(whole, expand_dims(numbers, 0), 0, mode="clip")
    return shaped(result, shape)
