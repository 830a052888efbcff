"""Running without `jit`: array functions once per signature, transforms once per structure."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mycc.array import Array
from mycc.dialects.errors import DeviceError
from mycc.dialects.mlir import ir
from mycc.function import building
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.compile import CompileSettings, Executable, compile_module
from mycc.lowering.devices import default_device, several_devices
from mycc.lowering.dispatch import TRACING, swap_context
from mycc.lowering.pipelines import check_expanded, default_pipeline
from mycc.residuals import expand_handles, gathered
from mycc.source import user_line
from mycc.trace import Frame, Trace, Tracer

__all__ = ["chosen_device", "compile_traced", "execute", "run_transform", "tracing"]

_CAPACITY = 1024
_lock = threading.Lock()


class tracing:
    """The scope of a root frame: calls of compiled functions inside it join the trace."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    def __enter__(self) -> Frame:
        self.old = swap_context(TRACING)
        return self.frame.__enter__()

    def __exit__(self, *error: object) -> None:
        self.frame.__exit__(*error)
        swap_context(self.old)


def run_transform(name: str, body: Callable[[], Any]) -> Any:
    """Trace ``body``, whose arrays are concrete, as one program, and run it.

    The program is compiled once per structure: every array and Python float that it uses is an argument, so a
    number that changes from call to call changes nothing else. Results that are no traced arrays are returned
    as they are.
    """
    trace = Trace(name, eager=True)
    frame = Frame(trace, name, ())
    with tracing(frame):
        leaves, tree = pytrees.flatten(body())
        traced = [leaf for leaf in leaves if isinstance(leaf, Tracer)]
        with building(frame):
            values = [frame.lift(leaf) for leaf in traced]
        frame.close(values)
    results = iter(execute(trace.module, [leaf._aval for leaf in traced], trace.hidden))
    return tree.unflatten([next(results) if isinstance(leaf, Tracer) else leaf for leaf in leaves])


@dataclass(frozen=True)
class _Entry:
    executable: Executable
    programs: list[Any]
    """For each result the linear program whose residuals stand in its place, or None."""


_entries: dict[tuple[bytes, Any], _Entry] = {}


def execute(module: ir.Module, out_avals: Sequence[AbstractValue], arguments: Sequence[Array]) -> list[Any]:
    """Run a traced module on concrete arrays, compiled once for each structure of module and device."""
    device = chosen_device(arguments, "the program")
    key = (_fingerprint(module, out_avals), device)
    entry = _entries.get(key)
    if entry is None:
        programs, avals = expand_handles(module, out_avals)
        entry = _Entry(compile_traced(module, avals, device), programs)
        with _lock:
            if len(_entries) >= _CAPACITY:
                _entries.pop(next(iter(_entries)))
            _entries[key] = entry
    data = entry.executable.place([x._data for x in arguments])
    return gathered(entry.programs, [Array(result) for result in entry.executable.execute(data)])


def compile_traced(module: ir.Module, out_avals: Sequence[AbstractValue], device: Any) -> Executable:
    """Run the default passes on a traced module, in place, and compile it."""
    default_pipeline(module).run(module)
    check_expanded(module)
    return compile_module(module, devices=[device], options=CompileSettings(tiny=_is_tiny(module)), out_avals=out_avals)


def chosen_device(arrays: Sequence[Array], name: str) -> Any:
    """The device to run on: that of the committed arrays, else the default one.

    Raises:
        DeviceError: arrays were put on different devices.
    """
    if not several_devices:
        return default_device()
    chosen: dict[Any, Array] = {}
    for x in arrays:
        if x.committed:
            chosen.setdefault(x.device, x)
    if len(chosen) > 1:
        places = ", ".join(f"{aval._aval} on {device}" for device, aval in chosen.items())
        raise DeviceError(
            f"{user_line()}: {name} got arrays on different devices ({places}); move them together with device_put"
        )
    return next(iter(chosen), None) or (arrays[0].device if arrays else default_device())


def _fingerprint(module: ir.Module, out_avals: Sequence[AbstractValue]) -> bytes:
    buffer = io.BytesIO()
    module.operation.write_bytecode(buffer)
    digest = hashlib.blake2b(buffer.getbuffer(), digest_size=20)
    digest.update(bytes(aval.weak_type for aval in out_avals))
    return digest.digest()


def _is_tiny(module: ir.Module) -> bool:
    entry = module.body.operations[0].operation
    return len(entry.regions[0].blocks[0].operations) <= 32


