"""What must hold of a module before XLA gets it: what XLA would crash on is found here and named."""

from __future__ import annotations

from typing import Any

from mycc.dialects.callback import PREFIX, Callback
from mycc.dialects.errors import PassError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.lowering import pjrt
from mycc.passes.host import REPLACED, HostLapack

__all__ = ["check_handover"]


def check_handover(module: ir.Module, platform: str | None = None) -> Any:
    """Checks that a module can be compiled, and returns its entry function ``main``.

    Where the platform is ``cpu``, LAPACK gets what it has routines for.

    Raises:
        PassError: there is no ``main``; functions call each other in a circle, which crashes XLA; a
            transform operation of mycc was never expanded; or LAPACK is called, and the platform is another.
    """
    functions: dict[str, Any] = {}
    for op in module.body.operations:
        if op.operation.name == "func.func":
            functions[ir.StringAttr(op.attributes["sym_name"]).value] = op
    entry = functions.get("main")
    if entry is None:
        names = ", ".join(f"@{name}" for name in functions) or "none at all"
        raise PassError(f"the module has no function @main to compile; its functions are: {names}")
    calls: dict[str, dict[str, ir.Operation]] = {}
    solvers = False
    for name, function in functions.items():
        calls[name], some = _scan(function, platform)
        solvers |= some
    _refuse_cycles(calls)
    if solvers and platform == "cpu":
        HostLapack().run(module)
        pjrt.register_cpu_kernels()
    return entry


def _scan(function: Any, platform: str | None) -> tuple[dict[str, ir.Operation], bool]:
    """The functions that one calls, each with a call, and whether LAPACK may solve something in it.

    On the way, custom calls are checked.
    """
    found: list[tuple[str, Any]] = []
    solvers: list[str] = []

    # An exception would leave the walk as a RuntimeError, so what is found is looked at afterwards.
    def visit(op: Any) -> ir.WalkResult:
        name = op.name
        if name == "func.call" or name == "stablehlo.custom_call":
            found.append((name, op))
        elif name in REPLACED:
            solvers.append(name)
        return ir.WalkResult.ADVANCE

    function.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    calls: dict[str, ir.Operation] = {}
    for name, op in found:
        if name == "func.call":
            calls.setdefault(ir.FlatSymbolRefAttr(op.attributes["callee"]).value, op)
        else:
            _check_target(op, platform)
    return calls, bool(solvers)


def _check_target(op: Any, platform: str | None) -> None:
    target = ir.StringAttr(op.attributes["call_target_name"]).value
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
    if target.startswith("lapack_"):
        if platform not in (None, "cpu"):
            raise PassError(
                f"{op.location}: {target} is a routine of LAPACK, which runs on the host and not on {platform}; "
                "move the arrays there: mycc.device_put(x, mycc.devices('cpu')[0])"
            )
        pjrt.register_cpu_kernels()


def _refuse_cycles(calls: dict[str, dict[str, ir.Operation]]) -> None:
    done: set[str] = set()
    for root, callees in calls.items():
        if root in done:
            continue
        path: list[str] = [root]
        pending = [iter(callees)]
        while pending:
            callee = next(pending[-1], None)
            if callee is None:
                pending.pop()
                done.add(path.pop())
            elif callee in path:
                circle = " -> ".join(f"@{name}" for name in (*path[path.index(callee) :], callee))
                where = calls[path[-1]][callee].location
                raise PassError(
                    f"{where}: functions call each other in a circle ({circle}); write a loop instead"
                )
            elif callee in calls and callee not in done:
                path.append(callee)
                pending.append(iter(calls[callee]))
