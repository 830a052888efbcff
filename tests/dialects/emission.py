"""What the rules emit, and give for chosen operands, for tests that count operations or compare by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import Case, Program

from mycc.dialects import ops, transform
from mycc.dialects.types import is_differentiable


def pulled_back(case: Case) -> list[str]:
    """The operations, as text, of the module that gives a case's cotangents."""
    return _expanded(case, True)


def pushed_forward(case: Case) -> list[str]:
    """The operations, as text, of the module that gives a case's tangents."""
    return _expanded(case, False)


def names(operations: list[str]) -> list[str]:
    """The names of operations without their dialect, regions' operations included."""
    found = [name for text in operations for name in re.findall(r"(?:stablehlo|chlo)\.(\w+)['\"( ]", text)]
    return [name for name in found if name != "return"]


def _expanded(case: Case, reverse: bool) -> list[str]:
    program = Program()
    operands = case.sample(np.random.default_rng(0))
    active = case.flags(operands)
    f = program.function(case, operands)
    seeded = tuple(map(is_differentiable, f.results))
    types, flags = (f.results, seeded) if reverse else (f.arguments, active)
    with program.main():
        primals = [program.input(x) for x in operands]
        seeds = [
            ops.convert(program.input(np.ones(type_.shape)), type_.element_type)
            for type_, flag in zip(types, flags, strict=True)
            if flag
        ]
        build = transform.vjp if reverse else transform.jvp
        program.output(build(f, active, seeded, primals, seeds)[len(f.results) :])
    program.run()
    entry = next(op for op in program.module.body.operations if op.attributes["sym_name"].value == "main")
    return [str(op) for op in list(entry.regions[0].blocks[0].operations)[:-1]]


def cotangents(case: Case, operands: Sequence[Any], seeds: Sequence[Any]) -> list[Any]:
    """The cotangents of a case's active operands for cotangents of its differentiable results."""
    return _derived(case, operands, seeds, transform.vjp)


def tangents(case: Case, operands: Sequence[Any], seeds: Sequence[Any]) -> list[Any]:
    """The tangents of a case's differentiable results for tangents of its active operands."""
    return _derived(case, operands, seeds, transform.jvp)


def _derived(case: Case, operands: Sequence[Any], seeds: Sequence[Any], build: Any) -> list[Any]:
    program = Program()
    f = program.function(case, operands)
    seeded = tuple(map(is_differentiable, f.results))
    with program.main():
        primals = [program.input(x) for x in operands]
        values = [program.input(x) for x in seeds]
        program.output(build(f, case.flags(operands), seeded, primals, values)[len(f.results) :])
    return program.run()
