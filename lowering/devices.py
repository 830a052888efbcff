"""Devices and the PJRT clients that hold them, made when they are first asked for.

``MYCC_PLATFORMS=cuda,cpu`` names the platforms to use, best first; without it every installed plugin is
tried and the CPU comes last. ``MYCC_NUM_CPU_DEVICES`` gives the CPU several devices. How a GPU's memory is taken: see
`mycc.lowering.memory`.
"""

from __future__ import annotations

import functools
import os
import threading
import warnings
from typing import Any

from mycc.dialects.errors import DeviceError
from mycc.lowering import pjrt
from mycc.lowering.distributed import processes
from mycc.lowering.memory import memory_options
from mycc.lowering.plugins import find_plugins, platform_name

__all__ = [
    "client",
    "default_device",
    "devices",
    "platform_of",
    "platforms",
    "several_devices",
    "started",
    "sharding_of",
]

# Best first: where a plugin is installed, it was installed to be used.
_PREFERENCE = ("tpu", "cuda", "rocm")

_lock = threading.RLock()
_clients: dict[str, Any] = {}
_failures: dict[str, str] = {}

# True in a truth test once this process holds more than one device: only then need a call look at where its
# arguments are.
several_devices: list[bool] = []


def _requested() -> tuple[str, ...] | None:
    text = os.environ.get("MYCC_PLATFORMS", "").strip()
    return tuple(platform_name(name) for name in text.split(",") if name.strip()) if text else None


@functools.cache
def platforms() -> tuple[str, ...]:
    """The platforms that can be used in this process, best first.

    Raises:
        DeviceError: ``MYCC_PLATFORMS`` names a platform that is not there or does not start.
    """
    requested = _requested()
    if requested is not None:
        for name in requested:
            client(name)
        return requested
    installed = find_plugins()
    order = sorted(installed, key=lambda name: _PREFERENCE.index(name) if name in _PREFERENCE else 99)
    usable = [name for name in order if _usable(name)]
    return (*usable, "cpu")


def _usable(name: str) -> bool:
    try:
        client(name)
    except DeviceError as error:
        warnings.warn(
            f"{error} Falling back to the next platform; set MYCC_PLATFORMS=cpu to silence this.",
            RuntimeWarning,
            stacklevel=4,
        )
        return False
    return True


def client(platform: str | None = None) -> Any:
    """The PJRT client of a platform (default: the best one), made on first use.

    Raises:
        DeviceError: no such platform, or its plugin does not start; the message says why.
    """
    name = platforms()[0] if platform is None else platform_name(platform)
    found = _clients.get(name)
    if found is not None:
        return found
    with _lock:
        if name in _failures:
            raise DeviceError(_failures[name])
        if name not in _clients:
            try:
                _clients[name] = _make_client(name)
                if sum(len(made.devices()) for made in _clients.values()) > 1:
                    several_devices.append(True)
            except DeviceError as error:
                _failures[name] = str(error)
                raise
        return _clients[name]


def started() -> bool:
    """Whether a client was made, so that what devices there are can no longer change."""
    return bool(_clients)


def _make_client(name: str) -> Any:
    if name == "cpu":
        return pjrt.make_cpu_client(_cpu_device_count(), processes())
    library = find_plugins().get(name)
    if library is None:
        raise DeviceError(
            f"no PJRT plugin for the platform {name!r} is installed; install one "
            "(pip install 'mycc[cuda13]' or 'mycc[tpu]') or choose another with MYCC_PLATFORMS=cpu"
        )
    memory = memory_options()
    try:
        made = pjrt.make_plugin_client(name, library, processes(), memory)
    except Exception as error:
        raise DeviceError(f"the PJRT plugin for {name!r} at {library} does not start: {error}.") from error
    if not made.devices():
        raise DeviceError(f"the PJRT plugin for {name!r} at {library} finds no device.")
    return made


def _cpu_device_count() -> int:
    text = os.environ.get("MYCC_NUM_CPU_DEVICES", "1")
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise DeviceError(f"MYCC_NUM_CPU_DEVICES={text!r} is not a number of devices; give 1 or more")
    return count


def devices(platform: str | None = None) -> list[Any]:
    """The devices of a platform; of the best one if none is named.

    Args:
        platform: ``cpu``, ``cuda`` (or ``gpu``), ``tpu``, or the name of another installed plugin.

    Raises:
        DeviceError: no such platform, or its plugin does not start.

    Example:
        >>> devices("cpu")[0].platform
        'cpu'
    """
    return list(client(platform).devices())


@functools.cache
def default_device() -> Any:
    """The device that holds arrays whose place nobody chose: the first of the best platform."""
    return client().local_devices()[0]


def platform_of(device: Any) -> str:
    """The canonical name of a device's platform."""
    name = platform_name(device.platform)
    return (
        name
        if name in _clients
        else next((known for known, made in _clients.items() if made is device.client), name)
    )


_REPLICATED = pjrt.HloSharding.replicate()


def _replicated(_num_dimensions: int) -> Any:
    return _REPLICATED


@functools.cache
def sharding_of(device: Any) -> Any:
    """The sharding of an array that lives on one device.

    One object per device, so that the C++ dispatcher compares it by identity.
    """
    sharding = pjrt.SingleDeviceSharding(device)
    # The C++ side asks every sharding for these two; on the class they exist only once jax is imported.
    sharding._to_xla_hlo_sharding = _replicated
    if not hasattr(sharding, "memory_kind"):
        sharding.memory_kind = sharding._memory_kind
    return sharding
