"""Elementwise functions made from one line each: how operands are promoted, and what is emitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from mycc.api import operation, wrap
from mycc.array import Array
from mycc.dialects.mlir import ir
from mycc.emit import convert, operands
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.support import BOOL, INT32, inexact_operands, kind_of, part_of
from mycc.source import user_line
from mycc.types import ArrayLike

__all__ = ["binary_function", "unary_function"]

Value: TypeAlias = ir.Value
Unary: TypeAlias = Callable[[ArrayLike], Array]
Binary: TypeAlias = Callable[[ArrayLike, ArrayLike], Array]

_WORDS = {"b": "bool", "i": "integer", "u": "unsigned integer", "f": "float", "c": "complex"}


def unary_function(
    name: str,
    build: Callable[[Value], Value],
    summary: str,
    *,
    kinds: str = "biufc",
    inexact: bool = False,
    result: str = "same",
    counted: bool = False,
    other: Mapping[str, Callable[[Value], Value]] | None = None,
) -> Unary:
    """An elementwise function of one array.

    Args:
        name: its public name.
        build: from a value to a value, of a dtype whose kind is not in ``other``.
        summary: what it computes; the first line of its documentation.
        kinds: the kinds of dtypes that it takes.
        inexact: whether integers and bools are converted to float32 first.
        result: the dtype of the result: ``same``, ``bool``, or ``part`` (that of the real part).
        counted: whether bools are converted to int32 first.
        other: builders for other kinds of dtypes.
    """
    builders = other or {}

    def function(x: ArrayLike, /) -> Array:
        (value,), aval = inexact_operands(name, x) if inexact else operands(name, x)
        if counted and aval.dtype == BOOL:
            value, aval = convert(value, BOOL, INT32), AbstractValue(aval.shape, INT32)
        kind = kind_of(aval.dtype)
        _check(name, aval, kind, kinds)
        return wrap(builders.get(kind, build)(value), _result(aval, result))

    made: Unary = _named(function, name, summary, "x: an array or number", result)
    return made


def binary_function(
    name: str,
    build: Callable[[Value, Value], Value],
    summary: str,
    *,
    kinds: str = "biufc",
    inexact: bool = False,
    result: str = "same",
    counted: bool = False,
    other: Mapping[str, Callable[[Value, Value], Value]] | None = None,
) -> Binary:
    """An elementwise function of two arrays, which are promoted to one dtype and broadcast to one shape.

    Args are those of `unary_function`.
    """
    builders = other or {}

    def function(x: ArrayLike, y: ArrayLike, /) -> Array:
        (left, right), aval = inexact_operands(name, x, y) if inexact else operands(name, x, y)
        if counted and aval.dtype == BOOL:
            left, right = convert(left, BOOL, INT32), convert(right, BOOL, INT32)
            aval = AbstractValue(aval.shape, INT32)
        kind = kind_of(aval.dtype)
        _check(name, aval, kind, kinds)
        return wrap(builders.get(kind, build)(left, right), _result(aval, result))

    pair = "x, y: arrays or numbers whose shapes broadcast together"
    made: Binary = _named(function, name, summary, pair, result)
    return made


def _check(name: str, aval: AbstractValue, kind: str, kinds: str) -> None:
    if kind not in kinds:
        accepted = ", ".join(_WORDS[k] for k in kinds)
        raise TypeError(
            f"{user_line()}: {name} does not take dtype {aval.dtype} (it takes {accepted}); convert with "
            ".astype(...)"
        )


def _result(aval: AbstractValue, result: str) -> AbstractValue:
    if result == "same":
        return aval
    if result == "bool":
        return AbstractValue(aval.shape, BOOL)
    return AbstractValue(aval.shape, part_of(aval.dtype), aval.weak_type)


_RESULTS = {
    "same": "an array of the operands' common shape and dtype",
    "bool": "a bool array of the operands' common shape",
    "part": "an array of the operand's shape; of complex numbers, with the dtype of their parts",
}


def _named(function: Any, name: str, summary: str, arguments: str, result: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "mycc.numpy"
    function.__doc__ = (
        f"{summary}\n\nArgs:\n    {arguments}.\n\nReturns:\n    {_RESULTS[result]}, as `numpy.{name}`."
        if hasattr(np, name)
        else f"{summary}\n\nArgs:\n    {arguments}.\n\nReturns:\n    {_RESULTS[result]}."
    )
    return operation(function)
