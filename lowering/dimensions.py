"""Sizes that are symbols, and expressions of them: ``b``, ``2*b + 1``, ``b*s``, ``(b + 1)//2``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, final

__all__ = ["Dim", "Size", "size_of", "sizes_of"]


@final
class Dim:
    """A size that is a polynomial of symbols, and of quotients and remainders of such by a number.

    Symbols stand for whole numbers of at least one.

    Args:
        terms: the factor of each product of atoms; an atom is a symbol, or a `_Part`.

    Example:
        >>> b = Dim.symbol("b")
        >>> print((b + 1) * 2, b * b - b, (b + 1) // 2)
        2*b + 2 b*b - b (b + 1)//2
        >>> (2 * b + 1).at({"b": 3})
        7
    """

    __slots__ = ("terms",)

    terms: dict[tuple[Any, ...], int]

    def __init__(self, terms: Mapping[tuple[Any, ...], int]) -> None:
        self.terms = {k: v for k, v in sorted(terms.items(), key=_rank) if v}

    @staticmethod
    def symbol(name: str) -> Dim:
        """The size of that name."""
        return Dim({(name,): 1})

    @property
    def symbols(self) -> frozenset[str]:
        """The names of the symbols in it."""
        atoms = (atom for key in self.terms for atom in key)
        return frozenset().union(*(frozenset({a}) if isinstance(a, str) else a.of.symbols for a in atoms))

    @property
    def affine(self) -> tuple[str, int, int] | None:
        """Symbol, factor and rest, where it is ``factor * symbol + rest``."""
        rest = self.terms.get((), 0)
        others = [(k, v) for k, v in self.terms.items() if k]
        if len(others) != 1 or len(others[0][0]) != 1 or not isinstance(others[0][0][0], str):
            return None
        return others[0][0][0], others[0][1], rest

    def at(self, sizes: Mapping[str, int]) -> int:
        """Its value where the symbols have these."""
        value: int = self.fold(
            lambda name: sizes[name], int, operator.add, operator.mul, operator.floordiv, operator.mod
        )
        return value

    def fold(
        self,
        symbol: Callable[[str], Any],
        number: Callable[[int], Any],
        add: Callable[[Any, Any], Any],
        mul: Callable[[Any, Any], Any],
        floordiv: Callable[[Any, Any], Any],
        mod: Callable[[Any, Any], Any],
    ) -> Any:
        """Its value where symbols, numbers and operations mean what is given."""
        total = None
        for key, factor in self.terms.items():
            product = None if key and factor == 1 else number(factor)
            for atom in key:
                if isinstance(atom, str):
                    value = symbol(atom)
                else:
                    inner = atom.of.fold(symbol, number, add, mul, floordiv, mod)
                    value = (floordiv if atom.quotient else mod)(inner, number(atom.by))
                product = value if product is None else mul(product, value)
            total = product if total is None else add(total, product)
        return number(0) if total is None else total

    def __add__(self, other: Any) -> Any:
        other = _dim(other)
        if other is None:
            return NotImplemented
        return _least(
            Dim({k: self.terms.get(k, 0) + other.terms.get(k, 0) for k in {**self.terms, **other.terms}})
        )

    def __mul__(self, other: Any) -> Any:
        other = _dim(other)
        if other is None:
            return NotImplemented
        terms: dict[tuple[Any, ...], int] = {}
        for a, m in self.terms.items():
            for b, n in other.terms.items():
                key = tuple(sorted((*a, *b), key=str))
                terms[key] = terms.get(key, 0) + m * n
        return _least(Dim(terms))

    def __floordiv__(self, other: Any) -> Any:
        return self._divided(other, True)

    def __mod__(self, other: Any) -> Any:
        return self._divided(other, False)

    def _divided(self, by: Any, quotient: bool) -> Any:
        if not isinstance(by, int) or by <= 0:
            return NotImplemented
        if all(v % by == 0 for v in self.terms.values()):
            return _least(Dim({k: v // by for k, v in self.terms.items()})) if quotient else 0
        return Dim({(_Part(self, by, quotient),): 1})

    def __sub__(self, other: Any) -> Any:
        return NotImplemented if _dim(other) is None else self + -1 * other

    def __rsub__(self, other: Any) -> Any:
        return -1 * self + other

    def __neg__(self) -> Any:
        return -1 * self

    __radd__ = __add__
    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(tuple(self.terms.items()))

    def __str__(self) -> str:
        text = ""
        for key, factor in self.terms.items():
            sign = (" - " if text else "-") if factor < 0 else (" + " if text else "")
            parts = [str(abs(factor))] if abs(factor) != 1 or not key else []
            alone = len(key) + len(parts) == 1
            parts += [str(a) if alone or isinstance(a, str) else f"({a})" for a in key]
            text += sign + "*".join(parts)
        return text or "0"

    __repr__ = __str__


Size: TypeAlias = int | Dim


@final
class _Part:
    """The quotient, or the remainder, of a size by a number."""

    __slots__ = ("by", "of", "quotient")

    def __init__(self, of: Dim, by: int, quotient: bool) -> None:
        self.of, self.by, self.quotient = of, by, quotient

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Part) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        inner = str(self.of)
        return f"{inner if inner.isidentifier() else f'({inner})'}{'//' if self.quotient else '%'}{self.by}"


def _rank(term: tuple[tuple[Any, ...], int]) -> tuple[int, str]:
    return -len(term[0]), str([str(atom) for atom in term[0]])


def _dim(x: Any) -> Dim | None:
    return x if isinstance(x, Dim) else Dim({(): x}) if isinstance(x, int) else None


def _least(dim: Dim) -> Size:
    return dim.terms.get((), 0) if not any(dim.terms) else dim


_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_MAX_POWER = 8


def sizes_of(text: str) -> tuple[Size, ...]:
    """The sizes that a text lists, separated by commas.

    Raises:
        ValueError: one is no expression of names and whole numbers.
    """
    try:
        # JAX writes powers so.
        tree = ast.parse(
            f"({text},)" if text.strip() and not text.rstrip().endswith(",") else f"({text})", mode="eval"
        )
        return tuple(_flattened(tree.body))
    except (SyntaxError, TypeError, RecursionError, MemoryError):
        raise ValueError(
            f"{text[:60]!r} is no list of sizes: names, whole numbers, and sums, products, quotients (//) and remainders (%) "
            "of them"
        ) from None


def _flattened(node: ast.AST) -> Iterator[Size]:
    if isinstance(node, ast.Tuple):
        for each in node.elts:
            yield from _flattened(each)
    else:
        yield _built(node)


def _built(node: ast.AST) -> Any:
    if isinstance(node, ast.Name):
        return Dim.symbol(node.id)
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_built(node.operand)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 2:
        if node.func.id in ("floordiv", "mod"):
            x, y = map(_built, node.args)
            return x // y if node.func.id == "floordiv" else x % y
    if isinstance(node, ast.BinOp):
        x, y = _built(node.left), _built(node.right)
        if isinstance(node.op, (ast.BitXor, ast.Pow)) and isinstance(y, int) and 0 < y <= _MAX_POWER:
            power = x
            for _ in range(y - 1):
                power = power * x
            return power
        if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](x, y)
    raise TypeError


def size_of(size: Any) -> Size | None:
    """A size as a number or an expression, from what users write and JAX's symbols; None if it is none."""
    if isinstance(size, Dim):
        return size
    try:
        return operator.index(size)
    except Exception:  # other frameworks' symbols raise errors of their own
        pass
    if not isinstance(size, str) and not type(size).__module__.startswith("jax."):
        return None
    try:
        found: Sequence[Size] = sizes_of(str(size))
    except ValueError:
        return None
    return found[0] if len(found) == 1 else None
