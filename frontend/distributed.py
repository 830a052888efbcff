"""`mycc.distributed`: one program in several processes, each with its own devices."""

from __future__ import annotations

import os

import numpy as np

from mycc.dialects.errors import DistributedError
from mycc.dialects.version import VERSION
from mycc.lowering import distributed as _distributed
from mycc.lowering import pjrt
from mycc.lowering.devices import started
from mycc.source import user_line

__all__ = ["initialize", "is_initialized", "shutdown"]


def initialize(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    initialization_timeout: int = 60,
    heartbeat_timeout: int = 30,
) -> None:
    """Join this process to the others of a program. To be called before anything is computed.

    Afterwards `mycc.devices` are those of all processes, in the same order in each, and `mycc.local_devices` its own.
    All processes must run the same programs in the same order. When one dies, the others end with an error within
    ``heartbeat_timeout`` seconds and a few more.

    Args:
        coordinator_address: ``host:port`` of process 0, with a port that is free there.
        num_processes: how many processes there are.
        process_id: which one this is, from 0.
        initialization_timeout: seconds to wait for the others.
        heartbeat_timeout: seconds without a sign of life after which a process counts as dead.

    What is not given comes from ``MYCC_COORDINATOR``, ``MYCC_NUM_PROCESSES`` and ``MYCC_PROCESS_ID``, which
    ``mycc run-distributed`` sets.

    Raises:
        DistributedError: devices are in use already, the others do not come in time, one has another version, or two
            have the same number.
    """
    address = coordinator_address or os.environ.get("MYCC_COORDINATOR")
    count = _number("num_processes", num_processes, "MYCC_NUM_PROCESSES")
    index = _number("process_id", process_id, "MYCC_PROCESS_ID")
    if not address or count is None or index is None:
        raise DistributedError(
            f"{user_line()}: distributed.initialize needs coordinator_address, num_processes and process_id; pass them, or "
            "start the script with `mycc run-distributed -n N script.py`"
        )
    if not address.rpartition(":")[0] or not address.rpartition(":")[2].isdigit():
        raise DistributedError(f"{user_line()}: the coordinator's address is host:port, got {address!r}")
    if not 0 <= index < count:
        raise DistributedError(f"{user_line()}: there is no process {index} of {count}; they count from 0")
    if is_initialized():
        raise DistributedError(f"{user_line()}: this process has joined the others already")
    if started():
        raise DistributedError(
            f"{user_line()}: devices are in use already; call distributed.initialize before anything is computed or placed"
        )
    try:
        _distributed.join(
            address,
            count,
            index,
            start_timeout=initialization_timeout,
            heartbeat_timeout=heartbeat_timeout,
            version=f"mycc {VERSION} with jaxlib {pjrt.jaxlib_version} and NumPy {np.__version__}",
        )
    except DistributedError as error:
        raise DistributedError(f"{user_line()}: {error}") from error


def _number(name: str, given: int | None, variable: str) -> int | None:
    text = os.environ.get(variable)
    if given is not None or text is None:
        return given
    try:
        return int(text)
    except ValueError:
        raise DistributedError(f"{user_line()}: {variable}={text!r} is no {name}") from None


def is_initialized() -> bool:
    """Whether this process has joined others."""
    return _distributed.processes() is not None


def shutdown() -> None:
    """Part from the other processes; waits until all of them do.

    Raises:
        DistributedError: some do not.
    """
    _distributed.leave()
