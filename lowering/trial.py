"""Reading what MLIR may crash on: first in a process that may crash.

MLIR checks little of what it reads as bytecode: a flipped byte ends the process as often as it is an error. So
another process reads it first, and text that holds what MLIR's parser or verifiers are known to crash on. What has
been read once is not tried again.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys

import mycc
from mycc.dialects.errors import ModuleError
from mycc.lowering.sources import Source, check_nesting, check_strings, parse_module, source_of

__all__ = ["attempt", "try_out"]

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
_NAME = "source-under-trial"
# Quantized and bounded types, complex numbers where the type may be another, groups of devices without any, dimensions
# before the first.
_TREACHEROUS = re.compile(
    r"quant\.|bounds|dense<\[*\(|tensor<(?:\d+x)*0x(?:\d+x)*i64>|broadcast_dimensions\s*=\s*array<i64:[^>]*-"
)


def try_out(source: Source) -> None:
    """Refuse bytecode, and text, that cannot be read.

    Raises:
        ModuleError: with what MLIR says of it, or that it crashed.
    """
    data = source.text
    if isinstance(data, str):
        if not _TREACHEROUS.search(data):
            return
        check_nesting(source)
        # Lines before it count.
        data = ("\n" * source.line + data).encode()
    if not sys.executable:
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
        raise ModuleError(f"{source.name}: error: it could not be tried out: {error}") from None
    verdict = done.stdout.decode(errors="replace")
    if done.returncode or not verdict:
        what = "damaged bytecode" if isinstance(source.text, bytes) else "text"
        raise ModuleError(f"{source.name}: error: {what}, on which MLIR's reader crashes")
    if verdict != "readable":
        raise ModuleError(verdict.replace(_NAME, source.name))
    _READABLE.add(digest)


def attempt() -> None:
    """Read a module from standard input, and say on standard output how that went."""
    try:
        source = source_of(_NAME, sys.stdin.buffer.read())
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
