// RUN: mycc opt %s --split-input-file --pass-pipeline='builtin.module(autodiff,symbol-dce)' | filecheck %s

// CHECK-LABEL: func.func @integers(
// CHECK-NEXT: %[[R:.*]]:3 = call @f.jvp(%arg0, %arg1, %arg2)
// CHECK: return %[[R]]#0, %[[R]]#1, %[[R]]#2
// CHECK-LABEL: func.func private @f.jvp(
// CHECK: %[[COS:.*]] = stablehlo.cosine %arg0
// CHECK: %[[T:.*]] = stablehlo.multiply %arg2, %[[COS]]
// CHECK: return %{{.*}}, %{{.*}}, %[[T]] : tensor<3xf32>, tensor<3xi32>, tensor<3xf32>
func.func private @f(%x: tensor<3xf32>, %n: tensor<3xi32>) -> (tensor<3xf32>, tensor<3xi32>) {
  %0 = stablehlo.sine %x : tensor<3xf32>
  %1 = stablehlo.add %n, %n : tensor<3xi32>
  return %0, %1 : tensor<3xf32>, tensor<3xi32>
}
func.func @integers(%x: tensor<3xf32>, %n: tensor<3xi32>, %t: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xi32>, tensor<3xf32>) {
  %0:3 = stablehlo.custom_call @mycc.jvp(%x, %n, %t) {called_computations = [@f], mycc.active = array<i1: true, false>, mycc.seeded = array<i1: true, false>} : (tensor<3xf32>, tensor<3xi32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xi32>, tensor<3xf32>)
  return %0#0, %0#1, %0#2 : tensor<3xf32>, tensor<3xi32>, tensor<3xf32>
}

// -----

// The second call depends on nothing that moves: it stays as it is, and its tangent is zero.
// CHECK-LABEL: func.func private @block(
// CHECK-LABEL: func.func @calls(
// CHECK-NEXT: %[[R:.*]]:3 = call @network.jvp(%arg0, %arg1, %arg2)
// CHECK-NEXT: %[[ZERO:.*]] = stablehlo.constant dense<0.000000e+00>
// CHECK-NEXT: return %[[R]]#2, %[[ZERO]]
// CHECK-LABEL: func.func private @network.jvp(
// CHECK-NEXT: %[[A:.*]]:2 = call @block.jvp(%arg0, %arg1, %arg2)
// CHECK-NEXT: %[[B:.*]] = call @block(%arg1, %arg1)
// CHECK-NEXT: return %[[A]]#0, %[[B]], %[[A]]#1
func.func private @block(%x: tensor<f32>, %w: tensor<f32>) -> tensor<f32> {
  %0 = stablehlo.multiply %x, %w : tensor<f32>
  return %0 : tensor<f32>
}
func.func private @network(%x: tensor<f32>, %w: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %0 = call @block(%x, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  %1 = call @block(%w, %w) : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %0, %1 : tensor<f32>, tensor<f32>
}
func.func @calls(%x: tensor<f32>, %w: tensor<f32>, %t: tensor<f32>) -> (tensor<f32>, tensor<f32>) {
  %0:4 = stablehlo.custom_call @mycc.jvp(%x, %w, %t) {called_computations = [@network], mycc.active = array<i1: true, false>, mycc.seeded = array<i1: true, true>} : (tensor<f32>, tensor<f32>, tensor<f32>) -> (tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>)
  return %0#2, %0#3 : tensor<f32>, tensor<f32>
}
