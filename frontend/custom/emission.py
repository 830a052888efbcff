"""Tracing a function together with its rules, and the composite that keeps them together in the program.

Rules often call the function that they belong to. Such a call, met while the rule is traced, is the same
composite with the same rule, named before it exists.

What the function and its rules capture from around them become operands of the composite, after the arguments:
first what the function captures, then what only rules do. A rule that calls its function and captures something
itself is traced again, since the inner call needs the same operands as the outer one.

A rule may also call its function with ever new static arguments, as the adjoint of an iteration that is an iteration
itself does. Then rules are traced as often as derivatives are taken around the call, and a call further down is marked
as one without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mycc.array import Array
from mycc.custom.arguments import Arguments
from mycc.dialects import composites, ops
from mycc.dialects.errors import TransformError
from mycc.dialects.mlir import context, func, ir
from mycc.function import Callee, building, trace_function
from mycc.source import user_line
from mycc.trace import Frame, Trace, Tracer, mlir_type

__all__ = ["Entry", "Rules", "define", "emit", "forwarded"]

Captured = Tracer | Array


@dataclass
class Entry:
    """A function traced with its rules.

    Args:
        function: the function.
        names: for each rule the symbol that it has or will have.
        extra: what only rules capture.
        order: how many derivatives of it were taken where it was traced.
        open: whether rules are still being traced.
        recursive: whether a rule calls the function.
        bounded: whether a rule holds calls whose rules were not traced, since fewer derivatives are taken.
    """

    function: Callee
    names: dict[str, str]
    order: int
    extra: list[Captured] = field(default_factory=list)
    open: bool = True
    recursive: bool = False
    bounded: bool = False

    @property
    def captured(self) -> list[Captured]:
        """What the composite takes after its arguments."""
        return [*self.function.captured, *self.extra]

    @property
    def operand_types(self) -> list[ir.Type]:
        """Types of the composite's operands."""
        count = len(self.function.function.arguments) - len(self.function.captured)
        return [*self.function.function.arguments[:count], *(mlir_type(x._aval) for x in self.captured)]


class Rules(Protocol):
    """What a kind of custom function has beyond the function."""

    @property
    def kind(self) -> str:
        """The composite's name."""

    @property
    def name(self) -> str:
        """The function's name."""

    def names(self) -> Sequence[str]:
        """The rules that there are."""

    def options(self) -> Mapping[str, ir.Attribute]:
        """Further entries of the composite's attributes."""

    def trace(self, frame: Frame, arguments: Arguments, operands: list[Tracer], function: Callee) -> Any:
        """Trace the rules."""

    def captured(self, traced: Any) -> list[Captured]:
        """What the traced rules capture."""

    def define(self, trace: Trace, entry: Entry, traced: Any) -> None:
        """Make the functions that the composite names, of the traced rules."""


def emit(frame: Frame, owner: Any, fun: Callable[..., Any], rules: Rules, arguments: Arguments) -> Any:
    """A composite for a call of a function with rules; what the function returns, as traced arrays.

    Args:
        frame: the function being traced.
        owner: identifies the function; what was traced for it before is used again.
        fun: the function.
        rules: its rules.
        arguments: of the call.
    """
    avals = arguments.avals
    with building(frame):
        values = [frame.lift(leaf, aval) for leaf, aval in zip(arguments.leaves, avals, strict=True)]
    operands = [Tracer(frame, value, aval) for value, aval in zip(values, avals, strict=True)]
    entry = _entry(frame, owner, fun, rules, arguments, operands)
    with building(frame):
        results = composites.build(
            rules.kind,
            entry.function.function.symbol,
            entry.names,
            len(values),
            list(entry.function.function.results),
            [*values, *(frame.lift(x) for x in entry.captured)],
            {**rules.options(), **(composites.WITHOUT_RULES if not entry.names else {})},
        )
    found = [Tracer(frame, v, a) for v, a in zip(results, entry.function.out_avals, strict=True)]
    return entry.function.out_tree.unflatten(found)


def _entry(
    frame: Frame,
    owner: Any,
    fun: Callable[..., Any],
    rules: Rules,
    arguments: Arguments,
    operands: list[Tracer],
) -> Entry:
    trace = frame.trace
    key = (owner, rules.kind, arguments.key, tuple(frame.axes.items()))
    found: Entry | None = trace.calls.get(key)
    if found is not None and found.open:
        found.recursive = True
        if found.function.forced and not _passed_on(frame, operands):
            raise TransformError(
                f"{user_line()}: {rules.name} looks at the values of its arguments, and a rule of it calls it with "
                "others; choose with mycc.numpy.where or mycc.lax.cond in it, or call another function in the rule"
            )
        return found
    if found is not None and _reachable(found.captured, frame):
        if not found.bounded or frame.order <= found.order:
            return found

    def flat(tracers: list[Tracer]) -> Any:
        return fun(*arguments.merged(tracers))

    function = trace_function(frame, flat, rules.name, arguments.avals, kind="grad", operands=operands)
    if frame.order <= 0 and any(other is owner for other, _ in trace.ruling):
        for _, around in trace.ruling:
            around.bounded = True
        return Entry(function, {}, frame.order)
    names = {name: trace.symbol(f"{rules.name}_{name}") for name in rules.names()}
    entry = trace.calls[key] = Entry(function, names, frame.order)
    trace.promised.update(names.values())
    trace.ruling.append((owner, entry))
    try:
        _trace_rules(frame, rules, arguments, operands, entry)
    except BaseException:
        trace.calls.pop(key, None)
        raise
    finally:
        trace.ruling.pop()
        trace.promised.difference_update(names.values())
    entry.open = False
    if function.forced:
        del trace.calls[key]
    return entry


def _passed_on(frame: Frame, operands: Sequence[Tracer]) -> bool:
    """Whether a rule calls its function with the arguments that it got itself."""
    arguments = list(frame.block.arguments)[: len(operands)]
    return all(x._value == argument for x, argument in zip(operands, arguments, strict=True))


def _reachable(captured: Sequence[Captured], frame: Frame) -> bool:
    """Whether captured values can be used from a frame."""
    around: set[int] = set()
    each: Frame | None = frame
    while each is not None:
        around.add(id(each))
        each = each.parent
    return all(id(x._frame) in around for x in captured if isinstance(x, Tracer))


_ATTEMPTS = 4


def _trace_rules(
    frame: Frame, rules: Rules, arguments: Arguments, operands: list[Tracer], entry: Entry
) -> None:
    """Trace the rules, once more if calls of the function in them lacked operands."""
    trace = frame.trace
    embedding = trace.embedding
    for _ in range(_ATTEMPTS):
        known, functions = set(trace.calls), len(trace.module.body.operations)
        try:
            # Python's numbers are arguments of eager traces, new ones each time that they are met.
            trace.embedding = embedding or entry.recursive
            traced = rules.trace(frame, arguments, operands, entry.function)
        finally:
            trace.embedding = embedding
        own = {id(x) for x in entry.function.captured}
        extra = list({id(x): x for x in rules.captured(traced) if id(x) not in own}.values())
        if not entry.recursive or [id(x) for x in extra] == [id(x) for x in entry.extra]:
            _extend(trace, entry, extra)
            break
        _extend(trace, entry, extra)
        for key in set(trace.calls) - known:
            del trace.calls[key]
        for op in list(trace.module.body.operations)[functions:]:
            op.operation.erase()
    else:
        raise TransformError(
            f"{user_line()}: a rule of {rules.name} calls {rules.name} and uses arrays from around it, other ones each "
            "time that it is traced; pass them to it as arguments"
        )
    rules.define(trace, entry, traced)


def _extend(trace: Trace, entry: Entry, extra: list[Captured]) -> None:
    """Let the function take what only its rules capture: a composite and its decomposition have one type."""
    if not extra and not entry.extra:
        return
    entry.extra = extra
    function = entry.function.function
    op = next(
        op.operation
        for op in trace.module.body.operations
        if op.attributes["sym_name"].value == function.symbol
    )
    block = op.regions[0].blocks[0]
    own = len(function.arguments)
    for position in reversed(range(own, len(block.arguments))):
        block.erase_argument(position)
    for x in extra:
        block.add_argument(mlir_type(x._aval), op.location)
    type_ = ir.FunctionType.get(
        [argument.type for argument in block.arguments], list(function.results), context=context
    )
    op.attributes["function_type"] = ir.TypeAttr.get(type_, context=context)


def forwarded(trace: Trace, entry: Entry, rule: Callee, symbol: str) -> None:
    """The function that a composite names as a rule: it takes all operands, then what only the rule takes.

    ``rule`` was traced with the composite's arguments, then its own ones.
    """
    function = rule.function
    count = len(function.arguments) - len(rule.captured)
    operands = entry.operand_types
    explicit = len(operands) - len(entry.captured)
    position = {id(x): explicit + i for i, x in enumerate(entry.captured)}

    def build(values: list[ir.Value]) -> list[ir.Value]:
        inputs = [*values[:explicit], *values[len(operands) :]]
        inputs += [values[position[id(x)]] for x in rule.captured]
        return ops.call(function.symbol, function.results, inputs)

    types = [*operands, *function.arguments[explicit:count]]
    define(trace, symbol, types, build, trace.module.operation.location)


def define(
    trace: Trace,
    symbol: str,
    arguments: Sequence[ir.Type],
    build: Callable[[list[ir.Value]], Sequence[ir.Value]],
    location: ir.Location,
) -> None:
    """A private function of the module being traced; ``build`` gets its arguments and gives its results."""
    with context, location, ir.InsertionPoint(trace.module.body):
        function = func.FuncOp(symbol, (list(arguments), []), visibility="private").operation
        block = function.regions[0].blocks.append(*arguments, arg_locs=[location] * len(arguments))
        with ops.End(block):
            results = list(build(list(block.arguments)))
            ops.return_(results)
        type_ = ir.FunctionType.get(list(arguments), [value.type for value in results])
        function.attributes["function_type"] = ir.TypeAttr.get(type_)
