"""A compiled program, loaded on its devices: running it, looking into it, storing it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mycc.dialects.errors import MyccError
from mycc.dialects.leaving import park_if_leaving
from mycc.dialects.mlir import ir
from mycc.lowering import callbacks, pjrt
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.buffers import copy_to_device
from mycc.lowering.checks import Checks
from mycc.lowering.devices import sharding_of
from mycc.lowering.host_calls import Prepared
from mycc.lowering.settings import DEFAULTS, CompileSettings, xla_options
from mycc.lowering.shardings import Layout, TiledSharding, device_list
from mycc.lowering.spread import donates_twice, reshard

__all__ = ["Executable", "deserialize", "explained", "is_gone"]


class Executable:
    """A compiled module, loaded on its devices.

    Attributes:
        loaded: jaxlib's LoadedExecutable.
        execute_sharded: its method, which refuses arguments that are gone.
        in_avals: shapes and dtypes of the arguments.
        out_avals: shapes, dtypes and weak types of the results.
        devices: where it runs.
        out_shardings: one sharding for each result.
        handlers: what makes an ``ArrayImpl`` of each result.
        functions: the Python functions that the program calls.
        failures: what they raised in a run on several devices.
        checks: what finds NaNs in its results; the last one then is for it alone.
        layout: how its arguments are spread, if over several devices.
    """

    __slots__ = (
        "_module",
        "checks",
        "devices",
        "execute_sharded",
        "failures",
        "functions",
        "handlers",
        "in_avals",
        "layout",
        "loaded",
        "options",
        "out_avals",
        "out_shardings",
    )

    def __init__(
        self,
        loaded: Any,
        in_avals: Sequence[AbstractValue],
        out_avals: Sequence[AbstractValue],
        devices: Sequence[Any],
        options: CompileSettings,
        module: ir.Module | None = None,
        committed: bool = True,
        prepared: Prepared | None = None,
        checks: Checks | None = None,
        layout: Layout | None = None,
        donated: Sequence[int] = (),
    ) -> None:
        self.loaded = loaded
        self.execute_sharded = loaded.execute_sharded if len(devices) == 1 else _guarded(loaded, donated)
        self.in_avals = list(in_avals)
        self.out_avals = list(out_avals)
        self.devices = tuple(devices)
        self.options = options
        self.functions = () if prepared is None else prepared.functions
        self.failures = [] if prepared is None else prepared.failures
        self.checks = checks
        self._module = module
        self.layout = layout
        self.out_shardings = _out_shardings(loaded, self.out_avals, self.devices, layout)
        self.handlers = [
            pjrt.result_handler(aval, sharding, committed)
            for aval, sharding in zip(self.out_avals, self.out_shardings, strict=True)
        ]

    @property
    def is_plain(self) -> bool:
        """Whether running it is no more than handing it to the runtime: it calls no Python function and checks nothing."""
        return not self.functions and self.checks is None

    @property
    def is_persistable(self) -> bool:
        """Whether another process could run it: one that calls Python functions of this process cannot be stored."""
        return not self.functions

    def execute(self, arguments: Sequence[Any]) -> list[Any]:
        """Runs the program; returns at once, with buffers that fill when it is done.

        One that calls Python functions has ended when this returns.

        Args:
            arguments: one ``ArrayImpl`` for each argument of ``main``, on this executable's devices.

        Returns:
            One ``ArrayImpl`` for each result, described by `out_avals`.

        Raises:
            XlaRuntimeError: a shape or dtype does not fit, or a buffer was deleted or donated.
            NonFiniteError: a result has a NaN, and the program was compiled with checks.
        """
        park_if_leaving()
        results: list[Any]
        if not self.functions:
            results = self.execute_sharded(arguments).consume_with_handlers(self.handlers)
        else:
            with callbacks.running():
                execution = self.execute_sharded(arguments, with_tokens=True)
                end = execution.consume_token()
                results = execution.consume_with_handlers(self.handlers)
                end.block_until_ready()
            if self.failures:
                first = self.failures[0]
                self.failures.clear()
                raise pjrt.XlaRuntimeError(str(first))
        return results if self.checks is None else self.checks.verify(arguments, results)

    def place(self, arguments: Sequence[Any], start: int = 0) -> list[Any]:
        """The arguments from the position ``start`` on, each where this executable takes it."""
        if self.layout is None:
            return [copy_to_device(argument, self.devices[0]) for argument in arguments]
        return [
            argument if argument._sharding == sharding else reshard(argument, sharding)
            for argument, sharding in zip(arguments, self.layout.arguments[start:], strict=False)
        ]

    def run(self, arguments: Sequence[Any], line: Callable[[], str]) -> list[Any]:
        """As `execute`, with the arguments put where they must be.

        Args:
            arguments: one ``ArrayImpl`` for each argument of ``main``.
            line: gives the user's ``file:line``, for the error.

        Raises:
            MyccError: an argument was deleted or donated.
            CallbackError: a Python function that the program calls has raised an exception.
        """
        data = arguments
        try:
            _refuse_gone(arguments)
            data = self.place(arguments)
            return self.execute(data)
        except pjrt.XlaRuntimeError as error:
            raised = callbacks.failure(error, line) if self.functions else None
            if raised is not None:
                raise raised  # noqa: B904 (its cause is what the user's function raised)
            raise explained(error, data, line) from error

    def hlo_text(self) -> str:
        """The HLO text after XLA's own passes."""
        return str(self.loaded.get_hlo_text())

    def llvm_ir(self) -> str:
        """The optimized LLVM IR of every kernel, from a second compilation that dumps it.

        Raises:
            MyccError: the executable was compiled without ``keep_module``, or the backend dumps none.
        """
        from mycc.lowering.artifacts import llvm_ir

        return llvm_ir(self._kept_module(), self.devices, self.options)

    def assembly(self) -> str:
        """The machine code of every kernel as text, from a second compilation that dumps it.

        On the CPU the object files are disassembled with ``llvm-objdump`` or ``objdump``.

        Raises:
            MyccError: compiled without ``keep_module``, no disassembler on the path, or nothing dumped.
        """
        from mycc.lowering.artifacts import assembly

        return assembly(self._kept_module(), self.devices, self.options)

    def _kept_module(self) -> ir.Module:
        if self._module is None:
            raise MyccError(
                "the executable did not keep its module; compile it with CompileSettings(keep_module=True)"
            )
        return self._module

    def cost_analysis(self) -> dict[str, Any]:
        """XLA's estimates for the whole program: ``flops``, ``bytes accessed``, ``transcendentals``, ..."""
        return dict(self.loaded.cost_analysis())

    def memory_stats(self) -> dict[str, int]:
        """Bytes needed on each device: of arguments, outputs, aliased buffers, temporaries and code."""
        stats = self.loaded.get_compiled_memory_stats()
        names = ("argument", "output", "alias", "temp", "generated_code")
        return {name: int(getattr(stats, f"{name}_size_in_bytes")) for name in names}

    def serialize(self) -> bytes:
        """The executable as bytes for `deserialize`; tied to this jaxlib, machine and number of devices.

        Raises:
            MyccError: the backend cannot serialize it, or it calls Python functions of this process.
        """
        if not self.is_persistable:
            raise MyccError(
                f"the executable calls the Python function '{self.functions[0].name}' of this process, and cannot be stored"
            )
        try:
            payload = bytes(self.loaded.serialize())
        except (pjrt.XlaRuntimeError, ValueError) as error:
            raise MyccError(f"the backend cannot serialize this executable: {error}") from error
        head = {
            "jaxlib": pjrt.jaxlib_version,
            "platform": self.devices[0].platform,
            "devices": len(self.devices),
            "in": [_to_json(aval) for aval in self.in_avals],
            "out": [_to_json(aval) for aval in self.out_avals],
        }
        text = json.dumps(head).encode()
        return _MAGIC + struct.pack("<Q", len(text)) + text + payload


def _guarded(loaded: Any, donated: Sequence[int]) -> Callable[..., Any]:
    """Runs a program on several devices. The runtime crashes on arguments that are gone, or donated and passed twice."""
    execute = loaded.execute_sharded

    def run(arguments: Sequence[Any], **options: Any) -> Any:
        for impl in arguments:
            if impl.is_deleted():
                raise pjrt.XlaRuntimeError("an argument was deleted or donated")
        if donated and donates_twice(arguments, donated):
            raise pjrt.XlaRuntimeError("an argument is donated in the same call")
        return execute(arguments, **options)

    return run


_MAGIC = b"mycc-exe-1"


def deserialize(data: bytes, *, devices: Sequence[Any], options: CompileSettings = DEFAULTS) -> Executable:
    """Loads what `Executable.serialize` wrote, without compiling.

    Args:
        data: the bytes.
        devices: where it is to run, as many and of the same platform as it was compiled for.
        options: the options that it was compiled with.

    Raises:
        MyccError: not such bytes, or written by another jaxlib, platform or number of devices.
    """
    if not data.startswith(_MAGIC):
        raise MyccError("these bytes are not an executable that mycc wrote")
    start = len(_MAGIC) + 8
    try:
        (length,) = struct.unpack("<Q", data[len(_MAGIC) : start])
        head = json.loads(data[start : start + length])
    except (struct.error, ValueError) as error:
        raise MyccError(f"these bytes are a damaged executable: {error}") from error
    here = {"jaxlib": pjrt.jaxlib_version, "platform": devices[0].platform, "devices": len(devices)}
    there = {key: head.get(key) for key in here}
    if there != here:
        raise MyccError(f"the executable was written for {there}, not for {here}; compile it again")
    device_list = pjrt.DeviceList(tuple(devices))
    try:
        loaded = pjrt.deserialize(
            devices[0].client, data[start + length :], device_list, xla_options(options, devices)
        )
    except (pjrt.XlaRuntimeError, ValueError) as error:
        raise MyccError(f"the executable cannot be loaded: {error}") from error
    in_avals, out_avals = ([_from_json(entry) for entry in head[key]] for key in ("in", "out"))
    return Executable(loaded, in_avals, out_avals, devices, options)


def _to_json(aval: AbstractValue) -> list[Any]:
    return [list(aval.shape), aval.dtype.name, aval.weak_type]


def _from_json(entry: list[Any]) -> AbstractValue:
    shape, name, weak_type = entry
    return AbstractValue(tuple(shape), _dtype_named(name), weak_type)


def _dtype_named(name: str) -> np.dtype[Any]:
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name, name))


def _out_shardings(
    loaded: Any, out_avals: Sequence[AbstractValue], devices: tuple[Any, ...], layout: Layout | None
) -> list[Any]:
    if len(devices) == 1 and layout is None:
        return [sharding_of(devices[0])] * len(out_avals)
    protos = loaded.get_output_shardings() or [pjrt.HloSharding.replicate().to_proto()] * len(out_avals)
    found = [pjrt.HloSharding.from_proto(proto) for proto in protos]
    if layout is None:
        return [TiledSharding(device_list(devices), hlo) for hlo in found]
    return [layout.result(hlo, aval.ndim) for hlo, aval in zip(found, out_avals, strict=True)]


def _refuse_gone(arguments: Sequence[Any]) -> None:
    if any(map(is_gone, arguments)):
        raise pjrt.XlaRuntimeError("an argument was deleted or donated")


def is_gone(x: Any) -> bool:
    """Whether an argument, a buffer or host data, is a buffer that was deleted or donated."""
    return isinstance(x, pjrt.ArrayImpl) and x.is_deleted()


def explained(error: Exception, data: Sequence[Any], line: Callable[[], str]) -> Exception:
    """The error to raise for a failed execution: about the argument that is gone, where one is.

    Args:
        error: what the runtime raised.
        data: the arguments.
        line: gives the user's ``file:line``.
    """
    if "donated in the same call" in str(error):
        return MyccError(
            f"{line()}: an argument is donated (donate_argnums) and passed a second time in the same call; pass a "
            "copy of it, or do not donate it"
        )
    gone = [position for position, impl in enumerate(data) if is_gone(impl)]
    if not gone:
        return error
    return MyccError(
        f"{line()}: argument leaf {gone[0]} was deleted, or donated to an earlier call (donate_argnums), and "
        "has no data any more; keep a copy, or do not donate it"
    )
