"""Finds the PJRT plugins that are installed, without importing them: their Python modules import jax."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import sys
from collections.abc import Iterator

__all__ = ["ALIASES", "find_plugins", "platform_name"]

ALIASES = {"gpu": "cuda"}

# Module name in the namespace package `jax_plugins` (or beside it) -> platform it provides.
_KNOWN = {"xla_cuda13": "cuda", "xla_cuda12": "cuda", "libtpu": "tpu"}


def platform_name(name: str) -> str:
    """The canonical name of a platform: lower case, ``gpu`` meaning ``cuda``."""
    lowered = name.strip().lower()
    return ALIASES.get(lowered, lowered)


def find_plugins() -> dict[str, str]:
    """Maps each platform for which a plugin is installed to the path of its shared library.

    Looked up in this order, the first winning for a platform: the variable
    ``PJRT_NAMES_AND_LIBRARY_PATHS`` (``name:path,name:path``), ``TPU_LIBRARY_PATH``, the ``libtpu``
    package, the namespace package ``jax_plugins``, and the entry points of the group ``jax_plugins``.
    """
    found: dict[str, str] = {}
    for name, library in (*_from_environment(), *_from_packages()):
        found.setdefault(platform_name(name), library)
    return found


def _from_environment() -> Iterator[tuple[str, str]]:
    for entry in os.environ.get("PJRT_NAMES_AND_LIBRARY_PATHS", "").split(","):
        name, separator, path = entry.partition(":")
        if separator:
            yield name, path
    tpu = os.environ.get("TPU_LIBRARY_PATH")
    if tpu:
        yield "tpu", tpu


def _from_packages() -> Iterator[tuple[str, str]]:
    for folder in _folders("libtpu"):
        yield from _library_in(folder, "tpu", "libtpu.so")
    for namespace in _folders("jax_plugins"):
        for folder in sorted(namespace.iterdir(), reverse=True) if namespace.is_dir() else ():
            yield from _library_in(folder, _platform_of(folder.name))
    for module in _entry_points():
        for folder in _folders(module):
            yield from _library_in(folder, _platform_of(module.rpartition(".")[2]))


def _entry_points() -> list[str]:
    """The modules that installed packages name as plugins."""
    # The library that reads them takes longer to import than a small program to run, and most have none.
    if not any(
        _names_plugins(path)
        for folder in sys.path
        for path in pathlib.Path(folder).glob("*-info/entry_points.txt")
    ):
        return []
    from importlib.metadata import entry_points

    return [entry.value.partition(":")[0] for entry in entry_points(group="jax_plugins")]


def _names_plugins(path: pathlib.Path) -> bool:
    try:
        return b"[jax_plugins]" in path.read_bytes()
    except OSError:
        return False


def _platform_of(module: str) -> str:
    return _KNOWN.get(module) or module.removeprefix("xla_").rstrip("0123456789")


def _folders(module: str) -> list[pathlib.Path]:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return []
    return [pathlib.Path(p) for p in (spec.submodule_search_locations or ())] if spec else []


def _library_in(folder: pathlib.Path, platform: str, name: str | None = None) -> Iterator[tuple[str, str]]:
    patterns = (name,) if name else ("*plugin*.so", "*pjrt*.so")
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            yield platform, str(path)
            return
