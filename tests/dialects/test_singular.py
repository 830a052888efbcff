"""Derivatives where they are infinite, or not unique: JAX's conventions, and no NaN behind a guard."""

from __future__ import annotations

import numpy as np
from harness import Build, Case, Program, pullback_of, tangent_of

from mycc.dialects import ops, transform
from mycc.dialects.mlir import ir

Value = ir.Value

INF = np.inf
EDGES: list[tuple[str, Build, tuple[float, ...], tuple[float, ...]]] = [
    ("abs", ops.abs_, (0.0,), (1.0,)),
    ("abs of -0", ops.abs_, (-0.0,), (1.0,)),
    ("sign", ops.sign, (0.0,), (0.0,)),
    ("maximum", ops.max_, (1.0, 1.0), (0.5, 0.5)),
    ("minimum", ops.min_, (1.0, 1.0), (0.5, 0.5)),
    ("maximum of zeros", ops.max_, (0.0, -0.0), (0.5, 0.5)),
    ("clamp at low", ops.clamp, (1.0, 1.0, 2.0), (0.0, 0.0, 0.0)),
    ("clamp at high", ops.clamp, (1.0, 2.0, 2.0), (0.0, 0.0, 0.0)),
    ("clamp below", ops.clamp, (1.0, 0.0, 2.0), (1.0, 0.0, 0.0)),
    ("clamp above", ops.clamp, (1.0, 3.0, 2.0), (0.0, 0.0, 1.0)),
    ("sqrt", ops.sqrt, (0.0,), (INF,)),
    ("rsqrt", ops.rsqrt, (0.0,), (-INF,)),
    ("cbrt", ops.cbrt, (0.0,), (INF,)),
    ("log", ops.log, (0.0,), (INF,)),
    ("log1p", ops.log1p, (-1.0,), (INF,)),
    ("asin", ops.asin, (1.0,), (INF,)),
    ("acos", ops.acos, (-1.0,), (-INF,)),
    ("acosh", ops.acosh, (1.0,), (INF,)),
    ("atanh", ops.atanh, (1.0,), (INF,)),
    ("erf_inv", ops.erf_inv, (1.0,), (INF,)),
    ("0 ** 0", ops.pow_, (0.0, 0.0), (0.0, 0.0)),
    ("0 ** 1", ops.pow_, (0.0, 1.0), (1.0, 0.0)),
    ("0 ** 2", ops.pow_, (0.0, 2.0), (0.0, 0.0)),
    ("0 ** 0.5", ops.pow_, (0.0, 0.5), (INF, 0.0)),
    ("(-2) ** 3", ops.pow_, (-2.0, 3.0), (12.0, np.nan)),
    ("atan2", ops.atan2, (0.0, 0.0), (0.0, 0.0)),
    ("bessel_i1e", ops.bessel_i1e, (0.0,), (0.5,)),
    ("remainder", ops.rem, (-7.5, 2.0), (1.0, 3.0)),
    ("remainder of a multiple", ops.rem, (6.0, 3.0), (1.0, -2.0)),
    ("logistic of much", ops.logistic, (800.0,), (0.0,)),
    ("tanh of much", ops.tanh, (-800.0,), (0.0,)),
    ("atan2 far out", ops.atan2, (0.0, -1.0), (-1.0, -0.0)),
]


def test_singular_points_in_both_modes() -> None:
    program, expected = Program(), []
    for name, build, at, slopes in EDGES:
        operands = [np.asarray(x, np.float64) for x in at]
        case = Case(name, build, lambda rng, at=operands: at)
        f = program.function(case, operands)
        for position, slope in enumerate(slopes):
            active = tuple(i == position for i in range(len(at)))
            with program.main():
                primals, one = [program.input(x) for x in operands], program.input(np.asarray(1.0))
                ahead = program.output(transform.jvp(f, active, (True,), primals, [one]))[-1]
                back = program.output(transform.vjp(f, active, (True,), primals, [one]))[-1]
            expected.append((case.name, position, slope, ahead, back))
    outputs = program.run()
    wrong = [
        (name, position, slope, outputs[ahead], outputs[back])
        for name, position, slope, ahead, back in expected
        if not (
            np.isclose(outputs[ahead], slope, equal_nan=True)
            and np.isclose(outputs[back], slope, equal_nan=True)
        )
    ]
    assert not wrong


GUARDED = {
    "sqrt": ops.sqrt,
    "rsqrt": ops.rsqrt,
    "cbrt": ops.cbrt,
    "log": ops.log,
    "x ** 0.5": lambda x: ops.pow_(x, ops.full_like(x, 0.5)),
    "log1p(x - 1)": lambda x: ops.log1p(ops.sub(x, ops.full_like(x, 1))),
    "asin(1 - x)": lambda x: ops.asin(ops.sub(ops.full_like(x, 1), x)),
    "acosh(1 + x)": lambda x: ops.acosh(ops.add(ops.full_like(x, 1), x)),
    "atanh(1 - x)": lambda x: ops.atanh(ops.sub(ops.full_like(x, 1), x)),
    "bessel_i1e": ops.bessel_i1e,
}


def test_a_guarded_pole_passes_no_nan_to_either_derivative() -> None:
    def guarded(inner: Build) -> Build:
        return lambda x: ops.select(ops.compare("GT", x, ops.full_like(x, 0)), inner(x), ops.full_like(x, 0))

    points = np.asarray([0.0, 0.5])
    cases = [Case(name, guarded(build), lambda rng: [points]) for name, build in GUARDED.items()]
    program, places = Program(), []
    for case in cases:
        for derived, operands in (
            (pullback_of(case), [points, np.ones(2)]),
            (pullback_of(pullback_of(case)), [points, np.ones(2), np.ones(2)]),
        ):
            places.append((derived.name, program.call(derived, operands)))
    outputs = program.run()
    for name, positions in places:
        for position in positions:
            assert np.isfinite(outputs[position]).all(), name
        assert outputs[positions[0]][0] == 0, name
        assert outputs[positions[0]][1] != 0, name


def test_an_infinity_with_the_sign_of_its_operand_behind_a_guard() -> None:
    """JAX exports erf_inv as ``where(abs(x) == 1, x * inf, f(x))``; as it stands, inf times a zero cotangent is NaN."""

    def build(infinity: float, turned: bool) -> Build:
        def signed(x: Value) -> Value:
            constant = ops.full_like(x, infinity)
            pole = ops.mul(constant, x) if turned else ops.mul(x, constant)
            return ops.select(ops.compare("EQ", ops.abs_(x), ops.full_like(x, 1)), pole, ops.mul(x, x))

        return signed

    points, ones = np.asarray([0.5, 1.0, -1.0, 0.0]), np.ones(4)
    for infinity, turned in ((np.inf, False), (-np.inf, True)):
        case = Case("signed infinity", build(infinity, turned), lambda rng: [points])
        program = Program()
        derived = pullback_of(case), pullback_of(pullback_of(case)), tangent_of(case)
        operands = [points, ones], [points, ones, ones], [points, np.asarray([1.0, 0.0, 1.0, 0.0])]
        first, second, ahead = (program.call(c, x)[0] for c, x in zip(derived, operands, strict=True))
        outputs = program.run()
        pole = outputs[first][1]
        assert np.sign(pole) == np.sign(infinity)
        assert abs(pole) > 1e300
        np.testing.assert_array_equal(outputs[first], [1.0, pole, pole, 0.0])
        np.testing.assert_array_equal(outputs[second], [2.0, 0.0, 0.0, 2.0])
        np.testing.assert_array_equal(outputs[ahead], [1.0, 0.0, pole, 0.0])


def test_a_cotangent_that_vanishes_keeps_its_second_derivative() -> None:
    """(log x - log c)² has a zero cotangent at c, yet its second derivative there is 2/c²."""

    def build(x: Value) -> Value:
        away = ops.sub(ops.log(x), ops.full_like(x, np.log(2.0)))
        return ops.mul(away, away)

    case = pullback_of(pullback_of(Case("squared log", build, lambda rng: [np.asarray(2.0)])))
    program = Program()
    positions = program.call(case, [np.asarray(2.0), np.asarray(1.0), np.asarray(1.0)])
    np.testing.assert_allclose(program.run()[positions[0]], 0.5)
