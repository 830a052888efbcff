"""The named pipelines: what happens to a module between the tracer and XLA, as lists that read top to bottom."""

from __future__ import annotations

from functools import lru_cache

from mycc.dialects import manual
from mycc.dialects.callback import PREFIX
from mycc.dialects.errors import MyccError, PassError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.dialects.transform import AUTODIFF, match, target_of
from mycc.lowering.switches import switched_on
from mycc.passes.autodiff import Autodiff
from mycc.passes.batch import Batch
from mycc.passes.components import Components
from mycc.passes.decompose import Decompose
from mycc.passes.diagnostics import format_error
from mycc.passes.expand import EXPANDED, Expand
from mycc.passes.fuse import Fuse
from mycc.passes.groups import Groups
from mycc.passes.keep import Keep
from mycc.passes.outline import Outline
from mycc.passes.pipeline import Pipeline
from mycc.passes.rematerialize import Rematerialize
from mycc.passes.resolve import Resolve
from mycc.passes.shares import Shares
from mycc.passes.simplify import Simplify
from mycc.passes.symbols import Symbols, callees

__all__ = ["check_expanded", "default_pipeline", "run_default", "transforms"]

# By itself `inline` would canonicalize each function that it is about to take apart.
_INLINE = "inline{default-pipeline= }"


@lru_cache
def _cleanup(inexact: bool, fuse: bool) -> Pipeline:
    # What takes arrays apart and places barriers knows XLA's host backend; that of GPUs does better without.
    clusters = [Components(), Fuse(annotate=False)] if fuse else []
    return Pipeline([Keep(), _INLINE, "cse", Simplify(inexact=inexact), "cse", *clusters])


def transforms(module: ir.Module) -> Pipeline:
    """The passes that expand every transform operation of a module: as many rounds as transforms nest."""
    return _expansion(Symbols(module))


def _expansion(symbols: Symbols) -> Pipeline:
    rounds = [Autodiff() if n % 2 == 0 else Batch() for n in range(_rounds(symbols))]
    return Pipeline([Outline(), *rounds] if rounds else [])


def default_pipeline(
    module: ir.Module, *, decompose: bool = True, fuse: bool = True, memory_budget: str = ""
) -> Pipeline:
    """What `jit` runs on a traced module before it is handed to XLA.

    `simplify` may change the last bits of floats there (``inexact``), unless the environment says ``MYCC_EXACT=1``.

    Args:
        module: the module.
        decompose: whether composites go, and with them the derivative rules of their own; what is exported
            keeps them.
        fuse: whether clusters are chosen, which depends on the sizes and is for the host.
        memory_budget: what intermediate values may take, as the pass `rematerialize` reads it. All calls are then
            inlined, since what is kept from one to another is what most of the memory is for.
    """
    symbols = Symbols(module)
    expand = _expansion(symbols)
    # What is only a name for other operations is rare, and unknown to XLA in part.
    rare = [] if EXPANDED.isdisjoint(symbols.names) else [Expand()]
    composites = [Decompose()] if decompose and _has_composites(symbols) else []
    groups = [Shares(), Groups()] if manual.NAME in symbols.names else []
    cleanup = _cleanup(not switched_on("MYCC_EXACT", default=False), fuse)
    if memory_budget:
        cleanup = Pipeline([*(item for item in cleanup if item != Keep()), Rematerialize(memory_budget)])
    return Pipeline([*rare, expand, *composites, "symbol-dce", *groups, Resolve(), cleanup])


def _has_composites(symbols: Symbols) -> bool:
    return "stablehlo.composite" in symbols.names


def run_default(module: ir.Module, memory_budget: str = "", platform: str = "cpu") -> None:
    """Run the default pipeline in place; the module is verified once, at the end, and not after each pass.

    Args:
        module: what to rewrite.
        memory_budget: what intermediate values may take.
        platform: where it is to run.

    Raises:
        PassError: a pass failed, or left an invalid module.
    """
    pipeline = default_pipeline(module, fuse=platform == "cpu", memory_budget=memory_budget)
    pipeline.run(module, verify=False)
    try:
        module.operation.verify()
    except ir.MLIRError as error:
        raise PassError(format_error(error)) from None


def _rounds(symbols: Symbols) -> int:
    """How often autodiff and batch must alternate: odd rounds, counted from one, are autodiff's, even ones batch's."""
    done_after: dict[str, int] = {}
    order = symbols.callee_first()
    # Once more, since rules may refer to themselves, so that some callees come after their callers.
    for symbol in order * (2 if _has_composites(symbols) else 1):
        last = 0
        for op in symbols.referring(symbol):
            for callee in callees(op):
                ready = done_after.get(callee, 0)
                transform = match(op)
                if transform is not None:
                    # Transforms of one kind expand in one round, the inner ones first.
                    own = 1 if transform.kind in AUTODIFF else 2
                    ready = max(ready, own) + (max(ready, own) - own) % 2
                last = max(last, ready)
        done_after[symbol] = last
    return max(done_after.values(), default=0)


def check_expanded(module: ir.Module, *, decomposed: bool = True) -> None:
    """Refuse a module that still holds an operation of mycc's dialect.

    Args:
        module: the module.
        decomposed: whether composites are refused as well.

    Raises:
        MyccError: with the operation and its line; XLA knows none of them.
    """
    symbols = Symbols(module)
    for op in (op for symbol in symbols.functions for op in symbols.referring(symbol)):
        if op.name == "stablehlo.composite" and not decomposed:
            continue
        target = target_of(op)
        if target.startswith("mycc.") and not target.startswith(PREFIX):
            raise MyccError(
                f"{describe(op.location)}: '{target}' is left in the module after its expansion; "
                "run the passes autodiff, batch and resolve before handing it to XLA (a custom rule cannot transform the "
                "function that it belongs to)"
            )
