"""What is found out about a loop before it runs, against running it in Python."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycc.dialects.mlir import context, ir
from mycc.dialects.rules.trips import counted, counters, invariants
from mycc.passes.symbols import Symbols, operations

COMPARE = {
    "LT": operator.lt,
    "LE": operator.le,
    "GT": operator.gt,
    "GE": operator.ge,
    "NE": operator.ne,
    "EQ": operator.eq,
}
TYPES = {"i8": np.int8, "ui8": np.uint8, "i32": np.int32}


def loop(text: str) -> tuple[ir.Operation, Any]:
    """The first loop of a module's function @main, and what finds the bodies of functions."""
    with context:
        module = ir.Module.parse(text)
    symbols = Symbols(module)
    found = next(op for op in operations(symbols["main"]) if op.name == "stablehlo.while")
    return found, symbols.block


def counting(start: int, step: int, direction: str, limit: int, type_: str = "i32", sign: str = "add") -> str:
    return f"""
    func.func @main() -> tensor<{type_}> {{
      %start = stablehlo.constant dense<{start}> : tensor<{type_}>
      %limit = stablehlo.constant dense<{limit}> : tensor<{type_}>
      %step = stablehlo.constant dense<{step}> : tensor<{type_}>
      %0:2 = stablehlo.while(%i = %start, %n = %limit) : tensor<{type_}>, tensor<{type_}>
      cond {{
        %1 = stablehlo.compare {direction}, %i, %n : (tensor<{type_}>, tensor<{type_}>) -> tensor<i1>
        stablehlo.return %1 : tensor<i1>
      }} do {{
        %1 = stablehlo.{"add" if sign == "add" else "subtract"} %i, %step : tensor<{type_}>
        stablehlo.return %1, %n : tensor<{type_}>, tensor<{type_}>
      }}
      return %0#0 : tensor<{type_}>
    }}"""


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_as_often_as_it_runs(data: st.DataObject) -> None:
    type_ = data.draw(st.sampled_from(list(TYPES)))
    low, high = (0, 255) if type_ == "ui8" else (-128, 127)
    start, limit = data.draw(st.integers(low, high)), data.draw(st.integers(low, high))
    step = data.draw(st.integers(max(low, -9), 9))
    direction, sign = data.draw(st.sampled_from(list(COMPARE))), data.draw(st.sampled_from(["add", "sub"]))
    found = counted(*loop(counting(start, step, direction, limit, type_, sign)))

    value, trips, wrapped = start, 0, False
    while COMPARE[direction](value, limit) and trips < 600 and not wrapped:
        value += step if sign == "add" else -step
        trips += 1
        info = np.iinfo(TYPES[type_])
        wrapped = not info.min <= value <= info.max
    # Of the loops that end, those are left out whose counter passes its type's end, or that test for equality.
    if wrapped or trips == 600 or direction == "EQ" or not step:
        assert found is None
        return
    assert found is not None
    assert (found.trips, found.start, found.position) == (trips, start, 0)
    assert found.step == (step if sign == "add" else -step)


def carried(test: str, body: str, *functions: str) -> str:
    return f"""
    func.func @main(%x: tensor<f32>, %zero: tensor<i32>) -> tensor<f32> {{
      %c0 = stablehlo.constant dense<0> : tensor<i32>
      %c1 = stablehlo.constant dense<1> : tensor<i32>
      %c7 = stablehlo.constant dense<7> : tensor<i32>
      %false = stablehlo.constant dense<false> : tensor<i1>
      %0:3 = stablehlo.while(%i = %c0, %j = %c7, %c = %x) : tensor<i32>, tensor<i32>, tensor<f32>
      cond {{
        {test}
      }} do {{
        {body}
      }}
      return %0#2 : tensor<f32>
    }}
    {"".join(functions)}"""


TEST = """%1 = stablehlo.compare LT, %i, %c7 : (tensor<i32>, tensor<i32>) -> tensor<i1>
        stablehlo.return %1 : tensor<i1>"""
BODY = """%1 = stablehlo.add %i, %c1 : tensor<i32>
        %2 = stablehlo.subtract %j, %c1 : tensor<i32>
        stablehlo.return %1, %2, %c : tensor<i32>, tensor<i32>, tensor<f32>"""
CALLED_TEST = """%1 = func.call @test(%i, %c7) : (tensor<i32>, tensor<i32>) -> tensor<i1>
        stablehlo.return %1 : tensor<i1>"""
TEST_FUNCTION = """
    func.func private @test(%a: tensor<i32>, %b: tensor<i32>) -> tensor<i1> {
      %1 = stablehlo.compare LT, %a, %b : (tensor<i32>, tensor<i32>) -> tensor<i1>
      return %1 : tensor<i1>
    }"""
CALLED_BODY = """%1:3 = func.call @body(%i, %j, %c) : (tensor<i32>, tensor<i32>, tensor<f32>) -> (tensor<i32>, tensor<i32>, tensor<f32>)
        stablehlo.return %1#0, %1#1, %1#2 : tensor<i32>, tensor<i32>, tensor<f32>"""
BODY_FUNCTIONS = """
    func.func private @body(%a: tensor<i32>, %b: tensor<i32>, %c: tensor<f32>) -> (tensor<i32>, tensor<i32>, tensor<f32>) {
      %one = stablehlo.constant dense<1> : tensor<i32>
      %0 = func.call @plus(%a, %one) : (tensor<i32>, tensor<i32>) -> tensor<i32>
      %1 = stablehlo.subtract %b, %one : tensor<i32>
      %2 = stablehlo.optimization_barrier %c : tensor<f32>
      return %0, %1, %2 : tensor<i32>, tensor<i32>, tensor<f32>
    }
    func.func private @plus(%a: tensor<i32>, %b: tensor<i32>) -> tensor<i32> {
      %0 = stablehlo.add %b, %a : tensor<i32>
      return %0 : tensor<i32>
    }"""
WIDENED = """%l = stablehlo.convert %i : (tensor<i32>) -> tensor<i64>
        %n = stablehlo.constant dense<7> : tensor<i64>
        %1 = stablehlo.compare LT, %l, %n : (tensor<i64>, tensor<i64>) -> tensor<i1>
        stablehlo.return %1 : tensor<i1>"""
NEGATED = """%1 = stablehlo.compare GE, %i, %c7 : (tensor<i32>, tensor<i32>) -> tensor<i1>
        %2 = stablehlo.not %1 : tensor<i1>
        stablehlo.return %2 : tensor<i1>"""
# As JAX writes `logical_and` of two booleans.
BOTH = """%1 = stablehlo.compare LT, %i, %c7 : (tensor<i32>, tensor<i32>) -> tensor<i1>
        %2 = stablehlo.compare NE, %1, %false : (tensor<i1>, tensor<i1>) -> tensor<i1>
        %3 = stablehlo.convert %2 : tensor<i1>
        %4 = stablehlo.compare GT, %j, %c1 : (tensor<i32>, tensor<i32>) -> tensor<i1>
        %5 = stablehlo.and %3, %4 : tensor<i1>
        stablehlo.return %5 : tensor<i1>"""
SHIFTED = """%k = stablehlo.add %i, %c1 : tensor<i32>
        %1 = stablehlo.compare LE, %k, %c7 : (tensor<i32>, tensor<i32>) -> tensor<i1>
        stablehlo.return %1 : tensor<i1>"""
FORMS = {
    "plain": (carried(TEST, BODY), 7),
    "calls": (carried(CALLED_TEST, CALLED_BODY, TEST_FUNCTION, BODY_FUNCTIONS), 7),
    "widened": (carried(WIDENED, BODY), 7),
    "negated": (carried(NEGATED, BODY), 7),
    "both": (carried(BOTH, BODY), 6),
    "shifted": (carried(SHIFTED, BODY), 7),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_write_it(form: str) -> None:
    text, trips = FORMS[form]
    op, body = loop(text)
    found = counted(op, body)
    assert found is not None and found.trips == trips
    assert [(c.position, c.start, c.step) for c in counters(op, trips, body)] == [(0, 0, 1), (1, 7, -1)]
    assert invariants(op, body) == (False, False, True)


@pytest.mark.parametrize(
    "text",
    [
        carried(TEST, BODY).replace("%i = %c0", "%i = %zero"),
        carried(TEST, BODY).replace("add %i, %c1", "add %i, %zero"),
        carried(TEST, BODY).replace("add %i, %c1", "add %i, %i"),
        carried(TEST, BODY).replace("add %i, %c1", "multiply %i, %c1"),
        carried(TEST, BODY).replace("LT, %i, %c7", "LT, %i, %zero"),
        carried(TEST, BODY).replace("LT, %i, %c7", "LT, %i, %j"),
        carried(BOTH, BODY).replace("and", "or"),
        carried(NEGATED, BODY).replace("add %i", "subtract %i"),
    ],
    ids=["start", "step", "doubling", "multiplied", "limit", "moving limit", "either", "for ever"],
)
def test_unknown(text: str) -> None:
    assert counted(*loop(text)) is None


def test_calls_are_not_followed_without_their_bodies() -> None:
    op, _ = loop(FORMS["calls"][0])
    assert counted(op) is None and invariants(op) == (False, False, False)


def test_what_loops_and_branches_inside_leave_alone() -> None:
    body = """%1 = stablehlo.add %i, %c1 : tensor<i32>
        %2:2 = stablehlo.while(%k = %c0, %w = %c) : tensor<i32>, tensor<f32>
        cond {
          %4 = stablehlo.compare LT, %k, %c7 : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %4 : tensor<i1>
        } do {
          %4 = stablehlo.add %k, %c1 : tensor<i32>
          stablehlo.return %4, %w : tensor<i32>, tensor<f32>
        }
        %3:2 = "stablehlo.case"(%i) ({
          %s = stablehlo.subtract %j, %c1 : tensor<i32>
          stablehlo.return %2#1, %s : tensor<f32>, tensor<i32>
        }, {
          stablehlo.return %c, %j : tensor<f32>, tensor<i32>
        }) : (tensor<i32>) -> (tensor<f32>, tensor<i32>)
        stablehlo.return %1, %3#1, %3#0 : tensor<i32>, tensor<i32>, tensor<f32>"""
    op, found = loop(carried(TEST, body))
    assert invariants(op, found) == (False, False, True)
    assert [c.position for c in counters(op, 7, found)] == [0]


def test_many_paths_are_not_all_followed() -> None:
    """Each function hands its argument through two calls of the next, which makes 2**60 paths."""
    depth, type_ = 60, "tensor<i32>"
    functions = [
        f"""
    func.func private @f{n}(%a: {type_}) -> {type_} {{
      %0 = func.call @f{n + 1}(%a) : ({type_}) -> {type_}
      %1 = func.call @f{n + 1}(%0) : ({type_}) -> {type_}
      return %1 : {type_}
    }}"""
        for n in range(depth)
    ]
    functions.append(f"\n    func.func private @f{depth}(%a: {type_}) -> {type_} {{ return %a : {type_} }}")
    doubled = "\n".join(f"%a{n + 1} = stablehlo.and %a{n}, %a{n} : tensor<i1>" for n in range(depth))
    test = f"""%a0 = stablehlo.compare LT, %i, %c7 : ({type_}, {type_}) -> tensor<i1>
        {doubled}
        stablehlo.return %a{depth} : tensor<i1>"""
    body = f"""%1 = func.call @f0(%i) : ({type_}) -> {type_}
        stablehlo.return %1, %j, %c : {type_}, {type_}, tensor<f32>"""
    op, found = loop(carried(test, body, *functions))
    assert counted(op, found) is None
    assert invariants(op, found) == (False, True, True)
