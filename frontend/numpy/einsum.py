"""Einstein summation: pairs of operands contracted one after another, each pair by one operation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mycc.api import lift, operation
from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.emit import convert
from mycc.lowering.abstract import AbstractValue
from mycc.numpy.contraction import contract, finished
from mycc.numpy.grids import diagonal_value
from mycc.numpy.support import BOOL, INT32
from mycc.source import user_line
from mycc.types import ArrayLike, DTypeLike, abstractify, promote

__all__ = ["einsum", "einsum_path"]

Value: TypeAlias = ir.Value
Labels: TypeAlias = list[Any]


@dataclass
class _Term:
    value: Value
    labels: Labels

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.type.shape)


def einsum(
    subscripts: Any,
    /,
    *operands: Any,
    out: None = None,
    optimize: Any = "auto",
    precision: Any = None,
    preferred_element_type: DTypeLike | None = None,
) -> Array:
    """Sums of products of elements, in Einstein's notation.

    Args:
        subscripts: such as ``"ij,jk->ik"``, with ``...`` for any further dimensions; or operands and lists of
            integer labels in turn, as ``einsum(x, [0, 1], y, [1, 2], [0, 2])``.
        *operands: arrays.
        out: must be None.
        optimize: False contracts from left to right; else the cheapest pair comes first.
        precision: as of `matmul`.
        preferred_element_type: the dtype to add up in and to return.

    Returns:
        The array that the subscripts describe.

    Raises:
        ValueError: the subscripts do not fit the operands.

    Example:
        >>> import mycc.numpy as mnp
        >>> mnp.einsum("ij,kj->ik", mnp.ones((2, 3)), mnp.ones((4, 3))).shape
        (2, 4)
    """
    if out is not None:
        raise NotImplementedError(f"{user_line()}: einsum returns a new array; drop out=")
    if not isinstance(subscripts, str):
        subscripts, operands = _spelled((subscripts, *operands))
    return _einsum(
        subscripts.replace(" ", ""), list(operands), bool(optimize), precision, preferred_element_type
    )


def einsum_path(subscripts: Any, /, *operands: Any, optimize: Any = "greedy") -> tuple[list[Any], str]:
    """The order of contractions that NumPy would choose; see `numpy.einsum_path`."""
    import numpy as np

    hosts: list[Any] = [
        x if isinstance(x, (str, list)) else np.broadcast_to(np.float32(0), abstractify(x).shape)
        for x in operands
    ]
    path, text = np.einsum_path(subscripts, *hosts, optimize=optimize)
    return path, text


def _spelled(arguments: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Operands and lists of integer labels, written as subscripts."""
    operands, lists = arguments[: len(arguments) // 2 * 2 : 2], arguments[1::2]

    def word(labels: Any) -> str:
        return "".join(
            "..." if label is Ellipsis else chr(ord("A") + label + (6 if label > 25 else 0))
            for label in labels
        )

    text = ",".join(word(labels) for labels in lists)
    return (f"{text}->{word(arguments[-1])}" if len(arguments) % 2 else text), operands


@operation
def _einsum(
    subscripts: str,
    operands: Sequence[ArrayLike],
    optimize: bool,
    precision: Any,
    preferred: DTypeLike | None,
) -> Array:
    avals = [abstractify(x) for x in operands]
    inputs, output = _parsed(subscripts, avals)
    dtype, weak = promote(avals)
    working = INT32 if dtype == BOOL else dtype
    terms = []
    for x, labels in zip(operands, inputs, strict=True):
        value, aval = lift(x)
        terms.append(_diagonals(_Term(convert(convert(value, aval.dtype, dtype), dtype, working), labels)))
    sizes = _sizes(subscripts, terms)
    terms = [_without_ones(term, sizes) for term in terms]
    while len(terms) > 1:
        i, j = _cheapest(terms, output, sizes) if optimize else (0, 1)
        left, right = terms[i], terms[j]
        rest = [term for k, term in enumerate(terms) if k not in (i, j)]
        kept = set(output).union(*(term.labels for term in rest))
        left, right = _summed(left, kept.union(right.labels)), _summed(right, kept.union(left.labels))
        labels = _order(left, right, kept, output if not rest else None)
        terms = [
            *rest,
            _Term(contract(left.value, left.labels, right.value, right.labels, labels, precision), labels),
        ]
    term = _summed(terms[0], set(output))
    value = ops.transpose(term.value, [term.labels.index(label) for label in output])
    return finished(value, AbstractValue((), dtype, weak), preferred)


def _parsed(subscripts: str, avals: list[AbstractValue]) -> tuple[list[Labels], Labels]:
    left, arrow, right = subscripts.partition("->")
    words = left.split(",")
    if len(words) != len(avals):
        raise ValueError(
            f"{user_line()}: einsum got {len(avals)} operands for the subscripts {subscripts!r}, which "
            f"name {len(words)}"
        )
    inputs = []
    for word, aval in zip(words, avals, strict=True):
        head, dots, tail = word.partition("...")
        hidden = len(aval.shape) - len(head) - len(tail)
        if hidden < 0 or (hidden and not dots) or not f"{head}{tail}a".isalpha():
            raise ValueError(
                f"{user_line()}: einsum subscripts {word!r} do not fit an operand of shape {aval.shape}"
            )
        inputs.append([*head, *range(-hidden, 0), *tail])
    most = max((-min([v for v in labels if isinstance(v, int)], default=0) for labels in inputs), default=0)
    every = [label for labels in inputs for label in labels]
    if arrow:
        head, dots, tail = right.partition("...")
        output: Labels = [*head, *(range(-most, 0) if dots else ()), *tail]
        wrong = [label for label in output if label not in every or output.count(label) > 1]
        if wrong:
            raise ValueError(
                f"{user_line()}: einsum output {right!r} names {wrong[0]!r} twice, or no operand has it"
            )
    else:
        once = sorted({label for label in every if isinstance(label, str) and every.count(label) == 1})
        output = [*range(-most, 0), *once]
    return inputs, output


def _diagonals(term: _Term) -> _Term:
    """A term whose repeated labels are one: of each pair of dimensions the diagonal."""
    value, labels = term.value, list(term.labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if value.type.shape[first] != value.type.shape[second]:
                raise ValueError(
                    f"{user_line()}: einsum label {label!r} stands for sizes {value.type.shape[first]} and "
                    f"{value.type.shape[second]} of one operand"
                )
            value = diagonal_value(value, 0, first, second)
            labels = [v for d, v in enumerate(labels) if d not in (first, second)] + [label]
    return _Term(value, labels)


def _sizes(subscripts: str, terms: list[_Term]) -> dict[Any, int]:
    sizes: dict[Any, int] = {}
    for term in terms:
        for label, n in zip(term.labels, term.shape, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = n
            elif n not in (1, sizes[label]):
                raise ValueError(
                    f"{user_line()}: einsum label {label!r} of {subscripts!r} stands for sizes "
                    f"{sizes[label]} and {n}"
                )
    return sizes


def _without_ones(term: _Term, sizes: dict[Any, int]) -> _Term:
    """A term without the dimensions that it only broadcasts."""
    kept = [d for d, (label, n) in enumerate(zip(term.labels, term.shape, strict=True)) if n == sizes[label]]
    if len(kept) == len(term.labels):
        return term
    return _Term(ops.reshape(term.value, [term.shape[d] for d in kept]), [term.labels[d] for d in kept])


def _summed(term: _Term, kept: set[Any]) -> _Term:
    """A term summed over the labels that nothing else names."""
    over = [d for d, label in enumerate(term.labels) if label not in kept]
    if not over:
        return term
    return _Term(ops.sum_(term.value, over), [label for label in term.labels if label in kept])


def _cheapest(terms: list[_Term], output: Labels, sizes: dict[Any, int]) -> tuple[int, int]:
    """The pair whose contraction shrinks what is held most; ties go to fewer multiplications."""
    if len(terms) == 2:
        return 0, 1
    best: tuple[float, float, int, int] | None = None
    for i in range(len(terms)):
        for j in range(i + 1, len(terms)):
            others = set(output).union(*(t.labels for k, t in enumerate(terms) if k not in (i, j)))
            both = set(terms[i].labels) | set(terms[j].labels)
            result = math.prod(sizes[label] for label in both if label in others)
            growth = result - math.prod(terms[i].shape) - math.prod(terms[j].shape)
            work = math.prod(sizes[label] for label in both)
            if best is None or (growth, work) < best[:2]:
                best = (growth, work, i, j)
    assert best is not None
    return best[2], best[3]


def _order(left: _Term, right: _Term, kept: set[Any], output: Labels | None) -> Labels:
    """The labels of a pair's product: as asked for, or as one contraction gives them."""
    made = [label for label in left.labels if label in right.labels and label in kept]
    made += [label for label in left.labels if label not in right.labels]
    made += [label for label in right.labels if label not in left.labels]
    return made if output is None else [label for label in output if label in made]
