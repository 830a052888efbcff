"""Opening a module's sizes: static operations become StableHLO's dynamic ones, whose sizes are computed.

A function finds the symbols in the shapes of its arguments. Each size that is an expression of them is computed where
the function begins, as scalars of type i32, in the manner of `jax.export`; `stablehlo-refine-shapes` and XLA fold it
when the sizes are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mycc.dialects import ops
from mycc.dialects.errors import ModuleError
from mycc.dialects.locations import describe
from mycc.dialects.mlir import context, ir
from mycc.dialects.types import dtype_of, tensor
from mycc.lowering.dimensions import Dim, Size
from mycc.lowering.fitting import Real
from mycc.lowering.likeness import Hole, complex_splat
from mycc.passes.symbols import Symbols

__all__ = ["Number", "open_sizes"]

Number = Size | float | Real
Places = Mapping[str, Mapping[int, Number]]
"""For each attribute of an operation the numbers in it that are expressions."""
_OPEN = ir.ShapedType.get_dynamic_size()
_ASSERTION = "shape_assertion"


def open_sizes(module: ir.Module, numbers: Sequence[tuple[Hole, Number]], least: Mapping[str, int]) -> None:
    """Put expressions in the places of numbers, in place.

    Args:
        module: static; nothing of it has changed since its form was read.
        numbers: each number that is an expression, and its place.
        least: the smallest size of each symbol.

    Raises:
        ModuleError: an operation has no dynamic counterpart, or a function's arguments do not tell a symbol.
    """
    # An operation's hash changes with its types.
    places: dict[int, tuple[ir.Operation, dict[str, dict[int, Number]]]] = {}
    opened: dict[ir.Value, dict[int, Number]] = {}
    for hole, number in numbers:
        named = places.setdefault(id(hole.op), (hole.op, {}))[1]
        if isinstance(hole.key, str):
            named.setdefault(hole.key, {})[hole.index] = number
        else:
            value = hole.op.results[hole.key] if isinstance(hole.key, int) else hole.key
            opened.setdefault(value, {})[hole.index] = number
    symbols = Symbols(module)
    inside: dict[str, list[tuple[ir.Operation, Places]]] = {name: [] for name in symbols.functions}
    for op, attributes in places.values():
        if op.name != "func.func":
            inside[_function(op)].append((op, attributes))
    shapes: dict[ir.Value, tuple[Any, ...]] = {
        value: tuple(sizes.get(i, n) for i, n in enumerate(value.type.shape))
        for value, sizes in opened.items()
    }
    for value, shape in shapes.items():
        value.set_type(_type(value.type, shape))
    for name, listed in inside.items():
        block = symbols.block(name)
        sizes = _Sizes(block, [shapes.get(a, tuple(a.type.shape)) for a in block.arguments])
        for op, numbers_of in listed:
            _rewrite(op, numbers_of, sizes, shapes, symbols)
        if name == "main":
            sizes.assert_least(least)
        sizes.close()
        symbols.retype(name)


def _function(op: ir.Operation) -> str:
    """The name of the function that an operation is in."""
    around = op.parent.operation
    while around.name != "func.func":
        around = around.parent.operation
    name: str = around.attributes["sym_name"].value
    return name


def _type(type_: Any, shape: Sequence[Size]) -> ir.Type:
    return tensor(tuple(n if isinstance(n, int) else _OPEN for n in shape), type_.element_type)


class _Sizes:
    """The sizes that a function computes where it begins."""

    def __init__(self, block: ir.Block, shapes: Sequence[tuple[Size, ...]]) -> None:
        self._block = block
        self._shapes = shapes
        self._known: dict[Any, ir.Value] = {}
        self._line = block.operations[0].location
        self._scalar = tensor((), ops.I32)
        # What is first in the block may be replaced; all sizes go before this.
        with context, self._line, ir.InsertionPoint.at_block_begin(block):
            self._first = ops.full(self._scalar, 0).owner

    def scalar(self, size: Size) -> ir.Value:
        """A size as a scalar."""
        with context, self._line, ir.InsertionPoint(self._first):
            return self._built(size)

    def vector(self, sizes: Sequence[Size]) -> ir.Value:
        """Sizes as a vector."""
        key = tuple(sizes)
        with context, self._line, ir.InsertionPoint(self._first):
            if key not in self._known:
                if any(isinstance(n, Dim) for n in key):
                    parts = [ops.reshape(self._built(n), (1,)) for n in key]
                    self._known[key] = ops.concatenate(parts, 0)
                else:
                    self._known[key] = ops.constant(np.array(key, np.int32))
            return self._known[key]

    def number(self, number: Number, element: ir.Type) -> ir.Value:
        """A number of a program as a scalar of an element type."""
        with context, self._line, ir.InsertionPoint(self._first):
            if not isinstance(number, Real):
                if isinstance(number, Dim):
                    return ops.convert(self._built(number), element)
                return ops.full(tensor((), element), number)
            wide = dtype_of(tensor((), element)).itemsize > 4
            inner = ir.F64Type.get() if wide else ir.F32Type.get()
            x = ops.convert(self._built(number.of), inner)
            factor = ops.full_like(x, number.factor)
            return ops.convert(_REAL[number.form](factor, x), element)

    def close(self) -> None:
        """Nothing more is asked for."""
        self._first.erase()

    def assert_least(self, least: Mapping[str, int]) -> None:
        """Assert that the symbols are at least so large, and that all sizes of arguments are as their symbols say."""
        for i, shape in enumerate(self._shapes):
            for d, size in enumerate(shape):
                if isinstance(size, Dim) and size != Dim.symbol(str(size)):
                    told = self._size(i, d)
                    text = (
                        f"the size of dimension {d} of argument {i} is {size}, that is {{1}}, and not {{0}}"
                    )
                    self._assert("EQ", told, self.scalar(size), text)
        for name, number in least.items():
            text = f"{name} is at least {{1}}, and not {{0}}"
            self._assert("GE", self.scalar(Dim.symbol(name)), self.scalar(number), text)

    def _assert(self, direction: str, x: ir.Value, y: ir.Value, text: str) -> None:
        with context, self._line, ir.InsertionPoint(self._first):
            attributes = {
                "call_target_name": ir.StringAttr.get(_ASSERTION),
                "api_version": ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 2),
                "error_message": ir.StringAttr.get(text),
                "has_side_effect": ir.BoolAttr.get(True),
            }
            ops.create("stablehlo.custom_call", [], [ops.compare(direction, x, y), x, y], attributes)

    def _size(self, argument: int, dimension: int) -> ir.Value:
        with context, self._line, ir.InsertionPoint(self._first):
            attributes = {"dimension": ops.i64(dimension)}
            operands = [self._block.arguments[argument]]
            return ops.create("stablehlo.get_dimension_size", [self._scalar], operands, attributes).result

    def _built(self, size: Size) -> ir.Value:
        if size not in self._known:
            self._known[size] = (
                size.fold(self._symbol, self._built, ops.add, ops.mul, ops.div, ops.rem)
                if isinstance(size, Dim) and size != Dim.symbol(str(size))
                else self._symbol(str(size))
                if isinstance(size, Dim)
                else ops.full(self._scalar, size)
            )
        return self._known[size]

    def _symbol(self, name: str) -> ir.Value:
        key = ("symbol", name)
        if key not in self._known:
            self._known[key] = self._solved(name)
        return self._known[key]

    def _solved(self, name: str) -> ir.Value:
        for plain in (True, False):
            for i, shape in enumerate(self._shapes):
                for d, size in enumerate(shape):
                    affine = size.affine if isinstance(size, Dim) else None
                    if (
                        affine is None
                        or affine[0] != name
                        or affine[1] < 1
                        or (plain and affine[1:] != (1, 0))
                    ):
                        continue
                    _, factor, rest = affine
                    value = self._size(i, d)
                    if rest:
                        value = ops.sub(value, self._built(rest))
                    return ops.div(value, self._built(factor)) if factor != 1 else value
        raise ModuleError(
            f"{describe(self._line)}: no argument's shape tells the size {name} that is needed here: let one have a "
            f"dimension that is {name}, or a multiple of it"
        )


_REAL: dict[str, Callable[[ir.Value, ir.Value], ir.Value]] = {
    "x": ops.mul,
    "1/x": ops.div,
    "sqrt": lambda factor, x: ops.mul(factor, ops.sqrt(x)),
    "rsqrt": lambda factor, x: ops.div(factor, ops.sqrt(x)),
    "log": lambda factor, x: ops.mul(factor, ops.log(x)),
}


# ---- Operations ----------------------------------------------------------------------------------


def _rewrite(
    op: ir.Operation, places: Places, sizes: _Sizes, shapes: dict[Any, tuple[Size, ...]], symbols: Symbols
) -> None:
    rewrite = _REWRITES.get(op.name)
    if rewrite is None or (op.name in _BY_ATTRIBUTE and not places):
        if places or op.name in _UNKNOWN:
            what = ", ".join(places) or "shape"
            raise ModuleError(
                f"{describe(op.location)}: '{op.name}' whose {what} depends on a symbolic size cannot be exported; export "
                "the function once for each size"
            )
        return
    site = _Site(op, places, sizes, shapes, symbols)
    with context, op.location, ir.InsertionPoint(op):
        new = rewrite(site)
    for old, value in zip(op.results, new, strict=True):
        if old in shapes:
            shapes[value] = shapes[old]
        old.replace_all_uses_with(value)
    op.erase()


class _Site:
    """An operation whose results, or attributes, are expressions."""

    def __init__(
        self,
        op: ir.Operation,
        places: Places,
        sizes: _Sizes,
        shapes: Mapping[Any, tuple[Size, ...]],
        symbols: Symbols,
    ) -> None:
        self.op, self.places, self.sizes, self.shapes, self.symbols = op, places, sizes, shapes, symbols
        self.operands = list(op.operands)

    def shape(self, value: ir.Value) -> tuple[Size, ...]:
        """The sizes of a value."""
        return self.shapes.get(value) or tuple(value.type.shape)

    def numbers(self, name: str, default: int = 0) -> list[Any]:
        """The integers of an attribute."""
        if name not in self.op.attributes:
            return [default] * self.op.operands[0].type.rank
        attribute = self.op.attributes[name]
        flat = attribute if isinstance(attribute, ir.DenseI64ArrayAttr) else _flat(attribute)
        return [self.places.get(name, {}).get(i, int(n)) for i, n in enumerate(flat)]

    def vector(self, name: str, default: int = 0) -> ir.Value:
        """The integers of an attribute as a vector."""
        return self.sizes.vector(self.numbers(name, default))

    @property
    def result_shape(self) -> ir.Value:
        """The sizes of the result as a vector."""
        return self.sizes.vector(self.shape(self.op.results[0]))

    def create(self, name: str, operands: Sequence[ir.Value], *kept: str) -> list[ir.Value]:
        """An operation with the same results, and some of the attributes."""
        attributes = {k: self.op.attributes[k] for k in kept if k in self.op.attributes}
        return list(ops.create(name, [r.type for r in self.op.results], operands, attributes).results)


def _flat(attribute: Any) -> Iterator[Any]:
    return iter(np.asarray(attribute).reshape(-1))


def _constant(site: _Site) -> list[ir.Value]:
    op, type_ = site.op, site.op.results[0].type
    numbers = site.places.get("value", {})
    text = complex_splat(op)
    if text is not None:
        scalar = f'"stablehlo.constant"() <{{value = dense<{text}> : tensor<{type_.element_type}>}}> : () -> tensor<{type_.element_type}>'
        value = ir.Operation.parse(scalar).result
    elif op.attributes["value"].is_splat and len(numbers) <= 1 and 0 in {*numbers, 0}:
        number = numbers.get(0, op.attributes["value"].get_splat_value().value)
        element = type_.element_type
        if isinstance(number, (Dim, Real)):
            value = site.sizes.number(number, element)
        else:
            scalar_type = tensor((), element)
            attribute = ir.DenseElementsAttr.get_splat(scalar_type, op.attributes["value"].get_splat_value())
            value = ops.create("stablehlo.constant", [scalar_type], [], {"value": attribute}).result
    else:
        listed = [
            site.sizes.number(numbers.get(i, int(n)), type_.element_type)
            for i, n in enumerate(_flat(op.attributes["value"]))
        ]
        vector = ops.concatenate([ops.reshape(n, (1,)) for n in listed], 0)
        return [ops.reshape(vector, tuple(type_.shape))]
    if type_.has_static_shape:
        return [ops.broadcast_in_dim(value, tuple(type_.shape), ())]
    attributes = {"broadcast_dimensions": ops.i64_array(())}
    return list(
        ops.create(
            "stablehlo.dynamic_broadcast_in_dim", [type_], [value, site.result_shape], attributes
        ).results
    )


def _slice(site: _Site) -> list[ir.Value]:
    named = ("start_indices", "limit_indices", "strides")
    return site.create("stablehlo.real_dynamic_slice", [site.operands[0], *map(site.vector, named)])


def _dynamic_slice(site: _Site) -> list[ir.Value]:
    x, *starts = site.operands
    sizes = site.numbers("slice_sizes")
    scalar = tensor((), ops.I32)
    placed = []
    for start, size, whole in zip(starts, sizes, site.shape(x), strict=True):
        most = site.sizes.scalar(whole - size)
        number = ops.clamp(site.sizes.scalar(0), ops.convert(start, scalar.element_type), most)
        placed.append(ops.reshape(number, (1,)))
    first = ops.concatenate(placed, 0)
    limit = ops.add(first, site.sizes.vector(sizes))
    steps = site.sizes.vector([1] * len(sizes))
    return site.create("stablehlo.real_dynamic_slice", [x, first, limit, steps])


def _pad(site: _Site) -> list[ir.Value]:
    named = ("edge_padding_low", "edge_padding_high", "interior_padding")
    return site.create("stablehlo.dynamic_pad", [*site.operands, *map(site.vector, named)])


def _gather(site: _Site) -> list[ir.Value]:
    operands = [*site.operands, site.vector("slice_sizes")]
    return site.create("stablehlo.dynamic_gather", operands, "dimension_numbers", "indices_are_sorted")


def _reduce_window(site: _Site) -> list[ir.Value]:
    """XLA's operation of that name, which JAX writes, too: its body is a function."""
    op = site.op
    rank = op.operands[0].type.rank
    vectors = [
        site.vector("window_dimensions", 1),
        site.vector("window_strides", 1),
        site.vector("base_dilations", 1),
        site.vector("window_dilations", 1),
    ]
    padding = site.numbers("padding") if "padding" in op.attributes else [0] * (2 * rank)
    pairs = ops.reshape(site.sizes.vector(padding), (rank, 2))
    body = site.symbols.outline(op, 0)
    attributes = {
        "call_target_name": ir.StringAttr.get("stablehlo.dynamic_reduce_window"),
        "called_computations": ir.ArrayAttr.get([ir.FlatSymbolRefAttr.get(body)]),
    }
    types = [r.type for r in op.results]
    return list(
        ops.create("stablehlo.custom_call", types, [*site.operands, *vectors, pairs], attributes).results
    )


_REWRITES: dict[str, Callable[[_Site], list[ir.Value]]] = {
    "stablehlo.broadcast_in_dim": lambda s: s.create(
        "stablehlo.dynamic_broadcast_in_dim", [*s.operands, s.result_shape], "broadcast_dimensions"
    ),
    "stablehlo.constant": _constant,
    "stablehlo.dynamic_slice": _dynamic_slice,
    "stablehlo.gather": _gather,
    "stablehlo.iota": lambda s: s.create("stablehlo.dynamic_iota", [s.result_shape], "iota_dimension"),
    "stablehlo.pad": _pad,
    "stablehlo.reduce_window": _reduce_window,
    "stablehlo.reshape": lambda s: s.create("stablehlo.dynamic_reshape", [*s.operands, s.result_shape]),
    "stablehlo.slice": _slice,
}
_BY_ATTRIBUTE = frozenset(
    f"stablehlo.{name}" for name in ("dynamic_slice", "gather", "pad", "reduce_window", "slice")
)
"""What stays as it is where only its results' sizes are open."""
_UNKNOWN = frozenset(f"stablehlo.{name}" for name in ("custom_call", "rng", "rng_bit_generator"))
"""What needs the numbers of its results, which its operands do not tell."""
