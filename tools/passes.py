"""``mycc passes``: each pass, its options, and one line of what it does."""

from __future__ import annotations

import argparse
import textwrap

from mycc.tools import flags
from mycc.tools.files import write_output

__all__ = ["add_arguments", "run"]

_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("name", nargs="?", help="show this pass only")
    parser.add_argument(
        "--load-pass-plugin", metavar="FILE.py", action="append", default=[], help="list its passes too"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit status."""
    from mycc.dialects.errors import PipelineError
    from mycc.passes.base import did_you_mean
    from mycc.passes.registry import NATIVE_PASSES, PASSES

    known = {p.name: p for p in (*PASSES, *flags.load_plugins(args.load_pass_plugin))}
    if args.name is not None and args.name not in known and args.name not in NATIVE_PASSES:
        raise PipelineError(f"no pass '{args.name}'{did_you_mean(args.name, [*known, *NATIVE_PASSES])}")
    lines = []
    for name, pass_ in known.items():
        if args.name in (None, name):
            lines.append(_entry(name, pass_.summary()))
            lines += [_entry(f"  {o.name}", f"{_kind(str(o), o.name)}", 6) for o in pass_.options()]
    natives = {n: s for n, s in NATIVE_PASSES.items() if args.name in (None, n)}
    if natives and args.name is None:
        lines += ["", "MLIR's own, the ones tried here (any other that MLIR's parser accepts works too):"]
    lines += [_entry(name, summary) for name, summary in natives.items()]
    write_output(None, "\n".join(lines) + "\n")
    return 0


def _kind(text: str, name: str) -> str:
    return text.removeprefix(name).removeprefix("=")


def _entry(name: str, summary: str, indent: int = 2) -> str:
    label = f"{'':{indent - 2}}{name}".ljust(36)
    return textwrap.fill(summary, _WIDTH, initial_indent=f"{label} ", subsequent_indent=" " * 37)
