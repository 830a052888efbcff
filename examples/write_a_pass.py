"""A pass of one's own, and a pipeline that runs it between MLIR's passes.

Run it as it is, or name its pass on the command line::

    mycc opt model.mlir --load-pass-plugin=examples/write_a_pass.py --pass-pipeline='squares{limit=9},cse'
"""

from __future__ import annotations

from dataclasses import dataclass

from mycc.dialects import ops
from mycc.dialects.mlir import context, ir
from mycc.passes.base import Pass, option
from mycc.passes.instrument import Instrumentation
from mycc.passes.pattern import Op, Pattern, PatternSet, Rewriter, rewrite
from mycc.passes.pipeline import Pipeline


class PowerOfTwo(Pattern):
    """power(x, 2) is x * x."""

    op_names = ("stablehlo.power",)

    def match_and_rewrite(self, op: Op, rewriter: Rewriter) -> bool:
        exponent = op.producer(1, "stablehlo.constant")
        if exponent is None or "dense<2.0" not in str(exponent.attribute("value")):
            return False
        x = op.operand(0)
        return rewriter.replace(op, lambda: ops.mul(x, x))


@dataclass(frozen=True)
class Squares(Pass):
    """Turns powers of two into products."""

    name = "squares"
    limit: int = option(1000, help="give up after so many")

    def run(self, module: ir.Module) -> None:
        counts = rewrite(module.operation, PatternSet([PowerOfTwo()]), max_rewrites=self.limit)
        self.count("powers", counts["power-of-two"])


PROGRAM = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %two = stablehlo.constant dense<2.0> : tensor<4xf32>
  %0 = stablehlo.power %x, %two : tensor<4xf32>
  return %0 : tensor<4xf32>
}"""

if __name__ == "__main__":
    module = ir.Module.parse(PROGRAM, context=context)
    pipeline = Pipeline([Squares(limit=10), "func.func(canonicalize)", "cse"])
    print(f"{pipeline}\n\nbefore:\n{module}")
    pipeline.run(module, instrumentation=Instrumentation(print_after_change=True, statistics=True))
    print(f"after:\n{module}")
