"""Several processes that compute together: jaxlib's runtime service finds them to each other and watches over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mycc.dialects.errors import DistributedError
from mycc.lowering import pjrt

__all__ = ["Processes", "join", "leave", "processes"]


@dataclass(frozen=True)
class Processes:
    """This process among the others.

    Args:
        client: the runtime's client of the service, for the device clients that are made later.
        service: the service itself, in the process that runs it.
        count: how many there are.
        index: which one this is.
    """

    client: Any
    service: Any
    count: int
    index: int


_joined: list[Processes] = []


def processes() -> Processes | None:
    """The processes that were joined; None where there is but this one."""
    return _joined[0] if _joined else None


def join(
    address: str, count: int, index: int, *, start_timeout: int, heartbeat_timeout: int, version: str
) -> None:
    """Meet the other processes, and wait until all are there.

    When one dies later, the runtime ends this process: what waits for the other would wait for ever.

    Args:
        address: ``host:port`` of process 0, which runs the service.
        count: the number of processes.
        index: of this one.
        start_timeout: seconds to wait for the others.
        heartbeat_timeout: seconds without a sign of life after which a process counts as dead.
        version: what has to be the same in all of them.

    Raises:
        DistributedError: some did not come, one came twice, or one has another version.
    """
    # Most programs are one process, which need not wait for the import.
    from mycc.lowering.rendezvous import meet

    meet(address, count, index, version, start_timeout)
    service = None
    if index == 0:
        service = pjrt.distributed_service(
            f"[::]:{address.rpartition(':')[2]}",
            count,
            heartbeat_timeout=heartbeat_timeout,
            cluster_register_timeout=start_timeout,
            shutdown_timeout=start_timeout,
        )
    client = pjrt.distributed_client(
        address,
        index,
        init_timeout=start_timeout,
        heartbeat_timeout=heartbeat_timeout,
        shutdown_timeout=start_timeout,
        # At its end a process that left in a hurry would wait for the others, which may wait for it.
        shutdown_on_destruction=False,
        use_compression=True,
    )
    client.connect()
    _joined.append(Processes(client, service, count, index))


def leave() -> None:
    """Part from the others, once all of them do."""
    if not _joined:
        return
    joined = _joined.pop()
    try:
        joined.client.shutdown()
    except pjrt.XlaRuntimeError as error:
        raise DistributedError(
            f"process {joined.index} of {joined.count} could not part from the others: {_first_line(error)}"
        ) from error
    if joined.service is not None:
        joined.service.shutdown()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
