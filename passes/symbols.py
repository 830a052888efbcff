"""Functions of a module by symbol: look-up, creation under fresh names, and the order callee first."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

from mycc.dialects import ops
from mycc.dialects.composites import symbols_of
from mycc.dialects.mlir import context, func, ir, unknown
from mycc.dialects.record import Regions
from mycc.passes.records import find_record

__all__ = [
    "Symbols",
    "called",
    "callees",
    "captures",
    "copy_module",
    "inputs",
    "is_public",
    "may_have_regions",
    "operations",
    "remap_captures",
]


_WITH_REGIONS = frozenset(
    f"stablehlo.{name}"
    for name in "all_reduce async_start case collective_reduce if map reduce reduce_scatter reduce_window scatter select_and_scatter "
    "sort while".split()
) | {"chlo.scan"}


@functools.cache
def may_have_regions(name: str) -> bool:
    """Whether operations of a name can have regions: to ask each costs as much as to read it."""
    return name in _WITH_REGIONS or name.partition(".")[0] not in ("stablehlo", "chlo")


def operations(function: ir.Operation) -> Iterator[ir.Operation]:
    """Every operation in a function, those in nested regions too, parents first."""
    for region in function.regions:
        for block in region.blocks:
            for each in block.operations:
                op = each.operation
                yield op
                if may_have_regions(op.name):
                    yield from operations(op)


def _referring(region: ir.Region, names: set[str]) -> Iterator[ir.Operation]:
    for block in region.blocks:
        for each in block.operations:
            op = each.operation
            name = op.name
            names.add(name)
            if name in _REFERRING:
                if name == "stablehlo.custom_call":
                    names.add(f"@{op.attributes['call_target_name'].value}")
                yield op
            if may_have_regions(name):
                for inner in op.regions:
                    yield from _referring(inner, names)


_REFERRING = frozenset({"func.call", "stablehlo.custom_call", "stablehlo.composite"})


def callees(op: ir.Operation) -> list[str]:
    """The symbols of functions that an operation refers to."""
    attributes = op.attributes
    if op.name == "func.call":
        return [attributes["callee"].value]
    if op.name == "stablehlo.custom_call" and "called_computations" in attributes:
        return [symbol.value for symbol in attributes["called_computations"]]
    if op.name == "stablehlo.composite":
        return symbols_of(op)
    return []


def called(op: ir.Operation) -> list[str]:
    """As `callees`, without the rules of composites, which may refer to the composite that they belong to."""
    found = callees(op)
    return found[:1] if op.name == "stablehlo.composite" else found


def captures(op: ir.Operation) -> list[ir.Value]:
    """The values from around an operation that its regions use, each once, in the order of first use."""
    if not may_have_regions(op.name):
        return []
    inside: set[ir.Value] = set()
    found: dict[ir.Value, None] = {}
    for region in op.regions:
        for block in region.blocks:
            inside.update(block.arguments)
    for inner in operations(op):
        for region in inner.regions:
            for block in region.blocks:
                inside.update(block.arguments)
        found.update(dict.fromkeys(operand for operand in inner.operands if operand not in inside))
        inside.update(inner.results)
    return list(found)


def inputs(op: ir.Operation) -> list[ir.Value]:
    """An operation's operands, followed by what its regions capture."""
    return [*op.operands, *captures(op)]


def remap_captures(op: ir.Operation, values: Mapping[ir.Value, ir.Value]) -> None:
    """Let the regions of a copied operation use the copies of the values they capture."""
    if not may_have_regions(op.name):
        return
    for inner in operations(op):
        for i, operand in enumerate(inner.operands):
            if operand in values:
                inner.operands[i] = values[operand]


def is_public(function: ir.Operation) -> bool:
    """Whether a function can be called from outside of its module."""
    visibility = function.attributes.get("sym_visibility")
    return visibility is None or visibility.value == "public"


def copy_module(module: ir.Module, entry: str | None = None) -> ir.Module:
    """A copy of a module, attributes and locations included.

    Args:
        module: the module.
        entry: a function, to copy it as a public one, and of the other functions only those that it refers to.
    """
    needed = None if entry is None else set(Symbols(module).reachable([entry]))
    with module.context, module.operation.location:
        copy = ir.Module.create()
        for attribute in module.operation.attributes:
            copy.operation.attributes[attribute] = module.operation.attributes[attribute]
        with ir.InsertionPoint(copy.body):
            for op in module.body.operations:
                function = op.operation.name == "func.func"
                symbol = op.attributes["sym_name"].value if function else None
                if needed is None or symbol is None or symbol in needed:
                    clone = op.operation.clone()
                    if symbol is not None and symbol == entry:
                        clone.attributes["sym_visibility"] = ir.StringAttr.get("public")
    return copy


class Symbols:
    """The functions of one module.

    Args:
        module: the module; functions made here are appended to it.
    """

    def __init__(self, module: ir.Module) -> None:
        self.module = module
        self.functions: dict[str, ir.Operation] = {
            op.attributes["sym_name"].value: op.operation
            for op in module.body.operations
            if op.operation.name == "func.func"
        }
        self.names: set[str] = set()
        """The names of all operations that `referring` has come by, and the ``@targets`` of custom calls."""
        self._referring: dict[str, list[ir.Operation]] = {}
        self._outlined: dict[tuple[ir.Operation, int], str] = {}
        self._expanded: dict[ir.Operation, str] = {}

    def __getitem__(self, symbol: str) -> ir.Operation:
        return self.functions[symbol]

    def block(self, symbol: str) -> ir.Block:
        """The body of a function."""
        return self.functions[symbol].regions[0].blocks[0]

    def referring(self, symbol: str) -> list[ir.Operation]:
        """The calls, custom calls and composites in a function; read once, until `forget`."""
        found = self._referring.get(symbol)
        if found is None:
            found = self._referring[symbol] = list(_referring(self.functions[symbol].regions[0], self.names))
        return found

    def forget(self, symbol: str) -> None:
        """Read a function anew, after its operations have changed."""
        self._referring.pop(symbol, None)

    def callees(self, symbol: str) -> list[str]:
        """The functions of the module that a function refers to."""
        return [callee for op in self.referring(symbol) for callee in callees(op) if callee in self.functions]

    def is_done(self, symbol: str, pending: set[str], waits: Callable[[str], bool]) -> bool:
        """Whether nothing waits in a function and in all pending ones that it refers to.

        Those of rules that refer to themselves, through the composite that they belong to, are done together.
        Functions that call themselves never are.

        Args:
            symbol: the function.
            pending: what is not known to be done.
            waits: whether a function itself has something to expand.
        """
        seen, waiting = {symbol}, [symbol]
        while waiting:
            name = waiting.pop()
            if waits(name):
                return False
            found = pending.intersection(self.callees(name)) - seen
            seen |= found
            waiting += found
        if len(seen) == 1 and symbol not in self.callees(symbol):
            return True
        reached, waiting = set[str](), [symbol]
        while waiting:
            name = waiting.pop()
            calls = {c for op in self.referring(name) for c in called(op)} & pending
            if symbol in calls:
                return False
            waiting += calls - reached
            reached |= calls
        return True

    def types(self, symbol: str) -> tuple[list[ir.Type], list[ir.Type]]:
        """The argument and result types of a function."""
        type_ = self.functions[symbol].attributes["function_type"].value
        return list(type_.inputs), list(type_.results)

    def new(
        self, base: str, arguments: Sequence[ir.Type], location: ir.Location = unknown
    ) -> tuple[str, ir.Block]:
        """Append a private function with a fresh name and an open body; `close` gives it its type."""
        name = self._fresh(base)
        with context, location, ir.InsertionPoint(self.module.body):
            function = func.FuncOp(name, (list(arguments), []), visibility="private")
        self.functions[name] = function.operation
        return name, function.operation.regions[0].blocks.append(
            *arguments, arg_locs=[location] * len(arguments)
        )

    def copy(self, symbol: str, base: str) -> tuple[str, ir.Block]:
        """Append a private copy of a function with a fresh name, its return taken off; `close` ends it again."""
        name = self.duplicate(symbol, base)
        block = self.block(name)
        block.operations[len(block.operations) - 1].operation.erase()
        return name, block

    def duplicate(self, symbol: str, base: str) -> str:
        """Append a private copy of a function with a fresh name."""
        name = self._fresh(base)
        with context, ir.InsertionPoint(self.module.body):
            function = self.functions[symbol].clone()
            function.attributes["sym_name"] = ir.StringAttr.get(name)
            function.attributes["sym_visibility"] = ir.StringAttr.get("private")
            for attribute in ("arg_attrs", "res_attrs"):
                if attribute in function.attributes:
                    del function.attributes[attribute]
        self.functions[name] = function.operation
        return name

    def _fresh(self, base: str) -> str:
        name, n = base, 0
        while name in self.functions:
            n += 1
            name = f"{base}.{n}"
        return name

    def close(self, symbol: str, results: Sequence[ir.Value]) -> None:
        """End a function's body with the values it returns, and set its type from both ends."""
        block = self.block(symbol)
        with context, self.functions[symbol].location, ir.InsertionPoint(block):
            ir.Operation.create("func.return", [], list(results))
        self.retype(symbol)

    def define(
        self,
        base: str,
        arguments: Sequence[ir.Type],
        build: Callable[..., Sequence[ir.Value]],
        location: ir.Location = unknown,
    ) -> str:
        """A new private function; ``build`` gets its arguments and gives what it returns."""
        name, block = self.new(base, arguments, location)
        with context, location, ops.End(block):
            results = list(build(*block.arguments))
        self.close(name, results)
        return name

    def retype(self, symbol: str) -> None:
        """Set a function's type from its block's arguments and its return."""
        block = self.block(symbol)
        returned = block.operations[len(block.operations) - 1].operands
        type_ = ir.FunctionType.get(
            [a.type for a in block.arguments], [r.type for r in returned], context=context
        )
        self.functions[symbol].attributes["function_type"] = ir.TypeAttr.get(type_, context=context)

    def outline(self, op: ir.Operation, region: int) -> str:
        """A function of a region: of its block's arguments, then of what all regions of the operation capture.

        Each region is outlined once: the operation must not change while these symbols are used.
        """
        if (op, region) in self._outlined:
            return self._outlined[op, region]
        source = op.regions[region].blocks[0]
        around = captures(op)
        types = [value.type for value in (*source.arguments, *around)]
        name, block = self.new(f"{op.name.rpartition('.')[2]}.region", types, op.location)
        values = dict(zip((*source.arguments, *around), block.arguments, strict=True))
        body = [inner.operation for inner in source.operations]
        with context, ir.InsertionPoint(block):
            # Rules look for numbers: where a loop inside starts and ends, by what is divided.
            for value in around:
                if not isinstance(value.owner, ir.Block) and value.owner.name == "stablehlo.constant":
                    values[value] = ops.rebuild(value.owner.operation, []).result
            for inner in body[:-1]:
                copy = ops.rebuild(inner, [values[operand] for operand in inner.operands])
                remap_captures(copy, values)
                values.update(zip(inner.results, copy.results, strict=True))
        self.close(name, [values[value] for value in body[-1].operands])
        self._outlined[op, region] = name
        return name

    def expansion(self, op: ir.Operation, regions: Regions) -> str:
        """A function that does what an operation does by its record's ``expand``: of its operands and captures.

        Each operation is expanded once, as regions are outlined.
        """
        if op not in self._expanded:
            values = inputs(op)
            name, block = self.new(
                f"{op.name.rpartition('.')[2]}.expanded", [v.type for v in values], op.location
            )
            record = find_record(op)
            assert record is not None and record.expand is not None, op.name
            with context, op.location, ops.End(block):
                results = record.expand(op, list(block.arguments), regions)
            self.close(name, results)
            self._expanded[op] = name
        return self._expanded[op]

    def dropped(self, op: ir.Operation) -> None:
        """Forget what was outlined of an operation that is about to be erased."""
        self._expanded.pop(op, None)
        for region in range(len(op.regions)):
            self._outlined.pop((op, region), None)

    def reachable(self, entries: Sequence[str] | None = None) -> list[str]:
        """The symbols of functions, of public ones if not said, and of all that these refer to."""
        found: dict[str, None] = {}
        public = [name for name, f in self.functions.items() if is_public(f)]
        waiting = public if entries is None else list(entries)
        while waiting:
            name = waiting.pop()
            if name in self.functions and name not in found:
                found[name] = None
                waiting += self.callees(name)
        return list(found)

    def callee_first(self) -> list[str]:
        """All symbols, each after those it refers to."""
        order: list[str] = []
        state: dict[str, bool] = {}
        for root in self.functions:
            stack = [(root, False)]
            while stack:
                symbol, done = stack.pop()
                if done:
                    if not state[symbol]:
                        state[symbol] = True
                        order.append(symbol)
                    continue
                if symbol in state:
                    continue
                state[symbol] = False
                stack.append((symbol, True))
                stack.extend((callee, False) for callee in self.callees(symbol) if callee not in state)
        return order
