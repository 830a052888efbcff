"""Derivatives of whole functions, made from the operations' records.

``split`` turns a function into two: a primal one that also returns residuals, and a linear one (a pushforward
of tangents or a pullback of cotangents) that takes them last. Only what a rule of the linear function asks for
becomes a residual, and what is cheap to make again from other residuals is made again. ``transpose`` turns a
linear program around: it is the same reverse sweep over a function whose active part has no primal values.

The split into primal and linear parts follows "You Only Linearize Once" (Radul et al., POPL 2023); that a
reverse sweep is a transposition of the linear part is from there too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mycc.dialects import ops
from mycc.dialects.errors import TransformError, UnsupportedOperationError
from mycc.dialects.locations import describe
from mycc.dialects.masks import accumulate_masked, common_masks, under
from mycc.dialects.mlir import context, ir
from mycc.dialects.record import AugmentRule, Effort, Flags, Record, Split, Tangents
from mycc.dialects.rules import RECORDS
from mycc.dialects.rules.flags import picked
from mycc.dialects.transform import target_of
from mycc.dialects.types import is_differentiable, shape_of
from mycc.passes.batch import Vectorizer
from mycc.passes.bodies import Body, Site
from mycc.passes.checkpoint import Checkpoint
from mycc.passes.known import known_results
from mycc.passes.lanewise import lanes
from mycc.passes.partial import Memo, partial
from mycc.passes.records import record_of, require_static
from mycc.passes.silence import silent
from mycc.passes.symbols import Symbols, callees, remap_captures

__all__ = ["Derivatives"]

Value: TypeAlias = ir.Value


class Derivatives:
    """Derived functions of one module, each made once.

    Args:
        symbols: the module's functions; derived ones are added.
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self._splits: dict[tuple[str, Flags, Flags | None], Split] = {}
        self._jvps: dict[tuple[str, Flags], tuple[str, Flags]] = {}
        self._transposes: dict[tuple[str, Flags, Flags], tuple[str, Flags]] = {}
        self._depends: dict[tuple[str, Flags], Flags] = {}
        self._known: dict[tuple[str, Flags, Effort], Flags] = {}
        self._needs: dict[tuple[str, Flags], Flags] = {}
        self._partials: Memo = {}
        self._checkpoints: dict[tuple[str, Flags, Flags | None, tuple[str, ...], bool], Split] = {}
        self._bodies: dict[str, Body] = {}
        self._silent: dict[str, str] = {}

    def split(self, callee: str, active: Flags, seeded: Flags | None) -> Split:
        """Split a function at its active arguments; in reverse, for the results that get cotangents."""
        key = (callee, active, seeded)
        if key not in self._splits:
            self._splits[key] = _Builder(self, callee, active, seeded).split()
        return self._splits[key]

    def jvp(self, callee: str, active: Flags) -> tuple[str, Flags]:
        """A function from arguments and tangents of the active ones to results and tangents; which these are."""
        key = (callee, active)
        if key not in self._jvps:
            self._jvps[key] = _Builder(self, callee, active, None).jvp()
        return self._jvps[key]

    def transpose(self, callee: str, linear: Flags, seeded: Flags) -> tuple[str, Flags]:
        """The transpose of a function over its linear arguments, and which of them get cotangents."""
        key = (callee, linear, seeded)
        if key not in self._transposes:
            self._transposes[key] = _Builder(self, callee, linear, seeded, transposing=True).transpose()
        return self._transposes[key]

    def depends(self, callee: str, active: Flags) -> Flags:
        """Which results of a function depend differentiably on its active arguments."""
        key = (callee, active)
        if key not in self._depends:
            body = self.body(callee)
            values = self.active_values(body, active)
            self._depends[key] = tuple(value in values for value in body.returned)
        return self._depends[key]

    def known(self, callee: str, given: Flags, by: Effort = "any") -> Flags:
        """Which results of a function follow from the given arguments alone, by operations of that effort at most."""
        key = (callee, given, by)
        if key not in self._known:
            body = self.body(callee)
            self._known[key] = known_results(self, self.symbols, body, given, by)
        return self._known[key]

    def needs(self, callee: str, results: Flags) -> Flags:
        """Which arguments of a function some results are made from."""
        key = (callee, results)
        if key in self._needs:
            return self._needs[key]
        body = self.body(callee)
        needed = {value for value, flag in zip(body.returned, results, strict=True) if flag}
        for step in reversed(body.steps):
            flags = tuple(result in needed for result in step.results)
            if not any(flags):
                continue
            calls = step.op.name == "func.call"
            needed.update(
                picked(step.operands, self.needs(callees(step.op)[0], flags)) if calls else step.operands
            )
        self._needs[key] = tuple(argument in needed for argument in body.arguments)
        return self._needs[key]

    def body(self, callee: str) -> Body:
        """A function's body."""
        if callee not in self._bodies:
            require_static(self.symbols[callee], "differentiate")
            self._bodies[callee] = Body.of(self.symbols.block(callee))
        return self._bodies[callee]

    def active_values(self, body: Body, active: Flags) -> set[Value]:
        """The values of a function's body that depend differentiably on its active arguments."""
        values = {
            argument
            for argument, flag in zip(body.arguments, active, strict=True)
            if flag and is_differentiable(argument.type)
        }
        for step in body.steps:
            if values.isdisjoint(step.operands) or not step.results:
                continue
            record = record_of(step.op, "differentiate")
            if record.kind == "inactive":
                continue
            if record.depends is None and len(step.operands) == len(step.op.operands):
                values.update(r for r in step.results if is_differentiable(r.type))
                continue
            flags = tuple(value in values for value in step.operands)
            _check_captures(step.op, record, flags)
            reached = record.depends(self, step.op, flags) if record.depends else (True,) * len(step.results)
            values.update(
                r for r, flag in zip(step.results, reached, strict=True) if flag and is_differentiable(r.type)
            )
        return values

    def outline(self, op: ir.Operation, region: int) -> str:
        """A function of a region: of its block's arguments, then of what all regions of the operation capture."""
        return self.symbols.outline(op, region)

    def silent(self, callee: str) -> str:
        """A function that computes the same without debugging callbacks, for what is computed once more."""
        return silent(self.symbols, callee, self._silent)

    def expansion(self, op: ir.Operation) -> str:
        """A function that does what an operation does by its record's ``expand``: of its operands and captures."""
        return self.symbols.expansion(op, Vectorizer(self.symbols))

    def partial(self, callee: str, unknown: Flags) -> Split:
        """A function taken apart by what depends on its unknown arguments."""
        return partial(self.symbols, callee, unknown, self._partials)

    def checkpoint(
        self, callee: str, active: Flags, seeded: Flags | None, policy: Sequence[str], barrier: bool
    ) -> Split:
        """As `split`, where residuals are operands and what the policy saves, and ``linear`` computes the rest."""
        key = (callee, active, seeded, tuple(policy), barrier)
        if key not in self._checkpoints:
            plan = Checkpoint(self.symbols, callee, policy, barrier)
            split = self.split(plan.callee, active, seeded)
            self._checkpoints[key] = plan.finish(split)
        return self._checkpoints[key]

    def block(self, callee: str) -> ir.Block:
        """The body of a function, to look where values come from."""
        return self.symbols.block(callee)

    def types(self, callee: str) -> tuple[list[ir.Type], list[ir.Type]]:
        """The argument and result types of a function."""
        return self.symbols.types(callee)

    def define(self, base: str, arguments: Sequence[ir.Type], build: Callable[..., Sequence[Value]]) -> str:
        """The symbol of a new function; ``build`` gets its arguments and gives what it returns."""
        return self.symbols.define(base, arguments, build, ir.Location.current)


def _check_captures(op: ir.Operation, record: Record, flags: Flags) -> None:
    if record.captures or not any(flags[len(op.operands) :]):
        return
    raise UnsupportedOperationError(
        f"{describe(op.location)}: cannot differentiate '{op.name}': its region uses a value of the function around it "
        "that is differentiated; pass the value as an operand"
    )


class _Builder:
    """The construction of one split or transposed function."""

    def __init__(
        self,
        functions: Derivatives,
        callee: str,
        active: Flags,
        seeded: Flags | None,
        transposing: bool = False,
    ) -> None:
        symbols = functions.symbols
        self.functions = functions
        self.callee = callee
        self.transposing = transposing
        self.reversing = seeded is not None
        self.source = functions.body(callee)
        self.location: ir.Location = symbols[callee].location
        self.arguments = self.source.arguments
        self.active_arguments = active
        self.one_function = transposing
        """Whether the primal and the linear computation share a function."""
        self.copies: list[ir.Operation] | None = None
        """The operations of a whole copy of the function, in the order of the source's, where there is one."""
        self.active = functions.active_values(self.source, active)
        self.returned = self.source.returned
        self.seeded = seeded or tuple(value in self.active for value in self.returned)
        self.primals: dict[Value, Value] = {}
        """From a value of the source to its counterpart in the primal function."""
        self.carried: dict[Value, Value] = {}
        """From a value of the primal function to its counterpart in the linear function."""
        self.residuals: list[Value] = []

    # -- look-ups that rules make --

    def primal(self, value: Value, op: ir.Operation) -> Value:
        """The primal value of a value of the source, inside the linear function."""
        return self.carry(self._primal(value, op))

    def _primal(self, value: Value, op: ir.Operation) -> Value:
        """The primal value of a value of the source; under transposition, what is linear has none."""
        if value not in self.primals:
            raise TransformError(
                f"{describe(op.location)}: cannot transpose '{target_of(op)}': the function is not linear there, "
                "since the derivative of the operation depends on the value it is linear in"
            )
        return self.primals[value]

    def carry(self, value: Value) -> Value:
        """A value of the primal function inside the linear one: made again if cheap, else a residual."""
        if self.one_function:
            return value
        found = self.carried.get(value)
        if found is None:
            found = self.carried[value] = self._recompute(value) or self._residual(value)
        return found

    def _recompute(self, value: Value) -> Value | None:
        owner = value.owner
        if isinstance(owner, ir.Block):
            return None
        record = RECORDS.get(owner.name)
        if record is None or not record.cheap:
            return None
        operands = [self.carry(operand) for operand in owner.operands]
        copy = ops.rebuild(owner.operation, operands)
        return copy.results[ir.OpResult(value).result_number]

    def _residual(self, value: Value) -> Value:
        self.residuals.append(value)
        return self.linear_block.add_argument(value.type, self.location)

    # -- the functions --

    def split(self) -> Split:
        """The primal function with residuals, and the linear one."""
        symbols = self.functions.symbols
        flags = self.seeded if self.reversing else self.active_arguments
        ends = self.returned if self.reversing else self.arguments
        seeds = [value.type for value, flag in zip(ends, flags, strict=True) if flag]
        kind = "pullback" if self.reversing else "pushforward"
        primal, block = symbols.copy(self.callee, f"{self.callee}.fwd")
        linear, self.linear_block = symbols.new(f"{self.callee}.{kind}", seeds, self.location)
        self.linear_end = ops.End(self.linear_block)
        self.copies = [op.operation for op in block.operations]
        self.primals = dict(zip(self.arguments, block.arguments, strict=True))
        for step, copy in zip(self.source.steps, self.copies, strict=True):
            self.primals.update(zip(step.results, copy.results, strict=True))
        seed_values = list(self.linear_block.arguments)
        with context, self.location:
            results = self._reverse(seed_values) if self.reversing else self._forward(seed_values)
            present = tuple(value is not None for value in results)
            symbols.close(linear, [value for value in results if value is not None])
            symbols.close(primal, [*(self.primals[value] for value in self.returned), *self.residuals])
        return Split(primal, linear, tuple(value.type for value in self.residuals), present)

    def transpose(self) -> tuple[str, Flags]:
        """The function from its inactive arguments and cotangents to the cotangents of the active ones."""
        symbols = self.functions.symbols
        fixed = [a for a, flag in zip(self.arguments, self.active_arguments, strict=True) if not flag]
        seeds = [value.type for value, flag in zip(self.returned, self.seeded, strict=True) if flag]
        name, block = symbols.new(
            f"{self.callee}.transpose", [*(a.type for a in fixed), *seeds], self.location
        )
        self.linear_block = block
        self.primal_end = self.linear_end = ops.End(block)
        arguments = list(block.arguments)
        self.primals = dict(zip(fixed, arguments, strict=False))
        with context, self.location:
            results = self._reverse(arguments[len(fixed) :])
            symbols.close(name, [value for value in results if value is not None])
        return name, tuple(value is not None for value in results)

    def jvp(self) -> tuple[str, Flags]:
        """The function that computes results and tangents together."""
        symbols = self.functions.symbols
        self.one_function = True
        flagged = [a for a, flag in zip(self.arguments, self.active_arguments, strict=True) if flag]
        name, block = symbols.new(
            f"{self.callee}.jvp", [a.type for a in (*self.arguments, *flagged)], self.location
        )
        self.linear_block = block
        self.primal_end = self.linear_end = ops.End(block)
        arguments = list(block.arguments)
        count = len(self.arguments)
        self.primals = dict(zip(self.arguments, arguments[:count], strict=True))
        with context, self.location:
            tangents = self._forward(arguments[count:])
            values = [self.primals[value] for value in self.returned]
            symbols.close(name, [*values, *(tangent for tangent in tangents if tangent is not None)])
        return name, tuple(tangent is not None for tangent in tangents)

    # -- sweeps --

    def _forward(self, seeds: list[Value]) -> Tangents:
        flagged = [a for a, flag in zip(self.arguments, self.active_arguments, strict=True) if flag]
        tangents: dict[Value, Value] = dict(zip(flagged, seeds, strict=True))
        for position, step in enumerate(self.source.steps):
            op, operands = step.op, step.operands
            active = tuple(operand in tangents for operand in operands)
            if not any(active) or self.active.isdisjoint(step.results):
                self._primal_part(position)
                continue
            record = record_of(op, "differentiate")
            site = Site(self, step, active, ())
            incoming = [tangents.get(operand) for operand in operands]
            if self.one_function and record.joint is not None:
                with op.location, self.linear_end:
                    results, outgoing = record.joint(
                        site, [self.primals[operand] for operand in operands], incoming
                    )
                self.primals.update(zip(step.results, results, strict=True))
            else:
                self._primal_part(position, site, record)
                with op.location, self.linear_end:
                    outgoing = record.forward(site, incoming)
            for result, tangent in zip(step.results, outgoing, strict=True):
                if tangent is not None and result in self.active:
                    tangents[result] = tangent
        return [tangents.get(value) for value in self.returned]

    def _reverse(self, seeds: list[Value]) -> Tangents:
        useful = self._useful()
        sites: list[tuple[Site, Record]] = []
        for position, step in enumerate(self.source.steps):
            active = tuple(operand in self.active for operand in step.operands)
            if any(active) and not useful.isdisjoint(step.results):
                site = Site(self, step, active, tuple(result in useful for result in step.results))
                record = record_of(step.op, "differentiate")
                sites.append((site, record))
                if not self.transposing:
                    self._primal_part(position, site, record)
            elif not self.transposing or all(operand in self.primals for operand in step.operands):
                # What depends on a linear value has no primal: a rule that asks for it gets the error.
                self._primal_part(position)
        cotangents: dict[Value, Value | None] = {}
        remaining = iter(seeds)
        with self.linear_end:
            for value, flag in zip(self.returned, self.seeded, strict=True):
                if not flag:
                    continue
                seed = next(remaining)
                if value in self.active:
                    cotangents[value] = accumulate_masked(cotangents.get(value), seed)
        for site, record in reversed(sites):
            self._pull(site, record, cotangents)
        return [
            cotangents.get(a) if flag else None
            for a, flag in zip(self.arguments, self.active_arguments, strict=True)
        ]

    def _pull(self, site: Site, record: Record, cotangents: dict[Value, Value | None]) -> None:
        incoming = [cotangents.pop(result, None) for result in site.results]
        if all(value is None for value in incoming):
            return
        with site.op.location, self.linear_end:
            outgoing = record.reverse(site, incoming)
            if record.kind == "structured":
                outgoing = self._masked(site, incoming, outgoing)
            for operand, flag, cotangent in zip(site.operands, site.active, outgoing, strict=True):
                if flag and cotangent is not None:
                    cotangents[operand] = accumulate_masked(cotangents.get(operand), cotangent)

    def _masked(self, site: Site, incoming: Tangents, outgoing: Tangents) -> Tangents:
        """What masks the cotangents of all results of an operation put on those of its operands, where it may be."""
        masks = common_masks(incoming)
        if not masks:
            return outgoing
        shape = lanes(self.functions, site.op, site.inputs, site.active)
        masks = [mask for mask in masks if shape_of(mask.predicate) in ((), shape)]
        return [None if value is None else under(masks, value) for value in outgoing]

    def _useful(self) -> set[Value]:
        """Active values on which a seeded result depends."""
        useful = {v for v, flag in zip(self.returned, self.seeded, strict=True) if flag and v in self.active}
        for step in reversed(self.source.steps):
            if not useful.isdisjoint(step.results):
                useful.update(operand for operand in step.operands if operand in self.active)
        return useful

    def _primal_part(self, position: int, site: Site | None = None, record: Record | None = None) -> None:
        """The primal computation of an operation: a copy, or what its record does if it takes part."""
        step = self.source.steps[position]
        if (
            site is not None
            and record is not None
            and record.augment is not None
            and self._augment(position, site, record.augment)
        ):
            return
        if self.copies is None:
            values = [self._primal(operand, step.op) for operand in step.operands]
            with self.primal_end:
                copy = ops.rebuild(step.op, values[: len(step.op.operands)])
                remap_captures(copy, self.primals)
            self.primals.update(zip(step.results, copy.results, strict=True))

    def _augment(self, position: int, site: Site, augment: AugmentRule) -> bool:
        """Put what a record does in the place of an operation; false if a copy will do."""
        step = self.source.steps[position]
        values = [self._primal(operand, step.op) for operand in step.operands]
        place = self.primal_end if self.copies is None else ir.InsertionPoint(self.copies[position])
        with step.op.location, place:
            augmented = augment(site, values)
        if augmented is None:
            return False
        results, saved = augmented
        site.save(saved)
        if self.copies is not None:
            copy = self.copies[position]
            for old, new in zip(copy.results, results, strict=True):
                old.replace_all_uses_with(new)
            copy.erase()
        self.primals.update(zip(step.results, results, strict=True))
        return True
