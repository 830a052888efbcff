// RUN: mycc opt %s --pass-pipeline='builtin.module(fuse{annotate=false max-depth=3})' | filecheck %s
// RUN: mycc opt %s --pass-pipeline='builtin.module(fuse{annotate=false max-depth=0})' | filecheck %s --check-prefix=NEVER
// RUN: mycc opt %s --explain --pass-pipeline='builtin.module(fuse{annotate=false max-depth=3})' 2>&1 | filecheck %s --check-prefix=WHY
// NEVER-NOT: optimization_barrier
// WHY: {{.*}}chains.mlir:23: tensor<4xf32> of 'stablehlo.sine' is stored: end of a long chain

// A reduction begins a new chain.
// CHECK-LABEL: @small
// CHECK: stablehlo.sine
// CHECK-NEXT: stablehlo.multiply
// CHECK-NEXT: %[[THIRD:.*]] = stablehlo.sine
// CHECK-NEXT: stablehlo.optimization_barrier {mycc.stored = {{"[^"]*"}}} %[[THIRD]]
// CHECK-NEXT: stablehlo.add
// CHECK-NEXT: stablehlo.multiply
// CHECK-NEXT: stablehlo.reduce
// CHECK-NEXT: stablehlo.sine
// CHECK-NEXT: stablehlo.cosine
// CHECK-NEXT: return
func.func @small(%x: tensor<4xf32>) -> tensor<f32> {
  %z = stablehlo.constant dense<0.0> : tensor<f32>
  %0 = stablehlo.sine %x : tensor<4xf32>
  %1 = stablehlo.multiply %0, %x : tensor<4xf32>
  %2 = stablehlo.sine %1 : tensor<4xf32>
  %3 = stablehlo.add %2, %x : tensor<4xf32>
  %4 = stablehlo.multiply %3, %x : tensor<4xf32>
  %5 = stablehlo.reduce(%4 init: %z) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32>
  %6 = stablehlo.sine %5 : tensor<f32>
  %7 = stablehlo.cosine %6 : tensor<f32>
  return %7 : tensor<f32>
}

// Large values are stored where that pays, and nowhere else.
// CHECK-LABEL: @large
// CHECK-NOT: optimization_barrier
func.func @large(%x: tensor<64x128xf32>) -> tensor<64x128xf32> {
  %0 = stablehlo.sine %x : tensor<64x128xf32>
  %1 = stablehlo.multiply %0, %x : tensor<64x128xf32>
  %2 = stablehlo.sine %1 : tensor<64x128xf32>
  %3 = stablehlo.add %2, %x : tensor<64x128xf32>
  return %3 : tensor<64x128xf32>
}
