"""`grad`, `value_and_grad`, `jvp`, `vjp`, `linearize`, `linear_transpose`.

Each traces its function as a private function of the current module and puts one transform operation there,
which the `autodiff` pass expands. Called on concrete arrays outside of any trace, the whole is one program that
is compiled once per structure; the function may then ask for the values of its arguments.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from mycc.array import Array
from mycc.dialects import ops, transform
from mycc.dialects.errors import TransformError, TreeError
from mycc.dialects.mlir import ir
from mycc.eager import run_transform
from mycc.emit import convert
from mycc.function import Callee, building, name_of, trace_function
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.residuals import AbstractHandle, Linearization, escape, linear_call
from mycc.source import user_line
from mycc.trace import Frame, Tracer, current
from mycc.types import abstractify, float0

__all__ = ["grad", "jvp", "linear_transpose", "linearize", "value_and_grad", "vjp"]

Flags = tuple[bool, ...]


def in_trace(name: str, body: Callable[[Frame], Any]) -> Any:
    """Run a transform in the current trace, or as a program of its own where there is none."""
    frame = current()
    if frame is not None:
        return body(frame)

    def inside() -> Any:
        root = current()
        assert root is not None
        return body(root)

    return run_transform(name, inside)


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of a dtype have tangents: floats and complex."""
    return dtype.kind in "fc" or dtype.name.startswith(("bfloat", "float"))


def float0_zeros(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The tangent of an integer or boolean array: zeros of JAX's dtype float0, of which there is one value."""
    return np.zeros(shape, float0)


@dataclass(frozen=True)
class _Traced:
    """A function traced for differentiation."""

    callee: Callee
    primals: list[ir.Value]
    """Values of all operands of the function: the leaves of its arguments, then captured ones."""
    active: Flags
    in_avals: tuple[AbstractValue, ...]
    in_tree: Any

    @property
    def seeded(self) -> Flags:
        """Which results have tangents."""
        return tuple(is_inexact(aval.dtype) for aval in self.callee.out_avals)


def _trace(frame: Frame, fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> _Traced:
    """Trace a function of which every argument is differentiated."""
    leaves, in_tree = pytrees.flatten(args)
    avals = tuple(abstractify(leaf) for leaf in leaves)
    with building(frame):
        values = [frame.lift(leaf, aval) for leaf, aval in zip(leaves, avals, strict=True)]
    operands = [Tracer(frame, value, aval) for value, aval in zip(values, avals, strict=True)]

    def flat(tracers: list[Tracer]) -> Any:
        return fun(*in_tree.unflatten(tracers), **(kwargs or {}))

    callee = trace_function(frame, flat, name_of(fun), avals, kind="grad", operands=operands)
    with building(frame):
        primals = callee.operands(frame, values)
    active = tuple(is_inexact(aval.dtype) for aval in avals)
    return _Traced(callee, primals, (*active, *(False for _ in callee.captured)), avals, in_tree)


def _wrap(frame: Frame, values: Sequence[ir.Value], avals: Sequence[AbstractValue]) -> list[Tracer]:
    return [Tracer(frame, value, aval) for value, aval in zip(values, avals, strict=True)]


def _tangent_aval(aval: AbstractValue) -> AbstractValue:
    return AbstractValue(aval.shape, aval.dtype, aval.weak_type)


# ---- grad ----------------------------------------------------------------------------------------


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The gradient of a scalar function.

    Args:
        fun: returns a real scalar, or with ``has_aux`` a pair of one and any pytree.
        argnums: positions of the arguments (pytrees of floats) to differentiate with respect to.
        has_aux: whether ``fun`` returns auxiliary data beside the scalar.
        holomorphic: whether ``fun`` is a holomorphic function from complex to complex.
        allow_int: whether integer arguments are let through; their gradient is zeros of dtype float0.

    Returns:
        A function of the same arguments that returns the gradient (a tuple if ``argnums`` is one), with
        ``has_aux`` as a pair with the auxiliary data. Gradients have the shape and dtype of the arguments.

    Raises:
        TransformError: (the returned function) an argument is not inexact, or the result not a real scalar.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.grad(lambda x: x * mnp.sin(x))(0.0)
        Array(0., dtype=float32, weak_type=True)
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, _name="grad")

    @functools.wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    _name: str = "value_and_grad",
) -> Callable[..., Any]:
    """As `grad`, with the value: ``(value, gradient)``, or ``((value, aux), gradient)`` with ``has_aux``.

    Example:
        >>> import mycc
        >>> mycc.value_and_grad(lambda x: x * x)(3.0)
        (Array(9., dtype=float32, weak_type=True), Array(6., dtype=float32, weak_type=True))
    """
    if not callable(fun):
        raise TypeError(f"{user_line()}: {_name} takes a function, got {type(fun).__name__}")
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(fun)
    def both(*args: Any, **kwargs: Any) -> Any:
        chosen = _positions(_name, fun, positions, len(args))

        def body(frame: Frame) -> Any:
            return _value_and_grad(frame, _name, fun, args, kwargs, chosen, has_aux, holomorphic, allow_int)

        value, gradients = in_trace(f"{_name}_{name_of(fun)}", body)
        return value, gradients[0] if isinstance(argnums, int) else gradients

    return both


def _positions(name: str, fun: Callable[..., Any], positions: tuple[int, ...], count: int) -> tuple[int, ...]:
    for position in positions:
        if not -count <= position < count:
            raise TransformError(
                f"{user_line()}: {name} of {name_of(fun)} is to differentiate argument {position}, but got {count} positional "
                "arguments; pass it by position, or change argnums"
            )
    return tuple(position % count for position in positions)


def _value_and_grad(
    frame: Frame,
    name: str,
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    positions: tuple[int, ...],
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
) -> tuple[Any, tuple[Any, ...]]:
    chosen = tuple(args[i] for i in positions)
    _check_inputs(name, fun, chosen, positions, holomorphic, allow_int)
    others = _Snapshot([(a if i not in positions else None) for i, a in enumerate(args)], kwargs)

    def of_chosen(*values: Any) -> Any:
        full, named = others.fresh()
        for position, value in zip(positions, values, strict=True):
            full[position] = value
        out = fun(*full, **named)
        if not has_aux:
            return (out, None)
        if not isinstance(out, tuple) or len(out) != 2:
            raise TransformError(
                f"{user_line()}: {name} of {name_of(fun)} with has_aux=True needs a pair (value, aux), got {type(out).__name__}"
            )
        return out

    of_chosen.__name__ = name_of(fun)
    traced = _trace(frame, of_chosen, chosen)
    out_avals = traced.callee.out_avals
    _check_output(name, fun, traced.callee, holomorphic)
    seeded = (True, *(False for _ in out_avals[1:]))
    with building(frame):
        one = ops.full(traced.callee.function.results[0], 1)
        results = transform.vjp(traced.callee.function, traced.active, seeded, traced.primals, [one])
    outs = _wrap(frame, results[: len(out_avals)], out_avals)
    cotangents = _restore(frame, results[len(out_avals) :], traced)
    value, aux = traced.callee.out_tree.unflatten(outs)
    return (value, aux) if has_aux else value, traced.in_tree.unflatten(cotangents)


class _Snapshot:
    """Arguments that are not differentiated: arrays among them are handed on as fresh handles."""

    def __init__(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        self.leaves, self.tree = pytrees.flatten((args, kwargs))

    def fresh(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments inside the frame that is current now."""
        frame = current()
        assert frame is not None
        with building(frame):
            leaves = [Tracer(frame, frame.lift(x), x._aval) if isinstance(x, Array) else x for x in self.leaves]
        args, kwargs = self.tree.unflatten(leaves)
        return args, kwargs


def _check_inputs(
    name: str, fun: Callable[..., Any], chosen: tuple[Any, ...], positions: tuple[int, ...], holomorphic: bool, allow_int: bool
) -> None:
    for position, arg in zip(positions, chosen, strict=True):
        for path, leaf in pytrees.flatten_with_path(arg)[0]:
            where = f"argument {position}{pytrees.keystr(path)}"
            try:
                dtype = abstractify(leaf).dtype
            except TypeError:
                raise TransformError(
                    f"{user_line()}: {name} of {name_of(fun)}: {where} is no array or number, but of type "
                    f"{type(leaf).__name__}; choose other argnums"
                ) from None
            if holomorphic and dtype.kind != "c":
                raise TransformError(
                    f"{user_line()}: {name} of {name_of(fun)} with holomorphic=True needs complex arguments, {where} is {dtype}"
                )
            if dtype.kind == "c" and not holomorphic:
                continue
            if not is_inexact(dtype) and not allow_int:
                raise TransformError(
                    f"{user_line()}: {name} of {name_of(fun)}: {where} has dtype {dtype}, which has no derivative; "
                    "pass a float (3.0 instead of 3, or x.astype(float)), choose other argnums, or set allow_int=True"
                )


def _check_output(name: str, fun: Callable[..., Any], callee: Callee, holomorphic: bool) -> None:
    value, _ = callee.out_tree.unflatten(list(callee.out_avals))
    if not isinstance(value, AbstractValue):
        raise TransformError(
            f"{user_line()}: {name} of {name_of(fun)} needs a scalar result, got a {type(value).__name__}; "
            "return one array, or a pair with has_aux=True"
        )
    if value.shape != ():
        raise TransformError(
            f"{user_line()}: {name} of {name_of(fun)} needs a scalar result, got one of shape {value.shape}; "
            "reduce it (mnp.sum, mnp.mean), or use jacrev or jacfwd"
        )
    if value.dtype.kind == "c" and not holomorphic:
        raise TransformError(
            f"{user_line()}: {name} of {name_of(fun)} has a complex result; take a real function of it, or pass "
            "holomorphic=True if it is holomorphic"
        )
    if holomorphic and value.dtype.kind != "c":
        raise TransformError(f"{user_line()}: {name} of {name_of(fun)} with holomorphic=True needs a complex result, got {value.dtype}")
    if not is_inexact(value.dtype):
        raise TransformError(f"{user_line()}: {name} of {name_of(fun)} needs a float result, got {value.dtype}")


def _restore(frame: Frame, values: Sequence[ir.Value], traced: _Traced) -> list[Any]:
    """Cotangents of all explicit arguments: of the active ones, and float0 zeros of the others."""
    remaining = iter(values)
    return [
        Tracer(frame, next(remaining), _tangent_aval(aval)) if flag else float0_zeros(aval.shape)
        for aval, flag in zip(traced.in_avals, traced.active, strict=False)
    ]


# ---- jvp, vjp, linearize -------------------------------------------------------------------------


def jvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The value of a function and its derivative along a direction, in forward mode.

    Args:
        fun: a function of arrays, or pytrees of them.
        primals: its arguments, as a tuple or list.
        tangents: for each primal a tangent of the same structure, shapes and dtypes (float0 for integers).
        has_aux: whether ``fun`` returns a pair of the differentiated result and auxiliary data.

    Returns:
        ``(out, tangent_out)``, with ``has_aux`` ``(out, tangent_out, aux)``.

    Raises:
        TransformError, TreeError: primals and tangents do not match.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.jvp(mnp.sin, (0.0,), (2.0,))
        (Array(0., dtype=float32, weak_type=True), Array(2., dtype=float32, weak_type=True))
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TransformError(f"{user_line()}: jvp takes primals and tangents as tuples, even of one: jvp(f, (x,), (t,))")

    def body(frame: Frame) -> Any:
        traced = _trace(frame, _split_aux(fun, has_aux, "jvp"), tuple(primals))
        seeds = _seeds(frame, "jvp", tuple(tangents), traced)
        function = traced.callee.function
        out_tree, aux_count = _aux_of(traced.callee)
        seeded = _without_aux(traced.seeded, aux_count)
        with building(frame):
            results = transform.jvp(function, traced.active, seeded, traced.primals, seeds)
        avals = traced.callee.out_avals
        out, aux = traced.callee.out_tree.unflatten(_wrap(frame, results[: len(avals)], avals))
        tangent_leaves = _tangents(frame, results[len(avals) :], avals[: len(avals) - aux_count], seeded)
        tangent_out = out_tree.unflatten(tangent_leaves)
        return (out, tangent_out, aux) if has_aux else (out, tangent_out)

    return in_trace(f"jvp_{name_of(fun)}", body)


def _split_aux(fun: Callable[..., Any], has_aux: bool, name: str) -> Callable[..., Any]:
    """A function that returns a pair of result and auxiliary data, None where there is none."""

    @functools.wraps(fun)
    def pair(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        if not has_aux:
            return out, None
        if not isinstance(out, tuple) or len(out) != 2:
            raise TransformError(
                f"{user_line()}: {name} of {name_of(fun)} with has_aux=True needs a pair (out, aux), got {type(out).__name__}"
            )
        return out

    return pair


def _aux_of(callee: Callee) -> tuple[Any, int]:
    """The structure of the differentiated result, and how many leaves the auxiliary data has."""
    out, aux = callee.out_tree.unflatten(list(callee.out_avals))
    return pytrees.flatten(out)[1], len(pytrees.flatten(aux)[0])


def _without_aux(seeded: Flags, aux_count: int) -> Flags:
    count = len(seeded) - aux_count
    return (*seeded[:count], *(False for _ in range(aux_count)))


def _tangents(frame: Frame, values: Sequence[ir.Value], avals: Sequence[AbstractValue], flags: Flags) -> list[Any]:
    remaining = iter(values)
    return [
        Tracer(frame, next(remaining), _tangent_aval(aval)) if flag else float0_zeros(aval.shape)
        for aval, flag in zip(avals, flags, strict=False)
    ]


def _seeds(frame: Frame, name: str, tangents: Any, traced: _Traced) -> list[ir.Value]:
    leaves, tree = pytrees.flatten(tangents)
    if tree != traced.in_tree:
        raise TreeError(
            f"{user_line()}: {name} got primals and tangents of different structure: {traced.in_tree} and {tree}"
        )
    return check_seeds(frame, name, "tangent", leaves, traced.in_avals, traced.active)


def check_seeds(
    frame: Frame, name: str, what: str, leaves: Sequence[Any], avals: Sequence[AbstractValue], flags: Sequence[bool]
) -> list[ir.Value]:
    """The values of tangents or cotangents, checked against what they belong to; float0 ones are left out."""
    values = []
    with building(frame):
        for i, (leaf, aval, flag) in enumerate(zip(leaves, avals, flags, strict=False)):
            if not flag:
                if getattr(leaf, "dtype", None) != float0:
                    raise TransformError(
                        f"{user_line()}: {name}: the {what} of leaf {i}, of dtype {aval.dtype}, must have dtype float0: "
                        "np.zeros(shape, mycc.float0)"
                    )
                continue
            got = abstractify(leaf)
            if got.shape != aval.shape or (got.dtype != aval.dtype and not got.weak_type):
                raise TransformError(
                    f"{user_line()}: {name}: the {what} of leaf {i} must have its type {aval}, got {got}"
                )
            values.append(convert(frame.lift(leaf), got.dtype, aval.dtype))
    return values


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and its pullback from cotangents of the result to those of the arguments.

    Args:
        fun: a function of arrays, or pytrees of them.
        primals: its arguments.
        has_aux: whether ``fun`` returns a pair of the differentiated result and auxiliary data.

    Returns:
        ``(out, pullback)``, with ``has_aux`` ``(out, pullback, aux)``. The pullback takes a cotangent of the
        structure, shapes and dtypes of ``out`` and returns a tuple with one for each primal. It is a pytree: it
        can be returned from `jit`, batched, and called in a loop.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> out, pullback = mycc.vjp(mnp.sin, 0.0)
        >>> pullback(2.0)
        (Array(2., dtype=float32, weak_type=True),)
    """
    return _linearized(fun, primals, has_aux, reverse=True)


def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and its derivative there as a linear function of tangents.

    Args:
        fun: a function of arrays, or pytrees of them.
        primals: the arguments at which to linearize it.
        has_aux: whether ``fun`` returns a pair of the differentiated result and auxiliary data.

    Returns:
        ``(out, pushforward)``, with ``has_aux`` ``(out, pushforward, aux)``. The pushforward takes one tangent
        for each primal; what does not depend on them is computed once, here.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> out, pushforward = mycc.linearize(mnp.sin, 0.0)
        >>> pushforward(3.0)
        Array(3., dtype=float32, weak_type=True)
    """
    return _linearized(fun, primals, has_aux, reverse=False)


def _linearized(fun: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool, reverse: bool) -> Any:
    name = "vjp" if reverse else "linearize"

    def body(frame: Frame) -> Any:
        traced = _trace(frame, _split_aux(fun, has_aux, name), primals)
        function = traced.callee.function
        out_tree, aux_count = _aux_of(traced.callee)
        seeded = _without_aux(traced.seeded, aux_count)
        with building(frame):
            *results, handle = transform.linearize(function, traced.active, seeded, reverse, traced.primals)
        avals = traced.callee.out_avals
        out, aux = traced.callee.out_tree.unflatten(_wrap(frame, results, avals))
        linearization = Linearization(function, traced.active, seeded, reverse)
        source = Tracer(frame, handle, cast(AbstractValue, AbstractHandle(linearization)))
        out_avals = avals[: len(avals) - aux_count]
        ends = (traced.in_tree, traced.in_avals), (out_tree, out_avals)
        linear = LinearFunction(source, linearization, name_of(fun), *(ends if not reverse else ends[::-1]))
        return (out, linear, aux) if has_aux else (out, linear)

    return in_trace(f"{name}_{name_of(fun)}", body)


End = tuple[Any, tuple[AbstractValue, ...]]


class LinearFunction:
    """A pullback or pushforward: a linear function of what it is called with, and a pytree of its residuals."""

    def __init__(self, source: Any, linearization: Linearization, name: str, start: End, end: End) -> None:
        self.source = source
        self.linearization = linearization
        self.name = name
        self.start = start
        self.end = end

    def __call__(self, *seeds: Any) -> Any:
        """Cotangents of the primals from one of the result, or a tangent of the result from the primals'.

        Raises:
            TreeError, TransformError: the argument does not match in structure, shape or dtype.
        """
        reverse = self.linearization.reverse
        what = f"{'pullback' if reverse else 'pushforward'} of {self.name}"
        given = seeds[0] if reverse and len(seeds) == 1 else seeds
        tree, avals = self.start
        leaves, got = pytrees.flatten(given)
        if got != tree:
            raise TreeError(f"{user_line()}: the {what} takes a pytree of structure {tree}, got {got}")

        def body(frame: Frame) -> Any:
            flags = [is_inexact(aval.dtype) for aval in avals]
            values = check_seeds(frame, what, "cotangent" if reverse else "tangent", leaves, avals, flags)
            results = linear_call(frame, self.linearization, self.source, values)
            end_tree, end_avals = self.end
            end_flags = tuple(is_inexact(aval.dtype) for aval in end_avals)
            return end_tree.unflatten(_tangents(frame, results, end_avals, end_flags))

        return in_trace(what, body)

    def __repr__(self) -> str:
        return f"<{'pullback' if self.linearization.reverse else 'pushforward'} of {self.name}>"


def _flatten(function: LinearFunction) -> tuple[tuple[Any], tuple[Any, ...]]:
    function.source = escape(function.source)
    return (function.source,), (function.linearization, function.name, function.start, function.end)


def _rebuild(aux: tuple[Any, ...], children: Any) -> LinearFunction:
    (source,) = children
    return LinearFunction(source, *aux)


pytrees.register_node(LinearFunction, _flatten, _rebuild)


def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a linear function, which maps cotangents of its result to those of its arguments.

    Args:
        fun: linear in all its arguments jointly. It is not run: only shapes and dtypes are needed.
        primals: arrays or `ShapeDtypeStruct` with the shapes and dtypes of its arguments.

    Returns:
        A function from a cotangent of the result to a tuple with one for each argument.

    Raises:
        TransformError: (the returned function) the derivative of an operation depends on an argument's value.

    Example:
        >>> import mycc
        >>> mycc.linear_transpose(lambda x: 3.0 * x, 1.0)(2.0)
        (Array(6., dtype=float32, weak_type=True),)
    """
    leaves, in_tree = pytrees.flatten(primals)
    in_avals = tuple(abstractify(leaf) for leaf in leaves)
    for i, aval in enumerate(in_avals):
        if not is_inexact(aval.dtype):
            raise TransformError(
                f"{user_line()}: linear_transpose of {name_of(fun)} needs float or complex arguments, leaf {i} has dtype {aval.dtype}"
            )

    def transposed(cotangent: Any) -> Any:
        def body(frame: Frame) -> Any:
            def flat(tracers: list[Tracer]) -> Any:
                return fun(*in_tree.unflatten(tracers))

            callee = trace_function(frame, flat, name_of(fun), in_avals, kind="linear_transpose")
            got, tree = pytrees.flatten(cotangent)
            if tree != callee.out_tree:
                raise TreeError(
                    f"{user_line()}: the transpose of {name_of(fun)} takes a cotangent of structure {callee.out_tree}, got {tree}"
                )
            seeded = tuple(is_inexact(aval.dtype) for aval in callee.out_avals)
            seeds = check_seeds(frame, f"transpose of {name_of(fun)}", "cotangent", got, callee.out_avals, seeded)
            active = (*(True for _ in in_avals), *(False for _ in callee.captured))
            with building(frame):
                fixed = callee.operands(frame, [])
                values = transform.transpose(callee.function, active, seeded, fixed, seeds)
            return in_tree.unflatten(_wrap(frame, values, in_avals))

        return in_trace(f"transpose_{name_of(fun)}", body)

    return transposed
