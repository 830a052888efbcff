"""Derivatives inside of `shard_map` as those of the whole program; see `mycc.passes.shares`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mycc.dialects import transform
from mycc.dialects.mlir import ir
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.pipelines import transforms
from mycc.passes.symbols import copy_module
from mycc.trace import Frame, Tracer

__all__ = ["expanded", "marks", "shares", "totals"]

_BOOL = AbstractValue((), np.dtype(bool))


def marks(frame: Frame, values: Sequence[ir.Value]) -> tuple[Tracer, ...]:
    """What says later whether each value is the same on several devices; call it while building."""
    return tuple(Tracer(frame, transform.mark(value), _BOOL) for value in values)


def shares(frame: Frame, seeds: Sequence[ir.Value], of: Sequence[Tracer]) -> list[ir.Value]:
    """A device's shares of the cotangents of results, by their marks."""
    found = []
    for seed, mark in zip(seeds, of, strict=True):
        for axis, size in frame.checked.items():
            seed = transform.share(seed, frame.lift(mark), axis, size)
        found.append(seed)
    return found


def totals(frame: Frame, cotangents: Sequence[ir.Value], of: Sequence[Tracer]) -> list[ir.Value]:
    """The cotangents of arguments, summed over the devices on which an argument is the same, by their marks."""
    found = []
    for cotangent, mark in zip(cotangents, of, strict=True):
        for axis in frame.checked:
            cotangent = transform.total(cotangent, frame.lift(mark), axis)
        found.append(cotangent)
    return found


def expanded(module: ir.Module, symbol: str) -> ir.Module:
    """A function of a module that is being traced, and what it refers to, with all transforms expanded."""
    copy = copy_module(module, symbol)
    transforms(copy).run(copy, verify=False)
    return copy
