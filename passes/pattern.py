"""The pattern driver: small local rewrites, applied until none matches.

A pattern names the operations it starts from and rewrites one at a time::

    class DoubleNegation(Pattern):
        '''neg(neg(x)) is x.'''

        op_names = ("stablehlo.negate",)

        def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
            inner = op.producer(0, "stablehlo.negate")
            return inner is not None and rewriter.replace(op, inner.operand(0))

    counts = rewrite(module.operation, PatternSet([DoubleNegation()]))

The work is linear in the operations plus the rewrites: a rewrite puts only its neighbours back on the
worklist. Handles of the bindings do not know when another handle has erased their operation (reading
one crashes the process), so a pattern must not keep any beyond its return.
"""

from __future__ import annotations

import abc
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeAlias

from mycc.dialects.errors import PassError
from mycc.dialects.mlir import ir
from mycc.passes.diagnostics import format_location
from mycc.passes.effects import Effects

__all__ = ["NoMatch", "Op", "Pattern", "PatternSet", "Rewriter", "has_one_use", "nested_ops", "rewrite"]

Built: TypeAlias = "ir.Value | Sequence[ir.Value]"

# A pattern fires a few times for each operation at most; sets that run away are stopped here.
_REWRITES_PER_OP = 32
_MIN_REWRITES = 10_000

# Of operations with more operands (concatenate) every pattern is tried.
_MAX_KEY = 4


class NoMatch(Exception):
    """A pattern asked for what a value does not have, such as a shape that is known before run time."""


class Op:
    """A view of an operation that reads each part once: crossing into the bindings is what costs.

    Attributes:
        op: the operation.
        name: its name, ``stablehlo.add``.
        operands: its operands.
        results: its results.
    """

    __slots__ = ("_views", "name", "op", "operands", "results")

    operands: list[ir.Value]

    def __init__(self, op: ir.Operation, views: dict[int, Op]) -> None:
        self.op = op
        self.name: str = op.name
        self._views = views
        values = op.results
        # Iterating over the bindings' sequences costs three times as much as indexing them.
        self.results: list[ir.Value] = [values[i] for i in range(len(values))]
        for value in self.results:
            views[hash(value)] = self

    def __getattr__(self, name: str) -> Any:
        # Only `operands` is ever unset: before it is first read, and after it may have changed.
        if name != "operands":
            raise AttributeError(name)
        values = self.op.operands
        found = self.operands = [values[i] for i in range(len(values))]
        return found

    def operand(self, index: int) -> ir.Value:
        """One operand."""
        return self.operands[index]

    @property
    def result(self) -> ir.Value:
        """The first result."""
        return self.results[0]

    @property
    def type(self) -> Any:
        """The type of the first result."""
        return self.results[0].type

    @property
    def shape(self) -> tuple[int, ...]:
        """The static shape of the first result."""
        return static_shape(self.results[0])

    def producer(self, index: int, name: str | None = None) -> Op | None:
        """The operation that defines an operand; None for a block's argument, or one of another name."""
        value = self.operands[index]
        found = self._views.get(hash(value))
        if found is None and not isinstance(value, ir.BlockArgument):
            # Still being built by the pattern: the driver meets it later, and must find it new.
            found = Op(value.owner.operation, {})
        if found is None or (name is not None and found.name != name):
            return None
        return found

    def attribute(self, name: str) -> Any:
        """An attribute, or None where the operation has none of that name."""
        return self.op.attributes.get(name, None)

    def _reset(self) -> None:
        with contextlib.suppress(AttributeError):
            del self.operands


def static_shape(value: ir.Value) -> tuple[int, ...]:
    """The shape of a tensor value.

    Raises:
        NoMatch: some dimension is known only at run time. The driver takes it as no match.
    """
    shape = tuple(value.type.shape)
    if shape and min(shape) < 0:
        raise NoMatch
    return shape


def has_one_use(value: ir.Value) -> bool:
    """Whether exactly one operand anywhere is this value."""
    uses = value.uses
    return next(uses, None) is not None and next(uses, None) is None


class Pattern(abc.ABC):
    """A rewrite of one operation and what surrounds it. The docstring's first line says what it does."""

    op_names: ClassVar[tuple[str, ...]]
    """The operations that the pattern starts from. They must have results."""

    producers: ClassVar[tuple[str, ...]] = ()
    """Operations of which one must define an operand, or the pattern is not even tried; () for any."""

    @abc.abstractmethod
    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        """Rewrites through the rewriter and returns True, or leaves everything alone and returns False."""

    @property
    def label(self) -> str:
        """The name in statistics: ``TransposeOfDot`` counts as ``transpose-of-dot``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__.strip("_")).lower()


Candidate = tuple[Callable[[Op, "Rewriter"], bool], str]


class PatternSet:
    """Patterns by the operations they start from; build it once, it is independent of any module."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self.patterns = tuple(patterns)
        self._by_name: dict[str, list[Pattern]] = {}
        for pattern in self.patterns:
            for name in pattern.op_names:
                self._by_name.setdefault(name, []).append(pattern)
        self._candidates: dict[tuple[str, ...], tuple[Candidate, ...]] = {}

    def candidates(self, op: Op) -> tuple[Candidate, ...]:
        """The patterns that may match an operation, by its name and those of its operands' producers."""
        name = op.name
        if name not in self._by_name:
            return ()
        views = op._views
        names = [name]
        for value in op.operands[:_MAX_KEY]:
            producer = views.get(hash(value))
            names.append("" if producer is None else producer.name)
        key = tuple(names)
        found = self._candidates.get(key)
        if found is None:
            found = self._candidates[key] = tuple(
                (p.match_and_rewrite, p.label)
                for p in self._by_name[name]
                if len(names) > _MAX_KEY or not p.producers or not set(p.producers).isdisjoint(names[1:])
            )
        return found


def nested_ops(root: ir.Operation) -> list[ir.Operation]:
    """Returns all operations inside ``root`` in program order, each before those in its regions."""
    found: list[ir.Operation] = []

    def visit(op: ir.Operation) -> Any:
        found.append(op.operation)
        return ir.WalkResult.ADVANCE

    root.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found[1:]


class Rewriter:
    """What patterns change the IR with. New operations take the location of the one they replace."""

    def __init__(self, root: ir.Operation) -> None:
        self.effects = Effects(root)
        # The hash of a value is its address; that of an operation depends on its operands, so operations
        # go by their results, and those without any are not looked at. Keys leave all tables before
        # their operation is erased: an address used again is never mistaken for its former owner.
        self._views: dict[int, Op] = {}
        self._queued: set[int] = set()
        self._worklist: list[int] = []
        self._operations = 0
        for op in nested_ops(root):
            self._add(op)
        self._worklist.reverse()

    def __len__(self) -> int:
        return self._operations

    def next(self) -> Op | None:
        """Returns the next operation to look at, or None when all is done."""
        while self._worklist:
            key = self._worklist.pop()
            if key in self._queued:
                self._queued.remove(key)
                return self._views[key]
        return None

    def replace(self, op: Op, values: Built | Callable[[], Built]) -> bool:
        """Replaces the results of ``op`` and erases it.

        Args:
            op: the operation; not to be touched afterwards.
            values: for each result its replacement, or a function that builds them, called with the
                insertion point before ``op`` and at its location.

        Returns:
            True, so that a pattern can return the call; False, and nothing changes, if ``op`` carries an
            attribute of another dialect (``sdy.sharding``), which the new operations would lose.

        Raises:
            PassError: a replacement has another type than the result.
        """
        if any("." in name for name in op.op.attributes):
            return False
        if callable(values):
            with op.op.location, ir.InsertionPoint(op.op):
                values = values()
        news = [values] if isinstance(values, ir.Value) else list(values)
        for old, new in zip(op.results, news, strict=True):
            if old.type != new.type:
                raise PassError(
                    f"{format_location(op.op.location)}: error: a pattern replaced '{op.name}' of type "
                    f"{old.type} by a value of type {new.type}"
                )
            for use in old.uses:
                self._touch(use.owner.operation)
            old.replace_all_uses_with(new)
            self._discover(new)
        self.erase(op)
        return True

    def insert(self, op: Op, build: Callable[[], Any]) -> Any:
        """Returns what ``build`` returns, called with the insertion point before ``op``, at its location."""
        with op.op.location, ir.InsertionPoint(op.op):
            return build()

    def set_operand(self, op: Op, index: int, value: ir.Value) -> bool:
        """Makes ``value`` an operand of ``op``; returns True."""
        old = op.operand(index)
        op.op.operands[index] = value
        self._discover(value)
        self.changed(op)
        self._released(old)
        return True

    def changed(self, op: Op) -> None:
        """Says that ``op`` was changed in place: it and its users are looked at again."""
        self._touch(op.op)
        for result in op.results:
            for use in result.uses:
                self._touch(use.owner.operation)

    def erase(self, op: Op) -> None:
        """Erases an operation whose results nobody uses."""
        operands = op.operands
        if len(op.op.regions):
            for inner in nested_ops(op.op):
                self._forget(inner)
        self._forget(op.op)
        op.op.erase()
        for value in operands:
            self._released(value)

    def _released(self, value: ir.Value) -> None:
        """A use of the value went away: its producer may be dead, its last user may match anew."""
        producer = self._views.get(hash(value))
        if producer is None:
            return
        self._enqueue(producer)
        uses = value.uses
        last = next(uses, None)
        if last is not None and next(uses, None) is None:
            self._touch(last.owner.operation)

    def _discover(self, value: ir.Value) -> None:
        """Puts the operations that a pattern built for this value on the worklist."""
        values = [value]
        while values:
            value = values.pop()
            if hash(value) in self._views or isinstance(value, ir.BlockArgument):
                continue
            op = value.owner.operation
            self._add(op)
            if len(op.regions):
                for inner in nested_ops(op):
                    self._add(inner)
            values += self._views[hash(value)].operands

    def _add(self, op: ir.Operation) -> None:
        view = Op(op, self._views)
        if view.results:
            self._operations += 1
            self._enqueue(view)

    def _touch(self, op: ir.Operation) -> None:
        results = op.results
        # An operation that a pattern is only building is met when its result is used.
        view = self._views.get(hash(results[0])) if len(results) else None
        if view is not None:
            view._reset()
            self._enqueue(view)

    def _enqueue(self, view: Op) -> None:
        key = hash(view.results[0])
        if key not in self._queued:
            self._queued.add(key)
            self._worklist.append(key)

    def _forget(self, op: ir.Operation) -> None:
        results = op.results
        for i in range(len(results)):
            key = hash(results[i])
            self._views.pop(key, None)
            self._queued.discard(key)


def rewrite(root: ir.Operation, patterns: PatternSet, *, max_rewrites: int | None = None) -> Counter[str]:
    """Applies the patterns inside ``root`` until none matches, and erases what is dead.

    Args:
        root: usually a module's operation; itself left alone.
        patterns: what to apply; earlier patterns are tried first.
        max_rewrites: how many rewrites before the patterns are taken to chase each other; by default
            in proportion to the number of operations.

    Returns:
        How often each pattern fired, by label; ``dead`` counts the operations erased as unused.

    Raises:
        PassError: more rewrites than ``max_rewrites``; names the patterns that fired most.
    """
    rewriter = Rewriter(root)
    limit = max(_MIN_REWRITES, _REWRITES_PER_OP * len(rewriter)) if max_rewrites is None else max_rewrites
    counts: Counter[str] = Counter()
    fired = 0
    candidates, is_pure = patterns.candidates, rewriter.effects.is_pure
    while (op := rewriter.next()) is not None:
        if _is_unused(op.results) and is_pure(op.op, op.name):
            rewriter.erase(op)
            counts["dead"] += 1
            continue
        for match_and_rewrite, label in candidates(op):
            try:
                matched = match_and_rewrite(op, rewriter)
            except NoMatch:
                continue
            if matched:
                counts[label] += 1
                fired += 1
                if fired > limit:
                    raise PassError(_runaway(counts, limit))
                break
    return counts


def _is_unused(results: list[ir.Value]) -> bool:
    if len(results) == 1:
        return next(results[0].uses, None) is None
    return all(next(value.uses, None) is None for value in results)


def _runaway(counts: Counter[str], limit: int) -> str:
    busiest = ", ".join(f"'{label}' ({n} times)" for label, n in counts.most_common(4) if label != "dead")
    return (
        f"rewriting did not end after {limit} rewrites; the patterns that fired most are {busiest}. "
        f"Two of them undo each other, or one matches its own result"
    )
