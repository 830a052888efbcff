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
import functools
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

from mycc.dialects.errors import PassError
from mycc.dialects.mlir import ir
from mycc.passes.diagnostics import format_location
from mycc.passes.effects import Effects
from mycc.passes.symbols import callees, is_public
from mycc.passes.view import NoMatch, Op, has_one_use, static_shape

__all__ = [
    "NoMatch",
    "Op",
    "Pattern",
    "PatternSet",
    "Rewriter",
    "has_one_use",
    "may_hold_program",
    "rewrite",
    "static_shape",
]

Built: TypeAlias = "ir.Value | Sequence[ir.Value]"

# A pattern fires a few times for each operation at most; sets that run away are stopped here.
_REWRITES_PER_OP = 32
_MIN_REWRITES = 10_000

# Which patterns may match is not remembered for operations with more operands (concatenate).
_MAX_KEY = 1 + 4

_REFERRING = frozenset({"func.call", "stablehlo.custom_call", "stablehlo.composite"})
# Attributes that count operands or results.
_PLACED = re.compile(r"sdy\.|mhlo\.sharding")

_PROGRAMS = frozenset({"stablehlo.case", "stablehlo.if", "stablehlo.while"})


@functools.cache
def may_hold_program(name: str) -> bool:
    """Whether regions of such operations, if any, are programs and not scalar functions as in a reduce."""
    return name in _PROGRAMS or name.partition(".")[0] not in ("stablehlo", "chlo")


class Pattern(abc.ABC):
    """A rewrite of one operation and what surrounds it. The docstring's first line says what it does."""

    op_names: ClassVar[tuple[str, ...]]
    """The operations that the pattern starts from. They must have results."""

    producers: ClassVar[tuple[str, ...]] = ()
    """Operations of which one must define an operand, or the pattern is not even tried; () for any."""

    producers_define: ClassVar[Literal["any", "first", "all"]] = "any"
    """Which operands one of the ``producers`` must define."""

    differs: ClassVar[str] = ""
    """In what the result may differ for floats; "" where it is the same to the bit."""

    @abc.abstractmethod
    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        """Rewrites through the rewriter and returns True, or leaves everything alone and returns False."""

    def may_match(self, name: str, producers: tuple[str, ...]) -> bool:
        """Whether to try the pattern on operations of a name, by the names of their operands' producers.

        Asked once for each combination, so that an operation costs nothing where a pattern does not apply.
        """
        if not self.producers:
            return True
        if self.producers_define == "first":
            producers = producers[:1]
        elif self.producers_define == "all":
            return set(producers) <= set(self.producers)
        return not set(producers).isdisjoint(self.producers)

    @property
    def label(self) -> str:
        """The name in statistics: ``TransposeOfDot`` counts as ``transpose-of-dot``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__.strip("_")).lower()


Candidate: TypeAlias = "tuple[Callable[[Op, Rewriter], bool], str]"


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
        if op.name not in self._by_name:
            return ()
        producers = op._producers
        if producers is None:
            key = op._read()
        else:
            key = (op.name, *["" if p is None else p.name for p in producers])
        found = self._candidates.get(key)
        if found is None:
            found = tuple(
                (p.match_and_rewrite, p.label) for p in self._by_name[op.name] if p.may_match(key[0], key[1:])
            )
            if len(key) <= _MAX_KEY:
                self._candidates[key] = found
        return found


class Rewriter:
    """What patterns change the IR with. New operations take the location of the one they replace."""

    def __init__(self, root: ir.Operation, module: ir.Operation | None = None) -> None:
        self._root = root
        # The hash of a value is its address; that of an operation depends on its operands, so operations
        # go by their results, and those without any are not looked at. Keys leave the table before
        # their operation is erased: an address used again is never mistaken for its former owner.
        self._views: dict[int, Op] = {}
        self._worklist: list[Op] = []
        self._effects = Effects(module or root)
        self._calls: dict[str, deque[Op]] | None = None
        self._functions: dict[str, ir.Operation] = {}
        # Functions whose signature somebody else relies on.
        self._fixed: set[str] = set()
        self.seen = 0

    def __iter__(self) -> Iterator[Op]:
        """Yields the operations in program order, and between them what rewrites have put on the worklist.

        An operation comes after those that it uses and those in its regions. So rewrites only ever erase
        what has been yielded, and the users of what they replace have mostly not been read yet.
        """
        for region in self._root.regions:
            for block in region.blocks:
                yield from self._sweep(block)
        # Where no pattern cared to read a user, there may be none.
        for view in list(self._views.values()):
            if not view._users and _is_unused(view):
                view._suspect = True
                self._enqueue(view)
        yield from self._pending()
        yield from self._call_by_call()
        # Views and their users hold each other: without this the garbage collector has all of them to find.
        for view in self._views.values():
            view._users.clear()
        self._views.clear()

    def _sweep(self, block: ir.Block) -> Iterator[Op]:
        for each in list(block.operations):
            op = each.operation
            name = op.name
            if may_hold_program(name):
                for region in op.regions:
                    for inner in region.blocks:
                        yield from self._sweep(inner)
            view = Op(op, name, self._views)
            if view._results != []:
                self.seen += 1
                yield view
            elif name in _REFERRING:
                self._fixed.update(callees(op))
            if self._worklist:
                yield from self._pending()

    def _call_by_call(self) -> Iterator[Op]:
        """Yields the first call of each function, now that all calls are known."""
        # A view is there once for each result.
        referring = dict.fromkeys(v for v in self._views.values() if v.name in _REFERRING)
        if self._root.name != "builtin.module" or all(v.name != "func.call" for v in referring):
            return
        functions = [each.operation for each in self._root.regions[0].blocks[0].operations]
        self._functions = {
            f.attributes["sym_name"].value: f
            for f in functions
            if f.name == "func.func" and not is_public(f) and len(f.regions[0].blocks) == 1
        }
        calls: dict[str, deque[Op]] = {}
        for view in referring:
            attributes = view.op.attributes
            if view.name == "func.call" and not _PLACED.search("".join(attributes)):
                symbol = attributes["callee"].value
                if symbol in calls:
                    calls[symbol].append(view)
                else:
                    calls[symbol] = deque([view])
            else:
                self._fixed.update(callees(view.op))
        self._calls = {s: v for s, v in calls.items() if s in self._functions and s not in self._fixed}
        for symbol in self._calls:
            self._enqueue(self._calls[symbol][0])
        yield from self._pending()

    def _pending(self) -> Iterator[Op]:
        worklist = self._worklist
        while worklist:
            view = worklist.pop()
            view._queued = False
            if not view._erased:
                yield view

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
        if "." in "".join(op.op.attributes):
            return False
        if callable(values):
            with op.op.location, ir.InsertionPoint(op.op):
                values = values()
        news = [values] if isinstance(values, ir.Value) else list(values)
        for user in op._users:
            user._producers = None
            self._enqueue(user)
        for old, new in zip(op.results, news, strict=True):
            if old.type != new.type:
                raise PassError(
                    f"{format_location(op.op.location)}: error: a pattern replaced '{op.name}' of type "
                    f"{old.type} by a value of type {new.type}"
                )
            old.replace_all_uses_with(new)
            self._discover(new)
        self.erase(op)
        return True

    def insert(self, op: Op, build: Callable[[], Any]) -> Any:
        """Returns what ``build`` returns, called with the insertion point before ``op``, at its location."""
        with op.op.location, ir.InsertionPoint(op.op):
            return build()

    def update(
        self, op: Op, operands: Mapping[int, ir.Value], attributes: Mapping[str, ir.Attribute] | None = None
    ) -> bool:
        """Changes operands and attributes of ``op``, by index and name; returns True.

        What the operation computes must stay the same. Much cheaper than to ``replace`` it by another.
        """
        producers = op.producers()
        freed = [(op.operands[index], producers[index]) for index in operands]
        for index, value in operands.items():
            op.op.operands[index] = op.operands[index] = value
            self._discover(value)
            producer = producers[index] = self._views.get(hash(value))
            if producer is not None:
                producer._users.append(op)
        for name, attribute in (attributes or {}).items():
            op.op.attributes[name] = attribute
        op._attributes = op.note = None
        self._enqueue(op)
        for user in op._users:
            self._enqueue(user)
        self._released(freed)
        return True

    def again(self, op: Op) -> bool:
        """Puts an operation back on the worklist after its regions have changed; returns True."""
        self._enqueue(op)
        return True

    def is_pure(self, op: ir.Operation) -> bool:
        """Whether an operation does nothing but compute its results."""
        return self._effects.is_pure(op, op.name)

    def replace_value(self, old: ir.Value, new: ir.Value) -> None:
        """Lets all users of a block's argument, or of one of several results, use another value."""
        for use in old.uses:
            user = self._view_of(use.owner.operation)
            if user is not None:
                user._producers = None
                self._enqueue(user)
        old.replace_all_uses_with(new)
        self._discover(new)

    def moved(self, block: ir.Block) -> None:
        """Lets what uses a block's arguments read them anew, after the block has got another operation around it."""
        for argument in block.arguments:
            for use in argument.uses:
                user = self._view_of(use.owner.operation)
                if user is not None:
                    user._producers = None

    def calls(self, op: Op) -> tuple[ir.Operation, list[Op]] | None:
        """The private function that a call calls, and all its calls.

        Returns:
            None for any but the first call; while they are not all known; and if what the function takes and
            returns cannot be changed, since something else refers to it.
        """
        if self._calls is None:
            return None
        symbol = op.op.attributes["callee"].value
        first = self._first(symbol)
        if first is op:
            return self._functions[symbol], [call for call in self._calls[symbol] if not call._erased]
        if first is not None:
            self._enqueue(first)
        return None

    def _first(self, symbol: str) -> Op | None:
        """The first call of a private function that is only called."""
        calls = (self._calls or {}).get(symbol, ())
        while calls and calls[0]._erased:
            calls.popleft()
        return calls[0] if calls else None

    def end(self, block: ir.Block, values: Sequence[ir.Value]) -> None:
        """Lets a block's terminator return other values."""
        old = block.operations[len(block.operations) - 1].operation
        freed = [(value, self._views.get(hash(value))) for value in old.operands]
        with old.location, ir.InsertionPoint(old):
            ir.Operation.create(old.name, [], list(values))
        old.erase()
        self._released(freed)

    def erase_operations(self, doomed: Sequence[ir.Operation]) -> None:
        """Erases operations of one block, in its order, whose results nobody else uses."""
        for op in reversed(doomed):
            view = self._view_of(op)
            if view is not None:
                self.erase(view)

    def _view_of(self, op: ir.Operation) -> Op | None:
        results = op.results
        return self._views.get(hash(results[0])) if len(results) else None

    def erase(self, op: Op) -> None:
        """Erases an operation whose results nobody uses."""
        doomed = [op]
        if may_hold_program(op.name):
            doomed = self._inside(op.op)
        freed: list[tuple[ir.Value, Op | None]] = []
        for view in doomed:
            producers = view.producers()
            freed += zip(view.operands, producers, strict=True)
            view._erased = True
            view._users.clear()
            for value in view.results:
                del self._views[hash(value)]
        op.op.erase()
        self._released(freed)

    def _inside(self, op: ir.Operation) -> list[Op]:
        """The views of an operation and of those in its regions."""
        found: list[Op] = []

        def visit(inner: ir.Operation) -> Any:
            view = self._view_of(inner.operation)
            if view is not None:
                found.append(view)
            return ir.WalkResult.ADVANCE

        op.walk(visit, ir.WalkOrder.POST_ORDER)
        return found

    def _released(self, freed: Iterable[tuple[ir.Value, Op | None]]) -> None:
        """Uses of the values went away: a producer may be dead, the last user of one may match anew."""
        for value, producer in freed:
            if producer is None or producer._erased:
                if self._calls is not None and isinstance(value, ir.BlockArgument):
                    self._freed(value)
                continue
            uses = value.uses
            if next(uses, None) is None:
                producer._suspect = True
                self._enqueue(producer)
            elif next(uses, None) is None:
                for user in producer._users:
                    self._enqueue(user)

    def _freed(self, argument: ir.BlockArgument) -> None:
        """An argument may be unused now: its function is looked at once more."""
        function = argument.owner.owner.operation
        first = self._first(function.attributes["sym_name"].value) if function.name == "func.func" else None
        if first is not None:
            self._enqueue(first)

    def _discover(self, value: ir.Value) -> None:
        """Puts the operations that a pattern built for this value on the worklist."""
        values = [value]
        while values:
            value = values.pop()
            if hash(value) in self._views or isinstance(value, ir.BlockArgument):
                continue
            op = value.owner.operation
            view = Op(op, op.name, self._views)
            self.seen += 1
            self._enqueue(view)
            if self._calls is not None and view.name == "func.call":
                calls = self._calls.get(op.attributes["callee"].value)
                if calls is not None:
                    calls.append(view)
            # Not `view.operands`: the producers have no views yet.
            values += op.operands

    def _enqueue(self, view: Op) -> None:
        if not view._queued and not view._erased:
            view._queued = True
            self._worklist.append(view)


def rewrite(
    root: ir.Operation,
    patterns: PatternSet,
    *,
    module: ir.Operation | None = None,
    max_rewrites: int | None = None,
) -> Counter[str]:
    """Applies the patterns inside ``root`` until none matches, and erases what is dead.

    Args:
        root: usually a module's operation; itself left alone.
        patterns: what to apply; earlier patterns are tried first.
        module: where called functions are looked up; by default ``root``.
        max_rewrites: how many rewrites before the patterns are taken to chase each other; by default
            in proportion to the number of operations.

    Returns:
        How often each pattern fired, by label; ``dead`` counts the operations erased as unused.

    Raises:
        PassError: more rewrites than ``max_rewrites``; names the patterns that fired most.
    """
    rewriter = Rewriter(root, module)
    counts: Counter[str] = Counter()
    fired = dead = 0
    candidates, is_pure = patterns.candidates, rewriter._effects.is_pure
    for op in rewriter:
        if op._suspect and _is_unused(op) and is_pure(op.op, op.name):
            rewriter.erase(op)
            dead += 1
            continue
        for match_and_rewrite, label in candidates(op):
            try:
                matched = match_and_rewrite(op, rewriter)
            except NoMatch:
                continue
            if matched:
                counts[label] += 1
                fired += 1
                limit = max(_MIN_REWRITES, _REWRITES_PER_OP * rewriter.seen)
                if fired > (limit if max_rewrites is None else max_rewrites):
                    raise PassError(_runaway(counts, fired - 1))
                break
    if dead:
        counts["dead"] = dead
    return counts


def _is_unused(op: Op) -> bool:
    return all(next(value.uses, None) is None for value in op.results)


def _runaway(counts: Counter[str], limit: int) -> str:
    busiest = ", ".join(f"'{label}' ({n} times)" for label, n in counts.most_common(4) if label != "dead")
    return (
        f"rewriting did not end after {limit} rewrites; the patterns that fired most are {busiest}. "
        f"Two of them undo each other, or one matches its own result"
    )
