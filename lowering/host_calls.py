"""Callbacks as XLA takes them: custom calls that it knows, in a copy of the module.

In a program for one device, what has effects is threaded by a token, so that it runs in the order of the program. On
several devices there is no such order, as there is none in JAX. There a function that is called by all of them together
gets whole arrays, on the first device; one that is called inside of `shard_map` or `pmap` is called on each, with its
parts. None of them may end its device's part of the program while others wait for it in a collective: where a function
raises, zeros stand for its results, and the error is raised when all devices are done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.dialects import manual, ops
from mycc.dialects.callback import Callback, match
from mycc.dialects.errors import PassError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.shardy import SHARDING, constraint, mesh_axes, on_first_device, tensor_sharding
from mycc.dialects.types import dtype_of, token
from mycc.lowering import pjrt
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.callbacks import HostFunction, call_of, callbacks_in, functions_of, is_any_known
from mycc.passes.pipeline import Pipeline
from mycc.passes.symbols import Symbols, copy_module
from mycc.passes.thread import Thread

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A module as XLA takes it.

    Args:
        module: a copy of the program's, in which callbacks are custom calls that XLA knows.
        calls: what these call, by position.
        functions: the users' functions behind them, to be kept as long as the executable.
        failures: where several devices run it, gets what stands for each error that a function raises.
    """

    module: ir.Module
    calls: tuple[Callable[..., tuple[Any, ...]], ...]
    functions: tuple[HostFunction, ...]
    failures: list[RuntimeError]


def prepare(module: ir.Module, platform: str, devices: int = 1, replicas: int = 1) -> Prepared | None:
    """Hand a module's callbacks to XLA; None if it has none.

    Args:
        module: the program.
        platform: where it is to run.
        devices: on how many devices at once.
        replicas: how many of them run a copy of the program, and not a partition.

    Raises:
        PassError: a callback stands where XLA cannot run it, this process does not have its function, or it is to keep
            an order that several devices do not have.
    """
    if not is_any_known() or not callbacks_in(module):
        return None
    copy = copy_module(module)
    if devices > 1:
        _inline(copy)
    found = callbacks_in(copy)
    functions = functions_of(copy)
    target = pjrt.callback_target(platform)
    if target is None:
        raise PassError(
            f"{describe(found[0].op.location)}: '{found[0].name}' is to be called from a program for {platform}, which cannot "
            "call Python functions here; run it on the CPU (mycc.jit(f, device=mycc.devices('cpu')[0]))"
        )
    for callback in found:
        _refuse_misplaced(callback)
        if devices > 1 and callback.ordered:
            raise PassError(
                f"{describe(callback.op.location)}: '{callback.name}' is called in order (ordered=True) by a program for "
                f"{devices} devices, which run side by side; leave ordered out, or run the program on one device"
            )
    failures: list[RuntimeError] = []
    handing = _Handing(target, _mesh(copy) if devices > replicas else None, failures if devices > 1 else None)
    with context, copy.operation.location:
        if devices == 1:
            # Those that may come in any order take the token, too: all of them hold Python's lock, so there is nothing
            # to be won by running two at once, and output that is the same at every run is easier to read.
            Thread(Symbols(copy), _has_effect, handing.in_order).run(hlo.create_token, returned=False)
        for callback in callbacks_in(copy):
            with callback.op.location, ir.InsertionPoint(callback.op):
                handing.replace(callback)
    return Prepared(copy, tuple(handing.calls), functions, failures)


def _inline(module: ir.Module) -> None:
    """Take in all calls: where a callback runs, on the first device or on each, depends on what is around it."""
    for each in module.body.operations:
        function = each.operation
        if "no_inline" in function.attributes:
            del function.attributes["no_inline"]
    Pipeline(["inline{default-pipeline= }", "symbol-dce"]).run(module, verify=False)


def _mesh(module: ir.Module) -> str | None:
    """The symbol of a mesh of the module; None if it has none, and so nothing is split."""
    for each in module.body.operations:
        if each.operation.name == "sdy.mesh":
            return str(each.operation.attributes["sym_name"].value)
    return None


def _has_effect(op: ir.Operation) -> bool:
    callback = match(op) if op.name == "stablehlo.custom_call" else None
    return callback is not None and callback.kind != "pure"


class _Handing:
    """Puts XLA's custom calls in the place of callbacks.

    Args:
        target: the custom call's name.
        mesh: a mesh that the program is split over; None if it is not.
        failures: gets what stands for errors that are not to end the program.
    """

    def __init__(self, target: str, mesh: str | None, failures: list[RuntimeError] | None) -> None:
        self.target = target
        self.mesh = mesh
        self.failures = failures
        self.calls: list[Callable[..., tuple[Any, ...]]] = []

    def in_order(self, op: ir.Operation, order: ir.Value) -> ir.Value:
        """A callback that takes a token; the token after it."""
        return self.replace(Callback(op), order)[0]

    def replace(self, callback: Callback, *order: ir.Value) -> list[ir.Value]:
        """The custom call's results, of which tokens come first."""
        op = callback.op
        types = [result.type for result in op.results]
        specs = [AbstractValue(tuple(t.shape), dtype_of(t)) for t in types]
        self.calls.append(call_of(callback, specs, len(order), self.failures))
        whole = self.mesh is not None and not any(around.name == manual.NAME for around in _around(op))
        operands = [*order, *map(self._whole, op.operands)] if whole else [*order, *op.operands]
        results = [*(token for _ in order), *types]
        attributes = {
            "call_target_name": ir.StringAttr.get(self.target),
            "has_side_effect": ops.boolean(callback.kind != "pure"),
            "api_version": ir.IntegerAttr.get(ops.I32, 4),
            "backend_config": ir.DictAttr.get({"index": _index(len(self.calls) - 1)}),
            "operand_layouts": _layouts(operands),
            "result_layouts": _layouts(results),
        }
        if whole:
            attributes[SHARDING] = on_first_device(len(results))
        made = list(ops.create("stablehlo.custom_call", results, operands, attributes).results)
        for old, result in zip(op.results, made[len(order) :], strict=True):
            old.replace_all_uses_with(self._whole(result) if whole else result)
        op.erase()
        return made

    def _whole(self, x: ir.Value) -> ir.Value:
        """``x`` on all devices: from there to the first one is no move that the partitioner would have to invent."""
        assert self.mesh is not None
        return constraint(x, tensor_sharding(self.mesh, [()] * len(x.type.shape)))


_RUNNABLE = frozenset({"func.func", "stablehlo.while", "stablehlo.case", "stablehlo.if", manual.NAME})


def _around(op: ir.Operation) -> Iterator[ir.Operation]:
    """The operations that an operation is inside of, the innermost first."""
    around = op.parent
    while around is not None and around.name != "builtin.module":
        yield around.operation
        around = around.operation.parent


def _refuse_misplaced(callback: Callback) -> None:
    split: list[manual.Manual] = []
    for around in _around(callback.op):
        if around.name not in _RUNNABLE:
            raise PassError(
                f"{describe(callback.op.location)}: '{callback.name}' is called inside of '{around.name}', whose body XLA "
                "compiles into one kernel; call it before or after"
            )
        if around.name == manual.NAME:
            split.append(manual.match(around))
    if split and sum(len(each.axes) for each in split) < len(mesh_axes(callback.op, split[0].mesh)):
        raise PassError(
            f"{describe(callback.op.location)}: '{callback.name}' is called inside of a shard_map over the axes "
            f"{', '.join(name for each in split for name in each.axes)} alone, so that its operands may be split further; "
            "map over all axes of the mesh, or call it outside"
        )


def _index(number: int) -> ir.Attribute:
    return ir.IntegerAttr.get(ir.IntegerType.get_unsigned(64), number)


def _layouts(values: Sequence[Any]) -> ir.Attribute:
    """Row-major layouts of values or types: what the host sees as an array must lie so."""
    found = []
    for value in values:
        type_ = value if isinstance(value, ir.Type) else value.type
        rank = 0 if type_ == token else len(type_.shape)
        order = np.arange(rank - 1, -1, -1, dtype=np.int64)
        found.append(ir.DenseIntElementsAttr.get(order, type=ir.IndexType.get(), shape=[rank]))
    return ir.ArrayAttr.get(found)
