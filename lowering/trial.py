"""Reading bytecode that may be damaged: first in a process that may crash.

MLIR checks little of what it reads as bytecode: a flipped byte ends the process as often as it is an error. So
another process reads it first. What has been read once is not tried again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import mycc
from mycc.dialects.errors import ModuleError
from mycc.lowering.sources import Source, check_strings, parse_module

__all__ = ["attempt", "try_bytecode"]

_READABLE: set[bytes] = set()
_SECONDS = 600
# The package without its `__init__`, which loads all that reading takes no part of.
_COMMAND = """
import sys, types
package = types.ModuleType("mycc")
package.__path__ = sys.argv[1:]
sys.modules["mycc"] = package
from mycc.lowering.trial import attempt
attempt()
"""
_NAME = "bytecode-under-trial"


def try_bytecode(source: Source) -> None:
    """Refuse bytecode that cannot be read.

    Raises:
        ModuleError: with what MLIR says of it, or that it crashed.
    """
    data = source.text
    if not isinstance(data, bytes) or not sys.executable:
        return
    digest = hashlib.blake2b(data, digest_size=20).digest()
    if digest in _READABLE:
        return
    try:
        done = subprocess.run(
            [sys.executable, "-c", _COMMAND, *mycc.__path__],
            input=data,
            capture_output=True,
            timeout=_SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModuleError(f"{source.name}: error: the bytecode could not be tried out: {error}") from None
    verdict = done.stdout.decode(errors="replace")
    if done.returncode or not verdict:
        raise ModuleError(f"{source.name}: error: damaged bytecode, on which MLIR's reader crashes")
    if verdict != "readable":
        raise ModuleError(verdict.replace(_NAME, source.name))
    _READABLE.add(digest)


def attempt() -> None:
    """Read bytecode from standard input, and say on standard output how that went."""
    source = Source(_NAME, sys.stdin.buffer.read())
    try:
        module = parse_module(source)
        text = str(module.operation.get_asm(large_elements_limit=16, enable_debug_info=True))
        check_strings(Source(_NAME, text))
    except ModuleError as error:
        verdict = str(error)
    else:
        verdict = "readable"
    sys.stdout.buffer.write(verdict.encode(errors="replace"))
    sys.stdout.flush()
    # A damaged module may crash once more when it is destroyed.
    os._exit(0)
