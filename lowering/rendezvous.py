"""Who is there, before the runtime's service starts: it ends the process where this one can say what is wrong.

Process 0 listens at the port that the service will have. Each other one says a line of JSON (which one it is, how many
it expects, its versions) and gets a line back, once all are there or at once if it does not fit.
"""

from __future__ import annotations

import json
import socket
import time
from typing import Any

from mycc.dialects.errors import DistributedError

__all__ = ["meet"]

_LONGEST = 4096


def meet(address: str, count: int, index: int, version: str, seconds: float) -> None:
    """Wait until all processes are there.

    Args:
        address: ``host:port`` of process 0.
        count: how many there are.
        index: which one this is.
        version: what all must have.
        seconds: how long to wait.

    Raises:
        DistributedError: some did not come, this one does not fit, or there is nobody at the address.
    """
    deadline = time.monotonic() + seconds
    if index == 0:
        _gather(address, count, version, seconds, deadline)
    else:
        _report(address, count, index, version, seconds, deadline)


def _gather(address: str, count: int, version: str, seconds: float, deadline: float) -> None:
    port = int(address.rpartition(":")[2])
    try:
        listener = socket.create_server(("", port), reuse_port=False)
    except OSError as error:
        raise DistributedError(
            f"process 0 cannot listen at port {port}, as {address} says ({error.strerror}); choose a free port"
        ) from error
    there: dict[int, socket.socket] = {}
    refused: list[str] = []
    try:
        with listener:
            while len(there) < count - 1:
                listener.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    raise DistributedError(_missing(address, count, there, refused, seconds)) from None
                hello = _read(connection, deadline)
                wrong = _complaint(hello, count, version, there)
                if wrong is None:
                    there[hello["index"]] = connection
                    continue
                refused.append(wrong)
                _say(connection, {"error": wrong})
                connection.close()
        for connection in there.values():
            _say(connection, {})
    finally:
        for connection in there.values():
            connection.close()


def _complaint(hello: Any, count: int, version: str, there: dict[int, socket.socket]) -> str | None:
    if not isinstance(hello, dict) or not isinstance(hello.get("index"), int):
        return "it is no process of mycc"
    index = hello["index"]
    if hello.get("count") != count:
        return f"process {index} expects {hello.get('count')} processes, and process 0 {count}"
    if not 0 < index < count:
        return f"there is no process {index} of {count}"
    if index in there:
        return f"two processes have the number {index}; give each a process_id of its own"
    if hello.get("version") != version:
        return f"process {index} has {hello.get('version')}, and process 0 {version}; install the same versions for all"
    return None


def _missing(
    address: str, count: int, there: dict[int, socket.socket], refused: list[str], seconds: float
) -> str:
    missing = [i for i in range(1, count) if i not in there]
    text = (
        f"process 0 waited {seconds:g} s at {address}, and of {count} processes {missing} did not come; check that they were "
        "started, and the address and the number that they were given"
    )
    return f"{text} (refused: {'; '.join(refused)})" if refused else text


def _report(address: str, count: int, index: int, version: str, seconds: float, deadline: float) -> None:
    host, _, port = address.rpartition(":")
    answer: Any = None
    while answer is None:
        if time.monotonic() > deadline:
            raise DistributedError(
                f"process {index} of {count} waited {seconds:g} s for process 0 at {address}, and nobody answered; check the "
                "address, and that process 0 was started"
            )
        try:
            with socket.create_connection(
                (host, int(port)), timeout=max(0.1, deadline - time.monotonic())
            ) as server:
                _say(server, {"index": index, "count": count, "version": version})
                answer = _read(server, deadline)
        except OSError:
            time.sleep(0.1)
    if answer == {}:
        return
    reason = answer.get("error") if isinstance(answer, dict) else "what answers there is no process of mycc"
    raise DistributedError(f"process {index} of {count} was refused at {address}: {reason}")


def _say(connection: socket.socket, what: Any) -> None:
    try:
        connection.sendall(json.dumps(what).encode() + b"\n")
    except OSError:
        # Whoever went away meanwhile is found missing by the runtime.
        return


def _read(connection: socket.socket, deadline: float) -> Any:
    """A line of JSON; None if nothing more comes, and what is no JSON as its text."""
    data = b""
    try:
        while not data.endswith(b"\n") and len(data) < _LONGEST:
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            more = connection.recv(_LONGEST)
            if not more:
                break
            data += more
    except OSError:
        return None
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode(errors="replace")
