"""``mycc opt``: runs passes on a module, as ``mlir-opt`` does."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from mycc.dialects.errors import MyccError, PipelineError
from mycc.lowering.sources import Source, parse_module, read_source, rename, split_source
from mycc.lowering.trial import try_out
from mycc.tools import flags, transforms
from mycc.tools.expected import check_expected, collect_diagnostics
from mycc.tools.files import write_output

if TYPE_CHECKING:
    from mycc.dialects.mlir import ir
    from mycc.passes.pipeline import Pipeline

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("file", nargs="?", default="-", help="an MLIR file, text or bytecode; - is stdin")
    parser.add_argument(
        "-o", metavar="FILE", dest="output", help="where to write the module (default: stdout)"
    )
    parser.add_argument(
        "--split-input-file",
        action="store_true",
        help="treat the parts between lines '// -----' as modules of their own",
    )
    parser.add_argument(
        "--verify-diagnostics",
        action="store_true",
        help="check the errors against comments '// expected-error@+1 {{text}}'",
    )
    parser.add_argument(
        "-O2",
        action="store_true",
        dest="optimize",
        help="after --pass-pipeline run all passes that jit runs before it hands a module to XLA",
    )
    parser.add_argument(
        "--memory-budget",
        metavar="SIZE",
        default="",
        help="with -O2: what intermediate values may take, 512M or 50%%; more is computed again and not kept",
    )
    transforms.add_arguments(parser)
    flags.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit status."""
    from mycc.passes.pipeline import Pipeline

    plugins = flags.load_plugins(args.load_pass_plugin)
    pipeline = Pipeline.parse(args.pass_pipeline or "", passes=plugins)
    transforms.check(args.transforms)
    _check_budget(args)
    source = read_source(args.file)
    pieces = split_source(source) if args.split_input_file else [source]
    if args.verify_diagnostics:
        return _verify(pieces, pipeline, args)
    outputs, errors = [], []
    for piece in pieces:
        try:
            outputs.append(_process(piece, pipeline, args))
        except MyccError as error:
            if not args.split_input_file:
                raise
            errors.append(str(error))
    if errors:
        print("\n".join(errors), file=sys.stderr)
        return 1
    write_output(args.output, "// -----\n".join(outputs))
    return 0


def _process(piece: Source, pipeline: Pipeline, args: argparse.Namespace) -> str:
    from mycc.lowering.pipelines import default_pipeline
    from mycc.passes.instrument import instrumenting
    from mycc.passes.normalize import Normalize
    from mycc.passes.pipeline import Pipeline
    from mycc.passes.verify import check_transforms

    shown = flags.instrumentation_of(args)
    try:
        if args.transforms:
            with instrumenting(shown):
                module = transforms.transformed(piece, args.transforms, args.axis_size)
        else:
            try_out(piece)
            module = parse_module(piece)
            check_transforms(module)
        pipeline.run(module, instrumentation=shown)
        if args.optimize:
            Pipeline([Normalize()]).run(module, instrumentation=shown)
            default_pipeline(module, memory_budget=args.memory_budget).run(module, instrumentation=shown)
            _report_memory(module, piece.name)
    except MyccError as error:
        error.args = (rename(str(error), piece.name), *error.args[1:])
        raise
    return flags.print_module(module, args)


def _check_budget(args: argparse.Namespace) -> None:
    from mycc.passes.rematerialize import bytes_of

    if not args.memory_budget:
        return
    if not args.optimize:
        raise PipelineError(
            "--memory-budget is an option of -O2; in a pipeline write rematerialize{budget=512M}"
        )
    try:
        bytes_of(args.memory_budget)
    except ValueError as error:
        raise PipelineError(f"--memory-budget: {error}") from None


def _report_memory(module: ir.Module, name: str) -> None:
    """Says on stderr what the budget has led to."""
    from mycc.passes.rematerialize import reached

    for function in module.body.operations:
        found = reached(function.operation)
        if found is None:
            continue
        kind = "warning" if found.after > found.budget else "remark"
        symbol = function.attributes["sym_name"].value
        print(
            f"{name}: {kind}: @{symbol} keeps {found.after:,} bytes alive at most, by estimate, and {found.before:,} without "
            f"--memory-budget, which is {found.budget:,}; {found.added_flops_percent:.1f} % of work added",
            file=sys.stderr,
        )


def _verify(pieces: list[Source], pipeline: Pipeline, args: argparse.Namespace) -> int:
    complaints: list[str] = []
    for piece in pieces:
        with collect_diagnostics() as diagnostics:
            try:
                _process(piece, pipeline, args)
            except MyccError as error:
                diagnostics.append(str(error))
        complaints += check_expected(piece, [rename(text, piece.name) for text in diagnostics])
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0
