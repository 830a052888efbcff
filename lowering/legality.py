"""What MLIR's verifier lets through and XLA, or a rewrite of MLIR's own, ends the process on.

Each check stands for a mechanism, not for a program that was met: sizes that overflow, element types that an emitter
lacks, numbers of devices that something is divided by.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of

__all__ = ["complaint"]

_MOST = 1 << 31
"""Strides, dilations, paddings and windows from here on make products that overflow."""
_WINDOWS = ("window_dimensions", "window_strides", "base_dilations", "window_dilations", "padding", "lhs_dilation",
            "rhs_dilation", "edge_padding_low", "edge_padding_high", "interior_padding", "strides")  # fmt: skip
_SLIDING = frozenset(
    f"stablehlo.{name}"
    for name in "convolution dynamic_conv reduce_window select_and_scatter pad slice".split()
)
_GROUPS = ("replica_groups", "source_target_pairs")
_MOST_BITS = {"exponent_bits": 64, "mantissa_bits": 64}
_FLOATING = frozenset(f"chlo.broadcast_{name}" for name in ("next_after", "polygamma", "zeta"))


def complaint(op: ir.Operation) -> str | None:
    """What is wrong with an operation that verifies; None if nothing is known to be."""
    for check in _CHECKS.get(op.name, ()):
        found = check(op)
        if found is not None:
            return found
    return None


def _numbers(attribute: Any) -> list[int]:
    if isinstance(attribute, ir.DenseI64ArrayAttr):
        return [int(n) for n in attribute]
    shape = tuple(attribute.type.shape)
    return [] if 0 in shape else [int(n) for n in np.asarray(attribute).reshape(-1)]


def _window(op: ir.Operation) -> str | None:
    for name in _WINDOWS:
        if name in op.attributes and any(abs(n) >= _MOST for n in _numbers(op.attributes[name])):
            return f"{name} of 2**31 and more"
    return None


def _fft(op: ir.Operation) -> str | None:
    """The specification's constraints, of which the verifier checks those of the real transforms only."""
    length = _numbers(op.attributes["fft_length"])
    kind = str(op.attributes["fft_type"])
    of = op.results[0].type if "IRFFT" in kind else op.operands[0].type
    if len(length) > 3:
        return "an fft_length of more than three dimensions"
    sizes = [None if of.is_dynamic_dim(i) else of.shape[i] for i in range(of.rank)][of.rank - len(length) :]
    if any(size is not None and size != n for size, n in zip(sizes, length, strict=True)):
        return f"fft_length {length} where the sizes are {[size for size in sizes if size is not None]}"
    return None


def _groups(op: ir.Operation) -> str | None:
    for name in _GROUPS:
        if name not in op.attributes:
            continue
        shape = getattr(getattr(op.attributes[name], "type", None), "shape", None)
        if shape is None:
            return f"{name} by axes of a mesh"
        if name == "replica_groups" and 0 in tuple(shape) and tuple(shape) != (0, 0):
            return "replica_groups that hold no device"
    return None


def _random(op: ir.Operation) -> str | None:
    dtype = dtype_of(op.results[0].type)
    normal = "NORMAL" in str(op.attributes["rng_distribution"])
    if dtype.itemsize >= 2 and dtype.kind in ("fV" if normal else "fViu"):
        return None
    return f"elements of type {op.results[0].type.element_type}, of which XLA draws none"


def _starts(first: int) -> Callable[[ir.Operation], str | None]:
    """Indices must count to more than one."""

    def check(op: ir.Operation) -> str | None:
        for operand in list(op.operands)[first:]:
            if _narrow(operand.type):
                return f"indices of type {operand.type.element_type}, which XLA cannot compute with"
        return None

    return check


def _indices(op: ir.Operation) -> str | None:
    indices = op.operands[len(op.operands) // 2].type
    return (
        f"indices of type {indices.element_type}, which XLA cannot compute with" if _narrow(indices) else None
    )


def _narrow(type_: Any) -> bool:
    element = type_.element_type
    return isinstance(element, ir.IntegerType) and element.width < 8


def _precision(op: ir.Operation) -> str | None:
    for name, most in _MOST_BITS.items():
        if int(op.attributes[name].value) > most:
            return f"{name} of more than {most}"
    return None


def _floating(op: ir.Operation) -> str | None:
    for value in op.operands:
        if dtype_of(value.type).kind not in "fV":
            return f"elements of type {value.type.element_type}, and takes floats only"
    return None


def _broadcast(op: ir.Operation) -> str | None:
    if "broadcast_dimensions" not in op.attributes:
        return None
    dims = _numbers(op.attributes["broadcast_dimensions"])
    ranks = sorted(value.type.rank for value in op.operands)
    rising = all(a < b for a, b in itertools.pairwise(dims))
    if len(dims) != ranks[0] or not rising or any(not 0 <= d < ranks[-1] for d in dims):
        return f"broadcast_dimensions {dims} for operands of {ranks[0]} and {ranks[-1]} dimensions"
    return None


def _dimension_size(op: ir.Operation) -> str | None:
    """XLA pads to the bound, which it takes the operand's size for."""
    if op.operands[0].type.has_static_shape:
        size = op.operands[1].owner
        if isinstance(size, ir.Block) or size.name != "stablehlo.constant":
            return "a size that is computed; only the operand's own is supported"
        wanted = int(np.asarray(size.attributes["value"]).item())
        dimension = int(op.attributes["dimension"].value)
        if wanted != op.operands[0].type.shape[dimension]:
            return f"the size {wanted} for a dimension of size {op.operands[0].type.shape[dimension]}"
    return None


def _quarters(op: ir.Operation) -> str | None:
    """XLA packs integers of two bits where it copies elements, and has no code for it."""
    element = op.results[0].type.element_type
    if isinstance(element, ir.IntegerType) and element.width == 2:
        return f"elements of type {element}, which XLA cannot join"
    return None


def _target(op: ir.Operation) -> str | None:
    """XLA takes its own targets' signatures on trust."""
    target = op.attributes["call_target_name"].value
    if target == "TopK":
        ranks = {v.type.rank for v in (*op.operands, *op.results)}
        if (len(op.operands), len(op.results)) != (1, 2) or len(ranks) > 1 or not ranks <= {1, 2}:
            return "the target TopK, which takes a vector or a matrix, and gives values and indices"
    if target == "stablehlo.shape_refinement_operand_wrapper":
        return f"the target '{target}', which stands in unfinished modules only"
    return None


_CHECKS: dict[str, tuple[Callable[[ir.Operation], str | None], ...]] = {
    **dict.fromkeys(_SLIDING, (_window,)),
    **dict.fromkeys(_FLOATING, (_floating, _broadcast)),
    **{
        f"stablehlo.{name}": (_groups,)
        for name in "all_gather all_reduce all_to_all collective_broadcast collective_permute reduce_scatter".split()
    },
    **{
        f"chlo.broadcast_{name}": (_broadcast,)
        for name in "add and atan2 compare complex divide maximum minimum multiply or power remainder shift_left "
        "shift_right_arithmetic shift_right_logical subtract xor".split()
    },
    "stablehlo.concatenate": (_quarters,),
    "stablehlo.custom_call": (_target,),
    "stablehlo.dynamic_slice": (_starts(1),),
    "stablehlo.dynamic_update_slice": (_starts(2),),
    "stablehlo.fft": (_fft,),
    "stablehlo.gather": (_starts(1),),
    "stablehlo.reduce_precision": (_precision,),
    "stablehlo.rng": (_random,),
    "stablehlo.scatter": (_indices,),
    "stablehlo.set_dimension_size": (_dimension_size,),
}
