"""What ``MYCC_LOG`` asks for, on stderr: a list of ``recompiles`` and ``promotion``, with commas."""

from __future__ import annotations

import os
import sys

__all__ = ["asked", "write"]


def asked(topic: str) -> bool:
    """Whether ``MYCC_LOG`` names a topic."""
    return topic in os.environ.get("MYCC_LOG", "").replace(" ", "").split(",")


def write(text: str) -> None:
    """Write a line for a topic that was asked for; a process without stderr (a Windows service) loses it."""
    if sys.stderr is not None:
        print(f"mycc: {text}", file=sys.stderr, flush=True)
