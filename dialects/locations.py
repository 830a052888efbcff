"""Locations of operations as users read them: the line of their Python program."""

from __future__ import annotations

import re

from mycc.dialects.mlir import ir

__all__ = ["describe", "describe_function"]

_FILE = re.compile(r'"((?:[^"\\]|\\.)*)":(\d+)(?::(\d+))?')


def describe(location: ir.Location) -> str:
    """``file:line`` of a location (the innermost one that names a file), or ``unknown location``."""
    found = _FILE.search(str(location))
    return f"{found[1]}:{found[2]}" if found else "unknown location"


_NAMED = re.compile(r'"((?:[^"\\]|\\.)*)"\("((?:[^"\\]|\\.)*)":(\d+)')


def describe_function(location: ir.Location) -> str:
    """As `describe`, with the Python function where the location names one: ``file:line (in f)``."""
    found = _NAMED.search(str(location))
    return f"{found[2]}:{found[3]} (in {found[1]})" if found else describe(location)
