// RUN: mycc opt %s --pass-pipeline='builtin.module(fuse)' | filecheck %s

// XLA does not vectorize a loop over several sums: what is expensive in it is computed before, and once for all sums.
// CHECK-LABEL: @shared
// CHECK: %[[R:.*]] = stablehlo.rsqrt
// CHECK-NEXT: %[[C:.*]] = stablehlo.multiply {{.*}}%[[R]], %[[R]]
// CHECK-NEXT: %[[W:.*]] = stablehlo.optimization_barrier {mycc.stored = "slow in a loop over several sums"} %[[C]]
// CHECK: stablehlo.multiply {{.*}}, %[[W]]
// CHECK-NOT: optimization_barrier
func.func @shared(%x: tensor<128x128xf32>, %y: tensor<128x128xf32>) -> (tensor<128xf32>, tensor<128xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.rsqrt %x : tensor<128x128xf32>
  %1 = stablehlo.multiply %0, %0 : tensor<128x128xf32>
  %2 = stablehlo.multiply %x, %1 : tensor<128x128xf32>
  %3 = stablehlo.multiply %y, %1 : tensor<128x128xf32>
  %4:2 = stablehlo.reduce(%2 init: %zero), (%3 init: %zero) across dimensions = [1] : (tensor<128x128xf32>, tensor<128x128xf32>, tensor<f32>, tensor<f32>) -> (tensor<128xf32>, tensor<128xf32>)
    reducer(%a: tensor<f32>, %b: tensor<f32>) (%c: tensor<f32>, %d: tensor<f32>) {
      %s = stablehlo.add %a, %b : tensor<f32>
      %t = stablehlo.add %c, %d : tensor<f32>
      stablehlo.return %s, %t : tensor<f32>, tensor<f32>
    }
  return %4#0, %4#1 : tensor<128xf32>, tensor<128xf32>
}

// One sum's own loop is XLA's to arrange, and products alone are as fast in the loop.
// CHECK-LABEL: @alone_or_cheap
// CHECK-NOT: optimization_barrier
func.func @alone_or_cheap(%x: tensor<128x128xf32>, %y: tensor<128x128xf32>) -> (tensor<128xf32>, tensor<128xf32>, tensor<128xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.rsqrt %y : tensor<128x128xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<128x128xf32>, tensor<f32>) -> tensor<128xf32>
  %2 = stablehlo.multiply %x, %x : tensor<128x128xf32>
  %3 = stablehlo.multiply %2, %x : tensor<128x128xf32>
  %4:2 = stablehlo.reduce(%2 init: %zero), (%3 init: %zero) across dimensions = [1] : (tensor<128x128xf32>, tensor<128x128xf32>, tensor<f32>, tensor<f32>) -> (tensor<128xf32>, tensor<128xf32>)
    reducer(%a: tensor<f32>, %b: tensor<f32>) (%c: tensor<f32>, %d: tensor<f32>) {
      %s = stablehlo.add %a, %b : tensor<f32>
      %t = stablehlo.add %c, %d : tensor<f32>
      stablehlo.return %s, %t : tensor<f32>, tensor<f32>
    }
  return %1, %4#0, %4#1 : tensor<128xf32>, tensor<128xf32>, tensor<128xf32>
}
