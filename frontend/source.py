"""Which line of the user's program asked for an operation."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from types import CodeType, FrameType

from mycc.dialects.locations import find_line_by
from mycc.dialects.mlir import context, ir, unknown

__all__ = ["user_line", "user_location"]

_HERE = os.path.dirname(os.path.abspath(__file__))
_OWN = tuple(
    {
        os.path.join(root, "")
        for folder in ("", "dialects", "passes", "lowering", "tools")
        for root in (os.path.join(_HERE, folder), os.path.realpath(os.path.join(_HERE, folder)))
    }
)
_WRAPPERS = (contextlib.__file__, functools.__file__)
_SKIPPED: dict[CodeType, bool] = {}
_LOCATIONS: dict[tuple[CodeType, int], ir.Location] = {}


def _is_own(code: CodeType) -> bool:
    found = _SKIPPED.get(code)
    if found is None:
        name = code.co_filename
        found = _SKIPPED[code] = name.startswith((*_OWN, "<frozen")) or name in _WRAPPERS
    return found


def _user_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and _is_own(frame.f_code):
        frame = frame.f_back
    return frame


def user_location() -> ir.Location:
    """The MLIR location of the innermost frame that is not mycc's own."""
    frame = _user_frame()
    if frame is None:
        return unknown
    key = (frame.f_code, frame.f_lasti)
    found = _LOCATIONS.get(key)
    if found is None:
        code, line = frame.f_code, frame.f_lineno
        column = next(
            (p[2] for i, p in enumerate(code.co_positions()) if i * 2 == frame.f_lasti and p[2] is not None),
            0,
        )
        place = ir.Location.file(code.co_filename, line, column + 1, context=context)
        found = _LOCATIONS[key] = ir.Location.name(code.co_name, place, context=context)
    return found


def user_line() -> str:
    """``file:line`` of the innermost frame that is not mycc's own, for error messages."""
    frame = _user_frame()
    return "<unknown>" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


find_line_by(user_line)
