"""Records: CHLO's functions. They stay whole until lowering, for their derivatives are closed formulas."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.errors import UnsupportedOperationError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.record import Batched, Partial, Record, Site, inactive, pointwise
from mycc.dialects.rules.bessel import bessel_i0e
from mycc.dialects.rules.elementwise import divide_guarded, limits, scale

Value: TypeAlias = ir.Value

_REAL = (-3.0, 3.0)
_UNIT = (-0.8, 0.8)
_POSITIVE = (0.3, 4.0)


def _scipy(name: str) -> Callable[..., Any]:
    """An oracle of SciPy's, which only the tests need installed."""

    def oracle(*operands: Any) -> Any:
        return getattr(importlib.import_module("scipy.special"), name)(*operands)

    return oracle


def _no_partial(number: int, why: str) -> Partial:
    """The partial derivative that nobody has a formula for."""

    def partial(t: Value, s: Site) -> Value:
        raise UnsupportedOperationError(
            f"{describe(s.op.location)}: cannot differentiate '{s.op.name}' by its operand {number}: {why}; "
            "keep that operand out of the differentiated arguments (mycc.lax.stop_gradient)"
        )

    return partial


def _one(x: Value) -> Value:
    return ops.full_like(x, 1)


def _difference_of_squares(x: Value) -> Value:
    """1 - x² as (1 - x)(1 + x), which keeps its digits near ±1."""
    return ops.mul(ops.sub(_one(x), x), ops.add(_one(x), x))


def _asin(t: Value, s: Site) -> Value:
    return divide_guarded(t, ops.sqrt(_difference_of_squares(s.x)))


def _acosh(t: Value, s: Site) -> Value:
    # Two roots and not that of x² - 1: for complex numbers the product of the roots has acosh's branch cut.
    return divide_guarded(t, ops.mul(ops.sqrt(ops.sub(s.x, _one(s.x))), ops.sqrt(ops.add(s.x, _one(s.x)))))


def _one_plus_square(x: Value) -> Value:
    return ops.add(_one(x), ops.mul(x, x))


def _gauss(t: Value, s: Site, factor: float) -> Value:
    return ops.mul(scale(t, factor), ops.exp(ops.neg(ops.mul(s.x, s.x))))


def _erf_inv(t: Value, s: Site) -> Value:
    return divide_guarded(scale(t, math.sqrt(math.pi) / 2), ops.exp(ops.neg(ops.mul(s.out, s.out))))


def _bessel_i1e(t: Value, s: Site) -> Value:
    # I₁ₑ' = I₀ₑ - I₁ₑ·(sign x + 1/x), whose limit at 0 is 1/2; the threshold is JAX's.
    x = s.x
    small = ops.full_like(x, limits(x).eps)
    regular = ops.compare("GT", ops.abs_(x), small)
    safe = ops.select(regular, x, small)
    slope = ops.sub(bessel_i0e(safe), ops.mul(s.out, ops.add(ops.sign(safe), ops.div(_one(safe), safe))))
    return ops.mul(t, ops.select(regular, slope, ops.full_like(x, 0.5)))


def _digamma(t: Value, s: Site) -> Value:
    # ψ₁(x) is π²/sin²(πx) - ψ₁(1 - x) below 0 (DLMF 5.15.6), where the series of ψ₁, which JAX takes, is up to
    # thousands off. The sine is that of the distance to the next integer, which has all its digits.
    x = s.x
    below = ops.compare("LT", x, ops.full_like(x, 0))
    positive = ops.mul(t, ops.polygamma(_one(x), ops.select(below, ops.sub(_one(x), x), x)))
    offset = ops.select(below, ops.sub(x, ops.round_even(x)), ops.full_like(x, 0.5))
    sine = ops.sin(scale(offset, math.pi))
    poles = divide_guarded(scale(t, math.pi**2), ops.mul(sine, sine))
    return ops.select(below, ops.sub(poles, positive), positive)


def _polygamma(t: Value, s: Site) -> Value:
    return ops.mul(t, ops.polygamma(ops.add(s.x, _one(s.x)), s.y))


def _zeta(t: Value, s: Site) -> Value:
    return ops.neg(ops.mul(t, ops.mul(s.x, ops.zeta(ops.add(s.x, _one(s.x)), s.y))))


def _constant_like_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    # The constant is the same for the whole batch: it needs the operand's shape, not the operand.
    type_ = site.op.results[0].type
    attribute = ir.DenseElementsAttr.get_splat(type_, site.op.attributes["value"])
    operation = ir.Operation.create("stablehlo.constant", [type_], [], {"value": attribute})
    return [operation.result], [False]


def _mulhi(x: Any, y: Any) -> Any:
    bits = x.dtype.itemsize * 8
    return np.vectorize(lambda a, b: (int(a) * int(b)) >> bits, otypes=[x.dtype])(x, y)


def _polygamma_oracle(order: Any, x: Any) -> Any:
    # SciPy's polygamma takes integer orders only; this is its definition by zeta, for orders of 1 and more.
    special = importlib.import_module("scipy.special")
    return np.where(order % 2 == 0, -1.0, 1.0) * special.gamma(order + 1) * special.zeta(order + 1, x)


RECORDS: tuple[Record, ...] = (
    pointwise("chlo.acos", lambda t, s: ops.neg(_asin(t, s)), oracle=np.arccos, domain=(_UNIT,), dtypes="fc"),
    pointwise("chlo.acosh", _acosh, oracle=np.arccosh, domain=((1.2, 4.0),), dtypes="fc"),
    pointwise("chlo.asin", _asin, oracle=np.arcsin, domain=(_UNIT,), dtypes="fc"),
    pointwise(
        "chlo.asinh",
        lambda t, s: ops.div(t, ops.sqrt(_one_plus_square(s.x))),
        oracle=np.arcsinh,
        domain=(_REAL,),
        dtypes="fc",
    ),
    pointwise(
        "chlo.atan",
        lambda t, s: ops.div(t, _one_plus_square(s.x)),
        oracle=np.arctan,
        domain=(_REAL,),
        dtypes="fc",
    ),
    pointwise(
        "chlo.atanh",
        lambda t, s: divide_guarded(t, _difference_of_squares(s.x)),
        oracle=np.arctanh,
        domain=(_UNIT,),
        dtypes="fc",
    ),
    pointwise(
        "chlo.sinh", lambda t, s: ops.mul(t, ops.cosh(s.x)), oracle=np.sinh, domain=(_REAL,), dtypes="fc"
    ),
    pointwise(
        "chlo.cosh", lambda t, s: ops.mul(t, ops.sinh(s.x)), oracle=np.cosh, domain=(_REAL,), dtypes="fc"
    ),
    pointwise(
        "chlo.tan",
        lambda t, s: ops.mul(t, _one_plus_square(s.out)),
        oracle=np.tan,
        domain=((-1.2, 1.2),),
        dtypes="fc",
    ),
    pointwise(
        "chlo.square",
        lambda t, s: ops.mul(t, scale(s.x, 2)),
        oracle=np.square,
        domain=(_REAL,),
        dtypes="fc",
    ),
    pointwise(
        "chlo.erf", lambda t, s: _gauss(t, s, 2 / math.sqrt(math.pi)), oracle=_scipy("erf"), domain=(_REAL,)
    ),
    pointwise(
        "chlo.erfc",
        lambda t, s: _gauss(t, s, -2 / math.sqrt(math.pi)),
        oracle=_scipy("erfc"),
        domain=(_REAL,),
    ),
    pointwise("chlo.erf_inv", _erf_inv, oracle=_scipy("erfinv"), domain=(_UNIT,)),
    pointwise(
        "chlo.lgamma",
        lambda t, s: ops.mul(t, ops.digamma(s.x)),
        oracle=_scipy("gammaln"),
        domain=(_POSITIVE,),
    ),
    pointwise(
        "chlo.digamma",
        _digamma,
        oracle=_scipy("digamma"),
        domain=(_POSITIVE,),
    ),
    pointwise(
        "chlo.polygamma",
        _no_partial(0, "no formula for the derivative by the order is known here"),
        _polygamma,
        oracle=_polygamma_oracle,
        domain=((1.0, 1.0), _POSITIVE),
    ),
    pointwise(
        "chlo.zeta",
        _no_partial(0, "no closed formula for it exists"),
        _zeta,
        oracle=_scipy("zeta"),
        domain=((2.0, 5.0), _POSITIVE),
    ),
    pointwise("chlo.bessel_i1e", _bessel_i1e, oracle=_scipy("i1e"), domain=((-12.0, 12.0),)),
    # The neighbour of x moves with x, and jumps with y.
    pointwise("chlo.next_after", lambda t, s: t, None, oracle=np.nextafter, domain=(_REAL, _REAL)),
    # Only decompositions of complex asin and acos build it, after every transform has been expanded.
    pointwise(
        "chlo._asin_acos_kernel",
        _no_partial(0, "differentiate the chlo.asin or chlo.acos that it came from"),
        oracle=lambda x: x,
        dtypes="",
    ),
    inactive("chlo.mulhi", oracle=_mulhi, domain=((-128.0, 127.0), (-128.0, 127.0)), dtypes="i"),
    inactive("chlo.constant", dtypes="", cheap=True),
    inactive("chlo.constant_like", _constant_like_batch, dtypes="", cheap=True),
)
