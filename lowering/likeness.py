"""Modules as a form and the numbers in it, so that modules of one form can be laid side by side.

The numbers are the sizes of types, the integers of attributes, and what constants hold if it is one number, or a
few integers. All else is the form: operations, how they use each other's results, names, other attributes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of
from mycc.passes.symbols import Symbols, may_have_regions

__all__ = ["Form", "Hole", "complex_splat", "form_of"]

_MOST_ELEMENTS = 64


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of a number: an operation, or a block's argument, and what of it.

    Args:
        op: the operation; of a block's argument, the one around it.
        key: the number of the result; the block's argument; or the name of the attribute.
        index: the dimension, or the place in the attribute.
    """

    op: Any
    key: Any
    index: int


class Form:
    """What modules of one form have in common, and the numbers of one of them."""

    def __init__(self) -> None:
        self.tokens: list[tuple[Any, ...]] = []
        self.places: list[Any] = []
        """For each token, the operation that it is of."""
        self.holes: list[Hole] = []
        self.numbers: list[int | float] = []
        self.largest = 0
        """The most elements of a value."""
        self._values: dict[ir.Value, int] = {}

    def difference(self, other: Form) -> Any:
        """The first operation that is another there; None if the forms are equal."""
        for mine, theirs, place in zip(self.tokens, other.tokens, self.places, strict=False):
            if mine != theirs:
                return place
        return None if len(self.tokens) == len(other.tokens) else self.places[-1]

    def read(self, op: ir.Operation) -> None:
        """Add an operation with its regions."""
        operands = tuple(self._values[v] for v in op.operands)
        attributes = tuple(self._attribute(op, name) for name in _names(op))
        results = tuple(self._value(op, i, result) for i, result in enumerate(op.results))
        self._token(op, ("op", op.name, operands, attributes, results))
        if not may_have_regions(op.name):
            return
        for region in op.regions:
            for block in region.blocks:
                self._token(op, ("block", tuple(self._value(op, a, a) for a in block.arguments)))
                for inner in block.operations:
                    self.read(inner.operation)
            self._token(op, ("end",))

    def _token(self, op: ir.Operation, token: tuple[Any, ...]) -> None:
        self.tokens.append(token)
        self.places.append(op)

    def _value(self, op: ir.Operation, key: Any, value: ir.Value) -> Any:
        self._values[value] = len(self._values)
        type_ = value.type
        if not isinstance(type_, ir.RankedTensorType):
            return str(type_)
        if type_.has_static_shape:
            self.largest = max(self.largest, math.prod(type_.shape))
        for i, size in enumerate(type_.shape):
            self._number(Hole(op, key, i), int(size))
        return type_.rank, str(type_.element_type), str(type_.encoding)

    def _attribute(self, op: ir.Operation, name: str) -> Any:
        text = complex_splat(op)
        if text is not None:
            return name, text
        attribute = op.attributes[name]
        numbers = _numbers(name, attribute)
        if numbers is None:
            return name, str(attribute)
        for i, number in enumerate(numbers):
            self._number(Hole(op, name, i), number)
        return name, len(numbers)

    def _number(self, hole: Hole, number: int | float) -> None:
        self.holes.append(hole)
        self.numbers.append(number)


def _names(op: ir.Operation) -> Iterator[str]:
    for name in op.attributes:
        if op.name != "func.func" or name not in ("function_type", "arg_attrs", "res_attrs"):
            yield name


_SPLAT = re.compile(r"dense<(\([^()]*\))> : tensor<")


def complex_splat(op: ir.Operation) -> str | None:
    """The number that a complex constant holds everywhere, as text: the bindings do not hand the attribute out."""
    if op.name != "stablehlo.constant" or not isinstance(op.result.type.element_type, ir.ComplexType):
        return None
    text = str(op)
    found = _SPLAT.search(text)
    return text if found is None else found[1]


def _numbers(name: str, attribute: Any) -> list[int | float] | None:
    """The numbers of an attribute; None if it is part of the form."""
    if isinstance(attribute, ir.DenseI64ArrayAttr):
        return [int(n) for n in attribute]
    if isinstance(attribute, ir.IntegerAttr) and not isinstance(attribute, ir.BoolAttr):
        return [int(attribute)]
    if not isinstance(attribute, ir.DenseElementsAttr):
        return None
    try:
        dtype = dtype_of(attribute.type)
    except KeyError:
        return None
    constant = name == "value"
    if constant and attribute.is_splat and dtype.kind in "iufV":
        return [attribute.get_splat_value().value]
    if dtype.kind in "iu" and (not constant or int(np.prod(attribute.type.shape)) <= _MOST_ELEMENTS):
        return [int(n) for n in np.asarray(attribute).reshape(-1)]
    return None


def form_of(module: ir.Module) -> Form:
    """The form and the numbers of a module."""
    form = Form()
    for function in Symbols(module).functions.values():
        form.read(function)
    return form
