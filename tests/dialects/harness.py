"""Checks that follow from a record: one module per check, whatever the number of operations in it.

A `Case` says how to build an operation and how to sample its operands; the checks derive the rest:

- `check_values`: the operation against its oracle (NumPy or SciPy);
- `check_forward`: the tangent map against central differences of the operation itself, in double precision;
- `check_reverse`: ⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩, the pairing without conjugation, as in JAX;
- `check_batch`: every subset of batched operands, batch axes in several places, against a loop;
- `pullback_of`, `tangent_of`: cases whose operation is the derivative of another case's, so that
  `check_forward(map(pullback_of, cases))` checks second derivatives.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mycc.dialects import ops, transform
from mycc.dialects.mlir import context, ir, unknown
from mycc.dialects.types import dtype_of, element_type, is_differentiable, tensor
from mycc.lowering.buffers import put, to_numpy
from mycc.lowering.compile import CompileSettings, compile_module
from mycc.lowering.devices import client
from mycc.passes.autodiff import Autodiff
from mycc.passes.batch import Batch
from mycc.passes.pipeline import Pipeline

Array = np.ndarray[Any, Any]
Value = ir.Value
Build = Callable[..., Any]
Sample = Callable[[np.random.Generator], Sequence[Array]]

STEP = 1e-3
"""Of the central differences of fourth order: truncation h⁴ and rounding ε/h both stay near 1e-12."""


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
        return [*operands, *(normal(rng, type_of(x)) for x, flag in zip(operands, flags, strict=True) if flag)]

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


def uniform(rng: np.random.Generator, shape: Sequence[int], dtype: Any, low: float = -2.0, high: float = 2.0) -> Array:
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
    """Run autodiff and batch until no transform operation is left, then legalize CHLO."""
    for _ in range(10):
        if not transforms_left(module):
            break
        Pipeline([Autodiff(), Batch()]).run(module)
    assert not transforms_left(module), f"transforms left:\n{module}"
    Pipeline.parse("inline,symbol-dce,func.func(chlo-legalize-to-stablehlo,canonicalize),cse").run(module)


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


def evaluate(cases: Sequence[Case], operands: Sequence[Sequence[Sequence[Array]]]) -> list[list[list[Array]]]:
    """The results of each case for each of its sets of operands, from one module that runs many times."""
    program, positions = Program(), []
    for case, sets in zip(cases, operands, strict=True):
        positions.append(program.call(case, sets[0]))
    run = program.compile()
    results: list[list[list[Array]]] = [[] for _ in cases]
    for number in range(max(map(len, operands), default=0)):
        inputs = [x for sets in operands for x in sets[min(number, len(sets) - 1)]]
        outputs = run(inputs)
        for found, sets, places in zip(results, operands, positions, strict=True):
            if number < len(sets):
                found.append([outputs[p] for p in places])
    return results


# ---- Checks --------------------------------------------------------------------------------------


class _Failures:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def close(self, label: str, got: Any, want: Any, rtol: float, atol: float) -> None:
        try:
            got, want = np.asarray(got), np.asarray(want)
            assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
            kind = np.complex128 if got.dtype.kind == "c" else np.float64
            if got.dtype.kind in "iub":
                np.testing.assert_array_equal(got, want.astype(got.dtype))
                return
            scale = np.max(np.abs(want[np.isfinite(want)]), initial=1.0)
            np.testing.assert_allclose(got.astype(kind), want.astype(kind), rtol=rtol, atol=atol * scale)
        except AssertionError as error:
            self.messages.append(f"--- {label}\n{str(error).strip()}")

    def report(self) -> None:
        assert not self.messages, f"{len(self.messages)} failures\n" + "\n".join(self.messages)


def result_types(case: Case, operands: Sequence[Array]) -> tuple[ir.Type, ...]:
    """The types of a case's results."""
    return Program().function(case, operands).results


def _rng(case: Case) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(case.name.encode()))


def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, tuple | list) else [x]


def check_values(cases: Iterable[Case]) -> None:
    """The results of each case against its oracle."""
    checked = [case for case in cases if case.oracle is not None]
    operands = [[case.sample(_rng(case))] for case in checked]
    failures = _Failures()
    for case, sets, results in zip(checked, operands, evaluate(checked, operands), strict=True):
        assert case.oracle is not None
        with np.errstate(all="ignore"):
            expected = _listed(case.oracle(*sets[0]))
        for got, want in zip(results[0], expected, strict=True):
            failures.close(case.name, got, want, case.rtol, case.atol)
    failures.report()


def check_forward(cases: Iterable[Case]) -> None:
    """The tangent of each case's results against central differences."""
    cases = list(cases)
    program, places, moved, flags = Program(), [], [], []
    for case in cases:
        rng = _rng(case)
        operands = case.sample(rng)
        active = case.flags(operands)
        tangents = [normal(rng, type_of(x)) if flag else None for x, flag in zip(operands, active, strict=True)]
        f = program.function(case, operands)
        seeded = tuple(map(is_differentiable, f.results))
        with program.main():
            primals = [program.input(x) for x in operands]
            seeds = [program.input(t) for t in tangents if t is not None]
            places.append(program.output(transform.jvp(f, active, seeded, primals, seeds))[len(f.results) :])
        flags.append(seeded)
        moved.append(
            [
                [
                    x if t is None else np.asarray(x + np.asarray(steps * STEP, x.dtype) * t)
                    for x, t in zip(operands, tangents, strict=True)
                ]
                for steps in (-2, -1, 1, 2)
            ]
        )
    outputs, failures = program.run(), _Failures()
    for case, positions, seeded, sets in zip(cases, places, flags, evaluate(cases, moved), strict=True):
        columns = [column for column, flag in zip(zip(*sets, strict=True), seeded, strict=True) if flag]
        for position, (a, b, c, d) in zip(positions, columns, strict=True):
            want = (a - d + 8 * (c - b)) / (12 * STEP)
            failures.close(case.name, outputs[position], want, max(case.rtol, 1e-7), max(case.atol, 1e-8))
    failures.report()


def check_precision(cases: Iterable[Case]) -> None:
    """The pullback of each case against the same computed in double precision."""
    cases = list(cases)
    narrow = [pullback_of(case) for case in cases]
    wide = [pullback_of(with_sample(case, _widened(case.sample), "wide")) for case in cases]
    operands = [[case.sample(_rng(case))] for case in narrow]
    widened = [[[_widen(x) for x in sets[0]]] for sets in operands]
    failures = _Failures()
    for case, got, want in zip(cases, evaluate(narrow, operands), evaluate(wide, widened), strict=True):
        for a, b in zip(got[0], want[0], strict=True):
            failures.close(f"pullback({case.name})", a, b, case.rtol, case.atol)
    failures.report()


def _widen(x: Array) -> Array:
    if x.dtype.kind in "iub":
        return x
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _widened(sample: Sample) -> Sample:
    return lambda rng: [_widen(x) for x in sample(rng)]


def check_reverse(cases: Iterable[Case]) -> None:
    """⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩ for each case."""
    program, expected = Program(), []
    for case in cases:
        rng = _rng(case)
        operands = case.sample(rng)
        active = case.flags(operands)
        f = program.function(case, operands)
        seeded = tuple(map(is_differentiable, f.results))
        tangents = [normal(rng, type_of(x)) for x, flag in zip(operands, active, strict=True) if flag]
        cotangents = [normal(rng, type_) for type_, flag in zip(f.results, seeded, strict=True) if flag]
        with program.main():
            primals = [program.input(x) for x in operands]
            pushed = transform.jvp(f, active, seeded, primals, [program.input(t) for t in tangents])
            pulled = transform.vjp(f, active, seeded, primals, [program.input(c) for c in cotangents])
            ahead = program.output(pushed)[len(f.results) :]
            back = program.output(pulled)[len(f.results) :]
        expected.append((case, ahead, back, tangents, cotangents))
    outputs, failures = program.run(), _Failures()
    for case, ahead, back, tangents, cotangents in expected:
        terms = [np.ravel(np.real(c * outputs[p])) for c, p in zip(cotangents, ahead, strict=True)]
        left = np.concatenate(terms)
        right = np.concatenate([np.ravel(np.real(t * outputs[p])) for t, p in zip(tangents, back, strict=True)])
        size = max(1.0, float(np.abs(left).sum()))
        failures.close(case.name, left.sum() / size, right.sum() / size, 1e-11, max(case.atol, 1e-11))
    failures.report()


def check_batch(cases: Iterable[Case], size: int = 2, most: int = 7) -> None:
    """Each case under vmap, for every subset of batched operands (at most ``most``), against a loop."""
    cases = list(cases)
    program, sets, expected = Program(), [], []
    for index, case in enumerate(cases):
        rng = _rng(case)
        samples = [list(case.sample(rng)) for _ in range(size)]
        operands = samples[0]
        f = program.function(case, operands)
        sets.append(
            [[s[i] if i in subset else x for i, x in enumerate(operands)] for subset in _subsets(case, most) for s in samples]
        )
        for number, subset in enumerate(_subsets(case, most)):
            axes = [
                (number + i) % (x.ndim + 1) if i in subset else transform.NO_AXIS for i, x in enumerate(operands)
            ]
            out_axes = [number % (len(type_.shape) + 1) for type_ in f.results]
            values = [
                np.stack([s[i] for s in samples], axis) if axis != transform.NO_AXIS else operands[i]
                for i, axis in enumerate(axes)
            ]
            with program.main():
                batched = transform.vmap(f, axes, out_axes, size, None, [program.input(x) for x in values])
                positions = program.output(batched)
            label = f"{case.name} batched in {subset} at {axes}"
            expected.append((label, index, number * size, positions, out_axes))
    outputs, loops, failures = program.run(), evaluate(cases, sets), _Failures()
    for label, index, start, positions, out_axes in expected:
        case, loop = cases[index], loops[index][start : start + size]
        for i, position in enumerate(positions):
            want = np.stack([results[i] for results in loop], out_axes[i])
            failures.close(label, outputs[position], want, max(case.rtol, 1e-10), max(case.atol, 1e-12))
    failures.report()


def _subsets(case: Case, most: int) -> list[tuple[int, ...]]:
    """Which operands are batched in turn, all of them first."""
    count = len(case.sample(np.random.default_rng(0)))
    allowed = [i for i in range(count) if case.batched is None or case.batched[i]]
    return [s for n in range(len(allowed), 0, -1) for s in itertools.combinations(allowed, n)][:most]


def with_sample(case: Case, sample: Sample, suffix: str) -> Case:
    """The same operation over other operands."""
    return replace(case, name=f"{case.name}:{suffix}", sample=sample)
