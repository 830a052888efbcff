"""Pipelines of passes: mycc's own and MLIR's, in one text, one object, and one PassManager.

The text is MLIR's pipeline syntax, ``builtin.module(simplify,func.func(canonicalize),cse)``. MLIR's own
parser cannot name passes written in Python, so the grammar is read here, and names that mycc does not
know are handed to MLIR.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mycc.dialects.errors import PassError
from mycc.dialects.leaving import long_call
from mycc.dialects.mlir import PassManager, ir
from mycc.passes.base import Pass, Statistics, collect_statistics
from mycc.passes.diagnostics import format_error
from mycc.passes.instrument import Instrumentation, Printer, ambient

__all__ = ["Item", "NativePass", "Nested", "Pipeline"]

_MODULE = "builtin.module"
_QUIET = Instrumentation()

# MLIR runs passes with the GIL held and lets go of it only inside Python passes. Runs of two threads
# would then take each other's diagnostics and mix their dumps; one at a time loses no parallelism.
_running = threading.RLock()


@dataclass(frozen=True)
class NativePass:
    """One of MLIR's passes (or registered pipelines) with its options, as text."""

    text: str

    @property
    def name(self) -> str:
        return self.text.partition("{")[0]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Nested:
    """Native passes that run on each operation ``op_name`` of the module: ``func.func(canonicalize)``."""

    op_name: str
    items: tuple[NativePass | Nested, ...]

    def __str__(self) -> str:
        return f"{self.op_name}({','.join(map(str, self.items))})"


Item = Pass | NativePass | Nested


class Pipeline:
    """A sequence of passes over a module.

    Args:
        items: passes, other pipelines, or text: ``Pipeline([Simplify(), "func.func(canonicalize)", "cse"])``.

    Raises:
        PipelineError: a text that does not parse, or names an unknown pass or option.
    """

    def __init__(self, items: Iterable[Item | Pipeline | str] = ()) -> None:
        flat: list[Item] = []
        for item in items:
            if isinstance(item, str):
                item = Pipeline.parse(item)
            if isinstance(item, Pipeline):
                flat += item.items
            else:
                flat.append(item)
        self.items: tuple[Item, ...] = tuple(flat)

    @classmethod
    def parse(cls, text: str, *, passes: Iterable[type[Pass]] = ()) -> Pipeline:
        """Reads a pipeline.

        Args:
            text: MLIR's syntax; the outer ``builtin.module(...)`` may be left out.
            passes: pass classes known beside those in ``mycc.passes.registry``.

        Returns:
            The pipeline; ``str`` of it parses to an equal one.

        Raises:
            PipelineError: with the position under a caret.
        """
        from mycc.passes.parser import parse_pipeline

        return cls(parse_pipeline(text, tuple(passes)))

    def __str__(self) -> str:
        return f"{_MODULE}({','.join(map(str, self.items))})"

    def __repr__(self) -> str:
        return f"Pipeline({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pipeline) and self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __add__(self, other: Pipeline | Iterable[Item | str]) -> Pipeline:
        return Pipeline([self, *other])

    def run(
        self, module: ir.Module, *, instrumentation: Instrumentation | None = None, verify: bool = True
    ) -> None:
        """Rewrites the module in place, with all passes in one MLIR PassManager.

        Args:
            module: what to rewrite.
            instrumentation: what to print on stderr meanwhile; by default what an enclosing
                ``instrumenting`` block asks for, else nothing.
            verify: whether MLIR verifies the module after each pass.

        Raises:
            PassError: a native pass failed, or a pass left an invalid module; with MLIR's diagnostics. Or a pass
                met too deep a nesting.
            Exception: whatever a Python pass raises, unchanged.
        """
        if instrumentation is None:
            instrumentation = ambient() or _QUIET
        with long_call(), _running, contextlib.ExitStack() as stack:
            statistics: Statistics = {}
            if instrumentation.statistics:
                statistics = stack.enter_context(collect_statistics())
            run = _Run(module, Printer(instrumentation, module) if instrumentation.dumps else None)
            manager = PassManager(_MODULE, module.context)
            if not verify:
                manager.enable_verifier(False)
            run.add(manager, self.items)
            if instrumentation is not _QUIET:
                instrumentation.enable(manager)
            try:
                manager.run(module.operation)
            except ir.MLIRError as error:
                raise PassError(format_error(error) + run.blame()) from None
            finally:
                # MLIR prints the times when the manager dies, which must not wait for a traceback.
                del manager
                if instrumentation.statistics:
                    instrumentation.report(statistics)


class _Run:
    """The passes of one run of a pipeline, as MLIR wants them."""

    def __init__(self, module: ir.Module, printer: Printer | None) -> None:
        self._module = module
        self._printer = printer
        self._last: Pass | None = None

    def add(self, manager: PassManager, items: Iterable[Item]) -> None:
        printer = self._printer
        for item in items:
            if printer is None:
                self._add(manager, item)
                continue
            for leaf in _leaves(item):
                name = _leaf_name(leaf)
                if printer.wants_before(name):
                    _add_hook(manager, printer.before, name)
                self._add(manager, leaf)
                if printer.wants_after(name):
                    _add_hook(manager, printer.after, name)

    def blame(self) -> str:
        return f"\nnote: the last of mycc's passes that ran was '{self._last}'" if self._last else ""

    def _add(self, manager: PassManager, item: Item) -> None:
        if not isinstance(item, Pass):
            manager.add(str(item))
            return

        # `op_name` stays unset: "func.func" on this manager aborts the process.
        def run(op: ir.Operation, _: Any) -> None:
            self._last = item
            try:
                with self._module.context:
                    item.run(self._module)
            except RecursionError:
                raise PassError(
                    f"the pass '{item.name}' recurses deeper than Python allows, on loops or functions that are nested in "
                    "each other, or derivatives of them; nest fewer, or raise the limit with sys.setrecursionlimit"
                ) from None

        manager.add(run, name=item.name, argument=item.name)


def _add_hook(manager: PassManager, hook: Callable[[str], None], name: str) -> None:
    manager.add(lambda op, _: hook(name), name="print-ir", argument="print-ir")


def _leaves(item: Item) -> Iterator[Item]:
    """Splits ``func.func(a,b)`` into ``func.func(a)``, ``func.func(b)``: the module is seen in between."""
    if not isinstance(item, Nested):
        yield item
        return
    for inner in item.items:
        for leaf in _leaves(inner):
            assert not isinstance(leaf, Pass)
            yield Nested(item.op_name, (leaf,))


def _leaf_name(item: Item) -> str:
    while isinstance(item, Nested):
        item = item.items[0]
    return item.name


@lru_cache(maxsize=1024)
def check_native(anchor: str, text: str) -> str | None:
    """Returns what MLIR's parser says against a native pass on operations ``anchor``, or None."""
    # Registered pipelines (not passes) on the wrong operation abort the process instead of raising.
    if anchor != _MODULE and (text.startswith(("sdy-", "mpmd-")) or "pipeline" in text):
        return f"'{text}' runs on {_MODULE}, not on {anchor}"
    from mycc.dialects.mlir import context

    try:
        PassManager(anchor, context).add(text)
    except ValueError as error:
        return str(error)
    return None
