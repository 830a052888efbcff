// RUN: mycc opt %s --pass-pipeline='builtin.module(simplify,cse)' | filecheck %s

// What a loop or a branch computes is not computed there again if it is known outside.
// CHECK-LABEL: @across_regions
// CHECK: %[[S:.*]] = stablehlo.sine %arg0
// CHECK-NOT: stablehlo.sine
// CHECK: return
func.func @across_regions(%x: tensor<4xf32>, %n: tensor<i32>, %p: tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = stablehlo.constant dense<0> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %s = stablehlo.sine %x : tensor<4xf32>
  %0:2 = stablehlo.while(%i = %zero, %a = %s) : tensor<i32>, tensor<4xf32>
  cond {
    %1 = stablehlo.compare LT, %i, %n : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %1 : tensor<i1>
  } do {
    %1 = stablehlo.sine %x : tensor<4xf32>
    %2 = stablehlo.multiply %a, %1 : tensor<4xf32>
    %3 = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %3, %2 : tensor<i32>, tensor<4xf32>
  }
  %4 = "stablehlo.if"(%p) ({
    %5 = stablehlo.sine %x : tensor<4xf32>
    %6 = stablehlo.negate %5 : tensor<4xf32>
    stablehlo.return %6 : tensor<4xf32>
  }, {
    stablehlo.return %x : tensor<4xf32>
  }) : (tensor<i1>) -> tensor<4xf32>
  return %0#1, %4 : tensor<4xf32>, tensor<4xf32>
}
