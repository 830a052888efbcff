"""Pytrees: jaxlib's C++ library, with registries of mycc's own.

`registry` is what users see. `dispatch_registry` holds every node that it holds, and besides those classes
that are a leaf to users but several buffers to a compiled function, such as arrays of typed random keys.

Tree structures pickle when the classes of their nodes and their auxiliary data do; the process that loads
them must have registered the same classes.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

from mycc.dialects.errors import TreeError
from mycc.lowering import pjrt

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "PyTreeDef",
    "SequenceKey",
    "all_leaves",
    "dispatch_registry",
    "flatten",
    "flatten_one_level",
    "flatten_with_path",
    "is_node",
    "keystr",
    "leaf_structure",
    "register_dataclass",
    "register_node",
    "register_static",
    "registry",
    "structure_of",
    "tuple_structure",
]

PyTreeDef = pjrt.PyTreeDef
SequenceKey: Any = pjrt.pytree.SequenceKey
DictKey: Any = pjrt.pytree.DictKey
GetAttrKey: Any = pjrt.pytree.GetAttrKey
FlattenedIndexKey: Any = pjrt.pytree.FlattenedIndexKey

Children = tuple[Iterable[Any], Hashable]
Class = TypeVar("Class", bound=type)


def _new_registry(name: str) -> Any:
    made = pjrt.PyTreeRegistry(
        enable_none=True, enable_tuple=True, enable_namedtuple=True, enable_list=True, enable_dict=True
    )
    # A tree structure pickles its registry as a global of this name.
    made.__module__, made.__name__ = __name__, name
    return made


registry: Any = _new_registry("registry")
dispatch_registry: Any = _new_registry("dispatch_registry")

leaf_structure: Any = registry.flatten(0)[1]


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Any]:
    """The leaves of a tree, from left to right, and its structure.

    Args:
        tree: nested tuples, lists, dicts (in the order of their sorted keys), named tuples, ``None`` (a node
            without leaves) and registered classes; anything else is a leaf.
        is_leaf: makes a node on which it returns true a leaf.

    Returns:
        The leaves and a ``PyTreeDef``, whose ``unflatten(leaves)`` inverts this.

    Example:
        >>> leaves, structure = flatten({"b": 2, "a": (1, None)})
        >>> leaves
        [1, 2]
        >>> structure.unflatten([10, 20])
        {'a': (10, None), 'b': 20}
    """
    return registry.flatten(tree, is_leaf)  # type: ignore[no-any-return]


def structure_of(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The structure of a tree, a ``PyTreeDef``."""
    return registry.flatten(tree, is_leaf)[1]


def flatten_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[tuple[tuple[Any, ...], Any]], Any]:
    """As `flatten`, with the path of keys that leads to each leaf.

    Example:
        >>> [(keystr(path), leaf) for path, leaf in flatten_with_path({"a": [1, 2]})[0]]
        [("['a'][0]", 1), ("['a'][1]", 2)]
    """
    predicate = None if is_leaf is None else lambda _path, node: is_leaf(node)
    return registry.flatten_with_path(tree, predicate)  # type: ignore[no-any-return]


def flatten_one_level(tree: Any) -> tuple[list[Any], Any] | None:
    """The children and the auxiliary data of the root; None if the root is a leaf."""
    found = registry.flatten_one_level(tree)
    return None if found is None else (list(found[0]), found[1])


def tuple_structure(structures: Sequence[Any]) -> Any:
    """The structure of a tuple whose elements have these structures."""
    return pjrt.pytree.treedef_tuple(registry, list(structures))


def all_leaves(trees: Iterable[Any]) -> bool:
    """Whether every element is a leaf."""
    return bool(pjrt.pytree.all_leaves(registry, trees))


def is_node(cls: type) -> bool:
    """Whether instances of a registered class are nodes. Named tuples are nodes unregistered."""
    return bool(registry.is_node(cls))


def keystr(path: Sequence[Any], *, simple: bool = False, separator: str = "") -> str:
    """A path as Python would write the access: ``['layers'][0].weight``.

    Args:
        path: keys, as `flatten_with_path` gives them.
        simple: whether to write the keys alone, as in ``layers/0/weight``.
        separator: what stands between them.
    """
    return separator.join(map(_key_alone if simple else str, path))


def _key_alone(key: Any) -> str:
    for name in ("key", "idx", "name"):
        if hasattr(key, name):
            return str(getattr(key, name))
    return str(key)


def register_node(
    cls: type,
    flatten: Callable[[Any], Children],
    unflatten: Callable[[Any, Any], Any],
    flatten_with_keys: Callable[[Any], Children] | None = None,
    *,
    dispatch_only: bool = False,
) -> None:
    """Makes instances of a class nodes of pytrees.

    Args:
        cls: the class itself; subclasses are not included.
        flatten: instance -> (children, auxiliary data); the auxiliary data is hashable and comparable.
        unflatten: (auxiliary data, children) -> instance. The children may be anything, so it must not
            inspect them.
        flatten_with_keys: instance -> ((key, child) pairs, auxiliary data), for paths.
        dispatch_only: a node only where compiled functions take and return it, a leaf for users.

    Raises:
        TreeError: the class is registered already.
    """
    for target in (dispatch_registry,) if dispatch_only else (registry, dispatch_registry):
        try:
            target.register_node(cls, flatten, unflatten, flatten_with_keys)
        except ValueError as error:
            raise TreeError(f"{cls.__qualname__} is registered as a pytree node already") from error


def register_dataclass(
    cls: Class, data_fields: Sequence[str] | None = None, meta_fields: Sequence[str] | None = None
) -> Class:
    """Makes instances of a dataclass, or of any class with such attributes and constructor, nodes.

    Args:
        cls: the class. Unflattening calls it with every field by keyword.
        data_fields: the fields that are children; default: every field of the dataclass that takes part in
            ``__init__`` and is not marked ``field(metadata={"static": True})``.
        meta_fields: the fields that belong to the structure; hashable and comparable.

    Returns:
        The class, so that this can decorate it.

    Raises:
        TypeError: fields are left out and the class is no dataclass, or a field that ``__init__`` needs is
            in neither list.
        TreeError: the class is registered already.

    Example:
        >>> @register_dataclass
        ... @dataclasses.dataclass
        ... class Layer:
        ...     weight: float
        ...     name: str = dataclasses.field(metadata={"static": True})
        >>> flatten(Layer(1.0, "first"))[0]
        [1.0]
    """
    if dataclasses.is_dataclass(cls):
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
        if meta_fields is None:
            named = set(data_fields) if data_fields is not None else None
            meta_fields = [
                name
                for name, field in fields.items()
                if (field.metadata.get("static", False) if named is None else name not in named)
            ]
        if data_fields is None:
            data_fields = [name for name in fields if name not in set(meta_fields)]
        missing = set(fields) ^ {*data_fields, *meta_fields}
        if missing:
            raise TypeError(
                f"{cls.__qualname__}: data_fields and meta_fields together must name every field that "
                f"__init__ takes, each once; check {sorted(missing)}"
            )
    elif data_fields is None or meta_fields is None:
        raise TypeError(f"{cls.__qualname__} is no dataclass; name its data_fields and meta_fields")
    for target in (registry, dispatch_registry):
        try:
            target.register_dataclass_node(cls, list(data_fields), list(meta_fields))
        except ValueError as error:
            raise TreeError(f"{cls.__qualname__} is registered as a pytree node already") from error
    return cls


def register_static(cls: Class) -> Class:
    """Makes instances of a class nodes without leaves: part of the structure, compared by ``==``. Returns the class."""
    register_node(cls, lambda instance: ((), instance), lambda instance, _children: instance)
    return cls


def _ordered_keys(tree: Any) -> Children:
    return [(DictKey(key), value) for key, value in tree.items()], tuple(tree)


register_node(
    collections.OrderedDict,
    lambda tree: (tree.values(), tuple(tree)),
    lambda keys, values: collections.OrderedDict(zip(keys, values, strict=True)),
    _ordered_keys,
)


def _default_keys(tree: Any) -> Children:
    keys = sorted(tree)
    return [(DictKey(key), tree[key]) for key in keys], (tree.default_factory, tuple(keys))


def _default_children(tree: Any) -> Children:
    keys = sorted(tree)
    return [tree[key] for key in keys], (tree.default_factory, tuple(keys))


register_node(
    collections.defaultdict,
    _default_children,
    lambda aux, values: collections.defaultdict(aux[0], zip(aux[1], values, strict=True)),
    _default_keys,
)
