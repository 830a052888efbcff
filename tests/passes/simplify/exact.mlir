// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify)' | filecheck %s

// -0.0 + 0.0 is 0.0, and so is -0.0 - (-0.0); the others are exact.
// CHECK-LABEL: @sums_with_zero
// CHECK: %[[A:.*]] = stablehlo.add %arg0
// CHECK: %[[B:.*]] = stablehlo.subtract %arg0
// CHECK: return %[[A]], %[[B]], %arg0, %arg0
func.func @sums_with_zero(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<4xf32>
  %minus = stablehlo.constant dense<-0.0> : tensor<4xf32>
  %0 = stablehlo.add %x, %zero : tensor<4xf32>
  %1 = stablehlo.subtract %x, %minus : tensor<4xf32>
  %2 = stablehlo.add %x, %minus : tensor<4xf32>
  %3 = stablehlo.subtract %x, %zero : tensor<4xf32>
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @power
// CHECK: stablehlo.power
func.func @power(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = stablehlo.constant dense<1.5> : tensor<4xf32>
  %0 = stablehlo.power %x, %c : tensor<4xf32>
  return %0 : tensor<4xf32>
}
