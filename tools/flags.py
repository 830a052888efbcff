"""MLIR's own flags, by the names they have in ``mlir-opt``, for every command that runs passes."""

from __future__ import annotations

import argparse
import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

from mycc.dialects.errors import PipelineError

if TYPE_CHECKING:
    from mycc.dialects.mlir import ir
    from mycc.passes.base import Pass
    from mycc.passes.instrument import Instrumentation

__all__ = ["add_arguments", "instrumentation_of", "load_plugins", "print_module"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags to a command."""
    group = parser.add_argument_group("passes and IR")
    add = group.add_argument
    add(
        "--pass-pipeline",
        metavar="PIPELINE",
        help="e.g. 'builtin.module(simplify,func.func(canonicalize),cse)'",
    )
    add("--load-pass-plugin", metavar="FILE.py", action="append", default=[],
        help="a Python file whose Pass classes the pipeline may name")  # fmt: skip
    add(
        "--mlir-print-ir-before",
        metavar="PASS,...",
        action="append",
        default=[],
        help="print IR before these",
    )
    add("--mlir-print-ir-after", metavar="PASS,...", action="append", default=[], help="print IR after these")
    add("--mlir-print-ir-before-all", action="store_true", help="print IR before each pass")
    add("--mlir-print-ir-after-all", action="store_true", help="print IR after each pass")
    add("--mlir-print-ir-after-change", action="store_true", help="print IR after each pass that changed it")
    add(
        "--mlir-print-ir-tree-dir",
        metavar="DIR",
        help="write the IR after each pass to a file in this folder",
    )
    add("--mlir-timing", action="store_true", help="print the time each pass took")
    add("--mlir-pass-statistics", action="store_true", help="print what each pass counted")
    add("--mlir-elide-elementsattrs-if-larger", metavar="N", type=int,
        help="print constants of more than N elements as ...")  # fmt: skip
    add("--explain", action="store_true", help="say on stderr why `fuse` stores a value, where it does")
    add("--mlir-print-debuginfo", action="store_true", help="print locations")


def instrumentation_of(args: argparse.Namespace) -> Instrumentation:
    """Returns what the flags ask to be shown of a pipeline."""
    from mycc.passes.instrument import Instrumentation

    return Instrumentation(
        print_before=_names(args.mlir_print_ir_before),
        print_after=_names(args.mlir_print_ir_after),
        print_before_all=args.mlir_print_ir_before_all,
        print_after_all=args.mlir_print_ir_after_all,
        print_after_change=args.mlir_print_ir_after_change,
        tree_printing_dir=args.mlir_print_ir_tree_dir,
        timing=args.mlir_timing,
        statistics=args.mlir_pass_statistics,
        elide=args.mlir_elide_elementsattrs_if_larger,
        debuginfo=args.mlir_print_debuginfo,
    )


def print_module(module: ir.Module, args: argparse.Namespace) -> str:
    """Returns a module's text, as the flags ask for it, and explains it on stderr if they ask for that."""
    if args.explain:
        from mycc.passes.fuse import boundaries

        print("\n".join(boundaries(module)) or "no value is stored between fusions", file=sys.stderr)
    text: str = module.operation.get_asm(
        large_elements_limit=args.mlir_elide_elementsattrs_if_larger,
        enable_debug_info=args.mlir_print_debuginfo,
    )
    return text.rstrip("\n") + "\n"


def load_plugins(paths: list[str]) -> tuple[type[Pass], ...]:
    """Runs Python files and returns the pass classes that they define.

    Raises:
        OSError: a file cannot be read.
        PipelineError: a file defines no pass.
    """
    from mycc.passes.base import Pass

    found: list[type[Pass]] = []
    for number, path in enumerate(paths):
        spec = spec_from_file_location(f"mycc_pass_plugin_{number}", path)
        if spec is None or spec.loader is None:
            raise PipelineError(f"{path}: error: not a Python file")
        module: Any = module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up there
        spec.loader.exec_module(module)
        passes = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Pass) and value.__module__ == module.__name__
        ]
        if not passes:
            raise PipelineError(f"{path}: error: defines no subclass of mycc.passes.base.Pass")
        found += passes
    return tuple(found)


def _names(values: list[str]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())
