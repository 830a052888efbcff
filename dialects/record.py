"""One operation, one record: everything that mycc knows about an operation stands in one place.

A record is made by the constructor of its kind, which derives what the author does not write:

=============  =====================================================  ==================================
constructor    the author writes                                      derived
=============  =====================================================  ==================================
`pointwise`    for each operand, the map from tangent to tangent      forward, reverse, batch
`linear`       the transpose, the batching rule                       forward
`bilinear`     two transposes, the batching rule                      forward
`inactive`     the batching rule                                      no tangent
`expanded`     the same in other operations (`rules.functions`)       all three
`structured`   forward, reverse and batch (calls, regions)            --
=============  =====================================================  ==================================

Rules build operations at the ambient insertion point, at the location of the operation they derive from.
They contain no traversal: passes walk, rules answer for one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from mycc.dialects import ops
from mycc.dialects.masks import through_mask
from mycc.dialects.mlir import ir
from mycc.dialects.types import shape_of, tensor

Value: TypeAlias = ir.Value
Flags = tuple[bool, ...]

Effort = Literal["views", "arithmetic", "any"]
"""What making a value again may cost: no more than keeping it, about as much as reading it, or anything."""

Tangents = list[Value | None]


@dataclass(frozen=True, slots=True)
class Split:
    """A function split for linearization: ``primal`` also returns residuals, which ``linear`` takes last."""

    primal: str
    linear: str
    residuals: tuple[ir.Type, ...]
    active: Flags
    """Which results of ``linear``'s kind exist: outputs with a tangent, or inputs with a cotangent."""


class Functions(Protocol):
    """What a structured rule may ask of the pass that runs it about whole functions."""

    def split(self, callee: str, active: Flags, seeded: Flags | None) -> Split:
        """Split a function at its active arguments; in reverse, for the results that get cotangents."""

    def transpose(self, callee: str, linear: Flags, seeded: Flags) -> tuple[str, Flags]:
        """The transpose of a function over its linear arguments, and which of them get cotangents."""

    def jvp(self, callee: str, active: Flags) -> tuple[str, Flags]:
        """A function from arguments and tangents of the active ones to results and tangents; which these are."""

    def depends(self, callee: str, active: Flags) -> Flags:
        """Which results of a function depend differentiably on its active arguments."""

    def known(self, callee: str, given: Flags, by: Effort = "any") -> Flags:
        """Which results of a function follow from the given arguments alone, by operations of that effort at most."""

    def needs(self, callee: str, results: Flags) -> Flags:
        """Which arguments of a function some results are made from."""

    def outline(self, op: ir.Operation, region: int) -> str:
        """A function of a region: of its block's arguments, then of what all regions of the operation capture."""

    def silent(self, callee: str) -> str:
        """A function that computes the same without debugging callbacks, for what is computed once more."""

    def expansion(self, op: ir.Operation) -> str:
        """A function that does what an operation does by its record's ``expand``: of its operands and captures."""

    def partial(self, callee: str, unknown: Flags) -> Split:
        """A function taken apart by what depends on its unknown arguments.

        ``primal`` takes the other arguments, and returns the results that do not, then residuals; ``linear``
        takes the unknown arguments, then the residuals, and returns the results that do: ``active``.
        """

    def checkpoint(
        self, callee: str, active: Flags, seeded: Flags | None, policy: Sequence[str], barrier: bool
    ) -> Split:
        """As `split`, where residuals are operands and what the policy saves, and ``linear`` computes the rest."""

    def block(self, callee: str) -> ir.Block:
        """The body of a function, to look where values come from."""

    def types(self, callee: str) -> tuple[list[ir.Type], list[ir.Type]]:
        """The argument and result types of a function."""

    def define(self, base: str, arguments: Sequence[ir.Type], build: Callable[..., Sequence[Value]]) -> str:
        """The symbol of a new function; ``build`` gets its arguments and gives what it returns."""


class Site(Protocol):
    """One operation under differentiation, as its rule sees it.

    Primal values are looked up when a rule asks for one: in a split function the first look-up makes it a
    residual, so rules ask only for what they use; under transposition a linear one is an error.
    """

    op: ir.Operation
    operands: list[Value]
    """The operands as the original operation has them, and what its regions capture, which comes last."""
    active: Flags
    """Which operands depend on what is differentiated."""
    wanted: Flags
    """In reverse, which results a cotangent may come for."""
    reversing: bool
    """Whether cotangents flow, and not tangents."""
    transposing: bool
    """Whether a linear program is transposed, so that no primal of an active operand exists."""

    @property
    def functions(self) -> Functions:
        """What whole functions are asked of."""

    @property
    def inputs(self) -> int:
        """How many operands there are, captured values included."""

    def operand(self, index: int) -> Value:
        """The primal value of an operand."""

    def result(self, index: int) -> Value:
        """The primal value of a result."""

    def saved(self, index: int) -> Value:
        """What the record's ``augment`` saved, by position."""

    @property
    def x(self) -> Value:
        """Operand 0."""

    @property
    def y(self) -> Value:
        """Operand 1."""

    @property
    def z(self) -> Value:
        """Operand 2."""

    @property
    def out(self) -> Value:
        """Result 0."""


@dataclass(slots=True)
class Batched:
    """One operation under batching: its operands with the batch dimension, where they have one, at the front."""

    op: ir.Operation
    operands: list[Value]
    flags: list[bool]
    size: int
    axis_name: str | None
    functions: BatchFunctions

    def full(self, index: int) -> Value:
        """An operand with the batch dimension, spread over it if it has none."""
        value = self.operands[index]
        return value if self.flags[index] else spread(value, self.size)

    def result_types(self) -> list[ir.Type]:
        """The operation's result types, each with the batch dimension in front."""
        return [batched_type(result.type, self.size) for result in self.op.results]


class BatchFunctions(Protocol):
    """What a structured batching rule may ask about whole functions."""

    def batch(self, callee: str, flags: Flags, outputs: Flags | None = None) -> tuple[str, Flags]:
        """The batched form of a function for operands batched at the front, and which results are batched.

        ``outputs`` forces results to be batched even where they need not be.
        """

    def reached(self, callee: str, flags: Flags) -> Flags:
        """Which results of a function can be batched, told without making its batched form."""

    def later(self, callee: str, flags: Flags, outputs: Flags) -> str:
        """As `batch`, for rules that refer to themselves: the function is filled when all others are made.

        ``outputs`` holds wherever `reached` does.
        """

    def types(self, callee: str) -> tuple[list[ir.Type], list[ir.Type]]:
        """The argument and result types of a function."""

    def define(self, base: str, arguments: Sequence[ir.Type], build: Callable[..., Sequence[Value]]) -> str:
        """The symbol of a new function; ``build`` gets its arguments and gives what it returns."""

    def outline(self, op: ir.Operation, region: int) -> str:
        """A function of a region: of its block's arguments, then of what all regions of the operation capture."""

    def lasting_effect(self, callee: str) -> str | None:
        """The name of an `io_callback` in a function, which must not run for examples that do not ask for it."""

    def expansion(self, op: ir.Operation) -> str:
        """A function that does what an operation does by its record's ``expand``: of its operands and captures."""


class Regions(Protocol):
    """What an expansion may ask about the regions of its operation."""

    def outline(self, op: ir.Operation, region: int) -> str:
        """A function of a region: of its block's arguments, then of what all regions of the operation capture."""

    def vectorize(self, callee: str, flags: Flags, size: int) -> str:
        """The function over a new dimension in front of the flagged operands and of every result."""

    def results(self, callee: str) -> list[ir.Type]:
        """The result types of a function."""


def batched_type(type_: ir.Type, size: int) -> ir.Type:
    """A tensor type with a batch dimension in front."""
    return tensor((size, *type_.shape), type_.element_type)


def spread(value: Value, size: int) -> Value:
    """A value repeated along a new batch dimension in front."""
    shape = shape_of(value)
    return ops.broadcast_in_dim(value, (size, *shape), range(1, len(shape) + 1))


ForwardRule = Callable[[Site, Tangents], Tangents]
ReverseRule = Callable[[Site, Tangents], Tangents]
BatchRule = Callable[[Batched], tuple[Sequence[Value], Sequence[bool]]]
AugmentRule = Callable[[Site, Sequence[Value]], tuple[Sequence[Value], Sequence[Value]] | None]
JointRule = Callable[[Site, Sequence[Value], Tangents], tuple[Sequence[Value], Tangents]]
DependsRule = Callable[[Functions, ir.Operation, Flags], Flags]
Partial = Callable[[Value, Site], Value]
ExpandRule = Callable[[ir.Operation, Sequence[Value], Regions], Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Record:
    """What mycc knows about an operation.

    Args:
        name: the operation's full name, ``stablehlo.add``; for mycc's own, the custom call's target.
        kind: which constructor made it.
        forward: tangents of the results from those of the operands (None is a zero tangent).
        reverse: cotangents of the operands from those of the results; also the transpose rule.
        batch: the operation over operands with a batch dimension in front.
        augment: what the primal computation does under differentiation, where it is more than a copy: from the
            primal operands, the results and the values to save for the rule; None if a copy will do.
        joint: results and tangents together from primal operands and tangents, where the primal computation and
            that of tangents must not be taken apart (loops), or can be done at once (calls).
        depends: which results depend on the active operands, where it is not each on any.
        expand: the operation in others that have rules, from its operands and what its regions capture.
        captures: whether the rules treat values that the operation's regions capture as further operands.
        cheap: whether a linear function recomputes it from its operands rather than take its result as a residual.
        oracle: a NumPy (or SciPy) function of the same meaning, for the tests.
        domain: where to sample each operand for the tests, as (low, high) per operand.
        dtypes: kinds of dtype it takes: f float, c complex, i int, u uint, b bool.
    """

    name: str
    kind: str
    forward: ForwardRule
    reverse: ReverseRule
    batch: BatchRule
    augment: AugmentRule | None = None
    joint: JointRule | None = None
    depends: DependsRule | None = None
    expand: ExpandRule | None = None
    captures: bool = False
    cheap: bool = False
    partials: tuple[Partial | None, ...] = ()
    oracle: Callable[..., Any] | None = None
    domain: tuple[tuple[float, float], ...] = ()
    dtypes: str = "f"


def accumulate(x: Value | None, y: Value | None) -> Value | None:
    """The sum of two cotangents, where None is zero."""
    if x is None or y is None:
        return y if x is None else x
    return ops.add(x, y)


def batch_pointwise(site: Batched) -> tuple[Sequence[Value], Sequence[bool]]:
    """Batch a pointwise operation: spread the operands that have no batch dimension, copy the operation."""
    operands = [site.full(i) for i in range(len(site.operands))]
    copy = ops.rebuild(site.op, operands, site.result_types())
    return list(copy.results), [True] * len(copy.results)


def pointwise(
    name: str,
    *partials: Partial | None,
    oracle: Callable[..., Any],
    domain: tuple[tuple[float, float], ...] = (),
    dtypes: str = "f",
    transposes: tuple[Partial | None, ...] | None = None,
    batch: BatchRule = batch_pointwise,
) -> Record:
    """The record of a pointwise operation.

    Args:
        name: the operation.
        partials: for each operand, ``(tangent, site) -> tangent of the result``, a diagonal linear map and so
            its own transpose; None where the derivative is zero everywhere.
        transposes: the maps from cotangent to cotangent, where they differ from the partials because the
            result's type does (real and complex parts).
    """
    pullbacks = partials if transposes is None else transposes

    def forward(site: Site, tangents: Tangents) -> Tangents:
        total: Value | None = None
        for partial, tangent in zip(partials, tangents, strict=True):
            if partial is not None and tangent is not None:
                total = accumulate(total, partial(tangent, site))
        return [total]

    def reverse(site: Site, cotangents: Tangents) -> Tangents:
        cotangent = cotangents[0]
        if cotangent is None:
            return [None] * len(pullbacks)

        def pull(cotangent: Value) -> Tangents:
            return [
                pullback(cotangent, site) if pullback is not None and active else None
                for pullback, active in zip(pullbacks, site.active, strict=True)
            ]

        return through_mask(cotangent, pull)

    return Record(
        name,
        "pointwise",
        forward,
        reverse,
        batch,
        partials=partials,
        oracle=oracle,
        domain=domain,
        dtypes=dtypes,
    )


Transpose = Callable[[Site, Value], Sequence[Value | None]]


def linear(
    name: str,
    transpose: Transpose,
    batch: BatchRule,
    *,
    operands: Callable[[ir.Operation], Sequence[int]] = lambda op: (0,),
    oracle: Callable[..., Any] | None = None,
    dtypes: str = "fc",
    cheap: bool = False,
) -> Record:
    """The record of an operation that is linear in some operands jointly (and not differentiable in the rest).

    Args:
        transpose: ``(site, cotangent) -> cotangents``, one per operand, None where there is none.
        operands: the positions of the operands it is linear in.
    """

    def forward(site: Site, tangents: Tangents) -> Tangents:
        inputs = set(operands(site.op))
        if all(tangents[i] is None for i in inputs):
            return [None] * len(site.op.results)
        values = []
        for i, tangent in enumerate(tangents):
            if i not in inputs:
                values.append(site.operand(i))
                continue
            values.append(ops.full(site.op.operands[i].type, 0) if tangent is None else tangent)
        return list(ops.rebuild(site.op, values).results)

    def reverse(site: Site, cotangents: Tangents) -> Tangents:
        cotangent = cotangents[0]
        if cotangent is None:
            return [None] * len(site.op.operands)
        return list(transpose(site, cotangent))

    return Record(name, "linear", forward, reverse, batch, oracle=oracle, dtypes=dtypes, cheap=cheap)


def bilinear(
    name: str,
    transposes: tuple[Callable[[Site, Value], Value], Callable[[Site, Value], Value]],
    batch: BatchRule,
) -> Record:
    """The record of an operation that is linear in each of two operands."""

    def forward(site: Site, tangents: Tangents) -> Tangents:
        x, y = tangents
        left = None if x is None else ops.rebuild(site.op, [x, site.operand(1)]).result
        right = None if y is None else ops.rebuild(site.op, [site.operand(0), y]).result
        return [accumulate(left, right)]

    def reverse(site: Site, cotangents: Tangents) -> Tangents:
        cotangent = cotangents[0]
        if cotangent is None:
            return [None, None]
        return [
            rule(site, cotangent) if active else None
            for rule, active in zip(transposes, site.active, strict=True)
        ]

    return Record(name, "bilinear", forward, reverse, batch, dtypes="fc")


def inactive(
    name: str,
    batch: BatchRule = batch_pointwise,
    *,
    oracle: Callable[..., Any] | None = None,
    domain: tuple[tuple[float, float], ...] = (),
    dtypes: str = "iu",
    cheap: bool = False,
) -> Record:
    """The record of an operation whose derivative is zero, or that has none because its result is discrete."""

    def forward(site: Site, tangents: Tangents) -> Tangents:
        return [None] * len(site.op.results)

    def reverse(site: Site, cotangents: Tangents) -> Tangents:
        return [None] * len(site.op.operands)

    return Record(
        name, "inactive", forward, reverse, batch, oracle=oracle, domain=domain, dtypes=dtypes, cheap=cheap
    )


def structured(
    name: str,
    forward: ForwardRule,
    reverse: ReverseRule,
    batch: BatchRule,
    *,
    augment: AugmentRule | None = None,
    joint: JointRule | None = None,
    depends: DependsRule | None = None,
    captures: bool = False,
) -> Record:
    """The record of an operation whose rules are all its own: calls, operations with regions."""
    return Record(
        name,
        "structured",
        forward,
        reverse,
        batch,
        augment=augment,
        joint=joint,
        depends=depends,
        captures=captures,
    )
