"""How a GPU's client takes memory: settings of the environment as options of its PJRT plugin.

- ``MYCC_MEM_FRACTION=0.5``: the part of a GPU's memory that the process may take (without it XLA's own, 0.75).
- ``MYCC_PREALLOCATE=0``: take it as it is needed, and not at once.
- ``MYCC_ALLOCATOR``: ``bfc`` (XLA's own, the default), ``cuda_async`` (CUDA's pool), ``platform`` (each array by itself,
  which is slow and frees at once), or ``vmm``.

They are read when a GPU is first asked for, and mean nothing to the host and to TPUs. XLA's own variables
(``XLA_CLIENT_MEM_FRACTION``, ``XLA_PYTHON_CLIENT_PREALLOCATE``, ``XLA_PYTHON_CLIENT_ALLOCATOR``) work as well; mycc's come
before them.
"""

from __future__ import annotations

import math
import os
from typing import Any

from mycc.dialects.errors import DeviceError

__all__ = ["memory_options"]

_ALLOCATORS = ("default", "platform", "bfc", "cuda_async", "vmm")
_FLAGS = {"1": True, "true": True, "0": False, "false": False}


def memory_options() -> dict[str, Any]:
    """What the environment says, under the plugin's names: ``allocator``, ``memory_fraction``, ``preallocate``.

    Raises:
        DeviceError: a variable has a value that makes no sense.
    """
    found: dict[str, Any] = {}
    fraction = os.environ.get("MYCC_MEM_FRACTION", "").strip()
    if fraction:
        found["memory_fraction"] = _fraction(fraction)
    preallocate = os.environ.get("MYCC_PREALLOCATE", "").strip()
    if preallocate:
        if preallocate.lower() not in _FLAGS:
            raise DeviceError(f"MYCC_PREALLOCATE={preallocate!r} is neither 1 nor 0")
        found["preallocate"] = _FLAGS[preallocate.lower()]
    allocator = os.environ.get("MYCC_ALLOCATOR", "").strip()
    if allocator:
        if allocator.lower() not in _ALLOCATORS:
            raise DeviceError(f"MYCC_ALLOCATOR={allocator!r} is none of {', '.join(_ALLOCATORS)}")
        found["allocator"] = allocator.lower()
    return found


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise DeviceError(
            f"MYCC_MEM_FRACTION={text!r} is no part of a GPU's memory; give a number above 0 and up to 1"
        )
    return value
