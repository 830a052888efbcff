"""Where arrays are: `devices`, `device_put`, `device_get`, `block_until_ready`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.array import Array
from mycc.dialects.errors import DeviceError
from mycc.lowering import buffers, pytrees
from mycc.lowering import devices as _devices
from mycc.source import user_line
from mycc.trace import Tracer
from mycc.types import abstractify

__all__ = [
    "Placement",
    "block_until_ready",
    "default_backend",
    "device_get",
    "device_put",
    "devices",
    "placement",
]


def devices(platform: str | None = None) -> list[Any]:
    """The devices of a platform (``cpu``, ``cuda``, ``tpu``), by default of the best one there is.

    Raises:
        DeviceError: there is no such platform, or its plugin does not start.

    Example:
        >>> import mycc
        >>> mycc.devices("cpu")[0].platform
        'cpu'
    """
    return _devices.devices(platform)


def default_backend() -> str:
    """The platform on which programs run by default: the first of ``MYCC_PLATFORMS``, or the best one there is."""
    return _devices.platform_of(_devices.default_device())


def device_put(x: Any, device: Any = None) -> Any:
    """Put arrays on a device.

    Args:
        x: a pytree of arrays and numbers.
        device: an element of `devices`, or a platform's name; the default device if not given.

    Returns:
        The same pytree of `Array`. With a device given, computations on them run there.

    Raises:
        DeviceError: there is no such platform.
        TypeError: a leaf is no array or number.

    Example:
        >>> import mycc, numpy as np
        >>> mycc.device_put(np.ones(2, np.float32), mycc.devices("cpu")[0])
        Array([1., 1.], dtype=float32)
    """
    target = devices(device)[0] if isinstance(device, str) else device
    if target is not None and not hasattr(target, "platform"):
        raise DeviceError(
            f"{user_line()}: device_put takes an element of mycc.devices(), got {type(target).__name__}"
        )
    leaves, tree = pytrees.flatten(x)
    return tree.unflatten([_put(leaf, target) for leaf in leaves])


def _put(x: Any, device: Any) -> Array:
    if isinstance(x, Tracer):
        return x
    if isinstance(x, Array):
        return x if device is None else Array(buffers.copy_to_device(x._data, device))
    aval = abstractify(x)
    data = np.asarray(x, aval.dtype)
    return Array(buffers.put(data, device, committed=device is not None, weak_type=aval.weak_type))


def device_get(x: Any) -> Any:
    """The same pytree with NumPy arrays in the place of `Array`: on the CPU read-only views of the same memory.

    Example:
        >>> import mycc, mycc.numpy as mnp
        >>> mycc.device_get({"a": mnp.arange(3)})
        {'a': array([0, 1, 2], dtype=int32)}
    """
    leaves, tree = pytrees.flatten(x)
    return tree.unflatten([np.asarray(leaf) if isinstance(leaf, Array) else leaf for leaf in leaves])


def block_until_ready(x: Any) -> Any:
    """Wait until every array of a pytree is computed, and return the pytree.

    Raises:
        XlaRuntimeError: a computation failed.
    """
    leaves, _ = pytrees.flatten(x)
    buffers.block_until_ready(
        [leaf._data for leaf in leaves if isinstance(leaf, Array) and not isinstance(leaf, Tracer)]
    )
    return x


@dataclass(frozen=True)
class Placement:
    """Where a program runs, and whether its results must stay there because an argument was put there."""

    device: Any
    committed: bool


def placement(leaves: Iterable[Any], name: str) -> Placement:
    """Where a program with these arguments runs: on the device of the committed arrays, else on the default one.

    Raises:
        DeviceError: arrays were put on different devices.
    """
    chosen: dict[Any, Array] = {}
    if _devices.several_devices:
        for x in leaves:
            if type(x) is Array and x.committed:
                chosen.setdefault(x.device, x)
    if len(chosen) > 1:
        places = ", ".join(f"{x._aval} on {device}" for device, x in chosen.items())
        raise DeviceError(
            f"{user_line()}: {name} got arrays on different devices ({places}); move them together with device_put"
        )
    if chosen:
        return Placement(next(iter(chosen)), True)
    return Placement(_devices.default_device(), False)
