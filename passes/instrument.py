"""What can be watched while a pipeline runs: IR dumps, times, counters. Everything goes to stderr."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from mycc.dialects.mlir import ir

__all__ = ["Instrumentation", "Printer", "ambient", "instrumenting"]


@dataclass(frozen=True)
class Instrumentation:
    """What to show of a pipeline's run.

    Attributes:
        print_before: names of the passes before which the module is dumped.
        print_after: names of the passes after which the module is dumped.
        print_before_all: dump before every pass.
        print_after_all: dump after every pass.
        print_after_change: dump after each pass that changed the module.
        tree_printing_dir: a folder that gets one file of IR for each pass, as MLIR lays them out.
        timing: print MLIR's report of the time each pass took.
        statistics: print what the passes counted.
        elide: elements attributes with more elements than this are printed as ``...``.
        debuginfo: print locations.
    """

    print_before: tuple[str, ...] = ()
    print_after: tuple[str, ...] = ()
    print_before_all: bool = False
    print_after_all: bool = False
    print_after_change: bool = False
    tree_printing_dir: str | None = None
    timing: bool = False
    statistics: bool = False
    elide: int | None = None
    debuginfo: bool = False

    @property
    def dumps(self) -> bool:
        """Whether any module is dumped to stderr."""
        return bool(
            self.print_before
            or self.print_after
            or self.print_before_all
            or self.print_after_all
            or self.print_after_change
        )

    def enable(self, manager: Any) -> None:
        """Turns on in a PassManager what MLIR does itself."""
        if self.timing:
            manager.enable_timing()
        if self.tree_printing_dir is not None:
            manager.enable_ir_printing(
                print_after_all=True,
                large_elements_limit=self.elide,
                enable_debug_info=self.debuginfo,
                tree_printing_dir_path=self.tree_printing_dir,
            )

    def report(self, statistics: Mapping[str, Counter[str]]) -> None:
        """Prints the counters, in the layout of MLIR's own report."""
        rule = f"===-{'-' * 73}-==="
        lines = [rule, "... Pass statistics report ...".center(len(rule)).rstrip(), rule]
        for name, counters in statistics.items():
            lines.append(name)
            lines += [f"  (S) {number:6} {what}" for what, number in counters.most_common()]
        print("\n".join(lines), file=sys.stderr)


_ambient: ContextVar[Instrumentation | None] = ContextVar("mycc_instrumentation", default=None)


def ambient() -> Instrumentation | None:
    """What an enclosing :func:`instrumenting` asks for, if there is one."""
    return _ambient.get()


@contextlib.contextmanager
def instrumenting(instrumentation: Instrumentation) -> Iterator[None]:
    """Shows every pipeline that runs inside the block and is not told otherwise.

    Example::

        with instrumenting(Instrumentation(print_after_change=True)):
            mycc.jit(f)(x)
    """
    token = _ambient.set(instrumentation)
    try:
        yield
    finally:
        _ambient.reset(token)


class Printer:
    """The dumps of one run. MLIR's own printing knows no names, and aborts the process at module scope
    while the context is multi-threaded, so these are passes between the passes."""

    def __init__(self, instrumentation: Instrumentation, module: ir.Module) -> None:
        self._what = instrumentation
        self._module = module
        self._last = self._text() if instrumentation.print_after_change else ""
        name = module.operation.attributes.get("sym_name", None)
        self._whose = "" if name is None else f" ('builtin.module' operation: @{ir.StringAttr(name).value})"

    def wants_before(self, name: str) -> bool:
        return self._what.print_before_all or name in self._what.print_before

    def wants_after(self, name: str) -> bool:
        what = self._what
        return what.print_after_all or what.print_after_change or name in what.print_after

    def before(self, name: str) -> None:
        """Dumps the module as it is before the pass."""
        self._dump(f"IR Dump Before {name}", self._text())

    def after(self, name: str) -> None:
        """Dumps the module as it is after the pass, if that is wanted and news."""
        text = self._text()
        what = self._what
        changed, self._last = text != self._last, text
        if what.print_after_all or name in what.print_after or (what.print_after_change and changed):
            self._dump(f"IR Dump After {name}", text)

    def _dump(self, title: str, text: str) -> None:
        print(f"// -----// {title}{self._whose} //----- //\n{text}\n", file=sys.stderr)

    def _text(self) -> str:
        # An invalid module is what a dump is most wanted for; the generic form prints any.
        what = self._what
        text = self._module.operation.get_asm(
            large_elements_limit=what.elide, enable_debug_info=what.debuginfo
        )
        return str(text).rstrip("\n")
