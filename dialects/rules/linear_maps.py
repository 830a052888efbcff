"""Linear maps on stacks of matrices, written once: as tangents forward, and transposed for cotangents.

The derivative of a decomposition is a chain of products with known matrices, masks, transpositions and solves.
A rule writes the chain on `Linear` values. Forward they carry tangents, and each step builds its operation. In
reverse they carry none: each step only notes its transpose, and `pull` runs the notes backwards.

Cotangents pair with tangents without conjugation, Re Σ ct·t, as everywhere in mycc: the transpose of a product
with A is one with Aᵀ, not Aᴴ, and conjugation is its own transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import hlo, ir
from mycc.dialects.record import Flags, ForwardRule, ReverseRule, Site, Tangents, accumulate
from mycc.dialects.rules.elementwise import is_complex
from mycc.dialects.types import dtype_of, shape_of, tensor

Value: TypeAlias = ir.Value
Map: TypeAlias = Callable[[Value], Value]

__all__ = [
    "Linear",
    "TangentRule",
    "adjoint",
    "conj",
    "eye",
    "herm",
    "mask",
    "matmul",
    "matrix_transpose",
    "rules",
    "spread_columns",
    "spread_rows",
    "to_complex",
    "triangle",
    "triangular_solve",
]


# ---- Matrices as values --------------------------------------------------------------------------


def matmul(x: Value, y: Value) -> Value:
    """The products of two stacks of matrices, (..., m, k) and (..., k, n), at the highest precision."""
    lead = tuple(range(len(x.type.shape) - 2))
    rank = len(lead)
    return ops.dot_general(
        x, y, contracting=((rank + 1,), (rank,)), batching=(lead, lead), precision=_highest()
    )


def _highest() -> ir.Attribute:
    entry = hlo.PrecisionAttr.get("HIGHEST")
    return ir.ArrayAttr.get([entry, entry])


def matrix_transpose(x: Value) -> Value:
    """The last two dimensions exchanged."""
    rank = len(x.type.shape)
    return ops.transpose(x, (*range(rank - 2), rank - 1, rank - 2))


def herm(x: Value) -> Value:
    """The conjugate transpose of each matrix."""
    return matrix_transpose(conj(x))


def conj(x: Value) -> Value:
    """The complex conjugate; a real tensor is its own."""
    return ops.conj(x) if is_complex(x) else x


def to_complex(x: Value) -> Value:
    """A complex tensor with the given real part; ``x`` itself if it is complex."""
    return x if is_complex(x) else ops.complex_(x, ops.full_like(x, 0))


def spread_rows(x: Value, rows: int) -> Value:
    """(..., n) repeated as the rows of (..., rows, n)."""
    shape = shape_of(x)
    dims = (*range(len(shape) - 1), len(shape))
    return ops.broadcast_in_dim(x, (*shape[:-1], rows, shape[-1]), dims)


def spread_columns(x: Value, columns: int) -> Value:
    """(..., n) repeated as the columns of (..., n, columns)."""
    shape = shape_of(x)
    return ops.broadcast_in_dim(x, (*shape, columns), range(len(shape)))


def mask(type_: ir.Type, pattern: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Value:
    """A boolean tensor of a stack's shape that repeats one matrix."""
    shape = tuple(type_.shape)
    dims = range(len(shape) - pattern.ndim, len(shape))
    return ops.broadcast_in_dim(ops.constant(pattern), shape, dims)


def _pattern(type_: ir.Type, lower: bool, strict: bool) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    rows, columns = type_.shape[-2:]
    full = np.ones((rows, columns), np.bool_)
    return np.tril(full, -1 if strict else 0) if lower else np.triu(full, 1 if strict else 0)


def triangle(x: Value, lower: bool, strict: bool = False) -> Value:
    """One triangle of each matrix, with zeros elsewhere; ``strict`` leaves out the diagonal."""
    return ops.select(mask(x.type, _pattern(x.type, lower, strict)), x, ops.full_like(x, 0))


def eye(type_: ir.Type) -> Value:
    """A stack of matrices with ones on the diagonal."""
    pattern = np.eye(*type_.shape[-2:], dtype=np.bool_)
    return ops.select(mask(type_, pattern), ops.full(type_, 1), ops.full(type_, 0))


_ADJOINT = "ADJOINT"
_TRANSPOSED = {"NO_TRANSPOSE": "TRANSPOSE", "TRANSPOSE": "NO_TRANSPOSE"}


def triangular_solve(
    a: Value, b: Value, *, left: bool, lower: bool, unit: bool = False, transpose: str = "NO_TRANSPOSE"
) -> Value:
    """The solution x of ``op(a) x = b``, or of ``x op(a) = b``, for triangular a."""
    attributes = {
        "left_side": ops.boolean(left),
        "lower": ops.boolean(lower),
        "unit_diagonal": ops.boolean(unit),
        "transpose_a": hlo.TransposeAttr.get(transpose),
    }
    return ops.create("stablehlo.triangular_solve", [b.type], [a, b], attributes).result


def adjoint(transpose: str, a: Value) -> str:
    """The transposition to name for one: that of a real matrix is never an adjoint."""
    return "TRANSPOSE" if transpose == _ADJOINT and not is_complex(a) else transpose


# ---- Linear values -------------------------------------------------------------------------------


class Linear:
    """A stack of matrices that depends linearly on the tangents of a rule's operands.

    Args:
        type_: its tensor type.
        value: the tangent, forward; None in reverse.
        parents: what it was made of, each with the map from this one's cotangent to that one's.
    """

    __slots__ = ("parents", "type", "value")

    def __init__(
        self, type_: ir.Type, value: Value | None, parents: Sequence[tuple[Linear, Map]] = ()
    ) -> None:
        self.type = type_
        self.value = value
        self.parents = tuple(parents)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.type.shape)

    def map(self, shape: Sequence[int], apply: Map, pull: Map, element: ir.Type | None = None) -> Linear:
        """The result of a linear map, given with its transpose."""
        type_ = tensor(tuple(shape), self.type.element_type if element is None else element)
        return Linear(type_, None if self.value is None else apply(self.value), [(self, pull)])

    def _same(self, apply: Map, pull: Map | None = None) -> Linear:
        return self.map(self.shape, apply, apply if pull is None else pull)

    def __add__(self, other: Linear) -> Linear:
        value = None if self.value is None or other.value is None else ops.add(self.value, other.value)
        return Linear(self.type, value, [(self, lambda ct: ct), (other, lambda ct: ct)])

    def __neg__(self) -> Linear:
        return self._same(ops.neg)

    def __sub__(self, other: Linear) -> Linear:
        return self + -other

    def left(self, a: Value) -> Linear:
        """``a @ self``."""
        shape = (*self.shape[:-2], a.type.shape[-2], self.shape[-1])
        return self.map(shape, lambda t: matmul(a, t), lambda ct: matmul(matrix_transpose(a), ct))

    def right(self, a: Value) -> Linear:
        """``self @ a``."""
        shape = (*self.shape[:-1], a.type.shape[-1])
        return self.map(shape, lambda t: matmul(t, a), lambda ct: matmul(ct, matrix_transpose(a)))

    def times(self, factor: Value) -> Linear:
        """The elementwise product with a tensor of the same type, or its real part's."""
        if is_complex_type(self.type) and not is_complex(factor):
            factor = to_complex(factor)
        return self._same(lambda t: ops.mul(t, factor))

    def over(self, divisor: Value) -> Linear:
        """The elementwise quotient by a tensor of the same type, or its real part's."""
        if is_complex_type(self.type) and not is_complex(divisor):
            divisor = to_complex(divisor)
        return self._same(lambda t: ops.div(t, divisor))

    def scaled(self, number: float) -> Linear:
        """The product with a number."""
        return self._same(lambda t: ops.mul(t, ops.full_like(t, number)))

    def halved_diagonal(self) -> Linear:
        """The diagonal halved."""
        factors = np.ones(self.shape[-2:], dtype_of(_real(self.type.element_type)))
        np.fill_diagonal(factors, 0.5)
        shape, element = self.shape, self.type.element_type

        def scale(t: Value) -> Value:
            spread = ops.broadcast_in_dim(ops.constant(factors), shape, range(len(shape) - 2, len(shape)))
            return ops.mul(t, ops.convert(spread, element))

        return self._same(scale)

    def triangle(self, lower: bool, strict: bool = False) -> Linear:
        """One triangle, zeros elsewhere."""
        return self._same(lambda t: triangle(t, lower, strict))

    def transposed(self) -> Linear:
        """The transpose of each matrix."""
        shape = (*self.shape[:-2], self.shape[-1], self.shape[-2])
        return self.map(shape, matrix_transpose, matrix_transpose)

    def conj(self) -> Linear:
        """The complex conjugate."""
        return self._same(ops.conj) if is_complex_type(self.type) else self

    def adjoint(self) -> Linear:
        """The conjugate transpose of each matrix."""
        return self.transposed().conj()

    def real(self) -> Linear:
        """The real part, as a real tensor."""
        if not is_complex_type(self.type):
            return self
        return self.map(self.shape, ops.real, to_complex, _real(self.type.element_type))

    def imag(self) -> Linear:
        """The imaginary part of a complex tensor, as a real tensor."""

        def pull(ct: Value) -> Value:
            return ops.complex_(ops.full_like(ct, 0), ops.neg(ct))

        return self.map(self.shape, ops.imag, pull, _real(self.type.element_type))

    def to_complex(self) -> Linear:
        """A real tensor as the real part of a complex one."""
        if is_complex_type(self.type):
            return self
        return self.map(self.shape, to_complex, ops.real, ir.ComplexType.get(self.type.element_type))

    def times_i(self) -> Linear:
        """A real tensor as the imaginary part of a complex one."""

        def apply(t: Value) -> Value:
            return ops.complex_(ops.full_like(t, 0), t)

        element = ir.ComplexType.get(self.type.element_type)
        return self.map(self.shape, apply, lambda ct: ops.neg(ops.imag(ct)), element)

    def hermitian(self, lower: bool) -> Linear:
        """The Hermitian matrix of which a kernel reads one triangle: the other is its adjoint, the diagonal real."""
        strict = self.triangle(lower, strict=True)
        diagonal = self.diagonal().real()
        if is_complex_type(self.type):
            diagonal = diagonal.to_complex()
        return strict + strict.adjoint() + diagonal.as_diagonal(self.shape[-1])

    def diagonal(self) -> Linear:
        """The main diagonal of each matrix, (..., min(m, n))."""
        size, type_ = min(self.shape[-2:]), self.type
        return self.map(
            (*self.shape[:-2], size), lambda t: _diagonal(t, size), lambda ct: _as_diagonal(ct, type_)
        )

    def as_diagonal(self, columns: int) -> Linear:
        """(..., n) on the diagonal of (..., n, columns)."""
        size = self.shape[-1]
        type_ = tensor((*self.shape, columns), self.type.element_type)
        return self.map(type_.shape, lambda t: _as_diagonal(t, type_), lambda ct: _diagonal(ct, size))

    def sum_rows(self) -> Linear:
        """The sum over the rows of each matrix."""
        rank, rows = len(self.shape), self.shape[-2]
        shape = (*self.shape[:-2], self.shape[-1])
        return self.map(shape, lambda t: ops.sum_(t, [rank - 2]), lambda ct: spread_rows(ct, rows))

    def spread_rows(self, rows: int) -> Linear:
        """(..., n) repeated as the rows of matrices."""
        rank = len(self.shape)
        shape = (*self.shape[:-1], rows, self.shape[-1])
        return self.map(shape, lambda t: spread_rows(t, rows), lambda ct: ops.sum_(ct, [rank - 1]))

    def part(self, dim: int, start: int, limit: int) -> Linear:
        """Some of the rows (dim -2) or columns (dim -1)."""
        rank, shape = len(self.shape), self.shape
        axis = rank + dim
        starts = [start if d == axis else 0 for d in range(rank)]
        limits = [limit if d == axis else n for d, n in enumerate(shape)]
        high = [n - e for n, e in zip(shape, limits, strict=True)]
        sizes = [e - b for b, e in zip(starts, limits, strict=True)]
        return self.map(
            sizes,
            lambda t: ops.slice_(t, starts, limits),
            lambda ct: ops.pad(ct, ops.zero_of(ct), starts, high, [0] * rank),
        )

    def padded(self, dim: int, before: int, after: int) -> Linear:
        """With zero rows (dim -2) or columns (dim -1) added."""
        rank, shape = len(self.shape), list(self.shape)
        axis = rank + dim
        low = [before if d == axis else 0 for d in range(rank)]
        high = [after if d == axis else 0 for d in range(rank)]
        limits = [b + n for b, n in zip(low, shape, strict=True)]
        shape[axis] += before + after
        return self.map(
            shape,
            lambda t: ops.pad(t, ops.zero_of(t), low, high, [0] * rank),
            lambda ct: ops.slice_(ct, low, limits),
        )

    def solve(
        self, a: Value, *, left: bool, lower: bool, unit: bool = False, transpose: str = "NO_TRANSPOSE"
    ) -> Linear:
        """The solution of a triangular system of which this is the right side."""

        def apply(t: Value) -> Value:
            return triangular_solve(a, t, left=left, lower=lower, unit=unit, transpose=transpose)

        def pull(ct: Value) -> Value:
            if transpose != _ADJOINT:
                return triangular_solve(
                    a, ct, left=left, lower=lower, unit=unit, transpose=_TRANSPOSED[transpose]
                )
            # The transpose of a⁻ᴴ is the conjugate of a⁻¹.
            return conj(triangular_solve(a, conj(ct), left=left, lower=lower, unit=unit))

        return self._same(apply, pull)


def is_complex_type(type_: ir.Type) -> bool:
    """Whether a tensor type's elements are complex."""
    return isinstance(type_.element_type, ir.ComplexType)


def _real(element: ir.Type) -> ir.Type:
    return element.element_type if isinstance(element, ir.ComplexType) else element


def _diagonal(x: Value, size: int) -> Value:
    rank = len(x.type.shape)
    pattern = np.eye(*x.type.shape[-2:], dtype=np.bool_)
    found = ops.sum_(ops.select(mask(x.type, pattern), x, ops.full_like(x, 0)), [rank - 2])
    return ops.slice_(found, [0] * (rank - 1), [*x.type.shape[:-2], size])


def _as_diagonal(x: Value, type_: ir.Type) -> Value:
    """(..., min(m, n)) on the diagonal of matrices of a type."""
    rows, columns = type_.shape[-2:]
    rank = len(x.type.shape)
    extra = columns - x.type.shape[-1]
    padded = ops.pad(x, ops.zero_of(x), [0] * rank, [0] * (rank - 1) + [extra], [0] * rank)
    pattern = np.eye(rows, columns, dtype=np.bool_)
    return ops.select(mask(type_, pattern), spread_rows(padded, rows), ops.full(type_, 0))


# ---- Rules ---------------------------------------------------------------------------------------

TangentRule = Callable[[Site, list[Linear | None], Flags], Sequence[Linear | None]]
"""The tangents of the results from those of the operands; the flags say which results are asked for."""


def rules(tangents: TangentRule) -> tuple[ForwardRule, ReverseRule]:
    """The forward and the reverse rule of an operation whose tangent map is written on `Linear` values."""

    def forward(site: Site, values: Tangents) -> Tangents:
        operands = [None if value is None else Linear(value.type, value) for value in values]
        used = tuple(next(iter(result.uses), None) is not None for result in site.op.results)
        results = tangents(site, operands, used)
        return [None if result is None else result.value for result in results]

    def reverse(site: Site, cotangents: Tangents) -> Tangents:
        operands = [
            Linear(operand.type, None) if active else None
            for operand, active in zip(site.operands, site.active, strict=True)
        ]
        results = tangents(site, operands, tuple(ct is not None for ct in cotangents))
        return _pull(results, cotangents, operands)

    return forward, reverse


def _pull(
    results: Sequence[Linear | None], cotangents: Tangents, operands: Sequence[Linear | None]
) -> Tangents:
    found: dict[int, Value | None] = {}
    for result, ct in zip(results, cotangents, strict=True):
        if result is not None and ct is not None:
            found[id(result)] = accumulate(found.get(id(result)), ct)
    for node in reversed(_ordered([r for r in results if r is not None and id(r) in found])):
        cotangent = found[id(node)]
        assert cotangent is not None
        for parent, pull in node.parents:
            found[id(parent)] = accumulate(found.get(id(parent)), pull(cotangent))
    return [None if operand is None else found.get(id(operand)) for operand in operands]


def _ordered(ends: Sequence[Linear]) -> list[Linear]:
    """What the ends are made of, each after its parents."""
    done: dict[int, Linear] = {}

    def visit(node: Linear) -> None:
        if id(node) in done:
            return
        for parent, _ in node.parents:
            visit(parent)
        done[id(node)] = node

    for end in ends:
        visit(end)
    return list(done.values())
