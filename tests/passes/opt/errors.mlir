// RUN: mycc opt %s --split-input-file --verify-diagnostics

func.func @main(%x: tensor<4xf32>, %y: tensor<3xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{requires the same shape for all operands and results}}
  %0 = "stablehlo.add"(%x, %y) : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error-re@below {{custom op 'stablehlo.{{.*}}' is unknown}}
  %0 = stablehlo.nosuch %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
