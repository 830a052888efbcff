"""Tracing: functions under construction, and the traced values that stand for arrays in them.

A `Trace` owns one module. Each function being traced is a `Frame`; frames nest as the user's functions do. A
traced value used in a frame below its own is *captured*: it becomes an extra argument of every function in
between. Concrete arrays become *hidden* arguments of the outermost function, read at each call: they can be
assigned to, and a large constant would live in the MLIR context for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.dialects import ops
from mycc.dialects.errors import ConcretizationError, LeakedTracerError
from mycc.dialects.mlir import context, func, ir
from mycc.dialects.types import element_type, float0, tensor
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.callbacks import HostFunction
from mycc.lowering.dispatch import TRACING, swap_context
from mycc.lowering.shardings import Mesh
from mycc.source import user_line, user_location

__all__ = [
    "Frame", "Trace", "Tracer", "current", "for_all_sizes", "outside_of_traces", "require_frame", "tracing",
    "tracing_for_all_sizes",
]  # fmt: skip

_FLOAT32 = np.dtype(np.float32)
CONSTANT_BYTES = 1024
"""NumPy arrays up to this size are embedded as constants."""


class _State(threading.local):
    frame: Frame | None = None
    all_sizes: bool = False


_state = _State()


def current() -> Frame | None:
    """The innermost function being traced in this thread."""
    return _state.frame


def for_all_sizes() -> bool:
    """Whether what is traced stands for all sizes, so that the operations should not depend on them."""
    return _state.all_sizes


@contextmanager
def tracing_for_all_sizes() -> Iterator[None]:
    """The scope of traces that stand for all sizes; see `mycc.symbolic`."""
    old, _state.all_sizes = _state.all_sizes, True
    try:
        yield
    finally:
        _state.all_sizes = old


def require_frame() -> Frame:
    """The innermost function being traced, where there must be one."""
    frame = _state.frame
    assert frame is not None, "array functions build operations inside `mycc.api.operation`"
    return frame


def mlir_type(aval: AbstractValue) -> ir.Type:
    """The tensor type of an abstract value."""
    special: ir.Type | None = getattr(aval, "mlir_type", None)
    return tensor(aval.shape, element_type(aval.dtype)) if special is None else special


class Trace:
    """One module under construction.

    Args:
        name: of its main function, as the user wrote it.
        eager: whether concrete inputs are at hand, so that a value that is asked for can be computed.
    """

    def __init__(self, name: str, eager: bool = False) -> None:
        self.name = name
        self.eager = eager
        self.embedding = False
        """Whether Python's numbers become constants in an eager trace, too."""
        self.names: set[str] = set()
        self.open: set[str] = set()
        """Symbols of functions that have no end yet."""
        self.promised: set[str] = set()
        """Symbols of rules that composites name and that are still being traced."""
        self.ruling: list[Any] = []
        """The custom functions whose rules are being traced, one inside of the other."""
        self.calls: dict[Any, Any] = {}
        """Functions traced in this module already, by what identifies a call of them."""
        self.hidden: list[Array] = []
        """Concrete arrays that the main function takes after its explicit arguments."""
        self.hidden_values: dict[int, ir.Value] = {}
        self.sources: dict[int, tuple[np.ndarray[Any, Any], Array]] = {}
        self.callbacks: dict[HostFunction, None] = {}
        """The Python functions that the module calls."""
        self.meshes: dict[Mesh, None] = {}
        """The meshes of shardings that the program asks for."""
        self.root: Frame | None = None
        with context, user_location() as location:
            self.module = ir.Module.create(loc=location)
            self.module.operation.attributes["sym_name"] = ir.StringAttr.get(_identifier(name))

    def symbol(self, name: str) -> str:
        """A fresh symbol like a Python function's name."""
        base = symbol = _identifier(name)
        n = 0
        while symbol in self.names:
            n += 1
            symbol = f"{base}_{n}"
        self.names.add(symbol)
        return symbol


def _identifier(name: str) -> str:
    kept = "".join(c if c.isalnum() or c == "_" else "_" for c in name).strip("_")
    return kept or "fn"


class Frame:
    """One function under construction.

    Args:
        trace: the module it goes into.
        name: the user's name of the function.
        avals: what is known of its explicit arguments.
        parent: the frame around it.
        kind: ``jit``, ``grad`` (values can be asked for if they can in the parent), ``vmap``, or ``manual``.
        axes: the names that it binds, and their sizes.
        mesh: the devices that it is mapped over, along these axes.
        checked: whether what is the same on all devices that it is mapped over is known to be.
        order: by how much more often than the parent it is differentiated; -1 in a rule, which is a derivative.
    """

    def __init__(
        self,
        trace: Trace,
        name: str,
        avals: Sequence[AbstractValue],
        parent: Frame | None = None,
        kind: str = "jit",
        axes: dict[str, int] | None = None,
        mesh: Mesh | None = None,
        order: int = 0,
        checked: bool = False,
    ) -> None:
        self.trace = trace
        self.parent = parent
        self.kind = kind
        self.name = name
        self.line = user_line()
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.order: int = order if parent is None else parent.order + order
        self.bound = axes or {}
        """The named axes that it binds, with their sizes."""
        outer = {} if parent is None else parent.checked
        own = self.bound if checked else {}
        self.checked: dict[str, int] = {a: n for a, n in outer.items() if a not in self.bound} | own
        """The axes of meshes along which derivatives are those of the whole program."""
        self.axes: dict[str, int] = (parent.axes if parent is not None else {}) | (axes or {})
        around = (None, frozenset[str]()) if parent is None else (parent.mesh, parent.manual)
        self.mesh: Mesh | None = around[0] if mesh is None else mesh
        """The devices that this function, or one around it, is mapped over."""
        self.manual: frozenset[str] = around[1] if mesh is None else around[1] | frozenset(axes or ())
        """The axes of the mesh along which a device sees its own part."""
        self.inside = False
        """Whether an array function of mycc is building operations, so that inner ones keep its location."""
        self.alive = True
        self.returning = False
        """Whether a root frame's results are being taken, in which residual handles may stay."""
        self.effects = False
        self.forced = False
        """Whether a value that depends on the arguments was asked for."""
        self.captured: list[Tracer | Array] = []
        self.captures: dict[ir.Value, ir.Value] = {}
        self.wide: dict[ir.Value, ir.Value] = {}
        """For Python numbers in the dtype that they have by themselves what they were before they were rounded."""
        self.operands: list[Tracer | None] = []
        """The parent's values behind the arguments, where values can be asked for; None for tangents."""
        self.concrete: list[Array] = []
        if parent is None:
            trace.root = self
        types = [mlir_type(aval) for aval in avals]
        self.location = user_location()
        with context, self.location, ir.InsertionPoint(trace.module.body):
            self.symbol = "main" if parent is None else trace.symbol(name)
            trace.names.add(self.symbol)
            trace.open.add(self.symbol)
            visibility = "public" if parent is None else "private"
            self.function: ir.Operation = func.FuncOp(
                self.symbol, (types, []), visibility=visibility
            ).operation
            self.block: ir.Block = self.function.regions[0].blocks.append(
                *types, arg_locs=[self.location] * len(types)
            )
        self.end = ops.End(self.block)
        arguments = self.block.arguments
        self.arguments = [Tracer(self, value, aval) for value, aval in zip(arguments, avals, strict=True)]

    def __enter__(self) -> Frame:
        self.outer = _state.frame
        _state.frame = self
        context.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        context.__exit__(None, None, None)
        _state.frame = self.outer
        self.alive = False

    # -- values --

    def lift(self, x: Any, aval: AbstractValue | None = None) -> ir.Value:
        """The value of an array-like in this frame.

        Python's and NumPy's scalars and small NumPy arrays become constants. In an eager trace, where they may
        differ at the next call, they are arguments, but for Python's integers and booleans.
        """
        if isinstance(x, Tracer):
            return x._value if x._frame is self else self._capture(x)
        if isinstance(x, Array):
            return self._capture_concrete(x)
        eager = self.trace.eager and not self.trace.embedding
        if isinstance(x, np.ndarray) and x.nbytes > (0 if eager else CONSTANT_BYTES):
            return self._capture_concrete(self._array_of(x))
        from mycc.types import abstractify

        aval = aval or abstractify(x)
        if eager and type(x) is float:
            number = self._capture_concrete(Array._from_numpy(np.float64(x)))
            return number if aval.dtype == np.float64 else self.rounded(number, aval.dtype)
        if eager and isinstance(x, np.generic):
            return self._capture_concrete(Array._from_numpy(x, aval))
        dtype = aval.dtype
        return ops.constant(np.zeros(np.shape(x), bool) if dtype == float0 else np.asarray(x, dtype))

    def rounded(self, number: ir.Value, dtype: np.dtype[Any]) -> ir.Value:
        """A Python number that is an argument, in the dtype that it has by itself; `mycc.emit.convert` undoes it."""
        value = ops.convert(number, element_type(dtype))
        self.wide[value] = number
        return value

    def _array_of(self, x: np.ndarray[Any, Any]) -> Array:
        """The array of a NumPy array, put on the device once for each trace unless its numbers change meanwhile."""
        found = self.trace.sources.get(id(x))
        if found is None or not _same_bytes(found[1]._numpy(), x):
            found = self.trace.sources[id(x)] = (x, Array._from_numpy(x))
        return found[1]

    def _capture(self, x: Tracer) -> ir.Value:
        owner = x._frame
        if (
            not owner.alive
            or owner.trace is not self.trace
            or owner.depth >= self.depth
            or not self._below(owner)
        ):
            raise LeakedTracerError(_leak_message(x, self))
        return self._pass_down(x._value, x)

    def _below(self, owner: Frame) -> bool:
        frame: Frame | None = self
        while frame is not None and frame is not owner:
            frame = frame.parent
        return frame is owner

    def _pass_down(self, outer: ir.Value, x: Tracer | Array) -> ir.Value:
        """An argument of this frame for a value of a frame around it."""
        found = self.captures.get(outer)
        if found is None:
            assert self.parent is not None
            if not isinstance(x, Tracer) or x._frame is not self.parent:
                self.parent.lift(x)
            found = self.captures[outer] = self.block.add_argument(outer.type, self.location)
            self.captured.append(x)
            if isinstance(x, Tracer):
                self.arguments.append(Tracer(self, found, x._aval))
        return found

    def _capture_concrete(self, x: Array) -> ir.Value:
        trace = self.trace
        assert trace.root is not None
        value = trace.hidden_values.get(id(x))
        if value is None:
            value = trace.root.block.add_argument(mlir_type(x._aval), trace.root.location)
            trace.hidden_values[id(x)] = value
            trace.hidden.append(x)
        return value if self is trace.root else self._pass_down(value, x)

    # -- closing --

    def close(self, values: Sequence[ir.Value]) -> None:
        """End the body with the values it returns."""
        with context, self.location, self.end:
            ops.return_(values)
        type_ = ir.FunctionType.get(
            [argument.type for argument in self.block.arguments],
            [value.type for value in values],
            context=context,
        )
        self.function.attributes["function_type"] = ir.TypeAttr.get(type_, context=context)
        self.trace.open.discard(self.symbol)

    def discard(self) -> None:
        """Drop the function, after an error while it was traced."""
        self.function.erase()
        self.trace.open.discard(self.symbol)


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


@contextmanager
def outside_of_traces() -> Iterator[None]:
    """The scope of Python code that a program calls while this thread may be tracing: it computes with arrays."""
    frame, _state.frame = _state.frame, None
    old = swap_context(None)
    try:
        yield
    finally:
        swap_context(old)
        _state.frame = frame


class Tracer(Array):
    """A traced array: a value of a function under construction.

    Shape, dtype and all array functions work; its numbers are not known, except in eager `grad`, `jvp` and
    `vjp`, where asking for them computes them.
    """

    __slots__ = ("_frame", "_known", "_traced", "_value")

    def __init__(self, frame: Frame, value: ir.Value, aval: AbstractValue) -> None:
        self._frame = frame
        self._value = value
        self._traced = aval
        self._known: Array | None = None

    @property
    def _aval(self) -> AbstractValue:
        return self._traced

    def _assign(self, new: Array) -> None:
        if self._frame is not _state.frame:
            raise leaked_assignment(self) if _state.frame is not None else leaked(self)
        assert isinstance(new, Tracer)
        self._value, self._traced, self._known = new._value, new._traced, None

    def _same(self) -> Array:
        return Tracer(self._frame, self._value, self._traced)

    def _concrete(self, what: str) -> Array:
        if self._known is None:
            from mycc.force import force

            self._known = force(self, what)
        return self._known

    def __repr__(self) -> str:
        return f"Tracer<{self._traced}> of {self._frame.name}"

    def __str__(self) -> str:
        # To print what is being traced is how people look at tracing.
        try:
            return super().__str__()
        except (ConcretizationError, LeakedTracerError):
            return repr(self)

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if spec else str(self)


def _same_bytes(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> bool:
    a, b = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (x, y))
    return np.array_equal(a, b)


def concretization_error(x: Tracer, what: str) -> ConcretizationError:
    """The error for a request of a value that is not known."""
    frame = unknown = x._frame
    while unknown.kind == "grad" and unknown.parent is not None:
        unknown = unknown.parent
    return ConcretizationError(
        f"{user_line()}: {what} needs the value of a traced array of type {x._traced}, but only its shape and dtype are "
        f"known while {frame.name} is traced under {unknown.kind}; use mycc.lax.cond or mycc.numpy.where to choose by it, "
        "mycc.lax.while_loop or fori_loop to loop by it, or make the argument static (static_argnums)"
    )


def _leak_message(x: Tracer, frame: Frame | None) -> str:
    where = f"while {frame.name} is traced" if frame is not None else "outside of any trace"
    return (
        f"{user_line()}: a traced array of type {x._traced} is used {where}, but it belongs to the trace of "
        f"{x._frame.name} (begun at {x._frame.line}), which has ended or is not around this one; "
        "return the value from the function instead of storing it elsewhere"
    )


def leaked(x: Tracer) -> LeakedTracerError:
    """The error for a traced value met outside of its trace."""
    return LeakedTracerError(_leak_message(x, _state.frame))


def leaked_assignment(x: Array) -> LeakedTracerError:
    """The error for an assignment to an array that the function being traced did not make or get."""
    frame = _state.frame
    assert frame is not None
    made = (
        f"belongs to {x._frame.name} (begun at {x._frame.line})" if isinstance(x, Tracer) else "is concrete"
    )
    return LeakedTracerError(
        f"{user_line()}: cannot assign to an array that {made} while {frame.name} (begun at {frame.line}) is traced: "
        "the assignment would be lost or leak; copy it first (x = x.copy()), or return the new value"
    )
