"""The one visible list of mycc's passes. A pass that stands here can be named in a pipeline."""

from __future__ import annotations

from mycc.passes.autodiff import Autodiff
from mycc.passes.base import Pass
from mycc.passes.batch import Batch
from mycc.passes.check_nans import CheckNans
from mycc.passes.components import Components
from mycc.passes.cuda_solvers import CudaSolvers
from mycc.passes.decompose import Decompose
from mycc.passes.expand import Expand
from mycc.passes.fuse import Fuse
from mycc.passes.groups import Groups
from mycc.passes.host import HostLapack
from mycc.passes.in_turn import LapackInTurn
from mycc.passes.keep import Keep
from mycc.passes.normalize import Normalize
from mycc.passes.outline import Outline
from mycc.passes.rematerialize import Rematerialize
from mycc.passes.resolve import Resolve
from mycc.passes.shares import Shares
from mycc.passes.simplify import Simplify

__all__ = ["NATIVE_PASSES", "PASSES"]

PASSES: tuple[type[Pass], ...] = (
    Normalize,
    Expand,
    Outline,
    Autodiff,
    Batch,
    Decompose,
    Shares,
    Groups,
    Resolve,
    Keep,
    Simplify,
    Components,
    Fuse,
    Rematerialize,
    CheckNans,
    HostLapack,
    LapackInTurn,
    CudaSolvers,
)

# The bindings cannot list MLIR's registry; these are the native passes that were tried on modules of
# StableHLO. Any other name that MLIR's own parser accepts works as well.
NATIVE_PASSES: dict[str, str] = {
    "canonicalize": "Folds operations and removes what is dead, by each dialect's own patterns.",
    "cse": "Merges equal operations without side effects.",
    "inline": "Inlines function calls.",
    "loop-invariant-code-motion": "Moves what does not change out of loops.",
    "remove-dead-values": "Removes values, arguments and results that nobody uses.",
    "sccp": "Propagates constants through branches.",
    "strip-debuginfo": "Drops all locations.",
    "symbol-dce": "Removes private functions that nobody refers to.",
    "topological-sort": "Sorts operations so that definitions come before uses.",
    "chlo-legalize-to-stablehlo": "Expands CHLO operations into StableHLO.",
    "shape-legalize-to-stablehlo": "Expands shape operations into StableHLO.",
    "sdy-propagation-pipeline": "Propagates Shardy's shardings through the module.",
    "stablehlo-canonicalize-dynamism": "Replaces dynamic operations whose operands are constant.",
    "stablehlo-check-shape-assertions": "Checks and removes shape assertions.",
    "stablehlo-compatibility-expander": "Expands operations that older versions of StableHLO lack.",
    "stablehlo-complex-math-expander": "Expands complex mathematics into real operations.",
    "stablehlo-convert-to-signless": "Makes all integers signless.",
    "stablehlo-legalize-composite-to-call": "Replaces composites with calls of their decompositions.",
    "stablehlo-legalize-deprecated-ops": "Replaces operations that StableHLO has deprecated.",
    "stablehlo-legalize-to-vhlo": "Converts StableHLO to VHLO, its versioned form.",
    "stablehlo-refine-arguments": "Gives the entry function's arguments static shapes.",
    "stablehlo-refine-shapes": "Infers static shapes from the entry function's arguments.",
    "vhlo-legalize-to-stablehlo": "Converts VHLO back to StableHLO.",
}
