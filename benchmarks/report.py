"""Results as a table, JSON, a picture, or the page ``docs/benchmarks.md``."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Result

__all__ = ["as_json", "machine", "plot", "table", "write_page"]

_PEERS = ("jax", "torch", "torch-compiled")

_PAGE = """# Benchmarks

mycc beside its peers, each in processes of its own that take turns, with the same threads, dtypes and allocator
settings. Times are medians. A ratio is the median of mycc's time divided by the peer's in pairs taken side by side,
with its 95 % interval (bootstrap); below 1 mycc is faster. On a busy machine only ratios count.

- **trace**: from the Python call to the module that XLA gets, all of mycc's passes included, in a process that has
  traced it once before.
- **compile**: in a fresh process with caches off, compile + first run - steady run.
- **run**: from arrays on the device to a finished result.
- **memory**: by how much the process's resident set grows at its peak during a call.

All code is plain: the same text for mycc and JAX (`benchmarks/workloads`), default settings, no hints.

{machine}

{table}

```console
$ {command}
```
"""


def table(results: Sequence[Result]) -> str:
    """A Markdown table: a line a result, times and ratios of those peers that were measured."""
    peers = [p for p in _PEERS if any(p in r.samples for r in results)]
    lines = [
        "| what | mycc | " + " | ".join(f"{p} | ratio to {p} (95 %)" for p in peers) + " | aim |",
        "|---" * (3 + 2 * len(peers)) + "|",
    ]
    for r in results:
        cells = [r.name, _shown(r.median("mycc"), r.unit)]
        for p in peers:
            cells += [_shown(r.median(p), r.unit), _ratio(r, p)] if p in r.samples else ["-", "-"]
        aims = ", ".join(f"{aim:g}" if p == "jax" else f"{p} {aim:g}" for p, aim in r.aims.items())
        lines.append(f"| {' | '.join([*cells, aims or '-'])} |")
    return "\n".join(lines)


def _ratio(result: Result, peer: str) -> str:
    if result.unit == "B" and min(result.samples[peer]) <= 0:
        return "-"
    middle, low, high = result.ratio(peer)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def _shown(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 2**20:.1f} MiB"
    if unit == "op/s":
        return f"{value:,.0f} op/s"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def machine() -> str:
    """What the figures were measured on, and with what."""
    packages = ("mycc", "jaxlib", "jax", "numpy")
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in packages)
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}."
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [] if not info.exists() else [x for x in info.read_text().splitlines() if x.startswith("model name")]
    )
    return names[0].split(":", 1)[1].strip() if names else platform.machine()


def as_json(results: Sequence[Result]) -> str:
    """Everything, samples included."""
    return json.dumps(
        {
            "machine": machine(),
            "results": [
                {
                    "name": r.name,
                    "unit": r.unit,
                    "samples": {p: list(s) for p, s in r.samples.items()},
                    "ratios": {p: r.ratio(p) for p in r.samples if p != "mycc" and min(r.samples[p]) > 0},
                    "aims": dict(r.aims),
                }
                for r in results
            ],
        },
        indent=2,
    )


def write_page(results: Sequence[Result], command: str, path: Path) -> None:
    """Write the page of all results."""
    path.write_text(_PAGE.format(machine=machine(), table=table(results), command=command))


def plot(results: Sequence[Result], path: str) -> None:
    """A picture of all ratios to JAX with their intervals, on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn = [r for r in results if "jax" in r.samples and min(r.samples["jax"]) > 0]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.25 * len(drawn)), layout="constrained")
    for y, r in enumerate(reversed(drawn)):
        middle, low, high = r.ratio("jax")
        color = "tab:green" if high < 1 else "tab:red" if low > 1 else "tab:gray"
        axes.plot([low, high], [y, y], color=color, linewidth=2)
        axes.plot(middle, y, "o", color=color)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(drawn)), [r.name for r in reversed(drawn)])
    axes.set_xlabel("mycc's time divided by JAX's (95 % interval); left of 1 mycc is faster")
    axes.grid(axis="x", which="both", alpha=0.3)
    figure.savefig(path, dpi=150)
    overall = statistics.geometric_mean(r.ratio("jax")[0] for r in drawn) if drawn else 1.0
    print(f"geometric mean of the ratios to JAX: {overall:.2f}; picture in {path}")
