"""Writes ``docs/operations.md`` from the records: ``python docs/make_operations.py``.

A test checks that the file is up to date, and that no operation of the bindings is in neither list.
"""

from __future__ import annotations

import importlib
import pathlib
import pkgutil

from mycc.dialects import rules
from mycc.dialects.record import Record
from mycc.dialects.rules import RECORDS
from mycc.dialects.rules.outside import OUTSIDE

TESTS = {
    "bounds": "test_bounds",
    "broadcasts": "test_elementwise",
    "callbacks": "frontend/test_callbacks.py, passes/autodiff/callbacks.mlir",
    "choice": "test_elementwise",
    "collectives": "test_collectives",
    "composed": "test_linalg",
    "composites": "passes/autodiff/custom.mlir, passes/batch/custom.mlir",
    "contraction": "test_contraction",
    "convolution": "test_convolution",
    "control": "passes/autodiff/control.mlir, passes/batch/control.mlir",
    "dynamic": "test_rewrites",
    "elementwise": "test_elementwise",
    "fourier": "test_linalg",
    "functions": "passes/autodiff, passes/batch",
    "indexing": "test_indexing",
    "lapack": "test_linalg, test_foreign_linalg",
    "loops": "frontend/test_loop_derivatives.py, passes/autodiff/loops.mlir",
    "manual": "passes/autodiff/manual.mlir, passes/groups, devices/test_shard_map.py, devices/test_partial_manual.py",
    "named": "frontend/test_named_axes.py, devices/test_shard_map.py",
    "normalization": "test_normalization",
    "parts": "test_elementwise",
    "placement": "passes/autodiff/placement.mlir, devices/test_programs.py",
    "pooling": "test_pooling",
    "ragged": "test_rewrites",
    "randomness": "test_randomness",
    "reduction": "test_reduction, test_folding",
    "rewrites": "test_rewrites",
    "scattering": "test_indexing, test_folding",
    "shape": "test_shape",
    "solve": "frontend/test_solves.py",
    "sorting": "test_sorting",
    "special": "test_elementwise",
    "targets": "test_targets",
    "triangular": "test_linalg",
}
"""Where the records of each file are tested, in ``tests/dialects`` or from ``tests``."""

_LOOP = ("zero", "zero", "in a loop")
_SHARDS = ("error", "error", "error")

DIFFERENT = {
    "chlo._asin_acos_kernel": ("error", "error", "yes"),
    "mycc.callback.io": ("error", "error", "yes"),
    "mycc.callback.pure": ("error", "error", "yes"),
    "stablehlo.custom_call": ("error", "error", "in a loop"),
    "stablehlo.rng_bit_generator": _LOOP,
    **{name: _LOOP for name in RECORDS if "threefry" in name},
    **{name: _SHARDS for name in RECORDS if name.endswith(("Shape", "ShardShape"))},
}
"""Forward, reverse and batch, where they are not what the kind says."""

NOTES = {
    "chlo.broadcast_polygamma": "an error by the order",
    "chlo.broadcast_zeta": "an error by the first operand",
    "chlo.polygamma": "an error by the order",
    "chlo.zeta": "an error by the first operand",
    "stablehlo.all_reduce": "bodies add, multiply, max and min; multiply between replicas only",
    "stablehlo.collective_broadcast": "no source that is known at run time only",
    "stablehlo.collective_reduce": "body add; no source that is known at run time only",
    "stablehlo.custom_call": "any target not listed; no batching if it has side effects",
    "stablehlo.reduce": "any body",
    "stablehlo.reduce_scatter": "bodies add, multiply, max and min; multiply between replicas only",
    "stablehlo.rng": "of the numbers drawn, by both parameters",
    "stablehlo.scatter": "any body; factors may meet",
    "stablehlo.sort": "any comparator",
    "stablehlo.while": "any trip count",
}
for _name in ("broadcast_in_dim", "conv", "gather", "iota", "pad", "reshape"):
    NOTES[f"stablehlo.dynamic_{_name}"] = "if the shape of the result is static"
for _name in "sdcz":
    NOTES[f"lapack_{_name}gtsv_ffi"] = "of the solution; the factors have none"
NOTES["stablehlo.real_dynamic_slice"] = NOTES["stablehlo.dynamic_pad"]

_HEAD = """# Operations

Every operation of StableHLO and CHLO, those of Shardy in programs, with mycc's own and the custom calls that are known by their target (`@…`).
Written by `docs/make_operations.py` from the records in `dialects/rules`.

*forward* and *reverse* are the derivatives, *batch* is `vmap`. *zero*: the derivative is zero, or there is none
because the result is discrete. *error*: refused, with the line of the program and what to do instead.
"""


def files() -> dict[str, str]:
    """The file of ``dialects/rules`` that each record stands in."""
    found = {}
    for module in pkgutil.iter_modules(rules.__path__):
        kind = importlib.import_module(f"mycc.dialects.rules.{module.name}")
        found.update(dict.fromkeys((record.name for record in getattr(kind, "RECORDS", ())), module.name))
    return found


def abilities(record: Record) -> tuple[str, str, str]:
    """Forward, reverse and batch of a record."""
    if record.name in DIFFERENT:
        return DIFFERENT[record.name]
    zero = record.kind == "inactive" or (record.partials and not any(record.partials))
    return ("zero", "zero", "yes") if zero else ("yes", "yes", "yes")


def text() -> str:
    """The whole page."""
    where = files()
    lines = [
        _HEAD,
        "| operation | kind | forward | reverse | batch | tests | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, record in sorted(RECORDS.items()):
        cells = [f"`{name}`", record.kind, *abilities(record), TESTS[where[name]], NOTES.get(name, "")]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Outside", "", "| operation | why, and what to do |", "|---|---|"]
    lines += [f"| `{name}` | {reason} |" for name, reason in sorted(OUTSIDE.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    pathlib.Path(__file__).with_name("operations.md").write_text(text())
