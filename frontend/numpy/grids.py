"""Identity, triangles, diagonals, and grids of coordinates."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from mycc.api import lift, operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.types import element_type, tensor
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.creation import asarray, on_device
from mycc.numpy.support import BOOL, FLOAT32, INT32, Shape, as_dtype, axis_of, shape_of
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "diag",
    "diag_indices",
    "diagflat",
    "diagonal",
    "eye",
    "fill_diagonal",
    "identity",
    "indices",
    "ix_",
    "meshgrid",
    "mgrid",
    "ogrid",
    "tri",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
    "vander",
]

Value: TypeAlias = ir.Value


def _triangle(shape: tuple[int, ...], k: int, direction: str) -> Value:
    """Where ``row + k <direction> column`` in the last two of the dimensions."""
    type_ = tensor(shape[-2:], element_type(INT32))
    k = max(-shape[-2], min(k, shape[-1]))
    rows = ops.add(ops.iota(type_, 0), ops.full(type_, k)) if k else ops.iota(type_, 0)
    mask = ops.compare(direction, rows, ops.iota(type_, 1))
    return ops.broadcast_in_dim(mask, shape, (len(shape) - 2, len(shape) - 1))


def eye(
    N: int, M: int | None = None, k: int = 0, dtype: DTypeLike | None = None, *, device: Any = None
) -> Array:
    """A matrix with ones on a diagonal and zeros elsewhere.

    Args:
        N: the number of rows.
        M: the number of columns; default: N.
        k: which diagonal; positive ones lie above the main diagonal.
        dtype: of the result; default float32.
        device: where to put it.

    Returns:
        An array of shape (N, M).

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.eye(2)
        Array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    shape = shape_of("eye", (N, N if M is None else M))
    return on_device(device, _ones_where("EQ", shape, int(k), as_dtype(dtype, FLOAT32)))


@operation
def _ones_where(direction: str, shape: tuple[int, ...], k: int, dtype: Any) -> Array:
    ones = ops.convert(_triangle(shape, k, direction), element_type(dtype))
    return wrap(ones, AbstractValue(shape, dtype))


def identity(n: int, dtype: DTypeLike | None = None) -> Array:
    """The identity matrix of n rows."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike | None = None) -> Array:
    """A matrix with ones at and below a diagonal.

    Args:
        N: the number of rows.
        M: the number of columns; default: N.
        k: the diagonal up to which there are ones.
        dtype: of the result; default float32.

    Returns:
        An array of shape (N, M).
    """
    shape = shape_of("tri", (N, N if M is None else M))
    return _ones_where("GE", shape, int(k), as_dtype(dtype, FLOAT32))


def _kept(name: str, m: ArrayLike, k: int, lower: bool) -> Array:
    value, aval = lift(m)
    if len(aval.shape) < 2:
        raise ValueError(
            f"{user_line()}: {name} takes arrays of two dimensions or more, got shape {aval.shape}"
        )
    mask = _triangle(aval.shape, k if lower else k - 1, "GE")
    zero = ops.full_like(value, 0)
    return wrap(ops.select(mask, value, zero) if lower else ops.select(mask, zero, value), aval)


@operation
def tril(m: ArrayLike, k: int = 0) -> Array:
    """The lower triangles of matrices: zeros above the k-th diagonal.

    Args:
        m: an array of shape (..., rows, columns).
        k: the last diagonal that is kept.

    Returns:
        An array of m's shape and dtype.
    """
    return _kept("tril", m, k, True)


@operation
def triu(m: ArrayLike, k: int = 0) -> Array:
    """The upper triangles of matrices: zeros below the k-th diagonal.

    Args:
        m: an array of shape (..., rows, columns).
        k: the first diagonal that is kept.

    Returns:
        An array of m's shape and dtype.
    """
    return _kept("triu", m, k, False)


def diagonal_value(value: Value, offset: int, axis1: int, axis2: int) -> Value:
    """The diagonal of two dimensions of a value, put last: a strided slice of the matrix read as a vector."""
    shape = tuple(value.type.shape)
    rest = [d for d in range(len(shape)) if d not in (axis1, axis2)]
    value = ops.transpose(value, [*rest, axis1, axis2])
    lead = tuple(shape[d] for d in rest)
    rows, columns = shape[axis1], shape[axis2]
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    if length == 0:
        return ops.full(tensor((*lead, 0), ops.element_of(value)), 0)
    first = offset if offset >= 0 else -offset * columns
    flat = ops.reshape(value, (*lead, rows * columns))
    starts = [0] * len(lead) + [first]
    limits = [*lead, first + (length - 1) * (columns + 1) + 1]
    return ops.slice_(flat, starts, limits, [1] * len(lead) + [columns + 1])


@operation
def diagonal(a: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """A diagonal of two dimensions, put last.

    Args:
        a: an array of two dimensions or more.
        offset: which diagonal; positive ones lie above the main diagonal.
        axis1, axis2: the dimensions of rows and columns.

    Returns:
        An array of a's other dimensions and one for the diagonal.
    """
    value, aval = lift(a)
    ndim = len(aval.shape)
    if ndim < 2:
        raise ValueError(
            f"{user_line()}: diagonal takes arrays of two dimensions or more, got shape {aval.shape}"
        )
    first, second = axis_of("diagonal", axis1, ndim), axis_of("diagonal", axis2, ndim)
    if first == second:
        raise ValueError(f"{user_line()}: diagonal got axis1 and axis2 both {axis1}; they must differ")
    result = diagonal_value(value, offset, first, second)
    return wrap(result, AbstractValue(tuple(result.type.shape), aval.dtype, aval.weak_type))


@operation
def diag(v: ArrayLike, k: int = 0) -> Array:
    """The diagonal of a matrix, or the matrix with a diagonal.

    Args:
        v: an array of one or two dimensions.
        k: which diagonal.

    Returns:
        An array of two or one dimensions.
    """
    value, aval = lift(v)
    if len(aval.shape) == 2:
        result = diagonal_value(value, k, 0, 1)
    elif len(aval.shape) == 1:
        result = _with_diagonal(value, k)
    else:
        raise ValueError(f"{user_line()}: diag takes arrays of one or two dimensions, got shape {aval.shape}")
    return wrap(result, AbstractValue(tuple(result.type.shape), aval.dtype, aval.weak_type))


def _with_diagonal(value: Value, k: int) -> Value:
    (n,) = value.type.shape
    size = n + abs(k)
    padded = ops.pad(value, ops.zero_of(value), [max(k, 0)], [max(-k, 0)], [0])
    spread = ops.broadcast_in_dim(padded, (size, size), (1,))
    return ops.select(_triangle((size, size), k, "EQ"), spread, ops.full_like(spread, 0))


@operation
def diagflat(v: ArrayLike, k: int = 0) -> Array:
    """A matrix whose k-th diagonal are the elements of an array."""
    value, aval = lift(v)
    result = _with_diagonal(ops.reshape(value, (aval.size,)), k)
    return wrap(result, AbstractValue(tuple(result.type.shape), aval.dtype, aval.weak_type))


@operation
def fill_diagonal(a: ArrayLike, val: ArrayLike, wrap: bool = False, *, inplace: bool = False) -> Array:
    """An array with another diagonal; as a new array, whose name the caller binds.

    Args:
        a: an array of two dimensions or more, all of one size if there are more than two.
        val: a number, or the numbers that go there, repeated as needed.
        wrap: must be False.
        inplace: must be False.

    Returns:
        An array of a's shape and dtype.
    """
    if inplace or wrap:
        raise NotImplementedError(
            f"{user_line()}: fill_diagonal returns a new array; leave inplace and wrap False"
        )
    from mycc.indexing import update
    from mycc.numpy.rearranging import resize

    aval = abstractify(a)
    if len(aval.shape) < 2 or (len(aval.shape) > 2 and len(set(aval.shape)) > 1):
        raise ValueError(
            f"{user_line()}: fill_diagonal got shape {aval.shape}; it takes matrices, or cubes of equal sides"
        )
    n = min(aval.shape)
    places = np.arange(n)
    numbers = val if not abstractify(val).shape else resize(val, (n,))
    return update(asarray(a), (places,) * len(aval.shape), numbers)


# ---- Grids ---------------------------------------------------------------------------------------


@operation
def meshgrid(
    *xi: ArrayLike, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Array, ...]:
    """Grids of coordinates from vectors of them.

    Args:
        *xi: vectors.
        copy: of no matter here.
        sparse: whether each grid keeps size 1 in all dimensions but its own.
        indexing: "xy" (columns first) or "ij".

    Returns:
        One array for each vector.

    Raises:
        ValueError: ``indexing`` is neither, or an argument has more than one dimension.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"{user_line()}: meshgrid got indexing={indexing!r}; it takes 'xy' or 'ij'")
    lifted = [lift(x) for x in xi]
    if any(len(aval.shape) > 1 for _, aval in lifted):
        raise ValueError(
            f"{user_line()}: meshgrid takes vectors, got shapes {[aval.shape for _, aval in lifted]}"
        )
    places = list(range(len(lifted)))
    if indexing == "xy" and len(places) >= 2:
        places[:2] = [1, 0]
    whole = [0] * len(places)
    for place, (_, aval) in zip(places, lifted, strict=True):
        whole[place] = aval.size
    results: list[Array] = []
    for place, (value, aval) in zip(places, lifted, strict=True):
        shape = tuple(n if d == place or not sparse else 1 for d, n in enumerate(whole))
        spread = ops.broadcast_in_dim(ops.reshape(value, (aval.size,)), shape, (place,))
        results.append(wrap(spread, AbstractValue(shape, aval.dtype, aval.weak_type)))
    return tuple(results)


@operation
def indices(dimensions: Shape, dtype: DTypeLike = int, sparse: bool = False) -> Any:
    """The coordinates of each element of an array, one array for each dimension.

    Args:
        dimensions: the shape of the array.
        dtype: of the coordinates.
        sparse: whether to return a tuple of arrays that broadcast together.

    Returns:
        An array of shape (ndim, *dimensions), or the tuple.
    """
    shape = shape_of("indices", dimensions)
    target = as_dtype(dtype)
    ndim = len(shape)
    if sparse:
        parts = []
        for d in range(ndim):
            alone = tuple(n if i == d else 1 for i, n in enumerate(shape))
            value = ops.iota(tensor(alone, element_type(target)), d)
            parts.append(wrap(value, AbstractValue(alone, target)))
        return tuple(parts)
    whole = (1, *shape)
    values = [ops.iota(tensor(whole, element_type(target)), d + 1) for d in range(ndim)]
    if not values:
        return wrap(ops.full(tensor((0,), element_type(target)), 0), AbstractValue((0,), target))
    return wrap(ops.concatenate(values, 0), AbstractValue((ndim, *shape), target))


class _Grid:
    """``mgrid[...]`` and ``ogrid[...]``: a complex step counts numbers instead of stating their distance."""

    def __init__(self, sparse: bool) -> None:
        self.sparse = sparse

    def __getitem__(self, key: Any) -> Any:
        host = (np.ogrid if self.sparse else np.mgrid)[key]
        if isinstance(host, (tuple, list)):
            return [asarray(_default(part)) for part in host]
        return asarray(_default(host))


def _default(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return x.astype(INT32 if x.dtype.kind == "i" else FLOAT32)


mgrid = _Grid(sparse=False)
"""A dense grid of coordinates, by slices: ``mgrid[0:2, 0:3]``."""
ogrid = _Grid(sparse=True)
"""An open grid of coordinates, by slices."""


def _triangle_indices(mask: np.ndarray[Any, Any]) -> tuple[Array, Array]:
    rows, columns = np.nonzero(mask)
    return asarray(rows.astype(INT32)), asarray(columns.astype(INT32))


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, Array]:
    """Rows and columns of the lower triangle of an n-by-m matrix."""
    return _triangle_indices(np.tri(n, m, k, dtype=BOOL))


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Array, Array]:
    """Rows and columns of the upper triangle of an n-by-m matrix."""
    return _triangle_indices(~np.tri(n, m, k - 1, dtype=BOOL))


def diag_indices(n: int, ndim: int = 2) -> tuple[Array, ...]:
    """The coordinates of the main diagonal of an array of ndim dimensions of size n."""
    return (asarray(np.arange(n, dtype=INT32)),) * ndim


def ix_(*args: ArrayLike) -> tuple[Array, ...]:
    """Index arrays that select the outer product of vectors of positions."""
    from mycc.numpy.shapes import reshape

    results = []
    for i, arg in enumerate(args):
        x = asarray(arg)
        if x.ndim != 1:
            raise ValueError(f"{user_line()}: ix_ takes vectors, got shape {x.shape}")
        if x.dtype == bool:
            x = asarray(np.flatnonzero(np.asarray(x)).astype(INT32))
        results.append(reshape(x, (1,) * i + (x.size,) + (1,) * (len(args) - i - 1)))
    return tuple(results)


@operation
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Array:
    """The matrix whose columns are powers of a vector.

    Args:
        x: a vector.
        N: the number of columns; default: the vector's size.
        increasing: whether powers rise from left to right.

    Returns:
        A matrix of shape (x.size, N).
    """
    from mycc.numpy.arithmetic import integer_power

    value, aval = lift(x)
    if len(aval.shape) != 1:
        raise ValueError(f"{user_line()}: vander takes a vector, got shape {aval.shape}")
    count = aval.size if N is None else N
    powers = range(count) if increasing else range(count - 1, -1, -1)
    if not count:
        return wrap(
            ops.full(tensor((aval.size, 0), ops.element_of(value)), 0),
            AbstractValue((aval.size, 0), aval.dtype),
        )
    columns = [ops.reshape(integer_power(value, p), (aval.size, 1)) for p in powers]
    return wrap(ops.concatenate(columns, 1), AbstractValue((aval.size, count), aval.dtype, aval.weak_type))
