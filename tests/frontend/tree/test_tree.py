"""Pytrees as users see them."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

import mycc
from mycc import tree


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Layer:
    weight: Any
    bias: Any
    name: str = dataclasses.field(default="", metadata={"static": True})


tree.register_dataclass(Layer)

TREE = {"b": [2, (3, None)], "a": Point(0, 1), "c": Layer(4, 5, "first")}


def test_flattening() -> None:
    leaves, structure = tree.flatten(TREE)
    assert leaves == tree.leaves(TREE) == [0, 1, 2, 3, 4, 5]
    assert structure == tree.structure(TREE)
    assert tree.unflatten(structure, leaves) == TREE
    assert tree.unflatten(structure, iter(leaves)) == TREE
    assert tree.leaves(TREE, is_leaf=lambda n: isinstance(n, Point))[0] == Point(0, 1)
    with pytest.raises(tree.TreeError, match=r"test_tree\.py:\d+: unflatten got 2 leaves for .* 6"):
        tree.unflatten(structure, [1, 2])


def test_paths() -> None:
    found = [f"{tree.keystr(path)}={leaf}" for path, leaf in tree.leaves_with_path(TREE)]
    places = ["['a'].x", "['a'].y", "['b'][0]", "['b'][1][0]", "['c'].weight", "['c'].bias"]
    assert found == [f"{place}={i}" for i, place in enumerate(places)]

    def name(path: Any, x: int, y: int) -> str:
        return f"{tree.keystr(path)}={x + y}"

    assert tree.map_with_path(name, {"k": (1, 2)}, {"k": (3, 4)}) == {"k": ("['k'][0]=4", "['k'][1]=6")}


def test_maps() -> None:
    assert tree.map(lambda x: -x, (1, [2])) == (-1, [-2])
    assert tree.map(lambda x, y: (x, y), [1, 2], [(3, 4), None]) == [(1, (3, 4)), (2, None)]
    rows = [[1], [2, 3]]
    assert tree.map(len, rows, is_leaf=lambda n: n is not rows) == [1, 2]
    layer = tree.map(lambda x: x * 2, Layer(1, 2, "n"))
    assert layer == Layer(2, 4, "n")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"a": 1, "b": [2]}, r"at \['b'\]: a list of length 2 there, a list of length 1 here"),
        ({"a": 1, "b": [2, 3], "c": 4}, r"at the root: a dict with the keys \['a', 'b'\] there"),
        ({"a": 1, "b": (2, 3)}, r"at \['b'\]: a list of length 2 there, a tuple of length 2 here"),
        ({"a": 1, "b": None}, r"at \['b'\]: a list of length 2 there, None here"),
        ({"a": 1, "b": np.ones(2)}, r"at \['b'\]: a list of length 2 there, an array of shape \(2,\) here"),
        (3, "at the root: a dict with the keys"),
    ],
)
def test_differences_name_their_path(other: Any, message: str) -> None:
    with pytest.raises(tree.TreeError, match=message):
        tree.map(lambda x, y: x, {"a": 1, "b": [2, 3]}, other)


def test_differences_inside_registered_classes() -> None:
    with pytest.raises(tree.TreeError, match=r"at \['l'\]\.bias: a tuple of length 2 there"):
        tree.map(lambda x, y: x, {"l": Layer(1, (2, 3))}, {"l": Layer(1, 2)})
    with pytest.raises(tree.TreeError, match=r"at \['l'\]: a Layer there"):
        tree.map(lambda x, y: x, {"l": Layer(1, 2, "m")}, {"l": Layer(1, 2, "n")})


def test_folds() -> None:
    assert tree.reduce(lambda x, y: x * 10 + y, (1, [2, 3])) == 123
    assert tree.reduce(lambda x, y: x + y, (), 7) == 7
    assert tree.all((True, [1]))
    assert not tree.all((True, [0]))
    assert tree.all(())


def test_transposition() -> None:
    outer, inner = tree.structure([0, 0, 0]), tree.structure({"x": 0, "y": 0})
    rows = [{"x": i, "y": 10 * i} for i in range(3)]
    columns = {"x": [0, 1, 2], "y": [0, 10, 20]}
    assert tree.transpose(outer, inner, rows) == columns
    assert tree.transpose(outer, None, rows) == columns
    assert tree.transpose(tree.structure([]), inner, []) == {"x": [], "y": []}
    with pytest.raises(tree.TreeError, match="inner tree of structure"):
        tree.transpose(outer, inner, [*rows[:2], {"x": 1}])
    with pytest.raises(tree.TreeError, match="list of length 3 there, a list of length 2 here"):
        tree.transpose(outer, inner, rows[:2])
    with pytest.raises(tree.TreeError, match="needs inner_treedef"):
        tree.transpose(tree.structure([]), None, [])


def test_broadcasting_a_prefix() -> None:
    assert tree.broadcast((1, 2), ((3, 4), {"a": 5})) == ((1, 1), {"a": 2})
    assert tree.broadcast(0, [1, (2,)]) == [0, (0,)]
    with pytest.raises(tree.TreeError, match="at the root"):
        tree.broadcast((1, 2), [1, 2])


def test_ordered_and_default_dicts() -> None:
    ordered = collections.OrderedDict(b=1, a=2)
    assert tree.leaves(ordered) == [1, 2]
    assert tree.map(lambda x: x, ordered) == ordered
    default = collections.defaultdict(list, b=1, a=2)
    found = tree.map(lambda x: x, default)
    assert found == default
    assert found.default_factory is list


def test_trees_of_arrays() -> None:
    params = {"w": mycc.jit(lambda: np.ones(3, np.float32))(), "b": np.zeros(2)}
    doubled = tree.map(lambda x: x + x, params)
    np.testing.assert_array_equal(doubled["w"], 2 * np.ones(3))
