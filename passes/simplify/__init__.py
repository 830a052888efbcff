"""The algebra that tracing, differentiation and batching leave behind.

One file of patterns for each kind: ``constants``, ``algebra``, ``logic``; ``shape``, ``movement``;
``dot``, ``convolution``, ``reduce``, ``windows``; ``slices``, ``pads``, ``pieces``, ``gather``, ``scatter``; ``loops``,
``carries``, ``trips``; ``functions``.
To add one, write a small class there, list it in the file's ``PATTERNS``, and give it a test in
``tests/passes/simplify``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mycc.dialects.mlir import ir
from mycc.passes.base import Pass, did_you_mean, option
from mycc.passes.pattern import Pattern, PatternSet, rewrite
from mycc.passes.simplify import (
    algebra,
    carries,
    constants,
    convolution,
    dot,
    functions,
    gather,
    logic,
    loops,
    movement,
    pads,
    pieces,
    reduce,
    scatter,
    shape,
    slices,
    trips,
    windows,
)  # fmt: skip

__all__ = ["INEXACT", "PATTERNS", "Simplify"]

PATTERNS: tuple[Pattern, ...] = (
    *constants.PATTERNS,
    *algebra.PATTERNS,
    *logic.PATTERNS,
    *shape.PATTERNS,
    *movement.PATTERNS,
    *dot.PATTERNS,
    *convolution.PATTERNS,
    *reduce.PATTERNS,
    *slices.PATTERNS,
    *pads.PATTERNS,
    *pieces.PATTERNS,
    *gather.PATTERNS,
    *scatter.PATTERNS,
    *windows.PATTERNS,
    *loops.PATTERNS,
    *carries.PATTERNS,
    *trips.PATTERNS,
    *functions.PATTERNS,
)


INEXACT = tuple(p.label for p in PATTERNS if p.differs)
"""The patterns whose result may differ for floats, in a way that their ``differs`` names."""


@dataclass(frozen=True)
class Simplify(Pass):
    """Simplifies arithmetic, shapes, contractions, reductions, slices, loops and functions; removes what is dead.

    Floats stay the same to the bit. With ``inexact`` the patterns of ``INEXACT`` work as well, and change what they
    say of themselves: the sign of a zero and the order of a sum, which StableHLO's ``reduce`` and XLA leave open, and
    the last bits of some powers. Each operation takes the location of the one that it replaces. Statistics count how
    often each pattern fired.

    Example::

        Pipeline([Simplify(), "cse"]).run(module)
    """

    name = "simplify"

    disable: tuple[str, ...] = option((), help="patterns to leave out, by the names that statistics show")
    inexact: bool = option(
        False, help="also the patterns that may change a float's last bits or a zero's sign"
    )

    def __post_init__(self) -> None:
        known = {p.label for p in PATTERNS}
        for label in self.disable:
            if label not in known:
                raise ValueError(f"no pattern '{label}'{did_you_mean(label, known)}")

    def run(self, module: ir.Module) -> None:
        patterns = _patterns((*self.disable, *(() if self.inexact else INEXACT)))
        for label, number in rewrite(module.operation, patterns).items():
            self.count(label, number)


@lru_cache(maxsize=64)
def _patterns(disable: tuple[str, ...]) -> PatternSet:
    return PatternSet(p for p in PATTERNS if p.label not in disable)
