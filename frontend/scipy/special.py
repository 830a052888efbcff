"""`mycc.scipy.special`: special functions under SciPy's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from mycc.api import operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.bessel import bessel_i0e
from mycc.dtypes import kind_of
from mycc.emit import operands
from mycc.nn.parts import inexact
from mycc.nn.reductions import log_softmax, logsumexp, softmax
from mycc.types import ArrayLike, abstractify, default_dtype, promote

__all__ = [
    "beta", "betaln", "digamma", "entr", "erf", "erfc", "erfinv", "expit", "gamma", "gammaln", "i0", "i0e",
    "i1", "i1e", "kl_div", "log_softmax", "logit", "logsumexp", "ndtr", "ndtri", "polygamma", "psi",
    "rel_entr", "softmax", "xlog1py", "xlogy", "zeta",
]  # fmt: skip

Value: TypeAlias = ir.Value


def _unary(x: ArrayLike, build: Callable[[Value], Value]) -> Array:
    value, aval = inexact(x)
    return wrap(build(value), aval)


def _joined(name: str, build: Callable[..., Value], *xs: ArrayLike) -> Array:
    """A pointwise function of several operands, promoted to floats and broadcast."""
    dtype, _ = promote([abstractify(x) for x in xs])
    values, aval = operands(name, *xs, to=None if kind_of(dtype) in "fc" else default_dtype("f"))
    return wrap(build(*values), aval)


def _is(direction: str, value: Value, number: float) -> Value:
    return ops.compare(direction, value, ops.full_like(value, number))


def _const(value: Value, number: float) -> Value:
    return ops.full_like(value, number)


# ---- One operand ---------------------------------------------------------------------------------


@operation
def expit(x: ArrayLike, /) -> Array:
    """``1 / (1 + exp(-x))``."""
    return _unary(x, ops.logistic)


@operation
def logit(x: ArrayLike, /) -> Array:
    """The inverse of `expit`: ``log(x / (1 - x))``."""
    return _unary(x, lambda v: ops.sub(ops.log(v), ops.log1p(ops.neg(v))))


@operation
def erf(x: ArrayLike, /) -> Array:
    """The error function."""
    return _unary(x, ops.erf)


@operation
def erfc(x: ArrayLike, /) -> Array:
    """``1 - erf(x)``, exact where it is small."""
    return _unary(x, ops.erfc)


@operation
def erfinv(x: ArrayLike, /) -> Array:
    """The inverse of the error function."""
    return _unary(x, ops.erf_inv)


@operation
def gammaln(x: ArrayLike, /) -> Array:
    """Logarithm of the absolute value of the gamma function."""
    return _unary(x, ops.lgamma)


def _gamma(v: Value) -> Value:
    # Below 0 the sign alternates; at 0 and the negative integers there are poles.
    negative = _is("LT", v, 0)
    floor = ops.floor(v)
    half = ops.mul(floor, _const(v, 0.5))
    odd = ops.compare("NE", half, ops.floor(half))
    one = _const(v, 1)
    sign = ops.select(ops.and_(negative, odd), ops.neg(one), one)
    pole = ops.and_(_is("LE", v, 0), ops.compare("EQ", v, floor))
    beyond = ops.select(_is("EQ", v, 0), ops.div(one, v), _const(v, math.nan))
    return ops.select(pole, beyond, ops.mul(sign, ops.exp(ops.lgamma(v))))


@operation
def gamma(x: ArrayLike, /) -> Array:
    """The gamma function: NaN at negative integers, infinite at 0."""
    return _unary(x, _gamma)


@operation
def digamma(x: ArrayLike, /) -> Array:
    """Derivative of `gammaln`."""
    return _unary(x, ops.digamma)


psi = digamma


@operation
def entr(x: ArrayLike, /) -> Array:
    """``-x * log(x)``; 0 at 0, minus infinity below."""

    def build(v: Value) -> Value:
        positive = _is("GT", v, 0)
        inside = ops.neg(ops.mul(v, ops.log(ops.select(positive, v, _const(v, 1)))))
        return ops.select(_is("LT", v, 0), _const(v, -math.inf), inside)

    return _unary(x, build)


def _half_erfc(v: Value) -> Value:
    return ops.mul(ops.erfc(ops.mul(v, _const(v, -math.sqrt(0.5)))), _const(v, 0.5))


@operation
def ndtr(x: ArrayLike, /) -> Array:
    """The distribution function of the standard normal distribution."""
    return _unary(x, _half_erfc)


@operation
def ndtri(p: ArrayLike, /) -> Array:
    """The inverse of `ndtr`."""

    def build(v: Value) -> Value:
        centred = ops.sub(ops.mul(v, _const(v, 2)), _const(v, 1))
        return ops.mul(ops.erf_inv(centred), _const(v, math.sqrt(2)))

    return _unary(p, build)


@operation
def i0(x: ArrayLike, /) -> Array:
    """Modified Bessel function of order 0."""
    return _unary(x, lambda v: ops.mul(ops.exp(ops.abs_(v)), bessel_i0e(v)))


@operation
def i0e(x: ArrayLike, /) -> Array:
    """Modified Bessel function of order 0, times ``exp(-abs(x))``."""
    return _unary(x, bessel_i0e)


@operation
def i1(x: ArrayLike, /) -> Array:
    """Modified Bessel function of order 1."""
    return _unary(x, lambda v: ops.mul(ops.exp(ops.abs_(v)), ops.bessel_i1e(v)))


@operation
def i1e(x: ArrayLike, /) -> Array:
    """Modified Bessel function of order 1, times ``exp(-abs(x))``."""
    return _unary(x, ops.bessel_i1e)


# ---- Several operands ----------------------------------------------------------------------------


@operation
def polygamma(n: ArrayLike, x: ArrayLike, /) -> Array:
    """Derivative of `digamma` of order ``n``."""
    return _joined("polygamma", ops.polygamma, n, x)


@operation
def zeta(x: ArrayLike, q: ArrayLike = 1.0, /) -> Array:
    """Hurwitz's zeta function, the sum over k of ``(k + q) ** -x``."""
    return _joined("zeta", ops.zeta, x, q)


def _betaln(a: Value, b: Value) -> Value:
    return ops.sub(ops.add(ops.lgamma(a), ops.lgamma(b)), ops.lgamma(ops.add(a, b)))


@operation
def betaln(a: ArrayLike, b: ArrayLike, /) -> Array:
    """Logarithm of the absolute value of the beta function."""
    return _joined("betaln", _betaln, a, b)


@operation
def beta(a: ArrayLike, b: ArrayLike, /) -> Array:
    """The beta function of positive numbers."""
    return _joined("beta", lambda x, y: ops.exp(_betaln(x, y)), a, b)


def _weighted(x: Value, y: Value, logarithm: Callable[[Value], Value], harmless: float) -> Value:
    """``x * logarithm(y)``, 0 where ``x`` is, whatever y is there."""
    zero = _is("EQ", x, 0)
    guarded = ops.select(zero, _const(y, harmless), y)
    return ops.mul(x, logarithm(guarded))


@operation
def xlogy(x: ArrayLike, y: ArrayLike, /) -> Array:
    """``x * log(y)``, 0 where ``x`` is 0."""
    return _joined("xlogy", lambda a, b: _weighted(a, b, ops.log, 1), x, y)


@operation
def xlog1py(x: ArrayLike, y: ArrayLike, /) -> Array:
    """``x * log1p(y)``, 0 where ``x`` is 0."""
    return _joined("xlog1py", lambda a, b: _weighted(a, b, ops.log1p, 0), x, y)


def _rel_entr(p: Value, q: Value) -> Value:
    both = ops.and_(_is("GT", p, 0), _is("GT", q, 0))
    edge = ops.and_(_is("EQ", p, 0), _is("GE", q, 0))
    one = _const(p, 1)
    inside_p, inside_q = ops.select(both, p, one), ops.select(both, q, one)
    value = ops.mul(inside_p, ops.sub(ops.log(inside_p), ops.log(inside_q)))
    outside = ops.select(edge, _const(p, 0), _const(p, math.inf))
    return ops.select(both, value, outside)


@operation
def rel_entr(p: ArrayLike, q: ArrayLike, /) -> Array:
    """``p * log(p / q)``; 0 where ``p`` is 0, infinite where one is negative or only ``q`` is 0."""
    return _joined("rel_entr", _rel_entr, p, q)


@operation
def kl_div(p: ArrayLike, q: ArrayLike, /) -> Array:
    """``rel_entr(p, q) - p + q``."""
    return _joined("kl_div", lambda a, b: ops.add(ops.sub(_rel_entr(a, b), a), b), p, q)
