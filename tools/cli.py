"""The ``mycc`` command."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from mycc.dialects.errors import MyccError
from mycc.dialects.version import VERSION

__all__ = ["main"]

# Each is a module of this package with `add_arguments(parser)` and `run(args) -> exit status`.
_COMMANDS = {
    "opt": "run passes on a StableHLO module",
    "trace": "run a script and show what it compiles to",
    "run": "run a StableHLO module on arrays",
    "run-distributed": "run a script in several processes that compute together",
    "passes": "list the passes with their options",
    "devices": "list the devices",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status.

    Args:
        argv: the arguments without the program's name; by default those of the process.

    Returns:
        0 on success, 1 where the input is at fault, 2 where the command line is, 141 when whoever read
        the output went away.

    Example::

        main(["opt", "model.mlir", "--pass-pipeline=builtin.module(simplify,cse)", "-o", "small.mlir"])
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser(arguments).parse_args(arguments)
    except SystemExit as stop:  # argparse has printed its help or the usage error
        return stop.code if isinstance(stop.code, int) else 2
    debug = getattr(args, "debug", False)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which must find something to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    except (MyccError, OSError) as error:
        if debug:
            traceback.print_exc()
        print(_as_error(error), file=sys.stderr)
        return 1
    except Exception as error:  # the last resort: no traceback without --debug
        if debug:
            traceback.print_exc()
        hint = "" if debug else "\nnote: --debug shows where in mycc this was raised"
        print(f"mycc: error: {type(error).__name__}: {error}{hint}", file=sys.stderr)
        return 1


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mycc", description="Compiles array programs: StableHLO in, passes, XLA out.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"mycc {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    wanted = next((a for a in arguments if not a.startswith("-")), None)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
        )
        if name != wanted:
            continue
        # Importing only the command that runs keeps `mycc devices` from loading the passes.
        module = import_module(f"mycc.tools.{name.replace('-', '_')}")
        module.add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show Python tracebacks")
        command.set_defaults(run=module.run)
    return parser


def _as_error(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: error: {error.strerror}"
    text = str(error)
    return text if ": error: " in text else f"mycc: error: {text}"


if __name__ == "__main__":
    raise SystemExit(main())
