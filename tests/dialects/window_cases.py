"""Gathers and scatters of any dimension numbers, and what they mean element by element.

The oracles follow the StableHLO specification, but for updates whose window leaves the operand: XLA drops all
of the window, the specification only the elements outside.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness import Case, uniform
from hypothesis import strategies as st

from mycc.dialects import ops
from mycc.dialects.mlir import ir
from mycc.dialects.rules.windows import Windows

Dims = tuple[int, ...]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layout:
    """Dimension numbers with the shapes that they are for."""

    windows: Windows
    operand: Dims
    indices: Dims
    sizes: Dims

    @property
    def result(self) -> Dims:
        """The shape of a gather's result and of a scatter's updates."""
        w = self.windows
        counts = [n for d, n in enumerate(self.indices) if d != w.vector]
        inside = [n for d, n in enumerate(self.sizes) if d not in (*w.collapsed, *w.operand_batching)]
        a, b = iter(counts), iter(inside)
        return tuple(next(b) if d in w.offset else next(a) for d in range(len(counts) + len(inside)))

    def places(self, indices: Array) -> Iterator[tuple[Dims, Array, Array]]:
        """Each element of the result, the start of its window, and its offset inside the window."""
        w = self.windows
        around = [d for d in range(len(self.result)) if d not in w.offset]
        inner = [d for d in range(len(self.operand)) if d not in (*w.collapsed, *w.operand_batching)]
        for place in np.ndindex(*self.result):
            outside = [place[d] for d in around]
            vector = [*outside[: w.vector], slice(None), *outside[w.vector :]]
            numbers = indices[tuple(vector)] if w.vector < indices.ndim else indices[tuple(outside)][None]
            start, offset = np.zeros(len(self.operand), int), np.zeros(len(self.operand), int)
            start[list(w.index_map)] = numbers
            whole = [d for d in range(indices.ndim) if d != w.vector]
            for d, source in zip(w.operand_batching, w.indices_batching, strict=True):
                start[d] = outside[whole.index(source)]
            offset[inner] = [place[d] for d in w.offset]
            yield place, start, offset

    def gather(self, x: Array, indices: Array) -> Array:
        """What a gather gives."""
        out = np.zeros(self.result, x.dtype)
        most = np.subtract(self.operand, self.sizes)
        for place, start, offset in self.places(indices):
            out[place] = x[tuple(np.clip(start, 0, most) + offset)]
        return out

    def scatter(self, x: Array, indices: Array, updates: Array, combine: Callable[[Any, Any], Any]) -> Array:
        """What a scatter gives, updates in order."""
        out = x.copy()
        most = np.subtract(self.operand, self.sizes)
        for place, start, offset in self.places(indices):
            if (start >= 0).all() and (start <= most).all():
                where = tuple(start + offset)
                out[where] = combine(out[where], updates[place])
        return out

    def meets(self, indices: Array) -> bool:
        """Whether two updates are for one element."""
        ones = np.ones(self.result, int)
        return bool((self.scatter(np.zeros(self.operand, int), indices, ones, np.add) > 1).any())

    def draw(self, rng: np.random.Generator, unique: bool, dtype: Any = np.int32) -> Array:
        """Indices, some of them outside; unless it takes too long, such that no two updates meet."""
        for attempt in range(50):
            margin = 1 if attempt < 40 else 5
            found = rng.integers(-margin, max(self.operand, default=1) + margin, self.indices).astype(dtype)
            if not unique or not self.meets(found):
                return found
        # All outside: nothing meets.
        return np.full(self.indices, 100, dtype)


BODIES: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "add": (ops.add, np.add),
    "add-turned": (lambda a, b: ops.add(b, a), np.add),
    "sub": (ops.sub, np.subtract),
    "mul": (ops.mul, np.multiply),
    "max": (ops.max_, np.maximum),
    "min": (ops.min_, np.minimum),
    "set": (lambda a, b: b, lambda a, b: b),
}


def gather_case(name: str, layout: Layout, dtype: Any = float) -> Case:
    def build(x: ir.Value, indices: ir.Value) -> ir.Value:
        return ops.gather(x, indices, layout.windows.gather(), layout.sizes)

    def sample(rng: np.random.Generator) -> list[Array]:
        return [uniform(rng, layout.operand, dtype), layout.draw(rng, False)]

    return Case(f"gather-{name}", build, sample, layout.gather)


def scatter_case(name: str, layout: Layout, kind: str, unique: bool, dtype: Any = float) -> Case:
    body, combine = BODIES[kind]

    def build(x: ir.Value, indices: ir.Value, updates: ir.Value) -> ir.Value:
        return ops.scatter(x, indices, updates, layout.windows.scatter(), body, unique=unique)

    def sample(rng: np.random.Generator) -> list[Array]:
        indices = layout.draw(rng, unique)
        return [uniform(rng, layout.operand, dtype), indices, uniform(rng, layout.result, dtype)]

    def oracle(x: Any, indices: Any, updates: Any) -> Any:
        return layout.scatter(x, indices, updates, combine)

    return Case(f"scatter-{kind}-{unique}-{name}", build, sample, oracle)


@st.composite
def layouts(draw: Any) -> Layout:
    """Any dimension numbers on small shapes."""
    rank = draw(st.integers(1, 3))
    operand = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    roles = [draw(st.sampled_from(["batching", "collapsed", "window", "window"])) for _ in range(rank)]
    free = [d for d in range(rank) if roles[d] != "batching"]
    mapped = draw(st.lists(st.sampled_from(free), unique=True, max_size=2)) if free else []
    sizes = tuple(
        1 if role != "window" else draw(st.integers(1, n)) for role, n in zip(roles, operand, strict=True)
    )
    batching = [d for d, role in enumerate(roles) if role == "batching"]
    labels = [("batching", d) for d in batching] + [
        ("free", n) for n in draw(st.lists(st.integers(1, 3), max_size=1))
    ]
    labels = draw(st.permutations(labels))
    indices = [operand[what] if kind == "batching" else what for kind, what in labels]
    implicit = len(mapped) == 1 and draw(st.booleans())
    vector = len(indices) if implicit else draw(st.integers(0, len(indices)))
    places = [i + (not implicit and i >= vector) for i in range(len(indices))]
    indices_batching = tuple(places[labels.index(("batching", d))] for d in batching)
    if not implicit:
        indices.insert(vector, len(mapped))
    inner = [d for d, role in enumerate(roles) if role == "window"]
    total = len(inner) + len(labels)
    choices = list(itertools.combinations(range(total), len(inner)))
    windows = Windows(
        draw(st.sampled_from(choices)),
        tuple(d for d, role in enumerate(roles) if role == "collapsed"),
        tuple(batching),
        indices_batching,
        tuple(mapped),
        vector,
    )
    return Layout(windows, operand, tuple(indices), sizes)
