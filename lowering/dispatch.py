"""Calls of compiled functions, from handles to handles, as fast as Python can make them.

jaxlib's C++ dispatcher is not used. It needs process-wide settings that the jax package takes over as soon
as it is imported (and with them whether float64 host data is cut to float32), and flattening through the
handle class costs it 0.8 us an argument: it measured slower than the closure below. What remains to be paid
is PJRT's own execution.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.dialects.errors import DeviceError
from mycc.dialects.leaving import at_leaving, park_if_leaving
from mycc.lowering import buffers, checks, pjrt
from mycc.lowering.abstract import NUMBERS, AbstractValue, exact, known
from mycc.lowering.devices import several_devices
from mycc.lowering.executable import Executable, explained, is_gone
from mycc.lowering.pytrees import dispatch_registry
from mycc.lowering.spread import put_spread, reshard

__all__ = ["TRACING", "Compiled", "check", "context", "make_dispatcher", "swap_context"]

TRACING = "tracing"

# Threads in a context other than None, as a list: looking at its truth is what a call pays when there is
# none, a seventh of reading a thread-local.
_busy: list[None] = []


# Sends every thread's next call through the slow path, where it is parked.
at_leaving(lambda: _busy.append(None))


class _State(threading.local):
    context: Hashable = None


_state = _State()


def context() -> Hashable:
    """The context of this thread, which is part of the key of every compiled function; None at rest."""
    return _state.context


def swap_context(new: Hashable) -> Hashable:
    """Sets the context of this thread and returns the old one, to be put back when it ends.

    Args:
        new: `TRACING` while a trace is active, which sends calls to ``inline``; otherwise any hashable value
            that compiled code depends on (precision, mesh); None at rest.
    """
    old = _state.context
    if (old is None) is not (new is None):
        if new is None:
            _busy.pop()
        else:
            _busy.append(None)
    _state.context = new
    return old


def check(new: checks.Mode | None) -> checks.Mode | None:
    """Sets what this thread's programs are checked for (`mycc.lowering.checks`) and returns the old mode."""
    old = checks.set_mode(new)
    if (old is None) is not (new is None):
        if new is None:
            _busy.pop()
        else:
            _busy.append(None)
    return old


@dataclass(frozen=True, slots=True)
class Compiled:
    """What one signature of a function was compiled to.

    Args:
        executable: takes the hidden arguments, then the leaves of the dynamic arguments.
        out_tree: the structure of the results, flattened with `pytrees.dispatch_registry`.
        hidden: gives the buffers of captured arrays, asked for at every call.
        kept: positions, among hidden arguments and leaves, of those that the executable takes; default all.
    """

    executable: Executable
    out_tree: Any
    hidden: Callable[[], Sequence[Any]] | None = None
    kept: tuple[int, ...] | None = None


# A function called with ever new static arguments must not hold every executable that it ever had.
_CAPACITY = 4096


def make_dispatcher(
    name: str,
    compile: Callable[[tuple[Any, ...], dict[str, Any]], Compiled],
    inline: Callable[[tuple[Any, ...], dict[str, Any]], Any],
    *,
    handle: type[Any],
    convert: Callable[[Any], Any] | None = None,
    line: Callable[[], str] = lambda: "<unknown>",
    static_argnums: Sequence[int] = (),
    static_argnames: Sequence[str] = (),
    donates: bool = True,
) -> Callable[..., Any]:
    """The callable that users get from ``jit``.

    Args:
        name: the function's name, for error messages.
        compile: ``(args, kwargs) -> Compiled``, called once for each signature (structure, shapes, dtypes,
            weak types, static arguments, context; devices, where the process has several). It must not run
            the program. When two threads meet a new signature at once, one compiles and one waits.
        inline: ``(args, kwargs) -> results``, called in place of all this in the context `TRACING`, or when
            an argument is of a proper subclass of ``handle`` (a tracer).
        handle: the class of concrete arrays, with an attribute ``_data`` that holds the ``ArrayImpl`` and a
            constructor that accepts it as its only argument.
        convert: turns a leaf that is neither a handle, a NumPy array nor a scalar into one; default: refuse.
        line: gives the user's file and line, for error messages.
        static_argnums: positions of arguments that are part of the signature by value.
        static_argnames: names of such arguments, where they are passed by keyword.
        donates: whether programs may take over the memory of arguments.

    Returns:
        A plain Python function, on which further attributes may be set. ``cache_clear()`` and
        ``cache_size()`` are there.

    Raises:
        TypeError: (the returned function) an argument is no array, or a static one is not hashable.
        DeviceError: (the returned function) committed arguments live on different devices.
    """
    names = frozenset(static_argnames)
    table = _Table(name, compile, inline, handle, convert, line, tuple(static_argnums), names, donates)
    slow, mixed, named, lookup = table.call, table.call_mixed, table.call_named, table.fast.get
    lookup_spread = table.spread.get
    # What a negative position means depends on the call.
    easy = all(n >= 0 for n in static_argnums)

    def dispatch(*args: Any, **kwargs: Any) -> Any:
        if _busy:
            return slow(args, kwargs)
        if several_devices:
            data = [x._data for x in args if type(x) is handle]
            if kwargs or len(data) != len(args):
                return slow(args, kwargs)
            run = lookup_spread(tuple([(impl.aval, impl._sharding, impl._committed) for impl in data]))
            return slow(args, kwargs) if run is None else run(data)
        if kwargs:
            values = (*args, *kwargs.values())
            data = [x._data for x in values if type(x) is handle]
            if len(data) == len(values):
                run = lookup((len(args), *kwargs, *[impl.aval for impl in data]))
                if run is not None:
                    return run(data)
            return named(args, kwargs)
        data = [x._data for x in args if type(x) is handle]
        if len(data) == len(args):
            key = tuple([impl.aval for impl in data])
            run = lookup(key)
            return slow(args, kwargs, key) if run is None else run(data)
        return mixed(args)

    def dispatch_static(*args: Any, **kwargs: Any) -> Any:
        if _busy or several_devices or not easy:
            return slow(args, kwargs)
        values: Sequence[Any] = args
        static = [args[n] for n in static_argnums if n < len(args)]
        if kwargs:
            values = (*args, *kwargs.values())
            static += [x for name, x in kwargs.items() if name in names]
        data = [x._data for x in values if type(x) is handle]
        if len(data) + len(static) == len(values):
            try:
                run = lookup((len(args), *kwargs, *map(type, static), *static, *[impl.aval for impl in data]))
            except TypeError:
                return slow(args, kwargs)
            if run is not None:
                return run(data)
        return named(args, kwargs)

    found: Any = dispatch_static if static_argnums or static_argnames else dispatch
    found.cache_clear = table.clear
    found.cache_size = table.__len__
    return found  # type: ignore[no-any-return]


class _Table:
    """Signatures of one function and what they were compiled to.

    ``entries`` answers for all calls. ``fast`` answers for those at rest, on one device: by the abstract values of
    positional arguments alone, after their structure if they are trees, after static and named ones if there are any.
    ``spread`` answers for those in a process with several devices whose arguments are all handles: by their abstract
    values and where they are.
    """

    def __init__(
        self,
        name: str,
        compile: Callable[..., Compiled],
        inline: Callable[..., Any],
        handle: type[Any],
        convert: Callable[[Any], Any] | None,
        line: Callable[[], str],
        static_argnums: tuple[int, ...],
        static_argnames: frozenset[str],
        donates: bool,
    ) -> None:
        self.name = name
        self.compile = compile
        self.inline = inline
        self.handle = handle
        self.convert = convert
        self.line = line
        self.static_argnums = static_argnums
        self.static_argnames = static_argnames
        self.donates = donates
        self.positions = frozenset(static_argnums)
        self.fast: dict[Hashable, Callable[[list[Any]], Any]] = {}
        self.spread: dict[Hashable, Callable[[list[Any]], Any]] = {}
        self.entries: dict[Hashable, tuple[Callable[[list[Any]], Any], Executable]] = {}
        self.lock = threading.Lock()
        self.pending: dict[Hashable, threading.RLock] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def clear(self) -> None:
        """Forgets every signature."""
        with self.lock:
            self.fast.clear()
            self.spread.clear()
            self.entries.clear()

    def call(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        fast: Hashable = None,
        order: Sequence[int] | None = None,
    ) -> Any:
        """The general case of a call.

        Args:
            args, kwargs: the arguments.
            fast: the key under which further calls like this one look in `fast`.
            order: which of the buffers that those calls gather is that of each leaf.
        """
        park_if_leaving()
        context = _state.context
        if context is TRACING:
            return self.inline(args, kwargs)
        if several_devices and self._is_plain(args, kwargs):
            known = self.spread.get(_placed_key(context, [x._data for x in args]))
            if known is not None:
                return known([x._data for x in args])
        dynamic, static = self._split(args, kwargs)
        leaves, tree = dispatch_registry.flatten(dynamic)
        handle, on_host = self.handle, False
        values = [leaf._data for leaf in leaves if type(leaf) is handle]
        if len(values) == len(leaves):
            described: list[Any] = [impl.aval for impl in values]
        else:
            found = [self._described(leaf) for leaf in leaves]
            pairs = [pair for pair in found if pair is not None]
            if len(pairs) != len(found):
                return self.inline(args, kwargs)
            values, on_host = [pair[0] for pair in pairs], True
            described = list(exact(values, [pair[1] for pair in pairs]))
        if several_devices:
            places = enumerate(map(_place_of, values))
            described += [(i, place) for i, place in places if place is not None]
        key = (tree, static, context, checks.mode(), tuple(described))
        run, executable = self.entries.get(key) or self._miss(key, args, kwargs)
        if on_host or several_devices:
            placed = self._place(values, described, executable)
            if several_devices and self._is_plain(args, kwargs):
                self._remember_spread(context, values, placed, described, run, executable)
            values = placed
        if fast is not None:
            self._remember(fast, run, order)
        return run(values)

    def _is_plain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        if kwargs or self.static_argnums or self.static_argnames:
            return False
        if checks.mode() is not None:
            return False
        return all(type(arg) is self.handle for arg in args)

    def _remember_spread(
        self,
        context: Hashable,
        values: list[Any],
        placed: list[Any],
        described: list[Any],
        run: Callable[[list[Any]], Any],
        executable: Executable,
    ) -> None:
        """Lets later calls with handles in the same places through at once."""
        stays = all(value is there for value, there in zip(values, placed, strict=True))

        def moving(data: list[Any]) -> Any:
            return run(self._place(data, described, executable))

        with self.lock:
            if len(self.spread) >= _CAPACITY:
                self.spread.pop(next(iter(self.spread)))
            self.spread[_placed_key(context, values)] = run if stays else moving

    def call_mixed(self, args: tuple[Any, ...]) -> Any:
        """A call with positional arguments only, some of them host data or trees; at rest, on one device."""
        data: list[Any] = []
        key: list[Any] = []
        on_host = self._gather(args, data, key)
        if on_host is None:
            leaves, tree = dispatch_registry.flatten(args)
            handle = self.handle
            data = [x._data for x in leaves if type(x) is handle]
            if len(data) == len(leaves):
                fast = (tree, *[impl.aval for impl in data])
                run = self.fast.get(fast)
                return self.call(args, {}, fast) if run is None else run(data)
            data, key = [], [tree]
            on_host = self._gather(leaves, data, key)
        if on_host is None:
            return self.call(args, {})
        return self._run(args, {}, data, key, on_host)

    def call_named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call with arguments that are static or named; at rest, on one device, no static position negative."""
        static: list[Any] = []
        leaves: Sequence[Any] = args
        order = None
        if self.positions:
            static = [args[n] for n in self.static_argnums if n < len(args)]
            leaves = [x for n, x in enumerate(args) if n not in self.positions]
        if kwargs:
            names = self.static_argnames
            static += [x for name, x in kwargs.items() if name in names]
            dynamic = [name for name in kwargs if name not in names]
            if len(dynamic) > 1:
                # Those of a dict come in the order of their names.
                start = len(leaves)
                order = [*range(start), *(start + dynamic.index(name) for name in sorted(dynamic))]
            leaves = [*leaves, *[kwargs[name] for name in dynamic]]
        data: list[Any] = []
        # Names, types, then values: how many of each there are follows from those before, so keys are told apart.
        key = [len(args), *kwargs, *map(type, static), *static]
        on_host = self._gather(leaves, data, key)
        if on_host is None:
            if kwargs:
                return self.call(args, kwargs)
            leaves, tree = dispatch_registry.flatten(leaves)
            data, key = [], [len(args), tree, *map(type, static), *static]
            on_host = self._gather(leaves, data, key)
        if on_host is None:
            return self.call(args, kwargs)
        return self._run(args, kwargs, data, key, on_host, order)

    def _gather(self, leaves: Sequence[Any], data: list[Any], key: list[Any]) -> list[int] | None:
        """Add the buffer or host data, and the abstract value, of each leaf.

        Returns:
            The positions of host data; None if there is something else.
        """
        handle = self.handle
        on_host: list[int] = []
        has_numbers = False
        for x in leaves:
            kind = type(x)
            if kind is handle:
                x = x._data
                key.append(x.aval)
            elif kind in _CONTAINERS:
                return None
            else:
                aval = known(x.shape, x.dtype) if kind is np.ndarray else None
                if aval is None:
                    aval = buffers.host_abstract(x)
                    if aval is None:
                        return None
                    has_numbers |= kind in NUMBERS
                on_host.append(len(data))
                key.append(aval)
            data.append(x)
        if has_numbers:
            start = len(key) - len(data)
            key[start:] = exact(data, key[start:])
        return on_host

    def _run(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        data: list[Any],
        key: list[Any],
        on_host: list[int],
        order: Sequence[int] | None = None,
    ) -> Any:
        """Run what was found before under a key that ends with the abstract values; else compile and write it down."""
        fast = tuple(key)
        try:
            run = self.fast.get(fast)
        except TypeError:
            # A static argument is not hashable, which `call` has words for.
            return self.call(args, kwargs)
        if run is None:
            return self.call(args, kwargs, fast, order)
        start = len(key) - len(data)
        for position in on_host:
            x, aval = data[position], key[start + position]
            if type(x) is np.ndarray and x.dtype is aval.dtype:
                data[position] = buffers.put_at_once(x, aval)
            else:
                data[position] = (buffers.put_as if self.donates else buffers.put_shared)(x, aval)
        return run(data)

    def _remember(self, fast: Hashable, run: Callable[[list[Any]], Any], order: Sequence[int] | None) -> None:
        with self.lock:
            if len(self.fast) >= _CAPACITY:
                self.fast.pop(next(iter(self.fast)))
            self.fast[fast] = run if order is None else _reordered(run, order)

    def _split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Hashable]:
        if not self.static_argnums and not self.static_argnames:
            return (args, kwargs), ()
        positions = {n if n >= 0 else n + len(args) for n in self.static_argnums}
        static: list[Any] = [(type(args[n]), args[n]) for n in sorted(positions) if 0 <= n < len(args)]
        static += [
            (key, type(kwargs[key]), kwargs[key]) for key in sorted(self.static_argnames & kwargs.keys())
        ]
        try:
            hash(tuple(static))
        except TypeError as error:
            raise TypeError(
                f"{self.line()}: a static argument of {self.name} is not hashable ({error}); pass a tuple in "
                "place of a list, or take the argument out of static_argnums / static_argnames"
            ) from None
        dynamic = tuple(arg for n, arg in enumerate(args) if n not in positions)
        named = {key: value for key, value in kwargs.items() if key not in self.static_argnames}
        return (dynamic, named), tuple(static)

    def _described(self, leaf: Any) -> tuple[Any, AbstractValue] | None:
        """A leaf's buffer or host data, with its abstract value; None if it is a tracer."""
        aval = buffers.host_abstract(leaf)
        if aval is None and self.convert is not None and not isinstance(leaf, self.handle):
            leaf = self.convert(leaf)
            aval = buffers.host_abstract(leaf)
        if aval is not None:
            return leaf, aval
        if type(leaf) is self.handle:
            return leaf._data, leaf._data.aval
        if isinstance(leaf, self.handle):
            return None
        raise TypeError(
            f"{self.line()}: {self.name} was called with an argument of type {type(leaf).__qualname__}, which "
            "is no array and no number; name it in static_argnums or static_argnames to pass it as a constant"
        )

    def _place(self, values: list[Any], described: list[Any], executable: Executable) -> list[Any]:
        if any(map(is_gone, values)):
            error = pjrt.XlaRuntimeError("an argument was deleted or donated")
            raise explained(error, values, self.line) from error
        device = executable.devices[0]
        if executable.layout is not None:
            return [
                _spread(value, aval, sharding)
                for value, aval, sharding in zip(values, described, executable.layout.arguments, strict=False)
            ]
        placed = []
        for value, aval in zip(values, described, strict=False):
            if not isinstance(value, pjrt.ArrayImpl):
                value = buffers.put_as(value, aval, device)
            elif len(executable.devices) == 1 and buffers.device_of(value) is not device:
                if value._committed:
                    raise DeviceError(
                        f"{self.line()}: {self.name} runs on {device}, but an argument was put on "
                        f"{buffers.device_of(value)}; move it with device_put"
                    )
                value = buffers.copy_to_device(value, device)
            placed.append(value)
        return placed

    def _miss(self, key: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self.lock:
            waiting = self.pending.setdefault(key, threading.RLock())
        with waiting:
            entry = self.entries.get(key)
            if entry is not None:
                return entry
            compiled = self.compile(args, kwargs)
            entry = (_runner(compiled, self.handle, self.line), compiled.executable)
            with self.lock:
                self.pending.pop(key, None)
                if len(self.entries) >= _CAPACITY:
                    self.entries.pop(next(iter(self.entries)))
                self.entries[key] = entry
            return entry


def _placed_key(context: Hashable, data: list[Any]) -> Hashable:
    """What arguments are, where they are, and, if it is not None, the context of the call."""
    places = tuple([(impl.aval, impl._sharding, impl._committed) for impl in data])
    return places if context is None else (context, places)


def _reordered(run: Callable[[list[Any]], Any], order: Sequence[int]) -> Callable[[list[Any]], Any]:
    return lambda data: run([data[i] for i in order])


def _spread(value: Any, aval: AbstractValue, sharding: Any) -> Any:
    if not isinstance(value, pjrt.ArrayImpl):
        return put_spread(value, aval, sharding)
    return value if value._sharding == sharding else reshard(value, sharding)


def _place_of(value: Any) -> Any:
    """Where a buffer is, as far as it decides where a program runs: on one device, only what was put there does."""
    if not isinstance(value, pjrt.ArrayImpl):
        return None
    sharding = value._sharding
    if not value._committed and len(sharding._internal_device_list) == 1:
        return None
    return sharding, value._committed


_CONTAINERS = frozenset({dict, list, tuple, type(None)})
_LEAF = dispatch_registry.flatten(0)[1]


def _runner(compiled: Compiled, handle: type[Any], line: Callable[[], str]) -> Callable[[list[Any]], Any]:
    """A function from argument buffers to results, with nothing left to decide."""
    executable, hidden, kept = compiled.executable, compiled.hidden, compiled.kept
    if not executable.is_plain:
        return _careful_runner(compiled, handle, line)
    execute = executable.execute_sharded
    handlers = executable.handlers
    unflatten = compiled.out_tree.unflatten
    new: Any = handle

    def run(data: list[Any]) -> Any:
        try:
            out = execute(data).consume_with_handlers(handlers)
        except pjrt.XlaRuntimeError as error:
            raise explained(error, data, line) from error
        return unflatten(list(map(new, out)))

    def run_one(data: list[Any]) -> Any:
        try:
            return new(execute(data).consume_with_handlers(handlers)[0])
        except pjrt.XlaRuntimeError as error:
            raise explained(error, data, line) from error

    plain = run_one if compiled.out_tree == _LEAF else run
    if hidden is None and kept is None:
        return plain

    def run_with_hidden(data: list[Any]) -> Any:
        if hidden is not None:
            data = [*hidden(), *data]
        return plain(data if kept is None else [data[i] for i in kept])

    return run_with_hidden


def _careful_runner(
    compiled: Compiled, handle: type[Any], line: Callable[[], str]
) -> Callable[[list[Any]], Any]:
    """The runner of a program that calls Python functions, or is checked for NaNs."""
    executable, hidden, kept = compiled.executable, compiled.hidden, compiled.kept

    def run(data: list[Any]) -> Any:
        if hidden is not None:
            data = [*hidden(), *data]
        if kept is not None:
            data = [data[i] for i in kept]
        return compiled.out_tree.unflatten([handle(impl) for impl in executable.run(data, line)])

    return run
