"""LAPACK as custom calls: the kernels that jaxlib registers with XLA for the host, one call per stack of matrices.

A target is ``lapack_<type prefix><routine>_ffi``. Operands and results may have leading batch dimensions. Matrices
lie in memory by columns, as Fortran has them, and the call's layouts say so. Characters among the options are
numbers (``uplo = 76``). Results that a routine writes over an operand are named as aliases of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.dialects.transform import target_of
from mycc.dialects.types import dtype_of, element_type, shape_of, tensor

Value: TypeAlias = ir.Value
Option: TypeAlias = str | int | np.uint8

__all__ = [
    "Option",
    "call",
    "cholesky",
    "config_of",
    "eig",
    "eigh",
    "generate_q",
    "kernel",
    "layout",
    "lu",
    "permutation",
    "qr_packed",
    "routine_of",
    "svd",
    "takes",
    "triangular_solve",
    "with_config",
]

_PREFIXES = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
_COMPLEX_NAMES = {"syevd": "heevd", "orgqr": "ungqr", "sytrd": "hetrd"}
_REAL_NAMES = {name: real for real, name in _COMPLEX_NAMES.items()}
_TARGET = re.compile(r"lapack_[sdcz](\w+)_ffi")
_CONFIG = ("backend_config", "mhlo.backend_config")
_INFO = np.dtype(np.int32)


def call(
    routine: str,
    operands: Sequence[Value],
    results: Sequence[tuple[tuple[int, ...], Any]],
    options: Mapping[str, str | int] | None = None,
    aliases: Mapping[int, int] | None = None,
) -> list[Value]:
    """Call a LAPACK routine.

    Args:
        routine: its name as for real matrices, without the type prefix: ``syevd``.
        operands: the first one is a matrix, (..., m, n), and decides the type.
        results: for each result its shape after the batch dimensions and its element type.
        options: characters or integers.
        aliases: result positions, each with the operand over which it is written.
    """
    dtype = dtype_of(operands[0].type)
    name = _COMPLEX_NAMES.get(routine, routine) if dtype.kind == "c" else routine
    lead = shape_of(operands[0])[:-2]
    types = [tensor((*lead, *shape), element_type(element)) for shape, element in results]
    return kernel(f"lapack_{_PREFIXES[dtype.name]}{name}_ffi", operands, types, options or {}, aliases or {})


def routine_of(op: ir.Operation) -> str:
    """The routine that an operation calls, by its name for real matrices; empty if it calls none."""
    found = _TARGET.fullmatch(target_of(op))
    return "" if found is None else _REAL_NAMES.get(found[1], found[1])


def kernel(
    target: str,
    operands: Sequence[Value],
    types: Sequence[ir.Type],
    options: Mapping[str, Option],
    aliases: Mapping[int, int],
    by_columns: bool = True,
) -> list[Value]:
    """Call a kernel for stacks of matrices.

    Args:
        target: of the custom call.
        operands: the first one is a matrix, (..., m, n).
        types: of the results.
        options: a character stands for its number.
        aliases: result positions, each with the operand over which it is written.
        by_columns: how the matrices lie in memory.
    """
    lead = len(shape_of(operands[0])) - 2
    tuples = [
        f"#stablehlo.output_operand_alias<output_tuple_indices = [{result if len(types) > 1 else ''}], "
        f"operand_index = {operand}, operand_tuple_indices = []>"
        for result, operand in aliases.items()
    ]
    attributes = {
        "call_target_name": ir.StringAttr.get(target, context=context),
        "api_version": ir.IntegerAttr.get(ops.I32, 4),
        "backend_config": _config(options),
        "operand_layouts": _layouts([v.type for v in operands], lead, by_columns),
        "result_layouts": _layouts(types, lead, by_columns),
        "output_operand_aliases": ir.Attribute.parse(f"[{', '.join(tuples)}]", context=context),
    }
    return list(ops.create("stablehlo.custom_call", types, list(operands), attributes).results)


def _config(options: Mapping[str, Option]) -> ir.Attribute:
    entries = {key: _attribute(value) for key, value in options.items()}
    return ir.DictAttr.get(entries, context=context)


def _attribute(value: Option) -> ir.Attribute:
    if isinstance(value, bool):
        return ir.BoolAttr.get(value, context=context)
    if isinstance(value, int):
        return ir.IntegerAttr.get(ops.I32, value)
    if isinstance(value, str) and len(value) > 1:
        return ir.StringAttr.get(value, context=context)
    number = ord(value) if isinstance(value, str) else int(value)
    return ir.IntegerAttr.get(ir.IntegerType.get_unsigned(8, context=context), number)


def _layouts(types: Sequence[ir.Type], lead: int, by_columns: bool) -> ir.Attribute:
    return ir.ArrayAttr.get([layout(_order(len(t.shape), lead, by_columns)) for t in types], context=context)


def _order(rank: int, lead: int, by_columns: bool) -> list[int]:
    """Dimensions from the fastest in memory to the slowest."""
    order = list(range(rank - 1, -1, -1))
    if by_columns and rank - lead == 2:
        order[:2] = order[1], order[0]
    return order


def layout(order: Sequence[int]) -> ir.Attribute:
    """The attribute of a tensor's layout, from the fastest dimension to the slowest."""
    if not order:
        return ir.Attribute.parse("dense<> : tensor<0xindex>", context=context)
    index = ir.IndexType.get(context=context)
    return ir.DenseElementsAttr.get(
        np.array(order, np.int64), type=index, shape=[len(order)], context=context
    )


def config_of(op: ir.Operation) -> dict[str, str | int]:
    """The options of a call, characters as such; a module of JAX's has them under mhlo's name."""
    for name in _CONFIG:
        attribute = op.attributes.get(name)
        if isinstance(attribute, ir.DictAttr):
            return {entry.name: _option(ir.IntegerAttr(entry.attr)) for entry in attribute}
    return {}


def _option(attribute: ir.IntegerAttr) -> str | int:
    if attribute.type.width == 8:
        return chr(attribute.value)
    return bool(attribute.value) if attribute.type.width == 1 else int(attribute.value)


def with_config(op: ir.Operation, options: Mapping[str, str | int]) -> dict[str, ir.Attribute]:
    """The attribute that gives a copy of a call other options."""
    name = next(n for n in _CONFIG if isinstance(op.attributes.get(n), ir.DictAttr))
    return {name: _config(config_of(op) | dict(options))}


def takes(x: Value) -> bool:
    """Whether LAPACK has a type for a tensor's elements, and there are any."""
    type_ = x.type
    dtype = dtype_of(type_)
    return dtype.name in _PREFIXES and 0 not in type_.shape


# ---- Routines ------------------------------------------------------------------------------------


def _parts(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The real and the complex dtype of a dtype's precision."""
    wide = dtype.name in ("float64", "complex128")
    return np.dtype(np.float64 if wide else np.float32), np.dtype(np.complex128 if wide else np.complex64)


def cholesky(a: Value, lower: bool) -> tuple[Value, Value]:
    """The factor of a positive definite matrix in one triangle, and LAPACK's info: 0 if it was."""
    shape, dtype = shape_of(a)[-2:], dtype_of(a.type)
    results = [(shape, dtype), ((), _INFO)]
    factor, info = call("potrf", [a], results, {"uplo": "L" if lower else "U"}, {0: 0})
    return factor, info


def triangular_solve(a: Value, b: Value, *, left: bool, lower: bool, unit: bool, transpose: str) -> Value:
    """The solution x of ``op(a) x = b``, or of ``x op(a) = b``; op is N, T or C (the adjoint)."""
    options = {
        "side": "L" if left else "R",
        "uplo": "L" if lower else "U",
        "diag": "U" if unit else "N",
        "trans_x": transpose,
    }
    return call("trsm", [a, b], [(shape_of(b)[-2:], dtype_of(b.type))], options, {0: 1})[0]


def eigh(a: Value, lower: bool, vectors: bool = True) -> tuple[Value, Value, Value]:
    """Eigenvectors, eigenvalues in ascending order, and info, of a Hermitian matrix given by one triangle."""
    shape, dtype = shape_of(a)[-2:], dtype_of(a.type)
    results = [(shape, dtype), (shape[:1], _parts(dtype)[0]), ((), _INFO)]
    options = {"mode": "V" if vectors else "N", "uplo": "L" if lower else "U"}
    v, w, info = call("syevd", [a], results, options, {0: 0})
    return v, w, info


def svd(a: Value, mode: str, routine: str = "gesdd") -> tuple[Value, Value, Value, Value]:
    """U, the singular values in descending order, Vᴴ, and info.

    Args:
        mode: ``A`` for whole square factors, ``S`` for their first min(m, n) columns and rows, ``N`` for values
            alone.
    """
    (m, n), dtype = shape_of(a)[-2:], dtype_of(a.type)
    k = min(m, n)
    u, vt = ((m, k), (k, n)) if mode == "S" else ((m, m), (n, n))
    results = [((m, n), dtype), ((k,), _parts(dtype)[0]), (u, dtype), (vt, dtype), ((), _INFO)]
    _, s, left, right, info = call(routine, [a], results, {"mode": mode}, {0: 0})
    return left, s, right, info


def lu(a: Value) -> tuple[Value, Value, Value]:
    """L without its unit diagonal and U in one matrix, the row exchanges counted from 1, and info."""
    shape, dtype = shape_of(a)[-2:], dtype_of(a.type)
    results = [(shape, dtype), ((min(shape),), _INFO), ((), _INFO)]
    factors, pivots, info = call("getrf", [a], results, aliases={0: 0})
    return factors, pivots, info


def qr_packed(a: Value) -> tuple[Value, Value]:
    """R on and above the diagonal, the reflectors below, and their factors tau."""
    shape, dtype = shape_of(a)[-2:], dtype_of(a.type)
    packed, taus = call("geqrf", [a], [(shape, dtype), ((min(shape),), dtype)], aliases={0: 0})
    return packed, taus


def generate_q(packed: Value, taus: Value) -> Value:
    """The first columns, as many as ``packed`` has, of the product of reflectors."""
    return call("orgqr", [packed, taus], [(shape_of(packed)[-2:], dtype_of(packed.type))], aliases={0: 0})[0]


def eig(a: Value, left: bool, right: bool) -> tuple[Value, Value, Value, Value]:
    """Eigenvalues, left and right eigenvectors as columns, and info, all complex."""
    shape, dtype = shape_of(a)[-2:], dtype_of(a.type)
    real, wide = _parts(dtype)
    values = [(shape[:1], wide)] if dtype.kind == "c" else [(shape[:1], real)] * 2
    results = [*values, (shape, wide), (shape, wide), ((), _INFO)]
    options = {"compute_left": "V" if left else "N", "compute_right": "V" if right else "N"}
    found = call("geev", [a], results, options)
    w = found[0] if dtype.kind == "c" else ops.complex_(found[0], found[1])
    return w, found[-3], found[-2], found[-1]


def permutation(pivots: Value, size: int) -> Value:
    """The order of rows, counted from 0, that a sequence of exchanges leads to.

    Args:
        pivots: (..., k) in int32: exchange i is of row i and row ``pivots[..., i]``, counted from 0.
        size: how many rows there are.

    Returns:
        (..., size) in int32.
    """
    *lead, count = shape_of(pivots)
    rank = len(lead) + 1
    type_ = tensor((*lead, size), ops.element_of(pivots))
    rows = ops.iota(type_, rank - 1)
    if not count or 0 in lead:
        return rows
    zero = ops.full(tensor((), ops.I32), 0)

    def entry(x: Value, i: Value) -> Value:
        found = ops.dynamic_slice(x, [*([zero] * (rank - 1)), i], [*lead, 1])
        return ops.broadcast_in_dim(found, (*lead, size), range(rank))

    def step(i: Value, order: Value, pivots: Value) -> list[Value]:
        here = ops.compare("EQ", rows, ops.broadcast_in_dim(i, (*lead, size), []))
        there = ops.compare("EQ", rows, entry(pivots, i))
        moved = ops.sum_(ops.select(there, order, ops.full_like(order, 0)), [rank - 1])
        moved = ops.broadcast_in_dim(moved, (*lead, size), range(rank - 1))
        swapped = ops.select(there, entry(order, i), order)
        return [ops.add(i, ops.full_like(i, 1)), ops.select(here, moved, swapped), pivots]

    def unfinished(i: Value, order: Value, pivots: Value) -> Value:
        return ops.compare("LT", i, ops.full_like(i, count))

    return ops.while_([zero, rows, pivots], unfinished, step)[1]


# ---- Forms ---------------------------------------------------------------------------------------


def schur(a: Value, vectors: bool) -> tuple[Value, Value, Value]:
    """The Schur form T of A = Z T Zᴴ, Z, and info."""
    shape, dtype = shape_of(a)[-2:], dtype_of(a.type)
    values = [(shape[:1], dtype)] * (1 if dtype.kind == "c" else 2)
    results = [(shape, dtype), (shape, dtype), *values, ((), _INFO), ((), _INFO)]
    options = {"mode": "V" if vectors else "N", "sort": "N"}
    found = call("gees", [a], results, options, {0: 0})
    return found[0], found[1], found[-1]


def hessenberg(a: Value) -> tuple[Value, Value, Value]:
    """H on and above the first subdiagonal, reflectors below, their factors, and info."""
    shape, dtype = shape_of(a)[-2:], dtype_of(a.type)
    results = [(shape, dtype), ((shape[0] - 1,), dtype), ((), _INFO)]
    packed, taus, info = call("gehrd", [a], results, {"low": 1, "high": shape[0]}, {0: 0})
    return packed, taus, info


def tridiagonal(a: Value, lower: bool) -> tuple[Value, Value, Value, Value, Value]:
    """The reflectors in one triangle, diagonal, off-diagonal, the reflectors' factors, and info."""
    (n, _), dtype = shape_of(a)[-2:], dtype_of(a.type)
    real = _parts(dtype)[0]
    results = [((n, n), dtype), ((n,), real), ((n - 1,), real), ((n - 1,), dtype), ((), _INFO)]
    packed, d, e, taus, info = call("sytrd", [a], results, {"uplo": "L" if lower else "U"}, {0: 0})
    return packed, d, e, taus, info
