"""The stages of a compiled function: traced, lowered, compiled, each with its text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mycc import budget
from mycc.array import Array
from mycc.device import Placement, placement, places_of
from mycc.dialects.errors import DeviceError, ShardingError, TreeError
from mycc.dialects.mlir import ir
from mycc.function import building, flatten_results, name_of, result_aval
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue, described
from mycc.lowering.callbacks import HostFunction
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import several_devices
from mycc.lowering.dispatch import Compiled as Entry
from mycc.lowering.executable import Executable
from mycc.lowering.pipelines import check_expanded, run_default
from mycc.lowering.settings import CompileSettings
from mycc.lowering.sharded import annotate
from mycc.lowering.shardings import NamedSharding, SingleDeviceSharding, shard_shape
from mycc.passes.pipeline import Pipeline
from mycc.passes.symbols import copy_module
from mycc.residuals import expand_handles, gathered
from mycc.source import user_line
from mycc.trace import Frame, Trace, tracing
from mycc.types import abstractify_all, checked_size

__all__ = ["Compiled", "Lowered", "ShapeDtypeStruct", "Traced", "eval_shape", "observe", "trace_program"]

Selector = Callable[["int | str"], bool]


class ShapeDtypeStruct:
    """Shape and dtype of an array without its numbers, for tracing.

    Args:
        shape: the size of each dimension; for `export` also symbols and expressions of them, as strings (``"b"``,
            ``"2*b + 1"``), of `symbolic_shape`, or of ``jax.export.symbolic_shape``.
        dtype: a NumPy dtype, or what ``numpy.dtype`` takes.
        weak_type: whether the dtype yields to other operands'.

    Raises:
        TypeError: a size is none of these.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.eval_shape(mnp.sum, mycc.ShapeDtypeStruct((3,), "float32"))
        ShapeDtypeStruct(shape=(), dtype=float32)
    """

    __slots__ = ("dtype", "shape", "weak_type")

    shape: tuple[Any, ...]
    dtype: np.dtype[Any]
    weak_type: bool

    def __init__(self, shape: Any, dtype: Any, weak_type: bool = False) -> None:
        set_shape, set_dtype, set_weak_type = _setters
        set_shape(self, tuple(map(checked_size, shape)))
        set_dtype(self, np.dtype(dtype))
        set_weak_type(self, bool(weak_type))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"ShapeDtypeStruct is immutable; build a new one to change its {name}")

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> Any:
        """The number of elements."""
        return math.prod(self.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtypeStruct) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.shape, self.dtype, self.weak_type

    def __reduce__(self) -> tuple[Any, ...]:
        return ShapeDtypeStruct, (self.shape, self.dtype, self.weak_type)

    def __str__(self) -> str:
        return described(self.shape, self.dtype)

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name}{weak})"


_setters = tuple(getattr(ShapeDtypeStruct, name).__set__ for name in ("shape", "dtype", "weak_type"))


def _text(module: ir.Module, debug_info: bool) -> str:
    return str(module.operation.get_asm(enable_debug_info=debug_info))


@dataclass(frozen=True)
class Traced:
    """A traced function: StableHLO with mycc's transform operations in it, before any pass has run."""

    name: str
    module: ir.Module
    in_avals: tuple[AbstractValue, ...]
    out_avals: tuple[AbstractValue, ...]
    in_tree: Any
    out_tree: Any
    donated: tuple[int, ...] = ()
    hidden: tuple[Array, ...] = ()
    place: Placement | None = None
    callbacks: tuple[HostFunction, ...] = ()
    """The Python functions that the program calls, which live as long as this."""
    memory_budget: str = ""

    @property
    def out_info(self) -> Any:
        """Shapes and dtypes of the results, as a pytree of `ShapeDtypeStruct`."""
        return self.out_tree.unflatten(
            [ShapeDtypeStruct(a.shape, a.dtype, a.weak_type) for a in self.out_avals]
        )

    def as_text(self, debug_info: bool = False) -> str:
        """The module as MLIR text, with the user's lines if ``debug_info``."""
        return _text(self.module, debug_info)

    def lower(self, pipeline: Pipeline | str | None = None, *, memory_budget: str | None = None) -> Lowered:
        """Run the passes on a copy of the module.

        Args:
            pipeline: passes to run instead of the default ones.
            memory_budget: instead of the one that `jit` was given.
        """
        module = copy_module(self.module)
        programs, avals = expand_handles(module, self.out_avals)
        if pipeline is None:
            allowed = self.memory_budget if memory_budget is None else memory_budget
            run_default(module, allowed, self._placement().devices[0].platform)
        else:
            (Pipeline.parse(pipeline) if isinstance(pipeline, str) else pipeline).run(module)
        out_tree = self.out_tree
        if any(programs):
            out_tree = pytrees.flatten(out_tree.unflatten(gathered(programs, avals)))[1]
        return Lowered(self, module, tuple(avals), out_tree)

    def _placement(self) -> Placement:
        """Where the program is to run."""
        return self.place or placement((), self.name)


@dataclass(frozen=True)
class Lowered:
    """A function after mycc's passes: the module that XLA gets."""

    traced: Traced
    module: ir.Module
    out_avals: tuple[AbstractValue, ...]
    out_tree: Any

    @property
    def out_info(self) -> Any:
        """Shapes and dtypes of the results, as a pytree of `ShapeDtypeStruct`."""
        return self.out_tree.unflatten(
            [ShapeDtypeStruct(a.shape, a.dtype, a.weak_type) for a in self.out_avals]
        )

    def as_text(self, dialect: Literal["stablehlo"] = "stablehlo", debug_info: bool = False) -> str:
        """The module as StableHLO text."""
        if dialect != "stablehlo":
            raise ValueError(
                f"a lowered function is StableHLO, not {dialect!r}; .compile().as_text() gives HLO"
            )
        return _text(self.module, debug_info)

    def compile(self, settings: CompileSettings | None = None) -> Compiled:
        """Compile with XLA for the default device, or the one that `jit` was given.

        With a memory budget that XLA's plan exceeds, the passes run again with a smaller one.

        Warns:
            UserWarning: the budget cannot be reached.
        """
        compiled = self._compile(settings)
        if self.traced.memory_budget:
            compiled = budget.reach(compiled, settings)
        for observer in list(_observers):
            observer(compiled)
        return compiled

    def _compile(self, settings: CompileSettings | None) -> Compiled:
        check_expanded(self.module)
        place = self.traced._placement()
        executable = compile_module(
            self.module,
            devices=place.devices,
            donated=self.traced.donated,
            options=settings or CompileSettings(),
            out_avals=self.out_avals,
            committed=place.committed,
            layout=place.layout,
        )
        return Compiled(self, executable)


@dataclass(frozen=True)
class Compiled:
    """An executable for one signature of a function."""

    lowered: Lowered
    executable: Executable = field(repr=False)

    @property
    def traced(self) -> Traced:
        """The stage before the passes."""
        return self.lowered.traced

    @property
    def name(self) -> str:
        """The function's name."""
        return self.traced.name

    @property
    def traced_module(self) -> ir.Module:
        """The module as traced."""
        return self.traced.module

    @property
    def lowered_module(self) -> ir.Module:
        """The module after the passes."""
        return self.lowered.module

    @property
    def out_info(self) -> Any:
        """Shapes and dtypes of the results, as a pytree of `ShapeDtypeStruct`."""
        return self.lowered.out_info

    def as_text(self) -> str:
        """The HLO after XLA's own passes."""
        return self.executable.hlo_text()

    def cost_analysis(self) -> dict[str, Any]:
        """XLA's estimate of operations and bytes."""
        return self.executable.cost_analysis()

    def memory_analysis(self) -> dict[str, int]:
        """Bytes of arguments, results and temporaries, as XLA planned them."""
        return self.executable.memory_stats()

    def as_entry(self) -> Entry:
        """What the dispatcher runs."""
        traced = self.traced
        hidden, count = traced.hidden, len(traced.in_avals)
        if not hidden:
            return Entry(self.executable, self.lowered.out_tree)
        # The dispatcher puts hidden arguments first, the module takes them last.
        order = (*range(len(hidden), len(hidden) + count), *range(len(hidden)))
        executable = self.executable

        def data() -> list[Any]:
            found = [x._data for x in hidden]
            return executable.place(found, count) if several_devices else found

        return Entry(executable, self.lowered.out_tree, data, order)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it on arguments of the signature that it was compiled for (static arguments left out).

        Raises:
            TreeError: the arguments have another structure.
            TypeError: an argument has another shape or dtype.
        """
        traced = self.traced
        leaves, tree = pytrees.flatten((args, kwargs))
        if tree != traced.in_tree:
            raise TreeError(
                f"{user_line()}: {traced.name} was compiled for arguments {traced.in_tree}, got {tree}"
            )
        arrays = []
        for leaf, aval, got in zip(leaves, traced.in_avals, abstractify_all(leaves), strict=True):
            if (got.shape, got.dtype) != (aval.shape, aval.dtype):
                raise TypeError(f"{user_line()}: {traced.name} was compiled for {aval}, got {got}")
            arrays.append(leaf if isinstance(leaf, Array) else Array._from_numpy(leaf, got))
        results = self.executable.run([x._data for x in (*arrays, *traced.hidden)], user_line)
        return self.lowered.out_tree.unflatten([Array(result) for result in results])


_observers: list[Callable[[Compiled], None]] = []


@contextmanager
def observe(observer: Callable[[Compiled], None]) -> Iterator[None]:
    """Be called with every function that `jit` compiles meanwhile, in any thread."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def trace_program(
    fun: Callable[..., Any],
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    is_static: Callable[[int | str, int], bool],
    is_donated: Selector,
    device: Any,
    shardings: tuple[Any, Any] = (None, None),
    memory_budget: str = "",
) -> Traced:
    """Trace a function into a module of its own."""
    count = len(args)
    positions = [i for i in range(count) if not is_static(i, count)]
    keys = [k for k in kwargs if not is_static(k, count)]
    dynamic = tuple(args[i] for i in positions), {k: kwargs[k] for k in keys}
    leaves, in_tree = pytrees.flatten(dynamic)
    avals = abstractify_all(leaves)
    donated = _donated_leaves(dynamic, positions, is_donated)
    trace = Trace(name)
    frame = Frame(trace, name, avals)
    with tracing(frame):
        dynamic_args, dynamic_kwargs = in_tree.unflatten(list(frame.arguments))
        full = list(args)
        for position, value in zip(positions, dynamic_args, strict=True):
            full[position] = value
        results = fun(*full, **{**kwargs, **dynamic_kwargs})
        frame.returning = True
        out_leaves, out_tree = flatten_results(results)
        out_avals = tuple(result_aval(leaf, name) for leaf in out_leaves)
        with building(frame):
            values = [frame.lift(leaf, aval) for leaf, aval in zip(out_leaves, out_avals, strict=True)]
        frame.close(values)
    if device is None:
        place = _place(name, trace, dynamic, leaves, out_tree.unflatten(out_avals), shardings)
    else:
        place = Placement((device,), True)
    return Traced(
        name,
        trace.module,
        avals,
        out_avals,
        in_tree,
        out_tree,
        donated,
        tuple(trace.hidden),
        place,
        tuple(trace.callbacks),
        memory_budget,
    )


def _place(
    name: str, trace: Trace, dynamic: Any, leaves: list[Any], results: Any, shardings: tuple[Any, Any]
) -> Placement:
    """Where a program runs; writes to it how its arguments and results are spread."""
    positional, named = dynamic
    if named and shardings[0] is not None and isinstance(shardings[0], (tuple, list)) and not positional:
        raise TreeError(
            f"{user_line()}: {name}: in_shardings are of positional arguments, and got only the keyword arguments "
            f"{', '.join(named)}; pass them by position"
        )
    count = len(leaves) - len(pytrees.flatten(named)[0])
    given = [*places_of(shardings[0], positional), *[None] * (len(leaves) - count + len(trace.hidden))]
    wanted = places_of(shardings[1], results)
    alone = _one_device(name, [*given, *wanted], trace)
    if alone is not None:
        return Placement((alone,), True)
    for i, (sharding, aval) in enumerate(zip(wanted, pytrees.flatten(results)[0], strict=True)):
        if sharding is not None:
            try:
                shard_shape(sharding, aval.shape)
            except ShardingError as error:
                raise ShardingError(
                    f"{user_line()}: out_shardings of {name}: result leaf {i}, {aval}: {error}"
                ) from None
    meshes = dict.fromkeys([*trace.meshes, *(s.mesh for s in wanted if s is not None)])
    place = placement([*leaves, *trace.hidden], name, given, list(meshes))
    if place.layout is not None:
        annotate(trace.module, place.layout.arguments, wanted)
    return place


def _one_device(name: str, shardings: list[Any], trace: Trace) -> Any:
    """The device of a program whose shardings are of one; None if they are of meshes.

    Raises:
        DeviceError: they are of several devices, or of both.
        TypeError: one is none that a program can have.
    """
    asked = [s for s in shardings if s is not None]
    for s in asked:
        if not isinstance(s, (NamedSharding, SingleDeviceSharding)):
            raise TypeError(
                f"{user_line()}: {name} takes NamedShardings and SingleDeviceShardings in in_shardings and out_shardings, got "
                f"{s!r}"
            )
    alone = {device for s in asked if isinstance(s, SingleDeviceSharding) for device in s.device_set}
    if not alone:
        return None
    meshes = [*trace.meshes, *(s for s in asked if isinstance(s, NamedSharding))]
    if len(alone) > 1 or meshes:
        kinds = ", ".join(dict.fromkeys(map(repr, [*asked, *trace.meshes])))
        raise DeviceError(
            f"{user_line()}: the shardings of {name} are of different devices ({kinds}), and a program runs on one set of them; "
            "give all of one mesh"
        )
    return alone.pop()


def _donated_leaves(dynamic: Any, positions: list[int], is_donated: Selector) -> tuple[int, ...]:
    args, kwargs = dynamic
    flags: list[bool] = []
    for position, arg in zip(positions, args, strict=True):
        flags += [is_donated(position)] * len(pytrees.flatten(arg)[0])
    for key in sorted(kwargs):
        flags += [is_donated(key)] * len(pytrees.flatten(kwargs[key])[0])
    return tuple(i for i, flag in enumerate(flags) if flag)


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Shapes and dtypes of a function's results, without running or compiling it.

    Args:
        fun: a function of arrays, or pytrees of them.
        args, kwargs: its arguments, as arrays or `ShapeDtypeStruct`.

    Returns:
        A pytree of `ShapeDtypeStruct` of the structure of the results.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.eval_shape(lambda x: x @ x.T, mycc.ShapeDtypeStruct((2, 3), "float32"))
        ShapeDtypeStruct(shape=(2, 2), dtype=float32)
    """
    return trace_program(fun, name_of(fun), args, kwargs, lambda *_: False, lambda _: False, None).out_info
