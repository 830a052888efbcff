// RUN: mycc opt %s --pass-pipeline='builtin.module(fuse)' --mlir-pass-statistics 2>&1 | filecheck %s

// CHECK-DAG: 2 clusters
// CHECK-DAG: 1 barriers: recomputed

// The producers of a barrier are one cluster, what comes after it another.
// CHECK-LABEL: @main
// CHECK: stablehlo.add {{.*}}mycc.cluster = [[A:.*]] : i64
// CHECK: stablehlo.multiply {{.*}}mycc.cluster = [[A]] : i64
// CHECK: stablehlo.subtract {{.*}}mycc.cluster = [[A]] : i64
// CHECK: stablehlo.optimization_barrier
// CHECK: stablehlo.reduce{{.*}}mycc.cluster
func.func @main(%x: tensor<64x128xf32>, %y: tensor<64x128xf32>) -> (tensor<128xf32>, tensor<64x128xf32>) {
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.add %x, %y : tensor<64x128xf32>
  %1 = stablehlo.multiply %0, %y : tensor<64x128xf32>
  %2 = stablehlo.subtract %1, %x : tensor<64x128xf32>
  %3 = stablehlo.reduce(%2 init: %z) applies stablehlo.add across dimensions = [0] : (tensor<64x128xf32>, tensor<f32>) -> tensor<128xf32>
  return %3, %2 : tensor<128xf32>, tensor<64x128xf32>
}
