"""Which operations may be dropped when nobody uses their results.

The bindings do not expose MLIR's memory effects, and MLIR knows nothing of calls and custom calls, so
the question is answered here, by name: an operation that is not known to be free of effects is kept.
"""

from __future__ import annotations

import functools

from mycc.dialects.mlir import ir

__all__ = ["Effects"]

_PURE_DIALECTS = frozenset({"stablehlo", "chlo", "arith", "math", "complex"})

# Collectives count as effects: dropping one on some devices only would hang the others.
_EFFECTS = frozenset(
    {
        "stablehlo.all_gather",
        "stablehlo.all_reduce",
        "stablehlo.all_to_all",
        "stablehlo.collective_broadcast",
        "stablehlo.collective_permute",
        "stablehlo.cross-replica-sum",
        "stablehlo.infeed",
        "stablehlo.outfeed",
        "stablehlo.recv",
        "stablehlo.reduce_scatter",
        "stablehlo.rng",
        "stablehlo.send",
    }
)
_TERMINATORS = frozenset({"stablehlo.return", "func.return"})


class Effects:
    """Answers for one module; what a called function does is worked out once.

    Args:
        module: where symbols are looked up.
    """

    def __init__(self, module: ir.Operation) -> None:
        self._module = module
        self._functions: dict[str, ir.Operation] | None = None
        self._pure_functions: dict[str, bool] = {}

    def is_pure(self, op: ir.Operation, name: str) -> bool:
        """Whether the operation does nothing but compute its results.

        Args:
            op: the operation.
            name: its name (reading it again costs as much as the rest).
        """
        if name == "stablehlo.custom_call":
            return _custom_call_is_pure(op)
        if name == "func.call":
            return self._is_pure_function(op.attributes["callee"])
        if name == "stablehlo.composite":
            return self._is_pure_function(op.attributes["decomposition"])
        return _may_be_pure(name) and (not len(op.regions) or self._regions_are_pure(op))

    def _regions_are_pure(self, op: ir.Operation) -> bool:
        for region in op.regions:
            for block in region.blocks:
                for each in block.operations:
                    # The view of a composite hides the operation's name behind its own.
                    inner = each.operation
                    name = inner.name
                    if name not in _TERMINATORS and not self.is_pure(inner, name):
                        return False
        return True

    def _is_pure_function(self, symbol: ir.Attribute) -> bool:
        name = ir.FlatSymbolRefAttr(symbol).value
        known = self._pure_functions.get(name)
        if known is not None:
            return known
        # A function that calls itself is met again as not pure.
        self._pure_functions[name] = False
        if self._functions is None:
            self._functions = {
                ir.StringAttr(f.attributes["sym_name"]).value: f.operation
                for f in self._module.regions[0].blocks[0].operations
                if "sym_name" in f.attributes
            }
        function = self._functions.get(name)
        pure = function is not None and bool(function.regions[0].blocks) and self._regions_are_pure(function)
        self._pure_functions[name] = pure
        return pure


@functools.cache
def _may_be_pure(name: str) -> bool:
    return name == "sdy.sharding_constraint" or (
        name not in _EFFECTS and name.partition(".")[0] in _PURE_DIALECTS
    )


def _custom_call_is_pure(op: ir.Operation) -> bool:
    attributes = op.attributes
    if "has_side_effect" not in attributes:
        return True
    return not ir.BoolAttr(attributes["has_side_effect"]).value
