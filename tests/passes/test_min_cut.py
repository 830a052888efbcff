"""Minimum cuts against the cheapest of all cuts."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from mycc.passes.min_cut import MinCut

EDGES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 5)), max_size=20)


def price(edges: list[tuple[int, int, int]], near: list[bool]) -> int:
    """What the edges cost that a cut parts."""
    return sum(capacity for tail, head, capacity in edges if near[tail] and not near[head])


@given(EDGES)
def test_no_cut_is_cheaper(edges: list[tuple[int, int, int]]) -> None:
    graph = MinCut()
    for _ in range(5):
        graph.node()
    for edge in edges:
        graph.edge(*edge)
    cost, near = graph.cut()
    assert near[MinCut.SOURCE] and not near[MinCut.SINK]
    others = [[True, False, *sides] for sides in product([True, False], repeat=5)]
    assert cost == price(edges, near) == min(price(edges, cut) for cut in others)


def test_long_chains_do_not_recurse() -> None:
    graph = MinCut()
    last = MinCut.SOURCE
    for n in range(5000):
        new = graph.node()
        graph.edge(last, new, 7 if n != 2500 else 3)
        last = new
    graph.edge(last, MinCut.SINK, 9)
    assert graph.cut()[0] == 3
