"""mycc: a compiler toolchain for array programs in Python."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mycc.dialects.version import VERSION
from mycc.importing import collector_paused

with collector_paused():
    from mycc.array import Array
    from mycc.callbacks import effects_barrier, io_callback, pure_callback
    from mycc.closure import closure_convert
    from mycc.custom.forward import custom_jvp
    from mycc.custom.reverse import custom_vjp
    from mycc.derivatives import jvp, linear_transpose, linearize, vjp
    from mycc.device import (
        block_until_ready,
        default_backend,
        device_count,
        device_get,
        device_put,
        devices,
        local_device_count,
        local_devices,
        process_count,
        process_index,
    )
    from mycc.dialects.errors import (
        CallbackError,
        ConcretizationError,
        DeviceError,
        DistributedError,
        LeakedTracerError,
        ModuleError,
        MyccError,
        NonFiniteError,
        PassError,
        PipelineError,
        ShardingError,
        TransformError,
        TreeError,
        UnsupportedOperationError,
    )
    from mycc.export import export
    from mycc.foreign import from_stablehlo
    from mycc.gradient import grad, value_and_grad
    from mycc.jacobian import hessian, jacfwd, jacobian, jacrev
    from mycc.jit import jit
    from mycc.lowering.shardings import NamedSharding
    from mycc.lowering.shardings import PartitionSpec as P
    from mycc.mesh import set_mesh
    from mycc.pmap import pmap
    from mycc.recompiles import explain_recompile
    from mycc.remat import checkpoint, remat
    from mycc.shard_map import shard_map
    from mycc.sharding import make_array_from_callback, make_array_from_process_local_data, make_mesh
    from mycc.stages import ShapeDtypeStruct, eval_shape
    from mycc.symbolic import symbolic_shape
    from mycc.types import float0
    from mycc.vmap import vmap

__version__ = VERSION

__all__ = [
    "Array",
    "CallbackError",
    "ConcretizationError",
    "DeviceError",
    "DistributedError",
    "LeakedTracerError",
    "ModuleError",
    "MyccError",
    "NamedSharding",
    "NonFiniteError",
    "P",
    "PassError",
    "PipelineError",
    "ShardingError",
    "ShapeDtypeStruct",
    "TransformError",
    "TreeError",
    "UnsupportedOperationError",
    "ad_checkpoint",
    "block_until_ready",
    "debug",
    "checkpoint",
    "checkpoint_policies",
    "closure_convert",
    "custom_jvp",
    "custom_vjp",
    "default_backend",
    "device_count",
    "device_get",
    "device_put",
    "devices",
    "distributed",
    "effects_barrier",
    "eval_shape",
    "explain_recompile",
    "export",
    "float0",
    "from_stablehlo",
    "grad",
    "hessian",
    "io_callback",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linear_transpose",
    "lax",
    "linearize",
    "local_device_count",
    "local_devices",
    "make_array_from_callback",
    "make_array_from_process_local_data",
    "make_mesh",
    "nn",
    "numpy",
    "pmap",
    "process_count",
    "process_index",
    "pure_callback",
    "random",
    "remat",
    "scipy",
    "set_mesh",
    "sharding",
    "tree",
    "shard_map",
    "symbolic_shape",
    "tree_util",
    "value_and_grad",
    "vjp",
    "vmap",
]

if TYPE_CHECKING:
    from mycc import (
        ad_checkpoint,
        checkpoint_policies,
        debug,
        distributed,
        lax,
        nn,
        numpy,
        random,
        scipy,
        sharding,
        tree,
        tree_util,
    )

_MODULES = frozenset(
    {
        "ad_checkpoint",
        "checkpoint_policies",
        "debug",
        "distributed",
        "lax",
        "nn",
        "numpy",
        "random",
        "scipy",
        "sharding",
        "tree",
        "tree_util",
    }
)


def __getattr__(name: str) -> Any:
    # Not every program needs every module, and each costs time at the start.
    if name in _MODULES:
        return importlib.import_module(f"mycc.{name}")
    raise AttributeError(f"module 'mycc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
