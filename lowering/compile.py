"""From a StableHLO module to a program that runs: checks, the hand-over to XLA."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from mycc.dialects.errors import PassError
from mycc.dialects.leaving import long_call
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir, make_context
from mycc.dialects.types import dtype_of
from mycc.lowering import cache, host_calls, pjrt
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.checks import instrument, mode
from mycc.lowering.executable import Executable
from mycc.lowering.handover import Handover, check_handover
from mycc.lowering.progress import showing
from mycc.lowering.settings import DEFAULTS, CompileSettings, refused, xla_options
from mycc.lowering.shardings import Layout
from mycc.passes.symbols import copy_module

__all__ = ["compile_module"]


def compile_module(
    module: ir.Module,
    *,
    devices: Sequence[Any],
    donated: Sequence[int] = (),
    options: CompileSettings = DEFAULTS,
    out_avals: Sequence[AbstractValue] | None = None,
    committed: bool = True,
    layout: Layout | None = None,
) -> Executable:
    """Compiles a module whose public function ``main`` takes and returns tensors.

    Args:
        module: StableHLO (with ``sdy`` for several devices); every transform operation is expanded.
        devices: where it runs; several mean replicas or partitions, see `CompileSettings`.
        donated: positions of arguments of ``main`` whose buffers the results may take over. An argument that
            already carries ``jax.buffer_donor`` or ``tf.aliasing_output = <result>`` need not be named.
        options: the compile options.
        out_avals: what the results are, where the caller knows more than the module does (weak types).
        committed: whether computations on the results must run where they are.
        layout: how the arguments are spread over the devices, where there are several.

    Raises:
        PassError: the module cannot be handed to XLA, or XLA refuses it; the message is XLA's.

    Example:
        >>> text = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }"
        >>> from mycc.dialects.mlir import context
        >>> from mycc.lowering.devices import default_device
        >>> with context:
        ...     executable = compile_module(ir.Module.parse(text), devices=[default_device()])
        >>> executable.out_avals
        [AbstractValue((2,), float32)]
    """
    kept = module if options.keep_module else None
    checks = None
    if mode() is not None:
        module = copy_module(module)
        checks = instrument(module)
    prepared = host_calls.prepare(module, devices[0].platform, len(devices), options.num_replicas)
    if prepared is not None:
        module = prepared.module
    handover = check_handover(module, devices[0].platform)
    entry = handover.entry
    in_avals = [_abstract(type_) for type_ in entry.type.inputs]
    found = [_abstract(type_) for type_ in entry.type.results]
    if donated:
        _mark_donated(entry, donated)
    calls = () if prepared is None else prepared.calls
    loaded = _compile_and_load(module, devices, options, handover, calls)
    if out_avals is None:
        out_avals = found
    elif checks is not None:
        out_avals = [*out_avals, found[-1]]
    return Executable(
        loaded, in_avals, out_avals, devices, options, kept, committed, prepared, checks, layout, donated
    )


def _compile_and_load(
    module: ir.Module,
    devices: Sequence[Any],
    options: CompileSettings,
    handover: Handover,
    calls: Sequence[Callable[..., Any]],
) -> Any:
    entry = None if calls else cache.entry_of(module, devices, options, handover)
    loaded = (
        None
        if entry is None
        else entry.load(lambda: xla_options(options, devices, handover.disabled, handover.flags))
    )
    if loaded is not None:
        return loaded
    start = time.perf_counter()
    loaded = _compile(module, devices, options, handover, calls)
    if entry is not None and time.perf_counter() - start >= cache.WORTH:
        entry.keep(loaded)
    return loaded


def _compile(
    module: ir.Module,
    devices: Sequence[Any],
    options: CompileSettings,
    handover: Handover,
    calls: Sequence[Callable[..., Any]],
) -> Any:
    # As bytecode, which XLA reads into a context of its own: in this one it would load dialects and run passes
    # while other threads do, without the lock that the passes of mycc hold.
    buffer = io.BytesIO()
    module.operation.write_bytecode(buffer)
    program: Any = buffer.getvalue()
    where: Any = list(devices)
    more = {}
    if calls:
        # Host callbacks go with a module only, so it gets its context here.
        program, where = ir.Module.parse(program, context=make_context()), pjrt.DeviceList(tuple(devices))
        more = {"host_callbacks": list(calls)}
    while True:
        try:
            with long_call(), showing(lambda: _place(module)):
                return devices[0].client.compile_and_load(
                    program, where, xla_options(options, devices, handover.disabled, handover.flags), **more
                )
        except pjrt.XlaRuntimeError as error:
            if not refused(error):
                raise PassError(f"XLA cannot compile the module: {error}") from error


def _place(module: ir.Module) -> str:
    return f"the program of {os.path.basename(describe(module.operation.location))}"


def _abstract(type_: ir.Type) -> AbstractValue:
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        raise PassError(f"@main takes or returns a {type_}; only tensors of static shape can cross")
    return AbstractValue(tuple(type_.shape), dtype_of(type_))


def _mark_donated(entry: Any, donated: Sequence[int]) -> None:
    with entry.operation.context:
        marked: list[Any] = [ir.DictAttr(attributes) for attributes in entry.arg_attrs]
        for position in donated:
            if "tf.aliasing_output" not in marked[position]:
                named = {item.name: item.attr for item in marked[position]}
                marked[position] = ir.DictAttr.get({**named, "jax.buffer_donor": ir.BoolAttr.get(True)})
        entry.arg_attrs = ir.ArrayAttr.get(marked)
