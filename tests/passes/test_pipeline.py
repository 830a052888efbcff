"""Passes, pipelines, their text, and what can be watched while they run."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from counting import counted_calls

from mycc.dialects.errors import PassError, PipelineError
from mycc.dialects.mlir import context, ir
from mycc.passes.base import Pass, collect_statistics, option
from mycc.passes.instrument import Instrumentation, instrumenting
from mycc.passes.pipeline import NativePass, Nested, Pipeline

TEXT = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.add %x, %x : tensor<4xf32>
  %1 = stablehlo.add %x, %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}"""


@dataclass(frozen=True)
class Sample(Pass):
    """Counts its runs.

    And more, which a list of passes does not show.
    """

    name = "sample"

    mode: Literal["forward", "reverse"] = option("reverse", help="which way")
    count_to: int = option(3, help="how far")
    names: tuple[str, ...] = option((), help="which functions")
    sizes: tuple[int, ...] = option((1, 2), help="which sizes")
    loud: bool = option(False, help="whether to shout")
    limit: int | None = option(None, help="at most")
    note: str = option("", help="any text")
    scale: float = option(1.5, help="how large")

    def run(self, module: ir.Module) -> None:
        self.count("runs")


@dataclass(frozen=True)
class Raises(Pass):
    """Raises."""

    name = "raises"

    def run(self, module: ir.Module) -> None:
        raise KeyError("mine")


@dataclass(frozen=True)
class Breaks(Pass):
    """Leaves an invalid module."""

    name = "breaks"

    def run(self, module: ir.Module) -> None:
        block = module.body.operations[0].regions[0].blocks[0]
        with ir.Location.file("user.py", 3, 4, module.context), ir.InsertionPoint.at_block_begin(block):
            wrong = ir.RankedTensorType.get([3], ir.F32Type.get())
            ir.Operation.create("stablehlo.add", [wrong], [block.arguments[0]] * 2)


def parse(text: str) -> Pipeline:
    return Pipeline.parse(text, passes=(Sample, Raises, Breaks))


def module() -> ir.Module:
    return ir.Module.parse(TEXT, context=context)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Sample(), "sample"),
        (Sample(mode="forward"), "sample{mode=forward}"),
        (Sample(count_to=-4, loud=True), "sample{count-to=-4 loud=true}"),
        (Sample(names=("main", "a b")), 'sample{names=main,"a b"}'),
        (Sample(sizes=()), "sample{sizes=}"),
        (Sample(limit=7, scale=2.5), "sample{limit=7 scale=2.5}"),
        (Sample(note="he}llo wo'rld"), 'sample{note="he}llo wo\'rld"}'),
        (Sample(note="a,b=c"), 'sample{note="a,b=c"}'),
    ],
)
def test_text_and_pass_are_inverse(value: Sample, text: str) -> None:
    assert str(value) == text
    assert Sample.parse(text) == value


def test_a_pipeline_prints_and_parses() -> None:
    pipeline = Pipeline([Sample(count_to=5), "func.func(canonicalize,cse)", "symbol-dce"])
    assert str(pipeline) == "builtin.module(sample{count-to=5},func.func(canonicalize,cse),symbol-dce)"
    assert parse(str(pipeline)) == pipeline
    assert pipeline.items[1] == Nested("func.func", (NativePass("canonicalize"), NativePass("cse")))
    assert (pipeline + Pipeline(["cse"])).items == (*pipeline, NativePass("cse"))
    assert parse(" sample { loud } ,\n cse ") == Pipeline([Sample(loud=True), "cse"])
    assert len(parse("")) == len(parse("builtin.module()")) == 0


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("sample{mode=foward}", 8, "'foward' is none of forward, reverse (did you mean 'forward'?)"),
        ("sample{mood=forward}", 8, "no option 'mood' (did you mean 'mode'?)"),
        ("sample{count-to=x}", 8, "'x' is not an integer"),
        ("sample{loud=maybe}", 8, "'maybe' is neither true nor false"),
        ("sample{loud loud}", 13, "given twice"),
        ("sample(cse)", 7, "is a pass: its options go in braces"),
        ("func.func(sample)", 11, "runs on builtin.module: move it out of 'func.func(...)'"),
        ("cse,canonicaliz", 5, "unknown pass 'canonicaliz' (did you mean 'canonicalize'?)"),
        ("simplfy", 1, "unknown pass 'simplfy' (did you mean 'simplify'?)"),
        ("canonicalize{max-iteration=1}", 13, "no such option max-iteration"),
        ("chlo-legalize-to-stablehlo", 1, "write 'func.func(chlo-legalize-to-stablehlo)'"),
        ("func.func(stablehlo-refine-shapes)", 11, "runs on builtin.module"),
        ("func.func(sdy-propagation-pipeline)", 11, "runs on builtin.module"),
        ("cse,,cse", 5, "expected the name of a pass, found ','"),
        ("cse)", 4, "found ')'"),
        ("builtin.module(cse", 19, "to end 'builtin.module('"),
        ("builtin.module(cse),cse", 20, "expected the end"),
        ("sample{", 7, "never closed"),
        ("func.func(" * 10_000, 321, "nested more than 32 deep"),
    ],
)
def test_errors_in_pipelines_have_a_position(text: str, position: int, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse(text)
    head, line, caret = str(caught.value).split("\n")
    assert head.startswith(f"pipeline:1:{position}: error: ")
    assert message in head
    assert line == text
    assert caret == " " * (position - 1) + "^"


def test_native_and_python_passes_run_in_order() -> None:
    seen = []

    @dataclass(frozen=True)
    class Look(Pass):
        """Counts operations."""

        name = "look"

        def run(self, module: ir.Module) -> None:
            seen.append(str(module).count("stablehlo.add"))

    Pipeline([Look(), "cse", Look(), "func.func(canonicalize)", Look()]).run(module())
    assert seen == [2, 1, 1]


def test_exceptions_reach_the_caller_unchanged() -> None:
    with pytest.raises(KeyError, match="mine"):
        Pipeline([Raises()]).run(module())


def test_too_deep_a_nesting_names_the_pass() -> None:
    @dataclass(frozen=True)
    class Deep(Pass):
        name = "deep"

        def run(self, module: ir.Module) -> None:
            self.run(module)

    with pytest.raises(
        PassError, match=r"the pass 'deep' recurses deeper than Python allows.*setrecursionlimit"
    ):
        Pipeline([Deep()]).run(module())


def test_an_invalid_module_is_an_error_with_the_users_line() -> None:
    with pytest.raises(PassError) as caught:
        Pipeline(["cse", Breaks()]).run(module())
    lines = str(caught.value).split("\n")
    assert lines[0].startswith("user.py:3:4: error: 'stablehlo.add' op requires the same shape")
    assert lines[1].startswith("user.py:3:4: note: see current operation")
    assert lines[-1] == "note: the last of mycc's passes that ran was 'breaks'"
    Pipeline([Breaks()]).run(module(), verify=False)


def test_statistics_are_collected() -> None:
    with collect_statistics() as statistics:
        Pipeline([Sample(), Sample()]).run(module())
    assert statistics == {"sample": {"runs": 2}}


def test_dumps(capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = Pipeline([Sample(), "func.func(canonicalize,cse)", "cse"])
    pipeline.run(module(), instrumentation=Instrumentation(print_before=("sample",), print_after=("cse",)))
    heads = [line for line in capsys.readouterr().err.split("\n") if line.startswith("// -----//")]
    assert heads == [
        f"// -----// IR Dump {what} //----- //" for what in ("Before sample", "After cse", "After cse")
    ]
    pipeline.run(module(), instrumentation=Instrumentation(print_after_change=True, print_before_all=True))
    heads = [line for line in capsys.readouterr().err.split("\n") if line.startswith("// -----//")]
    assert [h.split()[4:6] for h in heads] == [
        ["Before", "sample"],
        ["Before", "canonicalize"],
        ["After", "canonicalize"],
        ["Before", "cse"],
        ["Before", "cse"],
    ]
    with instrumenting(Instrumentation(print_after_all=True)):
        pipeline.run(module())
    assert capsys.readouterr().err.count("IR Dump After") == 4
    pipeline.run(module())
    assert capsys.readouterr().err == ""


def test_dumps_elide_constants_and_show_locations(capsys: pytest.CaptureFixture[str]) -> None:
    text = """func.func @main() -> tensor<4xi32> {
      %0 = stablehlo.constant dense<[1, 2, 3, 4]> : tensor<4xi32> loc("user.py":7:1)
      return %0 : tensor<4xi32>
    }"""
    watch = Instrumentation(print_after_all=True, elide=2, debuginfo=True)
    Pipeline([Sample()]).run(ir.Module.parse(text, context=context), instrumentation=watch)
    printed = capsys.readouterr().err
    assert "[1, 2, 3, 4]" not in printed
    assert 'loc("user.py":7:1)' in printed


def test_reports(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    watch = Instrumentation(timing=True, statistics=True, tree_printing_dir=str(tmp_path))
    Pipeline([Sample(), "cse"]).run(module(), instrumentation=watch)
    printed = capfd.readouterr().err
    assert "Execution time report" in printed
    assert "(S)      1 runs" in printed
    files = sorted(path.name for path in tmp_path.rglob("*.mlir"))
    assert files == ["0_sample.mlir", "1_cse.mlir"]


def test_threads_keep_their_errors() -> None:
    """A failing run in one thread does not disturb those of others, nor they its message."""
    failures: list[str] = []

    @dataclass(frozen=True)
    class Wait(Pass):
        """Lets other threads in."""

        name = "wait"

        def run(self, module: ir.Module) -> None:
            time.sleep(0.001)

    def work(breaks: bool) -> None:
        for _ in range(10):
            try:
                Pipeline([Wait(), *([Breaks()] if breaks else []), "cse"]).run(module())
                good = not breaks
            except PassError as error:
                good = breaks and "requires the same shape" in str(error)
            if not good:
                failures.append(threading.current_thread().name)

    threads = [threading.Thread(target=work, args=(i % 2 == 0,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_short_pipeline_costs_little() -> None:
    pipeline, small = Pipeline([Sample(), Sample()]), module()
    pipeline.run(small)
    with counted_calls() as counted:
        pipeline.run(small)
    assert counted() < 100
