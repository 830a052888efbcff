"""Writes ``docs/scaling.md`` from compiled programs: ``python docs/make_scaling.py``.

Nothing runs: each program is compiled for meshes of the host's 1,024 devices, and XLA is asked what each would do.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mycc
import mycc.numpy as mnp
from mycc import nn, tree
from mycc.sharding import NamedSharding
from mycc.sharding import PartitionSpec as P

DEVICES = tuple(2**i for i in range(11))

WIDTH = 1024
LAYERS = 4
ROWS = 256
"""Examples in a batch of the tensor-parallel layer."""


def training(params: list[mycc.Array], x: mycc.Array, y: mycc.Array) -> tuple[list[mycc.Array], mycc.Array]:
    """One step of gradient descent of a network."""

    def loss(params: list[mycc.Array]) -> mycc.Array:
        *hidden, last = params
        h = x
        for w in hidden:
            h = nn.relu(h @ w)
        return mnp.mean((h @ last - y) ** 2)

    value, gradient = mycc.value_and_grad(loss)(params)
    return tree.map(lambda w, g: w - 0.1 * g, params, gradient), value


def layer(x: mycc.Array, up: mycc.Array, down: mycc.Array, ct: mycc.Array) -> Any:
    """A layer and its gradients, of its input too, as in the middle of a network."""
    value, pullback = mycc.vjp(lambda x, up, down: nn.relu(x @ up) @ down, x, up, down)
    return value, pullback(ct)


def product(a: mycc.Array, b: mycc.Array) -> mycc.Array:
    """A product of matrices."""
    return a @ b


@dataclass(frozen=True)
class Program:
    """A program to be spread.

    Args:
        title: what it is.
        text: how it is spread, for the page.
        function: the program.
        arguments: from what grows to the shapes of its arguments.
        ins, outs: how arguments and results are split over the mesh's axis ``d``, as prefixes of their pytrees.
        grows: what is made larger with the devices, or shared among them.
        strong: how large that is on all devices together, for strong scaling.
        weak: how large it is on each device, for weak scaling.
    """

    title: str
    text: str
    function: Callable[..., Any]
    arguments: Callable[[int], tuple[Any, ...]]
    ins: tuple[P, ...]
    outs: tuple[P, ...]
    grows: str
    strong: int
    weak: int


def array(*shape: int) -> mycc.ShapeDtypeStruct:
    """A float32 array without its numbers."""
    return mycc.ShapeDtypeStruct(shape, "float32")


def _step(batch: int) -> tuple[Any, ...]:
    return [array(WIDTH, WIDTH)] * LAYERS, array(batch, WIDTH), array(batch, WIDTH)


def _layer(hidden: int) -> tuple[Any, ...]:
    return array(ROWS, WIDTH), array(WIDTH, hidden), array(hidden, WIDTH), array(ROWS, WIDTH)


PROGRAMS = (
    Program(
        "A data-parallel training step",
        f"{LAYERS} layers of {WIDTH} x {WIDTH}; each device has all parameters and a part of the batch.",
        training,
        _step,
        (P(), P("d"), P("d")),
        (P(), P()),
        "examples",
        8192,
        64,
    ),
    Program(
        "The same step with its parameters spread",
        "Each device keeps a part of every matrix's rows; they are gathered where they are used, and gradients are "
        "summed. The partitioner has a choice: with few examples it moves some of them instead of matrices.",
        training,
        _step,
        (P("d"), P("d"), P("d")),
        (P("d"), P()),
        "examples",
        8192,
        64,
    ),
    Program(
        "A tensor-parallel layer and its gradients",
        f"{ROWS} examples of {WIDTH} numbers, on every device; the first matrix is split by columns, the second by "
        "rows.",
        layer,
        _layer,
        (P(), P(None, "d"), P("d"), P()),
        (P(), (P(), P(None, "d"), P("d"))),
        "hidden units",
        8192,
        64,
    ),
    Program(
        "A product of matrices, split where it contracts",
        f"{WIDTH} x k times k x {WIDTH}.",
        product,
        lambda k: (array(WIDTH, k), array(k, WIDTH)),
        (P(None, "d"), P("d")),
        (P(),),
        "k",
        65536,
        64,
    ),
)


@dataclass(frozen=True)
class Row:
    """What one device of some does, as XLA counts it.

    Args:
        devices: how many there are.
        size: of what grows, on all of them together.
        flops: operations of floating point numbers.
        bytes: read and written in the device's own memory.
        collectives: how many instructions of each kind exchange data.
        exchanged: bytes of their results.
        memory: bytes of arguments, results and temporaries.
    """

    devices: int
    size: int
    flops: float
    bytes: float
    collectives: dict[str, int]
    exchanged: int
    memory: int


def row(program: Program, count: int, weak: bool) -> Row:
    """Compile a program for some devices and read what each would do."""
    size = program.weak * count if weak else program.strong
    mesh = mycc.make_mesh((count,), ("d",))

    def placed(specs: Any) -> Any:
        return tree.map(lambda s: NamedSharding(mesh, s), specs, is_leaf=lambda s: isinstance(s, P))

    outs = placed(program.outs)
    spread = mycc.jit(
        program.function,
        in_shardings=placed(program.ins),
        out_shardings=outs if len(outs) > 1 else outs[0],
    )
    compiled = spread.lower(*program.arguments(size)).compile()
    costs, memory = compiled.cost_analysis(), compiled.memory_analysis()
    found = exchanges(compiled.as_text())
    return Row(
        count,
        size,
        costs["flops"],
        costs["bytes accessed"],
        dict(Counter(kind for kind, _ in found)),
        sum(size for _, size in found),
        memory["argument"] + memory["output"] - memory["alias"] + memory["temp"],
    )


_COLLECTIVE = re.compile(
    r"= (.+?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\("
)
_ARRAY = re.compile(r"\b([a-z]+)(\d*)\[([\d,]*)\]")


def exchanges(hlo: str) -> list[tuple[str, int]]:
    """The kind of each collective in a program, and the bytes of its results; what stands in a loop counts once."""
    return [
        (kind, sum(_bytes(*parts) for parts in _ARRAY.findall(type_)))
        for type_, kind in _COLLECTIVE.findall(hlo)
    ]


def _bytes(kind: str, bits: str, shape: str) -> int:
    width = 1 if kind == "pred" else int(bits) // 8
    return width * math.prod(int(n) for n in shape.split(",") if n)


_HEAD = """# How programs scale

**This is a model, not a measurement.** `docs/make_scaling.py` compiles each program for 1 to {most:,} devices of the host and
writes down what XLA says of the partitioned program, which is the one that every device runs. Nothing is run, and
there is no time in these tables: how long a step takes depends on the machine and its network.

- *flops*, *bytes*: `Compiled.cost_analysis()`, the operations and memory traffic of one device.
- *collectives*, *exchanged*: read from the program (`Compiled.as_text()`): the instructions by which devices exchange
  data, and the bytes of their results on one device. To reduce n bytes among d devices a ring sends 2 n (d - 1) / d bytes
  from each, to gather them half of that.
- *memory*: `Compiled.memory_analysis()`, the arguments, results and temporaries of one device.

*Strong* scaling shares one problem among more devices, *weak* scaling gives each device as much as before. Where *flops*
falls by half from row to row and *exchanged* does not, the exchange is what limits the program in the end. All numbers
are float32; the host's compiler counts, and others fuse in other ways and so count other bytes.

"""


def table(rows: Sequence[Row], grows: str) -> str:
    """Rows as Markdown."""
    lines = [
        f"| devices | {grows} | flops | bytes | collectives | exchanged | memory |",
        "|--:|--:|--:|--:|---|--:|--:|",
    ]
    for r in rows:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(r.collectives.items())) or "none"
        numbers = (
            amount(r.flops),
            amount(r.bytes, "B"),
            kinds,
            amount(r.exchanged, "B"),
            amount(r.memory, "B"),
        )
        lines.append(f"| {r.devices:,} | {r.size:,} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def amount(n: float, unit: str = "") -> str:
    """A number with three digits and a prefix of a thousand."""
    for prefix in ("", "k", "M", "G"):
        if n < 999.5:
            return f"{n:.3g} {prefix}{unit}".rstrip()
        n /= 1000
    return f"{n:.3g} T{unit}"


def page(counts: Sequence[int]) -> str:
    """The whole page."""
    parts = [_HEAD.format(most=max(counts))]
    for program in PROGRAMS:
        parts.append(f"## {program.title}\n\n{program.text}\n")
        for weak in (False, True):
            kind = (
                f"Weak scaling: {program.weak:,} {program.grows} a device."
                if weak
                else f"Strong scaling: {program.strong:,} {program.grows} in all."
            )
            rows = [row(program, count, weak) for count in counts]
            parts.append(f"{kind}\n\n{table(rows, program.grows)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write docs/scaling.md.")
    parser.add_argument("--devices", type=int, nargs="+", default=DEVICES, help="numbers of devices")
    parser.add_argument(
        "-o", default=str(Path(__file__).with_name("scaling.md")), help="the page, - to print it"
    )
    options = parser.parse_args()
    # mycc looks for devices when it is first asked for them.
    os.environ |= {"MYCC_PLATFORMS": "cpu", "MYCC_NUM_CPU_DEVICES": str(max(options.devices))}
    text = page(options.devices)
    if options.o == "-":
        sys.stdout.write(text)
    else:
        Path(options.o).write_text(text)
