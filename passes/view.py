"""What patterns see of operations: views that read each part through the bindings once."""

from __future__ import annotations

from typing import Any

from mycc.dialects.mlir import ir

__all__ = ["NoMatch", "Op", "has_one_use", "static_shape"]

_DYNAMIC = ir.ShapedType.get_dynamic_size()


class NoMatch(Exception):
    """A pattern asked for what a value does not have, such as a shape that is known before run time."""


class Op:
    """A view of an operation that reads each part once: crossing into the bindings is what costs.

    What begins with an underscore is the driver's.

    Attributes:
        op: the operation.
        name: its name, ``stablehlo.add``.
        operands: its operands.
        result: its first result.
        note: what a matcher wants to remember until the operation changes; None at first.
    """

    # Containers are made only when needed: the garbage collector runs once in so many of them.
    __slots__ = (
        "_attributes", "_erased", "_producers", "_queued", "_results", "_shape", "_suspect", "_type",
        "_users", "_views", "name", "note", "op", "operands", "result",
    )  # fmt: skip

    op: ir.Operation
    name: str
    operands: list[ir.Value]
    result: ir.Value
    note: Any
    _attributes: dict[str, Any] | None
    _producers: list[Op | None] | None
    _results: list[ir.Value] | None
    _shape: tuple[int, ...] | None

    def __init__(self, op: ir.Operation, name: str, views: dict[int, Op]) -> None:
        self.op = op
        self.name = name
        self._views = views
        # Who used a result when last read; a user may since have changed, or be there twice.
        self._users: list[Op] = []
        # Suspect: there may be no users left.
        self._queued = self._erased = self._suspect = False
        # None is what is not read yet, or may have changed.
        self._producers = self._attributes = self._type = self.note = None
        try:
            self.result = result = op.result
            self._results = None
            views[hash(result)] = self
        except ValueError:
            self._results = list(op.results)
            for result in reversed(self._results):
                views[hash(result)] = self
                self.result = result

    @property
    def results(self) -> list[ir.Value]:
        """All results."""
        return [self.result] if self._results is None else self._results

    def producers(self) -> list[Op | None]:
        """For each operand the operation that defines it; None for a block's argument."""
        known = self._producers
        if known is None:
            self._read()
            return self.producers()
        return known

    def _read(self) -> tuple[str, ...]:
        """Reads the operands; returns the name and those of the operations that define them."""
        views = self._views
        operands = self.operands = list(self.op.operands)
        producers: list[Op | None] = []
        names = [self.name]
        for value in operands:
            producer = views.get(hash(value))
            producers.append(producer)
            if producer is None:
                names.append("")
            else:
                names.append(producer.name)
                producer._users.append(self)
        self._producers = producers
        self._attributes = self.note = None
        return tuple(names)

    @property
    def type(self) -> Any:
        """The type of the first result."""
        if self._type is None:
            self._type = self.result.type
            self._shape = None
        return self._type

    @property
    def shape(self) -> tuple[int, ...]:
        """The static shape of the first result."""
        type_ = self.type
        if self._shape is None:
            self._shape = _shape_of(type_)
        return self._shape

    def operand(self, index: int) -> ir.Value:
        """One operand."""
        return self.operands[index]

    def operand_type(self, index: int) -> Any:
        """The type of an operand."""
        producer = self.producers()[index]
        if producer is not None and producer._results is None:
            return producer.type
        return self.operands[index].type

    def operand_shape(self, index: int) -> tuple[int, ...]:
        """The static shape of an operand."""
        producer = self.producers()[index]
        if producer is not None and producer._results is None:
            return producer.shape
        return static_shape(self.operands[index])

    def producer(self, index: int, name: str | None = None) -> Op | None:
        """The operation that defines an operand; None for a block's argument, or one of another name."""
        found = self.producers()[index]
        if found is None:
            value = self.operands[index]
            if isinstance(value, ir.BlockArgument):
                return None
            # Still being built by the pattern: the driver meets it later, and must find it new.
            op = value.owner.operation
            found = Op(op, op.name, {})
        if name is not None and found.name != name:
            return None
        found.producers()
        return found

    def attribute(self, name: str) -> Any:
        """An attribute, or None where the operation has none of that name."""
        known = self._attributes
        if known is None:
            known = self._attributes = {}
        if name not in known:
            known[name] = self.op.attributes.get(name, None)
        return known[name]


def static_shape(value: ir.Value) -> tuple[int, ...]:
    """The shape of a tensor value.

    Raises:
        NoMatch: some dimension is known only at run time. The driver takes it as no match.
    """
    return _shape_of(value.type)


def _shape_of(type_: Any) -> tuple[int, ...]:
    shape = tuple(type_.shape)
    if _DYNAMIC in shape:
        raise NoMatch
    return shape


def has_one_use(value: ir.Value) -> bool:
    """Whether exactly one operand anywhere is this value."""
    uses = value.uses
    return next(uses, None) is not None and next(uses, None) is None
