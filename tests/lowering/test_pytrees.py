"""Pytrees: flattening, paths, registration, pickling."""

from __future__ import annotations

import collections
import dataclasses
import pickle
from typing import Any, NamedTuple

import pytest

from mycc.dialects.errors import TreeError
from mycc.lowering import pytrees


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Layer:
    weight: Any
    bias: Any
    name: str = dataclasses.field(default="", metadata={"static": True})


class Box:
    def __init__(self, content: Any) -> None:
        self.content = content


class Fixed:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fixed)

    def __hash__(self) -> int:
        return 1


pytrees.register_dataclass(Layer)
pytrees.register_node(Box, lambda box: ((box.content,), None), lambda _, children: Box(*children))
pytrees.register_static(Fixed)

TREE = {"b": [1, (2, None)], "a": Point(3, Layer(4, {"k": 5}, "n"))}


def test_flatten_and_back() -> None:
    leaves, structure = pytrees.flatten(TREE)
    assert leaves == [3, 4, 5, 1, 2]
    assert structure.unflatten(leaves) == TREE
    assert structure == pytrees.structure_of(TREE) and hash(structure) == hash(pytrees.structure_of(TREE))
    assert structure != pytrees.structure_of({**TREE, "a": Point(3, Layer(4, {"k": 5}, "other"))})
    assert pickle.loads(pickle.dumps(structure)) == structure


def test_paths() -> None:
    paths = [pytrees.keystr(path) for path, _ in pytrees.flatten_with_path(TREE)[0]]
    assert paths == ["['a'].x", "['a'].y.weight", "['a'].y.bias['k']", "['b'][0]", "['b'][1][0]"]


def test_is_leaf() -> None:
    assert pytrees.flatten([(1, 2), 3], lambda node: isinstance(node, tuple))[0] == [(1, 2), 3]
    assert pytrees.flatten([None, 3], lambda node: node is None)[0] == [None, 3]
    found = pytrees.flatten_with_path([(1, 2), 3], lambda node: isinstance(node, tuple))[0]
    assert [leaf for _, leaf in found] == [(1, 2), 3]


def test_standard_dictionaries() -> None:
    ordered = collections.OrderedDict([("z", 1), ("a", 2)])
    leaves, structure = pytrees.flatten(ordered)
    assert leaves == [1, 2] and structure.unflatten(leaves) == ordered
    default = collections.defaultdict(list, {"z": 1, "a": 2})
    leaves, structure = pytrees.flatten(default)
    back = structure.unflatten(leaves)
    assert leaves == [2, 1] and back == default and back.default_factory is list


def test_custom_nodes() -> None:
    leaves, structure = pytrees.flatten(Box((1, 2)))
    assert leaves == [1, 2] and structure.unflatten([3, 4]).content == (3, 4)
    assert pytrees.flatten([Fixed(), 1])[0] == [1]
    assert pytrees.is_node(Box) and not pytrees.is_node(int)
    for register in (pytrees.register_dataclass, pytrees.register_static):
        with pytest.raises(TreeError, match="already"):
            register(Layer)


def test_dispatch_only_nodes_are_leaves_to_users() -> None:
    class Key:
        data = 7

    pytrees.register_node(Key, lambda key: ((key.data,), None), lambda _, children: Key(), dispatch_only=True)
    key = Key()
    assert pytrees.flatten(key)[0] == [key]
    assert pytrees.dispatch_registry.flatten(key)[0] == [7]


def test_dataclass_fields_are_checked() -> None:
    @dataclasses.dataclass
    class Pair:
        a: Any
        b: Any

    with pytest.raises(TypeError, match="'b'"):
        pytrees.register_dataclass(Pair, ["a"], [])
    pytrees.register_dataclass(Pair, ["a"])
    assert pytrees.flatten(Pair(1, 2))[0] == [1]
    with pytest.raises(TypeError, match="no dataclass"):
        pytrees.register_dataclass(int)


def test_structures() -> None:
    pair = pytrees.tuple_structure([pytrees.leaf_structure, pytrees.structure_of([1, 2])])
    assert pair == pytrees.structure_of((0, [0, 0]))
    assert pytrees.all_leaves([1, "a"]) and not pytrees.all_leaves([1, []])
    assert pytrees.flatten_one_level([1, (2,)])[0] == [1, (2,)]
    assert pytrees.flatten_one_level(1) is None


def test_hostile_trees_do_not_crash() -> None:
    tree: Any = []
    for _ in range(100_000):
        tree = [tree]
    with pytest.raises((RecursionError, SystemError)):
        pytrees.flatten(tree)
    with pytest.raises((TypeError, ValueError)):
        pytrees.flatten({1: 0, "a": 1})
