"""Finds the PJRT plugins that are installed, without importing them: their Python modules import jax."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pathlib
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
    for entry in importlib.metadata.entry_points(group="jax_plugins"):
        module = entry.value.partition(":")[0]
        for folder in _folders(module):
            yield from _library_in(folder, _platform_of(module.rpartition(".")[2]))


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
