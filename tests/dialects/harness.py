"""Checks that follow from a record: one module per check, whatever the number of operations in it.

A `Case` says how to build an operation and how to sample its operands; the checks derive the rest:

- `check_values`: the operation against its oracle (NumPy or SciPy);
- `check_forward`: the tangent map against central differences of the operation itself, in double precision;
- `check_reverse`: ⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩, the pairing without conjugation, as in JAX;
- `check_transpose`: the same with Jᵀ from transposing the tangent map as a linear program;
- `check_precision`: the pullback in any dtype against the same in double precision;
- `check_batch`: every subset of batched operands, batch axes in several places, against a loop;
- `pullback_of`, `tangent_of`: cases whose operation is the derivative of another case's, so that
  `check_forward(map(pullback_of, cases))` checks second derivatives.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from cases import (
    Array,
    Build,
    Case,
    Program,
    Sample,
    differentiable,
    normal,
    pullback_of,
    result_types,
    sampler,
    tangent_of,
    type_of,
    uniform,
)

from mycc.dialects import transform
from mycc.dialects.types import is_differentiable

__all__ = [
    "Array",
    "Build",
    "Case",
    "Program",
    "Sample",
    "check_batch",
    "check_forward",
    "check_precision",
    "check_reverse",
    "check_transpose",
    "check_values",
    "differentiable",
    "evaluate",
    "normal",
    "pullback_of",
    "result_types",
    "sampler",
    "tangent_of",
    "type_of",
    "uniform",
    "with_sample",
]

STEP = 1e-3
"""Of the central differences of fourth order: truncation h⁴ and rounding ε/h both stay near 1e-12."""


# ---- Checks --------------------------------------------------------------------------------------


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
        tangents = [
            normal(rng, type_of(x)) if flag else None for x, flag in zip(operands, active, strict=True)
        ]
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
        _pair(failures, case, [outputs[p] for p in ahead], cotangents, [outputs[p] for p in back], tangents)
    failures.report()


def check_transpose(cases: Iterable[Case]) -> None:
    """Each case's tangent map, transposed as a linear program: ⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩.

    It is how `custom_jvp` goes under reverse mode, and needs of the forward rule that every operation it
    builds on tangents is linear in them.
    """
    program, expected = Program(), []
    for case in cases:
        rng = _rng(case)
        count = len(case.sample(np.random.default_rng(0)))
        derived = tangent_of(case)
        operands = derived.sample(rng)
        primals, tangents = operands[:count], operands[count:]
        f = program.function(derived, operands)
        linear = (False,) * count + (True,) * len(tangents)
        cotangents = [normal(rng, type_) for type_ in f.results]
        with program.main():
            fixed, seeds = [program.input(x) for x in primals], [program.input(c) for c in cotangents]
            back = program.output(transform.transpose(f, linear, (True,) * len(seeds), fixed, seeds))
        expected.append((case, program.call(derived, operands), back, tangents, cotangents))
    outputs, failures = program.run(), _Failures()
    for case, ahead, back, tangents, cotangents in expected:
        _pair(failures, case, [outputs[p] for p in ahead], cotangents, [outputs[p] for p in back], tangents)
    failures.report()


def _pair(
    failures: _Failures,
    case: Case,
    ahead: Sequence[Array],
    cotangents: Sequence[Array],
    back: Sequence[Array],
    tangents: Sequence[Array],
) -> None:
    left = np.concatenate([np.ravel(np.real(c * y)) for c, y in zip(cotangents, ahead, strict=True)])
    right = np.concatenate([np.ravel(np.real(t * x)) for t, x in zip(tangents, back, strict=True)])
    size = max(1.0, float(np.abs(left).sum()))
    failures.close(case.name, left.sum() / size, right.sum() / size, 1e-11, max(case.atol, 1e-11))


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
            [
                [s[i] if i in subset else x for i, x in enumerate(operands)]
                for subset in _subsets(case, most)
                for s in samples
            ]
        )
        for number, subset in enumerate(_subsets(case, most)):
            axes = [
                (number + i) % (x.ndim + 1) if i in subset else transform.NO_AXIS
                for i, x in enumerate(operands)
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
