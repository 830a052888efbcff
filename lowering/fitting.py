"""Formulas for numbers that are known at several sizes.

There are more sizes than a formula has unknowns, so that one that fits by chance is not found: polynomials are made of
as few of the sizes as can be, and must hold at all others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mycc.lowering.dimensions import Dim, Size

__all__ = ["FORMS", "Real", "fit_real", "fit_size"]

Point = Mapping[str, int]
_MOST_PARTS = 8
_MOST_DENOMINATOR = 1000

FORMS: dict[str, Callable[[float], float]] = {
    "x": float,
    "1/x": lambda x: 1 / x,
    "sqrt": math.sqrt,
    "rsqrt": lambda x: 1 / math.sqrt(x),
    "log": math.log,
}
"""What constants of programs are, up to a factor, of their sizes."""


@dataclass(frozen=True, slots=True)
class Real:
    """A number that is a factor times a function, one of `FORMS`, of a size."""

    factor: float
    form: str
    of: Dim


def fit_size(numbers: Sequence[int], points: Sequence[Point]) -> Size | None:
    """The size that has these values at these points: a polynomial, or part of one symbol and a number."""
    if len(set(numbers)) == 1:
        return numbers[0]
    symbols = sorted(points[0])
    for degree in (1, 2, 3):
        monomials = [
            m for d in range(degree + 1) for m in itertools.combinations_with_replacement(symbols, d)
        ]
        if len(monomials) < len(points):
            found = _polynomial(numbers, points, monomials)
            if found is not None:
                return found
    for name in symbols:
        for by in range(2, _MOST_PARTS + 1):
            for offset in range(by):
                part: Any = (Dim.symbol(name) + offset) // by
                found = _with_part(numbers, points, Dim.symbol(name), part)
                if found is not None:
                    return found
    return None


def _with_part(numbers: Sequence[int], points: Sequence[Point], symbol: Dim, part: Dim) -> Dim | None:
    """Multiples of a quotient, with or without the symbol itself: remainders are such."""
    parts = [part.at(p) for p in points]
    for whole in (0, 1, -1):
        rests = [n - whole * symbol.at(p) for p, n in zip(points, numbers, strict=True)]
        low, high = parts.index(min(parts)), parts.index(max(parts))
        factor, left = divmod(rests[high] - rests[low], parts[high] - parts[low])
        if left or not factor:
            continue
        rest = rests[low] - factor * parts[low]
        if all(factor * q + rest == n for q, n in zip(parts, rests, strict=True)):
            found: Dim = whole * symbol + factor * part + rest
            return found
    return None


def _polynomial(
    numbers: Sequence[int], points: Sequence[Point], monomials: Sequence[tuple[str, ...]]
) -> Dim | None:
    """Solve for the factors of the monomials, exactly; all must be whole."""
    rows = [
        [*(Fraction(math.prod(p[s] for s in m)) for m in monomials), Fraction(n)]
        for p, n in zip(points, numbers, strict=True)
    ]
    for column in range(len(monomials)):
        pivot = next((r for r in range(column, len(rows)) if rows[r][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = [x / rows[column][column] for x in rows[column]]
        rows[column] = head
        for r, row in enumerate(rows):
            if r != column and row[column]:
                rows[r] = [x - row[column] * h for x, h in zip(row, head, strict=True)]
    if any(row[-1] for row in rows[len(monomials) :]):
        return None
    factors = [row[-1] for row in rows[: len(monomials)]]
    if any(f.denominator != 1 for f in factors):
        return None
    return Dim({m: int(f) for m, f in zip(monomials, factors, strict=True)})


def fit_real(
    numbers: Sequence[float], points: Sequence[Point], sizes: Sequence[Dim], precision: float
) -> Real | None:
    """The multiple of a function of one of some sizes that has these values at these points.

    Args:
        numbers: the values.
        points: what the symbols are there.
        sizes: where to look, the likeliest first.
        precision: how far a value may be from the formula, relatively.
    """
    if not all(map(math.isfinite, numbers)) or 0 in numbers:
        return None
    for of in sizes:
        values = [of.at(p) for p in points]
        if min(values) < 2 or len(set(values)) < len(values) // 2:
            continue
        for form, function in FORMS.items():
            factors = [n / function(v) for n, v in zip(numbers, values, strict=True)]
            middle = sorted(factors)[len(factors) // 2]
            if all(abs(f - middle) <= precision * abs(middle) for f in factors):
                return Real(_nicest(middle, precision), form, of)
    return None


def _nicest(factor: float, precision: float) -> float:
    simple = float(Fraction(factor).limit_denominator(_MOST_DENOMINATOR))
    return simple if abs(simple - factor) <= precision * abs(factor) else factor
