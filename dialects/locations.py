"""Locations of operations as users read them: the line of their Python program."""

from __future__ import annotations

import re
from collections.abc import Callable

from mycc.dialects.mlir import ir

__all__ = ["at_line", "describe", "describe_function", "find_line_by"]

_line: Callable[[], str] | None = None


def find_line_by(find: Callable[[], str]) -> None:
    """Says how `at_line` finds the line of the user's program that is running; the frontend knows."""
    global _line
    _line = find


def at_line() -> str:
    """``file:line: `` of the user's program, for the messages of classes that users make themselves."""
    return "" if _line is None else f"{_line()}: "


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
