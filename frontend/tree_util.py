"""`mycc.tree_util`: the functions of `mycc.tree` under the names that `jax.tree_util` has for them, and `Partial`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from mycc.lowering import pytrees
from mycc.lowering.pytrees import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    PyTreeDef,
    SequenceKey,
    all_leaves,
    keystr,
    register_dataclass,
    register_static,
)
from mycc.lowering.pytrees import register_node as register_pytree_node
from mycc.tree import all as tree_all
from mycc.tree import broadcast as tree_broadcast
from mycc.tree import flatten as tree_flatten
from mycc.tree import flatten_with_path as tree_flatten_with_path
from mycc.tree import leaves as tree_leaves
from mycc.tree import leaves_with_path as tree_leaves_with_path
from mycc.tree import map as tree_map
from mycc.tree import map_with_path as tree_map_with_path
from mycc.tree import reduce as tree_reduce
from mycc.tree import structure as tree_structure
from mycc.tree import transpose as tree_transpose
from mycc.tree import unflatten

__all__ = [
    "DictKey", "FlattenedIndexKey", "GetAttrKey", "Partial", "PyTreeDef", "SequenceKey", "all_leaves", "keystr",
    "register_dataclass", "register_pytree_node", "register_pytree_node_class", "register_pytree_with_keys",
    "register_pytree_with_keys_class", "register_static", "tree_all", "tree_broadcast", "tree_flatten",
    "tree_flatten_with_path", "tree_leaves", "tree_leaves_with_path", "tree_map", "tree_map_with_path",
    "tree_reduce", "tree_structure", "tree_transpose", "tree_unflatten", "treedef_is_leaf",
]  # fmt: skip

Class = TypeVar("Class", bound=type)


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """As `mycc.tree.unflatten`."""
    return unflatten(treedef, leaves)


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether a structure is that of a single leaf."""
    return bool(treedef == pytrees.leaf_structure)


def register_pytree_node_class(cls: Class) -> Class:
    """Make instances of a class nodes of pytrees; it decorates the class.

    Args:
        cls: a class with a method ``tree_flatten()``, which returns (children, auxiliary data), and a class method
            ``tree_unflatten(auxiliary data, children)``.

    Returns:
        The class.

    Example:
        >>> @register_pytree_node_class
        ... class Pair:
        ...     def __init__(self, x, y):
        ...         self.x, self.y = x, y
        ...
        ...     def tree_flatten(self):
        ...         return (self.x, self.y), None
        ...
        ...     @classmethod
        ...     def tree_unflatten(cls, aux, children):
        ...         return cls(*children)
        >>> tree_leaves([Pair(1, 2), 3])
        [1, 2, 3]
    """
    kind: Any = cls
    register_pytree_node(cls, lambda node: node.tree_flatten(), kind.tree_unflatten)
    return cls


def register_pytree_with_keys(
    nodetype: type,
    flatten_with_keys: Callable[[Any], Any],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], Any] | None = None,
) -> None:
    """Make instances of a class nodes whose children have names in paths.

    Args:
        nodetype: the class.
        flatten_with_keys: instance -> ((key, child) pairs, auxiliary data).
        unflatten_func: (auxiliary data, children) -> instance.
        flatten_func: instance -> (children, auxiliary data); default: follows from ``flatten_with_keys``.
    """

    def flatten(node: Any) -> Any:
        pairs, aux = flatten_with_keys(node)
        return [child for _, child in pairs], aux

    register_pytree_node(nodetype, flatten_func or flatten, unflatten_func, flatten_with_keys)


def register_pytree_with_keys_class(cls: Class) -> Class:
    """As `register_pytree_node_class`, for a class that also has a method ``tree_flatten_with_keys()``."""
    kind: Any = cls
    flatten = (lambda node: node.tree_flatten()) if hasattr(cls, "tree_flatten") else None
    register_pytree_with_keys(cls, lambda node: node.tree_flatten_with_keys(), kind.tree_unflatten, flatten)
    return cls


class Partial(functools.partial):  # type: ignore[type-arg]
    """A `functools.partial` that is a pytree: its arguments are the children, its function is part of the structure.

    Example:
        >>> import mycc
        >>> add = Partial(lambda x, y: x + y, 1.0)
        >>> mycc.jit(lambda f: f(2.0))(add)
        Array(3., dtype=float32, weak_type=True)
    """


register_pytree_node(
    Partial,
    lambda node: ((node.args, node.keywords), node.func),
    lambda func, children: Partial(func, *children[0], **children[1]),
)
