"""Hessenberg and tridiagonal forms, reflector by reflector: what LAPACK's gehrd and sytrd are the same as.

LAPACK works on blocks, and stays what computes values. Derivatives are those of this loop, whose reflectors are the
same: ``H = I - tau v vᴴ``, where v begins with a one, and ``Hᴴ x = beta e₁`` with a real beta of the sign that
cancels nothing (LAPACK's larfg and gehd2; Golub and Van Loan, "Matrix Computations", 5.1 and 7.4).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.elementwise import is_complex
from mycc.dialects.rules.linear_maps import conj, eye, herm, mask, matmul, to_complex, triangle
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value

__all__ = ["hessenberg", "tridiagonal"]


def hessenberg(a: Value, low: int, high: int) -> tuple[Value, Value]:
    """``Qᴴ A Q`` on and above the first subdiagonal, the reflectors that Q is made of below it, and their factors.

    Args:
        a: (..., n, n), n at least 1.
        low: the first row and column that are not triangular yet, counted from 1.
        high: the last one.

    Returns:
        (..., n, n) and (..., n - 1).
    """
    *lead, size, _ = shape_of(a)
    i32 = tensor((), ops.I32)
    zero, one, last = (ops.full(i32, n) for n in (0, 1, high - 1))
    column = tensor((*lead, size, 1), ops.I32)
    rows = ops.iota(column, len(lead))
    columns = ops.iota(tensor(shape_of(a), ops.I32), len(lead) + 1)
    inside = ops.compare("LT", rows, ops.full(column, high))
    factors = ops.full(tensor((*lead, size - 1, 1), ops.element_of(a)), 0)

    def step(k: Value, a: Value, factors: Value) -> list[Value]:
        nothing = [zero] * (len(lead) + 1)
        x = ops.dynamic_slice(a, [*nothing, k], shape_of(rows))
        first = ops.broadcast_in_dim(ops.add(k, one), shape_of(rows), [])
        here = ops.compare("EQ", rows, first)
        below = ops.and_(ops.compare("GT", rows, first), inside)
        v, tau, beta = _reflector(x, here, below)
        none = ops.full_like(x, 0)
        moved = ops.select(inside, matmul(a, ops.mul(v, _spread(tau, v))), none)
        a = ops.sub(a, matmul(moved, herm(v)))
        turned = ops.sub(a, matmul(ops.mul(v, _spread(conj(tau), v)), matmul(herm(v), a)))
        later = ops.compare("GT", columns, ops.broadcast_in_dim(k, shape_of(columns), []))
        done = ops.select(here, _spread(beta, x), ops.select(below, v, x))
        a = ops.dynamic_update_slice(ops.select(later, turned, a), done, [*nothing, k])
        return [ops.add(k, one), a, ops.dynamic_update_slice(factors, tau, [*nothing[1:], k, zero])]

    results = ops.while_([ops.full(i32, low - 1), a, factors], lambda k, *_: ops.compare("LT", k, last), step)
    return results[1], ops.reshape(results[2], (*lead, size - 1))


def _reflector(x: Value, here: Value, below: Value) -> tuple[Value, Value, Value]:
    """Of a column from the row ``here`` on: v, (..., n, 1), with tau and beta, (..., 1, 1)."""
    rank = len(shape_of(x))
    none = ops.full_like(x, 0)

    def total(parts: Value) -> Value:
        return ops.broadcast_in_dim(
            ops.sum_(parts, [rank - 2]), (*shape_of(x)[:-2], 1, 1), [*range(rank - 2), rank - 1]
        )

    def squares(parts: Value) -> Value:
        return ops.real(ops.mul(parts, conj(parts))) if is_complex(parts) else ops.mul(parts, parts)

    alpha, rest = total(ops.select(here, x, none)), ops.select(below, x, none)
    height = ops.real(alpha) if is_complex(x) else alpha
    length = ops.add(squares(alpha), total(squares(rest)))
    # Where nothing is to be reflected, tau is 0 and nothing is divided.
    flat = ops.compare("EQ", length, ops.mul(height, height))
    one, nought = ops.full_like(height, 1), ops.full_like(height, 0)
    root = ops.sqrt(ops.select(flat, one, length))
    beta = ops.select(ops.compare("LT", height, nought), root, ops.neg(root))
    beta = _cast(ops.select(flat, height, beta), x)
    unit = ops.full_like(beta, 1)
    tau = ops.div(ops.sub(beta, alpha), ops.select(flat, unit, beta))
    v = ops.div(rest, _spread(ops.select(flat, unit, ops.sub(alpha, beta)), x))
    return ops.select(here, ops.full_like(x, 1), v), tau, beta


def _spread(number: Value, x: Value) -> Value:
    """(..., 1, 1) repeated down a column."""
    return ops.broadcast_in_dim(
        ops.reshape(number, shape_of(number)[:-1]),
        shape_of(x),
        [*range(len(shape_of(x)) - 2), len(shape_of(x)) - 1],
    )


def _cast(x: Value, like: Value) -> Value:
    return to_complex(x) if is_complex(like) else x


def tridiagonal(a: Value, lower: bool) -> tuple[Value, Value, Value, Value]:
    """The tridiagonal form of a Hermitian matrix of which one triangle is read.

    From the upper triangle LAPACK works from the last column back, which is the same with rows and columns in the
    opposite order.

    Args:
        a: (..., n, n), n at least 1.
        lower: which triangle.

    Returns:
        the triangle with the form's diagonals in it and the reflectors beyond, in what else a has; the diagonal,
        (..., n), and the one beside it, (..., n - 1), both real; the reflectors' factors, (..., n - 1).
    """
    rank = len(shape_of(a))
    if not lower:
        packed, *others = tridiagonal(ops.reverse(a, [rank - 2, rank - 1]), True)
        diagonal, beside, factors = (ops.reverse(x, [rank - 2]) for x in others)
        return ops.reverse(packed, [rank - 2, rank - 1]), diagonal, beside, factors
    strict = triangle(a, True, strict=True)
    on = ops.mul(a, eye(a.type))
    if is_complex(a):
        on = to_complex(ops.real(on))
    whole = ops.add(ops.add(strict, herm(strict)), on)
    form, factors = hessenberg(whole, 1, shape_of(a)[-1])
    kept = np.tril(np.ones(shape_of(a)[-2:], np.bool_))
    packed = ops.select(mask(a.type, kept), form, a)
    return packed, _real_diagonal(form, 0), _real_diagonal(form, 1), factors


def _real_diagonal(x: Value, below: int) -> Value:
    """The real part of a diagonal: the main one, or the first below it."""
    shape = shape_of(x)
    x = ops.real(x) if is_complex(x) else x
    size = shape[-1] - below
    part = ops.slice_(x, [*([0] * (len(shape) - 2)), below, 0], [*shape[:-1], size])
    return ops.sum_(ops.mul(part, eye(part.type)), [len(shape) - 1])
