"""Records: parts of complex numbers, conversions between element types, and the identity behind a barrier.

Cotangents pair with tangents without conjugation, as in JAX: ⟨ct, v⟩ is the real part of Σ ct·v. So the
transpose of ``imag`` is ct ↦ -i·ct, and a holomorphic function's derivative is its own transpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.record import (
    Batched,
    Flags,
    Functions,
    Record,
    Site,
    Tangents,
    batched_type,
    inactive,
    pointwise,
    structured,
)
from mycc.dialects.rules.elementwise import is_complex

Value: TypeAlias = ir.Value

_REAL = (-3.0, 3.0)


def _same(t: Value, s: Site) -> Value:
    """The operation itself, on the tangent: it is linear over the reals."""
    return ops.rebuild(s.op, [t]).result


def _complex_operand(s: Site) -> bool:
    return is_complex(s.op.operands[0])


def _zeros(x: Value) -> Value:
    return ops.full_like(x, 0)


def _real_transpose(ct: Value, s: Site) -> Value:
    return ops.complex_(ct, _zeros(ct)) if _complex_operand(s) else ct


def _imag_transpose(ct: Value, s: Site) -> Value:
    return ops.complex_(_zeros(ct), ops.neg(ct)) if _complex_operand(s) else _zeros(ct)


# ---- Magnitude -----------------------------------------------------------------------------------


def _nonzero(size: Value) -> Value:
    """A magnitude, with 1 in place of 0: the derivative at zero is then 0, as in JAX."""
    return ops.select(ops.compare("EQ", size, _zeros(size)), ops.full_like(size, 1), size)


def _abs(t: Value, s: Site) -> Value:
    if _complex_operand(s):
        x = s.x
        products = ops.add(ops.mul(ops.real(t), ops.real(x)), ops.mul(ops.imag(t), ops.imag(x)))
        return ops.div(products, _nonzero(s.out))
    return ops.select(ops.compare("GE", s.x, _zeros(s.x)), t, ops.neg(t))


def _abs_transpose(ct: Value, s: Site) -> Value:
    if not _complex_operand(s):
        return _abs(ct, s)
    x, scaled = s.x, ops.div(ct, _nonzero(s.out))
    return ops.complex_(ops.mul(scaled, ops.real(x)), ops.neg(ops.mul(scaled, ops.imag(x))))


# ---- Sign ----------------------------------------------------------------------------------------
# JAX gives a zero derivative for complex numbers too, where x/|x| has one: i·x/|x|·Im(conj(x/|x|)·t)/|x|.


def _sign(t: Value, s: Site) -> Value:
    turn = _turn(ops.mul(ops.conj(s.out), t), s)
    return ops.mul(s.out, ops.complex_(_zeros(turn), turn))


def _sign_transpose(ct: Value, s: Site) -> Value:
    turn = _turn(ops.mul(s.out, ct), s)
    return ops.mul(ops.conj(s.out), ops.complex_(_zeros(turn), turn))


def _turn(product: Value, s: Site) -> Value:
    size = ops.abs_(s.x)
    return ops.div(ops.imag(product), _nonzero(size))


def _sign_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return (any(active) and is_complex(op.operands[0]),)


def _sign_oracle(x: Any) -> Any:
    return x / np.abs(x) if np.iscomplexobj(x) else np.sign(x)


_SIGN = pointwise(
    "stablehlo.sign", _sign, transposes=(_sign_transpose,), oracle=_sign_oracle, domain=(_REAL,), dtypes="fci"
)


# ---- Conversions ---------------------------------------------------------------------------------


def _convert_transpose(ct: Value, s: Site) -> Value:
    element = ops.element_of(s.op.operands[0])
    if is_complex(ct) and not isinstance(element, ir.ComplexType):
        ct = ops.real(ct)
    return ops.convert(ct, element)


_CONVERT = pointwise(
    "stablehlo.convert", _same, transposes=(_convert_transpose,), oracle=lambda x: x, domain=(_REAL,)
)


# ---- Barrier -------------------------------------------------------------------------------------


def _through_barrier(site: Site, values: Tangents) -> Tangents:
    present = [value for value in values if value is not None]
    passed = iter(ops.barrier(present) if present else [])
    return [None if value is None else next(passed) for value in values]


def _barrier_batch(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    types = [
        batched_type(result.type, site.size) if flag else result.type
        for result, flag in zip(site.op.results, site.flags, strict=True)
    ]
    return list(ops.rebuild(site.op, site.operands, types).results), site.flags


def _barrier_depends(functions: Functions, op: ir.Operation, active: Flags) -> Flags:
    return active


def _complex_oracle(x: Any, y: Any) -> Any:
    return x + 1j * y


RECORDS: tuple[Record, ...] = (
    pointwise(
        "stablehlo.real", _same, transposes=(_real_transpose,), oracle=np.real, domain=(_REAL,), dtypes="fc"
    ),
    pointwise(
        "stablehlo.imag", _same, transposes=(_imag_transpose,), oracle=np.imag, domain=(_REAL,), dtypes="fc"
    ),
    pointwise(
        "stablehlo.complex",
        lambda t, s: ops.complex_(t, _zeros(t)),
        lambda t, s: ops.complex_(_zeros(t), t),
        transposes=(lambda ct, s: ops.real(ct), lambda ct, s: ops.neg(ops.imag(ct))),
        oracle=_complex_oracle,
        domain=(_REAL, _REAL),
    ),
    pointwise("chlo.conj", _same, oracle=np.conj, domain=(_REAL,), dtypes="fc"),
    pointwise(
        "stablehlo.abs", _abs, transposes=(_abs_transpose,), oracle=np.abs, domain=(_REAL,), dtypes="fci"
    ),
    replace(_SIGN, depends=_sign_depends),
    replace(_CONVERT, cheap=True),
    pointwise("stablehlo.reduce_precision", _same, oracle=lambda x: x, domain=(_REAL,)),
    inactive("stablehlo.bitcast_convert", dtypes="fciu"),
    structured(
        "stablehlo.optimization_barrier",
        _through_barrier,
        _through_barrier,
        _barrier_batch,
        depends=_barrier_depends,
    ),
)
