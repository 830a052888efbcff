"""Python functions that programs call: the table that finds them, how XLA calls them, what they raise.

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
from types import TracebackType
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from mycc.dialects.callback import Callback, match
from mycc.dialects.errors import CallbackError, PassError
from mycc.dialects.leaving import long_call
from mycc.dialects.locations import describe
from mycc.dialects.mlir import ir
from mycc.lowering.abstract import AbstractValue
from mycc.passes.symbols import operations

__all__ = [
    "HostFunction",
    "call_of",
    "callbacks_in",
    "checked",
    "effects_barrier",
    "failure",
    "functions_of",
    "is_any_known",
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
    found = {callback.function for callback in callbacks_in(module)}
    return tuple(f for number in sorted(found) if (f := _table.get(number)) is not None)


def is_any_known() -> bool:
    """Whether there is any function that a module could name."""
    return bool(_table)


def callbacks_in(module: ir.Module) -> list[Callback]:
    """The callback operations of a module."""
    return [
        callback
        for function in module.body.operations
        for op in operations(function.operation)
        if op.name == "stablehlo.custom_call" and (callback := match(op)) is not None
    ]


# ---- Running -------------------------------------------------------------------------------------


def call_of(
    callback: Callback,
    specs: Sequence[AbstractValue],
    tokens: int,
    failures: list[RuntimeError] | None = None,
) -> Callable[..., tuple[Any, ...]]:
    """What XLA calls. It holds the function weakly: Python's collector cannot see what XLA holds.

    Args:
        callback: the operation.
        specs: its results.
        tokens: how many tokens come before its operands, and before its results.
        failures: gets what stands for an error, in the place of which the program gets zeros; None to let it end.

    Raises:
        PassError: this process does not have the function.
    """
    number, levels = callback.function, callback.mapped
    where = f"{describe(callback.op.location)}: {callback.name}"
    if number not in _table:
        raise PassError(
            f"{describe(callback.op.location)}: the Python function '{callback.name}' (number {number}) does not exist in this "
            "process any more; trace the program again"
        )

    def call(*arguments: Any) -> tuple[Any, ...]:
        operands = arguments[tokens:]
        _state.depth += 1
        try:
            found = _table[number]
            # What XLA passes are views of its buffers, which are gone after the call.
            arrays = [np.array(operand) for operand in operands]
            results = _mapped(found, levels, arrays, specs)
        except BaseException as error:
            kept = _kept(error, where)
            if failures is None:
                raise kept from None
            failures.append(kept)
            results = [np.zeros(spec.shape, spec.dtype) for spec in specs]
        finally:
            _state.depth -= 1
        return (None,) * tokens + tuple(results)

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
