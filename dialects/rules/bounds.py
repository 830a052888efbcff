"""Bounds of integer values, read from the operations that make them.

Derivatives of gathers and scatters must agree with them about windows that leave the operand. Where indices
are seen to stay inside, no operation needs to ask.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of, shape_of

Value: TypeAlias = ir.Value
Bounds = tuple[int, int]

# Long chains are rare, and without a limit a chain of operations on two values each takes exponential time.
_DEPTH = 8
_SAME = frozenset(
    f"stablehlo.{name}"
    for name in (
        "broadcast_in_dim",
        "dynamic_slice",
        "gather",
        "reshape",
        "reverse",
        "slice",
        "transpose",
    )
)
"""Operations whose elements are all elements of their first operand."""


def interval(value: Value, depth: int = _DEPTH) -> Bounds:
    """Inclusive bounds of a value's elements: at worst those of its dtype."""
    dtype = dtype_of(value.type)
    widest = (0, 1) if dtype == np.bool_ else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    owner = value.owner
    if isinstance(owner, ir.Block) or depth == 0:
        return widest
    name, operands = owner.name, owner.operands
    if name in _SAME:
        return interval(operands[0], depth - 1)
    if name == "stablehlo.constant":
        return _range(_elements(owner), widest)
    if name == "stablehlo.iota":
        return (0, max(0, shape_of(value)[owner.attributes["iota_dimension"].value] - 1))
    if name == "stablehlo.convert":
        return _converted(operands[0], widest, depth)
    if name in ("stablehlo.sort", "stablehlo.optimization_barrier"):
        return interval(operands[ir.OpResult(value).result_number], depth - 1)
    if name == "stablehlo.concatenate":
        return _union([interval(operand, depth - 1) for operand in operands])
    if name == "stablehlo.select":
        return _union([interval(operand, depth - 1) for operand in list(operands)[1:]])
    if name == "stablehlo.clamp":
        low, x, high = (interval(operand, depth - 1) for operand in operands)
        return _clamp(low, x, high)
    if name in ("stablehlo.minimum", "stablehlo.maximum"):
        x, y = (interval(operand, depth - 1) for operand in operands)
        pick = min if name == "stablehlo.minimum" else max
        return (pick(x[0], y[0]), pick(x[1], y[1]))
    return widest


def components(value: Value, dim: int, count: int) -> list[Bounds]:
    """Bounds of each of ``count`` slices of a value along a dimension, which it may lack."""
    owner = value.owner
    if isinstance(owner, ir.Block) or dim >= len(shape_of(value)):
        return [interval(value)] * count
    name = owner.name
    if name == "stablehlo.constant":
        elements = _elements(owner)
        if elements is not None and elements.ndim and elements.size:
            return [_range(np.take(elements, i, dim), (0, 0)) for i in range(count)]
    if name == "stablehlo.concatenate" and owner.attributes["dimension"].value == dim:
        return [b for piece in owner.operands for b in components(piece, dim, shape_of(piece)[dim])]
    if name == "stablehlo.broadcast_in_dim":
        spread = list(owner.attributes["broadcast_dimensions"])
        source = owner.operands[0]
        if dim in spread and shape_of(source)[spread.index(dim)] == count:
            return components(source, spread.index(dim), count)
    if name == "stablehlo.clamp":
        parts = [components(operand, dim, count) for operand in owner.operands]
        return [_clamp(*part) for part in zip(*parts, strict=True)]
    return [interval(value)] * count


def _clamp(low: Bounds, x: Bounds, high: Bounds) -> Bounds:
    return (min(max(low[0], x[0]), high[0]), min(max(low[1], x[1]), high[1]))


def _converted(source: Value, widest: Bounds, depth: int) -> Bounds:
    if dtype_of(source.type).kind not in "biu":
        return widest
    found = interval(source, depth - 1)
    return found if widest[0] <= found[0] and found[1] <= widest[1] else widest


def _union(found: list[Bounds]) -> Bounds:
    return (min(low for low, _ in found), max(high for _, high in found))


def _elements(constant: ir.Operation) -> np.ndarray[Any, Any] | None:
    try:
        elements = np.asarray(constant.attributes["value"])
    except (TypeError, ValueError, RuntimeError):
        # Elements kept as a resource, or of a type that NumPy lacks.
        return None
    return elements if elements.dtype.kind in "biu" else None


def _range(elements: np.ndarray[Any, Any] | None, otherwise: Bounds) -> Bounds:
    if elements is None or not elements.size:
        return otherwise
    return (int(elements.min()), int(elements.max()))
