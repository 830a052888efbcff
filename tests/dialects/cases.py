"""Cases of operations, samples of their operands, and the modules that hold many of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.dialects import ops, transform
from mycc.dialects.mlir import context, ir, unknown
from mycc.dialects.types import dtype_of, element_type, is_differentiable, tensor
from mycc.lowering.buffers import put, to_numpy
from mycc.lowering.compile import compile_module
from mycc.lowering.devices import client
from mycc.lowering.settings import CompileSettings
from mycc.passes.autodiff import Autodiff
from mycc.passes.batch import Batch
from mycc.passes.pipeline import Pipeline
from mycc.passes.simplify import PATTERNS, Simplify

Array = np.ndarray[Any, Any]
Value = ir.Value
Build = Callable[..., Any]
Sample = Callable[[np.random.Generator], Sequence[Array]]


# ---- Cases ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One instance of an operation.

    Args:
        name: what failures are reported under.
        build: from ``ir.Value`` operands to the result value, or several, at the ambient insertion point.
        sample: from a generator to operands; called again for each element of a batch.
        oracle: from NumPy operands to the result, or several.
        active: which operands are differentiated; all floats and complex ones by default.
        rtol: relative tolerance of the comparison with the oracle and of derivatives.
        atol: absolute tolerance of the same.
        batched: which operands `check_batch` batches, of those that it would.
    """

    name: str
    build: Build
    sample: Sample
    oracle: Callable[..., Any] | None = None
    active: tuple[bool, ...] | None = None
    rtol: float = 1e-8
    atol: float = 1e-9
    batched: tuple[bool, ...] | None = None

    def emit(self, program: Program, values: Sequence[Value]) -> list[Value]:
        """Build the operation inside a function of a program."""
        built = self.build(*values)
        return [built] if isinstance(built, Value) else list(built)

    def flags(self, operands: Sequence[Array]) -> tuple[bool, ...]:
        """Which operands are differentiated."""
        if self.active is not None:
            return self.active
        return tuple(is_differentiable(type_of(x)) for x in operands)


@dataclass(frozen=True)
class _Derived(Case):
    """A case whose operation is a transform of another's function."""

    inner: Case | None = None
    reverse: bool = True

    def emit(self, program: Program, values: Sequence[Value]) -> list[Value]:
        assert self.inner is not None
        operands = self.inner.sample(np.random.default_rng(0))
        active, n = self.inner.flags(operands), len(operands)
        f = program.function(self.inner, operands)
        seeded = tuple(is_differentiable(type_) for type_ in f.results)
        build = transform.vjp if self.reverse else transform.jvp
        results = build(f, active, seeded, values[:n], values[n:])
        return results[len(f.results) :]


def pullback_of(case: Case) -> Case:
    """The case (operands, cotangents) -> cotangents of the active operands."""

    def sample(rng: np.random.Generator) -> list[Array]:
        operands = case.sample(rng)
        results = result_types(case, operands)
        return [*operands, *(normal(rng, type_) for type_ in results if is_differentiable(type_))]

    return _derive(case, sample, True)


def tangent_of(case: Case) -> Case:
    """The case (operands, tangents) -> tangents of the results."""

    def sample(rng: np.random.Generator) -> list[Array]:
        operands = case.sample(rng)
        flags = case.flags(operands)
        return [
            *operands,
            *(normal(rng, type_of(x)) for x, flag in zip(operands, flags, strict=True) if flag),
        ]

    return _derive(case, sample, False)


def _derive(case: Case, sample: Sample, reverse: bool) -> Case:
    operands = case.sample(np.random.default_rng(0))
    extra = len(sample(np.random.default_rng(0))) - len(operands)
    batched = None if case.batched is None else case.batched + (True,) * extra
    active = case.flags(operands) + (True,) * extra
    name = f"{'pullback' if reverse else 'tangent'}({case.name})"
    return _Derived(
        name, case.build, sample, None, active, case.rtol, case.atol, batched, inner=case, reverse=reverse
    )


def differentiable(cases: Iterable[Case]) -> list[Case]:
    """The cases with an active operand and a result that has a tangent."""
    found = []
    for case in cases:
        operands = case.sample(np.random.default_rng(0))
        if any(case.flags(operands)) and any(map(is_differentiable, result_types(case, operands))):
            found.append(case)
    return found


# ---- Samples -------------------------------------------------------------------------------------


def type_of(x: Array) -> ir.Type:
    """The tensor type of an array."""
    return tensor(x.shape, element_type(x.dtype))


def uniform(
    rng: np.random.Generator, shape: Sequence[int], dtype: Any, low: float = -2.0, high: float = 2.0
) -> Array:
    """Numbers between two bounds; complex ones have both parts there, booleans are coin flips."""
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return np.asarray(rng.integers(0, 2, shape).astype(np.bool_))
    if dtype.kind in "iu":
        low, high = (max(low, 0), max(high, 0)) if dtype.kind == "u" else (low, high)
        return np.asarray(rng.integers(int(low), int(high) + 1, shape).astype(dtype))
    x = np.asarray(rng.uniform(low, high, shape))
    if dtype.kind == "c":
        x = x + 1j * rng.uniform(low, high, shape)
    return np.asarray(x.astype(dtype))


def normal(rng: np.random.Generator, type_: ir.Type) -> Array:
    """Normally distributed numbers of a tensor type, for tangents and cotangents."""
    dtype, shape = dtype_of(type_), tuple(type_.shape)
    x = np.asarray(rng.normal(size=shape))
    if dtype.kind == "c":
        x = x + 1j * rng.normal(size=shape)
    return np.asarray(x.astype(dtype))


def sampler(*specs: tuple[Any, ...]) -> Sample:
    """A `Sample` from (shape, dtype) or (shape, dtype, low, high) per operand."""
    return lambda rng: [uniform(rng, *spec) for spec in specs]


# ---- Programs ------------------------------------------------------------------------------------


class Program:
    """A module under construction: functions of cases, and a ``@main`` that uses them."""

    def __init__(self) -> None:
        self.inputs: list[Array] = []
        self._outputs: list[Value] = []
        self._functions: dict[Any, transform.Callee] = {}
        with context, unknown:
            self.module = ir.Module.create()
            with ir.InsertionPoint(self.module.body):
                self._main, self._block = self._open("main", [], "public")

    def _open(self, name: str, types: Sequence[ir.Type], visibility: str) -> tuple[ir.Operation, ir.Block]:
        attributes = {
            "sym_name": ir.StringAttr.get(name),
            "sym_visibility": ir.StringAttr.get(visibility),
            "function_type": ir.TypeAttr.get(ir.FunctionType.get(list(types), [])),
        }
        operation = ir.Operation.create("func.func", [], [], attributes, regions=1)
        return operation, operation.regions[0].blocks.append(*types, arg_locs=[unknown] * len(types))

    def _close(self, function: ir.Operation, block: ir.Block, results: Sequence[Value]) -> None:
        with ir.InsertionPoint(block):
            ops.return_(results)
        type_ = ir.FunctionType.get([a.type for a in block.arguments], [r.type for r in results])
        function.attributes["function_type"] = ir.TypeAttr.get(type_)

    def function(self, case: Case, operands: Sequence[Array]) -> transform.Callee:
        """The function that holds a case's operation, built at the first request."""
        types = tuple(type_of(x) for x in operands)
        key = (id(case.build), case.name, types)
        if key not in self._functions:
            symbol = f"f{len(self._functions)}"
            self._functions[key] = transform.Callee(symbol, types, ())
            location = ir.Location.name(case.name, context=context)
            with context, location, ir.InsertionPoint(self.module.body):
                function, block = self._open(symbol, types, "private")
                with ir.InsertionPoint(block):
                    results = case.emit(self, list(block.arguments))
                self._close(function, block, results)
            self._functions[key] = transform.Callee(symbol, types, tuple(r.type for r in results))
        return self._functions[key]

    def input(self, x: Array) -> Value:
        """An argument of ``@main`` that holds an array."""
        self.inputs.append(np.asarray(x))
        return self._block.add_argument(type_of(np.asarray(x)), unknown)

    def call(self, case: Case, operands: Sequence[Array]) -> list[int]:
        """Call a case's function; returns the positions of its results among the outputs."""
        f = self.function(case, operands)
        with self.main():
            return self.output(ops.call(f.symbol, f.results, [self.input(x) for x in operands]))

    def main(self) -> Any:
        """The context in which operations are appended to ``@main``."""
        return _Scope(self._block)

    def output(self, values: Sequence[Value]) -> list[int]:
        """Return values from ``@main``; gives their positions."""
        self._outputs.extend(values)
        return list(range(len(self._outputs) - len(values), len(self._outputs)))

    def compile(self) -> Callable[[Sequence[Array]], list[Array]]:
        """Expand all transforms and compile; gives the function from inputs to outputs."""
        with context, unknown:
            self._close(self._main, self._block, self._outputs)
        assert self.module.operation.verify()
        expand(self.module)
        return executable(self.module)

    def run(self) -> list[Array]:
        """The outputs for the inputs given at construction."""
        return self.compile()(self.inputs)


class _Scope:
    def __init__(self, block: ir.Block) -> None:
        self._parts = (context, unknown, ir.InsertionPoint(block))

    def __enter__(self) -> None:
        for part in self._parts:
            part.__enter__()

    def __exit__(self, *error: Any) -> None:
        for part in reversed(self._parts):
            part.__exit__(*error)


def transforms_left(module: ir.Module) -> bool:
    """Whether any transform operation is left in a module."""
    found = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if transform.match(op) is not None:
            found.append(op)
            return ir.WalkResult.INTERRUPT
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return bool(found)


def expand(module: ir.Module) -> None:
    """Run autodiff and batch until no transform operation is left, then expand what XLA may not know."""
    for _ in range(10):
        if not transforms_left(module):
            break
        Pipeline([Autodiff(), Batch()]).run(module)
    assert not transforms_left(module), f"transforms left:\n{module}"
    Pipeline.parse("expand,inline,symbol-dce,func.func(chlo-legalize-to-stablehlo,canonicalize),cse").run(
        module
    )
    Pipeline([_CURE]).run(module)


# What XLA would compute wrongly; the rules are checked without the rest.
_CURE = Simplify(disable=tuple(p.label for p in PATTERNS if p.label != "scatter-without-indices"))

# The checks compile many operations and run them once.
_SETTINGS = CompileSettings(
    tiny=True,
    env_option_overrides=(("xla_backend_optimization_level", 0), ("xla_llvm_disable_expensive_passes", True)),
)


def executable(module: ir.Module) -> Callable[[Sequence[Array]], list[Array]]:
    """Compile a module by XLA for the host; gives the function from inputs to outputs."""
    device = client("cpu").devices()[0]
    compiled = compile_module(module, devices=[device], options=_SETTINGS)
    return lambda inputs: [to_numpy(y) for y in compiled.execute([put(x, device) for x in inputs])]


def result_types(case: Case, operands: Sequence[Array]) -> tuple[ir.Type, ...]:
    """The types of a case's results."""
    return Program().function(case, operands).results
