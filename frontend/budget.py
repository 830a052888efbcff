"""`jit(memory_budget=)`: what users may write, and programs that XLA plans within it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from mycc.lowering.settings import CompileSettings
from mycc.passes.rematerialize import Reached, bytes_of, reached
from mycc.source import user_line

if TYPE_CHECKING:
    from mycc.stages import Compiled, Lowered

__all__ = ["budget_text", "reach"]

# How often a program is compiled again with a smaller budget, and how much smaller than in proportion.
_TRIES = 2
_MARGIN = 0.9


def budget_text(budget: int | str | None) -> str:
    """A budget as the pass reads it; nothing for None.

    Raises:
        TypeError: it is neither a number of bytes nor text.
        ValueError: it is no amount of memory.
    """
    if budget is None:
        return ""
    if isinstance(budget, bool) or not isinstance(budget, int | str):
        raise TypeError(
            f"{user_line()}: jit takes memory_budget as a number of bytes, '512M', or '50%', got {budget!r}"
        )
    text = str(budget)
    try:
        bytes_of(text)
    except ValueError as error:
        raise ValueError(f"{user_line()}: memory_budget of jit: {error}") from None
    return text


def reach(compiled: Compiled, settings: CompileSettings | None) -> Compiled:
    """A program that XLA plans within its budget, or the one that comes nearest to it, with a warning.

    Args:
        compiled: the first attempt. What passes estimate and what XLA plans differ by its working memory.
        settings: how to compile others.
    """
    lowered = compiled.lowered
    text = lowered.traced.memory_budget
    if text.strip().endswith("%") and _report(lowered) is None:
        return compiled
    asked = target = _asked(lowered, text)
    best, used = compiled, _temporaries(compiled)
    for _ in range(_TRIES):
        if used <= asked:
            return best
        target = int(_MARGIN * target * asked / used)
        other = lowered.traced.lower(memory_budget=str(target))._compile(settings)
        needs = _temporaries(other)
        if needs >= used:
            break
        best, used = other, needs
    if used > asked:
        report = _report(best.lowered)
        added = 0.0 if report is None else report.added_flops_percent
        warnings.warn(
            f"{user_line()}: {compiled.name} needs {used:,} bytes for intermediate values, as XLA plans them, and its "
            f"memory_budget is {asked:,}: computing again saves no more (it adds {added:.0f} % of work already); raise the "
            "budget, or make the batch smaller",
            stacklevel=2,
        )
    return best


def _asked(lowered: Lowered, text: str) -> int:
    report = _report(lowered)
    return bytes_of(text) if report is None else report.budget


def _temporaries(compiled: Compiled) -> int:
    return compiled.memory_analysis()["temp"]


def _report(lowered: Lowered) -> Reached | None:
    for op in lowered.module.body.operations:
        if op.operation.name == "func.func" and op.operation.attributes["sym_name"].value == "main":
            return reached(op.operation)
    return None
