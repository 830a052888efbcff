"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from mycc.api import operation, wrap
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.convolution import Convolution, dilated
from mycc.dialects.types import element_type, shape_of
from mycc.dtypes import as_dtype, kind_of
from mycc.emit import operand as operand_of
from mycc.lax.checks import check_kind, common_dtype
from mycc.lax.contraction import PrecisionLike, precision_config
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify

__all__ = [
    "ConvDimensionNumbers",
    "conv",
    "conv_dimension_numbers",
    "conv_general_dilated",
    "conv_transpose",
    "conv_with_general_padding",
    "padtype_to_pads",
]

Pairs: TypeAlias = list[tuple[int, int]]
Padding: TypeAlias = str | Sequence[tuple[int, int]]


class ConvDimensionNumbers(NamedTuple):
    """Which dimensions of the operands and the result of a convolution are what.

    Args:
        lhs_spec: batch, feature and spatial dimensions of the left operand.
        rhs_spec: output feature, input feature and spatial dimensions of the right operand.
        out_spec: batch, feature and spatial dimensions of the result.
    """

    lhs_spec: Sequence[int]
    rhs_spec: Sequence[int]
    out_spec: Sequence[int]


def conv_dimension_numbers(
    lhs_shape: Sequence[int], rhs_shape: Sequence[int], dimension_numbers: Any
) -> ConvDimensionNumbers:
    """Dimension numbers from any of their forms.

    Args:
        lhs_shape, rhs_shape: shapes of the operands.
        dimension_numbers: None for ``("NCHW", "OIHW", "NCHW")`` in any rank, three strings like these, or
            `ConvDimensionNumbers`. In a string, N is the batch, C the features, O and I output and input features,
            and any other letters are spatial dimensions, which go in the order of the right operand's.

    Raises:
        TypeError: there are not three strings, a letter is missing or repeated, or they do not fit the ranks.

    Example:
        >>> import mycc.lax
        >>> mycc.lax.conv_dimension_numbers((1, 8, 8, 3), (3, 3, 3, 16), ("NHWC", "HWIO", "NHWC"))
        ConvDimensionNumbers(lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2))
    """
    rank = len(lhs_shape)
    if rank < 2 or len(rhs_shape) != rank:
        raise TypeError(
            f"{user_line()}: a convolution takes arrays of one rank, at least 2, got shapes {tuple(lhs_shape)} "
            f"and {tuple(rhs_shape)}"
        )
    if dimension_numbers is None:
        same = tuple(range(rank))
        return ConvDimensionNumbers(same, same, same)
    if not isinstance(dimension_numbers, (tuple, list)) or len(dimension_numbers) != 3:
        raise TypeError(
            f"{user_line()}: dimension numbers of a convolution are None, three strings or ConvDimensionNumbers, "
            f"got {dimension_numbers!r}"
        )
    if all(isinstance(part, str) for part in dimension_numbers):
        return _of_strings(rank, *dimension_numbers)
    found = ConvDimensionNumbers(*(tuple(int(d) for d in part) for part in dimension_numbers))
    if any(sorted(part) != list(range(rank)) for part in found):
        raise TypeError(
            f"{user_line()}: each part of {found} must hold the numbers 0 to {rank - 1} once each"
        )
    return found


def _of_strings(rank: int, lhs: str, rhs: str, out: str) -> ConvDimensionNumbers:
    for name, text, letters in (("left", lhs, "NC"), ("right", rhs, "OI"), ("result's", out, "NC")):
        if len(text) != rank or len(set(text)) != rank or not set(letters) <= set(text):
            raise TypeError(
                f"{user_line()}: the {name} dimensions {text!r} of a convolution need {rank} different letters, "
                f"{letters[0]} and {letters[1]} among them"
            )
    spatial = [c for c in rhs if c not in "OI"]
    if any({c for c in text if c not in "NC"} != set(spatial) for text in (lhs, out)):
        raise TypeError(
            f"{user_line()}: the dimensions {lhs!r}, {rhs!r} and {out!r} of a convolution need the same letters for "
            "spatial dimensions"
        )

    def spec(text: str, first: str) -> tuple[int, ...]:
        return tuple(text.index(c) for c in (*first, *spatial))

    return ConvDimensionNumbers(spec(lhs, "NC"), spec(rhs, "OI"), spec(out, "NC"))


def padtype_to_pads(
    in_shape: Sequence[int], window_shape: Sequence[int], window_strides: Sequence[int], padding: Padding
) -> Pairs:
    """Padding in numbers, before and after each dimension.

    Args:
        in_shape: sizes of what is padded.
        window_shape: sizes of the windows, dilation included.
        window_strides: steps between windows.
        padding: ``"VALID"`` for none; ``"SAME"`` (or ``"SAME_LOWER"``) for as many windows as steps fit in, with
            the odd element of padding after (before); or pairs, which are returned as they are.

    Raises:
        ValueError: no such kind of padding.

    Example:
        >>> import mycc.lax
        >>> mycc.lax.padtype_to_pads((5, 5), (3, 2), (1, 1), "SAME")
        [(1, 1), (0, 1)]
    """
    if not isinstance(padding, str):
        return [(int(low), int(high)) for low, high in padding]
    kind = padding.upper()
    if kind == "VALID":
        return [(0, 0)] * len(in_shape)
    if kind not in ("SAME", "SAME_LOWER"):
        raise ValueError(
            f"{user_line()}: no padding {padding!r}; there are 'SAME', 'SAME_LOWER', 'VALID' and pairs of numbers"
        )
    found = []
    for n, k, s in zip(in_shape, window_shape, window_strides, strict=True):
        total = max(0, (-(-n // s) - 1) * s + k - n)
        small, large = total // 2, total - total // 2
        found.append((small, large) if kind == "SAME" else (large, small))
    return found


@operation
def conv_general_dilated(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """A convolution (of deep learning: the kernel is not reversed) of any number of dimensions.

    Args:
        lhs: a batch of inputs with features.
        rhs: a kernel of the same dtype, of as many dimensions.
        window_strides: per spatial dimension, the step of the kernel.
        padding: ``"SAME"``, ``"VALID"`` or per spatial dimension a pair of paddings; see `padtype_to_pads`. Negative
            ones cut.
        lhs_dilation: per spatial dimension, the step between elements of lhs once it is spread out.
        rhs_dilation: the same of the kernel.
        dimension_numbers: see `conv_dimension_numbers`.
        feature_group_count: in how many groups features are convolved apart.
        batch_group_count: in how many groups the batch is convolved with groups of the kernel's outputs.
        precision: see `Precision`.
        preferred_element_type: the dtype to sum up in, which the result has.

    Returns:
        The convolution, of lhs's rank.

    Raises:
        TypeError: dtypes differ, or dimension numbers do not fit.
        ValueError: numbers of features, groups, strides or paddings do not fit each other.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> images, kernel = mnp.ones((2, 8, 8, 3)), mnp.ones((3, 3, 3, 16))
        >>> mycc.lax.conv_general_dilated(
        ...     images, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ... ).shape
        (2, 4, 4, 16)
    """
    name = "conv_general_dilated"
    x, y = abstractify(lhs), abstractify(rhs)
    dtype, weak = common_dtype(name, (x, y))
    check_kind(name, dtype, "fciu")
    numbers = conv_dimension_numbers(x.shape, y.shape, dimension_numbers)
    rank = len(x.shape) - 2
    strides = _numbers(name, "window_strides", window_strides, rank)
    spread = _numbers(name, "lhs_dilation", lhs_dilation, rank)
    steps = _numbers(name, "rhs_dilation", rhs_dilation, rank)
    kernel = [dilated(y.shape[d], s) for d, s in zip(numbers.rhs_spec[2:], steps, strict=True)]
    inputs = [dilated(x.shape[d], s) for d, s in zip(numbers.lhs_spec[2:], spread, strict=True)]
    pads = padtype_to_pads(inputs, kernel, strides, padding)
    if len(pads) != rank:
        raise ValueError(
            f"{user_line()}: {name} got {len(pads)} pairs of padding for {rank} spatial dimensions"
        )
    _check_groups(name, x.shape, y.shape, numbers, feature_group_count, batch_group_count)
    target = dtype if preferred_element_type is None else as_dtype(preferred_element_type)
    out, into, *window = numbers.rhs_spec
    found = Convolution(
        tuple(numbers.lhs_spec),
        (into, out, *window),
        tuple(numbers.out_spec),
        strides,
        tuple(pads),
        spread,
        steps,
        (False,) * rank,
        feature_group_count,
        batch_group_count,
        element_type(target),
        precision_config(precision),
    )
    values = [operand_of(v, aval, aval.shape, dtype) for v, aval in ((lhs, x), (rhs, y))]
    result = _complex(found, *values) if kind_of(dtype) == "c" else found.build(*values)
    return wrap(result, AbstractValue(shape_of(result), target, weak and preferred_element_type is None))


def _complex(found: Convolution, x: ir.Value, y: ir.Value) -> ir.Value:
    """Three real convolutions (Gauss's product): XLA has none of complex numbers on GPUs, and a slow one on CPUs."""
    element = found.element
    part = element.element_type if isinstance(element, ir.ComplexType) else element
    conv = replace(found, element=part)
    a, b, c, d = ops.real(x), ops.imag(x), ops.real(y), ops.imag(y)
    # (a + bi)(c + di): with k = c(a + b), the parts are k - b(c + d) and k + a(d - c).
    k = conv.build(ops.add(a, b), c)
    re = ops.sub(k, conv.build(b, ops.add(c, d)))
    im = ops.add(k, conv.build(a, ops.sub(d, c)))
    result = ops.complex_(re, im)
    return result if isinstance(element, ir.ComplexType) else ops.real(result)


def _numbers(name: str, argument: str, values: Sequence[int] | None, rank: int) -> tuple[int, ...]:
    found = (1,) * rank if values is None else tuple(int(n) for n in values)
    if len(found) != rank or any(n < 1 for n in found):
        raise ValueError(
            f"{user_line()}: {name} got {argument}={found}; it takes {rank} positive numbers, one per spatial "
            "dimension"
        )
    return found


def _check_groups(
    name: str, x: Sequence[int], y: Sequence[int], numbers: ConvDimensionNumbers, features: int, batches: int
) -> None:
    if features < 1 or batches < 1 or (features > 1 and batches > 1):
        raise ValueError(
            f"{user_line()}: {name} got feature_group_count={features} and batch_group_count={batches}; both must "
            "be positive, and one of them 1"
        )
    batch, inputs = x[numbers.lhs_spec[0]], x[numbers.lhs_spec[1]]
    outputs, into = y[numbers.rhs_spec[0]], y[numbers.rhs_spec[1]]
    if inputs != into * features:
        raise ValueError(
            f"{user_line()}: {name} of shapes {tuple(x)} and {tuple(y)}: the left operand has {inputs} features, and "
            f"the right one takes {into} in each of {features} groups"
        )
    if outputs % (features * batches) or batch % batches:
        raise ValueError(
            f"{user_line()}: {name} of shapes {tuple(x)} and {tuple(y)}: {outputs} output features"
            + (f" and a batch of {batch}" if batches > 1 else "")
            + f" do not divide into {features * batches} groups"
        )


def conv(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Sequence[int],
    padding: Padding,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """A convolution of dimensions ``NC...`` with a kernel of ``OI...``; see `conv_general_dilated`."""
    return conv_general_dilated(
        lhs,
        rhs,
        tuple(window_strides),
        _hashable(padding),
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def conv_with_general_padding(
    lhs: ArrayLike,
    rhs: ArrayLike,
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] | None,
    rhs_dilation: Sequence[int] | None,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """A convolution of dimensions ``NC...`` with dilations; see `conv_general_dilated`."""
    return conv_general_dilated(
        lhs,
        rhs,
        tuple(window_strides),
        _hashable(padding),
        None if lhs_dilation is None else tuple(lhs_dilation),
        None if rhs_dilation is None else tuple(rhs_dilation),
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def _hashable(padding: Padding) -> Any:
    return padding if isinstance(padding, str) else tuple((int(low), int(high)) for low, high in padding)


def conv_transpose(
    lhs: ArrayLike,
    rhs: ArrayLike,
    strides: Sequence[int],
    padding: Padding,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
    precision: PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
    use_consistent_padding: bool = False,
) -> Array:
    """A convolution with fractional strides, which makes arrays larger as `conv_general_dilated` makes them smaller.

    Args:
        lhs, rhs: as of `conv_general_dilated`.
        strides: per spatial dimension, by how much lhs is spread out.
        padding: ``"SAME"`` for results of ``strides`` times the size, ``"VALID"`` for all complete overlaps of the
            convolution that this reverses, or pairs for the spread out lhs.
        rhs_dilation: the step between elements of the kernel.
        dimension_numbers: see `conv_dimension_numbers`; without, features come last: ``NHWC``, ``HWIO``, ``NHWC``.
        transpose_kernel: turn the kernel around and exchange its features, which gives the gradient of the
            convolution with that kernel.
        precision, preferred_element_type: as of `conv_general_dilated`.
        use_consistent_padding: let pairs mean the padding of the convolution that this reverses.

    Returns:
        The convolution, of lhs's rank.

    Raises:
        ValueError: more than three spatial dimensions without dimension numbers; see also `conv_general_dilated`.

    Example:
        >>> import mycc.lax, mycc.numpy as mnp
        >>> mycc.lax.conv_transpose(mnp.ones((1, 4, 3)), mnp.ones((2, 3, 5)), (2,), "SAME").shape
        (1, 8, 5)
    """
    x, y = abstractify(lhs).shape, abstractify(rhs).shape
    rank = len(x) - 2
    if dimension_numbers is None:
        if not 0 <= rank <= 3:
            raise ValueError(
                f"{user_line()}: conv_transpose of {rank} spatial dimensions needs dimension_numbers"
            )
        inner = tuple(range(1, rank + 1))
        dimension_numbers = ConvDimensionNumbers(
            (0, rank + 1, *inner), (rank + 1, rank, *range(rank)), (0, rank + 1, *inner)
        )
    numbers = conv_dimension_numbers(x, y, dimension_numbers)
    steps = _numbers("conv_transpose", "rhs_dilation", rhs_dilation, rank)
    spread = _numbers("conv_transpose", "strides", strides, rank)
    window = [dilated(y[d], s) for d, s in zip(numbers.rhs_spec[2:], steps, strict=True)]
    pads: Any
    if isinstance(padding, str):
        if padding not in ("SAME", "VALID"):
            raise ValueError(
                f"{user_line()}: conv_transpose takes padding 'SAME', 'VALID' or pairs, got {padding!r}"
            )
        pads = tuple(_spread_pads(k, s, padding) for k, s in zip(window, spread, strict=True))
    else:
        pads = _hashable(padding)
        if use_consistent_padding:
            pads = tuple((k - 1 - low, k - 1 - high) for k, (low, high) in zip(window, pads, strict=True))
    if transpose_kernel:
        from mycc.lax.shape import rev

        rhs = rev(rhs, tuple(numbers.rhs_spec[2:]))
        out, into, *rest = numbers.rhs_spec
        numbers = numbers._replace(rhs_spec=(into, out, *rest))
    return conv_general_dilated(
        lhs,
        rhs,
        (1,) * rank,
        pads,
        spread,
        steps,
        numbers,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def _spread_pads(window: int, stride: int, padding: str) -> tuple[int, int]:
    if padding == "SAME":
        total = window + stride - 2
        low = window - 1 if stride > window - 1 else math.ceil(total / 2)
    else:
        total = window + stride - 2 + max(window - stride, 0)
        low = window - 1
    return low, total - low
