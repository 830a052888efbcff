"""`mycc.tree_util`: registration as in JAX's tutorials, and `Partial`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import mycc
from mycc import tree_util


@tree_util.register_dataclass
@dataclasses.dataclass
class Scale:
    factor: Any
    power: int = dataclasses.field(default=1, metadata={"static": True})


@tree_util.register_pytree_node_class
class Affine:
    def __init__(self, weight: Any, bias: Any) -> None:
        self.weight, self.bias = weight, bias

    def tree_flatten(self) -> Any:
        return (self.weight, self.bias), None

    @classmethod
    def tree_unflatten(cls, aux: Any, children: Any) -> Affine:
        return cls(*children)

    @mycc.jit
    def __call__(self, x: Any) -> Any:
        return self.weight * x + self.bias


@tree_util.register_pytree_with_keys_class
class Named:
    def __init__(self, x: Any) -> None:
        self.x = x

    def tree_flatten_with_keys(self) -> Any:
        return [(tree_util.GetAttrKey("x"), self.x)], None

    @classmethod
    def tree_unflatten(cls, aux: Any, children: Any) -> Named:
        return cls(*children)


@tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Setting:
    name: str


def test_decorators_return_the_class() -> None:
    assert Scale(2.0).factor == 2.0
    assert float(mycc.jit(lambda s, x: s.factor * x**s.power)(Scale(2.0, 3), 2.0)) == 16.0
    affine = Affine(2.0, 1.0)
    assert float(affine(3.0)) == 7.0
    assert mycc.grad(lambda a: a(3.0))(affine).weight == 3.0
    assert tree_util.tree_leaves([Setting("a"), 1]) == [1]


def test_paths() -> None:
    paths = tree_util.tree_leaves_with_path({"a": [Named(5), 6]})
    assert [tree_util.keystr(path) for path, _ in paths] == ["['a'][0].x", "['a'][1]"]
    assert [tree_util.keystr(path, simple=True, separator="/") for path, _ in paths] == ["a/0/x", "a/1"]


def test_names() -> None:
    leaves, structure = tree_util.tree_flatten({"b": 2, "a": (1, None)})
    assert leaves == [1, 2] and tree_util.tree_unflatten(structure, leaves) == {"a": (1, None), "b": 2}
    assert tree_util.tree_map(lambda x, y: x + y, (1, 2), (10, 20)) == (11, 22)
    assert tree_util.tree_reduce(lambda a, b: a * b, (2, 3), 4) == 24
    assert tree_util.treedef_is_leaf(tree_util.tree_structure(1)) and not tree_util.treedef_is_leaf(structure)


def test_partial() -> None:
    add = tree_util.Partial(np.add, 1.0)
    assert tree_util.tree_leaves(add) == [1.0]
    shift = tree_util.Partial(lambda x, y, *, z: x * y + z, 2.0, z=5.0)
    assert float(mycc.jit(lambda f, x: f(x))(shift, 3.0)) == 11.0
    slopes = mycc.grad(lambda f: f(3.0))(shift)
    assert float(slopes.args[0]) == 3.0 and float(slopes.keywords["z"]) == 1.0


def test_registered_twice() -> None:
    with pytest.raises(mycc.TreeError, match="registered as a pytree node already"):
        tree_util.register_pytree_node_class(Affine)
