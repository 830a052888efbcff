"""``python -m benchmarks``: mycc beside JAX in one run, as a table or with ``--json``."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json

from benchmarks import dispatch
from benchmarks.measure import FRAMEWORKS, Row, processes, turns, wall

START = """
import {package}, {package}.numpy as np
print({package}.jit(lambda x, y: x + y)(np.ones(3), 1.0))
"""


def start() -> Row:
    """A process that imports and runs one jitted addition."""
    scripts = {n: START.format(package=n).replace("print", "str") for n in FRAMEWORKS}
    return wall("process with one jitted addition", "0.6", scripts, 7)


def dispatched(name: str) -> Row:
    """Calls of compiled functions with arguments of one kind."""
    what = (dispatch.ACTIONS[name].__doc__ or name).rstrip(".")
    return turns(f"dispatch: {what[0].lower()}{what[1:]}", "1.15", name, 15)


BENCHMARKS = {
    "trace": lambda: turns("GPT-12 trace + transform + lower", "0.25", "trace", 15),
    "compile": lambda: processes(
        "GPT-12 compile, cold", "0.5", {n: ["-m", "benchmarks.cold", n] for n in FRAMEWORKS}, 3
    ),
    "run": lambda: turns("GPT-12 run", "-", "run", 9),
    **{name: functools.partial(dispatched, name) for name in dispatch.ACTIONS},
    "start": start,
}


def main() -> None:
    """Run the chosen benchmarks and print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which to run; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rows = [BENCHMARKS[name]() for name in options.names or BENCHMARKS]
    if options.json:
        print(json.dumps([dataclasses.asdict(r) | {"ratio": r.ratio} for r in rows], indent=2))
        return
    print("| what | mycc | JAX | ratio (middle half) | aim |")
    print("|---|---|---|---|---|")
    for r in rows:
        print(
            f"| {r.name} | {_time(r.mycc)} | {_time(r.jax)} | {r.ratio:.2f} ({r.low:.2f}-{r.high:.2f}) | {r.aim} |"
        )


def _time(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"


if __name__ == "__main__":
    main()
