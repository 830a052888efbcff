"""``mycc trace``: runs a script and shows what it compiles to, at any stage."""

from __future__ import annotations

import argparse
import contextlib
import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mycc.dialects.errors import MyccError
from mycc.tools import flags
from mycc.tools.files import stdout_to_stderr, write_output

if TYPE_CHECKING:
    from mycc.passes.pipeline import Pipeline

__all__ = ["add_arguments", "run"]

_STAGES = {
    "mlir": "as traced, with mycc's transform operations",
    "stablehlo": "after mycc's passes",
    "hlo": "after XLA's passes",
    "llvm": "LLVM IR of the kernels",
    "asm": "machine code of the kernels",
}


class ScriptError(MyccError):
    """The user's script raised an exception."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "script", metavar="SCRIPT.py[:FUNCTION]", help="what to run, and which function to show"
    )
    parser.add_argument("script_args", nargs="*", metavar="ARG", help="arguments of the script, after --")
    stages = "; ".join(f"{name}: {text}" for name, text in _STAGES.items())
    parser.add_argument(
        "--emit", choices=list(_STAGES), default="mlir", help=f"the stage to show (default: mlir). {stages}"
    )
    parser.add_argument(
        "--args",
        metavar="SPECS",
        dest="specs",
        help="trace FUNCTION without data, for arguments such as 'f32[8,4], i32[]'",
    )
    parser.add_argument("-o", metavar="FILE", dest="output", help="where to write (default: stdout)")
    flags.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit status."""
    from mycc.lowering.cache import bypassed
    from mycc.passes.instrument import instrumenting
    from mycc.passes.pipeline import Pipeline

    script, function = _split(args.script)
    plugins = flags.load_plugins(args.load_pass_plugin)
    pipeline = Pipeline.parse(args.pass_pipeline, passes=plugins) if args.pass_pipeline is not None else None
    # The HLO of a program that was compiled earlier names the lines of that time.
    anew = bypassed() if args.emit == "hlo" else contextlib.nullcontext()
    with instrumenting(flags.instrumentation_of(args)), anew:
        if args.specs is None:
            texts, status = _observed(script, function, args, pipeline)
        else:
            texts, status = [_traced(script, function, args, pipeline)], 0
    if status:
        return status
    write_output(
        args.output, "// -----\n".join(texts) if args.emit in ("mlir", "stablehlo") else "\n".join(texts)
    )
    return 0


def _split(text: str) -> tuple[str, str | None]:
    script, colon, function = text.rpartition(":")
    # A colon may be part of a path, as in C:\\work.
    if not colon or not function.replace(".", "_").isidentifier():
        return text, None
    return script, function


def _observed(
    script: str, function: str | None, args: argparse.Namespace, pipeline: Pipeline | None
) -> tuple[list[str], int]:
    """Runs the script and returns the text of each function that it compiled."""
    from mycc.stages import observe

    texts: list[str] = []
    names: list[str] = []

    busy = False

    def observer(compiled: Any) -> None:
        nonlocal busy
        if busy:  # this is the compilation that showing the last one takes
            return
        busy = True
        try:
            show(compiled)
        finally:
            busy = False

    def show(compiled: Any) -> None:
        names.append(compiled.name)
        if function is None or compiled.name == function:
            texts.append(_text(compiled if pipeline is None else compiled.traced.lower(pipeline), args))

    with observe(observer):
        _, status = _execute(script, "__main__", args)
    if status == 0 and not texts:
        if function is None:
            raise MyccError(
                f"{script}: error: the script compiled nothing; call a function under mycc.jit in it"
            )
        compiled = ", ".join(dict.fromkeys(names)) or "none"
        raise MyccError(
            f"{script}: error: no function '{function}' was compiled (compiled: {compiled}); "
            f"call it under mycc.jit, or trace it without data: --args 'f32[8,4], i32[]'"
        )
    return texts, status


def _traced(script: str, function: str | None, args: argparse.Namespace, pipeline: Pipeline | None) -> str:
    """Traces one function of the script without data."""
    import mycc
    from mycc.tools.specs import parse_specs

    if function is None:
        raise MyccError(f"--args needs a function: {script}:FUNCTION")
    specs = [_abstract(spec) for spec in parse_specs(args.specs)]
    names, status = _execute(script, "__mycc_trace__", args)
    if status:
        raise MyccError(f"{script}: error: the script exited with status {status}")
    found = _find(names, function, script)
    with _user_errors(script, args.debug), stdout_to_stderr():
        jitted = found if hasattr(found, "trace") and hasattr(found, "lower") else mycc.jit(found)
        traced = jitted.trace(*specs)
        if args.emit == "mlir":
            return flags.print_module(traced.module, args)
        return _text(traced.lower(pipeline), args)


def _text(stage: Any, args: argparse.Namespace) -> str:
    """The text of a ``Lowered`` or ``Compiled`` stage."""
    emit = args.emit
    if emit == "mlir":
        return flags.print_module(stage.traced.module, args)
    lowered = getattr(stage, "lowered", stage)
    if emit == "stablehlo":
        return flags.print_module(lowered.module, args)
    compiled = stage if stage is not lowered else lowered.compile()
    if emit == "hlo":
        return str(compiled.executable.hlo_text()).rstrip("\n") + "\n"
    from mycc.lowering import artifacts

    make = artifacts.llvm_ir if emit == "llvm" else artifacts.assembly
    return str(make(lowered.module, compiled.executable.devices, compiled.executable.options))


def _abstract(spec: Any) -> Any:
    from mycc.stages import ShapeDtypeStruct
    from mycc.tools.specs import Spec

    if isinstance(spec, Spec):
        return ShapeDtypeStruct(spec.shape, spec.dtype)
    if isinstance(spec, dict):
        return {name: _abstract(inner) for name, inner in spec.items()}
    return tuple(_abstract(inner) for inner in spec)


def _find(names: dict[str, Any], function: str, script: str) -> Any:
    from mycc.passes.base import did_you_mean

    head, *rest = function.split(".")
    if head not in names:
        callables = [n for n, v in names.items() if callable(v) and not n.startswith("_")]
        raise MyccError(f"{script}: error: no function '{head}'{did_you_mean(head, callables)}")
    found = names[head]
    for part in rest:
        if not hasattr(found, part):
            raise MyccError(f"{script}: error: '{head}' has no '{part}'")
        found = getattr(found, part)
    if not callable(found):
        raise MyccError(f"{script}: error: '{function}' is no function but {type(found).__name__}")
    return found


def _execute(script: str, run_name: str, args: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Runs the script as Python would; what it prints goes to stderr."""
    with open(script, "rb"):  # the error for a file that is not there, before anything runs
        pass
    argv, path = sys.argv, list(sys.path)
    sys.argv = [script, *args.script_args]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    try:
        with _user_errors(script, args.debug), stdout_to_stderr():
            return runpy.run_path(script, run_name=run_name), 0
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        return {}, stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv, sys.path[:] = argv, path


@contextlib.contextmanager
def _user_errors(script: str, debug: bool) -> Iterator[None]:
    """Turns what the script raises into ``file:line:col: error: ...``."""
    try:
        yield
    except MyccError:
        raise
    except SyntaxError as error:
        where = f"{error.filename or script}:{error.lineno or 1}:{error.offset or 1}"
        raise ScriptError(f"{where}: error: {error.msg}") from error
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_same(f.filename, script)]
        line, column = (frames[-1].lineno, (frames[-1].colno or 0) + 1) if frames else (1, 1)
        raise ScriptError(f"{script}:{line}:{column}: error: {type(error).__name__}: {error}") from error


def _is_same(a: str, b: str) -> bool:
    return os.path.abspath(a) == os.path.abspath(b)
