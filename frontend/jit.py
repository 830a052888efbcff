"""`jit`: compile a function once per signature, and run the compiled program."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mycc import recompiles
from mycc.array import Array
from mycc.budget import budget_text
from mycc.constraint import constrained
from mycc.device import places_of
from mycc.function import Callee, building, call, name_of, trace_function
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.lowering.checks import mode
from mycc.lowering.dispatch import Compiled, make_dispatcher
from mycc.source import user_line
from mycc.stages import Lowered, Traced, trace_program
from mycc.trace import Frame, Tracer, current, leaked
from mycc.types import abstractify_all

__all__ = ["jit"]

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Sequence[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Sequence[str] | None = None,
    device: Any = None,
    in_shardings: Any = None,
    out_shardings: Any = None,
    memory_budget: int | str | None = None,
) -> Any:
    """Compile a function with XLA, once for each signature it is called with.

    Args:
        fun: takes and returns pytrees of arrays. It is traced with arrays whose numbers are not known.
        static_argnums: positions of arguments that are part of the signature by value; hashable.
        static_argnames: names of such arguments. A position whose parameter is named here is static too.
        donate_argnums: positions of arguments whose memory the results may take over; the arrays passed there
            cannot be used afterwards.
        donate_argnames: names of such arguments.
        device: the device to run on; default: where the arguments are.
        in_shardings: how positional arguments are spread over devices: a sharding for all, or a tuple with one, or a
            pytree whose structure is a prefix of the argument's, for each that is not static. None, also in the place
            of one: as they are.
        out_shardings: the same of the results; None leaves them to the partitioner.
        memory_budget: how much memory intermediate values may take: a number of bytes, text such as ``"512M"`` or
            ``"1.5G"``, or, as ``"50%"``, a part of what they take without it. Derivatives then compute values again
            rather than keep them, those first that cost little. It is compared with what XLA plans for temporaries on one
            device (``memory_analysis()["temp"]``); ``lower(...).as_text()`` says what work was added. Arguments and
            results are not counted. The one of a function called inside of another jitted one means nothing.

    Returns:
        A function of the same arguments, with ``trace``, ``lower``, ``eval_shape`` and ``clear_cache``. Without
        ``fun``, a decorator.

    Raises:
        TypeError: (the returned function) an argument is no array and not static, or a static one is not hashable.
        ShardingError: (the returned function) a dimension does not divide among the devices that it is split over, or
            an argument was put on the devices in another way than ``in_shardings`` says.
        ConcretizationError: (the returned function) the function asks for the number of a traced array.

    Warns:
        UserWarning: (the returned function) the memory budget cannot be reached; with what it takes.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> @mycc.jit
        ... def norm(x):
        ...     return mnp.sqrt(mnp.sum(x * x))
        >>> norm(mnp.array([3.0, 4.0]))
        Array(5., dtype=float32)
    """
    if fun is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            donate_argnums=donate_argnums,
            donate_argnames=donate_argnames,
            device=device,
            in_shardings=in_shardings,
            out_shardings=out_shardings,
            memory_budget=memory_budget,
        )
    if not callable(fun):
        raise TypeError(f"{user_line()}: jit takes a function, got {type(fun).__name__}")
    statics = _resolve(fun, static_argnums, static_argnames, "static")
    donated = _resolve(fun, donate_argnums, donate_argnames, "donate")
    if device is not None and (in_shardings is not None or out_shardings is not None):
        raise ValueError(f"{user_line()}: jit takes a device, or shardings, not both")
    budget = budget_text(memory_budget)
    return _Jit(fun, statics, donated, device, in_shardings, out_shardings, budget).dispatcher()


Selection = tuple[tuple[int, ...], tuple[str, ...]]


def _resolve(fun: Callable[..., Any], nums: Any, names: Any, what: str) -> Selection:
    """Positions and names of the chosen arguments, each completed by the other where the signature tells."""
    positions = (nums,) if isinstance(nums, int) else tuple(nums or ())
    keys = (names,) if isinstance(names, str) else tuple(names or ())
    if not positions and not keys:
        return (), ()
    try:
        parameters = inspect.signature(fun).parameters
    except (TypeError, ValueError):
        return positions, keys
    named = list(parameters)
    open_ended = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for position in positions:
        if not open_ended and not -len(named) <= position < len(named):
            raise ValueError(
                f"{user_line()}: {what}_argnums={position} names no argument of {name_of(fun)}, which takes {len(named)}"
            )
    for key in keys:
        if key not in named and not takes_any:
            raise ValueError(
                f"{user_line()}: {what}_argnames={key!r} names no argument of {name_of(fun)}; it has {', '.join(named)}"
            )
    by_position = [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    places = {p.name: i for i, p in enumerate(by_position)}
    all_positions = dict.fromkeys(positions) | dict.fromkeys(places[key] for key in keys if key in places)
    all_names = dict.fromkeys(keys) | dict.fromkeys(
        by_position[i].name for i in positions if -len(by_position) <= i < len(by_position)
    )
    return tuple(all_positions), tuple(all_names)


class _Jit:
    """A jitted function: how a signature is traced, compiled, and called inside another trace."""

    def __init__(
        self,
        fun: Callable[..., Any],
        statics: Selection,
        donated: Selection,
        device: Any,
        in_shardings: Any,
        out_shardings: Any,
        memory_budget: str,
    ) -> None:
        self.fun = fun
        self.name = name_of(fun)
        self.number = recompiles.number()
        self.static_argnums, self.static_argnames = statics
        self.donate_argnums, self.donate_argnames = donated
        self.device = device
        self.in_shardings = in_shardings
        self.out_shardings = out_shardings
        self.memory_budget = memory_budget

    def dispatcher(self) -> Any:
        """The function that users call."""
        dispatch: Any = make_dispatcher(
            self.name,
            self._compile,
            self._inline,
            handle=Array,
            convert=_convert,
            line=user_line,
            static_argnums=self.static_argnums,
            static_argnames=self.static_argnames,
            donates=bool(self.donate_argnums or self.donate_argnames),
        )
        functools.update_wrapper(dispatch, self.fun)
        dispatch.trace = self.trace
        dispatch.lower = self.lower
        dispatch.eval_shape = self.eval_shape
        dispatch.clear_cache = dispatch.cache_clear
        return dispatch

    def trace(self, *args: Any, **kwargs: Any) -> Traced:
        """Trace the function for arguments (arrays or `ShapeDtypeStruct`); nothing is compiled."""
        names = self._positions_donated(args, kwargs)
        static = self._is_static
        shardings = self.in_shardings, self.out_shardings
        return trace_program(
            self.fun, self.name, args, kwargs, static, names, self.device, shardings, self.memory_budget
        )

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Trace, and run the passes; shorthand for ``trace(...).lower()``."""
        return self.trace(*args, **kwargs).lower()

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Shapes and dtypes of the results, as a pytree of `ShapeDtypeStruct`."""
        return self.trace(*args, **kwargs).out_info

    def _is_static(self, key: int | str, count: int) -> bool:
        if isinstance(key, str):
            return key in self.static_argnames
        return key in self.static_argnums or key - count in self.static_argnums

    def _positions_donated(self, args: Args, kwargs: Kwargs) -> Callable[[int | str], bool]:
        nums = {n % len(args) for n in self.donate_argnums if -len(args) <= n < len(args)}
        return lambda key: key in self.donate_argnames if isinstance(key, str) else key in nums

    def _compile(self, args: Args, kwargs: Kwargs) -> Compiled:
        traced = self.trace(*args, **kwargs)
        self._note(args, kwargs)
        return traced.lower().compile().as_entry()

    def _note(self, args: Args, kwargs: Kwargs) -> None:
        given: dict[int | str, Any] = dict(enumerate(args))
        given.update(kwargs.items())
        static = {key: x for key, x in given.items() if self._is_static(key, len(args))}
        dynamic = {key: x for key, x in given.items() if key not in static}
        settings = {"checks for NaNs": "off" if mode() is None else str(mode())}
        recompiles.note(
            self.name,
            self.fun,
            recompiles.describe(self.number, self.fun, static, dynamic, settings),
        )

    def _inline(self, args: Args, kwargs: Kwargs) -> Any:
        frame = current()
        if frame is None:
            leaves, _ = pytrees.flatten((args, kwargs))
            raise leaked(next(leaf for leaf in leaves if isinstance(leaf, Tracer)))
        dynamic, static = self._partition(args, kwargs)
        if self.in_shardings is not None:
            dynamic = _spread(dynamic[0], self.in_shardings, f"in_shardings of {self.name}"), dynamic[1]
        leaves, tree = pytrees.flatten(dynamic)
        avals = abstractify_all(leaves)
        callee = self._callee(frame, avals, tree, static, args, kwargs)
        with building(frame):
            values = [frame.lift(leaf, aval) for leaf, aval in zip(leaves, avals, strict=True)]
        results = callee.out_tree.unflatten(call(frame, callee, values))
        if self.out_shardings is None:
            return results
        return _spread(results, self.out_shardings, f"out_shardings of {self.name}")

    def _partition(self, args: Args, kwargs: Kwargs) -> tuple[tuple[Args, Kwargs], Any]:
        count = len(args)
        dynamic = tuple(a for i, a in enumerate(args) if not self._is_static(i, count))
        named = {k: v for k, v in kwargs.items() if not self._is_static(k, count)}
        static: tuple[tuple[Any, ...], ...] = tuple(
            (i, type(a), a) for i, a in enumerate(args) if self._is_static(i, count)
        )
        static += tuple((k, type(v), v) for k, v in sorted(kwargs.items()) if self._is_static(k, count))
        return (dynamic, named), static

    def _callee(
        self,
        frame: Frame,
        avals: tuple[AbstractValue, ...],
        tree: Any,
        static: Any,
        args: Args,
        kwargs: Kwargs,
    ) -> Callee:
        key = (self, avals, tree, static, tuple(frame.axes.items()), frame.mesh, frame.manual)
        try:
            found: Callee | None = frame.trace.calls.get(key)
        except TypeError as error:
            raise TypeError(
                f"{user_line()}: a static argument of {self.name} is not hashable ({error}); pass a tuple in "
                "place of a list, or take the argument out of static_argnums / static_argnames"
            ) from None
        if found is not None and _reachable(found, frame):
            return found

        def flat(tracers: list[Tracer]) -> Any:
            dynamic_args, dynamic_kwargs = tree.unflatten(tracers)
            rest = iter(dynamic_args)
            full = [a if self._is_static(i, len(args)) else next(rest) for i, a in enumerate(args)]
            return self.fun(*full, **{k: dynamic_kwargs.get(k, v) for k, v in kwargs.items()})

        callee = trace_function(frame, flat, self.name, avals, kind="jit")
        frame.trace.calls[key] = callee
        return callee


def _spread(x: Any, shardings: Any, what: str) -> Any:
    """Arguments or results of a function inside of a program, as its shardings say."""
    leaves, tree = pytrees.flatten(x)
    places = places_of(shardings, x)
    return tree.unflatten(
        [
            leaf if place is None else constrained(leaf, place, what, even=True)
            for leaf, place in zip(leaves, places, strict=True)
        ]
    )


def _reachable(callee: Callee, frame: Frame) -> bool:
    """Whether the values that a traced function captured can be used from another frame, unchanged since."""
    for x in callee.captured:
        if not isinstance(x, Tracer):
            continue
        around: Frame | None = frame
        while around is not None and around is not x._frame:
            around = around.parent
        if around is None:
            return False
    return True


def _convert(leaf: Any) -> Any:
    if hasattr(leaf, "__dlpack__") or hasattr(leaf, "__array__"):
        return Array._from_numpy(np.asarray(leaf))
    return leaf
