"""Python functions that programs call: the table that finds them, their hand-over to XLA, what they raise.

A callback operation names its function by a number in a table of this process. The table holds functions weakly:
what keeps one alive are the traces, modules and executables that use it. XLA gets a small function for each
operation, which looks up the user's, checks what it returns, and keeps what it raises for the caller.

Programs that hold callbacks run to their end before the call returns. So what a function raises reaches the
caller, effects of one call come before those of the next one, and nothing is still running at exit.
"""

from __future__ import annotations

import itertools
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from mycc.dialects import ops
from mycc.dialects.callback import Callback, match
from mycc.dialects.errors import CallbackError, PassError
from mycc.dialects.leaving import long_call
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, hlo, ir
from mycc.dialects.types import dtype_of, token
from mycc.lowering import pjrt
from mycc.lowering.abstract import AbstractValue
from mycc.passes.symbols import Symbols, copy_module, operations
from mycc.passes.thread import Thread

__all__ = [
    "HostFunction",
    "Prepared",
    "checked",
    "effects_barrier",
    "failure",
    "functions_of",
    "prepare",
    "register",
    "running",
]

Function = Callable[[list[np.ndarray[Any, Any]]], Sequence[Any]]


class HostFunction:
    """A Python function in the table.

    Args:
        function: from a list of NumPy arrays to a flat list of results.
        name: by which messages call it.
        held: what must live as long as it does.
    """

    def __init__(self, function: Function, name: str, held: Any = None) -> None:
        self.function = function
        self.name = name
        self.held = held
        self.number = next(_numbers)


_numbers = itertools.count(1)
_table: WeakValueDictionary[int, HostFunction] = WeakValueDictionary()
_known: WeakValueDictionary[Hashable, HostFunction] = WeakValueDictionary()
_lock = threading.Lock()


def register(key: Hashable, make: Callable[[], HostFunction]) -> HostFunction:
    """The entry of a function, made if there is none; equal programs find equal numbers.

    Args:
        key: tells entries apart; it must hold nothing that the function refers to, or neither would ever go.
        make: makes the entry.
    """
    with _lock:
        found = _known.get(key)
        if found is None:
            found = _known[key] = make()
            _table[found.number] = found
        return found


def functions_of(module: ir.Module) -> tuple[HostFunction, ...]:
    """The Python functions that a module's callbacks name."""
    if not _table:
        return ()
    found = {callback.function for callback in _callbacks(module)}
    return tuple(f for number in sorted(found) if (f := _table.get(number)) is not None)


def _callbacks(module: ir.Module) -> list[Callback]:
    return [
        callback
        for function in module.body.operations
        for op in operations(function.operation)
        if op.name == "stablehlo.custom_call" and (callback := match(op)) is not None
    ]


# ---- Hand-over -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prepared:
    """A module as XLA takes it.

    Args:
        module: a copy of the program's, in which callbacks are custom calls that XLA knows.
        calls: what these call, by position.
        functions: the users' functions behind them, to be kept as long as the executable.
    """

    module: ir.Module
    calls: tuple[Callable[..., tuple[Any, ...]], ...]
    functions: tuple[HostFunction, ...]


def prepare(module: ir.Module, platform: str) -> Prepared | None:
    """Hand a module's callbacks to XLA; None if it has none.

    Raises:
        PassError: a callback stands where XLA cannot run it, or this process does not have its function.
    """
    if not _table or not _callbacks(module):
        return None
    target = pjrt.callback_target(platform)
    copy = copy_module(module)
    found = _callbacks(copy)
    functions = functions_of(copy)
    if target is None:
        raise PassError(
            f"{describe(found[0].op.location)}: '{found[0].name}' is to be called from a program for {platform}, which cannot "
            "call Python functions here; run it on the CPU (mycc.jit(f, device=mycc.devices('cpu')[0]))"
        )
    _refuse_misplaced(found)
    calls: list[Callable[..., tuple[Any, ...]]] = []

    def replace(op: ir.Operation, order: ir.Value | None) -> ir.Value | None:
        """Put XLA's custom call in the place of a callback; the token after it, if it takes one."""
        callback = Callback(op)
        number = callback.function
        if number not in _table:
            raise PassError(
                f"{describe(op.location)}: the Python function '{callback.name}' (number {number}) does not exist in this "
                "process any more; trace the program again"
            )
        results = [result.type for result in op.results]
        specs = [AbstractValue(tuple(t.shape), dtype_of(t)) for t in results]
        calls.append(_call(_table[number], callback, specs, order is not None))
        operands = list(op.operands)
        if order is not None:
            operands, results = [order, *operands], [token, *results]
        new = ops.create("stablehlo.custom_call", results, operands, {
            "call_target_name": ir.StringAttr.get(target),
            "has_side_effect": ops.boolean(callback.kind != "pure"),
            "api_version": ir.IntegerAttr.get(ops.I32, 4),
            "backend_config": ir.DictAttr.get({"index": _index(len(calls) - 1)}),
            "operand_layouts": _layouts(operands),
            "result_layouts": _layouts(results),
        })  # fmt: skip
        made = list(new.results)
        after = made.pop(0) if order is not None else None
        for old, result in zip(op.results, made, strict=True):
            old.replace_all_uses_with(result)
        op.erase()
        return after

    # Those that may come in any order take the token, too: all of them hold Python's lock, so there is nothing to be
    # won by running two at once, and output that is the same at every run is easier to read.
    def has_effect(op: ir.Operation) -> bool:
        callback = match(op) if op.name == "stablehlo.custom_call" else None
        return callback is not None and callback.kind != "pure"

    def in_order(op: ir.Operation, order: ir.Value) -> ir.Value:
        after = replace(op, order)
        assert after is not None
        return after

    with context, copy.operation.location:
        Thread(Symbols(copy), has_effect, in_order).run(hlo.create_token, returned=False)
        for callback in _callbacks(copy):
            with callback.op.location, ir.InsertionPoint(callback.op):
                replace(callback.op, None)
    return Prepared(copy, tuple(calls), functions)


_RUNNABLE = frozenset({"func.func", "stablehlo.while", "stablehlo.case", "stablehlo.if"})


def _refuse_misplaced(found: Sequence[Callback]) -> None:
    for callback in found:
        around = callback.op.parent
        while around is not None and around.name != "builtin.module":
            if around.name not in _RUNNABLE:
                raise PassError(
                    f"{describe(callback.op.location)}: '{callback.name}' is called inside of '{around.name}', whose body XLA "
                    "compiles into one kernel; call it before or after"
                )
            around = around.operation.parent


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


# ---- Running -------------------------------------------------------------------------------------


def _call(
    entry: HostFunction, callback: Callback, specs: Sequence[AbstractValue], in_order: bool
) -> Callable[..., tuple[Any, ...]]:
    """What XLA calls. It holds the entry weakly: Python's collector cannot see what XLA holds."""
    number, levels = entry.number, callback.mapped
    where = f"{describe(callback.op.location)}: {callback.name}"

    def call(*arguments: Any) -> tuple[Any, ...]:
        operands = arguments[1:] if in_order else arguments
        _state.depth += 1
        try:
            found = _table[number]
            # What XLA passes are views of its buffers, which are gone after the call.
            arrays = [np.array(operand) for operand in operands]
            results = _mapped(found, levels, arrays, specs)
        except BaseException as error:
            raise _kept(error, where) from None
        finally:
            _state.depth -= 1
        return (None, *results) if in_order else tuple(results)

    return call


def _mapped(
    entry: HostFunction,
    levels: Sequence[Sequence[bool]],
    operands: list[np.ndarray[Any, Any]],
    specs: Sequence[AbstractValue],
) -> list[np.ndarray[Any, Any]]:
    """The results of a function, called once for each example of each `vmap`."""
    if not levels:
        return checked(entry.function(operands), specs, entry.name)
    flags = levels[0]
    size = next(len(x) for x, flag in zip(operands, flags, strict=True) if flag)
    inner = [AbstractValue(spec.shape[1:], spec.dtype) for spec in specs]
    results = [np.empty(spec.shape, spec.dtype) for spec in specs]
    for i in range(size):
        row = [x[i, ...] if flag else x for x, flag in zip(operands, flags, strict=True)]
        for result, value in zip(results, _mapped(entry, levels[1:], row, inner), strict=True):
            result[i] = value
    return results


def checked(results: Sequence[Any], specs: Sequence[AbstractValue], name: str) -> list[np.ndarray[Any, Any]]:
    """What a function returned as arrays of the types that were promised; numbers take their dtype.

    Raises:
        CallbackError: a shape or dtype differs.
    """
    arrays = []
    for i, (result, spec) in enumerate(zip(results, specs, strict=True)):
        array = np.asarray(result)
        weak = isinstance(result, (bool, int, float, complex, np.generic))
        if weak and array.dtype.kind in _NUMBERS.get(spec.dtype.kind, "biufc"):
            array = array.astype(spec.dtype)
        if array.shape != spec.shape or array.dtype != spec.dtype:
            got = AbstractValue(array.shape, array.dtype)
            raise CallbackError(
                f"'{name}' returned {got} for result {i}, where result_shape_dtypes promises {spec}; return that, for "
                "instance by numpy.asarray(result, dtype), or promise what it returns"
            )
        arrays.append(np.ascontiguousarray(array).reshape(spec.shape))
    return arrays


# Kinds of numbers that are taken for results of a kind of dtype (V: bfloat16 and smaller floats).
_NUMBERS = {"b": "b", "i": "biu", "u": "biu", "f": "biuf", "V": "biuf"}


class _State(threading.local):
    depth = 0


_state = _State()
_raised: OrderedDict[int, tuple[BaseException, str]] = OrderedDict()
_tickets = itertools.count(1)
_MARK = "mycc callback failed, ticket "
# When two functions of one program fail, one of the errors is never asked for.
_KEPT = 64


def _kept(error: BaseException, where: str) -> RuntimeError:
    """Keep an exception, for the program ends with the text of the one that stands for it."""
    ticket = next(_tickets)
    _raised[ticket] = error, where
    while len(_raised) > _KEPT:
        _raised.popitem(last=False)
    return RuntimeError(f"{_MARK}{ticket}.")


def failure(error: Exception, line: Callable[[], str]) -> BaseException | None:
    """What a function that a program called has raised, if that is what ended the program.

    Args:
        error: what the runtime raised.
        line: gives the user's ``file:line`` of the call of the program.

    Returns:
        An error with the function's exception as its cause; that itself if it is no error (KeyboardInterrupt).
    """
    _, mark, rest = str(error).partition(_MARK)
    if not mark:
        return None
    raised, where = _raised.pop(int(rest.partition(".")[0]), (None, ""))
    if raised is None or not isinstance(raised, Exception):
        return raised
    if isinstance(raised, CallbackError) and raised.__cause__ is None:
        return CallbackError(f"{where}, called from a program at {line()}: {raised}")
    raised = raised.with_traceback(_outside(raised.__traceback__))
    text = "".join(traceback.format_exception(raised)).rstrip()
    made = CallbackError(
        f"{where}, called from a program at {line()}, raised {type(raised).__name__}: {raised}\n{text}"
    )
    made.__cause__ = raised
    return made


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the user's function on."""
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("mycc."):
        trace = trace.tb_next
    return trace


_running = 0
_idle = threading.Condition()


@contextmanager
def running() -> Iterator[None]:
    """Surrounds a run of a program with callbacks, from its start to its end."""
    global _running
    with long_call():
        with _idle:
            _running += 1
        try:
            yield
        finally:
            with _idle:
                _running -= 1
                _idle.notify_all()


def effects_barrier() -> None:
    """Wait until no program that calls Python functions is running, in any thread.

    A call of such a program returns when it has ended, so this waits for other threads only. Inside of a callback
    it returns at once.

    Example:
        >>> import mycc
        >>> mycc.effects_barrier()
    """
    if _state.depth:
        return
    with _idle:
        _idle.wait_for(lambda: not _running)
