"""`while_loop`, `fori_loop`, `scan`.

Bodies are traced as functions of the carry; what they use from around them becomes an operand of the call
inside the region. Called on concrete arrays outside of a trace, each is one compiled program.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mycc.dialects import ops
from mycc.dialects.errors import TransformError, TreeError
from mycc.dialects.mlir import ir
from mycc.dialects.rules.sweeps import put_row, row_of
from mycc.dialects.types import element_type, tensor
from mycc.differentiation import in_trace
from mycc.emit import lifted
from mycc.function import Callee, building, name_of, trace_function
from mycc.jit import jit
from mycc.lax.blocks import rows_at_once, steps_in_blocks
from mycc.lowering import pytrees
from mycc.lowering.abstract import AbstractValue
from mycc.source import user_line
from mycc.trace import Frame, Tracer, mlir_type
from mycc.types import ArrayLike, abstractify, abstractify_all, promote

__all__ = ["fori_loop", "leading_size", "scan", "while_loop"]

Value: TypeAlias = ir.Value
_INT32 = np.dtype(np.int32)


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    checkpoints: int | None = None,
) -> Any:
    """Apply a function to a carry for as long as a condition on it holds.

    Reverse-mode derivatives keep what they need of each trip if the program says how many there are: if the condition
    compares an integer of the carry, which grows by a constant, with another constant. Else they run the loop again
    in parts, from carries kept on the way: n trips forward, n to be pulled back, and n log2(n) / 2 between, as long as
    more than log2(n) carries are kept. See `mycc.dialects.rules.loop_backward`.

    Args:
        cond_fun: from the carry to a boolean scalar.
        body_fun: from the carry to the next one, of the same structure, shapes and dtypes.
        init_val: the first carry, a pytree of arrays.
        checkpoints: how many carries reverse mode keeps at most; 64 if it is not given. With fewer than log2(n)
            it takes less memory and more applications of the body: at most n**2 / (2 * 3**(checkpoints - 1)) in
            addition. If it is given, the program's own number of trips is not looked for.

    Returns:
        The carry for which the condition does not hold.

    Raises:
        TransformError: the carry changes its type, or the condition is no boolean scalar.
        TreeError: the carry changes its structure.
        ValueError: there would be no checkpoint.

    Example:
        >>> import mycc
        >>> mycc.lax.while_loop(lambda x: x < 10.0, lambda x: x * 2.0, 1.0)
        Array(16., dtype=float32, weak_type=True)
    """

    slots = _slots("while_loop", checkpoints)

    def body(frame: Frame) -> Any:
        return _while(frame, "while_loop", cond_fun, body_fun, init_val, slots)

    return in_trace(f"while_{name_of(body_fun)}", body)


def _slots(name: str, checkpoints: int | None) -> int | None:
    if checkpoints is None:
        return None
    try:
        slots = operator.index(checkpoints)
    except TypeError:
        raise TypeError(
            f"{user_line()}: {name}: checkpoints must be a whole number, got {checkpoints!r}"
        ) from None
    if slots < 1:
        raise ValueError(f"{user_line()}: {name} needs at least one checkpoint, got checkpoints={slots}")
    return slots


def _while(
    frame: Frame,
    name: str,
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init: Any,
    slots: int | None,
) -> Any:
    leaves, tree = pytrees.flatten(init)
    avals, step = _stable_body(frame, name, body_fun, tree, abstractify_all(leaves))
    test = trace_function(
        frame, lambda tracers: cond_fun(tree.unflatten(tracers)), f"{name}_cond", avals, kind="control flow"
    )
    if len(test.out_avals) != 1 or test.out_avals[0].shape != () or test.out_avals[0].dtype != np.bool_:
        got = ", ".join(str(aval) for aval in test.out_avals)
        raise TransformError(f"{user_line()}: {name}: the condition must give one boolean scalar, got {got}")
    with building(frame):
        values = _first(frame, leaves, avals)
        test_captured, step_captured = test.operands(frame, []), step.operands(frame, [])
        results = ops.while_(
            values,
            lambda *carry: ops.call(test.function.symbol, test.function.results, [*carry, *test_captured])[0],
            lambda *carry: ops.call(step.function.symbol, step.function.results, [*carry, *step_captured]),
            slots,
        )
    return tree.unflatten([Tracer(frame, v, a) for v, a in zip(results, avals, strict=True)])


def _first(frame: Frame, leaves: Sequence[Any], avals: Sequence[AbstractValue]) -> list[Value]:
    """The values of a first carry, in the dtypes that the body keeps."""
    return [
        frame.lift(leaf) if isinstance(leaf, Tracer) and leaf.dtype == aval.dtype else lifted(leaf, aval)
        for leaf, aval in zip(leaves, avals, strict=True)
    ]


def _stable_body(
    frame: Frame,
    name: str,
    fun: Callable[..., Any],
    tree: Any,
    avals: Sequence[AbstractValue],
    leading: Sequence[AbstractValue] = (),
) -> tuple[list[AbstractValue], Callee]:
    """The traced body and the carry's types; weakly typed parts of the first carry take the body's dtype.

    Args:
        leading: arguments of the body that come before the carry.
    """
    count = len(leading)
    for _ in range(2):
        callee = trace_function(
            frame,
            lambda tracers: fun(*tracers[:count], tree.unflatten(tracers[count:])),
            f"{name}_body",
            [*leading, *avals],
            kind="control flow",
        )
        if callee.out_tree != tree:
            raise TreeError(
                f"{user_line()}: {name}: the body must return a carry of the structure it got, {tree}, not {callee.out_tree}"
            )
        if all(
            a.shape == b.shape and a.dtype == b.dtype for a, b in zip(avals, callee.out_avals, strict=True)
        ):
            return [
                AbstractValue(a.shape, a.dtype, a.weak_type and b.weak_type)
                for a, b in zip(avals, callee.out_avals, strict=True)
            ], callee
        avals = [
            AbstractValue(b.shape, b.dtype, b.weak_type) if a.weak_type and a.shape == b.shape else a
            for a, b in zip(avals, callee.out_avals, strict=True)
        ]
    paths = [pytrees.keystr(path) for path, _ in pytrees.flatten_with_path(tree.unflatten(list(avals)))[0]]
    changed = "; ".join(
        f"carry{path} goes in as {a} and comes out as {b}"
        for path, a, b in zip(paths, avals, callee.out_avals, strict=True)
        if (a.shape, a.dtype) != (b.shape, b.dtype)
    )
    raise TransformError(
        f"{user_line()}: {name}: the carry changes its type: {changed}; convert it (astype) in the body or before the loop"
    )


def fori_loop(
    lower: ArrayLike,
    upper: ArrayLike,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool | None = None,
    checkpoints: int | None = None,
) -> Any:
    """Apply a function to an index and a carry, for each index from ``lower`` up to ``upper``, exclusive.

    Reverse-mode derivatives keep what they need of each trip if both ends are numbers in the program, and else, or if
    ``checkpoints`` is given, work as those of `while_loop`.

    Args:
        lower: the first index, an integer scalar.
        upper: the end, an integer scalar.
        body_fun: ``(index, carry) -> carry``.
        init_val: the first carry, a pytree of arrays.
        unroll: how many steps a trip of the loop makes, as in `scan`; for ends that are Python numbers.
        checkpoints: how many carries reverse mode keeps at most, as in `while_loop`.

    Raises:
        TransformError: an end is no integer scalar, or the carry changes its type.
        ValueError: ``unroll`` is given and an end is an array.

    Example:
        >>> import mycc
        >>> mycc.lax.fori_loop(0, 5, lambda i, x: x + i, 0)
        Array(10, dtype=int32, weak_type=True)
    """
    bounds = [abstractify(lower), abstractify(upper)]
    if any(b.shape != () or b.dtype.kind not in "iu" for b in bounds):
        raise TransformError(
            f"{user_line()}: fori_loop needs integer scalar bounds, got {bounds[0]} and {bounds[1]}"
        )
    dtype, _ = promote(bounds)
    counter = AbstractValue((), dtype)
    if unroll is not None and unroll is not False:
        return _unrolled_fori(lower, upper, body_fun, init_val, unroll, dtype)

    slots = _slots("fori_loop", checkpoints)

    def body(frame: Frame) -> Any:
        leaves, tree = pytrees.flatten(init_val)
        avals, step = _stable_body(frame, "fori_loop", body_fun, tree, abstractify_all(leaves), [counter])
        with building(frame):
            start, end = lifted(lower, counter), lifted(upper, counter)
            captured = step.operands(frame, [])

            def trip(i: Value, *carry: Value) -> list[Value]:
                results = ops.call(step.function.symbol, step.function.results, [i, *carry, *captured])
                return [ops.add(i, ops.full_like(i, 1)), *results]

            _, *results = ops.while_(
                [start, *_first(frame, leaves, avals)], lambda i, *_: ops.compare("LT", i, end), trip, slots
            )
        return tree.unflatten([Tracer(frame, v, a) for v, a in zip(results, avals, strict=True)])

    return in_trace(f"fori_{name_of(body_fun)}", body)


def _unrolled_fori(
    lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init: Any, unroll: int | bool, dtype: Any
) -> Any:
    if not all(isinstance(end, (int, np.integer)) for end in (lower, upper)):
        raise ValueError(
            f"{user_line()}: fori_loop with unroll needs ends that are Python numbers, since the trips must be "
            "counted while tracing; drop unroll"
        )

    def step(carry: tuple[Any, Any], _: None) -> tuple[Any, None]:
        i, x = carry
        return (i + 1, body_fun(i, x)), None

    first = np.full((), lower, dtype)
    (_, result), _ = scan(step, (first, init), None, max(int(upper) - int(lower), 0), unroll=unroll)
    return result


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Run over the leading dimension of arrays with a carry, and stack what each step gives.

    Args:
        f: ``(carry, x) -> (carry, y)``; the carry keeps its structure, shapes and dtypes.
        init: the first carry.
        xs: a pytree of arrays with one leading dimension in common, or None.
        length: the number of steps, needed only if ``xs`` has no arrays.
        reverse: whether to run from the last step to the first; results stay in the order of ``xs``.
        unroll: how many steps a trip of the loop makes; True for all of them, without a loop.

    Returns:
        The last carry, and the ``y``s stacked along a new leading dimension.

    Raises:
        TransformError: leading dimensions differ, or the carry changes its type.
        TreeError: ``f`` does not return a pair, or the carry changes its structure.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.lax.scan(lambda c, x: (c + x, c), 0, mnp.arange(4))
        (Array(6, dtype=int32), Array([0, 0, 1, 3], dtype=int32))
    """
    steps = leading_size(xs, length)
    size = rows_at_once("scan", "unroll", unroll, steps)

    def body(frame: Frame) -> Any:
        if size > 1:
            return _unrolled(frame, f, init, xs, steps, reverse, size)
        return _scan(frame, f, init, xs, steps, reverse)

    carry, ys = in_trace(f"scan_{name_of(f)}", body)
    return carry, ys


def leading_size(xs: Any, given: int | None) -> int:
    """How many rows the arrays of a tree have, or the given number if there are none.

    Raises:
        TransformError: they differ, or there is neither.
    """
    sizes: dict[int, str] = {}
    for path, leaf in pytrees.flatten_with_path(xs)[0]:
        shape = abstractify(leaf).shape
        if not shape:
            raise TransformError(
                f"{user_line()}: scan runs over leading dimensions, but xs{pytrees.keystr(path)} is a scalar"
            )
        sizes.setdefault(shape[0], f"xs{pytrees.keystr(path)}")
    if given is not None:
        sizes.setdefault(int(given), "length")
    if len(sizes) > 1:
        listed = ", ".join(f"{size} for {where}" for size, where in sizes.items())
        raise TransformError(f"{user_line()}: scan got different lengths: {listed}")
    if not sizes:
        raise TransformError(f"{user_line()}: scan needs arrays in xs, or a length")
    return next(iter(sizes))


def _unrolled(
    frame: Frame, f: Callable[[Any, Any], Any], init: Any, xs: Any, length: int, reverse: bool, size: int
) -> Any:
    leaves, xs_tree = pytrees.flatten(xs)
    init_leaves, tree = pytrees.flatten(init)
    both = abstractify_all([*init_leaves, *leaves])
    x_avals = [_row(aval) for aval in both[len(init_leaves) :]]
    avals, _ = _scan_body(frame, f, tree, both[: len(init_leaves)], xs_tree, x_avals)
    with building(frame):
        start = [Tracer(frame, lifted(x, a), a) for x, a in zip(init_leaves, avals, strict=True)]
        rows = [Tracer(frame, frame.lift(leaf), abstractify(leaf)) for leaf in leaves]
    return steps_in_blocks(
        jit(f), tree.unflatten(start), xs_tree.unflatten(rows), length, size, reverse, scan
    )


def _scan(frame: Frame, f: Callable[[Any, Any], Any], init: Any, xs: Any, length: int, reverse: bool) -> Any:
    leaves, xs_tree = pytrees.flatten(xs)
    init_leaves, carry_tree = pytrees.flatten(init)
    both = abstractify_all([*init_leaves, *leaves])
    x_avals = [_row(aval) for aval in both[len(init_leaves) :]]
    avals, step = _scan_body(frame, f, carry_tree, both[: len(init_leaves)], xs_tree, x_avals)
    y_avals = step.out_avals[len(avals) :]
    _, y_tree = _pair_trees(step)
    if length == 0:
        stacks = [AbstractValue((0, *a.shape), a.dtype, a.weak_type) for a in y_avals]
        with building(frame):
            empty = [Tracer(frame, ops.full(mlir_type(a), 0), a) for a in stacks]
        return init, y_tree.unflatten(empty)
    with building(frame):
        start = [lifted(x, a) for x, a in zip(init_leaves, avals, strict=True)]
        stacked = [frame.lift(leaf) for leaf in leaves]
        outs = [ops.full(tensor((length, *a.shape), element_type(a.dtype)), 0) for a in y_avals]
        captured = step.operands(frame, [])
        counter = tensor((), element_type(_INT32))
        limit = ops.full(counter, length)
        n = len(avals)

        def body(*values: Value) -> list[Value]:
            i, carry, ys = values[0], values[1 : n + 1], values[n + 1 :]
            at = ops.sub(ops.full(counter, length - 1), i) if reverse else i
            rows = [row_of(x, at) for x in stacked]
            results = ops.call(step.function.symbol, step.function.results, [*carry, *rows, *captured])
            written = [put_row(y, row, at) for y, row in zip(ys, results[n:], strict=True)]
            return [ops.add(i, ops.full(counter, 1)), *results[:n], *written]

        results = ops.while_(
            [ops.full(counter, 0), *start, *outs], lambda i, *_: ops.compare("LT", i, limit), body
        )
    carry = [Tracer(frame, v, a) for v, a in zip(results[1 : n + 1], avals, strict=True)]
    stacks = [AbstractValue((length, *a.shape), a.dtype, a.weak_type) for a in y_avals]
    ys = [Tracer(frame, v, a) for v, a in zip(results[n + 1 :], stacks, strict=True)]
    return carry_tree.unflatten(carry), y_tree.unflatten(ys)


def _row(aval: AbstractValue) -> AbstractValue:
    return AbstractValue(aval.shape[1:], aval.dtype, aval.weak_type)


def _pair_trees(step: Callee) -> tuple[Any, Any]:
    carry, ys = step.out_tree.unflatten(list(step.out_avals))
    return pytrees.structure_of(carry), pytrees.structure_of(ys)


def _scan_body(
    frame: Frame,
    f: Callable[[Any, Any], Any],
    tree: Any,
    avals: Sequence[AbstractValue],
    xs_tree: Any,
    x_avals: Sequence[AbstractValue],
) -> tuple[list[AbstractValue], Callee]:
    name = name_of(f)

    def flat(tracers: list[Tracer]) -> Any:
        n = tree.num_leaves
        out = f(tree.unflatten(tracers[:n]), xs_tree.unflatten(tracers[n:]))
        if not isinstance(out, tuple) or len(out) != 2:
            raise TreeError(
                f"{user_line()}: scan: {name} must return a pair (carry, y), got {type(out).__name__}"
            )
        return out

    for _ in range(2):
        callee = trace_function(frame, flat, f"scan_{name}", [*avals, *x_avals], kind="control flow")
        carry_tree, _ = _pair_trees(callee)
        if carry_tree != tree:
            raise TreeError(
                f"{user_line()}: scan: {name} must return a carry of the structure it got, {tree}, not {carry_tree}"
            )
        found = callee.out_avals[: len(avals)]
        if all((a.shape, a.dtype) == (b.shape, b.dtype) for a, b in zip(avals, found, strict=True)):
            return [
                AbstractValue(a.shape, a.dtype, a.weak_type and b.weak_type)
                for a, b in zip(avals, found, strict=True)
            ], callee
        avals = [b if a.weak_type and a.shape == b.shape else a for a, b in zip(avals, found, strict=True)]
    changed = "; ".join(
        f"{a} became {b}"
        for a, b in zip(avals, found, strict=True)
        if (a.shape, a.dtype) != (b.shape, b.dtype)
    )
    raise TransformError(
        f"{user_line()}: scan: the carry of {name} changes its type: {changed}; convert it (astype) in the body or before the loop"
    )
