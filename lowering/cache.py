"""Compiled programs on the disk, for the next process: what is kept, under which key, where.

``MYCC_COMPILATION_CACHE=0`` switches it off, ``MYCC_CACHE_DIR`` names the folder, ``MYCC_CACHE_SIZE`` (``500M``,
``2G``) its size. A program is found by the module without its locations, and all else that XLA makes it from: options,
versions, devices, the features of the processor. So a line that moves changes nothing, and what another machine
compiled is never loaded. Names of lines in the HLO text of a program that was loaded are those of the text it was
compiled from.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mycc.dialects.leaving import long_call
from mycc.dialects.mlir import ir
from mycc.dialects.version import VERSION
from mycc.lowering import pjrt
from mycc.lowering.handover import Handover
from mycc.lowering.settings import CompileSettings, flags_of, refused
from mycc.lowering.store import Store, warn_once
from mycc.lowering.switches import switched_on
from mycc.passes.instrument import Instrumentation
from mycc.passes.pipeline import Pipeline
from mycc.passes.symbols import copy_module

__all__ = ["WORTH", "Entry", "bypassed", "entry_of"]

# Seconds of compiling below which a program is not kept. Loading one costs 1.5 ms and up, an eighth of compiling it.
WORTH = 0.005

# To be raised when `xla_options` changes in anything but flags.
_FORMAT = "1"
_SIZE = 1 << 30
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_STRIP = Pipeline(["strip-debuginfo"])
_QUIET = Instrumentation()
# What the runtime reads beside its options.
_VARIABLES = ("XLA_FLAGS", "TF_XLA_FLAGS", "LIBTPU_INIT_ARGS", "NPROC", "PJRT_NPROC", "NVIDIA_TF32_OVERRIDE")

_bypassing: list[None] = []


@contextlib.contextmanager
def bypassed() -> Iterator[None]:
    """Compile everything anew meanwhile, in all threads."""
    _bypassing.append(None)
    try:
        yield
    finally:
        _bypassing.pop()


class Entry:
    """The place of one program in the cache.

    Args:
        store: the files.
        name: the program's key.
        devices: where it runs.
    """

    def __init__(self, store: Store, name: str, devices: Sequence[Any]) -> None:
        self.store = store
        self.name = name
        self.devices = devices

    def load(self, options: Callable[[], Any]) -> Any:
        """The program, loaded on its devices; None if the cache does not have it.

        Args:
            options: gives the runtime's `CompileOptions`, without flags that were refused meanwhile.
        """
        data = self.store.get(self.name)
        if data is None:
            return None
        where = pjrt.DeviceList(tuple(self.devices))
        while True:
            try:
                with long_call():
                    return pjrt.deserialize(self.devices[0].client, data, where, options())
            except (pjrt.XlaRuntimeError, ValueError, RuntimeError) as error:
                if not refused(error):
                    self.store.reject(self.name, f"cannot be loaded ({error})")
                    return None

    def keep(self, loaded: Any) -> None:
        """Write a program, if the backend can (those that use oneDNN it cannot)."""
        try:
            with long_call():
                data = bytes(loaded.serialize())
        except (pjrt.XlaRuntimeError, ValueError, RuntimeError):
            return
        self.store.put(self.name, data)


def entry_of(
    module: ir.Module, devices: Sequence[Any], options: CompileSettings, handover: Handover
) -> Entry | None:
    """Where a program is kept; None if it is not.

    Args:
        module: what XLA is about to get. It calls no Python function: those are of one process.
        devices: where it runs.
        options: mycc's settings.
        handover: what of XLA's passes and flags it asks for.
    """
    store = _store()
    machine = _machine()
    if store is None or machine is None:
        return None
    flags = flags_of(options, devices, handover.disabled, handover.flags)
    # Whoever asks for dumps wants XLA to write them.
    if any(name.startswith("xla_dump") for name, _ in flags) or "xla_dump" in os.environ.get("XLA_FLAGS", ""):
        return None
    client = devices[0].client
    here = client.process_index()
    if any(device.process_index != here for device in client.devices()):
        return None
    described = (
        _FORMAT,
        machine,
        client.platform,
        client.platform_version,
        [(device.id, device.device_kind) for device in client.devices()],
        [device.id for device in devices],
        options.num_replicas,
        sorted((name, repr(value)) for name, value in flags),
    )
    digest = hashlib.blake2b(repr(described).encode(errors="surrogateescape"), digest_size=20)
    digest.update(_content(module))
    return Entry(store, digest.hexdigest(), devices)


def _content(module: ir.Module) -> bytes:
    """A module as bytecode, without its locations."""
    bare = copy_module(module)
    _STRIP.run(bare, instrumentation=_QUIET, verify=False)
    buffer = io.BytesIO()
    bare.operation.write_bytecode(buffer)
    return buffer.getvalue()


def _store() -> Store | None:
    if _bypassing or not switched_on("MYCC_COMPILATION_CACHE", default=True):
        return None
    folder = os.environ.get("MYCC_CACHE_DIR", "").strip()
    folder = os.path.abspath(os.path.expanduser(folder)) if folder else _default_folder()
    size = _size(os.environ.get("MYCC_CACHE_SIZE", ""))
    return Store(folder, size) if folder and size else None


def _default_folder() -> str:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    # Without a home there is no place of the user's own.
    return os.path.join(base, "mycc") if os.path.isabs(base) else ""


def _size(text: str) -> int:
    """A number of bytes: ``1000000``, ``500M``, ``1.5GiB``; binary units."""
    if not text.strip():
        return _SIZE
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", text.strip().upper())
    if found is None:
        warn_once(f"MYCC_CACHE_SIZE={text!r} is no size such as 500M or 2G; 1G is taken")
        return _SIZE
    return int(float(found[1]) * _UNITS[found[2]])


@functools.cache
def _machine() -> str | None:
    """All of this process that compiled code depends on, as text; None where that is not known.

    Read once: the runtime reads its part of it once, too.
    """
    processor = _processor()
    flags = os.environ.get("XLA_FLAGS", "").strip()
    if processor is None or (flags and not flags.startswith("-")):
        # Flags may also be the name of a file that holds them.
        return None
    threads = len(os.sched_getaffinity(0))
    variables = [os.environ.get(name) for name in _VARIABLES]
    return repr((VERSION, pjrt.jaxlib_version, processor, threads, variables, os.geteuid()))


def _processor() -> tuple[str, ...] | None:
    """What the processor is and can do, as Linux tells it; None elsewhere."""
    if sys.platform != "linux":
        return None
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return _described(file)
    except OSError:
        return None


# On x86 and on ARM. LLVM chooses instructions by the features, and their order by the model.
_TELLING = frozenset(
    "vendor_id|cpu family|model|model name|stepping|flags|CPU implementer|CPU architecture|CPU variant|CPU part|Features".split(
        "|"
    )
)


def _described(lines: Iterator[str] | Any) -> tuple[str, ...] | None:
    found: list[str] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            # The other processors are as the first.
            break
        if name.strip() in _TELLING:
            found.append(f"{name.strip()}={value.strip()}")
    features = any(text.startswith(("flags=", "Features=")) for text in found)
    return (os.uname().machine, *found) if features else None
