"""MLIR's diagnostics in the form that compilers print: ``file:line:col: error: message``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mycc.dialects.mlir import ir

__all__ = ["format_diagnostic", "format_error", "format_location", "location_parts"]

# Locations are nested in many ways (names, call sites, fusions) that differ between versions of the
# bindings; in all of them the first file position printed is the innermost one: the user's line.
_POSITION = re.compile(r'"((?:[^"\\]|\\.)*)":(\d+):(\d+)')


def location_parts(location: ir.Location) -> tuple[str, int, int] | None:
    """Returns file, line and column of the innermost file position, or None for an unknown location."""
    match = _POSITION.search(str(location))
    return (match[1], int(match[2]), int(match[3])) if match else None


def format_location(location: ir.Location) -> str:
    """Returns ``file:line:col``, or ``<unknown>``."""
    parts = location_parts(location)
    return f"{parts[0]}:{parts[1]}:{parts[2]}" if parts else "<unknown>"


def format_diagnostic(diagnostic: Any, severity: str | None = None) -> str:
    """Returns a diagnostic (``ir.Diagnostic`` or ``ir.DiagnosticInfo``) and its notes, one a line."""
    kind = severity or diagnostic.severity.name.lower()
    lines = [f"{format_location(diagnostic.location)}: {kind}: {diagnostic.message}"]
    lines += [format_diagnostic(note, "note") for note in diagnostic.notes]
    return "\n".join(lines)


def format_error(error: Any) -> str:
    """Returns the diagnostics of an ``ir.MLIRError``, or its message where it carries none."""
    diagnostics: Iterable[Any] = error.error_diagnostics
    return "\n".join(map(format_diagnostic, diagnostics)) or str(error.message)
