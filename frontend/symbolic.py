"""One module for all sizes, of the programs for some.

A function with symbolic sizes is traced, differentiated and simplified for a dozen different whole numbers, so that
no array function, rule or pass knows of symbols. The modules must be of one form; each number in them that is not the
same in all is a formula of the symbols (`mycc.lowering.fitting`), and there are more modules than any formula has
unknowns. The formulas go in, as StableHLO's dynamic operations (`mycc.lowering.opening`).

So a function may compute with its sizes, but is asked to be the same program at all of them: that is tried at sizes
from one to some thousand, and what is different at a few of them, as at one, where broadcasting is, must give the same
numbers. A branch in Python that only sizes beyond take is not seen.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from mycc.array import Array
from mycc.dialects.errors import ModuleError, MyccError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.types import dtype_of
from mycc.foreign import ForeignFunction
from mycc.lowering.dimensions import Dim, Size, sizes_of
from mycc.lowering.fitting import FORMS, fit_real, fit_size
from mycc.lowering.foreign import take_in
from mycc.lowering.likeness import Form, Hole, form_of
from mycc.lowering.opening import Number, open_sizes
from mycc.passes.symbols import Symbols, copy_module
from mycc.source import user_line
from mycc.types import checked_size

__all__ = ["Program", "fixed", "generalize", "known_sizes", "symbolic_shape", "symbols_of"]

Sizes = Mapping[str, int]

_POWERS = frozenset(1 << n for n in range(20))  # To divide by these is to multiply.
_FIRST = 11  # What is smaller is often a size of the program itself, and one is treated in its own way.
_SMALL = (1, 2, 3, 5, 6)
_LARGE = (100, 257, 4099)
_TRIES = 3
_MOST_ELEMENTS = 1 << 24  # of a program that is run to compare


def symbolic_shape(text: str) -> tuple[Size, ...]:
    """The sizes that a text lists, of which some are symbols, for the shapes that `export` takes.

    Args:
        text: names, whole numbers, and sums, products, quotients (``//``) and remainders (``%``) of them by
            numbers, with commas between. A name stands for the same size wherever it is; sizes are at least one.

    Returns:
        A tuple of whole numbers and of symbolic sizes, which can be computed with.

    Raises:
        ValueError: the text is none.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> b, n = mycc.symbolic_shape("b, 4")
        >>> exported = mycc.export(mnp.sum)(mycc.ShapeDtypeStruct((2 * b, n), "float32"))
        >>> exported
        <exported sum: (f32[2*b,4]) -> f32[]>
        >>> exported.call(mnp.ones((6, 4)))
        Array(24., dtype=float32)
    """
    try:
        return sizes_of(text)
    except ValueError as error:
        raise ValueError(f"{user_line()}: {error}") from None


def _is_spec(leaf: Any) -> bool:
    return not isinstance(leaf, Array) and hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def _shape(leaf: Any) -> tuple[Size, ...]:
    return tuple(map(checked_size, leaf.shape)) if _is_spec(leaf) else ()


def symbols_of(leaves: Sequence[Any]) -> tuple[str, ...]:
    """The symbols in the shapes of arguments, each once."""
    found = [
        s for leaf in leaves for size in _shape(leaf) if isinstance(size, Dim) for s in sorted(size.symbols)
    ]
    return tuple(dict.fromkeys(found))


def known_sizes(leaves: Sequence[Any]) -> frozenset[int]:
    """The whole numbers in the shapes of arguments."""
    return frozenset(n for leaf in leaves for n in _shape(leaf) if isinstance(n, int))


def fixed(leaf: Any, sizes: Sizes) -> Any:
    """An argument whose symbolic sizes are these numbers."""
    if not any(isinstance(n, Dim) for n in _shape(leaf)):
        return leaf
    from mycc.stages import ShapeDtypeStruct

    shape = [n.at(sizes) if isinstance(n, Dim) else n for n in _shape(leaf)]
    if min(shape) < 0:
        raise ModuleError(f"{user_line()}: the shape {_shape(leaf)} has a negative size where {_told(sizes)}")
    return ShapeDtypeStruct(shape, leaf.dtype, bool(getattr(leaf, "weak_type", False)))


@dataclass(frozen=True, slots=True)
class Program:
    """What a function is for some sizes.

    Args:
        module: StableHLO.
        shapes: of its arguments and results.
    """

    module: ir.Module
    shapes: Sequence[tuple[int, ...]]


def generalize(
    program: Callable[[Sizes], Program], symbols: Sequence[str], known: frozenset[int]
) -> tuple[ir.Module, list[tuple[Size, ...]], int]:
    """The module for all sizes, the shapes of its arguments and results, and the smallest size that it is for.

    Args:
        program: the one for given sizes.
        symbols: the names of the sizes.
        known: sizes that the symbols had better not be like.

    Raises:
        ModuleError: the programs are not of one form, a number in them follows no formula, or an operation has no
            dynamic form.
    """
    forms: list[Form] = []
    points: list[Sizes] = []
    odd: list[Sizes] = []
    count = 8 + 3 * len(symbols) + len(symbols) ** 2
    for sizes in _points(symbols, known, _TRIES * count):
        form = form_of(program(sizes).module)
        if forms and form.tokens != forms[0].tokens:
            odd.append(sizes)
            if len(odd) > max(len(points), 2):
                _refuse(forms[0], form, points[0], sizes)
            continue
        forms.append(form)
        points.append(sizes)
        if len(points) == count:
            break
    if len(points) < count:
        _refuse(forms[0], form_of(program(odd[0]).module), points[0], odd[0])
    fitted = _fitted(forms, points)
    base = program(points[0])
    copy = copy_module(base.module)
    # The same places in the copy, which is to be changed.
    places = form_of(copy).holes
    changed = [
        (place, n) for place, (_, n) in zip(places, fitted, strict=True) if not isinstance(n, (int, float))
    ]
    # At a size that the program has itself, equal constants are one.
    small = [n for n in _SMALL if n == 1 or n not in known]
    edges: list[Sizes] = [dict.fromkeys(symbols, 1)]
    edges += [{s: n + i for i, s in enumerate(symbols)} for n in (*small[1:], *_LARGE)]
    least = 1
    for sizes in edges:
        try:
            found = program(sizes)
        except (MyccError, TypeError, ValueError, IndexError, ZeroDivisionError):
            # A window that does not fit, say. Where it is not about small sizes, it is an error.
            if max(sizes.values()) > _SMALL[-1]:
                raise
            least = max(sizes.values()) + 1
            odd = [o for o in odd if max(o.values()) >= least]
            continue
        if not _agrees(form_of(found.module), forms[0], fitted, sizes):
            odd.append(sizes)
    open_sizes(copy, changed, dict.fromkeys(symbols, least))
    _verify(copy)
    for sizes in odd:
        _compare(copy, program(sizes), sizes, forms[0], points[0])
    shapes = [program(p).shapes for p in points]
    found_shapes = [
        tuple(_size(forms[0], points, [s[i][d] for s in shapes]) for d in range(len(first)))
        for i, first in enumerate(shapes[0])
    ]
    return copy, found_shapes, least


def _points(symbols: Sequence[str], known: frozenset[int], count: int) -> list[Sizes]:
    """Sizes that are all different from each other, from what is known, and in their remainders."""
    numbers = (n for n in itertools.count(_FIRST) if n not in known and n not in _POWERS)
    usable = list(itertools.islice(numbers, count + len(symbols)))
    drawn = np.random.default_rng(0)
    found: list[Sizes] = []
    for i in range(count):
        others = [n for n in usable if n != usable[i]]
        # The first one takes every number, so that with one symbol all remainders are met.
        rest = drawn.choice(others, len(symbols) - 1, replace=False)
        found.append({s: int(n) for s, n in zip(symbols, (usable[i], *rest), strict=True)})
    return found


def _told(sizes: Sizes) -> str:
    return ", ".join(f"{name} is {n}" for name, n in sizes.items())


def _refuse(form: Form, other: Form, sizes: Sizes, others: Sizes) -> NoReturn:
    op = form.difference(other) or form.places[-1]
    raise ModuleError(
        f"{describe(op.location)}: the program is another one where {_told(sizes)} than where {_told(others)}, first at this "
        f"'{op.name}'; with symbolic sizes it must be the same for all: export it once for each size"
    )


def _fitted(forms: Sequence[Form], points: Sequence[Sizes]) -> list[tuple[Hole, Number]]:
    columns = list(zip(*(form.numbers for form in forms), strict=True))
    known: dict[tuple[Any, ...], Any] = {}
    for column in columns:
        if column not in known and all(type(n) is int for n in column):
            known[column] = fit_size(column, points)
    sizes: list[Dim] = [Dim.symbol(s) for s in points[0]]
    sizes += [n for n in known.values() if isinstance(n, Dim)]
    for size in list(dict.fromkeys(sizes)):
        # Variances divide by one less.
        sizes += [n for n in (size - 1, size + 1) if isinstance(n, Dim)]
    sizes = list(dict.fromkeys(sizes))
    fitted: list[tuple[Hole, Number]] = []
    for hole, column in zip(forms[0].holes, columns, strict=True):
        number = column[0] if len(set(map(repr, column))) == 1 else known.get(column)
        if number is None and type(column[0]) is float:
            number = known[column] = fit_real(column, points, sizes, _precision(hole))
        if number is None:
            shown = ", ".join(f"{n} where {_told(p)}" for n, p in list(zip(column, points, strict=True))[:3])
            raise ModuleError(
                f"{describe(hole.op.location)}: '{hole.op.name}' has a number that follows no known formula of the symbolic "
                f"sizes: {shown}; it may be a polynomial, a quotient by a number, or a multiple of 1/n, sqrt(n), 1/sqrt(n), "
                "log(n): compute others from an argument"
            )
        fitted.append((hole, number))
    return fitted


def _precision(hole: Hole) -> float:
    element = str(hole.op.results[0].type.element_type)
    return {"f64": 1e-14, "f32": 3e-7, "f16": 2e-3, "bf16": 1.6e-2}.get(element, 1e-1)


def _size(form: Form, points: Sequence[Sizes], numbers: Sequence[int]) -> Size:
    found = fit_size(numbers, points)
    if found is None:
        raise ModuleError(
            f"{describe(form.places[0].location)}: a result's size follows no formula of the symbolic sizes"
        )
    return found


def _agrees(form: Form, first: Form, fitted: Sequence[tuple[Hole, Number]], sizes: Sizes) -> bool:
    """Whether a module is what the formulas say."""
    if form.tokens != first.tokens:
        return False
    for got, (hole, number) in zip(form.numbers, fitted, strict=True):
        if isinstance(number, (int, float)):
            wanted: float = number
        elif isinstance(number, Dim):
            wanted = number.at(sizes)
        else:
            wanted = (
                number.factor * FORMS[number.form](number.of.at(sizes))
                if number.of.at(sizes) > 0
                else math.nan
            )
            if abs(got - wanted) > 2 * _precision(hole) * abs(wanted):
                return False
            continue
        if got != wanted and repr(got) != repr(wanted):
            return False
    return True


def _verify(module: ir.Module) -> None:
    try:
        module.operation.verify()
    except ir.MLIRError as error:
        raise ModuleError(f"the module for symbolic sizes is invalid: {error}") from None


_TOLERANCE = {"f64": 1e-9, "f32": 1e-3}


def _compare(module: ir.Module, program: Program, sizes: Sizes, form: Form, usual: Sizes) -> None:
    """Run the module for all sizes and the program for these, on the same random numbers."""
    other = form_of(program.module)
    if other.largest > _MOST_ELEMENTS:
        _refuse(form, other, usual, sizes)
    drawn = np.random.default_rng(0)
    arguments = [_random(t, drawn) for t in Symbols(program.module).types("main")[0]]
    wanted, got = (
        _results(ForeignFunction(take_in(copy_module(m)))(*arguments)) for m in (program.module, module)
    )
    for type_, x, y in zip(Symbols(program.module).types("main")[1], wanted, got, strict=True):
        tolerance = _TOLERANCE.get(str(type_.element_type), 5e-2)
        scale = np.max(np.abs(x[np.isfinite(x)]), initial=1.0)
        if not np.allclose(x, y, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
            _refuse(form, other, usual, sizes)


def _results(results: Any) -> list[Any]:
    listed = results if isinstance(results, tuple) else (results,)
    kinds = {"c": np.complex128}
    return [np.asarray(r).astype(kinds.get(r.dtype.kind, np.float64)) for r in listed]


def _random(type_: Any, drawn: np.random.Generator) -> Any:
    dtype, shape = dtype_of(type_), tuple(type_.shape)
    if dtype.kind in "iub":
        return drawn.integers(0, 2, shape).astype(dtype)
    return (
        drawn.standard_normal(shape) + (1j * drawn.standard_normal(shape) if dtype.kind == "c" else 0)
    ).astype(dtype)
