"""Windows that slide over an operand: where they lie, which element of each is chosen, what they hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.convolution import dilated
from mycc.dialects.rules.windows import Windows
from mycc.dialects.types import element_type, shape_of, tensor

__all__ = ["Sliding", "chosen", "placed", "prefixes"]

Value: TypeAlias = ir.Value
Dims = tuple[int, ...]
Body = Callable[..., "Value | Sequence[Value]"]

_CHECKED = 1 << 20


@dataclass(frozen=True, slots=True)
class Sliding:
    """The windows of a `reduce_window` or `select_and_scatter`; each field has an entry per dimension.

    XLA leaves out what lies in the padding and in the holes of a dilated operand, where the specification
    puts initial values; these are the same where an initial value is neutral.
    """

    sizes: Dims
    strides: Dims
    padding: tuple[tuple[int, int], ...]
    base_dilations: Dims
    window_dilations: Dims

    @staticmethod
    def of(op: ir.Operation) -> Sliding:
        """Read a `stablehlo.reduce_window` or `stablehlo.select_and_scatter`."""
        attributes = op.attributes
        rank = len(op.operands[0].type.shape)

        def ints(name: str) -> Dims:
            return tuple(attributes[name]) if name in attributes else (1,) * rank

        padding: tuple[tuple[int, int], ...] = ((0, 0),) * rank
        if "padding" in attributes:
            padding = tuple((int(low), int(high)) for low, high in np.asarray(attributes["padding"]))
        return Sliding(
            ints("window_dimensions"),
            ints("window_strides"),
            padding,
            ints("base_dilations"),
            ints("window_dilations"),
        )

    def batched(self) -> Sliding:
        """The same with a dimension in front over which nothing slides."""
        return Sliding(
            (1, *self.sizes),
            (1, *self.strides),
            ((0, 0), *self.padding),
            (1, *self.base_dilations),
            (1, *self.window_dilations),
        )

    def attributes(self, dilations: bool = True) -> dict[str, ir.Attribute]:
        """As an operation's attributes; `select_and_scatter` has no dilations."""
        found = {
            "window_dimensions": ops.i64_array(self.sizes),
            "window_strides": ops.i64_array(self.strides),
            "padding": ops.dense(np.array(self.padding, np.int64).reshape(-1, 2)),
        }
        if dilations:
            found["base_dilations"] = ops.i64_array(self.base_dilations)
            found["window_dilations"] = ops.i64_array(self.window_dilations)
        return found

    @property
    def is_dilated(self) -> bool:
        """Whether anything is dilated."""
        return any(n != 1 for n in (*self.base_dilations, *self.window_dilations))

    @property
    def is_padded(self) -> bool:
        """Whether windows may hold padding or holes."""
        return any(n > 0 for pair in self.padding for n in pair) or any(n != 1 for n in self.base_dilations)

    def shape(self, operand: Sequence[int]) -> Dims:
        """How many windows there are along each dimension of an operand."""
        found = []
        for d, n in enumerate(operand):
            size = dilated(n, self.base_dilations[d]) + sum(self.padding[d])
            window = dilated(self.sizes[d], self.window_dilations[d])
            found.append(0 if size <= 0 or window > size else (size - window) // self.strides[d] + 1)
        return tuple(found)

    def reduce(self, values: Sequence[Value], initials: Sequence[Value], body: Body) -> list[Value]:
        """The reduction of each window of several values of one shape."""
        shape = self.shape(shape_of(values[0]))
        types = [tensor(shape, ops.element_of(value)) for value in initials]
        operation = ops.create(
            "stablehlo.reduce_window", types, [*values, *initials], self.attributes(), regions=1
        )
        ops.region(operation, [value.type for value in initials] * 2, body)
        return list(operation.results)

    def sum_(self, x: Value) -> Value:
        """The sum of each window."""
        return self.reduce([x], [ops.zero_of(x)], ops.add)[0]

    # ---- The transpose of a sum ----

    def spread(self, cotangent: Value, shape: Dims) -> Value:
        """For each element of an operand of some shape, the sum over the windows that hold it."""
        if math.prod(shape) == 0 or math.prod(shape_of(cotangent)) == 0:
            return ops.full(tensor(shape, ops.element_of(cotangent)), 0)
        if self._apart:
            return self._tiled(cotangent, shape)
        padding = []
        for d, m in enumerate(shape_of(cotangent)):
            window = dilated(self.sizes[d], self.window_dilations[d])
            low = window - 1 - self.padding[d][0]
            high = dilated(shape[d], self.base_dilations[d]) + window - 1 - dilated(m, self.strides[d]) - low
            padding.append((low, high))
        return Sliding(
            self.sizes, self.base_dilations, tuple(padding), self.strides, self.window_dilations
        ).sum_(cotangent)

    @property
    def _apart(self) -> bool:
        """Whether windows are whole blocks, no two of which meet."""
        if any(n != 1 for n in self.base_dilations):
            return False
        return all(
            size == 1 or (dilation == 1 and size <= stride)
            for size, stride, dilation in zip(self.sizes, self.strides, self.window_dilations, strict=True)
        )

    def _tiled(self, cotangent: Value, shape: Dims) -> Value:
        """Each element put into all of its window: a repetition, and not a sum."""
        counts = shape_of(cotangent)
        wide = [d for d, size in enumerate(self.sizes) if size > 1]
        if wide:
            target: list[int] = []
            places: list[int] = []
            for d, m in enumerate(counts):
                places.append(len(target))
                target += [m, self.sizes[d]] if d in wide else [m]
            cotangent = ops.broadcast_in_dim(cotangent, target, places)
            zero = ops.zero_of(cotangent)
            nothing = [0] * len(target)
            gaps = list(nothing)
            for d in wide:
                gaps[places[d] + 1] = self.strides[d] - self.sizes[d]
            if any(gaps):
                cotangent = ops.pad(cotangent, zero, nothing, gaps, nothing)
            blocks = [m * self.strides[d] if d in wide else m for d, m in enumerate(counts)]
            cotangent = ops.reshape(cotangent, blocks)
        low = [-pair[0] for pair in self.padding]
        inner = [0 if d in wide else s - 1 for d, s in enumerate(self.strides)]
        now = shape_of(cotangent)
        high = [shape[d] - low[d] - n - max(n - 1, 0) * inner[d] for d, n in enumerate(now)]
        if not any((*low, *high, *inner)):
            return cotangent
        return ops.pad(cotangent, ops.zero_of(cotangent), low, high, inner)

    # ---- Choices ----

    def never_empty(self, shape: Dims) -> bool:
        """Whether each window is known to hold an element of an operand of some shape."""
        for d, m in enumerate(self.shape(shape)):
            if m * self.sizes[d] > _CHECKED:
                return False
            at = np.arange(m)[:, None] * self.strides[d] - self.padding[d][0]
            at = at + np.arange(self.sizes[d]) * self.window_dilations[d]
            dilation = self.base_dilations[d]
            inside = (at >= 0) & (at < dilated(shape[d], dilation)) & (at % dilation == 0)
            if not inside.any(axis=1).all():
                return False
        return True

    def winners(
        self, values: Sequence[Value], initials: Sequence[Value], keep: Callable[..., tuple[Value, list[Value]]],
        neutral: bool,
    ) -> Value:  # fmt: skip
        """For each window, the flat position in the operand of the element that is chosen; -1 for an initial value.

        Args:
            values: what the choice is made by.
            initials: scalars to start from.
            keep: from accumulated and new scalars to whether the accumulated one stays, and the new accumulated
                values.
            neutral: whether an element, where there is one, is chosen before the initial value.
        """
        shape = shape_of(values[0])
        element = element_type("int64" if math.prod(shape) >= 2**31 else "int32")
        places = ops.reshape(ops.iota(tensor((math.prod(shape),), element), 0), shape)
        count = len(values)

        def body(*arguments: Value) -> list[Value]:
            old, new = arguments[: count + 1], arguments[count + 1 :]
            stays, kept = keep(*old[:count], *new[:count])
            if neutral:
                zero = ops.full_like(old[count], 0)
                stays = ops.and_(stays, ops.compare("GE", old[count], zero))
                stays = ops.or_(stays, ops.compare("LT", new[count], zero))
                if count == 1:
                    kept = [ops.select(stays, old[0], new[0])]
            return [*kept, ops.select(stays, old[count], new[count])]

        nowhere = ops.full(tensor((), element), -1)
        return self.reduce([*values, places], [*initials, nowhere], body)[count]

    # ---- What windows hold ----

    def contents(self, x: Value, neutral: Value) -> Value:
        """The elements of all windows along a new dimension in front; a neutral scalar stands in padding."""
        rank = len(self.sizes)
        low, high = [p[0] for p in self.padding], [p[1] for p in self.padding]
        x = ops.pad(x, neutral, low, high, [n - 1 for n in self.base_dilations])
        for d in reversed(range(rank)):
            x = self._along(x, d)
        # Each step has put its window's dimension behind the one that counts windows.
        counts = [2 * d for d in range(rank)]
        inside = [2 * d + 1 for d in range(rank)]
        x = ops.transpose(x, [*inside, *counts])
        shape = shape_of(x)
        return ops.reshape(x, [math.prod(shape[:rank]), *shape[rank:]])

    def _along(self, x: Value, dim: int) -> Value:
        shape = list(shape_of(x))
        size, stride, dilation = self.sizes[dim], self.strides[dim], self.window_dilations[dim]
        count = max(0, (shape[dim] - dilated(size, dilation)) // stride + 1)
        if size == 1:
            limits = [(count - 1) * stride + 1 if d == dim else n for d, n in enumerate(shape)]
            if count == 0:
                limits[dim] = 0
            x = ops.slice_(
                x, [0] * len(shape), limits, [stride if d == dim else 1 for d in range(len(shape))]
            )
            return ops.reshape(x, [*shape[:dim], count, 1, *shape[dim + 1 :]])
        at = np.arange(count)[:, None] * stride + np.arange(size) * dilation
        rank = len(shape)
        offset = tuple(d if d < dim else d + 1 for d in range(rank) if d != dim)
        windows = Windows(offset, (dim,), (), (), (dim,), 2)
        sizes = [1 if d == dim else n for d, n in enumerate(shape)]
        type_ = tensor((*shape[:dim], count, size, *shape[dim + 1 :]), ops.element_of(x))
        return ops.gather(x, ops.constant(at.astype(np.int32)), windows.gather(), sizes, type_=type_)


def chosen(x: Value, winners: Value, masked: bool) -> Value:
    """The elements of an operand at flat positions; zero at -1, if there may be any."""
    flat = ops.reshape(x, [math.prod(shape_of(x))])
    windows = Windows((), (0,), (), (), (0,), len(shape_of(winners)))
    type_ = tensor(shape_of(winners), ops.element_of(x))
    found = ops.gather(flat, winners, windows.gather(), [1], type_=type_)
    if not masked:
        return found
    return ops.select(ops.compare("GE", winners, ops.full_like(winners, 0)), found, ops.full_like(found, 0))


def placed(values: Value, winners: Value, shape: Dims) -> Value:
    """Values added up at flat positions of a shape; those at -1 are dropped."""
    zero = ops.full(tensor((math.prod(shape),), ops.element_of(values)), 0)
    windows = Windows((), (0,), (), (), (0,), len(shape_of(winners)))
    return ops.reshape(ops.scatter(zero, winners, values, windows.scatter(), ops.add), shape)


def prefixes(
    value: Value, axis: int, fold: Callable[[Value, Value], Value], neutral: object, reverse: bool = False
) -> Value:
    """The folds of all prefixes along an axis (from its end, if ``reverse``) as those of windows.

    It is more work than in steps, but one operation whatever the size.
    """
    shape = shape_of(value)
    ones = (1,) * len(shape)
    sizes, padding = list(ones), [(0, 0)] * len(shape)
    sizes[axis] = shape[axis]
    padding[axis] = (0, shape[axis] - 1) if reverse else (shape[axis] - 1, 0)
    start = ops.full(tensor((), ops.element_of(value)), neutral)
    return Sliding(tuple(sizes), ones, tuple(padding), ones, ones).reduce([value], [start], fold)[0]
