"""What must hold of a module before XLA gets it: what XLA would crash on is found here and named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mycc.dialects.callback import PREFIX, Callback
from mycc.dialects.errors import ModuleError, PassError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.lowering import pjrt
from mycc.passes.cuda_solvers import HYBRID, CudaSolvers
from mycc.passes.fuse import STORED
from mycc.passes.host import REPLACED, HostLapack
from mycc.passes.in_turn import LapackInTurn
from mycc.passes.symbols import Symbols, called

__all__ = ["Handover", "check_handover", "refuse_cycles"]

_LAPACK = "lapack_"
_GPU = ("cuda", "gpu")
_BARRIER = "stablehlo.optimization_barrier"
_AROUND = frozenset({"stablehlo.case", "stablehlo.if", "stablehlo.while"})
# On the host XLA compiles small loops with an emitter that crashes on barriers.
_SMALL_LOOPS = "small-while-loop-hoisting"
_CONVOLUTION = "stablehlo.convolution"
# The library that XLA gives what it can runs a convolution on one thread; XLA's own code uses all of them.
_NO_LIBRARY_CONVOLUTIONS = (
    "xla_cpu_experimental_ynn_fusion_type",
    "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE",
)


@dataclass(frozen=True, slots=True)
class Handover:
    """A module that can be compiled.

    Args:
        entry: its function ``main``.
        disabled: the passes that XLA must leave out.
        flags: the flags of XLA that suit what is in it.
    """

    entry: Any
    disabled: tuple[str, ...] = ()
    flags: tuple[tuple[str, str], ...] = ()


def check_handover(module: ir.Module, platform: str | None = None) -> Handover:
    """Checks that a module can be compiled.

    Where the platform is ``cpu``, LAPACK gets what it has routines for, and its calls wait for each other where jaxlib
    needs that. Where it is a GPU, the GPU's libraries get LAPACK's calls. Barriers in the bodies of reductions, sorts
    and the like, where they mean nothing, are dropped: XLA crashes on them. So are those of the pass `fuse` where it is
    not the host, whose fusions it knows.

    Raises:
        PassError: there is no ``main``; functions call each other in a circle, which crashes XLA; a
            transform operation of mycc was never expanded; or LAPACK is called for what the platform has no routine.
    """
    functions: dict[str, Any] = {}
    for op in module.body.operations:
        if op.operation.name == "func.func":
            functions[ir.StringAttr(op.attributes["sym_name"]).value] = op
    entry = functions.get("main")
    if entry is None:
        names = ", ".join(f"@{name}" for name in functions) or "none at all"
        raise PassError(f"the module has no function @main to compile; its functions are: {names}")
    refuse_cycles(Symbols(module))
    if platform in _GPU:
        CudaSolvers().run(module)
    found: set[str] = set()
    barriers: list[Any] = []
    for function in functions.values():
        _scan(function, platform, found, barriers)
    if HYBRID in found:
        pjrt.prepare_hybrid_kernels()
    if platform != "cpu":
        return Handover(entry)
    if not found.isdisjoint(REPLACED):
        HostLapack().run(module)
        pjrt.register_cpu_kernels()
        found.add(_LAPACK)
    if _LAPACK in found and pjrt.LAPACK_WAITS_FOR_THREADS:
        LapackInTurn().run(module)
    # A function that is called may be called in a loop.
    inside = any(op.operation.parent != entry for op in barriers) and "stablehlo.while" in found
    return Handover(
        entry,
        disabled=(_SMALL_LOOPS,) if inside else (),
        flags=(_NO_LIBRARY_CONVOLUTIONS,) if _CONVOLUTION in found else (),
    )


_NOTED = REPLACED | {"stablehlo.while", _CONVOLUTION}


def _scan(function: Any, platform: str | None, names: set[str], barriers: list[Any]) -> None:
    """Check the custom calls of a function, and drop barriers without meaning.

    Args:
        names: gets which noted operations there are, and ``lapack_`` and ``cuhybrid_`` if one of their routines is
            called.
        barriers: gets the barriers that stay.
    """
    found: list[Any] = []
    met: list[Any] = []

    # An exception would leave the walk as a RuntimeError, so what is found is looked at afterwards.
    def visit(op: Any) -> ir.WalkResult:
        if op.name == "stablehlo.custom_call":
            found.append(op)
        elif op.name == _BARRIER:
            met.append(op)
        elif op.name in _NOTED:
            names.add(op.name)
        return ir.WalkResult.ADVANCE

    function.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    for op in found:
        target = _check_target(op, platform)
        names.update(prefix for prefix in (_LAPACK, HYBRID) if target.startswith(prefix))
    for op in met:
        if _is_control(op) and (platform in (None, "cpu") or STORED not in op.attributes):
            barriers.append(op)
            continue
        for result, operand in zip(op.results, op.operands, strict=True):
            result.replace_all_uses_with(operand)
        op.erase()


def _is_control(op: Any) -> bool:
    """Whether an operation stands in functions, loops and branches only."""
    around = op.operation.parent.operation
    while around.name in _AROUND:
        around = around.parent.operation
    return bool(around.name == "func.func")


def _check_target(op: Any, platform: str | None) -> str:
    target: str = ir.StringAttr(op.attributes["call_target_name"]).value
    if target.startswith(PREFIX):
        raise PassError(
            f"{describe(op.location)}: the program calls the Python function '{Callback(op).name}', which this process does "
            "not have: a module with host callbacks runs only in the process that traced it"
        )
    if target.startswith("mycc."):
        raise PassError(
            f"{op.location}: {target} is still in the module and XLA cannot run it; "
            "add the pass that expands it (autodiff, batch, resolve) to the pipeline"
        )
    if target.startswith(_LAPACK):
        if platform not in (None, "cpu"):
            raise PassError(
                f"{describe(op.location)}: {target} is a routine of LAPACK, which runs on the host, and {platform} has none "
                "that does the same; move the arrays to the host: mycc.device_put(x, mycc.devices('cpu')[0])"
            )
        pjrt.register_cpu_kernels()
    return target


def refuse_cycles(symbols: Symbols) -> None:
    """Refuses functions that call each other in a circle, which crashes XLA, and passes that expand calls.

    Rules of composites may refer to themselves: each derivative of one is another function.

    Raises:
        ModuleError: with the circle and the line of one of its calls.
    """
    done: set[str] = set()
    for root in symbols.functions:
        if root in done:
            continue
        path: dict[str, None] = {root: None}
        pending = [iter(_calls(symbols, root))]
        while pending:
            callee = next(pending[-1], None)
            if callee is None:
                pending.pop()
                done.add(path.popitem()[0])
            elif callee in path:
                names = list(path)
                circle = " -> ".join(f"@{name}" for name in (*names[names.index(callee) :], callee))
                where = next(op for op in symbols.referring(names[-1]) if callee in called(op)).location
                raise ModuleError(
                    f"{describe(where)}: functions call each other in a circle ({circle}); write a loop instead"
                )
            elif callee not in done:
                path[callee] = None
                pending.append(iter(_calls(symbols, callee)))


def _calls(symbols: Symbols, symbol: str) -> list[str]:
    return [c for op in symbols.referring(symbol) for c in called(op) if c in symbols.functions]
