"""``mycc run``: runs a StableHLO module on arrays from files."""

from __future__ import annotations

import argparse
import ast
import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from mycc.dialects.errors import MyccError
from mycc.lowering.sources import read_source
from mycc.tools import flags
from mycc.tools.files import write_output

if TYPE_CHECKING:
    from mycc.lowering.foreign import Parameter

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("file", help="an MLIR file, text or bytecode; - is stdin")
    parser.add_argument(
        "--arg",
        metavar="A.npy|VALUE",
        dest="values",
        action="append",
        default=[],
        help="one argument of the function: a .npy file, or a number or nested list such as '[1, 2.5]'",
    )
    parser.add_argument(
        "-o", metavar="FILE.npz", dest="output", help="write the results here instead of printing them"
    )
    parser.add_argument("--entry", metavar="NAME", default="main", help="the function to run (default: main)")
    parser.add_argument("--platform", help="where to run: cpu, cuda, tpu (default: the best there is)")
    flags.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit status."""
    from mycc.lowering.buffers import put, to_numpy
    from mycc.lowering.compile import compile_module
    from mycc.lowering.devices import default_device, devices
    from mycc.lowering.foreign import take_in
    from mycc.lowering.pipelines import default_pipeline
    from mycc.passes.pipeline import Pipeline

    plugins = flags.load_plugins(args.load_pass_plugin)
    given = Pipeline.parse(args.pass_pipeline, passes=plugins) if args.pass_pipeline is not None else None
    device = devices(args.platform)[0] if args.platform else default_device()
    values: list[str] = args.values
    program = take_in(read_source(args.file), args.entry)
    if len(values) != len(program.parameters):
        wanted = ", ".join(map(str, program.parameters)) or "none"
        raise MyccError(
            f"@{args.entry} takes {len(program.parameters)} arguments ({wanted}), got {len(values)} --arg"
        )
    arrays = [_array(v, p, i) for i, (v, p) in enumerate(zip(values, program.parameters, strict=True))]
    if not program.static:
        program = program.refined([array.shape for array in arrays])
    module = program.module
    pipeline = default_pipeline(module) if given is None else given
    pipeline.run(module, instrumentation=flags.instrumentation_of(args))
    executable = compile_module(module, devices=[device])
    results = [to_numpy(r) for r in executable.execute([put(a, device) for a in arrays])]
    if args.output is None:
        write_output(None, "".join(f"{_shown(r)}\n" for r in results))
    else:
        buffer = io.BytesIO()
        named: dict[str, Any] = {f"result{i}": r for i, r in enumerate(results)}
        np.savez(buffer, **named)
        write_output(args.output, buffer.getvalue())
    return 0


def _array(text: str, wanted: Parameter, index: int) -> np.ndarray[Any, Any]:
    where = f"--arg {index + 1}"
    if text.endswith(".npy") or os.path.isfile(text):
        try:
            array = np.load(text, allow_pickle=False)
        except ValueError as error:
            raise MyccError(f"{text}: error: {error}") from None
        if array.dtype != wanted.dtype:
            raise MyccError(f"{where}: error: {text} holds {array.dtype}, the function takes {wanted}")
    else:
        try:
            array = np.asarray(ast.literal_eval(text)).astype(wanted.dtype)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise MyccError(
                f"{where}: error: '{text}' is neither a .npy file nor a number or nested list"
            ) from None
    if not wanted.admits(array.shape):
        raise MyccError(f"{where}: error: the shape is {array.shape}, the function takes {wanted}")
    return np.asarray(array)


def _shown(array: np.ndarray[Any, Any]) -> str:
    head = f"{array.dtype.name}[{','.join(map(str, array.shape))}]"
    text = np.array2string(array, threshold=1000)
    return f"{head} {text}" if "\n" not in text else f"{head}\n{text}"
