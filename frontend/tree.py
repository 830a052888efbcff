"""`mycc.tree`: nested tuples, lists, dicts and registered classes of arrays.

Leaves are taken from left to right, dicts in the order of their sorted keys; ``None`` has no leaves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.dialects.errors import TreeError
from mycc.lowering import pytrees
from mycc.lowering.pytrees import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    PyTreeDef,
    SequenceKey,
    keystr,
    register_dataclass,
    register_node,
    register_static,
)
from mycc.source import user_line

__all__ = [
    "DictKey", "FlattenedIndexKey", "GetAttrKey", "PyTreeDef", "SequenceKey", "all", "broadcast", "flatten",
    "flatten_with_path", "keystr", "leaves", "leaves_with_path", "map", "map_with_path", "reduce",
    "register_dataclass", "register_node", "register_static", "structure", "transpose", "unflatten",
]  # fmt: skip

IsLeaf = Callable[[Any], bool] | None

_LEAVES: list[type] = []
_all = all
_map = map


def treat_as_leaf(cls: type) -> None:
    """Make instances of a class leaves here, which transforms take apart: arrays of random keys."""
    _LEAVES.append(cls)


def _stops(is_leaf: IsLeaf) -> IsLeaf:
    """What ends the descent into a tree."""
    if not _LEAVES:
        return is_leaf
    opaque = tuple(_LEAVES)
    if is_leaf is None:
        return lambda node: isinstance(node, opaque)
    return lambda node: isinstance(node, opaque) or is_leaf(node)


def flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves of a tree and its structure.

    Args:
        tree: any pytree.
        is_leaf: makes a node on which it returns true a leaf.

    Example:
        >>> flatten({"b": 2, "a": (1, None)})[0]
        [1, 2]
    """
    return pytrees.flatten(tree, _stops(is_leaf))


def unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of a structure with the given leaves.

    Raises:
        TreeError: there are more or fewer leaves than the structure has.
    """
    found = list(leaves)
    if len(found) != treedef.num_leaves:
        raise TreeError(
            f"{user_line()}: unflatten got {len(found)} leaves for a structure of {treedef.num_leaves}: "
            f"{treedef}"
        )
    return treedef.unflatten(found)


def leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of a tree."""
    return pytrees.flatten(tree, _stops(is_leaf))[0]


def structure(tree: Any, is_leaf: IsLeaf = None) -> PyTreeDef:
    """The structure of a tree."""
    return pytrees.flatten(tree, _stops(is_leaf))[1]


def flatten_with_path(
    tree: Any, is_leaf: IsLeaf = None
) -> tuple[list[tuple[tuple[Any, ...], Any]], PyTreeDef]:
    """As `flatten`, with the path of keys to each leaf; `keystr` prints one."""
    return pytrees.flatten_with_path(tree, _stops(is_leaf))


def leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves of a tree, each with the path of keys to it."""
    return pytrees.flatten_with_path(tree, _stops(is_leaf))[0]


def map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """Apply a function to each leaf.

    Args:
        f: takes a leaf of ``tree``, and what stands in its place in each tree of ``rest``.
        tree: decides the structure of the result.
        rest: trees that have the structure of ``tree``, or more below its leaves.
        is_leaf: makes a node on which it returns true a leaf.

    Raises:
        TreeError: a tree of ``rest`` differs; the message names the first path where it does.

    Example:
        >>> map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
        {'a': 11, 'b': (22, 33)}
    """
    first, treedef = pytrees.flatten(tree, _stops(is_leaf))
    columns = [first, *(_flatten_like("map", treedef, tree, other, is_leaf) for other in rest)]
    return treedef.unflatten([f(*row) for row in zip(*columns, strict=True)])


def map_with_path(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """As `map`; the function takes the path of keys to the leaf first."""
    first, treedef = pytrees.flatten_with_path(tree, _stops(is_leaf))
    columns = [_flatten_like("map_with_path", treedef, tree, other, is_leaf) for other in rest]
    rows = zip(first, *columns, strict=True)
    return treedef.unflatten([f(path, leaf, *others) for (path, leaf), *others in rows])


def _flatten_like(name: str, treedef: PyTreeDef, tree: Any, other: Any, is_leaf: IsLeaf) -> list[Any]:
    try:
        found: list[Any] = treedef.flatten_up_to(other)
    except (ValueError, TypeError, KeyError) as error:
        path, detail = difference(tree, other, _stops(is_leaf)) or ((), str(error))
        where = f"at {keystr(path)}" if path else "at the root"
        raise TreeError(
            f"{user_line()}: {name} got trees that differ {where}: {detail}; give every tree the structure "
            "of the first one, or make what differs a leaf with is_leaf"
        ) from None
    return found


def difference(tree: Any, other: Any, is_leaf: IsLeaf = None) -> tuple[tuple[Any, ...], str] | None:
    """The first path at which the structure of ``other`` is not that of ``tree``, and how it differs."""
    if is_leaf is not None and is_leaf(tree):
        return None
    mine = pytrees.flatten_one_level(tree)
    if mine is None:
        return None
    theirs = pytrees.flatten_one_level(other) if type(other) is type(tree) else None
    if theirs is None:
        return (), f"{_described(tree)} there, {_described(other)} here"
    if mine[1] != theirs[1] or len(mine[0]) != len(theirs[0]):
        return (), f"{_described(tree)} there, {_described(other)} here"
    for key, child, counterpart in zip(_keys(tree, len(mine[0])), mine[0], theirs[0], strict=True):
        found = difference(child, counterpart, is_leaf)
        if found is not None:
            return (key, *found[0]), found[1]
    return None


def _keys(tree: Any, count: int) -> list[Any]:
    """The keys to the children of a node."""
    if count == 0:
        return []
    below = set(_map(id, pytrees.flatten_one_level(tree)[0]))  # type: ignore[index]
    paths = pytrees.flatten_with_path(tree, lambda node: node is not tree and id(node) in below)[0]
    keys = [path[0] for path, _ in paths]
    return keys if len(keys) == count else [FlattenedIndexKey(i) for i in range(count)]


def _described(node: Any) -> str:
    if isinstance(node, dict):
        return f"a {type(node).__name__} with the keys {sorted(node, key=repr)}"
    if isinstance(node, (tuple, list)):
        return f"a {type(node).__name__} of length {len(node)}"
    if isinstance(node, (Array, np.ndarray)):
        return f"an array of shape {node.shape}"
    return "None" if node is None else f"a {type(node).__name__}"


_NOTHING = object()


def reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _NOTHING, is_leaf: IsLeaf = None
) -> Any:
    """Fold the leaves of a tree from left to right by a function of two."""
    found = leaves(tree, is_leaf)
    if initializer is _NOTHING:
        return functools.reduce(function, found)
    return functools.reduce(function, found, initializer)


def all(tree: Any, *, is_leaf: IsLeaf = None) -> bool:
    """Whether every leaf is true."""
    return _all(leaves(tree, is_leaf))


def broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf = None) -> Any:
    """The tree ``full_tree`` whose leaves are those of ``prefix_tree``, each put wherever it stands above."""
    tops, treedef = pytrees.flatten(prefix_tree, _stops(is_leaf))
    below = _flatten_like("broadcast", treedef, prefix_tree, full_tree, is_leaf)
    spread = [top for top, part in zip(tops, below, strict=True) for _ in leaves(part, is_leaf)]
    return structure(full_tree, is_leaf).unflatten(spread)


def transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any) -> Any:
    """A tree of trees turned inside out.

    Args:
        outer_treedef: the structure on the outside of the given tree.
        inner_treedef: that of each of its leaves; None: what the first one has.
        pytree_to_transpose: the tree.

    Raises:
        TreeError: it has another structure.

    Example:
        >>> transpose(structure([0, 0]), structure((0, 0)), [(1, 2), (3, 4)])
        ([1, 3], [2, 4])
    """
    blank = object()
    blank_tree = outer_treedef.unflatten([blank] * outer_treedef.num_leaves)
    rows = _flatten_like(
        "transpose", outer_treedef, blank_tree, pytree_to_transpose, lambda node: node is blank
    )
    inner = structure(rows[0]) if inner_treedef is None and rows else inner_treedef
    if inner is None:
        raise TreeError(f"{user_line()}: transpose of an empty tree needs inner_treedef")
    for row in rows:
        if structure(row) != inner:
            raise TreeError(
                f"{user_line()}: transpose got an inner tree of structure {structure(row)} where {inner} "
                "was expected"
            )
    columns: Sequence[Sequence[Any]] = list(zip(*_map(leaves, rows), strict=True)) or [()] * inner.num_leaves
    return inner.unflatten([outer_treedef.unflatten(column) for column in columns])
