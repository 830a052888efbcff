"""How XLA compiles a module: what mycc's settings are as options of XLA."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mycc.dialects.errors import MyccError
from mycc.lowering import pjrt

__all__ = ["DEFAULTS", "CompileSettings", "flags_of", "refused", "xla_options"]

Option = tuple[str, "str | bool | int | float"]


@dataclass(frozen=True, slots=True)
class CompileSettings:
    """How XLA is to compile a module. Hashable, so that caches can be keyed by it.

    Args:
        env_option_overrides: XLA flags by name, without dashes: ``(("xla_cpu_enable_fast_math", True),)``.
        tiny: the module holds a few operations and is to be compiled fast (an eager operation): the CPU
            backend then skips its MLIR fusion emitters, which pay only for larger modules.
        num_replicas: how many copies of the program run side by side; the devices left over for each are
            its partitions, over which the module's ``sdy`` shardings spread the data.
        keep_module: keep the module in the executable, for `Executable.llvm_ir` and `Executable.assembly`.
    """

    env_option_overrides: tuple[Option, ...] = ()
    tiny: bool = False
    num_replicas: int = 1
    keep_module: bool = False


DEFAULTS = CompileSettings()


# Flags of mycc's own that not every jaxlib in range has; those that this one refused.
_OPTIONAL = frozenset(
    {"xla_cpu_use_fusion_emitters", "xla_dump_emitter_re", "xla_cpu_experimental_ynn_fusion_type"}
)
_refused: set[str] = set()


def refused(error: Exception) -> bool:
    """Whether a compilation failed for a flag that this jaxlib lacks and that is left out from now on."""
    unknown = re.search(r"No such compile option: '(\w+)'", str(error))
    if unknown is None or unknown.group(1) not in _OPTIONAL - _refused:
        return False
    _refused.add(unknown.group(1))
    return True


# Removing optimization barriers before fusion is XLA's CPU default, and would undo what mycc's fusion pass
# decided; where a module has no barrier the pass does nothing, so it can always be off.
_BARRIER_PASS = "cse_barrier_expander"
_DISABLED_PASSES = "xla_disable_hlo_passes"


def flags_of(
    options: CompileSettings,
    devices: Sequence[Any],
    disabled: Sequence[str] = (),
    suited: Sequence[Option] = (),
) -> list[Option]:
    """The flags of XLA that a program is compiled with, also those that this jaxlib may lack.

    Args:
        options, devices, disabled, suited: as of `xla_options`.
    """
    flags = {**dict(suited), **dict(options.env_option_overrides)}
    # What barriers mean is elsewhere settled before the passes that drop them, and the code generators know none.
    if devices[0].platform == "cpu":
        given = flags.get(_DISABLED_PASSES)
        flags[_DISABLED_PASSES] = ",".join([*([str(given)] if given else []), _BARRIER_PASS, *disabled])
        if options.tiny:
            flags.setdefault("xla_cpu_use_fusion_emitters", False)
    return list(flags.items())


def xla_options(
    options: CompileSettings,
    devices: Sequence[Any],
    disabled: Sequence[str] = (),
    suited: Sequence[Option] = (),
) -> Any:
    """The runtime's `CompileOptions` for a program on some devices.

    Args:
        options: mycc's settings.
        devices: where it runs.
        disabled: names of passes of XLA that the program cannot bear.
        suited: flags that suit the program; those in the settings come before them.

    Raises:
        MyccError: the devices cannot be divided among the replicas.
    """
    count, replicas = len(devices), options.num_replicas
    if count % replicas:
        raise MyccError(f"{count} devices cannot be divided among {replicas} replicas; choose a divisor")
    partitions = count // replicas
    made = pjrt.CompileOptions()
    made.num_replicas, made.num_partitions = replicas, partitions
    assignment = np.array([device.id for device in devices]).reshape(replicas, partitions)
    made.device_assignment = pjrt.DeviceAssignment.create(assignment)
    build = made.executable_build_options
    build.num_replicas, build.num_partitions = replicas, partitions
    build.device_assignment = made.device_assignment
    if partitions > 1:
        build.use_spmd_partitioning = True
        build.use_shardy_partitioner = True
        build.allow_spmd_sharding_propagation_to_output = [True]
    flags = flags_of(options, devices, disabled, suited)
    made.env_option_overrides = [(name, value) for name, value in flags if name not in _refused]
    return made
