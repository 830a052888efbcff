"""The errors that mycc raises on purpose.

Each message says what the user did, where (file and line of the user's code), and what to do instead.
They live in the leftmost folder because every layer raises them.
"""

from __future__ import annotations

__all__ = [
    "CallbackError",
    "ConcretizationError",
    "DeviceError",
    "LeakedTracerError",
    "ModuleError",
    "MyccError",
    "NonFiniteError",
    "PassError",
    "PipelineError",
    "TransformError",
    "TreeError",
    "UnsupportedOperationError",
]


class MyccError(Exception):
    """Base of every error that mycc raises on purpose."""


class ConcretizationError(MyccError, TypeError):
    """A traced value was asked for its number, where only its shape and dtype are known."""


class LeakedTracerError(MyccError):
    """A traced value was used after its trace had ended, or outside of it."""


class TransformError(MyccError, TypeError):
    """A transform (grad, vmap, ...) was applied to something it is not defined on."""


class TreeError(MyccError, ValueError):
    """Two pytrees that must have one structure do not."""


class UnsupportedOperationError(MyccError, NotImplementedError):
    """An operation has no rule for what was asked of it."""


class DeviceError(MyccError, RuntimeError):
    """No such platform or device, or arrays on different devices in one call."""


class ShardingError(MyccError, ValueError):
    """A sharding that does not fit its mesh or its array."""


class DistributedError(MyccError, RuntimeError):
    """Processes that are to compute together do not find each other, or do not fit."""


class PipelineError(MyccError, ValueError):
    """A textual pass pipeline does not parse, or names an unknown pass or option."""


class PassError(MyccError, RuntimeError):
    """A pass failed on a module; the message carries the MLIR diagnostic with its location."""


class CallbackError(MyccError, RuntimeError):
    """A Python function that a program calls raised an exception, or returned something else than it said."""


class NonFiniteError(MyccError, FloatingPointError):
    """A program returned a NaN (or infinity), and `mycc.debug.nans` is on; the message names the operation."""


class ModuleError(PassError, ValueError):
    """A module from elsewhere is no valid StableHLO, or holds what mycc cannot take over."""
