// RUN: mycc opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(groups)'

sdy.mesh @mesh = <["x"=4, "y"=2]>

func.func @main(%x: tensor<16xf32>) -> tensor<16xf32> {
  // expected-error@+1 {{'sdy.manual_computation': it is manual over ['x'] of the axes ['x', 'y']; all of them can be}}
  %0 = sdy.manual_computation(%x) in_shardings=[<@mesh, [{"x"}]>] out_shardings=[<@mesh, [{"x"}]>] manual_axes={"x"} (%a: tensor<4xf32>) {
    sdy.return %a : tensor<4xf32>
  } : (tensor<16xf32>) -> tensor<16xf32>
  return %0 : tensor<16xf32>
}
