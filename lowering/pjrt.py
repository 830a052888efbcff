"""The one import of jaxlib's runtime: PJRT clients, buffers, executables, pytrees.

None of what jaxlib exports here is a stable interface, so every other module takes it from this one, and
nothing in it is patched: the ``jax`` package, if a program uses it too, finds jaxlib as it left it.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

# jaxlib logs a line for every client and device at INFO unless told otherwise before its first message.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

from jaxlib import _jax, xla_client
from jaxlib.version import __version__ as jaxlib_version

__all__ = [
    "ArrayCopySemantics",
    "ArrayImpl",
    "CompileOptions",
    "DeviceAssignment",
    "DeviceList",
    "GSPMDSharding",
    "HloSharding",
    "HostBufferSemantics",
    "LAPACK_WAITS_FOR_THREADS",
    "PyTreeDef",
    "PyTreeRegistry",
    "REPLICATED",
    "Sharding",
    "SingleDeviceSharding",
    "XlaRuntimeError",
    "batched_block_until_ready",
    "batched_copy",
    "batched_device_put",
    "buffer_to_dlpack",
    "callback_target",
    "custom_call_targets",
    "distributed_client",
    "distributed_service",
    "dlpack_to_buffer",
    "jaxlib_version",
    "make_cpu_client",
    "make_plugin_client",
    "pytree",
    "refine_shapes",
    "register_cpu_kernels",
    "result_handler",
    "serialize_mixed",
]

# The bindings carry no type information; see the stubs of jaxlib's repository for their signatures.
ArrayCopySemantics: Any = _jax.ArrayCopySemantics
ArrayImpl: Any = _jax.ArrayImpl
CompileOptions: Any = _jax.CompileOptions
DeviceAssignment: Any = _jax.DeviceAssignment
DeviceList: Any = _jax.DeviceList
GSPMDSharding: Any = _jax.GSPMDSharding
HloSharding: Any = xla_client.HloSharding
HostBufferSemantics: Any = _jax.HostBufferSemantics
PyTreeDef: Any = _jax.pytree.PyTreeDef
PyTreeRegistry: Any = _jax.pytree.PyTreeRegistry
REPLICATED: Any = xla_client.OpSharding.Type.REPLICATED
Sharding: Any = _jax.Sharding
SingleDeviceSharding: Any = _jax.SingleDeviceSharding
XlaRuntimeError: Any = _jax.JaxRuntimeError
batched_block_until_ready: Any = _jax.batched_block_until_ready
batched_copy: Any = _jax.batched_copy_array_to_devices_with_sharding
batched_device_put: Any = _jax.batched_device_put
buffer_to_dlpack: Any = _jax.buffer_to_dlpack_managed_tensor
dlpack_to_buffer: Any = _jax.dlpack_managed_tensor_to_buffer
pytree: Any = _jax.pytree


def refine_shapes(module: bytes) -> bytes:
    """A module, as bytecode, whose shapes all follow from those of its function ``main``, with these shapes.

    Raises:
        XlaRuntimeError: they do not follow.
    """
    return bytes(_jax.mlir.refine_polymorphic_shapes(module))


def serialize_mixed(module: bytes, version: str) -> bytes:
    """A module, as bytecode, as a portable artifact in which Shardy's operations and attributes stay what they are.

    Raises:
        XlaRuntimeError: it cannot be written for that version of StableHLO.
    """
    return bytes(_jax.mlir.serialize_portable_artifact(module, version, True))


# jaxlib 0.12 dropped the checks that earlier versions leave to a method of jax's ArrayImpl.
_CHECKS = (True,) if "_skip_checks" in (_jax.array_result_handler.__doc__ or "") else ()


def result_handler(aval: Any, sharding: Any, committed: bool) -> Any:
    """What makes an ``ArrayImpl`` of one result of an execution."""
    return _jax.array_result_handler(aval, sharding, committed, *_CHECKS)


def make_cpu_client(num_devices: int, processes: Any = None) -> Any:
    """A client for the host with this many devices, which share its cores.

    Args:
        num_devices: of this process.
        processes: how it is one of several (`mycc.lowering.distributed.Processes`); they exchange data over TCP.
    """
    if processes is None:
        return xla_client.make_cpu_client(num_devices=num_devices)
    return xla_client.make_cpu_client(
        num_devices=num_devices,
        distributed_client=processes.client,
        node_id=processes.index,
        num_nodes=processes.count,
        collectives=_jax.make_gloo_tcp_collectives(processes.client),
    )


def distributed_service(address: str, count: int, **timeouts: int) -> Any:
    """The service by which processes find each other; it lives as long as the object."""
    return _jax.get_distributed_runtime_service(address, count, **timeouts)


def distributed_client(address: str, index: int, **options: Any) -> Any:
    """A client of that service, for process ``index``."""
    return _jax.get_distributed_runtime_client(address, index, **options)


def callback_target(platform: str) -> str | None:
    """The custom call by which a program of a platform calls Python functions; None if it has none.

    Its ``backend_config`` holds the ``index`` of a function among the ``host_callbacks`` of `compile_and_load`. The
    function gets a NumPy array for each operand, None for a token, and gives a tuple of as much for the results.
    """
    kind = {"cpu": "cpu", "cuda": "gpu", "rocm": "gpu", "gpu": "gpu"}.get(platform)
    return None if kind is None else f"xla_ffi_python_{kind}_callback"


# See `mycc.passes.in_turn`.
LAPACK_WAITS_FOR_THREADS = jaxlib_version.split(".")[:2] in (["0", "10"], ["0", "11"])


@functools.cache
def register_cpu_kernels() -> None:
    """Registers the LAPACK kernels (``lapack_*_ffi``) with XLA and binds them to SciPy's LAPACK.

    Called when a module asks for one of them: binding imports SciPy, which takes longer than a small program.
    """
    from jaxlib import lapack

    for name, kernel, api_version in lapack.registrations()["cpu"]:
        xla_client.register_custom_call_target(name, kernel, platform="cpu", api_version=api_version)
    # The public way in, a call that prepares one kernel for a dtype, does the same for all.
    lapack.prepare_lapack_call("potrf_ffi", np.float32)


@functools.cache
def prepare_hybrid_kernels() -> None:
    """Binds the kernels of the CUDA plugin that use the host's LAPACK (``cuhybrid_*``) to SciPy's."""
    from jaxlib import gpu_solver

    gpu_solver.initialize_hybrid_kernels()


def custom_call_targets() -> frozenset[str]:
    """The names of the custom calls that XLA has an implementation of, on any platform loaded so far."""
    return frozenset(
        str(name) for platform in ("cpu", "CUDA") for name in xla_client.custom_call_targets(platform)
    )


_OWN = "mycc_"  # Begins the names that plugins are loaded by.
_NO_PLUGIN = "plugins not found"
_libraries: dict[str, str] = {}


def deserialize(client: Any, program: bytes, devices: Any, options: Any) -> Any:
    """Loads a program that an executable's ``serialize`` wrote.

    Args:
        client: whose.
        program: the bytes.
        devices: a `DeviceList`.
        options: the `CompileOptions`.

    Raises:
        XlaRuntimeError, ValueError: it cannot be loaded.
    """
    try:
        return client.deserialize_executable(program, devices, options)
    except XlaRuntimeError as error:
        # Since 0.11 jaxlib asks the plugin whether it can load a program, and looks for it by the platform's name only.
        waiting = [name for name in _libraries if not xla_client.pjrt_plugin_loaded(name)]
        if _NO_PLUGIN not in str(error) or not waiting:
            raise
    for name in waiting:
        xla_client.load_pjrt_plugin_dynamically(name, _libraries[name])
        xla_client.initialize_pjrt_plugin(name)
    return client.deserialize_executable(program, devices, options)


def make_plugin_client(
    name: str, library: str, processes: Any = None, memory: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """A client of a PJRT plugin, loaded from a shared library.

    Args:
        name: the platform that the plugin provides (``cuda``, ``tpu``, ...).
        library: path of the plugin's shared library.
        processes: as of `make_cpu_client`.
        memory: how a GPU's client takes memory (`mycc.lowering.memory`).

    Raises:
        XlaRuntimeError: the library cannot be loaded, or finds no device.
    """
    # The jax package may have loaded the same plugin, or may do so later: by one name it can be loaded only once.
    c_api = None
    loaded = name if xla_client.pjrt_plugin_loaded(name) else f"{_OWN}{name}"
    if not xla_client.pjrt_plugin_loaded(loaded):
        if name == "cuda":
            _load_nvidia_libraries()
        c_api = xla_client.load_pjrt_plugin_dynamically(loaded, library)
        _libraries[name] = library
    if not xla_client.pjrt_plugin_initialized(loaded):
        xla_client.initialize_pjrt_plugin(loaded)
    options: dict[str, Any] = {}
    if name == "cuda":
        options = {**xla_client.generate_pjrt_gpu_plugin_options(), **memory}
        if processes is not None:
            options |= {"node_id": processes.index, "num_nodes": processes.count}
        if c_api is not None:
            _register_cuda_kernels(c_api)
    return xla_client.make_c_api_client(loaded, options, None if processes is None else processes.client)


# The plugin's own loader finds these only on the system's library path; the wheels put them elsewhere.
_NVIDIA_LIBRARIES = (
    ("cuda_runtime", "libcudart.so.12"),
    ("cu13", "libcudart.so.13"),
    ("cuda_nvrtc", "libnvrtc.so.12"),
    ("cu13", "libnvrtc.so.13"),
    ("cublas", "libcublas.so.12"),
    ("cublas", "libcublasLt.so.12"),
    ("cu13", "libcublas.so.13"),
    ("cu13", "libcublasLt.so.13"),
    ("nccl", "libnccl.so.2"),
    ("cuda_cupti", "libcupti.so.12"),
    ("cu13", "libcupti.so.13"),
    ("cusparse", "libcusparse.so.12"),
    ("cu13", "libcusparse.so.12"),
    ("cusolver", "libcusolver.so.11"),
    ("cu13", "libcusolver.so.12"),
    ("cufft", "libcufft.so.11"),
    ("cu13", "libcufft.so.12"),
    ("nvshmem", "libnvshmem_host.so.3"),
    ("cudnn", "libcudnn.so.9"),
)


def _load_nvidia_libraries() -> None:
    import ctypes
    import importlib.util
    import pathlib

    for package, library in _NVIDIA_LIBRARIES:
        try:
            spec = importlib.util.find_spec(f"nvidia.{package}")
        except ModuleNotFoundError:
            return
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            path = pathlib.Path(folder) / "lib" / library
            if path.exists():
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def _register_cuda_kernels(c_api: Any) -> None:
    extension = None
    for package in ("jax_cuda13_plugin", "jax_cuda12_plugin"):
        try:
            extension = importlib.import_module(f"{package}.cuda_plugin_extension")
            break
        except ImportError:
            continue
    if extension is None:
        return
    xla_client.register_custom_type_handler("CUDA", functools.partial(extension.register_custom_type, c_api))
    xla_client.register_custom_call_handler(
        "CUDA", functools.partial(extension.register_custom_call_target, c_api)
    )
    for name, value in extension.ffi_types().items():
        xla_client.register_custom_type(name, value, platform="CUDA")
    for name, value in extension.ffi_handlers().items():
        xla_client.register_custom_call_target(name, value, platform="CUDA", api_version=1)
    for name, kernel, api_version in cuda_kernels():
        xla_client.register_custom_call_target(name, kernel, platform="CUDA", api_version=api_version)


def cuda_kernels() -> list[tuple[str, Any, int]]:
    """What the CUDA plugin's packages bring beside the plugin: custom calls, each with its version of the interface."""
    kernels: list[tuple[str, Any, int]] = []
    for name in ("gpu_linalg", "gpu_prng", "gpu_rnn", "gpu_solver", "gpu_sparse", "gpu_triton"):
        module = importlib.import_module(f"jaxlib.{name}")
        # Two of them, not the same in every version, register what they have when they are imported.
        if hasattr(module, "registrations"):
            kernels += module.registrations()["CUDA"]
    return kernels
