"""The one import of the MLIR Python bindings, and the process's one context.

Every other module of mycc takes ``ir``, ``hlo``, ``chlo``, ``func``, ``sdy`` and ``PassManager`` from
here, so that a change of the bindings touches one file. All modules live in one context, which threads
may share: diagnostics and IR printing stay separate per run.
"""

from __future__ import annotations

import os

# XLA prints informational lines unless told otherwise before jaxlib is first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

from jaxlib.mlir import ir
from jaxlib.mlir._mlir_libs import _jax_mlir_ext, _mosaic_gpu_ext
from jaxlib.mlir.dialects import chlo, func, sdy
from jaxlib.mlir.dialects import stablehlo as hlo
from jaxlib.mlir.passmanager import PassManager

__all__ = ["PassManager", "chlo", "context", "func", "hlo", "ir", "make_context", "sdy", "unknown"]


def make_context() -> ir.Context:
    """A context with all dialects of the bindings. Programs of mycc are in one, `context`."""
    registry = ir.DialectRegistry()
    _jax_mlir_ext.register_dialects(registry)
    context = ir.Context()
    context.append_dialect_registry(registry)
    context.load_all_available_dialects()
    for dialect in (hlo, chlo, sdy):
        dialect.register_dialect(context)
    # Without it the native `inline` pass leaves every func.call alone.
    _mosaic_gpu_ext.register_inliner_extensions(context)
    hlo.register_stablehlo_passes()
    return context


# Multi-threading stays enabled: without it the context's uniquers take no locks, and threads share it.
context = make_context()

with context:
    unknown = ir.Location.unknown()
