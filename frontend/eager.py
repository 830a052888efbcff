"""Running without `jit`: array functions once per signature, transforms once per structure."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Sequence
from typing import Any

from mycc.array import Array
from mycc.device import placement
from mycc.dialects.mlir import ir
from mycc.function import building, flatten_results
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.checks import mode
from mycc.lowering.settings import CompileSettings
from mycc.lowering.sharded import annotate
from mycc.lowering.shardings import Mesh
from mycc.passes.symbols import operations
from mycc.source import user_line
from mycc.stages import Compiled, Traced
from mycc.trace import Frame, Trace, Tracer, tracing

__all__ = ["execute", "is_tiny", "run_transform"]


def run_transform(name: str, body: Callable[[], Any]) -> Any:
    """Trace ``body``, whose arrays are concrete, as one program, and run it.

    The program is compiled once per structure: every array and Python float that it uses is an argument, so a
    number that changes from call to call changes nothing else. Results that are no traced arrays are returned
    as they are.
    """
    trace = Trace(name, eager=True)
    frame = Frame(trace, name, ())
    with tracing(frame):
        results = body()
        frame.returning = True
        leaves, tree = flatten_results(results)
        traced = [leaf for leaf in leaves if isinstance(leaf, Tracer)]
        with building(frame):
            returned = [frame.lift(leaf) for leaf in traced]
        frame.close(returned)
    computed = iter(
        execute(name, trace.module, [leaf._aval for leaf in traced], trace.hidden, list(trace.meshes))
    )
    return tree.unflatten([next(computed) if isinstance(leaf, Tracer) else leaf for leaf in leaves])


_CAPACITY = 1024
# A Python function that is made anew at each call makes a new program each time, and is kept alive by it.
_CALLING_CAPACITY = 64
_compiled: dict[tuple[bytes, Any, Any], Compiled] = {}
_calling: dict[tuple[bytes, Any, Any], Compiled] = {}
"""Those that call Python functions."""
_lock = threading.Lock()


def execute(
    name: str,
    module: ir.Module,
    out_avals: Sequence[AbstractValue],
    arguments: Sequence[Array],
    meshes: Sequence[Mesh] = (),
) -> list[Any]:
    """Run a traced module on concrete arrays, compiled once for each structure of module and device."""
    place = placement(arguments, name, meshes=meshes)
    key = (_fingerprint(module, out_avals), place, mode())
    compiled = _compiled.get(key) or _calling.get(key)
    if compiled is None:
        out_tree = pytrees.structure_of(list(out_avals))
        in_avals = tuple(x._aval for x in arguments)
        if place.layout is not None:
            annotate(module, place.layout.arguments, [None] * len(out_avals))
        traced = Traced(
            name, module, in_avals, tuple(out_avals), pytrees.structure_of(in_avals), out_tree, place=place
        )
        lowered = traced.lower()
        compiled = lowered.compile(CompileSettings(tiny=is_tiny(lowered.module)))
        calls = bool(compiled.executable.functions)
        cache, capacity = (_calling, _CALLING_CAPACITY) if calls else (_compiled, _CAPACITY)
        with _lock:
            if len(cache) >= capacity:
                cache.pop(next(iter(cache)))
            cache[key] = compiled
    results = compiled.executable.run([x._data for x in arguments], user_line)
    return compiled.lowered.out_tree.unflatten([Array(result) for result in results])  # type: ignore[no-any-return]


def _fingerprint(module: ir.Module, out_avals: Sequence[AbstractValue]) -> bytes:
    buffer = io.BytesIO()
    module.operation.write_bytecode(buffer)
    digest = hashlib.blake2b(buffer.getbuffer(), digest_size=20)
    digest.update(bytes(aval.weak_type for aval in out_avals))
    return digest.digest()


# XLA's older emitters, without MLIR, compile kernels of small modules in 0.6 to 0.8 of the time. They compute a value
# again for each of its uses in a kernel, and functions in loops one element at a time: 4 reductions made a program run 4
# times as long, a loop around tanh 9 times. A kernel of an exponential alone takes them twice as long.
_MOST_OPERATIONS = 32
_MOST_REDUCTIONS = 2
_REPEATED = frozenset({"stablehlo.while"})
_EXPONENTIALS = frozenset(
    f"stablehlo.{name}" for name in ("exponential", "exponential_minus_one", "log_plus_one")
)
_FEW = 8


def is_tiny(module: ir.Module) -> bool:
    """Whether a program, as XLA gets it, is small enough that compiling fast matters more than running fast."""
    names = [op.name for function in module.body.operations for op in operations(function.operation)]
    if len(names) > _MOST_OPERATIONS or not _REPEATED.isdisjoint(names):
        return False
    if len(names) < _FEW and not _EXPONENTIALS.isdisjoint(names):
        return False
    return names.count("stablehlo.reduce") <= _MOST_REDUCTIONS
