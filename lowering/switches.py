"""Switches of the environment: variables that are on or off."""

from __future__ import annotations

import os

__all__ = ["switched_on"]

_OFF = frozenset({"0", "false", "no", "off"})


def switched_on(name: str, *, default: bool) -> bool:
    """Whether the variable ``name`` is on; what is empty or unset is ``default``, and ``0``, ``no`` and so on are off."""
    text = os.environ.get(name, "").strip().lower()
    return text not in _OFF if text else default
