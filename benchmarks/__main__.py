"""``python -m benchmarks``: mycc beside JAX, and PyTorch where installed, in one run."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.suite import SUITE, Options


def main() -> None:
    """Run the chosen benchmarks and print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which to run (default: all): {', '.join(SUITE)}"
    )
    parser.add_argument("--json", action="store_true", help="print JSON with all samples instead of a table")
    parser.add_argument("--plot", metavar="PNG", help="draw the ratios to JAX")
    parser.add_argument("--write", metavar="MD", type=Path, help="write a page, as docs/benchmarks.md")
    parser.add_argument(
        "--rounds", type=int, default=3, help="fresh processes for each workload (default: 3)"
    )
    parser.add_argument("--turns", type=int, default=7, help="runs in each process (default: 7)")
    parser.add_argument(
        "--torch-python", metavar="EXE", help="the Python that has PyTorch (default: this one)"
    )
    options = parser.parse_args()
    for name in options.names:
        if name not in SUITE:
            parser.error(f"no benchmark '{name}'; there are {', '.join(SUITE)}")
    torch = options.torch_python or (sys.executable if importlib.util.find_spec("torch") else None)
    chosen = Options(options.rounds, options.turns, torch)
    results = []
    for name in options.names or SUITE:
        print(f"{name} ...", file=sys.stderr)
        for result in SUITE[name](chosen):
            results.append(result)
            print(report.table([result]).splitlines()[-1], file=sys.stderr)
    print(report.as_json(results) if options.json else report.table(results))
    if options.plot:
        report.plot(results, options.plot)
    if options.write:
        command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
        report.write_page(results, command, options.write)


if __name__ == "__main__":
    main()
